/* What works beside the threads, and how they meet: mbarriers, bulk and tensor copies, cp.async,
 * clusters, proxy fences, setmaxnreg. Included by kernels that need it.
 *
 * A function is one instruction, with its section of PTX ISA 9.1 beside it. Pointers are generic;
 * `s` and `b` lie in the block's shared memory. A uint32_t that is called an address is one of
 * shared::cluster (tile_cluster_address). Where a number `n` has to be a literal, the function is a
 * macro.
 */
#ifndef TILE_ASYNC_H
#define TILE_ASYNC_H

#include "runtime/device/tile.h"

/* The place of an item in a ring, and the parity of the phase that it fills there. */
typedef struct TileItem {
    int slot;
    uint32_t parity;
} TileItem;
TILE_FN TileItem tile_next_item(TileItem i, int slots)
{
    const bool end = i.slot == slots - 1;
    const TileItem next = {end ? 0 : i.slot + 1, i.parity ^ (end ? 1u : 0u)};
    return next;
}

#ifdef TILE_MACHINE
#include "runtime/machine/device_async.h"
#else

/* 128 bytes that describe a tensor to the copy engine: cuTensorMapEncodeTiled makes them. They are
 * passed within the args struct, by value. */
typedef struct __align__(64) TileTensorMap
{
    uint64_t opaque[16];
}
TileTensorMap;

TILE_FN uint32_t tile_shared_address(const void *s)
{
    return (uint32_t)__cvta_generic_to_shared(s);
}

/* ---- mbarriers: 9.7.13.15 ----
 *
 * Eight bytes at a multiple of 8. A phase is over when `count` arrivals have come and as many bytes
 * as were expected; a wait for parity p returns when the phase that is under way has the other one.
 */

/* mbarrier.init, 9.7.13.15.9: to be seen by others through a barrier; by other blocks of the
 * cluster through tile_fence_mbarrier_init and the cluster's barrier. */
TILE_FN void tile_mbarrier_init(void *b, int count)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(tile_shared_address(b)), "r"(count)
                 : "memory");
}
/* mbarrier.inval, 9.7.13.15.10: before the bytes are used for anything else. */
TILE_FN void tile_mbarrier_inval(void *b)
{
    asm volatile("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(tile_shared_address(b)) : "memory");
}
/* mbarrier.arrive, 9.7.13.15.13: releases what came before to those who wait in this block. */
TILE_FN void tile_mbarrier_arrive(void *b)
{
    asm volatile(
        "mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(tile_shared_address(b))
        : "memory");
}
/* mbarrier.expect_tx, 9.7.13.15.11 */
TILE_FN void tile_mbarrier_expect_tx(void *b, uint32_t bytes)
{
    asm volatile(
        "mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(tile_shared_address(b)),
        "r"(bytes)
        : "memory");
}
TILE_FN void tile_mbarrier_arrive_expect_tx(void *b, uint32_t bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(
                     tile_shared_address(b)),
                 "r"(bytes)
                 : "memory");
}
/* On any block's mbarrier in the cluster; those who wait must do so at cluster scope. */
TILE_FN void tile_mbarrier_arrive_cluster(uint32_t address)
{
    asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(address)
                 : "memory");
}
TILE_FN void tile_mbarrier_arrive_expect_tx_cluster(uint32_t address, uint32_t bytes)
{
    asm volatile(
        "mbarrier.arrive.expect_tx.release.cluster.shared::cluster.b64 _, [%0], %1;" ::"r"(address),
        "r"(bytes)
        : "memory");
}

/* mbarrier.test_wait, mbarrier.try_wait, 9.7.13.15.16: the second may suspend the thread for a
 * while. */
#define TILE_MBARRIER_TEST(name, instruction)                                                 \
    TILE_FN bool name(void *b, uint32_t parity)                                               \
    {                                                                                         \
        uint32_t done;                                                                        \
        asm volatile("{\n\t.reg .pred p;\n\t" instruction ".shared::cta.b64 p, [%1], %2;\n\t" \
                     "selp.u32 %0, 1, 0, p;\n\t}"                                             \
                     : "=r"(done)                                                             \
                     : "r"(tile_shared_address(b)), "r"(parity)                               \
                     : "memory");                                                             \
        return done != 0;                                                                     \
    }
TILE_MBARRIER_TEST(tile_mbarrier_test_wait_parity, "mbarrier.test_wait.parity.acquire.cta")
TILE_MBARRIER_TEST(tile_mbarrier_try_wait_parity, "mbarrier.try_wait.parity.acquire.cta")
TILE_MBARRIER_TEST(tile_mbarrier_try_wait_parity_cluster,
                   "mbarrier.try_wait.parity.acquire.cluster")
#undef TILE_MBARRIER_TEST

TILE_FN void tile_mbarrier_wait(void *b, uint32_t parity)
{
    while (!tile_mbarrier_try_wait_parity(b, parity))
        ;
}
/* Also behind arrivals of other blocks. */
TILE_FN void tile_mbarrier_wait_cluster(void *b, uint32_t parity)
{
    while (!tile_mbarrier_try_wait_parity_cluster(b, parity))
        ;
}

/* ---- fences: 9.7.13.4 ---- */

/* This thread's mbarrier.init are seen behind the cluster's barrier, even a relaxed arrival. */
TILE_FN void tile_fence_mbarrier_init(void)
{
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
/* Between what threads write and what copies or wgmma read at the same place (8.6). */
TILE_FN void tile_fence_proxy_async(void)
{
    asm volatile("fence.proxy.async;" ::: "memory");
}
TILE_FN void tile_fence_proxy_async_shared(void)
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
TILE_FN void tile_fence_proxy_async_global(void)
{
    asm volatile("fence.proxy.async.global;" ::: "memory");
}

/* ---- clusters ---- */

/* %cluster_ctarank, %cluster_nctarank, 10.16 and 10.17 */
TILE_FN int tile_cluster_rank(void)
{
    uint32_t x;
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(x));
    return (int)x;
}
TILE_FN int tile_cluster_size(void)
{
    uint32_t x;
    asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(x));
    return (int)x;
}
/* barrier.cluster, 9.7.13.3: all threads of the cluster. Each arrives once, then waits. */
TILE_FN void tile_cluster_arrive(void)
{
    asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}
TILE_FN void tile_cluster_arrive_relaxed(void)
{
    asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
}
TILE_FN void tile_cluster_wait(void)
{
    asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}
TILE_FN void tile_cluster_sync(void)
{
    tile_cluster_arrive();
    tile_cluster_wait();
}
/* mapa, 9.7.9.23: where block `rank` has what is at `s` here. */
TILE_FN uint32_t tile_cluster_address(const void *s, int rank)
{
    uint32_t address;
    asm("mapa.shared::cluster.u32 %0, %1, %2;"
        : "=r"(address)
        : "r"(tile_shared_address(s)), "r"(rank));
    return address;
}
/* ld.shared::cluster, st.shared::cluster, 9.7.9.8 and 9.7.9.11: 4, 8 or 16 bytes. */
TILE_FN void tile_cluster_read(uint32_t *w, uint32_t address, int bytes)
{
    if (bytes == 16)
        asm volatile("ld.shared::cluster.v4.u32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3])
                     : "r"(address)
                     : "memory");
    else if (bytes == 8)
        asm volatile("ld.shared::cluster.v2.u32 {%0, %1}, [%2];"
                     : "=r"(w[0]), "=r"(w[1])
                     : "r"(address)
                     : "memory");
    else
        asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(w[0]) : "r"(address) : "memory");
}
TILE_FN void tile_cluster_write(uint32_t address, const uint32_t *w, int bytes)
{
    if (bytes == 16)
        asm volatile("st.shared::cluster.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(w[0]),
                     "r"(w[1]), "r"(w[2]), "r"(w[3])
                     : "memory");
    else if (bytes == 8)
        asm volatile("st.shared::cluster.v2.u32 [%0], {%1, %2};" ::"r"(address), "r"(w[0]),
                     "r"(w[1])
                     : "memory");
    else
        asm volatile("st.shared::cluster.u32 [%0], %1;" ::"r"(address), "r"(w[0]) : "memory");
}

/* ---- bulk copies: 9.7.9.25.4. Multiples of 16 bytes from and to multiples of 16. ---- */

/* cp.async.bulk from global memory, 9.7.9.25.4.1; its bytes are expected by mbarrier b. */
TILE_FN void tile_bulk_load(void *s, const void *g, uint32_t bytes, void *b)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], "
                 "%2, [%3];" ::"r"(tile_shared_address(s)),
                 "l"(g), "r"(bytes), "r"(tile_shared_address(b))
                 : "memory");
}
/* To the same place of each block whose rank's bit is set, which signals its own mbarrier. */
TILE_FN void tile_bulk_load_multicast(void *s, const void *g, uint32_t bytes, void *b,
                                      uint16_t blocks)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes"
                 ".multicast::cluster [%0], [%1], %2, [%3], %4;" ::"r"(tile_shared_address(s)),
                 "l"(g), "r"(bytes), "r"(tile_shared_address(b)), "h"(blocks)
                 : "memory");
}
/* To global memory; waited for by groups. */
TILE_FN void tile_bulk_store(void *g, const void *s, uint32_t bytes)
{
    asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(g),
                 "r"(tile_shared_address(s)), "r"(bytes)
                 : "memory");
}
/* cp.reduce.async.bulk, 9.7.9.25.4.2 */
#define TILE_BULK_REDUCE(name, type)                                                 \
    TILE_FN void tile_bulk_reduce_add_##name(void *g, const void *s, uint32_t bytes) \
    {                                                                                \
        asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group.add" type   \
                     " [%0], [%1], %2;" ::"l"(g),                                    \
                     "r"(tile_shared_address(s)), "r"(bytes)                         \
                     : "memory");                                                    \
    }
TILE_BULK_REDUCE(f32, ".f32")
TILE_BULK_REDUCE(f16, ".noftz.f16")
TILE_BULK_REDUCE(bf16, ".noftz.bf16")
TILE_BULK_REDUCE(u32, ".u32")
TILE_BULK_REDUCE(i32, ".s32")
TILE_BULK_REDUCE(u64, ".u64")
#undef TILE_BULK_REDUCE
/* To another block of the cluster, whose mbarrier expects the bytes. */
TILE_FN void tile_bulk_send(uint32_t address, const void *s, uint32_t bytes, uint32_t b)
{
    asm volatile("cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%0], "
                 "[%1], %2, [%3];" ::"r"(address),
                 "r"(tile_shared_address(s)), "r"(bytes), "r"(b)
                 : "memory");
}

/* cp.async.bulk.commit_group, cp.async.bulk.wait_group, 9.7.9.27.2: of this thread's stores, all
 * but the last n groups are complete; with _read: have read shared memory. */
#define tile_bulk_commit() asm volatile("cp.async.bulk.commit_group;" ::: "memory")
#define tile_bulk_wait(n) asm volatile("cp.async.bulk.wait_group " #n ";" ::: "memory")
#define tile_bulk_wait_read(n) asm volatile("cp.async.bulk.wait_group.read " #n ";" ::: "memory")

/* ---- tensor copies: 9.7.9.27.1.2, .3. The box of the map that begins at the coordinates, the
 * contiguous dim's first; shared memory at a multiple of 128. ---- */

#define TILE_LIST(...) __VA_ARGS__
#define TILE_TENSOR(n, coordinates, numbers_2, numbers_3, list)                                   \
    TILE_FN void tile_tensor_load_##n##d(void *s, const TileTensorMap *map, void *b,              \
                                         TILE_LIST coordinates)                                   \
    {                                                                                             \
        asm volatile("cp.async.bulk.tensor." #n "d.shared::cluster.global.tile"                   \
                     ".mbarrier::complete_tx::bytes [%0], [%1, {" numbers_3                       \
                     "}], [%2];" ::"r"(tile_shared_address(s)),                                   \
                     "l"(map), "r"(tile_shared_address(b)), TILE_LIST list                        \
                     : "memory");                                                                 \
    }                                                                                             \
    TILE_FN void tile_tensor_load_multicast_##n##d(void *s, const TileTensorMap *map, void *b,    \
                                                   uint16_t blocks, TILE_LIST coordinates)        \
    {                                                                                             \
        asm volatile("{\n\t.reg .b16 m;\n\tcvt.u16.u32 m, %2;\n\t"                                \
                     "cp.async.bulk.tensor." #n "d.shared::cluster.global.tile"                   \
                     ".mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {" numbers_3    \
                     "}], [%" TILE_TENSOR_LAST_##n "], m;\n\t}" ::"r"(tile_shared_address(s)),    \
                     "l"(map), "r"((uint32_t)blocks), TILE_LIST list, "r"(tile_shared_address(b)) \
                     : "memory");                                                                 \
    }                                                                                             \
    TILE_FN void tile_tensor_store_##n##d(const TileTensorMap *map, const void *s,                \
                                          TILE_LIST coordinates)                                  \
    {                                                                                             \
        asm volatile("cp.async.bulk.tensor." #n                                                   \
                     "d.global.shared::cta.tile.bulk_group [%0, {" numbers_2                      \
                     "}], [%1];" ::"l"(map),                                                      \
                     "r"(tile_shared_address(s)), TILE_LIST list                                  \
                     : "memory");                                                                 \
    }                                                                                             \
    TILE_FN void tile_tensor_reduce_add_##n##d(const TileTensorMap *map, const void *s,           \
                                               TILE_LIST coordinates)                             \
    {                                                                                             \
        asm volatile("cp.reduce.async.bulk.tensor." #n                                            \
                     "d.global.shared::cta.add.tile.bulk_group [%0, {" numbers_2                  \
                     "}], [%1];" ::"l"(map),                                                      \
                     "r"(tile_shared_address(s)), TILE_LIST list                                  \
                     : "memory");                                                                 \
    }
#define TILE_TENSOR_LAST_1 "4"
#define TILE_TENSOR_LAST_2 "5"
#define TILE_TENSOR_LAST_3 "6"
#define TILE_TENSOR_LAST_4 "7"
#define TILE_TENSOR_LAST_5 "8"
TILE_TENSOR(1, (int c0), "%2", "%3", ("r"(c0)))
TILE_TENSOR(2, (int c0, int c1), "%2, %3", "%3, %4", ("r"(c0), "r"(c1)))
TILE_TENSOR(3, (int c0, int c1, int c2), "%2, %3, %4", "%3, %4, %5", ("r"(c0), "r"(c1), "r"(c2)))
TILE_TENSOR(4, (int c0, int c1, int c2, int c3), "%2, %3, %4, %5", "%3, %4, %5, %6",
            ("r"(c0), "r"(c1), "r"(c2), "r"(c3)))
TILE_TENSOR(5, (int c0, int c1, int c2, int c3, int c4), "%2, %3, %4, %5, %6", "%3, %4, %5, %6, %7",
            ("r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4)))
#undef TILE_TENSOR
/* prefetch.tensormap, 9.7.9.15 */
TILE_FN void tile_tensor_prefetch_map(const TileTensorMap *map)
{
    asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

/* ---- cp.async: 9.7.9.25.3.1. 4, 8 or 16 bytes (a constant), aligned; in the generic proxy. ----
 */

/* `from` bytes come from memory, zeros follow. */
TILE_FN void tile_copy_async_zfill(void *s, const void *g, int bytes, int from)
{
    const uint32_t to = tile_shared_address(s);
    if (bytes == 16)
        asm volatile("cp.async.cg.shared::cta.global [%0], [%1], 16, %2;" ::"r"(to), "l"(g),
                     "r"(from)
                     : "memory");
    else if (bytes == 8)
        asm volatile("cp.async.ca.shared::cta.global [%0], [%1], 8, %2;" ::"r"(to), "l"(g),
                     "r"(from)
                     : "memory");
    else
        asm volatile("cp.async.ca.shared::cta.global [%0], [%1], 4, %2;" ::"r"(to), "l"(g),
                     "r"(from)
                     : "memory");
}
TILE_FN void tile_copy_async(void *s, const void *g, int bytes)
{
    const uint32_t to = tile_shared_address(s);
    if (bytes == 16)
        asm volatile("cp.async.cg.shared::cta.global [%0], [%1], 16;" ::"r"(to), "l"(g) : "memory");
    else if (bytes == 8)
        asm volatile("cp.async.ca.shared::cta.global [%0], [%1], 8;" ::"r"(to), "l"(g) : "memory");
    else
        asm volatile("cp.async.ca.shared::cta.global [%0], [%1], 4;" ::"r"(to), "l"(g) : "memory");
}
/* 9.7.9.25.3.2, .3 */
#define tile_copy_async_commit() asm volatile("cp.async.commit_group;" ::: "memory")
#define tile_copy_async_wait(n) asm volatile("cp.async.wait_group " #n ";" ::: "memory")
#define tile_copy_async_wait_all() asm volatile("cp.async.wait_all;" ::: "memory")
/* cp.async.mbarrier.arrive, 9.7.13.15.15: one arrival when this thread's copies so far are there;
 * with noinc it is one of the count's, else it is added to the count. */
TILE_FN void tile_copy_async_arrive(void *b)
{
    asm volatile("cp.async.mbarrier.arrive.shared::cta.b64 [%0];" ::"r"(tile_shared_address(b))
                 : "memory");
}
TILE_FN void tile_copy_async_arrive_noinc(void *b)
{
    asm volatile(
        "cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(tile_shared_address(b))
        : "memory");
}

/* ---- the rest ---- */

/* elect.sync, 9.7.13.14: true in one lane of the warp, all of which come. */
TILE_FN bool tile_elect(void)
{
    uint32_t elected;
    asm volatile("{\n\t.reg .pred p;\n\telect.sync _|p, 0xFFFFFFFF;\n\tselp.u32 %0, 1, 0, p;\n\t}"
                 : "=r"(elected));
    return elected != 0;
}
/* setmaxnreg, 9.7.19.5: all warps of a warpgroup; TILE_KERNEL must name a least number of blocks.
 */
#define tile_setmaxnreg_inc(n) asm volatile("setmaxnreg.inc.sync.aligned.u32 " #n ";")
#define tile_setmaxnreg_dec(n) asm volatile("setmaxnreg.dec.sync.aligned.u32 " #n ";")

#endif
#endif
