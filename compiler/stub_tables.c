/* The tables of a kernel in C. Plans of variants have much in common: what is equal is printed
 * once. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/stub.h"

typedef struct Table {
    const char *type, *body, *name;
} Table;

/* A long table of a plan: others may have the same, and need not be printed to see that. */
typedef struct Printed {
    const tile_plan *plan;
    const char *nodes, *fields; /* one of them is NULL */
} Printed;

/* A text in the making. */
typedef struct Text Text;
struct Text {
    FILE *file;
    char *bytes;
    size_t size;
    Text *next;
};

typedef struct Printer {
    FILE *out;
    Arena *arena;
    const Stub *stub;
    const LibraryKernel *kernel;
    struct {
        Table *items;
        int count, capacity;
    } tables;
    struct {
        Printed *items;
        int count, capacity;
    } printed;
    Text *idle; /* that may be used again */
} Printer;

/* ---- tables that are equal ---- */

/* The name of a table with these lines; printed now if none has them yet. NULL: no lines. */
static const char *table(Printer *p, const char *type, const char *stem, const char *body)
{
    int number = 0;
    if (!*body)
        return "NULL";
    for (int i = 0; i < p->tables.count; i++) {
        const Table *t = &p->tables.items[i];
        if (strcmp(t->type, type) == 0 && strcmp(t->body, body) == 0)
            return t->name;
        number += strcmp(t->type, type) == 0;
    }
    Table t = {type, body, arena_format(p->arena, "%s_%s_%d", p->kernel->name, stem, number)};
    PUSH(p->arena, &p->tables, t);
    fprintf(p->out, "static const %s %s[] = {\n%s};\n", type, t.name, body);
    return t.name;
}

static Text *text_begin(Printer *p)
{
    Text *t = p->idle;
    if (t) {
        p->idle = t->next;
        return t;
    }
    t = NEW(p->arena, Text);
    t->file = open_memstream(&t->bytes, &t->size);
    if (!t->file) {
        perror("tilec");
        exit(1);
    }
    return t;
}

static const char *text_end(Printer *p, Text *t)
{
    fflush(t->file);
    const char *text = arena_text(p->arena, t->bytes, t->size);
    rewind(t->file);
    t->next = p->idle;
    p->idle = t;
    return text;
}

static void free_texts(Printer *p)
{
    for (; p->idle; p->idle = p->idle->next) {
        fclose(p->idle->file);
        free(p->idle->bytes);
    }
}

static const char *quoted(Printer *p, const char *text)
{
    Text *t = text_begin(p);
    stub_print_string(t->file, text);
    return text_end(p, t);
}

/* ---- plans ---- */

static const char *const node_names[] = {
#define NAME(op, arguments) #op,
    TILE_NODE_TABLE(NAME)
#undef NAME
};

static const char *const field_names[] = {
#define NAME(kind) #kind,
    TILE_FIELD_TABLE(NAME)
#undef NAME
};

static const char *const scalar_names[] = {"BOOL", "I8",  "I16", "I32", "I64",
                                           "U8",   "U16", "U32", "U64", "F32"};

static const char *const dtype_names[] = {
#define NAME(type, name, bits) #type,
    TILE_TYPE_TABLE(NAME)
#undef NAME
};

static const char *const form_names[] = {"TILE_FORM_ROW", "TILE_FORM_COL_PAD16",
                                         "TILE_FORM_UE8M0X4"};

static bool same_nodes(const tile_plan *a, const tile_plan *b)
{
    bool same = a->node_count == b->node_count;
    for (int i = 0; i < a->node_count && same; i++) {
        const tile_node *m = &a->nodes[i], *n = &b->nodes[i];
        same = m->op == n->op && m->type == n->type && m->from == n->from && m->a == n->a &&
               m->b == n->b && m->c == n->c && m->value == n->value;
    }
    return same;
}

static bool same_fields(const tile_plan *a, const tile_plan *b)
{
    bool same = a->field_count == b->field_count;
    for (int i = 0; i < a->field_count && same; i++) {
        const tile_field *f = &a->fields[i], *g = &b->fields[i];
        same = f->kind == g->kind && f->offset == g->offset && f->size == g->size &&
               f->index == g->index && f->node == g->node;
    }
    return same;
}

static const char *print_nodes(Printer *p, const tile_plan *plan)
{
    for (int i = 0; i < p->printed.count; i++)
        if (p->printed.items[i].nodes && same_nodes(p->printed.items[i].plan, plan))
            return p->printed.items[i].nodes;
    Text *t = text_begin(p);
    for (int i = 0; i < plan->node_count; i++) {
        const tile_node *n = &plan->nodes[i];
        bool cast = n->op == TILE_NODE_CAST;
        fprintf(t->file, "    /* %d */ {TILE_NODE_%s, TILE_%s, %s%s, %d, %d, %d, ", i,
                node_names[n->op], scalar_names[n->type], cast ? "TILE_" : "0",
                cast ? scalar_names[n->from] : "", n->a, n->b, n->c);
        fprintf(t->file, n->value == INT64_MIN ? "INT64_MIN},\n" : "%" PRId64 "},\n", n->value);
    }
    Printed own = {.plan = plan, .nodes = table(p, "tile_node", "nodes", text_end(p, t))};
    PUSH(p->arena, &p->printed, own);
    return own.nodes;
}

static const char *print_fields(Printer *p, const tile_plan *plan)
{
    for (int i = 0; i < p->printed.count; i++)
        if (p->printed.items[i].fields && same_fields(p->printed.items[i].plan, plan))
            return p->printed.items[i].fields;
    Text *t = text_begin(p);
    for (int i = 0; i < plan->field_count; i++) {
        const tile_field *f = &plan->fields[i];
        fprintf(t->file, "    {.kind = TILE_FIELD_%s, .offset = %u, .size = %u, ",
                field_names[f->kind], f->offset, f->size);
        if (f->index >= 0)
            fprintf(t->file, ".index = %d, .node = -1},\n", f->index);
        else
            fprintf(t->file, ".index = -1, .node = %d},\n", f->node);
    }
    Printed own = {.plan = plan, .fields = table(p, "tile_field", "fields", text_end(p, t))};
    PUSH(p->arena, &p->printed, own);
    return own.fields;
}

static const char *print_phases(Printer *p, const tile_plan *plan)
{
    Text *t = text_begin(p);
    for (int i = 0; i < plan->phase_count; i++) {
        const tile_phase *f = &plan->phases[i];
        fprintf(t->file, "    {.entry = \"%s\", .blocks = %d, .threads = %u, .shared_bytes = %u",
                f->entry, f->blocks, f->threads, f->shared_bytes);
        if (f->cluster)
            fprintf(t->file, ", .cluster = %u", f->cluster);
        if (f->pack)
            fprintf(t->file, ", .pack = %u", f->pack);
        fprintf(t->file, "%s%s%s},\n", f->cooperative ? ", .cooperative = true" : "",
                f->persistent ? ", .persistent = true" : "", f->pdl ? ", .pdl = true" : "");
    }
    return table(p, "tile_phase", "phases", text_end(p, t));
}

static const char *print_plan_tensors(Printer *p, const tile_plan *plan)
{
    Text *t = text_begin(p);
    for (int i = 0; i < plan->tensor_count; i++) {
        const tile_plan_tensor *n = &plan->tensors[i];
        fprintf(t->file,
                "    {.param = %d, .alias = %d, .type = %s, .format = %s, .strided = 0x%x},\n",
                n->param, n->alias, dtype_names[n->type], form_names[n->format], n->strided);
    }
    return table(p, "tile_plan_tensor", "tensors", text_end(p, t));
}

static const char *print_dims(Printer *p, const tile_plan *plan)
{
    Text *t = text_begin(p);
    for (int i = 0; i < plan->dim_count; i++)
        fprintf(t->file, "    {\"%s\", %d, %d},\n", plan->dims[i].name, plan->dims[i].node,
                plan->dims[i].tensor);
    return table(p, "tile_dim", "dims", text_end(p, t));
}

static const char *print_extents(Printer *p, const tile_plan *plan)
{
    Text *t = text_begin(p);
    for (int i = 0; i < plan->extent_count; i++) {
        const tile_extent *e = &plan->extents[i];
        fprintf(t->file, "    {%d, %d, %d, %s, 0x%" PRIx64 "},\n", e->tensor, e->axis, e->node,
                quoted(p, e->text), e->dims);
    }
    return table(p, "tile_extent", "extents", text_end(p, t));
}

static const char *print_requires(Printer *p, const tile_plan *plan)
{
    Text *t = text_begin(p);
    for (int i = 0; i < plan->require_count; i++) {
        const tile_require *r = &plan->requires[i];
        fprintf(t->file, "    {%d, %s, 0x%" PRIx64 ", %s},\n", r->node, quoted(p, r->text), r->dims,
                r->scalars ? "true" : "false");
    }
    return table(p, "tile_require", "requires", text_end(p, t));
}

static void print_numbers(FILE *out, const char *name, const int32_t *list, int count)
{
    fprintf(out, ", .%s = {", name);
    for (int i = 0; i < count; i++)
        fprintf(out, "%s%d", i ? ", " : "", list[i]);
    fprintf(out, "}");
}

static const char *print_maps(Printer *p, const tile_plan *plan)
{
    Text *t = text_begin(p);
    for (int i = 0; i < plan->map_count; i++) {
        const tile_plan_map *m = &plan->maps[i];
        int32_t box[5];
        for (int k = 0; k < m->rank; k++)
            box[k] = m->box[k];
        fprintf(t->file, "    {.tensor = %d, .rank = %d, .bytes = %d, .swizzle = %d", m->tensor,
                m->rank, m->bytes, m->swizzle);
        print_numbers(t->file, "box", box, m->rank);
        print_numbers(t->file, "extent", m->extent, m->rank);
        print_numbers(t->file, "stride", m->stride, m->rank);
        fprintf(t->file, "},\n");
    }
    return table(p, "tile_plan_map", "maps", text_end(p, t));
}

/* "{&per_token_cast_plan_0[0], .." */
static const char *print_plan(Printer *p, const tile_plan *plan)
{
    Text *t = text_begin(p);
    fprintf(t->file, "    {.nodes = %s, .node_count = %d,\n", print_nodes(p, plan),
            plan->node_count);
    fprintf(t->file, "     .fields = %s, .field_count = %d,\n", print_fields(p, plan),
            plan->field_count);
    fprintf(t->file, "     .phases = %s, .phase_count = %d,\n", print_phases(p, plan),
            plan->phase_count);
    fprintf(t->file, "     .tensors = %s, .tensor_count = %d,\n", print_plan_tensors(p, plan),
            plan->tensor_count);
    fprintf(t->file, "     .dims = %s, .dim_count = %d,\n", print_dims(p, plan), plan->dim_count);
    fprintf(t->file, "     .extents = %s, .extent_count = %d,\n", print_extents(p, plan),
            plan->extent_count);
    fprintf(t->file, "     .requires = %s, .require_count = %d,\n", print_requires(p, plan),
            plan->require_count);
    if (plan->map_count)
        fprintf(t->file, "     .maps = %s, .map_count = %d,\n", print_maps(p, plan),
                plan->map_count);
    fprintf(t->file,
            "     .args_size = %u%s, .aligned = %d, .scratch_bytes = %d,\n"
            "     .when = %d, .resident = %d},\n",
            plan->args_size, plan->tables ? ", .tables = true" : "", plan->aligned,
            plan->scratch_bytes, plan->when, plan->resident);
    return table(p, "tile_plan", "plan", text_end(p, t));
}

/* ---- parameters and statics ---- */

static void print_param(Printer *p, Text *t, const tile_param *m)
{
    static const char *const kinds[] = {"IN", "OUT", "INOUT", "SCALAR"};
    fprintf(t->file, "    {.name = \"%s\", .type = %s, .kind = TILE_PARAM_%s, .of_static = %d",
            m->name, quoted(p, m->type), kinds[m->kind], m->of_static);
    if (m->of_static < 0)
        fprintf(t->file, ", .dtype = %s", dtype_names[m->dtype]);
    if (m->kind == TILE_PARAM_SCALAR) {
        fputs("},\n", t->file);
        return;
    }
    fprintf(t->file, ",\n     .rank = %d%s%s, .form_count = %d, .forms = {", m->rank,
            m->optional ? ", .optional = true" : "", m->table ? ", .table = true" : "",
            m->form_count);
    for (int i = 0; i < m->form_count; i++)
        fprintf(t->file, "%s%s", i ? ", " : "", form_names[m->forms[i]]);
    fputs("}", t->file);
    for (int i = 0; i < m->rank; i++) {
        fputs(i ? ", " : ",\n     .stride = {", t->file);
        if (m->stride[i] >= 0)
            fprintf(t->file, "%d", m->stride[i]);
        else
            fprintf(t->file, "TILE_STRIDE_%s",
                    m->stride[i] == TILE_STRIDE_ANY     ? "ANY"
                    : m->stride[i] == TILE_STRIDE_PITCH ? "PITCH"
                                                        : "DENSE");
    }
    fputs(m->rank ? "}},\n" : "},\n", t->file);
}

static const char *print_list(Printer *p, const tile_static *s)
{
    Text *t = text_begin(p);
    for (int i = 0; i < s->type_count; i++)
        fprintf(t->file, "    %s,\n", dtype_names[s->types[i]]);
    for (int i = 0; i < s->member_count; i++)
        fprintf(t->file, "    \"%s\",\n", s->members[i]);
    bool members = s->member_count > 0;
    return table(p, members ? "char *const" : "uint8_t", members ? "members" : "types",
                 text_end(p, t));
}

static void print_static(Printer *p, Text *t, const tile_static *s)
{
    static const char *const kinds[] = {"INT", "BOOL", "TYPE", "ENUM"};
    const char *list = print_list(p, s);
    fprintf(t->file, "    {.name = \"%s\", .kind = TILE_STATIC_%s, .shown_by = %d, .axis = %d",
            s->name, kinds[s->kind], s->shown_by, s->axis);
    if (s->type_count)
        fprintf(t->file, ",\n     .types = %s, .type_count = %d", list, s->type_count);
    if (s->member_count)
        fprintf(t->file, ",\n     .members = %s, .member_count = %d", list, s->member_count);
    fputs("},\n", t->file);
}

/* ---- variants ---- */

/* What is behind a build is a table of one. */
static void print_build(Printer *p, Text *t, const LibraryBuild *b, int *code)
{
    const char *plan = print_plan(p, b->plan), *symbol = p->stub->symbol;
    fprintf(t->file, "{.plan = %s", plan);
    if (b->cuda && b->plan->aligned >= 0)
        fprintf(t->file,
                ",\n                             .code = {&tk__%s_code[%d], &tk__%s_code[%d]}",
                symbol, *code + 1, symbol, *code);
    else if (b->cuda)
        fprintf(t->file, ", .code = {NULL, &tk__%s_code[%d]}", symbol, *code);
    *code += b->cuda ? 1 + (b->plan->aligned >= 0) : 0;
    if (b->next) {
        Text *next = text_begin(p);
        fputs("    ", next->file);
        print_build(p, next, b->next, code);
        fprintf(t->file, ", .next = %s", table(p, "tile_build", "build", text_end(p, next)));
    }
    fputs("},\n", t->file);
}

static const char *print_variants(Printer *p, int *code)
{
    static const char *const targets[TILE_TARGETS] = {
#define NAME(target, name, nvrtc, major, minor) #target,
        TILE_ARCH_TABLE(NAME)
#undef NAME
            "TILE_ARCH_CPU"};
    const LibraryKernel *k = p->kernel;
    Text *t = text_begin(p);
    for (int i = 0; i < k->variants.count; i++) {
        const LibraryVariant *v = &k->variants.items[i];
        Text *key = text_begin(p);
        for (int n = 0; n < k->key_count; n++)
            fprintf(key->file, "%s%" PRId64, n ? ", " : "    ", v->key[n]);
        fputs(k->key_count ? "\n" : "    0\n", key->file);
        const char *name = table(p, "int64_t", "key", text_end(p, key));
        fprintf(t->file, "    {.key = %s, /* %s */\n     .builds = {\n", name, v->text);
        for (int target = 0; target < TILE_TARGETS; target++)
            if (v->builds[target].plan) {
                fprintf(t->file, "                [%s] = ", targets[target]);
                print_build(p, t, &v->builds[target], code);
            }
        fputs("     }},\n", t->file);
    }
    return table(p, "tile_variant", "variants", text_end(p, t));
}

void stub_print_tables(FILE *f, const Stub *s, const LibraryKernel *k, int *code)
{
    Printer p = {.out = f, .arena = s->arena, .stub = s, .kernel = k};
    bool cpu = s->targets >> TILE_ARCH_CPU & 1;
    Text *params = text_begin(&p), *statics = text_begin(&p);
    fputc('\n', f);
    for (int i = 0; i < k->param_count; i++)
        print_param(&p, params, &k->params[i]);
    for (int i = 0; i < k->static_count; i++)
        print_static(&p, statics, &k->statics[i]);
    const char *param_table = table(&p, "tile_param", "params", text_end(&p, params));
    const char *static_table = table(&p, "tile_static", "statics", text_end(&p, statics));
    const char *variant_table = print_variants(&p, code);
    fprintf(f,
            "static tile_kernel_state %s_state;\n"
            "const tile_kernel tk_%s_kernel = {\n    .version = TILE_STUB_VERSION,\n"
            "    .name = \"%s\",\n    .params = %s,\n    .param_count = %d,\n"
            "    .statics = %s,\n    .static_count = %d,\n    .key_count = %d,\n"
            "    .has_scratch = %s,\n    .variants = {%s, %d},\n    .state = &%s_state,\n",
            k->name, k->name, k->name, param_table, k->param_count, static_table, k->static_count,
            k->key_count, k->has_scratch ? "true" : "false", variant_table, k->variants.count,
            k->name);
    if (cpu)
        fprintf(f,
                "    .provider = &tile__interpreter,\n    .files = &tk__%s_files[%d],\n"
                "    .file_count = %d,\n",
                s->symbol, k->first_file, k->file_count);
    fputs("};\n", f);
    free_texts(&p);
}
