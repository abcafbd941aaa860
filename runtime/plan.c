#include "runtime/plan.h"

__extension__ typedef unsigned __int128 Wide;

/* floor(2^width * (2^shift - d) / d) + 1 */
static uint64_t magic(uint64_t d, int shift, int width)
{
    uint64_t rest = ((uint64_t)1 << shift) - d;
    return width == 32 ? (rest << 32) / d + 1 : (uint64_t)(((Wide)rest << 64) / d + 1);
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
