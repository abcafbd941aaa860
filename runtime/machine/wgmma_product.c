/* What wgmma computes: operands through their descriptors, the sums. */
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/wgmma.h"
#include "runtime/numerics/convert.h"

enum { MOST_K = 32, CHUNK = 16 };

/* X(type, element bytes, A's, B's conversion) in the order of TILE_WGMMA_. */
typedef float Convert(uint32_t);

static float from_bf16(uint32_t u)
{
    return tile_bf16_to_f32((uint16_t)u);
}
static float from_f16(uint32_t u)
{
    return tile_f16_to_f32((uint16_t)u);
}
/* The low 13 bits are cut (9.7.15.5.2). */
static float from_tf32(uint32_t u)
{
    return tile_f32_to_tf32_zero(tile_float(u));
}
static float from_e4m3(uint32_t u)
{
    return tile_e4m3_to_f32((uint8_t)u);
}
static float from_e5m2(uint32_t u)
{
    return tile_e5m2_to_f32((uint8_t)u);
}

static const struct {
    int bytes;
    Convert *a, *b;
} types[] = {
    [TILE_WGMMA_bf16] = {2, from_bf16, from_bf16},
    [TILE_WGMMA_f16] = {2, from_f16, from_f16},
    [TILE_WGMMA_tf32] = {4, from_tf32, from_tf32},
    [TILE_WGMMA_e4m3] = {1, from_e4m3, from_e4m3},
    [TILE_WGMMA_e5m2] = {1, from_e5m2, from_e5m2},
    [TILE_WGMMA_e4m3_e5m2] = {1, from_e4m3, from_e5m2},
    [TILE_WGMMA_e5m2_e4m3] = {1, from_e5m2, from_e4m3},
};

int wgmma_element_bytes(int type)
{
    return types[type].bytes;
}

/* ---- shared memory ---- */

typedef struct Reader {
    Warp *warp;
    const Operand *operand;
    Access access;
    const char *name;
    uint64_t seen[SHARED_WINDOW / CHUNK / 64]; /* pieces of 16 bytes */
} Reader;

static size_t offset_of(Warp *w, uint32_t address, const char *name)
{
    const Thread *t = warp_lane(w, 0);
    size_t bytes = w->block->shared.bytes;
    if (address < SHARED_BASE || address - SHARED_BASE + CHUNK > bytes)
        breach(w->block->machine, TILE_FAULT_DESCRIPTOR, t, t->place,
               "wgmma.mma_async: the descriptor of %s leads to shared address 0x%x, outside of the "
               "block's %zu bytes",
               name, address, bytes);
    return address - SHARED_BASE;
}

/* Calls `visit` for each 16 bytes of rows `first`.. of an operand of `rows` x k elements. */
static void each_chunk(const Operand *o, int rows, int k,
                       void (*visit)(void *, uint32_t address, int mn, int k), void *context)
{
    int t = CHUNK / o->element;
    for (int m = 0; m < rows; m += o->mn_major ? t : 1)
        for (int i = 0; i < k; i += o->mn_major ? 1 : t)
            visit(context, operand_chunk(o, m, i), m, i);
}

/* What no descriptor means: two elements at one place, or another order of the pieces than the
 * tensor copy that brought them has used. */
static void check_layout(Reader *r, size_t offset)
{
    const Thread *t = r->access.thread;
    uint64_t *seen = &r->seen[offset / CHUNK / 64], bit = 1ull << offset / CHUNK % 64;
    if (*seen & bit)
        breach(t->machine, TILE_FAULT_DESCRIPTOR, t, t->place,
               "wgmma.mma_async: by its descriptor, elements of %s lie at one place, shared+0x%zx",
               r->name, offset);
    *seen |= bit;
    int brought = r->access.region->defined[offset / CELL_BYTES] >> 4;
    int bytes = brought > 1 ? 16 << (brought - 1) : 16;
    if (brought && bytes != r->operand->swizzle)
        breach(t->machine, TILE_FAULT_DESCRIPTOR, t, t->place,
               "wgmma.mma_async: the descriptor of %s has a swizzle of %d bytes (16: none), the "
               "tensor copy to shared+0x%zx one of %d",
               r->name, r->operand->swizzle, offset, bytes);
}

static void stamp(void *context, uint32_t address, int mn, int k)
{
    Reader *r = context;
    size_t offset = offset_of(r->warp, address, r->name);
    (void)mn, (void)k;
    check_layout(r, offset);
    check_no_mbarrier(r->access.thread, r->access.region, offset, CHUNK, r->access.what);
    shadow_need_defined(&r->access, offset, CHUNK);
    shadow_touch(&r->access, offset, CHUNK);
}

void wgmma_read_operand(Warp *w, const Operand *o, int rows, int k, uint32_t number,
                        const char *name, const char *what)
{
    Thread *t = warp_lane(w, 0);
    Reader r = {.warp = w, .operand = o, .name = name};
    r.access = access_of(t, &w->block->shared, TOUCH_ASYNC_READ, what);
    r.access.agent = w->wgmma->agent;
    r.access.epoch = number;
    r.access.self_agent = NO_AGENT; /* not ordered behind earlier instructions: 8.9.1.1 */
    for (int i = 0; i < ORDERS; i++)
        r.access.order[i] = w->wgmma->order[i];
    each_chunk(o, rows, k, stamp, &r);
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
    for (int i = 0; i < CHUNK / o->element; i++) {
        uint32_t u = 0;
        memcpy(&u, p + i * o->element, (size_t)o->element);
        int row = o->mn_major ? mn + i : mn, column = o->mn_major ? k : k + i;
        x->value[row * MOST_K + column] = x->convert(u);
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
            value[row * MOST_K + k] = types[op->type].a(u);
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
        each_chunk(&op->a, GROUP_WARPS * ROWS, k, load_chunk, &x);
        rows = a + w->index % GROUP_WARPS * ROWS * MOST_K;
    }
    Matrix x = {w, &op->b, types[op->type].b, b};
    each_chunk(&op->b, op->n, k, load_chunk, &x);
    multiply(w, op, rows, b, k);
    return true;
}
