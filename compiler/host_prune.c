/* Drops the nodes of a plan that nothing needs: values are asked for before it is known whether the
 * host or the kernel computes with them. */
#include "compiler/host.h"

static int arguments_of(int op)
{
    static const int8_t arguments[] = {
#define ARGUMENTS(name, count) [TILE_NODE_##name] = count,
        TILE_NODE_TABLE(ARGUMENTS)
#undef ARGUMENTS
    };
    return arguments[op];
}

static void use(int *number, int node)
{
    if (node >= 0)
        number[node] = 1;
}

/* 1 for every node that a part of the plan names, or one of those depends on. */
static void mark(const tile_plan *p, int *number)
{
    use(number, p->aligned);
    use(number, p->when);
    use(number, p->scratch_bytes);
    for (int i = 0; i < p->field_count; i++)
        use(number, p->fields[i].node);
    for (int i = 0; i < p->phase_count; i++)
        use(number, p->phases[i].blocks);
    for (int i = 0; i < p->dim_count; i++)
        use(number, p->dims[i].node);
    for (int i = 0; i < p->extent_count; i++)
        use(number, p->extents[i].node);
    for (int i = 0; i < p->require_count; i++)
        use(number, p->requires[i].node);
    for (int i = 0; i < p->map_count; i++)
        for (int k = 0; k < p->maps[i].rank; k++) {
            use(number, p->maps[i].extent[k]);
            use(number, p->maps[i].stride[k]);
        }
    for (int i = p->node_count - 1; i >= 0; i--) {
        const tile_node *n = &p->nodes[i];
        const int32_t args[3] = {n->a, n->b, n->c};
        for (int k = 0; number[i] && k < arguments_of(n->op); k++)
            number[args[k]] = 1;
    }
}

/* Nodes that depend on what the GPU holds of the code: they are computed again once that is known.
 */
static bool *find_late(Arena *a, const tile_plan *p)
{
    bool *late = NEW_ARRAY(a, bool, p->node_count + 1);
    for (int i = 0; i < p->node_count; i++) {
        const tile_node *n = &p->nodes[i];
        const int32_t args[3] = {n->a, n->b, n->c};
        late[i] = n->op == TILE_NODE_RESIDENT || n->op == TILE_NODE_PROGRAMS;
        for (int k = 0; k < arguments_of(n->op); k++)
            late[i] |= late[args[k]];
    }
    return late;
}

/* Late nodes come last. */
static void renumber_nodes(Arena *a, tile_plan *p, int *number)
{
    tile_node *nodes = NEW_ARRAY(a, tile_node, p->node_count);
    const bool *late = find_late(a, p);
    int n = 0;
    for (int pass = 0; pass < 2 * p->node_count; pass++) {
        int i = pass % p->node_count;
        if (!number[i] || late[i] != (pass >= p->node_count))
            continue;
        tile_node *to = &nodes[n];
        int32_t *args[3] = {&to->a, &to->b, &to->c};
        *to = p->nodes[i];
        for (int k = 0; k < arguments_of(to->op); k++)
            *args[k] = number[*args[k]];
        number[i] = n++;
    }
    p->nodes = nodes;
    p->node_count = n;
}

/* A copy of a part of the plan whose nodes have their new numbers. */
#define RENUMBER(T, list, count, node)                 \
    do {                                               \
        T *copy_ = NEW_ARRAY(a, T, p->count);          \
        for (int i = 0; i < p->count; i++) {           \
            copy_[i] = p->list[i];                     \
            if (copy_[i].node >= 0)                    \
                copy_[i].node = number[copy_[i].node]; \
        }                                              \
        p->list = copy_;                               \
    } while (0)

static void renumber_maps(Arena *a, tile_plan *p, const int *number)
{
    tile_plan_map *copy = NEW_ARRAY(a, tile_plan_map, p->map_count);
    for (int i = 0; i < p->map_count; i++) {
        copy[i] = p->maps[i];
        for (int k = 0; k < copy[i].rank; k++) {
            copy[i].extent[k] = number[copy[i].extent[k]];
            copy[i].stride[k] = copy[i].stride[k] < 0 ? -1 : number[copy[i].stride[k]];
        }
    }
    p->maps = copy;
}

void host_prune(Arena *a, tile_plan *p)
{
    int *number = NEW_ARRAY(a, int, p->node_count + 1);
    mark(p, number);
    renumber_nodes(a, p, number);
    RENUMBER(tile_field, fields, field_count, node);
    RENUMBER(tile_phase, phases, phase_count, blocks);
    RENUMBER(tile_dim, dims, dim_count, node);
    RENUMBER(tile_extent, extents, extent_count, node);
    RENUMBER(tile_require, requires, require_count, node);
    renumber_maps(a, p, number);
    p->aligned = p->aligned < 0 ? -1 : number[p->aligned];
    p->when = p->when < 0 ? -1 : number[p->when];
    p->scratch_bytes = p->scratch_bytes < 0 ? -1 : number[p->scratch_bytes];
    p->resident = -1;
    for (int i = p->node_count - 1; i >= 0; i--)
        if (p->nodes[i].op == TILE_NODE_RESIDENT || p->nodes[i].op == TILE_NODE_PROGRAMS)
            p->resident = i;
}
