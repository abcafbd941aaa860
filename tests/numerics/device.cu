/* math.h and convert.h on a GPU, for every f32, by hand where there is one:
 *
 *   F="-std=c11 -D_POSIX_C_SOURCE=200809L -I. -O3 -ffp-contract=off -fno-math-errno"
 *   gcc $F -fno-trapping-math -c runtime/numerics/vector.c -o vector.o
 *   nvcc -arch=native -std=c++17 -O2 -fmad=false -I. device.cu vector.o -o device
 *
 * 1. Functions: the bits are the CPU's; the greatest error in ulp against the GPU's doubles.
 * 2. Conversions: the bits are those of the hardware's own instructions, or of CUDA's headers
 *    where this GPU has none.
 * 3. What the hardware does with NaN, for docs/numerics.md.
 * Exits 1 if a bit differs or an error is above 2 ulp.
 */
#include "runtime/numerics/convert.h"
#include "runtime/numerics/math.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp4.h>
#include <cuda_fp8.h>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

typedef unsigned long long Word;
static const int THREADS = 256, BLOCK = 1 << 16, BLOCKS = 1 << 16;

__host__ __device__ inline Word mix(unsigned x, unsigned y)
{
    Word z = ((Word)x << 32 | y) * 0x9E3779B97F4A7C15ull;
    z = (z ^ z >> 29) * 0xBF58476D1CE4E5B9ull;
    return z ^ z >> 32;
}

__device__ double spacing(double r)
{
    int e = (int)(__double_as_longlong(r) >> 52 & 0x7FF) - 1023;
    return ldexp(1.0, (e < -126 ? -126 : e > 127 ? 127 : e) - 23);
}

__device__ double ulps(float y, double r)
{
    if (isnan(r))
        return __float_as_uint(y) == TILE_NAN_BITS ? 0 : INFINITY;
    if (isinf(r))
        return y == r ? 0 : INFINITY;
    if ((signbit(y) != 0) != (signbit(r) != 0))
        return INFINITY;
    double a = isinf(y) ? 0x1p+128 : fabs((double)y), b = fmin(fabs(r), 0x1p+128);
    return fabs(a - b) / spacing(b);
}

struct Worst {
    Word ulp; /* bits of a double, and */
    unsigned at;
    Word above; /* how many are above one ulp */
};

template <class F> __global__ void function(Word *hashes, Worst *worst)
{
    Word sum = 0, above = 0;
    double most = 0;
    unsigned at = 0;
    for (unsigned i = threadIdx.x; i < BLOCK; i += blockDim.x) {
        unsigned u = blockIdx.x * BLOCK + i;
        float x = __uint_as_float(u), y = F::ours(x);
        sum += mix(u, __float_as_uint(y));
        double e = ulps(y, F::exact(x));
        above += e > 1;
        if (e > most)
            most = e, at = u;
    }
    atomicAdd(&hashes[blockIdx.x], sum);
    atomicAdd(&worst->above, above);
    Word bits = __double_as_longlong(most);
    if (atomicMax(&worst->ulp, bits) < bits)
        worst->at = at;
}

extern "C" {
#include "runtime/numerics/vector.h"
}
typedef void Bulk(float *y, const float *x, size_t n);

static void cpu_hashes(Bulk *bulk, Word *hashes)
{
    int workers = (int)std::thread::hardware_concurrency();
    std::vector<std::thread> threads;
    for (int w = 0; w < workers; w++)
        threads.emplace_back([=] {
            std::vector<float> x(BLOCK), y(BLOCK);
            for (unsigned b = w; b < BLOCKS; b += workers) {
                for (unsigned i = 0; i < BLOCK; i++) {
                    unsigned u = b * BLOCK + i;
                    memcpy(&x[i], &u, sizeof u);
                }
                bulk(y.data(), x.data(), BLOCK);
                Word sum = 0;
                for (unsigned i = 0; i < BLOCK; i++) {
                    unsigned u;
                    memcpy(&u, &y[i], sizeof u);
                    sum += mix(b * BLOCK + i, u);
                }
                hashes[b] = sum;
            }
        });
    for (std::thread &t : threads)
        t.join();
}

template <class F> static bool check_function(const char *name, Bulk *bulk)
{
    Word *device_hashes;
    Worst *device_worst, worst;
    cudaMalloc(&device_hashes, BLOCKS * sizeof *device_hashes);
    cudaMalloc(&device_worst, sizeof worst);
    cudaMemset(device_hashes, 0, BLOCKS * sizeof *device_hashes);
    cudaMemset(device_worst, 0, sizeof worst);
    function<F><<<BLOCKS, THREADS>>>(device_hashes, device_worst);
    std::vector<Word> cpu(BLOCKS), gpu(BLOCKS);
    cpu_hashes(bulk, cpu.data());
    cudaMemcpy(gpu.data(), device_hashes, BLOCKS * sizeof gpu[0], cudaMemcpyDeviceToHost);
    cudaError_t status = cudaMemcpy(&worst, device_worst, sizeof worst, cudaMemcpyDeviceToHost);
    int wrong = 0;
    for (int b = 0; b < BLOCKS; b++)
        wrong += gpu[b] != cpu[b];
    double most;
    float at;
    memcpy(&most, &worst.ulp, sizeof most);
    memcpy(&at, &worst.at, sizeof at);
    printf("%-10s %s; blocks that differ from the CPU: %d; %.4f ulp about %a, above 1: %llu\n",
           name, cudaGetErrorString(status), wrong, most, at, worst.above);
    return status == cudaSuccess && wrong == 0 && most <= 2;
}

#define FUNCTION(name, reference)                \
    struct F_##name {                            \
        static __device__ float ours(float x)    \
        {                                        \
            return tile_##name(x);               \
        }                                        \
        static __device__ double exact(double x) \
        {                                        \
            return reference;                    \
        }                                        \
    };
FUNCTION(exp, exp(x))
FUNCTION(log, log(x))
FUNCTION(sigmoid, x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)))
FUNCTION(softplus, x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)))
FUNCTION(tanh, tanh(x))
FUNCTION(rsqrt, 1 / sqrt(x))
FUNCTION(sqrt, sqrt(x))
FUNCTION(sin, sin(x))
FUNCTION(cos, cos(x))
FUNCTION(ceil_pow2, !(x >= 0)            ? NAN
                    : x == 0 || isinf(x) ? fabs(x)
                                         : ldexp(1.0, ilogb(x) + (ldexp(1.0, ilogb(x)) < x)))

/* The first difference of each pair, if any. */
struct Difference {
    unsigned count, x, ours, theirs;
};

template <class F> __global__ void conversion(Difference *d)
{
    for (unsigned i = threadIdx.x; i < BLOCK; i += blockDim.x) {
        unsigned u = blockIdx.x * BLOCK + i;
        float x = __uint_as_float(u);
        Word ours = F::ours(x), theirs = F::theirs(x);
        if (ours != theirs && F::counts(x) && atomicAdd(&d->count, 1u) == 0)
            d->x = u, d->ours = (unsigned)ours, d->theirs = (unsigned)theirs;
    }
}

template <class F> static bool check_conversion(const char *name)
{
    Difference *device_d, d;
    cudaMalloc(&device_d, sizeof d);
    cudaMemset(device_d, 0, sizeof d);
    conversion<F><<<BLOCKS, THREADS>>>(device_d);
    cudaError_t status = cudaMemcpy(&d, device_d, sizeof d, cudaMemcpyDeviceToHost);
    printf("%-14s %s; differences: %u", name, cudaGetErrorString(status), d.count);
    if (d.count)
        printf(", e.g. %08x: %x, hardware %x", d.x, d.ours, d.theirs);
    printf("\n");
    return status == cudaSuccess && d.count == 0;
}

__device__ unsigned rna(float x)
{
    unsigned y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return y;
}

/* COUNTS: the values for which the hardware must agree. */
#define CONVERSION(name, ours_of, theirs_of, counts_of) \
    struct C_##name {                                   \
        static __device__ Word ours(float x)            \
        {                                               \
            return (Word)(ours_of);                     \
        }                                               \
        static __device__ Word theirs(float x)          \
        {                                               \
            return (Word)(theirs_of);                   \
        }                                               \
        static __device__ bool counts(float x)          \
        {                                               \
            return counts_of;                           \
        }                                               \
    };
CONVERSION(bf16, tile_f32_to_bf16(x), __nv_bfloat16_raw(__float2bfloat16_rn(x)).x, true)
CONVERSION(bf16_zero, tile_f32_to_bf16_zero(x), __nv_bfloat16_raw(__float2bfloat16_rz(x)).x, true)
CONVERSION(f16, tile_f32_to_f16(x), __half_raw(__float2half_rn(x)).x, true)
CONVERSION(f16_zero, tile_f32_to_f16_zero(x), __half_raw(__float2half_rz(x)).x, true)
CONVERSION(e4m3, tile_f32_to_e4m3(x), __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3), true)
CONVERSION(e5m2, tile_f32_to_e5m2(x), __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E5M2), true)
CONVERSION(e2m1, tile_f32_to_e2m1(x), __nv_cvt_float_to_fp4(x, __NV_E2M1, cudaRoundNearest), true)
CONVERSION(ue8m0, tile_f32_to_ue8m0(x), __nv_cvt_float_to_e8m0(x, __NV_SATFINITE, cudaRoundPosInf),
           !(x < 0))
CONVERSION(tf32, tile_bits(tile_f32_to_tf32(x)), rna(x), true)
CONVERSION(i8, (unsigned char)tile_f32_to_i8(x),
           (unsigned char)max(-128, min(127, __float2int_rz(x))), true)
CONVERSION(i16, (unsigned short)tile_f32_to_i16(x),
           (unsigned short)max(-32768, min(32767, __float2int_rz(x))), true)
CONVERSION(i32, tile_f32_to_i32(x), __float2int_rz(x), true)
CONVERSION(u32, tile_f32_to_u32(x), __float2uint_rz(x), true)
CONVERSION(i64, tile_f32_to_i64(x), __float2ll_rz(x), x == x)
CONVERSION(u64, tile_f32_to_u64(x), __float2ull_rz(x), x == x)
CONVERSION(i32_back, tile_bits((float)(int)tile_bits(x)), tile_bits(__int2float_rn(tile_bits(x))),
           true)
CONVERSION(f16_to_f32, tile_bits(tile_f16_to_f32(tile_bits(x))),
           tile_bits(__half2float(__ushort_as_half(tile_bits(x)))), true)
CONVERSION(bf16_to_f32, tile_bits(tile_bf16_to_f32(tile_bits(x))),
           tile_bits(__bfloat162float(__ushort_as_bfloat16(tile_bits(x)))), true)

__global__ void facts()
{
    float payload = __uint_as_float(0xFFC12345u), zero = payload - payload;
    zero = __uint_as_float(threadIdx.x);
    float minus = -1.0f - zero;
    unsigned nan_max;
    asm("max.NaN.f32 %0, %1, %2;" : "=r"(nan_max) : "f"(payload), "f"(zero));
    unsigned rz_tf32;
    asm("cvt.rz.tf32.f32 %0, %1;" : "=r"(rz_tf32) : "f"(payload));
    printf("NaN ffc12345: + %08x * %08x fma %08x / %08x sqrt %08x max.NaN %08x -x %08x\n",
           tile_bits(payload + zero), tile_bits(payload * minus),
           tile_bits(__fmaf_rn(payload, minus, zero)), tile_bits(payload / minus),
           tile_bits(__fsqrt_rn(payload)), nan_max, tile_bits(-payload));
    printf("invalid: 0/0 %08x inf-inf %08x sqrt(-1) %08x\n", tile_bits(zero / zero),
           tile_bits(1 / zero - 1 / zero), tile_bits(__fsqrt_rn(minus)));
    printf("NaN to tf32: rna %08x rz %08x; to i64 %llx u64 %llx; f64 to f32 %08x\n", rna(payload),
           rz_tf32, __float2ll_rz(payload), __float2ull_rz(payload),
           tile_bits((float)__longlong_as_double(0xFFF8000012345678ll)));
    printf("inf to f16.rz %x, bf16.rz %x; 1e30 to f16.rz %x; f16 NaN fe01 to f32 %08x\n",
           __half_raw(__float2half_rz(1 / zero)).x,
           __nv_bfloat16_raw(__float2bfloat16_rz(1 / zero)).x,
           __half_raw(__float2half_rz(1e30f + zero)).x,
           tile_bits(__half2float(__ushort_as_half(0xFE01 + threadIdx.x))));
}

int main()
{
    bool ok = true;
    setvbuf(stdout, NULL, _IOLBF, 0);
#define CHECK_F(name) ok &= check_function<F_##name>(#name, tile_v##name);
    CHECK_F(exp)
    CHECK_F(log) CHECK_F(sigmoid) CHECK_F(softplus) CHECK_F(tanh) CHECK_F(rsqrt) CHECK_F(sqrt)
        CHECK_F(sin) CHECK_F(cos) CHECK_F(ceil_pow2)
#define CHECK_C(name) ok &= check_conversion<C_##name>(#name);
            CHECK_C(bf16) CHECK_C(bf16_zero) CHECK_C(f16) CHECK_C(f16_zero) CHECK_C(e4m3)
                CHECK_C(e5m2) CHECK_C(e2m1) CHECK_C(ue8m0) CHECK_C(tf32) CHECK_C(i8) CHECK_C(i16)
                    CHECK_C(i32) CHECK_C(u32) CHECK_C(i64) CHECK_C(u64) CHECK_C(i32_back)
                        CHECK_C(f16_to_f32) CHECK_C(bf16_to_f32) facts<<<1, 1>>>();
    cudaDeviceSynchronize();
    return ok ? 0 : 1;
}
