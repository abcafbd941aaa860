/* Operands in shared memory: which 16 bytes an instruction reads, and whether its descriptor can
 * mean them. */
#include "runtime/machine/internal.h"

enum { CHUNK = 16 };

void operand_each(const Operand *o, int rows, int k,
                  void (*visit)(void *, uint32_t address, int mn, int k), void *context)
{
    for (int m = 0; m < rows; m += o->mn_major ? o->chunk : 1)
        for (int i = 0; i < k; i += o->mn_major ? 1 : o->chunk)
            visit(context, operand_chunk(o, m, i), m, i);
}

typedef struct Reader {
    Access *access;
    const Operand *operand;
    const char *instruction, *name;
    uint64_t seen[SHARED_WINDOW / CHUNK / 64]; /* pieces of 16 bytes */
} Reader;

static size_t offset_of(const Reader *r, uint32_t address)
{
    const Thread *t = r->access->thread;
    size_t bytes = r->access->region->bytes;
    if (address < SHARED_BASE || address - SHARED_BASE + CHUNK > bytes)
        breach(t->machine, TILE_FAULT_DESCRIPTOR, t, t->place,
               "%s: the descriptor of %s leads to shared address 0x%x, outside of the block's %zu "
               "bytes",
               r->instruction, r->name, address, bytes);
    return address - SHARED_BASE;
}

/* What no descriptor means: two elements at one place, or another order of the pieces than the
 * tensor copy that brought them has used. */
static void check_layout(Reader *r, size_t offset)
{
    const Thread *t = r->access->thread;
    uint64_t *seen = &r->seen[offset / CHUNK / 64], bit = 1ull << offset / CHUNK % 64;
    if (*seen & bit)
        breach(t->machine, TILE_FAULT_DESCRIPTOR, t, t->place,
               "%s: by its descriptor, elements of %s lie at one place, shared+0x%zx",
               r->instruction, r->name, offset);
    *seen |= bit;
    int brought = r->access->region->defined[offset / CELL_BYTES] >> 4;
    int bytes = brought > 1 ? 16 << (brought - 1) : 16;
    if (brought && bytes != r->operand->swizzle)
        breach(t->machine, TILE_FAULT_DESCRIPTOR, t, t->place,
               "%s: the descriptor of %s has a swizzle of %d bytes (16: none), the tensor copy to "
               "shared+0x%zx one of %d",
               r->instruction, r->name, r->operand->swizzle, offset, bytes);
}

static void stamp(void *context, uint32_t address, int mn, int k)
{
    Reader *r = context;
    Access *a = r->access;
    size_t offset = offset_of(r, address);
    (void)mn, (void)k;
    check_layout(r, offset);
    check_no_mbarrier(a->thread, a->region, offset, CHUNK, a->what);
    shadow_need_defined(a, offset, CHUNK);
    shadow_touch(a, offset, CHUNK);
}

void operand_read(Access *a, const Operand *o, int rows, int k, const char *instruction,
                  const char *name)
{
    Reader r = {.access = a, .operand = o, .instruction = instruction, .name = name};
    operand_each(o, rows, k, stamp, &r);
}
