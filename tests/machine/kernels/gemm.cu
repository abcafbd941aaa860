/* C = A B^T in bf16 with f32 sums: tiles of 128 x 128, a ring of stages that a producer warp fills
 * by TMA, two warpgroups of wgmma, the result by TMA. Persistent. */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"
#include "runtime/device/wgmma.h"

TILE_WGMMA(bf16, 128)

enum { BM = 128, BN = 128, BK = 64, STAGES = 4, MATH = 256, THREADS = 384 };
enum {
    A_BYTES = BM * BK * 2,
    B_BYTES = BN * BK * 2,
    AT_B = STAGES * A_BYTES,
    AT_C = AT_B + STAGES * B_BYTES, /* two boxes of 64 x 64 for each warpgroup */
    BOX_BYTES = 64 * 64 * 2,
    AT_FULL = AT_C + 4 * BOX_BYTES,
    AT_EMPTY = AT_FULL + 8 * STAGES,
    SHARED = AT_EMPTY + 8 * STAGES
};

typedef struct gemm_args {
    TileTensorMap a, b, c; /* boxes of 128 x 64, 128 x 64, 64 x 64 */
    int64_t tiles_m, tiles_n, steps;
} gemm_args;

TILE_FN void *full(char *shared, int stage)
{
    return shared + AT_FULL + 8 * stage;
}
TILE_FN void *empty(char *shared, int stage)
{
    return shared + AT_EMPTY + 8 * stage;
}

TILE_FN void produce(const gemm_args *a, char *shared, int64_t tile, int64_t *turn)
{
    const int m = (int)(tile / a->tiles_n) * BM, n = (int)(tile % a->tiles_n) * BN;
    for (int64_t k = 0; k < a->steps; k++, ++*turn) {
        const int stage = (int)(*turn % STAGES);
        tile_mbarrier_wait(empty(shared, stage), (uint32_t)(*turn / STAGES & 1) ^ 1);
        tile_mbarrier_arrive_expect_tx(full(shared, stage), A_BYTES + B_BYTES);
        tile_tensor_load_2d(shared + stage * A_BYTES, &a->a, full(shared, stage), (int)k * BK, m);
        tile_tensor_load_2d(shared + AT_B + stage * B_BYTES, &a->b, full(shared, stage),
                            (int)k * BK, n);
    }
}

/* 64 rows of the tile: one warpgroup's. */
TILE_FN void multiply(float *d, char *shared, int group, int64_t steps, int64_t *turn)
{
    for (int64_t k = 0; k < steps; k++, ++*turn) {
        const int stage = (int)(*turn % STAGES);
        tile_mbarrier_wait(full(shared, stage), (uint32_t)(*turn / STAGES & 1));
        const char *at_a = shared + stage * A_BYTES + group * (A_BYTES / 2);
        const char *at_b = shared + AT_B + stage * B_BYTES;
        tile_wgmma_fence();
        TILE_EACH(i, BK / 16)
        {
            tile_wgmma_m64n128k16_f32_bf16_ss(d, tile_wgmma_descriptor(at_a + 32 * i, 0, 1024, 128),
                                              tile_wgmma_descriptor(at_b + 32 * i, 0, 1024, 128),
                                              k > 0 || i > 0);
        }
        tile_wgmma_commit();
        tile_wgmma_wait(0);
        if (tile_lane() == 0)
            tile_mbarrier_arrive(empty(shared, stage));
    }
}

TILE_FN void store(const gemm_args *a, char *shared, const float *d, int group, int64_t tile)
{
    const int m = (int)(tile / a->tiles_n) * BM, n = (int)(tile % a->tiles_n) * BN;
    const int lane = tile_lane(), first = tile_thread() % 128 == 0;
    const int row = tile_warp() % 4 * 16 + lane / 8 % 2 * 8 + lane % 8;
    char *box = shared + AT_C + group * 2 * BOX_BYTES;
    if (first)
        tile_bulk_wait_read(0);
    tile_sync_named(1 + group, 128);
    TILE_EACH(j, BN / 16)
    {
        uint32_t w[4];
        TILE_EACH(i, 4)
        {
            const float *pair = d + 8 * j + 2 * i;
            w[i] = tile_f32_to_bf16(pair[0]) | (uint32_t)tile_f32_to_bf16(pair[1]) << 16;
        }
        const int chunk = 2 * (j % 4) + lane / 16;
        tile_stmatrix_x4(box + j / 4 * BOX_BYTES + row * 128 + (chunk ^ row % 8) * 16, w);
    }
    tile_fence_proxy_async_shared();
    tile_sync_named(1 + group, 128);
    if (first) {
        TILE_EACH(i, 2)
        {
            tile_tensor_store_2d(&a->c, box + i * BOX_BYTES, n + 64 * i, m + 64 * group);
        }
        tile_bulk_commit();
    }
}

TILE_KERNEL(gemm, gemm_args, THREADS, 1)
{
    char *const shared = tile_shared();
    const int64_t tiles = a.tiles_m * a.tiles_n;
    int64_t turn = 0;
    if (tile_thread() == 0) {
        for (int i = 0; i < STAGES; i++) {
            tile_mbarrier_init(full(shared, i), 1);
            tile_mbarrier_init(empty(shared, i), MATH / 32);
        }
        tile_fence_proxy_async_shared();
    }
    tile_sync();
    if (tile_warp() < 4) {
        tile_setmaxnreg_dec(40);
        if (tile_thread() == 0)
            for (int64_t tile = tile_block(); tile < tiles; tile += tile_blocks())
                produce(&a, shared, tile, &turn);
    } else {
        tile_setmaxnreg_inc(232);
        const int group = tile_warp() / 4 - 1;
        float d[BN / 2];
        for (int64_t tile = tile_block(); tile < tiles; tile += tile_blocks()) {
            multiply(d, shared, group, a.steps, &turn);
            store(&a, shared, d, group, tile);
        }
        if (tile_thread() % 128 == 0)
            tile_bulk_wait(0);
    }
}
