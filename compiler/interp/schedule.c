/* Runs sets of programs: one after the other on every thread, or all together where they meet. */
#include "compiler/interp/prepare.h"

#include <stdlib.h>
#include <time.h>

typedef struct Set {
    Machine *m;
    Phase **phases;
    int nphases;
    size_t frame_bytes;
    int64_t count, batch;
    Permutation order;
    _Atomic int64_t next;
} Set;

static void point_at(const Set *s, int64_t number, Point *p)
{
    Phase *const *ph = s->phases;
    while (number >= (*ph)->first + (*ph)->count)
        ph++;
    p->phase = *ph;
    p->number = number;
    phase_point(*ph, number - (*ph)->first, p->index);
}

bool machine_point(const Machine *m, int64_t number, Point *p)
{
    const Set *s = m->set;
    if (!s || number < 0 || number >= s->count)
        return false;
    point_at(s, number, p);
    return true;
}

static void start_program(Machine *m, Task *t, Point *p)
{
    const Phase *ph = p->phase;
    t->point = p;
    t->pc = &m->code.items[ph->body];
    t->state = TASK_READY;
    for (int k = 0; k < ph->nranges; k++)
        *(int64_t *)slot_pointer(t, ph->ranges[k].index) = p->index[k];
}

/* ---- progress ---- */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* At most ten lines a second, each over the one before; nothing for short runs. */
static void show_progress(Machine *m, int64_t done, int64_t count)
{
    if (!m->options.progress)
        return;
    double now = seconds();
    if (now < m->next_progress)
        return;
    m->next_progress = now + 0.1;
    m->progress_shown = true;
    fprintf(stderr, "\r%s: %lld of %lld programs", m->kernel->name, (long long)done,
            (long long)count);
    fflush(stderr);
}

static void clear_progress(Machine *m)
{
    if (m->progress_shown)
        fputs("\r\033[K", stderr);
    m->progress_shown = false;
}

/* ---- independent programs ---- */

static bool stopped(const Machine *m)
{
    return atomic_load_explicit(&m->stop, memory_order_relaxed);
}

static void *run_worker(void *context)
{
    Worker *w = context;
    Set *s = w->set;
    Machine *m = s->m;
    for (;;) {
        int64_t from = atomic_fetch_add(&s->next, s->batch);
        if (from >= s->count)
            break;
        int64_t to = s->count - from < s->batch ? s->count : from + s->batch;
        for (; from < to && !stopped(m); from++) {
            point_at(s, (int64_t)permutation_at(&s->order, (uint64_t)from), &w->point);
            start_program(m, &w->task, &w->point);
            task_run(&w->task);
        }
        if (stopped(m))
            break;
        if (w->first)
            show_progress(m, from, s->count);
    }
    return NULL;
}

enum { MAX_THREADS = 256 };

/* What cannot be started is done by the threads that could. */
static bool run_on_threads(Set *s, Worker *first)
{
    static const int64_t most_batch = 64;
    Machine *m = s->m;
    pthread_t thread[MAX_THREADS];
    Worker *workers[MAX_THREADS];
    int threads = m->options.threads, started = 0;
    for (int k = 0; k < s->nphases; k++)
        if (s->phases[k]->one_thread)
            threads = 1;
    threads = threads > MAX_THREADS ? MAX_THREADS : threads;
    threads = threads > s->count / 2 ? (int)(s->count / 2) : threads;
    s->batch = s->count / (threads + 1) / 64;
    s->batch = s->batch < 1 ? 1 : s->batch > most_batch ? most_batch : s->batch;
    m->threaded = threads > 1;
    for (int k = 1; k < threads; k++) {
        Worker *w = malloc(sizeof *w);
        if (!w || !worker_init(m, w, s->frame_bytes)) {
            free(w);
            break;
        }
        w->set = s;
        workers[started] = w;
        if (pthread_create(&thread[started], NULL, run_worker, w) != 0) {
            worker_free(w);
            free(w);
            break;
        }
        started++;
    }
    first->first = true;
    run_worker(first);
    for (int k = 0; k < started; k++) {
        pthread_join(thread[k], NULL);
        worker_free(workers[k]);
        free(workers[k]);
    }
    m->was_threaded |= m->threaded;
    m->threaded = false;
    return !m->faulted;
}

/* ---- programs that meet ---- */

/* All programs of the set, alive at once. */
typedef struct Together {
    Set *set;
    Task *task;
    Point *point;
    int64_t *order;
    char *frames;
    size_t frame_bytes;
} Together;

static void shuffle(int64_t *order, int64_t n, uint64_t *random)
{
    for (int64_t k = n - 1; k > 0; k--) {
        int64_t j = (int64_t)(random_next(random) % (uint64_t)(k + 1)), x = order[k];
        order[k] = order[j];
        order[j] = x;
    }
}

static void op_place(char *text, size_t size, const Op *op)
{
    int line, column;
    text[0] = 0;
    if (!op->pos.source)
        return;
    pos_line(op->pos, &line, &column);
    snprintf(text, size, " (%s:%d:%d)", op->pos.source->name, line, column);
}

static const Op *waits_at(const Task *t)
{
    return t->state == TASK_SYNC || t->state == TASK_EXCHANGE ? t->pc[-1].op : NULL;
}

/* Every program of the phase must stand at the same barrier (R13). */
static bool report_uneven(Task *a, const Task *b)
{
    char where[256], place[256];
    const Op *here = waits_at(a), *there = waits_at(b);
    point_text(where, sizeof where, b->point);
    if (there)
        op_place(place, sizeof place, there);
    fault(a, here->pos, "%s is not reached by every program: program %s %s%s",
          op_info[here->code].name, where, there ? "waits at another one" : "ended without it",
          there ? place : "");
    return false;
}

/* A task that waits, or NULL if all ended; *even: the others of its phase wait there too. */
static Task *find_waiting(Together *g, bool *even)
{
    Task *first = NULL;
    *even = true;
    for (int64_t k = 0; k < g->set->count && !first; k++)
        if (waits_at(&g->task[k]))
            first = &g->task[k];
    for (int64_t k = 0; first && k < g->set->count; k++) {
        const Task *t = &g->task[k];
        if (t->point->phase->syncs && t->point->phase == first->point->phase &&
            waits_at(t) != waits_at(first)) {
            *even = report_uneven(first, t);
            return first;
        }
    }
    return first;
}

/* Row q of every program's result is program q's tile. */
static bool exchange(Together *g, const Phase *ph, Task *first)
{
    const Insn *i = first->pc - 1;
    const Type *r = &i->op->results[0]->type;
    size_t row = value_bytes(&i->op->args[0]->type);
    if (r->dims[0] != ph->count) {
        fault(first, i->op->pos, "exchange gives %lld rows, the phase has %lld programs",
              (long long)r->dims[0], (long long)ph->count);
        return false;
    }
    for (int64_t p = 0; p < ph->count; p++)
        for (int64_t q = 0; q < ph->count; q++)
            memcpy((char *)slot_pointer(&g->task[ph->first + p], i->dst) + (size_t)q * row,
                   slot_pointer(&g->task[ph->first + q], i->arg[0]), row);
    return true;
}

/* Lets the programs of one phase go on from where they met. */
static bool release(Together *g, Task *first)
{
    const Phase *ph = first->point->phase;
    TaskState state = first->state;
    if (state == TASK_EXCHANGE && !exchange(g, ph, first))
        return false;
    if (state == TASK_SYNC)
        machine_next_epoch(g->set->m);
    for (int64_t k = ph->first; k < ph->first + ph->count; k++)
        g->task[k].state = TASK_READY;
    return true;
}

static bool run_rounds(Together *g, uint64_t random)
{
    Machine *m = g->set->m;
    int64_t n = g->set->count;
    for (int64_t k = 0; k < n; k++)
        g->order[k] = k;
    for (;;) {
        shuffle(g->order, n, &random);
        for (int64_t k = 0; k < n; k++) {
            Task *t = &g->task[g->order[k]];
            if (t->state == TASK_READY)
                task_run(t);
            if (t->state == TASK_FAULT || stopped(m))
                return false;
            show_progress(m, k, n);
        }
        bool even;
        Task *waiting = find_waiting(g, &even);
        if (!waiting)
            return true;
        if (!even || !release(g, waiting))
            return false;
    }
}

static bool start_together(Together *g, Worker *w)
{
    size_t n = (size_t)g->set->count;
    g->task = calloc(n, sizeof *g->task);
    g->point = calloc(n, sizeof *g->point);
    g->order = calloc(n, sizeof *g->order);
    g->frame_bytes = (g->set->frame_bytes + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
    g->frames = g->frame_bytes && n > SIZE_MAX / 4 / g->frame_bytes
                    ? NULL
                    : aligned_alloc(SLOT_ALIGN, n * g->frame_bytes + SLOT_ALIGN);
    if (!g->task || !g->point || !g->order || !g->frames)
        return diag_error(g->set->m->diag, g->set->phases[0]->op->pos, NULL,
                          "%zu programs that meet at grid_sync need %zu bytes each: out of memory",
                          n, g->frame_bytes);
    for (size_t k = 0; k < n; k++) {
        g->task[k] = w->task;
        g->task[k].base[BASE_FRAME] = g->frames + k * g->frame_bytes;
        point_at(g->set, (int64_t)k, &g->point[k]);
        start_program(g->set->m, &g->task[k], &g->point[k]);
    }
    return true;
}

static bool run_together(Set *s, Worker *w, uint64_t seed)
{
    Together g = {.set = s};
    bool good = s->count == 0 || (start_together(&g, w) && run_rounds(&g, seed));
    free(g.task);
    free(g.point);
    free(g.order);
    free(g.frames);
    return good && !s->m->faulted;
}

/* ---- sets ---- */

static bool enumerate(Set *s, Worker *w)
{
    for (int k = 0; k < s->nphases; k++) {
        if (!phase_enumerate(s->m, w, s->phases[k], s->count))
            return false;
        if (__builtin_add_overflow(s->count, s->phases[k]->count, &s->count) ||
            s->count >= UINT32_MAX) {
            fault(&w->task, s->phases[k]->op->pos, "par: more than 2^32 programs");
            return false;
        }
    }
    return true;
}

bool run_phases(Machine *m, int from, int to)
{
    Set s = {.m = m, .phases = m->phases.items + from, .nphases = to - from};
    bool together = false;
    for (int k = 0; k < s.nphases; k++) {
        if (s.phases[k]->frame_bytes > s.frame_bytes)
            s.frame_bytes = s.phases[k]->frame_bytes;
        together |= s.phases[k]->syncs;
    }
    Worker w;
    if (!worker_init(m, &w, s.frame_bytes))
        return false;
    w.set = m->set = &s;
    bool good = enumerate(&s, &w);
    uint64_t seed = m->options.seed + (uint64_t)from * 0x632BE59BD9B4E019u;
    permutation_init(&s.order, (uint64_t)s.count, seed);
    if (good && s.count)
        good = together ? run_together(&s, &w, seed) : run_on_threads(&s, &w);
    clear_progress(m);
    worker_free(&w);
    m->set = NULL;
    machine_next_epoch(m);
    return good && !m->faulted;
}

/* ---- instructions ---- */

static void run_sync(Task *t, const Insn *i)
{
    (void)i;
    t->state = TASK_SYNC;
}

static void run_exchange(Task *t, const Insn *i)
{
    (void)i;
    t->state = TASK_EXCHANGE;
}

static bool outside_roles(Preparer *p, const Op *op)
{
    for (const Scope *s = p->scope; s; s = s->outer)
        if (s->op->code == OP_ROLES)
            return prepare_error(p, op, "%s inside a role", op_info[op->code].name);
    return p->phase ? true : prepare_error(p, op, "%s outside of par", op_info[op->code].name);
}

void emit_sync(Preparer *p, const Op *op)
{
    if (outside_roles(p, op))
        emit(p, run_sync, op);
}

void emit_exchange(Preparer *p, const Op *op)
{
    if (outside_roles(p, op))
        emit_plain(p, run_exchange, op);
}
