/* Encoding and decoding tensor maps; the fields are in tensor_map.h, the rules those that cuda.h
 * states for cuTensorMapEncodeTiled, and two that it leaves to the caller and CCCL's
 * cuda::make_tma_descriptor adds: the box fits in shared memory, a step within the extent. */
#include "runtime/tensor_map.h"

#include <stddef.h>
#include <string.h>

typedef struct TensorType {
    const char *name;
    int bytes;
    unsigned code, tf32;
} TensorType;

static const TensorType types[TILE_TENSOR_TYPE_COUNT] = {
#define TENSOR_TYPE(type, text, size, element, tf) \
    [TILE_TENSOR_##type] = {.name = text, .bytes = size, .code = element, .tf32 = tf},
    TILE_TENSOR_TYPES(TENSOR_TYPE)
#undef TENSOR_TYPE
};

int tile_tensor_type_bytes(tile_tensor_type type)
{
    return types[type].bytes;
}

/* Shared memory of a block of SM90 and SM100. */
enum { MOST_SHARED = 232448 };

static bool is_float(tile_tensor_type type)
{
    return type >= TILE_TENSOR_F16;
}

static const char *check_dims(const tile_tensor_map_spec *s)
{
    for (int i = 0; i < s->rank; i++) {
        if (s->extent[i] < 1 || s->extent[i] > 1ull << 32)
            return "an extent is not in 1 to 2^32";
        if (s->box[i] < 1 || s->box[i] > 256)
            return "a side of the box is not in 1 to 256";
        if (s->step[i] > 8)
            return "an element stride is greater than 8";
        if (i > 0 && s->step[i] > s->extent[i])
            return "an element stride is greater than the extent";
        if (i > 0 && (s->stride[i] % 16 || s->stride[i] >= 1ull << 40))
            return "a stride is not a multiple of 16 bytes below 2^40";
    }
    return s->step[0] > 1 ? "the element stride of dim 0 is not 1" : NULL;
}

static bool box_fits(const tile_tensor_map_spec *s)
{
    uint64_t bytes = (uint64_t)types[s->type].bytes;
    for (int i = 0; i < s->rank; i++)
        bytes *= s->box[i];
    return bytes <= MOST_SHARED;
}

static const char *check(const tile_tensor_map_spec *s)
{
    if ((unsigned)s->type >= TILE_TENSOR_TYPE_COUNT)
        return "there is no such element type";
    if (s->rank < 1 || s->rank > 5)
        return "the rank is not in 1 to 5";
    if (!s->address || (uintptr_t)s->address % 16)
        return "the address is not a multiple of 16";
    const char *wrong = check_dims(s);
    uint64_t inner = s->box[0] * (uint64_t)types[s->type].bytes;
    if (wrong)
        return wrong;
    if (inner % 16)
        return "the box's inner dim is not a multiple of 16 bytes";
    if ((unsigned)s->swizzle > TILE_SWIZZLE_128B)
        return "there is no such swizzle";
    if (s->swizzle && inner > 16ull << s->swizzle)
        return "the box's inner dim is longer than the swizzle";
    if (!box_fits(s))
        return "the box does not fit in 232448 bytes of shared memory";
    if (s->fill_nan && !is_float(s->type))
        return "NaN fills no integers";
    return NULL;
}

static void put(tile_tensor_map *map, int word, int bit, uint32_t value)
{
    map->word[word] |= value << bit;
}

const char *tile_tensor_map_encode(const tile_tensor_map_spec *s, tile_tensor_map *map)
{
    const char *wrong = check(s);
    if (wrong)
        return wrong;
    memset(map, 0, sizeof *map);
    uint64_t address = (uintptr_t)s->address;
    put(map, 0, 0, (uint32_t)address);
    put(map, 1, 0, (uint32_t)(address >> 32));
    put(map, 2, 4, (uint32_t)s->rank - 1);
    put(map, 2, 7, types[s->type].code);
    put(map, 2, 13, (uint32_t)s->swizzle);
    put(map, 2, 15, s->fill_nan);
    put(map, 2, 16, types[s->type].tf32);
    for (int i = 0; i < s->rank; i++) {
        uint64_t stride = s->stride[i] / 16;
        if (i > 0) {
            put(map, 2 + i, 0, (uint32_t)stride);
            put(map, 7, 4 * (i - 1), (uint32_t)(stride >> 32));
        }
        put(map, 8 + i, 0, (uint32_t)(s->extent[i] - 1));
        put(map, 13, 3 * i, (s->step[i] ? s->step[i] : 1) - 1);
        put(map, i ? 14 : 13, i ? 8 * (i - 1) : 24, s->box[i] - 1);
    }
    return NULL;
}

static bool find_type(uint32_t word, tile_tensor_type *type)
{
    for (int i = 0; i < TILE_TENSOR_TYPE_COUNT; i++) {
        if (types[i].code == (word >> 7 & 15) && types[i].tf32 == (word >> 16 & 1)) {
            *type = (tile_tensor_type)i;
            return true;
        }
    }
    return false;
}

bool tile_tensor_map_decode(const tile_tensor_map *map, tile_tensor_map_spec *s)
{
    const uint32_t *w = map->word;
    *s = (tile_tensor_map_spec){.rank = (int)(w[2] >> 4 & 7) + 1,
                                .address = (void *)(uintptr_t)(w[0] | (uint64_t)w[1] << 32),
                                .swizzle = (tile_swizzle)(w[2] >> 13 & 3),
                                .fill_nan = w[2] >> 15 & 1};
    bool plain = (w[2] >> 11 & 3) == 0 && (w[2] >> 19 & 15) == 0;
    if (s->rank > 5 || !plain || !find_type(w[2], &s->type))
        return false;
    for (int i = 0; i < s->rank; i++) {
        if (i > 0)
            s->stride[i] = (w[2 + i] | (uint64_t)(w[7] >> 4 * (i - 1) & 15) << 32) * 16;
        s->extent[i] = w[8 + i] + 1ull;
        s->step[i] = (w[13] >> 3 * i & 7) + 1;
        s->box[i] = (i ? w[14] >> 8 * (i - 1) & 255 : w[13] >> 24) + 1;
    }
    return check(s) == NULL;
}
