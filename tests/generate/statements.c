/* Statements of a program: bindings, blocks, loops, roles. */
#include <string.h>

#include "tests/generate/generate.h"

typedef struct Scope {
    int names, tensors, constants;
} Scope;

static Scope open_scope(Gen *g)
{
    g->indent++;
    g->blocks++;
    return (Scope){g->nnames, g->ntensors, g->nconstants};
}

static void close_scope(Gen *g, Scope s)
{
    g->nnames = s.names;
    g->ntensors = s.tensors;
    g->nconstants = s.constants;
    g->blocks--;
    g->indent--;
}

/* Types that the operations of few types have: sums, mma, orders, conditions. */
static Type pick_busy_type(Gen *g)
{
    static const DType types[] = {DT_F32, DT_I32, DT_BOOL, DT_F32, DT_I32, DT_U32};
    Type t = pick_shape(g, types[pick(g, 6)], 2);
    if (t.rank && chance(g, 2))
        t.dims[pick(g, (unsigned)t.rank)] = 1;
    return t;
}

static void make_let(Gen *g, int depth, bool is_var)
{
    bool busy = chance(g, 2);
    Type t = busy ? pick_busy_type(g) : pick_shape(g, pick_dtype(g), 3);
    const char *value = busy ? make_number(g, &t, depth) : NULL,
               *name = fresh(g, is_var ? "var" : "v");
    if (!value)
        value = make(g, &t, depth);
    put_line(g, "%s %s = %s;", is_var ? "var" : "let", name, value);
    add_name(g, name, t, is_var);
}

static void make_tuple(Gen *g, int depth)
{
    Type t = pick_shape(g, pick_dtype(g), 3), index;
    const char *a = fresh(g, "a"), *b = fresh(g, "b");
    if (t.dtype == DT_BOOL)
        return;
    if (t.rank == 0 || chance(g, 2)) {
        const char *x = make(g, &t, depth);
        put_line(g, "let (%s, %s) = both(%s, %s);", a, b, x, make(g, &t, depth));
        add_name(g, b, t, false);
    } else {
        Type from = t;
        int axis = (int)pick(g, (unsigned)t.rank);
        from.dims[axis] += (int64_t)pick(g, 3);
        put_line(g, "let (%s, %s) = topk(%s, %s, %d);", a, b, make(g, &from, depth),
                 extent_text(g, t.dims[axis]), axis);
        index = t;
        index.dtype = DT_I32;
        add_name(g, b, index, false);
    }
    add_name(g, a, t, false);
}

static void make_assignment(Gen *g, int depth)
{
    int vars[MOST_NAMES], n = 0;
    for (int i = 0; i < g->nnames; i++)
        if (g->names[i].is_var)
            vars[n++] = i;
    if (n == 0) {
        make_let(g, depth, true);
        return;
    }
    const GenName *v = &g->names[vars[pick(g, (unsigned)n)]];
    bool literal_fits = v->type.rank == 0 && chance(g, 5);
    put_line(g, "%s = %s;", v->text,
             literal_fits ? literal(g, v->type.dtype) : make(g, &v->type, depth));
}

static void make_local(Gen *g, int depth)
{
    GenTensor t = {.dtype = pick_dtype(g),
                   .range = {-1, -1, -1, -1},
                   .is_local = true,
                   .dense = true,
                   .use = USE_OWN,
                   .dir = PARAM_SCRATCH,
                   .root = g->ntensors};
    Type shape = pick_shape(g, t.dtype, 3);
    if (shape.rank == 0 || g->ntensors >= MOST_TENSORS - 8)
        return;
    t.rank = shape.rank;
    t.text = fresh(g, "local");
    for (int i = 0; i < t.rank; i++) {
        t.extent[i] = shape.dims[i];
        t.fixed[i] = true;
    }
    put_line(g, "local %s: %s[%s];", t.text, dtype_text(g, t.dtype), shape_list(g, &shape));
    g->tensors[g->ntensors++] = t;
    make_definition(g, t.root, depth);
}

/* ---- blocks ---- */

static void make_block(Gen *g, int count, int depth, bool may_end)
{
    Scope s = open_scope(g);
    make_statements(g, count, depth);
    if (may_end && g->may_continue && chance(g, 4))
        put_line(g, "continue;");
    close_scope(g, s);
}

static void make_if(Gen *g, int depth)
{
    Type c = scalar_type(DT_BOOL);
    const char *condition = chance(g, 8) ? "flag" : make(g, &c, depth);
    put_line(g, "if %s {", condition);
    make_block(g, 1 + (int)pick(g, 2), depth, true);
    if (chance(g, 3)) {
        put_line(g, "} else if %s {", make(g, &c, depth));
        make_block(g, 1, depth, true);
    }
    if (chance(g, 2)) {
        put_line(g, "} else {");
        make_block(g, 1 + (int)pick(g, 2), depth, true);
    }
    put_line(g, "}");
}

static const char *make_range(Gen *g, int depth)
{
    switch (pick(g, 6)) {
    case 0:
        return SAY(g, "0..%u", pick(g, 5));
    case 1:
        return SAY(g, "%d..%u by %u", (int)pick(g, 9) - 4, pick(g, 9), 2 + pick(g, 4));
    case 2:
        return SAY(g, "0..%s", make_index(g, 5, depth));
    case 3:
        return SAY(g, "%s..4", make_index(g, 5, depth));
    case 4:
        return SAY(g, "0..N by %u", 5 + pick(g, 4));
    default:
        return SAY(g, "0..M by %s + 3", make_index(g, 5, depth));
    }
}

static void make_loop(Gen *g, int depth)
{
    Type i64 = scalar_type(DT_I64);
    bool outer = g->may_continue, share = chance(g, 4);
    if (g->loops >= 2)
        return;
    const char *i = fresh(g, "i"), *j = fresh(g, "j"), *range = make_range(g, depth);
    if (share)
        put_line(g, "for (%s in 0..%u, %s in %s..%u) of (%s, %u) {", i, pick(g, 4), j,
                 chance(g, 2) ? i : "0", pick(g, 5), make_index(g, 3, depth), 1 + pick(g, 3));
    else
        put_line(g, "for %s in %s {", i, range);
    int n = g->nnames;
    add_name(g, i, i64, false);
    if (share)
        add_name(g, j, i64, false);
    g->loops++;
    g->may_continue = true;
    make_block(g, 1 + (int)pick(g, 3), depth, false);
    g->may_continue = outer;
    g->loops--;
    g->nnames = n;
    put_line(g, "}");
}

static void make_has(Gen *g, int depth)
{
    for (int i = 0; i < g->ntensors; i++) {
        GenTensor *t = &g->tensors[i];
        if (!t->hidden)
            continue;
        put_line(g, "if has(%s) {", t->text);
        t->hidden = false;
        make_block(g, 1 + (int)pick(g, 2), depth, true);
        g->tensors[i].hidden = true;
        put_line(g, "}");
        return;
    }
}

static void make_check(Gen *g, int depth)
{
    Type c = pick_shape(g, DT_BOOL, 2), one = scalar_type(DT_BOOL);
    if (g->risky && chance(g, 2)) {
        put_line(g, "assert(%s, \"text\");", make(g, &one, depth));
        return;
    }
    const char *x = make(g, &c, depth);
    put_line(g, "%s(all(%s | !%s)%s);", chance(g, 2) ? "assume" : "assert", x, x,
             chance(g, 2) ? ", \"always\"" : "");
}

static void make_constant(Gen *g)
{
    if (g->nconstants == sizeof g->constants / sizeof *g->constants)
        return;
    int64_t value = pick_extent(g, 8);
    const char *name = fresh(g, "c");
    put_line(g, "const %s = %lld;", name, (long long)value);
    g->constants[g->nconstants].name = name;
    g->constants[g->nconstants++].value = value;
}

static void make_statement(Gen *g, int depth)
{
    switch (pick(g, 18)) {
    case 0:
    case 1:
        make_let(g, depth, false);
        break;
    case 2:
    case 3:
        make_let(g, depth, true);
        break;
    case 4:
    case 5:
        make_assignment(g, depth);
        break;
    case 6:
        make_tuple(g, depth);
        break;
    case 7:
        make_if(g, depth - 1);
        break;
    case 8:
        make_loop(g, depth - 1);
        break;
    case 9:
        make_local(g, depth);
        break;
    case 10:
        make_view(g);
        break;
    case 11:
        make_has(g, depth - 1);
        break;
    case 12:
        make_check(g, depth);
        break;
    case 13:
        make_atomic(g, depth);
        break;
    case 14:
        make_constant(g);
        break;
    default:
        make_store(g, depth);
    }
}

void make_statements(Gen *g, int count, int depth)
{
    for (int i = 0; i < count; i++)
        if (depth > 0 && g->budget > 0)
            make_statement(g, depth);
        else
            make_store(g, 1);
}

void make_exchange(Gen *g)
{
    Type t = pick_shape(g, pick_dtype(g), 2), all = t;
    const char *name = fresh(g, "all"), *mine = make(g, &t, 2);
    all.rank = t.rank + 1;
    all.dims[0] = g->programs;
    for (int i = 0; i < t.rank; i++)
        all.dims[i + 1] = t.dims[i];
    put_line(g, "let %s = exchange(%s);", name, mine);
    add_name(g, name, all, false);
}

/* ---- roles ---- */

typedef struct GenPipe {
    const char *name;
    int fields;
    Type types[2];
} GenPipe;

static const char *const field_names[] = {"f", "g"};

static GenPipe make_pipe(Gen *g)
{
    GenPipe p = {.name = fresh(g, "pipe"), .fields = 1 + (int)pick(g, 2)};
    const char *text = "";
    for (int i = 0; i < p.fields; i++) {
        Type t = p.types[i] = pick_shape(g, pick_dtype(g), 2);
        const char *shape = t.rank ? SAY(g, "[%s]", shape_list(g, &t)) : "";
        text = SAY(g, "%s%s%s: %s%s", text, i ? ", " : "", field_names[i], dtype_text(g, t.dtype),
                   shape);
    }
    put_line(g, "pipe %s[%u] { %s };", p.name, 1 + pick(g, 3), text);
    return p;
}

static void make_put(Gen *g, const GenPipe *p)
{
    const char *text = "";
    for (int i = 0; i < p->fields; i++)
        text = SAY(g, "%s%s%s = %s", text, i ? ", " : "", field_names[i], make(g, &p->types[i], 2));
    put_line(g, "put %s { %s };", p->name, text);
}

static void make_get(Gen *g, const GenPipe *p, const GenPipe *then)
{
    const char *item = fresh(g, "s");
    put_line(g, "get %s as %s {", p->name, item);
    Scope s = open_scope(g);
    for (int i = 0; i < p->fields; i++)
        add_name(g, SAY(g, "%s.%s", item, field_names[i]), p->types[i], false);
    make_statements(g, 1 + (int)pick(g, 2), 2);
    if (then)
        make_put(g, then);
    else
        make_assignment(g, 2);
    close_scope(g, s);
    put_line(g, "}");
}

/* What a role does with the pipes in each round. */
typedef enum Part { PART_PUTS, PART_PASSES, PART_GETS } Part;

static void make_role(Gen *g, Part part, const GenPipe *pipes, int npipes, const char *range)
{
    Type i64 = scalar_type(DT_I64);
    const char *i = fresh(g, "k");
    put_line(g, "role %s %s {", fresh(g, "role"), chance(g, 2) ? "warps(1)" : "warps(4) regs(40)");
    Scope s = open_scope(g);
    make_let(g, 2, true);
    put_line(g, "for %s in %s {", i, range);
    Scope inner = open_scope(g);
    g->loops++;
    add_name(g, i, i64, false);
    make_statements(g, (int)pick(g, 2), 2);
    for (int k = 0; k < npipes; k++) {
        if (part == PART_PUTS)
            make_put(g, &pipes[k]);
        else
            make_get(g, &pipes[k], part == PART_PASSES ? &pipes[1] : NULL);
        if (part == PART_PASSES)
            break;
    }
    g->loops--;
    close_scope(g, inner);
    put_line(g, "}");
    if (part == PART_GETS)
        make_store(g, 2);
    close_scope(g, s);
    put_line(g, "}");
}

/* A range that has equally many rounds wherever it stands. */
static const char *make_trips(Gen *g)
{
    const char *name = fresh(g, "rounds");
    switch (pick(g, 5)) {
    case 0:
        return SAY(g, "0..%u", pick(g, 4));
    case 1:
        return SAY(g, "0..N by %u", 5 + pick(g, 4));
    case 2:
        return SAY(g, "%u..M by %u", pick(g, 4), 3 + pick(g, 4));
    default:
        put_line(g, "let %s = %s;", name, make_index(g, 5, 2));
    }
    return SAY(g, chance(g, 2) ? "0..%s" : "%s..4", name);
}

void make_roles(Gen *g)
{
    GenPipe pipes[2] = {make_pipe(g), make_pipe(g)};
    bool chain = chance(g, 2), may_continue = g->may_continue;
    int nroles = chain ? 3 : 2 + (int)pick(g, 2), n = g->ntensors;
    const char *range = make_trips(g);
    int *role_of = NEW_ARRAY(g->arena, int, MOST_TENSORS);
    bool *vars = NEW_ARRAY(g->arena, bool, MOST_NAMES);
    Use *uses = NEW_ARRAY(g->arena, Use, MOST_TENSORS);
    for (int i = 0; i < n; i++) {
        role_of[i] = (int)pick(g, (unsigned)nroles);
        uses[i] = g->tensors[i].use;
    }
    int nnames = g->nnames;
    for (int i = 0; i < nnames; i++) {
        vars[i] = g->names[i].is_var;
        g->names[i].is_var = false;
    }
    g->may_continue = false;
    g->in_role = true;
    put_line(g, "roles {");
    g->indent++;
    for (int r = 0; r < nroles; r++) {
        /* A tensor that is stored to belongs to one role. */
        for (int i = 0; i < n; i++)
            g->tensors[i].use = uses[i] == USE_OWN && role_of[i] != r ? USE_NONE : uses[i];
        if (r == 0)
            make_role(g, PART_PUTS, pipes, chain ? 1 : 2, range);
        else if (chain && r == 1)
            make_role(g, PART_PASSES, pipes, 2, range);
        else if (chain)
            make_role(g, PART_GETS, pipes + 1, 1, range);
        else
            make_role(g, PART_GETS, pipes, 2, range);
    }
    g->indent--;
    put_line(g, "}");
    for (int i = 0; i < n; i++)
        g->tensors[i].use = uses[i];
    for (int i = 0; i < nnames; i++)
        g->names[i].is_var = vars[i];
    g->in_role = false;
    g->may_continue = may_continue;
}
