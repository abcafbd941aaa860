/* Files of a compilation: reading, imports, and one table of items. */
#include "compiler/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/schedule.h"
#include "dsl/check.h"

enum { MAX_SOURCE = 256 << 20 };

/* A file, whichever way its path is written. */
struct FileId {
    dev_t device;
    ino_t node;
};

/* A file that is being read, and who imports it. */
typedef struct Importer {
    const Source *source;
    struct FileId id;
    const struct Importer *outer;
} Importer;

static bool read_failed(Program *p, Pos from, const char *path, const char *why)
{
    return diag_error(p->diag, from, NULL, "%s: %s", path, why);
}

/* The number of a file in memory; -1: there is none of that name. */
static int find_held(const Program *p, const char *path)
{
    for (int i = 0; i < p->held_count; i++)
        if (strcmp(p->held[i].name, path) == 0)
            return i;
    return -1;
}

/* The whole file with a NUL behind it, or NULL after a message. */
static Source *read_source(Program *p, Pos from, const char *path)
{
    struct stat st;
    int held = find_held(p, path);
    if (held >= 0 || p->held_count > 0) {
        Source *s = NEW(p->arena, Source);
        if (held < 0)
            return read_failed(p, from, path, "is not among the files in memory"), NULL;
        *s = (Source){.name = p->held[held].name,
                      .text = p->held[held].text,
                      .length = strlen(p->held[held].text)};
        return s;
    }
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
        read_failed(p, from, path,
                    directory        ? "is a directory"
                    : n > MAX_SOURCE ? "is larger than 256 MiB"
                                     : "cannot be read");
        return NULL;
    }
    text[n] = 0;
    *s = (Source){.name = arena_text(p->arena, path, strlen(path)),
                  .text = arena_text(p->arena, text, n),
                  .length = n};
    free(text);
    return s;
}

static ItemList *list_of(Program *p, ItemKind kind)
{
    switch (kind) {
    case I_CONST:
        return &p->consts;
    case I_ENUM:
        return &p->enums;
    case I_FN:
    case I_EXTERN:
        return &p->fns;
    case I_KERNEL:
        return &p->kernels;
    case I_SCHEDULE:
        return &p->schedules;
    case I_INSTANCES:
        return &p->instances;
    case I_IMPORT:
        break;
    }
    return NULL;
}

static bool file_id(const Program *p, const char *path, struct FileId *id)
{
    struct stat st;
    int held = find_held(p, path);
    if (held >= 0) {
        *id = (struct FileId){(dev_t)-1, (ino_t)held};
        return true;
    }
    if (stat(path, &st) != 0)
        return false;
    *id = (struct FileId){st.st_dev, st.st_ino};
    return true;
}

static bool same_file(const struct FileId *a, const struct FileId *b)
{
    return a->device == b->device && a->node == b->node;
}

static bool is_loaded(const Program *p, const struct FileId *id)
{
    for (int i = 0; i < p->files.count; i++)
        if (same_file(&p->files.items[i], id))
            return true;
    return false;
}

/* Whether `id` is being read: then its names are not there yet, and "a -> b -> a" is reported. */
static bool is_cycle(Program *p, const Item *it, const struct FileId *id, const Importer *from)
{
    const Importer *first = from;
    while (first && !same_file(&first->id, id))
        first = first->outer;
    if (!first)
        return false;
    const char *cycle = first->source->name;
    for (const Importer *f = from; f != first; f = f->outer)
        cycle = arena_format(p->arena, "%s -> %s", f->source->name, cycle);
    diag_error(p->diag, it->value->pos, "move what both need to a third file",
               "import cycle: %s -> %s", first->source->name, cycle);
    return true;
}

static bool add_unit(Program *p, Source *s, const Importer *outer, int depth);

/* An imported file gives its consts, enums and functions; kernels stay its own. */
static bool import(Program *p, const Item *it, const Importer *from, int depth)
{
    const char *importer = from->source->name, *slash = strrchr(importer, '/');
    const Expr *x = it->value;
    char *name = arena_text(p->arena, x->string, x->string_length);
    char *path = slash && name[0] != '/'
                     ? arena_format(p->arena, "%.*s/%s", (int)(slash - importer), importer, name)
                     : name;
    struct FileId id;
    if (file_id(p, path, &id)) {
        if (is_cycle(p, it, &id, from))
            return false;
        if (is_loaded(p, &id))
            return true;
    }
    if (depth > 32)
        return diag_error(p->diag, it->pos, NULL, "imports are nested too deeply");
    Source *s = read_source(p, x->pos, path);
    return s && add_unit(p, s, from, depth + 1);
}

static bool add_unit(Program *p, Source *s, const Importer *outer, int depth)
{
    int before = p->diag->errors;
    Importer self = {.source = s, .outer = outer};
    if (file_id(p, s->name, &self.id))
        PUSH(p->arena, &p->files, self.id);
    Unit *u = parse_unit(p->arena, p->diag, p->names, s);
    PUSH(p->arena, &p->units, u);
    if (p->diag->errors != before)
        return false;
    for (int i = 0; i < u->items.count; i++) {
        Item *it = u->items.items[i];
        if (it->kind == I_IMPORT) {
            import(p, it, &self, depth);
            continue;
        }
        bool own = it->kind == I_KERNEL || it->kind == I_SCHEDULE || it->kind == I_INSTANCES;
        if (!(outer && own))
            PUSH(p->arena, list_of(p, it->kind), it);
    }
    return p->diag->errors == before;
}

static bool load(Program *p, Source *s)
{
    if (!p->names)
        p->names = interner_new(p->arena);
    if (!s || !add_unit(p, s, NULL, 0))
        return false;
    bool ok = check_names(p->arena, p->diag, &p->consts, &p->enums, &p->fns, &p->kernels,
                          &p->schedules, &p->instances);
    for (int i = 0; i < p->schedules.count; i++) {
        const Item *schedule = p->schedules.items[i];
        const Item *kernel = program_find(&p->kernels, schedule->name.name);
        ok = (!kernel || schedule_check(p->arena, p->diag, p, kernel, schedule)) && ok;
    }
    return ok;
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
