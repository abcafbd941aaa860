/* A trace as a picture: a row for each warp and each engine, time from left to right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/trace.h"

enum { LEFT = 96, TOP = 64, WIDTH = 1280, ROW = 18, GAP = 6, MOST_STAGES = 64 };

typedef struct Picture {
    FILE *out;
    Machine *machine;
    const Trace *trace;
    const TraceEvent **event; /* by row, then by start */
    double scale;
    uint64_t begin, last;
    int y;
    int stage[MOST_STAGES], stages;
    struct Known {
        Place place;
        char *text;
    } * known; /* places whose text has been asked for: that takes a process */
    int knowns;
} Picture;

static const char *const engine_names[] = {"loads", "stores", "cp.async", "tensor cores"};

/* Warps are not drawn in any of them. */
static const char *const colors[] = {"#9ecbff", "#ffd08a", "#aee0a0", "#f5aeb0",
                                     "#cdb4f0", "#e0cba8", "#f6bfe2", "#8fd6d2"};
enum { COLORS = sizeof colors / sizeof *colors };

static int by_row(const void *x, const void *y)
{
    const TraceEvent *a = *(const TraceEvent *const *)x, *b = *(const TraceEvent *const *)y;
    if (a->row != b->row)
        return a->row < b->row ? -1 : 1;
    return a->start < b->start ? -1 : a->start > b->start;
}

/* Stages are numbered by where their mbarriers are; -1: none. */
static int stage_number(const Picture *p, int stage)
{
    for (int i = 0; i < p->stages; i++)
        if (p->stage[i] == stage)
            return i;
    return -1;
}

static void find_stages(Picture *p)
{
    for (int i = 0; i < p->trace->count; i++) {
        int stage = p->trace->event[i].stage, at = p->stages;
        if (stage == NO_STAGE || stage_number(p, stage) >= 0 || p->stages == MOST_STAGES)
            continue;
        for (; at > 0 && p->stage[at - 1] > stage; at--)
            p->stage[at] = p->stage[at - 1];
        p->stage[at] = stage;
        p->stages++;
    }
}

static double x_of(const Picture *p, uint64_t time)
{
    return LEFT + (double)(time - p->begin) * p->scale;
}

static void put_text(const Picture *p, double x, double y, const char *anchor, const char *text)
{
    fprintf(p->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    for (; *text; text++)
        if (*text == '<' || *text == '&')
            fputs(*text == '<' ? "&lt;" : "&amp;", p->out);
        else
            fputc(*text, p->out);
    fputs("</text>\n", p->out);
}

static const char *place_of(Picture *p, Place place)
{
    for (int i = 0; i < p->knowns; i++)
        if (p->known[i].place == place)
            return p->known[i].text;
    const char *text = where_text(p->machine, place);
    p->known = realloc(p->known, ((size_t)p->knowns + 1) * sizeof *p->known);
    char *kept = malloc(strlen(text) + 1);
    if (!p->known || !kept)
        abort();
    p->known[p->knowns++] = (struct Known){place, strcpy(kept, text)};
    return kept;
}

static void put_event(Picture *p, const TraceEvent *e, double y, double height)
{
    double x = x_of(p, e->start), width = x_of(p, e->end) - x;
    int stage = stage_number(p, e->stage);
    const char *color = e->row >= ROW_WARPS ? (e->waits ? "#e3e6ea" : "#5b7fa6")
                        : stage >= 0        ? colors[stage % COLORS]
                                            : "#b9c4cf";
    fprintf(p->out,
            "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"><title>", x, y,
            width > 0.3 ? width : 0.3, height, color);
    fprintf(p->out, "%s%s", e->row < ROW_WARPS || !e->waits ? "" : "waits: ", e->what);
    if (e->row < ROW_TENSOR)
        fprintf(p->out, ", %u bytes", e->bytes);
    if (e->row == ROW_TENSOR)
        fprintf(p->out, ", %u columns", e->bytes);
    if (stage >= 0)
        fprintf(p->out, ", stage %d", stage);
    fprintf(p->out, "\n%s\nsteps %llu to %llu</title></rect>\n", place_of(p, e->place),
            (unsigned long long)(e->start - p->begin), (unsigned long long)(e->end - p->begin));
}

/* ---- rows ---- */

/* Events that overlap lie below each other: gives the number of lines they need. */
static int pack(const TraceEvent **event, int count, int *line)
{
    enum { MOST_LINES = 16 };
    uint64_t end[MOST_LINES] = {0};
    int lines = 1;
    for (int i = 0; i < count; i++) {
        int at = 0;
        while (at < MOST_LINES - 1 && end[at] > event[i]->start)
            at++;
        line[i] = at;
        end[at] = event[i]->end;
        lines = at + 1 > lines ? at + 1 : lines;
    }
    return lines;
}

static void put_row(Picture *p, const TraceEvent **event, int count)
{
    char name[32];
    int row = event[0]->row, *line = calloc((size_t)count, sizeof *line);
    if (!line)
        abort();
    if (row >= ROW_WARPS)
        snprintf(name, sizeof name, "warp %d", row - ROW_WARPS);
    else
        snprintf(name, sizeof name, "%s", engine_names[row]);
    int lines = row < ROW_WARPS ? pack(event, count, line) : 1;
    double height = lines == 1 ? ROW : ROW * 0.7;
    put_text(p, LEFT - 8, p->y + 13, "end", name);
    for (int i = 0; i < count; i++)
        put_event(p, event[i], p->y + height * line[i], height - 1);
    p->y += (int)(height * lines) + (row >= ROW_WARPS ? 2 : GAP);
    free(line);
}

/* A step of the axis: 1, 2 or 5 times a power of ten. */
static uint64_t tick(uint64_t steps)
{
    uint64_t t = 1;
    for (int i = 0; steps / t > 12; i++)
        t = i % 3 == 1 ? t / 2 * 5 : t * 2;
    return t;
}

static void put_axis(Picture *p)
{
    char text[32];
    uint64_t t = tick(p->last - p->begin);
    for (uint64_t at = p->begin; at <= p->last; at += t) {
        fprintf(p->out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#d0d4d8\"/>\n",
                x_of(p, at), x_of(p, at), TOP - 4, p->y);
        snprintf(text, sizeof text, "%llu", (unsigned long long)(at - p->begin));
        put_text(p, x_of(p, at), TOP - 8, "middle", text);
    }
}

static void put_head(Picture *p)
{
    char text[256];
    const Machine *m = p->machine;
    snprintf(text, sizeof text, "%s, block %lld, seed %llu%s", m->kernel ? m->kernel->name : "",
             (long long)p->trace->block, (unsigned long long)m->options.seed,
             p->trace->full ? " (the beginning)" : "");
    put_text(p, LEFT, 18, "start", text);
    put_text(p, LEFT, 36, "start",
             "Steps of the machine model: what waits for what. They are no cycles, and say nothing "
             "about a GPU's speed.");
}

static void put_legend(Picture *p)
{
    double x = LEFT;
    char text[32];
    p->y += 18;
    for (int i = 0; i < p->stages && i < COLORS; i++, x += 76) {
        fprintf(p->out, "<rect x=\"%.1f\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x,
                p->y - 10, colors[i]);
        snprintf(text, sizeof text, "stage %d", i);
        put_text(p, x + 16, p->y, "start", text);
    }
    put_text(p, x, p->y, "start", "warps: dark runs, light waits");
    p->y += 12;
}

static void draw(Picture *p)
{
    const Trace *r = p->trace;
    char *body;
    size_t size;
    FILE *out = p->out;
    p->out = open_memstream(&body, &size);
    if (!p->out)
        abort();
    p->y = TOP;
    for (int i = 0, k; i < r->count; i = k) {
        for (k = i; k < r->count && p->event[k]->row == p->event[i]->row;)
            k++;
        put_row(p, p->event + i, k - i);
    }
    int bottom = p->y;
    put_legend(p);
    fclose(p->out);
    p->out = out;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%%\" height=\"100%%\" "
            "fill=\"white\"/>\n",
            LEFT + WIDTH + 24, p->y);
    put_head(p);
    int y = p->y;
    p->y = bottom;
    put_axis(p);
    p->y = y;
    fwrite(body, 1, size, out);
    fputs("</svg>\n", out);
    free(body);
}

bool tile_machine_timeline(tile_machine *machine, const char *path)
{
    static const Trace nothing;
    Machine *m = &machine->machine;
    const Trace *r = m->trace ? m->trace : &nothing;
    Picture p = {.out = fopen(path, "w"), .machine = m, .trace = r};
    p.event = malloc(((size_t)r->count + 1) * sizeof(TraceEvent *));
    if (!p.event)
        abort();
    for (int i = 0; i < r->count; i++) {
        p.event[i] = &r->event[i];
        p.last = r->event[i].end > p.last ? r->event[i].end : p.last;
        p.begin = i == 0 || r->event[i].start < p.begin ? r->event[i].start : p.begin;
    }
    qsort(p.event, (size_t)r->count, sizeof *p.event, by_row);
    p.scale = WIDTH / (double)(p.last - p.begin + 1);
    find_stages(&p);
    if (p.out)
        draw(&p);
    for (int i = 0; i < p.knowns; i++)
        free(p.known[i].text);
    free(p.known);
    free(p.event);
    return p.out && fclose(p.out) == 0;
}
