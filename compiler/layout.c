#include "compiler/layout.h"

#include <string.h>

const char owner_letter[OWNERS] = {'r', 'l', 'w'};

static bool continues(const Mode *m, int dim, int64_t stride, int mask, int64_t weight)
{
    return m->dim == dim && m->mask == mask &&
           (dim < 0 || (int64_t)m->stride * m->extent == stride) &&
           (mask < 0 || (int64_t)m->weight * m->extent == weight);
}

void layout_add_masked(Layout *l, Owner owner, int dim, int64_t extent, int64_t stride, int mask,
                       int64_t weight)
{
    if (extent == 1)
        return;
    if (dim < 0) {
        stride = 0;
        mask = -1;
    }
    if (mask < 0)
        weight = 0;
    /* Neighbours of one owner that continue each other are one mode. */
    for (int i = l->count - 1; i >= 0; i--) {
        Mode *m = &l->mode[i];
        if (m->owner != (int)owner)
            continue;
        if (continues(m, dim, stride, mask, weight)) {
            m->extent = (int32_t)(m->extent * extent);
            return;
        }
        break;
    }
    if (l->count < MAX_MODES)
        l->mode[l->count++] = (Mode){(int8_t)owner,   (int8_t)dim,     (int8_t)mask,
                                     (int32_t)extent, (int32_t)stride, (int32_t)weight};
}

void layout_add(Layout *l, Owner owner, int dim, int64_t extent, int64_t stride)
{
    layout_add_masked(l, owner, dim, extent, stride, -1, 0);
}

/* A mode of `from` with another dim and stride, its mask kept; masks of `l` are those of `from`. */
static void add_like(Layout *l, const Mode *m, int dim, int64_t extent, int64_t stride,
                     int64_t weight)
{
    layout_add_masked(l, (Owner)m->owner, dim, extent, stride, m->mask, weight);
}

static void take_masks(Layout *l, const Layout *from)
{
    l->masks = from->masks;
    memcpy(l->limit, from->limit, sizeof l->limit);
}

int64_t layout_span(const Layout *l, Owner owner)
{
    int64_t n = 1;
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].owner == (int)owner)
            n *= l->mode[i].extent;
    return n;
}

int64_t layout_along(const Layout *l, Owner owner, int dim)
{
    int64_t n = 1;
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].owner == (int)owner && l->mode[i].dim == dim)
            n *= l->mode[i].extent;
    return n;
}

static bool same_mode(const Layout *a, const Mode *m, const Layout *b, const Mode *o)
{
    if (m->dim != o->dim || m->extent != o->extent || m->stride != o->stride ||
        (m->mask < 0) != (o->mask < 0))
        return false;
    return m->mask < 0 || (m->weight == o->weight && a->limit[m->mask] == b->limit[o->mask]);
}

/* The same modes in the same order; how owners interleave means nothing. */
static bool same_owner(const Layout *a, const Layout *b, int owner)
{
    int i = 0, k = 0;
    for (;; i++, k++) {
        while (i < a->count && a->mode[i].owner != owner)
            i++;
        while (k < b->count && b->mode[k].owner != owner)
            k++;
        if (i == a->count || k == b->count)
            return i == a->count && k == b->count;
        if (!same_mode(a, &a->mode[i], b, &b->mode[k]))
            return false;
    }
}

bool layout_equal(const Layout *a, const Layout *b)
{
    return same_owner(a, b, OWN_REG) && same_owner(a, b, OWN_LANE) && same_owner(a, b, OWN_WARP);
}

bool layout_same_threads(const Layout *a, const Layout *b)
{
    return same_owner(a, b, OWN_LANE) && same_owner(a, b, OWN_WARP);
}

bool layout_is_masked(const Layout *l)
{
    return l->masks > 0;
}

char *layout_text(Arena *a, const Layout *l)
{
    char *text = arena_format(a, "%s", "");
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        text = arena_format(a, "%s%s%s %d", text, i ? " | " : "", owner_name[m->owner], m->extent);
        if (m->dim >= 0)
            text = arena_format(a, "%s@%d.%d", text, m->stride, m->dim);
        if (m->mask >= 0)
            text = arena_format(a, "%s < %d", text, l->limit[m->mask]);
    }
    return *text ? text : arena_format(a, "one");
}

int64_t layout_index(const Layout *l, int dim, int64_t reg, int64_t lane, int64_t warp)
{
    int64_t digit[OWNERS] = {reg, lane, warp}, index = 0;
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->dim == dim)
            index += digit[m->owner] % m->extent * m->stride;
        digit[m->owner] /= m->extent;
    }
    return index;
}

int64_t layout_mask_sum(const Layout *l, int mask, int64_t reg, int64_t lane, int64_t warp)
{
    int64_t digit[OWNERS] = {reg, lane, warp}, sum = 0;
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->mask == mask)
            sum += digit[m->owner] % m->extent * m->weight;
        digit[m->owner] /= m->extent;
    }
    return sum;
}

bool layout_holds(const Layout *l, int64_t reg, int64_t lane, int64_t warp)
{
    for (int k = 0; k < l->masks; k++)
        if (layout_mask_sum(l, k, reg, lane, warp) >= l->limit[k])
            return false;
    return true;
}

/* ---- spreading ---- */

/* The largest divisor of `n` that divides `of` too and is at most `most`. */
static int64_t common_part(int64_t n, int64_t of, int64_t most)
{
    for (int64_t d = most < n ? most : n; d > 1; d--)
        if (n % d == 0 && of % d == 0)
            return d;
    return 1;
}

typedef struct Spread {
    Layout layout;
    int64_t covered[MAX_RANK]; /* how far along the axis there are holders */
    int64_t lanes, warps;      /* of the unit, not given out */
} Spread;

static void cover(Spread *s, int axis, Owner owner, int64_t extent)
{
    layout_add(&s->layout, owner, axis, extent, s->covered[axis]);
    s->covered[axis] *= extent;
}

/* Holders along the axis, as many as divide what is left of it, `most` at most. */
static void give(Spread *s, const Type *t, int axis, Owner owner, int64_t *left, int64_t most)
{
    if (s->covered[axis] >= t->dims[axis] || t->dims[axis] % s->covered[axis])
        return;
    int64_t d = common_part(t->dims[axis] / s->covered[axis], *left, most);
    cover(s, axis, owner, d);
    *left /= d;
}

/* The same, but rounded up: the least part of the holders that covers what is left, else all. */
static void give_masked(Spread *s, const Type *t, int axis, Owner owner, int64_t *left)
{
    int64_t need = (t->dims[axis] + s->covered[axis] - 1) / s->covered[axis], d = 1;
    while (d < *left && (d < need || *left % d))
        d++;
    cover(s, axis, owner, d);
    *left /= d;
}

static void give_all(Spread *s, const Type *t, int fast, Owner owner, int64_t *left, bool masked)
{
    for (int k = 0; k <= t->rank; k++) {
        int axis = k == 0 ? fast : t->rank - k;
        if (k && axis == fast)
            continue;
        if (masked)
            give_masked(s, t, axis, owner, left);
        else
            give(s, t, axis, owner, left, *left);
    }
}

/* A dim that its modes overshoot gets a mask. */
static void mask_surplus(Layout *l, const Type *t, const int64_t *covered)
{
    for (int d = 0; d < t->rank; d++) {
        if (covered[d] <= t->dims[d])
            continue;
        int mask = l->masks++;
        l->limit[mask] = (int32_t)t->dims[d];
        for (int i = 0; i < l->count; i++)
            if (l->mode[i].dim == d) {
                l->mode[i].mask = (int8_t)mask;
                l->mode[i].weight = l->mode[i].stride;
            }
    }
}

Layout layout_spread(const Type *t, SpreadRequest q, ThreadUnit unit)
{
    Spread s = {.lanes = unit.lanes, .warps = unit.warps};
    for (int i = 0; i < t->rank; i++) {
        s.covered[i] = 1;
        if (t->dims[i] == 0)
            return s.layout;
    }
    if (t->rank) {
        cover(&s, q.fast, OWN_REG, common_part(t->dims[q.fast], q.vector, q.vector));
        if (q.block_axis >= 0)
            cover(&s, q.block_axis, OWN_REG, common_part(t->dims[q.block_axis], q.block, q.block));
        give_all(&s, t, q.fast, OWN_LANE, &s.lanes, q.masked);
        give_all(&s, t, q.fast, OWN_WARP, &s.warps, q.masked);
    }
    layout_add(&s.layout, OWN_LANE, -1, s.lanes, 0);
    layout_add(&s.layout, OWN_WARP, -1, s.warps, 0);
    for (int k = 0; k <= t->rank; k++) {
        int i = k == 0 ? q.fast : t->rank - k;
        if (t->rank && s.covered[i] < t->dims[i])
            cover(&s, i, OWN_REG, (t->dims[i] + s.covered[i] - 1) / s.covered[i]);
    }
    mask_surplus(&s.layout, t, s.covered);
    return s.layout;
}

/* ---- the same elements otherwise ---- */

static void row_major(const Type *t, int64_t *stride)
{
    int64_t n = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        stride[i] = n;
        n *= t->dims[i];
    }
}

/* Adds mode `m`, which steps `linear` elements of the row-major order, cut where it leaves an axis.
 * A masked mode may overshoot the last axis that it meets, as its mask keeps it inside. */
static bool add_linear(Layout *out, const Mode *m, int64_t linear, const Type *to,
                       const int64_t *stride)
{
    int64_t extent = m->extent, weight = m->weight;
    for (int i = to->rank - 1; i >= 0 && extent > 1; i--) {
        int64_t end = stride[i] * to->dims[i];
        if (linear >= end || to->dims[i] == 1)
            continue;
        if (linear % stride[i])
            return false;
        int64_t room = end / linear;
        bool outermost = true;
        for (int k = 0; k < i; k++)
            outermost &= to->dims[k] == 1;
        if (extent <= room || (m->mask >= 0 && outermost)) {
            add_like(out, m, i, extent, linear / stride[i], weight);
            return true;
        }
        if (end % linear || extent % room)
            return false;
        add_like(out, m, i, room, linear / stride[i], weight);
        extent /= room;
        weight *= room;
        linear = end;
    }
    return extent == 1;
}

/* The mask of a dim that stays whole in its new place, e.g. [8, 9] with 12 holders a row to [72].
 */
static bool dim_survives(const Layout *l, int mask, const Type *from, const Type *to)
{
    int dim = -1;
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].mask == mask)
            dim = l->mode[i].dim;
    if (dim < 0)
        return true;
    int64_t a[MAX_RANK], b[MAX_RANK];
    row_major(from, a);
    row_major(to, b);
    /* Inside one axis of the new shape the digits may overshoot: the mask says which are real. */
    for (int i = 0; i < to->rank; i++)
        if (a[dim] >= b[i] && a[dim] * from->dims[dim] <= b[i] * to->dims[i] && a[dim] % b[i] == 0)
            return true;
    return false;
}

bool layout_reshape(const Layout *l, const Type *from, const Type *to, Layout *out)
{
    int64_t a[MAX_RANK], b[MAX_RANK];
    row_major(from, a);
    row_major(to, b);
    *out = (Layout){0};
    take_masks(out, l);
    for (int k = 0; k < l->masks; k++)
        if (!dim_survives(l, k, from, to))
            return false;
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->dim < 0) {
            layout_add(out, (Owner)m->owner, -1, m->extent, 0);
            continue;
        }
        int64_t linear = m->stride * a[m->dim];
        if (m->mask < 0) {
            if (!add_linear(out, m, linear, to, b))
                return false;
            continue;
        }
        /* Masked digits step inside the one axis that holds their old dim. */
        int axis = 0;
        while (axis < to->rank && !(a[m->dim] >= b[axis] &&
                                    a[m->dim] * from->dims[m->dim] <= b[axis] * to->dims[axis]))
            axis++;
        add_like(out, m, axis, m->extent, linear / b[axis], m->weight);
    }
    return true;
}

Layout layout_trans(const Layout *l, int rank)
{
    Layout out = *l;
    for (int i = 0; i < out.count; i++) {
        if (out.mode[i].dim == rank - 1)
            out.mode[i].dim = (int8_t)(rank - 2);
        else if (out.mode[i].dim == rank - 2)
            out.mode[i].dim = (int8_t)(rank - 1);
    }
    return out;
}

/* Masks that no mode counts for are dropped. */
static void prune_masks(Layout *l)
{
    int kept = 0;
    for (int k = 0; k < l->masks; k++) {
        bool used = false;
        for (int i = 0; i < l->count; i++)
            used |= l->mode[i].mask == k;
        if (!used)
            continue;
        for (int i = 0; i < l->count; i++)
            if (l->mode[i].mask == k)
                l->mode[i].mask = (int8_t)kept;
        l->limit[kept++] = l->limit[k];
    }
    l->masks = kept;
}

/* Drops the dims for which `gone` holds: registers vanish, lanes and warps replicate. */
static Layout drop(const Layout *l, const bool *gone)
{
    Layout out = {0};
    take_masks(&out, l);
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        bool lost = m->dim >= 0 && gone[m->dim];
        if (lost && m->owner == OWN_REG)
            continue;
        if (lost)
            layout_add(&out, (Owner)m->owner, -1, m->extent, 0);
        else
            add_like(&out, m, m->dim, m->extent, m->stride, m->weight);
    }
    prune_masks(&out);
    return out;
}

Layout layout_project(const Layout *l, const Type *operand)
{
    bool gone[MAX_RANK];
    for (int i = 0; i < MAX_RANK; i++)
        gone[i] = i >= operand->rank || operand->dims[i] == 1;
    return drop(l, gone);
}

Layout layout_reduce(const Layout *l, int axis)
{
    bool gone[MAX_RANK] = {0};
    gone[axis] = true;
    return drop(l, gone);
}
