/* Memory of an output is no other tensor's (R12).
 *
 * A tensor is a run of bytes, or rows of bytes a pitch apart. Two of one pitch that lie between
 * each other, as the halves of the rows of one matrix do, do not overlap.
 */
#include "runtime/call.h"

/* One tensor, or one entry of a table. */
typedef struct Place {
    uintptr_t low, high; /* bytes, from .. to behind */
    uint64_t row, pitch; /* rows of `row` bytes; pitch 0: all one row */
    int16_t param, entry;
} Place;

enum { MOST_PLACES = TILE_MOST_PARAMS + TILE_TABLE_ENTRIES };

static bool is_output(const Call *c, const Place *p)
{
    return c->kernel->params[p->param].kind != TILE_PARAM_IN;
}

static uint64_t bytes_of(const tile_view *v, uint64_t elements)
{
    uint64_t bits = (uint64_t)tile__dtype_bits(v->dtype);
    return bits < 8 ? (elements + 1) / 2 : elements * (bits / 8);
}

/* False: no elements. */
static bool place_view(const tile_view *v, Place *p)
{
    uint64_t last = 0, inner = 0;
    int outer = -1;
    for (int i = 0; i < v->rank; i++) {
        if (v->extent[i] == 0) {
            return false;
        }
        bool wider = v->extent[i] > 1 && (outer < 0 || v->stride[i] > v->stride[outer]);
        outer = wider ? i : outer;
        last += (uint64_t)(v->extent[i] - 1) * (uint64_t)v->stride[i];
    }
    if (v->form == TILE_FORM_UE8M0X4) {
        last = (uint64_t)(v->extent[0] - 1) * 4 +
               (uint64_t)(v->extent[1] / 4 - 1) * (uint64_t)v->stride[1] + 3;
        outer = -1;
    }
    p->row = bytes_of(v, last + 1);
    p->pitch = 0;
    p->low = (uintptr_t)v->address;
    p->high = p->low + p->row;
    if (outer >= 0) {
        inner = last - (uint64_t)(v->extent[outer] - 1) * (uint64_t)v->stride[outer];
        p->pitch = bytes_of(v, (uint64_t)v->stride[outer]);
        p->row = bytes_of(v, inner + 1);
        p->pitch = p->row > p->pitch ? 0 : p->pitch;
        p->row = p->pitch ? p->row : (uint64_t)(p->high - p->low);
    }
    return true;
}

static int list_places(const Call *c, Place *places)
{
    int n = 0;
    for (int i = 0; i < c->plan->tensor_count; i++) {
        int param = c->plan->tensors[i].param;
        const tile_view *v = param < 0 ? NULL : &c->views[param];
        Place p = {.param = (int16_t)param};
        if (!v || !v->tensor || !place_view(v, &p)) {
            continue;
        }
        uintptr_t first = p.low;
        for (int64_t k = 0; k < v->count && n < MOST_PLACES; k++) {
            const DLTensor *t = v->entries ? v->entries[k] : v->tensor;
            places[n] = p;
            places[n].low = (uintptr_t)data_of(t);
            places[n].high = p.high - first + places[n].low;
            places[n++].entry = v->entries ? (int16_t)k : -1;
        }
    }
    return n;
}

static bool meet(const Place *a, const Place *b)
{
    if (a->low >= b->high || b->low >= a->high) {
        return false;
    }
    if (a->pitch == 0 || a->pitch != b->pitch) {
        return true;
    }
    /* Of b's first row, from the last row of a that begins before it, as if there were one. */
    uint64_t apart = b->low >= a->low ? (b->low - a->low) % a->pitch
                                      : (a->pitch - (a->low - b->low) % a->pitch) % a->pitch;
    return apart < a->row || apart + b->row > a->pitch;
}

/* where alias(x, y): one memory is allowed if every element is the same one in both. */
static bool are_one(const Call *c, const Place *a, const Place *b)
{
    const tile_view *v = &c->views[a->param], *w = &c->views[b->param];
    bool partners = false;
    for (int i = 0; i < c->plan->tensor_count; i++) {
        const tile_plan_tensor *t = &c->plan->tensors[i];
        partners |= t->param == a->param && t->alias >= 0 &&
                    c->plan->tensors[t->alias].param == b->param;
    }
    if (!partners || a->low != b->low || v->rank != w->rank || v->form != w->form) {
        return false;
    }
    for (int i = 0; i < v->rank; i++) {
        if (v->extent[i] != w->extent[i] || (v->extent[i] > 1 && v->stride[i] != w->stride[i])) {
            return false;
        }
    }
    return true;
}

static tile_status check_pair(const Call *c, const Place *a, const Place *b)
{
    if ((!is_output(c, a) && !is_output(c, b)) || !meet(a, b) || are_one(c, a, b)) {
        return TILE_OK;
    }
    if (!is_output(c, a) || (is_output(c, b) && b->param < a->param)) {
        const Place *other = a;
        a = b;
        b = other;
    }
    return tile__call_failed(
        c, TILE_ERR_OVERLAP, "%s: its bytes %#llx to %#llx overlap those of %s, %#llx to %#llx",
        param_name(c, a->param), (unsigned long long)a->low, (unsigned long long)a->high - 1,
        param_name(c, b->param), (unsigned long long)b->low, (unsigned long long)b->high - 1);
}

/* Numbers of places, by address. */
static void sort(const Place *places, int n, uint16_t *order)
{
    for (int i = 0; i < n; i++) {
        order[i] = (uint16_t)i;
    }
    for (int gap = n > 16 ? n / 2 : 1; gap > 0 && n > 1; gap /= 2) {
        for (int i = gap; i < n; i++) {
            uint16_t p = order[i];
            int k = i;
            for (; k >= gap && places[order[k - gap]].low > places[p].low; k -= gap) {
                order[k] = order[k - gap];
            }
            order[k] = p;
        }
    }
}

/* Sorted by address, only neighbours can meet: those that begin before this one ends. */
tile_status tile__check_overlap(Call *c)
{
    Place places[MOST_PLACES];
    uint16_t order[MOST_PLACES];
    int n = list_places(c, places);
    sort(places, n, order);
    for (int i = 0; i < n; i++) {
        const Place *p = &places[order[i]];
        for (int k = i + 1; k < n && places[order[k]].low < p->high; k++) {
            tile_status status = check_pair(c, p, &places[order[k]]);
            if (status != TILE_OK) {
                return status;
            }
        }
    }
    return TILE_OK;
}
