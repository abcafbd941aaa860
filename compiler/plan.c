/* What the schedule asks of each phase, as far as the CUDA emitter honours it. */
#include <string.h>

#include "compiler/lower.h"

typedef struct Planner {
    Lowered *low;
    PhasePlan *plan;
} Planner;

static bool integer_of(Planner *p, const Expr *x, int *out)
{
    if (x->kind == E_INT && x->integer < 1 << 20) {
        *out = (int)x->integer;
        return true;
    }
    const Setting *s = x->kind == E_NAME ? setting_find(&p->low->variant->params, x->name) : NULL;
    if (!s && x->kind == E_NAME)
        s = setting_find(&p->low->variant->statics, x->name);
    if (s && s->kind == SET_INT && s->integer > 0 && s->integer < 1 << 20) {
        *out = (int)s->integer;
        return true;
    }
    return diag_error(p->low->diag, x->pos, NULL, "a number or a parameter is expected");
}

static bool unit(Planner *p, const WordList *words)
{
    PhasePlan *plan = p->plan;
    for (int i = 1; i < words->count; i++) {
        const Word *w = &words->items[i];
        if (!w->name)
            continue;
        if (strcmp(w->name, "warp") == 0)
            plan->unit = (ThreadUnit){32, 1};
        else if (strcmp(w->name, "thread") == 0)
            plan->unit = (ThreadUnit){1, 1};
        else if (strcmp(w->name, "block") == 0)
            plan->unit.lanes = 32;
        else if (w->args.count != 1)
            continue;
        else if (strcmp(w->name, "warps") == 0 &&
                 !integer_of(p, w->args.items[0], &plan->unit.warps))
            return false;
        else if (strcmp(w->name, "pack") == 0 && !integer_of(p, w->args.items[0], &plan->pack))
            return false;
    }
    return true;
}

static bool directives(Planner *p, const DirectiveList *list)
{
    for (int i = 0; i < list->count; i++) {
        const Directive *d = &list->items[i];
        if (d->kind == D_WORDS && d->words.items[0].name &&
            strcmp(d->words.items[0].name, "unit") == 0 && !unit(p, &d->words))
            return false;
        if (d->kind == D_PHASE && p->plan->par->name &&
            strcmp(d->name.name, p->plan->par->name) == 0 && !directives(p, &d->body))
            return false;
    }
    return true;
}

/* The first range that the host cannot count: it loads, or uses an index before it. */
int ragged_from(const Op *par)
{
    for (int i = 0; i + 1 < par->nregions; i++)
        for (const Op *op = par->regions[i]->first; op; op = op->next) {
            if (op->code == OP_LOAD)
                return i;
            for (int k = 0; k < op->nargs; k++)
                if (!op->args[k]->op && op->args[k]->region == par->regions[i])
                    return i;
        }
    return par->nregions - 1;
}

static bool has_sync(const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_GRID_SYNC)
            return true;
        for (int i = 0; i < op->nregions; i++)
            if (has_sync(op->regions[i]))
                return true;
    }
    return false;
}

bool plan_phases(Lowered *low)
{
    int n = 0;
    for (const Op *op = low->kernel->body->first; op; op = op->next)
        n += op->code == OP_PAR;
    low->phases = NEW_ARRAY(low->arena, PhasePlan, n);
    low->layout = NEW_ARRAY(low->arena, Layout, low->kernel->next_id);
    low->placed = NEW_ARRAY(low->arena, bool, low->kernel->next_id);
    for (const Op *op = low->kernel->body->first; op; op = op->next) {
        if (op->code != OP_PAR)
            continue;
        Planner p = {low, &low->phases[low->nphases++]};
        *p.plan = (PhasePlan){.par = op, .unit = {32, 4}, .pack = 1};
        p.plan->ragged = ragged_from(op) < op->nregions - 1;
        p.plan->syncs = has_sync(op->regions[op->nregions - 1]);
        if (low->variant->schedule && !directives(&p, &low->variant->schedule->directives))
            return false;
        bool whole = p.plan->unit.lanes == 32 && p.plan->pack == 1;
        if (p.plan->syncs && !whole)
            return diag_error(low->diag, op->pos, "write unit block warps(n)",
                              "a phase with grid_sync has one program a block");
    }
    return true;
}
