#include "compiler/ranges.h"

#include <string.h>

static const IntRange anything = {INT64_MIN, INT64_MAX};

/* Extents and what comes from them stay far from overflow. */
enum { EXTENT_BITS = 59 };

static IntRange of_type(DType t)
{
    int bits = dtype_info[t].bits;
    if (t == DT_BOOL)
        return (IntRange){0, 1};
    if (!dtype_is_int(t) || bits == 64)
        return t == DT_U64 ? (IntRange){0, INT64_MAX} : anything;
    if (dtype_is_signed(t))
        return (IntRange){-((int64_t)1 << (bits - 1)), ((int64_t)1 << (bits - 1)) - 1};
    return (IntRange){0, ((int64_t)1 << bits) - 1};
}

static bool fits(IntRange r, DType t)
{
    IntRange all = of_type(t);
    return r.lo >= all.lo && r.hi <= all.hi;
}

static IntRange join(IntRange a, IntRange b)
{
    return (IntRange){a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
}

static IntRange get(const Ranges *r, const Value *v)
{
    return r->of[v->id];
}

static void set(Ranges *r, const Value *v, IntRange x)
{
    if (v->type.kind == TY_TILE)
        r->of[v->id] = fits(x, v->type.dtype) ? x : of_type(v->type.dtype);
}

static IntRange add(IntRange a, IntRange b)
{
    IntRange r;
    if (__builtin_add_overflow(a.lo, b.lo, &r.lo) || __builtin_add_overflow(a.hi, b.hi, &r.hi))
        return anything;
    return r;
}

static IntRange subtract(IntRange a, IntRange b)
{
    IntRange r;
    if (__builtin_sub_overflow(a.lo, b.hi, &r.lo) || __builtin_sub_overflow(a.hi, b.lo, &r.hi))
        return anything;
    return r;
}

static IntRange multiply(IntRange a, IntRange b)
{
    int64_t x[4];
    if (__builtin_mul_overflow(a.lo, b.lo, &x[0]) || __builtin_mul_overflow(a.lo, b.hi, &x[1]) ||
        __builtin_mul_overflow(a.hi, b.lo, &x[2]) || __builtin_mul_overflow(a.hi, b.hi, &x[3]))
        return anything;
    IntRange r = {x[0], x[0]};
    for (int i = 1; i < 4; i++)
        r = join(r, (IntRange){x[i], x[i]});
    return r;
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* R11: by zero the result is 0. */
static IntRange divide(IntRange a, IntRange b)
{
    IntRange zero = {0, 0};
    if (a.lo == INT64_MIN)
        return anything;
    if (b.lo < 0) {
        int64_t most = -a.lo > a.hi ? -a.lo : a.hi;
        return (IntRange){-most, most};
    }
    if (b.hi == 0)
        return zero;
    int64_t least = b.lo > 0 ? b.lo : 1;
    IntRange r = {floor_divide(a.lo, a.lo < 0 ? least : b.hi),
                  floor_divide(a.hi, a.hi < 0 ? b.hi : least)};
    return b.lo > 0 ? r : join(r, zero);
}

static IntRange modulo(IntRange a, IntRange b)
{
    if (b.lo < 0)
        return b.lo == INT64_MIN ? anything : (IntRange){b.lo + 1, b.hi > 0 ? b.hi - 1 : 0};
    if (a.lo >= 0 && b.lo > 0 && a.hi < b.lo)
        return a;
    int64_t most = b.hi > 0 ? b.hi - 1 : 0;
    return (IntRange){0, a.lo >= 0 && a.hi < most ? a.hi : most};
}

static IntRange two(OpCode code, IntRange a, IntRange b)
{
    switch (code) {
    case OP_ADD:
        return add(a, b);
    case OP_SUB:
        return subtract(a, b);
    case OP_MUL:
        return multiply(a, b);
    case OP_FDIV:
        return divide(a, b);
    case OP_MOD:
        return modulo(a, b);
    case OP_MIN:
        return (IntRange){a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};
    case OP_MAX:
        return (IntRange){a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
    case OP_AND:
        if (a.lo >= 0 && b.lo >= 0)
            return (IntRange){0, a.hi < b.hi ? a.hi : b.hi};
        return a.lo >= 0 ? (IntRange){0, a.hi} : b.lo >= 0 ? (IntRange){0, b.hi} : anything;
    case OP_SHR:
        return a.lo >= 0 ? (IntRange){0, a.hi} : anything;
    default:
        return anything;
    }
}

static IntRange of_op(const Ranges *r, const Op *op)
{
    const Type *t = &op->results[0]->type, *a = op->nargs ? &op->args[0]->type : NULL;
    int64_t n = op->axis >= 0 && a && op->axis < a->rank ? a->dims[op->axis] : 0;
    switch (op->code) {
    case OP_CONST:
        if (dtype_is_int(t->dtype) || t->dtype == DT_BOOL) {
            int64_t x = bits_to_int(t->dtype, op->bits);
            return (IntRange){x, x};
        }
        return anything;
    case OP_DIM:
        return (IntRange){0, r->most};
    case OP_EXTENT:
        if (op->args[0]->op && op->args[0]->op->code == OP_TENSOR)
            return get(r, op->args[0]->op->args[op->axis]);
        return (IntRange){0, (int64_t)1 << EXTENT_BITS};
    case OP_IOTA:
        return (IntRange){0, t->dims[0] > 0 ? t->dims[0] - 1 : 0};
    case OP_CAST:
        return dtype_is_int(a->dtype) || a->dtype == DT_BOOL ? get(r, op->args[0]) : anything;
    case OP_BROADCAST:
    case OP_RESHAPE:
    case OP_TRANS:
    case OP_AMAX:
    case OP_AMIN:
        return type_elements(a) ? get(r, op->args[0]) : anything;
    case OP_CUMMAX:
        return get(r, op->args[0]);
    case OP_CONCAT: {
        IntRange x = get(r, op->args[0]);
        for (int i = 1; i < op->nargs; i++)
            x = join(x, get(r, op->args[i]));
        return x;
    }
    case OP_EXTRACT: {
        int64_t pad = dtype_is_int(t->dtype) ? bits_to_int(t->dtype, op->bits) : 0;
        return join(get(r, op->args[0]), (IntRange){pad, pad});
    }
    case OP_SELECT:
        return join(get(r, op->args[1]), get(r, op->args[2]));
    case OP_NEG:
        return subtract((IntRange){0, 0}, get(r, op->args[0]));
    case OP_RANK:
    case OP_OCCURRENCE:
        return (IntRange){0, type_elements(a)};
    case OP_HISTOGRAM:
        return (IntRange){0, type_elements(a)};
    case OP_ARGMAX:
        return (IntRange){0, n ? n - 1 : 0};
    case OP_CLZ:
    case OP_POPC:
        return (IntRange){0, 64};
    default:
        return op->nargs == 2 && strchr(op_info[op->code].flags, 'E')
                   ? two(op->code, get(r, op->args[0]), get(r, op->args[1]))
                   : anything;
    }
}

static void visit(Ranges *r, const Region *region);

/* lo <= index < hi */
static void bound_index(Ranges *r, const Value *index, const Value *lo, const Value *hi)
{
    IntRange a = get(r, lo), b = get(r, hi);
    set(r, index, (IntRange){a.lo, b.hi > INT64_MIN && b.hi - 1 >= a.lo ? b.hi - 1 : a.lo});
}

static void visit_op(Ranges *r, const Op *op)
{
    for (int i = 0; i < op->nregions; i++) {
        const Region *body = op->regions[i];
        for (int k = 0; k < body->nargs; k++)
            set(r, body->args[k], anything);
        if (op->code == OP_FOR)
            bound_index(r, body->args[0], op->args[0], op->args[1]);
        if (op->code == OP_PAR || op->code == OP_SHARE)
            for (int k = 0; k < i && k + 1 < op->nregions && k < body->nargs; k++) {
                Value *const *y = op->regions[k]->last->args;
                bound_index(r, body->args[k], y[0], y[1]);
            }
        visit(r, body);
    }
    for (int i = 0; i < op->nresults; i++)
        set(r, op->results[i], anything);
    if (op->code == OP_TOPK) {
        int64_t n = op->args[0]->type.dims[op->axis];
        set(r, op->results[1], (IntRange){0, n ? n - 1 : 0});
    } else if (op->nresults == 1 && !op->nregions) {
        set(r, op->results[0], of_op(r, op));
    }
}

static void visit(Ranges *r, const Region *region)
{
    for (const Op *op = region->first; op; op = op->next)
        visit_op(r, op);
}

Ranges ranges_find(Arena *arena, const Kernel *k)
{
    Ranges wide = {.most = (int64_t)1 << EXTENT_BITS}, narrow = {.most = MOST_NARROW};
    wide.of = NEW_ARRAY(arena, IntRange, k->next_id);
    narrow.of = NEW_ARRAY(arena, IntRange, k->next_id);
    visit(&wide, k->body);
    visit(&narrow, k->body);
    wide.narrow = narrow.of;
    return wide;
}

DType range_held_type(const Ranges *r, const Value *v)
{
    DType t = v->type.dtype;
    if (t != DT_I64 || fits(get(r, v), DT_I32))
        return t == DT_I64 ? DT_I32 : t;
    return v->type.rank == 0 && fits(r->narrow[v->id], DT_I32) ? DT_INDEX : t;
}

/* The index of a loop or par whose upper bound is `size`. */
static bool ends_at(const Value *index, const Value *size)
{
    if (index->op)
        return false;
    const Op *loop = index->region->parent;
    if (loop->code == OP_FOR)
        return index->index == 0 && loop->args[1] == size;
    if ((loop->code != OP_PAR && loop->code != OP_SHARE) || index->index + 1 >= loop->nregions)
        return false;
    return loop->regions[index->index]->last->args[1] == size;
}

bool range_is_inside(const Ranges *r, const Value *index, int64_t extent, const Value *size)
{
    int64_t n;
    if (get(r, index).lo < 0)
        return false;
    if (value_int(size, &n) && get(r, index).hi <= n - extent)
        return true;
    return extent == 1 && ends_at(index, size);
}

bool is_multiple(const Value *v, int64_t n)
{
    int64_t i;
    if (n == 1)
        return true;
    if (value_int(v, &i))
        return i % n == 0;
    const Op *op = v->op;
    if (!op) {
        const Op *loop = v->region->parent;
        if (loop->code == OP_FOR && v->index == 0)
            return is_multiple(loop->args[0], n) && is_multiple(loop->args[2], n);
        if ((loop->code == OP_PAR || loop->code == OP_SHARE) && v->index + 1 < loop->nregions &&
            v->region == loop->regions[loop->nregions - 1]) {
            Value *const *y = loop->regions[v->index]->last->args;
            return is_multiple(y[0], n) && is_multiple(y[2], n);
        }
        return false;
    }
    switch (op->code) {
    case OP_CAST:
        return dtype_is_int(op->args[0]->type.dtype) && is_multiple(op->args[0], n);
    case OP_ADD:
    case OP_SUB:
    case OP_MIN:
    case OP_MAX:
        return is_multiple(op->args[0], n) && is_multiple(op->args[1], n);
    case OP_MUL:
        for (int k = 0; k < 2; k++)
            if (value_int(op->args[k], &i) && i != 0 && n % i == 0 && i > 0)
                return is_multiple(op->args[1 - k], n / i);
        return is_multiple(op->args[0], n) || is_multiple(op->args[1], n);
    case OP_FDIV:
        return value_int(op->args[1], &i) && i > 0 && i < (int64_t)1 << 32 &&
               is_multiple(op->args[0], n * i);
    default:
        return false;
    }
}
