/* A GPU: finding it, being current, its memory and its time. */
#include "runtime/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Arch {
    const char *name;
    int major, minor;
} Arch;

static const Arch archs[TILE_ARCH_COUNT] = {
#define ARCH(target, name, nvrtc, major, minor) [target] = {name, major, minor},
    TILE_ARCH_TABLE(ARCH)
#undef ARCH
};

const char *tile_arch_name(tile_arch arch)
{
    if (arch == TILE_ARCH_CPU) {
        return "cpu";
    }
    return (size_t)arch < TILE_ARCH_COUNT ? archs[arch].name : NULL;
}

bool tile_arch_find(const char *name, tile_arch *arch)
{
    for (int i = 0; name && i < TILE_ARCH_COUNT; i++) {
        if (strcmp(archs[i].name, name) == 0) {
            *arch = (tile_arch)i;
            return true;
        }
    }
    return false;
}

/* ---- finding the GPU ---- */

static tile_status find_device(const Driver *driver, int ordinal, CuDevice *device)
{
    int count = 0;
    int result = driver->cuDeviceGetCount(&count);
    if (result != CU_SUCCESS) {
        return tile__driver_failed(NULL, TILE_ERR_NO_GPU, result, "counting the GPUs");
    }
    if (ordinal < 0 || ordinal >= count) {
        return tile__fail(NULL, TILE_ERR_NO_GPU, "GPU %d was asked for; the CUDA driver sees %d",
                          ordinal, count);
    }
    result = driver->cuDeviceGet(device, ordinal);
    if (result != CU_SUCCESS) {
        return tile__driver_failed(NULL, TILE_ERR_NO_GPU, result, "taking GPU %d", ordinal);
    }
    return TILE_OK;
}

static tile_status read_attributes(const Driver *driver, CuDevice device, tile_device_info *info)
{
    const struct {
        int attribute;
        int *value;
    } wanted[] = {
        {CU_DEVICE_MAJOR, &info->major},
        {CU_DEVICE_MINOR, &info->minor},
        {CU_DEVICE_MULTIPROCESSORS, &info->multiprocessors},
        {CU_DEVICE_SHARED_BYTES, &info->shared_bytes},
        {CU_DEVICE_L2_BYTES, &info->l2_bytes},
    };
    int result = driver->cuDeviceGetName(info->name, sizeof info->name, device);
    for (size_t i = 0; result == CU_SUCCESS && i < sizeof wanted / sizeof *wanted; i++) {
        result = driver->cuDeviceGetAttribute(wanted[i].value, wanted[i].attribute, device);
    }
    if (result != CU_SUCCESS) {
        return tile__driver_failed(NULL, TILE_ERR_NO_GPU, result, "asking GPU %d what it is",
                                   info->ordinal);
    }
    return TILE_OK;
}

static tile_status find_arch(tile_device_info *info)
{
    for (int i = 0; i < TILE_ARCH_COUNT; i++) {
        if (archs[i].major == info->major && archs[i].minor == info->minor) {
            info->arch = (tile_arch)i;
            return TILE_OK;
        }
    }
    return tile__fail(NULL, TILE_ERR_ARCH,
                      "GPU %d (%s) has compute capability %d.%d; 9.0 (sm90) or 10.0 (sm100) is "
                      "needed",
                      info->ordinal, info->name, info->major, info->minor);
}

/* Keeps what was found as a context. */
static tile_status keep(const tile_context *c, tile_context **context)
{
    tile_context *made = malloc(sizeof *made);
    if (!made) {
        return tile__fail(NULL, TILE_ERR_MEMORY, "no memory for a context");
    }
    memcpy(made, c, sizeof *made);
    pthread_mutex_init(&made->lock, NULL);
    for (int i = 0; i < LOADING_LOCKS; i++) {
        pthread_mutex_init(&made->loading[i], NULL);
    }
    *context = made;
    return TILE_OK;
}

tile_status tile__context_create(const Driver *driver, int device, tile_context **context)
{
    tile_context c = {.driver = driver, .info.ordinal = device};
    tile_status status = find_device(driver, device, &c.device);
    if (status != TILE_OK || (status = read_attributes(driver, c.device, &c.info)) != TILE_OK ||
        (status = find_arch(&c.info)) != TILE_OK) {
        return status;
    }
    int result = driver->cuDevicePrimaryCtxRetain(&c.primary, c.device);
    if (result != CU_SUCCESS) {
        return tile__driver_failed(NULL, TILE_ERR_NO_GPU, result, "taking GPU %d (%s)", device,
                                   c.info.name);
    }
    status = keep(&c, context);
    if (status != TILE_OK) {
        driver->cuDevicePrimaryCtxRelease(c.device);
    }
    return status;
}

tile_status tile_context_create(int device, tile_context **context)
{
    if (!context) {
        return tile__fail(NULL, TILE_ERR_NULL, "tile_context_create: context is null");
    }
    *context = NULL;
    if (device == TILE_CPU) {
        const tile_context cpu = {.info = {.name = "CPU", .arch = TILE_ARCH_CPU}};
        return keep(&cpu, context);
    }
    const Driver *driver;
    tile_status status = tile__driver(&driver);
    return status == TILE_OK ? tile__context_create(driver, device, context) : status;
}

void tile_context_free(tile_context *c)
{
    if (!c) {
        return;
    }
    bool pushed;
    if (!is_cpu(c) && tile__enter(c, &pushed) == TILE_OK) {
        tile__modules_free(c);
        tile__leave(c, pushed);
    }
    if (!is_cpu(c)) {
        c->driver->cuDevicePrimaryCtxRelease(c->device);
    }
    tile__loaded_free(c);
    tile__maps_free(c);
    pthread_mutex_destroy(&c->lock);
    for (int i = 0; i < LOADING_LOCKS; i++) {
        pthread_mutex_destroy(&c->loading[i]);
    }
    tile_error(c); /* a context that gets this address later has no message */
    free(c);
}

const tile_device_info *tile_context_device(const tile_context *c)
{
    return &c->info;
}

tile_status tile__enter(const tile_context *c, bool *pushed)
{
    CuContext *current = NULL;
    *pushed = false;
    if (!c) {
        return tile__fail(NULL, TILE_ERR_NULL, "the context is null");
    }
    int result = c->driver->cuCtxGetCurrent(&current);
    if (result == CU_SUCCESS && current == c->primary) {
        return TILE_OK;
    }
    result = c->driver->cuCtxPushCurrent(c->primary);
    if (result != CU_SUCCESS) {
        return tile__driver_failed(c, TILE_ERR_NO_GPU, result, "making GPU %d current",
                                   c->info.ordinal);
    }
    *pushed = true;
    return TILE_OK;
}

void tile__leave(const tile_context *c, bool pushed)
{
    CuContext *ours;
    if (pushed) {
        c->driver->cuCtxPopCurrent(&ours);
    }
}
