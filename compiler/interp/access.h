/* What loads, stores, atomics and tile indexing have in common: from indices to elements. */
#ifndef TILE_INTERP_ACCESS_H
#define TILE_INTERP_ACCESS_H

#include "compiler/interp/prepare.h"

/* One axis of the tensor or tile that is indexed. */
typedef struct IndexPlan {
    AxisKind kind;
    DType dtype; /* of the index */
    Slot slot;
    int out; /* the axis of the result; -1: a scalar index */
} IndexPlan;

typedef struct AccessPlan {
    int rank, nout;
    IndexPlan axis[MAX_RANK];
    int64_t out_extent[MAX_RANK];
    int64_t elements;    /* of the result or of the tile stored */
    bool scatters;       /* has index tiles */
    int64_t tile_length; /* of the index tiles */
    int64_t sort_room;   /* scratch behind the walk's tables, in words */
    DType dtype;
    size_t size;
    bool packed; /* two e2m1 to a byte */
    uint64_t pad;
    Slot value; /* what is stored */
    View tile;  /* EXTRACT: the tile as a tensor */
} AccessPlan;

#define OUTSIDE INT64_MIN

/* One axis of the result: elements [lo, hi) of n are inside the tensor. Element j is `stride` * j
 * further on, or table[j] (OUTSIDE possible). */
typedef struct WalkAxis {
    int64_t n, lo, hi, stride, out_stride;
    const int64_t *table;
    bool of_tiles; /* the table is of index tiles, not of a split or repeated axis */
} WalkAxis;

typedef struct Walk {
    int64_t base, out;
    int rank;
    bool whole; /* every element is inside */
    bool empty; /* none is */
    WalkAxis axis[MAX_RANK];
} Walk;

/* Reads the indices; tables go to the task's scratch. */
void walk_begin(Task *, const AccessPlan *, const View *, Walk *);

/* A run of elements along the innermost axis. */
typedef struct Run {
    int64_t element, out, n, stride; /* the first element, its place in the tile, how many */
    const int64_t *table;            /* instead of stride: added to element; OUTSIDE possible */
} Run;

/* Calls `each` for every run of inside elements until it gives false. */
typedef bool RunFn(void *context, const Run *);
bool walk_runs(const Walk *, RunFn *, void *context);

#endif
