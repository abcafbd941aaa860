/* ldmatrix and stmatrix on a tile of 16 x 16 16-bit elements, rows 32 bytes apart. */
#include "runtime/device/tile.h"
#include "runtime/device/wgmma.h"

typedef struct matrix_args {
    const uint16_t *x;
    uint32_t *fragments; /* a lane: x4, x4 transposed, x2, x1 */
    uint16_t *y;         /* three tiles: stored x4 transposed; x2 and x2 transposed; x1 */
} matrix_args;

/* The row that this lane gives of the four matrices: down, then right. */
TILE_FN char *row_of(char *tile, int lane)
{
    return tile + (lane / 8 % 2 * 8 + lane % 8) * 32 + lane / 16 * 16;
}

TILE_FN void dump(uint32_t *to, const uint32_t *r, int n)
{
    for (int i = 0; i < n; i++)
        tile_global_write(to + i, r + i, 4, TILE_PLAIN);
}

TILE_KERNEL(matrix, matrix_args, 32, 0)
{
    char *const in = tile_shared(), *const out = in + 512;
    const int lane = tile_lane();
    uint32_t w[4], r[11];
    tile_global_read(w, (const char *)a.x + 16 * lane, 16, TILE_CONSTANT);
    tile_shared_write(in + 16 * lane, w, 16);
    tile_sync_warp();
    tile_ldmatrix_x4(r, row_of(in, lane));
    tile_ldmatrix_x4_trans(r + 4, row_of(in, lane));
    tile_ldmatrix_x2(r + 8, row_of(in, lane % 16));
    tile_ldmatrix_x1(r + 10, row_of(in, lane % 8));
    dump(a.fragments + 11 * lane, r, 11);
    tile_stmatrix_x4_trans(row_of(out, lane), r);
    tile_stmatrix_x2(row_of(out + 512, lane % 16), r);
    tile_stmatrix_x2_trans(row_of(out + 512, lane % 16) + 16, r + 2);
    tile_stmatrix_x1(row_of(out + 1024, lane % 8), r + 10);
    tile_stmatrix_x1_trans(row_of(out + 1024, lane % 8) + 16, r + 10);
    tile_stmatrix_x2(row_of(out + 1024, lane % 8 + 8) + lane / 8 % 2 * 16, r + 8);
    tile_sync_warp();
    for (int k = 0; k < 3; k++) {
        tile_shared_read(w, out + 512 * k + 16 * lane, 16);
        tile_global_write((char *)a.y + 512 * k + 16 * lane, w, 16, TILE_PLAIN);
    }
}
