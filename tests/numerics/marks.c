/* tile_sort_marks_u32 for up to 16 elements: a network that sorts every pattern of zeros and ones
 * sorts all numbers (Knuth, 5.3.4). And the keys of floats: in the order of R10. Prints what is
 * wrong; exit code 1 if anything is. */
#include <stdio.h>

#define TILE_MACHINE 1
#include "runtime/machine/device.h"

#include "runtime/device/tile.h"

static int check_sort(int n)
{
    for (uint32_t pattern = 0; pattern < 1u << n; pattern++) {
        uint32_t x[16];
        int ones = 0;
        for (int i = 0; i < n; i++)
            x[i] = pattern >> i & 1, ones += (int)x[i];
        tile_sort_marks_u32(x, n);
        for (int i = 0; i < n; i++)
            if (x[i] != (i < ones)) {
                printf("%d elements, pattern %x: not sorted\n", n, pattern);
                return 1;
            }
    }
    return 0;
}

static int check_keys(void)
{
    /* Ascending; those of a line are equal. */
    static const uint32_t bits[][4] = {
        {0xFF800000u, 0xFF800000u, 0xFF800000u, 0xFF800000u},
        {0xFF7FFFFFu, 0xFF7FFFFFu, 0xFF7FFFFFu, 0xFF7FFFFFu},
        {0xBF800000u, 0xBF800000u, 0xBF800000u, 0xBF800000u},
        {0x80000001u, 0x80000001u, 0x80000001u, 0x80000001u},
        {0x80000000u, 0x00000000u, 0x80000000u, 0x00000000u},
        {0x00000001u, 0x00000001u, 0x00000001u, 0x00000001u},
        {0x3F800000u, 0x3F800000u, 0x3F800000u, 0x3F800000u},
        {0x7F800000u, 0x7F800000u, 0x7F800000u, 0x7F800000u},
        {0x7FC00000u, 0xFFC00001u, 0x7F800001u, 0xFFFFFFFFu},
    };
    int wrong = 0;
    for (int i = 0; i < 9; i++)
        for (int k = 0; k < 4; k++) {
            const uint32_t key = tile_key_f32(tile_float(bits[i][k]));
            if (key != tile_key_f32(tile_float(bits[i][0])) ||
                (i && key <= tile_key_f32(tile_float(bits[i - 1][0]))))
                wrong += printf("the key of %08x is %08x\n", bits[i][k], key) > 0;
        }
    return wrong;
}

int main(void)
{
    int wrong = check_keys();
    for (int n = 1; n <= 16; n++)
        wrong += check_sort(n);
    return wrong != 0;
}
