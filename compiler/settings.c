/* -s NAME=VALUE: what can be set, and values of dims and scalars. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compiler/command.h"
#include "runtime/numerics/convert.h"

static void add_name(Arena *a, TextList *list, const char *name)
{
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->items[i], name) == 0)
            return;
    PUSH(a, list, name);
}

static void add_parameters(Arena *a, TextList *list, const Item *kernel)
{
    for (int i = 0; i < kernel->statics.count; i++)
        add_name(a, list, kernel->statics.items[i].name.name);
    for (int i = 0; i < kernel->params.count; i++) {
        const Param *p = &kernel->params.items[i];
        bool formats = p->optional;
        for (int k = 0; k < p->storage.count; k++)
            formats |= p->storage.items[k].name && !strcmp(p->storage.items[k].name, "store");
        if (p->dir == DIR_SCALAR || formats)
            add_name(a, list, p->name.name);
    }
}

static void add_bindings(Arena *a, TextList *list, const Program *p, const Item *kernel)
{
    for (int i = 0; i < p->schedules.count; i++) {
        const Item *s = p->schedules.items[i];
        for (int k = 0; s->name.name == kernel->name.name && k < s->directives.count; k++) {
            const Directive *d = &s->directives.items[k];
            if (d->kind == D_LET || d->kind == D_TUNE)
                add_name(a, list, d->name.name);
        }
    }
}

static bool is_listed(const TextList *list, const char *name)
{
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->items[i], name) == 0)
            return true;
    return false;
}

static bool is_tensor(const Item *kernel, const char *name)
{
    for (int i = 0; kernel && i < kernel->params.count; i++)
        if (strcmp(kernel->params.items[i].name.name, name) == 0)
            return true;
    return false;
}

static bool unknown_setting(Command *c, const TextList *names, const Item *item, const Pair *s)
{
    const char *near = diag_nearest(s->name, names->items, names->count);
    for (int i = 0; i < names->count; i++)
        if (strcasecmp(s->name, names->items[i]) == 0)
            near = names->items[i];
    if (is_tensor(item, s->name))
        return user_error("-s %s=%s: %s is a tensor, and declares no formats with @ store; its "
                          "file comes by -i or -o",
                          s->name, s->value, s->name);
    if (near)
        return user_error("-s %s=%s: there is no %s; is %s meant? What can be set: %s", s->name,
                          s->value, s->name, near, join_texts(c->arena, names));
    return user_error("-s %s=%s: there is no %s. What can be set: %s", s->name, s->value, s->name,
                      names->count ? join_texts(c->arena, names) : "nothing");
}

bool settings_known(Command *c, const Program *p, const Item *item, const Kernel *kernel)
{
    TextList names = {0};
    bool ok = true;
    if (item) {
        add_parameters(c->arena, &names, item);
        add_bindings(c->arena, &names, p, item);
    }
    for (const Op *op = kernel ? kernel->body->first : NULL; op; op = op->next)
        if (op->code == OP_DIM || op->code == OP_SCALAR)
            add_name(c->arena, &names, op->name);
    for (int i = 0; i < c->settings.count; i++)
        if (!is_listed(&names, c->settings.items[i].name))
            ok = unknown_setting(c, &names, item, &c->settings.items[i]);
    return ok;
}

Given *settings_given(Command *c)
{
    Given *given = NEW_ARRAY(c->arena, Given, c->settings.count);
    for (int i = 0; i < c->settings.count; i++)
        given[i] = (Given){.name = c->settings.items[i].name, .text = c->settings.items[i].value};
    return given;
}

/* Integers: decimal or hex, in the type's range. */
static const char *integer_parse(DType t, const char *text, uint64_t *bits)
{
    bool negative = *text == '-';
    const char *digits = text + (negative || *text == '+');
    int base = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') ? 16 : 10;
    char *end;
    if (!isalnum((unsigned char)digits[0]))
        return "an integer is expected";
    errno = 0;
    unsigned long long n = strtoull(digits, &end, base);
    if (*end)
        return "an integer is expected";
    int width = dtype_info[t].bits;
    bool is_signed = dtype_is_signed(t);
    unsigned long long most = UINT64_MAX >> (64 - width + is_signed);
    if (errno == ERANGE || (!negative && n > most) || (negative && n > (is_signed ? most + 1 : 0)))
        return "is out of range";
    *bits = (negative ? 0 - n : n) & (UINT64_MAX >> (64 - width));
    return NULL;
}

/* To f32 such that rounding once more to a type of less precision is as rounding once. */
static float round_to_odd(double d)
{
    float f = (float)d;
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    if (isfinite(d) && (double)f != d && !(u & 1)) {
        f = nextafterf(f, (double)f < d ? INFINITY : -INFINITY);
    }
    return f;
}

static const char *float_parse(DType t, const char *text, uint64_t *bits)
{
    char *end;
    bool infinite = strpbrk(text, "iI") != NULL;
    if (isspace((unsigned char)text[0]))
        return "a number is expected";
    errno = 0;
    double d = t == DT_F32 ? (double)strtof(text, &end) : strtod(text, &end);
    if (end == text || *end)
        return "a number is expected";
    if (isinf(d) && !infinite)
        return "is out of range; write inf if that is meant";
    *bits = 0;
    if (t == DT_F64) {
        memcpy(bits, &d, sizeof d);
        return NULL;
    }
    float f = t == DT_F32 ? (float)d : round_to_odd(d);
    if (t == DT_UE8M0 && f < 0)
        return "ue8m0 has no negative numbers";
    if (t == DT_F32)
        memcpy(bits, &f, sizeof f);
    else
        tile_convert(t, bits, DT_F32, &f, 1, TILE_ROUND_NEAREST);
    return NULL;
}

const char *scalar_parse(DType t, const char *text, uint64_t *bits)
{
    if (t == DT_BOOL) {
        *bits = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        return *bits || !strcmp(text, "false") || !strcmp(text, "0") ? NULL
                                                                     : "true or false is expected";
    }
    return dtype_is_int(t) ? integer_parse(t, text, bits) : float_parse(t, text, bits);
}

static const Op *find_unknown(const Kernel *k, const char *name)
{
    for (const Op *op = k->body->first; op; op = op->next)
        if ((op->code == OP_DIM || op->code == OP_SCALAR) && strcmp(op->name, name) == 0)
            return op;
    return NULL;
}

static bool is_chosen(const Variant *v, const char *name)
{
    const SettingList *lists[3] = {&v->statics, &v->forms, &v->params};
    for (int l = 0; l < 3; l++)
        for (int i = 0; i < lists[l]->count; i++)
            if (strcmp(lists[l]->items[i].name, name) == 0)
                return true;
    return false;
}

static bool add_argument(const Kernel *k, const Variant *v, const Pair *s, Argument *out,
                         int *count)
{
    const Op *op = find_unknown(k, s->name);
    if (!op && v && is_chosen(v, s->name))
        return true;
    if (!op)
        return user_error("-s %s=%s: this variant of %s has no %s", s->name, s->value, k->name,
                          s->name);
    DType t = op->results[0]->type.dtype;
    uint64_t bits = 0;
    const char *wrong = scalar_parse(t, s->value, &bits);
    if (wrong)
        return user_error("-s %s=%s: %s is %s: %s", s->name, s->value, s->name,
                          op->code == OP_DIM ? "a dim" : dtype_info[t].name, wrong);
    out[(*count)++] = (Argument){op->name, bits};
    return true;
}

static bool mentions(const Expr *x, Name name)
{
    if (!x)
        return false;
    if (x->kind == E_NAME && x->name == name)
        return true;
    for (int i = 0; i < x->args.count; i++)
        if (mentions(x->args.items[i], name))
            return true;
    return mentions(x->a, name) || mentions(x->b, name) || mentions(x->c, name);
}

/* A dim that only absent tensors show is 0 (R17). */
static void absent_dims(const Item *item, const Variant *v, const Kernel *k, Argument *out,
                        int *count)
{
    int given = *count;
    for (int i = 0; i < item->statics.count; i++) {
        Name dim = item->statics.items[i].name.name;
        bool absent = false, present = find_unknown(k, dim) == NULL;
        for (int g = 0; g < given; g++)
            present |= strcmp(out[g].name, dim) == 0;
        for (int p = 0; p < item->params.count && !present; p++) {
            const Param *param = &item->params.items[p];
            const Setting *form = setting_find(&v->forms, param->name.name);
            bool here = mentions(param->type, dim);
            absent |= here && form && form->integer < 0;
            present |= here && !(form && form->integer < 0);
        }
        if (absent && !present)
            out[(*count)++] = (Argument){dim, 0};
    }
}

bool settings_arguments(Command *c, const Item *item, const Kernel *k, const Variant *v,
                        const Given *used, Argument **arguments, int *count)
{
    int statics = item ? item->statics.count : 0;
    Argument *out = NEW_ARRAY(c->arena, Argument, c->settings.count + statics + 1);
    bool ok = true;
    *arguments = out;
    *count = 0;
    for (int i = 0; i < c->settings.count; i++)
        if (!used || !used[i].used)
            ok = add_argument(k, v, &c->settings.items[i], out, count) && ok;
    if (item)
        absent_dims(item, v, k, out, count);
    return ok;
}
