/* Sums of products of atoms: adding, multiplying, comparing, writing. */
#include "compiler/counts.h"

#include <string.h>

enum { MOST_PRODUCTS = 64, MOST_FACTORS = 16, LONGEST_TEXT = 160 };

static const Sum too_large = {.too_large = true};

static Sum one_product(Counts *c, int64_t factor, int count, const Atom *const *atoms)
{
    Sum s = {.count = 1, .items = NEW(c->arena, Product)};
    s.items[0] = (Product){factor, count, NEW_ARRAY(c->arena, const Atom *, count)};
    for (int i = 0; i < count; i++)
        s.items[0].atoms[i] = atoms[i];
    return s;
}

Sum sum_constant(Counts *c, int64_t n)
{
    return n ? one_product(c, n, 0, NULL) : (Sum){0};
}

Sum sum_of_atom(Counts *c, const Atom *a)
{
    return one_product(c, 1, 1, &a);
}

/* Order of products: constants last. */
static int product_order(const Product *a, const Product *b)
{
    for (int i = 0; i < a->count && i < b->count; i++)
        if (a->atoms[i] != b->atoms[i])
            return a->atoms[i]->id < b->atoms[i]->id ? -1 : 1;
    return b->count - a->count;
}

static bool small(int64_t n)
{
    return n < ((int64_t)1 << 62) && n > -((int64_t)1 << 62);
}

Sum sum_add(Counts *c, Sum a, Sum b, int64_t factor)
{
    if (a.too_large || b.too_large)
        return too_large;
    Sum s = {.items = NEW_ARRAY(c->arena, Product, a.count + b.count)};
    for (int i = 0, k = 0; i < a.count || k < b.count;) {
        int order = i == a.count ? 1 : k == b.count ? -1 : product_order(&a.items[i], &b.items[k]);
        Product p = order <= 0 ? a.items[i] : b.items[k];
        if (order > 0)
            p.factor = 0;
        int64_t more;
        if (order >= 0 && (__builtin_mul_overflow(b.items[k].factor, factor, &more) ||
                           __builtin_add_overflow(p.factor, more, &p.factor)))
            return too_large;
        i += order <= 0;
        k += order >= 0;
        if (!small(p.factor))
            return too_large;
        if (p.factor != 0)
            s.items[s.count++] = p;
    }
    return s.count > MOST_PRODUCTS ? too_large : s;
}

/* The product of two products: factors sorted; a condition times itself is itself. */
static bool join_products(Counts *c, const Product *a, const Product *b, Product *out)
{
    *out = (Product){.atoms = NEW_ARRAY(c->arena, const Atom *, a->count + b->count)};
    if (__builtin_mul_overflow(a->factor, b->factor, &out->factor) || !small(out->factor))
        return false;
    for (int i = 0, k = 0; i < a->count || k < b->count;) {
        bool left = k == b->count || (i < a->count && a->atoms[i]->id <= b->atoms[k]->id);
        const Atom *atom = left ? a->atoms[i++] : b->atoms[k++];
        if (atom->is_condition && out->count > 0 && out->atoms[out->count - 1] == atom)
            continue;
        out->atoms[out->count++] = atom;
    }
    return out->count <= MOST_FACTORS;
}

Sum sum_multiply(Counts *c, Sum a, Sum b)
{
    Sum s = {0};
    if (a.too_large || b.too_large)
        return too_large;
    for (int i = 0; i < a.count; i++)
        for (int k = 0; k < b.count; k++) {
            Product p;
            if (!join_products(c, &a.items[i], &b.items[k], &p))
                return too_large;
            s = sum_add(c, s, (Sum){.count = 1, .items = &p}, 1);
            if (s.too_large)
                return s;
        }
    return s;
}

bool sum_equal(const Sum *a, const Sum *b)
{
    if (a->too_large || b->too_large || a->count != b->count)
        return false;
    for (int i = 0; i < a->count; i++)
        if (a->items[i].factor != b->items[i].factor ||
            product_order(&a->items[i], &b->items[i]) != 0)
            return false;
    return true;
}

bool sum_is_constant(const Sum *s, int64_t *n)
{
    if (s->too_large || s->count > 1 || (s->count == 1 && s->items[0].count > 0))
        return false;
    *n = s->count ? s->items[0].factor : 0;
    return true;
}

bool sum_is_opaque(const Sum *s)
{
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->items[i].count; k++)
            if (s->items[i].atoms[k]->is_opaque)
                return true;
    return s->too_large;
}

uint64_t sum_loops(const Sum *s)
{
    uint64_t loops = 0;
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->items[i].count; k++)
            loops |= s->items[i].atoms[k]->loops;
    return loops;
}

/* Text */

/* `factor` is the magnitude of the product's. */
static char *product_text(Counts *c, const Product *p, uint64_t factor)
{
    if (p->count == 0)
        return arena_format(c->arena, "%llu", (unsigned long long)factor);
    char *text = factor == 1 ? arena_format(c->arena, "%s", "")
                             : arena_format(c->arena, "%llu * ", (unsigned long long)factor);
    for (int i = 0; i < p->count; i++) {
        const Atom *a = p->atoms[i];
        bool parens = a->infix && (p->count > 1 || factor != 1);
        text = arena_format(c->arena, parens ? "%s%s(%s)" : "%s%s%s", text, i ? " * " : "",
                            a->text);
    }
    return text;
}

char *sum_text(Counts *c, const Sum *s)
{
    if (s->too_large)
        return arena_format(c->arena, "..");
    if (s->count == 0)
        return arena_format(c->arena, "0");
    char *text = NULL;
    for (int sign = 1; sign >= -1; sign -= 2)
        for (int i = 0; i < s->count; i++) {
            const Product *p = &s->items[i];
            if ((p->factor > 0) != (sign > 0))
                continue;
            uint64_t factor = (uint64_t)p->factor;
            char *one = product_text(c, p, sign < 0 ? 0 - factor : factor);
            text = !text ? arena_format(c->arena, "%s%s", sign < 0 ? "-" : "", one)
                         : arena_format(c->arena, "%s %c %s", text, sign < 0 ? '-' : '+', one);
            if (strlen(text) > LONGEST_TEXT)
                return arena_format(c->arena, "%.*s ..", LONGEST_TEXT, text);
        }
    return text;
}

bool sum_is_compound(const Sum *s)
{
    return s->count > 1 || (s->count == 1 && (s->items[0].factor != 1 || s->items[0].count > 1 ||
                                              (s->items[0].count && s->items[0].atoms[0]->infix)));
}

/* As an operand of an operator. */
char *sum_operand_text(Counts *c, const Sum *s)
{
    char *text = sum_text(c, s);
    return sum_is_compound(s) ? arena_format(c->arena, "(%s)", text) : text;
}

/* The identity of a sum: numbers of atoms instead of their keys, so that it stays short. */
char *sum_key(Counts *c, const Sum *s)
{
    char *key = arena_format(c->arena, "%s", s->too_large ? "?" : "");
    for (int i = 0; i < s->count; i++) {
        key = arena_format(c->arena, "%s%+lld", key, (long long)s->items[i].factor);
        for (int k = 0; k < s->items[i].count; k++)
            key = arena_format(c->arena, "%s*a%d", key, s->items[i].atoms[k]->id);
    }
    return key;
}

bool sum_divides(const Sum *s, int64_t n)
{
    for (int i = 0; i < s->count; i++)
        if (n == 0 || s->items[i].factor % n != 0)
            return false;
    return !s->too_large;
}

Sum sum_divided(Counts *c, const Sum *s, int64_t n)
{
    Sum q = {.count = s->count, .items = NEW_ARRAY(c->arena, Product, s->count)};
    for (int i = 0; i < s->count; i++) {
        q.items[i] = s->items[i];
        q.items[i].factor /= n;
    }
    return q;
}
