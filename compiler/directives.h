/* What the schedule says of a phase, and who honours it (R15): a word of a directive that no pass
 * has honoured when the phase is emitted is an error at its place. */
#ifndef TILE_DIRECTIVES_H
#define TILE_DIRECTIVES_H

#include "compiler/lower.h"

/* The directive `verb subject` (subject NULL: the verb has none) that holds for the phase: one in
 * its own block goes before one outside. NULL: none is given. */
const Directive *directive_find(const Lowered *, const PhasePlan *, const char *verb,
                                const char *subject);
/* One of its words; that behind `via` is a word of its own. NULL: it is not said, or there is no
 * directive. */
const Word *directive_word(const Directive *, const char *word);
/* The word is done in the phase, or there is nothing in it that it could mean. */
void directive_honour(const Lowered *, const PhasePlan *, const Word *);
/* directive_find, directive_word and directive_honour in one. */
const Word *directive_take(const Lowered *, const PhasePlan *, const char *verb,
                           const char *subject, const char *word);
/* "load x cache(stream)": has the directive that word, or a word with that argument? It is honoured
 * then. */
bool directive_says(const Lowered *, const PhasePlan *, const char *verb, const char *subject,
                    const char *word);
/* An argument of a word, or the first: a number of the schedule's. False after a message. */
bool directive_integer(const Lowered *, const Expr *, int64_t *out);
bool directive_number(const Lowered *, const Word *, int *out);

/* Calls `each` for every directive of words that holds for the phase: those of its own block, and
 * those outside that none of them replaces. */
typedef bool DirectiveFn(void *context, const Directive *);
bool directives_each(const Lowered *, const PhasePlan *, DirectiveFn *, void *context);

/* Whether the phase has what a directive speaks of; what is computed for nothing is not there.
 * `live`: by Value.id. */
typedef struct Presence {
    const Lowered *low;
    const PhasePlan *plan;
    const bool *live;
} Presence;
/* False after a message: a word that holds for the phase was not honoured. */
bool directives_done(const Presence *);

#endif
