/* The raster of programs: which indices a program's number stands for. The last range runs fastest;
 * with `grid group(n)` n numbers of the range before it run together, that range fastest. */
#include "compiler/cuda.h"

const char *cuda_number_type(Cuda *c)
{
    bool small = c->plan->pack == 1 && !c->rounds;
    c->indexed |= small;
    return small ? "tile_index" : "int64_t";
}

static void print_index(Cuda *c, const Value *index, const Value *lo, const Value *step,
                        const char *number)
{
    int64_t n;
    char *text = format_text(c, "%s", number);
    if (!value_int(step, &n) || n != 1)
        text = format_text(c, "%s * %s", number, c_name(c, step));
    if (!value_int(lo, &n) || n != 0)
        text = format_text(c, "%s + %s", c_name(c, lo), text);
    bool natural = held(c, index) == DT_INDEX && c->ranges.of[index->id].lo >= 0;
    line(c, natural ? "const %s %s = tile_natural(%s);" : "const %s %s = %s;",
         c_type(held(c, index)), c_name(c, index), text);
}

/* number / by and the rest, as C expressions. */
typedef struct Division {
    const char *quotient, *by;
    bool divisor; /* the host knows `by`, and how to multiply instead */
} Division;

static Division division(Cuda *c, const char *number, const Number *by, const char *field,
                         const char *type, bool small)
{
    if (by->known || by->node < 0)
        return (Division){format_text(c, "%s / %s", number, by->text), by->text, false};
    const char *d = host_divisor(c->host, by->node, field);
    const char *way = small ? "u32((uint32_t)" : "i64((int64_t)";
    return (Division){format_text(c, "tile_divide_%s%s, %s)", way, number, d),
                      format_text(c, "(%s)%s.divisor", type, d), true};
}

static char *rest_text(Cuda *c, const char *number, const char *q, const Division *d)
{
    return d->divisor ? format_text(c, "%s - %s * %s", number, q, d->by)
                      : format_text(c, "%s %% %s", number, d->by);
}

/* The product, and the rest of a division, of what may be known. */
static Number number_from(Cuda *c, int64_t value, int node)
{
    return (Number){format_text(c, "%lld", (long long)value), true, value, node};
}

/* How many programs a group has. A group is never longer than its range, so that it has less than
 * 2^31 where all programs together have. */
static Number group_points(Cuda *c, const Number *rows, const Number *columns)
{
    Host *h = c->host;
    int64_t n = c->plan->group;
    if (rows->known && columns->known)
        return number_from(c, (rows->value < n ? rows->value : n) * columns->value, -1);
    if (rows->node < 0 || columns->node < 0)
        return (Number){format_text(c, "(%lld * %s)", (long long)n, columns->text), false, 0, -1};
    int least = host_node(h, TILE_NODE_MIN, TILE_I64, rows->node, host_constant(h, n), 0);
    return (Number){NULL, false, 0, host_node(h, TILE_NODE_MUL, TILE_I64, least, columns->node, 0)};
}

/* How many rows the last group has where it is a smaller one. */
static Number last_rows(Cuda *c, const Number *rows, const char *all, const char *first)
{
    Host *h = c->host;
    int64_t n = c->plan->group;
    if (rows->known)
        return number_from(c, rows->value % n, -1);
    if (rows->node < 0)
        return (Number){format_text(c, "(%s - %s)", all, first), false, 0, -1};
    return (Number){NULL, false, 0,
                    host_node(h, TILE_NODE_MOD, TILE_I64, rows->node, host_constant(h, n), 0)};
}

/* The indices of ranges i and i + 1, of which all before have been taken out of `number`. */
static void split_group(Cuda *c, const char *number, int i, const Number *count, const char *type,
                        bool small)
{
    const Op *par = c->plan->par;
    const Region *body = par->regions[par->nregions - 1];
    Value *const *y = par->regions[i]->last->args, *const *z = par->regions[i + 1]->last->args;
    const char *row = c_name(c, body->args[i]), *column = c_name(c, body->args[i + 1]);
    int n = c->plan->group;
    Number points = group_points(c, &count[i], &count[i + 1]);
    Division d = division(c, number, &points, format_text(c, "%s_group_points", row), type, small);
    const char *group = new_temp(c, format_text(c, "%s_group", row));
    const char *inside = new_temp(c, "in_group"),
               *first = new_temp(c, format_text(c, "%s_first", row));
    line(c, "const %s %s = %s, %s = %s, %s = %s * %d;", type, group, d.quotient, inside,
         rest_text(c, number, group, &d), first, group, n);
    const char *in_row = new_temp(c, format_text(c, "%s_number", row));
    const char *in_column = new_temp(c, format_text(c, "%s_number", column));
    const char *q = format_text(c, "%s / %d", inside, n), *by = format_text(c, "%d", n);
    if (!count[i].known || count[i].value % n) {
        const char *all = count[i].text;
        if (!all)
            all = format_text(
                c, "(%s)%s", type,
                host_number(c->host, count[i].node, "int64_t", format_text(c, "%s_numbers", row)));
        Number rows = last_rows(c, &count[i], all, first);
        Division end = division(c, inside, &rows, format_text(c, "%s_last_rows", row), type, small);
        const char *whole = new_temp(c, "whole");
        line(c, "const bool %s = %s + %d <= %s; // the last group may be smaller", whole, first, n,
             all);
        q = format_text(c, "%s ? %s : %s", whole, q, end.quotient);
        by = format_text(c, "(%s ? %s : %s)", whole, by, end.by);
    }
    line(c, "const %s %s = %s;", type, in_column, q);
    line(c, "const %s %s = %s + %s - %s * %s;", type, in_row, first, inside, in_column, by);
    print_index(c, body->args[i + 1], z[0], z[2], in_column);
    print_index(c, body->args[i], y[0], y[2], in_row);
}

/* What is left of `number` behind the points that run faster; their number gets the name `of`. */
static const char *take_off(Cuda *c, const char *number, const Number *points, const char *field,
                            const char *of, const char *type, bool small)
{
    const char *q = new_temp(c, "rest");
    Division d = division(c, number, points, field, type, small);
    line(c, "const %s %s = %s, %s = %s;", type, q, d.quotient, of, rest_text(c, number, q, &d));
    return q;
}

/* The number of the points of two ranges. */
static Number product(Cuda *c, const Number *a, const Number *b)
{
    if (a->known && b->known)
        return number_from(c, a->value * b->value, -1);
    if (a->node < 0 || b->node < 0)
        return (Number){format_text(c, "(%s * %s)", a->text, b->text), false, 0, -1};
    return (Number){NULL, false, 0,
                    host_node(c->host, TILE_NODE_MUL, TILE_I64, a->node, b->node, 0)};
}

bool cuda_split_number(Cuda *c, const char *number, int from, const Number *count, bool small)
{
    const Op *par = c->plan->par;
    const Region *body = par->regions[par->nregions - 1];
    const char *rest = number, *type = small ? cuda_number_type(c) : "int64_t";
    int last = par->nregions - 2;
    if (c->plan->group) {
        last -= 2;
        if (last + 1 < from)
            return diag_error(c->low->diag, c->plan->grouped->pos, NULL,
                              "group(n) is about the last two ranges of a par, and here no two can "
                              "be counted together");
        const char *pair = rest;
        if (last >= from) {
            Number points = product(c, &count[last + 1], &count[last + 2]);
            pair = new_temp(c, "pair");
            rest = take_off(c, rest, &points, "pairs", pair, type, small);
        }
        split_group(c, pair, last + 1, count, type, small);
    }
    for (int i = last; i >= from; i--) {
        Value *const *y = par->regions[i]->last->args;
        const char *name = c_name(c, body->args[i]), *m = rest;
        if (i > from) {
            m = new_temp(c, format_text(c, "%s_number", name));
            rest = take_off(c, rest, &count[i], format_text(c, "%s_count", name), m, type, small);
        }
        print_index(c, body->args[i], y[0], y[2], m);
    }
    return true;
}
