/* Runs kernels on the machine model as a script on standard input says; tests/machine/machine.py
 * writes the scripts. A line is a command:
 *
 *   arch sm90|sm100                the machine's; sm90 if it is not said
 *   source FILE                    the kernel's text
 *   option TEXT                    for the compiler
 *   tile NAME                      of the .tile file, for places
 *   buffer NAME BYTES FLAGS FILE   global memory that begins as the file; -: as bytes 0xA5
 *   args BYTES
 *   pointer OFFSET BUFFER DISTANCE what the args hold
 *   bytes OFFSET HEX
 *   map OFFSET BUFFER DISTANCE TYPE RANK SWIZZLE FILL then extents, strides, box, steps
 *   launch ENTRY GRID BLOCK CLUSTER SHARED COOPERATIVE PDL
 *   timeline BLOCK FILE            a picture of that block, of the last run
 *   run FIRST LAST POLICY          with these seeds, of a fresh machine each
 *   out BUFFER FILE                what the last run left there
 *
 * `run` prints "ok STEPS CONFLICTS" or "fault SEED NAME: REPORT" (\n for a line's end) for each
 * seed, and "differs SEED BUFFER" if a buffer is not what the first seed's run left; it ends at the
 * first of these that is not ok.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/machine.h"

/* tests/machine/gpu_driver.c has the functions that make the difference: it includes this file. */
#ifndef RUNS_ON_GPU
#define RUNS_ON_GPU 0
#endif

enum { MOST = 64, MOST_ARGS = 8192 };

typedef struct Buffer {
    char name[64];
    size_t bytes;
    unsigned flags;
    char *initial, *data, *first;
} Buffer;

typedef struct Patch {
    size_t offset, distance;
    Buffer *buffer;
    bool map;
    tile_tensor_map_spec spec;
} Patch;

typedef struct Launch {
    char entry[128];
    tile_launch_config config;
} Launch;

static tile_arch arch = TILE_SM90;
static char source_path[1100], source_name[1024], tile_name[256];
static char timeline_path[1024];
static long long timeline_block;
static char *source_text;
static const char *options[MOST];
static Buffer buffers[MOST];
static Patch patches[MOST];
static Launch launches[MOST];
static int noptions, nbuffers, npatches, nlaunches;
static _Alignas(128) char args[MOST_ARGS];
static size_t args_bytes;

static void die(const char *what)
{
    fprintf(stderr, "machine_driver: %s\n", what);
    exit(2);
}

static char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        die(path);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*size + 1);
    if (!text || fread(text, 1, *size, f) != *size)
        die(path);
    text[*size] = 0;
    fclose(f);
    return text;
}

static Buffer *find_buffer(const char *name)
{
    for (int i = 0; i < nbuffers; i++)
        if (strcmp(buffers[i].name, name) == 0)
            return &buffers[i];
    die(name);
    return NULL;
}

static void *allocate(size_t bytes)
{
    void *p = aligned_alloc(256, (bytes + 511) / 256 * 256);
    if (!p)
        die("no memory");
    return p;
}

static void add_buffer(const char *line)
{
    Buffer *b = &buffers[nbuffers++];
    char path[1024];
    if (sscanf(line, "%63s %zu %u %1023s", b->name, &b->bytes, &b->flags, path) != 4)
        die(line);
    b->data = allocate(b->bytes);
    b->first = malloc(b->bytes + 1);
    size_t size = 0;
    if (strcmp(path, "-") != 0)
        b->initial = read_file(path, &size);
    if (b->initial && size != b->bytes)
        die("a buffer's file has another size");
}

static void add_bytes(const char *line)
{
    size_t at;
    int n;
    if (sscanf(line, "%zu %n", &at, &n) != 1)
        die(line);
    unsigned byte;
    for (const char *p = line + n; sscanf(p, "%2x", &byte) == 1; p += 2)
        args[at++] = (char)byte;
}

static Patch *add_patch(const char *line, int *read)
{
    Patch *p = &patches[npatches++];
    char name[64];
    if (sscanf(line, "%zu %63s %zu %n", &p->offset, name, &p->distance, read) != 3)
        die(line);
    p->buffer = find_buffer(name);
    return p;
}

static void add_map(const char *line)
{
    int n, type, swizzle, nan;
    Patch *p = add_patch(line, &n);
    tile_tensor_map_spec *s = &p->spec;
    p->map = true;
    line += n;
    if (sscanf(line, "%d %d %d %d %n", &type, &s->rank, &swizzle, &nan, &n) != 4)
        die(line);
    s->type = (tile_tensor_type)type;
    s->swizzle = (tile_swizzle)swizzle;
    s->fill_nan = nan;
    line += n;
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < s->rank; i++, line += n) {
            unsigned long long x;
            if (sscanf(line, "%llu %n", &x, &n) != 1)
                die(line);
            if (k == 0)
                s->extent[i] = x;
            else if (k == 1)
                s->stride[i] = x;
            else if (k == 2)
                s->box[i] = (uint32_t)x;
            else
                s->step[i] = (uint32_t)x;
        }
}

static void add_launch(const char *line)
{
    Launch *l = &launches[nlaunches++];
    tile_launch_config *c = &l->config;
    int cooperative, pdl;
    if (sscanf(line, "%127s %u %u %u %u %d %d", l->entry, &c->grid[0], &c->block[0], &c->cluster[0],
               &c->shared_bytes, &cooperative, &pdl) != 7)
        die(line);
    c->grid[1] = c->grid[2] = c->block[1] = c->block[2] = 1;
    c->cluster[1] = c->cluster[2] = c->cluster[0] != 0;
    c->cooperative = cooperative;
    c->pdl = pdl;
}

#if !RUNS_ON_GPU
static void fill_args(void)
{
    for (int i = 0; i < npatches; i++) {
        Patch *p = &patches[i];
        char *address = p->buffer->data + p->distance;
        if (!p->map) {
            memcpy(args + p->offset, &address, sizeof address);
            continue;
        }
        tile_tensor_map map;
        p->spec.address = address;
        const char *wrong = tile_tensor_map_encode(&p->spec, &map);
        if (wrong)
            die(wrong);
        memcpy(args + p->offset, &map, sizeof map);
    }
}

static void start_buffers(tile_machine *m)
{
    for (int i = 0; i < nbuffers; i++) {
        Buffer *b = &buffers[i];
        if (b->initial)
            memcpy(b->data, b->initial, b->bytes);
        else
            memset(b->data, 0xA5, b->bytes);
        if (!tile_machine_buffer(m, b->data, b->bytes, b->name, b->flags))
            die("buffers overlap");
    }
}

#endif

static void print_report(const char *text)
{
    for (; *text; text++)
        if (*text == '\n')
            fputs("\\n", stdout);
        else
            putchar(*text);
    putchar('\n');
}

#if RUNS_ON_GPU
static void fill_args(void);
static bool run_once(uint64_t seed, int policy, bool first);
#else
static bool run_once(uint64_t seed, int policy, bool first)
{
    tile_machine_options o = {.arch = arch,
                              .seed = seed,
                              .policy = (tile_policy)policy,
                              .source = *tile_name ? tile_name : NULL};
    tile_machine *m = tile_machine_create(&o);
    tile_source source = {source_name, source_text, options};
    tile_machine_code *code;
    start_buffers(m);
    bool good = !*timeline_path || tile_machine_trace(m, timeline_block);
    good = good && tile_machine_load(m, &source, &code);
    for (int i = 0; i < nlaunches && good; i++)
        good = tile_machine_launch(m, code, launches[i].entry, &launches[i].config, args,
                                   args_bytes);
    tile_machine_counts c = tile_machine_count(m);
    if (!good) {
        printf("fault %llu %s: ", (unsigned long long)seed, tile_fault_name(tile_machine_fault(m)));
        print_report(tile_machine_report(m));
    }
    if (*timeline_path && !tile_machine_timeline(m, timeline_path))
        die(timeline_path);
    tile_machine_free(m);
    for (int i = 0; i < nbuffers && good; i++) {
        Buffer *b = &buffers[i];
        if (first)
            memcpy(b->first, b->data, b->bytes);
        if (memcmp(b->first, b->data, b->bytes) != 0) {
            printf("differs %llu %s\n", (unsigned long long)seed, b->name);
            good = false;
        }
    }
    if (good)
        printf("ok %llu %llu\n", (unsigned long long)c.steps, (unsigned long long)c.bank_conflicts);
    return good;
}

#endif

static void run(const char *line)
{
    unsigned long long first, last;
    int policy;
    if (sscanf(line, "%llu %llu %d", &first, &last, &policy) != 3)
        die(line);
    fill_args();
    for (unsigned long long seed = first; seed <= last; seed++)
        if (!run_once(seed, policy, seed == first))
            break;
    fflush(stdout);
}

static void write_out(const char *line)
{
    char name[64], path[1024];
    if (sscanf(line, "%63s %1023s", name, path) != 2)
        die(line);
    const Buffer *b = find_buffer(name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(b->data, 1, b->bytes, f) != b->bytes || fclose(f) != 0)
        die(path);
}

static void command(char *line)
{
    char *rest = strchr(line, ' ');
    size_t size;
    int n;
    if (!rest)
        die(line);
    *rest++ = 0;
    if (strcmp(line, "arch") == 0) {
        arch = strcmp(rest, "sm100") == 0 ? TILE_SM100 : TILE_SM90;
    } else if (strcmp(line, "source") == 0) {
        const char *slash = strrchr(rest, '/');
        source_text = read_file(rest, &size);
        snprintf(source_path, sizeof source_path, "%.1099s", rest);
        snprintf(source_name, sizeof source_name, "%.1000s", slash ? slash + 1 : rest);
    } else if (strcmp(line, "option") == 0) {
        char *kept = malloc(strlen(rest) + 1);
        options[noptions++] = kept ? strcpy(kept, rest) : NULL;
    } else if (strcmp(line, "tile") == 0) {
        snprintf(tile_name, sizeof tile_name, "%.255s", rest);
    } else if (strcmp(line, "buffer") == 0) {
        add_buffer(rest);
    } else if (strcmp(line, "args") == 0) {
        args_bytes = strtoull(rest, NULL, 10);
    } else if (strcmp(line, "pointer") == 0) {
        add_patch(rest, &n);
    } else if (strcmp(line, "bytes") == 0) {
        add_bytes(rest);
    } else if (strcmp(line, "map") == 0) {
        add_map(rest);
    } else if (strcmp(line, "launch") == 0) {
        add_launch(rest);
    } else if (strcmp(line, "timeline") == 0) {
        if (sscanf(rest, "%lld %1023s", &timeline_block, timeline_path) != 2)
            die(rest);
    } else if (strcmp(line, "run") == 0) {
        run(rest);
    } else if (strcmp(line, "out") == 0) {
        write_out(rest);
    } else {
        die(line);
    }
}

int main(void)
{
    static char line[1 << 16];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (*line)
            command(line);
    }
    return 0;
}
