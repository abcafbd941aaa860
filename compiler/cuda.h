/* Inside the CUDA emitter. One statement an operation; names from the source; memory and machine
 * are touched only through runtime/device/. */
#ifndef TILE_CUDA_H
#define TILE_CUDA_H

#include <stdio.h>

#include "compiler/lower.h"

/* A tensor value in C: element (i0, i1, ..) is data[offset + sum of (i + shift) / divide *
 * stride]. */
typedef struct CudaView {
    const char *data;   /* pointer variable; e2m1: of bytes */
    const char *offset; /* elements */
    const char *extent[MAX_RANK], *stride[MAX_RANK];
    const char *divide[MAX_RANK]; /* NULL: 1 */
    const char *shift[MAX_RANK];  /* NULL: 0 */
    const Op *tensor;
} CudaView;

/* How a tensor's memory was accessed since the last barrier of the unit. */
typedef struct Touch {
    const Op *memory; /* the tensor or local */
    int how;
    bool own; /* each thread only where `op` touches in `layout` */
    const Op *op;
    Layout layout;
} Touch;

enum { MOST_TOUCHED = 24 };

typedef struct Touched {
    int count;
    Touch item[MOST_TOUCHED];
} Touched;

typedef struct Cuda {
    Lowered *low;
    Arena *arena;
    const PhasePlan *plan;
    FILE *out;
    int indent;
    bool failed;
    const char **name; /* C name by Value.id, NULL: none yet */
    CudaView **view;   /* by Value.id, of tensors */
    bool *live;        /* by Value.id: an effect of the phase needs it */
    struct {
        const char **items;
        int count, capacity;
    } used;
    int temps;
    size_t shared_bytes; /* of the exchange buffer */
    size_t local_bytes;  /* of local tensors, beside it */
    Touched touched;
    bool ragged; /* programs are points of a loop, not blocks */
    int line;    /* of the last #line */
} Cuda;

/* Prints an indented line. */
void line(Cuda *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void open_block(Cuda *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void close_block(Cuda *);
/* #line, where the source line changes. */
void mark_line(Cuda *, Pos);
bool cuda_fail(Cuda *, const Op *, const char *format, ...) __attribute__((format(printf, 3, 4)));
char *format_text(Cuda *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The C type that holds an element in a register. */
const char *c_type(DType);
/* A constant element as a literal. */
char *c_literal(Cuda *, DType, uint64_t bits);
const char *c_name(Cuda *, const Value *);
const char *new_temp(Cuda *, const char *stem);

const Layout *layout_of(Cuda *, const Value *);
int64_t registers(Cuda *, const Value *);
/* Declares the value: a scalar, or an array of its registers. */
void declare(Cuda *, const Value *);
/* The element of `arg` that goes with register `reg` (a C expression) of a tile in layout `l` of
 * type `t`. A layout that does not fit has been converted by `fitted`. */
char *element(Cuda *, const Value *arg, const char *name, const Type *t, const Layout *l,
              const char *reg);
/* The name under which `arg` is held in the projection of layout `l`: its own, or a new array
 * filled through shared memory. NULL after a message. */
const char *fitted(Cuda *, const Value *arg, const Layout *l);
/* `arg` in another layout of its own shape: a new array. */
const char *converted(Cuda *, const Value *arg, const Layout *to);
/* Lays a tile down in shared memory, row-major, as `s`; the unit is together afterwards. */
void lay_down(Cuda *, const Value *);
/* As `element`, for an index tile that stands for axis `dim` of layout `l`. */
char *axis_element(Cuda *, const Value *arg, const char *name, const Layout *l, int dim,
                   const char *reg);
const char *axis_fitted(Cuda *, const Value *arg, const Layout *l, int dim);
/* The register of a projection that goes with register `reg` of `l`; `kept`: the dims that stay. */
char *projected_register(Cuda *, const Layout *l, const bool *kept, const char *reg);
/* The row-major place of register r of this thread in a tile. */
char *place_text(Cuda *, const Type *, const Layout *);
/* A condition that holds in one holder of each element; "" if all hold different ones. */
char *one_holder(Cuda *, const Layout *);
/* The coordinate along `dim` of register `reg` of this thread, as a C expression of int. */
char *coordinate(Cuda *, const Layout *, int dim, const char *reg);

/* cuda_live.c: marks what the phase needs; an operation that is not live need not be emitted. */
void find_live(Cuda *, const Op *par);
bool is_live(const Cuda *, const Op *);
/* cuda_effects.c: a barrier where an access of a tile in that layout (NULL: of one element by all)
 * needs one, and what is known behind barriers, loops and branches. */
void order_access(Cuda *, const Op *access, const Layout *, bool write);
void forget_touched(Cuda *);
void join_touched(Cuda *, const Touched *);
/* Before the rounds of a FOR, before programs that one unit runs in turn. */
void touch_loop(Cuda *, const Op *loop);
void touch_programs(Cuda *, const Region *body);
/* cuda_ops.c */
bool emit_operation(Cuda *, const Op *);
/* cuda_shape.c */
bool cuda_extract(Cuda *, const Op *);
bool cuda_concat(Cuda *, const Op *);
/* Rounds of a loop that is unrolled, 0: it is not. */
int64_t unrolled_rounds(const Op *loop);
/* cuda_access.c */
bool emit_load(Cuda *, const Op *);
bool emit_store(Cuda *, const Op *);
bool emit_atomic(Cuda *, const Op *);
bool emit_view_op(Cuda *, const Op *);
/* cuda_reduce.c */
bool emit_reduction(Cuda *, const Op *);
/* Over lanes and warps along the axis: `name`[0 .. n - 1], `f` joins two of type `t`. */
void reduce_across(Cuda *, const Layout *, int axis, const char *f, const char *name, int64_t n,
                   DType t);
/* cuda_order.c */
bool emit_axis_op(Cuda *, const Op *);
bool emit_region_ops(Cuda *, const Region *);
/* All threads of the program's unit have come here, and see each other's memory. */
void unit_sync(Cuda *);
/* Room in shared memory for that many bytes a program. */
void need_shared(Cuda *, size_t bytes);
bool tensor_view(Cuda *, const Op *tensor);

#endif
