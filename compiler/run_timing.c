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
    "}\n";

/* One repetition: puts work into the default stream. */
typedef bool Work(void *context);

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median of n times after three that do not count; each begins with a cold L2. */
static bool median_time(CudaRun *r, int n, Work *work, void *context, double *out)
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
    *out = times[n / 2];
    return true;
}

static bool whole_kernel(void *context)
{
    return cuda_launch(context);
}

typedef struct Copy {
    CudaRun *run;
    tile_function *function;
    void *from, *to;
    int64_t words;
} Copy;

static bool copy_once(void *context)
{
    Copy *c = context;
    void *arguments[3] = {&c->from, &c->to, &c->words};
    tile_launch_config config = {.grid = {(uint32_t)((c->words + 1023) / 1024), 1, 1},
                                 .block = {256, 1, 1}};
    return tile_launch(c->function, &config, NULL, arguments) == TILE_OK;
}

/* Half the bytes read, half written, as many as the kernel's tensors have together. */
static bool time_copy(CudaRun *r, int n, size_t bytes, double *out)
{
    Copy c = {.run = r, .words = (int64_t)(bytes / 2 / 16)};
    tile_source source = {.name = "copy.cu", .text = copy_text};
    tile_module *module;
    size_t half = (size_t)c.words * 16;
    if (tile_module_compile(r->context, &source, &module) != TILE_OK ||
        tile_module_function(module, "copy", 0, &c.function) != TILE_OK ||
        tile_alloc(r->context, half, &c.from) != TILE_OK)
        return cuda_failed(r);
    bool good = tile_alloc(r->context, half, &c.to) == TILE_OK || cuda_failed(r);
    good = good && median_time(r, n, copy_once, &c, out);
    tile_free(r->context, c.from);
    tile_free(r->context, c.to);
    return good;
}

bool cuda_time(CudaRun *r, int n)
{
    double kernel, copy;
    size_t bytes = 0;
    for (int i = 0; i < r->plan->nbindings; i++)
        for (int k = 0; k < r->plan->bindings[i].entries; k++)
            bytes += r->plan->bindings[i].buffers[k].bytes;
    if (!median_time(r, n, whole_kernel, r, &kernel) || !time_copy(r, n, bytes, &copy))
        return false;
    printf("%s on %s: %.1f us, %.1f MB, %.2f TB/s; a copy of as many bytes %.1f us, ratio %.2f\n",
           r->plan->kernel->name, tile_context_device(r->context)->name, kernel * 1e6,
           (double)bytes / 1e6, (double)bytes / kernel / 1e12, copy * 1e6, copy / kernel);
    return true;
}
