// sm90, D=4096 x=row w=row y=row BM=1
#include "runtime/device/tile.h"

typedef struct tk_rms_norm_args {
    const uint16_t *x;
    int64_t M;
    const uint16_t *w;
    uint16_t *y;
    float eps;
} tk_rms_norm_args;

// rms_norm, examples/rms_norm.tile:4
TILE_KERNEL(tk_rms_norm, tk_rms_norm_args, 128, 0)
{
    char *const shared = tile_shared();
    const int lane = tile_lane(), warp = tile_warp();
    const tile_index program = tile_block();
    (void)lane, (void)warp;
    const tile_index m = tile_natural(program);
    TILE_LINE(5) // let v = f32(x[m +: BM, :]);
    const uint16_t *const x_at = a.x + (tile_wide(m) * 4096 + lane * 8 + warp * 256);
    uint16_t t[32];
    TILE_EACH(o, 4) {
        const int r = o * 8;
        tile_load_8_u16(&t[r], x_at + r % 8 + r / 8 * 1024, true, 0u, TILE_CONSTANT);
    }
    float v[32];
    TILE_EACH(r, 32) v[r] = tile_bf16_to_f32(t[r]);
    TILE_LINE(6) // let r = rsqrt(sum(v * v, 1) / D + eps);
    float sum[1];
    TILE_EACH(r, 1) sum[r] = 0.0f;
    TILE_EACH(r, 32) sum[0] = tile_fma(v[r], v[r], sum[0]);
    TILE_EACH(r, 1) sum[r] = tile_add_f32(sum[r], tile_shuffle_xor_f32(sum[r], 1));
    TILE_EACH(r, 1) sum[r] = tile_add_f32(sum[r], tile_shuffle_xor_f32(sum[r], 2));
    TILE_EACH(r, 1) sum[r] = tile_add_f32(sum[r], tile_shuffle_xor_f32(sum[r], 4));
    TILE_EACH(r, 1) sum[r] = tile_add_f32(sum[r], tile_shuffle_xor_f32(sum[r], 8));
    TILE_EACH(r, 1) sum[r] = tile_add_f32(sum[r], tile_shuffle_xor_f32(sum[r], 16));
    float *const parts = (float *)(shared + 0);
    if (lane / 1 % 32 == 0) TILE_EACH(r, 1) tile_shared_store_f32(parts + (warp * 1 + r) * 1 + 0, sum[r]);
    tile_sync();
    TILE_EACH(r, 1) {
        sum[r] = tile_shared_load_f32(parts + (0 * 1 + r) * 1 + 0);
        TILE_UNROLL for (int w = 1; w < 4; w++)
            sum[r] = tile_add_f32(sum[r], tile_shared_load_f32(parts + ((0 + w * 1) * 1 + r) * 1 + 0));
    }
    const float t_1 = sum[0] / 4096.0f;
    const float t_2 = t_1 + a.eps;
    const float r_1 = tile_rsqrt(t_2);
    TILE_LINE(7) // y[m +: BM, :] = bf16(v * r * reshape(f32(w[:]), 1, D));
    const uint16_t *const w_at = a.w + (lane * 8 + warp * 256);
    uint16_t t_3[32];
    TILE_EACH(o, 4) {
        const int r = o * 8;
        tile_load_8_u16(&t_3[r], w_at + r % 8 + r / 8 * 1024, true, 0u, TILE_CONSTANT);
    }
    float t_4[32];
    TILE_EACH(r, 32) t_4[r] = tile_bf16_to_f32(t_3[r]);
    float wide[32];
    TILE_EACH(r, 32) wide[r] = ((v[r] * r_1) * t_4[r]);
    uint16_t *const y_at = a.y + (tile_wide(m) * 4096 + lane * 8 + warp * 256);
    TILE_EACH(o, 4) {
        const int r = o * 8;
        tile_store_8_bf16_f32(y_at + r % 8 + r / 8 * 1024, &wide[r], true, TILE_PLAIN);
    }
}
