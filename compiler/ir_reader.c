#include "compiler/ir_reader.h"

#include <string.h>

#include "compiler/ir_text.h"
#include "compiler/verify.h"

bool ir_error_at(Reader *r, Pos pos, const char *message)
{
    return diag_error(r->diag, pos, NULL, "%s", message);
}

bool ir_next(Reader *r)
{
    r->token = ir_lex(r->arena, r->diag, r->text, &r->at);
    return r->token.kind != IR_BAD;
}

bool ir_expected(Reader *r, const char *what)
{
    return r->token.kind != IR_BAD && diag_error(r->diag, r->token.pos, NULL, "expected %s", what);
}

bool ir_is_punct(const Reader *r, char c)
{
    return r->token.kind == IR_PUNCT && r->token.punct == c;
}

bool ir_accept(Reader *r, char c)
{
    return ir_is_punct(r, c) && (ir_next(r), true);
}

bool ir_expect(Reader *r, char c, const char *what)
{
    return ir_accept(r, c) || ir_expected(r, what);
}

bool ir_accept_word(Reader *r, const char *word)
{
    return ir_token_is(&r->token, word) && (ir_next(r), true);
}

bool ir_read_int(Reader *r, int64_t min, int64_t max, const char *what, int64_t *out)
{
    return (ir_token_int(&r->token, min, max, out) && ir_next(r)) || ir_expected(r, what);
}

bool ir_read_string(Reader *r, const char *what, const char **out)
{
    if (r->token.kind != IR_STRING)
        return ir_expected(r, what);
    *out = r->token.text;
    return ir_next(r);
}

bool ir_read_name(Reader *r, const char *what, const char **out)
{
    if (r->token.kind != IR_WORD)
        return ir_read_string(r, what, out);
    *out = arena_text(r->arena, r->token.text, r->token.length);
    return ir_next(r);
}

int ir_find_word(const Reader *r, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (ir_token_is(&r->token, names[i]))
            return i;
    return -1;
}

static Value **slot_of(Reader *r, int id)
{
    size_t i = (size_t)(unsigned)id * 2654435761u % r->slot_count;
    while (r->slots[i] && r->slots[i]->id != id)
        i = (i + 1) % r->slot_count;
    return &r->slots[i];
}

static void grow_slots(Reader *r)
{
    Value **old = r->slots;
    size_t count = r->slot_count;
    r->slot_count = count ? 2 * count : 256;
    r->slots = NEW_ARRAY(r->arena, Value *, r->slot_count);
    for (size_t i = 0; i < count; i++)
        if (old[i])
            *slot_of(r, old[i]->id) = old[i];
}

bool ir_define(Reader *r, Value *v, const Definition *d)
{
    if (2 * r->slots_used >= r->slot_count)
        grow_slots(r);
    v->id = d->id;
    v->name = d->name;
    Value **slot = slot_of(r, v->id);
    if (*slot)
        return diag_error(r->diag, d->pos, NULL, "%%%d is defined twice", d->id);
    *slot = v;
    r->slots_used++;
    r->max_id = d->id > r->max_id ? d->id : r->max_id;
    return true;
}

bool ir_read_definition(Reader *r, DefinitionList *list)
{
    if (r->token.kind != IR_VALUE)
        return ir_expected(r, "a value (%12)");
    Definition d = {.name = r->token.text, .id = r->token.id, .pos = r->token.pos};
    PUSH(r->arena, list, d);
    return ir_next(r);
}

bool ir_read_use(Reader *r, ValueList *list)
{
    if (r->token.kind != IR_VALUE)
        return ir_expected(r, "a value (%12)");
    Value *v = r->slot_count ? *slot_of(r, r->token.id) : NULL;
    if (!v)
        return diag_error(r->diag, r->token.pos, NULL, "%%%d is used before it is defined",
                          r->token.id);
    PUSH(r->arena, list, v);
    return ir_next(r);
}

bool ir_read_extent(Reader *r, int64_t *out)
{
    if (ir_token_int(&r->token, 0, MAX_EXTENT, out))
        return ir_next(r);
    return ir_expected(r, "an extent (0 to 2^40, or ? in a tensor)");
}

static bool read_dims(Reader *r, Type *t)
{
    do {
        if (t->rank == MAX_RANK)
            return ir_error_at(r, r->token.pos, "more axes than 8");
        t->dims[t->rank] = -1;
        if (t->kind == TY_TILE || !ir_accept(r, '?'))
            if (!ir_read_extent(r, &t->dims[t->rank]))
                return false;
        t->rank++;
    } while (ir_accept(r, ','));
    return ir_expect(r, ']', "] or a comma");
}

bool ir_read_type(Reader *r, Type *t)
{
    *t = (Type){.kind = TY_TILE};
    Pos pos = r->token.pos;
    if (ir_accept_word(r, "pipe")) {
        t->kind = TY_PIPE;
        t->dtype = DT_NONE;
        return true;
    }
    if (ir_accept_word(r, "tensor"))
        t->kind = TY_TENSOR;
    else if (ir_accept_word(r, "table"))
        t->kind = TY_TABLE;
    t->dtype = r->token.kind == IR_WORD ? dtype_find(r->token.text, (unsigned)r->token.length)
                                        : DT_NONE;
    if (t->dtype == DT_NONE)
        return ir_expected(r, "a type");
    if (!ir_next(r) || (ir_accept(r, '[') && !read_dims(r, t)))
        return false;
    const char *wrong = verify_type(t);
    return !wrong || ir_error_at(r, pos, wrong);
}

static const Source *stand_in(Reader *r, const char *name)
{
    for (Source *s = r->sources; s; s = s->next)
        if (strcmp(s->name, name) == 0)
            return s;
    Source *s = NEW(r->arena, Source);
    s->name = name;
    s->next = r->sources;
    return r->sources = s;
}

bool ir_read_line_column(Reader *r, const char *source, Pos *pos)
{
    int64_t line, column;
    if (!ir_read_int(r, 1, MAX_LINE, "a line", &line) || !ir_expect(r, ':', "a colon") ||
        !ir_read_int(r, 1, MAX_COLUMN, "a column", &column))
        return false;
    pos->source = stand_in(r, source);
    pos->at = (uint32_t)(line << PLACE_COLUMN_BITS | column);
    pos->length = 0;
    return true;
}

bool ir_read_place(Reader *r, Pos *pos)
{
    const char *source = r->kernel->pos.source ? r->kernel->pos.source->name : NULL;
    if (r->token.kind == IR_STRING &&
        (!ir_read_string(r, "a file", &source) || !ir_expect(r, ':', "a colon")))
        return false;
    if (!source)
        return ir_error_at(r, r->token.pos, "a place without a file, and the kernel names none");
    return ir_read_line_column(r, source, pos);
}
