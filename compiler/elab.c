/* Elaboration of a kernel: parameters, header and phases; scopes, terms and emission. */
#include "compiler/elab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dsl/builtins.h"
#include "runtime/numerics/convert.h"

/* clang-format off */
Term term_error(void) { return (Term){.kind = T_ERROR}; }
Term term_int(Wide i) { return (Term){.kind = T_INT, .i = i}; }
Term term_bool(bool b) { return (Term){.kind = T_BOOL, .i = b}; }
Term term_float(double f) { return (Term){.kind = T_FLOAT, .f = f}; }
/* clang-format on */

Term term_value(Value *v)
{
    return v ? (Term){.kind = T_VALUE, .v = v} : term_error();
}

Term term_tensor(Value *v)
{
    return v ? (Term){.kind = v->type.kind == TY_TABLE ? T_TABLE : T_TENSOR, .v = v} : term_error();
}

bool term_is_constant(const Term *t)
{
    return t->kind == T_INT || t->kind == T_FLOAT || t->kind == T_BOOL || t->kind == T_TYPE ||
           t->kind == T_MEMBER || t->kind == T_FORMAT || t->kind == T_STRING;
}

static char *wide_text(Arena *a, Wide w)
{
    if (w == (Wide)(int64_t)w)
        return arena_format(a, "%lld", (long long)w);
    return arena_format(a, "%.0f", (double)w);
}

char *term_text(Elab *e, const Term *t)
{
    Arena *a = e->arena;
    switch (t->kind) {
    case T_ERROR:
        return arena_format(a, "an error");
    case T_VOID:
        return arena_format(a, "nothing");
    case T_INT:
        return arena_format(a, "integer %s", wide_text(a, t->i));
    case T_FLOAT:
        return arena_format(a, "number %g", t->f);
    case T_BOOL:
        return arena_format(a, t->i ? "true" : "false");
    case T_STRING:
        return arena_format(a, "a string");
    case T_TYPE:
        return arena_format(a, "type %s", dtype_info[t->dtype].name);
    case T_MEMBER:
        return arena_format(a, "%s.%s", t->item->name.name, t->item->members.items[(int)t->i].name);
    case T_ENUM:
        return arena_format(a, "enum %s", t->item->name.name);
    case T_FORMAT:
        return arena_format(a, "format %s", format_name[(int)t->i]);
    case T_VALUE:
    case T_TENSOR:
    case T_TABLE:
        return type_text(a, &t->v->type);
    case T_PIPE:
        return arena_format(a, "a pipe");
    case T_ITEM:
        return arena_format(a, "an item of a pipe");
    case T_TUPLE:
        return arena_format(a, "a tuple of %d", t->count);
    case T_ABSENT:
        return arena_format(a, "tensor %s, which is absent", t->text);
    case T_FN:
        return arena_format(a, "function %s", t->item->name.name);
    case T_BUILTIN:
        return arena_format(a, "operation %s", t->text);
    }
    return arena_format(a, "?");
}

Term fail(Elab *e, Pos pos, const char *hint, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vformat(e->arena, format, args);
    va_end(args);
    diag_error(e->diag, pos, hint, "%s", text);
    if (e->frame && e->call_pos)
        diag_note(e->diag, *e->call_pos, "in the call of %s here", e->frame->fn->name.name);
    return term_error();
}

ScopeName *scope_find(const Elab *e, Name name)
{
    for (ScopeName *b = e->scope; b; b = b->next)
        if (b->name == name)
            return b;
    return NULL;
}

ScopeName *scope_bind(Elab *e, Ident id, Term term)
{
    ScopeName *old = scope_find(e, id.name);
    if (old) {
        diag_error(e->diag, id.pos, "choose another name", "`%s` hides a name that is visible here",
                   id.name);
        if (old->pos.source)
            diag_note(e->diag, old->pos, "`%s` is declared here", id.name);
    }
    ScopeName *b = NEW(e->arena, ScopeName);
    *b = (ScopeName){.name = id.name, .term = term, .pos = id.pos, .next = e->scope};
    e->scope = b;
    return b;
}

/* Emission */

Op *make_op(Elab *e, OpCode code, Pos pos, int nargs, Value *const *args, int nresults,
            const Type *types)
{
    Op *op = op_new(e->kernel, code, pos, nargs, args, nresults, types);
    region_append(e->region, op);
    return op;
}

Value *make_op1(Elab *e, OpCode code, Pos pos, int nargs, Value *const *args, Type type)
{
    return make_op(e, code, pos, nargs, args, 1, &type)->results[0];
}

/* Constants stand at the head of the kernel, where every region sees them. */
static void place_constant(Elab *e, Op *op)
{
    Region *body = e->kernel->body;
    if (e->header_end && e->header_end->next) {
        op_insert_before(e->header_end->next, op);
    } else if (!e->header_end && body->first) {
        op_insert_before(body->first, op);
    } else {
        region_append(body, op);
    }
    e->header_end = op;
}

Value *constant(Elab *e, Type type, uint64_t bits)
{
    for (int i = 0; i < e->nconstants; i++)
        if (e->constants[i].bits == bits && type_equal(&e->constants[i].type, &type))
            return e->constants[i].v;
    Op *op = op_new(e->kernel, OP_CONST, e->item->name.pos, 0, NULL, 1, &type);
    op->bits = bits;
    if (e->local_constants) {
        region_append(e->region, op);
        return op->results[0];
    }
    place_constant(e, op);
    if (e->nconstants == e->constants_capacity) {
        int n = e->constants_capacity ? 2 * e->constants_capacity : 32;
        e->constants = arena_grow(e->arena, e->constants,
                                  (size_t)e->nconstants * sizeof *e->constants,
                                  (size_t)n * sizeof *e->constants);
        e->constants_capacity = n;
    }
    e->constants[e->nconstants].bits = bits;
    e->constants[e->nconstants].type = type;
    e->constants[e->nconstants++].v = op->results[0];
    return op->results[0];
}

Value *constant_int(Elab *e, int64_t i)
{
    return constant(e, scalar_type(DT_I64), (uint64_t)i);
}

static bool int_fits(DType t, Wide i)
{
    int bits = dtype_info[t].bits;
    if (dtype_is_signed(t))
        return i >= -((Wide)1 << (bits - 1)) && i < ((Wide)1 << (bits - 1));
    return i >= 0 && i < ((Wide)1 << bits);
}

static uint64_t mask_bits(DType t, uint64_t u)
{
    int bits = 8 * dtype_info[t].size;
    return bits == 64 ? u : u & (((uint64_t)1 << bits) - 1);
}

/* A number's code in a float type. f32 and f64 round to nearest; storage types must be exact. */
static bool float_bits(DType t, double f, bool must_be_exact, uint64_t *bits)
{
    float x = (float)f;
    uint64_t code = 0;
    if (t == DT_F64) {
        memcpy(bits, &f, sizeof f);
        return true;
    }
    if (t == DT_F32 && isnan(x)) {
        *bits = 0x7FFFFFFF;
        return true;
    }
    if ((t == DT_UE8M0 && f < 0) || (isinf(x) && !isinf(f)))
        return false;
    tile_convert(t, &code, DT_F32, &x, 1, TILE_ROUND_NEAREST);
    float back = 0;
    tile_convert(DT_F32, &back, t, &code, 1, TILE_ROUND_NEAREST);
    *bits = code;
    if (isnan(f))
        return isnan(back);
    return !must_be_exact || (double)back == f;
}

bool constant_bits(Elab *e, Pos pos, const Term *t, DType type, uint64_t *bits)
{
    const char *name = dtype_info[type].name;
    if (t->kind == T_BOOL && type == DT_BOOL) {
        *bits = (uint64_t)t->i;
        return true;
    }
    if (t->kind == T_INT && dtype_is_int(type)) {
        if (!int_fits(type, t->i)) {
            fail(e, pos, NULL, "%s is not representable in %s", wide_text(e->arena, t->i), name);
            return false;
        }
        *bits = mask_bits(type, (uint64_t)t->i);
        return true;
    }
    if ((t->kind == T_INT || t->kind == T_FLOAT) && dtype_is_float(type)) {
        double f = t->kind == T_INT ? (double)t->i : t->f;
        bool arithmetic = type == DT_F32 || type == DT_F64;
        if (float_bits(type, f, !arithmetic || t->kind == T_INT, bits))
            return true;
        const char *hint = NULL;
        if (dtype_info[type].kind == 's' && t->kind == T_FLOAT && type != DT_UE8M0)
            hint = arena_format(e->arena, "%s(f32(..)) rounds it", name);
        if (type == DT_F32 && t->kind == T_FLOAT)
            hint = "it is beyond the largest f32; write inf if that is meant";
        fail(e, pos, hint, "%.9g is not representable in %s", f, name);
        return false;
    }
    const char *hint = NULL;
    if (t->kind == T_FLOAT && dtype_is_int(type))
        hint = "integers take no fraction; convert the other side with f32(..)?";
    fail(e, pos, hint, "%s is expected, not %s", name, term_text(e, t));
    return false;
}

/* The kernel's header */

static Op *header_op(Elab *e, OpCode code, Pos pos, Name name, Type type, int nargs,
                     Value *const *args)
{
    Op *op = make_op(e, code, pos, nargs, args, 1, &type);
    op->name = name;
    op->results[0]->name = name;
    return op;
}

static Term setting_term(const Setting *s, const Program *p)
{
    switch (s->kind) {
    case SET_INT:
        return term_int(s->integer);
    case SET_BOOL:
        return term_bool(s->integer != 0);
    case SET_TYPE:
        return (Term){.kind = T_TYPE, .dtype = s->dtype};
    case SET_MEMBER: {
        for (int i = 0; i < p->enums.count; i++) {
            const Item *en = p->enums.items[i];
            for (int m = 0; m < en->members.count; m++)
                if (s->enumeration == en && s->integer == m)
                    return (Term){.kind = T_MEMBER, .item = en, .i = m};
        }
        return term_error();
    }
    case SET_FORMAT:
        return (Term){.kind = T_FORMAT, .i = s->integer};
    }
    return term_error();
}

static void require(Elab *e, Pos pos, const Term *cond, const char *text)
{
    if (cond->kind == T_BOOL && !cond->i)
        fail(e, pos, NULL, "%s: not true for %s", text, e->kernel->variant);
    if (cond->kind != T_VALUE)
        return;
    Op *op = make_op(e, OP_REQUIRE, pos, 1, &cond->v, 0, NULL);
    op->name = arena_format(e->arena, "%s", text);
}

/* `N: dim % 8` */
static void require_multiple(Elab *e, const Static *s, Term t)
{
    if (!s->multiple)
        return;
    Term n = elab_expr(e, s->multiple);
    Term m = elab_binary(e, E_MOD, s->name.pos, &t, &n);
    Term zero = term_int(0);
    Term ok = elab_binary(e, E_EQ, s->name.pos, &m, &zero);
    require(
        e, s->name.pos, &ok,
        arena_format(e->arena, "%s %% %s == 0", s->name.name, expr_text(e->arena, s->multiple)));
}

static void bind_static(Elab *e, const Static *s)
{
    const Setting *set = setting_find(&e->variant->statics, s->name.name);
    bool is_dim = strcmp(s->kind.name, "dim") == 0;
    if (!set)
        set = setting_find(&e->variant->params, s->name.name);
    Term t;
    if (set && set->run_time)
        return; /* bind_params: it needs the other dims */
    if (set) {
        t = setting_term(set, e->program);
    } else if (is_dim) {
        Op *op = header_op(e, OP_DIM, s->name.pos, s->name.name, scalar_type(DT_I64), 0, NULL);
        t = term_value(op->results[0]);
    } else {
        t = fail(e, s->name.pos, NULL, "static %s has no value", s->name.name);
    }
    scope_bind(e, s->name, t);
    require_multiple(e, s, t);
}

/* A parameter that depends on dims or the device: let P = min(grid.resident, cdiv(N, 64)); */
static Term run_time_param(Elab *e, Pos pos, const Setting *s)
{
    e->allow_resident = true;
    Value *v = elab_index(e, s->expr, "a schedule parameter");
    e->allow_resident = false;
    Op *op = header_op(e, OP_DIM, pos, s->name, scalar_type(DT_I64), v != NULL, &v);
    Term t = term_value(op->results[0]), zero = term_int(0);
    if (v && v->op && v->op->code == OP_RESIDENT)
        return t;
    Term ok = elab_binary(e, E_GE, s->expr->pos, &t, &zero);
    require(e, s->expr->pos, &ok, arena_format(e->arena, "%s >= 0", s->name));
    return t;
}

static void bind_params(Elab *e)
{
    for (int i = 0; i < e->variant->params.count; i++) {
        const Setting *s = &e->variant->params.items[i];
        const Static *st = NULL;
        if (scope_find(e, s->name))
            continue;
        for (int k = 0; k < e->item->statics.count; k++)
            if (e->item->statics.items[k].name.name == s->name)
                st = &e->item->statics.items[k];
        Ident id = {s->name, e->variant->schedule ? e->variant->schedule->pos : e->item->pos};
        id = st ? st->name : id;
        Term t = s->run_time ? run_time_param(e, id.pos, s) : setting_term(s, e->program);
        scope_bind(e, id, t);
        if (st)
            require_multiple(e, st, t);
    }
}

/* The calls that the schedule is for. */
static void elab_when(Elab *e)
{
    const Expr *x = e->variant->when;
    Term t = x ? elab_condition(e, x, "when") : term_error();
    if (t.kind == T_VALUE)
        make_op(e, OP_WHEN, x->pos, 1, &t.v, 0, NULL);
}

/* Element type and extents of a type expression such as bf16[M, K]; false after a message. */
static bool tensor_type(Elab *e, const Expr *x, Type *type, Value **extents)
{
    if (x->kind != E_INDEX || x->a->kind != E_NAME) {
        fail(e, x->pos, "write it as bf16[M, K]",
             "a tensor's type is an element type with extents");
        return false;
    }
    Term t = elab_expr(e, x->a);
    if (t.kind != T_TYPE) {
        if (t.kind != T_ERROR)
            fail(e, x->a->pos, NULL, "an element type is expected, not %s", term_text(e, &t));
        return false;
    }
    if (t.dtype == DT_F64) {
        fail(e, x->a->pos, NULL, "f64 exists only inside the interpreter");
        return false;
    }
    if (x->args.count > MAX_RANK) {
        fail(e, x->pos, NULL, "%d axes; a tensor has at most %d", x->args.count, MAX_RANK);
        return false;
    }
    *type = (Type){.kind = TY_TENSOR, .dtype = t.dtype, .rank = x->args.count};
    bool ok = true;
    for (int i = 0; i < x->args.count; i++) {
        extents[i] = elab_index(e, x->args.items[i], "an extent");
        if (!extents[i]) {
            ok = false;
            continue;
        }
        if (!value_int(extents[i], &type->dims[i]))
            type->dims[i] = -1;
        else if (type->dims[i] < 0) {
            fail(e, x->args.items[i]->pos, NULL, "the extent is %lld", (long long)type->dims[i]);
            ok = false;
        }
    }
    return ok;
}

static Format format_find(const char *name)
{
    for (int f = FORMAT_ROW; f <= FORMAT_UE8M0X4; f++)
        if (strcmp(format_name[f], name) == 0)
            return (Format)f;
    return (Format)-1;
}

static void check_storage(Elab *e, const Param *p, TensorInfo *info, const Type *type)
{
    for (int i = 0; i < p->storage.count; i++) {
        const Word *w = &p->storage.items[i];
        if (strcmp(w->name, "stride") == 0) {
            if (w->args.count != type->rank)
                fail(e, w->pos, NULL, "stride is given for %d of the axes, %s has %d",
                     w->args.count, p->name.name, type->rank);
            for (int k = 0; k < w->args.count && k < type->rank; k++) {
                const Expr *a = w->args.items[k];
                if (a->kind == E_NAME && strcmp(a->name, "any") == 0)
                    info->any_stride[k] = true;
                else if (a->kind != E_INT)
                    fail(e, a->pos, NULL, "a stride is `any` or an integer");
            }
        } else if (strcmp(w->name, "store") == 0) {
            int allowed = 0;
            for (int k = 0; k < w->args.count; k++) {
                const Expr *a = w->args.items[k];
                int f = a->kind == E_NAME ? (int)format_find(a->name) : -1;
                if (f < 0)
                    fail(e, a->pos, "formats are row, col_pad16, ue8m0x4",
                         "unknown storage format");
                allowed += f != FORMAT_UE8M0X4 || type->dtype == DT_UE8M0;
            }
            if (!allowed)
                fail(e, w->pos, "ue8m0x4 needs elements of type ue8m0",
                     "@ store lists no format that %s of %s can have", p->name.name,
                     dtype_info[type->dtype].name);
        } else if (strcmp(w->name, "nondet") == 0) {
            info->nondet = true;
        } else if (strcmp(w->name, "symm") == 0) {
            info->symm = true;
        } else {
            fail(e, w->pos, "storages are stride(..), store(..), nondet, symm",
                 "unknown storage @ %s", w->name);
        }
    }
}

static void check_format(Elab *e, const Param *p, Format f, const Type *type)
{
    if (f == FORMAT_ROW)
        return;
    if (type->rank != 2)
        fail(e, p->name.pos, NULL, "%s: format %s needs 2 axes, it has %d", p->name.name,
             format_name[f], type->rank);
    if (f == FORMAT_UE8M0X4 && type->dtype != DT_UE8M0)
        fail(e, p->name.pos, NULL, "%s: format ue8m0x4 needs elements of type ue8m0, not %s",
             p->name.name, dtype_info[type->dtype].name);
}

static Format chosen_format(Elab *e, const Param *p, const Type *type)
{
    const Setting *s = setting_find(&e->variant->forms, p->name.name);
    if (s)
        return (Format)s->integer;
    for (int i = 0; i < p->storage.count; i++) {
        const Word *w = &p->storage.items[i];
        if (strcmp(w->name, "store") != 0)
            continue;
        for (int k = 0; k < w->args.count; k++) {
            int f = w->args.items[k]->kind == E_NAME ? (int)format_find(w->args.items[k]->name) : 0;
            if (f == FORMAT_UE8M0X4 && type->dtype != DT_UE8M0)
                continue;
            if (f >= 0)
                return (Format)f;
        }
    }
    return FORMAT_ROW;
}

static bool is_absent(Elab *e, const Param *p)
{
    const Setting *s = setting_find(&e->variant->forms, p->name.name);
    return s && s->integer < 0;
}

static void bind_tensor(Elab *e, const Param *p, ParamDir dir)
{
    if (p->optional && is_absent(e, p)) {
        scope_bind(e, p->name, (Term){.kind = T_ABSENT, .text = p->name.name});
        return;
    }
    const Expr *x = p->type;
    bool table = x->kind == E_CALL && x->a->kind == E_NAME && strcmp(x->a->name, "table") == 0;
    if (table && x->args.count != 2) {
        fail(e, x->pos, "write it as table(L, f32[N, D])",
             "table takes a length and a tensor type");
        scope_bind(e, p->name, term_error());
        return;
    }
    Value *args[MAX_RANK + 1];
    Type type;
    if (!tensor_type(e, table ? x->args.items[1] : x, &type, args)) {
        scope_bind(e, p->name, term_error());
        return;
    }
    int nargs = type.rank;
    if (table) {
        type.kind = TY_TABLE;
        args[nargs] = elab_index(e, x->args.items[0], "a table's length");
        if (!args[nargs++])
            nargs--;
    }
    TensorInfo *info = NEW(e->arena, TensorInfo);
    info->dir = dir;
    info->optional = p->optional;
    check_storage(e, p, info, &type);
    info->format = chosen_format(e, p, &type);
    check_format(e, p, info->format, &type);
    Op *op = header_op(e, OP_TENSOR, p->name.pos, p->name.name, type, nargs, args);
    op->tensor = info;
    ScopeName *b = scope_bind(e, p->name, term_tensor(op->results[0]));
    b->is_optional = p->optional;
    if (type.dtype == DT_E2M1 && type.rank > 0) {
        Term k = term_value(args[type.rank - 1]), two = term_int(2), zero = term_int(0);
        if (k.v->op && k.v->op->code == OP_CONST)
            k = term_int(type.dims[type.rank - 1]);
        Term m = elab_binary(e, E_MOD, p->name.pos, &k, &two);
        Term ok = elab_binary(e, E_EQ, p->name.pos, &m, &zero);
        require(e, p->name.pos, &ok,
                arena_format(e->arena, "%s: the last extent of e2m1 is even", p->name.name));
    }
}

static void bind_scalar(Elab *e, const Param *p)
{
    Term t = elab_expr(e, p->type);
    if (t.kind != T_TYPE) {
        if (t.kind != T_ERROR)
            fail(e, p->type->pos, "write `in`, `out` or `inout` before a tensor's type",
                 "a scalar parameter has an element type, not %s", term_text(e, &t));
        scope_bind(e, p->name, term_error());
        return;
    }
    if (t.dtype == DT_F64)
        fail(e, p->type->pos, NULL, "f64 exists only inside the interpreter");
    Op *op = header_op(e, OP_SCALAR, p->name.pos, p->name.name, scalar_type(t.dtype), 0, NULL);
    Value *v = op->results[0];
    scope_bind(e, p->name, term_value(v));
}

static void bind_parameters(Elab *e)
{
    static const ParamDir dirs[] = {
        [DIR_IN] = PARAM_IN, [DIR_OUT] = PARAM_OUT, [DIR_INOUT] = PARAM_INOUT};
    for (int i = 0; i < e->item->params.count; i++) {
        const Param *p = &e->item->params.items[i];
        if (p->dir != DIR_SCALAR) {
            bind_tensor(e, p, dirs[p->dir]);
        } else if (p->type->kind == E_NAME) {
            bind_scalar(e, p);
        } else {
            fail(e, p->name.pos, NULL, "tensor %s needs a direction: in, out or inout",
                 p->name.name);
            scope_bind(e, p->name, term_error());
        }
        if (p->optional && p->dir == DIR_SCALAR)
            fail(e, p->name.pos, NULL, "only tensors are optional, %s is a scalar", p->name.name);
    }
    for (int i = 0; i < e->item->scratch.count; i++) {
        const Param *p = &e->item->scratch.items[i];
        if (p->dir == DIR_IN || p->dir == DIR_SCALAR)
            fail(e, p->name.pos, "write `inout`", "scratch %s must be inout", p->name.name);
        bind_tensor(e, p, PARAM_SCRATCH);
    }
}

/* `where`: alias(x, y) marks two tensors, the rest is a condition; && joins them. */
static void elab_where(Elab *e, const Expr *x)
{
    if (x->kind == E_LAND) {
        elab_where(e, x->a);
        elab_where(e, x->b);
        return;
    }
    if (x->kind == E_CALL && x->a->kind == E_NAME && strcmp(x->a->name, "alias") == 0) {
        Term t[2] = {term_error(), term_error()};
        if (x->args.count != 2) {
            fail(e, x->pos, NULL, "alias takes two tensors");
            return;
        }
        for (int i = 0; i < 2; i++)
            t[i] = elab_expr(e, x->args.items[i]);
        for (int i = 0; i < 2; i++) {
            if (t[i].kind == T_ERROR || t[i].kind == T_ABSENT)
                return;
            if (t[i].kind != T_TENSOR || !t[i].v->op->tensor) {
                fail(e, x->args.items[i]->pos, NULL, "alias takes tensor parameters");
                return;
            }
        }
        if (!type_equal(&t[0].v->type, &t[1].v->type)) {
            fail(e, x->pos, NULL, "aliased tensors have one type, not %s and %s",
                 term_text(e, &t[0]), term_text(e, &t[1]));
            return;
        }
        t[0].v->op->tensor->alias = t[1].v->op->name;
        t[1].v->op->tensor->alias = t[0].v->op->name;
        return;
    }
    Term c = elab_condition(e, x, "where");
    require(e, x->pos, &c, expr_text(e->arena, x));
}

/* A statement outside every par: its names stay known, so that their uses are no errors. */
static void misplaced(Elab *e, const Stmt *s)
{
    fail(e, s->pos, "move it into the par",
         "a kernel's body is consts, views and par; this statement stands outside every par");
    bool declares = s->kind == S_LET || s->kind == S_VAR || s->kind == S_LOCAL || s->kind == S_PIPE;
    for (int i = 0; declares && i < s->names.count; i++)
        scope_bind(e, s->names.items[i], term_error())->is_var = s->kind == S_VAR;
}

static void elab_kernel_body(Elab *e)
{
    const StmtList *body = &e->item->body;
    bool any = false;
    for (int i = 0; i < body->count; i++) {
        Stmt *s = body->items[i];
        if (s->kind != S_PAR && s->kind != S_CONST && s->kind != S_VIEW)
            misplaced(e, s);
        else
            elab_stmts(e, &(StmtList){.items = &s, .count = 1});
        any |= s->kind == S_PAR;
    }
    if (!any)
        fail(e, e->item->name.pos, "write par (i in 0..N) { .. }", "kernel %s has no par",
             e->item->name.name);
}

Kernel *elaborate(Arena *arena, Diag *diag, const Program *program, const Item *item,
                  const Variant *variant)
{
    int before = diag->errors;
    Elab e = {.arena = arena, .diag = diag, .program = program, .item = item, .variant = variant};
    e.kernel = kernel_new(arena, item->name.name, item->name.pos);
    e.kernel->variant = variant_text((Program *)program, variant);
    e.region = e.kernel->body;
    for (int i = 0; i < item->statics.count; i++)
        bind_static(&e, &item->statics.items[i]);
    bind_params(&e);
    bind_parameters(&e);
    if (item->where)
        elab_where(&e, item->where);
    elab_when(&e);
    elab_kernel_body(&e);
    if (diag->errors == before) {
        check_dims(&e);
        check_phases(&e);
        check_nondet(&e);
    }
    if (diag->errors != before)
        return NULL;
    const char *wrong = kernel_verify(arena, e.kernel);
    if (wrong) {
        fprintf(stderr, "tilec: internal error: elaboration of %s: %s\n", item->name.name, wrong);
        kernel_print(stderr, e.kernel);
        abort();
    }
    return e.kernel;
}

Term elab_in_scope(Elab *e, Region *region, ScopeName *scope, const Expr *x)
{
    e->region = region;
    e->scope = scope;
    e->in_par = true;
    return elab_expr(e, x);
}
