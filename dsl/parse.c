/* Drives tokens through the grammar; after a syntax error, finds the place to go on. */
#include <stdlib.h>
#include <string.h>

#include "dsl/parse.h"
#include "grammar.h"

static void stop(Parser *p)
{
    p->stop = true;
}

/* The next token; the end of the file where a limit is reached. */
static int next(Parser *p, Token *t)
{
    if (p->held) {
        p->held = false;
        *t = p->held_token;
        return p->stop ? 0 : p->held_code;
    }
    int code = lex(&p->lexer, t);
    if (++p->tokens + p->unit->comments.count > TOKEN_LIMIT) {
        diag_error(p->diag, t->pos, NULL, "the file is too large: more than %d tokens and comments",
                   TOKEN_LIMIT);
        stop(p);
    }
    if (diag_full(p->diag))
        stop(p);
    return p->stop ? 0 : code;
}

static void put_back(Parser *p, int code, Token t)
{
    p->held = true;
    p->held_code = code;
    p->held_token = t;
}

static int indentation(Pos pos)
{
    const char *text = pos.source->text;
    uint32_t line = pos.at, n = 0;
    while (line > 0 && text[line - 1] != '\n')
        line--;
    while (text[line + n] == ' ' || text[line + n] == '\t')
        n++;
    return (int)n;
}

static void open_bracket(Parser *p, Token t)
{
    if (p->depth == 0)
        p->suspect = (Token){0};
    if (p->depth == NESTING_LIMIT) {
        diag_error(p->diag, t.pos, NULL, "nested too deeply (limit %d)", NESTING_LIMIT);
        stop(p);
        return;
    }
    p->open[p->depth++] = t;
}

/* Remembers the first brace whose partner stands elsewhere: there a `}` may be missing. */
static void close_bracket(Parser *p, int code, Token t)
{
    if (p->depth == 0)
        return;
    Token opener = p->open[--p->depth];
    if (code == TK_RBRACE && !p->suspect.pos.source && t.pos.source && starts_line(t.pos) &&
        indentation(t.pos) != indentation(opener.pos))
        p->suspect = opener;
}

static void feed(Parser *p, int code, Token t)
{
    if (code == TK_LPAREN || code == TK_LBRACKET || code == TK_LBRACE)
        open_bracket(p, t);
    else if (code == TK_RPAREN || code == TK_RBRACKET || code == TK_RBRACE)
        close_bracket(p, code, t);
    if (p->stop)
        return;
    Grammar(p->grammar, code, t);
    if (grammar_stack(p->grammar) > STACK_LIMIT && !p->stop) {
        diag_error(p->diag, t.pos, NULL, "nested too deeply (limit %d)", HEIGHT_LIMIT);
        stop(p);
    }
    if (p->previous_code == TK_SEMI || p->previous_code == TK_LBRACE ||
        p->previous_code == TK_RBRACE || p->previous_code == 0)
        p->first = t;
    p->previous = t;
    p->previous_code = code;
}

/* A `;` that is not in the text: feeds it, but `previous` stays what is before it. */
static void feed_missing(Parser *p, Token near)
{
    Token previous = p->previous;
    feed(p, TK_SEMI, (Token){.pos = {near.pos.source, near.pos.at, 0}});
    p->previous = previous;
}

static void restart(Parser *p)
{
    grammar_restart(p->grammar);
    p->depth = 0;
    p->suspect = (Token){0};
    Grammar(p->grammar, TK_IN_FILE, (Token){0});
}

static bool begins_item(int code, Token t)
{
    return token_starts_item(code) ||
           (code == TK_CONST && starts_line(t.pos) && indentation(t.pos) == 0);
}

static bool ends_line(Token t)
{
    const char *s = t.pos.source->text + t.pos.at + t.pos.length;
    while (*s == ' ' || *s == '\t' || *s == '\r')
        s++;
    return *s == '\n' || *s == '#' || *s == '\0';
}

/* After the `}` that ends what is skipped: its `;`, or one in its place. */
static void end_skipped(Parser *p, Token brace)
{
    Token t;
    int code = next(p, &t);
    if (code == TK_SEMI) {
        feed(p, code, t);
        return;
    }
    feed_missing(p, brace);
    p->fresh = true;
    put_back(p, code, t);
}

/* Skips to where the grammar goes on: the block of a broken header, the `;` or the `}` of a broken
 * statement, the next item.  `popped` braces are open that the grammar has given up, `kept` ones
 * that it has not. */
static void skip(Parser *p, int code, Token t, int popped, int kept)
{
    int nested = 0;
    for (; code != 0; code = next(p, &t)) {
        if (begins_item(code, t) && starts_line(t.pos)) {
            restart(p);
            put_back(p, code, t);
            return;
        }
        bool header = popped == 0 && grammar_accepts(p->grammar, TK_LBRACE);
        if (code == TK_SEMI && nested == 0 && ((popped == 0 && !header) || ends_line(t))) {
            feed(p, code, t);
            p->fresh = true;
            return;
        }
        if (code == TK_LBRACE) {
            if (nested == 0 && header) {
                feed(p, code, t);
                p->fresh = true;
                return;
            }
            nested++;
        } else if (code == TK_RBRACE && nested + popped > 0) {
            if (nested > 0)
                nested--;
            else
                popped--;
            if (nested + popped == 0) {
                end_skipped(p, t);
                return;
            }
        } else if (code == TK_RBRACE && kept > 0) {
            feed_missing(p, t);
            p->fresh = true;
            put_back(p, code, t);
            return;
        }
    }
    stop(p);
}

/* The last token is a string without its end: it has swallowed the rest of its line. */
static bool line_lost(const Parser *p)
{
    Pos at = p->previous.pos;
    return p->previous_code == TK_STRING && at.source &&
           (at.length < 2 || at.source->text[at.at + at.length - 1] != '"');
}

static int open_braces(const Parser *p)
{
    int n = 0;
    for (int i = 0; i < p->depth; i++)
        n += p->open[i].pos.source->text[p->open[i].pos.at] == '{';
    return n;
}

/* Gives up the statement or item that is being read. */
static void recover(Parser *p, int code, Token t)
{
    grammar_settle(p->grammar);
    int braces = open_braces(p);
    bool lost = line_lost(p);
    if (!lost || !grammar_accepts(p->grammar, TK_SEMI))
        Grammar(p->grammar, TK_BAD, t);
    if (p->one_expression) {
        stop(p);
        return;
    }
    int kept = grammar_braces(p->grammar);
    p->depth = kept; /* blocks stand in no parentheses */
    if (lost && kept == braces) {
        feed_missing(p, t);
        p->fresh = true;
        put_back(p, code, t);
        return;
    }
    skip(p, code, t, braces - kept, kept);
}

/* A keyword where a name is wanted: says so and takes it as the name. */
static bool repair_reserved(Parser *p, int code, Token t)
{
    if (!token_is_keyword(code) || !grammar_accepts(p->grammar, TK_ID) ||
        grammar_accepts(p->grammar, TK_LET) || code == TK_IF ||
        (p->previous.pos.source && !same_line(&p->previous, &t)))
        return false;
    diag_error(p->diag, t.pos, NULL, "%s is a reserved word and cannot be a name",
               token_text(code));
    feed(p, TK_ID, t);
    return true;
}

/* A `;` that is missing at the end of a line or before `}`. */
static bool repair_semicolon(Parser *p, int code, Token t)
{
    if (!grammar_accepts(p->grammar, TK_SEMI) ||
        (code != TK_RBRACE && same_line(&p->previous, &t)) || code == 0)
        return false;
    syntax_error(p, code, t);
    feed_missing(p, t);
    p->fresh = true;
    put_back(p, code, t);
    return true;
}

/* The next item begins while a block is open. */
static bool repair_item(Parser *p, int code, Token t)
{
    if (!begins_item(code, t) || p->depth == 0 || !starts_line(t.pos))
        return false;
    syntax_error(p, code, t);
    restart(p);
    put_back(p, code, t);
    return true;
}

/* A misspelt keyword. */
static bool repair_spelling(Parser *p, int code, Token t)
{
    if (code != TK_ID)
        return false;
    int keyword = nearest_keyword(p, t);
    if (!keyword)
        return false;
    syntax_error(p, code, t);
    feed(p, keyword, t);
    return true;
}

/* A comment of C. */
static bool repair_comment(Parser *p, int code, Token t)
{
    const char *s = t.pos.source->text + t.pos.at;
    if ((code != TK_FLOOR && (code != TK_SLASH || s[1] != '*')) ||
        !(grammar_accepts(p->grammar, TK_LET) || grammar_accepts(p->grammar, TK_KERNEL)))
        return false;
    diag_error(p->diag, t.pos, NULL, "a comment begins with `#`");
    p->lexer.at = (const unsigned char *)s + strcspn(s, "\n");
    return true;
}

static bool repair_closer(Parser *p, int code, Token t)
{
    if ((code != TK_RBRACE && code != TK_RPAREN && code != TK_RBRACKET) || p->depth > 0 ||
        !grammar_accepts(p->grammar, TK_KERNEL))
        return false;
    diag_error(p->diag, t.pos, NULL, "%s closes nothing", token_text(code));
    return true;
}

static void take(Parser *p, int code, Token t)
{
    if (p->stop)
        return;
    if (code != TK_BAD && grammar_accepts(p->grammar, code)) {
        feed(p, code, t);
        p->fresh = false;
        return;
    }
    /* A message would only repeat what was said. */
    bool quiet = code == TK_BAD || line_lost(p) ||
                 (p->fresh && p->previous.pos.source && same_line(&p->previous, &t));
    if (!quiet && !p->one_expression &&
        (repair_reserved(p, code, t) || repair_item(p, code, t) || repair_semicolon(p, code, t) ||
         repair_spelling(p, code, t) || repair_comment(p, code, t) || repair_closer(p, code, t)))
        return;
    if (!quiet)
        syntax_error(p, code, t);
    recover(p, code, t);
}

static void run(Parser *p, int mode)
{
    p->grammar = GrammarAlloc(malloc, p);
    Grammar(p->grammar, mode, (Token){0});
    Token t;
    int code;
    do {
        code = next(p, &t);
        take(p, code, t);
    } while ((code != 0 || p->held) && !p->stop);
    GrammarFree(p->grammar, free);
}

static void index_lines(Arena *arena, Source *s)
{
    enum { LARGE = 16 * 1024 * 1024 };
    if (s->line_starts || s->length > LARGE)
        return;
    struct {
        uint32_t *items;
        int count, capacity;
    } v = {0};
    PUSH(arena, &v, 0);
    for (const char *at = s->text;
         (at = memchr(at, '\n', s->length - (size_t)(at - s->text))) != NULL;) {
        at++;
        PUSH(arena, &v, (uint32_t)(at - s->text));
    }
    s->line_starts = v.items;
    s->line_count = v.count;
}

static Parser *new_parser(Arena *arena, Diag *diag, struct Interner *names, Source *source)
{
    Parser *p = NEW(arena, Parser);
    Unit *unit = NEW(arena, Unit);
    *unit = (Unit){.source = source, .names = names};
    *p = (Parser){.arena = arena, .diag = diag, .unit = unit};
    p->lexer = lexer_new(arena, diag, names, source, &unit->comments);
    return p;
}

Unit *parse_unit(Arena *arena, Diag *diag, struct Interner *names, Source *source)
{
    Parser *p = new_parser(arena, diag, names, source);
    if (source->length > SIZE_LIMIT) {
        diag_error(diag, (Pos){0}, NULL, "%s: the file is too large: more than %d MiB",
                   source->name, SIZE_LIMIT >> 20);
        return p->unit;
    }
    index_lines(arena, source);
    run(p, TK_IN_FILE);
    return p->unit;
}

Expr *parse_expr(Arena *arena, Diag *diag, struct Interner *names, Source *source)
{
    int errors = diag->errors;
    diag->seen_count = 0; /* the same mistake again is told again */
    Parser *p = new_parser(arena, diag, names, source);
    p->one_expression = true;
    if (source->length <= SIZE_LIMIT)
        run(p, TK_IN_EXPR);
    return diag->errors == errors ? p->result : NULL;
}
