/* Registers that wgmma uses: the kernel's arrays, which hold poison while they are an operation's.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/wgmma.h"

static bool overlap(const Registers *r, const Thread *t, int words)
{
    const uint32_t *p = t->pointer;
    return p < r->at[t->lane] + r->words && r->at[t->lane] < p + words;
}

void wgmma_keep(Warp *w, Registers *r)
{
    EACH_LANE(t, w)
    memcpy(r->kept + t->lane * r->words, r->at[t->lane], (size_t)r->words * 4);
}

static bool is_kept(const Registers *r, const Thread *t)
{
    return memcmp(r->kept + t->lane * r->words, r->at[t->lane], (size_t)r->words * 4) == 0;
}

void wgmma_forget(WgmmaState *s, int i)
{
    free(s->registers[i]->kept);
    free(s->registers[i]);
    s->registers[i] = s->registers[--s->arrays];
}

/* The record of the lanes' arrays (t->pointer), a new one if need be; `known`: it is an old one. */
static Registers *find_registers(Warp *w, int words, bool *known)
{
    WgmmaState *s = w->wgmma;
    const Thread *first = warp_lane(w, 0);
    for (int i = s->arrays - 1; i >= 0; i--) {
        Registers *r = s->registers[i];
        if (r->at[0] == first->pointer && r->words == words) {
            *known = true;
            return r;
        }
        if (!overlap(r, first, words))
            continue;
        if (r->in_flight)
            breach(w->block->machine, TILE_FAULT_FENCE, first, first->place,
                   "wgmma.mma_async uses registers of one in flight with another shape");
        wgmma_forget(s, i);
    }
    for (int i = 0; s->arrays == MOST_ARRAYS; i++)
        if (!s->registers[i]->in_flight)
            wgmma_forget(s, i);
        else if (i == MOST_ARRAYS - 1)
            breach(w->block->machine, TILE_FAULT_LAUNCH, first, first->place,
                   "more than %d arrays of registers in flight are not modelled", MOST_ARRAYS);
    Registers *r = calloc(1, sizeof *r);
    if (!r || !(r->kept = malloc((size_t)words * WARP_SIZE * 4)))
        abort();
    s->registers[s->arrays++] = r;
    r->words = words;
    EACH_LANE(t, w)
    r->at[t->lane] = t->pointer;
    *known = false;
    return r;
}

static bool is_poisoned(const Registers *r, const Thread *t)
{
    for (int i = 0; i < r->words; i++)
        if (r->at[t->lane][i] != POISON)
            return false;
    return true;
}

/* What a compiler with -ftrivial-auto-var-init=pattern leaves in arrays that nobody has set. */
static bool is_uninitialised(uint32_t word)
{
    return word == 0xFEFEFEFE || word == 0xAAAAAAAA || word == 0xFFFFFFFF;
}

static void check_initialised(Warp *w, const Registers *r, const char *what)
{
    EACH_LANE(t, w)
    for (int i = 0; i < r->words; i++)
        if (is_uninitialised(r->at[t->lane][i]))
            breach(w->block->machine, TILE_FAULT_UNINITIALISED, t, t->place,
                   "wgmma.mma_async: register %d of %s has not been set", i, what);
}

/* Without a fence between, registers must be as the last operation left them: 9.7.15.7.1. */
static void check_fenced(Warp *w, const Registers *r, const char *what)
{
    EACH_LANE(t, w)
    if (!is_kept(r, t))
        breach(w->block->machine, TILE_FAULT_FENCE, t, t->place,
               "wgmma.mma_async: registers of %s have changed, with no wgmma.fence since", what);
}

static void check_poison(Warp *w, const Registers *r)
{
    EACH_LANE(t, w)
    if (!is_poisoned(r, t))
        breach(w->block->machine, TILE_FAULT_ACCUMULATOR, t, t->place,
               "%s: accumulators of a wgmma.mma_async in flight were written before its wait",
               t->doing);
}

Registers *wgmma_take_accumulators(Warp *w, int words, bool accumulate)
{
    bool known;
    Registers *r = find_registers(w, words, &known);
    if (r->in_flight) {
        check_poison(w, r);
        return r;
    }
    if (known)
        check_fenced(w, r, "D");
    if (accumulate)
        check_initialised(w, r, "D");
    wgmma_keep(w, r);
    r->accumulators = r->in_flight = true;
    EACH_LANE(t, w)
    for (int i = 0; i < words; i++)
        r->at[t->lane][i] = POISON;
    return r;
}

static void check_fragment(Warp *w, const Registers *r)
{
    EACH_LANE(t, w)
    if (!is_kept(r, t))
        breach(w->block->machine, TILE_FAULT_ACCUMULATOR, t, t->place,
               "%s: registers of A of a wgmma.mma_async in flight were written before its wait",
               t->doing);
}

Registers *wgmma_take_fragment(Warp *w, int element_bytes)
{
    bool known;
    Registers *r = find_registers(w, A_WORDS, &known);
    if (r->in_flight)
        check_fragment(w, r);
    else if (known)
        check_fenced(w, r, "A");
    else if (element_bytes > 1) /* four equal bytes are likely numbers */
        check_initialised(w, r, "A");
    wgmma_keep(w, r);
    r->accumulators = false;
    r->in_flight = true;
    return r;
}

void wgmma_give_back(Warp *w, Registers *r)
{
    r->in_flight = false;
    if (!r->accumulators) {
        check_fragment(w, r);
        return;
    }
    check_poison(w, r);
    EACH_LANE(t, w)
    memcpy(r->at[t->lane], r->kept + t->lane * r->words, (size_t)r->words * 4);
}
