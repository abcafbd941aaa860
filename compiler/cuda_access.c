/* Tensors in C: views, loads and stores (R3). */
#include <string.h>

#include "compiler/cuda.h"

static const char *value_text(Cuda *c, const Value *v)
{
    return c_name(c, v);
}

static CudaView *new_view(Cuda *c, const Value *v)
{
    return c->view[v->id] = NEW(c->arena, CudaView);
}

static const char *variable(Cuda *c, const char *stem, const char *text)
{
    const char *name = new_temp(c, stem);
    line(c, "const int64_t %s = %s;", name, text);
    return name;
}

bool tensor_view(Cuda *c, const Op *op)
{
    const Value *t = op->results[0];
    CudaView *v = new_view(c, t);
    int rank = t->type.rank;
    v->data = c_name(c, t);
    v->offset = "0";
    v->tensor = op;
    for (int i = 0; i < rank; i++)
        v->extent[i] = value_text(c, op->args[i]);
    if (op->tensor->format == FORMAT_UE8M0X4)
        return cuda_fail(c, op, "format ue8m0x4");
    if (op->tensor->format == FORMAT_COL_PAD16) {
        int per = 128 / dtype_info[t->type.dtype].bits;
        v->stride[0] = "1";
        v->stride[1] = variable(
            c, format_text(c, "%s_pitch", v->data),
            format_text(c, "(%s + %d) / %d * %d", v->extent[0], per - 1, per, per));
        return true;
    }
    for (int i = rank - 1; i >= 0; i--) {
        if (i == rank - 1)
            v->stride[i] = "1";
        else if (i == rank - 2)
            v->stride[i] = v->extent[i + 1];
        else
            v->stride[i] = variable(c, format_text(c, "%s_stride%d", v->data, i),
                                    format_text(c, "%s * %s", v->extent[i + 1], v->stride[i + 1]));
    }
    return true;
}

/* Entry l of a table; the entries' extents are the table's. */
static bool table_entry(Cuda *c, const Op *op)
{
    const CudaView *from = c->view[op->args[0]->id];
    CudaView *v = new_view(c, op->results[0]);
    const char *type = op->results[0]->type.dtype == DT_E2M1 ? "uint8_t"
                                                             : c_type(op->results[0]->type.dtype);
    const char *data = new_temp(c, op->results[0]->name ? op->results[0]->name : "entry");
    *v = *from;
    line(c, "%s *const %s = (%s *)%s.entry[%s];", type, data, type, from->data,
         value_text(c, op->args[1]));
    v->data = data;
    return true;
}

/* In shared memory; a unit of one thread has its elements a block's width apart, so that threads
 * do not meet in a bank (R23). */
static bool local_view(Cuda *c, const Op *op)
{
    const Value *t = op->results[0];
    CudaView *v = new_view(c, t);
    const char *type = c_type(t->type.dtype);
    bool thread = c->plan->unit.lanes == 1;
    int64_t apart = thread ? c->plan->pack : 1, n = apart;
    if (t->type.dtype == DT_E2M1)
        return cuda_fail(c, op, "a local tensor of e2m1");
    v->data = c_name(c, t);
    v->offset = "0";
    v->tensor = op;
    for (int i = t->type.rank - 1; i >= 0; i--) {
        v->extent[i] = format_text(c, "%lld", (long long)t->type.dims[i]);
        v->stride[i] = format_text(c, "%lld", (long long)n);
        n *= t->type.dims[i];
    }
    size_t bytes = ((size_t)n * dtype_info[t->type.dtype].size + 15) / 16 * 16;
    line(c, "%s *const %s = (%s *)(locals + %zu)%s;", type, v->data, type, c->local_bytes,
         thread ? " + tile_thread()" : "");
    c->local_bytes += bytes;
    return true;
}

static bool view_slice(Cuda *c, const Op *op)
{
    const CudaView *from = c->view[op->args[0]->id];
    CudaView *v = new_view(c, op->results[0]);
    int a = op->axis;
    const char *stem = op->results[0]->name ? op->results[0]->name : "slice";
    *v = *from;
    const char *lo = variable(
        c, format_text(c, "%s_lo", stem),
        format_text(c, "tile_clamp(%s, 0, %s)", value_text(c, op->args[1]), from->extent[a]));
    v->extent[a] = variable(c, format_text(c, "%s_n", stem),
                            format_text(c, "tile_clamp(%s, %s, %s) - %s",
                                        value_text(c, op->args[2]), lo, from->extent[a], lo));
    if (from->divide[a])
        v->shift[a] = from->shift[a] ? format_text(c, "%s + %s", from->shift[a], lo) : lo;
    else
        v->offset = variable(c, format_text(c, "%s_at", stem),
                             format_text(c, "%s + %s * %s", from->offset, lo, from->stride[a]));
    return true;
}

/* Contiguous tensors only: the merged axes follow each other in memory. */
static bool view_reshape(Cuda *c, const Op *op)
{
    const CudaView *from = c->view[op->args[0]->id];
    CudaView *v = new_view(c, op->results[0]);
    int rank = op->nargs - 1;
    *v = (CudaView){.data = from->data, .offset = from->offset, .tensor = from->tensor};
    if (from->tensor->tensor->format != FORMAT_ROW)
        return cuda_fail(c, op, "reshape of a tensor in format %s",
                         format_name[from->tensor->tensor->format]);
    for (const Op *o = op->args[0]->op; o && o->code != OP_TENSOR; o = o->args[0]->op)
        if (o->code == OP_VIEW_TRANS || o->code == OP_VIEW_UPSAMPLE ||
            (o->code == OP_VIEW_SLICE && o->axis != 0))
            return cuda_fail(c, op, "reshape of this view");
    for (int i = rank - 1; i >= 0; i--) {
        v->extent[i] = value_text(c, op->args[1 + i]);
        if (i == rank - 1)
            v->stride[i] = "1";
        else
            v->stride[i] = i == rank - 2 ? v->extent[i + 1]
                                         : variable(c, "stride",
                                                    format_text(c, "%s * %s", v->extent[i + 1],
                                                                v->stride[i + 1]));
    }
    return true;
}

static bool view_upsample(Cuda *c, const Op *op)
{
    const CudaView *from = c->view[op->args[0]->id];
    CudaView *v = new_view(c, op->results[0]);
    *v = *from;
    for (int i = 0; i < op->nargs - 1; i++) {
        int64_t f;
        if (value_int(op->args[1 + i], &f) && f == 1)
            continue;
        if (from->divide[i])
            return cuda_fail(c, op, "upsample of an upsampled view");
        v->divide[i] = value_text(c, op->args[1 + i]);
        v->extent[i] = variable(c, "extent",
                                format_text(c, "%s * %s", from->extent[i], v->divide[i]));
    }
    return true;
}

static bool view_trans(Cuda *c, const Op *op)
{
    CudaView *v = new_view(c, op->results[0]);
    int a = op->results[0]->type.rank - 1, b = a - 1;
    *v = *c->view[op->args[0]->id];
#define SWAP(field)                  \
    do {                             \
        const char *t = v->field[a]; \
        v->field[a] = v->field[b];   \
        v->field[b] = t;             \
    } while (0)
    SWAP(extent);
    SWAP(stride);
    SWAP(divide);
    SWAP(shift);
#undef SWAP
    return true;
}

bool emit_view_op(Cuda *c, const Op *op)
{
    switch (op->code) {
    case OP_VIEW_SLICE:
        return view_slice(c, op);
    case OP_VIEW_RESHAPE:
        return view_reshape(c, op);
    case OP_VIEW_UPSAMPLE:
        return view_upsample(c, op);
    case OP_VIEW_TRANS:
        return view_trans(c, op);
    case OP_TABLE:
        return table_entry(c, op);
    case OP_LOCAL:
        return local_view(c, op);
    default:
        line(c, "const int64_t %s = %s;", c_name(c, op->results[0]),
             c->view[op->args[0]->id]->extent[op->axis]);
        return true;
    }
}

/* ---- accesses ---- */

typedef struct Address {
    char *row;          /* condition on all axes but the vector's; "" is true */
    char *at;           /* element index without the vector axis's part */
    char *first;        /* index along the vector axis */
    const char *extent; /* of the vector axis */
} Address;

static char *join(Cuda *c, char *text, const char *sign, const char *more)
{
    return *text ? format_text(c, "%s%s%s", text, sign, more) : format_text(c, "%s", more);
}

/* "index inside" and the index's part of the element number. */
static void add_axis(Cuda *c, const CudaView *v, int k, char *index, Address *a)
{
    a->row = join(c, a->row, " && ", format_text(c, "tile_inside(%s, %s)", index, v->extent[k]));
    char *q = index;
    if (v->divide[k])
        q = v->shift[k] ? format_text(c, "(%s + %s) / %s", index, v->shift[k], v->divide[k])
                        : format_text(c, "(%s) / %s", index, v->divide[k]);
    bool one = strcmp(v->stride[k], "1") == 0;
    a->at = join(c, a->at, " + ",
                 one ? format_text(c, "(%s)", q) : format_text(c, "(%s) * %s", q, v->stride[k]));
}

/* `vector_axis`: the tensor axis along which a vector runs, or -1. Emits index variables. */
static bool address(Cuda *c, const Op *op, const CudaView *v, const Layout *l, int vector_axis,
                    Address *out)
{
    const Access *a = op->access;
    int arg = 1, axis = 0, joint = -1;
    *out = (Address){.row = format_text(c, "%s", ""), .at = format_text(c, "%s", v->offset)};
    if (strcmp(v->offset, "0") == 0)
        out->at = format_text(c, "%s", "");
    for (int k = 0; k < a->count; k++) {
        char *index = NULL;
        switch (a->axis[k].kind) {
        case AX_SCALAR:
            index = format_text(c, "%s", value_text(c, op->args[arg++]));
            break;
        case AX_FULL:
            index = l ? coordinate(c, l, axis, "r") : format_text(c, "0");
            axis++;
            break;
        case AX_SLICE: {
            const char *from = value_text(c, op->args[arg++]);
            char *x = l ? coordinate(c, l, axis, "r") : format_text(c, "0");
            index = strcmp(x, "0") ? format_text(c, "%s + (%s)", from, x)
                                   : format_text(c, "%s", from);
            axis++;
            break;
        }
        case AX_TILE: {
            const Value *tile = op->args[arg++];
            if (joint < 0)
                joint = axis++;
            const char *name = l ? axis_fitted(c, tile, l, joint) : c_name(c, tile);
            index = l ? axis_element(c, tile, name, l, joint, "r") : format_text(c, "%s", name);
            break;
        }
        }
        if (k == vector_axis) {
            out->first = index;
            out->extent = v->extent[k];
        } else {
            add_axis(c, v, k, index, out);
        }
    }
    if (!*out->at)
        out->at = format_text(c, "0");
    return true;
}

/* How many neighbours of the fastest register mode one access can move, and the tensor axis. */
static int64_t vector_of(Cuda *c, const Op *op, const CudaView *v, const Layout *l, DType t,
                         int *tensor_axis)
{
    int axis = contiguous_axis(op), at = 0;
    const Access *a = op->access;
    *tensor_axis = -1;
    const Mode *m = NULL;
    for (int i = 0; i < l->count && !m; i++)
        if (l->mode[i].owner == OWN_REG)
            m = &l->mode[i];
    if (axis < 0 || !m || m->dim != axis || m->stride != 1)
        return 1;
    bool joint = false;
    for (int k = 0; k < a->count; k++) {
        if (a->axis[k].kind == AX_SCALAR || (a->axis[k].kind == AX_TILE && joint))
            continue;
        joint |= a->axis[k].kind == AX_TILE;
        if (at++ == axis)
            *tensor_axis = k;
    }
    if (*tensor_axis < 0 || v->divide[*tensor_axis] || strcmp(v->stride[*tensor_axis], "1")) {
        *tensor_axis = -1;
        return 1;
    }
    int64_t most = 128 / dtype_info[t].bits, n = 1;
    while (2 * n <= most && m->extent % (2 * n) == 0)
        n *= 2;
    (void)c;
    if (n == 1)
        *tensor_axis = -1;
    return n;
}

/* How the device header calls loads and stores of the type. */
static const char *memory_type(DType t)
{
    switch (t) {
    case DT_F16:
    case DT_BF16:
        return "u16";
    case DT_E4M3:
    case DT_E5M2:
    case DT_UE8M0:
        return "u8";
    case DT_TF32:
        return "f32";
    default:
        return dtype_info[t].name;
    }
}

bool emit_load(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    const CudaView *v = c->view[op->args[0]->id];
    DType t = r->type.dtype;
    const char *type = c_type(t), *memory = memory_type(t), *name = c_name(c, r);
    char *pad = c_literal(c, t, op->bits);
    Address a;
    if (is_uniform(r)) {
        address(c, op, v, NULL, -1, &a);
        order_access(c, op, NULL, false);
        if (t == DT_E2M1)
            return cuda_fail(c, op, "a load of one e2m1 element");
        line(c, "%s %s = %s;", type, name, pad);
        line(c, "%s%s%s%s = %s[%s];", *a.row ? "if (" : "", a.row, *a.row ? ") " : "", name,
             v->data, a.at);
        return true;
    }
    int vector_axis;
    const Layout *l = layout_of(c, r);
    int64_t n = vector_of(c, op, v, l, t, &vector_axis), regs = registers(c, r);
    address(c, op, v, l, vector_axis, &a);
    order_access(c, op, l, false);
    if (t == DT_E2M1 && n < 2)
        return cuda_fail(c, op, "a load of single e2m1 elements");
    declare(c, r);
    if (vector_axis < 0) {
        line(c, "TILE_EACH(r, %lld) %s[r] = %s%s%s[%s]%s%s;", (long long)regs, name, a.row,
             *a.row ? " ? " : "", v->data, a.at, *a.row ? " : " : "", *a.row ? pad : "");
        return true;
    }
    open_block(c, "TILE_STEP(r, %lld, %lld)", (long long)regs, (long long)n);
    line(c, "const int64_t first = %s;", a.first);
    line(c, "tile_load_%lld_%s(&%s[r], %s, %s, first, %s%s%s%s, %s);", (long long)n, memory, name,
         v->data, a.at, *a.row ? a.row : "", *a.row ? " ? " : "", a.extent, *a.row ? " : 0" : "",
         pad);
    close_block(c);
    return true;
}

/* Integers and f32; the old value is of one element (R19). */
bool emit_atomic(Cuda *c, const Op *op)
{
    const Value *x = op->args[op->nargs - 1];
    const CudaView *v = c->view[op->args[0]->id];
    DType t = x->type.dtype;
    const char *type = dtype_info[t].name;
    Address a;
    if (dtype_info[t].bits < 32)
        return cuda_fail(c, op, "atomic_add of %s", type);
    if (op->nresults)
        return cuda_fail(c, op, "the old value of atomic_add");
    Layout plain = layout_spread(&x->type, x->type.rank - 1, 1, c->plan->unit);
    const Layout *l = is_uniform(x) ? &plain : layout_of(c, x);
    address(c, op, v, type_elements(&x->type) == 1 ? NULL : l, -1, &a);
    order_access(c, op, l, true);
    char *holder = one_holder(c, l), *when = join(c, holder, " && ", a.row);
    if (!*a.row)
        when = holder;
    line(c, "TILE_EACH(r, %lld) %s%s%stile_atomic_add_%s(&%s[%s], %s%s);",
         (long long)layout_span(l, OWN_REG), *when ? "if (" : "", when, *when ? ") " : "", type,
         v->data, a.at, c_name(c, x), is_uniform(x) ? "" : "[r]");
    return true;
}

/* Neighbouring lanes have neighbours along the axis: single elements are moved together. */
static bool lanes_run_along(const Layout *l, int axis)
{
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].owner == OWN_LANE)
            return l->mode[i].dim == axis && l->mode[i].stride == 1;
    return false;
}

bool emit_store(Cuda *c, const Op *op)
{
    const Value *x = op->args[op->nargs - 1];
    const CudaView *v = c->view[op->args[0]->id];
    DType t = x->type.dtype;
    Address a;
    if (is_uniform(x) && type_elements(&x->type) == 1) {
        address(c, op, v, NULL, -1, &a);
        order_access(c, op, NULL, true);
        if (t == DT_E2M1)
            return cuda_fail(c, op, "a store of one e2m1 element");
        const char *first = c->plan->unit.lanes == 1   ? ""
                            : c->plan->unit.warps == 1 ? "lane == 0"
                                                       : "lane == 0 && warp == 0";
        char *when = join(c, format_text(c, "%s", first), " && ", a.row);
        if (!*a.row)
            when = format_text(c, "%s", first);
        line(c, "%s%s%s%s[%s] = %s;", *when ? "if (" : "", when, *when ? ") " : "", v->data, a.at,
             c_name(c, x));
        return true;
    }
    Layout plain;
    const Layout *l;
    if (is_uniform(x)) {
        plain = layout_spread(&x->type, x->type.rank - 1, 128 / dtype_info[t].bits, c->plan->unit);
        l = &plain;
    } else {
        l = layout_of(c, x);
    }
    int vector_axis, along = contiguous_axis(op);
    int64_t n = is_uniform(x) ? 1 : vector_of(c, op, v, l, t, &vector_axis);
    const char *name = c_name(c, x);
    if (n == 1 && !is_uniform(x) && along >= 0) {
        /* A tile that lies across the store's direction is turned in shared memory. */
        Layout turned = layout_spread(&x->type, along, 128 / dtype_info[t].bits, c->plan->unit);
        int axis;
        int64_t wide = vector_of(c, op, v, &turned, t, &axis);
        bool fewer = layout_span(&turned, OWN_REG) / wide < layout_span(l, OWN_REG);
        if (wide * dtype_info[t].bits >= 64 && (fewer || !lanes_run_along(l, along))) {
            name = converted(c, x, &turned);
            plain = turned;
            l = &plain;
            n = wide;
            vector_axis = axis;
        }
    }
    int64_t regs = layout_span(l, OWN_REG);
    if (is_uniform(x))
        vector_axis = -1;
    if (t == DT_E2M1 && n < 2)
        return cuda_fail(c, op, "a store of single e2m1 elements");
    address(c, op, v, l, vector_axis, &a);
    order_access(c, op, l, true);
    char *holder = one_holder(c, l);
    if (*holder)
        open_block(c, "if (%s)", holder);
    if (vector_axis < 0) {
        line(c, "TILE_EACH(r, %lld) %s%s%s%s[%s] = %s%s;", (long long)regs, *a.row ? "if (" : "",
             a.row, *a.row ? ") " : "", v->data, a.at, name, is_uniform(x) ? "" : "[r]");
    } else {
        open_block(c, "TILE_STEP(r, %lld, %lld)", (long long)regs, (long long)n);
        line(c, "const int64_t first = %s;", a.first);
        line(c, "tile_store_%lld_%s(%s, %s, &%s[r], first, %s%s%s%s);", (long long)n,
             memory_type(t), v->data, a.at, name, *a.row ? a.row : "", *a.row ? " ? " : "",
             a.extent, *a.row ? " : 0" : "");
        close_block(c);
    }
    if (*holder)
        close_block(c);
    return true;
}
