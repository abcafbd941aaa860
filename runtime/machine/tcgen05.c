/* tcgen05.mma, cp, commit and the fences (PTX ISA 9.7.16.6, .9 to .12).
 *
 * What a tcgen05 operation does to tensor memory is ordered behind t->tensor_past: what its thread
 * knew at the last tcgen05.fence::after_thread_sync. What it reads of shared memory is ordered as a
 * copy would be, behind what the thread knows, with proxy fences (9.7.16.6.5). Some pairs stay in
 * the order of their issue by themselves (9.7.16.6.2): tensor_pipelined.
 *
 * Agents: LANES_TENSOR n of a thread, its first n mma and cp are complete, which a commit's
 * mbarrier tells; LANES_TENSOR_ISSUED n, they are in the pipeline, which
 * tcgen05.fence::before_thread_sync adds to what the thread releases.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/tcgen05.h"

/* ---- a thread's operations ---- */

static TensorThread *thread_of(Thread *t)
{
    if (!t->tensor && !(t->tensor = calloc(1, sizeof *t->tensor)))
        abort();
    return t->tensor;
}

Ends *tensor_ends(Thread *t)
{
    return &thread_of(t)->ends;
}

void tensor_thread_free(Thread *t)
{
    clock_drop(&t->tensor_past);
    if (!t->tensor)
        return;
    for (int i = 0; i < ORDERS; i++)
        clock_drop(&t->tensor->known[i]);
    ends_free(&t->tensor->ends);
    free(t->tensor->op);
    free(t->tensor);
    t->tensor = NULL;
}

static void append(TensorThread *s, const Pipelined *pipe)
{
    if (s->issued == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 32;
        s->op = realloc(s->op, s->capacity * sizeof *s->op);
        if (!s->op)
            abort();
    }
    s->op[s->issued++] = *pipe;
}

/* Its completion will mean that what was ordered before it is over too. */
static void keep_known(Thread *t)
{
    TensorThread *s = t->tensor;
    for (int i = CAUSAL; i < UNFENCED; i++) {
        clock_drop(&s->known[i]);
        s->known[i] = clock_share(t->clock[i]);
    }
    clock_join(&s->known[CAUSAL], t->tensor_past);
}

static void op_free(AsyncOp *op)
{
    sync_drop(&op->tensor->known);
    free(op->tensor);
}

/* An operation of the thread, whose accesses are still to be recorded. */
static AsyncOp *issue(Thread *t, const char *name, const TensorOp *op,
                      bool (*advance)(Machine *, AsyncOp *))
{
    AsyncOp *async = async_issue(t, name, advance);
    if (!(async->tensor = malloc(sizeof *op)))
        abort();
    *async->tensor = *op;
    async->tensor->issued = ++t->machine->tensor_issued;
    async->free = op_free;
    async->target = op->blocks == 2 ? op->block[t->block == op->block[0]] : NULL;
    if (op->pipe.kind != TENSOR_COMMIT) {
        append(thread_of(t), &op->pipe);
        keep_known(t);
        clock_set(&t->clock[UNFENCED], t->block->number, lane_agent(t, LANES_TENSOR_ISSUED),
                  t->tensor->issued);
    }
    async->number = thread_of(t)->issued;
    return async;
}

/* ---- order ---- */

static bool stays_behind(const Pipelined *first, const Pipelined *second)
{
    if (second->kind != TENSOR_MMA)
        return false;
    return first->kind == TENSOR_CP ||
           (first->kind == TENSOR_MMA && first->d == second->d && first->shape == second->shape);
}

/* The engine takes them in any other order that those pairs, and commits, leave. */
bool tensor_is_next(const Machine *m, const AsyncOp *op)
{
    const TensorOp *x = op->tensor;
    for (int i = 0; i < m->ops; i++) {
        const AsyncOp *other = m->op[i];
        const TensorOp *y = other->tensor;
        if (!y || y->issued >= x->issued || y->pipe.kind == TENSOR_COMMIT)
            continue;
        bool pair = y->block[0] == x->block[0] && stays_behind(&y->pipe, &x->pipe);
        if (pair || (x->pipe.kind == TENSOR_COMMIT && other->thread == op->thread))
            return false;
    }
    return true;
}

static const Block *block_with(const Machine *m, uint32_t number)
{
    for (int i = 0; i < m->clusters; i++)
        for (int k = 0; k < m->cluster[i]->blocks; k++)
            if (m->cluster[i]->block[k]->number == number)
                return m->cluster[i]->block[k];
    return NULL;
}

/* Whose lanes of what kind a record's group of agents is; NULL: no tcgen05 operation's. */
static Warp *agents_of(const Block *b, const Record *r, int *kind)
{
    for (int i = 0; b && i < b->warps; i++)
        for (*kind = LANES_TENSOR; *kind < LANE_KINDS; ++*kind)
            if (b->warp[i].lane_base[*kind] == r->group * 32u)
                return &b->warp[i];
    return NULL;
}

static Thread *issuer(Warp *w, const Record *r)
{
    return warp_lane(w, __builtin_ctz(r->lanes));
}

/* Is it enough that the record's operation, of these lanes, is in the pipeline before the access?
 */
static bool stays_ahead(const Access *a, const Record *r, Warp *w)
{
    const Pipelined *first = &issuer(w, r)->tensor->op[r->epoch - 1];
    bool both_write = r->touch == TOUCH_ASYNC_WRITE && a->touch == TOUCH_ASYNC_WRITE;
    return a->tensor && (first->kind == TENSOR_CP || both_write) &&
           stays_behind(first, &a->tensor->pipe);
}

static bool in_pipeline(const Clock *c, const Warp *w, const Record *r)
{
    return record_known(c, r, w->lane_base[LANES_TENSOR_ISSUED] / 32);
}

/* 9.7.16.6.2, .3. And what the warp has waited for is over for all that it does later. */
bool tensor_pipelined(const Access *a, const Record *r)
{
    int kind;
    Warp *w = agents_of(block_with(a->machine, r->block), r, &kind);
    const Thread *t = a->thread;
    if (!w)
        return false;
    if (kind != LANES_TENSOR) {
        uint32_t waited = kind == LANES_TENSOR_LOAD ? w->loads_waited : w->stores_waited;
        return w == t->warp && r->epoch <= waited;
    }
    return stays_ahead(a, r, w) && (issuer(w, r) == t || in_pipeline(t->tensor_past, w, r));
}

void tensor_warp_past(Warp *w, Clock **past)
{
    *past = clock_share(warp_lane(w, 0)->tensor_past);
    EACH_LANE(t, w)
    clock_meet(past, t->tensor_past);
}

void tensor_conflict(const Access *a, const Record *r, size_t offset)
{
    Machine *m = a->machine;
    const Thread *t = a->thread;
    char place[96];
    int kind;
    Warp *w = agents_of(block_with(m, r->block), r, &kind);
    bool pipe = w && kind == LANES_TENSOR && stays_ahead(a, r, w), known[2];
    const char *text = record_text(m, r);
    for (int i = 0; i < 2; i++) {
        const Clock *c = t->clock[i ? UNFENCED : CAUSAL];
        known[i] = record_known(c, r, r->group) || (pipe && in_pipeline(c, w, r));
    }
    tensor_place(place, sizeof place, offset);
    if (known[0] || known[1])
        breach(m, TILE_FAULT_TENSOR_FENCE, t, a->place,
               "%s %s; %s, and no tcgen05.fence::%s_thread_sync lies between", a->what, place, text,
               known[0] ? "after" : "before");
    breach(m, TILE_FAULT_IN_FLIGHT, t, a->place,
           "%s %s; %s, and nobody here has waited for its completion", a->what, place, text);
}

const char *tensor_text(const Machine *m, const Block *b, const Record *r)
{
    static _Thread_local char text[64];
    int kind;
    Warp *w = agents_of(b, r, &kind);
    (void)m;
    if (!w)
        return NULL;
    if (kind == LANES_TENSOR) {
        const Thread *t = issuer(w, r);
        bool mma = t->tensor->op[r->epoch - 1].kind == TENSOR_MMA;
        snprintf(text, sizeof text, "a tcgen05.%s of thread %d", mma ? "mma" : "cp", t->index);
    } else {
        snprintf(text, sizeof text, "a tcgen05.%s of warp %d",
                 kind == LANES_TENSOR_LOAD ? "ld" : "st", w->index);
    }
    return text;
}

void machine_tcgen05_fence(int after)
{
    Thread *t = ENTER(after ? "tcgen05.fence::after_thread_sync"
                            : "tcgen05.fence::before_thread_sync");
    if (after) {
        clock_join(&t->tensor_past, t->clock[CAUSAL]);
        return;
    }
    const struct {
        int kind;
        uint32_t number;
    } own[] = {{LANES_TENSOR_ISSUED, t->tensor ? t->tensor->issued : 0},
               {LANES_TENSOR_LOAD, t->warp->loads_waited},
               {LANES_TENSOR_STORE, t->warp->stores_waited}};
    for (int i = 0; i < 3; i++)
        if (own[i].number)
            clock_set(&t->clock[CAUSAL], t->block->number, lane_agent(t, own[i].kind),
                      own[i].number);
}

/* ---- commit ---- */

static bool commit_advance(Machine *m, AsyncOp *op)
{
    mbarrier_arrive_commit(m, op->mbarrier, op, &op->tensor->known);
    return true;
}

static void commit_to(Thread *t, void *barrier, int group)
{
    Mbarrier *b = mbarrier_at(t, barrier, true, "signals");
    TensorThread *s = thread_of(t);
    TensorOp op = {.pipe = {.kind = TENSOR_COMMIT}, .blocks = group, .block = {t->block}};
    if (group == 2)
        op.block[1] = tensor_peer(t);
    AsyncOp *async = issue(t, "tcgen05.commit's arrival", &op, commit_advance);
    Sync *known = &async->tensor->known;
    async->mbarrier = b;
    async->target = b->block;
    for (int i = CAUSAL; i < UNFENCED; i++)
        known->clock[i] = clock_share(s->known[i]);
    if (s->issued)
        clock_set(&known->clock[CAUSAL], t->block->number, lane_agent(t, LANES_TENSOR), s->issued);
    sync_time(known, ends_at(&s->ends, s->issued));
    async_start(async);
}

void machine_tcgen05_commit(void *b, int32_t mask, int group)
{
    Thread *t = ENTER("tcgen05.commit");
    tensor_check_group(t, group);
    thread_yield(t);
    if (mask < 0)
        commit_to(t, b, group);
    for (int i = 0; mask > 0 && i < MOST_BLOCKS; i++)
        if (mask >> i & 1)
            commit_to(t, peer_place(t, b, i), group);
}

/* ---- accesses ---- */

Access tensor_access(Thread *t, TensorMemory *m, Touch touch, const char *what)
{
    Access a = access_of(t, &m->shadow, touch, what);
    a.agent = lane_agent(t, LANES_TENSOR);
    a.self_agent = NO_AGENT;
    a.order[CAUSAL] = t->tensor_past;
    a.pipelined = tensor_pipelined;
    return a;
}

/* Of shared memory in the async proxy. */
static Access operand_access(Thread *t, Block *b, const TensorOp *op, uint32_t number,
                             const char *what)
{
    Access a = access_of(t, &b->shared, TOUCH_ASYNC_READ, what);
    a.agent = lane_agent(t, LANES_TENSOR);
    a.epoch = number;
    a.tensor = op;
    return a;
}

/* The peer must not exit before it is over. */
static void note_blocks(Thread *t, const TensorOp *op, uint32_t number)
{
    for (int i = 0; i < op->blocks; i++) {
        if (op->block[i] == t->block)
            continue;
        clock_set(&op->block[i]->remote_last, t->block->number, lane_agent(t, LANES_TENSOR),
                  number);
        op->block[i]->remote_place = t->place;
    }
}

static void set_blocks(Thread *t, TensorOp *op, int group)
{
    op->blocks = group;
    op->block[0] = t->block;
    if (group == 2) {
        Block *peer = tensor_peer(t);
        op->block[t->block->rank & 1] = t->block;
        op->block[peer->rank & 1] = peer;
    }
}

static void decode_operand(Thread *t, uint64_t descriptor, bool mn_major, int chunk,
                           const char *name, Operand *o)
{
    const char *wrong = operand_decode_tcgen05(descriptor, mn_major, chunk, o);
    if (wrong)
        breach(t->machine, TILE_FAULT_DESCRIPTOR, t, t->place, "%s: descriptor 0x%016llx of %s: %s",
               t->doing, (unsigned long long)descriptor, name, wrong);
}

/* ---- mma ---- */

static void decode(Thread *t, const TileTcgen05Mma *x, TensorOp *op)
{
    const char *wrong = instruction_decode(x->kind, x->idesc, x->group, &op->in);
    if (wrong)
        breach(t->machine, TILE_FAULT_INSTRUCTION, t, t->place,
               "tcgen05.mma: instruction descriptor 0x%08x: %s", x->idesc, wrong);
    if (x->from_tmem && (op->in.a_mn || !op->in.a->in_word))
        breach(t->machine, TILE_FAULT_INSTRUCTION, t, t->place,
               "tcgen05.mma: instruction descriptor 0x%08x: %s", x->idesc,
               op->in.a_mn ? "A in tensor memory lies along K"
                           : "A of 4 or 6 bits in tensor memory is not modelled");
    op->from_tmem = x->from_tmem;
    op->accumulate = x->accumulate;
    op->pipe = (Pipelined){TENSOR_MMA, x->d, (uint32_t)(op->in.m << 16 | op->in.n << 4 | x->kind),
                           t->place};
    if (!x->from_tmem)
        decode_operand(t, x->a, op->in.a_mn, op->in.a->chunk, "A", &op->a);
    decode_operand(t, x->b, op->in.b_mn, op->in.b->chunk, "B", &op->b);
}

/* 9.7.16.10.5: only layouts of half the lanes may begin at lane 16. */
static void check_lane(Thread *t, const TensorOp *op, int lane, const char *name)
{
    bool half = op->in.m == 64;
    if (lane != 0 && !(half && lane == GRANULE))
        breach(t->machine, TILE_FAULT_LANES, t, t->place,
               "tcgen05.mma: %s at lane %d; with M = %d it begins at lane 0%s", name, lane,
               op->in.m, half ? " or 16" : "");
}

/* Granule by granule, for of half the lanes every second one is used. */
static void touch_rows(const Access *a, const TensorOp *op, int lane, int column, int columns,
                       bool defined)
{
    int step = op->in.m == 64 ? 2 * GRANULE : LANES, lanes = op->in.m == 64 ? GRANULE : LANES;
    for (int l = lane; l < LANES; l += step) {
        if (defined)
            tensor_need_defined(a, l, lanes, column, columns);
        tensor_touch(a, l, lanes, column, columns);
    }
}

static void define_rows(TensorMemory *m, const TensorOp *op)
{
    int step = op->in.m == 64 ? 2 * GRANULE : LANES, lanes = op->in.m == 64 ? GRANULE : LANES;
    for (int l = op->d_lane; l < LANES; l += step)
        tensor_define(m, l, lanes, op->d_column, op->in.n / tensor_parts(op));
}

/* Addresses of one block's operands in tensor memory. */
static void place_tensors(Thread *t, Block *b, const TileTcgen05Mma *x, TensorOp *op)
{
    int lane;
    tensor_at(t, b, x->d, op->in.n / tensor_parts(op), "tcgen05.mma: D", &op->d_lane,
              &op->d_column);
    check_lane(t, op, op->d_lane, "D");
    if (op->from_tmem) {
        tensor_at(t, b, x->a_address, tensor_a_columns(op), "tcgen05.mma: A", &op->a_lane,
                  &op->a_column);
        check_lane(t, op, op->a_lane, "A");
        if (op->a_lane != op->d_lane)
            breach(t->machine, TILE_FAULT_LANES, t, t->place,
                   "tcgen05.mma: A at lane %d, D at lane %d; they begin at the same one",
                   op->a_lane, op->d_lane);
    }
    if (!op->in.scales)
        return;
    tensor_at(t, b, x->scale_a, tensor_scale_columns(tensor_rows(op)), "tcgen05.mma: scales of A",
              &lane, &op->scale_a);
    check_lane(t, op, lane, "scales of A");
    tensor_at(t, b, x->scale_b, tensor_scale_columns(op->in.n / tensor_parts(op)),
              "tcgen05.mma: scales of B", &lane, &op->scale_b);
    check_lane(t, op, lane, "scales of B");
}

/* Scales lie in all four quarters alike (9.7.16.10.7). */
static void touch_scales(Thread *t, Block *b, const TensorOp *op, uint32_t number, int column,
                         int rows, const char *what)
{
    Access a = tensor_access(t, b->tensor, TOUCH_ASYNC_READ, what);
    a.epoch = number;
    a.tensor = op;
    tensor_need_defined(&a, 0, LANES, column, tensor_scale_columns(rows));
    tensor_touch(&a, 0, LANES, column, tensor_scale_columns(rows));
}

static void touch_block(Thread *t, Block *b, const TensorOp *op, uint32_t number)
{
    Access d = tensor_access(t, b->tensor, TOUCH_ASYNC_WRITE, "tcgen05.mma updates D at");
    d.epoch = number;
    d.tensor = op;
    if (op->from_tmem) {
        Access a = tensor_access(t, b->tensor, TOUCH_ASYNC_READ, "tcgen05.mma reads A at");
        a.epoch = number;
        a.tensor = op;
        touch_rows(&a, op, op->a_lane, op->a_column, tensor_a_columns(op), true);
    } else {
        Access a = operand_access(t, b, op, number, "tcgen05.mma reads A at");
        operand_read(&a, &op->a, tensor_rows(op), op->in.k, "tcgen05.mma", "A");
    }
    Access x = operand_access(t, b, op, number, "tcgen05.mma reads B at");
    operand_read(&x, &op->b, op->in.n / op->blocks, op->in.k, "tcgen05.mma", "B");
    if (op->in.scales) {
        touch_scales(t, b, op, number, op->scale_a, tensor_rows(op),
                     "tcgen05.mma reads scales of A at");
        touch_scales(t, b, op, number, op->scale_b, op->in.n / tensor_parts(op),
                     "tcgen05.mma reads scales of B at");
    }
    touch_rows(&d, op, op->d_lane, op->d_column, op->in.n / tensor_parts(op), op->accumulate);
    define_rows(b->tensor, op);
}

/* 9.7.16.10.9.1: what is used from the collector has been put there. */
static void check_collector(Thread *t, const TileTcgen05Mma *x, const TensorOp *op)
{
    Collector *c = &op->block[0]->tensor->collector;
    uint64_t a = x->from_tmem ? x->a_address : x->a;
    bool uses = x->collector >= TILE_COLLECTOR_USE;
    if (uses &&
        !(c->valid && c->from_tmem == op->from_tmem && c->a == a && c->rows == (uint32_t)op->in.m))
        breach(t->machine, TILE_FAULT_COLLECTOR, t, t->place,
               "tcgen05.mma.collector::a::%s, but the collector has %s",
               x->collector == TILE_COLLECTOR_USE ? "use" : "lastuse",
               c->valid ? "another A" : "no A");
    *c = (Collector){.valid = x->collector == TILE_COLLECTOR_FILL ||
                              x->collector == TILE_COLLECTOR_USE,
                     .from_tmem = op->from_tmem,
                     .a = a,
                     .rows = (uint32_t)op->in.m};
}

void machine_tcgen05_mma(const TileTcgen05Mma *x)
{
    Thread *t = ENTER("tcgen05.mma");
    TensorOp op = {0};
    tensor_check_group(t, x->group);
    thread_yield(t);
    set_blocks(t, &op, x->group);
    decode(t, x, &op);
    for (int i = 0; i < op.blocks; i++)
        place_tensors(t, op.block[i], x, &op);
    check_collector(t, x, &op);
    AsyncOp *async = issue(t, "the tcgen05.mma", &op, tensor_mma_advance);
    for (int i = 0; i < op.blocks; i++)
        touch_block(t, op.block[i], async->tensor, async->number);
    note_blocks(t, &op, async->number);
    async->bytes = (uint32_t)op.in.n;
    async->count = op.b.start - SHARED_BASE;
    async_start(async);
    progress(t->machine);
}

/* ---- cp ---- */

static void copy_block(Thread *t, Block *b, TensorOp *op, uint32_t number, int columns)
{
    Access read = operand_access(t, b, op, number, "tcgen05.cp reads");
    Access write = tensor_access(t, b->tensor, TOUCH_ASYNC_WRITE, "tcgen05.cp writes");
    write.epoch = number;
    write.tensor = op;
    operand_read(&read, &op->a, tensor_copy_rows(op->shape), tensor_copy_chunks(op->shape),
                 "tcgen05.cp", "the source");
    tensor_touch(&write, 0, LANES, op->d_column, columns);
    tensor_define(b->tensor, 0, LANES, op->d_column, columns);
}

void machine_tcgen05_cp(uint32_t address, uint64_t source, int shape, int group)
{
    Thread *t = ENTER("tcgen05.cp");
    TensorOp op = {.shape = shape, .pipe = {.kind = TENSOR_CP, .place = t->place}};
    int columns = 4 * tensor_copy_chunks(shape);
    tensor_check_group(t, group);
    thread_yield(t);
    set_blocks(t, &op, group);
    decode_operand(t, source, false, 1, "the source", &op.a);
    for (int i = 0; i < op.blocks; i++)
        tensor_at(t, op.block[i], address, columns, "tcgen05.cp", &op.d_lane, &op.d_column);
    if (op.d_lane)
        breach(t->machine, TILE_FAULT_LANES, t, t->place,
               "tcgen05.cp to lane %d; it fills all lanes, from 0 on", op.d_lane);
    AsyncOp *async = issue(t, "the tcgen05.cp", &op, tensor_cp_advance);
    for (int i = 0; i < op.blocks; i++)
        copy_block(t, op.block[i], async->tensor, async->number, columns);
    note_blocks(t, &op, async->number);
    async->bytes = (uint32_t)columns;
    async->count = op.a.start - SHARED_BASE;
    async_start(async);
    progress(t->machine);
}

/* ---- exit ---- */

/* Somebody in the block has learned of the end of what its threads have issued. */
void tensor_check_waited(Block *b)
{
    Clock *all = NULL;
    for (int i = 0; i < b->threads; i++)
        clock_join(&all, b->thread[i].clock[CAUSAL]);
    const Pipelined *open = NULL;
    const Thread *who = NULL;
    for (int i = 0; i < b->threads && !open; i++) {
        Thread *t = &b->thread[i];
        uint32_t n = t->tensor ? t->tensor->issued : 0;
        if (n && !clock_has(all, b->number, lane_agent(t, LANES_TENSOR), n)) {
            open = &t->tensor->op[n - 1];
            who = t;
        }
    }
    clock_drop(&all);
    if (open)
        breach(b->machine, TILE_FAULT_EXIT, who, open->place,
               "block %lld exits, and has not waited for this tcgen05.%s", (long long)b->index,
               open->kind == TENSOR_MMA ? "mma" : "cp");
}
