/* Dims that a schedule binds to what only a device knows: let P = min(grid.resident, 64); */
#include <string.h>

#include "compiler/host.h"

static int failed(Host *h, const Expr *x)
{
    host_wrong(h, x->pos, "%s is nothing the host computes", expr_text(h->arena, x));
    return -1;
}

typedef struct Bound {
    Host *host;
    const Op *dim;
} Bound;

static int translate(Bound *b, const Expr *x);

static int of_name(Bound *b, const Expr *x)
{
    Host *h = b->host;
    const Variant *v = h->variant;
    const Setting *s = setting_find(&v->params, x->name);
    if (s && s->run_time && s->expr)
        return translate(b, s->expr);
    s = s ? s : setting_find(&v->statics, x->name);
    if (s && (s->kind == SET_INT || s->kind == SET_BOOL))
        return host_constant(h, s->integer);
    for (const Op *op = h->kernel->body->first; op; op = op->next)
        if (op->code == OP_DIM && strcmp(op->name, x->name) == 0) {
            int node = host_value(h, op->results[0]);
            return node >= 0 ? node : failed(h, x);
        }
    return failed(h, x);
}

static int of_binary(Bound *b, const Expr *x, tile_node_op op, tile_scalar_type type)
{
    int l = translate(b, x->a), r = translate(b, x->b);
    return l < 0 || r < 0 ? -1 : host_node(b->host, op, type, l, r, 0);
}

/* min, max, cdiv, align */
static int of_call(Bound *b, const Expr *x)
{
    Host *h = b->host;
    const char *name = x->a->kind == E_NAME ? x->a->name : "";
    bool up = strcmp(name, "align") == 0, min = strcmp(name, "min") == 0;
    if (x->args.count != 2 || (!up && !min && strcmp(name, "max") && strcmp(name, "cdiv")))
        return failed(h, x);
    int l = translate(b, x->args.items[0]), r = translate(b, x->args.items[1]);
    if (l < 0 || r < 0)
        return -1;
    if (min || strcmp(name, "max") == 0)
        return host_node(h, min ? TILE_NODE_MIN : TILE_NODE_MAX, TILE_I64, l, r, 0);
    int sum = host_node(h, TILE_NODE_ADD, TILE_I64, l, r, 0);
    sum = host_node(h, TILE_NODE_SUB, TILE_I64, sum, host_constant(h, 1), 0);
    int quotient = host_node(h, TILE_NODE_FDIV, TILE_I64, sum, r, 0);
    return up ? host_node(h, TILE_NODE_MUL, TILE_I64, quotient, r, 0) : quotient;
}

static int translate(Bound *b, const Expr *x)
{
    static const struct {
        ExprKind kind;
        tile_node_op op;
        tile_scalar_type type;
    } operators[] = {
        {E_ADD, TILE_NODE_ADD, TILE_I64}, {E_SUB, TILE_NODE_SUB, TILE_I64},
        {E_MUL, TILE_NODE_MUL, TILE_I64}, {E_FDIV, TILE_NODE_FDIV, TILE_I64},
        {E_MOD, TILE_NODE_MOD, TILE_I64}, {E_EQ, TILE_NODE_EQ, TILE_I64},
        {E_NE, TILE_NODE_NE, TILE_I64},   {E_LT, TILE_NODE_LT, TILE_I64},
        {E_LE, TILE_NODE_LE, TILE_I64},   {E_GT, TILE_NODE_GT, TILE_I64},
        {E_GE, TILE_NODE_GE, TILE_I64},   {E_LAND, TILE_NODE_AND, TILE_BOOL},
        {E_LOR, TILE_NODE_OR, TILE_BOOL},
    };
    Host *h = b->host;
    if (x->kind == E_INT && x->integer <= INT64_MAX)
        return host_constant(h, (int64_t)x->integer);
    if (x->kind == E_NAME)
        return of_name(b, x);
    if (x->kind == E_CALL)
        return of_call(b, x);
    if (x->kind == E_MEMBER && x->a->kind == E_NAME && strcmp(x->a->name, "grid") == 0)
        return host_node(h, TILE_NODE_PROGRAMS, TILE_I64, host_bounds(h->kernel, b->dim), 0, 0);
    if (x->kind == E_NEG) {
        int node = translate(b, x->a);
        return node < 0 ? -1 : host_node(h, TILE_NODE_NEG, TILE_I64, node, 0, 0);
    }
    if (x->kind == E_COND) {
        int c = translate(b, x->a), l = translate(b, x->b), r = translate(b, x->c);
        return c < 0 || l < 0 || r < 0 ? -1 : host_node(h, TILE_NODE_SELECT, TILE_I64, c, l, r);
    }
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (operators[i].kind == x->kind)
            return of_binary(b, x, operators[i].op, operators[i].type);
    return failed(h, x);
}

int host_bound(Host *h, const Op *dim, const Setting *s)
{
    Bound b = {h, dim};
    if (!s->run_time)
        return host_constant(h, s->integer);
    return s->expr ? translate(&b, s->expr) : host_constant(h, s->integer);
}

static bool depends(const Value *v, const Op *dim, int depth)
{
    if (!v->op || depth == 0)
        return false;
    for (int i = 0; i < v->op->nargs; i++)
        if (depends(v->op->args[i], dim, depth - 1))
            return true;
    return v->op == dim;
}

int host_bounds(const Kernel *k, const Op *dim)
{
    int bounds = 0, phase = 0;
    for (const Op *op = k->body->first; op; op = op->next) {
        if (op->code != OP_PAR)
            continue;
        for (int i = 0; i + 1 < op->nregions; i++)
            for (int j = 0; j < 3; j++)
                if (depends(op->regions[i]->last->args[j], dim, 16))
                    bounds |= 1 << phase;
        phase++;
    }
    return bounds ? bounds : (1 << phase) - 1;
}
