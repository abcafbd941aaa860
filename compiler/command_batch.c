/* tilec run --batch FILE: many runs in one process, which costs the start of a GPU once. */
#include <stdlib.h>
#include <string.h>

#include "compiler/command.h"
#include "runtime/tile.h"

/* One run: the words of a line, as on a command line. */
static int run_line(Command *c, const char *line, bool *cuda)
{
    Arena arena = {0};
    Diag diag = {.arena = &arena, .out = stderr};
    Command one = {.arena = &arena, .diag = &diag, .run_verb = c->run_verb};
    char *text = arena_text(&arena, line, strlen(line)), *rest = NULL;
    struct {
        char **items;
        int count, capacity;
    } words = {0};
    PUSH(&arena, &words, "tilec");
    PUSH(&arena, &words, "run");
    for (char *w = strtok_r(text, " \t\r\n", &rest); w; w = strtok_r(NULL, " \t\r\n", &rest))
        PUSH(&arena, &words, w);
    int code = c->run_verb(&one, words.count, words.items);
    *cuda = one.device && strcmp(one.device, "cuda") == 0;
    arena_free(&arena);
    return code;
}

/* Runs stop behind one that fails on the GPU: later ones would meet what it left. */
static int run_lines(Command *c, char *text)
{
    int worst = 0, number = 0;
    for (char *line = text, *end; line && *line; line = end) {
        bool cuda = false;
        end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        number++;
        if (!line[strspn(line, " \t\r")] || *line == '#')
            continue;
        double start = seconds_now();
        int code = run_line(c, line, &cuda);
        printf("batch: line %d, code %d, %.3f s\n", number, code, seconds_now() - start);
        fflush(stdout);
        worst = code > worst ? code : worst;
        if (code && cuda)
            break;
    }
    return worst;
}

int command_batch(Command *c)
{
    const Source *s = read_file(c, c->batch);
    tile_context *kept = NULL; /* keeps the GPU from going back between runs */
    if (!s)
        return EXIT_USER;
    if (strstr(s->text, "--device cuda"))
        tile_context_create(0, &kept);
    int code = run_lines(c, arena_text(c->arena, s->text, s->length));
    tile_context_free(kept);
    return code;
}
