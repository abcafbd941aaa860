/* Kernels of .tile files for bench.py, through ctypes: compiler and runtime in one shared library.
 * Python looks up parameters by number and keeps the order of tile_call's arguments. */
#include <string.h>

#include "compiler/tile_jit.h"
#include "runtime/stub.h"

/* The program stays for good. Text NULL: of the file. */
TILE_API tile_status bench_kernel(const char *name, const char *text, const char *kernel,
                                  const tile_kernel **out)
{
    tile_program *program;
    tile_status status = text ? tile_program_parse(name, text, &program)
                              : tile_program_load(name, &program);
    return status != TILE_OK ? status : tile_program_kernel(program, kernel, out);
}

/* NULL: there is none of that number. Kinds: 0 tensor, 1 table, 2 scalar, 3 f32 scalar. */
TILE_API const char *bench_parameter(const tile_kernel *k, int number, int *kind)
{
    if (number >= k->param_count)
        return NULL;
    const tile_param *p = &k->params[number];
    *kind = p->kind != TILE_PARAM_SCALAR ? p->table : p->dtype == TILE_TYPE_F32 ? 3 : 2;
    return p->name;
}

/* A static that is an argument; "" for one that a tensor shows. */
TILE_API const char *bench_static(const tile_kernel *k, int number)
{
    if (number >= k->static_count)
        return NULL;
    return k->statics[number].shown_by < 0 ? k->statics[number].name : "";
}

/* The number of a static's value that is a name: of a type or a member; -1: it is none. */
TILE_API int bench_member(const tile_kernel *k, int number, const char *text)
{
    const tile_static *s = &k->statics[number];
    static const char *const types[] = {
#define NAME(type, name, bits) name,
        TILE_TYPE_TABLE(NAME)
#undef NAME
    };
    for (int i = 0; s->kind == TILE_STATIC_ENUM && i < s->member_count; i++) {
        const char *dot = strrchr(s->members[i], '.');
        if (strcmp(dot ? dot + 1 : s->members[i], text) == 0)
            return i;
    }
    for (int i = 0; s->kind == TILE_STATIC_TYPE && i < TILE_TYPE_COUNT; i++)
        if (strcmp(types[i], text) == 0)
            return i;
    return -1;
}
