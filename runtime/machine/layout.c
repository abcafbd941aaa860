/* Matrix descriptors of wgmma and tcgen05, and the canonical layouts they select (PTX ISA
 * 9.7.15.5.1.2, 9.7.16.3.3: the same). */
#include "runtime/machine/internal.h"

enum { CHUNK = 16, ROWS = 8 };

static uint32_t field(uint64_t descriptor, int bit)
{
    return (uint32_t)(descriptor >> bit & 0x3FFF) << 4;
}

/* 9.7.15.5.1.2.2 */
const char *operand_decode_wgmma(uint64_t d, bool mn_major, int chunk, Operand *o)
{
    static const uint8_t swizzle[] = {16, 128, 64, 32};
    const uint64_t unused = 0x3ull << 14 | 0x3ull << 30 | 0x7ull << 46 | 0x3FFull << 52;
    *o = (Operand){.mn_major = mn_major,
                   .swizzle = swizzle[d >> 62],
                   .start = field(d, 0),
                   .lead = field(d, 16),
                   .stride = field(d, 32),
                   .chunk = chunk};
    if (d & unused)
        return "bits are set that mean nothing";
    if (d >> 49 & 7)
        return "a base offset other than 0 is not modelled: begin the pattern at its boundary";
    return NULL;
}

/* 9.7.16.4.1 */
const char *operand_decode_tcgen05(uint64_t d, bool mn_major, int chunk, Operand *o)
{
    static const uint8_t swizzle[] = {16, 0, 128, 0, 64, 0, 32, 0};
    const uint64_t unused = 0x3ull << 14 | 0x3ull << 30 | 0xFFull << 53;
    *o = (Operand){.mn_major = mn_major,
                   .swizzle = swizzle[d >> 61],
                   .start = field(d, 0),
                   .lead = field(d, 16),
                   .stride = field(d, 32),
                   .chunk = chunk};
    if ((d >> 46 & 7) != 1)
        return "bits 46 to 48 are not 1, as tcgen05 wants them";
    if (d & unused)
        return "bits are set that mean nothing";
    if (d >> 61 == 1)
        return "the swizzle of 128 bytes in pieces of 32 is not modelled";
    if (!o->swizzle)
        return "there is no such swizzle";
    if (d >> 52 & 1)
        return "an absolute address as leading dimension is of SM103";
    if (d >> 49 & 7)
        return "a base offset other than 0 is not modelled: begin the pattern at its boundary";
    return NULL;
}

/* The address before the swizzle; mn and k count elements. */
static uint32_t linear(const Operand *o, int mn, int k)
{
    int row = o->swizzle / CHUNK;
    uint32_t m = (uint32_t)mn, n = (uint32_t)k, chunk = (uint32_t)o->chunk;
    if (!o->mn_major) {
        uint32_t rows = m % ROWS * (uint32_t)o->swizzle + m / ROWS * o->stride;
        return rows + n / chunk * (row == 1 ? o->lead : CHUNK);
    }
    uint32_t columns = n % ROWS * (uint32_t)o->swizzle;
    if (row == 1)
        return m / chunk * o->stride + columns + n / ROWS * o->lead;
    uint32_t wide = chunk * (uint32_t)row;
    return m % wide / chunk * CHUNK + m / wide * o->lead + columns + n / ROWS * o->stride;
}

uint32_t operand_chunk(const Operand *o, int mn, int k)
{
    uint32_t address = o->start + linear(o, mn, k);
    uint32_t mask = (uint32_t)o->swizzle / CHUNK - 1;
    return address ^ (address >> 7 & mask) << 4;
}
