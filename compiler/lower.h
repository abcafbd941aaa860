/* From tile IR to CUDA: what the passes after elaboration know about a kernel. */
#ifndef TILE_LOWER_H
#define TILE_LOWER_H

#include "compiler/layout.h"
#include "compiler/program.h"

/* What the schedule says of one phase. */
typedef struct PhasePlan {
    const Op *par;
    ThreadUnit unit;
    int pack;                        /* programs side by side in a block */
    bool stream;                     /* load .. cache(stream): data is used once */
} PhasePlan;

typedef struct Lowered {
    Arena *arena;
    Diag *diag;
    const Kernel *kernel;
    const Program *program;
    const Variant *variant;
    PhasePlan *phases;
    int nphases;
    Layout *layout;                  /* by Value.id, of tiles of rank >= 1 */
    bool *placed;                    /* by Value.id: layout is decided */
} Lowered;

/* plan.c: the schedule's directives that this stage honours. False after a message. */
bool plan_phases(Lowered *);
/* layouts.c: a layout for every tile of a phase. False after a message. */
bool assign_layouts(Lowered *, const PhasePlan *);
/* A constant tile: has no layout, is written as a literal. */
bool is_uniform(const Value *);
/* The axis of the tile that runs along its tensor's contiguous dim; -1: none does. */
int contiguous_axis(const Op *access);

/* cuda.c: the kernel's CUDA text, from the arena; NULL after a message. */
char *emit_cuda(Lowered *, const char *target);

#endif
