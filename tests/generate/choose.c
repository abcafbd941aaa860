/* Choices, text and names of the generator. */
#include <stdlib.h>
#include <string.h>

#include "tests/generate/generate.h"

unsigned pick(Gen *g, unsigned limit)
{
    if (limit < 2 || g->at >= g->count)
        return 0;
    return g->bytes[g->at++] % limit;
}

bool chance(Gen *g, unsigned n)
{
    return pick(g, n) == 1;
}

const char *fresh(Gen *g, const char *stem)
{
    return SAY(g, "%s_%d", stem, g->serial++);
}

void put_line(Gen *g, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(g->out, "%*s", 2 * g->indent, "");
    vfprintf(g->out, format, args);
    fputc('\n', g->out);
    va_end(args);
}

const char *extent_text(Gen *g, int64_t n)
{
    for (int i = 0; i < g->nconstants; i++)
        if (g->constants[i].value == n && chance(g, 2))
            return g->constants[i].name;
    return SAY(g, "%lld", (long long)n);
}

const char *dtype_text(Gen *g, DType t)
{
    if (g->type_static && g->type_value == t && chance(g, 2))
        return g->type_static;
    return dtype_info[t].name;
}

const char *shape_list(Gen *g, const Type *t)
{
    const char *text = "";
    for (int i = 0; i < t->rank; i++)
        text = SAY(g, "%s%s%s", text, i ? ", " : "", extent_text(g, t->dims[i]));
    return text;
}

DType pick_dtype(Gen *g)
{
    /* f64 is for the interpreter alone. */
    static const DType often[] = {DT_F32, DT_F32, DT_I32, DT_BOOL, DT_I64, DT_BF16, DT_E4M3, DT_U8};
    if (chance(g, 2))
        return (DType)pick(g, DT_F64);
    return often[pick(g, sizeof often / sizeof *often)];
}

int64_t pick_extent(Gen *g, int64_t most)
{
    static const int64_t extents[] = {1, 2, 3, 4, 8, 5, 7, 16, 0, 32, 6, 33};
    int64_t n = extents[pick(g, sizeof extents / sizeof *extents)];
    return n <= most ? n : 1;
}

Type pick_shape(Gen *g, DType t, int most_rank)
{
    Type type = scalar_type(t);
    int64_t left = MOST_ELEMENTS;
    type.rank = (int)pick(g, (unsigned)most_rank + 1);
    for (int i = 0; i < type.rank; i++) {
        type.dims[i] = pick_extent(g, left);
        left /= type.dims[i] > 1 ? type.dims[i] : 1;
    }
    return type;
}

static const char *integer_literal(Gen *g, DType t)
{
    static const char *const small[] = {"1", "0", "2", "3", "7", "0x1F", "100"};
    int bits = dtype_info[t].bits;
    bool is_signed = dtype_is_signed(t);
    if (g->nconstants && chance(g, 5))
        return g->constants[pick(g, (unsigned)g->nconstants)].name;
    bool any = chance(g, 8) && g->nnames;
    const GenName *name = any ? &g->names[pick(g, (unsigned)g->nnames)] : NULL;
    if (name && name->type.rank) /* an extent, which is a constant */
        return SAY(g, "size(%s, %u)", name->text, pick(g, (unsigned)name->type.rank));
    if (is_signed && chance(g, 4))
        return chance(g, 2) ? SAY(g, "(-%llu)", 1ull << (bits - 1)) : "(-5)";
    if (chance(g, 6))
        return SAY(g, "%llu", (is_signed ? 1ull << (bits - 2) : 1ull << (bits - 1)));
    return small[pick(g, sizeof small / sizeof *small)];
}

const char *literal(Gen *g, DType t)
{
    static const char *const f32[] = {"1.0",      "0.0",    "(-1.5)", "0.1", "2",
                                      "3e38",     "1e-40",  "(-0.0)", "inf", "nan",
                                      "0x1.8p-3", "(-inf)", "100.0"};
    static const char *const wide[] = {"1.0", "0.0", "(-2.0)", "0.5", "inf", "nan", "3"};
    static const char *const narrow[] = {"1.0", "0.0", "(-2.0)", "0.5", "6.0", "3"};
    static const char *const powers[] = {"1.0", "0.5", "4.0", "0x1p-100", "2"};
    if (t == DT_BOOL)
        return pick(g, 2) ? "true" : "false";
    if (dtype_is_int(t))
        return integer_literal(g, t);
    if (t == DT_F32)
        return f32[pick(g, sizeof f32 / sizeof *f32)];
    if (t == DT_BF16 || t == DT_F16)
        return wide[pick(g, sizeof wide / sizeof *wide)];
    if (t == DT_UE8M0)
        return powers[pick(g, sizeof powers / sizeof *powers)];
    return narrow[pick(g, sizeof narrow / sizeof *narrow)];
}

void add_name(Gen *g, const char *text, Type type, bool is_var)
{
    if (g->nnames < MOST_NAMES)
        g->names[g->nnames++] = (GenName){text, type, is_var};
}

const GenName *find_name(Gen *g, const Type *type)
{
    int n = 0;
    for (int i = 0; i < g->nnames; i++)
        n += type_equal(&g->names[i].type, type);
    if (n == 0)
        return NULL;
    n = (int)pick(g, (unsigned)n);
    for (int i = g->nnames - 1;; i--)
        if (type_equal(&g->names[i].type, type) && n-- == 0)
            return &g->names[i];
}
