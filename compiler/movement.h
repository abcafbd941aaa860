/* What the emitter moves: tiles between registers and memory, and from one layout to another. It
 * notes that where Lowered.movements is set, for `tilec layout`. */
#ifndef TILE_MOVEMENT_H
#define TILE_MOVEMENT_H

#include "compiler/swizzle.h"

typedef enum MovementWay {
    MOVE_LOAD,
    MOVE_STORE,
    MOVE_ATOMIC,
    /* A conversion from one layout to another: */
    MOVE_REGISTERS, /* every thread has what it needs */
    MOVE_SHUFFLES,  /* its warp has it */
    MOVE_SHARED     /* by find_shared_place */
} MovementWay;

/* Memory is an array of elements for which element `index` along tile axis d is at index *
 * stride[d]. */
enum { STRIDE_UNKNOWN = -1 /* a run-time number, or no linear function */ };

typedef struct Movement {
    MovementWay way;
    int line;           /* of the source */
    const Value *value; /* the tile */
    Type type;          /* the same, with the type of its elements in memory */
    Layout from, to;    /* of an access: `from` */
    /* Of an access: */
    const char *tensor;
    bool shared; /* a local tensor in shared memory */
    Vectors vectors;
    int64_t stride[MAX_RANK];
} Movement;

typedef struct Movements {
    Movement *items;
    int count, capacity;
} Movements;

/* Sectors of 32 bytes that a warp touches in the access of vector `o`; `bytes`: how many bytes it
 * moves. Where strides are unknown, rows begin with a sector and are far from each other. */
int movement_sectors(const Movement *, int64_t o, int64_t *bytes);

#endif
