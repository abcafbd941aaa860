/* `where alias(x, y)` (R12): the two may be one memory, and results must not tell. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/command.h"

static bool is_written(const Binding *b)
{
    return b->tensor->tensor->dir != PARAM_IN;
}

/* Fresh memory with the contents that the first run began with. */
static bool begin_again(RunPlan *plan, int tensor, int entry, Buffer *b)
{
    const RunFile *f = run_file_of(&plan->inputs, tensor, entry);
    b->data = calloc(b->bytes + 64, 1);
    if (!b->data)
        return user_error("%s: out of memory", b->name);
    const Binding *first = &plan->bindings[tensor];
    if (!is_written(first))
        memcpy(b->data, first->buffers[entry].data, b->bytes);
    if (!f || !is_written(first))
        return true;
    if (lseek(f->fd, f->info.offset, SEEK_SET) < 0)
        return user_error("%s: cannot be read again for the run with one memory (alias)", f->path);
    return run_read(plan, f, b);
}

/* Copies the bindings: what is written gets new memory, y that of x. */
static bool rebind(RunPlan *plan, int x, int y, Binding *copy)
{
    for (int k = 0; k < plan->nbindings; k++) {
        Binding *b = &copy[k];
        *b = plan->bindings[k];
        b->buffers = NEW_ARRAY(plan->arena, Buffer, b->entries);
        memcpy(b->buffers, plan->bindings[k].buffers, (size_t)b->entries * sizeof *b->buffers);
        for (int e = 0; e < b->entries && (is_written(b) || k == x); e++)
            b->buffers[e].data = NULL;
    }
    for (int k = 0; k < plan->nbindings; k++)
        for (int e = 0; e < copy[k].entries; e++)
            if (k != y && !copy[k].buffers[e].data && !begin_again(plan, k, e, &copy[k].buffers[e]))
                return false;
    copy[y].buffers[0].data = copy[x].buffers[0].data;
    return true;
}

static void release(RunPlan *plan, int x, int y, Binding *copy)
{
    for (int k = 0; k < plan->nbindings; k++)
        for (int e = 0; e < copy[k].entries; e++)
            if (k != y && (is_written(&copy[k]) || k == x))
                free(copy[k].buffers[e].data);
}

/* "y[3, 4]": the first element that differs, where the format tells. */
static const char *where_text(RunPlan *plan, const Buffer *a, const Buffer *b)
{
    size_t at = 0;
    const char *p = a->data, *q = b->data;
    while (at < a->bytes && p[at] == q[at])
        at++;
    int64_t index[MAX_RANK], n = (int64_t)(at * 8 / dtype_info[a->dtype].bits);
    if (a->format != FORMAT_ROW || a->rank == 0)
        return a->name;
    for (int i = a->rank - 1; i >= 0; i--) {
        index[i] = n % a->extent[i];
        n /= a->extent[i];
    }
    const char *text = arena_format(plan->arena, "%s[", a->name);
    for (int i = 0; i < a->rank; i++)
        text = arena_format(plan->arena, "%s%s%" PRId64, text, i ? ", " : "", index[i]);
    return arena_format(plan->arena, "%s]", text);
}

static bool compare(RunPlan *plan, int x, int y, const Binding *copy)
{
    const char *names[2] = {plan->bindings[x].tensor->name, plan->bindings[y].tensor->name};
    for (int k = 0; k < plan->nbindings; k++) {
        const Binding *b = &plan->bindings[k];
        const TensorInfo *info = b->tensor->tensor;
        bool both = (k == x || k == y) && is_written(&plan->bindings[x]);
        if (info->dir == PARAM_IN || info->dir == PARAM_SCRATCH || info->nondet || both)
            continue;
        for (int e = 0; e < b->entries; e++) {
            const Buffer *p = &b->buffers[e], *q = &copy[k].buffers[e];
            if (p->bytes && memcmp(p->data, q->data, p->bytes) != 0)
                return diag_error(plan->diag, b->tensor->pos, NULL,
                                  "results differ when %s and %s are the same memory (where "
                                  "alias(%s, %s)): %s",
                                  names[0], names[1], names[0], names[1], where_text(plan, p, q));
        }
    }
    return true;
}

/* May x and y be one memory in this run? */
static bool can_share(RunPlan *plan, int x, int y)
{
    const Binding *a = &plan->bindings[x], *b = &plan->bindings[y];
    if (a->entries != 1 || b->entries != 1 || !is_written(b))
        return false;
    const Buffer *p = a->buffers, *q = b->buffers;
    size_t bytes = (size_t)p->rank * sizeof p->extent[0];
    if (p->dtype != q->dtype || p->format != q->format || p->rank != q->rank ||
        memcmp(p->extent, q->extent, bytes) != 0 || p->bytes == 0)
        return false;
    return !run_file_of(&plan->inputs, y, 0);
}

static bool run_shared(RunPlan *plan, int x, int y, const RunOptions *options)
{
    Binding *copy = NEW_ARRAY(plan->arena, Binding, plan->nbindings);
    bool ok = rebind(plan, x, y, copy);
    if (ok && !interp_run(plan->kernel, copy, plan->nbindings, plan->arguments, plan->narguments,
                          options, plan->diag)) {
        diag_note(plan->diag, plan->bindings[y].tensor->pos,
                  "in the run with %s and %s in the same memory (where alias)",
                  plan->bindings[x].tensor->name, plan->bindings[y].tensor->name);
        ok = false;
    }
    ok = ok && compare(plan, x, y, copy);
    release(plan, x, y, copy);
    return ok;
}

bool run_aliases(RunPlan *plan, const RunOptions *options)
{
    for (int y = 0; y < plan->nbindings; y++) {
        const char *partner = plan->bindings[y].tensor->tensor->alias;
        for (int x = 0; partner && x < plan->nbindings; x++) {
            if (x == y || strcmp(plan->bindings[x].tensor->name, partner) != 0)
                continue;
            bool once = !is_written(&plan->bindings[x]) || x < y;
            if (once && can_share(plan, x, y) && !run_shared(plan, x, y, options))
                return false;
        }
    }
    return true;
}
