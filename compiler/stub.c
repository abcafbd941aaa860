/* NAME.c: the functions of a library, over its tables. */
#include "compiler/stub.h"

#include <string.h>

const char *stub_symbol(Arena *a, const char *name)
{
    bool digit = name[0] >= '0' && name[0] <= '9';
    char *symbol = arena_format(a, "%s%s", digit ? "_" : "", name);
    for (char *p = symbol; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')))
            *p = '_';
    return symbol;
}

const char *stub_name(Arena *a, const char *name)
{
    /* Words of C and C++, of the headers' macros, and what the functions themselves use. */
    static const char *const taken[] = {
        "alignas",   "alignof",  "and",      "asm",       "auto",     "bitand",    "bitor",
        "bool",      "break",    "bytes",    "case",      "catch",    "char",      "class",
        "compl",     "const",    "context",  "continue",  "default",  "delete",    "do",
        "double",    "else",     "enum",     "errno",     "explicit", "export",    "extern",
        "false",     "float",    "for",      "friend",    "goto",     "if",        "inline",
        "int",       "linux",    "long",     "mutable",   "new",      "not",       "or",
        "operator",  "private",  "public",   "protected", "register", "restrict",  "return",
        "scratch",   "short",    "signed",   "sizeof",    "static",   "stream",    "struct",
        "switch",    "template", "this",     "throw",     "true",     "try",       "typedef",
        "typeid",    "typename", "typeof",   "union",     "unix",     "unsigned",  "using",
        "virtual",   "void",     "volatile", "while",     "xor",      "arguments", "scratch_bytes",
        "namespace", "constexpr"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(name, taken[i]) == 0)
            return arena_format(a, "%s_", name);
    return name;
}

static void list_code(Stub *s, const LibraryBuild *b)
{
    StubCode code = {.name = b->name, .cuda = b->cuda, .build = b};
    if (!b->cuda)
        return;
    PUSH(s->arena, &s->codes, code);
    if (b->plan->aligned < 0)
        return;
    code.unaligned = true;
    PUSH(s->arena, &s->codes, code);
}

void stub_list_codes(Stub *s)
{
    for (int i = 0; i < s->kernels.count; i++) {
        const LibraryKernel *k = s->kernels.items[i];
        for (int v = 0; v < k->variants.count; v++)
            for (int t = 0; t < TILE_TARGETS; t++)
                for (const LibraryBuild *b = &k->variants.items[v].builds[t]; b; b = b->next)
                    list_code(s, b);
    }
}

/* ---- functions ---- */

static int print_arguments(FILE *f, const Stub *s, const LibraryKernel *k)
{
    int n = 0;
    fputs("    const tile_argument arguments[] = {\n", f);
    for (int i = 0; i < k->param_count; i++) {
        const tile_param *p = &k->params[i];
        const char *name = stub_name(s->arena, p->name);
        if (p->kind == TILE_PARAM_SCALAR)
            continue;
        n++;
        if (p->table)
            fprintf(f, "        {.table = {%s, %s_count}},\n", name, name);
        else
            fprintf(f, "        {.tensor = %s},\n", name);
    }
    for (int i = 0; i < k->static_count; i++)
        if (is_argument(&k->statics[i])) {
            fprintf(f, "        {.integer = (int64_t)%s},\n",
                    stub_name(s->arena, k->statics[i].name));
            n++;
        }
    for (int i = 0; i < k->param_count; i++) {
        const tile_param *p = &k->params[i];
        bool real = p->dtype == TILE_TYPE_F32;
        if (p->kind != TILE_PARAM_SCALAR)
            continue;
        fprintf(f, "        {.%s = %s%s},\n", real ? "number" : "integer", real ? "" : "(int64_t)",
                stub_name(s->arena, p->name));
        n++;
    }
    fputs("    };\n", f);
    return n;
}

static void print_function(FILE *f, const Stub *s, const LibraryKernel *k)
{
    fputc('\n', f);
    stub_print_prototype(f, s, k, "", "");
    fputs("\n{\n", f);
    int n = print_arguments(f, s, k);
    fprintf(f, "    return tile_call(&tk_%s_kernel, context, arguments, %d, %s, stream);\n}\n",
            k->name, n, k->has_scratch ? "scratch, scratch_bytes" : "NULL, 0");
    if (k->has_scratch) {
        fputc('\n', f);
        stub_print_prototype(f, s, k, "", "_scratch");
        fputs("\n{\n", f);
        n = print_arguments(f, s, k);
        fprintf(f,
                "    return tile_call_scratch(&tk_%s_kernel, context, arguments, %d, bytes);\n}\n",
                k->name, n);
    }
}

/* For tvm_ffi.load_module. */
static void print_ffi(FILE *f, const LibraryKernel *k, const char *what, const char *function)
{
    fprintf(f,
            "\nTILE_API int __tvm_ffi_%s%s(void *self, const TVMFFIAny *arguments, int32_t count,\n"
            "    TVMFFIAny *result);\n"
            "int __tvm_ffi_%s%s(void *self, const TVMFFIAny *arguments, int32_t count,\n"
            "    TVMFFIAny *result)\n"
            "{\n    (void)self;\n    return %s(&tk_%s_kernel, arguments, count, result);\n}\n",
            k->name, what, k->name, what, function, k->name);
}

void stub_print_source(FILE *f, const Stub *s)
{
    int code = 0;
    fprintf(f,
            "/* %s.c: what %s.h declares, and the tables that its checks and launches follow.\n"
            " * Emitted by tilec; stub.h and plan.h tell what the tables mean. */\n"
            "#include \"%s.h\"\n#include \"stub.h\"\n",
            s->name, s->name, s->name);
    if (s->codes.count > 0)
        fprintf(f, "\nextern const tile_code tk__%s_code[];\n", s->symbol);
    if (s->files.count > 0)
        fprintf(f, "\nextern const tile_file tk__%s_files[];\n", s->symbol);
    for (int i = 0; i < s->kernels.count; i++) {
        const LibraryKernel *k = s->kernels.items[i];
        fprintf(f, "\n/* ---- %s ---- */\n", k->name);
        stub_print_tables(f, s, k, &code);
        print_function(f, s, k);
        print_ffi(f, k, "", "tile_ffi_call");
        if (k->has_scratch)
            print_ffi(f, k, "_scratch", "tile_ffi_scratch");
    }
}
