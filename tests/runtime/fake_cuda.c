/* A CUDA driver and an NVRTC that need no GPU: TILE_CUDA_DRIVER and TILE_NVRTC name this library.
 *
 * GPU memory is malloc's, "machine code" is the source behind a magic word, or a real compiler's,
 * which has any kernel; a launch is a line in the log. Set from outside:
 *
 *   FAKE_LOG=FILE        every call is appended, with what it was given
 *   FAKE_FAIL=F=N,G=M    F returns N, G returns M
 *   FAKE_GPUS=N          how many GPUs there are (1)
 *   FAKE_CAPABILITY=MN   their compute capability (90)
 *   FAKE_NVRTC=MAJOR     NVRTC's major version (13)
 *   FAKE_SLOW=MS         what a compilation takes (0)
 *   FAKE_ARGS=BYTES      so many of a kernel's only parameter are logged, in hex
 *
 * NVRTC refuses a source that has #error and gives its line as the log. At the end of the process
 * the log says how much of what was made was not freed.
 */
#include "runtime/driver.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct CuContext {
    int retained;
};
struct CuModule {
    char *text;
};
struct CuFunction {
    char name[64];
    int dynamic_shared;
    CuModule *module;
    CuFunction *next;
};
struct CuEvent {
    int recorded;
};
struct NvrtcProgram {
    char *text, *name, *log, *cubin;
};

enum { MOST_GPUS = 16, STATIC_SHARED = 1024 };
static const char magic[] = "\177FAKE\n";

static CuContext contexts[MOST_GPUS];
static _Thread_local CuContext *stack[8];
static _Thread_local int depth;
static CuFunction *functions;
static atomic_int modules, allocations, events, programs;

/* A stream is being captured: only what can be part of a graph is allowed, as in the strictest mode
 * of the driver's. */
static bool capturing;

static bool may_be_captured(const char *name)
{
    return strcmp(name, "cuLaunchKernelEx") == 0 || strcmp(name, "cuMemsetD8Async") == 0;
}

/* ---- what the tests see and set ---- */

static void record(const char *format, ...)
{
    const char *path = getenv("FAKE_LOG");
    char line[4096];
    va_list list;
    if (!path) {
        return;
    }
    va_start(list, format);
    int n = vsnprintf(line, sizeof line - 1, format, list);
    va_end(list);
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (fd >= 0 && n > 0) {
        line[n] = '\n';
        n = (int)write(fd, line, (size_t)n + 1);
        close(fd);
    }
}

static int setting(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

/* What FAKE_FAIL asks this function to return; 0: to work. */
static int failure(const char *name)
{
    const char *text = getenv("FAKE_FAIL");
    size_t length = strlen(name);
    while (text && *text) {
        if (strncmp(text, name, length) == 0 && text[length] == '=') {
            return atoi(text + length + 1);
        }
        text = strchr(text, ',');
        text += text ? 1 : 0;
    }
    return 0;
}

/* Opens a function: fails if asked to. */
#define MAY_FAIL()                                         \
    do {                                                   \
        int result_ = failure(__func__);                   \
        if (result_ != 0) {                                \
            record("%s fails with %d", __func__, result_); \
            return result_;                                \
        }                                                  \
    } while (0)

/* And if no context is current. */
#define IN_CONTEXT()                                   \
    do {                                               \
        MAY_FAIL();                                    \
        if (depth == 0) {                              \
            record("%s has no context", __func__);     \
            return 201;                                \
        }                                              \
        if (capturing && !may_be_captured(__func__)) { \
            record("%s cannot be captured", __func__); \
            return 900;                                \
        }                                              \
    } while (0)

__attribute__((destructor)) static void finish(void)
{
    int retained = 0;
    for (int i = 0; i < MOST_GPUS; i++) {
        retained += contexts[i].retained;
    }
    while (functions) {
        CuFunction *next = functions->next;
        free(functions);
        functions = next;
    }
    record("left: %d contexts, %d modules, %d allocations, %d events, %d programs", retained,
           modules, allocations, events, programs);
}

/* ---- the driver ---- */

#define API __attribute__((visibility("default")))
#define DECLARE(name, suffix, parameters) API int name##suffix parameters;
DRIVER_TABLE(DECLARE)
#define DECLARE_NVRTC(name, result, parameters) API result name parameters;
NVRTC_TABLE(DECLARE_NVRTC)

int cuInit(unsigned flags)
{
    MAY_FAIL();
    record("cuInit %u", flags);
    return 0;
}

int cuDriverGetVersion(int *version)
{
    *version = 13000;
    return 0;
}

int cuGetErrorName(int result, const char **name)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {{1, "CUDA_ERROR_INVALID_VALUE"},
                 {2, "CUDA_ERROR_OUT_OF_MEMORY"},
                 {100, "CUDA_ERROR_NO_DEVICE"},
                 {200, "CUDA_ERROR_INVALID_IMAGE"},
                 {201, "CUDA_ERROR_INVALID_CONTEXT"},
                 {500, "CUDA_ERROR_NOT_FOUND"},
                 {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
                 {700, "CUDA_ERROR_ILLEGAL_ADDRESS"},
                 {720, "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].code == result) {
            *name = names[i].name;
            return 0;
        }
    }
    return 1;
}

int cuGetErrorString(int result, const char **text)
{
    *text = "as the test asked";
    return result == 999 ? 1 : 0;
}

int cuDeviceGetCount(int *count)
{
    MAY_FAIL();
    *count = setting("FAKE_GPUS", 1);
    return 0;
}

int cuDeviceGet(CuDevice *device, int ordinal)
{
    MAY_FAIL();
    *device = ordinal;
    return 0;
}

int cuDeviceGetName(char *name, int size, CuDevice device)
{
    MAY_FAIL();
    snprintf(name, (size_t)size, "Fake %d", device);
    return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, CuDevice device)
{
    MAY_FAIL();
    (void)device;
    int capability = setting("FAKE_CAPABILITY", 90);
    *value = attribute == CU_DEVICE_MAJOR             ? capability / 10
             : attribute == CU_DEVICE_MINOR           ? capability % 10
             : attribute == CU_DEVICE_MULTIPROCESSORS ? 132
             : attribute == CU_DEVICE_L2_BYTES        ? 50 << 20
             : attribute == CU_DEVICE_SHARED_BYTES    ? 232448
                                                      : -1;
    return 0;
}

int cuDevicePrimaryCtxRetain(CuContext **context, CuDevice device)
{
    MAY_FAIL();
    contexts[device].retained++;
    *context = &contexts[device];
    return 0;
}

int cuDevicePrimaryCtxRelease_v2(CuDevice device)
{
    contexts[device].retained--;
    return 0;
}

int cuCtxGetCurrent(CuContext **context)
{
    *context = depth ? stack[depth - 1] : NULL;
    return 0;
}

int cuCtxPushCurrent_v2(CuContext *context)
{
    MAY_FAIL();
    stack[depth++] = context;
    return 0;
}

int cuCtxPopCurrent_v2(CuContext **context)
{
    *context = stack[--depth];
    return 0;
}

int cuModuleLoadData(CuModule **module, const void *image)
{
    IN_CONTEXT();
    bool real = memcmp(image, "\177ELF", 4) == 0;
    if (!real && memcmp(image, magic, sizeof magic - 1) != 0) {
        return CU_INVALID_IMAGE;
    }
    const char *text = real ? "" : image;
    size_t size = strlen(text) + 1;
    *module = malloc(sizeof **module);
    (*module)->text = memcpy(malloc(size), text, size);
    modules++;
    record("cuModuleLoadData%s", strstr(text, "-DTILE_ALIGNED=0") ? " unaligned" : "");
    return 0;
}

int cuModuleUnload(CuModule *module)
{
    IN_CONTEXT();
    free(module->text);
    free(module);
    modules--;
    return 0;
}

int cuModuleGetFunction(CuFunction **function, CuModule *module, const char *name)
{
    IN_CONTEXT();
    char plain[80], emitted[96];
    snprintf(plain, sizeof plain, " %s(", name);
    snprintf(emitted, sizeof emitted, "TILE_KERNEL(%s,", name);
    if (*module->text && !strstr(module->text, plain) && !strstr(module->text, emitted)) {
        return CU_NOT_FOUND;
    }
    *function = calloc(1, sizeof **function);
    snprintf((*function)->name, sizeof(*function)->name, "%s", name);
    (*function)->module = module;
    (*function)->next = functions;
    functions = *function;
    record("cuModuleGetFunction %s", name);
    return 0;
}

int cuFuncGetAttribute(int *value, int attribute, CuFunction *function)
{
    IN_CONTEXT();
    (void)function;
    *value = attribute == CU_FUNCTION_MAX_THREADS    ? 1024
             : attribute == CU_FUNCTION_SHARED_BYTES ? STATIC_SHARED
             : attribute == CU_FUNCTION_LOCAL_BYTES  ? 16
             : attribute == CU_FUNCTION_REGISTERS    ? 40
                                                     : -1;
    return 0;
}

int cuFuncSetAttribute(CuFunction *function, int attribute, int value)
{
    IN_CONTEXT();
    if (attribute == CU_FUNCTION_MAX_DYNAMIC_SHARED_BYTES) {
        function->dynamic_shared = value;
    }
    record("cuFuncSetAttribute %s %d %d", function->name, attribute, value);
    return 0;
}

int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CuFunction *function, int threads,
                                                size_t shared_bytes)
{
    IN_CONTEXT();
    *blocks = 2048 / threads;
    record("cuOccupancy %s %d %zu", function->name, threads, shared_bytes);
    return 0;
}

int cuOccupancyMaxActiveClusters(int *clusters, CuFunction *function, const CuLaunchConfig *config)
{
    IN_CONTEXT();
    *clusters = 132 / (int)config->attributes[0].value.cluster[0];
    record("cuClusters %s %u %u %u", function->name, config->block[0], config->shared_bytes,
           config->attributes[0].value.cluster[0]);
    return 0;
}

static void record_arguments(const unsigned char *bytes, int count)
{
    char text[2048] = "";
    for (int i = 0; i < count && 2 * i + 2 < (int)sizeof text; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    record("args %s", text);
}

/* Kernels here take one pointer to int, which they count up, and one int, which they add; those of
 * .tile files take a struct, and do nothing. */
int cuLaunchKernelEx(const CuLaunchConfig *config, CuFunction *function, void **arguments,
                     void **extra)
{
    IN_CONTEXT();
    (void)extra;
    char text[256] = "";
    bool emitted = strncmp(function->name, "tk_", 3) == 0;
    if (emitted && !getenv("FAKE_LOG")) {
        return 0;
    }
    for (unsigned i = 0; i < config->attribute_count; i++) {
        const CuLaunchAttribute *a = &config->attributes[i];
        size_t used = strlen(text);
        if (a->id == CU_LAUNCH_CLUSTER) {
            snprintf(text + used, sizeof text - used, " cluster=%u,%u,%u", a->value.cluster[0],
                     a->value.cluster[1], a->value.cluster[2]);
        } else {
            snprintf(text + used, sizeof text - used, " %s=%d",
                     a->id == CU_LAUNCH_COOPERATIVE ? "cooperative"
                     : a->id == CU_LAUNCH_PDL       ? "pdl"
                                                    : "unknown",
                     a->value.flag);
        }
    }
    record("launch %s on %d grid=%u,%u,%u block=%u,%u,%u shared=%u stream=%p%s", function->name,
           (int)(stack[depth - 1] - contexts), config->grid[0], config->grid[1], config->grid[2],
           config->block[0], config->block[1], config->block[2], config->shared_bytes,
           (void *)config->stream, text);
    if (config->shared_bytes > 49152 - STATIC_SHARED &&
        config->shared_bytes > (unsigned)function->dynamic_shared) {
        return CU_INVALID_VALUE;
    }
    if (config->block[0] * config->block[1] * config->block[2] > 1024) {
        return CU_INVALID_VALUE;
    }
    if (emitted) {
        record_arguments(arguments[0], setting("FAKE_ARGS", 0));
        return 0;
    }
    if (strcmp(function->name, "add") == 0)
        **(int **)arguments[0] += *(int *)arguments[1];
    return 0;
}

int cuStreamSynchronize(CuStream *stream)
{
    IN_CONTEXT();
    (void)stream;
    return 0;
}

int cuMemAlloc_v2(CuAddress *address, size_t size)
{
    IN_CONTEXT();
    if (size == 0) {
        return CU_INVALID_VALUE;
    }
    if (size > (size_t)1 << 40) {
        return CU_OUT_OF_MEMORY;
    }
    void *memory = NULL;
    if (posix_memalign(&memory, 256, size) != 0) {
        return CU_OUT_OF_MEMORY;
    }
    *address = (CuAddress)memory;
    allocations++;
    return 0;
}

int cuMemFree_v2(CuAddress address)
{
    IN_CONTEXT();
    free((void *)address);
    allocations--;
    return 0;
}

int cuMemcpyHtoD_v2(CuAddress device, const void *host, size_t size)
{
    IN_CONTEXT();
    memcpy((void *)device, host, size);
    return 0;
}

int cuMemcpyDtoH_v2(void *host, CuAddress device, size_t size)
{
    IN_CONTEXT();
    memcpy(host, (void *)device, size);
    return 0;
}

int cuMemsetD8_v2(CuAddress device, unsigned char byte, size_t size)
{
    IN_CONTEXT();
    memset((void *)device, byte, size);
    return 0;
}

int cuMemsetD8Async(CuAddress device, unsigned char byte, size_t size, CuStream *stream)
{
    IN_CONTEXT();
    memset((void *)device, byte, size);
    record("cuMemsetD8Async %zu stream=%p", size, (void *)stream);
    return 0;
}

int cuEventCreate(CuEvent **event, unsigned flags)
{
    IN_CONTEXT();
    (void)flags;
    *event = calloc(1, sizeof **event);
    events++;
    return 0;
}

int cuEventDestroy_v2(CuEvent *event)
{
    IN_CONTEXT();
    free(event);
    events--;
    return 0;
}

int cuEventRecord(CuEvent *event, CuStream *stream)
{
    IN_CONTEXT();
    (void)stream;
    event->recorded = 1;
    return 0;
}

int cuEventSynchronize(CuEvent *event)
{
    IN_CONTEXT();
    return event->recorded ? 0 : CU_INVALID_VALUE;
}

int cuEventElapsedTime(float *milliseconds, CuEvent *start, CuEvent *stop)
{
    IN_CONTEXT();
    *milliseconds = 2.5f;
    return start->recorded && stop->recorded ? 0 : CU_INVALID_VALUE;
}

int cuTensorMapEncodeTiled(struct tile_tensor_map *map, int type, uint32_t rank, void *address,
                           const uint64_t *extents, const uint64_t *strides, const uint32_t *box,
                           const uint32_t *steps, int interleave, int swizzle, int promotion,
                           int fill)
{
    IN_CONTEXT();
    memset(map, 0, 128);
    record("cuTensorMapEncodeTiled type=%d rank=%u at=%p swizzle=%d promotion=%d fill=%d "
           "interleave=%d",
           type, rank, address, swizzle, promotion, fill, interleave);
    for (uint32_t i = 0; i < rank; i++) {
        record("dim %u: extent=%llu stride=%llu box=%u step=%u", i, (unsigned long long)extents[i],
               i ? (unsigned long long)strides[i - 1] : 0, box[i], steps[i]);
    }
    return 0;
}

/* ---- graphs: of one capture, whose replay is a line in the log ---- */

API int cuStreamCreate(CuStream **stream, unsigned flags);
API int cuStreamDestroy_v2(CuStream *stream);
API int cuStreamBeginCapture_v2(CuStream *stream, int mode);
API int cuStreamEndCapture(CuStream *stream, void **graph);
API int cuGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long flags);
API int cuGraphLaunch(void *exec, CuStream *stream);

int cuStreamCreate(CuStream **stream, unsigned flags)
{
    static char streams[64];
    static int next;
    (void)flags;
    *stream = (CuStream *)(void *)&streams[++next];
    return 0;
}

int cuStreamDestroy_v2(CuStream *stream)
{
    (void)stream;
    return 0;
}

int cuStreamBeginCapture_v2(CuStream *stream, int mode)
{
    (void)stream;
    record("capture mode=%d", mode);
    capturing = true;
    return 0;
}

int cuStreamEndCapture(CuStream *stream, void **graph)
{
    capturing = false;
    *graph = stream;
    record("captured");
    return 0;
}

int cuGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long flags)
{
    (void)flags;
    *exec = graph;
    return 0;
}

int cuGraphLaunch(void *exec, CuStream *stream)
{
    (void)exec;
    (void)stream;
    record("replay");
    return 0;
}

/* ---- NVRTC ---- */

int nvrtcVersion(int *major, int *minor)
{
    *major = setting("FAKE_NVRTC", 13);
    *minor = 0;
    return 0;
}

const char *nvrtcGetErrorString(int result)
{
    return result == NVRTC_REFUSED_SOURCE ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR";
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(malloc(size), text, size);
}

int nvrtcCreateProgram(NvrtcProgram **program, const char *text, const char *name, int headers,
                       const char *const *header_texts, const char *const *header_names)
{
    MAY_FAIL();
    *program = calloc(1, sizeof **program);
    (*program)->text = copy_text(text);
    (*program)->name = copy_text(name);
    programs++;
    for (int i = 0; i < headers; i++) {
        record("header %s %zu", header_names[i], strlen(header_texts[i]));
    }
    return 0;
}

int nvrtcDestroyProgram(NvrtcProgram **program)
{
    free((*program)->text);
    free((*program)->name);
    free((*program)->log);
    free((*program)->cubin);
    free(*program);
    *program = NULL;
    programs--;
    return 0;
}

static int refuse(NvrtcProgram *program, const char *at)
{
    size_t length = strcspn(at, "\n"), size = strlen(program->name) + length + 16;
    int line = 1;
    for (const char *p = program->text; p < at; p++) {
        line += *p == '\n';
    }
    program->log = malloc(size);
    snprintf(program->log, size, "%s(%d): %.*s\n", program->name, line, (int)length, at);
    return NVRTC_REFUSED_SOURCE;
}

int nvrtcCompileProgram(NvrtcProgram *program, int count, const char *const *options)
{
    MAY_FAIL();
    char line[512] = "";
    size_t size = sizeof magic + strlen(program->text) + 1;
    for (int i = 0; i < count; i++) {
        size += strlen(options[i]) + 1;
        snprintf(line + strlen(line), sizeof line - strlen(line), " %s", options[i]);
    }
    record("compile %s%s", program->name, line);
    int ms = setting("FAKE_SLOW", 0);
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
    const char *error = strstr(program->text, "#error");
    if (error) {
        return refuse(program, error);
    }
    program->cubin = malloc(size + 1);
    snprintf(program->cubin, size + 1, "%s%s\n%s", magic, line, program->text);
    return 0;
}

int nvrtcGetProgramLogSize(NvrtcProgram *program, size_t *size)
{
    *size = program->log ? strlen(program->log) + 1 : 1;
    return 0;
}

int nvrtcGetProgramLog(NvrtcProgram *program, char *log)
{
    strcpy(log, program->log ? program->log : "");
    return 0;
}

int nvrtcGetCUBINSize(NvrtcProgram *program, size_t *size)
{
    *size = program->cubin ? strlen(program->cubin) + 1 : 0;
    return 0;
}

int nvrtcGetCUBIN(NvrtcProgram *program, char *cubin)
{
    MAY_FAIL();
    strcpy(cubin, program->cubin);
    return 0;
}
