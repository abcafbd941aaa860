/* In which orders a variant adds up floats: what a row's bits depend on (R8, R15). */
#ifndef TILE_SUM_ORDERS_H
#define TILE_SUM_ORDERS_H

#include "compiler/ir.h"
#include "compiler/program.h"

/* One place that adds. */
typedef struct SumOrdered {
    Pos pos;
    bool loop;         /* a loop that accumulates; else a sum, scan or product */
    const char *shape; /* what is added up: the extent, the loop's bounds */
    const char *plan;  /* in which order; "" where the language fixes it */
} SumOrdered;

typedef struct SumOrders {
    Arena *arena;
    const Expr *when; /* of the variant */
    int number;
    struct {
        SumOrdered *items;
        int count, capacity;
    } list;
} SumOrders;

/* Of a variant that a call may take or leave for another schedule; NULL: it has only one. */
SumOrders *sum_orders_new(Arena *, const Variant *);
/* What the program itself says: after elaboration, before passes. NULL: nothing to do. */
void sum_orders_of_program(SumOrders *, const Kernel *);
/* The recorded plans of default sums: after them. */
void sum_orders_of_plans(SumOrders *, const Kernel *);
/* Reports where two schedules of the kernel give a row other bits; false then. */
bool sum_orders_agree(Diag *, const Item *kernel, const SumOrders *, const SumOrders *);

#endif
