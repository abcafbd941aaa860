/* A tensor of the call as the kernel sees it: host forms (R25), storage formats (R18), strides.
 *
 * A view counts elements of the kernel's type. What the host passes may hold several of them in
 * one of its own along the last axis: two e2m1 in a byte, four ue8m0 in an i32. Strides of a view
 * are those by which the kernel finds element (.., m, k):
 *
 *   row         the host's, in the kernel's elements
 *   col_pad16   1 along m, the pitch of a column along k
 *   ue8m0x4     4 along m, along k the distance of two groups of four columns
 *
 * An axis of one element has the stride of a dense tensor, whatever the host says.
 */
#include "runtime/call.h"

/* ---- element types ---- */

static const struct {
    uint8_t code, bits, lanes, per;
} own_types[TILE_TYPE_COUNT] = {
    [TILE_TYPE_BOOL] = {kDLBool, 8, 1, 1},
    [TILE_TYPE_U8] = {kDLUInt, 8, 1, 1},
    [TILE_TYPE_I8] = {kDLInt, 8, 1, 1},
    [TILE_TYPE_U16] = {kDLUInt, 16, 1, 1},
    [TILE_TYPE_I16] = {kDLInt, 16, 1, 1},
    [TILE_TYPE_I32] = {kDLInt, 32, 1, 1},
    [TILE_TYPE_U32] = {kDLUInt, 32, 1, 1},
    [TILE_TYPE_I64] = {kDLInt, 64, 1, 1},
    [TILE_TYPE_U64] = {kDLUInt, 64, 1, 1},
    [TILE_TYPE_F16] = {kDLFloat, 16, 1, 1},
    [TILE_TYPE_BF16] = {kDLBfloat, 16, 1, 1},
    [TILE_TYPE_F32] = {kDLFloat, 32, 1, 1},
    [TILE_TYPE_TF32] = {kDLFloat, 32, 1, 1},
    [TILE_TYPE_E4M3] = {kDLFloat8_e4m3fn, 8, 1, 1},
    [TILE_TYPE_E5M2] = {kDLFloat8_e5m2, 8, 1, 1},
    [TILE_TYPE_E2M1] = {kDLFloat4_e2m1fn, 4, 1, 1},
    [TILE_TYPE_UE8M0] = {kDLFloat8_e8m0fnu, 8, 1, 1},
};

bool tile__is_own_type(int dtype, DLDataType t)
{
    if (dtype == TILE_TYPE_E2M1 && t.code == kDLFloat4_e2m1fn && t.bits == 4 && t.lanes == 2) {
        return true;
    }
    return t.code == own_types[dtype].code && t.bits == own_types[dtype].bits && t.lanes == 1;
}

int tile__elements_per(int dtype, DLDataType t)
{
    bool byte = (t.code == kDLInt || t.code == kDLUInt) && t.bits == 8 && t.lanes == 1;
    if (tile__is_own_type(dtype, t)) {
        return t.lanes;
    }
    switch (dtype) {
    case TILE_TYPE_E4M3:
    case TILE_TYPE_E5M2:
        return byte;
    case TILE_TYPE_BOOL:
        return byte && t.code == kDLUInt;
    case TILE_TYPE_E2M1:
        return byte ? 2 : 0;
    case TILE_TYPE_UE8M0:
        return byte ? 1 : t.code == kDLInt && t.bits == 32 && t.lanes == 1 ? 4 : 0;
    default:
        return 0;
    }
}

/* ---- what every tensor must be ---- */

static tile_status check_device(const Call *c, int param, const DLTensor *t)
{
    bool cpu = c->arch == TILE_ARCH_CPU;
    int type = (int)t->device.device_type;
    bool here = cpu ? type == kDLCPU || type == kDLCUDAHost
                    : (type == kDLCUDA &&
                       t->device.device_id == tile_context_device(c->context)->ordinal) ||
                          type == kDLCUDAManaged;
    if (here) {
        return TILE_OK;
    }
    char there[NAME_SIZE], wanted[NAME_SIZE];
    tile__device_name(t->device, there);
    tile__device_name((DLDevice){cpu ? kDLCPU : kDLCUDA, tile_context_device(c->context)->ordinal},
                      wanted);
    return tile__call_failed(c, TILE_ERR_DEVICE, "%s: is on %s, the context is of %s",
                             param_name(c, param), there, wanted);
}

/* No tensor has more elements, nor do two of them lie further apart: sums of distances and their
 * bytes fit 64 bits. */
#define MOST_ELEMENTS ((int64_t)1 << 56)

static bool is_empty(const DLTensor *t)
{
    for (int i = 0; i < t->ndim; i++) {
        if (t->shape[i] == 0) {
            return true;
        }
    }
    return false;
}

static tile_status check_extents(const Call *c, int param, const DLTensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) {
        int64_t extent = t->shape[i];
        if (extent < 0) {
            return tile__call_failed(c, TILE_ERR_SHAPE,
                                     "%s: axis %d is %lld: an extent is not "
                                     "negative",
                                     param_name(c, param), i, (long long)extent);
        }
        if (extent > MOST_ELEMENTS / n) {
            return tile__call_failed(c, TILE_ERR_SHAPE, "%s: has more than 2^56 elements",
                                     param_name(c, param));
        }
        n *= extent ? extent : 1;
    }
    return TILE_OK;
}

static tile_status check_tensor(const Call *c, int param, const DLTensor *t)
{
    const tile_param *p = &c->kernel->params[param];
    tile_status status = check_device(c, param, t);
    if (status != TILE_OK) {
        return status;
    }
    if (t->ndim != p->rank) {
        return tile__call_failed(c, TILE_ERR_RANK, "%s: has %d %s, %s has %d", p->name, t->ndim,
                                 t->ndim == 1 ? "axis" : "axes", p->type, p->rank);
    }
    if (t->ndim > 0 && !t->shape) {
        return tile__call_failed(c, TILE_ERR_NULL, "%s: its shape is null", p->name);
    }
    status = check_extents(c, param, t);
    if (status == TILE_OK && !t->data && !is_empty(t)) {
        return tile__call_failed(c, TILE_ERR_NULL, "%s: its data is null", p->name);
    }
    return status;
}

static int64_t stride_of(const DLTensor *t, int axis)
{
    int64_t n = 1;
    if (t->strides) {
        return t->strides[axis];
    }
    for (int i = t->ndim - 1; i > axis; i--) {
        n *= t->shape[i];
    }
    return n;
}

/* Entries of a table are alike but for their address. */
static tile_status check_entry(const Call *c, int param, int64_t entry)
{
    const tile_view *v = &c->views[param];
    const DLTensor *first = v->tensor, *t = v->entries[entry];
    const char *name = param_name(c, param);
    if (!t) {
        return tile__call_failed(c, TILE_ERR_NULL, "%s: entry %lld is null", name,
                                 (long long)entry);
    }
    tile_status status = check_tensor(c, param, t);
    if (status != TILE_OK || t == first) {
        return status;
    }
    if (t->dtype.code != first->dtype.code || t->dtype.bits != first->dtype.bits ||
        t->dtype.lanes != first->dtype.lanes) {
        return tile__call_failed(c, TILE_ERR_DTYPE,
                                 "%s: entry %lld has another element type than "
                                 "entry 0",
                                 name, (long long)entry);
    }
    for (int i = 0; i < t->ndim; i++) {
        if (t->shape[i] != first->shape[i]) {
            return tile__call_failed(
                c, TILE_ERR_SHAPE, "%s: entry %lld: axis %d is %lld, that of entry 0 is %lld", name,
                (long long)entry, i, (long long)t->shape[i], (long long)first->shape[i]);
        }
        if (t->shape[i] > 1 && !is_empty(t) && stride_of(t, i) != stride_of(first, i)) {
            return tile__call_failed(
                c, TILE_ERR_STRIDE,
                "%s: entry %lld: the stride of axis %d is %lld, in entry 0 %lld", name,
                (long long)entry, i, (long long)stride_of(t, i), (long long)stride_of(first, i));
        }
    }
    return TILE_OK;
}

static tile_status take_table(Call *c, int param, const tile_argument *a)
{
    tile_view *v = &c->views[param];
    const char *name = param_name(c, param);
    v->entries = a->table.tensors;
    v->count = a->table.count;
    v->tensor = v->entries && v->count > 0 ? v->entries[0] : NULL;
    if (v->count < 0 || v->count > TILE_TABLE_ENTRIES) {
        return tile__call_failed(c, TILE_ERR_TABLE, "%s: %lld entries; a call has at most %d", name,
                                 (long long)v->count, TILE_TABLE_ENTRIES);
    }
    if (!v->entries && v->count > 0) {
        return tile__call_failed(c, TILE_ERR_NULL, "%s: is null", name);
    }
    for (int64_t i = 0; i < v->count; i++) {
        tile_status status = check_entry(c, param, i);
        if (status != TILE_OK) {
            return status;
        }
    }
    return TILE_OK;
}

tile_status tile__take_tensor(Call *c, int param, const tile_argument *a)
{
    const tile_param *p = &c->kernel->params[param];
    tile_view *v = &c->views[param];
    if (p->table) {
        return take_table(c, param, a);
    }
    v->tensor = a->tensor;
    v->entries = NULL;
    v->count = 1;
    if (v->tensor) {
        return check_tensor(c, param, v->tensor);
    }
    return p->optional
               ? TILE_OK
               : tile__call_failed(c, TILE_ERR_NULL, "%s: is null, and not optional", p->name);
}

/* ---- the view ---- */

static tile_status wrong_dtype(const Call *c, int param, int dtype)
{
    const tile_param *p = &c->kernel->params[param];
    char text[NAME_SIZE];
    tile__dlpack_name(c->views[param].tensor->dtype, text);
    if (p->of_static >= 0 && c->kernel->statics[p->of_static].shown_by >= 0) {
        const tile_static *s = &c->kernel->statics[p->of_static];
        return tile__call_failed(c, TILE_ERR_DTYPE, "%s: is of %s, %s is %s (from %s)", p->name,
                                 text, s->name, tile__dtype_name(dtype),
                                 param_name(c, s->shown_by));
    }
    return tile__call_failed(c, TILE_ERR_DTYPE, "%s: is of %s, %s is expected", p->name, text,
                             tile__dtype_name(dtype));
}

tile_status tile__view_as(Call *c, int param, int dtype)
{
    tile_view *v = &c->views[param];
    const DLTensor *t = v->tensor;
    v->dtype = (uint8_t)dtype;
    v->rank = c->kernel->params[param].rank;
    v->per = 1;
    v->address = t ? data_of(t) : NULL;
    for (int i = 0; i < v->rank; i++) {
        v->extent[i] = t ? t->shape[i] : 0;
        v->stride[i] = 0;
    }
    if (!t) {
        return TILE_OK;
    }
    int per = tile__elements_per(dtype, t->dtype);
    if (per == 0 || (per > 1 && v->rank == 0)) {
        return wrong_dtype(c, param, dtype);
    }
    v->per = (uint8_t)per;
    if (per > 1) {
        v->extent[v->rank - 1] *= per;
    }
    return TILE_OK;
}

static bool is_void(const tile_view *v)
{
    for (int i = 0; i < v->rank; i++) {
        if (v->extent[i] == 0) {
            return true;
        }
    }
    return false;
}

/* The pitch of a column, in elements of the host's type: col_pad16 and ue8m0x4 pad it to 16 bytes.
 */
static int64_t column_pitch(const tile_view *v)
{
    int64_t unit = 128 / (tile__dtype_bits(v->dtype) * v->per);
    return (v->extent[0] + unit - 1) / unit * unit;
}

/* Column-major: strides (1, pitch) of the host's elements. `loose`: a wider pitch is taken. */
static bool has_columns(const tile_view *v, bool loose)
{
    const DLTensor *t = v->tensor;
    if (v->rank != 2 || (v->form == TILE_FORM_UE8M0X4) != (v->per == 4)) {
        return false;
    }
    int64_t least = column_pitch(v), pitch = stride_of(t, 1);
    int64_t unit = 128 / (tile__dtype_bits(v->dtype) * v->per);
    bool rows = v->extent[0] <= 1 || stride_of(t, 0) == 1;
    bool columns = t->shape[1] <= 1 || pitch == least ||
                   (loose && pitch > least && pitch % unit == 0 &&
                    pitch <= MOST_ELEMENTS / t->shape[1]);
    return is_void(v) || (rows && columns);
}

bool tile__has_form(const Call *c, int param, int form)
{
    const tile_view *from = &c->views[param];
    if (form != TILE_FORM_ROW) {
        tile_view v = *from;
        v.form = (int8_t)form;
        return has_columns(&v, true);
    }
    int last = from->rank - 1;
    return from->rank == 0 || is_void(from) || from->tensor->shape[last] <= 1 ||
           c->kernel->params[param].stride[last] == TILE_STRIDE_ANY ||
           stride_of(from->tensor, last) == 1;
}

static tile_status wrong_columns(const Call *c, int param, int form)
{
    const tile_view *v = &c->views[param];
    if (v->rank != 2) {
        return tile__call_failed(c, TILE_ERR_STRIDE, "%s: %s needs 2 axes", param_name(c, param),
                                 tile__form_name(form));
    }
    if (form == TILE_FORM_UE8M0X4 && v->per != 4) {
        return tile__call_failed(c, TILE_ERR_DTYPE,
                                 "%s: ue8m0x4 is passed as int32 [M, cdiv(K, 4)]",
                                 param_name(c, param));
    }
    return tile__call_failed(
        c, TILE_ERR_STRIDE, "%s: its strides are (%lld, %lld), %s has (1, %lld)",
        param_name(c, param), (long long)stride_of(v->tensor, 0),
        (long long)stride_of(v->tensor, 1), tile__form_name(form), (long long)column_pitch(v));
}

static tile_status view_columns(Call *c, int param, int form, uint8_t strided)
{
    tile_view *v = &c->views[param];
    bool single = v->tensor->shape[1] <= 1 || is_void(v);
    if (!has_columns(v, strided & 2)) {
        return wrong_columns(c, param, form);
    }
    int64_t pitch = single ? column_pitch(v) : stride_of(v->tensor, 1);
    v->stride[0] = form == TILE_FORM_UE8M0X4 ? 4 : 1;
    v->stride[1] = v->per * pitch;
    return TILE_OK;
}

static tile_status wrong_stride(const Call *c, int param, int axis, int64_t dense, int32_t rule)
{
    const tile_view *v = &c->views[param];
    long long have = stride_of(v->tensor, axis);
    int64_t per = axis == v->rank - 1 ? 1 : v->per;
    const char *name = param_name(c, param);
    if (rule == TILE_STRIDE_ANY) {
        const char *why = have < 0 ? "a stride is not negative" : "elements of an output lie apart";
        return tile__call_failed(c, TILE_ERR_STRIDE, "%s: the stride of axis %d is %lld: %s", name,
                                 axis, have, why);
    }
    if (rule == TILE_STRIDE_PITCH) {
        return tile__call_failed(c, TILE_ERR_STRIDE,
                                 "%s: the stride of axis %d is %lld, a row has %lld elements", name,
                                 axis, have, (long long)(dense / per));
    }
    return tile__call_failed(c, TILE_ERR_STRIDE,
                             "%s: the stride of axis %d is %lld, %lld is expected", name, axis,
                             have, (long long)(rule == TILE_STRIDE_DENSE ? dense / per : rule));
}

/* Is the stride, in the kernel's elements, one that the rule allows? */
static bool suits(const tile_view *v, int axis, int64_t stride, int64_t dense, int32_t rule,
                  bool output)
{
    switch (rule) {
    case TILE_STRIDE_DENSE:
        return stride == dense;
    case TILE_STRIDE_PITCH:
        return stride >= dense;
    case TILE_STRIDE_ANY:
        return stride > 0 || (stride == 0 && !output);
    default:
        return stride == (int64_t)rule * (axis == v->rank - 1 ? 1 : v->per);
    }
}

static tile_status view_rows(Call *c, int param, uint8_t strided)
{
    const tile_param *p = &c->kernel->params[param];
    tile_view *v = &c->views[param];
    bool empty = is_void(v);
    int64_t dense = 1;
    for (int i = v->rank - 1; i >= 0; i--) {
        int32_t rule = p->stride[i];
        bool last = i == v->rank - 1;
        v->stride[i] = dense;
        if (!empty && v->tensor->shape[i] > 1) {
            int64_t stride = stride_of(v->tensor, i);
            if (!last && __builtin_mul_overflow(stride, v->per, &stride)) {
                return wrong_stride(c, param, i, dense, rule);
            }
            if (!suits(v, i, stride, dense, rule, p->kind != TILE_PARAM_IN)) {
                return wrong_stride(c, param, i, dense, rule);
            }
            if (!(strided >> i & 1) && stride != dense) {
                return wrong_stride(c, param, i, dense, TILE_STRIDE_DENSE);
            }
            v->stride[i] = stride;
        }
        if (__builtin_mul_overflow(v->stride[i], v->extent[i] ? v->extent[i] : 1, &dense) ||
            dense > 4 * MOST_ELEMENTS) {
            return tile__call_failed(
                c, TILE_ERR_STRIDE,
                "%s: the stride of axis %d is %lld: its elements lie more than "
                "2^56 apart",
                p->name, i, (long long)v->stride[i]);
        }
    }
    return TILE_OK;
}

static tile_status check_alignment(const Call *c, int param)
{
    const tile_view *v = &c->views[param];
    uintptr_t bytes = (uintptr_t)(tile__dtype_bits(v->dtype) + 7) / 8;
    for (int64_t i = 0; i < v->count; i++) {
        const DLTensor *t = v->entries ? v->entries[i] : v->tensor;
        uintptr_t address = (uintptr_t)data_of(t);
        if (address % bytes != 0) {
            return tile__call_failed(c, TILE_ERR_ALIGN,
                                     "%s: its address %#llx is no multiple of %d",
                                     param_name(c, param), (unsigned long long)address, (int)bytes);
        }
    }
    return TILE_OK;
}

tile_status tile__view_form(Call *c, int param, int form, uint8_t strided)
{
    tile_view *v = &c->views[param];
    v->form = (int8_t)form;
    if (!v->tensor) {
        return TILE_OK;
    }
    tile_status status = form == TILE_FORM_ROW ? view_rows(c, param, strided)
                                               : view_columns(c, param, form, strided);
    return status == TILE_OK ? check_alignment(c, param) : status;
}
