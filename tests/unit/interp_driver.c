/* Runs a kernel of IR text on raw row-major arrays.
 *
 *   interp_driver FILE.ir [--seed N] [--threads N] [-d NAME=BITS].. [-t NAME=EXTENTS:IN:OUT]..
 *
 * EXTENTS: 4,128 (empty: rank 0). IN, OUT: files, or empty. An IN makes the contents defined,
 * unless the tensor is out. A table has one -t an entry, in order; a missing -t: absent tensor.
 * -a X=Y: X is the same memory as Y. Exit code 1: the run found a fault.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/interp/interp.h"
#include "compiler/interp/interp_internal.h"

enum { MOST = 256 };

typedef struct Given {
    const char *name, *in, *out;
    int rank;
    int64_t extent[MAX_RANK];
} Given;

static Given given[MOST];
static Argument arguments[MOST];
static const char *alias[MOST][2];
static int ngiven, narguments, naliases;

static void fail(const char *what)
{
    fprintf(stderr, "interp_driver: %s\n", what);
    exit(2);
}

static char *read_all(const char *path, size_t *length)
{
    FILE *f = fopen(path, "rb");
    size_t room = 4096, n = 0;
    char *text = malloc(room + 1);
    if (!f || !text)
        fail(path);
    for (size_t got; (got = fread(text + n, 1, room - n, f)) > 0;) {
        n += got;
        if (n == room && !(text = realloc(text, (room *= 2) + 1)))
            fail("out of memory");
    }
    fclose(f);
    text[n] = 0;
    *length = n;
    return text;
}

static void add_tensor(char *text)
{
    Given *g = &given[ngiven++];
    char *equals = strchr(text, '='), *in = equals ? strchr(equals, ':') : NULL;
    char *out = in ? strchr(in + 1, ':') : NULL;
    if (!out || ngiven == MOST)
        fail("-t NAME=EXTENTS:IN:OUT");
    *equals = *in = *out = 0;
    g->name = text;
    g->in = in + 1;
    g->out = out + 1;
    for (char *at = equals + 1; *at && g->rank < MAX_RANK;) {
        g->extent[g->rank++] = strtoll(at, &at, 0);
        at += *at == ',';
    }
}

static void add_argument(char *text)
{
    char *equals = strchr(text, '=');
    if (!equals || narguments == MOST)
        fail("-d NAME=BITS");
    *equals = 0;
    bool negative = equals[1] == '-';
    uint64_t bits = strtoull(equals + 1, NULL, 0);
    if (negative)
        bits = (uint64_t)strtoll(equals + 1, NULL, 0);
    arguments[narguments++] = (Argument){text, bits};
}

static void parse(int argc, char **argv, RunOptions *o)
{
    for (int i = 2; i + 1 < argc; i += 2) {
        char *word = argv[i + 1];
        if (strcmp(argv[i], "--seed") == 0) {
            o->seed = strtoull(word, NULL, 0);
        } else if (strcmp(argv[i], "--threads") == 0) {
            o->threads = atoi(word);
        } else if (strcmp(argv[i], "-d") == 0) {
            add_argument(word);
        } else if (strcmp(argv[i], "-t") == 0) {
            add_tensor(word);
        } else if (strcmp(argv[i], "-a") == 0 && strchr(word, '=')) {
            *strchr(word, '=') = 0;
            alias[naliases][0] = word;
            alias[naliases++][1] = word + strlen(word) + 1;
        } else {
            fail(argv[i]);
        }
    }
}

static void fill_buffer(const Op *op, const Given *g, Buffer *b)
{
    *b = (Buffer){.name = op->name,
                  .dtype = op->results[0]->type.dtype,
                  .format = op->tensor->format,
                  .rank = g->rank};
    memcpy(b->extent, g->extent, sizeof b->extent);
    int64_t bytes = buffer_bytes(b->dtype, b->format, b->rank, b->extent);
    if (bytes < 0)
        fail("too large");
    b->bytes = (size_t)bytes;
    b->data = calloc(1, b->bytes + 1);
    b->defined = op->tensor->dir == PARAM_IN || (*g->in && op->tensor->dir != PARAM_OUT);
    if (*g->in) {
        size_t length;
        char *rows = read_all(g->in, &length);
        if (b->format == FORMAT_ROW && length != b->bytes)
            fail("length of an input");
        format_from_rows(b, rows);
        free(rows);
    }
}

static int bind_all(const Kernel *k, Binding *bindings)
{
    int n = 0;
    for (const Op *op = k->body->first; op; op = op->next) {
        if (op->code != OP_TENSOR)
            continue;
        Binding *b = &bindings[n++];
        b->tensor = op;
        b->buffers = calloc(MOST, sizeof *b->buffers);
        for (int i = 0; i < ngiven; i++)
            if (strcmp(given[i].name, op->name) == 0)
                fill_buffer(op, &given[i], &b->buffers[b->entries++]);
        for (int i = 0; i < naliases; i++)
            for (int j = 0; j < n - 1 && strcmp(alias[i][0], op->name) == 0; j++)
                if (strcmp(bindings[j].tensor->name, alias[i][1]) == 0) {
                    free(b->buffers[0].data);
                    b->buffers[0].data = bindings[j].buffers[0].data;
                }
    }
    return n;
}

static void write_outputs(const Binding *bindings, int n)
{
    for (int i = 0; i < n; i++) {
        for (int k = 0, g = 0; k < bindings[i].entries; k++, g++) {
            while (strcmp(given[g].name, bindings[i].tensor->name) != 0)
                g++;
            if (!*given[g].out)
                continue;
            const Buffer *b = &bindings[i].buffers[k];
            FILE *f = fopen(given[g].out, "wb");
            int64_t bytes = buffer_bytes(b->dtype, FORMAT_ROW, b->rank, b->extent);
            char *rows = calloc(1, (size_t)bytes + 1);
            if (!f || !rows)
                fail(given[g].out);
            format_to_rows(b, rows);
            fwrite(rows, 1, (size_t)bytes, f);
            fclose(f);
            free(rows);
        }
    }
}

int main(int argc, char **argv)
{
    static Binding bindings[MOST];
    RunOptions options = {.threads = 1};
    Arena arena = {0};
    Diag diag = {.arena = &arena, .out = stderr};
    if (argc < 2)
        fail("FILE.ir");
    parse(argc, argv, &options);
    const char *slash = strrchr(argv[1], '/');
    Source source = {.name = slash ? slash + 1 : argv[1]};
    source.text = read_all(argv[1], &source.length);
    Kernel *k = kernel_read(&arena, &diag, &source);
    const char *wrong = k ? kernel_verify(&arena, k) : "unreadable";
    if (wrong)
        fail(wrong);
    int n = bind_all(k, bindings);
    bool good = interp_run(k, bindings, n, arguments, narguments, &options, &diag);
    if (good)
        write_outputs(bindings, n);
    for (int i = 0; i < n; i++) {
        for (int b = 0; b < bindings[i].entries; b++) {
            bool shared = false;
            for (int j = 0; j < i; j++)
                for (int c = 0; c < bindings[j].entries; c++)
                    shared |= bindings[j].buffers[c].data == bindings[i].buffers[b].data;
            if (!shared)
                free(bindings[i].buffers[b].data);
        }
        if (i == n - 1)
            for (int j = 0; j < n; j++)
                free(bindings[j].buffers);
    }
    free((char *)source.text);
    arena_free(&arena);
    return good ? 0 : 1;
}
