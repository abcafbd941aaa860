/* Roles become ranges of warps, in the order of the text. What stands outside of them is computed
 * by the whole block; a tile of it that a role uses is handed over in a local tensor. Scalars are
 * in every thread. */
#include "compiler/roles.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/directives.h"
#include "compiler/locals.h"

/* ---- how many warps ---- */

enum { DEFAULT_WARPS = 4, WARPGROUP = 4, MOST_WARPS = 32 };

/* The number of a word of the role's own, "warps(1) regs(40)"; 0: it is not said. */
static int own_number(const Region *role, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = role->words; p && *p; p += strcspn(p, " "), p += strspn(p, " "))
        if (strncmp(p, word, n) == 0 && p[n] == '(')
            return atoi(p + n + 1);
    return 0;
}

/* What the schedule or the role itself says. False after a message. */
static bool find_number(const Lowered *low, const PhasePlan *plan, const Region *role,
                        const char *word, int *out)
{
    const Word *w = directive_take(low, plan, "role", role->name, word);
    *out = own_number(role, word);
    return !w || directive_number(low, w, out);
}

static bool plan_role(const Lowered *low, PhasePlan *plan, const Op *roles, int i, int *warps)
{
    const Region *role = roles->regions[i];
    RolePlan *r = &plan->roles[plan->nroles++];
    const Directive *d = directive_find(low, plan, "role", role->name);
    int groups, own = 0;
    if (own_number(role, "regs") && !directive_word(d, "regs"))
        return diag_error(low->diag, roles->pos,
                          "the interpreter runs it; its lowering comes later",
                          "regs of role %s: not lowered to CUDA yet", role->name);
    if (!find_number(low, plan, role, "warpgroups", &groups))
        return false;
    /* A word of the schedule goes before both of the role's own. */
    if (!directive_word(d, "warpgroups") && !find_number(low, plan, role, "warps", &own))
        return false;
    if (directive_word(d, "warps"))
        groups = 0;
    int n = groups ? groups * WARPGROUP : own ? own : DEFAULT_WARPS;
    *r = (RolePlan){role, *warps, n};
    *warps += n;
    return *warps <= MOST_WARPS ||
           diag_error(low->diag, roles->pos, "give a role fewer warps(n)",
                      "the roles take more than %d warps, which a block has at most", MOST_WARPS);
}

typedef struct Found {
    Arena *arena;
    Op **items;
    int count, capacity, regions;
} Found;

static void find_roles(void *context, Op *op)
{
    Found *f = context;
    if (op->code != OP_ROLES)
        return;
    f->regions += op->nregions;
    PUSH(f->arena, f, op);
}

static Found roles_of(const Lowered *low, const PhasePlan *plan)
{
    Found f = {.arena = low->arena};
    each_op(plan->par->regions[plan->par->nregions - 1], find_roles, &f);
    return f;
}

bool plan_roles(Lowered *low, PhasePlan *plan)
{
    Found found = roles_of(low, plan);
    int most = 0;
    if (!found.count)
        return true;
    plan->roles = NEW_ARRAY(low->arena, RolePlan, found.regions);
    for (int i = 0; i < found.count; i++) {
        int warps = 0;
        for (int k = 0; k < found.items[i]->nregions; k++)
            if (!plan_role(low, plan, found.items[i], k, &warps))
                return false;
        most = warps > most ? warps : most;
    }
    const Word *w = directive_word(directive_find(low, plan, "unit", NULL), "warps");
    if (w && plan->unit.warps != most)
        return diag_error(low->diag, w->pos, "leave it out",
                          "unit block warps(%d): the roles of the program take %d warps",
                          plan->unit.warps, most);
    plan->unit = (ThreadUnit){32, most};
    return true;
}

const RolePlan *role_at(const PhasePlan *plan, const Op *op)
{
    if (!plan->nroles)
        return NULL;
    for (const Region *r = op->parent; r && r->parent; r = r->parent->parent)
        for (int i = 0; r->parent->code == OP_ROLES && i < plan->nroles; i++)
            if (plan->roles[i].region == r)
                return &plan->roles[i];
    return NULL;
}

ThreadUnit unit_at(const PhasePlan *plan, const Op *op)
{
    const RolePlan *r = role_at(plan, op);
    return r ? (ThreadUnit){32, r->warps} : plan->unit;
}

/* ---- tiles that stand outside ---- */

typedef struct Hand {
    Lowered *low;
    Op *roles;
    struct {
        Value **items;
        int count, capacity;
    } values;
} Hand;

static void find_values(void *context, Op *op)
{
    Hand *h = context;
    for (int i = 0; i < op->nargs; i++) {
        Value *v = op->args[i];
        bool known = v->type.kind != TY_TILE || is_uniform(v) || type_elements(&v->type) == 0 ||
                     op->code == OP_BIND || is_below_op(value_region(v), h->roles);
        for (int k = 0; k < h->values.count; k++)
            known |= h->values.items[k] == v;
        if (!known)
            PUSH(h->low->arena, &h->values, v);
    }
}

static void hand_over(Hand *h, Value *v)
{
    Kernel *k = h->low->kernel;
    Pos pos = h->roles->pos;
    Op *local = local_new(k, pos, v->name ? v->name : "handed", &v->type);
    op_insert_before(h->roles, local);
    op_insert_before(h->roles, local_access(k, pos, local->results[0], -1, 0, NULL, v));
    for (int i = 0; i < h->roles->nregions; i++) {
        Region *r = h->roles->regions[i];
        if (!count_uses(r, v))
            continue;
        Op *load = local_access(k, pos, local->results[0], -1, 0, NULL, NULL);
        load->results[0]->name = v->name;
        op_insert_before(r->first, load);
        replace_uses(r, v, load->results[0]);
    }
}

void hand_to_roles(Lowered *low, const PhasePlan *plan)
{
    Found found = roles_of(low, plan);
    for (int i = 0; i < found.count; i++) {
        Hand h = {.low = low, .roles = found.items[i]};
        for (int k = 0; k < h.roles->nregions; k++)
            each_op(h.roles->regions[k], find_values, &h);
        for (int k = 0; k < h.values.count; k++)
            hand_over(&h, h.values.items[k]);
    }
}
