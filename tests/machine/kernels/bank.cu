/* Words of shared memory at a stride: how many passes does a warp need? STRIDE in words, WIDTH in
 * bytes. */
#include "runtime/device/tile.h"

#ifndef STRIDE
#define STRIDE 1
#define WIDTH 4
#endif

typedef struct bank_args {
    uint32_t *y;
} bank_args;

TILE_KERNEL(bank, bank_args, 32, 0)
{
    char *const s = tile_shared() + 4 * STRIDE * tile_lane();
    uint32_t w[4] = {1, 2, 3, 4};
    tile_shared_write(s, w, WIDTH);
    tile_sync_warp();
    tile_shared_read(w, s, WIDTH);
    tile_global_write(a.y + 4 * tile_lane(), w, WIDTH, TILE_PLAIN);
}
