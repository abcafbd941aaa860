#include "compiler/interp/prepare.h"

#include <stdlib.h>

bool prepare_error(Preparer *p, const Op *op, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!p->failed)
        diag_error(p->m->diag, op->pos, NULL, "%s", text);
    p->failed = true;
    return false;
}

Insn *emit(Preparer *p, Handler *run, const Op *op)
{
    Insn i = {.run = run, .op = op, .dst = NO_SLOT, .arg = {NO_SLOT, NO_SLOT, NO_SLOT}};
    PUSH(&p->m->arena, p->code, i);
    return &p->code->items[p->code->count - 1];
}

Insn *emit_plain(Preparer *p, Handler *run, const Op *op)
{
    Insn *i = emit(p, run, op);
    for (int a = 0; a < op->nargs && a < 3; a++)
        i->arg[a] = slot_of(p, op->args[a]);
    if (op->nresults) {
        i->dst = slot_of(p, op->results[0]);
        if (op->results[0]->type.kind == TY_TILE)
            i->n = type_elements(&op->results[0]->type);
    }
    return i;
}

void need_scratch(Preparer *p, size_t bytes)
{
    if (bytes > p->m->scratch_bytes)
        p->m->scratch_bytes = bytes;
}

void patch_to_end(Preparer *p, int insn)
{
    p->code->items[insn].jump = p->code->count - insn;
}

/* ---- constants ---- */

static void fill_constant(char *to, const Op *op)
{
    const Type *t = &op->results[0]->type;
    int64_t n = type_elements(t);
    if (op->code == OP_IOTA) {
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * 8, &i, 8);
        return;
    }
    size_t size = dtype_info[t->dtype].size;
    uint64_t bits = op->bits;
    if (t->dtype == DT_E2M1)
        bits &= 15;
    for (int64_t i = 0; i < n; i++)
        memcpy(to + (size_t)i * size, &bits, size);
}

static void run_constant(Task *t, const Insn *i)
{
    fill_constant(slot_pointer(t, i->dst), i->op);
}

bool pooled_constant(const Machine *m, const Op *op)
{
    return m->pooling && (op->code == OP_CONST || op->code == OP_IOTA);
}

static bool same_constant(const Op *a, const Op *b)
{
    const Type *s = &a->results[0]->type, *t = &b->results[0]->type;
    return a->code == b->code && dtype_info[s->dtype].size == dtype_info[t->dtype].size &&
           type_elements(s) >= type_elements(t) && (a->code == OP_IOTA || a->bits == b->bits);
}

/* Constants of equal contents share memory. */
static void pool_constant(Preparer *p, const Op *op)
{
    Machine *m = p->m;
    for (int i = 0; i < m->constants.count; i++) {
        if (same_constant(m->constants.items[i], op)) {
            m->slots[op->results[0]->id] = m->slots[m->constants.items[i]->results[0]->id];
            return;
        }
    }
    size_t bytes = value_bytes(&op->results[0]->type);
    m->slots[op->results[0]->id] = (Slot)(m->global_bytes / SLOT_ALIGN) << 2 | BASE_GLOBAL;
    m->global_bytes += (bytes + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
    PUSH(&m->arena, &m->constants, op);
    if (m->global_bytes >= MOST_FRAME_BYTES)
        prepare_error(p, op, "the constants need more than %zu GiB", MOST_FRAME_BYTES >> 30);
}

static void emit_constant(Preparer *p, const Op *op)
{
    if (!pooled_constant(p->m, op))
        emit_plain(p, run_constant, op);
}

/* ---- header ---- */

static void run_argument(Task *t, const Insn *i)
{
    memcpy(slot_pointer(t, i->dst), i->plan, (size_t)i->n);
}

static void emit_argument(Preparer *p, const Op *op)
{
    const Argument *found = NULL;
    for (int i = 0; i < p->m->narguments; i++)
        if (strcmp(p->m->arguments[i].name, op->name) == 0)
            found = &p->m->arguments[i];
    if (!found) {
        prepare_error(p, op, "no value for %s '%s'", op_info[op->code].name, op->name);
        return;
    }
    Insn *i = emit_plain(p, run_argument, op);
    i->plan = &found->bits;
    i->n = dtype_info[op->results[0]->type.dtype].size;
}

static void emit_present(Preparer *p, const Op *op)
{
    static const uint64_t truth[2] = {0, 1};
    bool present = false;
    for (int i = 0; i < p->m->nbindings; i++)
        if (p->m->bindings[i].tensor->name && strcmp(p->m->bindings[i].tensor->name, op->name) == 0)
            present = p->m->bindings[i].entries > 0;
    Insn *i = emit_plain(p, run_argument, op);
    i->plan = &truth[present];
    i->n = 1;
}

static void emit_resident(Preparer *p, const Op *op)
{
    static const uint64_t programs = INTERPRETER_RESIDENT;
    Insn *i = emit_plain(p, run_argument, op);
    i->plan = &programs;
    i->n = sizeof programs;
}

void run_nothing(Task *t, const Insn *i)
{
    (void)t;
    (void)i;
}

/* Operations that share their arg's place or only name it; the debugger stops at them too. */
static void emit_nothing(Preparer *p, const Op *op)
{
    (void)op;
    (void)p;
}

/* ---- moves ---- */

typedef struct Moves {
    int count;
    bool staged; /* some target is a later source */
    size_t bytes;
    struct {
        Slot from, to;
        size_t bytes;
    } item[];
} Moves;

static void run_moves(Task *t, const Insn *i)
{
    const Moves *m = i->plan;
    if (!m->staged) {
        for (int k = 0; k < m->count; k++)
            memcpy(slot_pointer(t, m->item[k].to), slot_pointer(t, m->item[k].from),
                   m->item[k].bytes);
        return;
    }
    char *at = t->scratch;
    for (int k = 0; k < m->count; at += m->item[k++].bytes)
        memcpy(at, slot_pointer(t, m->item[k].from), m->item[k].bytes);
    at = t->scratch;
    for (int k = 0; k < m->count; at += m->item[k++].bytes)
        memcpy(slot_pointer(t, m->item[k].to), at, m->item[k].bytes);
}

void emit_moves(Preparer *p, const Op *op, Value *const *from, Value *const *to, int n)
{
    Moves *m = arena_alloc(&p->m->arena, sizeof *m + (size_t)n * sizeof m->item[0]);
    for (int k = 0; k < n; k++) {
        Slot s = slot_of(p, from[k]), d = slot_of(p, to[k]);
        size_t bytes = value_bytes(&to[k]->type);
        if (s == d || !bytes)
            continue;
        for (int j = 0; j < m->count; j++)
            m->staged |= m->item[j].to == s;
        m->item[m->count].from = s;
        m->item[m->count].to = d;
        m->item[m->count++].bytes = bytes;
        m->bytes += bytes;
    }
    if (!m->count)
        return;
    if (m->staged)
        need_scratch(p, m->bytes);
    emit(p, run_moves, op)->plan = m;
}

/* ---- regions ---- */

/* clang-format off */
static Emitter *const emitters[OP_COUNT] = {
    [OP_DIM] = emit_argument, [OP_SCALAR] = emit_argument, [OP_TENSOR] = emit_tensor,
    [OP_PRESENT] = emit_present, [OP_RESIDENT] = emit_resident, [OP_REQUIRE] = emit_check,
    [OP_WHEN] = emit_nothing, [OP_BIND] = emit_nothing,
    [OP_CONST] = emit_constant, [OP_IOTA] = emit_constant, [OP_BROADCAST] = emit_broadcast,
    [OP_RESHAPE] = emit_nothing, [OP_BITS] = emit_nothing, [OP_TRANS] = emit_trans,
    [OP_CONCAT] = emit_concat, [OP_EXTRACT] = emit_access, [OP_CAST] = emit_cast,
    [OP_SUM] = emit_sum, [OP_SUM_PART] = emit_sum,
    [OP_AMAX] = emit_extreme, [OP_AMIN] = emit_extreme,
    [OP_ANY] = emit_truth, [OP_ALL] = emit_truth, [OP_CUMSUM] = emit_scan,
    [OP_CUMMAX] = emit_scan, [OP_SOFTMAX] = emit_softmax, [OP_TOPK] = emit_order,
    [OP_RANK] = emit_order, [OP_ARGMAX] = emit_order, [OP_HISTOGRAM] = emit_histogram,
    [OP_OCCURRENCE] = emit_occurrence, [OP_MMA] = emit_mma, [OP_MMA_SCALED] = emit_mma_scaled,
    [OP_VIEW_RESHAPE] = emit_view, [OP_VIEW_SLICE] = emit_view, [OP_VIEW_TRANS] = emit_view,
    [OP_VIEW_UPSAMPLE] = emit_view, [OP_TABLE] = emit_table, [OP_EXTENT] = emit_extent,
    [OP_LOCAL] = emit_local, [OP_LOAD] = emit_access, [OP_STORE] = emit_access,
    [OP_ATOMIC_ADD] = emit_access, [OP_ASSERT] = emit_check, [OP_ASSUME] = emit_check,
    [OP_PRINT] = emit_print, [OP_GRID_SYNC] = emit_sync, [OP_EXCHANGE] = emit_exchange,
    [OP_COPIES] = emit_nothing, [OP_SIGNAL] = emit_ranks, [OP_WAIT] = emit_ranks,
    [OP_FOR] = emit_for,
    [OP_SHARE] = emit_share, [OP_IF] = emit_if, [OP_ROLES] = emit_roles, [OP_PIPE] = emit_pipe,
    [OP_PUT] = emit_put, [OP_GET] = emit_get, [OP_CONTINUE] = emit_continue,
};
/* clang-format on */

static void emit_op(Preparer *p, const Op *op)
{
    int before = p->code->count;
    if (pooled_constant(p->m, op))
        pool_constant(p, op);
    Emitter *e = emitters[op->code] ? emitters[op->code] : emit_elementwise;
    e(p, op);
    if (p->m->options.debugger && !p->expression && p->code->count == before)
        emit(p, run_nothing, op);
}

const Op *emit_region(Preparer *p, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_YIELD)
            return op;
        if (p->failed)
            return NULL;
        emit_op(p, op);
    }
    return NULL;
}

/* ---- phases ---- */

static void note_effects(Phase *ph, const Region *r)
{
    for (const Op *op = r->first; op; op = op->next) {
        if (op->code == OP_GRID_SYNC || op->code == OP_EXCHANGE)
            ph->syncs = true;
        if (op->code == OP_ATOMIC_ADD && (op->nresults || dtype_is_float(op->args[0]->type.dtype)))
            ph->one_thread = true;
        if (op->code == OP_PRINT)
            ph->one_thread = true;
        for (int i = 0; i < op->nregions; i++)
            note_effects(ph, op->regions[i]);
    }
}

static void emit_range(Preparer *p, Phase *ph, const Op *op, int k)
{
    PhaseRange *r = &ph->ranges[k];
    r->code = p->code->count;
    const Op *yield = emit_region(p, op->regions[k]);
    emit(p, run_end, op);
    if (!yield) {
        prepare_error(p, op, "range %d of par gives no bounds", k);
        return;
    }
    r->lo = slot_of(p, yield->args[0]);
    r->hi = slot_of(p, yield->args[1]);
    r->step = slot_of(p, yield->args[2]);
    r->index = slot_of(p, op->regions[op->nregions - 1]->args[k]);
}

/* True if the region, or one in it, names an earlier index or loads. */
static bool range_varies(const Region *r, const Region *range)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nargs; i++)
            if (op->args[i]->region == range)
                return true;
        for (int i = 0; i < op->nregions; i++)
            if (range_varies(op->regions[i], range))
                return true;
    }
    return false;
}

static bool emit_phase(Preparer *p, const Op *op)
{
    Machine *m = p->m;
    Phase *ph = NEW(&m->arena, Phase);
    ph->op = op;
    ph->number = m->phases.count;
    ph->unordered = op->unordered && m->phases.count;
    ph->nranges = op->nregions - 1;
    if (ph->nranges > MAX_RANK)
        return prepare_error(p, op, "par: more than %d ranges", MAX_RANK);
    PUSH(&m->arena, &m->phases, ph);
    note_effects(ph, op->regions[ph->nranges]);
    ph->frame_bytes = assign_slots(m, op->regions, op->nregions, BASE_FRAME, 0,
                                   !m->options.debugger);
    if (ph->frame_bytes >= MOST_FRAME_BYTES)
        return prepare_error(p, op, "the tiles of a program need more than %zu GiB",
                             MOST_FRAME_BYTES >> 30);
    Scope scope = {.op = op};
    p->phase = ph;
    p->scope = &scope;
    for (int k = 0; k < ph->nranges && !p->failed; k++) {
        emit_range(p, ph, op, k);
        ph->ranges[k].fixed = !range_varies(op->regions[k], op->regions[k]);
    }
    ph->body = p->code->count;
    if (!p->failed)
        emit_region(p, op->regions[ph->nranges]);
    for (int i = 0; i < scope.continues.count; i++)
        patch_to_end(p, scope.continues.items[i]);
    emit(p, run_end, op);
    p->phase = NULL;
    p->scope = NULL;
    return !p->failed;
}

static void run_launch(Task *t, const Insn *i)
{
    if (!run_phases(t->machine, (int)i->n, i->aux))
        t->state = TASK_FAULT;
}

/* What stands between the phases of an unordered set is computed before the set runs. */
static void emit_kernel(Preparer *p)
{
    Machine *m = p->m;
    struct {
        const Op **items;
        int count, capacity;
    } set = {0};
    const Op *op = m->kernel->body->first;
    while (op && !p->failed) {
        set.count = 0;
        for (; op; op = op->next) {
            if (op->code == OP_PAR && set.count && !op->unordered)
                break;
            if (op->code == OP_PAR)
                PUSH(&m->arena, &set, op);
            else if (op->code != OP_YIELD)
                emit_op(p, op);
        }
        Insn *i = emit(p, run_launch, set.count ? set.items[0] : NULL);
        i->n = m->launches.count;
        i->aux = m->launches.count + set.count;
        for (int k = 0; k < set.count; k++)
            PUSH(&m->arena, &m->launches, set.items[k]);
    }
    emit(p, run_end, NULL);
    for (int k = 0; k < m->launches.count && !p->failed; k++)
        emit_phase(p, m->launches.items[k]);
}

static bool fill_globals(Machine *m)
{
    m->globals = aligned_alloc(SLOT_ALIGN, m->global_bytes + SLOT_ALIGN);
    if (!m->globals)
        return diag_error(m->diag, m->kernel->pos, NULL, "out of memory");
    memset(m->globals, 0, m->global_bytes);
    for (int k = 0; k < m->constants.count; k++) {
        Slot s = m->slots[m->constants.items[k]->results[0]->id];
        fill_constant(m->globals + (size_t)(s >> 2) * SLOT_ALIGN, m->constants.items[k]);
    }
    return true;
}

bool prepare_kernel(Machine *m)
{
    Preparer p = {.m = m, .code = &m->code};
    m->nslots = m->kernel->next_id;
    m->slots = NEW_ARRAY(&m->arena, Slot, m->nslots);
    m->states = NEW_ARRAY(&m->arena, Slot, m->nslots);
    m->pooling = true;
    Region *body = m->kernel->body;
    m->global_bytes = assign_slots(m, &body, 1, BASE_GLOBAL, 0, false);
    if (m->global_bytes >= MOST_FRAME_BYTES)
        return diag_error(m->diag, m->kernel->pos, NULL,
                          "the tiles outside of par need more than %zu GiB",
                          MOST_FRAME_BYTES >> 30);
    emit_kernel(&p);
    return !p.failed && fill_globals(m);
}

bool prepare_expression(Machine *m, Region *r, Code *code, size_t *bytes)
{
    Preparer p = {.m = m, .code = code, .expression = true};
    if (m->kernel->next_id > m->nslots) {
        int n = m->kernel->next_id + 64;
        size_t old = (size_t)m->nslots * sizeof(Slot), size = (size_t)n * sizeof(Slot);
        m->slots = arena_grow(&m->arena, m->slots, old, size);
        m->states = arena_grow(&m->arena, m->states, old, size);
        m->nslots = n;
    }
    m->pooling = false;
    *bytes = assign_slots(m, &r, 1, BASE_EVAL, 0, false);
    const Op *yield = emit_region(&p, r);
    emit(&p, run_end, yield);
    m->pooling = true;
    return !p.failed;
}
