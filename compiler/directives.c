#include "compiler/directives.h"

#include <string.h>

#include "compiler/counts.h"

/* ---- finding ---- */

static const char *verb_of(const Directive *d)
{
    return d->kind == D_ROLE ? "role" : d->kind == D_WORDS ? d->words.items[0].name : NULL;
}

static bool has_subject(const char *verb)
{
    static const char *const with[] = {"pipeline", "place", "load", "store", "chunk"};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++)
        if (strcmp(with[i], verb) == 0)
            return true;
    return false;
}

static const char *subject_of(const Directive *d)
{
    if (d->kind == D_ROLE)
        return d->name.name;
    return has_subject(verb_of(d)) && d->words.count > 1 ? d->words.items[1].name : NULL;
}

static bool is_about(const Directive *d, const char *verb, const char *subject)
{
    const char *v = verb_of(d), *s = v ? subject_of(d) : NULL;
    return v && strcmp(v, verb) == 0 && (!s || !subject ? s == subject : strcmp(s, subject) == 0);
}

static const DirectiveList *outside(const Lowered *low)
{
    static const DirectiveList none = {0};
    return low->variant->schedule ? &low->variant->schedule->directives : &none;
}

/* The block `phase name { .. }`; NULL: the schedule has none. */
static const DirectiveList *inside(const Lowered *low, const PhasePlan *plan)
{
    const DirectiveList *list = outside(low);
    for (int i = 0; plan->par->name && i < list->count; i++)
        if (list->items[i].kind == D_PHASE &&
            strcmp(list->items[i].name.name, plan->par->name) == 0)
            return &list->items[i].body;
    return NULL;
}

static const Directive *find_in(const DirectiveList *list, const char *verb, const char *subject)
{
    for (int i = 0; list && i < list->count; i++)
        if (is_about(&list->items[i], verb, subject))
            return &list->items[i];
    return NULL;
}

const Directive *directive_find(const Lowered *low, const PhasePlan *plan, const char *verb,
                                const char *subject)
{
    const Directive *d = find_in(inside(low, plan), verb, subject);
    return d ? d : find_in(outside(low), verb, subject);
}

const Word *directive_word(const Directive *d, const char *word)
{
    for (int i = 0; d && i < d->words.count; i++)
        if (d->words.items[i].name && strcmp(d->words.items[i].name, word) == 0 &&
            (i > 1 || (i == 1 && !subject_of(d)) || d->kind == D_ROLE))
            return &d->words.items[i];
    return NULL;
}

/* ---- honouring ---- */

void directive_honour(const Lowered *low, const PhasePlan *plan, const Word *w)
{
    if (w)
        PUSH(low->arena, low->honoured, ((__typeof__(*low->honoured->items)){w, plan}));
}

const Word *directive_take(const Lowered *low, const PhasePlan *plan, const char *verb,
                           const char *subject, const char *word)
{
    const Word *w = directive_word(directive_find(low, plan, verb, subject), word);
    directive_honour(low, plan, w);
    return w;
}

static bool is_honoured(const Lowered *low, const PhasePlan *plan, const Word *w)
{
    for (int i = 0; i < low->honoured->count; i++)
        if (low->honoured->items[i].word == w && low->honoured->items[i].plan->par == plan->par)
            return true;
    return false;
}

bool directive_says(const Lowered *low, const PhasePlan *plan, const char *verb,
                    const char *subject, const char *word)
{
    const Directive *d = directive_find(low, plan, verb, subject);
    for (int i = 2; d && i < d->words.count; i++) {
        const Word *w = &d->words.items[i];
        bool said = w->name && strcmp(w->name, word) == 0;
        for (int k = 0; k < w->args.count; k++) {
            const Expr *x = w->args.items[k];
            said |= x->kind == E_NAME && strcmp(x->name, word) == 0;
        }
        if (!said)
            continue;
        directive_honour(low, plan, w);
        return true;
    }
    return false;
}

/* ---- numbers ---- */

bool directive_integer(const Lowered *low, const Expr *x, int64_t *out)
{
    return variant_number(low->variant, x, out) ||
           diag_error(low->diag, x->pos, NULL, "a constant integer is expected");
}

bool directive_number(const Lowered *low, const Word *w, int *out)
{
    int64_t n;
    if (!directive_integer(low, w->args.items[0], &n))
        return false;
    if (n < 0 || n > 1 << 30)
        return diag_error(low->diag, w->pos, NULL, "%s(%lld) is not possible", w->name,
                          (long long)n);
    *out = (int)n;
    return true;
}

/* ---- all ---- */

bool directives_each(const Lowered *low, const PhasePlan *plan, DirectiveFn *each, void *context)
{
    const DirectiveList *in = inside(low, plan), *out = outside(low);
    for (int i = 0; in && i < in->count; i++)
        if (verb_of(&in->items[i]) && !each(context, &in->items[i]))
            return false;
    for (int i = 0; i < out->count; i++) {
        const Directive *d = &out->items[i];
        const char *verb = verb_of(d);
        bool replaced = verb && strcmp(verb, "assert") && find_in(in, verb, subject_of(d));
        if (verb && !replaced && !each(context, d))
            return false;
    }
    return true;
}

/* ---- at the end ---- */

static bool computes(const Presence *p, const Op *op)
{
    bool live = op->nresults == 0;
    for (int i = 0; i < op->nresults; i++)
        live |= p->live[op->results[i]->id];
    return live;
}

static bool is_named(const char *name, const char *wanted)
{
    return name && strcmp(name, wanted) == 0;
}

/* Does the operation have what a directive `verb subject` speaks of? */
static bool is_subject(const Presence *p, const Op *op, const char *verb, const char *subject)
{
    bool load = op->code == OP_LOAD, store = op->code == OP_STORE || op->code == OP_ATOMIC_ADD;
    if (strcmp(verb, "pipeline") == 0)
        return (op->code == OP_FOR || op->code == OP_SHARE) &&
               is_named(op->regions[op->nregions - 1]->args[0]->name, subject);
    if (strcmp(verb, "load") == 0 || strcmp(verb, "store") == 0)
        return (*verb == 'l' ? load : store) && computes(p, op) &&
               is_named(tensor_root(op->args[0])->op->name, subject);
    if (strcmp(verb, "place") == 0)
        return (op->code == OP_BIND && is_named(op->name, subject) && p->live[op->args[0]->id]) ||
               (op->code == OP_LOCAL && is_named(op->name, subject)) ||
               (load && computes(p, op) && is_named(tensor_root(op->args[0])->op->name, subject));
    return true;
}

static bool has_one(const Presence *p, const Region *r, const char *verb, const char *subject)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (is_subject(p, op, verb, subject))
            return true;
        for (int i = 0; i < op->nregions; i++)
            if (has_one(p, op->regions[i], verb, subject))
                return true;
    }
    return false;
}

static bool is_present(const Presence *p, const char *verb, const char *subject)
{
    if (!subject || strcmp(subject, "programs") == 0)
        return true;
    return has_one(p, p->plan->par->regions[p->plan->par->nregions - 1], verb, subject);
}

/* How threads move a tile. */
static bool is_path(const char *word)
{
    static const char *const path[] = {"smem", "regs", "vector", "cache"};
    for (size_t i = 0; i < sizeof path / sizeof *path; i++)
        if (strcmp(path[i], word) == 0)
            return true;
    return false;
}

static bool check_directive(void *context, const Directive *d)
{
    const Presence *p = context;
    const char *verb = verb_of(d), *subject = subject_of(d);
    int first = d->kind == D_ROLE ? 0 : subject ? 2 : 1;
    if (d->kind == D_ROLE && (!p->plan->nroles || d->phrases.count))
        return diag_error(p->low->diag, d->pos, "the interpreter runs it; its lowering comes later",
                          "role %s: not lowered to CUDA yet", subject);
    if (!is_present(p, verb, subject))
        return true;
    for (int i = first; i < d->words.count; i++) {
        const Word *w = &d->words.items[i];
        if (!w->name || strcmp(w->name, "via") == 0 || is_honoured(p->low, p->plan, w))
            continue;
        if ((strcmp(verb, "load") == 0 || strcmp(verb, "store") == 0) && is_path(w->name))
            return diag_error(p->low->diag, w->pos, "leave it out",
                              "%s %s: %s is about tiles; here are only single elements, tiles of "
                              "one value, and additions",
                              verb, subject, w->name);
        return diag_error(p->low->diag, w->pos, "the interpreter runs it; its lowering comes later",
                          "%s%s%s: %s is not lowered to CUDA yet", verb, subject ? " " : "",
                          subject ? subject : "", w->name);
    }
    return true;
}

bool directives_done(const Presence *p)
{
    Presence copy = *p;
    return directives_each(p->low, p->plan, check_directive, &copy);
}
