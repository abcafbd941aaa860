/* Dims are solved from the extents of a call's tensors (R2): bare names first, then what a schedule
 * binds, then affine expressions with one dim left. */
#include "compiler/host.h"

/* Values are shared: without the budget a chain of sums would take for ever. An extent that it does
 * not suffice for shows no dim. */
enum { SEARCH_STEPS = 2000 };

typedef struct Affine {
    bool good;
    int scale, offset; /* nodes; scale -1: no part of the dim */
} Affine;

static bool is_known(const Host *h, const Value *dim)
{
    return h->node_of[dim->id] > 0;
}

static int combine(Host *h, tile_node_op op, int a, int b)
{
    if (a < 0)
        return b < 0 || op == TILE_NODE_ADD ? b : host_node(h, TILE_NODE_NEG, TILE_I64, b, 0, 0);
    return b < 0 ? a : host_node(h, op, TILE_I64, a, b, 0);
}

static bool depends_on(const Value *v, const Value *dim, int *budget)
{
    if (v == dim)
        return true;
    if (--*budget < 0)
        return false;
    for (int i = 0; v->op && i < v->op->nargs; i++)
        if (depends_on(v->op->args[i], dim, budget))
            return true;
    return false;
}

static Affine negative(Host *h, Affine a)
{
    int *parts[2] = {&a.scale, &a.offset};
    for (int i = 0; i < 2; i++)
        if (*parts[i] >= 0)
            *parts[i] = host_node(h, TILE_NODE_NEG, TILE_I64, *parts[i], 0, 0);
    return a;
}

/* The extent as scale * dim + offset, all else known. */
static Affine affine(Host *h, const Value *v, const Value *dim, int *budget)
{
    if (v == dim)
        return (Affine){true, host_constant(h, 1), -1};
    if (!depends_on(v, dim, budget) || *budget < 0) {
        int node = host_value(h, v);
        return (Affine){node >= 0 && *budget >= 0, -1, node};
    }
    const Op *op = v->op;
    Affine a = affine(h, op->args[0], dim, budget), b = {0};
    if (a.good && op->code == OP_NEG)
        return negative(h, a);
    if (a.good && op->code == OP_CAST && op->args[0]->type.dtype == v->type.dtype)
        return a;
    if (!a.good || (op->code != OP_ADD && op->code != OP_SUB && op->code != OP_MUL))
        return (Affine){0};
    b = affine(h, op->args[1], dim, budget);
    if (!b.good)
        return (Affine){0};
    if (op->code != OP_MUL) {
        tile_node_op n = op->code == OP_ADD ? TILE_NODE_ADD : TILE_NODE_SUB;
        return (Affine){true, combine(h, n, a.scale, b.scale), combine(h, n, a.offset, b.offset)};
    }
    if (a.scale >= 0 && b.scale >= 0)
        return (Affine){0};
    const Affine *x = a.scale >= 0 ? &a : &b, *f = a.scale >= 0 ? &b : &a;
    return (Affine){true, host_node(h, TILE_NODE_MUL, TILE_I64, x->scale, f->offset, 0),
                    x->offset < 0 ? -1
                                  : host_node(h, TILE_NODE_MUL, TILE_I64, x->offset, f->offset, 0)};
}

/* Has no dim but this one that is not known. Values that the host has refused before their dims
 * were known are asked again. */
static bool only_unknown(Host *h, const Value *v, const Value *dim, int *budget)
{
    if (v == dim)
        return true;
    if (--*budget < 0)
        return false;
    if (v->op && v->op->code == OP_DIM)
        return is_known(h, v);
    for (int i = 0; v->op && i < v->op->nargs; i++)
        if (!only_unknown(h, v->op->args[i], dim, budget))
            return false;
    if (h->node_of[v->id] < 0)
        h->node_of[v->id] = 0;
    return true;
}

static int extent_node(Host *h, const Op *tensor, int axis)
{
    int number = host_tensor_number(h->kernel, tensor);
    bool entries = axis == tensor->results[0]->type.rank;
    return host_node(h, entries ? TILE_NODE_ENTRIES : TILE_NODE_EXTENT, TILE_I64, number,
                     entries ? 0 : axis, 0);
}

static void know_dim(Host *h, const Op *dim, int node, int tensor)
{
    HostDim d = {dim, node, tensor};
    PUSH(h->arena, &h->dims, d);
    h->node_of[dim->results[0]->id] = node + 1;
}

/* A bare name: the first tensor that is surely there; else, of those that may be, the first that
 * is. False: it is no extent of any. */
static bool bare_name(Host *h, const Op *dim)
{
    const Value *v = dim->results[0];
    int first = -1, node;
    for (const Op *op = h->kernel->body->first; op; op = op->next)
        for (int i = 0; op->code == OP_TENSOR && i < op->nargs; i++) {
            if (op->args[i] != v || op->tensor->dir == PARAM_SCRATCH)
                continue;
            int number = host_tensor_number(h->kernel, op);
            /* A table may be without entries, which have the extents. */
            bool entry = op->results[0]->type.kind == TY_TABLE && i < op->results[0]->type.rank;
            first = first < 0 ? number : first;
            if (!op->tensor->optional && !entry)
                return know_dim(h, dim, extent_node(h, op, i), number), true;
        }
    if (first < 0)
        return false;
    node = host_constant(h, 0);
    for (const Op *op = h->kernel->body->last; op; op = op->prev)
        for (int i = op->code == OP_TENSOR ? op->nargs - 1 : -1; i >= 0; i--)
            if (op->args[i] == v && op->tensor->dir != PARAM_SCRATCH)
                node = host_node(h, TILE_NODE_SELECT, TILE_I64,
                                 host_node(h, TILE_NODE_PRESENT, TILE_BOOL,
                                           host_tensor_number(h->kernel, op), 0, 0),
                                 extent_node(h, op, i), node);
    return know_dim(h, dim, node, first), true;
}

static bool affine_dim(Host *h, const Op *dim)
{
    const Value *d = dim->results[0];
    for (const Op *op = h->kernel->body->first; op; op = op->next)
        for (int i = 0; op->code == OP_TENSOR && i < op->nargs; i++) {
            const Value *v = op->args[i];
            int budget = SEARCH_STEPS;
            if (op->tensor->dir == PARAM_SCRATCH || !depends_on(v, d, &budget) ||
                !only_unknown(h, v, d, &budget))
                continue;
            Affine a = affine(h, v, d, &budget);
            if (!a.good || a.scale < 0)
                continue;
            int offset = a.offset < 0 ? host_constant(h, 0) : a.offset;
            int node = host_node(h, TILE_NODE_SOLVE, TILE_I64, a.scale, offset,
                                 extent_node(h, op, i));
            return know_dim(h, dim, node, host_tensor_number(h->kernel, op)), true;
        }
    return false;
}

/* A dim that a schedule binds, once what it is bound to is known. */
static bool bound_dim(Host *h, const Op *dim)
{
    int budget = SEARCH_STEPS;
    if (dim->nargs == 0 || !only_unknown(h, dim->args[0], dim->results[0], &budget))
        return false;
    int node = host_value(h, dim->args[0]);
    if (node < 0) {
        host_wrong(h, dim->args[0]->op->pos, "what %s is bound to is nothing the host computes",
                   dim->name);
        node = host_constant(h, 0);
    }
    return know_dim(h, dim, node, -1), true;
}

static bool depends(const Value *v, const Op *on, int depth)
{
    if (!v->op || depth == 0)
        return false;
    for (int i = 0; i < v->op->nargs; i++)
        if (depends(v->op->args[i], on, depth - 1))
            return true;
    return v->op == on;
}

/* The phases whose ranges depend on it, a bit each; else all. */
static int phases_of(const Kernel *k, const Op *resident)
{
    int bounds = 0, phase = 0;
    for (const Op *op = k->body->first; op; op = op->next) {
        if (op->code != OP_PAR)
            continue;
        for (int i = 0; i + 1 < op->nregions; i++)
            for (int j = 0; j < 3; j++)
                if (depends(op->regions[i]->last->args[j], resident, 16))
                    bounds |= 1 << phase;
        phase++;
    }
    return bounds ? bounds : (1 << phase) - 1;
}

int host_programs(Host *h, const Op *resident)
{
    return host_node(h, TILE_NODE_PROGRAMS, TILE_I64, phases_of(h->kernel, resident), 0, 0);
}

void host_dims(Host *h)
{
    bool again = true;
    for (const Op *op = h->kernel->body->first; op; op = op->next)
        if (op->code == OP_DIM && op->nargs == 0)
            bare_name(h, op);
    while (again) {
        again = false;
        for (const Op *op = h->kernel->body->first; op; op = op->next)
            again |= op->code == OP_DIM && !is_known(h, op->results[0]) &&
                     (bound_dim(h, op) || affine_dim(h, op));
    }
    for (const Op *op = h->kernel->body->first; op; op = op->next)
        if (op->code == OP_DIM && !is_known(h, op->results[0]))
            know_dim(h, op, host_node(h, TILE_NODE_BOUND, TILE_I64, 0, 0, 0), -1);
}
