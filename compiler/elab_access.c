/* Loads, stores, indexing of tiles, and views (R3, R23, R24). */
#include "compiler/elab.h"

#include <string.h>

Value *tensor_extent(Elab *e, Pos pos, Value *t, int axis)
{
    if (t->type.dims[axis] >= 0)
        return constant_int(e, t->type.dims[axis]);
    if (t->op && t->op->code == OP_TENSOR)
        return t->op->args[axis];
    if (t->op && t->op->code == OP_VIEW_RESHAPE)
        return t->op->args[1 + axis];
    Op *op = make_op(e, OP_EXTENT, pos, 1, &t, 1, &(Type){.kind = TY_TILE, .dtype = DT_I64});
    op->axis = axis;
    return op->results[0];
}

static bool axis_scalar(Elab *e, const Expr *x, Access *a, int k, Value **arg)
{
    Term t = elab_expr(e, x);
    if (t.kind == T_VALUE && t.v->type.rank == 1 && dtype_is_int(t.v->type.dtype)) {
        a->axis[k].kind = AX_TILE;
        a->axis[k].extent = t.v->type.dims[0];
        *arg = t.v;
        return true;
    }
    if (t.kind == T_VALUE && t.v->type.rank > 1) {
        fail(e, x->pos, "squeeze or reshape it to one axis", "an index tile has one axis, not %s",
             term_text(e, &t));
        return false;
    }
    a->axis[k].kind = AX_SCALAR;
    *arg = term_index(e, x->pos, &t, "an index");
    return *arg != NULL;
}

/* Two e2m1 share a byte: a slice along the last axis takes both or none of them (R25). A start that
 * is known only in a run is checked there. */
static bool starts_even(Elab *e, const Expr *x, const Access *a, const Type *t, Value *const *args)
{
    int64_t start, extent;
    int last = t->rank - 1, at = x->args.count - 1;
    if (t->kind != TY_TENSOR || t->dtype != DT_E2M1 || last < 0 || a->axis[last].kind != AX_SLICE)
        return true;
    while (x->args.items[at]->kind != E_SLICE)
        at--;
    extent = a->axis[last].extent;
    if (value_int(*args, &start) && start % 2 != 0) {
        fail(e, x->args.items[at]->a->pos, "two elements share a byte",
             "a slice of e2m1 starts at an even index, not %lld", (long long)start);
        return false;
    }
    if (extent % 2 != 0)
        fail(e, x->args.items[at]->b->pos, "two elements share a byte",
             "a slice of e2m1 has an even extent, not %lld", (long long)extent);
    return extent % 2 == 0;
}

static bool axis_slice(Elab *e, const Expr *x, Access *a, int k, Value **arg)
{
    a->axis[k].kind = AX_SLICE;
    *arg = elab_index(e, x->a, "the start of a slice");
    if (!elab_int(e, x->b, "the extent of a slice", &a->axis[k].extent) || !*arg)
        return false;
    if (a->axis[k].extent < 0) {
        fail(e, x->b->pos, NULL, "the extent of a slice is %lld", (long long)a->axis[k].extent);
        return false;
    }
    return true;
}

/* Index tiles of one access are equally long: they go together, element by element (R3). */
static bool index_tiles_agree(Elab *e, const Expr *x, const Access *a)
{
    int64_t n = -1;
    for (int k = 0; k < a->count; k++) {
        if (a->axis[k].kind != AX_TILE)
            continue;
        if (n >= 0 && n != a->axis[k].extent) {
            fail(e, x->pos, "they go together, element i of each",
                 "index tiles of %lld and %lld elements in one access", (long long)n,
                 (long long)a->axis[k].extent);
            return false;
        }
        n = a->axis[k].extent;
    }
    return true;
}

int elab_access(Elab *e, const Expr *x, const Term *base, Access *a, Value **args, const Expr **pad)
{
    const Type *t = &base->v->type;
    *a = (Access){0};
    int n = 0, axes = 0;
    *pad = NULL;
    for (int i = 0; i < x->args.count; i++) {
        const Expr *arg = x->args.items[i];
        if (arg->kind == E_NAMED) {
            if (strcmp(arg->name, "pad") != 0) {
                fail(e, arg->pos, NULL, "[ ] takes pad =, not %s =", arg->name);
                return -1;
            }
            *pad = arg->a;
        } else {
            axes++;
        }
    }
    if (axes != t->rank) {
        fail(e, x->pos, "write one index an axis; `:` is a whole axis", "%d ind%s for %s", axes,
             axes == 1 ? "ex" : "ices", type_text(e->arena, t));
        return -1;
    }
    for (int i = 0; i < x->args.count; i++) {
        const Expr *arg = x->args.items[i];
        if (arg->kind == E_NAMED)
            continue;
        int k = a->count++;
        if (arg->kind == E_FULL) {
            a->axis[k].kind = AX_FULL;
            a->axis[k].extent = t->dims[k];
            if (t->dims[k] < 0) {
                fail(e, arg->pos, "loop over the axis with `by`, or fix the dim in `instances`",
                     "`:` needs a constant extent; axis %d of %s has a run-time one", k,
                     base->v->name ? base->v->name : "the tensor");
                return -1;
            }
        } else if (!(arg->kind == E_SLICE ? axis_slice(e, arg, a, k, &args[n])
                                          : axis_scalar(e, arg, a, k, &args[n]))) {
            return -1;
        } else {
            n++;
        }
    }
    return index_tiles_agree(e, x, a) && starts_even(e, x, a, t, args + n - 1) ? n : -1;
}

static bool size_fits(Elab *e, Pos pos, const Type *t)
{
    Wide n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->dims[i] ? t->dims[i] : 1;
    if (t->rank <= MAX_RANK && n <= (Wide)1 << 31)
        return true;
    fail(e, pos, "use smaller extents and a loop", "a tile of %s is too large",
         type_text(e->arena, t));
    return false;
}

static bool pad_bits(Elab *e, const Expr *pad, DType t, uint64_t *bits)
{
    *bits = 0;
    if (!pad)
        return true;
    Term p = elab_expr(e, pad);
    if (p.kind == T_ERROR)
        return false;
    if (p.kind != T_INT && p.kind != T_FLOAT && p.kind != T_BOOL) {
        fail(e, pad->pos, NULL, "pad is a constant, not %s", term_text(e, &p));
        return false;
    }
    return constant_bits(e, pad->pos, &p, t, bits);
}

/* u64 stays: i64 could not hold it. */
Term scalar_as_i64(Elab *e, Pos pos, Value *v)
{
    if (v->type.rank == 0 && dtype_is_int(v->type.dtype) && v->type.dtype != DT_U64)
        v = make_cast(e, pos, v, DT_I64);
    return term_value(v);
}

static Term load(Elab *e, const Expr *x, const Term *base, OpCode code)
{
    Access *a = NEW(e->arena, Access);
    Value *args[MAX_RANK + 1] = {base->v};
    const Expr *pad;
    uint64_t bits;
    int n = elab_access(e, x, base, a, args + 1, &pad);
    if (n < 0 || !pad_bits(e, pad, base->v->type.dtype, &bits))
        return term_error();
    Type t = access_type(base->v->type.dtype, a, args + 1);
    if (!size_fits(e, x->pos, &t))
        return term_error();
    Op *op = make_op(e, code, x->pos, n + 1, args, 1, &t);
    op->access = a;
    op->bits = bits;
    return scalar_as_i64(e, x->pos, op->results[0]);
}

static Term table_entry(Elab *e, const Expr *x, const Term *base)
{
    if (x->args.count != 1 || x->args.items[0]->kind == E_SLICE ||
        x->args.items[0]->kind == E_FULL || x->args.items[0]->kind == E_NAMED)
        return fail(e, x->pos, "xs[l] is entry l, xs[l][i, :] loads from it",
                    "a table takes one index");
    Value *l = elab_index(e, x->args.items[0], "a table's index");
    if (!l)
        return term_error();
    Type t = base->v->type;
    t.kind = TY_TENSOR;
    Value *v = make_op1(e, OP_TABLE, x->pos, 2, (Value *[]){base->v, l}, t);
    v->name = base->v->name;
    return term_tensor(v);
}

/* Directions: what a program may not do with a tensor, and where. */
static const Op *root_tensor(const Value *v)
{
    const Op *op = v->op;
    while (op && op->code != OP_TENSOR && op->code != OP_LOCAL)
        op = op->nargs ? op->args[0]->op : NULL;
    return op;
}

Term elab_index_expr(Elab *e, const Expr *x)
{
    Term base = elab_expr(e, x->a);
    switch (base.kind) {
    case T_ERROR:
        return base;
    case T_TABLE:
        return table_entry(e, x, &base);
    case T_VALUE:
        return load(e, x, &base, OP_EXTRACT);
    case T_TENSOR: {
        const Op *root = root_tensor(base.v);
        if (e->in_range && !e->in_par && root && root->tensor && root->tensor->dir != PARAM_IN &&
            !e->later_phase)
            return fail(e, x->pos, "ranges of a first phase load from `in` tensors only",
                        "a par range loads from %s, which is %s", root->name,
                        dir_name[root->tensor->dir]);
        if (!e->in_par && !e->in_range)
            return fail(e, x->pos, NULL, "a load outside every par");
        return load(e, x, &base, OP_LOAD);
    }
    case T_ABSENT:
        return fail(e, x->pos, arena_format(e->arena, "use it only where has(%s) holds", base.text),
                    "%s is used where it may be absent", base.text);
    default:
        return fail(e, x->pos, NULL, "%s cannot be indexed", term_text(e, &base));
    }
}

/* A tile stretched to a shape it fits. */
Value *broadcast_to(Elab *e, Pos pos, Value *v, const Type *want)
{
    if (type_equal(&v->type, want))
        return v;
    if (v->op && v->op->code == OP_CONST)
        return constant(e, *want, v->op->bits);
    return make_op1(e, OP_BROADCAST, pos, 1, &v, *want);
}

bool stretches_to(const Type *t, const Type *want)
{
    bool ok = t->rank == 0 || t->rank == want->rank;
    for (int i = 0; ok && i < t->rank; i++)
        ok = t->dims[i] == want->dims[i] || t->dims[i] == 1;
    return ok;
}

/* The value as the access of the target wants it: same element type, shape or broadcast. */
static Value *stored_value(Elab *e, Pos pos, const Expr *value, const Type *want, const char *name)
{
    Term t = elab_expr(e, value);
    if (t.kind == T_ERROR)
        return NULL;
    Value *v = term_to(e, value->pos, &t, want->dtype, arena_format(e->arena, "store to %s", name));
    if (!v)
        return NULL;
    if (stretches_to(&v->type, want))
        return broadcast_to(e, pos, v, want);
    const char *hint = type_elements(&v->type) == type_elements(want) ? "reshape or squeeze it?"
                                                                      : NULL;
    fail(e, pos, hint, "store to %s: %s into %s: the shapes differ", name,
         type_text(e->arena, &v->type), type_text(e->arena, want));
    return NULL;
}

static bool may_store(Elab *e, Pos pos, const Term *base)
{
    for (const Op *op = base->v->op; op; op = op->nargs ? op->args[0]->op : NULL)
        if (op->code == OP_VIEW_UPSAMPLE) {
            fail(e, pos, NULL, "an upsampled view is for loads only");
            return false;
        }
    const Op *root = root_tensor(base->v);
    if (root && root->tensor && root->tensor->dir == PARAM_IN) {
        fail(e, pos, "declare it out or inout", "%s is an `in` tensor: it cannot be stored to",
             root->name);
        return false;
    }
    if (!e->in_par) {
        fail(e, pos, NULL, "a store outside every par");
        return false;
    }
    return true;
}

void elab_store(Elab *e, const Expr *target, const Expr *value, Pos pos)
{
    Term base = elab_expr(e, target->a);
    if (base.kind == T_VALUE) {
        fail(e, target->pos, "tiles are values: build a new one (select, concat), or use a `local`",
             "a tile cannot be stored to");
        return;
    }
    if (base.kind == T_ABSENT)
        fail(e, target->pos, arena_format(e->arena, "use it only where has(%s) holds", base.text),
             "%s is used where it may be absent", base.text);
    else if (base.kind != T_TENSOR && base.kind != T_ERROR)
        fail(e, target->pos, base.kind == T_TABLE ? "xs[l][i, :] = .. stores to entry l" : NULL,
             "%s cannot be stored to", term_text(e, &base));
    if (base.kind != T_TENSOR || !may_store(e, target->pos, &base))
        return;
    Access *a = NEW(e->arena, Access);
    Value *args[MAX_RANK + 2] = {base.v};
    const Expr *pad;
    int n = elab_access(e, target, &base, a, args + 1, &pad);
    if (n < 0)
        return;
    if (pad) {
        fail(e, pad->pos, NULL, "pad belongs to loads; a store outside is dropped");
        return;
    }
    Type want = access_type(base.v->type.dtype, a, args + 1);
    const Op *root = root_tensor(base.v);
    Value *v = stored_value(e, pos, value, &want, root && root->name ? root->name : "the tensor");
    if (!v || !size_fits(e, pos, &want))
        return;
    args[n + 1] = v;
    make_op(e, OP_STORE, pos, n + 2, args, 0, NULL)->access = a;
}

/* Views */

static Value *view_extent(Elab *e, const Expr *x, int64_t *dim)
{
    Value *v = elab_index(e, x, "an extent");
    if (v && !value_int(v, dim))
        *dim = -1;
    return v;
}

static Term view_reshape(Elab *e, const Expr *call, const Term *base, int first)
{
    Value *args[MAX_RANK + 1] = {base->v};
    int n = call->args.count - first;
    if (n > MAX_RANK || n < 1)
        return fail(e, call->pos, NULL, "reshape to %d axes; 1 to %d are possible", n, MAX_RANK);
    Type t = {.kind = TY_TENSOR, .dtype = base->v->type.dtype, .rank = n};
    for (int i = 0; i < n; i++)
        if (!(args[1 + i] = view_extent(e, call->args.items[first + i], &t.dims[i])))
            return term_error();
    Wide have = 1, want = 1;
    for (int i = 0; i < base->v->type.rank; i++)
        have = base->v->type.dims[i] < 0 || have < 0 ? -1 : have * base->v->type.dims[i];
    for (int i = 0; i < n; i++)
        want = t.dims[i] < 0 || want < 0 ? -1 : want * t.dims[i];
    if (have >= 0 && want >= 0 && have != want)
        return fail(e, call->pos, NULL, "reshape of %s to %lld elements",
                    type_text(e->arena, &base->v->type), (long long)want);
    return term_tensor(make_op1(e, OP_VIEW_RESHAPE, call->pos, n + 1, args, t));
}

static Term view_flat(Elab *e, const Expr *call, const Term *base)
{
    const Type *from = &base->v->type;
    Type t = {.kind = TY_TENSOR, .dtype = from->dtype, .rank = 1, .dims = {1}};
    Value *n = constant_int(e, 1);
    for (int i = 0; i < from->rank; i++) {
        t.dims[0] = t.dims[0] < 0 || from->dims[i] < 0 ? -1 : t.dims[0] * from->dims[i];
        Value *x = tensor_extent(e, call->pos, base->v, i);
        n = i == 0 ? x : make_binary(e, OP_MUL, call->pos, n, x);
    }
    if (t.dims[0] >= 0)
        n = constant_int(e, t.dims[0]);
    return term_tensor(make_op1(e, OP_VIEW_RESHAPE, call->pos, 2, (Value *[]){base->v, n}, t));
}

static Term view_slice(Elab *e, const Expr *call, const Term *base)
{
    const Type *from = &base->v->type;
    int64_t axis = 0;
    Value *bound[2] = {0};
    int n = 0;
    for (int i = 1; i < call->args.count; i++) {
        const Expr *x = call->args.items[i];
        if (x->kind == E_NAMED) {
            if (!elab_int(e, x->a, "axis", &axis))
                return term_error();
        } else if (n < 2 && !(bound[n++] = elab_index(e, x, "a bound of slice"))) {
            return term_error();
        }
    }
    if (axis < 0 || axis >= from->rank)
        return fail(e, call->pos, "axes are counted from 0", "axis %lld of %s does not exist",
                    (long long)axis, type_text(e->arena, from));
    Type t = *from;
    int64_t lo, hi;
    t.dims[axis] = -1;
    if (from->dims[axis] >= 0 && value_int(bound[0], &lo) && value_int(bound[1], &hi)) {
        lo = lo < 0 ? 0 : lo > from->dims[axis] ? from->dims[axis] : lo;
        hi = hi < 0 ? 0 : hi > from->dims[axis] ? from->dims[axis] : hi;
        t.dims[axis] = hi < lo ? 0 : hi - lo;
    }
    Op *op = make_op(e, OP_VIEW_SLICE, call->pos, 3, (Value *[]){base->v, bound[0], bound[1]}, 1,
                     &t);
    op->axis = (int)axis;
    return term_tensor(op->results[0]);
}

static Term view_upsample(Elab *e, const Expr *call, const Term *base)
{
    const Type *from = &base->v->type;
    if (call->args.count != from->rank + 1)
        return fail(e, call->pos, NULL, "upsample takes a factor an axis: %d for %s", from->rank,
                    type_text(e->arena, from));
    Value *args[MAX_RANK + 1] = {base->v};
    Type t = *from;
    for (int i = 0; i < from->rank; i++) {
        int64_t f;
        args[i + 1] = view_extent(e, call->args.items[i + 1], &f);
        if (!args[i + 1])
            return term_error();
        if (f == 0 || f < -1)
            return fail(e, call->args.items[i + 1]->pos, NULL, "a factor is at least 1");
        t.dims[i] = f < 0 || from->dims[i] < 0 ? -1 : f * from->dims[i];
    }
    return term_tensor(make_op1(e, OP_VIEW_UPSAMPLE, call->pos, from->rank + 1, args, t));
}

static Term view_trans(Elab *e, const Expr *call, const Term *base)
{
    Type t = base->v->type;
    if (t.rank < 2)
        return fail(e, call->pos, NULL,
                    "trans of %s, which has no two axes: it swaps the last two axes",
                    type_text(e->arena, &t));
    int64_t d = t.dims[t.rank - 1];
    t.dims[t.rank - 1] = t.dims[t.rank - 2];
    t.dims[t.rank - 2] = d;
    return term_tensor(make_op1(e, OP_VIEW_TRANS, call->pos, 1, &base->v, t));
}

Term view_call(Elab *e, const char *name, const Expr *call, const Term *base)
{
    const Op *root = root_tensor(base->v);
    Term t;
    if (strcmp(name, "reshape") == 0)
        t = view_reshape(e, call, base, 1);
    else if (strcmp(name, "flat") == 0)
        t = view_flat(e, call, base);
    else if (strcmp(name, "slice") == 0)
        t = view_slice(e, call, base);
    else if (strcmp(name, "upsample") == 0)
        t = view_upsample(e, call, base);
    else
        t = view_trans(e, call, base);
    if (t.kind == T_TENSOR && root && !t.v->name)
        t.v->name = root->name;
    return t;
}
