/* Calls of kernels with tensors that are damaged in any way: the checks say what is wrong, or the
 * call is right; nothing else happens. What runs is no interpreter but a look at what it would get.
 *
 * Input: which kernel, then pairs of a byte that says what to change and eight bytes of a value. An
 * input without pairs is a good call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/tile_jit.h"
#include "runtime/stub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
    "kernel cast[M: dim, K: dim % 16, T: type = bf16, O: type = e4m3]\n"
    "  (x: in T[M, K] @ stride(any, 1), y: out O[M, K], sf: out f32[M, cdiv(K, 128)]\n"
    "   @ store(row, col_pad16), w: in f32[M]?)\n"
    "{ par (m in 0..M, k in 0..K by 128) {\n"
    "  y[m, k +: 128] = O(f32(x[m, k +: 128]));  sf[m, k // 128] = 1.0; } }\n"
    "instances cast { T: { bf16, f32 };  O: { e4m3, e2m1, e5m2 };  w: { none, row }; }\n"
    "kernel scales[M: dim, K: dim](x: in f32[M, K], sf: out ue8m0[M, K]\n"
    "  @ store(row, col_pad16, ue8m0x4), n: i32) where K // n > 0\n"
    "{ par (m in 0..M) { sf[m, 0] = 1.0; } }\n"
    "kernel sum[L: dim, N: dim](xs: in table(L, f32[2 * N + 1]), y: out f32[N])\n"
    "{ par (n in 0..N) { var s = 0.0;  for l in 0..L { s = s + xs[l][n]; }  y[n] = s; } }\n";

enum { KERNELS = 3, TENSORS = 4, MEMORY = 1 << 16 };

typedef struct Tensor {
    DLTensor t;
    int64_t shape[4], strides[4];
} Tensor;

static struct {
    tile_program *program;
    tile_context *context;
    tile_kernel kernels[KERNELS];
    tile_provider provider;
    char memory[MEMORY];
    Tensor tensors[TENSORS];
} state;

/* What passed the checks is what they promise. */
static tile_status look(const tile_checked *c)
{
    for (int i = 0; i < c->kernel->param_count; i++) {
        const tile_view *v = &c->views[i];
        if (c->kernel->params[i].kind == TILE_PARAM_SCALAR || !v->tensor)
            continue;
        bool empty = false;
        for (int k = 0; k < v->rank; k++) {
            if (v->extent[k] < 0 || v->stride[k] < 0)
                abort();
            empty |= v->extent[k] == 0;
        }
        if (!empty && !v->address)
            abort();
    }
    return TILE_OK;
}

static void start(void)
{
    static const char *const names[KERNELS] = {"cast", "scales", "sum"};
    if (tile_program_parse("call.tile", text, &state.program) != TILE_OK ||
        tile_context_create(TILE_CPU, &state.context) != TILE_OK)
        abort();
    for (int i = 0; i < KERNELS; i++) {
        const tile_kernel *k;
        if (tile_program_kernel(state.program, names[i], &k) != TILE_OK)
            abort();
        state.provider = (tile_provider){k->provider->build, look};
        state.kernels[i] = *k;
        state.kernels[i].provider = &state.provider;
    }
}

static void set(int number, DLDataType type, int rank, int64_t a, int64_t b)
{
    Tensor *x = &state.tensors[number];
    *x = (Tensor){.shape = {a, b, 1, 1}, .strides = {b, 1, 1, 1}};
    x->t = (DLTensor){.data = state.memory + number * (MEMORY / TENSORS),
                      .device = {kDLCPU, 0},
                      .ndim = rank,
                      .dtype = type,
                      .shape = x->shape};
}

static int good_call(int kernel, tile_argument *arguments, const DLTensor **entries)
{
    const DLDataType f32 = {kDLFloat, 32, 1}, bytes = {kDLUInt, 8, 1};
    for (int i = 0; i < TENSORS; i++)
        arguments[i].tensor = &state.tensors[i].t;
    if (kernel == 0) {
        set(0, (DLDataType){kDLBfloat, 16, 1}, 2, 4, 256);
        set(1, (DLDataType){kDLFloat8_e4m3fn, 8, 1}, 2, 4, 256);
        set(2, f32, 2, 4, 2);
        set(3, f32, 1, 4, 1);
        return 4;
    }
    if (kernel == 1) {
        set(0, f32, 2, 8, 12);
        set(1, bytes, 2, 8, 12);
        arguments[2].integer = 3;
        return 3;
    }
    set(0, f32, 1, 9, 1);
    set(1, f32, 1, 9, 1);
    set(2, f32, 1, 4, 1);
    entries[0] = &state.tensors[0].t;
    entries[1] = &state.tensors[1].t;
    arguments[0].table.tensors = entries;
    arguments[0].table.count = 2;
    arguments[1].tensor = &state.tensors[2].t;
    return 2;
}

/* Small numbers as often as any. */
static int64_t number(int64_t value, uint8_t what)
{
    return what & 128 ? value : (int8_t)value;
}

static void damage(int kernel, uint8_t what, int64_t value, tile_argument *arguments)
{
    Tensor *x = &state.tensors[what & 3];
    int axis = (int)((uint64_t)value >> 62);
    int64_t n = number(value, what);
    switch (what >> 2 & 15) {
    case 0:
    case 1:
        x->shape[axis] = n;
        break;
    case 2:
    case 3:
        x->t.strides = x->strides;
        x->strides[axis] = n;
        break;
    case 4:
        x->t.dtype.code = (uint8_t)value;
        break;
    case 5:
        x->t.dtype.bits = (uint8_t)(1 << (value & 7));
        break;
    case 6:
        x->t.dtype.lanes = (uint16_t)(value & 7);
        break;
    case 7:
        x->t.ndim = (int32_t)(value & 7) - 2;
        break;
    case 8:
        x->t.data = value & 1 ? NULL : state.memory + ((uint64_t)value >> 1) % MEMORY;
        break;
    case 9:
        x->t.byte_offset = (uint64_t)n;
        break;
    case 10:
        x->t.device.device_type = (DLDeviceType)(value & 15);
        break;
    case 11:
        x->t.shape = value & 1 ? NULL : x->shape;
        break;
    case 12:
        /* The number of a table's entries goes with its pointer. */
        if (kernel != 2 || (what & 3) != 0)
            arguments[what & 3].tensor = NULL;
        break;
    case 13:
        if (kernel == 1)
            arguments[2].integer = n;
        break;
    default:
        x->t.dtype = (DLDataType[]){{kDLUInt, 8, 1},    {kDLInt, 32, 1}, {kDLFloat, 32, 1},
                                    {kDLFloat, 16, 1},  {17, 4, 2},      {17, 4, 1},
                                    {kDLBfloat, 16, 1}, {12, 8, 1}}[value & 7];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tile_argument arguments[TENSORS] = {{0}};
    const DLTensor *entries[2];
    if (!state.program)
        start();
    int which = size ? data[0] % KERNELS : 0;
    const tile_kernel *k = &state.kernels[which];
    int count = good_call(which, arguments, entries);
    for (size_t i = 1; i + 9 <= size; i += 9) {
        int64_t value;
        memcpy(&value, data + i + 1, sizeof value);
        damage(which, data[i], value, arguments);
    }
    tile_status status = tile_call(k, state.context, arguments, count, NULL, 0, NULL);
    const char *message = tile_error(state.context);
    /* A type that the program cannot convert is the compiler's to tell. */
    const char *start_of = status == TILE_ERR_COMPILE ? "call.tile:" : k->name;
    if (status != TILE_OK && strncmp(message, start_of, strlen(start_of)) != 0) {
        fprintf(stderr, "%s: %s\n", tile_status_name(status), message);
        abort();
    }
    if (size <= 1 && status != TILE_OK)
        abort();
    return 0;
}
