/* Blocks of a cluster write to the next one's shared memory: by stores, then by a bulk copy that
 * signals an mbarrier there. */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"

typedef struct cluster_args {
    const uint32_t *x; /* 128 words a block */
    uint32_t *y;       /* what came by stores, by the copy, and was read back */
} cluster_args;

TILE_KERNEL(cluster, cluster_args, 128, 0)
{
    char *const stored = tile_shared(), *const copied = stored + 512, *const mine = stored + 1024;
    char *const done = stored + 1536;
    const int next = (tile_cluster_rank() + 1) % tile_cluster_size();
    const int i = tile_thread();
    const int64_t at = tile_block() * 128 + i;
    uint32_t w;
    if (i == 0) {
        tile_mbarrier_init(done, 1);
        tile_fence_mbarrier_init();
        tile_mbarrier_arrive_expect_tx(done, 512);
    }
    tile_global_read(&w, a.x + at, 4, TILE_CONSTANT);
    tile_shared_write(mine + 4 * i, &w, 4);
    tile_fence_proxy_async_shared();
    tile_cluster_sync();
    tile_cluster_write(tile_cluster_address(stored + 4 * i, next), &w, 4);
    if (i == 0)
        tile_bulk_send(tile_cluster_address(copied, next), mine, 512,
                       tile_cluster_address(done, next));
    tile_cluster_sync();
    tile_mbarrier_wait(done, 0);
    uint32_t v[3];
    tile_shared_read(&v[0], stored + 4 * i, 4);
    tile_shared_read(&v[1], copied + 4 * i, 4);
    tile_cluster_read(&v[2], tile_cluster_address(mine + 4 * (127 - i), next), 4);
    for (int k = 0; k < 3; k++)
        tile_global_write(a.y + 3 * at + k, &v[k], 4, TILE_PLAIN);
    tile_cluster_sync();
}
