/* topk, rank, argmax (R10); histogram, occurrence. */
#include <stdlib.h>

#include "compiler/interp/reduce.h"
#include "runtime/numerics/bits.h"
#include "runtime/numerics/convert.h"

/* An element in the order of R10: greater keys come first, then lower indices. */
typedef struct Ranked {
    uint64_t key;
    int64_t index;
} Ranked;

static bool comes_before(const Ranked *a, const Ranked *b)
{
    return a->key > b->key || (a->key == b->key && a->index < b->index);
}

static int by_rank(const void *x, const void *y)
{
    return comes_before(x, y) ? -1 : comes_before(y, x);
}

/* ---- keys ---- */

/* Bits of a float as an unsigned number in its order; NaN is above all, -0 equals +0. */
static uint64_t float_key(uint64_t bits, int width, uint64_t infinity)
{
    uint64_t sign = (uint64_t)1 << (width - 1), magnitude = bits & (sign - 1);
    if (magnitude > infinity)
        return UINT64_MAX;
    return bits & sign ? sign - magnitude : sign + magnitude;
}

static uint64_t element_key(DType t, const char *x)
{
    uint64_t bits = 0;
    if (t == DT_F64) {
        memcpy(&bits, x, sizeof bits);
        return float_key(bits, 64, 0x7FF0000000000000u);
    }
    if (dtype_is_float(t)) {
        float f;
        tile_convert(DT_F32, &f, t, x, 1, TILE_ROUND_NEAREST);
        return float_key(tile_bits(f), 32, TILE_INF_BITS);
    }
    memcpy(&bits, x, dtype_info[t].size);
    int64_t value = bits_to_int(t, bits);
    return dtype_is_signed(t) ? (uint64_t)value ^ (uint64_t)1 << 63 : (uint64_t)value;
}

static void line_keys(const Lines *l, DType t, const char *x, Ranked *r)
{
    for (int64_t k = 0; k < l->n; k++) {
        r[k].key = element_key(t, x + (size_t)(k * l->inner) * l->size);
        r[k].index = k;
    }
}

/* ---- one line ---- */

/* Brings the first `count` in order to the front. */
static void select_first(Ranked *r, int64_t n, int64_t count)
{
    enum { FEW = 16 };
    Ranked best[FEW];
    int64_t have = 0;
    if (count > FEW) {
        qsort(r, (size_t)n, sizeof *r, by_rank);
        return;
    }
    for (int64_t k = 0; k < n; k++) {
        if (have == count && (!count || !comes_before(&r[k], &best[have - 1])))
            continue;
        int64_t at = have < count ? have++ : have - 1;
        for (; at > 0 && comes_before(&r[k], &best[at - 1]); at--)
            best[at] = best[at - 1];
        best[at] = r[k];
    }
    memcpy(r, best, (size_t)have * sizeof *r);
}

typedef struct OrderPlan {
    Lines lines;
    int64_t count; /* of the results along the axis */
    Slot second;   /* topk: the indices */
} OrderPlan;

/* Element k of a line of the result. */
static int64_t result_at(const OrderPlan *p, int64_t outer, int64_t k, int64_t inner)
{
    return (outer * p->count + k) * p->lines.inner + inner;
}

static void order_line(Task *t, const Insn *i, int64_t o, int64_t j)
{
    const OrderPlan *p = i->plan;
    const Lines *l = &p->lines;
    Ranked *r = (Ranked *)(void *)t->scratch;
    const char *x = slot_pointer(t, i->arg[0]);
    x += (size_t)(o * l->n * l->inner + j) * l->size;
    line_keys(l, i->op->args[0]->type.dtype, x, r);
    select_first(r, l->n, i->op->code == OP_RANK ? l->n : p->count);
    for (int64_t k = 0; k < p->count; k++) {
        int32_t *y = slot_pointer(t, i->op->code == OP_TOPK ? p->second : i->dst);
        if (i->op->code == OP_RANK) {
            y[result_at(p, o, r[k].index, j)] = (int32_t)k;
            continue;
        }
        y[result_at(p, o, k, j)] = (int32_t)r[k].index;
        if (i->op->code == OP_TOPK)
            memcpy((char *)slot_pointer(t, i->dst) + (size_t)result_at(p, o, k, j) * l->size,
                   x + (size_t)(r[k].index * l->inner) * l->size, l->size);
    }
}

static void run_order(Task *t, const Insn *i)
{
    const OrderPlan *p = i->plan;
    for (int64_t o = 0; o < p->lines.outer; o++)
        for (int64_t j = 0; j < p->lines.inner; j++)
            order_line(t, i, o, j);
}

void emit_order(Preparer *p, const Op *op)
{
    OrderPlan *o = NEW(&p->m->arena, OrderPlan);
    o->lines = *keep_lines(p, op);
    o->count = op->results[0]->type.dims[op->axis];
    if (o->count > o->lines.n) {
        prepare_error(p, op, "%s: %lld of %lld elements", op_info[op->code].name,
                      (long long)o->count, (long long)o->lines.n);
        return;
    }
    if (op->nresults > 1)
        o->second = slot_of(p, op->results[1]);
    need_scratch(p, (size_t)o->lines.n * sizeof(Ranked));
    emit_plain(p, run_order, op)->plan = o;
}

/* ---- histogram, occurrence ---- */

static void run_histogram(Task *t, const Insn *i)
{
    const Type *a = &i->op->args[0]->type;
    int32_t *y = slot_pointer(t, i->dst);
    const char *x = slot_pointer(t, i->arg[0]);
    size_t size = dtype_info[a->dtype].size;
    memset(y, 0, (size_t)i->n * sizeof *y);
    for (int64_t k = 0; k < type_elements(a); k++) {
        int64_t bin = read_int(x + (size_t)k * size, a->dtype);
        if (bin >= 0 && bin < i->n)
            y[bin]++;
    }
}

void emit_histogram(Preparer *p, const Op *op)
{
    emit_plain(p, run_histogram, op);
}

/* Values met so far, by open addressing; `count` 0 is a free place. */
typedef struct Met {
    int64_t value;
    int64_t count;
} Met;

static void run_occurrence(Task *t, const Insn *i)
{
    const Type *a = &i->op->args[0]->type;
    Met *met = (Met *)(void *)t->scratch;
    uint64_t mask = (uint64_t)i->aux - 1;
    int32_t *y = slot_pointer(t, i->dst);
    const char *x = slot_pointer(t, i->arg[0]);
    size_t size = dtype_info[a->dtype].size;
    memset(met, 0, (size_t)i->aux * sizeof *met);
    for (int64_t k = 0; k < i->n; k++) {
        int64_t value = read_int(x + (size_t)k * size, a->dtype);
        y[k] = 0;
        if (i->op->bits && (value < 0 || (uint64_t)value >= i->op->bits))
            continue;
        uint64_t at = ((uint64_t)value * 0x9E3779B97F4A7C15u) >> 32 & mask;
        while (met[at].count && met[at].value != value)
            at = (at + 1) & mask;
        met[at].value = value;
        y[k] = (int32_t)met[at].count++;
    }
}

void emit_occurrence(Preparer *p, const Op *op)
{
    Insn *i = emit_plain(p, run_occurrence, op);
    if (i->n > 1 << 28) {
        prepare_error(p, op, "occurrence of %lld elements", (long long)i->n);
        return;
    }
    i->aux = 2;
    while (i->aux < 2 * i->n)
        i->aux *= 2;
    need_scratch(p, (size_t)i->aux * sizeof(Met));
}
