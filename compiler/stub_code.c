/* NAME_code.c: machine code, CUDA that is compiled at the first call, and the programs' texts. */
#include <string.h>

#include "compiler/stub.h"

static bool is_plain(char c)
{
    return c >= ' ' && c < 127 && c != '"' && c != '\\' && c != '?';
}

void stub_print_string(FILE *f, const char *text)
{
    if (!*text)
        fputs("\"\"", f);
    for (const char *at = text; *at;) {
        fputc('"', f);
        for (; *at && *at != '\n'; at++) {
            const char *plain = at;
            while (is_plain(*at))
                at++;
            fwrite(plain, 1, (size_t)(at - plain), f);
            if (!*at || *at == '\n')
                break;
            fprintf(f, *at == '"' || *at == '\\' || *at == '?' ? "\\%c" : "\\%03o",
                    (unsigned char)*at);
        }
        if (*at == '\n') {
            at++;
            fputs("\\n", f);
        }
        fputs(*at ? "\"\n" : "\"", f);
    }
}

/* The assembler reads the file: as C text machine code would be five times as long. */
static void print_cubin(FILE *f, int number, const char *path)
{
    fprintf(f,
            "__asm__(\".section .rodata, \\\"a\\\"\\n.balign 16\\n\"\n"
            "        \"tk__cubin_%d:\\n.incbin \\\"",
            number);
    for (const char *p = path; *p; p++)
        fprintf(f, *p == '"' || *p == '\\' ? "\\\\\\\\\\%c" : "%c", *p);
    fprintf(f,
            "\\\"\\ntk__cubin_end_%d:\\n.previous\\n\");\n"
            "extern const char tk__cubin_%d[], tk__cubin_end_%d[];\n",
            number, number, number);
}

static bool is_same(const StubCode *a, const StubCode *b)
{
    return a->cubin && b->cubin && strcmp(a->cubin, b->cubin) == 0;
}

/* The first code that has the same text: each stands there once. */
static int first_text(const Stub *s, int i)
{
    int n = 0;
    while (s->codes.items[n].cuda != s->codes.items[i].cuda || s->codes.items[n].cubin)
        n++;
    return n;
}

static void print_codes(FILE *f, const Stub *s)
{
    for (int i = 0; i < s->codes.count; i++) {
        const StubCode *c = &s->codes.items[i];
        if (c->cubin && !(i > 0 && is_same(c, c - 1)))
            print_cubin(f, i, c->cubin);
        if (c->cubin || !c->cuda || first_text(s, i) != i)
            continue;
        fprintf(f, "static const char text_%d[] =\n", i);
        stub_print_string(f, c->cuda);
        fputs(";\n", f);
    }
    fputs("static const char *const unaligned[] = {\"-DTILE_ALIGNED=0\", 0};\n"
          "static const char *const aligned[] = {0};\n",
          f);
    fprintf(f, "const tile_code tk__%s_code[] = {\n", s->symbol);
    for (int i = 0; i < s->codes.count; i++) {
        const StubCode *c = &s->codes.items[i];
        fprintf(f, "    {.name = \"%s.cu\", .options = %s", c->name,
                c->unaligned ? "unaligned" : "aligned");
        if (c->cubin)
            fprintf(f, ", .cubin = tk__cubin_%d, .end = tk__cubin_end_%d},\n", i, i);
        else
            fprintf(f, ", .text = text_%d},\n", first_text(s, i));
    }
    fputs("};\n", f);
}

void stub_print_code(FILE *f, const Stub *s)
{
    fprintf(f,
            "/* %s_code.c: the code that %s.c names. Emitted by tilec. */\n#include \"stub.h\"\n",
            s->name, s->name);
    if (s->codes.count > 0)
        print_codes(f, s);
    if (s->files.count > 0) {
        fprintf(f, "const tile_file tk__%s_files[] = {\n", s->symbol);
        for (int i = 0; i < s->files.count; i++) {
            fputs("    {", f);
            stub_print_string(f, s->files.items[i].name);
            fputs(",\n", f);
            stub_print_string(f, s->files.items[i].text);
            fputs("},\n", f);
        }
        fputs("};\n", f);
    }
}
