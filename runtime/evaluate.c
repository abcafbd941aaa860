/* The numbers of a plan: its nodes in order, each a 64-bit word. */
#include "runtime/call.h"

#include <math.h>
#include <string.h>

static float to_float(uint64_t x)
{
    uint32_t low = (uint32_t)x;
    float f;
    memcpy(&f, &low, sizeof f);
    return f;
}

static uint64_t from_float(float f)
{
    uint32_t low;
    memcpy(&low, &f, sizeof low);
    return low;
}

static bool is_signed(int type)
{
    return type >= TILE_I8 && type <= TILE_I64;
}

static int width(int type)
{
    static const uint8_t widths[] = {
        [TILE_BOOL] = 1, [TILE_I8] = 8,   [TILE_I16] = 16, [TILE_I32] = 32, [TILE_I64] = 64,
        [TILE_U8] = 8,   [TILE_U16] = 16, [TILE_U32] = 32, [TILE_U64] = 64, [TILE_F32] = 32};
    return widths[type];
}

/* The word of the type whose low bits are those of x. */
static uint64_t narrow(int type, uint64_t x)
{
    switch (type) {
    case TILE_BOOL:
        return x & 1;
    case TILE_I8:
        return (uint64_t)(int64_t)(int8_t)x;
    case TILE_I16:
        return (uint64_t)(int64_t)(int16_t)x;
    case TILE_I32:
        return (uint64_t)(int64_t)(int32_t)x;
    case TILE_U8:
        return (uint8_t)x;
    case TILE_U16:
        return (uint16_t)x;
    case TILE_U32:
    case TILE_F32:
        return (uint32_t)x;
    default:
        return x;
    }
}

/* ---- integers ---- */

static Fault divide(const tile_node *n, uint64_t x, uint64_t y, uint64_t *out)
{
    int64_t a = (int64_t)x, b = (int64_t)y;
    bool quotient = n->op == TILE_NODE_FDIV;
    *out = 0;
    if (y == 0) {
        return FAULT_DIVISION;
    }
    if (!is_signed(n->type)) {
        *out = quotient ? x / y : x % y;
    } else if (b == -1) {
        *out = narrow(n->type, quotient ? 0 - x : 0);
    } else {
        int64_t q = a / b, r = a % b;
        bool down = r != 0 && (r < 0) != (b < 0);
        *out = narrow(n->type, (uint64_t)(quotient ? q - down : down ? r + b : r));
    }
    return FAULT_NONE;
}

static uint64_t shift(const tile_node *n, uint64_t x, uint64_t by)
{
    uint64_t bits = (uint64_t)width(n->type);
    uint64_t low = narrow(n->type, x);
    /* The amount has the type of x: a negative one is a large one. */
    by = bits == 64 ? by : by & (((uint64_t)1 << bits) - 1);
    if (n->op == TILE_NODE_SHL) {
        return by >= bits ? 0 : narrow(n->type, low << by);
    }
    if (is_signed(n->type) && (int64_t)low < 0) {
        return ~(~low >> (by >= bits ? 63 : by));
    }
    return by >= bits ? 0 : low >> by;
}

/* i64 arithmetic is exact, all other wraps. */
static Fault arithmetic(const tile_node *n, uint64_t x, uint64_t y, uint64_t *out)
{
    int64_t a = (int64_t)x, b = (int64_t)y, r;
    bool add = n->op == TILE_NODE_ADD, sub = n->op == TILE_NODE_SUB;
    if (n->type == TILE_I64) {
        bool over = add   ? __builtin_add_overflow(a, b, &r)
                    : sub ? __builtin_sub_overflow(a, b, &r)
                          : __builtin_mul_overflow(a, b, &r);
        *out = over ? 0 : (uint64_t)r;
        return over ? FAULT_OVERFLOW : FAULT_NONE;
    }
    *out = narrow(n->type, add ? x + y : sub ? x - y : x * y);
    return FAULT_NONE;
}

static uint64_t compare(const tile_node *n, uint64_t x, uint64_t y)
{
    bool less, equal = x == y;
    if (n->type == TILE_F32) {
        float a = to_float(x), b = to_float(y);
        if (a != a || b != b) {
            return n->op == TILE_NODE_NE;
        }
        less = a < b;
        equal = a == b;
    } else {
        less = is_signed(n->type) ? (int64_t)x < (int64_t)y : x < y;
    }
    switch (n->op) {
    case TILE_NODE_EQ:
        return equal;
    case TILE_NODE_NE:
        return !equal;
    case TILE_NODE_LT:
        return less;
    case TILE_NODE_LE:
        return less || equal;
    case TILE_NODE_GT:
        return !less && !equal;
    default:
        return !less;
    }
}

/* ---- floats ---- */

/* R8: NaN wins, -0 is below +0. */
static float extremum(bool least, float a, float b)
{
    if (a != a || b != b) {
        return NAN;
    }
    bool less = a < b || (a == b && signbit(a) && !signbit(b));
    return less == least ? a : b;
}

static uint64_t float_binary(const tile_node *n, uint64_t x, uint64_t y)
{
    float a = to_float(x), b = to_float(y);
    switch (n->op) {
    case TILE_NODE_ADD:
        return from_float(a + b);
    case TILE_NODE_SUB:
        return from_float(a - b);
    case TILE_NODE_MUL:
        return from_float(a * b);
    case TILE_NODE_DIV:
        return from_float(a / b);
    default:
        return from_float(extremum(n->op == TILE_NODE_MIN, a, b));
    }
}

/* R6: truncates, saturates, NaN to 0. */
static uint64_t float_to_int(int type, float f)
{
    int bits = width(type);
    double limit = ldexp(1, bits - is_signed(type)), low = is_signed(type) ? -limit : 0, d = f;
    if (d != d) {
        return 0;
    }
    if (d <= low) {
        return is_signed(type) ? narrow(type, (uint64_t)1 << (bits - 1)) : 0;
    }
    if (d >= limit) {
        return is_signed(type) ? ((uint64_t)1 << (bits - 1)) - 1 : narrow(type, UINT64_MAX);
    }
    return is_signed(type) ? (uint64_t)(int64_t)d : (uint64_t)d;
}

static uint64_t cast(const tile_node *n, uint64_t x)
{
    if (n->from == TILE_F32) {
        float f = to_float(x);
        return n->type == TILE_F32 ? x : n->type == TILE_BOOL ? f != 0 : float_to_int(n->type, f);
    }
    if (n->type == TILE_F32) {
        return from_float(is_signed(n->from) ? (float)(int64_t)x : (float)x);
    }
    return n->type == TILE_BOOL ? x != 0 : narrow(n->type, x);
}

static Fault unary(const tile_node *n, uint64_t x, uint64_t *out)
{
    bool real = n->type == TILE_F32;
    *out = x;
    switch (n->op) {
    case TILE_NODE_CAST:
        *out = cast(n, x);
        break;
    case TILE_NODE_NOT:
        *out = !x;
        break;
    case TILE_NODE_BNOT:
        *out = narrow(n->type, ~x);
        break;
    case TILE_NODE_NEG:
        if (!real) {
            return arithmetic(&(tile_node){.op = TILE_NODE_SUB, .type = n->type}, 0, x, out);
        }
        *out = x ^ 0x80000000u;
        break;
    case TILE_NODE_ABS:
        if (!real && is_signed(n->type) && (int64_t)x < 0) {
            return arithmetic(&(tile_node){.op = TILE_NODE_SUB, .type = n->type}, 0, x, out);
        }
        *out = real ? x & 0x7FFFFFFFu : x;
        break;
    case TILE_NODE_FLOOR:
        *out = from_float(floorf(to_float(x)));
        break;
    case TILE_NODE_SQRT:
        *out = from_float(sqrtf(to_float(x)));
        break;
    case TILE_NODE_ISNAN:
        *out = real && (x & 0x7FFFFFFFu) > 0x7F800000u;
        break;
    default: /* ISFINITE */
        *out = !real || (x & 0x7F800000u) != 0x7F800000u;
    }
    return FAULT_NONE;
}

/* ---- the call ---- */

static const tile_view *view_of(const Call *c, const tile_node *n)
{
    int32_t param = c->plan->tensors[n->a].param;
    return param < 0 ? NULL : &c->views[param];
}

/* Of a table: a bit is 0 if it is in all entries. */
static uint64_t all_addresses(const tile_view *v)
{
    uint64_t bits = 0;
    for (int64_t i = 0; i < v->count; i++) {
        bits |= (uint64_t)(uintptr_t)data_of(v->entries[i]);
    }
    return bits;
}

static uint64_t of_tensor(const Call *c, const tile_node *n)
{
    const tile_view *v = view_of(c, n);
    if (!v) {
        return 0;
    }
    switch (n->op) {
    case TILE_NODE_EXTENT:
        return (uint64_t)v->extent[n->b];
    case TILE_NODE_STRIDE:
        return (uint64_t)v->stride[n->b];
    case TILE_NODE_ENTRIES:
        return (uint64_t)v->count;
    case TILE_NODE_ADDRESS:
        return v->entries ? all_addresses(v) : (uint64_t)(uintptr_t)v->address;
    default:
        return v->tensor != NULL;
    }
}

/* Before the code is loaded 1, so that nothing is divided by 0. */
static uint64_t resident(const Call *c, const tile_node *n)
{
    uint64_t least = UINT64_MAX;
    if (c->arch == TILE_ARCH_CPU) {
        return 4; /* R15 */
    }
    if (!c->loaded) {
        return 1;
    }
    if (n->op == TILE_NODE_RESIDENT) {
        return c->loaded->phases[n->a].resident;
    }
    for (int i = 0; i < c->plan->phase_count; i++) {
        uint32_t pack = c->plan->phases[i].pack;
        uint64_t programs = (uint64_t)c->loaded->phases[i].resident * (pack ? pack : 1);
        if (n->a >> i & 1 && programs < least) {
            least = programs;
        }
    }
    return least == UINT64_MAX ? 1 : least;
}

static Fault solve(int64_t scale, int64_t offset, int64_t found, uint64_t *out)
{
    int64_t rest;
    *out = 0;
    if (scale == 0 || __builtin_sub_overflow(found, offset, &rest) ||
        (scale == -1 && rest == INT64_MIN) || rest % scale != 0 || rest / scale < 0) {
        return FAULT_SOLVE;
    }
    *out = (uint64_t)(rest / scale);
    return FAULT_NONE;
}

static Fault binary(const tile_node *n, uint64_t x, uint64_t y, uint64_t *out)
{
    switch (n->op) {
    case TILE_NODE_FDIV:
    case TILE_NODE_MOD:
        return divide(n, x, y, out);
    case TILE_NODE_AND:
        *out = x & y;
        break;
    case TILE_NODE_OR:
        *out = x | y;
        break;
    case TILE_NODE_XOR:
        *out = x ^ y;
        break;
    case TILE_NODE_SHL:
    case TILE_NODE_SHR:
        *out = shift(n, x, y);
        break;
    case TILE_NODE_MIN:
    case TILE_NODE_MAX:
        if (n->type == TILE_F32) {
            *out = float_binary(n, x, y);
        } else {
            bool less = is_signed(n->type) ? (int64_t)x < (int64_t)y : x < y;
            *out = less == (n->op == TILE_NODE_MIN) ? x : y;
        }
        break;
    case TILE_NODE_ADD:
    case TILE_NODE_SUB:
    case TILE_NODE_MUL:
    case TILE_NODE_DIV:
        if (n->type != TILE_F32) {
            return arithmetic(n, x, y, out);
        }
        *out = float_binary(n, x, y);
        break;
    default:
        *out = compare(n, x, y);
    }
    return FAULT_NONE;
}

static Fault evaluate(const Call *c, const tile_node *n, uint64_t *out)
{
    const uint64_t *v = c->values;
    switch (n->op) {
    case TILE_NODE_CONST:
        *out = (uint64_t)n->value;
        return FAULT_NONE;
    case TILE_NODE_EXTENT:
    case TILE_NODE_STRIDE:
    case TILE_NODE_ENTRIES:
    case TILE_NODE_ADDRESS:
    case TILE_NODE_PRESENT:
        *out = of_tensor(c, n);
        return FAULT_NONE;
    case TILE_NODE_SCALAR:
        *out = narrow(n->type, c->scalars[n->a]);
        return FAULT_NONE;
    case TILE_NODE_BOUND:
        *out = 0;
        return FAULT_NONE;
    case TILE_NODE_RESIDENT:
    case TILE_NODE_PROGRAMS:
        *out = resident(c, n);
        return FAULT_NONE;
    case TILE_NODE_SOLVE:
        return solve((int64_t)v[n->a], (int64_t)v[n->b], (int64_t)v[n->c], out);
    case TILE_NODE_SELECT:
        *out = v[n->a] ? v[n->b] : v[n->c];
        return FAULT_NONE;
    case TILE_NODE_NEG:
    case TILE_NODE_NOT:
    case TILE_NODE_BNOT:
    case TILE_NODE_ABS:
    case TILE_NODE_FLOOR:
    case TILE_NODE_SQRT:
    case TILE_NODE_ISNAN:
    case TILE_NODE_ISFINITE:
    case TILE_NODE_CAST:
        return unary(n, v[n->a], out);
    default:
        return binary(n, v[n->a], v[n->b], out);
    }
}

void tile__evaluate(Call *c, int first, int end)
{
    c->fault = FAULT_NONE;
    for (int i = first; i < end; i++) {
        Fault f = evaluate(c, &c->plan->nodes[i], &c->values[i]);
        c->fault = c->fault == FAULT_NONE ? f : c->fault;
    }
}

static int arguments_of(int op)
{
    static const int8_t arguments[] = {
#define ARGUMENTS(name, count) [TILE_NODE_##name] = count,
        TILE_NODE_TABLE(ARGUMENTS)
#undef ARGUMENTS
    };
    return arguments[op];
}

/* What the node's value depends on is marked, down to the first fault. */
Fault tile__fault_of(const Call *c, int node, int *at)
{
    bool used[TILE_MOST_NODES] = {false};
    uint64_t value;
    Fault first = FAULT_NONE;
    used[node] = true;
    for (int i = node; i >= 0; i--) {
        const tile_node *n = &c->plan->nodes[i];
        const int32_t arguments[3] = {n->a, n->b, n->c};
        bool choice = n->op == TILE_NODE_SELECT;
        if (!used[i]) {
            continue;
        }
        for (int k = 0; k < arguments_of(n->op); k++) {
            bool dropped = choice && k == (c->values[n->a] ? 2 : 1);
            used[arguments[k]] |= !dropped;
        }
        Fault f = evaluate(c, n, &value);
        if (f != FAULT_NONE) {
            first = f;
            *at = i;
        }
    }
    return first;
}
