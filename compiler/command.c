/* What the verbs share: messages, reading files, finding a kernel. */
#include "compiler/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "runtime/runtime.h"

enum { MAX_FILE = 256 << 20 };

bool user_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("tilec: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return false;
}

bool make_folder(const char *path)
{
    struct stat s;
    char *above = strdup(path);
    if (above && *above)
        tile__make_folders(above, 1, 0777);
    free(above);
    if (mkdir(path, 0777) != 0 && (errno != EEXIST || stat(path, &s) != 0 || !S_ISDIR(s.st_mode)))
        return user_error("%s: %s", path, strerror(errno == EEXIST ? ENOTDIR : errno));
    return true;
}

int usage_error(const Command *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("tilec: ", stderr);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\ntry: tilec %s%s--help\n", c->verb ? c->verb : "", c->verb ? " " : "");
    va_end(args);
    return EXIT_USAGE;
}

/* Reads until the end into memory of malloc, a NUL behind it; NULL: errno says why, 0 too large. */
static char *read_stream(FILE *f, size_t *length)
{
    size_t room = 1 << 16, n = 0;
    char *text = malloc(room);
    while (text) {
        n += fread(text + n, 1, room - n - 1, f);
        if (n + 1 < room || n > MAX_FILE)
            break;
        char *grown = realloc(text, room *= 2);
        if (!grown)
            free(text);
        text = grown;
    }
    if (text && (ferror(f) || n > MAX_FILE)) {
        int why = n > MAX_FILE ? 0 : errno;
        free(text);
        errno = why;
        return NULL;
    }
    if (text)
        text[n] = '\0';
    *length = n;
    return text;
}

Source *read_file(Command *c, const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : fopen(path, "rb");
    struct stat st;
    size_t length = 0;
    errno = f ? 0 : errno;
    if (f && fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode))
        errno = EISDIR;
    char *text = errno ? NULL : read_stream(f, &length);
    int why = errno;
    if (f && !standard)
        fclose(f);
    if (!text) {
        user_error("%s: %s", path, why ? strerror(why) : "is larger than 256 MiB");
        return NULL;
    }
    Source *s = NEW(c->arena, Source);
    *s = (Source){.name = standard ? "standard input" : path, .text = text, .length = length};
    return s;
}

bool load_program(Command *c, Program *p, const char *path)
{
    *p = (Program){.arena = c->arena, .diag = c->diag};
    if (strcmp(path, "-") != 0)
        return program_load(p, path);
    const Source *s = read_file(c, path);
    return s && program_load_text(p, s->name, s->text, s->length);
}

const char *join_texts(Arena *a, const TextList *list)
{
    const char *text = "";
    for (int i = 0; i < list->count; i++)
        text = arena_format(a, "%s%s%s", text, i ? ", " : "", list->items[i]);
    return text;
}

const Item *pick_kernel(Command *c, Program *p, const char *name)
{
    TextList names = {0};
    for (int i = 0; i < p->kernels.count; i++) {
        if (!name && p->kernels.count == 1)
            return p->kernels.items[i];
        if (name && strcmp(p->kernels.items[i]->name.name, name) == 0)
            return p->kernels.items[i];
        PUSH(c->arena, &names, p->kernels.items[i]->name.name);
    }
    const char *file = c->operands.items[0], *list = join_texts(c->arena, &names);
    if (names.count == 0)
        user_error("%s: has no kernel", file);
    else if (!name)
        user_error("%s: has %d kernels, name one: %s", file, names.count, list);
    else
        user_error("%s: has no kernel %s; it has %s", file, name, list);
    return NULL;
}

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
