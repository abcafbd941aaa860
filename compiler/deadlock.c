/* Deadlocks of roles: each role is reduced to its puts and gets, and run with small loop counts.
 *
 * Roles that only wait for items and for free slots form a bounded Kahn network: what each of them
 * does next does not depend on who runs first, so one order of running decides. Loop counts and
 * conditions that the counts' normal form knows as one atom have one value in all roles. */
#include <stdlib.h>
#include <string.h>

#include "compiler/pipes.h"

enum { MOST_EVENTS = 100000, EVENT_BUDGET = 3000000, EXHAUSTIVE = 4096, RANDOM_RUNS = 200 };

typedef enum EventKind { EVENT_PUT, EVENT_GET, EVENT_RELEASE } EventKind;
typedef struct Event {
    EventKind kind;
    int pipe;
    const Op *op;
} Event;
typedef struct EventList {
    Event *items;
    int count, capacity;
} EventList;

typedef struct LoopTrips {
    const Op *loop;
    Sum trips;
} LoopTrips;

typedef struct Run {
    Elab *e;
    Counts *counts;
    const Op *roles;
    const PipeUses *pipes;
    struct {
        int64_t *items;
        int count, capacity;
    } choices; /* of a loop count */
    struct {
        const Atom **items;
        int count, capacity;
    } atoms; /* that the roles depend on */
    struct {
        LoopTrips *items;
        int count, capacity;
    } loops;
    int64_t *values;     /* of those, in this run */
    uint64_t seed;       /* 0: the values; else some change with the round */
    uint64_t rounds[64]; /* of the loops around, by depth */
    int depth;
    EventList *events; /* of each role */
    bool too_long;
    long budget;
} Run;

/* What a run depends on */

static void add_choice(Run *run, int64_t n)
{
    for (int i = 0; i < run->choices.count; i++)
        if (run->choices.items[i] == n)
            return;
    if (n >= 0)
        PUSH(run->e->arena, &run->choices, n);
}

static int atom_number(Run *run, const Atom *a)
{
    for (int i = 0; i < run->atoms.count; i++)
        if (run->atoms.items[i] == a)
            return i;
    PUSH(run->e->arena, &run->atoms, a);
    return run->atoms.count - 1;
}

static void add_atoms(Run *run, const Sum *s)
{
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->items[i].count; k++)
            atom_number(run, s->items[i].atoms[k]);
}

static bool has_events(const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_PUT || op->code == OP_GET)
            return true;
        for (int i = 0; i < op->nregions; i++)
            if (has_events(op->regions[i]))
                return true;
    }
    return false;
}

static bool continues(const Region *r)
{
    if (r->last && r->last->code == OP_CONTINUE)
        return true;
    for (const Op *op = r->first; op; op = op->next)
        if (op->code == OP_IF && (continues(op->regions[0]) || continues(op->regions[1])))
            return true;
    return false;
}

static bool matters(const Op *op)
{
    for (int i = 0; i < op->nregions; i++)
        if (has_events(op->regions[i]) || (op->code == OP_IF && continues(op->regions[i])))
            return true;
    return false;
}

static bool is_loop(const Op *op)
{
    return op->code == OP_FOR || op->code == OP_SHARE;
}

static void collect_atoms(Run *run, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (!matters(op))
            continue;
        if (op->code == OP_IF) {
            Sum s = value_sum(run->counts, op->args[0]);
            add_atoms(run, &s);
        }
        if (is_loop(op)) {
            Sum s = loop_trips(run->counts, op);
            add_atoms(run, &s);
            PUSH(run->e->arena, &run->loops, ((LoopTrips){op, s}));
            enter_loop(run->counts, op);
        }
        for (int i = 0; i < op->nregions; i++)
            collect_atoms(run, op->regions[i]);
        if (is_loop(op))
            leave_loop(run->counts);
    }
}

/* Events of a role in one run */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static int64_t atom_value(Run *run, const Atom *a)
{
    int i = atom_number(run, a);
    if (run->seed == 0)
        return run->values[i];
    uint64_t h = mix(run->seed + (uint64_t)i);
    for (int d = 0; d < 64; d++)
        if (a->loops >> d & 1)
            h = mix(h ^ (run->rounds[d] + 1));
    return a->is_condition ? (int64_t)(h & 1)
                           : run->choices.items[h % (uint64_t)run->choices.count];
}

static int64_t sum_value(Run *run, const Sum *s)
{
    int64_t n = 0;
    for (int i = 0; i < s->count; i++) {
        int64_t p = s->items[i].factor;
        for (int k = 0; k < s->items[i].count; k++)
            if (__builtin_mul_overflow(p, atom_value(run, s->items[i].atoms[k]), &p))
                return 0;
        if (__builtin_add_overflow(n, p, &n))
            return 0;
    }
    return n;
}

static int pipe_number(const Run *run, const Value *pipe)
{
    int i = 0;
    while (run->pipes->items[i].pipe != pipe)
        i++;
    return i;
}

static void add_event(Run *run, int role, EventKind kind, const Op *op)
{
    if (run->events[role].count >= MOST_EVENTS || run->budget-- <= 0)
        run->too_long = true;
    else
        PUSH(run->e->arena, &run->events[role], ((Event){kind, pipe_number(run, op->args[0]), op}));
}

static bool events_of(Run *run, int role, const Region *r);

static const Sum *trips_of(const Run *run, const Op *loop)
{
    int i = 0;
    while (run->loops.items[i].loop != loop)
        i++;
    return &run->loops.items[i].trips;
}

static void events_of_loop(Run *run, int role, const Op *op)
{
    int64_t n = sum_value(run, trips_of(run, op));
    int depth = run->depth < 63 ? run->depth : 63;
    uint64_t outer = run->rounds[depth];
    run->depth++;
    for (int64_t i = 0; i < n && !run->too_long; i++) {
        run->rounds[depth] = (uint64_t)i;
        int before = run->events[role].count;
        events_of(run, role, op->regions[op->nregions - 1]);
        run->budget -= before == run->events[role].count;
        run->too_long |= run->budget <= 0;
    }
    run->depth--;
    run->rounds[depth] = outer;
}

/* False if the region ended in `continue`. */
static bool events_of(Run *run, int role, const Region *r)
{
    for (const Op *op = r->first; op && !run->too_long; op = op->next) {
        if (op->code == OP_CONTINUE)
            return false;
        if (op->code == OP_PUT) {
            add_event(run, role, EVENT_PUT, op);
        } else if (op->code == OP_GET) {
            add_event(run, role, EVENT_GET, op);
            events_of(run, role, op->regions[0]);
            add_event(run, role, EVENT_RELEASE, op);
        } else if (!matters(op)) {
            continue;
        } else if (op->code == OP_IF) {
            Sum s = value_sum(run->counts, op->args[0]);
            if (!events_of(run, role, op->regions[sum_value(run, &s) ? 0 : 1]))
                return false;
        } else if (is_loop(op)) {
            events_of_loop(run, role, op);
        }
    }
    return true;
}

/* Running */

typedef struct PipeState {
    int64_t put, *taken, *released;
} PipeState;

static bool can_happen(const Run *run, const PipeState *pipes, int role, const Event *ev)
{
    const PipeState *p = &pipes[ev->pipe];
    const PipeUse *u = &run->pipes->items[ev->pipe];
    if (ev->kind == EVENT_GET)
        return p->taken[role] < p->put;
    if (ev->kind == EVENT_RELEASE)
        return true;
    for (int r = 0; r < run->roles->nregions; r++)
        if (u->gets[r] && p->put - p->released[r] >= u->pipe->op->pipe->stages)
            return false;
    return true;
}

static void happen(PipeState *pipes, int role, const Event *ev)
{
    PipeState *p = &pipes[ev->pipe];
    if (ev->kind == EVENT_PUT)
        p->put++;
    else if (ev->kind == EVENT_GET)
        p->taken[role]++;
    else
        p->released[role]++;
}

/* Runs the events; true if all happened. `at` are the places where the roles stand then. */
static bool run_events(Run *run, int *at)
{
    int nroles = run->roles->nregions, npipes = run->pipes->count;
    Arena *a = run->e->arena;
    PipeState *pipes = NEW_ARRAY(a, PipeState, npipes);
    for (int i = 0; i < npipes; i++) {
        pipes[i].taken = NEW_ARRAY(a, int64_t, nroles);
        pipes[i].released = NEW_ARRAY(a, int64_t, nroles);
    }
    bool moved = true, done = false;
    while (moved) {
        moved = false;
        done = true;
        for (int r = 0; r < nroles; r++) {
            const EventList *ev = &run->events[r];
            while (at[r] < ev->count && can_happen(run, pipes, r, &ev->items[at[r]])) {
                happen(pipes, r, &ev->items[at[r]++]);
                moved = true;
            }
            done = done && at[r] == ev->count;
        }
    }
    return done;
}

static const char *example_text(const Run *run)
{
    Arena *a = run->e->arena;
    char *text = NULL;
    for (int i = 0; i < run->atoms.count && run->seed == 0 && i < 4; i++) {
        const Atom *x = run->atoms.items[i];
        const char *value = !x->is_condition ? arena_format(a, "%lld", (long long)run->values[i])
                            : run->values[i] ? "true"
                                             : "false";
        text = arena_format(a, "%s%s%s is %s", text ? text : "for example where ", text ? ", " : "",
                            x->text, value);
    }
    return text;
}

static void report(Run *run, const int *at)
{
    Elab *e = run->e;
    char *text = arena_format(e->arena, "deadlock: ");
    bool first = true;
    for (int pass = 0; pass < 2; pass++) {
        for (int r = 0; r < run->roles->nregions; r++) {
            if (at[r] == run->events[r].count)
                continue;
            const Event *ev = &run->events[r].items[at[r]];
            const char *what = ev->kind == EVENT_GET ? "an item" : "a free slot";
            const char *pipe = run->pipes->items[ev->pipe].pipe->name;
            if (pass == 1)
                diag_note(e->diag, ev->op->pos, "role %s waits here for %s of pipe %s",
                          role_name(run->roles, r), what, pipe);
            else
                text = arena_format(e->arena, "%s%srole %s waits at line %d for %s of pipe %s",
                                    text, first ? "" : ", ", role_name(run->roles, r),
                                    line_of(ev->op->pos), what, pipe);
            first = false;
        }
        if (pass == 0)
            fail(e, run->roles->pos, example_text(run), "%s", text);
    }
}

/* One assignment; false after a message. */
static bool try_run(Run *run)
{
    int nroles = run->roles->nregions;
    int *at = NEW_ARRAY(run->e->arena, int, nroles);
    run->too_long = false;
    for (int r = 0; r < nroles; r++) {
        run->events[r].count = 0;
        events_of(run, r, run->roles->regions[r]);
    }
    if (run->too_long || run_events(run, at))
        return true;
    report(run, at);
    return false;
}

static int choices_of(const Run *run, const Atom *a)
{
    return a->is_condition ? 2 : run->choices.count;
}

/* All assignments in turn: an odometer over the atoms, some of many. */
static bool try_all(Run *run)
{
    int n = run->atoms.count;
    int *digits = NEW_ARRAY(run->e->arena, int, n);
    for (int tried = 0; tried < EXHAUSTIVE && run->budget > 0; tried++) {
        for (int i = 0; i < n; i++)
            run->values[i] = run->atoms.items[i]->is_condition ? digits[i]
                                                               : run->choices.items[digits[i]];
        if (!try_run(run))
            return false;
        int i = 0;
        while (i < n && ++digits[i] == choices_of(run, run->atoms.items[i]))
            digits[i++] = 0;
        if (i == n)
            return true;
    }
    return true;
}

void check_deadlock(Elab *e, Counts *c, const Op *roles, const PipeUses *pipes)
{
    Run *run = NEW(e->arena, Run);
    *run = (Run){.e = e, .counts = c, .roles = roles, .pipes = pipes, .budget = EVENT_BUDGET};
    for (int i = 0; i < 3; i++)
        add_choice(run, i);
    for (int i = 0; i < pipes->count; i++)
        for (int64_t d = -1; d <= 1; d++)
            add_choice(run, pipes->items[i].pipe->op->pipe->stages + d);
    for (int r = 0; r < roles->nregions; r++)
        collect_atoms(run, roles->regions[r]);
    run->values = NEW_ARRAY(e->arena, int64_t, run->atoms.count);
    run->events = NEW_ARRAY(e->arena, EventList, roles->nregions);
    if (!try_all(run))
        return;
    for (run->seed = 1; run->seed <= RANDOM_RUNS && run->atoms.count && run->budget > 0;
         run->seed++)
        if (!try_run(run))
            return;
}
