/* cp.async: rows of 2048 bytes through two buffers by groups, the last row cut off with zeros; then
 * the same data word by word, with an mbarrier. */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"

enum { ROW = 2048, AT_DONE = 2 * ROW };

typedef struct copy_args {
    const char *x;
    char *y, *z;
    int64_t rows, bytes; /* rows >= 2; bytes of x, not all of the last row */
} copy_args;

TILE_FN void fetch(const copy_args *a, char *to, int64_t row)
{
    const int64_t at = row * ROW + 16 * tile_thread(), left = a->bytes - at;
    const int from = left > 16 ? 16 : left > 0 ? (int)left : 0;
    tile_copy_async_zfill(to + 16 * tile_thread(), a->x + (from ? at : 0), 16, from);
    tile_copy_async_commit();
}

TILE_KERNEL(copy, copy_args, 128, 0)
{
    char *const shared = tile_shared(), *const done = shared + AT_DONE;
    const int i = tile_thread();
    uint32_t w[4];
    if (i == 0)
        tile_mbarrier_init(done, 256);
    fetch(&a, shared, 0);
    for (int64_t row = 0; row < a.rows; row++) {
        if (row + 1 < a.rows) {
            fetch(&a, shared + (row + 1) % 2 * ROW, row + 1);
            tile_copy_async_wait(1);
        } else {
            tile_copy_async_wait(0);
        }
        tile_sync();
        tile_shared_read(w, shared + row % 2 * ROW + (ROW - 16 - 16 * i), 16);
        tile_global_write(a.y + row * ROW + (ROW - 16 - 16 * i), w, 16, TILE_PLAIN);
        tile_sync();
    }
    for (int k = 0; k < 4; k++)
        tile_copy_async(shared + 512 * k + 4 * i, a.x + 512 * k + 4 * i, 4);
    tile_copy_async_arrive_noinc(done);
    for (int k = 0; k < 2; k++)
        tile_copy_async(shared + ROW + 1024 * k + 8 * i, a.x + ROW / 2 + 1024 * k + 8 * i, 8);
    tile_copy_async_arrive(done);
    tile_mbarrier_arrive(done);
    tile_mbarrier_wait(done, 0);
    for (int k = 0; k < 2; k++) {
        tile_shared_read(w, shared + ROW * k + (ROW - 16 - 16 * i), 16);
        tile_global_write(a.z + ROW * k + (ROW - 16 - 16 * i), w, 16, TILE_PLAIN);
    }
}
