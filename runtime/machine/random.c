/* The seed's numbers (splitmix64, by its published definition). */
#include "runtime/machine/internal.h"

uint64_t random_bits(Machine *m)
{
    uint64_t z = m->random += 0x9E3779B97F4A7C15ull;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return z ^ z >> 31;
}

uint32_t random_below(Machine *m, uint32_t n)
{
    return (uint32_t)((random_bits(m) >> 32) * n >> 32);
}
