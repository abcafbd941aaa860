/* Pass: plans. Writes the order in which the threads of a target add up a default sum into the IR
 * (R8), from the layout of what is added; the emitter follows it, the interpreter replays it. */
#include "compiler/locals.h"
#include "compiler/lower.h"

/* One digit a mode along the axis; the layout's modes are ordered from the fastest digit. */
SumPlan *sum_plan_of(Arena *arena, const Layout *l, int axis, bool fused)
{
    SumPlan *plan = NEW(arena, SumPlan);
    plan->fused = fused;
    plan->digits = NEW_ARRAY(arena, SumDigit, l->count);
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].dim == axis)
            plan->digits[plan->count++] = (SumDigit){(Owner)l->mode[i].owner, l->mode[i].extent,
                                                     l->mode[i].stride};
    return plan;
}

/* A constant tile lies nowhere: each thread adds up all of it. */
static SumPlan *plan_of_constant(Arena *arena, int64_t n)
{
    Layout l = {0};
    layout_add(&l, OWN_REG, 0, n, 1);
    return sum_plan_of(arena, &l, 0, false);
}

/* The emitter may leave an operation's result in another layout than it was assigned; what a sum is
 * planned for is kept. */
static void keep_layout(Lowered *low, const Op *op)
{
    Layout *kept = NEW(low->arena, Layout);
    *kept = low->layout[op->args[0]->id];
    if (!low->summed)
        low->summed = NEW_ARRAY(low->arena, const Layout *, low->layouts);
    low->summed[op->results[0]->id] = kept;
}

/* A product that only the sum needs is accumulated with fma (R8). */
bool sum_is_fused(const Op *op)
{
    const Op *product = op->args[0]->op;
    return product && product->code == OP_MUL && product->parent == op->parent &&
           count_uses(op->parent, op->args[0]) == 1;
}

static void record(Lowered *low, Op *op)
{
    const Value *arg = op->args[0];
    SumPlan *plan = NULL;
    op->plan = NULL;
    if (op->order != ORDER_DEFAULT || op->nargs > 1 || arg->type.dtype != DT_F32 ||
        type_elements(&arg->type) < 2)
        return;
    if (is_uniform(arg)) {
        plan = plan_of_constant(low->arena, arg->type.dims[op->axis]);
    } else if (low->placed[arg->id]) {
        keep_layout(low, op);
        plan = sum_plan_of(low->arena, &low->layout[arg->id], op->axis, sum_is_fused(op));
    }
    op->plan = plan;
}

static void record_region(Lowered *low, const Region *r)
{
    for (Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            record_region(low, op->regions[i]);
        if (op->code == OP_SUM)
            record(low, op);
        else if (op->code == OP_SUM_PART)
            keep_layout(low, op);
    }
}

void record_plans(Lowered *low, const PhasePlan *plan)
{
    record_region(low, plan->par->regions[plan->par->nregions - 1]);
}

const Layout *summed_layout(const Lowered *low, const Op *op)
{
    const Layout *kept = low->summed ? low->summed[op->results[0]->id] : NULL;
    return kept ? kept : &low->layout[op->args[0]->id];
}
