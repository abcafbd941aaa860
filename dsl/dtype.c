#include "dsl/dtype.h"

#include <string.h>

const DTypeInfo dtype_info[DT_COUNT + 2] = {
#define X(e, name, bits, kind, npy) [e] = {name, npy, bits, kind, (bits + 7) / 8},
    TILE_DTYPES(X)
#undef X
        [DT_NONE] = {"none", "", 0, 0, 0},
    [DT_INDEX] = {"index", "", 64, 'i', 8},
};

DType dtype_find(const char *name, unsigned length)
{
    for (int t = 0; t < DT_COUNT; t++)
        if (strlen(dtype_info[t].name) == length && memcmp(dtype_info[t].name, name, length) == 0)
            return (DType)t;
    return DT_NONE;
}
