/* What the schedule asks of each phase, as far as the CUDA emitter honours it. */
#include <string.h>

#include "compiler/lower.h"

typedef struct Planner {
    Lowered *low;
    PhasePlan *plan;
} Planner;

static int integer_of(const Planner *p, const Expr *x)
{
    int64_t n = 1; /* the choice of the variant has seen all of them */
    variant_number(p->low->variant, x, &n);
    return (int)n;
}

static void unit(Planner *p, const WordList *words)
{
    PhasePlan *plan = p->plan;
    for (int i = 1; i < words->count; i++) {
        const Word *w = &words->items[i];
        int n = w->args.count == 1 ? integer_of(p, w->args.items[0]) : 0;
        if (!w->name)
            continue;
        if (strcmp(w->name, "warp") == 0)
            plan->unit = (ThreadUnit){32, 1};
        else if (strcmp(w->name, "thread") == 0)
            plan->unit = (ThreadUnit){1, 1};
        else if (strcmp(w->name, "lanes") == 0)
            plan->unit = (ThreadUnit){n, 1};
        else if (strcmp(w->name, "block") == 0)
            plan->unit.lanes = 32;
        else if (strcmp(w->name, "warps") == 0)
            plan->unit.warps = n;
        else if (strcmp(w->name, "pack") == 0)
            plan->pack = n;
    }
}

static void directives(Planner *p, const DirectiveList *list)
{
    for (int i = 0; i < list->count; i++) {
        const Directive *d = &list->items[i];
        if (d->kind == D_WORDS && d->words.items[0].name &&
            strcmp(d->words.items[0].name, "unit") == 0)
            unit(p, &d->words);
        if (d->kind == D_PHASE && p->plan->par->name &&
            strcmp(d->name.name, p->plan->par->name) == 0)
            directives(p, &d->body);
    }
}

static bool has_word(const Directive *d, const char *verb, const char *subject, const char *word)
{
    const WordList *w = &d->words;
    if (d->kind != D_WORDS || w->count < 2 || !w->items[0].name || !w->items[1].name ||
        strcmp(w->items[0].name, verb) || strcmp(w->items[1].name, subject))
        return false;
    for (int i = 2; i < w->count; i++) {
        if (w->items[i].name && strcmp(w->items[i].name, word) == 0)
            return true;
        for (int k = 0; k < w->items[i].args.count; k++) {
            const Expr *x = w->items[i].args.items[k];
            if (x->kind == E_NAME && strcmp(x->name, word) == 0)
                return true;
        }
    }
    return false;
}

static bool list_says(const DirectiveList *list, const PhasePlan *plan, const char *verb,
                      const char *subject, const char *word)
{
    for (int i = 0; i < list->count; i++) {
        const Directive *d = &list->items[i];
        if (has_word(d, verb, subject, word))
            return true;
        if (d->kind == D_PHASE && plan->par->name && strcmp(d->name.name, plan->par->name) == 0 &&
            list_says(&d->body, plan, verb, subject, word))
            return true;
    }
    return false;
}

static const Word *list_word(const DirectiveList *list, const PhasePlan *plan, const char *verb,
                             const char *word)
{
    for (int i = 0; i < list->count; i++) {
        const Directive *d = &list->items[i];
        bool own = d->kind == D_PHASE && plan->par->name &&
                   strcmp(d->name.name, plan->par->name) == 0;
        const Word *w = own ? list_word(&d->body, plan, verb, word) : NULL;
        if (d->kind == D_WORDS && d->words.items[0].name &&
            strcmp(d->words.items[0].name, verb) == 0)
            for (int k = 1; k < d->words.count && !w; k++)
                if (d->words.items[k].name && strcmp(d->words.items[k].name, word) == 0)
                    w = &d->words.items[k];
        if (w)
            return w;
    }
    return NULL;
}

const Word *plan_word(const Lowered *low, const PhasePlan *plan, const char *verb, const char *word)
{
    const Item *schedule = low->variant->schedule;
    return schedule ? list_word(&schedule->directives, plan, verb, word) : NULL;
}

bool plan_says(const Lowered *low, const PhasePlan *plan, const char *verb, const char *subject,
               const char *word)
{
    const Item *schedule = low->variant->schedule;
    return schedule && list_says(&schedule->directives, plan, verb, subject, word);
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
        if (op->code == OP_GRID_SYNC || op->code == OP_EXCHANGE)
            return true;
        for (int i = 0; i < op->nregions; i++)
            if (has_sync(op->regions[i]))
                return true;
    }
    return false;
}

static int threads_of(const PhasePlan *p)
{
    return p->unit.lanes * p->unit.warps * p->pack;
}

/* R14b: `grid fuse` puts all phases into one launch with barriers between, @unordered ones stand
 * side by side in one. */
static void join_phases(Lowered *low, PhasePlan *p)
{
    if (p == low->phases)
        return;
    p->fused = plan_word(low, p, "grid", "fuse");
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
    for (const Op *op = low->kernel->body->first; op; op = op->next) {
        if (op->code != OP_PAR)
            continue;
        Planner p = {low, &low->phases[low->nphases++]};
        *p.plan = (PhasePlan){.par = op, .unit = {32, 4}};
        p.plan->ragged = ragged_from(op) < op->nregions - 1;
        p.plan->syncs = has_sync(op->regions[op->nregions - 1]);
        if (low->variant->schedule)
            directives(&p, &low->variant->schedule->directives);
        if (p.plan->pack == 0)
            p.plan->pack = p.plan->unit.warps > 1 || p.plan->syncs || p.plan->unit.lanes == 32
                               ? 1
                               : BLOCK / p.plan->unit.lanes;
        int threads = threads_of(p.plan);
        if (threads > 1024 || (p.plan->unit.lanes < 32 && threads % 32))
            return diag_error(low->diag, op->pos, "write another pack(n)",
                              "the unit and its pack are %d threads a block: a block has at most "
                              "1024, whole warps",
                              threads);
        if (p.plan->ragged && p.plan->unit.lanes > 1 && p.plan->unit.lanes < 32)
            return diag_error(low->diag, op->pos, "write unit warp or unit block",
                              "unit lanes takes ranges that the host can count");
        p.plan->looped = !p.plan->ragged && plan_word(low, p.plan, "grid", "persistent");
        join_phases(low, p.plan);
        bool whole = p.plan->unit.lanes == 32 && p.plan->pack == 1;
        if (p.plan->syncs && !whole)
            return diag_error(low->diag, op->pos, "write unit block warps(n)",
                              "a phase with grid_sync or exchange has one program a block");
    }
    return true;
}
