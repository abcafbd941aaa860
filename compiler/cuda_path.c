/* Tiles of a warp's threads, each of which has a program of its own, that the warp moves together
 * through shared memory: `load x via smem` of unit thread. A tile is one piece of memory, of
 * 16-byte vectors; neighbouring lanes move neighbouring vectors, of their own tile or another's. */
#include <string.h>

#include "compiler/counts.h"
#include "compiler/cuda.h"
#include "compiler/directives.h"

enum { VECTOR_BYTES = 16 };

bool path_fail(Cuda *c, const Op *op, const Word *w, const char *why)
{
    return path_fail_hint(c, op, w, "leave it out, or ask for something else", why);
}

bool path_fail_hint(Cuda *c, const Op *op, const Word *w, const char *hint, const char *why)
{
    if (c->failed)
        return false;
    c->failed = true;
    const char *verb = op->code == OP_LOAD ? "load" : "store";
    diag_error(c->low->diag, w->pos, hint, "%s %s: %s", verb, tensor_root(op->args[0])->op->name,
               why);
    diag_note(c->low->diag, op->pos, "it is moved here");
    return false;
}

bool moves_by_warp(const Cuda *c, const Op *op)
{
    const Value *x = op->code == OP_LOAD ? op->results[0] : op->args[op->nargs - 1];
    return c->plan->unit.lanes == 1 && (op->code == OP_LOAD || op->code == OP_STORE) &&
           !is_uniform(x) && path_of(c->low, c->plan, op).smem;
}

static bool region_moves_by_warp(const Cuda *c, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (moves_by_warp(c, op))
            return true;
        for (int i = 0; i < op->nregions; i++)
            if (region_moves_by_warp(c, op->regions[i]))
                return true;
    }
    return false;
}

bool phase_moves_by_warp(const Cuda *c, const Op *par)
{
    return region_moves_by_warp(c, par->regions[par->nregions - 1]);
}

static bool leaves(const Op *op)
{
    bool loop = op->code == OP_FOR || op->code == OP_SHARE;
    for (int i = 0; i < op->nregions && !loop; i++)
        if (region_continues(op->regions[i]))
            return true;
    return op->code == OP_CONTINUE;
}

/* All programs come to the access, and none has ended before. */
static bool all_come(const Op *op)
{
    for (const Op *before = op; before; before = before->prev)
        if (leaves(before))
            return false;
    return op->parent->parent->code == OP_PAR;
}

/* ---- one access ---- */

typedef struct Piece {
    const Value *tile;
    const Layout *layout;
    int64_t vectors, each; /* of a tile; elements of a vector */
    char *pointer, *inside;
    Buffer *buffer;
} Piece;

/* Is the tile one piece of memory, wholly inside or outside? Where, and on what condition. */
static bool find_piece(Cuda *c, const Op *op, const CudaView *v, Piece *p)
{
    const Access *a = op->access;
    int64_t stride = 1;
    p->pointer = sum_of(c, v->data, v->offset ? v->offset : "0");
    p->inside = format_text(c, "%s", c->guard);
    for (int k = a->count - 1; k >= 0; k--) {
        AxisKind kind = a->axis[k].kind;
        if (kind == AX_TILE || v->divide[k] || v->quad >= 0)
            return false;
        char *inside = scalar_inside(c, op, v, k);
        if (kind != AX_SCALAR) {
            bool row = v->stride[k].known && v->stride[k].value == stride;
            if ((!row && a->axis[k].extent > 1) || *inside)
                return false;
            stride *= a->axis[k].extent;
        }
        p->inside = both(c, p->inside, inside);
        if (kind != AX_FULL)
            p->pointer = sum_of(c, p->pointer, scalar_offset(c, op, v, k));
    }
    if (!*p->inside)
        p->inside = format_text(c, "true");
    return true;
}

/* Every tile begins at a vector; what only the host sees is a fact that it tests. */
static bool begins_aligned(Cuda *c, const Op *op, const CudaView *v, int64_t each)
{
    Host *h = c->host;
    for (int k = 0; k < op->access->count; k++) {
        const bool known = v->stride[k].known;
        const Value *x = index_value(op, k);
        if (!x || (known && v->stride[k].value % each == 0) || is_multiple(x, each))
            continue;
        if (known || v->stride[k].node < 0)
            return false;
        host_need_aligned(h, host_is_multiple(h, v->stride[k].node, each));
    }
    int tensor = host_tensor_number(c->low->kernel, v->tensor);
    int address = host_node(h, TILE_NODE_ADDRESS, TILE_I64, tensor, 0, 0);
    host_need_aligned(h, host_is_multiple(h, address, VECTOR_BYTES));
    return !v->offset;
}

/* A place for the tiles of all threads: moves of equal size use it one after the other, each warp
 * its part, where it meets before and behind. */
static Buffer *stage_of(Cuda *c, size_t bytes)
{
    for (int i = 0; i < c->stages.count; i++)
        if (c->stages.items[i]->bytes == bytes)
            return c->stages.items[i];
    Buffer *b = statement_buffer_behind(&c->out, c->prologue, new_temp(c, "tiles"), "char", bytes);
    c->prologue = b->declared;
    b->fixed = true;
    PUSH(c->arena, &c->stages, b);
    return b;
}

static bool prepare(Cuda *c, const Op *op, const Value *tile, Piece *p)
{
    const CudaView *v = c->view[op->args[0]->id];
    Path path = path_of(c->low, c->plan, op);
    int64_t bytes = type_elements(&tile->type) * dtype_info[tile->type.dtype].bits / 8;
    *p = (Piece){.tile = tile, .layout = layout_of(c, tile), .vectors = bytes / VECTOR_BYTES};
    if (!all_come(op))
        return path_fail(c, op, path.smem,
                         "the threads of a warp move their tiles together, and "
                         "some programs may not come here");
    if (tile->type.dtype == DT_E2M1 || bytes % VECTOR_BYTES)
        return path_fail(c, op, path.smem, "its tiles are no multiple of 16 bytes");
    p->each = VECTOR_BYTES * 8 / dtype_info[tile->type.dtype].bits;
    if (path.elements && path.elements != p->each)
        return path_fail(c, op, path.vector, "threads move vectors of 16 bytes together");
    if (!find_piece(c, op, v, p))
        return path_fail(c, op, path.smem,
                         "a tile of it is not one piece of memory, inside of it "
                         "or outside");
    if (!begins_aligned(c, op, v, p->each))
        return path_fail(c, op, path.smem, "its tiles need not begin at a multiple of 16 bytes");
    directive_honour(c->low, c->plan, path.smem);
    directive_honour(c->low, c->plan, path.vector);
    int64_t line = p->vectors % 2 || (p->vectors & (p->vectors - 1)) == 0 ? p->vectors
                                                                          : p->vectors + 1;
    p->buffer = stage_of(c, (size_t)(c->plan->pack * line * VECTOR_BYTES));
    return true;
}

/* The register that has each element, in memory's order. */
static bool is_in_order(const Piece *p)
{
    const Type *t = &p->tile->type;
    for (int64_t r = 0; r < type_elements(t); r++) {
        int64_t at = 0;
        for (int d = 0; d < t->rank; d++)
            at = at * t->dims[d] + layout_index(p->layout, d, r, 0, 0);
        if (at != r)
            return false;
    }
    return true;
}

static void reorder(Cuda *c, const Piece *p, const char *registers, const char *elements,
                    bool to_registers)
{
    const Type *t = &p->tile->type;
    for (int64_t r = 0; r < layout_span(p->layout, OWN_REG); r++) {
        int64_t at = 0;
        for (int d = 0; d < t->rank; d++)
            at = at * t->dims[d] + layout_index(p->layout, d, r, 0, 0);
        if (to_registers)
            line(c, "%s[%lld] = %s[%lld];", registers, (long long)r, elements, (long long)at);
        else
            line(c, "%s[%lld] = %s[%lld];", elements, (long long)at, registers, (long long)r);
    }
}

/* The warp's own part of the buffer. */
static char *stage_text(Cuda *c, const Piece *p)
{
    long long warp = (long long)p->buffer->bytes / (c->plan->pack / 32);
    return format_text(c, "%s + tile_warp() * %lld", p->buffer->name, warp);
}

static void tell(Cuda *c, const Op *op, const Piece *p, bool write)
{
    statement_effect(&c->out, (Effect){.memory = memory_of(c, op->args[0]),
                                       .tensor = c->view[op->args[0]->id]->tensor,
                                       .write = write,
                                       .op = op});
    buffer_write(c, p->buffer);
}

/* Each thread's own vectors, to or from its elements in memory's order. */
static void move_own(Cuda *c, const Piece *p, const char *stage, const char *elements, bool write)
{
    DType t = p->tile->type.dtype;
    long long n = p->vectors, each = p->each;
    char *place = format_text(c, "(%s *)(%s + tile_warp_place(tile_lane(), o, %lld))", c_type(t),
                              stage, n);
    buffer_write(c, p->buffer);
    if (write)
        line(c, "TILE_EACH(o, %lld) tile_shared_store_%lld_%s(%s, &%s[o * %lld]);", n, each,
             carrier(t), place, elements, each);
    else
        line(c, "TILE_EACH(o, %lld) tile_shared_load_%lld_%s(&%s[o * %lld], %s);", n, each,
             carrier(t), elements, each, place);
}

bool warp_load(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    DType t = r->type.dtype;
    long long n = type_elements(&r->type);
    Piece p;
    if (!prepare(c, op, r, &p))
        return false;
    bool ordered = is_in_order(&p);
    declare(c, r);
    const char *stage = stage_text(c, &p), *name = c_name(c, r);
    const char *elements = ordered ? name : new_temp(c, "elements");
    tell(c, op, &p, false);
    line(c, "tile_warp_load(%s, %s, %s, %lld, %d, %s);", stage, p.pointer, p.inside,
         (long long)p.vectors, dtype_info[t].bits / 8, load_hint(c, op, c->view[op->args[0]->id]));
    if (!ordered)
        line(c, "%s %s[%lld];", c_type(t), elements, n);
    move_own(c, &p, stage, elements, false);
    if (!ordered)
        reorder(c, &p, name, elements, true);
    if (op->bits && strcmp(p.inside, "true"))
        line(c, "TILE_EACH(r, %lld) %s[r] = %s ? %s[r] : %s;", n, name, p.inside, name,
             c_literal(c, t, op->bits));
    return true;
}

bool warp_store(Cuda *c, const Op *op)
{
    const Value *x = op->args[op->nargs - 1];
    DType t = x->type.dtype;
    Piece p;
    if (!prepare(c, op, x, &p))
        return false;
    const char *stage = stage_text(c, &p), *name = fitted(c, x, p.layout), *elements = name;
    if (!is_in_order(&p) || strcmp(c_type(held(c, x)), c_type(t))) {
        elements = new_temp(c, "elements");
        line(c, "%s %s[%lld];", c_type(t), elements, (long long)type_elements(&x->type));
        reorder(c, &p, name, elements, false);
    }
    line(c, "tile_sync_warp();");
    move_own(c, &p, stage, elements, true);
    tell(c, op, &p, true);
    line(c, "tile_warp_store(%s, %s, %s, %lld, %d, %s);", stage, p.pointer, p.inside,
         (long long)p.vectors, dtype_info[t].bits / 8, store_hint(c, c->view[op->args[0]->id]));
    return true;
}
