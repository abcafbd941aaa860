/* From a variant to its plan and its CUDA. */
#include <string.h>

#include "compiler/host.h"
#include "compiler/library.h"
#include "compiler/lower.h"

Kernel *elaborate(Arena *, Diag *, const Program *, const Item *kernel, const Variant *);
char *emit_variant(Arena *, Diag *, const Program *, const Variant *, const Kernel *,
                   const char *target, struct Lowered *);

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

/* Every tensor, dim and scalar, a block a program: until the emitter says what it needs. */
static void sketch(Host *h, const Kernel *ir)
{
    for (const Op *op = ir->body->first; op; op = op->next) {
        const char *name = op->name;
        if (op->code == OP_TENSOR && op->results[0]->type.kind == TY_TABLE)
            host_table(h, op, name);
        else if (op->code == OP_TENSOR && op->tensor->dir == PARAM_SCRATCH)
            host_scratch(h, host_scratch_offset(h, op), "void *", name);
        else if (op->code == OP_TENSOR)
            host_pointer(h, op, "void *", name);
        else if (op->code == OP_DIM)
            host_number(h, host_value(h, op->results[0]), "int64_t", name);
        else if (op->code == OP_SCALAR && host_value(h, op->results[0]) >= 0)
            host_number(h, host_value(h, op->results[0]), "uint32_t", name);
    }
    for (const Op *op = ir->body->first; op; op = op->next) {
        int blocks = op->code == OP_PAR ? host_constant(h, 1) : -1;
        bool known = true;
        for (int i = 0; op->code == OP_PAR && i + 1 < op->nregions; i++) {
            Value *const *y = op->regions[i]->last->args;
            int lo = host_value(h, y[0]), hi = host_value(h, y[1]), by = host_value(h, y[2]);
            known = known && lo >= 0 && hi >= 0 && by >= 0;
            if (!known)
                break;
            int n = host_node(h, TILE_NODE_SUB, TILE_I64, hi, lo, 0);
            n = host_node(h, TILE_NODE_ADD, TILE_I64, n, by, 0);
            n = host_node(h, TILE_NODE_SUB, TILE_I64, n, host_constant(h, 1), 0);
            n = host_node(h, TILE_NODE_FDIV, TILE_I64, n, by, 0);
            blocks = host_node(h, TILE_NODE_MUL, TILE_I64, blocks, n, 0);
        }
        if (op->code != OP_PAR)
            continue;
        tile_phase p = {.entry = arena_format(h->arena, "tk_%s%s%s", ir->name, op->name ? "_" : "",
                                              op->name ? op->name : ""),
                        .threads = 128,
                        .persistent = !known};
        p.blocks = known ? blocks
                         : host_node(h, TILE_NODE_RESIDENT, TILE_I64, h->phases.count, 0, 0);
        PUSH(h->arena, &h->phases, p);
    }
}

bool library_lower(LibraryKernel *k, Diag *diag, tile_arch arch, const Variant *v,
                   LibraryBuild *out)
{
    Kernel *ir = elaborate(k->arena, diag, k->program, k->item, v);
    bool cpu = arch == TILE_ARCH_CPU;
    tile_plan *plan = NEW(k->arena, tile_plan);
    Lowered low;
    Host h;
    if (!ir)
        return false;
    host_start(&h, k->arena, ir, v);
    host_scratch_layout(&h);
    if (!cpu) {
        sketch(&h, ir);
        out->cuda = emit_variant(k->arena, diag, k->program, v, ir, tile_arch_name(arch), &low);
        if (!out->cuda)
            return false;
    }
    *plan = host_plan(&h);
    if (h.wrong)
        return diag_error(diag, h.wrong_pos, NULL, "%s", h.wrong);
    finish_tensors(k, ir, plan, cpu);
    out->plan = plan;
    k->has_scratch |= plan->scratch_bytes >= 0;
    return !too_large(k, diag, ir, plan);
}
