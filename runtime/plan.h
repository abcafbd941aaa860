/* What the host does before a launch, as data: the compiler writes it, the runtime's one engine
 * runs it, for built libraries, for the JIT and for `tilec run --device cuda`.
 *
 * A plan is a list of nodes, evaluated in order into 64-bit words; arguments of a node are nodes
 * before it. Fields say which bytes of the kernel's args struct come from where; launches say how
 * often and with what each phase is started.
 */
#ifndef TILE_PLAN_H
#define TILE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(op, arguments): a, b, c are nodes unless said otherwise. Integers wrap to the node's type, but
 * i64 arithmetic must not overflow; // and % floor, division by zero is an error of the call. */
#define TILE_NODE_TABLE(X)                                                                 \
    X(CONST, 0)    /* value */                                                             \
    X(EXTENT, 0)   /* a: tensor, b: axis; of the logical tensor (R25) */                   \
    X(STRIDE, 0)   /* a: tensor, b: axis; elements of the logical tensor; 0: none given */ \
    X(ENTRIES, 0)  /* a: tensor, a table: how many */                                      \
    X(ADDRESS, 0)  /* a: tensor; its pointer, entry 0 of a table */                        \
    X(PRESENT, 0)  /* a: tensor; 1: not NULL */                                            \
    X(SCALAR, 0)   /* a: scalar of the call; its bits */                                   \
    X(BOUND, 0)    /* a: dim that the caller or the schedule binds, of plan.bound */       \
    X(RESIDENT, 0) /* a: launch; blocks of it that the GPU holds at a time */              \
    X(SOLVE, 3)    /* the d >= 0 with d * a + b == c, exactly; else the shape is wrong */  \
    X(ADD, 2)                                                                              \
    X(SUB, 2)                                                                              \
    X(MUL, 2)                                                                              \
    X(FDIV, 2) /* floors */                                                                \
    X(MOD, 2)                                                                              \
    X(DIV, 2) /* f32 */                                                                    \
    X(MIN, 2)                                                                              \
    X(MAX, 2)                                                                              \
    X(AND, 2)                                                                              \
    X(OR, 2)                                                                               \
    X(XOR, 2)                                                                              \
    X(SHL, 2)                                                                              \
    X(SHR, 2)                                                                              \
    X(EQ, 2)                                                                               \
    X(NE, 2)                                                                               \
    X(LT, 2)                                                                               \
    X(LE, 2)                                                                               \
    X(GT, 2)                                                                               \
    X(GE, 2)                                                                               \
    X(NEG, 1)                                                                              \
    X(NOT, 1)    /* logical */                                                             \
    X(CAST, 1)   /* from type `from` */                                                    \
    X(SELECT, 3) /* a ? b : c */

typedef enum tile_node_op {
#define TILE_NODE(op, arguments) TILE_NODE_##op,
    TILE_NODE_TABLE(TILE_NODE)
#undef TILE_NODE
} tile_node_op;

/* The types of host values. */
typedef enum tile_scalar_type {
    TILE_BOOL,
    TILE_I8,
    TILE_I16,
    TILE_I32,
    TILE_I64,
    TILE_U8,
    TILE_U16,
    TILE_U32,
    TILE_U64,
    TILE_F32
} tile_scalar_type;

/* Comparisons: `type` is that of the arguments. */
typedef struct tile_node {
    uint8_t op, type, from;
    int32_t a, b, c;
    int64_t value;
} tile_node;

/* X(kind): how bytes of the args struct are filled; index and node as said. */
#define TILE_FIELD_TABLE(X)                                                                   \
    X(POINTER) /* index: tensor; NULL if it is absent */                                      \
    X(TABLE)   /* index: tensor, a table; u32: where its entries begin in the pointers behind \
                  the struct's fields (args_size) */                                          \
    X(VALUE)   /* node: its low bytes */                                                      \
    X(DIVISOR) /* node: a tile_divisor of it */                                               \
    X(SCRATCH) /* node: byte offset into the scratch */

/* How many entries all tables of a call have together. */
enum { TILE_TABLE_ENTRIES = 480 };

typedef enum tile_field_kind {
#define TILE_FIELD(kind) TILE_FIELD_##kind,
    TILE_FIELD_TABLE(TILE_FIELD)
#undef TILE_FIELD
} tile_field_kind;

typedef struct tile_field {
    uint8_t kind;
    uint32_t offset, size; /* in the args struct */
    int32_t index, node;
} tile_field;

/* What makes a division two multiplications (Granlund and Montgomery, 1994): for n >= 0,
 * floor(n / |divisor|) = (mulhi(n, magic) + n) >> shift, with n < 2^62; with magic32 in 32 bits for
 * n and divisor below 2^31. By 0 it gives 0. TileDivisor of the device header is the same struct.
 */
typedef struct tile_divisor {
    uint64_t magic;
    int64_t divisor;
    uint32_t magic32;
    int32_t shift;
} tile_divisor;

tile_divisor tile__divisor(int64_t divisor);

/* One launch of one kernel entry. */
typedef struct tile_phase {
    const char *entry;
    int32_t blocks;        /* node: how many; nothing is launched for 0 */
    uint32_t threads;      /* a block */
    uint32_t shared_bytes; /* dynamic */
    uint32_t cluster;      /* blocks of a cluster; 0: none */
    bool cooperative;      /* all blocks must be resident together (R13) */
    bool persistent;       /* at most RESIDENT blocks; the kernel loops over the rest */
    bool pdl;              /* may start before the launch ahead of it has ended */
} tile_phase;

/* What the host tests beside shapes. */
typedef struct tile_require {
    int32_t node;
    const char *text; /* "K % 8 == 0" */
} tile_require;

typedef struct tile_plan {
    const tile_node *nodes;
    const tile_field *fields;
    const tile_phase *phases;
    const tile_require *requires;
    int32_t node_count, field_count, phase_count, require_count;
    uint32_t args_size; /* rounded up to 8; with tables their pointers follow */
    bool tables;
    int32_t aligned;       /* node: all vector accesses fit; -1: there are none. 0 takes the code
                              that was compiled with -DTILE_ALIGNED=0 */
    int32_t scratch_bytes; /* node; -1: no scratch */
} tile_plan;

#endif
