/* One warpgroup multiplies matrices that lie in shared memory as their images say, and writes its
 * registers. TYPE, N, DEPTH (k of an instruction), FORM (ss, rs, ss_mk ..), MAJORS (1: functions of
 * all majors). */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"
#include "runtime/device/wgmma.h"

#ifndef TYPE
#define TYPE bf16
#define N 64
#define DEPTH 16
#define FORM ss
#define RS 0
#define MAJORS 0
#endif
#ifndef ENTRY
#define ENTRY wgmma
#endif

#define JOIN_(n, depth, type, form) tile_wgmma_m64n##n##k##depth##_f32_##type##_##form
#define JOIN(n, depth, type, form) JOIN_(n, depth, type, form)
#if MAJORS
TILE_WGMMA_MAJORS(TYPE, N)
#else
TILE_WGMMA(TYPE, N)
#endif

enum { B_AT = 32768 };

/* An operand: its image, bytes from one k step to the next, and the descriptor's numbers. */
typedef struct Matrix {
    int64_t bytes, step, lead, stride, swizzle;
} Matrix;

typedef struct wgmma_args {
    const char *a_image, *b_image;
    const uint32_t *a_registers; /* step, thread, 4 */
    float *d;                    /* thread, N / 2 */
    int64_t steps;
    Matrix a, b;
} wgmma_args;

TILE_FN void fill(char *to, const char *from, int64_t bytes)
{
    for (int i = 16 * tile_thread(); i < (int)bytes; i += 16 * 128) {
        uint32_t w[4];
        tile_global_read(w, from + i, 16, TILE_CONSTANT);
        tile_shared_write(to + i, w, 16);
    }
}

TILE_FN uint64_t descriptor(const char *s, Matrix m, int64_t step)
{
    return tile_wgmma_descriptor(s + step * m.step, (int)m.lead, (int)m.stride, (int)m.swizzle);
}

TILE_KERNEL(ENTRY, wgmma_args, 128, 1)
{
    char *const shared = tile_shared();
    float d[N / 2];
    fill(shared, a.a_image, a.a.bytes);
    fill(shared + B_AT, a.b_image, a.b.bytes);
    tile_fence_proxy_async_shared();
    tile_sync();
    for (int64_t k = 0; k < a.steps; k++) {
        const uint64_t b = descriptor(shared + B_AT, a.b, k);
#if RS
        uint32_t r[4];
        tile_global_read(r, a.a_registers + (k * 128 + tile_thread()) * 4, 16, TILE_CONSTANT);
        tile_wgmma_fence();
        JOIN(N, DEPTH, TYPE, FORM)(d, r, b, k > 0);
#else
        tile_wgmma_fence();
        JOIN(N, DEPTH, TYPE, FORM)(d, descriptor(shared, a.a, k), b, k > 0);
#endif
        tile_wgmma_commit();
        tile_wgmma_wait(0);
    }
    TILE_EACH(i, N / 2)
    {
        const uint32_t w = tile_bits(d[i]);
        tile_global_write(a.d + tile_thread() * (N / 2) + i, &w, 4, TILE_PLAIN);
    }
}
