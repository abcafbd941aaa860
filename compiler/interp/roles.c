#include "compiler/interp/roles.h"

/* ---- pipes ---- */

static size_t round_up(size_t n)
{
    return (n + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
}

static size_t clocks_bytes(const PipeInfo *p)
{
    return round_up(sizeof(RoleClock) * (size_t)p->stages);
}

static size_t item_bytes(const PipeInfo *p)
{
    size_t n = 0;
    for (int f = 0; f < p->fields; f++)
        n += round_up(value_bytes(&p->types[f]));
    return n;
}

size_t pipe_bytes(const PipeInfo *p)
{
    size_t stage = item_bytes(p) + sizeof(RoleClock);
    if (p->stages < 1 || (size_t)p->stages > MOST_FRAME_BYTES / stage)
        return MOST_FRAME_BYTES;
    return round_up(sizeof(PipeState)) + clocks_bytes(p) + item_bytes(p) * (size_t)p->stages;
}

static RoleClock *item_clock(PipeState *s, const PipeInfo *p, int64_t item)
{
    return (RoleClock *)(void *)((char *)s + round_up(sizeof *s)) + item % p->stages;
}

static char *item_data(PipeState *s, const PipeInfo *p, int64_t item)
{
    return (char *)s + round_up(sizeof *s) + clocks_bytes(p) +
           (size_t)(item % p->stages) * item_bytes(p);
}

static void run_pipe(Task *t, const Insn *i)
{
    memset(slot_pointer(t, i->dst), 0, sizeof(PipeState));
}

void emit_pipe(Preparer *p, const Op *op)
{
    emit_plain(p, run_pipe, op);
}

static const PipeInfo *pipe_info(const Op *op)
{
    return op->args[0]->op->pipe;
}

static bool slot_free(const PipeState *s, const PipeInfo *p)
{
    if (!s->consumers)
        return s->put < p->stages;
    for (int r = 0; r < MAX_ROLES; r++)
        if (s->consumers >> r & 1 && s->put - s->freed[r] >= p->stages)
            return false;
    return true;
}

void role_pause(Task *t)
{
    if (t->state == TASK_READY && !t->machine->peeking && random_next(&t->roles->random) % 4 == 0)
        t->state = TASK_PAUSE;
}

/* Not yet possible: the role tries the same instruction again later. */
static void wait_at(Task *t, const Insn *i, TaskState state)
{
    t->pc = i;
    t->state = state;
}

static void run_put(Task *t, const Insn *i)
{
    PipeState *s = slot_pointer(t, i->arg[0]);
    const PipeInfo *p = pipe_info(i->op);
    const Slot *fields = i->plan;
    if (!slot_free(s, p)) {
        wait_at(t, i, TASK_PUT);
        return;
    }
    char *to = item_data(s, p, s->put);
    for (int f = 0; f < p->fields; f++) {
        size_t bytes = value_bytes(&p->types[f]);
        memcpy(to, slot_pointer(t, fields[f]), bytes);
        to += round_up(bytes);
    }
    RoleClock *mine = &t->roles->clock[t->role];
    *item_clock(s, p, s->put) = *mine;
    mine->of[t->role]++;
    s->put++;
    t->roles->moves++;
    role_pause(t);
}

/* Code that only roles may have. */
static bool in_role(Preparer *p, const Op *op)
{
    for (const Scope *s = p->scope; s; s = s->outer)
        if (s->op->code == OP_ROLES)
            return true;
    return prepare_error(p, op, "%s outside of roles", op_info[op->code].name);
}

static Slot *keep_slots(Preparer *p, Value *const *values, int n)
{
    Slot *s = NEW_ARRAY(&p->m->arena, Slot, n);
    for (int k = 0; k < n; k++)
        s[k] = slot_of(p, values[k]);
    return s;
}

void emit_put(Preparer *p, const Op *op)
{
    if (!in_role(p, op))
        return;
    Insn *i = emit(p, run_put, op);
    i->arg[0] = slot_of(p, op->args[0]);
    i->plan = keep_slots(p, op->args + 1, op->nargs - 1);
}

static void run_get(Task *t, const Insn *i)
{
    PipeState *s = slot_pointer(t, i->arg[0]);
    const PipeInfo *p = pipe_info(i->op);
    const Slot *fields = i->plan;
    if (s->taken[t->role] >= s->put) {
        wait_at(t, i, TASK_GET);
        return;
    }
    int64_t item = s->taken[t->role]++;
    t->roles->moves++;
    const char *from = item_data(s, p, item);
    for (int f = 0; f < p->fields; f++) {
        size_t bytes = value_bytes(&p->types[f]);
        memcpy(slot_pointer(t, fields[f]), from, bytes);
        from += round_up(bytes);
    }
    RoleClock *mine = &t->roles->clock[t->role], *its = item_clock(s, p, item);
    for (int r = 0; r < MAX_ROLES; r++)
        if (its->of[r] > mine->of[r] && r != t->role)
            mine->of[r] = its->of[r];
    role_pause(t);
}

void run_get_end(Task *t, const Insn *i)
{
    PipeState *s = slot_pointer(t, i->arg[0]);
    s->freed[t->role]++;
    t->roles->moves++;
}

void emit_get(Preparer *p, const Op *op)
{
    Region *body = op->regions[0];
    int carried = op->nargs - 1;
    Scope scope = {.outer = p->scope, .op = op};
    if (!in_role(p, op))
        return;
    emit_moves(p, op, op->args + 1, body->args + body->nargs - carried, carried);
    Insn *i = emit(p, run_get, op);
    i->arg[0] = slot_of(p, op->args[0]);
    i->plan = keep_slots(p, body->args, body->nargs - carried);
    p->scope = &scope;
    const Op *yield = emit_region(p, body);
    p->scope = scope.outer;
    if (!yield)
        return;
    emit_moves(p, yield, yield->args, body->args + body->nargs - carried, carried);
    emit(p, run_get_end, op)->arg[0] = slot_of(p, op->args[0]);
}

/* ---- roles ---- */

typedef struct RolesPlan {
    int count, npipes;
    int start[MAX_ROLES]; /* relative to the instruction */
    struct PipePlan *pipes;
} RolesPlan;

typedef struct PipePlan {
    Slot slot;
    const Op *op;
    uint32_t consumers;
} PipePlan;

static void roles_begin(Task *t, const Insn *i, Roles *r)
{
    const RolesPlan *p = i->plan;
    const Point *at = t->point;
    r->op = i->op;
    r->count = p->count;
    r->log = NULL;
    r->moves = 0;
    r->random = ((uint64_t)(at ? at->number : 0) + 1) * 0x9E3779B97F4A7C15u;
    r->random ^= t->machine->options.seed;
    memset(r->clock, 0, sizeof r->clock);
    for (int k = 0; k < p->count; k++) {
        r->task[k] = *t;
        r->task[k].role = k;
        r->task[k].roles = r;
        r->task[k].pc = i + p->start[k];
        r->task[k].state = TASK_READY;
        /* Its own accesses count from 1, so that 0 means: never heard of it. */
        r->clock[k].of[k] = 1;
    }
    for (int k = 0; k < p->npipes; k++)
        ((PipeState *)slot_pointer(t, p->pipes[k].slot))->consumers = p->pipes[k].consumers;
}

static void append_place(char *text, size_t size, Pos pos)
{
    int line, column;
    size_t at = strlen(text);
    if (!pos.source)
        return;
    pos_line(pos, &line, &column);
    snprintf(text + at, size - at, " at %s:%d:%d", pos.source->name, line, column);
}

static void report_deadlock(Task *t, const Roles *r)
{
    char text[1024] = "deadlock:";
    for (int k = 0; k < r->count; k++) {
        const Task *x = &r->task[k];
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s role %s ", k ? ";" : "", r->op->regions[k]->name);
        at = strlen(text);
        if (x->state == TASK_DONE) {
            snprintf(text + at, sizeof text - at, "has ended");
            continue;
        }
        const char *name = pipe_info(x->pc->op)->fields ? x->pc->op->args[0]->op->name : "?";
        bool puts = x->state == TASK_PUT;
        snprintf(text + at, sizeof text - at, "waits for %s of pipe %s",
                 puts ? "a free slot" : "an item", name ? name : "?");
        append_place(text, sizeof text, x->pc->op->pos);
    }
    fault(t, r->op->pos, "%s", text);
}

/* A random one of the bits that are set. */
static int pick_bit(uint32_t bits, uint64_t random)
{
    int left = (int)(random % (uint64_t)__builtin_popcount(bits));
    for (; left > 0; left--)
        bits &= bits - 1;
    return __builtin_ctz(bits);
}

/* Lets ready roles run in random order; those that wait try again once another one has moved. */
static bool roles_interleave(Task *t, Roles *r)
{
    uint32_t live = (1u << r->count) - 1, stuck = 0;
    while (live) {
        if (live == stuck) {
            report_deadlock(t, r);
            return false;
        }
        int k = pick_bit(live & ~stuck, random_next(&r->random));
        Task *x = &r->task[k];
        uint64_t moves = r->moves;
        x->state = TASK_READY;
        task_run(x);
        if (x->state == TASK_FAULT || atomic_load(&t->machine->stop))
            return false;
        if (x->state == TASK_DONE)
            live &= ~(1u << k);
        bool waits = x->state == TASK_PUT || x->state == TASK_GET;
        if (r->moves != moves || !waits)
            stuck = 0;
        if (waits)
            stuck |= 1u << k;
    }
    return true;
}

static bool pipes_empty(Task *t, const Insn *i, const Roles *r)
{
    const RolesPlan *p = i->plan;
    for (int k = 0; k < p->npipes; k++) {
        const PipeState *s = slot_pointer(t, p->pipes[k].slot);
        for (int c = 0; c < r->count; c++) {
            if (!(s->consumers >> c & 1) || s->freed[c] == s->put)
                continue;
            fault(t, p->pipes[k].op->pos, "role %s takes %lld of %lld items of pipe %s",
                  r->op->regions[c]->name, (long long)s->freed[c], (long long)s->put,
                  p->pipes[k].op->name);
            return false;
        }
        if (!s->consumers && s->put) {
            fault(t, p->pipes[k].op->pos, "no role takes the %lld items of pipe %s",
                  (long long)s->put, p->pipes[k].op->name);
            return false;
        }
    }
    return true;
}

static void run_roles(Task *t, const Insn *i)
{
    Roles r;
    roles_begin(t, i, &r);
    bool good = roles_interleave(t, &r) && pipes_empty(t, i, &r);
    role_log_free(r.log);
    if (good)
        t->pc = i + i->jump;
    else
        t->state = TASK_FAULT;
}

/* ---- planning ---- */

typedef struct PipeUse {
    const Op **items;
    int count, capacity;
    uint32_t consumers[64];
} PipeUse;

static void note_pipe(Preparer *p, PipeUse *u, const Op *op, int role)
{
    const Op *pipe = op->args[0]->op;
    int k = 0;
    while (k < u->count && u->items[k] != pipe)
        k++;
    if (k == 64) {
        prepare_error(p, op, "roles: more than 64 pipes");
        return;
    }
    if (k == u->count)
        PUSH(&p->m->arena, u, pipe);
    if (op->code == OP_GET)
        u->consumers[k] |= 1u << role;
}

static void note_pipes(Preparer *p, PipeUse *u, const Region *r, int role)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_GET || op->code == OP_PUT)
            note_pipe(p, u, op, role);
        for (int k = 0; k < op->nregions && !p->failed; k++)
            note_pipes(p, u, op->regions[k], role);
    }
}

static void plan_pipes(Preparer *p, RolesPlan *plan, const PipeUse *u)
{
    plan->npipes = u->count;
    plan->pipes = NEW_ARRAY(&p->m->arena, PipePlan, u->count);
    for (int k = 0; k < u->count; k++) {
        plan->pipes[k].slot = slot_of(p, u->items[k]->results[0]);
        plan->pipes[k].op = u->items[k];
        plan->pipes[k].consumers = u->consumers[k];
    }
}

void emit_roles(Preparer *p, const Op *op)
{
    RolesPlan *plan = NEW(&p->m->arena, RolesPlan);
    PipeUse use = {0};
    int at = p->code->count;
    for (const Scope *s = p->scope; s; s = s->outer)
        if (s->op->code == OP_ROLES)
            prepare_error(p, op, "roles inside a role");
    if (op->nregions > MAX_ROLES)
        prepare_error(p, op, "more than %d roles", MAX_ROLES);
    plan->count = op->nregions;
    for (int k = 0; k < op->nregions && !p->failed; k++)
        note_pipes(p, &use, op->regions[k], k);
    if (p->failed)
        return;
    plan_pipes(p, plan, &use);
    role_log_mark(p, op);
    emit(p, run_roles, op)->plan = plan;
    for (int k = 0; k < op->nregions && !p->failed; k++) {
        Scope scope = {.outer = p->scope, .op = op};
        plan->start[k] = p->code->count - at;
        p->scope = &scope;
        emit_region(p, op->regions[k]);
        for (int c = 0; c < scope.continues.count; c++)
            patch_to_end(p, scope.continues.items[c]);
        p->scope = scope.outer;
        emit(p, run_end, op);
    }
    patch_to_end(p, at);
}
