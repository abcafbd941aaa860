/* Pass: carried sums. In a loop, acc = acc + sum(x, a) with no other use of acc is one sum over the
 * loop (R8): each thread adds up its own elements of all rounds, and what the threads have is
 * joined once, after the loop.
 *
 * After layouts: they say which elements are a thread's. The pass gives layouts to what it makes.
 */
#include <string.h>

#include "compiler/locals.h"
#include "compiler/lower.h"

/* The only use of a value that is no name for people; NULL: none or more. */
static Op *only_user(const Region *r, const Value *v)
{
    Op *found = NULL;
    for (Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            for (Op *inner = op->regions[i]->first; inner; inner = inner->next) {
                for (int k = 0; k < inner->nargs; k++)
                    if (inner->args[k] == v && inner->code != OP_BIND)
                        return NULL;
                if (inner->nregions)
                    return NULL; /* deeper than need be looked at */
            }
        for (int i = 0; i < op->nargs; i++) {
            if (op->args[i] != v || op->code == OP_BIND)
                continue;
            if (found)
                return NULL;
            found = op;
        }
    }
    return found;
}

/* The sum of acc = acc + sum(x, a), whose acc is carried value k; NULL: it is something else. */
static Op *carried_sum(const Op *loop, int k)
{
    const Region *body = loop->regions[0];
    const Value *acc = body->args[1 + k];
    if (!body->last || body->last->code != OP_YIELD)
        return NULL;
    const Value *next = body->last->args[k];
    Op *add = next->op;
    if (!add || add->code != OP_ADD || add->parent != body || only_user(body, acc) != add ||
        only_user(body, next) != body->last)
        return NULL;
    const Value *part = add->args[0] == acc ? add->args[1] : add->args[0];
    Op *sum = part->op;
    bool fits = sum && sum->code == OP_SUM && sum->parent == body && sum->order == ORDER_DEFAULT &&
                sum->nargs == 1 && part->type.dtype == DT_F32 && only_user(body, part) == add &&
                type_equal(&part->type, &acc->type) && type_elements(&sum->args[0]->type) > 1;
    return fits ? sum : NULL;
}

/* Room for the layouts of values that came after layouts were given. */
void lowered_grow(Lowered *low)
{
    int n = low->kernel->next_id;
    if (n <= low->layouts)
        return;
    Layout *layout = NEW_ARRAY(low->arena, Layout, n + 16);
    bool *placed = NEW_ARRAY(low->arena, bool, n + 16);
    memcpy(layout, low->layout, sizeof *layout * (size_t)low->layouts);
    memcpy(placed, low->placed, sizeof *placed * (size_t)low->layouts);
    low->layout = layout;
    low->placed = placed;
    low->layouts = n + 16;
}

static void place(Lowered *low, const Value *v, const Layout *l)
{
    lowered_grow(low);
    low->layout[v->id] = *l;
    low->placed[v->id] = true;
}

/* The parts: a thread's own number takes the place of the axis, lanes before warps. */
static Layout parts_layout(const Layout *l, int axis)
{
    Layout out = {.masks = l->masks};
    int64_t stride = 1;
    memcpy(out.limit, l->limit, sizeof out.limit);
    for (int owner = OWN_LANE; owner < OWNERS; owner++)
        for (int i = 0; i < l->count; i++) {
            const Mode *m = &l->mode[i];
            if (m->owner != owner)
                continue;
            if (m->dim == axis) {
                layout_add(&out, (Owner)owner, axis, m->extent, stride);
                stride *= m->extent;
            } else {
                layout_add_masked(&out, (Owner)owner, m->dim, m->extent, m->stride, m->mask,
                                  m->weight);
            }
        }
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner == OWN_REG && m->dim != axis)
            layout_add_masked(&out, OWN_REG, m->dim, m->extent, m->stride, m->mask, m->weight);
    }
    bool masked = false;
    for (int i = 0; i < out.count; i++)
        masked |= out.mode[i].mask >= 0;
    out.masks = masked ? out.masks : 0;
    return out;
}

static void carry(Lowered *low, Op *loop, int k, Op *sum)
{
    Kernel *kernel = low->kernel;
    Region *body = loop->regions[0];
    Value *acc = body->args[1 + k], *result = loop->results[k], *start = loop->args[3 + k];
    Op *add = body->last->args[k]->op;
    Layout l = low->layout[sum->args[0]->id], parts = parts_layout(&l, sum->axis);
    Type t = sum->args[0]->type;
    t.dims[sum->axis] = layout_along(&l, OWN_LANE, sum->axis) *
                        layout_along(&l, OWN_WARP, sum->axis);
    if (layout_along(&l, OWN_REG, sum->axis) == 0 ||
        !is_plannable(&l, sum->axis, sum->args[0]->type.dims[sum->axis]))
        return;
    Op *zero = op_new(kernel, OP_CONST, loop->pos, 0, NULL, 1, &t);
    op_insert_before(loop, zero);
    /* After the loop: what the threads have is joined, then added to what there was. */
    Op *total = op_new(kernel, OP_SUM, sum->pos, 1, &result, 1, &result->type);
    total->axis = sum->axis;
    Value *both[2] = {start, total->results[0]};
    Op *joined = op_new(kernel, OP_ADD, add->pos, 2, both, 1, &result->type);
    joined->results[0]->name = result->name;
    replace_uses(loop->parent, result, joined->results[0]);
    total->args[0] = result;
    insert_after(insert_after(loop, total), joined);
    /* In the loop: the parts go on. */
    Value *args[2] = {sum->args[0], acc};
    Op *part = op_new(kernel, OP_SUM_PART, sum->pos, 2, args, 1, &t);
    part->axis = sum->axis;
    part->plan = sum_plan_of(low->arena, &l, sum->axis, sum_is_fused(sum));
    op_insert_before(sum, part);
    for (Op *op = body->first, *next; op; op = next) {
        next = op->next;
        bool names = op->code == OP_BIND && (op->args[0] == acc || op->args[0] == add->results[0] ||
                                             op->args[0] == sum->results[0]);
        if (names)
            op_remove(op);
    }
    body->last->args[k] = part->results[0];
    op_remove(add);
    op_remove(sum);
    loop->args[3 + k] = zero->results[0];
    acc->type = result->type = t;
    acc->name = result->name = NULL;
    place(low, part->results[0], &parts);
    place(low, acc, &parts);
    place(low, result, &parts);
    Layout after = layout_reduce(&parts, sum->axis);
    place(low, total->results[0], &after);
    place(low, joined->results[0], &after);
}

static void carry_region(Lowered *low, Region *r)
{
    for (Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            carry_region(low, op->regions[i]);
        for (int k = 0; op->code == OP_FOR && k < op->nresults; k++) {
            Op *sum = carried_sum(op, k);
            if (sum && !is_uniform(sum->args[0]) && low->placed[sum->args[0]->id])
                carry(low, op, k, sum);
        }
    }
}

void carry_sums(Lowered *low, const PhasePlan *plan)
{
    carry_region(low, plan->par->regions[plan->par->nregions - 1]);
    lowered_grow(low);
}
