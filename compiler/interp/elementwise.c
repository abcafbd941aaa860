/* Elementwise operations over broadcast tiles: which rows to take from which arg. */
#include "compiler/interp/elementwise.h"

#include <stdlib.h>

#include "runtime/numerics/convert.h"

/* How the args' elements meet: an inner row of n elements, outer axes around it. A step or stride
 * of 0 stretches. The result is dense. Steps and strides are in bytes. */
typedef struct Spread {
    int nargs, outer;
    int64_t n;
    size_t size, out_size; /* of one element of the args (the last ones) and the result */
    size_t step[3];
    int64_t extent[MAX_RANK], stride[3][MAX_RANK];
    DType through; /* DT_NONE, or the type to decode from and encode to */
    bool encode;
    UnaryRow *unary;
    const BinaryRows *binary;
    TernaryRow *ternary;
} Spread;

enum { PIECE = 256 };

/* ---- planning ---- */

static size_t arg_size(const Op *op, int a)
{
    return dtype_info[op->args[a]->type.dtype].size;
}

/* Strides of arg `a` along the axes of the result. */
static void arg_strides(const Op *op, int a, int rank, int64_t *stride)
{
    const Type *t = &op->args[a]->type;
    int64_t run = (int64_t)arg_size(op, a);
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = t->rank == 0 || t->dims[i] == 1 ? 0 : run;
        run *= t->rank ? t->dims[i] : 1;
    }
}

static bool mergeable(const Spread *s, int axis, const int64_t (*stride)[MAX_RANK], int inner,
                      int64_t inner_extent)
{
    for (int a = 0; a < s->nargs; a++)
        if (stride[a][axis] != stride[a][inner] * inner_extent)
            return false;
    return true;
}

/* Neighbouring axes along which all args go on evenly become one. */
static Spread *plan_spread(Preparer *p, const Op *op)
{
    Spread *s = NEW(&p->m->arena, Spread);
    const Type *r = &op->results[0]->type;
    int64_t stride[3][MAX_RANK];
    int axes = 0;
    s->nargs = op->nargs;
    s->size = arg_size(op, op->nargs - 1);
    s->out_size = dtype_info[r->dtype].size;
    s->through = DT_NONE;
    for (int a = 0; a < op->nargs; a++)
        arg_strides(op, a, r->rank, stride[a]);
    for (int i = 0; i < r->rank; i++) {
        if (r->dims[i] == 1)
            continue;
        bool merged = false;
        if (axes) {
            int64_t last[3][MAX_RANK];
            memcpy(last, s->stride, sizeof last);
            for (int a = 0; a < s->nargs; a++)
                last[a][axes] = stride[a][i];
            merged = mergeable(s, axes - 1, (const int64_t(*)[MAX_RANK])last, axes, r->dims[i]);
        }
        int at = merged ? axes - 1 : axes++;
        s->extent[at] = merged ? s->extent[at] * r->dims[i] : r->dims[i];
        for (int a = 0; a < s->nargs; a++)
            s->stride[a][at] = stride[a][i];
    }
    s->outer = axes ? axes - 1 : 0;
    s->n = axes ? s->extent[axes - 1] : 1;
    for (int a = 0; a < s->nargs; a++)
        s->step[a] = axes ? (size_t)s->stride[a][axes - 1] : arg_size(op, a);
    if (type_elements(r) == 0)
        s->n = 0, s->outer = 0;
    return s;
}

/* ---- one row ---- */

static void binary_row(const Spread *s, void *d, const void *a, const void *b, int64_t n)
{
    if (s->step[0] && s->step[1])
        s->binary->rows(d, a, b, n);
    else if (s->step[0] || n == 1)
        s->binary->right_one(d, a, b, n);
    else
        s->binary->left_one(d, a, b, n);
}

static void repeat(char *to, const char *from, size_t size, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(to + (size_t)i * size, from, size);
}

/* Stretched args are written out piece by piece. */
static void ternary_row_of(const Spread *s, const size_t *size, char *d, const char *const *arg)
{
    char room[3][PIECE * 8];
    for (int64_t i = 0; i < s->n; i += PIECE) {
        int64_t n = s->n - i < PIECE ? s->n - i : PIECE;
        const char *x[3];
        for (int a = 0; a < 3; a++) {
            x[a] = s->step[a] ? arg[a] + (size_t)i * size[a] : room[a];
            if (!s->step[a] && i == 0)
                repeat(room[a], arg[a], size[a], n);
        }
        s->ternary(d + (size_t)i * s->out_size, x[0], x[1], x[2], n);
    }
}

void encode_f32(DType to, void *y, const float *x, size_t n)
{
    tile_convert(to, y, DT_F32, x, n, TILE_ROUND_NEAREST);
    for (size_t i = 0; to == DT_E5M2 && i < n; i++)
        if (tile_abs(x[i]) == tile_float(TILE_INF_BITS))
            ((uint8_t *)y)[i] = x[i] < 0 ? 0xFC : 0x7C;
}

/* Exact through f32: comparisons, min and max, tests of a storage type. */
static void through_f32(const Spread *s, char *d, const char *const *arg)
{
    float x[2][PIECE], y[PIECE];
    for (int64_t i = 0; i < s->n; i += PIECE) {
        int64_t n = s->n - i < PIECE ? s->n - i : PIECE;
        for (int a = 0; a < s->nargs; a++) {
            const char *from = arg[a] + (s->step[a] ? (size_t)i * s->size : 0);
            tile_convert(DT_F32, x[a], s->through, from, s->step[a] ? (size_t)n : 1,
                         TILE_ROUND_NEAREST);
        }
        char *to = d + (size_t)i * s->out_size;
        void *out = s->encode ? (void *)y : to;
        if (s->unary)
            s->unary(out, x[0], n);
        else
            binary_row(s, out, x[0], x[1], n);
        if (s->encode)
            encode_f32(s->through, to, y, (size_t)n);
    }
}

static void any_row(const Spread *s, const Op *op, char *d, const char *const *arg)
{
    if (s->through != DT_NONE) {
        through_f32(s, d, arg);
    } else if (s->ternary) {
        size_t size[3] = {arg_size(op, 0), s->size, s->size};
        ternary_row_of(s, size, d, arg);
    } else if (s->binary) {
        binary_row(s, d, arg[0], arg[1], s->n);
    } else {
        s->unary(d, arg[0], s->n);
    }
}

/* ---- instructions ---- */

static void run_spread(Task *t, const Insn *i)
{
    const Spread *s = i->plan;
    char *d = slot_pointer(t, i->dst);
    const char *arg[3];
    int64_t at[MAX_RANK] = {0};
    for (int a = 0; a < s->nargs; a++)
        arg[a] = slot_pointer(t, i->arg[a]);
    for (;;) {
        any_row(s, i->op, d, arg);
        d += (size_t)s->n * s->out_size;
        int k = s->outer - 1;
        for (; k >= 0; k--) {
            for (int a = 0; a < s->nargs; a++)
                arg[a] += s->stride[a][k];
            if (++at[k] < s->extent[k])
                break;
            for (int a = 0; a < s->nargs; a++)
                arg[a] -= s->stride[a][k] * s->extent[k];
            at[k] = 0;
        }
        if (k < 0)
            return;
    }
}

static void run_unary(Task *t, const Insn *i)
{
    i->fn.unary(slot_pointer(t, i->dst), slot_pointer(t, i->arg[0]), i->n);
}

static void run_binary(Task *t, const Insn *i)
{
    i->fn.binary(slot_pointer(t, i->dst), slot_pointer(t, i->arg[0]), slot_pointer(t, i->arg[1]),
                 i->n);
}

static void run_ternary(Task *t, const Insn *i)
{
    i->fn.ternary(slot_pointer(t, i->dst), slot_pointer(t, i->arg[0]), slot_pointer(t, i->arg[1]),
                  slot_pointer(t, i->arg[2]), i->n);
}

static void run_divide(Task *t, const Insn *i)
{
    const Type *b = &i->op->args[1]->type;
    const char *x = slot_pointer(t, i->arg[1]);
    size_t size = dtype_info[b->dtype].size;
    int64_t n = type_elements(b);
    for (int64_t k = 0; k < n; k++) {
        uint64_t bits = 0;
        memcpy(&bits, x + (size_t)k * size, size);
        if (!bits) {
            fault(t, i->op->pos,
                  i->op->code == OP_FDIV ? "division by zero" : "remainder of a division by zero");
            return;
        }
    }
    run_spread(t, i);
}

/* A dense result from dense or single args needs no plan. */
static void simplify(Insn *i, const Spread *s)
{
    i->n = s->n;
    if (s->outer || s->through != DT_NONE || i->op->code == OP_FDIV || i->op->code == OP_MOD)
        return;
    bool one = s->n == 1;
    if (s->unary) {
        i->run = run_unary;
        i->fn.unary = s->unary;
    } else if (s->binary) {
        i->run = run_binary;
        i->fn.binary = s->step[0] && s->step[1] ? s->binary->rows
                       : s->step[0] || one      ? s->binary->right_one
                                                : s->binary->left_one;
    } else if (s->ternary && (one || (s->step[0] && s->step[1] && s->step[2]))) {
        i->run = run_ternary;
        i->fn.ternary = s->ternary;
    }
}

void emit_elementwise(Preparer *p, const Op *op)
{
    Spread *s = plan_spread(p, op);
    DType t = op->args[op->nargs - 1]->type.dtype;
    for (int pass = 0; pass < 2; pass++) {
        if (op->nargs == 1)
            s->unary = unary_row(op->code, t);
        else if (op->nargs == 2)
            s->binary = binary_rows(op->code, t);
        else
            s->ternary = ternary_row(op->code, t);
        if (s->unary || s->binary || s->ternary)
            break;
        s->through = t;
        s->encode = op->results[0]->type.dtype != DT_BOOL;
        t = DT_F32;
    }
    if (!s->unary && !s->binary && !s->ternary) {
        prepare_error(p, op, "%s of %s cannot be interpreted", op_info[op->code].name,
                      dtype_info[op->args[0]->type.dtype].name);
        return;
    }
    bool divides = op->code == OP_FDIV || op->code == OP_MOD;
    Insn *i = emit_plain(p, divides ? run_divide : run_spread, op);
    i->plan = s;
    simplify(i, s);
}

/* ---- casts ---- */

static void run_cast(Task *t, const Insn *i)
{
    const Value *from = i->op->args[0], *to = i->op->results[0];
    tile_convert(to->type.dtype, slot_pointer(t, i->dst), from->type.dtype,
                 slot_pointer(t, i->arg[0]), (size_t)i->n, (TileRound)i->aux);
}

/* R6: a negative value has no ue8m0. */
static void run_cast_ue8m0(Task *t, const Insn *i)
{
    const Value *from = i->op->args[0];
    const char *x = slot_pointer(t, i->arg[0]);
    size_t size = dtype_info[from->type.dtype].size;
    float room[PIECE];
    for (int64_t k = 0; k < i->n; k += PIECE) {
        size_t n = (size_t)(i->n - k < PIECE ? i->n - k : PIECE);
        tile_convert(DT_F32, room, from->type.dtype, x + (size_t)k * size, n, TILE_ROUND_NEAREST);
        size_t bad = tile_find_ue8m0_refused(room, n);
        if (bad < n) {
            fault(t, i->op->pos, "negative value %g to ue8m0", (double)room[bad]);
            return;
        }
    }
    run_cast(t, i);
}

void emit_cast(Preparer *p, const Op *op)
{
    bool checked = op->results[0]->type.dtype == DT_UE8M0 && op->args[0]->type.dtype != DT_UE8M0 &&
                   op->args[0]->type.dtype != DT_BOOL;
    Insn *i = emit_plain(p, checked ? run_cast_ue8m0 : run_cast, op);
    i->aux = op->round == ROUND_ZERO ? TILE_ROUND_ZERO : TILE_ROUND_NEAREST;
}
