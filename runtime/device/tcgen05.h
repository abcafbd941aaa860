/* The tensor cores of SM100 and their tensor memory (TMEM). Included by kernels that need them.
 *
 * A block has 128 lanes of 512 columns of 32 bits; an address is lane << 16 | column. A function is
 * one instruction, with its section of PTX ISA 9.1 beside it. Without suffix it is of cta_group::1;
 * with _pair of cta_group::2, blocks 2 i and 2 i + 1 of a cluster. A kernel uses one of the two.
 *
 * There are hundreds, so most are made where they are used, by a macro at file scope:
 *
 *   TILE_TCGEN05_MMA(kind)           f16, tf32, f8f6f4, i8: D = A B, or D + A B if accumulate
 *       void tile_tcgen05_mma_<kind>_ss(uint32_t d, uint64_t a, uint64_t b, uint32_t idesc,
 *                                       int accumulate)
 *       void tile_tcgen05_mma_<kind>_ts(uint32_t d, uint32_t a, ..): A in TMEM
 *   TILE_TCGEN05_MMA_SCALED(kind)    mxf8f6f4, mxf4, mxf4nvf4_2x, mxf4nvf4_4x: .. int accumulate,
 *                                    uint32_t scale_a, uint32_t scale_b)
 *     with _fill, _use, _lastuse: what the collector does with A; each also with _pair behind
 *   TILE_TCGEN05_LD(shape, n)        shapes 32x32b, 16x64b, 16x128b, 16x256b; n: 1, 2, .. 128
 *       void tile_tcgen05_ld_<shape>_x<n>(uint32_t *r, uint32_t address), .._pack
 *   TILE_TCGEN05_ST(shape, n)
 *       void tile_tcgen05_st_<shape>_x<n>(uint32_t address, const uint32_t *r), .._unpack
 *
 * All are inlined, so that indices into r become constants.
 */
#ifndef TILE_TCGEN05_H
#define TILE_TCGEN05_H

#include "runtime/device/async.h"
#include "runtime/device/tile.h"

#ifdef TILE_MACHINE
#include "runtime/machine/device_tcgen05.h"
#else

#define TILE_TCGEN05_BOTH(X) X(, "1") X(_pair, "2")

/* ---- allocation: 9.7.16.7.1. By one warp, all of its lanes; in a pair by one warp of each. ----
 */

/* The address goes to s in shared memory. `columns` is 32, 64, .. 512, never more than before. */
#define TILE_TCGEN05_MANAGE(pair, group)                                                      \
    TILE_FN void tile_tcgen05_alloc##pair(void *s, uint32_t columns)                          \
    {                                                                                         \
        asm volatile("tcgen05.alloc.cta_group::" group                                        \
                     ".sync.aligned.shared::cta.b32 [%0], %1;" ::"r"(tile_shared_address(s)), \
                     "r"(columns)                                                             \
                     : "memory");                                                             \
    }                                                                                         \
    TILE_FN void tile_tcgen05_dealloc##pair(uint32_t address, uint32_t columns)               \
    {                                                                                         \
        asm volatile("tcgen05.dealloc.cta_group::" group                                      \
                     ".sync.aligned.b32 %0, %1;" ::"r"(address),                              \
                     "r"(columns)                                                             \
                     : "memory");                                                             \
    }                                                                                         \
    /* The block allocates no more; another on the same multiprocessor may. */                \
    TILE_FN void tile_tcgen05_relinquish##pair(void)                                          \
    {                                                                                         \
        asm volatile("tcgen05.relinquish_alloc_permit.cta_group::" group ".sync.aligned;" ::  \
                         : "memory");                                                         \
    }
TILE_TCGEN05_BOTH(TILE_TCGEN05_MANAGE)
#undef TILE_TCGEN05_MANAGE

/* ---- D = A B + D: 9.7.16.10.9.1. One thread issues it, for the pair too. ---- */

#define TILE_TCGEN05_MMA(kind)          \
    TILE_TCGEN05_MMA_GROUP(kind, , "1") \
    TILE_TCGEN05_MMA_GROUP(kind, _pair, "2")
#define TILE_TCGEN05_MMA_GROUP(kind, pair, group)                           \
    TILE_TCGEN05_MMA_FORMS(kind, pair, group, "")                           \
    TILE_TCGEN05_MMA_FORMS(kind, _fill##pair, group, ".collector::a::fill") \
    TILE_TCGEN05_MMA_FORMS(kind, _use##pair, group, ".collector::a::use")   \
    TILE_TCGEN05_MMA_FORMS(kind, _lastuse##pair, group, ".collector::a::lastuse")
#define TILE_TCGEN05_MMA_FORMS(kind, suffix, group, collector)                         \
    TILE_TCGEN05_MMA_FORM(tile_tcgen05_mma_##kind##_ss##suffix, uint64_t, "l", "%1",   \
                          ".cta_group::" group ".kind::" #kind collector)              \
    TILE_TCGEN05_MMA_FORM(tile_tcgen05_mma_##kind##_ts##suffix, uint32_t, "r", "[%1]", \
                          ".cta_group::" group ".kind::" #kind collector)
#define TILE_TCGEN05_MMA_FORM(name, A, constraint, operand, qualifiers)                       \
    TILE_FN void name(uint32_t d, A a, uint64_t b, uint32_t idesc, int accumulate)            \
    {                                                                                         \
        asm volatile("{\n\t.reg .pred p;\n\tsetp.ne.b32 p, %4, 0;\n\t"                        \
                     "tcgen05.mma" qualifiers " [%0], " operand ", %2, %3, p;\n\t}" ::"r"(d), \
                     constraint(a), "l"(b), "r"(idesc), "r"(accumulate)                       \
                     : "memory");                                                             \
    }

/* With scales in TMEM, 9.7.16.10.7: where those of the first 32 rows of A, columns of B lie. */
#define TILE_TCGEN05_SCALED_mxf8f6f4 ".kind::mxf8f6f4.block_scale.scale_vec::1X"
#define TILE_TCGEN05_SCALED_mxf4 ".kind::mxf4.block_scale.scale_vec::2X"
#define TILE_TCGEN05_SCALED_mxf4nvf4_2x ".kind::mxf4nvf4.block_scale.scale_vec::2X"
#define TILE_TCGEN05_SCALED_mxf4nvf4_4x ".kind::mxf4nvf4.block_scale.scale_vec::4X"
#define TILE_TCGEN05_MMA_SCALED(kind)      \
    TILE_TCGEN05_SCALED_GROUP(kind, , "1") \
    TILE_TCGEN05_SCALED_GROUP(kind, _pair, "2")
#define TILE_TCGEN05_SCALED_GROUP(kind, pair, group)                           \
    TILE_TCGEN05_SCALED_FORMS(kind, pair, group, "")                           \
    TILE_TCGEN05_SCALED_FORMS(kind, _fill##pair, group, ".collector::a::fill") \
    TILE_TCGEN05_SCALED_FORMS(kind, _use##pair, group, ".collector::a::use")   \
    TILE_TCGEN05_SCALED_FORMS(kind, _lastuse##pair, group, ".collector::a::lastuse")
#define TILE_TCGEN05_SCALED_FORMS(kind, suffix, group, collector)                         \
    TILE_TCGEN05_SCALED_FORM(tile_tcgen05_mma_##kind##_ss##suffix, uint64_t, "l", "%1",   \
                             ".cta_group::" group TILE_TCGEN05_SCALED_##kind collector)   \
    TILE_TCGEN05_SCALED_FORM(tile_tcgen05_mma_##kind##_ts##suffix, uint32_t, "r", "[%1]", \
                             ".cta_group::" group TILE_TCGEN05_SCALED_##kind collector)
#define TILE_TCGEN05_SCALED_FORM(name, A, constraint, operand, qualifiers)                       \
    TILE_FN void name(uint32_t d, A a, uint64_t b, uint32_t idesc, uint32_t scale_a,             \
                      uint32_t scale_b, int accumulate)                                          \
    {                                                                                            \
        asm volatile(                                                                            \
            "{\n\t.reg .pred p;\n\tsetp.ne.b32 p, %6, 0;\n\t"                                    \
            "tcgen05.mma" qualifiers " [%0], " operand ", %2, %3, [%4], [%5], p;\n\t}" ::"r"(d), \
            constraint(a), "l"(b), "r"(idesc), "r"(scale_a), "r"(scale_b), "r"(accumulate)       \
            : "memory");                                                                         \
    }

/* ---- shared memory to TMEM: 9.7.16.9.2. One thread; rows of 16 or 32 bytes, a lane each. ---- */

#define TILE_TCGEN05_COPIES(pair, group)                                                    \
    TILE_TCGEN05_COPY(tile_tcgen05_cp_128x256b##pair, group, ".128x256b")                   \
    TILE_TCGEN05_COPY(tile_tcgen05_cp_128x128b##pair, group, ".128x128b")                   \
    /* 64 rows to warps 0 and 1, again to 2 and 3; or 32 to 0 and 1, 32 to 2 and 3 */       \
    TILE_TCGEN05_COPY(tile_tcgen05_cp_64x128b_02_13##pair, group, ".64x128b.warpx2::02_13") \
    TILE_TCGEN05_COPY(tile_tcgen05_cp_64x128b_01_23##pair, group, ".64x128b.warpx2::01_23") \
    /* 32 rows to all four, as scales must be */                                            \
    TILE_TCGEN05_COPY(tile_tcgen05_cp_32x128b##pair, group, ".32x128b.warpx4")
#define TILE_TCGEN05_COPY(name, group, shape)                                                      \
    TILE_FN void name(uint32_t address, uint64_t source)                                           \
    {                                                                                              \
        asm volatile("tcgen05.cp.cta_group::" group shape " [%0], %1;" ::"r"(address), "l"(source) \
                     : "memory");                                                                  \
    }
TILE_TCGEN05_BOTH(TILE_TCGEN05_COPIES)
#undef TILE_TCGEN05_COPIES
#undef TILE_TCGEN05_COPY

/* ---- order ---- */

/* tcgen05.commit, 9.7.16.12.1: an arrival on b when this thread's mma and cp so far are complete;
 * multicast: on the mbarrier at the same place in each block whose rank's bit is set. */
#define TILE_TCGEN05_COMMIT(pair, group)                                                     \
    TILE_FN void tile_tcgen05_commit##pair(void *b)                                          \
    {                                                                                        \
        asm volatile(                                                                        \
            "tcgen05.commit.cta_group::" group                                               \
            ".mbarrier::arrive::one.shared::cluster.b64 [%0];" ::"r"(tile_shared_address(b)) \
            : "memory");                                                                     \
    }                                                                                        \
    TILE_FN void tile_tcgen05_commit_multicast##pair(void *b, uint16_t blocks)               \
    {                                                                                        \
        asm volatile(                                                                        \
            "tcgen05.commit.cta_group::" group                                               \
            ".mbarrier::arrive::one.shared::cluster.multicast::cluster.b64 [%0], %1;" ::"r"( \
                tile_shared_address(b)),                                                     \
            "h"(blocks)                                                                      \
            : "memory");                                                                     \
    }
TILE_TCGEN05_BOTH(TILE_TCGEN05_COMMIT)
#undef TILE_TCGEN05_COMMIT

/* tcgen05.fence, 9.7.16.11.1: between this thread's tcgen05 operations and those of others, before
 * it releases them by a barrier and after it has waited for one. */
TILE_FN void tile_tcgen05_fence_before_thread_sync(void)
{
    asm volatile("tcgen05.fence::before_thread_sync;" ::: "memory");
}
TILE_FN void tile_tcgen05_fence_after_thread_sync(void)
{
    asm volatile("tcgen05.fence::after_thread_sync;" ::: "memory");
}
/* tcgen05.wait, 9.7.16.8.5: all lanes of the warp; its loads, its stores so far are complete. */
TILE_FN void tile_tcgen05_wait_ld(void)
{
    asm volatile("tcgen05.wait::ld.sync.aligned;" ::: "memory");
}
TILE_FN void tile_tcgen05_wait_st(void)
{
    asm volatile("tcgen05.wait::st.sync.aligned;" ::: "memory");
}

/* ---- TMEM and registers: 9.7.16.8.3, .4. All lanes of a warp, which reaches lanes 32 w to 32 w +
 * 31 of TMEM, w its number modulo 4. ----
 *
 * Which register of which thread t has which word, 9.7.16.2.3.1, relative to the address:
 *
 *   32x32b    lane t, column r
 *   16x64b    lane t / 4 + 8 (t % 2), column 2 r + t / 2 % 2
 *   16x128b   lane t / 4 + 8 (r % 2), column 4 (r / 2) + t % 4
 *   16x256b   lane t / 4 + 8 (r / 2 % 2), column 8 (r / 4) + 2 (t % 4) + r % 2
 *
 * _pack, _unpack: words of 16 bits, a register has those of columns 2 c and 2 c + 1 for its column
 * c.
 */

/* Registers a thread for x1. */
#define TILE_TCGEN05_WORDS_32x32b(n) TILE_TCGEN05_1_##n
#define TILE_TCGEN05_WORDS_16x64b(n) TILE_TCGEN05_1_##n
#define TILE_TCGEN05_WORDS_16x128b(n) TILE_TCGEN05_2_##n
#define TILE_TCGEN05_WORDS_16x256b(n) TILE_TCGEN05_4_##n
#define TILE_TCGEN05_1_1 1
#define TILE_TCGEN05_1_2 2
#define TILE_TCGEN05_1_4 4
#define TILE_TCGEN05_1_8 8
#define TILE_TCGEN05_1_16 16
#define TILE_TCGEN05_1_32 32
#define TILE_TCGEN05_1_64 64
#define TILE_TCGEN05_1_128 128
#define TILE_TCGEN05_2_1 2
#define TILE_TCGEN05_2_2 4
#define TILE_TCGEN05_2_4 8
#define TILE_TCGEN05_2_8 16
#define TILE_TCGEN05_2_16 32
#define TILE_TCGEN05_2_32 64
#define TILE_TCGEN05_2_64 128
#define TILE_TCGEN05_4_1 4
#define TILE_TCGEN05_4_2 8
#define TILE_TCGEN05_4_4 16
#define TILE_TCGEN05_4_8 32
#define TILE_TCGEN05_4_16 64
#define TILE_TCGEN05_4_32 128

/* By the number of registers: their numbers in the text, and the address's behind them. */
/* clang-format off */
#define TILE_TCGEN05_N1 "%0"
#define TILE_TCGEN05_N2 TILE_TCGEN05_N1 ", %1"
#define TILE_TCGEN05_N4 TILE_TCGEN05_N2 ", %2, %3"
#define TILE_TCGEN05_N8 TILE_TCGEN05_N4 ", %4, %5, %6, %7"
#define TILE_TCGEN05_N16 TILE_TCGEN05_N8 ", %8, %9, %10, %11, %12, %13, %14, %15"
#define TILE_TCGEN05_N32 TILE_TCGEN05_N16 ", %16, %17, %18, %19, %20, %21, %22, %23, " \
    "%24, %25, %26, %27, %28, %29, %30, %31"
#define TILE_TCGEN05_N64 TILE_TCGEN05_N32 ", %32, %33, %34, %35, %36, %37, %38, %39, " \
    "%40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, " \
    "%56, %57, %58, %59, %60, %61, %62, %63"
#define TILE_TCGEN05_N128 TILE_TCGEN05_N64 ", %64, %65, %66, %67, %68, %69, %70, %71, " \
    "%72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, " \
    "%88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, " \
    "%104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, %115, " \
    "%116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
/* clang-format on */
#define TILE_TCGEN05_R1(c, r, i) c(r[i])
#define TILE_TCGEN05_R2(c, r, i) TILE_TCGEN05_R1(c, r, i), TILE_TCGEN05_R1(c, r, i + 1)
#define TILE_TCGEN05_R4(c, r, i) TILE_TCGEN05_R2(c, r, i), TILE_TCGEN05_R2(c, r, i + 2)
#define TILE_TCGEN05_R8(c, r, i) TILE_TCGEN05_R4(c, r, i), TILE_TCGEN05_R4(c, r, i + 4)
#define TILE_TCGEN05_R16(c, r, i) TILE_TCGEN05_R8(c, r, i), TILE_TCGEN05_R8(c, r, i + 8)
#define TILE_TCGEN05_R32(c, r, i) TILE_TCGEN05_R16(c, r, i), TILE_TCGEN05_R16(c, r, i + 16)
#define TILE_TCGEN05_R64(c, r, i) TILE_TCGEN05_R32(c, r, i), TILE_TCGEN05_R32(c, r, i + 32)
#define TILE_TCGEN05_R128(c, r, i) TILE_TCGEN05_R64(c, r, i), TILE_TCGEN05_R64(c, r, i + 64)

/* Arguments may be macros themselves. */
#define TILE_TCGEN05_LD(shape, n) TILE_TCGEN05_LD_0(shape, n)
#define TILE_TCGEN05_LD_0(shape, n) TILE_TCGEN05_LD_1(shape, n, TILE_TCGEN05_WORDS_##shape(n))
#define TILE_TCGEN05_LD_1(shape, n, words) TILE_TCGEN05_LD_2(shape, n, words)
#define TILE_TCGEN05_LD_2(shape, n, words)                                          \
    TILE_TCGEN05_LD_FORM(tile_tcgen05_ld_##shape##_x##n, words, "." #shape ".x" #n) \
    TILE_TCGEN05_LD_FORM(tile_tcgen05_ld_##shape##_x##n##_pack, words,              \
                         "." #shape ".x" #n ".pack::16b")
#define TILE_TCGEN05_LD_FORM(name, words, qualifiers)                                    \
    TILE_FN void name(uint32_t *r, uint32_t address)                                     \
    {                                                                                    \
        asm volatile("tcgen05.ld.sync.aligned" qualifiers ".b32 {" TILE_TCGEN05_N##words \
                     "}, [%" #words "];"                                                 \
                     : TILE_TCGEN05_R##words("=r", r, 0)                                 \
                     : "r"(address)                                                      \
                     : "memory");                                                        \
    }
#define TILE_TCGEN05_ST(shape, n) TILE_TCGEN05_ST_0(shape, n)
#define TILE_TCGEN05_ST_0(shape, n) TILE_TCGEN05_ST_1(shape, n, TILE_TCGEN05_WORDS_##shape(n))
#define TILE_TCGEN05_ST_1(shape, n, words) TILE_TCGEN05_ST_2(shape, n, words)
#define TILE_TCGEN05_ST_2(shape, n, words)                                          \
    TILE_TCGEN05_ST_FORM(tile_tcgen05_st_##shape##_x##n, words, "." #shape ".x" #n) \
    TILE_TCGEN05_ST_FORM(tile_tcgen05_st_##shape##_x##n##_unpack, words,            \
                         "." #shape ".x" #n ".unpack::16b")
#define TILE_TCGEN05_ST_FORM(name, words, qualifiers)                                      \
    TILE_FN void name(uint32_t address, const uint32_t *r)                                 \
    {                                                                                      \
        asm volatile("tcgen05.st.sync.aligned" qualifiers ".b32 [%" #words                 \
                     "], {" TILE_TCGEN05_N##words "};" ::TILE_TCGEN05_R##words("r", r, 0), \
                     "r"(address)                                                          \
                     : "memory");                                                          \
    }

/* ---- tensor copies of a pair, 9.7.9.27.1.2: mbarrier `b` is this block's or the other's. ---- */

#define TILE_TCGEN05_TENSOR(n, coordinates, numbers, list)                                   \
    TILE_FN void tile_tensor_load_pair_##n##d(void *s, const TileTensorMap *map, uint32_t b, \
                                              TILE_LIST coordinates)                         \
    {                                                                                        \
        asm volatile("cp.async.bulk.tensor." #n "d.shared::cluster.global.tile"              \
                     ".mbarrier::complete_tx::bytes.cta_group::2 [%0], [%1, {" numbers       \
                     "}], [%2];" ::"r"(tile_shared_address(s)),                              \
                     "l"(map), "r"(b), TILE_LIST list                                        \
                     : "memory");                                                            \
    }
TILE_TCGEN05_TENSOR(2, (int c0, int c1), "%3, %4", ("r"(c0), "r"(c1)))
TILE_TCGEN05_TENSOR(3, (int c0, int c1, int c2), "%3, %4, %5", ("r"(c0), "r"(c1), "r"(c2)))
TILE_TCGEN05_TENSOR(4, (int c0, int c1, int c2, int c3), "%3, %4, %5, %6",
                    ("r"(c0), "r"(c1), "r"(c2), "r"(c3)))
#undef TILE_TCGEN05_TENSOR
#undef TILE_TCGEN05_BOTH

#endif

/* ---- descriptors ---- */

/* Where a matrix lies in shared memory, 9.7.16.4.1: `swizzle` is 0, 32, 64 or 128 bytes, the
 * pattern begins at a multiple of 8 * swizzle. Strides are in bytes, as of wgmma (9.7.16.3):
 *
 *   along k, swizzled    stride: from 8 rows to the next 8; lead: nothing
 *   along k, none        stride: likewise; lead: from 16 bytes along k to the next 16
 *   along m or n         stride: from 8 k to the next 8; lead: from `swizzle` bytes to the next
 *   along m or n, none   stride: from 16 bytes to the next 16; lead: from 8 k to the next 8
 *
 * The source of a copy is one along k, its rows the lanes.
 */
TILE_FN uint64_t tile_tcgen05_descriptor(const void *s, int lead, int stride, int swizzle)
{
    const uint64_t code = swizzle == 128 ? 2 : swizzle == 64 ? 4 : swizzle == 32 ? 6 : 0;
    return (uint64_t)(tile_shared_address(s) >> 4 & 0x3FFF) | (uint64_t)(lead >> 4 & 0x3FFF) << 16 |
           (uint64_t)(stride >> 4 & 0x3FFF) << 32 | 1ull << 46 | code << 61;
}

/* What is multiplied, 9.7.16.4.2. Element types of A and B, by kind. */
enum {
    TILE_TCGEN05_F16 = 0, /* kind f16 */
    TILE_TCGEN05_BF16 = 1,
    TILE_TCGEN05_TF32 = 2, /* kind tf32 */
    TILE_TCGEN05_U8 = 0,   /* kind i8 */
    TILE_TCGEN05_S8 = 1,
    TILE_TCGEN05_E4M3 = 0, /* kinds f8f6f4, mxf8f6f4 */
    TILE_TCGEN05_E5M2 = 1,
    TILE_TCGEN05_E2M3 = 3,
    TILE_TCGEN05_E3M2 = 4,
    TILE_TCGEN05_E2M1 = 5,
    TILE_TCGEN05_MXF4_E2M1 = 1 /* kinds mxf4, mxf4nvf4 */
};
/* D's; types of scales; along what A and B lie: along k or along m, n. */
enum { TILE_TCGEN05_D_F16 = 0, TILE_TCGEN05_D_F32 = 1, TILE_TCGEN05_D_S32 = 2 };
enum { TILE_TCGEN05_UE4M3 = 0, TILE_TCGEN05_UE8M0 = 1 };
enum { TILE_TCGEN05_ALONG_K = 0, TILE_TCGEN05_ALONG_MN = 1 };

/* Kinds f16, tf32, f8f6f4, i8. m and n are those of the pair, if it is one. */
TILE_FN uint32_t tile_tcgen05_idesc(int d_type, int a_type, int b_type, int a_along, int b_along,
                                    int m, int n)
{
    return (uint32_t)(d_type << 4 | a_type << 7 | b_type << 10 | a_along << 15 | b_along << 16 |
                      n >> 3 << 17 | m >> 4 << 24);
}
/* Kinds mxf8f6f4, mxf4, mxf4nvf4. The ids say which bytes of a column's words are the scales. */
TILE_FN uint32_t tile_tcgen05_idesc_scaled(int a_type, int b_type, int scale_type, int m, int n,
                                           int a_id, int b_id)
{
    return (uint32_t)(b_id << 4 | a_type << 7 | b_type << 10 | n >> 3 << 17 | scale_type << 23 |
                      m >> 7 << 27 | a_id << 29);
}

#endif
