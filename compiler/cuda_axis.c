/* One axis of a tile in its holders: digits, lanes, layouts that suit it, rows in shared memory. */
#include <string.h>

#include "compiler/cuda_order.h"

/* ---- operands and results ---- */

bool hold(Cuda *c, const Value *v, const Layout *want, Held *h)
{
    *h = (Held){.type = v->type};
    h->type.dtype = held(c, v);
    if (!is_uniform(v)) {
        h->layout = want ? *want : *layout_of(c, v);
        if (c->deferred[v->id])
            return cuda_fail(c, v->op, "a deferred operand");
        h->name = want && !layout_equal(want, layout_of(c, v)) ? converted(c, v, want)
                                                               : c_name(c, v);
        return h->name != NULL;
    }
    if (want) {
        h->layout = *want;
    } else {
        SpreadRequest q = {.fast = v->type.rank - 1, .vector = 1, .block_axis = -1};
        h->layout = layout_spread(&v->type, q, c->plan->unit);
    }
    int64_t n = layout_span(&h->layout, OWN_REG);
    h->name = new_temp(c, "each");
    line(c, "%s %s[%lld];", c_type(h->type.dtype), h->name, (long long)n);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)n, h->name, c_name(c, v));
    return true;
}

/* ---- what an axis spans ---- */

int64_t axis_registers(const Layout *l, int axis)
{
    return layout_along(l, OWN_REG, axis);
}

int64_t axis_lanes(const Layout *l, int axis)
{
    return layout_along(l, OWN_LANE, axis);
}

int64_t axis_warps(const Layout *l, int axis)
{
    return layout_along(l, OWN_WARP, axis);
}

int64_t other_registers(const Layout *l, int axis)
{
    return layout_span(l, OWN_REG) / axis_registers(l, axis);
}

int axis_lane_mask(const Layout *l, int axis)
{
    int64_t before = 1, mask = 0;
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_LANE)
            continue;
        if (m->dim == axis)
            mask |= (m->extent - 1) * before;
        before *= m->extent;
    }
    return (int)mask;
}

bool axis_has_warp(const Layout *l, int axis)
{
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].owner == OWN_LANE && l->mode[i].dim >= 0 && l->mode[i].dim != axis)
            return false;
    return layout_span(l, OWN_LANE) == 32;
}

int axis_modes(const Layout *l, int axis, const Mode **modes)
{
    int n = 0;
    for (int i = 0; i < l->count; i++) {
        if (l->mode[i].dim != axis)
            continue;
        int at = n++;
        for (; at > 0 && modes[at - 1]->stride > l->mode[i].stride; at--)
            modes[at] = modes[at - 1];
        modes[at] = &l->mode[i];
    }
    return n;
}

/* ---- digits ---- */

/* "(x / before % extent)"; x is a name or a number. */
static char *digit_text(Cuda *c, const char *x, int64_t before, int64_t extent, bool last)
{
    char *text = before > 1 ? format_text(c, "%s / %lld", x, (long long)before)
                            : format_text(c, "%s", x);
    if (!last)
        text = format_text(c, "%s %% %lld", text, (long long)extent);
    return text;
}

static char *plus(Cuda *c, char *sum, char *term, int64_t factor)
{
    if (factor != 1)
        term = format_text(c, "%s * %lld", term, (long long)factor);
    return sum_of(c, sum, term);
}

void other_digits(Cuda *c, const Layout *l, int axis, const char *o, Digits *d)
{
    int64_t before = 1, all = other_registers(l, axis);
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_REG || m->dim == axis)
            continue;
        d->text[i] = digit_text(c, o, before, m->extent, before * m->extent == all);
        before *= m->extent;
    }
}

void axis_digits(Cuda *c, const Layout *l, int axis, const char *j, Digits *d)
{
    const Mode *modes[MAX_MODES];
    int n = axis_modes(l, axis, modes);
    int64_t before = 1, all = axis_registers(l, axis);
    for (int i = 0; i < n; i++) {
        const Mode *m = modes[i];
        if (m->owner != OWN_REG)
            continue;
        d->text[m - l->mode] = digit_text(c, j, before, m->extent, before * m->extent == all);
        before *= m->extent;
    }
}

/* The digit of a mode for element `at`. The modes of a mask share the part of the index that is
 * below its limit. */
static char *element_digit(Cuda *c, const Layout *l, const Mode *m, const char *at)
{
    bool outermost = true, last = true;
    int64_t base = m->mask < 0 ? m->stride : m->stride / m->weight;
    int64_t whole = m->mask < 0 ? m->extent : l->limit[m->mask];
    for (int i = 0; i < l->count; i++) {
        const Mode *o = &l->mode[i];
        if (o->dim != m->dim || o->stride <= m->stride)
            continue;
        if (m->mask >= 0 && o->mask == m->mask)
            last = false;
        else
            outermost = false;
    }
    char *digit = digit_text(c, at, base, whole, outermost);
    if (m->mask < 0)
        return digit;
    if (m->weight > 1 || !last)
        digit = digit_text(c, outermost && base == 1 ? at : format_text(c, "(%s)", digit),
                           m->weight, m->extent, last);
    return digit;
}

void element_digits(Cuda *c, const Layout *l, int axis, const char *at, Digits *d)
{
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].owner == OWN_REG && l->mode[i].dim == axis)
            d->text[i] = element_digit(c, l, &l->mode[i], at);
}

char *register_text(Cuda *c, const Layout *l, const Digits *d)
{
    int64_t before = 1;
    char *sum = format_text(c, "0");
    for (int i = 0; i < l->count; i++) {
        if (l->mode[i].owner != OWN_REG)
            continue;
        if (d->text[i])
            sum = plus(c, sum, format_text(c, "%s", d->text[i]), before);
        before *= l->mode[i].extent;
    }
    return sum;
}

char *lane_of_element(Cuda *c, const Layout *l, int axis, const char *at)
{
    int64_t before = 1;
    int mask = axis_lane_mask(l, axis), all = c->plan->unit.lanes - 1;
    char *sum = mask == all ? format_text(c, "0") : format_text(c, "(lane & %d)", all & ~mask);
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_LANE)
            continue;
        if (m->dim == axis)
            sum = plus(c, sum, element_digit(c, l, m, at), before);
        before *= m->extent;
    }
    return absolute_lane(c, sum);
}

char *axis_register_of(Cuda *c, const Layout *l, int axis, const char *at)
{
    const Mode *modes[MAX_MODES];
    int n = axis_modes(l, axis, modes);
    int64_t before = 1;
    char *sum = format_text(c, "0");
    for (int i = 0; i < n; i++) {
        if (modes[i]->owner != OWN_REG)
            continue;
        sum = plus(c, sum, element_digit(c, l, modes[i], at), before);
        before *= modes[i]->extent;
    }
    return sum;
}

/* ---- layouts ---- */

/* Appends the tile without the axis, over the lanes that the axis leaves. */
static void add_rest(Layout *l, const Type *t, int axis, int64_t lanes, ThreadUnit unit)
{
    Type rest = *t;
    rest.dims[axis] = 1;
    unit.lanes /= (int)lanes;
    SpreadRequest q = {.fast = t->rank - 1, .vector = 1, .block_axis = -1};
    Layout spread = layout_spread(&rest, q, unit);
    for (int i = 0; i < spread.count; i++)
        layout_add(l, (Owner)spread.mode[i].owner, spread.mode[i].dim, spread.mode[i].extent,
                   spread.mode[i].stride);
}

bool axis_over_lanes(const Type *t, int axis, ThreadUnit unit, bool runs, Layout *l)
{
    enum { MOST = 16 };
    int64_t n = t->dims[axis], lanes = 1;
    while (2 * lanes <= unit.lanes && lanes < n)
        lanes *= 2;
    int64_t regs = (n + lanes - 1) / lanes;
    int mask = lanes * regs > n ? 0 : -1;
    *l = (Layout){.masks = mask + 1, .limit = {(int32_t)n}};
    layout_add_masked(l, OWN_REG, axis, regs, runs ? 1 : lanes, mask, runs ? 1 : lanes);
    layout_add_masked(l, OWN_LANE, axis, lanes, runs ? regs : 1, mask, runs ? regs : 1);
    add_rest(l, t, axis, lanes, unit);
    return regs <= MOST;
}

Layout axis_into_registers(const Type *t, int axis, ThreadUnit unit)
{
    Layout l = {0};
    layout_add(&l, OWN_REG, axis, t->dims[axis], 1);
    add_rest(&l, t, axis, 1, unit);
    return l;
}

/* ---- rows in shared memory ---- */

Rows rows_of(const Type *t, int axis)
{
    Rows r = {t->dims[axis], 1, 0};
    for (int i = axis + 1; i < t->rank; i++)
        r.stride *= t->dims[i];
    r.count = type_elements(t) / r.n;
    return r;
}

char *row_start(Cuda *c, const Rows *r, int64_t n)
{
    if (r->stride == 1)
        return format_text(c, "row * %lld", (long long)n);
    if (r->stride == r->count)
        return format_text(c, "row");
    return format_text(c, "row / %lld * %lld + row %% %lld", (long long)r->stride,
                       (long long)(r->stride * n), (long long)r->stride);
}

void shared_put(Cuda *c, const Held *h, Buffer *b)
{
    char *when = both(c, one_holder(c, &h->layout), holds_text(c, &h->layout, "r"));
    buffer_write(c, b);
    line(c, "TILE_EACH(r, %lld) %s%s%stile_shared_store_%s(%s + %s, %s[r]);",
         (long long)layout_span(&h->layout, OWN_REG), *when ? "if (" : "", when, *when ? ") " : "",
         carrier(h->type.dtype), b->name, place_text(c, &h->type, &h->layout), h->name);
}

void shared_get(Cuda *c, const Held *h, Buffer *b)
{
    char *when = holds_text(c, &h->layout, "r");
    buffer_read(c, b);
    line(c, "TILE_EACH(r, %lld) %s%s%s%s[r] = tile_shared_load_%s(%s + %s);",
         (long long)layout_span(&h->layout, OWN_REG), *when ? "if (" : "", when, *when ? ") " : "",
         h->name, carrier(h->type.dtype), b->name, place_text(c, &h->type, &h->layout));
}

Buffer *shared_tile(Cuda *c, const char *stem, const Type *t)
{
    return statement_buffer(&c->out, new_temp(c, stem), c_type(t->dtype),
                            (size_t)type_elements(t) * dtype_info[t->dtype].size);
}
