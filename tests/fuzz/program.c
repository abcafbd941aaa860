/* Programs made from the bytes, all of them well-typed: each must check, be formatted without a
 * change of its meaning, have an IR that the verifier accepts and that reads back, and run. What
 * it writes depends neither on the order of programs nor on the number of threads; one that is
 * `risky` may have a fault, which must be the same again. TILE_FUZZ_SHOW=1 prints the programs. */
#include <stdlib.h>
#include <string.h>

#include "compiler/interp/interp.h"
#include "compiler/program.h"
#include "tests/generate/generate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* elab.c; elab.h cannot stand beside interp.h, each has a Binding of its own. */
Kernel *elaborate(Arena *, Diag *, const Program *, const Item *kernel, const Variant *);

enum { MOST_VARIANTS = 4 };

typedef struct Case {
    Arena *arena;
    Made made;
    Program program;
    const char *ir[MOST_VARIANTS]; /* of the variants, without places */
    int variants;
    bool formatted;
    uint64_t random;
} Case;

/* One run: its buffers and how it ended. */
typedef struct Run {
    Binding *bindings;
    int count;
    bool ok;
    const char *fault;
} Run;

static _Noreturn void wrong(const Case *c, const char *what, const char *text)
{
    fprintf(stderr, "%s: %s\n%s\n", what, text ? text : "", c->made.text);
    abort();
}

static char *printed(Arena *a, const Kernel *k)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        abort();
    kernel_print(f, k);
    fclose(f);
    char *copy = arena_text(a, text, size);
    free(text);
    return copy;
}

/* IR text without "@line:column", which the formatter may change. */
static char *without_places(Arena *a, const char *text)
{
    char *copy = arena_text(a, text, strlen(text)), *to = copy;
    for (const char *at = copy; *at;) {
        if (*at == '@')
            at += 1 + strspn(at + 1, "0123456789:");
        else
            *to++ = *at++;
    }
    *to = '\0';
    const char *first = strchr(copy, '{'); /* and without the header's file name */
    return first ? copy + (first - copy) : copy;
}

/* ---- running ---- */

static uint64_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 24 ^ *state >> 48;
}

/* Small numbers, any bits, or one of few; bools are 0 or 1. */
static void fill(Buffer *b, uint64_t *state)
{
    uint8_t *bytes = b->data;
    unsigned mode = (unsigned)(random_next(state) % 3);
    size_t size = dtype_info[b->dtype].bits / 8;
    for (size_t i = 0; i < b->bytes; i++)
        bytes[i] = (uint8_t)random_next(state);
    for (size_t i = 0; size && i + size <= b->bytes && mode < 2; i += size) {
        uint64_t small = random_next(state) % 12;
        float f = (float)((double)small * 0.25 - 1);
        if (dtype_is_int(b->dtype))
            memcpy(bytes + i, &small, size);
        else if (size == 4)
            memcpy(bytes + i, &f, 4);
        else if (size == 2)
            bytes[i + 1] = (uint8_t)(0x3F + (bytes[i + 1] & 0x81));
    }
    for (size_t i = 0; b->dtype == DT_BOOL && i < b->bytes; i++)
        bytes[i] &= 1;
}

static bool bind(const Case *c, const Kernel *k, Run *run, Solution *s)
{
    Diag d = {.arena = c->arena};
    Argument arguments[16];
    Shape *shapes = NULL;
    uint64_t state = c->random;
    for (int i = 0; i < c->made.narguments; i++)
        arguments[i] = (Argument){c->made.arguments[i].name, c->made.arguments[i].bits};
    if (!bind_solve(c->arena, &d, k, shapes, 0, arguments, c->made.narguments, s))
        wrong(c, "no solution", d.first);
    for (const Op *op = k->body->first; op; op = op->next)
        run->count += op->code == OP_TENSOR;
    run->bindings = NEW_ARRAY(c->arena, Binding, run->count);
    int n = 0;
    for (const Op *op = k->body->first; op; op = op->next) {
        if (op->code != OP_TENSOR)
            continue;
        const Type *t = &op->results[0]->type;
        Binding *binding = &run->bindings[n];
        *binding = (Binding){op, s->entries[n], NEW_ARRAY(c->arena, Buffer, s->entries[n])};
        for (int i = 0; i < binding->entries; i++) {
            Buffer *b = &binding->buffers[i];
            *b = (Buffer){.name = op->name,
                          .dtype = t->dtype,
                          .format = op->tensor->format,
                          .rank = t->rank,
                          .defined = op->tensor->dir == PARAM_IN || op->tensor->dir == PARAM_INOUT};
            memcpy(b->extent, s->extents[n], sizeof b->extent);
            b->bytes = (size_t)buffer_bytes(b->dtype, b->format, b->rank, b->extent);
            b->data = malloc(b->bytes + !b->bytes);
            if (!b->data)
                abort();
            fill(b, &state);
        }
        n++;
    }
    return true;
}

static Run run_kernel(const Case *c, const Kernel *k, uint64_t seed, int threads)
{
    Run run = {0};
    Solution s = {0};
    Diag d = {.arena = c->arena};
    RunOptions options = {.seed = seed, .threads = threads};
    bind(c, k, &run, &s);
    run.ok = interp_run(k, run.bindings, run.count, s.arguments, s.narguments, &options, &d);
    if (run.ok != (d.errors == 0))
        wrong(c, "a fault without a message, or a message without a fault", d.first);
    run.fault = d.first ? d.first : "";
    return run;
}

static void release(Run *run)
{
    for (int i = 0; i < run->count; i++)
        for (int k = 0; k < run->bindings[i].entries; k++)
            free(run->bindings[i].buffers[k].data);
}

static void compare(const Case *c, const Run *a, const Run *b)
{
    for (int i = 0; i < a->count; i++) {
        if (a->bindings[i].tensor->tensor->nondet)
            continue;
        for (int k = 0; k < a->bindings[i].entries; k++) {
            const Buffer *x = &a->bindings[i].buffers[k], *y = &b->bindings[i].buffers[k];
            if (memcmp(x->data, y->data, x->bytes) != 0)
                wrong(c, "two runs differ in", x->name);
        }
    }
}

/* `again` is the same kernel, read from its text. */
static void run_all(const Case *c, const Kernel *k, const Kernel *again)
{
    Run a = run_kernel(c, k, c->random, 1), b = run_kernel(c, again, c->random + 1, 2);
    if (!a.ok && !c->made.risky)
        wrong(c, "a fault", a.fault);
    if (a.ok != b.ok)
        wrong(c, "one of two runs has a fault", a.ok ? b.fault : a.fault);
    if (a.ok)
        compare(c, &a, &b);
    release(&b);
    if (!a.ok) {
        b = run_kernel(c, k, c->random, 1);
        if (strcmp(a.fault, b.fault) != 0)
            wrong(c, a.fault, b.fault);
        release(&b);
    }
    release(&a);
}

/* ---- checking ---- */

static void check_variant(void *context, const Item *kernel, const Variant *v)
{
    Case *c = context;
    Diag d = {.arena = c->arena};
    if (c->variants >= MOST_VARIANTS)
        return;
    Kernel *k = elaborate(c->arena, c->program.diag, &c->program, kernel, v);
    if (!k)
        return;
    const char *text = printed(c->arena, k), *bad = kernel_verify(c->arena, k);
    const char *bare = without_places(c->arena, text);
    if (bad)
        wrong(c, "the verifier", bad);
    if (!c->formatted) {
        Source s = {.name = "printed", .text = text, .length = strlen(text)};
        Kernel *again = kernel_read(c->arena, &d, &s);
        if (!again || strcmp(text, printed(c->arena, again)) != 0)
            wrong(c, "the IR does not read back", text);
        c->ir[c->variants] = bare;
        run_all(c, k, again);
    } else if (strcmp(c->ir[c->variants], bare) != 0) {
        wrong(c, "formatting changed the IR", bare);
    }
    c->variants++;
}

static void check(Case *c, const char *text)
{
    Diag d = {.arena = c->arena};
    c->program = (Program){.arena = c->arena, .diag = &d, .names = interner_new(c->arena)};
    c->variants = 0;
    bool ok = program_load_text(&c->program, "made.tile", text, strlen(text));
    for (int i = 0; ok && i < c->program.kernels.count; i++)
        variants_each(&c->program, c->program.kernels.items[i], NULL, check_variant, c);
    if (d.errors)
        wrong(c, "refused", d.first);
    if (c->variants == 0)
        wrong(c, "no variant", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena arena = {0};
    Case c = {.arena = &arena, .random = size};
    for (size_t i = 0; i < size; i++)
        c.random = c.random * 31 + data[i];
    c.made = generate(&arena, data, size);
    if (getenv("TILE_FUZZ_SHOW"))
        puts(c.made.text);
    check(&c, c.made.text);
    c.formatted = true;
    check(&c, format_unit(&arena, c.program.units.items[0]));
    arena_free(&arena);
    return 0;
}
