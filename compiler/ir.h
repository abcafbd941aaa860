/* Tile IR: SSA over tiles, with regions. See docs/hacking.md for its text form.
 *
 * A Kernel is one variant of a kernel: statics are constants, absent tensors are gone. Its body is
 * a region: dims, scalars, tensors, views, checks, and one OP_PAR a phase. Inside a phase the ops
 * of a region run in order. Everything lives in the kernel's arena.
 */
#ifndef TILE_IR_H
#define TILE_IR_H

#include "compiler/ops.h"
#include "dsl/arena.h"
#include "dsl/diag.h"
#include "dsl/dtype.h"

enum { MAX_RANK = 8 };

typedef enum TypeKind { TY_TILE, TY_TENSOR, TY_TABLE, TY_PIPE } TypeKind;

/* A tile's extents are >= 0. A tensor's are -1 where they are known at run time only. TY_TABLE is
 * a table of tensors of that type. A pipe has no dtype and rank 0. */
typedef struct Type {
    TypeKind kind;
    DType dtype;
    int rank;
    int64_t dims[MAX_RANK];
} Type;

typedef struct Value Value;
typedef struct Op Op;
typedef struct Region Region;

struct Value {
    Type type;
    Op *op; /* what defines it; NULL: an argument of `region` */
    Region *region;
    int index;        /* which result, or which region argument */
    int id;           /* number in text forms; unique in the kernel */
    const char *name; /* source name, or NULL */
};

/* How one axis of a tensor or tile is indexed (R3, R24). */
typedef enum AxisKind {
    AX_SCALAR, /* one i64 (any integer) scalar arg: drops the axis */
    AX_SLICE,  /* one scalar arg, `extent` elements from it on */
    AX_FULL,   /* no arg: the whole axis, `extent` elements */
    AX_TILE    /* one rank-1 integer tile arg; all such go together */
} AxisKind;

typedef struct Access {
    int count; /* the tensor's rank */
    struct {
        AxisKind kind;
        int64_t extent;
    } axis[MAX_RANK];
} Access;

typedef enum SumOrder { ORDER_DEFAULT, ORDER_SEQ, ORDER_TREE } SumOrder;
/* What holds a part of a tile: a register of a thread, a lane of a warp, a warp of a program. */
typedef enum Owner { OWN_REG, OWN_LANE, OWN_WARP, OWNERS } Owner;

/* The plan of a default sum (R8): in which order the threads of a target add up an axis.
 *
 * Digits write an index along the axis as a mixed-radix number: a digit has `extent` values and
 * each step of it moves `stride` elements. They cover the axis; beyond its end there is nothing to
 * add. A thread is given by the
 * values of its lane and warp digits. It starts at +0 and adds its elements, counting its
 * register digits up, the first one fastest. Then, for each lane digit from the first, partners
 * that differ in bit 1, 2, 4 .. of that digit add pairwise: both get a + b. Then, for each warp
 * digit from the first, the warps' values are added from digit value 0 upwards, beginning with
 * the value of warp 0. No digit, for an axis of one element: +0 + x.
 *
 * `fused`: the arg is a product that has no other use, and a thread accumulates it with fma. */
typedef struct SumDigit {
    Owner owner;
    int64_t extent, stride;
} SumDigit;
typedef struct SumPlan {
    SumDigit *digits;
    int count;
    bool fused;
} SumPlan;

typedef enum RoundMode { ROUND_NEAREST, ROUND_ZERO } RoundMode;

/* How an element (m, k) of a tensor lies in memory (R18). Other axes are row-major outside. */
typedef enum Format { FORMAT_ROW, FORMAT_COL_PAD16, FORMAT_UE8M0X4 } Format;

typedef enum ParamDir { PARAM_IN, PARAM_OUT, PARAM_INOUT, PARAM_SCRATCH } ParamDir;

/* What OP_TENSOR says beside its type. */
typedef struct TensorInfo {
    ParamDir dir;
    Format format;
    bool optional, nondet, symm;
    bool any_stride[MAX_RANK]; /* @ stride(any, ..): the host may pass any stride there */
    const char *alias;         /* where alias(x, y): the other tensor's name, or NULL */
} TensorInfo;

typedef struct PipeInfo {
    int64_t stages;
    int fields;
    const char **names;
    Type *types;
} PipeInfo;

struct Op {
    OpCode code;
    Pos pos;
    int nargs, nresults, nregions;
    Value **args;
    Value **results;
    Region **regions;
    Op *prev, *next;
    Region *parent;
    /* Attributes; which are meaningful: ops.h. */
    const char *name;
    uint64_t bits;
    int axis;
    SumOrder order;
    const SumPlan *plan; /* of a default sum; NULL: none, the interpreter takes a tree */
    RoundMode round;
    bool exclusive;
    bool unordered; /* PAR: @unordered */
    bool prefetch;  /* LOAD of the pipeline: only asks for the tile, into the L2 cache */
    Access *access;
    TensorInfo *tensor;
    PipeInfo *pipe;
};

struct Region {
    Op *first, *last;
    Op *parent; /* NULL: the kernel's body */
    int nargs;
    Value **args;
    const char *name;  /* a role's name */
    const char *words; /* a role's words as text: "warps(1) regs(40)" */
};

typedef struct Kernel {
    Arena *arena;
    const char *name;
    Pos pos;
    Region *body;
    int next_id;
    const char *variant; /* the statics as text, for messages: "T=bf16 G=128" */
} Kernel;

/* ir.c */
extern const char *const order_name[], *const round_name[], *const format_name[], *const dir_name[];
extern const char *const owner_name[OWNERS];

Kernel *kernel_new(Arena *, const char *name, Pos);
Region *region_new(Kernel *, Op *parent, int nargs, const Type *types);
/* A new op with `nargs` args copied and results of the given types; not yet in a region. */
Op *op_new(Kernel *, OpCode, Pos, int nargs, Value *const *args, int nresults, const Type *types);
void region_append(Region *, Op *);
void op_insert_before(Op *at, Op *);
void op_remove(Op *);
/* Adds a region to an op (its order is the order of the calls). */
void op_add_region(Kernel *, Op *, Region *);

Type tile_type(DType, int rank, const int64_t *dims);
Type scalar_type(DType);
bool type_equal(const Type *, const Type *);
int64_t type_elements(const Type *); /* of a tile */
/* "bf16[64, 128]", "tensor f32[?, 4]" */
char *type_text(Arena *, const Type *);

/* The integer a scalar constant holds; false if `v` is no integer constant of rank 0. */
bool value_int(const Value *, int64_t *out);
/* The element code of `bits` sign-extended to i64 by the type's width. */
int64_t bits_to_int(DType, uint64_t bits);
/* The shape that an access of a tile or tensor of element type `t` gives. */
Type access_type(DType t, const Access *, Value *const *index_args);
/* How many args the access takes. */
int access_args(const Access *);

/* Where a value is made, or which region has it as an arg. */
const Region *value_region(const Value *);
/* The region is that one, or below it; it is a region of the op, or below one. */
bool is_below_region(const Region *, const Region *);
bool is_below_op(const Region *, const Op *);
/* There is such an op in the region, or below. */
bool region_has(const Region *, OpCode);
/* All blocks wait for each other in it: `grid_sync` or an exchange. */
bool region_syncs(const Region *);
/* How often the region uses the value, and those below; names for people are no uses. */
int count_uses(const Region *, const Value *);

/* Every use of `old` in the region and below becomes one of `by`. */
/* It has a `continue` of the loop or program that it belongs to. */
bool region_continues(const Region *);
void replace_uses(Region *, const Value *old, Value *by);

/* ir_print.c, ir_read.c: one text form. Reading reports to `diag` and gives NULL after an error. */
void kernel_print(FILE *, const Kernel *);
Kernel *kernel_read(Arena *, Diag *, const Source *);

/* verify.c: every rule of the IR. Returns NULL, or what is wrong where (arena text). The caller
 * decides whose fault that is: a bug after a pass, the user's in a file that was read. */
const char *kernel_verify(Arena *, const Kernel *);

#endif
