/* tcgen05.ld, st and wait (PTX ISA 9.7.16.8): a warp moves words between its quarter of the lanes
 * and its registers.
 *
 * They are asynchronous, but a register that depends on a load has its value (9.7.16.6.4.5), so the
 * words move at once; what stays open until the wait is who may touch the same tensor memory.
 */
#include <string.h>

#include "runtime/machine/tcgen05.h"

/* Per repetition: registers of a thread, columns. */
static const struct {
    const char *name;
    int lanes, words, columns;
} shapes[] = {
    [TILE_TCGEN05_SHAPE_32x32b] = {"32x32b", 32, 1, 1},
    [TILE_TCGEN05_SHAPE_16x64b] = {"16x64b", 16, 1, 2},
    [TILE_TCGEN05_SHAPE_16x128b] = {"16x128b", 16, 2, 4},
    [TILE_TCGEN05_SHAPE_16x256b] = {"16x256b", 16, 4, 8},
};

/* Which word of the shape a register of a thread is: 9.7.16.2.3.1, figures 183 to 186. */
static void place_of(int shape, int thread, int r, int *lane, int *column)
{
    *lane = thread / 4;
    switch (shape) {
    case TILE_TCGEN05_SHAPE_32x32b:
        *lane = thread;
        *column = r;
        break;
    case TILE_TCGEN05_SHAPE_16x64b:
        *lane += 8 * (thread % 2);
        *column = 2 * r + thread / 2 % 2;
        break;
    case TILE_TCGEN05_SHAPE_16x128b:
        *lane += 8 * (r % 2);
        *column = 4 * (r / 2) + thread % 4;
        break;
    default:
        *lane += 8 * (r / 2 % 2);
        *column = 8 * (r / 4) + 2 * (thread % 4) + r % 2;
    }
}

typedef struct Transfer {
    TensorMemory *memory;
    int shape, words, lane, column, columns;
    bool halves; /* .pack::16b, .unpack::16b: 9.7.16.8.2 */
} Transfer;

static uint64_t detail_of(uint32_t address, int shape, int count, int halves)
{
    return address | (uint64_t)shape << 32 | (uint64_t)count << 40 | (uint64_t)halves << 48;
}

/* 9.7.16.8.1: warp i of a warpgroup reaches lanes 32 i to 32 i + 31. */
static void check_lanes(Warp *w, const Transfer *x, uint32_t address)
{
    const Thread *t = warp_lane(w, 0);
    int first = w->index % GROUP_WARPS * QUARTER, lanes = shapes[x->shape].lanes;
    if (x->lane != first && !(lanes == GRANULE && x->lane == first + GRANULE))
        breach(t->machine, TILE_FAULT_LANES, t, t->place,
               "%s.%s at 0x%08x, lane %d; warp %d reaches lanes %d to %d, and a shape of %d lanes "
               "begins at a multiple of them",
               t->doing, shapes[x->shape].name, address, x->lane, w->index, first,
               first + QUARTER - 1, lanes);
}

static Transfer transfer_of(Warp *w)
{
    Thread *t = warp_lane(w, 0);
    uint32_t address = (uint32_t)w->detail;
    int count = (int)(w->detail >> 40 & 0xFF);
    Transfer x = {.shape = (int)(w->detail >> 32 & 0xFF), .halves = w->detail >> 48};
    x.words = shapes[x.shape].words * count;
    x.columns = shapes[x.shape].columns * count * (x.halves ? 2 : 1);
    x.memory = tensor_at(t, w->block, address, x.columns, t->doing, &x.lane, &x.column);
    check_lanes(w, &x, address);
    return x;
}

static uint32_t *word_of(const Transfer *x, int lane, int column)
{
    return &x->memory->word[(x->lane + lane) * COLUMNS + x->column + column];
}

static void load(const Transfer *x, const Thread *t, uint32_t *r)
{
    int lane, column;
    for (int i = 0; i < x->words; i++) {
        place_of(x->shape, t->lane, i, &lane, &column);
        if (x->halves)
            r[i] = (*word_of(x, lane, 2 * column) & 0xFFFF) | *word_of(x, lane, 2 * column + 1)
                                                                  << 16;
        else
            r[i] = *word_of(x, lane, column);
    }
}

static void store(const Transfer *x, const Thread *t, const uint32_t *r)
{
    int lane, column;
    for (int i = 0; i < x->words; i++) {
        place_of(x->shape, t->lane, i, &lane, &column);
        if (x->halves) {
            *word_of(x, lane, 2 * column) = r[i] & 0xFFFF;
            *word_of(x, lane, 2 * column + 1) = r[i] >> 16;
        } else {
            *word_of(x, lane, column) = r[i];
        }
    }
}

/* The accesses of operation `number` are all lanes': each answers for its own (9.7.16.5). */
static void touch(Warp *w, const Transfer *x, bool stores, uint32_t number)
{
    Thread *t = warp_lane(w, 0);
    Clock *past = NULL;
    Access a = access_of(t, &x->memory->shadow, stores ? TOUCH_ASYNC_WRITE : TOUCH_ASYNC_READ,
                         stores ? "tcgen05.st writes" : "tcgen05.ld reads");
    tensor_warp_past(w, &past);
    a.agent = lane_agent(t, stores ? LANES_TENSOR_STORE : LANES_TENSOR_LOAD);
    a.lanes = ~0u;
    a.epoch = number;
    a.self_agent = NO_AGENT;
    a.order[CAUSAL] = past;
    a.pipelined = tensor_pipelined;
    int lanes = shapes[x->shape].lanes;
    if (!stores)
        tensor_need_defined(&a, x->lane, lanes, x->column, x->columns);
    tensor_touch(&a, x->lane, lanes, x->column, x->columns);
    if (stores)
        tensor_define(x->memory, x->lane, lanes, x->column, x->columns);
    clock_drop(&past);
    t->machine->counts.steps++;
    progress(t->machine);
}

static bool finish_load(Warp *w)
{
    Transfer x = transfer_of(w);
    touch(w, &x, false, ++w->loads);
    EACH_LANE(t, w)
    load(&x, t, t->pointer);
    return true;
}

static bool finish_store(Warp *w)
{
    Transfer x = transfer_of(w);
    touch(w, &x, true, ++w->stores);
    EACH_LANE(t, w)
    store(&x, t, t->operands);
    return true;
}

static void check_arch(Thread *t)
{
    if (t->machine->options.arch != TILE_SM100)
        tensor_check_group(t, 1);
}

void machine_tcgen05_ld(uint32_t *r, uint32_t address, int shape, int count, int pack)
{
    Thread *t = ENTER("tcgen05.ld");
    check_arch(t);
    t->pointer = r;
    together(t, DO_TCGEN05_LD, detail_of(address, shape, count, pack), ONE_PLACE_ALL_LANES,
             finish_load);
}

void machine_tcgen05_st(uint32_t address, const uint32_t *r, int shape, int count, int unpack)
{
    Thread *t = ENTER("tcgen05.st");
    check_arch(t);
    t->operands = r;
    together(t, DO_TCGEN05_ST, detail_of(address, shape, count, unpack), ONE_PLACE_ALL_LANES,
             finish_store);
}

/* ---- wait: 9.7.16.8.5 ---- */

static void note_waited(Thread *t, int kind, uint32_t number)
{
    if (number)
        clock_set(&t->clock[UNFENCED], t->block->number, lane_agent(t, kind), number);
}

static bool finish_wait(Warp *w)
{
    bool stores = w->detail;
    if (stores)
        w->stores_waited = w->stores;
    else
        w->loads_waited = w->loads;
    EACH_LANE(t, w)
    note_waited(t, stores ? LANES_TENSOR_STORE : LANES_TENSOR_LOAD, stores ? w->stores : w->loads);
    return true;
}

void machine_tcgen05_wait(int stores)
{
    together(ENTER(stores ? "tcgen05.wait::st" : "tcgen05.wait::ld"), DO_TCGEN05_WAIT, stores != 0,
             ONE_PLACE_ALL_LANES, finish_wait);
}
