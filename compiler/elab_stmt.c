/* Statements: bindings, control flow as regions with carried values, phases, roles and pipes. */
#include "compiler/elab.h"

#include <string.h>

#include "dsl/builtins.h"

static void elab_stmt(Elab *e, const Stmt *s);

/* Shows a source name of a value to people: debugger, dumps, emitted code. */
static void name_value(Elab *e, Pos pos, Name name, const Term *t)
{
    Term shown;
    if (t->kind == T_INT || t->kind == T_FLOAT || t->kind == T_BOOL) {
        bool large = t->kind == T_INT && (t->i > INT64_MAX || t->i < INT64_MIN);
        shown = term_value(large ? NULL : term_any(e, pos, t, DT_NONE));
        if (shown.kind == T_VALUE)
            make_op(e, OP_BIND, pos, 1, &shown.v, 0, NULL)->name = name;
        return;
    }
    if (t->kind != T_VALUE && t->kind != T_TENSOR)
        return;
    if (!t->v->name && t->v->op && t->v->op->code != OP_CONST)
        t->v->name = name;
    if (t->kind == T_VALUE && e->in_par)
        make_op(e, OP_BIND, pos, 1, &t->v, 0, NULL)->name = name;
}

void elab_stmts(Elab *e, const StmtList *list)
{
    for (int i = 0; i < list->count && !e->ended; i++) {
        if (diag_full(e->diag))
            return;
        elab_stmt(e, list->items[i]);
        const Stmt *s = list->items[i];
        if ((s->kind == S_CONTINUE || s->kind == S_RETURN) && i + 1 < list->count)
            fail(e, list->items[i + 1]->pos, NULL, "never reached: it stands after %s",
                 s->kind == S_RETURN ? "return" : "continue");
    }
}

void elab_block(Elab *e, const StmtList *list)
{
    ScopeName *scope = e->scope;
    elab_stmts(e, list);
    e->scope = scope;
}

/* Bindings */

static bool bindable(Elab *e, Pos pos, const Term *t)
{
    if (t->kind == T_VOID)
        fail(e, pos, NULL, "the call gives no value");
    return t->kind != T_VOID && t->kind != T_ERROR;
}

static void s_let(Elab *e, const Stmt *s)
{
    Term t = elab_expr(e, s->value);
    bool ok = bindable(e, s->value->pos, &t);
    int n = s->names.count;
    if (ok && n > 1 && (t.kind != T_TUPLE || t.count != n)) {
        fail(e, s->names.items[0].pos, NULL,
             t.kind == T_TUPLE ? "%d names for %s" : "%d names for %s, which is no tuple", n,
             term_text(e, &t));
        ok = false;
    }
    for (int i = 0; i < n; i++) {
        Term part = !ok ? term_error() : n > 1 ? t.items[i] : t;
        name_value(e, s->names.items[i].pos, s->names.items[i].name, &part);
        scope_bind(e, s->names.items[i], part);
    }
}

static void s_var(Elab *e, const Stmt *s)
{
    Ident id = s->names.items[0];
    Term t = elab_expr(e, s->value);
    if (bindable(e, s->value->pos, &t))
        t = term_value(term_any(e, s->value->pos, &t, DT_NONE));
    name_value(e, id.pos, id.name, &t);
    scope_bind(e, id, t)->is_var = true;
}

static void s_const(Elab *e, const Stmt *s)
{
    Term t = elab_expr(e, s->value);
    if (t.kind != T_ERROR && !term_is_constant(&t))
        t = fail(e, s->value->pos, "write let", "const %s is %s, not a constant",
                 s->names.items[0].name, term_text(e, &t));
    name_value(e, s->names.items[0].pos, s->names.items[0].name, &t);
    scope_bind(e, s->names.items[0], t);
}

static void s_view(Elab *e, const Stmt *s)
{
    Term t = elab_expr(e, s->value);
    if (t.kind != T_ERROR && t.kind != T_TENSOR && t.kind != T_ABSENT)
        t = fail(e, s->value->pos, "flat, reshape, slice, upsample, trans of a tensor",
                 "a view is of a tensor, not %s", term_text(e, &t));
    if (t.kind == T_TENSOR && (!t.v->op || t.v->op->code != OP_TENSOR))
        t.v->name = s->names.items[0].name;
    scope_bind(e, s->names.items[0], t);
}

/* A type of constant extents: locals and fields of pipes. */
static bool static_type(Elab *e, const Expr *x, Type *t, const char *what)
{
    const Expr *base = x->kind == E_INDEX ? x->a : x;
    Term d = elab_expr(e, base);
    *t = (Type){.kind = TY_TILE, .dtype = d.dtype};
    if (d.kind == T_ERROR)
        return false;
    if (d.kind != T_TYPE) {
        fail(e, base->pos, NULL, "%s: an element type is expected, not %s", what, term_text(e, &d));
        return false;
    }
    if (x->kind != E_INDEX)
        return true;
    t->rank = x->args.count;
    if (t->rank > MAX_RANK) {
        fail(e, x->pos, NULL, "%s has %d axes; at most %d are possible", what, t->rank, MAX_RANK);
        return false;
    }
    Wide n = 1;
    for (int i = 0; i < t->rank; i++) {
        if (!elab_int(e, x->args.items[i], "an extent", &t->dims[i]))
            return false;
        n *= t->dims[i];
        if (t->dims[i] < 0 || n > (Wide)1 << 31) {
            fail(e, x->args.items[i]->pos, NULL, "%s: the extent %lld is out of range", what,
                 (long long)t->dims[i]);
            return false;
        }
    }
    return true;
}

static void s_local(Elab *e, const Stmt *s)
{
    Type t;
    Ident id = s->names.items[0];
    Term r = term_error();
    if (static_type(e, s->value, &t, "a local tensor")) {
        t.kind = TY_TENSOR;
        Op *op = make_op(e, OP_LOCAL, s->pos, 0, NULL, 1, &t);
        op->name = id.name;
        op->results[0]->name = id.name;
        r = term_tensor(op->results[0]);
    }
    scope_bind(e, id, r);
}

static void s_assign(Elab *e, const Stmt *s)
{
    if (s->target->kind == E_INDEX) {
        elab_store(e, s->target, s->value, s->pos);
        return;
    }
    if (s->target->kind != E_NAME) {
        fail(e, s->target->pos, NULL, "only a var or an element of a tensor can be assigned");
        return;
    }
    Name name = s->target->name;
    ScopeName *b = scope_find(e, name);
    if (!b || !b->is_var) {
        fail(e, s->target->pos, b ? arena_format(e->arena, "declare it with var %s", name) : NULL,
             b ? "`%s` is not a var: it cannot be assigned" : "unknown name `%s`", name);
        return;
    }
    if (e->in_role) {
        for (ScopeName *o = e->role_floor; o; o = o->next)
            if (o == b) {
                fail(e, s->target->pos, "declare a var inside the role, or use a pipe",
                     "a role cannot change `%s`, which stands outside of `roles`", name);
                return;
            }
    }
    Term t = elab_expr(e, s->value);
    if (!bindable(e, s->value->pos, &t) || b->term.kind != T_VALUE)
        return;
    const Type *want = &b->term.v->type;
    Value *v = term_to(e, s->value->pos, &t, want->dtype, arena_format(e->arena, "var %s", name));
    if (!v)
        return;
    if (!type_equal(&v->type, want)) {
        fail(e, s->pos, v->type.rank == 0 ? "fill(x, ..) makes a tile of a scalar" : NULL,
             "var %s is %s and would become %s", name, type_text(e->arena, want),
             type_text(e->arena, &v->type));
        return;
    }
    b->term = term_value(v);
    name_value(e, s->target->pos, name, &b->term);
}

static void s_expr(Elab *e, const Stmt *s)
{
    if (s->value->kind != E_CALL) {
        fail(e, s->value->pos, "name it with let, or store it",
             "the expression has no effect and its value is dropped");
        return;
    }
    e->is_statement = true;
    Term t = elab_expr(e, s->value);
    e->is_statement = false;
    if (t.kind != T_VOID && t.kind != T_ERROR)
        fail(e, s->value->pos, "name it with let, or store it", "the value of the call is dropped");
}

/* Carried values: the vars that a block assigns and that live on behind it */

typedef struct Carried {
    ScopeName **items;
    int count, capacity;
} Carried;

static void collect_assigned(Elab *e, const StmtList *list, Carried *c);

static void collect_one(Elab *e, const Stmt *s, Carried *c)
{
    if (s->kind == S_ASSIGN && s->target->kind == E_NAME) {
        ScopeName *b = scope_find(e, s->target->name);
        if (!b || !b->is_var || b->term.kind != T_VALUE)
            return;
        for (int i = 0; i < c->count; i++)
            if (c->items[i] == b)
                return;
        PUSH(e->arena, c, b);
        return;
    }
    collect_assigned(e, &s->body, c);
    collect_assigned(e, &s->orelse, c);
    for (int i = 0; i < s->roles.count; i++)
        collect_assigned(e, &s->roles.items[i].body, c);
}

static void collect_assigned(Elab *e, const StmtList *list, Carried *c)
{
    for (int i = 0; i < list->count; i++)
        collect_one(e, list->items[i], c);
}

static Value **carried_values(Elab *e, const Carried *c, Value *const *first, int nfirst)
{
    Value **v = NEW_ARRAY(e->arena, Value *, c->count + nfirst + 1);
    for (int i = 0; i < nfirst; i++)
        v[i] = first[i];
    for (int i = 0; i < c->count; i++)
        v[nfirst + i] = c->items[i]->term.v;
    return v;
}

static Type *carried_types(Elab *e, const Carried *c, const Type *first, int nfirst)
{
    Type *t = NEW_ARRAY(e->arena, Type, c->count + nfirst + 1);
    for (int i = 0; i < nfirst; i++)
        t[i] = first[i];
    for (int i = 0; i < c->count; i++)
        t[nfirst + i] = c->items[i]->term.v->type;
    return t;
}

/* Binds the vars to `v` (region args or results of the op). */
static void carried_set(Elab *e, Pos pos, const Carried *c, Value *const *v)
{
    for (int i = 0; i < c->count; i++) {
        c->items[i]->term = term_value(v[i]);
        name_value(e, pos, c->items[i]->name, &c->items[i]->term);
    }
}

static Op *terminate(Elab *e, OpCode code, Pos pos, int n, Value *const *v)
{
    return make_op(e, code, pos, n, v, 0, NULL);
}

/* Elaborates a block into region `r`; ends it with YIELD of the carried vars unless it ended. */
static bool block_into(Elab *e, Region *r, const StmtList *list, const Carried *c, Pos end)
{
    Region *outer = e->region;
    bool ended = e->ended;
    e->region = r;
    e->ended = false;
    elab_block(e, list);
    bool did_end = e->ended;
    if (!did_end)
        terminate(e, OP_YIELD, end, c->count, carried_values(e, c, NULL, 0));
    e->ended = ended;
    e->region = outer;
    return did_end;
}

static Pos end_of(const Stmt *s)
{
    return s->end.source ? s->end : s->pos;
}

static void s_continue(Elab *e, const Stmt *s)
{
    Loop *l = e->loop;
    if (!l) {
        fail(e, s->pos, NULL, "continue outside of a loop");
        return;
    }
    Carried c = {l->carried, l->count, l->count};
    terminate(e, OP_CONTINUE, s->pos, l->count, carried_values(e, &c, NULL, 0));
    e->ended = true;
}

static void if_run_time(Elab *e, const Stmt *s, Value *cond)
{
    Carried c = {0};
    collect_assigned(e, &s->body, &c);
    collect_assigned(e, &s->orelse, &c);
    Value **before = carried_values(e, &c, NULL, 0);
    Op *op = op_new(e->kernel, OP_IF, s->pos, 1, &cond, c.count, carried_types(e, &c, NULL, 0));
    Region *r[2];
    bool ended[2];
    const StmtList *lists[2] = {&s->body, &s->orelse};
    if (e->frame)
        e->frame->run_time_blocks++;
    for (int i = 0; i < 2; i++) {
        r[i] = region_new(e->kernel, NULL, 0, NULL);
        for (int k = 0; k < c.count; k++)
            c.items[k]->term = term_value(before[k]);
        ended[i] = block_into(e, r[i], lists[i], &c, end_of(s));
    }
    if (e->frame)
        e->frame->run_time_blocks--;
    region_append(e->region, op);
    op_add_region(e->kernel, op, r[0]);
    op_add_region(e->kernel, op, r[1]);
    e->ended = ended[0] && ended[1];
    if (e->ended)
        op->nresults = 0; /* the region ends here: nobody could use them */
    else
        carried_set(e, s->pos, &c, op->results);
}

static void s_if(Elab *e, const Stmt *s)
{
    Term c = elab_condition(e, s->value, "if");
    if (c.kind == T_BOOL)
        elab_block(e, c.i ? &s->body : &s->orelse);
    else if (c.kind == T_VALUE)
        if_run_time(e, s, c.v);
}

/* Loops */

static bool range_bounds(Elab *e, const Range *r, Value **v)
{
    v[0] = elab_index(e, r->lo, "the start of a range");
    v[1] = elab_index(e, r->hi, "the end of a range");
    v[2] = r->step ? elab_index(e, r->step, "the step of a range") : constant_int(e, 1);
    int64_t step;
    if (v[2] && value_int(v[2], &step) && step <= 0) {
        fail(e, r->step->pos, NULL, "the step of a range is %lld; it must be positive",
             (long long)step);
        return false;
    }
    return v[0] && v[1] && v[2];
}

static void bind_index(Elab *e, const Range *r, Value *v)
{
    v->name = r->index.name;
    scope_bind(e, r->index, term_value(v));
}

static Loop push_loop(Elab *e, OpCode code, const Carried *c)
{
    return (Loop){.code = code, .carried = c->items, .count = c->count, .outer = e->loop};
}

static void s_for(Elab *e, const Stmt *s)
{
    const Range *r = &s->ranges.items[0];
    Carried c = {0};
    Value *bounds[3];
    if (!range_bounds(e, r, bounds))
        return;
    collect_assigned(e, &s->body, &c);
    Type index = scalar_type(DT_I64);
    Op *op = op_new(e->kernel, OP_FOR, s->pos, 3 + c.count, carried_values(e, &c, bounds, 3),
                    c.count, carried_types(e, &c, NULL, 0));
    Region *body = region_new(e->kernel, NULL, 1 + c.count, carried_types(e, &c, &index, 1));
    ScopeName *scope = e->scope;
    Loop loop = push_loop(e, OP_FOR, &c);
    e->loop = &loop;
    if (e->frame)
        e->frame->run_time_blocks++;
    bind_index(e, r, body->args[0]);
    Region *outer = e->region;
    e->region = body;
    carried_set(e, s->pos, &c, body->args + 1);
    e->region = outer;
    block_into(e, body, &s->body, &c, end_of(s));
    if (e->frame)
        e->frame->run_time_blocks--;
    e->loop = loop.outer;
    e->scope = scope;
    region_append(e->region, op);
    op_add_region(e->kernel, op, body);
    carried_set(e, s->pos, &c, op->results);
}

/* The regions that compute ranges: each sees the indices before it. */
static bool range_regions(Elab *e, Op *op, const RangeList *ranges)
{
    bool ok = true;
    Type *index = NEW_ARRAY(e->arena, Type, ranges->count + 1);
    for (int i = 0; i < ranges->count; i++)
        index[i] = scalar_type(DT_I64);
    for (int i = 0; i < ranges->count; i++) {
        ScopeName *scope = e->scope;
        Region *outer = e->region, *r = region_new(e->kernel, NULL, i, index);
        e->region = r;
        bool in_range = e->in_range;
        e->in_range = true;
        for (int k = 0; k < i; k++)
            bind_index(e, &ranges->items[k], r->args[k]);
        Value *v[3];
        if (range_bounds(e, &ranges->items[i], v))
            terminate(e, OP_YIELD, ranges->items[i].index.pos, 3, v);
        else
            ok = false;
        e->in_range = in_range;
        e->region = outer;
        e->scope = scope;
        op_add_region(e->kernel, op, r);
    }
    return ok;
}

static void s_share(Elab *e, const Stmt *s)
{
    Carried c = {0};
    Value *pp[2] = {elab_index(e, s->part, "the part"),
                    elab_index(e, s->parts, "the number of parts")};
    if (!pp[0] || !pp[1])
        return;
    collect_assigned(e, &s->body, &c);
    Op *op = op_new(e->kernel, OP_SHARE, s->pos, 2 + c.count, carried_values(e, &c, pp, 2), c.count,
                    carried_types(e, &c, NULL, 0));
    bool ok = range_regions(e, op, &s->ranges);
    int n = s->ranges.count;
    Type *index = NEW_ARRAY(e->arena, Type, n);
    for (int i = 0; i < n; i++)
        index[i] = scalar_type(DT_I64);
    Region *body = region_new(e->kernel, NULL, n + c.count, carried_types(e, &c, index, n));
    ScopeName *scope = e->scope;
    Loop loop = push_loop(e, OP_SHARE, &c);
    e->loop = &loop;
    if (e->frame)
        e->frame->run_time_blocks++;
    for (int i = 0; i < n; i++)
        bind_index(e, &s->ranges.items[i], body->args[i]);
    Region *outer = e->region;
    e->region = body;
    carried_set(e, s->pos, &c, body->args + n);
    e->region = outer;
    block_into(e, body, &s->body, &c, end_of(s));
    if (e->frame)
        e->frame->run_time_blocks--;
    e->loop = loop.outer;
    e->scope = scope;
    if (!ok)
        return;
    op_add_region(e->kernel, op, body);
    region_append(e->region, op);
    carried_set(e, s->pos, &c, op->results);
}

/* Phases */

static void par_attributes(Elab *e, const Stmt *s, Op *op)
{
    for (int i = 0; i < s->attrs.count; i++) {
        const Word *w = &s->attrs.items[i];
        if (w->has_args)
            fail(e, w->pos, NULL, "@%s takes no arguments", w->name);
        if (strcmp(w->name, "unordered") == 0)
            op->unordered = true;
        else if (op->name)
            fail(e, w->pos, NULL, "the phase has a name already: @%s", op->name);
        else
            op->name = w->name;
    }
}

/* How many programs the phase has, if that is constant: 0..n by s of constants. */
static int64_t constant_programs(const Op *par)
{
    Wide n = 1;
    for (int i = 0; i < par->nregions; i++) {
        const Op *yield = par->regions[i]->last;
        int64_t lo, hi, step;
        if (!yield || !value_int(yield->args[0], &lo) || !value_int(yield->args[1], &hi) ||
            !value_int(yield->args[2], &step) || step <= 0)
            return -1;
        n *= hi > lo ? ((Wide)hi - lo + step - 1) / step : 0;
        if (n > (Wide)1 << 31)
            return -1;
    }
    return (int64_t)n;
}

static void s_par(Elab *e, const Stmt *s)
{
    if (e->in_par || e->frame) {
        fail(e, s->pos, "write a for", "par stands only in a kernel's body; it does not nest");
        return;
    }
    Carried none = {0};
    Op *op = op_new(e->kernel, OP_PAR, s->pos, 0, NULL, 0, NULL);
    par_attributes(e, s, op);
    if (op->unordered && !e->any_par)
        fail(e, s->pos, NULL, "@unordered: there is no phase before this one");
    if (!op->unordered)
        e->later_phase = e->any_par;
    bool ok = range_regions(e, op, &s->ranges);
    int n = s->ranges.count, errors = e->diag->errors;
    Type *index = NEW_ARRAY(e->arena, Type, n);
    for (int i = 0; i < n; i++)
        index[i] = scalar_type(DT_I64);
    Region *body = region_new(e->kernel, NULL, n, index);
    ScopeName *scope = e->scope;
    Loop loop = push_loop(e, OP_PAR, &none);
    e->par_programs = ok ? constant_programs(op) : -1;
    e->loop = &loop;
    e->in_par = true;
    for (int i = 0; i < n; i++)
        bind_index(e, &s->ranges.items[i], body->args[i]);
    block_into(e, body, &s->body, &none, end_of(s));
    e->in_par = false;
    e->loop = NULL;
    e->scope = scope;
    e->any_par = true;
    op_add_region(e->kernel, op, body);
    if (e->diag->errors == errors)
        check_pipes(e, body);
    if (ok)
        region_append(e->region, op);
}

/* Roles and pipes (R16) */

static void s_pipe(Elab *e, const Stmt *s)
{
    Ident id = s->names.items[0];
    PipeInfo *p = NEW(e->arena, PipeInfo);
    bool ok = !e->in_roles;
    if (e->in_roles)
        fail(e, s->pos, NULL, "a pipe is declared before `roles`");
    ok = elab_int(e, s->value, "the number of stages", &p->stages) && ok;
    if (ok && (p->stages < 1 || p->stages > 1024)) {
        fail(e, s->value->pos, NULL, "a pipe has 1 to 1024 stages, not %lld", (long long)p->stages);
        ok = false;
    }
    p->fields = s->fields.count;
    p->names = NEW_ARRAY(e->arena, const char *, p->fields);
    p->types = NEW_ARRAY(e->arena, Type, p->fields);
    for (int i = 0; i < p->fields; i++) {
        p->names[i] = s->fields.items[i].name.name;
        for (int k = 0; k < i; k++)
            if (p->names[k] == p->names[i])
                fail(e, s->fields.items[i].name.pos, NULL, "two fields named `%s`", p->names[i]);
        ok = static_type(e, s->fields.items[i].type, &p->types[i], "a field") && ok;
    }
    Term t = term_error();
    if (ok) {
        Op *op = make_op(e, OP_PIPE, s->pos, 0, NULL, 1,
                         &(Type){.kind = TY_PIPE, .dtype = DT_NONE});
        op->name = id.name;
        op->pipe = p;
        op->results[0]->name = id.name;
        t = (Term){.kind = T_PIPE, .v = op->results[0]};
    }
    scope_bind(e, id, t);
}

static char *words_text(Elab *e, const WordList *words)
{
    char *text = arena_format(e->arena, "%s", "");
    for (int i = 0; i < words->count; i++) {
        const Word *w = &words->items[i];
        const char *one = w->name ? w->name : expr_text(e->arena, w->literal);
        char *args = arena_format(e->arena, "%s", "");
        for (int k = 0; k < w->args.count; k++) {
            Term t = elab_expr(e, w->args.items[k]);
            const char *a = t.kind == T_INT ? arena_format(e->arena, "%lld", (long long)t.i)
                                            : expr_text(e->arena, w->args.items[k]);
            args = arena_format(e->arena, "%s%s%s", args, k ? ", " : "", a);
        }
        text = arena_format(e->arena, w->has_args ? "%s%s%s(%s)" : "%s%s%s", text, i ? " " : "",
                            one, args);
    }
    return text;
}

static void check_role_words(Elab *e, const WordList *words)
{
    for (int i = 0; i < words->count; i++) {
        const Word *w = &words->items[i];
        if (!w->name ||
            (strcmp(w->name, "warps") && strcmp(w->name, "warpgroups") && strcmp(w->name, "regs")))
            fail(e, w->pos, "a role takes warps(n), warpgroups(n), regs(n)",
                 "unknown word in a role");
        else if (w->args.count != 1)
            fail(e, w->pos, NULL, "%s takes one number", w->name);
    }
}

static void s_roles(Elab *e, const Stmt *s)
{
    if (e->in_roles || e->frame) {
        fail(e, s->pos, NULL, "roles do not nest, and stand in a par");
        return;
    }
    if (!e->in_par)
        return;
    Carried none = {0};
    Op *op = op_new(e->kernel, OP_ROLES, s->pos, 0, NULL, 0, NULL);
    Loop *loop = e->loop;
    bool ended = e->ended;
    int errors = e->diag->errors;
    e->in_roles = e->in_role = true;
    e->role_floor = e->scope;
    e->loop = NULL;
    for (int i = 0; i < s->roles.count; i++) {
        const Role *role = &s->roles.items[i];
        for (int k = 0; k < i; k++)
            if (s->roles.items[k].name.name == role->name.name)
                fail(e, role->name.pos, NULL, "two roles named `%s`", role->name.name);
        check_role_words(e, &role->words);
        Region *r = region_new(e->kernel, NULL, 0, NULL);
        r->name = role->name.name;
        r->words = words_text(e, &role->words);
        block_into(e, r, &role->body, &none, role->pos);
        op_add_region(e->kernel, op, r);
    }
    e->in_roles = e->in_role = false;
    e->role_floor = NULL;
    e->loop = loop;
    e->ended = ended;
    region_append(e->region, op);
    if (e->diag->errors == errors)
        check_roles(e, op);
}

static const PipeInfo *pipe_named(Elab *e, Ident id, Value **pipe)
{
    ScopeName *b = scope_find(e, id.name);
    if (b && b->term.kind == T_PIPE && e->in_role) {
        *pipe = b->term.v;
        return b->term.v->op->pipe;
    }
    if (!b)
        fail(e, id.pos, NULL, "unknown pipe `%s`", id.name);
    else if (b->term.kind != T_PIPE && b->term.kind != T_ERROR)
        fail(e, id.pos, NULL, "`%s` is no pipe", id.name);
    else if (b->term.kind == T_PIPE)
        fail(e, id.pos, NULL, "put and get stand in a role");
    return NULL;
}

static void s_put(Elab *e, const Stmt *s)
{
    Value *pipe;
    const PipeInfo *p = pipe_named(e, s->names.items[0], &pipe);
    if (!p)
        return;
    Value **args = NEW_ARRAY(e->arena, Value *, p->fields + 1);
    args[0] = pipe;
    bool ok = true;
    for (int i = 0; i < s->inits.count; i++) {
        const FieldInit *f = &s->inits.items[i];
        int k = 0;
        while (k < p->fields && p->names[k] != f->name.name)
            k++;
        if (k == p->fields) {
            fail(e, f->name.pos, NULL, "pipe %s has no field `%s`", s->names.items[0].name,
                 f->name.name);
            ok = false;
            continue;
        }
        if (args[1 + k]) {
            fail(e, f->name.pos, NULL, "field `%s` twice", f->name.name);
            ok = false;
        }
        Term t = elab_expr(e, f->value);
        Value *v = term_to(e, f->value->pos, &t, p->types[k].dtype, p->names[k]);
        if (v && !type_equal(&v->type, &p->types[k])) {
            fail(e, f->value->pos, NULL, "field %s is %s, not %s", p->names[k],
                 type_text(e->arena, &p->types[k]), type_text(e->arena, &v->type));
            v = NULL;
        }
        args[1 + k] = v;
        ok = ok && v;
    }
    for (int k = 0; k < p->fields && ok; k++)
        if (!args[1 + k]) {
            fail(e, s->pos, NULL, "put gives no field `%s`", p->names[k]);
            ok = false;
        }
    if (ok)
        make_op(e, OP_PUT, s->pos, p->fields + 1, args, 0, NULL);
}

static void s_get(Elab *e, const Stmt *s)
{
    Value *pipe;
    const PipeInfo *p = pipe_named(e, s->names.items[0], &pipe);
    if (!p)
        return;
    Carried c = {0};
    collect_assigned(e, &s->body, &c);
    Op *op = op_new(e->kernel, OP_GET, s->pos, 1 + c.count, carried_values(e, &c, &pipe, 1),
                    c.count, carried_types(e, &c, NULL, 0));
    Region *body = region_new(e->kernel, NULL, p->fields + c.count,
                              carried_types(e, &c, p->types, p->fields));
    Term item = {.kind = T_ITEM, .count = p->fields};
    item.items = NEW_ARRAY(e->arena, Term, p->fields);
    item.names = NEW_ARRAY(e->arena, Name, p->fields);
    for (int i = 0; i < p->fields; i++) {
        body->args[i]->name = arena_format(e->arena, "%s.%s", s->item.name, p->names[i]);
        item.items[i] = term_value(body->args[i]);
        item.names[i] = p->names[i];
    }
    ScopeName *scope = e->scope;
    Loop *loop = e->loop;
    e->loop = NULL;
    scope_bind(e, s->item, item);
    Region *outer = e->region;
    e->region = body;
    carried_set(e, s->pos, &c, body->args + p->fields);
    e->region = outer;
    if (e->frame)
        e->frame->run_time_blocks++;
    block_into(e, body, &s->body, &c, end_of(s));
    if (e->frame)
        e->frame->run_time_blocks--;
    e->loop = loop;
    e->scope = scope;
    region_append(e->region, op);
    op_add_region(e->kernel, op, body);
    carried_set(e, s->pos, &c, op->results);
}

static void s_return(Elab *e, const Stmt *s)
{
    if (!e->frame) {
        fail(e, s->pos, "continue ends a program", "return outside of a function");
        return;
    }
    if (e->frame->run_time_blocks) {
        e->frame->result = term_error();
        fail(e, s->pos, "assign to a var, and return at the function's end",
             "return inside a loop or an `if` that is decided at run time");
        return;
    }
    e->frame->result = elab_expr(e, s->value);
    e->ended = true;
}

static void elab_stmt(Elab *e, const Stmt *s)
{
    if (s->kind != S_PAR)
        for (int i = 0; i < s->attrs.count; i++)
            fail(e, s->attrs.items[i].pos, NULL, "@%s: only a par has attributes",
                 s->attrs.items[i].name);
    switch (s->kind) {
    /* clang-format off */
    case S_LET: s_let(e, s); break;
    case S_VAR: s_var(e, s); break;
    case S_CONST: s_const(e, s); break;
    case S_VIEW: s_view(e, s); break;
    case S_LOCAL: s_local(e, s); break;
    case S_ASSIGN: s_assign(e, s); break;
    case S_EXPR: s_expr(e, s); break;
    case S_PAR: s_par(e, s); break;
    case S_FOR: s_for(e, s); break;
    case S_SHARE: s_share(e, s); break;
    case S_IF: s_if(e, s); break;
    case S_RETURN: s_return(e, s); break;
    case S_CONTINUE: s_continue(e, s); break;
    case S_PIPE: s_pipe(e, s); break;
    case S_ROLES: s_roles(e, s); break;
    case S_PUT: s_put(e, s); break;
    case S_GET: s_get(e, s); break;
        /* clang-format on */
    }
}
