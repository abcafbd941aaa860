// sm90, T=bf16 O=e4m3 S=f32 G=128 pow2=false x=row y=row sf=row BM=1 BK=1024
#include "runtime/device/tile.h"

typedef struct tk_per_token_cast_args {
    const uint16_t *x;
    int64_t M;
    int64_t K;
    int64_t x_stride0;
    uint8_t *y;
    float *sf;
    int64_t sf_extent1;
    int64_t programs;
    TileDivisor k_count;
} tk_per_token_cast_args;

// per_token_cast, kernels.tile/quant/per_token_cast.tile:14
TILE_KERNEL(tk_per_token_cast, tk_per_token_cast_args, 128, 0)
{
    const int lane = tile_lane(), warp = 0;
    const int64_t program = tile_block() * 4 + tile_warp();
    (void)lane, (void)warp;
    const tile_index K = tile_natural(a.K);
    const tile_index sf_extent1 = tile_natural(a.sf_extent1);
    if (program < a.programs) {
        const int64_t rest_1 = tile_divide_u32((uint32_t)program, a.k_count), k_number = program - rest_1 * (int64_t)a.k_count.divisor;
        const tile_index k = tile_natural(k_number * 1024);
        const tile_index m = tile_natural(rest_1);
        TILE_LINE(15) // let v = reshape(f32(x[m +: BM, k +: BK]), BM, BK // G, G);
        const uint16_t *const x_at = a.x + (tile_wide(m) * a.x_stride0 + k + lane * 16);
        uint16_t t[32];
        TILE_EACH(o, 4) {
            const int r = o * 8;
            tile_load_8_u16_at(&t[r], x_at + r % 16 + r / 16 * 512, true, K - (k + lane * 16 + r % 16 + r / 16 * 512), 0u, TILE_STREAM);
        }
        float t_1[32];
        TILE_EACH(r, 32) t_1[r] = tile_bf16_to_f32(t[r]);
        TILE_LINE(16) // let a = max(amax(abs(v), 2), lo);
        float amax[2];
        TILE_EACH(r, 2) amax[r] = tile_float(0xFF800000u);
        TILE_EACH(r, 32) amax[r / 16] = tile_max_abs_f32(amax[r / 16], t_1[r]);
        TILE_EACH(r, 2) amax[r] = tile_max_f32(amax[r], tile_shuffle_xor_f32(amax[r], 1));
        TILE_EACH(r, 2) amax[r] = tile_max_f32(amax[r], tile_shuffle_xor_f32(amax[r], 2));
        TILE_EACH(r, 2) amax[r] = tile_max_f32(amax[r], tile_shuffle_xor_f32(amax[r], 4));
        float a_1[2];
        TILE_EACH(r, 2) a_1[r] = tile_max_f32(amax[r], 9.99999975e-05f);
        TILE_LINE(3) // fn exact_scale(amax, top) { return (amax / top, top / amax); }
        float s[2];
        TILE_EACH(r, 2) s[r] = tile_result(a_1[r] / 448.0f);
        float inv[2];
        TILE_EACH(r, 2) inv[r] = 448.0f / a_1[r];
        TILE_LINE(18) // y[m +: BM, k +: BK] = O(reshape(v * inv, BM, BK));
        float t_2[32];
        TILE_EACH(r, 32) t_2[r] = t_1[r] * inv[r / 16];
        uint8_t *const y_at = a.y + (tile_wide(m) * K + k + lane * 16);
        TILE_EACH(o, 2) {
            const int r = o * 16;
            tile_store_16_e4m3_f32_at(y_at + r % 16 + r / 16 * 512, &t_2[r], true, K - (k + lane * 16 + r % 16 + r / 16 * 512), TILE_PLAIN);
        }
        TILE_LINE(19) // sf[m +: BM, k // G +: BK // G] = S(reshape(s, BM, BK // G));
        const tile_index t_3 = k / 128;
        float *const sf_at = a.sf + (tile_wide(m) * sf_extent1 + t_3 + lane / 8);
        TILE_EACH(r, 2) tile_store_f32(sf_at + r * 4, s[r], lane % 8 == 0 && t_3 + lane / 8 + r * 4 < sf_extent1, TILE_PLAIN);
    }
}
