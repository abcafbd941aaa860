/* Tensors and views: descriptors over a memory. */
#include "compiler/interp/prepare.h"

int64_t view_axis_element(const ViewAxis *a, int64_t index)
{
    int64_t q = index + a->offset;
    if (a->divide != 1)
        q /= a->divide;
    return a->split ? q / a->split * a->stride + q % a->split : q * a->stride;
}

void view_of_memory(View *v, Memory *m)
{
    format_view(m->buffer, v);
    v->memory = m;
}

/* ---- parameters ---- */

typedef struct Table {
    Memory **entries;
    const Binding *binding;
} Table;

static void run_tensor(Task *t, const Insn *i)
{
    const Table *b = i->plan;
    View *v = slot_pointer(t, i->dst);
    if (i->op->results[0]->type.kind == TY_TABLE) {
        memcpy(v, &b, sizeof b);
        return;
    }
    if (!b->binding->entries) {
        *v = (View){.rank = i->op->results[0]->type.rank};
        return;
    }
    format_view(&b->binding->buffers[0], v);
    v->memory = b->entries[0];
}

void emit_tensor(Preparer *p, const Op *op)
{
    Machine *m = p->m;
    for (int i = 0; i < m->nbindings; i++) {
        if (m->bindings[i].tensor != op)
            continue;
        Table *b = NEW(&m->arena, Table);
        b->entries = m->bound[i];
        b->binding = &m->bindings[i];
        emit_plain(p, run_tensor, op)->plan = b;
        return;
    }
    prepare_error(p, op, "nothing is bound to tensor '%s'", op->name);
}

static void run_table(Task *t, const Insn *i)
{
    const Table *b;
    memcpy(&b, slot_pointer(t, i->arg[0]), sizeof b);
    int64_t k = read_int(slot_pointer(t, i->arg[1]), i->op->args[1]->type.dtype);
    if (k < 0 || k >= b->binding->entries) {
        fault(t, i->op->pos, "entry %lld of table '%s' is outside [0, %d)", (long long)k,
              b->binding->tensor->name, b->binding->entries);
        return;
    }
    View *v = slot_pointer(t, i->dst);
    format_view(&b->binding->buffers[k], v);
    v->memory = b->entries[k];
}

void emit_table(Preparer *p, const Op *op)
{
    emit_plain(p, run_table, op);
}

static void run_extent(Task *t, const Insn *i)
{
    const View *v = slot_pointer(t, i->arg[0]);
    *(int64_t *)slot_pointer(t, i->dst) = v->axis[i->op->axis].extent;
}

void emit_extent(Preparer *p, const Op *op)
{
    emit_plain(p, run_extent, op);
}

/* ---- locals: view, memory, elements and defined bits in one slot ---- */

typedef struct Local {
    View view;
    Memory memory;
} Local;

static size_t round_up(size_t n)
{
    return (n + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
}

static size_t local_data(const Type *t)
{
    return round_up(((size_t)type_elements(t) * dtype_info[t->dtype].bits + 7) / 8);
}

static size_t local_known(const Type *t)
{
    return round_up(((size_t)type_elements(t) + 63) / 64 * 8);
}

size_t local_bytes(const Type *t)
{
    int64_t n = format_elements(t->dtype, FORMAT_ROW, t->rank, t->dims);
    if (n < 0 || (size_t)n > MOST_FRAME_BYTES)
        return MOST_FRAME_BYTES;
    return round_up(sizeof(Local)) + local_data(t) + local_known(t);
}

static void run_local(Task *t, const Insn *i)
{
    const Type *type = &i->op->results[0]->type;
    Local *l = slot_pointer(t, i->dst);
    char *data = (char *)l + round_up(sizeof *l);
    Buffer shape = {.dtype = type->dtype, .rank = type->rank};
    memcpy(shape.extent, type->dims, sizeof shape.extent);
    l->memory = (Memory){.data = data,
                         .dtype = type->dtype,
                         .elements = type_elements(type),
                         .tensor = i->op,
                         .entry = -1,
                         .written = true};
    l->memory.known = (uint64_t *)(void *)(data + local_data(type));
    memset(l->memory.known, 0, local_known(type));
    memset(data, 0, local_data(type));
    format_view(&shape, &l->view);
    l->view.memory = &l->memory;
}

void emit_local(Preparer *p, const Op *op)
{
    emit_plain(p, run_local, op);
}

/* ---- views ---- */

static int64_t int_arg(Task *t, Slot s, const Value *v)
{
    return read_int(slot_pointer(t, s), v->type.dtype);
}

/* Old axes [from, to) in one piece of memory, row-major? */
static bool contiguous(const View *v, int from, int to)
{
    for (int i = from; i < to; i++) {
        const ViewAxis *a = &v->axis[i], *b = &v->axis[i + 1];
        if (a->divide != 1 || a->split)
            return false;
        if (i + 1 < to && a->stride != b->stride * b->extent && a->extent != 1)
            return false;
    }
    return true;
}

static void drop_ones(View *v)
{
    int n = 0;
    for (int i = 0; i < v->rank; i++) {
        if (v->axis[i].extent == 1)
            v->base += view_axis_element(&v->axis[i], 0);
        else
            v->axis[n++] = v->axis[i];
    }
    v->rank = n;
}

/* Merges and splits axes: groups of old and new axes with equal products, as in a reshape of a
 * dense array; a group of one old and one new axis stays as it is. */
static bool reshape_axes(View *v, int rank, const int64_t *extent)
{
    View old = *v;
    drop_ones(&old);
    v->base = old.base;
    v->rank = rank;
    for (int i = 0, j = 0; i < rank;) {
        int first = i, from = j;
        int64_t have = 1, want = extent[i++];
        if (want == 1) {
            v->axis[first] = (ViewAxis){.extent = 1, .divide = 1};
            continue;
        }
        while (have != want) {
            if (have < want && j < old.rank)
                have *= old.axis[j++].extent;
            else if (want < have && i < rank)
                want *= extent[i++];
            else
                return false;
        }
        while (i < rank && extent[i] == 1)
            i++;
        if (j - from == 1 && old.axis[from].extent == extent[first]) {
            v->axis[first] = old.axis[from];
            for (int k = first + 1; k < i; k++)
                v->axis[k] = (ViewAxis){.extent = 1, .divide = 1};
            continue;
        }
        if (!contiguous(&old, from, j))
            return false;
        int64_t stride = old.axis[j - 1].stride;
        for (int k = from; k < j; k++)
            v->base += old.axis[k].offset * old.axis[k].stride;
        for (int k = i - 1; k >= first; k--) {
            v->axis[k] = (ViewAxis){.extent = extent[k], .stride = stride, .divide = 1};
            stride *= extent[k];
        }
    }
    return true;
}

static void run_reshape(Task *t, const Insn *i)
{
    const View *from = slot_pointer(t, i->arg[0]);
    const Slot *args = i->plan;
    View *v = slot_pointer(t, i->dst);
    int64_t extent[MAX_RANK], old = 1, new = 1;
    int rank = i->op->nargs - 1;
    for (int k = 0; k < rank; k++) {
        extent[k] = int_arg(t, args[k + 1], i->op->args[k + 1]);
        if (extent[k] < 0 || __builtin_mul_overflow(new, extent[k], &new)) {
            fault(t, i->op->pos, "reshape: extent %lld of axis %d", (long long)extent[k], k);
            return;
        }
    }
    *v = *from;
    for (int k = 0; k < from->rank; k++)
        old *= from->axis[k].extent;
    if (old != new) {
        fault(t, i->op->pos, "reshape: %lld elements to %lld", (long long)old, (long long)new);
    } else if (new == 0) {
        v->rank = rank;
        for (int k = 0; k < rank; k++)
            v->axis[k] = (ViewAxis){.extent = extent[k], .divide = 1};
    } else if (!reshape_axes(v, rank, extent)) {
        fault(t, i->op->pos, "reshape: the axes to merge or split are not contiguous");
    }
}

static int64_t clamp(int64_t x, int64_t lo, int64_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static void run_slice(Task *t, const Insn *i)
{
    View *v = slot_pointer(t, i->dst);
    *v = *(const View *)slot_pointer(t, i->arg[0]);
    ViewAxis *a = &v->axis[i->op->axis];
    int64_t lo = clamp(int_arg(t, i->arg[1], i->op->args[1]), 0, a->extent);
    int64_t hi = clamp(int_arg(t, i->arg[2], i->op->args[2]), lo, a->extent);
    a->offset += lo;
    a->extent = hi - lo;
}

static void run_view_trans(Task *t, const Insn *i)
{
    View *v = slot_pointer(t, i->dst);
    *v = *(const View *)slot_pointer(t, i->arg[0]);
    ViewAxis last = v->axis[v->rank - 1];
    v->axis[v->rank - 1] = v->axis[v->rank - 2];
    v->axis[v->rank - 2] = last;
}

/* (i / f + offset) / divide = (i + offset * f) / (divide * f) for what is not negative. */
static void run_upsample(Task *t, const Insn *i)
{
    const Slot *args = i->plan;
    View *v = slot_pointer(t, i->dst);
    *v = *(const View *)slot_pointer(t, i->arg[0]);
    for (int k = 0; k < v->rank; k++) {
        int64_t f = int_arg(t, args[k + 1], i->op->args[k + 1]);
        ViewAxis *a = &v->axis[k];
        if (f <= 0 || __builtin_mul_overflow(a->extent, f, &a->extent) ||
            __builtin_mul_overflow(a->offset, f, &a->offset) ||
            __builtin_mul_overflow(a->divide, f, &a->divide)) {
            fault(t, i->op->pos, "upsample: factor %lld of axis %d", (long long)f, k);
            return;
        }
    }
}

void emit_view(Preparer *p, const Op *op)
{
    Slot *args = NEW_ARRAY(&p->m->arena, Slot, op->nargs);
    for (int k = 0; k < op->nargs; k++)
        args[k] = slot_of(p, op->args[k]);
    Handler *run = op->code == OP_VIEW_RESHAPE ? run_reshape
                   : op->code == OP_VIEW_SLICE ? run_slice
                   : op->code == OP_VIEW_TRANS ? run_view_trans
                                               : run_upsample;
    emit_plain(p, run, op)->plan = args;
}
