/* Pass: chunk. `chunk D sizes(..)`: tile axes as long as static D are computed in pieces of the
 * first size that divides D, by loops over the pieces (chunk.h).
 *
 * After places, so that a placed value is loaded again in pieces; before layouts. */
#include <string.h>

#include "compiler/chunk.h"
#include "compiler/counts.h"
#include "compiler/directives.h"
#include "compiler/locals.h"

static Region *body_of(const Chunk *ch)
{
    return ch->plan->par->regions[ch->plan->par->nregions - 1];
}

static bool find_piece(Chunk *ch)
{
    for (int i = 0; i < ch->word->args.count; i++) {
        int64_t n;
        if (!directive_integer(ch->low, ch->word->args.items[i], &n))
            return false;
        if (ch->size % n == 0) {
            ch->piece = n;
            return true;
        }
    }
    return diag_error(ch->low->diag, ch->word->pos, "add a size that does",
                      "chunk %s: none of these sizes divides %s = %lld", ch->dim, ch->dim,
                      (long long)ch->size);
}

/* ---- what is loaded and written later ---- */

static bool is_same_memory(const Op *a, const Op *b)
{
    return a == b ||
           (a->tensor && a->tensor->alias && b->name && strcmp(a->tensor->alias, b->name) == 0);
}

static bool writes(const Op *op, const Op *memory)
{
    if ((op->code == OP_STORE || op->code == OP_ATOMIC_ADD) &&
        is_same_memory(memory, tensor_root(op->args[0])->op))
        return true;
    for (int i = 0; i < op->nregions; i++)
        for (const Op *inner = op->regions[i]->first; inner; inner = inner->next)
            if (writes(inner, memory))
                return true;
    return false;
}

static void find_changes(void *context, Op *op)
{
    Chunk *ch = context;
    for (const Op *later = op->next; op->code == OP_LOAD && later; later = later->next)
        ch->changes[op->results[0]->id] |= writes(later, tensor_root(op->args[0])->op);
}

/* ---- what no loop needs any more, since those that used it compute it themselves ---- */

static bool is_needed(const Chunk *ch, const Op *op)
{
    if (op->code != OP_LOAD && (!strchr(op_info[op->code].flags, 'P') || op->nregions))
        return true;
    for (int i = 0; i < op->nresults; i++)
        if (count_uses(body_of(ch), op->results[i]))
            return true;
    return false;
}

static void drop_unneeded(Chunk *ch, Op *loop)
{
    Region *r = loop->regions[0];
    for (Op *op = r->last, *before; op; op = before) {
        before = op->prev;
        if (!is_needed(ch, op))
            op_remove(op);
    }
    if (r->first == r->last && !loop->nresults)
        op_remove(loop);
}

/* ---- all ---- */

static bool is_outside(const Lowered *low, const Directive *d)
{
    const DirectiveList *list = &low->variant->schedule->directives;
    for (int i = 0; i < list->count; i++)
        if (&list->items[i] == d)
            return true;
    return false;
}

static bool cuts_nothing(const Chunk *ch)
{
    for (int i = 0; i < ch->ids; i++)
        if (ch->cut[i].axis >= 0)
            return false;
    return true;
}

static bool chunk_directive(void *context, const Directive *d)
{
    Chunk *ch = context;
    if (d->kind != D_WORDS || strcmp(d->words.items[0].name, "chunk"))
        return true;
    *ch = (Chunk){.low = ch->low, .kernel = ch->kernel, .plan = ch->plan};
    ch->dim = d->words.items[1].name;
    ch->word = directive_word(d, "sizes");
    ch->size = setting_find(&ch->low->variant->statics, ch->dim)->integer;
    ch->ids = ch->kernel->next_id;
    ch->cut = NEW_ARRAY(ch->low->arena, Cut, ch->ids);
    ch->changes = NEW_ARRAY(ch->low->arena, bool, ch->ids);
    ch->time = NEW_ARRAY(ch->low->arena, int, ch->ids);
    for (int i = 0; i < ch->ids; i++)
        ch->cut[i].axis = -1;
    if (!find_piece(ch) || !chunk_find_axes(ch))
        return false;
    if (cuts_nothing(ch) && !(ch->low->nphases > 1 && is_outside(ch->low, d)))
        return diag_error(ch->low->diag, ch->word->pos, "leave it out",
                          "chunk %s: no tile has an axis of %s = %lld", ch->dim, ch->dim,
                          (long long)ch->size);
    if (ch->plan->nroles && !cuts_nothing(ch))
        return diag_error(
            ch->low->diag, ch->word->pos, "the interpreter runs it; its lowering comes later",
            "chunk %s: in a program with roles it is not lowered to CUDA yet", ch->dim);
    directive_honour(ch->low, ch->plan, ch->word);
    if (ch->piece == ch->size)
        return true;
    each_op(body_of(ch), find_changes, ch);
    chunk_region(ch, body_of(ch));
    for (int i = ch->loops.count - 1; i >= 0; i--)
        drop_unneeded(ch, ch->loops.items[i]);
    return true;
}

typedef struct ChunkedType {
    const Lowered *low;
    const Type *type;
    bool found;
} ChunkedType;

static bool look_for_axis(void *context, const Directive *d)
{
    ChunkedType *t = context;
    if (d->kind != D_WORDS || strcmp(d->words.items[0].name, "chunk"))
        return true;
    int64_t size = setting_find(&t->low->variant->statics, d->words.items[1].name)->integer, n;
    const Word *sizes = directive_word(d, "sizes");
    for (int i = 0; i < sizes->args.count; i++) {
        if (!variant_number(t->low->variant, sizes->args.items[i], &n) || size % n)
            continue;
        for (int k = 0; k < t->type->rank; k++)
            t->found |= t->type->dims[k] == size && n < size;
        break;
    }
    return true;
}

bool is_chunked(const Lowered *low, const PhasePlan *plan, const Type *type)
{
    ChunkedType t = {low, type, false};
    directives_each(low, plan, look_for_axis, &t);
    return t.found;
}

bool chunk_tiles(Lowered *low, const PhasePlan *plan)
{
    Chunk ch = {.low = low, .kernel = low->kernel, .plan = plan};
    return directives_each(low, plan, chunk_directive, &ch);
}
