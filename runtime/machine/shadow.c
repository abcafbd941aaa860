/* Who touched what: for every word of memory, the accesses that a later one may be unordered with.
 *
 * Two accesses conflict if they share a byte and one of them writes; they race if the first is not
 * in the causal past of the second (PTX ISA 8.7.1), strong ones among themselves excepted. Across
 * proxies being in the past is not enough: a proxy fence must lie between (8.6, 9.7.9.25.2). What
 * is ordered before a new access and no stronger than it is forgotten.
 */
#define _DEFAULT_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/machine/internal.h"

/* ---- regions ---- */

/* Zeroed memory that costs nothing until it is touched. */
static void *reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static size_t cells_of(size_t bytes)
{
    return (bytes + CELL_BYTES - 1) / CELL_BYTES + 1;
}

bool region_create(Region *r, char *base, size_t bytes, unsigned flags, bool undefined)
{
    *r = (Region){.base = base, .bytes = bytes, .flags = flags};
    if (!(flags & TILE_BUFFER_READ_ONLY))
        r->cell = reserve(cells_of(bytes) * sizeof *r->cell);
    if (undefined)
        r->defined = reserve(cells_of(bytes));
    if ((!r->cell && !(flags & TILE_BUFFER_READ_ONLY)) || (undefined && !r->defined)) {
        region_free(r);
        return false;
    }
    return true;
}

void region_free(Region *r)
{
    if (r->cell)
        munmap(r->cell, cells_of(r->bytes) * sizeof *r->cell);
    if (r->defined)
        munmap(r->defined, cells_of(r->bytes));
    free(r->node);
    locations_free(r);
    r->cell = NULL;
    r->defined = NULL;
    r->node = NULL;
}

void region_forget(Region *r)
{
    if (r->cell)
        madvise(r->cell, cells_of(r->bytes) * sizeof *r->cell, MADV_DONTNEED);
    r->nodes = r->free_node = 0;
    locations_free(r);
}

/* The bytes of the cell at `offset` that [offset, end) has; the next offset. */
static unsigned cell_part(size_t *offset, size_t end)
{
    size_t first = *offset % CELL_BYTES, stop = CELL_BYTES;
    if (*offset - first + CELL_BYTES > end)
        stop = end - (*offset - first);
    *offset += stop - first;
    return (1u << stop) - (1u << first);
}

void shadow_define(Region *r, size_t offset, size_t bytes)
{
    if (!r->defined)
        return;
    for (size_t end = offset + bytes; offset < end;) {
        size_t cell = offset / CELL_BYTES;
        r->defined[cell] = (uint8_t)((r->defined[cell] & 15) | cell_part(&offset, end));
    }
}

void shadow_swizzle(Region *r, size_t offset, size_t bytes, tile_swizzle swizzle)
{
    for (size_t i = offset / CELL_BYTES; i < (offset + bytes) / CELL_BYTES; i++)
        r->defined[i] = (uint8_t)((r->defined[i] & 15) | (unsigned)(swizzle + 1) << 4);
}

static _Noreturn void report_undefined(const Access *a, size_t offset, size_t bytes)
{
    char place[96];
    if (a->region->is_tensor)
        tensor_place(place, sizeof place, offset);
    else
        snprintf(place, sizeof place, "%s+0x%zx (%zu bytes)", a->region->name, offset, bytes);
    breach(a->machine, TILE_FAULT_UNINITIALISED, a->thread, a->place,
           "%s %s, which nobody has written", a->what, place);
}

void shadow_need_defined(const Access *a, size_t offset, size_t bytes)
{
    const Region *r = a->region;
    if (!r->defined)
        return;
    for (size_t at = offset, end = offset + bytes; at < end;) {
        size_t cell = at / CELL_BYTES;
        unsigned part = cell_part(&at, end);
        if ((r->defined[cell] & part) != part)
            report_undefined(a, cell * CELL_BYTES, bytes);
    }
}

/* ---- records ---- */

static bool is_write(unsigned touch)
{
    return touch == TOUCH_WRITE || touch == TOUCH_STRONG_WRITE || touch == TOUCH_ASYNC_WRITE ||
           touch == TOUCH_ASYNC_REDUCE;
}

static bool is_strong(unsigned touch)
{
    return touch == TOUCH_STRONG_READ || touch == TOUCH_STRONG_WRITE;
}

static bool is_async(unsigned touch)
{
    return touch >= TOUCH_ASYNC_READ;
}

/* Strong operations are morally strong to each other (their scopes are the GPU here), reductions of
 * copies are relaxed at GPU scope (9.7.9.25.4.2). */
static bool conflict(unsigned a, unsigned b)
{
    return (is_write(a) || is_write(b)) && !(is_strong(a) && is_strong(b)) &&
           !(a == TOUCH_ASYNC_REDUCE && b == TOUCH_ASYNC_REDUCE);
}

static bool lanes_known(const Clock *c, const Record *r, uint32_t group, uint32_t lanes)
{
    const Piece *p = clock_piece(c, r->block);
    for (; lanes; lanes &= lanes - 1) {
        uint32_t agent = group * 32u + (uint32_t)__builtin_ctz(lanes);
        if (!p || agent >= (uint32_t)p->count || p->at[agent] < r->epoch)
            return false;
    }
    return true;
}

bool record_known(const Clock *c, const Record *r, uint32_t group)
{
    return lanes_known(c, r, group, r->lanes);
}

static bool known(const Access *a, int order, const Record *r, uint32_t except)
{
    const Clock *c = a->order[order];
    if (r->block < a->machine->first_block) /* a grid ahead: 9.7.13.13 */
        return clock_has(c, 0, 0, 1);
    return lanes_known(c, r, r->group, r->lanes & ~except);
}

/* The lane of the record that is the accessing thread itself: program order. */
static uint32_t own_lane(const Access *a, const Record *r)
{
    bool same = r->block == a->self_block && r->group == a->self_agent / 32;
    return same ? 1u << a->self_agent % 32 : 0;
}

static bool ordered(const Access *a, const Record *r)
{
    return known(a, CAUSAL, r, own_lane(a, r));
}

static int proxy_of(const Region *r)
{
    return r->block ? PROXY_SHARED : PROXY_GLOBAL;
}

/* Agents from here on are asynchronous operations. */
static uint32_t agents_of_threads(const Machine *m)
{
    return (m->config.block[0] + WARP_SIZE - 1) / WARP_SIZE * WARP_SIZE;
}

static _Noreturn void report_race(const Access *a, const Record *r, size_t offset)
{
    const char *name = a->region->name;
    if (a->region->is_tensor)
        tensor_conflict(a, r, offset);
    bool same_grid = r->block >= a->machine->first_block;
    bool in_flight = same_grid && r->group * 32u >= agents_of_threads(a->machine);
    tile_fault code = in_flight ? TILE_FAULT_IN_FLIGHT
                      : is_async(a->touch) && is_write(a->touch) && !is_write(r->touch) &&
                              a->region->block
                          ? TILE_FAULT_REUSE
                          : TILE_FAULT_RACE;
    const char *why = in_flight ? "and nobody here has waited for its completion"
                                : "and nothing orders the two";
    breach(a->machine, code, a->thread, a->place, "%s %s+0x%zx; %s, %s", a->what, name, offset,
           record_text(a->machine, r), why);
}

static _Noreturn void report_proxy(const Access *a, const Record *r, size_t offset)
{
    breach(a->machine, TILE_FAULT_PROXY, a->thread, a->place,
           "%s %s+0x%zx through the async proxy; %s through the generic proxy, and no "
           "fence.proxy.async lies between",
           a->what, a->region->name, offset, record_text(a->machine, r));
}

/* Memory read with .nc is not written during the kernel, in any order (PTX ISA 9.7.9.9); grids that
 * it may have started before the end of write while it runs, whether it waits or not. */
static void check_constant(const Access *a, const Record *r, size_t offset)
{
    bool wrong = (a->touch == TOUCH_CONSTANT_READ && is_write(r->touch)) ||
                 (r->touch == TOUCH_CONSTANT_READ && is_write(a->touch));
    if (a->machine->pdl && r->block < a->machine->first_block && is_write(r->touch))
        breach(a->machine, TILE_FAULT_CONSTANT, a->thread, a->place,
               "%s %s+0x%zx as constant; %s, and may do so while this one runs", a->what,
               a->region->name, offset, record_text(a->machine, r));
    if (wrong && r->block >= a->machine->first_block)
        breach(a->machine, TILE_FAULT_CONSTANT, a->thread, a->place,
               "%s %s+0x%zx; %s in the same kernel, one of the two as constant", a->what,
               a->region->name, offset, record_text(a->machine, r));
}

/* Judges the new access by an old one; true: the old one need not be remembered any longer. */
static bool settle(const Access *a, const Record *r, unsigned bytes, size_t offset)
{
    bool covered = (r->bytes & ~bytes) == 0 && r->touch != TOUCH_CONSTANT_READ;
    bool write = is_write(a->touch);
    if (r->touch == TOUCH_CONSTANT_READ || a->touch == TOUCH_CONSTANT_READ)
        check_constant(a, r, offset);
    if (!conflict(a->touch, r->touch))
        return covered && !is_write(r->touch) && a->touch != TOUCH_CONSTANT_READ && ordered(a, r);
    if (!ordered(a, r) && !(a->pipelined && a->pipelined(a, r)))
        report_race(a, r, offset);
    /* What a generic read has read, a later async write cannot change; the order suffices. */
    if (is_async(a->touch) && !is_async(r->touch) && is_write(r->touch) &&
        !known(a, proxy_of(a->region), r, 0))
        report_proxy(a, r, offset);
    return covered && write;
}

static bool same_stamp(const Access *a, const Record *r, unsigned bytes)
{
    return r->epoch == a->epoch && r->block == a->block && r->group == a->agent / 32 &&
           r->touch == (unsigned)a->touch && r->bytes == bytes;
}

/* ---- cells ---- */

static uint32_t node_new(Region *r)
{
    uint32_t i = r->free_node;
    if (i) {
        r->free_node = r->node[i].next;
        return i;
    }
    r->nodes += r->nodes == 0;
    if (r->nodes >= r->node_capacity) {
        r->node_capacity = r->node_capacity ? 2 * r->node_capacity : 256;
        r->node = realloc(r->node, r->node_capacity * sizeof *r->node);
        if (!r->node)
            abort();
    }
    return r->nodes++;
}

static void node_drop(Region *r, uint32_t *link)
{
    uint32_t i = *link;
    *link = r->node[i].next;
    r->node[i].next = r->free_node;
    r->free_node = i;
}

static uint32_t lanes_of(const Access *a)
{
    return a->lanes ? a->lanes : 1u << a->agent % 32;
}

static void remember(const Access *a, Cell *c, unsigned bytes)
{
    Record r = {.epoch = a->epoch,
                .lanes = lanes_of(a),
                .block = a->block & 0xFFFFF,
                .group = (a->agent / 32) & 0xFFF,
                .place = a->place & 0xFFFFFF,
                .touch = (unsigned)a->touch & 15,
                .bytes = bytes & 15};
    for (int i = 0; i < CELL_RECORDS; i++) {
        if (c->record[i].touch == TOUCH_NONE) {
            c->record[i] = r;
            return;
        }
    }
    uint32_t node = node_new(a->region), *chain = is_write(a->touch) ? &c->more : &c->reads;
    a->region->node[node] = (RecordNode){.record = r, .next = *chain};
    *chain = node;
}

/* The same thread in the same epoch: nothing has been ordered in between. Operations of an
 * mbarrier's phase share a stamp, but they are several. */
static bool is_repeated(const Access *a, const Record *r, unsigned bytes)
{
    bool thread = a->agent == a->self_agent && a->block == a->self_block;
    return same_stamp(a, r, bytes) && r->lanes >> a->agent % 32 & 1 &&
           (thread || !conflict(a->touch, a->touch));
}

/* True: the access is remembered already, by a record that gets its lane too. */
static bool visit(const Access *a, Record *r, unsigned bytes, size_t offset, bool *forget)
{
    *forget = false;
    if (same_stamp(a, r, bytes) && !conflict(a->touch, a->touch)) {
        r->lanes |= lanes_of(a);
        r->place = a->place & 0xFFFFFF;
        return true;
    }
    if (r->bytes & bytes)
        *forget = settle(a, r, bytes, offset);
    return false;
}

void shadow_forget(Region *r, size_t offset, size_t bytes)
{
    for (size_t i = offset / CELL_BYTES; i < (offset + bytes) / CELL_BYTES; i++) {
        while (r->cell[i].more)
            node_drop(r, &r->cell[i].more);
        while (r->cell[i].reads)
            node_drop(r, &r->cell[i].reads);
        r->cell[i] = (Cell){0};
        r->defined[i] = 0;
    }
}

/* Visits the first `most` records of a chain. */
static bool visit_chain(const Access *a, uint32_t *link, unsigned bytes, size_t offset, int most)
{
    Region *region = a->region;
    bool there = false, forget;
    for (; *link && most > 0; most--) {
        there |= visit(a, &region->node[*link].record, bytes, offset, &forget);
        if (forget)
            node_drop(region, link);
        else
            link = &region->node[*link].next;
    }
    return there;
}

/* A read looks at some of the latest reads, for one that it is joined to or that it makes
 * superfluous: where many blocks read an element, looking at all takes too long. */
enum { LATEST_READS = 64 };

static void touch_cell(const Access *a, Cell *c, unsigned bytes, size_t offset)
{
    bool there = false, forget;
    for (int i = 0; i < CELL_RECORDS; i++) {
        Record *r = &c->record[i];
        if (r->touch == TOUCH_NONE)
            continue;
        if (is_repeated(a, r, bytes))
            return;
        there |= visit(a, r, bytes, offset, &forget);
        if (forget)
            r->touch = TOUCH_NONE;
    }
    there |= visit_chain(a, &c->more, bytes, offset, INT_MAX);
    there |= visit_chain(a, &c->reads, bytes, offset, is_write(a->touch) ? INT_MAX : LATEST_READS);
    if (!there)
        remember(a, c, bytes);
}

void shadow_touch(const Access *a, size_t offset, size_t bytes)
{
    if (!a->region->cell)
        return;
    for (size_t end = offset + bytes; offset < end;) {
        size_t at = offset;
        Cell *c = &a->region->cell[offset / CELL_BYTES];
        unsigned part = cell_part(&offset, end);
        touch_cell(a, c, part, at);
    }
}

Access access_of(Thread *t, Region *region, Touch touch, const char *what)
{
    Access a = {.machine = t->machine,
                .region = region,
                .thread = t,
                .touch = touch,
                .place = t->place,
                .block = t->block->number,
                .agent = (uint32_t)t->index,
                .epoch = t->epoch,
                .self_block = t->block->number,
                .self_agent = (uint32_t)t->index,
                .what = what};
    for (int i = 0; i < ORDERS; i++)
        a.order[i] = t->clock[i];
    return a;
}
