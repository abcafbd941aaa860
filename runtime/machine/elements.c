/* Elements of operands of wgmma and tcgen05.mma, by their bits. */
#include "runtime/machine/internal.h"
#include "runtime/numerics/convert.h"

double element_from_f16(uint32_t u)
{
    return tile_f16_to_f32((uint16_t)u);
}
double element_from_bf16(uint32_t u)
{
    return tile_bf16_to_f32((uint16_t)u);
}
/* The low 13 bits are cut, 9.7.15.5.2. */
double element_from_tf32(uint32_t u)
{
    return tile_f32_to_tf32_zero(tile_float(u));
}
double element_from_e4m3(uint32_t u)
{
    return tile_e4m3_to_f32((uint8_t)u);
}
double element_from_e5m2(uint32_t u)
{
    return tile_e5m2_to_f32((uint8_t)u);
}
double element_from_e2m3(uint32_t u)
{
    return (u >> 5 ? -1.0 : 1.0) * (double)tile_widen(u & 31, 3, 1);
}
double element_from_e3m2(uint32_t u)
{
    return (u >> 5 ? -1.0 : 1.0) * (double)tile_widen(u & 31, 2, 3);
}
double element_from_e2m1(uint32_t u)
{
    return tile_e2m1_to_f32((uint8_t)u);
}
double element_from_u8(uint32_t u)
{
    return u;
}
double element_from_s8(uint32_t u)
{
    return (int8_t)u;
}
