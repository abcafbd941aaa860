/* Reductions: registers first, then lanes by xor-shuffles, then warps through shared memory
 * (R8).
 *
 * What a warp has found is put into a buffer; it is fetched where the result is first used, so that
 * reductions that do not need each other share a barrier. */
#include <string.h>

#include "compiler/cuda_order.h"

static DType reduced_type(Cuda *c, const Op *op)
{
    return op->code == OP_SUM ? op->args[0]->type.dtype : held(c, op->args[0]);
}

static const char *combine(Cuda *c, const Op *op)
{
    static const char *const verb[OP_COUNT] = {
        [OP_SUM] = "add", [OP_AMAX] = "max", [OP_AMIN] = "min", [OP_ANY] = "or", [OP_ALL] = "and"};
    return format_text(c, "tile_%s_%s", verb[op->code], dtype_info[reduced_type(c, op)].name);
}

static char *identity(Cuda *c, const Op *op)
{
    DType t = reduced_type(c, op);
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

/* ---- lanes ---- */

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
                 (long long)n, name, f, name, carrier(t), name, (long long)(before * d));
        before *= m->extent;
    }
}

/* ---- warps ---- */

/* What the warps have found of `n` registers, on its way through shared memory. */
struct Partial {
    Buffer *buffer;
    const char *f, *name;
    DType type;
    int64_t n, slots; /* registers, and lanes that differ */
    char *slot;       /* this lane's */
    const Layout *layout;
    int axis;
};

/* The number of a lane among those that differ along other axes, and whether it is the first of
 * those that hold the same. */
static char *lane_slot(Cuda *c, const Layout *l, int axis, int64_t *slots, char **first)
{
    char *slot = format_text(c, "0");
    int64_t before = 1;
    *slots = 1;
    *first = format_text(c, "%s", "");
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_LANE)
            continue;
        char *digit = format_text(c, "lane / %lld %% %d", (long long)before, m->extent);
        if (m->dim >= 0 && m->dim != axis) {
            slot = sum_of(c, slot,
                          *slots == 1 ? digit
                                      : format_text(c, "%s * %lld", digit, (long long)*slots));
            *slots *= m->extent;
        } else {
            *first = both(c, *first, format_text(c, "%s == 0", digit));
        }
        before *= m->extent;
    }
    return slot;
}

static Partial *put_partial(Cuda *c, const Layout *l, int axis, const char *f, const char *name,
                            int64_t n, DType t)
{
    Partial *p = NEW(c->arena, Partial);
    char *first;
    *p = (Partial){.f = f, .name = name, .type = t, .n = n, .layout = l, .axis = axis};
    p->slot = lane_slot(c, l, axis, &p->slots, &first);
    int64_t all = layout_span(l, OWN_WARP) * n * p->slots;
    p->buffer = statement_buffer(&c->out, new_temp(c, "parts"), c_type(t),
                                 (size_t)all * dtype_info[t].size);
    buffer_write(c, p->buffer);
    line(
        c,
        "%s%s%sTILE_EACH(r, %lld) tile_shared_store_%s(%s + (warp * %lld + r) * %lld + %s, %s[r]);",
        *first ? "if (" : "", first, *first ? ") " : "", (long long)n, carrier(t), p->buffer->name,
        (long long)n, (long long)p->slots, p->slot, name);
    return p;
}

/* The warp digits along the axis, from the first: what a step of one is in warps. */
typedef struct WarpDigits {
    int64_t before[MAX_MODES];
    int extent[MAX_MODES], count;
} WarpDigits;

static WarpDigits warp_digits(const Layout *l, int axis)
{
    WarpDigits d = {.count = 0};
    int64_t before = 1;
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_WARP)
            continue;
        if (m->dim == axis) {
            d.before[d.count] = before;
            d.extent[d.count++] = m->extent;
        }
        before *= m->extent;
    }
    return d;
}

static char *part_text(Cuda *c, const Partial *p, const char *warp)
{
    return format_text(c, "tile_shared_load_%s(%s + (%s * %lld + r) * %lld + %s)", carrier(p->type),
                       p->buffer->name, warp, (long long)p->n, (long long)p->slots, p->slot);
}

/* `to` is what the warps from `warp` on have, over the digits up to number k. */
static void join_parts(Cuda *c, const Partial *p, const WarpDigits *d, int k, const char *warp,
                       const char *to)
{
    const char *w = k ? format_text(c, "w%d", k) : "w";
    char *next = format_text(c, "(%s + %s * %lld)", warp, w, (long long)d->before[k]);
    if (k == 0) {
        line(c, "%s = %s;", to, part_text(c, p, warp));
        line(c, "TILE_UNROLL for (int w = 1; w < %d; w++)", d->extent[0]);
        line(c, "    %s = %s(%s, %s);", to, p->f, to, part_text(c, p, next));
        return;
    }
    const char *part = new_temp(c, "part");
    join_parts(c, p, d, k - 1, warp, to);
    open_block(c, STATEMENT_BLOCK, "TILE_UNROLL for (int %s = 1; %s < %d; %s++)", w, w,
               d->extent[k], w);
    line(c, "%s %s;", c_type(p->type), part);
    join_parts(c, p, d, k - 1, next, part);
    line(c, "%s = %s(%s, %s);", to, p->f, to, part);
    close_block(c);
}

/* Each warp joins what those found that differ from it along the axis only, from digit 0 upwards.
 */
static void get_partial(Cuda *c, const Partial *p)
{
    WarpDigits d = warp_digits(p->layout, p->axis);
    char *first = format_text(c, "0");
    bool all = d.count == 1 && d.extent[0] == layout_span(p->layout, OWN_WARP);
    if (!all)
        first = format_text(c, "(warp");
    for (int k = 0; k < d.count && !all; k++)
        first = format_text(c, "%s - warp / %lld %% %d * %lld", first, (long long)d.before[k],
                            d.extent[k], (long long)d.before[k]);
    if (!all)
        first = format_text(c, "%s)", first);
    buffer_read(c, p->buffer);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(r, %lld)", (long long)p->n);
    join_parts(c, p, &d, d.count - 1, first, format_text(c, "%s[r]", p->name));
    close_block(c);
}

static int warp_modes(const Layout *l, int axis)
{
    int n = 0;
    for (int i = 0; i < l->count; i++)
        n += l->mode[i].owner == OWN_WARP && l->mode[i].dim == axis;
    return n;
}

void reduce_across(Cuda *c, const Layout *l, int axis, const char *f, const char *name, int64_t n,
                   DType t)
{
    reduce_lanes(c, l, axis, f, name, n, t);
    if (warp_modes(l, axis))
        get_partial(c, put_partial(c, l, axis, f, name, n, t));
}

void finish_reduction(Cuda *c, const Value *v)
{
    Partial *p = c->partial[v->id];
    if (!p)
        return;
    c->partial[v->id] = NULL;
    get_partial(c, p);
}

/* ---- sums in order ---- */

static void sum_in_order(Cuda *c, const Op *op, const char *from, const char *to, int64_t n)
{
    int64_t k = op->args[0]->type.dims[op->axis];
    DType t = op->args[0]->type.dtype;
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(r, %lld)", (long long)n);
    if (op->nargs > 1)
        line(c, "%s[r] = %s;", to, c_name(c, op->args[1]));
    else
        line(c, "%s[r] = %s[r * %lld];", to, from, (long long)k);
    line(
        c,
        "TILE_UNROLL for (int i = %d; i < %lld; i++) %s[r] = tile_add_%s(%s[r], %s[r * %lld + i]);",
        op->nargs > 1 ? 0 : 1, (long long)k, to, dtype_info[t].name, to, from, (long long)k);
    close_block(c);
}

/* The fastest register digit is the whole axis. */
static bool has_axis_first(const Layout *l, int axis, int64_t n)
{
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].owner == OWN_REG)
            return l->mode[i].dim == axis && l->mode[i].extent == n && l->mode[i].mask < 0;
    return n == 1;
}

/* The axis lies along lanes alone, an element a lane: each asks them one after the other. */
static bool axis_is_lanes(const Layout *l, int axis)
{
    return layout_along(l, OWN_REG, axis) == 1 && layout_along(l, OWN_WARP, axis) == 1;
}

enum { MOST_ASKED = 16 };

static bool sum_over_lanes(Cuda *c, const Op *op, const Layout *l, const char *from, const char *to)
{
    int64_t k = op->args[0]->type.dims[op->axis];
    DType t = op->args[0]->type.dtype;
    Layout after = layout_reduce(l, op->axis);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(r, %lld)", (long long)layout_span(&after, OWN_REG));
    int i = 0;
    if (op->nargs > 1)
        line(c, "%s[r] = %s;", to, c_name(c, op->args[1]));
    else
        line(c, "%s[r] = tile_shuffle_%s(%s[r], %s);", to, carrier(t), from,
             lane_of_element(c, l, op->axis, "0")),
            i = 1;
    line(c, "TILE_UNROLL for (int i = %d; i < %lld; i++)", i, (long long)k);
    line(c, "    %s[r] = tile_add_%s(%s[r], tile_shuffle_%s(%s[r], %s));", to, dtype_info[t].name,
         to, carrier(t), from, lane_of_element(c, l, op->axis, "i"));
    close_block(c);
    return true;
}

static bool emit_ordered_sum(Cuda *c, const Op *op)
{
    const Value *a = op->args[0], *r = op->results[0];
    int64_t k = a->type.dims[op->axis];
    const char *type = c_type(a->type.dtype), *to = new_name(c, r, "sum");
    const Layout *have = is_uniform(a) ? NULL : layout_of(c, a);
    if (have && axis_is_lanes(have, op->axis) && k <= MOST_ASKED && k > 0) {
        Layout after = layout_reduce(have, op->axis);
        line(c, "%s %s[%lld];", type, to, (long long)layout_span(&after, OWN_REG));
        sum_over_lanes(c, op, have, c_name(c, a), to);
        give_result(c, r, to, &after);
        return true;
    }
    Layout l = axis_into_registers(&a->type, op->axis, c->plan->unit);
    if (have && has_axis_first(have, op->axis, k))
        l = *have;
    Layout after = layout_reduce(&l, op->axis);
    const char *from = fitted(c, a, &l);
    int64_t n = layout_span(&after, OWN_REG), all = layout_span(&l, OWN_REG);
    if (is_uniform(a)) {
        const char *copy = new_temp(c, "each");
        line(c, "%s %s[%lld];", type, copy, (long long)(all ? all : 1));
        line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)all, copy, from);
        from = copy;
    }
    line(c, "%s %s[%lld];", type, to, (long long)n);
    if (k == 0 && op->nargs == 1)
        line(c, "TILE_EACH(r, %lld) %s[r] = 0;", (long long)n, to);
    else
        sum_in_order(c, op, from, to, n);
    give_result(c, r, to, &after);
    return true;
}

/* ---- all ---- */

/* All elements are equal, or there is one: only sums add them up. */
static bool reduce_uniform(Cuda *c, const Op *op, const char *f)
{
    const Value *a = op->args[0], *r = op->results[0];
    DType t = reduced_type(c, op);
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

/* Adds up the registers: `to`[..] joined with each of the arg. A fused product is accumulated. */
static bool reduce_registers(Cuda *c, const Op *op, const Layout *l, const char *f, const char *to)
{
    const Value *a = op->args[0];
    bool kept[MAX_RANK];
    for (int i = 0; i < MAX_RANK; i++)
        kept[i] = op->axis >= 0 && i != op->axis;
    char *at = op->axis >= 0 ? projected_register(c, l, kept, "r") : format_text(c, "0");
    char *held_by = holds_text(c, l, "r");
    char *when = *held_by ? format_text(c, "if (%s) ", held_by) : format_text(c, "%s", "");
    long long n = layout_span(l, OWN_REG);
    if (op->plan && op->plan->fused) {
        const Op *product = a->op;
        char *x = operand_text(c, product->args[0], l, "r");
        char *y = operand_text(c, product->args[1], l, "r");
        line(c, "TILE_EACH(r, %lld) %s%s[%s] = tile_fma(%s, %s, %s[%s]);", n, when, to, at, x, y,
             to, at);
        return !c->failed;
    }
    const Op *abs = c->deferred[a->id];
    if (op->code == OP_AMAX && abs && abs->code == OP_ABS && a->type.dtype == DT_F32) {
        a = abs->args[0];
        f = "tile_max_abs_f32";
    }
    char *x = operand_text(c, a, l, "r");
    line(c, "TILE_EACH(r, %lld) %s%s[%s] = %s(%s[%s], %s);", n, when, to, at, f, to, at, x);
    return !c->failed;
}

/* The thread's own elements are added to its part. */
static bool emit_sum_part(Cuda *c, const Op *op)
{
    const Value *a = op->args[0], *r = op->results[0];
    const Layout *l = summed_layout(c->low, op);
    const char *name = new_name(c, r, "parts"), *before = c_name(c, op->args[1]);
    int64_t n = is_uniform(r) ? 1 : registers(c, r);
    if (is_uniform(a))
        return cuda_fail(c, op, "a carried sum of a constant");
    line(c, "float %s[%lld];", name, (long long)n);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s%s;", (long long)n, name, before,
         is_uniform(op->args[1]) ? "" : "[r]");
    if (!reduce_registers(c, op, l, "tile_add_f32", name))
        return false;
    give_result(c, r, name, is_uniform(r) ? l : layout_of(c, r));
    return true;
}

bool emit_reduction(Cuda *c, const Op *op)
{
    const Value *a = op->args[0], *r = op->results[0];
    DType t = reduced_type(c, op);
    if (op->code == OP_SUM_PART)
        return emit_sum_part(c, op);
    const char *f = combine(c, op);
    if (dtype_info[t].kind == 's')
        return cuda_fail(c, op, "%s of %s", op_info[op->code].name, dtype_info[t].name);
    if (op->code == OP_SUM && op->order == ORDER_TREE && t == DT_F32)
        return emit_tree_sum(c, op);
    if (op->code == OP_SUM && op->order != ORDER_DEFAULT)
        return emit_ordered_sum(c, op);
    if (is_uniform(a))
        return reduce_uniform(c, op, f);
    const Layout *l = summed_layout(c->low, op);
    Layout after = op->axis >= 0 ? layout_reduce(l, op->axis) : (Layout){0};
    const char *name = new_name(c, r, op_info[op->code].name);
    int64_t n = op->axis >= 0 ? layout_span(&after, OWN_REG) : 1;
    line(c, "%s %s[%lld];", c_type(t), name, (long long)n);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)n, name, identity(c, op));
    if (!reduce_registers(c, op, l, f, name))
        return false;
    int pending = -1;
    for (int axis = 0; axis < a->type.rank; axis++) {
        if (op->axis >= 0 && axis != op->axis)
            continue;
        reduce_lanes(c, l, axis, f, name, n, t);
        if (warp_modes(l, axis) && op->axis >= 0)
            pending = axis;
        else if (warp_modes(l, axis))
            get_partial(c, put_partial(c, l, axis, f, name, n, t));
    }
    if (pending >= 0)
        c->partial[r->id] = put_partial(c, l, pending, f, name, n, t);
    give_result(c, r, name, &after);
    return true;
}
