/* NumPy's .npy files: format versions 1 to 3, little-endian numbers, any size.
 *
 * Nothing here exits or prints. A function that fails leaves a message of one line without the
 * file's name in `error`, a buffer of NPY_ERROR_SIZE bytes.
 */
#ifndef TILE_NPY_H
#define TILE_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NPY_MAX_RANK 8
#define NPY_ERROR_SIZE 256

typedef struct NpyInfo {
    char kind; /* numpy's: 'b' bool, 'i', 'u', 'f', 'V' bytes (ml_dtypes' are V or, e5m2, f1) */
    int size;  /* bytes of one element: 1, 2, 4 or 8 */
    int rank;
    int64_t shape[NPY_MAX_RANK];
    int64_t count;      /* elements; count * size fits int64_t */
    bool fortran_order; /* of the file; npy_read gives C order whatever it is */
    int64_t offset;     /* of the data in the file */
} NpyInfo;

/* Opens `path` and reads its header. Gives a file descriptor at the first byte of the data, for
 * the caller to close; -1 on failure. A regular file is known to hold all its data. */
int npy_open(const char *path, NpyInfo *info, char *error);

/* Reads the data, count * size bytes in C order, into `data`; `fd` is as npy_open left it. */
bool npy_read(int fd, const NpyInfo *info, void *data, char *error);

/* Reads the header's text, the Python dictionary of `length` bytes; leaves info->offset alone. */
bool npy_parse(const char *text, size_t length, NpyInfo *info, char *error);

/* Writes an array in C order; `descr` is numpy's type string, "<f4". The file appears whole or
 * not at all, unless `path` names a device or pipe. */
bool npy_write(const char *path, const char *descr, int rank, const int64_t *shape,
               const void *data, char *error);

#endif
