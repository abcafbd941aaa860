/* From the text of a header to its chunks, for trim.c. */
#include "runtime/trim.h"

#include <stdlib.h>
#include <string.h>

/* ---- chunks ---- */

static Chunk *add_chunk(Trim *t, Header *h, Word text, Word name, int line, char *owned)
{
    Chunk *c = calloc(1, sizeof *c);
    if (!c) {
        free(owned);
        t->failed = true;
        return NULL;
    }
    *c = (Chunk){.text = text, .name = name, .line = line, .owned = owned};
    *h->end = c;
    h->end = &c->next;
    return c;
}

/* "#define NAME", "#undef NAME" */
static Word macro_name(Word text)
{
    const char *end = text.at + text.length;
    bool named = tile__word_begins(text, "#define ") || tile__word_begins(text, "#undef ");
    return named ? tile__word_at(strchr(text.at, ' ') + 1, end) : (Word){text.at, 0};
}

/* The word before the first bracket: "TILE_FN int f(int x) { .. }". */
static Word function_name(Word text)
{
    const char *p = text.at, *end = text.at + text.length;
    Word name = {p, 0};
    while (p < end && *p != '(') {
        Word w = tile__word_at(p, end);
        name = w.length ? w : name;
        p += w.length ? w.length : 1;
    }
    return p < end ? name : (Word){text.at, 0};
}

/* ---- macros that define functions ---- */

/* The macro of that name, which has been defined and not undefined since. */
static Chunk *find_macro(const Header *h, Word name)
{
    Chunk *found = NULL;
    for (Chunk *c = h->first; c; c = c->next) {
        if (*c->text.at != '#' || !tile__word_equal(c->name, name)) {
            continue;
        }
        if (found && tile__word_begins(c->text, "#define ")) {
            return NULL; /* one of two, and who knows which */
        }
        found = tile__word_begins(c->text, "#define ") ? c : NULL;
    }
    return found;
}

/* The body with arguments for parameters. False: it makes texts of them, which is not done here. */
static bool substitute(Text *out, Word body, const Word *names, const Word *values, int count)
{
    const char *end = body.at + body.length;
    for (const char *p = body.at; p < end;) {
        const char *from = p;
        Word w = tile__word_at(p, end);
        if (w.length) {
            int i = 0;
            while (i < count && !tile__word_equal(names[i], w)) {
                i++;
            }
            tile__text_put(out, i < count ? values[i] : w);
            p += w.length;
        } else if (isspace((unsigned char)*p)) {
            p = tile__skip_spaces(p, end);
            tile__text_put(out, (Word){" ", p < end && *p != '#'});
        } else if (*p == '#') {
            if (end - p < 2 || p[1] != '#') {
                return false;
            }
            p = tile__skip_spaces(p + 2, end);
        } else {
            p = tile__behind_token(p, end);
            tile__text_put(out, (Word){from, (size_t)(p - from)});
        }
    }
    return true;
}

/* "NAME(a, b)": allocated; NULL: it cannot be expanded. */
static char *expand(const Header *h, Word call)
{
    Word names[MOST_PARAMETERS], values[MOST_PARAMETERS];
    const char *end = call.at + call.length;
    Word name = tile__word_at(call.at, end);
    Chunk *macro = find_macro(h, name);
    if (!macro || macro->name.at[name.length] != '(') {
        return NULL;
    }
    macro->spent = true;
    const char *list = macro->name.at + name.length, *stop = macro->text.at + macro->text.length;
    const char *body = tile__skip_brackets(list, stop);
    int count = tile__list_arguments(list, stop, names);
    if (!body || count < 0 || tile__list_arguments(call.at + name.length, end, values) != count) {
        return NULL;
    }
    Text text = {0};
    if (!substitute(&text, (Word){body, (size_t)(stop - body)}, names, values, count)) {
        free(text.at);
        return NULL;
    }
    return text.at;
}

/* Chunks of the functions that a call at the left margin defines. False: it is something else. */
static bool add_functions(Trim *t, Header *h, Word call, int line)
{
    char *text = expand(h, call);
    if (!text) {
        return false;
    }
    const char *end = text + strlen(text), *p = tile__skip_spaces(text, end);
    bool good = true, used = false;
    while (good && p < end) {
        Word w = tile__word_at(p, end);
        const char *open = p + strcspn(p, tile__word_begins(w, "TILE_FN") ? "{;" : "(");
        const char *close = *open && *open != ';' ? tile__skip_brackets(open, end) : NULL;
        Word piece = {p, close ? (size_t)(close - p) : 0};
        if (!close || w.length == 0) {
            good = false;
        } else if (tile__word_begins(w, "TILE_FN")) {
            char *owned = used ? NULL : text;
            used = true;
            good = add_chunk(t, h, piece, function_name(piece), line, owned) != NULL;
        } else {
            good = open == p + w.length && add_functions(t, h, piece, line);
        }
        p = tile__skip_spaces(close ? close : end, end);
        while (p < end && *p == ';') {
            p = tile__skip_spaces(p + 1, end);
        }
    }
    if (!used) {
        free(text);
    }
    return good;
}

/* ---- headers ---- */

/* Behind the chunk that begins at p. */
static const char *chunk_end(const char *p, const char *end)
{
    if (*p == '#') {
        return p + strcspn(p, "\n");
    }
    while (p < end) {
        if (*p == '"' || *p == '\'') {
            p = tile__skip_quoted(p, end);
        } else if (strchr("([{", *p)) {
            bool body = *p == '{', call = *p == '(';
            p = tile__skip_brackets(p, end);
            if (!p) {
                return NULL;
            }
            const char *after = tile__skip_spaces(p, end);
            if (body && (after == end || *after != ';')) {
                return p;
            }
            if (call && (*p == '\n' || p == end) && (after == end || *after != '{')) {
                return p;
            }
        } else if (*p++ == ';') {
            return p;
        }
    }
    return end;
}

static bool add_piece(Trim *t, Header *h, Word text, int line)
{
    Word none = {text.at, 0};
    const char *end = text.at + text.length;
    if (*text.at == '#') {
        return add_chunk(t, h, text, macro_name(text), line, NULL) != NULL;
    }
    Word first = tile__word_at(text.at, end);
    if (first.length && first.at[first.length] == '(') {
        return add_functions(t, h, text, line);
    }
    bool function = tile__word_begins(text, "TILE_FN ") && end[-1] == '}';
    return add_chunk(t, h, text, function ? function_name(text) : none, line, NULL) != NULL;
}

void tile__header_free(Header *h)
{
    for (Chunk *c = h->first, *next; c; c = next) {
        next = c->next;
        free(c->owned);
        free(c);
    }
    h->first = NULL;
    h->end = &h->first;
}

/* False: it is not understood. */
static bool cut(Trim *t, Header *h)
{
    const char *end = h->clean + strlen(h->clean), *from = h->clean;
    const char *original = h->file->text, *p = tile__skip_spaces(from, end);
    int line = 1;
    while (p < end) {
        for (; from < p; from++) {
            line += original[from - h->clean] == '\n';
        }
        const char *stop = chunk_end(p, end);
        if (!stop || !add_piece(t, h, (Word){p, (size_t)(stop - p)}, line)) {
            return false;
        }
        p = tile__skip_spaces(stop, end);
    }
    return true;
}

void tile__header_cut(Trim *t, Header *h)
{
    h->whole = !cut(t, h);
    if (!h->whole) {
        return;
    }
    tile__header_free(h);
    for (const char *p = h->clean; *p;) {
        size_t n = strcspn(p, "\n");
        Word line = {p, n};
        add_chunk(t, h, line, macro_name(line), 0, NULL);
        p += n + (p[n] == '\n');
    }
}
