/* Pictures of tiles as SVG: the whole tile by threads, its first elements by lane and register. */
#include <math.h>
#include <string.h>

#include "compiler/picture.h"

static const char *escaped(Arena *a, const char *text)
{
    char *out = arena_alloc(a, 5 * strlen(text) + 1), *to = out;
    for (; *text; text++) {
        const char *entity = *text == '<'   ? "&lt;"
                             : *text == '>' ? "&gt;"
                             : *text == '&' ? "&amp;"
                                            : NULL;
        size_t n = entity ? strlen(entity) : 1;
        memcpy(to, entity ? entity : text, n);
        to += n;
    }
    return out;
}

static void grow(Picture *p, double x, double y)
{
    if (x > p->width)
        p->width = (int)ceil(x);
    if (y > p->height)
        p->height = (int)ceil(y);
}

void picture_rect(Picture *p, double x, double y, double w, double h, const char *fill,
                  const char *stroke)
{
    fprintf(p->body,
            "<rect x=\"%.4g\" y=\"%.6g\" width=\"%.4g\" height=\"%.4g\" fill=\"%s\" "
            "stroke=\"%s\"/>\n",
            x, y, w, h, fill, stroke);
    grow(p, x + w, y + h);
}

void picture_text(Picture *p, double x, double y, int size, const char *anchor, const char *text)
{
    fprintf(p->body, "<text x=\"%.4g\" y=\"%.6g\" font-size=\"%d\" text-anchor=\"%s\">%s</text>\n",
            x, y, size, anchor, escaped(p->arena, text));
    double width = 0.61 * size * (double)strlen(text);
    grow(p, *anchor == 's' ? x + width : x + (*anchor == 'm' ? width / 2 : 0), y + 4);
}

int picture_lines(Picture *p, int x, int y, const TextList *lines)
{
    for (int i = 0; i < lines->count; i++)
        picture_text(p, x, y + 16 * i, 12, "start", lines->items[i]);
    return y + 16 * lines->count;
}

const char *picture_color(int n, bool light)
{
    static const char *const color[8][2] = {{"#9ecbff", "#cfe5ff"}, {"#ffd08a", "#ffe7c4"},
                                            {"#aee0a0", "#d7f0d0"}, {"#f5aeb0", "#fad7d8"},
                                            {"#cdb4f0", "#e6daf8"}, {"#e0cba8", "#f0e5d4"},
                                            {"#f6bfe2", "#fbdff1"}, {"#b9c4cf", "#dce2e7"}};
    return color[n & 7][light];
}

static const char *color_of(const Holder *h)
{
    return !h->count || h->empty ? "#ffffff" : picture_color(h->warp, h->lane & 1);
}

/* ---- the whole tile, a box a thread ---- */

enum { LEFT = 70, WHOLE_WIDTH = 1024, WHOLE_ROWS = 64, CELL_WIDTH = 36, CELL_HEIGHT = 27 };

static bool same_thread(const Holder *a, const Holder *b)
{
    return !a->count == !b->count && a->empty == b->empty && a->warp == b->warp &&
           a->lane == b->lane;
}

static const Holder *holder_at(const Grid *g, int64_t row, int64_t column)
{
    return &g->holders[row * g->columns + column];
}

/* One row's runs of elements of one thread. */
static void whole_row(Picture *p, const Grid *g, int64_t row, double y, double scale, double height)
{
    for (int64_t from = 0, to; from < g->columns; from = to) {
        const Holder *h = holder_at(g, row, from);
        to = from + 1;
        while (to < g->columns && same_thread(h, holder_at(g, row, to)))
            to++;
        double x = LEFT + (double)from * scale, width = (double)(to - from) * scale;
        bool same = row && same_thread(h, holder_at(g, row - 1, from));
        picture_rect(p, x, y, width, height, color_of(h), "none");
        fprintf(p->body,
                "<path d=\"M%.4g %.6gv%.4g%s\" stroke=\"#555555\" stroke-width=\"0.5\" "
                "fill=\"none\"/>\n",
                x, y, height, same ? "" : arena_format(p->arena, "m0 %.4gh%.4g", -height, width));
        char *label = arena_format(p->arena, "%d", h->lane);
        if (h->count && !h->empty && !same && width > 7 * (double)strlen(label) && height >= 10)
            picture_text(p, x + width / 2, y + height - 2, 9, "middle", label);
    }
}

static int whole_tile(Picture *p, const Grid *g, int y)
{
    double scale = (double)WHOLE_WIDTH / (double)g->columns, height = 11;
    scale = scale > CELL_WIDTH ? CELL_WIDTH : scale;
    int64_t rows = g->rows < WHOLE_ROWS ? g->rows : WHOLE_ROWS;
    picture_text(p, LEFT, y + 12, 12, "start",
                 arena_format(p->arena,
                              "by thread: color of the warp, number of the lane; %lld "
                              "of %lld rows",
                              (long long)rows, (long long)g->rows));
    y += 20;
    for (int64_t row = 0; row < rows; row++) {
        whole_row(p, g, row, y + (double)row * height, scale, height);
        picture_text(p, LEFT - 6, y + (double)(row + 1) * height - 2, 9, "end",
                     grid_row(p->arena, g, row));
    }
    picture_rect(p, LEFT, y, (double)g->columns * scale, (double)rows * height, "none", "#555555");
    return y + (int)(height * (double)rows) + 16;
}

/* ---- the first elements, each in a cell ---- */

enum { MOST_COLUMNS = 32, MOST_ROWS = 16 };

static void cell(Picture *p, const Holder *h, double x, double y)
{
    if (!h->count)
        return;
    picture_rect(p, x, y, CELL_WIDTH, CELL_HEIGHT, color_of(h), h->empty ? "#cccccc" : "#777777");
    if (h->empty)
        return;
    picture_text(p, x + CELL_WIDTH / 2.0, y + 12, 11, "middle",
                 arena_format(p->arena, "%d", h->lane));
    picture_text(p, x + CELL_WIDTH / 2.0, y + 23, 9, "middle",
                 arena_format(p->arena, "r%d", h->reg));
}

static int first_cells(Picture *p, const Grid *g, int y)
{
    int64_t rows = g->rows < MOST_ROWS ? g->rows : MOST_ROWS;
    int64_t columns = g->columns < MOST_COLUMNS ? g->columns : MOST_COLUMNS;
    picture_text(p, LEFT, y + 12, 12, "start",
                 rows == g->rows && columns == g->columns
                     ? "by element: lane, register"
                     : arena_format(p->arena,
                                    "by element: lane, register; the first %lld x %lld of %lld x "
                                    "%lld",
                                    (long long)rows, (long long)columns, (long long)g->rows,
                                    (long long)g->columns));
    y += 32;
    for (int64_t column = 0; column < columns && !g->cut; column++)
        picture_text(p, LEFT + CELL_WIDTH * ((double)column + 0.5), y - 3, 9, "middle",
                     arena_format(p->arena, "%lld", (long long)column));
    for (int64_t row = 0; row < rows; row++) {
        picture_text(p, LEFT - 6, y + (double)row * CELL_HEIGHT + 17, 9, "end",
                     grid_row(p->arena, g, row));
        for (int64_t column = 0; column < columns; column++)
            cell(p, holder_at(g, row, column), LEFT + (double)column * CELL_WIDTH,
                 y + (double)row * CELL_HEIGHT);
    }
    return y + (int)rows * CELL_HEIGHT + 16;
}

static void legend(Picture *p, int warps, int y)
{
    for (int i = 0; i < warps && i < 8; i++) {
        picture_rect(p, LEFT + i * 76, y, 12, 12, picture_color(i, false), "#777777");
        picture_text(p, LEFT + i * 76 + 16, y + 10, 11, "start",
                     arena_format(p->arena, "warp %d%s", i, warps > 8 ? ", .." : ""));
    }
}

void picture_tile(Picture *p, const Subject *s, const TextList *words)
{
    Grid g = grid_of(p->arena, &s->type, &s->layout);
    int y = p->height + 24;
    picture_text(p, 16, y, 15, "start", subject_title(p->arena, s));
    y = picture_lines(p, 16, y + 22, words) + 4;
    legend(p, g.warps, y);
    y += 24;
    if (g.rows > MOST_ROWS || g.columns > MOST_COLUMNS)
        y = whole_tile(p, &g, y);
    y = first_cells(p, &g, y);
    grow(p, 0, y);
}
