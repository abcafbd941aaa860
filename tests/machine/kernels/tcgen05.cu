/* One block, or a pair, multiplies matrices that lie in shared and tensor memory as their images say,
 * and writes its accumulators. KIND, FORM (ss, ts), SCALED, PAIR (1: cta_group::2), HALVES (1: each
 * half of N has its scales in two quarters of the lanes, as M = 128 of a pair wants it). */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"
#include "runtime/device/tcgen05.h"

#ifndef KIND
#define KIND f16
#define FORM ss
#define SCALED 0
#define PAIR 0
#define HALVES 0
#endif
#if PAIR
#define OF_GROUP(name) name##_pair
#else
#define OF_GROUP(name) name
#endif

#define JOIN_(kind, form) tile_tcgen05_mma_##kind##_##form
#define JOIN_PAIR_(kind, form) tile_tcgen05_mma_##kind##_##form##_pair
#define JOIN(kind, form) JOIN_(kind, form)
#define JOIN_PAIR(kind, form) JOIN_PAIR_(kind, form)
#if PAIR
#define MMA JOIN_PAIR(KIND, FORM)
#else
#define MMA JOIN(KIND, FORM)
#endif
#if SCALED
TILE_TCGEN05_MMA_SCALED(KIND)
#else
TILE_TCGEN05_MMA(KIND)
#endif
TILE_TCGEN05_LD(32x32b, 8)
TILE_TCGEN05_ST(32x32b, 8)

enum { B_AT = 65536, SCALES_AT = 131072, BARRIER_AT = 196608, ADDRESS_AT = 196616 };
/* Where in the allocation: D from column 0 on. */
enum { A_COLUMN = 256, SCALE_A_COLUMN = 384, SCALE_B_COLUMN = 416, ALL = 512 };

/* Bytes of an operand's image, and its descriptor's numbers. */
typedef struct Matrix {
    int64_t bytes, lead, stride, swizzle;
} Matrix;

/* One instruction: offsets of A and B in shared memory (A: or columns), and of scales in columns. */
typedef struct Step {
    uint32_t idesc, a, b, scale_a, scale_b, accumulate, unused[2];
} Step;

typedef struct tcgen05_args {
    const char *a_image, *b_image, *scales; /* a block's after another's */
    const uint32_t *a_words, *d_words;      /* lane, column: A in tensor memory; what D begins with */
    const Step *step;
    uint32_t *d; /* block, lane, column */
    int64_t steps, columns, a_columns, scales_a, scales_b, first_lane, fills_d;
    Matrix a, b;
} tcgen05_args;

TILE_FN void fill(char *to, const char *from, int64_t bytes)
{
    for (int i = 16 * tile_thread(); i < (int)bytes; i += 16 * 128) {
        uint32_t w[4];
        tile_global_read(w, from + i, 16, TILE_CONSTANT);
        tile_shared_write(to + i, w, 16);
    }
}

/* This warp's lanes of `columns` columns, a multiple of 8. */
TILE_FN void store_words(uint32_t address, const uint32_t *from, int64_t columns)
{
    for (int c = 0; c < (int)columns; c += 8) {
        uint32_t r[8];
        tile_global_read(r, from + tile_thread() * columns + c, 16, TILE_CONSTANT);
        tile_global_read(r + 4, from + tile_thread() * columns + c + 4, 16, TILE_CONSTANT);
        tile_tcgen05_st_32x32b_x8(address + (uint32_t)c, r);
    }
    tile_tcgen05_wait_st();
}

TILE_FN void copy_scales(const char *shared, uint32_t address, int64_t columns)
{
    for (int c = 0; c < (int)columns; c += 4) {
        const uint64_t source = tile_tcgen05_descriptor(shared + 128 * c, 0, 128, 0);
        OF_GROUP(tile_tcgen05_cp_32x128b)(address + (uint32_t)c, source);
    }
}

TILE_FN void multiply(const tcgen05_args *a, const char *shared, uint32_t at)
{
    copy_scales(shared + SCALES_AT, at + SCALE_A_COLUMN, a->scales_a);
#if HALVES
    const uint64_t scales = tile_tcgen05_descriptor(shared + SCALES_AT + 128 * a->scales_a, 0, 128, 0);
    OF_GROUP(tile_tcgen05_cp_64x128b_01_23)(at + SCALE_B_COLUMN, scales);
#else
    copy_scales(shared + SCALES_AT + 128 * a->scales_a, at + SCALE_B_COLUMN, a->scales_b);
#endif
    for (int64_t k = 0; k < a->steps; k++) {
        uint32_t w[8];
        tile_global_read(w, a->step + k, 16, TILE_CONSTANT);
        tile_global_read(w + 4, (const char *)(a->step + k) + 16, 16, TILE_CONSTANT);
        const uint32_t lane = (uint32_t)a->first_lane << 16;
        const uint64_t b = tile_tcgen05_descriptor(shared + B_AT + w[2], (int)a->b.lead,
                                                   (int)a->b.stride, (int)a->b.swizzle);
        const uint64_t ss = tile_tcgen05_descriptor(shared + w[1], (int)a->a.lead, (int)a->a.stride,
                                                    (int)a->a.swizzle);
        const uint32_t ts = at + lane + A_COLUMN + w[1];
        (void)ss, (void)ts;
#if SCALED
        MMA(at + lane, FORM, b, w[0], at + SCALE_A_COLUMN + w[3], at + SCALE_B_COLUMN + w[4],
            (int)w[5]);
#else
        MMA(at + lane, FORM, b, w[0], (int)w[5]);
#endif
    }
}

TILE_KERNEL(tcgen05, tcgen05_args, 128, 1)
{
    char *const shared = tile_shared(), *const barrier = shared + BARRIER_AT;
    const int block = (int)tile_block();
    uint32_t at;
    if (tile_thread() == 0) {
        tile_mbarrier_init(barrier, 1);
        tile_fence_mbarrier_init();
    }
    if (tile_warp() == 0)
        OF_GROUP(tile_tcgen05_alloc)(shared + ADDRESS_AT, ALL);
    fill(shared, a.a_image + block * a.a.bytes, a.a.bytes);
    fill(shared + B_AT, a.b_image + block * a.b.bytes, a.b.bytes);
    fill(shared + SCALES_AT, a.scales + 128 * block * (a.scales_a + a.scales_b),
         128 * (a.scales_a + a.scales_b));
    tile_fence_proxy_async_shared();
    tile_sync();
    tile_shared_read(&at, shared + ADDRESS_AT, 4);
    const uint32_t mine = at + ((uint32_t)tile_warp() << 21);
    store_words(mine + A_COLUMN, a.a_words + 128 * block * a.a_columns, a.a_columns);
    if (a.fills_d)
        store_words(mine, a.d_words + 128 * block * a.columns, a.columns);
    tile_tcgen05_fence_before_thread_sync();
    tile_cluster_sync();
    if (tile_thread() == 0 && tile_cluster_rank() == 0) {
        tile_tcgen05_fence_after_thread_sync();
        multiply(&a, shared, at);
#if PAIR
        tile_tcgen05_commit_multicast_pair(barrier, 3);
#else
        tile_tcgen05_commit(barrier);
#endif
    }
    tile_mbarrier_wait_cluster(barrier, 0);
    tile_tcgen05_fence_after_thread_sync();
    for (int c = 0; c < (int)a.columns; c += 8) {
        uint32_t r[8];
        tile_tcgen05_ld_32x32b_x8(r, mine + (uint32_t)c);
        tile_tcgen05_wait_ld();
        uint32_t *to = a.d + (128 * block + tile_thread()) * a.columns + c;
        tile_global_write(to, r, 16, TILE_PLAIN);
        tile_global_write(to + 4, r + 4, 16, TILE_PLAIN);
    }
    tile_tcgen05_fence_before_thread_sync();
    tile_cluster_sync();
    if (tile_warp() == 0) {
        OF_GROUP(tile_tcgen05_relinquish)();
        OF_GROUP(tile_tcgen05_dealloc)(at, ALL);
    }
}
