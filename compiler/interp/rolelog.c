/* Races between the roles of one program: per element, what each role did last and when. */
#include "compiler/interp/roles.h"

#include <stdlib.h>

typedef struct Entry {
    const Memory *memory; /* NULL: free */
    int64_t element;
    uint32_t wrote[MAX_ROLES], read[MAX_ROLES], added[MAX_ROLES]; /* clocks; 0: never */
    const Op *last[MAX_ROLES];
} Entry;

/* Open addressing over {memory, element}. */
struct RoleLog {
    Entry *entries;
    size_t room, used;
};

static Entry *find(RoleLog *l, const Memory *m, int64_t element)
{
    uint64_t h = ((uint64_t)(uintptr_t)m >> 4 ^ (uint64_t)element) * 0x9E3779B97F4A7C15u;
    size_t at = (size_t)(h >> 20) & (l->room - 1);
    while (l->entries[at].memory &&
           (l->entries[at].memory != m || l->entries[at].element != element))
        at = (at + 1) & (l->room - 1);
    return &l->entries[at];
}

static bool grow(RoleLog *l)
{
    RoleLog bigger = {.room = l->room ? 2 * l->room : 256, .used = l->used};
    bigger.entries = calloc(bigger.room, sizeof *bigger.entries);
    if (!bigger.entries)
        return false;
    for (size_t k = 0; k < l->room; k++)
        if (l->entries[k].memory)
            *find(&bigger, l->entries[k].memory, l->entries[k].element) = l->entries[k];
    free(l->entries);
    *l = bigger;
    return true;
}

void role_log_free(RoleLog *l)
{
    if (l)
        free(l->entries);
    free(l);
}

static const char *const verb[] = {"reads", "writes", "adds to"};

static void report(Task *t, const Insn *i, const Entry *e, AccessKind kind, int other,
                   AccessKind others)
{
    char element[256], place[256] = "";
    element_text(element, sizeof element, e->memory, e->element);
    Pos pos = e->last[other]->pos;
    if (pos.source) {
        int line, column;
        pos_line(pos, &line, &column);
        snprintf(place, sizeof place, " at %s:%d:%d", pos.source->name, line, column);
    }
    fault(t, i->op->pos, "race: role %s %s %s, role %s %s it%s, no pipe item between",
          t->roles->op->regions[t->role]->name, verb[kind], element,
          t->roles->op->regions[other]->name, verb[others], place);
}

static bool check(Task *t, const Insn *i, Entry *e, AccessKind kind)
{
    const RoleClock *mine = &t->roles->clock[t->role];
    for (int r = 0; r < t->roles->count; r++) {
        const uint32_t done[3] = {e->read[r], e->wrote[r], e->added[r]};
        for (int k = 0; k < 3 && r != t->role; k++) {
            bool apart = done[k] > mine->of[r];
            bool harmless = (AccessKind)k == kind && kind != ACCESS_WRITE;
            if (apart && !harmless) {
                report(t, i, e, kind, r, (AccessKind)k);
                return false;
            }
        }
    }
    uint32_t *mark = kind == ACCESS_READ ? e->read : kind == ACCESS_WRITE ? e->wrote : e->added;
    mark[t->role] = mine->of[t->role];
    e->last[t->role] = i->op;
    return true;
}

bool role_log(Task *t, const Insn *i, const Memory *m, AccessKind kind, int64_t element,
              int64_t count, int64_t stride)
{
    Roles *r = t->roles;
    if (!r->log)
        r->log = calloc(1, sizeof *r->log);
    for (int64_t k = 0; k < count; k++) {
        if (!r->log || (2 * r->log->used >= r->log->room && !grow(r->log))) {
            fault(t, i->op->pos, "out of memory");
            return false;
        }
        Entry *e = find(r->log, m, element + k * stride);
        if (!e->memory) {
            e->memory = m;
            e->element = element + k * stride;
            r->log->used++;
        }
        if (!check(t, i, e, kind))
            return false;
    }
    return true;
}

/* ---- which tensors need it ---- */

/* The parameter behind a view; NULL: a local. */
static const Op *tensor_behind(const Value *v)
{
    while (v->op && v->op->code != OP_TENSOR && v->op->code != OP_LOCAL && v->op->nargs)
        v = v->op->args[0];
    return v->op && v->op->code == OP_TENSOR ? v->op : NULL;
}

typedef struct Touched {
    uint32_t roles, writers;
} Touched;

/* By number of the memory. */
static void note_memory(const Machine *m, Touched *touched, const Op *op, int role)
{
    const Op *tensor = tensor_behind(op->args[0]);
    for (int b = 0; b < m->nbindings; b++) {
        for (int e = 0; e < m->bindings[b].entries && m->bindings[b].tensor == tensor; e++) {
            int k = 0;
            while (m->memories.items[k] != m->bound[b][e])
                k++;
            touched[k].roles |= 1u << role;
            if (op->code != OP_LOAD)
                touched[k].writers |= 1u << role;
        }
    }
}

static void note_region(const Machine *m, Touched *touched, const Region *r, int role)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_LOAD || op->code == OP_STORE || op->code == OP_ATOMIC_ADD)
            note_memory(m, touched, op, role);
        for (int k = 0; k < op->nregions; k++)
            note_region(m, touched, op->regions[k], role);
    }
}

void role_log_mark(Preparer *p, const Op *roles)
{
    Machine *m = p->m;
    Touched *touched = NEW_ARRAY(&m->arena, Touched, m->memories.count + 1);
    for (int k = 0; k < roles->nregions; k++)
        note_region(m, touched, roles->regions[k], k);
    for (int k = 0; k < m->memories.count; k++)
        if (touched[k].writers && touched[k].roles & (touched[k].roles - 1))
            m->memories.items[k]->any_role = true;
}
