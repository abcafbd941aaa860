/* Pass: layouts. Gives every tile of a phase a layout.
 *
 * Operations along an axis, loads and stores are anchors: they know which layout suits them.
 * Layouts spread from there along operations that keep elements in place, forwards and backwards,
 * until nothing changes; then the next anchor that is still open has its turn, the heavier first.
 * What stays open is spread plainly. Where an operand's layout is not what its operation needs, the
 * emitter converts it.
 */
#include <string.h>

#include "compiler/lower.h"
#include "compiler/paths.h"
#include "compiler/ranges.h"
#include "compiler/swizzle.h"

typedef struct Pass {
    Lowered *low;
    const PhasePlan *plan;
    ThreadUnit unit; /* that runs what is looked at */
    int widths[4];   /* bits of the elements that large tiles are loaded and stored with; 0 ends */
    bool changed;
} Pass;

bool is_uniform(const Value *v)
{
    return v->type.rank == 0 || (v->op && v->op->code == OP_CONST) || type_elements(&v->type) == 1;
}

static Layout *known(const Pass *p, const Value *v)
{
    return !is_uniform(v) && p->low->placed[v->id] ? &p->low->layout[v->id] : NULL;
}

static void place(Pass *p, const Value *v, const Layout *l)
{
    if (v->type.kind != TY_TILE || is_uniform(v) || p->low->placed[v->id])
        return;
    p->low->layout[v->id] = *l;
    p->low->placed[v->id] = true;
    p->changed = true;
}

/* Which tensor axis is contiguous, through views. */
static int contiguous_dim(const Value *tensor)
{
    const Op *op = tensor->op;
    int last = tensor->type.rank - 1;
    if (op && op->code == OP_TENSOR && op->tensor->format == FORMAT_COL_PAD16)
        return last - 1;
    if (op && op->code == OP_VIEW_TRANS) {
        int inner = contiguous_dim(op->args[0]);
        return inner == last ? last - 1 : inner == last - 1 ? last : inner;
    }
    return last;
}

int contiguous_axis(const Op *op)
{
    const Access *a = op->access;
    int dim = contiguous_dim(op->args[0]), axis = 0, tile_axis = -1;
    for (int k = 0; k < a->count; k++) {
        bool joint = a->axis[k].kind == AX_TILE && tile_axis >= 0;
        bool own = a->axis[k].kind != AX_SCALAR && !joint;
        if (k == dim)
            return a->axis[k].kind == AX_SLICE || a->axis[k].kind == AX_FULL ? axis : -1;
        if (a->axis[k].kind == AX_TILE && tile_axis < 0)
            tile_axis = axis;
        axis += own;
    }
    return -1;
}

static int fast_axis(const Op *op, const Type *t)
{
    int axis = contiguous_axis(op);
    return axis >= 0 ? axis : t->rank - 1;
}

/* ---- spreading ---- */

/* An elementwise result takes the layout of an operand of its own shape, else a plain one. */
static void spread_elementwise(Pass *p, const Op *op)
{
    const Value *r = op->results[0];
    Layout *l = known(p, r);
    for (int i = 0; i < op->nargs && !l; i++)
        if (op->args[i]->type.rank == r->type.rank &&
            type_elements(&op->args[i]->type) == type_elements(&r->type))
            l = known(p, op->args[i]);
    if (!l)
        return;
    place(p, r, l);
    for (int i = 0; i < op->nargs; i++)
        if (op->args[i]->type.rank == r->type.rank) {
            Layout part = layout_project(l, &op->args[i]->type);
            place(p, op->args[i], &part);
        }
}

static void spread_reshape(Pass *p, const Op *op)
{
    Layout l;
    if (known(p, op->args[0]) &&
        layout_reshape(known(p, op->args[0]), &op->args[0]->type, &op->results[0]->type, &l))
        place(p, op->results[0], &l);
    if (known(p, op->results[0]) &&
        layout_reshape(known(p, op->results[0]), &op->results[0]->type, &op->args[0]->type, &l))
        place(p, op->args[0], &l);
}

static void spread_trans(Pass *p, const Op *op)
{
    int rank = op->args[0]->type.rank;
    Layout l;
    if (known(p, op->args[0])) {
        l = layout_trans(known(p, op->args[0]), rank);
        place(p, op->results[0], &l);
    }
    if (known(p, op->results[0])) {
        l = layout_trans(known(p, op->results[0]), rank);
        place(p, op->args[0], &l);
    }
}

static void spread_reduce(Pass *p, const Op *op)
{
    if (op->axis < 0 || !known(p, op->args[0]))
        return;
    Layout l = layout_reduce(known(p, op->args[0]), op->axis);
    place(p, op->results[0], &l);
}

static void spread_extract(Pass *p, const Op *op)
{
    Layout l;
    if (known(p, op->args[0]) && extract_layout(op, known(p, op->args[0]), &l))
        place(p, op->results[0], &l);
    /* v[e]: an element of the result for each of e. */
    if (op->access->count == 1 && op->access->axis[0].kind == AX_TILE) {
        if (known(p, op->args[1]))
            place(p, op->results[0], known(p, op->args[1]));
        else if (known(p, op->results[0]))
            place(p, op->args[1], known(p, op->results[0]));
    }
}

/* Follows its first part, once that has a layout. */
static void spread_concat(Pass *p, const Op *op)
{
    const Value *first = NULL;
    for (int i = 0; i < op->nargs && !first; i++)
        if (!is_uniform(op->args[i]) && type_elements(&op->args[i]->type))
            first = op->args[i];
    if (first && !known(p, first))
        return;
    Layout l = concat_layout(op, first ? known(p, first) : NULL, p->unit);
    place(p, op->results[0], &l);
}

static void spread_order(Pass *p, const Op *op)
{
    Layout l;
    if (!known(p, op->args[0]) || !order_layout(op, known(p, op->args[0]), p->unit, &l))
        return;
    for (int i = 0; i < op->nresults; i++)
        place(p, op->results[i], &l);
}

static void same(Pass *p, const Value *a, const Value *b);

/* The cells of a local tensor are held alike in all accesses (cells.h). */
static void spread_cell(Pass *p, const Op *op)
{
    const Value *t = op->args[0],
                *v = op->code == OP_LOAD ? op->results[0] : op->args[op->nargs - 1];
    if (op->code == OP_ATOMIC_ADD || !t->op || t->op->code != OP_LOCAL || !p->low->cells[t->id])
        return;
    if (p->low->placed[t->id]) {
        place(p, v, &p->low->layout[t->id]);
    } else if (known(p, v)) {
        p->low->layout[t->id] = *known(p, v);
        p->changed = p->low->placed[t->id] = true;
    }
}

/* x[e] = v, x[e]: each element goes with its index. */
static void spread_gather(Pass *p, const Op *op)
{
    spread_cell(p, op);
    if (op->access->count == 1 && op->access->axis[0].kind == AX_TILE && op->args[1]->type.rank)
        same(p, op->args[1], op->code == OP_LOAD ? op->results[0] : op->args[op->nargs - 1]);
}

static void same(Pass *p, const Value *a, const Value *b)
{
    if (known(p, a))
        place(p, b, known(p, a));
    else if (known(p, b))
        place(p, a, known(p, b));
}

static void spread(Pass *p, const Region *r);

/* Carried values: args, region args, yields and results are one. */
static void spread_loop(Pass *p, const Op *op)
{
    for (int i = 0; i < op->nregions; i++)
        spread(p, op->regions[i]);
    for (int i = 0; i < op->nregions; i++) {
        const Region *r = op->regions[i];
        for (int k = 0; k < op->nresults; k++) {
            if (r->nargs >= op->nresults && op->code != OP_IF) {
                const Value *arg = r->args[r->nargs - op->nresults + k];
                same(p, arg, op->results[k]);
                same(p, op->args[op->nargs - op->nresults + k], arg);
            }
            if (r->last && r->last->nargs == op->nresults)
                same(p, r->last->args[k], op->results[k]);
        }
    }
}

static bool is_reduction(OpCode code)
{
    return code == OP_SUM || code == OP_AMAX || code == OP_AMIN || code == OP_ANY || code == OP_ALL;
}

static bool is_order(OpCode code)
{
    return code == OP_TOPK || code == OP_RANK || code == OP_ARGMAX || code == OP_CUMSUM ||
           code == OP_CUMMAX || code == OP_SOFTMAX || code == OP_OCCURRENCE;
}

static bool is_elementwise(const Op *op)
{
    return strchr(op_info[op->code].flags, 'E') || op->code == OP_BROADCAST;
}

static void spread_op(Pass *p, const Op *op)
{
    p->unit = unit_at(p->plan, op);
    if (op->nregions)
        spread_loop(p, op);
    else if (op->code == OP_RESHAPE)
        spread_reshape(p, op);
    else if (op->code == OP_TRANS)
        spread_trans(p, op);
    else if (op->code == OP_EXTRACT)
        spread_extract(p, op);
    else if (op->code == OP_CONCAT)
        spread_concat(p, op);
    else if (op->code == OP_LOAD || op->code == OP_STORE || op->code == OP_ATOMIC_ADD)
        spread_gather(p, op);
    else if (is_reduction(op->code))
        spread_reduce(p, op);
    else if (is_order(op->code))
        spread_order(p, op);
    else if (is_elementwise(op))
        spread_elementwise(p, op);
}

static void spread(Pass *p, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next)
        spread_op(p, op);
    /* Layouts go backwards as readily: uses stand behind what they use. */
    if (p->changed)
        for (const Op *op = r->last; op; op = op->prev)
            if (!op->nregions)
                spread_op(p, op);
}

static void spread_all(Pass *p)
{
    const Region *body = p->plan->par->regions[p->plan->par->nregions - 1];
    do {
        p->changed = false;
        spread(p, body);
    } while (p->changed);
}

/* ---- which layout an anchor takes ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Registers that all threads work on, accesses, steps across lanes of a reduction along `axis`. */
static int64_t cost_of(const Pass *p, const Type *t, const Layout *l, const SpreadRequest *q)
{
    int64_t regs = layout_span(l, OWN_REG), cost = 4 * regs;
    int64_t run = 1;
    (void)t;
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].owner == OWN_REG && l->mode[i].dim == q->fast && l->mode[i].stride == 1)
            run = l->mode[i].extent;
    for (int i = 0; i < 4 && p->widths[i]; i++) {
        int64_t n = least(128 / p->widths[i], run);
        while (n > 1 && run % n)
            n--;
        /* Lanes further apart than a sector leave parts of sectors to a later access. */
        bool apart = run * p->widths[i] > 256;
        cost += (apart ? 20 : 12) * (regs / n);
    }
    /* Many registers leave few threads on a multiprocessor. */
    return regs > 64 ? cost + 8 * (regs - 64) : cost;
}

enum { MOST_VECTOR = 32 };

/* The tensor ends anywhere along its contiguous axis, so that no vector may cross the end. */
static bool ends_anywhere(const Op *op)
{
    for (const Op *v = op->access ? op->args[0]->op : NULL; v; v = v->args[0]->op) {
        if (v->code == OP_VIEW_SLICE && v->axis == v->results[0]->type.rank - 1 &&
            (!is_multiple(v->args[1], 16) || !is_multiple(v->args[2], 16)))
            return true;
        if (v->code != OP_VIEW_SLICE && v->code != OP_VIEW_RESHAPE)
            break;
    }
    return false;
}

/* The cheapest way to spread a tile whose neighbours along `fast` are neighbours in memory,
 * `fewest` to `most` of them in a vector. */
static Layout spread_vectors(const Pass *p, const Type *t, int fast, int64_t fewest, int64_t most)
{
    Layout best = {0};
    int64_t least_cost = -1;
    for (int64_t v = fewest; v <= most; v *= 2)
        for (int masked = 0; masked < 2; masked++) {
            SpreadRequest q = {fast, v, -1, 1, masked};
            if (t->rank && t->dims[fast] % v)
                continue;
            Layout l = layout_spread(t, q, p->unit);
            int64_t cost = cost_of(p, t, &l, &q);
            if (least_cost >= 0 && cost >= least_cost)
                continue;
            least_cost = cost;
            best = l;
        }
    return best;
}

static Layout spread_tile(const Pass *p, const Type *t, int fast, int64_t most)
{
    return spread_vectors(p, t, fast, 1, most);
}

/* The axis in registers, slowest; the rest as it is cheapest. */
static Layout spread_over(const Pass *p, const Type *t, int axis)
{
    Type rest = *t;
    rest.dims[axis] = 1;
    Layout l = spread_tile(p, &rest, t->rank - 1, 8);
    layout_add(&l, OWN_REG, axis, t->dims[axis], 1);
    return l;
}

/* A value that goes straight into trans and a store: the axis along which that store runs. */
static int store_axis(const Value *v, const Region *r, int fast)
{
    int rank = v->type.rank;
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code != OP_TRANS || op->args[0] != v)
            continue;
        for (const Op *s = op->next; s; s = s->next)
            if (s->code == OP_STORE && s->args[s->nargs - 1] == op->results[0]) {
                int axis = contiguous_axis(s);
                axis = axis == rank - 1 ? rank - 2 : axis == rank - 2 ? rank - 1 : axis;
                return axis == fast ? -1 : axis;
            }
    }
    return -1;
}

/* A square of V x V elements a thread, V in 16 bytes, serves a load along one axis and a store
 * along the other. */
static Layout spread_square(const Pass *p, const Type *t, int fast, int other)
{
    ThreadUnit u = p->unit;
    int64_t v = 128 / dtype_info[t->dtype].bits;
    int64_t per = type_elements(t) / ((int64_t)u.lanes * u.warps), block = 1;
    while (2 * block <= v && 2 * block * v <= per && t->dims[other] % (2 * block) == 0)
        block *= 2;
    SpreadRequest q = {fast, v, other, block, false};
    return layout_spread(t, q, u);
}

/* All of a small tile in every thread: it is indexed by numbers. */
static Layout replicated(const Type *t, ThreadUnit u)
{
    Layout l = {0};
    for (int d = t->rank - 1; d >= 0; d--)
        layout_add(&l, OWN_REG, d, t->dims[d], 1);
    layout_add(&l, OWN_LANE, -1, u.lanes, 0);
    layout_add(&l, OWN_WARP, -1, u.warps, 0);
    return l;
}

enum { MOST_REPLICATED = 16 };

static bool is_indexed(const Value *v, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_EXTRACT && op->args[0] == v && op->nargs > 1 && is_unrolled(op->args[1]))
            return true;
        for (int i = 0; i < op->nregions; i++)
            if (is_indexed(v, op->regions[i]))
                return true;
    }
    return false;
}

/* ---- anchors, the heavier first ---- */

typedef struct Anchor {
    const Op *op;
    const Value *value;
    int64_t weight;
} Anchor;

typedef struct Anchors {
    Anchor *items;
    int count, capacity;
} Anchors;

static void add_anchor(Pass *p, Anchors *all, const Op *op, const Value *v, int64_t weight)
{
    if (is_uniform(v) || type_elements(&v->type) == 0)
        return;
    Anchor a = {op, v, weight};
    PUSH(p->low->arena, all, a);
    for (int i = all->count - 1; i > 0 && all->items[i - 1].weight < a.weight; i--) {
        all->items[i] = all->items[i - 1];
        all->items[i - 1] = a;
    }
}

enum { ORDER_WEIGHT = 1 << 28, SHORT_AXIS = 8 };

/* A sum in order over few of many elements: a thread adds up its own. */
static bool is_short(const Op *op)
{
    const Type *t = &op->args[0]->type;
    return op->axis >= 0 && op->axis + 1 < t->rank && t->dims[op->axis] <= SHORT_AXIS;
}

static void list_anchors(Pass *p, Anchors *all, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            list_anchors(p, all, op->regions[i]);
        const Value *v = op->code == OP_LOAD    ? op->results[0]
                         : op->code == OP_STORE ? op->args[op->nargs - 1]
                                                : NULL;
        if (v)
            add_anchor(p, all, op, v,
                       type_elements(&v->type) * dtype_info[v->type.dtype].bits * 2 +
                           (op->code == OP_LOAD));
        if (op->code == OP_HISTOGRAM || op->code == OP_EXCHANGE)
            add_anchor(p, all, op, op->results[0], ORDER_WEIGHT);
        if (is_order(op->code) || op->code == OP_HISTOGRAM)
            add_anchor(p, all, op, op->args[0], ORDER_WEIGHT + type_elements(&op->args[0]->type));
        if (op->code == OP_SUM && op->order == ORDER_SEQ && op->args[0]->type.dtype == DT_F32)
            add_anchor(p, all, op, op->args[0], is_short(op) ? ORDER_WEIGHT : 1);
    }
}

/* The widths of what is moved in tiles of at least half the largest size. */
static void find_widths(Pass *p, const Anchors *all)
{
    int64_t largest = 0;
    int n = 0;
    for (int i = 0; i < all->count; i++)
        if (all->items[i].op->access && type_elements(&all->items[i].value->type) > largest)
            largest = type_elements(&all->items[i].value->type);
    for (int i = 0; i < all->count && n < 4; i++) {
        const Anchor *a = &all->items[i];
        int bits = dtype_info[a->value->type.dtype].bits;
        bool seen = !a->op->access || 2 * type_elements(&a->value->type) < largest;
        for (int k = 0; k < n; k++)
            seen |= p->widths[k] == bits;
        if (!seen)
            p->widths[n++] = bits;
    }
}

/* A line in the lanes of a warp, its elements side by side where that makes vectors. */
static bool order_anchor(Pass *p, const Op *op, Layout *out)
{
    const Type *t = &op->args[0]->type;
    int axis = op->code == OP_HISTOGRAM || op->code == OP_OCCURRENCE ? 0 : op->axis;
    ThreadUnit u = p->unit;
    if (u.lanes == 1 || axis < 0)
        return false;
    if (op->code == OP_OCCURRENCE && op->bits && census_fits(u, (int64_t)op->bits))
        return census_layout(t, u, out);
    if (u.warps > 1 && t->rank == 1)
        return false; /* over the whole block: as the load has it */
    int64_t n = t->dims[axis], lanes = 1;
    for (int d = 0; d < t->rank; d++)
        lanes *= d == axis ? 1 : t->dims[d];
    lanes = lanes < u.lanes ? u.lanes / lanes : 1;
    /* The other dims first, so that a line has its share of the lanes. */
    int64_t share = 1;
    while (2 * share <= lanes && share < n)
        share *= 2;
    int64_t regs = (n + share - 1) / share;
    bool runs = n % regs == 0 && regs % 4 == 0 && op->code != OP_OCCURRENCE;
    int mask = share * regs > n ? 0 : -1;
    *out = (Layout){.masks = mask + 1, .limit = {(int32_t)(runs ? n / regs : n)}};
    layout_add_masked(out, OWN_REG, axis, regs, runs ? 1 : share, runs ? -1 : mask, share);
    layout_add_masked(out, OWN_LANE, axis, share, runs ? regs : 1, mask, 1);
    Type rest = *t;
    rest.dims[axis] = 1;
    u.lanes /= (int)share;
    SpreadRequest plain = {t->rank - 1, 1, -1, 1, false};
    Layout spread = layout_spread(&rest, plain, u);
    for (int i = 0; i < spread.count; i++)
        layout_add(out, (Owner)spread.mode[i].owner, spread.mode[i].dim, spread.mode[i].extent,
                   spread.mode[i].stride);
    return regs <= 16;
}

/* What counts classes, and what all programs have counted. */
static bool classes_anchor(const Pass *p, const Op *op, Layout *out)
{
    const Type *t = &op->results[0]->type;
    if (op->code == OP_HISTOGRAM)
        return class_layout(t->dims[0], 0, p->unit, out);
    return t->rank == 2 && class_layout(t->dims[1], t->dims[0], p->unit, out);
}

/* A load that is copied to shared memory: every thread copies what it will use. */
static bool feeds_ring(const Pass *p, const Anchor *a)
{
    const Op *next = a->op->code == OP_LOAD ? a->op->next : NULL;
    if (!next || next->code != OP_STORE || next->args[next->nargs - 1] != a->value)
        return false;
    for (int i = 0; i < p->low->rings.count; i++)
        if (p->low->rings.items[i].local == next->args[0])
            return true;
    return false;
}

static void place_anchor(Pass *p, const Anchor *a)
{
    const Region *body = p->plan->par->regions[p->plan->par->nregions - 1];
    const Type *t = &a->value->type;
    Layout l;
    p->unit = unit_at(p->plan, a->op);
    if (!a->op->access) {
        if (a->op->nresults && a->value == a->op->results[0]) {
            if (!classes_anchor(p, a->op, &l))
                l = spread_tile(p, t, t->rank - 1, MOST_VECTOR);
        } else if (a->op->code == OP_SUM && is_short(a->op)) {
            l = spread_over(p, t, a->op->axis);
        } else if (a->op->code == OP_SUM) {
            SpreadRequest q = {a->op->axis, t->dims[a->op->axis], -1, 1, false};
            l = layout_spread(t, q, p->unit);
        } else if (!order_anchor(p, a->op, &l)) {
            return;
        }
        place(p, a->value, &l);
        return;
    }
    int fast = fast_axis(a->op, t);
    Path path = path_of(p->low, p->plan, a->op);
    bool asked = path.elements && t->dims[fast] % path.elements == 0;
    if ((path.smem || path.tma) && p->unit.lanes > 1 && !feeds_ring(p, a))
        return; /* from shared memory it comes in any layout */
    int other = a->op->code == OP_LOAD ? store_axis(a->value, a->op->parent, fast) : -1;
    if (type_elements(t) <= MOST_REPLICATED && is_indexed(a->value, body))
        l = replicated(t, p->unit);
    else if (asked && other < 0)
        l = spread_vectors(p, t, fast, path.elements, MOST_VECTOR);
    else
        l = other >= 0 ? spread_square(p, t, fast, other)
                       : spread_tile(p, t, fast, ends_anywhere(a->op) ? 1 : MOST_VECTOR);
    place(p, a->value, &l);
}

static bool place_plainly(Pass *p, const Op *op, const Value *v)
{
    if (v->type.kind != TY_TILE || is_uniform(v) || p->low->placed[v->id])
        return false;
    p->unit = unit_at(p->plan, op);
    Layout l = spread_tile(p, &v->type, v->type.rank - 1, MOST_VECTOR);
    place(p, v, &l);
    return true;
}

/* The first tile that is still open gets a plain layout; true if there was one. */
static bool place_rest(Pass *p, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            if (place_rest(p, op->regions[i]))
                return true;
        for (int i = 0; op->code == OP_GET && i < op->regions[0]->nargs; i++)
            if (place_plainly(p, op, op->regions[0]->args[i]))
                return true;
        for (int i = 0; i < op->nresults; i++)
            if (place_plainly(p, op, op->results[i]))
                return true;
    }
    return false;
}

/* A load that is asked to move vectors that its layout does not have gives its own. */
static void ask_vectors(Pass *p, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            ask_vectors(p, op->regions[i]);
        if (op->code != OP_LOAD || is_uniform(op->results[0]))
            continue;
        const Value *v = op->results[0];
        Path path = path_of(p->low, p->plan, op);
        int fast = contiguous_axis(op);
        if (!path.elements || path.smem || fast < 0 || v->type.dims[fast] % path.elements ||
            vectors_along(&p->low->layout[v->id], fast, path.elements).n == path.elements)
            continue;
        p->unit = unit_at(p->plan, op);
        p->low->layout[v->id] = spread_vectors(p, &v->type, fast, path.elements, MOST_VECTOR);
    }
}

bool assign_layouts(Lowered *low, const PhasePlan *plan)
{
    Pass p = {.low = low, .plan = plan};
    const Region *body = plan->par->regions[plan->par->nregions - 1];
    Anchors anchors = {0};
    list_anchors(&p, &anchors, body);
    find_widths(&p, &anchors);
    for (int i = 0; i < anchors.count; i++) {
        if (low->placed[anchors.items[i].value->id])
            continue;
        place_anchor(&p, &anchors.items[i]);
        spread_all(&p);
    }
    do
        spread_all(&p);
    while (place_rest(&p, body));
    ask_vectors(&p, body);
    return true;
}
