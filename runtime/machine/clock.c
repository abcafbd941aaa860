/* Vector clocks in two levels: blocks, and in a block its agents. Most threads of a block share one
 * clock after a barrier, so joins compare pointers before they compare numbers. */
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/internal.h"

static void *allocate(size_t bytes)
{
    void *p = malloc(bytes);
    if (!p)
        abort();
    return p;
}

/* ---- pieces ---- */

static Piece *piece_new(uint32_t block, int count)
{
    Piece *p = allocate(sizeof *p + (size_t)count * sizeof *p->at);
    p->refs = 1;
    p->count = count;
    p->block = block;
    return p;
}

static void piece_drop(Piece *p)
{
    if (--p->refs == 0)
        free(p);
}

/* The piece alone, with room for `count` agents. */
static Piece *piece_own(Piece *p, int count)
{
    if (p->refs == 1 && p->count >= count)
        return p;
    int n = p->count > count ? p->count : (count + 31) & ~31;
    Piece *q = piece_new(p->block, n);
    memcpy(q->at, p->at, (size_t)p->count * sizeof *p->at);
    memset(q->at + p->count, 0, (size_t)(n - p->count) * sizeof *p->at);
    piece_drop(p);
    return q;
}

static bool piece_covers(const Piece *p, const Piece *q)
{
    int n = p->count < q->count ? p->count : q->count;
    bool less = false;
    for (int i = 0; i < n; i++)
        less |= p->at[i] < q->at[i];
    for (int i = n; i < q->count; i++)
        less |= q->at[i] != 0;
    return !less;
}

static Piece *piece_join(Piece *p, Piece *q)
{
    if (p == q || piece_covers(p, q))
        return p;
    if (piece_covers(q, p)) {
        piece_drop(p);
        q->refs++;
        return q;
    }
    p = piece_own(p, q->count);
    for (int i = 0; i < q->count; i++)
        p->at[i] = p->at[i] > q->at[i] ? p->at[i] : q->at[i];
    return p;
}

/* ---- clocks ---- */

Clock *clock_share(Clock *c)
{
    if (c)
        c->refs++;
    return c;
}

void clock_drop(Clock **c)
{
    if (*c && --(*c)->refs == 0) {
        for (int i = 0; i < (*c)->count; i++)
            piece_drop((*c)->piece[i]);
        free(*c);
    }
    *c = NULL;
}

static Clock *clock_new(int count)
{
    Clock *c = allocate(sizeof *c + (size_t)count * sizeof *c->piece);
    c->refs = 1;
    c->count = count;
    return c;
}

/* Held by *into alone. */
static Clock *clock_own(Clock **into)
{
    Clock *c = *into;
    if (c->refs > 1) {
        Clock *d = clock_new(c->count);
        for (int i = 0; i < c->count; i++) {
            d->piece[i] = c->piece[i];
            d->piece[i]->refs++;
        }
        clock_drop(into);
        *into = d;
    }
    return *into;
}

/* The place of the block's piece, or where it would be inserted. */
static int clock_find(const Clock *c, uint32_t block)
{
    int low = 0, high = c->count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (c->piece[middle]->block < block)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const Piece *clock_piece(const Clock *c, uint32_t block)
{
    if (!c)
        return NULL;
    int i = clock_find(c, block);
    return i < c->count && c->piece[i]->block == block ? c->piece[i] : NULL;
}

bool clock_has(const Clock *c, uint32_t block, uint32_t agent, uint32_t epoch)
{
    const Piece *p = clock_piece(c, block);
    return p && agent < (uint32_t)p->count && p->at[agent] >= epoch;
}

static bool covers(const Clock *c, const Clock *d)
{
    int i = 0;
    for (int k = 0; k < d->count; k++) {
        while (i < c->count && c->piece[i]->block < d->piece[k]->block)
            i++;
        if (i == c->count || c->piece[i]->block != d->piece[k]->block)
            return false;
        if (c->piece[i] != d->piece[k] && !piece_covers(c->piece[i], d->piece[k]))
            return false;
    }
    return true;
}

/* Both pieces lists, merged; *into is dropped. */
static Clock *merge(Clock **into, const Clock *d)
{
    Clock *c = *into, *e = clock_new(c->count + d->count);
    int i = 0, k = 0, n = 0;
    while (i < c->count || k < d->count) {
        bool left = k == d->count || (i < c->count && c->piece[i]->block <= d->piece[k]->block);
        bool both = left && k < d->count && c->piece[i]->block == d->piece[k]->block;
        Piece *p = left ? c->piece[i] : d->piece[k];
        p->refs++;
        e->piece[n++] = both ? piece_join(p, d->piece[k]) : p;
        i += left;
        k += !left || both;
    }
    e->count = n;
    clock_drop(into);
    return e;
}

void clock_join(Clock **into, const Clock *d)
{
    if (!d || *into == d)
        return;
    if (!*into || covers(d, *into)) {
        clock_drop(into);
        *into = clock_share((Clock *)(uintptr_t)d);
    } else if (!covers(*into, d)) {
        *into = merge(into, d);
    }
}

void clock_set(Clock **into, uint32_t block, uint32_t agent, uint32_t epoch)
{
    if (!*into)
        *into = clock_new(0);
    Clock *c = *into;
    int i = clock_find(c, block);
    if (i == c->count || c->piece[i]->block != block) {
        Clock *d = clock_new(c->count + 1);
        for (int k = 0; k < d->count; k++) {
            d->piece[k] = k == i ? piece_new(block, 0) : c->piece[k - (k > i)];
            d->piece[k]->refs += k != i;
        }
        clock_drop(into);
        c = *into = d;
    }
    c = clock_own(into);
    Piece *p = c->piece[i] = piece_own(c->piece[i], (int)agent + 1);
    p->at[agent] = p->at[agent] > epoch ? p->at[agent] : epoch;
}

void clock_meet(Clock **into, const Clock *d)
{
    if (*into == d || !*into)
        return;
    if (!d) {
        clock_drop(into);
        return;
    }
    Clock *c = clock_own(into);
    for (int i = 0; i < c->count; i++) {
        const Piece *q = clock_piece(d, c->piece[i]->block);
        if (q == c->piece[i])
            continue;
        Piece *p = c->piece[i] = piece_own(c->piece[i], 0);
        for (int k = 0; k < p->count; k++) {
            uint32_t other = q && k < q->count ? q->at[k] : 0;
            p->at[k] = p->at[k] < other ? p->at[k] : other;
        }
    }
}

/* ---- what is handed on ---- */

void sync_drop(Sync *s)
{
    for (int i = 0; i < ORDERS; i++)
        clock_drop(&s->clock[i]);
    clock_drop(&s->last);
    s->time = 0;
}

void sync_time(Sync *s, uint64_t time)
{
    s->time = s->time > time ? s->time : time;
}

void sync_join(Sync *s, const Sync *from)
{
    sync_time(s, from->time);
    for (int i = 0; i < ORDERS; i++)
        clock_join(&s->clock[i], from->clock[i]);
}

void sync_release(Sync *s, Thread *t)
{
    bool again = s->last && s->last == t->clock[CAUSAL];
    for (int i = again ? CAUSAL + 1 : CAUSAL; i < ORDERS; i++)
        clock_join(&s->clock[i], t->clock[i]);
    if (!again) {
        clock_drop(&s->last);
        s->last = clock_share(t->clock[CAUSAL]);
    }
    clock_set(&s->clock[CAUSAL], t->block->number, (uint32_t)t->index, t->epoch);
    t->epoch++;
    sync_time(s, t->time);
}

void sync_acquire(const Sync *s, Thread *t)
{
    trace_wait(t, s->time);
    for (int i = 0; i < ORDERS; i++)
        clock_join(&t->clock[i], s->clock[i]);
}

void sync_adopt(const Sync *s, Thread *t)
{
    trace_wait(t, s->time);
    for (int i = 0; i < ORDERS; i++) {
        clock_drop(&t->clock[i]);
        t->clock[i] = clock_share(s->clock[i]);
    }
}
