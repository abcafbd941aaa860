/* Barriers between accesses of one program to one tensor (R12).
 *
 * Since the last barrier, each tensor that the program may write was touched or not. A load after a
 * store, and a store after any access, need a barrier between them, unless each thread meets only
 * elements that it has touched itself: the same place in the same layout, without replication. A
 * loop begins with what its rounds leave behind; branches leave what either leaves.
 */
#include <string.h>

#include "compiler/counts.h"
#include "compiler/cuda.h"

enum { READ = 1, WRITTEN = 2 };

/* The tensor or local that memory belongs to; aliases are one. NULL: nobody writes it. */
static const Op *memory_of(const Cuda *c, const Value *tensor)
{
    const Op *t = tensor_root(tensor)->op, *first = t;
    if (!t->tensor)
        return t;
    bool written = t->tensor->dir != PARAM_IN;
    for (const Op *op = c->low->kernel->body->first; op && t->tensor->alias; op = op->next)
        if (op->code == OP_TENSOR && strcmp(op->name, t->tensor->alias) == 0) {
            written |= op->tensor->dir != PARAM_IN;
            first = op->results[0]->id < t->results[0]->id ? op : t;
        }
    return written ? first : NULL;
}

static Touch *touch_of(Cuda *c, const Op *memory)
{
    Touched *all = &c->touched;
    for (int i = 0; i < all->count; i++)
        if (all->item[i].memory == memory)
            return &all->item[i];
    if (all->count == MOST_TOUCHED)
        return &all->item[MOST_TOUCHED - 1];
    all->item[all->count] = (Touch){.memory = memory};
    return &all->item[all->count++];
}

static bool same_place(const Op *a, const Op *b)
{
    int n = access_args(a->access);
    if (a->access->count != b->access->count || n != access_args(b->access))
        return false;
    for (int i = 0; i <= n; i++)
        if (a->args[i] != b->args[i])
            return false;
    for (int i = 0; i < a->access->count; i++)
        if (a->access->axis[i].kind != b->access->axis[i].kind ||
            a->access->axis[i].extent != b->access->axis[i].extent)
            return false;
    return true;
}

/* Called right before the access itself: what its address needs may bring barriers of its own. */
void order_access(Cuda *c, const Op *op, const Layout *l, bool write)
{
    const Op *memory = memory_of(c, op->args[0]);
    if (!memory)
        return;
    Touch *t = touch_of(c, memory);
    bool alone = l && !*one_holder(c, l);
    bool own = alone &&
               (!t->how || (t->own && same_place(t->op, op) && layout_equal(l, &t->layout)));
    if (!own && (write ? t->how : t->how & WRITTEN)) {
        unit_sync(c);
        t = touch_of(c, memory);
        own = alone;
    }
    if (!t->how) {
        t->op = op;
        t->layout = l ? *l : (Layout){0};
    }
    t->own = own;
    t->how |= write ? WRITTEN : READ;
}

void forget_touched(Cuda *c)
{
    c->touched.count = 0;
}

void join_touched(Cuda *c, const Touched *other)
{
    for (int i = 0; i < other->count; i++) {
        const Touch *from = &other->item[i];
        Touch *t = touch_of(c, from->memory);
        if (!t->how)
            *t = *from;
        else if (!from->own || !same_place(t->op, from->op) ||
                 !layout_equal(&t->layout, &from->layout))
            t->own = false;
        t->how |= from->how;
    }
}

/* ---- loops ---- */

static bool is_access(const Op *op)
{
    return op->code == OP_LOAD || op->code == OP_STORE || op->code == OP_ATOMIC_ADD;
}

/* Which axis the loop's index cuts into pieces that do not meet; -1: none. */
static int cut_axis(const Op *op, const Value *index, int64_t step)
{
    const Access *a = op->access;
    int arg = 1;
    for (int k = 0; k < a->count; k++) {
        if (a->axis[k].kind == AX_FULL)
            continue;
        bool one = a->axis[k].kind == AX_SCALAR ||
                   (a->axis[k].kind == AX_SLICE && a->axis[k].extent <= step);
        if (op->args[arg++] == index && one)
            return k;
    }
    return -1;
}

/* Every access to the memory, in the region and below, is in the round's own piece of `axis`. */
static bool rounds_apart(const Cuda *c, const Region *r, const Op *memory, const Value *view,
                         const Value *index, int64_t step, int axis)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            if (!rounds_apart(c, op->regions[i], memory, view, index, step, axis))
                return false;
        if (is_access(op) && memory_of(c, op->args[0]) == memory &&
            (op->args[0] != view || cut_axis(op, index, step) != axis))
            return false;
    }
    return true;
}

static void touch_region(Cuda *c, const Region *r, const Region *body, int64_t step)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            touch_region(c, op->regions[i], body, step);
        const Op *memory = is_access(op) ? memory_of(c, op->args[0]) : NULL;
        if (!memory)
            continue;
        const Value *index = step ? body->args[0] : NULL;
        int axis = index ? cut_axis(op, index, step) : -1;
        if (index ? axis >= 0 && rounds_apart(c, body, memory, op->args[0], index, step, axis)
                  : memory->code != OP_LOCAL)
            continue;
        Touch *t = touch_of(c, memory);
        t->how |= op->code == OP_LOAD ? READ : WRITTEN;
        t->own = false;
    }
}

void touch_loop(Cuda *c, const Op *loop)
{
    int64_t step = 1;
    if (!value_int(loop->args[2], &step))
        step = 1;
    touch_region(c, loop->regions[0], loop->regions[0], step);
}

void touch_programs(Cuda *c, const Region *body)
{
    touch_region(c, body, body, 0);
}
