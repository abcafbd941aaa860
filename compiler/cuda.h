/* Inside the CUDA emitter: from tile IR with layouts to C statements. One statement an operation;
 * names from the source; memory and machine are touched only through runtime/device/. */
#ifndef TILE_CUDA_H
#define TILE_CUDA_H

#include "compiler/asserts.h"
#include "compiler/cells.h"
#include "compiler/host.h"
#include "compiler/lower.h"
#include "compiler/paths.h"
#include "compiler/ranges.h"
#include "compiler/statement.h"
#include "compiler/swizzle.h"

/* A number that is known while compiling, or a C expression; `node`: how the host knows it. */
typedef struct Number {
    const char *text;
    bool known;
    int64_t value;
    int node; /* -1: the host does not */
} Number;

/* A tensor value in C: element (i0, i1, ..) is data[offset + sum of (i + shift) / divide *
 * stride]. */
typedef struct CudaView {
    const char *data;   /* pointer; e2m1: to bytes */
    const char *offset; /* elements; NULL: 0 */
    Number extent[MAX_RANK], stride[MAX_RANK];
    const Value *extent_value[MAX_RANK]; /* the extent as a value; NULL: none */
    const char *divide[MAX_RANK];        /* NULL: 1 */
    int64_t divisor[MAX_RANK];           /* the same, 0: not known */
    const char *shift[MAX_RANK];         /* NULL: 0 */
    int quad;                  /* axis of ue8m0x4 whose index i is at i / 4 * stride + i % 4; -1 */
    bool odd_offset[MAX_RANK]; /* a slice of the axis begins anywhere */
    bool whole[MAX_RANK];      /* the upsampled axis ends with a whole group */
    const Op *tensor;
    Buffer *local; /* of a local tensor */
} CudaView;

/* A value in another layout than its own, while the block that has it is open. */
typedef struct Conversion {
    const Value *value;
    Layout layout;
    const char *name;
    const Statement *block;
} Conversion;

typedef struct UsedName {
    const char *name; /* NULL: a free place */
    int next;         /* the number to try behind it where another one begins so */
} UsedName;

typedef struct Census Census; /* cuda_order.h */
/* A tile in shared memory on its way to another layout. */
typedef struct Turn {
    Type type;
    SharedPlace place;
    Vectors get; /* how the other layout takes it */
    Buffer *buffer;
} Turn;

typedef struct BoxRing BoxRing;   /* cuda_tensor.c */
typedef struct CudaPipe CudaPipe; /* cuda_roles.c */
typedef struct Partial Partial;   /* of a reduction, in shared memory */

/* A group of quotients that has asked of a value whether its elements fit, as divisors or as
 * numerators. */
typedef struct Gathered {
    const Op *by;
    bool divisor;
} Gathered;

typedef struct Cuda {
    Lowered *low;
    Arena *arena;
    const PhasePlan *plan;
    Host *host;
    Ranges ranges;
    Statements out;
    bool failed;
    const char **name;   /* C name by Value.id, NULL: none yet */
    CudaView **view;     /* by Value.id, of tensors */
    bool *declared;      /* by Value.id: its variable is another's */
    const Op **deferred; /* by Value.id: written where it is used */
    const char **fit;    /* of the first of two quotients: the name of "its operands fit" */
    struct {
        const Op *until; /* the program begins again before that, NULL: it does not */
        const char *exact, *operands;
        const Value *addend; /* of the host, in sums that divide */
    } again;                 /* cuda_quotient.c */
    Gathered *gathered;      /* by Value.id: in a program that begins again */
    const Op **user;         /* by Value.id: the last that uses it, */
    int *uses;               /* and how many do */
    Partial **partial;       /* by Value.id: a reduction's result that is not fetched yet */
    BoxRing **boxes;         /* by Value.id: of a local tensor that stands for one */
    bool *live;              /* by Value.id: an effect of the phase needs it */
    bool *packed;            /* by Value.id: its registers are bf16, in cuda_packed.c's sense */
    bool *nan;               /* by Value.id: which NaN it is may be seen */
    struct {
        UsedName *items; /* a hash table */
        int count, size;
    } used;
    struct {
        Conversion *items;
        int count, capacity;
    } conversions;
    struct {
        Census *items;
        int count, capacity;
    } censuses;
    struct {
        Buffer **items;
        int count, capacity;
    } stages;          /* of tiles that warps move */
    bool indexed;      /* some value is held as DT_INDEX: dims have to be small */
    const char *guard; /* condition on every access: lanes whose program there is not; "" */
    struct {
        CudaPipe *items;
        int count, capacity;
    } pipes;             /* of the phase */
    bool async;          /* has mbarriers */
    bool copies;         /* something is copied to shared memory beside the threads */
    bool rounds;         /* programs are rounds of a loop, not blocks */
    int blocks;          /* node: how many the phase has; -1: only the kernel knows */
    Statement *prologue; /* the last of what stands before all else */
    int line;            /* of the last TILE_LINE */
    Pos at;              /* of the operation in work */
    SharedUses shared;   /* of the phase, where a schedule asks for conflicts */
    bool counting;       /* does it? */
    size_t local_bytes;
    const Op *exchanging;   /* the phase, if it has an exchange */
    const Statement *asked; /* the last that asked for a box of a later round */
} Cuda;

/* ---- cuda.c ---- */

/* Appends a statement; effects told before are its own. */
Statement *line(Cuda *, const char *format, ...) __attribute__((format(printf, 2, 3)));
Statement *open_block(Cuda *, StatementKind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void close_block(Cuda *);
bool cuda_fail(Cuda *, const Op *, const char *format, ...) __attribute__((format(printf, 3, 4)));
char *format_text(Cuda *, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool emit_region_ops(Cuda *, const Region *);
/* Has the operation no statement of its own? */
bool says_nothing(OpCode);

/* ---- cuda_raster.c: the order of programs ---- */
/* The type of a program's number: a block has one of less than 2^31. */
const char *cuda_number_type(Cuda *);
/* The indices of a box of ranges [from, n) out of a number in it; `small`: below 2^31. */
bool cuda_split_number(Cuda *, const char *number, int from, const Number *count, bool small);

/* ---- cuda_value.c ---- */

/* The C type that holds an element in a register, and the type a value is held in. */
const char *c_type(DType);
DType held(Cuda *, const Value *);
/* A constant element as a literal. */
char *c_literal(Cuda *, DType, uint64_t bits);
const char *c_name(Cuda *, const Value *);
/* Forgets the names of the phase before. */
void names_start(Cuda *);
const char *new_temp(Cuda *, const char *stem);
/* A name for what an operation gives. */
const char *new_name(Cuda *, const Value *, const char *otherwise);

const Layout *layout_of(Cuda *, const Value *);
int64_t registers(Cuda *, const Value *);
/* Declares the value: a scalar, or an array of its registers. */
void declare(Cuda *, const Value *);
/* `name`[r] in layout `l` is the value from now on. */
void give_result(Cuda *, const Value *, const char *name, const Layout *l);

/* The coordinate along `dim` of register `reg` (a C expression; NULL: of threads only) of this
 * thread, as a C expression of int; "0": none. */
char *coordinate(Cuda *, const Layout *, int dim, const char *reg);
char *thread_coordinate(Cuda *, const Layout *, int dim);
char *register_coordinate(Cuda *, const Layout *, int dim, const char *reg);
/* The register of a projection that goes with register `reg` of `l`; `kept`: the dims that stay. */
char *projected_register(Cuda *, const Layout *l, const bool *kept, const char *reg);
/* A condition that holds where register `reg` holds an element; "" where all do. `threads`: the
 * part of it that needs no register. */
char *holds_text(Cuda *, const Layout *, const char *reg);
/* A condition that holds in one holder of each element; "" if all hold different ones. */
char *one_holder(Cuda *, const Layout *);
/* The element of `arg` that goes with register `reg` of layout `l`; `name` is from `fitted`. */
char *element(Cuda *, const Value *arg, const char *name, const Layout *l, const char *reg);
/* "a && b" of what is not empty. */
char *both(Cuda *, const char *a, const char *b);
char *sum_of(Cuda *, const char *a, const char *b);
/* A lane of this program's as the shuffles count lanes. */
char *absolute_lane(Cuda *, const char *lane);
/* "name < limit" style access to a device function's type suffix: "f32", "u16", .. */
const char *carrier(DType);

/* ---- cuda_convert.c ---- */

/* The name under which `arg` is held in the projection of layout `l`; a conversion where its own
 * layout does not fit. NULL after a message. */
const char *fitted(Cuda *, const Value *arg, const Layout *l);
/* The same for an index tile that stands for axis `dim` of layout `l`, and its element. */
const char *axis_fitted(Cuda *, const Value *arg, const Layout *l, int dim);
char *axis_element(Cuda *, const Value *arg, const char *name, const Layout *l, int dim,
                   const char *reg);
/* `arg` in another layout of its own shape. */
const char *converted(Cuda *, const Value *arg, const Layout *to);
/* Would it go through shared memory? The two halves of that: */
bool goes_through_shared(Cuda *, const Layout *from, const Layout *to);
Turn put_in_shared(Cuda *, const Value *arg, const char *name, const Layout *from,
                   const Layout *to);
const char *take_from_shared(Cuda *, const Turn *, const Layout *to);
/* Vectors of the registers `name`, in layout `l`, go to or come from the place at `pointer`. */
void move_vectors(Cuda *, const SharedPlace *, const Layout *l, const Vectors *,
                  const char *pointer, DType, const char *name, bool write);
/* Registers `name` of a layout, to or from the tile at `at` in the buffer, in vectors `get`. */
void move_turn(Cuda *, const Turn *, const char *at, const Layout *, const char *name, bool write);
/* The tile, row-major, in a buffer; its element number `at` is at laid_place. A unit of one thread
 * has its elements a block's width apart, so that threads do not meet in a bank. */
Buffer *laid_down(Cuda *, const Value *);
char *laid_place(Cuda *, const char *at);
/* The row-major place of register r of this thread in a tile. */
char *place_text(Cuda *, const Type *, const Layout *);
void buffer_write(Cuda *, Buffer *);
void buffer_read(Cuda *, Buffer *);

/* The register of element 0 of vector `o`, as a C expression. */
char *vector_register(Cuda *, const Layout *, const Vectors *, const char *o);

/* ---- cuda_note.c: what was moved, where someone asks ---- */
void note_conversion(Cuda *, const Value *, const Layout *from, const Layout *to, MovementWay);
/* A load, store or atomic of a tile in that layout; no vectors: element by element. */
void note_access(Cuda *, const Op *, const Layout *, const Vectors *);
/* The registers of a thread in a cell, in vectors, those of the unit's threads side by side. */
void note_cell(Cuda *, const Op *, const char *what, int64_t regs, int64_t vector);
/* One side of a move through shared memory. */
void note_shared(Cuda *, const char *what, const Layout *, const Vectors *, const SharedPlace *);

/* ---- cuda_shift.c ---- */
/* Can a store take its tile from there where rows are not aligned? */
bool is_shiftable(const Op *store, const CudaView *, const SharedPlace *);
void store_shifted(Cuda *, const Op *store, const CudaView *, const Turn *);
/* How a store's writes are cached. */
const char *store_hint(Cuda *, const CudaView *);

/* ---- cuda_packed.c ---- */
/* The product as bf16, if it is one that only a store as e2m1 uses; false: not emitted. */
bool emit_packed_product(Cuda *, const Op *);
bool is_packed(const Cuda *, const Value *);

/* ---- cuda_exchange.c ---- */
void begin_exchanges(Cuda *, const Op *par);
/* Keeps the generation for the next launch; behind the last exchange of a program. */
void end_exchanges(Cuda *);
bool cuda_exchange(Cuda *, const Op *);

/* ---- cuda_nan.c ---- */
void find_seen_nans(Cuda *, const Op *par);
/* Nobody sees what the sigmoid of a NaN is. */
bool takes_number(Cuda *, const Op *sigmoid);

/* ---- cuda_live.c: marks what the phase needs ---- */
void find_live(Cuda *, const Op *par);
bool is_live(const Cuda *, const Op *);

/* ---- cuda_ops.c ---- */
/* Element `reg` of an operand in layout `l` (NULL: the scalar), converted or computed as need be.
 */
char *operand_text(Cuda *, const Value *, const Layout *l, const char *reg);
bool emit_operation(Cuda *, const Op *);

/* ---- cuda_control.c: IF, FOR, CONTINUE ---- */
bool emit_control(Cuda *, const Op *);
/* False after a message: programs that share a warp come apart where its lanes meet. */
bool check_lanes(Cuda *);
/* The results' variables get what the operation begins with; `from`: its first carried arg,
 * `at`: that of its region. */
void begin_carried(Cuda *, const Op *, int from, int at);
/* What the region yields goes to the results' variables. */
void give_yield(Cuda *, const Region *, const Op *);

/* ---- cuda_roles.c ---- */
/* Rings and barriers of the phase's pipes, before all programs. */
bool begin_pipes(Cuda *, const Op *par);
bool cuda_roles(Cuda *, const Op *);
bool cuda_put(Cuda *, const Op *);
bool cuda_get(Cuda *, const Op *);

/* ---- cuda_cells.c: local tensors that threads keep for themselves ---- */
bool is_in_cells(const Cuda *, const Value *tensor);
bool cells_declare(Cuda *, const Op *local);
bool cells_load(Cuda *, const Op *);
bool cells_store(Cuda *, const Op *);
/* The load is copied to the cell that a store puts it in, and emitted there. */
bool is_copied(const Cuda *, const Op *load);
bool emit_copies(Cuda *, const Op *);
/* The number chooses registers somewhere in the region. */
bool indexes_registers(const Cuda *, const Region *, const Value *index);

/* ---- pdl.c: waits for the launch ahead, and lets the one behind it start ---- */
void place_pdl(Cuda *);

/* ---- cuda_shape.c ---- */
bool cuda_extract(Cuda *, const Op *);
bool cuda_concat(Cuda *, const Op *);
/* Rounds of a loop that is unrolled, 0: it is not. */
int64_t unrolled_rounds(const Op *loop);

/* ---- cuda_view.c ---- */
bool tensor_view(Cuda *, const Op *tensor);
bool emit_view_op(Cuda *, const Op *);
Number number_of(Cuda *, const Value *);
/* The scalar arg of an access that an axis is indexed with; NULL: none. */
const Value *index_value(const Op *access, int axis);
/* How many registers in a row have one element of an upsampled view, and are inside together. */
int64_t group_run(const Op *access, const CudaView *, const Layout *);

/* ---- cuda_access.c ---- */
bool emit_load(Cuda *, const Op *);
bool emit_store(Cuda *, const Op *);
/* The cast from f32 that a store of narrow floats does on its way, two or more at a time; NULL:
 * none. */
const Op *narrow_store(Cuda *, const Op *store);
bool emit_atomic(Cuda *, const Op *);
/* The tensor or local that memory belongs to; aliases are one. NULL: nobody writes it. */
const Op *memory_of(const Cuda *, const Value *tensor);

/* The tensor axis that lies contiguously in memory and is a slice of the access; -1: none. `dim`:
 * the tile's dim that goes along it. */
int contiguous_slice(const Op *access, const CudaView *, int *dim);
/* Condition that the index of an axis without a slice is inside; "": it always is. Its part of the
 * element's number. */
char *scalar_inside(Cuda *, const Op *access, const CudaView *, int axis);
char *scalar_offset(Cuda *, const Op *access, const CudaView *, int axis);
const char *load_hint(Cuda *, const Op *, const CudaView *);
/* The condition that this is the unit's first thread; "": it has one. */
char *first_thread(Cuda *);
/* By threads, to registers `name` in layout l (NULL: those of the result), or from them. */
bool load_tile(Cuda *, const Op *, const CudaView *, const Layout *l, const char *name);
bool store_tile(Cuda *, const Op *, const CudaView *, const Layout *l, const char *name,
                bool narrows);
/* Copies vector "o" of the load's tile, in layout l, which has `each` elements, to `place`. False:
 * it has no such vectors. */
bool copy_vectors(Cuda *, const Op *load, const Layout *l, int64_t each, const char *place);

/* ---- cuda_path.c: what `load ..` and `store ..` ask ---- */
/* An error at a word of the schedule, about an access. */
bool path_fail(Cuda *, const Op *access, const Word *, const char *why);
bool path_fail_hint(Cuda *, const Op *access, const Word *, const char *hint, const char *why);
/* Tiles of threads that have programs of their own, moved by their warp. */
bool moves_by_warp(const Cuda *, const Op *access);
bool phase_moves_by_warp(const Cuda *, const Op *par);
bool warp_load(Cuda *, const Op *);
bool warp_store(Cuda *, const Op *);

/* ---- cuda_tensor.c: `load x via tma`, `store y via tma` ---- */
bool tensor_load(Cuda *, const Op *, const Word *);
/* Rings of boxes (BoxLoop): the local tensor that stands for one; a load that a store there copies;
 * what the store does; OP_COPIES of such a loop (false: it is of another). */
bool is_box_ring(const Cuda *, const Value *local);
bool box_ring_declare(Cuda *, const Value *local);
bool is_boxed(const Cuda *, const Op *load);
bool box_issue(Cuda *, const Op *store);
bool emit_box_waits(Cuda *, const Op *copies);
/* Registers `name` in that layout. */
bool tensor_store(Cuda *, const Op *, const Layout *, const char *name, const Word *);

/* ---- cuda_reduce.c ---- */
bool emit_reduction(Cuda *, const Op *);
/* Fetches a reduction's result, if it is still in shared memory. */
void finish_reduction(Cuda *, const Value *);
/* Over lanes and warps along the axis: `name`[0 .. n - 1], `f` joins two of type `t`. */
void reduce_across(Cuda *, const Layout *, int axis, const char *f, const char *name, int64_t n,
                   DType t);

/* ---- cuda_quotient.c ---- */
/* f32 quotients of a thread; args: the texts of element r of the operands, `plain`: of the
 * division. */
bool emit_quotients(Cuda *, const Op *, char **args, const char *plain);
enum { FEW_QUOTIENTS = 4 }; /* a thread that has fewer divides */
/* Around a program's operations, and before `again.until`. */
void quotients_begin(Cuda *, const Op *par);
void quotients_settle(Cuda *);
void quotients_end(Cuda *);

/* ---- cuda_order.c ---- */
bool emit_axis_op(Cuda *, const Op *);

#endif
