/* Kernels in the form that the engine takes, in memory. */
#include <stdatomic.h>

#include "compiler/library.h"

void library_describe(const LibraryKernel *k, tile_kernel *out)
{
    *out = (tile_kernel){
        .version = TILE_STUB_VERSION,
        .name = k->name,
        .params = k->params,
        .statics = k->statics,
        .param_count = k->param_count,
        .static_count = k->static_count,
        .key_count = k->key_count,
        .has_scratch = k->has_scratch,
    };
}

/* Codes get numbers that no other has: their memory may be used again. */
static void export_build(Arena *a, const LibraryBuild *from, tile_build *to)
{
    static const char *const options[] = {"-DTILE_ALIGNED=0", NULL};
    static atomic_uint_fast64_t serials = 1;
    to->plan = from->plan;
    for (int aligned = 0; from->cuda && aligned < 2; aligned++) {
        if (!aligned && from->plan->aligned < 0)
            continue;
        tile_code *code = NEW(a, tile_code);
        *code = (tile_code){.name = arena_format(a, "%s.cu", from->name),
                            .text = from->cuda,
                            .options = aligned ? NULL : options,
                            .serial = atomic_fetch_add(&serials, 1)};
        to->code[aligned] = code;
    }
}

/* A list of schedules of which some were refused takes not all calls. */
static bool is_complete(const LibraryBuild *b)
{
    while (b && b->plan && b->plan->when >= 0)
        b = b->next;
    return b && b->plan;
}

static void export_builds(Arena *a, const LibraryBuild *from, tile_build *to)
{
    export_build(a, from, to);
    if (!from->next)
        return;
    tile_build *next = NEW(a, tile_build);
    export_builds(a, from->next, next);
    to->next = next;
}

tile_variant_list *library_list(const LibraryKernel *k, Arena *a, const tile_variant_list *before)
{
    tile_variant_list *list = NEW(a, tile_variant_list);
    tile_variant *items = NEW_ARRAY(a, tile_variant, k->variants.count);
    for (int i = 0; i < k->variants.count; i++) {
        const LibraryVariant *v = &k->variants.items[i];
        items[i].key = v->key;
        for (int n = 0; before && n < before->count; n++)
            if (before->items[n].key == v->key)
                items[i] = before->items[n];
        for (int t = 0; t < TILE_TARGETS; t++)
            if (is_complete(&v->builds[t]) && !items[i].builds[t].plan)
                export_builds(a, &v->builds[t], &items[i].builds[t]);
    }
    *list = (tile_variant_list){items, k->variants.count};
    return list;
}
