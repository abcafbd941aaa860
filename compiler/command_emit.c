/* tilec emit: the CUDA text of every variant, a file each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/command.h"
#include "compiler/lower.h"

typedef struct Emission {
    Command *command;
    Program *program;
    const char *target;
    int files;
    bool failed;
} Emission;

/* "per_token_cast.bf16_e4m3_f32_128_false.sm90.cu": the statics and forms that tell variants
 * apart. */
static char *file_name(Emission *e, const Item *kernel, const Variant *v)
{
    Arena *a = e->command->arena;
    char *name = arena_format(a, "%s/%s", e->command->output, kernel->name.name);
    const SettingList *lists[2] = {&v->statics, &v->forms};
    for (int l = 0; l < 2; l++)
        for (int i = 0; i < lists[l]->count; i++) {
            const Setting *s = &lists[l]->items[i];
            if (l == 1 && s->integer == FORMAT_ROW)
                continue;
            const char *mark = l == 1 ? arena_format(a, "%s-", s->name) : "";
            name = arena_format(a, "%s%c%s%s", name, l == 0 && i == 0 ? '.' : '_', mark,
                                setting_text(a, s));
        }
    return arena_format(a, "%s.%s.cu", name, e->target);
}

static bool for_target(const Variant *v, const char *target)
{
    if (!v->schedule)
        return true;
    for (int i = 0; i < v->schedule->members.count; i++)
        if (strcmp(v->schedule->members.items[i].name, target) == 0)
            return true;
    return v->schedule->members.count == 0;
}

static bool write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    bool good = f && fputs(text, f) >= 0;
    if (f && fclose(f) != 0)
        good = false;
    return good || user_error("%s: %s", path, strerror(errno));
}

char *emit_variant(Arena *arena, Diag *diag, const Program *p, const Variant *v, Kernel *k,
                   const char *target, Host **host)
{
    Lowered low = {.arena = arena, .diag = diag, .kernel = k, .program = p, .variant = v};
    return lower_kernel(&low) ? emit_cuda(&low, target, host) : NULL;
}

static void emit_one(void *context, const Item *kernel, const Variant *v)
{
    Emission *e = context;
    Command *c = e->command;
    if (!for_target(v, e->target))
        return;
    Arena arena = {0};
    Host *host;
    Kernel *k = elaborate(&arena, c->diag, e->program, kernel, v);
    char *text = k ? emit_variant(&arena, c->diag, e->program, v, k, e->target, &host) : NULL;
    if (!text || !write_text(file_name(e, kernel, v), text))
        e->failed = true;
    else
        e->files++;
    arena_free(&arena);
}

int command_emit(Command *c)
{
    if (!c->output)
        return usage_error(c, "-o DIR is missing: where the files shall go");
    if (!c->arch)
        return usage_error(c, "--arch sm90 or --arch sm100 is missing");
    if (mkdir(c->output, 0777) != 0 && errno != EEXIST)
        return user_error("%s: %s", c->output, strerror(errno)), EXIT_USER;
    Emission e = {.command = c, .target = c->arch};
    for (int i = 0; i < c->operands.count; i++) {
        Program p;
        e.program = &p;
        if (!load_program(c, &p, c->operands.items[i])) {
            e.failed = true;
            continue;
        }
        for (int k = 0; k < p.kernels.count; k++)
            if (!c->kernel || strcmp(c->kernel, p.kernels.items[k]->name.name) == 0)
                e.failed |= !variants_each(&p, p.kernels.items[k], emit_one, &e);
    }
    if (!e.failed && !e.files)
        user_error("no kernel%s%s has a variant for %s", c->kernel ? " " : "",
                   c->kernel ? c->kernel : "", c->arch);
    if (c->verbose)
        printf("%d files in %s\n", e.files, c->output);
    return e.failed || !e.files ? EXIT_USER : 0;
}
