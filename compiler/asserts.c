#include "compiler/asserts.h"

#include <string.h>

#include "compiler/directives.h"

/* ---- bank conflicts ---- */

enum { WARP = 32 };

static int64_t byte_of(const SharedUse *u, ThreadUnit unit, int64_t unit_bytes, int64_t reg,
                       int64_t lane, int64_t warp)
{
    int64_t own = lane % unit.lanes, at = 0;
    if (u->place)
        at = shared_byte(u->place, &u->layout, reg, own, warp);
    for (int d = 0; !u->place && d < u->rank; d++)
        at += layout_index(&u->layout, d, reg, own, warp) * u->stride[d] * u->size;
    return at + lane / unit.lanes * (u->by_thread ? u->size : unit_bytes);
}

static int64_t warp_conflicts(const SharedUse *u, ThreadUnit unit, int64_t unit_bytes, int64_t warp)
{
    int64_t bytes = u->vectors.n * u->size, lanes = phase_lanes(bytes), extra = 0;
    for (int64_t o = 0; o < u->vectors.count; o++) {
        int64_t reg = vector_first(&u->layout, &u->vectors, o);
        for (int64_t first = 0; first < WARP; first += lanes) {
            int64_t at[WARP];
            int n = 0;
            for (int64_t lane = first; lane < first + lanes; lane++)
                if (layout_holds(&u->layout, reg, lane % unit.lanes, warp))
                    at[n++] = byte_of(u, unit, unit_bytes, reg, lane, warp);
            extra += bank_turns(at, n, bytes) - 1;
        }
    }
    return extra;
}

int64_t shared_conflicts(const SharedUse *u, ThreadUnit unit, int64_t unit_bytes)
{
    int64_t most = 0;
    for (int64_t warp = 0; warp < unit.warps; warp++) {
        int64_t n = warp_conflicts(u, unit, unit_bytes, warp);
        most = n > most ? n : most;
    }
    return most;
}

/* ---- the words of assert ---- */

enum { MOST_SHARED = 227 * 1024 }; /* of a block, on sm90 and sm100 */

typedef struct Check {
    const Lowered *low;
    const PhasePlan *plan;
    const SharedUses *uses;
    const SharedSize *size;
    const char *entry;
    CodeLimits *limits;
    const char *asked; /* asserts_word: that word */
    bool found, failed;
} Check;

static const char *phase_text(const Check *c)
{
    const char *name = c->plan->par->name;
    return name ? arena_format(c->low->arena, "phase %s", name)
                : arena_format(c->low->arena, "kernel %s", c->low->kernel->name);
}

static Diag *diag_of(const Check *c)
{
    return c->low->asserted ? c->low->asserted : c->low->diag;
}

static void check_conflicts(Check *c, const Word *w, int most)
{
    int64_t all = 0, worst = 0;
    const SharedUse *where = NULL;
    for (int i = 0; i < c->uses->count; i++) {
        const SharedUse *u = &c->uses->items[i];
        int64_t n = shared_conflicts(u, c->plan->unit, (int64_t)c->size->unit);
        all += n;
        if (n > worst)
            worst = n, where = u;
    }
    if (all <= most)
        return;
    c->failed = true;
    diag_error(diag_of(c), w->pos, "try other extents of the tile, or another unit",
               "assert bank_conflicts(%d): the accesses of %s have %lld bank conflicts", most,
               phase_text(c), (long long)all);
    diag_note(diag_of(c), where->pos, "%lld of them are here, where %s is in shared memory",
              (long long)worst, where->what);
}

static char *largest_parts(const Check *c)
{
    Arena *a = c->low->arena;
    char *text = arena_format(a, "the largest:");
    for (int i = 0; i < c->size->count && i < 3; i++)
        text = arena_format(a, "%s%s %s %zu", text, i ? "," : "", c->size->parts[i].name,
                            c->size->parts[i].bytes);
    return text;
}

static void check_shared(Check *c, const Word *w, int most)
{
    if (c->size->bytes <= (size_t)most)
        return;
    c->failed = true;
    diag_error(diag_of(c), w->pos, largest_parts(c),
               "assert smem(%d): %s takes %zu bytes of shared memory a block", most, phase_text(c),
               c->size->bytes);
}

static void check_word(Check *c, const Word *w)
{
    int most;
    c->found |= c->asked && strcmp(c->asked, w->name) == 0;
    if (c->asked || !directive_number(c->low, w, &most))
        return;
    bool conflicts = strcmp(w->name, "bank_conflicts") == 0, smem = strcmp(w->name, "smem") == 0;
    if (c->limits && !conflicts && !smem) {
        CodeLimit limit = {c->entry, strcmp(w->name, "spills") == 0, most, w->pos};
        PUSH(c->low->arena, c->limits, limit);
        directive_honour(c->low, c->plan, w);
    } else if (c->uses && conflicts) {
        check_conflicts(c, w, most);
        directive_honour(c->low, c->plan, w);
    } else if (c->size && smem) {
        check_shared(c, w, most);
        directive_honour(c->low, c->plan, w);
    }
}

static bool check_directive(void *context, const Directive *d)
{
    Check *c = context;
    if (d->kind == D_WORDS && strcmp(d->words.items[0].name, "assert") == 0)
        for (int i = 1; i < d->words.count; i++)
            check_word(c, &d->words.items[i]);
    return true;
}

bool asserts_word(const Lowered *low, const PhasePlan *plan, const char *word)
{
    Check c = {.low = low, .plan = plan, .asked = word};
    directives_each(low, plan, check_directive, &c);
    return c.found;
}

bool asserts_check(const Lowered *low, const PhasePlan *plan, const SharedUses *uses,
                   const SharedSize *size)
{
    Check c = {.low = low, .plan = plan, .uses = uses, .size = size};
    directives_each(low, plan, check_directive, &c);
    if (size->bytes > MOST_SHARED)
        return diag_error(low->diag, plan->par->pos, largest_parts(&c),
                          "%s takes %zu bytes of shared memory a block, which has %d",
                          phase_text(&c), size->bytes, MOST_SHARED);
    return !c.failed;
}

bool asserts_limits(const Lowered *low, const PhasePlan *plan, const char *entry,
                    CodeLimits *limits)
{
    Check c = {.low = low, .plan = plan, .entry = entry, .limits = limits};
    directives_each(low, plan, check_directive, &c);
    return !c.failed;
}

/* ---- compiled code ---- */

bool limits_check(Diag *diag, const CodeLimits *limits, const char *entry, const char *which,
                  int registers, int stack_bytes)
{
    bool good = true;
    for (int i = 0; i < limits->count; i++) {
        const CodeLimit *l = &limits->items[i];
        int found = l->spills ? stack_bytes : registers;
        if (strcmp(l->entry, entry) || found <= l->most)
            continue;
        good = diag_error(diag, l->pos,
                          l->spills ? "smaller tiles, `chunk` or `place` leave a thread with less"
                                    : "smaller tiles, or more threads, leave a thread with less",
                          l->spills ? "assert spills(%d): a thread of %s has %d bytes in local "
                                      "memory%s"
                                    : "assert regs(%d): a thread of %s takes %d registers%s",
                          l->most, entry, found, which);
    }
    return good;
}
