/* Layouts: which register of which lane of which warp holds which element of a tile.
 *
 * A layout is a list of modes. A mode gives its owner (register number, lane id, warp number) a
 * digit of `extent` values, and each step of the digit moves `stride` elements along `dim`. Within
 * an owner the modes are ordered from the fastest digit. A mode with dim -1 is replication: its
 * holders have the same element. Extents need not be powers of two. A layout covers its tile
 * exactly: every element has a holder, and every register holds an element.
 */
#ifndef TILE_LAYOUT_H
#define TILE_LAYOUT_H

#include "compiler/ir.h"

typedef struct Mode {
    Owner owner;
    int dim;
    int64_t extent, stride;
} Mode;

enum { MAX_MODES = 32 };

typedef struct Layout {
    int count;
    Mode mode[MAX_MODES];
} Layout;

/* The threads that run one program together: lanes of a warp (1 or 32) and warps. */
typedef struct ThreadUnit {
    int lanes, warps;
} ThreadUnit;

extern const char owner_letter[OWNERS];

void layout_add(Layout *, Owner, int dim, int64_t extent, int64_t stride);
/* Registers a thread, lanes, warps that the modes span. */
int64_t layout_span(const Layout *, Owner);
bool layout_equal(const Layout *, const Layout *);
/* "reg 8@1.0 | lane 32@8.0 | warp 4@256.0 | lane 2": extent@stride.dim */
char *layout_text(Arena *, const Layout *);
/* The index along `dim` that a holder has: of its digits along that dim. */
int64_t layout_index(const Layout *, int dim, int64_t reg, int64_t lane, int64_t warp);

/* Spreads a tile over the unit: `vector` neighbours along axis `fast` in registers, then lanes and
 * warps along it as far as they divide, then along the other axes from the last; what is left of
 * the tile goes to registers, what is left of the unit replicates. */
Layout layout_spread(const Type *, int fast, int64_t vector, ThreadUnit);
/* The same elements under another shape (row-major). False: a mode would straddle two axes. */
bool layout_reshape(const Layout *, const Type *from, const Type *to, Layout *out);
Layout layout_trans(const Layout *, int rank);
/* The layout of an operand that is stretched (extents 1) to a tile of layout `l`. */
Layout layout_project(const Layout *, const Type *operand);
/* The layout after a reduction along `axis`: its lanes and warps replicate. */
Layout layout_reduce(const Layout *, int axis);

#endif
