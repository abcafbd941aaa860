/* Status codes, the first message of each thread, and warnings. */
#include "runtime/runtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Message {
    const tile_context *context;
    bool kept; /* not asked for yet */
    char text[4096];
} Message;

static _Thread_local Message message;

static struct {
    tile_warning_function *function;
    void *user;
} listener;

static const char *const names[] = {
#define NAME(code, meaning) #code,
    TILE_STATUS_TABLE(NAME)
#undef NAME
};

static const char *const meanings[] = {
#define MEANING(code, meaning) meaning,
    TILE_STATUS_TABLE(MEANING)
#undef MEANING
};

static bool known(tile_status status)
{
    return (size_t)status < sizeof names / sizeof *names;
}

const char *tile_status_name(tile_status status)
{
    return known(status) ? names[status] : "unknown status";
}

const char *tile_status_meaning(tile_status status)
{
    return known(status) ? meanings[status] : "unknown status";
}

const char *tile_error(const tile_context *context)
{
    if (message.context != context) {
        return "";
    }
    message.kept = false;
    return message.text;
}

/* Ends a text that did not fit so that one sees it. */
static void print(char *text, size_t size, const char *format, va_list list)
{
    int n = vsnprintf(text, size, format, list);
    if (n >= 0 && (size_t)n >= size && size > 4) {
        memcpy(text + size - 4, "...", 4);
    }
}

tile_status tile__fail(const tile_context *context, tile_status status, const char *format, ...)
{
    if (message.kept && message.context == context) {
        return status;
    }
    va_list list;
    va_start(list, format);
    print(message.text, sizeof message.text, format, list);
    va_end(list);
    message.context = context;
    message.kept = true;
    return status;
}

/* Codes that mean the same wherever they come from. */
static tile_status status_of(int result, tile_status otherwise)
{
    switch (result) {
    case CU_OUT_OF_MEMORY:
        return TILE_ERR_MEMORY;
    case CU_NO_DEVICE:
    case CU_INVALID_DEVICE:
        return TILE_ERR_NO_GPU;
    case CU_NO_BINARY_FOR_GPU:
        return TILE_ERR_ARCH;
    case CU_LAUNCH_OUT_OF_RESOURCES:
    case CU_COOPERATIVE_LAUNCH_TOO_LARGE:
        return TILE_ERR_OCCUPANCY;
    default:
        return otherwise;
    }
}

tile_status tile__driver_failed(const tile_context *context, tile_status otherwise, int result,
                                const char *format, ...)
{
    char what[1024];
    va_list list;
    va_start(list, format);
    print(what, sizeof what, format, list);
    va_end(list);
    const Driver *driver = context ? context->driver : NULL;
    const char *name = NULL, *text = NULL;
    if (driver || tile__driver(&driver) == TILE_OK) {
        driver->cuGetErrorName(result, &name);
        driver->cuGetErrorString(result, &text);
    }
    return tile__fail(context, status_of(result, otherwise), "%s: %s (%d: %s)", what,
                      name ? name : "CUDA error", result, text ? text : "no text for it");
}

bool tile__verbose(void)
{
    const char *text = getenv("TILE_VERBOSE");
    return text && *text && strcmp(text, "0") != 0;
}

void tile_on_warning(tile_warning_function *function, void *user)
{
    listener.function = function;
    listener.user = user;
}

void tile__warning(const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    print(text, sizeof text, format, list);
    va_end(list);
    if (listener.function) {
        listener.function(listener.user, text);
    } else if (tile__verbose()) {
        fprintf(stderr, "tile: %s\n", text);
    }
}
