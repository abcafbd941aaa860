/* tilec emit: the CUDA text of every variant, a file each, and the stub of each .tile file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/build.h"
#include "compiler/lower.h"

char *emit_variant(Arena *arena, Diag *diag, const Program *p, const Variant *v, Kernel *k,
                   const char *target, bool lines, Host **host)
{
    Lowered low = {
        .arena = arena, .diag = diag, .kernel = k, .program = p, .variant = v, .lines = lines};
    return lower_kernel(&low) ? emit_cuda(&low, target, host) : NULL;
}

/* Behind each kernel, lines are those of the text itself again. */
static const char *with_own_lines(Arena *a, const char *cuda, const char *name)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int line = 1;
    for (const char *p = cuda; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        int n = (int)strcspn(p, "\n");
        fprintf(out, "%.*s\n", n, p);
        line++;
        if (*p == '}' && n == 1)
            fprintf(out, "#line %d \"%s\"\n", ++line, name);
    }
    fclose(out);
    const char *kept = arena_text(a, text, size);
    free(text);
    return kept;
}

/* The .cu files of a stub's kernels; their number, -1 after a message. */
static int write_cuda(Command *c, const Stub *s)
{
    int files = 0;
    for (int i = 0; i < s->kernels.count; i++) {
        const LibraryKernel *k = s->kernels.items[i];
        for (int v = 0; v < k->variants.count; v++)
            for (int t = 0; t < TILE_TARGETS; t++)
                for (LibraryBuild *b = &k->variants.items[v].builds[t]; b; b = b->next) {
                    if (!b->cuda)
                        continue;
                    const char *name = arena_format(c->arena, "%s.cu", b->name);
                    if (c->lines)
                        b->cuda = with_own_lines(c->arena, b->cuda, name);
                    if (!build_write(c->output, name, b->cuda))
                        return -1;
                    files++;
                }
    }
    return files;
}

/* "kernels/cast.tile" to "cast" */
static const char *stem_of(Arena *a, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    return strcmp(name, "-") == 0 ? "stdin"
                                  : arena_text(a, name, dot ? (size_t)(dot - name) : strlen(name));
}

static bool write_stub(Command *c, Stub *s)
{
    Arena *a = c->arena;
    stub_list_codes(s);
    return stub_write(c->output, arena_format(a, "%s.h", s->name), s, stub_print_header) &&
           stub_write(c->output, arena_format(a, "%s.c", s->name), s, stub_print_source) &&
           stub_write(c->output, arena_format(a, "%s_code.c", s->name), s, stub_print_code) &&
           build_write_headers(c->output);
}

/* One .tile file; *files counts the .cu. */
static bool emit_file(Command *c, const char *path, unsigned targets, int *files)
{
    Stub s = {.arena = c->arena, .name = stem_of(c->arena, path), .targets = targets};
    s.symbol = stub_symbol(c->arena, s.name);
    bool ok = stub_add_file(c, &s, path, true);
    s.files.count = 0;
    int n = write_cuda(c, &s);
    *files += n > 0 ? n : 0;
    ok = ok && n >= 0 && (n == 0 || write_stub(c, &s));
    int asserts = unchecked_limits(&s);
    if (ok && asserts && c->verbose)
        printf("%s: %d %s of registers and spills not checked: emit compiles nothing\n", path,
               asserts, asserts == 1 ? "assert" : "asserts");
    return ok;
}

int command_emit(Command *c)
{
    if (!c->output)
        return usage_error(c, "-o DIR is missing: where the files shall go");
    if (!c->arch)
        return usage_error(c, "--arch sm90 or --arch sm100 is missing");
    if (!make_folder(c->output))
        return EXIT_USER;
    tile_arch arch = TILE_SM90;
    tile_arch_find(c->arch, &arch);
    bool ok = true;
    int files = 0;
    for (int i = 0; i < c->operands.count; i++)
        ok = emit_file(c, c->operands.items[i], 1u << arch, &files) && ok;
    if (ok && !files)
        user_error("no kernel%s%s has a variant for %s", c->kernel ? " " : "",
                   c->kernel ? c->kernel : "", c->arch);
    if (c->verbose)
        printf("%d files in %s\n", files, c->output);
    return ok && files ? 0 : EXIT_USER;
}
