/* The C of a library: a header for its callers, tables and functions, and its machine code. */
#ifndef TILE_STUB_PRINTER_H
#define TILE_STUB_PRINTER_H

#include <stdio.h>

#include "compiler/library.h"

/* Machine code that a build of a variant has, or none: then its CUDA text is there. */
typedef struct StubCode {
    const char *name;          /* of the source */
    const char *cubin;         /* the file that has it; NULL: none */
    const char *cuda;          /* text that is compiled at the first call; NULL: none */
    bool unaligned;            /* compiled with -DTILE_ALIGNED=0 */
    const LibraryBuild *build; /* that it is of */
} StubCode;

typedef struct Stub {
    Arena *arena;
    const char *name;   /* "cast": of cast.h, libcast.a */
    const char *symbol; /* the same as an identifier */
    TextList sources;   /* .tile files, for the comment at the top */
    struct {
        LibraryKernel **items;
        int count, capacity;
    } kernels;
    struct {
        StubCode *items;
        int count, capacity;
    } codes; /* in the order in which tables are printed */
    struct {
        tile_file *items;
        int count, capacity;
    } files;          /* texts of the programs; the interpreter needs them */
    unsigned targets; /* a bit each */
} Stub;

/* stub_files.c */

struct Command;
/* The kernels of a file, with all their variants; `guess`: library_add_all's. False after
 * messages. */
bool stub_add_file(struct Command *, Stub *, const char *path, bool guess);
/* A file's or library's name, which C has to include; false after a message. */
bool stub_name_is_right(const char *name);
bool stub_write(const char *folder, const char *name, const Stub *,
                void (*print)(FILE *, const Stub *));

/* stub.c: "cast-2" to "cast_2" */
const char *stub_symbol(Arena *, const char *name);
/* The parameter's name as C may have it: `register_`, `stream_`. */
const char *stub_name(Arena *, const char *name);
/* Lists the codes that the kernels' builds need: without cubins yet. */
void stub_list_codes(Stub *);

/* NAME.c */
void stub_print_source(FILE *, const Stub *);
/* stub_header.c: NAME.h */
void stub_print_header(FILE *, const Stub *);
/* "tile_status tk_cast(tile_context *context, ..)" behind `before`, in lines of at most 100
 * columns; `what` is "" or "_scratch". */
void stub_print_prototype(FILE *, const Stub *, const LibraryKernel *, const char *before,
                          const char *what);
/* stub_tables.c: the tables of a kernel. `code` counts the codes that have been named. */
void stub_print_tables(FILE *, const Stub *, const LibraryKernel *, int *code);
/* stub_code.c: NAME_code.c, machine code and texts. Cubins are read when it is assembled. */
void stub_print_code(FILE *, const Stub *);
/* A text as a C string, a line a line. */
void stub_print_string(FILE *, const char *text);

#endif
