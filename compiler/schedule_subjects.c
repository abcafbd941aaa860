/* What directives are about: loops, values, tensors, statics and roles of the kernel. */
#include <string.h>

#include "compiler/schedule_check.h"

const Static *static_of(const ScheduleCheck *c, Name name)
{
    for (int i = 0; i < c->kernel->statics.count; i++)
        if (c->kernel->statics.items[i].name.name == name)
            return &c->kernel->statics.items[i];
    return NULL;
}

const char *kernel_name(const ScheduleCheck *c)
{
    return c->kernel->name.name;
}

static const char *nearest_tensor(ScheduleCheck *c, Name name)
{
    struct {
        const char **items;
        int count, capacity;
    } v = {0};
    for (int i = 0; i < c->kernel->params.count; i++)
        if (c->kernel->params.items[i].dir != DIR_SCALAR)
            PUSH(c->arena, &v, c->kernel->params.items[i].name.name);
    for (int i = 0; i < c->kernel->scratch.count; i++)
        PUSH(c->arena, &v, c->kernel->scratch.items[i].name.name);
    return nearest_of(c, name, v.items, v.count);
}

/* A tensor that is loaded (or stored) here. */
void check_tensor(ScheduleCheck *c, Name name, Pos pos, bool store)
{
    const Param *p = tensor_param(c->kernel, name);
    const char *where = c->phase < 0 ? "" : " in this phase";
    if (!p)
        diag_error(c->diag, pos, nearest_tensor(c, name), "`%s` is no tensor of kernel %s", name,
                   kernel_name(c));
    else if (store && p->dir == DIR_IN)
        diag_error(c->diag, pos, NULL, "%s is an `in` tensor: kernel %s does not store to it", name,
                   kernel_name(c));
    else if (store && !tensor_is_stored(&c->facts, name, c->phase))
        diag_error(c->diag, pos, NULL, "kernel %s does not store to %s%s", kernel_name(c), name,
                   where);
    else if (!store && !tensor_is_loaded(&c->facts, name, c->phase))
        diag_error(c->diag, pos, NULL, "kernel %s does not load %s%s", kernel_name(c), name, where);
}

/* The one variable of that name, NULL after a message. */
static const Variable *check_variable(ScheduleCheck *c, Name name, Pos pos)
{
    const Variable *found = NULL, *second = NULL;
    struct {
        const char **items;
        int count, capacity;
    } v = {0};
    for (int i = 0; i < c->facts.variables.count; i++) {
        const Variable *x = &c->facts.variables.items[i];
        if (c->phase >= 0 && x->phase >= 0 && x->phase != c->phase)
            continue;
        PUSH(c->arena, &v, x->name);
        if (x->name == name) {
            second = found ? x : NULL;
            found = found ? found : x;
        }
        if (second)
            break;
    }
    if (!found) {
        diag_error(c->diag, pos, nearest_of(c, name, v.items, v.count),
                   "kernel %s has no variable `%s`%s", kernel_name(c), name,
                   c->phase < 0 ? "" : " in this phase");
    } else if (second) {
        diag_error(c->diag, pos, "give one of them another name",
                   "`%s` is the name of two variables of kernel %s", name, kernel_name(c));
        diag_note(c->diag, found->pos, "the first is here");
        diag_note(c->diag, second->pos, "the second is here");
        found = NULL;
    }
    return found;
}

static void check_loop(ScheduleCheck *c, Name name, Pos pos)
{
    if (strcmp(name, "programs") == 0)
        return;
    const Variable *v = check_variable(c, name, pos);
    if (v && v->kind == V_PAR_INDEX)
        diag_error(c->diag, pos, "pipeline programs runs the loads of the next programs ahead",
                   "`%s` is an index of the par, not of a loop", name);
    else if (v && v->kind != V_INDEX)
        diag_error(c->diag, pos, NULL, "`%s` is no index of a loop", name);
}

static void check_value(ScheduleCheck *c, Name name, Pos pos)
{
    if (tensor_param(c->kernel, name)) {
        check_tensor(c, name, pos, false);
        return;
    }
    const Variable *v = check_variable(c, name, pos);
    if (v && v->kind != V_VALUE && v->kind != V_LOCAL && v->kind != V_VIEW)
        diag_error(c->diag, pos, NULL, "`%s` is %s: it has no place", name,
                   v->kind == V_PIPE ? "a pipe" : "an index");
}

static void check_operation(ScheduleCheck *c, Name name, Pos pos, bool mma)
{
    const Variable *v = check_variable(c, name, pos);
    if (v && (v->kind != V_VALUE || !(mma ? v->has_mma : v->has_fma)))
        diag_error(c->diag, pos, NULL, "`%s` is not the result of %s", name,
                   mma ? "an mma" : "fma");
}

static void check_static(ScheduleCheck *c, Name name, Pos pos)
{
    const Static *s = static_of(c, name);
    bool fixed = false;
    for (int i = 0; i < c->program->instances.count; i++) {
        const Item *it = c->program->instances.items[i];
        for (int k = 0; it->name.name == c->kernel->name.name && k < it->insts.count; k++)
            fixed |= it->insts.items[k].key.name == name;
    }
    if (!s)
        diag_error(c->diag, pos, NULL, "`%s` is no static of kernel %s", name, kernel_name(c));
    else if (strcmp(s->kind.name, "int") != 0 && !(strcmp(s->kind.name, "dim") == 0 && fixed))
        diag_error(c->diag, pos, "chunk cuts an axis of constant extent",
                   "`%s` is a %s, not an int static", name, s->kind.name);
}

const Stmt *roles_here(const ScheduleCheck *c)
{
    for (int i = 0; i < c->facts.roles.count; i++)
        if (c->phase < 0 || c->facts.role_phases.items[i] == c->phase)
            return c->facts.roles.items[i];
    return NULL;
}

void check_role_name(ScheduleCheck *c, const Directive *d)
{
    bool any = false, found = false;
    for (int i = 0; i < c->facts.roles.count; i++) {
        if (c->phase >= 0 && c->facts.role_phases.items[i] != c->phase)
            continue;
        any = true;
        const RoleList *roles = &c->facts.roles.items[i]->roles;
        for (int k = 0; k < roles->count; k++)
            found |= roles->items[k].name.name == d->name.name;
    }
    if (any && !found)
        diag_error(c->diag, d->name.pos, "the kernel's own roles take warps, warpgroups, regs",
                   "kernel %s has roles, and none is named `%s`", kernel_name(c), d->name.name);
    else if (any && d->phrases.count > 0)
        diag_error(c->diag, d->phrases.items[0].words.items[0].pos, NULL,
                   "role %s stands in the kernel: its statements are its own", d->name.name);
}

void check_subject(ScheduleCheck *c, Subject subject, Name name, Pos pos)
{
    switch (subject) {
    case LOOP:
        check_loop(c, name, pos);
        break;
    case VALUE:
        check_value(c, name, pos);
        break;
    case LOADED:
        check_tensor(c, name, pos, false);
        break;
    case STORED:
        check_tensor(c, name, pos, true);
        break;
    case PRODUCT:
        check_operation(c, name, pos, true);
        break;
    case SUM:
        check_operation(c, name, pos, false);
        break;
    case STATIC:
        check_static(c, name, pos);
        break;
    case NOTHING:
    case ROLE:
        break;
    }
}

const char *const subject_text[] = {
    [LOOP] = "the index of a loop, or programs",
    [VALUE] = "a value",
    [LOADED] = "a tensor",
    [STORED] = "a tensor",
    [PRODUCT] = "the result of an mma",
    [SUM] = "the result of an fma",
    [STATIC] = "an int static",
    [ROLE] = "a role",
    [NOTHING] = "",
};
