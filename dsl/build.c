/* Nodes of the tree, as the grammar's rules make them.  Heights are limited here. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dsl/parse.h"
#include "grammar.h"

Pos join(Pos first, Pos last)
{
    first.length = last.at + last.length - first.at;
    return first;
}

Ident ident(Token t)
{
    return (Ident){t.name, t.pos};
}

static void too_deep(Parser *p, Pos pos, int limit)
{
    if (!p->stop)
        diag_error(p->diag, pos, NULL, "nested too deeply (limit %d)", limit);
    p->stop = true;
}

static Expr *leaf(Parser *p, ExprKind kind, Token t)
{
    Expr *e = NEW(p->arena, Expr);
    e->kind = kind;
    e->pos = e->span = t.pos;
    e->name = t.name;
    e->height = 1;
    return e;
}

/* An inner node with `caret` as its position; its children's heights are counted. */
static Expr *inner(Parser *p, ExprKind kind, Pos caret, Pos span, Expr *a, Expr *b, Expr *c,
                   ExprList args)
{
    Expr *e = NEW(p->arena, Expr);
    *e = (Expr){.kind = kind, .pos = caret, .span = span, .a = a, .b = b, .c = c, .args = args};
    int height = 0;
    if (a)
        height = a->height;
    if (b && b->height > height)
        height = b->height;
    if (c && c->height > height)
        height = c->height;
    for (int i = 0; i < args.count; i++)
        if (args.items[i]->height > height)
            height = args.items[i]->height;
    if (height >= HEIGHT_LIMIT) {
        too_deep(p, caret, HEIGHT_LIMIT);
        height = 0; /* nobody looks at this tree */
    }
    e->height = (uint16_t)(height + 1);
    return e;
}

Expr *build_name(Parser *p, Token t)
{
    return leaf(p, E_NAME, t);
}

static int digit(char c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

Expr *build_int(Parser *p, Token t)
{
    Expr *e = leaf(p, E_INT, t);
    const char *s = t.pos.source->text + t.pos.at, *end = s + t.pos.length;
    unsigned base = 10;
    if (end - s > 2 && s[0] == '0' && s[1] == 'x') {
        base = 16;
        e->hex = true;
        s += 2;
    }
    for (; s < end; s++) {
        unsigned d = (unsigned)digit(*s);
        if (e->integer > (UINT64_MAX - d) / base) {
            diag_error(p->diag, t.pos, NULL, "integer is too large: 2^64 or more");
            break;
        }
        e->integer = e->integer * base + d;
    }
    return e;
}

/* strtod reads no further than the token: a letter or digit after it would be part of it. */
Expr *build_float(Parser *p, Token t)
{
    Expr *e = leaf(p, E_FLOAT, t);
    e->number = strtod(t.pos.source->text + t.pos.at, NULL);
    if (isinf(e->number))
        diag_error(p->diag, t.pos, "infinity is written inf", "number is too large");
    return e;
}

Expr *build_string(Parser *p, Token t)
{
    Expr *e = leaf(p, E_STRING, t);
    const char *s = t.pos.source->text + t.pos.at;
    uint32_t length = t.pos.length - 1;
    if (length > 0 && s[length] == '"')
        length--; /* else it was unterminated */
    e->string = arena_text(p->arena, s + 1, length);
    e->string_length = length;
    return e;
}

Expr *build_bool(Parser *p, Token t, bool value)
{
    Expr *e = leaf(p, E_BOOL, t);
    e->name = NULL;
    e->integer = value;
    return e;
}

Expr *build_parens(Expr *e, Token open, Token close)
{
    e->parens = true;
    e->span = join(open.pos, close.pos);
    return e;
}

Expr *build_tuple(Parser *p, Token open, ExprList args, Token close)
{
    return inner(p, E_TUPLE, open.pos, join(open.pos, close.pos), NULL, NULL, NULL, args);
}

Expr *build_unary(Parser *p, ExprKind kind, Token op, Expr *a)
{
    return inner(p, kind, op.pos, join(op.pos, a->span), a, NULL, NULL, (ExprList){0});
}

Expr *build_binary(Parser *p, ExprKind kind, Expr *a, Token op, Expr *b)
{
    return inner(p, kind, op.pos, join(a->span, b->span), a, b, NULL, (ExprList){0});
}

Expr *build_cond(Parser *p, Expr *a, Token op, Expr *b, Expr *c)
{
    return inner(p, E_COND, op.pos, join(a->span, c->span), a, b, c, (ExprList){0});
}

/* The caret stands at what is called or indexed. */
Expr *build_apply(Parser *p, ExprKind kind, Expr *a, ExprList args, Token close)
{
    return inner(p, kind, a->pos, join(a->span, close.pos), a, NULL, NULL, args);
}

Expr *build_member(Parser *p, Expr *a, Token name)
{
    Expr *e = inner(p, E_MEMBER, name.pos, join(a->span, name.pos), a, NULL, NULL, (ExprList){0});
    e->name = name.name;
    return e;
}

Expr *build_tupget(Parser *p, Expr *a, Token number)
{
    Expr *e = inner(p, E_TUPGET, number.pos, join(a->span, number.pos), a, NULL, NULL,
                    (ExprList){0});
    e->integer = build_int(p, number)->integer;
    return e;
}

Expr *build_full(Parser *p, Token t)
{
    return leaf(p, E_FULL, t);
}

Expr *build_named(Parser *p, Token name, Expr *value)
{
    Expr *e = inner(p, E_NAMED, name.pos, join(name.pos, value->span), value, NULL, NULL,
                    (ExprList){0});
    e->name = name.name;
    return e;
}

Stmt *build_stmt(Parser *p, StmtKind kind, Token first)
{
    Stmt *s = NEW(p->arena, Stmt);
    s->kind = kind;
    s->pos = first.pos;
    return s;
}

Stmt *build_simple(Parser *p, StmtKind kind, Token first, Token name, Expr *value)
{
    Stmt *s = build_stmt(p, kind, first);
    PUSH(p->arena, &s->names, ident(name));
    s->value = value;
    return s;
}

Stmt *build_loop(Parser *p, StmtKind kind, WordList attrs, Token first, RangeList ranges,
                 Block body)
{
    Stmt *s = build_stmt(p, kind, first);
    if (attrs.count > 0) { /* from the @ on */
        s->pos = attrs.items[0].pos;
        do
            s->pos.at--;
        while (s->pos.source->text[s->pos.at] != '@');
        s->pos.length = 1;
    }
    s->attrs = attrs;
    s->ranges = ranges;
    s->body = body.list;
    s->end = body.end;
    return s;
}

Stmt *build_if(Parser *p, Token first, Expr *condition, Block then)
{
    Stmt *s = build_stmt(p, S_IF, first);
    s->value = condition;
    s->body = then.list;
    s->end = then.end;
    return s;
}

Stmt *build_else(Stmt *s, Block otherwise)
{
    s->has_else = true;
    s->orelse = otherwise.list;
    s->end = otherwise.end;
    return s;
}

Stmt *build_else_if(Parser *p, Stmt *s, Stmt *chained)
{
    int arms = 1;
    for (const Stmt *t = chained; t->else_if; t = t->orelse.items[0])
        arms++;
    if (arms >= NESTING_LIMIT)
        too_deep(p, s->pos, NESTING_LIMIT);
    s->has_else = s->else_if = true;
    PUSH(p->arena, &s->orelse, chained);
    s->end = chained->end;
    return s;
}

/* The `##` lines that end on the line above `pos`, joined by newlines; NULL if there are none. */
static const char *doc_above(Parser *p, Pos pos)
{
    const CommentList *all = &p->unit->comments;
    const char *text = pos.source->text;
    int last = all->count;
    while (last > 0 && all->items[last - 1].pos.at > pos.at)
        last--;
    int first = last;
    uint32_t below = pos.at;
    for (; first > 0; first--) {
        Comment c = all->items[first - 1];
        if (!c.own_line || c.pos.length < 2 || text[c.pos.at + 1] != '#')
            break;
        int lines = 0;
        uint32_t at = c.pos.at + c.pos.length;
        while (at < below && strchr(" \t\r\n", text[at]))
            lines += text[at++] == '\n';
        if (at != below || lines != 1)
            break;
        below = c.pos.at;
    }
    if (first == last)
        return NULL;
    char *doc = NEW_ARRAY(p->arena, char, pos.at - all->items[first].pos.at), *to = doc;
    for (int i = first; i < last; i++) {
        const char *line = text + all->items[i].pos.at + 2;
        uint32_t length = all->items[i].pos.length - 2, blank = length > 0 && line[0] == ' ';
        if (i > first)
            *to++ = '\n';
        memcpy(to, line + blank, length - blank);
        to += length - blank;
    }
    return doc;
}

Item *build_item(Parser *p, ItemKind kind, Token first, Token name)
{
    Item *i = NEW(p->arena, Item);
    i->kind = kind;
    i->pos = first.pos;
    i->name = ident(name);
    i->doc = doc_above(p, first.pos);
    return i;
}

Directive build_directive(DirectiveKind kind, Token first, Token name)
{
    return (Directive){.kind = kind, .pos = first.pos, .name = ident(name)};
}

Word build_word(Token name, bool has_args, ExprList args)
{
    return (Word){.pos = name.pos, .name = name.name, .has_args = has_args, .args = args};
}

Word build_literal(Expr *literal)
{
    return (Word){.pos = literal->pos, .literal = literal};
}

Param *build_param(Parser *p, Token name, Direction dir, Expr *type, bool optional,
                   WordList storage)
{
    Param *q = NEW(p->arena, Param);
    *q = (Param){.name = ident(name),
                 .dir = dir,
                 .type = type,
                 .optional = optional,
                 .storage = storage,
                 .doc = doc_above(p, name.pos)};
    return q;
}
