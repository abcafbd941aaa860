/* Who is of which class: what histogram and occurrence of a tile share.
 *
 * With at most 32 classes a lane stands for a class: votes over the bits of the elements tell it in
 * which lanes its members are. With more, lanes of one class find each other (match) and count in
 * a table of their warp. Counts of several warps meet in shared memory. */
#include "compiler/cuda_order.h"

enum { MOST_VOTED = 32, MOST_TABLE = 48 << 10 };

bool census_fits(ThreadUnit u, int64_t classes)
{
    return u.lanes == 32 && classes > 0 &&
           (classes <= MOST_VOTED || classes * (u.warps + 1) * 4 <= MOST_TABLE);
}

bool census_layout(const Type *t, ThreadUnit u, Layout *l)
{
    int64_t n = t->dims[0], regs = (n + 32 * u.warps - 1) / (32 * u.warps);
    int mask = regs * 32 * u.warps > n ? 0 : -1;
    *l = (Layout){.masks = mask + 1, .limit = {(int32_t)n}};
    if (regs > 16)
        return false;
    layout_add_masked(l, OWN_REG, 0, regs, 32, mask, 32);
    layout_add_masked(l, OWN_LANE, 0, 32, 1, mask, 1);
    layout_add_masked(l, OWN_WARP, 0, u.warps, 32 * regs, mask, (int32_t)(32 * regs));
    return true;
}

/* Few classes: the lanes hold them again and again, or other rows. Many: warps share them. */
bool class_layout(int64_t classes, int64_t rows, ThreadUnit u, Layout *l)
{
    int64_t groups = (classes + 31) / 32, lanes = 32, sharing = 1;
    int fast = rows ? 1 : 0;
    while (classes <= lanes / 2)
        lanes /= 2;
    while (groups % (2 * sharing) == 0 && u.warps % (2 * sharing) == 0)
        sharing *= 2;
    int mask = lanes * groups > classes ? 0 : -1;
    *l = (Layout){.masks = mask + 1, .limit = {(int32_t)classes}};
    layout_add_masked(l, OWN_REG, fast, groups / sharing, 32 * sharing, mask,
                      (int32_t)(32 * sharing));
    layout_add_masked(l, OWN_LANE, fast, lanes, 1, mask, 1);
    layout_add_masked(l, OWN_WARP, fast, sharing, 32, mask, 32);
    int64_t again = rows ? 32 / lanes : 1, warps = u.warps / sharing;
    while (again > 1 && rows % (again * warps))
        again /= 2;
    if (rows) {
        layout_add(l, OWN_LANE, 0, again, 1);
        layout_add(l, OWN_WARP, 0, warps, again);
        layout_add(l, OWN_REG, 0, rows / (again * warps), again * warps);
    }
    layout_add(l, OWN_LANE, -1, 32 / (lanes * again), 0);
    layout_add(l, OWN_WARP, -1, rows ? 1 : warps, 0);
    return u.lanes == 32 && rows % (again * warps) == 0 && layout_span(l, OWN_REG) <= 64;
}

static bool is_open(const Cuda *c, const Statement *block)
{
    for (const Statement *b = c->out.block; b; b = b->parent)
        if (b == block)
            return true;
    return false;
}

static Census *taken_before(const Cuda *c, const Value *x, const Layout *l, int64_t classes)
{
    for (int i = 0; i < c->censuses.count; i++) {
        Census *k = &c->censuses.items[i];
        if (k->value == x && k->classes == classes && is_open(c, k->block) &&
            (!l || (k->earlier && layout_equal(l, &k->held.layout))))
            return k;
    }
    return NULL;
}

char *counts_text(Cuda *c, const Held *h, int64_t classes)
{
    DType t = h->type.dtype;
    char *when = both(c, one_holder(c, &h->layout), holds_text(c, &h->layout, "r"));
    if (dtype_is_signed(t))
        when = both(c, when, format_text(c, "%s[r] >= 0", h->name));
    return both(c, when, format_text(c, "%s[r] < %lld", h->name, (long long)classes));
}

static void vote(Cuda *c, Census *k)
{
    const Held *h = &k->held;
    long long n = layout_span(&h->layout, OWN_REG);
    const char *members = new_temp(c, "members"), *own = new_temp(c, "own");
    int bits = 0;
    while (k->classes > (int64_t)1 << bits)
        bits++;
    line(c, "uint32_t %s[%lld];", members, n);
    line(c, "TILE_EACH(r, %lld) %s[r] = tile_members((int)%s[r], %s, %d);", n, members, h->name,
         counts_text(c, h, k->classes), bits);
    line(c, "int32_t %s[1] = {0};", own);
    if (k->earlier) {
        k->before = new_temp(c, "before");
        line(c, "int32_t %s[%lld], %s[%lld];", k->earlier, n, k->before, n);
        open_block(c, STATEMENT_BLOCK, "TILE_EACH(r, %lld)", n);
        line(c, "const uint32_t mine = tile_shuffle_u32(%s[r], (int)%s[r] & 31);", members,
             h->name);
        line(c, "%s[r] = tile_popc_u32(mine & tile_lanes_below());", k->earlier);
        line(c, "%s[r] = %s[0];", k->before, own);
        line(c, "%s[0] += tile_popc_u32(%s[r]);", own, members);
        close_block(c);
    } else {
        line(c, "TILE_EACH(r, %lld) %s[0] += tile_popc_u32(%s[r]);", n, own, members);
    }
    k->count = own;
}

/* The warps' counts of a lane's class, added up: all, and those of the warps before. */
static void join_votes(Cuda *c, Census *k)
{
    int warps = c->plan->unit.warps;
    const char *all = new_temp(c, "all");
    Buffer *b = statement_buffer(&c->out, new_temp(c, "votes"), "int32_t", (size_t)warps * 128);
    buffer_write(c, b);
    line(c, "tile_shared_store_i32(%s + warp * 32 + lane, %s[0]);", b->name, k->count);
    line(c, "int32_t %s[1] = {0};", all);
    const char *others = new_temp(c, "others");
    if (k->earlier)
        line(c, "int32_t %s = 0;", others);
    const char *self = new_temp(c, "self");
    if (k->earlier)
        line(c, "const int %s = tile_apart_i32(warp);", self);
    buffer_read(c, b);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(w, %d)", warps);
    line(c, "const int32_t votes_of = tile_shared_load_i32(%s + w * 32 + lane);", b->name);
    line(c, "%s[0] += votes_of;", all);
    if (k->earlier)
        line(c, "%s += w < %s ? votes_of : 0;", others, self);
    close_block(c);
    if (k->earlier)
        line(c, "TILE_EACH(r, %lld) %s[r] += %s;", (long long)layout_span(&k->held.layout, OWN_REG),
             k->before, others);
    k->count = all;
}

/* A row of counters a warp, and one of all. */
static void count_in_tables(Cuda *c, Census *k)
{
    const Held *h = &k->held;
    long long n = layout_span(&h->layout, OWN_REG), classes = k->classes;
    int warps = c->plan->unit.warps;
    k->table = statement_buffer(&c->out, new_temp(c, "counters"), "int32_t",
                                (size_t)(classes * (warps + 1) * 4));
    const char *table = k->table->name;
    line(c, "int32_t %s[%lld];", k->earlier, n);
    buffer_write(c, k->table);
    open_block(c, STATEMENT_BLOCK, "%s", "");
    line(c, "int32_t *const own = %s + warp * %lld;", table, classes);
    line(c, "TILE_EACH(i, %lld) %stile_shared_store_i32(own + i * 32 + lane, 0);",
         (classes + 31) / 32,
         classes % 32 ? format_text(c, "if (i * 32 + lane < %lld) ", classes) : "");
    line(c, "tile_sync_warp();");
    line(c, "uint32_t peers[%lld];", n);
    line(c, "TILE_EACH(r, %lld) peers[r] = tile_match_u32(%s ? (uint32_t)%s[r] : ~0u);", n,
         counts_text(c, h, classes), h->name);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(r, %lld)", n);
    line(c, "const bool counts = %s;", counts_text(c, h, classes));
    line(c, "const uint32_t below = peers[r] & tile_lanes_below();");
    line(c, "const int32_t seen = counts ? tile_shared_load_i32(own + %s[r]) : 0;", h->name);
    line(c, "%s[r] = seen + tile_popc_u32(below);", k->earlier);
    line(c, "tile_sync_warp();");
    line(c, "if (counts && !below)");
    line(c, "    tile_shared_store_i32(own + %s[r], seen + tile_popc_u32(peers[r]));", h->name);
    line(c, "tile_sync_warp();");
    close_block(c);
    close_block(c);
    buffer_write(c, k->table);
    open_block(c, STATEMENT_BLOCK, "for (int i = warp * 32 + lane; i < %lld; i += %d)", classes,
               warps * 32);
    line(c, "int32_t run = 0;");
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(w, %d)", warps);
    line(c, "int32_t *const place = %s + w * %lld + i;", table, classes);
    line(c, "const int32_t own = tile_shared_load_i32(place);");
    line(c, "tile_shared_store_i32(place, run);");
    line(c, "run += own;");
    close_block(c);
    line(c, "tile_shared_store_i32(%s + %lld + i, run);", table, classes * warps);
    close_block(c);
    if (warps == 1)
        return;
    buffer_read(c, k->table);
    line(c, "TILE_EACH(r, %lld) if (%s) %s[r] += tile_shared_load_i32(%s + warp * %lld + %s[r]);",
         n, counts_text(c, h, classes), k->earlier, table, classes, h->name);
}

Census *take_census(Cuda *c, const Value *x, const Layout *order, int64_t classes)
{
    Census *before = taken_before(c, x, order, classes);
    if (before)
        return before;
    Census k = {.value = x, .classes = classes, .block = c->out.block};
    if (!hold(c, x, order, &k.held))
        return NULL;
    bool votes = classes <= MOST_VOTED;
    if (order || !votes)
        k.earlier = new_temp(c, "earlier");
    if (votes) {
        vote(c, &k);
        if (c->plan->unit.warps > 1)
            join_votes(c, &k);
        if (k.earlier)
            line(c, "TILE_EACH(r, %lld) %s[r] += tile_shuffle_i32(%s[r], (int)%s[r] & 31);",
                 (long long)layout_span(&k.held.layout, OWN_REG), k.earlier, k.before, k.held.name);
    } else {
        count_in_tables(c, &k);
    }
    PUSH(c->arena, &c->censuses, k);
    return &c->censuses.items[c->censuses.count - 1];
}

const Census *census_of(Cuda *c, const Value *x, int64_t classes)
{
    return classes <= MOST_VOTED ? take_census(c, x, NULL, classes)
                                 : taken_before(c, x, NULL, classes);
}

bool census_counts(Cuda *c, const Census *k, const Value *r)
{
    Layout l;
    if (!k->table) {
        class_layout(k->classes, 0, c->plan->unit, &l);
        give_result(c, r, k->count, &l);
        return true;
    }
    Held bins = {.type = r->type, .layout = *layout_of(c, r)};
    const char *name = new_name(c, r, "counts");
    line(c, "int32_t %s[%lld];", name, (long long)layout_span(&bins.layout, OWN_REG));
    char *when = holds_text(c, &bins.layout, "r");
    buffer_read(c, k->table);
    line(c, "TILE_EACH(r, %lld) %s%s%s%s[r] = tile_shared_load_i32(%s + %lld + (%s));",
         (long long)layout_span(&bins.layout, OWN_REG), *when ? "if (" : "", when,
         *when ? ") " : "", name, k->table->name, (long long)(k->classes * c->plan->unit.warps),
         coordinate(c, &bins.layout, 0, "r"));
    give_result(c, r, name, &bins.layout);
    return true;
}
