/* When each operation of a region runs: at even times as it is, at odd ones in a loop over pieces.
 * An operation comes behind what it needs; what needs a whole reduction comes behind its loop.
 * Effects on one tensor keep their order, and so does everything around what other programs or
 * other rounds wait for. */
#include <string.h>

#include "compiler/chunk.h"
#include "compiler/counts.h"
#include "compiler/locals.h"

/* What an operation does to memory. */
typedef struct Touch {
    const Op *tensor; /* or local */
    const Op *op;     /* the access */
    bool write;
    int time;
} Touch;

typedef struct Times {
    Chunk *ch;
    Region *region;
    TimedList *out;
    struct {
        Touch *items;
        int count, capacity;
    } touched;
    int barrier; /* nothing with an effect comes before it */
    int latest;  /* time of what had an effect so far */
} Times;

static const Region *home(const Value *v)
{
    return v->op ? v->op->parent : v->region;
}

static int at_least(int a, int b)
{
    return a > b ? a : b;
}

static int odd_from(int t)
{
    return t | 1;
}

static int even_from(int t)
{
    return t + (t & 1);
}

/* ---- what it needs ---- */

static int after_args(Times *t, const Op *op, int time, bool cut)
{
    for (int i = 0; i < op->nargs; i++) {
        const Value *v = op->args[i];
        if (home(v) != t->region || !v->op)
            continue;
        int when = t->ch->time[v->id];
        /* Pieces are there in their own loop, or kept for what stands behind it. */
        time = at_least(time, is_cut(t->ch, v) && !cut ? when + 1 : when);
    }
    for (int i = 0; i < op->nregions; i++)
        for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
            time = after_args(t, inner, time, cut);
    return time;
}

/* ---- memory ---- */

static bool alias(const Op *a, const Op *b)
{
    return a == b ||
           (a->tensor && a->tensor->alias && b->name && !strcmp(a->tensor->alias, b->name));
}

/* The same elements for every piece. */
static bool same_access(const Op *a, const Op *b)
{
    if (!a->access || !b->access || a->args[0] != b->args[0])
        return false;
    int n = access_args(a->access);
    for (int k = 0; k < a->access->count; k++)
        if (a->access->axis[k].kind != b->access->axis[k].kind ||
            a->access->axis[k].kind == AX_TILE ||
            a->access->axis[k].extent != b->access->axis[k].extent)
            return false;
    for (int i = 1; i <= n; i++)
        if (a->args[i] != b->args[i])
            return false;
    return true;
}

static const Op *touched_by(const Op *op, bool *write)
{
    bool load = op->code == OP_LOAD, store = op->code == OP_STORE || op->code == OP_ATOMIC_ADD;
    *write = store;
    return load || store ? tensor_root(op->args[0])->op : NULL;
}

static int after_memory(const Times *t, const Op *op, int time)
{
    bool write;
    const Op *tensor = touched_by(op, &write);
    for (int i = 0; tensor && i < t->touched.count; i++) {
        const Touch *m = &t->touched.items[i];
        if (!alias(m->tensor, tensor) || (!write && !m->write))
            continue;
        bool together = (m->time & 1) && same_access(m->op, op);
        time = at_least(time, (m->time & 1) && !together ? m->time + 1 : m->time);
    }
    for (int i = 0; i < op->nregions; i++)
        for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
            time = after_memory(t, inner, time);
    return time;
}

static void note_memory(Times *t, const Op *op, int time)
{
    bool write;
    const Op *tensor = touched_by(op, &write);
    if (tensor)
        PUSH(t->ch->low->arena, &t->touched, ((Touch){tensor, op, write, time}));
    for (int i = 0; i < op->nregions; i++)
        for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
            note_memory(t, inner, time);
}

/* Others wait for it, or what comes behind it may not run at all. */
static bool is_barrier(const Op *op)
{
    if (op->code == OP_CONTINUE || op->code == OP_GRID_SYNC || op->code == OP_EXCHANGE ||
        op->code == OP_COPIES)
        return true;
    bool loop = op->code == OP_FOR || op->code == OP_SHARE;
    for (int i = 0; i < op->nregions; i++)
        for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
            if (is_barrier(inner) && !(loop && inner->code == OP_CONTINUE))
                return true;
    return false;
}

static bool has_effect(const Op *op)
{
    if (op->code == OP_STORE || op->code == OP_ATOMIC_ADD || op->code == OP_LOAD)
        return true;
    for (int i = 0; i < op->nregions; i++)
        for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
            if (has_effect(inner))
                return true;
    return false;
}

/* ---- all ---- */

static void give(Times *t, Op *op, int time)
{
    const Chunk *ch = t->ch;
    for (int i = 0; i < op->nresults; i++)
        ch->time[op->results[i]->id] = chunk_reduces(ch, op) ? time + 1 : time;
    note_memory(t, op, time);
    if (has_effect(op))
        t->latest = at_least(t->latest, time);
    PUSH(ch->low->arena, t->out, ((Timed){op, time}));
    t->out->last = at_least(t->out->last, time + chunk_reduces(ch, op));
}

static void time_op(Times *t, Op *op)
{
    Chunk *ch = t->ch;
    bool cut = chunk_touches(ch, op) && (!op->nregions || chunk_is_piecewise(ch, op));
    int time = after_args(t, op, 0, cut);
    time = after_memory(t, op, time);
    if (has_effect(op))
        time = at_least(time, t->barrier);
    if (is_barrier(op)) {
        time = at_least(even_from(time), even_from(t->latest));
        t->barrier = time;
    }
    give(t, op, cut ? odd_from(time) : even_from(time));
}

void chunk_times(Chunk *ch, Region *r, TimedList *out)
{
    Times t = {.ch = ch, .region = r, .out = out};
    for (Op *op = r->first; op && op != r->last; op = op->next)
        time_op(&t, op);
}
