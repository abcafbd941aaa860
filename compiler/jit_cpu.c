/* A call on the CPU: the interpreter on the caller's memory. */
#include <stdlib.h>
#include <string.h>

#include "compiler/interp/interp.h"
#include "compiler/jit.h"
#include "runtime/runtime.h"

Kernel *elaborate(Arena *, Diag *, const Program *, const Item *kernel, const Variant *);

/* ---- the program ---- */

static const Kernel *find_ir(const tile_checked *c, const char **message)
{
    tile_program *p = jit_program_of(c->kernel, c->context);
    *message = NULL;
    if (!p)
        return NULL;
    const Kernel *ir = NULL;
    VariantList list = {0};
    size_t bytes = (size_t)c->kernel->key_count * sizeof *c->variant->key;
    pthread_mutex_lock(&p->lock);
    JitKernel *j = jit_kernel(p, c->kernel->name);
    for (int i = 0; j && i < j->irs.count && !ir; i++)
        if (j->irs.items[i].schedule == c->schedule &&
            memcmp(j->irs.items[i].key, c->variant->key, bytes) == 0)
            ir = j->irs.items[i].ir;
    if (j && !ir) {
        p->diag.out = NULL;
        if (jit_choose(p, j, TILE_ARCH_CPU, c->variant->key, &list) && c->schedule < list.count)
            ir = elaborate(&p->arena, &p->diag, &p->program, j->library->item,
                           &list.items[c->schedule]);
        JitIr fresh = {memcpy(arena_alloc(&p->arena, bytes + 1), c->variant->key, bytes),
                       c->schedule, ir};
        if (ir)
            PUSH(&p->arena, &j->irs, fresh);
    }
    if (!ir)
        *message = p->diag.first ? p->diag.first : "its program is not there";
    pthread_mutex_unlock(&p->lock);
    return ir;
}

/* ---- memory ---- */

/* A run of the interpreter; its memory goes at the end. */
typedef struct Run {
    Arena arena;
    Diag diag;
    const tile_checked *call;
    const Kernel *ir;
    Binding *bindings;
    int nbindings;
    Solution solution;
    Argument *arguments;
    int narguments;
} Run;

static const tile_view *view_of(const Run *r, int tensor)
{
    int param = r->call->plan->tensors[tensor].param;
    return param < 0 ? NULL : &r->call->views[param];
}

/* Strides in bits; rows of two e2m1 are copied byte by byte. */
typedef struct Walk {
    int rank;
    int64_t extent[MAX_RANK], stride[MAX_RANK], dense[MAX_RANK];
    size_t size; /* bytes that are copied at a time */
} Walk;

static Walk walk_of(const tile_view *v, const Buffer *b)
{
    Walk w = {.rank = b->rank, .size = dtype_info[b->dtype].size};
    int64_t n = 1, per = b->dtype == DT_E2M1 ? 2 : 1;
    for (int i = b->rank - 1; i >= 0; i--) {
        bool last = i == b->rank - 1;
        w.extent[i] = last ? b->extent[i] / per : b->extent[i];
        w.stride[i] = (last ? v->stride[i] : v->stride[i] / per) * (int64_t)w.size;
        w.dense[i] = n * (int64_t)w.size;
        n *= w.extent[i];
    }
    return w;
}

static bool is_dense(const tile_view *v, const Buffer *b)
{
    int64_t n = 1;
    if (b->format != FORMAT_ROW)
        return true;
    for (int i = b->rank - 1; i >= 0; i--) {
        if (b->extent[i] > 1 && v->stride[i] != n)
            return false;
        n *= b->extent[i];
    }
    return true;
}

static void copy_elements(const Walk *w, char *there, char *dense, bool in, int axis)
{
    if (axis == w->rank) {
        memcpy(in ? dense : there, in ? there : dense, w->size);
        return;
    }
    for (int64_t i = 0; i < w->extent[axis]; i++)
        copy_elements(w, there + i * w->stride[axis], dense + i * w->dense[axis], in, axis + 1);
}

static char *address_of(const tile_view *v, int entry)
{
    const DLTensor *t = v->entries ? v->entries[entry] : v->tensor;
    return t && t->data ? (char *)((uintptr_t)t->data + t->byte_offset) : NULL;
}

static bool take_buffer(Run *r, int tensor, int entry, Buffer *b)
{
    const Op *op = r->bindings[tensor].tensor;
    const Type *type = &op->results[0]->type;
    const tile_view *v = view_of(r, tensor);
    *b = (Buffer){
        .name = op->name, .dtype = type->dtype, .format = op->tensor->format, .rank = type->rank};
    memcpy(b->extent, r->solution.extents[tensor], sizeof b->extent);
    b->defined = op->tensor->dir == PARAM_IN || op->tensor->dir == PARAM_INOUT;
    int64_t bytes = buffer_bytes(b->dtype, b->format, b->rank, b->extent);
    if (bytes < 0)
        return false;
    b->bytes = (size_t)bytes;
    if (v && is_dense(v, b)) {
        b->data = address_of(v, entry);
        return true;
    }
    b->data = calloc(b->bytes + 64, 1);
    if (v && b->data) {
        Walk w = walk_of(v, b);
        copy_elements(&w, address_of(v, entry), b->data, true, 0);
    }
    return b->data != NULL;
}

static bool take_buffers(Run *r)
{
    for (const Op *op = r->ir->body->first; op; op = op->next)
        r->nbindings += op->code == OP_TENSOR;
    r->bindings = NEW_ARRAY(&r->arena, Binding, r->nbindings);
    int n = 0;
    for (const Op *op = r->ir->body->first; op; op = op->next)
        if (op->code == OP_TENSOR)
            r->bindings[n++].tensor = op;
    for (n = 0; n < r->nbindings; n++) {
        Binding *b = &r->bindings[n];
        int entries = r->solution.entries[n];
        b->buffers = NEW_ARRAY(&r->arena, Buffer, entries);
        for (int e = 0; e < entries; e++, b->entries++)
            if (!take_buffer(r, n, e, &b->buffers[e]))
                return false;
    }
    return true;
}

/* Outputs that are not where the caller has them go there; copies are freed. */
static void give_buffers(Run *r, bool good)
{
    for (int n = 0; n < r->nbindings; n++)
        for (int e = 0; e < r->bindings[n].entries; e++) {
            Buffer *b = &r->bindings[n].buffers[e];
            const tile_view *v = view_of(r, n);
            if (v && is_dense(v, b))
                continue;
            if (v && good && r->bindings[n].tensor->tensor->dir != PARAM_IN) {
                Walk w = walk_of(v, b);
                copy_elements(&w, address_of(v, e), b->data, false, 0);
            }
            free(b->data);
        }
}

/* ---- numbers ---- */

static void add_argument(Run *r, const char *name, uint64_t bits, DType t)
{
    int width = dtype_info[t].bits;
    bits = width < 64 ? bits & (((uint64_t)1 << width) - 1) : bits;
    r->arguments[r->narguments++] = (Argument){name, bits};
}

static void take_arguments(Run *r)
{
    const tile_plan *plan = r->call->plan;
    int count = 0, scalar = 0;
    for (const Op *op = r->ir->body->first; op; op = op->next)
        count += op->code == OP_SCALAR || op->code == OP_DIM;
    r->arguments = NEW_ARRAY(&r->arena, Argument, count);
    for (const Op *op = r->ir->body->first; op; op = op->next) {
        if (op->code == OP_SCALAR)
            add_argument(r, op->name, r->call->scalars[scalar++], op->results[0]->type.dtype);
        for (int i = 0; op->code == OP_DIM && i < plan->dim_count; i++)
            if (strcmp(plan->dims[i].name, op->name) == 0)
                add_argument(r, op->name, r->call->values[plan->dims[i].node], DT_I64);
    }
}

/* The extents of all tensors, scratch too, from those of the call. */
static bool solve(Run *r)
{
    const tile_plan *plan = r->call->plan;
    Shape *shapes = NEW_ARRAY(&r->arena, Shape, plan->tensor_count);
    int n = 0, count = 0;
    for (const Op *op = r->ir->body->first; op; op = op->next) {
        const tile_view *v = op->code == OP_TENSOR ? view_of(r, n) : NULL;
        n += op->code == OP_TENSOR;
        if (!v || !v->tensor)
            continue;
        Shape *s = &shapes[count++];
        *s = (Shape){.tensor = op, .entries = (int)v->count, .rank = v->rank};
        for (int i = 0; i < plan->extent_count; i++)
            if (plan->extents[i].tensor == n - 1 && plan->extents[i].axis < v->rank)
                s->extent[plan->extents[i].axis] = (int64_t)r->call->values[plan->extents[i].node];
    }
    return bind_solve(&r->arena, &r->diag, r->ir, shapes, count, r->arguments, r->narguments,
                      &r->solution);
}

static tile_status run(Run *r, FILE *heard)
{
    const RunOptions options = {0};
    r->diag = (Diag){.arena = &r->arena, .out = heard};
    take_arguments(r);
    if (!solve(r))
        return TILE_ERR_SHAPE;
    bool good = take_buffers(r);
    tile_status status = good ? TILE_ERR_LAUNCH : TILE_ERR_MEMORY;
    good = good && interp_run(r->ir, r->bindings, r->nbindings, r->solution.arguments,
                              r->solution.narguments, &options, &r->diag);
    give_buffers(r, good);
    return good ? TILE_OK : status;
}

tile_status jit_run(const tile_checked *c)
{
    const char *message;
    Run r = {.call = c, .ir = find_ir(c, &message)};
    if (!r.ir)
        return message
                   ? tile__fail(c->context, TILE_ERR_COMPILE, "%s: %s", c->kernel->name, message)
                   : TILE_ERR_COMPILE;
    char *text = NULL;
    size_t size = 0;
    FILE *heard = open_memstream(&text, &size);
    tile_status status = heard ? run(&r, heard) : TILE_ERR_MEMORY;
    if (heard)
        fclose(heard);
    if (status != TILE_OK)
        tile__fail(c->context, status, "%s: %.*s", c->kernel->name,
                   (int)(size && text[size - 1] == '\n' ? size - 1 : size),
                   text && *text ? text : "out of memory");
    free(text);
    arena_free(&r.arena);
    return status;
}
