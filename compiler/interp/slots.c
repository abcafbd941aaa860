/* Places for values: intervals in a linear order of the operations, then first fit. */
#include "compiler/interp/interp_internal.h"
#include "compiler/interp/prepare.h"

#include <stdlib.h>

/* Operations run in the order of `start`; both ends are part of the interval. */
typedef struct Interval {
    int start, end;
    int loop;           /* the outermost loop that must not end before it; -1: none */
    const Region *role; /* values of two roles never share memory */
    size_t bytes, offset;
    Slot *slot; /* where the result goes */
} Interval;

typedef struct Loop {
    int start, end; /* end: -1 while it is open */
} Loop;

typedef struct Assigner {
    Machine *m;
    Arena arena;
    int *interval_of; /* by value id, + 1 */
    struct {
        Interval *items;
        int count, capacity;
    } intervals;
    struct {
        Loop *items;
        int count, capacity;
    } loops;
    struct {
        int *items;
        int count, capacity;
    } open;
    const Region *role;
    int position;
} Assigner;

const Value *slot_root(const Value *v)
{
    for (;;) {
        const Op *op = v->op;
        if (!op) {
            const Op *parent = v->region->parent;
            bool ranged = parent && (parent->code == OP_PAR || parent->code == OP_SHARE);
            const Region *body = ranged ? parent->regions[parent->nregions - 1] : NULL;
            if (!ranged || v->region == body)
                return v;
            v = body->args[v->index];
        } else if (op->code == OP_RESHAPE || op->code == OP_BITS) {
            v = op->args[0];
        } else if (op->code == OP_FOR) {
            v = op->regions[0]->args[1 + v->index];
        } else if (op->code == OP_SHARE) {
            v = op->regions[op->nregions - 1]->args[op->nregions - 1 + v->index];
        } else if (op->code == OP_GET) {
            v = op->regions[0]->args[op->regions[0]->nargs - op->nresults + v->index];
        } else {
            return v;
        }
    }
}

size_t value_bytes(const Type *t)
{
    if (t->kind == TY_TILE)
        return (size_t)type_elements(t) * dtype_info[t->dtype].size;
    return t->kind == TY_TENSOR ? sizeof(View) : sizeof(void *);
}

static Interval *interval_new(Assigner *a, size_t bytes, Slot *slot)
{
    Interval i = {.start = a->position, .end = a->position, .loop = -1, .role = a->role};
    i.bytes = (bytes + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
    i.slot = slot;
    PUSH(&a->arena, &a->intervals, i);
    return &a->intervals.items[a->intervals.count - 1];
}

static size_t result_bytes(const Value *v)
{
    if (v->op && v->op->code == OP_LOCAL)
        return local_bytes(&v->type);
    if (v->op && v->op->code == OP_PIPE)
        return pipe_bytes(v->op->pipe);
    return value_bytes(&v->type);
}

static void define(Assigner *a, const Value *v)
{
    if (slot_root(v) != v || (v->op && pooled_constant(a->m, v->op)))
        return;
    interval_new(a, result_bytes(v), &a->m->slots[v->id]);
    a->interval_of[v->id] = a->intervals.count;
}

/* Closed loops count at once, the outermost open one when it closes. */
static void extend_to_loop(Assigner *a, Interval *i)
{
    if (i->loop >= 0 && a->loops.items[i->loop].end >= 0) {
        int end = a->loops.items[i->loop].end;
        i->end = i->end > end ? i->end : end;
        i->loop = -1;
    }
}

static void use(Assigner *a, const Value *v)
{
    int k = a->interval_of[slot_root(v)->id];
    if (!k)
        return;
    Interval *i = &a->intervals.items[k - 1];
    i->end = i->end > a->position ? i->end : a->position;
    extend_to_loop(a, i);
    for (int n = 0; n < a->open.count && i->loop < 0; n++)
        if (a->loops.items[a->open.items[n]].start > i->start)
            i->loop = a->open.items[n];
}

static void open_loop(Assigner *a)
{
    Loop l = {.start = a->position, .end = -1};
    PUSH(&a->arena, &a->open, a->loops.count);
    PUSH(&a->arena, &a->loops, l);
}

static void close_loop(Assigner *a)
{
    a->position++;
    a->loops.items[a->open.items[--a->open.count]].end = a->position;
}

static size_t state_bytes(const Op *op)
{
    return op->code == OP_FOR ? sizeof(LoopState) : sizeof(ShareState);
}

static void walk_region(Assigner *a, const Region *r);

/* Values defined inside live as long as the loop where they are carried: their intervals start
 * with it and its yield uses them. */
static void walk_loop(Assigner *a, const Op *op)
{
    const Region *body = op->regions[op->nregions - 1];
    int first = a->intervals.count;
    interval_new(a, state_bytes(op), &a->m->states[body->args[0]->id]);
    for (int i = 0; i < body->nargs; i++)
        define(a, body->args[i]);
    int last = a->intervals.count;
    open_loop(a);
    for (int i = 0; i < op->nregions; i++)
        walk_region(a, op->regions[i]);
    close_loop(a);
    for (int i = first; i < last; i++)
        if (a->intervals.items[i].end < a->position)
            a->intervals.items[i].end = a->position;
}

static void walk_roles(Assigner *a, const Op *op)
{
    open_loop(a);
    a->position++;
    const Region *outer = a->role;
    for (int i = 0; i < op->nregions; i++) {
        a->role = op->regions[i];
        walk_region(a, op->regions[i]);
    }
    a->role = outer;
    close_loop(a);
}

static void walk_op(Assigner *a, const Op *op)
{
    a->position++;
    for (int i = 0; i < op->nargs; i++)
        use(a, op->args[i]);
    /* The sum reads the factors (R8). */
    for (int i = 0; op->plan && op->plan->fused && i < op->args[0]->op->nargs; i++)
        use(a, op->args[0]->op->args[i]);
    for (int i = 0; i < op->nresults; i++)
        define(a, op->results[i]);
    if (op->code == OP_PAR)
        return;
    if (op->code == OP_FOR || op->code == OP_SHARE) {
        walk_loop(a, op);
    } else if (op->code == OP_ROLES) {
        walk_roles(a, op);
    } else {
        for (int i = 0; i < op->nregions; i++) {
            for (int k = 0; k < op->regions[i]->nargs; k++)
                define(a, op->regions[i]->args[k]);
            walk_region(a, op->regions[i]);
        }
        /* The yields write these, also where nobody reads them. */
        for (int i = 0; i < op->nresults && op->nregions; i++)
            use(a, op->results[i]);
    }
}

static void walk_region(Assigner *a, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next)
        walk_op(a, op);
    a->position++;
    /* Views of a local point into its slot. */
    for (const Op *op = r->first; op; op = op->next)
        if (op->code == OP_LOCAL || op->code == OP_PIPE)
            use(a, op->results[0]);
}

static bool conflict(const Interval *a, const Interval *b)
{
    return (a->start <= b->end && b->start <= a->end) || (a->role != b->role && a->role && b->role);
}

static int by_offset(const void *x, const void *y)
{
    size_t a = (*(Interval *const *)x)->offset, b = (*(Interval *const *)y)->offset;
    return (a > b) - (a < b);
}

/* The lowest gap between the placed intervals that `i` conflicts with. */
static size_t first_fit(Assigner *a, const Interval *i, Interval **near)
{
    int n = 0;
    for (Interval *p = a->intervals.items; p < i; p++)
        if (conflict(p, i) && p->bytes)
            near[n++] = p;
    qsort(near, (size_t)n, sizeof *near, by_offset);
    size_t at = 0;
    for (int k = 0; k < n && near[k]->offset < at + i->bytes; k++)
        if (near[k]->offset + near[k]->bytes > at)
            at = near[k]->offset + near[k]->bytes;
    return at;
}

static size_t place(Assigner *a, int base, size_t from, bool reuse)
{
    Interval **near = NEW_ARRAY(&a->arena, Interval *, a->intervals.count + 1);
    size_t top = from, bump = 0;
    for (int k = 0; k < a->intervals.count && top < MOST_FRAME_BYTES; k++) {
        Interval *i = &a->intervals.items[k];
        i->offset = reuse ? first_fit(a, i, near) : bump;
        bump += i->bytes;
        size_t at = from + i->offset;
        *i->slot = (Slot)(at / SLOT_ALIGN) << 2 | (Slot)base;
        top = top > at + i->bytes ? top : at + i->bytes;
    }
    return top;
}

size_t assign_slots(Machine *m, Region *const *regions, int nregions, int base, size_t from,
                    bool reuse)
{
    Assigner a = {.m = m};
    a.interval_of = NEW_ARRAY(&a.arena, int, m->nslots);
    /* A PAR's indices belong to its body, the last region; its range regions see them too, and run
     * anew for later indices of ranges between. */
    const Region *body = regions[nregions - 1];
    for (int i = 0; i < body->nargs; i++)
        define(&a, body->args[i]);
    for (int i = 0; i + 1 < nregions; i++)
        walk_region(&a, regions[i]);
    for (int i = 0; i < body->nargs; i++)
        use(&a, body->args[i]);
    walk_region(&a, body);
    for (int k = 0; k < a.intervals.count; k++)
        extend_to_loop(&a, &a.intervals.items[k]);
    size_t top = place(&a, base, from, reuse);
    arena_free(&a.arena);
    return top;
}
