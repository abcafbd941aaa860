/* C = A B^T in bf16 by pairs of blocks (cta_group::2): tiles of 256 x 128, of which each block of a
 * cluster of two has 128 rows of A and C and 64 rows of B; the even block's issuing warp multiplies
 * for both. Persistent; one accumulator in each block's tensor memory. */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"
#include "runtime/device/tcgen05.h"

TILE_TCGEN05_MMA(f16)
TILE_TCGEN05_LD(16x256b, 8)

enum { BM = 256, BN = 128, BK = 64, STAGES = 3, THREADS = 192 };
enum { PRODUCER, ISSUER, EPILOGUE }; /* warps; EPILOGUE and the three behind it */
enum {
    A_BYTES = BM / 2 * BK * 2,
    B_BYTES = BN / 2 * BK * 2,
    AT_B = STAGES * A_BYTES,
    AT_FULL = AT_B + STAGES * B_BYTES,
    AT_EMPTY = AT_FULL + 8 * STAGES,
    AT_SUMMED = AT_EMPTY + 8 * STAGES,
    AT_DRAINED = AT_SUMMED + 8,
    AT_ADDRESS = AT_DRAINED + 8,
    SHARED = AT_ADDRESS + 8
};
enum { COLUMNS = BN, BOTH = 3 };

typedef struct gemm_args {
    TileTensorMap a, b; /* boxes of 128 x 64, 64 x 64 */
    float *c;
    int64_t m, n, tiles_m, tiles_n, steps;
} gemm_args;

/* Each block fetches its part; the even one's barrier counts the bytes of both. */
TILE_FN void produce(const gemm_args *a, char *shared, int64_t tile, int64_t *turn)
{
    const int rank = tile_cluster_rank();
    const int m = (int)(tile / a->tiles_n) * BM + rank * (BM / 2);
    const int n = (int)(tile % a->tiles_n) * BN + rank * (BN / 2);
    for (int64_t k = 0; k < a->steps; k++, ++*turn) {
        const int stage = (int)(*turn % STAGES);
        char *const full = shared + AT_FULL + 8 * stage;
        tile_mbarrier_wait_cluster(shared + AT_EMPTY + 8 * stage,
                                   (uint32_t)(*turn / STAGES & 1) ^ 1);
        if (rank == 0)
            tile_mbarrier_arrive_expect_tx(full, 2 * (A_BYTES + B_BYTES));
        const uint32_t signal = tile_cluster_address(full, 0);
        tile_tensor_load_pair_2d(shared + stage * A_BYTES, &a->a, signal, (int)k * BK, m);
        tile_tensor_load_pair_2d(shared + AT_B + stage * B_BYTES, &a->b, signal, (int)k * BK, n);
    }
}

/* One thread of the even block. */
TILE_FN void multiply(char *shared, uint32_t d, int64_t steps, int64_t *turn, int64_t round)
{
    const uint32_t idesc = tile_tcgen05_idesc(TILE_TCGEN05_D_F32, TILE_TCGEN05_BF16,
                                              TILE_TCGEN05_BF16, 0, 0, BM, BN);
    tile_mbarrier_wait_cluster(shared + AT_DRAINED, (uint32_t)(round & 1) ^ 1);
    tile_tcgen05_fence_after_thread_sync();
    for (int64_t k = 0; k < steps; k++, ++*turn) {
        const int stage = (int)(*turn % STAGES);
        const char *at_a = shared + stage * A_BYTES, *at_b = shared + AT_B + stage * B_BYTES;
        tile_mbarrier_wait_cluster(shared + AT_FULL + 8 * stage, (uint32_t)(*turn / STAGES & 1));
        TILE_EACH(i, BK / 16)
        {
            tile_tcgen05_mma_f16_ss_pair(d, tile_tcgen05_descriptor(at_a + 32 * i, 0, 1024, 128),
                                         tile_tcgen05_descriptor(at_b + 32 * i, 0, 1024, 128),
                                         idesc, k > 0 || i > 0);
        }
        tile_tcgen05_commit_multicast_pair(shared + AT_EMPTY + 8 * stage, BOTH);
    }
    tile_tcgen05_commit_multicast_pair(shared + AT_SUMMED, BOTH);
}

/* 32 rows of this block's 128: 16 by 16, 64 columns at a time. */
TILE_FN void store(const gemm_args *a, char *shared, uint32_t d, int64_t tile, int64_t round)
{
    const int lane = tile_lane(), quarter = tile_warp() % 4;
    const int64_t m = tile / a->tiles_n * BM + tile_cluster_rank() * (BM / 2) + 32 * quarter;
    const int64_t n = tile % a->tiles_n * BN;
    uint32_t r[32];
    tile_mbarrier_wait_cluster(shared + AT_SUMMED, (uint32_t)(round & 1));
    tile_tcgen05_fence_after_thread_sync();
    for (int part = 0; part < 4; part++) {
        const int half = part / 2, first = part % 2 * 64;
        tile_tcgen05_ld_16x256b_x8(r, d + ((uint32_t)(2 * quarter + half) << 20) + first);
        tile_tcgen05_wait_ld();
        TILE_EACH(i, 16)
        {
            const int64_t row = m + 16 * half + lane / 4 + 8 * (i % 2);
            const int64_t column = n + first + 8 * (i / 2) + 2 * (lane % 4);
            if (row < a->m && column < a->n)
                tile_global_write(a->c + row * a->n + column, r + 2 * i, 8, TILE_PLAIN);
        }
    }
    tile_tcgen05_fence_before_thread_sync();
    tile_sync_warp();
    if (lane == 0)
        tile_mbarrier_arrive_cluster(tile_cluster_address(shared + AT_DRAINED, 0));
}

TILE_KERNEL(gemm, gemm_args, THREADS, 1)
{
    char *const shared = tile_shared();
    const int64_t tiles = a.tiles_m * a.tiles_n, pair = tile_block() / 2, pairs = tile_blocks() / 2;
    int64_t turn = 0, round = 0;
    uint32_t d;
    if (tile_thread() == 0) {
        for (int i = 0; i < STAGES; i++) {
            tile_mbarrier_init(shared + AT_FULL + 8 * i, 1);
            tile_mbarrier_init(shared + AT_EMPTY + 8 * i, 1);
        }
        tile_mbarrier_init(shared + AT_SUMMED, 1);
        tile_mbarrier_init(shared + AT_DRAINED, 2 * 4);
        tile_fence_mbarrier_init();
    }
    if (tile_warp() == ISSUER)
        tile_tcgen05_alloc_pair(shared + AT_ADDRESS, COLUMNS);
    tile_cluster_sync();
    tile_shared_read(&d, shared + AT_ADDRESS, 4);
    if (tile_warp() == PRODUCER) {
        if (tile_lane() == 0)
            for (int64_t tile = pair; tile < tiles; tile += pairs)
                produce(&a, shared, tile, &turn);
    } else if (tile_warp() == ISSUER) {
        if (tile_lane() == 0 && tile_cluster_rank() == 0)
            for (int64_t tile = pair; tile < tiles; tile += pairs, round++)
                multiply(shared, d, a.steps, &turn, round);
    } else {
        for (int64_t tile = pair; tile < tiles; tile += pairs, round++)
            store(&a, shared, d, tile, round);
    }
    tile_cluster_sync();
    if (tile_warp() == ISSUER) {
        tile_tcgen05_relinquish_pair();
        tile_tcgen05_dealloc_pair(d, COLUMNS);
    }
}
