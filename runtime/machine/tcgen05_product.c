/* What tcgen05.mma computes and tcgen05.cp copies: layouts of tensor memory (PTX ISA 9.7.16.10.5,
 * .10.7, 9.7.16.9.2), operands, sums. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/tcgen05.h"
#include "runtime/numerics/convert.h"

enum { CHUNK = 16, MOST_ROWS = 128, MOST_N = 256, MOST_K = 64, MOST_SCALES = 4 };

/* ---- layouts ----
 *
 *   M = 256 of a pair       A: 128 rows a block, row r in lane r; N columns
 *   M = 128 of a pair       B: 64 rows a block, row r in lane r and, for the upper half of N, in
 * lane 64 + r; N / 2 columns M = 128 of a block      D: row r in lane r; N columns M = 64 of a
 * block       F: row r in lane r % 16 + 32 (r / 16), from lane 0 or 16 on; N columns
 */

int tensor_rows(const TensorOp *op)
{
    return op->in.m / op->blocks;
}

static bool is_layout_b(const TensorOp *op)
{
    return op->blocks == 2 && op->in.m == 128;
}

/* Parts of N that lie in lanes of their own. */
int tensor_parts(const TensorOp *op)
{
    return is_layout_b(op) ? 2 : 1;
}

static int lane_of(const TensorOp *op, int row, int part)
{
    return op->in.m == 64 ? op->d_lane + row % 16 + 32 * (row / 16) : row + 64 * part;
}

int tensor_a_columns(const TensorOp *op)
{
    return op->in.k / op->in.a->in_word;
}

/* Row r's scales are in lane r % 32 of every quarter, column r / 32. */
int tensor_scale_columns(int rows)
{
    return (rows + QUARTER - 1) / QUARTER;
}

static uint32_t word_at(const Block *b, int lane, int column)
{
    return b->tensor->word[lane * COLUMNS + column];
}

/* ---- operands ---- */

/* value[row * MOST_K + k] */
typedef struct Matrix {
    const Block *block;
    const Operand *operand;
    const Element *element;
    double sign;
    double *value;
} Matrix;

static uint32_t bits_of(const char *chunk, int bits, int i)
{
    uint64_t half[2];
    memcpy(half, chunk, sizeof half);
    int at = bits * i, low = at % 64;
    uint64_t x = half[at / 64] >> low;
    if (low + bits > 64)
        x |= half[1] << (64 - low);
    return (uint32_t)(x & ((1ull << bits) - 1));
}

static void load_chunk(void *context, uint32_t address, int mn, int k)
{
    Matrix *x = context;
    const Operand *o = x->operand;
    const char *p = x->block->shared.base + address - SHARED_BASE;
    for (int i = 0; i < o->chunk; i++) {
        int row = o->mn_major ? mn + i : mn, column = o->mn_major ? k : k + i;
        x->value[row * MOST_K + column] = x->sign *
                                          x->element->convert(bits_of(p, x->element->bits, i));
    }
}

/* A's rows in the lanes of a part of N. */
static void load_lanes(const TensorOp *op, const Block *b, int part, double *value)
{
    const Element *e = op->in.a;
    double sign = op->in.a_negative ? -1 : 1;
    uint32_t mask = e->bits == 32 ? ~0u : (1u << e->bits) - 1;
    for (int row = 0; row < tensor_rows(op); row++)
        for (int k = 0; k < op->in.k; k++) {
            uint32_t w = word_at(b, lane_of(op, row, part), op->a_column + k / e->in_word);
            value[row * MOST_K + k] = sign * e->convert(w >> k % e->in_word * e->bits & mask);
        }
}

static void load_a(const TensorOp *op, const Block *b, int part, double *value)
{
    Matrix x = {b, &op->a, op->in.a, op->in.a_negative ? -1 : 1, value};
    if (op->from_tmem)
        load_lanes(op, b, part, value);
    else
        operand_each(&op->a, tensor_rows(op), op->in.k, load_chunk, &x);
}

/* Of a pair, each block has half of the columns. */
static void load_b(const TensorOp *op, double *value)
{
    int n = op->in.n / op->blocks;
    for (int i = 0; i < op->blocks; i++) {
        Matrix x = {op->block[i], &op->b, op->in.b, op->in.b_negative ? -1 : 1,
                    value + i * n * MOST_K};
        operand_each(&op->b, n, op->in.k, load_chunk, &x);
    }
}

/* ---- scales ---- */

static _Noreturn void report_quarters(Machine *m, const AsyncOp *async, const char *name, int row,
                                      int quarter)
{
    breach(
        m, TILE_FAULT_SCALES, NULL, async->place,
        "tcgen05.mma: the scales of row %d of %s differ between lanes 0 to 31 and %d to %d; they "
        "must be the same in all four quarters",
        row, name, QUARTER * quarter, QUARTER * quarter + QUARTER - 1);
}

/* Multiplies rows first .. first + rows - 1 of a matrix by their scales, which part `part` of N has
 * in its own lanes. */
static void scale_rows(Machine *m, const AsyncOp *async, const Block *b, const char *name, int rows,
                       int first_quarter, int quarters, int column, int id, double *value)
{
    const Instruction *in = &async->tensor->in;
    int each = in->k / in->scales;
    for (int row = 0; row < rows; row++) {
        int lane = QUARTER * first_quarter + row % QUARTER, c = column + row / QUARTER;
        uint32_t w = word_at(b, lane, c) >> 8 * id;
        uint32_t mask = in->scales == 4 ? ~0u : (1u << 8 * in->scales) - 1;
        for (int q = first_quarter + 1; q < first_quarter + quarters; q++)
            if (((word_at(b, QUARTER * q + row % QUARTER, c) >> 8 * id) ^ w) & mask)
                report_quarters(m, async, name, row, q);
        for (int k = 0; k < in->k; k++)
            value[row * MOST_K + k] *= in->scale(w >> 8 * (k / each) & 0xFF);
    }
}

/* ---- sums: products exactly, with the accumulator in f64, rounded once ---- */

static uint32_t rounded(const Instruction *in, double sum)
{
    if (!in->integer)
        return tile_bits(tile_canonical((float)sum));
    if (in->saturate)
        sum = sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum;
    return (uint32_t)(int64_t)sum;
}

static double accumulator(const Instruction *in, uint32_t w)
{
    return in->integer ? (double)(int32_t)w : (double)tile_float(w);
}

/* One row of D, columns first .. first + n - 1 of B; b_by_k: B with k outside, for speed. */
static void multiply_row(const TensorOp *op, const double *a, const double *b_by_k, int first,
                         int n, uint32_t *d)
{
    double sum[MOST_N];
    for (int i = 0; i < n; i++)
        sum[i] = op->accumulate ? accumulator(&op->in, d[i]) : 0;
    for (int k = 0; k < op->in.k; k++)
        for (int i = 0; i < n; i++)
            sum[i] += a[k] * b_by_k[k * MOST_N + first + i];
    for (int i = 0; i < n; i++)
        d[i] = rounded(&op->in, sum[i]);
}

typedef struct Scratch {
    double a[MOST_ROWS * MOST_K], b[MOST_N * MOST_K], b_by_k[MOST_K * MOST_N];
} Scratch;

/* Fibers have no stack for it. */
static Scratch *scratch(Machine *m)
{
    if (!m->tensor_scratch)
        m->tensor_scratch = malloc(sizeof(Scratch));
    if (!m->tensor_scratch)
        abort();
    return (Scratch *)m->tensor_scratch;
}

static void multiply_part(Machine *m, const AsyncOp *async, Block *b, int part, Scratch *s)
{
    const TensorOp *op = async->tensor;
    const Instruction *in = &op->in;
    int parts = tensor_parts(op), n = in->n / parts, rows = tensor_rows(op);
    load_a(op, b, part, s->a);
    if (in->scales) {
        scale_rows(m, async, b, "A", rows, 0, 4, op->scale_a, in->a_id, s->a);
        scale_rows(m, async, b, "B", n, 4 / parts * part, 4 / parts, op->scale_b, in->b_id,
                   s->b + part * n * MOST_K);
    }
    for (int i = part * n; i < (part + 1) * n; i++)
        for (int k = 0; k < in->k; k++)
            s->b_by_k[k * MOST_N + i] = s->b[i * MOST_K + k];
    for (int row = 0; row < rows; row++)
        multiply_row(op, s->a + row * MOST_K, s->b_by_k, part * n, n,
                     b->tensor->word + lane_of(op, row, part) * COLUMNS + op->d_column);
}

bool tensor_mma_advance(Machine *m, AsyncOp *async)
{
    const TensorOp *op = async->tensor;
    Scratch *s = scratch(m);
    for (int i = 0; i < op->blocks; i++) {
        load_b(op, s->b);
        for (int part = 0; part < tensor_parts(op); part++)
            multiply_part(m, async, op->block[i], part, s);
    }
    return true;
}

/* ---- cp: 9.7.16.9.2 ---- */

static const struct {
    int rows, chunks;
} copies[] = {
    [TILE_TCGEN05_CP_128x256b] = {128, 2},     [TILE_TCGEN05_CP_128x128b] = {128, 1},
    [TILE_TCGEN05_CP_64x128b_02_13] = {64, 1}, [TILE_TCGEN05_CP_64x128b_01_23] = {64, 1},
    [TILE_TCGEN05_CP_32x128b] = {32, 1},
};

int tensor_copy_rows(int shape)
{
    return copies[shape].rows;
}

int tensor_copy_chunks(int shape)
{
    return copies[shape].chunks;
}

/* The row that a lane gets: warps 0 and 2, 1 and 3 the same ones; 0 and 1, 2 and 3; all four. */
static int copied_row(int shape, int lane)
{
    if (shape == TILE_TCGEN05_CP_64x128b_01_23)
        return lane % QUARTER + lane / (2 * QUARTER) * QUARTER;
    return lane % copies[shape].rows;
}

/* Each block of a pair copies from its own shared memory. */
bool tensor_cp_advance(Machine *m, AsyncOp *async)
{
    const TensorOp *op = async->tensor;
    (void)m;
    for (int i = 0; i < op->blocks; i++) {
        const Block *b = op->block[i];
        for (int lane = 0; lane < LANES; lane++)
            for (int c = 0; c < copies[op->shape].chunks; c++) {
                uint32_t from = operand_chunk(&op->a, copied_row(op->shape, lane), c);
                memcpy(&b->tensor->word[lane * COLUMNS + op->d_column + 4 * c],
                       b->shared.base + from - SHARED_BASE, CHUNK);
            }
    }
    return true;
}
