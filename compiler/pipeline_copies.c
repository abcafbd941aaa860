/* Loads of later rounds that are copied to shared memory: to a ring of tiles, one a stage, a local
 * tensor of which every thread copies and loads its own elements (cells.h). Copies of a round are a
 * group; a round begins when its own group is there.
 *
 * Or by tensor copies: the same steps for a local tensor that stands for a ring of boxes (BoxLoop,
 * lower.h). There the load stays, and takes its tile from the ring, or from memory in the code for
 * tensors that are not aligned. */
#include <string.h>

#include "compiler/counts.h"
#include "compiler/directives.h"
#include "compiler/locals.h"
#include "compiler/paths.h"
#include "compiler/pipeline.h"

/* (slot + n) % stages */
static Value *slot_after(Pipeline *p, Value *slot, int64_t n, Op *at)
{
    if (n)
        slot = binary_before(p->kernel, p->loop->pos, at, OP_ADD, slot,
                             number_before(p->kernel, at, n));
    return binary_before(p->kernel, p->loop->pos, at, OP_MOD, slot,
                         number_before(p->kernel, at, p->stages));
}

/* A new group begins; all but the last n are there. */
static Op *end_group(Pipeline *p, int n, Op *at)
{
    Value *groups = number_before(p->kernel, at, n);
    Op *op = op_new(p->kernel, OP_COPIES, p->loop->pos, 1, &groups, 0, NULL);
    op_insert_before(at, op);
    return op;
}

/* A load of the ring's tile in that slot; or a store, of `tile`. Not yet in a region. */
static Op *ring_access(Pipeline *p, Value *ring, Pos pos, Value *slot, Value *tile)
{
    Value *args[3] = {ring, slot, tile};
    Type t = ring->type;
    Access *a = NEW(p->kernel->arena, Access);
    a->count = t.rank;
    a->axis[0].kind = AX_SCALAR;
    t.rank--;
    t.kind = TY_TILE;
    memmove(t.dims, t.dims + 1, sizeof *t.dims * (size_t)t.rank);
    for (int i = 0; i < t.rank; i++) {
        a->axis[i + 1].kind = AX_FULL;
        a->axis[i + 1].extent = t.dims[i];
    }
    Op *op = op_new(p->kernel, tile ? OP_STORE : OP_LOAD, pos, tile ? 3 : 2, args, !tile, &t);
    op->access = a;
    return op;
}

static Value *ring_new(Pipeline *p, const Op *load)
{
    Type t = load->results[0]->type;
    memmove(t.dims + 1, t.dims, sizeof *t.dims * (size_t)t.rank);
    t.dims[0] = p->stages;
    t.rank++;
    const char *name = tensor_root(load->args[0])->op->name;
    Op *ring = local_new(p->kernel, load->pos, arena_format(p->kernel->arena, "%s_ring", name), &t);
    op_insert_before(p->loop, ring);
    return ring->results[0];
}

/* Round `index` of the load goes to the slot. */
static void copy_round(Pipeline *p, Op *load, Value *ring, Value *index, Value *slot, Op *at)
{
    Value *tile = load_for(p, load, index, at);
    op_insert_before(at, ring_access(p, ring, load->pos, slot, tile));
}

/* Where something can be put that is done before the loop if it has a round at all. */
static Op *if_any_round(Pipeline *p)
{
    Op *loop = p->loop;
    Type b = scalar_type(DT_BOOL);
    Value *bounds[2] = {loop->args[0], loop->args[1]};
    Op *less = op_new(p->kernel, OP_LT, loop->pos, 2, bounds, 1, &b);
    Op *branch = op_new(p->kernel, OP_IF, loop->pos, 1, less->results, 0, NULL);
    op_insert_before(loop, less);
    op_insert_before(loop, branch);
    for (int i = 0; i < 2; i++) {
        Region *r = region_new(p->kernel, branch, 0, NULL);
        op_add_region(p->kernel, branch, r);
        region_append(r, op_new(p->kernel, OP_YIELD, loop->pos, 0, NULL, 0, NULL));
    }
    return branch->regions[0]->last;
}

static void copy_first(Pipeline *p, Op *load, Value *ring, int k)
{
    bool last = asks_table(load);
    Op *at = last ? if_any_round(p) : p->loop;
    copy_round(p, load, ring, later(p, p->loop->args[0], k, last, at),
               number_before(p->kernel, at, k), at);
}

static bool check_load(const Pipeline *p, const Op *load, const Word *word)
{
    const Type *t = &load->results[0]->type;
    const char *why = t->dtype == DT_E2M1   ? "two of its elements share a byte"
                      : load->bits          ? "what lies outside of it is not read as 0"
                      : t->rank == MAX_RANK ? "they have too many axes"
                                            : NULL;
    if (!why)
        return true;
    diag_error(p->low->diag, word->pos, "write load(..) with others",
               "pipeline %s: tiles of %s cannot be copied to shared memory: %s",
               p->loop->regions[0]->args[0]->name, tensor_root(load->args[0])->op->name, why);
    diag_note(p->low->diag, load->pos, "it is loaded here");
    return false;
}

static void read_ring(Pipeline *p, Op *load, Value *ring, Value *slot)
{
    Op *own = ring_access(p, ring, load->pos, slot, NULL);
    own->results[0]->name = load->results[0]->name;
    op_insert_before(load, own);
    replace_uses(p->loop->regions[0], load->results[0], own->results[0]);
    op_remove(load);
}

bool copy_ahead(Pipeline *p, Op *const *loads, int count, const Word *word)
{
    int ahead = p->stages - 1;
    Region *body = p->loop->regions[0];
    Value **rings = NEW_ARRAY(p->low->arena, Value *, count);
    if (!count)
        return true;
    for (int i = 0; i < count; i++) {
        if (!check_load(p, loads[i], word))
            return false;
        rings[i] = ring_new(p, loads[i]);
        PUSH(p->low->arena, &p->low->rings, ((__typeof__(*p->low->rings.items)){rings[i], word}));
    }
    for (int k = 0; k < ahead; k++) {
        for (int i = 0; i < count; i++)
            copy_first(p, loads[i], rings[i], k);
        end_group(p, p->stages, p->loop);
    }
    Value *slot = carry_value(p, number_before(p->kernel, p->loop, 0));
    slot->name = "slot";
    Op *first = body->first;
    Value *read = slot_after(p, slot, 0, first), *write = slot_after(p, slot, ahead, first);
    for (int i = 0; i < count; i++)
        copy_round(p, loads[i], rings[i],
                   later(p, body->args[0], ahead, asks_table(loads[i]), first), write, first);
    end_group(p, ahead, first);
    yield_value(p, slot_after(p, slot, 1, first));
    for (int i = 0; i < count; i++)
        read_ring(p, loads[i], rings[i], read);
    end_group(p, 0, p->loop->next);
    return true;
}

/* ---- by tensor copies ---- */

static bool cuts(void *context, const Directive *d)
{
    bool *found = context;
    *found |= d->kind == D_WORDS && strcmp(d->words.items[0].name, "chunk") == 0;
    return true;
}

static bool check_boxes(const Pipeline *p, const Op *load)
{
    enum { MOST_STAGES = 32 };
    bool chunked = false;
    directives_each(p->low, p->plan, cuts, &chunked);
    const char *why = asks_table(load)                          ? "it is an entry of a table"
                      : load->results[0]->type.rank == MAX_RANK ? "its tiles have too many axes"
                      : p->stages > MOST_STAGES                 ? "more than 32 stages"
                      : chunked                                 ? "not beside `chunk`"
                                                                : NULL;
    if (!why)
        return true;
    diag_error(p->low->diag, path_of(p->low, p->plan, load).tma->pos,
               "write `via smem`: it runs ahead with cp.async",
               "load %s via tma: it cannot run ahead in pipeline %s: %s",
               tensor_root(load->args[0])->op->name, p->loop->regions[0]->args[0]->name, why);
    diag_note(p->low->diag, load->pos, "it is loaded here");
    return false;
}

bool boxes_ahead(Pipeline *p, Op **loads, int count)
{
    int ahead = p->stages - 1;
    Region *body = p->loop->regions[0];
    BoxLoop b = {.stages = p->stages, .count = count, .loads = loads};
    b.rings = NEW_ARRAY(p->low->arena, Value *, count);
    if (!count)
        return true;
    for (int i = 0; i < count; i++) {
        if (!check_boxes(p, loads[i]))
            return false;
        b.rings[i] = ring_new(p, loads[i]);
    }
    for (int k = 0; k < ahead; k++)
        for (int i = 0; i < count; i++)
            copy_first(p, loads[i], b.rings[i], k);
    b.slot = carry_value(p, number_before(p->kernel, p->loop, 0));
    b.slot->name = "slot";
    b.end = p->loop->results[p->loop->nresults - 1];
    Op *first = body->first;
    Value *write = slot_after(p, b.slot, ahead, first);
    for (int i = 0; i < count; i++)
        copy_round(p, loads[i], b.rings[i], later(p, body->args[0], ahead, false, first), write,
                   first);
    b.wait = end_group(p, ahead, first);
    yield_value(p, slot_after(p, b.slot, 1, first));
    b.finish = end_group(p, 0, p->loop->next);
    PUSH(p->low->arena, &p->low->boxes, b);
    return true;
}
