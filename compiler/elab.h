/* Elaboration: from the tree of a kernel and the choice of a variant to its tile IR.
 *
 * Types depend on statics (a constant condition removes a branch before it is typed, a `type`
 * static names an element type), so a kernel is typed once a variant. This is the checker of
 * everything but names (dsl/check.h) and the producer of the IR in one walk.
 */
#ifndef TILE_ELAB_H
#define TILE_ELAB_H

#include "compiler/ir.h"
#include "compiler/program.h"

/* Integers of constant expressions: exact, and only judged when they meet a type (R4). */
__extension__ typedef __int128 Wide;

typedef enum TermKind {
    T_ERROR,  /* already reported */
    T_VOID,   /* a call without a result */
    T_INT,    /* constant integer without a type: i */
    T_FLOAT,  /* constant number without a type: f */
    T_BOOL,   /* constant: i */
    T_STRING, /* text, i = length */
    T_TYPE,   /* element type: dtype */
    T_MEMBER, /* an enum's member: item, i */
    T_ENUM,   /* an enum: item */
    T_FORMAT, /* store(t): i is a Format */
    T_VALUE,  /* a tile: v */
    T_TENSOR, /* a tensor or a view: v */
    T_TABLE,  /* v */
    T_PIPE,   /* v */
    T_ITEM,   /* what a `get` gives: names, items */
    T_TUPLE,  /* items */
    T_ABSENT, /* an optional tensor that this variant has not: text is its name */
    T_FN,     /* item */
    T_BUILTIN /* text */
} TermKind;

typedef struct Term Term;
struct Term {
    TermKind kind;
    DType dtype;
    Wide i;
    double f;
    Value *v;
    const Item *item;
    const char *text;
    Term *items;
    Name *names;
    int count;
};

/* A name in scope. */
typedef struct ScopeName {
    Name name;
    Term term;
    Pos pos;
    bool is_var;
    bool is_optional; /* a tensor parameter `t?` */
    struct ScopeName *next;
} ScopeName;

typedef struct Loop {
    OpCode code; /* FOR, SHARE, PAR */
    ScopeName **carried;
    int count;
    bool inside_get; /* a `get` stands between the loop and here */
    struct Loop *outer;
} Loop;

typedef struct FnFrame {
    const Item *fn;
    Term result;
    bool returned;
    int run_time_blocks; /* if, for, get.. entered since the call */
    struct FnFrame *caller;
} FnFrame;

typedef struct Elab {
    Arena *arena;
    Diag *diag;
    const Program *program;
    const Item *item; /* the kernel */
    const Variant *variant;
    Kernel *kernel;
    Region *region; /* where ops go */
    ScopeName *scope;
    Loop *loop;
    FnFrame *frame;
    bool ended; /* the block has met `continue` or `return` */
    bool in_par, in_range, in_roles, in_role, in_get;
    bool later_phase;      /* ranges may load what an ordered phase before wrote */
    bool local_constants;  /* into the region, not the kernel's head: the debugger */
    bool any_par;          /* a phase stands before */
    ScopeName *role_floor; /* innermost binding outside the current role */
    Op *header_end;        /* constants go behind it, in the kernel's body */
    struct {
        uint64_t bits;
        Type type;
        Value *v;
    } * constants;
    int nconstants, constants_capacity;
    const Pos *call_pos;
    int const_depth, call_depth;
    bool is_statement;    /* the next call is a whole statement */
    bool as_statement;    /* the call begun is one; read before its arguments */
    bool allow_resident;  /* grid.resident: in what a schedule binds */
    int64_t par_programs; /* number of programs of the phase, -1: not constant */
} Elab;

/* elab.c */

/* The variant's IR, or NULL after errors. */
Kernel *elaborate(Arena *, Diag *, const Program *, const Item *kernel, const Variant *);
/* An expression over names of a running program (the debugger): ops go to `region`. */
Term elab_in_scope(Elab *, Region *region, ScopeName *scope, const Expr *);

ScopeName *scope_find(const Elab *, Name);
/* Binds a name; reports one that hides a visible name. */
ScopeName *scope_bind(Elab *, Ident, Term);
Term term_error(void);
Term term_int(Wide);
Term term_bool(bool);
Term term_float(double);
Term term_value(Value *);
Term term_tensor(Value *);
bool term_is_constant(const Term *);
/* What kind of thing it is, for messages: "i64 scalar", "f32[64, 128]", "tensor bf16[?, 8]". */
char *term_text(Elab *, const Term *);
/* Reports and gives an error term. */
Term fail(Elab *, Pos, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends an op and gives it, or its first result. */
Op *make_op(Elab *, OpCode, Pos, int nargs, Value *const *args, int nresults, const Type *types);
Value *make_op1(Elab *, OpCode, Pos, int nargs, Value *const *args, Type);
/* A constant of any shape; equal ones are one value. */
Value *constant(Elab *, Type, uint64_t bits);
Value *constant_int(Elab *, int64_t);
/* The code of a constant term in an element type; false (and a message) if it does not fit. */
bool constant_bits(Elab *, Pos, const Term *, DType, uint64_t *bits);
/* The exact value of an f32, e4m3, .. code where it is one; for messages and comparisons. */

/* elab_expr.c */
Term elab_expr(Elab *, const Expr *);
/* A tile; a constant becomes one of type `hint` (DT_NONE: f32 or i64). */
Value *elab_value(Elab *, const Expr *, DType hint);
/* A term as a value of exactly that element type: literals adopt it, integers widen. */
Value *term_to(Elab *, Pos, const Term *, DType, const char *what);
/* Any term as a value, literals by their default type. NULL after a message. */
Value *term_any(Elab *, Pos, const Term *, DType hint);
/* A uniform i64 scalar: dims, indices, bounds. NULL after a message. */
Value *elab_index(Elab *, const Expr *, const char *what);
Value *term_index(Elab *, Pos, const Term *, const char *what);
/* A compile-time integer. */
bool elab_int(Elab *, const Expr *, const char *what, int64_t *out);
/* A uniform bool: a constant or a rank-0 value. */
Term elab_condition(Elab *, const Expr *, const char *what);
Term elab_binary(Elab *, ExprKind, Pos, const Term *a, const Term *b);
Term elab_select_lazy(Elab *, Pos, Value *cond, const Expr *a, const Expr *b);
Value *make_binary(Elab *, OpCode, Pos, Value *a, Value *b);
/* The broadcast shape of two tiles into `out`; reports by `what`. */
bool broadcast_shape(Elab *, Pos, const char *what, const Type *a, const Type *b, Type *out);
/* Widens two integer tiles to one type, or reports that the types differ. */
bool unify_types(Elab *, Pos, const char *what, Value **a, Value **b);
Value *make_cast(Elab *, Pos, Value *, DType);

/* elab_const.c: constant expressions. */
Term const_unary(Elab *, ExprKind, Pos, const Term *);
Term const_binary(Elab *, ExprKind, Pos, const Term *, const Term *);

/* elab_access.c */
Term elab_index_expr(Elab *, const Expr *); /* base[ args ] */
void elab_store(Elab *, const Expr *target, const Expr *value, Pos);
/* An integer scalar that is loaded or taken out of a tile: an i64, but for u64 (R4). */
Term scalar_as_i64(Elab *, Pos, Value *);
/* Builds an access of `base` from E_INDEX args; extra args (index values) go to `args` (room for
 * MAX_RANK), `pad` gets the pad argument. Returns their number, -1 after a message. */
int elab_access(Elab *, const Expr *, const Term *base, Access *, Value **args, const Expr **pad);
Value *broadcast_to(Elab *, Pos, Value *, const Type *);
/* Equal extents, 1 stretches, and rank 0 becomes any shape. */
bool stretches_to(const Type *, const Type *want);
Value *tensor_extent(Elab *, Pos, Value *tensor, int axis);
Term view_call(Elab *, const char *name, const Expr *call, const Term *base);

/* elab_call.c */
Term elab_call(Elab *, const Expr *);
Term elab_fn(Elab *, const Item *fn, const Expr *call);

/* elab_stmt.c */
void elab_block(Elab *, const StmtList *); /* in a scope of its own */
void elab_stmts(Elab *, const StmtList *); /* in the current scope */

/* dims.c: every dim can be solved from tensors, or a schedule binds it (R2). */
void check_dims(Elab *);

/* phases.c: every program reaches a barrier (R13); ranges and unordered phases (R14b). */
void check_phases(Elab *);

/* nondet.c: what depends on the order of atomics reaches only @ nondet tensors (R19). */
void check_nondet(Elab *);

/* pipes.c: roles of an OP_ROLES take from each pipe as many items as are put, and cannot deadlock.
 */
void check_roles(Elab *, const Op *roles);
/* Of a par's body: all roles that use a pipe stand in one OP_ROLES. */
void check_pipes(Elab *, const Region *program);

#endif
