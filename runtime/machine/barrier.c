/* Barriers of a block and of a cluster: bar (PTX ISA 9.7.13.1), barrier.cluster (9.7.13.3). */
#include "runtime/machine/internal.h"

/* ---- bar: counts threads in whole warps ---- */

enum { WAITS = 1 << 8, THREADS_SHIFT = 16 };

static void check_operands(Thread *t, int id, int threads, bool waits)
{
    int all = t->block->warps * WARP_SIZE;
    if (id < 0 || id >= MOST_BARRIERS)
        breach(t->machine, TILE_FAULT_BARRIER, t, t->place, "barrier %d; a block has 0 to 15", id);
    if (threads % WARP_SIZE || threads < 0 || threads > all)
        breach(t->machine, TILE_FAULT_BARRIER, t, t->place,
               "barrier %d for %d threads; the block has %d, and only whole warps count", id,
               threads, all);
    if (!waits && threads == 0)
        breach(t->machine, TILE_FAULT_BARRIER, t, t->place,
               "bar.arrive on barrier %d without a number of threads", id);
}

static void check_arrival(Warp *w, const Barrier *b, int id, int expected)
{
    Machine *m = w->block->machine;
    const Thread *t = warp_lane(w, __builtin_ctz(w->live));
    if (b->expected != expected)
        breach(m, TILE_FAULT_BARRIER, t, t->place,
               "barrier %d for %d threads; it waits for %d since %s", id, expected, b->expected,
               where_text(m, b->place));
    if (b->warps >> w->index & 1)
        breach(m, TILE_FAULT_BARRIER, t, t->place,
               "warp %d comes to barrier %d again before it has completed", w->index, id);
    if (expected > 0 && b->arrived + WARP_SIZE > expected)
        breach(m, TILE_FAULT_BARRIER, t, t->place, "barrier %d: more than its %d threads come", id,
               expected);
}

static bool is_complete(const Block *block, const Barrier *b)
{
    if (b->expected > 0)
        return b->arrived == b->expected;
    for (int i = 0; i < block->warps; i++)
        if (block->warp[i].live && !(b->warps >> i & 1))
            return false;
    return true;
}

static void release(Block *block, Barrier *b)
{
    for (int i = 0; i < block->warps; i++) {
        if (!(b->waiting >> i & 1))
            continue;
        EACH_LANE(t, &block->warp[i])
        {
            sync_adopt(&b->sync, t);
            if (t->state == STATE_BARRIER && t != block->machine->running)
                thread_ready(t);
        }
    }
    sync_drop(&b->sync);
    *b = (Barrier){0};
}

static bool finish_barrier(Warp *w)
{
    Block *block = w->block;
    int id = (int)(w->detail & 0xFF), threads = (int)(w->detail >> THREADS_SHIFT);
    Barrier *b = &block->barrier[id];
    if (!b->expected) {
        b->expected = threads ? threads : -1;
        b->place = w->place;
    }
    check_arrival(w, b, id, threads ? threads : -1);
    EACH_LANE(t, w)
    sync_release(&b->sync, t);
    b->warps |= 1u << w->index;
    b->arrived += WARP_SIZE;
    if (w->detail & WAITS) {
        b->waiting |= 1u << w->index;
        EACH_LANE(t, w)
        t->state = STATE_BARRIER;
    }
    progress(block->machine);
    if (is_complete(block, b)) {
        release(block, b);
        return true;
    }
    return !(w->detail & WAITS);
}

void machine_sync(int barrier, int threads, int waits)
{
    Thread *t = ENTER(waits ? "bar.sync" : "bar.arrive");
    check_operands(t, barrier, threads, waits);
    t->words[0] = (uint32_t)barrier;
    together(t, DO_BARRIER,
             (uint64_t)barrier | (waits ? WAITS : 0) | (uint64_t)threads << THREADS_SHIFT,
             ONE_PLACE, finish_barrier);
}

/* ---- barrier.cluster ---- */

static void cluster_complete(Machine *m, Cluster *c)
{
    if (!c->live_threads || c->arrived != c->live_threads)
        return;
    c->round++;
    c->arrived = 0;
    sync_drop(&c->done);
    c->done = c->pending;
    c->pending = (Sync){0};
    progress(m);
    for (int k = 0; k < c->blocks; k++)
        for (int i = 0; i < c->block[k]->threads; i++) {
            Thread *t = &c->block[k]->thread[i];
            if (t->state == STATE_CLUSTER && t != m->running)
                thread_ready(t);
        }
}

/* fence.mbarrier_init makes what it covers known through a relaxed arrival too (9.7.13.4). */
static void arrive(Cluster *c, Thread *t, bool relaxed)
{
    if (t->cluster_arrived)
        breach(t->machine, TILE_FAULT_BARRIER, t, t->place,
               "arrives at the cluster's barrier again before barrier.cluster.wait");
    t->cluster_arrived = true;
    t->cluster_round = c->round;
    c->arrived++;
    sync_time(&c->pending, t->time);
    if (!relaxed)
        sync_release(&c->pending, t);
    else if (t->inits_fenced)
        clock_set(&c->pending.clock[CAUSAL], t->block->number, lane_agent(t, LANES_INIT),
                  t->inits_fenced);
}

static bool finish_arrive(Warp *w)
{
    EACH_LANE(t, w)
    arrive(w->block->cluster, t, w->detail != 0);
    cluster_complete(w->block->machine, w->block->cluster);
    return true;
}

void machine_cluster_arrive(int relaxed)
{
    together(ENTER("barrier.cluster.arrive"), DO_CLUSTER_ARRIVE, relaxed != 0, ONE_PLACE,
             finish_arrive);
}

static bool finish_wait(Warp *w)
{
    (void)w;
    return true;
}

void machine_cluster_wait(void)
{
    Thread *t = ENTER("barrier.cluster.wait");
    Cluster *c = t->block->cluster;
    together(t, DO_CLUSTER_WAIT, 0, ONE_PLACE, finish_wait);
    if (!t->cluster_arrived)
        breach(t->machine, TILE_FAULT_BARRIER, t, t->place,
               "barrier.cluster.wait without barrier.cluster.arrive before");
    while (c->round == t->cluster_round)
        thread_wait(t, STATE_CLUSTER);
    t->cluster_arrived = false;
    sync_acquire(&c->done, t);
}

/* ---- exits: barriers wait for the threads that have not ---- */

void barrier_exit(Thread *t)
{
    Block *block = t->block;
    Cluster *c = block->cluster;
    if (t->cluster_arrived && t->cluster_round == c->round)
        c->arrived--;
    c->live_threads--;
    cluster_complete(t->machine, c);
    if (t->warp->live)
        return;
    for (int i = 0; i < MOST_BARRIERS; i++) {
        Barrier *b = &block->barrier[i];
        if (b->expected == -1 && is_complete(block, b))
            release(block, b);
    }
}
