/* Indexing of tiles, concat, and reshapes that move data (R24). */
#include <string.h>

#include "compiler/cuda_order.h"

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

static bool depends_on(const Value *v, const Value *index)
{
    if (v == index)
        return true;
    for (int i = 0; v->op && !v->op->nregions && i < v->op->nargs; i++)
        if (depends_on(v->op->args[i], index))
            return true;
    return false;
}

/* Some tile is indexed by it. */
static bool indexes_tile(const Region *r, const Value *index)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 1; op->code == OP_EXTRACT && i < op->nargs; i++)
            if (depends_on(op->args[i], index))
                return true;
        for (int i = 0; i < op->nregions; i++)
            if (indexes_tile(op->regions[i], index))
                return true;
    }
    return false;
}

int64_t unrolled_rounds(const Op *loop)
{
    int64_t lo, hi, step;
    if (!value_int(loop->args[0], &lo) || !value_int(loop->args[1], &hi) ||
        !value_int(loop->args[2], &step) || step <= 0)
        return 0;
    int64_t n = hi > lo ? (hi - lo + step - 1) / step : 0;
    return n <= 16 && indexes_tile(loop->regions[0], loop->regions[0]->args[0]) ? n : 0;
}

/* Every index is unrolled: registers can be chosen while compiling. */
static bool by_registers(const Op *op)
{
    const Access *a = op->access;
    for (int k = 0; k < a->count; k++) {
        const Value *index = index_value(op, k);
        if (index &&
            (a->axis[k].kind == AX_TILE || !is_unrolled(index) || op->args[0]->type.dims[k] > 64))
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
            layout_add_masked(&out, (Owner)m->owner, m->dim, m->extent, m->stride, m->mask,
                              m->weight);
        else if (m->owner != OWN_REG)
            layout_add(&out, (Owner)m->owner, -1, m->extent, 0);
    }
    out.masks = have->masks;
    memcpy(out.limit, have->limit, sizeof out.limit);
    for (int k = 0; k < a->count; k++)
        if (a->axis[k].kind != AX_FULL)
            layout_add(&out, OWN_REG, k, op->args[0]->type.dims[k], 1);
    return out;
}

bool extract_layout(const Op *op, const Layout *have, Layout *out)
{
    const Access *a = op->access;
    if (!by_registers(op) || layout_is_masked(have))
        return false;
    Layout source = source_layout(op, have);
    *out = (Layout){0};
    for (int i = 0; i < source.count; i++) {
        const Mode *m = &source.mode[i];
        if (m->dim < 0)
            layout_add(out, (Owner)m->owner, -1, m->extent, 0);
        else if (a->axis[m->dim].kind == AX_FULL)
            layout_add_masked(out, (Owner)m->owner, result_axis(a, m->dim), m->extent, m->stride,
                              m->mask, m->weight);
    }
    out->masks = source.masks;
    memcpy(out->limit, source.limit, sizeof out->limit);
    for (int k = 0; k < a->count; k++)
        if (a->axis[k].kind == AX_SLICE)
            layout_add(out, OWN_REG, result_axis(a, k), a->axis[k].extent, 1);
    return true;
}

/* "name[kept + n * (index of the indexed axes)]", with a test where an index may be outside. */
static char *indexed_register(Cuda *c, const Op *op, const char *name, int64_t kept)
{
    const Access *a = op->access;
    int64_t before = 1, digit = kept;
    char *at = format_text(c, kept > 1 ? "r %% %lld" : "0", (long long)kept);
    char *inside = format_text(c, "%s", "");
    for (int k = 0; k < a->count; k++) {
        int64_t extent = op->args[0]->type.dims[k], i;
        const Value *v = index_value(op, k);
        if (!v)
            continue;
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
    char *text = indexed_register(c, op, name, kept);
    if (is_uniform(r)) {
        line(c, "const %s %s = %s;", c_type(held(c, r)), c_name(c, r), text);
        return true;
    }
    c->low->layout[r->id] = out;
    declare(c, r);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)registers(c, r), c_name(c, r), text);
    return true;
}

/* v[e]: each thread asks the lanes that have its elements, register by register. */
static bool asks_lanes(Cuda *c, const Op *op)
{
    const Value *r = op->results[0], *a = op->args[0];
    AxisKind kind = op->access->axis[0].kind;
    if (a->type.rank != 1 || (kind != AX_TILE && kind != AX_SCALAR) || is_uniform(a) ||
        c->plan->unit.lanes == 1)
        return false;
    const Layout *l = layout_of(c, a);
    int64_t n = is_uniform(r) ? 1 : registers(c, r);
    return axis_warps(l, 0) == 1 && axis_registers(l, 0) * n <= 32;
}

/* v[i] of a tile with an element a lane. */
static bool extract_lane(Cuda *c, const Op *op)
{
    const Value *r = op->results[0], *a = op->args[0], *e = op->args[1];
    IntRange i = c->ranges.of[e->id];
    int64_t n = a->type.dims[0], k;
    const char *from = lane_of_element(c, layout_of(c, a), 0, c_name(c, e));
    char *text = format_text(c, "tile_shuffle_%s(%s[0], (int)(%s))", carrier(held(c, a)),
                             c_name(c, a), from);
    bool known = value_int(e, &k) ? k >= 0 && k < n : i.lo >= 0 && i.hi < n;
    if (!known)
        text = format_text(c, "tile_inside(%s, %lld) ? %s : %s", c_name(c, e), (long long)n, text,
                           c_literal(c, held(c, r), op->bits));
    line(c, "const %s %s = %s;", c_type(held(c, r)), c_name(c, r), text);
    return true;
}

static bool extract_lanes(Cuda *c, const Op *op)
{
    const Value *r = op->results[0], *a = op->args[0], *e = op->args[1];
    const Layout *l = layout_of(c, a);
    const char *name = c_name(c, a), *type = c_type(held(c, a));
    if (is_uniform(r) && op->access->axis[0].kind == AX_SCALAR && registers(c, a) == 1)
        return extract_lane(c, op);
    const char *at = is_uniform(r) ? c_name(c, e) : axis_fitted(c, e, layout_of(c, r), 0);
    int64_t n = is_uniform(r) ? 1 : registers(c, r), m = axis_registers(l, 0);
    const char *to = new_name(c, r, "taken");
    Digits d = {0};
    axis_digits(c, l, 0, m > 1 ? "j" : "0", &d);
    line(c, "%s %s[%lld];", type, to, (long long)n);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(r, %lld)", (long long)n);
    line(c, "const int found = (int)%s%s;", at, is_uniform(e) ? "" : "[r]");
    line(c, "const bool inside = tile_inside(%s%s, %lld);", at, is_uniform(e) ? "" : "[r]",
         (long long)a->type.dims[0]);
    line(c, "%s best = %s;", type, c_literal(c, held(c, r), op->bits));
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(j, %lld)", (long long)m);
    char *lane = lane_of_element(c, l, 0, "found");
    line(c, "const %s other = tile_shuffle_%s(%s[%s], %s);", type, carrier(held(c, a)), name,
         register_text(c, l, &d), lane);
    if (m > 1)
        line(c, "best = inside && %s == j ? other : best;", axis_register_of(c, l, 0, "found"));
    else
        line(c, "best = inside ? other : best;");
    close_block(c);
    line(c, "%s[r] = best;", to);
    close_block(c);
    give_result(c, r, to, is_uniform(r) ? &(Layout){0} : layout_of(c, r));
    return true;
}

/* Through shared memory: the whole tile is laid down, each thread takes what it needs. */
static bool extract_shared(Cuda *c, const Op *op)
{
    const Value *r = op->results[0], *a = op->args[0];
    const Access *x = op->access;
    const Layout *l = is_uniform(r) ? NULL : layout_of(c, r);
    DType t = held(c, a), to = held(c, r);
    char *at = format_text(c, "0"), *inside = format_text(c, "%s", "");
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
                index = sum_of(c, c_name(c, v), x->axis[k].kind == AX_TILE ? "0" : own);
            }
            inside = both(
                c, inside,
                format_text(c, "tile_inside(%s, %lld)", index, (long long)a->type.dims[k]));
        }
        at = sum_of(c, at,
                    stride[k] == 1 ? index
                                   : format_text(c, "(%s) * %lld", index, (long long)stride[k]));
    }
    Buffer *b = laid_down(c, a);
    if (l)
        inside = both(c, inside, holds_text(c, l, "r"));
    char *load = format_text(c, "tile_shared_load_%s(%s + (%s))", carrier(t), b->name,
                             laid_place(c, at));
    char *value = *inside ? format_text(c, "%s ? %s : %s", inside, load, c_literal(c, to, op->bits))
                          : load;
    if (!is_uniform(r))
        declare(c, r);
    buffer_read(c, b);
    if (is_uniform(r))
        line(c, "const %s %s = %s;", c_type(to), c_name(c, r), value);
    else
        line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)registers(c, r), c_name(c, r), value);
    return true;
}

bool cuda_extract(Cuda *c, const Op *op)
{
    if (type_elements(&op->results[0]->type) == 0)
        return true;
    if (is_uniform(op->args[0]))
        return extract_shared(c, op);
    bool over_lanes = asks_lanes(c, op) && is_uniform(op->results[0]) &&
                      registers(c, op->args[0]) == 1;
    if (by_registers(op) && !layout_is_masked(layout_of(c, op->args[0])) && !over_lanes)
        return extract_registers(c, op);
    return asks_lanes(c, op) ? extract_lanes(c, op) : extract_shared(c, op);
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
            layout_add(&out, (Owner)m->owner, m->dim, m->extent, m->stride);
        else if (m->owner != OWN_REG)
            layout_add(&out, (Owner)m->owner, -1, m->extent, 0);
    }
    return out;
}

/* A line whose first part has an element a lane: the whole line does, if the lanes suffice. */
static bool joins_lanes(const Op *op, const Layout *first, ThreadUnit unit)
{
    const Type *t = &op->results[0]->type;
    return first && t->rank == 1 && unit.lanes == 32 && t->dims[0] <= 32 &&
           axis_registers(first, 0) == 1 && axis_lanes(first, 0) == 32 && axis_warps(first, 0) == 1;
}

Layout concat_layout(const Op *op, const Layout *first, ThreadUnit unit)
{
    const Type *t = &op->results[0]->type;
    Layout plain = {0};
    if (joins_lanes(op, first, unit)) {
        bool masked = t->dims[0] < 32;
        plain = (Layout){.masks = masked, .limit = {(int32_t)t->dims[0]}};
        layout_add_masked(&plain, OWN_LANE, 0, 32, 1, masked ? 0 : -1, 1);
        layout_add(&plain, OWN_WARP, -1, unit.warps, 0);
        return plain;
    }
    layout_add(&plain, OWN_LANE, -1, unit.lanes, 0);
    layout_add(&plain, OWN_WARP, -1, unit.warps, 0);
    if (!first || layout_is_masked(first)) {
        Type rest = *t;
        rest.dims[op->axis] = 1;
        SpreadRequest q = {.fast = t->rank - 1, .vector = 1, .block_axis = -1};
        plain = layout_spread(&rest, q, unit);
        first = NULL;
    }
    return with_axis(first ? first : &plain, op->axis, t->dims[op->axis]);
}

/* Element `lane - at` of each part, on the lanes that are its. */
static void concat_lanes(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    int64_t at = 0;
    const char *name = c_name(c, r);
    for (int i = 0; i < op->nargs; i++) {
        const Value *a = op->args[i];
        int64_t n = a->type.dims[0];
        if (n == 0)
            continue;
        char *value = format_text(c, "%s", c_name(c, a));
        if (!is_uniform(a)) {
            const Layout *l = layout_of(c, a);
            const char *held_in = value;
            if (axis_registers(l, 0) > 1 || axis_warps(l, 0) > 1) {
                Layout over;
                axis_over_lanes(&a->type, 0, c->plan->unit, false, &over);
                held_in = converted(c, a, &over);
                l = &over;
                value = format_text(
                    c, "tile_shuffle_%s(%s[0], %s)", carrier(held(c, a)), held_in,
                    lane_of_element(c, l, 0, format_text(c, "(lane - %lld)", (long long)at)));
            } else if (at) {
                value = format_text(
                    c, "tile_shuffle_%s(%s[0], %s)", carrier(held(c, a)), held_in,
                    lane_of_element(c, l, 0, format_text(c, "(lane - %lld)", (long long)at)));
            } else {
                value = format_text(c, "%s[0]", held_in);
            }
        }
        const char *part = new_temp(c, "part");
        line(c, "const %s %s = %s;", c_type(held(c, r)), part, value);
        if (at)
            line(c, "%s[0] = lane >= %lld ? %s : %s[0];", name, (long long)at, part, name);
        else
            line(c, "%s[0] = %s;", name, part);
        at += n;
    }
}

static void concat_registers(Cuda *c, const Op *op, const Layout *l)
{
    const Value *r = op->results[0];
    int64_t at = 0, whole = r->type.dims[op->axis];
    for (int i = 0; i < op->nargs; i++) {
        const Value *a = op->args[i];
        int64_t n = a->type.dims[op->axis];
        if (type_elements(&a->type) == 0)
            continue;
        Layout part = with_axis(l, op->axis, n);
        const char *name = is_uniform(a) ? c_name(c, a) : NULL;
        if (!name)
            name = layout_equal(&part, layout_of(c, a)) ? c_name(c, a) : converted(c, a, &part);
        line(c, "TILE_EACH(r, %lld) %s[r / %lld * %lld + %lld + r %% %lld] = %s%s;",
             (long long)layout_span(&part, OWN_REG), c_name(c, r), (long long)n, (long long)whole,
             (long long)at, (long long)n, name, is_uniform(a) ? "" : "[r]");
        at += n;
    }
}

bool cuda_concat(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    const Layout *first = NULL;
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
    bool lanes = joins_lanes(op, first, c->plan->unit);
    c->low->layout[r->id] = l;
    declare(c, r);
    if (lanes)
        concat_lanes(c, op);
    else
        concat_registers(c, op, &l);
    return true;
}
