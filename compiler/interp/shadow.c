/* What programs did to the elements of a tensor: finds undefined reads and races (R12).
 *
 * One record of 16 bytes for 64 elements. While one program touches them it says all: a mask and
 * an owner. When a second one comes, or the mask would have two meanings, the record becomes a
 * list of segments: who did what to which of the 64. Records of an earlier epoch only keep what
 * is defined.
 */
#include "compiler/interp/roles.h"

#include <sched.h>
#include <stdlib.h>

enum { CHUNK = 64 };
#define ALL UINT64_MAX

typedef enum ChunkState {
    UNTOUCHED,    /* all defined, or nothing: as the tensor at entry */
    WRITTEN,      /* mask: what is defined, and written by the owner */
    FULL_READ,    /* all is defined; mask: read by the owner */
    FULL_SHARED,  /* all is defined; mask: read by the owner and others */
    FULL_WRITTEN, /* all is defined; mask: written by the owner */
    LISTED        /* list */
} ChunkState;

#define LOCKED 0x80u

typedef struct Segment {
    uint64_t mask;
    uint32_t owner, other; /* other: a second program, if shared */
    uint16_t site, other_site;
    uint8_t kind; /* AccessKind */
    bool shared;
} Segment;

typedef struct List {
    uint64_t defined;
    int count, capacity;
    Segment segment[];
} List;

typedef struct Chunk {
    union {
        uint64_t mask;
        List *list;
    };
    uint32_t owner;
    uint16_t site; /* of the memory operation, in machine->sites */
    uint8_t epoch; /* 0: an earlier one */
    uint8_t state; /* ChunkState, or LOCKED */
} Chunk;

struct Shadow {
    int64_t count;
    bool defined;
    Chunk *chunks;
};

bool shadow_new(Memory *m)
{
    Shadow *s = calloc(1, sizeof *s);
    if (!s)
        return false;
    m->shadow = s;
    s->defined = m->defined;
    s->count = (m->elements + CHUNK - 1) / CHUNK;
    s->chunks = calloc((size_t)s->count + 1, sizeof *s->chunks);
    return s->chunks != NULL;
}

void shadow_free(Memory *m)
{
    Shadow *s = m->shadow;
    m->shadow = NULL;
    if (!s)
        return;
    for (int64_t k = 0; s->chunks && k < s->count; k++)
        if (s->chunks[k].state == LISTED)
            free(s->chunks[k].list);
    free(s->chunks);
    free(s);
}

/* ---- epochs ---- */

/* Numbers 1 .. 255 come round again; before that, all records are marked as earlier. */
static uint8_t epoch_number(const Machine *m)
{
    return (uint8_t)(m->epoch % 255 + 1);
}

void machine_next_epoch(Machine *m)
{
    m->epoch++;
    for (int i = 0; m->epoch % 255 == 0 && i < m->memories.count; i++) {
        Shadow *s = m->memories.items[i]->shadow;
        for (int64_t k = 0; s && k < s->count; k++)
            s->chunks[k].epoch = 0;
    }
}

/* Forgets who did what. */
static void settle(Chunk *c)
{
    if (c->state == LISTED) {
        uint64_t defined = c->list->defined;
        free(c->list);
        c->mask = defined;
        c->state = WRITTEN;
    }
    if (c->state == WRITTEN && c->mask == ALL)
        c->state = FULL_READ;
    if (c->state != WRITTEN && c->state != UNTOUCHED)
        c->mask = 0;
    c->epoch = 0;
}

/* ---- one access ---- */

typedef struct Access64 {
    Task *task;
    const Insn *insn;
    const Memory *memory;
    int64_t chunk;
    uint64_t mask;
    AccessKind kind;
    uint32_t me;
    uint16_t site;
} Access64;

typedef enum Verdict { FINE, RACE, UNDEFINED, NO_MEMORY } Verdict;

static Segment segment_of(uint64_t mask, uint32_t owner, uint16_t site, AccessKind kind)
{
    return (Segment){.mask = mask, .owner = owner, .site = site, .kind = (uint8_t)kind};
}

static bool list_push(Chunk *c, Segment s)
{
    List *l = c->list;
    for (int k = 0; k < l->count; k++) {
        Segment *x = &l->segment[k];
        bool same = x->owner == s.owner && x->kind == s.kind && x->shared == s.shared &&
                    x->other == s.other;
        if (same || !x->mask) {
            s.mask |= same ? x->mask : 0;
            *x = s;
            return true;
        }
    }
    if (l->count == l->capacity) {
        int capacity = 2 * l->capacity;
        l = realloc(l, sizeof *l + (size_t)capacity * sizeof(Segment));
        if (!l)
            return false;
        l->capacity = capacity;
        c->list = l;
    }
    l->segment[l->count++] = s;
    return true;
}

/* The record of one program as a list. */
static bool make_list(Chunk *c, bool defined_at_entry)
{
    enum { FIRST = 3 };
    List *l = malloc(sizeof *l + FIRST * sizeof(Segment));
    if (!l)
        return false;
    ChunkState state = (ChunkState)c->state;
    l->capacity = FIRST;
    l->count = 0;
    l->defined = state == WRITTEN ? c->mask : state == UNTOUCHED && !defined_at_entry ? 0 : ALL;
    if (c->epoch && state != UNTOUCHED && c->mask) {
        bool wrote = state == WRITTEN || state == FULL_WRITTEN;
        l->segment[0] = segment_of(c->mask, c->owner, c->site, wrote ? ACCESS_WRITE : ACCESS_READ);
        l->segment[0].shared = state == FULL_SHARED;
        l->segment[0].other = UINT32_MAX;
        l->count = 1;
    }
    c->list = l;
    c->state = LISTED;
    return true;
}

static bool compatible(AccessKind a, AccessKind b)
{
    return a == b && a != ACCESS_WRITE;
}

/* The program that a conflict is with. */
typedef struct Rival {
    uint32_t owner;
    uint16_t site;
    AccessKind kind;
    uint64_t mask;
} Rival;

static bool list_conflict(const List *l, const Access64 *x, Rival *r)
{
    for (int k = 0; k < l->count; k++) {
        const Segment *s = &l->segment[k];
        if (!(s->mask & x->mask) || compatible((AccessKind)s->kind, x->kind))
            continue;
        if (s->owner == x->me && !s->shared)
            continue;
        bool first = s->owner != x->me;
        *r = (Rival){first ? s->owner : s->other, first ? s->site : s->other_site,
                     (AccessKind)s->kind, s->mask & x->mask};
        return true;
    }
    return false;
}

/* Reads, and atomics, of one element by several programs become one shared segment. */
static bool list_share(Chunk *c, const Access64 *x, uint64_t *left)
{
    int count = c->list->count;
    for (int k = 0; k < count && *left; k++) {
        Segment *s = &c->list->segment[k];
        uint64_t both = s->mask & *left;
        if (!both || s->kind != x->kind)
            continue;
        *left &= ~both;
        if (s->shared || s->owner == x->me)
            continue;
        Segment shared = *s;
        s->mask &= ~both;
        shared.mask = both;
        shared.shared = true;
        shared.other = x->me;
        shared.other_site = x->site;
        if (!list_push(c, shared))
            return false;
    }
    return true;
}

static Verdict list_access(Chunk *c, const Access64 *x, Rival *r)
{
    if (list_conflict(c->list, x, r))
        return RACE;
    uint64_t left = x->mask;
    if (x->kind == ACCESS_WRITE)
        c->list->defined |= x->mask;
    else if (!list_share(c, x, &left))
        return NO_MEMORY;
    Segment own = segment_of(left, x->me, x->site, x->kind);
    own.other = UINT32_MAX;
    return !left || list_push(c, own) ? FINE : NO_MEMORY;
}

/* The cases in which one mask and owner still say all; anything else makes a list. */
static bool record_read(Chunk *c, const Access64 *x)
{
    bool mine = c->owner == x->me;
    if (!c->epoch && (c->state == FULL_READ || c->state == UNTOUCHED || c->state == FULL_SHARED ||
                      c->state == FULL_WRITTEN)) {
        c->state = FULL_READ;
        c->mask = x->mask;
    } else if (!c->epoch) {
        return false;
    } else if (c->state == WRITTEN || c->state == FULL_WRITTEN) {
        return mine && !(x->mask & ~c->mask);
    } else if (mine && c->state == FULL_READ) {
        c->mask |= x->mask;
    } else if (c->state == FULL_SHARED || c->mask == x->mask) {
        if (x->mask & ~c->mask)
            return false;
        c->state = FULL_SHARED;
        return true;
    } else {
        return false;
    }
    c->owner = x->me;
    c->site = x->site;
    return true;
}

static bool record_write(Chunk *c, const Access64 *x, bool full)
{
    bool mine = c->owner == x->me;
    if (!c->epoch && !full) {
        if (c->state == WRITTEN && c->mask & ~x->mask)
            return false;
        c->state = WRITTEN;
        c->mask = x->mask;
    } else if (!c->epoch || (mine && c->state == FULL_READ && !(c->mask & ~x->mask))) {
        c->state = FULL_WRITTEN;
        c->mask = x->mask;
    } else if (mine && (c->state == WRITTEN || c->state == FULL_WRITTEN)) {
        c->mask |= x->mask;
    } else {
        return false;
    }
    c->owner = x->me;
    c->site = x->site;
    return true;
}

/* What is read is defined, the caller saw to that. */
static Verdict chunk_access(const Shadow *s, Chunk *c, const Access64 *x, uint8_t now, Rival *r)
{
    if (c->epoch != now)
        settle(c);
    if (c->state != LISTED) {
        bool full = c->state == UNTOUCHED ? s->defined : c->state != WRITTEN;
        if ((x->kind == ACCESS_READ && record_read(c, x)) ||
            (x->kind == ACCESS_WRITE && record_write(c, x, full))) {
            c->epoch = now;
            return FINE;
        }
        if (!make_list(c, s->defined))
            return NO_MEMORY;
    }
    c->epoch = now;
    return list_access(c, x, r);
}

/* ---- reports ---- */

static const char *const verb[] = {"reads", "writes", "adds to"};

static void report_race(const Access64 *x, const Rival *r)
{
    const Machine *m = x->task->machine;
    char element[256], mine[256], theirs[256] = "", place[256] = "";
    Point other;
    int64_t at = x->chunk * CHUNK + __builtin_ctzll(r->mask & x->mask);
    element_text(element, sizeof element, x->memory, at);
    point_text(mine, sizeof mine, x->task->point);
    if (machine_point(m, r->owner, &other))
        point_text(theirs, sizeof theirs, &other);
    const Op *op = r->site ? m->sites.items[r->site - 1] : NULL;
    if (op && op->pos.source) {
        int line, column;
        pos_line(op->pos, &line, &column);
        snprintf(place, sizeof place, " at %s:%d:%d", op->pos.source->name, line, column);
    }
    char them[300] = "another program";
    if (*theirs)
        snprintf(them, sizeof them, "program %lld %s", (long long)r->owner, theirs);
    fault_unnamed(x->task, x->insn->op->pos,
                  "race: program %lld %s %s %s, %s %s it%s, no grid_sync between", (long long)x->me,
                  mine, verb[x->kind], element, them, verb[r->kind], place);
}

static void report_undefined(Task *t, const Insn *i, const Memory *m, AccessKind kind,
                             int64_t element)
{
    char text[256];
    element_text(text, sizeof text, m, element);
    const char *what = !m->buffer ? "local" : dir_name[m->tensor->tensor->dir];
    fault(t, i->op->pos, "%s %s (%s) before anything was stored there",
          kind == ACCESS_READ ? "read of" : "atomic_add to", text, what);
}

static bool report(const Access64 *x, Verdict v, const Rival *r, uint64_t undefined)
{
    if (v == RACE)
        report_race(x, r);
    else if (v == UNDEFINED)
        report_undefined(x->task, x->insn, x->memory, x->kind,
                         x->chunk * CHUNK + __builtin_ctzll(undefined));
    else
        fault(x->task, x->insn->op->pos, "out of memory");
    return false;
}

/* ---- entry ---- */

/* While one thread has a chunk, its state reads LOCKED to the others. */
static Chunk chunk_take(Chunk *shared, bool threaded)
{
    if (!threaded)
        return *shared;
    uint8_t state;
    for (int spins = 1;; spins++) {
        state = __atomic_exchange_n(&shared->state, LOCKED, __ATOMIC_ACQUIRE);
        if (state != LOCKED)
            break;
        if (spins % 64 == 0)
            sched_yield();
    }
    return (Chunk){.mask = shared->mask,
                   .owner = shared->owner,
                   .site = shared->site,
                   .epoch = shared->epoch,
                   .state = state};
}

static void chunk_give(Chunk *shared, const Chunk *c, bool threaded)
{
    if (!threaded) {
        *shared = *c;
        return;
    }
    shared->mask = c->mask;
    shared->owner = c->owner;
    shared->site = c->site;
    shared->epoch = c->epoch;
    __atomic_store_n(&shared->state, c->state, __ATOMIC_RELEASE);
}

static uint64_t undefined_part(const Shadow *s, const Chunk *c, uint64_t mask)
{
    uint64_t defined = c->state == LISTED      ? c->list->defined
                       : c->state == WRITTEN   ? c->mask
                       : c->state == UNTOUCHED ? (s->defined ? ALL : 0)
                                               : ALL;
    return mask & ~defined;
}

/* Ranges and the debugger read outside of programs: they race with nobody. */
static bool access_chunk(const Access64 *x)
{
    Machine *m = x->task->machine;
    Shadow *s = x->memory->shadow;
    Chunk *shared = &s->chunks[x->chunk];
    Chunk c = chunk_take(shared, m->threaded);
    Rival r;
    Verdict v = FINE;
    uint64_t undefined = x->kind == ACCESS_WRITE ? 0 : undefined_part(s, &c, x->mask);
    if (undefined)
        v = UNDEFINED;
    else if (x->task->point && !m->peeking)
        v = chunk_access(s, &c, x, epoch_number(m), &r);
    chunk_give(shared, &c, m->threaded);
    return v == FINE || report(x, v, &r, undefined);
}

static uint64_t run_mask(int64_t first, int64_t count)
{
    uint64_t ones = count >= CHUNK ? ALL : ((uint64_t)1 << count) - 1;
    return ones << first;
}

static bool access_chunks(Access64 *x, int64_t element, int64_t count, int64_t stride)
{
    while (count > 0) {
        int64_t first = element % CHUNK, n;
        x->chunk = element / CHUNK;
        if (stride == 1) {
            n = CHUNK - first < count ? CHUNK - first : count;
            x->mask = run_mask(first, n);
        } else {
            x->mask = 0;
            for (n = 0; n < count && (element + n * stride) / CHUNK == x->chunk; n++)
                x->mask |= (uint64_t)1 << ((element + n * stride) % CHUNK);
        }
        if (!access_chunk(x))
            return false;
        element += n * stride;
        count -= n;
    }
    return true;
}

static bool local_access(Task *t, const Insn *i, Memory *m, AccessKind kind, int64_t element,
                         int64_t count, int64_t stride)
{
    for (int64_t k = 0; k < count; k++) {
        int64_t e = element + k * stride;
        uint64_t *word = &m->known[e / CHUNK], bit = (uint64_t)1 << (e % CHUNK);
        if (kind != ACCESS_WRITE && !(*word & bit)) {
            report_undefined(t, i, m, kind, e);
            return false;
        }
        *word |= bit;
    }
    return true;
}

bool shadow_access(Task *t, const Insn *i, Memory *m, AccessKind kind, int64_t element,
                   int64_t count, int64_t stride)
{
    if (m->known)
        return local_access(t, i, m, kind, element, count, stride);
    if (m->any_role && t->roles && !t->machine->peeking &&
        !role_log(t, i, m, kind, element, count, stride))
        return false;
    Access64 x = {.task = t,
                  .insn = i,
                  .memory = m,
                  .kind = kind,
                  .site = (uint16_t)i->aux,
                  .me = t->point ? (uint32_t)t->point->number : 0};
    return access_chunks(&x, element, count, stride);
}
