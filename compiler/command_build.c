/* tilec build: .tile files to a C library with its header. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/build.h"

/* ---- what to build ---- */

/* "sm90,sm100,cpu" to bits; 0 after a message. */
static unsigned read_targets(Command *c)
{
    unsigned targets = 0;
    for (const char *p = c->arch; *p;) {
        int n = (int)strcspn(p, ","), found = -1;
        char *name = arena_text(c->arena, p, (size_t)n);
        for (int i = 0; i < TILE_TARGETS; i++)
            if (strcmp(tile_arch_name((tile_arch)i), name) == 0)
                found = i;
        if (found < 0)
            return usage_error(c, "--arch %s: %s is none of sm90, sm100, cpu", c->arch, name), 0;
        targets |= 1u << found;
        p += n + (p[n] == ',');
    }
    return targets;
}

/* ---- where ---- */

/* "DIR/NAME" */
static bool split_output(Build *b, const char *path)
{
    const char *slash = strrchr(path, '/');
    b->folder = !slash          ? "."
                : slash == path ? "/"
                                : arena_text(b->arena, path, (size_t)(slash - path));
    b->stub.name = slash ? slash + 1 : path;
    b->stub.symbol = stub_symbol(b->arena, b->stub.name);
    if (!*b->stub.name)
        return usage_error(b->command, "-o %s: the library's name is missing", path), false;
    return stub_name_is_right(b->stub.name) && make_folder(b->folder);
}

/* Beside tilec itself, or where an installation has them. */
static void find_libraries(Build *b)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    const char *named = getenv("TILE_LIBRARIES");
    path[n > 0 ? n : 0] = 0;
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = 0;
    b->libraries = named && *named ? named : arena_text(b->arena, path, strlen(path));
}

static void tell(const Build *b)
{
    static const char *const tools[] = {"", " by NVRTC", " by nvcc"};
    int variants = 0;
    for (int i = 0; i < b->stub.kernels.count; i++)
        variants += b->stub.kernels.items[i]->variants.count;
    printf("lib%s: %d %s, %d %s, %d codes%s\n", b->stub.name, b->stub.kernels.count,
           b->stub.kernels.count == 1 ? "kernel" : "kernels", variants,
           variants == 1 ? "variant" : "variants", b->stub.codes.count,
           b->stub.codes.count ? tools[b->tool] : "");
    int n = unchecked_limits(&b->stub);
    if (n)
        printf("lib%s: %d %s of registers and spills not checked: nothing here compiles CUDA\n",
               b->stub.name, n, n == 1 ? "assert" : "asserts");
}

static bool build_all(Build *b)
{
    Command *c = b->command;
    bool ok = true;
    for (int i = 0; i < c->operands.count; i++)
        ok = stub_add_file(c, &b->stub, c->operands.items[i], false) && ok;
    if (!ok)
        return false;
    if (b->stub.kernels.count == 0)
        return user_error("no kernel has a variant for %s", c->arch);
    if (!(b->stub.targets >> TILE_ARCH_CPU & 1))
        b->stub.files.count = 0;
    stub_list_codes(&b->stub);
    build_find_tool(b);
    if (b->tool == TOOL_NONE && b->stub.codes.count > 0)
        fprintf(stderr,
                "tilec: neither NVRTC nor nvcc is here: lib%s has CUDA text, which is compiled at "
                "the first call\n",
                b->stub.name);
    return build_open(b) && build_compile(b) && build_check(b) && build_link(b);
}

int command_build(Command *c)
{
    Build b = {.command = c, .arena = c->arena, .stub = {.arena = c->arena}};
    if (!c->output)
        return usage_error(c, "-o DIR/NAME is missing: the library's folder and name");
    if (!c->arch)
        return usage_error(c, "--arch is missing: sm90, sm100, cpu, or several: sm90,cpu");
    b.stub.targets = read_targets(c);
    if (!b.stub.targets)
        return EXIT_USAGE;
    if (!split_output(&b, c->output))
        return EXIT_USER;
    find_libraries(&b);
    bool ok = build_all(&b);
    build_close(&b);
    if (ok && c->verbose)
        tell(&b);
    return ok ? 0 : EXIT_USER;
}
