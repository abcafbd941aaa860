/* Several quotients of a thread without a branch each: tile_quotient (runtime/device/tile.h) and
 * one question for all of them, whether it may be asked for their operands; if not, they are
 * divided again. */
#include "compiler/cuda.h"

enum { DEPTH = 8 }; /* of values that are looked through */

static bool is_positive(const Value *v, int depth);

/* Nothing below 0 for most operands: a guess, from which only speed follows. */
static bool is_natural(const Value *v, int depth)
{
    const Op *op = v->op;
    if (!op || depth == 0)
        return depth > 0 && is_positive(v, depth);
    switch (op->code) {
    case OP_EXP:
    case OP_ABS:
    case OP_SIGMOID:
    case OP_SOFTPLUS:
    case OP_SQRT:
        return true;
    case OP_SUM:
    case OP_RESHAPE:
    case OP_BROADCAST:
        return is_natural(op->args[0], depth - 1);
    case OP_DIV:
    case OP_MUL:
        return is_natural(op->args[0], depth - 1) && is_natural(op->args[1], depth - 1);
    default:
        return is_positive(v, depth);
    }
}

static bool is_scalar(const Value *v)
{
    return v->type.rank == 0 || (v->op && v->op->code == OP_BROADCAST && is_scalar(v->op->args[0]));
}

/* Above 0 for most operands: a guess likewise. */
static bool is_positive(const Value *v, int depth)
{
    const Op *op = v->op;
    if (depth == 0)
        return false;
    if (!op) { /* carried by a loop: what it begins with */
        const Op *loop = v->region->parent;
        return loop && loop->code == OP_FOR && v->index > 0 &&
               is_positive(loop->args[2 + v->index], depth - 1);
    }
    switch (op->code) {
    case OP_FOR:
        return is_positive(op->args[3 + v->index], depth - 1);
    case OP_SUM:
    case OP_RESHAPE:
        return is_positive(op->args[0], depth - 1);
    case OP_ADD: /* sum + eps */
        return (is_natural(op->args[0], depth - 1) && is_scalar(op->args[1])) ||
               (is_natural(op->args[1], depth - 1) && is_scalar(op->args[0]));
    case OP_DIV:
        return is_positive(op->args[0], depth - 1) && is_positive(op->args[1], depth - 1);
    default:
        return false;
    }
}

/* Are the elements of quotient v the numerators of this division, each in the same register? */
static bool feeds(Cuda *c, const Value *v, const Op *op)
{
    return op->code == OP_DIV && op->args[0] == v && op->parent == v->op->parent &&
           layout_equal(layout_of(c, v), layout_of(c, op->results[0]));
}

static bool feeds_any(Cuda *c, const Value *v)
{
    for (const Op *op = v->op->next; op; op = op->next)
        if (feeds(c, v, op))
            return true;
    return false;
}

bool emit_quotients(Cuda *c, const Op *op, char **args, const char *plain)
{
    const Value *r = op->results[0], *a = op->args[0];
    const char *before = a->op && c->fit[a->id] && feeds(c, a, op) ? c->fit[a->id] : NULL;
    const bool first = !before && feeds_any(c, r);
    long long n = registers(c, r);
    const char *name = c_name(c, r), *gathered = new_temp(c, "operands"), *fit = new_temp(c, "fit");
    line(c, "TileOperands %s = TILE_OPERANDS;", gathered);
    if (!before)
        line(c, "TILE_EACH(r, %lld) tile_gather_%s(&%s, %s);", n,
             is_positive(a, DEPTH) ? "positive" : "numerator", gathered, args[0]);
    line(c, "TILE_EACH(r, %lld) tile_gather_positive(&%s, %s);", n, gathered, args[1]);
    line(c, "const bool %s = %s%stile_fit(%s, %s);", fit, before ? before : "",
         before ? " && " : "", gathered, before || first ? "TILE_NEAR" : "TILE_WIDE");
    line(c, "TILE_EACH(r, %lld) %s[r] = tile_quotient(%s, %s);", n, name, args[0], args[1]);
    line(c, "if (!%s) TILE_EACH(r, %lld) %s[r] = %s;", fit, n, name, plain);
    c->fit[r->id] = first ? fit : NULL;
    return true;
}
