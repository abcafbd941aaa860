/* From tile IR to CUDA: what the passes after elaboration know about a kernel. */
#ifndef TILE_LOWER_H
#define TILE_LOWER_H

#include "compiler/layout.h"
#include "compiler/movement.h"
#include "compiler/program.h"

/* What the schedule says of one phase. */
typedef struct RolePlan RolePlan; /* roles.h */

typedef struct PhasePlan {
    const Op *par;
    ThreadUnit unit; /* of what stands outside of roles */
    RolePlan *roles;
    int nroles;
    int pack;     /* programs side by side in a block */
    int resident; /* registers are few enough for as many blocks an SM; 0: nothing is asked */
    int group;    /* so many numbers of the last but one range run together; 0: one */
    const Word *grouped; /* which word says so */
    bool syncs;          /* has grid_sync: launched cooperatively */
    bool ragged;         /* a range needs an index before it or a load: persistent */
    bool looped;    /* blocks are as many as are resident, and take one program after the other */
    bool joins;     /* is in one launch with the phase before: */
    bool fused;     /* behind a barrier of the grid; else beside it (unordered) */
    bool early;     /* launched before the launch ahead of it has ended (pdl): */
    bool waits_all; /* all loads wait for that; else those of what is no `in` tensor, */
    const Word *waits_for; /* and of the arguments of this, if it is there */
    bool beside;           /* only its end waits */
    bool triggers;         /* lets the launch behind it start */
} PhasePlan;

/* Words of the schedule that a phase honours (directives.c). */
typedef struct HonouredList {
    struct {
        const Word *word;
        const PhasePlan *plan;
    } * items;
    int count, capacity;
} HonouredList;

/* Local tensors that the loads of a pipeline's next rounds are copied to, and who asks for that. */
typedef struct RingList {
    struct {
        const Value *local;
        const Word *word;
    } * items;
    int count, capacity;
} RingList;

/* Loads of a pipeline that tensor copies move n - 1 rounds ahead. A load has a local tensor of n
 * tiles: what is stored there is copied to that slot of a ring of boxes, and the load takes its
 * own. */
typedef struct BoxLoop {
    int stages, count;
    Op **loads;
    Value **rings;
    Value *slot, *end; /* of a round; of the one behind the last */
    Op *wait, *finish; /* OP_COPIES of a round, and behind the loop */
} BoxLoop;

typedef struct BoxLoopList {
    BoxLoop *items;
    int count, capacity;
} BoxLoopList;

typedef struct Cells Cells; /* cells.h */

typedef struct Lowered Lowered;
struct Lowered {
    Arena *arena;
    Diag *diag;
    Kernel *kernel;
    const Program *program;
    const Variant *variant;
    PhasePlan *phases;
    int nphases;
    HonouredList *honoured;
    RingList rings;
    BoxLoopList boxes;
    Cells **cells;         /* by Value.id: of a local tensor that is kept in them */
    Layout *layout;        /* by Value.id, of tiles of rank >= 1 */
    bool *placed;          /* by Value.id: layout is decided */
    const Layout **summed; /* by Value.id of a planned sum's result: its arg's layout */
    int layouts;           /* how many ids the arrays above have room for */
    Movements *movements;  /* where the emitter notes what it moves; NULL: nowhere */
    bool lines;            /* #line directives name the source of each statement */
    Diag *asserted;        /* where a failed assert of the schedule is told; NULL: `diag` */
};

/* lower.c: phases, then the passes below, in order; nothing is emitted. False after a message. */
bool lower_kernel(Lowered *);

/* plan.c: units, launches and grids of the phases. False after a message. */
bool plan_phases(Lowered *);
/* The first range that the host cannot count; the number of ranges if it can count all. */
int ragged_from(const Op *par);
/* roles.c: the warps of roles; with them the block's. After its unit. False after a message. */
bool plan_roles(Lowered *, PhasePlan *);
/* The threads that run the operation: of its role, if it has one. */
ThreadUnit unit_at(const PhasePlan *, const Op *);
/* Tiles that stand outside of roles which use them become local tensors. Before layouts. */
void hand_to_roles(Lowered *, const PhasePlan *);
/* pdl.c: which launches start early. After units and launches are known. False after a message. */
bool plan_pdl(Lowered *);
/* A load of the tensor waits for the launch ahead. */
bool pdl_waits(const PhasePlan *, const Op *tensor);

/* layouts.c: a layout for every tile of a phase. False after a message. */
bool assign_layouts(Lowered *, const PhasePlan *);
/* Is the same in all threads: a scalar, a constant, one element. */
bool is_uniform(const Value *);
/* The axis of the tile that runs along its tensor's contiguous dim; -1: none does. */
int contiguous_axis(const Op *access);

/* pipeline.c: loads of the next rounds of a loop run ahead, to registers or shared memory. Before
 * layouts. False after a message. */
bool pipeline_loads(Lowered *, const PhasePlan *);
/* pipeline_programs.c: a persistent grid whose programs' loads run ahead loops over them itself.
 * False after a message. */
bool loop_programs(Lowered *, PhasePlan *);
/* This one will be copied to shared memory. */
bool pipeline_copies(Lowered *, const PhasePlan *, Op *load);
/* place.c: values that the schedule places in shared memory become local tensors. Before layouts.
 * False after a message. */
bool place_named(Lowered *, const PhasePlan *);
/* paths.c: what `load ..` and `store ..` ask is possible. False after a message. */
bool check_paths(Lowered *, const PhasePlan *);
/* chunk.c: tile axes are cut into pieces, computed in loops. Before layouts. False after a message.
 */
bool chunk_tiles(Lowered *, const PhasePlan *);
/* The schedule cuts an axis of the tile. */
bool is_chunked(const Lowered *, const PhasePlan *, const Type *);
/* cells.c: local tensors that threads keep for themselves, before layouts; and where, after them.
 * False after a message. */
bool find_cells(Lowered *, const PhasePlan *);
bool settle_cells(Lowered *, const PhasePlan *);
/* A number that is known once loops are unrolled: also of longer ones than is_unrolled takes. */
bool is_known_unrolled(const Value *);

/* carry.c: sums that a loop carries are joined after it. After layouts. */
void carry_sums(Lowered *, const PhasePlan *);
void lowered_grow(Lowered *);
/* reorder.c: reductions over several warps move ahead of what does not need them, so that they
 * share barriers. */
void order_reductions(Lowered *, const PhasePlan *);
/* empty.c: no operation gives or writes a tile without elements, but constants. First of all. */
void drop_empty(Kernel *);
/* shares.c: `for .. of` becomes loops; there is no OP_SHARE any more. Before all that looks at
 * loops. */
void open_shares(Kernel *);
/* sink.c: casts of narrow floats to f32 stand where they are first used. */
void sink_casts(const PhasePlan *);

/* cuda_shape.c */
/* An index of a tile that is known once loops are unrolled. */
bool is_unrolled(const Value *);
/* What an extract gives from a tile in layout `have`; false: it goes another way. */
bool extract_layout(const Op *, const Layout *have, Layout *out);
/* What a concat gives if its first distributed part has layout `first` (NULL: none has one). */
Layout concat_layout(const Op *, const Layout *first, ThreadUnit);

/* sum_plan.c. After assign_layouts: writes the plan of every default sum of f32 of the phase into
 * the IR (R8). */
void record_plans(Lowered *, const PhasePlan *);
/* The layout in which a reduction takes its arg: of a planned sum the one that it is planned for,
 * whatever the arg is held in by then. */
const Layout *summed_layout(const Lowered *, const Op *reduction);
/* Can a plan say how the threads of a layout add up an axis? The plan; is the sum's product only
 * its own? */
bool is_plannable(const Layout *, int axis, int64_t extent);
SumPlan *sum_plan_of(Arena *, const Layout *, int axis, bool fused);
bool sum_is_fused(const Op *);

/* cuda_order.c: the layout in which an operation along an axis takes its operand, and the one in
 * which it gives each result. False: it takes and gives any (through shared memory). */
bool order_operand(const Op *, const Layout *have, ThreadUnit, Layout *want);
bool order_layout(const Op *, const Layout *operand, ThreadUnit, Layout *result);

/* cuda_census.c: elements of `classes` classes are counted by votes or in tables; the layout in
 * which occurrence counts a tile (false: too large), and that of [classes], or of [rows, classes]
 * if there are rows (false: too many, or they do not divide). */
bool census_fits(ThreadUnit, int64_t classes);
bool census_layout(const Type *, ThreadUnit, Layout *);
bool class_layout(int64_t classes, int64_t rows, ThreadUnit, Layout *);

/* cuda.c: the kernel's CUDA text, from the arena, and what the host does for it; NULL after a
 * message. */
typedef struct Host Host;
char *emit_cuda(Lowered *, const char *target, Host **host);

#endif
