/* Exercises the tile IR from a test.
 *
 *   ir_driver print FILE             reads, verifies and prints FILE
 *   ir_driver round FILE             reads, prints, reads that, and compares texts and structures
 *   ir_driver verify FILE...         for each file a line: "ok", or what reader or verifier say
 *   ir_driver bind FILE NAME=[ENTRIESx]EXTENT,EXTENT.. -s NAME=BITS ..
 *                                    what bind_solve finds: "dim K 4096", "x 2x[3, 4096]"
 *   ir_driver ops                    the names of all operations
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/interp/interp.h"

enum { MOST = 32 };

static bool read_text(Arena *a, const char *path, Source *s)
{
    FILE *f = fopen(path, "rb");
    struct {
        char *items;
        int count, capacity;
    } text = {0};
    if (!f) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    for (int c; (c = fgetc(f)) != EOF;)
        PUSH(a, &text, (char)c);
    fclose(f);
    const char *slash = strrchr(path, '/');
    s->name = slash ? slash + 1 : path;
    s->text = arena_text(a, text.items, (size_t)text.count);
    s->length = (size_t)text.count;
    return true;
}

static Kernel *load(Arena *a, Diag *d, const char *path)
{
    Source *s = NEW(a, Source);
    return read_text(a, path, s) ? kernel_read(a, d, s) : NULL;
}

static char *printed(Arena *a, const Kernel *k)
{
    FILE *f = tmpfile();
    if (!f)
        exit(1);
    kernel_print(f, k);
    size_t n = (size_t)ftell(f);
    char *text = arena_alloc(a, n + 1);
    rewind(f);
    if (fread(text, 1, n, f) != n)
        exit(1);
    fclose(f);
    return text;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_value(const Value *a, const Value *b)
{
    return a->id == b->id && a->index == b->index && type_equal(&a->type, &b->type) &&
           same_text(a->name, b->name);
}

static bool same_place(Pos a, Pos b)
{
    int line[2], column[2];
    pos_line(a, &line[0], &column[0]);
    pos_line(b, &line[1], &column[1]);
    return line[0] == line[1] && column[0] == column[1] && !a.source == !b.source &&
           (!a.source || strcmp(a.source->name, b.source->name) == 0);
}

static bool same_tensor(const TensorInfo *a, const TensorInfo *b)
{
    if (!a || !b)
        return a == b;
    return a->dir == b->dir && a->format == b->format && a->optional == b->optional &&
           a->nondet == b->nondet && a->symm == b->symm && same_text(a->alias, b->alias) &&
           memcmp(a->any_stride, b->any_stride, sizeof a->any_stride) == 0;
}

static bool same_access(const Access *a, const Access *b)
{
    if (!a || !b || a->count != b->count)
        return a == b;
    for (int i = 0; i < a->count; i++)
        if (a->axis[i].kind != b->axis[i].kind || a->axis[i].extent != b->axis[i].extent)
            return false;
    return true;
}

static bool same_pipe(const PipeInfo *a, const PipeInfo *b)
{
    if (!a || !b || a->stages != b->stages || a->fields != b->fields)
        return a == b;
    for (int i = 0; i < a->fields; i++)
        if (strcmp(a->names[i], b->names[i]) != 0 || !type_equal(&a->types[i], &b->types[i]))
            return false;
    return true;
}

static bool same_plan(const SumPlan *a, const SumPlan *b)
{
    if (!a || !b || a->count != b->count || a->fused != b->fused)
        return a == b;
    for (int i = 0; i < a->count; i++)
        if (a->digits[i].owner != b->digits[i].owner ||
            a->digits[i].extent != b->digits[i].extent ||
            a->digits[i].stride != b->digits[i].stride)
            return false;
    return true;
}

static bool same_region(const Region *, const Region *);

static bool same_op(const Op *a, const Op *b)
{
    if (a->code != b->code || a->nargs != b->nargs || a->nresults != b->nresults ||
        a->nregions != b->nregions || a->bits != b->bits || a->axis != b->axis ||
        a->order != b->order || a->round != b->round || a->exclusive != b->exclusive ||
        a->unordered != b->unordered || !same_text(a->name, b->name) ||
        !same_place(a->pos, b->pos) || !same_tensor(a->tensor, b->tensor) ||
        !same_access(a->access, b->access) || !same_pipe(a->pipe, b->pipe) ||
        !same_plan(a->plan, b->plan))
        return false;
    for (int i = 0; i < a->nargs; i++)
        if (!same_value(a->args[i], b->args[i]))
            return false;
    for (int i = 0; i < a->nresults; i++)
        if (!same_value(a->results[i], b->results[i]))
            return false;
    for (int i = 0; i < a->nregions; i++)
        if (!same_region(a->regions[i], b->regions[i]))
            return false;
    return true;
}

static bool same_region(const Region *a, const Region *b)
{
    if (a->nargs != b->nargs || !same_text(a->name, b->name) || !same_text(a->words, b->words))
        return false;
    for (int i = 0; i < a->nargs; i++)
        if (!same_value(a->args[i], b->args[i]))
            return false;
    const Op *x = a->first, *y = b->first;
    for (; x && y; x = x->next, y = y->next)
        if (!same_op(x, y))
            return false;
    return !x && !y;
}

static int print_kernel(Arena *a, Diag *d, const char *path)
{
    Kernel *k = load(a, d, path);
    if (!k)
        return 1;
    const char *wrong = kernel_verify(a, k);
    if (wrong)
        fprintf(stderr, "%s\n", wrong);
    kernel_print(stdout, k);
    return wrong != NULL;
}

static int round_trip(Arena *a, Diag *d, const char *path)
{
    Kernel *k = load(a, d, path);
    if (!k)
        return 1;
    Source s = {.name = "printed"};
    s.text = printed(a, k);
    s.length = strlen(s.text);
    Kernel *again = kernel_read(a, d, &s);
    if (!again)
        return 1;
    bool same = same_region(k->body, again->body) && same_place(k->pos, again->pos) &&
                strcmp(k->name, again->name) == 0 && strcmp(k->variant, again->variant) == 0;
    puts(!same                                    ? "structures differ"
         : strcmp(s.text, printed(a, again)) == 0 ? "same"
                                                  : "texts differ");
    return 0;
}

static int verify_files(Arena *a, int count, char **paths)
{
    for (int i = 0; i < count; i++) {
        Diag d = {.arena = a};
        Kernel *k = load(a, &d, paths[i]);
        const char *wrong = k ? kernel_verify(a, k) : d.first;
        puts(wrong ? wrong : "ok");
    }
    return 0;
}

static const Op *tensor_named(const Kernel *k, const char *name, size_t length)
{
    for (const Op *op = k->body->first; op; op = op->next)
        if (op->code == OP_TENSOR && strlen(op->name) == length &&
            strncmp(op->name, name, length) == 0)
            return op;
    fprintf(stderr, "no tensor of that name\n");
    exit(2);
}

/* x=3,4096 or xs=2x3,4096 */
static Shape parse_shape(const Kernel *k, const char *text)
{
    const char *equals = strchr(text, '='), *times;
    Shape s = {.entries = 1};
    if (!equals)
        exit(2);
    s.tensor = tensor_named(k, text, (size_t)(equals - text));
    times = strchr(equals, 'x');
    const char *at = equals + 1;
    if (times) {
        s.entries = atoi(at);
        at = times + 1;
    }
    while (*at && s.rank < MAX_RANK) {
        s.extent[s.rank++] = strtoll(at, NULL, 0);
        at = strchr(at, ',') ? strchr(at, ',') + 1 : "";
    }
    return s;
}

static void print_solution(const Kernel *k, const Solution *s)
{
    for (int i = 0; i < s->narguments; i++)
        printf("%s %" PRId64 "\n", s->arguments[i].name, (int64_t)s->arguments[i].bits);
    int n = 0;
    for (const Op *op = k->body->first; op; op = op->next) {
        if (op->code != OP_TENSOR)
            continue;
        printf("%s %dx[", op->name, s->entries[n]);
        for (int i = 0; i < op->results[0]->type.rank; i++)
            printf("%s%" PRId64, i ? ", " : "", s->extents[n][i]);
        puts("]");
        n++;
    }
}

static int bind(Arena *a, Diag *d, int count, char **words)
{
    Kernel *k = load(a, d, words[0]);
    Shape given[MOST];
    Argument arguments[MOST];
    int ngiven = 0, narguments = 0;
    Solution s;
    const char *wrong = k ? kernel_verify(a, k) : d->first;
    if (wrong) {
        puts(wrong);
        return 2;
    }
    for (int i = 1; i < count && ngiven < MOST && narguments < MOST; i++) {
        if (strcmp(words[i], "-s") != 0) {
            given[ngiven++] = parse_shape(k, words[i]);
            continue;
        }
        char *equals = ++i < count ? strchr(words[i], '=') : NULL;
        if (!equals)
            return 2;
        arguments[narguments++] = (Argument){arena_text(a, words[i], (size_t)(equals - words[i])),
                                             equals[1] == '-'
                                                 ? (uint64_t)strtoll(equals + 1, NULL, 0)
                                                 : strtoull(equals + 1, NULL, 0)};
    }
    if (!bind_solve(a, d, k, given, ngiven, arguments, narguments, &s))
        return 1;
    print_solution(k, &s);
    return 0;
}

int main(int argc, char **argv)
{
    Arena a = {0};
    Diag d = {.arena = &a, .out = stderr};
    int result = 2;
    if (argc > 1 && strcmp(argv[1], "ops") == 0) {
        for (int i = 0; i < OP_COUNT; i++)
            puts(op_info[i].name);
        result = 0;
    } else if (argc > 2 && strcmp(argv[1], "print") == 0) {
        result = print_kernel(&a, &d, argv[2]);
    } else if (argc > 2 && strcmp(argv[1], "round") == 0) {
        result = round_trip(&a, &d, argv[2]);
    } else if (argc > 2 && strcmp(argv[1], "verify") == 0) {
        result = verify_files(&a, argc - 2, argv + 2);
    } else if (argc > 2 && strcmp(argv[1], "bind") == 0) {
        result = bind(&a, &d, argc - 2, argv + 2);
    }
    arena_free(&a);
    return result;
}
