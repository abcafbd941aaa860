/* What a phase computes for nothing: pure operations that no effect needs. An assertion is none in
 * a release build, and the shuffles of a reduction that only it needs would stay. */
#include <string.h>

#include "compiler/cuda.h"

static bool has_effect(const Op *op)
{
    switch (op->code) {
    case OP_ASSERT:
    case OP_ASSUME:
    case OP_PRINT:
    case OP_BIND:
        return false;
    default:
        return strchr(op_info[op->code].flags, 'P') == NULL;
    }
}

bool is_live(const Cuda *c, const Op *op)
{
    bool live = has_effect(op);
    for (int i = 0; i < op->nresults; i++)
        live |= c->live[op->results[i]->id];
    return live;
}

/* From the last operation to the first: uses stand behind what they use. What a loop carries is
 * taken as used. */
static void mark_region(Cuda *c, const Region *r)
{
    for (const Op *op = r->last; op; op = op->prev) {
        if (!is_live(c, op))
            continue;
        for (int i = op->nregions - 1; i >= 0; i--)
            mark_region(c, op->regions[i]);
        for (int i = 0; i < op->nargs; i++)
            c->live[op->args[i]->id] = true;
    }
}

void find_live(Cuda *c, const Op *par)
{
    memset(c->live, 0, sizeof *c->live * (size_t)c->low->kernel->next_id);
    for (int i = par->nregions - 1; i >= 0; i--)
        mark_region(c, par->regions[i]);
}
