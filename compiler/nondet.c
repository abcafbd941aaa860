/* R19: what depends on the order of atomics may only reach tensors marked @ nondet.
 *
 * Values are tainted by the old value of an atomic and by loads from @ nondet tensors, along data
 * and along control; scratch, locals and pipes carry taint on. Repeats until nothing changes. */
#include "compiler/elab.h"

typedef struct Taint {
    Elab *elab;
    bool *value; /* by Value.id */
    bool changed, report;
} Taint;

static void taint(Taint *t, const Value *v)
{
    if (!t->value[v->id])
        t->changed = t->value[v->id] = true;
}

static const Value *root_of(const Value *tensor)
{
    while (tensor->op && tensor->op->code != OP_TENSOR && tensor->op->code != OP_LOCAL)
        tensor = tensor->op->args[0];
    return tensor;
}

static bool any_tainted(const Taint *t, int n, Value *const *v)
{
    for (int i = 0; i < n; i++)
        if (t->value[v[i]->id])
            return true;
    return false;
}

static void store_taint(Taint *t, const Op *op)
{
    const Value *root = root_of(op->args[0]);
    const TensorInfo *info = root->op->tensor;
    if (!info || info->dir == PARAM_SCRATCH)
        taint(t, root);
    else if (!info->nondet && t->report)
        fail(t->elab, op->pos,
             arena_format(t->elab->arena, "mark %s with @ nondet", root->op->name),
             "what is stored to %s depends on the order of atomics", root->op->name);
}

static void walk(Taint *t, const Region *r, bool control);

/* Region args and results of control ops: by position behind the fixed args. */
static void carry(Taint *t, const Op *op, bool control)
{
    for (int i = 0; i < op->nregions; i++) {
        const Region *r = op->regions[i];
        const Op *end = r->last;
        if (op->code == OP_GET || op->code == OP_FOR || op->code == OP_SHARE) {
            int fixed = r->nargs - op->nresults;
            for (int k = 0; k < r->nargs; k++) {
                bool in = control;
                if (k >= fixed)
                    in = in || t->value[op->args[op->nargs - r->nargs + k]->id];
                else if (op->code == OP_GET)
                    in = in || t->value[op->args[0]->id];
                if (k >= fixed && end && end->nargs == op->nresults)
                    in = in || t->value[end->args[k - fixed]->id];
                if (in)
                    taint(t, r->args[k]);
            }
        }
        walk(t, r, control);
        if (end && end->nargs == op->nresults)
            for (int k = 0; k < op->nresults; k++)
                if (control || t->value[end->args[k]->id])
                    taint(t, op->results[k]);
    }
}

static void visit(Taint *t, const Op *op, bool control)
{
    bool in = any_tainted(t, op->nargs, op->args);
    if (op->code == OP_LOAD && root_of(op->args[0])->op->tensor &&
        root_of(op->args[0])->op->tensor->nondet)
        in = true;
    if (op->code == OP_ATOMIC_ADD && op->nresults)
        in = true;
    if ((op->code == OP_STORE || op->code == OP_ATOMIC_ADD) && (in || control))
        store_taint(t, op);
    if (op->code == OP_PUT && in)
        taint(t, op->args[0]);
    if (op->nregions) {
        int fixed = op->code == OP_FOR ? 3 : op->code == OP_SHARE ? 2 : op->code == OP_IF ? 1 : 0;
        carry(t, op, control || any_tainted(t, fixed, op->args));
    } else if (in) {
        for (int i = 0; i < op->nresults; i++)
            taint(t, op->results[i]);
    }
}

static void walk(Taint *t, const Region *r, bool control)
{
    for (const Op *op = r->first; op; op = op->next)
        visit(t, op, control);
}

static bool has_sources(const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_ATOMIC_ADD || (op->code == OP_TENSOR && op->tensor->nondet))
            return true;
        for (int i = 0; i < op->nregions; i++)
            if (has_sources(op->regions[i]))
                return true;
    }
    return false;
}

void check_nondet(Elab *e)
{
    if (!has_sources(e->kernel->body))
        return;
    Taint t = {.elab = e, .value = NEW_ARRAY(e->arena, bool, e->kernel->next_id)};
    do {
        t.changed = false;
        walk(&t, e->kernel->body, false);
    } while (t.changed);
    t.report = true;
    walk(&t, e->kernel->body, false);
}
