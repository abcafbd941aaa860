/* C = (A sa) (B sb)^T with a scale of ue8m0 for each 32 elements along k: A of e4m3, B of e2m1 in 16
 * elements of 16 bytes (kind mxf8f6f4). Scales go by tcgen05.cp to a place in tensor memory that each
 * stage has for itself, so that the copy of a stage overwrites what the stage's last mma has read. */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"
#include "runtime/device/tcgen05.h"

TILE_TCGEN05_MMA_SCALED(mxf8f6f4)
TILE_TCGEN05_LD(32x32b, 16)

enum { BM = 128, BN = 128, BK = 128, STAGES = 3, THREADS = 192 };
enum { PRODUCER, ISSUER, EPILOGUE }; /* warps; EPILOGUE and the three behind it */
enum {
    A_BYTES = BM * BK,
    B_BYTES = BN * BK,
    SCALES = 4 * 128, /* of 128 rows: row r's four bytes at 16 (r % 32) + 4 (r / 32) */
    AT_B = STAGES * A_BYTES,
    AT_SCALES = AT_B + STAGES * B_BYTES, /* A's, B's */
    AT_FULL = AT_SCALES + STAGES * 2 * SCALES,
    AT_EMPTY = AT_FULL + 8 * STAGES,
    AT_SUMMED = AT_EMPTY + 8 * STAGES,
    AT_ADDRESS = AT_SUMMED + 8,
    SHARED = AT_ADDRESS + 8
};
enum { COLUMNS = 256, SCALES_COLUMN = 128, STAGE_COLUMNS = 8 };

typedef struct gemm_args {
    TileTensorMap a, b;    /* boxes of 128 x 128 bytes */
    const char *sa, *sb; /* tile, step: 512 bytes */
    float *c;
    int64_t m, n, tiles_n, steps;
} gemm_args;

TILE_FN void produce(const gemm_args *a, char *shared)
{
    const int64_t tile_m = tile_block() / a->tiles_n, tile_n = tile_block() % a->tiles_n;
    for (int64_t k = 0; k < a->steps; k++) {
        const int stage = (int)(k % STAGES);
        char *const full = shared + AT_FULL + 8 * stage;
        char *const scales = shared + AT_SCALES + stage * 2 * SCALES;
        tile_mbarrier_wait(shared + AT_EMPTY + 8 * stage, (uint32_t)(k / STAGES & 1) ^ 1);
        tile_mbarrier_arrive_expect_tx(full, A_BYTES + B_BYTES + 2 * SCALES);
        tile_tensor_load_2d(shared + stage * A_BYTES, &a->a, full, (int)k * BK, (int)tile_m * BM);
        tile_tensor_load_2d(shared + AT_B + stage * B_BYTES, &a->b, full, (int)k * BK,
                            (int)tile_n * BN);
        tile_bulk_load(scales, a->sa + (tile_m * a->steps + k) * SCALES, SCALES, full);
        tile_bulk_load(scales + SCALES, a->sb + (tile_n * a->steps + k) * SCALES, SCALES, full);
    }
}

TILE_FN void multiply(char *shared, uint32_t d, int64_t steps)
{
    for (int64_t k = 0; k < steps; k++) {
        const int stage = (int)(k % STAGES);
        const char *at_a = shared + stage * A_BYTES, *at_b = shared + AT_B + stage * B_BYTES;
        const char *scales = shared + AT_SCALES + stage * 2 * SCALES;
        const uint32_t sa = d + SCALES_COLUMN + stage * STAGE_COLUMNS, sb = sa + 4;
        tile_mbarrier_wait(shared + AT_FULL + 8 * stage, (uint32_t)(k / STAGES & 1));
        tile_tcgen05_fence_after_thread_sync();
        tile_tcgen05_cp_32x128b(sa, tile_tcgen05_descriptor(scales, 0, 128, 0));
        tile_tcgen05_cp_32x128b(sb, tile_tcgen05_descriptor(scales + SCALES, 0, 128, 0));
        TILE_EACH(i, BK / 32)
        {
            const uint32_t idesc = tile_tcgen05_idesc_scaled(
                TILE_TCGEN05_E4M3, TILE_TCGEN05_E2M1, TILE_TCGEN05_UE8M0, BM, BN, i, i);
            tile_tcgen05_mma_mxf8f6f4_ss(d, tile_tcgen05_descriptor(at_a + 32 * i, 0, 1024, 128),
                                         tile_tcgen05_descriptor(at_b + 32 * i, 0, 1024, 128),
                                         idesc, sa, sb, k > 0 || i > 0);
        }
        tile_tcgen05_commit(shared + AT_EMPTY + 8 * stage);
    }
    tile_tcgen05_commit(shared + AT_SUMMED);
}

TILE_FN void store(const gemm_args *a, char *shared, uint32_t d)
{
    const int quarter = tile_warp() % 4;
    const int64_t m = tile_block() / a->tiles_n * BM + 32 * quarter + tile_lane();
    const int64_t n = tile_block() % a->tiles_n * BN;
    tile_mbarrier_wait(shared + AT_SUMMED, 0);
    tile_tcgen05_fence_after_thread_sync();
    for (int j = 0; j < BN; j += 16) {
        uint32_t r[16];
        tile_tcgen05_ld_32x32b_x16(r, d + ((uint32_t)quarter << 21) + (uint32_t)j);
        tile_tcgen05_wait_ld();
        TILE_EACH(i, 4)
        {
            if (m < a->m && n + j + 4 * i < a->n)
                tile_global_write(a->c + m * a->n + n + j + 4 * i, r + 4 * i, 16, TILE_PLAIN);
        }
    }
    tile_tcgen05_fence_before_thread_sync();
}

TILE_KERNEL(gemm, gemm_args, THREADS, 1)
{
    char *const shared = tile_shared();
    uint32_t d;
    if (tile_thread() == 0) {
        for (int i = 0; i < STAGES; i++) {
            tile_mbarrier_init(shared + AT_FULL + 8 * i, 1);
            tile_mbarrier_init(shared + AT_EMPTY + 8 * i, 1);
        }
        tile_mbarrier_init(shared + AT_SUMMED, 1);
        tile_fence_proxy_async_shared();
    }
    if (tile_warp() == ISSUER)
        tile_tcgen05_alloc(shared + AT_ADDRESS, COLUMNS);
    tile_sync();
    tile_shared_read(&d, shared + AT_ADDRESS, 4);
    if (tile_warp() == PRODUCER) {
        if (tile_lane() == 0)
            produce(&a, shared);
    } else if (tile_warp() == ISSUER) {
        if (tile_lane() == 0)
            multiply(shared, d, a.steps);
    } else {
        store(&a, shared, d);
    }
    tile_sync();
    if (tile_warp() == ISSUER) {
        tile_tcgen05_relinquish();
        tile_tcgen05_dealloc(d, COLUMNS);
    }
}
