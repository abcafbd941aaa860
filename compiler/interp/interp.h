/* The reference interpreter: runs a kernel's tile IR on the CPU, whole tiles, op by op.
 *
 * It is the executable form of the language's rules (docs/language.md). Programs run in a seeded
 * random order; races, undefined reads, duplicate scatter targets, failed asserts, deadlocks and
 * division by zero are reported with file, line and the seed that replays them.
 */
#ifndef TILE_INTERP_H
#define TILE_INTERP_H

#include "compiler/ir.h"

/* One dense tensor in host memory, in its storage format (R18); element addresses: format.c. */
typedef struct Buffer {
    const char *name;
    DType dtype;
    Format format;
    int rank;
    int64_t extent[MAX_RANK];
    void *data;
    size_t bytes;
    bool defined; /* contents at entry may be read (in, inout) */
} Buffer;

/* What one OP_TENSOR of the kernel is bound to. A table has `entries` buffers, else one. */
typedef struct Binding {
    const Op *tensor;
    int entries;
    Buffer *buffers;
} Binding;

/* A dim's or scalar's value, by name. Bits: i64, or the code in the scalar's type. */
typedef struct Argument {
    const char *name;
    uint64_t bits;
} Argument;

typedef struct Debugger Debugger; /* debug.c; NULL when none is attached */

typedef struct RunOptions {
    uint64_t seed; /* order of programs; 0 is a seed like any other */
    int threads;   /* 0: as many as cores */
    bool progress; /* a progress line on stderr (only set on a terminal) */
    Debugger *debugger;
} RunOptions;

/* Bytes of a buffer of that type, format and extents; -1 if that overflows. */
int64_t buffer_bytes(DType, Format, int rank, const int64_t *extent);

/* Runs the kernel. `bindings` has one entry an OP_TENSOR in the body, in order (scratch too).
 * Returns true if it ran to its end with no fault; a fault is reported to `diag` once. */
bool interp_run(const Kernel *, const Binding *bindings, int nbindings, const Argument *arguments,
                int narguments, const RunOptions *, Diag *);

/* Programs that the interpreter holds at once: what it takes for grid.resident (R15). */
enum { INTERPRETER_RESIDENT = 4 };

/* bind.c: from the shapes that are given to the values of all dims and extents.
 *
 * The kernel's dims are solved from the extents of the tensors that were given (R2): bare names
 * first, then affine expressions with one unknown left; `given` dims must agree. */
typedef struct Shape {
    const Op *tensor;
    int entries;
    int rank;
    int64_t extent[MAX_RANK];
} Shape;

typedef struct Solution {
    Argument *arguments; /* every OP_DIM and OP_SCALAR, by name */
    int narguments;
    int64_t (*extents)[MAX_RANK]; /* of every OP_TENSOR in the body, in order */
    int *entries;                 /* table length of every OP_TENSOR, 1 for no table */
    bool taken; /* the schedule's `when` holds, if it has one; else extents are not there */
} Solution;

/* Solves dims, checks every given shape, evaluates all extents and every OP_REQUIRE. Messages name
 * tensor, axis, found and required. `arguments` are dims and scalars the user set. */
bool bind_solve(Arena *, Diag *, const Kernel *, const Shape *given, int ngiven,
                const Argument *arguments, int narguments, Solution *out);

/* How many programs a phase has whose ranges need only the header; -1: they need more, or too many.
 * `arguments` has every dim and scalar. */
int64_t bind_programs(Arena *, Diag *, const Kernel *, const Op *par, const Argument *arguments,
                      int narguments);

#endif
