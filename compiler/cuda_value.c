/* Values in C: names, registers, coordinates. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "compiler/cuda.h"

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
    case DT_INDEX:
        return "tile_index";
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

/* Where the name is, or its free place. */
static UsedName *find_name(const Cuda *c, const char *name)
{
    uint32_t hash = 2166136261u;
    for (const char *p = name; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    for (uint32_t i = hash ^ hash >> 15;; i++) {
        UsedName *n = &c->used.items[i & (uint32_t)(c->used.size - 1)];
        if (!n->name || strcmp(n->name, name) == 0)
            return n;
    }
}

static void make_room(Cuda *c, int size)
{
    UsedName *old = c->used.items;
    int old_size = c->used.size;
    c->used.items = NEW_ARRAY(c->arena, UsedName, size);
    c->used.size = size;
    for (int i = 0; i < old_size; i++)
        if (old[i].name)
            *find_name(c, old[i].name) = old[i];
}

static void use_name(Cuda *c, const char *name)
{
    if (2 * c->used.count >= c->used.size)
        make_room(c, 2 * c->used.size);
    c->used.count++;
    *find_name(c, name) = (UsedName){name, 1};
}

void names_start(Cuda *c)
{
    static const char *const reserved[] = {
        "lane", "warp", "program", "shared", "a", "r", "i", "j", "o", "int", "float", "double",
        "char", "long", "short", "bool", "auto", "break", "case", "const", "do", "else", "enum",
        "for", "goto", "if", "register", "return", "void", "while", "new", "delete", "class",
        "this", "template", "operator", "default", "switch", "static", "struct", "union", "signed",
        "unsigned", "sizeof", "typedef", "volatile", "true", "false", "exp", "log", "max", "min",
        "abs", "sqrt", "floor", "asm", "inline", "extern", "restrict",
        /* locals of emitted statements */
        "piece", "best", "found", "other", "digit", "run", "all", "number", "rest", "inside", "key",
        "index", "part", "slot", "below", "best_slot", "best_value", "counts", "generation", "left",
        "live", "lo", "mine", "next", "own", "passed", "peers", "place", "points", "programs",
        "ready", "votes_of", "word"};
    c->used.count = c->used.size = 0;
    make_room(c, 512);
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        use_name(c, reserved[i]);
}

const char *new_temp(Cuda *c, const char *stem)
{
    const char *name = stem;
    for (UsedName *n = find_name(c, stem); find_name(c, name)->name;)
        name = format_text(c, "%s_%d", stem, n->next++);
    use_name(c, name);
    return name;
}

/* The source's name as a C identifier. */
static const char *stem_of(Cuda *c, const Value *v, const char *otherwise)
{
    bool named = v->name && isalpha((unsigned char)v->name[0]);
    char *stem = format_text(c, "%s", named ? v->name : otherwise);
    for (char *p = stem; *p; p++)
        if (!isalnum((unsigned char)*p))
            *p = '_';
    return stem;
}

DType held(Cuda *c, const Value *v)
{
    DType t = range_held_type(&c->ranges, v);
    c->indexed |= t == DT_INDEX;
    return t;
}

/* An extent of a tensor that has no name of its own is called after the tensor. */
static const char *host_stem(Cuda *c, const Value *v)
{
    const Op *op = c->low->kernel->body->first;
    for (; op && !v->name; op = op->next)
        for (int i = 0; op->code == OP_TENSOR && i < op->results[0]->type.rank; i++)
            if (op->args[i] == v)
                return format_text(c, "%s_extent%d", op->results[0]->name, i);
    return stem_of(c, v, "t");
}

/* What the host computes comes in the args. */
static const char *host_name(Cuda *c, const Value *v)
{
    int node = host_value(c->host, v);
    if (node < 0)
        return NULL;
    const char *stem = host_stem(c, v);
    DType t = held(c, v);
    if (t != DT_INDEX)
        return host_number(c->host, node, c_type(t), stem);
    const char *from = host_number(c->host, node, "int64_t", stem);
    const char *name = new_temp(c, stem);
    const char *text = c->ranges.of[v->id].lo >= 0 ? "const tile_index %s = tile_natural(%s);"
                                                   : "const tile_index %s = (tile_index)%s;";
    c->prologue = statement_add_behind(&c->out, c->prologue, format_text(c, text, name, from));
    c->prologue->optional = name;
    return name;
}

const char *c_name(Cuda *c, const Value *v)
{
    if (v->op && v->op->code == OP_CONST)
        return c_literal(c, v->type.dtype, v->op->bits);
    if (c->name[v->id])
        return c->name[v->id];
    const char *host = host_name(c, v);
    if (host)
        return c->name[v->id] = host;
    return c->name[v->id] = new_temp(c, stem_of(c, v, "t"));
}

const char *new_name(Cuda *c, const Value *v, const char *otherwise)
{
    return new_temp(c, stem_of(c, v, otherwise));
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
    if (c->declared[v->id])
        return;
    if (is_uniform(v))
        line(c, "%s %s;", c_type(held(c, v)), c_name(c, v));
    else
        line(c, "%s %s[%lld];", c_type(held(c, v)), c_name(c, v), (long long)registers(c, v));
}

void give_result(Cuda *c, const Value *v, const char *name, const Layout *l)
{
    if (is_uniform(v)) {
        c->name[v->id] = format_text(c, "%s[0]", name);
        return;
    }
    c->low->layout[v->id] = *l;
    c->name[v->id] = name;
}

const char *carrier(DType t)
{
    switch (t) {
    case DT_F16:
    case DT_BF16:
        return "u16";
    case DT_E4M3:
    case DT_E5M2:
    case DT_UE8M0:
    case DT_E2M1:
        return "u8";
    case DT_TF32:
        return "f32";
    default:
        return dtype_info[t].name;
    }
}

/* ---- text ---- */

char *both(Cuda *c, const char *a, const char *b)
{
    return format_text(c, "%s%s%s", a, *a && *b ? " && " : "", b);
}

static bool is_nothing(const char *text)
{
    return !*text || strcmp(text, "0") == 0;
}

char *sum_of(Cuda *c, const char *a, const char *b)
{
    if (is_nothing(a))
        return format_text(c, "%s", *b ? b : "0");
    return is_nothing(b) ? format_text(c, "%s", a) : format_text(c, "%s + %s", a, b);
}

char *absolute_lane(Cuda *c, const char *lane)
{
    int n = c->plan->unit.lanes;
    return n == 32 ? format_text(c, "%s", lane)
                   : format_text(c, "(tile_lane() & %d) + %s", 32 - n, lane);
}

/* ---- coordinates ---- */

/* "who / before % extent * step", as short as it can be said. */
static char *digit(Cuda *c, const char *who, int64_t before, int64_t extent, int64_t step,
                   bool last)
{
    char *text = format_text(c, "%s", who);
    if (before > 1)
        text = format_text(c, "%s / %lld", text, (long long)before);
    if (!last)
        text = format_text(c, "%s %% %lld", text, (long long)extent);
    return step == 1 ? text : format_text(c, "%s * %lld", text, (long long)step);
}

static bool is_last(const Layout *l, int at)
{
    for (int i = at + 1; i < l->count; i++)
        if (l->mode[i].owner == l->mode[at].owner)
            return false;
    return true;
}

/* The sum over the modes for which `of` holds of digit times step. */
typedef bool ModeTest(const Mode *, int x);
typedef int64_t ModeStep(const Mode *);

static char *sum_digits(Cuda *c, const Layout *l, const char *const who[OWNERS], ModeTest *of,
                        int x, ModeStep *step)
{
    int64_t before[OWNERS] = {1, 1, 1};
    char *sum = format_text(c, "0");
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (who[m->owner] && strcmp(who[m->owner], "0") && of(m, x))
            sum = sum_of(
                c, sum,
                digit(c, who[m->owner], before[m->owner], m->extent, step(m), is_last(l, i)));
        before[m->owner] *= m->extent;
    }
    return sum;
}

static bool along(const Mode *m, int dim)
{
    return m->dim == dim;
}

static bool in_mask(const Mode *m, int mask)
{
    return m->mask == mask;
}

static int64_t stride_of(const Mode *m)
{
    return m->stride;
}

static int64_t weight_of(const Mode *m)
{
    return m->weight;
}

char *coordinate(Cuda *c, const Layout *l, int dim, const char *reg)
{
    const char *who[OWNERS] = {reg, "lane", "warp"};
    return sum_digits(c, l, who, along, dim, stride_of);
}

char *thread_coordinate(Cuda *c, const Layout *l, int dim)
{
    const char *who[OWNERS] = {NULL, "lane", "warp"};
    return sum_digits(c, l, who, along, dim, stride_of);
}

char *register_coordinate(Cuda *c, const Layout *l, int dim, const char *reg)
{
    const char *who[OWNERS] = {reg, NULL, NULL};
    return sum_digits(c, l, who, along, dim, stride_of);
}

char *holds_text(Cuda *c, const Layout *l, const char *reg)
{
    const char *who[OWNERS] = {reg, "lane", "warp"};
    char *all = format_text(c, "%s", "");
    for (int k = 0; k < l->masks; k++)
        all = both(
            c, all,
            format_text(c, "%s < %d", sum_digits(c, l, who, in_mask, k, weight_of), l->limit[k]));
    return all;
}

char *one_holder(Cuda *c, const Layout *l)
{
    static const char *const who[OWNERS] = {"", "lane", "warp"};
    int64_t before[OWNERS] = {1, 1, 1};
    char *all = format_text(c, "%s", "");
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->dim < 0 && m->owner != OWN_REG)
            all = both(c, all,
                       format_text(
                           c, "%s == 0",
                           digit(c, who[m->owner], before[m->owner], m->extent, 1, is_last(l, i))));
        before[m->owner] *= m->extent;
    }
    return all;
}

char *projected_register(Cuda *c, const Layout *l, const bool *kept, const char *reg)
{
    int64_t before = 1, after = 1;
    char *sum = format_text(c, "0");
    bool all = true;
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_REG)
            continue;
        if (m->dim >= 0 && kept[m->dim]) {
            sum = sum_of(c, sum, digit(c, reg, before, m->extent, after, is_last(l, i)));
            after *= m->extent;
        } else {
            all = false;
        }
        before *= m->extent;
    }
    return all ? format_text(c, "%s", reg) : sum;
}

char *element(Cuda *c, const Value *arg, const char *name, const Layout *l, const char *reg)
{
    bool kept[MAX_RANK];
    if (is_uniform(arg))
        return format_text(c, "%s", name);
    for (int i = 0; i < MAX_RANK; i++)
        kept[i] = i < arg->type.rank && arg->type.dims[i] != 1;
    return format_text(c, "%s[%s]", name, projected_register(c, l, kept, reg));
}
