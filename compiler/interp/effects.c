/* assert, assume, require, print, and what only ranks have. */
#include "compiler/interp/prepare.h"

static void run_check(Task *t, const Insn *i)
{
    static const char *const what[] = {"assert", "assume", "require"};
    int k = i->op->code == OP_ASSERT ? 0 : i->op->code == OP_ASSUME ? 1 : 2;
    if (!*(const uint8_t *)slot_pointer(t, i->arg[0]))
        fault(t, i->op->pos, "%s failed: %s", what[k], i->op->name ? i->op->name : "condition");
}

void emit_check(Preparer *p, const Op *op)
{
    emit_plain(p, run_check, op);
}

/* Values by name, one below the other; the program first, so that lines can be told apart. */
static void run_print(Task *t, const Insn *i)
{
    const Slot *args = i->plan;
    char where[256] = "";
    if (t->point)
        point_text(where, sizeof where, t->point);
    if (i->op->name)
        printf("%s%s%s\n", where, *where ? " " : "", i->op->name);
    else if (!i->op->nargs || *where)
        printf("%s\n", where);
    for (int a = 0; a < i->op->nargs; a++) {
        const Value *v = i->op->args[a];
        if (v->type.kind == TY_TILE)
            show_tile(stdout, v->name, v->type.dtype, v->type.rank, v->type.dims,
                      slot_pointer(t, args[a]));
    }
    fflush(stdout);
}

void emit_print(Preparer *p, const Op *op)
{
    Slot *args = NEW_ARRAY(&p->m->arena, Slot, op->nargs);
    for (int a = 0; a < op->nargs; a++)
        args[a] = slot_of(p, op->args[a]);
    Insn *i = emit(p, run_print, op);
    i->plan = args;
}

void emit_ranks(Preparer *p, const Op *op)
{
    prepare_error(p, op, "%s: symmetric memory runs later: not supported by the interpreter yet",
                  op_info[op->code].name);
}
