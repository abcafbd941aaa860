/* Everything that the lanes of a warp do together. */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"

typedef struct warp_args {
    const uint32_t *x;
    uint32_t *y; /* a thread: 10 words */
} warp_args;

TILE_KERNEL(warp, warp_args, 64, 0)
{
    const int lane = tile_lane();
    uint32_t x;
    tile_global_read(&x, a.x + tile_thread(), 4, TILE_CONSTANT);
    uint32_t y[10];
    y[0] = tile_shuffle_u32(x, lane + 5);
    y[1] = tile_shuffle_xor_u32(x, 9);
    y[2] = tile_ballot(x % 3 == 0);
    y[3] = tile_match_u32(x % 4);
    y[4] = tile_reduce_max_u32(x);
    y[5] = tile_reduce_min_u32(x);
    y[6] = tile_reduce_add_u32(x);
    y[7] = tile_reduce_or_u32(x);
    y[8] = tile_reduce_and_u32(x);
    y[9] = tile_elect();
    for (int i = 0; i < 10; i++)
        tile_global_write(a.y + 10 * tile_thread() + i, &y[i], 4, TILE_PLAIN);
}
