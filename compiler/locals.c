#include "compiler/locals.h"

#include <string.h>

Op *local_new(Kernel *k, Pos pos, const char *name, const Type *tile)
{
    Type t = *tile;
    t.kind = TY_TENSOR;
    Op *op = op_new(k, OP_LOCAL, pos, 0, NULL, 1, &t);
    op->name = name;
    op->results[0]->name = name;
    return op;
}

Op *local_access(Kernel *k, Pos pos, Value *local, int axis, int64_t extent, Value *start,
                 Value *tile)
{
    Value *args[3] = {local};
    int n = 1;
    Type t = local->type;
    Access *a = NEW(k->arena, Access);
    a->count = t.rank;
    for (int i = 0; i < t.rank; i++) {
        a->axis[i].kind = i == axis ? AX_SLICE : AX_FULL;
        a->axis[i].extent = i == axis ? extent : t.dims[i];
    }
    if (axis >= 0) {
        args[n++] = start;
        t.dims[axis] = extent;
    }
    if (tile)
        args[n++] = tile;
    t.kind = TY_TILE;
    Op *op = op_new(k, tile ? OP_STORE : OP_LOAD, pos, n, args, !tile, &t);
    op->access = a;
    return op;
}

void each_op(const Region *r, OpFn *each, void *context)
{
    for (Op *op = r->first, *next; op; op = next) {
        next = op->next;
        each(context, op);
        for (int i = 0; i < op->nregions; i++)
            each_op(op->regions[i], each, context);
    }
}

Op *insert_after(Op *at, Op *op)
{
    if (at->next)
        op_insert_before(at->next, op);
    else
        region_append(at->parent, op);
    return op;
}

Value *number_before(Kernel *k, Op *at, int64_t n)
{
    Type t = scalar_type(DT_I64);
    Op *op = op_new(k, OP_CONST, at->pos, 0, NULL, 1, &t);
    op->bits = (uint64_t)n;
    op_insert_before(at, op);
    return op->results[0];
}

Value *binary_before(Kernel *k, Pos pos, Op *at, OpCode code, Value *a, Value *b)
{
    Type t = scalar_type(DT_I64);
    Value *args[2] = {a, b};
    Op *op = op_new(k, code, pos, 2, args, 1, &t);
    op_insert_before(at, op);
    return op->results[0];
}

static void drop_value(Value **list, int *count, int at)
{
    memmove(&list[at], &list[at + 1], sizeof *list * (size_t)(*count - at - 1));
    --*count;
}

/* What the region gives, at its end; of a loop's body also what `continue` inside of it gives. */
static void drop_yields(Region *r, int k, bool own, bool loop)
{
    for (Op *op = r->first; op; op = op->next) {
        if ((op->code == OP_CONTINUE && loop) || (op->code == OP_YIELD && own))
            drop_value(op->args, &op->nargs, k);
        for (int i = 0; op->code == OP_IF && loop && i < op->nregions; i++)
            drop_yields(op->regions[i], k, false, loop);
    }
}

void drop_carried(Op *op, int k)
{
    bool loop = op->code == OP_FOR;
    for (int i = 0; i < op->nregions; i++)
        drop_yields(op->regions[i], k, true, loop);
    drop_value(op->results, &op->nresults, k);
    for (int i = k; i < op->nresults; i++)
        op->results[i]->index = i;
    if (!loop)
        return;
    Region *body = op->regions[0];
    drop_value(op->args, &op->nargs, 3 + k);
    drop_value(body->args, &body->nargs, 1 + k);
    for (int i = 1 + k; i < body->nargs; i++)
        body->args[i]->index = i;
}
