/* Between a kernel, compiled for the host against device.h, and the machine that runs it. */
#ifndef TILE_MACHINE_OPS_H
#define TILE_MACHINE_OPS_H

#include <stdint.h>

/* What a kernel sees of the running thread without a call. `line` is its place: TILE_LINE. */
typedef struct TileView {
    int64_t block, blocks;
    char *shared;
    int32_t thread, threads;
    int32_t rank, ranks; /* in the cluster */
    int32_t line;
} TileView;

enum { TILE_WORD_READ, TILE_WORD_WRITE };

/* Operations of atomic(); the element type is beside it. */
enum {
    TILE_ATOMIC_ADD,
    TILE_ATOMIC_MAX,
    TILE_ATOMIC_MIN,
    TILE_ATOMIC_OR,
    TILE_ATOMIC_AND,
    TILE_ATOMIC_EXCHANGE,
    TILE_ATOMIC_CAS
};
enum {
    TILE_NUMBER_I32,
    TILE_NUMBER_U32,
    TILE_NUMBER_I64,
    TILE_NUMBER_U64,
    TILE_NUMBER_F32,
    TILE_NUMBER_F16,
    TILE_NUMBER_BF16
};
/* Memory order of strong operations; atom gives the old value, red drops it. */
enum { TILE_RELAXED = 0, TILE_ACQUIRE = 1, TILE_RELEASE = 2, TILE_RED = 4 };

enum { TILE_REDUCE_MAX, TILE_REDUCE_MIN, TILE_REDUCE_ADD, TILE_REDUCE_OR, TILE_REDUCE_AND };

/* Flags of mbarrier operations. */
enum {
    TILE_MBARRIER_EXPECT = 1, /* expect_tx before anything else */
    TILE_MBARRIER_ARRIVE = 2,
    TILE_MBARRIER_CLUSTER = 4, /* .cluster scope; the barrier may be another block's */
    TILE_MBARRIER_TRY = 8      /* try_wait: may suspend the thread */
};

enum { TILE_PROXY_SHARED = 1, TILE_PROXY_GLOBAL = 2 };

/* Operand types of wgmma. */
enum {
    TILE_WGMMA_bf16,
    TILE_WGMMA_f16,
    TILE_WGMMA_tf32,
    TILE_WGMMA_e4m3,
    TILE_WGMMA_e5m2,
    TILE_WGMMA_e4m3_e5m2,
    TILE_WGMMA_e5m2_e4m3
};

/* Kinds of tcgen05.mma, with their numbers of scales. */
enum {
    TILE_TCGEN05_KIND_f16,
    TILE_TCGEN05_KIND_tf32,
    TILE_TCGEN05_KIND_f8f6f4,
    TILE_TCGEN05_KIND_i8,
    TILE_TCGEN05_KIND_mxf8f6f4,
    TILE_TCGEN05_KIND_mxf4,
    TILE_TCGEN05_KIND_mxf4nvf4_2x,
    TILE_TCGEN05_KIND_mxf4nvf4_4x
};
/* What the collector does with A. */
enum { TILE_COLLECTOR_DISCARD, TILE_COLLECTOR_FILL, TILE_COLLECTOR_USE, TILE_COLLECTOR_LASTUSE };
/* Shapes of tcgen05.ld and st; of cp. */
enum {
    TILE_TCGEN05_SHAPE_32x32b,
    TILE_TCGEN05_SHAPE_16x64b,
    TILE_TCGEN05_SHAPE_16x128b,
    TILE_TCGEN05_SHAPE_16x256b
};
enum {
    TILE_TCGEN05_CP_128x256b,
    TILE_TCGEN05_CP_128x128b,
    TILE_TCGEN05_CP_64x128b_02_13,
    TILE_TCGEN05_CP_64x128b_01_23,
    TILE_TCGEN05_CP_32x128b
};

/* The operands of tcgen05.mma. */
typedef struct TileTcgen05Mma {
    int kind, group, collector, accumulate;
    int from_tmem; /* A is at a_address, not where `a` says */
    uint32_t d, a_address, idesc, scale_a, scale_b;
    uint64_t a, b;
} TileTcgen05Mma;

/* X(result, name, (parameters)) */
/* clang-format off */
#define TILE_MACHINE_OPS(X)                                                                        \
    X(void, sync, (int barrier, int threads, int waits)) /* threads 0: all of the block */         \
    X(void, sync_warp, (void))                                                                     \
    X(uint32_t, shuffle, (uint32_t x, int lane))                                                   \
    X(uint32_t, shuffle_xor, (uint32_t x, int mask))                                               \
    X(uint32_t, ballot, (int x))                                                                   \
    X(uint32_t, match, (uint32_t x))                                                               \
    X(uint32_t, reduce, (int op, uint32_t x))                                                      \
    X(int, elect, (void))                                                                          \
    X(void, global_read, (uint32_t *w, const void *p, int bytes, int constant))                    \
    X(void, global_write, (void *p, const uint32_t *w, int bytes))                                 \
    X(void, shared_read, (uint32_t *w, const void *s, int bytes))                                  \
    X(void, shared_write, (void *s, const uint32_t *w, int bytes))                                 \
    X(uint64_t, atomic, (int op, int type, void *p, uint64_t x, uint64_t compare, int order))      \
    X(uint64_t, strong_read, (const void *p, int bytes, int order))                                \
    X(void, strong_write, (void *p, uint64_t x, int bytes, int order))                             \
    X(void, fence, (void))                                                                         \
    X(void, pause, (void))                                                                         \
    X(void, pdl_wait, (void))                                                                      \
    X(void, pdl_launch, (void))                                                                    \
    X(void, trap, (const char *text))                                                              \
    X(void, poisoned, (void)) /* a value leaves the registers that wgmma owns */                   \
    X(uint32_t, shared_address, (const void *s))                                                   \
    X(uint32_t, cluster_address, (const void *s, int rank))                                        \
    X(void *, cluster_pointer, (uint32_t address))                                                 \
    X(void, cluster_arrive, (int relaxed))                                                         \
    X(void, cluster_wait, (void))                                                                  \
    X(void, fence_proxy, (int spaces))                                                             \
    X(void, fence_mbarrier_init, (void))                                                           \
    X(void, mbarrier_init, (void *b, uint32_t count))                                              \
    X(void, mbarrier_inval, (void *b))                                                             \
    X(void, mbarrier_arrive, (void *b, uint32_t count, uint32_t bytes, int flags))                 \
    X(int, mbarrier_test, (void *b, uint32_t parity, int flags))                                   \
    X(void, bulk_load, (void *s, const void *g, uint32_t bytes, void *b, int32_t mask))            \
    X(void, bulk_store, (void *g, const void *s, uint32_t bytes, int add))                         \
    X(void, bulk_send, (void *remote, const void *s, uint32_t bytes, void *b))                     \
    X(void, tensor_load, (void *s, const void *map, int rank, const int32_t *at, void *b,          \
                          int32_t mask))                                                           \
    X(void, tensor_load_pair, (void *s, const void *map, int rank, const int32_t *at,              \
                               uint32_t barrier))                                                  \
    X(void, tensor_store, (const void *map, int rank, const int32_t *at, const void *s, int add))  \
    X(void, bulk_commit, (void))                                                                   \
    X(void, bulk_wait, (int groups, int reads))                                                    \
    X(void, copy, (void *s, const void *g, int bytes, int from))                                   \
    X(void, copy_commit, (void))                                                                   \
    X(void, copy_wait, (int groups)) /* -1: all, committed or not */                               \
    X(void, copy_arrive, (void *b, int counted))                                                   \
    X(void, set_registers, (int count, int more))                                                  \
    X(void, load_matrix, (uint32_t *r, const void *row, int count, int transposed))                \
    X(void, store_matrix, (void *row, const uint32_t *r, int count, int transposed))               \
    X(void, wgmma, (float *d, int n, int type, const uint32_t *a, uint64_t a_desc,                 \
                    uint64_t b_desc, int accumulate, int majors))                                  \
    X(void, wgmma_fence, (void))                                                                   \
    X(void, wgmma_commit, (void))                                                                  \
    X(void, wgmma_wait, (int groups))                                                              \
    X(void, tcgen05_alloc, (void *s, uint32_t columns, int group))                                 \
    X(void, tcgen05_dealloc, (uint32_t address, uint32_t columns, int group))                      \
    X(void, tcgen05_relinquish, (int group))                                                       \
    X(void, tcgen05_mma, (const TileTcgen05Mma *))                                                 \
    X(void, tcgen05_cp, (uint32_t address, uint64_t source, int shape, int group))                 \
    X(void, tcgen05_commit, (void *b, int32_t mask, int group)) /* mask -1: its own block's */     \
    X(void, tcgen05_fence, (int after))                                                            \
    X(void, tcgen05_wait, (int stores))                                                            \
    X(void, tcgen05_ld, (uint32_t *r, uint32_t address, int shape, int count, int pack))           \
    X(void, tcgen05_st, (uint32_t address, const uint32_t *r, int shape, int count, int unpack))
/* clang-format on */

/* What a kernel's code is linked to: the loader sets the pointer that it defines. */
typedef struct TileMachineLink {
    TileView *view;
#define TILE_MACHINE_OP(result, name, parameters) result(*name) parameters;
    TILE_MACHINE_OPS(TILE_MACHINE_OP)
#undef TILE_MACHINE_OP
} TileMachineLink;

/* A kernel entry: `tile__kernel_NAME`. */
typedef struct TileMachineKernel {
    const char *name;
    void (*start)(const void *args);
    uint32_t args_bytes;
    int threads, blocks; /* __launch_bounds__ */
} TileMachineKernel;

#endif
