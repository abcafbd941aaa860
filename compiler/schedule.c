/* Directives against the table in schedule.h and against the kernel they speak of. */
#include "compiler/schedule.h"

#include <string.h>

#include "dsl/builtins.h"

typedef enum Subject {
    NOTHING, LOOP, VALUE, LOADED, STORED, PRODUCT, SUM, STATIC, ROLE
} Subject;

typedef enum Arguments {
    NO_ARGUMENTS, INT, INT_OR, INTS, CHOICE, TENSORS, CLUSTER, NEXT
} Arguments;

typedef struct Row {
    const char *directive;           /* NULL: a word of the directive above */
    Subject subject;
    const char *place, *needs;
    const char *word;
    Arguments arguments;
    int low, high;
    const char *choices;
    int group;
} Row;

static const Row table[] = {
#define D(name, subject, place, needs) {#name, subject, place, needs, NULL, 0, 0, 0, NULL, 0},
#define W(word, arguments, low, high, choices, group)                                            \
    {NULL, 0, NULL, NULL, #word, arguments, low, high, choices, group},
    SCHEDULE_DIRECTIVES(D, W)
#undef D
#undef W
};
enum { ROWS = sizeof table / sizeof *table };

typedef struct Said { const char *directive; Name subject; Pos pos; } Said;
typedef struct SaidList { Said *items; int count, capacity; } SaidList;

typedef struct ScheduleCheck {
    Arena *arena;
    Diag *diag;
    const Program *program;
    const Item *kernel, *schedule;
    KernelFacts facts;
    int phase;                       /* whose block we are in, -1: outside */
    Pos unit;                        /* of the word warp or thread that holds here */
    const char *unit_word;           /* NULL: block */
    SaidList given;                 /* directives of this level */
    SaidList phrases;               /* of all roles of this level */
} ScheduleCheck;

static bool word_in(const char *word, const char *list)
{
    size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == 0 || p[n] == ' '))
            return true;
    return false;
}

/* "a, b, c" of "a b c" */
static char *commas(Arena *a, const char *list)
{
    char *text = arena_format(a, "%s", "");
    for (const char *p = list; *p; p += *p == ' ') {
        int n = (int)strcspn(p, " ");
        text = arena_format(a, "%s%s%.*s", text, *text ? ", " : "", n, p);
        p += n;
    }
    return text;
}

static const char *nearest(ScheduleCheck *c, const char *name, const char *const *v, int n)
{
    const char *found = diag_nearest(name, v, n);
    return found ? arena_format(c->arena, "did you mean `%s`?", found) : NULL;
}

static const Row *directive_row(const char *name)
{
    for (const Row *r = table; r < table + ROWS; r++)
        if (r->directive && strcmp(r->directive, name) == 0)
            return r;
    return NULL;
}

static const Row *word_row(const Row *directive, const char *name)
{
    for (const Row *r = directive + 1; r < table + ROWS && !r->directive; r++)
        if (strcmp(r->word, name) == 0)
            return r;
    return NULL;
}

/* What the words of a directive are, for a hint. */
static char *words_hint(ScheduleCheck *c, const Row *directive)
{
    char *text = arena_format(c->arena, "%s", "");
    for (const Row *r = directive + 1; r < table + ROWS && !r->directive; r++)
        text = arena_format(c->arena, "%s%s%s", text, *text ? ", " : "", r->word);
    return *text ? arena_format(c->arena, "%s takes %s", directive->directive, text)
                 : arena_format(c->arena, "%s takes no more words", directive->directive);
}

static bool for_target(const ScheduleCheck *c, const char *target)
{
    const IdentList *t = &c->schedule->members;
    for (int i = 0; i < t->count; i++)
        if (strcmp(t->items[i].name, target) == 0)
            return true;
    return t->count == 0;
}

/* Numbers */

static const Directive *let_of(const ScheduleCheck *c, Name name)
{
    for (int i = 0; i < c->schedule->directives.count; i++) {
        const Directive *d = &c->schedule->directives.items[i];
        if ((d->kind == D_LET || d->kind == D_TUNE) && d->name.name == name)
            return d;
    }
    return NULL;
}

static const Static *static_of(const ScheduleCheck *c, Name name)
{
    for (int i = 0; i < c->kernel->statics.count; i++)
        if (c->kernel->statics.items[i].name.name == name)
            return &c->kernel->statics.items[i];
    return NULL;
}

/* The value where the schedule fixes it; false where it depends on the variant. */
static bool number(const ScheduleCheck *c, const Expr *x, int depth, int64_t *out)
{
    int64_t a = 0, b = 0;
    const int64_t limit = (int64_t)1 << 40;
    if (!x || depth > 100)
        return false;
    if (x->kind == E_INT && x->integer < (uint64_t)limit) {
        *out = (int64_t)x->integer;
        return true;
    }
    if (x->kind == E_NAME) {
        const Directive *d = let_of(c, x->name);
        const Item *it = program_find(&c->program->consts, x->name);
        return d ? d->kind == D_LET && number(c, d->value, depth + 10, out)
                 : it && number(c, it->value, depth + 10, out);
    }
    if (x->kind == E_NEG && number(c, x->a, depth + 1, &a)) {
        *out = -a;
        return true;
    }
    if (x->kind != E_ADD && x->kind != E_SUB && x->kind != E_MUL && x->kind != E_FDIV)
        return false;
    if (!number(c, x->a, depth + 1, &a) || !number(c, x->b, depth + 1, &b) || a < 0 || b < 0 ||
        (x->kind == E_MUL && b > 0 && a > limit / b) || (x->kind == E_FDIV && b == 0))
        return false;
    *out = x->kind == E_ADD ? a + b : x->kind == E_SUB ? a - b : x->kind == E_MUL ? a * b : a / b;
    return *out < limit && *out > -limit;
}

/* Every name in a number is known: a `let` of the schedule, a static, an item of a file. */
static bool names_known(ScheduleCheck *c, const Expr *x)
{
    if (!x)
        return true;
    bool ok = true;
    if (x->kind == E_NAME && !let_of(c, x->name) && !static_of(c, x->name) &&
        !program_find(&c->program->consts, x->name) && !program_find(&c->program->enums, x->name) &&
        !program_find(&c->program->fns, x->name) && !builtin_find(x->name)) {
        struct { const char **items; int count, capacity; } v = {0};
        for (int i = 0; i < c->schedule->directives.count; i++)
            if (c->schedule->directives.items[i].name.name)
                PUSH(c->arena, &v, c->schedule->directives.items[i].name.name);
        for (int i = 0; i < c->kernel->statics.count; i++)
            PUSH(c->arena, &v, c->kernel->statics.items[i].name.name);
        ok = diag_error(c->diag, x->pos, nearest(c, x->name, v.items, v.count),
                        "unknown name `%s`", x->name);
    }
    for (int i = 0; i < x->args.count; i++)
        ok = names_known(c, x->args.items[i]) && ok;
    return names_known(c, x->a) && names_known(c, x->b) && names_known(c, x->c) && ok;
}

static void check_number(ScheduleCheck *c, const Row *r, const Expr *x)
{
    int64_t n;
    if (x->kind == E_NAMED || x->kind == E_SLICE || x->kind == E_FULL || x->kind == E_STRING ||
        x->kind == E_FLOAT || x->kind == E_BOOL || x->kind == E_TUPLE) {
        diag_error(c->diag, x->pos, NULL, "%s takes an integer", r->word);
        return;
    }
    if (!names_known(c, x) || !number(c, x, 0, &n))
        return;
    if (n < r->low || n > r->high)
        diag_error(c->diag, x->pos, NULL, "%s(%lld): from %d to %d is possible", r->word,
                   (long long)n, r->low, r->high);
    else if (strcmp(r->word, "regs") == 0 && r->low == 24 && n % 8 != 0)
        diag_error(c->diag, x->pos, NULL, "regs(%lld): registers go in multiples of 8",
                   (long long)n);
    else if (strcmp(r->word, "vector") == 0 && (n & (n - 1)) != 0)
        diag_error(c->diag, x->pos, NULL, "vector(%lld): the bytes of a vector are a power of 2",
                   (long long)n);
}

/* Tensors and variables */

static const char *kernel_name(const ScheduleCheck *c)
{
    return c->kernel->name.name;
}

static const char *nearest_tensor(ScheduleCheck *c, Name name)
{
    struct { const char **items; int count, capacity; } v = {0};
    for (int i = 0; i < c->kernel->params.count; i++)
        if (c->kernel->params.items[i].dir != DIR_SCALAR)
            PUSH(c->arena, &v, c->kernel->params.items[i].name.name);
    for (int i = 0; i < c->kernel->scratch.count; i++)
        PUSH(c->arena, &v, c->kernel->scratch.items[i].name.name);
    return nearest(c, name, v.items, v.count);
}

/* A tensor that is loaded (or stored) here. */
static void check_tensor(ScheduleCheck *c, Name name, Pos pos, bool store)
{
    const Param *p = tensor_param(c->kernel, name);
    const char *where = c->phase < 0 ? "" : " in this phase";
    if (!p)
        diag_error(c->diag, pos, nearest_tensor(c, name), "`%s` is no tensor of kernel %s", name,
                   kernel_name(c));
    else if (store && p->dir == DIR_IN)
        diag_error(c->diag, pos, NULL, "%s is an `in` tensor: kernel %s does not store to it", name,
                   kernel_name(c));
    else if (store && !tensor_is_stored(&c->facts, name, c->phase))
        diag_error(c->diag, pos, NULL, "kernel %s does not store to %s%s", kernel_name(c), name,
                   where);
    else if (!store && !tensor_is_loaded(&c->facts, name, c->phase))
        diag_error(c->diag, pos, NULL, "kernel %s does not load %s%s", kernel_name(c), name, where);
}

static void check_tensor_expr(ScheduleCheck *c, const Row *r, const Expr *x)
{
    if (x->kind == E_NAME)
        check_tensor(c, x->name, x->pos, false);
    else
        diag_error(c->diag, x->pos, NULL, "%s takes names of tensors", r->word);
}

/* The one variable of that name, NULL after a message. */
static const Variable *check_variable(ScheduleCheck *c, Name name, Pos pos)
{
    const Variable *found = NULL, *second = NULL;
    struct { const char **items; int count, capacity; } v = {0};
    for (int i = 0; i < c->facts.variables.count; i++) {
        const Variable *x = &c->facts.variables.items[i];
        if (c->phase >= 0 && x->phase >= 0 && x->phase != c->phase)
            continue;
        PUSH(c->arena, &v, x->name);
        if (x->name == name) {
            second = found ? x : NULL;
            found = found ? found : x;
        }
        if (second)
            break;
    }
    if (!found) {
        diag_error(c->diag, pos, nearest(c, name, v.items, v.count),
                   "kernel %s has no variable `%s`%s", kernel_name(c), name,
                   c->phase < 0 ? "" : " in this phase");
    } else if (second) {
        diag_error(c->diag, pos, "give one of them another name",
                   "`%s` is the name of two variables of kernel %s", name, kernel_name(c));
        diag_note(c->diag, found->pos, "the first is here");
        diag_note(c->diag, second->pos, "the second is here");
        found = NULL;
    }
    return found;
}

static void check_loop(ScheduleCheck *c, Name name, Pos pos)
{
    if (strcmp(name, "programs") == 0)
        return;
    const Variable *v = check_variable(c, name, pos);
    if (v && v->kind == V_PAR_INDEX)
        diag_error(c->diag, pos, "pipeline programs runs the loads of the next programs ahead",
                   "`%s` is an index of the par, not of a loop", name);
    else if (v && v->kind != V_INDEX)
        diag_error(c->diag, pos, NULL, "`%s` is no index of a loop", name);
}

static void check_value(ScheduleCheck *c, Name name, Pos pos)
{
    if (tensor_param(c->kernel, name)) {
        check_tensor(c, name, pos, false);
        return;
    }
    const Variable *v = check_variable(c, name, pos);
    if (v && v->kind != V_VALUE && v->kind != V_LOCAL && v->kind != V_VIEW)
        diag_error(c->diag, pos, NULL, "`%s` is %s: it has no place", name,
                   v->kind == V_PIPE ? "a pipe" : "an index");
}

static void check_operation(ScheduleCheck *c, Name name, Pos pos, bool mma)
{
    const Variable *v = check_variable(c, name, pos);
    if (v && (v->kind != V_VALUE || !(mma ? v->has_mma : v->has_fma)))
        diag_error(c->diag, pos, NULL, "`%s` is not the result of %s", name, mma ? "an mma" : "fma");
}

static void check_static(ScheduleCheck *c, Name name, Pos pos)
{
    const Static *s = static_of(c, name);
    bool fixed = false;
    for (int i = 0; i < c->program->instances.count; i++) {
        const Item *it = c->program->instances.items[i];
        for (int k = 0; it->name.name == c->kernel->name.name && k < it->insts.count; k++)
            fixed |= it->insts.items[k].key.name == name;
    }
    if (!s)
        diag_error(c->diag, pos, NULL, "`%s` is no static of kernel %s", name, kernel_name(c));
    else if (strcmp(s->kind.name, "int") != 0 && !(strcmp(s->kind.name, "dim") == 0 && fixed))
        diag_error(c->diag, pos, "chunk cuts an axis of constant extent",
                   "`%s` is a %s, not an int static", name, s->kind.name);
}

static const Stmt *roles_here(const ScheduleCheck *c)
{
    for (int i = 0; i < c->facts.roles.count; i++)
        if (c->phase < 0 || c->facts.role_phases.items[i] == c->phase)
            return c->facts.roles.items[i];
    return NULL;
}

static void check_role_name(ScheduleCheck *c, const Directive *d)
{
    bool any = false, found = false;
    for (int i = 0; i < c->facts.roles.count; i++) {
        if (c->phase >= 0 && c->facts.role_phases.items[i] != c->phase)
            continue;
        any = true;
        const RoleList *roles = &c->facts.roles.items[i]->roles;
        for (int k = 0; k < roles->count; k++)
            found |= roles->items[k].name.name == d->name.name;
    }
    if (any && !found)
        diag_error(c->diag, d->name.pos, "the kernel's own roles take warps, warpgroups, regs",
                   "kernel %s has roles, and none is named `%s`", kernel_name(c), d->name.name);
    else if (any && d->phrases.count > 0)
        diag_error(c->diag, d->phrases.items[0].words.items[0].pos, NULL,
                   "role %s stands in the kernel: its statements are its own", d->name.name);
}

static void check_subject(ScheduleCheck *c, Subject subject, Name name, Pos pos)
{
    switch (subject) {
    case LOOP: check_loop(c, name, pos); break;
    case VALUE: check_value(c, name, pos); break;
    case LOADED: check_tensor(c, name, pos, false); break;
    case STORED: check_tensor(c, name, pos, true); break;
    case PRODUCT: check_operation(c, name, pos, true); break;
    case SUM: check_operation(c, name, pos, false); break;
    case STATIC: check_static(c, name, pos); break;
    case NOTHING:
    case ROLE: break;
    }
}

static const char *const subject_text[] = {
    [LOOP] = "the index of a loop, or programs", [VALUE] = "a value", [LOADED] = "a tensor",
    [STORED] = "a tensor", [PRODUCT] = "the result of an mma", [SUM] = "the result of an fma",
    [STATIC] = "an int static", [ROLE] = "a role", [NOTHING] = "",
};

/* Words */

static void wrong_arguments(ScheduleCheck *c, const Row *r, Pos pos)
{
    const char *want = "";
    switch (r->arguments) {
    case INT: want = arena_format(c->arena, "one integer: %s(%d)", r->word, r->low ? 2 : 0); break;
    case INT_OR: want = arena_format(c->arena, "one integer, or %s", r->choices); break;
    case INTS: want = "integers"; break;
    case CHOICE: want = arena_format(c->arena, "one of %s", commas(c->arena, r->choices)); break;
    case TENSORS: want = "names of tensors"; break;
    case CLUSTER: want = "a number of blocks: cluster(2), cluster(2, share = a)"; break;
    case NO_ARGUMENTS:
    case NEXT: want = "no arguments"; break;
    }
    diag_error(c->diag, pos, NULL, "%s takes %s", r->word, want);
}

static bool is_choice(const Row *r, const Expr *x)
{
    return (x->kind == E_NAME && word_in(x->name, r->choices)) ||
           (x->kind == E_INT && x->integer < 1000 && r->choices[0] >= '0' && r->choices[0] <= '9' &&
            ((x->integer == 32 && word_in("32", r->choices)) ||
             (x->integer == 64 && word_in("64", r->choices)) ||
             (x->integer == 128 && word_in("128", r->choices))));
}

static void check_cluster(ScheduleCheck *c, const Row *r, const Word *w)
{
    const ExprList *args = &w->args;
    if (args->count < 1 || args->count > 2 || args->items[0]->kind == E_NAMED) {
        wrong_arguments(c, r, w->pos);
        return;
    }
    check_number(c, r, args->items[0]);
    if (args->count < 2)
        return;
    const Expr *x = args->items[1];
    if (x->kind != E_NAMED || strcmp(x->name, "share") != 0 || x->a->kind != E_NAME)
        diag_error(c->diag, x->pos, "cluster(2, share = a)", "cluster takes share = a tensor");
    else
        check_tensor(c, x->a->name, x->a->pos, false);
}

static void check_word_arguments(ScheduleCheck *c, const Row *r, const Word *w)
{
    const ExprList *args = &w->args;
    bool none = r->arguments == NO_ARGUMENTS || r->arguments == NEXT;
    bool many = r->arguments == INTS || r->arguments == TENSORS || r->arguments == CLUSTER;
    if (none ? w->has_args : args->count < 1 || (!many && args->count != 1)) {
        wrong_arguments(c, r, w->pos);
        return;
    }
    if (r->arguments == CLUSTER) {
        check_cluster(c, r, w);
        return;
    }
    for (int i = 0; i < args->count; i++) {
        const Expr *x = args->items[i];
        if ((r->arguments == INT_OR || r->arguments == CHOICE || r->arguments == TENSORS) &&
            args->count == 1 && is_choice(r, x))
            continue;
        if (r->arguments == CHOICE)
            wrong_arguments(c, r, x->pos);
        else if (r->arguments == TENSORS)
            check_tensor_expr(c, r, x);
        else
            check_number(c, r, x);
    }
}

/* A word that another part of the schedule or the target forbids. */
static void check_word_place(ScheduleCheck *c, const Row *directive, const Row *r, Pos pos)
{
    const char *d = directive->directive, *w = r->word;
    bool tma = strcmp(w, "tma") == 0, cluster = strcmp(w, "cluster") == 0;
    if (c->unit_word && (tma || cluster || strcmp(w, "cta_pair") == 0 || strcmp(w, "wgmma") == 0)) {
        diag_error(c->diag, pos, NULL, "%s needs unit block", w);
        diag_note(c->diag, c->unit, "the unit is %s here", c->unit_word);
    }
    bool sm100 = strcmp(w, "tmem") == 0 || strcmp(w, "cta_pair") == 0;
    if (sm100 && for_target(c, "sm90"))
        diag_error(c->diag, pos, "write a schedule of its own for sm100",
                   "%s exists on sm100 only; this schedule is for sm90%s", w,
                   for_target(c, "sm100") ? " too" : "");
    if (strcmp(w, "wgmma") == 0 && for_target(c, "sm100"))
        diag_error(c->diag, pos, "write a schedule of its own for sm90",
                   "wgmma exists on sm90 only; this schedule is for sm100%s",
                   for_target(c, "sm90") ? " too" : "");
    if (c->phase >= 0 && strcmp(d, "grid") == 0 && strcmp(w, "fuse") == 0)
        diag_error(c->diag, pos, NULL, "grid fuse joins all phases: it stands outside of them");
}

static bool word_given(const WordList *words, int from, int until, const Row *r, bool group)
{
    for (int i = from; i < until; i++) {
        const Word *w = &words->items[i];
        if (!w->name)
            continue;
        if (!group && strcmp(w->name, r->word) == 0)
            return true;
    }
    return false;
}

/* The word before `at` that excludes this one, NULL if none does. */
static const char *excluded_by(const Row *directive, const WordList *words, int from, int at,
                               const Row *r)
{
    for (int i = from; i < at && r->group; i++) {
        const Row *o = words->items[i].name ? word_row(directive, words->items[i].name) : NULL;
        if (o && o->group == r->group && o != r &&
            !(i > from && words->items[i - 1].name && !strcmp(words->items[i - 1].name, "via")))
            return o->word;
    }
    return NULL;
}

static int check_next(ScheduleCheck *c, const Row *r, const WordList *words, int at)
{
    const Word *next = at + 1 < words->count ? &words->items[at + 1] : NULL;
    if (next && next->name && !next->has_args && word_in(next->name, r->choices))
        return at + 1;
    diag_error(c->diag, next ? next->pos : words->items[at].pos, NULL, "%s is followed by %s",
               r->word, commas(c->arena, r->choices));
    return next ? at + 1 : at;
}

/* The words behind the directive's name and subject, from number `from` on. */
static void check_words(ScheduleCheck *c, const Row *directive, const WordList *words, int from)
{
    for (int i = from; i < words->count; i++) {
        const Word *w = &words->items[i];
        const Row *r = w->name ? word_row(directive, w->name) : NULL;
        if (!r) {
            const char **v = NEW_ARRAY(c->arena, const char *, ROWS);
            int n = 0;
            for (const Row *k = directive + 1; k < table + ROWS && !k->directive; k++)
                v[n++] = k->word;
            const char *hint = w->name ? nearest(c, w->name, v, n) : NULL;
            diag_error(c->diag, w->pos, hint ? hint : words_hint(c, directive),
                       w->name ? "unknown word `%s` of %s" : "%s%s takes words, not literals",
                       w->name ? w->name : "", directive->directive);
            continue;
        }
        const char *other = excluded_by(directive, words, from, i, r);
        if (word_given(words, from, i, r, false))
            diag_error(c->diag, w->pos, NULL, "`%s` twice", r->word);
        else if (other)
            diag_error(c->diag, w->pos, NULL, "%s: either %s or %s", directive->directive, other,
                       r->word);
        check_word_arguments(c, r, w);
        check_word_place(c, directive, r, w->pos);
        if (r->arguments == NEXT)
            i = check_next(c, r, words, i);
    }
}

static void check_needs(ScheduleCheck *c, const Row *directive, const WordList *words, int from,
                        Pos pos)
{
    for (int i = from; i < words->count; i++)
        if (!words->items[i].name || word_in(words->items[i].name, directive->needs) ||
            !word_row(directive, words->items[i].name))
            return;                  /* there, or a message has told of the word already */
    if (*directive->needs)
        diag_error(c->diag, pos, words_hint(c, directive), "%s without %s", directive->directive,
                   strchr(directive->needs, ' ')
                       ? arena_format(c->arena, "one of %s", commas(c->arena, directive->needs))
                       : directive->needs);
}

/* Directives */

static void check_once(ScheduleCheck *c, SaidList *list, const char *directive, Name subject,
                       Pos pos, const char *what)
{
    for (int i = 0; i < list->count; i++) {
        const Said *g = &list->items[i];
        if (strcmp(g->directive, directive) != 0 || g->subject != subject)
            continue;
        diag_error(c->diag, pos, NULL, "%s%s%s %s", directive, subject ? " " : "",
                   subject ? subject : "", what);
        diag_note(c->diag, g->pos, "the first is here");
        return;
    }
    PUSH(c->arena, list, ((Said){directive, subject, pos}));
}

/* The name a directive or phrase is about; the number of words up to its further words. */
static int check_named(ScheduleCheck *c, const Row *r, const WordList *words, Name *subject)
{
    *subject = NULL;
    if (r->subject == NOTHING)
        return 1;
    const Word *w = words->count > 1 ? &words->items[1] : NULL;
    if (!w || !w->name || w->has_args) {
        diag_error(c->diag, w ? w->pos : words->items[0].pos, NULL, "%s names %s first",
                   r->directive, subject_text[r->subject]);
        return w && !w->has_args ? 2 : 1;
    }
    *subject = w->name;
    check_subject(c, r->subject, w->name, w->pos);
    return 2;
}

static void check_unit(ScheduleCheck *c, const WordList *words)
{
    const Word *unit = words->count > 1 ? &words->items[1] : NULL;
    const char *name = unit && unit->name ? unit->name : "";
    bool block = strcmp(name, "block") == 0;
    if (!block && strcmp(name, "warp") && strcmp(name, "thread"))
        return;
    for (int i = 2; i < words->count; i++) {
        const char *w = words->items[i].name;
        if (w && ((block && !strcmp(w, "pack")) || (!block && !strcmp(w, "warps"))))
            diag_error(c->diag, words->items[i].pos, NULL, "unit %s takes %s(n), not %s(n)", name,
                       block ? "warps" : "pack", w);
    }
    if (!block && roles_here(c)) {
        diag_error(c->diag, unit->pos, NULL, "roles need unit block");
        diag_note(c->diag, roles_here(c)->pos, "the roles are here");
    }
}

static const char *directives_text(ScheduleCheck *c, const char *place)
{
    char *text = arena_format(c->arena, "%s", "");
    for (const Row *r = table; r < table + ROWS; r++)
        if (r->directive && strchr(r->place, *place))
            text = arena_format(c->arena, "%s%s%s", text, *text ? ", " : "", r->directive);
    return text;
}

static void unknown_directive(ScheduleCheck *c, const Word *w, const char *place)
{
    const char *v[ROWS];
    int n = 0;
    for (const Row *r = table; r < table + ROWS; r++)
        if (r->directive && strchr(r->place, *place))
            v[n++] = r->directive;
    const char *hint = w->name ? nearest(c, w->name, v, n) : NULL;
    bool phrase = *place == 'r';
    if (!hint)
        hint = arena_format(c->arena, "%s are %s", phrase ? "phrases" : "directives",
                            directives_text(c, place));
    diag_error(c->diag, w->pos, hint, phrase ? "unknown phrase `%s` of a role"
                                             : "unknown directive `%s`", w->name ? w->name : "");
}

static void check_directive(ScheduleCheck *c, const Directive *d)
{
    const Word *head = &d->words.items[0];
    const Row *r = directive_row(head->name);
    if (r && !strchr(r->place, 'd') && *r->place) {
        diag_error(c->diag, head->pos,
                   arena_format(c->arena, "role math { %s .. }", r->directive),
                   "%s stands in a role", r->directive);
        return;
    }
    if (!r || !*r->place) {
        unknown_directive(c, head, "d");
        return;
    }
    Name subject;
    int from = check_named(c, r, &d->words, &subject);
    check_words(c, r, &d->words, from);
    check_needs(c, r, &d->words, from, head->pos);
    if (strcmp(r->directive, "assert") != 0)
        check_once(c, &c->given, r->directive, subject, head->pos, "is given twice");
    if (strcmp(r->directive, "unit") == 0)
        check_unit(c, &d->words);
}

static void check_phrase(ScheduleCheck *c, const Phrase *p)
{
    const Word *head = &p->words.items[0];
    const Row *r = directive_row(head->name);
    if (!r || !strchr(r->place, 'r')) {
        unknown_directive(c, head, "r");
        return;
    }
    Name subject;
    int from = check_named(c, r, &p->words, &subject);
    check_words(c, r, &p->words, from);
    if (subject)
        check_once(c, &c->phrases, r->directive, subject, head->pos, "has a role already");
}

static void check_role(ScheduleCheck *c, const Directive *d)
{
    const Row *r = directive_row("role");
    if (c->unit_word) {
        diag_error(c->diag, d->pos, NULL, "roles need unit block");
        diag_note(c->diag, c->unit, "the unit is %s here", c->unit_word);
    }
    check_role_name(c, d);
    check_once(c, &c->given, r->directive, d->name.name, d->name.pos, "is given twice");
    check_words(c, r, &d->words, 0);
    for (int i = 0; i < d->phrases.count; i++)
        check_phrase(c, &d->phrases.items[i]);
}

/* The unit of a level, known before its other directives are read. */
static void find_unit(ScheduleCheck *c, const DirectiveList *list)
{
    for (int i = 0; i < list->count; i++) {
        const WordList *w = &list->items[i].words;
        if (list->items[i].kind != D_WORDS || strcmp(w->items[0].name, "unit") != 0 ||
            w->count < 2 || !w->items[1].name)
            continue;
        bool block = !strcmp(w->items[1].name, "block");
        c->unit_word = block ? NULL : w->items[1].name;
        c->unit = w->items[1].pos;
        return;
    }
}

static void check_level(ScheduleCheck *c, const DirectiveList *list);

static void check_phase(ScheduleCheck *c, const Directive *d)
{
    struct { const char **items; int count, capacity; } names = {0};
    int phase = -1;
    for (int i = 0; i < c->facts.phases.count; i++) {
        Name name = phase_name(c->facts.phases.items[i]);
        if (name)
            PUSH(c->arena, &names, name);
        if (name == d->name.name)
            phase = i;
    }
    if (c->phase >= 0) {
        diag_error(c->diag, d->pos, NULL, "phases do not nest");
        return;
    }
    check_once(c, &c->given, "phase", d->name.name, d->name.pos, "is given twice");
    if (phase < 0) {
        diag_error(c->diag, d->name.pos,
                   names.count ? nearest(c, d->name.name, names.items, names.count)
                               : "@name par (..) names a phase",
                   "kernel %s has no phase `%s`", kernel_name(c), d->name.name);
        return;
    }
    ScheduleCheck inner = *c;
    inner.phase = phase;
    inner.given = inner.phrases = (SaidList){0};
    check_level(&inner, &d->body);
}

static void check_level(ScheduleCheck *c, const DirectiveList *list)
{
    find_unit(c, list);
    for (int i = 0; i < list->count && !diag_full(c->diag); i++) {
        const Directive *d = &list->items[i];
        switch (d->kind) {
        case D_LET:
        case D_TUNE:
        case D_REQUIRE:
            if (c->phase >= 0)
                diag_error(c->diag, d->pos, "it is common to all phases",
                           "%s stands outside of the phases",
                           d->kind == D_REQUIRE ? "require" : "let");
            break;
        case D_WORDS: check_directive(c, d); break;
        case D_ROLE: check_role(c, d); break;
        case D_PHASE: check_phase(c, d); break;
        }
    }
}

bool schedule_check(Arena *arena, Diag *diag, const Program *program, const Item *kernel,
                    const Item *schedule)
{
    int before = diag->errors;
    ScheduleCheck c = {.arena = arena, .diag = diag, .program = program, .kernel = kernel,
                       .schedule = schedule, .phase = -1};
    c.facts = kernel_facts(arena, kernel);
    check_level(&c, &schedule->directives);
    return diag->errors == before;
}
