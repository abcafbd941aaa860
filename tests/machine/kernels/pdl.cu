/* Two kernels in a row: the second may begin early, and waits before it reads. */
#include "runtime/device/tile.h"

typedef struct pdl_args {
    const uint32_t *x;
    uint32_t *middle, *y;
} pdl_args;

TILE_KERNEL(pdl_first, pdl_args, 64, 0)
{
    const int64_t i = tile_block() * 64 + tile_thread();
    uint32_t w;
    tile_pdl_launch();
    tile_global_read(&w, a.x + i, 4, TILE_CONSTANT);
    w *= 3;
    tile_global_write(a.middle + i, &w, 4, TILE_PLAIN);
}

TILE_KERNEL(pdl_second, pdl_args, 64, 0)
{
    const int64_t i = tile_block() * 64 + tile_thread();
    uint32_t w;
    tile_pdl_wait();
    tile_global_read(&w, a.middle + (i ^ 64), 4, TILE_PLAIN);
    w += 1;
    tile_global_write(a.y + i, &w, 4, TILE_PLAIN);
}
