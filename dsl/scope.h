/* What the check of names shares between its files: the names in scope and the walk of bodies. */
#ifndef TILE_SCOPE_H
#define TILE_SCOPE_H

#include "dsl/ast.h"

typedef enum NameKind {
    NAME_FILE_CONST, /* item */
    NAME_CONST,      /* of a block */
    NAME_ENUM,       /* item */
    NAME_FN,         /* item */
    NAME_STATIC,
    NAME_PARAMETER, /* bound by the `let` of a schedule */
    NAME_TENSOR,
    NAME_SCALAR,
    NAME_ARGUMENT, /* of a function: may be anything */
    NAME_VALUE,    /* let */
    NAME_VAR,
    NAME_INDEX,
    NAME_VIEW,
    NAME_LOCAL,
    NAME_PIPE, /* stmt */
    NAME_ITEM  /* of a pipe: stmt is the pipe, NULL if it is unknown */
} NameKind;

typedef struct Entry {
    Name name;
    Pos pos;
    NameKind kind;
    const Item *item;
    const Stmt *stmt;
    bool used; /* a PARAMETER or STATIC that the kernel names */
    Pos use;   /* first use */
    int next;  /* in its chain, -1 at the end */
} Entry;

enum { SCOPE_CHAINS = 8192 };

typedef struct Scope {
    Arena *arena;
    Diag *diag;
    struct {
        Entry *items;
        int count, capacity;
    } entries;
    int chains[SCOPE_CHAINS];
    const char *unknown; /* what follows "unknown name `x`" here */
    struct {
        Name *items;
        int count, capacity;
    } reported; /* unknown names, told once */
    bool in_schedule, in_where, in_fn, in_get;
    int loops;      /* around the statement, up to `roles` or `get` */
    int role_floor; /* names before it stand outside the role; -1: in no role */
} Scope;

/* scope.c */
void scope_begin(Scope *, Arena *, Diag *);
/* The innermost declaration of a name, NULL if there is none. */
Entry *scope_lookup(Scope *, Name);
/* Adds a name as it is. */
Entry *scope_add(Scope *, Ident, NameKind);
/* Declares a name; reports one that hides another. The entry lives until scope_leave. */
Entry *scope_declare(Scope *, Ident, NameKind);
int scope_enter(const Scope *);
void scope_leave(Scope *, int mark);
/* Is it an element type, a storage format, `inf` or `nan`? */
bool name_is_predefined(Name);
/* "did you mean `x`?" over the names in scope, operations and types; NULL if none is near. */
const char *scope_nearest(Scope *, Name);
const char *did_you_mean(Arena *, const char *nearest);
/* Before a kernel or a function: unknown names are reported once in each. */
void scope_begin_body(Scope *, const char *unknown);
/* Resolves a name that is used; reports an unknown one. NULL for predefined names too. */
Entry *scope_use(Scope *, Name, Pos);
/* The same for the name of an element type. */
void scope_use_type(Scope *, const Expr *name);

/* check_body.c */
void check_expr(Scope *, const Expr *);
/* A type with extents, as bf16[M, K]; anything else as check_expr does. */
void check_type(Scope *, const Expr *);
void check_where(Scope *, const Expr *);
void check_stmts(Scope *, const StmtList *);

/* A kernel with the items that are for it. */
typedef struct KernelItems {
    const Item *kernel;
    struct {
        const Item **items;
        int count, capacity;
    } schedules, instances;
} KernelItems;

/* The items of a program, and its names in `scope`. */
typedef struct Check {
    Scope scope;
    Scope kernel_names; /* entry i: of[i] */
    KernelItems *of;
    const ItemList *consts, *enums, *fns, *kernels, *schedules, *instances;
} Check;

/* check.c */
bool check_report(Check *, Pos, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
KernelItems *items_of(Check *, Name kernel); /* NULL: there is no such kernel */
const Static *static_find(const Item *kernel, Name);
bool static_is(const Static *, const char *kind);
/* True if a tensor parameter has the dim in an extent. */
bool dim_is_shown(const Item *kernel, Name dim);
bool binds(const Directive *); /* let .. = ..; */
const Directive *let_find(const Item *schedule, Name);

/* check_cycles.c: no function calls itself, no const is defined by itself. */
void check_cycles(Check *);

/* check_schedules.c */
void check_schedules(Check *);
void check_instances(Check *);

#endif
