#include "compiler/ir_lex.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir_text.h"

enum { MAX_ID = 1 << 30, MAX_NUMBER = 64 };

typedef struct Lexer {
    Arena *arena;
    Diag *diag;
    const Source *source;
    size_t at;
} Lexer;

static char peek(const Lexer *l)
{
    return l->at < l->source->length ? l->source->text[l->at] : '\0';
}

static Pos span(const Lexer *l, size_t from)
{
    return (Pos){l->source, (uint32_t)from, (uint32_t)(l->at - from)};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_space(Lexer *l)
{
    for (; l->at < l->source->length; l->at++) {
        char c = l->source->text[l->at];
        if (c == '#')
            while (l->at + 1 < l->source->length && l->source->text[l->at + 1] != '\n')
                l->at++;
        else if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
            return;
    }
}

static IrToken bad(Lexer *l, size_t from, const char *message)
{
    diag_error(l->diag, span(l, from), NULL, "%s", message);
    return (IrToken){.kind = IR_BAD, .pos = span(l, from)};
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character an escape stands for, the lexer being behind the backslash; -1: none. */
static int escape(Lexer *l)
{
    char c = peek(l);
    if (c == '"' || c == '\\' || c == 'n') {
        l->at++;
        return c == 'n' ? '\n' : c;
    }
    if (c != 'x' || l->at + 2 >= l->source->length)
        return -1;
    int high = hex_digit(l->source->text[l->at + 1]), low = hex_digit(l->source->text[l->at + 2]);
    l->at += 3;
    return high < 0 || low < 0 || high + low == 0 ? -1 : 16 * high + low;
}

/* A quoted text, the lexer being on its first quote; NULL after a message. */
static char *quoted(Lexer *l, size_t *length)
{
    size_t from = l->at++, n = 0, end = l->at;
    while (end < l->source->length && l->source->text[end] != '"')
        end += l->source->text[end] == '\\' ? 2 : 1;
    if (end >= l->source->length) {
        bad(l, from, "a quoted text does not end");
        return NULL;
    }
    char *text = arena_alloc(l->arena, end - l->at + 1);
    while (peek(l) != '"') {
        int c = (unsigned char)l->source->text[l->at++];
        if (c == '\\')
            c = escape(l);
        if (c <= 0) {
            bad(l, from, "no such character or escape in a quoted text");
            return NULL;
        }
        text[n++] = (char)c;
    }
    l->at++;
    *length = n;
    return text;
}

static bool read_id(const char *s, size_t length, int *id)
{
    int n = 0;
    if (length == 0 || (length > 1 && s[0] == '0'))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(s[i]) || n > MAX_ID / 10)
            return false;
        n = 10 * n + (s[i] - '0');
    }
    *id = n;
    return n < MAX_ID;
}

/* %12, %name.12, %"any name".12 */
static IrToken lex_value(Lexer *l)
{
    size_t from = l->at++;
    IrToken t = {.kind = IR_VALUE};
    if (peek(l) == '"') {
        t.text = quoted(l, &t.length);
        if (!t.text)
            return (IrToken){.kind = IR_BAD, .pos = span(l, from)};
    }
    const char *word = l->source->text + l->at;
    size_t length = 0, dot = 0;
    bool dotted = false;
    for (; ir_word_char(peek(l)); l->at++, length++)
        if (peek(l) == '.') {
            dot = length;
            dotted = true;
        }
    size_t digits = dotted ? dot + 1 : 0;
    bool well = t.text ? dotted && dot == 0 : !dotted || ir_is_word(word, dot);
    if (!well || !read_id(word + digits, length - digits, &t.id))
        return bad(l, from, "a value is written %12 or %name.12");
    if (dotted && !t.text) {
        t.text = arena_text(l->arena, word, dot);
        t.length = dot;
    }
    t.pos = span(l, from);
    return t;
}

static IrToken lex_number(Lexer *l)
{
    size_t from = l->at;
    const char *text = l->source->text + from;
    bool hex = text[0] == '0' && from + 1 < l->source->length && text[1] == 'x';
    l->at += text[0] == '-';
    while (ir_word_char(peek(l)) ||
           ((peek(l) == '+' || peek(l) == '-') && !hex && l->source->text[l->at - 1] == 'e'))
        l->at++;
    return (IrToken){.kind = IR_NUMBER, .pos = span(l, from), .text = text, .length = l->at - from};
}

static IrToken lex_punct(Lexer *l)
{
    size_t from = l->at;
    char c = peek(l);
    if (c == '\0' || !strchr("()[]{},:=@+?", c)) {
        l->at++;
        return bad(l, from, "no such character in IR text");
    }
    l->at++;
    if (c == '+' && peek(l) != ':')
        return bad(l, from, "+ is written +:");
    l->at += c == '+';
    return (IrToken){.kind = IR_PUNCT, .pos = span(l, from), .punct = c};
}

IrToken ir_lex(Arena *arena, Diag *diag, const Source *source, size_t *at)
{
    Lexer l = {arena, diag, source, *at};
    skip_space(&l);
    size_t from = l.at;
    char c = peek(&l), next = from + 1 < source->length ? source->text[from + 1] : '\0';
    IrToken t = {.kind = IR_END, .pos = {source, (uint32_t)from, 0}};
    if (from >= source->length) {
        *at = from;
        return t;
    }
    if (c == '%') {
        t = lex_value(&l);
    } else if (c == '"') {
        t.text = quoted(&l, &t.length);
        t.kind = t.text ? IR_STRING : IR_BAD;
        t.pos = span(&l, from);
    } else if (is_digit(c) || (c == '-' && is_digit(next))) {
        t = lex_number(&l);
    } else if (ir_word_char(c) && c != '.') {
        while (ir_word_char(peek(&l)))
            l.at++;
        t = (IrToken){.kind = IR_WORD,
                      .pos = span(&l, from),
                      .text = source->text + from,
                      .length = l.at - from};
    } else {
        t = lex_punct(&l);
    }
    *at = l.at;
    return t;
}

bool ir_token_is(const IrToken *t, const char *word)
{
    return t->kind == IR_WORD && t->length == strlen(word) && memcmp(t->text, word, t->length) == 0;
}

/* Copies a NUMBER where strto.. can read it. */
static bool number_text(const IrToken *t, char text[MAX_NUMBER])
{
    if (t->kind != IR_NUMBER || t->length >= MAX_NUMBER)
        return false;
    memcpy(text, t->text, t->length);
    text[t->length] = '\0';
    return true;
}

bool ir_token_int(const IrToken *t, int64_t min, int64_t max, int64_t *out)
{
    char text[MAX_NUMBER], *end;
    if (!number_text(t, text))
        return false;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    *out = n;
    return !*end && !errno && n >= min && n <= max;
}

static bool unsigned_code(const char *text, int base, unsigned width, uint64_t *bits)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, base);
    *bits = n;
    return *text != '-' && *text && !*end && !errno && (width == 64 || n >> width == 0);
}

static bool float_code(DType t, const char *text, uint64_t *bits)
{
    char *end;
    double d = strtod(text, &end);
    float f = strtof(text, NULL);
    uint32_t low;
    if (*end || strchr(text, 'x'))
        return false;
    memcpy(&low, &f, sizeof low);
    memcpy(bits, &d, sizeof d);
    if (t == DT_F32)
        *bits = low;
    return t == DT_F32 ? isfinite(f) : isfinite(d);
}

bool ir_token_code(const IrToken *t, DType type, uint64_t *bits)
{
    char text[MAX_NUMBER];
    if (ir_token_is(t, "true") || ir_token_is(t, "false")) {
        *bits = ir_token_is(t, "true");
        return type == DT_BOOL;
    }
    if (!number_text(t, text))
        return false;
    unsigned width = type < DT_COUNT ? dtype_info[type].bits : 64;
    if (text[0] == '0' && text[1] == 'x')
        return unsigned_code(text + 2, 16, 64, bits);
    if (type == DT_F32 || type == DT_F64)
        return float_code(type, text, bits);
    if (!dtype_is_int(type))
        return false;
    if (!dtype_is_signed(type))
        return unsigned_code(text, 10, width, bits);
    int64_t limit = (int64_t)(((uint64_t)1 << (width - 1)) - 1), n;
    if (!ir_token_int(t, -limit - 1, limit, &n))
        return false;
    *bits = (uint64_t)n & (UINT64_MAX >> (64 - width));
    return true;
}
