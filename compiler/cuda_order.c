/* topk, rank and argmax (R10) in CUDA.
 *
 * With the axis in few registers of one warp, a lane sorts its own elements and the lanes find the
 * next one in order together, slot by slot; where a key can lend its lower bits to the index, one
 * reduction a slot finds both. A rank compares with every element of the line, by shuffles. Any
 * other tile goes to shared memory, where a warp walks each line.
 */
#include <string.h>

#include "compiler/cuda_order.h"

enum {
    MOST_SLOTS = 32,  /* of a topk in registers */
    MOST_LISTED = 16, /* elements of a line in one lane */
    MOST_SORTED = 8,
    MOST_MARKED = 256,  /* elements of a line whose keys give bits to the index */
    MOST_COMPARED = 512 /* unrolled comparisons of a rank */
};

/* ---- layouts ---- */

/* A thread that is the whole unit has everything in registers. */
static bool one_thread(ThreadUnit unit)
{
    return unit.lanes == 1;
}

/* The axis lies in few registers of the lanes of one warp. */
static bool listed_layout(const Op *op, const Layout *have, ThreadUnit unit, Layout *want)
{
    const Type *t = &op->args[0]->type;
    *want = *have;
    if (one_thread(unit))
        return true;
    int64_t slots = op->code == OP_TOPK ? op->results[0]->type.dims[op->axis] : 1;
    if (slots > MOST_SLOTS)
        return false;
    if (axis_warps(have, op->axis) == 1 && axis_registers(have, op->axis) <= MOST_LISTED)
        return true;
    return axis_over_lanes(t, op->axis, unit, false, want);
}

enum { MOST_REPLICATED = 4 };

/* Slot i is on lane i where the lanes have nothing else to hold. */
static bool slots_on_lanes(const Layout *l, int axis, int64_t slots)
{
    return slots > MOST_REPLICATED && axis_has_warp(l, axis) && axis_lanes(l, axis) == 32 &&
           other_registers(l, axis) == 1 && slots <= 32;
}

/* The slots in registers, fastest, or on lanes; the axis's lanes hold the same otherwise. */
static Layout slots_layout(const Layout *l, int axis, int64_t slots)
{
    Layout out = {0}, rest = layout_reduce(l, axis);
    if (slots_on_lanes(l, axis, slots)) {
        out = (Layout){.masks = slots < 32, .limit = {(int32_t)slots}};
        layout_add_masked(&out, OWN_LANE, axis, 32, 1, slots < 32 ? 0 : -1, 1);
    } else {
        layout_add(&out, OWN_REG, axis, slots, 1);
    }
    for (int i = 0; i < rest.count; i++)
        if (rest.mode[i].owner != OWN_LANE || !out.masks)
            layout_add(&out, (Owner)rest.mode[i].owner, rest.mode[i].dim, rest.mode[i].extent,
                       rest.mode[i].stride);
    return out;
}

bool order_operand(const Op *op, const Layout *have, ThreadUnit unit, Layout *want)
{
    return (op->code == OP_TOPK || op->code == OP_ARGMAX) && listed_layout(op, have, unit, want);
}

bool order_layout(const Op *op, const Layout *operand, ThreadUnit unit, Layout *result)
{
    Layout want;
    switch (op->code) {
    case OP_TOPK:
    case OP_ARGMAX:
        if (!listed_layout(op, operand, unit, &want))
            return false;
        *result = slots_layout(&want, op->axis, op->results[0]->type.dims[op->axis]);
        return true;
    case OP_CUMSUM:
    case OP_CUMMAX:
        *result = scan_layout(op, operand, unit);
        return true;
    case OP_RANK:
    case OP_SOFTMAX:
    case OP_OCCURRENCE:
        *result = *operand;
        return true;
    default:
        return false;
    }
}

/* ---- topk and argmax in registers ---- */

static const char *key_type(DType t)
{
    return dtype_info[t].bits == 64 ? "u64" : "u32";
}

/* What a topk or argmax gives: names of arrays in slots_layout; NULL: nobody asks. */
typedef struct Slots {
    const Value *value, *index;
    const char *values, *indices;
    int64_t count;
    Layout layout;
} Slots;

static Slots slots_of(Cuda *c, const Op *op)
{
    bool topk = op->code == OP_TOPK;
    Slots s = {.index = op->results[topk ? 1 : 0], .count = op->results[0]->type.dims[op->axis]};
    if (topk && c->live[op->results[0]->id])
        s.value = op->results[0];
    if (!c->live[s.index->id])
        s.index = NULL;
    return s;
}

static const char *declare_registers(Cuda *c, const Value *v, const char *stem, int64_t n)
{
    const char *name = new_name(c, v, stem);
    line(c, "%s %s[%lld];", c_type(held(c, v)), name, (long long)n);
    return name;
}

static void give_slots(Cuda *c, const Slots *s)
{
    if (s->value)
        give_result(c, s->value, s->values, &s->layout);
    if (s->index)
        give_result(c, s->index, s->indices, &s->layout);
}

/* The element `found`: its register of every lane, then its lane. */
static void fetch_value(Cuda *c, const Held *h, int axis, const char *to)
{
    Digits d = {0};
    int64_t n = axis_registers(&h->layout, axis);
    const char *type = c_type(h->type.dtype);
    other_digits(c, &h->layout, axis, "o", &d);
    axis_digits(c, &h->layout, axis, n > 1 ? "j" : "0", &d);
    if (n > 1) {
        line(c, "%s best_value = 0;", type);
        /* The read stands alone: a conditional one would put the array into memory. */
        open_block(c, STATEMENT_BLOCK, "TILE_EACH(j, %lld)", (long long)n);
        line(c, "const %s other = %s[%s];", type, h->name, register_text(c, &h->layout, &d));
        line(c, "best_value = %s == j ? other : best_value;",
             axis_register_of(c, &h->layout, axis, "found"));
        close_block(c);
    } else {
        line(c, "const %s best_value = %s[%s];", type, h->name, register_text(c, &h->layout, &d));
    }
    if (axis_lanes(&h->layout, axis) > 1)
        line(c, "%s = tile_shuffle_%s(best_value, %s);", to, carrier(h->type.dtype),
             lane_of_element(c, &h->layout, axis, "found"));
    else
        line(c, "%s = best_value;", to);
}

static void list_keys(Cuda *c, const Held *h, int axis, int64_t n)
{
    Digits d = {0};
    other_digits(c, &h->layout, axis, "o", &d);
    axis_digits(c, &h->layout, axis, "j", &d);
    line(c, "%s key[%lld];", c_type(dtype_info[h->type.dtype].bits == 64 ? DT_U64 : DT_U32),
         (long long)n);
    line(c, "int index[%lld];", (long long)n);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(j, %lld)", (long long)n);
    line(c, "const int r = %s;", register_text(c, &h->layout, &d));
    char *at = coordinate(c, &h->layout, axis, "r"), *real = holds_text(c, &h->layout, "r");
    const char *key = dtype_info[h->type.dtype].name;
    if (*real)
        line(c, "key[j] = %s ? tile_key_%s(%s[r]) : 0, index[j] = %s ? %s : (int)TILE_NO_INDEX;",
             real, key, h->name, real, at);
    else
        line(c, "key[j] = tile_key_%s(%s[r]), index[j] = %s;", key, h->name, at);
    close_block(c);
}

/* Slot `k`: `found` is the index of the next element in order. */
static void find_next(Cuda *c, const Held *h, int axis, int64_t n, bool sorted)
{
    const char *u = key_type(h->type.dtype);
    line(c, "%s best = key[0];", dtype_info[h->type.dtype].bits == 64 ? "uint64_t" : "uint32_t");
    line(c, "int found = index[0];");
    if (n > 1 && !sorted)
        line(c, "tile_first_%s(key, index, %lld, &best, &found);", u, (long long)n);
    if (axis_lanes(&h->layout, axis) == 1)
        return;
    if (axis_has_warp(&h->layout, axis))
        line(c, "tile_first_warp_%s(&best, &found);", u);
    else
        line(c, "tile_first_lanes_%s(&best, &found, %d);", u, axis_lane_mask(&h->layout, axis));
}

/* Slot by slot, from the lists that list_keys has made. */
static void pop_slots(Cuda *c, const Held *h, int axis, int64_t n, const Slots *s)
{
    bool sorted = n > 1 && n <= MOST_SORTED && s->count > 1;
    bool lanes = !one_thread(c->plan->unit) && slots_on_lanes(&h->layout, axis, s->count);
    const char *u = key_type(h->type.dtype);
    if (sorted)
        line(c, "tile_sort_%s(key, index, %lld);", u, (long long)n);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(slot, %lld)", (long long)s->count);
    find_next(c, h, axis, n, sorted);
    const char *place = s->count > 1 ? format_text(c, "o * %lld + slot", (long long)s->count) : "o";
    if (s->index && lanes)
        line(c, "%s[0] = lane == slot ? found : %s[0];", s->indices, s->indices);
    else if (s->index)
        line(c, "%s[%s] = found;", s->indices, place);
    if (s->value && lanes) {
        line(c, "%s best_slot;", c_type(h->type.dtype));
        fetch_value(c, h, axis, "best_slot");
        line(c, "%s[0] = lane == slot ? best_slot : %s[0];", s->values, s->values);
    } else if (s->value) {
        fetch_value(c, h, axis, format_text(c, "%s[%s]", s->values, place));
    }
    if (s->count > 1)
        line(c, "tile_%s_%s(key, index, %lld, found);", sorted || n == 1 ? "pop" : "drop", u,
             (long long)n);
    close_block(c);
}

/* Indices alone, of a line in one warp whose keys are all greater than 0. */
static bool can_mark(const Held *h, int64_t n, const Slots *s)
{
    DType t = h->type.dtype;
    return !s->value && n <= MOST_SORTED && h->type.rank == 1 && h->type.dims[0] <= MOST_MARKED &&
           dtype_is_float(t) && t != DT_UE8M0;
}

/* A mark is the upper part of a key and the index, so a slot takes one reduction. Where the keys of
 * two neighbours in order agree in that part, the block that stays open is entered. */
static void mark_slots(Cuda *c, int64_t elements, int64_t n, const Slots *s)
{
    int bits = 0;
    while (elements > (int64_t)1 << bits)
        bits++;
    line(c, "uint32_t mark[%lld], first = 0, most = 0;", (long long)n);
    line(c, "TILE_EACH(j, %lld) mark[j] = tile_mark_u32(key[j], index[j], %d);", (long long)n,
         bits);
    line(c, "tile_sort_marks_u32(mark, %lld);", (long long)n);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(slot, %lld)", (long long)s->count);
    line(c, "most = tile_reduce_max_u32(mark[0]);");
    line(c, "first = lane == slot ? most : first;");
    line(c, "tile_pop_mark_u32(mark, %lld, most);", (long long)n);
    close_block(c);
    line(c, "%s[0] = tile_marked_u32(first, %d);", s->indices, bits);
    line(c, "const uint32_t second = tile_shuffle_u32(first, lane + 1 & 31);");
    line(c,
         "const bool doubt = ((lane < %lld) & tile_same_mark_u32(first, second, %d)) | "
         "tile_same_mark_u32(most, mark[0], %d);",
         (long long)s->count - 1, bits, bits);
    open_block(c, STATEMENT_BLOCK, "if (tile_ballot(doubt))");
}

static void slots_in_registers(Cuda *c, const Op *op, const Held *h, Slots *s)
{
    int axis = op->axis;
    int64_t n = axis_registers(&h->layout, axis);
    bool lanes = !one_thread(c->plan->unit) && slots_on_lanes(&h->layout, axis, s->count);
    s->layout = slots_layout(&h->layout, axis, s->count);
    int64_t all = layout_span(&s->layout, OWN_REG);
    s->values = s->value ? declare_registers(c, s->value, "values", all) : NULL;
    s->indices = s->index ? declare_registers(c, s->index, "indices", all) : NULL;
    if (lanes && s->index)
        line(c, "%s[0] = 0;", s->indices);
    if (lanes && s->value)
        line(c, "%s[0] = 0;", s->values);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(o, %lld)", (long long)(lanes ? 1 : all / s->count));
    list_keys(c, h, axis, n);
    bool marked = lanes && can_mark(h, n, s);
    if (marked)
        mark_slots(c, h->type.dims[0], n, s);
    pop_slots(c, h, axis, n, s);
    if (marked)
        close_block(c);
    close_block(c);
}

/* ---- topk, rank and argmax in shared memory ---- */

/* Tiles in shared memory: the operand, and what is found. */
typedef struct SharedSlots {
    Buffer *from, *value, *index;
} SharedSlots;

static void keep_slot(Cuda *c, const SharedSlots *b, DType t, const char *place, const Rows *rows)
{
    if (b->value)
        line(c, "tile_shared_store_%s(%s + %s, tile_shared_load_%s(start + found * %lld));",
             carrier(t), b->value->name, place, carrier(t), (long long)rows->stride);
    if (b->index)
        line(c, "tile_shared_store_i32(%s + %s, found);", b->index->name, place);
}

/* Few slots: a whole warp finds them one after the other. */
static void find_slots(Cuda *c, const Op *op, const Held *h, const Slots *s, const SharedSlots *b)
{
    Rows rows = rows_of(&h->type, op->axis);
    DType t = h->type.dtype;
    const char *u = dtype_info[t].bits == 64 ? "uint64_t" : "uint32_t";
    open_block(c, STATEMENT_BLOCK, "for (int row = warp; row < %lld; row += %d)",
               (long long)rows.count, c->plan->unit.warps);
    line(c, "%s key = ~(%s)0;", u, u);
    line(c, "int found = -1;");
    line(c, "const %s *const start = %s + (%s);", c_type(t), b->from->name,
         row_start(c, &rows, rows.n));
    open_block(c, STATEMENT_BLOCK, "for (int slot = 0; slot < %lld; slot++)", (long long)s->count);
    line(c, "tile_next_row_%s(start, %lld, %lld, lane, &key, &found);", dtype_info[t].name,
         (long long)rows.n, (long long)rows.stride);
    char *place = format_text(c, "%s + slot * %lld", row_start(c, &rows, s->count),
                              (long long)rows.stride);
    open_block(c, STATEMENT_BLOCK, "if (lane == 0)");
    keep_slot(c, b, t, place, &rows);
    close_block(c);
    close_block(c);
    close_block(c);
}

/* Many slots: each element finds its own. */
static void fill_slots(Cuda *c, const Op *op, const Held *h, const Slots *s, const SharedSlots *b)
{
    Rows rows = rows_of(&h->type, op->axis);
    int lanes = c->plan->unit.lanes, threads = c->plan->unit.warps * lanes;
    open_block(c, STATEMENT_BLOCK, "for (int i = warp * %d + lane; i < %lld; i += %d)", lanes,
               (long long)(rows.n * rows.count), threads);
    line(c, "const int row = i / %lld, found = i %% %lld;", (long long)rows.n, (long long)rows.n);
    line(c, "const %s *const start = %s + (%s);", c_type(h->type.dtype), b->from->name,
         row_start(c, &rows, rows.n));
    line(c, "const int slot = tile_rank_row_%s(start, %lld, %lld, found);",
         dtype_info[h->type.dtype].name, (long long)rows.n, (long long)rows.stride);
    char *place = format_text(c, "%s + slot * %lld", row_start(c, &rows, s->count),
                              (long long)rows.stride);
    open_block(c, STATEMENT_BLOCK, "if (slot < %lld)", (long long)s->count);
    keep_slot(c, b, h->type.dtype, place, &rows);
    close_block(c);
    close_block(c);
}

static void slots_in_shared(Cuda *c, const Op *op, const Held *h, Slots *s)
{
    const Value *out[2] = {s->value, s->index};
    Held got[2];
    SharedSlots b = {.from = shared_tile(c, "lines", &h->type)};
    for (int i = 0; i < 2; i++) {
        if (!out[i])
            continue;
        got[i] = (Held){.type = out[i]->type};
        got[i].type.dtype = held(c, out[i]);
        if (!is_uniform(out[i]))
            got[i].layout = *layout_of(c, out[i]);
        got[i].name = declare_registers(c, out[i], i ? "indices" : "values",
                                        layout_span(&got[i].layout, OWN_REG));
        *(i ? &b.index : &b.value) = shared_tile(c, "slots", &got[i].type);
    }
    shared_put(c, h, b.from);
    buffer_read(c, b.from);
    if (b.value)
        buffer_write(c, b.value);
    if (b.index)
        buffer_write(c, b.index);
    bool few = s->count <= MOST_SLOTS && c->plan->unit.lanes == 32;
    (few ? find_slots : fill_slots)(c, op, h, s, &b);
    for (int i = 0; i < 2; i++)
        if (out[i]) {
            shared_get(c, &got[i], i ? b.index : b.value);
            give_result(c, out[i], got[i].name, &got[i].layout);
        }
}

static bool emit_slots(Cuda *c, const Op *op)
{
    Held h, moved;
    Layout want;
    Slots s = slots_of(c, op);
    if (!s.value && !s.index)
        return true;
    if (!hold(c, op->args[0], NULL, &h))
        return false;
    if (!listed_layout(op, &h.layout, c->plan->unit, &want)) {
        slots_in_shared(c, op, &h, &s);
        return true;
    }
    moved = h;
    if (!layout_equal(&want, &h.layout) && !hold(c, op->args[0], &want, &moved))
        return false;
    slots_in_registers(c, op, &moved, &s);
    give_slots(c, &s);
    return true;
}

/* Every lane meets each element of its line, from the lane that has it. */
static void rank_in_registers(Cuda *c, const Held *h, int axis, const char *name)
{
    Digits other = {0}, own;
    const Layout *l = &h->layout;
    DType t = h->type.dtype;
    const char *u = key_type(t), *type = dtype_info[t].bits == 64 ? "uint64_t" : "uint32_t";
    int64_t n = layout_span(l, OWN_REG);
    line(c, "%s key[%lld];", type, (long long)n);
    line(c, "TILE_EACH(r, %lld) key[r] = tile_key_%s(%s[r]), %s[r] = 0;", (long long)n,
         dtype_info[t].name, h->name, name);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(o, %lld)", (long long)other_registers(l, axis));
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(h, %lld)", (long long)h->type.dims[axis]);
    other_digits(c, l, axis, "o", &other);
    own = other;
    element_digits(c, l, axis, "h", &other);
    axis_digits(c, l, axis, "j", &own);
    char *from = format_text(c, "key[%s]", register_text(c, l, &other));
    if (axis_lanes(l, axis) > 1)
        from = format_text(c, "tile_shuffle_%s(%s, %s)", u, from, lane_of_element(c, l, axis, "h"));
    line(c, "const %s other = %s;", type, from);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(j, %lld)", (long long)axis_registers(l, axis));
    line(c, "const int r = %s;", register_text(c, l, &own));
    line(c, "%s[r] += tile_before_%s(other, h, key[r], %s);", name, u, coordinate(c, l, axis, "r"));
    close_block(c);
    close_block(c);
    close_block(c);
}

static void rank_in_shared(Cuda *c, const Held *h, int axis, const char *name)
{
    Rows rows = rows_of(&h->type, axis);
    DType t = h->type.dtype;
    Buffer *b = shared_tile(c, "lines", &h->type);
    shared_put(c, h, b);
    buffer_read(c, b);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(r, %lld)",
               (long long)layout_span(&h->layout, OWN_REG));
    line(c, "const int found = %s;", coordinate(c, &h->layout, axis, "r"));
    char *real = holds_text(c, &h->layout, "r");
    if (*real)
        open_block(c, STATEMENT_BLOCK, "if (%s)", real);
    line(c, "const %s *const start = %s + (%s - found * %lld);", c_type(t), b->name,
         place_text(c, &h->type, &h->layout), (long long)rows.stride);
    line(c, "%s[r] = tile_rank_row_%s(start, %lld, %lld, found);", name, dtype_info[t].name,
         (long long)rows.n, (long long)rows.stride);
    if (*real)
        close_block(c);
    close_block(c);
}

static bool emit_rank(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    Held h;
    if (!hold(c, op->args[0], NULL, &h))
        return false;
    int64_t n = layout_span(&h.layout, OWN_REG);
    const char *name = declare_registers(c, r, "ranks", n);
    bool few = axis_warps(&h.layout, op->axis) == 1 && n * h.type.dims[op->axis] <= MOST_COMPARED;
    if (few || one_thread(c->plan->unit)) {
        open_block(c, STATEMENT_BLOCK, "%s", "");
        rank_in_registers(c, &h, op->axis, name);
        close_block(c);
    } else {
        rank_in_shared(c, &h, op->axis, name);
    }
    give_result(c, r, name, &h.layout);
    return true;
}

/* ---- all ---- */

/* No element: nothing to find; the values have no registers to read. */
static bool is_empty(const Op *op)
{
    return op->code != OP_HISTOGRAM && type_elements(&op->results[0]->type) == 0;
}

bool emit_axis_op(Cuda *c, const Op *op)
{
    if (op->args[0]->type.dtype == DT_F64)
        return cuda_fail(c, op, "%s of f64", op_info[op->code].name);
    if (is_empty(op)) {
        for (int i = 0; i < op->nresults; i++)
            declare(c, op->results[i]);
        return true;
    }
    switch (op->code) {
    case OP_TOPK:
    case OP_ARGMAX:
        return emit_slots(c, op);
    case OP_RANK:
        return emit_rank(c, op);
    case OP_CUMSUM:
    case OP_CUMMAX:
        return emit_axis_scan(c, op);
    case OP_SOFTMAX:
        return emit_axis_softmax(c, op);
    case OP_HISTOGRAM:
        return cuda_histogram(c, op);
    default:
        return cuda_occurrence(c, op);
    }
}
