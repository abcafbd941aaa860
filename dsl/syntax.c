/* What a syntax error says: which tokens the grammar accepts at this place, in human words. */
#include <string.h>

#include "dsl/parse.h"
#include "dsl/tokens.h"
#include "grammar.h"

static const char *const texts[] = {
#define X(token, text) [TK_##token] = "`" text "`",
    TILE_PUNCTUATION(X) TILE_KEYWORDS(X)
#undef X
        [0] = "the end of the file",
    [TK_ID] = "a name",
    [TK_INT] = "an integer",
    [TK_NUM] = "a number",
    [TK_STRING] = "a string",
};
enum { TOKENS = sizeof texts / sizeof *texts };

/* The order in which an expected list names tokens; expressions and the like come before. */
static const int listed[] = {
    TK_ID,
#define X(token, text) TK_##token,
    TILE_PUNCTUATION(X) TILE_KEYWORDS(X)
#undef X
        TK_INT,
    TK_NUM,
    TK_STRING,
    0,
};

const char *token_text(int code)
{
    return code >= 0 && code < TOKENS && texts[code] ? texts[code] : "?";
}

bool token_is_keyword(int code)
{
    switch (code) {
#define X(token, text) case TK_##token:
        TILE_KEYWORDS(X)
#undef X
        return true;
    default:
        return false;
    }
}

bool token_starts_item(int code)
{
    return code == TK_IMPORT || code == TK_EXTERN || code == TK_FN || code == TK_ENUM ||
           code == TK_KERNEL || code == TK_SCHEDULE || code == TK_INSTANCES;
}

bool starts_line(Pos pos)
{
    const char *text = pos.source->text;
    uint32_t at = pos.at;
    while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '\t'))
        at--;
    return at == 0 || text[at - 1] == '\n';
}

bool same_line(const Token *before, const Token *after)
{
    const char *from = before->pos.source->text + before->pos.at;
    return !memchr(from, '\n', after->pos.at - before->pos.at);
}

typedef struct Expected {
    bool ok[TOKENS];
    const char *words[TOKENS + 8];
    int count;
} Expected;

static void add(Expected *e, const char *words)
{
    e->words[e->count++] = words;
}

static void drop(Expected *e, const int *codes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        e->ok[codes[i]] = false;
}
#define DROP(e, ...) \
    drop(e, (const int[]){__VA_ARGS__}, sizeof(const int[]){__VA_ARGS__} / sizeof(int))

/* Groups of tokens that a reader knows by one word. */
static void group(Expected *e, bool one_expression)
{
    if (e->ok[TK_KERNEL]) {
        add(e, "an item (`kernel`, `fn`, `const`, `enum`, `schedule`, `instances`, `import`)");
        DROP(e, TK_KERNEL, TK_FN, TK_CONST, TK_ENUM, TK_SCHEDULE, TK_INSTANCES, TK_IMPORT,
             TK_EXTERN, 0);
    } else if (e->ok[TK_LET] && e->ok[TK_VAR]) {
        add(e, "a statement");
        for (int i = 0; i < TOKENS; i++)
            e->ok[i] = i == TK_RBRACE && e->ok[i];
    } else if (e->ok[TK_REQUIRE]) {
        add(e, "a directive");
        DROP(e, TK_LET, TK_REQUIRE, TK_ID, TK_ROLE, TK_PHASE);
    } else if (e->ok[TK_TILDE] && e->ok[TK_ID]) {
        add(e, "an expression");
        DROP(e, TK_ID, TK_INT, TK_NUM, TK_STRING, TK_TRUE, TK_FALSE, TK_LPAREN, TK_MINUS, TK_NOT,
             TK_TILDE);
    } else if (e->ok[TK_STRING] && e->ok[TK_TRUE]) {
        add(e, "a type"); /* a postfix expression: params, fields, local */
        DROP(e, TK_ID, TK_INT, TK_NUM, TK_STRING, TK_TRUE, TK_FALSE, TK_LPAREN);
    } else if (e->ok[TK_STRING] && e->ok[TK_ID]) {
        add(e, "a word"); /* of a role or a directive */
        DROP(e, TK_ID, TK_INT, TK_NUM, TK_STRING, TK_LPAREN);
    }
    bool expression = e->ok[TK_PLUS];
    DROP(e, TK_LOR, TK_LAND, TK_BOR, TK_BXOR, TK_BAND, TK_EQ, TK_NE, TK_LT, TK_LE, TK_GT, TK_GE,
         TK_SHL, TK_SHR, TK_PLUS, TK_STAR, TK_SLASH, TK_FLOOR);
    if (expression)
        DROP(e, TK_MINUS, TK_PERCENT, TK_QUESTION);
    if (e->ok[TK_AT])
        DROP(e, TK_LPAREN);
    if (e->ok[TK_RPAREN])
        DROP(e, TK_SLICE);
    if (e->ok[TK_DOT])
        DROP(e, TK_DOT, TK_LPAREN, TK_LBRACKET);
    for (size_t i = 0; i < sizeof listed / sizeof *listed; i++)
        if (e->ok[listed[i]])
            add(e, listed[i] == 0 && one_expression ? "the end" : texts[listed[i]]);
    if (expression)
        add(e, "an operator");
}

/* "`;` or an operator" */
static char *expected(Parser *p, Expected *e)
{
    enum { MOST = 7 };
    group(e, p->one_expression);
    if (e->count == 0)
        return "nothing more";
    int shown = e->count > MOST ? MOST : e->count;
    char *list = arena_text(p->arena, e->words[0], strlen(e->words[0]));
    for (int i = 1; i < shown; i++)
        list = arena_format(p->arena, "%s%s%s", list,
                            i < shown - 1 || shown < e->count ? ", " : " or ", e->words[i]);
    return shown < e->count ? arena_format(p->arena, "%s or something else", list) : list;
}

static const char *found_text(Parser *p, int code, Token t)
{
    enum { LONGEST = 40 };
    if (code == 0 && p->one_expression)
        return "the end";
    if (code == 0 || code == TK_STRING)
        return arena_format(p->arena, "%s", texts[code]);
    int length = t.pos.length < LONGEST ? (int)t.pos.length : LONGEST;
    return arena_format(p->arena, "`%.*s%s`", length, t.pos.source->text + t.pos.at,
                        (int)t.pos.length > length ? "..." : "");
}

/* Habits from other languages. */
static const char *foreign(const char *name)
{
    static const char *const hints[][2] = {
        {"while", "there is no while: loop with `for i in a..b { }`"},
        {"break", "there is no break: put the rest under an `if`, or use `continue`"},
        {"elif", "write `else if`"},
        {"and", "write `&&`, or `&` for tiles"},
        {"or", "write `||`, or `|` for tiles"},
        {"not", "write `!`"},
        {"def", "write `fn`"},
        {"func", "write `fn`"},
        {"function", "write `fn`"},
    };
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (strcmp(name, hints[i][0]) == 0)
            return hints[i][1];
    return NULL;
}

static const char *hint_for(Parser *p, const Expected *e, int code, Token t)
{
    const char *text = t.pos.source->text + t.pos.at;
    const char *hint = NULL;
    if (code == TK_ID)
        hint = foreign(t.name);
    if (!hint && p->previous_code == TK_ID)
        hint = foreign(p->previous.name);
    if (!hint && p->first.name)
        hint = foreign(p->first.name);
    if (hint)
        return hint;
    if (e->ok[TK_ASSIGN] && t.pos.length == 1 && strchr("+-*/%|&^", text[0]) &&
        (text[1] == '=' || (strchr("+-", text[0]) && text[1] == text[0])))
        return "write `a = a + b`";
    if (code == TK_SEMI && p->previous_code == TK_RBRACE)
        return "no `;` after a block";
    if (code == TK_COLON && p->first.name && strcmp(p->first.name, "fn") == 0 && !e->ok[TK_PLUS])
        return "parameters of a fn have no types";
    if (code == TK_DOT && p->previous_code == TK_DOTDOT)
        return "a range is written a..b";
    if (code == TK_ASSIGN && e->ok[TK_PLUS])
        return "`==` compares";
    if (code == TK_DOT && e->ok[TK_TILDE])
        return "a number has a digit before its point: 0.5";
    if (p->previous_code == TK_DOT && code == TK_NUM)
        return "write `(t.0).1`";
    if (p->previous_code == TK_DOT && p->previous.pos.at > 0 &&
        strchr("0123456789", p->previous.pos.source->text[p->previous.pos.at - 1]))
        return "a number has a digit after its point: 1.0";
    if (code == TK_IF && e->ok[TK_TILDE])
        return "a choice between values is written `c ? a : b`";
    return NULL;
}

/* After the last token, if what is missing belongs there, else at the token that is wrong. */
static Pos error_place(const Parser *p, const Expected *e, int code, Token t)
{
    if (p->previous.pos.source && (code == 0 || !same_line(&p->previous, &t)) &&
        (code == 0 || e->ok[TK_SEMI] || e->ok[TK_RPAREN] || e->ok[TK_RBRACKET]))
        return (Pos){t.pos.source, p->previous.pos.at + p->previous.pos.length, 0};
    return t.pos;
}

int nearest_keyword(Parser *p, Token name)
{
    static const struct {
        int code;
        const char *text;
    } keywords[] = {
#define X(token, text) {TK_##token, text},
        TILE_KEYWORDS(X)
#undef X
    };
    enum { COUNT = sizeof keywords / sizeof *keywords };
    const char *candidates[COUNT];
    int count = 0;
    for (int i = 0; i < COUNT; i++)
        if (grammar_accepts(p->grammar, keywords[i].code))
            candidates[count++] = keywords[i].text;
    const char *near = diag_nearest(name.name, candidates, count);
    for (int i = 0; near && i < COUNT; i++)
        if (keywords[i].text == near)
            return keywords[i].code;
    return 0;
}

void syntax_error(Parser *p, int code, Token t)
{
    Expected e = {0};
    for (size_t i = 0; i < sizeof listed / sizeof *listed; i++)
        e.ok[listed[i]] = grammar_accepts(p->grammar, listed[i]);
    const char *hint = hint_for(p, &e, code, t);
    int near = code == TK_ID ? nearest_keyword(p, t) : 0;
    if (near && !hint)
        hint = arena_format(p->arena, "did you mean %s?", texts[near]);
    Pos place = error_place(p, &e, code, t);
    bool open = e.ok[TK_RPAREN] || e.ok[TK_RBRACKET], block = !open && e.ok[TK_RBRACE];
    bool ends = code == 0 || token_starts_item(code);
    if (block && ends) /* of all that may stand here, what is missing */
        for (int i = 0; i < TOKENS; i++)
            e.ok[i] = i == TK_RBRACE;
    diag_error(p->diag, place, hint, "expected %s, found %s", expected(p, &e),
               found_text(p, code, t));
    if (p->depth == 0 || !(open || (block && ends)))
        return;
    Token opener = p->open[p->depth - 1];
    if (block && p->suspect.pos.source)
        diag_note(p->diag, p->suspect.pos, "the `}` of this `{` stands at another indentation");
    if (!same_line(&opener, &t))
        diag_note(p->diag, opener.pos, "`%c` opened here", opener.pos.source->text[opener.pos.at]);
}
