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
        if (binding->entries > TABLE_ENTRIES)
            return user_error("table %s has %d entries; %d are possible on the GPU",
                              binding->tensor->name, binding->entries, TABLE_ENTRIES);
        r->device[i] = NEW_ARRAY(p->arena, void *, TABLE_ENTRIES);
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

/* One pointer a parameter, in the order in which the emitter prints them; programs come last. */
static void gather(CudaRun *r)
{
    RunPlan *p = r->plan;
    int binding = 0, n = 0;
    for (const Op *op = p->kernel->body->first; op; op = op->next)
        n += op->code == OP_TENSOR || op->code == OP_DIM || op->code == OP_SCALAR;
    r->arguments = NEW_ARRAY(p->arena, void *, n + 2);
    for (const Op *op = p->kernel->body->first; op; op = op->next) {
        if (op->code == OP_TENSOR) {
            r->arguments[r->narguments++] = r->device[binding++];
        } else if (op->code == OP_DIM || op->code == OP_SCALAR) {
            for (int i = 0; i < p->narguments; i++)
                if (strcmp(p->arguments[i].name, op->name) == 0)
                    r->arguments[r->narguments++] = &p->arguments[i].bits;
        }
    }
    r->arguments[r->narguments++] = &r->programs;
    r->arguments[r->narguments++] = &r->barrier;
}

static bool find_functions(CudaRun *r, tile_module *module)
{
    RunPlan *p = r->plan;
    r->functions = NEW_ARRAY(p->arena, tile_function *, r->nphases);
    for (int i = 0; i < r->nphases; i++) {
        const char *part = r->phases[i].par->name;
        char *name = arena_format(p->arena, "tk_%s%s%s", p->kernel->name, part ? "_" : "",
                                  part ? part : "");
        if (tile_module_function(module, name, 0, &r->functions[i]) != TILE_OK)
            return cuda_failed(r);
    }
    return true;
}

bool cuda_launch(CudaRun *r, int phase)
{
    RunPlan *p = r->plan;
    const PhasePlan *plan = &r->phases[phase];
    int64_t side = plan->pack;
    uint32_t threads = (uint32_t)(plan->unit.lanes * plan->unit.warps * plan->pack);
    int resident = 1;
    if (plan->ragged &&
        tile_function_occupancy(r->functions[phase], threads, 0, &resident) != TILE_OK)
        return cuda_failed(r);
    resident *= tile_context_device(r->context)->multiprocessors;
    r->programs = plan->ragged ? side * resident
                               : bind_programs(p->arena, p->diag, p->kernel, plan->par,
                                               p->arguments, p->narguments);
    if (r->programs < 0)
        return user_error("%s: the number of programs is not known to the host", p->kernel->name);
    int64_t blocks = (r->programs + side - 1) / side;
    if (blocks > INT32_MAX)
        return user_error("%s: %lld blocks are too many", p->kernel->name, (long long)blocks);
    tile_launch_config config = {
        .grid = {(uint32_t)blocks, 1, 1},
        .block = {threads, 1, 1},
        .cooperative = plan->syncs,
    };
    return tile_launch(r->functions[phase], &config, NULL, r->arguments) == TILE_OK ||
           cuda_failed(r);
}

/* All phases in one stream, in order, from their first launch to their end. */
static bool run_phases_timed(CudaRun *r)
{
    tile_timer *timer;
    bool good = tile_timer_create(r->context, &timer) == TILE_OK &&
                tile_timer_start(timer, NULL) == TILE_OK;
    if (!good)
        return cuda_failed(r);
    for (int i = 0; i < r->nphases && good; i++)
        good = cuda_launch(r, i);
    good = good && (tile_timer_stop(timer, NULL, &r->plan->seconds) == TILE_OK || cuda_failed(r));
    tile_timer_free(timer);
    return good && (tile_synchronize(r->context, NULL) == TILE_OK || cuda_failed(r));
}

static bool run_on(CudaRun *r)
{
    RunPlan *p = r->plan;
    const tile_device_info *gpu = tile_context_device(r->context);
    Lowered low;
    char *text = emit_variant(p->arena, p->diag, &p->program, &p->variant, p->kernel,
                              tile_arch_name(gpu->arch), &low);
    tile_module *module;
    if (!text)
        return false;
    tile_source source = {.name = arena_format(p->arena, "%s.cu", p->kernel->name), .text = text};
    if (tile_module_compile(r->context, &source, &module) != TILE_OK)
        return cuda_failed(r);
    if (!upload(r))
        return false;
    gather(r);
    r->phases = low.phases;
    r->nphases = low.nphases;
    int times = p->command->times;
    return find_functions(r, module) && run_phases_timed(r) && download(r) &&
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
