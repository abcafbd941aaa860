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

/* A plan's digits are a chain: each steps as far as those before it reach. A mask in the midst of
 * an axis breaks it. */
bool is_plannable(const Layout *l, int axis, int64_t n)
{
    int64_t covered = 1;
    for (bool found = true; found && covered < n;) {
        found = false;
        for (int i = 0; i < l->count && !found; i++)
            if (l->mode[i].dim == axis && l->mode[i].stride == covered) {
                covered *= l->mode[i].extent;
                found = true;
            }
    }
    int64_t all = 1;
    for (int i = 0; i < l->count; i++)
        all *= l->mode[i].dim == axis ? l->mode[i].extent : 1;
    return covered >= n && all == covered;
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
static const Layout *keep_layout(Lowered *low, const PhasePlan *plan, const Op *op)
{
    const Type *t = &op->args[0]->type;
    Layout *kept = NEW(low->arena, Layout);
    *kept = low->layout[op->args[0]->id];
    if (!is_plannable(kept, op->axis, t->dims[op->axis])) {
        SpreadRequest plain = {t->rank - 1, 4, -1, 1, false};
        *kept = layout_spread(t, plain, unit_at(plan, op));
    }
    if (!low->summed)
        low->summed = NEW_ARRAY(low->arena, const Layout *, low->layouts);
    low->summed[op->results[0]->id] = kept;
    return kept;
}

/* A product that only the sum needs is accumulated with fma (R8). */
bool sum_is_fused(const Op *op)
{
    const Op *product = op->args[0]->op;
    return product && product->code == OP_MUL && product->parent == op->parent &&
           count_uses(op->parent, op->args[0]) == 1;
}

static void record(Lowered *low, const PhasePlan *phase, Op *op)
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
        const Layout *l = keep_layout(low, phase, op);
        plan = sum_plan_of(low->arena, l, op->axis, sum_is_fused(op));
    }
    op->plan = plan;
}

static void record_region(Lowered *low, const PhasePlan *plan, const Region *r)
{
    for (Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            record_region(low, plan, op->regions[i]);
        if (op->code == OP_SUM)
            record(low, plan, op);
        else if (op->code == OP_SUM_PART)
            keep_layout(low, plan, op);
    }
}

void record_plans(Lowered *low, const PhasePlan *plan)
{
    record_region(low, plan, plan->par->regions[plan->par->nregions - 1]);
}

const Layout *summed_layout(const Lowered *low, const Op *op)
{
    const Layout *kept = low->summed ? low->summed[op->results[0]->id] : NULL;
    return kept ? kept : &low->layout[op->args[0]->id];
}
