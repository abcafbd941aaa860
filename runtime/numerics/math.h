/* The f32 functions of the language (R7), one source for the CPU and the GPU.
 *
 * Built only from + - * / sqrt and fma, integer operations and selects, so the bits do not depend
 * on the machine. docs/numerics.md has the derivations, the bounds and the measured errors;
 * tests/numerics/polynomials.py computes the coefficients. Every NaN result is 0x7FFFFFFF.
 */
#ifndef TILE_MATH_H
#define TILE_MATH_H

#include "runtime/numerics/bits.h"

/* Adding it to |v| < 2^22 leaves v rounded to an integer n in the low bits; subtracting gives n. */
#define TILE_ROUNDER 0x1.8p+23f
#define TILE_LOG2_E 0x1.715476p+0f
#define TILE_LN2_HI 0x1.62e430p-1f
#define TILE_LN2_LO -0x1.05c610p-29f

/* (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2. */
TILE_FN float tile_exp_tail(float r)
{
    float p = 0x1.6b97a8p-10f;
    p = TILE_FMA(p, r, 0x1.122538p-7f);
    p = TILE_FMA(p, r, 0x1.5556f6p-5f);
    p = TILE_FMA(p, r, 0x1.5554b4p-3f);
    return TILE_FMA(p, r, 0x1.fffffep-2f);
}

/* (log(1 + f) - f) / f^2 for f in [-1/4, 1/2]. */
TILE_FN float tile_log_tail(float f)
{
    float p = -0x1.71e34cp-5f;
    p = TILE_FMA(p, f, 0x1.acf4b8p-4f);
    p = TILE_FMA(p, f, -0x1.0d98f2p-3f);
    p = TILE_FMA(p, f, 0x1.28807ap-3f);
    p = TILE_FMA(p, f, -0x1.54ed96p-3f);
    p = TILE_FMA(p, f, 0x1.99699ep-3f);
    p = TILE_FMA(p, f, -0x1.00004ap-2f);
    p = TILE_FMA(p, f, 0x1.5555a4p-2f);
    return TILE_FMA(p, f, -0x1.0p-1f);
}

/* log(1 + f), f in [-1/4, 1/2]. */
TILE_FN float tile_log1p_poly(float f)
{
    return TILE_FMA(f * f, tile_log_tail(f), f);
}

/* x - n ln 2 for n = round(x / ln 2); *n_bits: n + bias in the low bits. |x| < 2^20; bias is a
 * small integer. */
TILE_FN float tile_exp_reduce(float x, float bias, unsigned *n_bits)
{
    float t = TILE_FMA(x, TILE_LOG2_E, TILE_ROUNDER + bias);
    float n = t - (TILE_ROUNDER + bias);
    *n_bits = tile_bits(t);
    return TILE_FMA(n, -TILE_LN2_LO, TILE_FMA(n, -TILE_LN2_HI, x));
}

/* e^x for x in [-104, 89], scaled by 2^bias; bias brings it into the normal range. */
TILE_FN float tile_exp_scaled(float x, float bias)
{
    unsigned n;
    float r = tile_exp_reduce(x, bias, &n);
    float p = TILE_FMA(r, TILE_FMA(r, tile_exp_tail(r), 1.0f), 1.0f);
    return tile_float(tile_bits(p) + (n << 23));
}

TILE_FN float tile_exp(float x)
{
    float c = x > 89.0f ? 89.0f : x;
    c = c < -104.0f ? -104.0f : c;
    float p = tile_exp_scaled(c, c < 0.0f ? 64.0f : -64.0f);
    float y = p * (c < 0.0f ? 0x1p-64f : 0x1p+64f);
    return x != x ? tile_float(TILE_NAN_BITS) : y;
}

/* 2^bias e^-|x|; of NaN: some number. */
TILE_FN float tile_exp_minus_abs(float x, float bias)
{
    float a = -tile_abs(x);
    return tile_exp_scaled(a > -104.0f ? a : -104.0f, bias);
}

TILE_FN float tile_log(float x)
{
    int tiny = x < 0x1p-126f;
    unsigned u = tile_bits(tiny ? x * 0x1p+23f : x);
    /* x = 2^k m with m in [3/4, 3/2); the exponent k stays in place, in the top 9 bits. */
    unsigned k_bits = (u - 0x3F400000u) & 0xFF800000u;
    float m = tile_float(u - k_bits);
    float k = TILE_FMA((float)(int)k_bits, 0x1p-23f, tiny ? -23.0f : 0.0f);
    float y = TILE_FMA(k, TILE_LN2_HI, tile_log1p_poly(m - 1.0f));
    float other = x == 0.0f ? tile_float(TILE_INF_BITS | TILE_SIGN) : tile_float(TILE_NAN_BITS);
    y = x > 0.0f ? y : other;
    return x == tile_float(TILE_INF_BITS) ? x : y;
}

/* 1 / d but for 2^-24, d in [1, 2]. */
TILE_FN float tile_reciprocal(float d)
{
    float r = TILE_FMA(d, -8.0f / 17.0f, 24.0f / 17.0f); /* but for 1/17 */
    float e = TILE_FMA(-d, r, 1.0f);
    r = TILE_FMA(r, TILE_FMA(e, e, e), r);
    return TILE_FMA(r, TILE_FMA(-d, r, 1.0f), r);
}

/* (a + a_low) / (d + d_low) for a in [0, 1], d in [1, 2], |d_low| <= 2^-24, little more than
 * rounded once. Fewer instructions than a division, which must expect any operands. */
TILE_FN float tile_divide_sum(float a, float a_low, float d, float d_low)
{
    float r = tile_reciprocal(d);
    float q = a * r;
    return TILE_FMA(TILE_FMA(-q, d_low, TILE_FMA(-q, d, a) + a_low), r, q);
}

/* a / (1 + e) for e in [0, 1] and a = e or 1, little more than rounded once; a and e are given
 * times 2^32, as e may be too small for an f32, and r is 2^-32 of the reciprocal. Every a - q here
 * is exact, since q is a / 2 at least, and nobody rounds 1 + e. */
TILE_FN float tile_divide_by_sum(float a, float e)
{
    float r = 0x1.371aaap-2f * 0x1p-96f; /* but for 2^-6.4 */
    r = TILE_FMA(r, e, -0x1.959034p-1f * 0x1p-64f);
    r = TILE_FMA(r, e, 0x1.fa0534p-1f * 0x1p-32f);
    r = TILE_FMA(r, TILE_FMA(e, -r, TILE_FMA(r, -0x1p+32f, 1.0f)), r);
    float q = a * r;
    return TILE_FMA(r, TILE_FMA(e, -q, TILE_FMA(q, -0x1p+32f, a)), q);
}

/* sigmoid(x) of a number; of NaN: some number. */
TILE_FN float tile_sigmoid_number(float x)
{
    float e = tile_exp_minus_abs(x, 32.0f);
    return tile_divide_by_sum(x < 0.0f ? e : 0x1p+32f, e);
}

TILE_FN float tile_sigmoid(float x)
{
    float y = tile_sigmoid_number(x);
    return x != x ? tile_float(TILE_NAN_BITS) : y;
}

/* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|); it rounds to x from 17 on. */
TILE_FN float tile_softplus(float x)
{
    float e = tile_exp_minus_abs(x, 64.0f) * 0x1p-64f;
    int half = e >= 0.5f;
    float l = tile_log1p_poly(half ? TILE_FMA(e, 0.5f, -0.5f) : e);
    l = half ? l + TILE_LN2_HI : l;
    float y = (x > 0.0f ? x : 0.0f) + l;
    return x != x ? tile_float(TILE_NAN_BITS) : y;
}

/* -(e^a - 1) / (2 + (e^a - 1)) with a = -2|x|. */
TILE_FN float tile_tanh(float x)
{
    float a = -2.0f * tile_abs(x);
    a = a > -20.0f ? a : -20.0f;
    unsigned n;
    float r = tile_exp_reduce(a, 0.0f, &n);
    float w = TILE_FMA(r * r, tile_exp_tail(r), r);
    float s = tile_float((n << 23) + 0x3F800000u);
    float t = TILE_FMA(s, w, s - 1.0f);
    float t_low = TILE_FMA(s, w, s - 1.0f - t);
    float d = 2.0f + t;
    float y = tile_divide_sum(-t, -t_low, d, t - (d - 2.0f) + t_low);
    return x != x ? tile_float(TILE_NAN_BITS) : tile_copysign(y, x);
}

TILE_FN float tile_rsqrt(float x)
{
    int tiny = x < 0x1p-126f;
    float m = tiny ? x * 0x1p+24f : x;
    float y = tile_float(0x5F3759DFu - (tile_bits(m) >> 1)); /* within 3.5 % */
    float e = TILE_FMA(-(m * y), y, 1.0f);
    y = TILE_FMA(y * e, TILE_FMA(e, 0.375f, 0.5f), y);
    float h = m * y;
    float h_low = TILE_FMA(m, y, -h);
    e = TILE_FMA(-h_low, y, TILE_FMA(-h, y, 1.0f));
    y = TILE_FMA(y * e, TILE_FMA(e, 0.375f, 0.5f), y);
    y = tiny ? y * 0x1p+12f : y;
    float other = x == 0.0f ? tile_copysign(tile_float(TILE_INF_BITS), x)
                            : tile_float(TILE_NAN_BITS);
    y = x > 0.0f ? y : other;
    return x == tile_float(TILE_INF_BITS) ? 0.0f : y;
}

TILE_FN float tile_sqrt(float x)
{
    return tile_result(TILE_SQRT(x));
}

TILE_FN float tile_fma(float a, float b, float c)
{
    return tile_result(TILE_FMA(a, b, c));
}

/* The smallest power of two >= x: 0 for 0 of either sign, inf above 2^127, NaN for x < 0. */
TILE_FN float tile_ceil_pow2(float x)
{
    int tiny = x < 0x1p-126f;
    unsigned u = tile_bits(tiny ? x * 0x1p+24f : x);
    float y = tile_float((u + 0x007FFFFFu) & 0x7F800000u);
    y = tiny ? y * 0x1p-24f : y;
    return x >= 0.0f ? y : tile_float(TILE_NAN_BITS);
}

#define TILE_TWO_OVER_PI 0x1.45f306p-1f
#define TILE_HALF_PI_1 0x1.921fb6p+0f
#define TILE_HALF_PI_2 -0x1.777a5cp-25f
#define TILE_HALF_PI_3 -0x1.ee59dap-50f

/* Greatest |x| of the reduction in f32. */
#define TILE_TRIG_SMALL 0x1p+17f

/* |x| = n pi/2 + r + low with |r| <= pi/4 + 2^-8. */
typedef struct TileAngle {
    float r, low;
    unsigned n; /* its low two bits count */
} TileAngle;

/* a in [0, TILE_TRIG_SMALL]. */
TILE_FN TileAngle tile_angle_small(float a)
{
    TileAngle g;
    float t = TILE_FMA(a, TILE_TWO_OVER_PI, TILE_ROUNDER);
    float n = t - TILE_ROUNDER;
    float whole = TILE_FMA(n, -TILE_HALF_PI_1, a); /* exact */
    float part = n * TILE_HALF_PI_2;
    float part_low = TILE_FMA(n, TILE_HALF_PI_2, -part);
    g.n = tile_bits(t);
    g.r = whole - part;
    g.low = TILE_FMA(n, -TILE_HALF_PI_3, whole - g.r - part - part_low);
    return g;
}

/* a in [2^16, inf), after Payne and Hanek: only the bits of 2/pi that matter modulo 4. */
TILE_FN TileAngle tile_angle_large(float a)
{
    /* A zero word, then 2/pi after the point. */
    static const unsigned two_over_pi[8] = {0x00000000u, 0xA2F9836Eu, 0x4E441529u, 0xFC2757D1u,
                                            0xF534DDC0u, 0xDB629599u, 0x3C439041u, 0xFE5163ABu};
    TileAngle g;
    unsigned u = tile_bits(a);
    unsigned long long m = (u & 0x007FFFFFu) | 0x00800000u;
    /* a = m 2^(e - 150). Bits of 2/pi of weight >= 2^(152 - e) give multiples of 4. */
    unsigned start = (u >> 23) - 120u;
    const unsigned *p = two_over_pi + (start >> 5);
    unsigned shift = 32u - (start & 31u);
    unsigned w0 = (unsigned)(((unsigned long long)p[0] << 32 | p[1]) >> shift);
    unsigned w1 = (unsigned)(((unsigned long long)p[1] << 32 | p[2]) >> shift);
    unsigned w2 = (unsigned)(((unsigned long long)p[2] << 32 | p[3]) >> shift);
    /* In units of 2^-62 quarter turns, modulo 4 of them; low bits are cut off. */
    unsigned long long turn = (m * w0 << 32) + m * w1 + (m * w2 >> 32);
    g.n = (unsigned)((turn + (1ull << 61)) >> 62);
    long long rest = (long long)(turn - ((unsigned long long)g.n << 62));
    float hi = (float)rest;
    float lo = (float)(rest - (long long)hi);
    g.r = hi * (TILE_HALF_PI_1 * 0x1p-62f);
    g.low = TILE_FMA(hi, TILE_HALF_PI_1 * 0x1p-62f, -g.r);
    g.low = TILE_FMA(hi, TILE_HALF_PI_2 * 0x1p-62f, g.low);
    g.low = TILE_FMA(lo, TILE_HALF_PI_1 * 0x1p-62f, g.low);
    return g;
}

/* The sine of quarter turns `n` plus the angle's rest. */
TILE_FN float tile_sin_quarter(TileAngle g, unsigned n)
{
    float s = g.r * g.r;
    float p = TILE_FMA(s, -0x1.994e34p-13f, 0x1.11076ep-7f);
    p = TILE_FMA(s, p, -0x1.555546p-3f);
    float sine = g.r + TILE_FMA(s * g.r, p, g.low);
    float q = TILE_FMA(s, 0x1.99e42cp-16f, -0x1.6c0c20p-10f);
    q = TILE_FMA(s, q, 0x1.55554ap-5f);
    q = TILE_FMA(s, q, -0.5f);
    float s_low = TILE_FMA(g.r, g.r, -s);
    float cosine = 1.0f + TILE_FMA(s, q, TILE_FMA(-0.5f, s_low, -(g.r * g.low)));
    unsigned y = tile_bits(n & 1u ? cosine : sine);
    return tile_float(y ^ (n & 2u) << 30);
}

TILE_FN float tile_sin_of(float x, TileAngle g)
{
    float y = tile_sin_quarter(g, g.n);
    return tile_float(tile_bits(y) ^ (tile_bits(x) & TILE_SIGN));
}

/* |x| <= TILE_TRIG_SMALL only. */
TILE_FN float tile_sin_small(float x)
{
    return tile_sin_of(x, tile_angle_small(tile_abs(x)));
}

TILE_FN float tile_cos_small(float x)
{
    TileAngle g = tile_angle_small(tile_abs(x));
    return tile_sin_quarter(g, g.n + 1u);
}

/* |x| > TILE_TRIG_SMALL, inf or NaN only. */
TILE_FN float tile_sin_large(float x)
{
    float a = tile_abs(x);
    if (!(a < tile_float(TILE_INF_BITS)))
        return tile_float(TILE_NAN_BITS);
    return tile_sin_of(x, tile_angle_large(a));
}

TILE_FN float tile_cos_large(float x)
{
    float a = tile_abs(x);
    if (!(a < tile_float(TILE_INF_BITS)))
        return tile_float(TILE_NAN_BITS);
    TileAngle g = tile_angle_large(a);
    return tile_sin_quarter(g, g.n + 1u);
}

TILE_FN float tile_sin(float x)
{
    return tile_abs(x) <= TILE_TRIG_SMALL ? tile_sin_small(x) : tile_sin_large(x);
}

TILE_FN float tile_cos(float x)
{
    return tile_abs(x) <= TILE_TRIG_SMALL ? tile_cos_small(x) : tile_cos_large(x);
}

#endif
