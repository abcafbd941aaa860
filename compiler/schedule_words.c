/* The words of directives and their arguments, against the table in schedule.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/schedule_check.h"
#include "dsl/builtins.h"

static const Row table[] = {
#define D(name, subject, place, needs) {#name, subject, place, needs, NULL, 0, 0, 0, NULL, 0},
#define W(word, arguments, low, high, choices, group) \
    {NULL, 0, NULL, NULL, #word, arguments, low, high, choices, group},
    SCHEDULE_DIRECTIVES(D, W)
#undef D
#undef W
};
enum { ROWS = sizeof table / sizeof *table };

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

const char *nearest_of(ScheduleCheck *c, const char *name, const char *const *v, int n)
{
    const char *found = diag_nearest(name, v, n);
    return found ? arena_format(c->arena, "did you mean `%s`?", found) : NULL;
}

const Row *directive_row(const char *name)
{
    for (const Row *r = table; r < table + ROWS; r++)
        if (r->directive && strcmp(r->directive, name) == 0)
            return r;
    return NULL;
}

const char **directive_names(ScheduleCheck *c, char place, int *count)
{
    const char **v = NEW_ARRAY(c->arena, const char *, ROWS);
    *count = 0;
    for (const Row *r = table; r < table + ROWS; r++)
        if (r->directive && strchr(r->place, place))
            v[(*count)++] = r->directive;
    return v;
}

const Row *word_row(const Row *directive, const char *name)
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
    return *out<limit && * out> - limit;
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
        struct {
            const char **items;
            int count, capacity;
        } v = {0};
        for (int i = 0; i < c->schedule->directives.count; i++)
            if (c->schedule->directives.items[i].name.name)
                PUSH(c->arena, &v, c->schedule->directives.items[i].name.name);
        for (int i = 0; i < c->kernel->statics.count; i++)
            PUSH(c->arena, &v, c->kernel->statics.items[i].name.name);
        ok = diag_error(c->diag, x->pos, nearest_of(c, x->name, v.items, v.count),
                        "unknown name `%s`", x->name);
    }
    for (int i = 0; i < x->args.count; i++)
        ok = names_known(c, x->args.items[i]) && ok;
    return names_known(c, x->a) && names_known(c, x->b) && names_known(c, x->c) && ok;
}

bool takes_numbers(const Row *r)
{
    return r->arguments == INT || r->arguments == INT_OF || r->arguments == INT_OR ||
           r->arguments == INTS || r->arguments == CLUSTER;
}

const char *number_wrong(Arena *a, const Row *r, int64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)n);
    if (r->arguments == INT_OF)
        return word_in(text, r->choices) ? NULL
                                         : arena_format(a, "%s(%s): one of %s is possible", r->word,
                                                        text, commas(a, r->choices));
    if (n < r->low || n > r->high)
        return arena_format(a, "%s(%s): from %d to %d is possible", r->word, text, r->low, r->high);
    if (r->arguments == INT && *r->choices && n % atoi(r->choices) != 0)
        return arena_format(a, "%s(%s): a multiple of %s is possible", r->word, text, r->choices);
    if (strcmp(r->word, "vector") == 0 && (n & (n - 1)) != 0)
        return arena_format(a, "vector(%s): the bytes of a vector are a power of 2", text);
    return NULL;
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
    const char *wrong = number_wrong(c->arena, r, n);
    if (wrong)
        diag_error(c->diag, x->pos, NULL, "%s", wrong);
}

/* Words */

static void check_tensor_expr(ScheduleCheck *c, const Row *r, const Expr *x)
{
    if (x->kind == E_NAME)
        check_tensor(c, x->name, x->pos, false);
    else
        diag_error(c->diag, x->pos, NULL, "%s takes names of tensors", r->word);
}

static void wrong_arguments(ScheduleCheck *c, const Row *r, Pos pos)
{
    const char *want = "";
    switch (r->arguments) {
    case INT:
        want = arena_format(c->arena, "one integer: %s(%d)", r->word, r->low ? 2 : 0);
        break;
    case INT_OR:
        want = arena_format(c->arena, "one integer, or %s", r->choices);
        break;
    case INTS:
        want = "integers";
        break;
    case CHOICE:
    case INT_OF:
        want = arena_format(c->arena, "one of %s", commas(c->arena, r->choices));
        break;
    case TENSORS:
        want = "names of tensors";
        break;
    case CLUSTER:
        want = "a number of blocks: cluster(2), cluster(2, share = a)";
        break;
    case NO_ARGUMENTS:
    case NEXT:
        want = "no arguments";
        break;
    }
    diag_error(c->diag, pos, NULL, "%s takes %s", r->word, want);
}

bool word_choice(const Row *r, const Expr *x)
{
    return x->kind == E_NAME && word_in(x->name, r->choices);
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
            args->count == 1 && word_choice(r, x))
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

static bool word_given(const WordList *words, int from, int until, const char *name)
{
    for (int i = from; i < until; i++)
        if (words->items[i].name && strcmp(words->items[i].name, name) == 0)
            return true;
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
void check_words(ScheduleCheck *c, const Row *directive, const WordList *words, int from)
{
    for (int i = from; i < words->count; i++) {
        const Word *w = &words->items[i];
        const Row *r = w->name ? word_row(directive, w->name) : NULL;
        if (!r) {
            const char **v = NEW_ARRAY(c->arena, const char *, ROWS);
            int n = 0;
            for (const Row *k = directive + 1; k < table + ROWS && !k->directive; k++)
                v[n++] = k->word;
            const char *hint = w->name ? nearest_of(c, w->name, v, n) : NULL;
            diag_error(c->diag, w->pos, hint ? hint : words_hint(c, directive),
                       w->name ? "unknown word `%s` of %s" : "%s%s takes words, not literals",
                       w->name ? w->name : "", directive->directive);
            continue;
        }
        const char *other = excluded_by(directive, words, from, i, r);
        if (word_given(words, from, i, r->word))
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

void check_needs(ScheduleCheck *c, const Row *directive, const WordList *words, int from, Pos pos)
{
    for (int i = from; i < words->count; i++)
        if (!words->items[i].name || word_in(words->items[i].name, directive->needs) ||
            !word_row(directive, words->items[i].name))
            return; /* there, or a message has told of the word already */
    if (*directive->needs)
        diag_error(c->diag, pos, words_hint(c, directive), "%s without %s", directive->directive,
                   strchr(directive->needs, ' ')
                       ? arena_format(c->arena, "one of %s", commas(c->arena, directive->needs))
                       : directive->needs);
}
