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

static void mark_op(Cuda *c, const Op *op)
{
    for (int i = 0; i < op->nargs; i++) {
        int id = op->args[i]->id;
        c->live[id] = true;
        c->uses[id]++;
        c->user[id] = op;
    }
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
        mark_op(c, op);
    }
}

/* Also who uses a value: the uses of what is live. */
void find_live(Cuda *c, const Op *par)
{
    size_t n = (size_t)c->low->kernel->next_id;
    memset(c->live, 0, sizeof *c->live * n);
    memset(c->uses, 0, sizeof *c->uses * n);
    for (int i = par->nregions - 1; i >= 0; i--)
        mark_region(c, par->regions[i]);
    for (const Op *op = c->low->kernel->body->last; op; op = op->prev)
        if (op->code != OP_PAR && is_live(c, op))
            mark_op(c, op);
}
