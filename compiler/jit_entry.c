/* Where compiler and runtime meet: variants that are made when a call needs them. */
#include "compiler/jit.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/runtime.h"

/* ---- messages ---- */

typedef struct Heard {
    FILE *file;
    char *text;
    size_t size;
} Heard;

static _Thread_local Heard heard;

void jit_listen(tile_program *p)
{
    heard = (Heard){0};
    heard.file = open_memstream(&heard.text, &heard.size);
    p->diag.out = heard.file;
    p->diag.errors = p->diag.warnings = 0;
    p->diag.seen_count = 0;
}

static void stop_listening(tile_program *p)
{
    if (heard.file)
        fclose(heard.file);
    free(heard.text);
    heard = (Heard){0};
    p->diag.out = NULL;
}

tile_status jit_failed(tile_program *p, const tile_context *c, tile_status status)
{
    if (heard.file)
        fflush(heard.file);
    size_t n = heard.text ? strlen(heard.text) : 0;
    if (n > 0 && heard.text[n - 1] == '\n')
        heard.text[n - 1] = 0;
    tile__fail(c, status, "%s", n > 0 ? heard.text : "the program has errors");
    stop_listening(p);
    return status;
}

/* ---- programs ---- */

static tile_program *new_program(void)
{
    tile_program *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->diag.arena = p->program.arena = &p->arena;
    p->program.diag = &p->diag;
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void tile_program_free(tile_program *p)
{
    if (!p)
        return;
    arena_free(&p->arena);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* Text NULL: from the file. */
static tile_status load(const char *name, const char *text, tile_program **program)
{
    *program = NULL;
    if (!name) {
        return tile__fail(NULL, TILE_ERR_NULL, "tile_program: the name is null");
    }
    tile_program *p = new_program();
    if (!p)
        return tile__fail(NULL, TILE_ERR_MEMORY, "no memory for a program");
    jit_listen(p);
    const char *kept = arena_text(&p->arena, name, strlen(name));
    bool good = text ? program_load_text(&p->program, kept, text, strlen(text))
                     : program_load(&p->program, kept);
    if (!good || p->diag.errors) {
        jit_failed(p, NULL, TILE_ERR_COMPILE);
        tile_program_free(p);
        return TILE_ERR_COMPILE;
    }
    stop_listening(p);
    *program = p;
    return TILE_OK;
}

tile_status tile_program_load(const char *path, tile_program **program)
{
    return load(path, NULL, program);
}

tile_status tile_program_parse(const char *name, const char *text, tile_program **program)
{
    *program = NULL;
    if (!text)
        return tile__fail(NULL, TILE_ERR_NULL, "tile_program_parse: the text is null");
    return load(name, text, program);
}

/* Programs of libraries, which nobody frees before. */
static struct {
    pthread_mutex_t lock;
    tile_program **items;
    int count;
} libraries = {.lock = PTHREAD_MUTEX_INITIALIZER};

__attribute__((destructor)) static void free_libraries(void)
{
    for (int i = 0; i < libraries.count; i++)
        tile_program_free(libraries.items[i]);
    free(libraries.items);
}

static tile_program *read_library(const tile_kernel *k, tile_context *c)
{
    tile_program *p = new_program();
    tile_program **grown = realloc(libraries.items,
                                   (size_t)(libraries.count + 1) * sizeof *libraries.items);
    libraries.items = grown ? grown : libraries.items;
    if (!p || !grown) {
        tile_program_free(p);
        return tile__fail(c, TILE_ERR_MEMORY, "no memory for a program"), NULL;
    }
    p->held = NEW_ARRAY(&p->arena, HeldFile, k->file_count);
    for (int i = 0; i < k->file_count; i++)
        p->held[i] = (HeldFile){k->files[i].name, k->files[i].text};
    p->program.held = p->held;
    p->program.held_count = k->file_count;
    jit_listen(p);
    if (!program_load(&p->program, p->held[0].name)) {
        jit_failed(p, c, TILE_ERR_COMPILE);
        tile_program_free(p);
        return NULL;
    }
    stop_listening(p);
    libraries.items[libraries.count++] = p;
    return p;
}

tile_program *jit_program_of(const tile_kernel *k, tile_context *c)
{
    tile_program *p = atomic_load(&k->state->program);
    if (p)
        return p;
    pthread_mutex_lock(&libraries.lock);
    p = atomic_load(&k->state->program);
    if (!p) {
        p = read_library(k, c);
        atomic_store(&k->state->program, p);
    }
    pthread_mutex_unlock(&libraries.lock);
    return p;
}

/* ---- variants ---- */

typedef struct Request {
    const JitKernel *kernel;
    const int64_t *key;
} Request;

static bool is_present(void *context, Name tensor)
{
    const Request *r = context;
    const LibraryKernel *k = r->kernel->library;
    int at = k->static_count;
    for (int i = 0; i < k->param_count; i++) {
        if (k->params[i].kind == TILE_PARAM_SCALAR)
            continue;
        if (k->written[i]->name.name == tensor)
            return r->key[at] != TILE_FORM_NONE;
        at++;
    }
    return true;
}

/* A number of the key as -s would have it. */
static const char *key_text(const LibraryKernel *k, Arena *a, int slot, int64_t value)
{
    const tile_static *s = slot < k->static_count ? &k->statics[slot] : NULL;
    if (!s)
        return value < 0 ? "none" : format_name[value];
    switch (s->kind) {
    case TILE_STATIC_BOOL:
        return value ? "true" : "false";
    case TILE_STATIC_TYPE:
        return dtype_info[value].name;
    case TILE_STATIC_ENUM:
        return s->members[value];
    default:
        return arena_format(a, "%lld", (long long)value);
    }
}

bool jit_choose(tile_program *p, JitKernel *j, tile_arch arch, const int64_t *key, VariantList *out)
{
    const LibraryKernel *k = j->library;
    Request r = {j, key};
    Given *given = NEW_ARRAY(&p->arena, Given, k->key_count);
    int n = 0, at = k->static_count;
    for (int i = 0; i < k->static_count; i++)
        given[n++] = (Given){.name = k->declared[i]->name.name,
                             .text = key_text(k, &p->arena, i, key[i])};
    for (int i = 0; i < k->param_count; i++)
        if (k->params[i].kind != TILE_PARAM_SCALAR) {
            if (key[at] != TILE_FORM_NONE)
                given[n++] = (Given){.name = k->written[i]->name.name,
                                     .text = key_text(k, &p->arena, at, key[at])};
            at++;
        }
    VariantRequest request = {.given = given,
                              .ngiven = n,
                              .present = is_present,
                              .context = &r,
                              .target = library_target(k, arch)};
    return variant_choose_all(&p->program, j->library->item, &request, out);
}

static tile_status build(const tile_kernel *kernel, tile_context *c, tile_arch arch,
                         const int64_t *key, bool quiet)
{
    tile_program *p = atomic_load(&kernel->state->program);
    tile_status status = TILE_OK;
    VariantList list = {0};
    pthread_mutex_lock(&p->lock);
    JitKernel *j = jit_kernel(p, kernel->name);
    jit_listen(p);
    bool good = jit_choose(p, j, arch, key, &list);
    for (int i = 0; i < list.count && good; i++)
        good = library_add(j->library, &p->diag, arch, &list.items[i]);
    if (!good)
        status = TILE_ERR_COMPILE;
    else
        atomic_store_explicit(&j->state.more,
                              library_list(j->library, &p->arena, atomic_load(&j->state.more)),
                              memory_order_release);
    if (status != TILE_OK && !quiet)
        jit_failed(p, c, status);
    else
        stop_listening(p);
    pthread_mutex_unlock(&p->lock);
    return status;
}

/* ---- kernels ---- */

const tile_provider tile__interpreter = {.run = jit_run};
static const tile_provider on_demand = {.build = build, .run = jit_run};

JitKernel *jit_kernel(tile_program *p, const char *name)
{
    for (int i = 0; i < p->kernels.count; i++)
        if (strcmp(p->kernels.items[i]->kernel.name, name) == 0)
            return p->kernels.items[i];
    const Item *item = NULL;
    for (int i = 0; i < p->program.kernels.count; i++)
        if (strcmp(p->program.kernels.items[i]->name.name, name) == 0)
            item = p->program.kernels.items[i];
    LibraryKernel *library = item ? library_kernel(&p->arena, &p->program, item) : NULL;
    if (!library)
        return NULL;
    JitKernel *j = NEW(&p->arena, JitKernel);
    j->library = library;
    j->program = p;
    library_describe(library, &j->kernel);
    j->kernel.state = &j->state;
    j->kernel.provider = &on_demand;
    atomic_store(&j->state.program, p);
    PUSH(&p->arena, &p->kernels, j);
    return j;
}

tile_status tile_program_kernel(tile_program *p, const char *name, const tile_kernel **kernel)
{
    *kernel = NULL;
    if (!p || !name)
        return tile__fail(NULL, TILE_ERR_NULL, "tile_program_kernel: the %s is null",
                          p ? "name" : "program");
    pthread_mutex_lock(&p->lock);
    jit_listen(p);
    JitKernel *j = jit_kernel(p, name);
    tile_status status = TILE_OK;
    if (!j && p->diag.errors)
        status = jit_failed(p, NULL, TILE_ERR_COMPILE);
    else if (!j)
        status = tile__fail(NULL, TILE_ERR_VALUE, "the program has no kernel %s", name);
    stop_listening(p);
    pthread_mutex_unlock(&p->lock);
    *kernel = j ? &j->kernel : NULL;
    return status;
}
