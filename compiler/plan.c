/* What the schedule asks of each phase, as far as the CUDA emitter honours it. */
#include <string.h>

#include "compiler/directives.h"

/* The words of `unit`. */
static bool unit(const Lowered *low, PhasePlan *plan)
{
    const Directive *d = directive_find(low, plan, "unit", NULL);
    for (int i = 1; d && i < d->words.count; i++) {
        const Word *w = &d->words.items[i];
        bool good = true;
        if (strcmp(w->name, "warp") == 0)
            plan->unit = (ThreadUnit){32, 1};
        else if (strcmp(w->name, "thread") == 0)
            plan->unit = (ThreadUnit){1, 1};
        else if (strcmp(w->name, "lanes") == 0)
            plan->unit.warps = 1, good = directive_number(low, w, &plan->unit.lanes);
        else if (strcmp(w->name, "warps") == 0)
            good = directive_number(low, w, &plan->unit.warps);
        else if (strcmp(w->name, "pack") == 0)
            good = directive_number(low, w, &plan->pack);
        if (!good)
            return false;
        directive_honour(low, plan, w);
    }
    return true;
}

/* `grid group(n)`. */
static bool group(const Lowered *low, PhasePlan *p)
{
    p->grouped = directive_take(low, p, "grid", NULL, "group");
    if (p->grouped && p->par->nregions < 3)
        return diag_error(low->diag, p->grouped->pos, NULL,
                          "group(n) is about the last two ranges of a par: this one has one range");
    if (p->grouped && !directive_number(low, p->grouped, &p->group))
        return false;
    if (p->group == 1) /* the order there is without it */
        p->group = 0;
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

static int threads_of(const PhasePlan *p)
{
    return p->unit.lanes * p->unit.warps * p->pack;
}

/* R14b: `grid fuse` puts all phases into one launch with barriers between, @unordered ones stand
 * side by side in one. */
static void join_phases(Lowered *low, PhasePlan *p)
{
    bool fuse = directive_take(low, p, "grid", NULL, "fuse");
    if (p == low->phases)
        return;
    p->fused = fuse;
    p->joins = p->fused ||
               (p->par->unordered && threads_of(p) == threads_of(p - 1) && !p->ragged &&
                !p[-1].ragged && !p->syncs && !p[-1].syncs && !p->looped && !p[-1].looped);
    if (!p->fused)
        return;
    p->looped = p[-1].looped = true;
    p->syncs = true;
    for (PhasePlan *q = p - 1; q >= low->phases; q--)
        q->syncs = true;
}

/* Threads of a block whose schedule does not say pack(n). */
enum { BLOCK = 128 };

bool plan_phases(Lowered *low)
{
    int n = 0;
    for (const Op *op = low->kernel->body->first; op; op = op->next)
        n += op->code == OP_PAR;
    low->phases = NEW_ARRAY(low->arena, PhasePlan, n);
    low->honoured = NEW(low->arena, HonouredList);
    for (const Op *op = low->kernel->body->first; op; op = op->next) {
        if (op->code != OP_PAR)
            continue;
        PhasePlan *p = &low->phases[low->nphases++];
        *p = (PhasePlan){.par = op, .unit = {32, 4}};
        p->ragged = ragged_from(op) < op->nregions - 1;
        bool meets = p->syncs = region_syncs(op->regions[op->nregions - 1]);
        if (!unit(low, p) || !plan_roles(low, p))
            return false;
        if (p->pack == 0)
            p->pack = p->unit.warps > 1 || p->syncs || p->unit.lanes == 32 ? 1
                                                                           : BLOCK / p->unit.lanes;
        if (meets && (p->unit.lanes < 32 || p->pack > 1))
            return diag_error(low->diag, op->pos, "write unit block warps(n)",
                              "a phase with grid_sync or exchange has one program a block");
        int threads = threads_of(p);
        if (threads > 1024 || (p->unit.lanes < 32 && threads % 32))
            return diag_error(low->diag, op->pos, "write another pack(n)",
                              "the unit and its pack are %d threads a block: a block has at most "
                              "1024, whole warps",
                              threads);
        if (p->ragged && p->unit.lanes > 1 && p->unit.lanes < 32)
            return diag_error(low->diag, op->pos, "write unit warp or unit block",
                              "unit lanes takes ranges that the host can count");
        const Word *resident = directive_take(low, p, "grid", NULL, "resident");
        p->resident = 0;
        if (resident && !directive_number(low, resident, &p->resident))
            return false;
        if (p->resident * threads > 2048)
            return diag_error(low->diag, resident->pos, "an SM holds 2048 threads",
                              "%d blocks of %d threads are never on one SM", p->resident, threads);
        if (!group(low, p))
            return false;
        p->looped = directive_take(low, p, "grid", NULL, "persistent") && !p->ragged;
        join_phases(low, p);
    }
    return plan_pdl(low);
}
