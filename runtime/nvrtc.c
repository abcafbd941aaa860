/* Which version NVRTC has, without loading it.
 *
 * Loading takes longer than a whole start from a warm disk cache, and the version is only needed
 * to name the entries there. So the cache remembers it, with the size and time of the library's
 * file. A memory that is wrong costs nothing but a lookup: before anything is compiled the library
 * itself is asked.
 */
#define _GNU_SOURCE /* dladdr */
#include "runtime/runtime.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_TEXT_SIZE = 128 };

static struct {
    pthread_mutex_t lock;
    bool known, loaded;
    char text[NVRTC_VERSION_SIZE];
} version = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What decides which file dlopen finds, as far as the environment does. */
static CacheKey memory_key(void)
{
    static const char *const variables[] = {"TILE_NVRTC", "LD_LIBRARY_PATH"};
    Sha256 h;
    CacheKey key;
    tile__sha256_start(&h);
    tile__sha256_add(&h, "NVRTC", sizeof "NVRTC");
    for (int i = 0; i < 2; i++) {
        const char *value = getenv(variables[i]);
        value = value ? value : "";
        tile__sha256_add(&h, value, strlen(value) + 1);
    }
    tile__sha256_end(&h, key.bytes);
    return key;
}

/* "SECONDS.NANOSECONDS INODE SIZE" of the file; "" if there is none. */
static void describe_file(const char *path, char *text, size_t size)
{
    struct stat s;
    *text = 0;
    if (stat(path, &s) == 0) {
        snprintf(text, size, "%jd.%ld %ju %jd", (intmax_t)s.st_mtim.tv_sec, s.st_mtim.tv_nsec,
                 (uintmax_t)s.st_ino, (intmax_t)s.st_size);
    }
}

/* What is remembered are three lines: the version, the file's description, its path. */
static bool recall(void)
{
    CacheKey key = memory_key();
    char *text, now[FILE_TEXT_SIZE];
    size_t size;
    if (!tile__cache_read(&key, "nvrtc", (void **)&text, &size)) {
        return false;
    }
    bool fits = false;
    char *file = memchr(text, '\n', size);
    char *path = file ? memchr(file + 1, '\n', size - (size_t)(file + 1 - text)) : NULL;
    if (path && text[size - 1] == 0 && file - text < NVRTC_VERSION_SIZE) {
        *file++ = *path++ = 0;
        describe_file(path, now, sizeof now);
        fits = *now && strcmp(now, file) == 0;
        strcpy(version.text, text);
    }
    free(text);
    return fits;
}

/* The file that NVRTC was loaded from and its description; false: that cannot be found out. */
static bool find_file(const Nvrtc *nvrtc, char path[PATH_MAX], char file[FILE_TEXT_SIZE])
{
    Dl_info found;
    void *address;
    memcpy(&address, &nvrtc->nvrtcVersion, sizeof address);
    *file = 0;
    if (dladdr(address, &found) && realpath(found.dli_fname, path)) {
        describe_file(path, file, FILE_TEXT_SIZE);
    }
    return *file != 0;
}

static void remember(const char *path, const char *file)
{
    char text[PATH_MAX + FILE_TEXT_SIZE + NVRTC_VERSION_SIZE];
    CacheKey key = memory_key();
    int n = snprintf(text, sizeof text, "%s\n%s\n%s", version.text, file, path);
    tile__cache_write(&key, "nvrtc", text, (size_t)n + 1);
}

/* "MAJOR.MINOR SIZE": an update of a release shows only in the size of the library. */
static tile_status ask(const tile_context *c)
{
    const Nvrtc *nvrtc;
    tile_status status = tile__nvrtc(c, &nvrtc);
    if (status != TILE_OK) {
        return status;
    }
    int major = 0, minor = 0;
    char path[PATH_MAX], file[FILE_TEXT_SIZE], text[NVRTC_VERSION_SIZE];
    nvrtc->nvrtcVersion(&major, &minor);
    bool found = find_file(nvrtc, path, file);
    snprintf(text, sizeof text, "%d.%d%s", major, minor, found ? strrchr(file, ' ') : "");
    bool news = !version.known || strcmp(version.text, text) != 0;
    version.known = version.loaded = true;
    strcpy(version.text, text);
    if (news && found) {
        remember(path, file);
    }
    return TILE_OK;
}

tile_status tile__nvrtc_version(const tile_context *c, bool load, char text[NVRTC_VERSION_SIZE])
{
    tile_status status = TILE_OK;
    pthread_mutex_lock(&version.lock);
    if (!version.known && !load) {
        version.known = recall();
    }
    if (!version.known || (load && !version.loaded)) {
        status = ask(c);
    }
    strcpy(text, version.text);
    pthread_mutex_unlock(&version.lock);
    return status;
}
