/* What wgmma computes: operands through their descriptors, the sums. */
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/wgmma.h"
#include "runtime/numerics/convert.h"

enum { MOST_K = 32, CHUNK = 16 };

/* Element bytes, A's and B's conversion. */
typedef double Convert(uint32_t);

static const struct {
    int bytes;
    Convert *a, *b;
} types[] = {
    [TILE_WGMMA_bf16] = {2, element_from_bf16, element_from_bf16},
    [TILE_WGMMA_f16] = {2, element_from_f16, element_from_f16},
    [TILE_WGMMA_tf32] = {4, element_from_tf32, element_from_tf32},
    [TILE_WGMMA_e4m3] = {1, element_from_e4m3, element_from_e4m3},
    [TILE_WGMMA_e5m2] = {1, element_from_e5m2, element_from_e5m2},
    [TILE_WGMMA_e4m3_e5m2] = {1, element_from_e4m3, element_from_e5m2},
    [TILE_WGMMA_e5m2_e4m3] = {1, element_from_e5m2, element_from_e4m3},
};

int wgmma_element_bytes(int type)
{
    return types[type].bytes;
}

/* ---- shared memory ---- */

void wgmma_read_operand(Warp *w, const Operand *o, int rows, int k, uint32_t number,
                        const char *name, const char *what)
{
    Access a = access_of(warp_lane(w, 0), &w->block->shared, TOUCH_ASYNC_READ, what);
    a.agent = w->wgmma->agent;
    a.epoch = number;
    a.self_agent = NO_AGENT; /* not ordered behind earlier instructions: 8.9.1.1 */
    for (int i = 0; i < ORDERS; i++)
        a.order[i] = w->wgmma->order[i];
    operand_read(&a, o, rows, k, "wgmma.mma_async", name);
}

typedef struct Matrix {
    Warp *warp;
    const Operand *operand;
    Convert *convert;
    float *value; /* row mn at value + mn * MOST_K */
} Matrix;

static void load_chunk(void *context, uint32_t address, int mn, int k)
{
    Matrix *x = context;
    const Operand *o = x->operand;
    const char *p = x->warp->block->shared.base + address - SHARED_BASE;
    size_t bytes = (size_t)(CHUNK / o->chunk);
    for (int i = 0; i < o->chunk; i++) {
        uint32_t u = 0;
        memcpy(&u, p + (size_t)i * bytes, bytes);
        int row = o->mn_major ? mn + i : mn, column = o->mn_major ? k : k + i;
        x->value[row * MOST_K + column] = (float)x->convert(u);
    }
}

/* ---- the product ---- */

/* A's fragment: 9.7.15.5.1.1, figures 148, 150, 152. */
static void load_fragment(Warp *w, const WgmmaOp *op, float *value)
{
    int bytes = types[op->type].bytes, per = 4 / bytes;
    EACH_LANE(t, w)
    for (int r = 0; r < A_WORDS; r++)
        for (int i = 0; i < per; i++) {
            uint32_t word = op->a_registers->kept[t->lane * A_WORDS + r];
            uint32_t u = bytes == 4 ? word : word >> 8 * bytes * i & ((1u << 8 * bytes) - 1);
            int row = t->lane / 4 + 8 * (r & 1);
            int k = per * (t->lane % 4) + 4 * per * (r >> 1) + i;
            value[row * MOST_K + k] = (float)types[op->type].a(u);
        }
}

static float dot(const float *a, const float *b, int k, double sum)
{
    for (int i = 0; i < k; i++)
        sum += (double)a[i] * b[i];
    return tile_canonical((float)sum);
}

/* D's fragment: figures 149, 151, 153. */
static void multiply(Warp *w, const WgmmaOp *op, const float *a, const float *b, int k)
{
    EACH_LANE(t, w)
    {
        uint32_t *d = op->d->kept + t->lane * op->d->words;
        for (int i = 0; i < op->d->words; i++) {
            int row = t->lane / 4 + 8 * (i >> 1 & 1);
            int column = 8 * (i >> 2) + 2 * (t->lane % 4) + (i & 1);
            double sum = op->accumulate ? (double)tile_float(d[i]) : 0;
            d[i] = tile_bits(dot(a + row * MOST_K, b + column * MOST_K, k, sum));
        }
    }
}

/* Room for A and B; fibers have no stack for it. */
static float *scratch(Machine *m)
{
    if (!m->scratch)
        m->scratch = malloc((GROUP_WARPS * ROWS + MOST_N) * MOST_K * sizeof(float));
    if (!m->scratch)
        abort();
    return m->scratch;
}

bool wgmma_advance(Machine *m, AsyncOp *async)
{
    WgmmaOp *op = async->wgmma;
    Warp *w = async->warp;
    float *a = scratch(m), *b = a + GROUP_WARPS * ROWS * MOST_K;
    int k = 32 / types[op->type].bytes;
    const float *rows = a;
    if (op->from_registers) {
        load_fragment(w, op, a);
    } else {
        Matrix x = {w, &op->a, types[op->type].a, a};
        operand_each(&op->a, GROUP_WARPS * ROWS, k, load_chunk, &x);
        rows = a + w->index % GROUP_WARPS * ROWS * MOST_K;
    }
    Matrix x = {w, &op->b, types[op->type].b, b};
    operand_each(&op->b, op->n, k, load_chunk, &x);
    multiply(w, op, rows, b, k);
    return true;
}
