/* IR values and the rounds of loops as sums of products of atoms. */
#include "compiler/counts.h"

#include <string.h>

enum { LONGEST_TEXT = 160, DEEPEST = 500 };

static const Sum too_large = {.too_large = true};

/* Atoms */

static Atom *atom_new(Counts *c, const char *key, const char *text)
{
    for (int i = 0; i < c->atoms.count; i++)
        if (strcmp(c->atoms.items[i]->key, key) == 0)
            return c->atoms.items[i];
    Atom *a = NEW(c->arena, Atom);
    if (strlen(text) > LONGEST_TEXT)
        text = arena_format(c->arena, "%.*s ..", LONGEST_TEXT, text);
    *a = (Atom){.id = c->atoms.count, .key = key, .text = text};
    PUSH(c->arena, &c->atoms, a);
    return a;
}

/* A value that is only equal to itself. */
static Sum opaque(Counts *c, const Value *v)
{
    const char *name = v->name ? v->name : v->op ? v->op->name : NULL;
    Atom *a = atom_new(c, arena_format(c->arena, "v%d", v->id),
                       name ? name : arena_format(c->arena, "value %d", v->id));
    a->is_condition = v->type.dtype == DT_BOOL && v->type.rank == 0;
    a->is_opaque = is_below_op(value_region(v), c->roles);
    return sum_of_atom(c, a);
}

static bool is_scalar_int(const Value *v)
{
    return v->type.kind == TY_TILE && v->type.rank == 0 && dtype_is_int(v->type.dtype);
}

static bool is_scalar_bool(const Value *v)
{
    return v->type.kind == TY_TILE && v->type.rank == 0 && v->type.dtype == DT_BOOL;
}

/* a < b, as the sign of a - b */
static Sum less(Counts *c, const Value *a, const Value *b)
{
    Sum sa = value_sum(c, a), sb = value_sum(c, b), d = sum_add(c, sa, sb, -1);
    int64_t n;
    if (d.too_large)
        return too_large;
    if (sum_is_constant(&d, &n))
        return sum_constant(c, n < 0);
    Atom *x = atom_new(c, arena_format(c->arena, "lt(%s)", sum_key(c, &d)),
                       arena_format(c->arena, "[%s < %s]", sum_text(c, &sa), sum_text(c, &sb)));
    x->is_condition = true;
    x->is_opaque = sum_is_opaque(&d);
    x->loops = sum_loops(&d);
    return sum_of_atom(c, x);
}

static Sum equal(Counts *c, const Value *a, const Value *b)
{
    Sum sa = value_sum(c, a), sb = value_sum(c, b), d = sum_add(c, sa, sb, -1);
    int64_t n;
    if (d.too_large)
        return too_large;
    if (sum_is_constant(&d, &n))
        return sum_constant(c, n == 0);
    if (d.items[0].factor < 0)
        d = sum_add(c, (Sum){0}, d, -1);
    Atom *x = atom_new(c, arena_format(c->arena, "eq(%s)", sum_key(c, &d)),
                       arena_format(c->arena, "[%s == %s]", sum_text(c, &sa), sum_text(c, &sb)));
    x->is_condition = true;
    x->is_opaque = sum_is_opaque(&d);
    x->loops = sum_loops(&d);
    return sum_of_atom(c, x);
}

static Sum negate(Counts *c, Sum condition)
{
    return sum_add(c, sum_constant(c, 1), condition, -1);
}

/* condition ? a : b */
static Sum choose(Counts *c, Sum condition, Sum a, Sum b)
{
    return sum_add(c, b, sum_multiply(c, condition, sum_add(c, a, b, -1)), 1);
}

static const Sum *keep(Counts *c, Sum s)
{
    Sum *k = NEW(c->arena, Sum);
    *k = s;
    return k;
}

static Sum floor_division(Counts *c, Sum num, Sum den)
{
    int64_t n, d;
    if (num.too_large || den.too_large)
        return too_large;
    if (sum_is_constant(&den, &d) && d > 0) {
        if (sum_divides(&num, d))
            return sum_divided(c, &num, d);
        if (sum_is_constant(&num, &n))
            return sum_constant(c, n / d - (n % d < 0));
    }
    Sum top = sum_add(c, sum_add(c, num, den, -1), sum_constant(c, 1), 1);
    bool ceiling = !sum_is_constant(&num, &n) && top.count <= num.count && !top.too_large;
    char *text = ceiling
                     ? arena_format(c->arena, "cdiv(%s, %s)", sum_text(c, &top), sum_text(c, &den))
                     : arena_format(c->arena, "%s // %s", sum_operand_text(c, &num),
                                    sum_operand_text(c, &den));
    Atom *a = atom_new(c, arena_format(c->arena, "div(%s,%s)", sum_key(c, &num), sum_key(c, &den)),
                       text);
    a->infix = !ceiling;
    a->num = keep(c, num);
    a->den = keep(c, den);
    a->is_opaque = sum_is_opaque(&num) || sum_is_opaque(&den);
    a->loops = sum_loops(&num) | sum_loops(&den);
    return sum_of_atom(c, a);
}

const Value *tensor_root(const Value *v)
{
    while (v->op && v->op->nargs > 0 && v->op->code != OP_TENSOR && v->type.kind == TY_TENSOR)
        v = v->op->args[0];
    return v;
}

static bool stored_in(const Region *r, const Value *root)
{
    for (const Op *op = r->first; op; op = op->next) {
        if ((op->code == OP_STORE || op->code == OP_ATOMIC_ADD) && tensor_root(op->args[0]) == root)
            return true;
        for (int i = 0; i < op->nregions; i++)
            if (stored_in(op->regions[i], root))
                return true;
    }
    return false;
}

/* A load of a tensor that nothing changes between two reads of it. */
static bool stable_load(Counts *c, const Op *op)
{
    const Value *root = tensor_root(op->args[0]);
    if (!root->op || !root->op->tensor || root->op->tensor->alias)
        return false;
    if (root->op->tensor->dir == PARAM_IN)
        return true;
    if (!is_below_op(op->parent, c->roles))
        return false;
    for (int i = 0; i < c->roles->nregions; i++)
        if (stored_in(c->roles->regions[i], root))
            return false;
    return true;
}

static char *generic_text(Counts *c, const Op *op, const Sum *args)
{
    char *list = arena_format(c->arena, "%s", "");
    bool load = op->code == OP_LOAD;
    if (op->code == OP_CAST)
        return sum_text(c, &args[0]);
    for (int i = load ? 1 : 0; i < op->nargs; i++)
        list = arena_format(c->arena, "%s%s%s", list, i > (load ? 1 : 0) ? ", " : "",
                            sum_text(c, &args[i]));
    if (op->code == OP_MOD)
        return arena_format(c->arena, "%s %% %s", sum_operand_text(c, &args[0]),
                            sum_operand_text(c, &args[1]));
    return load ? arena_format(c->arena, "%s[%s]", sum_text(c, &args[0]), list)
                : arena_format(c->arena, "%s(%s)", op_info[op->code].name, list);
}

/* Attributes that tell two operations with equal arguments apart. */
static char *attributes_key(Counts *c, const Op *op, const Type *t)
{
    char *key = arena_format(c->arena, "%s:%d:%d:%llx:%d:%d:%d:%d", op_info[op->code].name,
                             (int)t->kind, (int)t->dtype, (unsigned long long)op->bits, op->axis,
                             (int)op->order, (int)op->round, op->exclusive);
    for (int i = 0; i < t->rank; i++)
        key = arena_format(c->arena, "%s:%lld", key, (long long)t->dims[i]);
    for (int i = 0; op->access && i < op->access->count; i++)
        key = arena_format(c->arena, "%s:%d.%lld", key, (int)op->access->axis[i].kind,
                           (long long)op->access->axis[i].extent);
    return key;
}

/* An operation on arguments of any kind: equal if all is equal. */
static Sum generic(Counts *c, const Value *v)
{
    const Op *op = v->op;
    Sum *args = NEW_ARRAY(c->arena, Sum, op->nargs);
    bool opaque_args = false;
    uint64_t loops = 0;
    char *key = arena_format(c->arena, "%s#%d", attributes_key(c, op, &v->type), v->index);
    for (int i = 0; i < op->nargs; i++) {
        args[i] = value_sum(c, op->args[i]);
        if (args[i].too_large)
            return opaque(c, v);
        opaque_args |= sum_is_opaque(&args[i]);
        loops |= sum_loops(&args[i]);
    }
    bool swap = op->nargs == 2 && strchr(op_info[op->code].flags, 'C') &&
                strcmp(sum_key(c, &args[0]), sum_key(c, &args[1])) > 0;
    for (int i = 0; i < op->nargs; i++)
        key = arena_format(c->arena, "%s,%s", key, sum_key(c, &args[swap ? 1 - i : i]));
    if (strlen(key) > 4000)
        return opaque(c, v);
    Atom *a = atom_new(c, key, generic_text(c, op, args));
    a->infix = op->code == OP_MOD;
    a->is_condition = is_scalar_bool(v);
    a->is_opaque = opaque_args;
    a->loops = loops;
    return sum_of_atom(c, a);
}

static const Value *yielded(const Region *r, int i)
{
    return r->last && r->last->code == OP_YIELD ? r->last->args[i] : NULL;
}

static Sum if_result(Counts *c, const Value *v)
{
    const Value *a = yielded(v->op->regions[0], v->index);
    const Value *b = yielded(v->op->regions[1], v->index);
    if (!a || !b)
        return a || b ? value_sum(c, a ? a : b) : opaque(c, v);
    Sum sa = value_sum(c, a), sb = value_sum(c, b);
    if (sum_equal(&sa, &sb))
        return sa;
    if (!is_scalar_int(v) && !is_scalar_bool(v))
        return opaque(c, v);
    return choose(c, value_sum(c, v->op->args[0]), sa, sb);
}

static Sum bool_operation(Counts *c, const Op *op)
{
    Sum a = value_sum(c, op->args[0]), b = value_sum(c, op->args[1]);
    Sum both = sum_multiply(c, a, b);
    if (op->code == OP_AND)
        return both;
    return sum_add(c, sum_add(c, a, b, 1), both, op->code == OP_OR ? -1 : -2);
}

static Sum operation(Counts *c, const Value *v)
{
    const Op *op = v->op;
    bool i64 = is_scalar_int(v) && v->type.dtype == DT_I64, boolean = is_scalar_bool(v);
    bool compares = boolean && op->nargs == 2 && is_scalar_int(op->args[0]);
    int64_t n;
    if (v->type.kind == TY_TILE && value_int(v, &n))
        return sum_constant(c, n);
    switch (op->code) {
    case OP_CONST:
        return boolean ? sum_constant(c, op->bits != 0) : generic(c, v);
    case OP_ADD:
    case OP_SUB:
        if (i64)
            return sum_add(c, value_sum(c, op->args[0]), value_sum(c, op->args[1]),
                           op->code == OP_ADD ? 1 : -1);
        return generic(c, v);
    case OP_NEG:
        return i64 ? sum_add(c, (Sum){0}, value_sum(c, op->args[0]), -1) : generic(c, v);
    case OP_MUL:
        return i64 ? sum_multiply(c, value_sum(c, op->args[0]), value_sum(c, op->args[1]))
                   : generic(c, v);
    case OP_FDIV:
        return i64 ? floor_division(c, value_sum(c, op->args[0]), value_sum(c, op->args[1]))
                   : generic(c, v);
    case OP_LNOT:
        return boolean ? negate(c, value_sum(c, op->args[0])) : generic(c, v);
    case OP_AND:
    case OP_OR:
    case OP_XOR:
        return boolean ? bool_operation(c, op) : generic(c, v);
    case OP_LT:
        return compares ? less(c, op->args[0], op->args[1]) : generic(c, v);
    case OP_GT:
        return compares ? less(c, op->args[1], op->args[0]) : generic(c, v);
    case OP_GE:
        return compares ? negate(c, less(c, op->args[0], op->args[1])) : generic(c, v);
    case OP_LE:
        return compares ? negate(c, less(c, op->args[1], op->args[0])) : generic(c, v);
    case OP_EQ:
        return compares ? equal(c, op->args[0], op->args[1]) : generic(c, v);
    case OP_NE:
        return compares ? negate(c, equal(c, op->args[0], op->args[1])) : generic(c, v);
    case OP_SELECT:
        if (i64 || boolean)
            return choose(c, value_sum(c, op->args[0]), value_sum(c, op->args[1]),
                          value_sum(c, op->args[2]));
        return generic(c, v);
    case OP_IF:
        return if_result(c, v);
    case OP_LOAD:
        return stable_load(c, op) ? generic(c, v) : opaque(c, v);
    default:
        return strchr(op_info[op->code].flags, 'P') ? generic(c, v) : opaque(c, v);
    }
}

static int memo_place(const Counts *c, const Value *v)
{
    int at = (int)((unsigned)v->id * 2654435761u % (unsigned)c->memo.capacity);
    while (c->memo.keys[at] && c->memo.keys[at] != v)
        at = at + 1 == c->memo.capacity ? 0 : at + 1;
    return at;
}

static void memo_grow(Counts *c)
{
    Counts old = *c;
    c->memo.capacity = old.memo.capacity ? 2 * old.memo.capacity : 64;
    c->memo.keys = NEW_ARRAY(c->arena, const Value *, c->memo.capacity);
    c->memo.sums = NEW_ARRAY(c->arena, const Sum *, c->memo.capacity);
    for (int i = 0; i < old.memo.capacity; i++)
        if (old.memo.keys[i]) {
            int at = memo_place(c, old.memo.keys[i]);
            c->memo.keys[at] = old.memo.keys[i];
            c->memo.sums[at] = old.memo.sums[i];
        }
}

static void remember(Counts *c, const Value *v, Sum s)
{
    if (2 * c->memo.count >= c->memo.capacity)
        memo_grow(c);
    int at = memo_place(c, v);
    c->memo.count += !c->memo.keys[at];
    c->memo.keys[at] = v;
    c->memo.sums[at] = keep(c, s);
}

Sum value_sum(Counts *c, const Value *v)
{
    if (c->memo.capacity) {
        int at = memo_place(c, v);
        if (c->memo.keys[at])
            return *c->memo.sums[at];
    }
    c->nesting++;
    Sum s = v->op && c->nesting < DEEPEST ? operation(c, v) : opaque(c, v);
    c->nesting--;
    if (s.too_large)
        s = opaque(c, v);
    remember(c, v, s);
    return s;
}

/* Loops */

static void name_index(Counts *c, const Value *v, int part)
{
    const char *key = arena_format(c->arena, "#%d.%d", c->depth, part);
    Atom *a = atom_new(c, key, v->name ? v->name : key);
    a->loops = (uint64_t)1 << (c->depth < 63 ? c->depth : 63);
    remember(c, v, sum_of_atom(c, a));
}

void enter_loop(Counts *c, const Op *loop)
{
    const Region *body = loop->regions[loop->nregions - 1];
    int n = loop->code == OP_SHARE ? loop->nregions - 1 : 1;
    for (int i = 0; i < n; i++) {
        name_index(c, body->args[i], i);
        for (int k = 0; loop->code == OP_SHARE && k < i; k++)
            name_index(c, loop->regions[i]->args[k], k);
    }
    c->depth++;
}

void leave_loop(Counts *c)
{
    c->depth--;
}

/* The rounds from `lo` to `hi` by `step`: cdiv(hi - lo, step), and 0 where that is negative. */
static Sum trips(Counts *c, Sum lo, Sum hi, Sum step)
{
    Sum d = sum_add(c, hi, lo, -1);
    int64_t s = 0, n = 0;
    bool fixed = sum_is_constant(&step, &s) && s > 0;
    if (d.too_large || step.too_large)
        return too_large;
    if (fixed && s > 1 && sum_divides(&d, s)) {
        d = sum_divided(c, &d, s);
        step = sum_constant(c, s = 1);
    }
    if (fixed && sum_is_constant(&d, &n))
        return sum_constant(c, n <= 0 ? 0 : n / s + (n % s != 0));
    const Atom *only = d.count == 1 && d.items[0].factor == 1 && d.items[0].count == 1
                           ? d.items[0].atoms[0]
                           : NULL;
    int64_t den;
    if (fixed && s == 1 && only && only->num && sum_is_constant(only->den, &den) && den > 0) {
        step = *only->den; /* 0..cdiv(x, n) is 0..x by n */
        s = den;
        d = sum_add(c, *only->num, sum_constant(c, den - 1), -1);
    }
    char *text = fixed && s == 1
                     ? sum_text(c, &d)
                     : arena_format(c->arena, "cdiv(%s, %s)", sum_text(c, &d), sum_text(c, &step));
    Atom *a = atom_new(c, arena_format(c->arena, "trips(%s,%s)", sum_key(c, &d), sum_key(c, &step)),
                       text);
    a->is_trip = true;
    a->infix = fixed && s == 1 && sum_is_compound(&d);
    a->is_opaque = sum_is_opaque(&d) || sum_is_opaque(&step);
    a->loops = sum_loops(&d) | sum_loops(&step);
    return sum_of_atom(c, a);
}

static char *range_key(Counts *c, const Op *loop, uint64_t *loops, bool *opaque_range)
{
    char *key = arena_format(c->arena, "%s", op_info[loop->code].name);
    int n = loop->code == OP_SHARE ? loop->nregions - 1 : 1;
    for (int i = 0; i < n; i++) {
        Value *const *v = loop->code == OP_FOR ? loop->args : loop->regions[i]->last->args;
        for (int k = 0; k < 3; k++) {
            Sum s = value_sum(c, v[k]);
            *loops |= sum_loops(&s);
            *opaque_range |= sum_is_opaque(&s);
            key = arena_format(c->arena, "%s%s%s", key, k ? "," : ";", sum_key(c, &s));
        }
    }
    for (int i = 0; loop->code == OP_SHARE && i < 2; i++) {
        Sum s = value_sum(c, loop->args[i]);
        *loops |= sum_loops(&s);
        *opaque_range |= sum_is_opaque(&s);
        key = arena_format(c->arena, "%s|%s", key, sum_key(c, &s));
    }
    return key;
}

Sum loop_trips(Counts *c, const Op *loop)
{
    if (loop->code == OP_FOR)
        return trips(c, value_sum(c, loop->args[0]), value_sum(c, loop->args[1]),
                     value_sum(c, loop->args[2]));
    uint64_t loops = 0;
    bool is_opaque = false;
    const char *key = range_key(c, loop, &loops, &is_opaque);
    Sum part = value_sum(c, loop->args[0]), parts = value_sum(c, loop->args[1]);
    const Value *index = loop->regions[loop->nregions - 1]->args[0];
    Atom *a = atom_new(c, arena_format(c->arena, "share(%s)", key),
                       arena_format(c->arena, "points of (%s ..) for (%s, %s)",
                                    index->name ? index->name : "i", sum_text(c, &part),
                                    sum_text(c, &parts)));
    a->is_trip = true;
    a->is_opaque = is_opaque;
    a->loops = loops & ~((uint64_t)1 << (c->depth < 63 ? c->depth : 63));
    return sum_of_atom(c, a);
}

/* The factors of a product that depend on the loop, added up over its rounds: one atom. */
static const Atom *total_atom(Counts *c, const Op *loop, const Product *p, uint64_t bit)
{
    Sum inner = sum_constant(c, 1);
    for (int i = 0; i < p->count; i++)
        if (p->atoms[i]->loops & bit)
            inner = sum_multiply(c, inner, sum_of_atom(c, p->atoms[i]));
    uint64_t loops = sum_loops(&inner);
    bool is_opaque = sum_is_opaque(&inner);
    const char *range = range_key(c, loop, &loops, &is_opaque);
    const Value *index = loop->regions[loop->nregions - 1]->args[0];
    Sum rounds = loop_trips(c, loop);
    Atom *a = atom_new(
        c, arena_format(c->arena, "total%d(%s)(%s)", c->depth, range, sum_key(c, &inner)),
        arena_format(c->arena, "(%s for each %s of %s)", sum_text(c, &inner),
                     index->name ? index->name : "round", sum_text(c, &rounds)));
    a->is_opaque = is_opaque;
    a->loops = loops & ~bit;
    return a;
}

Sum loop_total(Counts *c, const Op *loop, Sum each)
{
    uint64_t bit = (uint64_t)1 << (c->depth < 63 ? c->depth : 63);
    Sum total = {0}, rounds = loop_trips(c, loop);
    if (each.too_large)
        return too_large;
    for (int i = 0; i < each.count; i++) {
        const Product *p = &each.items[i];
        Sum rest = sum_constant(c, p->factor);
        bool depends = false;
        for (int k = 0; k < p->count; k++) {
            depends |= (p->atoms[k]->loops & bit) != 0;
            if (!(p->atoms[k]->loops & bit))
                rest = sum_multiply(c, rest, sum_of_atom(c, p->atoms[k]));
        }
        Sum sum = depends ? sum_of_atom(c, total_atom(c, loop, p, bit)) : rounds;
        total = sum_add(c, total, sum_multiply(c, rest, sum), 1);
    }
    return total;
}
