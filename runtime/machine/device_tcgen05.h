/* The functions of runtime/device/tcgen05.h for the machine model. */
#ifndef TILE_MACHINE_DEVICE_TCGEN05_H
#define TILE_MACHINE_DEVICE_TCGEN05_H

#define TILE_MACHINE_TCGEN05(pair, group)                                       \
    TILE_FN void tile_tcgen05_alloc##pair(void *s, uint32_t columns)            \
    {                                                                           \
        tile__machine->tcgen05_alloc(s, columns, group);                        \
    }                                                                           \
    TILE_FN void tile_tcgen05_dealloc##pair(uint32_t address, uint32_t columns) \
    {                                                                           \
        tile__machine->tcgen05_dealloc(address, columns, group);                \
    }                                                                           \
    TILE_FN void tile_tcgen05_relinquish##pair(void)                            \
    {                                                                           \
        tile__machine->tcgen05_relinquish(group);                               \
    }                                                                           \
    TILE_FN void tile_tcgen05_commit##pair(void *b)                             \
    {                                                                           \
        tile__machine->tcgen05_commit(b, -1, group);                            \
    }                                                                           \
    TILE_FN void tile_tcgen05_commit_multicast##pair(void *b, uint16_t blocks)  \
    {                                                                           \
        tile__machine->tcgen05_commit(b, blocks, group);                        \
    }                                                                           \
    TILE_MACHINE_COPY(128x256b, pair, group)                                    \
    TILE_MACHINE_COPY(128x128b, pair, group)                                    \
    TILE_MACHINE_COPY(64x128b_02_13, pair, group)                               \
    TILE_MACHINE_COPY(64x128b_01_23, pair, group)                               \
    TILE_MACHINE_COPY(32x128b, pair, group)
#define TILE_MACHINE_COPY(shape, pair, group)                                       \
    TILE_FN void tile_tcgen05_cp_##shape##pair(uint32_t address, uint64_t source)   \
    {                                                                               \
        tile__machine->tcgen05_cp(address, source, TILE_TCGEN05_CP_##shape, group); \
    }
TILE_MACHINE_TCGEN05(, 1)
TILE_MACHINE_TCGEN05(_pair, 2)
#undef TILE_MACHINE_COPY
#undef TILE_MACHINE_TCGEN05

#define tile_tcgen05_fence_before_thread_sync() tile__machine->tcgen05_fence(0)
#define tile_tcgen05_fence_after_thread_sync() tile__machine->tcgen05_fence(1)
#define tile_tcgen05_wait_ld() tile__machine->tcgen05_wait(0)
#define tile_tcgen05_wait_st() tile__machine->tcgen05_wait(1)

/* ---- mma ---- */

#define TILE_MACHINE_MMA(name, A, kind_, group_, from_tmem_, member, collector_)   \
    TILE_FN void name(uint32_t d, A a, uint64_t b, uint32_t idesc, int accumulate) \
    {                                                                              \
        const TileTcgen05Mma x = {.kind = TILE_TCGEN05_KIND_##kind_,               \
                                  .group = group_,                                 \
                                  .collector = TILE_COLLECTOR_##collector_,        \
                                  .accumulate = accumulate,                        \
                                  .from_tmem = from_tmem_,                         \
                                  .d = d,                                          \
                                  .idesc = idesc,                                  \
                                  .b = b,                                          \
                                  .member = a};                                    \
        tile__machine->tcgen05_mma(&x);                                            \
    }
#define TILE_MACHINE_MMA_SCALED(name, A, kind_, group_, from_tmem_, member, collector_) \
    TILE_FN void name(uint32_t d, A a, uint64_t b, uint32_t idesc, uint32_t scale_a,    \
                      uint32_t scale_b, int accumulate)                                 \
    {                                                                                   \
        const TileTcgen05Mma x = {.kind = TILE_TCGEN05_KIND_##kind_,                    \
                                  .group = group_,                                      \
                                  .collector = TILE_COLLECTOR_##collector_,             \
                                  .accumulate = accumulate,                             \
                                  .from_tmem = from_tmem_,                              \
                                  .d = d,                                               \
                                  .idesc = idesc,                                       \
                                  .scale_a = scale_a,                                   \
                                  .scale_b = scale_b,                                   \
                                  .b = b,                                               \
                                  .member = a};                                         \
        tile__machine->tcgen05_mma(&x);                                                 \
    }
#define TILE_MACHINE_MMA_FORMS(FORM, kind, suffix, group, collector)                   \
    FORM(tile_tcgen05_mma_##kind##_ss##suffix, uint64_t, kind, group, 0, a, collector) \
    FORM(tile_tcgen05_mma_##kind##_ts##suffix, uint32_t, kind, group, 1, a_address, collector)
#define TILE_MACHINE_MMA_GROUP(FORM, kind, pair, group)          \
    TILE_MACHINE_MMA_FORMS(FORM, kind, pair, group, DISCARD)     \
    TILE_MACHINE_MMA_FORMS(FORM, kind, _fill##pair, group, FILL) \
    TILE_MACHINE_MMA_FORMS(FORM, kind, _use##pair, group, USE)   \
    TILE_MACHINE_MMA_FORMS(FORM, kind, _lastuse##pair, group, LASTUSE)
#define TILE_TCGEN05_MMA(kind)                          \
    TILE_MACHINE_MMA_GROUP(TILE_MACHINE_MMA, kind, , 1) \
    TILE_MACHINE_MMA_GROUP(TILE_MACHINE_MMA, kind, _pair, 2)
#define TILE_TCGEN05_MMA_SCALED(kind)                          \
    TILE_MACHINE_MMA_GROUP(TILE_MACHINE_MMA_SCALED, kind, , 1) \
    TILE_MACHINE_MMA_GROUP(TILE_MACHINE_MMA_SCALED, kind, _pair, 2)

/* ---- ld, st ---- */

#define TILE_MACHINE_WORDS_32x32b(n) (n)
#define TILE_MACHINE_WORDS_16x64b(n) (n)
#define TILE_MACHINE_WORDS_16x128b(n) (2 * (n))
#define TILE_MACHINE_WORDS_16x256b(n) (4 * (n))
#define TILE_MACHINE_LD(name, shape, n, pack)                                       \
    TILE_FN void name(uint32_t *r, uint32_t address)                                \
    {                                                                               \
        tile__machine->tcgen05_ld(r, address, TILE_TCGEN05_SHAPE_##shape, n, pack); \
    }
#define TILE_MACHINE_ST(name, shape, n, unpack)                                       \
    TILE_FN void name(uint32_t address, const uint32_t *r)                            \
    {                                                                                 \
        tile__use_words(r, 4 * TILE_MACHINE_WORDS_##shape(n));                        \
        tile__machine->tcgen05_st(address, r, TILE_TCGEN05_SHAPE_##shape, n, unpack); \
    }
/* Arguments may be macros themselves. */
#define TILE_TCGEN05_LD(shape, n) TILE_MACHINE_LD_0(shape, n)
#define TILE_MACHINE_LD_0(shape, n)                              \
    TILE_MACHINE_LD(tile_tcgen05_ld_##shape##_x##n, shape, n, 0) \
    TILE_MACHINE_LD(tile_tcgen05_ld_##shape##_x##n##_pack, shape, n, 1)
#define TILE_TCGEN05_ST(shape, n) TILE_MACHINE_ST_0(shape, n)
#define TILE_MACHINE_ST_0(shape, n)                              \
    TILE_MACHINE_ST(tile_tcgen05_st_##shape##_x##n, shape, n, 0) \
    TILE_MACHINE_ST(tile_tcgen05_st_##shape##_x##n##_unpack, shape, n, 1)

/* ---- tensor copies of a pair ---- */

#define TILE_MACHINE_TENSOR(n, coordinates, list)                                            \
    TILE_FN void tile_tensor_load_pair_##n##d(void *s, const TileTensorMap *map, uint32_t b, \
                                              TILE_MACHINE_LIST coordinates)                 \
    {                                                                                        \
        const int32_t at[] = {TILE_MACHINE_LIST list};                                       \
        tile__machine->tensor_load_pair(s, map, n, at, b);                                   \
    }
TILE_MACHINE_TENSOR(2, (int c0, int c1), (c0, c1))
TILE_MACHINE_TENSOR(3, (int c0, int c1, int c2), (c0, c1, c2))
TILE_MACHINE_TENSOR(4, (int c0, int c1, int c2, int c3), (c0, c1, c2, c3))
#undef TILE_MACHINE_TENSOR

#endif
