/* Schedules of a variant: which a call may take, and their parameters. */
#include <string.h>

#include "compiler/variant.h"

static void choose_directive(Choice *c, const Item *schedule, int at);

/* Everything is chosen. */
static void give(Choice *c)
{
    const Item *schedule = c->variant.schedule;
    c->variant.numbers = (NumberList){0};
    if (schedule && !schedule_numbers(c, schedule)) {
        c->failed = true;
        return;
    }
    c->found++;
    c->each(c->context, c->kernel, &c->variant);
}

/* ---- parameters ---- */

static bool is_integer(const Term *t)
{
    return t->kind == T_VALUE && t->v->type.kind == TY_TILE && t->v->type.rank == 0 &&
           dtype_is_int(t->v->type.dtype);
}

/* A `let` sees what only a device knows. */
static Term let_value(Choice *c, const Expr *value)
{
    c->elab.allow_resident = true;
    Term t = elab_expr(&c->elab, value);
    c->elab.allow_resident = false;
    return t;
}

static void choose_value(Choice *c, const Item *schedule, int at, const Expr *value, Wide number,
                         bool is_number)
{
    const Directive *d = &schedule->directives.items[at];
    Term t = is_number ? term_int(number) : let_value(c, value);
    Setting s = {0};
    if (t.kind == T_ERROR) {
        c->failed = true;
        return;
    }
    if (is_integer(&t) && d->kind == D_LET) {
        s = (Setting){.kind = SET_INT, .run_time = true, .expr = value};
    } else if (!choice_setting(c, d->pos, &t, &s)) {
        diag_error(c->program->diag, value ? value->pos : d->pos, NULL,
                   "schedule parameter %s: %s is %s; %s is expected", d->name.name,
                   expr_text(c->program->arena, value), term_text(&c->elab, &t),
                   d->kind == D_LET ? "an integer" : "a constant");
        c->failed = true;
        return;
    }
    Mark m = choice_mark(c);
    choice_remember(c, &c->variant.params, d->name, s, &t);
    choose_directive(c, schedule, at + 1);
    choice_release(c, m);
}

static void choose_tune(Choice *c, const Item *schedule, int at)
{
    const Directive *d = &schedule->directives.items[at];
    int before = c->found;
    for (int i = 0; i < d->tunes.count; i++) {
        const Tune *u = &d->tunes.items[i];
        int64_t lo, hi, step = 1;
        if (!u->hi) {
            choose_value(c, schedule, at, u->lo, 0, false);
        } else if (!elab_int(&c->elab, u->lo, "a bound", &lo) ||
                   !elab_int(&c->elab, u->hi, "a bound", &hi) ||
                   (u->step && !elab_int(&c->elab, u->step, "a step", &step))) {
            c->failed = true;
        } else if (step <= 0) {
            diag_error(c->program->diag, u->step ? u->step->pos : d->pos, NULL, "the step is %lld",
                       (long long)step);
            c->failed = true;
        } else {
            for (int64_t v = lo; v <= hi && c->found == before && !c->failed; v += step)
                choose_value(c, schedule, at, NULL, v, true);
        }
        if (c->found != before || c->failed)
            return;
    }
}

static void choose_given(Choice *c, const Item *schedule, int at, Given *g)
{
    int64_t v;
    g->used = true;
    if (choice_given_int(g->text, &v)) {
        choose_value(c, schedule, at, NULL, v, true);
    } else {
        choice_given_failed(c, g, "an integer is expected");
        c->failed = true;
    }
}

/* Goes through the directives in order; the first choice that passes every require is taken. */
static void choose_directive(Choice *c, const Item *schedule, int at)
{
    if (at == schedule->directives.count) {
        give(c);
        return;
    }
    const Directive *d = &schedule->directives.items[at];
    Given *g = d->kind == D_LET || d->kind == D_TUNE ? choice_given(c, d->name.name) : NULL;
    if (g) {
        choose_given(c, schedule, at, g);
    } else if (d->kind == D_LET) {
        choose_value(c, schedule, at, d->value, 0, false);
    } else if (d->kind == D_TUNE) {
        choose_tune(c, schedule, at);
    } else {
        int ok = d->kind == D_REQUIRE ? choice_condition(c, d->value, "require") : 1;
        if (ok == -2)
            c->failed = true;
        if (ok == 1 || ok == -1)
            choose_directive(c, schedule, at + 1);
    }
}

static bool binds_param(const Item *schedule, Name name)
{
    for (int i = 0; schedule && i < schedule->directives.count; i++) {
        const Directive *d = &schedule->directives.items[i];
        if ((d->kind == D_LET || d->kind == D_TUNE) && d->name.name == name)
            return true;
    }
    return false;
}

/* `tune` statics that the schedule leaves out keep their default. */
static bool tune_defaults(Choice *c, const Item *schedule)
{
    for (int i = 0; i < c->kernel->statics.count; i++) {
        const Static *st = &c->kernel->statics.items[i];
        if (strcmp(st->kind.name, "tune") != 0 || binds_param(schedule, st->name.name))
            continue;
        Setting s = {0};
        Term t = term_error();
        Given *g = choice_given(c, st->name.name);
        if (g) {
            if (!choice_given_static(c, st, g, &s, &t))
                return false;
        } else if (!st->init) {
            return diag_error(c->program->diag, st->name.pos, "give it a default: BM: tune = 64",
                              "no schedule binds %s and it has no default", st->name.name);
        } else {
            t = elab_expr(&c->elab, st->init);
            if (t.kind == T_ERROR || !choice_setting(c, st->init->pos, &t, &s) ||
                !choice_suits(c, st, st->init->pos, &s))
                return false;
        }
        choice_remember(c, &c->variant.params, st->name, s, &t);
    }
    return true;
}

/* The schedule parameters that the request gives: "-s BM=5 -s BN=7". */
static const char *given_params(const Choice *c, const Item *schedule)
{
    const char *text = "";
    for (int i = 0; i < schedule->directives.count; i++) {
        const Directive *d = &schedule->directives.items[i];
        const Given *g = d->kind == D_LET || d->kind == D_TUNE ? choice_given(c, d->name.name)
                                                               : NULL;
        if (g)
            text = arena_format(c->program->arena, "%s%s-s %s=%s", text, *text ? " " : "", g->name,
                                g->text);
    }
    return text;
}

static void choose_params(Choice *c, const Item *schedule)
{
    Mark m = choice_mark(c);
    int before = c->found, errors = c->program->diag->errors;
    c->variant.schedule = schedule;
    if (!tune_defaults(c, schedule))
        c->failed = true;
    else if (schedule)
        choose_directive(c, schedule, 0);
    else
        give(c);
    if (c->found == before && schedule && c->program->diag->errors == errors) {
        const char *given = given_params(c, schedule),
                   *chosen = variant_text(c->program, &c->variant);
        diag_error(c->program->diag, schedule->pos, NULL,
                   "schedule %s: no choice of its parameters passes `require` for %s%s%s",
                   schedule->name.name, chosen, *given && *chosen ? " " : "", given);
        c->failed = true;
    }
    choice_release(c, m);
}

/* ---- which schedules ---- */

bool schedule_is_for(const Item *schedule, const char *target)
{
    for (int i = 0; i < schedule->members.count; i++)
        if (strcmp(schedule->members.items[i].name, target) == 0)
            return true;
    return schedule->members.count == 0;
}

const char *schedule_first_target(const Program *p, const Item *kernel)
{
    for (int i = 0; i < p->schedules.count; i++) {
        const Item *s = p->schedules.items[i];
        if (s->name.name == kernel->name.name)
            return s->members.count ? s->members.items[0].name : "sm90";
    }
    return NULL;
}

bool schedules_have_when(const Program *p, const Item *kernel)
{
    for (int i = 0; i < p->schedules.count; i++)
        if (p->schedules.items[i]->name.name == kernel->name.name && p->schedules.items[i]->when)
            return true;
    return false;
}

/* Dims and scalars as the run has them. */
static void bind_given(Choice *c)
{
    int64_t n;
    for (int i = 0; i < c->kernel->statics.count; i++) {
        Ident id = c->kernel->statics.items[i].name;
        const Given *g = choice_given(c, id.name);
        if (g && strcmp(c->kernel->statics.items[i].kind.name, "dim") == 0 &&
            choice_given_int(g->text, &n))
            choice_bind(c, id, term_int(n));
    }
    for (int i = 0; i < c->kernel->params.count; i++) {
        const Param *p = &c->kernel->params.items[i];
        const Given *g = choice_given(c, p->name.name);
        if (g && p->dir == DIR_SCALAR && choice_given_int(g->text, &n))
            choice_bind(c, p->name, term_int(n));
    }
}

/* Is the schedule for the calls of this variant? As choice_condition says. */
static int is_taken(Choice *c, const Item *schedule)
{
    if (!schedule->when)
        return 1;
    Mark m = choice_mark(c);
    if (c->request && c->request->dims_given)
        bind_given(c);
    int taken = choice_condition(c, schedule->when, "when");
    choice_release(c, m);
    return taken;
}

/* Those for the target (NULL: any), as far as calls of this variant may take them. */
static void choose_schedules(Choice *c, const char *target)
{
    c->variant.number = 0;
    for (int i = 0; i < c->program->schedules.count; i++) {
        const Item *s = c->program->schedules.items[i];
        if (s->name.name != c->kernel->name.name || (target && !schedule_is_for(s, target)))
            continue;
        int taken = is_taken(c, s);
        if (taken == -2)
            c->failed = true;
        c->variant.when = taken == -1 ? s->when : NULL;
        if (taken == 1 || taken == -1) {
            choose_params(c, s);
            c->variant.number += target != NULL;
        }
        if (taken == 1 && target)
            return;
    }
}

void choice_schedules(Choice *c)
{
    const char *first = schedule_first_target(c->program, c->kernel);
    const char *target = c->target || !c->request ? c->target : first;
    const Item *other = NULL;
    bool any = false;
    c->passed = true;
    c->variant.when = NULL;
    c->variant.number = 0;
    for (int i = 0; i < c->program->schedules.count; i++) {
        const Item *s = c->program->schedules.items[i];
        bool own = s->name.name == c->kernel->name.name;
        any |= own && (!target || schedule_is_for(s, target));
        other = own && !other ? s : other;
    }
    if (any) {
        choose_schedules(c, target);
    } else if (!other) {
        choose_params(c, NULL);
    } else if (c->request) {
        diag_error(c->program->diag, other->pos, NULL, "%s has no schedule for %s",
                   c->kernel->name.name, target);
        c->failed = true;
    }
}
