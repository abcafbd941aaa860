/* From .tile files to the kernels of a stub, and stubs to files. */
#include <errno.h>
#include <string.h>

#include "compiler/build.h"

static void add_source(Command *c, Stub *s, const char *path)
{
    const char *slash = strrchr(path, '/');
    PUSH(c->arena, &s->sources, slash ? slash + 1 : path);
}

static void add_files(Stub *s, const Program *p)
{
    for (int i = 0; i < p->units.count; i++) {
        const Source *u = p->units.items[i]->source;
        tile_file f = {u->name, u->text};
        PUSH(s->arena, &s->files, f);
    }
}

static bool add_kernel(Command *c, Stub *s, Program *p, const Item *item, int first_file,
                       bool guess)
{
    LibraryKernel *k = library_kernel(c->arena, p, item);
    if (!k)
        return false;
    if (!guess && !variants_known(p, item)) {
        fprintf(stderr,
                "tilec: nothing is built for kernel %s: a static of it has neither a default nor "
                "values in `instances`\n",
                item->name.name);
        return true;
    }
    for (int i = 0; i < s->kernels.count; i++)
        if (strcmp(s->kernels.items[i]->name, k->name) == 0)
            return user_error("two kernels are called %s: in %s and %s", k->name,
                              s->kernels.items[i]->item->name.pos.source->name,
                              item->name.pos.source->name);
    k->lines = c->lines;
    k->first_file = first_file;
    k->file_count = p->units.count;
    bool ok = library_add_all(k, c->diag, s->targets, guess);
    if (k->variants.count > 0)
        PUSH(c->arena, &s->kernels, k);
    return ok;
}

/* Files are written under the name and include each other. */
bool stub_name_is_right(const char *name)
{
    for (const char *p = name; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
            return user_error("%s: C files are named after it, and #include takes no quotes, "
                              "backslashes or line ends",
                              name);
    return true;
}

bool stub_add_file(Command *c, Stub *s, const char *path, bool guess)
{
    Program *p = NEW(c->arena, Program);
    int first_file = s->files.count;
    bool ok = true;
    if (!stub_name_is_right(path) || !load_program(c, p, path))
        return false;
    add_source(c, s, path);
    add_files(s, p);
    for (int i = 0; i < p->kernels.count; i++) {
        const Item *item = p->kernels.items[i];
        if (!c->kernel || strcmp(c->kernel, item->name.name) == 0)
            ok = add_kernel(c, s, p, item, first_file, guess) && ok;
    }
    return ok;
}

bool stub_write(const char *folder, const char *name, const Stub *s,
                void (*print)(FILE *, const Stub *))
{
    const char *path = arena_format(s->arena, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    if (!f)
        return user_error("%s: %s", path, strerror(errno));
    setvbuf(f, NEW_ARRAY(s->arena, char, 1 << 16), _IOFBF, 1 << 16);
    print(f, s);
    return fclose(f) == 0 || user_error("%s: %s", path, strerror(errno));
}
