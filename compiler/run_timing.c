/* tilec run --device cuda --time N: the kernels' time beside a copy of the same bytes, cold L2. */
#include <stdlib.h>

#include "compiler/run_cuda.h"

static const char copy_text[] =
    "extern \"C\" __global__ void copy(const uint4 *x, uint4 *y, long long n)\n"
    "{\n"
    "    long long i = (long long)blockIdx.x * 1024 + threadIdx.x;\n"
    "    uint4 v[4];\n"
    "    _Pragma(\"unroll\") for (int k = 0; k < 4; k++)\n"
    "        if (i + k * 256 < n) v[k] = __ldcs(x + i + k * 256);\n"
    "    _Pragma(\"unroll\") for (int k = 0; k < 4; k++)\n"
    "        if (i + k * 256 < n) __stcs(y + i + k * 256, v[k]);\n"
    "}\n"
    "extern \"C\" __global__ void empty() { }\n";

/* One repetition: puts work into the default stream. */
typedef bool Work(void *context);

/* Seconds. */
typedef struct Times {
    double median, least;
} Times;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Of n times, after three that do not count; each begins with a cold L2. */
static bool take_times(CudaRun *r, int n, Work *work, void *context, Times *out)
{
    double *times = NEW_ARRAY(r->plan->arena, double, n);
    size_t flush = 4 * (size_t)tile_context_device(r->context)->l2_bytes;
    void *trash;
    tile_timer *timer;
    if (tile_alloc(r->context, flush, &trash) != TILE_OK ||
        tile_timer_create(r->context, &timer) != TILE_OK)
        return cuda_failed(r);
    bool good = true;
    for (int i = -3; i < n && good; i++) {
        double seconds = 0;
        good = tile_fill(r->context, trash, (uint8_t)i, flush) == TILE_OK &&
               tile_timer_start(timer, NULL) == TILE_OK && work(context) &&
               tile_timer_stop(timer, NULL, &seconds) == TILE_OK;
        if (i >= 0)
            times[i] = seconds;
    }
    tile_timer_free(timer);
    tile_free(r->context, trash);
    if (!good)
        return cuda_failed(r);
    qsort(times, (size_t)n, sizeof *times, by_value);
    *out = (Times){times[n / 2], times[0]};
    return true;
}

static bool whole_kernel(void *context)
{
    return cuda_launch(context);
}

typedef struct Copy {
    tile_function *copy, *empty;
    void *from, *to;
    int64_t words;
} Copy;

static bool copy_once(void *context)
{
    Copy *c = context;
    void *arguments[3] = {&c->from, &c->to, &c->words};
    tile_launch_config config = {.grid = {(uint32_t)((c->words + 1023) / 1024), 1, 1},
                                 .block = {256, 1, 1}};
    return tile_launch(c->copy, &config, NULL, arguments) == TILE_OK;
}

static bool empty_once(void *context)
{
    Copy *c = context;
    tile_launch_config config = {.grid = {1, 1, 1}, .block = {32, 1, 1}};
    return tile_launch(c->empty, &config, NULL, NULL) == TILE_OK;
}

/* Half the bytes read, half written, as many as the kernel's tensors have together; and nothing. */
static bool time_copy(CudaRun *r, int n, size_t bytes, Times *copy, Times *empty)
{
    Copy c = {.words = (int64_t)(bytes / 2 / 16)};
    tile_source source = {.name = "copy.cu", .text = copy_text};
    tile_module *module;
    size_t half = (size_t)c.words * 16;
    if (tile_module_compile(r->context, &source, &module) != TILE_OK ||
        tile_module_function(module, "copy", 0, &c.copy) != TILE_OK ||
        tile_module_function(module, "empty", 0, &c.empty) != TILE_OK ||
        tile_alloc(r->context, half, &c.from) != TILE_OK)
        return cuda_failed(r);
    bool good = tile_alloc(r->context, half, &c.to) == TILE_OK || cuda_failed(r);
    good = good && take_times(r, n, copy_once, &c, copy) && take_times(r, n, empty_once, &c, empty);
    tile_free(r->context, c.from);
    tile_free(r->context, c.to);
    return good;
}

static size_t moved_bytes(const RunPlan *p)
{
    size_t bytes = 0;
    for (int i = 0; i < p->nbindings; i++)
        for (int k = 0; k < p->bindings[i].entries; k++)
            if (p->bindings[i].tensor->tensor->dir != PARAM_SCRATCH)
                bytes += p->bindings[i].buffers[k].bytes;
    return bytes;
}

bool cuda_time(CudaRun *r, int n)
{
    Times kernel, copy, empty;
    size_t bytes = moved_bytes(r->plan);
    if (!take_times(r, n, whole_kernel, r, &kernel) || !time_copy(r, n, bytes, &copy, &empty))
        return false;
    printf("%s on %s: %.1f us, least %.1f, %.1f MB, %.2f TB/s; a copy of as many bytes %.1f us, "
           "ratio %.2f; an empty kernel %.1f us\n",
           r->plan->kernel->name, tile_context_device(r->context)->name, kernel.median * 1e6,
           kernel.least * 1e6, (double)bytes / 1e6, (double)bytes / kernel.median / 1e12,
           copy.median * 1e6, copy.median / kernel.median, empty.median * 1e6);
    return true;
}
