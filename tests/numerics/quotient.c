/* tile_quotient against the CPU's division, with reciprocals that are off by one in the last place
 * as a GPU's may be: where tile_fit says yes, every bit is the same; and it says yes where it
 * should. Arguments: how many random pairs. Prints what differs; exit code 1 if anything does. */
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

static bool fits(float a, float b, int exponent, bool positive)
{
    TileOperands o = TILE_OPERANDS;
    if (positive)
        tile_gather_positive(&o, a);
    else
        tile_gather_numerator(&o, a);
    tile_gather_positive(&o, b);
    return tile_fit(o, exponent);
}

static bool within(float x, int exponent)
{
    return fabsf(x) >= ldexpf(1.0f, -exponent) && fabsf(x) <= ldexpf(1.0f, exponent);
}

static void check(float a, float b)
{
    for (last_place = -1; last_place <= 1; last_place++) {
        float q = tile_quotient(a, b);
        if (fits(a, b, TILE_WIDE, false) && tile_bits(q) != tile_bits(a / b))
            differs("one", a, b, q);
        float second = tile_quotient(q, b);
        if (fits(a, b, TILE_NEAR, false) && tile_bits(second) != tile_bits(q / b))
            differs("the second of two", q, b, second);
    }
    for (int exponent = TILE_NEAR; exponent <= TILE_WIDE; exponent += TILE_WIDE - TILE_NEAR) {
        const bool divides = b > 0.0f && within(b, exponent);
        if (fits(a, b, exponent, false) != (divides && (a == 0.0f || within(a, exponent))))
            differs("fit", a, b, a / b);
        if (fits(a, b, exponent, true) != (divides && a > 0.0f && within(a, exponent)))
            differs("fit of one sign", a, b, a / b);
    }
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 1000000;
    const uint32_t fractions[] = {0,        1,        2,        0x3FFFFF, 0x400000,
                                  0x400001, 0x7FFFFD, 0x7FFFFE, 0x7FFFFF};
    const uint32_t exponents[] = {0,   1,   66,  67,  68,  86,  87,  88,  126, 127,
                                  128, 166, 167, 168, 186, 187, 188, 254, 255};
    for (int i = 0; i < 19 * 9 * 2; i++)
        for (int j = 0; j < 19 * 9 * 2; j++)
            check(tile_float(exponents[i / 18] << 23 | fractions[i % 9] |
                             (uint32_t)(i / 9 % 2) << 31),
                  tile_float(exponents[j / 18] << 23 | fractions[j % 9] |
                             (uint32_t)(j / 9 % 2) << 31));
    for (long i = 0; i < n; i++) {
        const uint32_t a = random_bits(), b = random_bits(), e = random_bits();
        const uint32_t f = e & 1 ? 0x7FFFFFu - (e >> 1 & 3) : b;
        check(tile_float((a & 0x807FFFFFu) | (64 + (e >> 8) % 126) << 23),
              tile_float((f & 0x7FFFFFu) | (64 + (e >> 16) % 126) << 23));
    }
    if (wrong)
        printf("%d differ\n", wrong);
    return wrong != 0;
}
