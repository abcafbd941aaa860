/* What emitted kernels stand on: the only way in which they touch memory and the machine.
 *
 * This file is portable C over the primitives of runtime/device/gpu.h (CUDA) or, with TILE_MACHINE
 * defined, of runtime/machine/device.h (the machine model).
 *
 * TILE_ALIGNED (default 1): the host has tested that every access of several elements is aligned
 * and lies wholly inside or wholly outside of its tensor. Compiled with 0, they go element by
 * element.
 */
#ifndef TILE_DEVICE_H
#define TILE_DEVICE_H

#include "runtime/numerics/convert.h"
#include "runtime/numerics/math.h"

#ifdef TILE_MACHINE
#include "runtime/machine/device.h"
/* A name that macros may paste. */
#undef bool
typedef _Bool bool;
#else
#include "runtime/device/gpu.h"
#endif

#ifndef TILE_ALIGNED
#define TILE_ALIGNED 1
#endif

#define TILE_UNROLL _Pragma("unroll")
#define TILE_ROLLED _Pragma("unroll 1")
#define TILE_EACH(r, n) TILE_UNROLL for (int r = 0; r < (n); r++)
#define TILE_STEP(r, n, step) TILE_UNROLL for (int r = 0; r < (n); r += (step))

/* What extents bound: 32 bits where the host has seen that no dim is above 2^30. */
#if TILE_ALIGNED
typedef int32_t tile_index;
typedef uint32_t tile_unsigned_index;
#else
typedef int64_t tile_index;
typedef uint64_t tile_unsigned_index;
#endif

/* x, which is not negative: conditions and addresses are simpler if the compiler knows. */
TILE_FN tile_index tile_natural(tile_index x)
{
#ifdef __CUDACC__
    __builtin_assume(x >= 0);
#endif
    return x;
}

/* The same, to be multiplied. */
TILE_FN int64_t tile_wide(tile_index x)
{
    return (int64_t)(tile_unsigned_index)x;
}

/* Of all lanes of the warp, which come together. */
TILE_FN bool tile_every_lane(bool x)
{
    return tile_ballot(x) == 0xFFFFFFFFu;
}

/* ---- another lane's element: from a lane, and from the one that differs in the bits of a mask
 * ---- */

#define SHUFFLE(T, name)                                   \
    TILE_FN T tile_shuffle_##name(T x, int lane)           \
    {                                                      \
        return (T)tile_shuffle_u32((uint32_t)x, lane);     \
    }                                                      \
    TILE_FN T tile_shuffle_xor_##name(T x, int mask)       \
    {                                                      \
        return (T)tile_shuffle_xor_u32((uint32_t)x, mask); \
    }
SHUFFLE(int32_t, i32)
SHUFFLE(int16_t, i16)
SHUFFLE(uint16_t, u16)
SHUFFLE(int8_t, i8)
SHUFFLE(uint8_t, u8)
SHUFFLE(bool, bool)
#undef SHUFFLE
TILE_FN float tile_shuffle_f32(float x, int lane)
{
    return tile_float(tile_shuffle_u32(tile_bits(x), lane));
}
TILE_FN float tile_shuffle_xor_f32(float x, int mask)
{
    return tile_float(tile_shuffle_xor_u32(tile_bits(x), mask));
}
TILE_FN uint64_t tile_shuffle_u64(uint64_t x, int lane)
{
    const uint32_t lo = tile_shuffle_u32((uint32_t)x, lane);
    return (uint64_t)tile_shuffle_u32((uint32_t)(x >> 32), lane) << 32 | lo;
}
TILE_FN uint64_t tile_shuffle_xor_u64(uint64_t x, int mask)
{
    const uint32_t lo = tile_shuffle_xor_u32((uint32_t)x, mask);
    return (uint64_t)tile_shuffle_xor_u32((uint32_t)(x >> 32), mask) << 32 | lo;
}
TILE_FN int64_t tile_shuffle_i64(int64_t x, int lane)
{
    return (int64_t)tile_shuffle_u64((uint64_t)x, lane);
}
TILE_FN int64_t tile_shuffle_xor_i64(int64_t x, int mask)
{
    return (int64_t)tile_shuffle_xor_u64((uint64_t)x, mask);
}

/* ---- meeting of all blocks ---- */

/* All blocks of a cooperative launch. word[0] counts arrivals, word[1] is the generation that ends
 * a round; both are left usable for the next. Everything stored before is visible behind it (R13).
 */
TILE_FN void tile_grid_sync(uint32_t *word)
{
    tile_sync();
    if (tile_thread() == 0) {
        const uint32_t before = tile_global_read_acquire_u32(word + 1);
        tile_fence_gpu();
        if (tile_atomic_add_release_u32(word, 1u) == (uint32_t)tile_blocks() - 1u) {
            const uint32_t zero = 0;
            tile_global_write(word, &zero, 4, TILE_PLAIN);
            tile_global_write_release_u32(word + 1, before + 1u);
        } else {
            while (tile_global_read_acquire_u32(word + 1) == before)
                tile_pause(20);
        }
        tile_fence_gpu();
    }
    tile_sync();
}

/* ---- arithmetic ---- */

TILE_FN float tile_add_f32(float a, float b)
{
    return tile_result(a + b);
}
TILE_FN bool tile_or_bool(bool a, bool b)
{
    return a | b;
}
TILE_FN bool tile_and_bool(bool a, bool b)
{
    return a & b;
}
TILE_FN bool tile_isnan(float x)
{
    return x != x;
}
TILE_FN bool tile_isfinite(float x)
{
    return (tile_bits(x) & TILE_MAGNITUDE) < TILE_INF_BITS;
}

/* Signed integers wrap, // and % floor, shifts by the width or more give 0 or the sign (R11). */
#define INTEGER(T, U, t, u, bits)                                             \
    TILE_FN T tile_add_##t(T a, T b)                                          \
    {                                                                         \
        return (T)((U)a + (U)b);                                              \
    }                                                                         \
    TILE_FN T tile_sub_##t(T a, T b)                                          \
    {                                                                         \
        return (T)((U)a - (U)b);                                              \
    }                                                                         \
    TILE_FN T tile_mul_##t(T a, T b)                                          \
    {                                                                         \
        return (T)((U)a * (U)b);                                              \
    }                                                                         \
    TILE_FN T tile_neg_##t(T a)                                               \
    {                                                                         \
        return (T)(0 - (U)a);                                                 \
    }                                                                         \
    TILE_FN T tile_abs_##t(T a)                                               \
    {                                                                         \
        return a < 0 ? tile_neg_##t(a) : a;                                   \
    }                                                                         \
    TILE_FN T tile_max_##t(T a, T b)                                          \
    {                                                                         \
        return a > b ? a : b;                                                 \
    }                                                                         \
    TILE_FN T tile_min_##t(T a, T b)                                          \
    {                                                                         \
        return a < b ? a : b;                                                 \
    }                                                                         \
    TILE_FN T tile_fdiv_##t(T a, T b)                                         \
    {                                                                         \
        if (b == 0)                                                           \
            return 0;                                                         \
        if (b == -1)                                                          \
            return tile_neg_##t(a);                                           \
        T q = (T)(a / b);                                                     \
        return (T)(q - ((a % b != 0) & ((a < 0) != (b < 0))));                \
    }                                                                         \
    TILE_FN T tile_mod_##t(T a, T b)                                          \
    {                                                                         \
        return b ? tile_sub_##t(a, tile_mul_##t(tile_fdiv_##t(a, b), b)) : 0; \
    }                                                                         \
    TILE_FN T tile_shl_##t(T a, T n)                                          \
    {                                                                         \
        return (U)n < bits ? (T)((U)a << n) : 0;                              \
    }                                                                         \
    TILE_FN T tile_shr_##t(T a, T n)                                          \
    {                                                                         \
        return (T)(a >> ((U)n < bits ? n : (T)(bits - 1)));                   \
    }                                                                         \
    TILE_FN U tile_add_##u(U a, U b)                                          \
    {                                                                         \
        return (U)(a + b);                                                    \
    }                                                                         \
    TILE_FN U tile_sub_##u(U a, U b)                                          \
    {                                                                         \
        return (U)(a - b);                                                    \
    }                                                                         \
    TILE_FN U tile_mul_##u(U a, U b)                                          \
    {                                                                         \
        return (U)(a * b);                                                    \
    }                                                                         \
    TILE_FN U tile_neg_##u(U a)                                               \
    {                                                                         \
        return (U)(0 - a);                                                    \
    }                                                                         \
    TILE_FN U tile_abs_##u(U a)                                               \
    {                                                                         \
        return a;                                                             \
    }                                                                         \
    TILE_FN U tile_max_##u(U a, U b)                                          \
    {                                                                         \
        return a > b ? a : b;                                                 \
    }                                                                         \
    TILE_FN U tile_min_##u(U a, U b)                                          \
    {                                                                         \
        return a < b ? a : b;                                                 \
    }                                                                         \
    TILE_FN U tile_fdiv_##u(U a, U b)                                         \
    {                                                                         \
        return b ? (U)(a / b) : 0;                                            \
    }                                                                         \
    TILE_FN U tile_mod_##u(U a, U b)                                          \
    {                                                                         \
        return b ? (U)(a % b) : 0;                                            \
    }                                                                         \
    TILE_FN U tile_shl_##u(U a, U n)                                          \
    {                                                                         \
        return n < bits ? (U)(a << n) : 0;                                    \
    }                                                                         \
    TILE_FN U tile_shr_##u(U a, U n)                                          \
    {                                                                         \
        return n < bits ? (U)(a >> n) : 0;                                    \
    }
INTEGER(int8_t, uint8_t, i8, u8, 8)
INTEGER(int16_t, uint16_t, i16, u16, 16)
INTEGER(int32_t, uint32_t, i32, u32, 32)
INTEGER(int64_t, uint64_t, i64, u64, 64)
INTEGER(tile_index, tile_unsigned_index, index, unsigned_index, 8 * sizeof(tile_index))
#undef INTEGER

/* By the instructions for u32 and u64; `more`: zeros that the wider type has in front. */
#define COUNTS(T, U, t, wide, more)                 \
    TILE_FN T tile_clz_##t(T a)                     \
    {                                               \
        return (T)(tile_clz_##wide((U)a) - (more)); \
    }                                               \
    TILE_FN T tile_popc_##t(T a)                    \
    {                                               \
        return (T)tile_popc_##wide((U)a);           \
    }
COUNTS(int8_t, uint8_t, i8, u32, 24)
COUNTS(uint8_t, uint8_t, u8, u32, 24)
COUNTS(int16_t, uint16_t, i16, u32, 16)
COUNTS(uint16_t, uint16_t, u16, u32, 16)
COUNTS(int32_t, uint32_t, i32, u32, 0)
COUNTS(int64_t, uint64_t, i64, u64, 0)
COUNTS(tile_index, uint64_t, index, u64, 64 - 8 * (int)sizeof(tile_index))
#undef COUNTS

/* A divisor that the host knows: tile_divisor in runtime/plan.h. */
typedef struct TileDivisor {
    uint64_t magic;
    int64_t divisor;
    uint32_t magic32;
    int32_t shift;
} TileDivisor;

/* floor(n / d), n in [0, 2^31), d in [0, 2^31). */
TILE_FN uint32_t tile_divide_u32(uint32_t n, TileDivisor d)
{
    return (uint32_t)(d.shift < 32 ? (tile_mul_high_u32(n, d.magic32) + n) >> (d.shift & 31) : 0);
}
/* floor(n / d) and the rest, |n| < 2^62 (R11): for n < 0, floor(n / d) = ~floor(~n / d). */
TILE_FN int64_t tile_divide_i64(int64_t n, TileDivisor d)
{
    n = d.divisor < 0 ? -n : n;
    const uint64_t sign = (uint64_t)(n >> 63), x = (uint64_t)n ^ sign;
    const int64_t q = (int64_t)(((tile_mul_high_u64(x, d.magic) + x) >> d.shift) ^ sign);
    return d.divisor ? q : 0;
}
TILE_FN int64_t tile_modulo_i64(int64_t n, TileDivisor d)
{
    return d.divisor ? n - tile_divide_i64(n, d) * d.divisor : 0;
}

/* The same in 32 bits; the rest of a divisor of 32 bits. */
TILE_FN int32_t tile_divide_i32(int32_t n, TileDivisor d)
{
    if (d.divisor <= 0)
        return (int32_t)tile_divide_i64(n, d);
    const uint32_t sign = (uint32_t)(n >> 31);
    return (int32_t)(tile_divide_u32((uint32_t)n ^ sign, d) ^ sign);
}
TILE_FN int32_t tile_modulo_i32(int32_t n, TileDivisor d)
{
    if (d.divisor <= 0)
        return (int32_t)tile_modulo_i64(n, d);
    return (int32_t)((uint32_t)n - (uint32_t)tile_divide_i32(n, d) * (uint32_t)d.divisor);
}

/* 1 / b to the nearest, for b in [2^-60, 2^60]: one step from the approximate reciprocal y, with
 * e + e^2 in the place of e = 1 - b y, rounded up. With e alone a fraction of all ones would come
 * out as the middle of two numbers, of which the lower is even; what rounding up adds is too
 * little to pass another middle (tests/numerics/quotient.c tries every fraction). */
TILE_FN float tile_nearest_reciprocal(float b)
{
    const float y = tile_rcp_approx(b);
    const float e = TILE_FMA(-b, y, 1.0f);
    return TILE_FMA(y, tile_fma_up(e, e, e), y);
}

/* a / b, rounded as `/` rounds, without a branch: quotients of several elements overlap. For b in
 * [2^-60, 2^60] and a = 0 or |a| in [2^-60, 2^60], or b in [2^-27, 2^27] and |a| in
 * [2^-99, 2^99]; for others it gives something else.
 *
 * One correction of the quotient rounds it rightly (Markstein, 1990), as nothing under- or
 * overflows there: the remainder is a multiple of 2^-47 |a| or more. Of a = -0 the remainder
 * b q - a is +0, and -y (+0) + q is -0 again. */
TILE_FN float tile_quotient(float a, float b)
{
    const float y = tile_nearest_reciprocal(b);
    const float q = a * y;
    return TILE_FMA(-y, TILE_FMA(b, q, -a), q);
}

/* The operands of many quotients, gathered to ask once whether they fit. Divisors, and numerators
 * of one sign, by their bits, which a NaN or a sign puts outside; other numerators, of which 0 fits
 * too. A summand is a numerator of one sign which is part of a sum that divides: no greater than
 * that. */
typedef struct TileOperands {
    int32_t low, high;          /* of divisors */
    int32_t positive, greatest; /* of numerators of one sign */
    uint32_t least;             /* of 2 |bits| - 1 of other numerators, where 0 is the largest */
    float squares;              /* their sum: the pipe of fma has more room than that of max */
} TileOperands;
#define TILE_OPERANDS                                   \
    {                                                   \
        0x7FFFFFFF, 0, 0x7FFFFFFF, 0, 0xFFFFFFFFu, 0.0f \
    }
TILE_FN void tile_gather_divisor(TileOperands *o, float b)
{
    o->low = tile_min_i32(o->low, (int32_t)tile_bits(b));
    o->high = tile_max_i32(o->high, (int32_t)tile_bits(b));
}
TILE_FN void tile_gather_summand(TileOperands *o, float a)
{
    o->positive = tile_min_i32(o->positive, (int32_t)tile_bits(a));
}
TILE_FN void tile_gather_positive(TileOperands *o, float a)
{
    tile_gather_summand(o, a);
    o->greatest = tile_max_i32(o->greatest, (int32_t)tile_bits(a));
}
TILE_FN void tile_gather_numerator(TileOperands *o, float a)
{
    o->least = tile_min_u32(o->least, tile_bits(a) * 2u - 1u);
    o->squares = TILE_FMA(a, a, o->squares);
}
/* All divisors within 2^-divisor and 2^divisor, and all numerators likewise (perhaps less). */
TILE_FN bool tile_fit(TileOperands o, int divisor, int numerator)
{
    const int32_t low = (127 - numerator) << 23, high = (127 + numerator) << 23;
    return o.low >= (127 - divisor) << 23 && o.high <= (127 + divisor) << 23 && o.positive >= low &&
           o.greatest <= high && o.least >= (uint32_t)low * 2u - 1u &&
           o.squares <= tile_float((uint32_t)(127 + 2 * numerator) << 23);
}

/* 1 / x for x a power of two, 0, inf or NaN. */
TILE_FN float tile_rcp_pow2(float x)
{
    const uint32_t u = tile_bits(x);
    return u - 0x00800000u < 0x7E000000u ? tile_float(0x7F000000u - u) : 1.0f / x;
}

/* Two elements of a pair. */
TILE_FN void tile_split_u8(uint8_t *y, uint16_t pair)
{
    y[0] = (uint8_t)pair, y[1] = (uint8_t)(pair >> 8);
}
TILE_FN void tile_split_u16(uint16_t *y, uint32_t pair)
{
    y[0] = (uint16_t)pair, y[1] = (uint16_t)(pair >> 16);
}

/* ---- indices ---- */

TILE_FN bool tile_inside(int64_t i, int64_t extent)
{
    return (uint64_t)i < (uint64_t)extent;
}
TILE_FN int64_t tile_clamp(int64_t x, int64_t lo, int64_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}
TILE_FN int64_t tile_count(int64_t lo, int64_t hi, int64_t step)
{
    return lo < hi ? (hi - lo + step - 1) / step : 0;
}

/* The pointers of all tables of a kernel travel by value in its args. */
enum { TILE_TABLE_ENTRIES = 480 };

/* ---- memory ----
 *
 * tile_load_<type>(p, inside, pad, hint): the element at p, or the pad value.
 * tile_load_<n>_<type>(x, p, inside, pad, hint): n neighbours, the first of them at p, or the pad
 * value. tile_load_<n>_<type>_at(x, p, inside, room, pad, hint): the same of an axis that ends
 * `room` elements from the first on; what is outside reads the pad value. Stores likewise; what is
 * outside is dropped. e2m1: two codes a byte, even index in the low half; room is even, p the first
 * code's byte.
 */
#define TILE_FROM_f32(u) tile_float(u)
#define TILE_TO_f32(x) tile_bits(x)
#define TILE_FROM_u8(u) (uint8_t)(u)
#define TILE_TO_u8(x) (x)
#define TILE_FROM_u16(u) (uint16_t)(u)
#define TILE_TO_u16(x) (x)
#define TILE_FROM_u32(u) (u)
#define TILE_TO_u32(x) (x)
#define TILE_FROM_i8(u) (int8_t)(u)
#define TILE_TO_i8(x) (uint8_t)(x)
#define TILE_FROM_i16(u) (int16_t)(u)
#define TILE_TO_i16(x) (uint16_t)(x)
#define TILE_FROM_i32(u) (int32_t)(u)
#define TILE_TO_i32(x) (uint32_t)(x)
#define TILE_FROM_bool(u) (((u)&0xFFu) != 0)
#define TILE_TO_bool(x) (uint8_t)(x)

/* Single elements of at most 4 bytes, in global and in shared memory. */
#define SINGLE(T, name)                                                  \
    TILE_FN T tile_load_##name(const T *p, bool inside, T pad, int hint) \
    {                                                                    \
        uint32_t w = 0;                                                  \
        if (inside)                                                      \
            tile_global_read(&w, p, (int)sizeof(T), hint);               \
        return inside ? TILE_FROM_##name(w) : pad;                       \
    }                                                                    \
    TILE_FN void tile_store_##name(T *p, T x, bool inside, int hint)     \
    {                                                                    \
        const uint32_t w = TILE_TO_##name(x);                            \
        if (inside)                                                      \
            tile_global_write(p, &w, (int)sizeof(T), hint);              \
    }                                                                    \
    TILE_FN T tile_shared_load_##name(const T *s)                        \
    {                                                                    \
        uint32_t w;                                                      \
        tile_shared_read(&w, s, (int)sizeof(T));                         \
        return TILE_FROM_##name(w);                                      \
    }                                                                    \
    TILE_FN void tile_shared_store_##name(T *s, T x)                     \
    {                                                                    \
        const uint32_t w = TILE_TO_##name(x);                            \
        tile_shared_write(s, &w, (int)sizeof(T));                        \
    }
SINGLE(float, f32)
SINGLE(int32_t, i32)
SINGLE(uint32_t, u32)
SINGLE(int16_t, i16)
SINGLE(uint16_t, u16)
SINGLE(int8_t, i8)
SINGLE(uint8_t, u8)
SINGLE(bool, bool)
#undef SINGLE

#define SINGLE_64(T, name)                                                  \
    TILE_FN T tile_load_##name(const T *p, bool inside, T pad, int hint)    \
    {                                                                       \
        uint32_t w[2] = {0, 0};                                             \
        if (inside)                                                         \
            tile_global_read(w, p, 8, hint);                                \
        return inside ? (T)((uint64_t)w[1] << 32 | w[0]) : pad;             \
    }                                                                       \
    TILE_FN void tile_store_##name(T *p, T x, bool inside, int hint)        \
    {                                                                       \
        const uint32_t w[2] = {(uint32_t)x, (uint32_t)((uint64_t)x >> 32)}; \
        if (inside)                                                         \
            tile_global_write(p, w, 8, hint);                               \
    }                                                                       \
    TILE_FN T tile_shared_load_##name(const T *s)                           \
    {                                                                       \
        uint32_t w[2];                                                      \
        tile_shared_read(w, s, 8);                                          \
        return (T)((uint64_t)w[1] << 32 | w[0]);                            \
    }                                                                       \
    TILE_FN void tile_shared_store_##name(T *s, T x)                        \
    {                                                                       \
        const uint32_t w[2] = {(uint32_t)x, (uint32_t)((uint64_t)x >> 32)}; \
        tile_shared_write(s, w, 8);                                         \
    }
SINGLE_64(int64_t, i64)
SINGLE_64(uint64_t, u64)
#undef SINGLE_64

/* Several elements of `sizeof(T)` bytes in words of 4 bytes and apart. */
#define UNPACK(T, name, n, x, w)                         \
    TILE_EACH(i, n)                                      \
    x[i] = TILE_FROM_##name(w[i * (int)sizeof(T) / 4] >> \
                            i % (4 / (int)sizeof(T)) * 8 * (int)sizeof(T))
#define PACK(T, name, n, w, x)                                  \
    TILE_EACH(i, n)                                             \
    w[i * (int)sizeof(T) / 4] |= (uint32_t)TILE_TO_##name(x[i]) \
                                 << i % (4 / (int)sizeof(T)) * 8 * (int)sizeof(T)

/* A vector of `bytes` bytes (a constant) as words, of which the first `room` bytes are inside; what
 * is not reads as 0 or is dropped. Code for aligned tensors has a vector inside or not. Other code
 * moves the aligned words in it, and at its ends a byte and two, unless it lies well by chance or
 * its elements are words. `size`: an element's bytes. */
TILE_FN uint32_t tile_piece_read(const char *p, int bytes, int hint)
{
    uint32_t w = 0;
    tile_global_read(&w, p, bytes, hint);
    return w;
}
TILE_FN void tile_pieces_read(uint32_t *w, const char *p, int bytes, int hint)
{
    const int lead = (int)(0u - (uint32_t)(uint64_t)p & 3u), tail = (4 - lead) & 3,
              last = bytes / 4 - 1;
    const uint32_t selector = 0x7654u - (uint32_t)lead * 0x1111u;
    uint32_t before = 0;
    if (lead & 1)
        before = tile_piece_read(p, 1, hint);
    if (lead & 2)
        before |= tile_piece_read(p + (lead & 1), 2, hint) << 8 * (lead & 1);
    before = lead ? before << 8 * tail : 0u;
    p += lead;
    TILE_EACH(i, last)
    {
        const uint32_t c = tile_piece_read(p + i * 4, 4, hint);
        w[i] = tile_byte_perm(before, c, selector);
        before = c;
    }
    p += last * 4;
    uint32_t c = 0;
    if (lead == 0)
        c = tile_piece_read(p, 4, hint);
    if (tail & 2)
        c = tile_piece_read(p, 2, hint);
    if (tail & 1)
        c |= tile_piece_read(p + (tail & 2), 1, hint) << 8 * (tail & 2);
    w[last] = tile_byte_perm(before, c, selector);
}
TILE_FN void tile_pieces_write(char *p, const uint32_t *w, int bytes, int hint)
{
    const int lead = (int)(0u - (uint32_t)(uint64_t)p & 3u), tail = (4 - lead) & 3,
              last = bytes / 4 - 1;
    const uint32_t selector = 0x3210u + (uint32_t)lead * 0x1111u;
    const uint32_t two = w[0] >> 8 * (lead & 1);
    if (lead & 1)
        tile_global_write(p, w, 1, hint);
    if (lead & 2)
        tile_global_write(p + (lead & 1), &two, 2, hint);
    p += lead;
    TILE_EACH(i, last)
    {
        const uint32_t c = tile_byte_perm(w[i], w[i + 1], selector);
        tile_global_write(p + i * 4, &c, 4, hint);
    }
    p += last * 4;
    const uint32_t c = tile_byte_perm(w[last], 0u, selector), one = c >> 8 * (tail & 2);
    if (lead == 0)
        tile_global_write(p, &c, 4, hint);
    if (tail & 2)
        tile_global_write(p, &c, 2, hint);
    if (tail & 1)
        tile_global_write(p + (tail & 2), &one, 1, hint);
}
TILE_FN void tile_vector_read(uint32_t *w, const void *p, int bytes, int size, bool inside,
                              int64_t room, int hint)
{
    TILE_EACH(i, (bytes + 3) / 4) w[i] = 0;
    if (TILE_ALIGNED || bytes == size) {
        if (inside && room > 0)
            tile_global_read(w, p, bytes, hint);
    } else if (inside && room >= bytes && (uint64_t)p % (unsigned)bytes == 0) {
        tile_global_read(w, p, bytes, hint);
    } else if (bytes >= 4 && size < 4 && inside && room >= bytes) {
        tile_pieces_read(w, (const char *)p, bytes, hint);
    } else if (inside) {
        TILE_STEP(i, bytes, size)
        {
            uint32_t e[2] = {0, 0};
            if (i < room)
                tile_global_read(e, (const char *)p + i, size, hint);
            w[i / 4] |= e[0] << i % 4 * 8;
            if (size == 8)
                w[i / 4 + 1] = e[1];
        }
    }
}
/* A vector of 16 bytes that begins anywhere, amid a row that nobody writes, asked for some time
 * before it is taken: the one or two pieces at multiples of 16 bytes in which it lies. Elements are
 * less than a word. */
typedef struct TileAsked {
    int skip; /* where the vector begins in its pieces */
    uint32_t x[8];
} TileAsked;
TILE_FN TileAsked tile_ask(const void *p, int hint)
{
    const char *low = (const char *)((uint64_t)p & ~(uint64_t)15);
    TileAsked a = {(int)((uint64_t)p & 15u), {0, 0, 0, 0, 0, 0, 0, 0}};
    tile_global_read(a.x, low, 16, hint);
    if (a.skip)
        tile_global_read(a.x + 4, low + 16, 16, hint);
    return a;
}
TILE_FN void tile_take(uint32_t *w, const TileAsked *a)
{
    TILE_EACH(i, 4) w[i] = a->x[i];
    if (a->skip) {
        const uint32_t selector = 0x3210u + 0x1111u * (uint32_t)(a->skip & 3);
        uint32_t x[6];
        TILE_EACH(i, 6) x[i] = a->skip & 8 ? a->x[i + 2] : a->x[i];
        TILE_EACH(i, 5) x[i] = a->skip & 4 ? x[i + 1] : x[i];
        TILE_EACH(i, 4) w[i] = tile_byte_perm(x[i], x[i + 1], selector);
    }
}
TILE_FN void tile_vector_write(void *p, const uint32_t *w, int bytes, int size, bool inside,
                               int64_t room, int hint)
{
    if (TILE_ALIGNED || bytes == size) {
        if (inside && room > 0)
            tile_global_write(p, w, bytes, hint);
    } else if (inside && room >= bytes && (uint64_t)p % (unsigned)bytes == 0) {
        tile_global_write(p, w, bytes, hint);
    } else if (bytes >= 4 && size < 4 && inside && room >= bytes) {
        tile_pieces_write((char *)p, w, bytes, hint);
    } else if (inside) {
        TILE_STEP(i, bytes, size)
        {
            const uint32_t e[2] = {w[i / 4] >> i % 4 * 8, size == 8 ? w[i / 4 + 1] : 0u};
            if (i < room)
                tile_global_write((char *)p + i, e, size, hint);
        }
    }
}

/* ---- tiles of a warp's lanes, one each, that the warp moves together ----
 *
 * A tile is one piece of memory, of n 16-byte vectors. Neighbouring lanes move neighbouring
 * vectors, whosever they are; in between the tiles lie in shared memory. All lanes come. */

/* Where vector g of lane q's tile is there, in bytes: neither neighbouring vectors nor the same one
 * of neighbouring tiles meet in a bank, if n is odd or a power of two. */
TILE_FN int tile_warp_place(int q, int g, int n)
{
    if (n & (n - 1))
        return (q * (n | 1) + g) * 16;
    return (q * n + (n < 8 ? g ^ (q / (8 / n) % n) : g ^ q % 8)) * 16;
}
/* To `stage`; zeros where the lane's tile is not inside. `size`: bytes of an element. */
TILE_FN void tile_warp_load(char *stage, const void *mine, bool inside, int n, int size, int hint)
{
    const int lane = tile_lane();
    tile_sync_warp();
    TILE_EACH(i, n)
    {
        const int k = i * 32 + lane, q = k / n, g = k % n;
        const uint64_t from = tile_shuffle_u64((uint64_t)mine, q);
        const bool there = tile_shuffle_u32(inside, q);
        uint32_t w[4];
        tile_vector_read(w, (const char *)from + g * 16, 16, size, there, 16, hint);
        tile_shared_write(stage + tile_warp_place(q, g, n), w, 16);
    }
    tile_sync_warp();
}
/* From `stage`, where the lanes have put their tiles. */
TILE_FN void tile_warp_store(const char *stage, void *mine, bool inside, int n, int size, int hint)
{
    const int lane = tile_lane();
    tile_sync_warp();
    TILE_EACH(i, n)
    {
        const int k = i * 32 + lane, q = k / n, g = k % n;
        const uint64_t to = tile_shuffle_u64((uint64_t)mine, q);
        const bool there = tile_shuffle_u32(inside, q);
        uint32_t w[4];
        tile_shared_read(w, stage + tile_warp_place(q, g, n), 16);
        tile_vector_write((char *)to + g * 16, w, 16, size, there, 16, hint);
    }
}

#define SEVERAL_MOVES(T, name, n, UNPACK, PACK)                                                  \
    TILE_FN void tile_load_##n##_##name##_at(T *x, const T *p, bool inside, int64_t room, T pad, \
                                             int hint)                                           \
    {                                                                                            \
        const int size = (int)sizeof(T);                                                         \
        uint32_t w[4];                                                                           \
        tile_vector_read(w, p, n *size, size, inside, room *size, hint);                         \
        UNPACK(T, name, n, x, w);                                                                \
        if (pad) {                                                                               \
            TILE_EACH(i, n) x[i] = inside && (TILE_ALIGNED ? 0 : i) < room ? x[i] : pad;         \
        }                                                                                        \
    }                                                                                            \
    TILE_FN void tile_load_##n##_##name(T *x, const T *p, bool inside, T pad, int hint)          \
    {                                                                                            \
        tile_load_##n##_##name##_at(x, p, inside, n, pad, hint);                                 \
    }                                                                                            \
    TILE_FN void tile_unpack_##n##_##name(T *x, const uint32_t *w)                               \
    {                                                                                            \
        UNPACK(T, name, n, x, w);                                                                \
    }                                                                                            \
    TILE_FN void tile_store_##n##_##name##_at(T *p, const T *x, bool inside, int64_t room,       \
                                              int hint)                                          \
    {                                                                                            \
        const int size = (int)sizeof(T);                                                         \
        uint32_t w[4] = {0, 0, 0, 0};                                                            \
        PACK(T, name, n, w, x);                                                                  \
        tile_vector_write(p, w, n *size, size, inside, room *size, hint);                        \
    }                                                                                            \
    TILE_FN void tile_store_##n##_##name(T *p, const T *x, bool inside, int hint)                \
    {                                                                                            \
        tile_store_##n##_##name##_at(p, x, inside, n, hint);                                     \
    }                                                                                            \
    TILE_FN void tile_shared_load_##n##_##name(T *x, const T *s)                                 \
    {                                                                                            \
        uint32_t w[4];                                                                           \
        tile_shared_read(w, s, n *(int)sizeof(T));                                               \
        UNPACK(T, name, n, x, w);                                                                \
    }                                                                                            \
    TILE_FN void tile_shared_store_##n##_##name(T *s, const T *x)                                \
    {                                                                                            \
        uint32_t w[4] = {0, 0, 0, 0};                                                            \
        PACK(T, name, n, w, x);                                                                  \
        tile_shared_write(s, w, n *(int)sizeof(T));                                              \
    }
#define SEVERAL(T, name, n) SEVERAL_MOVES(T, name, n, UNPACK, PACK)
#define SEVERAL_4(T, name) SEVERAL(T, name, 2) SEVERAL(T, name, 4)
#define SEVERAL_2(T, name) SEVERAL_4(T, name) SEVERAL(T, name, 8)
#define SEVERAL_1(T, name) SEVERAL_2(T, name) SEVERAL(T, name, 16)
SEVERAL_4(float, f32)
SEVERAL_4(int32_t, i32)
SEVERAL_4(uint32_t, u32)
SEVERAL_2(int16_t, i16)
SEVERAL_2(uint16_t, u16)
SEVERAL_1(int8_t, i8)
SEVERAL_1(uint8_t, u8)
SEVERAL_1(bool, bool)

/* Four words of bytes, which begin `step` registers apart, to lines of shared memory: byte i of
 * each to line i. */
#define TURN(T, name)                                                                         \
    TILE_FN void tile_shared_turn_4_##name(T *s, int line, const T *x, int step)              \
    {                                                                                         \
        uint32_t w[4] = {0, 0, 0, 0};                                                         \
        TILE_EACH(j, 4) PACK(T, name, 4, (&w[j]), (x + j * step));                            \
        const uint32_t a = tile_byte_perm(w[0], w[1], 0x5140u),                               \
                       b = tile_byte_perm(w[2], w[3], 0x5140u),                               \
                       c = tile_byte_perm(w[0], w[1], 0x7362u),                               \
                       d = tile_byte_perm(w[2], w[3], 0x7362u);                               \
        const uint32_t y[4] = {tile_byte_perm(a, b, 0x5410u), tile_byte_perm(a, b, 0x7632u),  \
                               tile_byte_perm(c, d, 0x5410u), tile_byte_perm(c, d, 0x7632u)}; \
        TILE_EACH(i, 4) tile_shared_write(s + i * line, &y[i], 4);                            \
    }
TURN(int8_t, i8)
TURN(uint8_t, u8)
TURN(bool, bool)
#undef TURN

#define UNPACK_64(T, name, n, x, w) \
    TILE_EACH(i, n) x[i] = (T)((uint64_t)w[2 * i + 1] << 32 | w[2 * i])
#define PACK_64(T, name, n, w, x) \
    TILE_EACH(i, n) w[2 * i] = (uint32_t)x[i], w[2 * i + 1] = (uint32_t)((uint64_t)x[i] >> 32)
SEVERAL_MOVES(int64_t, i64, 2, UNPACK_64, PACK_64)
SEVERAL_MOVES(uint64_t, u64, 2, UNPACK_64, PACK_64)
#undef SEVERAL

/* Codes of e2m1, n of them in n / 2 bytes. */
#define CODES(n)                                                                                   \
    TILE_FN void tile_load_##n##_e2m1_at(uint8_t *x, const uint8_t *p, bool inside, int64_t room,  \
                                         uint8_t pad, int hint)                                    \
    {                                                                                              \
        uint32_t w[4];                                                                             \
        tile_vector_read(w, p, n / 2, 1, inside, room / 2, hint);                                  \
        TILE_EACH(i, n)                                                                            \
        x[i] = inside && (TILE_ALIGNED ? 0 : i) < room ? (uint8_t)(w[i / 8] >> i % 8 * 4 & 15u)    \
                                                       : pad;                                      \
    }                                                                                              \
    TILE_FN void tile_load_##n##_e2m1(uint8_t *x, const uint8_t *p, bool inside, uint8_t pad,      \
                                      int hint)                                                    \
    {                                                                                              \
        tile_load_##n##_e2m1_at(x, p, inside, n, pad, hint);                                       \
    }                                                                                              \
    TILE_FN void tile_store_##n##_e2m1_at(uint8_t *p, const uint8_t *x, bool inside, int64_t room, \
                                          int hint)                                                \
    {                                                                                              \
        uint32_t w[4] = {0, 0, 0, 0};                                                              \
        TILE_EACH(i, n) w[i / 8] |= (uint32_t)x[i] << i % 8 * 4;                                   \
        tile_vector_write(p, w, n / 2, 1, inside, room / 2, hint);                                 \
    }                                                                                              \
    TILE_FN void tile_store_##n##_e2m1(uint8_t *p, const uint8_t *x, bool inside, int hint)        \
    {                                                                                              \
        tile_store_##n##_e2m1_at(p, x, inside, n, hint);                                           \
    }
CODES(2)
CODES(4)
CODES(8)
CODES(16)
CODES(32)
#undef CODES

/* ---- stores that convert from f32: tile_store_<n>_<type>_f32, as tile_store_<n> ---- */

/* Codes of e2m1 of eight numbers in a word (R6), the first in the low bits.
 *
 * Near 2^22 E floats are E / 2 apart, which for E = max(1, 2^floor(log2 |x|)) is e2m1's spacing at
 * x: adding rounds, and leaves the number of spacings in the low bits. With E in the exponent of
 * the sum the code is that number plus 2 log2 E. */
TILE_FN uint32_t tile_e2m1_magnitude(float x)
{
    const float a = tile_min_abs_f32(x, 6.0f);
    const float e = tile_float(tile_bits(a < 1.0f ? 1.0f : a) & 0x7F800000u);
    const uint32_t s = tile_bits(TILE_FMA(e, 4194304.0f, a));
    return s + (s >> 22); /* 2 too many, modulo 8 */
}
/* Byte 0, or byte 3, of four words. */
TILE_FN uint32_t tile_low_bytes(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return tile_byte_perm(tile_byte_perm(a, b, 0x0040u), tile_byte_perm(c, d, 0x0040u), 0x5410u);
}
TILE_FN uint32_t tile_high_bytes(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return tile_byte_perm(tile_byte_perm(a, b, 0x0073u), tile_byte_perm(c, d, 0x0073u), 0x5410u);
}
/* In bits 0 .. 7 and 16 .. 23 of the result. A NaN among the numbers is positive. */
TILE_FN uint32_t tile_four_e2m1_f32(const float *x)
{
    const uint32_t codes = tile_low_bytes(tile_e2m1_magnitude(x[0]), tile_e2m1_magnitude(x[1]),
                                          tile_e2m1_magnitude(x[2]), tile_e2m1_magnitude(x[3]));
    const uint32_t signs = tile_high_bytes(tile_bits(x[0]), tile_bits(x[1]), tile_bits(x[2]),
                                           tile_bits(x[3]));
    const uint32_t magnitudes = ((codes & 0x07070707u) + 0x06060606u) & 0x07070707u;
    const uint32_t n = magnitudes | (signs >> 4 & 0x08080808u);
    return n | n >> 4;
}
/* The same of bf16, in bits 0 .. 15. */
TILE_FN uint32_t tile_four_e2m1_bf16(const uint16_t *x)
{
    const uint32_t lo = tile_bf16x2_to_e2m1((uint32_t)x[1] << 16 | x[0]);
    const uint32_t hi = tile_bf16x2_to_e2m1((uint32_t)x[3] << 16 | x[2]);
    const uint32_t n = hi << 8 | lo; /* 0, 2, 1, 3: a byte each */
    return n | n >> 12;
}
/* Two bf16 times a power of two. */
TILE_FN void tile_scale_pair_bf16(uint16_t *y, const uint16_t *x, float pow2)
{
    const uint32_t by = tile_bits(pow2) >> 16 | (tile_bits(pow2) & 0xFFFF0000u);
    const uint32_t w = tile_mul_bf16x2((uint32_t)x[1] << 16 | x[0], by);
    y[0] = (uint16_t)w;
    y[1] = (uint16_t)(w >> 16);
}

#define TILE_WORD_e4m3(x) \
    ((uint32_t)tile_f32_to_e4m3_pair((x)[2], (x)[3]) << 16 | tile_f32_to_e4m3_pair((x)[0], (x)[1]))
#define TILE_WORD_e5m2(x) \
    ((uint32_t)tile_f32_to_e5m2_pair((x)[2], (x)[3]) << 16 | tile_f32_to_e5m2_pair((x)[0], (x)[1]))
#define TILE_WORD_bf16(x) tile_f32_to_bf16_pair((x)[0], (x)[1])
#define TILE_WORD_f16(x) tile_f32_to_f16_pair((x)[0], (x)[1])

/* `per` elements a word. */
#define CONVERTING(T, name, n, per)                                                                \
    TILE_FN void tile_store_##n##_##name##_f32_at(T *p, const float *x, bool inside, int64_t room, \
                                                  int hint)                                        \
    {                                                                                              \
        const int size = (int)sizeof(T);                                                           \
        uint32_t w[4];                                                                             \
        TILE_EACH(i, n / per) w[i] = TILE_WORD_##name(x + i * per);                                \
        tile_vector_write(p, w, n *size, size, inside, room *size, hint);                          \
    }                                                                                              \
    TILE_FN void tile_store_##n##_##name##_f32(T *p, const float *x, bool inside, int hint)        \
    {                                                                                              \
        tile_store_##n##_##name##_f32_at(p, x, inside, n, hint);                                   \
    }
CONVERTING(uint8_t, e4m3, 4, 4)
CONVERTING(uint8_t, e4m3, 8, 4)
CONVERTING(uint8_t, e4m3, 16, 4)
CONVERTING(uint8_t, e5m2, 4, 4)
CONVERTING(uint8_t, e5m2, 8, 4)
CONVERTING(uint8_t, e5m2, 16, 4)
CONVERTING(uint16_t, bf16, 4, 2)
CONVERTING(uint16_t, bf16, 8, 2)
CONVERTING(uint16_t, f16, 4, 2)
CONVERTING(uint16_t, f16, 8, 2)
#undef CONVERTING

/* `fours`: where the bytes of two results of four are. */
#define CONVERTING_E2M1(n, T, from, fours)                                                   \
    TILE_FN void tile_store_##n##_e2m1_##from##_at(uint8_t *p, const T *x, bool inside,      \
                                                   int64_t room, int hint)                   \
    {                                                                                        \
        uint32_t w[4];                                                                       \
        if (n == 4)                                                                          \
            w[0] = tile_byte_perm(tile_four_e2m1_##from(x), 0u, 0x4400u | (fours & 0xFFu));  \
        TILE_EACH(i, n / 8)                                                                  \
        w[i] = tile_byte_perm(tile_four_e2m1_##from(x + i * 8),                              \
                              tile_four_e2m1_##from(x + i * 8 + 4), fours);                  \
        tile_vector_write(p, w, n / 2, 1, inside, room / 2, hint);                           \
    }                                                                                        \
    TILE_FN void tile_store_##n##_e2m1_##from(uint8_t *p, const T *x, bool inside, int hint) \
    {                                                                                        \
        tile_store_##n##_e2m1_##from##_at(p, x, inside, n, hint);                            \
    }
CONVERTING_E2M1(4, float, f32, 0x6420u)
CONVERTING_E2M1(8, float, f32, 0x6420u)
CONVERTING_E2M1(16, float, f32, 0x6420u)
CONVERTING_E2M1(32, float, f32, 0x6420u)
CONVERTING_E2M1(4, uint16_t, bf16, 0x5410u)
CONVERTING_E2M1(8, uint16_t, bf16, 0x5410u)
CONVERTING_E2M1(16, uint16_t, bf16, 0x5410u)
CONVERTING_E2M1(32, uint16_t, bf16, 0x5410u)
#undef CONVERTING_E2M1

#include "runtime/device/rows.h"
#include "runtime/device/order.h"

#endif
