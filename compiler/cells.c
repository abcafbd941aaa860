#include "compiler/cells.h"

#include <string.h>

#include "compiler/directives.h"
#include "compiler/roles.h"

typedef struct Finder {
    Lowered *low;
    const PhasePlan *plan;
    Ranges ranges;
    const Op *local;
    Cells *cells;    /* of the local */
    const char *why; /* it has none; NULL: it has */
    Pos where;
} Finder;

static const Region *body_of(const PhasePlan *plan)
{
    return plan->par->regions[plan->par->nregions - 1];
}

/* ---- accesses ---- */

/* How many elements of axis k an access takes. */
static int64_t extent_of(const Access *a, int k)
{
    return a->axis[k].kind == AX_SCALAR ? 1 : a->axis[k].extent;
}

static bool same_access(const Access *a, const Access *b)
{
    for (int k = 0; k < a->count; k++)
        if (a->axis[k].kind != b->axis[k].kind || extent_of(a, k) != extent_of(b, k))
            return false;
    return true;
}

/* The index is a cell's begin, and inside. */
static bool begins_cell(const Finder *f, const Value *index, int64_t extent, int64_t size)
{
    IntRange r = f->ranges.of[index->id];
    if (!is_multiple(index, extent) || r.lo < 0)
        return false;
    return r.hi <= size - extent || (size % extent == 0 && r.hi < size);
}

/* The rounds of a loop are known, and few enough to be written out. */
static bool can_unroll(const Op *loop)
{
    enum { MOST_ROUNDS = 64 };
    int64_t lo, hi, step;
    return loop->code == OP_FOR && value_int(loop->args[0], &lo) && value_int(loop->args[1], &hi) &&
           value_int(loop->args[2], &step) && step > 0 && hi - lo <= step * MOST_ROUNDS;
}

bool is_known_unrolled(const Value *v)
{
    int64_t n;
    if (value_int(v, &n))
        return true;
    if (!v->op)
        return v->index == 0 && can_unroll(v->region->parent);
    OpCode code = v->op->code;
    bool plain = code == OP_CAST || code == OP_ADD || code == OP_SUB || code == OP_MUL ||
                 code == OP_FDIV || code == OP_MOD;
    for (int i = 0; plain && i < v->op->nargs; i++)
        plain = is_known_unrolled(v->op->args[i]);
    return plain;
}

static void refuse(Finder *f, const Op *op, const char *why)
{
    if (f->why)
        return;
    f->why = why;
    f->where = op->pos;
}

static void look_at_access(Finder *f, const Op *op)
{
    const Access *a = op->access;
    const Type *t = &f->local->results[0]->type;
    int arg = 1;
    if (!f->cells->access)
        f->cells->access = a;
    if (!same_access(a, f->cells->access))
        refuse(f, op, "another part of it is taken here than elsewhere");
    for (int k = 0; k < a->count && !f->why; k++) {
        if (a->axis[k].kind == AX_FULL)
            continue;
        const Value *index = op->args[arg++];
        if (a->axis[k].kind == AX_TILE)
            refuse(f, op, "a tile indexes it here");
        else if (!extent_of(a, k) || !begins_cell(f, index, extent_of(a, k), t->dims[k]))
            refuse(f, op, "a part is taken here that may lie across others, or outside");
        else
            f->cells->unrolled &= is_known_unrolled(index);
    }
}

static void look(Finder *f, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            look(f, op->regions[i]);
        for (int i = 0; i < op->nargs; i++) {
            if (op->args[i] != f->local->results[0] || op->code == OP_BIND)
                continue;
            if (role_at(f->plan, op) != role_at(f->plan, f->local))
                refuse(f, op, "a role takes it here, and the whole program elsewhere");
            else if (op->code == OP_LOAD || op->code == OP_STORE)
                look_at_access(f, op);
            else
                refuse(f, op, "it is not just loaded and stored here");
        }
    }
}

/* ---- places ---- */

static const Word *place_word(const Finder *f, const char *word)
{
    return directive_word(directive_find(f->low, f->plan, "place", f->local->name), word);
}

static bool cannot(const Finder *f, const Word *w, Pos where, const char *why)
{
    diag_error(f->low->diag, w->pos, "place it in smem",
               "place %s regs: which registers an access takes must be known while compiling",
               f->local->name);
    diag_note(f->low->diag, where, "%s", why);
    return false;
}

/* An index that is not known; the access that has it. */
static const Op *unknown_index(const Finder *f, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++) {
            const Op *found = unknown_index(f, op->regions[i]);
            if (found)
                return found;
        }
        bool access = op->code == OP_LOAD || op->code == OP_STORE;
        if (!access || op->args[0] != f->local->results[0])
            continue;
        for (int k = 1; k < op->nargs - (op->code == OP_STORE); k++)
            if (!is_known_unrolled(op->args[k]))
                return op;
    }
    return NULL;
}

static bool find_cells_of(Finder *f, const Op *local)
{
    const Type *t = &local->results[0]->type;
    f->local = local;
    f->why = NULL;
    f->cells = NEW(f->low->arena, Cells);
    *f->cells = (Cells){.local = local, .unrolled = true, .count = 1};
    for (int i = 0; i < f->low->rings.count; i++)
        if (f->low->rings.items[i].local == local->results[0])
            f->cells->copied = f->low->rings.items[i].word;
    look(f, body_of(f->plan));
    const Word *regs = place_word(f, "regs");
    if (f->why)
        return !regs || cannot(f, regs, f->where, f->why);
    if (!f->cells->access || type_elements(t) == 0 || t->dtype == DT_E2M1)
        return true;
    for (int k = 0; k < t->rank; k++) {
        int64_t n = extent_of(f->cells->access, k);
        if (t->dims[k] % n)
            return !regs ||
                   cannot(f, regs, local->pos, "its extents are no multiples of the parts");
        f->cells->count *= t->dims[k] / n;
    }
    const Op *unknown = f->cells->unrolled ? NULL : unknown_index(f, body_of(f->plan));
    if (regs && unknown)
        return cannot(f, regs, unknown->pos, "an index is not known here");
    f->low->cells[local->results[0]->id] = f->cells;
    return true;
}

static bool find_in(Finder *f, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            if (!find_in(f, op->regions[i]))
                return false;
        if (op->code == OP_LOCAL && !find_cells_of(f, op))
            return false;
    }
    return true;
}

static bool has_locals(const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_LOCAL)
            return true;
        for (int i = 0; i < op->nregions; i++)
            if (has_locals(op->regions[i]))
                return true;
    }
    return false;
}

bool find_cells(Lowered *low, const PhasePlan *plan)
{
    Finder f = {.low = low, .plan = plan};
    if (!has_locals(body_of(plan)))
        return true;
    f.ranges = ranges_find(low->arena, low->kernel);
    return find_in(&f, body_of(plan));
}

/* ---- after layouts ---- */

int64_t cells_bytes(const Cells *c)
{
    return c->count * c->regs * dtype_info[c->local->results[0]->type.dtype].size;
}

enum {
    FEW_REGISTERS = 64,   /* so many are taken where nobody asks */
    MOST_REGISTERS = 224, /* a thread has 255, and computes with some */
    REGISTER = 4
};

/* Without copies that several threads hold. */
static bool is_lean(const Cells *c, ThreadUnit u)
{
    int64_t all = c->count * c->regs * u.lanes * u.warps;
    return all <= 2 * type_elements(&c->local->results[0]->type);
}

static bool settle(Lowered *low, const PhasePlan *plan, Cells *c)
{
    Finder f = {.low = low, .plan = plan, .local = c->local};
    const Value *v = c->local->results[0];
    const Word *regs = place_word(&f, "regs"), *smem = place_word(&f, "smem");
    bool single = c->count == type_elements(&v->type);
    directive_honour(low, plan, regs ? regs : smem);
    if (!single && !low->placed[v->id])
        return true; /* nobody loads it */
    if (!single)
        c->layout = low->layout[v->id];
    c->regs = single ? 1 : layout_span(&c->layout, OWN_REG);
    int64_t registers = (cells_bytes(c) + REGISTER - 1) / REGISTER;
    bool few = c->unrolled && registers <= FEW_REGISTERS && !c->copied;
    if (regs && registers > MOST_REGISTERS)
        return diag_error(low->diag, regs->pos, "place it in smem, or spread it over more threads",
                          "place %s regs: it takes %lld bytes of a thread's registers, which have "
                          "%d",
                          c->local->name, (long long)cells_bytes(c), MOST_REGISTERS * REGISTER);
    c->registers = regs || (!smem && few);
    c->shared = !c->registers && (c->copied || is_lean(c, unit_at(plan, c->local)));
    return true;
}

static bool settle_in(Lowered *low, const PhasePlan *plan, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            if (!settle_in(low, plan, op->regions[i]))
                return false;
        if (op->code != OP_LOCAL)
            continue;
        Cells *c = low->cells[op->results[0]->id];
        Finder f = {.low = low, .plan = plan, .local = op};
        if (c && !settle(low, plan, c))
            return false;
        /* As a tile in shared memory, or not at all. */
        if (!c)
            directive_honour(low, plan, place_word(&f, "smem"));
    }
    return true;
}

bool settle_cells(Lowered *low, const PhasePlan *plan)
{
    return settle_in(low, plan, body_of(plan));
}
