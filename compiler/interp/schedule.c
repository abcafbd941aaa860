/* Runs sets of programs: one after the other on every thread, or all together where they meet. */
#include "compiler/interp/prepare.h"

#include <stdlib.h>

typedef struct Set {
    Machine *m;
    Phase **phases;
    int nphases;
    int64_t count;
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

static void start_program(Machine *m, Task *t, Point *p)
{
    const Phase *ph = p->phase;
    t->point = p;
    t->pc = &m->code.items[ph->body];
    t->state = TASK_READY;
    for (int k = 0; k < ph->nranges; k++)
        *(int64_t *)slot_pointer(t, ph->ranges[k].index) = p->index[k];
}

static void *run_worker(void *context)
{
    Worker *w = context;
    Set *s = w->set;
    Machine *m = s->m;
    while (!atomic_load_explicit(&m->stop, memory_order_relaxed)) {
        int64_t position = atomic_fetch_add(&s->next, 1);
        if (position >= s->count)
            break;
        point_at(s, (int64_t)permutation_at(&s->order, (uint64_t)position), &w->point);
        start_program(m, &w->task, &w->point);
        task_run(&w->task);
    }
    return NULL;
}

bool run_phases(Machine *m, int from, int to)
{
    Set s = {.m = m, .phases = m->phases.items + from, .nphases = to - from};
    size_t frame = 0;
    for (int k = 0; k < s.nphases; k++)
        if (s.phases[k]->frame_bytes > frame)
            frame = s.phases[k]->frame_bytes;
    Worker w;
    if (!worker_init(m, &w, frame))
        return false;
    w.set = &s;
    bool good = true;
    for (int k = 0; k < s.nphases && good; k++) {
        good = phase_enumerate(m, &w, s.phases[k], s.count);
        if (good && __builtin_add_overflow(s.count, s.phases[k]->count, &s.count))
            good = false;
    }
    if (good) {
        permutation_init(&s.order, (uint64_t)s.count, m->options.seed + (uint64_t)from);
        run_worker(&w);
    }
    worker_free(&w);
    m->epoch++;
    return good && !m->faulted;
}

void emit_sync(Preparer *p, const Op *op)
{
    prepare_error(p, op, "grid_sync");
}

void emit_exchange(Preparer *p, const Op *op)
{
    prepare_error(p, op, "exchange");
}
