/* Tensors and their views in C: where an element lies (R18, R25). */
#include <string.h>

#include "compiler/cuda.h"

/* ---- numbers ---- */

static Number constant(Cuda *c, int64_t n)
{
    return (Number){format_text(c, "%lld", (long long)n), true, n, host_constant(c->host, n)};
}

static Number unknown_of(Cuda *c, const char *type, const char *stem, const char *text)
{
    const char *name = new_temp(c, stem);
    line(c, "const %s %s = %s;", type, name, text);
    return (Number){name, false, 0, -1};
}

static Number unknown(Cuda *c, const char *stem, const char *text)
{
    return unknown_of(c, "int64_t", stem, text);
}

/* A number that the host computes comes in the args. */
static Number of_node(Cuda *c, int node, const char *stem)
{
    const tile_node *n = &c->host->nodes.items[node];
    if (n->op == TILE_NODE_CONST)
        return constant(c, n->value);
    return (Number){host_number(c->host, node, "int64_t", stem), false, 0, node};
}

Number number_of(Cuda *c, const Value *v)
{
    int64_t n;
    if (value_int(v, &n))
        return constant(c, n);
    return (Number){c_name(c, v), false, 0, host_value(c->host, v)};
}

static Number product(Cuda *c, Number a, Number b, const char *stem)
{
    if (a.known && b.known)
        return constant(c, a.value * b.value);
    if (a.known && a.value == 1)
        return b;
    if (b.known && b.value == 1)
        return a;
    if (a.node >= 0 && b.node >= 0)
        return of_node(c, host_node(c->host, TILE_NODE_MUL, TILE_I64, a.node, b.node, 0), stem);
    return unknown(c, stem, format_text(c, "%s * %s", a.text, b.text));
}

/* ceil(a / n) * n */
static Number rounded_up(Cuda *c, Number a, int64_t n, const char *stem)
{
    if (a.known)
        return constant(c, (a.value + n - 1) / n * n);
    Host *h = c->host;
    int up = host_node(h, TILE_NODE_ADD, TILE_I64, a.node, host_constant(h, n - 1), 0);
    int k = host_node(h, TILE_NODE_FDIV, TILE_I64, up, host_constant(h, n), 0);
    return of_node(c, host_node(h, TILE_NODE_MUL, TILE_I64, k, host_constant(h, n), 0), stem);
}

/* ---- views ---- */

static CudaView *new_view(Cuda *c, const Value *v)
{
    CudaView *view = NEW(c->arena, CudaView);
    view->quad = -1;
    return c->view[v->id] = view;
}

static const char *pointer_type(Cuda *c, const Op *op)
{
    DType t = op->results[0]->type.dtype;
    return format_text(c, "%s%s *", op->tensor->dir == PARAM_IN ? "const " : "",
                       t == DT_E2M1 ? "uint8_t" : c_type(t));
}

static Number stride_of(Cuda *c, const Op *op, int axis, Number contiguous)
{
    if (!op->tensor->any_stride[axis])
        return contiguous;
    int tensor = host_tensor_number(c->low->kernel, op);
    return of_node(c, host_node(c->host, TILE_NODE_STRIDE, TILE_I64, tensor, axis, 0),
                   format_text(c, "%s_stride%d", op->name, axis));
}

/* ue8m0x4: byte (m, k) is at k / 4 * pitch + 4 m + k % 4, the pitch a multiple of 16 bytes. */
static void column_strides(Cuda *c, const Op *op, CudaView *v)
{
    const char *stem = format_text(c, "%s_pitch", op->name);
    int per = 128 / dtype_info[op->results[0]->type.dtype].bits;
    int rank = op->results[0]->type.rank;
    bool quad = op->tensor->format == FORMAT_UE8M0X4;
    int m = rank - 2, k = rank - 1;
    v->quad = quad ? k : -1;
    v->stride[m] = constant(c, quad ? 4 : 1);
    Number bytes = quad ? product(c, v->extent[m], constant(c, 4), stem) : v->extent[m];
    v->stride[k] = rounded_up(c, bytes, per, stem);
}

bool tensor_view(Cuda *c, const Op *op)
{
    const Value *t = op->results[0];
    CudaView *v = new_view(c, t);
    int rank = t->type.rank;
    bool table = t->type.kind == TY_TABLE;
    v->data = table ? op->name : host_pointer(c->host, op, pointer_type(c, op), op->name);
    v->tensor = op;
    for (int i = 0; i < rank; i++) {
        v->extent[i] = number_of(c, op->args[i]);
        v->extent_value[i] = op->args[i];
    }
    if (op->tensor->format != FORMAT_ROW) {
        column_strides(c, op, v);
        return rank == 2 || cuda_fail(c, op, "format %s of a tensor of rank %d",
                                      format_name[op->tensor->format], rank);
    }
    Number n = constant(c, 1);
    for (int i = rank - 1; i >= 0; i--) {
        v->stride[i] = stride_of(c, op, i, n);
        if (i)
            n = product(c, v->stride[i], v->extent[i],
                        format_text(c, "%s_stride%d", op->name, i - 1));
    }
    return true;
}

/* Entry l of a table; the entries' extents are the table's. */
static bool table_entry(Cuda *c, const Op *op)
{
    const CudaView *from = c->view[op->args[0]->id];
    CudaView *v = new_view(c, op->results[0]);
    const char *data = new_name(c, op->results[0], "entry");
    const char *type = pointer_type(c, from->tensor);
    *v = *from;
    const char *table = host_table(c->host, from->tensor, from->tensor->name);
    line(c, "%s%s = (%s)%s[%s];", type, data, type, table, c_name(c, op->args[1]));
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
    int64_t n = thread ? c->plan->pack : 1;
    if (is_box_ring(c, t))
        return box_ring_declare(c, t);
    if (t->type.dtype == DT_E2M1)
        return cuda_fail(c, op, "a local tensor of e2m1");
    if (is_in_cells(c, t))
        return cells_declare(c, op);
    for (int i = t->type.rank - 1; i >= 0; i--) {
        v->extent[i] = constant(c, t->type.dims[i]);
        v->stride[i] = constant(c, n);
        n *= t->type.dims[i];
    }
    Buffer *b = statement_buffer(&c->out, new_name(c, t, "local"), type,
                                 (size_t)(n ? n : 1) * dtype_info[t->type.dtype].size);
    b->fixed = true;
    v->data = thread ? format_text(c, "(%s + tile_thread())", b->name) : b->name;
    v->tensor = op;
    v->local = b;
    return true;
}

static bool view_slice(Cuda *c, const Op *op)
{
    const CudaView *from = c->view[op->args[0]->id];
    CudaView *v = new_view(c, op->results[0]);
    int a = op->axis;
    const char *stem = op->results[0]->name ? op->results[0]->name : "slice";
    int64_t first;
    *v = *from;
    v->whole[a] = false;
    if (value_int(op->args[1], &first) && first == 0) {
        v->extent[a] = unknown_of(
            c, c_type(held(c, op->args[2])), format_text(c, "%s_n", stem),
            format_text(c, "tile_clamp(%s, 0, %s)", c_name(c, op->args[2]), from->extent[a].text));
        v->extent_value[a] = NULL;
        return true;
    }
    Number lo = unknown(
        c, format_text(c, "%s_lo", stem),
        format_text(c, "tile_clamp(%s, 0, %s)", c_name(c, op->args[1]), from->extent[a].text));
    v->extent[a] = unknown(c, format_text(c, "%s_n", stem),
                           format_text(c, "tile_clamp(%s, %s, %s) - %s", c_name(c, op->args[2]),
                                       lo.text, from->extent[a].text, lo.text));
    v->extent_value[a] = NULL;
    v->odd_offset[a] = !is_multiple(op->args[1], 16);
    if (from->divide[a] || from->quad == a) {
        v->shift[a] = from->shift[a] ? format_text(c, "%s + %s", from->shift[a], lo.text) : lo.text;
        return true;
    }
    char *at = strcmp(from->stride[a].text, "1")
                   ? format_text(c, "%s * %s", lo.text, from->stride[a].text)
                   : format_text(c, "%s", lo.text);
    v->offset = unknown(c, format_text(c, "%s_at", stem),
                        from->offset ? format_text(c, "%s + %s", from->offset, at) : at)
                    .text;
    return true;
}

/* Splits and merges of axes; merged ones follow each other in memory: known, or the stub tests it.
 */
static bool view_reshape(Cuda *c, const Op *op)
{
    const CudaView *from = c->view[op->args[0]->id];
    CudaView *v = new_view(c, op->results[0]);
    int rank = op->nargs - 1, old = op->args[0]->type.rank;
    *v = (CudaView){.data = from->data, .offset = from->offset, .tensor = from->tensor, .quad = -1};
    if (from->quad >= 0 || from->tensor->tensor->format != FORMAT_ROW)
        return cuda_fail(c, op, "reshape of a tensor in format %s",
                         format_name[from->tensor->tensor->format]);
    for (int i = 0; i < old; i++)
        if (from->divide[i])
            return cuda_fail(c, op, "reshape of an upsampled view");
    for (const Op *o = op->args[0]->op; o && o->code != OP_TENSOR; o = o->args[0]->op)
        if (o->code == OP_VIEW_TRANS || (o->code == OP_VIEW_SLICE && o->axis != 0))
            return cuda_fail(c, op, "reshape of this view");
    for (int i = 0; i < rank; i++) {
        v->extent[i] = number_of(c, op->args[1 + i]);
        v->extent_value[i] = op->args[1 + i];
    }
    /* Leading axes that both have keep their strides. */
    int kept = 0;
    while (kept < rank && kept < old && from->extent_value[kept] == v->extent_value[kept] &&
           from->extent_value[kept])
        kept++;
    Number n = constant(c, 1);
    for (int i = rank - 1; i >= 0; i--) {
        v->stride[i] = i < kept ? from->stride[i] : n;
        n = i > kept ? product(c, n, v->extent[i], "stride") : n;
    }
    for (int i = 0; i < old; i++)
        v->odd_offset[rank - 1] |= from->odd_offset[i];
    for (int i = kept; i + 1 < old; i++)
        if (op->args[0]->op->code == OP_TENSOR && from->tensor->tensor->any_stride[i])
            host_contiguous(c->host, from->tensor, i);
    return true;
}

static bool view_upsample(Cuda *c, const Op *op)
{
    const CudaView *from = c->view[op->args[0]->id];
    CudaView *v = new_view(c, op->results[0]);
    *v = *from;
    for (int i = 0; i < op->nargs - 1; i++) {
        Number f = number_of(c, op->args[1 + i]);
        if (f.known && f.value == 1)
            continue;
        if (from->divide[i])
            return cuda_fail(c, op, "upsample of an upsampled view");
        v->divide[i] = f.text;
        v->divisor[i] = f.known ? f.value : 0;
        v->whole[i] = true;
        v->extent[i] = product(c, from->extent[i], f, "extent");
        v->extent_value[i] = NULL;
    }
    return true;
}

static bool view_trans(Cuda *c, const Op *op)
{
    CudaView *v = new_view(c, op->results[0]);
    int a = op->results[0]->type.rank - 1, b = a - 1;
    *v = *c->view[op->args[0]->id];
#define SWAP(type, field)          \
    do {                           \
        type t = v->field[a];      \
        v->field[a] = v->field[b]; \
        v->field[b] = t;           \
    } while (0)
    SWAP(Number, extent);
    SWAP(Number, stride);
    SWAP(const Value *, extent_value);
    SWAP(const char *, divide);
    SWAP(int64_t, divisor);
    SWAP(const char *, shift);
    SWAP(bool, odd_offset);
    SWAP(bool, whole);
#undef SWAP
    v->quad = v->quad == a ? b : v->quad == b ? a : v->quad;
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
        c->name[op->results[0]->id] = c->view[op->args[0]->id]->extent[op->axis].text;
        return true;
    }
}

const Value *index_value(const Op *op, int axis)
{
    int arg = 1;
    for (int k = 0; k < axis; k++)
        arg += op->access->axis[k].kind != AX_FULL;
    return op->access->axis[axis].kind == AX_FULL ? NULL : op->args[arg];
}

int64_t group_run(const Op *op, const CudaView *v, const Layout *l)
{
    int64_t n = 1;
    const Mode *run = NULL;
    for (int i = 0; i < l->count && !run; i++)
        run = l->mode[i].owner == OWN_REG ? &l->mode[i] : NULL;
    if (!run || run->dim < 0 || run->stride != 1 || layout_is_masked(l))
        return 1;
    for (int k = 0, dim = 0; k < op->access->count; k++) {
        AxisKind kind = op->access->axis[k].kind;
        const Value *start = kind == AX_SLICE ? index_value(op, k) : NULL;
        if (kind == AX_TILE)
            return 1;
        if (kind == AX_SCALAR || dim++ != run->dim)
            continue;
        bool apart = !v->whole[k] || v->shift[k] || v->divisor[k] % run->extent != 0;
        n = apart ? 1 : run->extent;
        if (start && !is_multiple(start, n))
            n = 1;
    }
    for (int i = 0; i < l->count; i++)
        if (&l->mode[i] != run && l->mode[i].dim == run->dim && l->mode[i].stride % n != 0)
            n = 1;
    return n;
}
