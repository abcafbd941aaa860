/* Rows of 128 f32 through a ring of mbarriers: a warp fetches them by bulk copies, the others add
 * them up; the sum is stored and added to a total by bulk copies. */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"

enum { ROW = 512, STAGES = 3, AT_SUM = STAGES * ROW, AT_FULL = AT_SUM + ROW,
       AT_EMPTY = AT_FULL + 8 * STAGES };

typedef struct ring_args {
    const float *x;
    float *sums, *total;
    int64_t rows; /* a block */
} ring_args;

TILE_FN void fetch(const ring_args *a, char *shared)
{
    for (int k = 0; k < (int)a->rows; k++) {
        const int stage = k % STAGES;
        char *const full = shared + AT_FULL + 8 * stage;
        tile_mbarrier_wait(shared + AT_EMPTY + 8 * stage, (uint32_t)(k / STAGES & 1) ^ 1);
        tile_mbarrier_arrive_expect_tx(full, ROW);
        tile_bulk_load(shared + stage * ROW, a->x + (tile_block() * a->rows + k) * 128, ROW, full);
    }
}

TILE_FN float add_up(const ring_args *a, char *shared, int i)
{
    float sum = 0;
    for (int k = 0; k < (int)a->rows; k++) {
        const int stage = k % STAGES;
        uint32_t w;
        tile_mbarrier_wait(shared + AT_FULL + 8 * stage, (uint32_t)(k / STAGES & 1));
        tile_shared_read(&w, shared + stage * ROW + 4 * i, 4);
        sum += tile_float(w);
        tile_sync_warp();
        if (tile_lane() == 0)
            tile_mbarrier_arrive(shared + AT_EMPTY + 8 * stage);
    }
    return sum;
}

TILE_KERNEL(ring, ring_args, 160, 0)
{
    char *const shared = tile_shared();
    if (tile_thread() == 0)
        for (int i = 0; i < STAGES; i++) {
            tile_mbarrier_init(shared + AT_FULL + 8 * i, 1);
            tile_mbarrier_init(shared + AT_EMPTY + 8 * i, 4);
        }
    tile_sync();
    if (tile_warp() == 4) {
        if (tile_elect())
            fetch(&a, shared);
    } else {
        const int i = tile_thread();
        const uint32_t w = tile_bits(add_up(&a, shared, i));
        tile_shared_write(shared + AT_SUM + 4 * i, &w, 4);
        tile_fence_proxy_async_shared();
        tile_sync_named(1, 128);
        if (i == 0) {
            tile_bulk_store(a.sums + tile_block() * 128, shared + AT_SUM, ROW);
            tile_bulk_commit();
            tile_bulk_reduce_add_f32(a.total, shared + AT_SUM, ROW);
            tile_bulk_commit();
            tile_bulk_wait(0);
        }
    }
}
