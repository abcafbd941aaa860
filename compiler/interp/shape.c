/* broadcast, trans, concat. */
#include "compiler/interp/shape.h"

static void stretch(const Stretch *s, int axis, char **to, const char *from)
{
    if (axis == s->rank) {
        memcpy(*to, from, s->size);
        *to += s->size;
        return;
    }
    for (int64_t k = 0; k < s->extent[axis]; k++)
        stretch(s, axis + 1, to, from + k * s->stride[axis]);
}

void stretch_tile(const Stretch *s, char *to, const char *from)
{
    stretch(s, 0, &to, from);
}

Stretch stretch_plan(const Type *from, const Type *to)
{
    Stretch s = {.rank = to->rank, .size = dtype_info[to->dtype].size};
    int64_t run = (int64_t)s.size;
    for (int k = to->rank - 1; k >= 0; k--) {
        s.extent[k] = to->dims[k];
        s.stride[k] = from->rank == 0 || from->dims[k] == 1 ? 0 : run;
        run *= from->rank ? from->dims[k] : 1;
    }
    return s;
}

static void run_broadcast(Task *t, const Insn *i)
{
    stretch_tile(i->plan, slot_pointer(t, i->dst), slot_pointer(t, i->arg[0]));
}

void emit_broadcast(Preparer *p, const Op *op)
{
    Stretch *s = NEW(&p->m->arena, Stretch);
    *s = stretch_plan(&op->args[0]->type, &op->results[0]->type);
    emit_plain(p, run_broadcast, op)->plan = s;
}

/* Square pieces, so that both sides stay in the cache. */
enum { BLOCK = 16 };

#define TRANSPOSE(T, name)                                                      \
    static void name(void *to, const void *from, int64_t rows, int64_t columns) \
    {                                                                           \
        T *restrict y = to;                                                     \
        const T *restrict x = from;                                             \
        for (int64_t r = 0; r < rows; r += BLOCK)                               \
            for (int64_t c = 0; c < columns; c += BLOCK)                        \
                for (int64_t i = r; i < rows && i < r + BLOCK; i++)             \
                    for (int64_t j = c; j < columns && j < c + BLOCK; j++)      \
                        y[j * rows + i] = x[i * columns + j];                   \
    }
TRANSPOSE(uint8_t, transpose8)
TRANSPOSE(uint16_t, transpose16)
TRANSPOSE(uint32_t, transpose32)
TRANSPOSE(uint64_t, transpose64)

static void run_trans(Task *t, const Insn *i)
{
    const Type *a = &i->op->args[0]->type;
    int64_t rows = a->dims[a->rank - 2], columns = a->dims[a->rank - 1];
    char *y = slot_pointer(t, i->dst);
    const char *x = slot_pointer(t, i->arg[0]);
    size_t size = dtype_info[a->dtype].size;
    for (int64_t done = 0; done < i->n; done += rows * columns) {
        (size == 1   ? transpose8
         : size == 2 ? transpose16
         : size == 4 ? transpose32
                     : transpose64)(y, x, rows, columns);
        y += (size_t)(rows * columns) * size;
        x += (size_t)(rows * columns) * size;
    }
}

void emit_trans(Preparer *p, const Op *op)
{
    emit_plain(p, run_trans, op);
}

typedef struct Part {
    Slot slot;
    size_t row; /* bytes of the axis and those behind it */
} Part;

static void run_concat(Task *t, const Insn *i)
{
    const Part *parts = i->plan;
    char *y = slot_pointer(t, i->dst);
    for (int64_t k = 0; k < i->n; k++) {
        for (int a = 0; a < i->aux; a++) {
            memcpy(y, (char *)slot_pointer(t, parts[a].slot) + (size_t)k * parts[a].row,
                   parts[a].row);
            y += parts[a].row;
        }
    }
}

void emit_concat(Preparer *p, const Op *op)
{
    Part *parts = NEW_ARRAY(&p->m->arena, Part, op->nargs);
    int64_t outer = 1;
    for (int k = 0; k < op->axis; k++)
        outer *= op->results[0]->type.dims[k];
    for (int a = 0; a < op->nargs; a++) {
        parts[a].slot = slot_of(p, op->args[a]);
        parts[a].row = outer ? value_bytes(&op->args[a]->type) / (size_t)outer : 0;
    }
    Insn *i = emit_plain(p, run_concat, op);
    i->plan = parts;
    i->n = outer;
    i->aux = op->nargs;
}
