/* From a variant to its plan and its CUDA. */
#include <string.h>

#include "compiler/host.h"
#include "compiler/library.h"
#include "compiler/lower.h"

Kernel *elaborate(Arena *, Diag *, const Program *, const Item *kernel, const Variant *);
char *emit_variant(Arena *, Diag *, const Program *, const Variant *, const Kernel *,
                   const char *target, struct Host **);

static int param_of(const LibraryKernel *k, const char *name)
{
    for (int i = 0; i < k->param_count; i++)
        if (strcmp(k->params[i].name, name) == 0)
            return i;
    return -1;
}

/* Tensors of the plan get their parameters; on the CPU any stride of the language is taken. */
static void finish_tensors(const LibraryKernel *k, const Kernel *ir, tile_plan *plan, bool cpu)
{
    tile_plan_tensor *list = NEW_ARRAY(k->arena, tile_plan_tensor, plan->tensor_count);
    int n = 0;
    for (const Op *op = ir->body->first; op; op = op->next) {
        if (op->code != OP_TENSOR)
            continue;
        list[n] = plan->tensors[n];
        list[n].param = op->tensor->dir == PARAM_SCRATCH ? -1 : param_of(k, op->name);
        list[n].strided = cpu && list[n].format == TILE_FORM_ROW ? 0xFF : list[n].strided;
        n++;
    }
    plan->tensors = list;
}

static bool too_large(const LibraryKernel *k, Diag *diag, const Kernel *ir, const tile_plan *p)
{
    const struct {
        const char *what;
        int64_t count, most;
    } limits[] = {
        {"numbers for the host to compute", p->node_count, TILE_MOST_NODES},
        {"phases", p->phase_count, TILE_MOST_PHASES},
        {"bytes of arguments", p->args_size + (p->tables ? 8 * TILE_TABLE_ENTRIES : 0),
         TILE_MOST_ARGS},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i].count > limits[i].most)
            return !diag_error(diag, ir->pos, NULL, "kernel %s needs %lld %s; %lld are possible",
                               k->name, (long long)limits[i].count, limits[i].what,
                               (long long)limits[i].most);
    return false;
}

bool library_lower(LibraryKernel *k, Diag *diag, tile_arch arch, const Variant *v,
                   LibraryBuild *out)
{
    Kernel *ir = elaborate(k->arena, diag, k->program, k->item, v);
    bool cpu = arch == TILE_ARCH_CPU;
    tile_plan *plan = NEW(k->arena, tile_plan);
    Host *h = NEW(k->arena, Host);
    if (!ir)
        return false;
    if (cpu)
        host_start(h, k->arena, ir, v);
    else
        out->cuda = emit_variant(k->arena, diag, k->program, v, ir, tile_arch_name(arch), &h);
    if (!cpu && !out->cuda)
        return false;
    *plan = host_plan(h);
    if (h->wrong)
        return diag_error(diag, h->wrong_pos, NULL, "%s", h->wrong);
    finish_tensors(k, ir, plan, cpu);
    out->plan = plan;
    k->has_scratch |= plan->scratch_bytes >= 0;
    return !too_large(k, diag, ir, plan);
}
