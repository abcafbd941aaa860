#include "compiler/sum_orders.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Values are shared: what needs more steps is taken to differ. */
enum { KEY_STEPS = 2000, REACH_STEPS = 4000 };

SumOrders *sum_orders_new(Arena *arena, const Variant *v)
{
    if (!v->when && v->number == 0)
        return NULL;
    SumOrders *o = NEW(arena, SumOrders);
    *o = (SumOrders){.arena = arena, .when = v->when, .number = v->number};
    return o;
}

static void add(SumOrders *o, Pos pos, bool loop, const char *shape, const char *plan)
{
    for (int i = 0; i < o->list.count; i++) {
        const SumOrdered *s = &o->list.items[i];
        if (s->pos.source == pos.source && s->pos.at == pos.at && s->loop == loop &&
            strcmp(s->shape, shape) == 0 && strcmp(s->plan, plan) == 0)
            return;
    }
    SumOrdered s = {pos, loop, shape, plan};
    PUSH(o->arena, &o->list, s);
}

/* ---- values as text: equal in two variants if they are the same function of the call ---- */

typedef struct Key {
    FILE *out;
    int steps, number; /* number: of the schedule */
} Key;

static void put_value(Key *k, const Value *v)
{
    const Op *op = v->op;
    int64_t n;
    if (--k->steps < 0) {
        fprintf(k->out, "?%d", k->number);
    } else if (value_int(v, &n)) {
        fprintf(k->out, "%" PRId64, n);
    } else if (!op) {
        Pos at = v->region->parent ? v->region->parent->pos : (Pos){0};
        fprintf(k->out, "arg%d@%u", v->index, at.at);
    } else if (op->code == OP_RESIDENT) {
        fprintf(k->out, "resident%d", k->number); /* it depends on the code */
    } else if (op->code == OP_DIM && op->nargs == 1) {
        put_value(k, op->args[0]);
    } else {
        fprintf(k->out, "%s%s%" PRIx64 "%d(", op_info[op->code].name, op->name ? op->name : "",
                op->bits, v->index);
        for (int i = 0; i < op->nargs; i++) {
            fputs(i ? "," : "", k->out);
            put_value(k, op->args[i]);
        }
        fputc(')', k->out);
    }
}

static const char *values_key(SumOrders *o, Value *const *values, int count)
{
    char *text = NULL;
    size_t size = 0;
    Key k = {open_memstream(&text, &size), KEY_STEPS, o->number};
    if (!k.out)
        abort();
    for (int i = 0; i < count; i++) {
        put_value(&k, values[i]);
        fputc(';', k.out);
    }
    fclose(k.out);
    const char *kept = arena_text(o->arena, text, size);
    free(text);
    return kept;
}

/* ---- loops that accumulate ---- */

static bool is_exact(OpCode code)
{
    switch (code) {
    case OP_MIN:
    case OP_MAX:
    case OP_AMAX:
    case OP_AMIN:
    case OP_CUMMAX:
    case OP_SELECT:
    case OP_ABS:
    case OP_NEG:
    case OP_BROADCAST:
    case OP_RESHAPE:
    case OP_TRANS:
    case OP_CONCAT:
    case OP_EXTRACT:
    case OP_BITS:
    case OP_IF:
        return true;
    default:
        return false;
    }
}

/* Does the value depend on one that the loop carries, through an operation that rounds? */
static bool rounds(const Region *body, const Value *v, bool rounded, int *budget)
{
    const Op *op = v->op ? v->op : v->region->parent;
    if (!is_below_region(value_region(v), body))
        return false;
    if (--*budget < 0)
        return true;
    if (!v->op && v->region == body)
        return rounded && dtype_is_float(v->type.dtype);
    rounded |= !is_exact(op->code);
    for (int i = 0; i < op->nargs; i++)
        if (rounds(body, op->args[i], rounded, budget))
            return true;
    for (int i = 0; v->op && i < op->nregions; i++)
        for (int k = 0; op->regions[i]->last && k < op->regions[i]->last->nargs; k++)
            if (rounds(body, op->regions[i]->last->args[k], rounded, budget))
                return true;
    return false;
}

static bool accumulates(const Op *loop)
{
    const Region *body = loop->regions[loop->nregions - 1];
    int budget = REACH_STEPS;
    for (int i = 0; body->last && i < body->last->nargs; i++)
        if (dtype_is_float(body->last->args[i]->type.dtype) &&
            rounds(body, body->last->args[i], false, &budget))
            return true;
    return false;
}

static void add_loop(SumOrders *o, const Op *loop)
{
    const char *shape = values_key(o, loop->args, loop->code == OP_FOR ? 3 : 2);
    for (int i = 0; i + 1 < loop->nregions; i++)
        shape = arena_format(o->arena, "%s%s", shape,
                             values_key(o, loop->regions[i]->last->args, 3));
    add(o, loop->pos, true, shape, "");
}

/* ---- sums ---- */

/* How many are added up; -1: the operation adds no floats. */
static int64_t added(const Op *op)
{
    const Type *t = op->nargs ? &op->args[0]->type : NULL;
    switch (op->code) {
    case OP_SUM:
    case OP_SUM_PART:
    case OP_CUMSUM:
    case OP_SOFTMAX:
        return dtype_is_float(t->dtype) ? t->dims[op->axis] : -1;
    case OP_MMA:
    case OP_MMA_SCALED:
        return t->dtype == DT_I8 ? -1 : t->dims[1];
    default:
        return -1;
    }
}

static void walk_program(SumOrders *o, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        int64_t n = added(op);
        if (n >= 0)
            add(o, op->pos, false, arena_format(o->arena, "%" PRId64, n), "");
        if ((op->code == OP_FOR || op->code == OP_SHARE) && accumulates(op))
            add_loop(o, op);
        for (int i = 0; i < op->nregions; i++)
            walk_program(o, op->regions[i]);
    }
}

void sum_orders_of_program(SumOrders *o, const Kernel *k)
{
    if (o)
        walk_program(o, k->body);
}

/* Digits of one owner; those that say the same together are one. */
static const char *digits_text(Arena *a, const SumPlan *p, Owner owner)
{
    const char *text = "";
    SumDigit open = {owner, 1, 0};
    for (int i = 0; i <= p->count; i++) {
        const SumDigit *d = i < p->count ? &p->digits[i] : NULL;
        if (d && (d->owner != owner || d->extent == 1))
            continue;
        bool joins = d && owner != OWN_WARP && open.extent > 1 &&
                     d->stride == open.stride * open.extent &&
                     (owner == OWN_REG || (open.extent & (open.extent - 1)) == 0);
        if (joins) {
            open.extent *= d->extent;
            continue;
        }
        if (open.extent > 1)
            text = arena_format(a, "%s %s%" PRId64 "@%" PRId64, text, owner_name[owner],
                                open.extent, open.stride);
        open = d ? *d : open;
    }
    return text;
}

static const char *plan_text(Arena *a, const Op *op)
{
    const SumPlan *p = op->plan;
    if (!p)
        return op->order == ORDER_DEFAULT ? "tree" : "";
    return arena_format(a, "%s:%s%s%s%s", op_info[op->code].name, digits_text(a, p, OWN_REG),
                        digits_text(a, p, OWN_LANE), digits_text(a, p, OWN_WARP),
                        p->fused ? " fused" : "");
}

static void walk_plans(SumOrders *o, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        bool sum = op->code == OP_SUM || op->code == OP_SUM_PART;
        if (sum && op->order == ORDER_DEFAULT && added(op) > 1)
            add(o, op->pos, false, "", plan_text(o->arena, op));
        for (int i = 0; i < op->nregions; i++)
            walk_plans(o, op->regions[i]);
    }
}

void sum_orders_of_plans(SumOrders *o, const Kernel *k)
{
    if (o)
        walk_plans(o, k->body);
}

/* ---- comparing ---- */

static bool has(const SumOrders *o, const SumOrdered *s)
{
    for (int i = 0; i < o->list.count; i++) {
        const SumOrdered *t = &o->list.items[i];
        if (t->pos.source == s->pos.source && t->pos.at == s->pos.at && t->loop == s->loop &&
            strcmp(t->shape, s->shape) == 0 && strcmp(t->plan, s->plan) == 0)
            return true;
    }
    return false;
}

/* In "N, M"? */
static bool is_listed(const char *names, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = names; (at = strstr(at, name)); at += n)
        if ((at == names || at[-1] == ' ') && (at[n] == 0 || at[n] == ','))
            return true;
    return false;
}

static void add_names(Arena *a, const Item *kernel, const Expr *x, const char **text)
{
    bool name = false;
    if (!x)
        return;
    for (int i = 0; x->kind == E_NAME && i < kernel->statics.count; i++)
        name |= kernel->statics.items[i].name.name == x->name &&
                strcmp(kernel->statics.items[i].kind.name, "dim") == 0;
    for (int i = 0; x->kind == E_NAME && i < kernel->params.count; i++)
        name |= kernel->params.items[i].name.name == x->name;
    if (name && !is_listed(*text, x->name))
        *text = arena_format(a, "%s%s%s", *text, **text ? ", " : "", x->name);
    for (int i = 0; i < x->args.count; i++)
        add_names(a, kernel, x->args.items[i], text);
    add_names(a, kernel, x->a, text);
    add_names(a, kernel, x->b, text);
    add_names(a, kernel, x->c, text);
}

static bool differs(Diag *diag, const Item *kernel, const SumOrdered *s, const char *names)
{
    const char *what = s->loop    ? "what this loop adds up"
                       : *s->plan ? "its order of addition"
                                  : "what it adds up";
    return diag_error(diag, s->pos,
                      *s->plan ? "write order = tree or seq" : "bind its parameters alike in all",
                      "%s differs between the schedules of %s: a row would depend on %s", what,
                      kernel->name.name, names);
}

bool sum_orders_agree(Diag *diag, const Item *kernel, const SumOrders *a, const SumOrders *b)
{
    const char *names = "";
    bool ok = true;
    add_names(a->arena, kernel, a->when, &names);
    add_names(a->arena, kernel, b->when, &names);
    for (int i = 0; i < b->list.count; i++)
        if (!has(a, &b->list.items[i]))
            ok = differs(diag, kernel, &b->list.items[i], names);
    for (int i = 0; i < a->list.count && ok; i++)
        if (!has(b, &a->list.items[i]))
            ok = differs(diag, kernel, &a->list.items[i], names);
    return ok;
}
