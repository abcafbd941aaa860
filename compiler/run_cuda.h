/* Inside `tilec run --device cuda`. */
#ifndef TILE_RUN_CUDA_H
#define TILE_RUN_CUDA_H

#include "compiler/command.h"
#include "compiler/library.h"

typedef struct CudaRun {
    RunPlan *plan;
    tile_context *context;
    void ***device; /* of every binding, its entries */
    LibraryKernel *library;
    tile_kernel kernel; /* with the run's variant alone */
    tile_argument *arguments;
    int count;
    void *scratch;
    size_t scratch_bytes;
} CudaRun;

/* run_cuda.c */

/* Says what the runtime said; false. */
bool cuda_failed(CudaRun *);
/* Puts the kernel into the default stream. */
bool cuda_launch(CudaRun *);

/* run_timing.c */

/* Prints the median time of n runs. Outputs afterwards are those of the last. */
bool cuda_time(CudaRun *, int n);

#endif
