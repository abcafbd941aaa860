#include "compiler/verify.h"

/* No control reaches the end of the region: what follows its op would never run. */
static bool diverges(const Region *r)
{
    const Op *last = r->last;
    if (!last || last->code == OP_CONTINUE)
        return last != NULL;
    if (last->code == OP_IF && last->nregions == 2)
        return diverges(last->regions[0]) && diverges(last->regions[1]);
    return last->code == OP_GET && last->nregions == 1 && diverges(last->regions[0]);
}

bool verify_diverges(const Op *op)
{
    if (op->code == OP_IF)
        return diverges(op->regions[0]) && diverges(op->regions[1]);
    return op->code == OP_GET && diverges(op->regions[0]);
}

/* `count` values that an op gives to `want`, whose kind is named by `what`. */
static bool same_types(Verifier *v, const Op *op, const char *what, int count, Value *const *values,
                       int wanted, Value *const *want)
{
    if (count != wanted)
        return verify_fail(v, op, "%d %s where %d are due", count, what, wanted);
    for (int i = 0; i < count; i++)
        if (!type_equal(&values[i]->type, &want[i]->type))
            return verify_fail(v, op, "%s %d: %s where %s is due", what, i,
                               verify_type_text(v, values[i]), verify_type_text(v, want[i]));
    return true;
}

static bool region_count(Verifier *v, const Op *op, int count)
{
    return op->nregions == count ||
           verify_fail(v, op, "%d regions where %d are due", op->nregions, count);
}

static bool index_args(Verifier *v, const Op *op, const Region *r, int count)
{
    if (r->nargs < count)
        return verify_fail(v, op, "a region has %d args where %d indices are due", r->nargs, count);
    for (int i = 0; i < count; i++)
        if (!verify_is_scalar(r->args[i], DT_I64))
            return verify_fail(v, op, "index %%%d is %s, not a scalar i64", r->args[i]->id,
                               verify_type_text(v, r->args[i]));
    return true;
}

/* Carried values: tiles that go in, into the region, and out as results. */
static bool verify_carried(Verifier *v, const Op *op, int fixed, const Region *body, int indices)
{
    int count = op->nargs - fixed;
    for (int a = fixed; a < op->nargs; a++)
        if (!verify_is_tile(op->args[a]))
            return verify_fail(v, op, "carries %s", verify_type_text(v, op->args[a]));
    if (body->nargs < indices)
        return verify_fail(v, op, "a region has %d args where %d are due", body->nargs, indices);
    return same_types(v, op, "results", op->nresults, op->results, count, op->args + fixed) &&
           same_types(v, op, "carried region args", body->nargs - indices, body->args + indices,
                      count, op->args + fixed);
}

static bool fixed_args(Verifier *v, const Op *op, int count)
{
    if (op->nargs < count)
        return verify_fail(v, op, "%d args where %d are due", op->nargs, count);
    for (int a = 0; a < count; a++)
        if (!verify_is_scalar(op->args[a], DT_I64))
            return verify_fail(v, op, "arg %d is %s, not a scalar i64", a,
                               verify_type_text(v, op->args[a]));
    return true;
}

static bool positive_step(Verifier *v, const Op *op, const Value *step)
{
    int64_t n;
    return !value_int(step, &n) || n > 0 ||
           verify_fail(v, op, "a step of %lld is not positive", (long long)n);
}

static bool verify_ranges(Verifier *v, const Op *op)
{
    if (op->nregions < 1)
        return verify_fail(v, op, "no body");
    int n = op->nregions - 1;
    for (int i = 0; i < n; i++) {
        const Region *r = op->regions[i];
        const Op *end = r->last;
        if (!index_args(v, op, r, i))
            return false;
        if (r->nargs != i)
            return verify_fail(v, op, "range %d has %d args where %d are due", i, r->nargs, i);
        if (!end || end->code != OP_YIELD || end->nargs != 3)
            return verify_fail(v, op, "range %d does not end in a yield of lo, hi, step", i);
        for (int a = 0; a < 3; a++)
            if (!end->args[a] || !verify_is_scalar(end->args[a], DT_I64))
                return verify_fail(v, op, "range %d yields no scalar i64", i);
        if (!positive_step(v, op, end->args[2]))
            return false;
    }
    return index_args(v, op, op->regions[n], n);
}

static bool verify_loop(Verifier *v, const Op *op)
{
    if (op->code == OP_FOR)
        return region_count(v, op, 1) && fixed_args(v, op, 3) &&
               positive_step(v, op, op->args[2]) && index_args(v, op, op->regions[0], 1) &&
               verify_carried(v, op, 3, op->regions[0], 1);
    int n = op->nregions - 1;
    if (!verify_ranges(v, op))
        return false;
    if (op->code == OP_SHARE)
        return fixed_args(v, op, 2) && verify_carried(v, op, 2, op->regions[n], n);
    return op->regions[n]->nargs == n ||
           verify_fail(v, op, "the body has %d args where %d are due", op->regions[n]->nargs, n);
}

static bool no_region_args(Verifier *v, const Op *op)
{
    for (int i = 0; i < op->nregions; i++)
        if (op->regions[i]->nargs)
            return verify_fail(v, op, "region %d has args", i);
    return true;
}

static bool verify_if(Verifier *v, const Op *op)
{
    if (!verify_is_scalar(op->args[0], DT_BOOL))
        return verify_fail(v, op, "the condition is %s, not a scalar bool",
                           verify_type_text(v, op->args[0]));
    for (int i = 0; i < op->nresults; i++)
        if (!verify_is_tile(op->results[i]))
            return verify_fail(v, op, "gives %s", verify_type_text(v, op->results[i]));
    if (!region_count(v, op, 2) || !no_region_args(v, op))
        return false;
    return !verify_diverges(op) || op->nresults == 0 ||
           verify_fail(v, op, "has results, and no branch gives them");
}

static bool verify_pipe(Verifier *v, const Op *op)
{
    const PipeInfo *p = op->pipe;
    if (!p || op->results[0]->type.kind != TY_PIPE)
        return verify_fail(v, op, "no pipe");
    if (p->stages < 1)
        return verify_fail(v, op, "%lld stages (R16)", (long long)p->stages);
    for (int i = 0; i < p->fields; i++) {
        const char *wrong = verify_type(&p->types[i]);
        if (wrong || p->types[i].kind != TY_TILE)
            return verify_fail(v, op, "field %s: %s", p->names[i], wrong ? wrong : "no tile");
    }
    return true;
}

static const PipeInfo *pipe_of(Verifier *v, const Op *op)
{
    const Value *pipe = op->nargs ? op->args[0] : NULL;
    if (pipe && pipe->type.kind == TY_PIPE && pipe->op && pipe->op->pipe)
        return pipe->op->pipe;
    verify_fail(v, op, "arg 0 is no pipe");
    return NULL;
}

static bool one_producer(Verifier *v, const Op *op, const Region *role)
{
    for (int i = 0; i < v->producer_count; i++)
        if (v->producers[i]->args[0] == op->args[0])
            return v->producer_roles[i] == role ||
                   verify_fail(v, op, "another role puts to the same pipe (R16)");
    if (v->producer_count == v->producer_capacity) {
        size_t bytes = (size_t)v->producer_count * sizeof(void *), more = 2 * bytes + 64;
        v->producers = arena_grow(v->arena, v->producers, bytes, more);
        v->producer_roles = arena_grow(v->arena, v->producer_roles, bytes, more);
        v->producer_capacity = (int)(more / sizeof(void *));
    }
    v->producers[v->producer_count] = op;
    v->producer_roles[v->producer_count++] = role;
    return true;
}

static bool verify_item(Verifier *v, const Op *op, const Region *role)
{
    const PipeInfo *p = pipe_of(v, op);
    if (!p)
        return false;
    if (op->code == OP_GET &&
        (!region_count(v, op, 1) || !verify_carried(v, op, 1, op->regions[0], p->fields)))
        return false;
    Value *const *fields = op->code == OP_GET ? op->regions[0]->args : op->args + 1;
    if (op->code == OP_PUT && op->nargs - 1 != p->fields)
        return verify_fail(v, op, "%d fields, the pipe has %d (R16)", op->nargs - 1, p->fields);
    for (int i = 0; i < p->fields; i++)
        if (!type_equal(&fields[i]->type, &p->types[i]))
            return verify_fail(v, op, "field %s is %s, in the pipe %s (R16)", p->names[i],
                               verify_type_text(v, fields[i]), type_text(v->arena, &p->types[i]));
    return op->code == OP_GET || one_producer(v, op, role);
}

static bool verify_yield(Verifier *v, const Op *op, const Op *owner, int index)
{
    bool ranged = owner->code == OP_PAR || owner->code == OP_SHARE;
    if (ranged && index < owner->nregions - 1)
        return true; /* verify_ranges */
    if (owner->code == OP_PAR || owner->code == OP_ROLES)
        return op->nargs == 0 || verify_fail(v, op, "%s yields nothing", op_info[owner->code].name);
    return same_types(v, op, "yielded values", op->nargs, op->args, owner->nresults,
                      owner->results);
}

/* The loop whose next iteration a CONTINUE starts; NULL after a message. */
static const Op *continued(Verifier *v, const Op *op)
{
    for (const Region *r = op->parent; r && r->parent; r = r->parent->parent) {
        const Op *owner = r->parent;
        bool ranged = owner->code == OP_PAR || owner->code == OP_SHARE;
        if (ranged && r != owner->regions[owner->nregions - 1]) {
            verify_fail(v, op, "leaves a range");
            return NULL;
        }
        if (ranged || owner->code == OP_FOR)
            return owner;
        if (owner->code == OP_ROLES) {
            verify_fail(v, op, "leaves a role");
            return NULL;
        }
    }
    verify_fail(v, op, "outside a loop");
    return NULL;
}

static bool verify_continue(Verifier *v, const Op *op)
{
    const Op *loop = continued(v, op);
    return loop &&
           same_types(v, op, "carried values", op->nargs, op->args, loop->nresults, loop->results);
}

bool verify_end(Verifier *v, const Op *owner, int index)
{
    const Region *r = owner->regions[index];
    if (r->last && (r->last->code == OP_YIELD || diverges(r)))
        return true;
    return verify_fail(v, owner, "region %d does not end in yield or continue", index);
}

bool verify_control(Verifier *v, const Op *op, const Region *role, const Op *owner, int index)
{
    switch (op->code) {
    case OP_IF:
        return verify_if(v, op);
    case OP_ROLES:
        return no_region_args(v, op) && (op->nregions > 0 || verify_fail(v, op, "no role"));
    case OP_PIPE:
        return verify_pipe(v, op);
    case OP_PUT:
    case OP_GET:
        return verify_item(v, op, role);
    case OP_YIELD:
        if (!owner)
            return verify_fail(v, op, "not at the kernel's level");
        return verify_yield(v, op, owner, index);
    case OP_CONTINUE:
        return verify_continue(v, op);
    default:
        return verify_loop(v, op);
    }
}
