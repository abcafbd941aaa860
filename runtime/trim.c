/* What of the device headers a kernel needs.
 *
 * Of the hundreds of functions there a kernel calls a few dozen; NVRTC would spend a third of its
 * time on the others. A header is cut into chunks: functions, macros, and all else. Macros that
 * define functions, which are used at the left margin, are expanded first, so that their functions
 * are chunks, too. A function or macro stays if its name occurs in what stays; what has no name
 * stays where its header is included. Of a name that is pasted together all stay that begin with
 * its first part. A header that does not look like that stays as it is.
 */
#include "runtime/trim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t hash_of(Word w)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < w.length; i++) {
        h = (h ^ (unsigned char)w.at[i]) * 16777619u;
    }
    return (h ^ h >> 15) % BUCKETS;
}

/* ---- what stays ---- */

static void keep(Trim *t, Chunk *c)
{
    if (!c->kept) {
        c->kept = true;
        c->todo = t->todo;
        t->todo = c;
    }
}

static void keep_name(Trim *t, Word name)
{
    for (Chunk *c = t->buckets[hash_of(name)]; c; c = c->same) {
        if (tile__word_equal(c->name, name)) {
            keep(t, c);
        }
    }
}

static void keep_prefix(Trim *t, Word prefix)
{
    for (int i = 0; i < t->count; i++) {
        for (Chunk *c = t->headers[i].first; c; c = c->next) {
            if (!c->spent && c->name.length > prefix.length &&
                memcmp(c->name.at, prefix.at, prefix.length) == 0) {
                keep(t, c);
            }
        }
    }
}

static bool is_parameter(const Chunk *c, Word w)
{
    Word names[MOST_PARAMETERS];
    const char *end = c->text.at + c->text.length, *list = c->name.at + c->name.length;
    int n = c->name.length && list < end && *list == '(' ? tile__list_arguments(list, end, names)
                                                         : 0;
    for (int i = 0; i < n; i++) {
        if (tile__word_equal(names[i], w)) {
            return true;
        }
    }
    return n < 0;
}

/* Keeps what the text names. */
static void look_through(Trim *t, Word text, const Chunk *c)
{
    const char *end = text.at + text.length;
    bool pasted = false; /* to what stands before */
    for (const char *p = text.at; p < end;) {
        Word w = tile__word_at(p, end);
        if (w.length == 0) {
            pasted = (pasted && isspace((unsigned char)*p)) ||
                     (p > text.at && *p == '#' && p[-1] == '#');
            p = *p == '"' || *p == '\'' ? p + 1 : tile__behind_token(p, end);
            continue;
        }
        const char *after = tile__skip_spaces(p += w.length, end);
        bool pastes = end - after >= 2 && after[0] == '#' && after[1] == '#';
        if (pastes && !pasted) {
            t->failed |= c && is_parameter(c, w);
            keep_prefix(t, w);
        }
        keep_name(t, w);
        pasted = false;
    }
}

static void include(Trim *t, const char *name, size_t length);

/* Follows #include "..". */
static void include_all(Trim *t, const char *text)
{
    while ((text = strstr(text, "#include \"")) != NULL) {
        text += strlen("#include \"");
        include(t, text, strcspn(text, "\""));
    }
}

static void include(Trim *t, const char *name, size_t length)
{
    for (int i = 0; i < t->count; i++) {
        Header *h = &t->headers[i];
        if (tile__word_equal((Word){h->file->name, strlen(h->file->name)}, (Word){name, length}) &&
            !h->included) {
            h->included = true;
            include_all(t, h->file->text);
        }
    }
}

static void find_kept(Trim *t, const char *source)
{
    for (int i = 0; i < t->count; i++) {
        for (Chunk *c = t->headers[i].first; c; c = c->next) {
            if (c->name.length == 0 || t->headers[i].whole) {
                keep(t, c);
            }
            if (c->name.length == 0 || c->spent) {
                continue;
            }
            Chunk **bucket = &t->buckets[hash_of(c->name)];
            c->same = *bucket;
            *bucket = c;
        }
    }
    look_through(t, (Word){source, strlen(source)}, NULL);
    while (t->todo) {
        Chunk *c = t->todo;
        t->todo = c->todo;
        look_through(t, c->text, c);
    }
}

/* Lines keep their numbers: those that a profiler shows are those of the header. */
static char *kept_text(const Header *h)
{
    Text text = {0};
    tile__text_put(&text, (Word){"", 0});
    for (const Chunk *c = h->first; c; c = c->next) {
        if (c->kept) {
            char line[32];
            tile__text_put(
                &text, (Word){line, (size_t)snprintf(line, sizeof line, "#line %d\n", c->line)});
            tile__text_put(&text, c->text);
            tile__text_put(&text, (Word){"\n", 1});
        }
    }
    return text.at;
}

void tile__trim(const char *source, const TextFile *files, int count, char **texts)
{
    Trim *t = calloc(1, sizeof *t);
    memset(texts, 0, (size_t)count * sizeof *texts);
    if (!t || count > MOST_HEADERS) {
        free(t);
        return;
    }
    t->count = count;
    for (int i = 0; i < count; i++) {
        t->headers[i].file = &files[i];
        t->headers[i].end = &t->headers[i].first;
    }
    include_all(t, source);
    for (int i = 0; i < count && !t->failed; i++) {
        Header *h = &t->headers[i];
        h->clean = h->included ? tile__text_cleaned(h->file->text) : NULL;
        t->failed |= h->included && !h->clean;
        if (h->clean) {
            tile__header_cut(t, h);
        }
    }
    if (!t->failed) {
        find_kept(t, source);
    }
    for (int i = 0; i < count; i++) {
        Header *h = &t->headers[i];
        texts[i] = h->included && !h->whole && !t->failed ? kept_text(h) : NULL;
        tile__header_free(h);
        free(h->clean);
    }
    free(t);
}
