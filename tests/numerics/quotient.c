/* tile_nearest_reciprocal of every fraction and tile_quotient against the CPU's division, with
 * reciprocals that are off by as much as a GPU's may be, one ulp: where tile_fit says yes, every
 * bit is the same; and it says yes where it should. Arguments: how many random pairs. Prints what
 * differs; exit code 1 if anything does. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TILE_MACHINE 1
#define tile_rcp_approx nearest_reciprocal
#include "runtime/machine/device.h"
#undef tile_rcp_approx

static int last_place; /* added to the reciprocal */
static float tile_rcp_approx(float x)
{
    return tile_float(tile_bits(nearest_reciprocal(x)) + (uint32_t)last_place);
}
#include "runtime/device/tile.h"

static uint64_t state = 1;
static uint32_t random_bits(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

static int wrong;
static void differs(const char *what, float a, float b, float q)
{
    if (wrong++ < 20)
        printf("%s: %a / %a gives %a, not %a\n", what, (double)a, (double)b, (double)q,
               (double)(a / b));
}

/* How far the reciprocal is from the true one, in ulps. */
static double ulps_off(float b)
{
    const double y = tile_rcp_approx(b);
    return fabs(y - 1.0 / b) / ldexp(1.0, ilogb(y) - 23);
}

enum { NEAR_DIVISOR = 27, NEAR_NUMERATOR = 48, WIDE = 60, FAR_NUMERATOR = 99 };

enum { NUMERATOR, POSITIVE, SUMMAND };
static bool fits(float a, float b, int divisor, int numerator, int kind)
{
    TileOperands o = TILE_OPERANDS;
    if (kind == POSITIVE)
        tile_gather_positive(&o, a);
    else if (kind == SUMMAND)
        tile_gather_summand(&o, a);
    else
        tile_gather_numerator(&o, a);
    tile_gather_divisor(&o, b);
    return tile_fit(o, divisor, numerator);
}

static bool within(float x, int exponent)
{
    return fabsf(x) >= ldexpf(1.0f, -exponent) && fabsf(x) <= ldexpf(1.0f, exponent);
}

static void check_fit(float a, float b, int divisor, int numerator)
{
    const bool divides = b > 0.0f && within(b, divisor), good = within(a, numerator);
    if (fits(a, b, divisor, numerator, NUMERATOR) != (divides && (a == 0.0f || good)))
        differs("fit", a, b, a / b);
    if (fits(a, b, divisor, numerator, POSITIVE) != (divides && a > 0.0f && good))
        differs("fit of one sign", a, b, a / b);
    if (fits(a, b, divisor, numerator, SUMMAND) !=
        (divides && ((a > 0.0f && a >= ldexpf(1.0f, -numerator)) ||
                     (a != a && !(tile_bits(a) >> 31))))) /* as a NaN its sum does not divide */
        differs("fit of a summand", a, b, a / b);
}

static void check(float a, float b)
{
    for (last_place = -1; last_place <= 1; last_place++) {
        if (ulps_off(b) > 1.0)
            continue;
        const float q = tile_quotient(a, b);
        const bool far = b > 0.0f && within(b, NEAR_DIVISOR) && within(a, FAR_NUMERATOR);
        if ((far || fits(a, b, WIDE, WIDE, NUMERATOR)) && tile_bits(q) != tile_bits(a / b))
            differs("one", a, b, q);
        const float second = tile_quotient(q, b);
        if (fits(a, b, NEAR_DIVISOR, NEAR_NUMERATOR, NUMERATOR) &&
            tile_bits(second) != tile_bits(q / b))
            differs("the second of two", q, b, second);
    }
    last_place = 0;
    check_fit(a, b, WIDE, WIDE);
    check_fit(a, b, NEAR_DIVISOR, NEAR_NUMERATOR);
}

static void check_reciprocals(void)
{
    for (uint32_t fraction = 0; fraction < 1u << 23; fraction++)
        for (last_place = -1; last_place <= 1; last_place++) {
            const float b = tile_float(127u << 23 | fraction);
            const float y = ulps_off(b) <= 1.0 ? tile_nearest_reciprocal(b) : 1.0f / b;
            if (tile_bits(y) != tile_bits(1.0f / b))
                differs("reciprocal", 1.0f, b, y);
        }
    last_place = 0;
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 1000000;
    const uint32_t fractions[] = {0,        1,        2,        0x3FFFFF, 0x400000,
                                  0x400001, 0x7FFFFD, 0x7FFFFE, 0x7FFFFF};
    const uint32_t exponents[] = {0,   1,   27,  28,  29,  66,  67,  68,  78,  79,  80,
                                  99,  100, 101, 126, 127, 128, 153, 154, 155, 174, 175,
                                  176, 186, 187, 188, 225, 226, 227, 254, 255};
    check_reciprocals();
    for (int i = 0; i < 31 * 9 * 2; i++)
        for (int j = 0; j < 31 * 9 * 2; j++)
            check(tile_float(exponents[i / 18] << 23 | fractions[i % 9] |
                             (uint32_t)(i / 9 % 2) << 31),
                  tile_float(exponents[j / 18] << 23 | fractions[j % 9] |
                             (uint32_t)(j / 9 % 2) << 31));
    for (long i = 0; i < n; i++) {
        const uint32_t a = random_bits(), b = random_bits(), e = random_bits();
        const uint32_t f = e & 1 ? 0x7FFFFFu - (e >> 1 & 3) : b;
        const uint32_t wide = (e >> 5 & 1) ? 126 : 206; /* numerators of 2^+-62 or +-102 */
        check(tile_float((a & 0x807FFFFFu) | (127 - wide / 2 + (e >> 8) % wide) << 23),
              tile_float((f & 0x7FFFFFu) | (64 + (e >> 16) % 126) << 23));
    }
    if (wrong)
        printf("%d differ\n", wrong);
    return wrong != 0;
}
