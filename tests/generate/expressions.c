/* Expressions of every element type: leaves, shape, selection, order; the rest: numbers.c. */
#include <string.h>

#include "tests/generate/generate.h"

static Type with_dtype(const Type *t, DType dtype)
{
    Type other = *t;
    other.dtype = dtype;
    return other;
}

static const char *typed_literal(Gen *g, const Type *t)
{
    const char *one = SAY(g, "%s(%s)", dtype_text(g, t->dtype), literal(g, t->dtype));
    return t->rank ? SAY(g, "fill(%s, %s)", one, shape_list(g, t)) : one;
}

const char *make_leaf(Gen *g, const Type *t)
{
    const GenName *name = NULL;
    const char *text = NULL;
    unsigned choice = pick(g, 8);
    if (choice > 3 || (choice && !(name = find_name(g, t))))
        text = make_load(g, t, 0);
    else if (choice == 3 && t->dtype == DT_I64 && t->rank == 1)
        text = SAY(g, "iota(%s)", extent_text(g, t->dims[0]));
    if (choice > 3 && !text)
        name = find_name(g, t);
    return name ? name->text : text ? text : typed_literal(g, t);
}

const char *make_index(Gen *g, int64_t limit, int depth)
{
    Type i64 = scalar_type(DT_I64);
    if (limit <= 1 || !chance(g, 2))
        return SAY(g, "%lld", (long long)(limit > 0 ? pick(g, (unsigned)limit) : 0));
    return SAY(g, "(%s %% %s)", make(g, &i64, depth), extent_text(g, limit));
}

/* ---- shape ---- */

static const char *p_leaf(Gen *g, const Type *t, int depth)
{
    (void)depth;
    return make_leaf(g, t);
}

static const char *p_load(Gen *g, const Type *t, int depth)
{
    return make_load(g, t, depth);
}

static const char *p_select(Gen *g, const Type *t, int depth)
{
    Type c = with_dtype(t, DT_BOOL);
    for (int i = 0; i < c.rank; i++)
        if (chance(g, 4))
            c.dims[i] = 1;
    if (chance(g, 4))
        c.rank = 0;
    const char *a = make(g, t, depth), *b = chance(g, 3) ? literal(g, t->dtype) : make(g, t, depth);
    return SAY(g, chance(g, 2) ? "select(%s, %s, %s)" : "select(!%s, %s, %s)", make(g, &c, depth),
               a, b);
}

static const char *p_conditional(Gen *g, const Type *t, int depth)
{
    Type c = scalar_type(DT_BOOL);
    const char *a = make(g, t, depth);
    /* The dead side is not typed. */
    if (chance(g, 6))
        return SAY(g,
                   chance(g, 2) ? "(true ? %s : bf16(1.0) * bf16(2.0))"
                                : "(S == side.left ? bf16(1.0) * bf16(2.0) : %s)",
                   a);
    return SAY(g, "(%s ? %s : %s)", make(g, &c, depth), a, make(g, t, depth));
}

static const char *p_reshape(Gen *g, const Type *t, int depth)
{
    Type from = *t;
    int64_t n = type_elements(t);
    switch (pick(g, 4)) {
    case 0:
        from.rank = 1;
        from.dims[0] = n;
        break;
    case 1:
        from.rank = 2;
        from.dims[0] = n % 2 == 0 ? 2 : 1;
        from.dims[1] = n / from.dims[0];
        break;
    case 2:
        if (t->rank == 0 || t->rank == MOST_RANK)
            return NULL;
        from.rank = t->rank + 1;
        from.dims[t->rank] = 1;
        break;
    default:
        for (int i = 0; i < t->rank; i++)
            from.dims[i] = t->dims[t->rank - 1 - i];
    }
    const char *x = make(g, &from, depth);
    return t->rank ? SAY(g, "reshape(%s, %s)", x, shape_list(g, t)) : SAY(g, "reshape(%s)", x);
}

static const char *p_trans(Gen *g, const Type *t, int depth)
{
    Type from = *t;
    if (t->rank < 2)
        return NULL;
    from.dims[t->rank - 1] = t->dims[t->rank - 2];
    from.dims[t->rank - 2] = t->dims[t->rank - 1];
    return SAY(g, "trans(%s)", make(g, &from, depth));
}

static const char *p_squeeze(Gen *g, const Type *t, int depth)
{
    Type from = with_dtype(t, t->dtype);
    from.rank = 0;
    for (int i = 0; i < t->rank; i++) {
        if (t->dims[i] == 1 || from.rank + 2 > MOST_RANK)
            return NULL;
        if (chance(g, 2))
            from.dims[from.rank++] = 1;
        from.dims[from.rank++] = t->dims[i];
    }
    if (from.rank < MOST_RANK)
        from.dims[from.rank++] = 1;
    return SAY(g, "squeeze(%s)", make(g, &from, depth));
}

static const char *p_concat(Gen *g, const Type *t, int depth)
{
    if (t->rank == 0)
        return NULL;
    int axis = (int)pick(g, (unsigned)t->rank), parts = 1 + (int)pick(g, 3);
    int64_t left = t->dims[axis];
    const char *text = "";
    for (int i = 0; i < parts; i++) {
        Type part = *t;
        part.dims[axis] = i == parts - 1 ? left : (int64_t)pick(g, (unsigned)left + 1);
        left -= part.dims[axis];
        text = SAY(g, "%s%s%s", text, i ? ", " : "", make(g, &part, depth));
    }
    return SAY(g, axis == 0 && chance(g, 2) ? "concat(%s)" : "concat(%s, axis = %d)", text, axis);
}

/* A scalar integer that is taken out of a tile is an i64. */
static const char *narrowed(Gen *g, const Type *t, const char *text)
{
    bool widened = t->rank == 0 && dtype_is_int(t->dtype) && t->dtype != DT_U64;
    return widened ? SAY(g, "%s(%s)", dtype_text(g, t->dtype), text) : text;
}

static const char *p_extract(Gen *g, const Type *t, int depth)
{
    GenTensor from = {.dtype = t->dtype, .rank = t->rank, .range = {-1, -1, -1, -1}};
    int64_t left = MOST_ELEMENTS;
    if (from.rank < 1 || (from.rank < MOST_RANK && chance(g, 3)))
        from.rank++;
    Type tile = scalar_type(t->dtype);
    tile.rank = from.rank;
    for (int i = 0; i < from.rank; i++) {
        from.extent[i] = tile.dims[i] = pick_extent(g, left);
        from.fixed[i] = true;
        left /= tile.dims[i] > 1 ? tile.dims[i] : 1;
    }
    for (int i = 0; i < t->rank; i++)
        if (chance(g, 2))
            from.extent[i] = tile.dims[i] = t->dims[i];
    const char *access = make_access(g, &from, t, depth, REACH_ANY);
    return access ? narrowed(g, t, SAY(g, "(%s)%s", make(g, &tile, depth), access)) : NULL;
}

static const char *p_take(Gen *g, const Type *t, int depth)
{
    Type from = *t, index = scalar_type(chance(g, 2) ? DT_I32 : DT_I64);
    if (chance(g, 2)) {
        if (t->rank == MOST_RANK)
            return NULL;
        from.rank = t->rank + 1;
        for (int i = 0; i < t->rank; i++)
            from.dims[i + 1] = t->dims[i];
    } else if (t->rank == 0) {
        return NULL;
    } else {
        index.rank = 1;
        index.dims[0] = t->dims[0];
    }
    from.dims[0] = 1 + (int64_t)pick(g, 4);
    const char *pad = chance(g, 4) ? SAY(g, ", pad = %s", literal(g, t->dtype)) : "";
    const char *x = make(g, &from, depth);
    return narrowed(g, t, SAY(g, "take(%s, %s%s)", x, make(g, &index, depth), pad));
}

/* ---- exact on all types ---- */

static const char *p_minmax(Gen *g, const Type *t, int depth)
{
    if (t->dtype == DT_BOOL)
        return NULL;
    const char *a = make(g, t, depth), *b = chance(g, 3) ? literal(g, t->dtype) : make(g, t, depth);
    return SAY(g, chance(g, 2) ? "max(%s, %s)" : "min(%s, %s)", a, b);
}

static const char *p_sign(Gen *g, const Type *t, int depth)
{
    if (t->dtype == DT_BOOL)
        return NULL;
    const char *x = make(g, t, depth);
    switch (t->dtype == DT_UE8M0 ? 0 : pick(g, 3)) {
    case 0:
        return SAY(g, "abs(%s)", x);
    case 1:
        return SAY(g, "neg(%s)", x);
    default:
        return SAY(g, "(-%s)", x);
    }
}

static const char *p_extreme(Gen *g, const Type *t, int depth)
{
    static const char *const names[] = {"amax", "amin", "cummax"};
    if (t->dtype == DT_BOOL || t->rank == 0)
        return NULL;
    int axis = (int)pick(g, (unsigned)t->rank), which = (int)pick(g, 3);
    Type from = *t;
    if (which < 2) {
        if (t->dims[axis] != 1)
            return NULL;
        from.dims[axis] = pick_extent(g, MOST_ELEMENTS / (type_elements(t) + 1) + 1);
    }
    return SAY(g, "%s(%s, %d)", names[which], make(g, &from, depth), axis);
}

/* topk gives values of the type, or i32 indices. */
static const char *p_topk(Gen *g, const Type *t, int depth)
{
    if (t->dtype == DT_BOOL || t->rank == 0)
        return NULL;
    int axis = (int)pick(g, (unsigned)t->rank);
    bool index = t->dtype == DT_I32 && chance(g, 2);
    Type from = index ? with_dtype(t, pick_dtype(g)) : *t;
    if (from.dtype == DT_BOOL)
        return NULL;
    from.dims[axis] += (int64_t)pick(g, 4);
    return SAY(g, "topk(%s, %s, %d).%d", make(g, &from, depth), extent_text(g, t->dims[axis]), axis,
               index);
}

static const char *p_bits(Gen *g, const Type *t, int depth)
{
    static const DType by_size[] = {DT_U8, DT_U16, DT_U32, DT_U64};
    int size = dtype_info[t->dtype].bits / 16;
    if (t->dtype == DT_BOOL || t->dtype == DT_E2M1)
        return NULL;
    Type u = with_dtype(t, by_size[size == 4 ? 3 : size]);
    return SAY(g, "from_bits(%s, %s)", dtype_text(g, t->dtype), make(g, &u, depth));
}

static const char *p_call(Gen *g, const Type *t, int depth)
{
    switch (pick(g, 3)) {
    case 0:
        return SAY(g, "same(%s)", make(g, t, depth));
    case 1:
        if (t->dtype == DT_BOOL)
            return NULL;
        return SAY(g, "both(%s, %s).%u", make(g, t, depth), make(g, t, depth), pick(g, 2));
    default:
        if (t->dtype != DT_F32 || g->fns == 0)
            return NULL;
        return SAY(g, "f%u(%s, %s)", pick(g, (unsigned)g->fns), make(g, t, depth),
                   make(g, t, depth));
    }
}

typedef const char *Production(Gen *, const Type *, int depth);

const char *make(Gen *g, const Type *t, int depth)
{
    static Production *const any[] = {p_leaf,    p_select, p_conditional, p_reshape,    p_trans,
                                      p_squeeze, p_concat, p_load,        p_extract,    p_take,
                                      p_minmax,  p_sign,   p_extreme,     make_cast_to, p_topk,
                                      p_bits,    p_call,   p_load};
    if (depth <= 0 || g->budget <= 0)
        return make_leaf(g, t);
    g->budget--;
    for (int tries = 0; tries < 4; tries++) {
        bool number = chance(g, 2);
        const char *text = number ? make_number(g, t, depth - 1)
                                  : any[pick(g, sizeof any / sizeof *any)](g, t, depth - 1);
        if (text)
            return text;
    }
    return make_leaf(g, t);
}

const char *make_body(Gen *g, int parameters, int depth)
{
    if (depth <= 0)
        return chance(g, 3) ? literal(g, DT_F32)
                            : SAY(g, "%c", 'a' + (int)pick(g, (unsigned)parameters));
    const char *x = make_body(g, parameters, depth - 1);
    switch (pick(g, 10)) {
    case 0:
        return SAY(g, "(a + %s)", x);
    case 1:
        return SAY(g, "(a - %s)", x);
    case 2:
        return SAY(g, "(%s * b)", x);
    case 3:
        return SAY(g, "fma(a, %s, b)", x);
    case 4:
        return SAY(g, "exp(%s * a)", x);
    case 5:
        return SAY(g, "sqrt(%s + b)", x);
    case 6:
        return SAY(g, "-(%s - a)", x);
    case 7:
        return SAY(g, "select(a < b, %s, a)", x);
    case 8:
        return SAY(g, "max(%s, a)", x);
    default:
        return SAY(g, "(a / (%s))", x);
    }
}
