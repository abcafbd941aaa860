/* Accesses of tensors and tiles, stores, views, atomics. */
#include <string.h>

#include "tests/generate/generate.h"

/* The range that owns an axis, if it matters. */
static const GenRange *owner(const Gen *g, const GenTensor *t, int axis, Reach reach)
{
    int r = t->range[axis];
    return reach != REACH_ANY && r >= 0 ? &g->ranges[r] : NULL;
}

static const char *scalar_index(Gen *g, const GenTensor *t, int axis, int depth, Reach reach)
{
    const GenRange *r = owner(g, t, axis, reach);
    Type i64 = scalar_type(DT_I64);
    if (r)
        return r->step == 1 ? r->index : SAY(g, "%s + %s", r->index, make_index(g, r->step, depth));
    const GenName *name;
    switch (pick(g, 6)) {
    case 0:
    case 1:
        return make_index(g, t->extent[axis], depth);
    case 2:
    case 3:
        name = find_name(g, &i64);
        return name ? name->text : "0";
    case 4:
        return chance(g, 2) ? "-1" : SAY(g, "%lld", (long long)t->extent[axis]);
    default:
        return make(g, &i64, depth);
    }
}

static const char *slice_index(Gen *g, const GenTensor *t, int axis, int64_t n, int depth,
                               Reach reach)
{
    const GenRange *r = owner(g, t, axis, reach);
    if (r) {
        if (n > r->step)
            return NULL;
        int64_t at = (int64_t)pick(g, (unsigned)(r->step - n) + 1);
        return at ? SAY(g, "%s + %lld +: %s", r->index, (long long)at, extent_text(g, n))
                  : SAY(g, "%s +: %s", r->index, extent_text(g, n));
    }
    if (t->fixed[axis] && t->extent[axis] == n && chance(g, 2))
        return ":";
    const char *start = scalar_index(g, t, axis, depth, REACH_ANY);
    if (t->text && t->dtype == DT_E2M1 && axis == t->rank - 1) {
        if (n % 2 != 0) /* two elements share a byte: both or none of them */
            return NULL;
        start = SAY(g, "2 * %s", start);
    }
    return SAY(g, "%s +: %s", start, extent_text(g, n));
}

static const char *tile_index(Gen *g, const GenTensor *t, int axis, int64_t n, int depth,
                              Reach reach)
{
    const GenRange *r = owner(g, t, axis, reach);
    static const DType types[] = {DT_I32, DT_I64, DT_U8, DT_I16, DT_U32, DT_I8, DT_U64};
    Type index = {.kind = TY_TILE, .dtype = types[pick(g, 7)], .rank = 1, .dims = {n}};
    if (reach == REACH_ONCE) {
        const char *x = chance(g, 2) ? SAY(g, "rank(%s, 0)", make(g, &index, depth))
                                     : SAY(g, "iota(%s)", extent_text(g, n));
        if (r && n > r->step)
            return NULL;
        return r ? SAY(g, "%s + %s", r->index, x) : SAY(g, "%s + %u", x, pick(g, 3));
    }
    if (r) {
        index.dtype = DT_I64;
        return SAY(g, "%s + %s %% %s", r->index, make(g, &index, depth), extent_text(g, r->step));
    }
    const char *x = make(g, &index, depth);
    bool small = t->extent[axis] > 0 && t->extent[axis] < 100 && !chance(g, 4);
    return small ? SAY(g, "%s %% %lld", x, (long long)t->extent[axis]) : x;
}

const char *make_access(Gen *g, const GenTensor *t, const Type *want, int depth, Reach reach)
{
    int scalars = t->rank - want->rank, k = 0;
    int64_t tile = -1;
    const char *text = "";
    if (scalars < 0)
        return NULL;
    for (int i = 0; i < t->rank; i++) {
        const char *index;
        if (scalars > 0 && (k == want->rank || chance(g, 2))) {
            bool together = tile >= 0 && !owner(g, t, i, reach) && chance(g, 2);
            index = together ? tile_index(g, t, i, tile, depth, REACH_ANY)
                             : scalar_index(g, t, i, depth, reach);
            scalars--;
        } else if (tile < 0 && chance(g, 4)) {
            tile = want->dims[k++];
            index = tile_index(g, t, i, tile, depth, reach);
        } else {
            index = slice_index(g, t, i, want->dims[k++], depth, reach);
        }
        if (!index)
            return NULL;
        text = SAY(g, "%s%s%s", text, i ? ", " : "", index);
    }
    return SAY(g, "[%s]", text);
}

/* How the program may load from the tensor; false: not at all. */
static bool may_load(Gen *g, const GenTensor *t, Reach *reach)
{
    const GenTensor *root = &g->tensors[t->root];
    *reach = REACH_ANY;
    if (t->hidden || root->hidden || root->nondet)
        return false;
    if (root->use == USE_READ)
        return true;
    bool foreign = root->is_local && root->use == USE_NONE; /* another role's */
    if (g->risky && root->use != USE_ADD && !foreign && chance(g, 8))
        return true;
    *reach = REACH_OWN;
    return root->use == USE_OWN && root->own_defined && !t->lost_ranges;
}

const char *make_load(Gen *g, const Type *want, int depth)
{
    int fit[MOST_TENSORS], n = 0;
    for (int i = 0; i < g->ntensors; i++)
        if (g->tensors[i].dtype == want->dtype && g->tensors[i].rank >= want->rank)
            fit[n++] = i;
    if (n == 0)
        return NULL;
    const GenTensor *t = &g->tensors[fit[pick(g, (unsigned)n)]];
    Reach reach;
    if (!may_load(g, t, &reach))
        return NULL;
    const char *access = make_access(g, t, want, depth, reach);
    if (!access)
        return NULL;
    const char *text = SAY(g, "%s%s", t->text, access);
    if (chance(g, 5))
        text = SAY(g, "%.*s, pad = %s]", (int)strlen(text) - 1, text, literal(g, t->dtype));
    if (want->rank == 0 && dtype_is_int(want->dtype) && want->dtype != DT_U64)
        text = SAY(g, "%s(%s)", dtype_text(g, want->dtype), text);
    return text;
}

/* ---- stores ---- */

static bool may_store(const Gen *g, const GenTensor *t)
{
    return g->tensors[t->root].use == USE_OWN && !t->only_loads && !t->lost_ranges && !t->hidden;
}

/* A value for a store of that shape: also one that stretches, or a literal. */
static const char *stored_value(Gen *g, const Type *want, int depth)
{
    Type t = *want;
    if (chance(g, 8))
        return literal(g, t.dtype);
    for (int i = 0; i < t.rank; i++)
        if (chance(g, 8))
            t.dims[i] = 1;
    if (chance(g, 8))
        t.rank = 0;
    return make(g, &t, depth);
}

static int pick_stored(Gen *g)
{
    int fit[MOST_TENSORS], n = 0;
    for (int i = 0; i < g->ntensors; i++) {
        const GenTensor *t = &g->tensors[i];
        bool wild = g->risky && !t->only_loads && t->dir != PARAM_IN && !t->is_local;
        if (may_store(g, t) || (wild && chance(g, 9)))
            fit[n++] = i;
    }
    return n ? fit[pick(g, (unsigned)n)] : -1;
}

void make_store(Gen *g, int depth)
{
    int i = pick_stored(g);
    if (i < 0)
        return;
    const GenTensor *t = &g->tensors[i];
    Type want = scalar_type(t->dtype);
    bool wild = g->risky && (chance(g, 4) || !may_store(g, t));
    for (int k = 0; k < t->rank; k++) {
        const GenRange *r = owner(g, t, k, REACH_ONCE);
        int64_t most = r ? r->step : MOST_ELEMENTS / (type_elements(&want) + 1) + 1;
        int64_t n = chance(g, 2) && t->extent[k] <= most ? t->extent[k] : pick_extent(g, most);
        if (n <= most && !chance(g, 4))
            want.dims[want.rank++] = n;
    }
    const char *access = make_access(g, t, &want, 1, wild ? REACH_ANY : REACH_ONCE);
    if (access && !t->hidden)
        put_line(g, "%s%s = %s;", t->text, access, stored_value(g, &want, depth));
}

void make_definition(Gen *g, int tensor, int depth)
{
    GenTensor *t = &g->tensors[tensor];
    Type want = {.kind = TY_TILE, .dtype = t->dtype, .rank = t->rank};
    const char *text = "";
    for (int i = 0; i < t->rank; i++) {
        const GenRange *r = owner(g, t, i, REACH_ONCE);
        want.dims[i] = r ? r->step : t->extent[i];
        const char *index = t->fixed[i] ? ":" : SAY(g, "0 +: %lld", (long long)want.dims[i]);
        if (r)
            index = SAY(g, "%s +: %s", r->index, r->step_text);
        text = SAY(g, "%s%s%s", text, i ? ", " : "", index);
    }
    put_line(g, "%s[%s] = %s;", t->text, text, stored_value(g, &want, depth));
    t->own_defined = true;
}

/* ---- views ---- */

static const char *bound(Gen *g, int64_t extent, int64_t *value, bool *known)
{
    Type i64 = scalar_type(DT_I64);
    *known = !chance(g, 3);
    *value = (int64_t)pick(g, (unsigned)(extent < 60 ? extent : 60) + 2);
    return *known ? SAY(g, "%lld", (long long)*value) : make(g, &i64, 1);
}

static const char *view_slice(Gen *g, GenTensor *v)
{
    int axis = (int)pick(g, (unsigned)v->rank);
    int64_t lo, hi, extent = v->extent[axis];
    bool known[2];
    const char *from = bound(g, extent, &lo, &known[0]), *to = bound(g, extent, &hi, &known[1]);
    v->lost_ranges |= v->range[axis] >= 0;
    v->fixed[axis] = v->fixed[axis] && known[0] && known[1];
    if (v->fixed[axis]) {
        lo = lo < extent ? lo : extent;
        hi = hi < extent ? hi : extent;
        v->extent[axis] = hi > lo ? hi - lo : 0;
    }
    v->dense = v->dense && axis == 0;
    return SAY(g, axis == 0 && chance(g, 2) ? "slice(%s, %s, %s)" : "slice(%s, %s, %s, axis = %d)",
               v->text, from, to, axis);
}

static const char *view_trans(Gen *g, GenTensor *v)
{
    int a = v->rank - 1, b = v->rank - 2;
    if (b < 0)
        return NULL;
    GenTensor old = *v;
    v->extent[a] = old.extent[b], v->extent[b] = old.extent[a];
    v->fixed[a] = old.fixed[b], v->fixed[b] = old.fixed[a];
    v->range[a] = old.range[b], v->range[b] = old.range[a];
    v->dense = false;
    return SAY(g, "trans(%s)", v->text);
}

static const char *view_upsample(Gen *g, GenTensor *v)
{
    const char *text = SAY(g, "upsample(%s", v->text);
    for (int i = 0; i < v->rank; i++) {
        unsigned f = 1 + pick(g, 3);
        text = SAY(g, "%s, %u", text, f);
        v->extent[i] *= f;
        v->lost_ranges |= v->range[i] >= 0;
    }
    v->only_loads = true;
    v->dense = false;
    return SAY(g, "%s)", text);
}

/* flat, or the last axis split, or two axes merged. */
static const char *view_reshape(Gen *g, GenTensor *v)
{
    int64_t n = 1;
    bool fixed = true;
    if (!v->dense)
        return NULL;
    for (int i = 0; i < v->rank; i++) {
        n *= v->extent[i];
        fixed = fixed && v->fixed[i];
        v->lost_ranges |= v->range[i] >= 0;
    }
    if (fixed && v->rank < MOST_RANK && n % 2 == 0 && chance(g, 2)) {
        v->rank = 2;
        v->extent[0] = n / 2, v->extent[1] = 2;
        v->fixed[0] = v->fixed[1] = true;
        v->range[0] = v->range[1] = -1;
        return SAY(g, "reshape(%s, %s, 2)", v->text, extent_text(g, n / 2));
    }
    v->rank = 1;
    v->extent[0] = n;
    v->fixed[0] = fixed;
    v->range[0] = -1;
    return SAY(g, "flat(%s)", v->text);
}

void make_view(Gen *g)
{
    static const char *(*const kinds[])(Gen *, GenTensor *) = {view_slice, view_trans,
                                                               view_upsample, view_reshape};
    if (g->ntensors == 0 || g->ntensors >= MOST_TENSORS - 4)
        return;
    int i = (int)pick(g, (unsigned)g->ntensors);
    GenTensor v = g->tensors[i];
    if (v.hidden || v.dtype == DT_E2M1 || g->tensors[v.root].use == USE_NONE)
        return;
    const char *text = kinds[pick(g, 4)](g, &v);
    if (!text)
        return;
    if (v.is_local)
        v.lost_ranges = false;
    v.text = fresh(g, "view");
    put_line(g, "view %s = %s;", v.text, text);
    g->tensors[g->ntensors++] = v;
}

/* ---- atomics ---- */

static int pick_added(Gen *g, bool nondet)
{
    int fit[MOST_TENSORS], n = 0;
    for (int i = 0; i < g->ntensors; i++) {
        const GenTensor *t = &g->tensors[i];
        if (g->tensors[t->root].use == USE_ADD && !t->only_loads && !t->hidden &&
            (!nondet || t->nondet))
            fit[n++] = i;
    }
    return n ? fit[pick(g, (unsigned)n)] : -1;
}

/* The old value, which may only reach tensors marked @ nondet. */
static void make_ticket(Gen *g, int depth)
{
    int counter = pick_added(g, true), to = -1;
    for (int i = 0; i < g->ntensors; i++)
        if (g->tensors[i].nondet && may_store(g, &g->tensors[i]))
            to = i;
    if (counter < 0 || to < 0)
        return;
    const GenTensor *c = &g->tensors[counter], *t = &g->tensors[to];
    Type one = scalar_type(c->dtype), slot = scalar_type(t->dtype);
    const char *from = make_access(g, c, &one, depth, REACH_ANY);
    const char *into = make_access(g, t, &slot, depth, REACH_ONCE);
    if (from && into && c->dtype != DT_U64 && (dtype_is_int(t->dtype) || t->dtype == DT_F32))
        put_line(g, "%s%s = %s(atomic_add(%s%s, %s));", t->text, into, dtype_text(g, t->dtype),
                 c->text, from, stored_value(g, &one, depth));
}

void make_atomic(Gen *g, int depth)
{
    if (chance(g, 4)) {
        make_ticket(g, depth);
        return;
    }
    int i = pick_added(g, false);
    if (i < 0)
        return;
    const GenTensor *t = &g->tensors[i];
    Type want = pick_shape(g, t->dtype, t->rank);
    const char *access = make_access(g, t, &want, depth, REACH_ANY);
    if (access)
        put_line(g, "atomic_add(%s%s, %s%s);", t->text, access, stored_value(g, &want, depth),
                 chance(g, 4) ? ", scope = sys" : "");
}
