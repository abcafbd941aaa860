/* What passes build: operations on local tensors that keep a tile, arithmetic of indices. */
#ifndef TILE_LOCALS_H
#define TILE_LOCALS_H

#include "compiler/ir.h"

/* A local tensor with the extents of a tile; not yet in a region. */
Op *local_new(Kernel *, Pos, const char *name, const Type *tile);
/* The whole of a tensor, or `extent` elements of axis `axis` from `start` on (axis -1: the whole).
 * `tile`: what is stored; NULL: a load. Not yet in a region. */
Op *local_access(Kernel *, Pos, Value *local, int axis, int64_t extent, Value *start, Value *tile);

/* Operations of a kernel's regions, from the first: also those inside. */
typedef void OpFn(void *context, Op *);
void each_op(const Region *, OpFn *, void *context);
Op *insert_after(Op *at, Op *); /* gives the second */
/* An i64, or an operation on two of them, in front of `at`. */
Value *number_before(Kernel *, Op *at, int64_t);
Value *binary_before(Kernel *, Pos, Op *at, OpCode, Value *, Value *);

/* A loop's carried value k, or result k of an `if`, is taken away, and what yields give for it. It
 * has no uses any more. */
void drop_carried(Op *, int k);

#endif
