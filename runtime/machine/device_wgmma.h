/* The functions of runtime/device/wgmma.h for the machine model. */
#ifndef TILE_MACHINE_DEVICE_WGMMA_H
#define TILE_MACHINE_DEVICE_WGMMA_H

/* ---- ldmatrix, stmatrix ---- */

#define TILE_MACHINE_MATRIX(n)                                            \
    TILE_FN void tile_ldmatrix_x##n(uint32_t *r, const void *row)         \
    {                                                                     \
        tile__machine->load_matrix(r, row, n, 0);                         \
    }                                                                     \
    TILE_FN void tile_ldmatrix_x##n##_trans(uint32_t *r, const void *row) \
    {                                                                     \
        tile__machine->load_matrix(r, row, n, 1);                         \
    }                                                                     \
    TILE_FN void tile_stmatrix_x##n(void *row, const uint32_t *r)         \
    {                                                                     \
        tile__use_words(r, 4 * n);                                        \
        tile__machine->store_matrix(row, r, n, 0);                        \
    }                                                                     \
    TILE_FN void tile_stmatrix_x##n##_trans(void *row, const uint32_t *r) \
    {                                                                     \
        tile__use_words(r, 4 * n);                                        \
        tile__machine->store_matrix(row, r, n, 1);                        \
    }
TILE_MACHINE_MATRIX(1)
TILE_MACHINE_MATRIX(2)
TILE_MACHINE_MATRIX(4)
#undef TILE_MACHINE_MATRIX

/* ---- wgmma ---- */

TILE_FN uint64_t tile_wgmma_descriptor(const void *s, int lead, int stride, int swizzle)
{
    const uint64_t code = swizzle == 128 ? 1 : swizzle == 64 ? 2 : swizzle == 32 ? 3 : 0;
    return (uint64_t)(tile__machine->shared_address(s) >> 4 & 0x3FFF) |
           (uint64_t)(lead >> 4 & 0x3FFF) << 16 | (uint64_t)(stride >> 4 & 0x3FFF) << 32 |
           code << 62;
}

#define tile_wgmma_fence() tile__machine->wgmma_fence()
#define tile_wgmma_commit() tile__machine->wgmma_commit()
#define tile_wgmma_wait(n) tile__machine->wgmma_wait(n)

#define TILE_WGMMA_K_bf16 16
#define TILE_WGMMA_K_f16 16
#define TILE_WGMMA_K_tf32 8
#define TILE_WGMMA_K_e4m3 32
#define TILE_WGMMA_K_e5m2 32
#define TILE_WGMMA_K_e4m3_e5m2 32
#define TILE_WGMMA_K_e5m2_e4m3 32

#define TILE_MACHINE_WGMMA(name, n, type, majors)                                   \
    TILE_FN void name(float *d, uint64_t a, uint64_t b, int accumulate)             \
    {                                                                               \
        tile__machine->wgmma(d, n, TILE_WGMMA_##type, 0, a, b, accumulate, majors); \
    }
#define TILE_MACHINE_WGMMA_RS(name, n, type, majors)                                \
    TILE_FN void name(float *d, const uint32_t *a, uint64_t b, int accumulate)      \
    {                                                                               \
        tile__machine->wgmma(d, n, TILE_WGMMA_##type, a, 0, b, accumulate, majors); \
    }

/* Arguments may be macros themselves. */
#define TILE_WGMMA(type, n) TILE_MACHINE_WGMMA_0(type, n)
#define TILE_MACHINE_WGMMA_0(type, n) TILE_MACHINE_WGMMA_1(type, n, TILE_WGMMA_K_##type)
#define TILE_MACHINE_WGMMA_1(type, n, depth) TILE_MACHINE_WGMMA_2(type, n, depth)
#define TILE_MACHINE_WGMMA_2(type, n, depth)                                       \
    TILE_MACHINE_WGMMA(tile_wgmma_m64n##n##k##depth##_f32_##type##_ss, n, type, 0) \
    TILE_MACHINE_WGMMA_RS(tile_wgmma_m64n##n##k##depth##_f32_##type##_rs, n, type, 0)
#define TILE_WGMMA_MAJORS(type, n) TILE_MACHINE_WGMMA_MAJORS_0(type, n)
#define TILE_MACHINE_WGMMA_MAJORS_0(type, n)                                   \
    TILE_WGMMA(type, n)                                                        \
    TILE_MACHINE_WGMMA(tile_wgmma_m64n##n##k16_f32_##type##_ss_mk, n, type, 1) \
    TILE_MACHINE_WGMMA(tile_wgmma_m64n##n##k16_f32_##type##_ss_kn, n, type, 2) \
    TILE_MACHINE_WGMMA(tile_wgmma_m64n##n##k16_f32_##type##_ss_mn, n, type, 3) \
    TILE_MACHINE_WGMMA_RS(tile_wgmma_m64n##n##k16_f32_##type##_rs_kn, n, type, 2)

/* What is computed from accumulators passes here on its way to memory. */
#define tile_f32_to_bf16(x) tile_f32_to_bf16(tile__use_f32(x))
#define tile_f32_to_f16(x) tile_f32_to_f16(tile__use_f32(x))
#define tile_f32_to_e4m3(x) tile_f32_to_e4m3(tile__use_f32(x))
#define tile_f32_to_e5m2(x) tile_f32_to_e5m2(tile__use_f32(x))

#endif
