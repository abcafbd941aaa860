/* Pictures of a tile in shared memory between two layouts: chunks, banks, who touches which word.
 */
#include <string.h>

#include "compiler/picture.h"

enum { LEFT = 70, WORD_WIDTH = 30, ROW_HEIGHT = 18, ROW_BYTES = 128, MOST_ROWS = 16 };

static double byte_x(int64_t byte)
{
    return LEFT + (double)(byte % ROW_BYTES) * WORD_WIDTH / 4;
}

static void bank_numbers(Picture *p, int y)
{
    picture_text(p, LEFT - 6, y - 3, 9, "end", "bank");
    for (int i = 0; i < 32; i++)
        picture_text(p, LEFT + WORD_WIDTH * (i + 0.5), y - 3, 9, "middle",
                     arena_format(p->arena, "%d", i));
}

/* "3, 8..15": the line's other indices, the elements along the fast axis. */
static char *chunk_text(Arena *a, const SharedPlace *place, int64_t line, int64_t chunk)
{
    char *text = arena_format(a, "%s", "");
    for (int d = place->type.rank - 1; d >= 0; d--) {
        char *part;
        if (d == place->fast) {
            int64_t first = chunk * place->chunk, last = first + place->chunk - 1;
            part = first == last ? arena_format(a, "%lld", (long long)first)
                                 : arena_format(a, "%lld..%lld", (long long)first, (long long)last);
        } else {
            part = arena_format(a, "%lld", (long long)(line % place->type.dims[d]));
            line /= place->type.dims[d];
        }
        text = arena_format(a, "%s%s%s", part, *text ? ", " : "", text);
    }
    return text;
}

/* Where every chunk lies: the first rows of memory. */
static int draw_chunks(Picture *p, const SharedPlace *place, int y)
{
    int64_t size = place->chunk * dtype_info[place->type.dtype].size;
    int64_t lines = type_elements(&place->type) / (place->chunk * place->chunks);
    int64_t all = lines * place->chunks * size, shown = all;
    if (shown > MOST_ROWS * ROW_BYTES)
        shown = MOST_ROWS * ROW_BYTES;
    picture_text(p, LEFT, y + 12, 12, "start",
                 arena_format(p->arena,
                              "in memory, 128 bytes a row: which elements; %lld of %lld "
                              "bytes",
                              (long long)shown, (long long)all));
    y += 34;
    bank_numbers(p, y);
    for (int64_t at = 0; at < shown; at += size) {
        int64_t line = at / (place->chunks * size), slot = at / size % place->chunks;
        int64_t chunk = slot ^ (line >> place->shift & place->mask);
        double x = byte_x(at), top = y + (double)(at / ROW_BYTES) * ROW_HEIGHT;
        double width = (double)size * WORD_WIDTH / 4;
        char *text = chunk_text(p->arena, place, line, chunk);
        picture_rect(p, x, top, width, ROW_HEIGHT, picture_color((int)chunk, chunk & 8), "#777777");
        if (0.61 * 9 * (double)strlen(text) < width)
            picture_text(p, x + width / 2, top + 13, 9, "middle", text);
    }
    return y + (int)((shown + ROW_BYTES - 1) / ROW_BYTES) * ROW_HEIGHT + 16;
}

/* The access of a warp that takes the most turns. */
static int64_t worst_access(const SharedPlace *p, const Layout *l, const Vectors *v, int *turns)
{
    int64_t worst = 0, lanes = phase_lanes(v->n * dtype_info[p->type.dtype].size);
    *turns = 0;
    for (int64_t o = 0; o < v->count; o++) {
        int n = 0;
        for (int64_t first = 0; first < 32; first += lanes)
            n += phase_turns(p, l, v, o, first);
        if (n > *turns) {
            *turns = n;
            worst = o;
        }
    }
    return worst;
}

/* Rows of memory that the access touches, in order. */
static int touched_rows(const SharedPlace *p, const Layout *l, int64_t reg, int64_t bytes,
                        int64_t *rows)
{
    int n = 0;
    for (int64_t lane = 0; lane < 32 && lane < layout_span(l, OWN_LANE); lane++)
        for (int64_t b = 0; b < bytes && layout_holds(l, reg, lane, 0); b += 4) {
            int64_t row = (shared_byte(p, l, reg, lane, 0) + b) / ROW_BYTES;
            int k = 0;
            while (k < n && rows[k] < row)
                k++;
            if (k < n && rows[k] == row)
                continue;
            memmove(&rows[k + 1], &rows[k], (size_t)(n++ - k) * sizeof *rows);
            rows[k] = row;
        }
    return n;
}

static int row_of(const int64_t *rows, int n, int64_t row)
{
    int k = 0;
    while (k < n && rows[k] != row)
        k++;
    return k;
}

static void draw_lane(Picture *p, double x, double y, double width, int64_t lane, int64_t phase)
{
    char *text = arena_format(p->arena, "%lld", (long long)lane);
    picture_rect(p, x, y, width, ROW_HEIGHT, picture_color((int)phase, false), "#777777");
    if (0.61 * 9 * (double)strlen(text) < width)
        picture_text(p, x + width / 2, y + 13, 9, "middle", text);
}

/* One side: the words that warp 0 touches in its worst access. */
static int draw_side(Picture *p, const char *side, const SharedPlace *place, const Layout *l,
                     const Vectors *v, int y)
{
    int64_t rows[32 * 8], bytes = v->n * dtype_info[place->type.dtype].size;
    int64_t lanes = phase_lanes(bytes);
    int turns;
    int64_t o = worst_access(place, l, v, &turns), reg = vector_first(l, v, o);
    int n = touched_rows(place, l, reg, bytes, rows);
    int shown = n < MOST_ROWS ? n : MOST_ROWS;
    picture_text(p, LEFT, y + 12, 12, "start",
                 arena_format(p->arena,
                              "%s by lane: access %lld of %lld of warp 0, a color a phase; %d "
                              "turn%s for %lld phase%s; %d of %d rows",
                              side, (long long)o + 1, (long long)v->count, turns,
                              turns == 1 ? "" : "s", (long long)(32 / lanes),
                              lanes == 32 ? "" : "s", shown, n));
    y += 34;
    bank_numbers(p, y);
    for (int k = 0; k < shown; k++) {
        picture_text(p, LEFT - 6, y + k * ROW_HEIGHT + 13, 9, "end",
                     arena_format(p->arena, "%lld", (long long)rows[k] * ROW_BYTES));
        picture_rect(p, LEFT, y + k * ROW_HEIGHT, 32 * WORD_WIDTH, ROW_HEIGHT, "#ffffff",
                     "#dddddd");
    }
    for (int64_t lane = 0; lane < 32 && lane < layout_span(l, OWN_LANE); lane++) {
        if (!layout_holds(l, reg, lane, 0))
            continue;
        int64_t at = shared_byte(place, l, reg, lane, 0);
        int k = row_of(rows, shown, at / ROW_BYTES);
        if (k < shown)
            draw_lane(p, byte_x(at), y + k * ROW_HEIGHT, (double)bytes * WORD_WIDTH / 4, lane,
                      lane / lanes);
    }
    return y + shown * ROW_HEIGHT + 16;
}

void picture_shared(Picture *p, const Movement *m, const TextList *words)
{
    Vectors put, get;
    SharedPlace place = find_shared_place(&m->type, &m->from, &m->to, &put, &get);
    int y = p->height + 16;
    picture_text(p, 16, y, 14, "start",
                 arena_format(p->arena, "through shared memory, line %d: %s", m->line,
                              type_text(p->arena, &m->type)));
    y = picture_lines(p, 16, y + 22, words);
    y = draw_chunks(p, &place, y);
    y = draw_side(p, "written", &place, &m->from, &put, y);
    y = draw_side(p, "read", &place, &m->to, &get, y);
    if (y > p->height)
        p->height = y;
}
