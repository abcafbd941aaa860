/* Stores of a tile that lies in shared memory to rows that begin anywhere.
 *
 * A row's 16-byte pieces begin where memory's do, not where the tile's do: a thread takes the
 * elements of one piece out of shared memory, whole if the piece lies within the row. */
#include <string.h>

#include "compiler/cuda.h"

/* A tile of two dims in a plain view. */
bool is_shiftable(const Op *op, const CudaView *v, const SharedPlace *p)
{
    const Value *x = op->args[op->nargs - 1];
    int bits = dtype_info[x->type.dtype].bits;
    if (x->type.rank != 2 || v->local || (bits != 8 && bits != 16 && bits != 32))
        return false;
    int dim = 0;
    for (int k = 0; k < op->access->count; k++)
        if (op->access->axis[k].kind == AX_TILE || v->divide[k] || v->quad == k)
            return false;
    for (int k = 0; k < op->access->count; k++) {
        bool slice = op->access->axis[k].kind != AX_SCALAR;
        if (slice && dim == p->fast && !(v->stride[k].known && v->stride[k].value == 1))
            return false;
        dim += slice;
    }
    return true;
}

/* The element's place in the buffer: `n` along the other dim, `x` along `fast`. */
static char *shared_element(Cuda *c, const SharedPlace *p, const char *n, const char *x)
{
    long long width = p->chunk * p->chunks;
    if (!p->mask)
        return format_text(c, "%s + %s * %lld", x, n, width);
    return format_text(c, "(%s ^ (%s >> %d & %lld) * %lld) + %s * %lld", x, n, p->shift,
                       (long long)p->mask, (long long)p->chunk, n, width);
}

/* Pointer to column 0 of tile row "i", the condition that the row is inside, and how many columns
 * are. */
static void describe_row(Cuda *c, const Op *op, const CudaView *v, int fast, char **pointer,
                         char **inside, char **room)
{
    char *at = format_text(c, "%s", v->offset ? v->offset : "0");
    int arg = 1, dim = 0;
    *inside = format_text(c, "%s", c->guard);
    *room = format_text(c, "%lld", (long long)op->args[op->nargs - 1]->type.dims[fast]);
    for (int k = 0; k < op->access->count; k++) {
        AxisKind kind = op->access->axis[k].kind;
        const char *index = kind == AX_FULL ? "0" : c_name(c, op->args[arg++]);
        bool slice = kind != AX_SCALAR, along = slice && dim == fast;
        char *x = slice && !along ? sum_of(c, index, "i") : format_text(c, "%s", index);
        dim += slice;
        if (strcmp(x, "0"))
            at = sum_of(c, at,
                        v->stride[k].known && v->stride[k].value == 1
                            ? x
                            : format_text(c, "(int64_t)(%s) * %s", x, v->stride[k].text));
        if (along && kind == AX_SLICE)
            *room = format_text(c, "%s - (%s)", v->extent[k].text, x);
        else if (kind != AX_FULL)
            *inside = both(c, *inside, format_text(c, "tile_inside(%s, %s)", x, v->extent[k].text));
    }
    *pointer = format_text(c, "%s + (%s)", v->data, at);
}

void store_shifted(Cuda *c, const Op *op, const CudaView *v, const Turn *turn)
{
    const SharedPlace *p = &turn->place;
    const Value *x = op->args[op->nargs - 1];
    const Type *t = &x->type;
    const char *type = c_type(t->dtype), *name = carrier(t->dtype);
    long long rows = t->dims[1 - p->fast], columns = t->dims[p->fast];
    long long n = 128 / dtype_info[t->dtype].bits, pieces = columns / n + 1;
    int threads = c->plan->unit.lanes * c->plan->unit.warps;
    char *pointer, *inside, *room;
    describe_row(c, op, v, p->fast, &pointer, &inside, &room);
    buffer_read(c, turn->buffer);
    open_block(c, STATEMENT_BLOCK, "for (int q = warp * %d + lane; q < %lld; q += %d)",
               c->plan->unit.lanes, rows * pieces, threads);
    line(c, "const int i = q / %lld;", pieces);
    line(c, "%s *const row = %s;", type, pointer);
    line(c, "const int first = q %% %lld * %lld - tile_elements_past(row);", pieces, n);
    line(c, "%s piece[%lld];", type, n);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(k, %lld)", n);
    line(c, "const int x = first + k;");
    line(c, "piece[k] = x >= 0 && x < %lld ? tile_shared_load_%s(%s + (%s)) : 0;", columns, name,
         turn->buffer->name, shared_element(c, p, "i", "x"));
    close_block(c);
    if (*inside)
        open_block(c, STATEMENT_BLOCK, "if (%s)", inside);
    line(c, "tile_store_part_%s(row + first, piece, -first, tile_min_i64(%lld, %s) - first, %s);",
         name, columns, room, store_hint(c, v));
    if (*inside)
        close_block(c);
    close_block(c);
}
