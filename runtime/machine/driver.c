/* The machine as a driver: what starts kernels on a GPU starts them on the model, unchanged.
 *
 * Modules are CUDA text. A stream is no more than an order, so everything is done at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/internal.h"
#include "runtime/runtime.h"

/* What both targets have, as an H100 has it: the occupancy that it allows, registers aside. */
/* Few multiprocessors: a grid that fills them runs together, thread by thread. */
enum { MULTIPROCESSORS = 32, THREADS = 2048, BLOCKS = 32, SHARED = 233472, SHARED_SYSTEM = 1024 };

struct CuFunction {
    tile_machine_code *code;
    CuFunction *next;
    char name[];
};

struct CuModule {
    tile_machine_code *code;
    CuFunction *functions;
};

/* The thread's current context. */
static _Thread_local tile_machine *current;

static Machine *state(void)
{
    return &current->machine;
}

/* ---- the device ---- */

static int device_get_count(int *count)
{
    *count = 1;
    return CU_SUCCESS;
}

static int device_get(CuDevice *device, int ordinal)
{
    *device = ordinal;
    return CU_SUCCESS;
}

static int device_get_name(char *name, int size, CuDevice device)
{
    (void)device;
    snprintf(name, (size_t)size, "the machine model of %s", tile_arch_name(state()->options.arch));
    return CU_SUCCESS;
}

static int device_get_attribute(int *value, int attribute, CuDevice device)
{
    bool sm90 = state()->options.arch == TILE_SM90;
    (void)device;
    *value = attribute == CU_DEVICE_MAJOR             ? (sm90 ? 9 : 10)
             : attribute == CU_DEVICE_MULTIPROCESSORS ? MULTIPROCESSORS
             : attribute == CU_DEVICE_SHARED_BYTES    ? SHARED_MOST
             : attribute == CU_DEVICE_L2_BYTES        ? 50 << 20
                                                      : 0;
    return CU_SUCCESS;
}

static int retain(CuContext **context, CuDevice device)
{
    (void)device;
    *context = (CuContext *)current;
    return CU_SUCCESS;
}

static int release(CuDevice device)
{
    (void)device;
    return CU_SUCCESS;
}

static int get_current(CuContext **context)
{
    *context = (CuContext *)current;
    return CU_SUCCESS;
}

/* Contexts are not stacked: nobody else uses this driver. */
static int push_current(CuContext *context)
{
    current = (tile_machine *)context;
    return CU_SUCCESS;
}

static int pop_current(CuContext **context)
{
    return get_current(context);
}

/* ---- code ---- */

static int module_load(CuModule **module, const void *image)
{
    CuModule *m = calloc(1, sizeof *m);
    if (!m)
        return CU_OUT_OF_MEMORY;
    if (!tile_machine_load(current, image, &m->code)) {
        free(m);
        return CU_INVALID_IMAGE;
    }
    *module = m;
    return CU_SUCCESS;
}

static int module_unload(CuModule *module)
{
    while (module->functions) {
        CuFunction *f = module->functions;
        module->functions = f->next;
        free(f);
    }
    free(module);
    return CU_SUCCESS;
}

static int module_get_function(CuFunction **function, CuModule *module, const char *name)
{
    if (!code_entry(module->code, name))
        return CU_NOT_FOUND;
    CuFunction *f = calloc(1, sizeof *f + strlen(name) + 1);
    if (!f)
        return CU_OUT_OF_MEMORY;
    f->code = module->code;
    f->next = module->functions;
    module->functions = f;
    strcpy(f->name, name);
    *function = f;
    return CU_SUCCESS;
}

static int function_get_attribute(int *value, int attribute, CuFunction *function)
{
    int threads = code_entry(function->code, function->name)->threads;
    *value = attribute != CU_FUNCTION_MAX_THREADS ? 0 : threads ? threads : MOST_THREADS;
    return CU_SUCCESS;
}

static int function_set_attribute(CuFunction *function, int attribute, int value)
{
    (void)function, (void)attribute, (void)value;
    return CU_SUCCESS;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int occupancy(int *blocks, CuFunction *function, int threads, size_t shared_bytes)
{
    (void)function;
    *blocks = smaller(smaller(THREADS / threads, BLOCKS),
                      SHARED / ((int)shared_bytes + SHARED_SYSTEM));
    return CU_SUCCESS;
}

static int occupancy_of_clusters(int *clusters, CuFunction *function, const CuLaunchConfig *config)
{
    int blocks;
    int result = occupancy(&blocks, function, (int)config->block[0], config->shared_bytes);
    *clusters = blocks * MULTIPROCESSORS / (int)config->grid[0];
    return result;
}

static int launch(const CuLaunchConfig *config, CuFunction *function, void **arguments,
                  void **extra)
{
    const TileMachineKernel *kernel = code_entry(function->code, function->name);
    tile_launch_config c = {.shared_bytes = config->shared_bytes};
    (void)extra;
    for (int i = 0; i < 3; i++) {
        c.grid[i] = config->grid[i];
        c.block[i] = config->block[i];
    }
    for (unsigned i = 0; i < config->attribute_count; i++) {
        const CuLaunchAttribute *a = &config->attributes[i];
        if (a->id == CU_LAUNCH_CLUSTER)
            memcpy(c.cluster, a->value.cluster, sizeof c.cluster);
        c.cooperative |= a->id == CU_LAUNCH_COOPERATIVE && a->value.flag;
        c.pdl |= a->id == CU_LAUNCH_PDL && a->value.flag;
    }
    return tile_machine_launch(current, function->code, function->name, &c, arguments[0],
                               kernel->args_bytes)
               ? CU_SUCCESS
               : CU_LAUNCH_FAILED;
}

static int encode(tile_tensor_map *map, int type, uint32_t rank, void *address,
                  const uint64_t *extents, const uint64_t *strides, const uint32_t *box,
                  const uint32_t *steps, int interleave, int swizzle, int promotion, int fill)
{
    tile_tensor_map_spec s = {.type = (tile_tensor_type)type,
                              .rank = (int)rank,
                              .address = address,
                              .swizzle = (tile_swizzle)swizzle,
                              .l2_promotion = promotion,
                              .fill_nan = fill != 0};
    for (uint32_t i = 0; i < rank && i < 5; i++) {
        s.extent[i] = extents[i];
        s.stride[i] = i ? strides[i - 1] : 0;
        s.box[i] = box[i];
        s.step[i] = steps[i];
    }
    return interleave || tile_tensor_map_encode(&s, map) ? CU_INVALID_VALUE : CU_SUCCESS;
}

/* ---- memory ---- */

/* Between allocations, so that what leaves one seldom lands in another. */
enum { GAP = 1 << 16 };

static int allocate(CuAddress *address, size_t size)
{
    char *base = aligned_alloc(256, (size + 2 * GAP + 255) & ~(size_t)255);
    if (!base || !tile_machine_buffer(current, base + GAP, size, "memory", TILE_BUFFER_UNDEFINED)) {
        free(base);
        return CU_OUT_OF_MEMORY;
    }
    *address = (CuAddress)(base + GAP);
    return CU_SUCCESS;
}

static int give_back(CuAddress address)
{
    tile_machine_remove(current, (void *)address);
    free((char *)address - GAP);
    return CU_SUCCESS;
}

static int copy_to(CuAddress device, const void *host, size_t size)
{
    memcpy((void *)device, host, size);
    tile_machine_define(current, (void *)device, size);
    return CU_SUCCESS;
}

static int copy_from(void *host, CuAddress device, size_t size)
{
    memcpy(host, (void *)device, size);
    return CU_SUCCESS;
}

static int fill(CuAddress device, unsigned char byte, size_t size)
{
    memset((void *)device, byte, size);
    tile_machine_define(current, (void *)device, size);
    return CU_SUCCESS;
}

static int fill_async(CuAddress device, unsigned char byte, size_t size, CuStream *stream)
{
    (void)stream;
    return fill(device, byte, size);
}

static int stream_synchronize(CuStream *stream)
{
    (void)stream;
    return state()->fault ? CU_LAUNCH_FAILED : CU_SUCCESS;
}

/* ---- messages ---- */

static int get_version(int *version)
{
    *version = 13000;
    return CU_SUCCESS;
}

static int get_error_name(int result, const char **name)
{
    (void)result;
    *name = "the machine";
    return CU_SUCCESS;
}

static int get_error_text(int result, const char **text)
{
    (void)result;
    *text = current ? tile_machine_report(current) : "";
    return CU_SUCCESS;
}

/* The model has no time: what asks for it finds no function. */
static const Driver driver = {
    .cuDriverGetVersion = get_version,
    .cuGetErrorName = get_error_name,
    .cuGetErrorString = get_error_text,
    .cuDeviceGetCount = device_get_count,
    .cuDeviceGet = device_get,
    .cuDeviceGetName = device_get_name,
    .cuDeviceGetAttribute = device_get_attribute,
    .cuDevicePrimaryCtxRetain = retain,
    .cuDevicePrimaryCtxRelease = release,
    .cuCtxGetCurrent = get_current,
    .cuCtxPushCurrent = push_current,
    .cuCtxPopCurrent = pop_current,
    .cuModuleLoadData = module_load,
    .cuModuleUnload = module_unload,
    .cuModuleGetFunction = module_get_function,
    .cuFuncGetAttribute = function_get_attribute,
    .cuFuncSetAttribute = function_set_attribute,
    .cuOccupancyMaxActiveBlocksPerMultiprocessor = occupancy,
    .cuOccupancyMaxActiveClusters = occupancy_of_clusters,
    .cuLaunchKernelEx = launch,
    .cuTensorMapEncodeTiled = encode,
    .cuStreamSynchronize = stream_synchronize,
    .cuMemAlloc = allocate,
    .cuMemFree = give_back,
    .cuMemcpyHtoD = copy_to,
    .cuMemcpyDtoH = copy_from,
    .cuMemsetD8 = fill,
    .cuMemsetD8Async = fill_async,
};

tile_status tile_machine_context(tile_machine *machine, tile_context **context)
{
    current = machine;
    tile_status status = tile__context_create(&driver, 0, context);
    if (status == TILE_OK)
        (*context)->takes_text = true;
    return status;
}
