/* R2: every dim of a kernel can be solved from its tensors, or a schedule binds it. */
#include <string.h>

#include "compiler/elab.h"

/* How an extent depends on a dim: not at all, so that it can be solved, or otherwise. */
typedef enum Dependence { FREE, AFFINE, OPAQUE } Dependence;

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
    case OP_SUB: return most;
    case OP_MUL: return d[0] == AFFINE && d[1] == AFFINE ? OPAQUE : most;
    case OP_NEG:
    case OP_CAST: return d[0];
    default: return most != FREE || opaque ? OPAQUE : FREE;
    }
}

static Dependence best_dependence(const Kernel *k, const Op *dim)
{
    Dependence best = FREE;
    for (const Op *op = k->body->first; op; op = op->next) {
        if (op->code != OP_TENSOR || op->tensor->dir == PARAM_SCRATCH)
            continue;
        for (int i = 0; i < op->nargs; i++) {
            Dependence d = depends(op->args[i], dim);
            if (d == AFFINE)
                return AFFINE;
            best = d > best ? d : best;
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

void check_dims(Elab *e)
{
    for (const Op *op = e->kernel->body->first; op; op = op->next) {
        if (op->code != OP_DIM || setting_find(&e->variant->params, op->name))
            continue;
        bool absent = false;
        for (int i = 0; i < e->variant->forms.count; i++)
            absent |= e->variant->forms.items[i].integer < 0;
        Dependence d = best_dependence(e->kernel, op);
        if (d == OPAQUE)
            fail(e, op->pos, "let a tensor parameter have it as an extent",
                 "dim %s cannot be found from any tensor: it stands only under cdiv, // or align",
                 op->name);
        if (d == FREE && !absent)
            fail(e, op->pos,
                 has_schedule(e) ? "bind it in every schedule: let P = 64; or let P = grid.resident;"
                                 : "write a schedule that binds it",
                 "dim %s is shown by no tensor parameter, and no schedule binds it", op->name);
    }
}
