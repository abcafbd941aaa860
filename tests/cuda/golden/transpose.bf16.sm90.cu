// sm90, T=bf16 x=row y=row BM=128 BN=128 R=3
#include "runtime/device/tile.h"

typedef struct tk_transpose_args {
    const uint16_t *x;
    int64_t B;
    int64_t M;
    int64_t N;
    int64_t x_stride1;
    int64_t x_stride0;
    int64_t x_stride0_1;
    uint16_t *y;
    int64_t y_stride0;
    TileDivisor n_count;
    TileDivisor m_count;
} tk_transpose_args;

// transpose, kernels.tile/transpose/transpose.tile:5
TILE_KERNEL(tk_transpose, tk_transpose_args, 256, 3)
{
    char *const shared = tile_shared();
    const int lane = tile_lane(), warp = tile_warp();
    const tile_index program = tile_block();
    (void)lane, (void)warp;
    const tile_index B = tile_natural(a.B);
    const tile_index M = tile_natural(a.M);
    const tile_index N = tile_natural(a.N);
    const tile_index rest_1 = tile_divide_u32((uint32_t)program, a.n_count), n_number = program - rest_1 * (tile_index)a.n_count.divisor;
    const tile_index n = tile_natural(n_number * 128);
    const tile_index rest_2 = tile_divide_u32((uint32_t)rest_1, a.m_count), m_number = rest_1 - rest_2 * (tile_index)a.m_count.divisor;
    const tile_index m = tile_natural(m_number * 128);
    const tile_index b = tile_natural(rest_2);
    TILE_LINE(6) // y[b, n +: BN, m +: BM] = trans(x[b, m +: BM, n +: BN]);
    const uint16_t *const x_at = a.x + (tile_wide(b) * a.x_stride0_1 + tile_wide(m + lane / 16 * 8 + warp * 16) * a.x_stride1 + n + lane % 16 * 8);
    uint16_t t[64];
    uint32_t words[8][4];
    if (TILE_ALIGNED || !(m + 128 <= M && n >= 8 && n + 136 <= N)) {
        TILE_EACH(o, 8) {
            const int r = o * 8;
            tile_vector_read(words[o], x_at + (int64_t)(r / 8) * a.x_stride1 + r % 8, 16, 2, m + lane / 16 * 8 + warp * 16 + r / 8 < M, (N - (n + lane % 16 * 8 + r % 8)) * 2, TILE_CONSTANT);
        }
    }
    else {
        TILE_STEP(o, 8, 4) {
            TileAsked asked[4];
            TILE_EACH(k, 4) {
                const int r = (o + k) * 8;
                asked[k] = tile_ask(x_at + (int64_t)(r / 8) * a.x_stride1 + r % 8, TILE_CONSTANT);
            }
            TILE_EACH(k, 4) tile_take(words[o + k], &asked[k]);
        }
    }
    TILE_EACH(o, 8) tile_unpack_8_u16(&t[o * 8], words[o]);
    uint16_t *const turn = (uint16_t *)(shared + 0);
    TILE_EACH(o, 8) {
        const int r = o / 8 * 64 + o % 8;
        uint16_t piece[8];
        TILE_EACH(i, 8) piece[i] = t[r + i * 8];
        tile_shared_store_8_u16(turn + ((r / 8 + lane / 16 * 8 + warp * 16) ^ ((r % 8 + lane % 16 * 8) >> 3 & 7) * 8) + (r % 8 + lane % 16 * 8) * 128, piece);
    }
    if (TILE_ALIGNED) {
        uint16_t turned[64];
        tile_sync();
        TILE_EACH(o, 8) {
            const int r = o * 8;
            tile_shared_load_8_u16(&turned[r], turn + ((r % 8 + lane % 16 * 8) ^ ((lane / 16 + warp * 2 + r / 8 * 16) >> 3 & 7) * 8) + (lane / 16 + warp * 2 + r / 8 * 16) * 128);
        }
        uint16_t *const y_at = a.y + (tile_wide(b) * a.y_stride0 + tile_wide(n + lane / 16 + warp * 2) * M + m + lane % 16 * 8);
        TILE_EACH(o, 8) {
            const int r = o * 8;
            tile_store_8_u16_at(y_at + (int64_t)(r / 8 * 16) * M + r % 8, &turned[r], n + lane / 16 + warp * 2 + r / 8 * 16 < N, M - (m + lane % 16 * 8 + r % 8), TILE_PLAIN);
        }
    }
    else {
        const TileRows rows = {128, 16, 3, 7, 2, 256};
        const TileRowsAt rows_at = {(char *)(a.y + ((int64_t)(b) * a.y_stride0 + (int64_t)(n) * M + m)), (int64_t)M * 2, 0, tile_inside(b, B) ? (int)tile_min_i64(128, N - n) : 0, (int)tile_min_i64(144, M - m) * 2};
        uint16_t *const halo = (uint16_t *)(shared + 32768);
        tile_rows_halo((char *)halo, (const char *)(a.x + ((int64_t)b * a.x_stride0_1 + (int64_t)(m + 128) * a.x_stride1 + n)), a.x_stride1 * 2, 1 * 2, rows_at, rows, warp * 32 + lane);
        tile_sync();
        tile_rows_store_whole((const char *)turn, (const char *)halo, rows_at, rows, m == 0, warp * 32 + lane, TILE_PLAIN);
    }
}
