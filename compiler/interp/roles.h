/* Roles of a program and the pipes between them (R16). */
#ifndef TILE_INTERP_ROLES_H
#define TILE_INTERP_ROLES_H

#include "compiler/interp/prepare.h"

enum { MAX_ROLES = 16 };

/* What a role knows of the others: clock[r] says how many puts of role r, with all that went
 * before them, have reached it through items. */
typedef struct RoleClock {
    uint32_t of[MAX_ROLES];
} RoleClock;

/* At a pipe's slot; the clocks of the items in its stages and the items themselves follow. */
typedef struct PipeState {
    int64_t put; /* items so far */
    int64_t taken[MAX_ROLES], freed[MAX_ROLES];
    uint32_t consumers; /* a bit a role */
} PipeState;

typedef struct RoleLog RoleLog;

/* The roles of one program while they run. */
typedef struct Roles {
    const Op *op;
    int count;
    Task task[MAX_ROLES];
    RoleClock clock[MAX_ROLES];
    uint64_t random;
    uint64_t moves; /* puts, gets and slots freed so far */
    RoleLog *log;   /* of accesses to tensors that roles share; NULL: none yet */
} Roles;

/* Now and then lets another role run. */
void role_pause(Task *);

/* rolelog.c: two roles touch an element, one writes, and no item orders them: false, faulted. */
bool role_log(Task *, const Insn *, const Memory *, AccessKind, int64_t element, int64_t count,
              int64_t stride);
void role_log_free(RoleLog *);
/* Marks the memories that need the log. */
void role_log_mark(Preparer *, const Op *roles);

#endif
