/* Pass: casts of narrow floats to f32 go to their first use. A value waits in half the registers or
 * fewer, and what is computed in between, sums over a block above all, has the others. */
#include "compiler/lower.h"

static bool widens(const Op *op)
{
    if (op->code != OP_CAST || op->results[0]->type.kind != TY_TILE)
        return false;
    DType from = op->args[0]->type.dtype;
    return op->results[0]->type.dtype == DT_F32 && dtype_info[from].kind == 's' && from != DT_TF32;
}

static bool takes(const Op *op, const Value *v)
{
    for (int i = 0; i < op->nargs; i++)
        if (op->args[i] == v)
            return true;
    for (int i = 0; i < op->nregions; i++)
        for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
            if (takes(inner, v))
                return true;
    return false;
}

/* In front of the first operation that uses it; its names go with it. */
static void sink(Op *cast)
{
    const Value *v = cast->results[0];
    Op *user = cast->next;
    while (user && (user->code == OP_BIND || !takes(user, v)))
        user = user->next;
    if (!user || user == cast->next)
        return;
    Op *first = cast->next;
    op_remove(cast);
    op_insert_before(user, cast);
    for (Op *op = first, *next; op != cast; op = next) {
        next = op->next;
        if (op->code == OP_BIND && takes(op, v)) {
            op_remove(op);
            op_insert_before(user, op);
        }
    }
}

static void visit(Region *r)
{
    for (Op *op = r->last, *before; op; op = before) {
        before = op->prev;
        for (int i = 0; i < op->nregions; i++)
            visit(op->regions[i]);
        if (widens(op))
            sink(op);
    }
}

void sink_casts(const PhasePlan *plan)
{
    visit(plan->par->regions[plan->par->nregions - 1]);
}
