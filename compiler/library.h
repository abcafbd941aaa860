/* Kernels of .tile files as the tables that the runtime's engine takes (runtime/stub.h): what
 * stub.c prints, and what the compiler makes in memory for a call on demand. */
#ifndef TILE_LIBRARY_H
#define TILE_LIBRARY_H

#include "compiler/asserts.h"
#include "compiler/program.h"
#include "compiler/sum_orders.h"
#include "runtime/stub.h"

/* A variant on one target, with one schedule. */
typedef struct LibraryBuild LibraryBuild;
struct LibraryBuild {
    tile_plan *plan;    /* NULL: none */
    CodeLimits limits;  /* what its machine code may use */
    const char *cuda;   /* its text; NULL: the CPU's */
    const char *name;   /* "per_token_cast.bf16_e4m3_f32_128_false.sm90" */
    SumOrders *orders;  /* of its sums, where other schedules are asked, too */
    LibraryBuild *next; /* the schedule that takes calls which this one does not; NULL: none */
};

typedef struct LibraryVariant {
    int64_t *key;
    const char *text; /* "T=bf16 O=e4m3 S=f32 G=128 pow2=false sf=row" */
    LibraryBuild builds[TILE_TARGETS];
} LibraryVariant;

typedef struct LibraryKernel {
    Arena *arena;
    Program *program;
    const Item *item;
    const char *name;
    tile_param *params;
    const Param **written; /* the params as the file has them */
    tile_static *statics;
    const Static **declared; /* the statics likewise */
    const Item **enums;      /* of statics that are members of one, else NULL */
    int param_count, static_count, key_count;
    bool has_scratch, lines;    /* lines: the CUDA names those of the sources */
    int first_file, file_count; /* of Stub.files: the kernel's program */
    struct {
        LibraryVariant *items;
        int count, capacity;
    } variants; /* sorted by key */
} LibraryKernel;

/* Parameters and statics; no variants yet. NULL after a message: it has more than a call can take.
 */
LibraryKernel *library_kernel(Arena *, Program *, const Item *);
/* Adds a variant with one schedule for a target: elaborated, planned and, for a GPU, lowered to
 * CUDA. Schedules come in order. False after a message. One that is there already stays. */
bool library_add(LibraryKernel *, Diag *, tile_arch, const Variant *);
/* The target whose schedules the interpreter follows on the CPU; on a GPU its name. */
const char *library_target(const LibraryKernel *, tile_arch);
/* Every variant that `instances` gives, for each target whose bit is set. `guess`: for statics
 * without a value typical ones are taken, so that the kernel can be looked at. */
bool library_add_all(LibraryKernel *, Diag *, unsigned targets, bool guess);
/* The numbers by which a call finds the variant. */
int64_t *library_key(const LibraryKernel *, Arena *, const Variant *);
/* Is the static an argument of the call? */
static inline bool is_argument(const tile_static *s)
{
    return s->shown_by < 0;
}
/* "T[M, K]"; "table(L, f32[N])" */
const char *library_type(Arena *, const Param *);

/* library_export.c: as the engine takes them. The kernel has no variants, state and provider yet.
 */
void library_describe(const LibraryKernel *, tile_kernel *);
/* All its variants; those that were in the list `before` keep their codes. */
tile_variant_list *library_list(const LibraryKernel *, Arena *, const tile_variant_list *before);

/* library_lower.c: the variant's plan and, but for the CPU, its CUDA. False after a message. */
bool library_lower(LibraryKernel *, Diag *, tile_arch, const Variant *, LibraryBuild *);

#endif
