/* From IR to code: what the emitters of prepare.c and of the operations' files share. */
#ifndef TILE_INTERP_PREPARE_H
#define TILE_INTERP_PREPARE_H

#include "compiler/interp/interp_internal.h"

/* An enclosing loop, role, get or phase, for CONTINUE. */
typedef struct Scope {
    struct Scope *outer;
    const Op *op;
    struct {
        int *items;
        int count, capacity;
    } continues; /* jumps to its next iteration */
} Scope;

typedef struct Preparer {
    Machine *m;
    Code *code;
    Scope *scope;
    Phase *phase;    /* NULL: outside */
    bool expression; /* for the debugger: constants are instructions too */
    bool failed;
} Preparer;

static inline Slot slot_of(const Preparer *p, const Value *v)
{
    return p->m->slots[slot_root(v)->id];
}

/* A new instruction at the end; the pointer holds until the next one. */
Insn *emit(Preparer *, Handler *, const Op *);
/* An instruction with up to three args and the first result in their slots. */
Insn *emit_plain(Preparer *, Handler *, const Op *);
/* The instruction needs that much scratch memory. */
void need_scratch(Preparer *, size_t bytes);
bool prepare_error(Preparer *, const Op *, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Code for a region's ops; returns its YIELD, or NULL if it ends in CONTINUE. */
const Op *emit_region(Preparer *, const Region *);
/* Copies args to the places of `to` as if at once. */
void emit_moves(Preparer *, const Op *, Value *const *from, Value *const *to, int n);
void patch_to_end(Preparer *, int insn);

/* One emitter a group of operations; each handles the ops that its file implements. */
typedef void Emitter(Preparer *, const Op *);
Emitter emit_elementwise, emit_cast;                                 /* elementwise.c */
Emitter emit_broadcast, emit_trans, emit_concat;                     /* shape.c */
Emitter emit_sum, emit_extreme, emit_truth, emit_scan, emit_softmax; /* reduce.c, scan.c */
Emitter emit_order, emit_histogram, emit_occurrence;                 /* order.c */
Emitter emit_mma, emit_mma_scaled;                                   /* mma.c */
Emitter emit_view, emit_extent, emit_local, emit_tensor, emit_table; /* view.c */
Emitter emit_access;                                                 /* access.c */
Emitter emit_check, emit_print, emit_ranks;                          /* effects.c */
Emitter emit_for, emit_share, emit_if, emit_continue;                /* control.c */
Emitter emit_roles, emit_pipe, emit_put, emit_get;                   /* roles.c */
Emitter emit_sync, emit_exchange;                                    /* schedule.c */

void run_end(Task *, const Insn *);
void run_nothing(Task *, const Insn *);
void run_get_end(Task *, const Insn *);

/* slots.c: places for the values of regions that belong together (a PAR's, or one). Gives the end
 * of the memory used; `from` is its begin. Without `reuse` every value keeps its place. */
size_t assign_slots(Machine *, Region *const *, int n, int base, size_t from, bool reuse);
/* A frame of as many bytes or more is refused. */
#define MOST_FRAME_BYTES ((size_t)1 << 34)
/* Bytes that a value of the type takes in its slot. */
size_t value_bytes(const Type *);
size_t local_bytes(const Type *);
size_t pipe_bytes(const PipeInfo *);
/* A constant that is made once, before anything runs. */
bool pooled_constant(const Machine *, const Op *);

#endif
