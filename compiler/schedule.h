/* The directives of a schedule: which there are, and whether one may stand where it stands. */
#ifndef TILE_SCHEDULE_H
#define TILE_SCHEDULE_H

#include "compiler/program.h"

/* The one table of directives (docs/language.md, Schedules).
 *
 *   D(directive, subject, place, needs)
 *     subject: what its first word names   place: d a directive, r a phrase of a role
 *     needs: words of which it must have one, "" for none
 *   W(word, arguments, low, high, choices, group)    a word of the directive above it
 *     arguments: INT one from low to high, a multiple of `choices` if that is given; INT_OF one
 *                of the choices; CHOICE a word of the choices; INT_OR an integer or a word; INTS
 *                one or more; TENSORS names of tensors, or a choice; CLUSTER a number, share = a
 *                tensor; NEXT: a choice is the next word. Integers may be expressions of
 *                statics and schedule parameters.
 *     group: words of one group (not 0) exclude each other
 */
/* clang-format off */
#define SCHEDULE_DIRECTIVES(D, W)                                                                \
    D(unit,     NOTHING, "d",  "block warp lanes thread")                                        \
        W(block,          NO_ARGUMENTS, 0, 0, "", 1)                                             \
        W(warp,           NO_ARGUMENTS, 0, 0, "", 1)                                             \
        W(lanes,          INT_OF, 2, 16, "2 4 8 16", 1)                                          \
        W(thread,         NO_ARGUMENTS, 0, 0, "", 1)                                             \
        W(warps,          INT, 1, 32, "", 2)                                                     \
        W(pack,           INT, 1, 1024, "", 2)                                                   \
    D(grid,     NOTHING, "d",  "persistent cluster cta_pair fuse group resident")                \
        W(persistent,     NO_ARGUMENTS, 0, 0, "", 0)                                             \
        W(group,          INT, 1, 65536, "", 0)                                                  \
        W(cluster,        CLUSTER, 1, 16, "", 0)                                                 \
        W(cta_pair,       NO_ARGUMENTS, 0, 0, "", 0)                                             \
        W(fuse,           NO_ARGUMENTS, 0, 0, "", 0)                                             \
        W(resident,       INT, 1, 32, "", 0)                                                     \
    D(pipeline, LOOP,    "d",  "stages")                                                         \
        W(stages,         INT_OR, 1, 1024, "max", 0)                                             \
        W(prefetch,       INT, 1, 64, "", 0)                                                     \
        W(tma,            NO_ARGUMENTS, 0, 0, "", 0)                                             \
        W(swizzle,        INT_OF, 32, 128, "32 64 128", 0)                                         \
        W(load,           TENSORS, 0, 0, "", 0)                                                  \
    D(place,    VALUE,   "d",  "tmem smem regs")                                                 \
        W(tmem,           NO_ARGUMENTS, 0, 0, "", 1)                                             \
        W(smem,           NO_ARGUMENTS, 0, 0, "", 1)                                             \
        W(regs,           NO_ARGUMENTS, 0, 0, "", 1)                                             \
        W(buffers,        INT, 1, 8, "", 0)                                                      \
    D(load,     LOADED,  "dr", "")                                                               \
        W(via,            NEXT, 0, 0, "smem tma", 1)                                             \
        W(smem,           NO_ARGUMENTS, 0, 0, "", 1)                                             \
        W(tma,            NO_ARGUMENTS, 0, 0, "", 1)                                             \
        W(vector,         INT_OR, 1, 32, "auto", 0)                                              \
        W(cache,          CHOICE, 0, 0, "stream", 0)                                             \
    D(store,    STORED,  "dr", "")                                                               \
        W(via,            NEXT, 0, 0, "smem tma regs", 1)                                        \
        W(smem,           NO_ARGUMENTS, 0, 0, "", 1)                                             \
        W(regs,           NO_ARGUMENTS, 0, 0, "", 1)                                             \
        W(tma,            NO_ARGUMENTS, 0, 0, "", 1)                                             \
        W(vector,         INT_OR, 1, 32, "auto", 0)                                              \
        W(cache,          CHOICE, 0, 0, "stream", 0)                                             \
        W(overlap,        NO_ARGUMENTS, 0, 0, "", 0)                                             \
        W(add,            NO_ARGUMENTS, 0, 0, "", 0)                                             \
    D(mma,      PRODUCT, "r",  "")                                                               \
        W(wgmma,          NO_ARGUMENTS, 0, 0, "", 0)                                             \
    D(fma,      SUM,     "r",  "")                                                               \
    D(chunk,    STATIC,  "d",  "sizes")                                                          \
        W(sizes,          INTS, 1, 1 << 20, "", 0)                                               \
    D(pdl,      NOTHING, "d",  "wait trigger")                                                   \
        W(wait,           TENSORS, 0, 0, "load", 0)                                              \
        W(trigger,        CHOICE, 0, 0, "last_load", 0)                                          \
    D(assert,   NOTHING, "d",  "bank_conflicts regs smem spills")                                \
        W(bank_conflicts, INT, 0, 1 << 20, "", 0)                                                \
        W(regs,           INT, 1, 255, "", 0)                                                    \
        W(smem,           INT, 0, 1 << 20, "", 0)                                                \
        W(spills,         INT, 0, 1 << 20, "", 0)                                                \
    D(role,     ROLE,    "",   "")                                                               \
        W(warps,          INT, 1, 32, "", 1)                                                     \
        W(warpgroups,     INT, 1, 8, "", 1)                                                      \
        W(regs,           INT, 24, 255, "8", 0)
/* clang-format on */

/* Reports every directive of `schedule` that is unknown or may not stand there. Names of items,
 * and what `let` and `require` say, are dsl/check.h's matter. False after a message. */
bool schedule_check(Arena *, Diag *, const Program *, const Item *kernel, const Item *schedule);

/* schedule_facts.c: what a schedule may speak of. */

typedef enum VariableKind { V_PAR_INDEX, V_INDEX, V_VALUE, V_VIEW, V_LOCAL, V_PIPE } VariableKind;

typedef struct Variable {
    Name name;
    Pos pos;
    VariableKind kind;
    int phase;             /* number of the par it stands in, -1 outside */
    bool has_mma, has_fma; /* a value assigned to it comes from one */
} Variable;

/* A tensor parameter in one phase. */
typedef struct TensorUse {
    Name name;
    int phase;
    bool loaded, stored;
} TensorUse;

typedef struct KernelFacts {
    Arena *arena;
    const Item *kernel;
    struct {
        Variable *items;
        int count, capacity;
    } variables;
    struct {
        TensorUse *items;
        int count, capacity;
    } uses;
    struct {
        const Stmt **items;
        int count, capacity;
    } phases, roles; /* roles: the statements */
    struct {
        int *items;
        int count, capacity;
    } role_phases;
    struct {
        Name view, root;
    } * views;
    int nviews, views_capacity;
} KernelFacts;

KernelFacts kernel_facts(Arena *, const Item *kernel);
/* Name of a par, NULL if it has none. */
Name phase_name(const Stmt *par);
/* NULL if `name` is no tensor parameter or scratch. */
const Param *tensor_param(const Item *kernel, Name);
bool tensor_is_loaded(const KernelFacts *, Name, int phase);
bool tensor_is_stored(const KernelFacts *, Name, int phase);

#endif
