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
    void ***device;        /* of every binding, its entries */
    LibraryKernel *library;
    tile_kernel kernel; /* with the run's variant alone */
    tile_argument *arguments;
    int count;
    void *scratch;
    size_t scratch_bytes;
} CudaRun;

/* Where a buffer lies on the device: --pitch and --offset. */
typedef struct DevicePlace {
    bool loose;  /* not as the buffer is */
    int64_t row; /* elements from one row to the next */
    int64_t offset, rows;
    size_t offset_bytes, row_bytes, data_bytes, bytes; /* data_bytes: of a row */
} DevicePlace;

/* run_place.c */

bool device_place(const RunPlan *, const Buffer *, DevicePlace *);
/* `device` is the begin of the allocation of .bytes. */
bool place_upload(CudaRun *, const DevicePlace *, const Buffer *, void *device);
/* False too if the kernel has written between rows. */
bool place_download(CudaRun *, const DevicePlace *, const Buffer *, const void *device);

/* run_cuda.c */

/* Says what the runtime said; false. */
bool cuda_failed(CudaRun *);
/* Takes the run's kernel, tensors and arguments to the context. */
bool cuda_prepare(CudaRun *);
/* Brings the outputs back. */
bool cuda_download(CudaRun *);
/* Gives back what that took, and the context. */
void cuda_finish(CudaRun *);
/* Puts the kernel into the default stream. */
bool cuda_launch(CudaRun *);

/* run_machine.c */

/* Tells the machine what the tensors are called, which are read only and which undefined. */
bool machine_describe(CudaRun *);

/* run_timing.c */

/* Prints the median time of n runs. Outputs afterwards are those of the last. */
bool cuda_time(CudaRun *, int n);

#endif
