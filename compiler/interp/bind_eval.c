#include <math.h>
#include <string.h>

#include "compiler/interp/bind.h"

enum { DEEPEST_TEXT = 10, SEARCH_STEPS = 2000 };

static FormSlot *slot_of(const Binder *b, const Value *v)
{
    size_t i = (size_t)((uintptr_t)v / sizeof(Value)) * 2654435761u % b->slot_count;
    while (b->slots[i].value && b->slots[i].value != v)
        i = (i + 1) % b->slot_count;
    return &b->slots[i];
}

Form bind_form(const Binder *b, const Value *v)
{
    return slot_of(b, v)->form;
}

static void set_form(Binder *b, const Value *v, Form f)
{
    *slot_of(b, v) = (FormSlot){v, f};
}

static Form known(uint64_t bits)
{
    return (Form){.kind = FORM_KNOWN, .bits = bits};
}

static Form fault(const char *message)
{
    return (Form){.kind = FORM_FAULT, .message = message};
}

static uint64_t narrow(DType t, uint64_t bits)
{
    unsigned width = t == DT_BOOL ? 1 : dtype_info[t].bits;
    return width == 64 ? bits : bits & (((uint64_t)1 << width) - 1);
}

/* a op b in exact i64, for extents; false: overflow. */
static bool exact(OpCode code, int64_t a, int64_t b, int64_t *out)
{
    if (code == OP_ADD)
        return !__builtin_add_overflow(a, b, out);
    if (code == OP_SUB)
        return !__builtin_sub_overflow(a, b, out);
    return !__builtin_mul_overflow(a, b, out);
}

static Form divide(OpCode code, DType t, uint64_t x, uint64_t y)
{
    if (y == 0)
        return fault("division by zero");
    if (!dtype_is_signed(t))
        return known(code == OP_FDIV ? x / y : x % y);
    int64_t a = bits_to_int(t, x), b = bits_to_int(t, y);
    if (b == -1)
        return known(narrow(t, code == OP_FDIV ? 0 - x : 0));
    int64_t q = a / b, r = a % b;
    if (r != 0 && (r < 0) != (b < 0)) {
        q--;
        r += b;
    }
    return known(narrow(t, (uint64_t)(code == OP_FDIV ? q : r)));
}

static Form shift(OpCode code, DType t, uint64_t x, uint64_t by)
{
    unsigned width = dtype_info[t].bits;
    int64_t a = bits_to_int(t, x);
    bool far = by >= width;
    if (code == OP_SHL)
        return known(far ? 0 : narrow(t, x << by));
    if (!dtype_is_signed(t))
        return known(far ? 0 : x >> by);
    by = far ? 63 : by;
    return known(narrow(t, a < 0 ? ~(~(uint64_t)a >> by) : (uint64_t)a >> by));
}

static Form integer_op(OpCode code, DType t, uint64_t x, uint64_t y)
{
    int64_t a = bits_to_int(t, x), b = bits_to_int(t, y), r;
    bool less = dtype_is_signed(t) ? a < b : x < y;
    switch (code) {
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
        if (t == DT_I64)
            return exact(code, a, b, &r) ? known((uint64_t)r) : fault("exceeds 64 bits");
        return known(narrow(t, code == OP_ADD ? x + y : code == OP_SUB ? x - y : x * y));
    case OP_FDIV:
    case OP_MOD:
        return divide(code, t, x, y);
    case OP_SHL:
    case OP_SHR:
        return shift(code, t, x, y);
    case OP_MIN:
        return known(less ? x : y);
    case OP_MAX:
        return known(less ? y : x);
    case OP_AND:
        return known(x & y);
    case OP_OR:
        return known(x | y);
    case OP_XOR:
        return known(x ^ y);
    case OP_EQ:
        return known(x == y);
    case OP_NE:
        return known(x != y);
    case OP_LT:
        return known(less);
    case OP_LE:
        return known(less || x == y);
    case OP_GT:
        return known(!less && x != y);
    case OP_GE:
        return known(!less);
    default:
        return fault("is nothing the host computes");
    }
}

static double to_double(DType t, uint64_t bits)
{
    double d;
    float f;
    uint32_t low = (uint32_t)bits;
    memcpy(&f, &low, sizeof f);
    memcpy(&d, &bits, sizeof d);
    return t == DT_F32 ? (double)f : d;
}

static uint64_t from_double(DType t, double d)
{
    uint64_t bits;
    float f = (float)d;
    uint32_t low;
    memcpy(&low, &f, sizeof low);
    memcpy(&bits, &d, sizeof bits);
    return t == DT_F32 ? low : bits;
}

/* R8: NaN wins, -0 is below +0. */
static double extremum(OpCode code, double a, double b)
{
    if (isnan(a) || isnan(b))
        return NAN;
    bool a_less = a < b || (a == b && signbit(a) && !signbit(b));
    return a_less == (code == OP_MIN) ? a : b;
}

/* f32 in f64: rounding the f64 result of one such operation again gives the f32 one. */
static Form float_op(OpCode code, DType t, double a, double b)
{
    switch (code) {
    case OP_ADD:
        return known(from_double(t, a + b));
    case OP_SUB:
        return known(from_double(t, a - b));
    case OP_MUL:
        return known(from_double(t, a * b));
    case OP_DIV:
        return known(from_double(t, a / b));
    case OP_MIN:
    case OP_MAX:
        return known(from_double(t, extremum(code, a, b)));
    case OP_EQ:
        return known(a == b);
    case OP_NE:
        return known(a != b);
    case OP_LT:
        return known(a < b);
    case OP_LE:
        return known(a <= b);
    case OP_GT:
        return known(a > b);
    case OP_GE:
        return known(a >= b);
    default:
        return fault("is nothing the host computes");
    }
}

/* R6: truncates, saturates, NaN to 0. */
static uint64_t float_to_int(DType t, double d)
{
    bool sign = dtype_is_signed(t);
    int width = dtype_info[t].bits;
    double limit = ldexp(1, width - sign), low = sign ? -limit : 0;
    if (isnan(d))
        return 0;
    if (d <= low)
        return sign ? (uint64_t)1 << (width - 1) : 0;
    if (d >= limit)
        return narrow(t, sign ? ((uint64_t)1 << (width - 1)) - 1 : UINT64_MAX);
    return narrow(t, sign ? (uint64_t)(int64_t)d : (uint64_t)d);
}

static Form cast(DType from, DType to, uint64_t x)
{
    bool from_float = from == DT_F32 || from == DT_F64, to_float = to == DT_F32 || to == DT_F64;
    bool from_int = dtype_is_int(from) || from == DT_BOOL;
    if (from == to)
        return known(x);
    if (to == DT_BOOL)
        return from_float ? known(to_double(from, x) != 0) : known(x != 0);
    if (from_float && to_float)
        return known(from_double(to, to_double(from, x)));
    if (from_float && dtype_is_int(to))
        return known(float_to_int(to, to_double(from, x)));
    if (from_int && dtype_is_int(to))
        return known(narrow(to, (uint64_t)bits_to_int(from, x)));
    if (!from_int || !to_float)
        return fault("is nothing the host computes");
    bool sign = dtype_is_signed(from);
    int64_t a = bits_to_int(from, x);
    float f = sign ? (float)a : (float)x;
    double d = sign ? (double)a : (double)x;
    return known(from_double(to, to == DT_F32 ? (double)f : d));
}

static Form unary(const Op *op, DType t, uint64_t x)
{
    bool is_float = t == DT_F32 || t == DT_F64;
    double d = to_double(t, x);
    switch (op->code) {
    case OP_CAST:
        return cast(t, op->results[0]->type.dtype, x);
    case OP_BITS:
    case OP_BROADCAST:
    case OP_RESHAPE:
        return known(x);
    case OP_LNOT:
        return known(!x);
    case OP_BNOT:
        return known(narrow(t, ~x));
    case OP_NEG:
        if (!is_float)
            return integer_op(OP_SUB, t, 0, x);
        return known(x ^ (uint64_t)1 << (dtype_info[t].bits - 1));
    case OP_ABS:
        if (!is_float)
            return bits_to_int(t, x) < 0 && dtype_is_signed(t) ? integer_op(OP_SUB, t, 0, x)
                                                               : known(x);
        return known(from_double(t, fabs(d)));
    case OP_FLOOR:
        return known(from_double(t, floor(d)));
    case OP_SQRT:
        return known(from_double(t, sqrt(d)));
    case OP_ISNAN:
        return known(is_float && isnan(d));
    case OP_ISFINITE:
        return known(!is_float || isfinite(d));
    default:
        return fault("is nothing the host computes");
    }
}

static Form compute(const Op *op, const Form *args)
{
    DType t = op->args[0]->type.dtype;
    if (op->code == OP_SELECT)
        return args[0].bits ? args[1] : args[2];
    if (op->nargs == 1)
        return unary(op, t, args[0].bits);
    if (op->nargs != 2)
        return fault("is nothing the host computes");
    if (t == DT_F32 || t == DT_F64)
        return float_op(op->code, t, to_double(t, args[0].bits), to_double(t, args[1].bits));
    return integer_op(op->code, t, args[0].bits, args[1].bits);
}

/* scale * dim + offset through one more operation, if it stays so. */
static bool affine(const Op *op, const Form *args, Form *out)
{
    Form a = args[0], b = op->nargs > 1 ? args[1] : known(0);
    if (op->code == OP_NEG) {
        b = a;
        a = known(0);
    } else if (op->code == OP_CAST || op->code == OP_BROADCAST || op->code == OP_RESHAPE) {
        *out = a;
        return op->results[0]->type.dtype == op->args[0]->type.dtype;
    } else if (op->code != OP_ADD && op->code != OP_SUB && op->code != OP_MUL) {
        return false;
    }
    if (op->args[0]->type.dtype != DT_I64)
        return false;
    for (int i = 0; i < 2; i++) {
        Form *f = i ? &b : &a;
        if (f->kind == FORM_KNOWN)
            *f = (Form){.offset = (int64_t)f->bits, .dim = -1};
        else if (f->kind != FORM_AFFINE)
            return false;
    }
    if (a.dim >= 0 && b.dim >= 0 && a.dim != b.dim)
        return false;
    *out = (Form){.kind = FORM_AFFINE, .dim = a.dim >= 0 ? a.dim : b.dim};
    if (op->code != OP_MUL) {
        OpCode code = op->code == OP_NEG ? OP_SUB : op->code;
        return exact(code, a.scale, b.scale, &out->scale) &&
               exact(code, a.offset, b.offset, &out->offset) && out->scale != 0;
    }
    if (a.dim >= 0 && b.dim >= 0)
        return false;
    int64_t factor = a.dim >= 0 ? b.offset : a.offset;
    const Form *f = a.dim >= 0 ? &a : &b;
    return exact(OP_MUL, f->scale, factor, &out->scale) &&
           exact(OP_MUL, f->offset, factor, &out->offset) && out->scale != 0;
}

static Form evaluate_op(const Binder *b, const Op *op)
{
    Form args[3], result;
    bool all_known = true;
    const Form *open = NULL;
    if (op->nargs < 1 || op->nargs > 3)
        return (Form){0};
    for (int i = 0; i < op->nargs; i++) {
        args[i] = bind_form(b, op->args[i]);
        if (args[i].kind == FORM_NONE || args[i].kind == FORM_FAULT)
            return args[i];
        all_known = all_known && args[i].kind == FORM_KNOWN;
        if (!open && args[i].kind != FORM_KNOWN)
            open = &args[i];
    }
    if (all_known)
        return compute(op, args);
    if (op->code == OP_SELECT && args[0].kind == FORM_KNOWN)
        return args[0].bits ? args[1] : args[2];
    if (affine(op, args, &result))
        return result;
    return (Form){.kind = FORM_HARD, .dim = open->dim};
}

static Form combine(OpCode code, Form a, Form b)
{
    if (a.kind == FORM_KNOWN && b.kind == FORM_KNOWN)
        return integer_op(code, DT_I64, a.bits, b.bits);
    Form f = a.kind != FORM_KNOWN ? a : b;
    if (f.kind == FORM_AFFINE)
        f.kind = FORM_HARD;
    return f;
}

/* The extent of a tensor or view: what its args say. */
static Form extent_form(const Binder *b, const Value *tensor, int axis)
{
    const Op *op = tensor->op;
    int rank = tensor->type.rank;
    if (!op)
        return (Form){0};
    switch (op->code) {
    case OP_TENSOR:
        return bind_form(b, op->args[axis]);
    case OP_TABLE:
        return extent_form(b, op->args[0], axis);
    case OP_VIEW_RESHAPE:
        return bind_form(b, op->args[axis + 1]);
    case OP_VIEW_TRANS:
        return extent_form(b, op->args[0], axis < rank - 2 ? axis : 2 * rank - 3 - axis);
    case OP_VIEW_UPSAMPLE:
        return combine(OP_MUL, extent_form(b, op->args[0], axis), bind_form(b, op->args[axis + 1]));
    case OP_VIEW_SLICE: {
        Form whole = extent_form(b, op->args[0], axis);
        if (axis != op->axis)
            return whole;
        Form lo = combine(OP_MIN, combine(OP_MAX, bind_form(b, op->args[1]), known(0)), whole);
        Form hi = combine(OP_MIN, bind_form(b, op->args[2]), whole);
        return combine(OP_SUB, combine(OP_MAX, hi, lo), lo);
    }
    default:
        return (Form){0};
    }
}

static Form unknown_form(const Binder *b, const Op *op)
{
    for (int i = 0; i < b->ndims; i++)
        if (b->dims[i].op == op) {
            if (b->dims[i].known)
                return known(b->dims[i].bits);
            return (Form){
                .kind = op->code == OP_DIM ? FORM_AFFINE : FORM_HARD, .dim = i, .scale = 1};
        }
    return (Form){0};
}

static Form present_form(const Binder *b, const Op *op)
{
    for (const Op *t = b->kernel->body->first; t; t = t->next)
        if (t->code == OP_TENSOR && t->name && op->name && strcmp(t->name, op->name) == 0)
            return known(1);
    return known(0);
}

static void evaluate_region(Binder *, const Region *);

/* Only the branch that is taken is evaluated (R21). */
static void evaluate_if(Binder *b, const Op *op)
{
    Form c = bind_form(b, op->args[0]);
    const Op *yield = NULL;
    if (c.kind == FORM_KNOWN) {
        const Region *taken = op->regions[c.bits ? 0 : 1];
        evaluate_region(b, taken);
        yield = taken->last;
    } else if (c.kind == FORM_AFFINE) {
        c.kind = FORM_HARD;
    }
    for (int i = 0; i < op->nresults; i++)
        set_form(b, op->results[i], yield ? bind_form(b, yield->args[i]) : c);
}

static void evaluate_region(Binder *b, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_IF)
            evaluate_if(b, op);
        else if (op->code == OP_PAR)
            for (int i = 0; i + 1 < op->nregions; i++)
                evaluate_region(b, op->regions[i]);
        else if (op->nresults != 1 || op->results[0]->type.kind != TY_TILE ||
                 op->results[0]->type.rank != 0)
            continue;
        else if (op->code == OP_DIM || op->code == OP_SCALAR)
            set_form(b, op->results[0], unknown_form(b, op));
        else if (op->code == OP_CONST)
            set_form(b, op->results[0], known(op->bits));
        else if (op->code == OP_RESIDENT)
            set_form(b, op->results[0], known(INTERPRETER_RESIDENT));
        else if (op->code == OP_PRESENT)
            set_form(b, op->results[0], present_form(b, op));
        else if (op->code == OP_EXTENT)
            set_form(b, op->results[0], extent_form(b, op->args[0], op->axis));
        else
            set_form(b, op->results[0], evaluate_op(b, op));
    }
}

static size_t count_values(const Region *r)
{
    size_t n = 0;
    for (const Op *op = r->first; op; op = op->next) {
        n += (size_t)(op->nresults + op->nargs);
        int ranges = op->code == OP_PAR ? op->nregions - 1 : 0;
        for (int i = 0; i < (op->code == OP_IF ? op->nregions : ranges); i++)
            n += count_values(op->regions[i]);
    }
    return n;
}

void bind_evaluate(Binder *b)
{
    if (!b->slots) {
        b->slot_count = 2 * count_values(b->kernel->body) + 16;
        b->slots = NEW_ARRAY(b->arena, FormSlot, b->slot_count);
    }
    memset(b->slots, 0, b->slot_count * sizeof *b->slots);
    evaluate_region(b, b->kernel->body);
}

/* a where the op computes cdiv(a, c) = (a + (c - 1)) // c with a constant c, else NULL. */
static const Value *cdiv_of(const Op *op)
{
    int64_t c, add;
    if (!op || op->code != OP_FDIV || !value_int(op->args[1], &c))
        return NULL;
    const Op *sum = op->args[0]->op;
    if (!sum || sum->code != OP_ADD || !value_int(sum->args[1], &add) || add != c - 1)
        return NULL;
    return sum->args[0];
}

/* a where the op computes align(a, c) = cdiv(a, c) * c, else NULL. */
static const Value *align_of(const Op *op)
{
    const Op *quotient = op->args[0]->op;
    if (op->code != OP_MUL || !cdiv_of(quotient) || quotient->args[1] != op->args[1])
        return NULL;
    return cdiv_of(quotient);
}

static const char *infix(OpCode code)
{
    switch (code) {
    case OP_ADD:
        return "+";
    case OP_SUB:
        return "-";
    case OP_MUL:
        return "*";
    case OP_FDIV:
        return "//";
    case OP_MOD:
        return "%";
    case OP_EQ:
        return "==";
    case OP_NE:
        return "!=";
    case OP_LT:
        return "<";
    case OP_LE:
        return "<=";
    case OP_GT:
        return ">";
    case OP_GE:
        return ">=";
    case OP_AND:
        return "&";
    case OP_OR:
        return "|";
    default:
        return NULL;
    }
}

/* `inner`: an operand of an infix operator. */
static const char *value_text(const Binder *b, const Value *v, int depth, bool inner)
{
    const Op *op = v->op;
    int64_t n;
    if (value_int(v, &n))
        return arena_format(b->arena, "%lld", (long long)n);
    if (!op || depth == DEEPEST_TEXT)
        return "...";
    if ((op->code == OP_DIM || op->code == OP_SCALAR) && op->name)
        return op->name;
    if (op->code == OP_RESIDENT)
        return "grid.resident";
    if (op->code == OP_CAST && op->args[0]->type.dtype == v->type.dtype)
        return value_text(b, op->args[0], depth, inner);
    const Value *whole = op->nargs == 2 && align_of(op) ? align_of(op) : cdiv_of(op);
    if (whole)
        return arena_format(b->arena, "%s(%s, %s)", op->code == OP_MUL ? "align" : "cdiv",
                            value_text(b, whole, depth + 1, false),
                            value_text(b, op->args[1], depth + 1, false));
    if (op->nargs == 2 && infix(op->code))
        return arena_format(b->arena, "%s%s %s %s%s", inner ? "(" : "",
                            value_text(b, op->args[0], depth + 1, true), infix(op->code),
                            value_text(b, op->args[1], depth + 1, true), inner ? ")" : "");
    const char *args = "";
    for (int i = 0; i < op->nargs; i++)
        args = arena_format(b->arena, "%s%s%s", args, i ? ", " : "",
                            value_text(b, op->args[i], depth + 1, false));
    return arena_format(b->arena, "%s(%s)", op_info[op->code].name, args);
}

const char *bind_text(const Binder *b, const Value *v)
{
    return value_text(b, v, 0, false);
}

/* Values are shared: without the budget a chain of squares would take for ever. */
static bool depends(const Value *v, const Op *dim, int *budget)
{
    if (!v->op || --*budget < 0)
        return false;
    if (v->op == dim)
        return true;
    for (int i = 0; i < v->op->nargs; i++)
        if (depends(v->op->args[i], dim, budget))
            return true;
    return false;
}

int bind_dependency(const Binder *b, const Value *v, int from)
{
    for (int i = from; i < b->ndims; i++) {
        int budget = SEARCH_STEPS;
        if (depends(v, b->dims[i].op, &budget))
            return i;
    }
    return -1;
}
