/* Clusters of two: each block loads half of a tile of 128 x 64 bf16 and gives it to both. The tiles
 * go through one stage, which both blocks must have read before either fills it again. */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"

enum { HALF = 64 * 64 * 2, AT_FULL = 2 * HALF, AT_EMPTY = AT_FULL + 8 };

typedef struct multicast_args {
    TileTensorMap x; /* boxes of 64 x 64 */
    uint32_t *y;     /* what each block has seen: tile, block, words */
    int64_t tiles;
} multicast_args;

TILE_FN void load_half(const multicast_args *a, char *shared, int rank, int tile)
{
    tile_mbarrier_wait_cluster(shared + AT_EMPTY, (uint32_t)(tile & 1) ^ 1);
    tile_mbarrier_arrive_expect_tx(shared + AT_FULL, 2 * HALF);
    tile_tensor_load_multicast_2d(shared + rank * HALF, &a->x, shared + AT_FULL, 3, 0,
                                  128 * tile + 64 * rank);
}

TILE_KERNEL(multicast, multicast_args, 128, 0)
{
    char *const shared = tile_shared();
    const int rank = tile_cluster_rank();
    if (tile_thread() == 0) {
        tile_mbarrier_init(shared + AT_FULL, 1);
        tile_mbarrier_init(shared + AT_EMPTY, 2);
        tile_fence_mbarrier_init();
    }
    tile_cluster_arrive_relaxed();
    tile_cluster_wait();
    for (int tile = 0; tile < (int)a.tiles; tile++) {
        if (tile_thread() == 0)
            load_half(&a, shared, rank, tile);
        tile_mbarrier_wait(shared + AT_FULL, (uint32_t)(tile & 1));
        uint32_t *y = a.y + ((int64_t)tile * tile_blocks() + tile_block()) * (2 * HALF / 4);
        for (int i = tile_thread(); i < 2 * HALF / 16; i += 128) {
            uint32_t w[4];
            tile_shared_read(w, shared + 16 * i, 16);
            tile_global_write(y + 4 * i, w, 16, TILE_PLAIN);
        }
        tile_sync();
        if (tile_thread() < 2)
            tile_mbarrier_arrive_cluster(
                tile_cluster_address(shared + AT_EMPTY, tile_thread()));
    }
    tile_cluster_sync();
}
