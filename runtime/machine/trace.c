/* The model's time, and the record of what one block does in it.
 *
 * An operation of a thread takes a step. A thread that waits goes on when what it waits for is
 * over, whatever order the scheduler has run it in, so that the record shows what may overlap. What
 * engines need is a guess that has the right order of size: a picture needs some, and no more than
 * that is claimed.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/trace.h"

enum {
    LATENCY = 300,        /* of copies from and to global memory */
    BYTES_A_STEP = 64,    /* that an engine moves */
    TENSOR_LATENCY = 16,  /* of wgmma */
    COLUMNS_A_STEP = 4,   /* of a warp's 16 rows of D, on the tensor core that it has */
    MOST_EVENTS = 1 << 20 /* of a picture */
};

/* ---- the record ---- */

bool tile_machine_trace(tile_machine *machine, int64_t block)
{
    Machine *m = &machine->machine;
    if (!m->trace && !(m->trace = calloc(1, sizeof *m->trace)))
        return false;
    m->trace->block = block;
    return true;
}

int64_t tile_machine_traced(const tile_machine *machine)
{
    return machine->machine.trace ? machine->machine.trace->count : 0;
}

void trace_free(Machine *m)
{
    if (m->trace)
        free(m->trace->event);
    free(m->trace);
    m->trace = NULL;
}

static void add_event(Trace *r, TraceEvent e)
{
    if (r->count == MOST_EVENTS) {
        r->full = true;
        return;
    }
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 1024;
        r->event = realloc(r->event, (size_t)r->capacity * sizeof *r->event);
        if (!r->event)
            abort();
    }
    r->event[r->count++] = e;
}

static bool is_traced(const Block *b)
{
    return b->machine->trace && b->machine->trace->block == b->index;
}

void trace_launch(Machine *m)
{
    if (m->trace)
        m->trace->begin = m->trace->end;
}

void trace_thread(Thread *t, bool ends)
{
    Trace *r = t->machine->trace;
    if (r && !ends)
        t->time = r->begin;
    else if (r && t->time > r->end)
        r->end = t->time;
}

/* Lane 0 stands for its warp. */
void trace_step(Thread *t)
{
    uint64_t start = t->time++;
    if (t->lane != 0 || !is_traced(t->block))
        return;
    Trace *r = t->machine->trace;
    TraceEvent *last = r->count ? &r->event[t->warp->last_event] : NULL;
    if (last && last->row == ROW_WARPS + t->warp->index && last->place == t->place &&
        !last->waits && last->end == start) {
        last->end = t->time;
        return;
    }
    t->warp->last_event = r->count < MOST_EVENTS ? r->count : 0;
    add_event(r, (TraceEvent){.row = ROW_WARPS + t->warp->index,
                              .start = start,
                              .end = t->time,
                              .place = t->place,
                              .what = t->doing,
                              .stage = NO_STAGE});
}

void trace_wait(Thread *t, uint64_t until)
{
    if (t->time >= until)
        return;
    if (t->lane == 0 && is_traced(t->block))
        add_event(t->machine->trace, (TraceEvent){.row = ROW_WARPS + t->warp->index,
                                                  .waits = true,
                                                  .start = t->time,
                                                  .end = until,
                                                  .place = t->place,
                                                  .what = t->doing,
                                                  .stage = NO_STAGE});
    t->time = until;
}

void trace_meet(Warp *w)
{
    uint64_t last = 0;
    EACH_LANE(t, w)
    last = t->time > last ? t->time : last;
    EACH_LANE(t, w)
    trace_wait(t, last);
}

/* ---- ends of operations ---- */

void ends_add(Ends *e, uint64_t end)
{
    if (e->count == e->capacity) {
        e->capacity = e->capacity ? 2 * e->capacity : 16;
        e->at = realloc(e->at, e->capacity * sizeof *e->at);
        if (!e->at)
            abort();
    }
    uint64_t before = e->count ? e->at[e->count - 1] : 0;
    e->at[e->count++] = end > before ? end : before;
}

uint64_t ends_at(const Ends *e, uint32_t number)
{
    return number && number <= e->count ? e->at[number - 1] : 0;
}

void ends_free(Ends *e)
{
    free(e->at);
    *e = (Ends){0};
}

/* ---- engines ---- */

static void insert(Busy *b, int i, struct Interval new)
{
    if (i > 0 && b->at[i - 1].end == new.start) {
        b->at[i - 1].end = new.end;
        return;
    }
    if (b->count == b->capacity) {
        b->capacity = b->capacity ? 2 * b->capacity : 16;
        b->at = realloc(b->at, (size_t)b->capacity * sizeof *b->at);
        if (!b->at)
            abort();
    }
    memmove(b->at + i + 1, b->at + i, (size_t)(b->count++ - i) * sizeof *b->at);
    b->at[i] = new;
}

/* The first time from `from` on when the engine has nothing to do for so long: operations come here
 * in the scheduler's order, which is not that of their times. */
static uint64_t take(Busy *b, uint64_t from, uint64_t steps)
{
    int i = b->count;
    while (i > 0 && b->at[i - 1].end > from)
        i--;
    for (; i < b->count && from + steps > b->at[i].start; i++)
        from = b->at[i].end > from ? b->at[i].end : from;
    insert(b, i, (struct Interval){from, from + steps});
    return from;
}

void trace_block_free(Block *b)
{
    for (int i = 0; i < ENGINES; i++)
        free(b->busy[i].at);
}

/* ---- asynchronous operations ---- */

static int engine_of(const AsyncOp *op)
{
    if (op->tensor)
        return ENGINE_TENSOR;
    if (op->warp)
        return ENGINE_TENSOR + op->warp->index % GROUP_WARPS;
    return op->groups == LANES_BULK   ? ENGINE_STORES
           : op->groups == LANES_COPY ? ENGINE_COPIES
                                      : ENGINE_LOADS;
}

static int row_of(int engine)
{
    return engine >= ENGINE_TENSOR ? ROW_TENSOR : ROW_ENGINES + engine;
}

/* Whose shared memory the operation fills or reads, and where. */
static Block *place_of(const AsyncOp *op, size_t *offset)
{
    Block *b = op->target && !op->tensor ? op->target : op->block;
    const char *p = op->groups == LANES_BULK ? op->from : op->to;
    bool by_count = op->warp || op->tensor || p == b->shared.base;
    *offset = by_count ? op->count : (size_t)(p - b->shared.base);
    return b;
}

/* A stage is known by the mbarrier that its loads signal. */
static int stage_of(Trace *r, const AsyncOp *op, size_t offset)
{
    size_t last = offset + op->bytes - 1;
    for (size_t i = offset / STAGE_BYTES; op->mbarrier && i <= last / STAGE_BYTES; i++)
        r->stage[i] = 1 + (int)op->mbarrier->offset;
    bool shown = op->mbarrier || op->warp || op->tensor;
    return shown ? r->stage[offset / STAGE_BYTES] : NO_STAGE;
}

/* One lane's cp.async, one warp's wgmma stand for those that go with it. */
static bool is_shown(const AsyncOp *op)
{
    return op->warp                   ? op->warp->index % GROUP_WARPS == 0
           : op->groups == LANES_COPY ? op->thread->lane == 0
                                      : true;
}

void trace_issue(AsyncOp *op)
{
    Thread *t = op->thread;
    int engine = engine_of(op);
    bool tensor = engine >= ENGINE_TENSOR;
    uint64_t busy = op->bytes / (tensor ? COLUMNS_A_STEP : BYTES_A_STEP) + 1;
    uint64_t start = take(&op->block->busy[engine], t->time, busy);
    op->end = start + busy + (tensor ? TENSOR_LATENCY : LATENCY);
    if (tensor) {
        ends_add(op->tensor ? tensor_ends(t) : wgmma_ends(op->warp), op->end);
    } else if (op->groups >= 0) {
        Groups *g = &t->groups[op->groups == LANES_COPY];
        ends_add(&g->done, op->end);
        ends_add(&g->read, start + busy);
    }
    size_t offset;
    Block *b = place_of(op, &offset);
    if (is_traced(b) && is_shown(op))
        add_event(t->machine->trace, (TraceEvent){.row = row_of(engine),
                                                  .start = start,
                                                  .end = op->end,
                                                  .place = op->place,
                                                  .what = op->name,
                                                  .stage = stage_of(t->machine->trace, op, offset),
                                                  .bytes = op->bytes});
}
