#include "runtime/numerics/convert.h"

typedef void Loop(void *y, const void *x, size_t n);

#define COPY(v) (v)
#define TRUTH(v) ((v) != 0)
#define TO_F32(v) ((float)(v))
#define TO_F64(v) ((double)(v))

/* X(to, its C type, from, its C type, conversion): what is converted in one step. Integers go
 * through i64, where u64 is its bits; everything else through f32. */
#define INTS_AS_FLOATS(X, to, type, cast) \
    X(to, type, U8, uint8_t, cast)        \
    X(to, type, I8, int8_t, cast)         \
    X(to, type, U16, uint16_t, cast)      \
    X(to, type, I16, int16_t, cast)       \
    X(to, type, I32, int32_t, cast)       \
    X(to, type, U32, uint32_t, cast)      \
    X(to, type, I64, int64_t, cast)       \
    X(to, type, U64, uint64_t, cast)
#define FLOATS_AS_INTS(X, from, type, prefix)  \
    X(BOOL, uint8_t, from, type, prefix##bool) \
    X(U8, uint8_t, from, type, prefix##u8)     \
    X(I8, int8_t, from, type, prefix##i8)      \
    X(U16, uint16_t, from, type, prefix##u16)  \
    X(I16, int16_t, from, type, prefix##i16)   \
    X(I32, int32_t, from, type, prefix##i32)   \
    X(U32, uint32_t, from, type, prefix##u32)  \
    X(I64, int64_t, from, type, prefix##i64)   \
    X(U64, uint64_t, from, type, prefix##u64)
#define STEPS(X)                                     \
    X(F32, float, BOOL, uint8_t, TRUTH)              \
    INTS_AS_FLOATS(X, F32, float, TO_F32)            \
    X(F32, float, F16, uint16_t, tile_f16_to_f32)    \
    X(F32, float, BF16, uint16_t, tile_bf16_to_f32)  \
    X(F32, float, TF32, float, COPY)                 \
    X(F32, float, E4M3, uint8_t, tile_e4m3_to_f32)   \
    X(F32, float, E5M2, uint8_t, tile_e5m2_to_f32)   \
    X(F32, float, E2M1, uint8_t, tile_e2m1_to_f32)   \
    X(F32, float, UE8M0, uint8_t, tile_ue8m0_to_f32) \
    X(F32, float, F64, double, tile_f64_to_f32)      \
    FLOATS_AS_INTS(X, F32, float, tile_f32_to_)      \
    X(F16, uint16_t, F32, float, tile_f32_to_f16)    \
    X(BF16, uint16_t, F32, float, tile_f32_to_bf16)  \
    X(TF32, float, F32, float, tile_f32_to_tf32)     \
    X(E4M3, uint8_t, F32, float, tile_f32_to_e4m3)   \
    X(E5M2, uint8_t, F32, float, tile_f32_to_e5m2)   \
    X(E2M1, uint8_t, F32, float, tile_f32_to_e2m1)   \
    X(UE8M0, uint8_t, F32, float, tile_f32_to_ue8m0) \
    X(F64, double, F32, float, TO_F64)               \
    X(F64, double, BOOL, uint8_t, TRUTH)             \
    INTS_AS_FLOATS(X, F64, double, TO_F64)           \
    FLOATS_AS_INTS(X, F64, double, tile_f64_to_)     \
    X(I64, int64_t, BOOL, uint8_t, TRUTH)            \
    X(I64, int64_t, U8, uint8_t, COPY)               \
    X(I64, int64_t, I8, int8_t, COPY)                \
    X(I64, int64_t, U16, uint16_t, COPY)             \
    X(I64, int64_t, I16, int16_t, COPY)              \
    X(I64, int64_t, I32, int32_t, COPY)              \
    X(I64, int64_t, U32, uint32_t, COPY)             \
    X(I64, int64_t, U64, uint64_t, COPY)             \
    X(BOOL, uint8_t, I64, int64_t, TRUTH)            \
    X(U8, uint8_t, I64, int64_t, COPY)               \
    X(I8, int8_t, I64, int64_t, COPY)                \
    X(U16, uint16_t, I64, int64_t, COPY)             \
    X(I16, int16_t, I64, int64_t, COPY)              \
    X(I32, int32_t, I64, int64_t, COPY)              \
    X(U32, uint32_t, I64, int64_t, COPY)             \
    X(U64, uint64_t, I64, int64_t, COPY)

#define LOOP(name, y_type, x_type, conversion)                           \
    static void name(void *restrict y, const void *restrict x, size_t n) \
    {                                                                    \
        y_type *to = y;                                                  \
        const x_type *from = x;                                          \
        for (size_t i = 0; i < n; i++)                                   \
            to[i] = (y_type)conversion(from[i]);                         \
    }

#define DEFINE(to, y_type, from, x_type, conversion) \
    LOOP(to##_from_##from, y_type, x_type, conversion)
STEPS(DEFINE)
LOOP(f16_zero, uint16_t, float, tile_f32_to_f16_zero)
LOOP(bf16_zero, uint16_t, float, tile_f32_to_bf16_zero)
LOOP(tf32_zero, float, float, tile_f32_to_tf32_zero)

static Loop *const steps[DT_COUNT][DT_COUNT] = {
#define ENTRY(to, y_type, from, x_type, conversion) [DT_##to][DT_##from] = to##_from_##from,
    STEPS(ENTRY)};

static Loop *const steps_to_zero[DT_COUNT] = {
    [DT_F16] = f16_zero,
    [DT_BF16] = bf16_zero,
    [DT_TF32] = tf32_zero,
};

static Loop *step(DType to, DType from, TileRound round)
{
    int zero = round == TILE_ROUND_ZERO && from == DT_F32 && steps_to_zero[to];
    return zero ? steps_to_zero[to] : steps[to][from];
}

static int is_whole(DType t)
{
    return dtype_is_int(t) || t == DT_BOOL;
}

enum { PIECE = 1024 };

void tile_convert(DType to, void *y, DType from, const void *x, size_t n, TileRound round)
{
    size_t y_size = dtype_info[to].size, x_size = dtype_info[from].size;
    if (to == from) {
        if (n > 0)
            memcpy(y, x, n * y_size);
        return;
    }
    Loop *direct = step(to, from, round);
    if (direct) {
        direct(y, x, n);
        return;
    }
    DType middle = is_whole(to) && is_whole(from) ? DT_I64 : DT_F32;
    Loop *first = step(middle, from, TILE_ROUND_NEAREST), *second = step(to, middle, round);
    int64_t piece[PIECE];
    for (size_t i = 0; i < n; i += PIECE) {
        size_t m = n - i < PIECE ? n - i : PIECE;
        first(piece, (const char *)x + i * x_size, m);
        second((char *)y + i * y_size, piece, m);
    }
}

size_t tile_find_ue8m0_refused(const float *x, size_t n)
{
    size_t i = 0;
    while (i < n && !tile_ue8m0_refuses(x[i]))
        i++;
    return i;
}

void tile_pack_e2m1(uint8_t *bytes, const uint8_t *codes, size_t n)
{
    for (size_t i = 0; i < n / 2; i++)
        bytes[i] = (uint8_t)((codes[2 * i] & 15u) | (unsigned)codes[2 * i + 1] << 4);
}

void tile_unpack_e2m1(uint8_t *codes, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        codes[2 * i] = bytes[i] & 15u;
        codes[2 * i + 1] = (uint8_t)(bytes[i] >> 4);
    }
}
