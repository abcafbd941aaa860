/* Several quotients of a thread without a branch each: tile_quotient (runtime/device/tile.h) and
 * one question for all of them, whether their operands fit it; if not, they are divided again. A
 * program with many such groups asks once, before its first store, and begins again with `/` if it
 * has to: what is seldom needed does not stand between what always is. */
#include <string.h>

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

/* Gathers operand `arg`, element r of which is `text`: each register once, also where the elements
 * of a row or column share it. */
static void gather(Cuda *c, const Op *op, const Value *arg, const char *text, const char *kind,
                   const char *gathered)
{
    long long n = registers(c, op->results[0]);
    while (arg->op && arg->op->code == OP_BROADCAST)
        arg = arg->op->args[0];
    const char *name = c->name[arg->id];
    size_t length = name ? strlen(name) : 0;
    if (name && !is_uniform(arg) && !strncmp(text, name, length) && text[length] == '[') {
        n = registers(c, arg);
        text = format_text(c, "%s[r]", name);
    }
    line(c, "TILE_EACH(r, %lld) tile_gather_%s(&%s, %s);", n, kind, gathered, text);
}

bool emit_quotients(Cuda *c, const Op *op, char **args, const char *plain)
{
    const Value *r = op->results[0], *a = op->args[0];
    const char *before = a->op && c->fit[a->id] && feeds(c, a, op) ? c->fit[a->id] : NULL;
    const bool first = !before && feeds_any(c, r), near = before || first;
    long long n = registers(c, r);
    const char *name = c_name(c, r), *fit = NULL;
    const char *gathered = near ? c->again.near : c->again.wide;
    if (!c->again.until) {
        gathered = new_temp(c, "operands"), fit = new_temp(c, "fit");
        line(c, "TileOperands %s = TILE_OPERANDS;", gathered);
    }
    if (!before)
        gather(c, op, a, args[0], is_positive(a, DEPTH) ? "positive" : "numerator", gathered);
    gather(c, op, op->args[1], args[1], "positive", gathered);
    if (c->again.until) {
        line(c, "TILE_EACH(r, %lld) %s[r] = %s ? %s : tile_quotient(%s, %s);", n, name,
             c->again.exact, plain, args[0], args[1]);
    } else {
        line(c, "const bool %s = %s%stile_fit(%s, %s);", fit, before ? before : "",
             before ? " && " : "", gathered, near ? "TILE_NEAR" : "TILE_WIDE");
        line(c, "TILE_EACH(r, %lld) %s[r] = tile_quotient(%s, %s);", n, name, args[0], args[1]);
        line(c, "if (!%s) TILE_EACH(r, %lld) %s[r] = %s;", fit, n, name, plain);
    }
    c->fit[r->id] = first ? fit ? fit : gathered : NULL;
    return true;
}

/* ---- programs that begin again ---- */

static bool is_group(Cuda *c, const Op *op)
{
    return op->code == OP_DIV && op->nresults && !is_uniform(op->results[0]) && is_live(c, op) &&
           op->results[0]->type.dtype == DT_F32 && registers(c, op->results[0]) >= FEW_QUOTIENTS;
}

/* Does something of it last, or is it seen by others, so that it cannot be done twice? */
static bool lasts(Cuda *c, const Op *op)
{
    if (op->code == OP_STORE) {
        const Op *memory = memory_of(c, op->args[0]);
        return !memory || memory->code != OP_LOCAL;
    }
    if (op->code != OP_FOR && op->code != OP_IF)
        return !says_nothing(op->code) && op->code != OP_LOCAL &&
               strpbrk(op_info[op->code].flags, "SX");
    for (int i = 0; i < op->nregions; i++)
        for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
            if (lasts(c, inner))
                return true;
    return false;
}

/* Groups of quotients, those in a loop as two. */
static int groups_of(Cuda *c, const Op *op)
{
    int n = is_group(c, op);
    for (int i = 0; i < op->nregions; i++)
        for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
            n += groups_of(c, inner) * (op->code == OP_FOR ? 2 : 1);
    return n;
}

/* The first operation that lasts, if several groups of quotients stand before it, and none behind;
 * all threads of a warp must agree to begin again, so no barrier of a block may be in between. */
static const Op *begins_again(Cuda *c, const Region *body)
{
    const Op *until = body->first;
    int before = 0, behind = 0;
    for (; until && !lasts(c, until); until = until->next)
        before += groups_of(c, until);
    for (const Op *op = until; op; op = op->next)
        behind += groups_of(c, op);
    const PhasePlan *p = c->plan;
    bool plain = p->unit.warps == 1 && !p->looped && !p->ragged && !region_has(body, OP_CONTINUE);
    return plain && before > 1 && !behind ? until : NULL;
}

void quotients_begin(Cuda *c, const Op *par)
{
    c->again.until = begins_again(c, par->regions[par->nregions - 1]);
    if (!c->again.until)
        return;
    c->again.exact = new_temp(c, "exact");
    c->again.wide = new_temp(c, "operands");
    c->again.near = new_temp(c, "near");
    open_block(c, STATEMENT_LOOP, "TILE_UNROLL for (int %s = 0; %s < 2; %s++)", c->again.exact,
               c->again.exact, c->again.exact);
    line(c, "TileOperands %s = TILE_OPERANDS, %s = TILE_OPERANDS;", c->again.wide, c->again.near);
}

void quotients_settle(Cuda *c)
{
    bool alone = c->plan->unit.lanes == 1 && !*c->guard;
    const char *fit = format_text(c, "tile_fit(%s, TILE_WIDE) && tile_fit(%s, TILE_NEAR)",
                                  c->again.wide, c->again.near);
    if (*c->guard)
        fit = format_text(c, "(%s) || !%s", fit, c->guard);
    line(c, alone ? "if (!%s && !(%s)) continue;" : "if (!%s && !tile_every_lane(%s)) continue;",
         c->again.exact, fit)
        ->jumps = true;
}

void quotients_end(Cuda *c)
{
    if (!c->again.until)
        return;
    line(c, "break;");
    close_block(c);
    c->again.until = NULL;
}
