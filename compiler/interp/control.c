/* for, shared ragged for, if, continue. */
#include "compiler/interp/prepare.h"

static Slot state_of(const Preparer *p, const Op *op)
{
    return p->m->states[op->regions[op->nregions - 1]->args[0]->id];
}

static void jump(Task *t, const Insn *i)
{
    t->pc = i + i->jump;
}

static void run_jump(Task *t, const Insn *i)
{
    jump(t, i);
}

/* A jump back to instruction `to`. */
static void emit_back(Preparer *p, Handler *run, const Op *op, Slot state, Slot index, int to)
{
    int at = p->code->count;
    Insn *i = emit(p, run, op);
    i->arg[0] = state;
    i->dst = index;
    i->jump = to - at;
}

static void close_scope(Preparer *p, Scope *s)
{
    for (int k = 0; k < s->continues.count; k++)
        patch_to_end(p, s->continues.items[k]);
    p->scope = s->outer;
}

/* ---- for ---- */

static bool read_range(Task *t, const Insn *i, const Value *const *args, int64_t *lo, int64_t *hi,
                       int64_t *step)
{
    *lo = read_int(slot_pointer(t, i->arg[0]), args[0]->type.dtype);
    *hi = read_int(slot_pointer(t, i->arg[1]), args[1]->type.dtype);
    *step = read_int(slot_pointer(t, i->arg[2]), args[2]->type.dtype);
    if (*step > 0)
        return true;
    fault(t, i->op->pos, "step of the range is %lld, must be positive", (long long)*step);
    return false;
}

/* plan: the slot of the state. */
static void run_for(Task *t, const Insn *i)
{
    int64_t lo, hi, step;
    if (!read_range(t, i, (const Value *const *)i->op->args, &lo, &hi, &step))
        return;
    LoopState *s = slot_pointer(t, *(const Slot *)i->plan);
    s->hi = hi;
    s->step = step;
    *(int64_t *)slot_pointer(t, i->dst) = lo;
    if (lo >= hi)
        jump(t, i);
}

/* Unsigned: the distance of two i64 may not fit. */
static bool advance(const LoopState *s, int64_t *index)
{
    if ((uint64_t)s->hi - (uint64_t)*index <= (uint64_t)s->step)
        return false;
    *index += s->step;
    return true;
}

static void run_next(Task *t, const Insn *i)
{
    if (advance(slot_pointer(t, i->arg[0]), slot_pointer(t, i->dst)))
        jump(t, i);
}

static const Slot *keep_slot(Preparer *p, Slot s)
{
    Slot *k = NEW(&p->m->arena, Slot);
    *k = s;
    return k;
}

void emit_for(Preparer *p, const Op *op)
{
    Region *body = op->regions[0];
    Scope scope = {.outer = p->scope, .op = op};
    emit_moves(p, op, op->args + 3, body->args + 1, op->nargs - 3);
    int enter = p->code->count;
    Insn *i = emit_plain(p, run_for, op);
    i->dst = slot_of(p, body->args[0]);
    i->plan = keep_slot(p, state_of(p, op));
    p->scope = &scope;
    const Op *yield = emit_region(p, body);
    if (yield)
        emit_moves(p, yield, yield->args, body->args + 1, yield->nargs);
    close_scope(p, &scope);
    emit_back(p, run_next, op, state_of(p, op), slot_of(p, body->args[0]), enter + 1);
    patch_to_end(p, enter);
}

/* ---- for (ranges) of (p, P) ---- */

static void run_share(Task *t, const Insn *i)
{
    ShareState *s = slot_pointer(t, i->dst);
    s->skip = read_int(slot_pointer(t, i->arg[0]), i->op->args[0]->type.dtype);
    s->every = read_int(slot_pointer(t, i->arg[1]), i->op->args[1]->type.dtype);
    if (s->every <= 0 || s->skip < 0)
        fault(t, i->op->pos,
              "of (%lld, %lld): the first must not be negative, the second must be "
              "positive",
              (long long)s->skip, (long long)s->every);
}

/* Begins range `aux` after its region ran: arg: lo, hi, step; dst: the state; plan: the index. */
static void run_share_range(Task *t, const Insn *i)
{
    const Op *yield = i->op->regions[i->aux]->last;
    ShareState *s = slot_pointer(t, i->dst);
    LoopState *l = &s->range[i->aux];
    int64_t *index = slot_pointer(t, *(const Slot *)i->plan);
    read_range(t, i, (const Value *const *)yield->args, index, &l->hi, &l->step);
}

/* An outer range: is there a point left? */
static void run_share_test(Task *t, const Insn *i)
{
    const ShareState *s = slot_pointer(t, i->arg[0]);
    if (*(int64_t *)slot_pointer(t, i->dst) >= s->range[i->aux].hi)
        jump(t, i);
}

/* The innermost range: goes to the next point of this program, or jumps if it lies behind. */
static void run_share_point(Task *t, const Insn *i)
{
    ShareState *s = slot_pointer(t, i->arg[0]);
    const LoopState *l = &s->range[i->aux];
    int64_t *index = slot_pointer(t, i->dst);
    uint64_t left = 0;
    if (*index < l->hi)
        left = ((uint64_t)l->hi - (uint64_t)*index - 1) / (uint64_t)l->step + 1;
    if ((uint64_t)s->skip >= left) {
        s->skip -= (int64_t)left;
        jump(t, i);
        return;
    }
    *index += s->skip * l->step;
    s->skip = 0;
}

static void run_share_again(Task *t, const Insn *i)
{
    ShareState *s = slot_pointer(t, i->arg[0]);
    s->skip = s->every;
    jump(t, i);
}

static void run_share_next(Task *t, const Insn *i)
{
    const ShareState *s = slot_pointer(t, i->arg[0]);
    const LoopState *l = &s->range[i->aux];
    int64_t *index = slot_pointer(t, i->dst);
    if (!advance(l, index))
        *index = l->hi;
    jump(t, i);
}

static void emit_share_level(Preparer *p, const Op *op, int level)
{
    Region *body = op->regions[op->nregions - 1];
    Slot index = slot_of(p, body->args[level]), state = state_of(p, op);
    bool innermost = level == op->nregions - 2;
    const Op *range = emit_region(p, op->regions[level]);
    if (!range) {
        prepare_error(p, op, "range %d of for gives no bounds", level);
        return;
    }
    Insn *i = emit(p, run_share_range, op);
    for (int a = 0; a < 3; a++)
        i->arg[a] = slot_of(p, range->args[a]);
    i->dst = state;
    i->aux = level;
    i->plan = keep_slot(p, index);
    int test = p->code->count;
    i = emit(p, innermost ? run_share_point : run_share_test, op);
    i->arg[0] = state;
    i->dst = index;
    i->aux = level;
    if (innermost) {
        Scope scope = {.outer = p->scope, .op = op};
        p->scope = &scope;
        const Op *yield = emit_region(p, body);
        if (yield)
            emit_moves(p, yield, yield->args, body->args + op->nregions - 1, yield->nargs);
        close_scope(p, &scope);
        emit_back(p, run_share_again, op, state, index, test);
    } else {
        emit_share_level(p, op, level + 1);
        emit_back(p, run_share_next, op, state, index, test);
        p->code->items[p->code->count - 1].aux = level;
    }
    patch_to_end(p, test);
}

void emit_share(Preparer *p, const Op *op)
{
    Region *body = op->regions[op->nregions - 1];
    emit_moves(p, op, op->args + 2, body->args + op->nregions - 1, op->nargs - 2);
    Insn *i = emit_plain(p, run_share, op);
    i->dst = state_of(p, op);
    if (op->nregions > MAX_RANK)
        prepare_error(p, op, "for: more than %d ranges", MAX_RANK - 1);
    else
        emit_share_level(p, op, 0);
}

/* ---- if, continue ---- */

static void run_unless(Task *t, const Insn *i)
{
    if (!*(const bool *)slot_pointer(t, i->arg[0]))
        jump(t, i);
}

void emit_if(Preparer *p, const Op *op)
{
    int test = p->code->count;
    emit_plain(p, run_unless, op);
    const Op *yield = emit_region(p, op->regions[0]);
    if (yield)
        emit_moves(p, yield, yield->args, op->results, yield->nargs);
    int skip = p->code->count;
    bool otherwise = op->nregions > 1;
    if (otherwise)
        emit(p, run_jump, op);
    patch_to_end(p, test);
    if (!otherwise)
        return;
    yield = emit_region(p, op->regions[1]);
    if (yield)
        emit_moves(p, yield, yield->args, op->results, yield->nargs);
    patch_to_end(p, skip);
}

/* Leaves the gets on the way (their slots become free) and goes to the loop's next iteration. */
void emit_continue(Preparer *p, const Op *op)
{
    Scope *s = p->scope;
    for (; s && s->op->code == OP_GET; s = s->outer) {
        Insn *i = emit(p, run_get_end, s->op);
        i->arg[0] = slot_of(p, s->op->args[0]);
    }
    if (!s) {
        prepare_error(p, op, "continue outside of a loop");
        return;
    }
    const Op *loop = s->op;
    if (loop->code == OP_FOR || loop->code == OP_SHARE) {
        Region *body = loop->regions[loop->nregions - 1];
        emit_moves(p, op, op->args, body->args + body->nargs - op->nargs, op->nargs);
    }
    PUSH(&p->m->arena, &s->continues, p->code->count);
    emit(p, run_jump, op);
}
