/* Reductions: registers first, then lanes by xor-shuffles, then warps through shared memory
 * (R8). */
#include <string.h>

#include "compiler/cuda_order.h"

static const char *combine(Cuda *c, const Op *op)
{
    static const char *const verb[OP_COUNT] = {
        [OP_SUM] = "add", [OP_AMAX] = "max", [OP_AMIN] = "min", [OP_ANY] = "or", [OP_ALL] = "and"};
    return format_text(c, "tile_%s_%s", verb[op->code], dtype_info[op->args[0]->type.dtype].name);
}

static char *identity(Cuda *c, const Op *op)
{
    DType t = op->args[0]->type.dtype;
    uint64_t bits = 0;
    if (op->code == OP_ALL)
        bits = 1;
    if (op->code == OP_AMAX || op->code == OP_AMIN) {
        bool most = op->code == OP_AMIN;
        int n = dtype_info[t].bits;
        if (t == DT_F32)
            bits = most ? 0x7F800000u : 0xFF800000u;
        else if (dtype_is_signed(t))
            bits = most ? ~(uint64_t)0 >> (65 - n) : (uint64_t)1 << (n - 1);
        else
            bits = most ? ~(uint64_t)0 >> (64 - n) : 0;
    }
    return c_literal(c, t, bits);
}

static void reduce_lanes(Cuda *c, const Layout *l, int axis, const char *f, const char *name,
                         int64_t n, DType t)
{
    int64_t before = 1;
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_LANE)
            continue;
        for (int64_t d = 1; m->dim == axis && d < m->extent; d *= 2)
            line(c, "TILE_EACH(r, %lld) %s[r] = %s(%s[r], tile_shuffle_xor_%s(%s[r], %lld));",
                 (long long)n, name, f, name, dtype_info[t].name, name, (long long)(before * d));
        before *= m->extent;
    }
}

/* Every warp shows its partial results; each adds those that differ from it along the axis only. */
static void reduce_warps(Cuda *c, const Layout *l, int axis, const char *f, const char *name,
                         int64_t n, DType t)
{
    int64_t before = 1, warps = layout_span(l, OWN_WARP);
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_WARP)
            continue;
        if (m->dim == axis) {
            const char *type = c_type(t);
            need_shared(c, (size_t)(warps * n * 32) * dtype_info[t].size);
            open_block(c, "%s", "");
            line(c, "%s *const s = (%s *)shared;", type, type);
            line(c, "const int first = warp - warp / %lld %% %lld * %lld;", (long long)before,
                 (long long)m->extent, (long long)before);
            unit_sync(c);
            line(c, "TILE_EACH(r, %lld) s[(warp * %lld + r) * 32 + lane] = %s[r];", (long long)n,
                 (long long)n, name);
            unit_sync(c);
            line(c, "TILE_EACH(r, %lld) %s[r] = s[(first * %lld + r) * 32 + lane];", (long long)n,
                 name, (long long)n);
            line(c, "for (int w = 1; w < %lld; w++)", (long long)m->extent);
            line(c,
                 "    TILE_EACH(r, %lld) %s[r] = %s(%s[r], s[((first + w * %lld) * %lld + r) * "
                 "32 + lane]);",
                 (long long)n, name, f, name, (long long)before, (long long)n);
            close_block(c);
        }
        before *= m->extent;
    }
}

void reduce_across(Cuda *c, const Layout *l, int axis, const char *f, const char *name, int64_t n,
                   DType t)
{
    reduce_lanes(c, l, axis, f, name, n, t);
    reduce_warps(c, l, axis, f, name, n, t);
}

static void sum_in_order(Cuda *c, const Op *op, const char *from, const char *to, int64_t n)
{
    int64_t k = op->args[0]->type.dims[op->axis];
    open_block(c, "TILE_EACH(r, %lld)", (long long)n);
    if (op->nargs > 1)
        line(c, "%s[r] = %s;", to, c_name(c, op->args[1]));
    else
        line(c, "%s[r] = %s[r * %lld];", to, from, (long long)k);
    line(c, "_Pragma(\"unroll\") for (int k = %d; k < %lld; k++) %s[r] = %s + %s[r * %lld + k];",
         op->nargs > 1 ? 0 : 1, (long long)k, to, format_text(c, "%s[r]", to), from, (long long)k);
    close_block(c);
}

/* The fastest register digit is the whole axis. */
static bool has_axis_first(const Layout *l, int axis, int64_t n)
{
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].owner == OWN_REG)
            return l->mode[i].dim == axis && l->mode[i].extent == n;
    return n == 1;
}

static bool emit_ordered_sum(Cuda *c, const Op *op)
{
    const Value *a = op->args[0], *r = op->results[0];
    Layout l = axis_into_registers(&a->type, op->axis, c->plan->unit);
    if (!is_uniform(a) && has_axis_first(layout_of(c, a), op->axis, a->type.dims[op->axis]))
        l = *layout_of(c, a);
    Layout after = layout_reduce(&l, op->axis);
    const char *from = fitted(c, a, &l);
    const char *copy = new_temp(c, "part"), *to = new_temp(c, "sum");
    int64_t n = layout_span(&after, OWN_REG), k = layout_span(&l, OWN_REG);
    line(c, "%s %s[%lld], %s[%lld];", c_type(a->type.dtype), copy, (long long)k, to, (long long)n);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)k, copy,
         element(c, a, from, &a->type, &l, "r"));
    sum_in_order(c, op, copy, to, n);
    if (is_uniform(r)) {
        line(c, "const %s %s = %s[0];", c_type(r->type.dtype), c_name(c, r), to);
        return true;
    }
    /* The result takes this layout; who needs another converts it. */
    c->low->layout[r->id] = after;
    c->name[r->id] = to;
    return true;
}

/* All elements are equal, or there is one: only sums add them up. */
static bool reduce_uniform(Cuda *c, const Op *op, const char *f)
{
    const Value *a = op->args[0], *r = op->results[0];
    DType t = a->type.dtype;
    int64_t n = op->axis >= 0 ? a->type.dims[op->axis] : type_elements(&a->type);
    const char *type = c_type(t), *name = is_uniform(r) ? c_name(c, r) : new_temp(c, "each");
    if (op->code == OP_SUM && n != 1) {
        line(c, "%s %s = 0;", type, name);
        line(c, "for (int i = 0; i < %lld; i++) %s = %s(%s, %s);", (long long)n, name, f, name,
             c_name(c, a));
    } else if (n == 0) {
        line(c, "const %s %s = %s;", type, name, identity(c, op));
    } else {
        line(c, t == DT_F32 ? "const %s %s = tile_canonical(%s);" : "const %s %s = %s;", type, name,
             c_name(c, a));
    }
    if (!is_uniform(r)) {
        declare(c, r);
        line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)registers(c, r), c_name(c, r), name);
    }
    return true;
}

bool emit_reduction(Cuda *c, const Op *op)
{
    const Value *a = op->args[0], *r = op->results[0];
    DType t = a->type.dtype;
    const char *type = c_type(t), *f = combine(c, op);
    if (dtype_info[t].kind == 's')
        return cuda_fail(c, op, "%s of %s", op_info[op->code].name, dtype_info[t].name);
    if (op->code == OP_SUM && op->order == ORDER_TREE && t == DT_F32)
        return emit_tree_sum(c, op);
    if (op->code == OP_SUM && op->order != ORDER_DEFAULT)
        return emit_ordered_sum(c, op);
    if (is_uniform(a))
        return reduce_uniform(c, op, f);
    int axes = a->type.rank;
    Layout l = *summed_layout(c->low, op), after = l;
    const char *from = fitted(c, a, &l);
    const char *name = new_temp(c, r->name ? r->name : op_info[op->code].name);
    bool kept[MAX_RANK];
    for (int i = 0; i < MAX_RANK; i++)
        kept[i] = op->axis >= 0 && i != op->axis;
    if (op->axis >= 0)
        after = layout_reduce(&l, op->axis);
    int64_t n = op->axis >= 0 ? layout_span(&after, OWN_REG) : 1, m = layout_span(&l, OWN_REG);
    line(c, "%s %s[%lld];", type, name, (long long)n);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)n, name, identity(c, op));
    Layout project = l;
    char *to = op->axis >= 0 ? format_text(c, "%s", projected_register(c, &project, kept, "r"))
                             : format_text(c, "0");
    line(c, "TILE_EACH(r, %lld) %s[%s] = %s(%s[%s], %s[r]);", (long long)m, name, to, f, name, to,
         from);
    for (int axis = 0; axis < axes; axis++)
        if (op->axis < 0 || axis == op->axis)
            reduce_across(c, &l, axis, f, name, n, t);
    if (is_uniform(r)) {
        c->name[r->id] = format_text(c, "%s[0]", name);
        return true;
    }
    c->low->layout[r->id] = after;
    c->name[r->id] = name;
    return true;
}
