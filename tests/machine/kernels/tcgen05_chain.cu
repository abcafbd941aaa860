/* Y = (X W^T)^2 V^T, squares elementwise: the first product goes from tensor memory to registers, its
 * squares in bf16 back to tensor memory, where the second product takes them as A. One block; X of
 * 128 x 64, W and V of 64 x 64. */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"
#include "runtime/device/tcgen05.h"

TILE_TCGEN05_MMA(f16)
TILE_TCGEN05_LD(32x32b, 32)
TILE_TCGEN05_ST(32x32b, 16)

enum { M = 128, N = 64, K = 64, THREADS = 128 };
enum {
    AT_W = M * K * 2,
    AT_V = AT_W + N * K * 2,
    AT_FULL = AT_V + N * N * 2,
    AT_DONE = AT_FULL + 8,
    AT_ADDRESS = AT_DONE + 8,
    SHARED = AT_ADDRESS + 8
};
/* Columns: the first product, its squares, the second product. */
enum { SQUARES = N, SECOND = N + N / 2, COLUMNS = 256 };

typedef struct chain_args {
    TileTensorMap x, w, v;
    float *y;
} chain_args;

TILE_FN void first(const char *shared, uint32_t at, uint32_t idesc)
{
    TILE_EACH(i, K / 16)
    {
        tile_tcgen05_mma_f16_ss(at, tile_tcgen05_descriptor(shared + 32 * i, 0, 1024, 128),
                                tile_tcgen05_descriptor(shared + AT_W + 32 * i, 0, 1024, 128),
                                idesc, i > 0);
    }
}

TILE_FN void second(const char *shared, uint32_t at, uint32_t idesc)
{
    TILE_EACH(i, N / 16)
    {
        tile_tcgen05_mma_f16_ts(at + SECOND, at + SQUARES + 8 * i,
                                tile_tcgen05_descriptor(shared + AT_V + 32 * i, 0, 1024, 128),
                                idesc, i > 0);
    }
}

/* This warp's lanes, half of the columns at a time. */
TILE_FN void square(uint32_t mine)
{
    uint32_t r[32], w[16];
    TILE_EACH(half, 2)
    {
        tile_tcgen05_ld_32x32b_x32(r, mine + 32 * half);
        tile_tcgen05_wait_ld();
        TILE_EACH(i, 16)
        {
            const float x = tile_float(r[2 * i]), y = tile_float(r[2 * i + 1]);
            w[i] = tile_f32_to_bf16_pair(x * x, y * y);
        }
        tile_tcgen05_st_32x32b_x16(mine + SQUARES + 16 * half, w);
    }
    tile_tcgen05_wait_st();
}

TILE_FN void store(float *y, uint32_t mine)
{
    uint32_t r[32];
    TILE_EACH(half, 2)
    {
        tile_tcgen05_ld_32x32b_x32(r, mine + SECOND + 32 * half);
        tile_tcgen05_wait_ld();
        TILE_EACH(i, 8)
        {
            tile_global_write(y + tile_thread() * N + 32 * half + 4 * i, r + 4 * i, 16, TILE_PLAIN);
        }
    }
}

TILE_KERNEL(chain, chain_args, THREADS, 1)
{
    char *const shared = tile_shared();
    const uint32_t idesc = tile_tcgen05_idesc(TILE_TCGEN05_D_F32, TILE_TCGEN05_BF16,
                                              TILE_TCGEN05_BF16, 0, 0, M, N);
    uint32_t at;
    if (tile_thread() == 0) {
        tile_mbarrier_init(shared + AT_FULL, 1);
        tile_mbarrier_init(shared + AT_DONE, 1);
        tile_fence_proxy_async_shared();
        tile_mbarrier_arrive_expect_tx(shared + AT_FULL, AT_FULL);
        tile_tensor_load_2d(shared, &a.x, shared + AT_FULL, 0, 0);
        tile_tensor_load_2d(shared + AT_W, &a.w, shared + AT_FULL, 0, 0);
        tile_tensor_load_2d(shared + AT_V, &a.v, shared + AT_FULL, 0, 0);
    }
    if (tile_warp() == 0)
        tile_tcgen05_alloc(shared + AT_ADDRESS, COLUMNS);
    tile_sync();
    tile_shared_read(&at, shared + AT_ADDRESS, 4);
    const uint32_t mine = at + ((uint32_t)tile_warp() << 21);
    if (tile_thread() == 0) {
        tile_mbarrier_wait(shared + AT_FULL, 0);
        first(shared, at, idesc);
        tile_tcgen05_commit(shared + AT_DONE);
    }
    tile_mbarrier_wait(shared + AT_DONE, 0);
    tile_tcgen05_fence_after_thread_sync();
    square(mine);
    tile_tcgen05_fence_before_thread_sync();
    tile_sync();
    if (tile_thread() == 0) {
        tile_tcgen05_fence_after_thread_sync();
        second(shared, at, idesc);
        tile_tcgen05_commit(shared + AT_DONE);
    }
    tile_mbarrier_wait(shared + AT_DONE, 1);
    tile_tcgen05_fence_after_thread_sync();
    store(a.y, mine);
    tile_tcgen05_fence_before_thread_sync();
    tile_sync();
    if (tile_warp() == 0)
        tile_tcgen05_dealloc(at, COLUMNS);
}
