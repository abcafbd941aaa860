/* Several quotients of a thread without a branch each: tile_quotient (runtime/device/tile.h) and
 * one question for all of them, whether their operands fit it; if not, they are divided again. A
 * program with many such groups asks once, before its first store, and begins again with `/` if it
 * has to: what is seldom needed does not stand between what always is. There, what is known of
 * numerators from what was gathered before is not gathered again. */
#include <limits.h>
#include <string.h>

#include "compiler/counts.h"
#include "compiler/cuda.h"

/* Of values that are looked through: of one operand each mostly, and of two. */
enum { DEPTH = 14, BOUNDS_DEPTH = 6 };

/* Exponents of the greatest divisors and numerators, and of the least: of quotients that have to do
 * with each other, of those that do not, and of any numerator of the former. NEAR ones are such
 * that a difference of two quotients is no farther, and that divisors may be as little as 1e-8. */
enum { NEAR_DIVISOR = 27, NEAR_NUMERATOR = 48, WIDE = 60, FAR_NUMERATOR = 99, FRACTION = 23 };

static bool is_positive(const Value *v, int depth);
static bool stores_positive(const Value *tensor, const Region *, int depth);

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
    case OP_LOAD:
        return tensor_root(op->args[0])->op->code == OP_LOCAL &&
               stores_positive(op->args[0], tensor_root(op->args[0])->op->parent, depth - 1);
    default:
        return false;
    }
}

/* Everything that a region stores in a tensor. */
static bool stores_positive(const Value *tensor, const Region *region, int depth)
{
    for (const Op *op = region->first; op; op = op->next) {
        if (op->code == OP_STORE && tensor_root(op->args[0]) == tensor_root(tensor) &&
            !is_positive(op->args[op->nargs - 1], depth))
            return false;
        for (int i = 0; i < op->nregions; i++)
            if (!stores_positive(tensor, op->regions[i], depth))
                return false;
    }
    return true;
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

static const Value *bare(const Value *v)
{
    while (v->op && (v->op->code == OP_BROADCAST || v->op->code == OP_RESHAPE))
        v = v->op->args[0];
    return v;
}

/* ---- what is known of operands ----
 *
 * Of a program that begins again as a whole: where its operands fit, all of them did. */

/* Was v gathered before `op`, whatever way the program took? */
static bool was_gathered(Cuda *c, const Value *v, const Op *op)
{
    const Op *by = c->gathered[v->id].by;
    return by && by != op && is_below_region(op->parent, by->parent);
}

typedef struct Bounds {
    int low, high; /* a magnitude is 0, or from 2^low to 2^high */
} Bounds;
static const Bounds UNKNOWN = {-INT_MAX, INT_MAX};

/* Both ends are powers of two, so rounding passes neither, while they are no subnormals. */
static Bounds normal(int low, int high)
{
    return low >= -126 && high <= 126 ? (Bounds){low, high} : UNKNOWN;
}

/* A sum of two is a multiple of the last place of either. */
static Bounds bounds_of(Cuda *c, const Op *at, const Value *v, int depth)
{
    v = bare(v);
    if (was_gathered(c, v, at)) {
        const int n = c->gathered[v->id].divisor ? NEAR_DIVISOR : NEAR_NUMERATOR;
        return (Bounds){-n, n};
    }
    const OpCode code = v->op ? v->op->code : OP_YIELD;
    if (depth == 0 || (code != OP_DIV && code != OP_ADD && code != OP_SUB && code != OP_MUL))
        return UNKNOWN;
    const Bounds x = bounds_of(c, at, v->op->args[0], depth - 1);
    const Bounds y = bounds_of(c, at, v->op->args[1], depth - 1);
    if (x.high == INT_MAX || y.high == INT_MAX)
        return UNKNOWN;
    switch (code) {
    case OP_DIV: { /* by 0 only where nobody has asked about the divisor as one */
        const Value *by = bare(v->op->args[1]);
        if (!was_gathered(c, by, at) || !c->gathered[by->id].divisor)
            return UNKNOWN;
        return normal(x.low - y.high, x.high - y.low);
    }
    case OP_MUL:
        return normal(x.low + y.low, x.high + y.high);
    default:
        return normal((x.low < y.low ? x.low : y.low) - FRACTION,
                      (x.high > y.high ? x.high : y.high) + 1);
    }
}

static bool is_known(Cuda *c, const Op *op, const Value *numerator)
{
    const Bounds b = bounds_of(c, op, numerator, BOUNDS_DEPTH);
    return b.low >= -FAR_NUMERATOR && b.high <= FAR_NUMERATOR;
}

/* Is the divisor a sum of the numerators and perhaps a number that is not negative? A number of the
 * host's is asked for that with the operands. */
static bool sums_up(Cuda *c, const Value *divisor, const Value *numerator)
{
    const Op *sum = bare(divisor)->op, *more = NULL;
    if (sum && sum->code == OP_ADD) {
        const bool first = is_scalar(sum->args[0]);
        more = bare(sum->args[!first])->op;
        sum = bare(sum->args[first])->op;
        if (!more || (more->code != OP_SCALAR && more->code != OP_CONST) ||
            (more->code == OP_CONST && more->bits >> 31))
            return false;
    }
    if (!sum || sum->code != OP_SUM || sum->nargs != 1 || bare(sum->args[0]) != bare(numerator))
        return false;
    if (more && more->code == OP_SCALAR && !c->again.addend)
        c->again.addend = more->results[0];
    return !more || more->code == OP_CONST || c->again.addend == more->results[0];
}

/* ---- groups of quotients ---- */

/* Gathers operand `arg`, element r of which is `text`: each register once, also where the elements
 * of a row or column share it. */
static void gather(Cuda *c, const Op *op, const Value *arg, const char *text, const char *kind,
                   const char *gathered)
{
    long long n = registers(c, op->results[0]);
    const Value *whole = arg;
    while (arg->op && arg->op->code == OP_BROADCAST)
        arg = arg->op->args[0];
    const char *name = c->name[arg->id];
    size_t length = name ? strlen(name) : 0;
    if (name && !is_uniform(arg) && !strncmp(text, name, length) && text[length] == '[') {
        n = registers(c, arg);
        text = format_text(c, "%s[r]", name);
        whole = arg;
    }
    const bool divisor = !strcmp(kind, "divisor");
    if (registers(c, bare(arg)) == n)
        whole = bare(arg);
    if (c->again.until) {
        if (was_gathered(c, whole, op) && c->gathered[whole->id].divisor == divisor)
            return;
        c->gathered[whole->id] = (Gathered){op, divisor};
    }
    line(c, "TILE_EACH(r, %lld) tile_gather_%s(&%s, %s);", n, kind, gathered, text);
}

static const char *fits(Cuda *c, const char *gathered, bool near)
{
    return format_text(c, "tile_fit(%s, %d, %d)", gathered, near ? NEAR_DIVISOR : WIDE,
                       near ? NEAR_NUMERATOR : WIDE);
}

/* In a program that begins again. */
static void gather_operands(Cuda *c, const Op *op, char **args)
{
    const Value *a = op->args[0], *b = op->args[1];
    const char *kind = !is_positive(a, DEPTH) ? "numerator"
                       : sums_up(c, b, a)     ? "summand"
                                              : "positive";
    if (!is_known(c, op, a))
        gather(c, op, a, args[0], kind, c->again.operands);
    gather(c, op, b, args[1], "divisor", c->again.operands);
}

bool emit_quotients(Cuda *c, const Op *op, char **args, const char *plain)
{
    const Value *r = op->results[0], *a = op->args[0];
    long long n = registers(c, r);
    const char *name = c_name(c, r);
    if (c->again.until) {
        gather_operands(c, op, args);
        line(c, "TILE_EACH(r, %lld) %s[r] = %s ? %s : tile_quotient(%s, %s);", n, name,
             c->again.exact, plain, args[0], args[1]);
        return true;
    }
    const char *before = a->op && c->fit[a->id] && feeds(c, a, op) ? c->fit[a->id] : NULL;
    const bool first = !before && feeds_any(c, r);
    const char *gathered = new_temp(c, "operands"), *fit = new_temp(c, "fit");
    line(c, "TileOperands %s = TILE_OPERANDS;", gathered);
    if (!before)
        gather(c, op, a, args[0], is_positive(a, DEPTH) ? "positive" : "numerator", gathered);
    gather(c, op, op->args[1], args[1], "divisor", gathered);
    line(c, "const bool %s = %s%s%s;", fit, before ? before : "", before ? " && " : "",
         fits(c, gathered, before || first));
    line(c, "TILE_EACH(r, %lld) %s[r] = tile_quotient(%s, %s);", n, name, args[0], args[1]);
    line(c, "if (!%s) TILE_EACH(r, %lld) %s[r] = %s;", fit, n, name, plain);
    c->fit[r->id] = first ? fit : NULL;
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
    c->again.operands = new_temp(c, "operands");
    c->again.addend = NULL;
    open_block(c, STATEMENT_LOOP, "TILE_UNROLL for (int %s = 0; %s < 2; %s++)", c->again.exact,
               c->again.exact, c->again.exact);
    line(c, "TileOperands %s = TILE_OPERANDS;", c->again.operands);
}

void quotients_settle(Cuda *c)
{
    bool alone = c->plan->unit.lanes == 1 && !*c->guard;
    const char *fit = fits(c, c->again.operands, true);
    if (c->again.addend)
        fit = format_text(c, "%s && %s >= 0.0f", fit, c_name(c, c->again.addend));
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
