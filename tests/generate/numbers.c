/* Expressions by element type: arithmetic, conversions, sums, comparisons, mma. */
#include <string.h>

#include "tests/generate/generate.h"

static Type with_dtype(const Type *t, DType dtype)
{
    Type other = *t;
    other.dtype = dtype;
    return other;
}

/* True if integers of type `from` become `to` by themselves. */
static bool widens(DType from, DType to)
{
    int a = dtype_info[from].bits, b = dtype_info[to].bits;
    if (!dtype_is_int(from) || !dtype_is_int(to))
        return false;
    if (dtype_is_signed(from))
        return dtype_is_signed(to) && a <= b;
    return dtype_is_signed(to) ? a < b : a <= b;
}

static DType narrower(Gen *g, DType t)
{
    DType other = (DType)pick(g, DT_F64);
    return chance(g, 3) && widens(other, t) ? other : t;
}

/* Two operands that broadcast to the shape, one of exactly that type. */
static void make_pair(Gen *g, const Type *t, int depth, const char **a, const char **b)
{
    Type other = with_dtype(t, narrower(g, t->dtype));
    for (int i = 0; i < t->rank; i++)
        if (chance(g, 4))
            other.dims[i] = 1;
    if (chance(g, 5))
        other.rank = 0;
    bool swap = chance(g, 2);
    *(swap ? b : a) = make(g, t, depth);
    *(swap ? a : b) = chance(g, 4) ? literal(g, t->dtype) : make(g, &other, depth);
}

/* ---- conversions ---- */

static bool may_cast(DType from, DType to)
{
    bool narrow_from = dtype_info[from].kind == 's', narrow_to = dtype_info[to].kind == 's';
    bool half = from == DT_F16 || from == DT_BF16;
    if (from == to)
        return true;
    if (narrow_from && narrow_to)
        return half && to == DT_TF32;
    if (narrow_from && dtype_is_int(to))
        return half;
    if (narrow_to)
        return from == DT_F32;
    return !(from == DT_U64 && to == DT_F32);
}

const char *make_cast_to(Gen *g, const Type *t, int depth)
{
    Type from = with_dtype(t, DT_F32);
    DType other = (DType)pick(g, DT_F64);
    if (may_cast(other, t->dtype))
        from.dtype = other;
    if (!may_cast(from.dtype, t->dtype))
        from.dtype = t->dtype;
    const char *x = make(g, &from, depth), *name = dtype_text(g, t->dtype);
    bool rounds = t->dtype == DT_F16 || t->dtype == DT_BF16 || t->dtype == DT_TF32;
    if (t->dtype == DT_UE8M0 && from.dtype == DT_F32 && !(g->risky && chance(g, 4)))
        return SAY(g, "%s(abs(%s))", name, x); /* negative ones are errors of the run */
    return SAY(g, rounds && chance(g, 3) ? "%s(%s, round = zero)" : "%s(%s)", name, x);
}

/* ---- sums and scans ---- */

static const char *make_sum(Gen *g, const Type *t, int depth)
{
    if (t->rank == 0)
        return NULL;
    int axis = (int)pick(g, (unsigned)t->rank);
    Type from = *t;
    if (t->dims[axis] != 1)
        return SAY(g, chance(g, 3) ? "cumsum(%s, %d, exclusive = true)" : "cumsum(%s, %d)",
                   make(g, t, depth), axis);
    from.dims[axis] = pick_extent(g, MOST_ELEMENTS / (type_elements(t) + 1) + 1);
    const char *x = make(g, &from, depth);
    switch (pick(g, 4)) {
    case 0:
        return SAY(g, "sum(%s, %d)", x, axis);
    case 1:
        return SAY(g, "sum(%s, %d, order = seq)", x, axis);
    case 2:
        return SAY(g, "sum(%s, %d, order = tree)", x, axis);
    default:
        break;
    }
    Type one = scalar_type(t->dtype);
    const char *init = chance(g, 2) ? make(g, &one, depth) : literal(g, t->dtype);
    return SAY(g, "sum(%s, %d, order = seq, init = %s)", x, axis, init);
}

/* ---- mma ---- */

static const char *make_mma(Gen *g, const Type *t, int depth)
{
    static const DType classes[] = {DT_BF16, DT_F16, DT_E4M3, DT_E5M2, DT_TF32};
    if (t->rank != 2)
        return NULL;
    DType a = t->dtype == DT_I32 ? DT_I8 : classes[pick(g, 5)], b = a;
    if ((a == DT_E4M3 || a == DT_E5M2) && chance(g, 2))
        b = a == DT_E4M3 ? DT_E5M2 : DT_E4M3;
    int64_t k = pick_extent(g, 16);
    Type left = {.kind = TY_TILE, .dtype = a, .rank = 2, .dims = {t->dims[0], k}};
    Type right = {.kind = TY_TILE, .dtype = b, .rank = 2, .dims = {k, t->dims[1]}};
    const char *x = make(g, &left, depth), *y = make(g, &right, depth);
    if (chance(g, 2))
        return SAY(g, "mma(%s, %s)", x, y);
    return SAY(g, "mma(%s, %s, %s)", x, y, make(g, t, depth));
}

static const char *make_mma_scaled(Gen *g, const Type *t, int depth)
{
    static const DType operands[] = {DT_E4M3, DT_E5M2, DT_E2M1};
    if (t->rank != 2 || t->dims[0] > 4 || t->dims[1] > 4)
        return NULL;
    DType a = operands[pick(g, 3)], b = operands[pick(g, 3)], scale = DT_UE8M0;
    int64_t k = 32 * (int64_t)(1 + pick(g, 2)), block = 32;
    if (a == DT_E2M1 && b == DT_E2M1 && chance(g, 2)) {
        block = 16;
        scale = DT_E4M3;
    }
    Type x = {.kind = TY_TILE, .dtype = a, .rank = 2, .dims = {t->dims[0], k}};
    Type sx = {.kind = TY_TILE, .dtype = scale, .rank = 2, .dims = {t->dims[0], k / block}};
    Type y = {.kind = TY_TILE, .dtype = b, .rank = 2, .dims = {k, t->dims[1]}};
    Type sy = {.kind = TY_TILE, .dtype = scale, .rank = 2, .dims = {k / block, t->dims[1]}};
    const char *tx = make(g, &x, depth), *tsx = make(g, &sx, depth);
    const char *ty = make(g, &y, depth), *tsy = make(g, &sy, depth);
    if (chance(g, 2))
        return SAY(g, "mma_scaled(%s, %s, %s, %s)", tx, tsx, ty, tsy);
    return SAY(g, "mma_scaled(%s, %s, %s, %s, %s)", tx, tsx, ty, tsy, make(g, t, depth));
}

/* ---- f32 ---- */

static const char *make_f32(Gen *g, const Type *t, int depth)
{
    static const char *const one[] = {"exp",  "sqrt", "rsqrt", "log",   "sigmoid",  "softplus",
                                      "tanh", "sin",  "cos",   "floor", "ceil_pow2"};
    const char *a, *b, *text;
    switch (pick(g, 12)) {
    case 0:
    case 1:
    case 2:
        make_pair(g, t, depth, &a, &b);
        return SAY(g, "(%s %c %s)", a, "+-*/"[pick(g, 4)], b);
    case 3:
        make_pair(g, t, depth, &a, &b);
        return SAY(g, "fma(%s, %s, %s)", a, b, make(g, t, depth));
    case 4:
        make_pair(g, t, depth, &a, &b);
        return SAY(g, "copysign(%s, %s)", a, b);
    case 5:
    case 6:
        return SAY(g, "%s(%s)", one[pick(g, sizeof one / sizeof *one)], make(g, t, depth));
    case 7:
    case 8:
        return make_sum(g, t, depth);
    case 9:
        if (t->rank == 0)
            return NULL;
        a = make(g, t, depth);
        return SAY(g, "softmax(%s, %u)", a, pick(g, (unsigned)t->rank));
    case 10:
        text = make_mma(g, t, depth);
        return text ? text : make_cast_to(g, t, depth);
    default:
        text = make_mma_scaled(g, t, depth);
        return text ? text : make_cast_to(g, t, depth);
    }
}

/* ---- integers ---- */

/* A divisor that is not zero, unless zero may be an error of the run. */
static const char *make_divisor(Gen *g, const Type *t, int depth)
{
    if (!chance(g, 2))
        return SAY(g, "%u", 1 + pick(g, 9));
    const char *x = make(g, t, depth);
    return g->risky && chance(g, 3) ? x : SAY(g, "(%s | 1)", x);
}

static const char *make_division(Gen *g, const Type *t, int depth)
{
    const char *x = make(g, t, depth), *d = make_divisor(g, t, depth);
    switch (pick(g, 4)) {
    case 0:
        return SAY(g, "(%s // %s)", x, d);
    case 1:
        return SAY(g, "(%s %% %s)", x, d);
    case 2:
        return SAY(g, "cdiv(%s, %s)", x, d);
    default:
        return SAY(g, "align(%s, %s)", x, d);
    }
}

/* i32 results of other types. */
static const char *make_order(Gen *g, const Type *t, int depth)
{
    if (t->dtype != DT_I32 || t->rank == 0)
        return NULL;
    Type from = with_dtype(t, pick_dtype(g));
    int axis = (int)pick(g, (unsigned)t->rank);
    if (t->rank == 1 && dtype_is_int(from.dtype)) {
        if (chance(g, 2))
            return chance(g, 2)
                       ? SAY(g, "occurrence(%s)", make(g, &from, depth))
                       : SAY(g, "occurrence(%s, %u)", make(g, &from, depth), 1 + pick(g, 40));
        from.dims[0] = pick_extent(g, MOST_ELEMENTS);
        return SAY(g, "histogram(%s, %s)", make(g, &from, depth), extent_text(g, t->dims[0]));
    }
    if (from.dtype == DT_BOOL)
        return NULL;
    if (t->dims[axis] != 1 || chance(g, 2))
        return SAY(g, "rank(%s, %d)", make(g, &from, depth), axis);
    from.dims[axis] = 1 + (int64_t)pick(g, 8);
    return SAY(g, "argmax(%s, %d)", make(g, &from, depth), axis);
}

static const char *make_bits(Gen *g, const Type *t, int depth)
{
    DType other = pick_dtype(g);
    if (dtype_is_signed(t->dtype) || dtype_info[other].bits != dtype_info[t->dtype].bits ||
        other == DT_BOOL)
        return NULL;
    Type from = with_dtype(t, other);
    return SAY(g, "bits(%s)", make(g, &from, depth));
}

static const char *make_shift(Gen *g, const Type *t, int depth)
{
    const char *x = make(g, t, depth);
    Type amount = with_dtype(t, narrower(g, t->dtype));
    if (chance(g, 2))
        amount.rank = 0;
    const char *n = chance(g, 2) ? SAY(g, "%u", pick(g, 70)) : make(g, &amount, depth);
    return SAY(g, chance(g, 2) ? "(%s << %s)" : "(%s >> %s)", x, n);
}

static const char *make_integer(Gen *g, const Type *t, int depth)
{
    const char *a, *b;
    switch (pick(g, 12)) {
    case 0:
    case 1:
        make_pair(g, t, depth, &a, &b);
        return SAY(g, "(%s %c %s)", a, "+-*"[pick(g, 3)], b);
    case 2:
        make_pair(g, t, depth, &a, &b);
        return SAY(g, "(%s %c %s)", a, "&|^"[pick(g, 3)], b);
    case 3:
    case 4:
        return make_division(g, t, depth);
    case 5:
        return make_shift(g, t, depth);
    case 6:
        return SAY(g, "(~%s)", make(g, t, depth));
    case 7:
        return SAY(g, chance(g, 2) ? "clz(%s)" : "popc(%s)", make(g, t, depth));
    case 8:
        return make_sum(g, t, depth);
    case 9:
        return make_order(g, t, depth);
    case 10:
        return make_bits(g, t, depth);
    default:
        return t->dtype == DT_I32 ? make_mma(g, t, depth) : make_cast_to(g, t, depth);
    }
}

/* ---- bool ---- */

static const char *make_comparison(Gen *g, const Type *t, int depth)
{
    static const char *const signs[] = {"==", "!=", "<", "<=", ">", ">="};
    Type of = with_dtype(t, pick_dtype(g));
    const char *a, *b;
    make_pair(g, &of, depth, &a, &b);
    return SAY(g, "(%s %s %s)", a, signs[pick(g, of.dtype == DT_BOOL ? 2 : 6)], b);
}

static const char *make_any(Gen *g, const Type *t, int depth)
{
    const char *name = chance(g, 2) ? "any" : "all";
    Type from = *t;
    if (t->rank == 0) {
        from = pick_shape(g, DT_BOOL, 3);
        return SAY(g, "%s(%s)", name, make(g, &from, depth));
    }
    int axis = (int)pick(g, (unsigned)t->rank);
    if (t->dims[axis] != 1)
        return NULL;
    from.dims[axis] = pick_extent(g, MOST_ELEMENTS / (type_elements(t) + 1) + 1);
    return SAY(g, "%s(%s, %d)", name, make(g, &from, depth), axis);
}

static const char *make_bool(Gen *g, const Type *t, int depth)
{
    const char *a, *b;
    Type from;
    switch (pick(g, 8)) {
    case 0:
    case 1:
    case 2:
        return make_comparison(g, t, depth);
    case 3:
        make_pair(g, t, depth, &a, &b);
        return SAY(g, "(%s %c %s)", a, "&|^"[pick(g, 3)], b);
    case 4:
        if (t->rank)
            return NULL;
        a = make(g, t, depth);
        return SAY(g, chance(g, 2) ? "(%s && %s)" : "(%s || %s)", a, make(g, t, depth));
    case 5:
        return SAY(g, chance(g, 2) ? "(!%s)" : "(~%s)", make(g, t, depth));
    case 6:
        return make_any(g, t, depth);
    default:
        from = with_dtype(t, pick_dtype(g));
        if (!dtype_is_float(from.dtype))
            return make_cast_to(g, t, depth);
        return SAY(g, chance(g, 2) ? "isnan(%s)" : "isfinite(%s)", make(g, &from, depth));
    }
}

const char *make_number(Gen *g, const Type *t, int depth)
{
    if (t->dtype == DT_BOOL)
        return make_bool(g, t, depth);
    if (dtype_is_int(t->dtype))
        return make_integer(g, t, depth);
    return t->dtype == DT_F32 ? make_f32(g, t, depth) : make_cast_to(g, t, depth);
}
