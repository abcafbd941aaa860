/* Bulk copies: cp.async.bulk, cp.reduce.async.bulk (PTX ISA 9.7.9.25.4). All of them work in the
 * async proxy. */
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/internal.h"

/* ---- what copies have in common ---- */

/* The stamp of a copy that an mbarrier tracks: its present phase. */
void stamp_by_mbarrier(Access *a, const Mbarrier *b)
{
    a->block = b->block->number;
    a->agent = b->agent;
    a->epoch = b->phase + 1;
}

void stamp_by_lane(Access *a, Thread *t, int kind, uint32_t epoch)
{
    a->block = t->block->number;
    a->agent = lane_agent(t, kind);
    a->epoch = epoch;
}

void add_numbers(char *to, const char *from, size_t bytes, int type)
{
    size_t size = (size_t)number_bytes(type);
    for (size_t i = 0; i < bytes; i += size) {
        uint64_t x = 0, y = 0;
        memcpy(&x, to + i, size);
        memcpy(&y, from + i, size);
        x = number_add(type, x, y, true); /* .add.f32 flushes: 9.7.9.25.4.2 */
        memcpy(to + i, &x, size);
    }
}

static void check_size(Thread *t, uint32_t bytes)
{
    if (bytes % 16)
        breach(t->machine, TILE_FAULT_COPY, t, t->place,
               "%s of %u bytes, which is not a multiple of 16", t->doing, bytes);
}

/* The same place in the block of that rank. */
void *peer_place(Thread *t, const void *s, int rank)
{
    Cluster *c = t->block->cluster;
    if (rank >= c->blocks)
        breach(t->machine, TILE_FAULT_COPY, t, t->place, "%s to block %d of a cluster of %d",
               t->doing, rank, c->blocks);
    return c->block[rank]->shared.base + region_offset(&t->block->shared, s);
}

/* ---- global to shared memory ---- */

static bool load_advance(Machine *m, AsyncOp *op)
{
    memcpy(op->to, op->from, op->bytes);
    mbarrier_complete(m, op->mbarrier, op->phase, op->bytes, op);
    return true;
}

static void load_to(Thread *t, Region *from, const char *g, char *s, void *barrier, uint32_t bytes)
{
    Mbarrier *b = mbarrier_at(t, barrier, true, "signals");
    Region *to = shared_find(t, s, bytes, 16, true, "copies to");
    Access read = access_of(t, from, TOUCH_ASYNC_READ, "the bulk copy reads");
    Access write = access_of(t, to, TOUCH_ASYNC_WRITE, "the bulk copy writes");
    stamp_by_mbarrier(&read, b);
    stamp_by_mbarrier(&write, b);
    shadow_need_defined(&read, region_offset(from, g), bytes);
    shadow_touch(&read, region_offset(from, g), bytes);
    check_no_mbarrier(t, to, region_offset(to, s), bytes, write.what);
    shadow_touch(&write, region_offset(to, s), bytes);
    shadow_define(to, region_offset(to, s), bytes);
    AsyncOp *op = async_issue(t, "the bulk copy", load_advance);
    op->target = to->block;
    op->mbarrier = b;
    op->phase = b->phase;
    op->bytes = bytes;
    op->to = s;
    op->from = g;
    mbarrier_bind(b, bytes, t->place);
    async_start(op);
}

void machine_bulk_load(void *s, const void *g, uint32_t bytes, void *b, int32_t mask)
{
    Thread *t = ENTER("cp.async.bulk");
    check_size(t, bytes);
    shared_find(t, s, bytes, 16, false, "copies to");
    Region *from = global_find(t, g, bytes, 16, "copies from");
    thread_yield(t);
    if (mask < 0)
        load_to(t, from, g, s, b, bytes);
    for (int i = 0; mask > 0 && i < 16; i++)
        if (mask >> i & 1)
            load_to(t, from, g, peer_place(t, s, i), peer_place(t, b, i), bytes);
}

/* ---- shared to global memory ---- */

static bool store_advance(Machine *m, AsyncOp *op)
{
    (void)m;
    if (!op->was_read) {
        memcpy(op->buffer, op->from, op->bytes);
        op->was_read = true;
        return false;
    }
    if (op->add)
        add_numbers(op->to, op->buffer, op->bytes, op->add - 1);
    else
        memcpy(op->to, op->buffer, op->bytes);
    return true;
}

AsyncOp *issue_store(Thread *t, const char *name, bool (*advance)(Machine *, AsyncOp *),
                     size_t bytes)
{
    AsyncOp *op = async_issue(t, name, advance);
    op->groups = LANES_BULK;
    op->number = ++t->groups[0].issued;
    op->buffer = malloc(bytes + 1);
    if (!op->buffer)
        abort();
    op->bytes = (uint32_t)bytes;
    return op;
}

void need_writable(Thread *t, const Region *r, size_t offset)
{
    if (r->flags & TILE_BUFFER_READ_ONLY)
        breach(t->machine, TILE_FAULT_READ_ONLY, t, t->place, "%s writes %s+0x%zx, an input",
               t->doing, r->name, offset);
}

void machine_bulk_store(void *g, const void *s, uint32_t bytes, int add)
{
    Thread *t = ENTER("cp.async.bulk");
    check_size(t, bytes);
    Region *to = global_find(t, g, bytes, 16, "copies to");
    Region *from = shared_find(t, s, bytes, 16, false, "copies from");
    need_writable(t, to, region_offset(to, g));
    thread_yield(t);
    AsyncOp *op = issue_store(t, "the bulk store", store_advance, bytes);
    Access read = access_of(t, from, TOUCH_ASYNC_READ, "the bulk store reads");
    Access write = access_of(t, to, add ? TOUCH_ASYNC_REDUCE : TOUCH_ASYNC_WRITE,
                             "the bulk store writes");
    stamp_by_lane(&read, t, LANES_BULK_READ, op->number);
    stamp_by_lane(&write, t, LANES_BULK, op->number);
    shadow_need_defined(&read, region_offset(from, s), bytes);
    shadow_touch(&read, region_offset(from, s), bytes);
    if (add)
        shadow_need_defined(&write, region_offset(to, g), bytes);
    shadow_touch(&write, region_offset(to, g), bytes);
    shadow_define(to, region_offset(to, g), bytes);
    op->to = g;
    op->from = s;
    op->add = add;
    async_start(op);
}

/* ---- shared memory to another block's, signalling there ---- */

void machine_bulk_send(void *remote, const void *s, uint32_t bytes, void *barrier)
{
    Thread *t = ENTER("cp.async.bulk");
    check_size(t, bytes);
    Mbarrier *b = mbarrier_at(t, barrier, true, "signals");
    Region *from = shared_find(t, s, bytes, 16, false, "copies from");
    Region *to = shared_find(t, remote, bytes, 16, true, "copies to");
    if (to == from || to->block != b->block)
        breach(t->machine, TILE_FAULT_COPY, t, t->place,
               "cp.async.bulk from shared memory goes to another block, with its mbarrier there");
    Access read = access_of(t, from, TOUCH_ASYNC_READ, "the bulk copy reads");
    Access write = access_of(t, to, TOUCH_ASYNC_WRITE, "the bulk copy writes");
    stamp_by_mbarrier(&read, b);
    stamp_by_mbarrier(&write, b);
    shadow_need_defined(&read, region_offset(from, s), bytes);
    shadow_touch(&read, region_offset(from, s), bytes);
    check_no_mbarrier(t, to, region_offset(to, remote), bytes, write.what);
    shadow_touch(&write, region_offset(to, remote), bytes);
    shadow_define(to, region_offset(to, remote), bytes);
    AsyncOp *op = async_issue(t, "the bulk copy", load_advance);
    op->target = to->block;
    op->mbarrier = b;
    op->phase = b->phase;
    op->bytes = bytes;
    op->to = remote;
    op->from = s;
    mbarrier_bind(b, bytes, t->place);
    async_start(op);
}
