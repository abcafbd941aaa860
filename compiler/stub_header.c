/* NAME.h: documented prototypes. */
#include <string.h>

#include "compiler/stub.h"

enum { COLUMNS = 100 };

/* ---- parameters in C ---- */

static const char *c_scalar(const tile_param *p)
{
    static const char *const types[TILE_TYPE_COUNT] = {
        [TILE_TYPE_BOOL] = "bool",     [TILE_TYPE_U8] = "uint8_t",    [TILE_TYPE_I8] = "int8_t",
        [TILE_TYPE_U16] = "uint16_t",  [TILE_TYPE_I16] = "int16_t",   [TILE_TYPE_I32] = "int32_t",
        [TILE_TYPE_U32] = "uint32_t",  [TILE_TYPE_I64] = "int64_t",   [TILE_TYPE_U64] = "uint64_t",
        [TILE_TYPE_F16] = "uint16_t",  [TILE_TYPE_BF16] = "uint16_t", [TILE_TYPE_F32] = "float",
        [TILE_TYPE_TF32] = "uint32_t", [TILE_TYPE_E4M3] = "uint8_t",  [TILE_TYPE_E5M2] = "uint8_t",
        [TILE_TYPE_E2M1] = "uint8_t",  [TILE_TYPE_UE8M0] = "uint8_t",
    };
    return p->dtype < TILE_TYPE_COUNT ? types[p->dtype] : "uint64_t";
}

static const char *c_static(const Stub *s, const LibraryKernel *k, int number)
{
    switch (k->statics[number].kind) {
    case TILE_STATIC_BOOL:
        return "bool";
    case TILE_STATIC_TYPE:
        return "tile_dtype";
    case TILE_STATIC_ENUM:
        return arena_format(s->arena, "tk_%s", k->enums[number]->name.name);
    default:
        return "int64_t";
    }
}

static TextList parameters(const Stub *s, const LibraryKernel *k, const char *what)
{
    TextList list = {0};
    bool scratch = strcmp(what, "_scratch") == 0;
    PUSH(s->arena, &list, "tile_context *context");
    for (int i = 0; i < k->param_count; i++) {
        const tile_param *p = &k->params[i];
        const char *name = stub_name(s->arena, p->name);
        if (p->kind == TILE_PARAM_SCALAR)
            continue;
        PUSH(s->arena, &list,
             p->table
                 ? arena_format(s->arena, "const DLTensor *const *%s, int64_t %s_count", name, name)
                 : arena_format(s->arena, "const DLTensor *%s", name));
    }
    for (int i = 0; i < k->static_count; i++)
        if (is_argument(&k->statics[i]))
            PUSH(s->arena, &list,
                 arena_format(s->arena, "%s %s", c_static(s, k, i),
                              stub_name(s->arena, k->statics[i].name)));
    for (int i = 0; i < k->param_count; i++)
        if (k->params[i].kind == TILE_PARAM_SCALAR)
            PUSH(s->arena, &list,
                 arena_format(s->arena, "%s %s", c_scalar(&k->params[i]),
                              stub_name(s->arena, k->params[i].name)));
    if (scratch)
        PUSH(s->arena, &list, "size_t *bytes");
    else if (k->has_scratch)
        PUSH(s->arena, &list, "void *scratch, size_t scratch_bytes");
    if (!scratch)
        PUSH(s->arena, &list, "tile_stream stream");
    return list;
}

void stub_print_prototype(FILE *f, const Stub *s, const LibraryKernel *k, const char *before,
                          const char *what)
{
    TextList list = parameters(s, k, what);
    int column = fprintf(f, "%stile_status tk_%s%s(", before, k->name, what), indent = column;
    for (int i = 0; i < list.count; i++) {
        int n = (int)strlen(list.items[i]);
        if (i > 0 && column + n + 3 > COLUMNS) {
            fprintf(f, ",\n%*s", indent, "");
            column = indent;
        } else if (i > 0) {
            column += fprintf(f, ", ");
        }
        column += fprintf(f, "%s", list.items[i]);
    }
    fputc(')', f);
}

/* ---- comments ---- */

/* Lines of a ## comment. `first` stands before the first one, ` * ` and spaces before others. */
static void print_doc(FILE *f, const char *doc, const char *first, int indent)
{
    for (const char *at = doc; at && *at;) {
        int n = (int)strcspn(at, "\n");
        const char *text = at + strspn(at, " ");
        text = text > at + n ? at + n : text;
        if (at == doc)
            fprintf(f, "%s", first);
        else
            fprintf(f, " *%*s", indent, "");
        fprintf(f, "%.*s\n", (int)(at + n - text), text);
        at += n + (at[n] == '\n');
    }
}

static const char *direction(const tile_param *p)
{
    return p->kind == TILE_PARAM_IN ? "in" : p->kind == TILE_PARAM_OUT ? "out" : "inout";
}

static const char *forms_text(const Stub *s, const tile_param *p)
{
    static const char *const names[TILE_FORMS] = {"row", "col_pad16", "ue8m0x4"};
    const char *text = "";
    for (int i = 0; i < p->form_count; i++)
        text = arena_format(s->arena, "%s%s%s", text, i ? ", " : "", names[p->forms[i]]);
    return text;
}

static const char *attributes(const Stub *s, const tile_param *p)
{
    const char *text = "";
    bool any = false;
    for (int i = 0; i < p->rank; i++)
        any |= p->stride[i] == TILE_STRIDE_ANY;
    if (p->optional)
        text = arena_format(s->arena, "%s, may be NULL", text);
    if (any) {
        text = arena_format(s->arena, "%s, strides (", text);
        for (int i = 0; i < p->rank; i++)
            text = p->stride[i] >= 0
                       ? arena_format(s->arena, "%s%s%d", text, i ? ", " : "", p->stride[i])
                       : arena_format(s->arena, "%s%s%s", text, i ? ", " : "",
                                      p->stride[i] == TILE_STRIDE_ANY ? "any" : "dense");
        text = arena_format(s->arena, "%s)", text);
    }
    if (p->form_count > 1)
        text = arena_format(s->arena, "%s, stored as one of %s", text, forms_text(s, p));
    return text;
}

static void print_params(FILE *f, const Stub *s, const LibraryKernel *k)
{
    int width = 0;
    for (int i = 0; i < k->param_count; i++) {
        int n = (int)strlen(k->params[i].name);
        width = n > width ? n : width;
    }
    for (int i = 0; i < k->param_count; i++) {
        const tile_param *p = &k->params[i];
        const char *doc = k->written[i]->doc;
        if (p->kind == TILE_PARAM_SCALAR)
            fprintf(f, " *   %-*s  %s\n", width, p->name, p->type);
        else
            fprintf(f, " *   %-*s  %s %s%s\n", width, p->name, direction(p), p->type,
                    attributes(s, p));
        print_doc(f, doc, arena_format(s->arena, " *   %*s  ", width, ""), width + 5);
    }
}

/* "16, 32, 64, 128": what `instances` lists for a static or tensor; "" if nothing. */
static const char *listed_text(const LibraryKernel *k, Name name)
{
    const Item *instances = program_find(&k->program->instances, k->item->name.name);
    const char *text = "";
    for (int i = 0; instances && i < instances->insts.count; i++) {
        const Inst *in = &instances->insts.items[i];
        for (int n = 0; !in->where && in->key.name == name && n < in->set.count; n++)
            text = arena_format(k->arena, "%s%s%s", text, *text ? ", " : "",
                                expr_text(k->arena, in->set.items[n]));
    }
    return text;
}

static const char *values_text(const LibraryKernel *k, const Static *st)
{
    const char *text = listed_text(k, st->name.name);
    return *text || !st->init ? text : expr_text(k->arena, st->init);
}

static void print_statics(FILE *f, const LibraryKernel *k)
{
    for (int i = 0; i < k->static_count; i++) {
        const tile_static *s = &k->statics[i];
        fprintf(f, " *   %s: %s, %s", s->name, k->declared[i]->kind.name,
                values_text(k, k->declared[i]));
        if (s->shown_by >= 0 && s->axis < 0)
            fprintf(f, "; the element type of %s\n", k->params[s->shown_by].name);
        else if (s->shown_by >= 0)
            fprintf(f, "; axis %d of %s\n", s->axis, k->params[s->shown_by].name);
        else
            fputc('\n', f);
    }
    for (int i = 0; i < k->param_count; i++) {
        const char *forms = listed_text(k, k->written[i]->name.name);
        if (*forms)
            fprintf(f, " *   %s: %s\n", k->params[i].name, forms);
    }
    const Item *instances = program_find(&k->program->instances, k->item->name.name);
    for (int i = 0; instances && i < instances->insts.count; i++)
        if (instances->insts.items[i].where)
            fprintf(f, " *   where %s\n", expr_text(k->arena, instances->insts.items[i].where));
}

static void print_kernel(FILE *f, const Stub *s, const LibraryKernel *k)
{
    fprintf(f, "\n/* %s\n", k->name);
    if (k->item->doc) {
        fputs(" *\n", f);
        print_doc(f, k->item->doc, " * ", 1);
    }
    fputs(" *\n", f);
    print_params(f, s, k);
    if (k->static_count > 0)
        fputs(" *\n * Built for\n", f);
    print_statics(f, k);
    if (k->item->where)
        fprintf(f, " *\n * where %s\n", expr_text(s->arena, k->item->where));
    fputs(" */\n", f);
    stub_print_prototype(f, s, k, "TILE_API ", "");
    fputs(";\n", f);
    if (k->has_scratch) {
        fputs("/* How large the scratch of such a call is; tile_scratch_init makes it usable. */\n",
              f);
        stub_print_prototype(f, s, k, "TILE_API ", "_scratch");
        fputs(";\n", f);
    }
    fprintf(f, "extern TILE_API const tile_kernel tk_%s_kernel; /* for tile_call */\n", k->name);
}

static void print_enum(FILE *f, const Item *en)
{
    const char *name = en->name.name;
    fprintf(f, "\n#ifndef TK_%s\n#define TK_%s\ntypedef enum tk_%s {", name, name, name);
    for (int i = 0; i < en->members.count; i++)
        fprintf(f, "%s tk_%s_%s", i ? "," : "", name, en->members.items[i].name);
    fprintf(f, " } tk_%s;\n#endif\n", name);
}

static void print_enums(FILE *f, const Stub *s)
{
    struct {
        const Item **items;
        int count, capacity;
    } done = {0};
    for (int i = 0; i < s->kernels.count; i++) {
        const LibraryKernel *k = s->kernels.items[i];
        for (int n = 0; n < k->static_count; n++) {
            bool again = !k->enums[n] || !is_argument(&k->statics[n]);
            for (int d = 0; d < done.count; d++)
                again |= done.items[d] == k->enums[n];
            if (again)
                continue;
            PUSH(s->arena, &done, k->enums[n]);
            print_enum(f, k->enums[n]);
        }
    }
}

void stub_print_header(FILE *f, const Stub *s)
{
    fprintf(f, "/* %s.h: kernels of", s->name);
    for (int i = 0; i < s->sources.count; i++)
        fprintf(f, "%s %s", i ? "," : "", s->sources.items[i]);
    fprintf(f,
            ". Emitted by tilec.\n *\n"
            " * A function puts a kernel into the stream, or returns why not; tile_error(context)\n"
            " * says it in words. tile.h has contexts, statuses and memory.\n */\n"
            "#ifndef TK_LIBRARY_%s_H\n#define TK_LIBRARY_%s_H\n\n#include \"tile.h\"\n\n"
            "#ifdef __cplusplus\nextern \"C\" {\n#endif\n",
            s->symbol, s->symbol);
    print_enums(f, s);
    for (int i = 0; i < s->kernels.count; i++)
        print_kernel(f, s, s->kernels.items[i]);
    fputs("\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n", f);
}
