/* Values for people: an aligned table, or a summary of what is large. */
#include "compiler/interp/interp_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "runtime/numerics/convert.h"

enum { MOST_SHOWN = 1024, MOST_COLUMNS = 16, EDGE = 4, ELEMENT_TEXT = 40 };

static double element_value(DType t, const char *x)
{
    double y;
    float f;
    if (t == DT_F64) {
        memcpy(&y, x, sizeof y);
        return y;
    }
    if (!dtype_is_float(t)) {
        uint64_t bits = 0;
        memcpy(&bits, x, dtype_info[t].size);
        return t == DT_U64 ? (double)bits : (double)bits_to_int(t, bits);
    }
    tile_convert(DT_F32, &f, t, x, 1, TILE_ROUND_NEAREST);
    return (double)f;
}

/* As few digits as give the value back. */
static void float_text(char *text, size_t size, DType t, double value)
{
    int most = t == DT_F64 ? 17 : 9;
    for (int digits = 1; digits <= most; digits++) {
        snprintf(text, size, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (t == DT_F64 ? back != value : (float)back != (float)value)
            continue;
        double size_of = fabs(value);
        if (size_of >= 10 && size_of < 1e6 && strchr(text, 'e')) /* 20, not 2e+01 */
            snprintf(text, size, "%.6g", value);
        return;
    }
}

void show_element(char *text, size_t size, DType t, const void *element)
{
    uint64_t bits = 0;
    memcpy(&bits, element, dtype_info[t].size);
    if (t == DT_BOOL) {
        snprintf(text, size, "%s", bits ? "true" : "false");
    } else if (dtype_is_int(t)) {
        if (t == DT_U64)
            snprintf(text, size, "%" PRIu64, bits);
        else
            snprintf(text, size, "%" PRId64, bits_to_int(t, bits));
    } else {
        double value = element_value(t, element);
        if (isnan(value))
            snprintf(text, size, "nan");
        else
            float_text(text, size, t, value);
    }
}

/* ---- summary ---- */

static void show_summary(FILE *f, DType t, int64_t n, const char *x)
{
    double lowest = INFINITY, greatest = -INFINITY, sum = 0;
    int64_t nans = 0, infinities = 0, finite = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = element_value(t, x + (size_t)i * dtype_info[t].size);
        if (isnan(v)) {
            nans++;
            continue;
        }
        lowest = v < lowest ? v : lowest;
        greatest = v > greatest ? v : greatest;
        infinities += isinf(v) != 0;
        finite += !isinf(v);
        sum += isinf(v) ? 0 : v;
    }
    if (nans < n)
        fprintf(f, "  min %g  max %g", lowest, greatest);
    if (finite)
        fprintf(f, "  mean %g", sum / (double)finite);
    if (dtype_is_float(t))
        fprintf(f, "  nan %" PRId64 "  inf %" PRId64, nans, infinities);
    fputc('\n', f);
}

/* ---- table ---- */

typedef struct Table {
    FILE *out;
    DType dtype;
    const char *data;
    int64_t rows, columns; /* of the last two axes */
    bool brief;            /* only the edges of each axis */
    int width;
} Table;

static bool skipped(const Table *t, int64_t i, int64_t n)
{
    return t->brief && n > 2 * EDGE + 1 && i >= EDGE && i < n - EDGE;
}

static void cell_text(const Table *t, int64_t plane, int64_t r, int64_t c, char *text)
{
    int64_t at = (plane * t->rows + r) * t->columns + c;
    show_element(text, ELEMENT_TEXT, t->dtype, t->data + (size_t)at * dtype_info[t->dtype].size);
}

static void measure(Table *t, int64_t plane)
{
    char text[ELEMENT_TEXT];
    for (int64_t r = 0; r < t->rows; r++)
        for (int64_t c = 0; c < t->columns; c++) {
            if (skipped(t, r, t->rows) || skipped(t, c, t->columns))
                continue;
            cell_text(t, plane, r, c, text);
            t->width = (int)strlen(text) > t->width ? (int)strlen(text) : t->width;
        }
}

static void show_row(const Table *t, int64_t plane, int64_t r)
{
    char text[ELEMENT_TEXT];
    fprintf(t->out, "  [%*" PRId64 "]", t->rows > 1 ? 4 : 0, r);
    int shown = 0;
    for (int64_t c = 0; c < t->columns; c++) {
        if (skipped(t, c, t->columns)) {
            fputs("  ..", t->out);
            c = t->columns - EDGE - 1;
            continue;
        }
        if (shown && shown % MOST_COLUMNS == 0)
            fprintf(t->out, "\n  %*s", t->rows > 1 ? 6 : 3, "");
        cell_text(t, plane, r, c, text);
        fprintf(t->out, "  %*s", t->width, text);
        shown++;
    }
    fputc('\n', t->out);
}

static void show_plane(const Table *t, int64_t plane)
{
    for (int64_t r = 0; r < t->rows; r++) {
        if (skipped(t, r, t->rows)) {
            fputs("  ..\n", t->out);
            r = t->rows - EDGE - 1;
            continue;
        }
        show_row(t, plane, r);
    }
}

static void show_planes(Table *t, int rank, const int64_t *dims)
{
    int64_t planes = 1;
    for (int i = 0; i < rank - 2; i++)
        planes *= dims[i];
    for (int64_t p = 0; p < planes; p++)
        if (!skipped(t, p, planes))
            measure(t, p);
    for (int64_t p = 0; p < planes; p++) {
        if (skipped(t, p, planes)) {
            fputs("  ..\n", t->out);
            p = planes - EDGE - 1;
            continue;
        }
        if (rank > 2) {
            int64_t rest = p, index[MAX_RANK];
            for (int i = rank - 3; i >= 0; i--) {
                index[i] = rest % dims[i];
                rest /= dims[i];
            }
            fputs("  [", t->out);
            for (int i = 0; i < rank - 2; i++)
                fprintf(t->out, "%" PRId64 ", ", index[i]);
            fputs(":, :]\n", t->out);
        }
        show_plane(t, p);
    }
}

void show_tile(FILE *f, const char *name, DType dtype, int rank, const int64_t *dims,
               const void *data)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= dims[i];
    if (name)
        fprintf(f, "%s = ", name);
    fputs(dtype_info[dtype].name, f);
    for (int i = 0; i < rank; i++)
        fprintf(f, "%s%" PRId64, i ? ", " : "[", dims[i]);
    if (rank == 0) {
        char text[ELEMENT_TEXT];
        show_element(text, sizeof text, dtype, data);
        fprintf(f, " %s\n", text);
        return;
    }
    fputs("]", f);
    bool brief = n > MOST_SHOWN;
    if (brief)
        show_summary(f, dtype, n, data);
    else
        fputs(n ? "\n" : " (empty)\n", f);
    Table t = {.out = f, .dtype = dtype, .data = data, .brief = brief};
    t.columns = dims[rank - 1];
    t.rows = rank > 1 ? dims[rank - 2] : 1;
    if (n)
        show_planes(&t, rank, dims);
}
