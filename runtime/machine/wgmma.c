/* wgmma (PTX ISA 9.7.15): operands from descriptors, accumulators in registers.
 *
 * A warp's part of an operation, 16 rows of D, is an operation of its own: a warp waits for its own
 * part only. From its issue to that wait the registers belong to it; on the machine they are the
 * kernel's arrays, which hold poison meanwhile, so that a write is found at the wait and a read
 * where its value leaves the registers (machine_poisoned).
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/internal.h"
#include "runtime/numerics/convert.h"

enum { ROWS = 16, MOST_N = 256, MOST_K = 32, MOST_ARRAYS = 16, A_WORDS = 4, CHUNK = 16 };

/* An array of each lane that an operation has used as registers. */
typedef struct Registers {
    uint32_t *at[WARP_SIZE];
    int words;
    bool accumulators, in_flight;
    uint32_t last;  /* the operation that used it last */
    uint32_t *kept; /* a lane's words after another: what the operations have made of them; else
                       what they were at the last fence or wait */
} Registers;

typedef struct WgmmaState {
    uint32_t issued, waited;
    uint32_t *group; /* the last operation of each group */
    uint32_t groups, capacity;
    uint32_t fences;
    uint32_t agent;
    Registers *registers[MOST_ARRAYS];
    int arrays;
    Clock *order[ORDERS]; /* what all lanes know, at an issue */
} WgmmaState;

typedef struct WgmmaOp {
    int n, type;
    bool accumulate, from_registers;
    Operand a, b;
    Registers *d, *a_registers;
} WgmmaOp;

/* X(type, element bytes, A's, B's conversion) in the order of TILE_WGMMA_. */
typedef float Convert(uint32_t);

static float from_bf16(uint32_t u)
{
    return tile_bf16_to_f32((uint16_t)u);
}
static float from_f16(uint32_t u)
{
    return tile_f16_to_f32((uint16_t)u);
}
/* The low 13 bits are cut (9.7.15.5.2). */
static float from_tf32(uint32_t u)
{
    return tile_f32_to_tf32_zero(tile_float(u));
}
static float from_e4m3(uint32_t u)
{
    return tile_e4m3_to_f32((uint8_t)u);
}
static float from_e5m2(uint32_t u)
{
    return tile_e5m2_to_f32((uint8_t)u);
}

static const struct {
    const char *name;
    int bytes;
    Convert *a, *b;
} types[] = {
    [TILE_WGMMA_bf16] = {"bf16", 2, from_bf16, from_bf16},
    [TILE_WGMMA_f16] = {"f16", 2, from_f16, from_f16},
    [TILE_WGMMA_tf32] = {"tf32", 4, from_tf32, from_tf32},
    [TILE_WGMMA_e4m3] = {"e4m3", 1, from_e4m3, from_e4m3},
    [TILE_WGMMA_e5m2] = {"e5m2", 1, from_e5m2, from_e5m2},
    [TILE_WGMMA_e4m3_e5m2] = {"e4m3.e5m2", 1, from_e4m3, from_e5m2},
    [TILE_WGMMA_e5m2_e4m3] = {"e5m2.e4m3", 1, from_e5m2, from_e4m3},
};

static WgmmaState *state_of(Warp *w)
{
    if (!w->wgmma) {
        w->wgmma = calloc(1, sizeof *w->wgmma);
        if (!w->wgmma)
            abort();
        w->wgmma->agent = w->block->agents++;
    }
    return w->wgmma;
}

/* ---- registers ---- */

static bool overlap(const Registers *r, const Thread *t, int words)
{
    const uint32_t *p = t->pointer;
    return p < r->at[t->lane] + r->words && r->at[t->lane] < p + words;
}

static void keep(Warp *w, Registers *r)
{
    EACH_LANE(t, w)
    memcpy(r->kept + t->lane * r->words, r->at[t->lane], (size_t)r->words * 4);
}

static bool is_kept(const Registers *r, const Thread *t)
{
    return memcmp(r->kept + t->lane * r->words, r->at[t->lane], (size_t)r->words * 4) == 0;
}

static void forget(WgmmaState *s, int i)
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
        forget(s, i);
    }
    for (int i = 0; s->arrays == MOST_ARRAYS; i++)
        if (!s->registers[i]->in_flight)
            forget(s, i);
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

/* The accumulators become the operation's. */
static Registers *take_accumulators(Warp *w, int words, bool accumulate)
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
    keep(w, r);
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

static Registers *take_fragment(Warp *w, int element_bytes)
{
    bool known;
    Registers *r = find_registers(w, A_WORDS, &known);
    if (r->in_flight)
        check_fragment(w, r);
    else if (known)
        check_fenced(w, r, "A");
    else if (element_bytes > 1) /* four equal bytes are likely numbers */
        check_initialised(w, r, "A");
    keep(w, r);
    r->accumulators = false;
    r->in_flight = true;
    return r;
}

/* The wait has come: results appear, registers may be touched again. */
static void give_back(Warp *w, Registers *r)
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

/* ---- shared memory ---- */

typedef struct Reader {
    Warp *warp;
    const Operand *operand;
    Access access;
    const char *name;
    uint64_t seen[SHARED_WINDOW / CHUNK / 64]; /* pieces of 16 bytes */
} Reader;

static size_t offset_of(Warp *w, uint32_t address, const char *name)
{
    const Thread *t = warp_lane(w, 0);
    size_t bytes = w->block->shared.bytes;
    if (address < SHARED_BASE || address - SHARED_BASE + CHUNK > bytes)
        breach(w->block->machine, TILE_FAULT_DESCRIPTOR, t, t->place,
               "wgmma.mma_async: the descriptor of %s leads to shared address 0x%x, outside of the "
               "block's %zu bytes",
               name, address, bytes);
    return address - SHARED_BASE;
}

/* Calls `visit` for each 16 bytes of rows `first`.. of an operand of `rows` x k elements. */
static void each_chunk(const Operand *o, int rows, int k,
                       void (*visit)(void *, uint32_t address, int mn, int k), void *context)
{
    int t = CHUNK / o->element;
    for (int m = 0; m < rows; m += o->mn_major ? t : 1)
        for (int i = 0; i < k; i += o->mn_major ? 1 : t)
            visit(context, operand_chunk(o, m, i), m, i);
}

/* What no descriptor means: two elements at one place, or another order of the pieces than the
 * tensor copy that brought them has used. */
static void check_layout(Reader *r, size_t offset)
{
    const Thread *t = r->access.thread;
    uint64_t *seen = &r->seen[offset / CHUNK / 64], bit = 1ull << offset / CHUNK % 64;
    if (*seen & bit)
        breach(t->machine, TILE_FAULT_DESCRIPTOR, t, t->place,
               "wgmma.mma_async: by its descriptor, elements of %s lie at one place, shared+0x%zx",
               r->name, offset);
    *seen |= bit;
    int brought = r->access.region->defined[offset / CELL_BYTES] >> 4;
    int bytes = brought > 1 ? 16 << (brought - 1) : 16;
    if (brought && bytes != r->operand->swizzle)
        breach(t->machine, TILE_FAULT_DESCRIPTOR, t, t->place,
               "wgmma.mma_async: the descriptor of %s has a swizzle of %d bytes (16: none), the "
               "tensor copy to shared+0x%zx one of %d",
               r->name, r->operand->swizzle, offset, bytes);
}

static void stamp(void *context, uint32_t address, int mn, int k)
{
    Reader *r = context;
    size_t offset = offset_of(r->warp, address, r->name);
    (void)mn, (void)k;
    check_layout(r, offset);
    check_no_mbarrier(r->access.thread, r->access.region, offset, CHUNK, r->access.what);
    shadow_need_defined(&r->access, offset, CHUNK);
    shadow_touch(&r->access, offset, CHUNK);
}

static void stamp_operand(Warp *w, const Operand *o, int rows, int k, uint32_t number,
                          const char *name, const char *what)
{
    Thread *t = warp_lane(w, 0);
    Reader r = {.warp = w, .operand = o, .name = name};
    r.access = access_of(t, &w->block->shared, TOUCH_ASYNC_READ, what);
    r.access.agent = w->wgmma->agent;
    r.access.epoch = number;
    r.access.self_agent = NO_AGENT; /* not ordered behind earlier instructions: 8.9.1.1 */
    for (int i = 0; i < ORDERS; i++)
        r.access.order[i] = w->wgmma->order[i];
    each_chunk(o, rows, k, stamp, &r);
}

typedef struct Matrix {
    Warp *warp;
    const Operand *operand;
    Convert *convert;
    float *value; /* row mn at value + mn * MOST_K */
} Matrix;

static void load_chunk(void *context, uint32_t address, int mn, int k)
{
    Matrix *x = context;
    const Operand *o = x->operand;
    const char *p = x->warp->block->shared.base + address - SHARED_BASE;
    for (int i = 0; i < CHUNK / o->element; i++) {
        uint32_t u = 0;
        memcpy(&u, p + i * o->element, (size_t)o->element);
        int row = o->mn_major ? mn + i : mn, column = o->mn_major ? k : k + i;
        x->value[row * MOST_K + column] = x->convert(u);
    }
}

/* ---- the product ---- */

/* A's fragment: 9.7.15.5.1.1, figures 148, 150, 152. */
static void load_fragment(Warp *w, const WgmmaOp *op, float *value)
{
    int bytes = types[op->type].bytes, per = 4 / bytes;
    EACH_LANE(t, w)
    for (int r = 0; r < A_WORDS; r++)
        for (int i = 0; i < per; i++) {
            uint32_t word = op->a_registers->kept[t->lane * A_WORDS + r];
            uint32_t u = bytes == 4 ? word : word >> 8 * bytes * i & ((1u << 8 * bytes) - 1);
            int row = t->lane / 4 + 8 * (r & 1);
            int k = per * (t->lane % 4) + 4 * per * (r >> 1) + i;
            value[row * MOST_K + k] = types[op->type].a(u);
        }
}

static float dot(const float *a, const float *b, int k, double sum)
{
    for (int i = 0; i < k; i++)
        sum += (double)a[i] * b[i];
    return tile_canonical((float)sum);
}

/* D's fragment: figures 149, 151, 153. */
static void multiply(Warp *w, const WgmmaOp *op, const float *a, const float *b, int k)
{
    EACH_LANE(t, w)
    {
        uint32_t *d = op->d->kept + t->lane * op->d->words;
        for (int i = 0; i < op->d->words; i++) {
            int row = t->lane / 4 + 8 * (i >> 1 & 1);
            int column = 8 * (i >> 2) + 2 * (t->lane % 4) + (i & 1);
            double sum = op->accumulate ? (double)tile_float(d[i]) : 0;
            d[i] = tile_bits(dot(a + row * MOST_K, b + column * MOST_K, k, sum));
        }
    }
}

/* Room for A and B; fibers have no stack for it. */
static float *scratch(Machine *m)
{
    if (!m->scratch)
        m->scratch = malloc((GROUP_WARPS * ROWS + MOST_N) * MOST_K * sizeof(float));
    if (!m->scratch)
        abort();
    return m->scratch;
}

static bool advance(Machine *m, AsyncOp *async)
{
    WgmmaOp *op = async->wgmma;
    Warp *w = async->warp;
    float *a = scratch(m), *b = a + GROUP_WARPS * ROWS * MOST_K;
    int k = 32 / types[op->type].bytes;
    const float *rows = a;
    if (op->from_registers) {
        load_fragment(w, op, a);
    } else {
        Matrix x = {w, &op->a, types[op->type].a, a};
        each_chunk(&op->a, GROUP_WARPS * ROWS, k, load_chunk, &x);
        rows = a + w->index % GROUP_WARPS * ROWS * MOST_K;
    }
    Matrix x = {w, &op->b, types[op->type].b, b};
    each_chunk(&op->b, op->n, k, load_chunk, &x);
    multiply(w, op, rows, b, k);
    return true;
}

static void op_free(AsyncOp *op)
{
    free(op->wgmma);
}

/* ---- issue ---- */

/* The operands of the instruction, which all lanes and warps must have alike. */
typedef struct Instruction {
    int n, type, majors;
    bool accumulate, from_registers;
    uint64_t a, b;
} Instruction;

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0xFF51AFD7ED558CCDull;
    return h ^ h >> 32;
}

static uint64_t instruction_hash(const Instruction *i)
{
    uint64_t h = mix((uint64_t)i->n, (uint64_t)i->type);
    h = mix(h, (uint64_t)(i->majors | i->accumulate << 8 | i->from_registers << 9));
    return mix(mix(h, i->a), i->b);
}

static void check_operand(Warp *w, uint64_t descriptor, bool mn_major, int bytes, const char *name,
                          Operand *o)
{
    const Thread *t = warp_lane(w, 0);
    const char *wrong = operand_decode(descriptor, mn_major, bytes, o);
    if (mn_major && bytes != 2)
        wrong = "only 16-bit elements may be M- or N-major";
    if (wrong)
        breach(w->block->machine, TILE_FAULT_DESCRIPTOR, t, t->place,
               "wgmma.mma_async: descriptor 0x%016llx of %s: %s", (unsigned long long)descriptor,
               name, wrong);
}

static AsyncOp *issue(Warp *w, const Instruction *in)
{
    AsyncOp *async = async_issue(warp_lane(w, 0), "the wgmma.mma_async", advance);
    WgmmaOp *op = calloc(1, sizeof *op);
    if (!op)
        abort();
    *op = (WgmmaOp){.n = in->n,
                    .type = in->type,
                    .accumulate = in->accumulate,
                    .from_registers = in->from_registers};
    async->warp = w;
    async->number = ++w->wgmma->issued;
    async->wgmma = op;
    async->free = op_free;
    return async;
}

/* The lanes have brought the same instruction. */
static bool finish_wgmma(Warp *w)
{
    Machine *m = w->block->machine;
    WgmmaState *s = state_of(w);
    const Instruction *in = warp_lane(w, 0)->operands;
    const Thread *t = warp_lane(w, 0);
    int bytes = types[in->type].bytes, k = 32 / bytes;
    group_step(w, DO_WGMMA, w->detail);
    if (!s->fences)
        breach(m, TILE_FAULT_FENCE, t, t->place, "wgmma.mma_async with no wgmma.fence before it");
    AsyncOp *async = issue(w, in);
    WgmmaOp *op = async->wgmma;
    warp_meet(w, s->order);
    check_operand(w, in->b, in->majors & 2, bytes, "B", &op->b);
    stamp_operand(w, &op->b, in->n, k, async->number, "B", "wgmma.mma_async reads B at");
    if (!in->from_registers) {
        check_operand(w, in->a, in->majors & 1, bytes, "A", &op->a);
        stamp_operand(w, &op->a, GROUP_WARPS * ROWS, k, async->number, "A",
                      "wgmma.mma_async reads A at");
    }
    EACH_LANE(u, w)
    u->pointer = u->d_registers;
    op->d = take_accumulators(w, in->n / 2, in->accumulate);
    op->d->last = async->number;
    if (in->from_registers) {
        EACH_LANE(u, w)
        u->pointer = u->a_registers;
        op->a_registers = take_fragment(w, bytes);
        op->a_registers->last = async->number;
    }
    async_start(async);
    return true;
}

void machine_wgmma(float *d, int n, int type, const uint32_t *a, uint64_t a_desc, uint64_t b_desc,
                   int accumulate, int majors)
{
    Thread *t = ENTER("wgmma.mma_async");
    Instruction in = {.n = n,
                      .type = type,
                      .majors = majors,
                      .accumulate = accumulate != 0,
                      .from_registers = a != NULL,
                      .a = a_desc,
                      .b = b_desc};
    t->operands = &in;
    t->d_registers = d;
    t->a_registers = (void *)(uintptr_t)a;
    together(t, DO_WGMMA, instruction_hash(&in), ONE_PLACE_ALL_LANES, finish_wgmma);
}

/* ---- fence, commit, wait: 9.7.15.7 ---- */

static bool finish_fence(Warp *w)
{
    WgmmaState *s = state_of(w);
    group_step(w, DO_WGMMA_FENCE, 0);
    s->fences++;
    for (int i = 0; i < s->arrays; i++)
        if (!s->registers[i]->in_flight)
            keep(w, s->registers[i]);
    return true;
}

void machine_wgmma_fence(void)
{
    together(ENTER("wgmma.fence"), DO_WGMMA_FENCE, 0, ONE_PLACE_ALL_LANES, finish_fence);
}

static bool finish_commit(Warp *w)
{
    WgmmaState *s = state_of(w);
    group_step(w, DO_WGMMA_COMMIT, 0);
    if (s->groups == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 16;
        s->group = realloc(s->group, s->capacity * sizeof *s->group);
        if (!s->group)
            abort();
    }
    s->group[s->groups++] = s->issued;
    return true;
}

void machine_wgmma_commit(void)
{
    together(ENTER("wgmma.commit_group"), DO_WGMMA_COMMIT, 0, ONE_PLACE_ALL_LANES, finish_commit);
}

static bool finish_wait(Warp *w)
{
    WgmmaState *s = state_of(w);
    group_step(w, DO_WGMMA_WAIT, w->detail);
    uint32_t target = s->groups > w->detail ? s->group[s->groups - 1 - w->detail] : 0;
    EACH_LANE(t, w)
    t->wait_target = target;
    return true;
}

static bool wgmma_pending(const Thread *t)
{
    const Machine *m = t->machine;
    for (int i = 0; i < m->ops; i++)
        if (m->op[i]->warp == t->warp && m->op[i]->number <= t->wait_target)
            return true;
    return false;
}

/* The first lane to go on does it for all. */
static void retire(Warp *w, uint32_t target)
{
    WgmmaState *s = w->wgmma;
    if (s->waited >= target)
        return;
    s->waited = target;
    for (int i = 0; i < s->arrays; i++)
        if (s->registers[i]->in_flight && s->registers[i]->last <= target)
            give_back(w, s->registers[i]);
}

void machine_wgmma_wait(int groups)
{
    Thread *t = ENTER("wgmma.wait_group");
    Warp *w = t->warp;
    together(t, DO_WGMMA_WAIT, (uint64_t)groups, ONE_PLACE_ALL_LANES, finish_wait);
    while (wgmma_pending(t))
        thread_wait(t, STATE_WGMMA);
    retire(w, t->wait_target);
    if (t->wait_target)
        clock_set(&t->clock[CAUSAL], t->block->number, w->wgmma->agent, t->wait_target);
}

/* ---- values that leave the registers ---- */

void machine_poisoned(void)
{
    Thread *t = ENTER("a use of a register");
    breach(t->machine, TILE_FAULT_ACCUMULATOR, t, t->place,
           "uses a value that was read from accumulators of a wgmma.mma_async in flight");
}

/* ---- exit ---- */

void wgmma_check_exit(Warp *w)
{
    WgmmaState *s = w->wgmma;
    const Thread *t = warp_lane(w, 0);
    if (s && s->waited < s->issued)
        breach(w->block->machine, TILE_FAULT_EXIT, t, t->place,
               "warp %d exits, and has not waited for its wgmma.mma_async%s", w->index,
               s->groups && s->group[s->groups - 1] == s->issued ? "" : " (some are in no group)");
}

void wgmma_free(Warp *w)
{
    WgmmaState *s = w->wgmma;
    while (s && s->arrays)
        forget(s, 0);
    for (int i = 0; s && i < ORDERS; i++)
        clock_drop(&s->order[i]);
    if (s)
        free(s->group);
    free(s);
    w->wgmma = NULL;
}
