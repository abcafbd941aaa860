/* Warpgroups: operations with .aligned are the same in all four warps, one after the other. The
 * warps need not meet for them; setmaxnreg (PTX ISA 9.7.19.5) moves registers between them. */
#include <stdlib.h>

#include "runtime/machine/internal.h"

static GroupLog *log_of(Warp *w)
{
    return &w->block->group[w->index / GROUP_WARPS];
}

static void append(GroupLog *log, uint64_t operation, Place place)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity ? 2 * log->capacity : 64;
        log->operation = realloc(log->operation, log->capacity * sizeof *log->operation);
        log->place = realloc(log->place, log->capacity * sizeof *log->place);
        if (!log->operation || !log->place)
            abort();
    }
    log->operation[log->count] = operation;
    log->place[log->count++] = place;
}

void group_step(Warp *w, Together what, uint64_t detail)
{
    Machine *m = w->block->machine;
    const Thread *t = warp_lane(w, 0);
    GroupLog *log = log_of(w);
    uint64_t operation = (detail ^ (uint64_t)what << 56) * 0x9E3779B97F4A7C15ull;
    if ((w->index | 3) >= w->block->warps)
        breach(m, TILE_FAULT_DIVERGENCE, t, t->place,
               "%s in warp %d, but the block has no four warps from %d on", t->doing, w->index,
               w->index & ~3);
    uint32_t i = w->group_steps++;
    if (i == log->count)
        append(log, operation, t->place);
    else if (log->operation[i] != operation || !same_place(m, log->place[i], t->place))
        breach(m, TILE_FAULT_DIVERGENCE, t, t->place,
               "%s; another warp of its warpgroup has done something else then, at %s", t->doing,
               where_text(m, log->place[i]));
}

void group_check_exit(Block *b)
{
    for (int i = 0; i < b->warps; i++) {
        Warp *w = &b->warp[i];
        GroupLog *log = log_of(w);
        if (w->group_steps < log->count)
            breach(b->machine, TILE_FAULT_DIVERGENCE, NULL, log->place[w->group_steps],
                   "a warpgroup's operation, which warp %d of block %lld has not done", i,
                   (long long)b->index);
    }
}

void groups_log_free(Block *b)
{
    for (int i = 0; i < MOST_THREADS / WARP_SIZE / GROUP_WARPS; i++) {
        free(b->group[i].operation);
        free(b->group[i].place);
    }
}

/* ---- setmaxnreg ---- */

enum { ALL_REGISTERS = 65536, MOST_OF_A_THREAD = 255 };

/* __launch_bounds__ with a number of blocks caps the registers of a thread, in steps of 8. */
void registers_init(Block *b)
{
    const TileMachineKernel *k = b->machine->kernel;
    int each = k->blocks > 0 ? ALL_REGISTERS / (k->blocks * b->warps * WARP_SIZE) : 0;
    each = each > MOST_OF_A_THREAD ? MOST_OF_A_THREAD + 1 : each / 8 * 8;
    for (int i = 0; i < b->warps; i++)
        b->warp[i].registers = each;
}

static void check_registers(Warp *w, int count, bool more)
{
    Machine *m = w->block->machine;
    const Thread *t = warp_lane(w, 0);
    if (count < 24 || count > 256 || count % 8)
        breach(m, TILE_FAULT_REGISTERS, t, t->place,
               "setmaxnreg %d; multiples of 8 from 24 to 256 are possible", count);
    if (!w->registers)
        breach(m, TILE_FAULT_REGISTERS, t, t->place,
               "setmaxnreg in a kernel that names no least number of blocks: it has no effect");
    if (more ? w->registers > count : w->registers < count)
        breach(m, TILE_FAULT_REGISTERS, t, t->place, "setmaxnreg.%s to %d, from %d",
               more ? "inc" : "dec", count, w->registers);
}

static bool finish_registers(Warp *w)
{
    int count = (int)(w->detail & 0xFFFF), more = (int)(w->detail >> 16);
    group_step(w, DO_REGISTERS, w->detail);
    check_registers(w, count, more);
    if (!more) {
        w->block->register_pool += (w->registers - count) * w->lanes;
        w->registers = count;
        progress(w->block->machine);
        for (int i = 0; i < w->block->threads; i++) {
            Thread *t = &w->block->thread[i];
            if (t->state == STATE_REGISTERS)
                thread_ready(t);
        }
    }
    return true;
}

void machine_set_registers(int count, int more)
{
    Thread *t = ENTER(more ? "setmaxnreg.inc" : "setmaxnreg.dec");
    Warp *w = t->warp;
    together(t, DO_REGISTERS, (uint64_t)count | (uint64_t)more << 16, ONE_PLACE_ALL_LANES,
             finish_registers);
    while (w->registers < count) {
        int wanted = (count - w->registers) * w->lanes;
        if (w->block->register_pool >= wanted) {
            w->block->register_pool -= wanted;
            w->registers = count;
        } else {
            thread_wait(t, STATE_REGISTERS);
        }
    }
}
