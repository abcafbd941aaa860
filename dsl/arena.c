#include "dsl/arena.h"

#include <stdbool.h>
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

/* Rounded up to a multiple of the alignment; at least one. */
static size_t aligned(size_t bytes)
{
    const size_t unit = sizeof(max_align_t);
    return (bytes ? bytes + unit - 1 : unit) / unit * unit;
}

void *arena_alloc(Arena *a, size_t bytes)
{
    if (bytes > (size_t)-1 / 2)
        out_of_memory();
    bytes = aligned(bytes);
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

/* The decimal digits of i, behind which `end` stands. */
static const char *digits_of(long long i, char *end)
{
    unsigned long long n = i < 0 ? -(unsigned long long)i : (unsigned long long)i;
    do
        *--end = (char)('0' + n % 10);
    while (n /= 10);
    if (i < 0)
        *--end = '-';
    return end;
}

/* For what nearly all formats of the emitter have: %s, %.*s, %d, %lld, %%. Gives the length, or
 * `room` if that is too small or there is something else. */
static size_t format_simple(char *out, size_t room, const char *format, va_list args)
{
    char digits[24], *const end = digits + sizeof digits;
    size_t at = 0;
    while (*format && at < room) {
        const char *text;
        size_t n;
        if (*format != '%' || format[1] == '%') {
            format += *format == '%';
            out[at++] = *format++;
            continue;
        }
        if (format[1] == 's') {
            text = va_arg(args, const char *);
            n = strlen(text);
            format += 2;
        } else if (format[1] == 'd') {
            text = digits_of(va_arg(args, int), end);
            n = (size_t)(end - text);
            format += 2;
        } else if (strncmp(format, "%lld", 4) == 0) {
            text = digits_of(va_arg(args, long long), end);
            n = (size_t)(end - text);
            format += 4;
        } else if (strncmp(format, "%.*s", 4) == 0) {
            n = (size_t)va_arg(args, int);
            text = va_arg(args, const char *);
            n = strnlen(text, n);
            format += 4;
        } else {
            return room;
        }
        if (n < room - at)
            memcpy(out + at, text, n);
        at += n;
    }
    if (at >= room)
        return room;
    out[at] = 0;
    return at;
}

char *arena_vformat(Arena *a, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    /* Most texts fit into what is left of the block: then one pass over the format is enough. */
    size_t room = (size_t)(a->end - a->at), n = format_simple(a->at, room, format, args);
    char *p = a->at;
    if (n < room) {
        a->at += aligned(n + 1);
    } else {
        va_list once;
        va_copy(once, again);
        n = (size_t)vsnprintf(NULL, 0, format, once);
        va_end(once);
        p = arena_alloc(a, n + 1);
        vsnprintf(p, n + 1, format, again);
    }
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
