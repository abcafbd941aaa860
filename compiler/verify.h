/* Inside the verifier: verify.c has the walk, verify_control.c regions,
 * verify_types.c values, verify_memory.c tensors. */
#ifndef TILE_VERIFY_H
#define TILE_VERIFY_H

#include "compiler/ir.h"

enum { MAX_NESTING = 200 };
#define MAX_EXTENT ((int64_t)1 << 40)
#define MAX_ELEMENTS ((int64_t)1 << 31)

typedef struct ValueSlot {
    const Value *value;
    bool visible;
} ValueSlot;

typedef struct Verifier {
    Arena *arena;
    const Kernel *kernel;
    const char *message; /* what is wrong; NULL so far */
    ValueSlot *slots;    /* by id, open addressing */
    size_t slot_count, slots_used;
    const Value **scope; /* visible values in order of definition */
    size_t scope_count, scope_capacity;
    const Op **producers; /* a PUT of each pipe seen, and its role */
    const Region **producer_roles;
    int producer_count, producer_capacity;
} Verifier;

/* Sets the message once, with the op and its place before it; returns false. */
bool verify_fail(Verifier *, const Op *, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "bf16[2, 128]", for messages. */
const char *verify_type_text(Verifier *, const Value *);

bool verify_is_scalar(const Value *, DType); /* a rank-0 tile of that element type */
bool verify_is_int_scalar(const Value *);
bool verify_is_tile(const Value *);
bool verify_axis(Verifier *, const Op *, const Type *);
bool verify_result(Verifier *, const Op *, int index, const Type *want);

/* verify_types.c. What is wrong with a type, or NULL. */
const char *verify_type(const Type *);
bool verify_values(Verifier *, const Op *);
/* verify_plan.c: the op's plan, if it has one. */
bool verify_plan(Verifier *, const Op *);
/* verify_memory.c */
bool verify_memory(Verifier *, const Op *);

/* verify_control.c. `role` is the role around the op, `owner` the op whose region `index` it is in;
 * NULL where there is none. */
bool verify_control(Verifier *, const Op *, const Region *role, const Op *owner, int index);
/* A region of `owner` ends in YIELD or CONTINUE. */
bool verify_end(Verifier *, const Op *owner, int index);
/* All of the op's branches end in CONTINUE: nothing may follow it. */
bool verify_diverges(const Op *);

#endif
