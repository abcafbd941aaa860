// Part of gpu_main.cu: what cuTensorMapEncodeTiled makes of a map, and what it refuses, beside
// runtime/tensor_map.c.

static CUresult (*encode_tiled)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *,
                                const cuuint64_t *, const cuuint64_t *, const cuuint32_t *,
                                const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                                CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

static void find_driver()
{
    cudaDriverEntryPointQueryResult found;
    void *function = nullptr;
    CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                           cudaEnableDefault, &found));
    memcpy(&encode_tiled, &function, sizeof function);
    if (!encode_tiled)
        throw std::runtime_error("the driver has no cuTensorMapEncodeTiled");
}

static CUresult encode(const tile_tensor_map_spec &s, CUtensorMap *map)
{
    cuuint32_t step[6] = {1, 1, 1, 1, 1, 1};
    for (int i = 0; i < 5; i++)
        step[i] = s.step[i] ? s.step[i] : 1;
    return encode_tiled(map, (CUtensorMapDataType)s.type, (cuuint32_t)s.rank, s.address,
                        (const cuuint64_t *)s.extent, (const cuuint64_t *)s.stride + 1, s.box, step,
                        CU_TENSOR_MAP_INTERLEAVE_NONE, (CUtensorMapSwizzle)s.swizzle,
                        (CUtensorMapL2promotion)s.l2_promotion,
                        s.fill_nan ? CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA
                                   : CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

static std::string described(const tile_tensor_map_spec &s)
{
    char text[400];
    std::string all = "type " + std::to_string(s.type) + ", swizzle " + std::to_string(s.swizzle) +
                      ", L2 " + std::to_string(s.l2_promotion);
    for (int i = 0; i < s.rank; i++) {
        snprintf(text, sizeof text, "; dim %d: extent %llu stride %llu box %u step %u", i,
                 (unsigned long long)s.extent[i], (unsigned long long)s.stride[i], s.box[i], s.step[i]);
        all += text;
    }
    return all;
}

static TileTensorMap make_map(const tile_tensor_map_spec &s)
{
    CUtensorMap map;
    tile_tensor_map ours;
    const char *wrong = tile_tensor_map_encode(&s, &ours);
    if (wrong)
        throw std::runtime_error(std::string(wrong) + ": " + described(s));
    CUresult r = encode(s, &map);
    if (r != CUDA_SUCCESS)
        throw std::runtime_error("cuTensorMapEncodeTiled gives " + std::to_string((int)r) + " for " +
                                 described(s));
    TileTensorMap out;
    memcpy(&out, &map, sizeof out);
    return out;
}

// A map that keeps all rules, the k-th.
static tile_tensor_map_spec some_map(int k, void *memory)
{
    const tile_tensor_type types[] = {TILE_TENSOR_U8,  TILE_TENSOR_U16, TILE_TENSOR_U32,
                                      TILE_TENSOR_I32, TILE_TENSOR_U64, TILE_TENSOR_I64,
                                      TILE_TENSOR_F16, TILE_TENSOR_F32, TILE_TENSOR_F64,
                                      TILE_TENSOR_BF16};
    tile_tensor_map_spec s = {};
    s.type = types[k % 10];
    s.rank = 1 + k % 5;
    s.address = (char *)memory + 16 * (k % 3);
    s.swizzle = (tile_swizzle)(k / 5 % 4);
    s.l2_promotion = k % 4;
    uint32_t room = 232448; // bytes of shared memory that are left for the box
    for (int i = 0; i < s.rank; i++) {
        const uint32_t inner = 16u << (s.swizzle ? (unsigned)s.swizzle : 1u);
        s.extent[i] = i ? 3 + next() % 60 : 256;
        s.stride[i] = i > 1 ? s.stride[i - 1] * s.extent[i - 1] : i ? 4096 : 0;
        s.box[i] = i ? 1 + next() % (uint32_t)s.extent[i] : inner / (uint32_t)tile_tensor_type_bytes(s.type);
        s.box[i] = i && s.box[i] > room ? room : s.box[i];
        s.step[i] = i ? 1 + next() % (s.extent[i] < 8 ? (uint32_t)s.extent[i] : 8u) : 1;
        room /= i ? s.box[i] : inner;
    }
    return s;
}

// What tensormap.replace can set must be where runtime/tensor_map.h says; the rest is shown.
static bool bits_are_those_of_the_driver(void *memory)
{
    uint32_t rest[32] = {0}, known[32] = {0};
    for (int i = 0; i < 15; i++)
        known[i] = ~0u;
    known[2] = 0x0059FFF0; // rank to tf32, atomicity, 96-byte swizzle
    known[7] = 0xFFFF, known[13] = 0xFF007FFF;
    bool good = true;
    for (int k = 0; k < 64; k++) {
        tile_tensor_map_spec s = some_map(k, memory);
        tile_tensor_map ours;
        tile_tensor_map_encode(&s, &ours);
        TileTensorMap theirs = make_map(s);
        uint32_t w[32];
        memcpy(w, &theirs, sizeof w);
        for (int i = 0; i < 32; i++) {
            good = good && ((w[i] ^ ours.word[i]) & known[i]) == 0;
            rest[i] |= w[i] & ~known[i];
        }
    }
    printf("     bits of the driver beside them:");
    for (int i = 0; i < 32; i++)
        if (rest[i])
            printf(" word %d: %08x", i, rest[i]);
    printf("\n");
    return good;
}

// The rules one by one: a bf16 map of 64 x 64 x 64 with a box of 64 x 8 x 8, swizzled by 128 bytes,
// and one change. Where the description of cuTensorMapEncodeTiled says nothing ('?'), what the driver
// does is shown.
static void test_map_rules(void *memory)
{
    const struct {
        const char *what;
        char driver; // takes it: '+', refuses it: '-'
        void (*change)(tile_tensor_map_spec &);
    } rows[] = {
#define ROW(what, driver, ...) {what, driver, [](tile_tensor_map_spec &s) { __VA_ARGS__; }}
        ROW("nothing changed", '+', (void)s),
        ROW("rank 0", '-', s.rank = 0),
        ROW("rank 6", '-', s.rank = 6),
        ROW("an address of 8 modulo 16", '-', s.address = (char *)s.address + 8),
        ROW("an extent of 0", '-', s.extent[1] = 0),
        ROW("an extent of 2^32", '+', s.extent[2] = 1ull << 32),
        ROW("an extent above 2^32", '-', s.extent[2] = (1ull << 32) + 1),
        ROW("a stride of 8 modulo 16", '-', s.stride[2] += 8),
        ROW("a stride of 2^40 - 16", '+', s.stride[2] = (1ull << 40) - 16),
        ROW("a stride of 2^40", '-', s.stride[2] = 1ull << 40),
        ROW("a side of 0", '-', s.box[1] = 0),
        ROW("a side of 256", '+', s.box[1] = 256, s.box[2] = 1),
        ROW("a side of 257", '-', s.box[1] = 257, s.box[2] = 1),
        ROW("an inner side of 24 bytes", '-', s.box[0] = 12),
        ROW("an inner side longer than the swizzle", '-', s.box[0] = 72),
        ROW("an inner side longer than a swizzle of 32", '-', s.swizzle = TILE_SWIZZLE_32B),
        ROW("an inner side shorter than the swizzle", '+', s.box[0] = 16),
        ROW("an element stride of 8", '+', s.step[1] = 8),
        ROW("an element stride of 9", '-', s.step[1] = 9),
        ROW("no such swizzle", '-', s.swizzle = (tile_swizzle)7),
        ROW("NaN for f32", '+', s.fill_nan = true),
        ROW("NaN for integers", '-', s.fill_nan = true, s.type = TILE_TENSOR_U16),
        ROW("a side longer than the extent", '?', s.extent[1] = 5),
        ROW("an element stride of dim 0", '?', s.step[0] = 2),
        ROW("an element stride longer than the extent", '?', s.extent[1] = 5, s.step[1] = 8),
        ROW("a box of 232448 bytes", '?', s.box[1] = 227),
        ROW("a box of 233472 bytes", '?', s.box[1] = 228),
        ROW("a box of 233472 bytes, half of it by element strides", '?', s.box[1] = 228, s.step[1] = 2),
        ROW("a stride shorter than a row", '?', s.stride[1] = 64),
        ROW("a stride of 0", '?', s.stride[2] = 0),
        ROW("strides that fall", '?', s.stride[1] = 8192, s.stride[2] = 128),
#undef ROW
    };
    for (const auto &row : rows) {
        tile_tensor_map_spec s = {};
        s.type = TILE_TENSOR_BF16, s.rank = 3, s.address = memory, s.swizzle = TILE_SWIZZLE_128B;
        for (int i = 0; i < 3; i++)
            s.extent[i] = 64, s.stride[i] = i ? 128u << 6 * (i - 1) : 0, s.box[i] = i ? 8 : 64, s.step[i] = 1;
        row.change(s);
        CUtensorMap theirs;
        tile_tensor_map bits;
        const bool takes = encode(s, &theirs) == CUDA_SUCCESS;
        const char *refused = tile_tensor_map_encode(&s, &bits);
        if (row.driver == '?')
            printf("     %s: the driver %s it; here: %s\n", row.what, takes ? "takes" : "refuses",
                   refused ? refused : "taken");
        else
            tell(std::string("tensor map, ") + row.what, takes == (row.driver == '+') && takes == !refused);
    }
}

static void test_maps()
{
    Device<uint32_t> memory(1 << 20, 0);
    test_map_rules(memory.data);
    test("tensor map bits", [&] { return bits_are_those_of_the_driver(memory.data); });
}
