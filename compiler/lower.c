/* What happens to a kernel's IR before it is emitted for a GPU. The interpreter runs it after any
 * of these passes. */
#include "compiler/lower.h"

bool lower_kernel(Lowered *low)
{
    drop_empty(low->kernel);
    open_shares(low->kernel);
    if (!plan_phases(low))
        return false;
    for (int i = 0; i < low->nphases; i++)
        if (!loop_programs(low, &low->phases[i]) || !check_paths(low, &low->phases[i]) ||
            !place_named(low, &low->phases[i]) || !pipeline_loads(low, &low->phases[i]) ||
            !chunk_tiles(low, &low->phases[i]))
            return false;
        else
            hand_to_roles(low, &low->phases[i]);
    low->layouts = low->kernel->next_id;
    low->cells = NEW_ARRAY(low->arena, Cells *, low->layouts);
    low->layout = NEW_ARRAY(low->arena, Layout, low->layouts);
    low->placed = NEW_ARRAY(low->arena, bool, low->layouts);
    for (int i = 0; i < low->nphases; i++) {
        if (!find_cells(low, &low->phases[i]) || !assign_layouts(low, &low->phases[i]))
            return false;
        carry_sums(low, &low->phases[i]);
    }
    for (int i = 0; i < low->nphases; i++) {
        record_plans(low, &low->phases[i]);
        order_reductions(low, &low->phases[i]);
        if (!settle_cells(low, &low->phases[i]))
            return false;
        sink_casts(&low->phases[i]);
    }
    return true;
}
