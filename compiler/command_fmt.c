/* tilec fmt: files into canonical form, in place. */
#define _XOPEN_SOURCE 700 /* realpath */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/command.h"

static bool write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno != EINTR)
            return false;
        text += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* The new text appears whole or not at all; what a link names is replaced, not the link. */
static bool replace_file(Command *c, const char *path, const char *text, size_t length)
{
    char *target = realpath(path, NULL);
    struct stat st;
    if (!target || stat(target, &st) != 0) {
        free(target);
        return user_error("%s: %s", path, strerror(errno));
    }
    char *temporary = arena_format(c->arena, "%s.%ld.tmp", target, (long)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write_all(fd, text, length) && fchmod(fd, st.st_mode & 07777) == 0;
    int why = errno;
    if (fd >= 0 && close(fd) != 0 && ok) {
        ok = false;
        why = errno;
    }
    if (ok && rename(temporary, target) != 0) {
        ok = false;
        why = errno;
    }
    if (fd >= 0 && !ok)
        unlink(temporary);
    free(target);
    return ok || user_error("%s: cannot be written: %s", path, strerror(why));
}

/* A formatter's mistake must not cost anyone a program: its output has to parse. */
static bool still_parses(Command *c, const Unit *unit, const char *text, size_t length)
{
    Diag silent = {.arena = c->arena, .limit = 1};
    Source s = {.name = unit->source->name, .text = text, .length = length};
    parse_unit(c->arena, &silent, unit->names, &s);
    return silent.errors == 0;
}

static int format_file(Command *c, const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    Source *s = read_file(c, path);
    if (!s)
        return EXIT_USER;
    int before = c->diag->errors;
    const Unit *unit = parse_unit(c->arena, c->diag, interner_new(c->arena), s);
    if (c->diag->errors != before)
        return EXIT_USER;
    const char *text = format_unit(c->arena, unit);
    size_t length = strlen(text);
    bool same = length == s->length && memcmp(text, s->text, length) == 0;
    if (!same && !still_parses(c, unit, text, length)) {
        user_error("internal error: %s would not parse when formatted; it is left as it is", path);
        return EXIT_BUG;
    }
    if (c->check_only)
        return same || user_error("%s: is not formatted", path) ? 0 : EXIT_USER;
    if (standard)
        return fwrite(text, 1, length, stdout) == length ? 0 : EXIT_USER;
    return same || replace_file(c, path, text, length) ? 0 : EXIT_USER;
}

int command_fmt(Command *c)
{
    int code = 0;
    for (int i = 0; i < c->operands.count; i++) {
        int one = format_file(c, c->operands.items[i]);
        code = one > code ? one : code;
    }
    return code;
}
