/* How often something happens, as a normal form: a sum of products of atoms. Equal forms are equal
 * numbers; different forms may be equal too, which nobody can see then. */
#ifndef TILE_COUNTS_H
#define TILE_COUNTS_H

#include "compiler/ir.h"

typedef struct Sum Sum;

/* A quantity that is not taken apart further. Equal ones are one atom. */
typedef struct Atom {
    int id;
    const char *key, *text;
    bool is_trip;         /* the number of rounds of a loop */
    bool is_condition;    /* 0 or 1 */
    bool is_opaque;       /* computed by a role in a way that is not followed */
    bool infix;           /* `text` needs parentheses in a product */
    uint64_t loops;       /* loops whose indices it depends on, by depth */
    const Sum *num, *den; /* of a floor division */
} Atom;

typedef struct Product {
    int64_t factor;
    int count;
    const Atom **atoms;
} Product;
struct Sum {
    int count;
    Product *items;
    bool too_large;
};

typedef struct Counts {
    Arena *arena;
    const Op *roles;
    struct {
        Atom **items;
        int count, capacity;
    } atoms;
    struct {
        const Value **keys;
        const Sum **sums;
        int count, capacity;
    } memo;
    int depth;   /* of loops around what is looked at */
    int nesting; /* of value_sum in itself */
} Counts;

/* sums.c */
Sum sum_constant(Counts *, int64_t);
Sum sum_of_atom(Counts *, const Atom *);
Sum sum_add(Counts *, Sum, Sum, int64_t factor); /* a + factor * b */
Sum sum_multiply(Counts *, Sum, Sum);
bool sum_equal(const Sum *, const Sum *);
bool sum_is_constant(const Sum *, int64_t *);
bool sum_is_opaque(const Sum *);
uint64_t sum_loops(const Sum *);        /* union of the atoms' loops */
bool sum_divides(const Sum *, int64_t); /* every factor is a multiple */
Sum sum_divided(Counts *, const Sum *, int64_t);
char *sum_text(Counts *, const Sum *);
char *sum_operand_text(Counts *, const Sum *); /* in parentheses where it needs them */
bool sum_is_compound(const Sum *);
/* The identity of a sum: numbers of atoms instead of their keys, so that it stays short. */
char *sum_key(Counts *, const Sum *);

/* counts.c */

/* An integer or bool scalar, or what stands for a tile. */
Sum value_sum(Counts *, const Value *);
/* Names the indices of a loop by its depth; FOR and SHARE. Then c->depth is one more inside. */
void enter_loop(Counts *, const Op *loop);
void leave_loop(Counts *);
/* The rounds of a loop; of SHARE, those of one part. */
Sum loop_trips(Counts *, const Op *loop);
/* `each` added up over the rounds of a loop that was just left. */
Sum loop_total(Counts *, const Op *loop, Sum each);

/* The tensor parameter or local that a view or entry stands for. */
const Value *tensor_root(const Value *);

#endif
