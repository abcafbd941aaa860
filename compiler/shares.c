/* Pass: shares as loops. `for (i in .., j in ..) of (p, P)` becomes a loop a range; that of the
 * last range takes every Pth point. The loops around it carry how many points came before (R14).
 *
 * Before all that looks at loops. */
#include "compiler/locals.h"
#include "compiler/lower.h"

typedef struct Share {
    Kernel *kernel;
    const Op *op;
    int ranges;
    Value *index[MAX_RANK]; /* of the loops that are open */
} Share;

static Value *binary(const Share *s, Op *at, OpCode code, Value *a, Value *b)
{
    return binary_before(s->kernel, s->op->pos, at, code, a, b);
}

/* The bounds of range k are computed before `at`. */
static Value *const *take_bounds(const Share *s, int k, Op *at)
{
    Region *range = s->op->regions[k];
    Op *yield = range->last;
    for (int i = 0; i < k; i++)
        replace_uses(range, range->args[i], s->index[i]);
    for (Op *op = range->first, *next; op != yield; op = next) {
        next = op->next;
        op_remove(op);
        op_insert_before(at, op);
    }
    return yield->args;
}

/* A loop before `at` that carries `carried`. */
static Op *loop_before(const Share *s, Op *at, Value *const range[3], Value *const *carried, int n)
{
    Value **args = NEW_ARRAY(s->kernel->arena, Value *, 3 + n);
    Type *types = NEW_ARRAY(s->kernel->arena, Type, 1 + n);
    types[0] = scalar_type(DT_I64);
    for (int i = 0; i < 3; i++)
        args[i] = range[i];
    for (int i = 0; i < n; i++) {
        args[3 + i] = carried[i];
        types[1 + i] = carried[i]->type;
    }
    Op *loop = op_new(s->kernel, OP_FOR, s->op->pos, 3 + n, args, n, types + 1);
    op_add_region(s->kernel, loop, region_new(s->kernel, loop, 1 + n, types));
    op_insert_before(at, loop);
    return loop;
}

/* Points p, p + P, .. of the innermost range, of whose share `before` points came before. */
static Op *last_loop(Share *s, Op *at, Value *const bounds[3], Value *before, Value *const *carried)
{
    Value *const *part = s->op->args;
    int n = s->op->nresults;
    Value *ahead = binary(s, at, OP_SUB, part[0], before);
    Value *first = binary(s, at, OP_MAX, ahead, binary(s, at, OP_MOD, ahead, part[1]));
    Value *from = binary(s, at, OP_ADD, bounds[0], binary(s, at, OP_MUL, first, bounds[2]));
    Value *range[3] = {from, bounds[1], binary(s, at, OP_MUL, bounds[2], part[1])};
    Op *loop = loop_before(s, at, range, carried, n);
    Region *body = s->op->regions[s->ranges], *to = loop->regions[0];
    s->index[s->ranges - 1] = to->args[0];
    for (int i = 0; i < s->ranges; i++)
        replace_uses(body, body->args[i], s->index[i]);
    for (int i = 0; i < n; i++) {
        to->args[1 + i]->name = body->args[s->ranges + i]->name;
        replace_uses(body, body->args[s->ranges + i], to->args[1 + i]);
    }
    for (Op *op = body->first, *next; op; op = next) {
        next = op->next;
        op_remove(op);
        region_append(to, op);
    }
    return loop;
}

/* Loops of the ranges from k on. values[0]: the points before, then what the share carries; in
 * front of `at`, and afterwards what it is behind the loops. */
static void open_range(Share *s, int k, Op *at, Value **values)
{
    int n = s->op->nresults;
    Value *const *bounds = take_bounds(s, k, at);
    const char *name = s->op->regions[s->ranges]->args[k]->name;
    if (k == s->ranges - 1) {
        Op *loop = last_loop(s, at, bounds, values[0], values + 1);
        loop->regions[0]->args[0]->name = name;
        Value *rest = binary(s, at, OP_SUB, bounds[2], number_before(s->kernel, at, 1));
        Value *length = binary(s, at, OP_SUB, bounds[1], bounds[0]);
        Value *points = binary(s, at, OP_FDIV, binary(s, at, OP_ADD, length, rest), bounds[2]);
        points = binary(s, at, OP_MAX, points, number_before(s->kernel, at, 0));
        values[0] = binary(s, at, OP_ADD, values[0], points);
        for (int i = 0; i < n; i++)
            values[1 + i] = loop->results[i];
        return;
    }
    Op *loop = loop_before(s, at, bounds, values, 1 + n);
    Region *body = loop->regions[0];
    Value **inner = NEW_ARRAY(s->kernel->arena, Value *, 1 + n);
    for (int i = 0; i < 1 + n; i++)
        inner[i] = body->args[1 + i];
    body->args[0]->name = name;
    s->index[k] = body->args[0];
    Op *end = op_new(s->kernel, OP_YIELD, s->op->pos, 0, NULL, 0, NULL);
    region_append(body, end);
    open_range(s, k + 1, end, inner);
    op_remove(end);
    region_append(body, op_new(s->kernel, OP_YIELD, s->op->pos, 1 + n, inner, 0, NULL));
    for (int i = 0; i < 1 + n; i++)
        values[i] = loop->results[i];
}

static void open_share(Kernel *k, Region *all, Op *op)
{
    Share s = {.kernel = k, .op = op, .ranges = op->nregions - 1};
    Value **values = NEW_ARRAY(k->arena, Value *, 1 + op->nresults);
    values[0] = number_before(k, op, 0);
    for (int i = 0; i < op->nresults; i++)
        values[1 + i] = op->args[2 + i];
    open_range(&s, 0, op, values);
    for (int i = 0; i < op->nresults; i++) {
        values[1 + i]->name = op->results[i]->name;
        replace_uses(all, op->results[i], values[1 + i]);
    }
    op_remove(op);
}

static void in_region(Kernel *k, Region *r)
{
    for (Op *op = r->first, *next; op; op = next) {
        next = op->next;
        for (int i = 0; i < op->nregions; i++)
            in_region(k, op->regions[i]);
        if (op->code == OP_SHARE)
            open_share(k, k->body, op);
    }
}

void open_shares(Kernel *k)
{
    in_region(k, k->body);
}
