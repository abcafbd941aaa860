/* Names in scope: a stack of declarations with chains by name, so that a lookup costs little in a
 * file of any size. */
#include "dsl/scope.h"

#include <string.h>

#include "dsl/builtins.h"

static int chain_of(Name name)
{
    uint64_t h = (uint64_t)(uintptr_t)name * 0x9E3779B97F4A7C15u;
    return (int)(h >> 40) % SCOPE_CHAINS;
}

void scope_begin(Scope *s, Arena *arena, Diag *diag)
{
    *s = (Scope){.arena = arena, .diag = diag, .role_floor = -1, .unknown = ""};
    for (int i = 0; i < SCOPE_CHAINS; i++)
        s->chains[i] = -1;
}

Entry *scope_lookup(Scope *s, Name name)
{
    for (int i = s->chains[chain_of(name)]; i >= 0; i = s->entries.items[i].next)
        if (s->entries.items[i].name == name)
            return &s->entries.items[i];
    return NULL;
}

int scope_enter(const Scope *s)
{
    return s->entries.count;
}

void scope_leave(Scope *s, int mark)
{
    while (s->entries.count > mark) {
        const Entry *e = &s->entries.items[--s->entries.count];
        s->chains[chain_of(e->name)] = e->next;
    }
}

bool name_is_predefined(Name name)
{
    static const char *const words[] = {"row", "col_pad16", "ue8m0x4", "inf", "nan"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(name, words[i]) == 0)
            return true;
    return dtype_find(name, (unsigned)strlen(name)) != DT_NONE;
}

/* Why a name may not be declared at all; NULL if it may. A variable may have an operation's name
 * as long as the operation is not called where the variable is visible: check_body.c. A format's
 * name is one only where formats are compared. */
static const char *why_taken(Scope *s, Name name, NameKind kind)
{
    bool of_a_file = kind == NAME_FN || kind == NAME_ENUM || kind == NAME_FILE_CONST;
    if (dtype_find(name, (unsigned)strlen(name)) != DT_NONE)
        return arena_format(s->arena, "`%s` is an element type", name);
    if (strcmp(name, "inf") == 0 || strcmp(name, "nan") == 0)
        return arena_format(s->arena, "`%s` is a number", name);
    if ((of_a_file || kind == NAME_PARAMETER) && builtin_find(name))
        return arena_format(s->arena, "`%s` is an operation", name);
    return NULL;
}

Entry *scope_add(Scope *s, Ident id, NameKind kind)
{
    int *chain = &s->chains[chain_of(id.name)];
    Entry e = {.name = id.name, .pos = id.pos, .kind = kind, .next = *chain};
    *chain = s->entries.count;
    PUSH(s->arena, &s->entries, e);
    return &s->entries.items[s->entries.count - 1];
}

Entry *scope_declare(Scope *s, Ident id, NameKind kind)
{
    const Entry *old = scope_lookup(s, id.name);
    const char *taken = old ? NULL : why_taken(s, id.name, kind);
    if (old || taken)
        diag_error(s->diag, id.pos, taken ? taken : "choose another name",
                   "`%s` hides a name that is visible here", id.name);
    if (old)
        diag_note(s->diag, old->pos, "`%s` is declared here", id.name);
    return scope_add(s, id, kind);
}

const char *did_you_mean(Arena *arena, const char *nearest)
{
    return nearest ? arena_format(arena, "did you mean `%s`?", nearest) : NULL;
}

/* Words of other languages. */
static const char *foreign_word(Name name)
{
    static const char *const words[][2] = {
        {"break", "there is no break: put the rest under an `if`, or use `continue`"},
        {"True", "write true"},
        {"False", "write false"},
        {"None", "has(t) asks for a tensor"},
        {"len", "size(x, axis) is an extent"},
        {"pass", "a block may be empty: { }"},
        {"program_id", "the index of a `par` range says which program runs"},
        {"threadIdx", "there are no threads: the index of a `par` range says which program runs"},
        {"blockIdx", "the index of a `par` range says which program runs"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(name, words[i][0]) == 0)
            return words[i][1];
    return NULL;
}

const char *scope_nearest(Scope *s, Name name)
{
    const char *foreign = foreign_word(name);
    if (foreign)
        return foreign;
    struct {
        const char **items;
        int count, capacity;
    } v = {0};
    for (int i = s->entries.count; i-- > 0 && v.count < 4096;)
        PUSH(s->arena, &v, s->entries.items[i].name);
    for (const Builtin *b = builtin_table; b->name; b++)
        PUSH(s->arena, &v, b->name);
    for (int t = 0; t < DT_COUNT; t++)
        PUSH(s->arena, &v, dtype_info[t].name);
    return did_you_mean(s->arena, diag_nearest(name, v.items, v.count));
}

static bool is_reported(Scope *s, Name name)
{
    for (int i = 0; i < s->reported.count; i++)
        if (s->reported.items[i] == name)
            return true;
    PUSH(s->arena, &s->reported, name);
    return false;
}

void scope_begin_body(Scope *s, const char *unknown)
{
    s->unknown = unknown;
    s->reported.count = 0;
}

Entry *scope_use(Scope *s, Name name, Pos pos)
{
    Entry *e = scope_lookup(s, name);
    if (e && !e->used) {
        e->used = true;
        e->use = pos;
    }
    if (!e && !name_is_predefined(name) && !builtin_find(name) && !diag_full(s->diag) &&
        !is_reported(s, name))
        diag_error(s->diag, pos, scope_nearest(s, name), "unknown name `%s`%s", name, s->unknown);
    return e;
}

/* What other languages call the element types. */
static const char *foreign_type(Name name)
{
    static const char *const names[][2] = {
        {"float", "f32"},     {"float32", "f32"},      {"half", "f16"},         {"float16", "f16"},
        {"bfloat16", "bf16"}, {"int", "i32"},          {"int32", "i32"},        {"int64", "i64"},
        {"fp8", "e4m3"},      {"float8_e4m3", "e4m3"}, {"float8_e5m2", "e5m2"}, {"fp4", "e2m1"},
        {"e8m0", "ue8m0"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i][0]) == 0)
            return names[i][1];
    return NULL;
}

void scope_use_type(Scope *s, const Expr *x)
{
    const char *types[DT_COUNT];
    if (scope_lookup(s, x->name) || name_is_predefined(x->name) || builtin_find(x->name)) {
        scope_use(s, x->name, x->pos);
        return;
    }
    for (int t = 0; t < DT_COUNT; t++)
        types[t] = dtype_info[t].name;
    const char *near = foreign_type(x->name);
    if (!near)
        near = diag_nearest(x->name, types, DT_COUNT);
    if (!diag_full(s->diag) && !is_reported(s, x->name))
        diag_error(s->diag, x->pos, did_you_mean(s->arena, near), "unknown element type `%s`",
                   x->name);
}
