#include "compiler/interp/interp_internal.h"

#include <stdlib.h>
#include <unistd.h>

#include "compiler/interp/prepare.h"

int64_t read_int(const void *p, DType t)
{
    uint64_t bits = 0;
    memcpy(&bits, p, dtype_info[t].size);
    return bits_to_int(t, bits);
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
        y->elements =
            format_elements(buffer->dtype, buffer->format, buffer->rank, buffer->extent);
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

/* One execution from the state of the buffers at entry. */
static bool run_once(Machine *m)
{
    Worker w;
    m->stop = false;
    m->epoch = 0;
    m->faulted = false;
    if (!bind_memories(m) || !prepare_kernel(m) || !worker_init(m, &w, 0))
        return false;
    bool good = task_run_at(&w.task, &m->code.items[0]);
    worker_free(&w);
    return good && !m->faulted;
}

static void machine_free(Machine *m)
{
    for (int i = 0; i < m->memories.count; i++)
        shadow_free(m->memories.items[i]);
    for (int i = 0; i < m->phases.count; i++)
        phase_free(m->phases.items[i]);
    free(m->globals);
    arena_free(&m->arena);
}

bool interp_run(const Kernel *k, const Binding *bindings, int nbindings, const Argument *arguments,
                int narguments, const RunOptions *options, Diag *diag)
{
    Machine m = {.kernel = k, .diag = diag, .options = *options, .bindings = bindings,
                 .nbindings = nbindings, .arguments = arguments, .narguments = narguments};
    if (m.options.threads <= 0)
        m.options.threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (m.options.debugger || m.options.threads < 1)
        m.options.threads = 1;
    pthread_mutex_init(&m.lock, NULL);
    bool good = run_once(&m);
    if (m.faulted)
        diag_error(diag, m.fault_pos, NULL, "%s", m.fault_text);
    pthread_mutex_destroy(&m.lock);
    machine_free(&m);
    return good;
}
