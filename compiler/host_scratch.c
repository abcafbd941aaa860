/* The scratch of a call: one block that the caller allocates, cleared once. */
#include "compiler/host.h"

enum { PART_BYTES = 256 };

static bool has_barriers(const Host *h)
{
    return h->fused || region_syncs(h->kernel->body);
}

int64_t exchange_words(const Region *r)
{
    int64_t most = 0;
    for (const Op *op = r->first; op; op = op->next) {
        int64_t n = 0;
        if (op->code == OP_EXCHANGE) {
            const Type *t = &op->results[0]->type;
            n = type_elements(t) * (dtype_info[t->dtype].bits > 32 ? 2 : 1);
        }
        for (int i = 0; i < op->nregions; i++) {
            int64_t inner = exchange_words(op->regions[i]);
            n = inner > n ? inner : n;
        }
        most = n > most ? n : most;
    }
    return (most + 31) / 32 * 32;
}

static int round_up(Host *h, int node, int64_t to)
{
    int up = host_node(h, TILE_NODE_ADD, TILE_I64, node, host_constant(h, to - 1), 0);
    int n = host_node(h, TILE_NODE_FDIV, TILE_I64, up, host_constant(h, to), 0);
    return host_node(h, TILE_NODE_MUL, TILE_I64, n, host_constant(h, to), 0);
}

/* Bytes of a scratch tensor, with the gap behind it. */
static int bytes_of(Host *h, const Op *tensor)
{
    const Type *t = &tensor->results[0]->type;
    int n = host_constant(h, 1);
    for (int i = 0; i < t->rank; i++) {
        int extent = host_value(h, tensor->args[i]);
        if (extent < 0) {
            host_wrong(h, tensor->pos, "%s: axis %d is nothing the host computes", tensor->name, i);
            extent = host_constant(h, 0);
        }
        n = host_node(h, TILE_NODE_MUL, TILE_I64, n, extent, 0);
    }
    int bits = host_node(h, TILE_NODE_MUL, TILE_I64, n, host_constant(h, dtype_info[t->dtype].bits),
                         0);
    int up = round_up(h, bits, 8 * PART_BYTES);
    return host_node(h, TILE_NODE_FDIV, TILE_I64, up, host_constant(h, 8), 0);
}

/* The offset of `tensor`; NULL: the end of the last. */
static int offset_of(Host *h, const Op *tensor)
{
    int64_t first = has_barriers(h) ? EXCHANGE_WORDS_AT : 0;
    int at = host_constant(h, first + 2 * 8 * exchange_words(h->kernel->body));
    for (const Op *op = h->kernel->body->first; op && op != tensor; op = op->next)
        if (op->code == OP_TENSOR && op->tensor->dir == PARAM_SCRATCH)
            at = host_node(h, TILE_NODE_ADD, TILE_I64, at, bytes_of(h, op), 0);
    return at;
}

void host_scratch_layout(Host *h)
{
    bool any = has_barriers(h);
    for (const Op *op = h->kernel->body->first; op; op = op->next)
        any |= op->code == OP_TENSOR && op->tensor->dir == PARAM_SCRATCH;
    h->scratch = any ? offset_of(h, NULL) : -1;
}

int host_scratch_offset(Host *h, const Op *tensor)
{
    return offset_of(h, tensor);
}
