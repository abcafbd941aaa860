/* Pass: pipelines. `pipeline k stages(n)`: in loop k the loads of in tensors whose indices are
 * known a round ahead run n - 1 rounds ahead: to registers, and the loop carries what they give; or
 * to shared memory (pipeline_copies.c), where `load x via smem` or `via tma` asks for that or the
 * tile is cut into pieces.
 *
 * Reads beyond the last round are outside of the tensor and read the pad value (R3), or inside and
 * not used. The entry of a table is asked for only while there is one.
 */
#include "compiler/pipeline.h"

#include <string.h>

#include "compiler/counts.h"
#include "compiler/directives.h"
#include "compiler/locals.h"
#include "compiler/paths.h"

/* ---- directives ---- */

static bool names(const Word *w, const char *tensor)
{
    for (int i = 0; i < w->args.count; i++)
        if (w->args.items[i]->kind == E_NAME && strcmp(w->args.items[i]->name, tensor) == 0)
            return true;
    return false;
}

/* What the program calls the tensor or view that is loaded. */
static const char *loaded_name(const Op *load)
{
    const Op *op = load->args[0]->op;
    while (op->code != OP_TENSOR && !op->results[0]->name && op->nargs)
        op = op->args[0]->op;
    return op->code == OP_TENSOR ? op->name : op->results[0]->name;
}

/* load(x, k): only these; without it all. */
static bool is_asked(const Pipeline *p, const Op *load)
{
    const Word *w = directive_word(p->directive, "load");
    const char *name = loaded_name(load);
    return tensor_root(load->args[0])->op->code == OP_TENSOR && (!w || (name && names(w, name)));
}

/* ---- what can run ahead ---- */

static bool is_written(const Region *r, const Op *tensor)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_STORE || op->code == OP_ATOMIC_ADD) {
            const Op *t = tensor_root(op->args[0])->op;
            if (t == tensor ||
                (t->tensor && t->tensor->alias && strcmp(t->tensor->alias, tensor->name) == 0))
                return true;
        }
        for (int i = 0; i < op->nregions; i++)
            if (is_written(op->regions[i], tensor))
                return true;
    }
    return false;
}

/* Nobody writes it in this phase. */
static bool is_read_only(const Pipeline *p, const Value *tensor)
{
    const Op *par = p->plan->par, *t = tensor_root(tensor)->op;
    return t->tensor && !is_written(par->regions[par->nregions - 1], t);
}

/* Known a round ahead: made of the loop's index and of what does not change in the loop. */
static bool is_predictable(const Pipeline *p, const Value *v)
{
    const Region *body = p->loop->regions[0];
    if (!is_below_region(value_region(v), body))
        return true;
    if (!v->op)
        return v == body->args[0];
    const Op *op = v->op;
    bool pure = strchr(op_info[op->code].flags, 'P') && !op->nregions;
    if (!pure && !(op->code == OP_LOAD && is_read_only(p, op->args[0])))
        return false;
    if (op->parent != body || (v->type.kind == TY_TILE && v->type.rank > 0 && op->code != OP_CONST))
        return false;
    for (int i = 0; i < op->nargs; i++)
        if (!is_predictable(p, op->args[i]))
            return false;
    return true;
}

/* load(x) has its name: also a single element of it runs ahead. */
static bool is_named(const Pipeline *p, const Op *load)
{
    const Word *w = directive_word(p->directive, "load");
    return w && names(w, loaded_name(load));
}

/* Why the load, somewhere in the loop, cannot run ahead; NULL: it can. */
static const char *held_back(const Pipeline *p, const Op *load)
{
    if (load->parent != p->loop->regions[0])
        return "stands in an `if` or a loop of the round";
    if (!is_read_only(p, load->args[0]))
        return "is of a tensor that the phase writes";
    if (type_elements(&load->results[0]->type) <= 1 && !is_named(p, load))
        return "is of one element, and load(..) does not name it";
    for (int i = 0; i < load->nargs; i++)
        if (!is_predictable(p, load->args[i]))
            return "has an index that is not known a round ahead";
    return NULL;
}

/* ---- copies of the address, a round on ---- */

typedef struct Copies {
    struct {
        const Value *from;
        Value *to;
    } * items;
    int count, capacity;
} Copies;

static Value *copy_value(Pipeline *p, Copies *c, Op *before, Value *v)
{
    const Region *body = p->loop->regions[0];
    for (int i = 0; i < c->count; i++)
        if (c->items[i].from == v)
            return c->items[i].to;
    if (!is_below_region(value_region(v), body))
        return v;
    Op *op = v->op, *copy;
    Value **args = NEW_ARRAY(p->low->arena, Value *, op->nargs);
    for (int i = 0; i < op->nargs; i++)
        args[i] = copy_value(p, c, before, op->args[i]);
    Type t = v->type;
    copy = op_new(p->kernel, op->code, op->pos, op->nargs, args, 1, &t);
    Value *result = copy->results[0];
    Op kept = *copy;
    *copy = *op;
    copy->args = kept.args;
    copy->results = kept.results;
    copy->prev = copy->next = NULL;
    copy->parent = NULL;
    op_insert_before(before, copy);
    PUSH(p->low->arena, c, ((__typeof__(*c->items)){v, result}));
    return result;
}

/* The copy of a load for round `index`, put before `at`. */
Value *load_for(Pipeline *p, Op *load, Value *index, Op *at)
{
    Copies c = {0};
    PUSH(p->low->arena, &c, ((__typeof__(*c.items)){p->loop->regions[0]->args[0], index}));
    return copy_value(p, &c, at, load->results[0]);
}

/* ---- the loop carries one more value ---- */

Value *carry_value(Pipeline *p, Value *start)
{
    Op *loop = p->loop;
    Region *body = loop->regions[0];
    Arena *a = p->kernel->arena;
    Op *like = op_new(p->kernel, OP_CONST, loop->pos, 0, NULL, 2,
                      (Type[]){start->type, start->type}); /* for its two new values */
    Value *arg = like->results[0], *result = like->results[1];
    arg->op = NULL;
    arg->region = body;
    arg->index = body->nargs;
    result->op = loop;
    result->index = loop->nresults;
#define GROW(list, count, value)                                   \
    do {                                                           \
        list = arena_grow(a, list, (size_t)(count) * sizeof *list, \
                          (size_t)(count + 1) * sizeof *list);     \
        list[count++] = value;                                     \
    } while (0)
    GROW(loop->args, loop->nargs, start);
    GROW(loop->results, loop->nresults, result);
    GROW(body->args, body->nargs, arg);
    return arg;
}

/* Also to rounds that end early. */
static void yield_from(Pipeline *p, Region *r, Value *v, bool body)
{
    Arena *a = p->kernel->arena;
    for (Op *op = r->first; op; op = op->next) {
        if (op->code == OP_CONTINUE || (op->code == OP_YIELD && body))
            GROW(op->args, op->nargs, v);
        for (int i = 0; op->code == OP_IF && i < op->nregions; i++)
            yield_from(p, op->regions[i], v, false);
    }
}
#undef GROW

void yield_value(Pipeline *p, Value *v)
{
    yield_from(p, p->loop->regions[0], v, true);
}

static bool has_mma(const Region *r)
{
    return region_has(r, OP_MMA) || region_has(r, OP_MMA_SCALED);
}

bool asks_table(const Op *load)
{
    for (const Op *op = load->args[0]->op; op && op->code != OP_TENSOR; op = op->args[0]->op)
        if (op->code == OP_TABLE)
            return true;
    return false;
}

/* index + k steps; of a table no further than its last round. */
Value *later(Pipeline *p, Value *index, int k, bool last, Op *at)
{
    Value *step = p->loop->args[2], *next = index;
    for (int i = 0; i < k; i++)
        next = binary_before(p->kernel, p->loop->pos, at, OP_ADD, next, step);
    if (last) {
        Value *end = binary_before(p->kernel, p->loop->pos, at, OP_SUB, p->loop->args[1], step);
        next = binary_before(p->kernel, p->loop->pos, at, OP_MIN, next, end);
    }
    return next;
}

/* What the loop begins with. The entry of a table is asked for only if there is a round at all. */
static Value *load_start(Pipeline *p, Op *load, int k, bool last)
{
    Op *loop = p->loop;
    if (!last)
        return load_for(p, load, later(p, loop->args[0], k, false, loop), loop);
    Type b = scalar_type(DT_BOOL), t = load->results[0]->type;
    Value *bounds[2] = {loop->args[0], loop->args[1]};
    Op *less = op_new(p->kernel, OP_LT, loop->pos, 2, bounds, 1, &b);
    Op *branch = op_new(p->kernel, OP_IF, loop->pos, 1, less->results, 1, &t);
    op_insert_before(loop, less);
    op_insert_before(loop, branch);
    for (int i = 0; i < 2; i++) {
        Region *r = region_new(p->kernel, branch, 0, NULL);
        Op *yield = op_new(p->kernel, OP_YIELD, loop->pos, 0, NULL, 0, NULL);
        Op *none = op_new(p->kernel, OP_CONST, loop->pos, 0, NULL, 1, &t);
        op_add_region(p->kernel, branch, r);
        region_append(r, yield);
        if (i)
            op_insert_before(yield, none);
        Value *v = i ? none->results[0]
                     : load_for(p, load, later(p, loop->args[0], k, true, yield), yield);
        yield->args = NEW_ARRAY(p->kernel->arena, Value *, 1);
        yield->args[yield->nargs++] = v;
    }
    return branch->results[0];
}

/* Its memory is asked for earlier still. */
static void ask_ahead(Pipeline *p, Op *load, bool last)
{
    Op *first = p->loop->regions[0]->first;
    int ahead = p->stages - 1 + p->prefetch;
    Value *far = later(p, p->loop->regions[0]->args[0], ahead, last, first);
    load_for(p, load, far, first)->op->prefetch = true;
}

static void run_ahead(Pipeline *p, Op *load)
{
    Region *body = p->loop->regions[0];
    int ahead = p->stages - 1;
    bool last = asks_table(load);
    if (p->prefetch && type_elements(&load->results[0]->type) > 1)
        ask_ahead(p, load, last);
    Value **held = NEW_ARRAY(p->low->arena, Value *, ahead);
    for (int k = 0; k < ahead; k++)
        held[k] = carry_value(p, load_start(p, load, k, last));
    Value *next = load_for(p, load, later(p, body->args[0], ahead, last, body->first), body->first);
    /* The addresses stand before the first operation, the load behind them. */
    replace_uses(body, load->results[0], held[0]);
    held[0]->name = load->results[0]->name;
    for (int k = 0; k < ahead; k++)
        yield_value(p, k + 1 < ahead ? held[k + 1] : next);
    op_remove(load);
}

static bool wants_shared(const Pipeline *p, const Op *load)
{
    bool asked = path_of(p->low, p->plan, load).smem && p->plan->unit.lanes > 1;
    if (type_elements(&load->results[0]->type) <= 1)
        return false;
    return asked || is_chunked(p->low, p->plan, &load->results[0]->type);
}

/* What became of the loads that the directive asks for. */
typedef struct Outcome {
    const char *tensor; /* only of this one; NULL: of all */
    int ahead;          /* how many run ahead */
    const Op *load;     /* the first that does not, */
    const char *why;    /* and why */
} Outcome;

static void look(const Pipeline *p, const Region *r, Outcome *out)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            look(p, op->regions[i], out);
        if (op->code != OP_LOAD || !is_asked(p, op) ||
            (out->tensor && strcmp(loaded_name(op), out->tensor)))
            continue;
        const char *why = held_back(p, op);
        out->ahead += !why;
        if (why && !out->load)
            out->load = op, out->why = why;
    }
}

static bool refuse(const Pipeline *p, Pos pos, const Outcome *o)
{
    const char *loop = p->loop->regions[0]->args[0]->name;
    if (!o->load)
        return diag_error(p->low->diag, pos, NULL, "pipeline %s: the loop has no load of %s", loop,
                          o->tensor ? o->tensor : "a tensor");
    diag_error(p->low->diag, pos, "leave it out, or write load(..) with those that can",
               "pipeline %s: no load of %s can run ahead", loop,
               o->tensor ? o->tensor : "the loop");
    diag_note(p->low->diag, o->load->pos, "this one %s", o->why);
    return false;
}

/* Each tensor of load(..), or one at all, has a load that runs ahead. */
static bool check_loads(const Pipeline *p)
{
    const Word *w = directive_word(p->directive, "load"), *stages;
    Outcome all = {0};
    stages = directive_word(p->directive, "stages");
    for (int i = 0; w && i < w->args.count; i++) {
        Outcome one = {.tensor = w->args.items[i]->name};
        look(p, p->loop->regions[0], &one);
        if (!one.ahead)
            return refuse(p, w->args.items[i]->pos, &one);
    }
    look(p, p->loop->regions[0], &all);
    return all.ahead || refuse(p, stages->pos, &all);
}

static bool find_prefetch(Pipeline *p)
{
    const Word *w = directive_word(p->directive, "prefetch");
    if (!w)
        return true;
    if (p->stages < 2)
        return diag_error(p->low->diag, w->pos, "write stages(2)",
                          "pipeline %s: prefetch goes beyond loads that run ahead, and none does",
                          p->loop->regions[0]->args[0]->name);
    directive_honour(p->low, p->plan, w);
    return directive_number(p->low, w, &p->prefetch);
}

static bool pipeline_loop(Pipeline *p)
{
    const Word *w = directive_word(p->directive, "stages");
    const char *loop = p->loop->regions[0]->args[0]->name;
    const Expr *x = w->args.items[0];
    if (x->kind == E_NAME && strcmp(x->name, "max") == 0 && has_mma(p->loop->regions[0]))
        return true; /* what cannot be done is told where the mma stands */
    if (x->kind == E_NAME && strcmp(x->name, "max") == 0)
        return diag_error(p->low->diag, w->pos, "write a number: stages(2)",
                          "pipeline %s: stages(max) is for loops that feed mma", loop);
    if (!directive_number(p->low, w, &p->stages))
        return false;
    directive_honour(p->low, p->plan, w);
    directive_honour(p->low, p->plan, directive_word(p->directive, "load"));
    if (!find_prefetch(p))
        return false;
    if (p->stages < 2)
        return true;
    if (!check_loads(p))
        return false;
    struct {
        Op **items;
        int count, capacity;
    } copied = {0}, boxed = {0};
    for (Op *op = p->loop->regions[0]->first, *next; op; op = next) {
        next = op->next;
        if (op->code != OP_LOAD || !is_asked(p, op) || held_back(p, op))
            continue;
        if (path_of(p->low, p->plan, op).tma && type_elements(&op->results[0]->type) > 1)
            PUSH(p->low->arena, &boxed, op);
        else if (wants_shared(p, op))
            PUSH(p->low->arena, &copied, op);
        else
            run_ahead(p, op);
    }
    w = directive_word(p->directive, "prefetch");
    if (w && copied.count + boxed.count)
        return diag_error(p->low->diag, w->pos, "leave it out: more stages do the same",
                          "pipeline %s: prefetch is for loads that go to registers", loop);
    return copy_ahead(p, copied.items, copied.count, directive_word(p->directive, "stages")) &&
           boxes_ahead(p, boxed.items, boxed.count);
}

static bool visit(Lowered *low, const PhasePlan *plan, Region *r)
{
    for (Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            if (!visit(low, plan, op->regions[i]))
                return false;
        const char *name = op->code == OP_FOR ? op->regions[0]->args[0]->name : NULL;
        const Directive *d = name ? directive_find(low, plan, "pipeline", name) : NULL;
        Pipeline p = {low, low->kernel, plan, op, d, 0, 0};
        if (d && !pipeline_loop(&p))
            return false;
    }
    return true;
}

bool pipeline_loads(Lowered *low, const PhasePlan *plan)
{
    return visit(low, plan, plan->par->regions[plan->par->nregions - 1]);
}

bool pipeline_copies(Lowered *low, const PhasePlan *plan, Op *load)
{
    Op *loop = load->parent->parent;
    const char *name = loop->code == OP_FOR ? loop->regions[0]->args[0]->name : NULL;
    const Directive *d = name ? directive_find(low, plan, "pipeline", name) : NULL;
    Pipeline p = {low, low->kernel, plan, loop, d, 0, 0};
    const Word *w = directive_word(d, "stages");
    int64_t stages;
    return w && is_asked(&p, load) && !held_back(&p, load) && wants_shared(&p, load) &&
           variant_number(low->variant, w->args.items[0], &stages) && stages > 1;
}
