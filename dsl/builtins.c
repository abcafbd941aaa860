#include "dsl/builtins.h"

#include <string.h>

const Builtin builtin_table[] = {
#define B(name, min, max, named, group) {#name, min, max, named, #group},
    TILE_BUILTINS(B)
#undef B
        {0},
};

const Builtin *builtin_find(const char *name)
{
    for (const Builtin *b = builtin_table; b->name; b++)
        if (b->name[0] == name[0] && strcmp(b->name, name) == 0)
            return b;
    return NULL;
}
