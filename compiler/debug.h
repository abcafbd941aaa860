/* The debugger: stops a run before an operation, looks at what the program sees. */
#ifndef TILE_DEBUG_H
#define TILE_DEBUG_H

#include "compiler/command.h"
#include "compiler/elab.h"
#include "compiler/interp/interp_internal.h"

typedef struct Breakpoint {
    int number;
    int line;              /* 0: of a program */
    const char *file;      /* base name; NULL: the kernel's file */
    int64_t program;       /* -1: every program */
    const char *condition; /* NULL: none */
    const Op *first;       /* the op at which it stopped, to stop there in a loop again */
} Breakpoint;

typedef enum StepMode { STEP_RUN, STEP_LINE, STEP_OVER, STEP_PROGRAM } StepMode;

struct Debugger {
    RunPlan *plan;
    Arena *arena;
    FILE *out;
    bool interactive, quit, ended;
    struct {
        Breakpoint *items;
        int count, capacity;
    } breaks;
    int next_number;
    StepMode mode;
    int stop_line; /* where the step began */
    const Item *stop_item;
    bool watch_nan, watch_inf;
    /* The program that is stopped. */
    Task *task;
    const Op *next;
    /* What ran before it. */
    const Op *last;
    int64_t last_program;
    int last_line;
    const Op *last_load;
    char *last_command;
};

/* debug_eval.c */

/* A name of the program at `next`, the innermost first. */
typedef void NameFn(void *context, const char *name, const Value *);
void debug_names(const Op *next, NameFn *, void *context);
/* Evaluates and prints an expression; false after a message. */
bool debug_print(Debugger *, const char *text);
/* A bool scalar; false too after a message. */
bool debug_condition(Debugger *, const char *text);
void debug_locals(Debugger *);

/* debug_load.c */

/* Which elements of a load were outside its tensor (R3). */
void debug_outside(Debugger *, const Op *load);
/* The value has a NaN (or Inf) among its elements: its index, else -1. */
int64_t debug_find_special(const Task *, const Value *, bool nan, bool inf);

/* debug_command.c */

/* Reads and runs commands until the program shall go on. */
void debug_prompt(Debugger *);
void debug_where(Debugger *);
void debug_list(Debugger *, int line, int around);
/* The line of an op, the base name of its file. */
int op_line(const Op *);
const char *op_file(const Op *);
/* The function or kernel that a place lies in. */
const Item *item_at(const Program *, Pos);
/* The role an op belongs to, or NULL. */
const char *op_role(const Op *);

#endif
