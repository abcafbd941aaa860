/* Inside `tilec run --device cuda`. */
#ifndef TILE_RUN_CUDA_H
#define TILE_RUN_CUDA_H

#include "compiler/command.h"
#include "compiler/lower.h"
#include "runtime/tile.h"

/* As TILE_TABLE_ENTRIES in runtime/device/tile.h. */
enum { TABLE_ENTRIES = 128, BARRIER_BYTES = 128 };

typedef struct CudaRun {
    RunPlan *plan;
    tile_context *context;
    void ***device;   /* of every binding, its entries */
    void **arguments; /* of the kernel, in the order of its parameters */
    int narguments;
    int64_t programs; /* the last argument but the barrier */
    void *barrier;    /* two words, cleared once (R13) */
    const PhasePlan *phases;
    tile_function **functions; /* of the phases */
    int nphases;
} CudaRun;

/* run_cuda.c */

/* Says what the runtime said; false. */
bool cuda_failed(CudaRun *);
/* Puts a phase into the default stream. */
bool cuda_launch(CudaRun *, int phase);

/* run_timing.c */

/* Prints the median time of n runs. Outputs afterwards are those of the last. */
bool cuda_time(CudaRun *, int n);

#endif
