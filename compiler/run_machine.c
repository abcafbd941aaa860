/* tilec run --machine: the same run as --device cuda, on the machine model. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/run_cuda.h"

/* Inputs are not written; what no file has defined is not read. */
static unsigned flags_of(const Binding *b, int entry)
{
    if (b->tensor->tensor->dir == PARAM_IN)
        return TILE_BUFFER_READ_ONLY;
    return b->buffers[entry].defined ? 0 : TILE_BUFFER_UNDEFINED;
}

bool machine_describe(CudaRun *r)
{
    RunPlan *p = r->plan;
    for (int i = 0; i < p->nbindings; i++) {
        const Binding *b = &p->bindings[i];
        const char *name = b->tensor->name;
        for (int k = 0; k < b->entries; k++) {
            DevicePlace place;
            void *data = r->device[i][k];
            if (b->entries > 1)
                name = arena_format(p->arena, "%s[%d]", b->tensor->name, k);
            if (!data || !device_place(p, &b->buffers[k], &place))
                continue;
            tile_machine_remove(r->machine, data);
            if (!tile_machine_buffer(r->machine, data, place.bytes, name, flags_of(b, k)))
                return user_error("no memory for %s on the machine", name);
        }
    }
    return true;
}

static void print_counts(const tile_machine *m)
{
    tile_machine_counts n = tile_machine_count(m);
    printf("%" PRIu64 " steps, %" PRIu64 " passes over shared memory, %" PRIu64
           " more by bank conflicts\n",
           n.steps, n.shared_passes, n.bank_conflicts);
}

/* A machine has no compiler that gives out registers. */
static void tell_limits(const CudaRun *r)
{
    tile_arch arch = tile_context_device(r->context)->arch;
    int n = 0;
    for (const LibraryBuild *b = &r->library->variants.items[0].builds[arch]; b; b = b->next)
        n += b->limits.count;
    if (n)
        printf("%d %s of registers and spills not checked\n", n, n == 1 ? "assert" : "asserts");
}

bool run_machine(RunPlan *plan)
{
    CudaRun r = {.plan = plan};
    tile_machine_options options = {.seed = plan->command->seed,
                                    .source = plan->command->operands.items[0]};
    if (!plan->item)
        return user_error("--machine takes a .tile file");
    tile_arch_find(plan->command->machine, &options.arch);
    r.machine = tile_machine_create(&options);
    if (!r.machine)
        return user_error("no memory for the machine");
    const Command *c = plan->command;
    double start = seconds_now();
    bool good = (!c->timeline || tile_machine_trace(r.machine, (int64_t)c->block)) &&
                tile_machine_context(r.machine, &r.context) == TILE_OK;
    if (good) {
        good = cuda_prepare(&r) && cuda_launch(&r) && cuda_download(&r);
        if (good && c->verbose)
            tell_limits(&r);
        cuda_finish(&r);
    } else {
        cuda_failed(&r);
    }
    if (c->timeline && !tile_machine_timeline(r.machine, c->timeline))
        good = user_error("%s: cannot be written: %s", c->timeline, strerror(errno));
    if (good && c->timeline && !tile_machine_traced(r.machine))
        good = user_error("--block %" PRIu64 ": no launch has such a block", c->block);
    if (good && c->verbose)
        print_counts(r.machine);
    tile_machine_free(r.machine);
    plan->seconds = seconds_now() - start;
    return good;
}
