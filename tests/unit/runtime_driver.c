/* Calls the runtime as the words of the command line say, in order, and prints a line for each:
 *
 *   context N              tile_context_create; later words use it
 *   compile FILE ARCH      tile_compile
 *   trim FILE ROOT DIR NAME.. end      tile__trim with the headers ROOT/NAME; texts go to
 * DIR/NUMBER module FILE            tile_module_compile; says if the module is the one before cubin
 * FILE             tile_compile and tile_module_load function NAME SHARED   of that module launch G
 * B C SHARED FLAGS STREAM   G, B and C are "1,2,3", FLAGS of c and p, or "-"; the kernel adds 1 to
 * an int on the GPU, which is printed sealed N               N launches where a lock or a system
 * call kills the process occupancy THREADS SHARED map RANK SWIZZLE       tile__tensor_map of bf16,
 * from the memory at 4096 memory SIZE            allocate, fill, copy there and back, free timer
 *   threads N FILE NAME    as many threads, each from text to a launch
 *   others N               a thread with a context for GPU N of its own fails and reads its message
 *   message                tile_error; "keep" before other words: failures do not read it
 *   warn                   tile_on_warning: "warning: TEXT" lines
 *   free                   tile_context_free
 *
 * A failure's line has the status and then the message.
 */
#define _DEFAULT_SOURCE /* syscall */
#include "runtime/runtime.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/seccomp.h>
#include <unistd.h>

static struct {
    tile_context *context;
    tile_module *module;
    tile_function *function;
    bool keep;
    char **next;
} state;

static const char *word(void)
{
    if (!*state.next) {
        fprintf(stderr, "runtime_driver: a word is missing\n");
        exit(2);
    }
    return *state.next++;
}

static uint32_t number(void)
{
    return (uint32_t)strtoul(word(), NULL, 0);
}

/* Starts a line; true if the rest of it, up to a newline, says how it went. */
static bool begin(const char *name, tile_status status, const tile_context *context)
{
    printf("%s: %s", name, tile_status_name(status));
    if (status == TILE_OK) {
        return true;
    }
    printf(" %s\n", state.keep ? "" : tile_error(context));
    return false;
}

static void end(void)
{
    printf("\n");
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1 << 20, 1);
    if (!file || !text) {
        perror(path);
        exit(2);
    }
    size_t size = fread(text, 1, (1 << 20) - 1, file);
    text[size] = 0;
    fclose(file);
    return text;
}

/* The options of every source, by NVRTC_OPTION. */
static const char *const *source_options(void)
{
    static const char *options[2];
    options[0] = getenv("NVRTC_OPTION");
    return options[0] ? options : NULL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void do_context(void)
{
    if (begin("context", tile_context_create((int)number(), &state.context), NULL)) {
        const tile_device_info *d = tile_context_device(state.context);
        printf(" %s %s %d.%d multiprocessors=%d shared=%d l2=%d\n", d->name,
               tile_arch_name(d->arch), d->major, d->minor, d->multiprocessors, d->shared_bytes,
               d->l2_bytes);
    }
}

static void do_free(void)
{
    tile_context_free(state.context);
    state.context = NULL;
    printf("free: done\n");
}

static void do_compile(void)
{
    const char *path = word();
    tile_arch arch = TILE_ARCH_COUNT;
    tile_cubin cubin;
    tile_arch_find(word(), &arch);
    char *text = read_text(path);
    tile_source source = {base_name(path), text, source_options()};
    if (begin("compile", tile_compile(&source, arch, &cubin), NULL)) {
        printf(" %zu bytes%s%s%s\n", cubin.size, cubin.from_cache ? " from the cache" : "",
               *cubin.log ? " log: " : "", cubin.log);
    }
    tile_cubin_free(&cubin);
    free(text);
}

static void do_trim(void)
{
    char *source = read_text(word()), path[4096], *texts[32];
    const char *root = word(), *folder = word(), *name;
    TextFile headers[32];
    int count = 0;
    for (; strcmp(name = word(), "end") != 0; count++) {
        snprintf(path, sizeof path, "%s/%s", root, name);
        headers[count] = (TextFile){name, read_text(path)};
    }
    tile__trim(source, headers, count, texts);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%d", folder, i);
        FILE *f = texts[i] ? fopen(path, "w") : NULL;
        if (f) {
            fputs(texts[i], f);
            fclose(f);
        }
        printf("trim: %s %s\n", headers[i].name, texts[i] ? "cut" : "whole");
        free((char *)headers[i].text);
        free(texts[i]);
    }
    free(source);
}

static void do_module(void)
{
    const char *path = word();
    char *text = read_text(path);
    tile_source source = {base_name(path), text, source_options()};
    tile_module *before = state.module;
    if (begin("module", tile_module_compile(state.context, &source, &state.module),
              state.context)) {
        printf("%s\n", state.module == before ? " as before" : "");
    }
    free(text);
}

/* With "-": bytes that are no machine code. */
static void do_cubin(void)
{
    const char *path = word();
    tile_cubin cubin = {0};
    char *text = strcmp(path, "-") == 0 ? NULL : read_text(path);
    tile_source source = {base_name(path), text, NULL};
    if (text) {
        tile_compile(&source, tile_context_device(state.context)->arch, &cubin);
    }
    tile_module *before = state.module;
    if (begin("cubin",
              tile_module_load(state.context, text ? cubin.bytes : "no code", text ? cubin.size : 8,
                               &state.module),
              state.context)) {
        printf("%s\n", state.module == before ? " as before" : "");
    }
    tile_cubin_free(&cubin);
    free(text);
}

static void do_function(void)
{
    const char *name = word();
    if (begin("function", tile_module_function(state.module, name, number(), &state.function),
              state.context)) {
        const tile_function_info *i = tile_function_information(state.function);
        printf(" registers=%d local=%d shared=%d threads=%d\n", i->registers, i->local_bytes,
               i->shared_bytes, i->max_threads);
    }
}

static tile_status launch_once(const tile_launch_config *config, void *stream, int *sum)
{
    void *address;
    int one = 1;
    void *arguments[] = {&address, &one};
    tile_status status = tile_alloc(state.context, sizeof *sum, &address);
    if (status == TILE_OK) {
        status = tile_fill(state.context, address, 0, sizeof *sum);
    }
    if (status == TILE_OK) {
        status = tile_launch(state.function, config, stream, arguments);
    }
    if (status == TILE_OK) {
        status = tile_synchronize(state.context, stream);
    }
    if (status == TILE_OK) {
        status = tile_download(state.context, sum, address, sizeof *sum);
    }
    tile_free(state.context, address);
    return status;
}

static void three(uint32_t values[3])
{
    if (sscanf(word(), "%u,%u,%u", &values[0], &values[1], &values[2]) != 3) {
        fprintf(stderr, "runtime_driver: three numbers are needed\n");
        exit(2);
    }
}

static void do_launch(void)
{
    tile_launch_config config = {0};
    int sum = 0;
    three(config.grid);
    three(config.block);
    three(config.cluster);
    config.shared_bytes = number();
    const char *flags = word();
    config.cooperative = strchr(flags, 'c') != NULL;
    config.pdl = strchr(flags, 'p') != NULL;
    void *stream = (void *)(uintptr_t)number();
    if (begin("launch", launch_once(&config, stream, &sum), state.context)) {
        printf(" sum=%d\n", sum);
    }
}

/* In strict mode only read, write and exit are left; a thread that takes a lock it holds waits in
 * the system. */
static void launch_sealed(uint32_t count, int *sum)
{
    const tile_launch_config config = {.grid = {1, 1, 1}, .block = {32, 1, 1}};
    int one = 1;
    void *arguments[] = {&sum, &one};
    bool pushed;
    tile__enter(state.context, &pushed);
    pthread_mutex_lock(&state.context->lock);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) {
        _exit(77);
    }
    for (uint32_t i = 0; i < count; i++) {
        tile_launch(state.function, &config, NULL, arguments);
    }
    syscall(SYS_exit, *sum == (int)count ? 0 : 1);
}

static void do_sealed(void)
{
    uint32_t count = number();
    int sum = 0, result = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        launch_sealed(count, &sum);
    }
    waitpid(child, &result, 0);
    printf("sealed: %s %d\n", WIFEXITED(result) ? "exit" : "signal",
           WIFEXITED(result) ? WEXITSTATUS(result) : WTERMSIG(result));
}

static void do_occupancy(void)
{
    uint32_t threads = number();
    int blocks;
    if (begin("occupancy", tile_function_occupancy(state.function, threads, number(), &blocks),
              state.context)) {
        printf(" %d\n", blocks);
    }
}

static void do_map(void)
{
    tile_tensor_map map;
    tile_tensor_map_spec s = {.type = TILE_TENSOR_BF16,
                              .rank = (int)number(),
                              .address = (void *)4096,
                              .extent = {1000, 300, 7, 6, 5},
                              .stride = {0, 2048, 65536, 1 << 20, 1 << 22},
                              .box = {64, 32, 1, 1, 1},
                              .swizzle = (tile_swizzle)number(),
                              .l2_promotion = 2};
    if (begin("map", tile__tensor_map(state.context, &s, &map), state.context)) {
        end();
    }
}

static void do_memory(void)
{
    size_t size = (size_t)strtoull(word(), NULL, 0);
    void *device;
    if (!begin("memory", tile_alloc(state.context, size, &device), state.context)) {
        return;
    }
    printf("%s\n", device ? " allocated" : " nothing");
    unsigned char *host = malloc(size + 1);
    tile_status status = tile_fill(state.context, device, 7, size);
    host[size] = 1;
    if (begin("fill", status, state.context)) {
        end();
    }
    status = tile_download(state.context, host, device, size);
    if (begin("download", status, state.context)) {
        printf(" %d %d\n", size ? host[0] : 0, host[size]);
    }
    status = tile_upload(state.context, device, host, size);
    if (begin("upload", status, state.context)) {
        end();
    }
    if (begin("release", tile_free(state.context, device), state.context)) {
        end();
    }
    free(host);
}

static void do_timer(void)
{
    tile_timer *timer;
    double seconds = 0;
    tile_status status = tile_timer_create(state.context, &timer);
    if (status == TILE_OK) {
        status = tile_timer_start(timer, NULL);
    }
    if (status == TILE_OK) {
        status = tile_timer_stop(timer, NULL, &seconds);
    }
    if (begin("timer", status, state.context)) {
        printf(" %g\n", seconds);
    }
    tile_timer_free(timer);
}

typedef struct Job {
    tile_source source;
    const char *kernel;
    atomic_int failed;
} Job;

static void *run_job(void *argument)
{
    Job *job = argument;
    const tile_launch_config config = {.grid = {1, 1, 1}, .block = {32, 1, 1}};
    tile_module *module;
    tile_function *function;
    int sum = 0, one = 1, *address = &sum;
    void *arguments[] = {&address, &one};
    if (tile_module_compile(state.context, &job->source, &module) != TILE_OK ||
        tile_module_function(module, job->kernel, 1000, &function) != TILE_OK ||
        tile_launch(function, &config, NULL, arguments) != TILE_OK || sum != 1) {
        job->failed++;
    }
    return NULL;
}

static void do_threads(void)
{
    pthread_t threads[16];
    uint32_t count = number();
    const char *path = word();
    char *text = read_text(path);
    Job job = {.source = {base_name(path), text, NULL}, .kernel = word()};
    for (uint32_t i = 0; i < count; i++) {
        pthread_create(&threads[i], NULL, run_job, &job);
    }
    for (uint32_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("threads: %d failed\n", job.failed);
    free(text);
}

static void *fail_elsewhere(void *argument)
{
    tile_context *context;
    tile_context_create(*(int *)argument, &context);
    printf("others: %s\n", tile_error(NULL));
    return NULL;
}

static void do_others(void)
{
    int gpu = (int)number();
    pthread_t thread;
    pthread_create(&thread, NULL, fail_elsewhere, &gpu);
    pthread_join(thread, NULL);
}

static void do_message(void)
{
    printf("message: %s\n", tile_error(state.context));
}

static void do_keep(void)
{
    state.keep = true;
}

static void heard(void *user, const char *text)
{
    printf("%s: %s\n", (const char *)user, text);
}

static void do_warn(void)
{
    static char name[] = "warning";
    tile_on_warning(heard, name);
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } words[] = {{"trim", do_trim},         {"context", do_context},     {"free", do_free},
                 {"compile", do_compile},   {"module", do_module},       {"cubin", do_cubin},
                 {"function", do_function}, {"launch", do_launch},       {"sealed", do_sealed},
                 {"memory", do_memory},     {"occupancy", do_occupancy}, {"map", do_map},
                 {"timer", do_timer},       {"threads", do_threads},     {"others", do_others},
                 {"message", do_message},   {"keep", do_keep},           {"warn", do_warn}};
    state.next = arguments + (count > 0);
    while (*state.next) {
        const char *name = word();
        size_t i = 0;
        while (i < sizeof words / sizeof *words && strcmp(words[i].name, name) != 0) {
            i++;
        }
        if (i == sizeof words / sizeof *words) {
            fprintf(stderr, "runtime_driver: what is %s?\n", name);
            return 2;
        }
        words[i].run();
    }
    return 0;
}
