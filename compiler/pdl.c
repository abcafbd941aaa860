/* Programmatic dependent launch (PTX ISA 9.7.13.13). A launch may start before the one ahead of it
 * in the stream has ended; what that one touches is safe behind a wait. `pdl wait(..)` says which
 * tensors it may have written, and phases of one kernel are chained that way by themselves (R14b).
 *
 * Stores wait too, for what is ahead may still read. Every block waits, whatever way it takes: a
 * launch that ends without having waited would let the one behind it pass those ahead. And it waits
 * before it lets the one behind it start, so that this one finds only one launch unfinished. */
#include <string.h>

#include "compiler/counts.h"
#include "compiler/cuda.h"
#include "compiler/directives.h"

/* ---- what is asked ---- */

static bool names(const Word *w, const char *name)
{
    for (int i = 0; w && i < w->args.count; i++)
        if (w->args.items[i]->kind == E_NAME && strcmp(w->args.items[i]->name, name) == 0)
            return true;
    return false;
}

/* `wait` of one launch: phases first .. last. */
static bool plan_waits(Lowered *low, PhasePlan *first, PhasePlan *last)
{
    bool said = false;
    for (PhasePlan *p = first; p <= last; p++) {
        p->waits_for = directive_take(low, p, "pdl", NULL, "wait");
        if (p->waits_for && first->syncs)
            return diag_error(low->diag, p->waits_for->pos, NULL,
                              "pdl wait: %s is launched cooperatively, which cannot start early",
                              first == last ? "a phase with grid_sync or exchange"
                                            : "a kernel with grid fuse");
        said |= p->waits_for != NULL;
    }
    for (PhasePlan *p = first; p <= last; p++) {
        p->early = said || (first > low->phases && !first->syncs);
        p->waits_all = said && (!p->waits_for || names(p->waits_for, "load"));
        /* What runs at the same time as the launch ahead, before which all had ended. */
        p->beside = p->early && !said && first->par->unordered && !first[-1].early;
    }
    return true;
}

/* The phase behind which the launch ends: of phases side by side each, else the last. */
static void plan_trigger(Lowered *low, PhasePlan *first, PhasePlan *last, bool chained)
{
    bool said = chained;
    for (PhasePlan *p = first; p <= last; p++)
        said |= directive_take(low, p, "pdl", NULL, "trigger") != NULL;
    for (PhasePlan *p = first; p <= last; p++)
        p->triggers = said && (p == last || !p[1].fused);
}

bool plan_pdl(Lowered *low)
{
    PhasePlan *end = low->phases + low->nphases, *next;
    for (PhasePlan *p = low->phases; p < end; p = next) {
        for (next = p + 1; next < end && next->joins;)
            next++;
        if (!plan_waits(low, p, next - 1))
            return false;
    }
    for (PhasePlan *p = low->phases; p < end; p = next) {
        for (next = p + 1; next < end && next->joins;)
            next++;
        plan_trigger(low, p, next - 1, next < end && next->early);
    }
    return true;
}

bool pdl_waits(const PhasePlan *p, const Op *tensor)
{
    return p->early && !p->beside &&
           (p->waits_all || tensor->tensor->dir != PARAM_IN || names(p->waits_for, tensor->name));
}

/* ---- where ---- */

typedef struct Pdl {
    Cuda *c;
    Statement *last; /* the wait or load that stands last */
} Pdl;

static bool must_wait(const Pdl *p, const Effect *e)
{
    return e->tensor && !p->c->plan->beside &&
           (e->write || e->memory || pdl_waits(p->c->plan, e->tensor));
}

static bool returns(const Statement *s)
{
    return s->jumps && strcmp(s->text, "return;") == 0;
}

static bool has_own(const Pdl *p, const Statement *s)
{
    for (int i = 0; i < s->effects.count; i++)
        if (must_wait(p, &s->effects.items[i]))
            return true;
    return returns(s);
}

static bool contains(const Pdl *p, const Statement *s)
{
    for (const Statement *inner = s->first; inner; inner = inner->next)
        if (has_own(p, inner) || contains(p, inner))
            return true;
    return false;
}

/* Does a load that may go ahead stand before the first access that waits? *found: either was met.
 */
static bool goes_ahead(const Pdl *p, const Statement *block, bool *found)
{
    for (const Statement *s = block->first; s && !*found; s = s->next) {
        bool waits = has_own(p, s), ahead = false;
        for (int i = 0; i < s->effects.count; i++)
            ahead |= s->effects.items[i].tensor && !must_wait(p, &s->effects.items[i]);
        *found = waits || ahead;
        if (*found)
            return !waits;
        if (goes_ahead(p, s, found))
            return true;
    }
    return false;
}

static bool is_pragma(const Statement *s)
{
    return s && s->text && (!strcmp(s->text, "TILE_UNROLL") || !strcmp(s->text, "TILE_ROLLED"));
}

static void wait_before(Pdl *p, Statement *s)
{
    while (is_pragma(s->prev) || s->kind == STATEMENT_ELSE)
        s = s->prev;
    p->last = statement_before(&p->c->out, s, "tile_pdl_wait();");
}

/* All ways through the block wait before they must. Inside of a loop of programs a wait may stand
 * in every round, as the first of them alone takes time; inside of other loops it would be in the
 * way. False: a way leads to the end of the block that did not wait. */
static bool cover(Pdl *p, Statement *block)
{
    for (Statement *s = block->first; s; s = s->next) {
        bool found = false;
        if (!has_own(p, s) && !contains(p, s))
            continue;
        if (has_own(p, s) || !s->programs || !goes_ahead(p, s, &found)) {
            wait_before(p, s);
            return true;
        }
        cover(p, s);
    }
    return false;
}

/* The last load or wait of the phase, in the order of the text. */
static void find_last(Pdl *p, Statement *block, const Statement *except)
{
    for (Statement *s = block->first; s; s = s->next) {
        if (s == except)
            continue;
        bool wait = s->text && strcmp(s->text, "tile_pdl_wait();") == 0;
        for (int i = 0; i < s->effects.count; i++)
            wait |= s->effects.items[i].tensor && !s->effects.items[i].write;
        if (wait)
            p->last = s;
        find_last(p, s, except);
    }
}

/* Behind the last load, and outside of what not every block comes to; in a loop of programs in the
 * last round. Where nothing is loaded, at once. */
static void trigger(Pdl *p)
{
    static const char *const launch = "tile_pdl_launch();";
    Statements *out = &p->c->out;
    Statement *s = p->last ? p->last : p->c->prologue;
    while (s->parent != out->root && !s->parent->programs)
        s = s->parent;
    while (s->parent != out->root && s->parent->kind == STATEMENT_LOOP && !s->parent->last_round)
        s = s->parent;
    const char *round = s->parent->last_round;
    if (s->next && s->next->kind == STATEMENT_ELSE)
        s = s->next;
    statement_after(out, s, round ? format_text(p->c, "if (%s) %s", round, launch) : launch);
}

void place_pdl(Cuda *c)
{
    Pdl p = {c, NULL};
    Statement *root = c->out.root, *end = NULL;
    if (c->plan->early && !cover(&p, root))
        end = statement_add(&c->out, STATEMENT_TEXT, "tile_pdl_wait();");
    if (!c->plan->triggers)
        return;
    /* The wait at the end is for blocks that had nothing to do, if there is another. */
    find_last(&p, root, p.last ? end : NULL);
    trigger(&p);
}
