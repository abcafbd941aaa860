#include "dsl/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ArenaBlock {
    ArenaBlock *next;
    max_align_t data[];
};

enum { BLOCK_BYTES = 64 * 1024 };

static void out_of_memory(void)
{
    fputs("tilec: out of memory\n", stderr);
    exit(1);
}

static void *new_block(Arena *a, size_t bytes)
{
    ArenaBlock *b = malloc(sizeof *b + bytes);
    if (!b)
        out_of_memory();
    b->next = a->blocks;
    a->blocks = b;
    return b->data;
}

void *arena_alloc(Arena *a, size_t bytes)
{
    const size_t unit = sizeof(max_align_t);
    if (bytes > (size_t)-1 / 2)
        out_of_memory();
    bytes = (bytes ? bytes + unit - 1 : unit) / unit * unit;
    if (bytes > BLOCK_BYTES / 4)
        return memset(new_block(a, bytes), 0, bytes);
    if ((size_t)(a->end - a->at) < bytes) {
        a->at = new_block(a, BLOCK_BYTES);
        a->end = a->at + BLOCK_BYTES;
    }
    char *p = a->at;
    a->at += bytes;
    return memset(p, 0, bytes);
}

char *arena_text(Arena *a, const char *text, size_t length)
{
    char *p = arena_alloc(a, length + 1);
    if (length)
        memcpy(p, text, length);
    return p;
}

char *arena_vformat(Arena *a, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p;
}

char *arena_format(Arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *p = arena_vformat(a, format, args);
    va_end(args);
    return p;
}

void *arena_grow(Arena *a, const void *old, size_t old_bytes, size_t new_bytes)
{
    void *p = arena_alloc(a, new_bytes);
    if (old_bytes)
        memcpy(p, old, old_bytes);
    return p;
}

void arena_free(Arena *a)
{
    for (ArenaBlock *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *a = (Arena){0};
}
