/* From tile IR to CUDA: what the passes after elaboration know about a kernel. */
#ifndef TILE_LOWER_H
#define TILE_LOWER_H

#include "compiler/layout.h"
#include "compiler/program.h"

/* What the schedule says of one phase. */
typedef struct PhasePlan {
    const Op *par;
    ThreadUnit unit;
    int pack;    /* programs side by side in a block */
    bool syncs;  /* has grid_sync: launched cooperatively */
    bool ragged; /* a range needs an index before it or a load: persistent */
} PhasePlan;

typedef struct Lowered Lowered;
struct Lowered {
    Arena *arena;
    Diag *diag;
    const Kernel *kernel;
    const Program *program;
    const Variant *variant;
    PhasePlan *phases;
    int nphases;
    Layout *layout;        /* by Value.id, of tiles of rank >= 1 */
    bool *placed;          /* by Value.id: layout is decided */
    const Layout **summed; /* by Value.id of a planned sum's result: its arg's layout */
};

/* plan.c: the schedule's directives that this stage honours. False after a message. */
bool plan_phases(Lowered *);
/* The first range that the host cannot count; the number of ranges if it can count all. */
int ragged_from(const Op *par);
/* layouts.c: a layout for every tile of a phase. False after a message. */
bool assign_layouts(Lowered *, const PhasePlan *);
/* A constant tile: has no layout, is written as a literal. */
bool is_uniform(const Value *);
/* The axis of the tile that runs along its tensor's contiguous dim; -1: none does. */
int contiguous_axis(const Op *access);

/* cuda_shape.c */
/* An index of a tile that is known once loops are unrolled. */
bool is_unrolled(const Value *);
/* What an extract gives from a tile in layout `have`; false: it goes through shared memory. */
bool extract_layout(const Op *, const Layout *have, Layout *out);
/* What a concat gives if its first distributed part has layout `first` (NULL: none has one). */
Layout concat_layout(const Op *, const Layout *first, ThreadUnit);

/* sum_plan.c. After assign_layouts: writes the plan of every default sum of f32 of the phase into
 * the IR (R8). */
void record_plans(Lowered *, const PhasePlan *);
/* The layout in which a reduction takes its arg: of a planned sum the one that it is planned for,
 * whatever the arg is held in by then. */
const Layout *summed_layout(const Lowered *, const Op *reduction);
/* Phases, layouts and plans of the whole kernel; nothing is emitted. */
bool plan_sums(Lowered *);

/* cuda_order.c: where a result of topk, rank, argmax, softmax, a scan or a count is, given the
 * operand's layout. False: anywhere. */
bool order_layout(const Op *, const Layout *operand, ThreadUnit, Layout *result);

/* cuda.c: the kernel's CUDA text, from the arena; NULL after a message. */
char *emit_cuda(Lowered *, const char *target);

#endif
