#include "compiler/verify.h"

#include <string.h>

/* Where in the kernel a region is. */
typedef struct Place {
    bool in_par, in_range, in_role;
    int depth;
    const Region *role;
} Place;

static bool verify_region(Verifier *, const Region *, Place);

bool verify_fail(Verifier *v, const Op *op, const char *format, ...)
{
    if (v->message)
        return false;
    va_list args;
    va_start(args, format);
    const char *text = arena_vformat(v->arena, format, args);
    va_end(args);
    const char *place = op->pos.source ? pos_text(v->arena, op->pos) : v->kernel->name;
    const char *name = (unsigned)op->code < OP_COUNT ? op_info[op->code].name : "op";
    if (op->nresults > 0 && op->results[0])
        name = arena_format(v->arena, "%s %%%d", name, op->results[0]->id);
    v->message = arena_format(v->arena, "%s: %s: %s", place, name, text);
    return false;
}

const char *verify_type_text(Verifier *v, const Value *value)
{
    return type_text(v->arena, &value->type);
}

bool verify_is_tile(const Value *value)
{
    return value->type.kind == TY_TILE;
}

bool verify_is_scalar(const Value *value, DType t)
{
    return verify_is_tile(value) && value->type.rank == 0 && value->type.dtype == t;
}

bool verify_is_int_scalar(const Value *value)
{
    return verify_is_tile(value) && value->type.rank == 0 && dtype_is_int(value->type.dtype);
}

bool verify_axis(Verifier *v, const Op *op, const Type *t)
{
    if (op->axis >= 0 && op->axis < t->rank)
        return true;
    return verify_fail(v, op, "no axis %d in %s", op->axis, type_text(v->arena, t));
}

bool verify_result(Verifier *v, const Op *op, int index, const Type *want)
{
    if (type_equal(&op->results[index]->type, want))
        return true;
    return verify_fail(v, op, "the result is %s, not %s", verify_type_text(v, op->results[index]),
                       type_text(v->arena, want));
}

static ValueSlot *slot_of(Verifier *v, int id)
{
    size_t i = (size_t)(unsigned)id * 2654435761u % v->slot_count;
    while (v->slots[i].value && v->slots[i].value->id != id)
        i = (i + 1) % v->slot_count;
    return &v->slots[i];
}

static void grow_slots(Verifier *v)
{
    ValueSlot *old = v->slots;
    size_t count = v->slot_count;
    v->slot_count = count ? 2 * count : 256;
    v->slots = NEW_ARRAY(v->arena, ValueSlot, v->slot_count);
    for (size_t i = 0; i < count; i++)
        if (old[i].value)
            *slot_of(v, old[i].value->id) = old[i];
}

static bool define(Verifier *v, const Op *op, const Value *value)
{
    if (2 * v->slots_used >= v->slot_count)
        grow_slots(v);
    ValueSlot *slot = slot_of(v, value->id);
    if (slot->value)
        return verify_fail(v, op, "two values have the number %%%d", value->id);
    if (value->id < 0 || value->id >= v->kernel->next_id)
        return verify_fail(v, op, "the number %%%d is not below the kernel's next", value->id);
    const char *wrong = verify_type(&value->type);
    if (wrong)
        return verify_fail(v, op, "%%%d: %s", value->id, wrong);
    *slot = (ValueSlot){value, true};
    v->slots_used++;
    if (v->scope_count == v->scope_capacity) {
        size_t bytes = v->scope_count * sizeof *v->scope;
        v->scope = arena_grow(v->arena, v->scope, bytes, 2 * bytes + 64 * sizeof *v->scope);
        v->scope_capacity = 2 * v->scope_capacity + 64;
    }
    v->scope[v->scope_count++] = value;
    return true;
}

static void leave_scope(Verifier *v, size_t count)
{
    while (v->scope_count > count)
        slot_of(v, v->scope[--v->scope_count]->id)->visible = false;
}

static bool verify_uses(Verifier *v, const Op *op)
{
    for (int a = 0; a < op->nargs; a++) {
        const Value *value = op->args[a];
        if (!value)
            return verify_fail(v, op, "arg %d is missing", a);
        const ValueSlot *slot = v->slot_count ? slot_of(v, value->id) : NULL;
        if (!slot || slot->value != value)
            return verify_fail(v, op, "%%%d is used before it is defined", value->id);
        if (!slot->visible)
            return verify_fail(v, op, "%%%d is used outside the region that defines it", value->id);
    }
    return true;
}

static bool body_level_op(const Op *op)
{
    return op->code == OP_DIM || op->code == OP_SCALAR || op->code == OP_TENSOR ||
           op->code == OP_REQUIRE || op->code == OP_RESIDENT || op->code == OP_WHEN ||
           op->code == OP_PAR;
}

static bool range_op(const Op *op)
{
    switch (op->code) {
    case OP_STORE:
    case OP_ATOMIC_ADD:
    case OP_SIGNAL:
    case OP_WAIT:
    case OP_LOCAL:
    case OP_GRID_SYNC:
    case OP_EXCHANGE:
    case OP_ROLES:
    case OP_PIPE:
    case OP_SHARE:
        return false;
    default:
        return true;
    }
}

static bool phase_op(const Op *op)
{
    switch (op->code) {
    case OP_FOR:
    case OP_LOAD:
    case OP_PRINT:
        return true;
    default:
        return !range_op(op);
    }
}

static bool verify_place(Verifier *v, const Op *op, Place at)
{
    const char *name = op_info[op->code].name;
    if (body_level_op(op) && at.depth > 0)
        return verify_fail(v, op, "only in the kernel's body, not in a region");
    if (phase_op(op) && !at.in_par)
        return verify_fail(v, op, "only inside a par");
    if (!range_op(op) && at.in_range)
        return verify_fail(v, op, "not inside a range");
    if ((op->code == OP_PUT || op->code == OP_GET) && !at.in_role)
        return verify_fail(v, op, "only inside a role (R16)");
    bool whole = op->code == OP_GRID_SYNC || op->code == OP_EXCHANGE || op->code == OP_ROLES ||
                 op->code == OP_PIPE;
    return !(whole && at.in_role) || verify_fail(v, op, "%s inside a role (R13, R16)", name);
}

static bool verify_arity(Verifier *v, const Op *op)
{
    const OpInfo *info = &op_info[op->code];
    if (info->args >= 0 && op->nargs != info->args)
        return verify_fail(v, op, "%d args where %d are due", op->nargs, info->args);
    if (info->results >= 0 && op->nresults != info->results)
        return verify_fail(v, op, "%d results where %d are due", op->nresults, info->results);
    if (op->code == OP_SUM && (op->nargs < 1 || op->nargs > 2))
        return verify_fail(v, op, "%d args where 1 or 2 are due", op->nargs);
    bool regions = strchr(info->flags, 'R') != NULL;
    return regions || op->nregions == 0 || verify_fail(v, op, "has regions");
}

static bool verify_rule(Verifier *v, const Op *op, Place at, const Op *owner, int index)
{
    switch (op->code) {
    case OP_PAR:
    case OP_FOR:
    case OP_SHARE:
    case OP_IF:
    case OP_ROLES:
    case OP_PIPE:
    case OP_PUT:
    case OP_GET:
    case OP_YIELD:
    case OP_CONTINUE:
        return verify_control(v, op, at.role, owner, index);
    case OP_DIM:
    case OP_RESIDENT:
    case OP_WHEN:
    case OP_SCALAR:
    case OP_TENSOR:
    case OP_PRESENT:
    case OP_REQUIRE:
    case OP_BIND:
    case OP_EXTRACT:
    case OP_VIEW_RESHAPE:
    case OP_VIEW_SLICE:
    case OP_VIEW_TRANS:
    case OP_VIEW_UPSAMPLE:
    case OP_TABLE:
    case OP_EXTENT:
    case OP_LOCAL:
    case OP_LOAD:
    case OP_STORE:
    case OP_ATOMIC_ADD:
    case OP_COPIES:
    case OP_ASSERT:
    case OP_ASSUME:
    case OP_PRINT:
    case OP_GRID_SYNC:
    case OP_EXCHANGE:
    case OP_SIGNAL:
    case OP_WAIT:
        return verify_memory(v, op);
    default:
        return verify_values(v, op);
    }
}

static bool verify_links(Verifier *v, const Op *op, const Region *r)
{
    if (op->parent != r || (op->prev ? op->prev->next != op : r->first != op) ||
        (op->next ? op->next->prev != op : r->last != op))
        return verify_fail(v, op, "is linked wrongly into its region");
    for (int i = 0; i < op->nresults; i++)
        if (!op->results[i] || op->results[i]->op != op || op->results[i]->index != i)
            return verify_fail(v, op, "result %d is not its own", i);
    for (int i = 0; i < op->nregions; i++)
        if (!op->regions[i] || op->regions[i]->parent != op)
            return verify_fail(v, op, "region %d is not its own", i);
    return true;
}

/* The results' types are looked at before the rules of ops compute with them; the results become
 * visible after the op. */
static bool verify_result_types(Verifier *v, const Op *op)
{
    for (int i = 0; i < op->nresults; i++) {
        const char *wrong = verify_type(&op->results[i]->type);
        if (wrong)
            return verify_fail(v, op, "%%%d: %s", op->results[i]->id, wrong);
    }
    return true;
}

static bool verify_subregions(Verifier *v, const Op *op, Place at)
{
    bool ranged = op->code == OP_PAR || op->code == OP_SHARE;
    at.depth++;
    at.in_par = at.in_par || op->code == OP_PAR;
    for (int i = 0; i < op->nregions; i++) {
        const Region *r = op->regions[i];
        Place inner = at;
        inner.in_range = at.in_range || (ranged && i < op->nregions - 1);
        if (op->code == OP_ROLES) {
            inner.in_role = true;
            inner.role = r;
        }
        size_t outer = v->scope_count;
        for (int a = 0; a < r->nargs; a++)
            if (!r->args[a] || r->args[a]->region != r || r->args[a]->op)
                return verify_fail(v, op, "arg %d of region %d is not its own", a, i);
            else if (!define(v, op, r->args[a]))
                return false;
        if (!verify_end(v, op, i) || !verify_region(v, r, inner))
            return false;
        leave_scope(v, outer);
    }
    return true;
}

static bool verify_op(Verifier *v, const Op *op, Place at, const Op *owner, int index)
{
    if ((int)op->code < 0 || op->code >= OP_COUNT)
        return verify_fail(v, op, "no such op");
    if (!verify_links(v, op, op->parent) || !verify_arity(v, op) || !verify_uses(v, op) ||
        !verify_result_types(v, op) || !verify_place(v, op, at) ||
        !verify_rule(v, op, at, owner, index) || !verify_plan(v, op) ||
        !verify_subregions(v, op, at))
        return false;
    for (int i = 0; i < op->nresults; i++)
        if (!define(v, op, op->results[i]))
            return false;
    bool ends = op->code == OP_YIELD || op->code == OP_CONTINUE || verify_diverges(op);
    return !ends || !op->next || verify_fail(v, op, "an op follows the end of a region");
}

static bool verify_region(Verifier *v, const Region *r, Place at)
{
    int index = 0;
    if (at.depth > MAX_NESTING)
        return verify_fail(v, r->parent, "regions are nested deeper than %d", MAX_NESTING);
    while (r->parent && r->parent->regions[index] != r)
        index++;
    for (const Op *op = r->first; op; op = op->next) {
        if (op->parent != r)
            return verify_fail(v, op, "is linked wrongly into its region");
        if (!verify_op(v, op, at, r->parent, index))
            return false;
    }
    return true;
}

const char *kernel_verify(Arena *arena, const Kernel *k)
{
    Verifier v = {.arena = arena, .kernel = k};
    if (!k->body || k->body->parent || k->body->nargs)
        return "the kernel's body is no body";
    verify_region(&v, k->body, (Place){0});
    return v.message;
}
