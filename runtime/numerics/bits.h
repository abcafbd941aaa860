/* What math.h and convert.h stand on: the qualifier of their functions, bit casts, the NaN.
 *
 * Both headers are C11 and CUDA C++ at once. They need IEEE-754 f32 with round-to-nearest-even,
 * subnormals kept and no contraction: -ffp-contract=off here, -fmad=false for nvcc and NVRTC
 * (-ftz=false, -prec-div=true and -prec-sqrt=true are their defaults). Then both sides give the
 * same bits.
 */
#ifndef TILE_BITS_H
#define TILE_BITS_H

#ifdef __FAST_MATH__
#error "runtime/numerics must be compiled without fast math"
#endif

#ifdef __CUDACC__
#define TILE_FN static __device__ __forceinline__
#define TILE_FMA(a, b, c) __fmaf_rn(a, b, c)
#define TILE_SQRT(x) __fsqrt_rn(x)
#else
#include <float.h>
#include <math.h>
#include <string.h>
#if FLT_EVAL_METHOD != 0
#error "f32 operations must be rounded to f32"
#endif
/* Always inlined, so that a loop compiled for FMA hardware gets it inside these functions too. */
#define TILE_FN static inline __attribute__((always_inline, unused))
#define TILE_FMA(a, b, c) fmaf(a, b, c)
#define TILE_SQRT(x) sqrtf(x)
#endif

/* The NaN of every function and operation: what NVIDIA GPUs give for f32 arithmetic. */
#define TILE_NAN_BITS 0x7FFFFFFFu
#define TILE_INF_BITS 0x7F800000u
#define TILE_SIGN 0x80000000u
#define TILE_MAGNITUDE 0x7FFFFFFFu

TILE_FN unsigned tile_bits(float x)
{
#ifdef __CUDACC__
    return __float_as_uint(x);
#else
    unsigned u;
    memcpy(&u, &x, sizeof u);
    return u;
#endif
}

TILE_FN float tile_float(unsigned u)
{
#ifdef __CUDACC__
    return __uint_as_float(u);
#else
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
#endif
}

TILE_FN float tile_abs(float x)
{
#ifdef __CUDACC__
    return fabsf(x); /* costs nothing where it goes into arithmetic */
#else
    return tile_float(tile_bits(x) & TILE_MAGNITUDE);
#endif
}

TILE_FN float tile_copysign(float magnitude, float sign)
{
    return tile_float((tile_bits(magnitude) & TILE_MAGNITUDE) | (tile_bits(sign) & TILE_SIGN));
}

/* x, with any NaN replaced by the one above. */
TILE_FN float tile_canonical(float x)
{
    return x != x ? tile_float(TILE_NAN_BITS) : x;
}

/* What f32 arithmetic has just given: a GPU's NaN is the one above (PTX ISA 9.1, 7.5), a CPU's has
 * to be made so. */
TILE_FN float tile_result(float x)
{
#ifdef __CUDACC__
    return x;
#else
    return tile_canonical(x);
#endif
}

#endif
