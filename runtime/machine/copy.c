/* cp.async, the copies of 4, 8 or 16 bytes (PTX ISA 9.7.9.25.3): in the generic proxy. */
#include <string.h>

#include "runtime/machine/internal.h"

static bool advance(Machine *m, AsyncOp *op)
{
    (void)m;
    memset(op->to, 0, op->bytes);
    memcpy(op->to, op->from, op->count);
    return true;
}

/* `from` bytes are read, the rest of the `bytes` that are written is 0. */
void machine_copy(void *s, const void *g, int bytes, int from)
{
    Thread *t = ENTER("cp.async");
    size_t size = (size_t)bytes;
    if (from < 0 || from > bytes)
        breach(t->machine, TILE_FAULT_COPY, t, t->place, "cp.async of %d bytes reads %d", bytes,
               from);
    Region *to = shared_find(t, s, size, size, false, "copies to");
    uint32_t number = ++t->groups[1].issued;
    if (from > 0) {
        Region *source = global_find(t, g, (size_t)from, 1, "copies from");
        if ((uintptr_t)g % size)
            global_find(t, g, (size_t)from, size, "copies from");
        Access read = access_of(t, source, TOUCH_READ, "cp.async reads");
        stamp_by_lane(&read, t, LANES_COPY, number);
        shadow_need_defined(&read, region_offset(source, g), (size_t)from);
        shadow_touch(&read, region_offset(source, g), (size_t)from);
    }
    Access write = access_of(t, to, TOUCH_WRITE, "cp.async writes");
    stamp_by_lane(&write, t, LANES_COPY, number);
    check_no_mbarrier(t, to, region_offset(to, s), size, write.what);
    shadow_touch(&write, region_offset(to, s), size);
    shadow_define(to, region_offset(to, s), size);
    AsyncOp *op = async_issue(t, "the cp.async", advance);
    op->groups = LANES_COPY;
    op->number = number;
    op->bytes = (uint32_t)bytes;
    op->count = (uint32_t)from;
    op->to = s;
    op->from = g;
    async_start(op);
}

/* cp.async.mbarrier.arrive (9.7.13.15.15): an arrival once all cp.async before it are complete. */
static bool arrive_advance(Machine *m, AsyncOp *op)
{
    for (int i = 0; i < m->ops; i++) {
        const AsyncOp *other = m->op[i];
        if (other->thread == op->thread && other->groups == LANES_COPY && !other->mbarrier &&
            other->number <= op->phase)
            return false;
    }
    mbarrier_arrive_copies(m, op->mbarrier, op->thread, op->phase, op->place);
    return true;
}

void machine_copy_arrive(void *p, int counted)
{
    Thread *t = ENTER("cp.async.mbarrier.arrive");
    Mbarrier *b = mbarrier_at(t, p, false, "arrives on");
    if (!counted)
        b->pending++;
    AsyncOp *op = async_issue(t, "the arrive of cp.async", arrive_advance);
    op->mbarrier = b;
    op->phase = t->groups[1].issued;
    t->copies_arrived = op->phase;
    async_start(op);
}
