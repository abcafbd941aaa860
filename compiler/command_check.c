/* tilec check: every kernel of every file, in every variant. */
#include <string.h>

#include "compiler/command.h"

typedef struct Check {
    Command *command;
    Program *program;
    Arena arena;                     /* of one variant's IR at a time */
    int variants;
} Check;

static void check_variant(void *context, const Item *kernel, const Variant *variant)
{
    Check *check = context;
    Command *c = check->command;
    if (diag_full(c->diag))
        return;
    const Kernel *k = elaborate(&check->arena, c->diag, check->program, kernel, variant);
    check->variants++;
    if (k && c->dump && c->diag->out)
        kernel_print(stdout, k);
    arena_free(&check->arena);
}

static bool is_present(void *context, Name name)
{
    (void)context, (void)name;
    return true;
}

/* The variant that -s asks for. */
static void check_chosen(Check *check, const Item *kernel)
{
    Command *c = check->command;
    Given *given = settings_given(c);
    VariantRequest request = {given, c->settings.count, is_present, NULL, NULL};
    Variant v = {0};
    if (settings_known(c, check->program, kernel, NULL) &&
        variant_choose(check->program, kernel, &request, &v))
        check_variant(check, kernel, &v);
}

static bool is_wanted(const Command *c, const char *kernel)
{
    for (int i = 1; i < c->operands.count; i++)
        if (strcmp(c->operands.items[i], kernel) == 0)
            return true;
    return !c->dump || c->operands.count == 1;
}

static bool check_file(Check *check, const char *path)
{
    Command *c = check->command;
    Program program;
    double start = seconds_now();
    int before = c->diag->errors;
    check->program = &program;
    check->variants = 0;
    if (!load_program(c, &program, path))
        return false;
    if (c->dump && strcmp(c->dump, "ast") == 0) {
        ast_dump(stdout, program.units.items[0]);
        return true;
    }
    bool ok = true;
    for (int i = 1; c->dump && i < c->operands.count; i++)
        ok = pick_kernel(c, &program, c->operands.items[i]) && ok;
    for (int i = 0; i < program.kernels.count && !diag_full(c->diag); i++) {
        const Item *kernel = program.kernels.items[i];
        if (!is_wanted(c, kernel->name.name))
            continue;
        if (c->settings.count)
            check_chosen(check, kernel);
        else
            variants_each(&program, kernel, check_variant, check);
    }
    if (c->verbose)
        printf("%s: %d kernel%s, %d variant%s, %.1f ms\n", path, program.kernels.count,
               program.kernels.count == 1 ? "" : "s", check->variants,
               check->variants == 1 ? "" : "s", 1e3 * (seconds_now() - start));
    return ok && c->diag->errors == before;
}

int command_check(Command *c)
{
    Check check = {.command = c};
    bool ok = true;
    int files = c->dump ? 1 : c->operands.count;
    for (int i = 0; i < files && !diag_full(c->diag); i++)
        ok = check_file(&check, c->operands.items[i]) && ok;
    return ok ? 0 : EXIT_USER;
}
