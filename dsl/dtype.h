/* Element types: the one table.
 *
 *   X(enumerator, name, bits, kind, npy)
 *   bits: size of one element in a tensor's memory (e2m1: two to a byte)
 *   kind: 'b' bool, 'u' unsigned, 'i' signed, 'f' float with arithmetic, 's' storage float (R4)
 *   npy:  type string with which `tilec run` writes the element
 */
#ifndef TILE_DTYPE_H
#define TILE_DTYPE_H

/* clang-format off */
#define TILE_DTYPES(X)                      \
    X(DT_BOOL, "bool", 8, 'b', "|b1")       \
    X(DT_U8, "u8", 8, 'u', "|u1")           \
    X(DT_I8, "i8", 8, 'i', "|i1")           \
    X(DT_U16, "u16", 16, 'u', "<u2")        \
    X(DT_I16, "i16", 16, 'i', "<i2")        \
    X(DT_I32, "i32", 32, 'i', "<i4")        \
    X(DT_U32, "u32", 32, 'u', "<u4")        \
    X(DT_I64, "i64", 64, 'i', "<i8")        \
    X(DT_U64, "u64", 64, 'u', "<u8")        \
    X(DT_F16, "f16", 16, 's', "<f2")        \
    X(DT_BF16, "bf16", 16, 's', "<u2")      \
    X(DT_F32, "f32", 32, 'f', "<f4")        \
    X(DT_TF32, "tf32", 32, 's', "<f4")      \
    X(DT_E4M3, "e4m3", 8, 's', "|u1")       \
    X(DT_E5M2, "e5m2", 8, 's', "|u1")       \
    X(DT_E2M1, "e2m1", 4, 's', "|u1")       \
    X(DT_UE8M0, "ue8m0", 8, 's', "|u1")     \
    X(DT_F64, "f64", 64, 'f', "<f8")
/* clang-format on */

typedef enum DType {
#define X(e, name, bits, kind, npy) e,
    TILE_DTYPES(X)
#undef X
        DT_COUNT,
    DT_NONE = DT_COUNT,
    DT_INDEX /* no element type: how emitted code holds an i64 that extents bound */
} DType;

typedef struct DTypeInfo {
    const char *name, *npy;
    unsigned char bits, kind;
    /* Bytes of one element of a tile in the interpreter: bits rounded up to a whole byte. */
    unsigned char size;
} DTypeInfo;

/* Indexed by DType; DT_NONE is named "none". */
extern const DTypeInfo dtype_info[DT_COUNT + 2];

/* The type called `name` (`length` bytes), DT_NONE if there is none. */
DType dtype_find(const char *name, unsigned length);

static inline int dtype_is_int(DType t)
{
    return dtype_info[t].kind == 'i' || dtype_info[t].kind == 'u';
}

static inline int dtype_is_signed(DType t)
{
    return dtype_info[t].kind == 'i';
}

/* f32, f64 and the storage floats. */
static inline int dtype_is_float(DType t)
{
    return dtype_info[t].kind == 'f' || dtype_info[t].kind == 's';
}

#endif
