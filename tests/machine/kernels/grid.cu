/* Blocks that meet: a barrier of all blocks, then a chain in which each adds to what the one before
 * has released. Atomics in global and in shared memory. */
#include "runtime/device/tile.h"

typedef struct grid_args {
    uint32_t *barrier; /* 2 words of 0 */
    uint32_t *parts;   /* a block */
    uint64_t *chain;   /* a block, 0 */
    uint32_t *total;   /* 0 */
    uint32_t *y;       /* a block: sum of all parts, sum up to it */
} grid_args;

TILE_KERNEL(grid, grid_args, 64, 0)
{
    char *const shared = tile_shared();
    const uint32_t zero = 0;
    const int block = (int)tile_block(), blocks = (int)tile_blocks();
    if (tile_thread() == 0)
        tile_shared_write(shared, &zero, 4);
    tile_sync();
    tile_shared_atomic_add_u32((uint32_t *)shared, (uint32_t)(tile_thread() * (block + 1)));
    tile_sync();
    uint32_t mine, sum = 0;
    tile_shared_read(&mine, shared, 4);
    if (tile_thread() == 0)
        tile_global_write(a.parts + block, &mine, 4, TILE_PLAIN);
    tile_grid_sync(a.barrier);
    for (int i = 0; i < blocks; i++) {
        uint32_t w;
        tile_global_read(&w, a.parts + i, 4, TILE_PLAIN);
        sum += w;
    }
    if (tile_thread() != 0)
        return;
    tile_atomic_add_u32(a.total, mine);
    uint64_t before = 1;
    if (block > 0)
        while ((before = tile_global_read_acquire_u64(a.chain + block - 1)) == 0)
            tile_pause(20);
    tile_global_write(a.y + 2 * block, &sum, 4, TILE_PLAIN);
    const uint32_t up_to = (uint32_t)before - 1 + mine;
    tile_global_write(a.y + 2 * block + 1, &up_to, 4, TILE_PLAIN);
    tile_global_write_release_u64(a.chain + block, before + mine);
}
