/* Copies of vectors to shared memory beside the threads, what emitted kernels with them include. */
#ifndef TILE_COPIES_H
#define TILE_COPIES_H

#include "runtime/device/async.h"

/* As tile_vector_read, to `s`. Where vectors are not aligned the thread moves them itself. */
TILE_FN void tile_vector_copy(void *s, const void *p, int bytes, int size, bool inside,
                              int64_t room, int hint)
{
    if ((TILE_ALIGNED || bytes == size) && inside && room > 0) {
        tile_copy_async(s, p, bytes);
    } else {
        uint32_t w[4];
        tile_vector_read(w, p, bytes, size, inside, room, hint);
        tile_shared_write(s, w, bytes);
    }
}

/* An index as a coordinate of a tensor copy. What is further out is outside of every tensor, too;
 * the bound is a multiple of 16 bytes. */
TILE_FN int tile_coordinate(int64_t x)
{
    const int64_t most = 1 << 30;
    return (int)(x < -most ? -most : x > most ? most : x);
}

#endif
