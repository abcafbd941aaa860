/* Loads at the edge, and NaN or Inf in values. */
#include "compiler/debug.h"

#include <math.h>

#include "runtime/numerics/convert.h"

static const void *contents(const Task *t, const Value *v)
{
    return slot_pointer(t, t->machine->slots[slot_root(v)->id]);
}

/* Elements [first, first + inside) of `extent` from index `at` lie in [0, size). */
static void slice_inside(int64_t at, int64_t extent, int64_t size, int64_t *first, int64_t *inside)
{
    int64_t lo = at < 0 ? -at : 0, hi = at >= size ? 0 : size - at;
    if (hi > extent)
        hi = extent;
    *first = lo;
    *inside = at < -extent || hi <= lo ? 0 : hi - lo;
}

static void show_axis(Debugger *d, const Op *load, const View *v, int axis, const Value *arg,
                      int64_t *total, int64_t *inside)
{
    const Task *t = d->task;
    int64_t size = v->axis[axis].extent, extent = load->access->axis[axis].extent;
    int64_t first = 0, count = extent, at;
    switch (load->access->axis[axis].kind) {
    case AX_FULL:
        break;
    case AX_SCALAR:
        at = read_int(contents(t, arg), arg->type.dtype);
        extent = 1;
        count = at >= 0 && at < size;
        fprintf(d->out, "  axis %d: index %lld of %lld%s\n", axis, (long long)at, (long long)size,
                count ? "" : ": outside");
        break;
    case AX_SLICE:
        at = read_int(contents(t, arg), arg->type.dtype);
        slice_inside(at, extent, size, &first, &count);
        fprintf(d->out, "  axis %d: %lld +: %lld of %lld", axis, (long long)at, (long long)extent,
                (long long)size);
        if (count == extent)
            fprintf(d->out, ": all inside\n");
        else if (!count)
            fprintf(d->out, ": all outside\n");
        else
            fprintf(d->out, ": elements %lld..%lld inside, %lld outside\n", (long long)first,
                    (long long)(first + count - 1), (long long)(extent - count));
        break;
    case AX_TILE: {
        const char *p = contents(t, arg);
        int bytes = dtype_info[arg->type.dtype].size, shown = 0;
        count = 0;
        fprintf(d->out, "  axis %d: %lld indices of [0, %lld)", axis, (long long)extent,
                (long long)size);
        for (int64_t i = 0; i < extent; i++) {
            at = read_int(p + i * bytes, arg->type.dtype);
            if (at >= 0 && at < size)
                count++;
            else if (shown++ < 8)
                fprintf(d->out, "%s [%lld] = %lld", shown == 1 ? "; outside:" : ",", (long long)i,
                        (long long)at);
        }
        fprintf(d->out, "%s\n", shown > 8 ? ", .." : shown ? "" : ": all inside");
        break;
    }
    }
    *total *= extent;
    *inside *= count;
}

void debug_note_load(Debugger *d, const Op *load)
{
    bool again = d->loads.count && op_line(d->loads.items[0]) != op_line(load);
    for (int i = 0; i < d->loads.count; i++)
        again |= d->loads.items[i] == load;
    if (again)
        d->loads.count = 0;
    PUSH(d->arena, &d->loads, load);
}

static void show_load(Debugger *d, const Op *load)
{
    const View *v = contents(d->task, load->args[0]);
    int64_t total = 1, inside = 1;
    int arg = 1;
    fprintf(d->out, "load of %s at line %d:\n",
            load->args[0]->name ? load->args[0]->name : "a tensor", op_line(load));
    for (int k = 0; k < load->access->count; k++) {
        bool takes = load->access->axis[k].kind != AX_FULL;
        show_axis(d, load, v, k, takes ? load->args[arg] : NULL, &total, &inside);
        arg += takes;
    }
    bool tiles = false;
    for (int k = 0; k < load->access->count; k++)
        tiles |= load->access->axis[k].kind == AX_TILE;
    if (!tiles && total == inside)
        fprintf(d->out, "  all %lld elements inside\n", (long long)total);
    else if (!tiles)
        fprintf(d->out, "  %lld of %lld elements outside: they read the pad value\n",
                (long long)(total - inside), (long long)total);
}

void debug_outside(Debugger *d)
{
    if (!d->loads.count)
        fprintf(d->out, "no load has run yet in this program\n");
    for (int i = 0; i < d->loads.count; i++)
        show_load(d, d->loads.items[i]);
}

int64_t debug_find_special(const Task *t, const Value *v, bool nan, bool inf)
{
    if (v->type.kind != TY_TILE || !dtype_is_float(v->type.dtype))
        return -1;
    const char *p = contents(t, v);
    int64_t n = type_elements(&v->type);
    size_t bytes = dtype_info[v->type.dtype].size;
    for (int64_t i = 0; i < n; i++) {
        float x = 0;
        if (v->type.dtype == DT_F64) {
            double wide = ((const double *)(const void *)p)[i];
            x = (float)wide;
        } else {
            tile_convert(DT_F32, &x, v->type.dtype, p + (size_t)i * bytes, 1, TILE_ROUND_NEAREST);
        }
        if ((nan && isnan(x)) || (inf && isinf(x)))
            return i;
    }
    return -1;
}
