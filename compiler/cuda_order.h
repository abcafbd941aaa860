/* Operations along one axis of a tile: order, scans, counts. Inside the CUDA emitter. */
#ifndef TILE_CUDA_ORDER_H
#define TILE_CUDA_ORDER_H

#include "compiler/cuda.h"

/* An operand in registers: `name`[r], in a layout. A constant tile has been written out. */
typedef struct Held {
    Type type;
    Layout layout;
    const char *name;
} Held;

/* A register number in the making: a C expression for the digit of each register mode of a layout;
 * NULL: 0. */
typedef struct Digits {
    const char *text[MAX_MODES];
} Digits;

/* cuda_axis.c */

/* The operand in layout `want`, or in its own if that is NULL. */
bool hold(Cuda *, const Value *, const Layout *want, Held *);
/* `name`[r] in layout `l` is the result from now on. */
void give_result(Cuda *, const Value *, const char *name, const Layout *l);

/* How many registers (or lanes) the modes along `axis` span; those along other dims. */
int64_t axis_registers(const Layout *, int axis);
int64_t axis_lanes(const Layout *, int axis);
int64_t axis_warps(const Layout *, int axis);
int64_t other_registers(const Layout *, int axis);
/* Bits of the lane number that go along `axis`. */
int axis_lane_mask(const Layout *, int axis);
/* All lanes go along `axis` or hold the same as another. */
bool axis_has_warp(const Layout *, int axis);
/* The modes along `axis`, by ascending stride. Returns how many. */
int axis_modes(const Layout *, int axis, const Mode **modes);

/* Digits of the modes that are not along `axis`, from the number `o` of that combination, in the
 * order of the registers of layout_reduce(l, axis). */
void other_digits(Cuda *, const Layout *, int axis, const char *o, Digits *);
/* Digits along `axis`: of its j-th register by ascending index; of the element `at`. */
void axis_digits(Cuda *, const Layout *, int axis, const char *j, Digits *);
void element_digits(Cuda *, const Layout *, int axis, const char *at, Digits *);
char *register_text(Cuda *, const Layout *, const Digits *);
/* The lane that holds element `at` of this lane's line. */
char *lane_of_element(Cuda *, const Layout *, int axis, const char *at);
/* Which of the axis's registers, in the order of axis_digits, holds element `at`. */
char *axis_register_of(Cuda *, const Layout *, int axis, const char *at);

/* Layouts with the axis in few registers of one warp: the lanes fastest, or a run a lane. */
bool axis_over_lanes(const Type *, int axis, ThreadUnit, bool runs, Layout *);
Layout axis_into_registers(const Type *, int axis, ThreadUnit);

/* The tile, row-major, in a buffer: each element by one holder; and back. */
void shared_put(Cuda *, const Held *, Buffer *);
void shared_get(Cuda *, const Held *, Buffer *);
Buffer *shared_tile(Cuda *, const char *stem, const Type *);

/* The lines of a tile along an axis, in row-major memory: `count` lines of n elements that are
 * `stride` apart. */
typedef struct Rows {
    int64_t n, stride, count;
} Rows;

Rows rows_of(const Type *, int axis);
/* Where line `row` begins, if its lines have n elements. */
char *row_start(Cuda *, const Rows *, int64_t n);

/* cuda_census.c */

/* A tile of one axis whose elements have been counted by their class, 0 .. classes - 1. */
struct Census {
    const Value *value;
    int64_t classes;
    const Statement *block; /* it is valid while that is open */
    Held held;
    const char *earlier; /* of each register, elements of its class before it; NULL: not asked for.
                          * What is of no class has any number. */
    const char *before;  /* of each register, those of this lane's class in registers and warps
                          * before it: on their way to `earlier` */
    const char *count;   /* [1]: members of the class that is the lane's number */
    Buffer *table;       /* or: rows of a counter a class, the last with all */
};

/* `order`: census_layout, if `earlier` is asked for. NULL after an error. */
Census *take_census(Cuda *, const Value *, const Layout *order, int64_t classes);
/* One that gives a histogram; NULL: counting in shared memory is better. */
const Census *census_of(Cuda *, const Value *, int64_t classes);
/* The histogram becomes the value. */
bool census_counts(Cuda *, const Census *, const Value *);
/* The condition under which register r is of a class. */
char *counts_text(Cuda *, const Held *, int64_t classes);

/* cuda_count.c */
bool cuda_histogram(Cuda *, const Op *);
bool cuda_occurrence(Cuda *, const Op *);

/* cuda_scan.c */
Layout scan_layout(const Op *, const Layout *operand, ThreadUnit);
bool emit_axis_scan(Cuda *, const Op *);
bool emit_axis_softmax(Cuda *, const Op *);
/* The sum of an f32 tile with order = tree; the result's layout is layout_reduce's. */
bool tree_sum(Cuda *, const Held *, int axis, Held *sum);
bool emit_tree_sum(Cuda *, const Op *);

#endif
