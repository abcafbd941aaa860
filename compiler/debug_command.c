/* The debugger's commands, and where they come from: a terminal with line editing, or a script. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/debug.h"

typedef struct DebugCommand DebugCommand;
struct DebugCommand {
    const char *name, *arguments, *help;
    bool (*run)(Debugger *, char *arguments); /* true: the program goes on */
};

/* ---- showing ---- */

void debug_list(Debugger *d, int line, int around)
{
    const Source *s = d->next->pos.source;
    if (!s || !s->text)
        return;
    const char *p = s->text;
    for (int n = 1; *p; n++) {
        const char *end = strchr(p, '\n');
        size_t length = end ? (size_t)(end - p) : strlen(p);
        if (n >= line - around && n <= line + around)
            fprintf(d->out, "%s%4d  %.*s\n", n == op_line(d->next) ? ">" : " ", n, (int)length, p);
        if (!end || n > line + around)
            break;
        p = end + 1;
    }
}

/* The indices of the loops around, innermost last. */
static void show_loops(Debugger *d, const Op *op)
{
    if (!op || op->code == OP_PAR)
        return;
    show_loops(d, op->parent ? op->parent->parent : NULL);
    if (op->code != OP_FOR && op->code != OP_SHARE)
        return;
    const Region *body = op->regions[op->nregions - 1];
    int n = body->nargs - op->nresults;
    Machine *m = d->task->machine;
    for (int i = 0; i < n; i++)
        fprintf(
            d->out, ", %s = %lld", body->args[i]->name,
            (long long)*(int64_t *)slot_pointer(d->task, m->slots[slot_root(body->args[i])->id]));
}

void debug_where(Debugger *d)
{
    char point[256];
    const Task *t = d->task;
    point_text(point, sizeof point, t->point);
    fprintf(d->out, "%s:%d: program %lld %s", op_file(d->next), op_line(d->next),
            (long long)t->point->number, point);
    show_loops(d, d->next->parent ? d->next->parent->parent : NULL);
    if (t->point->phase->op->name)
        fprintf(d->out, ", phase %s", t->point->phase->op->name);
    if (op_role(d->next))
        fprintf(d->out, ", role %s", op_role(d->next));
    fputc('\n', d->out);
    debug_list(d, op_line(d->next), 0);
}

/* ---- lines that have code ---- */

static void nearest_line(const Region *r, const char *file, int line, int *best)
{
    for (const Op *op = r->first; op; op = op->next) {
        int at = op_line(op);
        bool code = op->code != OP_YIELD && op->code != OP_CONST && op->code != OP_BIND &&
                    op->code != OP_PAR && op->code != OP_CONTINUE;
        if (code && at >= line && at < *best && strcmp(op_file(op), file) == 0)
            *best = at;
        for (int i = 0; i < op->nregions; i++)
            nearest_line(op->regions[i], file, line, best);
    }
}

static int code_line(Debugger *d, const char *file, int line)
{
    int best = 1 << 30;
    for (const Op *op = d->plan->kernel->body->first; op; op = op->next)
        for (int i = 0; op->code == OP_PAR && i < op->nregions; i++)
            nearest_line(op->regions[i], file, line, &best);
    return best;
}

/* ---- commands ---- */

static bool c_break(Debugger *d, char *args)
{
    Breakpoint b = {.program = -1};
    char *condition = strstr(args, " if "), *end;
    if (condition) {
        *condition = '\0';
        b.condition = arena_text(d->arena, condition + 4, strlen(condition + 4));
        if (!debug_parses(d, b.condition))
            return false;
    }
    char *program = strstr(args, "program ");
    if (program) {
        b.program = strtoll(program + 8, &end, 10);
        if (end == program + 8 || b.program < 0) {
            fprintf(d->out, "break program NUMBER\n");
            return false;
        }
        *program = '\0';
    }
    char *colon = strrchr(args, ':');
    b.file = op_file(d->next);
    if (colon) {
        *colon = '\0';
        b.file = arena_text(d->arena, args, strlen(args));
        args = colon + 1;
    }
    long line = strtol(args, &end, 10);
    if ((end == args && b.program < 0) || line < 0 || line > 1 << 28 ||
        strspn(end, " ") != strlen(end)) {
        fprintf(d->out, "break LINE, break FILE:LINE, break program N; then: if CONDITION\n");
        return false;
    }
    if (line) {
        b.line = code_line(d, b.file, (int)line);
        if (b.line == 1 << 30) {
            fprintf(d->out, "no code at line %ld of %s or after it\n", line, b.file);
            return false;
        }
    }
    b.number = d->next_number++;
    PUSH(d->arena, &d->breaks, b);
    fprintf(d->out, "breakpoint %d", b.number);
    if (b.line)
        fprintf(d->out, " at %s:%d", b.file, b.line);
    if (b.program >= 0)
        fprintf(d->out, " in program %lld", (long long)b.program);
    fprintf(d->out, b.condition ? " if %s\n" : "\n", b.condition);
    return false;
}

static bool c_delete(Debugger *d, char *args)
{
    int n = atoi(args);
    for (int i = 0; i < d->breaks.count; i++) {
        if (*args && d->breaks.items[i].number != n)
            continue;
        memmove(&d->breaks.items[i], &d->breaks.items[i + 1],
                (size_t)(--d->breaks.count - i) * sizeof d->breaks.items[0]);
        if (*args)
            return false;
        i--;
    }
    if (*args)
        fprintf(d->out, "no breakpoint %s\n", args);
    return false;
}

static bool c_breaks(Debugger *d, char *args)
{
    (void)args;
    for (int i = 0; i < d->breaks.count; i++) {
        const Breakpoint *b = &d->breaks.items[i];
        fprintf(d->out, "%d:", b->number);
        if (b->line)
            fprintf(d->out, " %s:%d", b->file, b->line);
        if (b->program >= 0)
            fprintf(d->out, " program %lld", (long long)b->program);
        fprintf(d->out, b->condition ? " if %s\n" : "\n", b->condition);
    }
    if (!d->breaks.count)
        fprintf(d->out, "no breakpoints\n");
    return false;
}

static bool go(Debugger *d, StepMode mode)
{
    d->mode = mode;
    return true;
}

static bool c_continue(Debugger *d, char *args)
{
    (void)args;
    return go(d, STEP_RUN);
}

static bool c_step(Debugger *d, char *args)
{
    (void)args;
    return go(d, STEP_LINE);
}

static bool c_next(Debugger *d, char *args)
{
    (void)args;
    return go(d, STEP_OVER);
}

static bool c_program(Debugger *d, char *args)
{
    (void)args;
    return go(d, STEP_PROGRAM);
}

static bool c_where(Debugger *d, char *args)
{
    (void)args;
    debug_where(d);
    return false;
}

static bool c_list(Debugger *d, char *args)
{
    debug_list(d, *args ? atoi(args) : op_line(d->next), 5);
    return false;
}

static bool c_print(Debugger *d, char *args)
{
    if (!*args)
        fprintf(d->out, "print EXPRESSION\n");
    else
        debug_print(d, args);
    return false;
}

static bool c_locals(Debugger *d, char *args)
{
    (void)args;
    debug_locals(d);
    return false;
}

static bool c_watch(Debugger *d, char *args)
{
    bool nan = strstr(args, "nan") || strstr(args, "NaN"),
         inf = strstr(args, "inf") || strstr(args, "Inf");
    if (!nan && !inf && strcmp(args, "off") != 0 && *args) {
        fprintf(d->out, "watch nan, watch inf, watch nan inf, watch off\n");
        return false;
    }
    if (!*args)
        nan = inf = true;
    d->watch_nan = nan;
    d->watch_inf = inf;
    fprintf(d->out, "watching for %s\n",
            nan && inf ? "NaN and Inf"
            : nan      ? "NaN"
            : inf      ? "Inf"
                       : "nothing");
    return false;
}

static bool c_outside(Debugger *d, char *args)
{
    (void)args;
    debug_outside(d);
    return false;
}

static bool c_quit(Debugger *d, char *args)
{
    (void)args;
    d->quit = true;
    return true;
}

static bool c_help(Debugger *d, char *args);

static const DebugCommand commands[] = {
    {"break", "[FILE:]LINE | program N [if CONDITION]", "stop there", c_break},
    {"breaks", "", "list the breakpoints", c_breaks},
    {"delete", "[N]", "remove breakpoint N, or all", c_delete},
    {"continue", "", "run to the next breakpoint, watch or fault", c_continue},
    {"step", "", "run to the next line, into functions", c_step},
    {"next", "", "run to the next line, over functions", c_next},
    {"program", "", "run to the begin of the next program", c_program},
    {"where", "", "the program, its indices, loops and line", c_where},
    {"list", "[LINE]", "the source around", c_list},
    {"print", "EXPRESSION", "a tile, a slice v[0, 4 +: 8], or any expression over what is visible",
     c_print},
    {"locals", "", "names, types, and the values of scalars", c_locals},
    {"watch", "nan | inf | off", "stop at the first NaN or Inf that an operation gives", c_watch},
    {"outside", "", "which elements of the last line's loads lay outside", c_outside},
    {"help", "", "this list", c_help},
    {"quit", "", "end the run, write nothing", c_quit},
};

static const struct {
    const char *text, *name;
} short_names[] = {
    {"b", "break"}, {"c", "continue"}, {"s", "step"}, {"n", "next"}, {"p", "print"},
    {"w", "where"}, {"l", "list"},     {"q", "quit"}, {"h", "help"}, {"bt", "where"},
};

static bool c_help(Debugger *d, char *args)
{
    (void)args;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(d->out, "  %-10s %-40s %s\n", commands[i].name, commands[i].arguments,
                commands[i].help);
    fprintf(d->out, "b c s n p w l q h are short for them; an empty line repeats the last one.\n");
    return false;
}

static const DebugCommand *find_command(const char *word)
{
    for (size_t i = 0; i < sizeof short_names / sizeof *short_names; i++)
        if (strcmp(word, short_names[i].text) == 0)
            word = short_names[i].name;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(word, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

/* ---- input ---- */

static char *script_line(Debugger *d)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n = getline(&line, &room, stdin);
    if (n < 0) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    fprintf(d->out, "(tilec) %s\n", line);
    return line;
}

/* libedit's readline and add_history. It is looked for where a terminal asks for it, so that tilec
 * starts where there is none. */
typedef struct Editor {
    bool asked;
    char *(*read)(const char *prompt);
    int (*add_history)(const char *line);
} Editor;

static void find_editor(Editor *e)
{
    void *library = dlopen("libedit.so.2", RTLD_NOW);
    void *read = library ? dlsym(library, "readline") : NULL;
    void *add = library ? dlsym(library, "add_history") : NULL;
    e->asked = true;
    if (!read || !add)
        return;
    memcpy(&e->read, &read, sizeof read);
    memcpy(&e->add_history, &add, sizeof add);
}

static char *plain_line(Debugger *d)
{
    char *line = NULL;
    size_t room = 0;
    fputs("(tilec) ", d->out);
    fflush(d->out);
    if (getline(&line, &room, stdin) < 0) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

static char *read_line(Debugger *d)
{
    static Editor editor;
    fflush(d->out);
    if (!d->interactive)
        return script_line(d);
    if (!editor.asked)
        find_editor(&editor);
    if (!editor.read)
        return plain_line(d);
    char *line = editor.read("(tilec) ");
    if (line && *line)
        editor.add_history(line);
    return line;
}

void debug_prompt(Debugger *d)
{
    for (;;) {
        char *line = read_line(d);
        if (!line) {
            d->quit = true;
            return;
        }
        char *text = line + strspn(line, " \t");
        if (!*text && d->last_command && d->interactive)
            text = d->last_command;
        char *copy = arena_text(d->arena, text, strlen(text));
        char *word = arena_text(d->arena, copy, strcspn(copy, " \t"));
        char *args = copy + strlen(word);
        args += strspn(args, " \t");
        d->last_command = arena_text(d->arena, copy, strlen(copy));
        free(line);
        if (!*word || *word == '#')
            continue;
        const DebugCommand *c = find_command(word);
        if (!c)
            fprintf(d->out, "unknown command `%s`; `help` lists the commands\n", word);
        else if (c->run(d, args))
            return;
    }
}
