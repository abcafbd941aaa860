/* CUtensorMap, the 128 bytes that a tensor copy is described by.
 *
 * Where each field lies was read off the code that ptxas 13.0 makes of tensormap.replace for sm_90a
 * and sm_100a (PTX ISA 9.7.9.28): it is loads, masks and stores of these words.
 *
 *   word      bits    field
 *   0, 1              global address
 *   2         4-6     rank - 1
 *             7-10    element type; 11 to 13 are the packed types of SM100
 *             11-12   interleave
 *             13-14   swizzle: none, 32, 64, 128 bytes
 *             15      fill: zero, NaN
 *             16      tf32 (with element type f32 or f32.ftz)
 *             19-21   atomicity of the swizzle: 16, 32, 32 with 8 flipped, 64 bytes (SM100)
 *             22      96-byte swizzle (SM103)
 *   3-6               stride / 16 of dims 1 to 4, low 32 bits
 *   7         4i..    bits 32-35 of stride i
 *   8-12              extent - 1 of dims 0 to 4
 *   13        3i..    element stride - 1 of dim i
 *             24-31   box - 1 of dim 0
 *   14        8i..    box - 1 of dims 1 to 4
 *
 * Bits that no replacement touches (a version, the L2 promotion) are the driver's; the machine does
 * not look at them.
 */
#ifndef TILE_TENSOR_MAP_H
#define TILE_TENSOR_MAP_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(type, name, bytes, code of element type, tf32 bit); the order is that of CUtensorMapDataType.
 */
#define TILE_TENSOR_TYPES(X)       \
    X(U8, "u8", 1, 0, 0)           \
    X(U16, "u16", 2, 1, 0)         \
    X(U32, "u32", 4, 2, 0)         \
    X(I32, "i32", 4, 3, 0)         \
    X(U64, "u64", 8, 4, 0)         \
    X(I64, "i64", 8, 5, 0)         \
    X(F16, "f16", 2, 6, 0)         \
    X(F32, "f32", 4, 7, 0)         \
    X(F64, "f64", 8, 9, 0)         \
    X(BF16, "bf16", 2, 10, 0)      \
    X(F32_FTZ, "f32.ftz", 4, 8, 0) \
    X(TF32, "tf32", 4, 7, 1)       \
    X(TF32_FTZ, "tf32.ftz", 4, 8, 1)

typedef enum tile_tensor_type {
#define TILE_TENSOR_TYPE(type, name, bytes, code, tf32) TILE_TENSOR_##type,
    TILE_TENSOR_TYPES(TILE_TENSOR_TYPE)
#undef TILE_TENSOR_TYPE
        TILE_TENSOR_TYPE_COUNT
} tile_tensor_type;

typedef enum tile_swizzle {
    TILE_SWIZZLE_NONE,
    TILE_SWIZZLE_32B,
    TILE_SWIZZLE_64B,
    TILE_SWIZZLE_128B
} tile_swizzle;

/* The arguments of cuTensorMapEncodeTiled, with no interleave. Dim 0 is the contiguous one. */
typedef struct tile_tensor_map_spec {
    tile_tensor_type type;
    int rank;
    void *address;
    uint64_t extent[5];
    uint64_t stride[5]; /* bytes between neighbours along dim i; [0] is not looked at */
    uint32_t box[5];
    uint32_t step[5]; /* element strides; 0 is 1 */
    tile_swizzle swizzle;
    int l2_promotion; /* 0 to 3: none, 64, 128, 256 bytes */
    bool fill_nan;
} tile_tensor_map_spec;

typedef struct tile_tensor_map {
#ifdef __cplusplus
    alignas(64) uint32_t word[32];
#else
    _Alignas(64) uint32_t word[32];
#endif
} tile_tensor_map;

/* The map's bits without what is the driver's: for the machine. tile__tensor_map makes maps for
 * GPUs too. NULL, or which rule of the driver API's description the arguments break. */
const char *tile_tensor_map_encode(const tile_tensor_map_spec *spec, tile_tensor_map *map);
/* What the bits say; false: they are not a map that tile_tensor_map_encode makes. */
bool tile_tensor_map_decode(const tile_tensor_map *map, tile_tensor_map_spec *spec);
int tile_tensor_type_bytes(tile_tensor_type);

#ifdef __cplusplus
}
#endif

#endif
