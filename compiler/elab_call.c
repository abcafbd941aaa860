/* Calls: conversions, functions (inlined, typed anew at each call) and the builtin operations. */
#include "compiler/elab.h"

#include <math.h>
#include <string.h>

#include "dsl/builtins.h"

/* Arguments */

static const Expr *named(const Expr *call, const char *name)
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
static bool check_args(Elab *e, const Expr *call, const char *name, int min, int max,
                       const char *allowed)
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
        if (named(call, x->name) != x->a) {
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

static bool is_word(const Expr *x, const char *word)
{
    return x && x->kind == E_NAME && strcmp(x->name, word) == 0;
}

static Value *tile_arg(Elab *e, const Expr *call, int i)
{
    return elab_value(e, call->args.items[i], DT_NONE);
}

/* A constant axis within the rank. */
static bool axis_arg(Elab *e, const Expr *x, const Type *t, const char *name, int *axis)
{
    int64_t a;
    if (!elab_int(e, x, "an axis", &a))
        return false;
    if (a < 0 || a >= t->rank) {
        fail(e, x->pos, NULL, "%s: axis %lld of %s", name, (long long)a, type_text(e->arena, t));
        return false;
    }
    *axis = (int)a;
    return true;
}

/* Conversions: T(x), T(x, round = zero) (R6) */

static bool narrow_float(DType t)
{
    return dtype_info[t].kind == 's';
}

static const char *cast_refused(DType from, DType to)
{
    if (from == to)
        return NULL;
    if (to == DT_F64 || from == DT_F64)
        return "f64 exists only inside the interpreter";
    if (narrow_float(from) && narrow_float(to) &&
        !((from == DT_F16 || from == DT_BF16) && to == DT_TF32))
        return "between two narrow types only through f32(..)";
    if (narrow_float(from) && dtype_is_int(to) && from != DT_F16 && from != DT_BF16)
        return "convert to f32 first";
    if (narrow_float(to) && (dtype_is_int(from) || from == DT_BOOL))
        return "convert to f32 first";
    if (to == DT_F32 && (from == DT_U64))
        return "convert to i64 first";
    return NULL;
}

static Term convert(Elab *e, const Expr *call, DType to)
{
    const char *name = dtype_info[to].name;
    if (!check_args(e, call, name, 1, 1, "round bits"))
        return term_error();
    const Expr *round = named(call, "round"), *random = named(call, "bits");
    if (random)
        return fail(e, random->pos, NULL, "stochastic rounding (`bits =`) is not in the language yet");
    bool zero = is_word(round, "zero");
    if (round && !zero)
        return fail(e, round->pos, NULL, "round = zero is the only rounding to choose");
    if (zero && to != DT_F16 && to != DT_BF16 && to != DT_TF32)
        return fail(e, round->pos, NULL, "round = zero exists for f16, bf16 and tf32, not for %s",
                    name);
    Term t = elab_expr(e, call->args.items[0]);
    if (t.kind == T_ERROR)
        return t;
    if (t.kind == T_INT || t.kind == T_FLOAT || t.kind == T_BOOL) {
        if (t.kind == T_BOOL && to != DT_BOOL)
            t = term_int(t.i);
        Value *v = term_to(e, call->pos, &t, to, name);
        return term_value(v);
    }
    Value *v = term_any(e, call->args.items[0]->pos, &t, to);
    if (!v)
        return term_error();
    const char *why = cast_refused(v->type.dtype, to);
    if (why)
        return fail(e, call->pos, why, "%s to %s", dtype_info[v->type.dtype].name, name);
    if (v->type.dtype == to)
        return term_value(v);
    Type type = v->type;
    type.dtype = to;
    Op *op = emit(e, OP_CAST, call->pos, 1, &v, 1, &type);
    op->round = zero ? ROUND_ZERO : ROUND_NEAREST;
    return term_value(op->results[0]);
}

static DType unsigned_of(DType t)
{
    switch (dtype_info[t].bits) {
    case 8: return DT_U8;
    case 16: return DT_U16;
    case 32: return DT_U32;
    case 64: return DT_U64;
    default: return DT_NONE;
    }
}

static Term call_bits(Elab *e, const Expr *call)
{
    Value *v = tile_arg(e, call, 0);
    if (!v)
        return term_error();
    DType t = unsigned_of(v->type.dtype);
    if (t == DT_NONE || v->type.dtype == DT_BOOL)
        return fail(e, call->pos, NULL, "bits of %s", dtype_info[v->type.dtype].name);
    Type type = v->type;
    type.dtype = t;
    return term_value(emit1(e, OP_BITS, call->pos, 1, &v, type));
}

static Term call_from_bits(Elab *e, const Expr *call)
{
    Term t = elab_expr(e, call->args.items[0]);
    if (t.kind == T_ERROR)
        return t;
    if (t.kind != T_TYPE)
        return fail(e, call->args.items[0]->pos, "from_bits(f32, u)",
                    "from_bits: the first argument is an element type, not %s", term_text(e, &t));
    DType want = unsigned_of(t.dtype);
    Term a = elab_expr(e, call->args.items[1]);
    if (a.kind == T_ERROR)
        return a;
    if (want == DT_NONE || t.dtype == DT_BOOL)
        return fail(e, call->pos, NULL, "from_bits to %s", dtype_info[t.dtype].name);
    Value *v = term_any(e, call->pos, &a, want);
    if (!v)
        return term_error();
    /* integers of other width or sign are cut to the type's width: only their low bits count */
    if (dtype_is_int(v->type.dtype) && dtype_info[v->type.dtype].bits > dtype_info[want].bits)
        v = emit_cast(e, call->pos, v, want);
    if (v->type.dtype != want)
        return fail(e, call->pos, arena_format(e->arena, "convert with %s(..)", dtype_info[want].name),
                    "from_bits(%s, ..) takes %s, not %s", dtype_info[t.dtype].name,
                    dtype_info[want].name, dtype_info[v->type.dtype].name);
    Type type = v->type;
    type.dtype = t.dtype;
    return term_value(emit1(e, OP_BITS, call->pos, 1, &v, type));
}

/* Shape */

static bool const_shape(Elab *e, const Expr *call, int first, Type *t)
{
    t->rank = call->args.count - first;
    if (t->rank > MAX_RANK) {
        fail(e, call->pos, NULL, "%d axes; a tile has at most %d", t->rank, MAX_RANK);
        return false;
    }
    Wide n = 1;
    for (int i = 0; i < t->rank; i++) {
        const Expr *x = call->args.items[first + i];
        if (!elab_int(e, x, "an extent", &t->dims[i]))
            return false;
        if (t->dims[i] < 0) {
            fail(e, x->pos, NULL, "the extent is %lld", (long long)t->dims[i]);
            return false;
        }
        n *= t->dims[i] ? t->dims[i] : 1;
        if (n > (Wide)1 << 31) {
            fail(e, call->pos, "use smaller extents and a loop", "the tile is too large");
            return false;
        }
    }
    return true;
}

static Term call_reshape(Elab *e, const Expr *call)
{
    Term t = elab_expr(e, call->args.items[0]);
    if (t.kind == T_TENSOR)
        return view_call(e, "reshape", call, &t);
    Value *v = term_any(e, call->args.items[0]->pos, &t, DT_NONE);
    Type type = {.kind = TY_TILE};
    if (!v || !const_shape(e, call, 1, &type))
        return term_error();
    type.dtype = v->type.dtype;
    if (type_elements(&type) != type_elements(&v->type))
        return fail(e, call->pos, NULL, "reshape of %s to %s: %lld elements to %lld",
                    type_text(e->arena, &v->type), type_text(e->arena, &type),
                    (long long)type_elements(&v->type), (long long)type_elements(&type));
    if (type_equal(&type, &v->type))
        return term_value(v);
    return term_value(emit1(e, OP_RESHAPE, call->pos, 1, &v, type));
}

static Term call_trans(Elab *e, const Expr *call)
{
    Term t = elab_expr(e, call->args.items[0]);
    if (t.kind == T_TENSOR)
        return view_call(e, "trans", call, &t);
    Value *v = term_any(e, call->args.items[0]->pos, &t, DT_NONE);
    if (!v)
        return term_error();
    Type type = v->type;
    if (type.rank < 2)
        return fail(e, call->pos, NULL, "trans of %s: it swaps the last two axes",
                    type_text(e->arena, &type));
    int64_t d = type.dims[type.rank - 1];
    type.dims[type.rank - 1] = type.dims[type.rank - 2];
    type.dims[type.rank - 2] = d;
    return term_value(emit1(e, OP_TRANS, call->pos, 1, &v, type));
}

static Term call_squeeze(Elab *e, const Expr *call)
{
    Value *v = tile_arg(e, call, 0);
    if (!v)
        return term_error();
    Type type = v->type;
    type.rank = 0;
    memset(type.dims, 0, sizeof type.dims);
    for (int i = 0; i < v->type.rank; i++)
        if (v->type.dims[i] != 1)
            type.dims[type.rank++] = v->type.dims[i];
    if (type.rank == v->type.rank)
        return term_value(v);
    return term_value(emit1(e, OP_RESHAPE, call->pos, 1, &v, type));
}

static Term call_concat(Elab *e, const Expr *call)
{
    const Expr *named_axis = named(call, "axis");
    int n = call->args.count - (named_axis != NULL), axis = 0;
    Value **v = NEW_ARRAY(e->arena, Value *, n);
    DType hint = DT_NONE;
    for (int i = 0; i < n; i++) {
        if (!(v[i] = elab_value(e, call->args.items[i], hint)))
            return term_error();
        hint = v[i]->type.dtype;
    }
    if (v[0]->type.rank == 0)
        return fail(e, call->pos, "fill(x, 1) makes one element of a scalar", "concat of scalars");
    if (named_axis && !axis_arg(e, named_axis, &v[0]->type, "concat", &axis))
        return term_error();
    Type out = v[0]->type;
    for (int i = 1; i < n; i++) {
        Value *a = v[0];
        if (!unify_types(e, call->args.items[i]->pos, "concat", &a, &v[i]))
            return term_error();
        v[0] = a;
        out.dtype = a->type.dtype;
        bool ok = v[i]->type.rank == out.rank;
        for (int k = 0; ok && k < out.rank; k++)
            ok = k == axis || v[i]->type.dims[k] == out.dims[k];
        if (!ok)
            return fail(e, call->args.items[i]->pos, NULL, "concat along axis %d: %s and %s", axis,
                        type_text(e->arena, &v[0]->type), type_text(e->arena, &v[i]->type));
        out.dims[axis] += v[i]->type.dims[axis];
    }
    for (int i = 0; i < n; i++)
        v[i] = emit_cast(e, call->pos, v[i], out.dtype);
    Op *op = emit(e, OP_CONCAT, call->pos, n, v, 1, &out);
    op->axis = axis;
    return term_value(op->results[0]);
}

static Term call_iota(Elab *e, const Expr *call)
{
    Type t = {.kind = TY_TILE, .dtype = DT_I64};
    if (!const_shape(e, call, 0, &t))
        return term_error();
    return term_value(emit1(e, OP_IOTA, call->pos, 0, NULL, t));
}

static Term call_fill(Elab *e, const Expr *call)
{
    Term a = elab_expr(e, call->args.items[0]);
    Value *v = term_any(e, call->args.items[0]->pos, &a, DT_NONE);
    Type t = {.kind = TY_TILE};
    if (!v || !const_shape(e, call, 1, &t))
        return term_error();
    if (v->type.rank != 0)
        return fail(e, call->args.items[0]->pos, NULL, "fill takes a scalar, not %s",
                    type_text(e->arena, &v->type));
    t.dtype = v->type.dtype;
    if (v->op && v->op->code == OP_CONST)
        return term_value(constant(e, t, v->op->bits));
    return term_value(emit1(e, OP_BROADCAST, call->pos, 1, &v, t));
}

static Term call_size(Elab *e, const Expr *call)
{
    Term a = elab_expr(e, call->args.items[0]);
    int axis;
    if (a.kind == T_ERROR)
        return a;
    if (a.kind != T_VALUE && a.kind != T_TENSOR)
        return fail(e, call->pos, NULL, "size of %s", term_text(e, &a));
    if (!axis_arg(e, call->args.items[1], &a.v->type, "size", &axis))
        return term_error();
    if (a.v->type.dims[axis] >= 0)
        return term_int(a.v->type.dims[axis]);
    return term_value(tensor_extent(e, call->pos, a.v, axis));
}

static Term call_select(Elab *e, const Expr *call)
{
    Value *c = elab_value(e, call->args.items[0], DT_BOOL);
    Term ta = elab_expr(e, call->args.items[1]), tb = elab_expr(e, call->args.items[2]);
    if (!c || ta.kind == T_ERROR || tb.kind == T_ERROR)
        return term_error();
    if (c->type.dtype != DT_BOOL)
        return fail(e, call->args.items[0]->pos, "compare it: x != 0",
                    "select: the condition is %s, not bool", type_text(e->arena, &c->type));
    DType hint = ta.kind == T_VALUE ? ta.v->type.dtype
                 : tb.kind == T_VALUE ? tb.v->type.dtype
                 : ta.kind == T_FLOAT || tb.kind == T_FLOAT ? DT_F32 : DT_NONE;
    Value *a = ta.kind == T_VALUE || hint == DT_NONE
                   ? term_any(e, call->args.items[1]->pos, &ta, hint)
                   : term_to(e, call->args.items[1]->pos, &ta, hint, "select");
    Value *b = tb.kind == T_VALUE || hint == DT_NONE
                   ? term_any(e, call->args.items[2]->pos, &tb, hint)
                   : term_to(e, call->args.items[2]->pos, &tb, hint, "select");
    Type shape, out;
    if (!a || !b || !unify_types(e, call->pos, "select", &a, &b) ||
        !broadcast_shape(e, call->pos, "select", &a->type, &b->type, &shape))
        return term_error();
    if (c->type.rank && shape.rank && c->type.rank != shape.rank)
        return fail(e, call->pos,
                    arena_format(e->arena, "reshape the values or the condition to equal ranks"),
                    "select: condition is %s, values are %s: ranks differ",
                    type_text(e->arena, &c->type), type_text(e->arena, &shape));
    if (!broadcast_shape(e, call->pos, "select", &c->type, &shape, &out))
        return term_error();
    out.dtype = a->type.dtype;
    return term_value(emit1(e, OP_SELECT, call->pos, 3, (Value *[]){c, a, b}, out));
}

static Term call_take(Elab *e, const Expr *call)
{
    Value *x = tile_arg(e, call, 0), *i = elab_value(e, call->args.items[1], DT_I64);
    const Expr *pad = named(call, "pad");
    if (!x || !i)
        return term_error();
    if (x->type.rank < 1)
        return fail(e, call->pos, NULL, "take from a scalar");
    if (!dtype_is_int(i->type.dtype) || i->type.rank > 1)
        return fail(e, call->args.items[1]->pos, NULL,
                    "take: the index is an integer scalar or tile of one axis, not %s",
                    type_text(e->arena, &i->type));
    Access *a = NEW(e->arena, Access);
    a->count = x->type.rank;
    for (int k = 0; k < a->count; k++) {
        a->axis[k].kind = AX_FULL;
        a->axis[k].extent = x->type.dims[k];
    }
    a->axis[0].kind = i->type.rank ? AX_TILE : AX_SCALAR;
    a->axis[0].extent = i->type.rank ? i->type.dims[0] : 0;
    uint64_t bits = 0;
    if (pad) {
        Term p = elab_expr(e, pad);
        if (!constant_bits(e, pad->pos, &p, x->type.dtype, &bits))
            return term_error();
    }
    Type t = access_type(x->type.dtype, a, &i);
    Op *op = emit(e, OP_EXTRACT, call->pos, 2, (Value *[]){x, i}, 1, &t);
    op->access = a;
    op->bits = bits;
    return term_value(op->results[0]);
}

/* Elementwise */

static const struct { const char *name; OpCode code; } unary_ops[] = {
    {"abs", OP_ABS}, {"neg", OP_NEG}, {"sqrt", OP_SQRT}, {"rsqrt", OP_RSQRT}, {"exp", OP_EXP},
    {"log", OP_LOG}, {"sigmoid", OP_SIGMOID}, {"softplus", OP_SOFTPLUS}, {"tanh", OP_TANH},
    {"sin", OP_SIN}, {"cos", OP_COS}, {"floor", OP_FLOOR}, {"isfinite", OP_ISFINITE},
    {"isnan", OP_ISNAN}, {"ceil_pow2", OP_CEIL_POW2}, {"clz", OP_CLZ}, {"popc", OP_POPC},
};

static bool unary_takes(OpCode code, DType t)
{
    const char *flags = op_info[code].flags;
    if (code == OP_ABS)
        return t != DT_BOOL;
    if (code == OP_NEG)
        return t != DT_BOOL && t != DT_UE8M0;
    if (code == OP_ISFINITE || code == OP_ISNAN)
        return dtype_is_float(t);
    return (strchr(flags, 'I') && dtype_is_int(t)) ||
           (strchr(flags, 'F') && (t == DT_F32 || t == DT_F64));
}

static Term const_abs(const Term *t)
{
    return t->kind == T_INT ? term_int(t->i < 0 ? -t->i : t->i) : term_float(fabs(t->f));
}

static Term call_unary(Elab *e, const char *name, const Expr *call, OpCode code)
{
    Term t = elab_expr(e, call->args.items[0]);
    if (code == OP_ABS && (t.kind == T_INT || t.kind == T_FLOAT))
        return const_abs(&t);
    if (t.kind == T_INT && strchr(op_info[code].flags, 'F'))
        t = term_float((double)t.i);
    Value *v = term_any(e, call->args.items[0]->pos, &t, DT_NONE);
    if (!v)
        return term_error();
    if (!unary_takes(code, v->type.dtype)) {
        const char *hint = NULL;
        if (strchr(op_info[code].flags, 'F'))
            hint = "convert first: f32(x)";
        return fail(e, call->pos, hint, "%s of %s", name, dtype_info[v->type.dtype].name);
    }
    Type type = v->type;
    if (strchr(op_info[code].flags, 'B'))
        type.dtype = DT_BOOL;
    return term_value(emit1(e, code, call->pos, 1, &v, type));
}

static Term call_minmax(Elab *e, const char *name, const Expr *call, OpCode code)
{
    Term a = elab_expr(e, call->args.items[0]), b = elab_expr(e, call->args.items[1]);
    if (a.kind == T_ERROR || b.kind == T_ERROR)
        return term_error();
    if (a.kind == T_INT && b.kind == T_INT)
        return (code == OP_MAX) == (a.i > b.i) ? a : b;
    if (term_is_constant(&a) && term_is_constant(&b) && a.kind != T_TYPE) {
        Term g = const_binary(e, E_GT, call->pos, &a, &b);
        return g.kind != T_BOOL ? term_error() : (code == OP_MAX) == (g.i != 0) ? a : b;
    }
    DType hint = a.kind == T_VALUE ? a.v->type.dtype : b.kind == T_VALUE ? b.v->type.dtype : DT_NONE;
    Value *va = a.kind == T_VALUE ? a.v : term_to(e, call->args.items[0]->pos, &a, hint, name);
    Value *vb = b.kind == T_VALUE ? b.v : term_to(e, call->args.items[1]->pos, &b, hint, name);
    if (!va || !vb || !unify_types(e, call->pos, name, &va, &vb))
        return term_error();
    if (va->type.dtype == DT_BOOL)
        return fail(e, call->pos, "write & or |", "%s of bools", name);
    return term_value(emit_binary(e, code, call->pos, va, vb));
}

/* The first argument that is a tile decides the element type of literals. */
static bool float_args(Elab *e, const Expr *call, const char *name, int n, Value **v)
{
    for (int i = 0; i < n; i++) {
        Term t = elab_expr(e, call->args.items[i]);
        if (t.kind == T_ERROR)
            return false;
        if (t.kind == T_INT)
            t = term_float((double)t.i);
        if (!(v[i] = term_any(e, call->args.items[i]->pos, &t, DT_F32)))
            return false;
        if (v[i]->type.dtype != DT_F32) {
            fail(e, call->args.items[i]->pos, "convert first: f32(x)", "%s takes f32, not %s", name,
                 type_text(e->arena, &v[i]->type));
            return false;
        }
    }
    return true;
}

static Term call_fma(Elab *e, const Expr *call)
{
    Value *v[3];
    Type ab, out;
    if (!float_args(e, call, "fma", 3, v) ||
        !broadcast_shape(e, call->pos, "fma", &v[0]->type, &v[1]->type, &ab) ||
        !broadcast_shape(e, call->pos, "fma", &ab, &v[2]->type, &out))
        return term_error();
    return term_value(emit1(e, OP_FMA, call->pos, 3, v, out));
}

static Term call_copysign(Elab *e, const Expr *call)
{
    Value *v[2];
    if (!float_args(e, call, "copysign", 2, v))
        return term_error();
    return term_value(emit_binary(e, OP_COPYSIGN, call->pos, v[0], v[1]));
}

/* Reductions, scans, order */

static Value *reduced_arg(Elab *e, const Expr *call, const char *name, int *axis)
{
    Value *v = tile_arg(e, call, 0);
    if (!v || !axis_arg(e, call->args.items[1], &v->type, name, axis))
        return NULL;
    return v;
}

static bool addable(Elab *e, const Expr *call, const char *name, const Value *v)
{
    DType t = v->type.dtype;
    if (t == DT_F32 || t == DT_F64 || dtype_is_int(t))
        return true;
    const char *hint = t == DT_BOOL ? "convert with i32(..)" : "convert with f32(..)";
    fail(e, call->pos, hint, "%s of %s", name, dtype_info[t].name);
    return false;
}

static Term call_sum(Elab *e, const Expr *call)
{
    int axis, n = 1;
    Value *args[2];
    if (!(args[0] = reduced_arg(e, call, "sum", &axis)) || !addable(e, call, "sum", args[0]))
        return term_error();
    const Expr *order = named(call, "order"), *init = named(call, "init");
    bool seq = is_word(order, "seq"), tree = is_word(order, "tree");
    if (order && !seq && !tree)
        return fail(e, order->pos, NULL, "order is seq or tree");
    if (init && !seq)
        return fail(e, init->pos, "write order = seq", "init belongs to order = seq");
    if (init) {
        Term t = elab_expr(e, init);
        if (!(args[1] = term_to(e, init->pos, &t, args[0]->type.dtype, "init")))
            return term_error();
        if (args[1]->type.rank)
            return fail(e, init->pos, NULL, "init is a scalar, not %s",
                        type_text(e->arena, &args[1]->type));
        n = 2;
    }
    Type t = args[0]->type;
    t.dims[axis] = 1;
    Op *op = emit(e, OP_SUM, call->pos, n, args, 1, &t);
    op->axis = axis;
    op->order = seq ? ORDER_SEQ : tree ? ORDER_TREE : ORDER_DEFAULT;
    return term_value(op->results[0]);
}

static Term call_reduce(Elab *e, const char *name, const Expr *call, OpCode code, bool keeps)
{
    int axis;
    Value *v = reduced_arg(e, call, name, &axis);
    if (!v)
        return term_error();
    if ((code == OP_CUMSUM || code == OP_SOFTMAX) && !addable(e, call, name, v))
        return term_error();
    if (code == OP_SOFTMAX && v->type.dtype != DT_F32)
        return fail(e, call->pos, "convert with f32(..)", "softmax of %s",
                    dtype_info[v->type.dtype].name);
    if (v->type.dtype == DT_BOOL)
        return fail(e, call->pos, "use any or all, or convert with i32(..)", "%s of bools", name);
    Type t = v->type;
    if (!keeps)
        t.dims[axis] = 1;
    if (code == OP_ARGMAX || code == OP_RANK)
        t.dtype = DT_I32;
    bool exclusive = false;
    if (named(call, "exclusive")) {
        Term x = elab_expr(e, named(call, "exclusive"));
        if (x.kind != T_BOOL)
            return fail(e, call->pos, NULL, "exclusive is true or false");
        exclusive = x.i != 0;
    }
    if (code == OP_ARGMAX && v->type.dims[axis] == 0)
        return fail(e, call->pos, NULL, "argmax of an empty axis");
    Op *op = emit(e, code, call->pos, 1, &v, 1, &t);
    op->axis = axis;
    op->exclusive = exclusive;
    return term_value(op->results[0]);
}

static Term call_any_all(Elab *e, const char *name, const Expr *call, OpCode code)
{
    Value *v = elab_value(e, call->args.items[0], DT_BOOL);
    if (!v)
        return term_error();
    if (v->type.dtype != DT_BOOL)
        return fail(e, call->pos, "compare it: x != 0", "%s of %s", name,
                    type_text(e->arena, &v->type));
    Type t = scalar_type(DT_BOOL);
    int axis = -1;
    if (call->args.count == 2) {
        if (!axis_arg(e, call->args.items[1], &v->type, name, &axis))
            return term_error();
        t = v->type;
        t.dims[axis] = 1;
    }
    Op *op = emit(e, code, call->pos, 1, &v, 1, &t);
    op->axis = axis;
    return term_value(op->results[0]);
}

static Term call_topk(Elab *e, const Expr *call)
{
    Value *v = tile_arg(e, call, 0);
    int64_t k;
    int axis;
    if (!v || !elab_int(e, call->args.items[1], "topk: k", &k) ||
        !axis_arg(e, call->args.items[2], &v->type, "topk", &axis))
        return term_error();
    if (k < 0 || k > v->type.dims[axis])
        return fail(e, call->args.items[1]->pos, NULL, "topk: %lld of %lld elements", (long long)k,
                    (long long)v->type.dims[axis]);
    if (v->type.dtype == DT_BOOL)
        return fail(e, call->pos, NULL, "topk of bools");
    Type t[2] = {v->type, v->type};
    t[0].dims[axis] = t[1].dims[axis] = k;
    t[1].dtype = DT_I32;
    Op *op = emit(e, OP_TOPK, call->pos, 1, &v, 2, t);
    op->axis = axis;
    Term pair = {.kind = T_TUPLE, .count = 2, .items = NEW_ARRAY(e->arena, Term, 2)};
    pair.items[0] = term_value(op->results[0]);
    pair.items[1] = term_value(op->results[1]);
    return pair;
}

static Term call_classes(Elab *e, const char *name, const Expr *call, OpCode code)
{
    Value *v = elab_value(e, call->args.items[0], DT_NONE);
    int64_t n = 0;
    if (!v || (code == OP_HISTOGRAM && !elab_int(e, call->args.items[1], "histogram: n", &n)))
        return term_error();
    if (v->type.rank != 1 || !dtype_is_int(v->type.dtype))
        return fail(e, call->pos, NULL, "%s takes an integer tile of one axis, not %s", name,
                    type_text(e->arena, &v->type));
    if (n < 0 || n > (int64_t)1 << 31)
        return fail(e, call->pos, NULL, "histogram of %lld classes", (long long)n);
    Type t = v->type;
    t.dtype = DT_I32;
    if (code == OP_HISTOGRAM)
        t.dims[0] = n;
    return term_value(emit1(e, code, call->pos, 1, &v, t));
}

/* mma (R9) */

static int mma_class(DType t)
{
    switch (t) {
    case DT_BF16: return 1;
    case DT_F16: return 2;
    case DT_E4M3:
    case DT_E5M2: return 3;
    case DT_TF32: return 4;
    case DT_I8: return 5;
    default: return 0;
    }
}

static bool mma_shapes(Elab *e, const Expr *call, const Value *a, const Value *b)
{
    const char *ta = type_text(e->arena, &a->type), *tb = type_text(e->arena, &b->type);
    if (a->type.rank == 2 && b->type.rank == 2 && a->type.dims[1] == b->type.dims[0])
        return true;
    const char *hint = "a is [m, k], b is [k, n]";
    if (a->type.rank == 2 && b->type.rank == 2 && a->type.dims[1] == b->type.dims[1])
        hint = "trans(b)?";
    fail(e, call->pos, hint, "mma of %s and %s", ta, tb);
    return false;
}

static Value *mma_sum(Elab *e, const Expr *call, int at, Type t)
{
    if (call->args.count <= at)
        return constant(e, t, 0);
    Term c = elab_expr(e, call->args.items[at]);
    Value *v = term_to(e, call->args.items[at]->pos, &c, t.dtype, "mma: the sum");
    if (!v || type_equal(&v->type, &t))
        return v;
    fail(e, call->args.items[at]->pos, NULL, "mma: the sum is %s, the product %s",
         type_text(e->arena, &v->type), type_text(e->arena, &t));
    return NULL;
}

static Term call_mma(Elab *e, const Expr *call)
{
    Value *a = tile_arg(e, call, 0), *b = tile_arg(e, call, 1);
    if (!a || !b || !mma_shapes(e, call, a, b))
        return term_error();
    int class = mma_class(a->type.dtype);
    if (!class || class != mma_class(b->type.dtype)) {
        const char *hint = a->type.dtype == DT_F32 || b->type.dtype == DT_F32
                               ? "write tf32(x) for f32 operands"
                               : "operands are both bf16, f16, e4m3/e5m2, tf32 or i8";
        return fail(e, call->pos, hint, "mma of %s and %s", dtype_info[a->type.dtype].name,
                    dtype_info[b->type.dtype].name);
    }
    Type t = {.kind = TY_TILE, .dtype = class == 5 ? DT_I32 : DT_F32, .rank = 2,
              .dims = {a->type.dims[0], b->type.dims[1]}};
    Value *c = mma_sum(e, call, 2, t);
    if (!c)
        return term_error();
    return term_value(emit1(e, OP_MMA, call->pos, 3, (Value *[]){a, b, c}, t));
}

static bool scaled_operand(DType t)
{
    return t == DT_E4M3 || t == DT_E5M2 || t == DT_E2M1;
}

static Term call_mma_scaled(Elab *e, const Expr *call)
{
    Value *v[5];
    for (int i = 0; i < 4; i++)
        if (!(v[i] = tile_arg(e, call, i)))
            return term_error();
    if (!mma_shapes(e, call, v[0], v[2]))
        return term_error();
    if (!scaled_operand(v[0]->type.dtype) || !scaled_operand(v[2]->type.dtype))
        return fail(e, call->pos, NULL, "mma_scaled takes e4m3, e5m2 or e2m1, not %s and %s",
                    dtype_info[v[0]->type.dtype].name, dtype_info[v[2]->type.dtype].name);
    bool fp4 = v[0]->type.dtype == DT_E2M1 && v[2]->type.dtype == DT_E2M1;
    DType ts = v[1]->type.dtype;
    int64_t m = v[0]->type.dims[0], k = v[0]->type.dims[1], n = v[2]->type.dims[1];
    int64_t block = fp4 && v[1]->type.rank == 2 && v[1]->type.dims[1] * 16 == k ? 16 : 32;
    bool scales = ts == v[3]->type.dtype && (ts == DT_UE8M0 || (block == 16 && ts == DT_E4M3));
    bool shapes = v[1]->type.rank == 2 && v[3]->type.rank == 2 && k % block == 0 &&
                  v[1]->type.dims[0] == m && v[1]->type.dims[1] == k / block &&
                  v[3]->type.dims[0] == k / block && v[3]->type.dims[1] == n;
    if (!scales || !shapes)
        return fail(e, call->pos, "sa is ue8m0[m, k / 32], sb ue8m0[k / 32, n]; "
                    "coarser scales are written with upsample",
                    "mma_scaled of %s and %s: scales %s and %s", type_text(e->arena, &v[0]->type),
                    type_text(e->arena, &v[2]->type), type_text(e->arena, &v[1]->type),
                    type_text(e->arena, &v[3]->type));
    Type t = {.kind = TY_TILE, .dtype = DT_F32, .rank = 2, .dims = {m, n}};
    if (!(v[4] = mma_sum(e, call, 4, t)))
        return term_error();
    return term_value(emit1(e, OP_MMA_SCALED, call->pos, 5, v, t));
}

/* Integers */

static Term call_cdiv(Elab *e, const char *name, const Expr *call)
{
    Term a = elab_expr(e, call->args.items[0]), b = elab_expr(e, call->args.items[1]);
    if (a.kind == T_FLOAT || b.kind == T_FLOAT)
        return fail(e, call->pos, NULL, "%s takes integers", name);
    Term one = term_int(1);
    Term c = elab_binary(e, E_SUB, call->pos, &b, &one);
    c = elab_binary(e, E_ADD, call->pos, &a, &c);
    c = elab_binary(e, E_FDIV, call->pos, &c, &b);
    if (name[0] == 'c')
        return c;
    return elab_binary(e, E_MUL, call->pos, &c, &b);
}

/* Effects and queries */

static bool in_program(Elab *e, const Expr *call, const char *name)
{
    if (e->in_par && !e->in_range)
        return true;
    fail(e, call->pos, NULL, "%s outside the body of a par", name);
    return false;
}

static Term call_grid_sync(Elab *e, const Expr *call)
{
    if (!in_program(e, call, "grid_sync"))
        return term_error();
    if (e->in_role)
        return fail(e, call->pos, NULL, "grid_sync inside a role");
    emit(e, OP_GRID_SYNC, call->pos, 0, NULL, 0, NULL);
    return (Term){.kind = T_VOID};
}

static Term call_exchange(Elab *e, const Expr *call)
{
    Value *v = tile_arg(e, call, 0);
    if (!v || !in_program(e, call, "exchange"))
        return term_error();
    if (e->in_role)
        return fail(e, call->pos, NULL, "exchange inside a role");
    if (e->par_programs < 0)
        return fail(e, call->pos, "bind the number of programs to a constant: let P = 64;",
                    "exchange needs a constant number of programs");
    Type t = {.kind = TY_TILE, .dtype = v->type.dtype, .rank = v->type.rank + 1};
    if (t.rank > MAX_RANK)
        return fail(e, call->pos, NULL, "exchange of %d axes", v->type.rank);
    t.dims[0] = e->par_programs;
    memcpy(t.dims + 1, v->type.dims, sizeof(int64_t) * (size_t)v->type.rank);
    return term_value(emit1(e, OP_EXCHANGE, call->pos, 1, &v, t));
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
    emit(e, code, call->pos, 1, &v, 0, NULL)->name = text;
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
        if (!(v[i] = tile_arg(e, call, first + i)))
            return term_error();
        if (!v[i]->name && v[i]->op && v[i]->op->code != OP_CONST)
            v[i]->name = expr_text(e->arena, call->args.items[first + i]);
    }
    emit(e, OP_PRINT, call->pos, n, v, 0, NULL)->name = text;
    return (Term){.kind = T_VOID};
}

static Term call_atomic_add(Elab *e, const Expr *call)
{
    const Expr *target = call->args.items[0], *scope = named(call, "scope"), *pad;
    bool used = !e->as_statement;
    if (!in_program(e, call, "atomic_add"))
        return term_error();
    if (scope && !is_word(scope, "gpu") && !is_word(scope, "sys"))
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
        return fail(e, target->pos, NULL, "atomic_add to %s: an inout or scratch tensor is expected",
                    term_text(e, &base));
    if (root->tensor->dir != PARAM_INOUT && root->tensor->dir != PARAM_SCRATCH &&
        root->tensor->dir != PARAM_OUT)
        return fail(e, target->pos, "declare it inout", "atomic_add to %s, which is %s", root->name,
                    dir_name[root->tensor->dir]);
    DType t = base.v->type.dtype;
    if (t != DT_F32 && !dtype_is_int(t))
        return fail(e, target->pos, NULL, "atomic_add to %s: integers and f32 are added",
                    dtype_info[t].name);
    if (t == DT_F32 && !root->tensor->nondet)
        return fail(e, call->pos, arena_format(e->arena, "mark %s with @ nondet", root->name),
                    "atomic_add of f32 to %s: its bits depend on the order of programs", root->name);
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
    Type shape;
    if (!v)
        return term_error();
    if (!broadcast_shape(e, call->pos, "atomic_add", &want, &v->type, &shape) ||
        !type_equal(&shape, &want))
        return fail(e, call->pos, NULL, "atomic_add of %s to %s", type_text(e->arena, &v->type),
                    type_text(e->arena, &want));
    args[n + 1] = v;
    if (used && want.rank != 0)
        return fail(e, call->pos, NULL, "the old value of atomic_add is of one element, not %s",
                    type_text(e->arena, &want));
    if (used && !root->tensor->nondet)
        return fail(e, call->pos, arena_format(e->arena, "mark %s with @ nondet", root->name),
                    "the old value of %s depends on the order of programs", root->name);
    Op *op = emit(e, OP_ATOMIC_ADD, call->pos, n + 2, args, used, &want);
    op->access = a;
    if (!used)
        return (Term){.kind = T_VOID};
    Value *old = op->results[0];
    return term_value(dtype_is_int(t) && t != DT_U64 ? emit_cast(e, call->pos, old, DT_I64) : old);
}

static Term call_signal(Elab *e, const Expr *call)
{
    const Expr *target = call->args.items[0], *pad;
    const Expr *op_name = named(call, "op"), *scope = named(call, "scope");
    if (!in_program(e, call, "signal"))
        return term_error();
    if (op_name && !is_word(op_name, "set") && !is_word(op_name, "add"))
        return fail(e, op_name->pos, NULL, "op is set or add");
    if (scope && !is_word(scope, "gpu") && !is_word(scope, "sys"))
        return fail(e, scope->pos, NULL, "scope is gpu or sys");
    Term base = target->kind == E_INDEX ? elab_expr(e, target->a) : term_error();
    if (base.kind != T_TENSOR)
        return fail(e, target->pos, "signal(f[r][i], v)",
                    "signal: the first argument is a word of a symmetric tensor");
    Access *a = NEW(e->arena, Access);
    Value *args[MAX_RANK + 2] = {base.v};
    int n = elab_access(e, target, &base, a, args + 1, &pad);
    Term x = elab_expr(e, call->args.items[1]);
    Value *v = n < 0 ? NULL : term_to(e, call->pos, &x, base.v->type.dtype, "signal");
    if (!v)
        return term_error();
    args[n + 1] = v;
    Op *op = emit(e, OP_SIGNAL, call->pos, n + 2, args, 0, NULL);
    op->access = a;
    op->name = is_word(op_name, "add") ? "add" : "set";
    return (Term){.kind = T_VOID};
}

static Term call_wait(Elab *e, const Expr *call)
{
    Term c = elab_condition(e, call->args.items[0], "wait");
    if (c.kind == T_ERROR || !in_program(e, call, "wait"))
        return term_error();
    Value *v = term_any(e, call->pos, &c, DT_BOOL);
    emit(e, OP_WAIT, call->pos, 1, &v, 0, NULL);
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
    Binding *scope = e->scope;
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

static Term builtin(Elab *e, const char *n, const Expr *call)
{
    for (size_t i = 0; i < sizeof unary_ops / sizeof *unary_ops; i++)
        if (strcmp(unary_ops[i].name, n) == 0)
            return call_unary(e, n, call, unary_ops[i].code);
#define IS(text) (strcmp(n, text) == 0)
    if (IS("reshape")) return call_reshape(e, call);
    if (IS("trans")) return call_trans(e, call);
    if (IS("squeeze")) return call_squeeze(e, call);
    if (IS("concat")) return call_concat(e, call);
    if (IS("iota")) return call_iota(e, call);
    if (IS("fill")) return call_fill(e, call);
    if (IS("size")) return call_size(e, call);
    if (IS("select")) return call_select(e, call);
    if (IS("take")) return call_take(e, call);
    if (IS("fma")) return call_fma(e, call);
    if (IS("copysign")) return call_copysign(e, call);
    if (IS("bits")) return call_bits(e, call);
    if (IS("from_bits")) return call_from_bits(e, call);
    if (IS("min")) return call_minmax(e, n, call, OP_MIN);
    if (IS("max")) return call_minmax(e, n, call, OP_MAX);
    if (IS("sum")) return call_sum(e, call);
    if (IS("amax")) return call_reduce(e, n, call, OP_AMAX, false);
    if (IS("amin")) return call_reduce(e, n, call, OP_AMIN, false);
    if (IS("any")) return call_any_all(e, n, call, OP_ANY);
    if (IS("all")) return call_any_all(e, n, call, OP_ALL);
    if (IS("cumsum")) return call_reduce(e, n, call, OP_CUMSUM, true);
    if (IS("cummax")) return call_reduce(e, n, call, OP_CUMMAX, true);
    if (IS("softmax")) return call_reduce(e, n, call, OP_SOFTMAX, true);
    if (IS("topk")) return call_topk(e, call);
    if (IS("rank")) return call_reduce(e, n, call, OP_RANK, true);
    if (IS("argmax")) return call_reduce(e, n, call, OP_ARGMAX, false);
    if (IS("histogram")) return call_classes(e, n, call, OP_HISTOGRAM);
    if (IS("occurrence")) return call_classes(e, n, call, OP_OCCURRENCE);
    if (IS("mma")) return call_mma(e, call);
    if (IS("mma_scaled")) return call_mma_scaled(e, call);
    if (IS("cdiv") || IS("align")) return call_cdiv(e, n, call);
    if (IS("grid_sync")) return call_grid_sync(e, call);
    if (IS("exchange")) return call_exchange(e, call);
    if (IS("atomic_add")) return call_atomic_add(e, call);
    if (IS("assert")) return call_assert(e, n, call, OP_ASSERT);
    if (IS("assume")) return call_assert(e, n, call, OP_ASSUME);
    if (IS("print")) return call_print(e, call);
    if (IS("signal")) return call_signal(e, call);
    if (IS("wait")) return call_wait(e, call);
    if (IS("has")) return call_has(e, call);
    if (IS("store")) return call_store(e, call);
#undef IS
    Term base = elab_expr(e, call->args.items[0]);
    if (base.kind == T_ERROR)
        return base;
    if (base.kind != T_TENSOR)
        return fail(e, call->pos, NULL, "%s takes a tensor, not %s", n, term_text(e, &base));
    return view_call(e, n, call, &base);
}

Term elab_call(Elab *e, const Expr *x)
{
    bool statement = e->is_statement;
    e->is_statement = false;
    Term f = elab_expr(e, x->a);
    e->as_statement = statement;
    switch (f.kind) {
    case T_ERROR: return f;
    case T_TYPE: return convert(e, x, f.dtype);
    case T_FN: return elab_fn(e, f.item, x);
    case T_BUILTIN: {
        const Builtin *b = builtin_find(f.text);
        if (!check_args(e, x, b->name, b->min, b->max, b->named))
            return term_error();
        return builtin(e, b->name, x);
    }
    default: return fail(e, x->pos, NULL, "%s cannot be called", term_text(e, &f));
    }
}
