/* The public C API of the runtime: what generated libraries and their callers stand on.
 *
 * Every function that can fail returns a status; TILE_OK is 0. The first failure of a thread keeps
 * a message, which tile_error gives. The CUDA driver and NVRTC are looked for at first use, so a
 * program that links this starts where there is neither. All functions may be called from any
 * thread; none but tile_module_* and tile_compile wait for another thread.
 *
 * The environment, read at first use:
 *   TILE_CUDA_DRIVER, TILE_NVRTC   files to load instead of libcuda.so.1 and libnvrtc.so.13 or .12
 *   TILE_CACHE_DIR                 the disk cache; else XDG_CACHE_HOME/tilec, ~/.cache/tilec. It
 *                                  may be deleted at any time
 *   TILE_VERBOSE                   warnings and NVRTC's whole log to standard error
 *
 * docs/host.md tells it from the caller's side.
 */
#ifndef TILE_H
#define TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Functions that a library shows to the programs that load it. */
#define TILE_API __attribute__((visibility("default")))

/* ---- tensors: DLPack's, which every framework hands over ---- */

/* Whoever has DLPack's own header includes it before this one. */
#ifndef DLPACK_DLPACK_H_

typedef enum { kDLCPU = 1, kDLCUDA = 2, kDLCUDAHost = 3, kDLCUDAManaged = 13 } DLDeviceType;

typedef enum {
    kDLInt = 0,
    kDLUInt = 1,
    kDLFloat = 2,
    kDLBfloat = 4,
    kDLBool = 6,
    kDLFloat8_e4m3fn = 10,
    kDLFloat8_e5m2 = 12,
    kDLFloat8_e8m0fnu = 14,
    kDLFloat4_e2m1fn = 17
} DLDataTypeCode;

typedef struct {
    DLDeviceType device_type;
    int32_t device_id;
} DLDevice;

typedef struct {
    uint8_t code; /* DLDataTypeCode */
    uint8_t bits; /* of one lane */
    uint16_t lanes;
} DLDataType;

typedef struct {
    void *data;
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t *shape;
    int64_t *strides;     /* in elements; NULL: dense */
    uint64_t byte_offset; /* of the first element behind `data` */
} DLTensor;

#endif

/* ---- status codes ---- */

/* X(code, what it means) */
#define TILE_STATUS_TABLE(X)                                                 \
    X(TILE_OK, "no error")                                                   \
    X(TILE_ERR_NULL, "a pointer is null")                                    \
    X(TILE_ERR_RANK, "a tensor has another number of dimensions")            \
    X(TILE_ERR_SHAPE, "a dimension has another extent")                      \
    X(TILE_ERR_DTYPE, "a tensor has another element type")                   \
    X(TILE_ERR_STRIDE, "a tensor has strides that the kernel does not take") \
    X(TILE_ERR_ALIGN, "an address is not aligned as the kernel needs it")    \
    X(TILE_ERR_DEVICE, "a tensor is on another device")                      \
    X(TILE_ERR_OVERLAP, "an output shares memory with another tensor")       \
    X(TILE_ERR_VALUE, "an argument is out of range")                         \
    X(TILE_ERR_SCRATCH, "the scratch memory is too small")                   \
    X(TILE_ERR_NO_VARIANT, "no variant of the kernel fits the arguments")    \
    X(TILE_ERR_NO_DRIVER, "the CUDA driver cannot be used")                  \
    X(TILE_ERR_NO_GPU, "there is no such GPU")                               \
    X(TILE_ERR_ARCH, "the GPU is of another architecture")                   \
    X(TILE_ERR_NVRTC, "the CUDA compiler cannot be used")                    \
    X(TILE_ERR_COMPILE, "the CUDA compiler refused the source")              \
    X(TILE_ERR_CACHE, "the disk cache cannot be used")                       \
    X(TILE_ERR_MODULE, "the GPU refused the compiled code")                  \
    X(TILE_ERR_TABLE, "a table is too long, or the code has no such kernel") \
    X(TILE_ERR_OCCUPANCY, "the kernel needs more than the GPU has")          \
    X(TILE_ERR_LAUNCH, "the kernel could not be launched, or failed")        \
    X(TILE_ERR_MEMORY, "there is not enough memory")                         \
    X(TILE_ERR_COPY, "memory could not be copied")

typedef enum tile_status {
#define TILE_STATUS(code, meaning) code,
    TILE_STATUS_TABLE(TILE_STATUS)
#undef TILE_STATUS
} tile_status;

/* "TILE_ERR_SHAPE" and "a dimension has another extent"; never NULL. */
TILE_API const char *tile_status_name(tile_status status);
TILE_API const char *tile_status_meaning(tile_status status);

/* ---- contexts and errors ---- */

/* One GPU, its primary CUDA context and the kernels loaded there. */
typedef struct tile_context tile_context;

/* Names of targets: X(target, name, NVRTC's name, compute capability) */
#define TILE_ARCH_TABLE(X)               \
    X(TILE_SM90, "sm90", "sm_90a", 9, 0) \
    X(TILE_SM100, "sm100", "sm_100a", 10, 0)

typedef enum tile_arch {
#define TILE_ARCH(target, name, nvrtc, major, minor) target,
    TILE_ARCH_TABLE(TILE_ARCH)
#undef TILE_ARCH
        TILE_ARCH_COUNT,
    TILE_ARCH_CPU = TILE_ARCH_COUNT
} tile_arch;

/* "sm90", "cpu"; NULL for no target. Only those of GPUs are found. */
TILE_API const char *tile_arch_name(tile_arch arch);
TILE_API bool tile_arch_find(const char *name, tile_arch *arch);

typedef struct tile_device_info {
    char name[128];
    int ordinal;
    int major, minor; /* compute capability */
    tile_arch arch;
    int multiprocessors;
    int shared_bytes; /* that one block may have, static and dynamic together */
    int l2_bytes;
} tile_device_info;

/* In the place of a GPU's number: kernels run in the interpreter, on tensors in the host's memory.
 * Needs no driver. A library runs there if it was built with --arch cpu. */
enum { TILE_CPU = -2 };

/* Looks for the driver and takes GPU `device`. On failure *context is NULL, and tile_error(NULL)
 * has the message. */
TILE_API tile_status tile_context_create(int device, tile_context **context);
/* Unloads its kernels; no work of theirs may be under way. NULL is allowed. */
TILE_API void tile_context_free(tile_context *context);
TILE_API const tile_device_info *tile_context_device(const tile_context *context);

/* The message of this thread's first failure with `context` since the last time it was asked for;
 * "" if there was none. NULL: of a function that takes no context. It stays readable until the
 * thread's next failure. A failure with another context drops it. */
TILE_API const char *tile_error(const tile_context *context);

/* Who hears about what is wrong but does no harm (a cache that cannot be written). NULL, as at the
 * start: standard error if TILE_VERBOSE is set, else nobody. Set it before other calls. */
typedef void tile_warning_function(void *user, const char *text);
TILE_API void tile_on_warning(tile_warning_function *function, void *user);

/* ---- calling kernels ---- */

typedef void *tile_stream; /* a CUstream or cudaStream_t; NULL: the default one */

/* Element types: X(type, name, bits) */
#define TILE_TYPE_TABLE(X)        \
    X(TILE_TYPE_BOOL, "bool", 8)  \
    X(TILE_TYPE_U8, "u8", 8)      \
    X(TILE_TYPE_I8, "i8", 8)      \
    X(TILE_TYPE_U16, "u16", 16)   \
    X(TILE_TYPE_I16, "i16", 16)   \
    X(TILE_TYPE_I32, "i32", 32)   \
    X(TILE_TYPE_U32, "u32", 32)   \
    X(TILE_TYPE_I64, "i64", 64)   \
    X(TILE_TYPE_U64, "u64", 64)   \
    X(TILE_TYPE_F16, "f16", 16)   \
    X(TILE_TYPE_BF16, "bf16", 16) \
    X(TILE_TYPE_F32, "f32", 32)   \
    X(TILE_TYPE_TF32, "tf32", 32) \
    X(TILE_TYPE_E4M3, "e4m3", 8)  \
    X(TILE_TYPE_E5M2, "e5m2", 8)  \
    X(TILE_TYPE_E2M1, "e2m1", 4)  \
    X(TILE_TYPE_UE8M0, "ue8m0", 8)

typedef enum tile_dtype {
#define TILE_TYPE(type, name, bits) type,
    TILE_TYPE_TABLE(TILE_TYPE)
#undef TILE_TYPE
        TILE_TYPE_COUNT
} tile_dtype;

/* A kernel that can be called; emitted libraries have one for each `tk_` function. */
typedef struct tile_kernel tile_kernel;

/* One argument of a call. In this order: tensors as the kernel declares them, statics that no
 * tensor shows, scalars. */
typedef union tile_argument {
    const DLTensor *tensor; /* NULL: an optional one is left out */
    struct {
        const DLTensor *const *tensors; /* of a table */
        int64_t count;
    } table;
    int64_t integer; /* a static: number, bool, member's number or tile_dtype; an integer scalar, a
                        bool, or the code of a scalar of another type but f32 */
    float number;    /* an f32 scalar */
} tile_argument;

/* Checks the arguments, chooses the variant and puts its kernels into the stream. Nothing is put
 * there unless all is right. `scratch` is for kernels that have some; else NULL and 0. Once a
 * variant has run on a context, its calls allocate nothing, lock nothing and make no system call of
 * their own, and can be captured into a graph. */
TILE_API tile_status tile_call(const tile_kernel *kernel, tile_context *context,
                               const tile_argument *arguments, int count, void *scratch,
                               size_t scratch_bytes, tile_stream stream);
/* The bytes of scratch that such a call needs; 0: none. */
TILE_API tile_status tile_call_scratch(const tile_kernel *kernel, tile_context *context,
                                       const tile_argument *arguments, int count, size_t *bytes);
/* Makes scratch usable: once, before the first call that gets it, and again before it goes to
 * another kernel or to other statics, or after a call whose kernel failed. Calls that may run at
 * the same time need different scratch. */
TILE_API tile_status tile_scratch_init(tile_context *context, void *scratch, size_t bytes,
                                       tile_stream stream);

/* ---- compiling CUDA text ---- */

typedef struct tile_source {
    const char *name;           /* for messages: "cast.cu" */
    const char *text;           /* may include runtime/numerics/ and runtime/device/ headers */
    const char *const *options; /* more options of NVRTC, NULL at the end; NULL: none */
} tile_source;

typedef struct tile_cubin {
    void *bytes;
    size_t size;
    char *log;       /* of NVRTC, "" if it is silent or the code is from the disk cache */
    bool from_cache; /* the disk cache had it */
} tile_cubin;

/* Through the disk cache to machine code; needs no GPU. The message of a refused source begins
 * with the first lines of NVRTC's log. Errors: tile_error(NULL). */
TILE_API tile_status tile_compile(const tile_source *source, tile_arch arch, tile_cubin *cubin);
TILE_API void tile_cubin_free(tile_cubin *cubin);

/* ---- kernels on a GPU ---- */

/* Belong to their context and are freed with it. */
typedef struct tile_module tile_module;
typedef struct tile_function tile_function;

/* Code that is loaded already is not loaded again: the same module comes back. */
TILE_API tile_status tile_module_load(tile_context *context, const void *cubin, size_t size,
                                      tile_module **module);
/* The same from text; NVRTC is asked only if neither context nor disk cache has the code. */
TILE_API tile_status tile_module_compile(tile_context *context, const tile_source *source,
                                         tile_module **module);

/* A kernel that may be launched with up to `shared_bytes` of dynamic shared memory. */
TILE_API tile_status tile_module_function(tile_module *module, const char *name,
                                          uint32_t shared_bytes, tile_function **function);

typedef struct tile_function_info {
    int registers;    /* a thread */
    int local_bytes;  /* a thread; spills */
    int shared_bytes; /* a block, static */
    int max_threads;  /* a block */
} tile_function_info;

TILE_API const tile_function_info *tile_function_information(const tile_function *function);
/* How many blocks of that size one multiprocessor holds at a time. */
TILE_API tile_status tile_function_occupancy(const tile_function *function, uint32_t threads,
                                             uint32_t shared_bytes, int *blocks);

typedef struct tile_launch_config {
    uint32_t grid[3], block[3];
    uint32_t cluster[3]; /* {0}: none */
    uint32_t shared_bytes;
    bool cooperative; /* all blocks are resident together */
    bool pdl;         /* may start before the kernel ahead of it in the stream has ended */
} tile_launch_config;

/* Puts the kernel into `stream` (a CUstream; NULL: the default one). arguments[i] points at the
 * kernel's i-th parameter. A grid without blocks launches nothing. Neither allocates, locks nor
 * calls the system, unless it fails. */
TILE_API tile_status tile_launch(const tile_function *function, const tile_launch_config *config,
                                 void *stream, void *const *arguments);

/* Waits for the stream; a kernel that failed in it is reported here. */
TILE_API tile_status tile_synchronize(tile_context *context, void *stream);

/* ---- memory of the GPU ---- */

/* 0 bytes are at address NULL. */
TILE_API tile_status tile_alloc(tile_context *context, size_t size, void **address);
TILE_API tile_status tile_free(tile_context *context, void *address);
/* Wait until done. */
TILE_API tile_status tile_upload(tile_context *context, void *device, const void *host,
                                 size_t size);
TILE_API tile_status tile_download(tile_context *context, void *host, const void *device,
                                   size_t size);
TILE_API tile_status tile_fill(tile_context *context, void *device, uint8_t byte, size_t size);

/* ---- time on the GPU ---- */

typedef struct tile_timer tile_timer;

TILE_API tile_status tile_timer_create(tile_context *context, tile_timer **timer);
TILE_API void tile_timer_free(tile_timer *timer);
/* Everything put into the stream between the two is timed; stop waits for it. */
TILE_API tile_status tile_timer_start(tile_timer *timer, void *stream);
TILE_API tile_status tile_timer_stop(tile_timer *timer, void *stream, double *seconds);

#ifdef __cplusplus
}
#endif

#endif
