/* Machine code on a GPU: the table of what is loaded, and the kernels in it. */
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

/* ---- modules ---- */

static tile_module *find_module(tile_context *c, const CacheKey *key)
{
    pthread_mutex_lock(&c->lock);
    tile_module *m = c->modules;
    while (m && memcmp(&m->key, key, sizeof *key) != 0) {
        m = m->next;
    }
    pthread_mutex_unlock(&c->lock);
    return m;
}

/* Adds it, unless another thread was faster: then `m` goes, and the other's comes back. */
static tile_module *add_module(tile_context *c, tile_module *m)
{
    pthread_mutex_lock(&c->lock);
    tile_module *other = c->modules;
    while (other && memcmp(&other->key, &m->key, sizeof m->key) != 0) {
        other = other->next;
    }
    if (!other) {
        m->next = c->modules;
        c->modules = m;
    }
    pthread_mutex_unlock(&c->lock);
    if (other) {
        c->driver->cuModuleUnload(m->handle);
        free(m);
    }
    return other ? other : m;
}

static tile_status refused_code(tile_context *c, int result, size_t size)
{
    int version = 0;
    c->driver->cuDriverGetVersion(&version);
    return tile__driver_failed(c, TILE_ERR_MODULE, result,
                               "loading %zu bytes of code on GPU %d (%s, driver for CUDA %d.%d)",
                               size, c->info.ordinal, c->info.name, version / 1000,
                               version % 1000 / 10);
}

static tile_status load(tile_context *c, const CacheKey *key, const void *cubin, size_t size,
                        tile_module **module)
{
    bool pushed;
    tile_status status = tile__enter(c, &pushed);
    if (status != TILE_OK) {
        return status;
    }
    tile_module *m = calloc(1, sizeof *m);
    int result = m ? c->driver->cuModuleLoadData(&m->handle, cubin) : CU_OUT_OF_MEMORY;
    if (result != CU_SUCCESS) {
        status = refused_code(c, result, size);
        free(m);
    } else {
        m->context = c;
        m->key = *key;
        *module = add_module(c, m);
    }
    tile__leave(c, pushed);
    return status;
}

tile_status tile_module_load(tile_context *c, const void *cubin, size_t size, tile_module **module)
{
    Sha256 h;
    CacheKey key;
    *module = NULL;
    if (!c || !cubin || size == 0) {
        return tile__fail(c, TILE_ERR_NULL, "tile_module_load: %s",
                          c ? "there is no code" : "the context is null");
    }
    tile__sha256_start(&h);
    tile__sha256_add(&h, cubin, size);
    tile__sha256_end(&h, key.bytes);
    *module = find_module(c, &key);
    return *module ? TILE_OK : load(c, &key, cubin, size, module);
}

/* For a driver that compiles text itself. */
static tile_status load_text(tile_context *c, const tile_source *source, tile_module **module)
{
    CacheKey key;
    Sha256 h;
    tile__sha256_start(&h);
    tile__sha256_add(&h, source->name, strlen(source->name) + 1);
    tile__sha256_add(&h, source->text, strlen(source->text) + 1);
    for (int i = 0; source->options && source->options[i]; i++) {
        tile__sha256_add(&h, source->options[i], strlen(source->options[i]) + 1);
    }
    tile__sha256_end(&h, key.bytes);
    *module = find_module(c, &key);
    return *module ? TILE_OK : load(c, &key, source, strlen(source->text), module);
}

tile_status tile_module_compile(tile_context *c, const tile_source *source, tile_module **module)
{
    CacheKey key;
    tile_cubin cubin;
    *module = NULL;
    if (!c) {
        return tile__fail(NULL, TILE_ERR_NULL, "tile_module_compile: the context is null");
    }
    if (c->takes_text) {
        return load_text(c, source, module);
    }
    tile_status status = tile__source_key(c, source, c->info.arch, false, &key);
    if (status == TILE_OK && (*module = find_module(c, &key)) != NULL) {
        return TILE_OK;
    }
    if (status == TILE_OK) {
        status = tile__compile(c, source, c->info.arch, &key, &cubin);
    }
    if (status != TILE_OK) {
        return status;
    }
    status = load(c, &key, cubin.bytes, cubin.size, module);
    tile_cubin_free(&cubin);
    return status;
}

void tile__modules_free(tile_context *c)
{
    while (c->modules) {
        tile_module *m = c->modules;
        c->modules = m->next;
        while (m->functions) {
            tile_function *f = m->functions;
            m->functions = f->next;
            free(f);
        }
        c->driver->cuModuleUnload(m->handle);
        free(m);
    }
}

/* ---- functions ---- */

/* Reads what the compiler made of it and allows clusters beyond 8 blocks. */
static int describe(const Driver *driver, tile_function *f)
{
    const struct {
        int attribute;
        int *value;
    } wanted[] = {
        {CU_FUNCTION_REGISTERS, &f->info.registers},
        {CU_FUNCTION_LOCAL_BYTES, &f->info.local_bytes},
        {CU_FUNCTION_SHARED_BYTES, &f->info.shared_bytes},
        {CU_FUNCTION_MAX_THREADS, &f->info.max_threads},
    };
    int result = driver->cuFuncSetAttribute(f->handle, CU_FUNCTION_ANY_CLUSTER_SIZE, 1);
    for (size_t i = 0; result == CU_SUCCESS && i < sizeof wanted / sizeof *wanted; i++) {
        result = driver->cuFuncGetAttribute(wanted[i].value, wanted[i].attribute, f->handle);
    }
    return result;
}

/* Adds the kernel of that name to its module; the lock is held, the context current. */
static tile_status take_function(tile_module *m, const char *name, tile_function **function)
{
    tile_context *c = m->context;
    size_t length = strlen(name) + 1;
    tile_function *f = calloc(1, sizeof *f + length);
    if (!f) {
        return tile__fail(c, TILE_ERR_MEMORY, "no memory for kernel %s", name);
    }
    f->context = c;
    f->name = memcpy(f + 1, name, length);
    int result = c->driver->cuModuleGetFunction(&f->handle, m->handle, name);
    if (result == CU_SUCCESS) {
        result = describe(c->driver, f);
    }
    if (result != CU_SUCCESS) {
        free(f);
        return tile__driver_failed(c, TILE_ERR_TABLE, result, "taking kernel %s", name);
    }
    f->next = m->functions;
    m->functions = f;
    *function = f;
    return TILE_OK;
}

/* Lets it be launched with that much dynamic shared memory. */
static tile_status reserve_shared(tile_function *f, uint32_t shared_bytes)
{
    const tile_context *c = f->context;
    int64_t room = (int64_t)c->info.shared_bytes - f->info.shared_bytes;
    if (shared_bytes > room) {
        return tile__fail(
            c, TILE_ERR_OCCUPANCY,
            "kernel %s needs %u bytes of dynamic shared memory; GPU %d has %lld for a "
            "block",
            f->name, shared_bytes, c->info.ordinal, (long long)room);
    }
    int result = c->driver->cuFuncSetAttribute(f->handle, CU_FUNCTION_MAX_DYNAMIC_SHARED_BYTES,
                                               (int)shared_bytes);
    if (result != CU_SUCCESS) {
        return tile__driver_failed(c, TILE_ERR_OCCUPANCY, result,
                                   "reserving %u bytes of shared memory for kernel %s",
                                   shared_bytes, f->name);
    }
    f->shared_bytes = shared_bytes;
    return TILE_OK;
}

tile_status tile_module_function(tile_module *m, const char *name, uint32_t shared_bytes,
                                 tile_function **function)
{
    *function = NULL;
    if (!m || !name) {
        return tile__fail(m ? m->context : NULL, TILE_ERR_NULL, "tile_module_function: %s is null",
                          m ? "the name" : "the module");
    }
    tile_context *c = m->context;
    bool pushed;
    tile_status status = tile__enter(c, &pushed);
    if (status != TILE_OK) {
        return status;
    }
    pthread_mutex_lock(&c->lock);
    tile_function *f = m->functions;
    while (f && strcmp(f->name, name) != 0) {
        f = f->next;
    }
    if (!f) {
        status = take_function(m, name, &f);
    }
    if (status == TILE_OK && shared_bytes > f->shared_bytes) {
        status = reserve_shared(f, shared_bytes);
    }
    pthread_mutex_unlock(&c->lock);
    tile__leave(c, pushed);
    *function = status == TILE_OK ? f : NULL;
    return status;
}

const tile_function_info *tile_function_information(const tile_function *f)
{
    return &f->info;
}

tile_status tile_function_occupancy(const tile_function *f, uint32_t threads, uint32_t shared_bytes,
                                    int *blocks)
{
    const tile_context *c = f->context;
    bool pushed;
    *blocks = 0;
    tile_status status = tile__enter(c, &pushed);
    if (status != TILE_OK) {
        return status;
    }
    int result = c->driver->cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, f->handle,
                                                                        (int)threads, shared_bytes);
    if (result != CU_SUCCESS) {
        status = tile__driver_failed(c, TILE_ERR_OCCUPANCY, result,
                                     "asking how many blocks of kernel %s fit", f->name);
    }
    tile__leave(c, pushed);
    return status;
}

tile_status tile__clusters(const tile_function *f, uint32_t threads, uint32_t shared_bytes,
                           uint32_t cluster, int *clusters)
{
    const tile_context *c = f->context;
    CuLaunchAttribute attribute = {.id = CU_LAUNCH_CLUSTER, .value.cluster = {cluster, 1, 1}};
    CuLaunchConfig config = {
        .grid = {cluster, 1, 1},
        .block = {threads, 1, 1},
        .shared_bytes = shared_bytes,
        .attributes = &attribute,
        .attribute_count = 1,
    };
    bool pushed;
    *clusters = 0;
    tile_status status = tile__enter(c, &pushed);
    if (status != TILE_OK) {
        return status;
    }
    int result = c->driver->cuOccupancyMaxActiveClusters(clusters, f->handle, &config);
    if (result != CU_SUCCESS) {
        status = tile__driver_failed(c, TILE_ERR_OCCUPANCY, result,
                                     "asking how many clusters of kernel %s fit", f->name);
    }
    tile__leave(c, pushed);
    return status;
}
