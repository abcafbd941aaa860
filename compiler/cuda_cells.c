/* Local tensors in cells (cells.h): a thread's own elements, in its registers or in shared memory,
 * there vector beside vector of the unit's threads. */
#include <string.h>

#include "compiler/counts.h"
#include "compiler/cuda.h"
#include "compiler/directives.h"

static const Cells *cells_of(const Cuda *c, const Value *tensor)
{
    const Cells *k = tensor->op && tensor->op->code == OP_LOCAL ? c->low->cells[tensor->id] : NULL;
    return k && (k->registers || k->shared) ? k : NULL;
}

bool is_in_cells(const Cuda *c, const Value *tensor)
{
    return cells_of(c, tensor) != NULL;
}

/* Threads that have their own in one buffer, and the number of this one. */
static int threads_of(const Cuda *c)
{
    ThreadUnit u = c->plan->unit;
    return u.lanes == 1 ? c->plan->pack : u.lanes * u.warps;
}

static const char *thread_text(const Cuda *c)
{
    ThreadUnit u = c->plan->unit;
    return u.lanes == 1 ? "tile_thread()" : u.warps > 1 ? "(warp * 32 + lane)" : "lane";
}

/* Elements that move at once; of what is copied, neighbours in memory too. */
static int64_t vector_of(const Cells *k)
{
    int64_t n = 16 / dtype_info[k->local->results[0]->type.dtype].size, run = k->regs;
    for (int i = k->layout.count - 1; k->copied && i >= 0; i--)
        if (k->layout.mode[i].owner == OWN_REG)
            run = k->layout.mode[i].extent;
    while (run % n)
        n /= 2;
    return n;
}

bool cells_declare(Cuda *c, const Op *op)
{
    const Value *t = op->results[0];
    const Cells *k = cells_of(c, t);
    const char *type = c_type(t->type.dtype), *name = new_name(c, t, "local");
    CudaView *v = c->view[t->id] = NEW(c->arena, CudaView);
    *v = (CudaView){.data = name, .tensor = op, .quad = -1};
    if (k->registers) {
        line(c, "%s %s[%lld];", type, name, (long long)(k->count * k->regs));
        return true;
    }
    v->local = statement_buffer(&c->out, name, type, (size_t)(cells_bytes(k) * threads_of(c)));
    v->local->fixed = true;
    return true;
}

/* The number of the cell that the access takes. */
static char *cell_text(Cuda *c, const Op *op)
{
    const Access *a = op->access;
    const Type *t = &op->args[0]->type;
    char *text = format_text(c, "0");
    int64_t all = 0;
    bool known = true;
    for (int k = 0; k < a->count; k++) {
        int64_t n = a->axis[k].kind == AX_SCALAR ? 1 : a->axis[k].extent, count = t->dims[k] / n,
                i = 0;
        const Value *index = index_value(op, k);
        bool digit = index && !value_int(index, &i);
        known &= !digit;
        all = all * count + i / n;
        if (count == 1)
            continue;
        if (strcmp(text, "0"))
            text = format_text(c, "(%s) * %lld", text, (long long)count);
        if (digit)
            text = sum_of(c, text,
                          n == 1 ? c_name(c, index)
                                 : format_text(c, "%s / %lld", c_name(c, index), (long long)n));
        else if (i)
            text = sum_of(c, text, format_text(c, "%lld", (long long)(i / n)));
    }
    return known ? format_text(c, "%lld", (long long)all) : text;
}

static void tell(Cuda *c, const Op *op, const Cells *k, bool write)
{
    Effect e = {.buffer = c->view[op->args[0]->id]->local,
                .write = write,
                .own = true,
                .op = k->local,
                .layout = k->layout};
    if (e.buffer)
        statement_effect(&c->out, e);
}

/* Moves the thread's part of a cell between its place and `name`. */
static void move(Cuda *c, const Op *op, const Cells *k, const char *name, bool write)
{
    const CudaView *v = c->view[op->args[0]->id];
    long long n = k->regs, each = vector_of(k), threads = threads_of(c);
    char *cell = cell_text(c, op);
    char *base = strcmp(cell, "0")
                     ? format_text(c, "(%s) * %lld + ", cell, k->registers ? n : n / each)
                     : format_text(c, "%s", "");
    const char *carried = carrier(k->local->results[0]->type.dtype);
    if (k->registers && write)
        line(c, "TILE_EACH(r, %lld) %s[%sr] = %s[r];", n, v->data, base, name);
    else if (k->registers)
        line(c, "TILE_EACH(r, %lld) %s[r] = %s[%sr];", n, name, v->data, base);
    if (k->registers)
        return;
    char *several = each > 1 ? format_text(c, "%lld_", each) : format_text(c, "%s", "");
    char *place = format_text(c, "%s + ((%so) * %lld + %s) * %lld", v->data, base, threads,
                              thread_text(c), each);
    note_cell(c, op, k->local->name, n, each);
    tell(c, op, k, write);
    if (write)
        line(c, "TILE_EACH(o, %lld) tile_shared_store_%s%s(%s, %s%s[o * %lld]);", n / each, several,
             carried, place, each > 1 ? "&" : "", name, each);
    else if (each > 1)
        line(c, "TILE_EACH(o, %lld) tile_shared_load_%s%s(&%s[o * %lld], %s);", n / each, several,
             carried, name, each, place);
    else
        line(c, "TILE_EACH(o, %lld) %s[o] = tile_shared_load_%s(%s);", n, name, carried, place);
}

/* ---- copies beside the threads ---- */

bool is_copied(const Cuda *c, const Op *load)
{
    const Value *r = load->results[0];
    const Op *store = c->user[r->id];
    if (tensor_root(load->args[0])->op->code != OP_TENSOR || c->uses[r->id] != 1 || !store ||
        store->code != OP_STORE || store->parent != load->parent ||
        store->args[store->nargs - 1] != r)
        return false;
    const Cells *k = cells_of(c, store->args[0]);
    return k && k->copied;
}

static bool cannot_copy(Cuda *c, const Op *load, const Cells *k)
{
    const char *name = tensor_root(load->args[0])->op->name;
    if (c->failed)
        return false;
    c->failed = true;
    diag_error(c->low->diag, k->copied->pos, "name only other tensors in load(..)",
               "pipeline: tiles of %s cannot be copied to shared memory in vectors of 4, 8 or 16 "
               "bytes",
               name);
    diag_note(c->low->diag, load->pos, "it is loaded here");
    return false;
}

/* The load's elements go to the thread's part of the cell, and nobody waits. */
static bool copy(Cuda *c, const Op *store, const Op *load, const Cells *k)
{
    long long each = vector_of(k);
    char *cell = cell_text(c, store);
    char *base = strcmp(cell, "0") ? format_text(c, "(%s) * %lld + ", cell, k->regs / each)
                                   : format_text(c, "%s", "");
    char *place = format_text(c, "%s + ((%so) * %d + %s) * %lld", c->view[store->args[0]->id]->data,
                              base, threads_of(c), thread_text(c), each);
    int bits = dtype_info[k->local->results[0]->type.dtype].bits;
    if (!layout_equal(layout_of(c, load->results[0]), &k->layout) || each * bits < 32)
        return cannot_copy(c, load, k);
    Path path = path_of(c->low, c->plan, load);
    directive_honour(c->low, c->plan, path.smem);
    c->copies = true;
    tell(c, store, k, true);
    return copy_vectors(c, load, &k->layout, each, place) || cannot_copy(c, load, k);
}

bool emit_copies(Cuda *c, const Op *op)
{
    int64_t groups;
    value_int(op->args[0], &groups);
    line(c, "tile_copy_async_commit();");
    line(c, "tile_copy_async_wait(%lld);", (long long)groups);
    return true;
}

/* ---- loads and stores ---- */

bool cells_load(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    const Cells *k = cells_of(c, op->args[0]);
    const char *name = new_name(c, r, "cell");
    line(c, "%s %s[%lld];", c_type(r->type.dtype), name, (long long)k->regs);
    move(c, op, k, name, false);
    give_result(c, r, name, &k->layout);
    return true;
}

bool cells_store(Cuda *c, const Op *op)
{
    const Value *x = op->args[op->nargs - 1];
    const Cells *k = cells_of(c, op->args[0]);
    const char *name, *type = c_type(x->type.dtype);
    if (x->op && x->op->code == OP_LOAD && is_copied(c, x->op))
        return copy(c, op, x->op, k);
    if (is_uniform(x)) {
        name = new_temp(c, "filled");
        line(c, "%s %s[%lld];", type, name, (long long)k->regs);
        line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)k->regs, name, c_name(c, x));
    } else {
        name = layout_equal(layout_of(c, x), &k->layout) ? c_name(c, x)
                                                         : converted(c, x, &k->layout);
    }
    /* A value that registers hold in a narrower type. */
    if (!is_uniform(x) && strcmp(c_type(held(c, x)), type)) {
        const char *wide = new_temp(c, "wide");
        line(c, "%s %s[%lld];", type, wide, (long long)k->regs);
        line(c, "TILE_EACH(r, %lld) %s[r] = %s[r];", (long long)k->regs, wide, name);
        name = wide;
    }
    move(c, op, k, name, true);
    return true;
}

static bool mentions(const Value *v, const Value *index)
{
    if (v == index)
        return true;
    for (int i = 0; v->op && !v->op->nregions && i < v->op->nargs; i++)
        if (mentions(v->op->args[i], index))
            return true;
    return false;
}

bool indexes_registers(const Cuda *c, const Region *r, const Value *index)
{
    for (const Op *op = r->first; op; op = op->next) {
        const Cells *k = op->code == OP_LOAD || op->code == OP_STORE ? cells_of(c, op->args[0])
                                                                     : NULL;
        for (int i = 1; k && k->registers && i < op->nargs - (op->code == OP_STORE); i++)
            if (mentions(op->args[i], index))
                return true;
        for (int i = 0; i < op->nregions; i++)
            if (indexes_registers(c, op->regions[i], index))
                return true;
    }
    return false;
}
