/* Inside kernels on demand, and the interpreter behind libraries. */
#ifndef TILE_JIT_INSIDE_H
#define TILE_JIT_INSIDE_H

#include <pthread.h>

#include "compiler/library.h"
#include "compiler/tile_jit.h"

/* The IR of a variant as the interpreter runs it. */
typedef struct JitIr {
    int64_t *key;
    int schedule; /* its number */
    const struct Kernel *ir;
} JitIr;

typedef struct JitKernel {
    LibraryKernel *library;
    tile_kernel kernel;
    tile_kernel_state state;
    struct {
        JitIr *items;
        int count, capacity;
    } irs;
    tile_program *program;
} JitKernel;

struct tile_program {
    Arena arena;
    Diag diag;
    Program program;
    HeldFile *held;
    struct {
        JitKernel **items;
        int count, capacity;
    } kernels;
    pthread_mutex_t lock; /* of all above: the compiler is not for several threads at a time */
};

/* jit_entry.c */

/* The program behind a kernel of a library: read at the first time. NULL after a message. */
tile_program *jit_program_of(const tile_kernel *, tile_context *);
/* Its kernel of that name; the lock is held. NULL: there is none. */
JitKernel *jit_kernel(tile_program *, const char *name);
/* The variant that a key means, for a target, with each of its schedules. False after messages; the
 * lock is held. */
bool jit_choose(tile_program *, JitKernel *, tile_arch, const int64_t *key, VariantList *);
/* Messages from here on are collected. */
void jit_listen(tile_program *);
/* What was collected as the context's message. */
tile_status jit_failed(tile_program *, const tile_context *, tile_status);

/* jit_cpu.c */

tile_status jit_run(const tile_checked *);

#endif
