/* The front end alone, for tests:
 *
 *   parse FILE     the tree
 *   fmt FILE       the file in canonical form
 *   expr TEXT      the expression's text
 *   places TEXT    for each node its kind, what its caret stands at, and its text in the source
 *   time FILE...   milliseconds
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dsl/ast.h"

static Source *read_source(Arena *arena, const char *name)
{
    FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
    if (!f) {
        perror(name);
        exit(2);
    }
    size_t length = 0, room = 1 << 16, n;
    char *text = malloc(room);
    while (text && (n = fread(text + length, 1, room - length - 1, f)) > 0) {
        length += n;
        if (room - length < 2)
            text = realloc(text, room *= 2);
    }
    fclose(f);
    if (!text)
        exit(2);
    text[length] = '\0';
    Source *s = NEW(arena, Source);
    *s = (Source){.name = name, .text = text, .length = length};
    return s;
}

static int parse_all(Arena *arena, Diag *diag, int count, char **names)
{
    struct timespec a, b;
    double best = 1e9;
    struct Interner *interner = interner_new(arena);
    Source **sources = NEW_ARRAY(arena, Source *, count);
    for (int i = 0; i < count; i++)
        sources[i] = read_source(arena, names[i]);
    for (int round = 0; round < 20; round++) {
        timespec_get(&a, TIME_UTC);
        for (int i = 0; i < count; i++)
            parse_unit(arena, diag, interner, sources[i]);
        timespec_get(&b, TIME_UTC);
        double ms = 1e3 * (double)(b.tv_sec - a.tv_sec) + 1e-6 * (double)(b.tv_nsec - a.tv_nsec);
        best = ms < best ? ms : best;
    }
    for (int i = 0; i < count; i++)
        free((void *)(uintptr_t)sources[i]->text);
    printf("%d files, best of 20: %.3f ms\n", count, best);
    return diag->errors > 0;
}

static void print_places(const Expr *e)
{
    const char *text = e->pos.source->text;
    printf("%s\t%.*s\t%.*s\n", expr_kind_text(e->kind), (int)e->pos.length, text + e->pos.at,
           (int)e->span.length, text + e->span.at);
    const Expr *const parts[] = {e->a, e->b, e->c};
    for (int i = 0; i < 3; i++)
        if (parts[i])
            print_places(parts[i]);
    for (int i = 0; i < e->args.count; i++)
        print_places(e->args.items[i]);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: frontend_driver parse|fmt FILE, expr|places TEXT, time FILE...\n", stderr);
        return 2;
    }
    Arena arena = {0};
    Diag diag = {.arena = &arena, .out = stderr};
    struct Interner *names = interner_new(&arena);
    int status = 0;
    if (strcmp(argv[1], "time") == 0) {
        status = parse_all(&arena, &diag, argc - 2, argv + 2);
    } else if (strcmp(argv[1], "expr") == 0 || strcmp(argv[1], "places") == 0) {
        Source s = {.name = "expression", .text = argv[2], .length = strlen(argv[2])};
        Expr *e = parse_expr(&arena, &diag, names, &s);
        if (e && argv[1][0] == 'e')
            puts(expr_text(&arena, e));
        else if (e)
            print_places(e);
    } else {
        Source *s = read_source(&arena, argv[2]);
        Unit *unit = parse_unit(&arena, &diag, names, s);
        if (strcmp(argv[1], "parse") == 0)
            ast_dump(stdout, unit);
        else if (diag.errors == 0)
            fputs(format_unit(&arena, unit), stdout);
        free((void *)(uintptr_t)s->text);
    }
    status |= diag.errors > 0;
    arena_free(&arena);
    return status;
}
