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

/* Variables of a loop over what is stored of all rows: the element's or piece's number in its row,
 * the row "i", how many elements are in it, and how many lie in front of a multiple of 16 bytes. */
typedef struct Rows {
    const char *number, *at, *row, *room, *skip;
} Rows;

/* `each` of a row. */
static Rows open_rows(Cuda *c, const Op *op, const CudaView *v, int fast, long long each)
{
    const Type *t = &op->args[op->nargs - 1]->type;
    long long rows = t->dims[1 - fast], columns = t->dims[fast];
    int threads = c->plan->unit.lanes * c->plan->unit.warps;
    char *pointer, *inside, *room;
    describe_row(c, op, v, fast, &pointer, &inside, &room);
    Rows n = {new_temp(c, "q"), new_temp(c, "at"), new_temp(c, "row"), new_temp(c, "room"),
              new_temp(c, "skip")};
    if (rows * each % threads == 0 && rows * each / threads <= MOST_UNROLLED) {
        open_block(c, STATEMENT_BLOCK, "TILE_EACH(o, %lld)", rows * each / threads);
        line(c, "const int %s = o * %d + warp * %d + lane;", n.number, threads,
             c->plan->unit.lanes);
    } else {
        open_block(c, STATEMENT_BLOCK, "for (int %s = warp * %d + lane; %s < %lld; %s += %d)",
                   n.number, c->plan->unit.lanes, n.number, rows * each, n.number, threads);
    }
    line(c, "const int i = %s / %lld, %s = %s %% %lld;", n.number, each, n.at, n.number, each);
    line(c, "%s *const %s = %s;", c_type(t->dtype), n.row, pointer);
    line(c, "const int %s = (int)tile_min_i64(%lld, %s);", n.room, columns, room);
    line(c, "const int %s = tile_elements_short(%s);", n.skip, n.row);
    if (*inside)
        line(c, "if (!(%s)) continue;", inside);
    return n;
}

/* The whole pieces. */
static void store_pieces(Cuda *c, const Op *op, const CudaView *v, const Turn *turn, long long n)
{
    const SharedPlace *p = &turn->place;
    const Type *t = &op->args[op->nargs - 1]->type;
    const char *buffer = turn->buffer->name, *low = new_temp(c, "low"), *high = new_temp(c, "high");
    long long columns = t->dims[p->fast];
    Rows r = open_rows(c, op, v, p->fast, columns / n);
    line(c, "const int %s = %s * %lld, %s = tile_min_i32(%s + %lld, %lld);", low, r.at, n, high,
         low, n, columns - n);
    open_block(c, STATEMENT_BLOCK, "if (%s + %s + %lld <= %s)", low, r.skip, n, r.room);
    line(c, "uint32_t piece[4];");
    line(c, "tile_shared_read_across(piece, %s + (%s), %s + (%s), %s * %lld);", buffer,
         shared_element(c, p, "i", low), buffer, shared_element(c, p, "i", high), r.skip, 16 / n);
    line(c, "tile_global_write(%s + %s + %s, piece, 16, %s);", r.row, low, r.skip,
         store_hint(c, v));
    close_block(c);
    close_block(c);
}

/* What a row has in front of them and behind. */
static void store_ends(Cuda *c, const Op *op, const CudaView *v, const Turn *turn, long long n)
{
    const SharedPlace *p = &turn->place;
    const char *name = carrier(op->args[op->nargs - 1]->type.dtype), *buffer = turn->buffer->name;
    const char *head = new_temp(c, "head"), *tail = new_temp(c, "tail"), *end = new_temp(c, "end"),
               *column = new_temp(c, "column");
    Rows r = open_rows(c, op, v, p->fast, n);
    line(c, "const int %s = tile_min_i32(%s, %s), %s = (%s - %s) & %lld;", head, r.skip, r.room,
         tail, r.room, head, n - 1);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(j, 2)");
    line(c, "const int %s = %s + j * %lld, %s = %s < %s ? %s : %s - %s + %s - %s;", end, r.at, n,
         column, end, head, end, r.room, tail, end, head);
    line(c, "if (%s < %s + %s) tile_store_%s(%s + %s, tile_shared_load_%s(%s + (%s)), true, %s);",
         end, head, tail, name, r.row, column, name, buffer, shared_element(c, p, "i", column),
         store_hint(c, v));
    close_block(c);
    close_block(c);
}

void store_shifted(Cuda *c, const Op *op, const CudaView *v, const Turn *turn)
{
    long long n = 128 / dtype_info[op->args[op->nargs - 1]->type.dtype].bits;
    buffer_read(c, turn->buffer);
    store_pieces(c, op, v, turn, n);
    store_ends(c, op, v, turn, n);
}
