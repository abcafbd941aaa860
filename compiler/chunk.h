/* Inside the pass `chunk D sizes(..)` (chunk.c): tile axes of extent D are cut into pieces.
 *
 * What has such an axis and is computed piece by piece becomes part of a loop over pieces; where a
 * reduction needs the whole axis, one loop ends and another begins behind its result. The
 * operations of a region get times: even ones stand in the region as they are, odd ones in the loop
 * of that time. A loop that needs what another computed computes it again, from what it loads
 * again; what cannot be had so is kept in a local tensor.
 */
#ifndef TILE_CHUNK_H
#define TILE_CHUNK_H

#include "compiler/lower.h"

/* The axis of a tile along which it is cut: `extent` elements in pieces of `piece`. A reshape may
 * leave groups of elements as one. */
typedef struct Cut {
    int axis; /* -1: it is not cut */
    int64_t extent, piece;
} Cut;

/* A cut value that is in a local tensor. */
typedef struct Kept {
    const Value *value;
    Value *local;
} Kept;

/* A piece of a value in a loop that is not the one that computes it; or, of a loop's index, the
 * number of its first element, in units of `piece`. */
typedef struct Taken {
    const Value *value;
    const Op *loop;
    int64_t piece; /* 0: of a value */
    Value *is;
} Taken;

typedef struct Chunk {
    Lowered *low;
    Kernel *kernel;
    const PhasePlan *plan;
    const Word *word; /* sizes */
    const char *dim;
    int64_t size, piece; /* of the axis */
    Cut *cut;            /* by Value.id, of what was there before; */
    bool *changes;       /* of what is loaded: the memory is written after that */
    int *time;           /* of what the region in work computes */
    int ids;             /* so many */
    bool changed, failed;
    struct {
        Kept *items;
        int count, capacity;
    } kept;
    struct {
        Taken *items;
        int count, capacity;
    } taken;
    struct {
        Op **items;
        int count, capacity;
    } loops;
} Chunk;

/* ---- chunk_axes.c ---- */

/* Finds the cut of every value of the phase, and whether every operation can be done by pieces.
 * False after a message. */
bool chunk_find_axes(Chunk *);
Cut chunk_cut(const Chunk *, const Value *);
bool is_cut(const Chunk *, const Value *);
/* A reduction over the cut axis: it ends a loop. */
bool chunk_reduces(const Chunk *, const Op *);
/* The cut of what a store stores, also of a constant. */
Cut chunk_stored_cut(const Chunk *, const Op *store);
/* A constant tile has no cut of its own: it is there in any size. */
bool is_constant(const Value *);
/* Has the operation, or one inside of it, something that is cut? */
bool chunk_touches(const Chunk *, const Op *);
/* An operation with regions that can stand in a loop over pieces as a whole. */
bool chunk_is_piecewise(const Chunk *, const Op *);
bool chunk_fail(Chunk *, const Op *, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The tensor axis of an access that goes along dim `dim` of its tile. */
int access_axis(const Access *, int dim);

/* ---- chunk_times.c ---- */

typedef struct Timed {
    Op *op;
    int time;
} Timed;
typedef struct TimedList {
    Timed *items;
    int count, capacity;
    int last; /* the latest time */
} TimedList;
/* Gives the operations of a region their times, but for the one that ends it. */
void chunk_times(Chunk *, Region *, TimedList *);

/* ---- chunk_loops.c ---- */

/* Cuts a region and those inside. */
void chunk_region(Chunk *, Region *);

/* ---- chunk_pieces.c ---- */

/* A loop over the pieces, in front of `at`; it carries `start`. */
Op *chunk_loop(Chunk *, Pos, Op *at, int carried, Value *const *start);
/* Makes an operation that stands in the loop, and those inside of it, one on a piece. */
void chunk_make_piece(Chunk *, Op *loop, Op *);
/* The piece of a value that is cut like c, in the loop, in front of `at`: of a constant, of what
 * the loop computes itself, or taken from elsewhere. */
Value *chunk_piece(Chunk *, Op *loop, Op *at, Value *, Cut c);
/* The local tensor that a value is in; NULL: none. */
Value *chunk_kept(const Chunk *, const Value *);
/* A local tensor for what is cut like c, in front of `at`, and the value is in it from now on. */
Value *chunk_keep_in_local(Chunk *, const Value *, Op *at);
void chunk_is_in(Chunk *, const Value *, Value *local);
/* Stores a piece of it in front of `at`. */
void chunk_store(Chunk *, Op *loop, Op *at, Value *local, Cut c, Value *piece);

#endif
