#include "compiler/layout.h"

#include <string.h>

const char owner_letter[OWNERS] = {'r', 'l', 'w'};

void layout_add(Layout *l, Owner owner, int dim, int64_t extent, int64_t stride)
{
    if (extent == 1)
        return;
    if (dim < 0)
        stride = 0;
    /* Neighbours of one owner that continue each other are one mode. */
    for (int i = l->count - 1; i >= 0; i--) {
        Mode *m = &l->mode[i];
        if (m->owner != owner)
            continue;
        if (m->dim == dim && (dim < 0 || m->stride * m->extent == stride)) {
            m->extent *= extent;
            return;
        }
        break;
    }
    if (l->count < MAX_MODES)
        l->mode[l->count++] = (Mode){owner, dim, extent, stride};
}

int64_t layout_span(const Layout *l, Owner owner)
{
    int64_t n = 1;
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].owner == owner)
            n *= l->mode[i].extent;
    return n;
}

/* The same modes for each owner in the same order; how owners interleave means nothing. */
bool layout_equal(const Layout *a, const Layout *b)
{
    for (int o = 0; o < OWNERS; o++) {
        int i = 0, k = 0;
        for (;; i++, k++) {
            while (i < a->count && (int)a->mode[i].owner != o)
                i++;
            while (k < b->count && (int)b->mode[k].owner != o)
                k++;
            if (i == a->count || k == b->count)
                break;
            if (a->mode[i].dim != b->mode[k].dim || a->mode[i].extent != b->mode[k].extent ||
                a->mode[i].stride != b->mode[k].stride)
                return false;
        }
        if (i != a->count || k != b->count)
            return false;
    }
    return true;
}

char *layout_text(Arena *a, const Layout *l)
{
    char *text = arena_format(a, "%s", "");
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        text = arena_format(a, "%s%s%s %lld", text, i ? " | " : "", owner_name[m->owner],
                            (long long)m->extent);
        if (m->dim >= 0)
            text = arena_format(a, "%s@%lld.%d", text, (long long)m->stride, m->dim);
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
    int64_t covered[MAX_RANK]; /* the axis's elements that have holders, by stride */
    int64_t lanes, warps;      /* of the unit, not given out */
} Spread;

static void give(Spread *s, const Type *t, int axis, Owner owner, int64_t *left, int64_t most)
{
    int64_t n = t->dims[axis] / s->covered[axis];
    int64_t d = common_part(n, *left, most);
    layout_add(&s->layout, owner, axis, d, s->covered[axis]);
    s->covered[axis] *= d;
    *left /= d;
}

Layout layout_spread(const Type *t, int fast, int64_t vector, ThreadUnit unit)
{
    Spread s = {.lanes = unit.lanes, .warps = unit.warps};
    for (int i = 0; i < t->rank; i++) {
        s.covered[i] = 1;
        if (t->dims[i] == 0)
            return s.layout;
    }
    if (t->rank) {
        int64_t v = vector;
        give(&s, t, fast, OWN_REG, &v, vector);
        give(&s, t, fast, OWN_LANE, &s.lanes, unit.lanes);
        for (int i = t->rank - 1; i >= 0; i--)
            give(&s, t, i, OWN_LANE, &s.lanes, unit.lanes);
        give(&s, t, fast, OWN_WARP, &s.warps, unit.warps);
        for (int i = t->rank - 1; i >= 0; i--)
            give(&s, t, i, OWN_WARP, &s.warps, unit.warps);
    }
    layout_add(&s.layout, OWN_LANE, -1, s.lanes, 0);
    layout_add(&s.layout, OWN_WARP, -1, s.warps, 0);
    for (int k = 0; k <= t->rank; k++) {
        int i = k == 0 ? fast : t->rank - k;
        if (t->rank && s.covered[i] < t->dims[i]) {
            layout_add(&s.layout, OWN_REG, i, t->dims[i] / s.covered[i], s.covered[i]);
            s.covered[i] = t->dims[i];
        }
    }
    return s.layout;
}

static void row_major(const Type *t, int64_t *stride)
{
    int64_t n = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        stride[i] = n;
        n *= t->dims[i];
    }
}

/* Adds a mode that steps `linear` elements of the row-major order, cut where it leaves an axis. */
static bool add_linear(Layout *out, Owner owner, int64_t extent, int64_t linear, const Type *to,
                       const int64_t *stride)
{
    for (int i = to->rank - 1; i >= 0 && extent > 1; i--) {
        int64_t end = stride[i] * to->dims[i];
        if (linear >= end || to->dims[i] == 1)
            continue;
        if (linear % stride[i])
            return false;
        int64_t room = end / linear;
        if (end % linear && extent > room)
            return false;
        if (extent <= room) {
            layout_add(out, owner, i, extent, linear / stride[i]);
            return true;
        }
        if (extent % room)
            return false;
        layout_add(out, owner, i, room, linear / stride[i]);
        extent /= room;
        linear = end;
    }
    return extent == 1;
}

bool layout_reshape(const Layout *l, const Type *from, const Type *to, Layout *out)
{
    int64_t a[MAX_RANK], b[MAX_RANK];
    row_major(from, a);
    row_major(to, b);
    *out = (Layout){0};
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->dim < 0)
            layout_add(out, m->owner, -1, m->extent, 0);
        else if (!add_linear(out, m->owner, m->extent, m->stride * a[m->dim], to, b))
            return false;
    }
    return true;
}

Layout layout_trans(const Layout *l, int rank)
{
    Layout out = *l;
    for (int i = 0; i < out.count; i++) {
        if (out.mode[i].dim == rank - 1)
            out.mode[i].dim = rank - 2;
        else if (out.mode[i].dim == rank - 2)
            out.mode[i].dim = rank - 1;
    }
    return out;
}

/* Drops the dims for which `gone` holds: registers vanish, lanes and warps replicate. */
static Layout drop(const Layout *l, const bool *gone)
{
    Layout out = {0};
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        bool lost = m->dim >= 0 && gone[m->dim];
        if (lost && m->owner == OWN_REG)
            continue;
        layout_add(&out, m->owner, lost ? -1 : m->dim, m->extent, m->stride);
    }
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
