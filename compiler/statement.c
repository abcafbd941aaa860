#include "compiler/statement.h"
#include "compiler/ranges.h"

#include <ctype.h>
#include <string.h>

void statements_start(Statements *s, Arena *arena)
{
    *s = (Statements){.arena = arena, .root = NEW(arena, Statement)};
    s->root->kind = STATEMENT_BLOCK;
    s->block = s->root;
}

void statement_effect(Statements *s, Effect e)
{
    PUSH(s->arena, &s->pending, e);
}

Statement *statement_add(Statements *s, StatementKind kind, const char *text)
{
    Statement *n = NEW(s->arena, Statement), *b = s->block;
    n->kind = kind;
    n->place = s->place;
    n->text = text;
    n->parent = b;
    n->prev = b->last;
    *(b->last ? &b->last->next : &b->first) = n;
    b->last = n;
    for (int i = 0; i < s->pending.count; i++)
        PUSH(s->arena, &n->effects, s->pending.items[i]);
    s->pending.count = 0;
    return n;
}

Statement *statement_add_behind(Statements *s, Statement *before, const char *text)
{
    Statement *n = NEW(s->arena, Statement), *b = before->parent;
    n->kind = STATEMENT_TEXT;
    n->text = text;
    n->parent = b;
    n->prev = before;
    n->next = before->next;
    *(n->next ? &n->next->prev : &b->last) = n;
    before->next = n;
    return n;
}

Statement *statement_open(Statements *s, StatementKind kind, const char *header)
{
    return s->block = statement_add(s, kind, header);
}

void statement_close(Statements *s)
{
    s->block = s->block->parent;
}

Statement *statement_before(Statements *s, Statement *at, const char *text)
{
    Statement *n = NEW(s->arena, Statement);
    n->text = text;
    n->parent = at->parent;
    n->prev = at->prev;
    n->next = at;
    *(at->prev ? &at->prev->next : &at->parent->first) = n;
    return at->prev = n;
}

Statement *statement_after(Statements *s, Statement *at, const char *text)
{
    if (at->next)
        return statement_before(s, at->next, text);
    Statement *n = NEW(s->arena, Statement);
    n->text = text;
    n->parent = at->parent;
    n->prev = at;
    at->parent->last = n;
    return at->next = n;
}

static Buffer *declare(Statements *s, Statement *n, const char *name, const char *type,
                       size_t bytes)
{
    Buffer *b = NEW(s->arena, Buffer);
    *b = (Buffer){.name = name, .type = type, .bytes = bytes, .align = 16, .declared = n};
    n->buffer = b;
    PUSH(s->arena, &s->buffers, b);
    return b;
}

Buffer *statement_buffer(Statements *s, const char *name, const char *type, size_t bytes)
{
    return declare(s, statement_add(s, STATEMENT_BUFFER, NULL), name, type, bytes);
}

Buffer *statement_buffer_behind(Statements *s, Statement *before, const char *name,
                                const char *type, size_t bytes)
{
    Statement *n = statement_add_behind(s, before, NULL);
    n->kind = STATEMENT_BUFFER;
    Buffer *b = declare(s, n, name, type, bytes);
    b->fixed = true;
    return b;
}

/* ---- places of buffers ---- */

static int number(Statement *block, int n)
{
    for (Statement *s = block->first; s; s = s->next) {
        s->number = n++;
        n = number(s, n);
    }
    return n;
}

/* The last statement inside of a block, itself if it is empty. */
static int last_number(const Statement *s)
{
    while (s->last)
        s = s->last;
    return s->number;
}

/* A use inside of a loop that the buffer was not declared in holds for all of the loop's rounds. */
static void extend(Buffer *b, const Statement *use)
{
    int first = use->number, last = use->number;
    for (const Statement *p = use->parent; p && p != b->declared->parent; p = p->parent)
        if (p->kind == STATEMENT_LOOP) {
            first = p->number;
            last = last_number(p);
        }
    /* Roles run beside each other: what one of them has is not another's meanwhile. */
    for (const Statement *p = use->parent; p; p = p->parent)
        if (p->kind == STATEMENT_ROLES) {
            first = p->number < first ? p->number : first;
            last = last_number(p) > last ? last_number(p) : last;
        }
    b->first = first < b->first ? first : b->first;
    b->last = last > b->last ? last : b->last;
}

static void find_uses(Statement *block)
{
    for (Statement *s = block->first; s; s = s->next) {
        for (int i = 0; i < s->effects.count; i++)
            if (s->effects.items[i].buffer)
                extend((Buffer *)s->effects.items[i].buffer, s);
        find_uses(s);
    }
}

static bool meet_in_time(const Buffer *a, const Buffer *b)
{
    return a->fixed || b->fixed || (a->first <= b->last && b->first <= a->last);
}

static bool meet_in_place(const Buffer *a, const Buffer *b)
{
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* The lowest place where the buffer meets none that is placed and in use at the same time, or whose
 * place it does not share: one of up to `apart` bytes shares none. */
static void place(Statements *s, int at, bool share, size_t apart)
{
    Buffer *b = s->buffers.items[at];
    b->offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < at; i++) {
            const Buffer *o = s->buffers.items[i];
            bool own = !share || o->bytes <= apart || b->bytes <= apart;
            if ((own || meet_in_time(o, b)) && meet_in_place(o, b)) {
                b->offset = round_up(o->offset + o->bytes, b->align);
                moved = true;
            }
        }
    }
    s->align = b->align > s->align ? b->align : s->align;
    size_t end = b->offset + b->bytes > s->shared_bytes ? b->offset + b->bytes : s->shared_bytes;
    s->shared_bytes = round_up(end, s->align);
}

static void place_buffers(Statements *s, size_t reuse, size_t apart)
{
    size_t all = 0;
    number(s->root, 1);
    for (int i = 0; i < s->buffers.count; i++) {
        Buffer *b = s->buffers.items[i];
        b->first = b->last = b->declared->number;
        all += (b->bytes + 15) / 16 * 16;
    }
    find_uses(s->root);
    for (int i = 0; i < s->buffers.count; i++)
        place(s, i, all > reuse, apart);
}

/* ---- barriers ---- */

/* What was touched since the last barrier. */
struct Touched {
    const Effect **items;
    int count, capacity;
};

typedef struct Order {
    Statements *all;
    Touched jumps; /* at `continue` of the innermost loop */
} Order;

static bool is_touched(const Touched *t, const Effect *e)
{
    for (int i = 0; i < t->count; i++)
        if (t->items[i] == e)
            return true;
    return false;
}

static void touch(Order *o, Touched *t, const Effect *e)
{
    if (!is_touched(t, e))
        PUSH(o->all->arena, t, e);
}

static void join(Order *o, Touched *t, const Touched *other)
{
    for (int i = 0; i < other->count; i++)
        touch(o, t, other->items[i]);
}

static Touched copy(Order *o, const Touched *t)
{
    Touched c = {0};
    join(o, &c, t);
    return c;
}

/* Defined once for all rounds of all loops. */
static bool is_invariant(const Value *v)
{
    for (const Region *r = v->op ? v->op->parent : v->region; r; r = r->parent->parent) {
        if (!r->parent || r->parent->code == OP_PAR)
            return true;
        if (r->parent->code == OP_FOR || r->parent->code == OP_SHARE)
            return false;
    }
    return true;
}

/* Slices that are the same or do not meet. */
static bool same_slices(const Value *a, const Value *b, int64_t extent)
{
    return (extent > 0 && is_multiple(a, extent) && is_multiple(b, extent)) ||
           (a == b && is_invariant(a));
}

/* Every element of the view goes with one thread, in both accesses: whatever scalar indices are,
 * the slices say which. */
static bool same_place(const Op *a, const Op *b)
{
    int arg = 1;
    if (!a->access || !b->access)
        return a == b;
    if (a->args[0] != b->args[0] || a->access->count != b->access->count)
        return false;
    for (int i = 0; i < a->access->count; i++) {
        AxisKind kind = a->access->axis[i].kind;
        int64_t extent = a->access->axis[i].extent;
        if (kind != b->access->axis[i].kind || kind == AX_TILE ||
            extent != b->access->axis[i].extent)
            return false;
        if (kind == AX_SLICE && !same_slices(a->args[arg], b->args[arg], extent))
            return false;
        arg += kind != AX_FULL;
    }
    return true;
}

static bool needs_barrier(const Effect *a, const Effect *b)
{
    if (!a->write && !b->write)
        return false;
    if (a->buffer || b->buffer) {
        if (!a->buffer || !b->buffer || !meet_in_place(a->buffer, b->buffer))
            return false;
    } else if (a->memory != b->memory) {
        return false;
    }
    return !(a->own && b->own && a->buffer == b->buffer && a->op && b->op &&
             same_place(a->op, b->op) && layout_equal(&a->layout, &b->layout));
}

static bool conflicts(const Touched *t, const Statement *s)
{
    for (int i = 0; i < s->effects.count; i++)
        for (int k = 0; k < t->count; k++)
            if (needs_barrier(t->items[k], &s->effects.items[i]))
                return true;
    return false;
}

static void insert_sync(Order *o, Statement *before)
{
    statement_before(o->all, before, NULL)->kind = STATEMENT_SYNC;
    o->all->syncs++;
}

static void order_block(Order *o, Statement *block, Touched *t);

/* What a round leaves behind meets the next one: until nothing new arises. */
static void order_loop(Order *o, Statement *loop, Touched *t)
{
    Touched outer = o->jumps;
    for (int before = -1; before != t->count;) {
        before = t->count;
        o->jumps = (Touched){0};
        Touched round = copy(o, t);
        order_block(o, loop, &round);
        join(o, t, &round);
        join(o, t, &o->jumps);
    }
    o->jumps = outer;
}

static bool has_effect(const Statement *block, const Effect *e)
{
    for (const Statement *s = block->first; s; s = s->next) {
        if (s->effects.count && e >= s->effects.items && e < s->effects.items + s->effects.count)
            return true;
        if (has_effect(s, e))
            return true;
    }
    return false;
}

static bool conflicts_inside(const Touched *t, const Statement *block)
{
    for (const Statement *s = block->first; s; s = s->next)
        if (conflicts(t, s) || conflicts_inside(t, s))
            return true;
    return false;
}

static void touch_inside(Order *o, Touched *t, const Statement *block)
{
    for (const Statement *s = block->first; s; s = s->next) {
        for (int i = 0; i < s->effects.count; i++)
            touch(o, t, &s->effects.items[i]);
        touch_inside(o, t, s);
    }
}

/* Roles are ordered by nothing but pipes, and what a role did in the round before by a barrier of
 * its own threads. For the others it is as if there were none: they did not meet at it. */
static void order_roles(Order *o, Statement *roles, Touched *t)
{
    bool meets = false;
    for (const Statement *role = roles->first; role; role = role->next) {
        Touched others = {0};
        for (int i = 0; i < t->count; i++)
            if (!has_effect(role, t->items[i]))
                touch(o, &others, t->items[i]);
        meets |= conflicts_inside(&others, role);
    }
    if (meets) {
        if (!roles->prev || roles->prev->kind != STATEMENT_SYNC)
            insert_sync(o, roles);
        t->count = 0;
    }
    for (Statement *role = roles->first; role; role = role->next) {
        Touched own = {0};
        for (int i = 0; role->left && i < role->left->count; i++)
            if (is_touched(t, role->left->items[i]))
                touch(o, &own, role->left->items[i]);
        order_block(o, role, &own);
        role->left = NEW(o->all->arena, Touched);
        *role->left = own;
    }
    touch_inside(o, t, roles);
}

static void order_statement(Order *o, Statement *s, Touched *t, Touched *branch)
{
    bool synced = s->prev && s->prev->kind == STATEMENT_SYNC;
    if (conflicts(t, s)) {
        if (!synced)
            insert_sync(o, s);
        t->count = 0;
    }
    for (int i = 0; i < s->effects.count; i++)
        touch(o, t, &s->effects.items[i]);
    switch (s->kind) {
    case STATEMENT_SYNC:
    case STATEMENT_MEET:
        t->count = 0;
        break;
    case STATEMENT_BLOCK:
        order_block(o, s, t);
        break;
    case STATEMENT_LOOP:
        order_loop(o, s, t);
        break;
    case STATEMENT_ROLES:
        order_roles(o, s, t);
        break;
    case STATEMENT_THEN:
        *branch = copy(o, t);
        order_block(o, s, t);
        if (!s->next || s->next->kind != STATEMENT_ELSE)
            join(o, t, branch);
        break;
    case STATEMENT_ELSE:
        order_block(o, s, branch);
        join(o, t, branch);
        break;
    default:
        if (s->jumps)
            join(o, &o->jumps, t);
        break;
    }
}

static void order_block(Order *o, Statement *block, Touched *t)
{
    Touched branch = {0};
    for (Statement *s = block->first; s; s = s->next)
        order_statement(o, s, t, &branch);
}

void statements_finish(Statements *s, size_t reuse, size_t apart, bool barriers)
{
    place_buffers(s, reuse, apart);
    if (!barriers)
        return;
    Order o = {.all = s};
    Touched t = {0};
    order_block(&o, s->root, &t);
}

/* ---- printing ---- */

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p += n) {
        bool begins = p == text || !(isalnum((unsigned char)p[-1]) || strchr("_.", p[-1]));
        if (begins && !isalnum((unsigned char)p[n]) && p[n] != '_')
            return true;
    }
    return false;
}

static bool is_mentioned(const Statement *block, const Statement *by_others, const char *word)
{
    for (const Statement *s = block->first; s; s = s->next)
        if ((s != by_others && s->text && has_word(s->text, word)) ||
            is_mentioned(s, by_others, word))
            return true;
    return false;
}

static void put_indent(FILE *out, int indent)
{
    for (int i = 0; i < indent; i++)
        fputs("    ", out);
}

static void put_line(FILE *out, const char *text, const char *end)
{
    fputs(text, out);
    fputs(end, out);
}

typedef struct Printer {
    const Statement *root;
    FILE *out;
    const char *sync, *place; /* of the last statement that has one */
} Printer;

static void begin_line(const Printer *p, int indent)
{
    if (p->place)
        put_line(p->out, p->place, "\n");
    put_indent(p->out, indent);
}

static void print_block(Printer *p, const Statement *block, int indent)
{
    FILE *out = p->out;
    for (const Statement *s = block->first; s; s = s->next) {
        if (s->kind == STATEMENT_BUFFER && s->buffer->last == s->buffer->first)
            continue;
        if (s->optional && !is_mentioned(p->root, s, s->optional))
            continue;
        p->place = s->place ? s->place : p->place;
        if (s->kind == STATEMENT_ROLES) {
            print_block(p, s, indent);
            continue;
        }
        begin_line(p, indent);
        if (s->kind == STATEMENT_SYNC) {
            put_line(out, p->sync, "\n");
        } else if (s->kind == STATEMENT_BUFFER) {
            fprintf(out, "%s *const %s = (%s *)(shared + %zu);\n", s->buffer->type, s->buffer->name,
                    s->buffer->type, s->buffer->offset);
        } else if (s->kind >= STATEMENT_BLOCK) {
            const char *outer = p->sync;
            put_line(out, s->text, *s->text ? " {\n" : "{\n");
            p->sync = s->sync ? s->sync : outer;
            print_block(p, s, indent + 1);
            p->sync = outer;
            begin_line(p, indent);
            fputs("}\n", out);
        } else {
            put_line(out, s->text, "\n");
        }
    }
}

void statements_print(const Statements *s, FILE *out, int indent, const char *sync)
{
    Printer p = {.root = s->root, .out = out, .sync = sync};
    print_block(&p, s->root, indent);
}
