/* Inside `tilec layout`: who holds which element of a tile, in words and as a picture. */
#ifndef TILE_PICTURE_H
#define TILE_PICTURE_H

#include "compiler/command.h"
#include "compiler/lower.h"

/* What is shown: a value that has a name, or the tile of an access. */
typedef struct Subject {
    const char *name; /* of the `let` or `var`; of an access: of the tensor */
    int line;
    const Value *value;
    Type type;
    Layout layout;
    ThreadUnit unit;
    const Movement *access; /* NULL: a named value */
} Subject;
typedef struct Subjects {
    Subject *items;
    int count, capacity;
} Subjects;

/* explain.c */

/* "let v, line 15: f32[2, 8, 128]" */
char *subject_title(Arena *, const Subject *);
/* Modes, registers, the accesses of it and its conversions, a line each. */
TextList explain_subject(Arena *, const Movements *, const Subject *);
/* Does the value come from, or go to, the other by casts and reshapes alone? */
bool same_elements(const Value *, const Value *);
/* A conversion through shared memory: place, swizzle, conflicts. */
TextList explain_shared(Arena *, const Movement *);

/* holders.c */

/* Thread and register of an element; `count`: how many threads hold it. 0: nobody; `empty`: a
 * holder that a mask leaves without an element stands there. */
typedef struct Holder {
    int warp, lane, reg, count;
    bool empty;
} Holder;

/* A tile as rows and columns, extents of 1 dropped; a long line is cut into rows. */
typedef struct Grid {
    int rank; /* of `extent`: the dims in rows, then the one in columns */
    int64_t extent[MAX_RANK], rows, columns;
    bool cut;
    Holder *holders; /* row-major; those of masked holders beyond the tile included */
    int warps;
} Grid;
Grid grid_of(Arena *, const Type *, const Layout *);
/* "3, 0": the indices of a row; of a line that was cut: of its first element. */
char *grid_row(Arena *, const Grid *, int64_t row);

/* picture.c, picture_shared.c */

/* An SVG in the making: panels, one below the other. */
typedef struct Picture {
    Arena *arena;
    FILE *body;
    int width, height; /* so far */
} Picture;

void picture_rect(Picture *, double x, double y, double w, double h, const char *fill,
                  const char *stroke);
/* `anchor`: "start", "middle" or "end". */
void picture_text(Picture *, double x, double y, int size, const char *anchor, const char *text);
/* Lines of text below each other from `y` on; gives where the next one would be. */
int picture_lines(Picture *, int x, int y, const TextList *);
/* "#9ecbff": a colour of warp or chunk `n`, lighter where told. */
const char *picture_color(int n, bool light);
void picture_tile(Picture *, const Subject *, const TextList *words);
void picture_shared(Picture *, const Movement *, const TextList *words);

#endif
