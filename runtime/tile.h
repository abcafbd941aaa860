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
 * may be deleted at any time TILE_VERBOSE                   warnings and NVRTC's whole log to
 * standard error
 */
#ifndef TILE_H
#define TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
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
    X(TILE_ERR_NO_VARIANT, "no variant of the kernel fits the arguments")    \
    X(TILE_ERR_NO_DRIVER, "the CUDA driver cannot be used")                  \
    X(TILE_ERR_NO_GPU, "there is no such GPU")                               \
    X(TILE_ERR_ARCH, "the GPU is of another architecture")                   \
    X(TILE_ERR_NVRTC, "the CUDA compiler cannot be used")                    \
    X(TILE_ERR_COMPILE, "the CUDA compiler refused the source")              \
    X(TILE_ERR_CACHE, "the disk cache cannot be used")                       \
    X(TILE_ERR_MODULE, "the GPU refused the compiled code")                  \
    X(TILE_ERR_TABLE, "the compiled code has no such kernel")                \
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
const char *tile_status_name(tile_status status);
const char *tile_status_meaning(tile_status status);

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
        TILE_ARCH_COUNT
} tile_arch;

/* "sm90"; NULL for no target. */
const char *tile_arch_name(tile_arch arch);
bool tile_arch_find(const char *name, tile_arch *arch);

typedef struct tile_device_info {
    char name[128];
    int ordinal;
    int major, minor; /* compute capability */
    tile_arch arch;
    int multiprocessors;
    int shared_bytes; /* that one block may have, static and dynamic together */
    int l2_bytes;
} tile_device_info;

/* Looks for the driver and takes GPU `device`. On failure *context is NULL, and tile_error(NULL)
 * has the message. */
tile_status tile_context_create(int device, tile_context **context);
/* Unloads its kernels; no work of theirs may be under way. NULL is allowed. */
void tile_context_free(tile_context *context);
const tile_device_info *tile_context_device(const tile_context *context);

/* The message of this thread's first failure with `context` since the last time it was asked for;
 * "" if there was none. NULL: of a function that takes no context. It stays readable until the
 * thread's next failure. A failure with another context drops it. */
const char *tile_error(const tile_context *context);

/* Who hears about what is wrong but does no harm (a cache that cannot be written). NULL, as at the
 * start: standard error if TILE_VERBOSE is set, else nobody. Set it before other calls. */
typedef void tile_warning_function(void *user, const char *text);
void tile_on_warning(tile_warning_function *function, void *user);

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
tile_status tile_compile(const tile_source *source, tile_arch arch, tile_cubin *cubin);
void tile_cubin_free(tile_cubin *cubin);

/* ---- kernels on a GPU ---- */

/* Belong to their context and are freed with it. */
typedef struct tile_module tile_module;
typedef struct tile_function tile_function;

/* Code that is loaded already is not loaded again: the same module comes back. */
tile_status tile_module_load(tile_context *context, const void *cubin, size_t size,
                             tile_module **module);
/* The same from text; NVRTC is asked only if neither context nor disk cache has the code. */
tile_status tile_module_compile(tile_context *context, const tile_source *source,
                                tile_module **module);

/* A kernel that may be launched with up to `shared_bytes` of dynamic shared memory. */
tile_status tile_module_function(tile_module *module, const char *name, uint32_t shared_bytes,
                                 tile_function **function);

typedef struct tile_function_info {
    int registers;    /* a thread */
    int local_bytes;  /* a thread; spills */
    int shared_bytes; /* a block, static */
    int max_threads;  /* a block */
} tile_function_info;

const tile_function_info *tile_function_information(const tile_function *function);
/* How many blocks of that size one multiprocessor holds at a time. */
tile_status tile_function_occupancy(const tile_function *function, uint32_t threads,
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
tile_status tile_launch(const tile_function *function, const tile_launch_config *config,
                        void *stream, void *const *arguments);

/* Waits for the stream; a kernel that failed in it is reported here. */
tile_status tile_synchronize(tile_context *context, void *stream);

/* ---- memory of the GPU ---- */

/* 0 bytes are at address NULL. */
tile_status tile_alloc(tile_context *context, size_t size, void **address);
tile_status tile_free(tile_context *context, void *address);
/* Wait until done. */
tile_status tile_upload(tile_context *context, void *device, const void *host, size_t size);
tile_status tile_download(tile_context *context, void *host, const void *device, size_t size);
tile_status tile_fill(tile_context *context, void *device, uint8_t byte, size_t size);

/* ---- time on the GPU ---- */

typedef struct tile_timer tile_timer;

tile_status tile_timer_create(tile_context *context, tile_timer **timer);
void tile_timer_free(tile_timer *timer);
/* Everything put into the stream between the two is timed; stop waits for it. */
tile_status tile_timer_start(tile_timer *timer, void *stream);
tile_status tile_timer_stop(tile_timer *timer, void *stream, double *seconds);

#ifdef __cplusplus
}
#endif

#endif
