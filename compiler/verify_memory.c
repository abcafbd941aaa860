#include "compiler/verify.h"

#include <string.h>

static bool int_scalars(Verifier *v, const Op *op, int from)
{
    for (int a = from; a < op->nargs; a++)
        if (!verify_is_scalar(op->args[a], DT_I64))
            return verify_fail(v, op, "arg %d is %s, not a scalar i64", a,
                               verify_type_text(v, op->args[a]));
    return true;
}

static bool is_tensor(Verifier *v, const Op *op)
{
    const Type *t = &op->args[0]->type;
    return t->kind == TY_TENSOR ||
           verify_fail(v, op, "%s is no tensor", verify_type_text(v, op->args[0]));
}

static bool need_name(Verifier *v, const Op *op)
{
    return op->name || verify_fail(v, op, "no name");
}

static bool verify_tensor(Verifier *v, const Op *op)
{
    const Type *t = &op->results[0]->type;
    const TensorInfo *info = op->tensor;
    if (!need_name(v, op))
        return false;
    if (!info)
        return verify_fail(v, op, "no direction");
    if (t->kind != TY_TENSOR && t->kind != TY_TABLE)
        return verify_fail(v, op, "the result is %s, no tensor or table",
                           verify_type_text(v, op->results[0]));
    int want = t->rank + (t->kind == TY_TABLE);
    if (op->nargs != want)
        return verify_fail(v, op, "%d args, %s has %d", op->nargs,
                           verify_type_text(v, op->results[0]), want);
    if (info->format != FORMAT_ROW && t->rank < 2)
        return verify_fail(v, op, "format %s needs two axes (R18)", format_name[info->format]);
    if (info->format == FORMAT_UE8M0X4 && t->dtype != DT_UE8M0)
        return verify_fail(v, op, "format ue8m0x4 on %s (R18)", dtype_info[t->dtype].name);
    int64_t extent;
    for (int i = 0; i < t->rank; i++)
        if (value_int(op->args[i], &extent) && t->dims[i] >= 0 && t->dims[i] != extent)
            return verify_fail(v, op, "axis %d is %lld by its arg, %lld by its type (R2)", i,
                               (long long)extent, (long long)t->dims[i]);
    return int_scalars(v, op, 0);
}

static bool verify_scalar_op(Verifier *v, const Op *op)
{
    Type want = scalar_type(DT_I64);
    if (op->code == OP_SCALAR)
        want.dtype = op->results[0]->type.dtype;
    if (op->code == OP_PRESENT)
        want.dtype = DT_BOOL;
    if (op->code == OP_RESIDENT)
        return verify_result(v, op, 0, &want);
    if (op->nargs > 1 || (op->nargs == 1 && !verify_is_scalar(op->args[0], DT_I64)))
        return verify_fail(v, op, "a dim is bound to one i64 scalar");
    return need_name(v, op) && verify_result(v, op, 0, &want);
}

static bool verify_condition(Verifier *v, const Op *op)
{
    return verify_is_scalar(op->args[0], DT_BOOL) ||
           verify_fail(v, op, "the condition is %s, not a scalar bool",
                       verify_type_text(v, op->args[0]));
}

static bool verify_local(Verifier *v, const Op *op)
{
    const Type *t = &op->results[0]->type;
    if (t->kind != TY_TENSOR)
        return verify_fail(v, op, "the result is no tensor");
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] < 0)
            return verify_fail(v, op, "axis %d has no constant extent (R23)", i);
    return true;
}

/* Views: where everything is known, the result's extents must be what the args say. */
static bool known_extent(Verifier *v, const Op *op, int axis, int64_t want)
{
    int64_t got = op->results[0]->type.dims[axis];
    return want < 0 || got < 0 || got == want ||
           verify_fail(v, op, "axis %d of the result is %lld, not %lld", axis, (long long)got,
                       (long long)want);
}

static bool view_result(Verifier *v, const Op *op, int rank)
{
    const Type *t = &op->results[0]->type;
    if (t->kind == TY_TENSOR && t->dtype == op->args[0]->type.dtype && t->rank == rank)
        return true;
    return verify_fail(v, op, "the result is %s, the tensor %s",
                       verify_type_text(v, op->results[0]), verify_type_text(v, op->args[0]));
}

static bool verify_view_reshape(Verifier *v, const Op *op)
{
    if (op->nargs - 1 > MAX_RANK)
        return verify_fail(v, op, "more axes than 8");
    if (!view_result(v, op, op->nargs - 1) || !int_scalars(v, op, 1))
        return false;
    int64_t extent;
    for (int i = 0; i + 1 < op->nargs; i++)
        if (value_int(op->args[i + 1], &extent) && !known_extent(v, op, i, extent))
            return false;
    return true;
}

static bool verify_view_slice(Verifier *v, const Op *op)
{
    const Type *from = &op->args[0]->type;
    if (!verify_axis(v, op, from) || !view_result(v, op, from->rank) || !int_scalars(v, op, 1))
        return false;
    int64_t lo, hi, extent = from->dims[op->axis];
    for (int i = 0; i < from->rank; i++)
        if (i != op->axis && !known_extent(v, op, i, from->dims[i]))
            return false;
    if (extent < 0 || !value_int(op->args[1], &lo) || !value_int(op->args[2], &hi))
        return true;
    lo = lo < 0 ? 0 : lo > extent ? extent : lo;
    hi = hi < lo ? lo : hi > extent ? extent : hi;
    return known_extent(v, op, op->axis, hi - lo);
}

static bool verify_view_trans(Verifier *v, const Op *op)
{
    const Type *from = &op->args[0]->type;
    int n = from->rank;
    if (n < 2)
        return verify_fail(v, op, "%s has less than two axes", verify_type_text(v, op->args[0]));
    if (!view_result(v, op, n))
        return false;
    for (int i = 0; i < n - 2; i++)
        if (!known_extent(v, op, i, from->dims[i]))
            return false;
    return known_extent(v, op, n - 2, from->dims[n - 1]) &&
           known_extent(v, op, n - 1, from->dims[n - 2]);
}

static bool verify_view_upsample(Verifier *v, const Op *op)
{
    const Type *from = &op->args[0]->type;
    if (op->nargs - 1 != from->rank)
        return verify_fail(v, op, "%d factors for %s", op->nargs - 1,
                           verify_type_text(v, op->args[0]));
    if (!view_result(v, op, from->rank) || !int_scalars(v, op, 1))
        return false;
    for (int i = 0; i < from->rank; i++) {
        int64_t factor, extent = from->dims[i];
        if (!value_int(op->args[i + 1], &factor))
            continue;
        if (factor < 1)
            return verify_fail(v, op, "factor %lld of axis %d is not positive", (long long)factor,
                               i);
        if (extent >= 0 && factor <= MAX_EXTENT / (extent + 1) &&
            !known_extent(v, op, i, extent * factor))
            return false;
    }
    return true;
}

static bool verify_table(Verifier *v, const Op *op)
{
    Type want = op->args[0]->type;
    if (want.kind != TY_TABLE)
        return verify_fail(v, op, "%s is no table", verify_type_text(v, op->args[0]));
    if (!verify_is_int_scalar(op->args[1]))
        return verify_fail(v, op, "the entry is %s, not a scalar integer",
                           verify_type_text(v, op->args[1]));
    want.kind = TY_TENSOR;
    return verify_result(v, op, 0, &want);
}

static bool verify_extent(Verifier *v, const Op *op)
{
    Type want = scalar_type(DT_I64);
    return is_tensor(v, op) && verify_axis(v, op, &op->args[0]->type) &&
           verify_result(v, op, 0, &want);
}

/* The tensor that a view is of: the op which declares it; `upsampled` if such a view is passed. */
static const Op *root_of(const Value *tensor, bool *upsampled)
{
    const Op *op = tensor->op;
    while (op &&
           (op->code == OP_VIEW_RESHAPE || op->code == OP_VIEW_SLICE || op->code == OP_VIEW_TRANS ||
            op->code == OP_VIEW_UPSAMPLE || op->code == OP_TABLE)) {
        *upsampled = *upsampled || op->code == OP_VIEW_UPSAMPLE;
        op = op->args[0]->op;
    }
    return op;
}

static bool verify_writable(Verifier *v, const Op *op)
{
    bool upsampled = false;
    const Op *root = root_of(op->args[0], &upsampled);
    if (upsampled)
        return verify_fail(v, op, "an upsampled view is for loads only");
    if (root && root->code == OP_TENSOR && root->tensor && root->tensor->dir == PARAM_IN)
        return verify_fail(v, op, "%s is an `in` tensor", root->name ? root->name : "it");
    return true;
}

static bool verify_index(Verifier *v, const Op *op, int axis, const Value *index)
{
    bool tile = op->access->axis[axis].kind == AX_TILE;
    const Type *t = &index->type;
    if (!verify_is_tile(index) || !dtype_is_int(t->dtype) || t->rank != (tile ? 1 : 0))
        return verify_fail(v, op, "index of axis %d is %s, not %s (R3)", axis,
                           verify_type_text(v, index),
                           tile ? "an integer tile of rank 1" : "a scalar integer");
    return true;
}

/* The access of arg 0 by the args behind it, `extra` args left over (a store's tile). */
static bool verify_access(Verifier *v, const Op *op, int extra)
{
    const Access *a = op->access;
    if (op->nargs < 1 || !a)
        return verify_fail(v, op, "no access");
    const Type *t = &op->args[0]->type;
    if (a->count != t->rank)
        return verify_fail(v, op, "%d indices for %s (R3)", a->count,
                           verify_type_text(v, op->args[0]));
    int want = 1 + access_args(a) + extra;
    if (op->nargs != want)
        return verify_fail(v, op, "%d args, the access needs %d", op->nargs, want);
    int64_t together = -1;
    for (int i = 0, arg = 1; i < a->count; i++) {
        AxisKind kind = a->axis[i].kind;
        int64_t extent = a->axis[i].extent;
        if (kind != AX_FULL && !verify_index(v, op, i, op->args[arg]))
            return false;
        if (kind == AX_FULL && t->dims[i] != extent)
            return verify_fail(v, op, "axis %d of %s is taken whole as %lld (R2)", i,
                               verify_type_text(v, op->args[0]), (long long)extent);
        if (kind == AX_SLICE && (extent < 0 || extent > MAX_EXTENT))
            return verify_fail(v, op, "slice of %lld elements", (long long)extent);
        if (kind == AX_TILE && together >= 0 && op->args[arg]->type.dims[0] != together)
            return verify_fail(v, op, "index tiles of %lld and %lld elements (R3)",
                               (long long)together, (long long)op->args[arg]->type.dims[0]);
        if (kind == AX_TILE)
            together = op->args[arg]->type.dims[0];
        arg += kind != AX_FULL;
    }
    return true;
}

static bool verify_read(Verifier *v, const Op *op)
{
    const Type *t = &op->args[0]->type;
    unsigned bits = t->dtype == DT_BOOL ? 1 : dtype_info[t->dtype].bits;
    if (bits < 64 && op->bits >> bits)
        return verify_fail(v, op, "pad 0x%llx is no code of %s (R3)", (unsigned long long)op->bits,
                           dtype_info[t->dtype].name);
    Type want = access_type(t->dtype, op->access, op->args + 1);
    return verify_result(v, op, 0, &want);
}

static bool verify_stored(Verifier *v, const Op *op)
{
    const Value *tile = op->args[op->nargs - 1];
    Type want = access_type(op->args[0]->type.dtype, op->access, op->args + 1);
    if (!type_equal(&tile->type, &want))
        return verify_fail(v, op, "the tile is %s, the access takes %s", verify_type_text(v, tile),
                           type_text(v->arena, &want));
    return verify_writable(v, op);
}

static bool verify_atomic(Verifier *v, const Op *op)
{
    DType t = op->args[0]->type.dtype;
    if (!dtype_is_int(t) && t != DT_F32)
        return verify_fail(v, op, "on %s: only on integers and f32 (R19)", dtype_info[t].name);
    if (!verify_stored(v, op) || op->nresults == 0)
        return op->nresults == 0 && !v->message;
    Type want = access_type(t, op->access, op->args + 1);
    if (op->nresults != 1 || type_elements(&want) != 1)
        return verify_fail(v, op, "only one element has an old value (R19)");
    return verify_result(v, op, 0, &want);
}

static bool verify_signal(Verifier *v, const Op *op)
{
    if (!op->name || (strcmp(op->name, "set") != 0 && strcmp(op->name, "add") != 0))
        return verify_fail(v, op, "neither set nor add (R26)");
    if (!dtype_is_int(op->args[0]->type.dtype))
        return verify_fail(v, op, "on %s: words are integers (R26)",
                           verify_type_text(v, op->args[0]));
    return verify_stored(v, op);
}

static bool verify_accessing(Verifier *v, const Op *op)
{
    bool reads = op->code == OP_LOAD || op->code == OP_EXTRACT;
    if (op->nargs < 1)
        return verify_fail(v, op, "no args");
    if (op->code == OP_EXTRACT && !verify_is_tile(op->args[0]))
        return verify_fail(v, op, "%s is no tile", verify_type_text(v, op->args[0]));
    if (op->code != OP_EXTRACT && !is_tensor(v, op))
        return false;
    if (!verify_access(v, op, !reads))
        return false;
    switch (op->code) {
    case OP_STORE:
        return verify_stored(v, op);
    case OP_ATOMIC_ADD:
        return verify_atomic(v, op);
    case OP_SIGNAL:
        return verify_signal(v, op);
    default:
        return verify_read(v, op);
    }
}

static bool verify_exchange(Verifier *v, const Op *op)
{
    const Type *t = &op->args[0]->type, *all = &op->results[0]->type;
    if (!verify_is_tile(op->args[0]) || t->rank == MAX_RANK)
        return verify_fail(v, op, "of %s", verify_type_text(v, op->args[0]));
    Type want = tile_type(t->dtype, 1, all->dims);
    want.rank = t->rank + 1;
    memcpy(want.dims + 1, t->dims, (size_t)t->rank * sizeof *t->dims);
    if (all->rank < 1)
        want.dims[0] = 1;
    return verify_result(v, op, 0, &want);
}

static bool verify_print(Verifier *v, const Op *op)
{
    for (int a = 0; a < op->nargs; a++)
        if (!verify_is_tile(op->args[a]))
            return verify_fail(v, op, "arg %d is no tile but %s", a,
                               verify_type_text(v, op->args[a]));
    return true;
}

static bool verify_copies(Verifier *v, const Op *op)
{
    int64_t groups;
    return (value_int(op->args[0], &groups) && op->args[0]->type.dtype == DT_I64 && groups >= 0) ||
           verify_fail(v, op, "the number of groups is no constant i64 of 0 or more");
}

bool verify_memory(Verifier *v, const Op *op)
{
    switch (op->code) {
    case OP_TENSOR:
        return verify_tensor(v, op);
    case OP_DIM:
    case OP_RESIDENT:
    case OP_SCALAR:
    case OP_PRESENT:
        return verify_scalar_op(v, op);
    case OP_REQUIRE:
    case OP_WHEN:
    case OP_ASSERT:
    case OP_ASSUME:
    case OP_WAIT:
        return verify_condition(v, op);
    case OP_BIND:
        return need_name(v, op);
    case OP_LOCAL:
        return verify_local(v, op);
    case OP_VIEW_RESHAPE:
        if (op->nargs < 1)
            return verify_fail(v, op, "no args");
        return is_tensor(v, op) && verify_view_reshape(v, op);
    case OP_VIEW_SLICE:
        return is_tensor(v, op) && verify_view_slice(v, op);
    case OP_VIEW_TRANS:
        return is_tensor(v, op) && verify_view_trans(v, op);
    case OP_VIEW_UPSAMPLE:
        if (op->nargs < 1)
            return verify_fail(v, op, "no args");
        return is_tensor(v, op) && verify_view_upsample(v, op);
    case OP_TABLE:
        return verify_table(v, op);
    case OP_EXTENT:
        return verify_extent(v, op);
    case OP_COPIES:
        return verify_copies(v, op);
    case OP_EXCHANGE:
        return verify_exchange(v, op);
    case OP_PRINT:
        return verify_print(v, op);
    case OP_GRID_SYNC:
        return true;
    default:
        return verify_accessing(v, op);
    }
}
