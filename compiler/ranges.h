/* Which values an integer can have, and what follows: narrower registers, divisions without signs,
 * accesses that cannot leave their tensor. */
#ifndef TILE_RANGES_H
#define TILE_RANGES_H

#include "compiler/ir.h"

typedef struct IntRange {
    int64_t lo, hi;
} IntRange;

typedef struct Ranges {
    IntRange *of;     /* by Value.id; of integers and bools */
    IntRange *narrow; /* the same where no dim is above MOST_NARROW */
    int64_t most;     /* of a dim, while the ranges are found */
} Ranges;

enum { MOST_NARROW = 1 << 30 };

/* All values of the kernel. */
Ranges ranges_find(Arena *, const Kernel *);
/* The type that holds the value in a register: i32 for an i64 that is always small, DT_INDEX for a
 * scalar that is small where dims are. */
DType range_held_type(const Ranges *, const Value *);
/* index >= 0, and index + extent <= size of the axis, whenever the access is reached. `size`: the
 * tensor's extent as a value. */
bool range_is_inside(const Ranges *, const Value *index, int64_t extent, const Value *size);

/* `v` is a multiple of n whenever it is computed. */
bool is_multiple(const Value *v, int64_t n);

#endif
