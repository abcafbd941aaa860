/* Bank conflicts: 32 banks of 4 bytes; an access of 8 bytes takes two passes of 16 lanes, one of 16
 * bytes four of 8. Lanes are fibers that run one after the other; those at one place are taken for
 * one instruction, in order. */
#include <string.h>

#include "runtime/machine/internal.h"

/* The most words of one bank that the lanes first .. first + n - 1 ask for. */
static unsigned passes(const BankGroup *g, int first, int n)
{
    unsigned count[32] = {0}, most = 0;
    for (int i = first; i < first + n; i++) {
        if (!(g->lanes >> i & 1))
            continue;
        for (int w = 0; w < (g->bytes + 3) / 4; w++) {
            uint32_t word = g->address[i] / 4 + (uint32_t)w;
            bool seen = false;
            for (int k = first; k < i && !seen; k++)
                seen = (g->lanes >> k & 1) && word >= g->address[k] / 4 &&
                       word < (g->address[k] + (uint32_t)g->bytes + 3) / 4;
            if (!seen && ++count[word % 32] > most)
                most = count[word % 32];
        }
    }
    return most;
}

static void finish(Machine *m, BankGroup *g)
{
    int lanes = g->bytes == 16 ? 8 : g->bytes == 8 ? 16 : 32;
    for (int first = 0; first < 32; first += lanes) {
        unsigned p = passes(g, first, lanes);
        m->counts.shared_passes += p > 0;
        m->counts.bank_conflicts += p > 1 ? p - 1 : 0;
    }
    g->lanes = 0;
}

/* The oldest group at this place that misses the lane; else an empty one, or the oldest of all. */
static BankGroup *group_of(Warp *w, Machine *m, const Thread *t, int bytes)
{
    BankGroup *best = NULL, *oldest = &w->bank[0];
    for (int i = 0; i < BANK_GROUPS; i++) {
        BankGroup *g = &w->bank[i];
        bool fits = g->lanes && g->place == t->place && g->bytes == bytes &&
                    !(g->lanes >> t->lane & 1);
        if (fits && (!best || g->order < best->order))
            best = g;
        if (!g->lanes || (oldest->lanes && g->order < oldest->order))
            oldest = g;
    }
    if (best)
        return best;
    if (oldest->lanes)
        finish(m, oldest);
    oldest->place = t->place;
    oldest->bytes = bytes;
    oldest->order = ++w->bank_order;
    return oldest;
}

void bank_count(Thread *t, const Region *r, const void *s, int bytes)
{
    Warp *w = t->warp;
    if (r->block != t->block)
        return;
    BankGroup *g = group_of(w, t->machine, t, bytes);
    g->lanes |= 1u << t->lane;
    g->address[t->lane] = (uint32_t)region_offset(r, s);
    if ((w->live & ~g->lanes) == 0)
        finish(t->machine, g);
}

void bank_flush(Warp *w)
{
    for (int i = 0; i < BANK_GROUPS; i++)
        finish(w->block->machine, &w->bank[i]);
}
