/* Files of a compilation: reading, imports, and one table of items. */
#include "compiler/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dsl/check.h"

enum { MAX_SOURCE = 256 << 20 };

static bool read_failed(Program *p, Pos from, const char *path, const char *why)
{
    return diag_error(p->diag, from, NULL, "%s: %s", path, why);
}

/* The whole file with a NUL behind it, or NULL after a message. */
static Source *read_source(Program *p, Pos from, const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f) {
        read_failed(p, from, path, strerror(errno));
        return NULL;
    }
    Source *s = NEW(p->arena, Source);
    size_t capacity = 64 * 1024;
    if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        capacity = (size_t)st.st_size + 1;
    char *text = NULL;
    size_t n = 0;
    bool directory = S_ISDIR(st.st_mode);
    while (!directory && n <= MAX_SOURCE) {
        char *grown = realloc(text, capacity + 1);
        if (!grown)
            break;
        text = grown;
        size_t got = fread(text + n, 1, capacity - n, f);
        n += got;
        if (n < capacity)
            break;
        capacity *= 2;
    }
    bool bad = ferror(f) || directory;
    fclose(f);
    if (bad || !text || n > MAX_SOURCE) {
        free(text);
        read_failed(p, from, path, directory ? "is a directory"
                                   : n > MAX_SOURCE ? "is larger than 256 MiB" : "cannot be read");
        return NULL;
    }
    text[n] = 0;
    *s = (Source){.name = arena_text(p->arena, path, strlen(path)),
                  .text = arena_text(p->arena, text, n), .length = n};
    free(text);
    return s;
}

static ItemList *list_of(Program *p, ItemKind kind)
{
    switch (kind) {
    case I_CONST: return &p->consts;
    case I_ENUM: return &p->enums;
    case I_FN:
    case I_EXTERN: return &p->fns;
    case I_KERNEL: return &p->kernels;
    case I_SCHEDULE: return &p->schedules;
    case I_INSTANCES: return &p->instances;
    case I_IMPORT: break;
    }
    return NULL;
}

static bool is_loaded(const Program *p, const char *path)
{
    for (int i = 0; i < p->units.count; i++)
        if (strcmp(p->units.items[i]->source->name, path) == 0)
            return true;
    return false;
}

static bool add_unit(Program *p, Source *s, int depth, bool imported);

/* An imported file gives its consts, enums and functions; kernels stay its own. */
static bool import(Program *p, const Item *it, const char *importer, int depth)
{
    const char *slash = strrchr(importer, '/');
    const Expr *x = it->value;
    char *name = arena_text(p->arena, x->string, x->string_length);
    char *path = slash && name[0] != '/'
                     ? arena_format(p->arena, "%.*s/%s", (int)(slash - importer), importer, name)
                     : name;
    if (is_loaded(p, path))
        return true;
    if (depth > 32)
        return diag_error(p->diag, it->pos, NULL, "imports are nested too deeply");
    Source *s = read_source(p, x->pos, path);
    return s && add_unit(p, s, depth + 1, true);
}

static bool add_unit(Program *p, Source *s, int depth, bool imported)
{
    int before = p->diag->errors;
    Unit *u = parse_unit(p->arena, p->diag, p->names, s);
    PUSH(p->arena, &p->units, u);
    if (p->diag->errors != before)
        return false;
    for (int i = 0; i < u->items.count; i++) {
        Item *it = u->items.items[i];
        if (it->kind == I_IMPORT) {
            import(p, it, s->name, depth);
            continue;
        }
        bool own = it->kind == I_KERNEL || it->kind == I_SCHEDULE || it->kind == I_INSTANCES;
        if (!(imported && own))
            PUSH(p->arena, list_of(p, it->kind), it);
    }
    return p->diag->errors == before;
}

static bool load(Program *p, Source *s)
{
    if (!p->names)
        p->names = interner_new(p->arena);
    if (!s || !add_unit(p, s, 0, false))
        return false;
    return check_names(p->arena, p->diag, &p->consts, &p->enums, &p->fns, &p->kernels,
                       &p->schedules, &p->instances);
}

bool program_load(Program *p, const char *path)
{
    return load(p, read_source(p, (Pos){0}, path));
}

bool program_load_text(Program *p, const char *name, const char *text, size_t length)
{
    Source *s = NEW(p->arena, Source);
    *s = (Source){.name = name, .text = arena_text(p->arena, text, length), .length = length};
    return load(p, s);
}

const Item *program_find(const ItemList *list, Name name)
{
    for (int i = 0; i < list->count; i++)
        if (list->items[i]->name.name == name)
            return list->items[i];
    return NULL;
}
