/* Tensor maps of a context that were made before, by all that they say.
 *
 * A fixed number of places, each in one of a few ways of its set. What is read without a lock may
 * be written at the same time: its version is odd then, or another one behind the reading.
 */
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

enum { SETS = 64, WAYS = 4, KEY_WORDS = 11, MAP_WORDS = sizeof(tile_tensor_map) / 8 };

typedef struct KeptMap {
    _Atomic uint32_t version; /* odd while it is written */
    _Atomic uint64_t key[KEY_WORDS], map[MAP_WORDS];
} KeptMap;

struct KeptMaps {
    KeptMap places[SETS][WAYS];
    uint8_t next[SETS]; /* the way that goes next */
};

/* An address is never 0, so that no key is that of an empty place. */
static void make_key(const tile_tensor_map_spec *s, uint64_t *key)
{
    memset(key, 0, KEY_WORDS * sizeof *key);
    key[0] = (uintptr_t)s->address;
    key[1] = (uint64_t)s->type | (uint64_t)s->rank << 4 | (uint64_t)s->swizzle << 7 |
             (uint64_t)s->l2_promotion << 9 | (uint64_t)s->fill_nan << 11;
    for (int i = 0; i < s->rank; i++) {
        key[1] |= (uint64_t)(s->box[i] - 1) << (12 + 8 * i);
        key[2 + i] = s->extent[i];
        if (i > 0) {
            key[6 + i] = s->stride[i];
        }
    }
}

static size_t set_of(const uint64_t *key)
{
    uint64_t h = 0;
    for (int i = 0; i < KEY_WORDS; i++) {
        h = (h ^ key[i]) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    return (size_t)(h >> 32) % SETS;
}

/* Acquiring each word keeps the second look at the version behind them. */
static bool read_place(KeptMap *k, const uint64_t *key, uint64_t *map)
{
    uint32_t version = atomic_load_explicit(&k->version, memory_order_acquire);
    for (int i = 0; i < KEY_WORDS; i++) {
        if (atomic_load_explicit(&k->key[i], memory_order_acquire) != key[i]) {
            return false;
        }
    }
    for (int i = 0; i < MAP_WORDS; i++) {
        map[i] = atomic_load_explicit(&k->map[i], memory_order_acquire);
    }
    return version % 2 == 0 && atomic_load_explicit(&k->version, memory_order_relaxed) == version;
}

/* The lock is held. */
static void write_place(KeptMap *k, const uint64_t *key, const uint64_t *map)
{
    uint32_t version = atomic_load_explicit(&k->version, memory_order_relaxed);
    atomic_store_explicit(&k->version, version + 1, memory_order_relaxed);
    for (int i = 0; i < KEY_WORDS; i++) {
        atomic_store_explicit(&k->key[i], key[i], memory_order_release);
    }
    for (int i = 0; i < MAP_WORDS; i++) {
        atomic_store_explicit(&k->map[i], map[i], memory_order_release);
    }
    atomic_store_explicit(&k->version, version + 2, memory_order_release);
}

/* Without memory for it nothing is kept. */
static void keep_map(tile_context *c, const uint64_t *key, const uint64_t *map)
{
    pthread_mutex_lock(&c->lock);
    KeptMaps *all = atomic_load_explicit(&c->maps, memory_order_relaxed);
    if (!all) {
        all = calloc(1, sizeof *all);
        atomic_store_explicit(&c->maps, all, memory_order_release);
    }
    if (all) {
        size_t set = set_of(key);
        write_place(&all->places[set][all->next[set]++ % WAYS], key, map);
    }
    pthread_mutex_unlock(&c->lock);
}

tile_status tile__take_map(tile_context *c, const tile_tensor_map_spec *s, tile_tensor_map *map)
{
    uint64_t key[KEY_WORDS], words[MAP_WORDS];
    make_key(s, key);
    KeptMaps *all = atomic_load_explicit(&c->maps, memory_order_acquire);
    for (int i = 0; all && i < WAYS; i++) {
        if (read_place(&all->places[set_of(key)][i], key, words)) {
            memcpy(map, words, sizeof words);
            return TILE_OK;
        }
    }
    tile_status status = tile__tensor_map(c, s, map);
    if (status == TILE_OK) {
        memcpy(words, map, sizeof words);
        keep_map(c, key, words);
    }
    return status;
}

void tile__maps_free(tile_context *c)
{
    free(atomic_load_explicit(&c->maps, memory_order_relaxed));
}
