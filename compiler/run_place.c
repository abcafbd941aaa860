/* tilec run --pitch, --offset: tensors that are not dense on the device. What lies between their
 * rows is filled with a pattern, and must hold it when the kernel is done. */
#include <stdlib.h>
#include <string.h>

#include "compiler/run_cuda.h"

enum { PATTERN = 0xA5 };

static bool number_given(const PairList *list, const char *option, const Buffer *b, int64_t *out)
{
    for (int i = 0; i < list->count; i++) {
        char *end;
        if (strcmp(list->items[i].name, b->name) != 0)
            continue;
        *out = strtoll(list->items[i].value, &end, 10);
        if (*end || *out < 0 || *out > INT32_MAX)
            return user_error("%s %s=%s: a number of elements is expected", option, b->name,
                              list->items[i].value);
    }
    return true;
}

bool device_place(const RunPlan *p, const Buffer *b, DevicePlace *out)
{
    int bits = dtype_info[b->dtype].bits;
    int64_t rows = 1, n = b->rank ? b->extent[b->rank - 1] : 1, pitch = 0;
    *out = (DevicePlace){.row = n, .bytes = b->bytes};
    if (!number_given(&p->command->pitches, "--pitch", b, &pitch) ||
        !number_given(&p->command->offsets, "--offset", b, &out->offset))
        return false;
    if (!pitch && !out->offset)
        return true;
    if (pitch && (b->rank < 2 || b->format != FORMAT_ROW))
        return user_error("--pitch %s: it has no rows of its own", b->name);
    if ((pitch && pitch < n) || pitch * bits % 8 || out->offset * bits % 8)
        return user_error("--pitch %s: rows of %lld elements need as many, and whole bytes",
                          b->name, (long long)n);
    for (int i = 0; i + 1 < b->rank; i++)
        rows *= b->extent[i];
    out->loose = true;
    out->row = pitch ? pitch : n;
    out->row_bytes = pitch ? (size_t)(pitch * bits / 8) : b->bytes;
    out->data_bytes = pitch ? (size_t)(n * bits / 8) : b->bytes;
    out->rows = pitch ? rows : 1;
    out->offset_bytes = (size_t)(out->offset * bits / 8);
    out->bytes = out->offset_bytes + out->row_bytes * (size_t)out->rows;
    return true;
}

static bool load_place(CudaRun *r, const DevicePlace *p, const Buffer *b, void *device)
{
    char *all = malloc(p->bytes + 1);
    if (!all)
        return user_error("%s: out of memory", b->name);
    memset(all, PATTERN, p->bytes);
    for (int64_t i = 0; i < p->rows; i++)
        memcpy(all + p->offset_bytes + (size_t)i * p->row_bytes,
               (const char *)b->data + (size_t)i * p->data_bytes, p->data_bytes);
    bool good = tile_upload(r->context, device, all, p->bytes) == TILE_OK || cuda_failed(r);
    free(all);
    return good;
}

bool place_upload(CudaRun *r, const DevicePlace *p, const Buffer *b, void *device)
{
    if (p->loose)
        return load_place(r, p, b, device);
    return tile_upload(r->context, device, b->data, b->bytes) == TILE_OK || cuda_failed(r);
}

static bool is_pattern(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)bytes[i] != PATTERN)
            return false;
    return true;
}

static bool take_rows(const DevicePlace *p, const Buffer *b, const char *all)
{
    bool kept = is_pattern(all, p->offset_bytes);
    for (int64_t i = 0; i < p->rows; i++) {
        const char *row = all + p->offset_bytes + (size_t)i * p->row_bytes;
        memcpy((char *)b->data + (size_t)i * p->data_bytes, row, p->data_bytes);
        kept = kept && is_pattern(row + p->data_bytes, p->row_bytes - p->data_bytes);
    }
    return kept || user_error("%s: the kernel has written between its rows", b->name);
}

bool place_download(CudaRun *r, const DevicePlace *p, const Buffer *b, const void *device)
{
    if (!p->loose)
        return tile_download(r->context, b->data, device, b->bytes) == TILE_OK || cuda_failed(r);
    char *all = malloc(p->bytes + 1);
    if (!all)
        return user_error("%s: out of memory", b->name);
    bool good = tile_download(r->context, all, device, p->bytes) == TILE_OK || cuda_failed(r);
    good = good && take_rows(p, b, all);
    free(all);
    return good;
}
