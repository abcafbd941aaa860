/* The text of a kernel in the making: a tree of C statements, and what they do to memory.
 *
 * The emitter appends statements; those that touch memory other threads may touch say so by
 * effects. When a phase is complete, statement.c gives shared buffers their places and puts a
 * barrier wherever two effects meet that need one (R12). Nothing is inserted by recognising a
 * pattern.
 */
#ifndef TILE_STATEMENT_H
#define TILE_STATEMENT_H

#include <stdio.h>

#include "compiler/layout.h"

typedef struct Statement Statement;
typedef struct Touched Touched; /* statement.c */

/* A piece of shared memory that is written and read between two of its statements. */
typedef struct Buffer {
    const char *name;
    const char *type; /* C type of its elements */
    size_t bytes;
    bool fixed;      /* lives for the whole phase (locals that outlive a loop round) */
    int first, last; /* numbers of the statements between which it is in use */
    size_t offset;   /* place in the unit's shared memory, a multiple of: */
    size_t align;    /* 16 at least */
    Statement *declared;
} Buffer;

/* One access. Two accesses of one place, one of them a write, need a barrier between them, unless
 * every thread meets only what it touched itself. */
typedef struct Effect {
    const Buffer *buffer; /* or */
    const Op *memory;     /* a tensor, or a local; NULL: nobody writes it */
    const Op *tensor;     /* the tensor in global memory; NULL: none */
    bool write;
    /* Accesses with equal `op` places and layouts, both `own`, are each thread's own. */
    bool own;
    const Op *op;
    Layout layout;
} Effect;

typedef enum StatementKind {
    STATEMENT_TEXT,
    STATEMENT_BUFFER, /* the pointer to a buffer */
    STATEMENT_SYNC,   /* a barrier of the unit */
    STATEMENT_MEET,   /* text that is a barrier for all that came before (grid_sync) */
    STATEMENT_BLOCK,  /* header { body } */
    STATEMENT_THEN,
    STATEMENT_ELSE, /* follows a THEN */
    STATEMENT_LOOP,
    STATEMENT_ROLES /* blocks that parts of the threads run at the same time */
} StatementKind;

struct Statement {
    StatementKind kind;
    const char *place;      /* #line directive for what is printed of it; NULL: none */
    const char *text;       /* without indentation and newline; of blocks: the header */
    const char *optional;   /* the variable it declares; printed if another text has it */
    bool jumps;             /* to the next round of the innermost loop, or out of the program */
    const Op *apart;        /* of a block: a condition that programs of one warp may differ in */
    bool programs;          /* of a block: what a program does, under a condition or in a loop */
    const char *sync;       /* of a role: the text of a barrier of its threads, */
    Touched *left;          /* and what it has touched since its last one */
    const char *last_round; /* of such a loop: a condition that its last round fulfils */
    int number;
    Buffer *buffer;
    struct {
        Effect *items;
        int count, capacity;
    } effects;
    Statement *parent, *first, *last, *prev, *next;
};

typedef struct Statements {
    Arena *arena;
    Statement *root, *block; /* statements are appended to `block` */
    struct {
        Effect *items;
        int count, capacity;
    } pending; /* effects of the next statement */
    struct {
        Buffer **items;
        int count, capacity;
    } buffers;
    const char *place;   /* of the next statements */
    size_t shared_bytes; /* after statements_finish: of one unit, a multiple of: */
    size_t align;        /* what its buffers ask for */
    int syncs;           /* how many barriers were put in */
} Statements;

void statements_start(Statements *, Arena *);
/* Appends; takes the pending effects. */
Statement *statement_add(Statements *, StatementKind, const char *text);
/* Puts one without effects behind another, in that one's block. */
Statement *statement_add_behind(Statements *, Statement *, const char *text);
/* Blocks stay open until statement_close. */
Statement *statement_open(Statements *, StatementKind, const char *header);
void statement_close(Statements *);
/* Text beside a statement, without effects. */
Statement *statement_before(Statements *, Statement *, const char *text);
Statement *statement_after(Statements *, Statement *, const char *text);
/* An effect of the next statement. */
void statement_effect(Statements *, Effect);
Buffer *statement_buffer(Statements *, const char *name, const char *type, size_t bytes);
/* The same, declared behind a statement, for the whole phase. */
Buffer *statement_buffer_behind(Statements *, Statement *, const char *name, const char *type,
                                size_t bytes);

/* Places the buffers and puts in barriers; `reuse` bytes and more: buffers of more than `apart`
 * bytes share places. */
void statements_finish(Statements *, size_t reuse, size_t apart, bool barriers);
/* Prints all, `indent` levels deep; `sync`: the text of a barrier. */
void statements_print(const Statements *, FILE *, int indent, const char *sync);

#endif
