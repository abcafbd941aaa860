/* Words in and out of tensor memory: stores in lanes and loads by SHAPE, stores by SHAPE and loads in
 * lanes, a copy by COPY of a matrix in shared memory. COUNT (the shape's repetitions), WORDS (registers
 * of a thread), COLUMNS (that they fill), PACKED (1: 16 bits of each word). */
#include "runtime/device/tile.h"
#include "runtime/device/async.h"
#include "runtime/device/tcgen05.h"

#ifndef SHAPE
#define SHAPE 16x256b
#define COUNT 4
#define WORDS 16
#define COLUMNS 32
#define PACKED 0
#define COPY 128x256b
#endif
#define JOIN_(name, shape, n, suffix) tile_tcgen05_##name##_##shape##_x##n##suffix
#define JOIN(name, shape, n, suffix) JOIN_(name, shape, n, suffix)
#define COPY_(shape) tile_tcgen05_cp_##shape
#define COPY_BY(shape) COPY_(shape)
#if PACKED
#define LOAD JOIN(ld, SHAPE, COUNT, _pack)
#define STORE JOIN(st, SHAPE, COUNT, _unpack)
#else
#define LOAD JOIN(ld, SHAPE, COUNT, )
#define STORE JOIN(st, SHAPE, COUNT, )
#endif
TILE_TCGEN05_LD(SHAPE, COUNT)
TILE_TCGEN05_ST(SHAPE, COUNT)
#ifndef LANES_ARE_MADE /* SHAPE may be this one */
TILE_TCGEN05_LD(32x32b, 2)
TILE_TCGEN05_ST(32x32b, 2)
#endif

enum { SOURCE_AT = 0, BARRIER_AT = 4096, ADDRESS_AT = 4104, ALL = 512, SHARED = 4112 };

typedef struct tmem_args {
    const uint32_t *x;         /* lane, column */
    const uint32_t *registers; /* begin at lane 0 or 16 of the quarter, thread, register */
    const char *source;        /* 4096 bytes of shared memory */
    uint32_t *loaded;          /* as registers */
    uint32_t *stored, *copied; /* as x; lane, column */
    int64_t half_lanes, copied_columns, lead, stride, swizzle;
} tmem_args;

/* This warp's lanes of a multiple of 2 columns. */
TILE_FN void store_lanes(uint32_t address, const uint32_t *from, int columns)
{
    for (int c = 0; c < columns; c += 2) {
        uint32_t r[2];
        tile_global_read(r, from + tile_thread() * columns + c, 8, TILE_CONSTANT);
        tile_tcgen05_st_32x32b_x2(address + (uint32_t)c, r);
    }
    tile_tcgen05_wait_st();
}
TILE_FN void load_lanes(uint32_t address, uint32_t *to, int columns)
{
    for (int c = 0; c < columns; c += 2) {
        uint32_t r[2];
        tile_tcgen05_ld_32x32b_x2(r, address + (uint32_t)c);
        tile_tcgen05_wait_ld();
        tile_global_write(to + tile_thread() * columns + c, r, 8, TILE_PLAIN);
    }
}

TILE_KERNEL(tmem, tmem_args, 128, 1)
{
    char *const shared = tile_shared();
    uint32_t at, r[WORDS];
    if (tile_thread() == 0) {
        tile_mbarrier_init(shared + BARRIER_AT, 1);
        tile_fence_mbarrier_init();
    }
    for (int i = 16 * tile_thread(); i < 4096; i += 16 * 128) {
        uint32_t w[4];
        tile_global_read(w, a.source + i, 16, TILE_CONSTANT);
        tile_shared_write(shared + i, w, 16);
    }
    tile_fence_proxy_async_shared();
    if (tile_warp() == 0)
        tile_tcgen05_alloc(shared + ADDRESS_AT, ALL);
    tile_sync();
    tile_shared_read(&at, shared + ADDRESS_AT, 4);
    const uint32_t mine = at + ((uint32_t)tile_warp() << 21);
    store_lanes(mine, a.x, COLUMNS);
    for (int half = 0; half < (a.half_lanes ? 2 : 1); half++) {
        const uint32_t begin = mine + ((uint32_t)half << 20);
        LOAD(r, begin);
        tile_tcgen05_wait_ld();
        TILE_EACH(i, WORDS)
        {
            const int64_t k = (half * 128 + tile_thread()) * WORDS + i;
            tile_global_write(a.loaded + k, r + i, 4, TILE_PLAIN);
            tile_global_read(r + i, a.registers + k, 4, TILE_CONSTANT);
        }
        STORE(begin, r);
        tile_tcgen05_wait_st();
    }
    load_lanes(mine, a.stored, COLUMNS);
    tile_tcgen05_fence_before_thread_sync();
    tile_sync();
    if (tile_thread() == 0) {
        tile_tcgen05_fence_after_thread_sync();
        COPY_BY(COPY)(at, tile_tcgen05_descriptor(shared + SOURCE_AT, (int)a.lead, (int)a.stride,
                                                  (int)a.swizzle));
        tile_tcgen05_commit(shared + BARRIER_AT);
    }
    tile_mbarrier_wait(shared + BARRIER_AT, 0);
    tile_tcgen05_fence_after_thread_sync();
    load_lanes(mine, a.copied, (int)a.copied_columns);
    tile_tcgen05_fence_before_thread_sync();
    tile_sync();
    if (tile_warp() == 0)
        tile_tcgen05_dealloc(at, ALL);
}
