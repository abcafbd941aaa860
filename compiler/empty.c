/* Pass: tiles without elements. What gives one becomes a constant, and what writes one goes, so
 * that layouts, accesses and exchanges between threads need not know them. */
#include <string.h>

#include "compiler/lower.h"

static bool is_empty(const Value *v)
{
    return v->type.kind == TY_TILE && type_elements(&v->type) == 0;
}

static bool gives_empty(const Op *op)
{
    for (int i = 0; i < op->nresults; i++)
        if (!is_empty(op->results[i]))
            return false;
    return op->nresults > 0 && op->nregions == 0;
}

static bool writes_empty(const Op *op)
{
    return (op->code == OP_STORE || op->code == OP_ATOMIC_ADD) && is_empty(op->args[op->nargs - 1]);
}

static void replace(Kernel *k, Op *op, Region *scope)
{
    for (int i = 0; i < op->nresults; i++) {
        Op *constant = op_new(k, OP_CONST, op->pos, 0, NULL, 1, &op->results[i]->type);
        op_insert_before(op, constant);
        replace_uses(scope, op->results[i], constant->results[0]);
    }
    op_remove(op);
}

/* What an extract finds outside of its tile, which is everywhere: its pad. */
static void make_pad(Op *op)
{
    op->code = OP_CONST;
    op->nargs = 0;
    op->access = NULL;
}

static void drop(Kernel *k, Region *region)
{
    for (Op *op = region->first, *next; op; op = next) {
        next = op->next;
        for (int i = 0; i < op->nregions; i++)
            drop(k, op->regions[i]);
        bool settles = strchr(op_info[op->code].flags, 'P') || op->code == OP_LOAD ||
                       op->code == OP_ATOMIC_ADD || op->code == OP_EXCHANGE;
        if (op->code != OP_CONST && settles && gives_empty(op))
            replace(k, op, region);
        else if (op->code == OP_EXTRACT && is_empty(op->args[0]))
            make_pad(op);
        else if (writes_empty(op))
            op_remove(op);
    }
}

void drop_empty(Kernel *k)
{
    drop(k, k->body);
}
