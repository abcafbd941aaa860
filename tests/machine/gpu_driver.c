/* The scripts of tests/unit/machine_driver.c on a real GPU: for `source FILE`, FILE.cubin is
 * loaded. tests/machine/gpu_faults.py builds and runs it. */
#define RUNS_ON_GPU 1
#include "tests/unit/machine_driver.c"

#include <cuda.h>

static char cubin_path[1200];
static CUdeviceptr device[MOST];

static const char *failed;

static bool check(CUresult r, const char *what)
{
    if (r == CUDA_SUCCESS)
        return true;
    const char *text = NULL;
    cuGetErrorString(r, &text);
    static char message[256];
    snprintf(message, sizeof message, "%s: %s", what, text ? text : "?");
    failed = message;
    return false;
}

static void start(void)
{
    CUdevice gpu;
    CUcontext context;
    if (device[0])
        return;
    if (!check(cuInit(0), "cuInit") || !check(cuDeviceGet(&gpu, 0), "cuDeviceGet") ||
        !check(cuDevicePrimaryCtxRetain(&context, gpu), "context") ||
        !check(cuCtxSetCurrent(context), "context"))
        die(failed);
    for (int i = 0; i < nbuffers; i++)
        if (!check(cuMemAlloc(&device[i], buffers[i].bytes), "cuMemAlloc"))
            die(failed);
}

static void encode(const tile_tensor_map_spec *s, void *to)
{
    CUtensorMap map;
    cuuint64_t extent[5], stride[5];
    for (int i = 0; i < 5; i++) {
        extent[i] = s->extent[i];
        stride[i] = i + 1 < s->rank ? s->stride[i + 1] : 0;
    }
    if (!check(cuTensorMapEncodeTiled(&map, (CUtensorMapDataType)s->type, (cuuint32_t)s->rank,
                                      s->address, extent, stride, s->box, s->step,
                                      CU_TENSOR_MAP_INTERLEAVE_NONE, (CUtensorMapSwizzle)s->swizzle,
                                      CU_TENSOR_MAP_L2_PROMOTION_NONE,
                                      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
               "cuTensorMapEncodeTiled"))
        die(failed);
    memcpy(to, &map, sizeof map);
}

static void fill_args(void)
{
    start();
    for (int i = 0; i < npatches; i++) {
        Patch *p = &patches[i];
        CUdeviceptr address = device[p->buffer - buffers] + p->distance;
        if (p->map) {
            p->spec.address = (void *)(uintptr_t)address;
            encode(&p->spec, args + p->offset);
        } else {
            memcpy(args + p->offset, &address, sizeof address);
        }
    }
}

static bool launch(CUmodule module, const Launch *l)
{
    CUfunction f;
    CUlaunchAttribute attribute[3];
    unsigned n = 0;
    const tile_launch_config *c = &l->config;
    if (!check(cuModuleGetFunction(&f, module, l->entry), l->entry) ||
        !check(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                  (int)c->shared_bytes),
               "shared memory"))
        return false;
    if (c->cluster[0]) {
        attribute[n].id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
        attribute[n].value.clusterDim.x = c->cluster[0];
        attribute[n].value.clusterDim.y = attribute[n].value.clusterDim.z = 1;
        n++;
    }
    if (c->cooperative) {
        attribute[n].id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
        attribute[n++].value.cooperative = 1;
    }
    if (c->pdl) {
        attribute[n].id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
        attribute[n++].value.programmaticStreamSerializationAllowed = 1;
    }
    CUlaunchConfig config = {.gridDimX = c->grid[0],
                             .gridDimY = 1,
                             .gridDimZ = 1,
                             .blockDimX = c->block[0],
                             .blockDimY = 1,
                             .blockDimZ = 1,
                             .sharedMemBytes = c->shared_bytes,
                             .attrs = attribute,
                             .numAttrs = n};
    void *parameters[1] = {args};
    return check(cuLaunchKernelEx(&config, f, parameters, NULL), "launch");
}

static bool run_kernels(void)
{
    CUmodule module;
    snprintf(cubin_path, sizeof cubin_path, "%s.cubin", source_path);
    bool good = check(cuModuleLoad(&module, cubin_path), cubin_path);
    for (int i = 0; i < nbuffers && good; i++) {
        Buffer *b = &buffers[i];
        good = b->initial ? check(cuMemcpyHtoD(device[i], b->initial, b->bytes), "copy")
                          : check(cuMemsetD8(device[i], 0xA5, b->bytes), "fill");
    }
    for (int i = 0; i < nlaunches && good; i++)
        good = launch(module, &launches[i]);
    return good && check(cuCtxSynchronize(), "the kernel");
}

static bool run_once(uint64_t seed, int policy, bool first)
{
    (void)policy;
    bool good = run_kernels();
    for (int i = 0; i < nbuffers && good; i++) {
        Buffer *b = &buffers[i];
        good = check(cuMemcpyDtoH(b->data, device[i], b->bytes), "copy");
        if (first)
            memcpy(b->first, b->data, b->bytes);
        if (good && memcmp(b->first, b->data, b->bytes) != 0) {
            printf("differs %llu %s\n", (unsigned long long)seed, b->name);
            return false;
        }
    }
    if (good) {
        printf("ok 0 0\n");
    } else {
        printf("fault %llu CUDA: ", (unsigned long long)seed);
        print_report(failed);
    }
    return good;
}
