/* Inside the pass pipeline: a loop, and loads of its later rounds. */
#ifndef TILE_PIPELINE_H
#define TILE_PIPELINE_H

#include "compiler/lower.h"

typedef struct Pipeline {
    Lowered *low;
    Kernel *kernel;
    const PhasePlan *plan;
    Op *loop;
    const Directive *directive;
    int stages, prefetch; /* rounds beyond those, into the L2 cache */
} Pipeline;

/* ---- pipeline.c ---- */

/* What the load gives in the round of that index, put before `at`. */
Value *load_for(Pipeline *, Op *load, Value *index, Op *at);
/* index + k steps, before `at`; `last`: no further than the last round. */
Value *later(Pipeline *, Value *index, int k, bool last, Op *at);
/* It loads from an entry of a table, which must be there. */
bool asks_table(const Op *load);
/* One more value that the loop carries: what it is in a round; and what it is in the next. */
Value *carry_value(Pipeline *, Value *start);
void yield_value(Pipeline *, Value *next);

/* ---- pipeline_copies.c ---- */

/* These loads of the loop are copied to shared memory in earlier rounds. False after a message. */
bool copy_ahead(Pipeline *, Op *const *loads, int count, const Word *stages);
/* The same by tensor copies; the loads stay. */
bool boxes_ahead(Pipeline *, Op **loads, int count);

#endif
