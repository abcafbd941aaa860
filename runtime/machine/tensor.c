/* Tensor copies: cp.async.bulk.tensor and its reduction in tile mode (PTX ISA 9.7.9.27.1, 5.5).
 * What is copied follows from the 128 bytes of the map alone. */
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/internal.h"

enum { CHUNK = 16, SHARED_ALIGNMENT = 128 };

/* Elements of the box along a dim: every step-th one (cuTensorMapEncodeTiled). */
static uint32_t count_along(const tile_tensor_map_spec *s, int dim)
{
    return (s->box[dim] + s->step[dim] - 1) / s->step[dim];
}

static uint32_t box_rows(const tile_tensor_map_spec *s)
{
    uint32_t rows = 1;
    for (int i = 1; i < s->rank; i++)
        rows *= count_along(s, i);
    return rows;
}

static uint32_t row_bytes(const tile_tensor_map_spec *s)
{
    return s->box[0] * (uint32_t)tile_tensor_type_bytes(s->type);
}

/* PTX ISA 5.5.7: pieces of 16 bytes are exchanged in rows of 128 bytes by bits of their address. */
static size_t swizzled(const tile_tensor_map_spec *s, size_t address)
{
    size_t mask = ((size_t)1 << s->swizzle) - 1;
    return address ^ ((address >> 7 & mask) << 4);
}

/* One row of the box, for either direction. */
typedef struct Row {
    size_t shared; /* its offset in shared memory, before the swizzle */
    char *global;  /* of the element at coordinate 0 of dim 0; NULL: outside of another dim */
    int64_t first; /* coordinate along dim 0 */
} Row;

static Row row_of(const tile_tensor_map_spec *s, const int32_t *at, uint32_t index, size_t base)
{
    Row row = {.shared = base + (size_t)index * row_bytes(s), .first = at[0]};
    char *p = s->address;
    bool inside = true;
    for (int i = 1; i < s->rank; i++) {
        uint32_t n = count_along(s, i);
        int64_t x = at[i] + (int64_t)(index % n) * s->step[i];
        index /= n;
        inside = inside && x >= 0 && (uint64_t)x < s->extent[i];
        p += inside ? (uint64_t)x * s->stride[i] : 0;
    }
    row.global = inside ? p : NULL;
    return row;
}

/* Which elements of the chunk are inside of dim 0: [*from, *to). */
static bool inside_part(const tile_tensor_map_spec *s, const Row *row, uint32_t chunk, int *from,
                        int *to)
{
    int size = tile_tensor_type_bytes(s->type), n = CHUNK / size;
    int64_t x = row->first + (int64_t)chunk * n;
    int64_t low = x < 0 ? -x : 0, high = (int64_t)s->extent[0] - x;
    *from = low > n ? n : (int)low;
    *to = high > n ? n : high < 0 ? 0 : (int)high;
    return row->global && *from < *to;
}

static char *global_at(const tile_tensor_map_spec *s, const Row *row, uint32_t chunk, int from)
{
    int size = tile_tensor_type_bytes(s->type);
    return row->global + (row->first + (int64_t)chunk * (CHUNK / size) + from) * size;
}

/* ---- bytes ---- */

/* Outside elements are 0 or NaN (5.5.3.3). */
static void fill(const tile_tensor_map_spec *s, char *p)
{
    memset(p, s->fill_nan ? 0xFF : 0, CHUNK);
    if (!s->fill_nan)
        return;
    int size = tile_tensor_type_bytes(s->type);
    for (int i = size - 1; i < CHUNK; i += size)
        p[i] = 0x7F;
}

static void load_chunk(const tile_tensor_map_spec *s, const Row *row, uint32_t chunk, char *shared)
{
    int from, to, size = tile_tensor_type_bytes(s->type);
    fill(s, shared);
    if (inside_part(s, row, chunk, &from, &to))
        memcpy(shared + from * size, global_at(s, row, chunk, from), (size_t)((to - from) * size));
}

static void store_chunk(const tile_tensor_map_spec *s, const Row *row, uint32_t chunk,
                        const char *shared, int add)
{
    int from, to, size = tile_tensor_type_bytes(s->type);
    if (!inside_part(s, row, chunk, &from, &to))
        return;
    char *g = global_at(s, row, chunk, from);
    if (add)
        add_numbers(g, shared + from * size, (size_t)((to - from) * size), add - 1);
    else
        memcpy(g, shared + from * size, (size_t)((to - from) * size));
}

/* op->to, op->from: the beginning of the block's shared memory; op->count: the box's offset. */
static bool load_advance(Machine *m, AsyncOp *op)
{
    const tile_tensor_map_spec *s = &op->map;
    for (uint32_t i = 0; i < box_rows(s); i++) {
        Row row = row_of(s, op->at, i, SHARED_BASE + op->count);
        for (uint32_t c = 0; c < row_bytes(s) / CHUNK; c++)
            load_chunk(s, &row, c, op->to + swizzled(s, row.shared + c * CHUNK) - SHARED_BASE);
    }
    mbarrier_complete(m, op->mbarrier, op->phase, op->bytes, op);
    return true;
}

static bool store_advance(Machine *m, AsyncOp *op)
{
    const tile_tensor_map_spec *s = &op->map;
    uint32_t chunks = row_bytes(s) / CHUNK;
    (void)m;
    for (uint32_t i = 0; i < box_rows(s); i++) {
        Row row = row_of(s, op->at, i, SHARED_BASE + op->count);
        for (uint32_t c = 0; c < chunks; c++) {
            char *kept = op->buffer + (i * chunks + c) * CHUNK;
            if (!op->was_read)
                memcpy(kept, op->from + swizzled(s, row.shared + c * CHUNK) - SHARED_BASE, CHUNK);
            else
                store_chunk(s, &row, c, kept, op->add);
        }
    }
    if (op->was_read)
        return true;
    op->was_read = true;
    return false;
}

/* ---- checks ---- */

static void read_map(Thread *t, const void *map, int rank, tile_tensor_map_spec *s)
{
    tile_tensor_map bits;
    Machine *m = t->machine;
    if ((uintptr_t)map % 64)
        breach(m, TILE_FAULT_TENSOR_MAP, t, t->place, "%s: the map is not at a multiple of 64",
               t->doing);
    memcpy(&bits, map, sizeof bits);
    if (!tile_tensor_map_decode(&bits, s))
        breach(m, TILE_FAULT_TENSOR_MAP, t, t->place, "%s: this is no tensor map", t->doing);
    if (s->rank != rank)
        breach(m, TILE_FAULT_TENSOR_MAP, t, t->place, "%s in %d dims through a map of %d", t->doing,
               rank, s->rank);
    if (s->type >= TILE_TENSOR_F32_FTZ)
        breach(m, TILE_FAULT_TENSOR_MAP, t, t->place,
               "%s: element types that change values are not modelled", t->doing);
    if (s->swizzle && row_bytes(s) != 16u << s->swizzle)
        breach(m, TILE_FAULT_TENSOR_MAP, t, t->place,
               "%s: the box is %u bytes wide, the swizzle %u; the PTX ISA does not say where the "
               "rows lie",
               t->doing, row_bytes(s), 16u << s->swizzle);
}

/* The copy begins at a multiple of 16 bytes of memory, or a GPU ends the kernel with "an illegal
 * instruction". The PTX ISA does not say so; an H100 does (tests/machine/gpu_main.cu). */
static void check_coordinates(Thread *t, const tile_tensor_map_spec *s, const int32_t *at)
{
    const int64_t bytes = (int64_t)at[0] * tile_tensor_type_bytes(s->type);
    if (bytes % 16)
        breach(t->machine, TILE_FAULT_ALIGNMENT, t, t->place,
               "%s from coordinate %d of dim 0: %lld bytes, which is no multiple of 16", t->doing,
               at[0], (long long)bytes);
}

/* A store does not begin before the tensor, or a GPU ends the kernel likewise; and at the end of a
 * row it writes whole pieces of 16 bytes: what lies behind an extent of no multiple of 16 bytes is
 * overwritten. The PTX ISA says neither; an H100 does both (tests/machine/gpu_main.cu). */
static void check_store(Thread *t, const tile_tensor_map_spec *s, const int32_t *at)
{
    for (int i = 0; i < s->rank; i++)
        if (at[i] < 0)
            breach(t->machine, TILE_FAULT_BOUNDS, t, t->place,
                   "the tensor store begins at coordinate %d of dim %d, before the tensor", at[i],
                   i);
    const uint64_t size = (uint64_t)tile_tensor_type_bytes(s->type),
                   over = s->extent[0] * size % 16;
    const uint64_t end = (uint64_t)at[0] + s->box[0];
    if (over && (uint64_t)at[0] < s->extent[0] && end > s->extent[0])
        breach(
            t->machine, TILE_FAULT_BOUNDS, t, t->place,
            "the tensor store overwrites %llu bytes behind dim 0, whose %llu bytes are no multiple "
            "of 16",
            (unsigned long long)(16 - over), (unsigned long long)(s->extent[0] * size));
}

/* Visits the global memory of the box, chunk by chunk, and the shared memory. */
static void stamp_global(Thread *t, const AsyncOp *op, Access *a)
{
    const tile_tensor_map_spec *s = &op->map;
    int from, to, size = tile_tensor_type_bytes(s->type);
    for (uint32_t i = 0; i < box_rows(s); i++) {
        Row row = row_of(s, op->at, i, 0);
        for (uint32_t c = 0; c < row_bytes(s) / CHUNK; c++) {
            if (!inside_part(s, &row, c, &from, &to))
                continue;
            char *g = global_at(s, &row, c, from);
            size_t bytes = (size_t)((to - from) * size);
            a->region = global_find(t, g, bytes, (size_t)size, a->what);
            size_t offset = region_offset(a->region, g);
            if (a->touch != TOUCH_ASYNC_READ)
                need_writable(t, a->region, offset);
            if (a->touch != TOUCH_ASYNC_WRITE)
                shadow_need_defined(a, offset, bytes);
            shadow_touch(a, offset, bytes);
            if (a->touch == TOUCH_ASYNC_WRITE)
                shadow_define(a->region, offset, bytes);
        }
    }
}

/* Of a store, only what will be written must be defined. */
static void need_source(const AsyncOp *op, const Access *a)
{
    const tile_tensor_map_spec *s = &op->map;
    int from, to, size = tile_tensor_type_bytes(s->type);
    for (uint32_t i = 0; i < box_rows(s); i++) {
        Row row = row_of(s, op->at, i, SHARED_BASE + op->count);
        for (uint32_t c = 0; c < row_bytes(s) / CHUNK; c++)
            if (inside_part(s, &row, c, &from, &to))
                shadow_need_defined(
                    a, swizzled(s, row.shared + c * CHUNK) - SHARED_BASE + (size_t)(from * size),
                    (size_t)((to - from) * size));
    }
}

static uint32_t box_bytes(const tile_tensor_map_spec *s)
{
    return box_rows(s) * row_bytes(s);
}

/* ---- issue ---- */

static void load_to(Thread *t, const tile_tensor_map_spec *s, const int32_t *at, char *shared,
                    void *barrier)
{
    Mbarrier *b = mbarrier_at(t, barrier, true, "signals");
    uint32_t bytes = box_bytes(s);
    Region *to = shared_find(t, shared, bytes, SHARED_ALIGNMENT, true, "copies to");
    AsyncOp *op = async_issue(t, "the tensor copy", load_advance);
    op->map = *s;
    memcpy(op->at, at, (size_t)s->rank * sizeof *at);
    op->target = to->block;
    op->mbarrier = b;
    op->phase = b->phase;
    op->bytes = bytes;
    op->to = to->base;
    op->count = (uint32_t)region_offset(to, shared);
    Access read = access_of(t, NULL, TOUCH_ASYNC_READ, "the tensor copy reads");
    Access write = access_of(t, to, TOUCH_ASYNC_WRITE, "the tensor copy writes");
    stamp_by_mbarrier(&read, b);
    stamp_by_mbarrier(&write, b);
    stamp_global(t, op, &read);
    check_no_mbarrier(t, to, op->count, bytes, write.what);
    shadow_touch(&write, op->count, bytes);
    shadow_define(to, op->count, bytes);
    shadow_swizzle(to, op->count, bytes, s->swizzle);
    mbarrier_bind(b, bytes, t->place);
    async_start(op);
}

void machine_tensor_load(void *shared, const void *map, int rank, const int32_t *at, void *b,
                         int32_t mask)
{
    Thread *t = ENTER("cp.async.bulk.tensor");
    tile_tensor_map_spec s;
    read_map(t, map, rank, &s);
    check_coordinates(t, &s, at);
    shared_find(t, shared, box_bytes(&s), SHARED_ALIGNMENT, false, "copies to");
    thread_yield(t);
    if (mask < 0)
        load_to(t, &s, at, shared, b);
    for (int i = 0; mask > 0 && i < 16; i++)
        if (mask >> i & 1)
            load_to(t, &s, at, peer_place(t, shared, i), peer_place(t, b, i));
}

/* .cta_group::2, 9.7.9.27.1.2: the mbarrier is this block's or its peer's. */
void machine_tensor_load_pair(void *shared, const void *map, int rank, const int32_t *at,
                              uint32_t barrier)
{
    Thread *t = ENTER("cp.async.bulk.tensor");
    const Cluster *c = t->block->cluster;
    tile_tensor_map_spec s;
    read_map(t, map, rank, &s);
    check_coordinates(t, &s, at);
    shared_find(t, shared, box_bytes(&s), SHARED_ALIGNMENT, false, "copies to");
    if (t->machine->options.arch != TILE_SM100)
        breach(t->machine, TILE_FAULT_LAUNCH, t, t->place,
               "cp.async.bulk.tensor.cta_group::2 is of sm100");
    if ((barrier >> RANK_SHIFT & ~1u) != ((uint32_t)t->block->rank & ~1u) ||
        barrier >> RANK_SHIFT >= (uint32_t)c->blocks)
        breach(t->machine, TILE_FAULT_CTA_GROUP, t, t->place,
               "cp.async.bulk.tensor.cta_group::2 signals block %u of a cluster of %d; it is this "
               "block's or the other one's of its pair",
               barrier >> RANK_SHIFT, c->blocks);
    thread_yield(t);
    char *base = c->block[barrier >> RANK_SHIFT]->shared.base;
    load_to(t, &s, at, shared, base + (barrier & (SHARED_WINDOW - 1)) - SHARED_BASE);
}

/* The number type of an element type that can be added, plus 1; 0: none. */
static int addable(tile_tensor_type type)
{
    switch (type) {
    case TILE_TENSOR_U32:
        return 1 + TILE_NUMBER_U32;
    case TILE_TENSOR_I32:
        return 1 + TILE_NUMBER_I32;
    case TILE_TENSOR_U64:
        return 1 + TILE_NUMBER_U64;
    case TILE_TENSOR_F32:
        return 1 + TILE_NUMBER_F32;
    case TILE_TENSOR_F16:
        return 1 + TILE_NUMBER_F16;
    case TILE_TENSOR_BF16:
        return 1 + TILE_NUMBER_BF16;
    default:
        return 0;
    }
}

void machine_tensor_store(const void *map, int rank, const int32_t *at, const void *shared, int add)
{
    Thread *t = ENTER("cp.async.bulk.tensor");
    tile_tensor_map_spec s;
    read_map(t, map, rank, &s);
    check_coordinates(t, &s, at);
    check_store(t, &s, at);
    Region *from = shared_find(t, shared, box_bytes(&s), SHARED_ALIGNMENT, false, "copies from");
    if (add && !addable(s.type))
        breach(t->machine, TILE_FAULT_TENSOR_MAP, t, t->place,
               "cp.reduce.async.bulk.tensor.add does not know the map's element type");
    thread_yield(t);
    AsyncOp *op = issue_store(t, "the tensor store", store_advance, box_bytes(&s));
    op->map = s;
    memcpy(op->at, at, (size_t)rank * sizeof *at);
    op->add = add ? addable(s.type) : 0;
    op->from = from->base;
    op->count = (uint32_t)region_offset(from, shared);
    Access read = access_of(t, from, TOUCH_ASYNC_READ, "the tensor store reads");
    Access write = access_of(t, NULL, add ? TOUCH_ASYNC_REDUCE : TOUCH_ASYNC_WRITE,
                             "the tensor store writes");
    stamp_by_lane(&read, t, LANES_BULK_READ, op->number);
    stamp_by_lane(&write, t, LANES_BULK, op->number);
    need_source(op, &read);
    check_no_mbarrier(t, from, op->count, op->bytes, read.what);
    shadow_touch(&read, op->count, op->bytes);
    stamp_global(t, op, &write);
    async_start(op);
}
