/* What emitted kernels stand on: the only way in which they touch memory and the machine.
 *
 * For the GPU: plain CUDA and inline PTX, a few lines a function, the PTX ISA section beside it.
 */
#ifndef TILE_DEVICE_H
#define TILE_DEVICE_H

#include "runtime/numerics/convert.h"
#include "runtime/numerics/math.h"

#define TILE_EACH(r, n) _Pragma("unroll") for (int r = 0; r < (n); r++)
#define TILE_UNROLL _Pragma("unroll")
#define TILE_STEP(r, n, step) _Pragma("unroll") for (int r = 0; r < (n); r += (step))

/* ---- threads ---- */

TILE_FN int64_t tile_block(void)
{
    return blockIdx.x;
}
TILE_FN int tile_thread(void)
{
    return (int)threadIdx.x;
}
TILE_FN int tile_lane(void)
{
    return (int)(threadIdx.x & 31);
}
TILE_FN int tile_warp(void)
{
    return (int)(threadIdx.x >> 5);
}
TILE_FN void tile_sync(void)
{
    __syncthreads();
}
TILE_FN void tile_sync_warp(void)
{
    __syncwarp();
}

/* shfl.sync.bfly, PTX ISA 9.7.9.6: every lane of the warp takes part. */
TILE_FN float tile_shuffle_xor_f32(float x, int mask)
{
    return __shfl_xor_sync(~0u, x, mask);
}
TILE_FN int64_t tile_shuffle_xor_i64(int64_t x, int mask)
{
    return __shfl_xor_sync(~0u, (long long)x, mask);
}
TILE_FN uint64_t tile_shuffle_xor_u64(uint64_t x, int mask)
{
    return __shfl_xor_sync(~0u, (unsigned long long)x, mask);
}
#define SHUFFLE(T, name)                              \
    TILE_FN T tile_shuffle_xor_##name(T x, int mask)  \
    {                                                 \
        return (T)__shfl_xor_sync(~0u, (int)x, mask); \
    }
SHUFFLE(int32_t, i32)
SHUFFLE(uint32_t, u32)
SHUFFLE(int16_t, i16)
SHUFFLE(uint16_t, u16)
SHUFFLE(int8_t, i8)
SHUFFLE(uint8_t, u8)
SHUFFLE(bool, bool)
#undef SHUFFLE

/* atom.global.add, PTX ISA 9.7.13.5: relaxed, at GPU scope; red where the old value is dropped. */
TILE_FN void tile_atomic_add_i32(int32_t *p, int32_t x)
{
    atomicAdd(p, x);
}
TILE_FN void tile_atomic_add_u32(uint32_t *p, uint32_t x)
{
    atomicAdd(p, x);
}
TILE_FN void tile_atomic_add_f32(float *p, float x)
{
    atomicAdd(p, x);
}
TILE_FN void tile_atomic_add_i64(int64_t *p, int64_t x)
{
    atomicAdd((unsigned long long *)p, (unsigned long long)x);
}
TILE_FN void tile_atomic_add_u64(uint64_t *p, uint64_t x)
{
    atomicAdd((unsigned long long *)p, (unsigned long long)x);
}

/* All blocks of a cooperative launch. word[0] counts arrivals, word[1] is the generation that ends
 * a round; both are left usable for the next. Everything stored before is visible behind it (R13).
 * */
TILE_FN void tile_grid_sync(uint32_t *word)
{
    __syncthreads();
    if (threadIdx.x == 0) {
        volatile uint32_t *generation = word + 1;
        const uint32_t before = *generation;
        __threadfence();
        if (atomicAdd(word, 1u) == gridDim.x - 1) {
            word[0] = 0;
            __threadfence();
            *generation = before + 1;
        } else {
            while (*generation == before)
                __nanosleep(32);
        }
        __threadfence();
    }
    __syncthreads();
}

/* The pointers of a table of tensors travel by value in the kernel's parameters. */
enum { TILE_TABLE_ENTRIES = 128 };
typedef struct TileTable {
    void *entry[TILE_TABLE_ENTRIES];
} TileTable;

/* ---- arithmetic ---- */

TILE_FN float tile_add_f32(float a, float b)
{
    return a + b;
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
TILE_FN float tile_floor(float x)
{
    return floorf(x);
}

/* max.NaN.f32, PTX ISA 9.7.3.13: NaN wins, +0 > -0. */
TILE_FN float tile_max_f32(float a, float b)
{
    float y;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
    return y;
}

TILE_FN float tile_min_f32(float a, float b)
{
    float y;
    asm("min.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
    return y;
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
#undef INTEGER

/* ---- conversions two at a time: cvt, PTX ISA 9.7.9.21. y[0] is of a, y[1] of b; the bits are
 * those
 * of the functions in runtime/numerics/convert.h, which tests compare for every f32 (R6). */

#define PAIR(name, T, U, bits, instruction)                                    \
    TILE_FN void tile_f32_to_##name##_pair(T *y, float a, float b)             \
    {                                                                          \
        U u;                                                                   \
        asm(instruction " %0, %1, %2;" : PAIR_OUT_##bits(u) : "f"(b), "f"(a)); \
        y[0] = (T)(u & ((1u << bits) - 1));                                    \
        y[1] = (T)(u >> bits);                                                 \
    }
#define PAIR_OUT_8(u) "=h"(u)
#define PAIR_OUT_16(u) "=r"(u)
PAIR(e4m3, uint8_t, uint16_t, 8, "cvt.rn.satfinite.e4m3x2.f32")
PAIR(e5m2, uint8_t, uint16_t, 8, "cvt.rn.satfinite.e5m2x2.f32")
PAIR(bf16, uint16_t, uint32_t, 16, "cvt.rn.bf16x2.f32")
PAIR(f16, uint16_t, uint32_t, 16, "cvt.rn.f16x2.f32")
#undef PAIR

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

/* ---- memory ----
 *
 * tile_load_<n>_<type>: n neighbours, elements first .. first + n - 1 along an axis of `extent`,
 * which begins at data[at]. Whole and aligned to n elements, they move in one access (16 bytes at
 * most), kept out of the caches' way; else one by one, those outside read the pad value. Stores
 * likewise; those outside are dropped. e2m1: two codes a byte, `at` and `first` are even. */

TILE_FN bool tile_whole(const void *p, int bytes, int64_t first, int64_t n, int64_t extent)
{
    return first >= 0 && first + n <= extent && ((uint64_t)p & (uint64_t)(bytes - 1)) == 0;
}

/* One access of 1, 2, 4, 8 or 16 bytes between memory and words (ld.global.cs, st.global.cs). */
TILE_FN void tile_get(uint32_t *w, const void *p, int bytes)
{
    if (bytes == 16) {
        uint4 v = __ldcs((const uint4 *)p);
        w[0] = v.x, w[1] = v.y, w[2] = v.z, w[3] = v.w;
    } else if (bytes == 8) {
        uint2 v = __ldcs((const uint2 *)p);
        w[0] = v.x, w[1] = v.y;
    } else if (bytes == 4) {
        w[0] = __ldcs((const unsigned *)p);
    } else if (bytes == 2) {
        w[0] = __ldcs((const unsigned short *)p);
    } else {
        w[0] = __ldcs((const unsigned char *)p);
    }
}

TILE_FN void tile_put(void *p, const uint32_t *w, int bytes)
{
    if (bytes == 16)
        __stcs((uint4 *)p, make_uint4(w[0], w[1], w[2], w[3]));
    else if (bytes == 8)
        __stcs((uint2 *)p, make_uint2(w[0], w[1]));
    else if (bytes == 4)
        __stcs((unsigned *)p, w[0]);
    else if (bytes == 2)
        __stcs((unsigned short *)p, (unsigned short)w[0]);
    else
        __stcs((unsigned char *)p, (unsigned char)w[0]);
}

/* Elements of 1, 2 or 4 bytes in words and apart. */
#define ACCESS(T, U, name, n)                                                                    \
    TILE_FN void tile_load_##n##_##name(T *x, const T *data, int64_t at, int64_t first,          \
                                        int64_t extent, T pad)                                   \
    {                                                                                            \
        const int bytes = (int)sizeof(T), per = 4 / bytes;                                       \
        const T *p = data + at + first;                                                          \
        if (tile_whole(p, n * bytes, first, n, extent)) {                                        \
            uint32_t w[4];                                                                       \
            tile_get(w, p, n *bytes);                                                            \
            TILE_EACH(i, n)                                                                      \
            {                                                                                    \
                const U u = (U)(w[i / per] >> i % per * 8 * bytes);                              \
                x[i] = TILE_FROM_##name(u);                                                      \
            }                                                                                    \
        } else {                                                                                 \
            TILE_EACH(i, n) x[i] = tile_inside(first + i, extent) ? p[i] : pad;                  \
        }                                                                                        \
    }                                                                                            \
    TILE_FN void tile_store_##n##_##name(T *data, int64_t at, const T *x, int64_t first,         \
                                         int64_t extent)                                         \
    {                                                                                            \
        const int bytes = (int)sizeof(T), per = 4 / bytes;                                       \
        T *p = data + at + first;                                                                \
        if (tile_whole(p, n * bytes, first, n, extent)) {                                        \
            uint32_t w[4] = {0, 0, 0, 0};                                                        \
            TILE_EACH(i, n) w[i / per] |= (uint32_t)TILE_TO_##name(x[i]) << i % per * 8 * bytes; \
            tile_put(p, w, n *bytes);                                                            \
        } else {                                                                                 \
            TILE_EACH(i, n)                                                                      \
            {                                                                                    \
                if (tile_inside(first + i, extent))                                              \
                    p[i] = x[i];                                                                 \
            }                                                                                    \
        }                                                                                        \
    }
#define TILE_FROM_f32(u) tile_float(u)
#define TILE_TO_f32(x) tile_bits(x)
#define TILE_FROM_u8(u) (u)
#define TILE_TO_u8(x) (x)
#define TILE_FROM_u16(u) (u)
#define TILE_TO_u16(x) (x)
#define TILE_FROM_u32(u) (u)
#define TILE_TO_u32(x) (x)
#define TILE_FROM_i8(u) (int8_t)(u)
#define TILE_TO_i8(x) (uint8_t)(x)
#define TILE_FROM_i16(u) (int16_t)(u)
#define TILE_TO_i16(x) (uint16_t)(x)
#define TILE_FROM_i32(u) (int32_t)(u)
#define TILE_TO_i32(x) (uint32_t)(x)
#define TILE_FROM_bool(u) ((u) != 0)
#define TILE_TO_bool(x) (uint8_t)(x)
#define ACCESS_4(T, U, name) ACCESS(T, U, name, 2) ACCESS(T, U, name, 4)
#define ACCESS_2(T, U, name) ACCESS_4(T, U, name) ACCESS(T, U, name, 8)
#define ACCESS_1(T, U, name) ACCESS_2(T, U, name) ACCESS(T, U, name, 16)
ACCESS_4(float, uint32_t, f32)
ACCESS_4(int32_t, uint32_t, i32)
ACCESS_4(uint32_t, uint32_t, u32)
ACCESS_2(int16_t, uint16_t, i16)
ACCESS_2(uint16_t, uint16_t, u16)
ACCESS_1(int8_t, uint8_t, i8)
ACCESS_1(uint8_t, uint8_t, u8)
ACCESS_1(bool, uint8_t, bool)
#undef ACCESS

#define ACCESS_64(T, name)                                                           \
    TILE_FN void tile_load_2_##name(T *x, const T *data, int64_t at, int64_t first,  \
                                    int64_t extent, T pad)                           \
    {                                                                                \
        const T *p = data + at + first;                                              \
        TILE_EACH(i, 2) x[i] = tile_inside(first + i, extent) ? p[i] : pad;          \
    }                                                                                \
    TILE_FN void tile_store_2_##name(T *data, int64_t at, const T *x, int64_t first, \
                                     int64_t extent)                                 \
    {                                                                                \
        T *p = data + at + first;                                                    \
        TILE_EACH(i, 2)                                                              \
        {                                                                            \
            if (tile_inside(first + i, extent))                                      \
                p[i] = x[i];                                                         \
        }                                                                            \
    }
ACCESS_64(int64_t, i64)
ACCESS_64(uint64_t, u64)
#undef ACCESS_64

#define ACCESS_E2M1(n)                                                                             \
    TILE_FN void tile_load_##n##_e2m1(uint8_t *x, const uint8_t *data, int64_t at, int64_t first,  \
                                      int64_t extent, uint8_t pad)                                 \
    {                                                                                              \
        const uint8_t *p = data + (at + first) / 2;                                                \
        if (tile_whole(p, n / 2, first, n, extent)) {                                              \
            uint32_t w[4];                                                                         \
            tile_get(w, p, n / 2);                                                                 \
            TILE_EACH(i, n) x[i] = (uint8_t)(w[i / 8] >> i % 8 * 4 & 15);                          \
        } else {                                                                                   \
            TILE_EACH(i, n)                                                                        \
            {                                                                                      \
                x[i] = tile_inside(first + i, extent) ? (uint8_t)(p[i / 2] >> i % 2 * 4 & 15)      \
                                                      : pad;                                       \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    TILE_FN void tile_store_##n##_e2m1(uint8_t *data, int64_t at, const uint8_t *x, int64_t first, \
                                       int64_t extent)                                             \
    {                                                                                              \
        uint8_t *p = data + (at + first) / 2;                                                      \
        if (tile_whole(p, n / 2, first, n, extent)) {                                              \
            uint32_t w[4] = {0, 0, 0, 0};                                                          \
            TILE_EACH(i, n) w[i / 8] |= (uint32_t)x[i] << i % 8 * 4;                               \
            tile_put(p, w, n / 2);                                                                 \
        } else {                                                                                   \
            TILE_STEP(i, n, 2)                                                                     \
            {                                                                                      \
                if (tile_inside(first + i, extent))                                                \
                    p[i / 2] = (uint8_t)(x[i] | x[i + 1] << 4);                                    \
            }                                                                                      \
        }                                                                                          \
    }
ACCESS_E2M1(2)
ACCESS_E2M1(4)
ACCESS_E2M1(8)
ACCESS_E2M1(16)
ACCESS_E2M1(32)
#undef ACCESS_E2M1

#include "runtime/device/order.h"

#endif
