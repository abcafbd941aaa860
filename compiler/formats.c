/* Does a kernel ask for the storage format of a tensor (R18)? Only then formats tell variants
 * apart. */
#include <string.h>

#include "compiler/program.h"

/* store(tensor), or store(..) of anything if `tensor` is NULL. */
static bool asks_in_expr(const Expr *x, Name tensor)
{
    if (!x)
        return false;
    if (x->kind == E_CALL && x->a->kind == E_NAME && strcmp(x->a->name, "store") == 0 &&
        (!tensor || (x->args.count == 1 && x->args.items[0]->kind == E_NAME &&
                     x->args.items[0]->name == tensor)))
        return true;
    for (int i = 0; i < x->args.count; i++)
        if (asks_in_expr(x->args.items[i], tensor))
            return true;
    return asks_in_expr(x->a, tensor) || asks_in_expr(x->b, tensor) || asks_in_expr(x->c, tensor);
}

static bool asks_in_stmts(const StmtList *list, Name tensor)
{
    for (int i = 0; i < list->count; i++) {
        const Stmt *s = list->items[i];
        bool asks = asks_in_expr(s->target, tensor) || asks_in_expr(s->value, tensor) ||
                    asks_in_expr(s->part, tensor) || asks_in_expr(s->parts, tensor) ||
                    asks_in_stmts(&s->body, tensor) || asks_in_stmts(&s->orelse, tensor);
        for (int k = 0; k < s->ranges.count; k++)
            asks |= asks_in_expr(s->ranges.items[k].lo, tensor) ||
                    asks_in_expr(s->ranges.items[k].hi, tensor) ||
                    asks_in_expr(s->ranges.items[k].step, tensor);
        for (int k = 0; k < s->inits.count; k++)
            asks |= asks_in_expr(s->inits.items[k].value, tensor);
        for (int k = 0; k < s->roles.count; k++)
            asks |= asks_in_stmts(&s->roles.items[k].body, tensor);
        if (asks)
            return true;
    }
    return false;
}

/* A function may be called with the tensor: whatever it asks for counts. */
bool asks_format(const Program *p, const Item *kernel, Name tensor)
{
    const Item *instances = program_find(&p->instances, kernel->name.name);
    if (asks_in_expr(kernel->where, tensor) || asks_in_stmts(&kernel->body, tensor))
        return true;
    for (int i = 0; instances && i < instances->insts.count; i++)
        if (asks_in_expr(instances->insts.items[i].where, tensor))
            return true;
    for (int i = 0; i < p->fns.count; i++)
        if (asks_in_expr(p->fns.items[i]->value, NULL) ||
            asks_in_stmts(&p->fns.items[i]->body, NULL))
            return true;
    return false;
}
