#ifndef TILE_INTERP_REDUCE_H
#define TILE_INTERP_REDUCE_H

#include "compiler/interp/prepare.h"

/* A tile as [outer, n, inner] around the axis of a reduction or scan. */
typedef struct Lines {
    int64_t outer, n, inner;
    size_t size; /* of an element */
} Lines;

Lines plan_lines(const Type *, int axis);
/* Of op's first arg; axis -1: all elements. */
Lines *keep_lines(Preparer *, const Op *);

/* Sums lines to [outer, 1, inner]. Scratch: n * inner elements for floats. */
void sum_lines(const Lines *, DType, char *to, const char *from, const void *init, bool sequence,
               char *scratch);
/* planned_sum.c: a sum of f32 in the order of its plan. */
void emit_planned_sum(Preparer *, const Op *);
/* Storage floats: f16, bf16, tf32, e4m3, .. */
bool ordered_as_f32(DType);

#endif
