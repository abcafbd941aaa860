/* What the user is told: file:line:col: error: text, the source line, a caret, a hint. */
#ifndef TILE_DIAG_H
#define TILE_DIAG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "dsl/arena.h"

/* A source text, in memory whole with a NUL after it. */
typedef struct Source {
    const char *name; /* as the user gave it */
    const char *text;
    size_t length;
    struct Source *next;
    const uint32_t *line_starts; /* offsets of the lines, once parsed; NULL: not known */
    int line_count;
} Source;

/* In a source that is only a name (text NULL: IR text names the file it came from), `at` of a Pos
 * is line << PLACE_COLUMN_BITS | column. */
enum { PLACE_COLUMN_BITS = 12 };

/* A place: byte offset and length in a source. {0} is no place. */
typedef struct Pos {
    const Source *source;
    uint32_t at, length;
} Pos;

typedef struct Diag {
    Arena *arena;
    FILE *out; /* NULL: keep messages, print nothing */
    int errors, warnings;
    int limit; /* errors printed before giving up; 0 means 20 */
    bool color;
    bool muted;     /* the message before was not printed, nor are its notes */
    char *first;    /* text of the first error, without source line */
    uint64_t *seen; /* hashes of printed messages: none is printed twice */
    int seen_count, seen_capacity;
} Diag;

/* Reports the user's fault at a place; returns false, so that `return diag_error(...)` reads well.
 * The same text at the same place is reported once. `hint` may be NULL. */
bool diag_error(Diag *, Pos, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void diag_warning(Diag *, Pos, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* An addition to the message before ("declared here"). */
void diag_note(Diag *, Pos, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* True when the limit is reached and work should end. */
bool diag_full(const Diag *);

/* Line and column, from 1; a column counts characters (UTF-8), a tab as one. */
void pos_line(Pos, int *line, int *column);
/* "file:line:col" */
char *pos_text(Arena *, Pos);

/* The candidate nearest to `name` by edit distance, NULL if none is near: for "did you mean". */
const char *diag_nearest(const char *name, const char *const *candidates, int count);

#endif
