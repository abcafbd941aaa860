/* From a checked call to launches: the code that fits, the args struct, the grids. */
#include "runtime/call.h"

#include <string.h>

/* The one parameter of every kernel; tensor maps in it need 64. */
typedef struct Args {
    _Alignas(64) unsigned char bytes[TILE_MOST_ARGS];
} Args;

enum { L2_PROMOTION = 2 }; /* of tensor copies: 128 bytes */

/* ---- which code ---- */

static bool is_aligned(const Call *c)
{
    return c->plan->aligned < 0 || c->values[c->plan->aligned];
}

static tile_status not_aligned(const Call *c)
{
    return tile__call_failed(c, TILE_ERR_ALIGN,
                             "the variant moves vectors, for which addresses and strides of a "
                             "tensor are no multiples of enough bytes, and there is no other code");
}

static tile_status no_code(const Call *c)
{
    return tile__call_failed(c, TILE_ERR_NO_VARIANT, "the variant has no code for %s",
                             tile_arch_name(c->arch));
}

tile_status tile__prepare(Call *c)
{
    const tile_plan *p = c->plan;
    bool aligned = is_aligned(c);
    if (c->arch == TILE_ARCH_CPU) {
        return TILE_OK;
    }
    const tile_code *code = c->build->code[aligned];
    if (!code) {
        return aligned ? no_code(c) : not_aligned(c);
    }
    tile_status status = tile__load(c, code);
    if (status == TILE_OK && p->resident >= 0) {
        tile__evaluate(c, p->resident, p->node_count);
        status = c->fault == FAULT_NONE ? TILE_OK : tile__check_values(c);
    }
    return status;
}

/* ---- the args struct ---- */

static tile_status put_table(const Call *c, const tile_field *f, Args *a, uint32_t *entries)
{
    int param = c->plan->tensors[f->index].param;
    const tile_view *v = &c->views[param];
    uint32_t first = *entries;
    if (v->count > TILE_TABLE_ENTRIES - (int64_t)first) {
        return tile__call_failed(c, TILE_ERR_TABLE,
                                 "%s: all tables of a call have at most %d entries",
                                 param_name(c, param), TILE_TABLE_ENTRIES);
    }
    memcpy(a->bytes + f->offset, &first, sizeof first);
    for (int64_t i = 0; i < v->count; i++) {
        const char *address = data_of(v->entries[i]);
        memcpy(a->bytes + c->plan->args_size + sizeof address * (*entries)++, &address,
               sizeof address);
    }
    return TILE_OK;
}

/* The facts of the aligned code are those of a map; the other code has no tensor copies. */
static tile_status put_map(const Call *c, const tile_plan_map *m, unsigned char *at)
{
    static const tile_tensor_type types[] = {
        [1] = TILE_TENSOR_U8, [2] = TILE_TENSOR_U16, [4] = TILE_TENSOR_U32, [8] = TILE_TENSOR_U64};
    if (!is_aligned(c)) {
        return TILE_OK;
    }
    tile_tensor_map_spec s = {.type = types[m->bytes],
                              .rank = m->rank,
                              .address = c->views[c->plan->tensors[m->tensor].param].address,
                              .swizzle = (tile_swizzle)m->swizzle,
                              .l2_promotion = L2_PROMOTION};
    for (int i = 0; i < m->rank; i++) {
        s.extent[i] = c->values[m->extent[i]];
        s.stride[i] = i ? c->values[m->stride[i]] * m->bytes : m->bytes;
        s.box[i] = m->box[i];
    }
    return tile__take_map(c->context, &s, (tile_tensor_map *)at);
}

static tile_status put_field(const Call *c, const tile_field *f, Args *a, char *scratch,
                             uint32_t *entries)
{
    unsigned char *at = a->bytes + f->offset;
    const char *address = NULL;
    tile_divisor divisor;
    switch (f->kind) {
    case TILE_FIELD_POINTER:
        address = c->views[c->plan->tensors[f->index].param].address;
        memcpy(at, &address, sizeof address);
        return TILE_OK;
    case TILE_FIELD_TABLE:
        return put_table(c, f, a, entries);
    case TILE_FIELD_DIVISOR:
        divisor = tile__divisor((int64_t)c->values[f->node]);
        memcpy(at, &divisor, sizeof divisor);
        return TILE_OK;
    case TILE_FIELD_SCRATCH:
        address = scratch + c->values[f->node];
        memcpy(at, &address, sizeof address);
        return TILE_OK;
    case TILE_FIELD_MAP:
        return put_map(c, &c->plan->maps[f->index], at);
    default: /* VALUE; little-endian */
        memcpy(at, &c->values[f->node], f->size);
        return TILE_OK;
    }
}

static tile_status fill(const Call *c, Args *a, char *scratch)
{
    uint32_t entries = 0;
    tile_status status = TILE_OK;
    memset(a->bytes, 0, c->plan->args_size);
    for (int i = 0; i < c->plan->field_count && status == TILE_OK; i++) {
        status = put_field(c, &c->plan->fields[i], a, scratch, &entries);
    }
    return status;
}

/* ---- the grids ---- */

static tile_status count_blocks(const Call *c, int phase, uint32_t *out)
{
    const tile_phase *p = &c->plan->phases[phase];
    int64_t blocks = (int64_t)c->values[p->blocks];
    int64_t resident = c->loaded->phases[phase].resident, cluster = p->cluster ? p->cluster : 1;
    *out = 0;
    if (blocks <= 0) {
        return TILE_OK;
    }
    if (p->persistent && blocks > resident) {
        blocks = resident;
    }
    blocks = (blocks + cluster - 1) / cluster * cluster;
    if (p->cooperative && blocks > resident) {
        return tile__call_failed(c, TILE_ERR_OCCUPANCY,
                                 "%s: %lld blocks must be resident together, %s holds %lld",
                                 p->entry, (long long)blocks, tile_context_device(c->context)->name,
                                 (long long)resident);
    }
    if (blocks > INT32_MAX) {
        return tile__call_failed(c, TILE_ERR_VALUE, "%s: %lld blocks are too many", p->entry,
                                 (long long)blocks);
    }
    *out = (uint32_t)blocks;
    return TILE_OK;
}

static tile_status launch(const Call *c, int phase, uint32_t blocks, Args *a, tile_stream stream)
{
    const tile_phase *p = &c->plan->phases[phase];
    void *arguments[1] = {a->bytes};
    tile_launch_config config = {
        .grid = {blocks, 1, 1},
        .block = {p->threads, 1, 1},
        .shared_bytes = p->shared_bytes,
        .cooperative = p->cooperative,
        .pdl = p->pdl,
    };
    if (p->cluster > 1) {
        config.cluster[0] = p->cluster;
        config.cluster[1] = config.cluster[2] = 1;
    }
    return tile_launch(c->loaded->phases[phase].function, &config, stream, arguments);
}

tile_status tile__start(Call *c, void *scratch, tile_stream stream)
{
    uint32_t blocks[TILE_MOST_PHASES];
    Args args;
    if (c->arch == TILE_ARCH_CPU) {
        const tile_checked checked = {c->kernel,   c->context, c->variant, c->plan,
                                      c->schedule, c->views,   c->scalars, c->values};
        return c->kernel->provider->run(&checked);
    }
    tile_status status = fill(c, &args, scratch);
    for (int i = 0; i < c->plan->phase_count && status == TILE_OK; i++) {
        status = count_blocks(c, i, &blocks[i]);
    }
    for (int i = 0; i < c->plan->phase_count && status == TILE_OK; i++) {
        status = launch(c, i, blocks[i], &args, stream);
    }
    return status;
}
