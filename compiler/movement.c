#include "compiler/movement.h"

enum { SECTOR = 32, LANES = 32 };

/* Of holders of one element the first stores it. */
static bool is_first_holder(const Layout *l, int64_t lane)
{
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_LANE)
            continue;
        if (m->dim < 0 && lane % m->extent)
            return false;
        lane /= m->extent;
    }
    return true;
}

/* The byte at which a lane's vector begins; *row tells rows apart whose distance is unknown. */
static int64_t begin_of(const Movement *m, int64_t reg, int64_t lane, int64_t *row)
{
    int64_t at = 0;
    *row = 0;
    for (int d = 0; d < m->type.rank; d++) {
        int64_t index = layout_index(&m->from, d, reg, lane, 0);
        if (m->stride[d] == STRIDE_UNKNOWN)
            *row = *row * m->type.dims[d] + index;
        else
            at += index * m->stride[d];
    }
    return at * dtype_info[m->type.dtype].bits / 8;
}

typedef struct Sectors {
    int64_t row[LANES * 16], number[LANES * 16];
    int count;
} Sectors;

static void add_sector(Sectors *s, int64_t row, int64_t number)
{
    for (int i = 0; i < s->count; i++)
        if (s->row[i] == row && s->number[i] == number)
            return;
    s->row[s->count] = row;
    s->number[s->count++] = number;
}

int movement_sectors(const Movement *m, int64_t o, int64_t *bytes)
{
    Sectors s = {.count = 0};
    int bits = dtype_info[m->type.dtype].bits;
    int64_t reg = vector_first(&m->from, &m->vectors, o), each = (m->vectors.n * bits + 7) / 8;
    *bytes = 0;
    for (int64_t lane = 0; lane < LANES; lane++) {
        int64_t row;
        if (!layout_holds(&m->from, reg, lane, 0) ||
            (m->way != MOVE_LOAD && !is_first_holder(&m->from, lane)))
            continue;
        int64_t at = begin_of(m, reg, lane, &row);
        for (int64_t k = at / SECTOR; k <= (at + each - 1) / SECTOR; k++)
            add_sector(&s, row, k);
        *bytes += is_first_holder(&m->from, lane) ? each : 0;
    }
    return s.count;
}
