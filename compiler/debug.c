/* The debugger's side of a run: when to stop. Commands: debug_command.c. */
#include "compiler/debug.h"

#include <string.h>
#include <unistd.h>

#include "dsl/check.h"

int op_line(const Op *op)
{
    int line, column;
    pos_line(op->pos, &line, &column);
    return line;
}

const char *op_file(const Op *op)
{
    const char *name = op->pos.source ? op->pos.source->name : "?";
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static bool contains(const Item *it, Pos p)
{
    uint32_t end = it->end.source ? it->end.at : 0;
    if (!end && it->value)
        end = it->value->span.at + it->value->span.length;
    return it->pos.source == p.source && it->pos.at <= p.at && p.at <= end;
}

const Item *item_at(const Program *p, Pos pos)
{
    const ItemList *lists[2] = {&p->fns, &p->kernels};
    for (int l = 0; l < 2; l++)
        for (int i = 0; i < lists[l]->count; i++)
            if (contains(lists[l]->items[i], pos))
                return lists[l]->items[i];
    return NULL;
}

const char *op_role(const Op *op)
{
    for (const Region *r = op->parent; r && r->parent; r = r->parent->parent)
        if (r->parent->code == OP_ROLES)
            return r->name;
    return NULL;
}

/* Ops that stand for no step of the source. */
static bool is_silent(const Op *op)
{
    return op->code == OP_YIELD || op->code == OP_CONST || op->code == OP_BIND ||
           op->code == OP_CONTINUE || op->code == OP_PAR;
}

/* A loop goes to its next iteration, or a put or get tries again: no new step of the source. */
static bool goes_on(const Debugger *d, const Task *t, const Op *op)
{
    const Insn *i = t->pc - 1, *begin = t->machine->code.items;
    if (i > begin && i[-1].op == op)
        return true;
    if (op->code == OP_PUT || op->code == OP_GET)
        if (d->places[t->role + 1].insn == i)
            return true;
    if (op->nregions)
        for (const Insn *before = i; before-- > begin;)
            if (before->op == op)
                return true;
    return false;
}

/* An iteration of a loop on one line begins here; in a get, where its item is visible. */
static bool begins_iteration(const Op *op)
{
    OpCode around = op->parent->parent ? op->parent->parent->code : OP_PAR;
    if (op->code == OP_GET || (around != OP_FOR && around != OP_SHARE && around != OP_GET))
        return false;
    for (const Op *before = op->prev; before; before = before->prev)
        if (!is_silent(before))
            return false;
    return true;
}

static bool break_here(Debugger *d, const Op *op, bool new_program)
{
    int line = op_line(op);
    for (int i = 0; i < d->breaks.count; i++) {
        Breakpoint *b = &d->breaks.items[i];
        if (b->program >= 0 && b->program != d->task->point->number)
            continue;
        if (!b->line && !new_program)
            continue;
        if (b->line && (b->line != line || (b->file && strcmp(b->file, op_file(op)))))
            continue;
        if (b->line && !new_program && d->places[d->task->role + 1].line == line &&
            !begins_iteration(op))
            continue;
        if (b->condition && !debug_condition(d, b))
            continue;
        fprintf(d->out, "breakpoint %d\n", b->number);
        return true;
    }
    return false;
}

/* The stopped line again: not if its loop stands on it too. */
static bool same_line(const Debugger *d, const Op *op)
{
    const Op *loop = op->parent->parent;
    return op_line(op) == d->stop_line && !(begins_iteration(op) && op_line(loop) != op_line(op));
}

static bool step_ends(Debugger *d, const Op *op, bool new_program)
{
    const Item *item = d->plan->item ? item_at(&d->plan->program, op->pos) : NULL;
    switch (d->mode) {
    case STEP_RUN:
        return false;
    case STEP_PROGRAM:
        return new_program;
    case STEP_LINE:
        return new_program || !same_line(d, op) || item != d->stop_item;
    case STEP_OVER:
        if (new_program)
            return true;
        if (same_line(d, op) && item == d->stop_item)
            return false;
        return item == d->stop_item || (item && item->kind == I_KERNEL) ||
               (d->stop_item && d->stop_item->kind != I_KERNEL);
    }
    return false;
}

static bool has_special(const Debugger *d, const Value *v)
{
    return debug_find_special(d->task, v, d->watch_nan, d->watch_inf) >= 0;
}

/* The first NaN or Inf that the op before has made, and not handed on. */
static bool special_made(Debugger *d)
{
    const Op *op = d->last;
    if (!op || (!d->watch_nan && !d->watch_inf) || op->nregions || op->code == OP_CONST)
        return false;
    for (int i = 0; i < op->nargs; i++)
        if (has_special(d, op->args[i]))
            return false;
    for (int i = 0; i < op->nresults; i++) {
        const Value *v = op->results[i];
        int64_t at = debug_find_special(d->task, v, d->watch_nan, d->watch_inf);
        if (at < 0)
            continue;
        char *type = type_text(d->arena, &v->type);
        fprintf(d->out, "watch: line %d made %s: %s%s%s, element %lld\n", op_line(op),
                debug_find_special(d->task, v, true, false) == at ? "a NaN" : "an Inf",
                v->name ? v->name : op_info[op->code].name, v->name ? " " : " gives ", type,
                (long long)at);
        return true;
    }
    return false;
}

void debugger_step(Debugger *d, Task *t, const Op *next)
{
    if (d->quit || is_silent(next))
        return;
    bool new_program = t->point->number != d->last_program;
    if (new_program) {
        memset(d->places, 0, sizeof d->places);
        d->loads.count = 0;
    }
    Place *place = &d->places[t->role + 1];
    bool same_step = !new_program && goes_on(d, t, next);
    place->insn = t->pc - 1;
    if (same_step)
        return;
    d->task = t;
    d->next = next;
    /* Each of them also takes note of where the run is. */
    bool special = !new_program && special_made(d);
    bool at_break = break_here(d, next, new_program), stepped = step_ends(d, next, new_program);
    if (special || at_break || stepped) {
        debug_where(d);
        debug_prompt(d);
        d->stop_line = op_line(next);
        d->stop_item = d->plan->item ? item_at(&d->plan->program, next->pos) : NULL;
    }
    if (next->code == OP_LOAD)
        debug_note_load(d, next);
    d->last = next;
    place->line = op_line(next);
    d->last_program = t->point->number;
    if (d->quit) {
        t->state = TASK_DONE;
        atomic_store(&t->machine->stop, true);
    }
}

void debugger_fault(Debugger *d, Task *t, const Op *op, const char *text)
{
    if (d->quit || !t->point || !op)
        return;
    d->task = t;
    d->next = op;
    fprintf(d->out, "fault: %s\n", text);
    debug_where(d);
    debug_prompt(d);
}

int debugger_main(RunPlan *plan)
{
    Debugger d = {.plan = plan,
                  .arena = plan->arena,
                  .out = stdout,
                  .mode = STEP_PROGRAM,
                  .next_number = 1,
                  .last_program = -1};
    d.interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    fprintf(d.out, "%s: %s\n`help` lists the commands.\n", plan->kernel->name,
            plan->kernel->variant ? plan->kernel->variant : "");
    RunOptions options = run_options(plan->command);
    options.debugger = &d;
    options.progress = false;
    options.threads = 1;
    bool good = run_execute(plan, &options);
    for (int i = 0; i < d.breaks.count; i++)
        if (d.breaks.items[i].wrong && !d.breaks.items[i].judged)
            fprintf(d.out, "breakpoint %d never had a condition to judge:\n%s",
                    d.breaks.items[i].number, d.breaks.items[i].wrong);
    if (d.quit)
        return 0;
    fprintf(d.out, good ? "the run has ended\n" : "the run has ended with a fault\n");
    fflush(d.out);
    return good && run_finish(plan) ? 0 : EXIT_USER;
}
