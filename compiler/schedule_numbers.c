/* The numbers of directives' words, once the variant has made them constants. */
#include <string.h>

#include "compiler/schedule_check.h"
#include "compiler/variant.h"

/* An argument of a word: a number, unless it is a word itself: stages(max). */
static bool take_number(Choice *c, const Row *r, const Expr *x)
{
    WordNumber n = {x, 0};
    Term t;
    if ((r->arguments == INT_OR && word_choice(r, x)) || x->kind == E_NAMED)
        return true;
    t = elab_expr(&c->elab, x);
    if (t.kind == T_ERROR)
        return false;
    if (t.kind != T_INT || t.i > INT64_MAX || t.i < INT64_MIN)
        return diag_error(c->program->diag, x->pos,
                          t.kind == T_VALUE
                              ? "a number, or an expression of statics and schedule parameters"
                              : NULL,
                          "%s takes a constant integer, not %s", r->word,
                          t.kind == T_INT ? "so large a one" : term_text(&c->elab, &t));
    n.value = (int64_t)t.i;
    const char *wrong = number_wrong(c->program->arena, r, n.value);
    if (wrong)
        return diag_error(c->program->diag, x->pos,
                          arena_format(c->program->arena, "in the variant %s",
                                       variant_text(c->program, &c->variant)),
                          "%s", wrong);
    PUSH(c->program->arena, &c->variant.numbers, n);
    return true;
}

static bool take_words(Choice *c, const char *directive, const WordList *words)
{
    const Row *d = directive_row(directive);
    bool ok = true;
    for (int i = 0; d && i < words->count; i++) {
        const Word *w = &words->items[i];
        const Row *r = w->name && w->has_args ? word_row(d, w->name) : NULL;
        for (int k = 0; r && takes_numbers(r) && k < w->args.count; k++)
            ok = take_number(c, r, w->args.items[k]) && ok;
    }
    return ok;
}

static bool take_directives(Choice *c, const DirectiveList *list)
{
    bool ok = true;
    for (int i = 0; i < list->count; i++) {
        const Directive *d = &list->items[i];
        if (d->kind == D_WORDS)
            ok = take_words(c, d->words.items[0].name, &d->words) && ok;
        else if (d->kind == D_ROLE)
            ok = take_words(c, "role", &d->words) && ok;
        for (int k = 0; k < d->phrases.count; k++)
            ok = take_words(c, d->phrases.items[k].words.items[0].name,
                            &d->phrases.items[k].words) &&
                 ok;
        ok = take_directives(c, &d->body) && ok;
    }
    return ok;
}

bool schedule_numbers(Choice *c, const Item *schedule)
{
    return take_directives(c, &schedule->directives);
}
