/* Operations on pieces, and pieces of values in loops. */
#include <string.h>

#include "compiler/chunk.h"
#include "compiler/counts.h"
#include "compiler/locals.h"

/* The loop over pieces around what computes the value; NULL: none is. */
static Op *loop_of(const Chunk *ch, const Value *v)
{
    for (int i = 0; i < ch->loops.count; i++)
        if (is_below_op(value_region(v), ch->loops.items[i]))
            return ch->loops.items[i];
    return NULL;
}

/* ---- small operations ---- */

static Value *constant(Chunk *ch, Op *at, const Type *t, uint64_t bits)
{
    Op *op = op_new(ch->kernel, OP_CONST, at->pos, 0, NULL, 1, t);
    op->bits = bits;
    op_insert_before(at, op);
    return op->results[0];
}

static Value *widened(Chunk *ch, Op *at, Value *index)
{
    Type t = scalar_type(DT_I64);
    if (index->type.dtype == DT_I64)
        return index;
    Op *op = op_new(ch->kernel, OP_CAST, at->pos, 1, &index, 1, &t);
    op_insert_before(at, op);
    return op->results[0];
}

Op *chunk_loop(Chunk *ch, Pos pos, Op *at, int carried, Value *const *start)
{
    Type *types = NEW_ARRAY(ch->low->arena, Type, 1 + carried);
    Value **args = NEW_ARRAY(ch->low->arena, Value *, 3 + carried);
    types[0] = scalar_type(DT_I64);
    args[0] = number_before(ch->kernel, at, 0);
    args[1] = number_before(ch->kernel, at, ch->size);
    args[2] = number_before(ch->kernel, at, ch->piece);
    for (int k = 0; k < carried; k++) {
        args[3 + k] = start[k];
        types[1 + k] = start[k]->type;
    }
    Op *loop = op_new(ch->kernel, OP_FOR, pos, 3 + carried, args, carried, types + 1);
    Region *body = region_new(ch->kernel, loop, 1 + carried, types);
    op_add_region(ch->kernel, loop, body);
    body->args[0]->name = ch->dim;
    region_append(body, op_new(ch->kernel, OP_YIELD, pos, 0, NULL, 0, NULL));
    op_insert_before(at, loop);
    PUSH(ch->low->arena, &ch->loops, loop);
    return loop;
}

static void note_taken(Chunk *ch, const Value *v, const Op *loop, int64_t piece, Value *is)
{
    PUSH(ch->low->arena, &ch->taken, ((Taken){v, loop, piece, is}));
}

static Value *find_taken(const Chunk *ch, const Value *v, const Op *loop, int64_t piece)
{
    for (int i = 0; i < ch->taken.count; i++) {
        const Taken *t = &ch->taken.items[i];
        if (t->value == v && t->loop == loop && t->piece == piece)
            return t->is;
    }
    return NULL;
}

/* The number of the loop's first element in units of which a piece has `piece`. */
static Value *start_of(Chunk *ch, Op *loop, int64_t piece)
{
    Value *index = loop->regions[0]->args[0], *is = index;
    if (piece == ch->piece)
        return index;
    if (!(is = find_taken(ch, index, loop, piece))) {
        Op *at = loop->regions[0]->first;
        Value *round = binary_before(ch->kernel, at->pos, at, OP_FDIV, index,
                                     number_before(ch->kernel, at, ch->piece));
        is = binary_before(ch->kernel, at->pos, at, OP_MUL, round,
                           number_before(ch->kernel, at, piece));
        note_taken(ch, index, loop, piece, is);
    }
    return is;
}

/* ---- values that are in local tensors ---- */

Value *chunk_kept(const Chunk *ch, const Value *v)
{
    for (int i = 0; i < ch->kept.count; i++)
        if (ch->kept.items[i].value == v)
            return ch->kept.items[i].local;
    return NULL;
}

void chunk_is_in(Chunk *ch, const Value *v, Value *local)
{
    PUSH(ch->low->arena, &ch->kept, ((Kept){v, local}));
}

Value *chunk_keep_in_local(Chunk *ch, const Value *v, Op *at)
{
    Cut c = chunk_cut(ch, v);
    Type t = v->type;
    t.dims[c.axis] = c.extent;
    Op *local = local_new(ch->kernel, at->pos, v->name ? v->name : "kept", &t);
    op_insert_before(at, local);
    chunk_is_in(ch, v, local->results[0]);
    return local->results[0];
}

void chunk_store(Chunk *ch, Op *loop, Op *at, Value *local, Cut c, Value *piece)
{
    Value *start = start_of(ch, loop, c.piece);
    op_insert_before(at, local_access(ch->kernel, at->pos, local, c.axis, c.piece, start, piece));
}

/* ---- values of other loops ---- */

/* Can it be computed in another loop too, and will be the same there? */
static bool can_repeat(const Chunk *ch, const Value *v)
{
    const Op *op = v->op;
    if (!op || op->nregions)
        return false;
    bool again = op->code == OP_LOAD && (v->id >= ch->ids || !ch->changes[v->id]);
    return again || strchr(op_info[op->code].flags, 'P');
}

static Value *take(Chunk *ch, Op *loop, Op *at, Value *v);

static void repeat(Chunk *ch, Op *loop, Op *at, const Op *from)
{
    Value **args = NEW_ARRAY(ch->low->arena, Value *, from->nargs);
    Type *types = NEW_ARRAY(ch->low->arena, Type, from->nresults);
    for (int i = 0; i < from->nargs; i++)
        args[i] = take(ch, loop, at, from->args[i]);
    for (int i = 0; i < from->nresults; i++)
        types[i] = from->results[i]->type;
    Op *op = op_new(ch->kernel, from->code, from->pos, from->nargs, args, from->nresults, types);
    Value **own_args = op->args, **results = op->results;
    *op = *from;
    op->args = own_args;
    op->results = results;
    op->prev = op->next = NULL;
    op->parent = NULL;
    op_insert_before(at, op);
    for (int i = 0; i < from->nresults; i++) {
        results[i]->name = from->results[i]->name;
        note_taken(ch, from->results[i], loop, 0, results[i]);
    }
}

/* Stores pieces of the value where it is computed. */
static void keep(Chunk *ch, Value *v)
{
    Op *from = loop_of(ch, v), *behind = v->op->next;
    Value *local = chunk_keep_in_local(ch, v, from);
    chunk_store(ch, from, behind, local, chunk_cut(ch, v), v);
}

/* What the loop has of a value. */
static Value *take(Chunk *ch, Op *loop, Op *at, Value *v)
{
    Op *from = loop_of(ch, v);
    Cut c = chunk_cut(ch, v);
    Value *is = find_taken(ch, v, loop, 0), *local = chunk_kept(ch, v);
    if (is || from == loop || (!from && !local))
        return is ? is : v;
    if (from && v == from->regions[0]->args[0])
        return loop->regions[0]->args[0];
    if (!local && can_repeat(ch, v)) {
        repeat(ch, loop, at, v->op);
        return find_taken(ch, v, loop, 0);
    }
    if (!local)
        keep(ch, v);
    Op *load = local_access(ch->kernel, at->pos, chunk_kept(ch, v), c.axis, c.piece,
                            start_of(ch, loop, c.piece), NULL);
    load->results[0]->name = v->name;
    op_insert_before(at, load);
    note_taken(ch, v, loop, 0, load->results[0]);
    return load->results[0];
}

Value *chunk_piece(Chunk *ch, Op *loop, Op *at, Value *v, Cut c)
{
    if (!is_constant(v))
        return take(ch, loop, at, v);
    Type t = v->type;
    if (c.axis < 0 || c.axis >= t.rank || t.dims[c.axis] != c.extent)
        return v;
    t.dims[c.axis] = c.piece;
    return constant(ch, at, &t, v->op->bits);
}

/* ---- operations on pieces ---- */

static void make_small(const Chunk *ch, Value *v)
{
    Cut c = chunk_cut(ch, v);
    if (c.axis >= 0)
        v->type.dims[c.axis] = c.piece;
}

/* The cut that a constant operand has. */
static Cut operand_cut(const Chunk *ch, const Op *op, int i)
{
    static const Cut none = {-1, 0, 0};
    const Op *of = op->parent->parent;
    switch (op->code) {
    case OP_STORE:
    case OP_ATOMIC_ADD:
        return i == op->nargs - 1 ? chunk_stored_cut(ch, op) : none;
    case OP_FOR:
        return i >= 3 ? chunk_cut(ch, op->results[i - 3]) : none;
    case OP_YIELD:
        return i < of->nresults ? chunk_cut(ch, of->results[i]) : none;
    case OP_EXTRACT:
        return none;
    default:
        return op->nresults ? chunk_cut(ch, op->results[0]) : none;
    }
}

/* The access takes `c.piece` elements from the loop's first on, where it took `c.extent`. */
static void cut_access(Chunk *ch, Op *loop, Op *op, Cut c)
{
    int k = access_axis(op->access, c.axis), arg = 1;
    AxisKind kind = op->access->axis[k].kind;
    if (kind == AX_TILE)
        return; /* the index is cut */
    Access *a = NEW(ch->kernel->arena, Access);
    *a = *op->access;
    a->axis[k].kind = AX_SLICE;
    a->axis[k].extent = c.piece;
    op->access = a;
    for (int i = 0; i < k; i++)
        arg += a->axis[i].kind != AX_FULL;
    Value *start = start_of(ch, loop, c.piece);
    if (kind == AX_SLICE) {
        op->args[arg] = binary_before(ch->kernel, op->pos, op, OP_ADD,
                                      widened(ch, op, op->args[arg]), start);
        return;
    }
    Value **args = NEW_ARRAY(ch->kernel->arena, Value *, op->nargs + 1);
    memcpy(args, op->args, sizeof *args * (size_t)arg);
    args[arg] = start;
    memcpy(&args[arg + 1], &op->args[arg], sizeof *args * (size_t)(op->nargs - arg));
    op->args = args;
    op->nargs++;
}

/* Of a tile that is cut, the whole axis of a piece. */
static void cut_extract(Chunk *ch, Op *loop, Op *op, Cut c)
{
    Cut from = chunk_cut(ch, op->args[0]);
    if (from.axis < 0) {
        cut_access(ch, loop, op, c);
        return;
    }
    Access *a = NEW(ch->kernel->arena, Access);
    *a = *op->access;
    a->axis[from.axis].extent = from.piece;
    op->access = a;
}

/* iota(n): the piece's own numbers, from its first on. */
static void cut_iota(Chunk *ch, Op *loop, Op *op, Cut c)
{
    Type t = op->results[0]->type;
    t.dims[0] = c.piece;
    Op *own = op_new(ch->kernel, OP_IOTA, op->pos, 0, NULL, 1, &t);
    op_insert_before(op, own);
    op->code = OP_ADD;
    op->args = NEW_ARRAY(ch->kernel->arena, Value *, 2);
    op->args[op->nargs++] = own->results[0];
    op->args[op->nargs++] = start_of(ch, loop, c.piece);
}

static void cut_op(Chunk *ch, Op *loop, Op *at, Op *op)
{
    Cut result = op->nresults ? chunk_cut(ch, op->results[0]) : (Cut){-1, 0, 0};
    bool moves = op->code == OP_RESHAPE || op->code == OP_TRANS;
    if (result.axis >= 0 && moves && is_constant(op->args[0])) {
        op->code = OP_CONST;
        op->bits = op->args[0]->op->bits;
        op->nargs = 0;
    }
    if (op->code == OP_STORE || op->code == OP_ATOMIC_ADD) {
        Cut stored = chunk_stored_cut(ch, op);
        int value = op->nargs - 1;
        op->args[value] = chunk_piece(ch, loop, at, op->args[value], stored);
        if (stored.axis >= 0)
            cut_access(ch, loop, op, stored);
    } else if (result.axis >= 0 && op->code == OP_LOAD) {
        cut_access(ch, loop, op, result);
    } else if (result.axis >= 0 && op->code == OP_EXTRACT) {
        cut_extract(ch, loop, op, result);
    } else if (op->code == OP_IOTA) {
        cut_iota(ch, loop, op, result);
    }
    for (int i = 0; i < op->nargs; i++)
        op->args[i] = chunk_piece(ch, loop, at, op->args[i], operand_cut(ch, op, i));
    for (int i = 0; i < op->nresults; i++)
        make_small(ch, op->results[i]);
    for (int i = 0; i < op->nregions; i++) {
        Region *r = op->regions[i];
        for (int k = 0; k < r->nargs; k++)
            make_small(ch, r->args[k]);
        for (Op *inner = r->first, *next; inner; inner = next) {
            next = inner->next;
            cut_op(ch, loop, at, inner);
        }
    }
}

void chunk_make_piece(Chunk *ch, Op *loop, Op *op)
{
    cut_op(ch, loop, op, op);
}
