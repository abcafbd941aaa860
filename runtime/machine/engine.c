/* Asynchronous operations under way, and the groups by which threads wait for them. */
#include <stdlib.h>

#include "runtime/machine/internal.h"

/* ---- operations ---- */

AsyncOp *async_issue(Thread *t, const char *name, bool (*advance)(Machine *, AsyncOp *))
{
    AsyncOp *op = calloc(1, sizeof *op);
    if (!op)
        abort();
    *op = (AsyncOp){.thread = t,
                    .block = t->block,
                    .place = t->place,
                    .name = name,
                    .groups = -1,
                    .advance = advance};
    Machine *m = t->machine;
    if (m->ops == m->op_capacity) {
        m->op_capacity = m->op_capacity ? 2 * m->op_capacity : 64;
        m->op = realloc(m->op, (size_t)m->op_capacity * sizeof(AsyncOp *));
        if (!m->op)
            abort();
    }
    m->op[m->ops++] = op;
    return op;
}

static void op_free(AsyncOp *op)
{
    if (op->free)
        op->free(op);
    free(op->buffer);
    free(op);
}

/* Those of a warp's wgmma in flight complete in the order in which they were issued. */
static bool is_next(const Machine *m, const AsyncOp *op)
{
    if (op->tensor)
        return tensor_is_next(m, op);
    for (int i = 0; op->warp && i < m->ops; i++)
        if (m->op[i]->warp == op->warp && m->op[i]->number < op->number)
            return false;
    return true;
}

/* Ops that this thread waits for, by group kind, are complete. */
static bool is_done(const Machine *m, const Thread *t, int kind)
{
    for (int i = 0; i < m->ops; i++) {
        const AsyncOp *op = m->op[i];
        if (op->thread == t && op->groups == kind && op->number <= t->wait_target &&
            !(t->wait_reads && op->was_read))
            return false;
    }
    return true;
}

static bool wgmma_done(const Machine *m, const Thread *t)
{
    for (int i = 0; i < m->ops; i++)
        if (m->op[i]->warp == t->warp && m->op[i]->number <= t->wait_target)
            return false;
    return true;
}

static void wake(Machine *m, Thread *t)
{
    bool go = t->state == STATE_BULK    ? is_done(m, t, LANES_BULK)
              : t->state == STATE_COPY  ? is_done(m, t, LANES_COPY)
              : t->state == STATE_WGMMA ? wgmma_done(m, t)
                                        : false;
    if (go && t != m->running)
        thread_ready(t);
}

static void advance(Machine *m, int i)
{
    AsyncOp *op = m->op[i];
    Thread *t = op->thread;
    Warp *w = op->warp;
    bool over = op->advance(m, op);
    m->counts.steps++;
    progress(m);
    if (over) {
        m->op[i] = m->op[--m->ops];
        op_free(op);
    }
    if (w)
        for (int lane = 0; lane < w->lanes; lane++)
            wake(m, warp_lane(w, lane));
    else
        wake(m, t);
}

static int index_of(const Machine *m, const AsyncOp *op)
{
    int i = 0;
    while (i < m->ops && m->op[i] != op)
        i++;
    return i;
}

void async_start(AsyncOp *op)
{
    Machine *m = op->block->machine;
    op->started = true;
    if (m->trace && op->bytes)
        trace_issue(op);
    m->counts.steps++;
    for (int i = m->ops; m->policy == TILE_POLICY_EARLY && (i = index_of(m, op)) < m->ops;)
        advance(m, i);
}

bool engine_step(Machine *m)
{
    if (!m->ops)
        return false;
    uint32_t i = random_below(m, (uint32_t)m->ops);
    for (int k = 0; k < m->ops; k++, i = (i + 1) % (uint32_t)m->ops) {
        if (m->op[i]->started && is_next(m, m->op[i])) {
            advance(m, (int)i);
            return true;
        }
    }
    return false;
}

void engine_finish(Machine *m, const Block *block)
{
    for (int i = 0; i < m->ops;) {
        int before = m->ops;
        if (m->op[i]->block != block && m->op[i]->target != block)
            i++;
        else if (is_next(m, m->op[i]))
            advance(m, i);
        i = m->ops < before ? 0 : i;
    }
}

void engine_free(Machine *m)
{
    for (int i = 0; i < m->ops; i++)
        op_free(m->op[i]);
    m->ops = 0;
}

/* ---- agents and groups ---- */

uint32_t lane_agent(Thread *t, int kind)
{
    Warp *w = t->warp;
    Block *b = t->block;
    if (!w->lane_base[kind]) {
        w->lane_base[kind] = (b->agents + WARP_SIZE - 1) / WARP_SIZE * WARP_SIZE;
        b->agents = w->lane_base[kind] + WARP_SIZE;
    }
    return w->lane_base[kind] + (uint32_t)t->lane;
}

/* cp.async.commit_group, cp.async.bulk.commit_group: 9.7.9.25.3.2, 9.7.9.27.2.1 */
static void commit(Groups *g)
{
    if (g->count == g->capacity) {
        g->capacity = g->capacity ? 2 * g->capacity : 8;
        g->last = realloc(g->last, g->capacity * sizeof *g->last);
        if (!g->last)
            abort();
    }
    g->last[g->count++] = g->issued;
    g->committed = g->issued;
}

/* Operations that are in groups older than the `groups` most recent ones. */
static uint32_t target(const Groups *g, int groups)
{
    return g->count > (uint32_t)groups ? g->last[g->count - 1 - (uint32_t)groups] : 0;
}

void groups_free(Groups *g)
{
    free(g->last);
    ends_free(&g->read);
    ends_free(&g->done);
    *g = (Groups){0};
}

static void know(Thread *t, int kind, uint32_t epoch)
{
    if (epoch)
        clock_set(&t->clock[CAUSAL], t->block->number, lane_agent(t, kind), epoch);
}

void machine_bulk_commit(void)
{
    Thread *t = ENTER("cp.async.bulk.commit_group");
    commit(&t->groups[0]);
}

/* cp.async.bulk.wait_group, 9.7.9.27.2.2 */
void machine_bulk_wait(int groups, int reads)
{
    Thread *t = ENTER("cp.async.bulk.wait_group");
    Groups *g = &t->groups[0];
    t->wait_target = target(g, groups);
    t->wait_reads = reads;
    thread_yield(t);
    while (!is_done(t->machine, t, LANES_BULK))
        thread_wait(t, STATE_BULK);
    know(t, LANES_BULK_READ, t->wait_target);
    trace_wait(t, ends_at(reads ? &g->read : &g->done, t->wait_target));
    if (g->waited_read < t->wait_target)
        g->waited_read = t->wait_target;
    if (!reads) {
        know(t, LANES_BULK, t->wait_target);
        g->waited = g->waited < t->wait_target ? t->wait_target : g->waited;
    }
}

void machine_copy_commit(void)
{
    Thread *t = ENTER("cp.async.commit_group");
    commit(&t->groups[1]);
}

/* cp.async.wait_group, cp.async.wait_all: 9.7.9.25.3.3 */
void machine_copy_wait(int groups)
{
    Thread *t = ENTER("cp.async.wait_group");
    Groups *g = &t->groups[1];
    t->wait_target = groups < 0 ? g->issued : target(g, groups);
    t->wait_reads = false;
    thread_yield(t);
    while (!is_done(t->machine, t, LANES_COPY))
        thread_wait(t, STATE_COPY);
    know(t, LANES_COPY, t->wait_target);
    trace_wait(t, ends_at(&g->done, t->wait_target));
    if (g->waited < t->wait_target)
        g->waited = t->wait_target;
}

void async_check_exit(Thread *t)
{
    const Groups *bulk = &t->groups[0], *copy = &t->groups[1];
    if (bulk->waited_read < bulk->issued)
        breach(t->machine, TILE_FAULT_EXIT, t, t->place,
               "exits, and has not waited until its bulk stores have read shared memory%s",
               bulk->committed < bulk->issued ? " (there are some in no group)" : "");
    uint32_t seen = copy->waited > t->copies_arrived ? copy->waited : t->copies_arrived;
    if (seen < copy->issued)
        breach(t->machine, TILE_FAULT_EXIT, t, t->place,
               "exits, and has not waited for its cp.async");
}
