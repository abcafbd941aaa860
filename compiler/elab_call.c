/* Calls: arguments, functions (inlined, typed anew at each call), effects, and who handles what. */
#include "compiler/elab_builtin.h"

#include <string.h>

#include "dsl/builtins.h"

/* Arguments */

const Expr *call_named(const Expr *call, const char *name)
{
    for (int i = 0; i < call->args.count; i++)
        if (call->args.items[i]->kind == E_NAMED && strcmp(call->args.items[i]->name, name) == 0)
            return call->args.items[i]->a;
    return NULL;
}

static bool word_in(const char *word, const char *list)
{
    size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == 0 || p[n] == ' '))
            return true;
    return false;
}

/* Positional count within bounds, named arguments known, none twice, positional ones first. */
bool check_args(Elab *e, const Expr *call, const char *name, int min, int max, const char *allowed)
{
    int n = 0, seen_named = 0;
    for (int i = 0; i < call->args.count; i++) {
        const Expr *x = call->args.items[i];
        if (x->kind == E_SLICE || x->kind == E_FULL) {
            fail(e, x->pos, NULL, "%s: `:` and `+:` stand only inside [ ]", name);
            return false;
        }
        if (x->kind != E_NAMED) {
            n++;
            if (seen_named) {
                fail(e, x->pos, NULL, "%s: a positional argument after a named one", name);
                return false;
            }
            continue;
        }
        seen_named = 1;
        if (!word_in(x->name, allowed)) {
            fail(e, x->pos, *allowed ? arena_format(e->arena, "it takes %s", allowed) : NULL,
                 "%s takes no argument `%s =`", name, x->name);
            return false;
        }
        if (call_named(call, x->name) != x->a) {
            fail(e, x->pos, NULL, "%s: `%s =` twice", name, x->name);
            return false;
        }
    }
    if (n >= min && (max < 0 || n <= max))
        return true;
    if (min == max)
        fail(e, call->pos, NULL, "%s takes %d argument%s, not %d", name, min, min == 1 ? "" : "s",
             n);
    else
        fail(e, call->pos, NULL, "%s takes %s %d argument%s, not %d", name,
             n < min ? "at least" : "at most", n < min ? min : max,
             (n < min ? min : max) == 1 ? "" : "s", n);
    return false;
}

bool expr_is(const Expr *x, const char *word)
{
    return x && x->kind == E_NAME && strcmp(x->name, word) == 0;
}

Value *call_tile(Elab *e, const Expr *call, int i)
{
    return elab_value(e, call->args.items[i], DT_NONE);
}

/* A constant axis within the rank. */
bool call_axis(Elab *e, const Expr *x, const Type *t, const char *name, int *axis)
{
    int64_t a;
    if (!elab_int(e, x, "an axis", &a))
        return false;
    if (a < 0 || a >= t->rank) {
        fail(e, x->pos, "axes are counted from 0", "%s: axis %lld of %s does not exist", name,
             (long long)a, type_text(e->arena, t));
        return false;
    }
    *axis = (int)a;
    return true;
}

/* Effects and queries */

static bool in_program(Elab *e, const Expr *call, const char *name)
{
    if (e->in_par && !e->in_range)
        return true;
    fail(e, call->pos, "move it into the par", "%s stands outside the body of a par", name);
    return false;
}

static Term call_grid_sync(Elab *e, const Expr *call)
{
    if (!in_program(e, call, "grid_sync"))
        return term_error();
    if (e->in_role)
        return fail(e, call->pos, "put it before or after `roles`", "grid_sync stands in no role");
    make_op(e, OP_GRID_SYNC, call->pos, 0, NULL, 0, NULL);
    return (Term){.kind = T_VOID};
}

static Term call_exchange(Elab *e, const Expr *call)
{
    Value *v = call_tile(e, call, 0);
    if (!v || !in_program(e, call, "exchange"))
        return term_error();
    if (e->in_role)
        return fail(e, call->pos, "put it before or after `roles`", "exchange stands in no role");
    if (e->par_programs < 0)
        return fail(e, call->pos, "bind the number of programs to a constant: let P = 64;",
                    "exchange needs a constant number of programs");
    Type t = {.kind = TY_TILE, .dtype = v->type.dtype, .rank = v->type.rank + 1};
    if (t.rank > MAX_RANK)
        return fail(e, call->pos, NULL, "exchange of %d axes", v->type.rank);
    t.dims[0] = e->par_programs;
    memcpy(t.dims + 1, v->type.dims, sizeof(int64_t) * (size_t)v->type.rank);
    return term_value(make_op1(e, OP_EXCHANGE, call->pos, 1, &v, t));
}

static const char *string_arg(Elab *e, const Expr *call, int i)
{
    if (call->args.count <= i)
        return "";
    Term t = elab_expr(e, call->args.items[i]);
    if (t.kind == T_STRING)
        return arena_text(e->arena, t.text, (size_t)t.i);
    if (t.kind != T_ERROR)
        fail(e, call->args.items[i]->pos, NULL, "a string is expected, not %s", term_text(e, &t));
    return "";
}

static Term call_assert(Elab *e, const char *name, const Expr *call, OpCode code)
{
    Term c = elab_condition(e, call->args.items[0], name);
    const char *text = string_arg(e, call, 1);
    if (!*text)
        text = expr_text(e->arena, call->args.items[0]);
    if (c.kind == T_ERROR || (c.kind == T_BOOL && c.i))
        return (Term){.kind = T_VOID};
    if (!in_program(e, call, name))
        return term_error();
    Value *v = term_any(e, call->pos, &c, DT_BOOL);
    make_op(e, code, call->pos, 1, &v, 0, NULL)->name = text;
    return (Term){.kind = T_VOID};
}

static Term call_print(Elab *e, const Expr *call)
{
    if (!in_program(e, call, "print"))
        return term_error();
    int first = call->args.items[0]->kind == E_STRING;
    const char *text = first ? string_arg(e, call, 0) : "";
    int n = call->args.count - first;
    Value **v = NEW_ARRAY(e->arena, Value *, n ? n : 1);
    for (int i = 0; i < n; i++) {
        if (!(v[i] = call_tile(e, call, first + i)))
            return term_error();
        if (!v[i]->name && v[i]->op && v[i]->op->code != OP_CONST)
            v[i]->name = expr_text(e->arena, call->args.items[first + i]);
    }
    make_op(e, OP_PRINT, call->pos, n, v, 0, NULL)->name = text;
    return (Term){.kind = T_VOID};
}

static Term call_atomic_add(Elab *e, const Expr *call)
{
    const Expr *target = call->args.items[0], *scope = call_named(call, "scope"), *pad;
    bool used = !e->as_statement;
    if (!in_program(e, call, "atomic_add"))
        return term_error();
    if (scope && !expr_is(scope, "gpu") && !expr_is(scope, "sys"))
        return fail(e, scope->pos, NULL, "scope is gpu or sys");
    if (target->kind != E_INDEX)
        return fail(e, target->pos, "atomic_add(t[i], v)",
                    "atomic_add: the first argument is an element of a tensor");
    Term base = elab_expr(e, target->a);
    if (base.kind == T_ERROR)
        return base;
    const Op *root = base.kind == T_TENSOR ? base.v->op : NULL;
    while (root && root->code != OP_TENSOR && root->code != OP_LOCAL)
        root = root->args[0]->op;
    if (!root || root->code != OP_TENSOR)
        return fail(e, target->pos, NULL,
                    "atomic_add to %s: an inout or scratch tensor is expected",
                    term_text(e, &base));
    if (root->tensor->dir != PARAM_INOUT && root->tensor->dir != PARAM_SCRATCH)
        return fail(e, target->pos, "declare it inout", "atomic_add to %s, which is %s", root->name,
                    dir_name[root->tensor->dir]);
    DType t = base.v->type.dtype;
    if (t != DT_F32 && !dtype_is_int(t))
        return fail(e, target->pos, NULL, "atomic_add to %s: integers and f32 are added",
                    dtype_info[t].name);
    if (t == DT_F32 && !root->tensor->nondet)
        return fail(e, call->pos, arena_format(e->arena, "mark %s with @ nondet", root->name),
                    "atomic_add of f32 to %s: its bits depend on the order of programs",
                    root->name);
    Access *a = NEW(e->arena, Access);
    Value *args[MAX_RANK + 2] = {base.v};
    int n = elab_access(e, target, &base, a, args + 1, &pad);
    if (n < 0)
        return term_error();
    if (pad)
        return fail(e, pad->pos, NULL, "atomic_add takes no pad");
    Term x = elab_expr(e, call->args.items[1]);
    Type want = access_type(t, a, args + 1);
    Value *v = term_to(e, call->args.items[1]->pos, &x, t, "atomic_add");
    if (!v)
        return term_error();
    if (!stretches_to(&v->type, &want))
        return fail(e, call->pos, NULL, "atomic_add of %s to %s: the shapes differ",
                    type_text(e->arena, &v->type), type_text(e->arena, &want));
    args[n + 1] = broadcast_to(e, call->pos, v, &want);
    if (used && want.rank != 0)
        return fail(e, call->pos, NULL, "the old value of atomic_add is of one element, not %s",
                    type_text(e->arena, &want));
    if (used && !root->tensor->nondet)
        return fail(e, call->pos, arena_format(e->arena, "mark %s with @ nondet", root->name),
                    "the old value of %s depends on the order of programs", root->name);
    Op *op = make_op(e, OP_ATOMIC_ADD, call->pos, n + 2, args, used, &want);
    op->access = a;
    if (!used)
        return (Term){.kind = T_VOID};
    Value *old = op->results[0];
    return term_value(dtype_is_int(t) && t != DT_U64 ? make_cast(e, call->pos, old, DT_I64) : old);
}

static Term call_signal(Elab *e, const Expr *call)
{
    const Expr *target = call->args.items[0], *pad;
    const Expr *op_name = call_named(call, "op"), *scope = call_named(call, "scope");
    if (!in_program(e, call, "signal"))
        return term_error();
    if (op_name && !expr_is(op_name, "set") && !expr_is(op_name, "add"))
        return fail(e, op_name->pos, NULL, "op is set or add");
    if (scope && !expr_is(scope, "gpu") && !expr_is(scope, "sys"))
        return fail(e, scope->pos, NULL, "scope is gpu or sys");
    Term base = target->kind == E_INDEX ? elab_expr(e, target->a) : term_error();
    if (base.kind != T_TENSOR)
        return fail(e, target->pos, "signal(f[r][i], v)",
                    "signal: the first argument is a word of a symmetric tensor");
    const Op *root = base.v->op;
    while (root->code != OP_TENSOR && root->code != OP_LOCAL)
        root = root->args[0]->op;
    if (!root->tensor || !root->tensor->symm)
        return fail(e, target->pos, "declare it as a table: f: inout table(R, i64[N]) @ symm",
                    "signal: %s is no symmetric tensor", root->name);
    Access *a = NEW(e->arena, Access);
    Value *args[MAX_RANK + 2] = {base.v};
    int n = elab_access(e, target, &base, a, args + 1, &pad);
    Term x = elab_expr(e, call->args.items[1]);
    Value *v = n < 0 ? NULL : term_to(e, call->pos, &x, base.v->type.dtype, "signal");
    if (!v)
        return term_error();
    args[n + 1] = v;
    Op *op = make_op(e, OP_SIGNAL, call->pos, n + 2, args, 0, NULL);
    op->access = a;
    op->name = expr_is(op_name, "add") ? "add" : "set";
    return (Term){.kind = T_VOID};
}

static Term call_wait(Elab *e, const Expr *call)
{
    Term c = elab_condition(e, call->args.items[0], "wait");
    if (c.kind == T_ERROR || !in_program(e, call, "wait"))
        return term_error();
    Value *v = term_any(e, call->pos, &c, DT_BOOL);
    make_op(e, OP_WAIT, call->pos, 1, &v, 0, NULL);
    return (Term){.kind = T_VOID};
}

static Term call_has(Elab *e, const Expr *call)
{
    Term t = elab_expr(e, call->args.items[0]);
    if (t.kind == T_ABSENT)
        return term_bool(false);
    if (t.kind == T_ERROR)
        return t;
    const Op *op = t.kind == T_TENSOR ? t.v->op : NULL;
    while (op && op->code != OP_TENSOR)
        op = op->nargs ? op->args[0]->op : NULL;
    if (!op || !op->tensor->optional)
        return fail(e, call->args.items[0]->pos, "declare it with ?: x: in f32[N]?",
                    "has(%s): it is no optional tensor", expr_text(e->arena, call->args.items[0]));
    return term_bool(true);
}

static Term call_store(Elab *e, const Expr *call)
{
    Term t = elab_expr(e, call->args.items[0]);
    if (t.kind == T_ERROR)
        return t;
    if (t.kind != T_TENSOR || !t.v->op || !t.v->op->tensor)
        return fail(e, call->pos, NULL, "store(t) asks a tensor parameter's format");
    return (Term){.kind = T_FORMAT, .i = t.v->op->tensor->format};
}

/* Functions: the body is elaborated at the call, in a scope of its own */

Term elab_fn(Elab *e, const Item *fn, const Expr *call)
{
    const char *name = fn->name.name;
    bool statement = e->as_statement;
    if (!check_args(e, call, name, fn->members.count, fn->members.count, ""))
        return term_error();
    for (FnFrame *f = e->frame; f; f = f->caller)
        if (f->fn == fn)
            return fail(e, call->pos, "write a loop", "%s calls itself: there is no recursion",
                        name);
    if (e->call_depth >= 64)
        return fail(e, call->pos, NULL, "calls are nested too deeply");
    Term *args = NEW_ARRAY(e->arena, Term, fn->members.count + 1);
    for (int i = 0; i < fn->members.count; i++) {
        args[i] = elab_expr(e, call->args.items[i]);
        if (args[i].kind == T_ERROR)
            return args[i];
    }
    ScopeName *scope = e->scope;
    FnFrame *caller = e->frame;
    Loop *loop = e->loop;
    bool ended = e->ended;
    const Pos *call_pos = e->call_pos;
    FnFrame frame = {.fn = fn, .caller = caller, .result = {.kind = T_VOID}};
    e->scope = NULL;
    e->frame = &frame;
    e->loop = NULL;
    e->ended = false;
    e->call_pos = &call->pos;
    e->call_depth++;
    for (int i = 0; i < fn->members.count; i++)
        scope_bind(e, fn->members.items[i], args[i]);
    if (fn->has_block)
        elab_stmts(e, &fn->body);
    else
        frame.result = elab_expr(e, fn->value);
    e->call_depth--;
    e->call_pos = call_pos;
    e->ended = ended;
    e->loop = loop;
    e->frame = caller;
    e->scope = scope;
    if (frame.result.kind == T_VOID && !statement)
        return fail(e, call->pos, "end it with return", "%s gives no value", name);
    return frame.result;
}

/* Views also take tiles: reshape and trans decide by what they get. */
static Term call_view(Elab *e, const char *name, const Expr *call, OpCode code)
{
    (void)code;
    Term base = elab_expr(e, call->args.items[0]);
    if (base.kind == T_ERROR || base.kind == T_ABSENT)
        return base;
    if (base.kind != T_TENSOR)
        return fail(e, call->pos, NULL, "%s takes a tensor, not %s", name, term_text(e, &base));
    return view_call(e, name, call, &base);
}

/* Who handles a builtin: a function of the call, or one that several share, told the op. */
static const struct {
    const char *name;
    Term (*plain)(Elab *, const Expr *call);
    Term (*shared)(Elab *, const char *name, const Expr *call, OpCode);
    OpCode code;
} handlers[] = {
    {"reshape", call_reshape, NULL, OP_COUNT},
    {"trans", call_trans, NULL, OP_COUNT},
    {"squeeze", call_squeeze, NULL, OP_COUNT},
    {"concat", call_concat, NULL, OP_COUNT},
    {"iota", call_iota, NULL, OP_COUNT},
    {"fill", call_fill, NULL, OP_COUNT},
    {"size", call_size, NULL, OP_COUNT},
    {"select", call_select, NULL, OP_COUNT},
    {"take", call_take, NULL, OP_COUNT},
    {"fma", call_fma, NULL, OP_COUNT},
    {"copysign", call_copysign, NULL, OP_COUNT},
    {"bits", call_bits, NULL, OP_COUNT},
    {"from_bits", call_from_bits, NULL, OP_COUNT},
    {"sum", call_sum, NULL, OP_COUNT},
    {"topk", call_topk, NULL, OP_COUNT},
    {"mma", call_mma, NULL, OP_COUNT},
    {"mma_scaled", call_mma_scaled, NULL, OP_COUNT},
    {"grid_sync", call_grid_sync, NULL, OP_COUNT},
    {"exchange", call_exchange, NULL, OP_COUNT},
    {"atomic_add", call_atomic_add, NULL, OP_COUNT},
    {"print", call_print, NULL, OP_COUNT},
    {"signal", call_signal, NULL, OP_COUNT},
    {"wait", call_wait, NULL, OP_COUNT},
    {"has", call_has, NULL, OP_COUNT},
    {"store", call_store, NULL, OP_COUNT},
    {"abs", NULL, call_unary, OP_ABS},
    {"neg", NULL, call_unary, OP_NEG},
    {"sqrt", NULL, call_unary, OP_SQRT},
    {"rsqrt", NULL, call_unary, OP_RSQRT},
    {"exp", NULL, call_unary, OP_EXP},
    {"log", NULL, call_unary, OP_LOG},
    {"sigmoid", NULL, call_unary, OP_SIGMOID},
    {"softplus", NULL, call_unary, OP_SOFTPLUS},
    {"tanh", NULL, call_unary, OP_TANH},
    {"sin", NULL, call_unary, OP_SIN},
    {"cos", NULL, call_unary, OP_COS},
    {"floor", NULL, call_unary, OP_FLOOR},
    {"isfinite", NULL, call_unary, OP_ISFINITE},
    {"isnan", NULL, call_unary, OP_ISNAN},
    {"ceil_pow2", NULL, call_unary, OP_CEIL_POW2},
    {"clz", NULL, call_unary, OP_CLZ},
    {"popc", NULL, call_unary, OP_POPC},
    {"min", NULL, call_minmax, OP_MIN},
    {"max", NULL, call_minmax, OP_MAX},
    {"amax", NULL, call_reduce, OP_AMAX},
    {"amin", NULL, call_reduce, OP_AMIN},
    {"cumsum", NULL, call_reduce, OP_CUMSUM},
    {"cummax", NULL, call_reduce, OP_CUMMAX},
    {"softmax", NULL, call_reduce, OP_SOFTMAX},
    {"rank", NULL, call_reduce, OP_RANK},
    {"argmax", NULL, call_reduce, OP_ARGMAX},
    {"any", NULL, call_any_all, OP_ANY},
    {"all", NULL, call_any_all, OP_ALL},
    {"histogram", NULL, call_classes, OP_HISTOGRAM},
    {"occurrence", NULL, call_classes, OP_OCCURRENCE},
    {"cdiv", NULL, call_cdiv, OP_FDIV},
    {"align", NULL, call_cdiv, OP_MUL},
    {"assert", NULL, call_assert, OP_ASSERT},
    {"assume", NULL, call_assert, OP_ASSUME},
    {"flat", NULL, call_view, OP_VIEW_RESHAPE},
    {"slice", NULL, call_view, OP_VIEW_SLICE},
    {"upsample", NULL, call_view, OP_VIEW_UPSAMPLE},
};

static Term builtin(Elab *e, const char *name, const Expr *call)
{
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
        if (strcmp(handlers[i].name, name) == 0)
            return handlers[i].plain ? handlers[i].plain(e, call)
                                     : handlers[i].shared(e, name, call, handlers[i].code);
    return fail(e, call->pos, NULL, "%s is not handled", name);
}

Term elab_call(Elab *e, const Expr *x)
{
    bool statement = e->is_statement;
    e->is_statement = false;
    Term f = elab_expr(e, x->a);
    e->as_statement = statement;
    switch (f.kind) {
    case T_ERROR:
        return f;
    case T_TYPE:
        return call_convert(e, x, f.dtype);
    case T_FN:
        return elab_fn(e, f.item, x);
    case T_BUILTIN: {
        const Builtin *b = builtin_find(f.text);
        if (!check_args(e, x, b->name, b->min, b->max, b->named))
            return term_error();
        return builtin(e, b->name, x);
    }
    default:
        return fail(e, x->pos, NULL, "%s cannot be called", term_text(e, &f));
    }
}
