/* Directives against the table in schedule.h and against the kernel they speak of. */
#include <string.h>

#include "compiler/schedule_check.h"

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
    if (!block && strcmp(name, "warp") && strcmp(name, "lanes") && strcmp(name, "thread"))
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

static void unknown_directive(ScheduleCheck *c, const Word *w, bool phrase)
{
    int n;
    const char **v = directive_names(c, phrase ? 'r' : 'd', &n);
    const char *hint = w->name ? nearest_of(c, w->name, v, n) : NULL;
    char *all = arena_format(c->arena, "%s are ", phrase ? "phrases" : "directives");
    for (int i = 0; i < n; i++)
        all = arena_format(c->arena, "%s%s%s", all, i ? ", " : "", v[i]);
    diag_error(c->diag, w->pos, hint ? hint : all,
               phrase ? "unknown phrase `%s` of a role" : "unknown directive `%s`",
               w->name ? w->name : "");
}

static void check_directive(ScheduleCheck *c, const Directive *d)
{
    const Word *head = &d->words.items[0];
    const Row *r = directive_row(head->name);
    if (r && !strchr(r->place, 'd') && *r->place) {
        diag_error(c->diag, head->pos, arena_format(c->arena, "role math { %s .. }", r->directive),
                   "%s stands in a role", r->directive);
        return;
    }
    if (!r || !*r->place) {
        unknown_directive(c, head, false);
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
        unknown_directive(c, head, true);
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
    struct {
        const char **items;
        int count, capacity;
    } names = {0};
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
                   names.count ? nearest_of(c, d->name.name, names.items, names.count)
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
        case D_WORDS:
            check_directive(c, d);
            break;
        case D_ROLE:
            check_role(c, d);
            break;
        case D_PHASE:
            check_phase(c, d);
            break;
        }
    }
}

bool schedule_check(Arena *arena, Diag *diag, const Program *program, const Item *kernel,
                    const Item *schedule)
{
    int before = diag->errors;
    ScheduleCheck c = {.arena = arena,
                       .diag = diag,
                       .program = program,
                       .kernel = kernel,
                       .schedule = schedule,
                       .phase = -1};
    c.facts = kernel_facts(arena, kernel);
    check_level(&c, &schedule->directives);
    return diag->errors == before;
}
