/* The debugger: stops a run before an operation, looks at what the program sees. */
#ifndef TILE_DEBUG_H
#define TILE_DEBUG_H

#include "compiler/command.h"
#include "compiler/elab.h"
#include "compiler/interp/interp_internal.h"
#include "compiler/interp/roles.h"

typedef struct Breakpoint {
    int number;
    int line;              /* 0: of a program */
    const char *file;      /* base name; NULL: the kernel's file */
    int64_t program;       /* -1: every program */
    const char *condition; /* NULL: none */
    const char *wrong;     /* why the condition had no value, the first time */
    bool judged;           /* the condition had a value somewhere */
} Breakpoint;

/* Where a role (or what is outside of roles) is. */
typedef struct Place {
    const Insn *insn;
    int line;
} Place;

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
    Place places[MAX_ROLES + 1]; /* by role, -1 first */
    struct {
        const Op **items; /* the loads of a line, the last that had any */
        int count, capacity;
    } loads;
    char *last_command;
};

/* debug_eval.c */

/* A name of the program at `next`, the innermost first. */
typedef void NameFn(void *context, const char *name, const Value *);
void debug_names(const Op *next, NameFn *, void *context);
/* Evaluates and prints an expression; false after a message. */
bool debug_print(Debugger *, const char *text);
/* The breakpoint's condition; false where it has no value, of which b->wrong keeps the reason. */
bool debug_condition(Debugger *, Breakpoint *b);
/* False after a message: no expression. */
bool debug_parses(Debugger *, const char *text);
void debug_locals(Debugger *);

/* debug_load.c */

/* Takes note of a load that is about to run. */
void debug_note_load(Debugger *, const Op *load);
/* Which elements of the loads of the last line that loaded were outside their tensors (R3). */
void debug_outside(Debugger *);
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
