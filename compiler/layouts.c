/* Pass: layouts. Gives every tile of a phase a layout.
 *
 * Loads and stores are anchors: their layout moves 16 bytes a lane for the narrowest tensor.
 * Layouts
 * spread from there along operations that keep elements in place, forwards and backwards, until
 * nothing changes; what stays open is spread plainly. Where an operand's layout is not what its
 * operation needs, the emitter converts it.
 */
#include <string.h>

#include "compiler/lower.h"

typedef struct Pass {
    Lowered *low;
    const PhasePlan *plan;
    int64_t vector; /* elements a lane takes in one piece */
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
        return 0;
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

/* ---- the vector: from the narrowest element moved in a large tile ---- */

static void find_width(Pass *p, const Region *r, int64_t *largest, int *bits)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            find_width(p, op->regions[i], largest, bits);
        const Value *v = op->code == OP_LOAD    ? op->results[0]
                         : op->code == OP_STORE ? op->args[op->nargs - 1]
                                                : NULL;
        if (!v)
            continue;
        int64_t n = type_elements(&v->type);
        int b = dtype_info[v->type.dtype].bits;
        if (n > *largest)
            *bits = b;
        else if (n == *largest && b < *bits)
            *bits = b;
        *largest = n > *largest ? n : *largest;
    }
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
    Layout l = concat_layout(op, first ? known(p, first) : NULL, p->plan->unit);
    place(p, op->results[0], &l);
}

static void spread_order(Pass *p, const Op *op)
{
    Layout l;
    if (!known(p, op->args[0]) || !order_layout(op, known(p, op->args[0]), p->plan->unit, &l))
        return;
    for (int i = 0; i < op->nresults; i++)
        place(p, op->results[i], &l);
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

/* A tile that is small for the unit takes shorter vectors, if that puts more lanes to work in as
 * many accesses. */
static Layout spread_tile(const Pass *p, const Type *t, int fast)
{
    Layout best = layout_spread(t, fast, p->vector, p->plan->unit);
    int64_t regs = layout_span(&best, OWN_REG), accesses = 0;
    for (int64_t v = p->vector; v >= 1; v /= 2) {
        Layout l = layout_spread(t, fast, v, p->plan->unit);
        int64_t r = layout_span(&l, OWN_REG), piece = v;
        while (piece > 1 && (t->rank == 0 || t->dims[fast] % piece))
            piece /= 2;
        if (v == p->vector)
            accesses = r / piece;
        if (r >= regs || r / piece > accesses)
            continue;
        best = l;
        regs = r;
    }
    return best;
}

static void spread_anchor(Pass *p, const Op *op, const Value *v)
{
    Layout l = spread_tile(p, &v->type, fast_axis(op, &v->type));
    place(p, v, &l);
}

static bool is_order(OpCode code)
{
    return code == OP_TOPK || code == OP_RANK || code == OP_ARGMAX || code == OP_CUMSUM ||
           code == OP_CUMMAX || code == OP_SOFTMAX || code == OP_OCCURRENCE;
}

static void spread(Pass *p, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        const char *flags = op_info[op->code].flags;
        if (op->nregions)
            spread_loop(p, op);
        else if (op->code == OP_LOAD && type_elements(&op->results[0]->type) > 1)
            spread_anchor(p, op, op->results[0]);
        else if (op->code == OP_RESHAPE)
            spread_reshape(p, op);
        else if (op->code == OP_TRANS)
            spread_trans(p, op);
        else if (op->code == OP_EXTRACT)
            spread_extract(p, op);
        else if (op->code == OP_CONCAT)
            spread_concat(p, op);
        else if (op->code == OP_SUM || op->code == OP_AMAX || op->code == OP_AMIN ||
                 op->code == OP_ANY || op->code == OP_ALL)
            spread_reduce(p, op);
        else if (is_order(op->code))
            spread_order(p, op);
        else if (strchr(flags, 'E') || op->code == OP_BROADCAST)
            spread_elementwise(p, op);
    }
}

/* The first tile that is still open gets a plain layout; true if there was one. */
static bool place_rest(Pass *p, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            if (place_rest(p, op->regions[i]))
                return true;
        for (int i = 0; i < op->nresults; i++) {
            const Value *v = op->results[i];
            if (v->type.kind != TY_TILE || is_uniform(v) || p->low->placed[v->id])
                continue;
            Layout l = spread_tile(p, &v->type, v->type.rank - 1);
            place(p, v, &l);
            return true;
        }
    }
    return false;
}

bool assign_layouts(Lowered *low, const PhasePlan *plan)
{
    Pass p = {.low = low, .plan = plan};
    const Region *body = plan->par->regions[plan->par->nregions - 1];
    int64_t largest = 0;
    int bits = 32;
    find_width(&p, body, &largest, &bits);
    p.vector = 128 / bits;
    do {
        do {
            p.changed = false;
            spread(&p, body);
        } while (p.changed);
    } while (place_rest(&p, body));
    return true;
}
