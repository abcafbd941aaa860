/* From the stub's C to a library: the host's C compiler, ar, and the runtime. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/build.h"

/* ---- files ---- */

bool build_open(Build *b)
{
    const char *folder = getenv("TMPDIR");
    char *path = arena_format(b->arena, "%s/tilec-XXXXXX", folder && *folder ? folder : "/tmp");
    if (!mkdtemp(path))
        return user_error("%s: %s", path, strerror(errno));
    b->temporary = path;
    return true;
}

void build_close(Build *b)
{
    DIR *d = b->temporary ? opendir(b->temporary) : NULL;
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    if (b->temporary)
        rmdir(b->temporary);
}

bool build_write(const char *folder, const char *name, const char *text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    bool good = f && setvbuf(f, NULL, _IONBF, 0) == 0 && fputs(text, f) >= 0;
    if (f && fclose(f) != 0)
        good = false;
    return good || user_error("%s: %s", path, strerror(errno));
}

const char *build_header(const char *name)
{
    for (int i = 0; i < tile__host_header_count; i++) {
        const char *full = tile__host_headers[i].name, *slash = strrchr(full, '/');
        if (strcmp(slash ? slash + 1 : full, name) == 0)
            return tile__host_headers[i].text;
    }
    return "";
}

bool build_write_headers(const char *folder)
{
    bool ok = true;
    for (int i = 0; i < tile__host_header_count; i++) {
        const char *full = tile__host_headers[i].name, *slash = strrchr(full, '/');
        ok = build_write(folder, slash ? slash + 1 : full, tile__host_headers[i].text) && ok;
    }
    return ok;
}

/* ---- programs ---- */

bool build_run(const char *const *arguments)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        execvp(arguments[0], (char *const *)arguments);
        fprintf(stderr, "tilec: %s: %s\n", arguments[0], strerror(errno));
        _exit(127);
    }
    if (child < 0)
        return user_error("%s: %s", arguments[0], strerror(errno));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    return user_error("%s failed", arguments[0]);
}

static bool is_there(const char *program)
{
    const char *path = getenv("PATH");
    char file[4096];
    for (const char *p = path ? path : ""; *p;) {
        int n = (int)strcspn(p, ":");
        snprintf(file, sizeof file, "%.*s/%s", n, p, program);
        if (access(file, X_OK) == 0)
            return true;
        p += n + (p[n] == ':');
    }
    return false;
}

static const char *c_compiler(void)
{
    static const char *const names[] = {"cc", "gcc", "clang"};
    const char *cc = getenv("CC");
    if (cc && *cc)
        return cc;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_there(names[i]))
            return names[i];
    return NULL;
}

/* ---- the library ---- */

typedef struct Words {
    const char **items;
    int count, capacity;
} Words;

static void add(Build *b, Words *w, const char *word)
{
    PUSH(b->arena, w, word);
}

/* Is the runtime that goes into the library built with sanitizers? As tilec itself is. */
#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

static void add_options(Build *b, Words *w)
{
    if (SANITIZED)
        add(b, w, "-fsanitize=address,undefined");
    add(b, w, "-pthread");
}

static bool compile(Build *b, const char *cc, const char *name)
{
    Words w = {0};
    add(b, &w, cc);
    static const char *const flags[] = {"-std=gnu11", "-O2", "-fPIC", "-fvisibility=hidden", "-c"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        add(b, &w, flags[i]);
    add_options(b, &w);
    add(b, &w, "-o");
    add(b, &w, arena_format(b->arena, "%s/%s.o", b->temporary, name));
    add(b, &w, arena_format(b->arena, "%s/%s.c", b->temporary, name));
    add(b, &w, NULL);
    return build_run(w.items);
}

static bool has_cpu(const Build *b)
{
    return b->stub.targets >> TILE_ARCH_CPU & 1;
}

static const char *library(const Build *b, const char *name)
{
    return arena_format(b->arena, "%s/%s", b->libraries, name);
}

/* All of the runtime, so that its public functions are there; of the compiler what is needed. */
static bool link_shared(Build *b, const char *cc)
{
    Words w = {0};
    add(b, &w, cc);
    add(b, &w, "-shared");
    add_options(b, &w);
    add(b, &w, "-o");
    add(b, &w, arena_format(b->arena, "%s/lib%s.so", b->folder, b->stub.name));
    add(b, &w, arena_format(b->arena, "%s/stub.o", b->temporary));
    add(b, &w, arena_format(b->arena, "%s/code.o", b->temporary));
    if (!SANITIZED)
        add(b, &w, "-Wl,-z,defs");
    add(b, &w, "-Wl,--whole-archive");
    add(b, &w, library(b, "libtile_runtime.a"));
    add(b, &w, "-Wl,--no-whole-archive");
    if (has_cpu(b))
        add(b, &w, library(b, "libtilec.a"));
    add(b, &w, "-lm");
    add(b, &w, "-ldl");
    add(b, &w, NULL);
    return build_run(w.items);
}

/* ar's script language: archives may have members of one name, which must not become one. */
static bool link_static(Build *b)
{
    const char *script = arena_format(
        b->arena,
        "cd '%s' && ln -sf '%s' runtime.a && ln -sf '%s' compiler.a &&"
        " printf '%%s\\n' 'CREATE out.a' 'ADDMOD stub.o' 'ADDMOD code.o' 'ADDLIB runtime.a' %s"
        "'SAVE' 'END' | ar -M",
        b->temporary, library(b, "libtile_runtime.a"), library(b, "libtilec.a"),
        has_cpu(b) ? "'ADDLIB compiler.a' " : "");
    const char *const make[] = {"sh", "-c", script, NULL};
    const char *const copy[] = {"cp", arena_format(b->arena, "%s/out.a", b->temporary),
                                arena_format(b->arena, "%s/lib%s.a", b->folder, b->stub.name),
                                NULL};
    return build_run(make) && build_run(copy);
}

static bool write_sources(Build *b)
{
    const char *header = arena_format(b->arena, "%s.h", b->stub.name);
    bool ok = stub_write(b->temporary, "stub.c", &b->stub, stub_print_source) &&
              stub_write(b->temporary, "code.c", &b->stub, stub_print_code) &&
              stub_write(b->temporary, header, &b->stub, stub_print_header) &&
              stub_write(b->folder, header, &b->stub, stub_print_header) &&
              build_write_headers(b->temporary) &&
              build_write(b->folder, "tile.h", build_header("tile.h"));
    return ok;
}

bool build_link(Build *b)
{
    const char *cc = c_compiler();
    if (!cc)
        return user_error("no C compiler: no cc, gcc or clang in PATH, and CC names none");
    if (access(library(b, "libtile_runtime.a"), R_OK) != 0 ||
        (has_cpu(b) && access(library(b, "libtilec.a"), R_OK) != 0))
        return user_error("%s: libtile_runtime.a or libtilec.a is not there: run make",
                          b->libraries);
    return write_sources(b) && compile(b, cc, "stub") && compile(b, cc, "code") && link_static(b) &&
           link_shared(b, cc);
}
