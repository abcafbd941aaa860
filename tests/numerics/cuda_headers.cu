/* convert.h against the host functions of CUDA's own headers; needs no GPU and no nvcc:
 *
 *   g++ -x c++ -std=c++17 -O2 -ffp-contract=off -I. -I$CUDA_HOME/include cuda_headers.cu
 *
 * For each f32 whose low 13 bits are near 0, near half or full: all values, all middles and their
 * neighbours of every target type. Prints each pair's first difference; exits 1 if there is one.
 */
#include "runtime/numerics/convert.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp4.h>
#include <cuda_fp8.h>
#include <stdio.h>

static const unsigned low_bits[] = {0x0000, 0x0001, 0x0FFF, 0x1000, 0x1001, 0x1FFF};

struct Pair {
    const char *name;
    unsigned (*ours)(float x);
    unsigned (*cuda)(float x);
    bool negative; /* compared for negative values too */
};

static unsigned cuda_bf16(float x)
{
    return __nv_bfloat16_raw(__float2bfloat16_rn(x)).x;
}

static unsigned cuda_bf16_zero(float x)
{
    return __nv_bfloat16_raw(__float2bfloat16_rz(x)).x;
}

static unsigned cuda_f16(float x)
{
    return __half_raw(__float2half_rn(x)).x;
}

static unsigned cuda_f16_zero(float x)
{
    return __half_raw(__float2half_rz(x)).x;
}

static unsigned cuda_e4m3(float x)
{
    return __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3);
}

static unsigned cuda_e5m2(float x)
{
    return __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E5M2);
}

static unsigned cuda_e2m1(float x)
{
    return __nv_cvt_float_to_fp4(x, __NV_E2M1, cudaRoundNearest);
}

static unsigned cuda_ue8m0(float x)
{
    return __nv_cvt_float_to_e8m0(x, __NV_SATFINITE, cudaRoundPosInf);
}

#define OURS(t)                       \
    static unsigned ours_##t(float x) \
    {                                 \
        return tile_f32_to_##t(x);    \
    }
OURS(bf16)
OURS(bf16_zero)
OURS(f16)
OURS(f16_zero)
OURS(e4m3)
OURS(e5m2)
OURS(e2m1)
OURS(ue8m0)

static const Pair pairs[] = {
    {"bf16", ours_bf16, cuda_bf16, true}, {"bf16 to zero", ours_bf16_zero, cuda_bf16_zero, true},
    {"f16", ours_f16, cuda_f16, true},    {"f16 to zero", ours_f16_zero, cuda_f16_zero, true},
    {"e4m3", ours_e4m3, cuda_e4m3, true}, {"e5m2", ours_e5m2, cuda_e5m2, true},
    {"e2m1", ours_e2m1, cuda_e2m1, true}, {"ue8m0", ours_ue8m0, cuda_ue8m0, false},
};

static bool from_f32(const Pair &p)
{
    for (unsigned top = 0; top < 1u << 19; top++)
        for (unsigned low : low_bits) {
            float x = tile_float(top << 13 | low);
            if ((!p.negative && x < 0) || p.ours(x) == p.cuda(x))
                continue;
            printf("%s of %a (%08x): %x, cuda %x\n", p.name, x, tile_bits(x), p.ours(x), p.cuda(x));
            return false;
        }
    return true;
}

static bool same(const char *name, unsigned code, float ours, float cuda)
{
    if (tile_bits(ours) == tile_bits(cuda) || (ours != ours && cuda != cuda))
        return true;
    printf("%s code %x: %a, cuda %a\n", name, code, ours, cuda);
    return false;
}

static float half_value(__half_raw h)
{
    return __half2float(__half(h));
}

static float bf16_value(__nv_bfloat16_raw h)
{
    return __bfloat162float(__nv_bfloat16(h));
}

static bool to_f32()
{
    bool ok = true;
    for (unsigned c = 0; c < 256; c++) {
        uint8_t b = (uint8_t)c;
        ok &= same("e4m3", c, tile_e4m3_to_f32(b),
                   half_value(__nv_cvt_fp8_to_halfraw(b, __NV_E4M3)));
        ok &= same("e5m2", c, tile_e5m2_to_f32(b),
                   half_value(__nv_cvt_fp8_to_halfraw(b, __NV_E5M2)));
        ok &= same("ue8m0", c, tile_ue8m0_to_f32(b), bf16_value(__nv_cvt_e8m0_to_bf16raw(b)));
        if (c < 16)
            ok &= same("e2m1", c, tile_e2m1_to_f32(b),
                       half_value(__nv_cvt_fp4_to_halfraw(b, __NV_E2M1)));
    }
    for (unsigned c = 0; c < 65536; c++) {
        __half_raw h;
        __nv_bfloat16_raw b;
        h.x = b.x = (unsigned short)c;
        ok &= same("f16", c, tile_f16_to_f32((uint16_t)c), half_value(h));
        ok &= same("bf16", c, tile_bf16_to_f32((uint16_t)c), bf16_value(b));
    }
    return ok;
}

int main()
{
    bool ok = to_f32();
    for (const Pair &p : pairs)
        ok &= from_f32(p);
    return ok ? 0 : 1;
}
