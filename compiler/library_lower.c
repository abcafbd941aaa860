/* From a variant to its plan and its CUDA. */
#include <string.h>

#include "compiler/command.h"
#include "compiler/host.h"
#include "compiler/library.h"

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

/* ---- what stays of a variant ---- */

static const char *keep_text(Arena *a, const char *text)
{
    return arena_text(a, text, strlen(text));
}

#define KEEP(a, list, count)                                                      \
    ((count) ? memcpy(arena_alloc((a), sizeof *(list) * (size_t)(count)), (list), \
                      sizeof *(list) * (size_t)(count))                           \
             : NULL)

/* The plan with all that it points at, in another arena. */
static tile_plan *keep_plan(Arena *a, const tile_plan *from)
{
    tile_plan *p = NEW(a, tile_plan);
    *p = *from;
    p->nodes = KEEP(a, from->nodes, from->node_count);
    p->fields = KEEP(a, from->fields, from->field_count);
    p->tensors = KEEP(a, from->tensors, from->tensor_count);
    p->maps = KEEP(a, from->maps, from->map_count);
    tile_phase *phases = KEEP(a, from->phases, from->phase_count);
    tile_dim *dims = KEEP(a, from->dims, from->dim_count);
    tile_extent *extents = KEEP(a, from->extents, from->extent_count);
    tile_require *requires = KEEP(a, from->requires, from->require_count);
    for (int i = 0; i < p->phase_count; i++)
        phases[i].entry = keep_text(a, phases[i].entry);
    for (int i = 0; i < p->dim_count; i++)
        dims[i].name = keep_text(a, dims[i].name);
    for (int i = 0; i < p->extent_count; i++)
        extents[i].text = keep_text(a, extents[i].text);
    for (int i = 0; i < p->require_count; i++)
    requires[i].text = keep_text(a, requires[i].text);
    p->phases = phases;
    p->dims = dims;
    p->extents = extents;
    p->requires = requires;
    return p;
}

static CodeLimits keep_limits(Arena *a, const CodeLimits *from)
{
    CodeLimits to = {0};
    for (int i = 0; i < from->count; i++) {
        CodeLimit l = from->items[i];
        l.entry = keep_text(a, l.entry);
        PUSH(a, &to, l);
    }
    return to;
}

/* In an arena that goes when the variant is lowered: its IR is large. */
static bool lower(LibraryKernel *k, Arena *a, Diag *diag, tile_arch arch, const Variant *v,
                  LibraryBuild *out)
{
    bool cpu = arch == TILE_ARCH_CPU;
    const char *cuda = NULL;
    SumOrders *orders = sum_orders_new(k->arena, v);
    Host *h = NEW(a, Host);
    Kernel *ir = elaborate(a, diag, k->program, k->item, v);
    if (!ir)
        return false;
    sum_orders_of_program(orders, ir);
    if (cpu)
        host_start(h, a, ir);
    else if (!(cuda = emit_variant(a, diag, k->program, v, ir, tile_arch_name(arch), k->lines, &h)))
        return false;
    tile_plan plan = host_plan(h);
    if (h->wrong)
        return diag_error(diag, h->wrong_pos, NULL, "%s", h->wrong);
    finish_tensors(k, ir, &plan, cpu);
    if (too_large(k, diag, ir, &plan))
        return false;
    sum_orders_of_plans(orders, ir);
    out->orders = orders;
    out->plan = keep_plan(k->arena, &plan);
    out->cuda = cuda ? keep_text(k->arena, cuda) : NULL;
    out->limits = keep_limits(k->arena, &h->limits);
    k->has_scratch |= plan.scratch_bytes >= 0;
    return true;
}

bool library_lower(LibraryKernel *k, Diag *diag, tile_arch arch, const Variant *v,
                   LibraryBuild *out)
{
    Arena arena = {0};
    bool ok = lower(k, &arena, diag, arch, v, out);
    arena_free(&arena);
    return ok;
}
