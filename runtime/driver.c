/* Finds the CUDA driver and NVRTC. */
#include "runtime/runtime.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Symbol {
    const char *name;
    size_t offset; /* of its pointer in Driver or Nvrtc */
} Symbol;

/* A library, and what became of looking for it. */
typedef struct Library {
    const char *what;     /* for messages */
    const char *variable; /* names a file that is taken instead of the candidates */
    const char *const *candidates;
    const Symbol *symbols;
    tile_status missing;
    tile_status status;
    char message[1024];
} Library;

static const char *const driver_names[] = {"libcuda.so.1", "libcuda.so", NULL};
static const char *const nvrtc_names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so",
                                          "/usr/local/cuda/lib64/libnvrtc.so", NULL};

static const Symbol driver_symbols[] = {
#define SYMBOL(name, suffix, parameters) {#name #suffix, offsetof(Driver, name)},
    DRIVER_TABLE(SYMBOL)
#undef SYMBOL
        {NULL, 0}};

static const Symbol nvrtc_symbols[] = {
#define SYMBOL(name, result, parameters) {#name, offsetof(Nvrtc, name)},
    NVRTC_TABLE(SYMBOL)
#undef SYMBOL
        {NULL, 0}};

static Library driver_library = {.what = "CUDA driver",
                                 .variable = "TILE_CUDA_DRIVER",
                                 .candidates = driver_names,
                                 .symbols = driver_symbols,
                                 .missing = TILE_ERR_NO_DRIVER};
static Library nvrtc_library = {.what = "NVRTC",
                                .variable = "TILE_NVRTC",
                                .candidates = nvrtc_names,
                                .symbols = nvrtc_symbols,
                                .missing = TILE_ERR_NVRTC};

static Driver driver;
static Nvrtc nvrtc;

/* Appends to a message that may be full. */
static void append(Library *library, const char *text)
{
    size_t used = strlen(library->message);
    snprintf(library->message + used, sizeof library->message - used, "%s", text);
}

/* The first candidate that can be opened; NULL with all that was tried in the message. */
static void *open_library(Library *library, const char **name)
{
    const char *given = getenv(library->variable);
    const char *const only[] = {given, NULL};
    const char *const *candidates = given && *given ? only : library->candidates;
    snprintf(library->message, sizeof library->message, "no %s:", library->what);
    for (int i = 0; candidates[i]; i++) {
        void *handle = dlopen(candidates[i], RTLD_LAZY | RTLD_LOCAL);
        if (handle) {
            *name = candidates[i];
            return handle;
        }
        const char *reason = dlerror();
        append(library, i ? "; " : " ");
        append(library, reason ? reason : candidates[i]);
    }
    append(library, candidates == only ? " (named by " : " (");
    append(library, library->variable);
    append(library, candidates == only ? ")" : " may name the file)");
    return NULL;
}

/* Fills the table of function pointers. */
static bool find_symbols(Library *library, void *handle, const char *name, void *table)
{
    for (const Symbol *s = library->symbols; s->name; s++) {
        void *address = dlsym(handle, s->name);
        if (!address) {
            snprintf(library->message, sizeof library->message,
                     "%s is no %s of CUDA 12 or later: it has no %s", name, library->what, s->name);
            return false;
        }
        memcpy((char *)table + s->offset, &address, sizeof address);
    }
    return true;
}

/* The library stays open: what it started may still run when the process ends. */
static void find_library(Library *library, void *table)
{
    const char *name = NULL;
    void *handle = open_library(library, &name);
    bool found = handle && find_symbols(library, handle, name, table);
    library->status = found ? TILE_OK : library->missing;
}

static void find_driver(void)
{
    find_library(&driver_library, &driver);
    if (driver_library.status != TILE_OK) {
        return;
    }
    int result = driver.cuInit(0);
    if (result == CU_SUCCESS) {
        return;
    }
    const char *name = NULL, *text = NULL;
    driver.cuGetErrorName(result, &name);
    driver.cuGetErrorString(result, &text);
    driver_library.status = result == CU_NO_DEVICE ? TILE_ERR_NO_GPU : TILE_ERR_NO_DRIVER;
    snprintf(driver_library.message, sizeof driver_library.message,
             "the CUDA driver did not start: %s (%d: %s)", name ? name : "CUDA error", result,
             text ? text : "no text for it");
}

static void find_nvrtc(void)
{
    find_library(&nvrtc_library, &nvrtc);
}

tile_status tile__driver(const Driver **found)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_driver);
    *found = &driver;
    return driver_library.status == TILE_OK
               ? TILE_OK
               : tile__fail(NULL, driver_library.status, "%s", driver_library.message);
}

tile_status tile__nvrtc(const tile_context *c, const Nvrtc **found)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_nvrtc);
    *found = &nvrtc;
    return nvrtc_library.status == TILE_OK
               ? TILE_OK
               : tile__fail(c, nvrtc_library.status, "%s", nvrtc_library.message);
}
