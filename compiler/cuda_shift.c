/* Stores of a tile that lies in shared memory to rows that begin anywhere: runtime/device/rows.h.
 */
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

/* The tile in global memory, as the fields of a TileRowsAt. */
typedef struct RowsAt {
    char *row, *pitch, *from, *end, *room;
} RowsAt;

static RowsAt rows_at(Cuda *c, const Op *op, const CudaView *v, int fast)
{
    const Type *t = &op->args[op->nargs - 1]->type;
    long long rows = t->dims[1 - fast], size = dtype_info[t->dtype].size;
    RowsAt r = {.from = "0"};
    char *at = format_text(c, "%s", v->offset ? v->offset : "0"),
         *inside = format_text(c, "%s", c->guard);
    r.end = format_text(c, "%lld", rows);
    r.room = format_text(c, "%lld", (long long)t->dims[fast] * size);
    int arg = 1, dim = 0;
    for (int k = 0; k < op->access->count; k++) {
        AxisKind kind = op->access->axis[k].kind;
        const Value *x = kind == AX_FULL ? NULL : op->args[arg++];
        const char *index = x ? c_name(c, x) : "0", *stride = v->stride[k].text;
        bool slice = kind != AX_SCALAR, along = slice && dim == fast;
        if (slice && !along)
            r.pitch = format_text(c, "(int64_t)%s * %lld", stride, size);
        if (x)
            at = sum_of(c, at,
                        along ? format_text(c, "%s", index)
                              : format_text(c, "(int64_t)(%s) * %s", index, stride));
        if (kind == AX_SCALAR)
            inside = both(c, inside,
                          format_text(c, "tile_inside(%s, %s)", index, v->extent[k].text));
        else if (along && x)
            r.room = format_text(c, "(int)tile_min_i64(%lld, %s - %s) * %lld",
                                 (long long)t->dims[fast], v->extent[k].text, index, size);
        else if (x)
            r.end = format_text(c, "(int)tile_min_i64(%lld, %s - %s)", rows, v->extent[k].text,
                                index);
        if (x && slice && !along && c->ranges.of[x->id].lo < 0)
            r.from = format_text(c, "(int)tile_clamp(-(int64_t)%s, 0, %lld)", index, rows);
        dim += slice;
    }
    if (*inside)
        r.end = format_text(c, "%s ? %s : 0", inside, r.end);
    r.row = format_text(c, "(char *)(%s + (%s))", v->data, at);
    return r;
}

void store_shifted(Cuda *c, const Op *op, const CudaView *v, const Turn *turn)
{
    const SharedPlace *p = &turn->place;
    const Type *t = &op->args[op->nargs - 1]->type;
    ThreadUnit unit = c->plan->unit;
    const char *rows = new_temp(c, "rows"), *at = new_temp(c, "rows_at");
    RowsAt r = rows_at(c, op, v, p->fast);
    buffer_read(c, turn->buffer);
    line(c, "const TileRows %s = {%lld, %lld, %d, %lld, %d, %d};", rows,
         (long long)t->dims[1 - p->fast], (long long)p->chunks, p->shift, (long long)p->mask,
         dtype_info[t->dtype].size, unit.lanes * unit.warps);
    line(c, "const TileRowsAt %s = {%s, %s, %s, %s, %s};", at, r.row, r.pitch, r.from, r.end,
         r.room);
    line(c, "tile_rows_store((const char *)%s, %s, %s, warp * %d + lane, %s);", turn->buffer->name,
         at, rows, unit.lanes, store_hint(c, v));
}
