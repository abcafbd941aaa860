/* A box of a tensor into shared memory, what lies there into raw, and from there to another tensor.
 * DIMS, BYTES (of the box), REDUCE (1: it is added to what is there), EXPECT (bytes, if they are less).
 */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"

#ifndef DIMS
#define DIMS 2
#define BYTES 8192
#endif
#ifndef REDUCE
#define REDUCE 0
#endif
#ifndef EXPECT
#define EXPECT BYTES
#endif
#ifndef ENTRY
#define ENTRY tensor
#endif

#if DIMS == 1
#define COORDINATES(c) c[0]
#elif DIMS == 2
#define COORDINATES(c) c[0], c[1]
#elif DIMS == 3
#define COORDINATES(c) c[0], c[1], c[2]
#elif DIMS == 4
#define COORDINATES(c) c[0], c[1], c[2], c[3]
#else
#define COORDINATES(c) c[0], c[1], c[2], c[3], c[4]
#endif
#define NAME_(name, dims) name##dims##d
#define NAME(name, dims) NAME_(name, dims)

typedef struct tensor_args {
    TileTensorMap in, out;
    uint32_t *raw;
    int32_t from[5], to[5];
} tensor_args;

TILE_KERNEL(ENTRY, tensor_args, 128, 0)
{
    char *const shared = tile_shared(), *const full = shared + BYTES;
    if (tile_thread() == 0) {
        tile_tensor_prefetch_map(&a.in);
        tile_mbarrier_init(full, 1);
    }
    tile_sync();
    if (tile_thread() == 0) {
        tile_mbarrier_arrive_expect_tx(full, EXPECT);
        NAME(tile_tensor_load_, DIMS)(shared, &a.in, full, COORDINATES(a.from));
    }
    tile_mbarrier_wait(full, 0);
    for (int i = tile_thread(); i < BYTES / 16; i += 128) {
        uint32_t w[4];
        tile_shared_read(w, shared + 16 * i, 16);
        tile_global_write(a.raw + 4 * i, w, 16, TILE_PLAIN);
    }
    if (tile_thread() == 0) {
#if REDUCE
        NAME(tile_tensor_reduce_add_, DIMS)(&a.out, shared, COORDINATES(a.to));
#else
        NAME(tile_tensor_store_, DIMS)(&a.out, shared, COORDINATES(a.to));
#endif
        tile_bulk_commit();
        tile_bulk_wait(0);
    }
}
