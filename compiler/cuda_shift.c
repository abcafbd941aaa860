/* Stores of a tile that lies in shared memory to rows that begin anywhere: runtime/device/rows.h.
 *
 * The programs of a par that copy a tensor beside each other, turned perhaps, share the sectors in
 * which their parts of a row meet. There a program takes what belongs to the next one, up to the
 * end of the sector, and leaves the first sector, where it is not whole, to the one before: it
 * loads some elements more than it was asked for, and whole sectors are all that is stored between
 * the ends of a row.
 */
#include <string.h>

#include "compiler/counts.h"
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

/* Of what is taken from the next program, as in rows.h: TILE_ROWS_WHOLE bytes of a row at most,
 * TILE_HALO_PITCH from row to row. */
enum { HALO_BYTES = 32, HALO_PITCH = 48 };

/* The tile in global memory, as the fields of a TileRowsAt. */
typedef struct RowsAt {
    char *row, *pitch, *from, *end, *room;
} RowsAt;

/* `more`: elements of the next program that may be taken, too. */
static RowsAt rows_at(Cuda *c, const Op *op, const CudaView *v, int fast, long long more)
{
    const Type *t = &op->args[op->nargs - 1]->type;
    long long rows = t->dims[1 - fast], size = dtype_info[t->dtype].size;
    RowsAt r = {.from = "0"};
    char *at = format_text(c, "%s", v->offset ? v->offset : "0"),
         *inside = format_text(c, "%s", c->guard);
    r.end = format_text(c, "%lld", rows);
    r.room = format_text(c, "%lld", (long long)t->dims[fast] * size);
    int dim = 0;
    for (int k = 0; k < op->access->count; k++) {
        AxisKind kind = op->access->axis[k].kind;
        const Value *x = index_value(op, k);
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
                                 (long long)t->dims[fast] + more, v->extent[k].text, index, size);
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

/* ---- elements of the next program ---- */

/* The axis of an access that tile dim `dim` runs along, and its index, NULL for a whole axis. */
typedef struct Along {
    int axis;
    const Value *index;
} Along;

static Along along(const Op *op, int dim)
{
    int k = 0;
    while (op->access->axis[k].kind == AX_SCALAR || dim-- > 0)
        k++;
    return (Along){k, index_value(op, k)};
}

/* Is the value the same in all programs that differ in one index only? */
static bool is_aside(Cuda *c, const Value *v, const Value *index)
{
    return v != index && (host_value(c->host, v) >= 0 || (!v->op && v->region == index->region));
}

/* Does a view lie at the same place in all programs? */
static bool is_fixed(Cuda *c, const Value *tensor)
{
    for (const Op *op = tensor->op; op->code != OP_TENSOR; op = op->args[0]->op)
        for (int i = 1; i < op->nargs; i++)
            if (host_value(c->host, op->args[i]) < 0)
                return false;
    return true;
}

/* Nothing else of the kernel touches the memory of a store. */
static bool is_only_access(Cuda *c, const Region *r, const Op *store)
{
    for (const Op *op = r->first; op; op = op->next) {
        bool touches = op != store && op->nargs && strpbrk(op_info[op->code].flags, "LSX") &&
                       op->access;
        if (touches && memory_of(c, op->args[0]) == memory_of(c, store->args[0]))
            return false;
        for (int i = 0; i < op->nregions; i++)
            if (!is_only_access(c, op->regions[i], store))
                return false;
    }
    return true;
}

/* Do the programs of the par take the whole axis in steps of `step`, this one from `index` on? */
static bool is_stepped(Cuda *c, const Op *par, const Value *index, const CudaView *v, int axis,
                       int64_t step)
{
    if (!index || index->op || index->region != par->regions[par->nregions - 1])
        return false;
    const Op *range = par->regions[index->index]->last;
    int64_t from, by;
    return value_int(range->args[0], &from) && from == 0 && value_int(range->args[2], &by) &&
           by == step && !c->plan->ragged && host_value(c->host, range->args[1]) >= 0 &&
           strcmp(c_name(c, range->args[1]), v->extent[axis].text) == 0;
}

/* Axes of a load and a store that have one index and end alike. */
static bool pair_up(Along load, const CudaView *from, Along store, const CudaView *to)
{
    return load.index == store.index &&
           !strcmp(from->extent[load.axis].text, to->extent[store.axis].text);
}

/* The axes of single elements: those of the store do not move from program to program, and one of
 * the load is in the tensor where one of the store is. */
static bool scalars_pair_up(Cuda *c, const Op *load, const CudaView *from, const Op *store,
                            const CudaView *to, const Value *index)
{
    for (int k = 0; k < store->access->count; k++)
        if (store->access->axis[k].kind == AX_SCALAR && !is_aside(c, index_value(store, k), index))
            return false;
    for (int k = 0; k < load->access->count; k++) {
        const Along one = {k, index_value(load, k)};
        bool paired = load->access->axis[k].kind != AX_SCALAR;
        for (int j = 0; j < store->access->count && !paired; j++)
            paired = store->access->axis[j].kind == AX_SCALAR &&
                     pair_up(one, from, (Along){j, index_value(store, j)}, to);
        if (!paired)
            return false;
    }
    return true;
}

static bool is_plain_load(Cuda *c, const Op *op)
{
    const CudaView *v = c->view[op->args[0]->id];
    if (v->local || v->quad >= 0 || memory_of(c, op->args[0]) || !is_fixed(c, op->args[0]))
        return false;
    for (int k = 0; k < op->access->count; k++)
        if (v->divide[k] || op->access->axis[k].kind == AX_TILE)
            return false;
    return true;
}

/* The load whose tile is stored as it is or turned, by programs that lie side by side along the
 * stored rows; NULL if it is not that. All of them have to come to the store. */
static const Op *halo_of(Cuda *c, const Op *op, const CudaView *v, int fast)
{
    const Value *x = op->args[op->nargs - 1];
    const bool turned = x->op && x->op->code == OP_TRANS;
    const Op *load = turned ? x->op->args[0]->op : x->op, *par = c->plan->par;
    const Region *body = par->regions[par->nregions - 1];
    if (!load || load->code != OP_LOAD || op->parent != body || *c->guard ||
        region_has(body, OP_CONTINUE))
        return NULL;
    /* Rows are short of a sector by the same in all programs. */
    if (x->type.dims[fast] * dtype_info[x->type.dtype].size % HALO_BYTES)
        return NULL;
    if (!is_plain_load(c, load) || !is_fixed(c, op->args[0]) ||
        !is_only_access(c, c->low->kernel->body, op))
        return NULL;
    const CudaView *from = c->view[load->args[0]->id];
    const Along to = along(op, fast), rows = along(op, 1 - fast);
    if (!is_stepped(c, par, to.index, v, to.axis, x->type.dims[fast]) ||
        (rows.index && !is_aside(c, rows.index, to.index)) ||
        !pair_up(along(load, turned ? 1 - fast : fast), from, to, v) ||
        !pair_up(along(load, turned ? fast : 1 - fast), from, rows, v))
        return NULL;
    return scalars_pair_up(c, load, from, op, v, to.index) ? load : NULL;
}

/* Their first: a pointer to it, and the bytes from one to the next in the row and to the row below.
 */
static void emit_halo(Cuda *c, const Op *op, const Op *load, const Turn *turn, const char *rows,
                      const char *at, const char *halo)
{
    const int fast = turn->place.fast;
    const Value *x = op->args[op->nargs - 1];
    const bool turned = x->op->code == OP_TRANS;
    const CudaView *v = c->view[load->args[0]->id];
    const long long size = dtype_info[x->type.dtype].size, width = x->type.dims[fast];
    const Along in_row = along(load, turned ? 1 - fast : fast),
                below = along(load, turned ? fast : 1 - fast);
    char *place = format_text(c, "%s", v->offset ? v->offset : "0");
    for (int k = 0; k < load->access->count; k++) {
        const Value *from = index_value(load, k);
        if (!from)
            continue;
        const char *index = c_name(c, from);
        if (k == in_row.axis)
            index = format_text(c, "(%s + %lld)", index, width);
        if (v->stride[k].known && v->stride[k].value == 1)
            place = sum_of(c, place, format_text(c, "%s", index));
        else
            place = sum_of(c, place, format_text(c, "(int64_t)%s * %s", index, v->stride[k].text));
    }
    statement_effect(&c->out, (Effect){.tensor = v->tensor, .op = load});
    line(c,
         "tile_rows_halo((char *)%s, (const char *)(%s + (%s)), %s * %lld, %s * %lld, %s, %s, "
         "warp * %d + lane);",
         halo, v->data, place, v->stride[in_row.axis].text, size, v->stride[below.axis].text, size,
         at, rows, c->plan->unit.lanes);
}

void store_shifted(Cuda *c, const Op *op, const CudaView *v, const Turn *turn)
{
    const SharedPlace *p = &turn->place;
    const Type *t = &op->args[op->nargs - 1]->type;
    const long long lines = t->dims[1 - p->fast], size = dtype_info[t->dtype].size;
    ThreadUnit unit = c->plan->unit;
    const char *rows = new_temp(c, "rows"), *at = new_temp(c, "rows_at");
    const Op *load = halo_of(c, op, v, p->fast);
    RowsAt r = rows_at(c, op, v, p->fast, load ? HALO_BYTES / size : 0);
    line(c, "const TileRows %s = {%lld, %lld, %d, %lld, %lld, %d};", rows, lines,
         (long long)p->chunks, p->shift, (long long)p->mask, size, unit.lanes * unit.warps);
    line(c, "const TileRowsAt %s = {%s, %s, %s, %s, %s};", at, r.row, r.pitch, r.from, r.end,
         r.room);
    if (load) {
        Buffer *halo = statement_buffer(&c->out, new_temp(c, "halo"), c_type(t->dtype),
                                        (size_t)(lines * HALO_PITCH));
        buffer_write(c, halo);
        emit_halo(c, op, load, turn, rows, at, halo->name);
        buffer_read(c, halo);
        buffer_read(c, turn->buffer);
        line(c,
             "tile_rows_store_whole((const char *)%s, (const char *)%s, %s, %s, %s == 0, "
             "warp * %d + lane, %s);",
             turn->buffer->name, halo->name, at, rows, c_name(c, along(op, p->fast).index),
             unit.lanes, store_hint(c, v));
        return;
    }
    buffer_read(c, turn->buffer);
    line(c, "tile_rows_store((const char *)%s, %s, %s, warp * %d + lane, %s);", turn->buffer->name,
         at, rows, unit.lanes, store_hint(c, v));
}
