#ifndef TILE_INTERP_SHAPE_H
#define TILE_INTERP_SHAPE_H

#include "compiler/interp/prepare.h"

/* How a tile is stretched to a shape: strides in bytes, 0 along what it has one of. */
typedef struct Stretch {
    int rank;
    size_t size;
    int64_t extent[MAX_RANK], stride[MAX_RANK];
} Stretch;

Stretch stretch_plan(const Type *from, const Type *to);
/* Writes all elements of the shape from `to` on. */
void stretch_tile(const Stretch *, char *to, const char *from);

#endif
