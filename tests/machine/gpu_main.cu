// The kernels of tests/machine/kernels on a real GPU of compute capability 9.0, against references
// on the host. Without arguments: the names of the groups of tests. With one: a line a test of the
// group, PASS or FAIL, exit code 1 if any failed. A CUDA error fails the test, and what is left of the
// group with it: tests/machine/gpu.sh, which builds this, runs each group in a process of its own.
#include <cuda.h>
#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/device/tile.h"
#include "runtime/device/async.h"
#include "runtime/device/wgmma.h"
#include "runtime/tensor_map.h"

namespace gemm_kernel
{
#include "kernels/gemm.cu"
}
namespace multicast_kernel
{
#include "kernels/multicast.cu"
}
namespace cluster_kernel
{
#include "kernels/cluster.cu"
}
namespace copy_kernel
{
#include "kernels/copy.cu"
}
namespace matrix_kernel
{
#include "kernels/matrix.cu"
}
namespace named_kernel
{
#include "kernels/named.cu"
}
namespace ring_kernel
{
#include "kernels/ring.cu"
}
namespace grid_kernel
{
#include "kernels/grid.cu"
}
namespace pdl_kernel
{
#include "kernels/pdl.cu"
}
namespace warp_kernel
{
#include "kernels/warp.cu"
}

#define BYTES 2048
#define DIMS 1
#define ENTRY tensor_1d
namespace tensor_1d_kernel
{
#include "kernels/tensor.cu"
}
#undef DIMS
#undef ENTRY
#undef COORDINATES
#undef BYTES
#define BYTES 4096
#define DIMS 2
#define ENTRY tensor_2d
namespace tensor_2d_kernel
{
#include "kernels/tensor.cu"
}
#undef ENTRY
#undef REDUCE
#undef COORDINATES
#define REDUCE 1
#define ENTRY tensor_add
namespace tensor_add_kernel
{
#include "kernels/tensor.cu"
}
#undef ENTRY
#undef REDUCE
#undef EXPECT
#undef COORDINATES
#define EXPECT 512
#define ENTRY tensor_narrow
namespace tensor_narrow_kernel
{
#include "kernels/tensor.cu"
}
#undef EXPECT
#undef DIMS
#undef ENTRY
#undef COORDINATES
#define DIMS 3
#define ENTRY tensor_3d
namespace tensor_3d_kernel
{
#include "kernels/tensor.cu"
}
#undef DIMS
#undef ENTRY
#undef COORDINATES
#define DIMS 5
#define ENTRY tensor_5d
namespace tensor_5d_kernel
{
#include "kernels/tensor.cu"
}

#undef DIMS
#undef ENTRY

// WGMMA_TABLE(X) and a namespace with a kernel for each of its rows, made by gpu.sh:
// X(type, n, k, form, bytes of an element, A is M-major, B is N-major)
#include "gpu_wgmma.inc"

#define CHECK(call)                                                                          \
    do {                                                                                     \
        cudaError_t e_ = (call);                                                             \
        if (e_ != cudaSuccess)                                                               \
            throw std::runtime_error(std::string(#call) + ": " + cudaGetErrorString(e_));    \
    } while (0)

// ---- memory, launches ----

template <class T> struct Device {
    T *data;
    size_t count;
    explicit Device(const std::vector<T> &x) : count(x.size())
    {
        CHECK(cudaMalloc(&data, count * sizeof(T) + 16));
        CHECK(cudaMemcpy(data, x.data(), count * sizeof(T), cudaMemcpyHostToDevice));
    }
    Device(size_t n, int fill) : count(n)
    {
        CHECK(cudaMalloc(&data, n * sizeof(T) + 16));
        CHECK(cudaMemset(data, fill, n * sizeof(T)));
    }
    ~Device()
    {
        cudaFree(data);
    }
    std::vector<T> get() const
    {
        std::vector<T> x(count);
        CHECK(cudaDeviceSynchronize());
        CHECK(cudaMemcpy(x.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost));
        return x;
    }
};

struct Shape {
    unsigned grid, block, cluster;
    size_t shared;
    bool cooperative, pdl;
};

template <class Args> static void launch(void (*kernel)(Args), Shape s, const Args &args)
{
    CHECK(cudaFuncSetAttribute((const void *)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               (int)s.shared));
    cudaLaunchAttribute attribute[3];
    unsigned n = 0;
    if (s.cluster) {
        attribute[n].id = cudaLaunchAttributeClusterDimension;
        attribute[n].val.clusterDim.x = s.cluster;
        attribute[n].val.clusterDim.y = attribute[n].val.clusterDim.z = 1;
        n++;
    }
    if (s.cooperative) {
        attribute[n].id = cudaLaunchAttributeCooperative;
        attribute[n++].val.cooperative = 1;
    }
    if (s.pdl) {
        attribute[n].id = cudaLaunchAttributeProgrammaticStreamSerialization;
        attribute[n++].val.programmaticStreamSerializationAllowed = 1;
    }
    cudaLaunchConfig_t config = {};
    config.gridDim = s.grid;
    config.blockDim = s.block;
    config.dynamicSmemBytes = s.shared;
    config.attrs = attribute;
    config.numAttrs = n;
    CHECK(cudaLaunchKernelEx(&config, kernel, args));
}

static int failed;

static void tell(const std::string &name, bool good, const char *why = "")
{
    printf("%s %s%s%s\n", good ? "PASS" : "FAIL", name.c_str(), *why ? ": " : "", why);
    fflush(stdout);
    failed += !good;
}

static void test(const std::string &name, const std::function<bool()> &passes)
{
    try {
        tell(name, passes());
    } catch (const std::exception &e) {
        tell(name, false, e.what());
    }
}

static uint32_t state = 1;
static uint32_t next()
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

#include "gpu_maps.cuh"

// ---- tensor copies ----

struct Box {
    tile_tensor_type type;
    int rank;
    std::vector<uint64_t> extent;
    std::vector<uint32_t> box, step;
    std::vector<int> from, to;
    int swizzle;
};

static size_t total_bytes(const Box &b, std::vector<uint64_t> &stride)
{
    const size_t size = (size_t)tile_tensor_type_bytes(b.type);
    uint64_t at = (b.extent[0] * size + 15) / 16 * 16;
    stride.assign(1, size);
    for (int i = 1; i < b.rank; i++) {
        stride.push_back(at);
        at *= b.extent[i];
    }
    return at;
}

// Calls f(place in the box, address in the tensor or -1) for every element of the box.
static void each(const Box &b, const std::vector<int> &at, const std::vector<uint64_t> &stride,
                 const std::function<void(size_t, int64_t)> &f)
{
    std::vector<uint32_t> count;
    size_t all = 1;
    for (int i = 0; i < b.rank; i++) {
        count.push_back((b.box[i] + b.step[i] - 1) / b.step[i]);
        all *= count[i];
    }
    for (size_t k = 0; k < all; k++) {
        size_t rest = k;
        int64_t address = 0;
        for (int i = 0; i < b.rank; i++) {
            int64_t x = at[i] + (int64_t)(rest % count[i]) * b.step[i];
            rest /= count[i];
            if (x < 0 || x >= (int64_t)b.extent[i])
                address = INT64_MIN / 2;
            address += x * (int64_t)stride[i];
        }
        f(k, address < 0 ? -1 : address);
    }
}

static size_t swizzled(size_t byte, int swizzle)
{
    const size_t mask = swizzle ? (size_t)swizzle / 16 - 1 : 0;
    return byte ^ (byte >> 7 & mask) << 4;
}

static uint64_t number(const std::vector<uint8_t> &x, size_t at, size_t size)
{
    uint64_t n = 0;
    memcpy(&n, &x[at], size);
    return n;
}

static uint64_t added(tile_tensor_type type, uint64_t x, uint64_t y)
{
    if (type != TILE_TENSOR_F32)
        return x + y;
    float a, b;
    memcpy(&a, &x, 4);
    memcpy(&b, &y, 4);
    a += b;
    uint32_t u;
    memcpy(&u, &a, 4);
    return u;
}

template <class Args>
static bool copies(void (*kernel)(Args), const Box &b, bool add)
{
    const size_t size = (size_t)tile_tensor_type_bytes(b.type);
    std::vector<uint64_t> stride;
    const size_t total = total_bytes(b, stride);
    std::vector<uint8_t> x(total), y(total);
    for (size_t i = 0; i < total; i += size) {
        const float f[2] = {(float)(next() % 100), (float)(next() % 100)};
        uint64_t u[2] = {next() % 100, next() % 100};
        if (b.type == TILE_TENSOR_F32)
            memcpy(&u[0], &f[0], 4), memcpy(&u[1], &f[1], 4);
        memcpy(&x[i], &u[0], size);
        memcpy(&y[i], &u[1], size);
    }
    Device<uint8_t> dx(x), dy(y), raw(4096, 0xEE);
    tile_tensor_map_spec s = {};
    s.type = b.type;
    s.rank = b.rank;
    s.swizzle = (tile_swizzle)(b.swizzle == 128 ? 3 : b.swizzle / 32);
    for (int i = 0; i < b.rank; i++)
        s.extent[i] = b.extent[i], s.stride[i] = stride[i], s.box[i] = b.box[i], s.step[i] = b.step[i];
    Args args;
    s.address = dx.data;
    args.in = make_map(s);
    s.address = dy.data;
    args.out = make_map(s);
    args.raw = (uint32_t *)raw.data;
    for (int i = 0; i < 5; i++) {
        args.from[i] = i < b.rank ? b.from[i] : 0;
        args.to[i] = i < b.rank ? b.to[i] : 0;
    }
    launch(kernel, {1, 128, 0, 4096 + 16, false, false}, args);
    std::vector<uint8_t> got = raw.get(), want(4096, 0xEE), got_y = dy.get(), plain(4096);
    each(b, b.from, stride, [&](size_t k, int64_t at) {
        for (size_t i = 0; i < size; i++) {
            plain[k * size + i] = at < 0 ? 0 : x[(size_t)at + i];
            want[swizzled(k * size + i, b.swizzle)] = plain[k * size + i];
        }
    });
    Box whole = b; // a store writes whole pieces of 16 bytes, also where a row ends within one
    whole.extent[0] = (b.extent[0] * size + 15) / 16 * 16 / size;
    each(whole, b.to, stride, [&](size_t k, int64_t at) {
        if (at < 0)
            return;
        uint64_t n = number(plain, k * size, size);
        if (add)
            n = added(b.type, n, number(y, (size_t)at, size));
        memcpy(&y[(size_t)at], &n, size);
    });
    if (got != want)
        throw std::runtime_error("other bytes in shared memory");
    std::string others;
    for (size_t i = 0, n = 0; i < total; i++)
        if (got_y[i] != y[i] && n++ < 8)
            others += " " + std::to_string(i) + ": " + std::to_string(got_y[i]) + ", not " + std::to_string(y[i]);
    if (!others.empty())
        throw std::runtime_error("other bytes in the tensor, at" + others);
    return true;
}

// An error of the device is the end of a process: each tensor test has one of its own.
static int only = -1, tensor_tests;

template <class Args>
static void test_tensor(const char *name, void (*kernel)(Args), const Box &b, bool add, bool refused = false)
{
    const int number = tensor_tests++;
    if (only >= 0 && number != only)
        return;
    if (refused) {
        try {
            copies(kernel, b, add);
            tell(name, false, "the GPU takes it");
        } catch (const std::exception &e) {
            tell(name, strstr(e.what(), "illegal instruction"), e.what());
        }
        return;
    }
    test(std::string(name) + " " + std::to_string(tile_tensor_type_bytes(b.type)) + " bytes, swizzle " +
             std::to_string(b.swizzle) + (add ? ", add" : ""),
         [&] { return copies(kernel, b, add); });
}

static void test_tensors()
{
    const tile_tensor_type types[] = {TILE_TENSOR_U8, TILE_TENSOR_U16, TILE_TENSOR_U32,
                                      TILE_TENSOR_U64, TILE_TENSOR_F32};
    for (tile_tensor_type t : types) {
        const uint32_t size = (uint32_t)tile_tensor_type_bytes(t);
        for (int swizzle : {0, 32, 64, 128}) {
            const uint32_t inner = (uint32_t)(swizzle ? swizzle : 128) / size;
            Box b = {t,
                     2,
                     {2 * inner - 3, 37},
                     {inner, 4096 / (inner * size)},
                     {1, 1},
                     {(int)inner - 16 / (int)size, 20},
                     {16 / (int)size, 3},
                     swizzle};
            test_tensor("tensor 2d", tensor_2d_kernel::tensor_2d, b, false);
        }
    }
    // Where a box may begin and end, one thing at a time.
    for (tile_tensor_type t : {TILE_TENSOR_U8, TILE_TENSOR_F32}) {
        const int size = tile_tensor_type_bytes(t), n = 128 / size, piece = 16 / size;
        const uint32_t inner = (uint32_t)n;
        const struct {
            const char *what;
            uint64_t extent;
            int from[2], to[2];
            bool refused;
        } rows[] = {{"inside", 2 * inner, {0, 0}, {0, 0}},
                    {"inside, from 16 bytes on", 2 * inner, {piece, 2}, {piece, 2}},
                    {"rows that do not end at 16 bytes", 2 * inner - 3, {0, 0}, {0, 0}},
                    {"read beyond the last row", 2 * inner, {0, 30}, {0, 0}},
                    {"read before the first row", 2 * inner, {0, -3}, {0, 0}},
                    {"read beyond the end", 2 * inner, {n + piece, 0}, {0, 0}},
                    {"read beyond an end at no 16 bytes", 2 * inner - 3, {n + piece, 0}, {0, 0}},
                    {"read before the beginning", 2 * inner, {-piece, 0}, {0, 0}},
                    {"read from 1 on", 2 * inner, {1, 0}, {0, 0}, true},
                    {"written beyond the last row", 2 * inner, {0, 0}, {0, 30}},
                    {"written before the first row", 2 * inner, {0, 0}, {0, -3}, true},
                    {"written beyond the end", 2 * inner, {0, 0}, {n + piece, 0}},
                    {"written beyond an end at no 16 bytes", 2 * inner - 3, {0, 0}, {n + piece, 0}},
                    {"written before the beginning", 2 * inner, {0, 0}, {-piece, 0}, true},
                    {"written from 1 on", 2 * inner, {0, 0}, {1, 0}, true}};
        for (const auto &r : rows)
            for (int swizzle : {0, 128})
                test_tensor((std::string("tensor 2d, ") + r.what + ",").c_str(), tensor_2d_kernel::tensor_2d,
                            {t, 2, {r.extent, 40}, {inner, 32}, {1, 1}, {r.from[0], r.from[1]}, {r.to[0], r.to[1]}, swizzle},
                            false, r.refused);
    }
    for (tile_tensor_type t : {TILE_TENSOR_U32, TILE_TENSOR_I32, TILE_TENSOR_U64, TILE_TENSOR_F32}) {
        const uint32_t inner = 128 / (uint32_t)tile_tensor_type_bytes(t);
        test_tensor("tensor 2d", tensor_add_kernel::tensor_add,
                    {t, 2, {inner - 1, 20}, {inner, 32}, {1, 1}, {0, 0}, {0, 7}, 128}, true);
    }
    test_tensor("tensor 1d", tensor_1d_kernel::tensor_1d,
                {TILE_TENSOR_F64, 1, {515}, {256}, {1}, {-6}, {8}, 0}, false);
    test_tensor("tensor 1d", tensor_1d_kernel::tensor_1d,
                {TILE_TENSOR_U64, 1, {600}, {256}, {1}, {400}, {0}, 0}, false);
    test_tensor("tensor 3d, steps", tensor_3d_kernel::tensor_3d,
                {TILE_TENSOR_U16, 3, {64, 40, 6}, {64, 32, 4}, {1, 2, 2}, {0, 3, 1}, {0, 0, 0}, 128},
                false);
    test_tensor("tensor 5d", tensor_5d_kernel::tensor_5d,
                {TILE_TENSOR_U32,
                 5,
                 {12, 5, 4, 9, 3},
                 {8, 4, 4, 4, 2},
                 {1, 1, 1, 1, 1},
                 {4, 2, -1, 2, 1},
                 {0, 0, 1, 0, 1},
                 32},
                false);
}

// Shown, not judged: what the PTX ISA does not say.
static void probe_narrow_boxes()
{
    std::vector<uint32_t> x(4 * 16);
    for (size_t i = 0; i < x.size(); i++)
        x[i] = (uint32_t)i / 4; // 16-byte pieces: 2 a row of the box, 2 behind it
    Device<uint32_t> dx(x), raw(1024, 0xEE);
    for (int swizzle : {64, 128}) {
        tile_tensor_map_spec s = {};
        s.type = TILE_TENSOR_U32, s.rank = 2, s.address = dx.data;
        s.extent[0] = 8, s.extent[1] = 8, s.stride[1] = 32, s.box[0] = 8, s.box[1] = 16;
        s.step[0] = s.step[1] = 1;
        s.swizzle = (tile_swizzle)(swizzle == 128 ? 3 : 2);
        tensor_narrow_kernel::tensor_args args = {};
        args.in = args.out = make_map(s);
        args.raw = raw.data;
        args.to[1] = 100;
        launch(tensor_narrow_kernel::tensor_narrow, {1, 128, 0, 4096 + 16, false, false}, args);
        std::vector<uint32_t> got = raw.get();
        printf("     box 32 bytes wide, swizzle %d: pieces of 16 bytes in shared memory:", swizzle);
        for (size_t i = 0; i < 512; i += 4)
            if (got[i] < 16)
                printf(" %u@0x%zx", got[i], 4 * i);
        printf("\n");
    }
}

// ---- blocks, clusters, warps ----

static std::vector<uint32_t> words(size_t n)
{
    std::vector<uint32_t> x(n);
    for (uint32_t &w : x)
        w = next() ^ next() << 16;
    return x;
}

static void test_multicast()
{
    const int tiles = 5, blocks = 4;
    std::vector<uint32_t> x = words((size_t)tiles * 128 * 32);
    Device<uint32_t> dx(x), dy((size_t)tiles * blocks * 128 * 32, 0);
    tile_tensor_map_spec s = {};
    s.type = TILE_TENSOR_U16, s.rank = 2, s.address = dx.data;
    s.extent[0] = 64, s.extent[1] = (uint64_t)tiles * 128, s.stride[1] = 128;
    s.box[0] = s.box[1] = 64, s.step[0] = s.step[1] = 1;
    multicast_kernel::multicast_args args = {make_map(s), dy.data, tiles};
    launch(multicast_kernel::multicast, {blocks, 128, 2, 2 * 8192 + 16, false, false}, args);
    std::vector<uint32_t> y = dy.get();
    bool good = true;
    for (int t = 0; t < tiles; t++)
        for (int b = 0; b < blocks; b++)
            good = good && memcmp(&y[(size_t)(t * blocks + b) * 4096], &x[(size_t)t * 4096], 16384) == 0;
    tell("multicast", good);
}

static void test_cluster()
{
    for (unsigned size : {2u, 4u, 8u}) {
        const size_t blocks = 8;
        std::vector<uint32_t> x = words(blocks * 128);
        Device<uint32_t> dx(x), dy(blocks * 128 * 3, 0);
        launch(cluster_kernel::cluster, {blocks, 128, size, 1552, false, false},
               cluster_kernel::cluster_args{dx.data, dy.data});
        std::vector<uint32_t> y = dy.get();
        bool good = true;
        for (size_t b = 0; b < blocks; b++)
            for (size_t i = 0; i < 128; i++) {
                const size_t first = b / size * size, rank = b % size;
                const size_t before = first + (rank + size - 1) % size, after = first + (rank + 1) % size;
                const uint32_t *got = &y[(b * 128 + i) * 3];
                good = good && got[0] == x[before * 128 + i] && got[1] == x[before * 128 + i] &&
                       got[2] == x[after * 128 + 127 - i];
            }
        tell("cluster of " + std::to_string(size), good);
    }
}

static void test_copy()
{
    for (size_t cut : {0u, 8u, 1000u}) {
        const size_t rows = 5;
        std::vector<uint8_t> x(rows * 2048 - cut);
        for (uint8_t &b : x)
            b = (uint8_t)next();
        Device<uint8_t> dx(x), dy(rows * 2048, 0xEE), dz(4096, 0xEE);
        launch(copy_kernel::copy, {1, 128, 0, 4104, false, false},
               copy_kernel::copy_args{(const char *)dx.data, (char *)dy.data, (char *)dz.data,
                                      (int64_t)rows, (int64_t)x.size()});
        std::vector<uint8_t> y = dy.get(), z = dz.get(), want = x;
        want.resize(rows * 2048);
        tell("cp.async, cut by " + std::to_string(cut),
             y == want && memcmp(&z[0], &x[0], 2048) == 0 && memcmp(&z[2048], &x[1024], 2048) == 0);
    }
}

static void test_matrix()
{
    std::vector<uint16_t> x(256);
    for (size_t i = 0; i < 256; i++)
        x[i] = (uint16_t)i;
    Device<uint16_t> dx(x), dy(768, 0);
    Device<uint32_t> df(32 * 11, 0);
    launch(matrix_kernel::matrix, {1, 32, 0, 2048, false, false},
           matrix_kernel::matrix_args{dx.data, df.data, dy.data});
    std::vector<uint32_t> f = df.get();
    std::vector<uint16_t> y = dy.get();
    // Element (r, c) of quarter q (down, then right), perhaps transposed.
    auto at = [&](int q, int r, int c) { return x[(size_t)((q % 2 * 8 + r) * 16 + q / 2 * 8 + c)]; };
    bool good = true;
    const int quarter[] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 0}, turned[] = {0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0};
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 11; i++)
            for (int half = 0; half < 2; half++) {
                const int r = lane / 4, c = lane % 4 * 2 + half;
                const uint16_t want = turned[i] ? at(quarter[i], c, r) : at(quarter[i], r, c);
                good = good && (uint16_t)(f[(size_t)(lane * 11 + i)] >> 16 * half) == want;
            }
    const int which[3][4] = {{0, 1, 2, 3}, {0, 1, 2, 3}, {0, 0, 0, 1}};
    const int turn[3][4] = {{1, 1, 1, 1}, {0, 0, 1, 1}, {0, 0, 1, 0}};
    for (int k = 0; k < 3; k++)
        for (int r = 0; r < 16; r++)
            for (int c = 0; c < 16; c++) {
                const int place = r / 8 + 2 * (c / 8);
                const int q = which[k][place], t = turn[k][place];
                const uint16_t want = t ? at(q, c % 8, r % 8) : at(q, r % 8, c % 8);
                good = good && y[(size_t)(k * 256 + r * 16 + c)] == want;
            }
    tell("ldmatrix, stmatrix", good);
}

static void test_named()
{
    const int64_t rounds = 7;
    std::vector<uint32_t> x = words(3 * 7 * 64);
    Device<uint32_t> dx(x), dy(x.size(), 0);
    launch(named_kernel::named, {3, 128, 0, 512, false, false},
           named_kernel::named_args{dx.data, dy.data, rounds});
    std::vector<uint32_t> y = dy.get();
    bool good = true;
    for (size_t i = 0; i < x.size(); i++)
        good = good && y[i] == x[i / 64 * 64 + 63 - i % 64] + 1;
    tell("named barriers", good);
}

static void test_ring()
{
    const size_t blocks = 3, rows = 11;
    std::vector<float> x(blocks * rows * 128);
    for (float &v : x)
        v = (float)(int)(next() % 19) - 9;
    Device<float> dx(x), sums(blocks * 128, 0), total(128, 0);
    launch(ring_kernel::ring, {(unsigned)blocks, 160, 0, 4 * 512 + 48, false, false},
           ring_kernel::ring_args{dx.data, sums.data, total.data, (int64_t)rows});
    std::vector<float> s = sums.get(), t = total.get(), want(blocks * 128), all(128);
    for (size_t i = 0; i < x.size(); i++) {
        want[i / (rows * 128) * 128 + i % 128] += x[i];
        all[i % 128] += x[i];
    }
    tell("ring of mbarriers, bulk copies", s == want && t == all);
}

static void test_grid()
{
    const size_t blocks = 7;
    Device<uint32_t> barrier(2, 0), parts(blocks, 0), total(1, 0), dy(2 * blocks, 0);
    Device<uint64_t> chain(blocks, 0);
    launch(grid_kernel::grid, {(unsigned)blocks, 64, 0, 16, true, false},
           grid_kernel::grid_args{barrier.data, parts.data, chain.data, total.data, dy.data});
    std::vector<uint32_t> y = dy.get();
    uint32_t all = 2016 * 28, up_to = 0;
    bool good = total.get()[0] == all;
    for (size_t b = 0; b < blocks; b++) {
        up_to += 2016 * (uint32_t)(b + 1);
        good = good && y[2 * b] == all && y[2 * b + 1] == up_to;
    }
    tell("grid barrier, release and acquire", good);
}

static void test_pdl()
{
    std::vector<uint32_t> x = words(256);
    Device<uint32_t> dx(x), middle(256, 0), dy(256, 0);
    pdl_kernel::pdl_args args = {dx.data, middle.data, dy.data};
    launch(pdl_kernel::pdl_first, {4, 64, 0, 0, false, false}, args);
    launch(pdl_kernel::pdl_second, {4, 64, 0, 0, false, true}, args);
    std::vector<uint32_t> y = dy.get();
    bool good = true;
    for (size_t i = 0; i < 256; i++)
        good = good && y[i] == x[i ^ 64] * 3 + 1;
    tell("programmatic dependent launch", good);
}

static void test_warp()
{
    std::vector<uint32_t> x = words(64);
    for (size_t i = 0; i < 64; i++)
        x[i] >>= next() % 30;
    Device<uint32_t> dx(x), dy(640, 0);
    launch(warp_kernel::warp, {1, 64, 0, 0, false, false}, warp_kernel::warp_args{dx.data, dy.data});
    std::vector<uint32_t> y = dy.get();
    bool good = true;
    for (size_t w = 0; w < 64; w += 32) {
        uint32_t ballot = 0, most = 0, least = ~0u, sum = 0, any = 0, all = ~0u, elected = 0;
        for (size_t i = 0; i < 32; i++) {
            const uint32_t v = x[w + i];
            ballot |= (uint32_t)(v % 3 == 0) << i;
            most = v > most ? v : most, least = v < least ? v : least;
            sum += v, any |= v, all &= v;
            elected += y[10 * (w + i) + 9];
        }
        for (size_t i = 0; i < 32; i++) {
            uint32_t match = 0;
            for (size_t k = 0; k < 32; k++)
                match |= (uint32_t)(x[w + k] % 4 == x[w + i] % 4) << k;
            const uint32_t want[] = {x[w + (i + 5) % 32], x[w + (i ^ 9)], ballot, match, most,
                                     least, sum, any, all};
            good = good && memcmp(want, &y[10 * (w + i)], sizeof want) == 0;
        }
        good = good && elected == 1;
    }
    tell("warp operations", good);
}

// ---- wgmma ----

static uint32_t code_of(const char *type, bool is_b, int v)
{
    // Integers of -4 to 4 in the type's bits; of two types the second is B's.
    std::string t = type;
    if (t.size() > 5)
        t = is_b ? t.substr(5) : t.substr(0, 4);
    const float f = (float)v;
    uint32_t u;
    memcpy(&u, &f, 4);
    const uint32_t sign = u >> 31, exponent = v ? (u >> 23 & 255) - 127 : 0, top = u >> 20 & 7;
    if (t == "tf32")
        return u;
    if (t == "bf16")
        return u >> 16;
    if (t == "f16")
        return v ? sign << 15 | (exponent + 15) << 10 | top << 7 : 0;
    if (t == "e4m3")
        return v ? sign << 7 | (exponent + 7) << 3 | top : 0;
    return v ? sign << 7 | (exponent + 15) << 2 | top >> 1 : 0;
}

// The byte of element (mn, k) of an operand, by the canonical layouts; dense.
static size_t place(int mn, int k, bool mn_major, int swizzle, int size, int rows, int depth,
                    int *lead, int *stride)
{
    const int t = 16 / size, w = swizzle ? swizzle / 16 : 1;
    int at;
    if (!mn_major) {
        *stride = swizzle ? 8 * swizzle : 128 * (depth / t);
        *lead = swizzle ? 0 : 128;
        at = mn % 8 * w * 16 + mn / 8 * *stride + k % t * size + k / t * (swizzle ? 16 : *lead);
    } else if (swizzle) {
        *stride = 8 * swizzle;
        *lead = swizzle * depth;
        at = mn % (t * w) * size + mn / (t * w) * *lead + k % 8 * swizzle + k / 8 * *stride;
    } else {
        *stride = 128;
        *lead = rows / t * 128;
        at = mn % t * size + mn / t * *stride + k % 8 * 16 + k / 8 * *lead;
    }
    return (size_t)(at ^ (at >> 7 & (w - 1)) << 4);
}

template <class Matrix>
static std::vector<uint8_t> image(const std::vector<int> &x, int rows, int depth, int steps,
                                  const char *type, bool is_b, bool mn_major, int swizzle, int size,
                                  Matrix *m)
{
    const int bytes = (rows * depth * size * (swizzle == 64 && !mn_major ? 2 : 4) + 1023) / 1024 * 1024;
    std::vector<uint8_t> out((size_t)(bytes * steps));
    int lead = 0, stride = 0;
    for (int s = 0; s < steps; s++)
        for (int r = 0; r < rows; r++)
            for (int k = 0; k < depth; k++) {
                const uint32_t u = code_of(type, is_b, x[(size_t)(r * depth * steps + s * depth + k)]);
                const size_t at = place(r, k, mn_major, swizzle, size, rows, depth, &lead, &stride);
                memcpy(&out[(size_t)(s * bytes) + at], &u, (size_t)size);
            }
    *m = {(int64_t)out.size(), bytes, lead, stride, swizzle};
    return out;
}

template <class Args, class Matrix>
static bool multiplies(void (*kernel)(Args), const char *type, int n, int depth, int size, bool a_mn,
                       bool b_mn, int swizzle)
{
    const int steps = 2, k = depth * steps;
    std::vector<int> a((size_t)(64 * k)), b((size_t)(n * k));
    for (int &v : a)
        v = (int)(next() % 9) - 4;
    for (int &v : b)
        v = (int)(next() % 9) - 4;
    Args args = {};
    std::vector<uint8_t> ia =
        image<Matrix>(a, 64, depth, steps, type, false, a_mn, swizzle, size, &args.a);
    std::vector<uint8_t> ib =
        image<Matrix>(b, n, depth, steps, type, true, b_mn, swizzle, size, &args.b);
    const int per = 4 / size;
    std::vector<uint32_t> registers((size_t)(steps * 128 * 4));
    for (int s = 0; s < steps; s++)
        for (int t = 0; t < 128; t++)
            for (int r = 0; r < 4; r++)
                for (int e = 0; e < per; e++) {
                    const int row = t / 32 * 16 + t % 32 / 4 + 8 * (r % 2);
                    const int c = per * (t % 4) + 4 * per * (r / 2) + e;
                    registers[(size_t)((s * 128 + t) * 4 + r)] |=
                        code_of(type, false, a[(size_t)(row * k + s * depth + c)]) << 8 * size * e;
                }
    Device<uint8_t> da(ia), db(ib);
    Device<uint32_t> dr(registers);
    Device<float> dd((size_t)(128 * n / 2), 0xEE);
    args.a_image = (const char *)da.data;
    args.b_image = (const char *)db.data;
    args.a_registers = dr.data;
    args.d = dd.data;
    args.steps = steps;
    launch(kernel, {1, 128, 0, 32768 + ib.size(), false, false}, args);
    std::vector<float> d = dd.get();
    bool good = true;
    for (int t = 0; t < 128; t++)
        for (int i = 0; i < n / 2; i++) {
            const int row = t / 32 * 16 + t % 32 / 4 + 8 * (i / 2 % 2);
            const int column = i / 4 * 8 + t % 4 * 2 + i % 2;
            int want = 0;
            for (int c = 0; c < k; c++)
                want += a[(size_t)(row * k + c)] * b[(size_t)(column * k + c)];
            good = good && d[(size_t)(t * (n / 2) + i)] == (float)want;
        }
    return good;
}

template <class Args, class Matrix>
static void test_wgmma(void (*kernel)(Args), const char *type, int n, int depth, const char *form,
                       int size, bool a_mn, bool b_mn, int swizzle)
{
    test(std::string("wgmma m64n") + std::to_string(n) + "k" + std::to_string(depth) + " " + type + " " +
             form + ", swizzle " + std::to_string(swizzle),
         [&] { return multiplies<Args, Matrix>(kernel, type, n, depth, size, a_mn, b_mn, swizzle); });
}

static void test_wgmmas()
{
    for (int swizzle : {0, 32, 64, 128}) {
#define TEST(type, n, k, form, bytes, a_mn, b_mn)                                                 \
    if (n <= 96 || swizzle == 128)                                                                \
        test_wgmma<wgmma_##type##_##n##_##form::wgmma_args, wgmma_##type##_##n##_##form::Matrix>( \
            wgmma_##type##_##n##_##form::kernel_##type##_##n##_##form, #type, n, k, #form, bytes, \
            a_mn, b_mn, swizzle);
        WGMMA_TABLE(TEST)
    }
}

// ---- the GEMM ----

static bool gemm_is_right(int m, int n, int k, unsigned grid)
{
    std::vector<uint16_t> a((size_t)(m * k)), b((size_t)(n * k));
    std::vector<int> ia(a.size()), ib(b.size());
    for (size_t i = 0; i < a.size(); i++)
        a[i] = (uint16_t)code_of("bf16", false, ia[i] = (int)(next() % 9) - 4);
    for (size_t i = 0; i < b.size(); i++)
        b[i] = (uint16_t)code_of("bf16", true, ib[i] = (int)(next() % 9) - 4);
    Device<uint16_t> da(a), db(b), dc((size_t)(m * n), 0xEE);
    auto map = [&](void *p, int rows, int columns, uint32_t box) {
        tile_tensor_map_spec s = {};
        s.type = TILE_TENSOR_BF16, s.rank = 2, s.address = p, s.swizzle = TILE_SWIZZLE_128B;
        s.extent[0] = (uint64_t)columns, s.extent[1] = (uint64_t)rows;
        s.stride[1] = 2 * (uint64_t)columns, s.box[0] = 64, s.box[1] = box;
        s.step[0] = s.step[1] = 1;
        return make_map(s);
    };
    gemm_kernel::gemm_args args = {map(da.data, m, k, 128), map(db.data, n, k, 128),
                                   map(dc.data, m, n, 64), (m + 127) / 128, (n + 127) / 128,
                                   (k + 63) / 64};
    launch(gemm_kernel::gemm, {grid, 384, 0, gemm_kernel::SHARED, false, false}, args);
    std::vector<uint16_t> c = dc.get();
    bool good = true;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            int sum = 0;
            for (int x = 0; x < k; x++)
                sum += ia[(size_t)(i * k + x)] * ib[(size_t)(j * k + x)];
            const float f = (float)sum;
            uint32_t u;
            memcpy(&u, &f, 4);
            u = (u + 0x7FFF + (u >> 16 & 1)) >> 16;
            good = good && c[(size_t)(i * n + j)] == (uint16_t)u;
        }
    return good;
}

static void test_gemm()
{
    const int sizes[][4] = {{128, 128, 512, 1}, {200, 136, 328, 2}, {512, 384, 256, 5}, {1024, 1024, 1024, 64}};
    for (const auto &s : sizes)
        test("gemm " + std::to_string(s[0]) + " x " + std::to_string(s[1]) + " x " + std::to_string(s[2]),
             [&] { return gemm_is_right(s[0], s[1], s[2], (unsigned)s[3]); });
}

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*run)();
    } groups[] = {{"maps", test_maps},   {"tensor", test_tensors},       {"narrow", probe_narrow_boxes},
                  {"multicast", test_multicast}, {"cluster", test_cluster}, {"copy", test_copy},
                  {"matrix", test_matrix}, {"named", test_named},         {"ring", test_ring},
                  {"grid", test_grid},   {"pdl", test_pdl},              {"warp", test_warp},
                  {"wgmma", test_wgmmas}, {"gemm", test_gemm}};
    setvbuf(stdout, nullptr, _IOLBF, 0);
    const int tensors = 88;
    for (const auto &group : groups) {
        const std::string name = group.name;
        for (int i = 0; argc < 2 && i < (name == "tensor" ? tensors : 1); i++)
            puts((name == "tensor" ? name + ":" + std::to_string(i) : name).c_str());
        if (argc > 1 && name == "tensor" && std::string(argv[1]).rfind("tensor:", 0) == 0)
            only = atoi(argv[1] + 7);
        if (argc > 1 && name == std::string(argv[1]).substr(0, name.size()))
            test(std::string(group.name) + ", all", [&] {
                find_driver();
                group.run();
                return !failed;
            });
    }
    return failed != 0;
}
