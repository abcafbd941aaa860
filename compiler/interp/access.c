/* load, store, atomic_add, and v[..] on a tile (R3, R19, R24). */
#include "compiler/interp/access.h"
#include "compiler/interp/roles.h"

#include <stdlib.h>

typedef struct Transfer {
    Task *task;
    const Insn *insn;
    const AccessPlan *plan;
    Memory *memory; /* NULL: a tile */
    char *data;     /* of the tensor or of the indexed tile */
    char *tile;
} Transfer;

/* ---- copying runs ---- */

static unsigned nibble(const char *data, int64_t element)
{
    return (unsigned)(unsigned char)data[element / 2] >> (element % 2 * 4) & 15u;
}

/* Atomic: programs on two threads may write the two halves of a byte. */
static void put_nibble(char *data, int64_t element, unsigned code)
{
    unsigned char *p = (unsigned char *)data + element / 2;
    int shift = (int)(element % 2) * 4;
    __atomic_fetch_and(p, (unsigned char)~(15 << shift), __ATOMIC_RELAXED);
    __atomic_fetch_or(p, (unsigned char)(code << shift), __ATOMIC_RELAXED);
}

static void load_packed(char *to, const char *data, const Run *r)
{
    if (r->stride == 1 && r->element % 2 == 0) {
        const char *from = data + r->element / 2;
        for (int64_t j = 0; j + 1 < r->n; j += 2) {
            to[j] = (char)(from[j / 2] & 15);
            to[j + 1] = (char)((unsigned char)from[j / 2] >> 4);
        }
        if (r->n % 2)
            to[r->n - 1] = (char)(from[r->n / 2] & 15);
        return;
    }
    for (int64_t j = 0; j < r->n; j++)
        to[j] = (char)nibble(data, r->element + j * r->stride);
}

static void store_packed(char *data, const char *from, const Run *r)
{
    int64_t j = 0;
    if (r->stride == 1 && r->element % 2 == 0)
        for (; j + 1 < r->n; j += 2)
            data[(r->element + j) / 2] = (char)(from[j] | from[j + 1] << 4);
    for (; j < r->n; j++)
        put_nibble(data, r->element + j * r->stride, (unsigned char)from[j]);
}

#define STRIDED(T, name)                                                              \
    static void gather_##name(char *to, const char *from, int64_t n, int64_t stride)  \
    {                                                                                 \
        T *y = (T *)(void *)to;                                                       \
        const T *x = (const T *)(const void *)from;                                   \
        for (int64_t j = 0; j < n; j++)                                               \
            y[j] = x[j * stride];                                                     \
    }                                                                                 \
    static void scatter_##name(char *to, const char *from, int64_t n, int64_t stride) \
    {                                                                                 \
        T *y = (T *)(void *)to;                                                       \
        const T *x = (const T *)(const void *)from;                                   \
        for (int64_t j = 0; j < n; j++)                                               \
            y[j * stride] = x[j];                                                     \
    }
STRIDED(uint8_t, 1)
STRIDED(uint16_t, 2)
STRIDED(uint32_t, 4)
STRIDED(uint64_t, 8)

static void load_run(const Transfer *x, const Run *r)
{
    size_t size = x->plan->size;
    char *to = x->tile + (size_t)r->out * size;
    const char *from = x->data + r->element * (int64_t)size;
    if (x->plan->packed)
        load_packed(to, x->data, r);
    else if (r->stride == 1)
        memcpy(to, from, (size_t)r->n * size);
    else
        (size == 1   ? gather_1
         : size == 2 ? gather_2
         : size == 4 ? gather_4
                     : gather_8)(to, from, r->n, r->stride);
}

static void store_run(const Transfer *x, const Run *r)
{
    size_t size = x->plan->size;
    const char *from = x->tile + (size_t)r->out * size;
    char *to = x->data + r->element * (int64_t)size;
    if (x->plan->packed)
        store_packed(x->data, from, r);
    else if (r->stride == 1)
        memcpy(to, from, (size_t)r->n * size);
    else
        (size == 1   ? scatter_1
         : size == 2 ? scatter_2
         : size == 4 ? scatter_4
                     : scatter_8)(to, from, r->n, r->stride);
}

/* Finds faults first: a store that is reported does not happen. */
static bool touch(const Transfer *x, AccessKind kind, const Run *r)
{
    Memory *m = x->memory;
    if (!m || (!m->shadow && !m->known))
        return true;
    return shadow_access(x->task, x->insn, m, kind, r->element, r->n, r->stride);
}

/* Single elements of a run with a table. */
static bool each_of_table(void *context, const Run *r, RunFn *one)
{
    for (int64_t j = 0; j < r->n; j++) {
        Run e = {.element = r->element + r->table[j], .out = r->out + j, .n = 1, .stride = 1};
        if (r->table[j] != OUTSIDE && !one(context, &e))
            return false;
    }
    return true;
}

static bool load_each(void *context, const Run *r)
{
    const Transfer *x = context;
    if (r->table)
        return each_of_table(context, r, load_each);
    if (!touch(x, ACCESS_READ, r))
        return false;
    load_run(x, r);
    return true;
}

static bool store_each(void *context, const Run *r)
{
    const Transfer *x = context;
    if (r->table)
        return each_of_table(context, r, store_each);
    if (!touch(x, ACCESS_WRITE, r))
        return false;
    store_run(x, r);
    return true;
}

/* ---- instructions ---- */

static void fill_pad(const AccessPlan *p, char *to)
{
    if (!p->pad) {
        memset(to, 0, (size_t)p->elements * p->size);
        return;
    }
    for (int64_t j = 0; j < p->elements; j++)
        memcpy(to + (size_t)j * p->size, &p->pad, p->size);
}

/* Two e2m1 share a byte: a slice along the last axis starts with the first of them (R25). */
static bool starts_even(Task *t, const Insn *i, const AccessPlan *p)
{
    const IndexPlan *x = &p->axis[p->rank > 0 ? p->rank - 1 : 0];
    if (!p->packed || p->rank == 0 || x->kind != AX_SLICE)
        return true;
    int64_t at = read_int(slot_pointer(t, x->slot), x->dtype);
    if (at % 2 != 0)
        fault(t, i->op->pos,
              "a slice of e2m1 starts at %lld: its start is even, two elements share "
              "a byte",
              (long long)at);
    return at % 2 == 0;
}

static void load_view(Task *t, const Insn *i, const View *v, char *data)
{
    const AccessPlan *p = i->plan;
    Walk w;
    Transfer x = {.task = t,
                  .insn = i,
                  .plan = p,
                  .memory = v->memory,
                  .data = data,
                  .tile = slot_pointer(t, i->dst)};
    if (!starts_even(t, i, p))
        return;
    walk_begin(t, p, v, &w);
    if (!w.whole)
        fill_pad(p, x.tile);
    walk_runs(&w, load_each, &x);
    if (t->roles)
        role_pause(t);
}

static void run_load(Task *t, const Insn *i)
{
    const View *v = slot_pointer(t, i->arg[0]);
    load_view(t, i, v, v->memory ? v->memory->data : NULL);
}

static void run_extract(Task *t, const Insn *i)
{
    const AccessPlan *p = i->plan;
    load_view(t, i, &p->tile, slot_pointer(t, i->arg[0]));
}

/* Two in-range targets of one scatter may not be equal (R3). The elements of the index tiles
 * decide: other axes tell no two of them apart. */
static int by_element(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

static bool targets_differ(Task *t, const Insn *i, const AccessPlan *p, const Walk *w,
                           const Memory *m)
{
    const int64_t *table = NULL;
    int64_t n = 0, from = 0;
    for (int k = 0; k < w->rank; k++)
        if (w->axis[k].of_tiles)
            table = w->axis[k].table, n = w->axis[k].n;
    if (!table || n < 2)
        return true;
    int64_t *sorted = (int64_t *)(void *)t->scratch + p->sort_room;
    memcpy(sorted, table, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_element);
    while (from < n && sorted[from] == OUTSIDE)
        from++;
    for (int64_t k = from + 1; k < n; k++) {
        if (sorted[k] != sorted[k - 1])
            continue;
        int64_t element = w->base + sorted[k];
        for (int a = 0; a < w->rank; a++) {
            const WalkAxis *x = &w->axis[a];
            if (!x->of_tiles)
                element += x->table ? x->table[x->lo] : x->lo * x->stride;
        }
        char text[256];
        element_text(text, sizeof text, m, element);
        fault(t, i->op->pos, "scatter: two elements of one store go to %s", text);
        return false;
    }
    return true;
}

static bool can_write(Task *t, const Insn *i, const View *v)
{
    for (int k = 0; k < v->rank; k++) {
        if (v->axis[k].divide != 1) {
            fault(t, i->op->pos, "store to an upsampled view");
            return false;
        }
    }
    return true;
}

static void run_store(Task *t, const Insn *i)
{
    const AccessPlan *p = i->plan;
    const View *v = slot_pointer(t, i->arg[0]);
    Walk w;
    Transfer x = {.task = t,
                  .insn = i,
                  .plan = p,
                  .memory = v->memory,
                  .data = v->memory ? v->memory->data : NULL,
                  .tile = slot_pointer(t, p->value)};
    if (!can_write(t, i, v) || !starts_even(t, i, p))
        return;
    walk_begin(t, p, v, &w);
    if (p->scatters && !w.empty && !targets_differ(t, i, p, &w, v->memory))
        return;
    walk_runs(&w, store_each, &x);
    if (t->roles)
        role_pause(t);
}

/* ---- atomics ---- */

#define ADD_INTEGER(T, bits)                                                    \
    static uint64_t add_##bits(char *at, uint64_t value)                        \
    {                                                                           \
        return __atomic_fetch_add((T *)(void *)at, (T)value, __ATOMIC_RELAXED); \
    }
ADD_INTEGER(uint8_t, 8)
ADD_INTEGER(uint16_t, 16)
ADD_INTEGER(uint32_t, 32)
ADD_INTEGER(uint64_t, 64)

/* Programs with float atomics run on one thread. */
static uint64_t add_float(DType type, char *at, uint64_t value)
{
    uint64_t old = 0;
    if (type == DT_F32) {
        float a, b;
        memcpy(&a, at, sizeof a);
        memcpy(&b, &value, sizeof b);
        memcpy(&old, &a, sizeof a);
        a += b;
        memcpy(at, &a, sizeof a);
    } else {
        double a, b;
        memcpy(&a, at, sizeof a);
        memcpy(&b, &value, sizeof b);
        memcpy(&old, &a, sizeof a);
        a += b;
        memcpy(at, &a, sizeof a);
    }
    return old;
}

static bool add_each(void *context, const Run *r)
{
    const Transfer *x = context;
    const Insn *i = x->insn;
    size_t size = x->plan->size;
    if (r->table)
        return each_of_table(context, r, add_each);
    if (!touch(x, ACCESS_ATOMIC, r))
        return false;
    char *old_to = i->op->nresults ? slot_pointer(x->task, i->dst) : NULL;
    for (int64_t j = 0; j < r->n; j++) {
        char *at = x->data + (r->element + j * r->stride) * (int64_t)size;
        uint64_t value = 0, old;
        memcpy(&value, x->tile + (size_t)(r->out + j) * size, size);
        if (dtype_is_float(x->plan->dtype))
            old = add_float(x->plan->dtype, at, value);
        else
            old = (size == 1 ? add_8 : size == 2 ? add_16 : size == 4 ? add_32 : add_64)(at, value);
        if (old_to)
            memcpy(old_to + (size_t)(r->out + j) * size, &old, size);
    }
    return true;
}

static void run_atomic(Task *t, const Insn *i)
{
    const AccessPlan *p = i->plan;
    const View *v = slot_pointer(t, i->arg[0]);
    Walk w;
    Transfer x = {.task = t,
                  .insn = i,
                  .plan = p,
                  .memory = v->memory,
                  .data = v->memory ? v->memory->data : NULL,
                  .tile = slot_pointer(t, p->value)};
    if (!can_write(t, i, v))
        return;
    walk_begin(t, p, v, &w);
    if (i->op->nresults)
        fill_pad(p, slot_pointer(t, i->dst));
    walk_runs(&w, add_each, &x);
}

/* ---- planning ---- */

static void plan_axes(Preparer *p, const Op *op, AccessPlan *a)
{
    bool tiles = false;
    int tile_out = 0;
    a->rank = op->access->count;
    a->elements = 1;
    for (int i = 0, arg = 1; i < a->rank; i++) {
        IndexPlan *x = &a->axis[i];
        x->kind = op->access->axis[i].kind;
        x->out = -1;
        if (x->kind != AX_FULL) {
            x->dtype = op->args[arg]->type.dtype;
            x->slot = slot_of(p, op->args[arg]);
        }
        if (x->kind == AX_TILE && tiles) {
            x->out = tile_out;
        } else if (x->kind != AX_SCALAR) {
            x->out = a->nout++;
            a->out_extent[x->out] = x->kind == AX_TILE ? op->args[arg]->type.dims[0]
                                                       : op->access->axis[i].extent;
            a->elements *= a->out_extent[x->out];
        }
        if (x->kind == AX_TILE && !tiles) {
            tiles = true;
            tile_out = x->out;
            a->tile_length = a->out_extent[x->out];
        }
        arg += x->kind != AX_FULL;
    }
    a->scatters = tiles;
}

static void plan_tile(AccessPlan *a, const Type *t)
{
    int64_t run = 1;
    a->tile.rank = t->rank;
    for (int i = t->rank - 1; i >= 0; i--) {
        a->tile.axis[i] = (ViewAxis){.extent = t->dims[i], .stride = run, .divide = 1};
        run *= t->dims[i];
    }
}

/* Short, since every record of an access holds one; 0: one of too many. */
static int site_number(Machine *m, const Op *op)
{
    if (m->sites.count == UINT16_MAX)
        return 0;
    PUSH(&m->arena, &m->sites, op);
    return m->sites.count;
}

void emit_access(Preparer *p, const Op *op)
{
    AccessPlan *a = NEW(&p->m->arena, AccessPlan);
    plan_axes(p, op, a);
    a->dtype = op->args[0]->type.dtype;
    a->size = dtype_info[a->dtype].size;
    a->packed = a->dtype == DT_E2M1 && op->code != OP_EXTRACT;
    a->pad = op->bits;
    for (int i = 0; i < a->nout; i++)
        a->sort_room += a->out_extent[i];
    need_scratch(p, (size_t)(a->sort_room + a->tile_length) * sizeof(int64_t));
    if (op->code == OP_STORE || op->code == OP_ATOMIC_ADD)
        a->value = slot_of(p, op->args[op->nargs - 1]);
    if (op->code == OP_EXTRACT)
        plan_tile(a, &op->args[0]->type);
    Handler *run = op->code == OP_LOAD      ? run_load
                   : op->code == OP_EXTRACT ? run_extract
                   : op->code == OP_STORE   ? run_store
                                            : run_atomic;
    Insn *i = emit_plain(p, run, op);
    i->plan = a;
    i->aux = site_number(p->m, op);
    if (op->code == OP_ATOMIC_ADD)
        a->pad = 0;
}
