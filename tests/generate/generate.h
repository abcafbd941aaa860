/* Makes well-typed .tile programs from bytes, for the fuzzer.
 *
 * Every byte is one choice; when they run out each choice is the simplest one, so every input ends.
 * Expressions are made for a wanted type. What a program may touch is tracked: one that is not
 * `risky` checks without errors and runs without faults, and what it writes does not depend on the
 * order of programs. A risky one must check too, but may have any of the faults of a run.
 */
#ifndef TILE_GENERATE_H
#define TILE_GENERATE_H

#include "compiler/ir.h"

typedef struct Made {
    const char *text; /* the file: one kernel `k` */
    bool risky;
    struct {
        const char *name;
        uint64_t bits;
    } arguments[12]; /* dims and scalars */
    int narguments;
} Made;

/* Everything is in the arena. */
Made generate(Arena *, const uint8_t *bytes, size_t count);

/* ---- between the files of the generator ---- */

enum { MOST_ELEMENTS = 64, MOST_NAMES = 96, MOST_TENSORS = 64, MOST_RANK = 4, RANGES = 2 };

/* What the programs of a phase do with a tensor: nothing, read it, write the part that is theirs,
 * or add to it. */
typedef enum Use { USE_NONE, USE_READ, USE_OWN, USE_ADD } Use;

/* Which elements an access may have: any, the program's own, or its own and each once. */
typedef enum Reach { REACH_ANY, REACH_OWN, REACH_ONCE } Reach;

/* A tensor in scope: a parameter, a local, or a view of one. */
typedef struct GenTensor {
    const char *text; /* an expression */
    DType dtype;
    int rank, root;            /* root: number of the tensor it is a view of, or its own */
    int64_t extent[MOST_RANK]; /* a hint where it is not fixed */
    bool fixed[MOST_RANK];     /* constant in the variant */
    int range[MOST_RANK];      /* the range of the par that owns the axis; -1: none */
    ParamDir dir;
    bool is_local, only_loads, dense, nondet;
    bool lost_ranges;          /* a view whose axes are not those of the ranges any more */
    bool defined, own_defined; /* wholly, before the phase; the program's own part */
    bool touched;              /* stored to since the last barrier or ordered phase */
    bool hidden;               /* has() must hold and is not known to */
    Use use;
} GenTensor;

typedef struct GenName {
    const char *text;
    Type type;
    bool is_var;
} GenName;

/* A range of the par: its index owns [index, index + step) of the axes marked with it. */
typedef struct GenRange {
    const char *index, *dim;
    const char *step_text;
    int64_t step, extent;
    bool covers; /* 0..dim */
} GenRange;

typedef struct Gen {
    Arena *arena;
    const uint8_t *bytes;
    size_t count, at;
    FILE *out;
    int indent, serial, budget;
    bool risky;
    GenName names[MOST_NAMES];
    int nnames;
    GenTensor tensors[MOST_TENSORS];
    int ntensors;
    struct {
        const char *name;
        int64_t value;
    } constants[8]; /* of kind int, or bound */
    int nconstants;
    const char *type_static; /* its name, NULL: none */
    DType type_value;
    GenRange ranges[RANGES];
    int nranges;
    int fns, loops, blocks; /* blocks: 0 where every program passes */
    bool in_role, may_continue, resident;
    int64_t programs; /* of a resident par, where constant; else -1 */
} Gen;

/* choose.c: choices, text, names */
unsigned pick(Gen *, unsigned limit); /* below limit; 0 when the bytes have run out */
bool chance(Gen *, unsigned n);       /* one in n; false when they have */
const char *fresh(Gen *, const char *stem);
void put_line(Gen *, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *extent_text(Gen *, int64_t);
const char *dtype_text(Gen *, DType);
const char *shape_list(Gen *, const Type *); /* "4, 8" */
DType pick_dtype(Gen *);
Type pick_shape(Gen *, DType, int most_rank);
int64_t pick_extent(Gen *, int64_t most);
/* A literal that the type represents; without a type of its own. */
const char *literal(Gen *, DType);
void add_name(Gen *, const char *text, Type, bool is_var);
const GenName *find_name(Gen *, const Type *); /* one of that type, or NULL */
#define SAY(g, ...) arena_format((g)->arena, __VA_ARGS__)

/* expressions.c */
/* An expression of exactly that type; never a bare literal. */
const char *make(Gen *, const Type *, int depth);
/* The same with f32 elementwise operations on the names a, b, .. only: the body of a function. */
const char *make_body(Gen *, int parameters, int depth);
/* An i64 scalar in [0, limit), limit > 0. */
const char *make_index(Gen *, int64_t limit, int depth);
const char *make_leaf(Gen *, const Type *);

/* numbers.c: by element type; NULL where a production does not fit. */
const char *make_number(Gen *, const Type *, int depth);
const char *make_cast_to(Gen *, const Type *, int depth);

/* access.c */
const char *make_load(Gen *, const Type *, int depth);
/* "[..]" of a tile or tensor of these extents that gives the shape, or NULL. */
const char *make_access(Gen *, const GenTensor *, const Type *, int depth, Reach);
void make_store(Gen *, int depth);
/* t[..] = e over all that the program owns. */
void make_definition(Gen *, int tensor, int depth);
void make_view(Gen *);
void make_atomic(Gen *, int depth);

/* statements.c */
void make_statements(Gen *, int count, int depth);
void make_roles(Gen *);
void make_exchange(Gen *);

#endif
