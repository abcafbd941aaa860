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

void note_shared(Cuda *c, const char *what, const Layout *l, const Vectors *v,
                 const SharedPlace *place)
{
    if (!c->counting)
        return;
    SharedPlace *kept = NEW(c->arena, SharedPlace);
    *kept = *place;
    SharedUse use = {.pos = c->at,
                     .what = what,
                     .layout = *l,
                     .vectors = *v,
                     .size = dtype_info[place->type.dtype].size,
                     .place = kept};
    PUSH(c->arena, &c->shared, use);
}

/* A local tensor; where an index is a tile, places depend on data. */
static void note_local(Cuda *c, const Op *op, const CudaView *view, const Layout *l,
                       const Vectors *v, const Type *t)
{
    SharedUse use = {.pos = op->pos,
                     .what = view->tensor->name,
                     .layout = *l,
                     .vectors = *v,
                     .size = dtype_info[view->tensor->results[0]->type.dtype].size,
                     .rank = t->rank,
                     .by_thread = c->plan->unit.lanes == 1};
    find_strides(op->access, view, use.stride);
    for (int i = 0; i < t->rank; i++)
        if (use.stride[i] == STRIDE_UNKNOWN)
            return;
    PUSH(c->arena, &c->shared, use);
}

void note_cell(Cuda *c, const Op *op, const char *what, int64_t regs, int64_t vector)
{
    ThreadUnit u = c->plan->unit;
    DType t = op->code == OP_LOAD ? op->results[0]->type.dtype
                                  : op->args[op->nargs - 1]->type.dtype;
    if (!c->counting || u.lanes == 1)
        return; /* a block's threads lie side by side */
    SharedUse use = {.pos = op->pos, .what = what, .size = dtype_info[t].size, .rank = 1};
    layout_add(&use.layout, OWN_REG, 0, vector, 1);
    layout_add(&use.layout, OWN_LANE, 0, u.lanes, vector);
    layout_add(&use.layout, OWN_WARP, 0, u.warps, vector * u.lanes);
    layout_add(&use.layout, OWN_REG, 0, regs / vector, vector * u.lanes * u.warps);
    use.vectors = vectors_along(&use.layout, 0, vector);
    use.stride[0] = 1;
    PUSH(c->arena, &c->shared, use);
}

void note_access(Cuda *c, const Op *op, const Layout *l, const Vectors *v)
{
    bool load = op->code == OP_LOAD;
    const CudaView *view = c->view[op->args[0]->id];
    Vectors one = {1, layout_span(l, OWN_REG), -1, true};
    if (c->counting && view->local)
        note_local(c, op, view, l, v ? v : &one,
                   load ? &op->results[0]->type : &op->args[op->nargs - 1]->type);
    if (!c->low->movements)
        return;
    const Value *x = load ? op->results[0] : op->args[op->nargs - 1];
    Movement m = {.way = load                   ? MOVE_LOAD
                         : op->code == OP_STORE ? MOVE_STORE
                                                : MOVE_ATOMIC,
                  .value = x,
                  .type = x->type,
                  .from = *l,
                  .tensor = view->tensor->name,
                  .shared = view->local != NULL,
                  .vectors = v ? *v : one};
    m.type.dtype = view->tensor->results[0]->type.dtype;
    find_strides(op->access, view, m.stride);
    note(c, op, m);
}
