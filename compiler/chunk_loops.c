/* The operations of regions go to their loops. */
#include <string.h>

#include "compiler/chunk.h"
#include "compiler/locals.h"

static Region *body_of(const Chunk *ch)
{
    return ch->plan->par->regions[ch->plan->par->nregions - 1];
}

/* ---- reductions ---- */

/* What a reduction has of no element. */
static uint64_t identity(const Op *op)
{
    DType t = op->args[0]->type.dtype;
    int width = dtype_info[t].bits;
    bool least = op->code == OP_AMAX, is_signed = dtype_info[t].kind == 'i';
    uint64_t all = ~(uint64_t)0 >> (64 - width), top = (uint64_t)1 << (width - 1);
    if (op->code == OP_SUM || op->code == OP_ANY)
        return 0;
    if (op->code == OP_ALL)
        return 1;
    if (t == DT_F32)
        return least ? 0xFF800000 : 0x7F800000;
    if (is_signed)
        return least ? top : all ^ top;
    return least ? 0 : t == DT_BOOL ? 1 : all;
}

static OpCode joining(OpCode reduction)
{
    switch (reduction) {
    case OP_SUM:
        return OP_ADD;
    case OP_AMAX:
        return OP_MAX;
    case OP_AMIN:
        return OP_MIN;
    case OP_ANY:
        return OP_OR;
    default:
        return OP_AND;
    }
}

/* Parts of a sum of floats are added piece by piece (carry.c joins them behind the loop); in what
 * else there is, order does not matter: pieces are joined element by element, and reduced once. */
static bool is_summed(const Op *reduction)
{
    return reduction->code == OP_SUM && reduction->args[0]->type.dtype == DT_F32;
}

static Value *start_value(Chunk *ch, const Op *reduction, Op *at)
{
    const Value *v = is_summed(reduction) ? reduction->results[0] : reduction->args[0];
    Type t = v->type;
    Cut c = chunk_cut(ch, v);
    if (c.axis >= 0)
        t.dims[c.axis] = c.piece;
    Op *op = op_new(ch->kernel, OP_CONST, reduction->pos, 0, NULL, 1, &t);
    op->bits = identity(reduction);
    op_insert_before(at, op);
    return op->results[0];
}

/* The loop's value k is the reduction of all pieces, or what it is a reduction of. */
static void carry_reduction(Chunk *ch, Op *loop, Op *reduction, int k)
{
    Region *body = loop->regions[0];
    bool summed = is_summed(reduction);
    Value *part = summed ? reduction->results[0] : reduction->args[0];
    Value *args[2] = {body->args[1 + k], part};
    if (summed) {
        replace_uses(body_of(ch), part, loop->results[k]);
        loop->results[k]->name = part->name;
    } else {
        reduction->args[0] = loop->results[k];
        op_remove(reduction);
        op_insert_before(loop->parent->last, reduction);
    }
    Op *join = op_new(ch->kernel, joining(reduction->code), reduction->pos, 2, args, 1,
                      &part->type);
    op_insert_before(body->last, join);
    body->last->args[body->last->nargs++] = join->results[0];
}

/* ---- what goes on over the end of a region ---- */

/* A value that the region's end gives, and the local tensor that has it. */
typedef struct Passed {
    Value *value, *local;
    Cut cut;
} Passed;
typedef struct PassedList {
    Passed *items;
    int count, capacity;
} PassedList;

static const Op *taker(const Op *end)
{
    const Op *op = end->parent->parent;
    while (end->code == OP_CONTINUE && op->code == OP_IF)
        op = op->parent->parent;
    return op;
}

static void find_given(Chunk *ch, const Region *r, PassedList *out)
{
    const Op *to = taker(r->last);
    for (int k = 0; k < to->nresults && k < r->last->nargs; k++) {
        const Value *result = to->results[k];
        Value *v = r->last->args[k], *local = chunk_kept(ch, result);
        bool stays = to->code == OP_FOR && v == to->regions[0]->args[1 + k];
        if (is_cut(ch, result) && !stays)
            PUSH(ch->low->arena, out, ((Passed){v, local, chunk_cut(ch, result)}));
    }
}

/* All are there before the first is stored: they may be each other's old values. */
static void store_given(Chunk *ch, Op *loop, const PassedList *given)
{
    Op *end = loop->regions[0]->last;
    Value **piece = NEW_ARRAY(ch->low->arena, Value *, given->count);
    for (int i = 0; i < given->count; i++)
        piece[i] = chunk_piece(ch, loop, end, given->items[i].value, given->items[i].cut);
    for (int i = 0; i < given->count; i++)
        chunk_store(ch, loop, end, given->items[i].local, given->items[i].cut, piece[i]);
}

/* ---- operations that stay ---- */

static void whole_op(Chunk *ch, Op *op)
{
    if (!op->nregions || !chunk_touches(ch, op))
        return;
    for (int k = 0; k < op->nresults; k++) {
        Value *v = op->results[k];
        if (!is_cut(ch, v))
            continue;
        Value *local = chunk_keep_in_local(ch, v, op);
        if (op->code == OP_FOR) {
            Op *loop = chunk_loop(ch, op->pos, op, 0, NULL);
            PassedList start = {0};
            PUSH(ch->low->arena, &start, ((Passed){op->args[3 + k], local, chunk_cut(ch, v)}));
            chunk_is_in(ch, op->regions[0]->args[1 + k], local);
            store_given(ch, loop, &start);
        }
    }
    for (int i = 0; i < op->nregions; i++)
        chunk_region(ch, op->regions[i]);
    for (int k = op->nresults - 1; k >= 0; k--)
        if (is_cut(ch, op->results[k]))
            drop_carried(op, k);
}

/* ---- all ---- */

static void move_before(Op *at, Op *op)
{
    op_remove(op);
    op_insert_before(at, op);
}

static void build_loop(Chunk *ch, Region *r, const TimedList *list, int time,
                       const PassedList *given)
{
    int n = 0, k = 0;
    Value **start = NEW_ARRAY(ch->low->arena, Value *, list->count);
    Pos pos = r->last->pos;
    for (int i = list->count - 1; i >= 0; i--)
        if (list->items[i].time == time)
            pos = list->items[i].op->pos;
    for (int i = 0; i < list->count; i++)
        if (list->items[i].time == time && chunk_reduces(ch, list->items[i].op))
            start[n++] = start_value(ch, list->items[i].op, r->last);
    Op *loop = chunk_loop(ch, pos, r->last, n, start);
    Op *end = loop->regions[0]->last;
    end->args = NEW_ARRAY(ch->kernel->arena, Value *, n + 1);
    for (int i = 0; i < list->count; i++) {
        Op *op = list->items[i].op;
        if (list->items[i].time != time)
            continue;
        bool reduces = chunk_reduces(ch, op);
        move_before(end, op);
        chunk_make_piece(ch, loop, op);
        if (reduces)
            carry_reduction(ch, loop, op, k++);
    }
    if (given)
        store_given(ch, loop, given);
}

static void drop_names(const Chunk *ch, Region *r)
{
    for (Op *op = r->first, *next; op; op = next) {
        next = op->next;
        if (op->code == OP_BIND && is_cut(ch, op->args[0]))
            op_remove(op);
    }
}

static bool has_time(const TimedList *list, int time)
{
    for (int i = 0; i < list->count; i++)
        if (list->items[i].time == time)
            return true;
    return false;
}

void chunk_region(Chunk *ch, Region *r)
{
    TimedList list = {0};
    PassedList given = {0};
    drop_names(ch, r);
    chunk_times(ch, r, &list);
    find_given(ch, r, &given);
    /* What is carried on is stored last: others may be computed from what was there before. */
    int last = given.count ? list.last | 1 : list.last;
    for (int time = 0; time <= last; time++) {
        bool stores = given.count && time == last;
        for (int i = 0; i < list.count && !(time & 1); i++)
            if (list.items[i].time == time) {
                move_before(r->last, list.items[i].op);
                whole_op(ch, list.items[i].op);
            }
        if ((time & 1) && (stores || has_time(&list, time)))
            build_loop(ch, r, &list, time, stores ? &given : NULL);
    }
}
