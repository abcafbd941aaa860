/* Exercises compiler/npy.c from a test.
 *
 *   npy_driver read FILE...          a line for each: kind, size, order, extents and a checksum of
 *                                    the data as npy_read gives it, or "error: text"
 *   npy_driver copy IN OUT DESCR     reads IN and writes it under another type string
 */
#include "compiler/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is read, NULL with a message in `error`. */
static unsigned char *load(const char *path, NpyInfo *info, char *error)
{
    int fd = npy_open(path, info, error);
    if (fd < 0) {
        return NULL;
    }
    unsigned char *data = malloc((size_t)(info->count * info->size) + 1);
    if (!data) {
        snprintf(error, NPY_ERROR_SIZE, "no memory");
    } else if (!npy_read(fd, info, data, error)) {
        free(data);
        data = NULL;
    }
    close(fd);
    return data;
}

/* FNV-1a. */
static uint64_t checksum(const unsigned char *data, int64_t size)
{
    uint64_t h = 14695981039346656037u;
    for (int64_t i = 0; i < size; i++) {
        h = (h ^ data[i]) * 1099511628211u;
    }
    return h;
}

static void show(const char *path)
{
    NpyInfo info;
    char error[NPY_ERROR_SIZE];
    unsigned char *data = load(path, &info, error);
    if (!data) {
        printf("error: %s\n", error);
        return;
    }
    printf("%c%d %c", info.kind, info.size, info.fortran_order ? 'F' : 'C');
    for (int i = 0; i < info.rank; i++) {
        printf(" %" PRId64, info.shape[i]);
    }
    printf(" %016" PRIx64 "\n", checksum(data, info.count * info.size));
    free(data);
}

static int copy(const char *from, const char *to, const char *descr)
{
    NpyInfo info;
    char error[NPY_ERROR_SIZE];
    unsigned char *data = load(from, &info, error);
    bool ok = data && npy_write(to, descr, info.rank, info.shape, data, error);
    free(data);
    puts(ok ? "ok" : error);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "copy") == 0) {
        return copy(argv[2], argv[3], argv[4]);
    }
    if (argc < 2 || strcmp(argv[1], "read") != 0) {
        fprintf(stderr, "usage: npy_driver read FILE... | copy IN OUT DESCR\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        show(argv[i]);
    }
    return 0;
}
