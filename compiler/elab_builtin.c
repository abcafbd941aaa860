/* Builtins that make tiles of tiles: conversions, shape, elementwise, integer. */
#include "compiler/elab_builtin.h"

#include <math.h>
#include <string.h>

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

Term call_convert(Elab *e, const Expr *call, DType to)
{
    const char *name = dtype_info[to].name;
    if (!check_args(e, call, name, 1, 1, "round bits"))
        return term_error();
    const Expr *round = call_named(call, "round"), *random = call_named(call, "bits");
    if (random)
        return fail(e, random->pos, NULL,
                    "stochastic rounding (`bits =`) is not in the language yet");
    bool zero = expr_is(round, "zero");
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
        return fail(e, call->pos, why, "there is no conversion from %s to %s",
                    dtype_info[v->type.dtype].name, name);
    if (v->type.dtype == to)
        return term_value(v);
    Type type = v->type;
    type.dtype = to;
    Op *op = make_op(e, OP_CAST, call->pos, 1, &v, 1, &type);
    bool exact = v->type.dtype != DT_F32;
    op->round = zero && !exact ? ROUND_ZERO : ROUND_NEAREST;
    return term_value(op->results[0]);
}

static DType unsigned_of(DType t)
{
    switch (dtype_info[t].bits) {
    case 8:
        return DT_U8;
    case 16:
        return DT_U16;
    case 32:
        return DT_U32;
    case 64:
        return DT_U64;
    default:
        return DT_NONE;
    }
}

Term call_bits(Elab *e, const Expr *call)
{
    Value *v = call_tile(e, call, 0);
    if (!v)
        return term_error();
    DType t = unsigned_of(v->type.dtype);
    if (t == DT_NONE || v->type.dtype == DT_BOOL)
        return fail(e, call->pos, NULL, "bits takes no %s", dtype_info[v->type.dtype].name);
    Type type = v->type;
    type.dtype = t;
    return term_value(make_op1(e, OP_BITS, call->pos, 1, &v, type));
}

Term call_from_bits(Elab *e, const Expr *call)
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
        return fail(e, call->pos, NULL, "from_bits makes no %s", dtype_info[t.dtype].name);
    Value *v = term_any(e, call->pos, &a, want);
    if (!v)
        return term_error();
    /* integers of other width or sign are cut to the type's width: only their low bits count */
    if (dtype_is_int(v->type.dtype) && dtype_info[v->type.dtype].bits > dtype_info[want].bits)
        v = make_cast(e, call->pos, v, want);
    if (v->type.dtype != want)
        return fail(e, call->pos,
                    arena_format(e->arena, "convert with %s(..)", dtype_info[want].name),
                    "from_bits(%s, ..) takes %s, not %s", dtype_info[t.dtype].name,
                    dtype_info[want].name, dtype_info[v->type.dtype].name);
    Type type = v->type;
    type.dtype = t.dtype;
    return term_value(make_op1(e, OP_BITS, call->pos, 1, &v, type));
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
            fail(e, x->pos, NULL, "the extent is %lld, which is negative", (long long)t->dims[i]);
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

Term call_reshape(Elab *e, const Expr *call)
{
    Term t = elab_expr(e, call->args.items[0]);
    if (t.kind == T_TENSOR)
        return view_call(e, "reshape", call, &t);
    if (t.kind == T_ABSENT)
        return t;
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
    return term_value(make_op1(e, OP_RESHAPE, call->pos, 1, &v, type));
}

Term call_trans(Elab *e, const Expr *call)
{
    Term t = elab_expr(e, call->args.items[0]);
    if (t.kind == T_TENSOR)
        return view_call(e, "trans", call, &t);
    if (t.kind == T_ABSENT)
        return t;
    Value *v = term_any(e, call->args.items[0]->pos, &t, DT_NONE);
    if (!v)
        return term_error();
    Type type = v->type;
    if (type.rank < 2)
        return fail(e, call->pos, NULL,
                    "trans of %s, which has no two axes: it swaps the last two axes",
                    type_text(e->arena, &type));
    int64_t d = type.dims[type.rank - 1];
    type.dims[type.rank - 1] = type.dims[type.rank - 2];
    type.dims[type.rank - 2] = d;
    return term_value(make_op1(e, OP_TRANS, call->pos, 1, &v, type));
}

Term call_squeeze(Elab *e, const Expr *call)
{
    Value *v = call_tile(e, call, 0);
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
    return term_value(make_op1(e, OP_RESHAPE, call->pos, 1, &v, type));
}

Term call_concat(Elab *e, const Expr *call)
{
    const Expr *named_axis = call_named(call, "axis");
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
    if (named_axis && !call_axis(e, named_axis, &v[0]->type, "concat", &axis))
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
            return fail(e, call->args.items[i]->pos,
                        "ranks are equal, and so are the extents of the other axes",
                        "concat along axis %d of %s and %s, which do not fit", axis,
                        type_text(e->arena, &v[0]->type), type_text(e->arena, &v[i]->type));
        out.dims[axis] += v[i]->type.dims[axis];
    }
    for (int i = 0; i < n; i++)
        v[i] = make_cast(e, call->pos, v[i], out.dtype);
    Op *op = make_op(e, OP_CONCAT, call->pos, n, v, 1, &out);
    op->axis = axis;
    return term_value(op->results[0]);
}

Term call_iota(Elab *e, const Expr *call)
{
    Type t = {.kind = TY_TILE, .dtype = DT_I64};
    if (!const_shape(e, call, 0, &t))
        return term_error();
    return term_value(make_op1(e, OP_IOTA, call->pos, 0, NULL, t));
}

Term call_fill(Elab *e, const Expr *call)
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
    return term_value(make_op1(e, OP_BROADCAST, call->pos, 1, &v, t));
}

Term call_size(Elab *e, const Expr *call)
{
    Term a = elab_expr(e, call->args.items[0]);
    int axis;
    if (a.kind == T_ERROR)
        return a;
    if (a.kind != T_VALUE && a.kind != T_TENSOR)
        return fail(e, call->pos, "size(x, axis) is of a tile or a tensor", "%s has no size",
                    term_text(e, &a));
    if (!call_axis(e, call->args.items[1], &a.v->type, "size", &axis))
        return term_error();
    if (a.v->type.dims[axis] >= 0)
        return term_int(a.v->type.dims[axis]);
    return term_value(tensor_extent(e, call->pos, a.v, axis));
}

Term call_select(Elab *e, const Expr *call)
{
    Value *c = elab_value(e, call->args.items[0], DT_BOOL);
    Term ta = elab_expr(e, call->args.items[1]), tb = elab_expr(e, call->args.items[2]);
    if (!c || ta.kind == T_ERROR || tb.kind == T_ERROR)
        return term_error();
    if (c->type.dtype != DT_BOOL)
        return fail(e, call->args.items[0]->pos, "compare it: x != 0",
                    "select: the condition is %s, not bool", type_text(e->arena, &c->type));
    DType hint = ta.kind == T_VALUE                         ? ta.v->type.dtype
                 : tb.kind == T_VALUE                       ? tb.v->type.dtype
                 : ta.kind == T_FLOAT || tb.kind == T_FLOAT ? DT_F32
                                                            : DT_NONE;
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
    return term_value(make_op1(e, OP_SELECT, call->pos, 3, (Value *[]){c, a, b}, out));
}

Term call_take(Elab *e, const Expr *call)
{
    Value *x = call_tile(e, call, 0), *i = elab_value(e, call->args.items[1], DT_I64);
    const Expr *pad = call_named(call, "pad");
    if (!x || !i)
        return term_error();
    if (x->type.rank < 1)
        return fail(e, call->pos, NULL, "take from a scalar: it has no axis");
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
    Op *op = make_op(e, OP_EXTRACT, call->pos, 2, (Value *[]){x, i}, 1, &t);
    op->access = a;
    op->bits = bits;
    return scalar_as_i64(e, call->pos, op->results[0]);
}

/* Elementwise */

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

/* What the operation takes, for messages. */
static const char *unary_text(OpCode code)
{
    const char *flags = op_info[code].flags;
    if (code == OP_ABS || code == OP_NEG)
        return "numbers";
    if (code == OP_ISFINITE || code == OP_ISNAN)
        return "numbers with a fraction";
    return strchr(flags, 'I') ? "integers" : "f32";
}

static Term const_abs(const Term *t)
{
    return t->kind == T_INT ? term_int(t->i < 0 ? -t->i : t->i) : term_float(fabs(t->f));
}

Term call_unary(Elab *e, const char *name, const Expr *call, OpCode code)
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
        return fail(e, call->pos, hint, "%s takes %s, not %s", name, unary_text(code),
                    dtype_info[v->type.dtype].name);
    }
    Type type = v->type;
    if (strchr(op_info[code].flags, 'B'))
        type.dtype = DT_BOOL;
    return term_value(make_op1(e, code, call->pos, 1, &v, type));
}

Term call_minmax(Elab *e, const char *name, const Expr *call, OpCode code)
{
    Term a = elab_expr(e, call->args.items[0]), b = elab_expr(e, call->args.items[1]);
    if (a.kind == T_ERROR || b.kind == T_ERROR)
        return term_error();
    if (a.kind == T_INT && b.kind == T_INT)
        return (code == OP_MAX) == (a.i > b.i) ? a : b;
    if (a.kind == T_BOOL && b.kind == T_BOOL)
        return fail(e, call->pos, "write & or |", "%s takes no bools", name);
    if (term_is_constant(&a) && term_is_constant(&b) && a.kind != T_TYPE) {
        Term g = const_binary(e, E_GT, call->pos, &a, &b);
        return g.kind != T_BOOL ? term_error() : (code == OP_MAX) == (g.i != 0) ? a : b;
    }
    DType hint = a.kind == T_VALUE   ? a.v->type.dtype
                 : b.kind == T_VALUE ? b.v->type.dtype
                                     : DT_NONE;
    Value *va = a.kind == T_VALUE ? a.v : term_to(e, call->args.items[0]->pos, &a, hint, name);
    Value *vb = b.kind == T_VALUE ? b.v : term_to(e, call->args.items[1]->pos, &b, hint, name);
    if (!va || !vb || !unify_types(e, call->pos, name, &va, &vb))
        return term_error();
    if (va->type.dtype == DT_BOOL)
        return fail(e, call->pos, "write & or |", "%s takes no bools", name);
    return term_value(make_binary(e, code, call->pos, va, vb));
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

Term call_fma(Elab *e, const Expr *call)
{
    Value *v[3];
    Type ab, out;
    if (!float_args(e, call, "fma", 3, v) ||
        !broadcast_shape(e, call->pos, "fma", &v[0]->type, &v[1]->type, &ab) ||
        !broadcast_shape(e, call->pos, "fma", &ab, &v[2]->type, &out))
        return term_error();
    return term_value(make_op1(e, OP_FMA, call->pos, 3, v, out));
}

Term call_copysign(Elab *e, const Expr *call)
{
    Value *v[2];
    if (!float_args(e, call, "copysign", 2, v))
        return term_error();
    return term_value(make_binary(e, OP_COPYSIGN, call->pos, v[0], v[1]));
}

/* Integers */

Term call_cdiv(Elab *e, const char *name, const Expr *call, OpCode code)
{
    Term a = elab_expr(e, call->args.items[0]), b = elab_expr(e, call->args.items[1]);
    if (a.kind == T_FLOAT || b.kind == T_FLOAT)
        return fail(e, call->pos, NULL, "%s takes integers, not numbers with a fraction", name);
    Term one = term_int(1);
    Term c = elab_binary(e, E_SUB, call->pos, &b, &one);
    c = elab_binary(e, E_ADD, call->pos, &a, &c);
    c = elab_binary(e, E_FDIV, call->pos, &c, &b);
    if (code == OP_FDIV)
        return c;
    return elab_binary(e, E_MUL, call->pos, &c, &b);
}
