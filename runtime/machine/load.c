/* Kernels as host code: through the C compiler, the disk cache and the dynamic linker. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/machine/internal.h"
#include "runtime/runtime.h"

extern char **environ;

/* build/gen/machine_text.c */
extern const TextFile tile__machine_headers[];
extern const int tile__machine_header_count;

/* No optimisation that reorders places much; arrays that nobody sets hold a pattern. */
static const char *const flags[] = {"-std=gnu11",
                                    "-DTILE_MACHINE",
                                    "-O1",
                                    "-g1",
                                    "-fPIC",
                                    "-shared",
                                    "-ffp-contract=off",
                                    "-fno-strict-aliasing",
                                    "-fno-stack-protector",
                                    "-w",
                                    "-ftrivial-auto-var-init=pattern"};

enum { FLAGS = sizeof flags / sizeof *flags, MOST_ARGUMENTS = 32, PATH_SIZE = 512 };

bool load_failed(Machine *m, const char *format, ...)
{
    char text[4096];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (!m->fault) {
        m->fault = TILE_FAULT_LAUNCH;
        text_add(&m->report, "%s", text);
    }
    return false;
}

static const char *compiler(void)
{
    const char *cc = getenv("TILE_CC");
    return cc && *cc ? cc : "cc";
}

/* ---- the key ---- */

static void add_text(Sha256 *h, const char *text)
{
    tile__sha256_add(h, text, strlen(text) + 1);
}

/* The compiler's version is not asked for: its name, size and time of change stand for it. */
static void add_compiler(Sha256 *h)
{
    char path[PATH_SIZE], text[64];
    const char *cc = compiler(), *list = getenv("PATH");
    struct stat s;
    add_text(h, cc);
    while (list && !strchr(cc, '/') && *list) {
        size_t n = strcspn(list, ":");
        snprintf(path, sizeof path, "%.*s/%s", (int)n, list, cc);
        list += n + (list[n] == ':');
        if (access(path, X_OK) == 0) {
            cc = path;
            break;
        }
    }
    if (stat(cc, &s) == 0) {
        snprintf(text, sizeof text, "%lld %lld", (long long)s.st_size, (long long)s.st_mtime);
        add_text(h, text);
    }
}

static void add_headers(Sha256 *h, const TextFile *list, int count)
{
    for (int i = 0; i < count; i++) {
        add_text(h, list[i].name);
        add_text(h, list[i].text);
    }
}

static CacheKey key_of(const tile_source *source)
{
    CacheKey key;
    Sha256 h;
    tile__sha256_start(&h);
    add_text(&h, "machine");
    add_compiler(&h);
    for (int i = 0; i < FLAGS; i++)
        add_text(&h, flags[i]);
    for (int i = 0; source->options && source->options[i]; i++)
        add_text(&h, source->options[i]);
    add_headers(&h, tile__device_headers, tile__device_header_count);
    add_headers(&h, tile__machine_headers, tile__machine_header_count);
    add_text(&h, source->name);
    add_text(&h, source->text);
    tile__sha256_end(&h, key.bytes);
    return key;
}

/* ---- files ---- */

static bool write_file(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    bool good = f && fwrite(bytes, 1, size, f) == size;
    return f && fclose(f) == 0 && good;
}

static void *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    struct stat s;
    if (!f || fstat(fileno(f), &s) != 0) {
        if (f)
            fclose(f);
        return NULL;
    }
    *size = (size_t)s.st_size;
    char *bytes = malloc(*size + 1);
    if (bytes && fread(bytes, 1, *size, f) != *size) {
        free(bytes);
        bytes = NULL;
    }
    if (bytes)
        bytes[*size] = 0;
    fclose(f);
    return bytes;
}

/* folder/name; one that is too long is cut, and what opens it fails. */
static void join(char path[PATH_SIZE], const char *folder, const char *name)
{
    int n = snprintf(path, PATH_SIZE, "%s/%s", folder, name);
    if (n >= PATH_SIZE)
        path[0] = 0;
}

static bool write_headers(const char *folder, const TextFile *list, int count)
{
    char path[PATH_SIZE];
    for (int i = 0; i < count; i++) {
        const TextFile *f = &list[i];
        join(path, folder, f->name);
        tile__make_folders(path, strlen(folder) + 1, 0700);
        if (!write_file(path, f->text, strlen(f->text)))
            return false;
    }
    return true;
}

static void remove_folder(const char *folder)
{
    char *const arguments[] = {"rm", "-rf", (char *)(uintptr_t)folder, NULL};
    pid_t child;
    if (posix_spawnp(&child, "rm", NULL, NULL, arguments, environ) == 0)
        waitpid(child, NULL, 0);
}

/* ---- the compiler ---- */

static bool run(char *const *arguments, const char *log)
{
    posix_spawn_file_actions_t files;
    pid_t child;
    int status = -1;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    int error = posix_spawnp(&child, arguments[0], &files, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    while (error == 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* `all`: with the flags that older compilers do not know. */
static bool run_compiler(const tile_source *source, const char *folder, bool all)
{
    char in[PATH_SIZE], out[PATH_SIZE], log[PATH_SIZE], include[PATH_SIZE + 2];
    char *arguments[MOST_ARGUMENTS];
    int n = 0;
    join(in, folder, source->name);
    join(out, folder, "kernel.so");
    join(log, folder, "log");
    memcpy(include, "-I", 2);
    memcpy(include + 2, folder, strlen(folder) + 1);
    arguments[n++] = (char *)(uintptr_t)compiler();
    for (int i = 0; i < FLAGS - !all; i++)
        arguments[n++] = (char *)(uintptr_t)flags[i];
    for (int i = 0; source->options && source->options[i] && n < MOST_ARGUMENTS - 8; i++)
        arguments[n++] = (char *)(uintptr_t)source->options[i];
    arguments[n++] = include;
    arguments[n++] = "-o";
    arguments[n++] = out;
    arguments[n++] = "-x";
    arguments[n++] = "c";
    arguments[n++] = in;
    arguments[n] = NULL;
    return run(arguments, log);
}

static bool compile(Machine *m, const tile_source *source, const char *folder)
{
    char path[PATH_SIZE];
    size_t size;
    join(path, folder, source->name);
    tile__make_folders(path, strlen(folder) + 1, 0700);
    if (!write_headers(folder, tile__device_headers, tile__device_header_count) ||
        !write_headers(folder, tile__machine_headers, tile__machine_header_count) ||
        !write_file(path, source->text, strlen(source->text)))
        return load_failed(m, "%s: cannot write to %s", source->name, folder);
    if (run_compiler(source, folder, true) || run_compiler(source, folder, false))
        return true;
    join(path, folder, "log");
    char *log = read_file(path, &size);
    load_failed(m, "%s: %s: %.3000s", source->name, compiler(),
                log && *log ? log : "cannot be run");
    free(log);
    return false;
}

/* ---- loading ---- */

static bool link_code(Machine *m, tile_machine_code *code)
{
    Dl_info info;
    code->handle = dlopen(code->path, RTLD_NOW | RTLD_LOCAL);
    if (!code->handle)
        return load_failed(m, "%s: %s", code->name, dlerror());
    void *link = dlsym(code->handle, "tile__machine");
    if (!link || !dladdr(link, &info))
        return load_failed(m, "%s: does not include runtime/device/tile.h", code->name);
    code->link = link;
    code->base = info.dli_fbase;
    return true;
}

/* The shared object at folder/kernel.so, from the cache or new. */
static bool provide(Machine *m, const tile_source *source, const char *folder)
{
    CacheKey key = key_of(source);
    char path[PATH_SIZE];
    void *bytes;
    size_t size;
    join(path, folder, "kernel.so");
    if (tile__cache_read(&key, "so", &bytes, &size)) {
        bool good = write_file(path, bytes, size);
        free(bytes);
        return good || load_failed(m, "%s: cannot write to %s", source->name, folder);
    }
    if (!compile(m, source, folder))
        return false;
    bytes = read_file(path, &size);
    if (bytes)
        tile__cache_write(&key, "so", bytes, size);
    free(bytes);
    return true;
}

bool tile_machine_load(tile_machine *machine, const tile_source *source, tile_machine_code **out)
{
    Machine *m = &machine->machine;
    const char *temporary = getenv("TMPDIR");
    tile_machine_code *code = calloc(1, sizeof *code);
    char folder[PATH_SIZE];
    *out = NULL;
    if (!code || !(code->path = malloc(PATH_SIZE)) ||
        !(code->name = malloc(strlen(source->name) + 1)))
        abort();
    strcpy(code->name, source->name);
    snprintf(folder, sizeof folder, "%s/tile-machine-XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    code->machine = m;
    code->next = m->codes;
    m->codes = code;
    code->path[0] = 0;
    if (!mkdtemp(folder))
        return load_failed(m, "%s: no folder for temporary files: %s", folder, strerror(errno));
    join(code->path, folder, "kernel.so");
    *out = code;
    return provide(m, source, folder) && link_code(m, code);
}

const TileMachineKernel *code_entry(tile_machine_code *code, const char *name)
{
    char symbol[256];
    snprintf(symbol, sizeof symbol, "tile__kernel_%s", name);
    return code->handle ? dlsym(code->handle, symbol) : NULL;
}

void codes_free(Machine *m)
{
    while (m->codes) {
        tile_machine_code *code = m->codes;
        m->codes = code->next;
        if (code->handle)
            dlclose(code->handle);
        char *slash = strrchr(code->path, '/');
        if (slash) {
            *slash = 0;
            remove_folder(code->path);
        }
        free(code->path);
        free(code->name);
        free(code);
    }
}
