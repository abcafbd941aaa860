/* Elementwise operations: a table of C expressions by operation and element type. */
#include <string.h>

#include "compiler/cuda.h"

/* %1 %2 %3: the operands; %t: their element type's name. By the class of the first operand's
 * element type:
 * f: f32 (and tf32)   s: signed   u: unsigned   b: bool; 0: the operation has none. */
typedef struct Template {
    OpCode code;
    const char *f, *s, *u, *b;
} Template;

static const Template templates[] = {
    {OP_NEG, "-%1", "tile_neg_%t(%1)", "-%1", 0},
    {OP_ABS, "tile_abs(%1)", "tile_abs_%t(%1)", "%1", 0},
    {OP_LNOT, 0, 0, 0, "!%1"},
    {OP_BNOT, 0, "~%1", "~%1", 0},
    {OP_SQRT, "tile_sqrt(%1)", 0, 0, 0},
    {OP_RSQRT, "tile_rsqrt(%1)", 0, 0, 0},
    {OP_EXP, "tile_exp(%1)", 0, 0, 0},
    {OP_LOG, "tile_log(%1)", 0, 0, 0},
    {OP_SIGMOID, "tile_sigmoid(%1)", 0, 0, 0},
    {OP_SOFTPLUS, "tile_softplus(%1)", 0, 0, 0},
    {OP_TANH, "tile_tanh(%1)", 0, 0, 0},
    {OP_SIN, "tile_sin(%1)", 0, 0, 0},
    {OP_COS, "tile_cos(%1)", 0, 0, 0},
    {OP_FLOOR, "tile_floor(%1)", 0, 0, 0},
    {OP_CEIL_POW2, "tile_ceil_pow2(%1)", 0, 0, 0},
    {OP_ISFINITE, "tile_isfinite(%1)", "true", "true", 0},
    {OP_ISNAN, "tile_isnan(%1)", "false", "false", 0},
    {OP_ADD, "%1 + %2", "tile_add_%t(%1, %2)", "%1 + %2", 0},
    {OP_SUB, "%1 - %2", "tile_sub_%t(%1, %2)", "%1 - %2", 0},
    {OP_MUL, "%1 * %2", "tile_mul_%t(%1, %2)", "%1 * %2", 0},
    {OP_DIV, "%1 / %2", 0, 0, 0},
    {OP_FDIV, 0, "tile_fdiv_%t(%1, %2)", "tile_fdiv_%t(%1, %2)", 0},
    {OP_MOD, 0, "tile_mod_%t(%1, %2)", "tile_mod_%t(%1, %2)", 0},
    {OP_MIN, "tile_min_f32(%1, %2)", "tile_min_%t(%1, %2)", "tile_min_%t(%1, %2)", 0},
    {OP_MAX, "tile_max_f32(%1, %2)", "tile_max_%t(%1, %2)", "tile_max_%t(%1, %2)", 0},
    {OP_COPYSIGN, "tile_copysign(%1, %2)", 0, 0, 0},
    {OP_AND, 0, "%1 & %2", "%1 & %2", "%1 & %2"},
    {OP_OR, 0, "%1 | %2", "%1 | %2", "%1 | %2"},
    {OP_XOR, 0, "%1 ^ %2", "%1 ^ %2", "%1 ^ %2"},
    {OP_SHL, 0, "tile_shl_%t(%1, %2)", "tile_shl_%t(%1, %2)", 0},
    {OP_SHR, 0, "tile_shr_%t(%1, %2)", "tile_shr_%t(%1, %2)", 0},
    {OP_EQ, "%1 == %2", "%1 == %2", "%1 == %2", "%1 == %2"},
    {OP_NE, "%1 != %2", "%1 != %2", "%1 != %2", "%1 != %2"},
    {OP_LT, "%1 < %2", "%1 < %2", "%1 < %2", 0},
    {OP_LE, "%1 <= %2", "%1 <= %2", "%1 <= %2", 0},
    {OP_GT, "%1 > %2", "%1 > %2", "%1 > %2", 0},
    {OP_GE, "%1 >= %2", "%1 >= %2", "%1 >= %2", 0},
    {OP_FMA, "tile_fma(%1, %2, %3)", 0, 0, 0},
};

static const char *template_of(OpCode code, DType t)
{
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        const Template *row = &templates[i];
        if (row->code != code)
            continue;
        if (t == DT_F32 || t == DT_TF32)
            return row->f;
        if (t == DT_BOOL)
            return row->b;
        return dtype_is_signed(t) ? row->s : dtype_is_int(t) ? row->u : NULL;
    }
    return NULL;
}

static char *substitute(Cuda *c, const char *text, DType t, char *const *args)
{
    char *out = format_text(c, "%s", "");
    for (const char *p = text; *p;) {
        const char *percent = strchr(p, '%');
        if (!percent)
            return format_text(c, "%s%s", out, p);
        out = format_text(c, "%s%.*s%s", out, (int)(percent - p), p,
                          percent[1] == 't' ? dtype_info[t].name : args[percent[1] - '1']);
        p = percent + 2;
    }
    return out;
}

/* The function that converts between two element types; NULL: a C cast does it. */
static const char *cast_function(Cuda *c, const Op *op, DType from, DType to)
{
    const char *zero = op->round == ROUND_ZERO ? "_zero" : "";
    const char *a = dtype_info[from].name, *b = dtype_info[to].name;
    bool narrow_from = dtype_info[from].kind == 's' && from != DT_TF32;
    bool narrow_to = dtype_info[to].kind == 's';
    if (from == DT_F32 && (narrow_to || dtype_is_int(to) || to == DT_BOOL))
        return format_text(c, "tile_f32_to_%s%s", b, zero);
    if (narrow_from && to == DT_F32)
        return format_text(c, "tile_%s_to_f32", a);
    return NULL;
}

static char *cast_text(Cuda *c, const Op *op, char *x)
{
    DType from = op->args[0]->type.dtype, to = op->results[0]->type.dtype;
    const char *f = cast_function(c, op, from, to);
    bool narrow_from = dtype_info[from].kind == 's' && from != DT_TF32;
    if (f)
        return format_text(c, "%s(%s)", f, x);
    if (narrow_from && to == DT_TF32)
        return format_text(c, "tile_%s_to_f32(%s)", dtype_info[from].name, x);
    if (narrow_from)
        return format_text(c, "tile_f32_to_%s(tile_%s_to_f32(%s))", dtype_info[to].name,
                           dtype_info[from].name, x);
    if (to == DT_BOOL)
        return format_text(c, "%s != 0", x);
    return format_text(c, "(%s)%s", c_type(to), x);
}

static char *bits_text(Cuda *c, const Op *op, char *x)
{
    DType from = op->args[0]->type.dtype, to = op->results[0]->type.dtype;
    if (from == DT_F32 || from == DT_TF32)
        return format_text(c, "tile_bits(%s)", x);
    if (to == DT_F32 || to == DT_TF32)
        return format_text(c, "tile_float(%s)", x);
    return format_text(c, "(%s)%s", c_type(to), x);
}

/* Compares, min, max, abs and neg of storage floats go by their values. */
static char *storage_text(Cuda *c, const Op *op, char **args)
{
    DType t = op->args[0]->type.dtype;
    const char *text = template_of(op->code, DT_F32);
    for (int i = 0; i < op->nargs && t != DT_TF32; i++)
        args[i] = format_text(c, "tile_%s_to_f32(%s)", dtype_info[t].name, args[i]);
    if (!text)
        return NULL;
    char *value = substitute(c, text, DT_F32, args);
    return op->results[0]->type.dtype == DT_BOOL
               ? value
               : format_text(c, "tile_exact_%s(%s)", dtype_info[t].name, value);
}

static char *elementwise_text(Cuda *c, const Op *op, char **args)
{
    DType t = op->args[0]->type.dtype;
    if (op->code == OP_CAST)
        return cast_text(c, op, args[0]);
    if (op->code == OP_BITS)
        return bits_text(c, op, args[0]);
    if (op->code == OP_SELECT)
        return format_text(c, "%s ? %s : %s", args[0], args[1], args[2]);
    if (op->code == OP_BROADCAST)
        return args[0];
    const char *text = template_of(op->code, t);
    char *value = dtype_info[t].kind == 's' ? storage_text(c, op, args)
                  : text                    ? substitute(c, text, t, args)
                                            : NULL;
    if (!value)
        cuda_fail(c, op, "%s of %s", op_info[op->code].name, dtype_info[t].name);
    return value;
}

/* Casts that the GPU does two at a time. */
static bool in_pairs(Cuda *c, const Op *op)
{
    DType to = op->results[0]->type.dtype;
    return op->code == OP_CAST && op->round == ROUND_NEAREST && op->args[0]->type.dtype == DT_F32 &&
           registers(c, op->results[0]) % 2 == 0 &&
           (to == DT_E4M3 || to == DT_E5M2 || to == DT_BF16 || to == DT_F16);
}

static bool emit_elementwise(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    bool uniform = is_uniform(r);
    const Layout *l = uniform ? NULL : layout_of(c, r);
    char *args[3] = {0};
    const char *pair_name = NULL;
    for (int i = 0; i < op->nargs; i++) {
        const char *name = uniform ? c_name(c, op->args[i]) : fitted(c, op->args[i], l);
        if (!name)
            return false;
        args[i] = uniform ? (char *)name : element(c, op->args[i], name, &r->type, l, "r");
        pair_name = name;
    }
    char *text = elementwise_text(c, op, args);
    if (!text)
        return false;
    if (uniform) {
        line(c, "const %s %s = %s;", c_type(r->type.dtype), c_name(c, r), text);
        return true;
    }
    declare(c, r);
    if (in_pairs(c, op))
        line(c, "TILE_STEP(r, %lld, 2) tile_f32_to_%s_pair(&%s[r], %s, %s);",
             (long long)registers(c, r), dtype_info[r->type.dtype].name, c_name(c, r), args[0],
             element(c, op->args[0], pair_name, &r->type, l, "(r + 1)"));
    else
        line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)registers(c, r), c_name(c, r), text);
    return true;
}

/* The same elements under another layout name: registers keep their order. */
static bool emit_rename(Cuda *c, const Op *op, bool same)
{
    const Value *r = op->results[0], *a = op->args[0];
    if (is_uniform(r) || same) {
        c->name[r->id] = c_name(c, a);
        return true;
    }
    return false;
}

static bool emit_reshape(Cuda *c, const Op *op)
{
    const Value *r = op->results[0], *a = op->args[0];
    Layout l;
    bool same = !is_uniform(r) && !is_uniform(a) &&
                layout_reshape(layout_of(c, a), &a->type, &r->type, &l) &&
                layout_equal(&l, layout_of(c, r));
    if (emit_rename(c, op, same))
        return true;
    if (!layout_reshape(layout_of(c, r), &r->type, &a->type, &l))
        return cuda_fail(c, op, "this reshape between layouts");
    const char *name = fitted(c, a, &l);
    c->name[r->id] = name;
    return name != NULL;
}

static bool emit_trans(Cuda *c, const Op *op)
{
    const Value *r = op->results[0], *a = op->args[0];
    if (is_uniform(r))
        return emit_rename(c, op, true);
    Layout l = layout_trans(layout_of(c, r), r->type.rank);
    c->name[r->id] = fitted(c, a, &l);
    return c->name[r->id] != NULL;
}

static bool emit_iota(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    if (is_uniform(r)) {
        line(c, "const int64_t %s = 0;", c_name(c, r));
        return true;
    }
    declare(c, r);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)registers(c, r), c_name(c, r),
         coordinate(c, layout_of(c, r), 0, "r"));
    return true;
}

/* ---- control ---- */

static void assign(Cuda *c, const Value *to, const Value *from)
{
    if (is_uniform(to)) {
        line(c, "%s = %s;", c_name(c, to), c_name(c, from));
        return;
    }
    const Layout *l = layout_of(c, to);
    const char *name = fitted(c, from, l);
    if (name && strcmp(name, c_name(c, to)))
        line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)registers(c, to), c_name(c, to),
             element(c, from, name, &to->type, l, "r"));
}

static void declare_var(Cuda *c, const Value *v)
{
    if (is_uniform(v))
        line(c, "%s %s;", c_type(v->type.dtype), c_name(c, v));
    else
        declare(c, v);
}

/* A variable that an earlier one of these assignments overwrites is read from a copy. */
static void assign_all(Cuda *c, Value *const *to, Value *const *from, int n)
{
    const char **kept = NEW_ARRAY(c->arena, const char *, n);
    for (int k = 1; k < n; k++) {
        const Value *v = from[k];
        bool lost = false;
        for (int j = 0; j < k; j++)
            lost |= strcmp(c_name(c, v), c_name(c, to[j])) == 0;
        if (!lost)
            continue;
        kept[k] = c->name[v->id];
        const char *copy = new_temp(c, "old");
        int64_t regs = is_uniform(v) ? 0 : registers(c, v);
        if (regs) {
            line(c, "%s %s[%lld];", c_type(v->type.dtype), copy, (long long)regs);
            line(c, "TILE_EACH(r, %lld) %s[r] = %s[r];", (long long)regs, copy, kept[k]);
        } else {
            line(c, "const %s %s = %s;", c_type(v->type.dtype), copy, kept[k]);
        }
        c->name[v->id] = copy;
    }
    for (int k = 0; k < n; k++)
        assign(c, to[k], from[k]);
    for (int k = 1; k < n; k++)
        if (kept[k])
            c->name[from[k]->id] = kept[k];
}

/* Ends a region: what it yields goes to the op's results. */
static void give_yield(Cuda *c, const Region *r, Value *const *to, int n)
{
    if (!r->last || r->last->code != OP_YIELD)
        return;
    assign_all(c, to, r->last->args, n);
}

static bool emit_if(Cuda *c, const Op *op)
{
    for (int k = 0; k < op->nresults; k++)
        declare_var(c, op->results[k]);
    const Touched before = c->touched;
    open_block(c, "if (%s)", c_name(c, op->args[0]));
    emit_region_ops(c, op->regions[0]);
    give_yield(c, op->regions[0], op->results, op->nresults);
    close_block(c);
    const Touched after = c->touched;
    const Region *other = op->regions[1];
    c->touched = before;
    if ((other->first && other->first->code != OP_YIELD) || op->nresults) {
        open_block(c, "else");
        emit_region_ops(c, other);
        give_yield(c, other, op->results, op->nresults);
        close_block(c);
    }
    join_touched(c, &after);
    return !c->failed;
}

/* Carried values live in the results' variables, which the region's args name too. */
static bool emit_for(Cuda *c, const Op *op)
{
    const Region *body = op->regions[0];
    for (int k = 0; k < op->nresults; k++) {
        declare_var(c, op->results[k]);
        assign(c, op->results[k], op->args[3 + k]);
        c->name[body->args[1 + k]->id] = c_name(c, op->results[k]);
    }
    const char *i = c_name(c, body->args[0]);
    const Touched before = c->touched;
    touch_loop(c, op);
    if (unrolled_rounds(op))
        line(c, "TILE_UNROLL");
    open_block(c, "for (int64_t %s = %s; %s < %s; %s += %s)", i, c_name(c, op->args[0]), i,
               c_name(c, op->args[1]), i, c_name(c, op->args[2]));
    emit_region_ops(c, body);
    give_yield(c, body, op->results, op->nresults);
    close_block(c);
    join_touched(c, &before);
    return !c->failed;
}

/* The innermost loop is C's own; a program ends by return, it is the kernel's whole body. */
static bool emit_continue(Cuda *c, const Op *op)
{
    const Op *loop = op->parent->parent;
    while (loop->code != OP_FOR && loop->code != OP_PAR)
        loop = loop->parent->parent;
    if (loop->code == OP_PAR) {
        line(c, c->ragged ? "continue;" : "return;");
        return true;
    }
    assign_all(c, loop->results, op->args, loop->nresults);
    line(c, "continue;");
    return true;
}

bool emit_operation(Cuda *c, const Op *op)
{
    const char *flags = op_info[op->code].flags;
    switch (op->code) {
    case OP_CONST:
    case OP_BIND:
    case OP_YIELD:
        return true;
    case OP_CONTINUE:
        return emit_continue(c, op);
    case OP_LOAD:
        return emit_load(c, op);
    case OP_STORE:
        return emit_store(c, op);
    case OP_ATOMIC_ADD:
        return emit_atomic(c, op);
    case OP_RESHAPE:
        return emit_reshape(c, op);
    case OP_TRANS:
        return emit_trans(c, op);
    case OP_IOTA:
        return emit_iota(c, op);
    case OP_CONCAT:
        return cuda_concat(c, op);
    case OP_EXTRACT:
        return cuda_extract(c, op);
    case OP_GRID_SYNC:
        line(c, "tile_grid_sync(grid_barrier);");
        forget_touched(c);
        return true;
    case OP_ASSERT:
    case OP_ASSUME:
    case OP_PRINT:
        return true; /* of check builds (R20) */
    case OP_IF:
        return emit_if(c, op);
    case OP_FOR:
        return emit_for(c, op);
    case OP_SUM:
    case OP_AMAX:
    case OP_AMIN:
    case OP_ANY:
    case OP_ALL:
        return emit_reduction(c, op);
    case OP_TOPK:
    case OP_RANK:
    case OP_ARGMAX:
    case OP_CUMSUM:
    case OP_CUMMAX:
    case OP_SOFTMAX:
    case OP_HISTOGRAM:
    case OP_OCCURRENCE:
        return emit_axis_op(c, op);
    case OP_VIEW_SLICE:
    case OP_VIEW_RESHAPE:
    case OP_VIEW_TRANS:
    case OP_VIEW_UPSAMPLE:
    case OP_TABLE:
    case OP_LOCAL:
    case OP_EXTENT:
        return emit_view_op(c, op);
    default:
        if (strchr(flags, 'E') || op->code == OP_BROADCAST)
            return emit_elementwise(c, op);
        return cuda_fail(c, op, "%s", op_info[op->code].name);
    }
}
