/* cumsum, cummax, softmax and sums in tree order, in CUDA (R8).
 *
 * A float cumsum goes from left to right: in one thread's registers if the axis is short, else by
 * one thread a line in shared memory. What may be joined in any order is scanned in registers, then
 * over lanes. A tree sum takes the axis's modes from the smallest stride on, as long as they
 * are powers of two; what is left goes to shared memory.
 */
#include "compiler/cuda_order.h"

enum { MOST_IN_ORDER = 32 };

static DType scan_type(const Op *op)
{
    DType t = op->args[0]->type.dtype;
    return dtype_info[t].kind == 's' ? DT_F32 : t;
}

static bool in_order(const Op *op)
{
    return op->code == OP_CUMSUM && op->args[0]->type.dtype == DT_F32;
}

/* Each lane has a run of the axis in its registers, the lanes follow each other. */
static bool is_run_a_lane(const Layout *l, int axis)
{
    const Mode *modes[MAX_MODES];
    int n = axis_modes(l, axis, modes), k = 0;
    while (k < n && modes[k]->owner == OWN_REG)
        k++;
    return k == n || (k == n - 1 && modes[k]->owner == OWN_LANE);
}

static bool fits_registers(const Op *op, const Layout *l, ThreadUnit unit)
{
    int axis = op->axis;
    bool whole = axis_registers(l, axis) == op->args[0]->type.dims[axis];
    if (in_order(op))
        return whole && (unit.lanes == 1 || op->args[0]->type.dims[axis] <= MOST_IN_ORDER);
    return is_run_a_lane(l, axis);
}

/* Where the operand is scanned; the result of one in order stays there, others go back. */
static Layout scan_place(const Op *op, const Layout *have, ThreadUnit unit)
{
    const Type *t = &op->args[0]->type;
    Layout l;
    if (fits_registers(op, have, unit))
        return *have;
    if (in_order(op))
        return t->dims[op->axis] <= MOST_IN_ORDER ? axis_into_registers(t, op->axis, unit) : *have;
    return axis_over_lanes(t, op->axis, unit, true, &l) ? l : *have;
}

Layout scan_layout(const Op *op, const Layout *have, ThreadUnit unit)
{
    return in_order(op) ? scan_place(op, have, unit) : *have;
}

/* ---- scans ---- */

typedef struct Scan {
    const Op *op;
    int axis;
    DType type;
    const char *join, *c_type, *to;
    Held from;
} Scan;

/* A storage float is scanned as f32, an integer in its own width. */
static void widen(Cuda *c, Scan *s)
{
    DType t = s->from.type.dtype;
    if (t == s->type)
        return;
    int64_t n = layout_span(&s->from.layout, OWN_REG);
    const char *wide = new_temp(c, "wide");
    line(c, "%s %s[%lld];", c_type(s->type), wide, (long long)n);
    if (dtype_is_int(t)) {
        line(c, "TILE_EACH(r, %lld) %s[r] = %s[r];", (long long)n, wide, s->from.name);
        s->from.name = wide;
        s->from.type.dtype = s->type;
        return;
    }
    if (t == DT_TF32)
        line(c, "TILE_EACH(r, %lld) %s[r] = %s[r];", (long long)n, wide, s->from.name);
    else
        line(c, "TILE_EACH(r, %lld) %s[r] = tile_%s_to_f32(%s[r]);", (long long)n, wide,
             dtype_info[t].name, s->from.name);
    s->from.name = wide;
    s->from.type.dtype = DT_F32;
}

/* The lanes' runs follow each other: what came in the lanes before is joined to all of a run. */
static void scan_lanes(Cuda *c, const Scan *s, const char *r)
{
    const Layout *l = &s->from.layout;
    const char *name = dtype_info[s->type].name;
    int64_t before = 1;
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_LANE)
            continue;
        if (m->dim == s->axis) {
            line(c, "const int digit = lane / %lld %% %lld;", (long long)before,
                 (long long)m->extent);
            line(c, "const %s all = tile_scan_lanes_%s_%s(run, digit, %lld, %lld);", s->c_type,
                 s->join, name, (long long)before, (long long)m->extent);
            line(c, "const %s other = tile_shuffle_%s(all, tile_lane() - %lld & 31);", s->c_type,
                 name, (long long)before);
            line(c, "TILE_EACH(j, %lld) %s[%s] = digit ? tile_%s_%s(other, %s[%s]) : %s[%s];",
                 (long long)axis_registers(l, s->axis), s->to, r, s->join, name, s->to, r, s->to,
                 r);
        }
        before *= m->extent;
    }
}

static void scan_in_registers(Cuda *c, const Scan *s)
{
    const Layout *l = &s->from.layout;
    Digits d = {0};
    other_digits(c, l, s->axis, "o", &d);
    axis_digits(c, l, s->axis, "j", &d);
    char *r = register_text(c, l, &d);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(o, %lld)", (long long)other_registers(l, s->axis));
    line(c, "%s run = 0;", s->c_type);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(j, %lld)", (long long)axis_registers(l, s->axis));
    line(c, "const int r = %s;", r);
    line(c, "const %s part = j ? tile_%s_%s(run, %s[r]) : %s[r];", s->c_type, s->join,
         dtype_info[s->type].name, s->from.name, s->from.name);
    line(c, "%s[r] = %s;", s->to, in_order(s->op) && s->op->exclusive ? "run" : "part");
    line(c, "run = part;");
    close_block(c);
    if (axis_lanes(l, s->axis) > 1)
        scan_lanes(c, s, r);
    close_block(c);
}

static void scan_in_shared(Cuda *c, const Scan *s)
{
    const Held *h = &s->from;
    Rows rows = rows_of(&h->type, s->axis);
    ThreadUnit u = c->plan->unit;
    Buffer *b = shared_tile(c, "lines", &h->type);
    shared_put(c, h, b);
    buffer_write(c, b);
    if (in_order(s->op)) {
        open_block(c, STATEMENT_BLOCK, "for (int row = warp * %d + lane; row < %lld; row += %d)",
                   u.lanes, (long long)rows.count, u.warps * u.lanes);
        line(c, "tile_scan_row_in_order_f32(%s + %s, %lld, %lld, %s);", b->name,
             row_start(c, &rows, rows.n), (long long)rows.n, (long long)rows.stride,
             s->op->exclusive ? "true" : "false");
    } else {
        open_block(c, STATEMENT_BLOCK, "for (int row = warp; row < %lld; row += %d)",
                   (long long)rows.count, u.warps);
        line(c, "tile_scan_row_%s_%s(%s + %s, %lld, %lld, lane, %d);", s->join,
             dtype_info[s->type].name, b->name, row_start(c, &rows, rows.n), (long long)rows.n,
             (long long)rows.stride, u.lanes);
    }
    close_block(c);
    shared_get(c, &(Held){h->type, h->layout, s->to}, b);
}

/* What a scan gives in the operand's own type. */
static const char *narrow(Cuda *c, const Scan *s)
{
    DType t = s->op->args[0]->type.dtype;
    if (t == s->type)
        return s->to;
    const char *out = new_temp(c, "narrow");
    int64_t n = layout_span(&s->from.layout, OWN_REG);
    line(c, "%s %s[%lld];", c_type(t), out, (long long)n);
    line(c, "TILE_EACH(r, %lld) %s[r] = tile_exact_%s(%s[r]);", (long long)n, out,
         dtype_info[t].name, s->to);
    return out;
}

static const char *go_back(Cuda *c, const Held *from, const Layout *to)
{
    Held back = {from->type, *to, new_temp(c, "scanned")};
    Buffer *b = shared_tile(c, "lines", &from->type);
    line(c, "%s %s[%lld];", c_type(from->type.dtype), back.name,
         (long long)layout_span(to, OWN_REG));
    shared_put(c, from, b);
    shared_get(c, &back, b);
    return back.name;
}

bool emit_axis_scan(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    Scan s = {.op = op,
              .axis = op->axis,
              .type = scan_type(op),
              .join = op->code == OP_CUMSUM ? "add" : "max"};
    if (!hold(c, op->args[0], NULL, &s.from))
        return false;
    Layout have = s.from.layout, want = scan_place(op, &have, c->plan->unit);
    if (!layout_equal(&want, &have) && !hold(c, op->args[0], &want, &s.from))
        return false;
    widen(c, &s);
    s.c_type = c_type(s.type);
    s.to = new_name(c, r, op_info[op->code].name);
    int64_t n = layout_span(&want, OWN_REG);
    line(c, "%s %s[%lld];", s.c_type, s.to, (long long)n);
    if (fits_registers(op, &want, c->plan->unit))
        scan_in_registers(c, &s);
    else
        scan_in_shared(c, &s);
    /* Exact and without order: what comes before an integer is the sum less the integer. */
    if (op->exclusive && !in_order(op))
        line(c, "TILE_EACH(r, %lld) %s[r] = tile_sub_%s(%s[r], %s[r]);", (long long)n, s.to,
             dtype_info[s.type].name, s.to, s.from.name);
    Held result = {op->args[0]->type, want, narrow(c, &s)};
    result.type.dtype = held(c, r);
    Layout to = scan_layout(op, &have, c->plan->unit);
    if (!layout_equal(&to, &want))
        result.name = go_back(c, &result, &to);
    give_result(c, r, result.name, &to);
    return true;
}

/* ---- sums in tree order ---- */

/* The layout after mode `gone` of the axis is summed up. */
static Layout without_mode(const Layout *l, int axis, const Mode *gone)
{
    Layout out = {0};
    for (int i = 0; i < l->count; i++) {
        Mode m = l->mode[i];
        if (&l->mode[i] == gone) {
            if (m.owner != OWN_REG)
                layout_add(&out, (Owner)m.owner, -1, m.extent, 0);
            continue;
        }
        if (m.dim == axis)
            m.stride /= gone->extent;
        layout_add(&out, (Owner)m.owner, m.dim, m.extent, m.stride);
    }
    return out;
}

/* a[0 .. n - 1], neighbours first; one without a neighbour is added to the zero of the padding. */
static void tree_lines(Cuda *c, int64_t n)
{
    for (; n > 1; n = (n + 1) / 2) {
        line(c, "TILE_EACH(i, %lld) part[i] = part[2 * i] + part[2 * i + 1];", (long long)(n / 2));
        if (n % 2)
            line(c, "part[%lld] = part[%lld] + 0.0f;", (long long)(n / 2), (long long)(n - 1));
    }
}

static void tree_registers(Cuda *c, const Held *h, const Mode *m, const char *to)
{
    const Layout *l = &h->layout;
    Digits d = {0};
    int64_t before = 1;
    for (int i = 0; i < l->count; i++) {
        const Mode *x = &l->mode[i];
        if (x->owner != OWN_REG)
            continue;
        if (x == m) {
            d.text[i] = "j";
            continue;
        }
        d.text[i] = format_text(c, "o / %lld %% %lld", (long long)before, (long long)x->extent);
        before *= x->extent;
    }
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(o, %lld)", (long long)before);
    line(c, "float part[%lld];", (long long)m->extent);
    line(c, "TILE_EACH(j, %lld) part[j] = %s[%s];", (long long)m->extent, h->name,
         register_text(c, l, &d));
    tree_lines(c, m->extent);
    line(c, "%s[o] = part[0];", to);
    close_block(c);
}

static void tree_lanes(Cuda *c, const Held *h, const Mode *m, const char *to)
{
    const Layout *l = &h->layout;
    int64_t before = 1, n = layout_span(l, OWN_REG);
    for (int i = 0; &l->mode[i] != m; i++)
        if (l->mode[i].owner == OWN_LANE)
            before *= l->mode[i].extent;
    line(c, "TILE_EACH(r, %lld) %s[r] = %s[r];", (long long)n, to, h->name);
    for (int64_t k = 1; k < m->extent; k *= 2)
        line(c, "TILE_EACH(r, %lld) %s[r] = %s[r] + tile_shuffle_xor_f32(%s[r], %lld);",
             (long long)n, to, to, to, (long long)(before * k));
}

/* All that is left of the axis, in shared memory. */
static void tree_shared(Cuda *c, Held *h, int axis)
{
    Rows rows = rows_of(&h->type, axis);
    Held sum = {h->type, layout_reduce(&h->layout, axis), new_temp(c, "sums")};
    Buffer *b = shared_tile(c, "lines", &h->type);
    line(c, "float %s[%lld];", sum.name, (long long)layout_span(&sum.layout, OWN_REG));
    shared_put(c, h, b);
    buffer_write(c, b);
    open_block(c, STATEMENT_BLOCK, "for (int row = warp; row < %lld; row += %d)",
               (long long)rows.count, c->plan->unit.warps);
    line(c, "tile_tree_row_f32(%s + %s, %lld, %lld, lane, %d);", b->name,
         row_start(c, &rows, rows.n), (long long)rows.n, (long long)rows.stride,
         c->plan->unit.lanes);
    close_block(c);
    shared_get(c, &sum, b);
    *h = sum;
}

/* What the holders beyond the tile hold counts as the zero of the padding. */
static void zero_surplus(Cuda *c, Held *h)
{
    char *real = holds_text(c, &h->layout, "r");
    const char *padded = new_temp(c, "padded");
    long long n = layout_span(&h->layout, OWN_REG);
    line(c, "float %s[%lld];", padded, n);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s ? %s[r] : 0.0f;", n, padded, real, h->name);
    h->name = padded;
    for (int i = 0; i < h->layout.count; i++) {
        Mode *m = &h->layout.mode[i];
        if (m->mask >= 0)
            h->type.dims[m->dim] = 0;
        m->mask = -1;
        m->weight = 0;
    }
    h->layout.masks = 0;
    for (int d = 0; d < h->type.rank; d++)
        if (h->type.dims[d] == 0)
            h->type.dims[d] = layout_along(&h->layout, OWN_REG, d) *
                              layout_along(&h->layout, OWN_LANE, d) *
                              layout_along(&h->layout, OWN_WARP, d);
}

static bool is_power_of_two(int64_t n)
{
    return (n & (n - 1)) == 0;
}

bool tree_sum(Cuda *c, const Held *h, int axis, Held *sum)
{
    *sum = *h;
    if (layout_is_masked(&sum->layout))
        zero_surplus(c, sum);
    for (;;) {
        const Mode *modes[MAX_MODES];
        int n = axis_modes(&sum->layout, axis, modes);
        if (n == 0)
            break;
        const Mode *m = modes[0];
        if (m->owner == OWN_WARP || (n > 1 && !is_power_of_two(m->extent))) {
            tree_shared(c, sum, axis);
            break;
        }
        Layout after = without_mode(&sum->layout, axis, m);
        const char *to = new_temp(c, "sums");
        line(c, "float %s[%lld];", to, (long long)layout_span(&after, OWN_REG));
        (m->owner == OWN_REG ? tree_registers : tree_lanes)(c, sum, m, to);
        sum->type.dims[axis] /= m->extent;
        sum->layout = after;
        sum->name = to;
    }
    sum->type.dims[axis] = 1;
    return true;
}

bool emit_tree_sum(Cuda *c, const Op *op)
{
    Held h, sum;
    if (!hold(c, op->args[0], NULL, &h) || !tree_sum(c, &h, op->axis, &sum))
        return false;
    give_result(c, op->results[0], sum.name, &sum.layout);
    return true;
}

/* ---- softmax ---- */

/* The register of a value per line that goes with register r. */
static char *line_register(Cuda *c, const Layout *l, int axis)
{
    bool kept[MAX_RANK];
    for (int i = 0; i < MAX_RANK; i++)
        kept[i] = i != axis;
    return projected_register(c, l, kept, "r");
}

bool emit_axis_softmax(Cuda *c, const Op *op)
{
    Held h, sum;
    int axis = op->axis;
    if (!hold(c, op->args[0], NULL, &h))
        return false;
    const Value *v = op->results[0];
    int64_t n = layout_span(&h.layout, OWN_REG), m = other_registers(&h.layout, axis);
    char *of = line_register(c, &h.layout, axis);
    const char *most = new_temp(c, "most"), *e = new_temp(c, "e");
    const char *name = new_name(c, v, "softmax");
    line(c, "float %s[%lld], %s[%lld], %s[%lld];", most, (long long)m, e, (long long)n, name,
         (long long)n);
    line(c, "TILE_EACH(r, %lld) %s[r] = tile_float(0xFF800000u);", (long long)m, most);
    char *real = holds_text(c, &h.layout, "r");
    line(c, "TILE_EACH(r, %lld) %s%s%s%s[%s] = tile_max_f32(%s[%s], %s[r]);", (long long)n,
         *real ? "if (" : "", real, *real ? ") " : "", most, of, most, of, h.name);
    reduce_across(c, &h.layout, axis, "tile_max_f32", most, m, DT_F32);
    line(c, "TILE_EACH(r, %lld) %s[r] = tile_exp(%s[r] - %s[%s]);", (long long)n, e, h.name, most,
         of);
    h.name = e;
    if (!tree_sum(c, &h, axis, &sum))
        return false;
    line(c, "TILE_EACH(r, %lld) %s[r] = %s[r] / %s[%s];", (long long)n, name, e, sum.name, of);
    give_result(c, v, name, &h.layout);
    return true;
}
