/* Roles: each pipe has one producer, and every consumer takes as many items as are put (R16);
 * a local tensor belongs to one role (R23). */
#include "compiler/pipes.h"

#include <string.h>

const char *role_name(const Op *roles, int role)
{
    return roles->regions[role]->name ? roles->regions[role]->name : "?";
}

int line_of(Pos pos)
{
    int line = 0, column = 0;
    if (pos.source)
        pos_line(pos, &line, &column);
    return line;
}

/* Who uses which pipe */

static PipeUse *use_of(Elab *e, PipeUses *uses, const Value *pipe, const Op *roles)
{
    for (int i = 0; i < uses->count; i++)
        if (uses->items[i].pipe == pipe)
            return &uses->items[i];
    PUSH(e->arena, uses, ((PipeUse){.pipe = pipe, .producer = -1}));
    PipeUse *u = &uses->items[uses->count - 1];
    u->gets = NEW_ARRAY(e->arena, const Op *, roles->nregions);
    return u;
}

static void found_put(Elab *e, const Op *roles, PipeUse *u, const Op *put, int role)
{
    if (u->producer < 0) {
        u->producer = role;
        u->put = put;
    } else if (u->producer != role) {
        fail(e, put->pos, "declare a pipe for each of them",
             "pipe %s has two producers: role %s and role %s", u->pipe->name,
             role_name(roles, u->producer), role_name(roles, role));
        diag_note(e->diag, u->put->pos, "role %s puts into it here", role_name(roles, u->producer));
    }
}

static void find_uses(Elab *e, const Op *roles, const Region *r, int role, PipeUses *uses)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_PUT)
            found_put(e, roles, use_of(e, uses, op->args[0], roles), op, role);
        if (op->code == OP_GET) {
            PipeUse *u = use_of(e, uses, op->args[0], roles);
            if (!u->gets[role])
                u->gets[role] = op;
        }
        for (int i = 0; i < op->nregions; i++)
            find_uses(e, roles, op->regions[i], role, uses);
    }
}

static bool has_get(const PipeUse *u, int nroles)
{
    for (int r = 0; r < nroles; r++)
        if (u->gets[r])
            return true;
    return false;
}

static void check_ends(Elab *e, const Op *roles, const PipeUse *u)
{
    const char *name = u->pipe->name;
    for (int r = 0; r < roles->nregions; r++) {
        if (u->gets[r] && u->producer < 0)
            fail(e, u->gets[r]->pos, NULL, "no role puts into pipe %s, and role %s takes from it",
                 name, role_name(roles, r));
        if (u->gets[r] && u->producer == r)
            fail(e, u->gets[r]->pos, "let another role take the items",
                 "role %s takes from pipe %s, into which it puts", role_name(roles, r), name);
    }
    if (!has_get(u, roles->nregions))
        fail(e, u->put->pos, NULL, "no role takes from pipe %s, and role %s puts into it", name,
             role_name(roles, u->producer));
}

/* How many items */

static bool mentions(const Region *r, const Value *pipe)
{
    for (const Op *op = r->first; op; op = op->next) {
        if ((op->code == OP_PUT || op->code == OP_GET) && op->args[0] == pipe)
            return true;
        for (int i = 0; i < op->nregions; i++)
            if (mentions(op->regions[i], pipe))
                return true;
    }
    return false;
}

/* A `continue` of the loop whose body this region is part of. */
static bool continues(const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_CONTINUE)
            return true;
        if (op->code == OP_IF && (continues(op->regions[0]) || continues(op->regions[1])))
            return true;
    }
    return false;
}

static Sum items_of(Counts *c, const Region *r, const Value *pipe, Sum after);

static Sum items_of_if(Counts *c, const Op *op, const Value *pipe, Sum after)
{
    const Region *yes = op->regions[0], *no = op->regions[1];
    if (!mentions(yes, pipe) && !mentions(no, pipe) && !continues(yes) && !continues(no))
        return after;
    Sum a = items_of(c, yes, pipe, after), b = items_of(c, no, pipe, after);
    if (sum_equal(&a, &b))
        return a;
    Sum condition = value_sum(c, op->args[0]);
    return sum_add(c, b, sum_multiply(c, condition, sum_add(c, a, b, -1)), 1);
}

static Sum items_of_loop(Counts *c, const Op *op, const Value *pipe, Sum after)
{
    const Region *body = op->regions[op->nregions - 1];
    if (!mentions(body, pipe))
        return after;
    enter_loop(c, op);
    Sum each = items_of(c, body, pipe, sum_constant(c, 0));
    leave_loop(c);
    return sum_add(c, after, loop_total(c, op, each), 1);
}

/* Items put or taken by the rest of the program from the begin of `r`, where `after` is what
 * follows behind it. */
static Sum items_of(Counts *c, const Region *r, const Value *pipe, Sum after)
{
    Sum n = after;
    for (const Op *op = r->last; op; op = op->prev) {
        switch (op->code) {
        case OP_CONTINUE:
            n = sum_constant(c, 0);
            break;
        case OP_PUT:
            if (op->args[0] == pipe)
                n = sum_add(c, n, sum_constant(c, 1), 1);
            break;
        case OP_GET:
            n = items_of(c, op->regions[0], pipe, n);
            if (op->args[0] == pipe)
                n = sum_add(c, n, sum_constant(c, 1), 1);
            break;
        case OP_IF:
            n = items_of_if(c, op, pipe, n);
            break;
        case OP_FOR:
        case OP_SHARE:
            n = items_of_loop(c, op, pipe, n);
            break;
        default:
            break;
        }
    }
    return n;
}

static void check_counts(Elab *e, Counts *c, const Op *roles, const PipeUse *u)
{
    Sum put = items_of(c, roles->regions[u->producer], u->pipe, sum_constant(c, 0));
    for (int r = 0; r < roles->nregions; r++) {
        if (!u->gets[r] || r == u->producer)
            continue;
        Sum taken = items_of(c, roles->regions[r], u->pipe, sum_constant(c, 0));
        if (sum_equal(&put, &taken))
            continue;
        const char *t = sum_text(c, &taken), *p = sum_text(c, &put);
        const char *name = u->pipe->name, *consumer = role_name(roles, r);
        const char *producer = role_name(roles, u->producer);
        if (sum_is_opaque(&put) || sum_is_opaque(&taken) || strcmp(t, p) == 0)
            fail(e, u->gets[r]->pos, "loop over the same range in both roles",
                 "cannot prove that role %s takes as many items from pipe %s as role %s puts: "
                 "%s and %s",
                 consumer, name, producer, t, p);
        else
            fail(e, u->gets[r]->pos, "loop over the same range in both roles",
                 "role %s takes %s items from pipe %s, role %s puts %s", consumer, t, name,
                 producer, p);
        diag_note(e->diag, u->put->pos, "role %s puts here", producer);
    }
}

/* Local tensors */

typedef struct LocalUse {
    const Value *local;
    int role;
    Pos pos;
} LocalUse;
typedef struct LocalUses {
    LocalUse *items;
    int count, capacity;
} LocalUses;

static void use_local(Elab *e, const Op *roles, LocalUses *uses, const Value *root, int role,
                      Pos pos)
{
    for (int i = 0; i < uses->count; i++) {
        const LocalUse *u = &uses->items[i];
        if (u->local != root)
            continue;
        if (u->role == role)
            return;
        fail(e, pos, "hand values over in a pipe",
             "local tensor %s is named by role %s and by role %s: it belongs to one role",
             root->name ? root->name : "?", role_name(roles, u->role), role_name(roles, role));
        diag_note(e->diag, u->pos, "role %s names it here", role_name(roles, u->role));
        return;
    }
    PUSH(e->arena, uses, ((LocalUse){root, role, pos}));
}

static void check_locals(Elab *e, const Op *roles, const Region *r, int role, LocalUses *uses)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nargs; i++) {
            const Value *root = tensor_root(op->args[i]);
            if (root->op && root->op->code == OP_LOCAL)
                use_local(e, roles, uses, root, role, op->pos);
        }
        for (int i = 0; i < op->nregions; i++)
            check_locals(e, roles, op->regions[i], role, uses);
    }
}

void check_roles(Elab *e, const Op *roles)
{
    int before = e->diag->errors;
    PipeUses uses = {0};
    LocalUses locals = {0};
    for (int r = 0; r < roles->nregions; r++) {
        find_uses(e, roles, roles->regions[r], r, &uses);
        check_locals(e, roles, roles->regions[r], r, &locals);
    }
    for (int i = 0; i < uses.count; i++)
        check_ends(e, roles, &uses.items[i]);
    if (e->diag->errors != before)
        return;
    Counts c = {.arena = e->arena, .roles = roles};
    for (int i = 0; i < uses.count; i++)
        check_counts(e, &c, roles, &uses.items[i]);
    if (e->diag->errors == before && uses.count > 0)
        check_deadlock(e, &c, roles, &uses);
}

/* One `roles` for each pipe */

typedef struct PipeOwner {
    const Value *pipe;
    const Op *roles, *use; /* of its last use so far */
} PipeOwner;
typedef struct PipeOwners {
    PipeOwner *items;
    int count, capacity;
} PipeOwners;

static void check_owner(Elab *e, PipeOwners *owners, PipeOwner now)
{
    for (int i = 0; i < owners->count; i++) {
        PipeOwner *o = &owners->items[i];
        if (o->pipe != now.pipe)
            continue;
        if (o->roles != now.roles) {
            fail(e, now.use->pos, "declare a pipe for each `roles`",
                 "pipe %s is used in two `roles`: one role puts into it, beside those that take",
                 now.pipe->name);
            diag_note(e->diag, o->use->pos, "the other `roles` uses it here");
        }
        *o = now;
        return;
    }
    PUSH(e->arena, owners, now);
}

static void find_owners(Elab *e, PipeOwners *owners, const Op *roles, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_PUT || op->code == OP_GET)
            check_owner(e, owners, (PipeOwner){op->args[0], roles, op});
        for (int i = 0; i < op->nregions; i++)
            find_owners(e, owners, op->code == OP_ROLES ? op : roles, op->regions[i]);
    }
}

void check_pipes(Elab *e, const Region *program)
{
    PipeOwners owners = {0};
    find_owners(e, &owners, NULL, program);
}
