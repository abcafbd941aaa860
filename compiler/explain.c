/* What `tilec layout` says of a tile: its modes, its accesses, its conversions. */
#include <string.h>

#include "compiler/picture.h"

static void say(Arena *a, TextList *lines, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(Arena *a, TextList *lines, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vformat(a, format, args);
    va_end(args);
    PUSH(a, lines, text);
}

static const char *const way_text[] = {
    [MOVE_LOAD] = "load from",       [MOVE_STORE] = "store to",
    [MOVE_ATOMIC] = "atomic add to", [MOVE_REGISTERS] = "within every thread",
    [MOVE_SHUFFLES] = "by shuffles", [MOVE_SHARED] = "through shared memory",
};

char *subject_title(Arena *a, const Subject *s)
{
    const char *kind = s->access ? way_text[s->access->way] : "value";
    return arena_format(a, "%s %s, line %d: %s", kind, s->name, s->line, type_text(a, &s->type));
}

/* Through operations that keep every element where it is. */
static const Value *origin(const Value *v)
{
    while (v->op &&
           (v->op->code == OP_CAST || v->op->code == OP_RESHAPE || v->op->code == OP_TRANS))
        v = v->op->args[0];
    return v;
}

bool same_elements(const Value *a, const Value *b)
{
    return origin(a) == origin(b);
}

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- modes ---- */

static void explain_modes(Arena *a, TextList *out, const Layout *l)
{
    say(a, out, "%s", layout_text(a, l));
    for (int owner = 0; owner < OWNERS; owner++)
        for (int i = 0; i < l->count; i++) {
            const Mode *m = &l->mode[i];
            if (m->owner != owner)
                continue;
            char *step = m->dim < 0
                             ? arena_format(a, "the same elements in each")
                             : arena_format(a, "a step is %d along axis %d", m->stride, m->dim);
            say(a, out, "  %-4s x %-4d %s%s", owner_name[owner], m->extent, step,
                m->mask >= 0 ? arena_format(a, ", nothing from %d on", l->limit[m->mask]) : "");
        }
}

static void explain_holders(Arena *a, TextList *out, const Subject *s)
{
    const Layout *l = &s->layout;
    int64_t regs = layout_span(l, OWN_REG), threads = layout_span(l, OWN_LANE);
    threads *= layout_span(l, OWN_WARP);
    int64_t copies = layout_along(l, OWN_LANE, -1) * layout_along(l, OWN_WARP, -1), empty = 0;
    for (int64_t w = 0; w < layout_span(l, OWN_WARP) && layout_is_masked(l); w++)
        for (int64_t lane = 0; lane < layout_span(l, OWN_LANE); lane++)
            for (int64_t r = 0; r < regs; r++)
                empty += !layout_holds(l, r, lane, w);
    say(a, out, "%lld register%s a thread, %d lane%s, %d warp%s", (long long)regs, plural(regs),
        s->unit.lanes, plural(s->unit.lanes), s->unit.warps, plural(s->unit.warps));
    if (copies > 1)
        say(a, out, "every element is in %lld threads", (long long)copies);
    if (empty)
        say(a, out, "%lld of %lld places hold nothing", (long long)empty,
            (long long)(regs * threads));
}

/* ---- accesses ---- */

static void explain_access(Arena *a, TextList *out, const Movement *m)
{
    int bits = dtype_info[m->type.dtype].bits;
    const Vectors *v = &m->vectors;
    say(a, out, "%s %s, line %d: %lld access%s a lane, %g byte%s each (%lld %s)", way_text[m->way],
        m->tensor, m->line, (long long)v->count, v->count == 1 ? "" : "es",
        (double)(v->n * bits) / 8, plural(v->n * bits / 8), (long long)v->n,
        dtype_info[m->type.dtype].name);
    if (m->shared) {
        say(a, out, "  in shared memory");
        return;
    }
    int64_t sectors = 0, bytes = 0, least = 0;
    for (int64_t o = 0; o < v->count; o++) {
        int64_t moved;
        sectors += movement_sectors(m, o, &moved);
        bytes += moved;
        least += (moved + 31) / 32;
    }
    say(a, out, "  a warp's access moves %lld bytes, touches %.4g sectors of 32 bytes (least %.4g)",
        (long long)(bytes / v->count), (double)sectors / (double)v->count,
        (double)least / (double)v->count);
}

TextList explain_subject(Arena *a, const Movements *all, const Subject *s)
{
    TextList out = {0};
    explain_modes(a, &out, &s->layout);
    explain_holders(a, &out, s);
    for (int i = 0; i < all->count; i++) {
        const Movement *m = &all->items[i];
        bool access = m->way == MOVE_LOAD || m->way == MOVE_STORE || m->way == MOVE_ATOMIC;
        if (s->access ? m == s->access : access && same_elements(m->value, s->value))
            explain_access(a, &out, m);
        if (!access && (m->value == s->value || (s->access && same_elements(m->value, s->value))))
            say(a, &out, "line %d wants it as %s: %s", m->line, layout_text(a, &m->to),
                way_text[m->way]);
    }
    return out;
}

/* ---- shared memory ---- */

static void explain_side(Arena *a, TextList *out, const char *side, const SharedPlace *p,
                         const Layout *l, const Vectors *v)
{
    int64_t bytes = v->n * dtype_info[p->type.dtype].size, phases = 32 / phase_lanes(bytes);
    int64_t extra = bank_conflicts(p, l, v);
    char *verdict = extra ? arena_format(a, "bank conflicts: %lld turns for %lld phases",
                                         (long long)(v->count * phases + extra),
                                         (long long)(v->count * phases))
                          : arena_format(a, "no bank conflicts");
    say(a, out, "%s: %lld access%s a lane of %lld byte%s, %lld phase%s each; %s", side,
        (long long)v->count, v->count == 1 ? "" : "es", (long long)bytes, plural(bytes),
        (long long)phases, plural(phases), verdict);
}

TextList explain_shared(Arena *a, const Movement *m)
{
    TextList out = {0};
    Vectors put, get;
    SharedPlace p = find_shared_place(&m->type, &m->from, &m->to, &put, &get);
    int size = dtype_info[m->type.dtype].size;
    say(a, &out, "%lld bytes: lines along axis %d, %lld chunks of %lld bytes each",
        (long long)type_elements(&m->type) * size, p.fast, (long long)p.chunks,
        (long long)p.chunk * size);
    if (p.mask)
        say(a, &out, "swizzle: chunk k of line n is at k ^ (n >> %d & %lld)", p.shift,
            (long long)p.mask);
    else
        say(a, &out, "no swizzle");
    say(a, &out, "from %s", layout_text(a, &m->from));
    explain_side(a, &out, "written", &p, &m->from, &put);
    say(a, &out, "to   %s", layout_text(a, &m->to));
    explain_side(a, &out, "read", &p, &m->to, &get);
    return out;
}
