/* wgmma (PTX ISA 9.7.15): operands from descriptors, accumulators in registers.
 *
 * A warp's part of an operation, 16 rows of D, is an operation of its own: a warp waits for its own
 * part only. From its issue to that wait the registers belong to it; on the machine they are the
 * kernel's arrays, which hold poison meanwhile, so that a write is found at the wait and a read
 * where its value leaves the registers (machine_poisoned).
 */
#include <stdlib.h>

#include "runtime/machine/wgmma.h"

static WgmmaState *state_of(Warp *w)
{
    if (!w->wgmma) {
        w->wgmma = calloc(1, sizeof *w->wgmma);
        if (!w->wgmma)
            abort();
        w->wgmma->agent = w->block->agents++;
    }
    return w->wgmma;
}

static void op_free(AsyncOp *op)
{
    free(op->wgmma);
}

/* ---- issue ---- */

/* The operands of the instruction, which all lanes and warps must have alike. */
typedef struct Instruction {
    int n, type, majors;
    bool accumulate, from_registers;
    uint64_t a, b;
} Instruction;

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0xFF51AFD7ED558CCDull;
    return h ^ h >> 32;
}

static uint64_t instruction_hash(const Instruction *i)
{
    uint64_t h = mix((uint64_t)i->n, (uint64_t)i->type);
    h = mix(h, (uint64_t)(i->majors | i->accumulate << 8 | i->from_registers << 9));
    return mix(mix(h, i->a), i->b);
}

static void check_operand(Warp *w, uint64_t descriptor, bool mn_major, int bytes, const char *name,
                          Operand *o)
{
    const Thread *t = warp_lane(w, 0);
    const char *wrong = operand_decode_wgmma(descriptor, mn_major, 16 / bytes, o);
    if (mn_major && bytes != 2)
        wrong = "only 16-bit elements may be M- or N-major";
    if (wrong)
        breach(w->block->machine, TILE_FAULT_DESCRIPTOR, t, t->place,
               "wgmma.mma_async: descriptor 0x%016llx of %s: %s", (unsigned long long)descriptor,
               name, wrong);
}

static AsyncOp *issue(Warp *w, const Instruction *in)
{
    AsyncOp *async = async_issue(warp_lane(w, 0), "the wgmma.mma_async", wgmma_advance);
    WgmmaOp *op = calloc(1, sizeof *op);
    if (!op)
        abort();
    *op = (WgmmaOp){.n = in->n,
                    .type = in->type,
                    .accumulate = in->accumulate,
                    .from_registers = in->from_registers};
    async->warp = w;
    async->number = ++w->wgmma->issued;
    async->wgmma = op;
    async->free = op_free;
    return async;
}

/* The lanes have brought the same instruction. */
static bool finish_wgmma(Warp *w)
{
    Machine *m = w->block->machine;
    WgmmaState *s = state_of(w);
    const Instruction *in = warp_lane(w, 0)->operands;
    const Thread *t = warp_lane(w, 0);
    int bytes = wgmma_element_bytes(in->type), k = 32 / bytes;
    group_step(w, DO_WGMMA, w->detail);
    if (!s->fences)
        breach(m, TILE_FAULT_FENCE, t, t->place, "wgmma.mma_async with no wgmma.fence before it");
    AsyncOp *async = issue(w, in);
    WgmmaOp *op = async->wgmma;
    warp_meet(w, s->order);
    check_operand(w, in->b, in->majors & 2, bytes, "B", &op->b);
    wgmma_read_operand(w, &op->b, in->n, k, async->number, "B", "wgmma.mma_async reads B at");
    if (!in->from_registers) {
        check_operand(w, in->a, in->majors & 1, bytes, "A", &op->a);
        wgmma_read_operand(w, &op->a, GROUP_WARPS * ROWS, k, async->number, "A",
                           "wgmma.mma_async reads A at");
    }
    EACH_LANE(u, w)
    u->pointer = u->d_registers;
    op->d = wgmma_take_accumulators(w, in->n / 2, in->accumulate);
    op->d->last = async->number;
    if (in->from_registers) {
        EACH_LANE(u, w)
        u->pointer = u->a_registers;
        op->a_registers = wgmma_take_fragment(w, bytes);
        op->a_registers->last = async->number;
    }
    async->bytes = (uint32_t)in->n;
    async->count = op->b.start - SHARED_BASE;
    async_start(async);
    return true;
}

void machine_wgmma(float *d, int n, int type, const uint32_t *a, uint64_t a_desc, uint64_t b_desc,
                   int accumulate, int majors)
{
    Thread *t = ENTER("wgmma.mma_async");
    if (t->machine->options.arch != TILE_SM90)
        breach(t->machine, TILE_FAULT_LAUNCH, t, t->place, "wgmma is of sm90; the machine is %s",
               tile_arch_name(t->machine->options.arch));
    Instruction in = {.n = n,
                      .type = type,
                      .majors = majors,
                      .accumulate = accumulate != 0,
                      .from_registers = a != NULL,
                      .a = a_desc,
                      .b = b_desc};
    t->operands = &in;
    t->d_registers = d;
    t->a_registers = (void *)(uintptr_t)a;
    together(t, DO_WGMMA, instruction_hash(&in), ONE_PLACE_ALL_LANES, finish_wgmma);
}

/* ---- fence, commit, wait: 9.7.15.7 ---- */

static bool finish_fence(Warp *w)
{
    WgmmaState *s = state_of(w);
    group_step(w, DO_WGMMA_FENCE, 0);
    s->fences++;
    for (int i = 0; i < s->arrays; i++)
        if (!s->registers[i]->in_flight)
            wgmma_keep(w, s->registers[i]);
    return true;
}

void machine_wgmma_fence(void)
{
    together(ENTER("wgmma.fence"), DO_WGMMA_FENCE, 0, ONE_PLACE_ALL_LANES, finish_fence);
}

static bool finish_commit(Warp *w)
{
    WgmmaState *s = state_of(w);
    group_step(w, DO_WGMMA_COMMIT, 0);
    if (s->groups == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 16;
        s->group = realloc(s->group, s->capacity * sizeof *s->group);
        if (!s->group)
            abort();
    }
    s->group[s->groups++] = s->issued;
    return true;
}

void machine_wgmma_commit(void)
{
    together(ENTER("wgmma.commit_group"), DO_WGMMA_COMMIT, 0, ONE_PLACE_ALL_LANES, finish_commit);
}

static bool finish_wait(Warp *w)
{
    WgmmaState *s = state_of(w);
    group_step(w, DO_WGMMA_WAIT, w->detail);
    uint32_t target = s->groups > w->detail ? s->group[s->groups - 1 - w->detail] : 0;
    EACH_LANE(t, w)
    t->wait_target = target;
    return true;
}

static bool wgmma_pending(const Thread *t)
{
    const Machine *m = t->machine;
    for (int i = 0; i < m->ops; i++)
        if (m->op[i]->warp == t->warp && m->op[i]->number <= t->wait_target)
            return true;
    return false;
}

/* The first lane to go on does it for all. */
static void retire(Warp *w, uint32_t target)
{
    WgmmaState *s = w->wgmma;
    if (s->waited >= target)
        return;
    s->waited = target;
    for (int i = 0; i < s->arrays; i++)
        if (s->registers[i]->in_flight && s->registers[i]->last <= target)
            wgmma_give_back(w, s->registers[i]);
}

void machine_wgmma_wait(int groups)
{
    Thread *t = ENTER("wgmma.wait_group");
    Warp *w = t->warp;
    together(t, DO_WGMMA_WAIT, (uint64_t)groups, ONE_PLACE_ALL_LANES, finish_wait);
    while (wgmma_pending(t))
        thread_wait(t, STATE_WGMMA);
    retire(w, t->wait_target);
    trace_wait(t, ends_at(&w->wgmma->ends, t->wait_target));
    if (t->wait_target)
        clock_set(&t->clock[CAUSAL], t->block->number, w->wgmma->agent, t->wait_target);
}

Ends *wgmma_ends(Warp *w)
{
    return &w->wgmma->ends;
}

/* ---- values that leave the registers ---- */

void machine_poisoned(void)
{
    Thread *t = ENTER("a use of a register");
    breach(t->machine, TILE_FAULT_ACCUMULATOR, t, t->place,
           "uses a value that was read from accumulators of a wgmma.mma_async in flight");
}

/* ---- exit ---- */

void wgmma_check_exit(Warp *w)
{
    WgmmaState *s = w->wgmma;
    const Thread *t = warp_lane(w, 0);
    if (s && s->waited < s->issued)
        breach(w->block->machine, TILE_FAULT_EXIT, t, t->place,
               "warp %d exits, and has not waited for its wgmma.mma_async%s", w->index,
               s->groups && s->group[s->groups - 1] == s->issued ? "" : " (some are in no group)");
}

void wgmma_free(Warp *w)
{
    WgmmaState *s = w->wgmma;
    while (s && s->arrays)
        wgmma_forget(s, 0);
    for (int i = 0; s && i < ORDERS; i++)
        clock_drop(&s->order[i]);
    if (s) {
        free(s->group);
        ends_free(&s->ends);
    }
    free(s);
    w->wgmma = NULL;
}
