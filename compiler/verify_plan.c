/* The plan of a sum (R8): its digits cover the axis, and a fused product is the sum's alone. */
#include "compiler/verify.h"

enum { MOST_LANES = 32, MOST_WARPS = 32, MOST_DIGIT = 1 << 24 };

/* Digits that cover an axis are a chain: strides 1, then each the extent so far. The slowest may go
 * beyond the axis, where there are no elements; a register only begins inside of it. */
static bool covers(const SumPlan *plan, int64_t n)
{
    int64_t covered = 1;
    for (int k = 0; k < plan->count; k++) {
        const SumDigit *next = NULL;
        for (int i = 0; i < plan->count && !next; i++)
            if (plan->digits[i].stride == covered)
                next = &plan->digits[i];
        if (!next || covered >= n || next->extent > MOST_DIGIT)
            return false;
        if (next->owner == OWN_REG && (next->extent - 1) * covered >= n)
            return false;
        covered *= next->extent;
    }
    return plan->count ? covered >= n : n == 1;
}

static bool verify_digits(Verifier *v, const Op *op)
{
    const SumPlan *plan = op->plan;
    int64_t n = op->args[0]->type.dims[op->axis], lanes = 1, warps = 1;
    for (int i = 0; i < plan->count; i++) {
        const SumDigit *d = &plan->digits[i];
        if ((int)d->owner < 0 || d->owner >= OWNERS)
            return verify_fail(v, op, "digit %d of the plan has no owner", i);
        if (d->extent < 2)
            return verify_fail(v, op, "%s %lld: a digit has two values or more",
                               owner_name[d->owner], (long long)d->extent);
        if (d->owner == OWN_LANE && (d->extent > MOST_LANES || d->extent & (d->extent - 1)))
            return verify_fail(v, op, "lane %lld: lanes come in powers of two up to %d",
                               (long long)d->extent, MOST_LANES);
        if (d->owner != OWN_REG && d->extent > MOST_WARPS)
            return verify_fail(v, op, "warp %lld: a program has at most %d warps",
                               (long long)d->extent, MOST_WARPS);
        lanes *= d->owner == OWN_LANE ? d->extent : 1;
        warps *= d->owner == OWN_WARP ? d->extent : 1;
        if (lanes > MOST_LANES || warps > MOST_WARPS)
            return verify_fail(v, op, "the plan has more than %d lanes or %d warps", MOST_LANES,
                               MOST_WARPS);
    }
    if (covers(plan, n))
        return true;
    return verify_fail(v, op, "the plan does not cover the %lld elements of axis %d once each",
                       (long long)n, op->axis);
}

static bool verify_fused(Verifier *v, const Op *op)
{
    const Value *product = op->args[0];
    if (!product->op || product->op->code != OP_MUL || product->type.dtype != DT_F32)
        return verify_fail(v, op, "fused: the arg is no product of f32");
    if (product->op->parent != op->parent)
        return verify_fail(v, op, "fused: the product stands in another region");
    return count_uses(op->parent, product) == 1 ||
           verify_fail(v, op, "fused: the product has another use");
}

bool verify_plan(Verifier *v, const Op *op)
{
    if (!op->plan)
        return true;
    if (op->code != OP_SUM && op->code != OP_SUM_PART)
        return verify_fail(v, op, "only a sum has a plan");
    if (op->order != ORDER_DEFAULT)
        return verify_fail(v, op, "order %s has no plan (R8)", order_name[op->order]);
    if (op->code == OP_SUM && op->nargs > 1)
        return verify_fail(v, op, "a sum with an init has no plan (R8)");
    if (op->args[0]->type.dtype != DT_F32 && !dtype_is_int(op->args[0]->type.dtype))
        return verify_fail(v, op, "%s has no plan", verify_type_text(v, op->args[0]));
    return verify_digits(v, op) && (!op->plan->fused || verify_fused(v, op));
}
