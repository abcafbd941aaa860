/* Tensor memory of a block: 128 lanes of 512 columns of 32 bits, allocated in columns (PTX ISA
 * 9.7.16.1, 9.7.16.5, 9.7.16.7). Blocks do not share one here, so a block waits for columns only
 * that it holds itself. Where an allocation lies is the seed's choice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/tcgen05.h"

/* ---- the shadow ---- */

size_t tensor_offset(int lane, int column)
{
    return (size_t)(column * (LANES / GRANULE) + lane / GRANULE) * CELL_BYTES;
}

void tensor_place(char *text, size_t size, size_t offset)
{
    int cell = (int)(offset / CELL_BYTES), first = cell % (LANES / GRANULE) * GRANULE;
    snprintf(text, size, "lanes %d to %d of column %d of tensor memory", first, first + GRANULE - 1,
             cell / (LANES / GRANULE));
}

static size_t cells_bytes(int lanes)
{
    return (size_t)(lanes / GRANULE) * CELL_BYTES;
}

void tensor_touch(const Access *a, int lane, int lanes, int column, int columns)
{
    for (int c = column; c < column + columns; c++)
        shadow_touch(a, tensor_offset(lane, c), cells_bytes(lanes));
}

void tensor_need_defined(const Access *a, int lane, int lanes, int column, int columns)
{
    for (int c = column; c < column + columns; c++)
        shadow_need_defined(a, tensor_offset(lane, c), cells_bytes(lanes));
}

void tensor_define(TensorMemory *m, int lane, int lanes, int column, int columns)
{
    for (int c = column; c < column + columns; c++)
        shadow_define(&m->shadow, tensor_offset(lane, c), cells_bytes(lanes));
}

static TensorMemory *memory_of(Block *b)
{
    if (b->tensor)
        return b->tensor;
    TensorMemory *m = calloc(1, sizeof *m);
    size_t words = (size_t)LANES * COLUMNS;
    if (!m || !(m->word = malloc(words * sizeof *m->word)) ||
        !region_create(&m->shadow, NULL, tensor_offset(0, COLUMNS), 0, true))
        abort();
    uint32_t garbage = (uint32_t)random_bits(b->machine) | 0x7F800000;
    for (size_t i = 0; i < words; i++)
        m->word[i] = garbage;
    m->shadow.block = b;
    m->shadow.is_tensor = true;
    m->shadow.name = "tensor memory";
    b->tensor = m;
    return m;
}

void tensor_block_free(Block *b)
{
    if (b->tensor) {
        region_free(&b->tensor->shadow);
        free(b->tensor->word);
    }
    free(b->tensor);
    b->tensor = NULL;
}

/* ---- addresses ---- */

TensorMemory *tensor_at(Thread *t, Block *b, uint32_t address, int columns, const char *what,
                        int *lane, int *column)
{
    TensorMemory *m = memory_of(b);
    *lane = (int)(address >> 16);
    *column = (int)(address & 0xFFFF);
    if (*lane >= LANES || *column + columns > COLUMNS)
        breach(t->machine, TILE_FAULT_BOUNDS, t, t->place,
               "%s at lane %d, columns %d to %d; tensor memory has %d lanes and %d columns", what,
               *lane, *column, *column + columns - 1, LANES, COLUMNS);
    for (int c = *column; c < *column + columns; c++) {
        if (m->owner[c / SLICE])
            continue;
        Place freed = m->freed[c / SLICE];
        breach(t->machine, TILE_FAULT_UNALLOCATED, t, t->place,
               "%s at columns %d to %d; column %d of block %lld %s%s", what, *column,
               *column + columns - 1, c, (long long)b->index,
               freed ? "has been freed at " : "is not allocated",
               freed ? where_text(t->machine, freed) : "");
    }
    return m;
}

/* ---- blocks and pairs: 9.7.16.5 ---- */

Block *tensor_peer(Thread *t)
{
    const Cluster *c = t->block->cluster;
    int rank = t->block->rank ^ 1;
    if (rank >= c->blocks)
        breach(t->machine, TILE_FAULT_CTA_GROUP, t, t->place,
               "%s.cta_group::2 in block %d of a cluster of %d, which has no other of its pair",
               t->doing, t->block->rank, c->blocks);
    if (c->block[rank]->exited)
        breach(t->machine, TILE_FAULT_CLUSTER, t, t->place,
               "%s.cta_group::2; the other block of the pair, %lld, has exited", t->doing,
               (long long)c->block[rank]->index);
    return c->block[rank];
}

void tensor_check_group(Thread *t, int group)
{
    Machine *m = t->machine;
    if (m->options.arch != TILE_SM100)
        breach(m, TILE_FAULT_LAUNCH, t, t->place, "tcgen05 is of sm100; the machine is %s",
               tile_arch_name(m->options.arch));
    if (m->cta_group && m->cta_group != group)
        breach(
            m, TILE_FAULT_CTA_GROUP, t, t->place,
            "%s.cta_group::%d; the kernel has cta_group::%d at %s, and all its tcgen05 must have "
            "the same",
            t->doing, group, m->cta_group, where_text(m, m->cta_group_place));
    m->cta_group = group;
    m->cta_group_place = t->place;
    if (group == 2)
        tensor_peer(t);
}

/* Both blocks of the pair must come; the warp that comes first waits. NULL: it is this one. */
static Warp *meet_peer(Warp *w)
{
    Machine *m = w->block->machine;
    const Thread *t = warp_lane(w, 0);
    Warp **waits = &w->block->cluster->waits[w->block->rank / 2], *other = *waits;
    if (!other) {
        *waits = w;
        EACH_LANE(u, w)
        u->state = STATE_TENSOR;
        return NULL;
    }
    if (other->block == w->block || other->what != w->what || other->detail != w->detail)
        breach(m, TILE_FAULT_CTA_GROUP, t, t->place,
               "%s.cta_group::2; warp %d of block %lld waits in one with other operands at %s",
               t->doing, other->index, (long long)other->block->index, where_text(m, other->place));
    *waits = NULL;
    progress(m);
    return other;
}

static void wake_warp(Warp *w)
{
    EACH_LANE(t, w)
    thread_ready(t);
}

/* ---- alloc ---- */

static uint32_t columns_of(const Warp *w)
{
    return (uint32_t)(w->detail & 0xFFFF);
}

static int group_of(const Warp *w)
{
    return (int)(w->detail >> 16 & 3);
}

static void check_warp(Warp *w, TensorMemory *m)
{
    const Thread *t = warp_lane(w, 0);
    if (m->warp && m->warp != w)
        breach(t->machine, TILE_FAULT_TMEM, t, t->place,
               "%s by warp %d; warp %d allocates for block %lld since %s, and one warp does both",
               t->doing, w->index, m->warp->index, (long long)w->block->index,
               where_text(t->machine, m->first_place));
}

static void check_alloc(Warp *w, TensorMemory *m)
{
    const Thread *t = warp_lane(w, 0);
    uint32_t n = columns_of(w);
    if (n < SLICE || n > COLUMNS || n & (n - 1))
        breach(t->machine, TILE_FAULT_TMEM, t, t->place,
               "tcgen05.alloc of %u columns; powers of two from 32 to 512 are possible", n);
    if (m->relinquished)
        breach(t->machine, TILE_FAULT_TMEM, t, t->place,
               "tcgen05.alloc in block %lld, which has relinquished the permit at %s",
               (long long)w->block->index, where_text(t->machine, m->relinquished_place));
    check_warp(w, m);
    if (m->last_columns && n > m->last_columns)
        breach(t->machine, TILE_FAULT_TMEM, t, t->place,
               "tcgen05.alloc of %u columns behind one of %u; a block's must not grow", n,
               m->last_columns);
}

static bool is_free(const TensorMemory *m, int slice, int slices)
{
    for (int i = slice; i < slice + slices; i++)
        if (m->owner[i])
            return false;
    return true;
}

/* Slots are aligned to their size, so that sizes that do not grow always fit into what is free. */
static int find_slot(Machine *m, const TensorMemory *a, const TensorMemory *b, int slices)
{
    int slots[SLICES], n = 0;
    for (int i = 0; i < SLICES; i += slices)
        if (is_free(a, i, slices) && is_free(b, i, slices))
            slots[n++] = i;
    return n ? slots[random_below(m, (uint32_t)n)] : -1;
}

static void take_slot(Warp *w, TensorMemory *m, int slot, int slices)
{
    Thread *t = warp_lane(w, 0);
    uint32_t address = (uint32_t)(slot * SLICE);
    for (int i = slot; i < slot + slices; i++) {
        m->owner[i] = (uint8_t)(1 + slot);
        m->allocated[i] = t->place;
        m->freed[i] = 0;
    }
    if (!m->warp) {
        m->warp = w;
        m->first_place = t->place;
    }
    m->last_columns = columns_of(w);
    Region *to = shared_find(t, t->pointer, 4, 4, false, "writes the address to");
    memory_write(t, t->pointer, to, &address, 4, TOUCH_WRITE);
}

static bool finish_alloc(Warp *w)
{
    TensorMemory *m = memory_of(w->block), *other_m = m;
    int slices = (int)columns_of(w) / SLICE;
    Warp *other = NULL;
    check_alloc(w, m);
    if (group_of(w) == 2) {
        if (!(other = meet_peer(w)))
            return false;
        other_m = memory_of(other->block);
    }
    int slot = find_slot(w->block->machine, m, other_m, slices);
    if (slot < 0) { /* nobody else frees what the warp waits for */
        EACH_LANE(t, w)
        {
            t->state = STATE_TENSOR;
            t->doing = "tcgen05.alloc, for columns that this warp itself holds,";
        }
        return false;
    }
    take_slot(w, m, slot, slices);
    if (other) {
        take_slot(other, other_m, slot, slices);
        wake_warp(other);
    }
    return true;
}

void machine_tcgen05_alloc(void *s, uint32_t columns, int group)
{
    Thread *t = ENTER("tcgen05.alloc");
    tensor_check_group(t, group);
    Region *r = shared_find(t, s, 4, 4, false, "writes the address to");
    t->pointer = s;
    together(t, DO_TCGEN05_ALLOC,
             (columns & 0xFFFF) | (uint64_t)group << 16 | (uint64_t)region_offset(r, s) << 24,
             ONE_PLACE_ALL_LANES, finish_alloc);
}

/* ---- dealloc ---- */

/* What the lanes know to be over, and what is ordered before their tcgen05 operations. */
static void dealloc_past(Warp *w, Clock **past)
{
    EACH_LANE(t, w)
    {
        Clock *known = clock_share(t->clock[CAUSAL]);
        clock_join(&known, t->tensor_past);
        if (t->lane == 0)
            *past = clock_share(known);
        else
            clock_meet(past, known);
        clock_drop(&known);
    }
}

/* All that has touched these columns is over. */
static void check_quiet(Warp *w, TensorMemory *m, int slot, int slices)
{
    Clock *past = NULL;
    Access a = access_of(warp_lane(w, 0), &m->shadow, TOUCH_ASYNC_WRITE, "tcgen05.dealloc frees");
    dealloc_past(w, &past);
    a.self_agent = NO_AGENT;
    a.order[CAUSAL] = past;
    a.pipelined = tensor_pipelined;
    tensor_touch(&a, 0, LANES, slot * SLICE, slices * SLICE);
    clock_drop(&past);
    shadow_forget(&m->shadow, tensor_offset(0, slot * SLICE), tensor_offset(0, slices * SLICE));
}

static void check_dealloc(Warp *w, TensorMemory *m, uint32_t address)
{
    const Thread *t = warp_lane(w, 0);
    int slot = (int)address / SLICE, slices = (int)columns_of(w) / SLICE;
    bool inside = address % SLICE == 0 && slices > 0 && slot + slices <= SLICES;
    bool same = inside;
    for (int i = slot; same && i < slot + slices; i++)
        same = m->owner[i] == 1 + slot;
    same = same && (slot + slices == SLICES || m->owner[slot + slices] != 1 + slot);
    Place freed = inside ? m->freed[slot] : 0;
    if (!same)
        breach(t->machine, TILE_FAULT_TMEM, t, t->place,
               "tcgen05.dealloc of %u columns at 0x%08x, which is no allocation of block %lld%s%s",
               columns_of(w), address, (long long)w->block->index, freed ? "; freed at " : "",
               freed ? where_text(t->machine, freed) : "");
}

static void free_slot(Warp *w, TensorMemory *m, uint32_t address)
{
    int slot = (int)address / SLICE, slices = (int)columns_of(w) / SLICE;
    check_quiet(w, m, slot, slices);
    for (int i = slot; i < slot + slices; i++) {
        m->owner[i] = 0;
        m->freed[i] = w->place;
    }
    progress(w->block->machine);
}

static bool finish_dealloc(Warp *w)
{
    TensorMemory *m = memory_of(w->block);
    uint32_t address = (uint32_t)(w->detail >> 24);
    check_dealloc(w, m, address);
    check_warp(w, m);
    Warp *other = group_of(w) == 2 ? meet_peer(w) : NULL;
    if (group_of(w) == 2 && !other)
        return false;
    free_slot(w, m, address);
    if (other) {
        free_slot(other, memory_of(other->block), address);
        wake_warp(other);
    }
    return true;
}

void machine_tcgen05_dealloc(uint32_t address, uint32_t columns, int group)
{
    Thread *t = ENTER("tcgen05.dealloc");
    tensor_check_group(t, group);
    together(t, DO_TCGEN05_DEALLOC,
             (columns & 0xFFFF) | (uint64_t)group << 16 | (uint64_t)address << 24,
             ONE_PLACE_ALL_LANES, finish_dealloc);
}

/* ---- relinquish_alloc_permit ---- */

static bool finish_relinquish(Warp *w)
{
    Warp *other = group_of(w) == 2 ? meet_peer(w) : NULL;
    if (group_of(w) == 2 && !other)
        return false;
    for (Warp *one = w; one; one = one == other ? NULL : other) {
        TensorMemory *m = memory_of(one->block);
        m->relinquished = true;
        m->relinquished_place = one->place;
    }
    if (other)
        wake_warp(other);
    return true;
}

void machine_tcgen05_relinquish(int group)
{
    Thread *t = ENTER("tcgen05.relinquish_alloc_permit");
    tensor_check_group(t, group);
    together(t, DO_TCGEN05_RELINQUISH, (uint64_t)group << 16, ONE_PLACE_ALL_LANES,
             finish_relinquish);
}

/* ---- exit ---- */

static void check_leak(Block *b)
{
    const TensorMemory *m = b->tensor;
    for (int i = 0; m && i < SLICES; i++)
        if (m->owner[i])
            breach(b->machine, TILE_FAULT_LEAK, NULL, m->allocated[i],
                   "block %lld exits and has not freed column %d of tensor memory, which it has "
                   "allocated here",
                   (long long)b->index, i * SLICE);
}

void tensor_check_exit(Block *b)
{
    tensor_check_waited(b);
    check_leak(b);
}
