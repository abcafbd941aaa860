/* Pass: programs in a loop. `pipeline programs stages(n)` of a persistent grid: the phase becomes
 * one of as many programs as the GPU holds, each of which takes every so manieth of the old ones in
 * a loop, whose loads then run ahead as those of any other (pipeline.c).
 *
 * After units and launches are known, before all else. */
#include <string.h>

#include "compiler/directives.h"
#include "compiler/locals.h"

typedef struct Programs {
    Lowered *low;
    Kernel *kernel;
    Op *par;
    Region *body; /* the new one */
    Op *end;      /* of it */
    /* Of each range; divisor: the points, but 1 if there are none: no program is in it then, but
     * the loads that run ahead ask where it would be. */
    Value *count[MAX_RANK], *divisor[MAX_RANK];
    Value *from[MAX_RANK], *step[MAX_RANK];
} Programs;

static Value *binary(Programs *p, OpCode code, Value *a, Value *b, Op *at)
{
    return binary_before(p->kernel, p->par->pos, at, code, a, b);
}

static Region *new_region(Programs *p, Op *parent, int indices)
{
    Type t = scalar_type(DT_I64);
    Region *r = region_new(p->kernel, parent, indices, &t);
    region_append(r, op_new(p->kernel, OP_YIELD, p->par->pos, 0, NULL, 0, NULL));
    return r;
}

/* What bounds range k is computed by the program; its points, none or more. */
static void take_range(Programs *p, int k, Region *range)
{
    Op *yield = range->last;
    for (Op *op = range->first, *next; op != yield; op = next) {
        next = op->next;
        op_remove(op);
        op_insert_before(p->end, op);
    }
    p->from[k] = yield->args[0];
    p->step[k] = yield->args[2];
    Value *length = binary(p, OP_SUB, yield->args[1], p->from[k], p->end);
    Value *rest = binary(p, OP_SUB, p->step[k], number_before(p->kernel, p->end, 1), p->end);
    Value *up = binary(p, OP_ADD, length, rest, p->end);
    Value *points = binary(p, OP_FDIV, up, p->step[k], p->end);
    p->count[k] = binary(p, OP_MAX, points, number_before(p->kernel, p->end, 0), p->end);
    p->divisor[k] = binary(p, OP_MAX, points, number_before(p->kernel, p->end, 1), p->end);
}

/* The indices of program n; the last runs fastest. */
static void find_indices(Programs *p, Region *old, int ranges, Value *n, Op *at)
{
    for (int k = ranges - 1; k >= 0; k--) {
        Value *digit = n;
        if (k > 0) {
            digit = binary(p, OP_MOD, n, p->divisor[k], at);
            n = binary(p, OP_FDIV, n, p->divisor[k], at);
        }
        int64_t from;
        Value *index = binary(p, OP_MUL, digit, p->step[k], at);
        if (!value_int(p->from[k], &from) || from)
            index = binary(p, OP_ADD, p->from[k], index, at);
        index->name = old->args[k]->name;
        replace_uses(old, old->args[k], index);
    }
}

static void build(Programs *p, Value *resident)
{
    Op *par = p->par;
    int ranges = par->nregions - 1;
    Region *old = par->regions[ranges], *bounds = new_region(p, par, 0);
    p->body = new_region(p, par, 1);
    p->body->args[0]->name = "first";
    p->end = p->body->last;
    for (int k = 0; k < ranges; k++)
        take_range(p, k, par->regions[k]);
    Value *total = p->count[0];
    for (int k = 1; k < ranges; k++)
        total = binary(p, OP_MUL, total, p->count[k], p->end);
    Value *args[3] = {p->body->args[0], total, resident};
    Op *loop = op_new(p->kernel, OP_FOR, par->pos, 3, args, 0, NULL);
    Region *round = new_region(p, loop, 1);
    op_add_region(p->kernel, loop, round);
    op_insert_before(p->end, loop);
    round->args[0]->name = "programs";
    find_indices(p, old, ranges, round->args[0], round->last);
    op_remove(round->last);
    for (Op *op = old->first, *next; op; op = next) {
        next = op->next;
        op_remove(op);
        region_append(round, op);
    }
    Value *range[3] = {number_before(p->kernel, bounds->last, 0), resident,
                       number_before(p->kernel, bounds->last, 1)};
    op_remove(bounds->last);
    region_append(bounds, op_new(p->kernel, OP_YIELD, par->pos, 3, range, 0, NULL));
    par->nregions = 0;
    op_add_region(p->kernel, par, bounds);
    op_add_region(p->kernel, par, p->body);
}

static bool refuse(const Lowered *low, const Word *w, const char *hint, const char *why)
{
    return diag_error(low->diag, w->pos, hint, "pipeline programs: %s", why);
}

bool loop_programs(Lowered *low, PhasePlan *plan)
{
    const Directive *d = directive_find(low, plan, "pipeline", "programs");
    const Word *w = directive_word(d, "stages");
    int stages;
    if (!w)
        return true;
    if (plan->ragged)
        return refuse(low, w, NULL, "the ranges of this phase are not counted before it starts");
    if (plan->nroles)
        return refuse(low, w, NULL, "the programs have roles");
    if (plan->syncs || plan->joins)
        return refuse(low, w, NULL, "a phase that meets others in its launch takes one program");
    if (!plan->looped)
        return refuse(low, w, "write grid persistent", "a block takes one program");
    if (!directive_number(low, w, &stages))
        return false;
    if (stages < 2) {
        directive_honour(low, plan, w);
        directive_honour(low, plan, directive_word(d, "load"));
        return true;
    }
    Programs p = {.low = low, .kernel = low->kernel, .par = (Op *)plan->par};
    Type t = scalar_type(DT_I64);
    Op *resident = op_new(p.kernel, OP_RESIDENT, p.par->pos, 0, NULL, 1, &t);
    op_insert_before(p.par, resident);
    build(&p, resident->results[0]);
    plan->looped = false;
    return true;
}
