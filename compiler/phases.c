/* What programs must agree on: every one of them reaches a barrier (R13), they are resident
 * together where there is one, and phases without an order between them leave each other's ranges
 * alone (R14b).
 *
 * A value is `varied` if it may differ between the programs of a phase: par indices, what is loaded
 * or taken from a pipe, and all that follows from them. Dims, scalars and constants are not, nor is
 * what an exchange gives. Flow is divergent where a varied condition or range decides. */
#include "compiler/elab.h"

#include <string.h>

typedef struct Uniform {
    Elab *elab;
    bool *varied; /* by Value.id */
    bool changed, report;
    const Op *loop; /* innermost FOR or SHARE; NULL: PAR */
} Uniform;

static void vary(Uniform *u, const Value *v)
{
    if (!u->varied[v->id])
        u->changed = u->varied[v->id] = true;
}

static bool any_varied(const Uniform *u, int n, Value *const *v)
{
    for (int i = 0; i < n; i++)
        if (u->varied[v[i]->id])
            return true;
    return false;
}

/* Walks a region whose flow diverges by `by` (NULL: it does not). Gives what makes the flow diverge
 * behind it, which is more than `by` where some programs have left by `continue`. */
static const Op *walk(Uniform *u, const Region *r, const Op *by);

static const Op *visit_if(Uniform *u, const Op *op, const Op *by)
{
    bool own = u->varied[op->args[0]->id];
    const Op *inner = by ? by : own ? op : NULL, *behind = by;
    for (int i = 0; i < op->nregions; i++) {
        const Op *end = walk(u, op->regions[i], inner);
        if (!behind && end && (end != inner || region_continues(op->regions[i])))
            behind = end;
        const Op *last = op->regions[i]->last;
        for (int k = 0; last && last->code == OP_YIELD && k < op->nresults; k++)
            if (own || u->varied[last->args[k]->id])
                vary(u, op->results[k]);
    }
    return behind;
}

/* Region argument k of the carried ones, and the result behind the loop. */
static void vary_carried(Uniform *u, const Op *loop, int k)
{
    const Region *body = loop->regions[loop->nregions - 1];
    vary(u, body->args[body->nargs - loop->nresults + k]);
    vary(u, loop->results[k]);
}

static void visit_loop(Uniform *u, const Op *op, const Op *by)
{
    const Region *body = op->regions[op->nregions - 1];
    int fixed = op->nargs - op->nresults;
    bool own = op->code == OP_SHARE || any_varied(u, fixed, op->args);
    const Op *outer = u->loop;
    for (int i = 0; i + 1 < op->nregions; i++) {
        for (int k = 0; k < op->regions[i]->nargs; k++)
            vary(u, op->regions[i]->args[k]);
        walk(u, op->regions[i], by);
    }
    for (int k = 0; own && k < body->nargs - op->nresults; k++)
        vary(u, body->args[k]);
    u->loop = op;
    const Op *inner = by ? by : own ? op : NULL, *end = walk(u, body, inner);
    u->loop = outer;
    const Op *last = body->last;
    for (int k = 0; k < op->nresults; k++)
        if (own || end != inner || u->varied[op->args[fixed + k]->id] ||
            (last && last->code == OP_YIELD && u->varied[last->args[k]->id]))
            vary_carried(u, op, k);
}

static void visit_other_regions(Uniform *u, const Op *op, const Op *by)
{
    for (int i = 0; i < op->nregions; i++) {
        const Region *r = op->regions[i];
        for (int k = 0; (op->code == OP_PAR || op->code == OP_GET) && k < r->nargs; k++)
            vary(u, r->args[k]);
        walk(u, r, op->code == OP_PAR ? NULL : by);
    }
    for (int k = 0; k < op->nresults; k++)
        vary(u, op->results[k]);
}

static void refuse(Uniform *u, const Op *op, const Op *by)
{
    const char *name = op_info[op->code].name;
    fail(u->elab, op->pos,
         "conditions and ranges around it may depend on dims, scalars and constants only",
         "%s may not be reached by every program", name);
    diag_note(u->elab->diag, by->pos, "this %s may differ between programs",
              by->code == OP_IF ? "condition" : "range");
}

static const Op *visit(Uniform *u, const Op *op, const Op *by)
{
    switch (op->code) {
    case OP_IF:
        return visit_if(u, op, by);
    case OP_FOR:
    case OP_SHARE:
        visit_loop(u, op, by);
        return by;
    case OP_CONTINUE:
        for (int k = 0; u->loop && k < op->nargs; k++)
            if (by || u->varied[op->args[k]->id])
                vary_carried(u, u->loop, k);
        return by;
    case OP_GRID_SYNC:
    case OP_EXCHANGE:
        if (by && u->report)
            refuse(u, op, by);
        return by;
    default:
        break;
    }
    if (op->nregions) {
        visit_other_regions(u, op, by);
        return by;
    }
    bool source = op->code == OP_LOAD || op->code == OP_ATOMIC_ADD || op->code == OP_TABLE;
    for (int k = 0; (source || any_varied(u, op->nargs, op->args)) && k < op->nresults; k++)
        vary(u, op->results[k]);
    return by;
}

static const Op *walk(Uniform *u, const Region *r, const Op *by)
{
    for (const Op *op = r->first; op; op = op->next)
        by = visit(u, op, by);
    return by;
}

/* The first barrier of a region, or NULL. */
static const Op *find_barrier(const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_GRID_SYNC || op->code == OP_EXCHANGE)
            return op;
        for (int i = 0; i < op->nregions; i++) {
            const Op *found = find_barrier(op->regions[i]);
            if (found)
                return found;
        }
    }
    return NULL;
}

static bool by_schedule(const Elab *e, const Value *v)
{
    const Op *op = v->op;
    if (!op)
        return false;
    if (op->code == OP_CONST)
        return true;
    if (op->code == OP_DIM)
        return setting_find(&e->variant->params, op->name) != NULL;
    if (op->code == OP_MIN)
        return by_schedule(e, op->args[0]) || by_schedule(e, op->args[1]);
    for (int i = 0; i < op->nargs; i++)
        if (!by_schedule(e, op->args[i]))
            return false;
    return op->nargs > 0 && strchr(op_info[op->code].flags, 'E');
}

/* Programs that wait for each other must all be running: their number is the schedule's (R13). */
static void check_resident(Elab *e, const Op *par, const Op *barrier)
{
    for (int i = 0; i + 1 < par->nregions; i++) {
        const Op *yield = par->regions[i]->last;
        if (!yield || (by_schedule(e, yield->args[0]) && by_schedule(e, yield->args[1])))
            continue;
        const char *name = par->regions[par->nregions - 1]->args[i]->name;
        fail(e, yield->pos, "let the schedule bound it: p in 0..P with let P = grid.resident;",
             "the number of programs that %s waits for is not bounded: the range of %s is no "
             "constant and no schedule parameter",
             op_info[barrier->code].name, name ? name : "it");
    }
}

static const Op *root_tensor(const Value *v)
{
    const Op *op = v->op;
    while (op && op->code != OP_TENSOR && op->code != OP_LOCAL)
        op = op->nargs ? op->args[0]->op : NULL;
    return op;
}

static bool stores_to(const Region *r, const Op *tensor)
{
    for (const Op *op = r->first; op; op = op->next) {
        if ((op->code == OP_STORE || op->code == OP_ATOMIC_ADD) &&
            root_tensor(op->args[0]) == tensor)
            return true;
        for (int i = 0; i < op->nregions; i++)
            if (stores_to(op->regions[i], tensor))
                return true;
    }
    return false;
}

/* A load in a range of `par` from what a phase of its group, first to behind, stores to. */
static void check_range_loads(Elab *e, const Region *range, const Op *first, const Op *behind)
{
    for (const Op *op = range->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            check_range_loads(e, op->regions[i], first, behind);
        if (op->code != OP_LOAD)
            continue;
        const Op *tensor = root_tensor(op->args[0]);
        for (const Op *p = first; p != behind; p = p->next)
            if (p->code == OP_PAR && stores_to(p->regions[p->nregions - 1], tensor)) {
                fail(e, op->pos, "an ordered phase before may write what ranges load",
                     "a par range loads from %s, which no phase is ordered to have written",
                     tensor->name);
                diag_note(e->diag, p->pos, "this phase writes it at the same time");
                break;
            }
    }
}

static const Op *next_par(const Op *op)
{
    do
        op = op->next;
    while (op && op->code != OP_PAR);
    return op;
}

/* Phases that are unordered with each other are one set of programs. */
static void check_groups(Elab *e)
{
    const Op *op = e->kernel->body->first, *behind;
    if (op && op->code != OP_PAR)
        op = next_par(op);
    for (; op; op = behind) {
        behind = next_par(op);
        while (behind && behind->unordered)
            behind = next_par(behind);
        for (const Op *p = op; p && p != behind; p = next_par(p))
            for (int i = 0; i + 1 < p->nregions; i++)
                check_range_loads(e, p->regions[i], op, behind);
    }
}

void check_phases(Elab *e)
{
    const Region *body = e->kernel->body;
    check_groups(e);
    if (!find_barrier(body))
        return;
    for (const Op *op = body->first; op; op = op->next) {
        const Op *barrier = op->code == OP_PAR ? find_barrier(op->regions[op->nregions - 1]) : NULL;
        if (barrier)
            check_resident(e, op, barrier);
    }
    Uniform u = {.elab = e, .varied = NEW_ARRAY(e->arena, bool, e->kernel->next_id)};
    do {
        u.changed = false;
        walk(&u, body, NULL);
    } while (u.changed);
    u.report = true;
    walk(&u, body, NULL);
}
