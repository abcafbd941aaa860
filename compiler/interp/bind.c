#include "compiler/interp/bind.h"

#include <string.h>

/* What one extent of a given tensor says: axis `rank` of a table is its number of entries. */
typedef struct Fact {
    const Op *tensor;
    const Value *value;
    int axis;
    int64_t found;
} Fact;

typedef struct FactList {
    Fact *items;
    int count, capacity;
} FactList;

static bool is_table(const Op *tensor)
{
    return tensor->results[0]->type.kind == TY_TABLE;
}

static bool report(const Binder *b, const Op *op, const char *text)
{
    return diag_error(b->diag, op->pos, NULL, "%s: %s", b->kernel->name, text);
}

static const Argument *find_argument(const Argument *arguments, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(arguments[i].name, name) == 0)
            return &arguments[i];
    return NULL;
}

/* Lists dims and scalars, and sets those the user gave. */
static bool list_unknowns(Binder *b, const Argument *arguments, int count)
{
    bool ok = true;
    for (const Op *op = b->kernel->body->first; op; op = op->next)
        b->ndims += op->code == OP_DIM || op->code == OP_SCALAR;
    b->dims = NEW_ARRAY(b->arena, Unknown, b->ndims);
    int n = 0;
    for (const Op *op = b->kernel->body->first; op; op = op->next) {
        if (op->code != OP_DIM && op->code != OP_SCALAR)
            continue;
        const Argument *a = find_argument(arguments, count, op->name);
        Unknown *u = &b->dims[n++];
        *u = (Unknown){.op = op, .known = a != NULL, .bits = a ? a->bits : 0, .origin = "-s"};
        if (a && op->code == OP_DIM && (int64_t)a->bits < 0)
            ok = report(b, op,
                        arena_format(b->arena, "dim %s is %lld: a dim is not negative", op->name,
                                     (long long)a->bits));
        if (!a && op->code == OP_SCALAR)
            ok = report(b, op,
                        arena_format(b->arena, "scalar %s is not given: give -s %s=VALUE", op->name,
                                     op->name));
    }
    return ok;
}

static bool list_facts(Binder *b, FactList *facts)
{
    for (int g = 0; g < b->ngiven; g++) {
        const Shape *s = &b->given[g];
        const Op *t = s->tensor;
        int rank = t->results[0]->type.rank;
        if (s->rank != rank)
            return report(b, t,
                          arena_format(b->arena, "%s: has %d %s, not %d", t->name, s->rank,
                                       s->rank == 1 ? "axis" : "axes", rank));
        if (!is_table(t) && s->entries != 1)
            return report(b, t,
                          arena_format(b->arena, "%s: is no table, and %d entries are given",
                                       t->name, s->entries));
        for (int i = 0; i < rank; i++) {
            Fact f = {t, t->args[i], i, s->extent[i]};
            PUSH(b->arena, facts, f);
        }
        if (is_table(t)) {
            Fact f = {t, t->args[rank], rank, s->entries};
            PUSH(b->arena, facts, f);
        }
    }
    return true;
}

static const char *fact_text(const Binder *b, const Fact *f)
{
    if (f->axis == f->tensor->results[0]->type.rank)
        return arena_format(b->arena, "%s: entries are %lld", f->tensor->name, (long long)f->found);
    return arena_format(b->arena, "%s: axis %d is %lld", f->tensor->name, f->axis,
                        (long long)f->found);
}

/* "K is 4096 (from x), M is 3 (from -s)": what the value is made of. */
static const char *dims_text(const Binder *b, const Value *v)
{
    const char *text = "";
    for (int i = bind_dependency(b, v, 0); i >= 0; i = bind_dependency(b, v, i + 1)) {
        const Unknown *u = &b->dims[i];
        if (!u->known || u->op->results[0]->type.dtype == DT_F32)
            continue;
        int64_t n = bits_to_int(u->op->results[0]->type.dtype, u->bits);
        const char *from = strcmp(u->origin, "-s") ? "from " : "";
        text = arena_format(b->arena, "%s%s%s is %lld (%s%s)", text, *text ? ", " : "", u->op->name,
                            (long long)n, from, u->origin);
    }
    return text;
}

static void set_dim(Unknown *u, int64_t value, const Fact *f)
{
    u->known = true;
    u->bits = (uint64_t)value;
    u->origin = f->tensor->name;
}

/* Bare names: the first tensor that shows one has its say. */
static bool solve_names(Binder *b, const FactList *facts)
{
    for (int i = 0; i < facts->count; i++) {
        const Fact *f = &facts->items[i];
        for (int d = 0; d < b->ndims; d++) {
            Unknown *u = &b->dims[d];
            if (f->value != u->op->results[0] || u->known || u->op->code != OP_DIM)
                continue;
            if (f->found < 0)
                return report(
                    b, f->tensor,
                    arena_format(b->arena, "%s: an extent is not negative", fact_text(b, f)));
            set_dim(u, f->found, f);
        }
    }
    return true;
}

static bool no_solution(Binder *b, const Fact *f, const Unknown *u)
{
    return report(b, f->tensor,
                  arena_format(b->arena, "%s, and no %s gives that by %s", fact_text(b, f),
                               u->op->name, bind_text(b, f->value)));
}

/* The d >= 0 with scale * d + offset == found. */
static bool divide_exactly(int64_t found, int64_t offset, int64_t scale, int64_t *d)
{
    int64_t rest;
    if (__builtin_sub_overflow(found, offset, &rest) || rest == INT64_MIN || rest % scale != 0)
        return false;
    *d = rest / scale;
    return *d >= 0;
}

/* What a schedule binds to what is known by now; *any: there was one. */
static bool solve_bound(Binder *b, bool *any)
{
    for (int d = 0; d < b->ndims; d++) {
        Unknown *u = &b->dims[d];
        Form f = u->known || u->op->nargs == 0 ? (Form){0} : bind_form(b, u->op->args[0]);
        if (f.kind == FORM_FAULT)
            return report(b, u->op, arena_format(b->arena, "%s: %s", u->op->name, f.message));
        if (f.kind != FORM_KNOWN)
            continue;
        *u = (Unknown){.op = u->op, .known = true, .bits = f.bits, .origin = "the schedule"};
        *any = true;
    }
    return true;
}

/* Affine expressions with one dim left to find; each found may leave others with one. */
static bool solve_affine(Binder *b, const FactList *facts)
{
    bool again = true;
    while (again) {
        again = false;
        bind_evaluate(b);
        if (!solve_bound(b, &again))
            return false;
        for (int i = 0; i < facts->count && !again; i++) {
            const Fact *f = &facts->items[i];
            Form form = bind_form(b, f->value);
            int64_t rest;
            if (form.kind != FORM_AFFINE)
                continue;
            Unknown *u = &b->dims[form.dim];
            if (!divide_exactly(f->found, form.offset, form.scale, &rest))
                return no_solution(b, f, u);
            set_dim(u, rest, f);
            again = true;
        }
    }
    return true;
}

/* Dims that nothing has solved: which tensor would show them, or none. */
static bool check_solved(Binder *b, const FactList *facts)
{
    bool ok = true;
    for (int d = 0; d < b->ndims; d++) {
        const Unknown *u = &b->dims[d];
        const Fact *shown = NULL;
        if (u->known || u->op->code != OP_DIM)
            continue;
        for (int i = 0; i < facts->count && !shown; i++) {
            Form form = bind_form(b, facts->items[i].value);
            if (form.kind == FORM_HARD && bind_dependency(b, facts->items[i].value, d) == d)
                shown = &facts->items[i];
        }
        const char *name = u->op->name;
        if (shown)
            ok = report(b, u->op,
                        arena_format(b->arena,
                                     "%s, which does not tell dim %s in %s: give "
                                     "-s %s=VALUE",
                                     fact_text(b, shown), name, bind_text(b, shown->value), name));
        else
            ok = report(b, u->op,
                        arena_format(b->arena,
                                     "dim %s is shown by no given tensor: "
                                     "give -s %s=VALUE",
                                     name, name));
    }
    return ok;
}

/* An i64 of the header, or a message about `what` ("y: axis 1"). */
static bool header_int(Binder *b, const Op *at, const Value *v, const char *what, int64_t *out)
{
    Form f = bind_form(b, v);
    if (f.kind == FORM_KNOWN) {
        *out = (int64_t)f.bits;
        return true;
    }
    const char *why = f.kind == FORM_FAULT ? f.message : "is nothing the host computes";
    return report(b, at, arena_format(b->arena, "%s: %s: %s", what, bind_text(b, v), why));
}

static const char *axis_name(const Binder *b, const Op *tensor, int axis)
{
    if (axis == tensor->results[0]->type.rank)
        return arena_format(b->arena, "%s: entries", tensor->name);
    return arena_format(b->arena, "%s: axis %d", tensor->name, axis);
}

static bool check_fact(Binder *b, const Fact *f)
{
    int64_t want = 0;
    if (!header_int(b, f->tensor, f->value, axis_name(b, f->tensor, f->axis), &want))
        return false;
    if (want == f->found)
        return true;
    const char *text = bind_text(b, f->value), *dims = dims_text(b, f->value);
    int64_t constant;
    if (value_int(f->value, &constant) || !*dims)
        text = arena_format(b->arena, "%s, not %lld", fact_text(b, f), (long long)want);
    else if (f->value->op && f->value->op->code == OP_DIM)
        text = arena_format(b->arena, "%s, %s", fact_text(b, f), dims);
    else
        text = arena_format(b->arena, "%s, %s is %lld; %s", fact_text(b, f), text, (long long)want,
                            dims);
    return report(b, f->tensor, text);
}

/* Elements and bytes of a tensor must be countable. */
static bool check_size(Binder *b, const Op *t, const int64_t *extent)
{
    const int64_t most = INT64_MAX / 16;
    int64_t n = 1;
    for (int i = 0; i < t->results[0]->type.rank; i++)
        if (extent[i] == 0)
            return true;
    for (int i = 0; i < t->results[0]->type.rank; i++)
        if (extent[i] > most / n)
            return report(b, t, arena_format(b->arena, "%s: has more than 2^59 elements", t->name));
        else
            n *= extent[i];
    return true;
}

static bool tensor_extents(Binder *b, const Op *t, int64_t *extent, int *entries)
{
    int rank = t->results[0]->type.rank;
    int64_t n = 1;
    for (int i = 0; i < rank + is_table(t); i++) {
        const char *what = axis_name(b, t, i);
        if (!header_int(b, t, t->args[i], what, &n))
            return false;
        if (n < 0 || (i == rank && n > INT32_MAX))
            return report(b, t,
                          arena_format(b->arena, "%s would be %lld by %s; %s", what, (long long)n,
                                       bind_text(b, t->args[i]), dims_text(b, t->args[i])));
        if (i < rank)
            extent[i] = n;
    }
    *entries = is_table(t) ? (int)n : 1;
    return check_size(b, t, extent);
}

static bool all_extents(Binder *b, Solution *out)
{
    bool ok = true;
    int n = 0;
    for (const Op *op = b->kernel->body->first; op; op = op->next)
        n += op->code == OP_TENSOR;
    out->extents = arena_alloc(b->arena, (size_t)n * sizeof *out->extents);
    out->entries = NEW_ARRAY(b->arena, int, n);
    n = 0;
    for (const Op *op = b->kernel->body->first; op; op = op->next)
        if (op->code == OP_TENSOR) {
            ok = tensor_extents(b, op, out->extents[n], &out->entries[n]) && ok;
            n++;
        }
    return ok;
}

static bool check_requirements(Binder *b)
{
    bool ok = true;
    for (const Op *op = b->kernel->body->first; op; op = op->next) {
        int64_t holds = 0;
        if (op->code != OP_REQUIRE)
            continue;
        const char *text = op->name ? op->name : bind_text(b, op->args[0]);
        if (!header_int(b, op, op->args[0], text, &holds)) {
            ok = false;
        } else if (!holds) {
            const char *dims = dims_text(b, op->args[0]);
            ok = report(
                b, op,
                arena_format(b->arena, "%s does not hold%s%s", text, *dims ? ": " : "", dims));
        }
    }
    return ok;
}

/* Is the schedule for this call? */
static bool check_when(Binder *b, bool *taken)
{
    *taken = true;
    for (const Op *op = b->kernel->body->first; op; op = op->next) {
        int64_t holds = 1;
        if (op->code == OP_WHEN && !header_int(b, op, op->args[0], "when", &holds))
            return false;
        *taken = *taken && holds;
    }
    return true;
}

static void give_arguments(const Binder *b, Solution *out)
{
    out->narguments = b->ndims;
    out->arguments = NEW_ARRAY(b->arena, Argument, b->ndims);
    for (int i = 0; i < b->ndims; i++)
        out->arguments[i] = (Argument){b->dims[i].op->name, b->dims[i].bits};
}

bool bind_solve(Arena *arena, Diag *diag, const Kernel *k, const Shape *given, int ngiven,
                const Argument *arguments, int narguments, Solution *out)
{
    Binder b = {.arena = arena, .diag = diag, .kernel = k, .given = given, .ngiven = ngiven};
    FactList facts = {0};
    bool ok = list_unknowns(&b, arguments, narguments);
    if (!list_facts(&b, &facts) || !ok)
        return false;
    if (!solve_names(&b, &facts) || !solve_affine(&b, &facts) || !check_solved(&b, &facts))
        return false;
    for (int i = 0; i < facts.count; i++)
        ok = check_fact(&b, &facts.items[i]) && ok;
    if (!ok || !check_when(&b, &out->taken))
        return false;
    if (out->taken && (!all_extents(&b, out) || !check_requirements(&b)))
        return false;
    give_arguments(&b, out);
    return true;
}

int64_t bind_programs(Arena *arena, Diag *diag, const Kernel *k, const Op *par,
                      const Argument *arguments, int narguments)
{
    Binder b = {.arena = arena, .diag = diag, .kernel = k};
    if (!list_unknowns(&b, arguments, narguments))
        return -1;
    bind_evaluate(&b);
    int64_t programs = 1;
    for (int i = 0; i + 1 < par->nregions; i++) {
        const Op *yield = par->regions[i]->last;
        int64_t v[3];
        for (int j = 0; j < 3; j++) {
            Form f = bind_form(&b, yield->args[j]);
            if (f.kind != FORM_KNOWN)
                return -1;
            v[j] = (int64_t)f.bits;
        }
        int64_t n = v[0] < v[1] && v[2] > 0 ? (v[1] - v[0] + v[2] - 1) / v[2] : 0;
        if (__builtin_mul_overflow(programs, n, &programs))
            return -1;
    }
    return programs;
}
