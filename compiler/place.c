/* Pass: places. `place v smem`: what the program calls v, or the tiles that it loads of tensor v,
 * go to shared memory once they are computed, and come from there where they are used: they become
 * a local tensor (R23), which the emitter keeps there. A value that a loop carries is one tensor
 * for all rounds. Local tensors themselves are cells.c's matter.
 *
 * Before layouts. Registers hold values in any case, so that `regs` asks nothing of a value.
 */
#include <string.h>

#include "compiler/counts.h"
#include "compiler/directives.h"
#include "compiler/locals.h"

typedef struct Placer {
    Lowered *low;
    Kernel *kernel;
    const PhasePlan *plan;
    const char *subject;
    const Word *word; /* smem */
    bool local;       /* the subject is a local tensor */
    struct {
        Value **items;
        int count, capacity;
    } values;
    bool failed;
} Placer;

static const Region *body_of(const Placer *p)
{
    return p->plan->par->regions[p->plan->par->nregions - 1];
}

/* ---- what the subject is ---- */

static void add(Placer *p, Value *v)
{
    for (int i = 0; i < p->values.count; i++)
        if (p->values.items[i] == v)
            return;
    if (v->type.kind == TY_TILE && count_uses(body_of(p), v) > 0)
        PUSH(p->low->arena, &p->values, v);
}

static bool is_named(const char *name, const Placer *p)
{
    return name && strcmp(name, p->subject) == 0;
}

static void look(void *context, Op *op)
{
    Placer *p = context;
    if (op->code == OP_LOCAL && is_named(op->name, p))
        p->local = true;
    if (op->code == OP_BIND && is_named(op->name, p))
        add(p, op->args[0]);
    if (op->code == OP_LOAD && !pipeline_copies(p->low, p->plan, op) &&
        (is_named(tensor_root(op->args[0])->op->name, p) || is_named(op->args[0]->name, p)))
        add(p, op->results[0]);
}

/* ---- one value ---- */

/* Every use takes what a load right before it gives. */
static void load_uses(Placer *p, Region *r, const Value *v, Value *local, const Op *except)
{
    for (Op *op = r->first; op; op = op->next) {
        Op *load = NULL;
        for (int i = 0; i < op->nargs; i++) {
            if (op->args[i] != v || op == except || op->code == OP_BIND)
                continue;
            if (!load) {
                load = local_access(p->kernel, op->pos, local, -1, 0, NULL, NULL);
                op_insert_before(op, load);
            }
            op->args[i] = load->results[0];
        }
        for (int i = 0; i < op->nregions; i++)
            load_uses(p, op->regions[i], v, local, except);
    }
}

static void drop_names(Region *r, const Value *v)
{
    for (Op *op = r->first, *next; op; op = next) {
        next = op->next;
        for (int i = 0; i < op->nregions; i++)
            drop_names(op->regions[i], v);
        if (op->code == OP_BIND && op->args[0] == v)
            op_remove(op);
    }
}

static void place_computed(Placer *p, Value *v)
{
    Op *local = local_new(p->kernel, v->op->pos, p->subject, &v->type);
    op_insert_before(v->op, local);
    Op *store = local_access(p->kernel, v->op->pos, local->results[0], -1, 0, NULL, v);
    insert_after(v->op, store);
    load_uses(p, v->op->parent, v, local->results[0], store);
}

/* What the ends of a round give for carried value k; what stays as it is is NULL from now on. */
static void mark_kept(Region *r, int k, const Value *arg, bool body)
{
    for (Op *op = r->first; op; op = op->next) {
        bool ends = op->code == OP_CONTINUE || (op->code == OP_YIELD && body);
        if (ends && op->args[k] == arg)
            op->args[k] = NULL;
        for (int i = 0; op->code == OP_IF && i < op->nregions; i++)
            mark_kept(op->regions[i], k, arg, false);
    }
}

static void store_yields(Placer *p, Region *r, int k, Value *local, bool body)
{
    for (Op *op = r->first; op; op = op->next) {
        bool ends = op->code == OP_CONTINUE || (op->code == OP_YIELD && body);
        if (ends && op->args[k])
            op_insert_before(op, local_access(p->kernel, op->pos, local, -1, 0, NULL, op->args[k]));
        for (int i = 0; op->code == OP_IF && i < op->nregions; i++)
            store_yields(p, op->regions[i], k, local, false);
    }
}

/* The tensor is written before the loop and at the end of each round, when all have been loaded
 * that see what was there before. */
static void place_carried(Placer *p, Op *loop, int k)
{
    Region *body = loop->regions[0];
    Value *arg = body->args[1 + k], *result = loop->results[k];
    Op *local = local_new(p->kernel, loop->pos, p->subject, &arg->type);
    Value *t = local->results[0];
    op_insert_before(loop, local);
    op_insert_before(loop, local_access(p->kernel, loop->pos, t, -1, 0, NULL, loop->args[3 + k]));
    drop_names(body, arg);
    drop_names(loop->parent, result);
    mark_kept(body, k, arg, true);
    load_uses(p, body, arg, t, NULL);
    store_yields(p, body, k, t, true);
    load_uses(p, loop->parent, result, t, NULL);
    drop_carried(loop, k);
}

/* The loop that carries the value, and as which; NULL: none. */
static Op *carrier_of(const Value *v, int *k)
{
    Op *loop = v->op ? v->op : v->region->parent;
    *k = v->op ? v->index : v->index - 1;
    return loop->code == OP_FOR && *k >= 0 ? loop : NULL;
}

/* It is a round's last value of a loop that carries it under the same name. */
static bool is_yielded(const Placer *p, const Value *v)
{
    const Op *loop = v->op ? v->op->parent->parent : NULL;
    const Op *end = loop && loop->code == OP_FOR ? v->op->parent->last : NULL;
    for (int k = 0; end && end->code == OP_YIELD && k < end->nargs; k++)
        for (int i = 0; end->args[k] == v && i < p->values.count; i++)
            if (p->values.items[i] == loop->regions[0]->args[1 + k])
                return true;
    return false;
}

static bool check(Placer *p, const Value *v)
{
    const char *name = p->subject;
    if (is_uniform(v))
        return true;
    if (v->type.dtype == DT_E2M1 || v->type.dtype == DT_F64)
        return diag_error(p->low->diag, p->word->pos, NULL, "place %s smem: not of %s yet", name,
                          dtype_info[v->type.dtype].name);
    const Op *in = v->op ? v->op : v->region->parent;
    if (in->code == OP_SHARE || in->code == OP_GET || (!v->op && in->code != OP_FOR))
        return diag_error(p->low->diag, p->word->pos, NULL,
                          "place %s smem: only of what a statement or a for loop gives", name);
    return true;
}

static bool place_values(Placer *p)
{
    int k, tiles = 0;
    for (int i = 0; i < p->values.count; i++) {
        if (!check(p, p->values.items[i]))
            return false;
        tiles += !is_uniform(p->values.items[i]);
    }
    if (p->values.count && !tiles)
        return diag_error(p->low->diag, p->word->pos, "leave it out",
                          "place %s smem: it is one element, or a constant, which every thread "
                          "has anyway",
                          p->subject);
    /* While yields tell which values are a round's last. */
    for (int i = 0; i < p->values.count; i++) {
        Value *v = p->values.items[i];
        if (!carrier_of(v, &k) && v->op && !is_uniform(v) && !is_yielded(p, v))
            place_computed(p, v);
    }
    for (int i = 0; i < p->values.count; i++) {
        Value *v = p->values.items[i];
        Op *loop = carrier_of(v, &k);
        /* An arg and its result are one; the other is not there any more. */
        bool there = loop && k < loop->nresults &&
                     (v->op ? loop->results[k] == v : loop->regions[0]->args[1 + k] == v);
        if (there && !is_uniform(v))
            place_carried(p, loop, k);
    }
    return true;
}

/* ---- directives ---- */

static bool buffers(Placer *p, const Directive *d)
{
    const Word *w = directive_word(d, "buffers");
    int n;
    if (!w)
        return true;
    if (!directive_number(p->low, w, &n))
        return false;
    if (n > 1)
        return diag_error(p->low->diag, w->pos, "leave it out",
                          "place %s: buffers(%d) are for accumulators in tmem, which a later round "
                          "of its loop fills while an earlier one is read",
                          p->subject, n);
    directive_honour(p->low, p->plan, w);
    return true;
}

static bool place_directive(void *context, const Directive *d)
{
    Placer *p = context;
    if (d->kind != D_WORDS || strcmp(d->words.items[0].name, "place"))
        return true;
    const Word *tmem = directive_word(d, "tmem"), *regs = directive_word(d, "regs");
    p->subject = d->words.items[1].name;
    p->word = directive_word(d, "smem");
    p->local = false;
    p->values.count = 0;
    each_op(body_of(p), look, p);
    if (tmem && p->values.count + p->local)
        return diag_error(p->low->diag, tmem->pos,
                          "the interpreter runs it; its lowering comes later",
                          "place %s tmem: not lowered to CUDA yet", p->subject);
    if (!buffers(p, d))
        return false;
    if (p->local)
        return true;
    directive_honour(p->low, p->plan, regs);
    directive_honour(p->low, p->plan, p->word);
    return !p->word || place_values(p);
}

bool place_named(Lowered *low, const PhasePlan *plan)
{
    Placer p = {.low = low, .kernel = low->kernel, .plan = plan};
    return directives_each(low, plan, place_directive, &p);
}
