/* The programs of a phase: how many, which indices number n has, and in which order they run. */
#include "compiler/interp/interp_internal.h"

#include <stdlib.h>

/* ---- order ---- */

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* A Feistel network on the smallest even number of bits that holds count; numbers outside are
 * mapped again until they fall inside. */
void permutation_init(Permutation *p, uint64_t count, uint64_t seed)
{
    p->count = count;
    p->half_bits = 1;
    while (p->half_bits < 31 && count > (uint64_t)1 << 2 * p->half_bits)
        p->half_bits++;
    for (int i = 0; i < 4; i++)
        p->key[i] = random_next(&seed);
}

static uint64_t feistel(const Permutation *p, uint64_t x)
{
    uint64_t mask = ((uint64_t)1 << p->half_bits) - 1, left = x >> p->half_bits, right = x & mask;
    for (int i = 0; i < 4; i++) {
        uint64_t h = (right + p->key[i]) * 0xBF58476D1CE4E5B9u;
        uint64_t next = left ^ (h >> 32 & mask);
        left = right;
        right = next;
    }
    return left << p->half_bits | right;
}

uint64_t permutation_at(const Permutation *p, uint64_t position)
{
    uint64_t x = position;
    do
        x = feistel(p, x);
    while (x >= p->count);
    return x;
}

/* ---- ranges ---- */

typedef struct Bounds {
    int64_t lo, hi, step;
} Bounds;

/* Runs the code of range k; the indices before it are in the frame. */
static bool range_bounds(Worker *w, const Phase *ph, int k, Bounds *b)
{
    const PhaseRange *r = &ph->ranges[k];
    const Op *yield = ph->op->regions[k]->last;
    Task *t = &w->task;
    if (!task_run_at(t, &w->machine->code.items[r->code]))
        return false;
    b->lo = read_int(slot_pointer(t, r->lo), yield->args[0]->type.dtype);
    b->hi = read_int(slot_pointer(t, r->hi), yield->args[1]->type.dtype);
    b->step = read_int(slot_pointer(t, r->step), yield->args[2]->type.dtype);
    if (b->step > 0)
        return true;
    fault(t, ph->op->pos, "step of range %d is %lld, must be positive", k, (long long)b->step);
    return false;
}

static int64_t bounds_count(const Bounds *b)
{
    if (b->lo >= b->hi)
        return 0;
    uint64_t n = ((uint64_t)b->hi - (uint64_t)b->lo - 1) / (uint64_t)b->step + 1;
    return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static void set_index(Worker *w, const Phase *ph, int k, int64_t index)
{
    *(int64_t *)slot_pointer(&w->task, ph->ranges[k].index) = index;
}

/* ---- ragged ranges: one entry of `prefix` a point of the ranges before the last ragged one ----
 * {programs before it, its indices.., lo and step of the ragged range} */

static int64_t prefix_words(const Phase *ph)
{
    return ph->ragged + 3;
}

static bool prefix_push(Phase *ph, const int64_t *words, int64_t n)
{
    if (ph->prefix.count + n > ph->prefix.capacity) {
        int64_t capacity = 2 * ph->prefix.capacity + 64 * n;
        int64_t *grown = realloc(ph->prefix.items, (size_t)capacity * sizeof *grown);
        if (!grown)
            return false;
        ph->prefix.items = grown;
        ph->prefix.capacity = capacity;
    }
    memcpy(ph->prefix.items + ph->prefix.count, words, (size_t)n * sizeof *words);
    ph->prefix.count += n;
    return true;
}

static bool too_many(Worker *w, const Phase *ph)
{
    fault(&w->task, ph->op->pos, "par: too many programs");
    return false;
}

static bool enumerate_level(Worker *w, Phase *ph, int level, int64_t inner, int64_t *words)
{
    Bounds b = {.lo = ph->lo[level], .step = ph->step[level]};
    if (ph->ranges[level].fixed)
        b.hi = ph->lo[level] + ph->extent[level] * ph->step[level];
    else if (!range_bounds(w, ph, level, &b))
        return false;
    int64_t count = bounds_count(&b), programs;
    if (level == ph->ragged) {
        if (!count)
            return true;
        words[ph->ragged + 1] = b.lo;
        words[ph->ragged + 2] = b.step;
        if (!prefix_push(ph, words, prefix_words(ph)) ||
            __builtin_mul_overflow(count, inner, &programs) ||
            __builtin_add_overflow(words[0], programs, &words[0]))
            return too_many(w, ph);
        return true;
    }
    for (int64_t i = 0; i < count; i++) {
        words[1 + level] = b.lo + i * b.step;
        set_index(w, ph, level, words[1 + level]);
        if (!enumerate_level(w, ph, level + 1, inner, words))
            return false;
    }
    return true;
}

bool phase_enumerate(Machine *m, Worker *w, Phase *ph, int64_t first)
{
    int64_t inner = 1;
    (void)m;
    ph->ragged = -1;
    ph->prefix.count = 0;
    ph->first = first;
    for (int k = 0; k < ph->nranges; k++) {
        Bounds b;
        if (!ph->ranges[k].fixed) {
            ph->ragged = k;
            inner = 1;
            continue;
        }
        if (!range_bounds(w, ph, k, &b))
            return false;
        ph->lo[k] = b.lo;
        ph->step[k] = b.step;
        ph->extent[k] = bounds_count(&b);
        if (__builtin_mul_overflow(inner, ph->extent[k], &inner))
            return too_many(w, ph);
    }
    ph->count = inner;
    if (ph->ragged < 0)
        return true;
    int64_t words[MAX_RANK + 3] = {0};
    if (inner && !enumerate_level(w, ph, 0, inner, words))
        return false;
    ph->count = inner ? words[0] : 0;
    return true;
}

static const int64_t *prefix_find(const Phase *ph, int64_t number)
{
    int64_t n = prefix_words(ph), lo = 0, hi = ph->prefix.count / n;
    while (hi - lo > 1) {
        int64_t middle = lo + (hi - lo) / 2;
        if (ph->prefix.items[middle * n] <= number)
            lo = middle;
        else
            hi = middle;
    }
    return ph->prefix.items + lo * n;
}

void phase_point(const Phase *ph, int64_t number, int64_t *index)
{
    int k = ph->nranges - 1;
    const int64_t *prefix = ph->ragged >= 0 ? prefix_find(ph, number) : NULL;
    if (prefix)
        number -= prefix[0];
    for (; k > ph->ragged; k--) {
        index[k] = ph->lo[k] + number % ph->extent[k] * ph->step[k];
        number /= ph->extent[k];
    }
    if (!prefix)
        return;
    index[k] = prefix[ph->ragged + 1] + number * prefix[ph->ragged + 2];
    for (k--; k >= 0; k--)
        index[k] = prefix[1 + k];
}

void phase_free(Phase *ph)
{
    free(ph->prefix.items);
    ph->prefix.items = NULL;
    ph->prefix.count = ph->prefix.capacity = 0;
}
