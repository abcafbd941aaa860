/* What `load x ..` and `store y ..` ask of the moves of a tensor's tiles. */
#ifndef TILE_PATHS_H
#define TILE_PATHS_H

#include "compiler/lower.h"

typedef struct Path {
    const Word *smem, *tma, *vector, *regs; /* NULL: not asked */
    int64_t elements;                       /* of a vector; 0: the compiler chooses */
} Path;

/* paths_check has seen that it can be. */
Path path_of(const Lowered *, const PhasePlan *, const Op *access);

#endif
