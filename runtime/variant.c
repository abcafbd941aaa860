/* Which variant a call means: its key is read off the tensors and the arguments.
 *
 * Most calls leave no choice. Where bytes stand for several element types (R25), or strides for
 * several storage formats, each reading is tried; those that no variant fits are dropped.
 */
#include "runtime/call.h"

#include <stdio.h>
#include <string.h>

/* The readings of a call: for each slot of the key that is open, its values. */
typedef struct Readings {
    uint8_t types[TILE_MOST_PARAMS][TILE_TYPE_COUNT]; /* by static */
    uint8_t type_count[TILE_MOST_PARAMS], type_at[TILE_MOST_PARAMS];
    int8_t forms[TILE_MOST_PARAMS][TILE_FORMS]; /* by parameter */
    uint8_t form_count[TILE_MOST_PARAMS], form_at[TILE_MOST_PARAMS];
} Readings;

/* ---- statics ---- */

static bool is_static_argument(const tile_static *s)
{
    return s->shown_by < 0;
}

static tile_status take_static(Call *c, int number, int64_t value)
{
    const tile_static *s = &c->kernel->statics[number];
    int64_t most = s->kind == TILE_STATIC_BOOL   ? 1
                   : s->kind == TILE_STATIC_TYPE ? TILE_TYPE_COUNT - 1
                   : s->kind == TILE_STATIC_ENUM ? s->member_count - 1
                                                 : INT64_MAX;
    int64_t least = s->kind == TILE_STATIC_INT ? INT64_MIN : 0;
    c->key[number] = value;
    if (value >= least && value <= most) {
        return TILE_OK;
    }
    return tile__call_failed(c, TILE_ERR_VALUE, "%s is %lld, and goes from 0 to %lld", s->name,
                             (long long)value, (long long)most);
}

/* The types a tensor may mean: of those that variants have its own, else those that come as bytes;
 * of others its own. */
static tile_status list_types(Call *c, Readings *r, int number)
{
    const tile_static *s = &c->kernel->statics[number];
    DLDataType t = {0};
    int n = 0;
    if (!c->views[s->shown_by].tensor) {
        r->types[number][n++] = s->type_count ? s->types[0] : 0;
    } else {
        t = c->views[s->shown_by].tensor->dtype;
    }
    for (int own = 1; own >= 0 && n == 0; own--) {
        for (int i = 0; i < s->type_count; i++) {
            if (own ? tile__is_own_type(s->types[i], t) : tile__elements_per(s->types[i], t) > 0) {
                r->types[number][n++] = s->types[i];
            }
        }
    }
    for (int i = 0; i < TILE_TYPE_COUNT && n == 0; i++) {
        if (tile__is_own_type(i, t)) {
            r->types[number][n++] = (uint8_t)i;
        }
    }
    r->type_count[number] = (uint8_t)n;
    r->type_at[number] = 0;
    if (n > 0) {
        return TILE_OK;
    }
    char text[NAME_SIZE];
    tile__dlpack_name(t, text);
    return tile__call_failed(c, TILE_ERR_DTYPE, "%s: %s is no element type of kernels",
                             param_name(c, s->shown_by), text);
}

/* Tensors first, then statics, then scalars. */
static tile_status take_arguments(Call *c, Readings *r)
{
    const tile_kernel *k = c->kernel;
    const tile_argument *a = c->arguments;
    tile_status status = TILE_OK;
    int scalars = 0;
    for (int i = 0; i < k->param_count && status == TILE_OK; i++) {
        if (k->params[i].kind != TILE_PARAM_SCALAR) {
            status = tile__take_tensor(c, i, a++);
        }
    }
    for (int i = 0; i < k->static_count && status == TILE_OK; i++) {
        const tile_static *s = &k->statics[i];
        r->type_count[i] = 0;
        if (is_static_argument(s)) {
            status = take_static(c, i, (a++)->integer);
        } else if (s->axis < 0) {
            status = list_types(c, r, i);
        }
    }
    for (int i = 0; i < k->param_count && status == TILE_OK; i++) {
        if (k->params[i].kind == TILE_PARAM_SCALAR) {
            uint32_t bits;
            memcpy(&bits, &a->number, sizeof bits);
            c->scalars[scalars++] = k->params[i].dtype == TILE_TYPE_F32 ? bits
                                                                        : (uint64_t)a->integer;
            a++;
        }
    }
    return status;
}

/* ---- one reading ---- */

static tile_status view_tensors(Call *c, const Readings *r)
{
    const tile_kernel *k = c->kernel;
    for (int i = 0; i < k->static_count; i++) {
        if (r->type_count[i] > 0) {
            c->key[i] = r->types[i][r->type_at[i]];
        }
    }
    for (int i = 0; i < k->param_count; i++) {
        const tile_param *p = &k->params[i];
        if (p->kind == TILE_PARAM_SCALAR) {
            continue;
        }
        int dtype = p->of_static >= 0 ? (int)c->key[p->of_static] : p->dtype;
        tile_status status = tile__view_as(c, i, dtype);
        if (status != TILE_OK) {
            return status;
        }
    }
    for (int i = 0; i < k->static_count; i++) {
        const tile_static *s = &k->statics[i];
        if (s->shown_by >= 0 && s->axis >= 0) {
            const tile_view *v = &c->views[s->shown_by];
            c->key[i] = s->axis < v->rank ? v->extent[s->axis] : v->count;
        }
    }
    return TILE_OK;
}

static tile_status no_form(const Call *c, int param)
{
    const tile_param *p = &c->kernel->params[param];
    const DLTensor *t = c->views[param].tensor;
    char forms[NAME_SIZE] = "";
    for (int i = 0; i < p->form_count; i++) {
        size_t n = strlen(forms);
        snprintf(forms + n, sizeof forms - n, "%s%s", i ? ", " : "", tile__form_name(p->forms[i]));
    }
    return tile__call_failed(c, TILE_ERR_STRIDE, "%s: strides (%lld, %lld) are those of none of %s",
                             p->name,
                             t->strides ? (long long)t->strides[0] : (long long)t->shape[1],
                             t->strides ? (long long)t->strides[1] : 1LL, forms);
}

static tile_status list_forms(Call *c, Readings *r)
{
    for (int i = 0; i < c->kernel->param_count; i++) {
        const tile_param *p = &c->kernel->params[i];
        int n = 0;
        r->form_at[i] = 0;
        if (p->kind == TILE_PARAM_SCALAR) {
            r->form_count[i] = 0;
            continue;
        }
        if (!c->views[i].tensor && p->optional) {
            r->forms[i][n++] = TILE_FORM_NONE;
        } else if (p->form_count == 1 || !c->views[i].tensor) {
            r->forms[i][n++] = p->forms[0];
        }
        for (int k = 0; k < p->form_count && p->form_count > 1 && c->views[i].tensor; k++) {
            if (tile__has_form(c, i, p->forms[k])) {
                r->forms[i][n++] = p->forms[k];
            }
        }
        if (n == 0) {
            return no_form(c, i);
        }
        r->form_count[i] = (uint8_t)n;
    }
    return TILE_OK;
}

static void key_forms(Call *c, const Readings *r)
{
    int at = c->kernel->static_count;
    for (int i = 0; i < c->kernel->param_count; i++) {
        if (r->form_count[i] > 0) {
            c->key[at++] = r->forms[i][r->form_at[i]];
        }
    }
}

/* The next reading of a row of counters; false: that was the last. */
static bool step(uint8_t *at, const uint8_t *count, int n)
{
    for (int i = 0; i < n; i++) {
        if (count[i] > 1 && ++at[i] < count[i]) {
            return true;
        }
        at[i] = 0;
    }
    return false;
}

/* ---- variants ---- */

static const tile_variant *search(const tile_variant_list *list, const int64_t *key, int count)
{
    int low = 0, high = list ? list->count : 0;
    while (low < high) {
        int middle = low + (high - low) / 2, i = 0;
        const int64_t *other = list->items[middle].key;
        while (i < count && other[i] == key[i]) {
            i++;
        }
        if (i == count) {
            return &list->items[middle];
        }
        if (other[i] < key[i]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static const tile_variant *built(const Call *c, const tile_variant_list *list)
{
    const tile_variant *v = search(list, c->key, c->kernel->key_count);
    return v && v->builds[c->arch].plan ? v : NULL;
}

static const tile_variant *find(const Call *c)
{
    const tile_kernel *k = c->kernel;
    const tile_variant *v = built(c, &k->variants);
    if (!v && k->state) {
        v = built(c, atomic_load_explicit(&k->state->more, memory_order_acquire));
    }
    return v;
}

static bool occurs(const Call *c, int slot)
{
    const tile_variant_list *l = &c->kernel->variants;
    for (int i = 0; i < l->count; i++) {
        if (l->items[i].key[slot] == c->key[slot]) {
            return true;
        }
    }
    return false;
}

/* Is it a tensor that can only be there, in one form? */
static bool is_plain(const tile_kernel *k, int slot)
{
    int at = k->static_count;
    for (int i = 0; i < k->param_count; i++) {
        const tile_param *p = &k->params[i];
        if (p->kind != TILE_PARAM_SCALAR && at++ == slot) {
            return !p->optional && p->form_count == 1;
        }
    }
    return false;
}

/* "G=256 pow2=true": the numbers of the key, or only those that no variant has. */
static void key_text(const Call *c, bool all, const char *between, char *text, size_t size)
{
    size_t n = 0;
    *text = 0;
    for (int i = 0; i < c->kernel->key_count && n < size; i++) {
        char value[NAME_SIZE];
        if (all ? is_plain(c->kernel, i) : occurs(c, i)) {
            continue;
        }
        tile__key_text(c->kernel, i, c->key[i], value);
        n += (size_t)snprintf(text + n, size - n, all ? "%s%s=%s" : "%s%s: { %s };",
                              n ? between : "", tile__key_name(c->kernel, i), value);
    }
}

static tile_status no_target(const Call *c)
{
    const tile_variant *v = search(&c->kernel->variants, c->key, c->kernel->key_count);
    const tile_device_info *d = tile_context_device(c->context);
    const char *target = tile_arch_name(c->arch);
    char others[NAME_SIZE] = "";
    for (int i = 0; v && i < TILE_TARGETS; i++) {
        size_t n = strlen(others);
        if (v->builds[i].plan) {
            snprintf(others + n, sizeof others - n, "%s%s", n ? "," : "",
                     tile_arch_name((tile_arch)i));
        }
    }
    if (c->arch == TILE_ARCH_CPU) {
        return tile__call_failed(c, TILE_ERR_ARCH,
                                 "was built for %s, not for the CPU: build it with --arch %s,cpu",
                                 others, others);
    }
    return tile__call_failed(c, TILE_ERR_ARCH,
                             "was built for %s; GPU %d (%s) is %s: build it with --arch %s,%s",
                             others, d->ordinal, d->name, target, others, target);
}

static tile_status no_variant(const Call *c)
{
    char all[1024], missing[512];
    if (c->quiet) {
        return TILE_ERR_NO_VARIANT;
    }
    if (search(&c->kernel->variants, c->key, c->kernel->key_count)) {
        return no_target(c);
    }
    key_text(c, true, " ", all, sizeof all);
    key_text(c, false, "  ", missing, sizeof missing);
    if (!*missing) {
        return tile__call_failed(c, TILE_ERR_NO_VARIANT,
                                 "no variant for %s was built: `where`, of the kernel or of its "
                                 "instances, does not hold for it",
                                 all);
    }
    return tile__call_failed(c, TILE_ERR_NO_VARIANT,
                             "no variant for %s was built; add to `instances %s`: %s", all,
                             c->kernel->name, missing);
}

/* The first build whose schedule is for this call. */
static tile_status choose_build(Call *c)
{
    c->build = &c->variant->builds[c->arch];
    c->schedule = 0;
    for (;;) {
        int when = c->build->plan->when;
        c->plan = c->build->plan;
        if (when < 0) {
            return TILE_OK;
        }
        c->loaded = NULL;
        tile__evaluate(c, 0, when + 1);
        tile_status status = tile__check_when(c);
        if (status != TILE_OK || c->values[when]) {
            return status;
        }
        c->build = c->build->next;
        c->schedule++;
    }
}

/* Takes the variant of the key, if there is one and all that its plan asks for holds. */
static tile_status fit(Call *c)
{
    c->variant = find(c);
    if (!c->variant && c->kernel->provider && c->kernel->provider->build) {
        tile_status status = c->kernel->provider->build(c->kernel, c->context, c->arch, c->key,
                                                        c->quiet);
        if (status != TILE_OK) {
            return status;
        }
        c->variant = find(c);
    }
    if (!c->variant) {
        return no_variant(c);
    }
    tile_status chosen = choose_build(c);
    if (chosen != TILE_OK) {
        return chosen;
    }
    for (int i = 0; i < c->plan->tensor_count; i++) {
        const tile_plan_tensor *t = &c->plan->tensors[i];
        tile_status status = t->param < 0 ? TILE_OK
                                          : tile__view_form(c, t->param, t->format, t->strided);
        if (status != TILE_OK) {
            return status;
        }
    }
    c->loaded = NULL;
    tile__evaluate(c, 0, c->plan->node_count);
    tile_status status = tile__check_values(c);
    return status == TILE_OK ? tile__check_overlap(c) : status;
}

/* ---- all readings ---- */

/* Tries the storage formats of one choice of types. *found: a variant was there. */
static tile_status fit_forms(Call *c, Readings *r, bool *found)
{
    tile_status first = view_tensors(c, r);
    if (first != TILE_OK || (first = list_forms(c, r)) != TILE_OK) {
        return first;
    }
    bool any = false;
    do {
        key_forms(c, r);
        tile_status status = fit(c);
        if (status == TILE_OK) {
            *found = true;
            return TILE_OK;
        }
        if (!any || (status != TILE_ERR_NO_VARIANT && !*found)) {
            first = status;
        }
        any = true;
        *found |= status != TILE_ERR_NO_VARIANT;
    } while (step(r->form_at, r->form_count, c->kernel->param_count));
    return first;
}

static bool has_choice(const uint8_t *count, int n)
{
    for (int i = 0; i < n; i++) {
        if (count[i] > 1) {
            return true;
        }
    }
    return false;
}

static tile_status ambiguous(Call *c, const Readings *r, const uint8_t *first)
{
    const tile_kernel *k = c->kernel;
    int n = 0;
    while (n < k->static_count && r->type_at[n] == first[n]) {
        n++;
    }
    int param = k->statics[n].shown_by;
    char text[NAME_SIZE];
    tile__dlpack_name(c->views[param].tensor->dtype, text);
    c->quiet = false;
    return tile__call_failed(c, TILE_ERR_DTYPE,
                             "%s: %s may be %s or %s here: pass it as what it is",
                             param_name(c, param), text, tile__dtype_name(r->types[n][first[n]]),
                             tile__dtype_name(r->types[n][r->type_at[n]]));
}

/* Again, with the message this time. */
static tile_status fail_loudly(Call *c, Readings *r, const uint8_t *types)
{
    bool found = false;
    c->quiet = false;
    memcpy(r->type_at, types, sizeof r->type_at);
    return fit_forms(c, r, &found);
}

/* Several readings of the types. */
static tile_status fit_types(Call *c, Readings *r)
{
    uint8_t good[TILE_MOST_PARAMS], best[TILE_MOST_PARAMS] = {0};
    int fits = 0;
    bool any_found = false;
    int n = c->kernel->static_count;
    memset(r->type_at, 0, sizeof r->type_at);
    c->quiet = true;
    do {
        bool found = false;
        if (fit_forms(c, r, &found) == TILE_OK) {
            if (fits++ > 0) {
                return ambiguous(c, r, good);
            }
            memcpy(good, r->type_at, sizeof good);
        } else if (found && !any_found) {
            memcpy(best, r->type_at, sizeof best);
            any_found = true;
        }
    } while (step(r->type_at, r->type_count, n));
    return fail_loudly(c, r, fits ? good : best);
}

tile_status tile__choose_variant(Call *c)
{
    Readings r;
    tile_status status = take_arguments(c, &r);
    if (status != TILE_OK) {
        return status;
    }
    if (has_choice(r.type_count, c->kernel->static_count)) {
        return fit_types(c, &r);
    }
    bool found = false;
    c->quiet = true;
    status = fit_forms(c, &r, &found);
    if (status == TILE_OK) {
        c->quiet = false;
        return TILE_OK;
    }
    c->quiet = false;
    return fit_forms(c, &r, &found);
}
