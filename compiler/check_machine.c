/* tilec check --machine: every variant on the machine model, on tensors that are made up, against
 * the interpreter.
 *
 * Sizes are drawn until the kernel takes them, the values of integers likewise: what the
 * interpreter refuses is no test of the CUDA text. The draws are the same in every process.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/command.h"
#include "compiler/lower.h"
#include "runtime/numerics/convert.h"

enum {
    DRAWS = 400,
    SIZES = 2,
    INTEGERS = 4,
    PROGRAMS = 3, /* what a schedule parameter is that depends on the GPU */
    ENTRIES = 16, /* of a table, at most */
    A_PROGRAM = 1024,
    ENOUGH = 1 << 16, /* cost of a run: bytes, and A_PROGRAM for each program */
    MOST = 1 << 25,
    FILL = 0xA5,
    CHUNK = 256
};

typedef struct Trial {
    Command command; /* of the run: the user's, with another seed */
    Arena arena;
    RunPlan plan;
    Argument *arguments[SIZES]; /* every dim and scalar */
    int count, sizes, seeds;
    Kernel **others; /* with the schedules before this one, which a call would take first */
    int nothers;
    uint64_t random;
} Trial;

/* splitmix64 */
static uint64_t draw(Trial *t, uint64_t below)
{
    uint64_t z = t->random += 0x9E3779B97F4A7C15ull;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return ((z ^ z >> 31) >> 32) * below >> 32;
}

/* ---- sizes ---- */

static uint64_t draw_dim(Trial *t)
{
    static const int sizes[] = {1,   2,    3,    4,    5,    6,    7,    8,    9,   12,  16,
                                17,  24,   31,   32,   33,   48,   64,   65,   96,  100, 127,
                                128, 130,  192,  200,  256,  257,  384,  500,  512, 576, 640,
                                768, 1024, 1056, 1280, 2048, 2560, 4096, 65600};
    return (uint64_t)sizes[draw(t, sizeof sizes / sizeof *sizes)];
}

static uint64_t draw_scalar(Trial *t, DType type)
{
    static const float numbers[] = {1, 0.5f, 0.001f, 2};
    uint64_t bits = 0;
    if (dtype_is_int(type) || type == DT_BOOL)
        return draw(t, type == DT_BOOL ? 2 : 4);
    if (type == DT_F64) {
        double d = numbers[draw(t, 4)];
        memcpy(&bits, &d, sizeof d);
        return bits;
    }
    float f = numbers[draw(t, 4)];
    tile_convert(type, &bits, DT_F32, &f, 1, TILE_ROUND_NEAREST);
    return bits;
}

static bool is_fixed(const RunPlan *p, const char *name)
{
    for (int i = 0; i < p->narguments; i++)
        if (strcmp(p->arguments[i].name, name) == 0)
            return true;
    return false;
}

/* Those that -s gives, and others for the rest. */
static void draw_arguments(Trial *t, Argument *out)
{
    const RunPlan *p = &t->plan;
    t->count = p->narguments;
    memcpy(out, p->arguments, sizeof *out * (size_t)p->narguments);
    for (const Op *op = p->kernel->body->first; op; op = op->next)
        if ((op->code == OP_DIM || op->code == OP_SCALAR) && !is_fixed(p, op->name))
            out[t->count++] = (Argument){
                op->name,
                op->code == OP_DIM ? draw_dim(t) : draw_scalar(t, op->results[0]->type.dtype)};
}

/* Of a run; -1: the kernel does not take the arguments, or has another schedule for them. */
static int64_t cost_of(const Trial *t, const Argument *arguments)
{
    const RunPlan *p = &t->plan;
    Arena arena = {0};
    Diag muted = {.arena = &arena};
    Solution s = {0};
    int64_t all = -1;
    bool own = true;
    for (int i = 0; i < t->nothers && own; i++) {
        Solution first = {0};
        own = bind_solve(&arena, &muted, t->others[i], NULL, 0, arguments, t->count, &first) &&
              !first.taken;
    }
    if (own && bind_solve(&arena, &muted, p->kernel, NULL, 0, arguments, t->count, &s) && s.taken) {
        all = 0;
        for (int k = 0; k < p->nbindings; k++) {
            const Op *op = p->bindings[k].tensor;
            const Type *type = &op->results[0]->type;
            int64_t bytes = buffer_bytes(type->dtype, op->tensor->format, type->rank, s.extents[k]);
            bool fits = bytes >= 0 && bytes <= MOST && s.entries[k] <= ENTRIES;
            all += fits ? s.entries[k] * bytes : MOST + 1;
        }
        for (const Op *op = p->kernel->body->first; op; op = op->next) {
            if (op->code != OP_PAR)
                continue;
            int64_t n = bind_programs(&arena, &muted, p->kernel, op, s.arguments, s.narguments);
            all += n > MOST / A_PROGRAM ? MOST + 1 : n > 0 ? n * A_PROGRAM : 0;
        }
    }
    arena_free(&arena);
    return all > MOST ? -1 : all;
}

/* The largest that is drawn within ENOUGH and the one that was it before, or else the least. */
static void find_sizes(Trial *t)
{
    int64_t best = -1;
    int unknown = 0;
    for (const Op *op = t->plan.kernel->body->first; op; op = op->next)
        unknown += op->code == OP_DIM || op->code == OP_SCALAR;
    for (int i = 0; i < DRAWS; i++) {
        Argument *drawn = NEW_ARRAY(&t->arena, Argument, unknown + t->plan.narguments + 1);
        draw_arguments(t, drawn);
        int64_t cost = cost_of(t, drawn);
        if (cost < 0)
            continue;
        bool better = best < 0 || (cost <= ENOUGH ? best > ENOUGH || cost > best : cost < best);
        if (better) {
            t->arguments[1] = t->arguments[0];
            t->arguments[0] = drawn;
            t->sizes = cost > ENOUGH || best < 0 ? 1 : SIZES;
            best = cost;
        }
    }
}

/* ---- values ---- */

static void fill_floats(Trial *t, const Buffer *b)
{
    int bits = dtype_info[b->dtype].bits;
    size_t n = b->bytes * 8 / (size_t)bits;
    for (size_t at = 0; at < n; at += CHUNK) {
        float values[CHUNK];
        size_t some = n - at < CHUNK ? n - at : CHUNK;
        for (size_t i = 0; i < some; i++) {
            float power = (float)(1 << draw(t, 4)), sign = draw(t, 2) ? 1.0f : -1.0f;
            values[i] = b->dtype == DT_UE8M0 ? power : sign * (float)draw(t, 64) / power;
        }
        tile_convert(b->dtype, (char *)b->data + at * (size_t)bits / 8, DT_F32, values, some,
                     TILE_ROUND_NEAREST);
    }
}

/* Integers are numbers of things that there may be few of: each attempt asks for less. */
static void fill_integers(Trial *t, const Buffer *b, int attempt)
{
    static const struct {
        int64_t least;
        uint64_t count;
    } ranges[INTEGERS] = {{-1, 5}, {0, 4}, {0, 2}, {0, 1}};
    size_t size = (size_t)(dtype_info[b->dtype].bits + 7) / 8;
    int64_t least = dtype_is_signed(b->dtype) ? ranges[attempt].least : 0;
    for (size_t at = 0; at + size <= b->bytes; at += size) {
        int64_t n = least + (int64_t)draw(t, b->dtype == DT_BOOL ? 2 : ranges[attempt].count);
        memcpy((char *)b->data + at, &n, size);
    }
}

static void fill(Trial *t, const Buffer *b, int attempt)
{
    if (!b->defined)
        memset(b->data, FILL, b->bytes);
    else if (dtype_is_int(b->dtype) || b->dtype == DT_BOOL)
        fill_integers(t, b, attempt);
    else if (b->dtype == DT_E2M1)
        for (size_t i = 0; i < b->bytes; i++)
            ((uint8_t *)b->data)[i] = (uint8_t)draw(t, 256);
    else
        fill_floats(t, b);
}

/* ---- one run ---- */

/* The bytes of every buffer, in order. */
static char **copies(Trial *t)
{
    int n = 0, at = 0;
    for (int k = 0; k < t->plan.nbindings; k++)
        n += t->plan.bindings[k].entries;
    char **bytes = NEW_ARRAY(&t->arena, char *, n + 1);
    for (int k = 0; k < t->plan.nbindings; k++)
        for (int e = 0; e < t->plan.bindings[k].entries; e++) {
            const Buffer *b = &t->plan.bindings[k].buffers[e];
            bytes[at++] = arena_text(&t->arena, b->data, b->bytes);
        }
    return bytes;
}

static void put_back(Trial *t, char **bytes)
{
    int at = 0;
    for (int k = 0; k < t->plan.nbindings; k++)
        for (int e = 0; e < t->plan.bindings[k].entries; e++) {
            const Buffer *b = &t->plan.bindings[k].buffers[e];
            memcpy(b->data, bytes[at++], b->bytes);
        }
}

static const char *sizes_text(Trial *t)
{
    const char *text = "";
    for (const Op *op = t->plan.kernel->body->first; op; op = op->next)
        for (int i = 0; i < t->plan.narguments && op->code == OP_DIM; i++)
            if (strcmp(t->plan.arguments[i].name, op->name) == 0)
                text = arena_format(&t->arena, "%s%s%s=%" PRId64, text, *text ? " " : "", op->name,
                                    (int64_t)t->plan.arguments[i].bits);
    return *text ? text : "no dims";
}

static const char *what(Trial *t)
{
    return arena_format(&t->arena, "%s %s", t->plan.kernel->name,
                        variant_text(&t->plan.program, &t->plan.variant));
}

/* Bit for bit, but for what is @nondet. */
static bool is_equal(Trial *t, char **expected)
{
    int at = 0;
    bool ok = true;
    for (int k = 0; k < t->plan.nbindings; k++)
        for (int e = 0; e < t->plan.bindings[k].entries; e++, at++) {
            const Buffer *b = &t->plan.bindings[k].buffers[e];
            const char *data = b->data, *want = expected[at];
            const TensorInfo *info = t->plan.bindings[k].tensor->tensor;
            ParamDir dir = info->dir;
            size_t i = 0;
            while (i < b->bytes && data[i] == want[i])
                i++;
            if (i < b->bytes && (dir == PARAM_OUT || dir == PARAM_INOUT) && !info->nondet)
                ok = user_error("%s: byte %zu of %s is 0x%02x on the machine, 0x%02x in the "
                                "interpreter; seed %" PRIu64,
                                t->plan.kernel->name, i, b->name, (unsigned char)data[i],
                                (unsigned char)want[i], t->command.seed);
        }
    return ok;
}

static bool run_seeds(Trial *t, char **initial, char **expected)
{
    bool compare = !region_has(t->plan.kernel->body, OP_MMA), ok = true;
    uint64_t first = t->command.seed;
    for (int i = 0; i < t->seeds && ok; i++) {
        t->command.seed = first + (uint64_t)i;
        put_back(t, initial);
        ok = run_machine(&t->plan) && (!compare || is_equal(t, expected));
    }
    t->command.seed = first;
    return ok || user_error("that was %s with %s, on made-up tensors", what(t), sizes_text(t));
}

static void free_buffers(RunPlan *p)
{
    for (int k = 0; k < p->nbindings; k++) {
        for (int e = 0; e < p->bindings[k].entries; e++)
            free(p->bindings[k].buffers[e].data);
        p->bindings[k].entries = 0;
    }
}

/* Values that the interpreter takes; `refused` says why there are none. */
static bool find_values(Trial *t, char ***initial, char ***expected, const char **refused)
{
    RunOptions options = {.seed = t->command.seed, .threads = 1};
    for (int attempt = 0; attempt < INTEGERS; attempt++) {
        Diag muted = {.arena = &t->arena};
        for (int k = 0; k < t->plan.nbindings; k++)
            for (int e = 0; e < t->plan.bindings[k].entries; e++)
                fill(t, &t->plan.bindings[k].buffers[e], attempt);
        *initial = copies(t);
        if (interp_run(t->plan.kernel, t->plan.bindings, t->plan.nbindings, t->plan.arguments,
                       t->plan.narguments, &options, &muted)) {
            *expected = copies(t);
            return true;
        }
        *refused = muted.first;
    }
    return false;
}

/* One of the sizes. 1: ran, 0: nothing that it takes was found, -1: after a message. */
static int run_size(Trial *t, int number, const char **refused)
{
    RunPlan *p = &t->plan;
    char **initial, **expected;
    p->arguments = t->arguments[number];
    p->narguments = t->count;
    if (!bind_solve(&t->arena, p->diag, p->kernel, NULL, 0, p->arguments, p->narguments,
                    &p->solution) ||
        !run_allocate(p))
        return -1;
    int result = 0;
    if (find_values(t, &initial, &expected, refused))
        result = run_seeds(t, initial, expected) ? 1 : -1;
    free_buffers(p);
    return result;
}

/* ---- a variant ---- */

static bool not_run(Trial *t, const char *why)
{
    printf("%s: %s is not run on the machine: %s\n", t->command.operands.items[0], what(t),
           why ? why : "no sizes that it takes were found; give dims by -s");
    return true;
}

/* Is there CUDA text of it? */
static bool is_emitted(Trial *t, int number, Diag *diag)
{
    struct Host *host;
    return run_take_schedule(&t->plan, number) &&
           emit_variant(&t->arena, diag, &t->plan.program, &t->plan.variant, t->plan.kernel,
                        t->command.machine, false, &host);
}

static bool run_schedule(Trial *t, const Command *c, int number)
{
    RunPlan *p = &t->plan;
    Diag muted = {.arena = &t->arena};
    const char *refused = NULL;
    int ran = 0;
    p->diag = &muted;
    t->others = NEW_ARRAY(&t->arena, Kernel *, number + 1);
    for (; t->nothers < number; t->nothers++) {
        if (!run_take_schedule(p, t->nothers))
            return not_run(t, muted.first);
        t->others[t->nothers] = p->kernel;
    }
    if (!is_emitted(t, number, &muted))
        return not_run(t, muted.first);
    if (!run_take_schedule(p, number) || !run_record_target(p))
        return not_run(t, muted.first);
    p->diag = c->diag;
    run_list_tensors(p);
    t->sizes = 0;
    find_sizes(t);
    for (int i = 0; i < t->sizes; i++) {
        int result = run_size(t, i, &refused);
        if (result < 0)
            return false;
        ran += result;
        if (result && c->verbose) {
            printf("%s: %s with %s: %d seeds\n", t->command.operands.items[0], what(t),
                   sizes_text(t), t->seeds);
            fflush(stdout);
        }
    }
    return ran || not_run(t, refused);
}

typedef struct Machine {
    Command *command;
    Program *program;
    Given *given;
    VariantList schedules; /* that a variant may run with */
    bool ok;
} Machine;

static void run_schedules(Machine *m, const Item *kernel)
{
    for (int i = 0; i < m->schedules.count; i++) {
        Trial t = {.command = *m->command, .seeds = m->command->seeds};
        const char *file = kernel->name.pos.source->name;
        t.command.operands = (TextList){0};
        PUSH(&t.arena, &t.command.operands, file);
        t.command.fill = FILL;
        t.command.verbose = false;
        t.command.inputs = t.command.outputs = (PairList){0};
        t.plan = (RunPlan){.command = &t.command,
                           .arena = &t.arena,
                           .diag = m->command->diag,
                           .program = *m->program,
                           .item = kernel,
                           .variants = m->schedules,
                           .given = m->given};
        m->ok = run_schedule(&t, m->command, i) && m->ok;
        arena_free(&t.arena);
    }
    m->schedules.count = 0;
}

/* The machine's grid.resident and the interpreter's are not one number, and a kernel's sums may
 * depend on it: both take the same. */
static void fix_programs(Variant *v)
{
    for (int i = 0; i < v->params.count; i++)
        if (v->params.items[i].run_time)
            v->params.items[i] = (Setting){
                .name = v->params.items[i].name, .kind = SET_INT, .integer = PROGRAMS};
}

static void take_variant(void *context, const Item *kernel, const Variant *v)
{
    Machine *m = context;
    if (v->number == 0)
        run_schedules(m, kernel);
    variant_keep(m->program->arena, &m->schedules, v);
    fix_programs(&m->schedules.items[m->schedules.count - 1]);
}

bool check_machine(Command *c, Program *program, const Item *kernel, const VariantRequest *request)
{
    Machine m = {.command = c, .program = program, .ok = true};
    if (request) {
        VariantRequest on_target = *request;
        on_target.target = c->machine;
        m.given = request->given;
        m.ok = variant_choose_all(program, kernel, &on_target, &m.schedules);
        for (int i = 0; i < m.schedules.count; i++)
            fix_programs(&m.schedules.items[i]);
    } else {
        m.ok = variants_each(program, kernel, c->machine, take_variant, &m);
    }
    if (m.ok && !m.schedules.count)
        printf("%s: %s has no variant for %s\n", kernel->name.pos.source->name, kernel->name.name,
               c->machine);
    if (m.ok || !request)
        run_schedules(&m, kernel);
    return m.ok;
}
