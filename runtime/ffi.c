/* Functions with tvm-ffi's calling convention, so that Python loads a library as it is.
 *
 * Arguments come in the order of tile_call; a table is an array of tensors; a member of an enum is
 * its name or number; scratch is a tensor at the end. The device is that of the first tensor, the
 * stream the one that tvm-ffi calls current there. Contexts are made at the first call on a device
 * and stay. What tvm-ffi itself has to do is looked up in the process: nothing is linked.
 */
#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "runtime/call.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what tvm-ffi has ---- */

static struct {
    void *(*get_stream)(int32_t device_type, int32_t device_id);
    void (*raise)(const char *kind, const char *message);
} ffi;

static void find_symbol(const char *name, void *pointer)
{
    void *address = dlsym(RTLD_DEFAULT, name);
    if (!address) {
        void *library = dlopen("libtvm_ffi.so", RTLD_LAZY | RTLD_NOLOAD);
        address = library ? dlsym(library, name) : NULL;
    }
    memcpy(pointer, &address, sizeof address);
}

static void find_ffi(void)
{
    find_symbol("TVMFFIEnvGetStream", &ffi.get_stream);
    find_symbol("TVMFFIErrorSetRaisedFromCStr", &ffi.raise);
}

static int raise(const char *kind, const char *message)
{
    if (ffi.raise) {
        ffi.raise(kind, message);
    } else {
        fprintf(stderr, "%s: %s\n", kind, message);
    }
    return -1;
}

static int raise_status(tile_status status, const char *message)
{
    const char *kind = status == TILE_ERR_DTYPE      ? "TypeError"
                       : status < TILE_ERR_NO_DRIVER ? "ValueError"
                                                     : "RuntimeError";
    return raise(kind, *message ? message : tile_status_meaning(status));
}

/* ---- contexts ---- */

enum { MOST_DEVICES = 64 };

static struct {
    pthread_mutex_t lock;
    _Atomic(tile_context *) of[MOST_DEVICES + 1]; /* GPUs, then the CPU */
} contexts = {.lock = PTHREAD_MUTEX_INITIALIZER};

__attribute__((destructor)) static void forget_contexts(void)
{
    /* The driver may be gone by now: what is on a GPU goes with the process. */
    tile_context *cpu = atomic_load(&contexts.of[MOST_DEVICES]);
    atomic_store(&contexts.of[MOST_DEVICES], NULL);
    tile_context_free(cpu);
}

static tile_status find_context(DLDevice d, tile_context **context)
{
    bool cpu = d.device_type == kDLCPU || d.device_type == kDLCUDAHost;
    int slot = cpu ? MOST_DEVICES : d.device_id;
    *context = NULL;
    if (slot < 0 || slot > MOST_DEVICES || (!cpu && slot == MOST_DEVICES)) {
        return tile__fail(NULL, TILE_ERR_DEVICE, "there is no GPU %d", d.device_id);
    }
    *context = atomic_load_explicit(&contexts.of[slot], memory_order_acquire);
    if (*context) {
        return TILE_OK;
    }
    pthread_mutex_lock(&contexts.lock);
    *context = atomic_load(&contexts.of[slot]);
    tile_status status = *context ? TILE_OK : tile_context_create(cpu ? TILE_CPU : slot, context);
    atomic_store_explicit(&contexts.of[slot], *context, memory_order_release);
    pthread_mutex_unlock(&contexts.lock);
    return status;
}

/* ---- arguments ---- */

typedef struct FfiCall {
    const tile_kernel *kernel;
    const TVMFFIAny *next;
    tile_argument arguments[TILE_MOST_PARAMS + TILE_MOST_KEY];
    int count;
    const DLTensor *entries[TILE_TABLE_ENTRIES]; /* of tables */
    int entry_count;
    const DLTensor *first; /* tells the device */
    char wrong[256];
} FfiCall;

static const DLTensor *tensor_of(const TVMFFIAny *a)
{
    if (a->type_index == TILE_FFI_DLTENSOR) {
        return a->v_ptr;
    }
    return a->type_index == TILE_FFI_TENSOR ? (const DLTensor *)(a->v_obj + 1) : NULL;
}

static bool wrong(FfiCall *c, const char *name, const char *what)
{
    snprintf(c->wrong, sizeof c->wrong, "%s: %s: %s", c->kernel->name, name, what);
    return false;
}

static bool take_table(FfiCall *c, const char *name)
{
    const TVMFFIAny *a = c->next++;
    if (a->type_index != TILE_FFI_ARRAY && a->type_index != TILE_FFI_LIST) {
        return wrong(c, name, "a list of tensors is expected");
    }
    const TVMFFISeqCell *cell = (const TVMFFISeqCell *)(a->v_obj + 1);
    const TVMFFIAny *items = cell->data;
    if (cell->size > TILE_TABLE_ENTRIES - c->entry_count) {
        return wrong(c, name, "too many tensors");
    }
    c->arguments[c->count++].table.tensors = &c->entries[c->entry_count];
    c->arguments[c->count - 1].table.count = cell->size;
    for (int64_t i = 0; i < cell->size; i++) {
        const DLTensor *t = tensor_of(&items[i]);
        if (!t) {
            return wrong(c, name, "a list of tensors is expected");
        }
        c->entries[c->entry_count++] = t;
        c->first = c->first ? c->first : t;
    }
    return true;
}

static bool take_tensor(FfiCall *c, const tile_param *p)
{
    if (p->table) {
        return take_table(c, p->name);
    }
    const TVMFFIAny *a = c->next++;
    const DLTensor *t = tensor_of(a);
    if (!t && a->type_index != TILE_FFI_NONE) {
        return wrong(c, p->name, "a tensor is expected");
    }
    c->first = c->first ? c->first : t;
    c->arguments[c->count++].tensor = t;
    return true;
}

/* A string's bytes; NULL: it is none. */
static const char *string_of(const TVMFFIAny *a, size_t *size)
{
    switch (a->type_index) {
    case TILE_FFI_RAW_STRING:
        *size = strlen(a->v_c_str);
        return a->v_c_str;
    case TILE_FFI_SMALL_STRING:
        *size = a->small_str_len;
        return a->v_bytes;
    case TILE_FFI_STRING:
        *size = ((const TVMFFIByteArray *)(a->v_obj + 1))->size;
        return ((const TVMFFIByteArray *)(a->v_obj + 1))->data;
    default:
        return NULL;
    }
}

static bool is_named(const char *name, const char *text, size_t size)
{
    return strlen(name) == size && memcmp(name, text, size) == 0;
}

/* "scoring.softmax", or "softmax" alone. */
static bool find_member(const tile_static *s, const char *text, size_t size, int64_t *value)
{
    for (int i = 0; i < s->member_count; i++) {
        const char *dot = strchr(s->members[i], '.');
        if (is_named(s->members[i], text, size) || (dot && is_named(dot + 1, text, size))) {
            *value = i;
            return true;
        }
    }
    return false;
}

static bool find_type(const TVMFFIAny *a, int64_t *value)
{
    size_t size = 0;
    const char *text = string_of(a, &size);
    for (int i = 0; i < TILE_TYPE_COUNT; i++) {
        if (text ? is_named(tile__dtype_name(i), text, size)
                 : a->type_index == TILE_FFI_DTYPE && tile__is_own_type(i, a->v_dtype)) {
            *value = i;
            return true;
        }
    }
    return false;
}

static bool take_static(FfiCall *c, const tile_static *s)
{
    const TVMFFIAny *a = c->next++;
    int64_t *value = &c->arguments[c->count++].integer;
    size_t size = 0;
    const char *text = string_of(a, &size);
    if (s->kind == TILE_STATIC_TYPE) {
        return find_type(a, value) || wrong(c, s->name, "an element type is expected");
    }
    if (s->kind == TILE_STATIC_ENUM && text) {
        return find_member(s, text, size, value) || wrong(c, s->name, "there is no such member");
    }
    if (a->type_index != TILE_FFI_INT && a->type_index != TILE_FFI_BOOL) {
        return wrong(c, s->name,
                     s->kind == TILE_STATIC_BOOL   ? "a bool is expected"
                     : s->kind == TILE_STATIC_ENUM ? "a member's name is expected"
                                                   : "an integer is expected");
    }
    *value = a->v_int64;
    return true;
}

static bool take_scalar(FfiCall *c, const tile_param *p)
{
    const TVMFFIAny *a = c->next++;
    tile_argument *out = &c->arguments[c->count++];
    bool whole = a->type_index == TILE_FFI_INT || a->type_index == TILE_FFI_BOOL;
    if (p->dtype == TILE_TYPE_F32 && a->type_index == TILE_FFI_FLOAT) {
        out->number = (float)a->v_float64;
    } else if (p->dtype == TILE_TYPE_F32 && whole) {
        out->number = (float)a->v_int64;
    } else if (p->dtype != TILE_TYPE_F32 && whole) {
        out->integer = a->v_int64;
    } else {
        return wrong(c, p->name,
                     p->dtype == TILE_TYPE_F32 ? "a number is expected" : "an integer is expected");
    }
    return true;
}

static bool take_arguments(FfiCall *c, int32_t given, bool scratch)
{
    const tile_kernel *k = c->kernel;
    int expected = k->param_count + scratch;
    for (int i = 0; i < k->static_count; i++) {
        expected += k->statics[i].shown_by < 0;
    }
    if (given != expected) {
        snprintf(c->wrong, sizeof c->wrong, "%s: %d arguments are given, it takes %d", k->name,
                 given, expected);
        return false;
    }
    bool good = true;
    for (int i = 0; i < k->param_count && good; i++) {
        good = k->params[i].kind == TILE_PARAM_SCALAR || take_tensor(c, &k->params[i]);
    }
    for (int i = 0; i < k->static_count && good; i++) {
        good = k->statics[i].shown_by >= 0 || take_static(c, &k->statics[i]);
    }
    for (int i = 0; i < k->param_count && good; i++) {
        good = k->params[i].kind != TILE_PARAM_SCALAR || take_scalar(c, &k->params[i]);
    }
    return good && (c->first || wrong(c, "arguments", "no tensor tells the device"));
}

/* ---- calls ---- */

static int begin(FfiCall *c, const tile_kernel *k, const TVMFFIAny *arguments, int32_t count,
                 bool scratch, tile_context **context)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_ffi);
    c->kernel = k;
    c->next = arguments;
    c->count = c->entry_count = 0;
    c->first = NULL;
    if (!take_arguments(c, count, scratch)) {
        return raise("TypeError", c->wrong);
    }
    tile_status status = find_context(c->first->device, context);
    return status == TILE_OK ? 0 : raise_status(status, tile_error(NULL));
}

int tile_ffi_call(const tile_kernel *k, const TVMFFIAny *arguments, int32_t count,
                  TVMFFIAny *result)
{
    FfiCall c;
    tile_context *context;
    void *scratch = NULL;
    size_t bytes = 0;
    if (begin(&c, k, arguments, count, k->has_scratch, &context) != 0) {
        return -1;
    }
    if (k->has_scratch) {
        const DLTensor *t = tensor_of(c.next);
        if (!t && c.next->type_index != TILE_FFI_NONE) {
            return raise("TypeError", "the scratch, the last argument, is a tensor of bytes");
        }
        bytes = t ? (size_t)t->dtype.bits * t->dtype.lanes / 8 : 0;
        for (int i = 0; t && i < t->ndim; i++) {
            bytes *= (size_t)t->shape[i];
        }
        scratch = t ? data_of(t) : NULL;
    }
    DLDevice d = c.first->device;
    bool gpu = d.device_type == kDLCUDA || d.device_type == kDLCUDAManaged;
    tile_stream stream = gpu && ffi.get_stream ? ffi.get_stream(kDLCUDA, d.device_id) : NULL;
    tile_status status = tile_call(k, context, c.arguments, c.count, scratch, bytes, stream);
    result->type_index = TILE_FFI_NONE;
    return status == TILE_OK ? 0 : raise_status(status, tile_error(context));
}

int tile_ffi_scratch(const tile_kernel *k, const TVMFFIAny *arguments, int32_t count,
                     TVMFFIAny *result)
{
    FfiCall c;
    tile_context *context;
    size_t bytes;
    if (begin(&c, k, arguments, count, false, &context) != 0) {
        return -1;
    }
    tile_status status = tile_call_scratch(k, context, c.arguments, c.count, &bytes);
    if (status != TILE_OK) {
        return raise_status(status, tile_error(context));
    }
    *result = (TVMFFIAny){.type_index = TILE_FFI_INT, .v_int64 = (int64_t)bytes};
    return 0;
}
