/* CUDA text to machine code by NVRTC, through the disk cache. */
#include "runtime/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What every kernel is compiled with. runtime/numerics needs the first; the line table lets
 * profilers show the .tile file. */
static const char *const flags[] = {"--fmad=false", "--std=c++17", "--generate-line-info",
                                    "--no-source-include"};

enum { FLAGS = sizeof flags / sizeof *flags, MOST_OPTIONS = 64 };

static const char *const arch_flags[TILE_ARCH_COUNT] = {
#define ARCH(target, name, nvrtc, major, minor) [target] = "--gpu-architecture=" nvrtc,
    TILE_ARCH_TABLE(ARCH)
#undef ARCH
};

/* The flags, the target's and the caller's; their number, 0: too many. */
static int list_options(const tile_source *source, tile_arch arch, const char *list[MOST_OPTIONS])
{
    int count = 0;
    for (int i = 0; i < FLAGS; i++) {
        list[count++] = flags[i];
    }
    list[count++] = arch_flags[arch];
    for (int i = 0; source->options && source->options[i]; i++) {
        if (count == MOST_OPTIONS) {
            return 0;
        }
        list[count++] = source->options[i];
    }
    return count;
}

static tile_status check_source(const tile_context *c, const tile_source *source, tile_arch arch)
{
    const char *list[MOST_OPTIONS];
    if (!source || !source->name || !source->text) {
        return tile__fail(c, TILE_ERR_NULL, "compiling: %s is null",
                          !source         ? "the source"
                          : !source->name ? "its name"
                                          : "its text");
    }
    if ((size_t)arch >= TILE_ARCH_COUNT) {
        return tile__fail(c, TILE_ERR_ARCH, "%s: there is no target %d", source->name, (int)arch);
    }
    if (list_options(source, arch, list) == 0) {
        return tile__fail(c, TILE_ERR_VALUE, "%s: more than %d options", source->name,
                          MOST_OPTIONS - FLAGS - 1);
    }
    return TILE_OK;
}

/* Of the headers that the binary has, those of the machine model are for the host's C compiler. */
static bool is_for_gpu(const TextFile *header)
{
    return strncmp(header->name, "runtime/machine/", 16) != 0;
}

/* ---- the key ---- */

/* With its NUL, so that no two lists of texts make the same bytes. */
static void add_text(Sha256 *h, const char *text)
{
    tile__sha256_add(h, text, strlen(text) + 1);
}

static void add_number(Sha256 *h, int number)
{
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    add_text(h, text);
}

tile_status tile__source_key(const tile_context *c, const tile_source *source, tile_arch arch,
                             bool load, CacheKey *key)
{
    char version[NVRTC_VERSION_SIZE];
    tile_status status = check_source(c, source, arch);
    if (status != TILE_OK || (status = tile__nvrtc_version(c, load, version)) != TILE_OK) {
        return status;
    }
    const char *options[MOST_OPTIONS];
    int count = list_options(source, arch, options);
    Sha256 h;
    tile__sha256_start(&h);
    add_text(&h, version);
    add_number(&h, count);
    for (int i = 0; i < count; i++) {
        add_text(&h, options[i]);
    }
    for (int i = 0; i < tile__device_header_count; i++) {
        if (!is_for_gpu(&tile__device_headers[i])) {
            continue;
        }
        add_text(&h, tile__device_headers[i].name);
        add_text(&h, tile__device_headers[i].text);
    }
    add_text(&h, "");
    add_text(&h, source->name);
    add_text(&h, source->text);
    tile__sha256_end(&h, key->bytes);
    return TILE_OK;
}

/* ---- NVRTC ---- */

/* The headers as far as the source needs them. */
static int create_with(const Nvrtc *nvrtc, const tile_source *source, int count,
                       const TextFile *headers, char **trimmed, const char **list,
                       NvrtcProgram **program)
{
    tile__trim(source->text, headers, count, trimmed);
    for (int i = 0; i < count; i++) {
        list[i] = trimmed[i] ? trimmed[i] : headers[i].text;
        list[count + i] = headers[i].name;
    }
    int result = nvrtc->nvrtcCreateProgram(program, source->text, source->name, count, list,
                                           list + count);
    for (int i = 0; i < count; i++) {
        free(trimmed[i]);
    }
    return result;
}

static int create_program(const Nvrtc *nvrtc, const tile_source *source, NvrtcProgram **program)
{
    size_t most = (size_t)tile__device_header_count + 1;
    TextFile *headers = calloc(most, sizeof *headers);
    char **trimmed = calloc(most, sizeof *trimmed);
    const char **list = calloc(2 * most, sizeof *list);
    int count = 0, result = NVRTC_NO_MEMORY;
    for (int i = 0; headers && i < tile__device_header_count; i++) {
        if (is_for_gpu(&tile__device_headers[i])) {
            headers[count++] = tile__device_headers[i];
        }
    }
    if (headers && trimmed && list) {
        result = create_with(nvrtc, source, count, headers, trimmed, list, program);
    }
    free(headers);
    free(trimmed);
    free(list);
    return result;
}

/* Allocated; NULL: no memory. */
static char *read_log(const Nvrtc *nvrtc, NvrtcProgram *program)
{
    size_t size = 0;
    int result = nvrtc->nvrtcGetProgramLogSize(program, &size);
    char *log = calloc(size + 1, 1);
    if (log && result == NVRTC_OK && size > 1) {
        nvrtc->nvrtcGetProgramLog(program, log);
    }
    return log;
}

/* Allocated; NULL: no memory, or no machine code. */
static void *read_cubin(const Nvrtc *nvrtc, NvrtcProgram *program, size_t *size)
{
    *size = 0;
    if (nvrtc->nvrtcGetCUBINSize(program, size) != NVRTC_OK || *size == 0) {
        return NULL;
    }
    void *bytes = malloc(*size);
    if (bytes && nvrtc->nvrtcGetCUBIN(program, bytes) != NVRTC_OK) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

static tile_status refused(const tile_context *c, const Nvrtc *nvrtc, const char *name, int result,
                           const char *log)
{
    tile_status status = result == NVRTC_REFUSED_SOURCE ? TILE_ERR_COMPILE
                         : result == NVRTC_NO_MEMORY    ? TILE_ERR_MEMORY
                                                        : TILE_ERR_NVRTC;
    if (tile__verbose()) {
        fprintf(stderr, "tile: %s: NVRTC says\n%s\n", name, log ? log : "");
    }
    return tile__fail(c, status, "compiling %s: %s%s%s", name, nvrtc->nvrtcGetErrorString(result),
                      log && *log ? "\n" : "", log ? log : "");
}

static tile_status run_nvrtc(const tile_context *c, const Nvrtc *nvrtc, NvrtcProgram *program,
                             const tile_source *source, tile_arch arch, tile_cubin *cubin)
{
    const char *options[MOST_OPTIONS];
    int count = list_options(source, arch, options);
    int result = nvrtc->nvrtcCompileProgram(program, count, options);
    cubin->log = read_log(nvrtc, program);
    if (result != NVRTC_OK) {
        return refused(c, nvrtc, source->name, result, cubin->log);
    }
    cubin->bytes = read_cubin(nvrtc, program, &cubin->size);
    if (!cubin->bytes || !cubin->log) {
        return tile__fail(c, cubin->size ? TILE_ERR_MEMORY : TILE_ERR_NVRTC,
                          "compiling %s: no machine code of %zu bytes", source->name, cubin->size);
    }
    return TILE_OK;
}

static tile_status compile(const tile_context *c, const tile_source *source, tile_arch arch,
                           tile_cubin *cubin)
{
    const Nvrtc *nvrtc;
    NvrtcProgram *program = NULL;
    tile_status status = tile__nvrtc(c, &nvrtc);
    if (status != TILE_OK) {
        return status;
    }
    int result = create_program(nvrtc, source, &program);
    if (result != NVRTC_OK) {
        return refused(c, nvrtc, source->name, result, NULL);
    }
    status = run_nvrtc(c, nvrtc, program, source, arch, cubin);
    nvrtc->nvrtcDestroyProgram(&program);
    return status;
}

/* From the disk cache. */
static bool find(const CacheKey *key, tile_cubin *cubin)
{
    *cubin = (tile_cubin){0};
    cubin->from_cache = tile__cache_read(key, "cubin", &cubin->bytes, &cubin->size);
    cubin->log = cubin->from_cache ? calloc(1, 1) : NULL;
    if (cubin->from_cache && !cubin->log) {
        tile_cubin_free(cubin);
    }
    return cubin->from_cache;
}

tile_status tile__compile(const tile_context *c, const tile_source *source, tile_arch arch,
                          CacheKey *key, tile_cubin *cubin)
{
    CacheKey guess = *key;
    if (find(key, cubin)) {
        return TILE_OK;
    }
    tile_status status = tile__source_key(c, source, arch, true, key);
    if (status != TILE_OK || (memcmp(&guess, key, sizeof guess) != 0 && find(key, cubin))) {
        return status;
    }
    status = compile(c, source, arch, cubin);
    if (status == TILE_OK) {
        tile__cache_write(key, "cubin", cubin->bytes, cubin->size);
    } else {
        tile_cubin_free(cubin);
    }
    return status;
}

tile_status tile_compile(const tile_source *source, tile_arch arch, tile_cubin *cubin)
{
    CacheKey key;
    if (!cubin) {
        return tile__fail(NULL, TILE_ERR_NULL, "tile_compile: cubin is null");
    }
    *cubin = (tile_cubin){0};
    tile_status status = tile__source_key(NULL, source, arch, false, &key);
    return status == TILE_OK ? tile__compile(NULL, source, arch, &key, cubin) : status;
}

void tile_cubin_free(tile_cubin *cubin)
{
    free(cubin->bytes);
    free(cubin->log);
    *cubin = (tile_cubin){0};
}
