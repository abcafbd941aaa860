/* Expressions: names, literals meeting types, operators with broadcast (R3, R4, R21). */
#include "compiler/elab.h"

#include <math.h>
#include <string.h>

#include "dsl/builtins.h"

/* Literals and types */

static bool literal(const Term *t)
{
    return t->kind == T_INT || t->kind == T_FLOAT || t->kind == T_BOOL;
}

static DType literal_type(const Term *t, DType hint)
{
    if (t->kind == T_BOOL)
        return DT_BOOL;
    if (t->kind == T_FLOAT)
        return dtype_is_float(hint) ? hint : DT_F32;
    return hint != DT_NONE && hint != DT_BOOL ? hint : DT_I64;
}

Value *make_cast(Elab *e, Pos pos, Value *v, DType t)
{
    if (v->type.dtype == t)
        return v;
    Type type = v->type;
    type.dtype = t;
    return make_op1(e, OP_CAST, pos, 1, &v, type);
}

/* True if every value of integer type `from` is one of `to` (R4). */
static bool widens(DType from, DType to)
{
    if (!dtype_is_int(from) || !dtype_is_int(to))
        return false;
    int a = dtype_info[from].bits, b = dtype_info[to].bits;
    if (dtype_is_signed(from))
        return dtype_is_signed(to) && a <= b;
    return dtype_is_signed(to) ? a < b : a <= b;
}

Value *term_any(Elab *e, Pos pos, const Term *t, DType hint)
{
    if (t->kind == T_VALUE)
        return t->v;
    if (t->kind == T_ERROR)
        return NULL;
    if (literal(t)) {
        DType type = literal_type(t, hint);
        uint64_t bits;
        if (!constant_bits(e, pos, t, type, &bits))
            return NULL;
        return constant(e, scalar_type(type), bits);
    }
    const char *advice = NULL;
    if (t->kind == T_TENSOR)
        advice = "load it with [..]";
    if (t->kind == T_ABSENT)
        advice = arena_format(e->arena, "use it only where has(%s) holds", t->text);
    if (t->kind == T_TUPLE)
        advice = "take one part with .0, .1";
    fail(e, pos, advice, "a tile is expected, not %s", term_text(e, t));
    return NULL;
}

Value *term_to(Elab *e, Pos pos, const Term *t, DType type, const char *what)
{
    if (literal(t)) {
        uint64_t bits;
        return constant_bits(e, pos, t, type, &bits) ? constant(e, scalar_type(type), bits) : NULL;
    }
    Value *v = term_any(e, pos, t, type);
    if (!v || v->type.dtype == type)
        return v;
    if (widens(v->type.dtype, type))
        return make_cast(e, pos, v, type);
    fail(e, pos, arena_format(e->arena, "convert it with %s(..)", dtype_info[type].name),
         "%s: %s is expected, not %s", what, dtype_info[type].name, type_text(e->arena, &v->type));
    return NULL;
}

Value *elab_value(Elab *e, const Expr *x, DType hint)
{
    Term t = elab_expr(e, x);
    return term_any(e, x->pos, &t, hint);
}

Value *term_index(Elab *e, Pos pos, const Term *t, const char *what)
{
    if (t->kind == T_FLOAT || t->kind == T_BOOL) {
        fail(e, pos, NULL, "%s is an integer, not %s", what, term_text(e, t));
        return NULL;
    }
    Value *v = term_any(e, pos, t, DT_I64);
    if (!v)
        return NULL;
    if (v->type.rank != 0 || !dtype_is_int(v->type.dtype) || v->type.dtype == DT_U64) {
        const char *hint = v->type.rank == 0 && v->type.dtype == DT_U64 ? "convert it with i64(..)"
                                                                        : NULL;
        fail(e, pos, hint, "%s is an integer scalar, not %s", what, type_text(e->arena, &v->type));
        return NULL;
    }
    return make_cast(e, pos, v, DT_I64);
}

Value *elab_index(Elab *e, const Expr *x, const char *what)
{
    Term t = elab_expr(e, x);
    return term_index(e, x->pos, &t, what);
}

bool elab_int(Elab *e, const Expr *x, const char *what, int64_t *out)
{
    Term t = elab_expr(e, x);
    if (t.kind == T_ERROR)
        return false;
    if (t.kind == T_VALUE && value_int(t.v, out))
        return true;
    if (t.kind == T_VALUE && dtype_is_int(t.v->type.dtype) && t.v->type.rank == 0) {
        fail(e, x->pos,
             "a static, a literal or a schedule parameter is constant; a dim is only "
             "where `instances` fixes it",
             "%s must be a constant integer; %s is known only in a run", what,
             expr_text(e->arena, x));
        return false;
    }
    if (t.kind != T_INT) {
        fail(e, x->pos,
             "a static, a literal or a schedule parameter is constant; a dim is only "
             "where `instances` fixes it",
             "%s must be a constant integer, not %s", what, term_text(e, &t));
        return false;
    }
    if (t.i > INT64_MAX || t.i < INT64_MIN) {
        fail(e, x->pos, NULL, "%s is too large", what);
        return false;
    }
    *out = (int64_t)t.i;
    return true;
}

Term elab_condition(Elab *e, const Expr *x, const char *what)
{
    Term t = elab_expr(e, x);
    if (t.kind == T_ERROR || t.kind == T_BOOL)
        return t;
    if (t.kind == T_VALUE && t.v->type.dtype == DT_BOOL && t.v->type.rank == 0)
        return t;
    const char *hint = NULL;
    bool is_tile = t.kind == T_VALUE && t.v->type.rank > 0;
    if (is_tile && strcmp(what, "? :") == 0)
        hint = "select(c, a, b) chooses element by element";
    else if (is_tile && (strcmp(what, "&&") == 0 || strcmp(what, "||") == 0))
        hint = arena_format(e->arena, "write %c for tiles", what[0]);
    else if (is_tile && t.v->type.dtype == DT_BOOL)
        hint = "any(..) or all(..) makes one bool of it";
    else if (t.kind == T_INT || (t.kind == T_VALUE && dtype_is_int(t.v->type.dtype)))
        hint = "compare it: x != 0";
    return fail(e, x->pos, hint, "%s takes a bool scalar, not %s", what, term_text(e, &t));
}

/* Shapes */

bool broadcast_shape(Elab *e, Pos pos, const char *what, const Type *a, const Type *b, Type *out)
{
    if (b->rank == 0 || a->rank == 0) {
        *out = b->rank == 0 ? *a : *b;
        return true;
    }
    const char *ta = type_text(e->arena, a), *tb = type_text(e->arena, b);
    if (a->rank != b->rank) {
        const char *hint = NULL;
        if (type_elements(a) == type_elements(b))
            hint = "reshape one to the shape of the other?";
        fail(e, pos, hint, "%s: %s and %s: ranks differ", what, ta, tb);
        return false;
    }
    *out = *a;
    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i] && a->dims[i] != 1 && b->dims[i] != 1) {
            fail(e, pos, "extents are equal or 1", "%s: %s and %s: extents of axis %d differ", what,
                 ta, tb, i);
            return false;
        }
        out->dims[i] = a->dims[i] == 1 ? b->dims[i] : a->dims[i];
    }
    return true;
}

bool unify_types(Elab *e, Pos pos, const char *what, Value **a, Value **b)
{
    DType ta = (*a)->type.dtype, tb = (*b)->type.dtype;
    if (ta == tb)
        return true;
    if (widens(ta, tb)) {
        *a = make_cast(e, pos, *a, tb);
        return true;
    }
    if (widens(tb, ta)) {
        *b = make_cast(e, pos, *b, ta);
        return true;
    }
    const char *na = dtype_info[ta].name, *nb = dtype_info[tb].name;
    const char *hint = "there is no implicit conversion: convert one of them";
    if (dtype_is_int(ta) && dtype_is_int(tb))
        hint = "signed and unsigned mix only where the unsigned one is narrower: convert one";
    else if (ta == DT_F32 || tb == DT_F32)
        hint = arena_format(e->arena, "convert the %s with f32(..)", ta == DT_F32 ? nb : na);
    fail(e, pos, hint, "%s: %s and %s: element types differ", what,
         type_text(e->arena, &(*a)->type), type_text(e->arena, &(*b)->type));
    return false;
}

/* Operators */

static const OpCode binary_code[E_KIND_COUNT] = {
    [E_BOR] = OP_OR,    [E_BXOR] = OP_XOR, [E_BAND] = OP_AND, [E_EQ] = OP_EQ,   [E_NE] = OP_NE,
    [E_LT] = OP_LT,     [E_LE] = OP_LE,    [E_GT] = OP_GT,    [E_GE] = OP_GE,   [E_SHL] = OP_SHL,
    [E_SHR] = OP_SHR,   [E_ADD] = OP_ADD,  [E_SUB] = OP_SUB,  [E_MUL] = OP_MUL, [E_DIV] = OP_DIV,
    [E_FDIV] = OP_FDIV, [E_MOD] = OP_MOD,
};

/* Whether the operation exists on the element type; reports if not. */
static bool operator_takes(Elab *e, OpCode code, Pos pos, const char *sign, const Type *type)
{
    DType t = type->dtype;
    const char *flags = op_info[code].flags, *name = dtype_info[t].name;
    if (strchr(flags, 'A')) {
        bool ordered = code != OP_EQ && code != OP_NE;
        if (t == DT_BOOL && ordered) {
            fail(e, pos, "== and != compare bools", "%s on bools", sign);
            return false;
        }
        return true;
    }
    if (dtype_is_int(t) && strchr(flags, 'I'))
        return true;
    if ((t == DT_F32 || t == DT_F64) && strchr(flags, 'F'))
        return true;
    if (t == DT_BOOL && (code == OP_AND || code == OP_OR || code == OP_XOR))
        return true;
    if (dtype_info[t].kind == 's')
        fail(e, pos, "convert first: f32(x)", "%s on %s: no arithmetic on %s", sign, name, name);
    else if (code == OP_DIV && dtype_is_int(t))
        fail(e, pos, "write // for floor division, or convert with f32(..)",
             "/ on %s: it is for f32", name);
    else if ((code == OP_FDIV || code == OP_MOD) && t == DT_F32)
        fail(e, pos,
             code == OP_MOD ? "x - floor(x / y) * y" : "write / for the division of numbers",
             "%s on f32: it is for integers", sign);
    else if (t == DT_BOOL)
        fail(e, pos, "convert with i32(..)", "%s on bools", sign);
    else
        fail(e, pos, dtype_is_float(t) ? "bits(x) gives the bits as an integer" : NULL, "%s on %s",
             sign, name);
    return false;
}

/* An operator of numbers between f32 and an integer: what is wrong is that the types differ. */
static bool f32_meets_integer(OpCode code, const Type *a, const Type *b)
{
    return strchr(op_info[code].flags, 'F') && ((a->dtype == DT_F32 && dtype_is_int(b->dtype)) ||
                                                (b->dtype == DT_F32 && dtype_is_int(a->dtype)));
}

/* The operator's sign, or the operation's name. */
static const char *operation_text(OpCode code)
{
    for (int k = 0; k < E_KIND_COUNT; k++)
        if (binary_code[k] == code && code != binary_code[E_NAME])
            return expr_kind_text((ExprKind)k);
    return op_info[code].name;
}

Value *make_binary(Elab *e, OpCode code, Pos pos, Value *a, Value *b)
{
    Type out;
    if (!broadcast_shape(e, pos, operation_text(code), &a->type, &b->type, &out))
        return NULL;
    out.dtype = strchr(op_info[code].flags, 'B') ? DT_BOOL : a->type.dtype;
    return make_op1(e, code, pos, 2, (Value *[]){a, b}, out);
}

static Value *shift_amount(Elab *e, Pos pos, const char *sign, Value *a, Value *b)
{
    DType ta = a->type.dtype, tb = b->type.dtype;
    if (ta == tb)
        return b;
    if (widens(tb, ta))
        return make_cast(e, pos, b, ta);
    fail(e, pos, arena_format(e->arena, "convert the amount with %s(..)", dtype_info[ta].name),
         "%s: %s by %s", sign, type_text(e->arena, &a->type), type_text(e->arena, &b->type));
    return NULL;
}

Term elab_binary(Elab *e, ExprKind k, Pos pos, const Term *a, const Term *b)
{
    if (a->kind == T_ERROR || b->kind == T_ERROR)
        return term_error();
    if (term_is_constant(a) && term_is_constant(b))
        return const_binary(e, k, pos, a, b);
    const char *sign = expr_kind_text(k);
    if (a->kind != T_VALUE && !literal(a)) {
        term_any(e, pos, a, DT_NONE);
        return term_error();
    }
    if (b->kind != T_VALUE && !literal(b)) {
        term_any(e, pos, b, DT_NONE);
        return term_error();
    }
    OpCode code = binary_code[k];
    Value *va = NULL, *vb = NULL;
    if (a->kind == T_VALUE) {
        va = a->v;
        if (!(b->kind == T_VALUE && f32_meets_integer(code, &va->type, &b->v->type)) &&
            !operator_takes(e, code, pos, sign, &va->type))
            return term_error();
    }
    if (b->kind == T_VALUE)
        vb = b->v;
    if ((k == E_FDIV || k == E_MOD) && b->kind == T_INT && b->i == 0)
        return fail(e, pos, NULL, "division by zero");
    va = va ? va : term_to(e, pos, a, vb->type.dtype, sign);
    vb = vb ? vb : term_to(e, pos, b, va ? va->type.dtype : DT_NONE, sign);
    if (!va || !vb ||
        (!f32_meets_integer(code, &va->type, &vb->type) &&
         !operator_takes(e, code, pos, sign, &vb->type)))
        return term_error();
    if (k == E_SHL || k == E_SHR) {
        if (!(vb = shift_amount(e, pos, sign, va, vb)))
            return term_error();
    } else if (!unify_types(e, pos, sign, &va, &vb)) {
        return term_error();
    }
    return term_value(make_binary(e, code, pos, va, vb));
}

static Term elab_unary(Elab *e, const Expr *x)
{
    Term a = elab_expr(e, x->a);
    if (a.kind == T_ERROR)
        return a;
    if (term_is_constant(&a))
        return const_unary(e, x->kind, x->pos, &a);
    Value *v = term_any(e, x->pos, &a, DT_NONE);
    if (!v)
        return term_error();
    DType t = v->type.dtype;
    const char *sign = expr_kind_text(x->kind);
    OpCode code = x->kind == E_NEG ? OP_NEG : x->kind == E_LNOT ? OP_LNOT : OP_BNOT;
    if (x->kind == E_BNOT && t == DT_BOOL)
        code = OP_LNOT;
    bool ok = code == OP_LNOT ? t == DT_BOOL : code == OP_BNOT ? dtype_is_int(t) : t != DT_BOOL;
    if (t == DT_UE8M0 && code == OP_NEG)
        ok = false;
    if (!ok)
        return fail(e, x->pos,
                    code == OP_NEG && t == DT_BOOL       ? "write !x"
                    : code == OP_LNOT && dtype_is_int(t) ? "write x == 0"
                                                         : NULL,
                    "%s on %s", sign, dtype_info[t].name);
    return term_value(make_op1(e, code, x->pos, 1, &v, v->type));
}

/* Lazy: c ? a : b, && and || with a run-time condition (R21) */

/* May the region's ops run although the condition is false? */
static bool speculable(const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        const char *flags = op_info[op->code].flags;
        if (flags[0] != 'P' || strchr(flags, 'X') || op->code == OP_FDIV || op->code == OP_MOD ||
            op->code == OP_CAST)
            return false;
    }
    return true;
}

static void splice(Elab *e, Region *from)
{
    for (Op *op = from->first, *next; op; op = next) {
        next = op->next;
        op_remove(op);
        region_append(e->region, op);
    }
}

static Term elab_into(Elab *e, Region *r, const Expr *x)
{
    Region *outer = e->region;
    e->region = r;
    Term t = elab_expr(e, x);
    e->region = outer;
    return t;
}

static bool same_tiles(Elab *e, Pos pos, Region *rt[2], Term t[2], Value *v[2])
{
    DType hint = t[0].kind == T_VALUE                           ? t[0].v->type.dtype
                 : t[1].kind == T_VALUE                         ? t[1].v->type.dtype
                 : t[0].kind == T_FLOAT || t[1].kind == T_FLOAT ? DT_F32
                                                                : DT_NONE;
    Region *outer = e->region;
    for (int i = 0; i < 2; i++) {
        e->region = rt[i];
        v[i] = literal(&t[i]) && hint != DT_NONE ? term_to(e, pos, &t[i], hint, "? :")
                                                 : term_any(e, pos, &t[i], hint);
    }
    e->region = outer;
    if (!v[0] || !v[1])
        return false;
    if (dtype_is_int(v[0]->type.dtype) && dtype_is_int(v[1]->type.dtype) &&
        v[0]->type.dtype != v[1]->type.dtype) {
        int narrow = widens(v[0]->type.dtype, v[1]->type.dtype) ? 0 : 1;
        if (widens(v[narrow]->type.dtype, v[1 - narrow]->type.dtype)) {
            e->region = rt[narrow];
            v[narrow] = make_cast(e, pos, v[narrow], v[1 - narrow]->type.dtype);
            e->region = outer;
        }
    }
    if (type_equal(&v[0]->type, &v[1]->type))
        return true;
    fail(e, pos, "write an `if` statement, or make the types and shapes equal",
         "? : gives %s or %s", type_text(e->arena, &v[0]->type), type_text(e->arena, &v[1]->type));
    return false;
}

static void end_region(Elab *e, Region *r, Pos pos, int n, Value *const *values)
{
    region_append(r, op_new(e->kernel, OP_YIELD, pos, n, values, 0, NULL));
}

/* The value of two regions under a run-time condition, as select where nothing can go wrong. */
static Value *join(Elab *e, Pos pos, Value *cond, Region *r[2], Value *v[2])
{
    if (speculable(r[0]) && speculable(r[1])) {
        splice(e, r[0]);
        splice(e, r[1]);
        return make_op1(e, OP_SELECT, pos, 3, (Value *[]){cond, v[0], v[1]}, v[0]->type);
    }
    Op *op = make_op(e, OP_IF, pos, 1, &cond, 1, &v[0]->type);
    for (int i = 0; i < 2; i++) {
        end_region(e, r[i], pos, 1, &v[i]);
        op_add_region(e->kernel, op, r[i]);
    }
    return op->results[0];
}

Term elab_select_lazy(Elab *e, Pos pos, Value *cond, const Expr *a, const Expr *b)
{
    Region *r[2] = {region_new(e->kernel, NULL, 0, NULL), region_new(e->kernel, NULL, 0, NULL)};
    Term t[2] = {elab_into(e, r[0], a), b ? elab_into(e, r[1], b) : term_bool(false)};
    Value *v[2];
    if (t[0].kind == T_ERROR || t[1].kind == T_ERROR || !same_tiles(e, pos, r, t, v))
        return term_error();
    return term_value(join(e, pos, cond, r, v));
}

static Term elab_cond(Elab *e, const Expr *x)
{
    Term c = elab_condition(e, x->a, "? :");
    if (c.kind == T_ERROR)
        return c;
    if (c.kind == T_BOOL)
        return elab_expr(e, c.i ? x->b : x->c);
    return elab_select_lazy(e, x->pos, c.v, x->b, x->c);
}

static Term elab_lazy(Elab *e, const Expr *x)
{
    bool is_and = x->kind == E_LAND;
    Term a = elab_condition(e, x->a, expr_kind_text(x->kind));
    if (a.kind == T_ERROR)
        return a;
    if (a.kind == T_BOOL)
        return (a.i != 0) == is_and ? elab_condition(e, x->b, expr_kind_text(x->kind)) : a;
    Region *r[2] = {region_new(e->kernel, NULL, 0, NULL), region_new(e->kernel, NULL, 0, NULL)};
    Region *outer = e->region;
    e->region = r[is_and ? 0 : 1];
    Term b = elab_condition(e, x->b, expr_kind_text(x->kind));
    e->region = outer;
    if (b.kind == T_ERROR)
        return b;
    if (b.kind == T_BOOL)
        return (b.i != 0) == is_and ? a : b;
    Value *fixed = constant(e, scalar_type(DT_BOOL), is_and ? 0 : 1);
    Value *v[2] = {is_and ? b.v : fixed, is_and ? fixed : b.v};
    return term_value(join(e, x->pos, a.v, r, v));
}

/* Names */

/* A file's const sees only the file's names. */
static Term global_constant(Elab *e, const Item *it)
{
    if (e->const_depth >= 100)
        return fail(e, it->pos, NULL, "const %s is defined by itself", it->name.name);
    ScopeName *scope = e->scope;
    Region *region = e->region;
    e->scope = NULL;
    e->region = region_new(e->kernel, NULL, 0, NULL);
    e->const_depth++;
    Term t = elab_expr(e, it->value);
    e->const_depth--;
    e->scope = scope;
    e->region = region;
    if (t.kind != T_ERROR && !term_is_constant(&t))
        return fail(e, it->value->pos, NULL, "const %s is %s, not a constant", it->name.name,
                    term_text(e, &t));
    return t;
}

static Term global_term(Elab *e, Name name)
{
    const Program *p = e->program;
    const Item *it;
    if ((it = program_find(&p->consts, name)))
        return global_constant(e, it);
    if ((it = program_find(&p->enums, name)))
        return (Term){.kind = T_ENUM, .item = it};
    if ((it = program_find(&p->fns, name)))
        return (Term){.kind = T_FN, .item = it};
    DType t = dtype_find(name, (unsigned)strlen(name));
    if (t != DT_NONE)
        return (Term){.kind = T_TYPE, .dtype = t};
    if (strcmp(name, "inf") == 0)
        return term_float(INFINITY);
    if (strcmp(name, "nan") == 0)
        return term_float(NAN);
    if (builtin_find(name))
        return (Term){.kind = T_BUILTIN, .text = name};
    return (Term){.kind = T_VOID};
}

static Term elab_name(Elab *e, const Expr *x)
{
    ScopeName *b = scope_find(e, x->name);
    if (b)
        return b->term;
    for (int f = FORMAT_ROW; f <= FORMAT_UE8M0X4; f++)
        if (strcmp(x->name, format_name[f]) == 0)
            return (Term){.kind = T_FORMAT, .i = f};
    Term t = global_term(e, x->name);
    if (t.kind != T_VOID)
        return t;
    if (e->local_constants)
        return fail(e, x->pos, "`locals` shows what has a value here", "no `%s` is visible here",
                    x->name);
    return fail(e, x->pos,
                e->variant && e->variant->schedule ? "a schedule binds it with `let`"
                                                   : "a schedule can bind it",
                "unknown name `%s`; no schedule binds it", x->name);
}

static Term elab_member(Elab *e, const Expr *x)
{
    if (e->allow_resident && x->a->kind == E_NAME && strcmp(x->a->name, "grid") == 0 &&
        strcmp(x->name, "resident") == 0) {
        return term_value(make_op1(e, OP_RESIDENT, x->pos, 0, NULL, scalar_type(DT_I64)));
    }
    Term a = elab_expr(e, x->a);
    if (a.kind == T_ERROR)
        return a;
    if (a.kind == T_ENUM) {
        for (int i = 0; i < a.item->members.count; i++)
            if (a.item->members.items[i].name == x->name)
                return (Term){.kind = T_MEMBER, .item = a.item, .i = i};
        return fail(e, x->pos, NULL, "enum %s has no member `%s`", a.item->name.name, x->name);
    }
    if (a.kind == T_ITEM) {
        for (int i = 0; i < a.count; i++)
            if (a.names[i] == x->name)
                return a.items[i];
        return fail(e, x->pos, NULL, "the pipe has no field `%s`", x->name);
    }
    return fail(e, x->pos, NULL, ".%s of %s: only enums and items of pipes have members", x->name,
                term_text(e, &a));
}

static Term elab_tupget(Elab *e, const Expr *x)
{
    Term a = elab_expr(e, x->a);
    if (a.kind == T_ERROR)
        return a;
    if (a.kind != T_TUPLE)
        return fail(e, x->pos, NULL, ".%llu of %s, which is no tuple",
                    (unsigned long long)x->integer, term_text(e, &a));
    if (x->integer >= (uint64_t)a.count)
        return fail(e, x->pos, NULL, ".%llu of a tuple of %d", (unsigned long long)x->integer,
                    a.count);
    return a.items[x->integer];
}

static Term elab_tuple(Elab *e, const Expr *x)
{
    Term t = {.kind = T_TUPLE, .count = x->args.count};
    t.items = NEW_ARRAY(e->arena, Term, t.count);
    for (int i = 0; i < t.count; i++) {
        t.items[i] = elab_expr(e, x->args.items[i]);
        if (t.items[i].kind == T_ERROR)
            return term_error();
    }
    return t;
}

static bool is_bool(const Term *t)
{
    return t->kind == T_BOOL || (t->kind == T_VALUE && t->v->type.dtype == DT_BOOL);
}

/* a & b == c is a & (b == c), as in C: on an integer a, (a & b) == c was meant. */
static bool meant_otherwise(const Expr *x, const Term *a, const Term *b)
{
    if (x->kind != E_BAND && x->kind != E_BOR && x->kind != E_BXOR)
        return false;
    bool left = x->a->kind >= E_EQ && x->a->kind <= E_GE && !x->a->parens;
    bool right = x->b->kind >= E_EQ && x->b->kind <= E_GE && !x->b->parens;
    return a->kind != T_ERROR && b->kind != T_ERROR &&
           ((right && is_bool(b) && !is_bool(a)) || (left && is_bool(a) && !is_bool(b)));
}

Term elab_expr(Elab *e, const Expr *x)
{
    switch (x->kind) {
    /* clang-format off */
    case E_NAME: return elab_name(e, x);
    case E_INT: return term_int((Wide)x->integer);
    case E_FLOAT: return term_float(x->number);
    case E_BOOL: return term_bool(x->integer != 0);
    case E_STRING:
        return (Term){.kind = T_STRING, .text = x->string, .i = (Wide)x->string_length};
    case E_TUPLE: return elab_tuple(e, x);
    case E_COND: return elab_cond(e, x);
    case E_LAND:
    case E_LOR: return elab_lazy(e, x);
    case E_NEG:
    case E_LNOT:
    case E_BNOT: return elab_unary(e, x);
    case E_INDEX: return elab_index_expr(e, x);
    case E_CALL: return elab_call(e, x);
    case E_MEMBER: return elab_member(e, x);
    case E_TUPGET: return elab_tupget(e, x);
    case E_SLICE: return fail(e, x->pos, NULL, "`+:` stands only inside [ ]");
    case E_FULL: return fail(e, x->pos, NULL, "`:` stands only inside [ ]");
    case E_NAMED: return fail(e, x->pos, NULL, "`%s =` stands only among arguments", x->name);
    default: break;
        /* clang-format on */
    }
    Term a = elab_expr(e, x->a), b = elab_expr(e, x->b);
    if (meant_otherwise(x, &a, &b)) {
        const char *sign = expr_kind_text(x->kind);
        return fail(e, x->pos,
                    arena_format(e->arena, "comparisons bind tighter than %s: write (a %s b) == c",
                                 sign, sign),
                    "%s on %s and %s", sign, term_text(e, &a), term_text(e, &b));
    }
    return elab_binary(e, x->kind, x->pos, &a, &b);
}
