/* The disk cache: one file an entry, DIRECTORY/KEY.KIND.
 *
 * The file is the entry, machine code mostly, with a trailer behind it, so that cuobjdump and
 * nvdisasm read it as it is. It is written under another name and renamed when complete: a reader
 * sees all of it or nothing, and of two writers of the same entry either wins. What the trailer
 * does not confirm is not there; so nobody waits for the disk, and what a power failure leaves of
 * an entry is made anew.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* magic, format, size of the entry, key, SHA-256 of all before it; numbers little-endian. */
enum {
    MAGIC_SIZE = 8,
    AT_FORMAT = MAGIC_SIZE,
    AT_SIZE = AT_FORMAT + 8,
    AT_KEY = AT_SIZE + 8,
    AT_CHECK = AT_KEY + SHA256_SIZE,
    TRAILER_SIZE = AT_CHECK + SHA256_SIZE,
    FORMAT = 1
};
static const char magic[MAGIC_SIZE + 1] = "TILECUBE";

/* An entry beyond this is damaged. */
#define GREATEST_ENTRY ((off_t)1 << 30)

static void warn_once(const char *path, const char *why)
{
    static atomic_flag warned = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&warned)) {
        tile__warning("compiled kernels are not kept on disk: %s: %s", path, why);
    }
}

/* ---- the directory ---- */

static bool set_path(char path[PATH_MAX], const char *first, const char *second)
{
    int n = snprintf(path, PATH_MAX, "%s%s", first, second);
    return n > 0 && n < PATH_MAX;
}

static bool find_directory(char path[PATH_MAX])
{
    const char *ours = getenv("TILE_CACHE_DIR");
    const char *shared = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (ours && *ours) {
        return set_path(path, ours, "");
    }
    if (shared && *shared == '/') {
        return set_path(path, shared, "/tilec");
    }
    return home && *home && set_path(path, home, "/.cache/tilec");
}

void tile__make_folders(char *path, size_t from, unsigned mode)
{
    for (char *p = path + from; *p; p++) {
        if (*p == '/') {
            *p = 0;
            mkdir(path, mode);
            *p = '/';
        }
    }
}

/* Who can write the directory decides what the GPU runs: it must be the user alone. Returns its
 * descriptor, or -1; `make` makes it if need be and warns. */
static int open_directory(bool make, char path[PATH_MAX])
{
    if (!find_directory(path)) {
        if (make) {
            warn_once("no directory", "neither TILE_CACHE_DIR nor HOME is set, or it is too long");
        }
        return -1;
    }
    if (make) {
        tile__make_folders(path, 1, 0700); /* for the user alone */
        mkdir(path, 0700);
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat s;
    const char *why = fd < 0 ? strerror(errno) : NULL;
    if (fd >= 0 && fstat(fd, &s) == 0 && (s.st_mode & S_IWOTH)) {
        why = "every user can write there";
    } else if (fd >= 0 && geteuid() != 0 && s.st_uid != 0 && s.st_uid != geteuid()) {
        why = "it belongs to another user";
    }
    if (!why) {
        return fd;
    }
    if (make || fd >= 0) {
        warn_once(path, why);
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

/* ---- entries ---- */

/* "0123...ef.cubin" */
enum { NAME_SIZE = 2 * SHA256_SIZE + 16 };

static void entry_name(char name[NAME_SIZE], const CacheKey *key, const char *kind)
{
    for (int i = 0; i < SHA256_SIZE; i++) {
        snprintf(name + 2 * i, 3, "%02x", key->bytes[i]);
    }
    snprintf(name + 2 * SHA256_SIZE, NAME_SIZE - 2 * SHA256_SIZE, ".%s", kind);
}

static void put_number(unsigned char *at, uint64_t n)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (unsigned char)(n >> (8 * i));
    }
}

static void make_trailer(unsigned char trailer[TRAILER_SIZE], const CacheKey *key,
                         const void *bytes, size_t size)
{
    Sha256 h;
    memcpy(trailer, magic, MAGIC_SIZE);
    put_number(trailer + AT_FORMAT, FORMAT);
    put_number(trailer + AT_SIZE, size);
    memcpy(trailer + AT_KEY, key->bytes, SHA256_SIZE);
    tile__sha256_start(&h);
    tile__sha256_add(&h, bytes, size);
    tile__sha256_add(&h, trailer, AT_CHECK);
    tile__sha256_end(&h, trailer + AT_CHECK);
}

static bool read_all(int fd, unsigned char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = read(fd, bytes, size);
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            return false;
        }
        bytes += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_all(int fd, const unsigned char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        bytes += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* What an open entry holds, allocated; NULL: damaged. */
static void *read_entry(int fd, const CacheKey *key, size_t *size)
{
    struct stat s;
    if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode) || s.st_size <= TRAILER_SIZE ||
        s.st_size > GREATEST_ENTRY) {
        return NULL;
    }
    size_t length = (size_t)s.st_size;
    unsigned char *bytes = malloc(length);
    unsigned char trailer[TRAILER_SIZE];
    if (bytes && read_all(fd, bytes, length)) {
        *size = length - TRAILER_SIZE;
        make_trailer(trailer, key, bytes, *size);
        if (memcmp(trailer, bytes + *size, TRAILER_SIZE) == 0) {
            return bytes;
        }
    }
    free(bytes);
    return NULL;
}

bool tile__cache_read(const CacheKey *key, const char *kind, void **bytes, size_t *size)
{
    char path[PATH_MAX], name[NAME_SIZE];
    int directory = open_directory(false, path);
    if (directory < 0) {
        return false;
    }
    entry_name(name, key, kind);
    *bytes = NULL;
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    close(directory);
    if (fd >= 0) {
        *bytes = read_entry(fd, key, size);
        close(fd);
    }
    return *bytes != NULL;
}

/* A file that nobody else writes; -1 with errno. */
static int open_temporary(int directory, char name[NAME_SIZE + 48], const char *entry)
{
    static atomic_uint count;
    int fd = -1;
    for (int tries = 0; fd < 0 && tries < 100; tries++) {
        snprintf(name, NAME_SIZE + 48, "%s.%ld.%u", entry, (long)getpid(),
                 atomic_fetch_add(&count, 1));
        fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST) {
            return -1;
        }
    }
    return fd;
}

void tile__cache_write(const CacheKey *key, const char *kind, const void *bytes, size_t size)
{
    char path[PATH_MAX], name[NAME_SIZE], temporary[NAME_SIZE + 48];
    unsigned char trailer[TRAILER_SIZE];
    int directory = open_directory(true, path);
    if (directory < 0) {
        return;
    }
    entry_name(name, key, kind);
    make_trailer(trailer, key, bytes, size);
    int fd = open_temporary(directory, temporary, name);
    if (fd < 0) {
        warn_once(path, strerror(errno));
        close(directory);
        return;
    }
    bool done = write_all(fd, bytes, size) && write_all(fd, trailer, TRAILER_SIZE);
    int error = errno;
    if (close(fd) != 0 && done) {
        done = false;
        error = errno;
    }
    if (done && renameat(directory, temporary, directory, name) != 0) {
        done = false;
        error = errno;
    }
    if (!done) {
        unlinkat(directory, temporary, 0);
        warn_once(path, strerror(error));
    }
    close(directory);
}
