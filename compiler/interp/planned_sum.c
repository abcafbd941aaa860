/* Sums in the order of a plan (ir.h: SumPlan): threads add their elements, then lanes, then warps.
 *
 * A line is [n, inner]: `inner` independent sums, added side by side. The threads' values lie in
 * scratch as [warp][lane][inner], first digits fastest. */
#include "compiler/interp/reduce.h"
#include "compiler/interp/shape.h"
#include "runtime/numerics/bits.h"
#include "runtime/numerics/math.h"
#include "runtime/numerics/vector.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

typedef struct Threads {
    Lines lines;
    SumPlan plan;
    int64_t lanes, count;
    const int64_t *first; /* of each thread, its first element along the axis */
    bool stretched[2];    /* factors of a fused product that are not of its shape */
    Stretch factor[2];
    int64_t elements; /* of the product */
    Slot before;      /* of a sum_part: the parts so far */
} Threads;

/* Adds n rows, `step` elements apart, to one thread's row. */
static void add_rows(float *restrict sum, const float *restrict x, int64_t n, int64_t step,
                     int64_t inner)
{
    if (inner == 1) {
        float total = *sum;
        for (int64_t i = 0; i < n; i++)
            total += x[i * step];
        *sum = total;
        return;
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < inner; j++)
            sum[j] += x[i * step + j];
}

static void add_products(float *sum, const float *a, const float *b, int64_t n, int64_t step,
                         int64_t inner)
{
    for (int64_t i = 0; i < n; i++, a += step, b += step) {
        if (inner == 1)
            *sum = tile_fma(*a, *b, *sum);
        else
            tile_vfma(sum, a, b, sum, (size_t)inner);
    }
}

/* How many of n elements, `step` apart from `at` on, are in the line. */
static int64_t inside(const Threads *t, int64_t at, int64_t n, int64_t step)
{
    int64_t room = t->lines.n - at;
    if (room <= 0)
        return 0;
    return step && (room + step - 1) / step < n ? (room + step - 1) / step : n;
}

/* The elements that a thread's digit of registers `digit` and those before it reach from element
 * `base` on: the first digit is the innermost loop, in which all threads take their turn. Elements
 * beyond the line are none. */
static void add_registers(const Threads *t, int digit, float *sum, const float *a, const float *b,
                          int64_t base)
{
    const SumPlan *plan = &t->plan;
    int64_t inner = t->lines.inner, n = 1, stride = 0;
    if (digit >= 0) {
        n = plan->digits[digit].extent;
        stride = plan->digits[digit].stride;
    }
    if (digit > 0) {
        for (int64_t i = 0; i < n; i++)
            add_registers(t, digit - 1, sum, a, b, base + i * stride);
        return;
    }
    for (int64_t k = 0; k < t->count; k++) {
        int64_t first = base + t->first[k], at = first * inner, m = inside(t, first, n, stride);
        if (b)
            add_products(sum + k * inner, a + at, b + at, m, stride * inner, inner);
        else
            add_rows(sum + k * inner, a + at, m, stride * inner, inner);
    }
}

/* Partners in a lane digit add pairwise, bit 1 first, and digits follow each other: neighbours
 * first over all lanes, whose number is a power of two. */
static void add_lanes(float *restrict sum, int64_t rows, int64_t lanes, int64_t inner)
{
    for (; lanes > 1; lanes /= 2) {
        rows /= 2;
        for (int64_t k = 0; k < rows; k++)
            for (int64_t j = 0; j < inner; j++)
                sum[k * inner + j] = sum[2 * k * inner + j] + sum[(2 * k + 1) * inner + j];
    }
}

static void add_warps(const Threads *t, float *restrict sum)
{
    int64_t inner = t->lines.inner, rows = t->count / t->lanes;
    for (int d = 0; d < t->plan.count; d++) {
        const SumDigit *digit = &t->plan.digits[d];
        if (digit->owner != OWN_WARP)
            continue;
        rows /= digit->extent;
        for (int64_t k = 0; k < rows; k++)
            for (int64_t j = 0; j < inner; j++) {
                float total = sum[k * digit->extent * inner + j];
                for (int64_t w = 1; w < digit->extent; w++)
                    total += sum[(k * digit->extent + w) * inner + j];
                sum[k * inner + j] = total;
            }
    }
}

/* A fused product's factor in the product's shape; *room moves behind what it takes. */
static const float *factor(const Threads *t, int i, const char *from, float **room)
{
    if (!t->stretched[i])
        return (const float *)(const void *)from;
    float *to = *room;
    *room += t->elements;
    stretch_tile(&t->factor[i], (char *)to, from);
    return to;
}

/* How many of the digits, which stand first, are of registers. */
static int register_digits(const Threads *t)
{
    int n = t->plan.count;
    while (n && t->plan.digits[n - 1].owner != OWN_REG)
        n--;
    return n;
}

static void run_planned_sum(Task *task, const Insn *i)
{
    const Threads *t = i->plan;
    const Lines *l = &t->lines;
    float *y = slot_pointer(task, i->dst), *sum = (float *)(void *)task->scratch;
    float *room = sum + t->count * l->inner;
    const float *a = slot_pointer(task, i->arg[0]), *b = NULL;
    if (t->plan.fused) {
        a = factor(t, 0, slot_pointer(task, i->arg[1]), &room);
        b = factor(t, 1, slot_pointer(task, i->arg[2]), &room);
    }
    for (int64_t o = 0; o < l->outer; o++, a += l->n * l->inner, y += l->inner) {
        memset(sum, 0, (size_t)(t->count * l->inner) * sizeof *sum);
        add_registers(t, register_digits(t) - 1, sum, a, b, 0);
        add_lanes(sum, t->count, t->lanes, l->inner);
        add_warps(t, sum);
        for (int64_t j = 0; j < l->inner; j++)
            y[j] = tile_canonical(sum[j]);
        b = b ? b + l->n * l->inner : NULL;
    }
}

/* The digits of one owner, in order, behind those that are in `to`. */
static void take_digits(SumPlan *to, const SumPlan *from, Owner owner)
{
    for (int i = 0; i < from->count; i++)
        if (from->digits[i].owner == owner)
            to->digits[to->count++] = from->digits[i];
}

/* Registers first, then lanes and warps, whose digits give each thread its first element. */
static void plan_threads(Arena *arena, Threads *t, const SumPlan *plan)
{
    t->plan.digits = NEW_ARRAY(arena, SumDigit, plan->count);
    t->plan.fused = plan->fused;
    take_digits(&t->plan, plan, OWN_REG);
    take_digits(&t->plan, plan, OWN_LANE);
    take_digits(&t->plan, plan, OWN_WARP);
    t->lanes = t->count = 1;
    for (int i = 0; i < plan->count; i++) {
        t->lanes *= plan->digits[i].owner == OWN_LANE ? plan->digits[i].extent : 1;
        t->count *= plan->digits[i].owner != OWN_REG ? plan->digits[i].extent : 1;
    }
    int64_t *first = NEW_ARRAY(arena, int64_t, t->count);
    for (int64_t k = 0; k < t->count; k++) {
        int64_t rest = k;
        for (int i = 0; i < t->plan.count; i++) {
            const SumDigit *d = &t->plan.digits[i];
            if (d->owner == OWN_REG)
                continue;
            first[k] += rest % d->extent * d->stride;
            rest /= d->extent;
        }
    }
    t->first = first;
}

/* The threads' sums go on: [outer, threads, inner] before, the same after. */
static void run_sum_part(Task *task, const Insn *i)
{
    const Threads *t = i->plan;
    const Lines *l = &t->lines;
    float *sum = slot_pointer(task, i->dst), *room = (float *)(void *)task->scratch;
    const float *a = slot_pointer(task, i->arg[0]), *b = NULL;
    const float *before = slot_pointer(task, t->before);
    int64_t parts = t->count * l->inner;
    if (t->plan.fused) {
        a = factor(t, 0, slot_pointer(task, i->arg[1]), &room);
        b = factor(t, 1, slot_pointer(task, i->arg[2]), &room);
    }
    for (int64_t o = 0; o < l->outer; o++, a += l->n * l->inner, sum += parts, before += parts) {
        memmove(sum, before, (size_t)parts * sizeof *sum);
        add_registers(t, register_digits(t) - 1, sum, a, b, 0);
        for (int64_t j = 0; j < parts; j++)
            sum[j] = tile_canonical(sum[j]);
        b = b ? b + l->n * l->inner : NULL;
    }
}

void emit_planned_sum(Preparer *p, const Op *op)
{
    Threads *t = NEW(&p->m->arena, Threads);
    const Value *arg = op->args[0];
    bool part = op->code == OP_SUM_PART;
    Insn *i = emit_plain(p, part ? run_sum_part : run_planned_sum, op);
    i->plan = t;
    if (part)
        t->before = slot_of(p, op->args[1]);
    t->lines = plan_lines(&arg->type, op->axis);
    t->elements = type_elements(&arg->type);
    plan_threads(&p->m->arena, t, op->plan);
    int64_t room = t->count * t->lines.inner;
    for (int f = 0; op->plan->fused && f < 2; f++) {
        const Value *v = arg->op->args[f];
        i->arg[1 + f] = slot_of(p, v);
        t->stretched[f] = !type_equal(&v->type, &arg->type);
        t->factor[f] = stretch_plan(&v->type, &arg->type);
        room += t->stretched[f] ? t->elements : 0;
    }
    need_scratch(p, (size_t)room * sizeof(float));
}
