/* Branches and loops in CUDA. Carried values live in the results' variables. */
#include <string.h>

#include "compiler/cuda.h"

static void declare_variable(Cuda *c, const Value *v)
{
    if (v->type.kind == TY_TILE)
        declare(c, v);
}

static void assign(Cuda *c, const Value *to, const Value *from)
{
    if (is_uniform(to)) {
        line(c, "%s = %s;", c_name(c, to), c_name(c, from));
        return;
    }
    const Layout *l = layout_of(c, to);
    const char *name = fitted(c, from, l);
    if (name && strcmp(name, c_name(c, to)))
        line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)registers(c, to), c_name(c, to),
             element(c, from, name, l, "r"));
}

/* A variable that an earlier one of these assignments overwrites is read from a copy. */
static void assign_all(Cuda *c, Value *const *to, Value *const *from, int n)
{
    const char **kept = NEW_ARRAY(c->arena, const char *, n);
    for (int k = 1; k < n; k++) {
        const Value *v = from[k];
        bool lost = false;
        for (int j = 0; j < k; j++)
            lost |= strcmp(c_name(c, v), c_name(c, to[j])) == 0;
        if (!lost)
            continue;
        kept[k] = c->name[v->id];
        const char *copy = new_temp(c, "old");
        int64_t regs = is_uniform(v) ? 0 : registers(c, v);
        if (regs) {
            line(c, "%s %s[%lld];", c_type(held(c, v)), copy, (long long)regs);
            line(c, "TILE_EACH(r, %lld) %s[r] = %s[r];", (long long)regs, copy, kept[k]);
        } else {
            line(c, "const %s %s = %s;", c_type(held(c, v)), copy, kept[k]);
        }
        c->name[v->id] = copy;
    }
    for (int k = 0; k < n; k++)
        assign(c, to[k], from[k]);
    for (int k = 1; k < n; k++)
        if (kept[k])
            c->name[from[k]->id] = kept[k];
}

void give_yield(Cuda *c, const Region *r, const Op *op)
{
    if (r->last && r->last->code == OP_YIELD)
        assign_all(c, op->results, r->last->args, op->nresults);
}

void begin_carried(Cuda *c, const Op *op, int from, int at)
{
    const Region *body = op->regions[0];
    for (int k = 0; k < op->nresults; k++) {
        const Value *arg = body->args[at + k];
        declare_variable(c, op->results[k]);
        assign(c, op->results[k], op->args[from + k]);
        c->name[arg->id] = c_name(c, op->results[k]);
        /* The variable has the result's layout. */
        if (!is_uniform(op->results[k]))
            c->low->layout[arg->id] = *layout_of(c, op->results[k]);
    }
}

/* ---- programs that share a warp ---- */

/* Every program has the same value. */
static bool is_common(Cuda *c, const Value *v)
{
    if (!v->op) {
        const Op *loop = v->region->parent;
        return loop && loop->code == OP_FOR && v->index == 0 && is_common(c, loop->args[0]) &&
               is_common(c, loop->args[1]) && is_common(c, loop->args[2]);
    }
    if (v->op->code == OP_CONST || host_value(c->host, v) >= 0)
        return true;
    bool common = v->op->nargs > 0 && v->op->nregions == 0 && v->op->code != OP_LOAD &&
                  v->op->code != OP_ATOMIC_ADD && v->op->code != OP_EXTRACT;
    for (int i = 0; common && i < v->op->nargs; i++)
        common = is_common(c, v->op->args[i]);
    return common;
}

/* What all lanes of a warp do together, in a range of statements. */
typedef struct Meetings {
    int shuffles, syncs;
} Meetings;

static void number_all(Statement *block, int *n)
{
    for (Statement *s = block->first; s; s = s->next) {
        s->number = (*n)++;
        number_all(s, n);
    }
}

static int last_number(const Statement *s)
{
    while (s->last)
        s = s->last;
    return s->number;
}

static bool has_text(const Statement *s, const char *word)
{
    return s->text && strstr(s->text, word);
}

/* Of statements from `from` on, those in [a, b] excepted or, with `inside`, alone. */
static void find_meetings(const Statement *block, int from, int a, int b, bool inside, Meetings *m)
{
    for (const Statement *s = block->first; s; s = s->next) {
        bool in = s->number >= a && s->number <= b;
        if (s->number >= from && in == inside) {
            m->syncs += s->kind == STATEMENT_SYNC;
            m->shuffles += has_text(s, "tile_shuffle") || has_text(s, "tile_first_lanes") ||
                           has_text(s, "tile_scan_") || has_text(s, "tile_every_lane");
        }
        find_meetings(s, from, a, b, inside, m);
    }
}

static bool goes_on(const Statement *block)
{
    for (const Statement *s = block->first; s; s = s->next)
        if ((s->jumps && strcmp(s->text, "continue;") == 0) ||
            (s->kind != STATEMENT_LOOP && goes_on(s)))
            return true;
    return false;
}

/* Those that do not come to this block, or have left its loop's round, meet the others elsewhere:
 * behind it, or anywhere in the loops around it. */
static bool comes_apart(const Statement *root, const Statement *s)
{
    const Statement *outer = NULL, *inner = NULL;
    for (const Statement *p = s->parent; p; p = p->parent)
        if (p->kind == STATEMENT_LOOP)
            outer = p, inner = inner ? inner : p;
    bool leaves = s->kind != STATEMENT_LOOP && goes_on(s) && inner;
    int end = last_number(leaves ? inner : s);
    Meetings own = {0}, others = {0};
    find_meetings(root, 0, s->number, end, true, &own);
    find_meetings(root, outer ? outer->number : end, s->number, end, false, &others);
    return (own.shuffles && (others.shuffles || others.syncs)) || (own.syncs && others.shuffles);
}

static const Op *find_apart(const Statement *root, const Statement *block)
{
    const Op *found = NULL;
    for (const Statement *s = block->first; s && !found; s = s->next)
        found = s->apart && comes_apart(root, s) ? s->apart : find_apart(root, s);
    return found;
}

/* A shuffle takes all lanes of the warp that have not ended: programs that share one come to it
 * together. */
bool check_lanes(Cuda *c)
{
    ThreadUnit u = c->plan->unit;
    int n = 0;
    if (u.lanes == 1 || u.lanes == 32)
        return true;
    number_all(c->out.root, &n);
    const Op *op = find_apart(c->out.root, c->out.root);
    if (!op)
        return true;
    c->failed = true;
    return diag_error(c->low->diag, op->pos, "write unit warp",
                      "unit lanes(%d): programs of one warp may differ here, and what they do then "
                      "takes all of its lanes",
                      u.lanes);
}

static bool emit_if(Cuda *c, const Op *op)
{
    const Region *other = op->regions[1];
    bool has_other = (other->first && other->first->code != OP_YIELD) || op->nresults;
    for (int k = 0; k < op->nresults; k++)
        declare_variable(c, op->results[k]);
    const Op *apart = is_common(c, op->args[0]) ? NULL : op;
    open_block(c, STATEMENT_THEN, "if (%s)", c_name(c, op->args[0]))->apart = apart;
    emit_region_ops(c, op->regions[0]);
    give_yield(c, op->regions[0], op);
    close_block(c);
    if (!has_other)
        return !c->failed;
    open_block(c, STATEMENT_ELSE, "else")->apart = apart;
    emit_region_ops(c, other);
    give_yield(c, other, op);
    close_block(c);
    return !c->failed;
}

/* A loop counter that stays small is an int. */
static const char *counter_type(Cuda *c, const Op *loop)
{
    const Value *i = loop->regions[0]->args[0];
    const IntRange *r = &c->ranges.of[i->id], *narrow = &c->ranges.narrow[i->id];
    int64_t step;
    bool small = r->lo >= 0 && r->hi < (int64_t)1 << 30 && value_int(loop->args[2], &step) &&
                 step < (int64_t)1 << 30;
    /* Also behind the last round. */
    bool index = narrow->lo >= INT32_MIN &&
                 narrow->hi <= INT32_MAX - c->ranges.narrow[loop->args[2]->id].hi;
    if (!small && !index)
        return "int64_t";
    c->indexed |= !small;
    return small ? "int" : "tile_index";
}

/* A load whose value is for the next round goes straight to the carried variable; this round has a
 * copy of what was there, so that nobody waits for the load before the next round. */
static void load_into_variable(Cuda *c, const Op *loop, int k)
{
    const Region *body = loop->regions[0];
    const Value *next = body->last->code == OP_YIELD ? body->last->args[k] : NULL;
    const Value *arg = body->args[1 + k], *variable = loop->results[k];
    if (!next || !next->op || next->op->code != OP_LOAD || next->op->parent != body ||
        is_uniform(next) || c->uses[next->id] != 1 ||
        !layout_equal(layout_of(c, next), layout_of(c, variable)))
        return;
    const char *now = new_name(c, arg, "now");
    line(c, "%s %s[%lld];", c_type(held(c, arg)), now, (long long)registers(c, variable));
    line(c, "TILE_EACH(r, %lld) %s[r] = %s[r];", (long long)registers(c, variable), now,
         c_name(c, variable));
    c->name[arg->id] = now;
    c->name[next->id] = c_name(c, variable);
    c->declared[next->id] = true;
}

/* Unrolled, it would fill the instruction cache and win nothing. */
static bool is_long(const Region *body)
{
    enum { LONG = 12 };
    int n = 0;
    for (const Op *op = body->first; op; op = op->next)
        n += op->code != OP_BIND && op->nresults && op->results[0]->type.rank > 0;
    return n >= LONG;
}

static bool emit_for(Cuda *c, const Op *op)
{
    const Region *body = op->regions[0];
    begin_carried(c, op, 3, 1);
    const char *i = c_name(c, body->args[0]);
    if (unrolled_rounds(op) || indexes_registers(c, body, body->args[0]))
        line(c, "TILE_UNROLL");
    else if (is_long(body))
        line(c, "TILE_ROLLED");
    Statement *loop = open_block(c, STATEMENT_LOOP, "for (%s %s = %s; %s < %s; %s += %s)",
                                 counter_type(c, op), i, c_name(c, op->args[0]), i,
                                 c_name(c, op->args[1]), i, c_name(c, op->args[2]));
    loop->apart = is_common(c, body->args[0]) ? NULL : op;
    for (int k = 0; k < op->nresults; k++)
        load_into_variable(c, op, k);
    emit_region_ops(c, body);
    give_yield(c, body, op);
    close_block(c);
    return !c->failed;
}

/* The innermost loop is C's own; a program ends by return, it is the kernel's whole body. */
static bool emit_continue(Cuda *c, const Op *op)
{
    const Op *loop = op->parent->parent;
    while (loop->code != OP_FOR && loop->code != OP_PAR && loop->code != OP_SHARE)
        loop = loop->parent->parent;
    if (loop->code == OP_PAR && !c->rounds) {
        end_exchanges(c);
        line(c, "return;")->jumps = true;
        return true;
    }
    if (loop->code != OP_PAR)
        assign_all(c, loop->results, op->args, loop->nresults);
    line(c, "continue;")->jumps = true;
    return true;
}

bool emit_control(Cuda *c, const Op *op)
{
    return op->code == OP_IF    ? emit_if(c, op)
           : op->code == OP_FOR ? emit_for(c, op)
                                : emit_continue(c, op);
}
