/* C = A B^T in bf16 with f32 sums: tiles of 128 x 128, a ring of stages that a producer warp fills by
 * TMA, a warp that issues tcgen05.mma, two accumulators in tensor memory, four warps that store one
 * while the other fills. Persistent. */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"
#include "runtime/device/tcgen05.h"

TILE_TCGEN05_MMA(f16)
TILE_TCGEN05_LD(32x32b, 32)

enum { BM = 128, BN = 128, BK = 64, STAGES = 4, ACCUMULATORS = 2, THREADS = 192 };
enum { PRODUCER, ISSUER, EPILOGUE }; /* warps; EPILOGUE and the three behind it */
enum {
    A_BYTES = BM * BK * 2,
    B_BYTES = BN * BK * 2,
    AT_B = STAGES * A_BYTES,
    AT_C = AT_B + STAGES * B_BYTES, /* two boxes of 128 x 64 */
    BOX_BYTES = 128 * 64 * 2,
    AT_FULL = AT_C + 2 * BOX_BYTES,
    AT_EMPTY = AT_FULL + 8 * STAGES,
    AT_SUMMED = AT_EMPTY + 8 * STAGES,
    AT_DRAINED = AT_SUMMED + 8 * ACCUMULATORS,
    AT_ADDRESS = AT_DRAINED + 8 * ACCUMULATORS,
    SHARED = AT_ADDRESS + 8
};
enum { COLUMNS = ACCUMULATORS * BN };

typedef struct gemm_args {
    TileTensorMap a, b, c; /* boxes of 128 x 64 */
    int64_t tiles_m, tiles_n, steps;
} gemm_args;

TILE_FN void produce(const gemm_args *a, char *shared, int64_t tile, int64_t *turn)
{
    const int m = (int)(tile / a->tiles_n) * BM, n = (int)(tile % a->tiles_n) * BN;
    for (int64_t k = 0; k < a->steps; k++, ++*turn) {
        const int stage = (int)(*turn % STAGES);
        char *const full = shared + AT_FULL + 8 * stage;
        tile_mbarrier_wait(shared + AT_EMPTY + 8 * stage, (uint32_t)(*turn / STAGES & 1) ^ 1);
        tile_mbarrier_arrive_expect_tx(full, A_BYTES + B_BYTES);
        tile_tensor_load_2d(shared + stage * A_BYTES, &a->a, full, (int)k * BK, m);
        tile_tensor_load_2d(shared + AT_B + stage * B_BYTES, &a->b, full, (int)k * BK, n);
    }
}

/* One thread. `turn` counts stages, `round` tiles. */
TILE_FN void multiply(char *shared, uint32_t sums, int64_t steps, int64_t *turn, int64_t round)
{
    const int which = (int)(round % ACCUMULATORS);
    const uint32_t idesc = tile_tcgen05_idesc(TILE_TCGEN05_D_F32, TILE_TCGEN05_BF16,
                                              TILE_TCGEN05_BF16, 0, 0, BM, BN);
    const uint32_t d = sums + (uint32_t)which * BN;
    tile_mbarrier_wait(shared + AT_DRAINED + 8 * which,
                       (uint32_t)(round / ACCUMULATORS & 1) ^ 1);
    tile_tcgen05_fence_after_thread_sync();
    for (int64_t k = 0; k < steps; k++, ++*turn) {
        const int stage = (int)(*turn % STAGES);
        const char *at_a = shared + stage * A_BYTES, *at_b = shared + AT_B + stage * B_BYTES;
        tile_mbarrier_wait(shared + AT_FULL + 8 * stage, (uint32_t)(*turn / STAGES & 1));
        TILE_EACH(i, BK / 16)
        {
            tile_tcgen05_mma_f16_ss(d, tile_tcgen05_descriptor(at_a + 32 * i, 0, 1024, 128),
                                    tile_tcgen05_descriptor(at_b + 32 * i, 0, 1024, 128), idesc,
                                    k > 0 || i > 0);
        }
        tile_tcgen05_commit(shared + AT_EMPTY + 8 * stage);
    }
    tile_tcgen05_commit(shared + AT_SUMMED + 8 * which);
}

/* 32 rows of the tile: one warp's lanes of tensor memory. */
TILE_FN void store(const gemm_args *a, char *shared, uint32_t sums, int64_t tile, int64_t round)
{
    const int m = (int)(tile / a->tiles_n) * BM, n = (int)(tile % a->tiles_n) * BN;
    const int which = (int)(round % ACCUMULATORS), quarter = tile_warp() % 4;
    const int row = 32 * quarter + tile_lane(), first = tile_thread() == 32 * EPILOGUE;
    const uint32_t d = sums + ((uint32_t)quarter << 21) + (uint32_t)which * BN;
    uint32_t w[BN / 2], r[32];
    tile_mbarrier_wait(shared + AT_SUMMED + 8 * which, (uint32_t)(round / ACCUMULATORS & 1));
    tile_tcgen05_fence_after_thread_sync();
    TILE_EACH(j, BN / 32)
    {
        tile_tcgen05_ld_32x32b_x32(r, d + 32 * j);
        tile_tcgen05_wait_ld();
        TILE_EACH(i, 16)
        {
            w[16 * j + i] = tile_f32_to_bf16_pair(tile_float(r[2 * i]), tile_float(r[2 * i + 1]));
        }
    }
    tile_tcgen05_fence_before_thread_sync();
    tile_sync_warp();
    if (tile_lane() == 0)
        tile_mbarrier_arrive(shared + AT_DRAINED + 8 * which);
    if (first)
        tile_bulk_wait_read(0);
    tile_sync_named(1, 128);
    TILE_EACH(j, BN / 8)
    {
        char *box = shared + AT_C + j / 8 * BOX_BYTES;
        tile_shared_write(box + row * 128 + (j % 8 ^ row % 8) * 16, w + 4 * j, 16);
    }
    tile_fence_proxy_async_shared();
    tile_sync_named(1, 128);
    if (first) {
        TILE_EACH(i, 2)
        {
            tile_tensor_store_2d(&a->c, shared + AT_C + i * BOX_BYTES, n + 64 * i, m);
        }
        tile_bulk_commit();
    }
}

TILE_KERNEL(gemm, gemm_args, THREADS, 1)
{
    char *const shared = tile_shared();
    const int64_t tiles = a.tiles_m * a.tiles_n;
    int64_t turn = 0, round = 0;
    uint32_t sums;
    if (tile_thread() == 0) {
        for (int i = 0; i < STAGES; i++) {
            tile_mbarrier_init(shared + AT_FULL + 8 * i, 1);
            tile_mbarrier_init(shared + AT_EMPTY + 8 * i, 1);
        }
        for (int i = 0; i < ACCUMULATORS; i++) {
            tile_mbarrier_init(shared + AT_SUMMED + 8 * i, 1);
            tile_mbarrier_init(shared + AT_DRAINED + 8 * i, 4);
        }
        tile_fence_proxy_async_shared();
    }
    if (tile_warp() == ISSUER)
        tile_tcgen05_alloc(shared + AT_ADDRESS, COLUMNS);
    tile_sync();
    tile_shared_read(&sums, shared + AT_ADDRESS, 4);
    if (tile_warp() == PRODUCER) {
        if (tile_lane() == 0)
            for (int64_t tile = tile_block(); tile < tiles; tile += tile_blocks())
                produce(&a, shared, tile, &turn);
    } else if (tile_warp() == ISSUER) {
        if (tile_lane() == 0)
            for (int64_t tile = tile_block(); tile < tiles; tile += tile_blocks(), round++)
                multiply(shared, sums, a.steps, &turn, round);
    } else {
        for (int64_t tile = tile_block(); tile < tiles; tile += tile_blocks(), round++)
            store(&a, shared, sums, tile, round);
        if (tile_thread() == 32 * EPILOGUE)
            tile_bulk_wait(0);
    }
    tile_sync();
    if (tile_warp() == ISSUER) {
        tile_tcgen05_relinquish();
        tile_tcgen05_dealloc(sums, COLUMNS);
    }
}
