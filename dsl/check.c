/* Checks that need no types: items and the headers of kernels. */
#include "dsl/check.h"

#include <string.h>

#include "dsl/scope.h"

bool check_report(Check *c, Pos pos, const char *hint, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vformat(c->scope.arena, format, args);
    va_end(args);
    return diag_error(c->scope.diag, pos, hint, "%s", text);
}

KernelItems *items_of(Check *c, Name kernel)
{
    const Entry *e = scope_lookup(&c->kernel_names, kernel);
    return e ? &c->of[e - c->kernel_names.entries.items] : NULL;
}

static void collect_kernels(Check *c)
{
    Arena *a = c->scope.arena;
    scope_begin(&c->kernel_names, a, c->scope.diag);
    c->of = NEW_ARRAY(a, KernelItems, c->kernels->count);
    for (int i = 0; i < c->kernels->count; i++) {
        const Item *kernel = c->kernels->items[i];
        const Entry *first = scope_lookup(&c->kernel_names, kernel->name.name);
        if (first) {
            check_report(c, kernel->name.pos, NULL, "`%s` is declared twice", kernel->name.name);
            diag_note(c->scope.diag, first->pos, "`%s` is declared here", kernel->name.name);
        } else {
            scope_add(&c->kernel_names, kernel->name, NAME_VALUE);
            c->of[c->kernel_names.entries.count - 1].kernel = kernel;
        }
    }
    for (int i = 0; i < c->schedules->count; i++) {
        KernelItems *k = items_of(c, c->schedules->items[i]->name.name);
        if (k)
            PUSH(a, &k->schedules, c->schedules->items[i]);
    }
    for (int i = 0; i < c->instances->count; i++) {
        KernelItems *k = items_of(c, c->instances->items[i]->name.name);
        if (k)
            PUSH(a, &k->instances, c->instances->items[i]);
    }
}

/* Items */

static void declare_items(Check *c, const ItemList *list, NameKind kind)
{
    for (int i = 0; i < list->count; i++) {
        const Item *it = list->items[i];
        const Entry *old = scope_lookup(&c->scope, it->name.name);
        if (old) {
            check_report(c, it->name.pos, NULL, "`%s` is declared twice", it->name.name);
            diag_note(c->scope.diag, old->pos, "`%s` is declared here", it->name.name);
        } else {
            scope_declare(&c->scope, it->name, kind)->item = it;
        }
    }
}

static void check_enum(Check *c, const Item *it)
{
    static const char *const kinds[] = {"dim", "int", "type"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(it->name.name, kinds[i]) == 0)
            check_report(c, it->name.pos, "choose another name", "`%s` is a kind of statics",
                         kinds[i]);
    Scope *members = NEW(c->scope.arena, Scope);
    scope_begin(members, c->scope.arena, c->scope.diag);
    for (int i = 0; i < it->members.count; i++) {
        Ident m = it->members.items[i];
        if (scope_lookup(members, m.name))
            check_report(c, m.pos, NULL, "two members named `%s`", m.name);
        else
            scope_add(members, m, NAME_VALUE);
    }
}

static void check_fn(Check *c, const Item *it)
{
    Scope *s = &c->scope;
    int mark = scope_enter(s);
    s->in_fn = true;
    scope_begin_body(s, "");
    for (int i = 0; i < it->members.count; i++)
        scope_declare(s, it->members.items[i], NAME_ARGUMENT);
    check_expr(s, it->value);
    check_stmts(s, &it->body);
    s->in_fn = false;
    scope_leave(s, mark);
}

/* Kernels */

bool static_is(const Static *st, const char *kind)
{
    return strcmp(st->kind.name, kind) == 0;
}

const Static *static_find(const Item *kernel, Name name)
{
    for (int i = 0; i < kernel->statics.count; i++)
        if (kernel->statics.items[i].name.name == name)
            return &kernel->statics.items[i];
    return NULL;
}

static bool names(const Expr *x, Name name)
{
    if (!x)
        return false;
    if (x->kind == E_NAME && x->name == name)
        return true;
    for (int i = 0; i < x->args.count; i++)
        if (names(x->args.items[i], name))
            return true;
    return names(x->a, name) || names(x->b, name) || names(x->c, name);
}

/* True if a tensor parameter has the dim in an extent. */
bool dim_is_shown(const Item *kernel, Name dim)
{
    for (int i = 0; i < kernel->params.count; i++)
        if (kernel->params.items[i].dir != DIR_SCALAR && names(kernel->params.items[i].type, dim))
            return true;
    return false;
}

bool binds(const Directive *d)
{
    return d->kind == D_LET || d->kind == D_TUNE;
}

const Directive *let_find(const Item *schedule, Name name)
{
    for (int i = 0; i < schedule->directives.count; i++)
        if (binds(&schedule->directives.items[i]) &&
            schedule->directives.items[i].name.name == name)
            return &schedule->directives.items[i];
    return NULL;
}

static void check_statics(Check *c, const Item *kernel)
{
    Scope *s = &c->scope;
    for (int i = 0; i < kernel->statics.count; i++) {
        const Static *st = &kernel->statics.items[i];
        const Entry *kind = scope_lookup(s, st->kind.name);
        if (!static_is(st, "dim") && !static_is(st, "int") && !static_is(st, "bool") &&
            !static_is(st, "type") && !static_is(st, "tune") && !(kind && kind->kind == NAME_ENUM))
            check_report(c, st->kind.pos, "kinds are dim, int, bool, type, tune or an enum",
                         "unknown kind `%s` of static %s", st->kind.name, st->name.name);
        check_expr(s, st->init);
        Entry *e = scope_declare(s, st->name, NAME_STATIC);
        e->used = true;
        check_expr(s, st->multiple);
    }
}

/* Names that any schedule of the kernel binds are visible in it. */
static void declare_parameters(Check *c, const Item *kernel)
{
    Scope *s = &c->scope;
    const KernelItems *of = items_of(c, kernel->name.name);
    for (int i = 0; i < of->schedules.count; i++) {
        const Item *schedule = of->schedules.items[i];
        for (int k = 0; k < schedule->directives.count; k++) {
            const Directive *d = &schedule->directives.items[k];
            const Entry *e = binds(d) ? scope_lookup(s, d->name.name) : NULL;
            if (binds(d) && !(e && (e->kind == NAME_STATIC || e->kind == NAME_PARAMETER)))
                scope_declare(s, d->name, NAME_PARAMETER);
        }
    }
}

static void check_storage(Check *c, const Param *p)
{
    for (int i = 0; i < p->storage.count; i++) {
        const Word *w = &p->storage.items[i];
        bool stride = !strcmp(w->name, "stride"), store = !strcmp(w->name, "store");
        if (!stride && !store && strcmp(w->name, "nondet") && strcmp(w->name, "symm"))
            check_report(c, w->pos, "storages are stride(..), store(..), nondet, symm",
                         "unknown storage @ %s", w->name);
        for (int k = 0; k < w->args.count; k++) {
            const Expr *a = w->args.items[k];
            bool word = a->kind == E_NAME;
            if (stride && !(word && !strcmp(a->name, "any")) && a->kind != E_INT)
                check_report(c, a->pos, NULL, "a stride is `any` or an integer");
            if (store && !(word && (!strcmp(a->name, "row") || !strcmp(a->name, "col_pad16") ||
                                    !strcmp(a->name, "ue8m0x4"))))
                check_report(c, a->pos, "formats are row, col_pad16, ue8m0x4",
                             "unknown storage format");
        }
    }
}

/* table(L, f32[N, D]) or f32[N, D] or f32 */
static void check_param_type(Check *c, const Param *p)
{
    const Expr *x = p->type;
    if (x->kind == E_CALL && x->a->kind == E_NAME && strcmp(x->a->name, "table") == 0) {
        if (x->args.count != 2)
            check_report(c, x->pos, "write it as table(L, f32[N, D])",
                         "table takes a length and a tensor type");
        for (int i = 0; i < x->args.count; i++)
            check_type(&c->scope, x->args.items[i]);
    } else if (x->kind == E_NAME) {
        scope_use_type(&c->scope, x);
    } else {
        check_type(&c->scope, x);
    }
}

static void check_params(Check *c, const ParamList *list)
{
    for (int i = 0; i < list->count; i++) {
        const Param *p = &list->items[i];
        check_param_type(c, p);
        check_storage(c, p);
        scope_declare(&c->scope, p->name, p->dir == DIR_SCALAR ? NAME_SCALAR : NAME_TENSOR);
    }
}

static void check_phase_names(Check *c, const Item *kernel)
{
    struct {
        Word *items;
        int count, capacity;
    } seen = {0};
    for (int i = 0; i < kernel->body.count; i++) {
        const Stmt *st = kernel->body.items[i];
        for (int k = 0; st->kind == S_PAR && k < st->attrs.count; k++) {
            const Word *w = &st->attrs.items[k];
            if (strcmp(w->name, "unordered") == 0)
                continue;
            for (int j = 0; j < seen.count; j++)
                if (seen.items[j].name == w->name)
                    check_report(c, w->pos, NULL, "two phases named `%s`", w->name);
            PUSH(c->scope.arena, &seen, *w);
        }
    }
}

/* "schedule gemm_nt for sm90, sm100" */
static char *schedule_text(Check *c, const Item *schedule)
{
    Arena *a = c->scope.arena;
    char *text = arena_format(a, "schedule %s", schedule->name.name);
    for (int i = 0; i < schedule->members.count; i++)
        text = arena_format(a, "%s%s%s", text, i ? ", " : " for ", schedule->members.items[i].name);
    return text;
}

static int line_of(Pos pos)
{
    int line = 0, column = 0;
    pos_line(pos, &line, &column);
    return line;
}

static bool bound_somewhere(Check *c, const Item *kernel, Name name)
{
    const KernelItems *of = items_of(c, kernel->name.name);
    for (int i = 0; i < of->schedules.count; i++)
        if (let_find(of->schedules.items[i], name))
            return true;
    return false;
}

/* Each schedule binds all parameters that the kernel uses and that have no default. */
static void check_bound(Check *c, const Item *kernel, const Item *schedule)
{
    const Scope *s = &c->scope;
    for (int i = 0; i < s->entries.count; i++) {
        const Entry *e = &s->entries.items[i];
        if (e->kind == NAME_PARAMETER && e->used && !let_find(schedule, e->name))
            check_report(c, schedule->name.pos, NULL,
                         "%s does not bind %s, which the kernel uses at line %d",
                         schedule_text(c, schedule), e->name, line_of(e->use));
    }
    for (int i = 0; i < kernel->statics.count; i++) {
        const Static *st = &kernel->statics.items[i];
        if (let_find(schedule, st->name.name))
            continue;
        if (static_is(st, "tune") && !st->init)
            check_report(c, schedule->name.pos, "give it a default: BM: tune = 64",
                         "%s does not bind %s, which has no default", schedule_text(c, schedule),
                         st->name.name);
        else if (static_is(st, "dim") && !dim_is_shown(kernel, st->name.name) &&
                 bound_somewhere(c, kernel, st->name.name))
            check_report(c, schedule->name.pos, NULL,
                         "%s does not bind %s, a dim that no tensor parameter shows",
                         schedule_text(c, schedule), st->name.name);
    }
}

static void check_kernel(Check *c, const Item *kernel)
{
    Scope *s = &c->scope;
    int mark = scope_enter(s);
    scope_begin_body(s, "; no schedule binds it");
    check_statics(c, kernel);
    declare_parameters(c, kernel);
    check_params(c, &kernel->params);
    check_params(c, &kernel->scratch);
    check_where(s, kernel->where);
    check_phase_names(c, kernel);
    check_stmts(s, &kernel->body);
    const KernelItems *of = items_of(c, kernel->name.name);
    for (int i = 0; i < of->schedules.count; i++)
        check_bound(c, kernel, of->schedules.items[i]);
    for (int i = 0; i < kernel->statics.count && of->schedules.count == 0; i++) {
        const Static *st = &kernel->statics.items[i];
        if (static_is(st, "tune") && !st->init)
            check_report(c, st->name.pos, "give it a default: BM: tune = 64",
                         "no schedule binds %s and it has no default", st->name.name);
    }
    scope_leave(s, mark);
}

bool check_names(Arena *arena, Diag *diag, const ItemList *consts, const ItemList *enums,
                 const ItemList *fns, const ItemList *kernels, const ItemList *schedules,
                 const ItemList *instances)
{
    int before = diag->errors;
    Check c = {.consts = consts,
               .enums = enums,
               .fns = fns,
               .kernels = kernels,
               .schedules = schedules,
               .instances = instances};
    scope_begin(&c.scope, arena, diag);
    declare_items(&c, consts, NAME_FILE_CONST);
    declare_items(&c, enums, NAME_ENUM);
    declare_items(&c, fns, NAME_FN);
    for (int i = 0; i < enums->count; i++)
        check_enum(&c, enums->items[i]);
    for (int i = 0; i < consts->count; i++)
        check_expr(&c.scope, consts->items[i]->value);
    for (int i = 0; i < fns->count && !diag_full(diag); i++)
        check_fn(&c, fns->items[i]);
    check_cycles(&c);
    collect_kernels(&c);
    for (int i = 0; i < kernels->count && !diag_full(diag); i++)
        check_kernel(&c, kernels->items[i]);
    check_schedules(&c);
    check_instances(&c);
    return diag->errors == before;
}
