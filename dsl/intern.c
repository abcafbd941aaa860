/* Names: equal text, equal pointer.  Keywords are in the table from the start. */
#include <string.h>

#include "dsl/parse.h"
#include "dsl/tokens.h"
#include "grammar.h"

typedef struct Entry {
    Name name; /* NULL: free */
    uint32_t hash, length;
    int keyword;
} Entry;

struct Interner {
    Arena *arena;
    Entry *entries;
    uint32_t size, count; /* size: a power of two */
};

static uint32_t hash_text(const char *text, size_t length)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)text[i]) * 16777619u;
    return h ^ h >> 15;
}

static Entry *find(const struct Interner *t, const char *text, size_t length, uint32_t hash)
{
    for (uint32_t i = hash & (t->size - 1);; i = (i + 1) & (t->size - 1)) {
        Entry *e = &t->entries[i];
        if (!e->name ||
            (e->hash == hash && e->length == length && memcmp(e->name, text, length) == 0))
            return e;
    }
}

static void grow(struct Interner *t)
{
    Entry *old = t->entries;
    uint32_t old_size = t->size;
    t->size *= 2;
    t->entries = NEW_ARRAY(t->arena, Entry, t->size);
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i].name)
            *find(t, old[i].name, old[i].length, old[i].hash) = old[i];
}

static Entry *enter(struct Interner *t, const char *text, size_t length)
{
    uint32_t hash = hash_text(text, length);
    Entry *e = find(t, text, length, hash);
    if (e->name)
        return e;
    if (2 * t->count >= t->size) {
        grow(t);
        e = find(t, text, length, hash);
    }
    t->count++;
    *e = (Entry){arena_text(t->arena, text, length), hash, (uint32_t)length, 0};
    return e;
}

struct Interner *interner_new(Arena *arena)
{
    struct Interner *t = NEW(arena, struct Interner);
    *t = (struct Interner){.arena = arena, .size = 512};
    t->entries = NEW_ARRAY(arena, Entry, t->size);
#define X(token, text) enter(t, text, sizeof text - 1)->keyword = TK_##token;
    TILE_KEYWORDS(X)
#undef X
    return t;
}

Name intern(struct Interner *t, const char *text, size_t length)
{
    return enter(t, text, length)->name;
}

Name intern_word(struct Interner *t, const char *text, size_t length, int *keyword)
{
    Entry *e = enter(t, text, length);
    *keyword = e->keyword;
    return e->name;
}
