/* Words and texts of C, for trim.c. */
#include "runtime/trim.h"

#include <stdlib.h>
#include <string.h>

/* ---- words ---- */

bool tile__word_equal(Word a, Word b)
{
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

bool tile__word_begins(Word w, const char *text)
{
    size_t n = strlen(text);
    return w.length >= n && memcmp(w.at, text, n) == 0;
}

const char *tile__skip_spaces(const char *p, const char *end)
{
    while (p < end && isspace((unsigned char)*p)) {
        p++;
    }
    return p;
}

const char *tile__skip_quoted(const char *p, const char *end)
{
    char quote = *p++;
    while (p < end && *p != quote) {
        p += *p == '\\' && p + 1 < end ? 2 : 1;
    }
    return p < end ? p + 1 : end;
}

Word tile__word_at(const char *p, const char *end)
{
    Word w = {p, 0};
    while (p < end && is_letter(*p) && !(w.length == 0 && isdigit((unsigned char)*p))) {
        p++;
        w.length++;
    }
    return w;
}

const char *tile__skip_brackets(const char *p, const char *end)
{
    int depth = 0;
    while (p < end) {
        if (*p == '"' || *p == '\'') {
            p = tile__skip_quoted(p, end);
            continue;
        }
        depth += (strchr("([{", *p) != NULL) - (strchr(")]}", *p) != NULL);
        p++;
        if (depth == 0) {
            return p;
        }
    }
    return NULL;
}

const char *tile__behind_token(const char *p, const char *end)
{
    bool number = isdigit((unsigned char)*p);
    if (*p == '"' || *p == '\'') {
        return tile__skip_quoted(p, end);
    }
    do {
        p++;
    } while (number && p < end && is_letter(*p));
    return p;
}

int tile__list_arguments(const char *p, const char *end, Word *out)
{
    int n = 0;
    const char *close = tile__skip_brackets(p, end), *from = p + 1;
    if (!close) {
        return -1;
    }
    for (p = from; p < close;) {
        if (*p == ',' || p == close - 1) {
            const char *begin = tile__skip_spaces(from, p), *last = p;
            while (last > begin && isspace((unsigned char)last[-1])) {
                last--;
            }
            if (n == MOST_PARAMETERS) {
                return -1;
            }
            out[n++] = (Word){begin, (size_t)(last - begin)};
            from = ++p;
        } else if (strchr("([{", *p)) {
            p = tile__skip_brackets(p, close);
            if (!p) {
                return -1;
            }
        } else {
            p = *p == '"' || *p == '\'' ? tile__skip_quoted(p, close) : p + 1;
        }
    }
    return n;
}

/* ---- texts ---- */

void tile__text_put(Text *t, Word w)
{
    if (t->length + w.length >= t->room && !t->failed) {
        size_t room = 2 * (t->length + w.length) + 256;
        char *more = realloc(t->at, room);
        if (!more) {
            free(t->at);
            *t = (Text){.failed = true};
            return;
        }
        t->at = more;
        t->room = room;
    }
    if (!t->failed) {
        memcpy(t->at + t->length, w.at, w.length);
        t->at[t->length += w.length] = 0;
    }
}

char *tile__text_cleaned(const char *text)
{
    size_t n = strlen(text);
    char *out = malloc(n + 1);
    if (!out) {
        return NULL;
    }
    memcpy(out, text, n + 1);
    for (char *p = out, *end = out + n; p < end;) {
        char *from = p;
        if (*p == '"' || *p == '\'') {
            p += tile__skip_quoted(p, end) - p;
            continue;
        }
        if (p[0] == '/' && p[1] == '*') {
            char *close = strstr(p + 2, "*/");
            p = close ? close + 2 : end;
        } else if (p[0] == '/' && p[1] == '/') {
            p += strcspn(p, "\n");
        } else if (p[0] == '\\' && p[1] == '\n') {
            p += 2;
        } else {
            p++;
            continue;
        }
        memset(from, ' ', (size_t)(p - from));
    }
    return out;
}
