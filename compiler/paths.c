/* Pass: paths. What a schedule asks of moves between tensors and registers is possible at all: the
 * movement itself is chosen by layouts.c and the emitter, which ask for the path.
 *
 * Before layouts. */
#include "compiler/paths.h"

#include <string.h>

#include "compiler/counts.h"
#include "compiler/directives.h"
#include "compiler/locals.h"

enum { MOST_BYTES = 16 }; /* that one access moves */

static const char *verb_of(const Op *access)
{
    return access->code == OP_LOAD ? "load" : "store";
}

static const Value *tile_of(const Op *access)
{
    return access->code == OP_LOAD ? access->results[0] : access->args[access->nargs - 1];
}

Path path_of(const Lowered *low, const PhasePlan *plan, const Op *access)
{
    Path p = {0};
    int64_t bytes;
    const Op *tensor = tensor_root(access->args[0])->op;
    if (tensor->code != OP_TENSOR)
        return p;
    const Directive *d = directive_find(low, plan, verb_of(access), tensor->name);
    p.smem = directive_word(d, "smem");
    p.tma = directive_word(d, "tma");
    p.vector = directive_word(d, "vector");
    p.regs = directive_word(d, "regs");
    if (p.vector && variant_number(low->variant, p.vector->args.items[0], &bytes))
        p.elements = bytes * 8 / dtype_info[tensor->results[0]->type.dtype].bits;
    return p;
}

/* ---- what is possible ---- */

typedef struct Check {
    Lowered *low;
    const PhasePlan *plan;
    const char *verb, *tensor;
    int tiles;       /* that are moved */
    const Op *first; /* access, of what is not one */
} Check;

static void look(void *context, Op *op)
{
    Check *c = context;
    bool store = op->code == OP_STORE || op->code == OP_ATOMIC_ADD;
    if ((op->code != OP_LOAD && !store) || strcmp(verb_of(op), c->verb) ||
        tensor_root(op->args[0])->op->code != OP_TENSOR ||
        strcmp(tensor_root(op->args[0])->op->name, c->tensor))
        return;
    bool tile = op->code != OP_ATOMIC_ADD && type_elements(&tile_of(op)->type) > 1;
    c->tiles += tile;
    if (!tile && !c->first)
        c->first = op;
}

static bool check_vector(const Check *c, const Word *w, DType t)
{
    int64_t bytes;
    if (!w || !variant_number(c->low->variant, w->args.items[0], &bytes)) {
        directive_honour(c->low, c->plan, w);
        return true;
    }
    if (bytes > MOST_BYTES)
        return diag_error(c->low->diag, w->pos, "write vector(16)",
                          "%s %s: an access moves at most %d bytes", c->verb, c->tensor,
                          MOST_BYTES);
    if (bytes * 8 < dtype_info[t].bits)
        return diag_error(c->low->diag, w->pos, NULL, "%s %s: an element of %s has %d bytes",
                          c->verb, c->tensor, dtype_info[t].name, dtype_info[t].bits / 8);
    return true;
}

/* The threads of a warp, each with a program of its own, all of them alive. */
static bool check_warps(const Check *c, const Word *w)
{
    const PhasePlan *p = c->plan;
    if (p->unit.lanes > 1)
        return true;
    if (p->looped || p->ragged)
        return diag_error(c->low->diag, w->pos, "leave it out",
                          "%s %s via smem: the threads of a warp move their tiles together, and "
                          "in a persistent grid some have no program left",
                          c->verb, c->tensor);
    return true;
}

typedef struct Writes {
    const Op *tensor, *first; /* first: access that writes it; NULL: none */
} Writes;

static bool is_alias(const Op *a, const Op *b)
{
    return b->tensor && b->tensor->alias && strcmp(a->name, b->tensor->alias) == 0;
}

static void look_for_write(void *context, Op *op)
{
    Writes *w = context;
    if (op->code != OP_STORE && op->code != OP_ATOMIC_ADD)
        return;
    const Op *t = tensor_root(op->args[0])->op;
    if (!w->first && (t == w->tensor || is_alias(t, w->tensor) || is_alias(w->tensor, t)))
        w->first = op;
}

/* Tensor copies take no hints for threads, and read what earlier launches wrote. */
static bool check_tma(const Check *c, const Directive *d, const Word *tma)
{
    const PhasePlan *p = c->plan, *end = c->low->phases + c->low->nphases;
    const Word *vector = directive_word(d, "vector"), *cache = directive_word(d, "cache");
    Writes w = {0};
    if (p->unit.lanes < 32)
        return diag_error(c->low->diag, tma->pos, "write `via smem`, or leave it out",
                          "%s %s via tma: it needs unit block or warp", c->verb, c->tensor);
    if (vector || cache)
        return diag_error(c->low->diag, (vector ? vector : cache)->pos, "leave it out",
                          "%s %s via tma: %s is for what threads move", c->verb, c->tensor,
                          vector ? "vector" : "cache");
    if (p->nroles)
        return diag_error(c->low->diag, tma->pos, "write `via smem`, or leave it out",
                          "%s %s via tma: not in a program with roles yet", c->verb, c->tensor);
    if (p->joins || (p + 1 < end && p[1].joins))
        return diag_error(c->low->diag, tma->pos, "write `via smem`, or leave it out",
                          "%s %s via tma: not where several phases are one launch yet", c->verb,
                          c->tensor);
    for (const Op *op = c->low->kernel->body->first; op && !w.tensor; op = op->next)
        if (op->code == OP_TENSOR && strcmp(op->name, c->tensor) == 0)
            w.tensor = op;
    if (strcmp(c->verb, "load") == 0)
        each_op(p->par->regions[p->par->nregions - 1], look_for_write, &w);
    if (!w.first)
        return true;
    diag_error(c->low->diag, tma->pos, "write `via smem`, or leave it out",
               "load %s via tma: the phase writes it, which tensor copies are not ordered with",
               c->tensor);
    diag_note(c->low->diag, w.first->pos, "here");
    return false;
}

static bool check_directive(void *context, const Directive *d)
{
    Check *c = context;
    const char *verb = d->kind == D_WORDS ? d->words.items[0].name : "";
    const Word *smem = directive_word(d, "smem"), *tma = directive_word(d, "tma"),
               *vector = directive_word(d, "vector");
    if (strcmp(verb, "load") && strcmp(verb, "store"))
        return true;
    const Region *body = c->plan->par->regions[c->plan->par->nregions - 1];
    Check look_for = {c->low, c->plan, verb, d->words.items[1].name, 0, NULL};
    each_op(body, look, &look_for);
    Check all = look_for;
    each_op(c->low->kernel->body, look, &all);
    if ((!look_for.tiles && !look_for.first) || (!smem && !tma && !vector))
        return true;
    if (!all.tiles) {
        diag_error(c->low->diag,
                   (smem  ? smem
                    : tma ? tma
                          : vector)
                       ->pos,
                   "leave it out", "%s %s: no tile of it is moved here, only single elements", verb,
                   look_for.tensor);
        diag_note(c->low->diag, look_for.first->pos, "this is one");
        return false;
    }
    if (!look_for.tiles) {
        for (int i = 2; i < d->words.count; i++)
            directive_honour(c->low, c->plan, &d->words.items[i]);
        return true;
    }
    if (tma && !check_tma(&look_for, d, tma))
        return false;
    const Type *t = NULL;
    for (const Op *op = c->low->kernel->body->first; op && !t; op = op->next)
        if (op->code == OP_TENSOR && strcmp(op->name, look_for.tensor) == 0)
            t = &op->results[0]->type;
    return (!smem || check_warps(&look_for, smem)) && check_vector(&look_for, vector, t->dtype);
}

bool check_paths(Lowered *low, const PhasePlan *plan)
{
    Check c = {.low = low, .plan = plan};
    return directives_each(low, plan, check_directive, &c);
}
