/* Global and shared memory as threads address it: bounds, alignment, the plain accesses. */
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/internal.h"

/* ---- buffers ---- */

static int position(const Machine *m, const char *p)
{
    int low = 0, high = m->buffers;
    while (low < high) {
        int middle = (low + high) / 2;
        if (m->buffer[middle].base <= p)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool holds(const Region *r, const char *p, size_t bytes)
{
    return p >= r->base && (size_t)(p - r->base) <= r->bytes &&
           bytes <= r->bytes - (size_t)(p - r->base);
}

bool tile_machine_buffer(tile_machine *machine, void *data, size_t bytes, const char *name,
                         unsigned flags)
{
    Machine *m = &machine->machine;
    int i = position(m, data);
    const char *end = (const char *)data + bytes;
    if ((i > 0 && m->buffer[i - 1].base + m->buffer[i - 1].bytes > (const char *)data) ||
        (i < m->buffers && m->buffer[i].base < end))
        return false;
    if (m->buffers == m->buffer_capacity) {
        m->buffer_capacity = m->buffer_capacity ? 2 * m->buffer_capacity : 16;
        m->buffer = realloc(m->buffer, (size_t)m->buffer_capacity * sizeof *m->buffer);
        if (!m->buffer)
            abort();
    }
    char *kept = malloc(strlen(name) + 1);
    Region r;
    if (!kept || !region_create(&r, data, bytes, flags, flags & TILE_BUFFER_UNDEFINED)) {
        free(kept);
        return false;
    }
    strcpy(kept, name);
    r.name = kept;
    memmove(m->buffer + i + 1, m->buffer + i, (size_t)(m->buffers - i) * sizeof *m->buffer);
    m->buffer[i] = r;
    m->buffers++;
    m->found = NULL;
    return true;
}

static void drop_buffer(Region *r)
{
    region_free(r);
    free((char *)(uintptr_t)r->name);
}

void tile_machine_remove(tile_machine *machine, void *data)
{
    Machine *m = &machine->machine;
    int i = position(m, data) - 1;
    if (i < 0 || m->buffer[i].base != data)
        return;
    drop_buffer(&m->buffer[i]);
    m->buffers--;
    memmove(m->buffer + i, m->buffer + i + 1, (size_t)(m->buffers - i) * sizeof *m->buffer);
    m->found = NULL;
}

void tile_machine_define(tile_machine *machine, void *data, size_t bytes)
{
    Machine *m = &machine->machine;
    int i = position(m, data) - 1;
    if (i >= 0 && holds(&m->buffer[i], data, bytes))
        shadow_define(&m->buffer[i], region_offset(&m->buffer[i], data), bytes);
}

void memory_free(Machine *m)
{
    for (int i = 0; i < m->buffers; i++)
        drop_buffer(&m->buffer[i]);
    free(m->buffer);
}

void memory_forget(Machine *m)
{
    for (int i = 0; i < m->buffers; i++)
        region_forget(&m->buffer[i]);
}

/* ---- addresses ---- */

size_t region_offset(const Region *r, const void *p)
{
    return (size_t)((const char *)p - r->base);
}

static _Noreturn void outside(Thread *t, const Region *r, const char *p, size_t bytes,
                              const char *what)
{
    if (!r)
        breach(t->machine, TILE_FAULT_BOUNDS, t, t->place, "%s %zu bytes at %p, in no buffer", what,
               bytes, (const void *)p);
    ptrdiff_t at = p - r->base;
    breach(t->machine, TILE_FAULT_BOUNDS, t, t->place,
           "%s %zu bytes at %s%c0x%zx, outside of its %zu bytes", what, bytes, r->name,
           at < 0 ? '-' : '+', at < 0 ? (size_t)-at : (size_t)at, r->bytes);
}

static void check_alignment(Thread *t, const Region *r, const void *p, size_t alignment,
                            const char *what)
{
    size_t address = r->block ? region_offset(r, p) : (uintptr_t)p;
    if (address % alignment)
        breach(t->machine, TILE_FAULT_ALIGNMENT, t, t->place,
               "%s %s+0x%zx, which is not a multiple of %zu", what, r->name, region_offset(r, p),
               alignment);
}

Region *global_find(Thread *t, const void *p, size_t bytes, size_t alignment, const char *what)
{
    Machine *m = t->machine;
    const char *at = p;
    Region *r = m->found;
    if (!r || !holds(r, at, bytes)) {
        int i = position(m, at);
        r = i > 0 ? &m->buffer[i - 1] : i < m->buffers ? &m->buffer[i] : NULL;
        if (!r || !holds(r, at, bytes))
            outside(t, r, at, bytes, what);
        m->found = r;
    }
    check_alignment(t, r, p, alignment, what);
    return r;
}

Region *shared_find(Thread *t, const void *s, size_t bytes, size_t alignment, bool cluster,
                    const char *what)
{
    Region *r = &t->block->shared;
    if (!holds(r, s, bytes) && cluster) {
        Cluster *c = t->block->cluster;
        for (int i = 0; i < c->blocks; i++)
            if (holds(&c->block[i]->shared, s, bytes))
                r = &c->block[i]->shared;
    }
    if (!holds(r, s, bytes))
        outside(t, r, s, bytes, what);
    check_alignment(t, r, s, alignment, what);
    if (r->block != t->block)
        remote_note(t, r->block);
    return r;
}

/* ---- memory of other blocks ---- */

void remote_note(Thread *t, Block *b)
{
    if (b->exited) /* PTX ISA 5.1.7: for the lifetime of the block that has it */
        breach(t->machine, TILE_FAULT_CLUSTER, t, t->place,
               "%s on the shared memory of block %lld, which has exited", t->doing,
               (long long)b->index);
    clock_set(&b->remote_last, t->block->number, (uint32_t)t->index, t->epoch);
    b->remote_place = t->place;
}

/* Its threads must know that others are done with its memory. */
void remote_check_exit(Block *b)
{
    Clock *all = NULL;
    for (int i = 0; i < b->threads; i++)
        clock_join(&all, b->thread[i].clock[CAUSAL]);
    Clock *last = b->remote_last;
    bool good = true;
    for (int k = 0; last && k < last->count; k++)
        for (int i = 0; i < last->piece[k]->count; i++)
            good &= last->piece[k]->at[i] == 0 ||
                    clock_has(all, last->piece[k]->block, (uint32_t)i, last->piece[k]->at[i]);
    clock_drop(&all);
    clock_drop(&b->remote_last);
    if (!good)
        breach(b->machine, TILE_FAULT_CLUSTER, NULL, b->remote_place,
               "block %lld exits, and nothing orders that after another block's use of its "
               "shared memory",
               (long long)b->index);
}

/* ---- plain accesses ---- */

void check_no_mbarrier(Thread *t, const Region *r, size_t offset, size_t bytes, const char *what)
{
    const Mbarrier *b = r->block ? mbarrier_overlap(r->block, offset, bytes) : NULL;
    if (b) /* PTX ISA 9.7.13.15: no other operations on an initialised mbarrier */
        breach(t->machine, TILE_FAULT_MBARRIER, t, t->place, "%s %s+0x%zx, which is %s", what,
               r->name, offset, mbarrier_describe(t->machine, b));
}

void memory_read(Thread *t, void *to, const void *from, Region *r, size_t bytes, Touch touch)
{
    size_t offset = region_offset(r, from);
    Access a = access_of(t, r, touch, "reads");
    check_no_mbarrier(t, r, offset, bytes, a.what);
    shadow_need_defined(&a, offset, bytes);
    shadow_touch(&a, offset, bytes);
    memcpy(to, from, bytes);
    t->machine->counts.steps++;
}

void memory_write(Thread *t, void *to, Region *r, const void *from, size_t bytes, Touch touch)
{
    size_t offset = region_offset(r, to);
    Access a = access_of(t, r, touch, "writes");
    if (r->flags & TILE_BUFFER_READ_ONLY)
        breach(t->machine, TILE_FAULT_READ_ONLY, t, t->place, "writes %s+0x%zx, an input", r->name,
               offset);
    check_no_mbarrier(t, r, offset, bytes, a.what);
    shadow_touch(&a, offset, bytes);
    shadow_define(r, offset, bytes);
    memcpy(to, from, bytes);
    t->machine->counts.steps++;
    progress(t->machine);
}

/* ---- accesses of 1 to 16 bytes, naturally aligned (PTX ISA 9.7.9.8, 9.7.9.11, 6.4.1) ---- */

void machine_global_read(uint32_t *w, const void *p, int bytes, int constant)
{
    Thread *t = ENTER("a global read");
    Region *r = global_find(t, p, (size_t)bytes, (size_t)bytes, "reads");
    w[0] = 0;
    memory_read(t, w, p, r, (size_t)bytes, constant ? TOUCH_CONSTANT_READ : TOUCH_READ);
}

void machine_global_write(void *p, const uint32_t *w, int bytes)
{
    Thread *t = ENTER("a global write");
    Region *r = global_find(t, p, (size_t)bytes, (size_t)bytes, "writes");
    memory_write(t, p, r, w, (size_t)bytes, TOUCH_WRITE);
}

void machine_shared_read(uint32_t *w, const void *s, int bytes)
{
    Thread *t = ENTER("a shared read");
    Region *r = shared_find(t, s, (size_t)bytes, (size_t)bytes, true, "reads");
    w[0] = 0;
    memory_read(t, w, s, r, (size_t)bytes, TOUCH_READ);
    bank_count(t, r, s, bytes);
}

void machine_shared_write(void *s, const uint32_t *w, int bytes)
{
    Thread *t = ENTER("a shared write");
    Region *r = shared_find(t, s, (size_t)bytes, (size_t)bytes, true, "writes");
    memory_write(t, s, r, w, (size_t)bytes, TOUCH_WRITE);
    bank_count(t, r, s, bytes);
}
