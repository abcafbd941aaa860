/* Inside the choice of variants; prototypes by the file that defines them. */
#ifndef TILE_VARIANT_H
#define TILE_VARIANT_H

#include "compiler/elab.h"

typedef struct Choice {
    Program *program;
    const Item *kernel, *instances;
    Elab elab; /* evaluates constants; its scope holds what is chosen */
    Variant variant;
    const VariantRequest *request; /* NULL: every variant */
    const char *target;            /* schedules for it; NULL: every schedule, or the first */
    VariantFn *each;
    void *context;
    bool failed, passed; /* passed: the variant's `where` holds */
    int found;
    int probe; /* which guess for statics that nothing gives a value */
    bool guessed;
    bool all_forms; /* also those that do not tell variants apart */
} Choice;

/* What was chosen up to a point, so that it can be taken back. */
typedef struct Mark {
    int statics, forms, params;
    ScopeName *scope;
} Mark;

/* ---- variant.c ---- */

Mark choice_mark(const Choice *);
void choice_release(Choice *, Mark);
/* Binds a setting in the evaluation scope. */
void choice_remember(Choice *, SettingList *, Ident, Setting, const Term *);
/* A name that stands for a value of the run. */
void choice_bind(Choice *, Ident, Term);
/* The setting that a constant term is; false if it is none. */
bool choice_setting(Choice *, Pos, const Term *, Setting *);
/* Does the value suit the static's kind? Reports if not. */
bool choice_suits(Choice *, const Static *, Pos, const Setting *);
/* A condition: 1 true, 0 false, -1 not a constant, -2 after a message. alias(x, y) is no part. */
int choice_condition(Choice *, const Expr *, const char *what);

/* What -s gives a name; NULL: nothing. */
Given *choice_given(const Choice *, Name);
bool choice_given_int(const char *text, int64_t *);
/* Reports what is wrong with it; false. */
bool choice_given_failed(Choice *, const Given *, const char *what);
bool choice_given_static(Choice *, const Static *, Given *, Setting *, Term *);

/* ---- variant_schedule.c ---- */

/* Goes on with each schedule that the variant so far may run with, in written order. */
void choice_schedules(Choice *);

/* ---- schedule_numbers.c ---- */

/* The numbers of the schedule's words, where its parameters and the statics are in scope. False
 * after a message. */
bool schedule_numbers(Choice *, const Item *schedule);

#endif
