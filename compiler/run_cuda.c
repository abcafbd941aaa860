/* tilec run --device cuda: the same run on the GPU, as a library's stub would start it. */
#include <stdlib.h>
#include <string.h>

#include "compiler/run_cuda.h"

/* What the machine has to say is said as it is, without the runtime's words before it. */
bool cuda_failed(CudaRun *r)
{
    if (r->machine && tile_machine_fault(r->machine) != TILE_FAULT_NONE)
        return user_error("%s", tile_machine_report(r->machine));
    return user_error("%s", tile_error(r->context));
}

/* ---- memory ---- */

static bool is_scratch(const Binding *b)
{
    return b->tensor->tensor->dir == PARAM_SCRATCH;
}

/* Tensors go to the GPU; what nobody has defined is filled with a pattern, as no zero is
 * promised. */
static bool upload(CudaRun *r)
{
    RunPlan *p = r->plan;
    for (int i = 0; i < p->nbindings; i++) {
        const Binding *binding = &p->bindings[i];
        for (int k = 0; k < binding->entries && !is_scratch(binding); k++) {
            const Buffer *b = &binding->buffers[k];
            DevicePlace place;
            if (!device_place(p, b, &place))
                return false;
            if (tile_alloc(r->context, place.bytes, &r->device[i][k]) != TILE_OK)
                return cuda_failed(r);
            if (!place_upload(r, &place, b, r->device[i][k]))
                return false;
        }
    }
    return true;
}

bool cuda_download(CudaRun *r)
{
    RunPlan *p = r->plan;
    for (int i = 0; i < p->nbindings; i++) {
        const Binding *binding = &p->bindings[i];
        bool written = binding->tensor->tensor->dir != PARAM_IN && !is_scratch(binding);
        for (int k = 0; k < binding->entries && written; k++) {
            const Buffer *b = &binding->buffers[k];
            DevicePlace place;
            if (!device_place(p, b, &place) || !place_download(r, &place, b, r->device[i][k]))
                return false;
        }
    }
    return true;
}

static bool take_scratch(CudaRun *r)
{
    if (tile_call_scratch(&r->kernel, r->context, r->arguments, r->count, &r->scratch_bytes) !=
            TILE_OK ||
        tile_alloc(r->context, r->scratch_bytes, &r->scratch) != TILE_OK ||
        tile_scratch_init(r->context, r->scratch, r->scratch_bytes, NULL) != TILE_OK)
        return cuda_failed(r);
    return true;
}

/* ---- arguments ---- */

/* An element type by its own name in DLPack, one to an element. */
static DLDataType element_type(DType t)
{
    static const uint8_t codes[] = {[DT_F16] = kDLFloat,
                                    [DT_BF16] = kDLBfloat,
                                    [DT_F32] = kDLFloat,
                                    [DT_TF32] = kDLFloat,
                                    [DT_E4M3] = kDLFloat8_e4m3fn,
                                    [DT_E5M2] = kDLFloat8_e5m2,
                                    [DT_E2M1] = kDLFloat4_e2m1fn,
                                    [DT_UE8M0] = kDLFloat8_e8m0fnu,
                                    [DT_BOOL] = kDLBool,
                                    [DT_U8] = kDLUInt,
                                    [DT_U16] = kDLUInt,
                                    [DT_U32] = kDLUInt,
                                    [DT_U64] = kDLUInt,
                                    [DT_I8] = kDLInt,
                                    [DT_I16] = kDLInt,
                                    [DT_I32] = kDLInt,
                                    [DT_I64] = kDLInt};
    return (DLDataType){codes[t], dtype_info[t].bits, 1};
}

/* The buffer as a host would pass it (R18, R25). */
static DLTensor *tensor_of(CudaRun *r, const Buffer *b, void *address)
{
    Arena *a = r->plan->arena;
    DLTensor *t = NEW(a, DLTensor);
    DevicePlace place;
    device_place(r->plan, b, &place);
    int64_t *shape = NEW_ARRAY(a, int64_t, b->rank + 1), *strides = NULL;
    memcpy(shape, b->extent, sizeof *shape * (size_t)b->rank);
    *t = (DLTensor){.data = address ? (char *)address + place.offset_bytes : NULL,
                    .device = {kDLCUDA, 0},
                    .ndim = b->rank,
                    .dtype = element_type(b->dtype),
                    .shape = shape};
    if (b->format != FORMAT_ROW && b->rank == 2) {
        bool quads = b->format == FORMAT_UE8M0X4;
        int64_t unit = quads ? 4 : 128 / dtype_info[b->dtype].bits;
        strides = NEW_ARRAY(a, int64_t, 2);
        strides[0] = 1;
        strides[1] = (b->extent[0] + unit - 1) / unit * unit;
        shape[1] = quads ? (b->extent[1] + 3) / 4 : b->extent[1];
        t->dtype = quads ? (DLDataType){kDLInt, 32, 1} : t->dtype;
    }
    if (place.row != (b->rank ? b->extent[b->rank - 1] : 1)) {
        strides = NEW_ARRAY(a, int64_t, b->rank);
        strides[b->rank - 1] = 1;
        strides[b->rank - 2] = place.row;
        for (int i = b->rank - 3; i >= 0; i--)
            strides[i] = strides[i + 1] * b->extent[i + 1];
    }
    t->strides = strides;
    return t;
}

static int binding_of(const RunPlan *p, const char *name)
{
    for (int i = 0; i < p->nbindings; i++)
        if (strcmp(p->bindings[i].tensor->name, name) == 0)
            return i;
    return -1;
}

static void add_tensor(CudaRun *r, const tile_param *p)
{
    int binding = binding_of(r->plan, p->name);
    tile_argument *out = &r->arguments[r->count++];
    const Binding *b = binding < 0 ? NULL : &r->plan->bindings[binding];
    if (!b)
        return;
    if (!p->table) {
        out->tensor = tensor_of(r, &b->buffers[0], r->device[binding][0]);
        return;
    }
    const DLTensor **entries = NEW_ARRAY(r->plan->arena, const DLTensor *, b->entries + 1);
    for (int k = 0; k < b->entries; k++)
        entries[k] = tensor_of(r, &b->buffers[k], r->device[binding][k]);
    out->table.tensors = entries;
    out->table.count = b->entries;
}

static void add_scalar(CudaRun *r, const tile_param *p)
{
    tile_argument *out = &r->arguments[r->count++];
    for (int i = 0; i < r->plan->narguments; i++)
        if (strcmp(r->plan->arguments[i].name, p->name) == 0) {
            uint32_t low = (uint32_t)r->plan->arguments[i].bits;
            out->integer = (int64_t)r->plan->arguments[i].bits;
            if (p->dtype == TILE_TYPE_F32)
                memcpy(&out->number, &low, sizeof low);
        }
}

static void gather(CudaRun *r)
{
    const LibraryKernel *k = r->library;
    const int64_t *key = k->variants.items[0].key;
    r->arguments = NEW_ARRAY(r->plan->arena, tile_argument, k->param_count + k->static_count + 1);
    for (int i = 0; i < k->param_count; i++)
        if (k->params[i].kind != TILE_PARAM_SCALAR)
            add_tensor(r, &k->params[i]);
    for (int i = 0; i < k->static_count; i++)
        if (is_argument(&k->statics[i]))
            r->arguments[r->count++].integer = key[i];
    for (int i = 0; i < k->param_count; i++)
        if (k->params[i].kind == TILE_PARAM_SCALAR)
            add_scalar(r, &k->params[i]);
}

/* ---- the run ---- */

bool cuda_launch(CudaRun *r)
{
    return tile_call(&r->kernel, r->context, r->arguments, r->count, r->scratch, r->scratch_bytes,
                     NULL) == TILE_OK ||
           cuda_failed(r);
}

/* All phases in one stream, in order, from their first launch to their end. */
static bool run_timed(CudaRun *r)
{
    tile_timer *timer;
    bool good = tile_timer_create(r->context, &timer) == TILE_OK &&
                tile_timer_start(timer, NULL) == TILE_OK;
    if (!good)
        return cuda_failed(r);
    good = cuda_launch(r);
    good = good && (tile_timer_stop(timer, NULL, &r->plan->seconds) == TILE_OK || cuda_failed(r));
    tile_timer_free(timer);
    return good && (tile_synchronize(r->context, NULL) == TILE_OK || cuda_failed(r));
}

/* Element types are those of the run, whatever `instances` lists: bytes of a u8 would be read as an
 * e4m3 that is listed (R25). */
static void fix_types(LibraryKernel *k)
{
    for (int i = 0; i < k->static_count; i++)
        if (k->statics[i].kind == TILE_STATIC_TYPE) {
            uint8_t *type = NEW(k->arena, uint8_t);
            *type = (uint8_t)k->variants.items[0].key[i];
            k->statics[i].types = type;
            k->statics[i].type_count = 1;
        }
}

bool cuda_prepare(CudaRun *r)
{
    RunPlan *p = r->plan;
    tile_arch arch = tile_context_device(r->context)->arch;
    r->library = library_kernel(p->arena, &p->program, p->item);
    if (!r->library)
        return false;
    for (int i = 0; i < p->variants.count; i++)
        if (!library_add(r->library, p->diag, arch, &p->variants.items[i]))
            return false;
    fix_types(r->library);
    library_describe(r->library, &r->kernel);
    r->kernel.variants = *library_list(r->library, p->arena, NULL);
    r->device = NEW_ARRAY(p->arena, void **, p->nbindings);
    for (int i = 0; i < p->nbindings; i++)
        r->device[i] = NEW_ARRAY(p->arena, void *, p->bindings[i].entries + 1);
    if (!upload(r) || (r->machine && !machine_describe(r)))
        return false;
    gather(r);
    return take_scratch(r);
}

/* What the schedule asserts of registers and spills: the driver knows them of code that is loaded.
 * Both codes of the variant count. */
static bool check_build(CudaRun *r, const LibraryBuild *build, const tile_build *b)
{
    bool good = true;
    for (int i = 0; build->limits.count && i < build->plan->phase_count; i++)
        for (int aligned = 0; aligned < 2; aligned++) {
            const tile_code *code = b->code[aligned];
            const tile_phase *phase = &build->plan->phases[i];
            tile_module *module;
            tile_function *f;
            if (!code)
                continue;
            tile_source source = {.name = code->name, .text = code->text, .options = code->options};
            if (tile_module_compile(r->context, &source, &module) != TILE_OK ||
                tile_module_function(module, phase->entry, phase->shared_bytes, &f) != TILE_OK)
                return cuda_failed(r);
            const tile_function_info *info = tile_function_information(f);
            good = limits_check(r->plan->diag, &build->limits, phase->entry,
                                aligned ? "" : ", in the code for tensors that are not aligned",
                                info->registers, info->local_bytes) &&
                   good;
        }
    return good;
}

static bool check_limits(CudaRun *r)
{
    tile_arch arch = tile_context_device(r->context)->arch;
    const tile_build *b = &r->kernel.variants.items[0].builds[arch];
    const LibraryBuild *build = &r->library->variants.items[0].builds[arch];
    bool good = true;
    for (; build && b; build = build->next, b = b->next)
        good = check_build(r, build, b) && good;
    return good;
}

void cuda_finish(CudaRun *r)
{
    for (int i = 0; r->device && i < r->plan->nbindings; i++)
        for (int k = 0; k < r->plan->bindings[i].entries; k++)
            tile_free(r->context, r->device[i][k]);
    tile_free(r->context, r->scratch);
    tile_context_free(r->context);
}

static bool are_tensors(const RunPlan *p, const PairList *list, const char *option)
{
    for (int i = 0; i < list->count; i++)
        if (binding_of(p, list->items[i].name) < 0)
            return user_error("%s %s: %s has no such tensor", option, list->items[i].name,
                              p->kernel->name);
    return true;
}

bool run_open_gpu(RunPlan *plan)
{
    return tile_context_create(0, &plan->gpu) == TILE_OK || user_error("%s", tile_error(NULL));
}

const char *run_gpu_target(const RunPlan *plan)
{
    return tile_arch_name(tile_context_device(plan->gpu)->arch);
}

void run_close_gpu(RunPlan *plan)
{
    tile_context_free(plan->gpu);
    plan->gpu = NULL;
}

bool run_cuda(RunPlan *plan)
{
    CudaRun r = {.plan = plan};
    if (!plan->item)
        return user_error("--device cuda takes a .tile file");
    if (!are_tensors(plan, &plan->command->pitches, "--pitch") ||
        !are_tensors(plan, &plan->command->offsets, "--offset"))
        return false;
    r.context = plan->gpu;
    plan->gpu = NULL;
    int times = plan->command->times;
    bool good = cuda_prepare(&r) && check_limits(&r) && run_timed(&r) && cuda_download(&r) &&
                (!times || cuda_time(&r, times));
    cuda_finish(&r);
    return good;
}
