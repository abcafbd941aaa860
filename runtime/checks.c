/* Is what the plan computes what the call has? Dims, extents, requirements. */
#include "runtime/call.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = 512 };

/* "K is 4096 (from x), M is 3 (from y)"; "" if the mask names no dim. */
static void dims_text(const Call *c, uint64_t dims, char text[TEXT_SIZE])
{
    size_t n = 0;
    *text = 0;
    for (int i = 0; i < c->plan->dim_count && i < 64 && n < TEXT_SIZE; i++) {
        const tile_dim *d = &c->plan->dims[i];
        if (!(dims >> i & 1)) {
            continue;
        }
        int param = d->tensor < 0 ? -1 : c->plan->tensors[d->tensor].param;
        n += (size_t)snprintf(text + n, TEXT_SIZE - n, "%s%s is %lld (from %s)", n ? ", " : "",
                              d->name, (long long)c->values[d->node],
                              param < 0 ? "the schedule" : param_name(c, param));
    }
}

/* "y: axis 1 is 4097": in the host's elements, and how many of the kernel's those are. */
static void found_text(const Call *c, int param, int axis, char text[TEXT_SIZE])
{
    const tile_view *v = &c->views[param];
    const char *name = param_name(c, param);
    if (axis == v->rank) {
        snprintf(text, TEXT_SIZE, "%s: entries are %lld", name, (long long)v->count);
    } else if (v->per > 1 && axis == v->rank - 1) {
        snprintf(text, TEXT_SIZE, "%s: axis %d is %lld, of %d %s each", name, axis,
                 (long long)v->tensor->shape[axis], v->per, tile__dtype_name(v->dtype));
    } else {
        snprintf(text, TEXT_SIZE, "%s: axis %d is %lld", name, axis, (long long)v->extent[axis]);
    }
}

static tile_status wrong_extent(const Call *c, const tile_extent *e, int param)
{
    char found[TEXT_SIZE], dims[TEXT_SIZE];
    long long want = (long long)c->values[e->node];
    if (c->quiet) {
        return TILE_ERR_SHAPE;
    }
    found_text(c, param, e->axis, found);
    dims_text(c, e->dims, dims);
    bool is_dim = false;
    for (int i = 0; i < c->plan->dim_count; i++) {
        is_dim |= strcmp(c->plan->dims[i].name, e->text) == 0;
    }
    if (!*dims) {
        return tile__call_failed(c, TILE_ERR_SHAPE, "%s, not %lld", found, want);
    }
    if (is_dim) {
        return tile__call_failed(c, TILE_ERR_SHAPE, "%s, %s", found, dims);
    }
    return tile__call_failed(c, TILE_ERR_SHAPE, "%s, %s is %lld; %s", found, e->text, want, dims);
}

static tile_status check_extent(const Call *c, const tile_extent *e)
{
    int param = c->plan->tensors[e->tensor].param;
    const tile_view *v = &c->views[param];
    int64_t want = (int64_t)c->values[e->node], found;
    if (e->axis == v->rank) {
        found = v->count;
    } else if (!v->tensor) {
        return TILE_OK; /* left out, or a table without entries */
    } else {
        found = v->extent[e->axis];
    }
    /* Elements of four: what fills the last one is free. */
    bool loose = v->per == 4 && e->axis == v->rank - 1;
    if (want == found || (loose && want >= 0 && want < found && want > found - 4)) {
        return TILE_OK;
    }
    return wrong_extent(c, e, param);
}

static tile_status check_require(const Call *c, const tile_require *r)
{
    char dims[TEXT_SIZE];
    tile_status status = r->scalars ? TILE_ERR_VALUE : TILE_ERR_SHAPE;
    if (c->values[r->node]) {
        return TILE_OK;
    }
    if (c->quiet) {
        return status;
    }
    dims_text(c, r->dims, dims);
    return tile__call_failed(c, status, "%s does not hold%s%s", r->text, *dims ? ": " : "", dims);
}

/* ---- faults ---- */

/* The dim that a SOLVE node gives, and the extent that it is read from. */
static tile_status no_solution(const Call *c, int node)
{
    const tile_node *extent = &c->plan->nodes[c->plan->nodes[node].c];
    int param = c->plan->tensors[extent->a].param, axis = extent->b;
    const char *dim = "number", *text = "?";
    char found[TEXT_SIZE];
    for (int i = 0; i < c->plan->dim_count; i++) {
        if (c->plan->dims[i].node == node) {
            dim = c->plan->dims[i].name;
        }
    }
    axis = extent->op == TILE_NODE_ENTRIES ? c->views[param].rank : axis;
    for (int i = 0; i < c->plan->extent_count; i++) {
        const tile_extent *e = &c->plan->extents[i];
        if (e->tensor == extent->a && e->axis == axis) {
            text = e->text;
        }
    }
    found_text(c, param, axis, found);
    return tile__call_failed(c, TILE_ERR_SHAPE, "%s, and no %s gives that by %s", found, dim, text);
}

/* `what` depends on the node; TILE_OK if nothing is wrong with it. */
static tile_status check_fault(const Call *c, int node, const char *what)
{
    int at = 0;
    switch (node < 0 ? FAULT_NONE : tile__fault_of(c, node, &at)) {
    case FAULT_SOLVE:
        return no_solution(c, at);
    case FAULT_DIVISION:
        return tile__call_failed(c, TILE_ERR_VALUE, "%s: division by zero", what);
    case FAULT_OVERFLOW:
        return tile__call_failed(c, TILE_ERR_VALUE, "%s: exceeds 64 bits", what);
    default:
        return TILE_OK;
    }
}

static tile_status check_faults(const Call *c)
{
    const tile_plan *p = c->plan;
    tile_status status = TILE_OK;
    for (int i = 0; i < p->dim_count && status == TILE_OK; i++) {
        status = check_fault(c, p->dims[i].node, p->dims[i].name);
    }
    for (int i = 0; i < p->extent_count && status == TILE_OK; i++) {
        status = check_fault(c, p->extents[i].node, p->extents[i].text);
    }
    for (int i = 0; i < p->require_count && status == TILE_OK; i++) {
        status = check_fault(c, p->requires[i].node, p->requires[i].text);
    }
    for (int i = 0; i < p->field_count && status == TILE_OK; i++) {
        status = check_fault(c, p->fields[i].node, "what the kernel needs");
    }
    for (int i = 0; i < p->map_count; i++) {
        const tile_plan_map *m = &p->maps[i];
        for (int k = 0; k < m->rank && status == TILE_OK; k++) {
            status = check_fault(c, m->extent[k], "an extent");
            if (status == TILE_OK) {
                status = check_fault(c, m->stride[k], "a stride");
            }
        }
    }
    for (int i = 0; i < p->phase_count && status == TILE_OK; i++) {
        status = check_fault(c, p->phases[i].blocks, "the number of programs");
    }
    return status == TILE_OK ? check_fault(c, p->scratch_bytes, "the size of the scratch") : status;
}

tile_status tile__check_when(Call *c)
{
    return c->fault == FAULT_NONE ? TILE_OK
                                  : check_fault(c, c->plan->when, "`when` of its schedule");
}

tile_status tile__check_values(Call *c)
{
    const tile_plan *p = c->plan;
    tile_status status = c->fault == FAULT_NONE ? TILE_OK : check_faults(c);
    for (int i = 0; i < p->extent_count && status == TILE_OK; i++) {
        status = check_extent(c, &p->extents[i]);
    }
    for (int i = 0; i < p->require_count && status == TILE_OK; i++) {
        status = check_require(c, &p->requires[i]);
    }
    return status;
}
