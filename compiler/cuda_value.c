/* Values in C: names, registers, coordinates, and the way between layouts. */
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "compiler/cuda.h"

char *format_text(Cuda *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vformat(c->arena, format, args);
    va_end(args);
    return text;
}

const char *c_type(DType t)
{
    switch (t) {
    case DT_BOOL:
        return "bool";
    case DT_U8:
    case DT_E4M3:
    case DT_E5M2:
    case DT_E2M1:
    case DT_UE8M0:
        return "uint8_t";
    case DT_I8:
        return "int8_t";
    case DT_U16:
    case DT_F16:
    case DT_BF16:
        return "uint16_t";
    case DT_I16:
        return "int16_t";
    case DT_U32:
        return "uint32_t";
    case DT_I32:
        return "int32_t";
    case DT_I64:
        return "int64_t";
    case DT_U64:
        return "uint64_t";
    case DT_F32:
    case DT_TF32:
        return "float";
    default:
        return "double";
    }
}

char *c_literal(Cuda *c, DType t, uint64_t bits)
{
    if (t == DT_F32 || t == DT_TF32) {
        float x;
        uint32_t u = (uint32_t)bits;
        memcpy(&x, &u, sizeof x);
        if (isnan(x) || isinf(x))
            return format_text(c, "tile_float(0x%08Xu)", u);
        char *text = format_text(c, "%.9g", (double)x);
        return format_text(c, strpbrk(text, ".e") ? "%sf" : "%s.0f", text);
    }
    if (t == DT_BOOL)
        return format_text(c, "%s", bits ? "true" : "false");
    if (dtype_is_int(t) && dtype_is_signed(t)) {
        int64_t i = bits_to_int(t, bits);
        if (i == INT64_MIN)
            return format_text(c, "(-0x7FFFFFFFFFFFFFFFll - 1)");
        return format_text(c, i > INT32_MAX || i < -INT32_MAX ? "%lldll" : "%lld", (long long)i);
    }
    return format_text(c, bits > UINT32_MAX ? "0x%llXull" : "%lluu", (unsigned long long)bits);
}

/* ---- names ---- */

static bool is_used(const Cuda *c, const char *name)
{
    static const char *const reserved[] = {
        "lane", "warp", "program", "r", "g", "i", "int", "float", "double", "char", "long", "short",
        "bool", "auto", "break", "case", "const", "do", "else", "enum", "for", "goto", "if",
        "register", "return", "void", "while", "shared", "new", "delete", "class", "this",
        "template", "operator", "default", "switch", "static", "struct", "union", "signed",
        "unsigned", "sizeof", "typedef", "volatile", "true", "false", "exp", "log", "max", "min",
        "abs", "sqrt", "floor",
        /* locals of emitted statements */
        "s", "o", "h", "j", "k", "w", "first", "key", "index", "best", "best_value", "found",
        "slot", "slot_value", "slot_index", "from", "other", "row", "run", "sum", "all", "digit",
        "part", "last"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(reserved[i], name) == 0)
            return true;
    for (int i = 0; i < c->used.count; i++)
        if (strcmp(c->used.items[i], name) == 0)
            return true;
    return false;
}

const char *new_temp(Cuda *c, const char *stem)
{
    const char *name = stem;
    for (int n = 1; is_used(c, name); n++)
        name = format_text(c, "%s_%d", stem, n);
    PUSH(c->arena, &c->used, name);
    return name;
}

const char *c_name(Cuda *c, const Value *v)
{
    if (v->op && v->op->code == OP_CONST)
        return c_literal(c, v->type.dtype, v->op->bits);
    if (c->name[v->id])
        return c->name[v->id];
    bool named = v->name && isalpha((unsigned char)v->name[0]);
    char *stem = format_text(c, "%s", named ? v->name : "t");
    for (char *p = stem; *p; p++)
        if (!isalnum((unsigned char)*p))
            *p = '_';
    return c->name[v->id] = new_temp(c, stem);
}

const Layout *layout_of(Cuda *c, const Value *v)
{
    return &c->low->layout[v->id];
}

int64_t registers(Cuda *c, const Value *v)
{
    return layout_span(layout_of(c, v), OWN_REG);
}

void declare(Cuda *c, const Value *v)
{
    line(c, "%s %s[%lld];", c_type(v->type.dtype), c_name(c, v), (long long)registers(c, v));
}

/* ---- coordinates ---- */

static char *add_term(Cuda *c, char *sum, const char *term)
{
    return *sum ? format_text(c, "%s + %s", sum, term) : format_text(c, "%s", term);
}

/* "who / before % extent * stride", as short as it can be said. */
static char *digit(Cuda *c, const char *who, int64_t before, int64_t extent, int64_t stride,
                   bool last)
{
    char *text = format_text(c, "%s", who);
    if (before > 1)
        text = format_text(c, "%s / %lld", text, (long long)before);
    if (!last)
        text = format_text(c, "%s %% %lld", text, (long long)extent);
    return stride == 1 ? text : format_text(c, "%s * %lld", text, (long long)stride);
}

static bool is_last(const Layout *l, int at)
{
    for (int i = at + 1; i < l->count; i++)
        if (l->mode[i].owner == l->mode[at].owner)
            return false;
    return true;
}

char *coordinate(Cuda *c, const Layout *l, int dim, const char *reg)
{
    const char *who[OWNERS] = {reg, "lane", "warp"};
    int64_t before[OWNERS] = {1, 1, 1};
    char *sum = format_text(c, "%s", "");
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->dim == dim)
            sum = add_term(
                c, sum,
                digit(c, who[m->owner], before[m->owner], m->extent, m->stride, is_last(l, i)));
        before[m->owner] *= m->extent;
    }
    return *sum ? sum : format_text(c, "0");
}

/* The register of a projection that goes with register `reg` of `l`; `kept` says which dims
 * stay. */
char *projected_register(Cuda *c, const Layout *l, const bool *kept, const char *reg)
{
    int64_t before = 1, after = 1;
    char *sum = format_text(c, "%s", "");
    bool all = true;
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_REG)
            continue;
        if (m->dim >= 0 && kept[m->dim]) {
            sum = add_term(c, sum, digit(c, reg, before, m->extent, after, is_last(l, i)));
            after *= m->extent;
        } else {
            all = false;
        }
        before *= m->extent;
    }
    return all ? format_text(c, "%s", reg) : *sum ? sum : format_text(c, "0");
}

char *element(Cuda *c, const Value *arg, const char *name, const Type *t, const Layout *l,
              const char *reg)
{
    bool kept[MAX_RANK];
    (void)t;
    if (is_uniform(arg))
        return format_text(c, "%s", name);
    for (int i = 0; i < MAX_RANK; i++)
        kept[i] = i < arg->type.rank && arg->type.dims[i] != 1;
    return format_text(c, "%s[%s]", name, projected_register(c, l, kept, reg));
}

char *axis_element(Cuda *c, const Value *arg, const char *name, const Layout *l, int dim,
                   const char *reg)
{
    bool kept[MAX_RANK] = {0};
    if (is_uniform(arg))
        return format_text(c, "%s", name);
    kept[dim] = true;
    return format_text(c, "%s[%s]", name, projected_register(c, l, kept, reg));
}

char *one_holder(Cuda *c, const Layout *l)
{
    static const char *const who[OWNERS] = {"", "lane", "warp"};
    int64_t before[OWNERS] = {1, 1, 1};
    char *sum = format_text(c, "%s", "");
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->dim < 0)
            sum = format_text(
                c, "%s%s%s == 0", sum, *sum ? " && " : "",
                digit(c, who[m->owner], before[m->owner], m->extent, 1, is_last(l, i)));
        before[m->owner] *= m->extent;
    }
    return sum;
}

/* ---- conversions ---- */

/* Lanes and warps hold the same parts: only the order of registers differs. */
static bool same_threads(const Layout *a, const Layout *b)
{
    Layout x = {0}, y = {0};
    for (int i = 0; i < a->count; i++)
        if (a->mode[i].owner != OWN_REG)
            x.mode[x.count++] = a->mode[i];
    for (int i = 0; i < b->count; i++)
        if (b->mode[i].owner != OWN_REG)
            y.mode[y.count++] = b->mode[i];
    return layout_equal(&x, &y);
}

static bool permute(Cuda *c, const Type *t, const char *from, const Layout *a, const char *to,
                    const Layout *b)
{
    int64_t n = layout_span(b, OWN_REG), m = layout_span(a, OWN_REG);
    for (int64_t i = 0; i < n; i++) {
        int64_t k = 0;
        for (; k < m; k++) {
            bool same = true;
            for (int d = 0; same && d < t->rank; d++)
                same = layout_index(a, d, k, 0, 0) == layout_index(b, d, i, 0, 0);
            if (same)
                break;
        }
        if (k == m)
            return false;
        line(c, "%s[%lld] = %s[%lld];", to, (long long)i, from, (long long)k);
    }
    return true;
}

/* The row-major place of this thread's register in a tile. */
char *place_text(Cuda *c, const Type *t, const Layout *l)
{
    int64_t stride = 1;
    char *sum = format_text(c, "%s", "");
    for (int d = t->rank - 1; d >= 0; d--) {
        if (t->dims[d] > 1) {
            char *x = coordinate(c, l, d, "r");
            sum = add_term(c, sum,
                           stride == 1 ? format_text(c, "(%s)", x)
                                       : format_text(c, "(%s) * %lld", x, (long long)stride));
        }
        stride *= t->dims[d];
    }
    return *sum ? sum : format_text(c, "0");
}

void unit_sync(Cuda *c)
{
    forget_touched(c);
    if (c->plan->unit.warps > 1)
        line(c, "tile_sync();");
    else if (c->plan->unit.lanes > 1)
        line(c, "tile_sync_warp();");
}

void lay_down(Cuda *c, const Value *v)
{
    const Type *t = &v->type;
    const char *type = c_type(t->dtype);
    int64_t n = type_elements(t);
    Layout plain = layout_spread(t, t->rank - 1, 1, c->plan->unit);
    const Layout *l = is_uniform(v) ? &plain : layout_of(c, v);
    char *holder = one_holder(c, l);
    need_shared(c, (size_t)n * dtype_info[t->dtype].size);
    line(c, "%s *const s = (%s *)shared;", type, type);
    unit_sync(c);
    line(c, "%s%s%sTILE_EACH(r, %lld) s[%s] = %s%s;", *holder ? "if (" : "", holder,
         *holder ? ") " : "", (long long)layout_span(l, OWN_REG), place_text(c, t, l), c_name(c, v),
         is_uniform(v) ? "" : "[r]");
    unit_sync(c);
}

/* By naming registers anew where every thread has what it needs, else through shared memory. */
const char *converted(Cuda *c, const Value *arg, const Layout *to)
{
    const Type *t = &arg->type;
    const Layout *from = layout_of(c, arg);
    const char *name = c_name(c, arg), *type = c_type(t->dtype);
    const char *out = new_temp(c,
                               format_text(c, "%s_as", isalpha((unsigned char)*name) ? name : "t"));
    line(c, "%s %s[%lld];", type, out, (long long)layout_span(to, OWN_REG));
    if (same_threads(from, to) && permute(c, t, name, from, out, to))
        return out;
    open_block(c, "%s", "");
    lay_down(c, arg);
    line(c, "TILE_EACH(r, %lld) %s[r] = s[%s];", (long long)layout_span(to, OWN_REG), out,
         place_text(c, t, to));
    close_block(c);
    return out;
}

const char *fitted(Cuda *c, const Value *arg, const Layout *l)
{
    if (is_uniform(arg))
        return c_name(c, arg);
    Layout want = layout_project(l, &arg->type);
    return layout_equal(&want, layout_of(c, arg)) ? c_name(c, arg) : converted(c, arg, &want);
}

/* The layout of an index tile that stands for axis `dim`. */
static Layout axis_layout(const Layout *l, int dim)
{
    Layout out = {0};
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->dim == dim)
            layout_add(&out, m->owner, 0, m->extent, m->stride);
        else if (m->owner != OWN_REG)
            layout_add(&out, m->owner, -1, m->extent, 0);
    }
    return out;
}

const char *axis_fitted(Cuda *c, const Value *arg, const Layout *l, int dim)
{
    if (is_uniform(arg))
        return c_name(c, arg);
    Layout want = axis_layout(l, dim);
    return layout_equal(&want, layout_of(c, arg)) ? c_name(c, arg) : converted(c, arg, &want);
}
