/* tilec run: a kernel of a file on tensors of .npy files. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/command.h"
#include "compiler/lower.h"
#include "runtime/tile.h"

static bool is_ir(const char *path)
{
    size_t n = strlen(path);
    return n > 3 && strcmp(path + n - 3, ".ir") == 0;
}

/* A kernel that was dumped. */
static bool read_kernel(RunPlan *plan, const char *path, const char *name)
{
    Command *c = plan->command;
    const Source *s = read_file(c, path);
    if (!s)
        return false;
    plan->kernel = kernel_read(plan->arena, plan->diag, s);
    if (!plan->kernel)
        return false;
    const char *wrong = kernel_verify(plan->arena, plan->kernel);
    if (wrong)
        return user_error("%s: %s", path, wrong);
    if (name && strcmp(name, plan->kernel->name) != 0)
        return user_error("%s: has no kernel %s; it has %s", path, name, plan->kernel->name);
    return settings_known(c, NULL, NULL, plan->kernel) &&
           settings_arguments(c, NULL, plan->kernel, NULL, NULL, &plan->arguments,
                              &plan->narguments);
}

bool run_record_target(RunPlan *plan)
{
    Lowered low = {.arena = plan->arena,
                   .diag = plan->diag,
                   .kernel = plan->kernel,
                   .program = &plan->program,
                   .variant = &plan->variant};
    if (!lower_kernel(&low))
        return false;
    const char *wrong = kernel_verify(plan->arena, plan->kernel);
    return !wrong || user_error("%s: %s", plan->kernel->name, wrong);
}

/* Whose schedules the run follows; NULL: those of the first one's target. */
static const char *target_of(const RunPlan *plan)
{
    const Command *c = plan->command;
    return plan->gpu ? run_gpu_target(plan) : c->machine ? c->machine : c->plan;
}

bool run_take_schedule(RunPlan *plan, int number)
{
    plan->variant = plan->variants.items[number];
    plan->kernel = elaborate(plan->arena, plan->diag, &plan->program, plan->item, &plan->variant);
    return plan->kernel &&
           settings_arguments(plan->command, plan->item, plan->kernel, &plan->variant, plan->given,
                              &plan->arguments, &plan->narguments);
}

/* A kernel of a program, in the variant that settings and files ask for. */
static bool choose_kernel(RunPlan *plan, const char *path, const char *name)
{
    Command *c = plan->command;
    if (!load_program(c, &plan->program, path))
        return false;
    plan->item = pick_kernel(c, &plan->program, name);
    if (!plan->item || !settings_known(c, &plan->program, plan->item, NULL))
        return false;
    plan->given = settings_given(c);
    VariantRequest request = {.given = plan->given,
                              .ngiven = c->settings.count,
                              .present = run_is_named,
                              .known = run_knows_dim,
                              .context = plan,
                              .target = target_of(plan)};
    return variant_choose_all(&plan->program, plan->item, &request, &plan->variants) &&
           run_take_schedule(plan, 0);
}

/* Dims and extents, in the first schedule whose `when` holds for them. */
static bool solve(RunPlan *plan)
{
    bool ok = run_solve(plan);
    for (int i = 1; ok && !plan->solution.taken && i < plan->variants.count; i++) {
        ok = run_take_schedule(plan, i);
        run_list_tensors(plan);
        ok = ok && run_solve(plan);
    }
    return ok;
}

int run_prepare(RunPlan *plan, Command *c)
{
    *plan = (RunPlan){.command = c, .arena = c->arena, .diag = c->diag};
    const char *path = c->operands.items[0];
    const char *name = c->operands.count > 1 ? c->operands.items[1] : NULL;
    tile_arch arch;
    if (c->plan && is_ir(path))
        return usage_error(c, "--plan takes a .tile file: tile IR has its own plans");
    if (c->machine && !tile_arch_find(c->machine, &arch))
        return user_error("--machine %s: there is no such target", c->machine), EXIT_USER;
    if (c->device && strcmp(c->device, "cuda") == 0 && !run_open_gpu(plan))
        return EXIT_USER;
    int code = run_open_files(plan);
    if (code)
        return code;
    bool ok = is_ir(path) ? read_kernel(plan, path, name) : choose_kernel(plan, path, name);
    ok = ok && run_match_files(plan) && solve(plan) && (!c->plan || run_record_target(plan)) &&
         run_check_targets(plan) && run_allocate(plan);
    return ok ? 0 : EXIT_USER;
}

RunOptions run_options(const Command *c)
{
    return (RunOptions){.seed = c->seed, .threads = c->threads, .progress = isatty(2)};
}

bool run_execute(RunPlan *plan, const RunOptions *options)
{
    double start = seconds_now();
    bool ok = interp_run(plan->kernel, plan->bindings, plan->nbindings, plan->arguments,
                         plan->narguments, options, plan->diag);
    plan->seconds = seconds_now() - start;
    return ok;
}

bool run_finish(RunPlan *plan)
{
    bool ok = true;
    for (int i = 0; i < plan->outputs.count; i++) {
        const RunFile *f = &plan->outputs.items[i];
        const Binding *b = &plan->bindings[f->tensor];
        ok = run_write(plan, f, &b->buffers[f->entry < 0 ? 0 : f->entry]) && ok;
    }
    return ok;
}

void run_free(RunPlan *plan)
{
    for (int i = 0; i < plan->inputs.count; i++)
        if (plan->inputs.items[i].fd >= 0)
            close(plan->inputs.items[i].fd);
    for (int k = 0; k < plan->nbindings; k++)
        for (int e = 0; e < plan->bindings[k].entries; e++)
            free(plan->bindings[k].buffers[e].data);
    run_close_gpu(plan);
}

/* ---- -v ---- */

static void tell_arguments(const RunPlan *plan)
{
    for (const Op *op = plan->kernel->body->first; op; op = op->next) {
        if (op->code != OP_DIM)
            continue;
        for (int i = 0; i < plan->narguments; i++)
            if (strcmp(plan->arguments[i].name, op->name) == 0)
                printf(" %s=%" PRId64, op->name, (int64_t)plan->arguments[i].bits);
    }
}

static void tell(RunPlan *plan)
{
    const char *variant = plan->item ? variant_text(&plan->program, &plan->variant)
                                     : plan->kernel->variant;
    printf("%s: %s\n  dims:", plan->kernel->name, variant ? variant : "");
    tell_arguments(plan);
    putchar('\n');
    for (int k = 0; k < plan->nbindings; k++) {
        const Binding *b = &plan->bindings[k];
        const TensorInfo *info = b->tensor->tensor;
        for (int e = 0; e < b->entries && info->dir != PARAM_IN; e++) {
            const Buffer *t = &b->buffers[e];
            const RunFile *f = run_file_of(&plan->outputs, k, e);
            char entry[24] = "";
            if (b->tensor->results[0]->type.kind == TY_TABLE)
                snprintf(entry, sizeof entry, "[%d]", e);
            printf("  %s %s%s: %s%s %s, %s%s\n", dir_name[info->dir], t->name, entry,
                   dtype_info[t->dtype].name, shape_text(plan->arena, t->rank, t->extent),
                   format_name[t->format], f ? "written to " : "not written", f ? f->path : "");
        }
    }
    printf("  %.6f s\n", plan->seconds);
}

/* Options that mean nothing beside the others. */
static const char *wrong_options(const Command *c, bool cuda)
{
    if (c->machine && c->device)
        return "either --device or --machine";
    if (!c->machine && c->timeline)
        return "--timeline needs --machine";
    if (c->block && !c->timeline)
        return "--block needs --timeline";
    if (!cuda && c->times)
        return "--time needs --device cuda";
    if (!cuda && !c->machine && c->pitches.count + c->offsets.count)
        return "--pitch and --offset need --device cuda or --machine";
    if ((cuda || c->machine) && c->plan)
        return "--plan is for the interpreter: a target's threads have their own order";
    return NULL;
}

int command_run(Command *c)
{
    RunPlan plan;
    if (c->batch)
        return command_batch(c);
    bool cuda = c->device && strcmp(c->device, "cuda") == 0;
    const char *wrong = wrong_options(c, cuda);
    if (wrong)
        return usage_error(c, "%s", wrong);
    RunOptions options = run_options(c);
    int code = run_prepare(&plan, c);
    if (!code && (cuda || c->machine))
        code = (cuda ? run_cuda : run_machine)(&plan) && run_finish(&plan) ? 0 : EXIT_USER;
    else if (!code &&
             !(run_execute(&plan, &options) && run_aliases(&plan, &options) && run_finish(&plan)))
        code = EXIT_USER;
    if (!code && c->verbose)
        tell(&plan);
    run_free(&plan);
    return code;
}

int command_debug(Command *c)
{
    RunPlan plan;
    int code = run_prepare(&plan, c);
    if (!code)
        code = debugger_main(&plan);
    run_free(&plan);
    return code;
}
