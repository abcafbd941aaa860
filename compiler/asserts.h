/* What `assert` of a schedule asks of the emitted code: bank conflicts and shared memory are known
 * then, registers and spills once it is compiled. */
#ifndef TILE_ASSERTS_H
#define TILE_ASSERTS_H

#include "compiler/lower.h"

/* A move of a tile between registers and shared memory, at places that are known. */
typedef struct SharedUse {
    Pos pos;
    const char *what; /* the tile's or local tensor's name */
    Layout layout;
    Vectors vectors;
    int size; /* bytes of an element */
    const SharedPlace
        *place; /* where elements are; NULL: by strides, in elements; `rank` of them */
    int64_t stride[MAX_RANK];
    int rank;
    bool by_thread; /* a thread has its own elements: thread t those that lie t further on */
} SharedUse;
typedef struct SharedUses {
    SharedUse *items;
    int count, capacity;
} SharedUses;

/* What a phase has in shared memory, the largest first. */
typedef struct SharedPart {
    const char *name;
    size_t bytes;
} SharedPart;
typedef struct SharedSize {
    size_t bytes; /* of a block */
    size_t unit;  /* of one of the units that share it side by side */
    const SharedPart *parts;
    int count;
} SharedSize;

/* Turns that a warp's accesses take beyond the least, each access counted once; of the warp that
 * needs most. `unit_bytes`: from the shared memory of one unit to the next. */
int64_t shared_conflicts(const SharedUse *, ThreadUnit, int64_t unit_bytes);

/* Is there an assert about that word ("smem") for the phase? */
bool asserts_word(const Lowered *, const PhasePlan *, const char *word);
/* Checks bank_conflicts and smem, and that a block has so much shared memory. False after messages.
 */
bool asserts_check(const Lowered *, const PhasePlan *, const SharedUses *, const SharedSize *);

/* What the compiled code of an entry may use. */
typedef struct CodeLimit {
    const char *entry;
    bool spills; /* else registers */
    int most;
    Pos pos;
} CodeLimit;
typedef struct CodeLimits {
    CodeLimit *items;
    int count, capacity;
} CodeLimits;

/* Adds those of a phase, which is in `entry`. */
bool asserts_limits(const Lowered *, const PhasePlan *, const char *entry, CodeLimits *);
/* False after messages; `which`: "" or which code of the variant it is. */
bool limits_check(Diag *, const CodeLimits *, const char *entry, const char *which, int registers,
                  int stack_bytes);

/* cubin.c: what an entry of machine code uses: registers and bytes of stack a thread. False: the
 * code does not say. */
bool cubin_usage(const void *cubin, size_t size, const char *entry, int *registers, int *stack);

#endif
