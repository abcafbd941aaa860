/* Calls kernels of a generated library as the words of the command line say, and prints a line for
 * each:
 *
 *   library FILE            dlopen; later words use it
 *   program FILE            kernels on demand instead, of a .tile file
 *   context N               tile_context_create; "cpu", "machine" for the machine model (with
 *                           program), or "none" for NULL
 *   scratch BYTES           what later calls get, cleared; "BYTES+N": N bytes on
 *   call NAME ARGUMENT.. end        tile_call
 *   need NAME ARGUMENT.. end        tile_call_scratch
 *   bench N NAME ARGUMENT.. end     nanoseconds of a call, N in a row, and of a bare launch
 *   capture N NAME ARGUMENT.. end   the call captured into a graph, which is replayed N times;
 *                           "cold" for N: without a call before
 *   sealed N NAME ARGUMENT.. end    N calls where a lock or a system call kills the process
 *   threads N NAME ARGUMENT.. end   the call from N threads at once
 *   save I FILE             the bytes of tensor I of the last call
 *   clock                   milliseconds since the start, or the clock before
 *   wait, free              tile_synchronize, tile_context_free
 *
 * NAME is a kernel's, or "old:" and it for one that an older tilec built, or "none" for NULL.
 * ARGUMENT is i=INTEGER, f=NUMBER, null, a tensor, or a table: "[", tensors, "]", or "]N" with
 * another number of entries than there are, or "]xN" with the last one N times. A tensor is
 * TYPE:SHAPE with options behind colons: float32:4x128:s=256,1. TYPE is DLPack's (float32,
 * bfloat16, uint8, bool, float8_e4m3fn, float4_e2m1fn_x2, code.bits.lanes); options are
 *
 *   s=A,B      strides                 dev=T.N    DLPack's device, or cpu, cuda
 *   off=N      byte_offset             at=I+N     the memory of tensor I, N bytes on
 *   fill=FILE  its bytes               plus=N     the address is N bytes on
 *   nodata, noshape, ndim=N
 */
#define _GNU_SOURCE /* syscall, prctl */
#include "runtime/runtime.h"
#include "runtime/stub.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <linux/seccomp.h>
#include <unistd.h>

#include "compiler/tile_jit.h"
#include "runtime/machine/machine.h"

enum { MOST = 96 };

typedef struct Tensor {
    DLTensor t;
    int64_t shape[16], strides[16];
    char *memory;
    size_t bytes;
} Tensor;

static struct {
    char **next;
    void *library;
    tile_program *program;
    tile_context *context;
    tile_machine *machine;
    void *scratch;
    size_t scratch_bytes;
    ptrdiff_t scratch_plus;
    tile_stream stream;
    Tensor tensors[MOST];
    int tensor_count;
    const DLTensor *entries[10 * MOST];
    int entry_count;
    tile_argument arguments[MOST];
    int count;
} state;

/* Functions of the library, or of this program. */
#define API_TABLE(X)                                                                    \
    X(tile_status, tile_context_create, (int, tile_context **))                         \
    X(void, tile_context_free, (tile_context *))                                        \
    X(const char *, tile_error, (const tile_context *))                                 \
    X(const char *, tile_status_name, (tile_status))                                    \
    X(tile_status, tile_alloc, (tile_context *, size_t, void **))                       \
    X(tile_status, tile_free, (tile_context *, void *))                                 \
    X(tile_status, tile_upload, (tile_context *, void *, const void *, size_t))         \
    X(tile_status, tile_download, (tile_context *, void *, const void *, size_t))       \
    X(tile_status, tile_fill, (tile_context *, void *, uint8_t, size_t))                \
    X(tile_status, tile_synchronize, (tile_context *, void *))                          \
    X(tile_status, tile_scratch_init, (tile_context *, void *, size_t, tile_stream))    \
    X(tile_status, tile_call,                                                           \
      (const tile_kernel *, tile_context *, const tile_argument *, int, void *, size_t, \
       tile_stream))                                                                    \
    X(tile_status, tile_call_scratch,                                                   \
      (const tile_kernel *, tile_context *, const tile_argument *, int, size_t *))

static struct {
#define API_FIELD(result, name, parameters) result(*name) parameters;
    API_TABLE(API_FIELD)
#undef API_FIELD
} api;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "call_driver: %s\n", what);
    exit(2);
}

static const char *word(void)
{
    return *state.next ? *state.next++ : (die("a word is missing"), NULL);
}

static void *symbol(const char *name)
{
    void *s = dlsym(state.library, name);
    if (!s) {
        die(dlerror());
    }
    return s;
}

/* ---- tensors ---- */

static DLDataType parse_type(const char *text)
{
    static const struct {
        const char *name;
        DLDataType type;
    } types[] = {
        {"float8_e4m3fn", {kDLFloat8_e4m3fn, 8, 1}},
        {"float8_e5m2", {kDLFloat8_e5m2, 8, 1}},
        {"float8_e8m0fnu", {kDLFloat8_e8m0fnu, 8, 1}},
        {"float4_e2m1fn_x2", {17, 4, 2}},
        {"float4_e2m1fn", {17, 4, 1}},
        {"float64", {kDLFloat, 64, 1}},
        {"float32", {kDLFloat, 32, 1}},
        {"float16", {kDLFloat, 16, 1}},
        {"bfloat16", {kDLBfloat, 16, 1}},
        {"bool", {kDLBool, 8, 1}},
        {"uint8", {kDLUInt, 8, 1}},
        {"uint16", {kDLUInt, 16, 1}},
        {"uint32", {kDLUInt, 32, 1}},
        {"uint64", {kDLUInt, 64, 1}},
        {"int8", {kDLInt, 8, 1}},
        {"int16", {kDLInt, 16, 1}},
        {"int32", {kDLInt, 32, 1}},
        {"int64", {kDLInt, 64, 1}},
    };
    size_t n = strcspn(text, ":");
    int code = 0, bits = 0, lanes = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strlen(types[i].name) == n && strncmp(types[i].name, text, n) == 0) {
            return types[i].type;
        }
    }
    if (sscanf(text, "%d.%d.%d", &code, &bits, &lanes) != 3) {
        die(text);
    }
    return (DLDataType){(uint8_t)code, (uint8_t)bits, (uint16_t)lanes};
}

static int parse_numbers(const char *text, char between, int64_t *out)
{
    int n = 0;
    while (*text && *text != ':') {
        char *end;
        out[n++] = strtoll(text, &end, 10);
        text = *end == between ? end + 1 : end;
    }
    return n;
}

static DLDevice parse_device(const char *text)
{
    int type = kDLCPU, id = 0;
    if (strncmp(text, "cuda", 4) == 0) {
        return (DLDevice){kDLCUDA, 0};
    }
    if (strncmp(text, "cpu", 3) != 0 && sscanf(text, "%d.%d", &type, &id) != 2) {
        die(text);
    }
    return (DLDevice){(DLDeviceType)type, id};
}

static size_t bytes_of(const Tensor *x)
{
    int64_t last = 0, n = 1;
    for (int i = x->t.ndim - 1; i >= 0; i--) {
        int64_t stride = x->t.strides ? x->strides[i] : n;
        last += (x->shape[i] > 0 ? x->shape[i] - 1 : 0) * (stride > 0 ? stride : -stride);
        n *= x->shape[i];
    }
    return ((size_t)last + 1) * (((size_t)x->t.dtype.bits * x->t.dtype.lanes + 7) / 8) + 64;
}

static void upload_file(Tensor *x, const char *path)
{
    char name[4096];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(path, ":"), path);
    FILE *f = fopen(name, "rb");
    char *bytes = malloc(x->bytes);
    size_t n = f && bytes ? fread(bytes, 1, x->bytes, f) : 0;
    if (!f || !bytes || api.tile_upload(state.context, x->memory, bytes, n) != TILE_OK) {
        die(name);
    }
    fclose(f);
    free(bytes);
}

static void take_memory(Tensor *x, const char *at, const char *fill)
{
    void *memory = NULL;
    if (at) {
        char *plus;
        long from = strtol(at, &plus, 0);
        x->bytes = state.tensors[from].bytes;
        x->t.data = (char *)state.tensors[from].t.data + strtol(plus, NULL, 0);
        return;
    }
    x->bytes = bytes_of(x);
    if (state.context) {
        api.tile_alloc(state.context, x->bytes, &memory);
        api.tile_fill(state.context, memory, 0, x->bytes);
    } else {
        memory = calloc(1, x->bytes);
    }
    x->memory = x->t.data = memory;
    if (fill) {
        upload_file(x, fill);
    }
}

static const DLTensor *parse_tensor(const char *text)
{
    Tensor *x = &state.tensors[state.tensor_count++];
    const char *shape = strchr(text, ':'), *at = NULL, *fill = NULL;
    long plus = 0;
    bool nodata = false;
    *x = (Tensor){.t = {.dtype = parse_type(text), .device = {kDLCPU, 0}}};
    if (state.context && !is_cpu(state.context)) {
        x->t.device = (DLDevice){kDLCUDA, 0};
    }
    x->t.ndim = shape ? parse_numbers(shape + 1, 'x', x->shape) : 0;
    x->t.shape = x->shape;
    for (const char *o = shape ? strchr(shape + 1, ':') : NULL; o; o = strchr(o + 1, ':')) {
        if (strncmp(o, ":s=", 3) == 0) {
            parse_numbers(o + 3, ',', x->strides);
            x->t.strides = x->strides;
        } else if (strncmp(o, ":dev=", 5) == 0) {
            x->t.device = parse_device(o + 5);
        } else if (strncmp(o, ":off=", 5) == 0) {
            x->t.byte_offset = strtoull(o + 5, NULL, 0);
        } else if (strncmp(o, ":plus=", 6) == 0) {
            plus = strtol(o + 6, NULL, 0);
        } else if (strncmp(o, ":ndim=", 6) == 0) {
            x->t.ndim = (int32_t)strtol(o + 6, NULL, 0);
        } else if (strncmp(o, ":at=", 4) == 0) {
            at = o + 4;
        } else if (strncmp(o, ":fill=", 6) == 0) {
            fill = o + 6;
        } else if (strncmp(o, ":nodata", 7) == 0) {
            nodata = true;
        } else if (strncmp(o, ":noshape", 8) == 0) {
            x->t.shape = NULL;
        } else {
            die(o);
        }
    }
    take_memory(x, at, fill);
    x->t.data = nodata ? NULL : (char *)x->t.data + plus;
    return &x->t;
}

static void parse_table(tile_argument *a)
{
    a->table.tensors = &state.entries[state.entry_count];
    a->table.count = 0;
    const char *w = word();
    for (; *w != ']'; w = word()) {
        state.entries[state.entry_count++] = strcmp(w, "null") == 0 ? NULL : parse_tensor(w);
        a->table.count++;
    }
    if (w[1] == 'x') {
        for (int n = atoi(w + 2); n > 1; n--, state.entry_count++) {
            state.entries[state.entry_count] = state.entries[state.entry_count - 1];
            a->table.count++;
        }
    } else if (w[1]) {
        a->table.count = strtoll(w + 1, NULL, 0);
    }
}

static void release(void)
{
    for (int i = 0; i < state.tensor_count; i++) {
        if (state.tensors[i].memory && state.context) {
            api.tile_free(state.context, state.tensors[i].memory);
        } else {
            free(state.tensors[i].memory);
        }
    }
    state.tensor_count = state.entry_count = state.count = 0;
}

static void parse_arguments(void)
{
    release();
    for (const char *w = word(); strcmp(w, "end") != 0; w = word()) {
        tile_argument *a = &state.arguments[state.count++];
        if (strncmp(w, "i=", 2) == 0) {
            a->integer = strtoll(w + 2, NULL, 0);
        } else if (strncmp(w, "f=", 2) == 0) {
            a->number = strtof(w + 2, NULL);
        } else if (strcmp(w, "null") == 0) {
            *a = (tile_argument){.table = {NULL, 0}};
        } else if (strcmp(w, "[") == 0) {
            parse_table(a);
        } else {
            a->tensor = parse_tensor(w);
        }
    }
}

/* ---- words ---- */

static const tile_kernel *kernel(const char *name)
{
    static tile_kernel old;
    char text[256];
    const tile_kernel *k = NULL;
    if (strncmp(name, "old:", 4) == 0) {
        old = *kernel(name + 4);
        old.version--;
        return &old;
    }
    if (strcmp(name, "none") == 0 || (!state.program && !state.library)) {
        return NULL;
    }
    if (state.program) {
        if (tile_program_kernel(state.program, name, &k) != TILE_OK) {
            printf("kernel: %s\n", tile_error(NULL));
        }
        return k;
    }
    snprintf(text, sizeof text, "tk_%s_kernel", name);
    return symbol(text);
}

static void say(const char *what, tile_status status)
{
    printf("%s: %s%s%s\n", what, api.tile_status_name(status), status == TILE_OK ? "" : " ",
           status == TILE_OK ? "" : api.tile_error(state.context));
}

static tile_status call(const tile_kernel *k)
{
    void *scratch = (char *)state.scratch + state.scratch_plus;
    return api.tile_call(k, state.context, state.arguments, state.count, scratch,
                         state.scratch_bytes, state.stream);
}

static void do_library(void)
{
    state.library = dlopen(word(), RTLD_NOW | RTLD_LOCAL);
    if (!state.library) {
        die(dlerror());
    }
#define API_FIND(result, name, parameters)         \
    do {                                           \
        void *found_ = symbol(#name);              \
        memcpy(&api.name, &found_, sizeof found_); \
    } while (0);
    API_TABLE(API_FIND)
#undef API_FIND
}

static void do_program(void)
{
#define API_TAKE(result, name, parameters) api.name = name;
    API_TABLE(API_TAKE)
#undef API_TAKE
    tile_status status = tile_program_load(word(), &state.program);
    printf("program: %s%s%s\n", tile_status_name(status), status == TILE_OK ? "" : " ",
           status == TILE_OK ? "" : tile_error(NULL));
}

static void do_context(void)
{
    const char *w = word();
    if (strcmp(w, "none") == 0) {
        return;
    }
    bool machine = strcmp(w, "machine") == 0;
    int device = strcmp(w, "cpu") == 0 ? TILE_CPU : atoi(w);
    tile_machine_options options = {.arch = TILE_SM90};
    state.machine = machine ? tile_machine_create(&options) : NULL;
    tile_status status = machine ? tile_machine_context(state.machine, &state.context)
                                 : api.tile_context_create(device, &state.context);
    printf("context: %s%s%s\n", api.tile_status_name(status), status == TILE_OK ? "" : " ",
           status == TILE_OK ? "" : api.tile_error(NULL));
}

static void do_scratch(void)
{
    char *plus;
    state.scratch_bytes = strtoull(word(), &plus, 0);
    if (state.scratch_bytes) {
        api.tile_alloc(state.context, state.scratch_bytes, &state.scratch);
    }
    say("scratch", api.tile_scratch_init(state.context, state.scratch, state.scratch_bytes, NULL));
    state.scratch_plus = strtol(plus, NULL, 0);
}

static void do_call(void)
{
    const tile_kernel *k = kernel(word());
    parse_arguments();
    for (int i = 0; i < state.tensor_count; i++) {
        printf("tensor %d: %#llx\n", i, (unsigned long long)(uintptr_t)state.tensors[i].t.data);
    }
    say("call", call(k));
}

static void do_need(void)
{
    const tile_kernel *k = kernel(word());
    size_t bytes = 7;
    parse_arguments();
    tile_status status = api.tile_call_scratch(k, state.context, state.arguments, state.count,
                                               &bytes);
    if (status != TILE_OK) {
        say("need", status);
    } else {
        printf("need: TILE_OK %zu\n", bytes);
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static const char bare_text[] = "extern \"C\" __global__ void tk_bare(int *x) {}\n";

static tile_function *bare_function(void)
{
    tile_source source = {.name = "bare.cu", .text = bare_text};
    tile_module *module;
    tile_function *function;
    if (tile_module_compile(state.context, &source, &module) != TILE_OK ||
        tile_module_function(module, "tk_bare", 0, &function) != TILE_OK) {
        die(tile_error(state.context));
    }
    return function;
}

/* The driver's launch alone. */
static double bare(tile_function *function, int n)
{
    CuLaunchConfig config = {.grid = {1, 1, 1}, .block = {32, 1, 1}};
    void *address = NULL;
    void *arguments[1] = {&address};
    double start = now();
    for (int i = 0; i < n; i++) {
        state.context->driver->cuLaunchKernelEx(&config, function->handle, arguments, NULL);
    }
    return (now() - start) / n;
}

/* The least of many rounds, of each; the GPU is idle when a round begins, so that n launches fit
 * its queue. */
static void do_bench(void)
{
    int n = atoi(word());
    const tile_kernel *k = kernel(word());
    double least = 1e18, least_bare = 1e18;
    bool pushed;
    parse_arguments();
    say("bench", call(k));
    tile_function *function = bare_function();
    tile__enter(state.context, &pushed);
    for (int round = 0; round < 100; round++) {
        double start = now();
        for (int i = 0; i < n; i++) {
            call(k);
        }
        double took = (now() - start) / n;
        least = took < least ? took : least;
        api.tile_synchronize(state.context, NULL);
        took = bare(function, n);
        least_bare = took < least_bare ? took : least_bare;
        api.tile_synchronize(state.context, NULL);
    }
    tile__leave(state.context, pushed);
    printf("ns: %.0f bare %.0f\n", least, least_bare);
}

/* A function of the driver that the runtime does not use. */
static void driver_function(const char *name, void *pointer)
{
    const char *file = getenv("TILE_CUDA_DRIVER");
    void *library = dlopen(file ? file : "libcuda.so.1", RTLD_LAZY);
    void *address = library ? dlsym(library, name) : NULL;
    if (!address) {
        die(name);
    }
    memcpy(pointer, &address, sizeof address);
}

typedef struct Graphs {
    int (*create)(void **stream, unsigned flags);
    int (*begin)(void *stream, int mode);
    int (*end)(void *stream, void **graph);
    int (*instantiate)(void **exec, void *graph, unsigned long long flags);
    int (*launch)(void *exec, void *stream);
} Graphs;

static void do_capture(void)
{
    const char *times = word();
    const tile_kernel *k = kernel(word());
    Graphs g;
    void *graph = NULL, *exec = NULL;
    bool pushed;
    driver_function("cuStreamCreate", &g.create);
    driver_function("cuStreamBeginCapture_v2", &g.begin);
    driver_function("cuStreamEndCapture", &g.end);
    driver_function("cuGraphInstantiateWithFlags", &g.instantiate);
    driver_function("cuGraphLaunch", &g.launch);
    parse_arguments();
    tile__enter(state.context, &pushed);
    int result = g.create(&state.stream, 1);
    if (strcmp(times, "cold") != 0) {
        say("warm", call(k));
    }
    result = result ? result : g.begin(state.stream, 0);
    tile_status status = call(k);
    result = result ? result : g.end(state.stream, &graph);
    say("capture", status);
    if (status == TILE_OK) {
        result = result ? result : g.instantiate(&exec, graph, 0);
        for (int i = 0; i < atoi(times); i++) {
            result = result ? result : g.launch(exec, state.stream);
        }
        printf("replays: %d\n", result);
        say("wait", api.tile_synchronize(state.context, state.stream));
    }
    tile__leave(state.context, pushed);
    state.stream = NULL;
}

/* As in runtime_driver: only read, write and exit are left, and the context's lock is held. */
static void do_sealed(void)
{
    int n = atoi(word()), result = 0;
    const tile_kernel *k = kernel(word());
    parse_arguments();
    say("first", call(k));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        bool pushed, good = true;
        tile__enter(state.context, &pushed);
        pthread_mutex_lock(&state.context->lock);
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) {
            _exit(77);
        }
        for (int i = 0; i < n; i++) {
            good = good && call(k) == TILE_OK;
        }
        syscall(SYS_exit, good ? 0 : 1);
    }
    waitpid(child, &result, 0);
    printf("sealed: %s %d\n", WIFEXITED(result) ? "exit" : "signal",
           WIFEXITED(result) ? WEXITSTATUS(result) : WTERMSIG(result));
}

static void *call_once(void *k)
{
    return (void *)(uintptr_t)call(k);
}

static void do_threads(void)
{
    pthread_t threads[32];
    int n = atoi(word()), failed = 0;
    const tile_kernel *k = kernel(word());
    void *const argument = (void *)(uintptr_t)k;
    parse_arguments();
    for (int i = 0; i < n; i++) {
        pthread_create(&threads[i], NULL, call_once, argument);
    }
    for (int i = 0; i < n; i++) {
        void *status;
        pthread_join(threads[i], &status);
        failed += status != NULL;
    }
    printf("threads: %d failed\n", failed);
}

static void do_save(void)
{
    const Tensor *x = &state.tensors[atoi(word())];
    FILE *f = fopen(word(), "wb");
    char *bytes = malloc(x->bytes);
    if (!f || !bytes ||
        api.tile_download(state.context, bytes, x->t.data, x->bytes - 64) != TILE_OK) {
        die("save");
    }
    fwrite(bytes, 1, x->bytes - 64, f);
    fclose(f);
    free(bytes);
}

static void do_clock(void)
{
    static double before;
    double t = now();
    printf("clock: %.2f\n", (t - before) / 1e6);
    before = t;
}

static void do_wait(void)
{
    say("wait", api.tile_synchronize(state.context, NULL));
}

static void do_free(void)
{
    release();
    if (state.scratch) {
        api.tile_free(state.context, state.scratch);
    }
    if (api.tile_context_free) {
        api.tile_context_free(state.context);
    }
    tile_program_free(state.program);
    tile_machine_free(state.machine);
    state.context = NULL;
    state.program = NULL;
    printf("free: done\n");
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } words[] = {{"library", do_library}, {"program", do_program}, {"context", do_context},
                 {"scratch", do_scratch}, {"call", do_call},       {"need", do_need},
                 {"bench", do_bench},     {"sealed", do_sealed},   {"threads", do_threads},
                 {"save", do_save},       {"wait", do_wait},       {"free", do_free},
                 {"clock", do_clock},     {"capture", do_capture}};
    state.next = arguments + (count > 0);
    while (*state.next) {
        const char *name = word();
        size_t i = 0;
        while (i < sizeof words / sizeof *words && strcmp(words[i].name, name) != 0) {
            i++;
        }
        if (i == sizeof words / sizeof *words) {
            die(name);
        }
        words[i].run();
    }
    return 0;
}
