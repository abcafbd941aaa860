/* Stores of a tile that lies in shared memory to rows that begin anywhere.
 *
 * A row's 16-byte pieces begin where memory's do, not where the tile's do: a thread shifts one
 * piece out of two that lie in shared memory. What a row has in front of its first whole piece and
 * behind the last is stored by neighbouring lanes, an element each: a sector of the L2 is touched
 * once. */
#include <string.h>

#include "compiler/cuda.h"

/* A tile of two dims in a plain view, its rows in shared memory in pieces of 16 bytes. */
bool is_shiftable(const Op *op, const CudaView *v, const SharedPlace *p)
{
    const Value *x = op->args[op->nargs - 1];
    int bits = dtype_info[x->type.dtype].bits;
    if (x->type.rank != 2 || v->local || (bits != 8 && bits != 16 && bits != 32))
        return false;
    if (p->chunk * bits % 128 || x->type.dims[p->fast] * bits % 128)
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

enum { MOST_UNROLLED = 8 };

/* The loop over what is stored of all rows, `each` of a row: its row "i", the elements `skip` up to
 * a multiple of 16 bytes, and how many are in the row. */
static void open_rows(Cuda *c, const Op *op, const CudaView *v, int fast, long long each)
{
    const Type *t = &op->args[op->nargs - 1]->type;
    long long rows = t->dims[1 - fast], columns = t->dims[fast];
    int threads = c->plan->unit.lanes * c->plan->unit.warps;
    char *pointer, *inside, *room;
    describe_row(c, op, v, fast, &pointer, &inside, &room);
    if (rows * each % threads == 0 && rows * each / threads <= MOST_UNROLLED) {
        open_block(c, STATEMENT_BLOCK, "TILE_EACH(o, %lld)", rows * each / threads);
        line(c, "const int q = o * %d + warp * %d + lane;", threads, c->plan->unit.lanes);
    } else {
        open_block(c, STATEMENT_BLOCK, "for (int q = warp * %d + lane; q < %lld; q += %d)",
                   c->plan->unit.lanes, rows * each, threads);
    }
    line(c, "const int i = q / %lld, at = q %% %lld;", each, each);
    line(c, "%s *const row = %s;", c_type(t->dtype), pointer);
    line(c, "const int room = (int)tile_min_i64(%lld, %s);", columns, room);
    line(c, "const int skip = tile_elements_short(row);");
    if (*inside)
        line(c, "if (!(%s)) continue;", inside);
}

void store_shifted(Cuda *c, const Op *op, const CudaView *v, const Turn *turn)
{
    const SharedPlace *p = &turn->place;
    const Type *t = &op->args[op->nargs - 1]->type;
    const char *name = carrier(t->dtype), *buffer = turn->buffer->name, *hint = store_hint(c, v);
    long long bytes = dtype_info[t->dtype].bits / 8, n = 16 / bytes, columns = t->dims[p->fast];
    buffer_read(c, turn->buffer);
    open_rows(c, op, v, p->fast, columns / n);
    line(c, "const int low = at * %lld, high = tile_min_i32(low + %lld, %lld);", n, n, columns - n);
    open_block(c, STATEMENT_BLOCK, "if (low + skip + %lld <= room)", n);
    line(c, "uint32_t piece[4];");
    line(c, "tile_shared_read_across(piece, %s + (%s), %s + (%s), skip * %lld);", buffer,
         shared_element(c, p, "i", "low"), buffer, shared_element(c, p, "i", "high"), bytes);
    line(c, "tile_global_write(row + low + skip, piece, 16, %s);", hint);
    close_block(c);
    close_block(c);
    open_rows(c, op, v, p->fast, n);
    line(c, "const int head = tile_min_i32(skip, room), rest = (room - head) & %lld;", n - 1);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(k, 2)");
    line(c, "const int e = at + k * %lld, x = e < head ? e : room - rest + e - head;", n);
    line(c,
         "if (e < head + rest) tile_store_%s(row + x, tile_shared_load_%s(%s + (%s)), true, %s);",
         name, name, buffer, shared_element(c, p, "i", "x"), hint);
    close_block(c);
    close_block(c);
}
