/* What the directives of a schedule may name: variables, loops, loads and stores of a kernel. */
#include "compiler/schedule.h"

#include <string.h>

#include "dsl/builtins.h"

static void scan_stmts(KernelFacts *f, const StmtList *list, int phase);
static void scan_place(KernelFacts *f, const Expr *x, int phase);

Name phase_name(const Stmt *par)
{
    for (int i = 0; i < par->attrs.count; i++)
        if (strcmp(par->attrs.items[i].name, "unordered") != 0)
            return par->attrs.items[i].name;
    return NULL;
}

static const Param *find_param(const ParamList *list, Name name)
{
    for (int i = 0; i < list->count; i++)
        if (list->items[i].dir != DIR_SCALAR && list->items[i].name.name == name)
            return &list->items[i];
    return NULL;
}

const Param *tensor_param(const Item *kernel, Name name)
{
    const Param *p = find_param(&kernel->params, name);
    return p ? p : find_param(&kernel->scratch, name);
}

/* The tensor parameter that `xs`, `xs[l]` or a view of it stands for, NULL if none. */
static Name root_of(const KernelFacts *f, const Expr *x)
{
    while (x->kind == E_INDEX)
        x = x->a;
    if (x->kind == E_CALL && x->args.count > 0)
        return root_of(f, x->args.items[0]);
    if (x->kind != E_NAME)
        return NULL;
    for (int i = f->nviews; i-- > 0;)
        if (f->views[i].view == x->name)
            return f->views[i].root;
    return tensor_param(f->kernel, x->name) ? x->name : NULL;
}

static void use(KernelFacts *f, Name name, int phase, bool loaded, bool stored)
{
    if (!name)
        return;
    for (int i = 0; i < f->uses.count; i++) {
        TensorUse *u = &f->uses.items[i];
        if (u->name == name && u->phase == phase) {
            u->loaded |= loaded;
            u->stored |= stored;
            return;
        }
    }
    PUSH(f->arena, &f->uses, ((TensorUse){name, phase, loaded, stored}));
}

static bool calls(const Expr *x, const char *name)
{
    return x->kind == E_CALL && x->a->kind == E_NAME && strcmp(x->a->name, name) == 0;
}

/* Stores to its first argument, and loads nothing by that. */
static bool adds(const Expr *x)
{
    return calls(x, "atomic_add") || calls(x, "signal");
}

static void scan_expr(KernelFacts *f, const Expr *x, int phase)
{
    if (!x)
        return;
    if (x->kind == E_INDEX)
        use(f, root_of(f, x), phase, true, false);
    if (x->kind == E_CALL && !calls(x, "has") && !calls(x, "size"))
        for (int i = 0; i < x->args.count; i++) {
            const Expr *a = x->args.items[i];
            if (a->kind == E_NAME) /* a function may do anything with a tensor */
                use(f, root_of(f, a), phase, true, true);
            else if (i == 0 && adds(x))
                use(f, root_of(f, a), phase, false, true);
        }
    scan_expr(f, x->a, phase);
    scan_expr(f, x->b, phase);
    scan_expr(f, x->c, phase);
    for (int i = 0; i < x->args.count; i++)
        (i == 0 && adds(x) ? scan_place : scan_expr)(f, x->args.items[i], phase);
}

/* Only the indices and bounds inside an expression that is a tensor itself. */
static void scan_place(KernelFacts *f, const Expr *x, int phase)
{
    if (x->kind == E_INDEX || x->kind == E_CALL)
        for (int i = 0; i < x->args.count; i++)
            if (x->kind == E_INDEX || i > 0)
                scan_expr(f, x->args.items[i], phase);
    if (x->kind == E_INDEX)
        scan_place(f, x->a, phase);
    else if (x->kind == E_CALL && x->args.count > 0)
        scan_place(f, x->args.items[0], phase);
}

static bool calls_unknown(const Expr *x)
{
    return x->kind == E_CALL && x->a->kind == E_NAME && !builtin_find(x->a->name) &&
           dtype_find(x->a->name, (unsigned)strlen(x->a->name)) == DT_NONE;
}

/* Whether the expression has a call of `name`, or of a function that could have one. */
static bool has_call(const KernelFacts *f, const Expr *x, const char *name)
{
    if (!x)
        return false;
    if (calls(x, name) || calls_unknown(x))
        return true;
    for (int i = 0; i < x->args.count; i++)
        if (has_call(f, x->args.items[i], name))
            return true;
    return has_call(f, x->a, name) || has_call(f, x->b, name) || has_call(f, x->c, name);
}

static void declare(KernelFacts *f, Ident id, VariableKind kind, int phase, const Expr *value)
{
    Variable v = {.name = id.name, .pos = id.pos, .kind = kind, .phase = phase};
    v.has_mma = has_call(f, value, "mma") || has_call(f, value, "mma_scaled");
    v.has_fma = has_call(f, value, "fma");
    PUSH(f->arena, &f->variables, v);
}

static void assign(KernelFacts *f, const Stmt *s, int phase)
{
    if (s->target->kind != E_NAME) {
        use(f, root_of(f, s->target), phase, false, true);
        scan_place(f, s->target, phase);
        return;
    }
    for (int i = 0; i < f->variables.count; i++) {
        Variable *v = &f->variables.items[i];
        if (v->name != s->target->name || v->phase != phase)
            continue;
        v->has_mma |= has_call(f, s->value, "mma") || has_call(f, s->value, "mma_scaled");
        v->has_fma |= has_call(f, s->value, "fma");
    }
}

static void add_view(KernelFacts *f, Name view, Name root)
{
    if (f->nviews == f->views_capacity) {
        int n = f->views_capacity ? 2 * f->views_capacity : 16;
        f->views = arena_grow(f->arena, f->views, (size_t)f->nviews * sizeof *f->views,
                              (size_t)n * sizeof *f->views);
        f->views_capacity = n;
    }
    f->views[f->nviews].view = view;
    f->views[f->nviews++].root = root;
}

static void scan_ranges(KernelFacts *f, const Stmt *s, int phase)
{
    for (int i = 0; i < s->ranges.count; i++) {
        const Range *r = &s->ranges.items[i];
        scan_expr(f, r->lo, phase);
        scan_expr(f, r->hi, phase);
        scan_expr(f, r->step, phase);
        declare(f, r->index, s->kind == S_PAR ? V_PAR_INDEX : V_INDEX, phase, NULL);
    }
}

static void scan_declaration(KernelFacts *f, const Stmt *s, int phase)
{
    static const VariableKind kinds[] = {
        [S_LET] = V_VALUE,   [S_VAR] = V_VALUE, [S_VIEW] = V_VIEW,
        [S_LOCAL] = V_LOCAL, [S_PIPE] = V_PIPE,
    };
    for (int i = 0; i < s->names.count; i++)
        declare(f, s->names.items[i], kinds[s->kind], phase, s->value);
    if (s->kind == S_VIEW) {
        add_view(f, s->names.items[0].name, root_of(f, s->value));
        scan_place(f, s->value, phase);
    } else {
        scan_expr(f, s->value, phase);
    }
}

static void scan_stmt(KernelFacts *f, const Stmt *s, int phase)
{
    switch (s->kind) {
    case S_LET:
    case S_VAR:
    case S_VIEW:
    case S_LOCAL:
    case S_PIPE:
        scan_declaration(f, s, phase);
        return;
    case S_PAR:
        phase = f->phases.count;
        PUSH(f->arena, &f->phases, s);
        break;
    case S_ROLES:
        PUSH(f->arena, &f->roles, s);
        PUSH(f->arena, &f->role_phases, phase);
        for (int i = 0; i < s->roles.count; i++)
            scan_stmts(f, &s->roles.items[i].body, phase);
        return;
    case S_ASSIGN:
        assign(f, s, phase);
        break;
    default:
        break;
    }
    scan_ranges(f, s, phase);
    scan_expr(f, s->value, phase);
    scan_expr(f, s->part, phase);
    scan_expr(f, s->parts, phase);
    for (int i = 0; i < s->inits.count; i++)
        scan_expr(f, s->inits.items[i].value, phase);
    scan_stmts(f, &s->body, phase);
    scan_stmts(f, &s->orelse, phase);
}

static void scan_stmts(KernelFacts *f, const StmtList *list, int phase)
{
    for (int i = 0; i < list->count; i++)
        scan_stmt(f, list->items[i], phase);
}

KernelFacts kernel_facts(Arena *arena, const Item *kernel)
{
    KernelFacts f = {.arena = arena, .kernel = kernel};
    scan_stmts(&f, &kernel->body, -1);
    return f;
}

static const TensorUse *use_find(const KernelFacts *f, Name name, int phase, bool stored)
{
    for (int i = 0; i < f->uses.count; i++) {
        const TensorUse *u = &f->uses.items[i];
        if (u->name == name && (phase < 0 || u->phase == phase) && (stored ? u->stored : u->loaded))
            return u;
    }
    return NULL;
}

bool tensor_is_loaded(const KernelFacts *f, Name name, int phase)
{
    return use_find(f, name, phase, false) != NULL;
}

bool tensor_is_stored(const KernelFacts *f, Name name, int phase)
{
    return use_find(f, name, phase, true) != NULL;
}
