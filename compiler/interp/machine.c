#include "compiler/interp/interp_internal.h"

#include <stdlib.h>
#include <unistd.h>

#include "compiler/interp/prepare.h"

enum { MOST_VALUES = 1 << 24 };

int64_t read_int(const void *p, DType t)
{
    uint64_t bits = 0;
    memcpy(&bits, p, dtype_info[t].size);
    return bits_to_int(t, bits);
}

/* debug.c has the real ones. */
__attribute__((weak)) void debugger_step(Debugger *d, Task *t, const Op *next)
{
    (void)d;
    (void)t;
    (void)next;
}

__attribute__((weak)) void debugger_fault(Debugger *d, Task *t, const Op *op, const char *text)
{
    (void)d;
    (void)t;
    (void)op;
    (void)text;
}

void run_end(Task *t, const Insn *i)
{
    (void)i;
    t->state = TASK_DONE;
}

void task_run(Task *t)
{
    Debugger *d = t->machine->options.debugger;
    while (t->state == TASK_READY) {
        const Insn *i = t->pc++;
        if (d && i->op && t->point)
            debugger_step(d, t, i->op);
        if (t->state == TASK_READY)
            i->run(t, i);
    }
}

bool task_run_at(Task *t, const Insn *at)
{
    t->pc = at;
    t->state = TASK_READY;
    task_run(t);
    return t->state == TASK_DONE;
}

/* A worker's frame and scratch are one piece of memory. */
bool worker_init(Machine *m, Worker *w, size_t frame_bytes)
{
    size_t scratch = (m->scratch_bytes + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
    frame_bytes = (frame_bytes + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
    memset(w, 0, sizeof *w);
    w->memory = frame_bytes > SIZE_MAX / 4 || scratch > SIZE_MAX / 4
                    ? NULL
                    : aligned_alloc(SLOT_ALIGN, frame_bytes + scratch + SLOT_ALIGN);
    if (!w->memory)
        return diag_error(m->diag, m->kernel->pos, NULL,
                          "a program of %s needs %zu bytes of tiles: out of memory",
                          m->kernel->name, frame_bytes + scratch);
    w->machine = m;
    w->frame = w->memory;
    w->scratch = w->frame + frame_bytes;
    w->task.machine = m;
    w->task.worker = w;
    w->task.role = -1;
    w->task.scratch = w->scratch;
    w->task.base[BASE_FRAME] = w->frame;
    w->task.base[BASE_GLOBAL] = m->globals;
    return true;
}

void worker_free(Worker *w)
{
    free(w->memory);
    w->memory = NULL;
}

/* ---- memories ---- */

static Memory *memory_find(const Machine *m, const Buffer *b)
{
    for (int i = 0; i < m->memories.count && b->bytes; i++)
        if (m->memories.items[i]->data == b->data)
            return m->memories.items[i];
    return NULL;
}

static Memory *memory_bind(Machine *m, const Binding *b, int entry)
{
    const Buffer *buffer = &b->buffers[entry];
    Memory *y = memory_find(m, buffer);
    if (!y) {
        y = NEW(&m->arena, Memory);
        y->data = buffer->data;
        y->dtype = buffer->dtype;
        y->buffer = buffer;
        y->tensor = b->tensor;
        y->entry = b->tensor->results[0]->type.kind == TY_TABLE ? entry : -1;
        y->elements = format_elements(buffer->dtype, buffer->format, buffer->rank, buffer->extent);
        PUSH(&m->arena, &m->memories, y);
    }
    y->written |= b->tensor->tensor->dir != PARAM_IN;
    y->defined |= buffer->defined;
    return y;
}

static bool bind_memories(Machine *m)
{
    m->bound = NEW_ARRAY(&m->arena, Memory **, m->nbindings);
    for (int i = 0; i < m->nbindings; i++) {
        const Binding *b = &m->bindings[i];
        m->bound[i] = NEW_ARRAY(&m->arena, Memory *, b->entries);
        for (int k = 0; k < b->entries; k++)
            m->bound[i][k] = memory_bind(m, b, k);
    }
    for (int i = 0; i < m->memories.count; i++) {
        Memory *y = m->memories.items[i];
        if ((y->written || !y->defined) && !shadow_new(y))
            return diag_error(m->diag, y->tensor->pos, NULL, "out of memory");
    }
    return true;
}

/* ---- a run ---- */

static bool run_once(Machine *m)
{
    Worker w;
    if (m->kernel->next_id > MOST_VALUES)
        return diag_error(m->diag, m->kernel->pos, NULL, "values are numbered above %d",
                          MOST_VALUES);
    if (!bind_memories(m) || !prepare_kernel(m) || !worker_init(m, &w, 0))
        return false;
    bool good = task_run_at(&w.task, &m->code.items[0]);
    worker_free(&w);
    return good && !m->faulted;
}

static void machine_init(Machine *m)
{
    pthread_mutex_init(&m->lock, NULL);
    atomic_init(&m->stop, false);
}

static void machine_free(Machine *m)
{
    for (int i = 0; i < m->memories.count; i++)
        shadow_free(m->memories.items[i]);
    for (int i = 0; i < m->phases.count; i++)
        phase_free(m->phases.items[i]);
    free(m->globals);
    arena_free(&m->arena);
    pthread_mutex_destroy(&m->lock);
}

/* ---- replaying a fault ---- */

/* What inout tensors held at entry. */
typedef struct Snapshot {
    char *bytes;
    bool taken;
} Snapshot;

enum { MOST_SNAPSHOT = 256 << 20 };

/* Copies into the buffers, or out of them. */
static void each_inout(Machine *m, char *bytes, bool restore, size_t *total)
{
    *total = 0;
    for (int i = 0; i < m->nbindings; i++) {
        const Binding *b = &m->bindings[i];
        for (int k = 0; k < b->entries; k++) {
            const Buffer *y = &b->buffers[k];
            if (b->tensor->tensor->dir == PARAM_IN || !y->defined)
                continue;
            if (bytes && y->bytes)
                memcpy(restore ? y->data : bytes + *total, restore ? bytes + *total : y->data,
                       y->bytes);
            *total += y->bytes;
        }
    }
}

static Snapshot snapshot_take(Machine *m)
{
    Snapshot s = {0};
    size_t total;
    each_inout(m, NULL, false, &total);
    if (m->options.threads < 2 || total > MOST_SNAPSHOT)
        return s;
    s.bytes = malloc(total + 1);
    s.taken = s.bytes != NULL;
    if (s.taken)
        each_inout(m, s.bytes, false, &total);
    return s;
}

/* Which fault threads find first depends on their timing. On one thread it is always the same;
 * only if that run finds none (it should) what the threads found stays. */
static void replay(Machine *m, const Machine *start, const Snapshot *s)
{
    Machine again = *start;
    size_t total;
    again.options.threads = 1;
    machine_init(&again);
    each_inout(&again, s->bytes, true, &total);
    run_once(&again);
    if (again.faulted) {
        m->fault_pos = again.fault_pos;
        memcpy(m->fault_text, again.fault_text, sizeof m->fault_text);
    }
    machine_free(&again);
}

bool interp_run(const Kernel *k, const Binding *bindings, int nbindings, const Argument *arguments,
                int narguments, const RunOptions *options, Diag *diag)
{
    Machine start = {.kernel = k,
                     .diag = diag,
                     .options = *options,
                     .bindings = bindings,
                     .nbindings = nbindings,
                     .arguments = arguments,
                     .narguments = narguments};
    if (start.options.threads <= 0)
        start.options.threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (options->debugger || start.options.threads < 1 || region_has(k->body, OP_PRINT))
        start.options.threads = 1;
    Machine m = start;
    machine_init(&m);
    Snapshot s = snapshot_take(&m);
    bool good = run_once(&m);
    if (m.faulted && m.was_threaded && s.taken)
        replay(&m, &start, &s);
    if (m.faulted)
        diag_error(diag, m.fault_pos, NULL, "%s", m.fault_text);
    free(s.bytes);
    machine_free(&m);
    return good;
}
