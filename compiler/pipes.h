/* Roles and pipes (R16, R23): what pipes.c and deadlock.c share. */
#ifndef TILE_PIPES_H
#define TILE_PIPES_H

#include "compiler/counts.h"
#include "compiler/elab.h"

/* A pipe and its roles, by their numbers among the regions of OP_ROLES. */
typedef struct PipeUse {
    const Value *pipe;
    int producer;    /* -1: none */
    const Op *put;   /* the producer's first */
    const Op **gets; /* each role's first get, NULL: it takes none */
} PipeUse;

typedef struct PipeUses {
    PipeUse *items;
    int count, capacity;
} PipeUses;

/* deadlock.c: runs the roles with small loop counts; reports the first deadlock. Requires that
 * every pipe has one producer, and consumers that take what it puts. */
void check_deadlock(Elab *, Counts *, const Op *roles, const PipeUses *);

const char *role_name(const Op *roles, int role);
int line_of(Pos);

#endif
