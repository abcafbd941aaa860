/* Notes of what is moved, for people who ask how (tilec layout). */
#include "compiler/cuda.h"

static void note(Cuda *c, const Op *op, Movement m)
{
    int column;
    m.line = c->line;
    if (op)
        pos_line(op->pos, &m.line, &column);
    PUSH(c->arena, c->low->movements, m);
}

void note_conversion(Cuda *c, const Value *arg, const Layout *from, const Layout *to,
                     MovementWay way)
{
    if (!c->low->movements)
        return;
    Movement m = {.way = way, .value = arg, .type = arg->type, .from = *from, .to = *to};
    m.type.dtype = held(c, arg);
    note(c, NULL, m);
}

/* Elements between neighbours along each dim of the tile. */
static void find_strides(const Access *a, const CudaView *v, int64_t *stride)
{
    int dim = 0;
    bool joint = false;
    for (int k = 0; k < a->count; k++) {
        AxisKind kind = a->axis[k].kind;
        if (kind == AX_SCALAR || (kind == AX_TILE && joint))
            continue;
        bool linear = kind != AX_TILE && v->stride[k].known && !v->divide[k] && v->quad != k;
        stride[dim++] = linear ? v->stride[k].value : STRIDE_UNKNOWN;
        joint |= kind == AX_TILE;
    }
}

void note_access(Cuda *c, const Op *op, const Layout *l, const Vectors *v)
{
    if (!c->low->movements)
        return;
    bool load = op->code == OP_LOAD;
    const CudaView *view = c->view[op->args[0]->id];
    const Value *x = load ? op->results[0] : op->args[op->nargs - 1];
    Movement m = {.way = load                   ? MOVE_LOAD
                         : op->code == OP_STORE ? MOVE_STORE
                                                : MOVE_ATOMIC,
                  .value = x,
                  .type = x->type,
                  .from = *l,
                  .tensor = view->tensor->name,
                  .shared = view->local != NULL,
                  .vectors = v ? *v : (Vectors){1, layout_span(l, OWN_REG), -1, true}};
    m.type.dtype = view->tensor->results[0]->type.dtype;
    find_strides(op->access, view, m.stride);
    note(c, op, m);
}
