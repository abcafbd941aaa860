/* R2: every dim of a kernel can be solved from its tensors, or a schedule binds it. */
#include <string.h>

#include "compiler/elab.h"

/* How an extent depends on a dim: not at all, so that it can be solved, otherwise, or together
 * with another dim that is not known. */
typedef enum Dependence { FREE, AFFINE, OPAQUE, SHARED } Dependence;

static Dependence depends(const Value *v, const Op *dim)
{
    const Op *op = v->op;
    if (!op || op == dim)
        return op ? AFFINE : FREE;
    Dependence d[2] = {FREE, FREE};
    bool opaque = false;
    for (int i = 0; i < op->nargs; i++) {
        Dependence x = depends(op->args[i], dim);
        if (i < 2)
            d[i] = x;
        opaque |= x == OPAQUE;
    }
    Dependence most = d[0] > d[1] ? d[0] : d[1];
    switch (op->code) {
    case OP_ADD:
    case OP_SUB:
        return most;
    case OP_MUL:
        return d[0] == AFFINE && d[1] == AFFINE ? OPAQUE : most;
    case OP_NEG:
    case OP_CAST:
        return d[0];
    default:
        return most != FREE || opaque ? OPAQUE : FREE;
    }
}

/* The dims that are known: bound by a schedule, or solved from an extent before. */
typedef struct Known {
    const Op **items;
    int count, capacity;
} Known;

static bool is_known(const Known *known, const Op *dim)
{
    for (int i = 0; i < known->count; i++)
        if (known->items[i] == dim)
            return true;
    return false;
}

/* Other dims of the extent that are not known yet. */
static bool has_other_unknown(const Value *v, const Op *dim, const Known *known)
{
    const Op *op = v->op;
    if (!op || op == dim)
        return false;
    if (op->code == OP_DIM)
        return !is_known(known, op);
    for (int i = 0; i < op->nargs; i++)
        if (has_other_unknown(op->args[i], dim, known))
            return true;
    return false;
}

/* How the extents of the tensors show the dim; AFFINE where one gives it. */
static Dependence best_dependence(const Kernel *k, const Op *dim, const Known *known)
{
    Dependence best = FREE;
    for (const Op *op = k->body->first; op; op = op->next) {
        if (op->code != OP_TENSOR || op->tensor->dir == PARAM_SCRATCH)
            continue;
        for (int i = 0; i < op->nargs; i++) {
            Dependence d = depends(op->args[i], dim);
            if (d == AFFINE && has_other_unknown(op->args[i], dim, known))
                d = SHARED;
            if (d == AFFINE)
                return AFFINE;
            if (d == SHARED || best == FREE)
                best = d;
        }
    }
    return best;
}

static bool has_schedule(const Elab *e)
{
    for (int i = 0; i < e->program->schedules.count; i++)
        if (e->program->schedules.items[i]->name.name == e->item->name.name)
            return true;
    return false;
}

/* Solves the dims as a call does: those that an extent gives alone, then what these leave. */
static Known solve(const Elab *e)
{
    Known known = {0};
    int before;
    do {
        before = known.count;
        for (const Op *op = e->kernel->body->first; op; op = op->next)
            if (op->code == OP_DIM && !is_known(&known, op) &&
                (setting_find(&e->variant->params, op->name) ||
                 best_dependence(e->kernel, op, &known) == AFFINE))
                PUSH(e->arena, &known, op);
    } while (known.count != before);
    return known;
}

static bool has_absent_tensor(const Elab *e)
{
    for (int i = 0; i < e->variant->forms.count; i++)
        if (e->variant->forms.items[i].integer < 0)
            return true;
    return false;
}

void check_dims(Elab *e)
{
    Known known = solve(e);
    bool told = false;
    for (const Op *op = e->kernel->body->first; op; op = op->next) {
        if (op->code != OP_DIM || is_known(&known, op))
            continue;
        Dependence d = best_dependence(e->kernel, op, &known);
        if (d == OPAQUE)
            fail(e, op->pos, "let a tensor parameter have it as an extent",
                 "dim %s cannot be found from any tensor: it stands only under cdiv, // or align",
                 op->name);
        if (d == SHARED && !told)
            fail(
                e, op->pos, "let a tensor parameter have it as an extent",
                "dim %s cannot be found from any tensor: it stands only beside another unknown dim",
                op->name);
        told |= d == SHARED;
        if (d == FREE && !has_absent_tensor(e))
            fail(e, op->pos,
                 has_schedule(e)
                     ? "bind it in every schedule: let P = 64; or let P = grid.resident;"
                     : "write a schedule that binds it",
                 "dim %s is shown by no tensor parameter, and no schedule binds it", op->name);
    }
}
