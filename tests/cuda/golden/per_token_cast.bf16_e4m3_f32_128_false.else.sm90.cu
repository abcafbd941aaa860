// sm90, T=bf16 O=e4m3 S=f32 G=128 pow2=false x=row y=row sf=row BM=2 BK=1024
#include "runtime/device/tile.h"

typedef struct tk_per_token_cast_args {
    const uint16_t *x;
    int64_t M;
    int64_t K;
    int64_t x_stride0;
    uint8_t *y;
    float *sf;
    int64_t sf_extent1;
    TileDivisor k_count;
} tk_per_token_cast_args;

// per_token_cast, kernels.tile/quant/per_token_cast.tile:14
TILE_KERNEL(tk_per_token_cast, tk_per_token_cast_args, 128, 0)
{
    const int lane = tile_lane(), warp = tile_warp();
    const tile_index program = tile_block();
    (void)lane, (void)warp;
    const tile_index M = tile_natural(a.M);
    const tile_index K = tile_natural(a.K);
    const tile_index sf_extent1 = tile_natural(a.sf_extent1);
    const tile_index rest_1 = tile_divide_u32((uint32_t)program, a.k_count), k_number = program - rest_1 * (tile_index)a.k_count.divisor;
    const tile_index k = tile_natural(k_number * 1024);
    const tile_index m = tile_natural(rest_1 * 2);
    TILE_LINE(15) // let v = reshape(f32(x[m +: BM, k +: BK]), BM, BK // G, G);
    const uint16_t *const x_at = a.x + (tile_wide(m + warp / 2) * a.x_stride0 + k + lane * 16 + warp % 2 * 512);
    uint16_t t[16];
    TILE_EACH(o, 2) {
        const int r = o * 8;
        tile_load_8_u16_at(&t[r], x_at + r, m + warp / 2 < M, K - (k + lane * 16 + warp % 2 * 512 + r), 0u, TILE_STREAM);
    }
    float t_1[16];
    TILE_EACH(r, 16) t_1[r] = tile_bf16_to_f32(t[r]);
    TILE_LINE(16) // let a = max(amax(abs(v), 2), lo);
    float amax[1];
    TILE_EACH(r, 1) amax[r] = tile_float(0xFF800000u);
    TILE_EACH(r, 16) amax[0] = tile_max_abs_f32(amax[0], t_1[r]);
    TILE_EACH(r, 1) amax[r] = tile_max_f32(amax[r], tile_shuffle_xor_f32(amax[r], 1));
    TILE_EACH(r, 1) amax[r] = tile_max_f32(amax[r], tile_shuffle_xor_f32(amax[r], 2));
    TILE_EACH(r, 1) amax[r] = tile_max_f32(amax[r], tile_shuffle_xor_f32(amax[r], 4));
    float a_1[1];
    TILE_EACH(r, 1) a_1[r] = tile_max_f32(amax[r], 9.99999975e-05f);
    TILE_LINE(3) // fn exact_scale(amax, top) { return (amax / top, top / amax); }
    float s[1];
    TILE_EACH(r, 1) s[r] = tile_result(a_1[r] / 448.0f);
    float inv[1];
    TILE_EACH(r, 1) inv[r] = 448.0f / a_1[r];
    TILE_LINE(18) // y[m +: BM, k +: BK] = O(reshape(v * inv, BM, BK));
    float t_2[16];
    TILE_EACH(r, 16) t_2[r] = t_1[r] * inv[0];
    uint8_t *const y_at = a.y + (tile_wide(m + warp / 2) * K + k + lane * 16 + warp % 2 * 512);
    TILE_EACH(o, 1) {
        const int r = o * 16;
        tile_store_16_e4m3_f32_at(y_at + r, &t_2[r], m + warp / 2 < M, K - (k + lane * 16 + warp % 2 * 512 + r), TILE_PLAIN);
    }
    TILE_LINE(19) // sf[m +: BM, k // G +: BK // G] = S(reshape(s, BM, BK // G));
    const tile_index t_3 = k / 128;
    float *const sf_at = a.sf + (tile_wide(m + warp / 2) * sf_extent1 + t_3 + lane / 8 + warp % 2 * 4);
    TILE_EACH(r, 1) tile_store_f32(sf_at, s[r], lane % 8 == 0 && m + warp / 2 < M && t_3 + lane / 8 + warp % 2 * 4 < sf_extent1, TILE_PLAIN);
}
