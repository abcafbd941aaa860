/* Inside trim.c: headers of C as chunks. */
#ifndef TILE_TRIM_H
#define TILE_TRIM_H

#include <ctype.h>

#include "runtime/runtime.h"

typedef struct Word {
    const char *at;
    size_t length;
} Word;

typedef struct Chunk Chunk;
struct Chunk {
    Word text, name; /* name of length 0: none */
    int line;        /* where it is in its header */
    bool kept;
    bool spent;  /* a macro that has defined its functions: nothing else needs it */
    char *owned; /* text that is to be freed; NULL: the header's */
    Chunk *next; /* in the header */
    Chunk *same; /* of those with the same hash */
    Chunk *todo; /* kept, and not looked through yet */
};

typedef struct Header {
    const TextFile *file;
    char *clean; /* its text without comments and continued lines, of the same length */
    Chunk *first, **end;
    bool included;
    bool whole; /* it is not understood: all of it stays */
} Header;

enum { BUCKETS = 1024, MOST_HEADERS = 32, MOST_PARAMETERS = 16 };

typedef struct Trim {
    Header headers[MOST_HEADERS];
    int count;
    Chunk *buckets[BUCKETS];
    Chunk *todo;
    bool failed; /* no memory, or a paste that says nothing of the name: nothing is left out */
} Trim;

/* A text that grows; NULL once there was no memory for it. */
typedef struct Text {
    char *at;
    size_t length, room;
    bool failed;
} Text;

/* ---- trim_text.c ---- */

static inline bool is_letter(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

bool tile__word_equal(Word, Word);
bool tile__word_begins(Word, const char *text);
/* The identifier at p; of length 0 if there is none. */
Word tile__word_at(const char *p, const char *end);
const char *tile__skip_spaces(const char *p, const char *end);
/* Behind the text or character that begins at p. */
const char *tile__skip_quoted(const char *p, const char *end);
/* Behind the bracket that closes the one at p; NULL: none does. */
const char *tile__skip_brackets(const char *p, const char *end);
/* Behind a number, or another character that is no word. */
const char *tile__behind_token(const char *p, const char *end);
/* What stands between the brackets at p, cut at commas; the number, -1 if there are too many. */
int tile__list_arguments(const char *p, const char *end, Word *out);
void tile__text_put(Text *, Word);
/* Comments become spaces, as does the end of a line that goes on. NULL: no memory. */
char *tile__text_cleaned(const char *text);

/* ---- trim_cut.c ---- */

/* Makes the chunks of the header. */
void tile__header_cut(Trim *, Header *);
void tile__header_free(Header *);

#endif
