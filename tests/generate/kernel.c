/* A whole file: header, phases, schedule, instances. */
#include <stdlib.h>
#include <string.h>

#include "tests/generate/generate.h"

/* What the header says of a tensor beside what the body needs. */
typedef struct Header {
    Gen *g;
    const char *params, *scratch, *statics, *forms, *schedule, *attributes;
    int64_t n, m;
} Header;

static void declare(Header *h, GenTensor t, const char *extents, const char *suffix)
{
    static const char *const dirs[] = {"in", "out", "inout", "inout"};
    Gen *g = h->g;
    const char **list = t.dir == PARAM_SCRATCH ? &h->scratch : &h->params;
    *list = SAY(g, "%s%s%s: %s %s[%s]%s", *list, **list ? ",\n   " : "", t.text, dirs[t.dir],
                dtype_text(g, t.dtype), extents, suffix);
    t.dense = !strstr(suffix, "@ store"); /* such a format is not row-major */
    t.root = g->ntensors;
    t.use = t.dir == PARAM_IN ? USE_READ : USE_NONE;
    t.defined = t.dir == PARAM_IN || t.dir == PARAM_INOUT;
    g->tensors[g->ntensors++] = t;
}

/* Adds an axis of a constant extent. */
static const char *fixed_axis(Gen *g, GenTensor *t, int64_t n)
{
    t->extent[t->rank] = n;
    t->fixed[t->rank] = true;
    t->range[t->rank++] = -1;
    return extent_text(g, n);
}

static const char *dim_axis(GenTensor *t, const char *text, int64_t n, int range)
{
    t->extent[t->rank] = n;
    t->fixed[t->rank] = false;
    t->range[t->rank++] = range;
    return text;
}

static int64_t even_extent(Gen *g)
{
    static const int64_t even[] = {2, 4, 8, 16};
    return even[pick(g, 4)];
}

static void make_input(Header *h, int i)
{
    Gen *g = h->g;
    GenTensor t = {.text = SAY(g, "x%d", i), .dtype = pick_dtype(g), .dir = PARAM_IN};
    int rank = 1 + (int)pick(g, 3);
    const char *text = "", *suffix = "";
    for (int k = 0; k < rank; k++) {
        const char *axis;
        bool last_e2m1 = t.dtype == DT_E2M1 && k == rank - 1;
        switch (last_e2m1 ? 9 : pick(g, 5)) {
        case 0:
            axis = dim_axis(&t, "N", h->n, -1);
            break;
        case 1:
            axis = dim_axis(&t, "M", h->m, -1);
            break;
        case 2:
            axis = dim_axis(&t, "2 * M + 1", 2 * h->m + 1, -1);
            break;
        case 9:
            axis = fixed_axis(g, &t, even_extent(g));
            break;
        default:
            axis = fixed_axis(g, &t, pick_extent(g, 16));
        }
        text = SAY(g, "%s%s%s", text, k ? ", " : "", axis);
    }
    if (chance(g, 5)) {
        suffix = "?";
        t.hidden = true;
        if (chance(g, 2))
            h->forms = SAY(g, "%s %s: { none, row };", h->forms, t.text);
    } else if (chance(g, 8)) {
        t.dir = PARAM_IN;
        declare(h, t, text, "");
        return;
    }
    declare(h, t, text, suffix);
}

/* A table; its first entry is the tensor in scope. */
static void make_table(Header *h)
{
    Gen *g = h->g;
    GenTensor t = {.dtype = pick_dtype(g), .dir = PARAM_IN, .text = "xs[0]"};
    const char *n = dim_axis(&t, "N", h->n, -1), *last = fixed_axis(g, &t, even_extent(g));
    int before = g->ntensors;
    const char *params = h->params;
    declare(h, t, "", "");
    h->params = SAY(g, "%s%sxs: in table(L, %s[%s, %s])", params, *params ? ",\n   " : "",
                    dtype_info[t.dtype].name, n, last);
    if (chance(g, 2)) {
        g->tensors[g->ntensors] = g->tensors[before];
        g->tensors[g->ntensors].root = g->ntensors;
        g->tensors[g->ntensors++].text = "xs[N % L]";
    }
}

/* A tensor that programs store their part to: an axis for each range, and constant ones. */
static void make_output(Header *h, int i, ParamDir dir)
{
    Gen *g = h->g;
    GenTensor t = {.text = SAY(g, "y%d", i), .dtype = pick_dtype(g), .dir = dir};
    bool swap = g->nranges == 2 && chance(g, 2), scratch = dir == PARAM_SCRATCH;
    const char *text = "", *suffix = "";
    for (int k = 0; k < g->nranges; k++) {
        int r = swap ? 1 - k : k;
        bool rows = strcmp(g->ranges[r].dim, "M") != 0;
        const char *dim = scratch ? g->ranges[r].dim : rows ? "N" : "M";
        int64_t extent = scratch ? g->ranges[r].extent : rows ? h->n : h->m;
        text = SAY(g, "%s%s%s", text, k ? ", " : "", dim_axis(&t, dim, extent, r));
    }
    for (int k = (int)pick(g, 2); k > 0; k--)
        text = SAY(g, "%s, %s", text, fixed_axis(g, &t, pick_extent(g, 8)));
    if (t.dtype == DT_E2M1)
        text = SAY(g, "%s, %s", text, fixed_axis(g, &t, even_extent(g)));
    if (!scratch && chance(g, 6)) {
        suffix = " @ nondet";
        t.nondet = true;
    } else if (!scratch && t.rank == 2 && chance(g, 3)) {
        bool scales = t.dtype == DT_UE8M0;
        suffix = scales ? " @ store(row, ue8m0x4)" : " @ store(row, col_pad16)";
        h->forms = SAY(g, "%s %s: { %s };", h->forms, t.text,
                       scales ? "ue8m0x4, row" : "col_pad16, row");
    }
    declare(h, t, text, suffix);
}

static void make_counter(Header *h, int i)
{
    static const DType types[] = {DT_I32, DT_I64, DT_U32, DT_U8, DT_F32, DT_I16, DT_U64};
    Gen *g = h->g;
    GenTensor t = {.text = SAY(g, "n%d", i), .dtype = types[pick(g, 7)], .dir = PARAM_INOUT};
    t.nondet = t.dtype == DT_F32 || chance(g, 3);
    const char *text = fixed_axis(g, &t, pick_extent(g, 8));
    if (chance(g, 2))
        text = SAY(g, "%s, %s", text, dim_axis(&t, "M", h->m, -1));
    declare(h, t, text, t.nondet ? " @ nondet" : "");
    g->tensors[g->ntensors - 1].use = USE_ADD;
}

/* ---- phases ---- */

static bool covered(const Gen *g, const GenTensor *t)
{
    for (int i = 0; i < t->rank; i++)
        if (t->range[i] >= 0 &&
            (!g->ranges[t->range[i]].covers || t->extent[i] > g->ranges[t->range[i]].extent))
            return false;
    return true;
}

static bool is_shared(const Gen *g, int i)
{
    const GenTensor *t = &g->tensors[i];
    return t->root == i && t->dir != PARAM_IN && !t->is_local && t->use != USE_ADD;
}

/* Before a barrier of all programs: what each has defined its part of is defined behind it. */
static void end_epoch(Gen *g)
{
    for (int i = 0; i < g->ntensors; i++) {
        GenTensor *t = &g->tensors[i];
        if (is_shared(g, i) && t->use == USE_OWN && t->own_defined && covered(g, t))
            t->defined = true;
    }
}

/* Behind one: what is defined may be read everywhere. */
static void begin_epoch(Gen *g, bool unordered)
{
    for (int i = 0; i < g->ntensors; i++) {
        GenTensor *t = &g->tensors[i];
        if (!is_shared(g, i))
            continue;
        t->own_defined = t->defined;
        if (!unordered)
            t->use = t->defined && chance(g, 2) ? USE_READ : USE_OWN;
        else if (t->use != USE_READ)
            t->use = t->touched ? USE_NONE : USE_OWN;
        t->touched = (unordered && t->touched) || t->use == USE_OWN;
    }
}

static void make_definitions(Gen *g)
{
    for (int i = 0; i < g->ntensors; i++) {
        GenTensor *t = &g->tensors[i];
        if (t->root == i && t->use == USE_OWN && !t->is_local && !t->own_defined && pick(g, 4))
            make_definition(g, i, 2);
    }
}

static const char *range_text(Gen *g, int r)
{
    GenRange *range = &g->ranges[r];
    const char *lo = "0", *hi = range->dim;
    range->covers = true;
    if (!g->resident && chance(g, 4)) {
        range->covers = false;
        lo = chance(g, 2) ? "1" : "(-2)";
        if (r == 1 && chance(g, 2))
            lo = g->ranges[0].index;
        if (r == 1 && chance(g, 2))
            hi = SAY(g, "min(%s %% 5 + 1, M)", g->ranges[0].index);
    }
    return SAY(g, "%s in %s..%s%s%s", range->index, lo, hi, range->step > 1 ? " by " : "",
               range->step > 1 ? range->step_text : "");
}

static void make_phase(Gen *g, int number)
{
    bool unordered = number > 0 && !g->resident && chance(g, 4);
    const char *ranges = range_text(g, 0);
    if (g->nranges == 2)
        ranges = SAY(g, "%s, %s", ranges, range_text(g, 1));
    int names = g->nnames, tensors = g->ntensors, constants = g->nconstants;
    /* Names of the file: no @name hides one. */
    put_line(g, "%s%spar (%s) {", chance(g, 3) ? SAY(g, "@phase_%d ", number) : "",
             unordered ? "@unordered " : "", ranges);
    g->indent++;
    begin_epoch(g, unordered);
    for (int r = 0; r < g->nranges; r++)
        add_name(g, g->ranges[r].index, scalar_type(DT_I64), false);
    make_definitions(g);
    int epochs = g->resident ? 1 + (int)pick(g, 3) : 1;
    for (int k = 0; k < epochs; k++) {
        if (k > 0) {
            put_line(g, "grid_sync();");
            end_epoch(g);
            begin_epoch(g, false);
            make_definitions(g);
        }
        g->may_continue = k == epochs - 1;
        if (g->resident && g->programs >= 0 && chance(g, 3))
            make_exchange(g);
        make_statements(g, 1 + (int)pick(g, 5), 3);
        if (chance(g, 4))
            make_roles(g);
    }
    make_statements(g, (int)pick(g, 3), 3);
    end_epoch(g);
    g->indent--;
    put_line(g, "}");
    /* What this phase made stays, what its programs named goes. */
    g->nnames = names;
    g->ntensors = tensors;
    g->nconstants = constants;
}

/* ---- the file ---- */

static void argument(Made *made, const char *name, uint64_t bits)
{
    made->arguments[made->narguments].name = name;
    made->arguments[made->narguments++].bits = bits;
}

static void make_statics(Header *h)
{
    Gen *g = h->g;
    h->statics = "N: dim, M: dim, L: dim, flag: bool = false, S: side = side.right";
    if (chance(g, 2)) {
        int64_t d = pick_extent(g, 16);
        h->statics = SAY(g, "%s, D: int = %lld", h->statics, (long long)d);
        g->constants[g->nconstants].name = "D";
        g->constants[g->nconstants++].value = d;
    }
    if (chance(g, 2)) {
        g->type_value = pick_dtype(g);
        h->statics = SAY(g, "%s, T: type = %s", h->statics, dtype_info[g->type_value].name);
        g->type_static = "T";
    }
    if (chance(g, 2))
        h->forms = SAY(g, "%s flag: { true, false };", h->forms);
}

static void make_ranges(Header *h, Made *made)
{
    static const int64_t steps[] = {1, 2, 4, 3, 8};
    Gen *g = h->g;
    g->programs = -1;
    g->nranges = g->resident ? 1 : 1 + (int)pick(g, 2);
    for (int r = 0; r < g->nranges; r++) {
        GenRange *range = &g->ranges[r];
        int64_t step = steps[pick(g, 5)];
        *range = (GenRange){.index = r ? "m" : "n",
                            .dim = r ? "M" : "N",
                            .step = step,
                            .extent = r ? h->m : h->n,
                            .step_text = SAY(g, "%lld", (long long)step)};
        if (chance(g, 3)) {
            const char *name = r ? "BM" : "BN";
            range->step_text = name;
            if (chance(g, 2))
                h->statics = SAY(g, "%s, %s: tune = %lld", h->statics, name, (long long)step);
            else
                h->schedule = SAY(g, "%s let %s = tune { %lld, 64 };", h->schedule, name,
                                  (long long)step);
            g->constants[g->nconstants].name = name;
            g->constants[g->nconstants++].value = step;
        }
    }
    if (g->resident) {
        g->programs = chance(g, 2) ? -1 : 1 + (int64_t)pick(g, 5);
        int64_t p = g->programs < 0 ? 4 : g->programs;
        h->statics = SAY(g, "%s, P: dim", h->statics);
        h->schedule = g->programs < 0 ? SAY(g, "%s let P = grid.resident;", h->schedule)
                                      : SAY(g, "%s let P = %lld;", h->schedule, (long long)p);
        g->ranges[0] = (GenRange){
            .index = "p", .dim = "P", .step = 1, .extent = p, .step_text = "1"};
        argument(made, "P", (uint64_t)p);
    }
}

static void make_parameters(Header *h, Made *made)
{
    Gen *g = h->g;
    int inputs = 1 + (int)pick(g, 4), outputs = 1 + (int)pick(g, 3);
    h->params = "rows: in i32[N, M]";
    g->tensors[g->ntensors++] = (GenTensor){.text = "rows",
                                            .dtype = DT_I32,
                                            .rank = 2,
                                            .extent = {h->n, h->m},
                                            .range = {-1, -1, -1, -1},
                                            .dir = PARAM_IN,
                                            .use = USE_READ,
                                            .defined = true,
                                            .dense = true};
    make_table(h);
    for (int i = 0; i < inputs; i++)
        make_input(h, i);
    for (int i = 0; i < outputs; i++)
        make_output(h, i, chance(g, 4) ? PARAM_INOUT : PARAM_OUT);
    for (int i = (int)pick(g, 3); i > 0; i--)
        make_counter(h, i);
    for (int i = (int)pick(g, 3); i > 0; i--)
        make_output(h, 10 + i, PARAM_SCRATCH);
    for (int i = (int)pick(g, 3); i > 0; i--) {
        Type t = scalar_type(pick_dtype(g));
        const char *name = SAY(g, "a%d", i);
        if (t.dtype == DT_E2M1 || t.dtype == DT_TF32)
            t.dtype = DT_F32;
        h->params = SAY(g, "%s,\n   %s: %s", h->params, name, dtype_text(g, t.dtype));
        uint64_t bits = pick(g, 256) * 0x0101010101010101u;
        int width = dtype_info[t.dtype].bits;
        bits = t.dtype == DT_BOOL ? bits & 1
               : width < 64       ? bits & (((uint64_t)1 << width) - 1)
                                  : bits;
        argument(made, name, bits);
        add_name(g, name, t, false);
    }
}

static void make_functions(Gen *g)
{
    put_line(g, "enum side { left, right }");
    put_line(g, "fn same(a) { return a; }");
    put_line(g, "fn both(a, b) { let m = max(a, b); return (m, min(a, b)); }");
    g->fns = (int)pick(g, 3);
    for (int i = 0; i < g->fns; i++) {
        const char *body = make_body(g, 2, 1 + (int)pick(g, 3));
        if (chance(g, 2))
            put_line(g, "fn f%d(a, b) { let t = %s; return a * t; }", i, body);
        else
            put_line(g, "fn f%d(a, b) = b - %s;", i, body);
    }
}

Made generate(Arena *arena, const uint8_t *bytes, size_t count)
{
    static const int64_t dims[] = {9, 1, 4, 2, 8, 17, 0, 3, 16, 5};
    Gen *g = NEW(arena, Gen);
    *g = (Gen){.arena = arena, .bytes = bytes, .count = count, .budget = 400, .serial = 20};
    Made made = {0};
    Header h = {.g = g, .params = "", .scratch = "", .forms = "", .schedule = "", .attributes = ""};
    char *text = NULL;
    size_t size = 0;
    g->out = open_memstream(&text, &size);
    if (!g->out)
        abort();
    made.risky = g->risky = chance(g, 4);
    g->resident = chance(g, 4);
    h.n = dims[pick(g, 10)];
    h.m = dims[pick(g, 10)];
    argument(&made, "N", (uint64_t)h.n);
    argument(&made, "M", (uint64_t)h.m);
    argument(&made, "L", 1 + pick(g, 3));
    make_statics(&h);
    make_ranges(&h, &made);
    make_functions(g);
    add_name(g, "i64(N)", scalar_type(DT_I64), false);
    add_name(g, "i64(M)", scalar_type(DT_I64), false);
    make_parameters(&h, &made);
    put_line(g, "kernel k[%s]\n  (%s)", h.statics, h.params);
    if (*h.scratch)
        put_line(g, "  scratch (%s)", h.scratch);
    put_line(g, "{");
    g->indent++;
    int phases = 1 + (int)pick(g, 3);
    for (int i = 0; i < phases; i++)
        make_phase(g, i);
    g->indent--;
    put_line(g, "}");
    if (*h.schedule)
        put_line(g, "schedule k for sm90 {%s }", h.schedule);
    if (*h.forms)
        put_line(g, "instances k {%s }", h.forms);
    fclose(g->out);
    made.text = arena_text(arena, text, size);
    free(text);
    return made;
}
