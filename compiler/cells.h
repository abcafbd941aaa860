/* Local tensors (R23) that threads keep for themselves. Where every access of one takes the same
 * part of it, a cell, and threads hold the elements of a cell alike in all of them, each thread
 * stores and loads what it holds: in registers, if every index is known once loops are unrolled,
 * or in shared memory, thread beside thread, where no barrier and no bank conflict comes of it. */
#ifndef TILE_CELLS_H
#define TILE_CELLS_H

#include "compiler/ranges.h"

#include "compiler/lower.h"

struct Cells {
    const Op *local;
    const Access *access; /* that all accesses have */
    int64_t count;        /* of cells */
    const Word *copied;   /* of a pipeline: loads are copied to it beside the threads; NULL: none */
    bool unrolled;        /* every index is known once loops are unrolled */
    /* After layouts: */
    bool registers, shared; /* neither: it lies in shared memory as a tile */
    Layout layout;          /* of a cell; none where it is one element */
    int64_t regs;           /* of a cell in a thread */
};

/* Bytes a thread of a unit needs for them. */
int64_t cells_bytes(const Cells *);

#endif
