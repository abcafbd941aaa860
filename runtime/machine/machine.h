/* The machine model: a kernel compiled for the host runs as a GPU would be allowed to run it, and
 * the first breach of the rules of the PTX ISA is reported. docs/machine-model.md lists the rules.
 *
 * A machine belongs to one thread of the host at a time; several may exist, but code that is loaded
 * is bound to the machine that launched it last.
 */
#ifndef TILE_MACHINE_H
#define TILE_MACHINE_H

#include "runtime/machine/faults.h"
#include "runtime/tensor_map.h"
#include "runtime/tile.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tile_machine tile_machine;
typedef struct tile_machine_code tile_machine_code;

/* When an asynchronous operation completes: X(policy, name). */
#define TILE_POLICY_TABLE(X)                                                \
    X(BY_SEED, "by seed") /* one of the others */                           \
    X(LATE, "late")       /* not before every thread waits for something */ \
    X(EARLY, "early")     /* at once */                                     \
    X(RANDOM, "random")

typedef enum tile_policy {
#define TILE_POLICY(policy, name) TILE_POLICY_##policy,
    TILE_POLICY_TABLE(TILE_POLICY)
#undef TILE_POLICY
} tile_policy;

typedef struct tile_machine_options {
    tile_arch arch;
    uint64_t seed; /* of the order of threads and blocks and of completions */
    tile_policy policy;
    const char *source; /* the .tile file, for places; NULL: "line" */
} tile_machine_options;

/* NULL: no memory. */
tile_machine *tile_machine_create(const tile_machine_options *options);
void tile_machine_free(tile_machine *);

/* ---- global memory ---- */

enum {
    TILE_BUFFER_READ_ONLY = 1, /* a write is a fault */
    TILE_BUFFER_UNDEFINED = 2  /* a read before a write is a fault */
};

/* Memory of the caller that kernels may touch until it is taken back. False: it overlaps another
 * buffer, or no memory. */
bool tile_machine_buffer(tile_machine *, void *data, size_t bytes, const char *name,
                         unsigned flags);
void tile_machine_remove(tile_machine *, void *data);
/* The bytes, within one buffer, have been written from outside. */
void tile_machine_define(tile_machine *, void *data, size_t bytes);

/* ---- kernels ---- */

/* CUDA text in the C subset through the host's C compiler (TILE_CC, else cc) and the disk cache.
 * The code is freed with the machine. False: tile_machine_report says why. */
bool tile_machine_load(tile_machine *, const tile_source *source, tile_machine_code **code);

/* Runs a kernel to its end; of grid, block and cluster only x counts. False: a fault. */
bool tile_machine_launch(tile_machine *, tile_machine_code *code, const char *entry,
                         const tile_launch_config *config, const void *args, size_t args_bytes);

/* A context of tile.h whose GPU is the machine; it goes before the machine does. Memory that is
 * given to kernels is from tile_alloc or registered above. */
tile_status tile_machine_context(tile_machine *, tile_context **context);

/* Records what this block of every launch from now on does, in the model's time. False: no memory.
 */
bool tile_machine_trace(tile_machine *, int64_t block);
/* What the record has: nothing if no launch had that block. */
int64_t tile_machine_traced(const tile_machine *);
/* Draws the record as SVG: warps, engines, stages of rings, who waits. False: it cannot be written.
 */
bool tile_machine_timeline(tile_machine *, const char *path);

/* ---- what came of it ---- */

/* The first fault and its text; NONE and "" as long as there is none. After one, launches fail. */
tile_fault tile_machine_fault(const tile_machine *);
const char *tile_machine_report(const tile_machine *);
/* "missing proxy fence" */
const char *tile_fault_name(tile_fault);

typedef struct tile_machine_counts {
    uint64_t steps;          /* operations that threads and engines have done */
    uint64_t shared_passes;  /* over shared memory, the least that its accesses take */
    uint64_t bank_conflicts; /* passes beyond those */
} tile_machine_counts;

tile_machine_counts tile_machine_count(const tile_machine *);

#ifdef __cplusplus
}
#endif

#endif
