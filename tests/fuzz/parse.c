/* Any bytes through the parser; what parses is formatted, parsed and formatted again: the tree and
 * the text stay. An expression's text parses to the same text. */
#include <stdlib.h>
#include <string.h>

#include "dsl/ast.h"

static Source *source(Arena *arena, const char *text, size_t length)
{
    Source *s = NEW(arena, Source);
    *s = (Source){.name = "input.tile", .text = arena_text(arena, text, length), .length = length};
    return s;
}

static char *dump(Unit *unit, size_t *length)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, length);
    if (!f)
        abort();
    ast_dump(f, unit);
    fclose(f);
    return text;
}

static void check_fmt(Arena *arena, Diag *diag, struct Interner *names, Unit *unit)
{
    size_t n1, n2;
    char *once = format_unit(arena, unit);
    Unit *second = parse_unit(arena, diag, names, source(arena, once, strlen(once)));
    if (diag->errors > 0) {
        fprintf(stderr, "formatted text does not parse: %s\n%s\n", diag->first, once);
        abort();
    }
    char *a = dump(unit, &n1), *b = dump(second, &n2);
    char *twice = format_unit(arena, second);
    if (n1 != n2 || memcmp(a, b, n1) != 0) {
        fprintf(stderr, "the tree changed:\n%s---\n%s---\n%s", once, a, b);
        abort();
    }
    if (strcmp(once, twice) != 0) {
        fprintf(stderr, "not idempotent:\n%s---\n%s", once, twice);
        abort();
    }
    free(a);
    free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena arena = {0};
    FILE *sink = fopen("/dev/null", "w");
    Diag diag = {.arena = &arena, .out = sink};
    struct Interner *names = interner_new(&arena);
    Source *s = source(&arena, (const char *)data, size);
    Unit *unit = parse_unit(&arena, &diag, names, s);
    for (int i = 0; i < unit->items.count; i++)
        if (unit->items.items[i]->value)
            expr_text(&arena, unit->items.items[i]->value);
    if (diag.errors == 0)
        check_fmt(&arena, &diag, names, unit);
    diag = (Diag){.arena = &arena, .out = sink};
    Expr *e = parse_expr(&arena, &diag, names, s);
    if (e) {
        char *text = expr_text(&arena, e);
        Expr *again = parse_expr(&arena, &diag, names, source(&arena, text, strlen(text)));
        if (!again || strcmp(text, expr_text(&arena, again)) != 0) {
            fprintf(stderr, "expr_text: %s\n", text);
            abort();
        }
    }
    if (sink)
        fclose(sink);
    arena_free(&arena);
    return 0;
}
