/* The functions of runtime/device/async.h for the machine model. */
#ifndef TILE_MACHINE_DEVICE_ASYNC_H
#define TILE_MACHINE_DEVICE_ASYNC_H

typedef struct TileTensorMap {
    _Alignas(64) uint64_t opaque[16];
} TileTensorMap;

TILE_FN uint32_t tile_shared_address(const void *s)
{
    return tile__machine->shared_address(s);
}

/* ---- mbarriers ---- */

TILE_FN void tile_mbarrier_init(void *b, int count)
{
    tile__machine->mbarrier_init(b, (uint32_t)count);
}
TILE_FN void tile_mbarrier_inval(void *b)
{
    tile__machine->mbarrier_inval(b);
}
TILE_FN void tile_mbarrier_arrive(void *b)
{
    tile__machine->mbarrier_arrive(b, 1, 0, TILE_MBARRIER_ARRIVE);
}
TILE_FN void tile_mbarrier_expect_tx(void *b, uint32_t bytes)
{
    tile__machine->mbarrier_arrive(b, 0, bytes, TILE_MBARRIER_EXPECT);
}
TILE_FN void tile_mbarrier_arrive_expect_tx(void *b, uint32_t bytes)
{
    tile__machine->mbarrier_arrive(b, 1, bytes, TILE_MBARRIER_ARRIVE | TILE_MBARRIER_EXPECT);
}
TILE_FN void tile_mbarrier_arrive_cluster(uint32_t b)
{
    tile__machine->mbarrier_arrive(tile__machine->cluster_pointer(b), 1, 0,
                                   TILE_MBARRIER_ARRIVE | TILE_MBARRIER_CLUSTER);
}
TILE_FN void tile_mbarrier_arrive_expect_tx_cluster(uint32_t b, uint32_t bytes)
{
    tile__machine->mbarrier_arrive(tile__machine->cluster_pointer(b), 1, bytes,
                                   TILE_MBARRIER_ARRIVE | TILE_MBARRIER_EXPECT |
                                       TILE_MBARRIER_CLUSTER);
}
TILE_FN bool tile_mbarrier_test_wait_parity(void *b, uint32_t parity)
{
    return tile__machine->mbarrier_test(b, parity, 0);
}
TILE_FN bool tile_mbarrier_try_wait_parity(void *b, uint32_t parity)
{
    return tile__machine->mbarrier_test(b, parity, TILE_MBARRIER_TRY);
}
TILE_FN bool tile_mbarrier_try_wait_parity_cluster(void *b, uint32_t parity)
{
    return tile__machine->mbarrier_test(b, parity, TILE_MBARRIER_TRY | TILE_MBARRIER_CLUSTER);
}
TILE_FN void tile_mbarrier_wait(void *b, uint32_t parity)
{
    while (!tile_mbarrier_try_wait_parity(b, parity))
        ;
}
TILE_FN void tile_mbarrier_wait_cluster(void *b, uint32_t parity)
{
    while (!tile_mbarrier_try_wait_parity_cluster(b, parity))
        ;
}

/* ---- fences ---- */

TILE_FN void tile_fence_mbarrier_init(void)
{
    tile__machine->fence_mbarrier_init();
}
TILE_FN void tile_fence_proxy_async(void)
{
    tile__machine->fence_proxy(TILE_PROXY_SHARED | TILE_PROXY_GLOBAL);
}
TILE_FN void tile_fence_proxy_async_shared(void)
{
    tile__machine->fence_proxy(TILE_PROXY_SHARED);
}
TILE_FN void tile_fence_proxy_async_global(void)
{
    tile__machine->fence_proxy(TILE_PROXY_GLOBAL);
}

/* ---- clusters ---- */

TILE_FN int tile_cluster_rank(void)
{
    return tile__machine->view->rank;
}
TILE_FN int tile_cluster_size(void)
{
    return tile__machine->view->ranks;
}
TILE_FN void tile_cluster_arrive(void)
{
    tile__machine->cluster_arrive(0);
}
TILE_FN void tile_cluster_arrive_relaxed(void)
{
    tile__machine->cluster_arrive(1);
}
TILE_FN void tile_cluster_wait(void)
{
    tile__machine->cluster_wait();
}
TILE_FN void tile_cluster_sync(void)
{
    tile_cluster_arrive();
    tile_cluster_wait();
}
TILE_FN uint32_t tile_cluster_address(const void *s, int rank)
{
    return tile__machine->cluster_address(s, rank);
}
TILE_FN void tile_cluster_read(uint32_t *w, uint32_t address, int bytes)
{
    tile__machine->shared_read(w, tile__machine->cluster_pointer(address), bytes);
}
TILE_FN void tile_cluster_write(uint32_t address, const uint32_t *w, int bytes)
{
    tile__use_words(w, bytes);
    tile__machine->shared_write(tile__machine->cluster_pointer(address), w, bytes);
}

/* ---- bulk copies ---- */

TILE_FN void tile_bulk_load(void *s, const void *g, uint32_t bytes, void *b)
{
    tile__machine->bulk_load(s, g, bytes, b, -1);
}
TILE_FN void tile_bulk_load_multicast(void *s, const void *g, uint32_t bytes, void *b,
                                      uint16_t blocks)
{
    tile__machine->bulk_load(s, g, bytes, b, blocks);
}
TILE_FN void tile_bulk_store(void *g, const void *s, uint32_t bytes)
{
    tile__machine->bulk_store(g, s, bytes, 0);
}
#define TILE_MACHINE_BULK_ADD(name, type)                                            \
    TILE_FN void tile_bulk_reduce_add_##name(void *g, const void *s, uint32_t bytes) \
    {                                                                                \
        tile__machine->bulk_store(g, s, bytes, 1 + TILE_NUMBER_##type);              \
    }
TILE_MACHINE_BULK_ADD(f32, F32)
TILE_MACHINE_BULK_ADD(f16, F16)
TILE_MACHINE_BULK_ADD(bf16, BF16)
TILE_MACHINE_BULK_ADD(u32, U32)
TILE_MACHINE_BULK_ADD(i32, I32)
TILE_MACHINE_BULK_ADD(u64, U64)
#undef TILE_MACHINE_BULK_ADD
TILE_FN void tile_bulk_send(uint32_t remote, const void *s, uint32_t bytes, uint32_t b)
{
    tile__machine->bulk_send(tile__machine->cluster_pointer(remote), s, bytes,
                             tile__machine->cluster_pointer(b));
}
#define tile_bulk_commit() tile__machine->bulk_commit()
#define tile_bulk_wait(n) tile__machine->bulk_wait(n, 0)
#define tile_bulk_wait_read(n) tile__machine->bulk_wait(n, 1)

/* ---- tensor copies ---- */

#define TILE_MACHINE_LIST(...) __VA_ARGS__
#define TILE_MACHINE_TENSOR(n, coordinates, list)                                                  \
    TILE_FN void tile_tensor_load_##n##d(void *s, const TileTensorMap *map, void *b,               \
                                         TILE_MACHINE_LIST coordinates)                            \
    {                                                                                              \
        const int32_t at[] = {TILE_MACHINE_LIST list};                                             \
        tile__machine->tensor_load(s, map, n, at, b, -1);                                          \
    }                                                                                              \
    TILE_FN void tile_tensor_load_multicast_##n##d(void *s, const TileTensorMap *map, void *b,     \
                                                   uint16_t blocks, TILE_MACHINE_LIST coordinates) \
    {                                                                                              \
        const int32_t at[] = {TILE_MACHINE_LIST list};                                             \
        tile__machine->tensor_load(s, map, n, at, b, blocks);                                      \
    }                                                                                              \
    TILE_FN void tile_tensor_store_##n##d(const TileTensorMap *map, const void *s,                 \
                                          TILE_MACHINE_LIST coordinates)                           \
    {                                                                                              \
        const int32_t at[] = {TILE_MACHINE_LIST list};                                             \
        tile__machine->tensor_store(map, n, at, s, 0);                                             \
    }                                                                                              \
    TILE_FN void tile_tensor_reduce_add_##n##d(const TileTensorMap *map, const void *s,            \
                                               TILE_MACHINE_LIST coordinates)                      \
    {                                                                                              \
        const int32_t at[] = {TILE_MACHINE_LIST list};                                             \
        tile__machine->tensor_store(map, n, at, s, 1);                                             \
    }
TILE_MACHINE_TENSOR(1, (int c0), (c0))
TILE_MACHINE_TENSOR(2, (int c0, int c1), (c0, c1))
TILE_MACHINE_TENSOR(3, (int c0, int c1, int c2), (c0, c1, c2))
TILE_MACHINE_TENSOR(4, (int c0, int c1, int c2, int c3), (c0, c1, c2, c3))
TILE_MACHINE_TENSOR(5, (int c0, int c1, int c2, int c3, int c4), (c0, c1, c2, c3, c4))
#undef TILE_MACHINE_TENSOR
TILE_FN void tile_tensor_prefetch_map(const TileTensorMap *map)
{
    (void)map;
}

/* ---- cp.async ---- */

TILE_FN void tile_copy_async(void *s, const void *g, int bytes)
{
    tile__machine->copy(s, g, bytes, bytes);
}
TILE_FN void tile_copy_async_zfill(void *s, const void *g, int bytes, int from)
{
    tile__machine->copy(s, g, bytes, from);
}
#define tile_copy_async_commit() tile__machine->copy_commit()
#define tile_copy_async_wait(n) tile__machine->copy_wait(n)
#define tile_copy_async_wait_all() tile__machine->copy_wait(-1)
TILE_FN void tile_copy_async_arrive(void *b)
{
    tile__machine->copy_arrive(b, 0);
}
TILE_FN void tile_copy_async_arrive_noinc(void *b)
{
    tile__machine->copy_arrive(b, 1);
}

/* ---- the rest ---- */

TILE_FN bool tile_elect(void)
{
    return tile__machine->elect();
}
#define tile_setmaxnreg_inc(n) tile__machine->set_registers(n, 1)
#define tile_setmaxnreg_dec(n) tile__machine->set_registers(n, 0)

#endif
