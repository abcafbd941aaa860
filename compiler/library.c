#include "compiler/library.h"

#include <ctype.h>
#include <string.h>

/* ---- parameters ---- */

static bool is_table(const Param *p)
{
    return p->type->kind == E_CALL && p->type->args.count == 2;
}

/* The type of the tensor, or of a table's entries. */
static const Expr *tensor_type(const Param *p)
{
    return is_table(p) ? p->type->args.items[1] : p->type;
}

const char *library_type(Arena *a, const Param *p)
{
    return expr_text(a, p->type);
}

/* Statics that a variant has as constants: dims only where `instances` lists them. */
static bool is_listed(const Program *p, const Item *kernel, Name name)
{
    const Item *instances = program_find(&p->instances, kernel->name.name);
    for (int i = 0; instances && i < instances->insts.count; i++)
        if (!instances->insts.items[i].where && instances->insts.items[i].key.name == name)
            return true;
    return false;
}

static bool is_constant(const LibraryKernel *k, const Static *s)
{
    if (strcmp(s->kind.name, "tune") == 0)
        return false;
    return strcmp(s->kind.name, "dim") != 0 || is_listed(k->program, k->item, s->name.name);
}

static int static_number(const LibraryKernel *k, Name name)
{
    for (int i = 0; i < k->static_count; i++)
        if (k->declared[i]->name.name == name)
            return i;
    return -1;
}

static void take_forms(const Param *from, tile_param *p)
{
    static const char *const names[TILE_FORMS] = {"row", "col_pad16", "ue8m0x4"};
    for (int i = 0; i < from->storage.count; i++) {
        const Word *w = &from->storage.items[i];
        for (int k = 0; w->name && strcmp(w->name, "store") == 0 && k < w->args.count; k++)
            for (int f = 0; f < TILE_FORMS; f++)
                if (strcmp(w->args.items[k]->name, names[f]) == 0 && p->form_count < TILE_FORMS)
                    p->forms[p->form_count++] = (int8_t)f;
    }
    if (p->form_count == 0)
        p->forms[p->form_count++] = TILE_FORM_ROW;
}

static void take_strides(const Param *from, tile_param *p)
{
    for (int i = 0; i < p->rank; i++)
        p->stride[i] = i == p->rank - 2 ? TILE_STRIDE_PITCH : TILE_STRIDE_DENSE;
    for (int i = 0; i < from->storage.count; i++) {
        const Word *w = &from->storage.items[i];
        for (int k = 0; w->name && strcmp(w->name, "stride") == 0 && k < w->args.count; k++) {
            const Expr *x = w->args.items[k];
            if (k < p->rank)
                p->stride[k] = x->kind == E_INT ? (int32_t)x->integer : TILE_STRIDE_ANY;
        }
    }
}

static void take_tensor(LibraryKernel *k, const Param *from, tile_param *p)
{
    static const uint8_t kinds[] = {
        [DIR_IN] = TILE_PARAM_IN, [DIR_OUT] = TILE_PARAM_OUT, [DIR_INOUT] = TILE_PARAM_INOUT};
    const Expr *x = tensor_type(from);
    p->kind = kinds[from->dir];
    p->rank = (uint8_t)x->args.count;
    p->optional = from->optional;
    p->table = is_table(from);
    p->of_static = (int8_t)static_number(k, x->a->name);
    DType t = dtype_find(x->a->name, (unsigned)strlen(x->a->name));
    p->dtype = p->of_static < 0 ? (uint8_t)t : 0;
    take_forms(from, p);
    take_strides(from, p);
}

static void take_param(LibraryKernel *k, int at, const Param *from)
{
    tile_param *p = &k->params[at];
    k->written[at] = from;
    *p = (tile_param){
        .name = from->name.name, .type = library_type(k->arena, from), .of_static = -1};
    if (from->dir != DIR_SCALAR) {
        take_tensor(k, from, p);
        k->key_count++;
    } else {
        p->kind = TILE_PARAM_SCALAR;
        p->of_static = (int8_t)static_number(k, from->type->name);
        p->dtype = (uint8_t)dtype_find(from->type->name, (unsigned)strlen(from->type->name));
    }
}

/* ---- statics ---- */

/* The first tensor that is surely there and shows the static. */
static void find_shown(const LibraryKernel *k, tile_static *s, Name name)
{
    bool type = s->kind == TILE_STATIC_TYPE, extent = s->kind == TILE_STATIC_INT;
    for (int i = 0; i < k->param_count && s->shown_by < 0; i++) {
        const Param *p = k->written[i];
        if (p->dir == DIR_SCALAR || p->optional)
            continue;
        const Expr *x = tensor_type(p);
        if (type && x->a->name == name)
            s->shown_by = (int8_t)i;
        for (int a = 0; extent && a < x->args.count && s->shown_by < 0; a++)
            if (x->args.items[a]->kind == E_NAME && x->args.items[a]->name == name) {
                s->shown_by = (int8_t)i;
                s->axis = (int8_t)a;
            }
        if (extent && s->shown_by < 0 && is_table(p) && p->type->args.items[0]->name == name) {
            s->shown_by = (int8_t)i;
            s->axis = (int8_t)x->args.count;
        }
    }
}

static void add_type(LibraryKernel *k, tile_static *s, uint8_t *types, const Expr *x)
{
    DType t = x && x->kind == E_NAME ? dtype_find(x->name, (unsigned)strlen(x->name)) : DT_NONE;
    int other = x && x->kind == E_NAME ? static_number(k, x->name) : -1;
    if (t == DT_NONE && other >= 0)
        for (int i = 0; i < k->statics[other].type_count; i++)
            types[s->type_count++] = k->statics[other].types[i];
    else if (t < (DType)TILE_TYPE_COUNT)
        types[s->type_count++] = (uint8_t)t;
}

/* The types that variants have: those of `instances`, else the default. */
static void list_types(LibraryKernel *k, tile_static *s, const Static *from)
{
    const Item *instances = program_find(&k->program->instances, k->item->name.name);
    uint8_t *types = NEW_ARRAY(k->arena, uint8_t, 4 * TILE_TYPE_COUNT);
    s->types = types;
    for (int i = 0; instances && i < instances->insts.count; i++) {
        const Inst *in = &instances->insts.items[i];
        for (int n = 0; in->key.name == from->name.name && n < in->set.count; n++)
            add_type(k, s, types, in->set.items[n]);
    }
    if (s->type_count == 0)
        add_type(k, s, types, from->init);
}

static void list_members(LibraryKernel *k, int at, const Static *from)
{
    tile_static *s = &k->statics[at];
    const Item *en = program_find(&k->program->enums, from->kind.name);
    const char **names = NEW_ARRAY(k->arena, const char *, en->members.count);
    for (int i = 0; i < en->members.count; i++)
        names[i] = arena_format(k->arena, "%s.%s", en->name.name, en->members.items[i].name);
    s->members = names;
    s->member_count = (int8_t)en->members.count;
    k->enums[at] = en;
}

static void take_static(LibraryKernel *k, int at)
{
    const Static *from = k->declared[at];
    const char *kind = from->kind.name;
    tile_static *s = &k->statics[at];
    *s = (tile_static){.name = from->name.name, .shown_by = -1, .axis = -1};
    s->kind = !strcmp(kind, "int") || !strcmp(kind, "dim") ? TILE_STATIC_INT
              : !strcmp(kind, "bool")                      ? TILE_STATIC_BOOL
              : !strcmp(kind, "type")                      ? TILE_STATIC_TYPE
                                                           : TILE_STATIC_ENUM;
    if (s->kind == TILE_STATIC_TYPE)
        list_types(k, s, from);
    else if (s->kind == TILE_STATIC_ENUM)
        list_members(k, at, from);
    find_shown(k, s, from->name.name);
}

static bool too_much(LibraryKernel *k, Diag *diag, const char *what, int most)
{
    return diag_error(diag, k->item->name.pos, NULL, "kernel %s has more than %d %s", k->name, most,
                      what);
}

LibraryKernel *library_kernel(Arena *arena, Program *program, const Item *item)
{
    LibraryKernel *k = NEW(arena, LibraryKernel);
    int params = item->params.count, statics = item->statics.count;
    *k = (LibraryKernel){.arena = arena, .program = program, .item = item, .name = item->name.name};
    if (params > TILE_MOST_PARAMS)
        return too_much(k, program->diag, "parameters", TILE_MOST_PARAMS), NULL;
    k->params = NEW_ARRAY(arena, tile_param, params);
    k->written = NEW_ARRAY(arena, const Param *, params);
    k->statics = NEW_ARRAY(arena, tile_static, statics);
    k->declared = NEW_ARRAY(arena, const Static *, statics);
    k->enums = NEW_ARRAY(arena, const Item *, statics);
    for (int i = 0; i < statics; i++)
        if (is_constant(k, &item->statics.items[i]))
            k->declared[k->static_count++] = &item->statics.items[i];
    k->param_count = params;
    for (int i = 0; i < params; i++)
        take_param(k, i, &item->params.items[i]);
    for (int i = 0; i < k->static_count; i++)
        take_static(k, i);
    k->key_count += k->static_count;
    k->has_scratch = item->scratch.count > 0;
    if (k->key_count > TILE_MOST_KEY)
        return too_much(k, program->diag, "statics and tensors", TILE_MOST_KEY), NULL;
    return k;
}

/* ---- variants ---- */

static int64_t setting_number(const Setting *s)
{
    return s->kind == SET_TYPE ? (int64_t)s->dtype : s->integer;
}

int64_t *library_key(const LibraryKernel *k, Arena *arena, const Variant *v)
{
    int64_t *key = NEW_ARRAY(arena, int64_t, k->key_count + 1);
    int at = 0;
    for (int i = 0; i < k->static_count; i++) {
        const Setting *s = setting_find(&v->statics, k->declared[i]->name.name);
        key[at++] = s ? setting_number(s) : 0;
    }
    for (int i = 0; i < k->param_count; i++) {
        const Setting *s = setting_find(&v->forms, k->written[i]->name.name);
        if (k->params[i].kind != TILE_PARAM_SCALAR)
            key[at++] = s ? s->integer : TILE_FORM_ROW;
    }
    return key;
}

static int compare_keys(const int64_t *a, const int64_t *b, int count)
{
    for (int i = 0; i < count; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

/* The variant of that key; a new one stands where its key belongs. */
static LibraryVariant *take_variant(LibraryKernel *k, int64_t *key)
{
    int at = 0;
    while (at < k->variants.count && compare_keys(k->variants.items[at].key, key, k->key_count) < 0)
        at++;
    LibraryVariant fresh = {.key = key};
    if (at < k->variants.count && compare_keys(k->variants.items[at].key, key, k->key_count) == 0)
        return &k->variants.items[at];
    PUSH(k->arena, &k->variants, fresh);
    LibraryVariant *v = &k->variants.items[at];
    memmove(v + 1, v, (size_t)(k->variants.count - 1 - at) * sizeof *v);
    *v = fresh;
    return v;
}

static bool tells_apart(const Setting *s)
{
    return s->kind != SET_FORMAT || s->integer != FORMAT_ROW;
}

/* "T=bf16 G=128 sf=col_pad16", and the same for file names: "bf16_128_sf-col_pad16". */
static const char *variant_label(Arena *a, const Variant *v, bool file)
{
    const SettingList *lists[2] = {&v->statics, &v->forms};
    const char *text = "";
    for (int l = 0; l < 2; l++)
        for (int i = 0; i < lists[l]->count; i++) {
            const Setting *s = &lists[l]->items[i];
            const char *between = *text ? file ? "_" : " " : "";
            const char *name = file && l == 0 ? "" : s->name, *sign = file ? l ? "-" : "" : "=";
            if (tells_apart(s))
                text = arena_format(a, "%s%s%s%s%s", text, between, name, sign, setting_text(a, s));
        }
    return text;
}

/* Of an operator in a file's name. */
static const char *sign_name(const char *at, int *length)
{
    static const char *const names[][2] = {
        {"<=", "le"},   {">=", "ge"}, {"==", "eq"}, {"!=", "ne"}, {"&&", "and"},
        {"||", "or"},   {"//", "by"}, {"<", "lt"},  {">", "gt"},  {"+", "plus"},
        {"-", "minus"}, {"*", "x"},   {"%", "mod"}, {"!", "not"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *length = (int)strlen(names[i][0]);
        if (strncmp(at, names[i][0], (size_t)*length) == 0)
            return names[i][1];
    }
    *length = 1;
    return "";
}

/* "N <= 65536" to "when-N-le-65536"; a variant's only schedule has none, the last is "else". */
static const char *schedule_label(Arena *a, const Variant *v)
{
    enum { LONGEST = 60 };
    if (!v->when)
        return v->number ? ".else" : "";
    const char *text = expr_text(a, v->when);
    char *label = arena_format(a, ".when%*s", LONGEST, "");
    size_t n = strlen(".when");
    bool open = false; /* a word */
    for (const char *at = text; *at && n < LONGEST - 8;) {
        bool word = isalnum((unsigned char)*at) || *at == '_';
        int length = 1;
        const char *name = word ? "" : sign_name(at, &length);
        if ((word && !open) || *name)
            label[n++] = '-';
        if (word)
            label[n++] = *at;
        for (; *name; name++)
            label[n++] = *name;
        open = word;
        at += length;
    }
    label[n] = 0;
    return label;
}

/* The name of the build's text; no other of its list has it. */
static const char *build_name(LibraryKernel *k, tile_arch arch, const Variant *v,
                              const LibraryBuild *first)
{
    const char *label = variant_label(k->arena, v, true), *schedule = schedule_label(k->arena, v);
    const char *format = "%s%s%s%s.%s";
    char *name = arena_format(k->arena, format, k->name, *label ? "." : "", label, schedule,
                              tile_arch_name(arch));
    for (const LibraryBuild *b = first; b; b = b->next)
        if (b->name && strcmp(b->name, name) == 0)
            name = arena_format(k->arena, format, k->name, *label ? "." : "", label,
                                arena_format(k->arena, "%s-%d", schedule, v->number + 1),
                                tile_arch_name(arch));
    return name;
}

bool library_add(LibraryKernel *k, Diag *diag, tile_arch arch, const Variant *v)
{
    int64_t *key = library_key(k, k->arena, v);
    LibraryVariant *variant = take_variant(k, key);
    LibraryBuild *first = &variant->builds[arch], *b = first;
    if (!variant->text)
        variant->text = variant_label(k->arena, v, false);
    for (int i = 0; i < v->number; i++) {
        if (!b->next)
            b->next = NEW(k->arena, LibraryBuild);
        b = b->next;
    }
    if (b->plan)
        return true;
    b->name = build_name(k, arch, v, first);
    if (!library_lower(k, diag, arch, v, b))
        return false;
    if (b != first && first->plan && !sum_orders_agree(diag, k->item, first->orders, b->orders)) {
        b->plan = NULL;
        return false;
    }
    return true;
}

const char *library_target(const LibraryKernel *k, tile_arch arch)
{
    return arch == TILE_ARCH_CPU ? schedule_first_target(k->program, k->item)
                                 : tile_arch_name(arch);
}

typedef struct AddAll {
    LibraryKernel *kernel;
    Diag *diag;
    tile_arch arch;
    bool failed;
} AddAll;

static void add_each(void *context, const Item *item, const Variant *v)
{
    AddAll *a = context;
    (void)item;
    if (!diag_full(a->diag))
        a->failed |= !library_add(a->kernel, a->diag, a->arch, v);
}

bool library_add_all(LibraryKernel *k, Diag *diag, unsigned targets, bool guess)
{
    bool ok = true;
    guess = guess && !variants_known(k->program, k->item);
    for (int arch = 0; arch < TILE_TARGETS; arch++) {
        AddAll a = {.kernel = k, .diag = diag, .arch = (tile_arch)arch};
        const char *target = library_target(k, (tile_arch)arch);
        if (targets >> arch & 1)
            ok = (guess ? variants_each : variants_build)(k->program, k->item, target, add_each,
                                                          &a) &&
                 (guess || !a.failed) && ok; /* a guess may fail before another one passes */
    }
    return ok;
}
