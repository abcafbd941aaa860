/* histogram and occurrence in CUDA: counts of equal elements. */
#include "compiler/cuda_order.h"

static bool one_thread(ThreadUnit unit)
{
    return unit.lanes == 1;
}

static void count_in_registers(Cuda *c, const Held *h, const Held *bins)
{
    int64_t n = layout_span(&bins->layout, OWN_REG), m = layout_span(&h->layout, OWN_REG);
    line(c, "TILE_EACH(r, %lld) %s[r] = 0;", (long long)n, bins->name);
    if (type_elements(&h->type) == 0)
        return;
    line(c, "TILE_EACH(r, %lld) TILE_EACH(j, %lld) %s[r] += %s[j] == %s;", (long long)n,
         (long long)m, bins->name, h->name, coordinate(c, &bins->layout, 0, "r"));
}

/* Counters in shared memory; the order of the additions does not matter. */
static void count_in_shared(Cuda *c, const Held *h, const Held *bins)
{
    int64_t n = bins->type.dims[0], m = layout_span(&h->layout, OWN_REG);
    ThreadUnit u = c->plan->unit;
    const char *x = h->name;
    char *when = both(c, one_holder(c, &h->layout), holds_text(c, &h->layout, "r"));
    if (dtype_is_signed(h->type.dtype))
        when = both(c, when, format_text(c, "%s[r] >= 0", x));
    when = both(c, when, format_text(c, "%s[r] < %lld", x, (long long)n));
    Buffer *b = shared_tile(c, "bins", &bins->type);
    buffer_write(c, b);
    line(c, "for (int i = warp * %d + lane; i < %lld; i += %d) tile_shared_store_i32(%s + i, 0);",
         u.lanes, (long long)n, u.warps * u.lanes, b->name);
    buffer_write(c, b);
    line(c, "TILE_EACH(r, %lld) if (%s) tile_shared_atomic_add_i32(%s + %s[r], 1);", (long long)m,
         when, b->name, x);
    shared_get(c, bins, b);
}

bool cuda_histogram(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    int64_t classes = r->type.dims[0];
    if (census_fits(c->plan->unit, classes) && !is_uniform(r)) {
        const Census *k = census_of(c, op->args[0], classes);
        if (k)
            return census_counts(c, k, r);
    }
    Held h, bins = {.type = r->type};
    bins.type.dtype = DT_I32;
    if (!hold(c, op->args[0], NULL, &h))
        return false;
    if (!is_uniform(r))
        bins.layout = *layout_of(c, r);
    bins.name = new_name(c, r, "counts");
    line(c, "int32_t %s[%lld];", bins.name, (long long)layout_span(&bins.layout, OWN_REG));
    if (one_thread(c->plan->unit) || type_elements(&h.type) == 0)
        count_in_registers(c, &h, &bins);
    else
        count_in_shared(c, &h, &bins);
    give_result(c, r, bins.name, &bins.layout);
    return true;
}

static void occur_in_registers(Cuda *c, const Held *h, const char *name, const char *at)
{
    Digits d = {0};
    element_digits(c, &h->layout, 0, "j", &d);
    line(c, "TILE_EACH(j, %lld) TILE_EACH(r, %lld) %s[r] += j < %s && %s[%s] == %s[r];",
         (long long)h->type.dims[0], (long long)layout_span(&h->layout, OWN_REG), name, at, h->name,
         register_text(c, &h->layout, &d), h->name);
}

/* Up to the thread's last element: the others ask nobody behind them. */
static void occur_in_shared(Cuda *c, const Held *h, const char *name, const char *at)
{
    long long m = layout_span(&h->layout, OWN_REG);
    Buffer *b = shared_tile(c, "line", &h->type);
    const char *last = new_temp(c, "last");
    shared_put(c, h, b);
    line(c, "int %s = 0;", last);
    const char *held = holds_text(c, &h->layout, "r");
    const char *when = *held ? format_text(c, "if (%s) ", held) : "";
    line(c, "TILE_EACH(r, %lld) %s%s = tile_max_i32(%s, %s);", m, when, last, last, at);
    buffer_read(c, b);
    open_block(c, STATEMENT_BLOCK, "for (int j = 0; j < %s; j++)", last);
    line(c, "const %s other = tile_shared_load_%s(%s + j);", c_type(h->type.dtype),
         carrier(h->type.dtype), b->name);
    line(c, "TILE_EACH(r, %lld) %s[r] += j < %s && other == %s[r];", m, name, at, h->name);
    close_block(c);
}

static bool occur_by_class(Cuda *c, const Op *op, const Layout *order)
{
    const Value *r = op->results[0];
    const Census *k = take_census(c, op->args[0], order, (int64_t)op->bits);
    if (!k)
        return false;
    const char *name = new_name(c, r, "occurs");
    long long n = layout_span(&k->held.layout, OWN_REG);
    line(c, "int32_t %s[%lld];", name, n);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s ? %s[r] : 0;", n, name,
         counts_text(c, &k->held, k->classes), k->earlier);
    give_result(c, r, name, &k->held.layout);
    return true;
}

bool cuda_occurrence(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    Layout order;
    if (op->bits && census_fits(c->plan->unit, (int64_t)op->bits) &&
        census_layout(&op->args[0]->type, c->plan->unit, &order) && !is_uniform(r))
        return occur_by_class(c, op, &order);
    Held h;
    if (!hold(c, op->args[0], NULL, &h))
        return false;
    long long m = layout_span(&h.layout, OWN_REG);
    const char *name = new_name(c, r, "earlier");
    char *at = coordinate(c, &h.layout, 0, "r");
    line(c, "int32_t %s[%lld];", name, m);
    line(c, "TILE_EACH(r, %lld) %s[r] = 0;", m, name);
    if (one_thread(c->plan->unit))
        occur_in_registers(c, &h, name, at);
    else if (h.type.dims[0] > 0)
        occur_in_shared(c, &h, name, at);
    if (op->bits)
        line(c, "TILE_EACH(r, %lld) %s[r] = %s ? %s[r] : 0;", m, name,
             counts_text(c, &h, (int64_t)op->bits), name);
    give_result(c, r, name, &h.layout);
    return true;
}
