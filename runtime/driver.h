/* The parts of the CUDA driver and of NVRTC that the runtime uses, found by dlopen at first use.
 *
 * Types and codes are declared here, so that no CUDA header is needed; a test compares them with
 * NVIDIA's headers where those are.
 */
#ifndef TILE_DRIVER_H
#define TILE_DRIVER_H

#include <stddef.h>
#include <stdint.h>

typedef int CuDevice;
typedef struct CuContext CuContext;
typedef struct CuModule CuModule;
typedef struct CuFunction CuFunction;
typedef struct CuStream CuStream;
typedef struct CuEvent CuEvent;
typedef uintptr_t CuAddress; /* CUdeviceptr */
struct tile_tensor_map;      /* CUtensorMap */

/* What we ask of CUresult; any other code is only reported. */
enum {
    CU_SUCCESS = 0,
    CU_INVALID_VALUE = 1,
    CU_OUT_OF_MEMORY = 2,
    CU_NO_DEVICE = 100,
    CU_INVALID_DEVICE = 101,
    CU_INVALID_IMAGE = 200,
    CU_NO_BINARY_FOR_GPU = 209,
    CU_NOT_FOUND = 500,
    CU_LAUNCH_OUT_OF_RESOURCES = 701,
    CU_LAUNCH_FAILED = 719,
    CU_COOPERATIVE_LAUNCH_TOO_LARGE = 720
};

/* CUdevice_attribute */
enum {
    CU_DEVICE_MULTIPROCESSORS = 16,
    CU_DEVICE_L2_BYTES = 38,
    CU_DEVICE_MAJOR = 75,
    CU_DEVICE_MINOR = 76,
    CU_DEVICE_SHARED_BYTES = 97 /* a block, opted in */
};

/* CUfunction_attribute */
enum {
    CU_FUNCTION_MAX_THREADS = 0,
    CU_FUNCTION_SHARED_BYTES = 1,
    CU_FUNCTION_LOCAL_BYTES = 3,
    CU_FUNCTION_REGISTERS = 4,
    CU_FUNCTION_MAX_DYNAMIC_SHARED_BYTES = 8,
    CU_FUNCTION_ANY_CLUSTER_SIZE = 14
};

/* CUlaunchAttributeID */
enum { CU_LAUNCH_COOPERATIVE = 2, CU_LAUNCH_CLUSTER = 4, CU_LAUNCH_PDL = 6 };

/* CUlaunchAttribute */
typedef struct CuLaunchAttribute {
    int id;
    char padding[8 - sizeof(int)];
    union {
        char space[64];
        uint32_t cluster[3];
        int flag;
    } value;
} CuLaunchAttribute;

/* CUlaunchConfig */
typedef struct CuLaunchConfig {
    unsigned grid[3], block[3];
    unsigned shared_bytes;
    CuStream *stream;
    CuLaunchAttribute *attributes;
    unsigned attribute_count;
} CuLaunchConfig;

/* clang-format takes the parameters for products. */
/* clang-format off */

/* X(function, what its symbol adds to the name, parameters) */
#define DRIVER_TABLE(X)                                                                            \
    X(cuInit, , (unsigned flags))                                                                  \
    X(cuDriverGetVersion, , (int *version))                                                        \
    X(cuGetErrorName, , (int result, const char **name))                                           \
    X(cuGetErrorString, , (int result, const char **text))                                         \
    X(cuDeviceGetCount, , (int *count))                                                            \
    X(cuDeviceGet, , (CuDevice *device, int ordinal))                                              \
    X(cuDeviceGetName, , (char *name, int size, CuDevice device))                                  \
    X(cuDeviceGetAttribute, , (int *value, int attribute, CuDevice device))                        \
    X(cuDevicePrimaryCtxRetain, , (CuContext **context, CuDevice device))                          \
    X(cuDevicePrimaryCtxRelease, _v2, (CuDevice device))                                           \
    X(cuCtxGetCurrent, , (CuContext **context))                                                    \
    X(cuCtxPushCurrent, _v2, (CuContext *context))                                                 \
    X(cuCtxPopCurrent, _v2, (CuContext **context))                                                 \
    X(cuModuleLoadData, , (CuModule **module, const void *image))                                  \
    X(cuModuleUnload, , (CuModule *module))                                                        \
    X(cuModuleGetFunction, , (CuFunction **function, CuModule *module, const char *name))          \
    X(cuFuncGetAttribute, , (int *value, int attribute, CuFunction *function))                     \
    X(cuFuncSetAttribute, , (CuFunction *function, int attribute, int value))                      \
    X(cuOccupancyMaxActiveBlocksPerMultiprocessor, ,                                               \
      (int *blocks, CuFunction *function, int threads, size_t shared_bytes))                       \
    X(cuOccupancyMaxActiveClusters, ,                                                              \
      (int *clusters, CuFunction *function, const CuLaunchConfig *config))                         \
    X(cuLaunchKernelEx, ,                                                                          \
      (const CuLaunchConfig *config, CuFunction *function, void **arguments, void **extra))        \
    X(cuStreamSynchronize, , (CuStream *stream))                                                   \
    X(cuMemAlloc, _v2, (CuAddress *address, size_t size))                                          \
    X(cuMemFree, _v2, (CuAddress address))                                                         \
    X(cuMemcpyHtoD, _v2, (CuAddress device, const void *host, size_t size))                        \
    X(cuMemcpyDtoH, _v2, (void *host, CuAddress device, size_t size))                              \
    X(cuMemsetD8, _v2, (CuAddress device, unsigned char byte, size_t size))                        \
    X(cuMemsetD8Async, ,                                                                           \
      (CuAddress device, unsigned char byte, size_t size, CuStream *stream))                       \
    X(cuEventCreate, , (CuEvent **event, unsigned flags))                                          \
    X(cuEventDestroy, _v2, (CuEvent *event))                                                       \
    X(cuEventRecord, , (CuEvent *event, CuStream *stream))                                         \
    X(cuEventSynchronize, , (CuEvent *event))                                                      \
    X(cuEventElapsedTime, , (float *milliseconds, CuEvent *start, CuEvent *stop))                  \
    X(cuTensorMapEncodeTiled, ,                                                                    \
      (struct tile_tensor_map *map, int type, uint32_t rank, void *address,                        \
       const uint64_t *extents, const uint64_t *strides, const uint32_t *box,                      \
       const uint32_t *steps, int interleave, int swizzle, int promotion, int fill))

/* clang-format on */

/* Each returns a CUresult. */
typedef struct Driver {
#define DRIVER_FIELD(name, suffix, parameters) int(*name) parameters;
    DRIVER_TABLE(DRIVER_FIELD)
#undef DRIVER_FIELD
} Driver;

typedef struct NvrtcProgram NvrtcProgram;

/* nvrtcResult */
enum { NVRTC_OK = 0, NVRTC_NO_MEMORY = 1, NVRTC_REFUSED_OPTION = 5, NVRTC_REFUSED_SOURCE = 6 };

/* clang-format off */

/* X(function, result, parameters) */
#define NVRTC_TABLE(X)                                                                             \
    X(nvrtcVersion, int, (int *major, int *minor))                                                 \
    X(nvrtcGetErrorString, const char *, (int result))                                             \
    X(nvrtcCreateProgram, int,                                                                     \
      (NvrtcProgram **program, const char *text, const char *name, int headers,                    \
       const char *const *header_texts, const char *const *header_names))                          \
    X(nvrtcDestroyProgram, int, (NvrtcProgram **program))                                          \
    X(nvrtcCompileProgram, int, (NvrtcProgram *program, int count, const char *const *options))    \
    X(nvrtcGetProgramLogSize, int, (NvrtcProgram *program, size_t *size))                          \
    X(nvrtcGetProgramLog, int, (NvrtcProgram *program, char *log))                                 \
    X(nvrtcGetCUBINSize, int, (NvrtcProgram *program, size_t *size))                               \
    X(nvrtcGetCUBIN, int, (NvrtcProgram *program, char *cubin))

/* clang-format on */

typedef struct Nvrtc {
#define NVRTC_FIELD(name, result, parameters) result(*name) parameters;
    NVRTC_TABLE(NVRTC_FIELD)
#undef NVRTC_FIELD
} Nvrtc;

#endif
