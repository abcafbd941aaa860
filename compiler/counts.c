/* Normal forms of counts: IR expressions as sums of products of atoms. */
#include "compiler/counts.h"

#include <string.h>

enum { MOST_PRODUCTS = 48, MOST_FACTORS = 8, LONGEST_TEXT = 160, MOST_LOOPS = 60 };

/* Sums */

static const Sum too_large = {.too_large = true};

Sum sum_constant(int64_t n)
{
    static const Product none;
    (void)none;
    return n ? (Sum){.count = -1, .items = NULL} : (Sum){0};
}
