/* Pass: order of reductions. A reduction over several warps leaves its parts in shared memory and
 * is fetched behind a barrier. Operations that need no such result move ahead of those that do, so
 * that reductions which do not need each other share one barrier.
 *
 * Only inside a region, and effects keep their order. After plans: they are by operation, not by
 * place.
 */
#include <string.h>

#include "compiler/lower.h"

typedef struct Reorder {
    const Lowered *low;
    const PhasePlan *plan;
    int *level; /* by Value.id: how many barriers of the region come before it */
} Reorder;

static bool crosses_warps(const Reorder *r, const Op *op)
{
    bool reduces = op->code == OP_SUM || op->code == OP_AMAX || op->code == OP_AMIN ||
                   op->code == OP_ANY || op->code == OP_ALL;
    if (!reduces || op->axis < 0 || is_uniform(op->args[0]) || unit_at(r->plan, op).warps == 1)
        return false;
    if (op->code == OP_SUM && op->order != ORDER_DEFAULT)
        return false;
    return layout_along(summed_layout(r->low, op), OWN_WARP, op->axis) > 1;
}

/* May stand anywhere behind what it needs: it has no effect and sees none. */
static bool is_free(const Op *op)
{
    if (op->code == OP_LOAD) {
        const Value *t = op->args[0];
        while (t->op && t->op->code != OP_TENSOR && t->op->code != OP_LOCAL)
            t = t->op->args[0];
        return t->op && t->op->code == OP_TENSOR && t->op->tensor->dir == PARAM_IN &&
               !t->op->tensor->alias;
    }
    return strchr(op_info[op->code].flags, 'P') != NULL && !op->nregions;
}

static int level_of_args(const Reorder *r, const Op *op)
{
    int level = 0;
    for (int i = 0; i < op->nargs; i++)
        level = r->level[op->args[i]->id] > level ? r->level[op->args[i]->id] : level;
    for (int i = 0; i < op->nregions; i++)
        for (const Op *inner = op->regions[i]->first; inner; inner = inner->next) {
            int below = level_of_args(r, inner);
            level = below > level ? below : level;
        }
    return level;
}

typedef struct Levels {
    int *items;
    int count, capacity;
} Levels;

static void order_region(Reorder *r, Region *region)
{
    int n = 0, effects = 0, most = 0;
    for (Op *op = region->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            order_region(r, op->regions[i]);
        n += crosses_warps(r, op);
    }
    if (n < 2)
        return;
    Levels levels = {0};
    for (const Op *op = region->first; op; op = op->next) {
        int level = level_of_args(r, op);
        if (!is_free(op) && op->code != OP_BIND)
            level = effects = level > effects ? level : effects;
        if (op == region->last)
            level = INT32_MAX;
        else
            most = level > most ? level : most;
        PUSH(r->low->arena, &levels, level);
        for (int i = 0; i < op->nresults; i++)
            r->level[op->results[i]->id] = level + crosses_warps(r, op);
    }
    Op **ops = NEW_ARRAY(r->low->arena, Op *, levels.count);
    int k = 0;
    for (Op *op = region->first; op; op = op->next)
        ops[k++] = op;
    region->first = region->last = NULL;
    for (int level = 0; level <= most; level++)
        for (k = 0; k < levels.count; k++)
            if (levels.items[k] == level)
                region_append(region, ops[k]);
    for (k = 0; k < levels.count; k++)
        if (levels.items[k] > most)
            region_append(region, ops[k]);
    /* Inside of an enclosing region these are levels of another count. */
    for (const Op *op = region->first; op; op = op->next)
        for (int i = 0; i < op->nresults; i++)
            r->level[op->results[i]->id] = 0;
}

void order_reductions(Lowered *low, const PhasePlan *plan)
{
    Reorder r = {low, plan, NEW_ARRAY(low->arena, int, low->kernel->next_id)};
    order_region(&r, plan->par->regions[plan->par->nregions - 1]);
}
