/* tilec run --machine: the same run as --device cuda, on the machine model. */
#include <stdlib.h>
#include <string.h>

#include "compiler/run_cuda.h"
#include "runtime/machine/machine.h"

/* Inputs are not written; what no file has defined is not read. */
static unsigned flags_of(const Binding *b, int entry)
{
    if (b->tensor->tensor->dir == PARAM_IN)
        return TILE_BUFFER_READ_ONLY;
    return b->buffers[entry].defined ? 0 : TILE_BUFFER_UNDEFINED;
}

/* The buffers of the run are global memory as they are. */
static bool register_buffers(CudaRun *r, tile_machine *m)
{
    RunPlan *p = r->plan;
    r->device = NEW_ARRAY(p->arena, void **, p->nbindings);
    for (int i = 0; i < p->nbindings; i++) {
        const Binding *b = &p->bindings[i];
        const char *name = b->tensor->name;
        r->device[i] = NEW_ARRAY(p->arena, void *, b->entries + 1);
        for (int k = 0; k < b->entries; k++) {
            r->device[i][k] = b->buffers[k].data;
            if (b->entries > 1)
                name = arena_format(p->arena, "%s[%d]", b->tensor->name, k);
            if (b->buffers[k].bytes &&
                !tile_machine_buffer(m, b->buffers[k].data, b->buffers[k].bytes, name,
                                     flags_of(b, k)))
                return user_error("no memory for %s on the machine", name);
        }
    }
    return tile_machine_buffer(m, r->barrier, BARRIER_BYTES, "scratch", 0);
}

static bool launch(CudaRun *r, tile_machine *m, tile_machine_code *code, int phase)
{
    const tile_phase *p = &r->host.phases[phase];
    int64_t blocks = r->nodes[p->blocks];
    if (blocks > INT32_MAX)
        return user_error("%s: %lld blocks are too many", p->entry, (long long)blocks);
    tile_launch_config config = {
        .grid = {(uint32_t)blocks, 1, 1},
        .block = {p->threads, 1, 1},
        .cluster = {p->cluster, p->cluster != 0, p->cluster != 0},
        .shared_bytes = p->shared_bytes,
        .cooperative = p->cooperative,
        .pdl = p->pdl,
    };
    return tile_machine_launch(m, code, p->entry, &config, r->args, r->args_bytes);
}

static bool run_on(CudaRun *r, tile_machine *m)
{
    RunPlan *p = r->plan;
    static const char *const any[] = {"-DTILE_ALIGNED=0", NULL};
    Host *host;
    char *text = emit_variant(p->arena, p->diag, &p->program, &p->variant, p->kernel,
                              p->command->machine, &host);
    tile_machine_code *code;
    if (!text)
        return false;
    r->host = host_plan(host);
    if (!register_buffers(r, m))
        return false;
    tile_source source = {.name = arena_format(p->arena, "%s.cu", p->kernel->name), .text = text};
    if (!cuda_is_aligned(r))
        source.options = any;
    bool good = tile_machine_load(m, &source, &code) && cuda_gather(r);
    for (int i = 0; i < r->host.phase_count && good; i++)
        good = launch(r, m, code, i);
    return good ||
           (tile_machine_fault(m) != TILE_FAULT_NONE && user_error("%s", tile_machine_report(m)));
}

bool run_machine(RunPlan *plan)
{
    CudaRun r = {.plan = plan, .barrier = NEW_ARRAY(plan->arena, uint64_t, BARRIER_BYTES / 8)};
    tile_machine_options options = {.seed = plan->command->seed,
                                    .source = plan->command->operands.items[0]};
    if (!plan->item)
        return user_error("--machine takes a .tile file");
    if (!tile_arch_find(plan->command->machine, &options.arch))
        return user_error("--machine %s: there is no such target", plan->command->machine);
    tile_machine *m = tile_machine_create(&options);
    if (!m)
        return user_error("no memory for the machine");
    double start = seconds_now();
    bool good = run_on(&r, m);
    plan->seconds = seconds_now() - start;
    tile_machine_free(m);
    return good;
}
