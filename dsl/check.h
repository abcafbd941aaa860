/* The checks that need no types, in all branches of all items: names, numbers of arguments, what
 * may be assigned, and that schedules and instances speak of things that exist. */
#ifndef TILE_CHECK_H
#define TILE_CHECK_H

#include "dsl/ast.h"

/* The lists are those of one program: the items of a file and the consts, enums and functions of
 * its imports. False after a message. */
bool check_names(Arena *, Diag *, const ItemList *consts, const ItemList *enums,
                 const ItemList *fns, const ItemList *kernels, const ItemList *schedules,
                 const ItemList *instances);

#endif
