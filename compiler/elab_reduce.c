/* Builtins over axes: reductions, scans, order, and mma (R8, R9, R10). */
#include "compiler/elab_builtin.h"

#include <string.h>

/* Reductions, scans, order */

static Value *reduced_arg(Elab *e, const Expr *call, const char *name, int *axis)
{
    Value *v = call_tile(e, call, 0);
    if (!v || !call_axis(e, call->args.items[1], &v->type, name, axis))
        return NULL;
    return v;
}

static bool addable(Elab *e, const Expr *call, const char *name, const Value *v)
{
    DType t = v->type.dtype;
    if (t == DT_F32 || t == DT_F64 || dtype_is_int(t))
        return true;
    const char *hint = t == DT_BOOL ? "convert with i32(..)" : "convert with f32(..)";
    fail(e, call->pos, hint, "%s takes f32 or integers, not %s", name, dtype_info[t].name);
    return false;
}

Term call_sum(Elab *e, const Expr *call)
{
    int axis, n = 1;
    Value *args[2];
    if (!(args[0] = reduced_arg(e, call, "sum", &axis)) || !addable(e, call, "sum", args[0]))
        return term_error();
    const Expr *order = call_named(call, "order"), *init = call_named(call, "init");
    bool seq = expr_is(order, "seq"), tree = expr_is(order, "tree");
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
    Op *op = make_op(e, OP_SUM, call->pos, n, args, 1, &t);
    op->axis = axis;
    op->order = seq ? ORDER_SEQ : tree ? ORDER_TREE : ORDER_DEFAULT;
    return term_value(op->results[0]);
}

Term call_reduce(Elab *e, const char *name, const Expr *call, OpCode code)
{
    bool keeps = code == OP_CUMSUM || code == OP_CUMMAX || code == OP_SOFTMAX || code == OP_RANK;
    int axis;
    Value *v = reduced_arg(e, call, name, &axis);
    if (!v)
        return term_error();
    if (code == OP_CUMSUM && !addable(e, call, name, v))
        return term_error();
    if (code == OP_SOFTMAX && v->type.dtype != DT_F32)
        return fail(e, call->pos, "convert with f32(..)", "softmax takes f32, not %s",
                    dtype_info[v->type.dtype].name);
    if (v->type.dtype == DT_BOOL)
        return fail(e, call->pos, "use any or all, or convert with i32(..)", "%s takes no bools",
                    name);
    Type t = v->type;
    if (!keeps)
        t.dims[axis] = 1;
    if (code == OP_ARGMAX || code == OP_RANK)
        t.dtype = DT_I32;
    bool exclusive = false;
    if (call_named(call, "exclusive")) {
        Term x = elab_expr(e, call_named(call, "exclusive"));
        if (x.kind != T_BOOL)
            return fail(e, call->pos, NULL, "exclusive is true or false");
        exclusive = x.i != 0;
    }
    if (code == OP_ARGMAX && v->type.dims[axis] == 0)
        return fail(e, call->pos, NULL, "argmax of an empty axis has no value");
    Op *op = make_op(e, code, call->pos, 1, &v, 1, &t);
    op->axis = axis;
    op->exclusive = exclusive;
    return term_value(op->results[0]);
}

Term call_any_all(Elab *e, const char *name, const Expr *call, OpCode code)
{
    Value *v = elab_value(e, call->args.items[0], DT_BOOL);
    if (!v)
        return term_error();
    if (v->type.dtype != DT_BOOL)
        return fail(e, call->pos, "compare it: x != 0", "%s takes bools, not %s", name,
                    type_text(e->arena, &v->type));
    Type t = scalar_type(DT_BOOL);
    int axis = -1;
    if (call->args.count == 2) {
        if (!call_axis(e, call->args.items[1], &v->type, name, &axis))
            return term_error();
        t = v->type;
        t.dims[axis] = 1;
    }
    Op *op = make_op(e, code, call->pos, 1, &v, 1, &t);
    op->axis = axis;
    return term_value(op->results[0]);
}

Term call_topk(Elab *e, const Expr *call)
{
    Value *v = call_tile(e, call, 0);
    int64_t k;
    int axis;
    if (!v || !elab_int(e, call->args.items[1], "topk: k", &k) ||
        !call_axis(e, call->args.items[2], &v->type, "topk", &axis))
        return term_error();
    if (k < 0 || k > v->type.dims[axis])
        return fail(e, call->args.items[1]->pos, NULL,
                    "topk: the best %lld of an axis of %lld elements", (long long)k,
                    (long long)v->type.dims[axis]);
    if (v->type.dtype == DT_BOOL)
        return fail(e, call->pos, "convert with i32(..)", "topk takes no bools");
    Type t[2] = {v->type, v->type};
    t[0].dims[axis] = t[1].dims[axis] = k;
    t[1].dtype = DT_I32;
    Op *op = make_op(e, OP_TOPK, call->pos, 1, &v, 2, t);
    op->axis = axis;
    Term pair = {.kind = T_TUPLE, .count = 2, .items = NEW_ARRAY(e->arena, Term, 2)};
    pair.items[0] = term_value(op->results[0]);
    pair.items[1] = term_value(op->results[1]);
    return pair;
}

Term call_classes(Elab *e, const char *name, const Expr *call, OpCode code)
{
    Value *v = elab_value(e, call->args.items[0], DT_NONE);
    int64_t n = 0;
    bool counted = call->args.count > 1;
    const char *what = arena_format(e->arena, "%s: n", name);
    if (!v || (counted && !elab_int(e, call->args.items[1], what, &n)))
        return term_error();
    if (v->type.rank != 1 || !dtype_is_int(v->type.dtype))
        return fail(e, call->pos, NULL, "%s takes an integer tile of one axis, not %s", name,
                    type_text(e->arena, &v->type));
    if (n < (counted && code == OP_OCCURRENCE) || n > (int64_t)1 << 31)
        return fail(e, call->pos, NULL, "%s of %lld classes", name, (long long)n);
    Type t = v->type;
    t.dtype = DT_I32;
    if (code == OP_HISTOGRAM)
        t.dims[0] = n;
    Value *r = make_op1(e, code, call->pos, 1, &v, t);
    if (code == OP_OCCURRENCE)
        r->op->bits = (uint64_t)n;
    return term_value(r);
}

/* mma (R9) */

static int mma_class(DType t)
{
    switch (t) {
    case DT_BF16:
        return 1;
    case DT_F16:
        return 2;
    case DT_E4M3:
    case DT_E5M2:
        return 3;
    case DT_TF32:
        return 4;
    case DT_I8:
        return 5;
    default:
        return 0;
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
    fail(e, call->pos, hint, "mma of %s and %s: their shapes do not fit", ta, tb);
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
    fail(e, call->args.items[at]->pos, NULL, "mma: the sum c is %s, the product a * b is %s",
         type_text(e->arena, &v->type), type_text(e->arena, &t));
    return NULL;
}

Term call_mma(Elab *e, const Expr *call)
{
    Value *a = call_tile(e, call, 0), *b = call_tile(e, call, 1);
    if (!a || !b || !mma_shapes(e, call, a, b))
        return term_error();
    int class = mma_class(a->type.dtype);
    if (!class || class != mma_class(b->type.dtype)) {
        const char *hint = a->type.dtype == DT_F32 || b->type.dtype == DT_F32
                               ? "write tf32(x), or bf16(x)"
                               : "operands are both bf16, f16, e4m3/e5m2, tf32 or i8";
        return fail(e, call->pos, hint, "there is no mma of %s and %s",
                    dtype_info[a->type.dtype].name, dtype_info[b->type.dtype].name);
    }
    Type t = {.kind = TY_TILE,
              .dtype = class == 5 ? DT_I32 : DT_F32,
              .rank = 2,
              .dims = {a->type.dims[0], b->type.dims[1]}};
    Value *c = mma_sum(e, call, 2, t);
    if (!c)
        return term_error();
    return term_value(make_op1(e, OP_MMA, call->pos, 3, (Value *[]){a, b, c}, t));
}

static bool scaled_operand(DType t)
{
    return t == DT_E4M3 || t == DT_E5M2 || t == DT_E2M1;
}

Term call_mma_scaled(Elab *e, const Expr *call)
{
    Value *v[5];
    for (int i = 0; i < 4; i++)
        if (!(v[i] = call_tile(e, call, i)))
            return term_error();
    if (!mma_shapes(e, call, v[0], v[2]))
        return term_error();
    if (!scaled_operand(v[0]->type.dtype) || !scaled_operand(v[2]->type.dtype))
        return fail(e, call->pos, NULL, "mma_scaled takes e4m3, e5m2 or e2m1, not %s and %s",
                    dtype_info[v[0]->type.dtype].name, dtype_info[v[2]->type.dtype].name);
    bool fp4 = v[0]->type.dtype == DT_E2M1 && v[2]->type.dtype == DT_E2M1;
    DType ts = v[1]->type.dtype;
    int64_t m = v[0]->type.dims[0], k = v[0]->type.dims[1], n = v[2]->type.dims[1];
    int64_t block = fp4 && ts == DT_E4M3 ? 16 : 32;
    bool scales = ts == v[3]->type.dtype && (ts == DT_UE8M0 || block == 16);
    bool shapes = v[1]->type.rank == 2 && v[3]->type.rank == 2 && k % block == 0 &&
                  v[1]->type.dims[0] == m && v[1]->type.dims[1] == k / block &&
                  v[3]->type.dims[0] == k / block && v[3]->type.dims[1] == n;
    if (!scales || !shapes)
        return fail(e, call->pos,
                    "sa is ue8m0[m, k / 32], sb ue8m0[k / 32, n]; "
                    "coarser scales are written with upsample",
                    "mma_scaled of %s and %s: the scales are %s and %s",
                    type_text(e->arena, &v[0]->type), type_text(e->arena, &v[2]->type),
                    type_text(e->arena, &v[1]->type), type_text(e->arena, &v[3]->type));
    Type t = {.kind = TY_TILE, .dtype = DT_F32, .rank = 2, .dims = {m, n}};
    if (!(v[4] = mma_sum(e, call, 4, t)))
        return term_error();
    return term_value(make_op1(e, OP_MMA_SCALED, call->pos, 5, v, t));
}
