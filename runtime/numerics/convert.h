/* Conversions between element types, one value at a time (R6). docs/numerics.md has the proofs.
 *
 * No branches, no tables; C11 and CUDA C++. A narrow float is its code in the low bits of an
 * unsigned type, an e2m1 one code in a byte, a tf32 a float whose low 13 bits are 0.
 */
#ifndef TILE_CONVERT_H
#define TILE_CONVERT_H

#include "runtime/numerics/bits.h"

#ifdef __CUDACC_RTC__
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
#else
#include <stdint.h>
#endif

/* Bits of an f32 that is a power of two, 2^e with -126 <= e <= 127. */
#define TILE_POW2_BITS(e) ((unsigned)((e) + 127) << 23)

/* The magnitude of f32 bits `a` (no sign, no NaN), rounded to nearest even, as the code of a float
 * with `mantissa` bits and exponent bias `bias`; it runs on above the type's greatest code.
 *
 * In the type's normal range the code is the top of the f32 bits, rounded, with another bias.
 * Below it, adding a power of two whose ulp is the type's smallest subnormal leaves the code in
 * the low bits of the sum, rounded by the addition.
 */
TILE_FN unsigned tile_round_nearest(unsigned a, int mantissa, int bias)
{
    int shift = 23 - mantissa;
    unsigned rebias = (unsigned)(127 - bias) << mantissa;
    unsigned half = (1u << (shift - 1)) - 1u;
    unsigned normal = ((a + half + (a >> shift & 1u)) >> shift) - rebias;
    unsigned unit = TILE_POW2_BITS(24 - bias - mantissa);
    unsigned subnormal = tile_bits(tile_float(a) + tile_float(unit)) - unit;
    return a < TILE_POW2_BITS(1 - bias) ? subnormal : normal;
}

TILE_FN unsigned tile_min_code(unsigned code, unsigned greatest)
{
    return code < greatest ? code : greatest;
}

TILE_FN uint16_t tile_f32_to_bf16(float x)
{
    unsigned u = tile_bits(x);
    unsigned y = (u + 0x7FFFu + (u >> 16 & 1u)) >> 16;
    return (uint16_t)(x != x ? 0x7FFFu : y);
}

TILE_FN uint16_t tile_f32_to_bf16_zero(float x)
{
    return (uint16_t)(x != x ? 0x7FFFu : tile_bits(x) >> 16);
}

TILE_FN uint16_t tile_f32_to_f16(float x)
{
    unsigned u = tile_bits(x);
    unsigned y = tile_min_code(tile_round_nearest(u & TILE_MAGNITUDE, 10, 15), 0x7C00u);
    return (uint16_t)(x != x ? 0x7FFFu : y | (u >> 16 & 0x8000u));
}

TILE_FN uint16_t tile_f32_to_f16_zero(float x)
{
    unsigned u = tile_bits(x);
    unsigned a = u & TILE_MAGNITUDE;
    unsigned normal = tile_min_code((a >> 13) - (112u << 10), 0x7BFFu);
    normal = a == TILE_INF_BITS ? 0x7C00u : normal;
    /* Nearest, less one unit of 2^-24 where that was above. */
    float sum = tile_float(a) + 0.5f;
    unsigned subnormal = tile_bits(sum) - tile_bits(0.5f) - (sum - 0.5f > tile_float(a));
    unsigned y = a < TILE_POW2_BITS(-14) ? subnormal : normal;
    return (uint16_t)(x != x ? 0x7FFFu : y | (u >> 16 & 0x8000u));
}

TILE_FN uint8_t tile_f32_to_e4m3(float x)
{
    unsigned u = tile_bits(x);
    unsigned y = tile_min_code(tile_round_nearest(u & TILE_MAGNITUDE, 3, 7), 0x7Eu);
    return (uint8_t)(x != x ? 0x7Fu : y | (u >> 24 & 0x80u));
}

TILE_FN uint8_t tile_f32_to_e5m2(float x)
{
    unsigned u = tile_bits(x);
    unsigned y = tile_min_code(tile_round_nearest(u & TILE_MAGNITUDE, 2, 15), 0x7Bu);
    return (uint8_t)(x != x ? 0x7Fu : y | (u >> 24 & 0x80u));
}

TILE_FN uint8_t tile_f32_to_e2m1(float x)
{
    unsigned u = tile_bits(x);
    unsigned y = tile_min_code(tile_round_nearest(u & TILE_MAGNITUDE, 1, 1), 0x7u);
    return (uint8_t)(x != x ? 0x7u : y | (u >> 28 & 0x8u));
}

/* The checked build and the interpreter report these; the conversion gives 0x00. */
TILE_FN int tile_ue8m0_refuses(float x)
{
    return x < 0.0f;
}

TILE_FN uint8_t tile_f32_to_ue8m0(float x)
{
    unsigned u = tile_bits(x);
    unsigned up = tile_min_code((u + 0x007FFFFFu) >> 23, 0xFEu);
    unsigned y = x > 0x1p-127f ? up : 0u;
    return (uint8_t)(x != x ? 0xFFu : y);
}

/* Ties away from zero. A NaN is cut, as cvt.rna does: the canonical one stays a NaN, one with a
 * payload in the low 13 bits only becomes inf. */
TILE_FN float tile_f32_to_tf32(float x)
{
    unsigned u = tile_bits(x);
    return tile_float((x != x ? u : u + 0x1000u) & 0xFFFFE000u);
}

/* What a tensor core reads of an f32, of a NaN too. */
TILE_FN float tile_f32_to_tf32_zero(float x)
{
    return tile_float(tile_bits(x) & 0xFFFFE000u);
}

TILE_FN float tile_bf16_to_f32(uint16_t h)
{
    return tile_float((unsigned)h << 16);
}

/* A float of `code` (no sign) with this exponent bias, `mantissa` bits and no special codes: the
 * bits as an f32 are too small by 2^(127 - bias), also for subnormals. */
TILE_FN float tile_widen(unsigned code, int mantissa, int bias)
{
    return tile_float(code << (23 - mantissa)) * tile_float(TILE_POW2_BITS(127 - bias));
}

TILE_FN float tile_f16_to_f32(uint16_t h)
{
    unsigned code = h & 0x7FFFu;
    unsigned y = tile_bits(tile_widen(code, 10, 15));
    y = code >= 0x7C00u ? TILE_INF_BITS : y;
    return tile_float(code > 0x7C00u ? TILE_NAN_BITS : y | (h & 0x8000u) << 16);
}

TILE_FN float tile_e4m3_to_f32(uint8_t b)
{
    unsigned code = b & 0x7Fu;
    unsigned y = tile_bits(tile_widen(code, 3, 7));
    return tile_float(code == 0x7Fu ? TILE_NAN_BITS : y | (b & 0x80u) << 24);
}

TILE_FN float tile_e5m2_to_f32(uint8_t b)
{
    return tile_f16_to_f32((uint16_t)(b << 8));
}

TILE_FN float tile_e2m1_to_f32(uint8_t b)
{
    return tile_float(tile_bits(tile_widen(b & 7u, 1, 1)) | (b & 8u) << 28);
}

TILE_FN float tile_ue8m0_to_f32(uint8_t b)
{
    unsigned y = b == 0 ? 0x00400000u : (unsigned)b << 23;
    return tile_float(b == 0xFFu ? TILE_NAN_BITS : y);
}

TILE_FN uint8_t tile_f32_to_bool(float x)
{
    return (uint8_t)(x != 0.0f);
}

TILE_FN uint8_t tile_f64_to_bool(double x)
{
    return (uint8_t)(x != 0.0);
}

/* Truncate, saturate, NaN to 0. Everything strictly between `below` and `above` truncates into the
 * range, and the cast sees nothing else. */
#define TILE_TO_INT(name, from, type, through, least, greatest, below, above) \
    TILE_FN type name(from x)                                                 \
    {                                                                         \
        from inside = x > (from)(below) && x < (from)(above) ? x : (from)0;   \
        type y = (type)(through)inside;                                       \
        y = x >= (from)(above) ? (type)(greatest) : y;                        \
        return x <= (from)(below) ? (type)(least) : y;                        \
    }

#define TILE_TO_INTS(from, f)                                                                      \
    TILE_TO_INT(tile_##f##_to_i8, from, int8_t, int, -128, 127, -129.0f, 0x1p+7f)                  \
    TILE_TO_INT(tile_##f##_to_u8, from, uint8_t, int, 0, 0xFF, -1.0f, 0x1p+8f)                     \
    TILE_TO_INT(tile_##f##_to_i16, from, int16_t, int, -32768, 32767, -32769.0f, 0x1p+15f)         \
    TILE_TO_INT(tile_##f##_to_u16, from, uint16_t, int, 0, 0xFFFF, -1.0f, 0x1p+16f)                \
    TILE_TO_INT(tile_##f##_to_i32, from, int32_t, int32_t, -0x7FFFFFFF - 1, 0x7FFFFFFF, -0x1p+31f, \
                0x1p+31f)                                                                          \
    TILE_TO_INT(tile_##f##_to_u32, from, uint32_t, uint32_t, 0, 0xFFFFFFFFu, -1.0f, 0x1p+32f)      \
    TILE_TO_INT(tile_##f##_to_i64, from, int64_t, int64_t, -0x7FFFFFFFFFFFFFFFll - 1,              \
                0x7FFFFFFFFFFFFFFFll, -0x1p+63f, 0x1p+63f)                                         \
    TILE_TO_INT(tile_##f##_to_u64, from, uint64_t, uint64_t, 0, 0xFFFFFFFFFFFFFFFFull, -1.0f,      \
                0x1p+64f)

TILE_TO_INTS(float, f32)
TILE_TO_INTS(double, f64)

/* Round to nearest even; the NaN is canonical. */
TILE_FN float tile_f64_to_f32(double x)
{
    return tile_canonical((float)x);
}

#if !defined(__CUDACC__) && !defined(TILE_MACHINE)
#include "dsl/dtype.h"

#include <stddef.h>

typedef enum TileRound {
    TILE_ROUND_NEAREST,
    TILE_ROUND_ZERO /* f16, bf16 and tf32 only: a round = zero that the language allows */
} TileRound;

/* n elements of one type to another, each in a place of its own of dtype_info[].size bytes.
 *
 * Defined for every pair, also those the language refuses: between two integers (or bool) by value
 * modulo 2^width, everything else through f32, but f64 from and to integers directly. Equal types
 * are copied. The arrays must not overlap. A negative to ue8m0 gives 0x00; see
 * tile_find_ue8m0_refused.
 */
void tile_convert(DType to, void *y, DType from, const void *x, size_t n, TileRound round);

/* Index of the first x[i] that ue8m0 refuses, n if there is none. */
size_t tile_find_ue8m0_refused(const float *x, size_t n);

/* n codes of e2m1, n even, to and from n / 2 bytes, the even index in the low half of a byte. */
void tile_pack_e2m1(uint8_t *bytes, const uint8_t *codes, size_t n);
void tile_unpack_e2m1(uint8_t *codes, const uint8_t *bytes, size_t n);
#endif

#endif
