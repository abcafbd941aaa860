#include "compiler/swizzle.h"

/* ---- vectors ---- */

static int64_t registers_before(const Layout *l, int mode)
{
    int64_t n = 1;
    for (int i = 0; i < mode; i++)
        if (l->mode[i].owner == OWN_REG)
            n *= l->mode[i].extent;
    return n;
}

Vectors vectors_along(const Layout *l, int dim, int64_t most)
{
    Vectors v = {1, layout_span(l, OWN_REG), -1, true};
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_REG || m->dim != dim || m->stride != 1)
            continue;
        /* A mask may end inside of a vector: then single elements move. */
        int64_t n = 1;
        while (2 * n <= most && m->extent % (2 * n) == 0 &&
               (m->mask < 0 || l->limit[m->mask] % (2 * n) == 0))
            n *= 2;
        if (n > 1)
            v = (Vectors){n, v.count / n, i, registers_before(l, i) == 1};
        break;
    }
    return v;
}

int64_t vector_step(const Layout *l, const Vectors *v)
{
    return v->mode < 0 ? 1 : registers_before(l, v->mode);
}

int64_t vector_first(const Layout *l, const Vectors *v, int64_t o)
{
    int64_t step = vector_step(l, v);
    return o / step * step * v->n + o % step;
}

/* ---- places ---- */

/* The number of the line that an element is in: its index along the other dims. */
static int64_t line_number(const SharedPlace *p, const Layout *l, int64_t reg, int64_t lane,
                           int64_t warp)
{
    int64_t n = 0;
    for (int d = 0; d < p->type.rank; d++)
        if (d != p->fast)
            n = n * p->type.dims[d] + layout_index(l, d, reg, lane, warp);
    return n;
}

/* Of element x of line n. */
static int64_t byte_at(const SharedPlace *p, int64_t n, int64_t x)
{
    int64_t chunk = x / p->chunk ^ (n >> p->shift & p->mask);
    return ((n * p->chunks + chunk) * p->chunk + x % p->chunk) * dtype_info[p->type.dtype].size;
}

int64_t shared_byte(const SharedPlace *p, const Layout *l, int64_t reg, int64_t lane, int64_t warp)
{
    return byte_at(p, line_number(p, l, reg, lane, warp),
                   layout_index(l, p->fast, reg, lane, warp));
}

/* ---- banks ---- */

int64_t phase_lanes(int64_t bytes)
{
    return bytes >= 16 ? 8 : bytes == 8 ? 16 : 32;
}

int bank_turns(const int64_t *at, int count, int64_t bytes)
{
    int64_t word[32][32];
    int used[32] = {0}, most = 1;
    for (int i = 0; i < count; i++)
        for (int64_t b = at[i] / 4; b < (at[i] + bytes + 3) / 4; b++) {
            int bank = (int)(b % 32), k = 0;
            while (k < used[bank] && word[bank][k] != b)
                k++;
            if (k == used[bank] && k < 32)
                word[bank][used[bank]++] = b;
            most = used[bank] > most ? used[bank] : most;
        }
    return most;
}

int phase_turns(const SharedPlace *p, const Layout *l, const Vectors *v, int64_t o, int64_t first)
{
    int64_t bytes = v->n * dtype_info[p->type.dtype].size, reg = vector_first(l, v, o), at[32];
    int n = 0;
    for (int64_t lane = first; lane < first + phase_lanes(bytes); lane++)
        if (layout_holds(l, reg, lane, 0))
            at[n++] = shared_byte(p, l, reg, lane, 0);
    return bank_turns(at, n, bytes);
}

/* What lanes and registers add to line, index along the fast axis, and sums of masks: a place is
 * the sum of both. */
typedef struct Part {
    int64_t line, x, sum[MAX_MASKS];
} Part;

/* The accesses of a warp to a tile in shared memory, whatever its swizzle. */
typedef struct Accesses {
    const Layout *layout;
    const Vectors *vectors;
    int64_t bytes; /* of a vector */
    Part lane[32];
} Accesses;

static Part part_of(const SharedPlace *p, const Layout *l, int64_t reg, int64_t lane)
{
    Part part = {.line = line_number(p, l, reg, lane, 0),
                 .x = layout_index(l, p->fast, reg, lane, 0)};
    for (int k = 0; k < l->masks; k++)
        part.sum[k] = layout_mask_sum(l, k, reg, lane, 0);
    return part;
}

static void accesses_of(Accesses *a, const SharedPlace *p, const Layout *l, const Vectors *v)
{
    *a = (Accesses){l, v, v->n * dtype_info[p->type.dtype].size, {{0}}};
    for (int64_t lane = 0; lane < 32; lane++)
        a->lane[lane] = part_of(p, l, 0, lane);
}

static bool is_inside(const Layout *l, const Part *a, const Part *b)
{
    for (int k = 0; k < l->masks; k++)
        if (a->sum[k] + b->sum[k] >= l->limit[k])
            return false;
    return true;
}

/* Their conflicts; once there are `most`, some number that is not below it. */
static int64_t conflicts_below(const Accesses *a, const SharedPlace *p, int64_t most)
{
    int64_t lanes = phase_lanes(a->bytes), extra = 0;
    for (int64_t o = 0; o < a->vectors->count && extra < most; o++) {
        Part reg = part_of(p, a->layout, vector_first(a->layout, a->vectors, o), 0);
        for (int64_t first = 0; first < 32; first += lanes) {
            int64_t at[32];
            int n = 0;
            for (int64_t i = first; i < first + lanes; i++)
                if (is_inside(a->layout, &reg, &a->lane[i]))
                    at[n++] = byte_at(p, reg.line + a->lane[i].line, reg.x + a->lane[i].x);
            extra += bank_turns(at, n, a->bytes) - 1;
        }
    }
    return extra;
}

int64_t bank_conflicts(const SharedPlace *p, const Layout *l, const Vectors *v)
{
    Accesses a;
    accesses_of(&a, p, l, v);
    return conflicts_below(&a, p, INT64_MAX);
}

/* Axis `fast` of the tile lies along memory; the swizzle with the fewest conflicts. Gives its cost:
 * an access is worth four turns. */
static int64_t find_swizzle(SharedPlace *p, const Type *t, int fast, const Layout *from,
                            const Layout *to, Vectors *put, Vectors *get)
{
    int size = dtype_info[t->dtype].size;
    int64_t most = 16 / size ? 16 / size : 1, best = INT64_MAX;
    *p = (SharedPlace){.type = *t, .fast = fast};
    p->chunk = most;
    while (t->dims[fast] % p->chunk)
        p->chunk /= 2;
    p->chunks = t->dims[fast] / p->chunk;
    *put = vectors_along(from, fast, p->chunk);
    *get = vectors_along(to, fast, p->chunk);
    SharedPlace tried = *p;
    Accesses puts, gets;
    accesses_of(&puts, p, from, put);
    accesses_of(&gets, p, to, get);
    int64_t widest = 1;
    while (widest * 2 <= 8 && p->chunks % (widest * 2) == 0)
        widest *= 2;
    for (int shift = 0; shift < 8 && best; shift++)
        for (tried.mask = 0; tried.mask < widest && best; tried.mask = 2 * tried.mask + 1) {
            tried.shift = shift;
            if (shift && !tried.mask)
                continue;
            int64_t n = conflicts_below(&puts, &tried, best);
            n += n < best ? conflicts_below(&gets, &tried, best - n) : 0;
            if (n < best) {
                best = n;
                *p = tried;
            }
        }
    return best + 4 * (put->count + get->count);
}

SharedPlace find_shared_place(const Type *t, const Layout *from, const Layout *to, Vectors *put,
                              Vectors *get)
{
    SharedPlace best = {0};
    int64_t least = -1;
    for (int fast = t->rank - 1; fast >= 0; fast--) {
        SharedPlace p;
        Vectors v, w;
        if (t->dims[fast] == 1 && least >= 0)
            continue;
        int64_t cost = find_swizzle(&p, t, fast, from, to, &v, &w);
        if (least < 0 || cost < least) {
            least = cost;
            best = p;
            *put = v;
            *get = w;
        }
    }
    return best;
}
