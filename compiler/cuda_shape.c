/* Indexing of tiles, concat, and reshapes that move data (R24). */
#include <string.h>

#include "compiler/cuda.h"

/* Known while the C compiler unrolls: a constant, the index of a short loop, sums of these. */
bool is_unrolled(const Value *v)
{
    int64_t i;
    if (value_int(v, &i))
        return true;
    if (!v->op)
        return v->region->parent->code == OP_FOR && v->index == 0 &&
               unrolled_rounds(v->region->parent) > 0;
    if (v->op->code == OP_CAST)
        return is_unrolled(v->op->args[0]);
    if (v->op->code == OP_ADD || v->op->code == OP_SUB || v->op->code == OP_MUL)
        return is_unrolled(v->op->args[0]) && is_unrolled(v->op->args[1]);
    return false;
}

int64_t unrolled_rounds(const Op *loop)
{
    int64_t lo, hi, step;
    if (!value_int(loop->args[0], &lo) || !value_int(loop->args[1], &hi) ||
        !value_int(loop->args[2], &step) || step <= 0)
        return 0;
    int64_t n = hi > lo ? (hi - lo + step - 1) / step : 0;
    return n <= 16 ? n : 0;
}

/* Every index is unrolled: registers can be chosen while compiling. */
static bool by_registers(const Op *op)
{
    const Access *a = op->access;
    int arg = 1;
    for (int k = 0; k < a->count; k++) {
        if (a->axis[k].kind == AX_FULL)
            continue;
        if (a->axis[k].kind == AX_TILE || !is_unrolled(op->args[arg++]) ||
            op->args[0]->type.dims[k] > 64)
            return false;
    }
    return true;
}

/* The result's axis that tile axis k becomes, -1 for none. */
static int result_axis(const Access *a, int k)
{
    int axis = 0, joint = -1;
    for (int i = 0; i <= k; i++) {
        if (a->axis[i].kind == AX_SCALAR) {
            if (i == k)
                return -1;
            continue;
        }
        if (a->axis[i].kind == AX_TILE) {
            if (joint < 0)
                joint = axis++;
            if (i == k)
                return joint;
            continue;
        }
        if (i == k)
            return axis;
        axis++;
    }
    return -1;
}

/* The source with its indexed axes wholly in registers, slowest; the others as they are. */
static Layout source_layout(const Op *op, const Layout *have)
{
    const Access *a = op->access;
    Layout out = {0};
    for (int i = 0; i < have->count; i++) {
        const Mode *m = &have->mode[i];
        bool whole = m->dim < 0 || a->axis[m->dim].kind == AX_FULL;
        if (whole)
            layout_add(&out, m->owner, m->dim, m->extent, m->stride);
        else if (m->owner != OWN_REG)
            layout_add(&out, m->owner, -1, m->extent, 0);
    }
    for (int k = 0; k < a->count; k++)
        if (a->axis[k].kind != AX_FULL)
            layout_add(&out, OWN_REG, k, op->args[0]->type.dims[k], 1);
    return out;
}

bool extract_layout(const Op *op, const Layout *have, Layout *out)
{
    const Access *a = op->access;
    if (!by_registers(op))
        return false;
    Layout source = source_layout(op, have);
    *out = (Layout){0};
    for (int i = 0; i < source.count; i++) {
        const Mode *m = &source.mode[i];
        if (m->dim < 0)
            layout_add(out, m->owner, -1, m->extent, 0);
        else if (a->axis[m->dim].kind == AX_FULL)
            layout_add(out, m->owner, result_axis(a, m->dim), m->extent, m->stride);
    }
    for (int k = 0; k < a->count; k++)
        if (a->axis[k].kind == AX_SLICE)
            layout_add(out, OWN_REG, result_axis(a, k), a->axis[k].extent, 1);
    return true;
}

/* "name[kept + n * (index of the indexed axes)]", with a test where an index may be outside. */
static char *register_text(Cuda *c, const Op *op, const char *name, int64_t kept)
{
    const Access *a = op->access;
    int64_t before = 1, digit = kept;
    int arg = 1;
    char *at = format_text(c, kept > 1 ? "r %% %lld" : "0", (long long)kept);
    char *inside = format_text(c, "%s", "");
    for (int k = 0; k < a->count; k++) {
        int64_t extent = op->args[0]->type.dims[k], i;
        if (a->axis[k].kind == AX_FULL)
            continue;
        const Value *v = op->args[arg++];
        char *x = format_text(c, "(int)%s", c_name(c, v));
        int64_t n = a->axis[k].kind == AX_SLICE ? a->axis[k].extent : 1;
        if (n > 1)
            x = format_text(c, "(int)%s + r / %lld %% %lld", c_name(c, v), (long long)digit,
                            (long long)n);
        digit *= n;
        if (!value_int(v, &i) || i < 0 || i + n > extent)
            inside = format_text(c, "%s%stile_inside(%s, %lld)", inside, *inside ? " && " : "", x,
                                 (long long)extent);
        at = format_text(c, "%s + (%s) * %lld", at, x, (long long)(before * kept));
        before *= extent;
    }
    if (!*inside)
        return format_text(c, "%s[%s]", name, at);
    return format_text(c, "%s ? %s[%s] : %s", inside, name, at,
                       c_literal(c, op->results[0]->type.dtype, op->bits));
}

static bool extract_registers(Cuda *c, const Op *op)
{
    const Value *r = op->results[0], *a = op->args[0];
    const Layout *have = layout_of(c, a);
    Layout source = source_layout(op, have), out;
    extract_layout(op, have, &out);
    const char *name = layout_equal(&source, have) ? c_name(c, a) : converted(c, a, &source);
    int64_t kept = layout_span(&source, OWN_REG);
    for (int k = 0; k < op->access->count; k++)
        if (op->access->axis[k].kind != AX_FULL)
            kept /= a->type.dims[k] ? a->type.dims[k] : 1;
    char *text = register_text(c, op, name, kept);
    if (is_uniform(r)) {
        open_block(c, "%s %s;", c_type(r->type.dtype), c_name(c, r));
        line(c, "const int r = 0;");
        line(c, "%s = %s;", c_name(c, r), text);
        close_block(c);
        return true;
    }
    c->low->layout[r->id] = out;
    declare(c, r);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)registers(c, r), c_name(c, r), text);
    return true;
}

/* Through shared memory: the whole tile is laid down, each thread takes what it needs. */
static bool extract_shared(Cuda *c, const Op *op)
{
    const Value *r = op->results[0], *a = op->args[0];
    const Access *x = op->access;
    const Layout *l = is_uniform(r) ? NULL : layout_of(c, r);
    const char *type = c_type(r->type.dtype);
    char *at = format_text(c, "%s", ""), *inside = format_text(c, "%s", "");
    int64_t stride[MAX_RANK], n = 1;
    int arg = 1;
    for (int k = a->type.rank - 1; k >= 0; k--) {
        stride[k] = n;
        n *= a->type.dims[k];
    }
    for (int k = 0; k < x->count; k++) {
        int axis = result_axis(x, k);
        char *own = l && axis >= 0 ? coordinate(c, l, axis, "r") : format_text(c, "0"), *index;
        if (x->axis[k].kind == AX_FULL) {
            index = own;
        } else {
            const Value *v = op->args[arg++];
            if (x->axis[k].kind == AX_TILE && l) {
                const char *name = axis_fitted(c, v, l, axis);
                index = axis_element(c, v, name, l, axis, "r");
            } else {
                index = format_text(c, "%s + (%s)", c_name(c, v), own);
            }
            inside = format_text(c, "%s%stile_inside(%s, %lld)", inside, *inside ? " && " : "",
                                 index, (long long)a->type.dims[k]);
        }
        at = format_text(c, "%s%s(%s) * %lld", at, *at ? " + " : "", index, (long long)stride[k]);
    }
    if (is_uniform(r))
        line(c, "%s %s;", type, c_name(c, r));
    else
        declare(c, r);
    open_block(c, "%s", "");
    lay_down(c, a);
    char *value = *inside ? format_text(c, "%s ? s[%s] : %s", inside, at,
                                        c_literal(c, r->type.dtype, op->bits))
                          : format_text(c, "s[%s]", at);
    if (is_uniform(r))
        line(c, "%s = %s;", c_name(c, r), value);
    else
        line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)registers(c, r), c_name(c, r), value);
    close_block(c);
    return true;
}

bool cuda_extract(Cuda *c, const Op *op)
{
    if (type_elements(&op->results[0]->type) == 0)
        return true;
    if (is_uniform(op->args[0]))
        return extract_shared(c, op);
    return by_registers(op) ? extract_registers(c, op) : extract_shared(c, op);
}

/* ---- concat ---- */

/* The parts' layout with the axis in registers, fastest. */
static Layout with_axis(const Layout *l, int axis, int64_t extent)
{
    Layout out = {0};
    layout_add(&out, OWN_REG, axis, extent, 1);
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->dim != axis)
            layout_add(&out, m->owner, m->dim, m->extent, m->stride);
        else if (m->owner != OWN_REG)
            layout_add(&out, m->owner, -1, m->extent, 0);
    }
    return out;
}

Layout concat_layout(const Op *op, const Layout *first, ThreadUnit unit)
{
    const Type *t = &op->results[0]->type;
    Layout plain = {0};
    layout_add(&plain, OWN_LANE, -1, unit.lanes, 0);
    layout_add(&plain, OWN_WARP, -1, unit.warps, 0);
    if (!first) {
        Type rest = *t;
        rest.dims[op->axis] = 1;
        plain = layout_spread(&rest, t->rank - 1, 1, unit);
    }
    return with_axis(first ? first : &plain, op->axis, t->dims[op->axis]);
}

bool cuda_concat(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    const Layout *first = NULL;
    int64_t at = 0, whole = r->type.dims[op->axis];
    for (int i = 0; i < op->nargs && !first; i++)
        if (!is_uniform(op->args[i]) && type_elements(&op->args[i]->type))
            first = layout_of(c, op->args[i]);
    if (type_elements(&r->type) == 0)
        return true;
    Layout l = concat_layout(op, first, c->plan->unit);
    if (is_uniform(r)) {
        for (int i = 0; i < op->nargs; i++)
            if (type_elements(&op->args[i]->type))
                c->name[r->id] = c_name(c, op->args[i]);
        return true;
    }
    c->low->layout[r->id] = l;
    declare(c, r);
    for (int i = 0; i < op->nargs; i++) {
        const Value *a = op->args[i];
        int64_t n = a->type.dims[op->axis];
        if (type_elements(&a->type) == 0)
            continue;
        Layout part = with_axis(&l, op->axis, n);
        const char *name = is_uniform(a) ? c_name(c, a) : NULL;
        if (!name)
            name = layout_equal(&part, layout_of(c, a)) ? c_name(c, a) : converted(c, a, &part);
        line(c, "TILE_EACH(r, %lld) %s[r / %lld * %lld + %lld + r %% %lld] = %s%s;",
             (long long)layout_span(&part, OWN_REG), c_name(c, r), (long long)n, (long long)whole,
             (long long)at, (long long)n, name, is_uniform(a) ? "" : "[r]");
        at += n;
    }
    return true;
}
