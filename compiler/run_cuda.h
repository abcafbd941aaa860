/* Inside `tilec run --device cuda`. */
#ifndef TILE_RUN_CUDA_H
#define TILE_RUN_CUDA_H

#include "compiler/command.h"
#include "compiler/host.h"
#include "runtime/tile.h"

enum { BARRIER_BYTES = 128 };

typedef struct CudaRun {
    RunPlan *plan;
    tile_context *context;
    void ***device; /* of every binding, its entries */
    tile_plan host;
    int64_t *nodes; /* values */
    void *args;     /* the args struct */
    size_t args_bytes;
    void *barrier;             /* the scratch's first words, cleared once (R13) */
    tile_function **functions; /* of the phases; NULL on the machine model */
} CudaRun;

/* run_cuda.c */

/* Says what the runtime said; false. */
bool cuda_failed(CudaRun *);
/* Do all vector accesses fit? Asked before the functions are there. */
bool cuda_is_aligned(CudaRun *);
/* Fills the args struct. */
bool cuda_gather(CudaRun *);
/* Puts a phase into the default stream. */
bool cuda_launch(CudaRun *, int phase);

/* run_timing.c */

/* Prints the median time of n runs. Outputs afterwards are those of the last. */
bool cuda_time(CudaRun *, int n);

#endif
