/* Pass: plans. Writes the order in which the CUDA emitter adds up a default sum (cuda_reduce.c) into
 * the IR, from the layout of what is added, so that the interpreter can replay it (R8). */
#include "compiler/lower.h"

/* One digit a mode along the axis; the layout's modes are ordered from the fastest digit. */
static SumPlan *plan_of_layout(Arena *arena, const Layout *l, int axis)
{
    SumPlan *plan = NEW(arena, SumPlan);
    plan->digits = NEW_ARRAY(arena, SumDigit, l->count);
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].dim == axis)
            plan->digits[plan->count++] =
                (SumDigit){l->mode[i].owner, l->mode[i].extent, l->mode[i].stride};
    return plan;
}

bool plan_follows(const SumPlan *plan, const Layout *l, int axis)
{
    for (int o = 0; o < OWNERS; o++) {
        int k = 0;
        for (int i = 0; i < l->count; i++) {
            const Mode *m = &l->mode[i];
            if ((int)m->owner != o || m->dim != axis)
                continue;
            while (k < plan->count && (int)plan->digits[k].owner != o)
                k++;
            if (k == plan->count || plan->digits[k].extent != m->extent ||
                plan->digits[k].stride != m->stride)
                return false;
            k++;
        }
        for (; k < plan->count; k++)
            if ((int)plan->digits[k].owner == o)
                return false;
    }
    return true;
}

/* A constant tile lies nowhere: each thread adds up all of it. */
static SumPlan *plan_of_constant(Arena *arena, int64_t n)
{
    Layout l = {0};
    layout_add(&l, OWN_REG, 0, n, 1);
    return plan_of_layout(arena, &l, 0);
}

/* A sum in a fixed order leaves its result as the emitter spreads it: the axis lies in the registers
 * of one thread, the rest plainly. */
static Layout ordered_layout(const Op *op, ThreadUnit unit)
{
    Type rest = op->args[0]->type;
    rest.dims[op->axis] = 1;
    return layout_spread(&rest, rest.rank - 1, 1, unit);
}

static bool is_held(const Lowered *low, const Value *v)
{
    return !is_uniform(v) && low->placed[v->id];
}

static bool reduced_layout(const Lowered *low, const PhasePlan *plan, const Op *op, Layout *out)
{
    if (op->axis < 0)
        return false;
    if (op->code == OP_SUM && op->order != ORDER_DEFAULT) {
        *out = ordered_layout(op, plan->unit);
        return true;
    }
    if (!is_held(low, op->args[0]))
        return false;
    *out = layout_reduce(&low->layout[op->args[0]->id], op->axis);
    return true;
}

/* Results that the emitter leaves as they fall, whatever layout they were assigned. */
static bool fallen_layout(const Lowered *low, const PhasePlan *plan, const Op *op, Layout *out)
{
    const Layout *first = NULL;
    switch (op->code) {
    case OP_SUM:
    case OP_AMAX:
    case OP_AMIN:
    case OP_ANY:
    case OP_ALL:
        return reduced_layout(low, plan, op, out);
    case OP_EXTRACT:
        return is_held(low, op->args[0]) &&
               extract_layout(op, &low->layout[op->args[0]->id], out);
    case OP_CONCAT:
        for (int i = 0; i < op->nargs && !first; i++)
            if (is_held(low, op->args[i]) && type_elements(&op->args[i]->type))
                first = &low->layout[op->args[i]->id];
        *out = concat_layout(op, first, plan->unit);
        return true;
    default:
        return false;
    }
}

static void settle(Lowered *low, const PhasePlan *plan, const Op *op)
{
    const Value *r = op->nresults == 1 ? op->results[0] : NULL;
    Layout l;
    if (!r || is_uniform(r) || type_elements(&r->type) == 0 ||
        !fallen_layout(low, plan, op, &l))
        return;
    low->layout[r->id] = l;
    low->placed[r->id] = true;
}

static void record(Lowered *low, Op *op)
{
    const Value *arg = op->args[0];
    op->plan = NULL;
    if (op->order != ORDER_DEFAULT || op->nargs > 1 || arg->type.dtype != DT_F32 ||
        type_elements(&arg->type) < 2)
        return;
    if (is_uniform(arg))
        op->plan = plan_of_constant(low->arena, arg->type.dims[op->axis]);
    else if (low->placed[arg->id])
        op->plan = plan_of_layout(low->arena, &low->layout[arg->id], op->axis);
}

static void record_region(Lowered *low, const PhasePlan *plan, const Region *r)
{
    for (Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            record_region(low, plan, op->regions[i]);
        if (op->code == OP_SUM)
            record(low, op);
        settle(low, plan, op);
    }
}

void record_plans(Lowered *low, const PhasePlan *plan)
{
    record_region(low, plan, plan->par->regions[plan->par->nregions - 1]);
}

bool plan_sums(Lowered *low)
{
    if (!plan_phases(low))
        return false;
    for (int i = 0; i < low->nphases; i++) {
        if (!assign_layouts(low, &low->phases[i]))
            return false;
        record_plans(low, &low->phases[i]);
    }
    return true;
}
