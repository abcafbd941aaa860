/* Storage formats (R18): where element (.., m, k) of a tensor lies. */
#include "compiler/interp/interp_internal.h"

/* Formats other than row concern the last two axes. */
static Format format_of(Format f, int rank)
{
    return rank < 2 ? FORMAT_ROW : f;
}

static bool multiply(int64_t *product, int64_t by)
{
    return !__builtin_mul_overflow(*product, by, product);
}

/* Elements of one column (col_pad16) or of four columns (ue8m0x4), padded to 16 bytes. */
static int64_t pitch_of(DType t, Format f, int64_t rows)
{
    int64_t unit = 128 / dtype_info[t].bits, n = f == FORMAT_UE8M0X4 ? 4 * rows : rows;
    return (n + unit - 1) / unit * unit;
}

int64_t format_elements(DType t, Format f, int rank, const int64_t *extent)
{
    const int64_t most = INT64_MAX / 64;
    int64_t n = 1;
    bool fits = true;
    f = format_of(f, rank);
    for (int i = 0; i < rank; i++) {
        int64_t e = extent[i];
        if (e < 0 || e > most)
            return -1;
        if (f != FORMAT_ROW && i == rank - 2)
            e = pitch_of(t, f, e);
        else if (f == FORMAT_UE8M0X4 && i == rank - 1)
            e = (e + 3) / 4;
        fits = fits && multiply(&n, e);
    }
    return fits && n <= most ? n : -1;
}

int64_t buffer_bytes(DType t, Format f, int rank, const int64_t *extent)
{
    int64_t n = format_elements(t, f, rank, extent);
    return n < 0 ? -1 : (n * dtype_info[t].bits + 7) / 8;
}

void format_view(const Buffer *b, View *v)
{
    Format f = format_of(b->format, b->rank);
    int64_t run = 1;
    v->base = 0;
    v->rank = b->rank;
    for (int i = b->rank - 1; i >= 0; i--) {
        v->axis[i] = (ViewAxis){.extent = b->extent[i], .stride = run, .divide = 1};
        run *= b->extent[i];
    }
    if (f == FORMAT_ROW)
        return;
    ViewAxis *m = &v->axis[b->rank - 2], *k = &v->axis[b->rank - 1];
    int64_t pitch = pitch_of(b->dtype, f, m->extent);
    k->stride = pitch;
    m->stride = f == FORMAT_UE8M0X4 ? 4 : 1;
    k->split = f == FORMAT_UE8M0X4 ? 4 : 0;
    run = pitch * (f == FORMAT_UE8M0X4 ? (k->extent + 3) / 4 : k->extent);
    for (int i = b->rank - 3; i >= 0; i--) {
        v->axis[i].stride = run;
        run *= b->extent[i];
    }
}

static void copy_element(DType t, char *to, int64_t at, const char *from, int64_t from_at)
{
    if (t == DT_E2M1) {
        int code = (from[from_at / 2] >> (from_at % 2 * 4)) & 15, shift = (int)(at % 2) * 4;
        to[at / 2] = (char)((to[at / 2] & ~(15 << shift)) | code << shift);
    } else {
        size_t size = dtype_info[t].size;
        memcpy(to + (size_t)at * size, from + (size_t)from_at * size, size);
    }
}

/* Calls the copy for every element; `in` says whether the storage is the target. */
static void each_element(const Buffer *b, char *rows, bool in)
{
    View v;
    format_view(b, &v);
    int64_t at[MAX_RANK] = {0}, n = 1;
    for (int i = 0; i < b->rank; i++)
        n *= b->extent[i];
    for (int64_t row = 0; row < n; row++) {
        int64_t e = v.base;
        for (int i = 0; i < b->rank; i++)
            e += view_axis_element(&v.axis[i], at[i]);
        if (in)
            copy_element(b->dtype, b->data, e, rows, row);
        else
            copy_element(b->dtype, rows, row, b->data, e);
        for (int i = b->rank - 1; i >= 0 && ++at[i] == b->extent[i]; i--)
            at[i] = 0;
    }
}

void format_from_rows(const Buffer *b, const void *rows)
{
    if (format_of(b->format, b->rank) == FORMAT_ROW) {
        if (b->bytes)
            memcpy(b->data, rows, b->bytes);
        return;
    }
    memset(b->data, 0, b->bytes);
    each_element(b, (char *)rows, true);
}

void format_to_rows(const Buffer *b, void *rows)
{
    if (format_of(b->format, b->rank) == FORMAT_ROW) {
        if (b->bytes)
            memcpy(rows, b->data, b->bytes);
        return;
    }
    each_element(b, rows, false);
}
