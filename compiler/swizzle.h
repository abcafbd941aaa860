/* A tile in shared memory between two layouts: vectors of registers, chunks, the swizzle, banks. */
#ifndef TILE_SWIZZLE_H
#define TILE_SWIZZLE_H

#include "compiler/layout.h"

/* How registers of a layout come in vectors along a dim: `n` neighbours, `count` times. */
typedef struct Vectors {
    int64_t n, count;
    int mode;     /* the register mode that they run in; -1: n is 1 */
    bool leading; /* neighbours are neighbouring registers */
} Vectors;

Vectors vectors_along(const Layout *, int dim, int64_t most);
/* How many registers apart the elements of a vector are. */
int64_t vector_step(const Layout *, const Vectors *);
/* The register of element 0 of vector `o`. */
int64_t vector_first(const Layout *, const Vectors *, int64_t o);

/* Elements lie in chunks of up to 16 bytes along `fast`, lines of chunks one behind the other;
 * chunk k of line n is at k ^ (n >> shift & mask). */
typedef struct SharedPlace {
    Type type;
    int fast;
    int64_t chunk, chunks; /* elements of a chunk, chunks of a line */
    int shift;
    int64_t mask; /* 0: no swizzle */
} SharedPlace;

/* The place of a holder's element in bytes. */
int64_t shared_byte(const SharedPlace *, const Layout *, int64_t reg, int64_t lane, int64_t warp);
/* Shared memory serves an access of a warp in phases of that many lanes. */
int64_t phase_lanes(int64_t bytes);
/* The most words that one of the 32 banks has to give to lanes that take `bytes` at these bytes. */
int bank_turns(const int64_t *at, int count, int64_t bytes);
/* The same of the phase of vector `o` that begins with lane `first`: as many turns it takes. */
int phase_turns(const SharedPlace *, const Layout *, const Vectors *, int64_t o, int64_t first);
/* Turns beyond one a phase, over all accesses of warp 0. */
int64_t bank_conflicts(const SharedPlace *, const Layout *, const Vectors *);
/* Where the tile lies between `from` and `to`: the axis and swizzle with the fewest conflicts and
 * accesses. `put` and `get`: what the two sides move. */
SharedPlace find_shared_place(const Type *, const Layout *from, const Layout *to, Vectors *put,
                              Vectors *get);

#endif
