#include "compiler/verify.h"

#include <string.h>

const char *verify_type(const Type *t)
{
    if (t->kind == TY_PIPE)
        return t->rank ? "a pipe has no extents" : NULL;
    if ((int)t->dtype < 0 || t->dtype >= DT_COUNT)
        return "no element type";
    if (t->rank < 0 || t->rank > MAX_RANK)
        return "more axes than 8";
    int64_t elements = 1;
    for (int i = 0; i < t->rank; i++) {
        int64_t d = t->dims[i];
        if (d < (t->kind == TY_TILE ? 0 : -1))
            return "negative extent";
        if (d > MAX_EXTENT)
            return "extent above 2^40";
        if (t->kind == TY_TILE && d > 1 && (elements *= d) > MAX_ELEMENTS)
            return "more than 2^31 elements";
    }
    return NULL;
}

static bool has_flag(const Op *op, char flag)
{
    return strchr(op_info[op->code].flags, flag) != NULL;
}

static const Type *arg_type(const Op *op, int i)
{
    return &op->args[i]->type;
}

static bool arithmetic_float(DType t)
{
    return t == DT_F32 || t == DT_F64;
}

/* The shape of the args side by side: ranks equal or 0, extents equal or 1 (R1). */
static bool broadcast_shape(Verifier *v, const Op *op, Type *shape)
{
    shape->rank = 0;
    for (int a = 0; a < op->nargs; a++)
        if (arg_type(op, a)->rank > shape->rank)
            shape->rank = arg_type(op, a)->rank;
    for (int i = 0; i < shape->rank; i++)
        shape->dims[i] = 1;
    for (int a = 0; a < op->nargs; a++) {
        const Type *t = arg_type(op, a);
        if (t->rank == 0)
            continue;
        if (t->rank != shape->rank)
            return verify_fail(v, op, "arg %d is %s: ranks must be equal or 0", a,
                               verify_type_text(v, op->args[a]));
        for (int i = 0; i < t->rank; i++) {
            if (shape->dims[i] == 1)
                shape->dims[i] = t->dims[i];
            else if (t->dims[i] != 1 && t->dims[i] != shape->dims[i])
                return verify_fail(v, op, "arg %d is %s: extents of axis %d must be equal or 1", a,
                                   verify_type_text(v, op->args[a]), i);
        }
    }
    return true;
}

static bool element_rule(Verifier *v, const Op *op)
{
    DType t = arg_type(op, op->code == OP_SELECT)->dtype;
    bool logic = op->code == OP_AND || op->code == OP_OR || op->code == OP_XOR;
    if (has_flag(op, 'A') || (logic && t == DT_BOOL) || (op->code == OP_LNOT && t == DT_BOOL) ||
        (has_flag(op, 'F') && arithmetic_float(t)) || (has_flag(op, 'I') && dtype_is_int(t)))
        return true;
    return verify_fail(v, op, "no such operation on %s (R4)", dtype_info[t].name);
}

/* R6: between storage types only through f32, but for f16 and bf16 to tf32. */
static bool cast_legal(DType from, DType to, RoundMode round)
{
    if (round == ROUND_ZERO)
        return from == DT_F32 && (to == DT_TF32 || to == DT_F16 || to == DT_BF16);
    if (from == to || to == DT_BOOL || from == DT_F32)
        return true;
    if ((from == DT_F16 || from == DT_BF16) && to == DT_TF32)
        return true;
    return dtype_is_int(to) || arithmetic_float(to);
}

static bool verify_cast(Verifier *v, const Op *op)
{
    Type want = *arg_type(op, 0);
    DType from = want.dtype, to = op->results[0]->type.dtype;
    want.dtype = to;
    if (op->code == OP_CAST && !cast_legal(from, to, op->round))
        return verify_fail(v, op, "from %s to %s%s: no such conversion (R6)", dtype_info[from].name,
                           dtype_info[to].name, op->round == ROUND_ZERO ? " towards zero" : "");
    if (op->code == OP_BITS && dtype_info[from].bits != dtype_info[to].bits)
        return verify_fail(v, op, "from %s to %s: widths differ (R6)", dtype_info[from].name,
                           dtype_info[to].name);
    return verify_result(v, op, 0, &want);
}

static bool verify_elementwise(Verifier *v, const Op *op)
{
    if (op->code == OP_CAST || op->code == OP_BITS)
        return verify_cast(v, op);
    Type want = {.kind = TY_TILE};
    if (!broadcast_shape(v, op, &want) || !element_rule(v, op))
        return false;
    int first = op->code == OP_SELECT;
    if (first && arg_type(op, 0)->dtype != DT_BOOL)
        return verify_fail(v, op, "the condition is %s, not bool",
                           verify_type_text(v, op->args[0]));
    want.dtype = arg_type(op, first)->dtype;
    for (int a = first + 1; a < op->nargs; a++)
        if (arg_type(op, a)->dtype != want.dtype)
            return verify_fail(v, op, "%s and %s: element types differ (R4)",
                               dtype_info[want.dtype].name,
                               dtype_info[arg_type(op, a)->dtype].name);
    if (has_flag(op, 'B'))
        want.dtype = DT_BOOL;
    return verify_result(v, op, 0, &want);
}

static bool verify_broadcast(Verifier *v, const Op *op)
{
    const Type *from = arg_type(op, 0), *to = &op->results[0]->type;
    bool fits = to->kind == TY_TILE && from->dtype == to->dtype &&
                (from->rank == 0 || from->rank == to->rank);
    for (int i = 0; fits && i < from->rank; i++)
        fits = from->dims[i] == 1 || from->dims[i] == to->dims[i];
    return fits || verify_fail(v, op, "from %s to %s", verify_type_text(v, op->args[0]),
                               verify_type_text(v, op->results[0]));
}

static bool verify_const(Verifier *v, const Op *op)
{
    const Type *t = &op->results[0]->type;
    if (t->kind != TY_TILE)
        return verify_fail(v, op, "the result is no tile");
    unsigned width = t->dtype == DT_BOOL ? 1 : dtype_info[t->dtype].bits;
    if (width < 64 && op->bits >> width)
        return verify_fail(v, op, "0x%llx is no code of %s", (unsigned long long)op->bits,
                           dtype_info[t->dtype].name);
    return true;
}

static bool verify_reshape(Verifier *v, const Op *op)
{
    const Type *from = arg_type(op, 0), *to = &op->results[0]->type;
    if (to->kind == TY_TILE && from->dtype == to->dtype && type_elements(from) == type_elements(to))
        return true;
    return verify_fail(v, op, "from %s to %s", verify_type_text(v, op->args[0]),
                       verify_type_text(v, op->results[0]));
}

static bool verify_trans(Verifier *v, const Op *op)
{
    Type want = *arg_type(op, 0);
    if (want.rank < 2)
        return verify_fail(v, op, "%s has less than two axes", verify_type_text(v, op->args[0]));
    int64_t last = want.dims[want.rank - 1];
    want.dims[want.rank - 1] = want.dims[want.rank - 2];
    want.dims[want.rank - 2] = last;
    return verify_result(v, op, 0, &want);
}

static bool verify_concat(Verifier *v, const Op *op)
{
    if (op->nargs < 1)
        return verify_fail(v, op, "no args");
    Type want = *arg_type(op, 0);
    if (!verify_axis(v, op, &want))
        return false;
    for (int a = 1; a < op->nargs; a++) {
        Type t = *arg_type(op, a);
        int64_t extent = t.rank == want.rank ? t.dims[op->axis] : 0;
        t.dims[op->axis] = want.dims[op->axis];
        if (!type_equal(&t, &want))
            return verify_fail(v, op, "arg %d is %s: element types and other extents must be equal",
                               a, verify_type_text(v, op->args[a]));
        want.dims[op->axis] += extent;
        if (want.dims[op->axis] > MAX_EXTENT)
            return verify_fail(v, op, "extent above 2^40");
    }
    return verify_result(v, op, 0, &want);
}

static bool verify_iota(Verifier *v, const Op *op)
{
    const Type *t = &op->results[0]->type;
    if (t->kind == TY_TILE && t->dtype == DT_I64 && t->rank == 1)
        return true;
    return verify_fail(v, op, "the result is %s, not i64[n]", verify_type_text(v, op->results[0]));
}

/* Which element types a reduction, scan or order takes: by its flags. */
static bool verify_along(Verifier *v, const Op *op)
{
    Type want = *arg_type(op, 0);
    bool whole = op->code == OP_ANY || op->code == OP_ALL;
    if (whole && want.dtype != DT_BOOL)
        return verify_fail(v, op, "%s is not bool (R8)", verify_type_text(v, op->args[0]));
    if (!whole && !element_rule(v, op))
        return false;
    if (whole && op->axis == -1) {
        want = scalar_type(DT_BOOL);
        return verify_result(v, op, 0, &want);
    }
    if (!verify_axis(v, op, &want))
        return false;
    if (op->code == OP_SUM && op->nargs == 2 && !verify_is_scalar(op->args[1], want.dtype))
        return verify_fail(v, op, "init is %s, not a scalar %s", verify_type_text(v, op->args[1]),
                           dtype_info[want.dtype].name);
    if (op->code == OP_ARGMAX && want.dims[op->axis] == 0)
        return verify_fail(v, op, "axis %d is empty", op->axis);
    if (op->code == OP_SUM || op->code == OP_AMAX || op->code == OP_AMIN || op->code == OP_ARGMAX ||
        whole)
        want.dims[op->axis] = 1;
    if (op->code == OP_RANK || op->code == OP_ARGMAX)
        want.dtype = DT_I32;
    return verify_result(v, op, 0, &want);
}

/* A part for each thread of the plan, in place of the axis. */
static bool verify_sum_part(Verifier *v, const Op *op)
{
    Type want = *arg_type(op, 0);
    if (!verify_axis(v, op, &want))
        return false;
    if (want.dtype != DT_F32 || !op->plan)
        return verify_fail(v, op, "needs f32 and a plan");
    want.dims[op->axis] = 1;
    for (int i = 0; i < op->plan->count; i++)
        if (op->plan->digits[i].owner != OWN_REG)
            want.dims[op->axis] *= op->plan->digits[i].extent;
    return type_equal(arg_type(op, 1), &want)
               ? verify_result(v, op, 0, &want)
               : verify_fail(v, op, "the parts are %s, not %s", verify_type_text(v, op->args[1]),
                             type_text(v->arena, &want));
}

static bool verify_topk(Verifier *v, const Op *op)
{
    Type want = *arg_type(op, 0);
    if (!verify_axis(v, op, &want))
        return false;
    const Type *got = &op->results[0]->type;
    int64_t extent = want.dims[op->axis];
    int64_t k = got->kind == TY_TILE && got->rank == want.rank ? got->dims[op->axis] : 0;
    if (k > extent)
        return verify_fail(v, op, "k is %lld, axis %d has %lld (R10)", (long long)k, op->axis,
                           (long long)extent);
    want.dims[op->axis] = k;
    if (!verify_result(v, op, 0, &want))
        return false;
    want.dtype = DT_I32;
    return verify_result(v, op, 1, &want);
}

static bool verify_counting(Verifier *v, const Op *op)
{
    const Type *t = arg_type(op, 0), *r = &op->results[0]->type;
    if (t->rank != 1 || !dtype_is_int(t->dtype))
        return verify_fail(v, op, "%s is no integer tile of rank 1",
                           verify_type_text(v, op->args[0]));
    Type want = tile_type(DT_I32, 1, t->dims);
    if (op->code == OP_HISTOGRAM && r->rank == 1)
        want.dims[0] = r->dims[0];
    return verify_result(v, op, 0, &want);
}

static bool fp8(DType t)
{
    return t == DT_E4M3 || t == DT_E5M2;
}

static bool verify_product(Verifier *v, const Op *op, const Value *a, const Value *b,
                           const Value *c)
{
    const Type *ta = &a->type, *tb = &b->type, *tc = &c->type;
    if (ta->rank != 2 || tb->rank != 2 || ta->dims[1] != tb->dims[0])
        return verify_fail(v, op, "a is %s, b is %s: not [m, k] and [k, n] (R9)",
                           verify_type_text(v, a), verify_type_text(v, b));
    DType dtype = ta->dtype == DT_I8 ? DT_I32 : DT_F32;
    Type want = tile_type(dtype, 2, (int64_t[]){ta->dims[0], tb->dims[1]});
    if (!type_equal(tc, &want))
        return verify_fail(v, op, "c is %s, not %s (R9)", verify_type_text(v, c),
                           type_text(v->arena, &want));
    return verify_result(v, op, 0, &want);
}

static bool verify_mma(Verifier *v, const Op *op)
{
    DType a = arg_type(op, 0)->dtype, b = arg_type(op, 1)->dtype;
    bool same = a == b && (a == DT_BF16 || a == DT_F16 || a == DT_TF32 || a == DT_I8);
    if (!same && !(fp8(a) && fp8(b)))
        return verify_fail(v, op, "no product of %s and %s (R9)", dtype_info[a].name,
                           dtype_info[b].name);
    return verify_product(v, op, op->args[0], op->args[1], op->args[2]);
}

static bool scale_fits(const Type *scale, DType dtype, int64_t rows, int64_t columns)
{
    return scale->dtype == dtype && scale->rank == 2 && scale->dims[0] == rows &&
           scale->dims[1] == columns;
}

static bool verify_mma_scaled(Verifier *v, const Op *op)
{
    const Type *a = arg_type(op, 0), *sa = arg_type(op, 1);
    const Type *b = arg_type(op, 2), *sb = arg_type(op, 3);
    if (!(fp8(a->dtype) || a->dtype == DT_E2M1) || !(fp8(b->dtype) || b->dtype == DT_E2M1))
        return verify_fail(v, op, "no scaled product of %s and %s (R9)", dtype_info[a->dtype].name,
                           dtype_info[b->dtype].name);
    if (!verify_product(v, op, op->args[0], op->args[2], op->args[4]))
        return false;
    bool fine = a->dtype == DT_E2M1 && b->dtype == DT_E2M1 && sa->dtype == DT_E4M3;
    int64_t block = fine ? 16 : 32, k = a->dims[1];
    DType dtype = fine ? DT_E4M3 : DT_UE8M0;
    if (k % block == 0 && scale_fits(sa, dtype, a->dims[0], k / block) &&
        scale_fits(sb, dtype, k / block, b->dims[1]))
        return true;
    return verify_fail(v, op, "scales are %s and %s: not a block of %lld (R9)",
                       verify_type_text(v, op->args[1]), verify_type_text(v, op->args[3]),
                       (long long)block);
}

static bool args_are_tiles(Verifier *v, const Op *op)
{
    for (int a = 0; a < op->nargs; a++)
        if (!verify_is_tile(op->args[a]))
            return verify_fail(v, op, "arg %d is no tile but %s", a,
                               verify_type_text(v, op->args[a]));
    return true;
}

bool verify_values(Verifier *v, const Op *op)
{
    if (!args_are_tiles(v, op))
        return false;
    if (has_flag(op, 'E'))
        return verify_elementwise(v, op);
    switch (op->code) {
    case OP_CONST:
        return verify_const(v, op);
    case OP_BROADCAST:
        return verify_broadcast(v, op);
    case OP_IOTA:
        return verify_iota(v, op);
    case OP_RESHAPE:
        return verify_reshape(v, op);
    case OP_TRANS:
        return verify_trans(v, op);
    case OP_CONCAT:
        return verify_concat(v, op);
    case OP_SUM_PART:
        return verify_sum_part(v, op);
    case OP_TOPK:
        return verify_topk(v, op);
    case OP_HISTOGRAM:
    case OP_OCCURRENCE:
        return verify_counting(v, op);
    case OP_MMA:
        return verify_mma(v, op);
    case OP_MMA_SCALED:
        return verify_mma_scaled(v, op);
    default:
        return verify_along(v, op);
    }
}
