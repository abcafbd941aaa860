/* Tiles that tensor copies move between memory and shared memory: `load x via tma`, `store y via
 * tma`. One thread asks for the box; what is outside of the tensor reads as 0 and is not written.
 * The host makes the map. What only it knows of addresses, extents and strides are facts that it
 * tests: where they do not hold, threads move the tile.
 */
#include <string.h>

#include "compiler/counts.h"
#include "compiler/cuda.h"
#include "compiler/directives.h"

enum { CHUNK = 16, MOST_BOX = 256, MOST_DIMS = 5, BOX_ALIGN = 128 };

static const int64_t MOST_STRIDE = (int64_t)1 << 40; /* bytes, not reached */

typedef struct Box {
    const CudaView *view;
    const Value *tile;
    tile_plan_map map;
    const Value *first[MOST_DIMS]; /* index of map dim i; NULL: 0 */
    const char *coordinates, *name;
    int64_t bytes;
    Turn turn;
} Box;

/* ---- what is possible ---- */

static bool refuse(Cuda *c, const Op *op, const Word *w, const char *hint, const char *why)
{
    return path_fail_hint(c, op, w, hint ? hint : "write `via smem`, or leave it out", why);
}

static bool check_view(Cuda *c, const Op *op, const CudaView *v, const Word *w)
{
    const Access *a = op->access;
    const Op *t = v->tensor;
    if (t->results[0]->type.dtype == DT_E2M1)
        return refuse(c, op, w, NULL, "via tma: not of e2m1");
    if (t->results[0]->type.kind == TY_TABLE || t->tensor->dir == PARAM_SCRATCH)
        return refuse(c, op, w, NULL,
                      "via tma: the host makes maps of arguments, not of scratch or entries of a "
                      "table");
    if (a->count > MOST_DIMS)
        return refuse(c, op, w, "reshape it", "via tma: a tensor copy has at most 5 dims");
    if (op->code == OP_LOAD && op->bits)
        return refuse(c, op, w, "leave out the pad value, and select(..) behind the load",
                      "via tma: what is outside reads as 0, not as another pad value");
    for (int k = 0; k < a->count; k++) {
        if (a->axis[k].kind == AX_TILE)
            return refuse(c, op, w, NULL, "via tma: an index that is a tile is not one box");
        if (v->divide[k] || v->quad >= 0)
            return refuse(c, op, w, NULL,
                          "via tma: a tensor copy takes elements as they lie, not an upsampled "
                          "view or ue8m0x4");
        if (v->extent[k].node < 0 || v->stride[k].node < 0 || v->odd_offset[k] || v->offset)
            return refuse(c, op, w, "index the tensor itself",
                          "via tma: the host does not know where this view begins and ends");
    }
    return true;
}

/* ---- facts ---- */

static int compare(Host *h, tile_node_op op, int node, int64_t with)
{
    return host_node(h, op, TILE_I64, node, host_constant(h, with), 0);
}

static bool need_extent(Cuda *c, const Op *op, const Number *n, const Word *w)
{
    if (n->known && (n->value < 1 || n->value > MOST_NARROW))
        return refuse(c, op, w, NULL, "via tma: extents are 1 to 2^30");
    if (!n->known) {
        host_need_aligned(c->host, compare(c->host, TILE_NODE_GE, n->node, 1));
        host_need_aligned(c->host, compare(c->host, TILE_NODE_LE, n->node, MOST_NARROW));
    }
    return true;
}

static bool need_stride(Cuda *c, const Op *op, const Number *n, int64_t size, const Word *w)
{
    int64_t each = CHUNK / size;
    if (n->known && (n->value < 1 || n->value % each || n->value >= MOST_STRIDE / size))
        return refuse(
            c, op, w, NULL,
            format_text(c,
                        "via tma: neighbours along an axis are %lld bytes apart, no multiple of 16",
                        (long long)(n->value * size)));
    if (!n->known) {
        host_need_aligned(c->host, host_is_multiple(c->host, n->node, each));
        host_need_aligned(c->host, compare(c->host, TILE_NODE_GE, n->node, 1));
        host_need_aligned(c->host, compare(c->host, TILE_NODE_LT, n->node, MOST_STRIDE / size));
    }
    return true;
}

/* ---- the box ---- */

static bool add_dim(Cuda *c, const Op *op, Box *b, int axis, const Value *first, const Word *w)
{
    bool scalar = op->access->axis[axis].kind == AX_SCALAR;
    int64_t n = scalar ? 1 : op->access->axis[axis].extent, size = b->map.bytes;
    int at = b->map.rank++;
    if (n > MOST_BOX)
        return refuse(c, op, w, "cut it into pieces: chunk",
                      format_text(c,
                                  "via tma: its tiles have %lld elements along an axis, a tensor "
                                  "copy takes at most %d",
                                  (long long)n, MOST_BOX));
    if (at == 0 && n * size % CHUNK)
        return refuse(c, op, w, "take a tile that is wider, or `via smem`",
                      format_text(c,
                                  "via tma: rows of its tiles have %lld bytes, no multiple of 16",
                                  (long long)(n * size)));
    if (at == 0 && first && !is_multiple(first, CHUNK / size))
        return refuse(c, op, w, "write the index as a multiple, or `via smem`",
                      "via tma: its tiles need not begin at a multiple of 16 bytes of a row");
    if (!need_extent(c, op, &b->view->extent[axis], w) ||
        (at && !need_stride(c, op, &b->view->stride[axis], size, w)))
        return false;
    b->map.box[at] = (uint16_t)n;
    b->map.extent[at] = b->view->extent[axis].node;
    b->map.stride[at] = at ? b->view->stride[axis].node : -1;
    b->first[at] = first;
    b->bytes *= n;
    return true;
}

/* The contiguous axis, then the others from the last on: so tiles lie in shared memory. */
static bool add_dims(Cuda *c, const Op *op, Box *b, int fast, const Word *w)
{
    const Value *first[MOST_DIMS] = {0};
    int arg = 1;
    for (int k = 0; k < op->access->count; k++)
        if (op->access->axis[k].kind != AX_FULL)
            first[k] = op->args[arg++];
    if (!add_dim(c, op, b, fast, first[fast], w))
        return false;
    for (int k = op->access->count - 1; k >= 0; k--)
        if (k != fast && !add_dim(c, op, b, k, first[k], w))
            return false;
    return true;
}

static char *coordinate_text(Cuda *c, const Value *x)
{
    int64_t n;
    if (!x)
        return format_text(c, "0");
    IntRange r = c->ranges.of[x->id];
    bool small = held(c, x) == DT_INDEX || (r.lo >= -MOST_NARROW && r.hi <= MOST_NARROW);
    if (value_int(x, &n) && small)
        return format_text(c, "%lld", (long long)n);
    return format_text(c, small ? "(int)%s" : "tile_coordinate((int64_t)%s)", c_name(c, x));
}

/* Rows one behind the other, in the swizzle of their length if that meets fewer banks. */
static void choose_place(Box *b, const Layout *l, int fast)
{
    const Type *t = &b->turn.type;
    int64_t chunk = CHUNK / b->map.bytes, chunks = t->dims[fast] / chunk;
    SharedPlace plain = {.type = *t, .fast = fast, .chunk = chunk, .chunks = chunks};
    b->turn.get = vectors_along(l, fast, chunk);
    b->turn.place = plain;
    for (int s = 1; s <= 3; s++) {
        SharedPlace swizzled = plain;
        swizzled.shift = 3 - s;
        swizzled.mask = chunks - 1;
        if (chunks == 1 << s &&
            bank_conflicts(&swizzled, l, &b->turn.get) < bank_conflicts(&plain, l, &b->turn.get)) {
            b->turn.place = swizzled;
            b->map.swizzle = (uint8_t)s;
        }
    }
}

static bool find_box(Cuda *c, const Op *op, const Value *tile, const Layout *l, const Word *w,
                     Box *b)
{
    const CudaView *v = c->view[op->args[0]->id];
    DType t = v->tensor->results[0]->type.dtype;
    int dim = 0, fast = contiguous_slice(op, v, &dim);
    int tensor = host_tensor_number(c->low->kernel, v->tensor);
    *b = (Box){.view = v, .tile = tile, .bytes = dtype_info[t].size, .turn = {.type = tile->type}};
    b->map = (tile_plan_map){.tensor = tensor, .bytes = (uint8_t)dtype_info[t].size};
    b->turn.type.dtype = t;
    if (!check_view(c, op, v, w))
        return false;
    if (fast < 0)
        return refuse(c, op, w, NULL, "via tma: no axis of its tiles lies contiguously in memory");
    if (!add_dims(c, op, b, fast, w))
        return false;
    int address = host_node(c->host, TILE_NODE_ADDRESS, TILE_I64, tensor, 0, 0);
    host_need_aligned(c->host, host_is_multiple(c->host, address, CHUNK));
    choose_place(b, l, dim);
    b->name = host_map(c->host, &b->map, format_text(c, "%s_map", v->tensor->name));
    b->coordinates = coordinate_text(c, b->first[0]);
    for (int i = 1; i < b->map.rank; i++)
        b->coordinates = format_text(c, "%s, %s", b->coordinates, coordinate_text(c, b->first[i]));
    b->turn.buffer = statement_buffer(&c->out, new_temp(c, "box"), c_type(t), (size_t)b->bytes);
    b->turn.buffer->align = b->map.swizzle ? BOX_ALIGN << b->map.swizzle : BOX_ALIGN;
    c->copies = true;
    directive_honour(c->low, c->plan, w);
    return true;
}

static void tell(Cuda *c, const Op *op, const Box *b, bool write)
{
    statement_effect(&c->out, (Effect){.memory = memory_of(c, op->args[0]),
                                       .tensor = b->view->tensor,
                                       .write = write,
                                       .op = op});
    buffer_read(c, b->turn.buffer);
}

/* What threads do where the facts do not hold is not what people ask about. */
static bool by_threads(Cuda *c, const Op *op, const Box *b, const Layout *l, const char *name)
{
    Movements *noted = c->low->movements;
    c->low->movements = NULL;
    open_block(c, STATEMENT_ELSE, "else");
    bool good = op->code == OP_LOAD ? load_tile(c, op, b->view, l, name)
                                    : store_tile(c, op, b->view, l, name, false);
    close_block(c);
    c->low->movements = noted;
    return good;
}

/* ---- loads ---- */

/* An mbarrier of its own, and the parity of its next phase. */
static Buffer *new_mbarrier(Cuda *c, const char **parity)
{
    *parity = new_temp(c, "parity");
    Buffer *full = statement_buffer_behind(&c->out, c->prologue, new_temp(c, "full"), "uint64_t",
                                           sizeof(uint64_t));
    c->prologue = full->declared;
    char *text = format_text(c,
                             "if (TILE_ALIGNED && %s) tile_mbarrier_init(%s, 1), "
                             "tile_fence_mbarrier_init();",
                             first_thread(c), full->name);
    c->prologue = statement_add_behind(&c->out, c->prologue, text);
    c->prologue = statement_add_behind(&c->out, c->prologue,
                                       format_text(c, "uint32_t %s = 0;", *parity));
    return full;
}

/* The barrier of the threads: all have read the tile of the round before and waited for it, and see
 * the mbarrier. The copy's own writes are ordered by the mbarrier alone. */
bool tensor_load(Cuda *c, const Op *op, const Word *w)
{
    const Value *r = op->results[0];
    const Layout *l = layout_of(c, r);
    const char *parity;
    Box b;
    if (!find_box(c, op, r, l, w, &b))
        return false;
    Buffer *full = new_mbarrier(c, &parity);
    b.turn.buffer->fixed = true;
    declare(c, r);
    open_block(c, STATEMENT_THEN, "if (TILE_ALIGNED)");
    statement_add(&c->out, STATEMENT_SYNC, NULL);
    tell(c, op, &b, false);
    buffer_read(c, full);
    open_block(c, STATEMENT_BLOCK, "if (%s)", first_thread(c));
    line(c, "tile_mbarrier_arrive_expect_tx(%s, %lld);", full->name, (long long)b.bytes);
    line(c, "tile_tensor_load_%dd(%s, &%s, %s, %s);", b.map.rank, b.turn.buffer->name, b.name,
         full->name, b.coordinates);
    close_block(c);
    line(c, "tile_mbarrier_wait(%s, %s);", full->name, parity);
    line(c, "%s ^= 1;", parity);
    move_turn(c, &b.turn, l, c_name(c, r), false);
    close_block(c);
    return by_threads(c, op, &b, l, c_name(c, r));
}

/* ---- stores ---- */

/* The elements as memory has them. */
static const char *memory_elements(Cuda *c, const Box *b, const Layout *l, const char *name)
{
    const char *type = c_type(b->turn.type.dtype), *out;
    if (is_uniform(b->tile) || !strcmp(type, c_type(held(c, b->tile))))
        return name;
    long long n = layout_span(l, OWN_REG);
    out = new_temp(c, "elements");
    line(c, "%s %s[%lld];", type, out, n);
    line(c, "TILE_EACH(r, %lld) %s[r] = (%s)%s[r];", n, out, type, name);
    return out;
}

/* The thread that asks waits until the tile is written: what comes behind a barrier may read it. */
bool tensor_store(Cuda *c, const Op *op, const Layout *l, const char *name, const Word *w)
{
    Box b;
    if (!find_box(c, op, op->args[op->nargs - 1], l, w, &b))
        return false;
    const char *elements = memory_elements(c, &b, l, name);
    open_block(c, STATEMENT_THEN, "if (TILE_ALIGNED)");
    move_turn(c, &b.turn, l, elements, true);
    line(c, "tile_fence_proxy_async();");
    tell(c, op, &b, true);
    open_block(c, STATEMENT_BLOCK, "if (%s)", first_thread(c));
    line(c, "tile_tensor_store_%dd(&%s, %s, %s);", b.map.rank, b.name, b.turn.buffer->name,
         b.coordinates);
    line(c, "tile_bulk_commit();");
    line(c, "tile_bulk_wait(0);");
    close_block(c);
    close_block(c);
    return by_threads(c, op, &b, l, elements);
}
