/* The one message of a run: what, where, who, and how to see it again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/internal.h"

static const char *const fault_names[] = {
#define FAULT_NAME(code, name) [TILE_FAULT_##code] = name,
    TILE_FAULT_TABLE(FAULT_NAME)
#undef FAULT_NAME
};

static const char *const policy_names[] = {
#define POLICY_NAME(policy, name) [TILE_POLICY_##policy] = name,
    TILE_POLICY_TABLE(POLICY_NAME)
#undef POLICY_NAME
};

const char *tile_fault_name(tile_fault fault)
{
    return fault_names[fault];
}

/* ---- text ---- */

static void text_add_list(Text *t, const char *format, va_list list)
{
    va_list again;
    va_copy(again, list);
    int n = vsnprintf(NULL, 0, format, list);
    if (n > 0 && t->length + (size_t)n + 1 > t->capacity) {
        t->capacity = 2 * (t->length + (size_t)n + 1);
        t->bytes = realloc(t->bytes, t->capacity);
        if (!t->bytes)
            abort();
    }
    if (n > 0) {
        vsnprintf(t->bytes + t->length, (size_t)n + 1, format, again);
        t->length += (size_t)n;
    }
    va_end(again);
}

void text_add(Text *t, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    text_add_list(t, format, list);
    va_end(list);
}

/* One of a few buffers in turn, for the pieces of a message. */
__attribute__((noinline)) static char *piece(void)
{
    static _Thread_local char ring[8][256];
    static _Thread_local unsigned next;
    return ring[next++ % 8];
}
enum { PIECE = 256 };

/* ---- places ---- */

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The innermost line that is not in a function of ours, from `addr2line -i -f`, which prints a line
 * with the function's name and one with its place for each. A function that a macro of ours has
 * made is at the macro's line; that is what remains where it is called through a pointer. */
static void parse_lines(FILE *pipe, char *text)
{
    char name[1024], line[1024];
    bool found = false;
    while (fgets(name, sizeof name, pipe) && fgets(line, sizeof line, pipe)) {
        line[strcspn(line, "\n ")] = 0;
        bool header = strstr(line, "runtime/machine/") || strstr(line, "runtime/device/");
        if (found || header || line[0] == '?')
            continue;
        snprintf(text, PIECE, "%.200s", file_name(line));
        found = strncmp(name, "tile_", 5) != 0;
    }
}

static const char *code_text(const Machine *m, uint32_t offset)
{
    char *text = piece();
    char command[1200];
    snprintf(text, PIECE, "%s+0x%x", m->kernel->name, offset);
    snprintf(command, sizeof command, "addr2line -i -f -e '%s' 0x%x 2>/dev/null", m->code->path,
             offset - 1);
    FILE *pipe = popen(command, "r");
    if (pipe) {
        parse_lines(pipe, text);
        pclose(pipe);
    }
    return text;
}

const char *where_text(Machine *m, Place place)
{
    if (place & PLACE_CODE)
        return code_text(m, place & ~(uint32_t)PLACE_CODE);
    char *text = piece();
    if (!place)
        snprintf(text, PIECE, "%s", m->kernel ? m->kernel->name : "the host");
    else if (m->source)
        snprintf(text, PIECE, "%s:%u", file_name(m->source), place);
    else
        snprintf(text, PIECE, "line %u", place);
    return text;
}

/* One line of the source may be several places of the code. */
bool same_place(Machine *m, Place a, Place b)
{
    if (a == b)
        return true;
    return a & b & PLACE_CODE && strcmp(where_text(m, a), where_text(m, b)) == 0;
}

const char *thread_text(const Thread *t)
{
    char *text = piece();
    snprintf(text, PIECE, "block %lld, warp %d, thread %d", (long long)t->block->index,
             t->index / WARP_SIZE, t->index);
    return text;
}

static const Block *block_of(const Machine *m, uint32_t number)
{
    for (int i = 0; i < m->clusters; i++)
        for (int k = 0; k < m->cluster[i]->blocks; k++)
            if (m->cluster[i]->block[k]->number == number)
                return m->cluster[i]->block[k];
    return NULL;
}

/* What left the record: a thread or an asynchronous operation. */
static const char *agent_text(const Machine *m, const Record *r)
{
    uint32_t lane = (uint32_t)__builtin_ctz(r->lanes), agent = r->group * 32u + lane;
    char *text = piece();
    if (r->block < m->first_block) {
        snprintf(text, PIECE, "an earlier kernel");
        return text;
    }
    long long index = (long long)m->block_index[r->block - m->first_block];
    const Block *b = block_of(m, r->block);
    if (agent < (m->config.block[0] + 31) / 32 * 32) {
        snprintf(text, PIECE, "thread %u of block %lld", agent, index);
        return text;
    }
    const char *tensor = b ? tensor_text(m, b, r) : NULL;
    if (tensor) {
        snprintf(text, PIECE, "%s of block %lld", tensor, index);
        return text;
    }
    const char *kind = "an asynchronous copy";
    for (int w = 0; b && w < b->warps; w++) {
        const uint32_t base = agent - lane, *known = b->warp[w].lane_base;
        if (base == known[LANES_BULK] || base == known[LANES_BULK_READ])
            kind = "a bulk store";
        else if (base == known[LANES_COPY])
            kind = "a cp.async";
        else if (b->warp[w].wgmma && r->touch == TOUCH_ASYNC_READ)
            kind = "wgmma.mma_async or a copy";
    }
    snprintf(text, PIECE, "%s of block %lld", kind, index);
    return text;
}

const char *record_text(Machine *m, const Record *r)
{
    static const char *const verbs[] = {
        [TOUCH_READ] = "reads",          [TOUCH_WRITE] = "writes",
        [TOUCH_STRONG_READ] = "reads",   [TOUCH_STRONG_WRITE] = "updates",
        [TOUCH_CONSTANT_READ] = "reads", [TOUCH_ASYNC_READ] = "reads",
        [TOUCH_ASYNC_WRITE] = "writes",  [TOUCH_ASYNC_REDUCE] = "updates",
    };
    char *text = piece();
    const char *who = agent_text(m, r), *where = where_text(m, r->place);
    snprintf(text, PIECE, "%s %s it at %s", who, verbs[r->touch], where);
    return text;
}

const char *mbarrier_describe(Machine *m, const Mbarrier *b)
{
    char *text = piece();
    (void)m;
    snprintf(text, PIECE,
             "the mbarrier at shared+0x%x (phase %u, %d of %u arrivals pending, transaction count "
             "%d)",
             b->offset, b->phase, b->pending, b->expected, b->tx);
    return text;
}

/* ---- the end ---- */

static _Noreturn void stop(Machine *m, tile_fault code)
{
    Thread *t = m->running;
    m->fault = code;
    text_add(&m->report, "%s seed %llu (%s completion) replays",
             strchr(m->report.bytes, '\n') ? "\n " : ";", (unsigned long long)m->options.seed,
             policy_names[m->policy]);
    if (t) {
        m->running = NULL;
        fiber_switch(&t->fiber, &m->host, true);
    }
    longjmp(m->failed, 1);
}

void breach(Machine *m, tile_fault code, const Thread *t, Place place, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    text_add(&m->report, "%s: %s: ", where_text(m, place), fault_names[code]);
    if (t)
        text_add(&m->report, "%s: ", thread_text(t));
    text_add_list(&m->report, format, list);
    va_end(list);
    stop(m, code);
}

/* ---- deadlock ---- */

static const char *waiting_text(Machine *m, const Thread *t)
{
    char *text = piece();
    const char *where = where_text(m, t->place);
    if (t->state == STATE_DONE)
        snprintf(text, PIECE, "have ended");
    else if (t->state == STATE_BARRIER ||
             (t->state == STATE_TOGETHER && t->warp->what == DO_BARRIER))
        snprintf(text, PIECE, "wait in bar.sync %u at %s", t->words[0], where);
    else if (t->waits_for)
        snprintf(text, PIECE, "wait at %s for parity %u of %s", where, t->waits_parity,
                 mbarrier_describe(m, t->waits_for));
    else
        snprintf(text, PIECE, "wait in %s at %s", t->doing, where);
    return text;
}

static bool wait_alike(const Thread *a, const Thread *b)
{
    return a->state == b->state && a->waits_for == b->waits_for && a->place == b->place &&
           a->doing == b->doing && a->words[0] == b->words[0] && a->waits_parity == b->waits_parity;
}

static int next_alike(const Block *b, int i)
{
    int k = i + 1;
    while (k < b->threads && wait_alike(&b->thread[i], &b->thread[k]))
        k++;
    return k;
}

static void add_block(Machine *m, const Block *b)
{
    char text[PIECE];
    for (int i = 0, k; i < b->threads; i = k) {
        strcpy(text, waiting_text(m, &b->thread[i]));
        for (k = next_alike(b, i);
             k < b->threads && strcmp(text, waiting_text(m, &b->thread[k])) == 0;)
            k = next_alike(b, k);
        if (k - i == 1)
            text_add(&m->report, "\n  block %lld, thread %d: ", (long long)b->index, i);
        else
            text_add(&m->report, "\n  block %lld, threads %d to %d: ", (long long)b->index, i,
                     k - 1);
        text_add(&m->report, "%s", text);
    }
}

/* An mbarrier whose arrivals are complete but whose bytes do not come out even. */
static const Mbarrier *stuck_count(const Machine *m)
{
    for (int i = 0; i < m->clusters; i++)
        for (int k = 0; k < m->cluster[i]->blocks; k++)
            for (const Mbarrier *b = m->cluster[i]->block[k]->mbarriers; b; b = b->next)
                if (b->live && b->pending == 0 && b->tx != 0)
                    return b;
    return NULL;
}

void report_deadlock(Machine *m)
{
    const Mbarrier *b = stuck_count(m);
    tile_fault code = b ? TILE_FAULT_TRANSACTION : TILE_FAULT_DEADLOCK;
    if (b)
        text_add(&m->report, "%s: %s: %s never completes: its phase expects %u bytes and gets %u",
                 where_text(m, b->last_expect), fault_names[code], mbarrier_describe(m, b),
                 b->expected_bytes, b->copied);
    else
        text_add(&m->report, "%s: %s: no thread can go on", m->kernel->name, fault_names[code]);
    enum { MOST_SHOWN = 8 };
    int shown = 0;
    for (int i = 0; i < m->clusters; i++)
        for (int k = 0; k < m->cluster[i]->blocks; k++)
            if (!m->cluster[i]->block[k]->exited && shown++ < MOST_SHOWN)
                add_block(m, m->cluster[i]->block[k]);
    if (shown > MOST_SHOWN)
        text_add(&m->report, "\n  and %d blocks more", shown - MOST_SHOWN);
    stop(m, code);
}
