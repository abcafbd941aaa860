#include "compiler/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than any header of a tensor; keeps a hostile length from asking for memory. */
#define MAX_HEADER 65536
#define ALIGNMENT 64

__attribute__((format(printf, 2, 3))) static bool fail(char *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, NPY_ERROR_SIZE, format, args);
    va_end(args);
    return false;
}

/* A place in the header's dictionary, {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 */
typedef struct Cursor {
    const char *at, *end;
    char *error;
} Cursor;

static void skip_space(Cursor *c)
{
    while (c->at < c->end &&
           (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r')) {
        c->at++;
    }
}

/* Takes `ch`, after any space, if it comes next. */
static bool take(Cursor *c, char ch)
{
    skip_space(c);
    if (c->at == c->end || *c->at != ch) {
        return false;
    }
    c->at++;
    return true;
}

static bool take_word(Cursor *c, const char *word)
{
    size_t n = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) {
        return false;
    }
    c->at += n;
    return true;
}

/* A quoted string without escapes, of fewer than `size` bytes; unprintable ones become '?'. */
static bool take_string(Cursor *c, char *out, size_t size)
{
    size_t n = 0;
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) {
        return false;
    }
    for (char quote = *c->at++; c->at < c->end; c->at++) {
        if (*c->at == quote) {
            c->at++;
            out[n] = '\0';
            return true;
        }
        if (n + 1 == size) {
            return false;
        }
        out[n++] = *c->at >= ' ' && *c->at <= '~' ? *c->at : '?';
    }
    return false;
}

static bool type_is_read(char kind, long size)
{
    bool power = size == 1 || size == 2 || size == 4 || size == 8;
    switch (kind) {
    case 'b':
        return size == 1;
    case 'i':
    case 'u':
    case 'f': /* f1: how ml_dtypes' float8_e5m2 is written */
    case 'V':
        return power;
    default:
        return false;
    }
}

static bool parse_descr(Cursor *c, NpyInfo *info)
{
    char text[32];
    if (take(c, '[') || take(c, '(')) {
        return fail(c->error, "holds records, not one number an element");
    }
    if (!take_string(c, text, sizeof text)) {
        return fail(c->error, "broken header: no type string after 'descr'");
    }
    const char *p = text;
    char order = '|';
    if (*p && strchr("<>=|", *p)) {
        order = *p++;
    }
    char kind = *p, *rest = text;
    long size = kind ? strtol(p + 1, &rest, 10) : 0;
    if (kind == 'O') {
        return fail(c->error, "holds Python objects, not numbers");
    }
    if (kind == '\0' || *rest != '\0' || !type_is_read(kind, size)) {
        return fail(c->error, "elements of type '%s' are not read", text);
    }
    if (order == '>' && size > 1) {
        return fail(c->error,
                    "big-endian elements ('%s'); write a.astype(a.dtype.newbyteorder('<'))", text);
    }
    info->kind = kind;
    info->size = (int)size;
    return true;
}

static bool parse_extent(Cursor *c, int64_t *out)
{
    int64_t n = 0;
    skip_space(c);
    if (c->at < c->end && *c->at == '-') {
        return fail(c->error, "broken header: a negative extent in 'shape'");
    }
    const char *start = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        int digit = *c->at - '0';
        if (n > (INT64_MAX - digit) / 10) {
            return fail(c->error, "the shape is too large");
        }
        n = n * 10 + digit;
    }
    if (c->at == start) {
        return fail(c->error, "broken header: 'shape' is no tuple of integers");
    }
    take(c, 'L'); /* as Python 2 wrote it */
    *out = n;
    return true;
}

static bool parse_shape(Cursor *c, NpyInfo *info)
{
    if (!take(c, '(')) {
        return fail(c->error, "broken header: 'shape' is no tuple of integers");
    }
    info->rank = 0;
    while (!take(c, ')')) {
        int64_t extent = 0;
        if (!parse_extent(c, &extent)) {
            return false;
        }
        if (info->rank == NPY_MAX_RANK) {
            return fail(c->error, "more than %d dimensions", NPY_MAX_RANK);
        }
        info->shape[info->rank++] = extent;
        if (take(c, ')')) {
            break;
        }
        if (!take(c, ',')) {
            return fail(c->error, "broken header: 'shape' is no tuple of integers");
        }
    }
    return true;
}

static bool parse_order(Cursor *c, NpyInfo *info)
{
    info->fortran_order = take_word(c, "True");
    if (!info->fortran_order && !take_word(c, "False")) {
        return fail(c->error, "broken header: 'fortran_order' is neither True nor False");
    }
    return true;
}

/* The product of the extents other than 0 must fit too: strides are made of them. */
static bool count_elements(NpyInfo *info, char *error)
{
    int64_t bytes = info->size;
    bool empty = false;
    for (int i = 0; i < info->rank; i++) {
        int64_t n = info->shape[i];
        if (n == 0) {
            empty = true;
        } else if (bytes > INT64_MAX / n) {
            return fail(error, "the shape is too large");
        } else {
            bytes *= n;
        }
    }
    info->count = empty ? 0 : bytes / info->size;
    return true;
}

bool npy_parse(const char *text, size_t length, NpyInfo *info, char *error)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    static bool (*const parsers[])(Cursor *, NpyInfo *) = {parse_descr, parse_order, parse_shape};
    Cursor c = {text, text + length, error};
    bool seen[3] = {false, false, false};

    if (!take(&c, '{')) {
        return fail(error, "broken header: no dictionary");
    }
    while (!take(&c, '}')) {
        char key[32];
        int k = 0;
        if (!take_string(&c, key, sizeof key) || !take(&c, ':')) {
            return fail(error, "broken header: no 'key': value");
        }
        while (k < 3 && strcmp(key, keys[k]) != 0) {
            k++;
        }
        if (k == 3 || seen[k]) {
            return fail(error, "broken header: %s key '%s'", k == 3 ? "unknown" : "repeated", key);
        }
        seen[k] = true;
        if (!parsers[k](&c, info)) {
            return false;
        }
        if (!take(&c, ',') && (c.at == c.end || *c.at != '}')) {
            return fail(error, "broken header: no comma after the value of '%s'", key);
        }
    }
    for (int k = 0; k < 3; k++) {
        if (!seen[k]) {
            return fail(error, "broken header: no '%s'", keys[k]);
        }
    }
    return count_elements(info, error);
}

/* Reads up to `size` bytes, fewer only at the end of the file. -1: the system refused. */
static int64_t read_bytes(int fd, void *data, int64_t size)
{
    const int64_t most = 1 << 30;
    int64_t done = 0;
    while (done < size) {
        int64_t want = size - done < most ? size - done : most;
        ssize_t got = read(fd, (char *)data + done, (size_t)want);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        done += got;
    }
    return done;
}

static bool read_exactly(int fd, void *data, int64_t size, const char *what, char *error)
{
    int64_t got = read_bytes(fd, data, size);
    if (got < 0) {
        return fail(error, "cannot be read: %s", strerror(errno));
    }
    if (got < size) {
        return fail(error, "cut short: %" PRId64 " of %" PRId64 " bytes of %s", got, size, what);
    }
    return true;
}

/* The length of the dictionary, and info->offset. */
static bool read_preamble(int fd, NpyInfo *info, size_t *length, char *error)
{
    unsigned char b[12];
    int64_t got = read_bytes(fd, b, 8);
    if (got < 0) {
        return fail(error, "cannot be read: %s", strerror(errno));
    }
    if (got < 6 || memcmp(b, "\x93NUMPY", 6) != 0) {
        return fail(error, "not a .npy file");
    }
    if (got == 8 && (b[6] < 1 || b[6] > 3)) {
        return fail(error, "version %d.%d of the .npy format is not known", b[6], b[7]);
    }
    int width = b[6] == 1 ? 2 : 4;
    if (got < 8 || read_bytes(fd, b + 8, width) < width) {
        return fail(error, "cut short in its header");
    }
    *length = (size_t)b[8] | (size_t)b[9] << 8;
    if (width == 4) {
        *length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    }
    if (*length > MAX_HEADER) {
        return fail(error, "a header of %zu bytes is too long", *length);
    }
    info->offset = 8 + width + (int64_t)*length;
    return true;
}

static bool read_header(int fd, NpyInfo *info, char *error)
{
    size_t length = 0;
    if (!read_preamble(fd, info, &length, error)) {
        return false;
    }
    char *text = malloc(length + 1);
    if (!text) {
        return fail(error, "out of memory");
    }
    bool ok = read_exactly(fd, text, (int64_t)length, "header", error) &&
              npy_parse(text, length, info, error);
    free(text);
    if (!ok) {
        return false;
    }
    struct stat st;
    int64_t need = info->count * info->size;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size - info->offset < need) {
        return fail(error, "cut short: %" PRId64 " of %" PRId64 " bytes of data",
                    (int64_t)st.st_size - info->offset, need);
    }
    return true;
}

int npy_open(const char *path, NpyInfo *info, char *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fail(error, "cannot be opened: %s", strerror(errno));
        return -1;
    }
    memset(info, 0, sizeof *info);
    if (!read_header(fd, info, error)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Writes the elements of `from`, first axis fastest, to `to`, last axis fastest. */
static void to_c_order(const NpyInfo *info, const char *from, char *to)
{
    int64_t index[NPY_MAX_RANK] = {0}, stride[NPY_MAX_RANK];
    size_t size = (size_t)info->size;
    int64_t step = info->size, at = 0;
    for (int i = 0; i < info->rank; i++) {
        stride[i] = step;
        step *= info->shape[i];
    }
    for (int64_t n = 0; n < info->count; n++) {
        memcpy(to + n * info->size, from + at, size);
        for (int i = info->rank - 1; i >= 0; i--) {
            at += stride[i];
            if (++index[i] < info->shape[i]) {
                break;
            }
            at -= stride[i] * info->shape[i];
            index[i] = 0;
        }
    }
}

bool npy_read(int fd, const NpyInfo *info, void *data, char *error)
{
    int64_t size = info->count * info->size;
    if (!info->fortran_order || info->rank < 2 || size == 0) {
        return read_exactly(fd, data, size, "data", error);
    }
    char *file = malloc((size_t)size);
    if (!file) {
        return fail(error, "out of memory turning Fortran order into C order; "
                           "write np.ascontiguousarray(a)");
    }
    bool ok = read_exactly(fd, file, size, "data", error);
    if (ok) {
        to_c_order(info, file, data);
    }
    free(file);
    return ok;
}

static bool write_bytes(int fd, const void *data, int64_t size, char *error)
{
    const int64_t most = 1 << 30;
    for (int64_t done = 0; done < size;) {
        int64_t want = size - done < most ? size - done : most;
        ssize_t got = write(fd, (const char *)data + done, (size_t)want);
        if (got < 0 && errno != EINTR) {
            return fail(error, "cannot be written: %s", strerror(errno));
        }
        done += got > 0 ? got : 0;
    }
    return true;
}

/* Magic, version, length and dictionary, padded so that the data is aligned. Gives the length. */
static int make_header(char *out, size_t size, const char *descr, int rank, const int64_t *shape)
{
    int n = 10 + snprintf(out + 10, size - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                          descr);
    for (int i = 0; i < rank; i++) {
        n += snprintf(out + n, size - (size_t)n, "%" PRId64 "%s", shape[i],
                      rank == 1      ? ","
                      : i + 1 < rank ? ", "
                                     : "");
    }
    n += snprintf(out + n, size - (size_t)n, "), }");
    int end = (n + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    memset(out + n, ' ', (size_t)(end - n));
    out[end - 1] = '\n';
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)((end - 10) & 0xff);
    out[9] = (char)((end - 10) >> 8);
    return end;
}

/* The file itself where it is a device or pipe, where no file can be made beside it, or where it
 * is a link; else a new one beside it, whose name is left in `temporary`. */
static int open_target(const char *path, char *temporary, size_t size)
{
    struct stat st;
    bool exists = lstat(path, &st) == 0;
    int length = snprintf(temporary, size, "%s.%ld.tmp", path, (long)getpid());
    if ((!exists || S_ISREG(st.st_mode)) && (size_t)length < size) {
        int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            return fd;
        }
    }
    temporary[0] = '\0';
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

bool npy_write(const char *path, const char *descr, int rank, const int64_t *shape,
               const void *data, char *error)
{
    char header[512], temporary[4096], *end;
    int64_t size = strtol(descr + (*descr && strchr("<|", *descr) ? 2 : 1), &end, 10);
    for (int i = 0; i < rank; i++) {
        size *= shape[i];
    }
    int fd = open_target(path, temporary, sizeof temporary);
    if (fd < 0) {
        return fail(error, "cannot be written: %s", strerror(errno));
    }
    int length = make_header(header, sizeof header, descr, rank, shape);
    bool ok = write_bytes(fd, header, length, error) && write_bytes(fd, data, size, error);
    if (close(fd) != 0 && ok) {
        ok = fail(error, "cannot be written: %s", strerror(errno));
    }
    if (temporary[0] && ok && rename(temporary, path) != 0) {
        ok = fail(error, "cannot be written: %s", strerror(errno));
    }
    if (temporary[0] && !ok) {
        unlink(temporary);
    }
    return ok;
}
