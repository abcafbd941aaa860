/* cumsum, cummax, softmax. */
#include "compiler/interp/elementwise.h"
#include "compiler/interp/reduce.h"

#include <math.h>

#include "runtime/numerics/bits.h"
#include "runtime/numerics/convert.h"
#include "runtime/numerics/vector.h"

/* Row k of the result is row k - 1 joined with x's row; exclusive: the sum of the rows before k,
 * which is 0 for none and the row itself for one. */
static void scan_line(const Lines *l, const BinaryRows *join, char *y, const char *x,
                      bool exclusive)
{
    size_t row = (size_t)l->inner * l->size;
    int64_t k = 0;
    if (exclusive && l->n) {
        memset(y, 0, row);
        y += row;
        k = 1;
    }
    for (int64_t first = k; k < l->n; k++, y += row, x += row) {
        if (k == first)
            memcpy(y, x, row);
        else
            join->rows(y, y - row, x, l->inner);
    }
}

static void run_scan(Task *t, const Insn *i)
{
    const Lines *l = i->plan;
    DType type = i->op->args[0]->type.dtype;
    OpCode join = i->op->code == OP_CUMSUM ? OP_ADD : OP_MAX;
    char *y = slot_pointer(t, i->dst), *x = slot_pointer(t, i->arg[0]);
    Lines line = *l;
    bool wide = ordered_as_f32(type);
    if (wide) {
        tile_convert(DT_F32, t->scratch, type, x, (size_t)i->n, TILE_ROUND_NEAREST);
        x = t->scratch;
        y = t->scratch + (size_t)i->n * sizeof(float);
        line.size = sizeof(float);
    }
    const BinaryRows *rows = binary_rows(join, wide ? DT_F32 : type);
    size_t bytes = (size_t)(l->n * l->inner) * line.size;
    for (int64_t o = 0; o < l->outer; o++)
        scan_line(&line, rows, y + (size_t)o * bytes, x + (size_t)o * bytes, i->op->exclusive);
    if (wide)
        encode_f32(type, slot_pointer(t, i->dst), (const float *)(const void *)y, (size_t)i->n);
}

void emit_scan(Preparer *p, const Op *op)
{
    Insn *i = emit_plain(p, run_scan, op);
    i->plan = keep_lines(p, op);
    if (ordered_as_f32(op->args[0]->type.dtype))
        need_scratch(p, 2 * sizeof(float) * (size_t)i->n);
}

/* ---- softmax ---- */

/* e / sum(e, order = tree) with e = exp(x - amax(x)), as if it were written so. */
static void softmax_f32(const Lines *l, float *y, const float *x, char *scratch)
{
    float *most = (float *)(void *)scratch, *total = most + l->inner;
    Lines line = *l;
    line.outer = 1;
    for (int64_t o = 0; o < l->outer; o++, x += l->n * l->inner, y += l->n * l->inner) {
        for (int64_t j = 0; j < l->inner; j++) {
            float m = -INFINITY;
            for (int64_t k = 0; k < l->n; k++)
                m = larger_f32(m, x[k * l->inner + j]);
            for (int64_t k = 0; k < l->n; k++)
                y[k * l->inner + j] = x[k * l->inner + j] - m;
        }
        tile_vexp(y, y, (size_t)(l->n * l->inner));
        sum_lines(&line, DT_F32, (char *)total, (const char *)y, NULL, false,
                  (char *)(total + l->inner));
        for (int64_t k = 0; k < l->n; k++)
            for (int64_t j = 0; j < l->inner; j++)
                y[k * l->inner + j] = tile_canonical(y[k * l->inner + j] / total[j]);
    }
}

static void softmax_f64(const Lines *l, double *y, const double *x, char *scratch)
{
    double *total = (double *)(void *)scratch;
    Lines line = *l;
    line.outer = 1;
    for (int64_t o = 0; o < l->outer; o++, x += l->n * l->inner, y += l->n * l->inner) {
        for (int64_t j = 0; j < l->inner; j++) {
            double m = -INFINITY;
            for (int64_t k = 0; k < l->n; k++)
                m = x[k * l->inner + j] > m || x[k * l->inner + j] != x[k * l->inner + j]
                        ? x[k * l->inner + j]
                        : m;
            for (int64_t k = 0; k < l->n; k++)
                y[k * l->inner + j] = exp(x[k * l->inner + j] - m);
        }
        sum_lines(&line, DT_F64, (char *)total, (const char *)y, NULL, false,
                  (char *)(total + l->inner));
        for (int64_t k = 0; k < l->n; k++)
            for (int64_t j = 0; j < l->inner; j++)
                y[k * l->inner + j] /= total[j];
    }
}

static void run_softmax(Task *t, const Insn *i)
{
    if (i->op->args[0]->type.dtype == DT_F32)
        softmax_f32(i->plan, slot_pointer(t, i->dst), slot_pointer(t, i->arg[0]), t->scratch);
    else
        softmax_f64(i->plan, slot_pointer(t, i->dst), slot_pointer(t, i->arg[0]), t->scratch);
}

void emit_softmax(Preparer *p, const Op *op)
{
    Lines *l = keep_lines(p, op);
    need_scratch(p, (size_t)((l->n + 2) * l->inner) * l->size);
    emit_plain(p, run_softmax, op)->plan = l;
}
