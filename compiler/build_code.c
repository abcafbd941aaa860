/* CUDA to machine code for `tilec build`: a process a core, each takes the next text. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compiler/build.h"

enum { MOST_WORKERS = 256, MOST_LOGS = 3 };

/* Seen by all processes. */
typedef struct Shared {
    atomic_int next, done;
    atomic_uchar failed[];
} Shared;

void build_find_tool(Build *b)
{
    static const char *const places[] = {"/usr/local/cuda/bin/nvcc", "/usr/bin/nvcc"};
    const Nvrtc *nvrtc;
    const char *named = getenv("TILE_NVCC");
    b->tool = TOOL_NONE;
    if (tile__nvrtc(NULL, &nvrtc) == TILE_OK) {
        b->tool = TOOL_NVRTC;
        return;
    }
    tile_error(NULL);
    if (named) {
        b->nvcc = *named ? named : NULL;
    } else {
        for (size_t i = 0; i < sizeof places / sizeof *places && !b->nvcc; i++)
            if (access(places[i], X_OK) == 0)
                b->nvcc = places[i];
    }
    if (b->nvcc)
        b->tool = TOOL_NVCC;
}

/* ---- one text ---- */

static tile_arch arch_of(const StubCode *c)
{
    tile_arch arch = TILE_SM90;
    const char *dot = strrchr(c->name, '.');
    tile_arch_find(dot ? dot + 1 : "", &arch);
    return arch;
}

static const char *file_of(const Build *b, int number, const char *kind)
{
    return arena_format(b->arena, "%s/%d.%s", b->temporary, number, kind);
}

static bool put_file(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    bool good = f && fwrite(bytes, 1, size, f) == size;
    return (!f || fclose(f) == 0) && good;
}

static bool with_nvrtc(const Build *b, int number, const char **message)
{
    const StubCode *c = &b->stub.codes.items[number];
    const char *const options[] = {"-DTILE_ALIGNED=0", NULL};
    const char *name = arena_format(b->arena, "%s.cu", c->name);
    tile_source source = {.name = name, .text = c->cuda, .options = c->unaligned ? options : NULL};
    tile_cubin cubin;
    if (tile_compile(&source, arch_of(c), &cubin) != TILE_OK) {
        *message = tile_error(NULL);
        return false;
    }
    bool good = put_file(file_of(b, number, "cubin"), cubin.bytes, cubin.size);
    if (!good)
        *message = arena_format(b->arena, "%s: %s", file_of(b, number, "cubin"), strerror(errno));
    tile_cubin_free(&cubin);
    return good;
}

/* nvcc finds the device headers in the temporary folder under other names: it has no subfolders. */
static const char *flat_text(const Build *b, const char *text)
{
    char *flat = arena_text(b->arena, text, strlen(text));
    for (char *line = flat; line;) {
        if (strncmp(line, "#include \"runtime/", 18) == 0)
            for (char *p = line + 10; *p && *p != '"' && *p != '\n'; p++)
                *p = *p == '/' ? '_' : *p;
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return flat;
}

/* The whole of a small file; "" if it cannot be read. */
static const char *read_small(const Build *b, const char *path)
{
    char text[4096];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text, f) : 0;
    if (f)
        fclose(f);
    return arena_text(b->arena, text, n);
}

static const char *nvcc_flags(const Build *b, const StubCode *c)
{
    return arena_format(b->arena, "-cubin -arch=%s --fmad=false -std=c++17 -lineinfo%s",
                        arch_of(c) == TILE_SM90 ? "sm_90a" : "sm_100a",
                        c->unaligned ? " -DTILE_ALIGNED=0" : "");
}

static CacheKey nvcc_key(const Build *b, const StubCode *c)
{
    const char *const texts[] = {"nvcc", b->nvcc_version, nvcc_flags(b, c), c->cuda};
    Sha256 h;
    CacheKey key;
    tile__sha256_start(&h);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        tile__sha256_add(&h, texts[i], strlen(texts[i]) + 1);
    for (int i = 0; i < tile__device_header_count; i++) {
        const TextFile *header = &tile__device_headers[i];
        tile__sha256_add(&h, header->name, strlen(header->name) + 1);
        tile__sha256_add(&h, header->text, strlen(header->text) + 1);
    }
    tile__sha256_end(&h, key.bytes);
    return key;
}

static bool run_nvcc(const Build *b, int number, const char **message)
{
    const StubCode *c = &b->stub.codes.items[number];
    const char *log = file_of(b, number, "log");
    const char *command = arena_format(b->arena, "'%s' %s -I'%s' -o '%s' '%s' 2>'%s'", b->nvcc,
                                       nvcc_flags(b, c), b->temporary, file_of(b, number, "cubin"),
                                       file_of(b, number, "cu"), log);
    if (!build_write(b->temporary, arena_format(b->arena, "%d.cu", number), flat_text(b, c->cuda)))
        return false;
    if (system(command) == 0)
        return true;
    *message = arena_format(b->arena, "%s refused %s:\n%s", b->nvcc, c->name, read_small(b, log));
    return false;
}

/* What the compiler left for the cache. */
static void keep_cubin(const CacheKey *key, const char *path)
{
    FILE *f = fopen(path, "rb");
    char *bytes = NULL;
    long size = f && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    if (size > 0 && fseek(f, 0, SEEK_SET) == 0)
        bytes = malloc((size_t)size);
    if (bytes && fread(bytes, 1, (size_t)size, f) == (size_t)size)
        tile__cache_write(key, "cubin", bytes, (size_t)size);
    free(bytes);
    if (f)
        fclose(f);
}

static bool with_nvcc(const Build *b, int number, const char **message)
{
    CacheKey key = nvcc_key(b, &b->stub.codes.items[number]);
    const char *path = file_of(b, number, "cubin");
    void *bytes;
    size_t size;
    if (tile__cache_read(&key, "cubin", &bytes, &size)) {
        bool good = put_file(path, bytes, size);
        free(bytes);
        return good;
    }
    if (!run_nvcc(b, number, message))
        return false;
    keep_cubin(&key, path);
    return true;
}

/* "Build cuda_13.0.r13.0/compiler.1", for the keys of the cache. */
static void ask_nvcc(Build *b)
{
    const char *file = file_of(b, 0, "version");
    const char *command = arena_format(b->arena, "'%s' --version >'%s' 2>&1", b->nvcc, file);
    b->nvcc_version = system(command) == 0 ? read_small(b, file) : b->nvcc;
}

/* ---- all texts ---- */

static void work(const Build *b, Shared *s)
{
    int count = b->stub.codes.count, logs = 0;
    for (int i = atomic_fetch_add(&s->next, 1); i < count; i = atomic_fetch_add(&s->next, 1)) {
        const char *message = "";
        bool good = b->tool == TOOL_NVRTC ? with_nvrtc(b, i, &message) : with_nvcc(b, i, &message);
        atomic_store(&s->failed[i], !good);
        if (!good && logs++ < MOST_LOGS)
            user_error("%s", message);
        atomic_fetch_add(&s->done, 1);
    }
}

static bool start(const Build *b, Shared *s, pid_t *workers, int count)
{
    fflush(NULL);
    for (int i = 0; i < count; i++) {
        workers[i] = fork();
        if (workers[i] == 0) {
            work(b, s);
            _exit(0);
        }
        if (workers[i] < 0 && i == 0)
            return user_error("fork: %s", strerror(errno));
    }
    return true;
}

static void say(const Build *b, const Shared *s, bool terminal)
{
    fprintf(stderr, "%stilec: compiled %d of %d%s", terminal ? "\r" : "", atomic_load(&s->done),
            b->stub.codes.count, terminal ? "" : "\n");
    fflush(stderr);
}

/* Waits for all; false if one ended by a signal. */
static bool wait_for(const Build *b, const Shared *s, pid_t *workers, int count)
{
    bool terminal = isatty(2), said = false, good = true;
    double start_time = seconds_now(), last = start_time;
    for (int left = count; left > 0;) {
        int status = 0;
        pid_t done = waitpid(-1, &status, WNOHANG);
        if (done > 0) {
            left--;
            good = good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
            continue;
        }
        if (done < 0 && errno != EINTR)
            break;
        nanosleep(&(struct timespec){0, 10 * 1000000L}, NULL);
        double now = seconds_now(), apart = terminal ? 0.2 : 10;
        if (now - start_time > 1 && now - last > apart) {
            say(b, s, terminal);
            said = true;
            last = now;
        }
    }
    if (said && terminal)
        fprintf(stderr, "\r%40s\r", "");
    (void)workers;
    return good;
}

static bool write_device_headers(const Build *b)
{
    bool ok = true;
    for (int i = 0; i < tile__device_header_count && ok; i++) {
        char *name = arena_text(b->arena, tile__device_headers[i].name,
                                strlen(tile__device_headers[i].name));
        for (char *p = name; *p; p++)
            *p = *p == '/' ? '_' : *p;
        ok = build_write(b->temporary, name, flat_text(b, tile__device_headers[i].text));
    }
    return ok;
}

bool build_compile(Build *b)
{
    int count = b->stub.codes.count, cores = (int)sysconf(_SC_NPROCESSORS_ONLN), failed = 0;
    pid_t workers[MOST_WORKERS];
    size_t size = sizeof(Shared) + (size_t)count;
    if (b->tool == TOOL_NONE || count == 0)
        return true;
    if (b->tool == TOOL_NVCC && !write_device_headers(b))
        return false;
    if (b->tool == TOOL_NVCC)
        ask_nvcc(b);
    Shared *s = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED)
        return user_error("out of memory");
    if (b->command->threads)
        cores = b->command->threads;
    cores = cores < 1 ? 1 : cores > MOST_WORKERS ? MOST_WORKERS : cores;
    cores = cores > count ? count : cores;
    bool ok = start(b, s, workers, cores) && wait_for(b, s, workers, cores);
    for (int i = 0; i < count; i++) {
        failed += atomic_load(&s->failed[i]);
        b->stub.codes.items[i].cubin = file_of(b, i, "cubin");
    }
    ok = ok && atomic_load(&s->done) == count;
    munmap(s, size);
    if (failed)
        return user_error("%d of %d codes were not compiled", failed, count);
    return ok || user_error("compiling was interrupted");
}
