/* Which axes are cut, and what can be done by pieces. */
#include <string.h>

#include "compiler/chunk.h"
#include "compiler/counts.h"
#include "compiler/locals.h"

static const Region *body_of(const Chunk *ch)
{
    return ch->plan->par->regions[ch->plan->par->nregions - 1];
}

bool chunk_fail(Chunk *ch, const Op *op, const char *hint, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vformat(ch->low->arena, format, args);
    va_end(args);
    if (!ch->failed) {
        diag_error(ch->low->diag, op->pos, hint, "chunk %s: %s", ch->dim, text);
        diag_note(ch->low->diag, ch->word->pos, "the schedule asks for it here");
    }
    ch->failed = true;
    return false;
}

Cut chunk_cut(const Chunk *ch, const Value *v)
{
    return v->id < ch->ids ? ch->cut[v->id] : (Cut){-1, 0, 0};
}

bool is_cut(const Chunk *ch, const Value *v)
{
    return v->id < ch->ids && ch->cut[v->id].axis >= 0;
}

bool is_constant(const Value *v)
{
    return v->op && v->op->code == OP_CONST;
}

/* ---- spreading ---- */

static void set(Chunk *ch, const Op *op, const Value *v, int axis, int64_t extent, int64_t piece)
{
    Cut *c = &ch->cut[v->id];
    if (v->type.kind != TY_TILE || is_constant(v))
        return;
    if (c->axis < 0) {
        *c = (Cut){axis, extent, piece};
        ch->changed = true;
    } else if (c->axis != axis || c->extent != extent || c->piece != piece) {
        chunk_fail(ch, op, NULL, "two axes of a tile would be cut at once here");
    }
}

static void set_like(Chunk *ch, const Op *op, const Value *v, Cut c)
{
    if (c.axis >= 0)
        set(ch, op, v, c.axis, c.extent, c.piece);
}

/* An axis as long as the dim is one of it. */
static void seed(Chunk *ch, const Op *op, const Value *v)
{
    int found = -1;
    for (int d = 0; v->type.kind == TY_TILE && d < v->type.rank; d++) {
        if (v->type.dims[d] != ch->size)
            continue;
        if (found >= 0) {
            chunk_fail(ch, op, NULL, "two axes of a tile are %lld long", (long long)ch->size);
            return;
        }
        found = d;
    }
    if (found >= 0)
        set(ch, op, v, found, ch->size, ch->piece);
}

/* Elements of a row-major tile behind one step along an axis. */
static int64_t behind(const Type *t, int axis)
{
    int64_t n = 1;
    for (int d = axis + 1; d < t->rank; d++)
        n *= t->dims[d];
    return n;
}

/* The cut of the same elements in another shape; axis -1: the pieces are no part of one axis. */
static Cut reshaped(const Type *from, Cut c, const Type *to)
{
    int64_t step = behind(from, c.axis), piece = c.piece * step, all = c.extent * step;
    for (int d = 0; d < to->rank; d++) {
        int64_t each = behind(to, d);
        if (to->dims[d] > 1 && to->dims[d] * each == all && piece % each == 0)
            return (Cut){d, to->dims[d], piece / each};
    }
    return (Cut){-1, 0, 0};
}

static void spread_reshape(Chunk *ch, const Op *op)
{
    const Value *a = op->args[0], *r = op->results[0];
    Cut c = chunk_cut(ch, a), d = chunk_cut(ch, r);
    if (c.axis >= 0)
        set_like(ch, op, r, reshaped(&a->type, c, &r->type));
    if (d.axis >= 0)
        set_like(ch, op, a, reshaped(&r->type, d, &a->type));
}

static Cut turned(Cut c, int rank)
{
    c.axis = c.axis == rank - 1 ? rank - 2 : c.axis == rank - 2 ? rank - 1 : c.axis;
    return c;
}

/* Operands and result agree on an axis on which the operand is not stretched. */
static void spread_elementwise(Chunk *ch, const Op *op)
{
    const Value *r = op->results[0];
    for (int i = 0; i < op->nargs; i++) {
        const Value *a = op->args[i];
        Cut c = chunk_cut(ch, a), d = chunk_cut(ch, r);
        if (c.axis >= 0)
            set_like(ch, op, r, c);
        if (d.axis >= 0 && a->type.rank == r->type.rank && a->type.dims[d.axis] == d.extent)
            set_like(ch, op, a, d);
    }
}

/* The tile's dim that axis k of an access is; -1: none. */
static int dim_of(const Access *a, int k)
{
    int dim = 0, joint = -1;
    for (int i = 0; i < a->count; i++) {
        AxisKind kind = a->axis[i].kind;
        int here = kind == AX_SCALAR ? -1 : kind == AX_TILE && joint >= 0 ? joint : dim++;
        if (kind == AX_TILE)
            joint = here;
        if (i == k)
            return here;
    }
    return -1;
}

int access_axis(const Access *a, int dim)
{
    for (int k = 0; k < a->count; k++)
        if (dim_of(a, k) == dim)
            return k;
    return -1;
}

/* Index tiles and the axis that they stand for go together. */
static void spread_indices(Chunk *ch, const Op *op, const Value *tile)
{
    const Access *a = op->access;
    int arg = 1;
    for (int k = 0; k < a->count; k++) {
        if (a->axis[k].kind == AX_TILE) {
            const Value *index = op->args[arg];
            Cut c = chunk_cut(ch, index), d = chunk_cut(ch, tile);
            if (c.axis == 0)
                set(ch, op, tile, dim_of(a, k), c.extent, c.piece);
            if (d.axis >= 0 && d.axis == dim_of(a, k))
                set(ch, op, index, 0, d.extent, d.piece);
        }
        arg += a->axis[k].kind != AX_FULL;
    }
}

static void spread_extract(Chunk *ch, const Op *op)
{
    const Value *from = op->args[0], *r = op->results[0];
    const Access *a = op->access;
    Cut c = chunk_cut(ch, from), d = chunk_cut(ch, r);
    if (c.axis >= 0 && a->axis[c.axis].kind == AX_FULL)
        set(ch, op, r, dim_of(a, c.axis), c.extent, c.piece);
    int k = d.axis >= 0 ? access_axis(a, d.axis) : -1;
    if (k >= 0 && a->axis[k].kind == AX_FULL)
        set(ch, op, from, k, d.extent, d.piece);
    spread_indices(ch, op, r);
}

/* Carried values: args, region args, what yields give, and results are one. */
static void same(Chunk *ch, const Op *op, const Value *a, const Value *b)
{
    set_like(ch, op, b, chunk_cut(ch, a));
    set_like(ch, op, a, chunk_cut(ch, b));
}

static void spread_control(Chunk *ch, const Op *op)
{
    for (int i = 0; i < op->nregions; i++) {
        const Region *r = op->regions[i];
        for (int k = 0; k < op->nresults; k++) {
            if (op->code == OP_FOR) {
                same(ch, op, op->args[3 + k], r->args[1 + k]);
                same(ch, op, r->args[1 + k], op->results[k]);
            }
            if (r->last && r->last->code == OP_YIELD)
                same(ch, op, r->last->args[k], op->results[k]);
        }
    }
}

/* The next round's values are the loop's. */
static void spread_continue(Chunk *ch, const Op *op)
{
    const Op *loop = op->parent->parent;
    while (loop->code != OP_FOR && loop->code != OP_SHARE && loop->code != OP_PAR)
        loop = loop->parent->parent;
    for (int k = 0; k < op->nargs; k++)
        same(ch, op, op->args[k], loop->results[k]);
}

static bool is_elementwise(const Op *op)
{
    return strchr(op_info[op->code].flags, 'E') || op->code == OP_BROADCAST;
}

/* Along another axis than theirs. */
static bool is_along_axis(OpCode code)
{
    return code == OP_SUM || code == OP_AMAX || code == OP_AMIN || code == OP_ANY ||
           code == OP_ALL || code == OP_CUMSUM || code == OP_CUMMAX || code == OP_SOFTMAX ||
           code == OP_TOPK || code == OP_RANK || code == OP_ARGMAX || code == OP_CONCAT;
}

static void spread_along(Chunk *ch, const Op *op)
{
    for (int i = 0; i < op->nresults; i++) {
        for (int k = 0; k < (op->code == OP_CONCAT ? op->nargs : 1); k++) {
            Cut c = chunk_cut(ch, op->args[k]), d = chunk_cut(ch, op->results[i]);
            if (c.axis >= 0 && c.axis != op->axis && op->axis >= 0)
                set_like(ch, op, op->results[i], c);
            if (d.axis >= 0 && d.axis != op->axis)
                set_like(ch, op, op->args[k], d);
        }
    }
}

static void spread(void *context, Op *op)
{
    Chunk *ch = context;
    if (ch->failed)
        return;
    for (int i = 0; i < op->nresults; i++)
        seed(ch, op, op->results[i]);
    for (int i = 0; i < op->nregions; i++)
        for (int k = 0; k < op->regions[i]->nargs; k++)
            seed(ch, op, op->regions[i]->args[k]);
    if (op->code == OP_RESHAPE) {
        spread_reshape(ch, op);
    } else if (op->code == OP_TRANS) {
        set_like(ch, op, op->results[0],
                 turned(chunk_cut(ch, op->args[0]), op->args[0]->type.rank));
        set_like(ch, op, op->args[0],
                 turned(chunk_cut(ch, op->results[0]), op->args[0]->type.rank));
    } else if (op->code == OP_EXTRACT) {
        spread_extract(ch, op);
    } else if (op->code == OP_LOAD) {
        spread_indices(ch, op, op->results[0]);
    } else if (op->code == OP_STORE || op->code == OP_ATOMIC_ADD) {
        spread_indices(ch, op, op->args[op->nargs - 1]);
    } else if (op->code == OP_FOR || op->code == OP_IF) {
        spread_control(ch, op);
    } else if (op->code == OP_CONTINUE) {
        spread_continue(ch, op);
    } else if (is_along_axis(op->code)) {
        spread_along(ch, op);
    } else if (is_elementwise(op)) {
        spread_elementwise(ch, op);
    }
}

/* ---- what is possible ---- */

bool chunk_reduces(const Chunk *ch, const Op *op)
{
    bool reduces = op->code == OP_SUM || op->code == OP_AMAX || op->code == OP_AMIN ||
                   op->code == OP_ANY || op->code == OP_ALL;
    return reduces && is_cut(ch, op->args[0]) &&
           (op->axis < 0 || op->axis == chunk_cut(ch, op->args[0]).axis);
}

static bool takes_or_gives_cut(const Chunk *ch, const Op *op)
{
    for (int i = 0; i < op->nargs; i++)
        if (is_cut(ch, op->args[i]))
            return true;
    for (int i = 0; i < op->nresults; i++)
        if (is_cut(ch, op->results[i]))
            return true;
    return false;
}

bool chunk_touches(const Chunk *ch, const Op *op)
{
    if (takes_or_gives_cut(ch, op))
        return true;
    for (int i = 0; i < op->nregions; i++)
        for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
            if (chunk_touches(ch, inner))
                return true;
    /* A constant tile that is stored. */
    return (op->code == OP_STORE || op->code == OP_ATOMIC_ADD) &&
           chunk_stored_cut(ch, op).axis >= 0;
}

Cut chunk_stored_cut(const Chunk *ch, const Op *op)
{
    const Value *v = op->args[op->nargs - 1];
    if (!is_constant(v))
        return chunk_cut(ch, v);
    for (int d = 0; d < v->type.rank; d++)
        if (v->type.dims[d] == ch->size)
            return (Cut){d, ch->size, ch->piece};
    return (Cut){-1, 0, 0};
}

/* May stand in every round of a loop over pieces. */
static bool is_piecewise_inside(const Chunk *ch, const Op *op)
{
    bool effect = op->code == OP_STORE || op->code == OP_ATOMIC_ADD;
    if (chunk_reduces(ch, op) || op->code == OP_CONTINUE || op->code == OP_LOCAL)
        return false;
    if (effect && !chunk_touches(ch, op))
        return false;
    bool other = op->code == OP_FOR || op->code == OP_IF || op->code == OP_YIELD ||
                 op->code == OP_BIND || effect || op->code == OP_LOAD ||
                 strchr(op_info[op->code].flags, 'P');
    if (!other)
        return false;
    for (int i = 0; i < op->nregions; i++)
        for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
            if (!is_piecewise_inside(ch, inner))
                return false;
    return true;
}

bool chunk_is_piecewise(const Chunk *ch, const Op *op)
{
    for (int i = 0; i < op->nresults; i++)
        if (!is_cut(ch, op->results[i]))
            return false;
    return (op->code == OP_FOR || op->code == OP_IF) && is_piecewise_inside(ch, op);
}

static bool check_reduction(Chunk *ch, const Op *op)
{
    DType t = op->args[0]->type.dtype;
    if (op->code == OP_SUM && op->order != ORDER_DEFAULT && t == DT_F32)
        return chunk_fail(ch, op, "a sum in the default order is carried from piece to piece",
                          "a sum in a given order takes the axis whole");
    if (t != DT_F32 && t != DT_BOOL && !dtype_is_int(t))
        return chunk_fail(ch, op, "convert with f32(..) first", "%s of %s", op_info[op->code].name,
                          dtype_info[t].name);
    return true;
}

static bool check_extract(Chunk *ch, const Op *op)
{
    Cut c = chunk_cut(ch, op->args[0]);
    return c.axis < 0 || op->access->axis[c.axis].kind == AX_FULL ||
           chunk_fail(ch, op, NULL, "single elements of the axis are taken here");
}

static bool check_access(Chunk *ch, const Op *op)
{
    const Value *tile = op->code == OP_LOAD ? op->results[0] : op->args[op->nargs - 1];
    int arg = 1;
    if (tile->type.dtype == DT_E2M1 && is_cut(ch, tile) && chunk_cut(ch, tile).piece % 2)
        return chunk_fail(ch, op, NULL, "pieces of an odd number of e2m1");
    for (int k = 0; k < op->access->count; k++) {
        AxisKind kind = op->access->axis[k].kind;
        if (kind == AX_TILE && is_cut(ch, op->args[arg]) && !is_cut(ch, tile) && !is_constant(tile))
            return chunk_fail(ch, op, NULL, "the index is cut, what goes there is not");
        arg += kind != AX_FULL;
    }
    return true;
}

static bool check_reshape(Chunk *ch, const Op *op)
{
    const Value *from = op->args[0], *to = op->results[0];
    Cut had = chunk_cut(ch, from), has = chunk_cut(ch, to), wanted = {-1, 0, 0};
    if (had.axis >= 0)
        wanted = reshaped(&from->type, had, &to->type);
    bool same = wanted.axis == has.axis && wanted.piece == has.piece && has.axis >= 0;
    return same || is_constant(from) ||
           chunk_fail(ch, op, "sizes that are multiples of what it joins may do",
                      "this reshape does not keep the pieces apart");
}

static bool check_along(Chunk *ch, const Op *op)
{
    bool along = op->axis < 0;
    for (int i = 0; i < op->nargs; i++)
        along |= chunk_cut(ch, op->args[i]).axis == op->axis;
    for (int i = 0; i < op->nresults; i++)
        along |= chunk_cut(ch, op->results[i]).axis == op->axis;
    return !along || chunk_fail(ch, op, NULL, "%s takes the axis whole", op_info[op->code].name);
}

/* Is something cut that the operation takes, gives, or hands to its regions? */
static bool has_cut(const Chunk *ch, const Op *op)
{
    if (takes_or_gives_cut(ch, op))
        return true;
    for (int i = 0; i < op->nregions; i++)
        for (int k = 0; k < op->regions[i]->nargs; k++)
            if (is_cut(ch, op->regions[i]->args[k]))
                return true;
    return false;
}

/* Whether the operation can be done by pieces, or need not. */
static bool check(Chunk *ch, const Op *op)
{
    if (!has_cut(ch, op))
        return true;
    if (chunk_reduces(ch, op))
        return check_reduction(ch, op);
    switch (op->code) {
    case OP_EXTRACT:
        return check_extract(ch, op);
    case OP_LOAD:
    case OP_STORE:
    case OP_ATOMIC_ADD:
        return check_access(ch, op);
    case OP_BIND:
    case OP_YIELD:
    case OP_CONTINUE:
    case OP_FOR:
    case OP_IF:
    case OP_TRANS:
    case OP_IOTA:
        return true;
    case OP_RESHAPE:
        return check_reshape(ch, op);
    case OP_PRINT:
        return chunk_fail(ch, op, "print what is not cut, or leave chunk out for it",
                          "the tile is never there as a whole to be printed");
    default:
        break;
    }
    if (is_along_axis(op->code))
        return check_along(ch, op);
    return is_elementwise(op) ||
           chunk_fail(ch, op, NULL, "%s takes the axis whole", op_info[op->code].name);
}

static void check_op(void *context, Op *op)
{
    Chunk *ch = context;
    if (!ch->failed)
        check(ch, op);
}

bool chunk_find_axes(Chunk *ch)
{
    do {
        ch->changed = false;
        each_op(body_of(ch), spread, ch);
    } while (ch->changed && !ch->failed);
    each_op(body_of(ch), check_op, ch);
    return !ch->failed;
}
