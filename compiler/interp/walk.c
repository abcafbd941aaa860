#include "compiler/interp/access.h"

/* Index lo + j for j in [0, n): which j are inside [0, extent)? */
static void inside(WalkAxis *w, int64_t first, int64_t n, int64_t extent)
{
    w->n = n;
    w->lo = w->hi = 0;
    if (first >= extent || first <= -n)
        return;
    w->lo = first < 0 ? -first : 0;
    w->hi = extent - first < n ? extent - first : n;
}

/* A slice or a whole axis. Axes with runs of equal or of split elements need a table. */
static void slice_axis(const ViewAxis *a, int64_t first, int64_t n, WalkAxis *w, int64_t *base,
                       int64_t **room)
{
    inside(w, first, n, a->extent);
    w->table = NULL;
    w->of_tiles = false;
    if (a->divide == 1 && !a->split) {
        w->stride = a->stride;
        if (w->lo < w->hi)
            *base += (first + a->offset) * a->stride;
        return;
    }
    int64_t *table = *room;
    *room += n;
    w->stride = 0;
    w->table = table;
    for (int64_t j = w->lo; j < w->hi; j++)
        table[j] = view_axis_element(a, first + j);
}

/* Index tiles go together: each adds its part to the table of the first. */
static void tile_axis(Task *t, const IndexPlan *x, const ViewAxis *a, int64_t n, bool first,
                      WalkAxis *w, int64_t **room)
{
    const char *index = slot_pointer(t, x->slot);
    size_t size = dtype_info[x->dtype].size;
    if (first) {
        *w = (WalkAxis){.n = n, .lo = 0, .hi = n, .table = *room, .of_tiles = true};
        *room += n;
    }
    int64_t *table = (int64_t *)(uintptr_t)w->table;
    for (int64_t j = 0; j < n; j++) {
        int64_t k = read_int(index + (size_t)j * size, x->dtype);
        int64_t before = first ? 0 : table[j];
        bool in = before != OUTSIDE && k >= 0 && k < a->extent;
        table[j] = in ? before + view_axis_element(a, k) : OUTSIDE;
    }
}

static void read_indices(Task *t, const AccessPlan *p, const View *v, Walk *w)
{
    int64_t *room = (int64_t *)(void *)t->scratch;
    bool tiles = false;
    for (int i = 0; i < p->rank; i++) {
        const IndexPlan *x = &p->axis[i];
        const ViewAxis *a = &v->axis[i];
        if (x->kind == AX_SCALAR) {
            int64_t k = read_int(slot_pointer(t, x->slot), x->dtype);
            if (k < 0 || k >= a->extent)
                w->empty = true;
            else
                w->base += view_axis_element(a, k);
        } else if (x->kind == AX_TILE) {
            tile_axis(t, x, a, p->out_extent[x->out], !tiles, &w->axis[x->out], &room);
            tiles = true;
        } else {
            int64_t first = x->kind == AX_FULL ? 0 : read_int(slot_pointer(t, x->slot), x->dtype);
            slice_axis(a, first, p->out_extent[x->out], &w->axis[x->out], &w->base, &room);
        }
    }
}

/* Drops axes of one element and joins neighbours that go on evenly. */
static void simplify(Walk *w)
{
    int n = 0;
    for (int i = 0; i < w->rank; i++) {
        WalkAxis *a = &w->axis[i];
        if (a->n == 1 && !a->table)
            continue;
        WalkAxis *b = n ? &w->axis[n - 1] : NULL;
        if (b && !a->table && !b->table && a->lo == 0 && a->hi == a->n &&
            b->stride == a->stride * a->n) {
            int64_t inner = a->n;
            *b = (WalkAxis){.n = b->n * inner,
                            .lo = b->lo * inner,
                            .hi = b->hi * inner,
                            .stride = a->stride,
                            .out_stride = a->out_stride};
        } else {
            w->axis[n++] = *a;
        }
    }
    w->rank = n;
}

void walk_begin(Task *t, const AccessPlan *p, const View *v, Walk *w)
{
    w->base = v->base;
    w->out = 0;
    w->rank = p->nout;
    w->empty = p->elements == 0;
    read_indices(t, p, v, w);
    w->whole = !w->empty;
    int64_t run = 1;
    for (int i = p->nout - 1; i >= 0; i--) {
        WalkAxis *a = &w->axis[i];
        a->out_stride = run;
        run *= a->n;
        w->empty |= a->lo >= a->hi;
        w->whole &= a->lo == 0 && a->hi == a->n;
        for (int64_t j = a->lo; a->table && w->whole && j < a->hi; j++)
            w->whole = a->table[j] != OUTSIDE;
    }
    if (!w->empty)
        simplify(w);
}

/* The element and place in the tile where axis `k` is at `at`; false: outside. */
static bool step_to(const WalkAxis *a, int64_t at, int64_t *element, int64_t *out)
{
    if (a->table && a->table[at] == OUTSIDE)
        return false;
    *element += a->table ? a->table[at] : at * a->stride;
    *out += at * a->out_stride;
    return true;
}

static bool walk_level(const Walk *w, int level, int64_t element, int64_t out, RunFn *each,
                       void *context)
{
    const WalkAxis *a = &w->axis[level];
    if (level == w->rank - 1) {
        Run r = {.element = element,
                 .out = out + a->lo,
                 .n = a->hi - a->lo,
                 .stride = a->stride,
                 .table = a->table ? a->table + a->lo : NULL};
        r.element += a->table ? 0 : a->lo * a->stride;
        return each(context, &r);
    }
    for (int64_t at = a->lo; at < a->hi; at++) {
        int64_t e = element, o = out;
        if (step_to(a, at, &e, &o) && !walk_level(w, level + 1, e, o, each, context))
            return false;
    }
    return true;
}

bool walk_runs(const Walk *w, RunFn *each, void *context)
{
    if (w->empty)
        return true;
    if (w->rank == 0) {
        Run r = {.element = w->base, .out = w->out, .n = 1, .stride = 1};
        return each(context, &r);
    }
    return walk_level(w, 0, w->base, w->out, each, context);
}
