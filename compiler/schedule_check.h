/* What the files of the check of schedules share. */
#ifndef TILE_SCHEDULE_CHECK_H
#define TILE_SCHEDULE_CHECK_H

#include "compiler/schedule.h"

typedef enum Subject { NOTHING, LOOP, VALUE, LOADED, STORED, PRODUCT, SUM, STATIC, ROLE } Subject;

typedef enum Arguments {
    NO_ARGUMENTS,
    INT,
    INT_OF,
    INT_OR,
    INTS,
    CHOICE,
    TENSORS,
    CLUSTER,
    NEXT
} Arguments;

typedef struct Row {
    const char *directive; /* NULL: a word of the directive above */
    Subject subject;
    const char *place, *needs;
    const char *word;
    Arguments arguments;
    int low, high;
    const char *choices;
    int group;
} Row;

typedef struct Said {
    const char *directive;
    Name subject;
    Pos pos;
} Said;
typedef struct SaidList {
    Said *items;
    int count, capacity;
} SaidList;

typedef struct ScheduleCheck {
    Arena *arena;
    Diag *diag;
    const Program *program;
    const Item *kernel, *schedule;
    KernelFacts facts;
    int phase;             /* whose block we are in, -1: outside */
    Pos unit;              /* of the word warp or thread that holds here */
    const char *unit_word; /* NULL: block */
    SaidList given;        /* directives of this level */
    SaidList phrases;      /* of all roles of this level */
} ScheduleCheck;

/* schedule_words.c */
const Row *directive_row(const char *name);
const Row *word_row(const Row *directive, const char *name);
bool takes_numbers(const Row *word);
/* Is the argument one of the word's choices? */
bool word_choice(const Row *word, const Expr *argument);
/* What is wrong with the number as the word's argument; NULL: nothing. */
const char *number_wrong(Arena *, const Row *word, int64_t);
/* The directives that may stand at a place: 'd', or 'r' in a role. */
const char **directive_names(ScheduleCheck *, char place, int *count);
/* The words behind the directive's name and subject, from number `from` on. */
void check_words(ScheduleCheck *, const Row *directive, const WordList *, int from);
/* One of the words that the directive needs is there. */
void check_needs(ScheduleCheck *, const Row *directive, const WordList *, int from, Pos);
/* "did you mean `x`?", NULL if no candidate is near. */
const char *nearest_of(ScheduleCheck *, const char *name, const char *const *, int count);

/* schedule_subjects.c: what directives are about. */
extern const char *const subject_text[];
void check_subject(ScheduleCheck *, Subject, Name, Pos);
/* A tensor that is loaded (or stored) here. */
void check_tensor(ScheduleCheck *, Name, Pos, bool store);
void check_role_name(ScheduleCheck *, const Directive *);
/* The `roles` of the kernel or phase, NULL if it has none. */
const Stmt *roles_here(const ScheduleCheck *);
const Static *static_of(const ScheduleCheck *, Name);
const char *kernel_name(const ScheduleCheck *);

#endif
