/* What the host tests before a launch: every extent of the header and every requirement. */
#include <stdarg.h>
#include <string.h>

#include "compiler/host.h"
#include "compiler/interp/bind.h"

/* Values are shared: without the budget a chain of squares would take for ever. */
enum { SEARCH_STEPS = 2000, MOST_NAMED = 64 };

void host_wrong(Host *h, Pos pos, const char *format, ...)
{
    va_list args;
    if (h->wrong)
        return;
    va_start(args, format);
    h->wrong = arena_vformat(h->arena, format, args);
    va_end(args);
    h->wrong_pos = pos;
}

static bool depends(const Value *v, const Op *on, int *budget)
{
    const Op *op = v->op;
    if (!op || --*budget < 0)
        return false;
    if (op == on)
        return true;
    for (int i = 0; i < op->nargs; i++)
        if (depends(op->args[i], on, budget))
            return true;
    for (int i = 0; op->code == OP_IF && i < op->nregions; i++) {
        const Op *last = op->regions[i]->last;
        for (int k = 0; last->code == OP_YIELD && k < last->nargs; k++)
            if (depends(last->args[k], on, budget))
                return true;
    }
    return false;
}

/* Which of h->dims the value depends on, a bit each. */
static uint64_t named_dims(const Host *h, const Value *v)
{
    uint64_t dims = 0;
    for (int i = 0; i < h->dims.count && i < MOST_NAMED; i++) {
        int budget = SEARCH_STEPS;
        if (depends(v, h->dims.items[i].dim, &budget))
            dims |= (uint64_t)1 << i;
    }
    return dims;
}

static bool has_scalars(const Host *h, const Value *v)
{
    int budget = SEARCH_STEPS;
    for (const Op *op = h->kernel->body->first; op; op = op->next)
        if (op->code == OP_SCALAR && depends(v, op, &budget))
            return true;
    return false;
}

static const char *text_of(Host *h, const Value *v)
{
    Binder b = {.arena = h->arena, .kernel = h->kernel};
    return bind_text(&b, v);
}

static void add_extent(Host *h, const Op *tensor, int axis)
{
    const Value *v = tensor->args[axis];
    tile_extent e = {.tensor = host_tensor_number(h->kernel, tensor),
                     .axis = axis,
                     .node = host_value(h, v),
                     .text = text_of(h, v),
                     .dims = named_dims(h, v)};
    if (e.node < 0)
        host_wrong(h, tensor->pos, "%s: axis %d: %s is nothing the host computes", tensor->name,
                   axis, e.text);
    else
        PUSH(h->arena, &h->extents, e);
}

void host_checks(Host *h)
{
    for (const Op *op = h->kernel->body->first; op; op = op->next) {
        for (int i = 0; op->code == OP_TENSOR && i < op->nargs; i++)
            if (op->tensor->dir != PARAM_SCRATCH)
                add_extent(h, op, i);
        if (op->code != OP_REQUIRE)
            continue;
        const Value *v = op->args[0];
        tile_require r = {.node = host_value(h, v),
                          .text = op->name ? op->name : text_of(h, v),
                          .dims = named_dims(h, v),
                          .scalars = has_scalars(h, v)};
        if (r.node < 0)
            host_wrong(h, op->pos, "%s is nothing the host computes", r.text);
        else
            PUSH(h->arena, &h->requires, r);
    }
}

/* ---- over the finished nodes ---- */

static int arguments_of(const tile_node *n)
{
    static const int8_t arguments[] = {
#define ARGUMENTS(op, arguments) [TILE_NODE_##op] = arguments,
        TILE_NODE_TABLE(ARGUMENTS)
#undef ARGUMENTS
    };
    return arguments[n->op];
}

uint8_t *host_strided(const Host *h)
{
    bool *used = NEW_ARRAY(h->arena, bool, h->nodes.count);
    int tensors = 0;
    for (const Op *op = h->kernel->body->first; op; op = op->next)
        tensors += op->code == OP_TENSOR;
    uint8_t *strided = NEW_ARRAY(h->arena, uint8_t, tensors + 1);
    for (int i = 0; i < h->fields.count; i++)
        if (h->fields.items[i].field.node >= 0)
            used[h->fields.items[i].field.node] = true;
    for (int i = h->nodes.count - 1; i >= 0; i--) {
        const tile_node *n = &h->nodes.items[i];
        const int32_t args[3] = {n->a, n->b, n->c};
        for (int k = 0; used[i] && k < arguments_of(n); k++)
            used[args[k]] = true;
        if (used[i] && n->op == TILE_NODE_STRIDE)
            strided[n->a] = (uint8_t)(strided[n->a] | 1 << n->b);
    }
    return strided;
}
