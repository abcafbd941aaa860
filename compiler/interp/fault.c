/* What goes wrong in a run, in words. */
#include "compiler/interp/roles.h"

#include <stdarg.h>

static size_t append(char *text, size_t size, size_t at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static size_t append(char *text, size_t size, size_t at, const char *format, ...)
{
    va_list args;
    if (at >= size)
        return at;
    va_start(args, format);
    int n = vsnprintf(text + at, size - at, format, args);
    va_end(args);
    return n < 0 ? at : at + (size_t)n;
}

static const char *index_name(const Phase *ph, int k)
{
    const Region *body = ph->op->regions[ph->nranges];
    return body->args[k]->name ? body->args[k]->name : "?";
}

void point_text(char *text, size_t size, const Point *p)
{
    size_t at = append(text, size, 0, "(");
    for (int k = 0; k < p->phase->nranges; k++)
        at = append(text, size, at, "%s%s = %lld", k ? ", " : "", index_name(p->phase, k),
                    (long long)p->index[k]);
    append(text, size, at, ")");
}

/* The indices of an element of the storage; false: it is padding. */
static bool element_indices(const View *v, int64_t element, int64_t *index)
{
    int64_t rest = element;
    for (int i = 0; i < v->rank; i++)
        index[i] = 0;
    /* Axes by falling stride; a split axis has two of them. */
    for (int64_t below = INT64_MAX;;) {
        int best = -1;
        for (int i = 0; i < v->rank; i++)
            if (v->axis[i].stride < below && v->axis[i].extent > 1 &&
                (best < 0 || v->axis[i].stride > v->axis[best].stride))
                best = i;
        if (best < 0)
            break;
        below = v->axis[best].stride;
        index[best] = rest / below * (v->axis[best].split ? v->axis[best].split : 1);
        rest %= below;
    }
    for (int i = 0; i < v->rank; i++)
        if (v->axis[i].split)
            index[i] += rest;
    for (int i = 0; i < v->rank; i++)
        if (index[i] >= v->axis[i].extent)
            return false;
    return true;
}

void element_text(char *text, size_t size, const Memory *m, int64_t element)
{
    View v;
    Buffer local = {.dtype = m->dtype};
    int64_t index[MAX_RANK];
    const Buffer *b = m->buffer;
    if (!b) {
        const Type *t = &m->tensor->results[0]->type;
        local.rank = t->rank;
        memcpy(local.extent, t->dims, sizeof local.extent);
        b = &local;
    }
    format_view(b, &v);
    size_t at = append(text, size, 0, "%s", m->tensor->name ? m->tensor->name : "?");
    if (m->entry >= 0)
        at = append(text, size, at, "[%d]", m->entry);
    if (!element_indices(&v, element, index)) {
        append(text, size, at, " (element %lld of the storage)", (long long)element);
        return;
    }
    for (int i = 0; i < v.rank; i++)
        at = append(text, size, at, "%s%lld", i ? ", " : "[", (long long)index[i]);
    if (v.rank)
        append(text, size, at, "]");
}

static void record(Task *t, Pos pos, bool named, const char *text)
{
    Machine *m = t->machine;
    char where[256], *to = m->fault_text;
    const size_t size = sizeof m->fault_text;
    size_t at = append(to, size, 0, "%s", text);
    m->fault_pos = pos;
    if (t->point && named) {
        point_text(where, sizeof where, t->point);
        at = append(to, size, at, "; program %s", where);
        if (t->role >= 0)
            at = append(to, size, at, ", role %s", t->roles->op->regions[t->role]->name);
    }
    append(to, size, at, "; seed %llu replays", (unsigned long long)m->options.seed);
}

/* The first fault of a run counts; a run on threads is repeated on one to find which that is. */
static void end_run(Task *t, Pos pos, bool named, const char *format, va_list args)
{
    Machine *m = t->machine;
    char text[1280];
    vsnprintf(text, sizeof text, format, args);
    t->state = TASK_FAULT;
    pthread_mutex_lock(&m->lock);
    bool first = !m->faulted;
    m->faulted = true;
    atomic_store(&m->stop, true);
    if (first)
        record(t, pos, named, text);
    pthread_mutex_unlock(&m->lock);
    if (first && m->options.debugger && !m->peeking)
        debugger_fault(m->options.debugger, t, t->pc ? t->pc[-1].op : NULL, m->fault_text);
}

void fault(Task *t, Pos pos, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    end_run(t, pos, true, format, args);
    va_end(args);
}

void fault_unnamed(Task *t, Pos pos, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    end_run(t, pos, false, format, args);
    va_end(args);
}
