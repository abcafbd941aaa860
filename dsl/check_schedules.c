/* Schedules and instances: they are for kernels that exist and bind what those have. What the
 * directives of a schedule say is the matter of compiler/schedule.c. */
#include "dsl/scope.h"

#include <string.h>

static const Param *param_find(const Item *kernel, Name name)
{
    for (int i = 0; i < kernel->params.count; i++)
        if (kernel->params.items[i].name.name == name)
            return &kernel->params.items[i];
    return NULL;
}

/* Schedules */

static const Item *kernel_of(Check *c, const Item *it)
{
    const KernelItems *of = items_of(c, it->name.name);
    if (of)
        return of->kernel;
    const char **v = NEW_ARRAY(c->scope.arena, const char *, c->kernels->count);
    for (int i = 0; i < c->kernels->count; i++)
        v[i] = c->kernels->items[i]->name.name;
    check_report(c, it->name.pos,
                 did_you_mean(c->scope.arena, diag_nearest(it->name.name, v, c->kernels->count)),
                 "unknown kernel `%s`", it->name.name);
    return NULL;
}

static bool shares_target(const Item *a, const Item *b, Ident *which)
{
    if (a->members.count == 0 || b->members.count == 0) {
        *which = a->members.count   ? a->members.items[0]
                 : b->members.count ? b->members.items[0]
                                    : (Ident){0};
        return true;
    }
    for (int i = 0; i < a->members.count; i++)
        for (int k = 0; k < b->members.count; k++)
            if (a->members.items[i].name == b->members.items[k].name) {
                *which = a->members.items[i];
                return true;
            }
    return false;
}

/* "f for sm90"; only the kernel's name if no target is written anywhere. */
static const char *kernel_text(Check *c, const Item *schedule, Name target)
{
    return arena_format(c->scope.arena, "%s%s%s", schedule->name.name, target ? " for " : "",
                        target ? target : "");
}

/* A schedule behind one that takes all calls on a target. */
static void never_taken(Check *c, const Item *schedule, const Item *first, Ident target)
{
    bool own = target.name && schedule->members.count;
    const char *text = kernel_text(c, schedule, target.name);
    if (schedule->when)
        check_report(c, schedule->when->span, "schedules are asked in written order",
                     "this schedule of %s is never taken: one without `when` stands before it",
                     text);
    else
        check_report(c, own ? target.pos : schedule->name.pos,
                     "`schedule .. when CONDITION { .. }` says which calls the first is for",
                     "a second schedule of %s", text);
    diag_note(c->scope.diag, first->name.pos, "the first is here");
}

static bool is_for(const Item *schedule, const char *target)
{
    for (int i = 0; i < schedule->members.count; i++)
        if (strcmp(schedule->members.items[i].name, target) == 0)
            return true;
    return schedule->members.count == 0;
}

/* On each target one schedule takes the calls that no `when` before it takes. */
static void check_last(Check *c, const KernelItems *of)
{
    static const char *const targets[] = {"sm90", "sm100"};
    const Item *told = NULL;
    for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
        const Item *last = NULL;
        for (int i = 0; i < of->schedules.count; i++) {
            const Item *s = of->schedules.items[i];
            if (is_for(s, targets[t]) && (!last || last->when))
                last = s;
        }
        if (!last || !last->when || last == told)
            continue;
        told = last;
        check_report(c, last->when->span, "end with a schedule that has no `when`",
                     "the last schedule of %s has a `when`: calls for which it does not hold have "
                     "no schedule",
                     kernel_text(c, last, last->members.count ? targets[t] : NULL));
    }
}

static void check_targets(Check *c, const Item *schedule)
{
    const KernelItems *of = items_of(c, schedule->name.name);
    for (int i = 0; i < schedule->members.count && !diag_full(c->scope.diag); i++) {
        Ident t = schedule->members.items[i];
        if (strcmp(t.name, "sm90") && strcmp(t.name, "sm100"))
            check_report(c, t.pos, "targets are sm90, sm100", "unknown target `%s`", t.name);
        for (int k = 0; k < i; k++)
            if (schedule->members.items[k].name == t.name)
                check_report(c, t.pos, NULL, "target %s twice", t.name);
    }
    for (int i = 0; of && of->schedules.items[i] != schedule; i++) {
        const Item *other = of->schedules.items[i];
        Ident t;
        if (other->when || !shares_target(schedule, other, &t))
            continue;
        never_taken(c, schedule, other, t);
        return;
    }
}

static void check_let(Check *c, const Item *kernel, const Directive *d)
{
    const Static *st = static_find(kernel, d->name.name);
    if (st && static_is(st, "dim") && dim_is_shown(kernel, st->name.name))
        check_report(c, d->name.pos, NULL, "a schedule cannot bind %s: the tensors show this dim",
                     d->name.name);
    else if (st && !static_is(st, "dim") && !static_is(st, "tune"))
        check_report(c, d->name.pos, "its values stand in `instances`",
                     "a schedule cannot bind %s: it is a static of kind %s", d->name.name,
                     st->kind.name);
}

/* A condition sees the statics, tensors and scalars, but nothing that the schedule binds. */
static void check_when(Check *c, const Item *kernel, const Item *schedule)
{
    Scope *s = &c->scope;
    int mark = scope_enter(s);
    scope_begin_body(s, "");
    for (int i = 0; i < kernel->statics.count; i++) {
        const Static *st = &kernel->statics.items[i];
        bool bound = static_is(st, "tune") || let_find(schedule, st->name.name);
        if (!bound && !scope_lookup(s, st->name.name))
            scope_declare(s, st->name, NAME_STATIC);
    }
    for (int i = 0; i < kernel->params.count; i++)
        if (!scope_lookup(s, kernel->params.items[i].name.name))
            scope_declare(s, kernel->params.items[i].name, NAME_TENSOR);
    check_expr(s, schedule->when);
    scope_leave(s, mark);
}

/* Values of `let` and `require` see the statics and the `let`s before them. */
static void check_schedule(Check *c, const Item *kernel, const Item *schedule)
{
    Scope *s = &c->scope;
    int mark = scope_enter(s);
    s->unknown = "";
    s->in_schedule = true;
    for (int i = 0; i < kernel->statics.count; i++)
        if (!let_find(schedule, kernel->statics.items[i].name.name) &&
            !scope_lookup(s, kernel->statics.items[i].name.name))
            scope_declare(s, kernel->statics.items[i].name, NAME_STATIC);
    for (int i = 0; i < schedule->directives.count && !diag_full(s->diag); i++) {
        const Directive *d = &schedule->directives.items[i];
        check_expr(s, d->value);
        for (int k = 0; k < d->tunes.count; k++) {
            check_expr(s, d->tunes.items[k].lo);
            check_expr(s, d->tunes.items[k].hi);
            check_expr(s, d->tunes.items[k].step);
        }
        if (!binds(d))
            continue;
        check_let(c, kernel, d);
        const Entry *old = scope_lookup(s, d->name.name);
        if (strcmp(d->name.name, "grid") == 0) {
            check_report(c, d->name.pos, "choose another name",
                         "`grid` cannot be bound: grid.resident");
        } else if (old && old->kind == NAME_PARAMETER) {
            check_report(c, d->name.pos, NULL, "`%s` is bound twice", d->name.name);
            diag_note(s->diag, old->pos, "`%s` is bound here", d->name.name);
        } else {
            scope_declare(s, d->name, NAME_PARAMETER);
        }
    }
    s->in_schedule = false;
    scope_leave(s, mark);
}

void check_schedules(Check *c)
{
    for (int i = 0; i < c->schedules->count && !diag_full(c->scope.diag); i++) {
        const Item *schedule = c->schedules->items[i];
        const Item *kernel = kernel_of(c, schedule);
        check_targets(c, schedule);
        if (kernel && schedule->when)
            check_when(c, kernel, schedule);
        if (kernel)
            check_schedule(c, kernel, schedule);
    }
    for (int i = 0; i < c->kernels->count && !diag_full(c->scope.diag); i++)
        check_last(c, items_of(c, c->kernels->items[i]->name.name));
}

/* Instances */

static bool stores_as(const Param *p, const char *format)
{
    bool any = false;
    for (int i = 0; i < p->storage.count; i++) {
        const Word *w = &p->storage.items[i];
        if (strcmp(w->name, "store") != 0)
            continue;
        any = true;
        for (int k = 0; k < w->args.count; k++)
            if (w->args.items[k]->kind == E_NAME && !strcmp(w->args.items[k]->name, format))
                return true;
    }
    return !any && strcmp(format, "row") == 0;
}

static void check_form(Check *c, const Param *p, const Expr *x)
{
    static const char *const forms[] = {"row", "col_pad16", "ue8m0x4", "none"};
    const char *form = NULL;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (x->kind == E_NAME && strcmp(x->name, forms[i]) == 0)
            form = forms[i];
    if (!form)
        check_report(c, x->pos, "forms are none, row, col_pad16, ue8m0x4",
                     "unknown form of a tensor");
    else if (strcmp(form, "none") == 0 && !p->optional)
        check_report(
            c, x->pos,
            arena_format(c->scope.arena, "declare it with `?`: %s: .. [..]?", p->name.name),
            "%s is not optional: it has no form none", p->name.name);
    else if (strcmp(form, "none") && !stores_as(p, form))
        check_report(c, x->pos, "its formats stand in @ store(..)", "%s is not stored as %s",
                     p->name.name, form);
}

static void check_inst(Check *c, const Item *kernel, const Inst *in)
{
    const Static *st = static_find(kernel, in->key.name);
    const Param *p = param_find(kernel, in->key.name);
    if (!st && (!p || p->dir == DIR_SCALAR)) {
        check_report(c, in->key.pos, "keys are statics, dims and tensor parameters",
                     p ? "`%s` is a scalar of kernel %s" : "`%s` is no static of kernel %s",
                     in->key.name, kernel->name.name);
    } else if (st && static_is(st, "tune")) {
        check_report(c, in->key.pos, "a schedule binds it with `let`",
                     "`%s` is a schedule parameter: instances do not list it", in->key.name);
    }
    if (in->set.count == 0)
        check_report(c, in->key.pos, NULL, "the set of %s is empty", in->key.name);
    for (int i = 0; i < in->set.count; i++) {
        if (p && !st && p->dir != DIR_SCALAR)
            check_form(c, p, in->set.items[i]);
        else
            check_expr(&c->scope, in->set.items[i]);
    }
}

static void check_instance_sets(Check *c, const Item *it, const Item *kernel)
{
    Scope *s = &c->scope;
    s->unknown = "";
    for (int i = 0; i < it->insts.count && !diag_full(s->diag); i++) {
        const Inst *in = &it->insts.items[i];
        if (in->where)
            continue;
        check_inst(c, kernel, in);
        for (int k = 0; k < i; k++)
            if (!it->insts.items[k].where && it->insts.items[k].key.name == in->key.name) {
                check_report(c, in->key.pos, NULL, "`%s` is listed twice", in->key.name);
                break;
            }
    }
    int mark = scope_enter(s);
    for (int i = 0; i < kernel->statics.count; i++)
        if (!scope_lookup(s, kernel->statics.items[i].name.name))
            scope_declare(s, kernel->statics.items[i].name, NAME_STATIC);
    for (int i = 0; i < kernel->params.count; i++)
        if (!scope_lookup(s, kernel->params.items[i].name.name))
            scope_declare(s, kernel->params.items[i].name, NAME_TENSOR);
    for (int i = 0; i < it->insts.count; i++)
        check_expr(s, it->insts.items[i].where);
    scope_leave(s, mark);
}

void check_instances(Check *c)
{
    for (int i = 0; i < c->instances->count && !diag_full(c->scope.diag); i++) {
        const Item *it = c->instances->items[i];
        const Item *kernel = kernel_of(c, it);
        if (!kernel)
            continue;
        const Item *first = items_of(c, it->name.name)->instances.items[0];
        if (first != it) {
            check_report(c, it->name.pos, NULL, "a second `instances %s`", it->name.name);
            diag_note(c->scope.diag, first->name.pos, "the first is here");
        }
        check_instance_sets(c, it, kernel);
    }
}
