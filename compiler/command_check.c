/* tilec check: every kernel of every file, in every variant. */
#include <stdlib.h>
#include <string.h>

#include "compiler/command.h"
#include "compiler/lower.h"
#include "compiler/sum_orders.h"
#include "runtime/tile.h"

typedef struct Check {
    Command *command;
    Program *program;
    Arena arena;       /* of one variant's IR at a time */
    int errors;        /* of Diag before the kernel */
    int variants;      /* of the kernel */
    bool failed;       /* a variant of the kernel has errors */
    SumOrders *orders; /* of the first of the schedules that a variant may run with */
    FILE *dump;        /* the IR of the kernel's variants, into `text` */
    char *text;
    size_t length;
} Check;

static void begin_kernel(Check *check)
{
    check->errors = check->command->diag->errors;
    check->variants = 0;
    check->failed = false;
    check->text = NULL;
    check->dump = check->command->dump ? open_memstream(&check->text, &check->length) : NULL;
}

/* Prints the dump, or drops it. */
static void end_kernel(Check *check, bool show)
{
    if (!check->dump)
        return;
    fclose(check->dump);
    if (show)
        fwrite(check->text, 1, check->length, stdout);
    free(check->text);
}

/* A call may run with several schedules: they must give a row the same bits. What cannot be lowered
 * is a matter of those who emit it. */
static void compare_orders(Check *check, const Item *kernel, const Variant *v)
{
    Diag *diag = check->command->diag, muted = {.arena = &check->arena};
    SumOrders *orders = sum_orders_new(check->command->arena, v);
    Kernel *k = orders ? elaborate(&check->arena, &muted, check->program, kernel, v) : NULL;
    Lowered low = {.arena = &check->arena,
                   .diag = &muted,
                   .kernel = k,
                   .program = check->program,
                   .variant = v};
    if (!k)
        return;
    sum_orders_of_program(orders, k);
    if (lower_kernel(&low))
        sum_orders_of_plans(orders, k);
    if (v->number == 0)
        check->orders = orders;
    else if (check->orders)
        sum_orders_agree(diag, kernel, check->orders, orders);
}

static bool has_asserts(const DirectiveList *list)
{
    for (int i = 0; i < list->count; i++) {
        const Directive *d = &list->items[i];
        if ((d->kind == D_WORDS && strcmp(d->words.items[0].name, "assert") == 0) ||
            (d->kind == D_PHASE && has_asserts(&d->body)))
            return true;
    }
    return false;
}

/* What `assert` of the variant's schedule asks of the emitted code. Whatever else cannot be lowered
 * is a matter of those who emit it. */
static void check_asserts(Check *check, const Item *kernel, const Variant *variant)
{
    Diag muted = {.arena = &check->arena};
    for (int t = TILE_SM90; t <= TILE_SM100; t++) {
        const char *target = tile_arch_name((tile_arch)t);
        if (!schedule_is_for(variant->schedule, target))
            continue;
        Kernel *k = elaborate(&check->arena, &muted, check->program, kernel, variant);
        Lowered low = {.arena = &check->arena,
                       .diag = &muted,
                       .kernel = k,
                       .program = check->program,
                       .variant = variant,
                       .asserted = check->command->diag};
        Host *host;
        if (k && lower_kernel(&low))
            emit_cuda(&low, target, &host);
    }
}

static void check_variant(void *context, const Item *kernel, const Variant *variant)
{
    Check *check = context;
    Diag *diag = check->command->diag;
    if (diag_full(diag))
        return;
    if (check->failed && diag->errors == check->errors) {
        end_kernel(check, false); /* values were guessed in vain; these are the next ones */
        begin_kernel(check);
    }
    const Kernel *k = elaborate(&check->arena, diag, check->program, kernel, variant);
    check->variants++;
    check->failed |= !k;
    if (k && check->dump)
        kernel_print(check->dump, k);
    if (k)
        compare_orders(check, kernel, variant);
    if (k && !check->dump && variant->schedule && has_asserts(&variant->schedule->directives))
        check_asserts(check, kernel, variant);
    arena_free(&check->arena);
}

/* Optional tensors are present unless -s NAME=none. */
static bool is_present(void *context, Name name)
{
    const PairList *settings = context;
    for (int i = 0; i < settings->count; i++)
        if (strcmp(settings->items[i].name, name) == 0)
            return strcmp(settings->items[i].value, "none") != 0;
    return true;
}

/* The variant that -s asks for. */
static bool check_chosen(Check *check, const Item *kernel)
{
    Command *c = check->command;
    Given *given = settings_given(c);
    VariantRequest request = {given, c->settings.count, is_present, NULL, &c->settings, NULL, true};
    VariantList list = {0};
    if (!settings_known(c, check->program, kernel, NULL) ||
        !variant_choose_all(check->program, kernel, &request, &list))
        return false;
    int before = c->diag->errors;
    for (int i = 0; i < list.count; i++)
        check_variant(check, kernel, &list.items[i]);
    return !c->machine || c->diag->errors > before ||
           check_machine(c, check->program, kernel, &request);
}

/* Every variant; where schedules are chosen by the call, on each target in turn. */
static bool check_each(Check *check, const Item *kernel)
{
    Command *c = check->command;
    int before = c->diag->errors;
    bool ok = true;
    if (!schedules_have_when(check->program, kernel))
        ok = variants_each(check->program, kernel, NULL, check_variant, check);
    else
        for (int t = 0; t < TILE_ARCH_COUNT; t++)
            ok = variants_each(check->program, kernel, tile_arch_name((tile_arch)t), check_variant,
                               check) &&
                 ok;
    if (c->machine && ok && c->diag->errors == before)
        ok = check_machine(c, check->program, kernel, NULL);
    return ok;
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
    int before = c->diag->errors, variants = 0;
    check->program = &program;
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
        begin_kernel(check);
        if (c->settings.count)
            ok = check_chosen(check, kernel) && ok;
        else
            ok = check_each(check, kernel) && ok;
        end_kernel(check, true);
        variants += check->variants;
    }
    if (c->verbose)
        printf("%s: %d kernel%s, %d variant%s, %.1f ms\n", path, program.kernels.count,
               program.kernels.count == 1 ? "" : "s", variants, variants == 1 ? "" : "s",
               1e3 * (seconds_now() - start));
    return ok && c->diag->errors == before;
}

int command_check(Command *c)
{
    Check check = {.command = c};
    bool ok = true;
    if (!c->machine && (c->seed || c->seeds))
        return usage_error(c, "--seed and --seeds need --machine");
    if (c->machine && c->dump)
        return usage_error(c, "-d takes no --machine");
    c->seeds = c->seeds ? c->seeds : 3;
    int files = c->dump ? 1 : c->operands.count;
    for (int i = 0; i < files && !diag_full(c->diag); i++)
        ok = check_file(&check, c->operands.items[i]) && ok;
    return ok ? 0 : EXIT_USER;
}
