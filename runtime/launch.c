/* The warm path: from arguments to the driver's launch, on the stack alone. */
#include "runtime/runtime.h"

static bool is_empty(const tile_launch_config *config)
{
    return config->grid[0] == 0 || config->grid[1] == 0 || config->grid[2] == 0;
}

/* One attribute for each thing asked for; their number. */
static unsigned list_attributes(const tile_launch_config *config, CuLaunchAttribute list[3])
{
    unsigned count = 0;
    if (config->cluster[0] != 0) {
        list[count].id = CU_LAUNCH_CLUSTER;
        for (int i = 0; i < 3; i++) {
            list[count].value.cluster[i] = config->cluster[i];
        }
        count++;
    }
    if (config->cooperative) {
        list[count].id = CU_LAUNCH_COOPERATIVE;
        list[count++].value.flag = 1;
    }
    if (config->pdl) {
        list[count].id = CU_LAUNCH_PDL;
        list[count++].value.flag = 1;
    }
    return count;
}

static tile_status launch_failed(const tile_function *f, const tile_launch_config *config,
                                 int result)
{
    const uint32_t *g = config->grid, *b = config->block, *k = config->cluster;
    return tile__driver_failed(f->context, TILE_ERR_LAUNCH, result,
                               "launching kernel %s (grid %u x %u x %u, block %u x %u x %u, "
                               "cluster %u x %u x %u, %u bytes of shared memory%s%s) on GPU %d",
                               f->name, g[0], g[1], g[2], b[0], b[1], b[2], k[0], k[1], k[2],
                               config->shared_bytes, config->cooperative ? ", cooperative" : "",
                               config->pdl ? ", pdl" : "", f->context->info.ordinal);
}

tile_status tile_launch(const tile_function *f, const tile_launch_config *config, void *stream,
                        void *const *arguments)
{
    if (!f || !config) {
        return tile__fail(f ? f->context : NULL, TILE_ERR_NULL, "tile_launch: %s is null",
                          f ? "the configuration" : "the function");
    }
    if (is_empty(config)) {
        return TILE_OK;
    }
    const tile_context *c = f->context;
    CuLaunchAttribute attributes[3];
    CuLaunchConfig launch = {
        .grid = {config->grid[0], config->grid[1], config->grid[2]},
        .block = {config->block[0], config->block[1], config->block[2]},
        .shared_bytes = config->shared_bytes,
        .stream = stream,
        .attributes = attributes,
        .attribute_count = list_attributes(config, attributes),
    };
    bool pushed;
    tile_status status = tile__enter(c, &pushed);
    if (status != TILE_OK) {
        return status;
    }
    int result = c->driver->cuLaunchKernelEx(&launch, f->handle, (void **)arguments, NULL);
    tile__leave(c, pushed);
    return result == CU_SUCCESS ? TILE_OK : launch_failed(f, config, result);
}

tile_status tile__tensor_map(tile_context *c, const tile_tensor_map_spec *s, tile_tensor_map *map)
{
    const char *wrong = tile_tensor_map_encode(s, map);
    if (wrong) {
        return tile__fail(c, TILE_ERR_VALUE, "a tensor map for %p: %s", s->address, wrong);
    }
    uint32_t steps[5];
    for (int i = 0; i < s->rank; i++) {
        steps[i] = s->step[i] ? s->step[i] : 1;
    }
    bool pushed;
    tile_status status = tile__enter(c, &pushed);
    if (status != TILE_OK) {
        return status;
    }
    int result = c->driver->cuTensorMapEncodeTiled(map, (int)s->type, (uint32_t)s->rank, s->address,
                                                   s->extent, s->stride + 1, s->box, steps, 0,
                                                   (int)s->swizzle, s->l2_promotion, s->fill_nan);
    tile__leave(c, pushed);
    return result == CU_SUCCESS
               ? TILE_OK
               : tile__driver_failed(c, TILE_ERR_VALUE, result,
                                     "making a tensor map of rank %d for %p", s->rank, s->address);
}
