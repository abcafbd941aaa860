/* Inside `tilec run --device cuda` and `--machine`. */
#ifndef TILE_RUN_CUDA_H
#define TILE_RUN_CUDA_H

#include "compiler/command.h"
#include "compiler/library.h"
#include "runtime/machine/machine.h"

typedef struct CudaRun {
    RunPlan *plan;
    tile_context *context;
    tile_machine *machine; /* that the context is on; NULL: a GPU */
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
/* Takes the run's kernel, tensors and arguments to the context. */
bool cuda_prepare(CudaRun *);
/* Gives back what that took, and the context. */
void cuda_finish(CudaRun *);
/* Puts the kernel into the default stream. */
bool cuda_launch(CudaRun *);

/* run_machine.c */

/* The buffers of the run become the machine's global memory. */
bool machine_takes(CudaRun *);

/* run_timing.c */

/* Prints the median time of n runs. Outputs afterwards are those of the last. */
bool cuda_time(CudaRun *, int n);

#endif
