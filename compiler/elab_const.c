/* Constant expressions: exact integers, doubles, bools, types and enum members (R4). */
#include "compiler/elab.h"

#include <math.h>
#include <string.h>

static Term const_int(Elab *e, ExprKind k, Pos pos, Wide a, Wide b)
{
    Wide r = 0;
    bool over = false;
    switch (k) {
    case E_ADD:
        over = __builtin_add_overflow(a, b, &r);
        break;
    case E_SUB:
        over = __builtin_sub_overflow(a, b, &r);
        break;
    case E_MUL:
        over = __builtin_mul_overflow(a, b, &r);
        break;
    case E_FDIV:
    case E_MOD:
        if (b == 0)
            return fail(e, pos, NULL, "division by zero");
        r = a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
        if (k == E_MOD)
            r = a - r * b;
        break;
    case E_SHL:
    case E_SHR:
        if (b < 0 || b > 126)
            return fail(e, pos, NULL, "shift by %lld: a constant shift is 0 to 126", (long long)b);
        if (k == E_SHR)
            r = a >> (int)b;
        else
            over = __builtin_mul_overflow(a, (Wide)1 << (int)b, &r);
        break;
    /* clang-format off */
    case E_BAND: r = a & b; break;
    case E_BOR: r = a | b; break;
    case E_BXOR: r = a ^ b; break;
    case E_EQ: return term_bool(a == b);
    case E_NE: return term_bool(a != b);
    case E_LT: return term_bool(a < b);
    case E_LE: return term_bool(a <= b);
    case E_GT: return term_bool(a > b);
    case E_GE: return term_bool(a >= b);
    /* clang-format on */
    case E_DIV:
        return fail(e, pos, "write // for floor division", "/ on integers: it is for f32");
    default:
        return fail(e, pos, NULL, "%s on integers", expr_kind_text(k));
    }
    if (over)
        return fail(e, pos, NULL, "integer constant too large");
    return term_int(r);
}

static Term const_float(Elab *e, ExprKind k, Pos pos, double a, double b)
{
    switch (k) {
    /* clang-format off */
    case E_ADD: return term_float(a + b);
    case E_SUB: return term_float(a - b);
    case E_MUL: return term_float(a * b);
    case E_DIV: return term_float(a / b);
    case E_EQ: return term_bool(a == b);
    case E_NE: return term_bool(a != b);
    case E_LT: return term_bool(a < b);
    case E_LE: return term_bool(a <= b);
    case E_GT: return term_bool(a > b);
    case E_GE: return term_bool(a >= b);
    /* clang-format on */
    default:
        return fail(e, pos, NULL, "%s on numbers with a fraction", expr_kind_text(k));
    }
}

static Term const_bool(Elab *e, ExprKind k, Pos pos, bool a, bool b)
{
    switch (k) {
    case E_LAND:
    case E_BAND:
        return term_bool(a && b);
    case E_LOR:
    case E_BOR:
        return term_bool(a || b);
    case E_BXOR:
    case E_NE:
        return term_bool(a != b);
    case E_EQ:
        return term_bool(a == b);
    default:
        return fail(e, pos, NULL, "%s on bools", expr_kind_text(k));
    }
}

static double as_double(const Term *t)
{
    return t->kind == T_FLOAT ? t->f : (double)t->i;
}

static bool is_number(const Term *t)
{
    return t->kind == T_INT || t->kind == T_FLOAT;
}

/* Types, enum members and storage formats can only be compared for equality. */
static Term const_symbol(Elab *e, ExprKind k, Pos pos, const Term *a, const Term *b)
{
    bool equal;
    if (a->kind == T_TYPE)
        equal = a->dtype == b->dtype;
    else
        equal = a->i == b->i;
    if (a->kind == T_MEMBER && a->item != b->item)
        return fail(e, pos, NULL, "%s and %s are of different enums: %s, %s", term_text(e, a),
                    term_text(e, b), a->item->name.name, b->item->name.name);
    if (k == E_EQ || k == E_NE)
        return term_bool(equal == (k == E_EQ));
    return fail(e, pos, "only == and != compare them", "%s on %s and %s", expr_kind_text(k),
                term_text(e, a), term_text(e, b));
}

Term const_binary(Elab *e, ExprKind k, Pos pos, const Term *a, const Term *b)
{
    if (k == E_LAND || k == E_LOR) {
        if (a->kind != T_BOOL || b->kind != T_BOOL)
            return fail(e, pos, NULL, "%s takes bools, not %s and %s", expr_kind_text(k),
                        term_text(e, a), term_text(e, b));
    }
    if (a->kind == T_INT && b->kind == T_INT)
        return const_int(e, k, pos, a->i, b->i);
    if (is_number(a) && is_number(b))
        return const_float(e, k, pos, as_double(a), as_double(b));
    if (a->kind == T_BOOL && b->kind == T_BOOL)
        return const_bool(e, k, pos, a->i != 0, b->i != 0);
    if (a->kind == b->kind && (a->kind == T_TYPE || a->kind == T_MEMBER || a->kind == T_FORMAT))
        return const_symbol(e, k, pos, a, b);
    return fail(e, pos, NULL, "%s on %s and %s", expr_kind_text(k), term_text(e, a),
                term_text(e, b));
}

Term const_unary(Elab *e, ExprKind k, Pos pos, const Term *a)
{
    if (k == E_NEG && a->kind == T_INT)
        return term_int(-a->i);
    if (k == E_NEG && a->kind == T_FLOAT)
        return term_float(-a->f);
    if (k == E_LNOT && a->kind == T_BOOL)
        return term_bool(!a->i);
    if (k == E_BNOT && a->kind == T_INT)
        return term_int(~a->i);
    if (k == E_BNOT && a->kind == T_BOOL)
        return term_bool(!a->i);
    return fail(e, pos, NULL, "%s on %s", expr_kind_text(k), term_text(e, a));
}
