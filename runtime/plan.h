/* What the host does before a launch, as data: the compiler writes it, the runtime's one engine
 * runs it, for built libraries, for the JIT and for `tilec run --device cuda`.
 *
 * A plan is a list of nodes, evaluated in order into 64-bit words; arguments of a node are nodes
 * before it. Checks say which nodes the call's extents must equal; fields say which bytes of the
 * kernel's args struct come from where; phases say how often and with what each is started.
 *
 * "Tensor" is a number here: of plan.tensors, in the order of the kernel's header. A tensor that
 * the call leaves out has address 0, extents 0 and strides 0.
 */
#ifndef TILE_PLAN_H
#define TILE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(op, arguments): a, b, c are nodes unless said otherwise. Integers wrap to the node's type and
 * are extended to the word as it says; f32 is in the low half. A division by zero, an overflow of
 * i64 arithmetic and a SOLVE without a solution are errors of the call if something that is taken
 * depends on them: SELECT drops those of the side that it does not take. */
#define TILE_NODE_TABLE(X)                                                                 \
    X(CONST, 0)    /* value */                                                             \
    X(EXTENT, 0)   /* a: tensor, b: axis; of the logical tensor (R25) */                   \
    X(STRIDE, 0)   /* a: tensor, b: axis; elements of the logical tensor, see view.c */    \
    X(ENTRIES, 0)  /* a: tensor, a table: how many */                                      \
    X(ADDRESS, 0)  /* a: tensor; its pointer, those of a table's entries or'ed */          \
    X(PRESENT, 0)  /* a: tensor; 1: not NULL */                                            \
    X(SCALAR, 0)   /* a: scalar of the call; its bits */                                   \
    X(BOUND, 0)    /* a dim that no tensor of the call shows: 0 (R17) */                   \
    X(RESIDENT, 0) /* a: phase; blocks of it that the GPU holds at a time */               \
    X(PROGRAMS, 0) /* a: phases, a bit each; programs of one that the GPU holds at a time: \
                      of the one of which it holds fewest. In the interpreter 4 (R15) */   \
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
    X(NOT, 1)  /* logical */                                                               \
    X(BNOT, 1) /* of bits */                                                               \
    X(ABS, 1)                                                                              \
    X(FLOOR, 1)    /* f32 */                                                               \
    X(SQRT, 1)     /* f32 */                                                               \
    X(ISNAN, 1)    /* of type `from` */                                                    \
    X(ISFINITE, 1) /* of type `from` */                                                    \
    X(CAST, 1)     /* from type `from` */                                                  \
    X(SELECT, 3)   /* a ? b : c */

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

/* X(kind): how bytes of the args struct are filled; index and node as said. The struct is copied to
 * the driver from memory that is aligned to 64, as tensor maps in it need it. */
#define TILE_FIELD_TABLE(X)                                                                   \
    X(POINTER) /* index: tensor; NULL if it is absent */                                      \
    X(TABLE)   /* index: tensor, a table; u32: where its entries begin in the pointers behind \
                  the struct's fields (args_size) */                                          \
    X(VALUE)   /* node: its low bytes */                                                      \
    X(DIVISOR) /* node: a tile_divisor of it */                                               \
    X(SCRATCH) /* node: byte offset into the scratch */                                       \
    X(MAP)     /* index: of plan.maps; the tensor map, or zeros in code without tensor copies */

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

/* What a tensor copy moves of a tensor: a box. Dim 0 is the contiguous one. */
typedef struct tile_plan_map {
    int32_t tensor;
    uint8_t rank, bytes, swizzle; /* bytes of an element; swizzle: tile_swizzle */
    uint16_t box[5];              /* elements */
    int32_t extent[5], stride[5]; /* nodes; strides in elements, [0]: -1 */
} tile_plan_map;

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
    uint32_t cluster; /* blocks of a cluster; 0: none. Their number is rounded up to clusters */
    uint32_t pack;    /* programs that a block runs side by side; 0: one */
    bool cooperative; /* all blocks must be resident together (R13) */
    bool persistent;  /* at most RESIDENT blocks; the kernel loops over the rest */
    bool pdl;         /* may start before the launch ahead of it has ended */
} tile_phase;

/* ---- what is checked ---- */

/* A dim of the kernel's header. `tensor` shows it; -1: none does. */
typedef struct tile_dim {
    const char *name;
    int32_t node, tensor;
} tile_dim;

/* The extent of an axis must be what the node gives; axis `rank` of a table is its number of
 * entries. `dims`: bit i says that the text speaks of plan.dims[i], for the message. */
typedef struct tile_extent {
    int32_t tensor, axis, node;
    const char *text; /* "cdiv(K, 128)" */
    uint64_t dims;
} tile_extent;

/* What the host tests beside shapes. `scalars`: it depends on scalars of the call. */
typedef struct tile_require {
    int32_t node;
    const char *text; /* "K % 8 == 0" */
    uint64_t dims;
    bool scalars;
} tile_require;

/* A tensor of the kernel's header. */
typedef struct tile_plan_tensor {
    int32_t param;   /* of tile_kernel.params; -1: scratch */
    int32_t alias;   /* the tensor that may be the same memory (R12); -1: none */
    uint8_t type;    /* tile_dtype */
    uint8_t format;  /* tile_format */
    uint8_t strided; /* bit i: the kernel reads the stride of axis i, so that it may be any that the
                        parameter declares; else it is that of a dense tensor */
} tile_plan_tensor;

typedef struct tile_plan {
    const tile_node *nodes;
    const tile_field *fields;
    const tile_phase *phases;
    const tile_plan_tensor *tensors;
    const tile_dim *dims;
    const tile_extent *extents;
    const tile_require *requires;
    const tile_plan_map *maps;
    int32_t node_count, field_count, phase_count;
    int32_t tensor_count, dim_count, extent_count, require_count, map_count;
    uint32_t args_size; /* rounded up to 8; with tables their pointers follow */
    bool tables;
    int32_t aligned;       /* node: all vector accesses fit; -1: there are none. 0 takes the code
                              that was compiled with -DTILE_ALIGNED=0 */
    int32_t scratch_bytes; /* node; -1: no scratch */
    int32_t when;          /* node, as those before it of nothing but shapes and scalars: 0 leaves
                              the call to the build after this one; -1: it takes all calls */
    int32_t resident;      /* the first node that depends on a RESIDENT; -1: none does */
} tile_plan;

#endif
