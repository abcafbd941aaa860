/* Names and expressions of a stopped program. */
#include "compiler/debug.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- names: what stands before the op, innermost first ---- */

static void names_of_region(const Region *r, NameFn *each, void *context)
{
    for (int i = r->nargs - 1; i >= 0; i--)
        if (r->args[i]->name)
            each(context, r->args[i]->name, r->args[i]);
}

static void names_of_op(const Op *op, NameFn *each, void *context)
{
    if (op->code == OP_BIND) {
        each(context, op->name, op->args[0]);
        return;
    }
    for (int i = 0; i < op->nresults; i++) {
        const Value *v = op->results[i];
        if (v->name && v->type.kind != TY_PIPE)
            each(context, v->name, v);
    }
}

void debug_names(const Op *next, NameFn *each, void *context)
{
    for (const Op *op = next; op;) {
        for (const Op *before = op->prev; before; before = before->prev)
            names_of_op(before, each, context);
        names_of_region(op->parent, each, context);
        op = op->parent->parent;
    }
}

typedef struct Names {
    Debugger *d;
    ScopeName *first, **last;
} Names;

static ScopeName *find(const Names *n, const char *name)
{
    for (ScopeName *s = n->first; s; s = s->next)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

static void append(Names *n, const char *name, Term t)
{
    ScopeName *s = NEW(n->d->arena, ScopeName);
    *s = (ScopeName){.name = intern(n->d->plan->program.names, name, strlen(name)), .term = t};
    *n->last = s;
    n->last = &s->next;
}

/* "s.a" is field a of a pipe's item s. */
static void add_field(Names *n, const char *name, const char *dot, const Value *v)
{
    char *item = arena_text(n->d->arena, name, (size_t)(dot - name));
    ScopeName *s = find(n, item);
    if (!s) {
        append(n, item, (Term){.kind = T_ITEM});
        s = find(n, item);
        s->term.items = NEW_ARRAY(n->d->arena, Term, 64);
        s->term.names = NEW_ARRAY(n->d->arena, Name, 64);
    }
    if (s->term.kind != T_ITEM || s->term.count == 64)
        return;
    s->term.names[s->term.count] = intern(n->d->plan->program.names, dot + 1, strlen(dot + 1));
    s->term.items[s->term.count++] = term_value((Value *)v);
}

static void add_name(void *context, const char *name, const Value *v)
{
    Names *n = context;
    const char *dot = strchr(name, '.');
    if (dot)
        add_field(n, name, dot, v);
    else if (!find(n, name))
        append(n, name, v->type.kind == TY_TILE ? term_value((Value *)v) : term_tensor((Value *)v));
}

static void add_settings(Names *n, const SettingList *list)
{
    for (int i = 0; i < list->count; i++) {
        const Setting *s = &list->items[i];
        if (find(n, s->name))
            continue;
        if (s->kind == SET_INT)
            append(n, s->name, term_int(s->integer));
        else if (s->kind == SET_BOOL)
            append(n, s->name, term_bool(s->integer != 0));
        else if (s->kind == SET_TYPE)
            append(n, s->name, (Term){.kind = T_TYPE, .dtype = s->dtype});
        else if (s->kind == SET_MEMBER)
            append(n, s->name, (Term){.kind = T_MEMBER, .item = s->enumeration, .i = s->integer});
    }
}

static ScopeName *scope_of(Debugger *d)
{
    Names n = {.d = d};
    n.last = &n.first;
    debug_names(d->next, add_name, &n);
    add_settings(&n, &d->plan->variant.statics);
    add_settings(&n, &d->plan->variant.params);
    return n.first;
}

/* ---- expressions ---- */

typedef struct Result {
    Term term;
    const void **data; /* of every tile of the term: one, or one a part of a tuple */
    void *memory;
} Result;

/* The tile or tensor of a term or of a part of it. */
static Value *tile_of(const Term *t, int i)
{
    const Term *part = t->kind == T_TUPLE ? &t->items[i] : t;
    return part->kind == T_VALUE || part->kind == T_TENSOR ? part->v : NULL;
}

/* Runs the code of the expression against the stopped program's frame; leaves no trace of it. */
static bool run_code(Debugger *d, const Code *code, void *memory, char *scratch)
{
    Machine *m = d->task->machine;
    Task t = *d->task;
    bool faulted = m->faulted;
    Pos fault_pos = m->fault_pos;
    char *fault_text = arena_text(d->arena, m->fault_text, strlen(m->fault_text));
    m->options.debugger = NULL;
    m->peeking = true;
    m->faulted = false;
    t.base[BASE_EVAL] = memory;
    t.scratch = scratch;
    t.state = TASK_READY;
    bool good = task_run_at(&t, code->items);
    if (!good) {
        char *program = strstr(m->fault_text, "; program (");
        if (program)
            *program = '\0';
        fprintf(d->out, "%s\n", m->fault_text);
    }
    m->fault_pos = fault_pos;
    strcpy(m->fault_text, fault_text);
    m->options.debugger = d;
    m->peeking = false;
    if (!good && !faulted)
        atomic_store(&m->stop, false);
    m->faulted = faulted;
    return good;
}

static bool run_expression(Debugger *d, Region *r, Result *out)
{
    Machine *m = d->task->machine;
    Code code = {0};
    size_t bytes;
    int count = out->term.kind == T_TUPLE ? out->term.count : 1;
    Value **values = NEW_ARRAY(d->arena, Value *, count);
    int n = 0;
    for (int i = 0; i < count; i++)
        if (tile_of(&out->term, i))
            values[n++] = tile_of(&out->term, i);
    region_append(r, op_new(d->plan->kernel, OP_YIELD, d->next->pos, n, values, 0, NULL));
    if (!prepare_expression(m, r, &code, &bytes))
        return false;
    size_t scratch = (m->scratch_bytes + SLOT_ALIGN) / SLOT_ALIGN * SLOT_ALIGN;
    bytes = (bytes + SLOT_ALIGN) / SLOT_ALIGN * SLOT_ALIGN;
    out->memory = aligned_alloc(SLOT_ALIGN, bytes + scratch);
    if (!out->memory) {
        fprintf(d->out, "out of memory\n");
        return false;
    }
    memset(out->memory, 0, bytes + scratch);
    if (!run_code(d, &code, out->memory, (char *)out->memory + bytes))
        return false;
    Task t = *d->task;
    t.base[BASE_EVAL] = out->memory;
    out->data = NEW_ARRAY(d->arena, const void *, count);
    for (int i = 0; i < count; i++)
        if (tile_of(&out->term, i))
            out->data[i] = slot_pointer(&t, m->slots[slot_root(tile_of(&out->term, i))->id]);
    return true;
}

static Expr *parse(Debugger *d, Diag *diag, const char *text)
{
    Source *source = NEW(d->arena, Source);
    *source = (Source){.name = "expression",
                       .text = arena_text(d->arena, text, strlen(text)),
                       .length = strlen(text)};
    if (d->plan->program.names)
        return parse_expr(d->arena, diag, d->plan->program.names, source);
    fprintf(d->out, "expressions need the .tile file; `locals` shows what is here\n");
    return NULL;
}

bool debug_parses(Debugger *d, const char *text)
{
    Diag diag = {.arena = d->arena, .out = d->out};
    return parse(d, &diag, text);
}

/* False after a message. The caller frees out->memory. */
static bool evaluate(Debugger *d, const char *text, Result *out)
{
    *out = (Result){0};
    Diag diag = {.arena = d->arena, .out = d->out};
    Expr *x = parse(d, &diag, text);
    if (!x)
        return false;
    Elab e = {.arena = d->arena,
              .diag = &diag,
              .program = &d->plan->program,
              .item = d->plan->item,
              .variant = &d->plan->variant,
              .kernel = d->plan->kernel,
              .local_constants = true};
    Region *r = region_new(d->plan->kernel, NULL, 0, NULL);
    out->term = elab_in_scope(&e, r, scope_of(d), x);
    if (out->term.kind == T_ERROR)
        return false;
    return run_expression(d, r, out);
}

static const char *tensor_text(Debugger *d, const View *v)
{
    const char *text = arena_format(d->arena, "tensor %s[", dtype_info[v->memory->dtype].name);
    for (int i = 0; i < v->rank; i++)
        text = arena_format(d->arena, "%s%s%lld", text, i ? ", " : "",
                            (long long)v->axis[i].extent);
    return arena_format(d->arena, "%s]", text);
}

static void print_term(Debugger *d, const char *name, const Term *t, const void *data)
{
    Elab e = {.arena = d->arena};
    if (t->kind == T_VALUE)
        show_tile(d->out, name, t->v->type.dtype, t->v->type.rank, t->v->type.dims, data);
    else if (t->kind == T_TENSOR)
        fprintf(d->out, "%s = %s; index it to see elements\n", name, tensor_text(d, data));
    else
        fprintf(d->out, "%s = %s\n", name, term_text(&e, t));
}

bool debug_print(Debugger *d, const char *text)
{
    Result r;
    bool good = evaluate(d, text, &r);
    if (good && r.term.kind == T_TUPLE)
        for (int i = 0; i < r.term.count; i++)
            print_term(d, arena_format(d->arena, "%s.%d", text, i), &r.term.items[i], r.data[i]);
    else if (good)
        print_term(d, text, &r.term, r.data ? r.data[0] : NULL);
    free(r.memory);
    return good;
}

static bool condition_holds(Debugger *d, const char *text, bool *good_out)
{
    Result r;
    bool good = evaluate(d, text, &r), holds = false;
    if (good && r.term.kind == T_BOOL)
        holds = r.term.i != 0;
    else if (good && r.term.kind == T_VALUE && r.term.v->type.dtype == DT_BOOL &&
             r.term.v->type.rank == 0)
        holds = *(const uint8_t *)r.data[0] != 0;
    else if (good)
        good = fprintf(d->out, "the condition `%s` is no bool scalar\n", text) < 0;
    free(r.memory);
    *good_out = good;
    return holds;
}

bool debug_condition(Debugger *d, Breakpoint *b)
{
    char *said = NULL;
    size_t size = 0;
    FILE *out = d->out;
    d->out = open_memstream(&said, &size);
    if (!d->out) {
        d->out = out;
        return false;
    }
    bool good, holds = condition_holds(d, b->condition, &good);
    fclose(d->out);
    d->out = out;
    if (!good && !b->wrong)
        b->wrong = arena_text(d->arena, said, size);
    b->judged |= good;
    free(said);
    return holds;
}

/* ---- locals ---- */

typedef struct Locals {
    Debugger *d;
    struct {
        const char **items;
        int count, capacity;
    } seen;
} Locals;

static void show_local(void *context, const char *name, const Value *v)
{
    Locals *l = context;
    Debugger *d = l->d;
    for (int i = 0; i < l->seen.count; i++)
        if (strcmp(l->seen.items[i], name) == 0)
            return;
    PUSH(d->arena, &l->seen, name);
    char value[64] = "";
    Machine *m = d->task->machine;
    if (v->type.kind == TY_TILE && v->type.rank == 0) {
        const Task *t = d->task;
        value[0] = ' ';
        show_element(value + 1, sizeof value - 1, v->type.dtype,
                     slot_pointer(t, m->slots[slot_root(v)->id]));
    }
    const char *type = v->type.kind == TY_TENSOR
                           ? tensor_text(d, slot_pointer(d->task, m->slots[slot_root(v)->id]))
                           : type_text(d->arena, &v->type);
    fprintf(d->out, "  %-16s %s%s\n", name, type, value);
}

void debug_locals(Debugger *d)
{
    Locals l = {.d = d};
    debug_names(d->next, show_local, &l);
}
