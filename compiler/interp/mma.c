/* mma and mma_scaled (R9): exact products, accumulated in f64. */
#include "compiler/interp/prepare.h"

#include "runtime/numerics/bits.h"
#include "runtime/numerics/convert.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

typedef struct MmaPlan {
    int64_t m, n, k, k_blocks; /* k_blocks: scales along k; 0: none */
    DType a, b, c, sa, sb;
    Slot slot[5]; /* a, b, c or a, sa, b, sb, c */
} MmaPlan;

/* A block of the result stays in registers while k runs. */
enum { ROWS = 4, COLUMNS = 8, PIECE = 512 };

typedef void BlockFn(double *, const double *, const double *, int64_t, int64_t, int64_t);

/* c[ROWS][COLUMNS] += a[ROWS][k] b[k][COLUMNS]; a and b have rows of lda and ldb. Fused or not
 * makes no difference: the products are exact. */
#define MMA_BLOCK(name, target)                                                                  \
    target static void name(double *c, const double *a, const double *b, int64_t k, int64_t lda, \
                            int64_t ldb)                                                         \
    {                                                                                            \
        double s[ROWS][COLUMNS];                                                                 \
        memcpy(s, c, sizeof s);                                                                  \
        for (int64_t p = 0; p < k; p++)                                                          \
            for (int i = 0; i < ROWS; i++)                                                       \
                for (int j = 0; j < COLUMNS; j++)                                                \
                    s[i][j] += a[i * lda + p] * b[p * ldb + j];                                  \
        memcpy(c, s, sizeof s);                                                                  \
    }
#if defined(__x86_64__)
MMA_BLOCK(block_avx2, __attribute__((target("avx2"))))
#endif
MMA_BLOCK(block_any, )

static BlockFn *block_function(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return block_avx2;
#endif
    return block_any;
}

static int64_t round_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* f64 from any operand type; all of these are exact in f32. */
static void widen(DType t, const char *x, int64_t n, double *y)
{
    float piece[PIECE];
    size_t size = dtype_info[t].size;
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t count = n - i < PIECE ? n - i : PIECE;
        tile_convert(DT_F32, piece, t, x + (size_t)i * size, (size_t)count, TILE_ROUND_NEAREST);
        for (int64_t j = 0; j < count; j++)
            y[i + j] = (double)piece[j];
    }
}

/* To rows of `row` elements, zeros behind the last one and after the last row. */
static void widen_padded(DType t, const char *x, int64_t rows, int64_t columns, int64_t row,
                         int64_t rows_padded, double *y)
{
    size_t size = dtype_info[t].size;
    for (int64_t i = 0; i < rows_padded; i++, y += row) {
        int64_t n = i < rows ? columns : 0;
        if (n)
            widen(t, x + (size_t)(i * columns) * size, n, y);
        for (int64_t j = n; j < row; j++)
            y[j] = 0;
    }
}

/* The sums in f64; each is added to c in f64 and rounded once. */
static void multiply(const MmaPlan *p, const double *a, const double *b, float *y, const float *c)
{
    BlockFn *block = block_function();
    int64_t ldb = round_up(p->n, COLUMNS);
    for (int64_t j = 0; j < p->n; j += COLUMNS) {
        for (int64_t i = 0; i < p->m; i += ROWS) {
            double s[ROWS * COLUMNS] = {0};
            block(s, a + i * p->k, b + j, p->k, p->k, ldb);
            for (int64_t r = i; r < p->m && r < i + ROWS; r++)
                for (int64_t q = j; q < p->n && q < j + COLUMNS; q++)
                    y[r * p->n + q] = tile_canonical(
                        (float)((double)c[r * p->n + q] + s[(r - i) * COLUMNS + q - j]));
        }
    }
}

static size_t a_elements(const MmaPlan *p)
{
    return (size_t)(round_up(p->m, ROWS) * p->k);
}

static size_t b_elements(const MmaPlan *p)
{
    return (size_t)(p->k * round_up(p->n, COLUMNS));
}

static void run_mma(Task *t, const Insn *i)
{
    const MmaPlan *p = i->plan;
    double *a = (double *)(void *)t->scratch, *b = a + a_elements(p);
    widen_padded(p->a, slot_pointer(t, p->slot[0]), p->m, p->k, p->k, round_up(p->m, ROWS), a);
    widen_padded(p->b, slot_pointer(t, p->slot[1]), p->k, p->n, round_up(p->n, COLUMNS), p->k, b);
    multiply(p, a, b, slot_pointer(t, i->dst), slot_pointer(t, p->slot[2]));
}

/* i8: sums in i32 wrap. */
static void run_mma_integer(Task *t, const Insn *i)
{
    const MmaPlan *p = i->plan;
    const int8_t *a = slot_pointer(t, p->slot[0]), *b = slot_pointer(t, p->slot[1]);
    const uint32_t *c = slot_pointer(t, p->slot[2]);
    uint32_t *restrict y = slot_pointer(t, i->dst);
    memcpy(y, c, (size_t)i->n * sizeof *y);
    for (int64_t r = 0; r < p->m; r++)
        for (int64_t k = 0; k < p->k; k++)
            for (int64_t q = 0; q < p->n; q++)
                y[r * p->n + q] += (uint32_t)((int32_t)a[r * p->k + k] * b[k * p->n + q]);
}

void emit_mma(Preparer *p, const Op *op)
{
    MmaPlan *m = NEW(&p->m->arena, MmaPlan);
    const Type *a = &op->args[0]->type, *b = &op->args[1]->type;
    m->m = a->dims[0];
    m->k = a->dims[1];
    m->n = b->dims[1];
    m->a = a->dtype;
    m->b = b->dtype;
    m->c = op->args[2]->type.dtype;
    for (int k = 0; k < 3; k++)
        m->slot[k] = slot_of(p, op->args[k]);
    bool integers = dtype_is_int(m->a);
    if (!integers)
        need_scratch(p, (a_elements(m) + b_elements(m)) * sizeof(double));
    emit_plain(p, integers ? run_mma_integer : run_mma, op)->plan = m;
}

/* ---- mma_scaled ---- */

/* Row r of x times the scale of its block: blocks along the columns (a) or the rows (b). */
static void scale_a(const MmaPlan *p, double *a, const double *scales)
{
    int64_t block = p->k / p->k_blocks;
    for (int64_t r = 0; r < p->m; r++)
        for (int64_t k = 0; k < p->k; k++)
            a[r * p->k + k] *= scales[r * p->k_blocks + k / block];
}

static void scale_b(const MmaPlan *p, double *b, const double *scales)
{
    int64_t block = p->k / p->k_blocks, row = round_up(p->n, COLUMNS);
    for (int64_t k = 0; k < p->k; k++)
        for (int64_t q = 0; q < p->n; q++)
            b[k * row + q] *= scales[k / block * p->n + q];
}

static void run_mma_scaled(Task *t, const Insn *i)
{
    const MmaPlan *p = i->plan;
    double *a = (double *)(void *)t->scratch, *b = a + a_elements(p), *scales = b + b_elements(p);
    widen_padded(p->a, slot_pointer(t, p->slot[0]), p->m, p->k, p->k, round_up(p->m, ROWS), a);
    widen_padded(p->b, slot_pointer(t, p->slot[2]), p->k, p->n, round_up(p->n, COLUMNS), p->k, b);
    if (p->k_blocks) {
        widen(p->sa, slot_pointer(t, p->slot[1]), p->m * p->k_blocks, scales);
        scale_a(p, a, scales);
        widen(p->sb, slot_pointer(t, p->slot[3]), p->k_blocks * p->n, scales);
        scale_b(p, b, scales);
    }
    multiply(p, a, b, slot_pointer(t, i->dst), slot_pointer(t, p->slot[4]));
}

void emit_mma_scaled(Preparer *p, const Op *op)
{
    MmaPlan *m = NEW(&p->m->arena, MmaPlan);
    const Type *a = &op->args[0]->type, *b = &op->args[2]->type;
    m->m = a->dims[0];
    m->k = a->dims[1];
    m->n = b->dims[1];
    m->a = a->dtype;
    m->b = b->dtype;
    m->c = op->args[4]->type.dtype;
    m->sa = op->args[1]->type.dtype;
    m->sb = op->args[3]->type.dtype;
    m->k_blocks = op->args[1]->type.dims[1];
    if (m->k_blocks && m->k % m->k_blocks) {
        prepare_error(p, op, "mma_scaled: %lld scales along k = %lld", (long long)m->k_blocks,
                      (long long)m->k);
        return;
    }
    for (int k = 0; k < 5; k++)
        m->slot[k] = slot_of(p, op->args[k]);
    int64_t scales = m->k_blocks * (m->m > m->n ? m->m : m->n);
    need_scratch(p, (a_elements(m) + b_elements(m) + (size_t)scales) * sizeof(double));
    emit_plain(p, run_mma_scaled, op)->plan = m;
}
