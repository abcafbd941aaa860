#include "dsl/diag.h"

#include <stdarg.h>
#include <string.h>

#include "dsl/utf8.h"

enum { DEFAULT_LIMIT = 20, WINDOW = 100, HINT_ROOM = 24 };

static int limit(const Diag *d)
{
    return d->limit > 0 ? d->limit : DEFAULT_LIMIT;
}

bool diag_full(const Diag *d)
{
    return d->errors >= limit(d);
}

static const unsigned char *text_of(Pos pos)
{
    return (const unsigned char *)pos.source->text;
}

/* The line around `pos`, without its end. */
static void line_around(Pos pos, const unsigned char **begin, const unsigned char **end)
{
    const unsigned char *text = text_of(pos), *stop = text + pos.source->length;
    const unsigned char *b = text + pos.at;
    while (b > text && b[-1] != '\n')
        b--;
    const unsigned char *e = memchr(b, '\n', (size_t)(stop - b));
    if (!e)
        e = stop;
    while (e > b && e > text + pos.at && e[-1] == '\r')
        e--;
    *begin = b;
    *end = e;
}

static int count_lines(Pos pos)
{
    const Source *s = pos.source;
    if (s->line_starts) { /* the number of lines that start at or before pos */
        int low = 0, high = s->line_count;
        while (high - low > 1) {
            int middle = low + (high - low) / 2;
            if (s->line_starts[middle] <= pos.at)
                low = middle;
            else
                high = middle;
        }
        return low + 1;
    }
    int n = 1;
    const char *at = s->text, *end = at + pos.at;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        n++;
    }
    return n;
}

void pos_line(Pos pos, int *line, int *column)
{
    *line = *column = 0;
    if (!pos.source)
        return;
    if (!pos.source->text) {
        *line = (int)(pos.at >> PLACE_COLUMN_BITS);
        *column = (int)(pos.at & ((1u << PLACE_COLUMN_BITS) - 1));
        return;
    }
    const unsigned char *at, *end, *stop = text_of(pos) + pos.at;
    line_around(pos, &at, &end);
    int n = 1;
    for (uint32_t c; at < stop; n++) {
        int bytes = utf8_decode(at, end > stop ? end : stop, &c);
        at += bytes > 0 ? bytes : 1;
    }
    *line = count_lines(pos);
    *column = n;
}

char *pos_text(Arena *a, Pos pos)
{
    int line, column;
    pos_line(pos, &line, &column);
    return arena_format(a, "%s:%d:%d", pos.source ? pos.source->name : "?", line, column);
}

/* One character of the source, as a terminal may show it: bytes taken, columns used. */
static int show(FILE *out, const unsigned char *at, const unsigned char *end, int *columns)
{
    uint32_t c;
    int n = utf8_decode(at, end, &c);
    *columns = 1;
    if (c == '\t') {
        if (out)
            fputc(' ', out);
    } else if (n == 0 || !utf8_visible(c)) {
        if (out)
            fputs("\xEF\xBF\xBD", out); /* U+FFFD */
    } else {
        *columns = utf8_width(c);
        if (out)
            fwrite(at, 1, (size_t)n, out);
    }
    return n > 0 ? n : 1;
}

/* The first byte of the window of the line that is shown: all of it if it fits. */
static const unsigned char *window(const unsigned char *begin, const unsigned char *end,
                                   const unsigned char *caret)
{
    const unsigned char *from = begin;
    if (end - begin > WINDOW && caret - begin > WINDOW * 3 / 5) {
        from = caret - WINDOW / 2;
        while (from < caret && (*from & 0xC0) == 0x80)
            from++;
    }
    return from;
}

static void caret_line(Diag *d, int indent, int width, const char *hint)
{
    fprintf(d->out, "%*s%s^", indent, "", d->color ? "\033[1;32m" : "");
    for (int i = 1; i < width; i++)
        fputc('~', d->out);
    fputs(d->color ? "\033[0m" : "", d->out);
    if (hint)
        fprintf(d->out, " %s", hint);
    fputc('\n', d->out);
}

/* The source line, or a window of it, and the caret. */
static void quote(Diag *d, Pos pos, const char *hint)
{
    const unsigned char *begin, *end, *caret = text_of(pos) + pos.at;
    line_around(pos, &begin, &end);
    const unsigned char *from = window(begin, end, caret), *at = from;
    const unsigned char *last = caret + (pos.length > 0 ? pos.length : 1);
    int used = 0, indent = 0, width = 0;
    if (from > begin)
        used = indent = fprintf(d->out, "...") > 0 ? 3 : 0;
    while (at < end && used < WINDOW + HINT_ROOM) {
        int columns;
        bool before = at < caret, inside = !before && at < last;
        at += show(d->out, at, end, &columns);
        used += columns;
        indent += before ? columns : 0;
        width += inside ? columns : 0;
    }
    fprintf(d->out, "%s\n", at < end ? "..." : "");
    caret_line(d, indent, width, hint);
}

/* The message's text: nothing in it may act on a terminal. */
static char *clean(char *text)
{
    for (char *s = text; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7F)
            *s = '?';
    return text;
}

static void print(Diag *d, Pos pos, const char *kind, const char *color, const char *hint,
                  const char *text)
{
    if (!d->out)
        return;
    const char *on = d->color ? color : "", *off = d->color ? "\033[0m" : "";
    if (pos.source) {
        int line, column;
        pos_line(pos, &line, &column);
        fprintf(d->out, "%s:%d:%d: ", pos.source->name, line, column);
    }
    fprintf(d->out, "%s%s:%s %s\n", on, kind, off, text);
    if (pos.source && pos.source->text)
        quote(d, pos, hint);
    else if (hint)
        fprintf(d->out, "    hint: %s\n", hint);
}

/* False if the same was said before at this place. */
static bool is_new(Diag *d, Pos pos, const char *kind, const char *text)
{
    uint64_t h = 14695981039346656037u ^ (uint64_t)(uintptr_t)pos.source ^ pos.at;
    for (const char *s = kind; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    for (const char *s = text; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    for (int i = 0; i < d->seen_count; i++)
        if (d->seen[i] == h)
            return false;
    struct {
        uint64_t *items;
        int count, capacity;
    } v = {d->seen, d->seen_count, d->seen_capacity};
    PUSH(d->arena, &v, h);
    d->seen = v.items;
    d->seen_count = v.count;
    d->seen_capacity = v.capacity;
    return true;
}

bool diag_error(Diag *d, Pos pos, const char *hint, const char *format, ...)
{
    va_list args;
    d->muted = true;
    if (diag_full(d)) {
        d->errors++;
        return false;
    }
    va_start(args, format);
    char *text = clean(arena_vformat(d->arena, format, args));
    va_end(args);
    if (!is_new(d, pos, "error", text))
        return false;
    d->muted = false;
    d->errors++;
    if (!d->first)
        d->first = pos.source
                       ? arena_format(d->arena, "%s: error: %s", pos_text(d->arena, pos), text)
                       : arena_format(d->arena, "error: %s", text);
    print(d, pos, "error", "\033[1;31m", hint, text);
    if (diag_full(d) && d->out && limit(d) > 1)
        fprintf(d->out, "too many errors (%d): the rest is not shown\n", limit(d));
    return false;
}

void diag_warning(Diag *d, Pos pos, const char *hint, const char *format, ...)
{
    va_list args;
    d->muted = true;
    if (diag_full(d))
        return;
    va_start(args, format);
    char *text = clean(arena_vformat(d->arena, format, args));
    va_end(args);
    if (!is_new(d, pos, "warning", text))
        return;
    d->muted = false;
    d->warnings++;
    print(d, pos, "warning", "\033[1;35m", hint, text);
}

void diag_note(Diag *d, Pos pos, const char *format, ...)
{
    if (d->muted || !d->out)
        return;
    va_list args;
    va_start(args, format);
    char *text = clean(arena_vformat(d->arena, format, args));
    va_end(args);
    print(d, pos, "note", "\033[1;36m", NULL, text);
}

/* Edit distance with exchanges of neighbours, for short words; `above` if it is larger. */
static int distance(const char *a, const char *b, int above)
{
    enum { LONGEST = 40 };
    int m = (int)strlen(a), n = (int)strlen(b);
    if (m > LONGEST || n > LONGEST || m - n >= above || n - m >= above)
        return above;
    int rows[3][LONGEST + 1];
    int *before = rows[0], *row = rows[1], *next = rows[2];
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; i <= m; i++) {
        next[0] = i;
        for (int j = 1; j <= n; j++) {
            int best = row[j - 1] + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (next[j - 1] + 1 < best)
                best = next[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            next[j] = best;
        }
        int *t = before;
        before = row;
        row = next;
        next = t;
    }
    return row[n];
}

const char *diag_nearest(const char *name, const char *const *candidates, int count)
{
    int length = (int)strlen(name);
    int best = length < 6 ? 2 : length < 9 ? 3 : 4; /* at most 1, 2, 3 edits */
    const char *found = NULL;
    for (int i = 0; i < count; i++) {
        int d = distance(name, candidates[i], best);
        if (d < best && d < length) {
            best = d;
            found = candidates[i];
        }
    }
    return found;
}
