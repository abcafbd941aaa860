/* Reductions along one axis (R8): a tile is [outer, n, inner]. */
#include "compiler/interp/elementwise.h"

#include <math.h>

#include "runtime/numerics/bits.h"
#include "runtime/numerics/convert.h"
#include "runtime/numerics/vector.h"
#include "compiler/interp/reduce.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

Lines plan_lines(const Type *t, int axis)
{
    Lines l = {.outer = 1, .n = 1, .inner = 1, .size = dtype_info[t->dtype].size};
    for (int i = 0; i < t->rank; i++) {
        if (i < axis)
            l.outer *= t->dims[i];
        else if (i == axis)
            l.n = t->dims[i];
        else
            l.inner *= t->dims[i];
    }
    return l;
}

Lines *keep_lines(Preparer *p, const Op *op)
{
    Lines *l = NEW(&p->m->arena, Lines);
    const Type *t = &op->args[0]->type;
    *l = plan_lines(t, op->axis);
    if (op->axis < 0) {
        l->n = type_elements(t);
        l->outer = l->inner = 1;
    }
    return l;
}

/* ---- sums ---- */

/* Neighbours first; an element without one is added to the zero that pads the line. */
#define TREE(T, s)                                                                         \
    static void tree_##s(T *restrict y, T *restrict x, int64_t n, int64_t inner)           \
    {                                                                                      \
        for (; n > 1; n = (n + 1) / 2) {                                                   \
            for (int64_t i = 0; i < n / 2; i++)                                            \
                for (int64_t j = 0; j < inner; j++)                                        \
                    x[i * inner + j] = x[2 * i * inner + j] + x[(2 * i + 1) * inner + j];  \
            if (n % 2)                                                                     \
                for (int64_t j = 0; j < inner; j++)                                        \
                    x[n / 2 * inner + j] = x[(n - 1) * inner + j] + 0;                     \
        }                                                                                  \
        for (int64_t j = 0; j < inner; j++)                                                \
            y[j] = n ? x[j] : 0;                                                           \
    }                                                                                      \
    static void sequence_##s(T *restrict y, const T *restrict x, int64_t n, int64_t inner) \
    {                                                                                      \
        for (int64_t i = 0; i < n; i++)                                                    \
            for (int64_t j = 0; j < inner; j++)                                            \
                y[j] += x[i * inner + j];                                                  \
    }
TREE(float, f32)
TREE(double, f64)

#define SUM_FLOAT(T, s, canonical)                                                    \
    static void sum_##s(const Lines *l, char *to, const char *from, const void *init, \
                        bool sequence, char *scratch)                                 \
    {                                                                                 \
        T *y = (T *)(void *)to;                                                       \
        const T *x = (const T *)(const void *)from;                                   \
        T *room = (T *)(void *)scratch;                                               \
        int64_t line = l->n * l->inner;                                               \
        for (int64_t o = 0; o < l->outer; o++, x += line, y += l->inner) {            \
            if (sequence) {                                                           \
                bool skip = !init && l->n;                                            \
                for (int64_t j = 0; j < l->inner; j++)                                \
                    y[j] = init ? *(const T *)init : skip ? x[j] : 0;                 \
                sequence_##s(y, x + (skip ? l->inner : 0), l->n - skip, l->inner);    \
            } else {                                                                  \
                memcpy(room, x, (size_t)line * sizeof *x);                            \
                tree_##s(y, room, l->n, l->inner);                                    \
                for (int64_t j = 0; init && j < l->inner; j++)                        \
                    y[j] = *(const T *)init + y[j];                                   \
            }                                                                         \
            for (int64_t j = 0; j < l->inner; j++)                                    \
                y[j] = canonical(y[j]);                                               \
        }                                                                             \
    }
static inline double canonical_double(double x)
{
    uint64_t u = 0x7FFFFFFFFFFFFFFFu;
    double nan;
    memcpy(&nan, &u, sizeof nan);
    return x != x ? nan : x;
}
SUM_FLOAT(float, f32, tile_canonical)
SUM_FLOAT(double, f64, canonical_double)

/* Integers wrap: the order does not matter. */
#define SUM_INTEGER(T, s)                                                             \
    static void sum_##s(const Lines *l, char *to, const char *from, const void *init) \
    {                                                                                 \
        T *restrict y = (T *)(void *)to;                                              \
        const T *restrict x = (const T *)(const void *)from;                          \
        for (int64_t o = 0; o < l->outer; o++, y += l->inner) {                       \
            for (int64_t j = 0; j < l->inner; j++)                                    \
                y[j] = init ? *(const T *)init : 0;                                   \
            for (int64_t i = 0; i < l->n; i++, x += l->inner)                         \
                for (int64_t j = 0; j < l->inner; j++)                                \
                    y[j] = (T)(y[j] + x[j]);                                          \
        }                                                                             \
    }
SUM_INTEGER(uint8_t, u8)
SUM_INTEGER(uint16_t, u16)
SUM_INTEGER(uint32_t, u32)
SUM_INTEGER(uint64_t, u64)

void sum_lines(const Lines *l, DType t, char *to, const char *from, const void *init, bool sequence,
               char *scratch)
{
    if (t == DT_F32)
        sum_f32(l, to, from, init, sequence, scratch);
    else if (t == DT_F64)
        sum_f64(l, to, from, init, sequence, scratch);
    else
        (l->size == 1   ? sum_u8
         : l->size == 2 ? sum_u16
         : l->size == 4 ? sum_u32
                        : sum_u64)(l, to, from, init);
}

static void run_sum(Task *t, const Insn *i)
{
    const void *init = i->op->nargs > 1 ? slot_pointer(t, i->arg[1]) : NULL;
    sum_lines(i->plan, i->op->args[0]->type.dtype, slot_pointer(t, i->dst),
              slot_pointer(t, i->arg[0]), init, i->op->order == ORDER_SEQ, t->scratch);
}

void emit_sum(Preparer *p, const Op *op)
{
    if (op->code == OP_SUM_PART || (op->plan && op->args[0]->type.dtype == DT_F32)) {
        emit_planned_sum(p, op);
        return;
    }
    Lines *l = keep_lines(p, op);
    need_scratch(p, (size_t)(l->n * l->inner) * l->size);
    emit_plain(p, run_sum, op)->plan = l;
}

/* ---- amax, amin ---- */

/* Integer keys in the order of max: -NaN < -inf < .. < -0 < +0 < .. < inf < NaN. */
static inline int32_t order_key(uint32_t u)
{
    return (int32_t)(u ^ (uint32_t)((int32_t)u >> 31 & 0x7FFFFFFF));
}

#define EXTREME_LINE(name, better)                          \
    static float name(const float *x, int64_t n)            \
    {                                                       \
        int32_t best = order_key(tile_bits(x[0])), nan = 0; \
        for (int64_t i = 0; i < n; i++) {                   \
            uint32_t u = tile_bits(x[i]);                   \
            int32_t key = order_key(u);                     \
            best = key better best ? key : best;            \
            nan |= (u & TILE_MAGNITUDE) > TILE_INF_BITS;    \
        }                                                   \
        /* The key's order reverses itself. */              \
        uint32_t u = (uint32_t)order_key((uint32_t)best);   \
        return tile_float(nan ? TILE_NAN_BITS : u);         \
    }
EXTREME_LINE(largest, >)
EXTREME_LINE(smallest, <)

static void extreme_f32(const Lines *l, char *to, const char *from, bool max)
{
    float *y = (float *)(void *)to;
    const float *x = (const float *)(const void *)from;
    if (l->inner == 1 && l->n) {
        for (int64_t o = 0; o < l->outer; o++)
            y[o] = (max ? largest : smallest)(x + o * l->n, l->n);
        return;
    }
    const BinaryRows *rows = binary_rows(max ? OP_MAX : OP_MIN, DT_F32);
    for (int64_t o = 0; o < l->outer; o++, y += l->inner) {
        for (int64_t j = 0; j < l->inner; j++)
            y[j] = max ? -INFINITY : INFINITY;
        for (int64_t i = 0; i < l->n; i++, x += l->inner)
            rows->rows(y, y, x, l->inner);
    }
}

/* The identity: lowest or highest value, or an infinity. */
static uint64_t identity(DType t, bool max)
{
    if (t == DT_F64)
        return max ? 0xFFF0000000000000u : 0x7FF0000000000000u;
    unsigned width = dtype_info[t].bits;
    uint64_t ones = width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
    if (dtype_is_signed(t))
        return max ? (uint64_t)1 << (width - 1) : ones >> 1;
    return max ? 0 : ones;
}

static void extreme_rows(const Lines *l, DType t, char *y, const char *x, bool max)
{
    const BinaryRows *rows = binary_rows(max ? OP_MAX : OP_MIN, t);
    uint64_t first = t == DT_BOOL ? !max : identity(t, max);
    for (int64_t o = 0; o < l->outer; o++) {
        for (int64_t j = 0; j < l->inner; j++)
            memcpy(y + (size_t)j * l->size, &first, l->size);
        for (int64_t i = 0; i < l->n; i++, x += (size_t)l->inner * l->size)
            rows->rows(y, y, x, l->inner);
        y += (size_t)l->inner * l->size;
    }
}

/* Other types than f32 whose order is that of the f32 they stand for. */
bool ordered_as_f32(DType t)
{
    return dtype_is_float(t) && t != DT_F64 && t != DT_F32;
}

static void run_extreme(Task *t, const Insn *i)
{
    const Lines *l = i->plan;
    DType type = i->op->args[0]->type.dtype;
    bool max = i->op->code == OP_AMAX;
    char *y = slot_pointer(t, i->dst);
    const char *x = slot_pointer(t, i->arg[0]);
    if (type == DT_F32) {
        extreme_f32(l, y, x, max);
    } else if (ordered_as_f32(type)) {
        int64_t n = l->outer * l->n * l->inner;
        float *wide = (float *)(void *)t->scratch, *out = wide + n;
        tile_convert(DT_F32, wide, type, x, (size_t)n, TILE_ROUND_NEAREST);
        extreme_f32(l, (char *)out, (const char *)wide, max);
        encode_f32(type, y, out, (size_t)i->n);
    } else {
        extreme_rows(l, type, y, x, max);
    }
}

void emit_extreme(Preparer *p, const Op *op)
{
    Insn *i = emit_plain(p, run_extreme, op);
    i->plan = keep_lines(p, op);
    if (ordered_as_f32(op->args[0]->type.dtype))
        need_scratch(p, sizeof(float) * (size_t)(type_elements(&op->args[0]->type) + i->n));
}

/* ---- any, all ---- */

static void run_truth(Task *t, const Insn *i)
{
    const Lines *l = i->plan;
    bool all = i->op->code == OP_ALL;
    uint8_t *restrict y = slot_pointer(t, i->dst);
    const uint8_t *restrict x = slot_pointer(t, i->arg[0]);
    for (int64_t o = 0; o < l->outer; o++, y += l->inner) {
        memset(y, all, (size_t)l->inner);
        for (int64_t k = 0; k < l->n; k++, x += l->inner)
            for (int64_t j = 0; j < l->inner; j++)
                y[j] = all ? y[j] & x[j] : y[j] | x[j];
    }
}

void emit_truth(Preparer *p, const Op *op)
{
    emit_plain(p, run_truth, op)->plan = keep_lines(p, op);
}
