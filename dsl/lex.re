/* Text to tokens.  The whole file is in memory with a NUL after it; the grammar of a token needs no
 * context.  Comments are put aside for fmt; what is no token is reported here. */
#include <string.h>

#include "dsl/parse.h"
#include "dsl/utf8.h"
#include "grammar.h"

/* A byte order mark is no part of the text. */
static const unsigned char *text_begin(const Source *source)
{
    bool mark = source->length >= 3 && memcmp(source->text, "\xEF\xBB\xBF", 3) == 0;
    return (const unsigned char *)source->text + (mark ? 3 : 0);
}

Lexer lexer_new(Arena *arena, Diag *diag, struct Interner *names, const Source *source,
                CommentList *comments)
{
    return (Lexer){arena, diag, names, source, text_begin(source), comments, NULL};
}

static Pos place(const Lexer *l, const unsigned char *from, const unsigned char *to)
{
    const unsigned char *text = (const unsigned char *)l->source->text;
    return (Pos){l->source, (uint32_t)(from - text), (uint32_t)(to - from)};
}

static const unsigned char *text_end(const Lexer *l)
{
    return (const unsigned char *)l->source->text + l->source->length;
}

static bool first_on_line(const Lexer *l, const unsigned char *at)
{
    const unsigned char *text = text_begin(l->source);
    while (at > text && (at[-1] == ' ' || at[-1] == '\t' || at[-1] == '\r'))
        at--;
    return at == text || at[-1] == '\n';
}

/* From a `#` to the end of its line, whatever bytes stand there. */
static void comment(Lexer *l, const unsigned char *start)
{
    const unsigned char *end = memchr(start, '\n', (size_t)(text_end(l) - start));
    if (!end)
        end = text_end(l);
    l->at = end;
    const unsigned char *nul = memchr(start, 0, (size_t)(end - start));
    if (nul)
        diag_error(l->diag, place(l, nul, nul + 1), NULL, "unexpected NUL byte");
    while (end > start && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (l->comments && l->comments->count >= TOKEN_LIMIT)
        l->at = text_end(l);         /* the driver says so */
    else if (l->comments)
        PUSH(l->arena, l->comments, ((Comment){place(l, start, end), first_on_line(l, start)}));
}

/* Characters that editors and papers put in the place of ASCII ones. */
static const char *replacement(uint32_t c)
{
    static const struct { uint32_t c; const char *hint; } known[] = {
        {0xA0, "this is a no-break space; write a space"}, {0xD7, "write *"},
        {0xF7, "write /"}, {0x2212, "write -"}, {0x2013, "write -"}, {0x2264, "write <="},
        {0x2265, "write >="}, {0x2260, "write !="}, {0x201C, "write a plain double quote"},
        {0x201D, "write a plain double quote"}, {0x2026, "write .."}, {0x221E, "write inf"},
        {0xFEFF, "a byte order mark belongs at the start of a file only"},
        {0x200B, "this is a space without width; delete it"},
        {'\'', "strings stand in double quotes"}, {'$', NULL}, {'\\', NULL}, {'`', NULL},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].c == c)
            return known[i].hint;
    return c >= 0x80 ? "names are made of ASCII letters, digits and _" : NULL;
}

static void report_stray(Lexer *l, Pos pos, const unsigned char *start, int n, uint32_t c)
{
    if (n == 0)
        diag_error(l->diag, pos, start[0] >= 0xFE ? "is this file UTF-16? save it as UTF-8" : NULL,
                   "byte 0x%02X is not valid UTF-8", start[0]);
    else if (c == 0)
        diag_error(l->diag, pos, NULL, "unexpected NUL byte");
    else if (!utf8_visible(c))
        diag_error(l->diag, pos, replacement(c), "unexpected character U+%04X", c);
    else if (c >= 0x80)
        diag_error(l->diag, pos, replacement(c), "unexpected character U+%04X '%.*s'", c, n, start);
    else
        diag_error(l->diag, pos, replacement(c), "unexpected character '%c'", (int)c);
}

/* Bytes that begin no token: one message a line, about the first of them. */
static int stray(Lexer *l, const unsigned char *start)
{
    uint32_t c = 0;
    int n = utf8_decode(start, text_end(l), &c);
    l->at = start + (n > 0 ? n : 1);
    if (!l->told || memchr(l->told, '\n', (size_t)(start - l->told)))
        report_stray(l, place(l, start, l->at), start, n, c);
    l->told = start;
    while (l->at < text_end(l) && (*l->at >= 0x80 || *l->at < ' ') && !strchr("\n\t\r", *l->at))
        l->at++;
    return TK_BAD;
}

static void check_string(Lexer *l, const unsigned char *from, const unsigned char *to)
{
    for (const unsigned char *s = from; s < to;) {
        uint32_t c;
        int n = utf8_decode(s, to, &c);
        if (n == 0) {
            diag_error(l->diag, place(l, s, s + 1), NULL, "byte 0x%02X is not valid UTF-8", *s);
            return;
        }
        s += n;
    }
}

static void malformed(Lexer *l, const unsigned char *from, const unsigned char *to)
{
    int length = (int)(to - from);
    const char *hint = NULL;
    if (from[0] == '0' && (from[1] == 'x' || from[1] == 'X'))
        hint = "hexadecimal: 0x1FFF; with a point or an exponent: 0x1.8p-3";
    else if (memchr(from, '_', (size_t)length))
        hint = "digits are written without _";
    else if (!memchr(from, '.', (size_t)length))
        hint = "numbers have no suffix, and names begin with a letter";
    diag_error(l->diag, place(l, from, to), hint, "malformed number `%.*s%s`",
               length < 60 ? length : 60, from, length < 60 ? "" : "...");
}

int lex(Lexer *l, Token *t)
{
    const unsigned char *s = l->at, *marker, *start;

#define TOKEN(code)                                                                             \
    do {                                                                                        \
        l->at = s;                                                                              \
        *t = (Token){.pos = place(l, start, s)};                                                \
        return (code);                                                                          \
    } while (0)

again:
    start = s;
    /*!re2c
        re2c:define:YYCTYPE = "unsigned char";
        re2c:define:YYCURSOR = s;
        re2c:define:YYMARKER = marker;
        re2c:yyfill:enable = 0;

        blank = [ \t\r\n]+;
        dec = [0-9]+;
        hex = [0-9a-fA-F]+;
        exp = [eE] [+-]? dec;
        int = dec | "0x" hex;
        num = dec "." dec exp? | dec exp | "0x" hex ("." [0-9a-fA-F]*)? "p" [+-]? dec;
        word = [A-Za-z_] [A-Za-z_0-9]*;
        wrong = dec word | dec "." dec word | "0x" hex "." hex word?;
        chars = [^"\n\x00]*;

        blank       { goto again; }
        "#"         { comment(l, start); s = l->at; goto again; }
        word        {
            int keyword;
            Name name = intern_word(l->names, (const char *)start, (size_t)(s - start), &keyword);
            l->at = s;
            *t = (Token){place(l, start, s), name};
            return keyword ? keyword : TK_ID;
        }
        int         { TOKEN(TK_INT); }
        num         { TOKEN(TK_NUM); }
        wrong       { malformed(l, start, s); TOKEN(TK_NUM); }
        ["] chars ["] { check_string(l, start + 1, s - 1); TOKEN(TK_STRING); }
        ["] chars   {
            if (s < text_end(l) && *s == 0) {
                diag_error(l->diag, place(l, s, s + 1), NULL, "unexpected NUL byte");
                while (s < text_end(l) && *s != '"' && *s != '\n')
                    s++;
                if (*s == '"') {
                    s++;
                    TOKEN(TK_STRING);
                }
            }
            while (s > start + 1 && s[-1] == '\r')
                s--;
            diag_error(l->diag, place(l, start, s), "a string ends on its line, with \"",
                       "unterminated string");
            TOKEN(TK_STRING);
        }
        ";"  { TOKEN(TK_SEMI); }      ","  { TOKEN(TK_COMMA); }
        "("  { TOKEN(TK_LPAREN); }    ")"  { TOKEN(TK_RPAREN); }
        "["  { TOKEN(TK_LBRACKET); }  "]"  { TOKEN(TK_RBRACKET); }
        "{"  { TOKEN(TK_LBRACE); }    "}"  { TOKEN(TK_RBRACE); }
        "="  { TOKEN(TK_ASSIGN); }    ":"  { TOKEN(TK_COLON); }
        "+:" { TOKEN(TK_SLICE); }     ".." { TOKEN(TK_DOTDOT); }
        "."  { TOKEN(TK_DOT); }       "@"  { TOKEN(TK_AT); }
        "?"  { TOKEN(TK_QUESTION); }  "||" { TOKEN(TK_LOR); }
        "&&" { TOKEN(TK_LAND); }      "|"  { TOKEN(TK_BOR); }
        "^"  { TOKEN(TK_BXOR); }      "&"  { TOKEN(TK_BAND); }
        "==" { TOKEN(TK_EQ); }        "!=" { TOKEN(TK_NE); }
        "<"  { TOKEN(TK_LT); }        "<=" { TOKEN(TK_LE); }
        ">"  { TOKEN(TK_GT); }        ">=" { TOKEN(TK_GE); }
        "<<" { TOKEN(TK_SHL); }       ">>" { TOKEN(TK_SHR); }
        "+"  { TOKEN(TK_PLUS); }      "-"  { TOKEN(TK_MINUS); }
        "*"  { TOKEN(TK_STAR); }      "/"  { TOKEN(TK_SLASH); }
        "//" { TOKEN(TK_FLOOR); }     "%"  { TOKEN(TK_PERCENT); }
        "!"  { TOKEN(TK_NOT); }       "~"  { TOKEN(TK_TILDE); }
        *    {
            if (start == text_end(l)) {
                s = start;
                TOKEN(0);
            }
            *t = (Token){.pos = place(l, start, s)};
            return stray(l, start);
        }
    */
#undef TOKEN
}
