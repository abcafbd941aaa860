/* Strong operations: atomics, acquire and release, fences (PTX ISA 8.8, 8.9.4, 9.7.13.4 to 6).
 *
 * A location keeps what its last release pattern made known. An atomic read-modify-write hands it
 * on (observation order, 8.9.2); a plain strong store by another thread ends it.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/internal.h"
#include "runtime/numerics/convert.h"

/* ---- locations ---- */

void locations_free(Region *r)
{
    for (uint32_t i = 0; i < r->location_capacity; i++)
        if (r->location[i].used)
            sync_drop(&r->location[i].sync);
    free(r->location);
    r->location = NULL;
    r->locations = r->location_capacity = 0;
}

static Location *location_slot(Location *table, uint32_t capacity, size_t offset)
{
    uint32_t i = (uint32_t)(offset * 0x9E3779B97F4A7C15ull >> 32) & (capacity - 1);
    while (table[i].used && table[i].offset != offset)
        i = (i + 1) & (capacity - 1);
    return &table[i];
}

static void grow(Region *r)
{
    uint32_t capacity = r->location_capacity ? 2 * r->location_capacity : 64;
    Location *table = calloc(capacity, sizeof *table);
    if (!table)
        abort();
    for (uint32_t i = 0; i < r->location_capacity; i++)
        if (r->location[i].used)
            *location_slot(table, capacity, r->location[i].offset) = r->location[i];
    free(r->location);
    r->location = table;
    r->location_capacity = capacity;
}

static Location *location_of(Region *r, size_t offset)
{
    if (2 * r->locations >= r->location_capacity)
        grow(r);
    Location *l = location_slot(r->location, r->location_capacity, offset);
    if (!l->used) {
        *l = (Location){.offset = offset, .used = true};
        r->locations++;
    }
    return l;
}

/* ---- patterns ---- */

static void release_store(Location *l, Thread *t, int order)
{
    if (order & TILE_RELEASE) {
        sync_drop(&l->sync);
        sync_release(&l->sync, t);
    } else if (l->writer != t) {
        sync_drop(&l->sync);
    }
    if (t->has_fenced)
        sync_join(&l->sync, &t->fenced);
    l->writer = t;
}

static void release_atomic(Location *l, Thread *t, int order)
{
    if (order & TILE_RELEASE)
        sync_release(&l->sync, t);
    if (t->has_fenced)
        sync_join(&l->sync, &t->fenced);
}

/* A red reads, but forms no acquire pattern (8.11.1). */
static void acquire(const Location *l, Thread *t, int order)
{
    if (order & TILE_ACQUIRE) {
        sync_acquire(&l->sync, t);
    } else if (!(order & TILE_RED)) {
        sync_join(&t->read_relaxed, &l->sync);
        t->has_read_relaxed = true;
    }
}

void machine_fence(void)
{
    Thread *t = ENTER("a fence");
    if (t->has_read_relaxed)
        sync_acquire(&t->read_relaxed, t);
    sync_drop(&t->read_relaxed);
    sync_drop(&t->fenced);
    sync_release(&t->fenced, t);
    t->has_fenced = true;
    t->has_read_relaxed = false;
}

/* fence.proxy.async: generic accesses that the thread knows of come before async ones of whoever
 * learns of the fence. */
void machine_fence_proxy(int spaces)
{
    Thread *t = ENTER("fence.proxy.async");
    for (int i = PROXY_SHARED; i <= PROXY_GLOBAL; i++) {
        if (!(spaces & (i == PROXY_SHARED ? TILE_PROXY_SHARED : TILE_PROXY_GLOBAL)))
            continue;
        clock_join(&t->clock[i], t->clock[CAUSAL]);
        clock_set(&t->clock[i], t->block->number, (uint32_t)t->index, t->epoch);
    }
    t->epoch++;
}

void thread_forget_fences(Thread *t)
{
    sync_drop(&t->read_relaxed);
    sync_drop(&t->fenced);
    t->has_fenced = t->has_read_relaxed = false;
}

/* ---- numbers ---- */

int number_bytes(int type)
{
    static const uint8_t bytes[] = {4, 4, 8, 8, 4, 2, 2};
    return bytes[type];
}

static float flushed(float x, bool flush)
{
    return flush && tile_abs(x) < 0x1p-126f ? tile_copysign(0.0f, x) : x;
}

uint64_t number_add(int type, uint64_t x, uint64_t y, bool flush)
{
    if (type == TILE_NUMBER_F32) {
        float a = flushed(tile_float((uint32_t)x), flush);
        float b = flushed(tile_float((uint32_t)y), flush);
        return tile_bits(tile_canonical(flushed(a + b, flush)));
    }
    if (type == TILE_NUMBER_F16)
        return tile_f32_to_f16(tile_f16_to_f32((uint16_t)x) + tile_f16_to_f32((uint16_t)y));
    if (type == TILE_NUMBER_BF16)
        return tile_f32_to_bf16(tile_bf16_to_f32((uint16_t)x) + tile_bf16_to_f32((uint16_t)y));
    return x + y;
}

static bool number_less(int type, uint64_t x, uint64_t y)
{
    switch (type) {
    case TILE_NUMBER_I32:
        return (int32_t)x < (int32_t)y;
    case TILE_NUMBER_I64:
        return (int64_t)x < (int64_t)y;
    case TILE_NUMBER_F32:
        return tile_float((uint32_t)x) < tile_float((uint32_t)y);
    default:
        return x < y;
    }
}

static uint64_t combine(int op, int type, uint64_t old, uint64_t x, uint64_t compare)
{
    switch (op) {
    case TILE_ATOMIC_ADD:
        return number_add(type, old, x, false);
    case TILE_ATOMIC_MAX:
        return number_less(type, old, x) ? x : old;
    case TILE_ATOMIC_MIN:
        return number_less(type, x, old) ? x : old;
    case TILE_ATOMIC_OR:
        return old | x;
    case TILE_ATOMIC_AND:
        return old & x;
    case TILE_ATOMIC_CAS:
        return old == compare ? x : old;
    default:
        return x;
    }
}

/* ---- operations ---- */

/* Shared memory of the cluster, or global memory. */
static Region *find(Thread *t, const void *p, size_t bytes, const char *what)
{
    const Cluster *c = t->block->cluster;
    for (int i = 0; i < c->blocks; i++) {
        const Region *r = &c->block[i]->shared;
        if ((const char *)p >= r->base && (const char *)p < r->base + r->bytes)
            return shared_find(t, p, bytes, bytes, true, what);
    }
    return global_find(t, p, bytes, bytes, what);
}

uint64_t machine_atomic(int op, int type, void *p, uint64_t x, uint64_t compare, int order)
{
    Thread *t = ENTER("an atomic");
    thread_yield(t);
    size_t bytes = (size_t)number_bytes(type);
    Region *r = find(t, p, bytes, "updates");
    Location *l = location_of(r, region_offset(r, p));
    uint64_t old = 0, mask = bytes == 8 ? ~0ull : (1ull << 8 * bytes) - 1;
    acquire(l, t, order);
    Access a = access_of(t, r, TOUCH_STRONG_WRITE, "updates");
    shadow_need_defined(&a, region_offset(r, p), bytes);
    memcpy(&old, p, bytes);
    uint64_t y = combine(op, type, old, x & mask, compare & mask);
    memory_write(t, p, r, &y, bytes, TOUCH_STRONG_WRITE);
    release_atomic(location_of(r, region_offset(r, p)), t, order);
    return old;
}

uint64_t machine_strong_read(const void *p, int bytes, int order)
{
    Thread *t = ENTER("a strong read");
    uint64_t x = 0;
    thread_yield(t);
    thread_poll(t, p);
    Region *r = find(t, p, (size_t)bytes, "reads");
    acquire(location_of(r, region_offset(r, p)), t, order);
    memory_read(t, &x, p, r, (size_t)bytes, TOUCH_STRONG_READ);
    return x;
}

void machine_strong_write(void *p, uint64_t x, int bytes, int order)
{
    Thread *t = ENTER("a strong write");
    Region *r = find(t, p, (size_t)bytes, "writes");
    memory_write(t, p, r, &x, (size_t)bytes, TOUCH_STRONG_WRITE);
    release_store(location_of(r, region_offset(r, p)), t, order);
    thread_yield(t);
}

void machine_pause(void)
{
    Thread *t = ENTER("a pause");
    thread_poll(t, NULL);
    thread_yield(t);
}

/* griddepcontrol.wait, PTX ISA 9.7.13.13: what the grids ahead have done is visible. Block 0 stands
 * for them. */
void machine_pdl_wait(void)
{
    Thread *t = ENTER("griddepcontrol.wait");
    t->machine->waited = true;
    clock_set(&t->clock[CAUSAL], 0, 0, 1);
    clock_set(&t->clock[PROXY_SHARED], 0, 0, 1);
    clock_set(&t->clock[PROXY_GLOBAL], 0, 0, 1);
}

void machine_pdl_launch(void)
{
    ENTER("griddepcontrol.launch_dependents");
}
