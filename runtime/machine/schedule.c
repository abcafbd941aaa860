/* Who runs next. Threads run until they wait; the seed orders everything else. The blocks of a
 * cluster run together, those of a cooperative grid too; of other grids another cluster begins when
 * those that run cannot go on: nothing says that blocks meet, and nothing that they do not. */
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/internal.h"

enum { STACK_BYTES = 128 * 1024, MOST_RUNNING = 1 << 16 };

/* ---- waiting ---- */

static void push(Thread ***list, int *count, int *capacity, Thread *t)
{
    if (*count == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 256;
        *list = realloc(*list, (size_t)*capacity * sizeof **list);
        if (!*list)
            abort();
    }
    (*list)[(*count)++] = t;
}

void thread_ready(Thread *t)
{
    Machine *m = t->machine;
    t->state = STATE_READY;
    push(&m->ready, &m->ready_count, &m->ready_capacity, t);
}

static void leave(Thread *t, bool forever)
{
    Machine *m = t->machine;
    m->running = NULL;
    fiber_switch(&t->fiber, &m->host, forever);
    m->running = t;
}

void thread_wait(Thread *t, State state)
{
    t->state = state;
    leave(t, false);
    t->state = STATE_READY;
}

void thread_yield(Thread *t)
{
    Machine *m = t->machine;
    if (!m->ready_count || random_below(m, 4))
        return;
    thread_ready(t);
    leave(t, false);
}

void progress(Machine *m)
{
    m->progress++;
}

/* Two looks at one place, or many looks anywhere, with nothing done in between by anybody. */
void thread_poll(Thread *t, const void *what)
{
    Machine *m = t->machine;
    enum { MANY = 64 };
    if (t->seen != m->progress)
        t->polls = 0;
    if (t->polls++ > 0 && (t->polled == what || t->polls > MANY)) {
        push(&m->polling, &m->polling_count, &m->polling_capacity, t);
        thread_wait(t, STATE_POLL);
        t->polls = 0;
    }
    t->polled = what;
    t->seen = m->progress;
}

static bool wake_polling(Machine *m)
{
    int kept = 0, before = m->polling_count;
    for (int i = 0; i < before; i++) {
        Thread *t = m->polling[i];
        if (t->seen != m->progress)
            thread_ready(t);
        else
            m->polling[kept++] = t;
    }
    m->polling_count = kept;
    return kept < before;
}

/* ---- threads ---- */

static void thread_main(void *argument)
{
    Thread *t = argument;
    Machine *m = t->machine;
    m->kernel->start(m->args);
    t->place = t->view.line ? (Place)t->view.line : t->place;
    t->doing = "the end";
    trace_thread(t, true);
    async_check_exit(t);
    t->block->live--;
    warp_exit(t);
    barrier_exit(t);
    t->state = STATE_DONE;
    progress(m);
    leave(t, true);
}

static bool get_fiber(Machine *m, Thread *t)
{
    if (!m->spares)
        return fiber_create(&t->fiber, STACK_BYTES, thread_main, t);
    t->fiber = m->spare[--m->spares];
    fiber_restart(&t->fiber, thread_main, t);
    return true;
}

static void put_fiber(Machine *m, Thread *t)
{
    if (m->spares == m->spare_capacity) {
        m->spare_capacity = m->spare_capacity ? 2 * m->spare_capacity : 256;
        m->spare = realloc(m->spare, (size_t)m->spare_capacity * sizeof *m->spare);
        if (!m->spare)
            abort();
    }
    m->spare[m->spares++] = t->fiber;
}

static void run(Machine *m, Thread *t)
{
    m->running = t;
    m->link.view = &t->view;
    fiber_switch(&m->host, &t->fiber, false);
    m->link.view = &m->outside;
    m->running = NULL;
    if (m->fault)
        longjmp(m->failed, 1);
    if (fiber_overflowed(&t->fiber))
        breach(m, TILE_FAULT_LAUNCH, t, t->place,
               "the thread's arrays are too large for its stack of %d bytes", STACK_BYTES);
}

/* ---- blocks ---- */

static void thread_start(Block *b, int i)
{
    Machine *m = b->machine;
    Thread *t = &b->thread[i];
    *t = (Thread){.machine = m,
                  .block = b,
                  .warp = &b->warp[i / WARP_SIZE],
                  .index = i,
                  .lane = i % WARP_SIZE,
                  .epoch = 1,
                  .doing = "the beginning"};
    t->view = (TileView){.block = b->index,
                         .blocks = m->config.grid[0],
                         .shared = b->shared.base,
                         .thread = i,
                         .threads = b->threads,
                         .rank = b->rank,
                         .ranks = b->cluster->blocks};
    trace_thread(t, false);
    if (!get_fiber(m, t))
        breach(m, TILE_FAULT_LAUNCH, NULL, 0, "no memory for another thread");
    thread_ready(t);
}

/* What is in it at first is nobody's. */
static bool shared_create(Block *b)
{
    Machine *m = b->machine;
    size_t bytes = m->config.shared_bytes;
    b->memory = malloc(bytes + 2048);
    if (!b->memory)
        return false;
    char *base = b->memory + 1024 - (uintptr_t)b->memory % 1024;
    uint32_t garbage = (uint32_t)random_bits(m) | 0x7F800000;
    for (size_t i = 0; i + 4 <= bytes; i += 4)
        memcpy(base + i, &garbage, 4);
    if (!region_create(&b->shared, base, bytes, 0, true))
        return false;
    b->shared.name = "shared";
    b->shared.block = b;
    return true;
}

static void note_number(Machine *m, const Block *b)
{
    uint32_t i = b->number - m->first_block;
    if (i >= m->block_index_capacity) {
        m->block_index_capacity = m->block_index_capacity ? 2 * m->block_index_capacity : 64;
        m->block_index = realloc(m->block_index, m->block_index_capacity * sizeof *m->block_index);
        if (!m->block_index)
            abort();
    }
    m->block_index[i] = b->index;
}

static Block *block_create(Machine *m, Cluster *c, int64_t index, int rank)
{
    Block *b = calloc(1, sizeof *b);
    if (!b)
        abort();
    *b = (Block){.machine = m,
                 .cluster = c,
                 .index = index,
                 .rank = rank,
                 .number = m->next_block++,
                 .threads = (int)m->config.block[0]};
    if (b->number >> 20)
        breach(m, TILE_FAULT_LAUNCH, NULL, 0, "more than 2^20 blocks are not modelled");
    note_number(m, b);
    b->live = b->threads;
    b->warps = (b->threads + WARP_SIZE - 1) / WARP_SIZE;
    b->agents = (uint32_t)(b->warps * WARP_SIZE);
    b->thread = calloc((size_t)b->threads, sizeof *b->thread);
    b->warp = calloc((size_t)b->warps, sizeof *b->warp);
    if (!b->thread || !b->warp || !shared_create(b))
        abort();
    for (int i = 0; i < b->warps; i++) {
        int lanes = b->threads - i * WARP_SIZE < WARP_SIZE ? b->threads - i * WARP_SIZE : WARP_SIZE;
        b->warp[i] = (Warp){.block = b, .index = i, .first = i * WARP_SIZE, .lanes = lanes};
        b->warp[i].live = lanes == WARP_SIZE ? ~0u : (1u << lanes) - 1;
    }
    registers_init(b);
    return b;
}

static void cluster_start(Machine *m, int64_t index)
{
    int blocks = m->config.cluster[0] ? (int)m->config.cluster[0] : 1;
    Cluster *c = calloc(1, sizeof *c);
    if (!c || !(c->block = calloc((size_t)blocks, sizeof(Block *))))
        abort();
    if (m->clusters == m->cluster_capacity) {
        m->cluster_capacity = m->cluster_capacity ? 2 * m->cluster_capacity : 16;
        m->cluster = realloc(m->cluster, (size_t)m->cluster_capacity * sizeof(Cluster *));
        if (!m->cluster)
            abort();
    }
    m->cluster[m->clusters++] = c;
    for (int i = 0; i < blocks; i++) {
        c->block[i] = block_create(m, c, index * blocks + i, i);
        c->blocks = i + 1;
    }
    c->live_threads = blocks * (int)m->config.block[0];
    for (int k = 0; k < blocks; k++)
        for (int i = 0; i < c->block[k]->threads; i++)
            thread_start(c->block[k], i);
}

static void thread_free(Machine *m, Thread *t)
{
    for (int i = 0; i < ORDERS; i++)
        clock_drop(&t->clock[i]);
    thread_forget_fences(t);
    tensor_thread_free(t);
    groups_free(&t->groups[0]);
    groups_free(&t->groups[1]);
    if (t->fiber.stack)
        put_fiber(m, t);
}

static void block_free(Block *b)
{
    if (!b)
        return;
    for (int i = 0; i < b->threads; i++)
        thread_free(b->machine, &b->thread[i]);
    for (int i = 0; i < b->warps; i++)
        wgmma_free(&b->warp[i]);
    for (int i = 0; i < MOST_BARRIERS; i++)
        sync_drop(&b->barrier[i].sync);
    mbarriers_free(b);
    groups_log_free(b);
    trace_block_free(b);
    tensor_block_free(b);
    region_free(&b->shared);
    clock_drop(&b->remote_last);
    free(b->memory);
    free(b->thread);
    free(b->warp);
    free(b);
}

static void cluster_free(Cluster *c)
{
    for (int i = 0; i < c->blocks; i++)
        block_free(c->block[i]);
    sync_drop(&c->pending);
    sync_drop(&c->done);
    free(c->block);
    free(c);
}

static void block_exit(Machine *m, Block *b)
{
    mbarrier_check_exit(b);
    for (int i = 0; i < b->warps; i++) {
        wgmma_check_exit(&b->warp[i]);
        bank_flush(&b->warp[i]);
    }
    group_check_exit(b);
    tensor_check_exit(b);
    remote_check_exit(b);
    engine_finish(m, b);
    b->exited = true;
    Cluster *c = b->cluster;
    for (int i = 0; i < c->blocks; i++)
        if (!c->block[i]->exited)
            return;
    int at = 0;
    while (m->cluster[at] != c)
        at++;
    m->cluster[at] = m->cluster[--m->clusters];
    cluster_free(c);
}

/* ---- the loop ---- */

static bool start_another(Machine *m)
{
    int64_t running = (int64_t)m->clusters * (int64_t)m->config.block[0];
    if (m->next_cluster == m->all_clusters || running > MOST_RUNNING)
        return false;
    cluster_start(m, m->order[m->next_cluster++]);
    return true;
}

static Thread *pick(Machine *m)
{
    uint32_t i = random_below(m, (uint32_t)m->ready_count);
    Thread *t = m->ready[i];
    m->ready[i] = m->ready[--m->ready_count];
    return t;
}

static void step(Machine *m, Thread *t)
{
    Block *b = t->block;
    run(m, t);
    if (t->state == STATE_DONE && b->live == 0)
        block_exit(m, b);
}

static void order_clusters(Machine *m)
{
    int64_t blocks = m->config.cluster[0] ? (int64_t)m->config.cluster[0] : 1;
    m->all_clusters = (int64_t)m->config.grid[0] / blocks;
    m->next_cluster = 0;
    m->order = malloc(((size_t)m->all_clusters + 1) * sizeof *m->order);
    if (!m->order)
        abort();
    for (int64_t i = 0; i < m->all_clusters; i++) {
        int64_t k = (int64_t)random_below(m, (uint32_t)i + 1);
        m->order[i] = m->order[k];
        m->order[k] = i;
    }
}

void run_launch(Machine *m)
{
    trace_launch(m);
    m->cta_group = 0;
    order_clusters(m);
    start_another(m);
    while (m->config.cooperative && m->next_cluster < m->all_clusters)
        if (!start_another(m))
            breach(m, TILE_FAULT_LAUNCH, NULL, 0, "a cooperative grid of %u blocks is too large",
                   m->config.grid[0]);
    for (;;) {
        if (m->policy == TILE_POLICY_RANDOM && m->ops && random_below(m, 4) == 0)
            engine_step(m);
        if (m->ready_count)
            step(m, pick(m));
        else if (!m->clusters && !start_another(m))
            return;
        else if (!wake_polling(m) && !engine_step(m) && !start_another(m) && !m->ready_count)
            report_deadlock(m);
    }
}

void launch_cleanup(Machine *m)
{
    engine_free(m);
    for (int i = 0; i < m->clusters; i++)
        cluster_free(m->cluster[i]);
    m->clusters = m->ready_count = m->polling_count = 0;
    free(m->order);
    m->order = NULL;
}
