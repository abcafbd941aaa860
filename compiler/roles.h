/* Roles of a program (R16) on the way to CUDA: each is a range of the block's warps. */
#ifndef TILE_ROLES_H
#define TILE_ROLES_H

#include "compiler/lower.h"

struct RolePlan {
    const Region *region;
    int first, warps;
};

/* The role that the operation is part of; NULL: none. */
const RolePlan *role_at(const PhasePlan *, const Op *);

#endif
