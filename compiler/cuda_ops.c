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
    {OP_NEG, "-%1", "tile_neg_%t(%1)", "tile_neg_%t(%1)", 0},
    {OP_ABS, "tile_abs(%1)", "tile_abs_%t(%1)", "%1", 0},
    {OP_LNOT, 0, 0, 0, "!%1"},
    {OP_BNOT, 0, "~%1", "(%c)~(%c)%1", 0},
    {OP_CLZ, 0, "tile_clz_%t(%1)", "tile_clz_%t(%1)", 0},
    {OP_POPC, 0, "tile_popc_%t(%1)", "tile_popc_%t(%1)", 0},
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
    {OP_ADD, "%1 + %2", "tile_add_%t(%1, %2)", "tile_add_%t(%1, %2)", 0},
    {OP_SUB, "%1 - %2", "tile_sub_%t(%1, %2)", "tile_sub_%t(%1, %2)", 0},
    {OP_MUL, "%1 * %2", "tile_mul_%t(%1, %2)", "tile_mul_%t(%1, %2)", 0},
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
                          percent[1] == 't'   ? dtype_info[t].name
                          : percent[1] == 'c' ? c_type(t)
                                              : args[percent[1] - '1']);
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
    return format_text(c, "(%s)%s", c_type(held(c, op->results[0])), x);
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

/* ---- divisions ---- */

static bool is_never_negative(const Cuda *c, const Value *v)
{
    return c->ranges.of[v->id].lo >= 0;
}

/* // and % without tests of signs; by a number that the host knows, without a division. */
static char *division_text(Cuda *c, const Op *op, char **args)
{
    const Value *n = op->args[0], *d = op->args[1];
    int64_t k;
    bool constant = value_int(d, &k), quotient = op->code == OP_FDIV;
    DType t = n->type.dtype;
    if (is_never_negative(c, n) && (constant ? k > 0 : c->ranges.of[d->id].lo > 0))
        return format_text(c, "%s %c %s", args[0], quotient ? '/' : '%', args[1]);
    int node = constant || !dtype_is_signed(t) ? -1 : host_value(c->host, d);
    if (node < 0)
        return NULL;
    const char *divisor = host_divisor(c->host, node, "divisor");
    IntRange r = c->ranges.of[n->id];
    if (dtype_info[t].bits == 64 && (r.lo < -((int64_t)1 << 61) || r.hi >= (int64_t)1 << 61))
        return NULL;
    DType to = held(c, op->results[0]);
    IntRange by = c->ranges.of[d->id];
    bool small = r.lo >= INT32_MIN && r.hi <= INT32_MAX && by.lo >= INT32_MIN && by.hi <= INT32_MAX;
    const char *cast = to == (small ? DT_I32 : DT_I64) ? "" : format_text(c, "(%s)", c_type(to));
    return format_text(c, "%stile_%s_%s(%s, %s)", cast, quotient ? "divide" : "modulo",
                       small ? "i32" : "i64", args[0], divisor);
}

static bool is_one(const Value *v)
{
    return v->op && v->op->code == OP_CONST && v->type.dtype == DT_F32 && v->op->bits == 0x3F800000;
}

/* The type in which an operation computes: i64 only where a value needs it. */
static DType working_type(Cuda *c, const Op *op)
{
    DType t = op->args[0]->type.dtype;
    if (t != DT_I64 || op->code == OP_CLZ || op->code == OP_POPC)
        return t;
    const Value *r = op->results[0];
    DType all = r->type.dtype == DT_I64 ? held(c, r) : DT_I32;
    for (int i = 0; i < op->nargs; i++) {
        DType one = op->args[i]->type.dtype == DT_I64 ? held(c, op->args[i]) : DT_I32;
        all = all == DT_I64 || one == DT_I64 ? DT_I64 : all == DT_INDEX ? DT_INDEX : one;
    }
    return all;
}

static char *elementwise_text(Cuda *c, const Op *op, char **args)
{
    DType t = working_type(c, op);
    if (op->code == OP_CAST)
        return cast_text(c, op, args[0]);
    if (op->code == OP_BITS)
        return bits_text(c, op, args[0]);
    if (op->code == OP_SELECT)
        return format_text(c, "%s ? %s : %s", args[0], args[1], args[2]);
    if (op->code == OP_BROADCAST)
        return args[0];
    if (op->code == OP_DIV && is_one(op->args[0]) && op->args[1]->op &&
        op->args[1]->op->code == OP_CEIL_POW2)
        return format_text(c, "tile_rcp_pow2(%s)", args[1]);
    if (op->code == OP_SIGMOID && takes_number(c, op))
        return format_text(c, "tile_sigmoid_number(%s)", args[0]);
    if (op->code == OP_FDIV || op->code == OP_MOD) {
        char *divided = division_text(c, op, args);
        if (divided)
            return divided;
    }
    const char *text = template_of(op->code, t);
    char *value = dtype_info[t].kind == 's' ? storage_text(c, op, args)
                  : text                    ? substitute(c, text, t, args)
                                            : NULL;
    if (!value)
        cuda_fail(c, op, "%s of %s", op_info[op->code].name, dtype_info[t].name);
    bool plain = op->code == OP_ADD || op->code == OP_SUB || op->code == OP_MUL ||
                 op->code == OP_DIV;
    bool shown = plain && t == DT_F32 && c->nan[op->results[0]->id];
    return shown && value ? format_text(c, "tile_result(%s)", value) : value;
}

/* ---- elementwise statements ---- */

/* Casts that the GPU does two at a time. */
static const char *pair_cast(const Op *op)
{
    DType to = op->results[0]->type.dtype;
    if (op->code != OP_CAST || op->args[0]->type.dtype != DT_F32)
        return NULL;
    if (op->round == ROUND_ZERO)
        return to == DT_BF16 || to == DT_F16 ? "u16" : NULL;
    return to == DT_E4M3 || to == DT_E5M2 ? "u8" : to == DT_BF16 || to == DT_F16 ? "u16" : NULL;
}

static bool is_elementwise(const Op *op)
{
    return op && (strchr(op_info[op->code].flags, 'E') || op->code == OP_BROADCAST);
}

/* Where element r of an operand is: in its array, or the expression that computes it. */
char *operand_text(Cuda *c, const Value *arg, const Layout *l, const char *reg)
{
    const Op *op = c->deferred[arg->id];
    if (!op) {
        const char *name = l ? fitted(c, arg, l) : c_name(c, arg);
        return l ? element(c, arg, name, l, reg) : format_text(c, "%s", name);
    }
    char *args[3] = {0};
    for (int i = 0; i < op->nargs; i++)
        args[i] = operand_text(c, op->args[i], l, reg);
    return format_text(c, "(%s)", elementwise_text(c, op, args));
}

static bool is_reduction(const Op *op)
{
    return op->code == OP_SUM_PART ||
           ((op->code == OP_SUM || op->code == OP_AMAX || op->code == OP_AMIN ||
             op->code == OP_ANY || op->code == OP_ALL) &&
            op->order == ORDER_DEFAULT);
}

/* A division is a statement of its own: its text names the operands more than once. */
static bool is_long(const Op *op)
{
    return op->code == OP_FDIV || op->code == OP_MOD || op->code == OP_DIV;
}

/* Does the user take the element where it is? */
static bool fits_user(Cuda *c, const Op *op, const Op *user)
{
    const Value *v = op->results[0];
    if (is_reduction(user))
        return user->args[0] == v && layout_equal(layout_of(c, v), summed_layout(c->low, user));
    if (narrow_store(c, user) == op)
        return true;
    if (!is_elementwise(user) || is_long(user) || pair_cast(op))
        return false;
    const Value *r = user->results[0];
    return !is_uniform(r) && r->type.rank == v->type.rank &&
           type_elements(&r->type) == type_elements(&v->type) &&
           layout_equal(layout_of(c, v), layout_of(c, r)) &&
           (user->code != OP_CAST || dtype_info[user->args[0]->type.dtype].kind != 's');
}

/* A value without a name whose only use is the next operation of its shape is written there. */
static bool can_defer(Cuda *c, const Op *op)
{
    const Value *v = op->results[0];
    const Op *user = c->user[v->id];
    if (op->code == OP_MUL && user && (user->code == OP_SUM || user->code == OP_SUM_PART) &&
        user->plan && user->plan->fused)
        return true;
    return c->uses[v->id] == 1 && user->parent == op->parent && !is_uniform(v) && !v->name &&
           !is_long(op) && op->code != OP_BROADCAST && fits_user(c, op, user);
}

enum { LONGEST_DEFERRED = 160 };

static bool emit_elementwise(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    const Layout *l = is_uniform(r) ? NULL : layout_of(c, r);
    const char *pair = pair_cast(op);
    char *args[3] = {0};
    if (emit_packed_product(c, op))
        return true;
    for (int i = 0; i < op->nargs; i++)
        args[i] = operand_text(c, op->args[i], l, "r");
    if (c->failed)
        return false;
    char *text = elementwise_text(c, op, args);
    if (!text)
        return false;
    if (!l) {
        line(c, "const %s %s = %s;", c_type(held(c, r)), c_name(c, r), text);
        return true;
    }
    if (can_defer(c, op) && (strlen(text) < LONGEST_DEFERRED || narrow_store(c, c->user[r->id]))) {
        c->deferred[r->id] = op;
        return true;
    }
    declare(c, r);
    long long n = registers(c, r);
    if (op->code == OP_DIV && r->type.dtype == DT_F32 && n >= FEW_QUOTIENTS)
        return emit_quotients(c, op, args, text);
    if (pair && n % 2 == 0)
        line(c, "TILE_STEP(r, %lld, 2) tile_split_%s(&%s[r], tile_f32_to_%s%s_pair(%s, %s));", n,
             pair, c_name(c, r), dtype_info[r->type.dtype].name,
             op->round == ROUND_ZERO ? "_zero" : "", args[0],
             operand_text(c, op->args[0], l, "(r + 1)"));
    else
        line(c, "TILE_EACH(r, %lld) %s[r] = %s;", n, c_name(c, r), text);
    return true;
}

/* ---- the same elements under another shape ---- */

/* A constant has no registers of its own to give. */
static bool emit_filled(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    declare(c, r);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)registers(c, r), c_name(c, r),
         c_name(c, op->args[0]));
    return true;
}

static bool emit_reshape(Cuda *c, const Op *op)
{
    const Value *r = op->results[0], *a = op->args[0];
    Layout l;
    if (is_uniform(r)) {
        c->name[r->id] = c_name(c, a);
        return true;
    }
    if (is_uniform(a))
        return emit_filled(c, op);
    if (layout_reshape(layout_of(c, a), &a->type, &r->type, &l)) {
        /* Whatever it was assigned: who needs another layout converts. */
        c->low->layout[r->id] = l;
        c->name[r->id] = c_name(c, a);
        return true;
    }
    if (!layout_reshape(layout_of(c, r), &r->type, &a->type, &l))
        return cuda_fail(c, op, "this reshape between layouts");
    c->name[r->id] = fitted(c, a, &l);
    return c->name[r->id] != NULL;
}

static bool emit_trans(Cuda *c, const Op *op)
{
    const Value *r = op->results[0], *a = op->args[0];
    if (!is_uniform(r) && is_uniform(a))
        return emit_filled(c, op);
    c->name[r->id] = c_name(c, a);
    if (!is_uniform(r))
        c->low->layout[r->id] = layout_trans(layout_of(c, a), r->type.rank);
    return true;
}

static bool emit_iota(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    if (is_uniform(r)) {
        line(c, "const %s %s = 0;", c_type(held(c, r)), c_name(c, r));
        return true;
    }
    declare(c, r);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)registers(c, r), c_name(c, r),
         coordinate(c, layout_of(c, r), 0, "r"));
    return true;
}

static bool emit_grid_sync(Cuda *c)
{
    const char *word = host_scratch(c->host, host_constant(c->host, 0), "uint32_t *",
                                    "grid_barrier");
    line(c, "tile_grid_sync(%s);", word)->kind = STATEMENT_MEET;
    return true;
}

/* What the operation reads, in its regions too, is fetched first. */
static void finish_operands(Cuda *c, const Op *op)
{
    for (int i = 0; i < op->nargs; i++)
        finish_reduction(c, op->args[i]);
    for (int i = 0; i < op->nregions; i++)
        for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
            finish_operands(c, inner);
}

bool emit_operation(Cuda *c, const Op *op)
{
    finish_operands(c, op);
    switch (op->code) {
    case OP_CONST:
    case OP_BIND:
    case OP_YIELD:
    case OP_ASSERT:
    case OP_ASSUME:
    case OP_PRINT:
        return true; /* the last three are of check builds (R20) */
    case OP_COPIES:
        return emit_box_waits(c, op) || emit_copies(c, op);
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
    case OP_EXCHANGE:
        return cuda_exchange(c, op);
    case OP_GRID_SYNC:
        return emit_grid_sync(c);
    case OP_IF:
    case OP_FOR:
    case OP_CONTINUE:
        return emit_control(c, op);
    case OP_PIPE:
        return true; /* begin_pipes */
    case OP_ROLES:
        return cuda_roles(c, op);
    case OP_PUT:
        return cuda_put(c, op);
    case OP_GET:
        return cuda_get(c, op);
    case OP_SUM:
    case OP_SUM_PART:
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
        if (is_elementwise(op))
            return emit_elementwise(c, op);
        return cuda_fail(c, op, "%s", op_info[op->code].name);
    }
}
