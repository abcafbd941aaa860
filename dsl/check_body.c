/* The walk over expressions and statements: every name is known, none hides another. */
#include "dsl/scope.h"

#include <string.h>

#include "dsl/builtins.h"

static bool word_in(const char *word, const char *list)
{
    size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == 0 || p[n] == ' '))
            return true;
    return false;
}

static void check_list(Scope *s, const ExprList *list)
{
    for (int i = 0; i < list->count; i++)
        check_expr(s, list->items[i]);
}

/* Calls */

/* Named arguments whose value is a word and no expression. */
static const struct {
    const char *name, *words;
} word_arguments[] = {
    {"order", "seq tree"},
    {"round", "zero"},
    {"scope", "gpu sys"},
    {"op", "set add"},
};

static void check_named(Scope *s, const Expr *x)
{
    for (size_t i = 0; i < sizeof word_arguments / sizeof *word_arguments; i++)
        if (strcmp(x->name, word_arguments[i].name) == 0 && x->a->kind == E_NAME &&
            word_in(x->a->name, word_arguments[i].words))
            return;
    if (strcmp(x->name, "order") == 0)
        diag_error(s->diag, x->a->pos, NULL, "order is seq or tree");
    else if (strcmp(x->name, "round") == 0)
        diag_error(s->diag, x->a->pos, NULL, "round = zero is the only rounding to choose");
    else if (strcmp(x->name, "scope") == 0)
        diag_error(s->diag, x->a->pos, NULL, "scope is gpu or sys");
    else if (strcmp(x->name, "op") == 0)
        diag_error(s->diag, x->a->pos, NULL, "op is set or add");
    else
        check_expr(s, x->a);
}

static bool repeated(const Expr *call, int i)
{
    for (int k = 0; k < i; k++)
        if (call->args.items[k]->kind == E_NAMED &&
            call->args.items[k]->name == call->args.items[i]->name)
            return true;
    return false;
}

static void wrong_count(Scope *s, const Expr *call, const char *name, int min, int max, int n)
{
    int want = n < min ? min : max;
    const char *bound = min == max ? "" : n < min ? "at least " : "at most ";
    diag_error(s->diag, call->pos, NULL, "%s takes %s%d argument%s, not %d", name, bound, want,
               want == 1 ? "" : "s", n);
}

/* Of a function or an operation: as many arguments as it takes, and named ones that it knows. */
static void check_arguments(Scope *s, const Expr *call, const char *name, int min, int max,
                            const char *allowed)
{
    int n = 0;
    bool seen_named = false, unknown = false;
    for (int i = 0; i < call->args.count; i++) {
        const Expr *x = call->args.items[i];
        if (x->kind == E_NAMED) {
            seen_named = true;
            if (!word_in(x->name, allowed)) {
                diag_error(s->diag, x->pos,
                           *allowed ? arena_format(s->arena, "it takes %s", allowed) : NULL,
                           "%s takes no argument `%s =`", name, x->name);
                unknown = true;
            } else if (repeated(call, i)) {
                diag_error(s->diag, x->pos, NULL, "%s: `%s =` twice", name, x->name);
            }
            continue;
        }
        n++;
        if (x->kind == E_SLICE || x->kind == E_FULL)
            diag_error(s->diag, x->pos, NULL, "%s: `:` and `+:` stand only inside [ ]", name);
        else if (seen_named)
            diag_error(s->diag, x->pos, NULL, "%s: a positional argument after a named one", name);
    }
    if (!unknown && (n < min || (max >= 0 && n > max)))
        wrong_count(s, call, name, min, max, n);
}

static const char *const kind_text[] = {
    [NAME_FILE_CONST] = "a const",
    [NAME_CONST] = "a const",
    [NAME_ENUM] = "an enum",
    [NAME_FN] = "a function",
    [NAME_STATIC] = "a static",
    [NAME_PARAMETER] = "a parameter",
    [NAME_TENSOR] = "a tensor",
    [NAME_SCALAR] = "a scalar",
    [NAME_ARGUMENT] = "an argument",
    [NAME_VALUE] = "a value",
    [NAME_VAR] = "a var",
    [NAME_INDEX] = "an index",
    [NAME_VIEW] = "a view",
    [NAME_LOCAL] = "a local tensor",
    [NAME_PIPE] = "a pipe",
    [NAME_ITEM] = "an item",
};

/* Gives the named arguments that it takes; NULL if that is not known. */
static const char *check_callee(Scope *s, const Expr *call)
{
    const Expr *f = call->a;
    if (f->kind != E_NAME) {
        check_expr(s, f);
        return NULL;
    }
    Entry *e = scope_lookup(s, f->name);
    const Builtin *b = builtin_find(f->name);
    if (e && e->kind == NAME_FN) {
        int n = e->item->members.count;
        e->used = true;
        check_arguments(s, call, f->name, n, n, "");
        return "";
    }
    if (e && b) {
        diag_error(s->diag, f->pos, "rename it", "`%s` is %s here and hides the operation", f->name,
                   kind_text[e->kind]);
        diag_note(s->diag, e->pos, "`%s` is declared here", f->name);
    } else if (e || name_is_predefined(f->name)) {
        scope_use(s, f->name, f->pos);
    } else if (b) {
        check_arguments(s, call, b->name, b->min, b->max, b->named);
        return b->named;
    } else if (!diag_full(s->diag)) {
        diag_error(s->diag, f->pos, scope_nearest(s, f->name), "unknown function `%s`", f->name);
    }
    return NULL;
}

static void check_call(Scope *s, const Expr *x)
{
    const char *allowed = check_callee(s, x);
    for (int i = 0; i < x->args.count; i++) {
        const Expr *a = x->args.items[i];
        if (a->kind != E_NAMED)
            check_expr(s, a);
        else if (!allowed || word_in(a->name, allowed))
            check_named(s, a);
    }
}

/* Expressions */

static const char *nearest_ident(Scope *s, const IdentList *list, Name name)
{
    const char **v = NEW_ARRAY(s->arena, const char *, list->count);
    for (int i = 0; i < list->count; i++)
        v[i] = list->items[i].name;
    return did_you_mean(s->arena, diag_nearest(name, v, list->count));
}

static void check_member(Scope *s, const Expr *x)
{
    if (x->a->kind != E_NAME) {
        check_expr(s, x->a);
        return;
    }
    if (s->in_schedule && strcmp(x->a->name, "grid") == 0) {
        if (strcmp(x->name, "resident") != 0)
            diag_error(s->diag, x->pos, "grid.resident", "grid has no member `%s`", x->name);
        return;
    }
    if (strcmp(x->a->name, "grid") == 0 && !scope_lookup(s, x->a->name)) {
        diag_error(s->diag, x->a->pos, "let P = grid.resident;",
                   "grid.resident is for what a schedule binds with `let`");
        return;
    }
    const Entry *e = scope_use(s, x->a->name, x->a->pos);
    if (e && e->kind == NAME_ENUM) {
        for (int i = 0; i < e->item->members.count; i++)
            if (e->item->members.items[i].name == x->name)
                return;
        diag_error(s->diag, x->pos, nearest_ident(s, &e->item->members, x->name),
                   "enum %s has no member `%s`", e->name, x->name);
    } else if (e && e->kind == NAME_ITEM && e->stmt) {
        for (int i = 0; i < e->stmt->fields.count; i++)
            if (e->stmt->fields.items[i].name.name == x->name)
                return;
        diag_error(s->diag, x->pos, NULL, "the pipe has no field `%s`", x->name);
    }
}

static void check_index(Scope *s, const Expr *x)
{
    check_expr(s, x->a);
    for (int i = 0; i < x->args.count; i++) {
        const Expr *a = x->args.items[i];
        if (a->kind == E_NAMED && strcmp(a->name, "pad") != 0)
            diag_error(s->diag, a->pos, NULL, "[ ] takes pad =, not %s =", a->name);
        if (a->kind != E_FULL)
            check_expr(s, a);
    }
}

void check_type(Scope *s, const Expr *x)
{
    if (x->kind != E_INDEX || x->a->kind != E_NAME) {
        check_expr(s, x);
        return;
    }
    scope_use_type(s, x->a);
    check_list(s, &x->args);
}

void check_expr(Scope *s, const Expr *x)
{
    if (!x)
        return;
    switch (x->kind) {
    case E_NAME:
        scope_use(s, x->name, x->pos);
        break;
    case E_TUPLE:
        check_list(s, &x->args);
        break;
    case E_INDEX:
        check_index(s, x);
        break;
    case E_CALL:
        check_call(s, x);
        break;
    case E_MEMBER:
        check_member(s, x);
        break;
    default:
        check_expr(s, x->a);
        check_expr(s, x->b);
        check_expr(s, x->c);
    }
}

/* `where`: conditions joined by &&, and alias(x, y). */
void check_where(Scope *s, const Expr *x)
{
    if (!x)
        return;
    if (x->kind == E_LAND) {
        check_where(s, x->a);
        check_where(s, x->b);
        return;
    }
    if (x->kind != E_CALL || x->a->kind != E_NAME || strcmp(x->a->name, "alias") != 0) {
        check_expr(s, x);
        return;
    }
    if (x->args.count != 2)
        diag_error(s->diag, x->pos, NULL, "alias takes two tensors");
    check_list(s, &x->args);
}

/* Statements */

static void check_block(Scope *s, const StmtList *list)
{
    int mark = scope_enter(s);
    check_stmts(s, list);
    scope_leave(s, mark);
}

static void check_range(Scope *s, const Range *r)
{
    check_expr(s, r->lo);
    check_expr(s, r->hi);
    check_expr(s, r->step);
}

static void check_loop(Scope *s, const Stmt *st)
{
    int mark = scope_enter(s);
    check_expr(s, st->part);
    check_expr(s, st->parts);
    for (int i = 0; i < st->ranges.count; i++) {
        check_range(s, &st->ranges.items[i]);
        scope_declare(s, st->ranges.items[i].index, NAME_INDEX);
    }
    s->loops++;
    check_stmts(s, &st->body);
    s->loops--;
    scope_leave(s, mark);
}

static void check_assign(Scope *s, const Stmt *st)
{
    const Expr *t = st->target;
    check_expr(s, st->value);
    if (t->kind != E_NAME) {
        check_expr(s, t);
        if (t->kind != E_INDEX)
            diag_error(s->diag, t->pos, NULL,
                       "only a var or an element of a tensor can be assigned");
        return;
    }
    const Entry *e = scope_lookup(s, t->name);
    if (!e && !diag_full(s->diag))
        diag_error(s->diag, t->pos, scope_nearest(s, t->name), "unknown name `%s`", t->name);
    else if (e && e->kind != NAME_VAR)
        diag_error(
            s->diag, t->pos,
            arena_format(s->arena,
                         e->kind == NAME_LOCAL || e->kind == NAME_TENSOR || e->kind == NAME_VIEW
                             ? "store to its elements: %s[..] = .."
                             : "declare it with var %s",
                         t->name),
            "`%s` is not a var: it cannot be assigned", t->name);
    else if (e && e - s->entries.items < s->role_floor)
        diag_error(s->diag, t->pos, "declare a var inside the role, or use a pipe",
                   "a role cannot change `%s`, which stands outside of `roles`", t->name);
}

static void check_pipe(Scope *s, const Stmt *st)
{
    check_expr(s, st->value);
    for (int i = 0; i < st->fields.count; i++) {
        const Ident *f = &st->fields.items[i].name;
        check_type(s, st->fields.items[i].type);
        for (int k = 0; k < i; k++)
            if (st->fields.items[k].name.name == f->name)
                diag_error(s->diag, f->pos, NULL, "two fields named `%s`", f->name);
    }
    scope_declare(s, st->names.items[0], NAME_PIPE)->stmt = st;
}

static void check_roles(Scope *s, const Stmt *st)
{
    int loops = s->loops;
    s->loops = 0;
    s->role_floor = s->entries.count;
    for (int i = 0; i < st->roles.count; i++) {
        const Role *r = &st->roles.items[i];
        for (int k = 0; k < i; k++)
            if (st->roles.items[k].name.name == r->name.name)
                diag_error(s->diag, r->name.pos, NULL, "two roles named `%s`", r->name.name);
        for (int w = 0; w < r->words.count; w++)
            check_list(s, &r->words.items[w].args);
        check_block(s, &r->body);
    }
    s->role_floor = -1;
    s->loops = loops;
}

/* The pipe of a put or get, NULL after a message. */
static const Stmt *check_pipe_name(Scope *s, Ident id)
{
    const Entry *e = scope_lookup(s, id.name);
    if (!e)
        diag_error(s->diag, id.pos, NULL, "unknown pipe `%s`", id.name);
    else if (e->kind != NAME_PIPE)
        diag_error(s->diag, id.pos, NULL, "`%s` is no pipe", id.name);
    else if (s->role_floor < 0)
        diag_error(s->diag, id.pos, NULL, "put and get stand in a role");
    return e && e->kind == NAME_PIPE ? e->stmt : NULL;
}

static bool has_field(const Stmt *pipe, Name name)
{
    for (int i = 0; i < pipe->fields.count; i++)
        if (pipe->fields.items[i].name.name == name)
            return true;
    return false;
}

static bool sets_field(const Stmt *put, int count, Name name)
{
    for (int i = 0; i < count; i++)
        if (put->inits.items[i].name.name == name)
            return true;
    return false;
}

static void check_put(Scope *s, const Stmt *st)
{
    Ident id = st->names.items[0];
    const Stmt *pipe = check_pipe_name(s, id);
    for (int i = 0; i < st->inits.count; i++) {
        const FieldInit *f = &st->inits.items[i];
        check_expr(s, f->value);
        if (pipe && !has_field(pipe, f->name.name))
            diag_error(s->diag, f->name.pos, NULL, "pipe %s has no field `%s`", id.name,
                       f->name.name);
        else if (sets_field(st, i, f->name.name))
            diag_error(s->diag, f->name.pos, NULL, "field `%s` twice", f->name.name);
    }
    for (int i = 0; pipe && i < pipe->fields.count; i++) {
        Name name = pipe->fields.items[i].name.name;
        if (!sets_field(st, st->inits.count, name))
            diag_error(s->diag, st->pos, NULL, "put without field `%s`", name);
    }
}

static void check_get(Scope *s, const Stmt *st)
{
    const Stmt *pipe = check_pipe_name(s, st->names.items[0]);
    int mark = scope_enter(s), loops = s->loops;
    s->loops = 0;
    s->in_get = true;
    scope_declare(s, st->item, NAME_ITEM)->stmt = pipe;
    check_stmts(s, &st->body);
    s->in_get = false;
    s->loops = loops;
    scope_leave(s, mark);
}

static void declare_all(Scope *s, const Stmt *st, NameKind kind)
{
    check_expr(s, st->value);
    for (int i = 0; i < st->names.count; i++)
        scope_declare(s, st->names.items[i], kind);
}

static void check_stmt(Scope *s, const Stmt *st)
{
    switch (st->kind) {
    case S_LET:
        declare_all(s, st, NAME_VALUE);
        break;
    case S_VAR:
        declare_all(s, st, NAME_VAR);
        break;
    case S_CONST:
        declare_all(s, st, NAME_CONST);
        break;
    case S_VIEW:
        declare_all(s, st, NAME_VIEW);
        break;
    case S_LOCAL:
        check_type(s, st->value);
        scope_declare(s, st->names.items[0], NAME_LOCAL);
        break;
    case S_ASSIGN:
        check_assign(s, st);
        break;
    case S_EXPR:
        check_expr(s, st->value);
        break;
    case S_PAR:
    case S_FOR:
    case S_SHARE:
        check_loop(s, st);
        break;
    case S_IF:
        check_expr(s, st->value);
        check_block(s, &st->body);
        check_block(s, &st->orelse);
        break;
    case S_RETURN:
        check_expr(s, st->value);
        if (!s->in_fn)
            diag_error(s->diag, st->pos, "continue ends a program", "return outside of a function");
        break;
    case S_CONTINUE:
        if (s->loops == 0)
            diag_error(s->diag, st->pos,
                       s->in_get ? "put the rest of its block under an `if`" : NULL,
                       s->in_get ? "continue cannot leave a `get`" : "continue outside of a loop");
        break;
    case S_PIPE:
        check_pipe(s, st);
        break;
    case S_ROLES:
        check_roles(s, st);
        break;
    case S_PUT:
        check_put(s, st);
        break;
    case S_GET:
        check_get(s, st);
        break;
    }
}

void check_stmts(Scope *s, const StmtList *list)
{
    for (int i = 0; i < list->count && !diag_full(s->diag); i++)
        check_stmt(s, list->items[i]);
}
