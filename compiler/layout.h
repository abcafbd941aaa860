/* Layouts: which register of which lane of which warp holds which element of a tile.
 *
 * A layout is a list of modes. A mode gives its owner (register number, lane id, warp number) a
 * digit of `extent` values, and each step of the digit moves `stride` elements along `dim`. Within
 * an owner the modes are ordered from the fastest digit. A mode with dim -1 is replication: its
 * holders have the same element. Extents need not be powers of two.
 *
 * Where the modes of a dim cover more than its extent, the surplus is masked: holders for which the
 * weighted sum of the mask's digits is not below its limit hold nothing. A mask belongs to the
 * modes, so that it survives a reshape (72 experts in 8 groups of 9, 12 holders a group).
 */
#ifndef TILE_LAYOUT_H
#define TILE_LAYOUT_H

#include "compiler/ir.h"

typedef struct Mode {
    int8_t owner; /* Owner */
    int8_t dim;
    int8_t mask; /* index of the mask its digit counts for; -1: none */
    int32_t extent, stride;
    int32_t weight; /* a step of the digit adds that to the mask's sum */
} Mode;

enum { MAX_MODES = 24, MAX_MASKS = 4 };

typedef struct Layout {
    int count, masks;
    int32_t limit[MAX_MASKS];
    Mode mode[MAX_MODES];
} Layout;

/* The threads that run one program together: lanes of a warp (1, 2, 4 .. 32) and warps. */
typedef struct ThreadUnit {
    int lanes, warps;
} ThreadUnit;

extern const char owner_letter[OWNERS];

void layout_add(Layout *, Owner, int dim, int64_t extent, int64_t stride);
/* The same, of mask `mask`. */
void layout_add_masked(Layout *, Owner, int dim, int64_t extent, int64_t stride, int mask,
                       int64_t weight);
/* Registers a thread, lanes, warps that the modes span. */
int64_t layout_span(const Layout *, Owner);
/* How many values the modes of an owner along `dim` have together. */
int64_t layout_along(const Layout *, Owner, int dim);
/* The same element in the same register of the same thread. */
bool layout_equal(const Layout *, const Layout *);
/* Lanes and warps hold the same parts: only the order of registers differs. */
bool layout_same_threads(const Layout *, const Layout *);
/* Some holder holds nothing. */
bool layout_is_masked(const Layout *);
/* "reg 8@1.0 | lane 32@8.0 | warp 4@256.0 | lane 2": extent@stride.dim; "< 72" behind a mask */
char *layout_text(Arena *, const Layout *);
/* The index along `dim` that a holder has: of its digits along that dim, so that it is what reg,
 * lane and warp add to it. */
int64_t layout_index(const Layout *, int dim, int64_t reg, int64_t lane, int64_t warp);
/* The weighted sum of the mask's digits, which is each owner's added up. */
int64_t layout_mask_sum(const Layout *, int mask, int64_t reg, int64_t lane, int64_t warp);
/* Does this holder hold an element? */
bool layout_holds(const Layout *, int64_t reg, int64_t lane, int64_t warp);

/* What layout_spread is asked for. */
typedef struct SpreadRequest {
    int fast;       /* the axis along which vectors run */
    int64_t vector; /* neighbours along it in the registers of a thread */
    int block_axis; /* another axis with `block` neighbours in registers; -1: none */
    int64_t block;
    bool masked; /* where extents do not divide, holders may stay empty; else they replicate */
} SpreadRequest;

/* Spreads a tile over the unit: the vector in registers, then lanes along the fast axis, then along
 * the others from the last, then warps likewise; what is left of the tile goes to registers, what
 * is left of the unit replicates. */
Layout layout_spread(const Type *, SpreadRequest, ThreadUnit);
/* The same elements under another shape (row-major). False: a mode would straddle two axes. */
bool layout_reshape(const Layout *, const Type *from, const Type *to, Layout *out);
Layout layout_trans(const Layout *, int rank);
/* The layout of an operand that is stretched (extents 1) to a tile of layout `l`. */
Layout layout_project(const Layout *, const Type *operand);
/* The layout after a reduction along `axis`: its lanes and warps replicate. */
Layout layout_reduce(const Layout *, int axis);

#endif
