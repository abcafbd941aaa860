/* Code of plans on a GPU: which of it is loaded, found without a lock.
 *
 * A context has a table by the code's address. Entries are added under the context's lock and
 * never change; a table that is full is replaced by a larger one, and stays until the context goes,
 * for another thread may be reading it.
 */
#include "runtime/call.h"

#include <stdlib.h>
#include <string.h>

struct LoadedTable {
    LoadedTable *before;
    size_t size, used; /* size: a power of two */
    _Atomic(Loaded *) slots[];
};

static size_t hash(const tile_code *code)
{
    return (size_t)((uintptr_t)code >> 4) * 0x9E3779B97F4A7C15u >> 20;
}

static const Loaded *find(const tile_context *c, const tile_code *code)
{
    const LoadedTable *t = atomic_load_explicit(&c->loaded, memory_order_acquire);
    for (size_t i = t ? hash(code) : 0; t; i++) {
        const Loaded *l = atomic_load_explicit(&t->slots[i & (t->size - 1)], memory_order_acquire);
        if (!l || (l->code == code && l->serial == code->serial)) {
            return l;
        }
    }
    return NULL;
}

static void put(LoadedTable *t, Loaded *l)
{
    size_t i = hash(l->code);
    while (atomic_load_explicit(&t->slots[i & (t->size - 1)], memory_order_relaxed)) {
        i++;
    }
    atomic_store_explicit(&t->slots[i & (t->size - 1)], l, memory_order_release);
    t->used++;
}

/* A table with room for one more; NULL: no memory. The lock is held. */
static LoadedTable *roomy_table(tile_context *c)
{
    LoadedTable *old = atomic_load_explicit(&c->loaded, memory_order_relaxed);
    if (old && 2 * old->used < old->size) {
        return old;
    }
    size_t size = old ? 2 * old->size : 32;
    LoadedTable *t = calloc(1, sizeof *t + size * sizeof *t->slots);
    if (!t) {
        return NULL;
    }
    t->size = size;
    t->before = old;
    for (size_t i = 0; old && i < old->size; i++) {
        Loaded *l = atomic_load_explicit(&old->slots[i], memory_order_relaxed);
        if (l) {
            put(t, l);
        }
    }
    atomic_store_explicit(&c->loaded, t, memory_order_release);
    return t;
}

/* Adds what nobody has; NULL: no memory. */
static const Loaded *add(tile_context *c, Loaded *l)
{
    pthread_mutex_lock(&c->lock);
    LoadedTable *t = roomy_table(c);
    if (t) {
        put(t, l);
    }
    pthread_mutex_unlock(&c->lock);
    if (!t) {
        free(l);
    }
    return t ? l : NULL;
}

void tile__loaded_free(tile_context *c)
{
    LoadedTable *t = atomic_load_explicit(&c->loaded, memory_order_relaxed);
    for (size_t i = 0; t && i < t->size; i++) {
        free(atomic_load_explicit(&t->slots[i], memory_order_relaxed));
    }
    while (t) {
        LoadedTable *before = t->before;
        free(t);
        t = before;
    }
}

/* ---- loading ---- */

/* Blocks of the phase that the whole GPU holds; asked for only where somebody uses it. */
static tile_status find_resident(Call *c, const tile_phase *p, LoadedPhase *out)
{
    int blocks = 0;
    if (c->plan->resident < 0 && !p->cooperative && !p->persistent) {
        return TILE_OK;
    }
    tile_status status;
    int units = tile_context_device(c->context)->multiprocessors;
    if (p->cluster > 1) {
        status = tile__clusters(out->function, p->threads, p->shared_bytes, p->cluster, &blocks);
        units = (int)p->cluster;
    } else {
        status = tile_function_occupancy(out->function, p->threads, p->shared_bytes, &blocks);
    }
    out->resident = (uint32_t)(blocks * units);
    if (status == TILE_OK && out->resident == 0) {
        return tile__call_failed(c, TILE_ERR_OCCUPANCY,
                                 "phase %s needs more than the GPU has: no block of %u threads and "
                                 "%u bytes of shared memory fits",
                                 p->entry, p->threads, p->shared_bytes);
    }
    return status;
}

static tile_status take_module(Call *c, const tile_code *code, tile_module **module)
{
    if (code->cubin) {
        return tile_module_load(c->context, code->cubin, (size_t)(code->end - code->cubin), module);
    }
    tile_source source = {.name = code->name, .text = code->text, .options = code->options};
    return tile_module_compile(c->context, &source, module);
}

static tile_status load(Call *c, const tile_code *code, Loaded *l)
{
    tile_module *module;
    tile_status status = take_module(c, code, &module);
    for (int i = 0; i < c->plan->phase_count && status == TILE_OK; i++) {
        const tile_phase *p = &c->plan->phases[i];
        status = tile_module_function(module, p->entry, p->shared_bytes, &l->phases[i].function);
        if (status == TILE_OK) {
            status = find_resident(c, p, &l->phases[i]);
        }
    }
    return status;
}

static tile_status load_new(Call *c, const tile_code *code)
{
    Loaded *l = calloc(1, sizeof *l);
    if (!l) {
        return tile__call_failed(c, TILE_ERR_MEMORY, "no memory for its code");
    }
    l->code = code;
    l->serial = code->serial;
    tile_status status = load(c, code, l);
    if (status != TILE_OK) {
        free(l);
        return status;
    }
    c->loaded = add(c->context, l);
    return c->loaded ? TILE_OK : tile__call_failed(c, TILE_ERR_MEMORY, "no memory for its code");
}

tile_status tile__load(Call *c, const tile_code *code)
{
    c->loaded = find(c->context, code);
    if (c->loaded) {
        return TILE_OK;
    }
    pthread_mutex_t *lock = &c->context->loading[hash(code) % LOADING_LOCKS];
    pthread_mutex_lock(lock);
    c->loaded = find(c->context, code);
    tile_status status = c->loaded ? TILE_OK : load_new(c, code);
    pthread_mutex_unlock(lock);
    return status;
}
