/* Whose NaN may be seen: where a NaN comes to be stored, or its bits are asked for, it must be the
 * one of R5. A GPU's arithmetic gives that one by itself; where the same text runs on a CPU, what
 * arithmetic gives is wrapped there, and only there. */
#include <string.h>

#include "compiler/cuda.h"

/* Operations whose results do not tell which NaN went in. */
static bool hides_nan(const Op *op)
{
    switch (op->code) {
    case OP_SUM:
    case OP_SUM_PART:
    case OP_AMAX:
    case OP_AMIN:
    case OP_SOFTMAX:
    case OP_RANK:
    case OP_ARGMAX:
        return true;
    case OP_CAST:
        /* The packing of e2m1 takes the sign as it is. */
        return op->results[0]->type.dtype != DT_E2M1 && op->results[0]->type.dtype != DT_TF32;
    default:
        return strchr(op_info[op->code].flags, 'E') && op->code != OP_BITS && op->code != OP_NEG &&
               op->code != OP_ABS && op->code != OP_COPYSIGN && op->code != OP_SELECT;
    }
}

static bool passes_on(OpCode code)
{
    return code == OP_NEG || code == OP_ABS || code == OP_COPYSIGN || code == OP_SELECT ||
           code == OP_BROADCAST || code == OP_RESHAPE || code == OP_TRANS || code == OP_CONCAT ||
           code == OP_EXTRACT;
}

/* The number of the carried value that the arg of a loop or of its yield begins with; -1: none. */
static int carried_index(const Op *op, int arg)
{
    const Op *loop = op->code == OP_YIELD ? op->parent->parent : op;
    int first = op->code == OP_YIELD ? 0 : loop->code == OP_FOR ? 3 : -1;
    bool known = loop && (loop->code == OP_FOR || (loop->code == OP_IF && op->code == OP_YIELD));
    return known && first >= 0 && arg >= first ? arg - first : -1;
}

static bool is_seen(const Cuda *c, const Op *op, int arg)
{
    if (hides_nan(op))
        return false;
    if (passes_on(op->code))
        return c->nan[op->results[0]->id];
    int k = carried_index(op, arg);
    if (k < 0)
        return true;
    const Op *loop = op->code == OP_YIELD ? op->parent->parent : op;
    bool seen = c->nan[loop->results[k]->id];
    if (loop->code == OP_FOR)
        seen |= c->nan[loop->regions[0]->args[1 + k]->id];
    return seen;
}

/* From the last operation to the first; true: something is new. */
static bool mark(Cuda *c, const Region *r)
{
    bool news = false;
    for (const Op *op = r->last; op; op = op->prev) {
        if (!is_live(c, op) && op->code != OP_YIELD)
            continue;
        for (int i = op->nregions - 1; i >= 0; i--)
            news |= mark(c, op->regions[i]);
        for (int i = 0; i < op->nargs; i++) {
            const Value *v = op->args[i];
            bool f32 = v->type.dtype == DT_F32 || v->type.dtype == DT_TF32;
            if (f32 && !c->nan[v->id] && is_seen(c, op, i))
                news = c->nan[v->id] = true;
        }
    }
    return news;
}

void find_seen_nans(Cuda *c, const Op *par)
{
    memset(c->nan, 0, sizeof *c->nan * (size_t)c->low->kernel->next_id);
    for (bool news = true; news;) {
        news = false;
        for (int i = par->nregions - 1; i >= 0; i--)
            news |= mark(c, par->regions[i]);
    }
}

/* ---- sigmoids whose NaN comes in another way ---- */

/* f32 operations whose result is NaN wherever an operand is. */
static bool carries_nan(OpCode code)
{
    return code == OP_ADD || code == OP_SUB || code == OP_MUL || code == OP_DIV || code == OP_NEG ||
           code == OP_ABS || code == OP_FMA || code == OP_EXP;
}

static bool has_arg(const Op *op, const bool *set)
{
    for (int i = 0; i < op->nargs; i++)
        if (set[op->args[i]->id])
            return true;
    return false;
}

static bool region_has_arg(const Region *r, const bool *set)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (has_arg(op, set))
            return true;
        for (int i = 0; i < op->nregions; i++)
            if (region_has_arg(op->regions[i], set))
                return true;
    }
    return false;
}

/* In x * sigmoid(x) nobody sees what the sigmoid of a NaN is: whatever is computed from it alone is
 * at last combined with what is NaN because x is. */
bool takes_number(Cuda *c, const Op *sigmoid)
{
    size_t n = (size_t)c->low->kernel->next_id;
    bool *nan = NEW_ARRAY(c->arena, bool, n);   /* whenever x is, and not by the sigmoid */
    bool *alone = NEW_ARRAY(c->arena, bool, n); /* of the sigmoid, but for those */
    nan[sigmoid->args[0]->id] = alone[sigmoid->results[0]->id] = true;
    for (const Op *op = sigmoid->parent->first; op; op = op->next) {
        if (op == sigmoid || !is_live(c, op))
            continue;
        bool carries = carries_nan(op->code) && op->results[0]->type.dtype == DT_F32;
        if (carries && has_arg(op, nan))
            nan[op->results[0]->id] = true;
        else if (carries && has_arg(op, alone))
            alone[op->results[0]->id] = true;
        else if (has_arg(op, alone))
            return false;
        for (int i = 0; i < op->nregions; i++)
            if (region_has_arg(op->regions[i], alone))
                return false;
    }
    return true;
}
