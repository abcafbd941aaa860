/* Which thread and register holds each element of a tile: what a picture shows. */
#include "compiler/picture.h"

/* How far the holders reach along a dim, masked ones too. */
static int64_t covered(const Layout *l, int dim)
{
    int64_t last = 0;
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].dim == dim)
            last += (int64_t)(l->mode[i].extent - 1) * l->mode[i].stride;
    return last + 1;
}

enum { LONGEST_LINE = 32 };

static void hold(Grid *g, const Type *t, const Layout *l, int64_t reg, int64_t lane, int64_t warp)
{
    int64_t at = 0;
    bool beyond = false;
    for (int d = 0, k = 0; d < t->rank; d++) {
        int64_t index = layout_index(l, d, reg, lane, warp);
        beyond |= index >= t->dims[d];
        if (k < g->rank && covered(l, d) > 1)
            at = at * g->extent[k++] + index;
    }
    Holder *h = &g->holders[at];
    bool holds = layout_holds(l, reg, lane, warp);
    if (beyond != holds && h->count++ == 0)
        *h = (Holder){(int)warp, (int)lane, (int)reg, 1, beyond};
}

Grid grid_of(Arena *arena, const Type *t, const Layout *l)
{
    Grid g = {.columns = 1, .rows = 1, .warps = (int)layout_span(l, OWN_WARP)};
    for (int d = 0; d < t->rank; d++)
        if (covered(l, d) > 1)
            g.extent[g.rank++] = covered(l, d);
    for (int k = 0; k < g.rank; k++)
        g.rows *= g.extent[k];
    if (g.rank)
        g.columns = g.extent[g.rank - 1];
    int64_t all = g.rows;
    if (g.rank == 1 && g.columns > LONGEST_LINE) {
        g.columns = LONGEST_LINE;
        g.cut = true;
    }
    g.rows = (all + g.columns - 1) / g.columns;
    g.holders = NEW_ARRAY(arena, Holder, g.rows * g.columns);
    for (int64_t warp = 0; warp < g.warps; warp++)
        for (int64_t lane = 0; lane < layout_span(l, OWN_LANE); lane++)
            for (int64_t reg = 0; reg < layout_span(l, OWN_REG); reg++)
                hold(&g, t, l, reg, lane, warp);
    return g;
}

char *grid_row(Arena *arena, const Grid *g, int64_t row)
{
    if (g->cut)
        return arena_format(arena, "%lld", (long long)(row * g->columns));
    char *text = arena_format(arena, "%s", "");
    for (int k = g->rank - 2; k >= 0; k--) {
        text = arena_format(arena, "%lld%s%s", (long long)(row % g->extent[k]), *text ? ", " : "",
                            text);
        row /= g->extent[k];
    }
    return text;
}
