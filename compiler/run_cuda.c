/* tilec run --device cuda: the same run on the GPU, through NVRTC and the runtime. */
#include <stdlib.h>
#include <string.h>

#include "compiler/run_cuda.h"

bool cuda_failed(CudaRun *r)
{
    return user_error("%s", tile_error(r->context));
}

/* Tensors go to the GPU; what nobody has defined is filled with a pattern, as no zero is
 * promised. */
static bool upload(CudaRun *r)
{
    RunPlan *p = r->plan;
    r->device = NEW_ARRAY(p->arena, void **, p->nbindings);
    if (tile_alloc(r->context, BARRIER_BYTES, &r->barrier) != TILE_OK ||
        tile_fill(r->context, r->barrier, 0, BARRIER_BYTES) != TILE_OK)
        return cuda_failed(r);
    for (int i = 0; i < p->nbindings; i++) {
        const Binding *binding = &p->bindings[i];
        r->device[i] = NEW_ARRAY(p->arena, void *, binding->entries + 1);
        for (int k = 0; k < binding->entries; k++) {
            const Buffer *b = &binding->buffers[k];
            if (tile_alloc(r->context, b->bytes, &r->device[i][k]) != TILE_OK ||
                tile_upload(r->context, r->device[i][k], b->data, b->bytes) != TILE_OK)
                return cuda_failed(r);
        }
    }
    return true;
}

static bool download(CudaRun *r)
{
    RunPlan *p = r->plan;
    for (int i = 0; i < p->nbindings; i++) {
        const Binding *binding = &p->bindings[i];
        for (int k = 0; k < binding->entries; k++) {
            const Buffer *b = &binding->buffers[k];
            if (binding->tensor->tensor->dir != PARAM_IN &&
                tile_download(r->context, b->data, r->device[i][k], b->bytes) != TILE_OK)
                return cuda_failed(r);
        }
    }
    return true;
}

/* ---- nodes ---- */

static const Op *nth(const Kernel *k, OpCode code, int n)
{
    for (const Op *op = k->body->first; op; op = op->next)
        if (op->code == code && n-- == 0)
            return op;
    return NULL;
}

static int64_t argument_of(const RunPlan *p, const char *name)
{
    for (int i = 0; i < p->narguments; i++)
        if (strcmp(p->arguments[i].name, name) == 0)
            return (int64_t)p->arguments[i].bits;
    return 0;
}

static int64_t wrapped(tile_scalar_type t, int64_t x)
{
    switch (t) {
    case TILE_BOOL:
        return x != 0;
    case TILE_I8:
        return (int8_t)x;
    case TILE_I16:
        return (int16_t)x;
    case TILE_I32:
        return (int32_t)x;
    case TILE_U8:
        return (uint8_t)x;
    case TILE_U16:
        return (uint16_t)x;
    case TILE_U32:
        return (uint32_t)x;
    default:
        return x;
    }
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return b ? a / b - (a % b != 0 && (a < 0) != (b < 0)) : 0;
}

/* The tensor's stride in elements: tensors of a run are dense. */
static int64_t stride(const RunPlan *p, int tensor, int axis)
{
    const Buffer *b = &p->bindings[tensor].buffers[0];
    int64_t n = 1;
    for (int i = b->rank - 1; i > axis; i--)
        n *= b->extent[i];
    return n;
}

/* Blocks that are resident on the machine model: any number would do. */
enum { MACHINE_RESIDENT = 6 };

static bool resident(CudaRun *r, int phase, int64_t *out)
{
    const tile_phase *p = &r->host.phases[phase];
    int blocks;
    if (!r->functions) {
        *out = MACHINE_RESIDENT;
        return true;
    }
    if (tile_function_occupancy(r->functions[phase], p->threads, p->shared_bytes, &blocks) !=
        TILE_OK)
        return cuda_failed(r);
    *out = (int64_t)blocks * tile_context_device(r->context)->multiprocessors;
    return true;
}

static int64_t joined(const tile_node *n, int64_t a, int64_t b)
{
    switch (n->op) {
    case TILE_NODE_ADD:
        return a + b;
    case TILE_NODE_SUB:
        return a - b;
    case TILE_NODE_MUL:
        return a * b;
    case TILE_NODE_FDIV:
        return floor_divide(a, b);
    case TILE_NODE_MOD:
        return b ? a - floor_divide(a, b) * b : 0;
    case TILE_NODE_MIN:
        return a < b ? a : b;
    case TILE_NODE_MAX:
        return a > b ? a : b;
    case TILE_NODE_AND:
        return a & b;
    case TILE_NODE_OR:
        return a | b;
    case TILE_NODE_XOR:
        return a ^ b;
    case TILE_NODE_EQ:
        return a == b;
    case TILE_NODE_NE:
        return a != b;
    case TILE_NODE_LT:
        return a < b;
    case TILE_NODE_LE:
        return a <= b;
    case TILE_NODE_GT:
        return a > b;
    default:
        return a >= b;
    }
}

static bool evaluate(CudaRun *r, int i)
{
    const RunPlan *p = r->plan;
    const tile_node *n = &r->host.nodes[i];
    const int64_t *v = r->nodes;
    int64_t x = 0;
    switch (n->op) {
    case TILE_NODE_CONST:
        x = n->value;
        break;
    case TILE_NODE_EXTENT:
        x = p->bindings[n->a].entries ? p->bindings[n->a].buffers[0].extent[n->b] : 0;
        break;
    case TILE_NODE_STRIDE:
        x = stride(p, n->a, n->b);
        break;
    case TILE_NODE_ENTRIES:
        x = p->bindings[n->a].entries;
        break;
    case TILE_NODE_ADDRESS:
        for (int k = 0; k < p->bindings[n->a].entries; k++)
            x |= (int64_t)(uintptr_t)r->device[n->a][k];
        break;
    case TILE_NODE_PRESENT:
        x = 1;
        break;
    case TILE_NODE_SCALAR:
        x = argument_of(p, nth(p->kernel, OP_SCALAR, n->a)->name);
        break;
    case TILE_NODE_BOUND:
        x = n->value;
        break;
    case TILE_NODE_RESIDENT:
        return resident(r, n->a, &r->nodes[i]);
    case TILE_NODE_SOLVE:
        x = floor_divide(v[n->c] - v[n->b], v[n->a]);
        break;
    case TILE_NODE_NEG:
        x = n->type == TILE_F32 ? v[n->a] ^ 0x80000000 : -v[n->a];
        break;
    case TILE_NODE_NOT:
        x = !v[n->a];
        break;
    case TILE_NODE_CAST:
        x = v[n->a];
        break;
    case TILE_NODE_SELECT:
        x = v[n->a] ? v[n->b] : v[n->c];
        break;
    default:
        x = joined(n, v[n->a], v[n->b]);
        break;
    }
    r->nodes[i] = wrapped((tile_scalar_type)n->type, x);
    return true;
}

bool cuda_is_aligned(CudaRun *r)
{
    r->nodes = NEW_ARRAY(r->plan->arena, int64_t, r->host.node_count + 1);
    for (int i = 0; i < r->host.node_count; i++)
        if (r->host.nodes[i].op != TILE_NODE_RESIDENT)
            evaluate(r, i);
    return r->host.aligned < 0 || r->nodes[r->host.aligned];
}

bool cuda_gather(CudaRun *r)
{
    int entries = 0;
    r->nodes = NEW_ARRAY(r->plan->arena, int64_t, r->host.node_count + 1);
    size_t size = r->host.args_size + (r->host.tables ? TILE_TABLE_ENTRIES * sizeof(void *) : 0);
    r->args = arena_alloc(r->plan->arena, size);
    r->args_bytes = size;
    for (int i = 0; i < r->host.node_count; i++)
        if (!evaluate(r, i))
            return false;
    for (int i = 0; i < r->host.field_count; i++) {
        const tile_field *f = &r->host.fields[i];
        char *to = (char *)r->args + f->offset;
        if (f->kind == TILE_FIELD_VALUE) {
            memcpy(to, &r->nodes[f->node], f->size);
        } else if (f->kind == TILE_FIELD_POINTER) {
            memcpy(to, &r->device[f->index][0], sizeof(void *));
        } else if (f->kind == TILE_FIELD_SCRATCH) {
            memcpy(to, &r->barrier, sizeof(void *));
        } else if (f->kind == TILE_FIELD_DIVISOR) {
            tile_divisor d = tile__divisor(r->nodes[f->node]);
            memcpy(to, &d, sizeof d);
        } else {
            int n = r->plan->bindings[f->index].entries;
            uint32_t first = (uint32_t)entries;
            if (entries + n > TILE_TABLE_ENTRIES)
                return user_error("the tables have more than %d entries together",
                                  TILE_TABLE_ENTRIES);
            memcpy(to, &first, sizeof first);
            memcpy((char *)r->args + r->host.args_size + (size_t)entries * sizeof(void *),
                   r->device[f->index], (size_t)n * sizeof(void *));
            entries += n;
        }
    }
    return true;
}

static bool find_functions(CudaRun *r, tile_module *module)
{
    r->functions = NEW_ARRAY(r->plan->arena, tile_function *, r->host.phase_count);
    for (int i = 0; i < r->host.phase_count; i++)
        if (tile_module_function(module, r->host.phases[i].entry, r->host.phases[i].shared_bytes,
                                 &r->functions[i]) != TILE_OK)
            return cuda_failed(r);
    return true;
}

bool cuda_launch(CudaRun *r, int phase)
{
    const tile_phase *p = &r->host.phases[phase];
    int64_t blocks = r->nodes[p->blocks];
    if (blocks > INT32_MAX)
        return user_error("%s: %lld blocks are too many", p->entry, (long long)blocks);
    tile_launch_config config = {
        .grid = {(uint32_t)blocks, 1, 1},
        .block = {p->threads, 1, 1},
        .shared_bytes = p->shared_bytes,
        .cooperative = p->cooperative,
    };
    void *arguments[1] = {r->args};
    return tile_launch(r->functions[phase], &config, NULL, arguments) == TILE_OK || cuda_failed(r);
}

/* All phases in one stream, in order, from their first launch to their end. */
static bool run_phases_timed(CudaRun *r)
{
    tile_timer *timer;
    bool good = tile_timer_create(r->context, &timer) == TILE_OK &&
                tile_timer_start(timer, NULL) == TILE_OK;
    if (!good)
        return cuda_failed(r);
    for (int i = 0; i < r->host.phase_count && good; i++)
        good = cuda_launch(r, i);
    good = good && (tile_timer_stop(timer, NULL, &r->plan->seconds) == TILE_OK || cuda_failed(r));
    tile_timer_free(timer);
    return good && (tile_synchronize(r->context, NULL) == TILE_OK || cuda_failed(r));
}

static bool run_on(CudaRun *r)
{
    RunPlan *p = r->plan;
    const tile_device_info *gpu = tile_context_device(r->context);
    static const char *const any[] = {"-DTILE_ALIGNED=0", NULL};
    Host *host;
    char *text = emit_variant(p->arena, p->diag, &p->program, &p->variant, p->kernel,
                              tile_arch_name(gpu->arch), &host);
    tile_module *module;
    if (!text)
        return false;
    r->host = host_plan(host);
    /* Memory of the GPU is aligned; whether extents fit is known before the code is chosen. */
    if (!upload(r))
        return false;
    tile_source source = {.name = arena_format(p->arena, "%s.cu", p->kernel->name), .text = text};
    if (!cuda_is_aligned(r))
        source.options = any;
    if (tile_module_compile(r->context, &source, &module) != TILE_OK)
        return cuda_failed(r);
    int times = p->command->times;
    return find_functions(r, module) && cuda_gather(r) && run_phases_timed(r) && download(r) &&
           (!times || cuda_time(r, times));
}

bool run_cuda(RunPlan *plan)
{
    CudaRun r = {.plan = plan};
    if (!plan->item)
        return user_error("--device cuda takes a .tile file");
    if (tile_context_create(0, &r.context) != TILE_OK)
        return cuda_failed(&r);
    bool good = run_on(&r);
    for (int i = 0; r.device && i < plan->nbindings; i++)
        for (int k = 0; r.device[i] && k < plan->bindings[i].entries; k++)
            tile_free(r.context, r.device[i][k]);
    tile_free(r.context, r.barrier);
    tile_context_free(r.context);
    return good;
}
