/* ldmatrix and stmatrix, 8 x 8 matrices of 16-bit elements (PTX ISA 9.7.14.5.15, .16). Lane 8 j + r
 * brings the address of row r of matrix j; the row's access is that lane's. */
#include <string.h>

#include "runtime/machine/internal.h"

enum { TRANSPOSED = 8, ROW_BYTES = 16 };

/* Where element (row, column) of a matrix is: lane and half of its register. */
static void fragment(int row, int column, bool transposed, int *lane, int *half)
{
    int r = transposed ? column : row, c = transposed ? row : column;
    *lane = 4 * r + c / 2;
    *half = c % 2;
}

static bool finish_load(Warp *w)
{
    int count = (int)w->detail & 7;
    for (int k = 0; k < 8 * count; k++) {
        Thread *t = warp_lane(w, k);
        uint16_t row[8];
        Region *r = shared_find(t, t->pointer, ROW_BYTES, ROW_BYTES, false, "ldmatrix reads");
        memory_read(t, row, t->pointer, r, ROW_BYTES, TOUCH_READ);
        bank_count(t, r, t->pointer, ROW_BYTES);
        for (int c = 0; c < 8; c++) {
            int lane, half;
            fragment(k % 8, c, w->detail & TRANSPOSED, &lane, &half);
            uint32_t *word = &warp_lane(w, lane)->words[k / 8];
            *word = half ? (*word & 0xFFFF) | (uint32_t)row[c] << 16 : row[c];
        }
    }
    return true;
}

static bool finish_store(Warp *w)
{
    int count = (int)w->detail & 7;
    for (int k = 0; k < 8 * count; k++) {
        Thread *t = warp_lane(w, k);
        uint16_t row[8];
        for (int c = 0; c < 8; c++) {
            int lane, half;
            fragment(k % 8, c, w->detail & TRANSPOSED, &lane, &half);
            row[c] = (uint16_t)(warp_lane(w, lane)->words[k / 8] >> 16 * half);
        }
        Region *r = shared_find(t, t->pointer, ROW_BYTES, ROW_BYTES, false, "stmatrix writes");
        memory_write(t, t->pointer, r, row, ROW_BYTES, TOUCH_WRITE);
        bank_count(t, r, t->pointer, ROW_BYTES);
    }
    return true;
}

static uint64_t detail_of(int count, int transposed)
{
    return (uint64_t)count | (transposed ? TRANSPOSED : 0);
}

void machine_load_matrix(uint32_t *r, const void *row, int count, int transposed)
{
    Thread *t = ENTER("ldmatrix");
    t->pointer = (void *)(uintptr_t)row;
    together(t, DO_LOAD_MATRIX, detail_of(count, transposed), ONE_PLACE_ALL_LANES, finish_load);
    memcpy(r, t->words, (size_t)count * sizeof *r);
}

void machine_store_matrix(void *row, const uint32_t *r, int count, int transposed)
{
    Thread *t = ENTER("stmatrix");
    t->pointer = row;
    memcpy(t->words, r, (size_t)count * sizeof *r);
    together(t, DO_STORE_MATRIX, detail_of(count, transposed), ONE_PLACE_ALL_LANES, finish_store);
}
