#include "compiler/ir.h"

#include <string.h>

const OpInfo op_info[OP_COUNT] = {
#define OP(e, name, args, results, flags) {name, args, results, flags},
    TILE_OPS(OP)
#undef OP
};

const char *const order_name[] = {"default", "seq", "tree"};
const char *const owner_name[OWNERS] = {"reg", "lane", "warp"};
const char *const round_name[] = {"nearest", "zero"};
const char *const format_name[] = {"row", "col_pad16", "ue8m0x4"};
const char *const dir_name[] = {"in", "out", "inout", "scratch"};

static Value *value_new(Kernel *k, const Type *type, int index)
{
    Value *v = NEW(k->arena, Value);
    v->type = *type;
    v->index = index;
    v->id = k->next_id++;
    return v;
}

Kernel *kernel_new(Arena *arena, const char *name, Pos pos)
{
    Kernel *k = NEW(arena, Kernel);
    k->arena = arena;
    k->name = name;
    k->pos = pos;
    k->variant = "";
    k->body = region_new(k, NULL, 0, NULL);
    return k;
}

Region *region_new(Kernel *k, Op *parent, int nargs, const Type *types)
{
    Region *r = NEW(k->arena, Region);
    r->parent = parent;
    r->nargs = nargs;
    r->args = NEW_ARRAY(k->arena, Value *, nargs);
    for (int i = 0; i < nargs; i++) {
        r->args[i] = value_new(k, &types[i], i);
        r->args[i]->region = r;
    }
    return r;
}

Op *op_new(Kernel *k, OpCode code, Pos pos, int nargs, Value *const *args, int nresults,
           const Type *types)
{
    Op *op = NEW(k->arena, Op);
    op->code = code;
    op->pos = pos;
    op->nargs = nargs;
    op->args = NEW_ARRAY(k->arena, Value *, nargs);
    if (nargs)
        memcpy(op->args, args, (size_t)nargs * sizeof *args);
    op->nresults = nresults;
    op->results = NEW_ARRAY(k->arena, Value *, nresults);
    for (int i = 0; i < nresults; i++) {
        op->results[i] = value_new(k, &types[i], i);
        op->results[i]->op = op;
    }
    return op;
}

void region_append(Region *r, Op *op)
{
    op->parent = r;
    op->prev = r->last;
    op->next = NULL;
    if (r->last)
        r->last->next = op;
    else
        r->first = op;
    r->last = op;
}

void op_insert_before(Op *at, Op *op)
{
    op->parent = at->parent;
    op->prev = at->prev;
    op->next = at;
    if (at->prev)
        at->prev->next = op;
    else
        at->parent->first = op;
    at->prev = op;
}

void op_remove(Op *op)
{
    if (op->prev)
        op->prev->next = op->next;
    else
        op->parent->first = op->next;
    if (op->next)
        op->next->prev = op->prev;
    else
        op->parent->last = op->prev;
    op->prev = op->next = NULL;
    op->parent = NULL;
}

void replace_uses(Region *r, const Value *old, Value *by)
{
    for (Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nargs; i++)
            if (op->args[i] == old)
                op->args[i] = by;
        for (int i = 0; i < op->nregions; i++)
            replace_uses(op->regions[i], old, by);
    }
}

void op_add_region(Kernel *k, Op *op, Region *r)
{
    size_t old = (size_t)op->nregions * sizeof(Region *);
    op->regions = arena_grow(k->arena, op->regions, old, old + sizeof(Region *));
    op->regions[op->nregions++] = r;
    r->parent = op;
}

Type tile_type(DType dtype, int rank, const int64_t *dims)
{
    Type t = {.kind = TY_TILE, .dtype = dtype, .rank = rank};
    for (int i = 0; i < rank; i++)
        t.dims[i] = dims[i];
    return t;
}

Type scalar_type(DType dtype)
{
    return tile_type(dtype, 0, NULL);
}

bool type_equal(const Type *a, const Type *b)
{
    if (a->kind != b->kind || a->rank != b->rank)
        return false;
    if (a->kind != TY_PIPE && a->dtype != b->dtype)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

int64_t type_elements(const Type *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->dims[i];
    return n;
}

char *type_text(Arena *arena, const Type *t)
{
    static const char *const kind_text[] = {"", "tensor ", "table ", "pipe"};
    if (t->kind == TY_PIPE)
        return arena_text(arena, "pipe", 4);
    char dims[MAX_RANK * 24 + 3] = "";
    size_t n = 0;
    for (int i = 0; i < t->rank; i++) {
        const char *comma = i ? ", " : "[";
        if (t->dims[i] < 0)
            n += (size_t)snprintf(dims + n, sizeof dims - n, "%s?", comma);
        else
            n += (size_t)snprintf(dims + n, sizeof dims - n, "%s%lld", comma,
                                  (long long)t->dims[i]);
    }
    /* A tensor of rank 0 would read as its element type alone, which is a scalar. */
    if (t->rank)
        snprintf(dims + n, sizeof dims - n, "]");
    return arena_format(arena, "%s%s%s", kind_text[t->kind], dtype_info[t->dtype].name, dims);
}

int64_t bits_to_int(DType t, uint64_t bits)
{
    unsigned width = dtype_info[t].bits;
    if (width == 64)
        return (int64_t)bits;
    uint64_t mask = ((uint64_t)1 << width) - 1, sign = (uint64_t)1 << (width - 1);
    bits &= mask;
    if (dtype_is_signed(t) && (bits & sign))
        bits |= ~mask;
    return (int64_t)bits;
}

bool value_int(const Value *v, int64_t *out)
{
    if (!v->op || v->op->code != OP_CONST || v->type.rank || !dtype_is_int(v->type.dtype))
        return false;
    *out = bits_to_int(v->type.dtype, v->op->bits);
    return true;
}

const Region *value_region(const Value *v)
{
    return v->op ? v->op->parent : v->region;
}

static const Region *above(const Region *r)
{
    return r->parent ? r->parent->parent : NULL;
}

bool is_below_region(const Region *r, const Region *of)
{
    while (r && r != of)
        r = above(r);
    return r;
}

bool is_below_op(const Region *r, const Op *op)
{
    while (r && r->parent != op)
        r = above(r);
    return r;
}

bool region_has(const Region *r, OpCode code)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == code)
            return true;
        for (int i = 0; i < op->nregions; i++)
            if (region_has(op->regions[i], code))
                return true;
    }
    return false;
}

bool region_syncs(const Region *r)
{
    return region_has(r, OP_GRID_SYNC) || region_has(r, OP_EXCHANGE);
}

int count_uses(const Region *r, const Value *v)
{
    int n = 0;
    for (const Op *op = r ? r->first : NULL; op; op = op->next) {
        for (int i = 0; i < op->nargs; i++)
            n += op->args[i] == v && op->code != OP_BIND;
        for (int i = 0; i < op->nregions; i++)
            n += count_uses(op->regions[i], v);
    }
    return n;
}

int access_args(const Access *a)
{
    int n = 0;
    for (int i = 0; i < a->count; i++)
        n += a->axis[i].kind != AX_FULL;
    return n;
}

Type access_type(DType dtype, const Access *a, Value *const *index_args)
{
    Type t = {.kind = TY_TILE, .dtype = dtype};
    bool tiles = false;
    for (int i = 0, arg = 0; i < a->count; i++) {
        AxisKind kind = a->axis[i].kind;
        if (kind == AX_SLICE || kind == AX_FULL)
            t.dims[t.rank++] = a->axis[i].extent;
        else if (kind == AX_TILE && !tiles)
            t.dims[t.rank++] = index_args[arg]->type.dims[0];
        tiles = tiles || kind == AX_TILE;
        arg += kind != AX_FULL;
    }
    return t;
}

bool region_continues(const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_CONTINUE)
            return true;
        for (int i = 0; op->code != OP_FOR && op->code != OP_SHARE && i < op->nregions; i++)
            if (region_continues(op->regions[i]))
                return true;
    }
    return false;
}
