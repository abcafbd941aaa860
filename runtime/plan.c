#include "runtime/plan.h"

/* floor(2^width * (2^shift - d) / d) + 1, by long division. */
static uint64_t magic(uint64_t d, int shift, int width)
{
    uint64_t rest = shift < 64 ? ((uint64_t)1 << shift) - d : 0 - d, quotient = 0;
    for (int i = 0; i < width; i++) {
        bool carry = rest >> 63;
        rest <<= 1;
        quotient <<= 1;
        if (carry || rest >= d) {
            rest -= d;
            quotient |= 1;
        }
    }
    return quotient + 1;
}

tile_divisor tile__divisor(int64_t divisor)
{
    tile_divisor out = {.divisor = divisor, .shift = 62};
    uint64_t d = divisor < 0 ? 0 - (uint64_t)divisor : (uint64_t)divisor;
    if (d == 0)
        return out;
    int shift = 0;
    while (shift < 63 && (uint64_t)1 << shift < d)
        shift++;
    out.shift = shift;
    out.magic = magic(d, shift, 64);
    out.magic32 = shift < 32 ? (uint32_t)magic(d, shift, 32) : 0;
    return out;
}
