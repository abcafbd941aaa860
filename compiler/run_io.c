/* Between .npy files, which have the logical shape, and buffers in their storage format. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/command.h"

/* Of one tensor: more is a mistake, and some allocators end the process. */
#define MAX_BYTES ((int64_t)1 << 40)

/* interp/format.c */
void format_from_rows(const Buffer *, const void *rows);
void format_to_rows(const Buffer *, void *rows);

static bool is_row(const Buffer *b)
{
    return b->format == FORMAT_ROW || b->rank < 2;
}

static int64_t count_elements(const Buffer *b)
{
    int64_t n = 1;
    for (int i = 0; i < b->rank; i++)
        n *= b->extent[i];
    return n;
}

static size_t row_bytes(const Buffer *b)
{
    return ((size_t)count_elements(b) * dtype_info[b->dtype].bits + 7) / 8;
}

/* bool is 0 or 1; a file of bytes may hold others. */
static void normalize_bool(char *data, size_t count)
{
    for (size_t i = 0; i < count; i++)
        data[i] = data[i] != 0;
}

/* One code a byte to two codes a byte. */
static void pack_codes(const char *codes, char *to, int64_t count)
{
    for (int64_t i = 0; i + 1 < count; i += 2)
        to[i / 2] = (char)((codes[i] & 15) | (codes[i + 1] & 15) << 4);
}

static bool read_failed(const RunFile *f, const char *error)
{
    return user_error("%s: %s", f->path, error);
}

/* The file's elements into `rows`, dense and row-major as in memory. */
static bool read_rows(const RunFile *f, const Buffer *b, void *rows)
{
    char error[NPY_ERROR_SIZE];
    bool unpacked = b->dtype == DT_E2M1 && f->info.kind == 'V';
    char *codes = unpacked ? malloc((size_t)f->info.count + 1) : NULL;
    if (unpacked && !codes)
        return read_failed(f, "out of memory");
    bool ok = npy_read(f->fd, &f->info, unpacked ? codes : rows, error);
    if (ok && unpacked)
        pack_codes(codes, rows, f->info.count);
    if (ok && b->dtype == DT_BOOL)
        normalize_bool(rows, row_bytes(b));
    free(codes);
    return ok || read_failed(f, error);
}

bool run_read(RunPlan *plan, const RunFile *f, Buffer *b)
{
    (void)plan;
    if (is_row(b))
        return read_rows(f, b, b->data);
    void *rows = malloc(row_bytes(b) + 1);
    if (!rows)
        return read_failed(f, "out of memory");
    bool ok = read_rows(f, b, rows);
    if (ok)
        format_from_rows(b, rows);
    free(rows);
    return ok;
}

bool run_write(RunPlan *plan, const RunFile *f, const Buffer *b)
{
    (void)plan;
    char error[NPY_ERROR_SIZE];
    int64_t shape[MAX_RANK];
    memcpy(shape, b->extent, sizeof shape);
    if (b->dtype == DT_E2M1 && b->rank > 0)
        shape[b->rank - 1] /= 2;
    void *rows = is_row(b) ? b->data : malloc(row_bytes(b) + 1);
    if (!rows)
        return read_failed(f, "out of memory");
    if (!is_row(b))
        format_to_rows(b, rows);
    bool ok = npy_write(f->path, dtype_info[b->dtype].npy, b->rank, shape, rows, error);
    if (!is_row(b))
        free(rows);
    return ok || read_failed(f, error);
}

/* The reason why a file cannot be put there, or 0. */
static int target_refuses(Arena *a, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return EISDIR;
        return access(path, W_OK) == 0 ? 0 : errno;
    }
    const char *slash = strrchr(path, '/');
    const char *folder = !slash          ? "."
                         : slash == path ? "/"
                                         : arena_text(a, path, (size_t)(slash - path));
    if (stat(folder, &st) != 0)
        return errno;
    if (!S_ISDIR(st.st_mode))
        return ENOTDIR;
    return access(folder, W_OK | X_OK) == 0 ? 0 : errno;
}

bool run_check_targets(RunPlan *plan)
{
    bool ok = true;
    for (int i = 0; i < plan->outputs.count; i++) {
        const char *path = plan->outputs.items[i].path;
        int why = target_refuses(plan->arena, path);
        if (why)
            ok = user_error("%s: cannot be written: %s", path, strerror(why));
    }
    return ok;
}

static bool allocate_buffer(RunPlan *plan, int tensor, Buffer *b)
{
    const Op *t = plan->bindings[tensor].tensor;
    const Type *type = &t->results[0]->type;
    *b = (Buffer){
        .name = t->name, .dtype = type->dtype, .format = t->tensor->format, .rank = type->rank};
    memcpy(b->extent, plan->solution.extents[tensor], sizeof b->extent);
    b->defined = t->tensor->dir == PARAM_IN || t->tensor->dir == PARAM_INOUT;
    int64_t bytes = buffer_bytes(b->dtype, b->format, b->rank, b->extent);
    b->bytes = (size_t)bytes;
    b->data = bytes >= 0 && bytes < MAX_BYTES ? calloc((size_t)bytes + 64, 1) : NULL;
    if (b->data)
        return true;
    return user_error("%s: out of memory: %s of shape %s", t->name, dtype_info[b->dtype].name,
                      shape_text(plan->arena, b->rank, b->extent));
}

/* The partner in `where alias` that gives an output its first bytes: where it writes nothing, the
 * result is then the same with one memory and with two. */
static void copy_alias(RunPlan *plan, Binding *y)
{
    const char *partner = y->tensor->tensor->alias;
    for (int k = 0; partner && k < plan->nbindings; k++) {
        const Binding *x = &plan->bindings[k];
        if (strcmp(x->tensor->name, partner) == 0 && x->entries == 1 && y->entries == 1 &&
            x->buffers[0].defined && x->buffers[0].bytes == y->buffers[0].bytes)
            memcpy(y->buffers[0].data, x->buffers[0].data, x->buffers[0].bytes);
    }
}

static bool has_file(const RunPlan *plan, int tensor)
{
    for (int i = 0; i < plan->inputs.count; i++)
        if (plan->inputs.items[i].tensor == tensor)
            return true;
    return false;
}

bool run_allocate(RunPlan *plan)
{
    for (int k = 0; k < plan->nbindings; k++) {
        Binding *b = &plan->bindings[k];
        int entries = plan->solution.entries[k];
        b->buffers = NEW_ARRAY(plan->arena, Buffer, entries);
        for (int e = 0; e < entries; e++) {
            const RunFile *f = run_file_of(&plan->inputs, k, e);
            if (!allocate_buffer(plan, k, &b->buffers[e]))
                return false;
            b->entries++;
            if (f && !run_read(plan, f, &b->buffers[e]))
                return false;
        }
    }
    for (int k = 0; k < plan->nbindings; k++)
        if (plan->bindings[k].tensor->tensor->dir == PARAM_OUT && !has_file(plan, k)) {
            Binding *b = &plan->bindings[k];
            for (int e = 0; e < b->entries && plan->command->fill; e++)
                memset(b->buffers[e].data, plan->command->fill, b->buffers[e].bytes);
            copy_alias(plan, b);
        }
    return true;
}
