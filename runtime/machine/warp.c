/* What the lanes of a warp do together: they come one by one, the last one does it for all. */
#include "runtime/machine/internal.h"

Thread *warp_lane(const Warp *w, int lane)
{
    return &w->block->thread[w->first + lane];
}

static const char *const together_names[] = {
    [DO_SYNC_WARP] = "bar.warp.sync",
    [DO_SHUFFLE] = "shfl.sync.idx",
    [DO_SHUFFLE_XOR] = "shfl.sync.bfly",
    [DO_BALLOT] = "vote.sync.ballot",
    [DO_MATCH] = "match.any.sync",
    [DO_REDUCE] = "redux.sync",
    [DO_ELECT] = "elect.sync",
    [DO_BARRIER] = "bar",
    [DO_LOAD_MATRIX] = "ldmatrix",
    [DO_STORE_MATRIX] = "stmatrix",
    [DO_CLUSTER_ARRIVE] = "barrier.cluster.arrive",
    [DO_CLUSTER_WAIT] = "barrier.cluster.wait",
    [DO_REGISTERS] = "setmaxnreg",
    [DO_WGMMA] = "wgmma.mma_async",
    [DO_WGMMA_FENCE] = "wgmma.fence",
    [DO_WGMMA_COMMIT] = "wgmma.commit_group",
    [DO_WGMMA_WAIT] = "wgmma.wait_group",
    [DO_TCGEN05_ALLOC] = "tcgen05.alloc",
    [DO_TCGEN05_DEALLOC] = "tcgen05.dealloc",
    [DO_TCGEN05_RELINQUISH] = "tcgen05.relinquish_alloc_permit",
    [DO_TCGEN05_WAIT] = "tcgen05.wait",
    [DO_TCGEN05_LD] = "tcgen05.ld",
    [DO_TCGEN05_ST] = "tcgen05.st",
};

static void check_same(Thread *t, Together what, uint64_t detail, Aligned aligned)
{
    Warp *w = t->warp;
    Machine *m = t->machine;
    uint32_t all = w->lanes == WARP_SIZE ? ~0u : (1u << w->lanes) - 1;
    if (aligned == ONE_PLACE_ALL_LANES && w->live != all)
        breach(m, TILE_FAULT_DIVERGENCE, t, t->place, "%s, but lane %d of the warp has exited",
               together_names[what], __builtin_ctz(all & ~w->live));
    if (!w->here)
        return;
    if (w->what != what)
        breach(m, TILE_FAULT_DIVERGENCE, t, t->place, "%s; lane %d of the warp is in %s at %s",
               together_names[what], __builtin_ctz(w->here), together_names[w->what],
               where_text(m, w->place));
    if (w->detail != detail)
        breach(m, TILE_FAULT_DIVERGENCE, t, t->place,
               "%s with other operands than lane %d of the warp, at %s", together_names[what],
               __builtin_ctz(w->here), where_text(m, w->place));
    if (aligned != ANY_PLACE && !same_place(m, w->place, t->place))
        breach(m, TILE_FAULT_DIVERGENCE, t, t->place,
               "%s; lane %d of the warp does the same at %s, but .aligned asks for one instruction",
               together_names[what], __builtin_ctz(w->here), where_text(m, w->place));
}

static bool complete(Warp *w)
{
    Thread *me = w->block->machine->running;
    w->here = 0;
    trace_meet(w);
    if (!w->finish(w))
        return false;
    EACH_LANE(t, w)
    if (t != me && t->state == STATE_TOGETHER)
        thread_ready(t);
    return true;
}

void together(Thread *t, Together what, uint64_t detail, Aligned aligned, bool (*finish)(Warp *))
{
    Warp *w = t->warp;
    check_same(t, what, detail, aligned);
    if (!w->here) {
        w->what = what;
        w->detail = detail;
        w->place = t->place;
        w->finish = finish;
    }
    w->here |= 1u << t->lane;
    if (w->here != w->live)
        thread_wait(t, STATE_TOGETHER);
    else if (!complete(w))
        thread_wait(t, t->state);
    t->state = STATE_READY;
}

/* An operation waits for the lanes that have not exited. */
void warp_exit(Thread *t)
{
    Warp *w = t->warp;
    w->live &= ~(1u << t->lane);
    if (!w->live || !w->here || w->here != w->live)
        return;
    if (w->what == DO_LOAD_MATRIX || w->what == DO_STORE_MATRIX || w->what >= DO_REGISTERS)
        breach(t->machine, TILE_FAULT_DIVERGENCE, t, t->place,
               "exits; the rest of its warp is in %s at %s", together_names[w->what],
               where_text(t->machine, w->place));
    complete(w);
}

void warp_meet(Warp *w, Clock *order[ORDERS])
{
    for (int i = 0; i < ORDERS; i++) {
        clock_drop(&order[i]);
        order[i] = clock_share(warp_lane(w, 0)->clock[i]);
        EACH_LANE(t, w)
        clock_meet(&order[i], t->clock[i]);
    }
}

/* ---- bar.warp.sync, PTX ISA 9.7.13.2: orders the memory accesses of its lanes ---- */

static bool finish_sync(Warp *w)
{
    Sync s = {0};
    EACH_LANE(t, w)
    sync_release(&s, t);
    EACH_LANE(t, w)
    sync_adopt(&s, t);
    sync_drop(&s);
    return true;
}

void machine_sync_warp(void)
{
    together(ENTER("bar.warp.sync"), DO_SYNC_WARP, 0, ANY_PLACE, finish_sync);
}

/* ---- exchanges: PTX ISA 9.7.9.6, 9.7.13.9 to 9.7.13.14; none of them orders memory ---- */

static void take(Thread *t, int lane)
{
    Warp *w = t->warp;
    if (lane >= w->lanes || !(w->live >> lane & 1))
        breach(t->machine, TILE_FAULT_DIVERGENCE, t, t->place,
               "%s reads lane %d, which has exited or does not exist", t->doing, lane);
    t->out = warp_lane(w, lane)->in;
}

static bool finish_shuffle(Warp *w)
{
    EACH_LANE(t, w)
    take(t, t->words[0] & 31);
    return true;
}

static bool finish_ballot(Warp *w)
{
    uint32_t bits = 0;
    EACH_LANE(t, w)
    bits |= (uint32_t)(t->in != 0) << t->lane;
    EACH_LANE(t, w)
    t->out = bits;
    return true;
}

static bool finish_match(Warp *w)
{
    EACH_LANE(t, w)
    {
        t->out = 0;
        EACH_LANE(u, w)
        t->out |= (uint64_t)(u->in == t->in) << u->lane;
    }
    return true;
}

static uint32_t reduced(int op, uint32_t x, uint32_t y)
{
    switch (op) {
    case TILE_REDUCE_MAX:
        return x > y ? x : y;
    case TILE_REDUCE_MIN:
        return x < y ? x : y;
    case TILE_REDUCE_ADD:
        return x + y;
    case TILE_REDUCE_OR:
        return x | y;
    default:
        return x & y;
    }
}

static bool finish_reduce(Warp *w)
{
    bool first = true;
    uint32_t y = 0;
    EACH_LANE(t, w)
    {
        y = first ? (uint32_t)t->in : reduced((int)w->detail, y, (uint32_t)t->in);
        first = false;
    }
    EACH_LANE(t, w)
    t->out = y;
    return true;
}

static bool finish_elect(Warp *w)
{
    int leader = __builtin_ctz(w->live);
    EACH_LANE(t, w)
    t->out = t->lane == leader;
    return true;
}

static uint32_t exchange(Thread *t, Together what, uint64_t detail, uint32_t x,
                         bool (*finish)(Warp *))
{
    t->in = x;
    t->machine->counts.steps++;
    together(t, what, detail, ANY_PLACE, finish);
    return (uint32_t)t->out;
}

uint32_t machine_shuffle(uint32_t x, int lane)
{
    Thread *t = ENTER("shfl.sync.idx");
    t->words[0] = (uint32_t)lane;
    return exchange(t, DO_SHUFFLE, 0, x, finish_shuffle);
}

uint32_t machine_shuffle_xor(uint32_t x, int mask)
{
    Thread *t = ENTER("shfl.sync.bfly");
    t->words[0] = (uint32_t)(t->lane ^ mask);
    return exchange(t, DO_SHUFFLE_XOR, 0, x, finish_shuffle);
}

uint32_t machine_ballot(int x)
{
    return exchange(ENTER("vote.sync.ballot"), DO_BALLOT, 0, x != 0, finish_ballot);
}

uint32_t machine_match(uint32_t x)
{
    return exchange(ENTER("match.any.sync"), DO_MATCH, 0, x, finish_match);
}

uint32_t machine_reduce(int op, uint32_t x)
{
    return exchange(ENTER("redux.sync"), DO_REDUCE, (uint64_t)op, x, finish_reduce);
}

int machine_elect(void)
{
    return (int)exchange(ENTER("elect.sync"), DO_ELECT, 0, 0, finish_elect);
}
