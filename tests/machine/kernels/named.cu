/* Two warps make, two use: two buffers, handed over and back by named barriers. */
#include "runtime/device/tile.h"

typedef struct named_args {
    const uint32_t *x;
    uint32_t *y;
    int64_t rounds;
} named_args;

TILE_KERNEL(named, named_args, 128, 0)
{
    char *const shared = tile_shared();
    const int i = tile_thread() % 64;
    for (int k = 0; k < (int)a.rounds; k++) {
        char *const buffer = shared + 256 * (k % 2);
        const int64_t at = (tile_block() * a.rounds + k) * 64 + i;
        uint32_t w;
        if (tile_warp() < 2) {
            tile_global_read(&w, a.x + at, 4, TILE_CONSTANT);
            if (k >= 2)
                tile_sync_named(3 + k % 2, 128);
            tile_shared_write(buffer + 4 * i, &w, 4);
            tile_arrive_named(1 + k % 2, 128);
        } else {
            tile_sync_named(1 + k % 2, 128);
            tile_shared_read(&w, buffer + 4 * (63 - i), 4);
            if (k + 2 < (int)a.rounds)
                tile_arrive_named(3 + k % 2, 128);
            w += 1;
            tile_global_write(a.y + at, &w, 4, TILE_PLAIN);
        }
    }
}
