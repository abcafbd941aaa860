#include "compiler/interp/elementwise.h"

#include <math.h>

#include "runtime/numerics/bits.h"
#include "runtime/numerics/vector.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

/* X(type, unsigned type of that width, suffix) */
#define SIGNED_TYPES(X)       \
    X(int8_t, uint8_t, i8)    \
    X(int16_t, uint16_t, i16) \
    X(int32_t, uint32_t, i32) \
    X(int64_t, uint64_t, i64)
#define UNSIGNED_TYPES(X)      \
    X(uint8_t, uint8_t, u8)    \
    X(uint16_t, uint16_t, u16) \
    X(uint32_t, uint32_t, u32) \
    X(uint64_t, uint64_t, u64)
#define INTEGER_TYPES(X) SIGNED_TYPES(X) UNSIGNED_TYPES(X)
#define FLOAT_TYPES(X)      \
    X(float, uint32_t, f32) \
    X(double, uint64_t, f64)
#define ALL_TYPES(X) INTEGER_TYPES(X) FLOAT_TYPES(X)

/* ---- the operations on one element ---- */

#define CANONICAL_f32(x) tile_canonical(x)

static inline double canonical_f64(double x)
{
    uint64_t u = 0x7FFFFFFFFFFFFFFFu;
    double nan;
    memcpy(&nan, &u, sizeof nan);
    return x != x ? nan : x;
}
#define CANONICAL_f64(x) canonical_f64(x)

static inline uint32_t bits_f32(float x)
{
    return tile_bits(x);
}

static inline uint64_t bits_f64(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float from_f32(uint32_t u)
{
    return tile_float(u);
}

static inline double from_f64(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* Equal values differ in the sign of zero at most: max takes the sign only if both have it. */
static inline float max_one_f32(float a, float b)
{
    float m = a > b ? a : b;
    m = a == b ? tile_float(tile_bits(a) & tile_bits(b)) : m;
    return a != a || b != b ? tile_float(TILE_NAN_BITS) : m;
}

static inline float min_one_f32(float a, float b)
{
    float m = a < b ? a : b;
    m = a == b ? tile_float(tile_bits(a) | tile_bits(b)) : m;
    return a != a || b != b ? tile_float(TILE_NAN_BITS) : m;
}

static inline double max_one_f64(double a, double b)
{
    double m = a > b ? a : b;
    m = a == b ? from_f64(bits_f64(a) & bits_f64(b)) : m;
    return a != a || b != b ? from_f64(0x7FFFFFFFFFFFFFFFu) : m;
}

static inline double min_one_f64(double a, double b)
{
    double m = a < b ? a : b;
    m = a == b ? from_f64(bits_f64(a) | bits_f64(b)) : m;
    return a != a || b != b ? from_f64(0x7FFFFFFFFFFFFFFFu) : m;
}

float larger_f32(float a, float b)
{
    return max_one_f32(a, b);
}

float smaller_f32(float a, float b)
{
    return min_one_f32(a, b);
}

#define MINMAX_INTEGER(T, U, s)           \
    static inline T max_one_##s(T a, T b) \
    {                                     \
        return a > b ? a : b;             \
    }                                     \
    static inline T min_one_##s(T a, T b) \
    {                                     \
        return a < b ? a : b;             \
    }
INTEGER_TYPES(MINMAX_INTEGER)

/* Floor division. The caller has refused b == 0; the lowest value // -1 wraps. */
#define DIVIDE_SIGNED(T, U, s)                                        \
    static inline T floor_divide_##s(T a, T b)                        \
    {                                                                 \
        if (b == -1)                                                  \
            return (T)(U)(0u - (U)a);                                 \
        return (T)(a / b - (a % b != 0 && ((a % b) < 0) != (b < 0))); \
    }                                                                 \
    static inline T floor_modulo_##s(T a, T b)                        \
    {                                                                 \
        if (b == -1)                                                  \
            return 0;                                                 \
        T r = (T)(a % b);                                             \
        return (T)(r != 0 && (r < 0) != (b < 0) ? r + b : r);         \
    }
SIGNED_TYPES(DIVIDE_SIGNED)
#define DIVIDE_UNSIGNED(T, U, s)               \
    static inline T floor_divide_##s(T a, T b) \
    {                                          \
        return (T)(a / b);                     \
    }                                          \
    static inline T floor_modulo_##s(T a, T b) \
    {                                          \
        return (T)(a % b);                     \
    }
UNSIGNED_TYPES(DIVIDE_UNSIGNED)

/* Shifts by the width or more, which a negative count is too: 0, or the sign. */
#define SHIFT(T, U, s)                                                                      \
    static inline T shift_left_##s(T a, T b)                                                \
    {                                                                                       \
        return (T)((U)b < sizeof(T) * 8 ? (U)((U)a << (U)b) : 0u);                          \
    }                                                                                       \
    static inline T shift_right_##s(T a, T b)                                               \
    {                                                                                       \
        return (T)((U)b < sizeof(T) * 8 ? (T)(a >> b) : a < (T)1 && a != 0 ? (T)-1 : (T)0); \
    }
INTEGER_TYPES(SHIFT)

static inline int leading_zeros(uint64_t x, int width)
{
    return x ? __builtin_clzll(x) - (64 - width) : width;
}

/* ---- rows ---- */

#define UNARY(name, s, T, R, expression)                      \
    static void name##_##s(void *d, const void *a, int64_t n) \
    {                                                         \
        R *restrict y = d;                                    \
        const T *restrict x = a;                              \
        for (int64_t i = 0; i < n; i++) {                     \
            T v = x[i];                                       \
            y[i] = (R)(expression);                           \
        }                                                     \
    }

#define BINARY(name, s, T, R, expression)                                          \
    static void name##_##s(void *d, const void *a, const void *b, int64_t n)       \
    {                                                                              \
        R *restrict y = d;                                                         \
        const T *restrict x = a, *restrict z = b;                                  \
        for (int64_t i = 0; i < n; i++) {                                          \
            T v = x[i], w = z[i];                                                  \
            y[i] = (R)(expression);                                                \
        }                                                                          \
    }                                                                              \
    static void name##_right_##s(void *d, const void *a, const void *b, int64_t n) \
    {                                                                              \
        R *restrict y = d;                                                         \
        const T *restrict x = a, w = *(const T *)b;                                \
        for (int64_t i = 0; i < n; i++) {                                          \
            T v = x[i];                                                            \
            y[i] = (R)(expression);                                                \
        }                                                                          \
    }                                                                              \
    static void name##_left_##s(void *d, const void *a, const void *b, int64_t n)  \
    {                                                                              \
        R *restrict y = d;                                                         \
        const T *restrict z = b, v = *(const T *)a;                                \
        for (int64_t i = 0; i < n; i++) {                                          \
            T w = z[i];                                                            \
            y[i] = (R)(expression);                                                \
        }                                                                          \
    }

#define COMPARE(T, U, s)                    \
    BINARY(eq, s, T, uint8_t, v == w)       \
    BINARY(ne, s, T, uint8_t, v != w)       \
    BINARY(lt, s, T, uint8_t, v < w)        \
    BINARY(le, s, T, uint8_t, v <= w)       \
    BINARY(gt, s, T, uint8_t, v > w)        \
    BINARY(ge, s, T, uint8_t, v >= w)       \
    BINARY(min, s, T, T, min_one_##s(v, w)) \
    BINARY(max, s, T, T, max_one_##s(v, w))
ALL_TYPES(COMPARE)

#define INTEGER_ROWS(T, U, s)                                    \
    BINARY(add, s, T, T, (U)((U)v + (U)w))                       \
    BINARY(sub, s, T, T, (U)((U)v - (U)w))                       \
    BINARY(mul, s, T, T, (U)(1u * (U)v * (U)w))                  \
    BINARY(fdiv, s, T, T, floor_divide_##s(v, w))                \
    BINARY(mod, s, T, T, floor_modulo_##s(v, w))                 \
    BINARY(shl, s, T, T, shift_left_##s(v, w))                   \
    BINARY(shr, s, T, T, shift_right_##s(v, w))                  \
    UNARY(neg, s, T, T, (U)(0u - (U)v))                          \
    UNARY(bnot, s, T, T, ~v)                                     \
    UNARY(clz, s, T, T, leading_zeros((U)v, (int)sizeof(T) * 8)) \
    UNARY(popc, s, T, T, __builtin_popcountll((U)v))
INTEGER_TYPES(INTEGER_ROWS)

#define BIT_ROWS(T, U, s)      \
    BINARY(and, s, T, T, v &w) \
    BINARY(or, s, T, T, v | w) \
    BINARY(xor, s, T, T, v ^ w)
UNSIGNED_TYPES(BIT_ROWS)

#define ABS_SIGNED(T, U, s) UNARY(abs, s, T, T, v < 0 ? (U)(0u - (U)v) : (U)v)
SIGNED_TYPES(ABS_SIGNED)
#define ABS_UNSIGNED(T, U, s) UNARY(abs, s, T, T, v)
UNSIGNED_TYPES(ABS_UNSIGNED)

/* Signs of floats are bits: NaN keeps its payload. */
#define SIGN_ROWS(T, s, sign)           \
    UNARY(flip, s, T, T, v ^ (T)(sign)) \
    UNARY(clear, s, T, T, v &(T) ~(T)(sign))
SIGN_ROWS(uint8_t, s8, 0x80)
SIGN_ROWS(uint8_t, s4, 0x8)
SIGN_ROWS(uint16_t, s16, 0x8000)
SIGN_ROWS(uint32_t, s32, 0x80000000u)
SIGN_ROWS(uint64_t, s64, 0x8000000000000000u)

#define FLOAT_ROWS(T, U, s)                                                        \
    BINARY(add, s, T, T, CANONICAL_##s(v + w))                                     \
    BINARY(sub, s, T, T, CANONICAL_##s(v - w))                                     \
    BINARY(mul, s, T, T, CANONICAL_##s(v *w))                                      \
    BINARY(div, s, T, T, CANONICAL_##s(v / w))                                     \
    BINARY(copysign, s, T, T,                                                      \
           from_##s((bits_##s(v) & ((U)-1 >> 1)) | (bits_##s(w) & ~((U)-1 >> 1)))) \
    UNARY(isnan, s, T, uint8_t, v != v)                                            \
    UNARY(isfinite, s, T, uint8_t, v - v == 0)
FLOAT_TYPES(FLOAT_ROWS)

UNARY(floor, f32, float, float, tile_canonical(floorf(v)))
UNARY(floor, f64, double, double, canonical_f64(floor(v)))
UNARY(sqrt, f64, double, double, canonical_f64(sqrt(v)))
UNARY(rsqrt, f64, double, double, canonical_f64(1.0 / sqrt(v)))
UNARY(exp, f64, double, double, canonical_f64(exp(v)))
UNARY(log, f64, double, double, canonical_f64(log(v)))
UNARY(sigmoid, f64, double, double, canonical_f64(1.0 / (1.0 + exp(-v))))
UNARY(softplus, f64, double, double, canonical_f64(v > 20 ? v : log1p(exp(v))))
UNARY(tanh, f64, double, double, canonical_f64(tanh(v)))
UNARY(sin, f64, double, double, canonical_f64(sin(v)))
UNARY(cos, f64, double, double, canonical_f64(cos(v)))
UNARY(lnot, u8, uint8_t, uint8_t, !v)

static void never(void *d, const void *a, int64_t n)
{
    (void)a;
    memset(d, 0, (size_t)n);
}

static void always(void *d, const void *a, int64_t n)
{
    (void)a;
    memset(d, 1, (size_t)n);
}

/* The smallest power of two >= v; see tile_ceil_pow2 for the f32 one. */
static double ceil_pow2_f64_one(double v)
{
    int e;
    if (!(v > 0) || v - v != 0)
        return v > 0 ? v : v != v ? v : 0;
    double m = frexp(v, &e);
    return ldexp(1.0, m == 0.5 ? e - 1 : e);
}
UNARY(ceil_pow2, f64, double, double, canonical_f64(ceil_pow2_f64_one(v)))

#define VECTOR_ROW(name)                                      \
    static void name##_f32(void *d, const void *a, int64_t n) \
    {                                                         \
        tile_v##name(d, a, (size_t)n);                        \
    }
VECTOR_ROW(sqrt)
VECTOR_ROW(rsqrt)
VECTOR_ROW(exp)
VECTOR_ROW(log)
VECTOR_ROW(sigmoid)
VECTOR_ROW(softplus)
VECTOR_ROW(tanh)
VECTOR_ROW(sin)
VECTOR_ROW(cos)
VECTOR_ROW(ceil_pow2)

static void fma_f32(void *d, const void *a, const void *b, const void *c, int64_t n)
{
    tile_vfma(d, a, b, c, (size_t)n);
}

static void fma_f64(void *d, const void *a, const void *b, const void *c, int64_t n)
{
    const double *x = a, *y = b, *z = c;
    for (int64_t i = 0; i < n; i++)
        ((double *)d)[i] = canonical_f64(fma(x[i], y[i], z[i]));
}

#define SELECT(T, U, s)                                                                     \
    static void select_##s(void *d, const void *c, const void *a, const void *b, int64_t n) \
    {                                                                                       \
        T *restrict y = d;                                                                  \
        const T *restrict v = a, *restrict w = b;                                           \
        const uint8_t *restrict k = c;                                                      \
        for (int64_t i = 0; i < n; i++)                                                     \
            y[i] = k[i] ? v[i] : w[i];                                                      \
    }
UNSIGNED_TYPES(SELECT)

/* ---- tables ---- */

/* clang-format off */
#define ROWS(name, s) {name##_##s, name##_right_##s, name##_left_##s}

static const BinaryRows binary_table[OP_COUNT][DT_COUNT] = {
#define INTEGERS(op, name)                                                                   \
    [op] = {[DT_U8] = ROWS(name, u8), [DT_I8] = ROWS(name, i8), [DT_U16] = ROWS(name, u16),  \
            [DT_I16] = ROWS(name, i16), [DT_U32] = ROWS(name, u32), [DT_I32] = ROWS(name, i32), \
            [DT_U64] = ROWS(name, u64), [DT_I64] = ROWS(name, i64)},
#define NUMBERS(op, name)                                                                    \
    [op] = {[DT_U8] = ROWS(name, u8), [DT_I8] = ROWS(name, i8), [DT_U16] = ROWS(name, u16),  \
            [DT_I16] = ROWS(name, i16), [DT_U32] = ROWS(name, u32), [DT_I32] = ROWS(name, i32), \
            [DT_U64] = ROWS(name, u64), [DT_I64] = ROWS(name, i64), [DT_F32] = ROWS(name, f32), \
            [DT_F64] = ROWS(name, f64), [DT_BOOL] = ROWS(name, u8), [DT_TF32] = ROWS(name, f32)},
#define BITS(op, name)                                                                       \
    [op] = {[DT_U8] = ROWS(name, u8), [DT_I8] = ROWS(name, u8), [DT_U16] = ROWS(name, u16),  \
            [DT_I16] = ROWS(name, u16), [DT_U32] = ROWS(name, u32), [DT_I32] = ROWS(name, u32), \
            [DT_U64] = ROWS(name, u64), [DT_I64] = ROWS(name, u64), [DT_BOOL] = ROWS(name, u8)},
    NUMBERS(OP_ADD, add) NUMBERS(OP_SUB, sub) NUMBERS(OP_MUL, mul)
    NUMBERS(OP_MIN, min) NUMBERS(OP_MAX, max)
    NUMBERS(OP_EQ, eq) NUMBERS(OP_NE, ne) NUMBERS(OP_LT, lt)
    NUMBERS(OP_LE, le) NUMBERS(OP_GT, gt) NUMBERS(OP_GE, ge)
    INTEGERS(OP_FDIV, fdiv) INTEGERS(OP_MOD, mod) INTEGERS(OP_SHL, shl) INTEGERS(OP_SHR, shr)
    BITS(OP_AND, and) BITS(OP_OR, or) BITS(OP_XOR, xor)
    [OP_DIV] = {[DT_F32] = ROWS(div, f32), [DT_F64] = ROWS(div, f64)},
    [OP_COPYSIGN] = {[DT_F32] = ROWS(copysign, f32), [DT_F64] = ROWS(copysign, f64)},
#undef INTEGERS
#undef NUMBERS
#undef BITS
};

static UnaryRow *const unary_table[OP_COUNT][DT_COUNT] = {
#define INTEGERS(op, name)                                                                   \
    [op] = {[DT_U8] = name##_u8, [DT_I8] = name##_i8, [DT_U16] = name##_u16,                 \
            [DT_I16] = name##_i16, [DT_U32] = name##_u32, [DT_I32] = name##_i32,             \
            [DT_U64] = name##_u64, [DT_I64] = name##_i64},
#define FLOATS(op, name) [op] = {[DT_F32] = name##_f32, [DT_F64] = name##_f64},
    INTEGERS(OP_BNOT, bnot) INTEGERS(OP_CLZ, clz) INTEGERS(OP_POPC, popc)
    FLOATS(OP_SQRT, sqrt) FLOATS(OP_RSQRT, rsqrt) FLOATS(OP_EXP, exp) FLOATS(OP_LOG, log)
    FLOATS(OP_SIGMOID, sigmoid) FLOATS(OP_SOFTPLUS, softplus) FLOATS(OP_TANH, tanh)
    FLOATS(OP_SIN, sin) FLOATS(OP_COS, cos) FLOATS(OP_FLOOR, floor)
    FLOATS(OP_CEIL_POW2, ceil_pow2)
    [OP_ISNAN] = {[DT_F32] = isnan_f32, [DT_F64] = isnan_f64, [DT_TF32] = isnan_f32},
    [OP_ISFINITE] = {[DT_F32] = isfinite_f32, [DT_F64] = isfinite_f64, [DT_TF32] = isfinite_f32},
    [OP_LNOT] = {[DT_BOOL] = lnot_u8},
    [OP_NEG] = {[DT_U8] = neg_u8, [DT_I8] = neg_i8, [DT_U16] = neg_u16, [DT_I16] = neg_i16,
                [DT_U32] = neg_u32, [DT_I32] = neg_i32, [DT_U64] = neg_u64, [DT_I64] = neg_i64,
                [DT_F16] = flip_s16, [DT_BF16] = flip_s16, [DT_F32] = flip_s32,
                [DT_TF32] = flip_s32, [DT_F64] = flip_s64, [DT_E4M3] = flip_s8,
                [DT_E5M2] = flip_s8, [DT_E2M1] = flip_s4},
    [OP_ABS] = {[DT_U8] = abs_u8, [DT_I8] = abs_i8, [DT_U16] = abs_u16, [DT_I16] = abs_i16,
                [DT_U32] = abs_u32, [DT_I32] = abs_i32, [DT_U64] = abs_u64, [DT_I64] = abs_i64,
                [DT_F16] = clear_s16, [DT_BF16] = clear_s16, [DT_F32] = clear_s32,
                [DT_TF32] = clear_s32, [DT_F64] = clear_s64, [DT_E4M3] = clear_s8,
                [DT_E5M2] = clear_s8, [DT_E2M1] = clear_s4},
#undef INTEGERS
#undef FLOATS
};
/* clang-format on */

const BinaryRows *binary_rows(OpCode op, DType t)
{
    const BinaryRows *r = &binary_table[op][t];
    return r->rows ? r : NULL;
}

UnaryRow *unary_row(OpCode op, DType t)
{
    if ((op == OP_ISNAN || op == OP_ISFINITE) && !dtype_is_float(t))
        return op == OP_ISNAN ? never : always;
    return unary_table[op][t];
}

TernaryRow *ternary_row(OpCode op, DType t)
{
    if (op == OP_FMA)
        return t == DT_F32 ? fma_f32 : t == DT_F64 ? fma_f64 : NULL;
    switch (dtype_info[t].size) {
    case 1:
        return select_u8;
    case 2:
        return select_u16;
    case 4:
        return select_u32;
    default:
        return select_u64;
    }
}
