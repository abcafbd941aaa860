/* A call of a kernel: checks, then launches. The warm path works on the stack alone. */
#include "runtime/call.h"

#include <stdarg.h>
#include <stdio.h>

tile_status tile__call_failed(const Call *c, tile_status status, const char *format, ...)
{
    char text[2048];
    va_list list;
    if (c->quiet) {
        return status;
    }
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return tile__fail(c->context, status, "%s: %s", c->kernel->name, text);
}

static int count_arguments(const tile_kernel *k)
{
    int n = k->param_count;
    for (int i = 0; i < k->static_count; i++) {
        n += k->statics[i].shown_by < 0;
    }
    return n;
}

/* Everything up to the numbers of the plan. */
static tile_status begin(Call *c, const tile_kernel *k, tile_context *context,
                         const tile_argument *arguments, int count)
{
    if (!k || !context) {
        return tile__fail(context, TILE_ERR_NULL, "%s: the %s is null", k ? k->name : "tile_call",
                          k ? "context" : "kernel");
    }
    if (k->version != TILE_STUB_VERSION) {
        return tile__fail(
            context, TILE_ERR_VALUE,
            "a kernel of version %d of the tables is called, this is version %d: build "
            "its library again",
            k->version, TILE_STUB_VERSION);
    }
    c->kernel = k;
    c->context = context;
    c->arguments = arguments;
    c->quiet = false;
    c->arch = tile_context_device(context)->arch;
    c->loaded = NULL;
    if (count != count_arguments(k) || !arguments) {
        return tile__call_failed(c, TILE_ERR_VALUE, "%d arguments are given, it takes %d",
                                 arguments ? count : 0, count_arguments(k));
    }
    if (c->arch == TILE_ARCH_CPU && (!k->provider || !k->provider->run)) {
        return tile__call_failed(c, TILE_ERR_ARCH,
                                 "was not built for the CPU: build it with --arch cpu");
    }
    tile_status status = tile__choose_variant(c);
    return status == TILE_OK ? tile__prepare(c) : status;
}

static uint64_t scratch_of(const Call *c)
{
    return c->plan->scratch_bytes < 0 ? 0 : c->values[c->plan->scratch_bytes];
}

static tile_status check_scratch(const Call *c, const void *scratch, size_t bytes)
{
    uint64_t need = scratch_of(c);
    if (need == 0) {
        return TILE_OK;
    }
    if (!scratch) {
        return tile__call_failed(c, TILE_ERR_NULL, "the scratch is null; it needs %llu bytes",
                                 (unsigned long long)need);
    }
    if (bytes < need) {
        return tile__call_failed(c, TILE_ERR_SCRATCH, "the scratch has %zu bytes, it needs %llu",
                                 bytes, (unsigned long long)need);
    }
    if ((uintptr_t)scratch % 256 != 0) {
        return tile__call_failed(c, TILE_ERR_ALIGN,
                                 "the scratch is at %p, which is no multiple of 256", scratch);
    }
    return TILE_OK;
}

tile_status tile_call(const tile_kernel *k, tile_context *context, const tile_argument *arguments,
                      int count, void *scratch, size_t scratch_bytes, tile_stream stream)
{
    Call c;
    tile_status status = begin(&c, k, context, arguments, count);
    if (status == TILE_OK) {
        status = check_scratch(&c, scratch, scratch_bytes);
    }
    return status == TILE_OK ? tile__start(&c, scratch, stream) : status;
}

tile_status tile_call_scratch(const tile_kernel *k, tile_context *context,
                              const tile_argument *arguments, int count, size_t *bytes)
{
    Call c;
    if (!bytes) {
        return tile__fail(context, TILE_ERR_NULL, "tile_call_scratch: bytes is null");
    }
    *bytes = 0;
    tile_status status = begin(&c, k, context, arguments, count);
    if (status == TILE_OK) {
        *bytes = (size_t)scratch_of(&c);
    }
    return status;
}
