/* The way of a tile from one layout to another: by naming registers anew where every thread has
 * what it needs, by shuffles where its warp has it, else through shared memory.
 *
 * Through shared memory both sides move vectors where their registers allow, and the tile lies
 * there in a swizzle that is found by trying: the one with the fewest bank conflicts.
 */
#include <string.h>

#include "compiler/cuda.h"

void buffer_write(Cuda *c, Buffer *b)
{
    statement_effect(&c->out, (Effect){.buffer = b, .write = true});
}

void buffer_read(Cuda *c, Buffer *b)
{
    statement_effect(&c->out, (Effect){.buffer = b});
}

char *vector_register(Cuda *c, const Layout *l, const Vectors *v, const char *o)
{
    if (v->mode < 0)
        return format_text(c, "%s", o);
    int64_t before = vector_step(l, v);
    if (before == 1)
        return format_text(c, "%s * %lld", o, (long long)v->n);
    return format_text(c, "%s / %lld * %lld + %s %% %lld", o, (long long)before,
                       (long long)(before * v->n), o, (long long)before);
}

/* ---- within a thread ---- */

/* Writes to[i] = from[k] for every register; false: some register is not in this thread. */
static bool permute(Cuda *c, const Type *t, const char *from, const Layout *a, const char *to,
                    const Layout *b)
{
    int64_t n = layout_span(b, OWN_REG), m = layout_span(a, OWN_REG);
    for (int64_t i = 0; i < n; i++) {
        int64_t k = 0;
        for (; k < m; k++) {
            bool same = true;
            for (int d = 0; same && d < t->rank; d++)
                same = layout_index(a, d, k, 0, 0) == layout_index(b, d, i, 0, 0);
            if (same)
                break;
        }
        if (k == m)
            return false;
        line(c, "%s[%lld] = %s[%lld];", to, (long long)i, from, (long long)k);
    }
    return true;
}

/* ---- within a warp ----
 *
 * Where all extents are powers of two, a layout says for each bit of the register number and of the
 * lane which bit of which dim it is. Bits that are in registers on one side and in lanes on the
 * other change places, pair by pair; then one shuffle brings each register from its lane. */

enum { MOST_BITS = 16 };

typedef struct Bit {
    int dim, at; /* bit `at` of the index along dim; dim -1: replication */
} Bit;
typedef struct Bits {
    int count;
    Bit bit[MOST_BITS];
} Bits;

static bool same_bit(Bit a, Bit b)
{
    return a.dim >= 0 && a.dim == b.dim && a.at == b.at;
}

static int log_of(int64_t n)
{
    int k = 0;
    while ((int64_t)1 << k < n)
        k++;
    return (int64_t)1 << k == n ? k : -1;
}

static bool list_bits(const Layout *l, Owner owner, Bits *out)
{
    out->count = 0;
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != (int)owner)
            continue;
        int n = log_of(m->extent), at = m->dim < 0 ? 0 : log_of(m->stride);
        if (n < 0 || at < 0 || out->count + n > MOST_BITS)
            return false;
        for (int k = 0; k < n; k++)
            out->bit[out->count++] = (Bit){m->dim, at + k};
    }
    return true;
}

static int find_bit(const Bits *bits, Bit b)
{
    for (int i = 0; i < bits->count; i++)
        if (same_bit(bits->bit[i], b))
            return i;
    return -1;
}

typedef struct Exchange {
    Cuda *c;
    const char *type, *suffix, *name; /* the array in work */
    Bits reg, lane;                   /* what it holds now */
} Exchange;

static void next_array(Exchange *x, int64_t n)
{
    x->name = new_temp(x->c, "swapped");
    line(x->c, "%s %s[%lld];", x->type, x->name, (long long)n);
}

/* Register bit r and lane bit l change places: one of each pair of registers crosses. */
static void swap_bits(Exchange *x, int r, int l)
{
    Cuda *c = x->c;
    const char *from = x->name;
    int64_t n = (int64_t)1 << x->reg.count, step = (int64_t)1 << r;
    next_array(x, n);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(i, %lld)", (long long)(n / 2));
    line(c, "const int lo = i / %lld * %lld + i %% %lld, hi = lo + %lld;", (long long)step,
         (long long)(2 * step), (long long)step, (long long)step);
    line(c, "const bool upper = lane & %d;", 1 << l);
    line(c, "const %s other = tile_shuffle_xor_%s(upper ? %s[lo] : %s[hi], %d);", x->type,
         x->suffix, from, from, 1 << l);
    line(c, "%s[lo] = upper ? other : %s[lo], %s[hi] = upper ? %s[hi] : other;", x->name, from,
         x->name, from);
    close_block(c);
    Bit b = x->reg.bit[r];
    x->reg.bit[r] = x->lane.bit[l];
    x->lane.bit[l] = b;
}

/* A register bit goes to a lane bit that replicates: each lane keeps its half. */
static void scatter_bit(Exchange *x, int r, int l)
{
    Cuda *c = x->c;
    const char *from = x->name;
    int64_t n = (int64_t)1 << x->reg.count, step = (int64_t)1 << r;
    next_array(x, n / 2);
    line(c,
         "TILE_EACH(i, %lld) %s[i] = lane & %d ? %s[i / %lld * %lld + i %% %lld + %lld] : "
         "%s[i / %lld * %lld + i %% %lld];",
         (long long)(n / 2), x->name, 1 << l, from, (long long)step, (long long)(2 * step),
         (long long)step, (long long)step, from, (long long)step, (long long)(2 * step),
         (long long)step);
    x->lane.bit[l] = x->reg.bit[r];
    for (int i = r; i + 1 < x->reg.count; i++)
        x->reg.bit[i] = x->reg.bit[i + 1];
    x->reg.count--;
}

/* A lane bit goes to a new register bit, the last: both lanes have both. */
static void gather_bit(Exchange *x, int l)
{
    Cuda *c = x->c;
    const char *from = x->name;
    int64_t n = (int64_t)1 << x->reg.count;
    next_array(x, 2 * n);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(i, %lld)", (long long)n);
    line(c, "const bool upper = lane & %d;", 1 << l);
    line(c, "const %s other = tile_shuffle_xor_%s(%s[i], %d);", x->type, x->suffix, from, 1 << l);
    line(c, "%s[i] = upper ? other : %s[i], %s[i + %lld] = upper ? %s[i] : other;", x->name, from,
         x->name, (long long)n, from);
    close_block(c);
    x->reg.bit[x->reg.count++] = x->lane.bit[l];
    x->lane.bit[l] = (Bit){-1, 0};
}

/* Lanes in the wanted order: each register from the lane that has it. */
static void permute_lanes(Exchange *x, const Bits *want)
{
    Cuda *c = x->c;
    char *source = format_text(c, "0");
    bool same = true;
    for (int i = 0; i < x->lane.count; i++) {
        int at = find_bit(want, x->lane.bit[i]);
        same &= x->lane.bit[i].dim < 0 || at == i;
        if (at >= 0)
            source = sum_of(c, source, format_text(c, "(lane >> %d & 1) * %d", at, 1 << i));
    }
    if (same)
        return;
    const char *from = x->name;
    int64_t n = (int64_t)1 << x->reg.count;
    next_array(x, n);
    line(c, "TILE_EACH(i, %lld) %s[i] = tile_shuffle_%s(%s[i], %s);", (long long)n, x->name,
         x->suffix, from, absolute_lane(c, source));
    x->lane = *want;
}

/* How many shuffles it takes; -1: these layouts cannot. */
static int shuffles(const Layout *a, const Layout *b)
{
    Bits ra, la, rb, lb;
    if (layout_is_masked(a) || layout_is_masked(b) || !list_bits(a, OWN_REG, &ra) ||
        !list_bits(a, OWN_LANE, &la) || !list_bits(b, OWN_REG, &rb) ||
        !list_bits(b, OWN_LANE, &lb) || la.count != lb.count)
        return -1;
    int out = 0, in = 0, regs = 1 << ra.count;
    for (int i = 0; i < ra.count; i++)
        if (find_bit(&rb, ra.bit[i]) < 0)
            out++;
    for (int i = 0; i < rb.count; i++)
        if (find_bit(&ra, rb.bit[i]) < 0)
            in++;
    int swaps = out < in ? out : in;
    return swaps * regs / 2 + (in > out ? regs << (in - out - 1) : 0) + (1 << rb.count);
}

static bool same_warps(const Layout *a, const Layout *b)
{
    Layout x = {0}, y = {0};
    for (int i = 0; i < a->count; i++)
        if (a->mode[i].owner == OWN_WARP)
            x.mode[x.count++] = a->mode[i];
    for (int i = 0; i < b->count; i++)
        if (b->mode[i].owner == OWN_WARP)
            y.mode[y.count++] = b->mode[i];
    return layout_equal(&x, &y);
}

/* A lane bit that the other side does not need in a lane, and that may be overwritten. */
static int free_lane(const Exchange *x, const Bits *reg, const Bits *lane)
{
    for (int i = 0; i < x->lane.count; i++)
        if (x->lane.bit[i].dim < 0 ||
            (find_bit(reg, x->lane.bit[i]) < 0 && find_bit(lane, x->lane.bit[i]) < 0))
            return i;
    return -1;
}

static void exchange(Exchange *x, const Bits *reg, const Bits *lane)
{
    for (int i = 0; i < reg->count; i++) {
        int l = find_bit(&x->lane, reg->bit[i]);
        if (find_bit(&x->reg, reg->bit[i]) >= 0 || l < 0)
            continue;
        int r = 0;
        while (r < x->reg.count && find_bit(reg, x->reg.bit[r]) >= 0)
            r++;
        if (r < x->reg.count)
            swap_bits(x, r, l);
        else
            gather_bit(x, l);
    }
    for (int r = x->reg.count - 1; r >= 0; r--)
        if (find_bit(reg, x->reg.bit[r]) < 0) {
            int l = free_lane(x, reg, lane);
            if (l >= 0)
                scatter_bit(x, r, l);
        }
    permute_lanes(x, lane);
}

/* Registers in the wanted order; none is copied. */
static const char *by_shuffles(Cuda *c, const Value *arg, const char *name, const Layout *from,
                               const Layout *to)
{
    DType t = held(c, arg);
    Exchange x = {.c = c, .type = c_type(t), .suffix = carrier(t), .name = name};
    Bits reg, lane;
    list_bits(from, OWN_REG, &x.reg);
    list_bits(from, OWN_LANE, &x.lane);
    list_bits(to, OWN_REG, &reg);
    list_bits(to, OWN_LANE, &lane);
    exchange(&x, &reg, &lane);
    const char *out = new_temp(c, "turned");
    int64_t n = (int64_t)1 << reg.count;
    line(c, "%s %s[%lld];", x.type, out, (long long)n);
    for (int64_t i = 0; i < n; i++) {
        int64_t k = 0;
        for (int b = 0; b < reg.count; b++)
            if (i >> b & 1)
                k |= (int64_t)1 << find_bit(&x.reg, reg.bit[b]);
        line(c, "%s[%lld] = %s[%lld];", out, (long long)i, x.name, (long long)k);
    }
    return out;
}

/* ---- through shared memory ---- */

static char *place_of(Cuda *c, const SharedPlace *p, const Layout *l, const char *reg)
{
    char *n = format_text(c, "0"), *x = coordinate(c, l, p->fast, reg);
    int64_t stride = 1;
    for (int d = p->type.rank - 1; d >= 0; d--) {
        if (d == p->fast)
            continue;
        char *i = coordinate(c, l, d, reg);
        if (strcmp(i, "0"))
            n = sum_of(c, n, stride == 1 ? i : format_text(c, "(%s) * %lld", i, (long long)stride));
        stride *= p->type.dims[d];
    }
    int64_t width = p->chunk * p->chunks;
    if (!p->mask)
        return sum_of(c, x,
                      strcmp(n, "0") ? format_text(c, "(%s) * %lld", n, (long long)width) : "0");
    return format_text(c, "((%s) ^ ((%s) >> %d & %lld) * %lld) + (%s) * %lld", x, n, p->shift,
                       (long long)p->mask, (long long)p->chunk, n, (long long)width);
}

/* Do four vectors after the other take a byte each of the same words, to lines one behind the
 * other? */
static bool are_bytes_across(const SharedPlace *p, const Layout *l, const Vectors *v, DType t)
{
    int64_t line = p->chunk * p->chunks;
    if (v->n != 4 || v->leading || v->count % 4 || dtype_info[t].bits != 8 || layout_is_masked(l) ||
        vector_step(l, v) % 4)
        return false;
    for (int64_t o = 0; o < v->count; o++) {
        int64_t first = vector_first(l, v, o / 4 * 4), k = o % 4;
        if (first % 4 || vector_first(l, v, o) != first + k)
            return false;
        for (int64_t lane = 0; lane < layout_span(l, OWN_LANE); lane++)
            if (shared_byte(p, l, first + k, lane, 0) !=
                shared_byte(p, l, first, lane, 0) + k * line)
                return false;
    }
    return true;
}

static void store_bytes_across(Cuda *c, const SharedPlace *p, const Layout *l, const Vectors *v,
                               const char *pointer, DType t, const char *name, const char *holder)
{
    open_block(c, STATEMENT_BLOCK, "%s%s%sTILE_STEP(o, %lld, 4)", *holder ? "if (" : "", holder,
               *holder ? ") " : "", (long long)v->count);
    line(c, "const int r = %s;", vector_register(c, l, v, "o"));
    line(c, "tile_shared_turn_4_%s(%s + %s, %lld, &%s[r], %lld);", carrier(t), pointer,
         place_of(c, p, l, "r"), (long long)(p->chunk * p->chunks), name,
         (long long)vector_step(l, v));
    close_block(c);
}

void move_vectors(Cuda *c, const SharedPlace *p, const Layout *l, const Vectors *v,
                  const char *pointer, DType t, const char *name, bool write)
{
    const char *suffix = carrier(t);
    note_shared(c, name, l, v, p);
    char *holder = write ? one_holder(c, l) : format_text(c, "%s", "");
    if (write && are_bytes_across(p, l, v, t)) {
        store_bytes_across(c, p, l, v, pointer, t, name, holder);
        return;
    }
    open_block(c, STATEMENT_BLOCK, "%s%s%sTILE_EACH(o, %lld)", *holder ? "if (" : "", holder,
               *holder ? ") " : "", (long long)v->count);
    line(c, "const int r = %s;", vector_register(c, l, v, "o"));
    char *place = place_of(c, p, l, "r"), *held_by = holds_text(c, l, "r");
    if (*held_by)
        open_block(c, STATEMENT_BLOCK, "if (%s)", held_by);
    int64_t step = vector_step(l, v);
    if (v->n == 1 && write)
        line(c, "tile_shared_store_%s(%s + %s, %s[r]);", suffix, pointer, place, name);
    else if (v->n == 1)
        line(c, "%s[r] = tile_shared_load_%s(%s + %s);", name, suffix, pointer, place);
    else if (v->leading && write)
        line(c, "tile_shared_store_%lld_%s(%s + %s, &%s[r]);", (long long)v->n, suffix, pointer,
             place, name);
    else if (v->leading)
        line(c, "tile_shared_load_%lld_%s(&%s[r], %s + %s);", (long long)v->n, suffix, name,
             pointer, place);
    else if (write) {
        line(c, "%s piece[%lld];", c_type(t), (long long)v->n);
        line(c, "TILE_EACH(i, %lld) piece[i] = %s[r + i * %lld];", (long long)v->n, name,
             (long long)step);
        line(c, "tile_shared_store_%lld_%s(%s + %s, piece);", (long long)v->n, suffix, pointer,
             place);
    } else {
        line(c, "%s piece[%lld];", c_type(t), (long long)v->n);
        line(c, "tile_shared_load_%lld_%s(piece, %s + %s);", (long long)v->n, suffix, pointer,
             place);
        line(c, "TILE_EACH(i, %lld) %s[r + i * %lld] = piece[i];", (long long)v->n, name,
             (long long)step);
    }
    if (*held_by)
        close_block(c);
    close_block(c);
}

/* One side: vectors of the registers of `l` go to or come from `at` in the buffer. */
static void move(Cuda *c, const SharedPlace *p, const Layout *l, const Vectors *v, Buffer *b,
                 const char *at, DType t, const char *name, bool write)
{
    (write ? buffer_write : buffer_read)(c, b);
    move_vectors(c, p, l, v, at, t, name, write);
}

Turn put_in_shared(Cuda *c, const Value *arg, const char *name, const Layout *from,
                   const Layout *to)
{
    Turn t = {.type = arg->type};
    Vectors put = {0};
    t.type.dtype = held(c, arg);
    t.place = find_shared_place(&t.type, from, to, &put, &t.get);
    t.buffer = statement_buffer(&c->out, new_temp(c, "turn"), c_type(t.type.dtype),
                                (size_t)type_elements(&t.type) * dtype_info[t.type.dtype].size);
    move(c, &t.place, from, &put, t.buffer, t.buffer->name, t.type.dtype, name, true);
    return t;
}

const char *take_from_shared(Cuda *c, const Turn *t, const Layout *to)
{
    const char *out = new_temp(c, "turned");
    line(c, "%s %s[%lld];", c_type(t->type.dtype), out, (long long)layout_span(to, OWN_REG));
    move_turn(c, t, t->buffer->name, to, out, false);
    return out;
}

void move_turn(Cuda *c, const Turn *t, const char *at, const Layout *l, const char *name,
               bool write)
{
    move(c, &t->place, l, &t->get, t->buffer, at, t->type.dtype, name, write);
}

/* ---- all ---- */

static bool is_open(const Cuda *c, const Statement *block)
{
    for (const Statement *b = c->out.block; b; b = b->parent)
        if (b == block)
            return true;
    return false;
}

static const char *converted_before(const Cuda *c, const Value *arg, const Layout *to)
{
    for (int i = 0; i < c->conversions.count; i++) {
        const Conversion *k = &c->conversions.items[i];
        if (k->value == arg && layout_equal(&k->layout, to) && is_open(c, k->block))
            return k->name;
    }
    return NULL;
}

/* Shared memory costs a store, a barrier and a load; a shuffle is about as much as one of them. */
enum { MOST_SHUFFLES = 24 };

bool goes_through_shared(Cuda *c, const Layout *from, const Layout *to)
{
    int n = same_warps(from, to) ? shuffles(from, to) : -1;
    return !layout_same_threads(from, to) &&
           (n < 0 || n > MOST_SHUFFLES || c->plan->unit.lanes == 1);
}

const char *converted(Cuda *c, const Value *arg, const Layout *to)
{
    const Layout *from = layout_of(c, arg);
    const char *name = c_name(c, arg), *type = c_type(held(c, arg));
    const char *before = converted_before(c, arg, to);
    if (before)
        return before;
    const char *out = NULL;
    MovementWay way = MOVE_SHUFFLES;
    if (layout_same_threads(from, to)) {
        way = MOVE_REGISTERS;
        out = new_temp(c, "turned");
        line(c, "%s %s[%lld];", type, out, (long long)layout_span(to, OWN_REG));
        if (!permute(c, &arg->type, name, from, out, to))
            out = NULL;
    } else if (!goes_through_shared(c, from, to)) {
        out = by_shuffles(c, arg, name, from, to);
    }
    if (!out) {
        way = MOVE_SHARED;
        Turn turn = put_in_shared(c, arg, name, from, to);
        out = take_from_shared(c, &turn, to);
    }
    note_conversion(c, arg, from, to, way);
    /* A carried variable has other values later. */
    if (arg->op) {
        Conversion k = {arg, *to, out, c->out.block};
        PUSH(c->arena, &c->conversions, k);
    }
    return out;
}

const char *fitted(Cuda *c, const Value *arg, const Layout *l)
{
    if (is_uniform(arg))
        return c_name(c, arg);
    Layout want = layout_project(l, &arg->type);
    return layout_equal(&want, layout_of(c, arg)) ? c_name(c, arg) : converted(c, arg, &want);
}

/* The layout of an index tile that stands for axis `dim`. */
static Layout axis_layout(const Layout *l, int dim)
{
    Layout out = {.masks = l->masks};
    memcpy(out.limit, l->limit, sizeof out.limit);
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->dim == dim)
            layout_add_masked(&out, (Owner)m->owner, 0, m->extent, m->stride, m->mask, m->weight);
        else if (m->owner != OWN_REG)
            layout_add(&out, (Owner)m->owner, -1, m->extent, 0);
    }
    bool masked = false;
    for (int i = 0; i < out.count; i++)
        masked |= out.mode[i].mask >= 0;
    if (!masked)
        out.masks = 0;
    return out;
}

const char *axis_fitted(Cuda *c, const Value *arg, const Layout *l, int dim)
{
    if (is_uniform(arg))
        return c_name(c, arg);
    Layout want = axis_layout(l, dim);
    return layout_equal(&want, layout_of(c, arg)) ? c_name(c, arg) : converted(c, arg, &want);
}

char *axis_element(Cuda *c, const Value *arg, const char *name, const Layout *l, int dim,
                   const char *reg)
{
    bool kept[MAX_RANK] = {0};
    if (is_uniform(arg))
        return format_text(c, "%s", name);
    kept[dim] = true;
    return format_text(c, "%s[%s]", name, projected_register(c, l, kept, reg));
}

/* ---- a tile in row-major order ---- */

char *place_text(Cuda *c, const Type *t, const Layout *l)
{
    int64_t stride = 1;
    char *sum = format_text(c, "0");
    for (int d = t->rank - 1; d >= 0; d--) {
        char *x = t->dims[d] > 1 ? coordinate(c, l, d, "r") : format_text(c, "0");
        if (strcmp(x, "0"))
            sum = sum_of(c, sum,
                         stride == 1 ? x : format_text(c, "(%s) * %lld", x, (long long)stride));
        stride *= t->dims[d];
    }
    return sum;
}

char *laid_place(Cuda *c, const char *at)
{
    if (c->plan->unit.lanes > 1)
        return format_text(c, "%s", at);
    return format_text(c, "(%s) * %d + tile_thread()", at, c->plan->pack);
}

Buffer *laid_down(Cuda *c, const Value *v)
{
    const Type *t = &v->type;
    bool thread = c->plan->unit.lanes == 1;
    DType type = held(c, v);
    SpreadRequest plain = {.fast = t->rank - 1, .vector = 1, .block_axis = -1};
    Layout spread = layout_spread(t, plain, c->plan->unit);
    const Layout *l = is_uniform(v) ? &spread : layout_of(c, v);
    Buffer *b = statement_buffer(&c->out, new_temp(c, "tile"), c_type(type),
                                 (size_t)(type_elements(t) * (thread ? c->plan->pack : 1)) *
                                     dtype_info[type].size);
    SharedPlace p = {.type = *t, .fast = t->rank - 1, .chunk = t->dims[t->rank - 1], .chunks = 1};
    Vectors one = {1, layout_span(l, OWN_REG), -1, true};
    const char *name = c_name(c, v);
    if (is_uniform(v)) {
        const char *all = new_temp(c, "all");
        line(c, "%s %s[%lld];", c_type(type), all, (long long)one.count);
        line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)one.count, all, name);
        name = all;
    } else {
        int64_t most = 16 / dtype_info[type].size;
        while (most > 1 && t->dims[t->rank - 1] % most)
            most /= 2;
        one = vectors_along(l, t->rank - 1, most);
    }
    if (!thread) {
        move(c, &p, l, &one, b, b->name, type, name, true);
        return b;
    }
    /* Nothing orders the threads: places of another buffer could be other threads' here. */
    b->fixed = true;
    buffer_write(c, b);
    line(c, "TILE_EACH(r, %lld) tile_shared_store_%s(%s + (%s), %s[r]);",
         (long long)layout_span(l, OWN_REG), carrier(type), b->name,
         laid_place(c, place_text(c, t, l)), name);
    return b;
}
