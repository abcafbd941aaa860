/* The choice of a variant: statics, forms of tensors and schedule parameters (R17, Schedules). */
#include <stdlib.h>
#include <string.h>

#include "compiler/variant.h"

enum { FORMATS = FORMAT_UE8M0X4 + 1 };

const Setting *setting_find(const SettingList *list, Name name)
{
    for (int i = 0; i < list->count; i++)
        if (list->items[i].name == name)
            return &list->items[i];
    return NULL;
}

const char *setting_text(Arena *a, const Setting *s)
{
    switch (s->kind) {
    case SET_INT:
        return arena_format(a, "%lld", (long long)s->integer);
    case SET_BOOL:
        return s->integer ? "true" : "false";
    case SET_TYPE:
        return dtype_info[s->dtype].name;
    case SET_MEMBER:
        return s->enumeration->members.items[s->integer].name;
    case SET_FORMAT:
        return s->integer < 0 ? "none" : format_name[s->integer];
    }
    return "?";
}

/* "T=bf16", "P=min(grid.resident, 64)" */
static const char *text_of(Arena *a, const Setting *s)
{
    return s->run_time ? expr_text(a, s->expr) : setting_text(a, s);
}

char *variant_text(Program *p, const Variant *v)
{
    const SettingList *lists[3] = {&v->statics, &v->forms, &v->params};
    char *text = arena_format(p->arena, "%s", "");
    for (int l = 0; l < 3; l++)
        for (int i = 0; i < lists[l]->count; i++) {
            const Setting *s = &lists[l]->items[i];
            text = arena_format(p->arena, "%s%s%s=%s", text, *text ? " " : "", s->name,
                                text_of(p->arena, s));
        }
    return text;
}

/* Constants */

static Term fake_tensor(Choice *c, const Param *p, Format f)
{
    Type t = {.kind = TY_TENSOR, .dtype = DT_F32};
    Op *op = op_new(c->elab.kernel, OP_TENSOR, p->name.pos, 0, NULL, 1, &t);
    op->tensor = NEW(c->elab.arena, TensorInfo);
    op->tensor->optional = p->optional;
    op->tensor->format = f;
    return term_tensor(op->results[0]);
}

bool choice_setting(Choice *c, Pos pos, const Term *t, Setting *s)
{
    switch (t->kind) {
    case T_INT:
        if (t->i > INT64_MAX || t->i < INT64_MIN)
            return diag_error(c->program->diag, pos, NULL, "the integer is too large");
        s->kind = SET_INT;
        s->integer = (int64_t)t->i;
        return true;
    case T_BOOL:
        s->kind = SET_BOOL;
        s->integer = t->i != 0;
        return true;
    case T_TYPE:
        s->kind = SET_TYPE;
        s->dtype = t->dtype;
        return true;
    case T_MEMBER:
        s->kind = SET_MEMBER;
        s->integer = (int64_t)t->i;
        s->enumeration = t->item;
        return true;
    case T_FORMAT:
        s->kind = SET_FORMAT;
        s->integer = (int64_t)t->i;
        return true;
    default:
        return false;
    }
}

bool choice_suits(Choice *c, const Static *st, Pos pos, const Setting *s)
{
    const char *kind = st->kind.name;
    bool ok;
    if (!strcmp(kind, "int") || !strcmp(kind, "dim") || !strcmp(kind, "tune"))
        ok = s->kind == SET_INT;
    else if (!strcmp(kind, "bool"))
        ok = s->kind == SET_BOOL;
    else if (!strcmp(kind, "type"))
        ok = s->kind == SET_TYPE;
    else
        ok = s->kind == SET_MEMBER && s->enumeration->name.name == kind;
    if (ok)
        return true;
    return diag_error(c->program->diag, pos, NULL, "static %s is of kind %s: %s does not suit",
                      st->name.name, kind, setting_text(c->program->arena, s));
}

void choice_bind(Choice *c, Ident id, Term t)
{
    ScopeName *b = NEW(c->elab.arena, ScopeName);
    *b = (ScopeName){.name = id.name, .term = t, .pos = id.pos, .next = c->elab.scope};
    c->elab.scope = b;
}

void choice_remember(Choice *c, SettingList *list, Ident id, Setting s, const Term *t)
{
    s.name = id.name;
    PUSH(c->program->arena, list, s);
    choice_bind(c, id, *t);
}

Mark choice_mark(const Choice *c)
{
    return (Mark){c->variant.statics.count, c->variant.forms.count, c->variant.params.count,
                  c->elab.scope};
}

void choice_release(Choice *c, Mark m)
{
    c->variant.statics.count = m.statics;
    c->variant.forms.count = m.forms;
    c->variant.params.count = m.params;
    c->elab.scope = m.scope;
}

int choice_condition(Choice *c, const Expr *x, const char *what)
{
    if (x->kind == E_LAND) {
        int a = choice_condition(c, x->a, what);
        if (a == 0 || a == -2)
            return a;
        int b = choice_condition(c, x->b, what);
        return b == 1 ? a : b;
    }
    if (x->kind == E_CALL && x->a->kind == E_NAME && strcmp(x->a->name, "alias") == 0)
        return 1;
    Term t = elab_condition(&c->elab, x, what);
    return t.kind == T_BOOL ? t.i != 0 : t.kind == T_VALUE ? -1 : -2;
}

/* A run-time dim or scalar: a value of which nothing is known. */
static void run_time_value(Choice *c, OpCode code, Ident id, DType dtype)
{
    Type t = scalar_type(dtype);
    Op *op = op_new(c->elab.kernel, code, id.pos, 0, NULL, 1, &t);
    op->name = id.name;
    choice_bind(c, id, term_value(op->results[0]));
}

/* -s */

Given *choice_given(const Choice *c, Name name)
{
    for (int i = 0; c->request && i < c->request->ngiven; i++)
        if (strcmp(c->request->given[i].name, name) == 0)
            return &c->request->given[i];
    return NULL;
}

bool choice_given_int(const char *text, int64_t *out)
{
    char *end;
    long long v = strtoll(text, &end, 0);
    *out = v;
    return *text && !*end && v != INT64_MAX && v != INT64_MIN;
}

bool choice_given_failed(Choice *c, const Given *g, const char *what)
{
    return diag_error(c->program->diag, (Pos){0}, NULL, "-s %s=%s: %s", g->name, g->text, what);
}

static bool enum_setting(const Choice *c, const char *kind, const char *text, Setting *s, Term *t)
{
    const char *dot = strrchr(text, '.');
    if (dot && ((size_t)(dot - text) != strlen(kind) || strncmp(text, kind, strlen(kind))))
        return false;
    for (int i = 0; i < c->program->enums.count; i++) {
        const Item *en = c->program->enums.items[i];
        for (int m = 0; en->name.name == kind && m < en->members.count; m++)
            if (strcmp(en->members.items[m].name, dot ? dot + 1 : text) == 0) {
                *s = (Setting){.kind = SET_MEMBER, .integer = m, .enumeration = en};
                *t = (Term){.kind = T_MEMBER, .item = en, .i = m};
                return true;
            }
    }
    return false;
}

bool choice_given_static(Choice *c, const Static *st, Given *g, Setting *s, Term *t)
{
    const char *kind = st->kind.name;
    g->used = true;
    if (!strcmp(kind, "int") || !strcmp(kind, "dim") || !strcmp(kind, "tune")) {
        s->kind = SET_INT;
        if (!choice_given_int(g->text, &s->integer))
            return choice_given_failed(c, g, "an integer is expected");
        *t = term_int(s->integer);
        return true;
    }
    if (!strcmp(kind, "bool")) {
        s->kind = SET_BOOL;
        s->integer = !strcmp(g->text, "true") || !strcmp(g->text, "1");
        *t = term_bool(s->integer != 0);
        if (!s->integer && strcmp(g->text, "false") && strcmp(g->text, "0"))
            return choice_given_failed(c, g, "true or false is expected");
        return true;
    }
    if (!strcmp(kind, "type")) {
        s->kind = SET_TYPE;
        s->dtype = dtype_find(g->text, (unsigned)strlen(g->text));
        *t = (Term){.kind = T_TYPE, .dtype = s->dtype};
        return s->dtype != DT_NONE || choice_given_failed(c, g, "an element type is expected");
    }
    if (enum_setting(c, kind, g->text, s, t))
        return true;
    return choice_given_failed(
        c, g, arena_format(c->program->arena, "a member of enum %s is expected", kind));
}

/* Conditions: the kernel's `where` and those of instances */

static bool passes(Choice *c)
{
    for (int i = 0; c->instances && !c->request && i < c->instances->insts.count; i++) {
        const Inst *in = &c->instances->insts.items[i];
        int ok = in->where ? choice_condition(c, in->where, "where") : 1;
        if (ok == -2)
            c->failed = true;
        if (ok != 1 && ok != -1)
            return false;
    }
    int ok = c->kernel->where ? choice_condition(c, c->kernel->where, "where") : 1;
    if (ok == -2)
        c->failed = true;
    if (ok == 0 && c->request) {
        diag_error(c->program->diag, c->kernel->where->pos, NULL, "where %s: not true for %s",
                   expr_text(c->program->arena, c->kernel->where),
                   variant_text(c->program, &c->variant));
        c->failed = true;
    }
    return ok == 1 || ok == -1;
}

/* Tensors: absent or present, and the format */

static const Inst *inst_find(const Choice *c, Name key)
{
    for (int i = 0; c->instances && i < c->instances->insts.count; i++)
        if (c->instances->insts.items[i].key.name == key && !c->instances->insts.items[i].where)
            return &c->instances->insts.items[i];
    return NULL;
}

static void choose_tensor(Choice *c, int at);

static void take_form(Choice *c, int at, const Param *p, int form)
{
    Mark m = choice_mark(c);
    Setting s = {.kind = SET_FORMAT, .integer = form};
    Term t = form < 0 ? (Term){.kind = T_ABSENT, .text = p->name.name}
                      : fake_tensor(c, p, (Format)form);
    choice_remember(c, &c->variant.forms, p->name, s, &t);
    choose_tensor(c, at + 1);
    choice_release(c, m);
}

static int form_of(Choice *c, const Expr *x)
{
    if (x->kind == E_NAME && strcmp(x->name, "none") == 0)
        return -1;
    for (int f = FORMAT_ROW; f <= FORMAT_UE8M0X4; f++)
        if (x->kind == E_NAME && strcmp(x->name, format_name[f]) == 0)
            return f;
    diag_error(c->program->diag, x->pos, "forms are none, row, col_pad16, ue8m0x4",
               "unknown form of a tensor");
    c->failed = true;
    return -2;
}

/* The element type that a name is in this variant, DT_NONE if it is none. */
static DType named_dtype(Choice *c, const Expr *x)
{
    if (x->kind != E_NAME)
        return DT_NONE;
    ScopeName *b = scope_find(&c->elab, x->name);
    if (b)
        return b->term.kind == T_TYPE ? b->term.dtype : DT_NONE;
    return dtype_find(x->name, (unsigned)strlen(x->name));
}

static DType param_dtype(Choice *c, const Param *p)
{
    const Expr *x = p->type;
    if (x->kind == E_CALL && x->args.count == 2)
        x = x->args.items[1];
    return x->kind == E_INDEX ? named_dtype(c, x->a) : DT_NONE;
}

/* The formats of @ store that the element type allows, in order, into `forms`; how many. */
static int allowed_forms(Choice *c, const Param *p, int forms[FORMATS])
{
    int n = 0;
    for (int i = 0; i < p->storage.count; i++) {
        const Word *w = &p->storage.items[i];
        for (int k = 0; w->name && !strcmp(w->name, "store") && k < w->args.count; k++) {
            int f = form_of(c, w->args.items[k]);
            bool again = f < 0 || (f == FORMAT_UE8M0X4 && param_dtype(c, p) != DT_UE8M0);
            for (int j = 0; j < n; j++)
                again |= forms[j] == f;
            if (!again)
                forms[n++] = f;
        }
    }
    if (!n)
        forms[n++] = FORMAT_ROW;
    return n;
}

static int default_form(Choice *c, const Param *p)
{
    int forms[FORMATS];
    allowed_forms(c, p, forms);
    return forms[0];
}

static bool declares_form(Choice *c, const Param *p, int form)
{
    bool any = false;
    for (int i = 0; i < p->storage.count; i++) {
        const Word *w = &p->storage.items[i];
        for (int k = 0; w->name && !strcmp(w->name, "store") && k < w->args.count; k++) {
            any = true;
            if (form_of(c, w->args.items[k]) == form)
                return true;
        }
    }
    return !any && form == FORMAT_ROW;
}

static void requested_form(Choice *c, int at, const Param *p)
{
    const VariantRequest *r = c->request;
    Given *g = choice_given(c, p->name.name);
    if (p->optional && !r->present(r->context, p->name.name)) {
        if (g)
            g->used = true;
        take_form(c, at, p, -1);
        return;
    }
    int form = default_form(c, p);
    if (g) {
        g->used = true;
        form = -1;
        for (int f = FORMAT_ROW; f <= FORMAT_UE8M0X4; f++)
            if (strcmp(g->text, format_name[f]) == 0)
                form = f;
        if (form < 0 || !declares_form(c, p, form) ||
            (form == FORMAT_UE8M0X4 && param_dtype(c, p) != DT_UE8M0)) {
            choice_given_failed(c, g,
                                form < 0 ? "a storage format is expected: row, col_pad16, ue8m0x4"
                                : form == FORMAT_UE8M0X4 && declares_form(c, p, form)
                                    ? "the format needs elements of type ue8m0"
                                    : "the parameter does not declare this format with @ store");
            c->failed = true;
            return;
        }
    }
    take_form(c, at, p, form);
}

static void choose_tensor(Choice *c, int at)
{
    if (c->failed)
        return;
    if (at == c->kernel->params.count) {
        if (passes(c) && !c->failed)
            choice_schedules(c);
        return;
    }
    const Param *p = &c->kernel->params.items[at];
    const Inst *in = inst_find(c, p->name.name);
    if (p->dir == DIR_SCALAR) {
        Mark m = choice_mark(c);
        DType t = named_dtype(c, p->type);
        if (t != DT_NONE)
            run_time_value(c, OP_SCALAR, p->name, t);
        choose_tensor(c, at + 1);
        choice_release(c, m);
    } else if (c->request) {
        requested_form(c, at, p);
    } else if (in) {
        for (int i = 0; i < in->set.count; i++) {
            int f = form_of(c, in->set.items[i]);
            if (f == FORMAT_UE8M0X4 && param_dtype(c, p) != DT_UE8M0)
                continue;
            if (f >= -1)
                take_form(c, at, p, f);
        }
    } else {
        int forms[FORMATS], n = allowed_forms(c, p, forms);
        if (n > 1 && !c->all_forms && !asks_format(c->program, c->kernel, p->name.name))
            n = 1;
        if (p->optional)
            take_form(c, at, p, -1);
        for (int i = 0; i < n; i++)
            take_form(c, at, p, forms[i]);
    }
}

/* Statics */

static void choose_static(Choice *c, int at);

static void take_static(Choice *c, int at, const Static *st, Pos pos, Setting s, const Term *t)
{
    if (!choice_suits(c, st, pos, &s)) {
        c->failed = true;
        return;
    }
    Mark m = choice_mark(c);
    choice_remember(c, &c->variant.statics, st->name, s, t);
    choose_static(c, at + 1);
    choice_release(c, m);
}

static void static_from(Choice *c, int at, const Static *st, const Expr *x)
{
    Term t = elab_expr(&c->elab, x);
    Setting s = {0};
    if (t.kind == T_ERROR) {
        c->failed = true;
    } else if (!choice_setting(c, x->pos, &t, &s)) {
        diag_error(c->program->diag, x->pos, NULL, "static %s: %s is not a constant", st->name.name,
                   expr_text(c->program->arena, x));
        c->failed = true;
    } else {
        take_static(c, at, st, x->pos, s, &t);
    }
}

/* Nothing gives a value, but the kernel shall be checked: typical values, tried in turn. */
static void guess_static(Choice *c, int at, const Static *st)
{
    static const int guesses[] = {4096, 8, 128, 2, 1};
    Setting s = {.kind = SET_INT};
    Term t;
    c->guessed = true;
    if (!strcmp(st->kind.name, "int")) {
        s.integer = guesses[c->probe];
        t = term_int(s.integer);
    } else if (!strcmp(st->kind.name, "bool")) {
        s.kind = SET_BOOL;
        t = term_bool(false);
    } else if (!strcmp(st->kind.name, "type")) {
        s = (Setting){.kind = SET_TYPE, .dtype = DT_BF16};
        t = (Term){.kind = T_TYPE, .dtype = DT_BF16};
    } else {
        const Item *en = program_find(&c->program->enums, st->kind.name);
        if (!en) {
            diag_error(c->program->diag, st->kind.pos,
                       "kinds are dim, int, bool, type, tune or an enum",
                       "unknown kind `%s` of static %s", st->kind.name, st->name.name);
            c->failed = true;
            return;
        }
        s = (Setting){.kind = SET_MEMBER, .enumeration = en};
        t = (Term){.kind = T_MEMBER, .item = en};
    }
    take_static(c, at, st, st->name.pos, s, &t);
}

static void missing_static(Choice *c, const Static *st)
{
    const Inst *in = inst_find(c, st->name.name);
    char *hint = NULL;
    for (int i = 0; in && i < in->set.count; i++)
        hint = arena_format(c->program->arena, "%s%s%s", hint ? hint : "instances lists ",
                            i ? ", " : "", expr_text(c->program->arena, in->set.items[i]));
    diag_error(c->program->diag, st->name.pos, hint, "static %s has no default: give -s %s=VALUE",
               st->name.name, st->name.name);
    c->failed = true;
}

static bool known_static(Choice *c, const Static *st, Setting *s, Term *t)
{
    const VariantRequest *r = c->request;
    s->kind = SET_INT;
    if (!r->known || !r->known(r->context, st->name.name, &s->integer))
        return false;
    *t = term_int(s->integer);
    return true;
}

static void requested_static(Choice *c, int at, const Static *st)
{
    bool dim = strcmp(st->kind.name, "dim") == 0, integer = strcmp(st->kind.name, "int") == 0;
    Given *g = choice_given(c, st->name.name);
    Setting s = {0};
    Term t = term_error();
    if (dim && !inst_find(c, st->name.name)) {
        choose_static(c, at + 1);
        return;
    }
    if (g) {
        if (!choice_given_static(c, st, g, &s, &t)) {
            c->failed = true;
            return;
        }
        g->used = !dim;
        take_static(c, at, st, st->name.pos, s, &t);
    } else if ((dim || integer) && known_static(c, st, &s, &t)) {
        take_static(c, at, st, st->name.pos, s, &t);
    } else if (st->init) {
        static_from(c, at, st, st->init);
    } else {
        missing_static(c, st);
    }
}

static void choose_static(Choice *c, int at)
{
    if (c->failed || diag_full(c->program->diag))
        return;
    if (at == c->kernel->statics.count) {
        choose_tensor(c, 0);
        return;
    }
    const Static *st = &c->kernel->statics.items[at];
    const Inst *in = inst_find(c, st->name.name);
    bool dim = strcmp(st->kind.name, "dim") == 0;
    if (dim && !in) {
        Mark m = choice_mark(c);
        run_time_value(c, OP_DIM, st->name, DT_I64);
        choose_static(c, at + 1);
        choice_release(c, m);
    } else if (strcmp(st->kind.name, "tune") == 0) {
        choose_static(c, at + 1);
    } else if (c->request) {
        requested_static(c, at, st);
    } else if (in) {
        for (int i = 0; i < in->set.count; i++)
            static_from(c, at, st, in->set.items[i]);
    } else if (st->init) {
        static_from(c, at, st, st->init);
    } else {
        guess_static(c, at, st);
    }
}

static Choice choice_new(Program *p, const Item *kernel)
{
    Choice c = {.program = p, .kernel = kernel};
    c.instances = program_find(&p->instances, kernel->name.name);
    c.elab = (Elab){.arena = p->arena, .diag = p->diag, .program = p, .item = kernel};
    c.elab.kernel = kernel_new(p->arena, kernel->name.name, kernel->pos);
    c.elab.region = c.elab.kernel->body;
    return c;
}

/* Which variants are wanted, and by whom. */
typedef struct Wanted {
    const char *target;
    bool all_forms;
    VariantFn *each;
    void *context;
} Wanted;

static void choose(Choice *c, const Wanted *w)
{
    c->elab.variant = &c->variant;
    c->target = w->target;
    c->all_forms = w->all_forms;
    c->each = w->each;
    c->context = w->context;
    choose_static(c, 0);
}

/* Tries the guesses in silence until one passes; the first one's errors are shown if none does. */
static bool guessed_variants(Program *p, const Item *kernel, const Wanted *w)
{
    for (int attempt = 0; attempt <= 5; attempt++) {
        Choice c = choice_new(p, kernel);
        Diag saved = *p->diag;
        c.probe = attempt % 5;
        if (attempt < 5)
            p->diag->out = NULL;
        choose(&c, w);
        bool good = c.passed && !c.failed && p->diag->errors == saved.errors;
        if (attempt < 5)
            *p->diag = saved;
        if (good)
            return true;
    }
    return false;
}

bool variants_known(const Program *p, const Item *kernel)
{
    const Item *instances = program_find(&p->instances, kernel->name.name);
    for (int i = 0; i < kernel->statics.count; i++) {
        const Static *st = &kernel->statics.items[i];
        bool listed = false;
        for (int k = 0; instances && k < instances->insts.count; k++)
            listed |= instances->insts.items[k].key.name == st->name.name;
        if (!listed && !st->init && strcmp(st->kind.name, "dim") && strcmp(st->kind.name, "tune"))
            return false;
    }
    return true;
}

static bool known_variants(Program *p, const Item *kernel, const Wanted *w)
{
    const Item *instances = program_find(&p->instances, kernel->name.name);
    Choice c = choice_new(p, kernel);
    int errors = p->diag->errors;
    choose(&c, w);
    if (!c.passed && !c.failed && p->diag->errors == errors)
        diag_warning(p->diag, instances ? instances->pos : kernel->name.pos, NULL,
                     "no variant of %s passes `where`: nothing is checked or built",
                     kernel->name.name);
    return !c.failed && p->diag->errors == errors;
}

bool variants_each(Program *p, const Item *kernel, const char *target, VariantFn *each,
                   void *context)
{
    const Wanted w = {target, false, each, context};
    return variants_known(p, kernel) ? known_variants(p, kernel, &w)
                                     : guessed_variants(p, kernel, &w);
}

bool variants_build(Program *p, const Item *kernel, const char *target, VariantFn *each,
                    void *context)
{
    const Wanted w = {target, true, each, context};
    return !variants_known(p, kernel) || known_variants(p, kernel, &w);
}

typedef struct Chosen {
    Arena *arena;
    VariantList *list;
} Chosen;

void variant_keep(Arena *a, VariantList *list, const Variant *v)
{
    Variant kept = *v;
    SettingList *lists[3] = {&kept.statics, &kept.forms, &kept.params};
    for (int i = 0; i < 3; i++)
        lists[i]->items = arena_grow(a, lists[i]->items, (size_t)lists[i]->count * sizeof(Setting),
                                     (size_t)(lists[i]->count + 1) * sizeof(Setting));
    PUSH(a, list, kept);
}

static void keep(void *context, const Item *kernel, const Variant *v)
{
    Chosen *k = context;
    (void)kernel;
    variant_keep(k->arena, k->list, v);
}

bool variant_choose_all(Program *p, const Item *kernel, const VariantRequest *request,
                        VariantList *out)
{
    Choice c = choice_new(p, kernel);
    Chosen chosen = {p->arena, out};
    const Wanted w = {request->target, false, keep, &chosen};
    c.request = request;
    choose(&c, &w);
    return out->count > 0 && !c.failed;
}

bool variant_choose(Program *p, const Item *kernel, const VariantRequest *request, Variant *out)
{
    VariantList list = {0};
    if (!variant_choose_all(p, kernel, request, &list))
        return false;
    *out = list.items[0];
    return true;
}

bool variant_number(const Variant *v, const Expr *x, int64_t *out)
{
    for (int i = 0; i < v->numbers.count; i++)
        if (v->numbers.items[i].expr == x) {
            *out = v->numbers.items[i].value;
            return true;
        }
    return false;
}
