/* Memory of the GPU, waiting for it, and timing it. */
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct tile_timer {
    tile_context *context;
    CuEvent *start, *stop;
    double began; /* on the CPU */
};

/* The end of a function that entered `c`. */
static tile_status finish(const tile_context *c, bool pushed, int result, tile_status otherwise,
                          const char *what, size_t size)
{
    tile_status status = TILE_OK;
    if (result != CU_SUCCESS) {
        status = tile__driver_failed(c, otherwise, result, "%s %zu bytes on GPU %d", what, size,
                                     c->info.ordinal);
    }
    tile__leave(c, pushed);
    return status;
}

/* For whoever takes the place of a GPU's memory: it is aligned as that is. */
static tile_status alloc_host(tile_context *c, size_t size, void **address)
{
    if (posix_memalign(address, 256, size) == 0) {
        return TILE_OK;
    }
    *address = NULL;
    return tile__fail(c, TILE_ERR_MEMORY, "allocating %zu bytes on the CPU", size);
}

tile_status tile_alloc(tile_context *c, size_t size, void **address)
{
    *address = NULL;
    if (size && is_cpu(c)) {
        return alloc_host(c, size, address);
    }
    bool pushed;
    tile_status status = size ? tile__enter(c, &pushed) : TILE_OK;
    if (!size || status != TILE_OK) {
        return status;
    }
    CuAddress a = 0;
    int result = c->driver->cuMemAlloc(&a, size);
    *address = result == CU_SUCCESS ? (void *)a : NULL;
    return finish(c, pushed, result, TILE_ERR_MEMORY, "allocating", size);
}

tile_status tile_free(tile_context *c, void *address)
{
    if (is_cpu(c)) {
        free(address);
        return TILE_OK;
    }
    bool pushed;
    tile_status status = address ? tile__enter(c, &pushed) : TILE_OK;
    if (!address || status != TILE_OK) {
        return status;
    }
    int result = c->driver->cuMemFree((CuAddress)address);
    if (result != CU_SUCCESS) {
        status = tile__driver_failed(c, TILE_ERR_MEMORY, result, "freeing %p on GPU %d", address,
                                     c->info.ordinal);
    }
    tile__leave(c, pushed);
    return status;
}

tile_status tile_upload(tile_context *c, void *device, const void *host, size_t size)
{
    if (size && is_cpu(c)) {
        memcpy(device, host, size);
        return TILE_OK;
    }
    bool pushed;
    tile_status status = size ? tile__enter(c, &pushed) : TILE_OK;
    if (!size || status != TILE_OK) {
        return status;
    }
    int result = c->driver->cuMemcpyHtoD((CuAddress)device, host, size);
    return finish(c, pushed, result, TILE_ERR_COPY, "copying to the GPU", size);
}

tile_status tile_download(tile_context *c, void *host, const void *device, size_t size)
{
    if (size && is_cpu(c)) {
        memcpy(host, device, size);
        return TILE_OK;
    }
    bool pushed;
    tile_status status = size ? tile__enter(c, &pushed) : TILE_OK;
    if (!size || status != TILE_OK) {
        return status;
    }
    int result = c->driver->cuMemcpyDtoH(host, (CuAddress)device, size);
    return finish(c, pushed, result, TILE_ERR_COPY, "copying from the GPU", size);
}

tile_status tile_fill(tile_context *c, void *device, uint8_t byte, size_t size)
{
    if (size && is_cpu(c)) {
        memset(device, byte, size);
        return TILE_OK;
    }
    bool pushed;
    tile_status status = size ? tile__enter(c, &pushed) : TILE_OK;
    if (!size || status != TILE_OK) {
        return status;
    }
    int result = c->driver->cuMemsetD8((CuAddress)device, byte, size);
    return finish(c, pushed, result, TILE_ERR_COPY, "filling", size);
}

tile_status tile_scratch_init(tile_context *c, void *scratch, size_t size, tile_stream stream)
{
    if (size && !scratch) {
        return tile__fail(c, TILE_ERR_NULL, "tile_scratch_init: the scratch is null");
    }
    if (size && is_cpu(c)) {
        memset(scratch, 0, size);
        return TILE_OK;
    }
    bool pushed;
    tile_status status = size ? tile__enter(c, &pushed) : TILE_OK;
    if (!size || status != TILE_OK) {
        return status;
    }
    int result = c->driver->cuMemsetD8Async((CuAddress)scratch, 0, size, stream);
    return finish(c, pushed, result, TILE_ERR_COPY, "clearing", size);
}

tile_status tile_synchronize(tile_context *c, void *stream)
{
    if (is_cpu(c)) {
        return TILE_OK;
    }
    bool pushed;
    tile_status status = tile__enter(c, &pushed);
    if (status != TILE_OK) {
        return status;
    }
    int result = c->driver->cuStreamSynchronize(stream);
    if (result != CU_SUCCESS) {
        status = tile__driver_failed(c, TILE_ERR_LAUNCH, result, "waiting for GPU %d",
                                     c->info.ordinal);
    }
    tile__leave(c, pushed);
    return status;
}

/* ---- time ---- */

tile_status tile_timer_create(tile_context *c, tile_timer **timer)
{
    *timer = NULL;
    tile_timer *t = calloc(1, sizeof *t);
    if (!t) {
        return tile__fail(c, TILE_ERR_MEMORY, "no memory for a timer");
    }
    t->context = c;
    if (is_cpu(c)) {
        *timer = t;
        return TILE_OK;
    }
    bool pushed;
    tile_status status = tile__enter(c, &pushed);
    if (status == TILE_OK) {
        int result = c->driver->cuEventCreate(&t->start, 0);
        result = result == CU_SUCCESS ? c->driver->cuEventCreate(&t->stop, 0) : result;
        if (result != CU_SUCCESS) {
            status = tile__driver_failed(c, TILE_ERR_LAUNCH, result, "making a timer");
        }
        tile__leave(c, pushed);
    }
    if (status != TILE_OK) {
        tile_timer_free(t);
        return status;
    }
    *timer = t;
    return TILE_OK;
}

void tile_timer_free(tile_timer *t)
{
    bool pushed;
    if (t && (t->start || t->stop) && tile__enter(t->context, &pushed) == TILE_OK) {
        if (t->start) {
            t->context->driver->cuEventDestroy(t->start);
        }
        if (t->stop) {
            t->context->driver->cuEventDestroy(t->stop);
        }
        tile__leave(t->context, pushed);
    }
    free(t);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

tile_status tile_timer_start(tile_timer *t, void *stream)
{
    const tile_context *c = t->context;
    if (is_cpu(c)) {
        t->began = now();
        return TILE_OK;
    }
    bool pushed;
    tile_status status = tile__enter(c, &pushed);
    if (status != TILE_OK) {
        return status;
    }
    int result = c->driver->cuEventRecord(t->start, stream);
    if (result != CU_SUCCESS) {
        status = tile__driver_failed(c, TILE_ERR_LAUNCH, result, "starting a timer");
    }
    tile__leave(c, pushed);
    return status;
}

tile_status tile_timer_stop(tile_timer *t, void *stream, double *seconds)
{
    const tile_context *c = t->context;
    float milliseconds = 0;
    if (is_cpu(c)) {
        *seconds = now() - t->began;
        return TILE_OK;
    }
    bool pushed;
    tile_status status = tile__enter(c, &pushed);
    if (status != TILE_OK) {
        return status;
    }
    int result = c->driver->cuEventRecord(t->stop, stream);
    if (result == CU_SUCCESS) {
        result = c->driver->cuEventSynchronize(t->stop);
    }
    if (result == CU_SUCCESS) {
        result = c->driver->cuEventElapsedTime(&milliseconds, t->start, t->stop);
    }
    if (result != CU_SUCCESS) {
        status = tile__driver_failed(c, TILE_ERR_LAUNCH, result, "stopping a timer");
    }
    *seconds = (double)milliseconds / 1000;
    tile__leave(c, pushed);
    return status;
}
