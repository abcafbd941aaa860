/* Memory of one compilation: allocated piece by piece, released at once. */
#ifndef TILE_ARENA_H
#define TILE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct ArenaBlock ArenaBlock;
typedef struct Arena {
    ArenaBlock *blocks;
    char *at, *end;
} Arena;

/* Zeroed memory aligned for any type. Out of memory ends the program with a message. */
void *arena_alloc(Arena *, size_t bytes);
/* A copy of `length` bytes with a NUL after them. */
char *arena_text(Arena *, const char *text, size_t length);
char *arena_format(Arena *, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vformat(Arena *, const char *format, va_list);
/* Copies an array to one with room for `capacity` items (growing vectors). */
void *arena_grow(Arena *, const void *old, size_t old_bytes, size_t new_bytes);
void arena_free(Arena *);

#define NEW(arena, T) ((T *)arena_alloc((arena), sizeof(T)))
#define NEW_ARRAY(arena, T, n) ((T *)arena_alloc((arena), sizeof(T) * (size_t)(n)))

/* Appends to a vector {T *items; int count, capacity;} whose memory is the arena's. */
#define PUSH(arena, v, item)                                                                      \
    do {                                                                                          \
        if ((v)->count == (v)->capacity) {                                                        \
            int grown_ = (v)->capacity ? 2 * (v)->capacity : 8;                                   \
            (v)->items = arena_grow((arena), (v)->items, (size_t)(v)->count * sizeof *(v)->items, \
                                    (size_t)grown_ * sizeof *(v)->items);                         \
            (v)->capacity = grown_;                                                               \
        }                                                                                         \
        (v)->items[(v)->count++] = (item);                                                        \
    } while (0)

#endif
