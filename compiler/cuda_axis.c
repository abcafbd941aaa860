/* One axis of a tile in its holders: digits, lanes, layouts that suit it, rows in shared memory. */
#include <string.h>

#include "compiler/cuda_order.h"

/* ---- operands and results ---- */

const char *carrier(DType t)
{
    switch (t) {
    case DT_F16:
    case DT_BF16:
        return "u16";
    case DT_E4M3:
    case DT_E5M2:
    case DT_E2M1:
    case DT_UE8M0:
        return "u8";
    case DT_TF32:
        return "f32";
    default:
        return dtype_info[t].name;
    }
}

bool hold(Cuda *c, const Value *v, const Layout *want, Held *h)
{
    *h = (Held){.type = v->type};
    if (!is_uniform(v)) {
        h->layout = want ? *want : *layout_of(c, v);
        h->name = fitted(c, v, &h->layout);
        return h->name != NULL;
    }
    h->layout = want ? *want : layout_spread(&v->type, v->type.rank - 1, 1, c->plan->unit);
    h->name = new_temp(c, "all");
    int64_t n = layout_span(&h->layout, OWN_REG);
    line(c, "%s %s[%lld];", c_type(v->type.dtype), h->name, (long long)n);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)n, h->name, c_name(c, v));
    return true;
}

void give_result(Cuda *c, const Value *v, const char *name, const Layout *l)
{
    if (is_uniform(v)) {
        c->name[v->id] = format_text(c, "%s[0]", name);
        return;
    }
    c->low->layout[v->id] = *l;
    c->name[v->id] = name;
}

/* ---- what an axis spans ---- */

static int64_t axis_span(const Layout *l, int axis, Owner owner)
{
    int64_t n = 1;
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].owner == owner && l->mode[i].dim == axis)
            n *= l->mode[i].extent;
    return n;
}

int64_t axis_registers(const Layout *l, int axis)
{
    return axis_span(l, axis, OWN_REG);
}

int64_t axis_lanes(const Layout *l, int axis)
{
    return axis_span(l, axis, OWN_LANE);
}

int64_t axis_warps(const Layout *l, int axis)
{
    return axis_span(l, axis, OWN_WARP);
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
    return *sum ? format_text(c, "%s + %s", sum, term) : term;
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

/* The digit of a mode for element `at`. */
static char *element_digit(Cuda *c, const Layout *l, const Mode *m, const char *at)
{
    bool last = true;
    for (int i = 0; i < l->count; i++)
        last &= l->mode[i].dim != m->dim || l->mode[i].stride <= m->stride;
    return digit_text(c, at, m->stride, m->extent, last);
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
    char *sum = format_text(c, "%s", "");
    for (int i = 0; i < l->count; i++) {
        if (l->mode[i].owner != OWN_REG)
            continue;
        if (d->text[i])
            sum = plus(c, sum, format_text(c, "%s", d->text[i]), before);
        before *= l->mode[i].extent;
    }
    return *sum ? sum : format_text(c, "0");
}

char *lane_of_element(Cuda *c, const Layout *l, int axis, const char *at)
{
    int64_t before = 1;
    int mask = axis_lane_mask(l, axis);
    char *sum = mask == 31 ? format_text(c, "%s", "") : format_text(c, "(lane & %d)", 31 & ~mask);
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_LANE)
            continue;
        if (m->dim == axis)
            sum = plus(c, sum, element_digit(c, l, m, at), before);
        before *= m->extent;
    }
    return *sum ? sum : format_text(c, "lane");
}

char *axis_register_of(Cuda *c, const Layout *l, int axis, const char *at)
{
    const Mode *modes[MAX_MODES];
    int n = axis_modes(l, axis, modes);
    int64_t before = 1;
    char *sum = format_text(c, "%s", "");
    for (int i = 0; i < n; i++) {
        if (modes[i]->owner != OWN_REG)
            continue;
        sum = plus(c, sum, element_digit(c, l, modes[i], at), before);
        before *= modes[i]->extent;
    }
    return *sum ? sum : format_text(c, "0");
}

/* ---- layouts ---- */

/* Appends the tile without the axis, over the lanes that the axis leaves. */
static void add_rest(Layout *l, const Type *t, int axis, int64_t lanes, ThreadUnit unit)
{
    Type rest = *t;
    rest.dims[axis] = 1;
    unit.lanes /= (int)lanes;
    Layout spread = layout_spread(&rest, t->rank - 1, 1, unit);
    for (int i = 0; i < spread.count; i++)
        layout_add(l, spread.mode[i].owner, spread.mode[i].dim, spread.mode[i].extent,
                   spread.mode[i].stride);
}

bool axis_over_lanes(const Type *t, int axis, ThreadUnit unit, bool runs, Layout *l)
{
    enum { MOST = 16 };
    int64_t n = t->dims[axis], lanes = 1;
    while (2 * lanes <= unit.lanes && n % (2 * lanes) == 0)
        lanes *= 2;
    *l = (Layout){0};
    layout_add(l, OWN_REG, axis, n / lanes, runs ? 1 : lanes);
    layout_add(l, OWN_LANE, axis, lanes, runs ? n / lanes : 1);
    add_rest(l, t, axis, lanes, unit);
    return n / lanes <= MOST;
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

void shared_put(Cuda *c, const Held *h, const char *s)
{
    char *holder = one_holder(c, &h->layout);
    line(c, "%s%s%sTILE_EACH(r, %lld) %s[%s] = %s[r];", *holder ? "if (" : "", holder,
         *holder ? ") " : "", (long long)layout_span(&h->layout, OWN_REG), s,
         place_text(c, &h->type, &h->layout), h->name);
}

void shared_get(Cuda *c, const Held *h, const char *s)
{
    line(c, "TILE_EACH(r, %lld) %s[r] = %s[%s];", (long long)layout_span(&h->layout, OWN_REG),
         h->name, s, place_text(c, &h->type, &h->layout));
}
