/* Matrices: ldmatrix, stmatrix, wgmma. Included by kernels that need it.
 *
 * wgmma functions are made where they are used, for there are hundreds:
 *
 *   TILE_WGMMA(type, n)         at file scope gives tile_wgmma_m64n<n>k<k>_f32_<type>_ss and _rs;
 *                               type: bf16, f16, tf32, e4m3, e5m2, e4m3_e5m2, e5m2_e4m3; n: a
 *                               multiple of 8 up to 256
 *   TILE_WGMMA_MAJORS(type, n)  for bf16 and f16 also _ss_mk, _ss_kn, _ss_mn and _rs_kn: the
 *                               letters say along what A and B are contiguous; without, along k
 *
 *   void .._ss(float *d, uint64_t a, uint64_t b, int accumulate)
 *   void .._rs(float *d, const uint32_t *a, uint64_t b, int accumulate)
 *
 * D = A B, or + D: d has n / 2 registers, a is a descriptor or 4 registers. All are inlined, so
 * that indices into d become constants.
 */
#ifndef TILE_WGMMA_H
#define TILE_WGMMA_H

#include "runtime/device/tile.h"

#ifdef TILE_MACHINE
#include "runtime/machine/device_wgmma.h"
#else

/* ---- ldmatrix, stmatrix: PTX ISA 9.7.14.5.15, .16. Lane 8 j + i has the address of row i of the
 * j-th matrix of 8 x 8 16-bit elements, a multiple of 16. ---- */

#define TILE_MATRIX(suffix, instruction)                                                        \
    TILE_FN void tile_ldmatrix_x1##suffix(uint32_t *r, const void *row)                         \
    {                                                                                           \
        const uint32_t s = (uint32_t)__cvta_generic_to_shared(row);                             \
        asm volatile("ldmatrix.sync.aligned.m8n8.x1" instruction ".shared::cta.b16 {%0}, [%1];" \
                     : "=r"(r[0])                                                               \
                     : "r"(s)                                                                   \
                     : "memory");                                                               \
    }                                                                                           \
    TILE_FN void tile_ldmatrix_x2##suffix(uint32_t *r, const void *row)                         \
    {                                                                                           \
        const uint32_t s = (uint32_t)__cvta_generic_to_shared(row);                             \
        asm volatile("ldmatrix.sync.aligned.m8n8.x2" instruction                                \
                     ".shared::cta.b16 {%0, %1}, [%2];"                                         \
                     : "=r"(r[0]), "=r"(r[1])                                                   \
                     : "r"(s)                                                                   \
                     : "memory");                                                               \
    }                                                                                           \
    TILE_FN void tile_ldmatrix_x4##suffix(uint32_t *r, const void *row)                         \
    {                                                                                           \
        const uint32_t s = (uint32_t)__cvta_generic_to_shared(row);                             \
        asm volatile("ldmatrix.sync.aligned.m8n8.x4" instruction                                \
                     ".shared::cta.b16 {%0, %1, %2, %3}, [%4];"                                 \
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])                           \
                     : "r"(s)                                                                   \
                     : "memory");                                                               \
    }                                                                                           \
    TILE_FN void tile_stmatrix_x1##suffix(void *row, const uint32_t *r)                         \
    {                                                                                           \
        const uint32_t s = (uint32_t)__cvta_generic_to_shared(row);                             \
        asm volatile("stmatrix.sync.aligned.m8n8.x1" instruction                                \
                     ".shared::cta.b16 [%0], {%1};" ::"r"(s),                                   \
                     "r"(r[0])                                                                  \
                     : "memory");                                                               \
    }                                                                                           \
    TILE_FN void tile_stmatrix_x2##suffix(void *row, const uint32_t *r)                         \
    {                                                                                           \
        const uint32_t s = (uint32_t)__cvta_generic_to_shared(row);                             \
        asm volatile("stmatrix.sync.aligned.m8n8.x2" instruction                                \
                     ".shared::cta.b16 [%0], {%1, %2};" ::"r"(s),                               \
                     "r"(r[0]), "r"(r[1])                                                       \
                     : "memory");                                                               \
    }                                                                                           \
    TILE_FN void tile_stmatrix_x4##suffix(void *row, const uint32_t *r)                         \
    {                                                                                           \
        const uint32_t s = (uint32_t)__cvta_generic_to_shared(row);                             \
        asm volatile("stmatrix.sync.aligned.m8n8.x4" instruction                                \
                     ".shared::cta.b16 [%0], {%1, %2, %3, %4};" ::"r"(s),                       \
                     "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])                                 \
                     : "memory");                                                               \
    }
TILE_MATRIX(, "")
TILE_MATRIX(_trans, ".trans")
#undef TILE_MATRIX

/* ---- wgmma: 9.7.15. A warpgroup is warps 4 i to 4 i + 3. ---- */

/* Where a matrix lies in shared memory, 9.7.15.5.1.2: `swizzle` is 0, 32, 64 or 128 bytes, the
 * pattern begins at a multiple of 8 * swizzle. In bytes:
 *
 *   along k, swizzled    stride: from 8 rows to the next 8; lead: nothing
 *   along k, none        stride: likewise; lead: from 16 bytes along k to the next 16
 *   along m or n         stride: from 8 k to the next 8; lead: from `swizzle` bytes to the next
 *   along m or n, none   stride: from 16 bytes to the next 16; lead: from 8 k to the next 8
 */
TILE_FN uint64_t tile_wgmma_descriptor(const void *s, int lead, int stride, int swizzle)
{
    const uint64_t code = swizzle == 128 ? 1 : swizzle == 64 ? 2 : swizzle == 32 ? 3 : 0;
    return (uint64_t)((uint32_t)__cvta_generic_to_shared(s) >> 4 & 0x3FFF) |
           (uint64_t)(lead >> 4 & 0x3FFF) << 16 | (uint64_t)(stride >> 4 & 0x3FFF) << 32 |
           code << 62;
}

/* 9.7.15.7: before the first wgmma, and between a touch of its registers and the next; a group of
 * those so far; until at most n groups are under way. n is a literal. */
#define tile_wgmma_fence() asm volatile("wgmma.fence.sync.aligned;" ::: "memory")
#define tile_wgmma_commit() asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory")
#define tile_wgmma_wait(n) asm volatile("wgmma.wait_group.sync.aligned " #n ";" ::: "memory")

/* By type: k, the names of the operand types, the immediates behind the scales. */
#define TILE_WGMMA_K_bf16 16
#define TILE_WGMMA_K_f16 16
#define TILE_WGMMA_K_tf32 8
#define TILE_WGMMA_K_e4m3 32
#define TILE_WGMMA_K_e5m2 32
#define TILE_WGMMA_K_e4m3_e5m2 32
#define TILE_WGMMA_K_e5m2_e4m3 32
#define TILE_WGMMA_TYPES_bf16 ".f32.bf16.bf16"
#define TILE_WGMMA_TYPES_f16 ".f32.f16.f16"
#define TILE_WGMMA_TYPES_tf32 ".f32.tf32.tf32"
#define TILE_WGMMA_TYPES_e4m3 ".f32.e4m3.e4m3"
#define TILE_WGMMA_TYPES_e5m2 ".f32.e5m2.e5m2"
#define TILE_WGMMA_TYPES_e4m3_e5m2 ".f32.e4m3.e5m2"
#define TILE_WGMMA_TYPES_e5m2_e4m3 ".f32.e5m2.e4m3"
/* Only 16-bit types have a choice of majors, A in registers has none. */
#define TILE_WGMMA_SS_bf16 ", 0, 0"
#define TILE_WGMMA_SS_f16 ", 0, 0"
#define TILE_WGMMA_SS_tf32 ""
#define TILE_WGMMA_SS_e4m3 ""
#define TILE_WGMMA_SS_e5m2 ""
#define TILE_WGMMA_SS_e4m3_e5m2 ""
#define TILE_WGMMA_SS_e5m2_e4m3 ""
#define TILE_WGMMA_RS_bf16 ", 0"
#define TILE_WGMMA_RS_f16 ", 0"
#define TILE_WGMMA_RS_tf32 ""
#define TILE_WGMMA_RS_e4m3 ""
#define TILE_WGMMA_RS_e5m2 ""
#define TILE_WGMMA_RS_e4m3_e5m2 ""
#define TILE_WGMMA_RS_e5m2_e4m3 ""

/* D's registers: their numbers in the text, their operands, and the numbers of the six operands
 * behind them. */
/* clang-format off */
#define TILE_WGMMA_D8 "%0, %1, %2, %3"
#define TILE_WGMMA_D16 TILE_WGMMA_D8 ", %4, %5, %6, %7"
#define TILE_WGMMA_D24 TILE_WGMMA_D16 ", %8, %9, %10, %11"
#define TILE_WGMMA_D32 TILE_WGMMA_D24 ", %12, %13, %14, %15"
#define TILE_WGMMA_D40 TILE_WGMMA_D32 ", %16, %17, %18, %19"
#define TILE_WGMMA_D48 TILE_WGMMA_D40 ", %20, %21, %22, %23"
#define TILE_WGMMA_D56 TILE_WGMMA_D48 ", %24, %25, %26, %27"
#define TILE_WGMMA_D64 TILE_WGMMA_D56 ", %28, %29, %30, %31"
#define TILE_WGMMA_D72 TILE_WGMMA_D64 ", %32, %33, %34, %35"
#define TILE_WGMMA_D80 TILE_WGMMA_D72 ", %36, %37, %38, %39"
#define TILE_WGMMA_D88 TILE_WGMMA_D80 ", %40, %41, %42, %43"
#define TILE_WGMMA_D96 TILE_WGMMA_D88 ", %44, %45, %46, %47"
#define TILE_WGMMA_D104 TILE_WGMMA_D96 ", %48, %49, %50, %51"
#define TILE_WGMMA_D112 TILE_WGMMA_D104 ", %52, %53, %54, %55"
#define TILE_WGMMA_D120 TILE_WGMMA_D112 ", %56, %57, %58, %59"
#define TILE_WGMMA_D128 TILE_WGMMA_D120 ", %60, %61, %62, %63"
#define TILE_WGMMA_D136 TILE_WGMMA_D128 ", %64, %65, %66, %67"
#define TILE_WGMMA_D144 TILE_WGMMA_D136 ", %68, %69, %70, %71"
#define TILE_WGMMA_D152 TILE_WGMMA_D144 ", %72, %73, %74, %75"
#define TILE_WGMMA_D160 TILE_WGMMA_D152 ", %76, %77, %78, %79"
#define TILE_WGMMA_D168 TILE_WGMMA_D160 ", %80, %81, %82, %83"
#define TILE_WGMMA_D176 TILE_WGMMA_D168 ", %84, %85, %86, %87"
#define TILE_WGMMA_D184 TILE_WGMMA_D176 ", %88, %89, %90, %91"
#define TILE_WGMMA_D192 TILE_WGMMA_D184 ", %92, %93, %94, %95"
#define TILE_WGMMA_D200 TILE_WGMMA_D192 ", %96, %97, %98, %99"
#define TILE_WGMMA_D208 TILE_WGMMA_D200 ", %100, %101, %102, %103"
#define TILE_WGMMA_D216 TILE_WGMMA_D208 ", %104, %105, %106, %107"
#define TILE_WGMMA_D224 TILE_WGMMA_D216 ", %108, %109, %110, %111"
#define TILE_WGMMA_D232 TILE_WGMMA_D224 ", %112, %113, %114, %115"
#define TILE_WGMMA_D240 TILE_WGMMA_D232 ", %116, %117, %118, %119"
#define TILE_WGMMA_D248 TILE_WGMMA_D240 ", %120, %121, %122, %123"
#define TILE_WGMMA_D256 TILE_WGMMA_D248 ", %124, %125, %126, %127"
#define TILE_WGMMA_F(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define TILE_WGMMA_R8(d) TILE_WGMMA_F(d, 0)
#define TILE_WGMMA_R16(d) TILE_WGMMA_R8(d), TILE_WGMMA_F(d, 4)
#define TILE_WGMMA_R24(d) TILE_WGMMA_R16(d), TILE_WGMMA_F(d, 8)
#define TILE_WGMMA_R32(d) TILE_WGMMA_R24(d), TILE_WGMMA_F(d, 12)
#define TILE_WGMMA_R40(d) TILE_WGMMA_R32(d), TILE_WGMMA_F(d, 16)
#define TILE_WGMMA_R48(d) TILE_WGMMA_R40(d), TILE_WGMMA_F(d, 20)
#define TILE_WGMMA_R56(d) TILE_WGMMA_R48(d), TILE_WGMMA_F(d, 24)
#define TILE_WGMMA_R64(d) TILE_WGMMA_R56(d), TILE_WGMMA_F(d, 28)
#define TILE_WGMMA_R72(d) TILE_WGMMA_R64(d), TILE_WGMMA_F(d, 32)
#define TILE_WGMMA_R80(d) TILE_WGMMA_R72(d), TILE_WGMMA_F(d, 36)
#define TILE_WGMMA_R88(d) TILE_WGMMA_R80(d), TILE_WGMMA_F(d, 40)
#define TILE_WGMMA_R96(d) TILE_WGMMA_R88(d), TILE_WGMMA_F(d, 44)
#define TILE_WGMMA_R104(d) TILE_WGMMA_R96(d), TILE_WGMMA_F(d, 48)
#define TILE_WGMMA_R112(d) TILE_WGMMA_R104(d), TILE_WGMMA_F(d, 52)
#define TILE_WGMMA_R120(d) TILE_WGMMA_R112(d), TILE_WGMMA_F(d, 56)
#define TILE_WGMMA_R128(d) TILE_WGMMA_R120(d), TILE_WGMMA_F(d, 60)
#define TILE_WGMMA_R136(d) TILE_WGMMA_R128(d), TILE_WGMMA_F(d, 64)
#define TILE_WGMMA_R144(d) TILE_WGMMA_R136(d), TILE_WGMMA_F(d, 68)
#define TILE_WGMMA_R152(d) TILE_WGMMA_R144(d), TILE_WGMMA_F(d, 72)
#define TILE_WGMMA_R160(d) TILE_WGMMA_R152(d), TILE_WGMMA_F(d, 76)
#define TILE_WGMMA_R168(d) TILE_WGMMA_R160(d), TILE_WGMMA_F(d, 80)
#define TILE_WGMMA_R176(d) TILE_WGMMA_R168(d), TILE_WGMMA_F(d, 84)
#define TILE_WGMMA_R184(d) TILE_WGMMA_R176(d), TILE_WGMMA_F(d, 88)
#define TILE_WGMMA_R192(d) TILE_WGMMA_R184(d), TILE_WGMMA_F(d, 92)
#define TILE_WGMMA_R200(d) TILE_WGMMA_R192(d), TILE_WGMMA_F(d, 96)
#define TILE_WGMMA_R208(d) TILE_WGMMA_R200(d), TILE_WGMMA_F(d, 100)
#define TILE_WGMMA_R216(d) TILE_WGMMA_R208(d), TILE_WGMMA_F(d, 104)
#define TILE_WGMMA_R224(d) TILE_WGMMA_R216(d), TILE_WGMMA_F(d, 108)
#define TILE_WGMMA_R232(d) TILE_WGMMA_R224(d), TILE_WGMMA_F(d, 112)
#define TILE_WGMMA_R240(d) TILE_WGMMA_R232(d), TILE_WGMMA_F(d, 116)
#define TILE_WGMMA_R248(d) TILE_WGMMA_R240(d), TILE_WGMMA_F(d, 120)
#define TILE_WGMMA_R256(d) TILE_WGMMA_R248(d), TILE_WGMMA_F(d, 124)
#define TILE_WGMMA_N8 "%4", "%5", "%6", "%7", "%8", "%9"
#define TILE_WGMMA_N16 "%8", "%9", "%10", "%11", "%12", "%13"
#define TILE_WGMMA_N24 "%12", "%13", "%14", "%15", "%16", "%17"
#define TILE_WGMMA_N32 "%16", "%17", "%18", "%19", "%20", "%21"
#define TILE_WGMMA_N40 "%20", "%21", "%22", "%23", "%24", "%25"
#define TILE_WGMMA_N48 "%24", "%25", "%26", "%27", "%28", "%29"
#define TILE_WGMMA_N56 "%28", "%29", "%30", "%31", "%32", "%33"
#define TILE_WGMMA_N64 "%32", "%33", "%34", "%35", "%36", "%37"
#define TILE_WGMMA_N72 "%36", "%37", "%38", "%39", "%40", "%41"
#define TILE_WGMMA_N80 "%40", "%41", "%42", "%43", "%44", "%45"
#define TILE_WGMMA_N88 "%44", "%45", "%46", "%47", "%48", "%49"
#define TILE_WGMMA_N96 "%48", "%49", "%50", "%51", "%52", "%53"
#define TILE_WGMMA_N104 "%52", "%53", "%54", "%55", "%56", "%57"
#define TILE_WGMMA_N112 "%56", "%57", "%58", "%59", "%60", "%61"
#define TILE_WGMMA_N120 "%60", "%61", "%62", "%63", "%64", "%65"
#define TILE_WGMMA_N128 "%64", "%65", "%66", "%67", "%68", "%69"
#define TILE_WGMMA_N136 "%68", "%69", "%70", "%71", "%72", "%73"
#define TILE_WGMMA_N144 "%72", "%73", "%74", "%75", "%76", "%77"
#define TILE_WGMMA_N152 "%76", "%77", "%78", "%79", "%80", "%81"
#define TILE_WGMMA_N160 "%80", "%81", "%82", "%83", "%84", "%85"
#define TILE_WGMMA_N168 "%84", "%85", "%86", "%87", "%88", "%89"
#define TILE_WGMMA_N176 "%88", "%89", "%90", "%91", "%92", "%93"
#define TILE_WGMMA_N184 "%92", "%93", "%94", "%95", "%96", "%97"
#define TILE_WGMMA_N192 "%96", "%97", "%98", "%99", "%100", "%101"
#define TILE_WGMMA_N200 "%100", "%101", "%102", "%103", "%104", "%105"
#define TILE_WGMMA_N208 "%104", "%105", "%106", "%107", "%108", "%109"
#define TILE_WGMMA_N216 "%108", "%109", "%110", "%111", "%112", "%113"
#define TILE_WGMMA_N224 "%112", "%113", "%114", "%115", "%116", "%117"
#define TILE_WGMMA_N232 "%116", "%117", "%118", "%119", "%120", "%121"
#define TILE_WGMMA_N240 "%120", "%121", "%122", "%123", "%124", "%125"
#define TILE_WGMMA_N248 "%124", "%125", "%126", "%127", "%128", "%129"
#define TILE_WGMMA_N256 "%128", "%129", "%130", "%131", "%132", "%133"
/* clang-format on */

#define TILE_WGMMA_SS_TEXT(n, k, types, majors, i0, i1, i2, i3, i4, i5)      \
    "{\n\t.reg .pred p;\n\tsetp.ne.b32 p, " i2 ", 0;\n\t"                    \
    "wgmma.mma_async.sync.aligned.m64n" #n "k" #k types " {" TILE_WGMMA_D##n \
        "}, " i0 ", " i1 ", p, 1, 1" majors ";\n\t}"
#define TILE_WGMMA_RS_TEXT(n, k, types, majors, i0, i1, i2, i3, i4, i5)      \
    "{\n\t.reg .pred p;\n\tsetp.ne.b32 p, " i5 ", 0;\n\t"                    \
    "wgmma.mma_async.sync.aligned.m64n" #n "k" #k types " {" TILE_WGMMA_D##n \
        "}, {" i0 ", " i1 ", " i2 ", " i3 "}, " i4 ", p, 1, 1" majors ";\n\t}"
/* The six numbers are one argument until they are expanded. */
#define TILE_WGMMA_EXPAND(text, ...) text(__VA_ARGS__)

#define TILE_WGMMA_SS(name, n, k, types, majors)                                                 \
    TILE_FN void name(float *d, uint64_t a, uint64_t b, int accumulate)                          \
    {                                                                                            \
        asm volatile(TILE_WGMMA_EXPAND(TILE_WGMMA_SS_TEXT, n, k, types, majors, TILE_WGMMA_N##n) \
                     : TILE_WGMMA_R##n(d)                                                        \
                     : "l"(a), "l"(b), "r"(accumulate)                                           \
                     : "memory");                                                                \
    }
#define TILE_WGMMA_RS(name, n, k, types, majors)                                                 \
    TILE_FN void name(float *d, const uint32_t *a, uint64_t b, int accumulate)                   \
    {                                                                                            \
        asm volatile(TILE_WGMMA_EXPAND(TILE_WGMMA_RS_TEXT, n, k, types, majors, TILE_WGMMA_N##n) \
                     : TILE_WGMMA_R##n(d)                                                        \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate)       \
                     : "memory");                                                                \
    }

/* Arguments may be macros themselves. */
#define TILE_WGMMA(type, n) TILE_WGMMA_0(type, n)
#define TILE_WGMMA_0(type, n) TILE_WGMMA_1(type, n, TILE_WGMMA_K_##type)
#define TILE_WGMMA_1(type, n, depth) TILE_WGMMA_2(type, n, depth)
#define TILE_WGMMA_2(type, n, depth)                                        \
    TILE_WGMMA_SS(tile_wgmma_m64n##n##k##depth##_f32_##type##_ss, n, depth, \
                  TILE_WGMMA_TYPES_##type, TILE_WGMMA_SS_##type)            \
    TILE_WGMMA_RS(tile_wgmma_m64n##n##k##depth##_f32_##type##_rs, n, depth, \
                  TILE_WGMMA_TYPES_##type, TILE_WGMMA_RS_##type)
#define TILE_WGMMA_MAJORS(type, n) TILE_WGMMA_MAJORS_0(type, n)
#define TILE_WGMMA_MAJORS_0(type, n)                                                          \
    TILE_WGMMA(type, n)                                                                       \
    TILE_WGMMA_SS(tile_wgmma_m64n##n##k16_f32_##type##_ss_mk, n, 16, TILE_WGMMA_TYPES_##type, \
                  ", 1, 0")                                                                   \
    TILE_WGMMA_SS(tile_wgmma_m64n##n##k16_f32_##type##_ss_kn, n, 16, TILE_WGMMA_TYPES_##type, \
                  ", 0, 1")                                                                   \
    TILE_WGMMA_SS(tile_wgmma_m64n##n##k16_f32_##type##_ss_mn, n, 16, TILE_WGMMA_TYPES_##type, \
                  ", 1, 1")                                                                   \
    TILE_WGMMA_RS(tile_wgmma_m64n##n##k16_f32_##type##_rs_kn, n, 16, TILE_WGMMA_TYPES_##type, ", 1")

#endif
#endif
