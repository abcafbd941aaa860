/* mbarrier objects (PTX ISA 9.7.13.15): phases, arrivals, transaction counts. Their eight bytes of
 * shared memory are opaque; what they hold is kept beside. */
#include <stdlib.h>

#include "runtime/machine/internal.h"

enum { MOST_COUNT = (1 << 20) - 1 };

/* ---- finding them ---- */

const Mbarrier *mbarrier_overlap(const Block *block, size_t offset, size_t bytes)
{
    if (!block->mbarrier_of)
        return NULL;
    for (size_t i = offset / 8; i <= (offset + bytes - 1) / 8; i++)
        if (block->mbarrier_of[i] && block->mbarrier_of[i]->live)
            return block->mbarrier_of[i];
    return NULL;
}

static bool init_known(const Mbarrier *b, const Thread *t)
{
    bool own = t->block->number == b->init_block && (uint32_t)t->index == b->init_agent;
    const Block *block = b->block;
    uint32_t base = block->thread[b->init_agent].warp->lane_base[LANES_INIT];
    return own || clock_has(t->clock[CAUSAL], b->init_block, b->init_agent, b->init_epoch) ||
           (base &&
            clock_has(t->clock[CAUSAL], b->init_block, base + b->init_agent % 32, b->init_count));
}

Mbarrier *mbarrier_at(Thread *t, const void *p, bool cluster, const char *what)
{
    Region *r = shared_find(t, p, 8, 8, cluster, what);
    size_t offset = region_offset(r, p);
    Mbarrier *b = r->block->mbarrier_of ? r->block->mbarrier_of[offset / 8] : NULL;
    if (!b || !b->live)
        breach(t->machine, TILE_FAULT_MBARRIER, t, t->place,
               "%s %s+0x%zx, where no mbarrier has been initialised", what, r->name, offset);
    if (!init_known(b, t))
        breach(t->machine, TILE_FAULT_MBARRIER, t, t->place,
               "%s the mbarrier at %s+0x%zx, and nothing orders that behind its initialisation "
               "at %s",
               what, r->name, offset, where_text(t->machine, b->initialised));
    return b;
}

/* ---- init, inval: 9.7.13.15.9, .10 ---- */

static void stamp(Thread *t, Region *r, size_t offset, Touch touch, const char *what)
{
    Access a = access_of(t, r, touch, what);
    shadow_touch(&a, offset, 8);
}

void machine_mbarrier_init(void *p, uint32_t count)
{
    Thread *t = ENTER("mbarrier.init");
    Block *block = t->block;
    Region *r = shared_find(t, p, 8, 8, false, "initialises an mbarrier at");
    size_t offset = region_offset(r, p);
    if (count < 1 || count > MOST_COUNT)
        breach(t->machine, TILE_FAULT_MBARRIER, t, t->place,
               "mbarrier.init with count %u; 1 to 2^20 - 1 are possible", count);
    const Mbarrier *there = mbarrier_overlap(block, offset, 8);
    if (there)
        breach(t->machine, TILE_FAULT_MBARRIER, t, t->place,
               "mbarrier.init at %s+0x%zx, which is %s", r->name, offset,
               mbarrier_describe(t->machine, there));
    if (!block->mbarrier_of)
        block->mbarrier_of = calloc(r->bytes / 8 + 1, sizeof(Mbarrier *));
    Mbarrier *b = calloc(1, sizeof *b);
    if (!b || !block->mbarrier_of)
        abort();
    stamp(t, r, offset, TOUCH_STRONG_WRITE, "initialises an mbarrier at");
    *b = (Mbarrier){.block = block,
                    .offset = (uint32_t)offset,
                    .expected = count,
                    .pending = (int32_t)count,
                    .agent = block->agents++,
                    .initialised = t->place,
                    .init_block = block->number,
                    .init_agent = (uint32_t)t->index,
                    .init_epoch = t->epoch,
                    .init_count = ++t->inits,
                    .live = true,
                    .observed = true,
                    .next = block->mbarriers};
    block->mbarriers = block->mbarrier_of[offset / 8] = b;
    t->machine->counts.steps++;
}

void machine_mbarrier_inval(void *p)
{
    Thread *t = ENTER("mbarrier.inval");
    Mbarrier *b = mbarrier_at(t, p, false, "invalidates");
    stamp(t, &t->block->shared, b->offset, TOUCH_WRITE, "invalidates the mbarrier at");
    b->live = false;
}

/* fence.mbarrier_init.release.cluster, 9.7.13.4 */
void machine_fence_mbarrier_init(void)
{
    Thread *t = ENTER("fence.mbarrier_init");
    t->inits_fenced = t->inits;
}

/* ---- phases: 9.7.13.15.6 ---- */

static void wake(Machine *m, const Mbarrier *b)
{
    Block *block = b->block;
    for (int i = 0; i < block->threads; i++) {
        Thread *t = &block->thread[i];
        if (t->state != STATE_MBARRIER || t->waits_for != b)
            continue;
        t->woken = true;
        if (t != m->running)
            thread_ready(t);
    }
}

static void complete_phase(Machine *m, Mbarrier *b)
{
    if (b->pending != 0 || b->tx != 0)
        return;
    b->phase++;
    b->pending = (int32_t)b->expected;
    sync_join(&b->done_cta, &b->pending_cta);
    sync_join(&b->done_cluster, &b->pending_cluster);
    sync_time(&b->done_cta, b->done_cluster.time);
    sync_drop(&b->pending_cta);
    sync_drop(&b->pending_cluster);
    clock_set(&b->done_cta.clock[CAUSAL], b->block->number, b->agent, b->phase);
    b->observed = false;
    b->last_had_copies = b->copied > 0;
    b->copied = b->expected_bytes = 0;
    progress(m);
    wake(m, b);
}

/* ---- arrivals: 9.7.13.15.7, .11, .13 ---- */

static void expect(Thread *t, Mbarrier *b, uint32_t bytes)
{
    if (bytes > MOST_COUNT || b->tx + (int64_t)bytes > MOST_COUNT)
        breach(t->machine, TILE_FAULT_TRANSACTION, t, t->place,
               "expects %u bytes more; the transaction count of %s ends at 2^20 - 1", bytes,
               mbarrier_describe(t->machine, b));
    b->tx += (int32_t)bytes;
    b->expected_bytes += bytes;
    b->last_expect = t->place;
}

/* A phase must have been seen complete before the next one's arrivals: 9.7.13.15.4. */
static void check_arrival(Thread *t, const Mbarrier *b, uint32_t count)
{
    if (!b->observed)
        breach(t->machine, TILE_FAULT_PHASE, t, t->place,
               "arrives in phase %u, but nobody has waited for phase %u of %s", b->phase,
               b->phase - 1, mbarrier_describe(t->machine, b));
    if (count < 1 || (int64_t)count > b->pending)
        breach(t->machine, TILE_FAULT_OVER_ARRIVAL, t, t->place,
               "%u arrivals on %s; the last one came at %s", count,
               mbarrier_describe(t->machine, b), where_text(t->machine, b->last_arrival));
}

/* Who waits with .cta scope is not ordered behind other blocks, nor is .cta release heard there
 * (8.5, 8.8: the scopes must include each other). */
static void publish(Thread *t, Mbarrier *b, bool cluster_scope)
{
    if (t->block == b->block)
        sync_release(&b->pending_cta, t);
    else if (cluster_scope)
        sync_release(&b->pending_cluster, t);
}

void machine_mbarrier_arrive(void *p, uint32_t count, uint32_t bytes, int flags)
{
    Thread *t = ENTER(flags & TILE_MBARRIER_ARRIVE ? "mbarrier.arrive" : "mbarrier.expect_tx");
    thread_yield(t);
    Mbarrier *b = mbarrier_at(t, p, flags & TILE_MBARRIER_CLUSTER, "arrives on");
    stamp(t, &b->block->shared, b->offset, TOUCH_STRONG_WRITE, "arrives on the mbarrier at");
    t->machine->counts.steps++;
    if (flags & TILE_MBARRIER_EXPECT)
        expect(t, b, bytes);
    if (flags & TILE_MBARRIER_ARRIVE) {
        check_arrival(t, b, count);
        publish(t, b, flags & TILE_MBARRIER_CLUSTER);
        b->pending -= (int32_t)count;
        b->last_arrival = t->place;
    }
    complete_phase(t->machine, b);
    progress(t->machine);
}

/* ---- copies: complete_tx, 9.7.13.15.5.2 ---- */

void mbarrier_bind(Mbarrier *b, uint32_t bytes, Place place)
{
    b->copied += bytes;
    b->pending_copies++;
    b->last_copy = place;
}

void mbarrier_complete(Machine *m, Mbarrier *b, uint32_t phase, uint32_t bytes, AsyncOp *op)
{
    if (b->phase != phase)
        breach(m, TILE_FAULT_TRANSACTION, NULL, op->place,
               "%s of %u bytes ends after its phase %u of %s has: that phase expected fewer bytes "
               "than its copies bring",
               op->name, bytes, phase, mbarrier_describe(m, b));
    b->pending_copies--;
    b->tx -= (int32_t)bytes;
    sync_time(&b->pending_cta, op->end);
    if (b->tx < -MOST_COUNT)
        breach(m, TILE_FAULT_TRANSACTION, NULL, op->place,
               "the transaction count of %s falls below -(2^20 - 1)", mbarrier_describe(m, b));
    complete_phase(m, b);
    progress(m);
}

void mbarrier_arrive_copies(Machine *m, Mbarrier *b, Thread *t, uint32_t epoch, Place place)
{
    if (b->pending < 1)
        breach(m, TILE_FAULT_OVER_ARRIVAL, t, place, "the arrive of cp.async.mbarrier.arrive on %s",
               mbarrier_describe(m, b));
    clock_set(&b->pending_cta.clock[CAUSAL], t->block->number, lane_agent(t, LANES_COPY), epoch);
    sync_time(&b->pending_cta, ends_at(&t->groups[1].done, epoch));
    b->pending--;
    b->last_arrival = place;
    complete_phase(m, b);
    progress(m);
}

/* 9.7.16.12.1: one arrival, at cluster scope. Like a copy's bytes it is a signal of the system's:
 * whoever waits hears it, whichever block it comes from. */
void mbarrier_arrive_commit(Machine *m, Mbarrier *b, const AsyncOp *op, const Sync *known)
{
    if (!b->live)
        breach(m, TILE_FAULT_MBARRIER, NULL, op->place, "%s on %s, which has been invalidated",
               op->name, mbarrier_describe(m, b));
    if (!b->observed)
        breach(m, TILE_FAULT_PHASE, NULL, op->place,
               "%s in phase %u, but nobody has waited for phase %u of %s", op->name, b->phase,
               b->phase - 1, mbarrier_describe(m, b));
    if (b->pending < 1)
        breach(m, TILE_FAULT_OVER_ARRIVAL, NULL, op->place, "%s on %s; the last one came at %s",
               op->name, mbarrier_describe(m, b), where_text(m, b->last_arrival));
    sync_join(&b->pending_cta, known);
    b->pending--;
    b->last_arrival = op->place;
    complete_phase(m, b);
    progress(m);
}

/* ---- waits: 9.7.13.15.16 ---- */

static bool is_over(const Mbarrier *b, uint32_t parity)
{
    return (b->phase & 1) != parity;
}

static int seen(Thread *t, Mbarrier *b, int flags)
{
    b->observed = true;
    t->refusals = 0;
    sync_acquire(&b->done_cta, t);
    if (flags & TILE_MBARRIER_CLUSTER)
        sync_acquire(&b->done_cluster, t);
    return 1;
}

/* try_wait may give up for a reason of its own. */
static bool refuses(Thread *t)
{
    bool yes = t->machine->policy == TILE_POLICY_RANDOM && t->refusals < 2 &&
               random_below(t->machine, 8) == 0;
    t->refusals = yes ? t->refusals + 1 : 0;
    return yes;
}

int machine_mbarrier_test(void *p, uint32_t parity, int flags)
{
    bool try = flags & TILE_MBARRIER_TRY;
    Thread *t = ENTER(try ? "mbarrier.try_wait" : "mbarrier.test_wait");
    Mbarrier *b = mbarrier_at(t, p, false, "waits on");
    t->machine->counts.steps++;
    if (parity > 1)
        breach(t->machine, TILE_FAULT_PHASE, t, t->place,
               "waits for phase parity %u; 0 and 1 are possible", parity);
    stamp(t, &b->block->shared, b->offset, TOUCH_STRONG_READ, "waits on the mbarrier at");
    thread_yield(t);
    if (!try)
        thread_poll(t, p);
    if (is_over(b, parity))
        return seen(t, b, flags);
    if (!try || refuses(t)) {
        thread_yield(t);
        return 0;
    }
    t->waits_for = b;
    t->waits_parity = parity;
    t->woken = false;
    while (!t->woken)
        thread_wait(t, STATE_MBARRIER);
    t->waits_for = NULL;
    return seen(t, b, flags);
}

/* ---- exit ---- */

void mbarrier_check_exit(Block *block)
{
    Machine *m = block->machine;
    for (Mbarrier *b = block->mbarriers; b; b = b->next) {
        bool unseen = !b->observed && b->last_had_copies;
        if (b->pending_copies || b->copied || unseen)
            breach(m, TILE_FAULT_EXIT, NULL, b->last_copy,
                   "block %lld exits, but nobody has waited for the copy to %s",
                   (long long)block->index, mbarrier_describe(m, b));
        if (b->live && b->tx != 0)
            breach(m, TILE_FAULT_TRANSACTION, NULL, b->last_expect,
                   "block %lld exits with a transaction count of %d in %s", (long long)block->index,
                   b->tx, mbarrier_describe(m, b));
    }
}

void mbarriers_free(Block *block)
{
    while (block->mbarriers) {
        Mbarrier *b = block->mbarriers;
        block->mbarriers = b->next;
        sync_drop(&b->pending_cta);
        sync_drop(&b->pending_cluster);
        sync_drop(&b->done_cta);
        sync_drop(&b->done_cluster);
        free(b);
    }
    free(block->mbarrier_of);
    block->mbarrier_of = NULL;
}
