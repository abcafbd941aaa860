/* The tree as text: expressions for messages, everything for tests. */
#include <string.h>

#include "dsl/ast.h"

static const char *const kind_texts[E_KIND_COUNT] = {[E_NAME] = "name",
                                                     [E_INT] = "integer",
                                                     [E_FLOAT] = "number",
                                                     [E_STRING] = "string",
                                                     [E_BOOL] = "bool",
                                                     [E_TUPLE] = "tuple",
                                                     [E_COND] = "?:",
                                                     [E_INDEX] = "[]",
                                                     [E_CALL] = "()",
                                                     [E_MEMBER] = ".",
                                                     [E_TUPGET] = ".",
                                                     [E_SLICE] = "+:",
                                                     [E_FULL] = ":",
                                                     [E_NAMED] = "=",
#define E(e, text) [e] = text,
                                                     TILE_UNARY(E) TILE_BINARY(E)
#undef E
};

const char *expr_kind_text(ExprKind kind)
{
    return kind < E_KIND_COUNT ? kind_texts[kind] : "?";
}

/* How tightly an operator binds; what is below its place needs parentheses. */
enum { BIND_COND = 1, BIND_UNARY = 20, BIND_POSTFIX = 21, BIND_ATOM = 22 };

static int binding(ExprKind kind)
{
    switch (kind) {
    case E_NAMED:
    case E_SLICE:
    case E_FULL:
        return 0;
    case E_COND:
        return BIND_COND;
    case E_LOR:
        return 2;
    case E_LAND:
        return 3;
    case E_BOR:
        return 4;
    case E_BXOR:
        return 5;
    case E_BAND:
        return 6;
    case E_EQ:
    case E_NE:
        return 7;
    case E_LT:
    case E_LE:
    case E_GT:
    case E_GE:
        return 8;
    case E_SHL:
    case E_SHR:
        return 9;
    case E_ADD:
    case E_SUB:
        return 10;
    case E_MUL:
    case E_DIV:
    case E_FDIV:
    case E_MOD:
        return 11;
    case E_NEG:
    case E_LNOT:
    case E_BNOT:
        return BIND_UNARY;
    case E_INDEX:
    case E_CALL:
    case E_MEMBER:
    case E_TUPGET:
        return BIND_POSTFIX;
    default:
        return BIND_ATOM;
    }
}

typedef struct Text {
    Arena *arena;
    char *items;
    int count, capacity;
} Text;

static void put(Text *t, const char *s, size_t length)
{
    while ((size_t)(t->capacity - t->count) < length + 1) {
        int grown = t->capacity ? 2 * t->capacity : 64;
        t->items = arena_grow(t->arena, t->items, (size_t)t->count, (size_t)grown);
        t->capacity = grown;
    }
    memcpy(t->items + t->count, s, length);
    t->count += (int)length;
}

static void puts_(Text *t, const char *s)
{
    put(t, s, strlen(s));
}

static void put_expr(Text *, const Expr *, int bind);

static void put_list(Text *t, const char *open, ExprList args, const char *close)
{
    puts_(t, open);
    for (int i = 0; i < args.count; i++) {
        if (i > 0)
            puts_(t, ", ");
        put_expr(t, args.items[i], 0);
    }
    puts_(t, close);
}

/* As written, where it was written. */
static void put_number(Text *t, const Expr *e)
{
    if (e->pos.source)
        put(t, e->pos.source->text + e->pos.at, e->pos.length);
    else if (e->kind == E_FLOAT)
        puts_(t, arena_format(t->arena, "%.17g", e->number));
    else
        puts_(t,
              arena_format(t->arena, e->hex ? "0x%llX" : "%llu", (unsigned long long)e->integer));
}

static void put_bare(Text *t, const Expr *e, int bind)
{
    switch (e->kind) {
    case E_NAME:
        puts_(t, e->name);
        break;
    case E_INT:
    case E_FLOAT:
        put_number(t, e);
        break;
    case E_STRING:
        puts_(t, "\"");
        put(t, e->string, e->string_length);
        puts_(t, "\"");
        break;
    case E_BOOL:
        puts_(t, e->integer ? "true" : "false");
        break;
    case E_TUPLE:
        put_list(t, "(", e->args, ")");
        break;
    case E_COND:
        put_expr(t, e->a, bind + 1);
        puts_(t, " ? ");
        put_expr(t, e->b, bind);
        puts_(t, " : ");
        put_expr(t, e->c, bind);
        break;
    case E_INDEX:
    case E_CALL:
        put_expr(t, e->a, BIND_POSTFIX);
        put_list(t, e->kind == E_INDEX ? "[" : "(", e->args, e->kind == E_INDEX ? "]" : ")");
        break;
    case E_MEMBER:
        put_expr(t, e->a, BIND_POSTFIX);
        puts_(t, ".");
        puts_(t, e->name);
        break;
    case E_TUPGET:
        put_expr(t, e->a, BIND_POSTFIX);
        puts_(t, arena_format(t->arena, ".%llu", (unsigned long long)e->integer));
        break;
    case E_FULL:
        puts_(t, ":");
        break;
    case E_NAMED:
        puts_(t, e->name);
        puts_(t, " = ");
        put_expr(t, e->a, BIND_COND);
        break;
    case E_NEG:
    case E_LNOT:
    case E_BNOT:
        puts_(t, kind_texts[e->kind]);
        put_expr(t, e->a, bind);
        break;
    default: /* binary operators and +: */
        put_expr(t, e->a, bind);
        puts_(t, " ");
        puts_(t, kind_texts[e->kind]);
        puts_(t, " ");
        put_expr(t, e->b, bind + 1);
    }
}

/* In parentheses if written so or if it binds less tightly than `bind`. */
static void put_expr(Text *t, const Expr *e, int bind)
{
    int own = binding(e->kind);
    bool parens = e->parens || own < bind;
    if (parens)
        puts_(t, "(");
    put_bare(t, e, e->kind == E_SLICE ? BIND_COND : own);
    if (parens)
        puts_(t, ")");
}

char *expr_text(Arena *arena, const Expr *e)
{
    Text t = {.arena = arena};
    put_expr(&t, e, 0);
    put(&t, "", 1);
    return t.items;
}

/* ---- the dump: every node as (kind ...), statements and items one a line */

typedef struct Dump {
    FILE *out;
    int depth;
} Dump;

static void line(Dump *d, const char *head)
{
    fprintf(d->out, "%*s%s", 2 * d->depth, "", head);
}

static void dump_expr(Dump *d, const Expr *e)
{
    if (!e) {
        fputs(" -", d->out);
        return;
    }
    switch (e->kind) {
    case E_NAME:
        fprintf(d->out, " %s", e->name);
        return;
    case E_INT:
        fprintf(d->out, e->hex ? " 0x%llX" : " %llu", (unsigned long long)e->integer);
        return;
    case E_FLOAT:
        fprintf(d->out, " %a", e->number);
        return;
    case E_BOOL:
        fputs(e->integer ? " true" : " false", d->out);
        return;
    case E_FULL:
        fputs(" :", d->out);
        return;
    case E_STRING:
        fputs(" \"", d->out);
        fwrite(e->string, 1, e->string_length, d->out);
        fputs("\"", d->out);
        return;
    default:
        break;
    }
    fprintf(d->out, " (%s", kind_texts[e->kind]);
    if (e->parens)
        fputs("'", d->out);
    const Expr *const parts[] = {e->a, e->b, e->c};
    for (int i = 0; i < 3; i++)
        if (parts[i])
            dump_expr(d, parts[i]);
    if (e->name)
        fprintf(d->out, " %s", e->name);
    if (e->kind == E_TUPGET)
        fprintf(d->out, " %llu", (unsigned long long)e->integer);
    for (int i = 0; i < e->args.count; i++)
        dump_expr(d, e->args.items[i]);
    fputs(")", d->out);
}

static void dump_words(Dump *d, WordList words, const char *before)
{
    for (int i = 0; i < words.count; i++) {
        const Word *w = &words.items[i];
        fprintf(d->out, " %s", before);
        if (w->literal) {
            dump_expr(d, w->literal);
            continue;
        }
        fprintf(d->out, w->has_args ? "(%s" : "%s", w->name);
        for (int j = 0; j < w->args.count; j++)
            dump_expr(d, w->args.items[j]);
        if (w->has_args)
            fputs(")", d->out);
    }
}

static void dump_names(Dump *d, IdentList names)
{
    for (int i = 0; i < names.count; i++)
        fprintf(d->out, " %s", names.items[i].name);
}

static void dump_stmts(Dump *, StmtList);

static void dump_block(Dump *d, const char *head, StmtList body)
{
    d->depth++;
    line(d, head);
    fputc('\n', d->out);
    d->depth++;
    dump_stmts(d, body);
    d->depth -= 2;
}

static void dump_ranges(Dump *d, RangeList ranges)
{
    for (int i = 0; i < ranges.count; i++) {
        const Range *r = &ranges.items[i];
        fprintf(d->out, " (%s", r->index.name);
        dump_expr(d, r->lo);
        dump_expr(d, r->hi);
        if (r->step)
            dump_expr(d, r->step);
        fputs(")", d->out);
    }
}

static void dump_stmt(Dump *d, const Stmt *s)
{
    static const char *const heads[] = {
        [S_LET] = "let",           [S_VAR] = "var",     [S_CONST] = "const",
        [S_VIEW] = "view",         [S_LOCAL] = "local", [S_ASSIGN] = "assign",
        [S_EXPR] = "expr",         [S_PAR] = "par",     [S_FOR] = "for",
        [S_SHARE] = "share",       [S_IF] = "if",       [S_RETURN] = "return",
        [S_CONTINUE] = "continue", [S_PIPE] = "pipe",   [S_ROLES] = "roles",
        [S_PUT] = "put",           [S_GET] = "get",
    };
    line(d, heads[s->kind]);
    dump_words(d, s->attrs, "@");
    dump_names(d, s->names);
    if (s->item.name)
        fprintf(d->out, " as %s", s->item.name);
    dump_ranges(d, s->ranges);
    const Expr *const parts[] = {s->part, s->parts, s->target, s->value};
    for (int i = 0; i < 4; i++)
        if (parts[i])
            dump_expr(d, parts[i]);
    for (int i = 0; i < s->fields.count; i++) {
        fprintf(d->out, " %s:", s->fields.items[i].name.name);
        dump_expr(d, s->fields.items[i].type);
    }
    for (int i = 0; i < s->inits.count; i++) {
        fprintf(d->out, " %s=", s->inits.items[i].name.name);
        dump_expr(d, s->inits.items[i].value);
    }
    fputc('\n', d->out);
    if (s->body.count > 0)
        dump_block(d, "do", s->body);
    if (s->has_else)
        dump_block(d, s->else_if ? "else if" : "else", s->orelse);
    for (int i = 0; i < s->roles.count; i++) {
        const Role *r = &s->roles.items[i];
        d->depth++;
        line(d, "role ");
        fputs(r->name.name, d->out);
        dump_words(d, r->words, "");
        fputc('\n', d->out);
        dump_block(d, "do", r->body);
        d->depth--;
    }
}

static void dump_stmts(Dump *d, StmtList list)
{
    for (int i = 0; i < list.count; i++)
        dump_stmt(d, list.items[i]);
}

static void dump_directives(Dump *d, DirectiveList list)
{
    static const char *const heads[] = {
        [D_LET] = "let",     [D_TUNE] = "tune", [D_REQUIRE] = "require",
        [D_WORDS] = "words", [D_ROLE] = "role", [D_PHASE] = "phase"};
    d->depth++;
    for (int i = 0; i < list.count; i++) {
        const Directive *v = &list.items[i];
        line(d, heads[v->kind]);
        if (v->name.name)
            fprintf(d->out, " %s", v->name.name);
        if (v->value)
            dump_expr(d, v->value);
        for (int j = 0; j < v->tunes.count; j++) {
            fputs(" {", d->out);
            dump_expr(d, v->tunes.items[j].lo);
            dump_expr(d, v->tunes.items[j].hi);
            dump_expr(d, v->tunes.items[j].step);
            fputs(" }", d->out);
        }
        dump_words(d, v->words, "");
        for (int j = 0; j < v->phrases.count; j++) {
            fputs(j > 0 ? "," : " {", d->out);
            dump_words(d, v->phrases.items[j].words, "");
        }
        fputc('\n', d->out);
        dump_directives(d, v->body);
    }
    d->depth--;
}

static void dump_params(Dump *d, const char *head, ParamList params)
{
    static const char *const directions[] = {"", " in", " out", " inout"};
    d->depth++;
    for (int i = 0; i < params.count; i++) {
        const Param *q = &params.items[i];
        line(d, head);
        fprintf(d->out, " %s%s", q->name.name, directions[q->dir]);
        dump_expr(d, q->type);
        fputs(q->optional ? " ?" : "", d->out);
        dump_words(d, q->storage, "@");
        if (q->doc)
            fprintf(d->out, " ## %s", q->doc);
        fputc('\n', d->out);
    }
    d->depth--;
}

static void dump_kernel(Dump *d, const Item *it)
{
    d->depth++;
    for (int i = 0; i < it->statics.count; i++) {
        const Static *s = &it->statics.items[i];
        line(d, "static");
        fprintf(d->out, " %s: %s", s->name.name, s->kind.name);
        if (s->multiple) {
            fputs(" %", d->out);
            dump_expr(d, s->multiple);
        }
        if (s->init) {
            fputs(" =", d->out);
            dump_expr(d, s->init);
        }
        fputc('\n', d->out);
    }
    d->depth--;
    dump_params(d, "param", it->params);
    dump_params(d, "scratch", it->scratch);
    if (it->where) {
        line(d, "  where");
        dump_expr(d, it->where);
        fputc('\n', d->out);
    }
}

static void dump_item(Dump *d, const Item *it)
{
    static const char *const heads[] = {
        [I_IMPORT] = "import",
        [I_EXTERN] = "extern",
        [I_CONST] = "const",
        [I_ENUM] = "enum",
        [I_FN] = "fn",
        [I_KERNEL] = "kernel",
        [I_SCHEDULE] = "schedule",
        [I_INSTANCES] = "instances",
    };
    line(d, heads[it->kind]);
    if (it->name.name)
        fprintf(d->out, " %s", it->name.name);
    dump_names(d, it->members);
    if (it->when) {
        fputs(" when", d->out);
        dump_expr(d, it->when);
    }
    if (it->extern_text) {
        fprintf(d->out, " %s", it->extern_kind.name);
        dump_expr(d, it->extern_text);
    }
    if (it->value)
        dump_expr(d, it->value);
    if (it->doc)
        fprintf(d->out, " ## %s", it->doc);
    fputc('\n', d->out);
    dump_kernel(d, it);
    if (it->kind == I_KERNEL || it->has_block)
        dump_block(d, "do", it->body);
    dump_directives(d, it->directives);
    d->depth++;
    for (int i = 0; i < it->insts.count; i++) {
        const Inst *v = &it->insts.items[i];
        line(d, v->where ? "where" : v->key.name);
        if (v->where)
            dump_expr(d, v->where);
        for (int j = 0; j < v->set.count; j++)
            dump_expr(d, v->set.items[j]);
        fputc('\n', d->out);
    }
    d->depth--;
}

void ast_dump(FILE *out, const Unit *unit)
{
    Dump d = {out, 0};
    for (int i = 0; i < unit->items.count; i++)
        dump_item(&d, unit->items.items[i]);
}
