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
    int axis[MOST_DIMS];           /* of the access, that map dim i goes along */
    const Value *first[MOST_DIMS]; /* index of map dim i; NULL: 0 */
    const char *name;              /* of the map */
    int64_t bytes, align, each;    /* each: from one in a ring to the next */
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

/* A store writes whole chunks, also where the row ends within one. */
static bool need_whole_chunks(Cuda *c, const Op *op, const Number *n, int64_t size, const Word *w)
{
    int64_t each = CHUNK / size;
    if (n->known && n->value % each)
        return refuse(c, op, w, NULL,
                      format_text(c,
                                  "via tma: rows of %lld bytes are no multiple of 16, and a tensor "
                                  "copy would overwrite what lies behind them",
                                  (long long)(n->value * size)));
    if (!n->known)
        host_need_aligned(c->host, host_is_multiple(c->host, n->node, each));
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
        (at == 0 && op->code == OP_STORE &&
         !need_whole_chunks(c, op, &b->view->extent[axis], size, w)) ||
        (at && !need_stride(c, op, &b->view->stride[axis], size, w)))
        return false;
    b->map.box[at] = (uint16_t)n;
    b->map.extent[at] = b->view->extent[axis].node;
    b->map.stride[at] = at ? b->view->stride[axis].node : -1;
    b->bytes *= n;
    return true;
}

/* Where the access begins along each dim of the map. */
static void find_first(const Op *op, Box *b)
{
    for (int i = 0; i < op->access->count; i++)
        b->first[i] = index_value(op, b->axis[i]);
}

/* The contiguous axis, then the others from the last on: so tiles lie in shared memory. */
static bool add_dims(Cuda *c, const Op *op, Box *b, int fast, const Word *w)
{
    int n = 0;
    b->axis[n++] = fast;
    for (int k = op->access->count - 1; k >= 0; k--)
        if (k != fast)
            b->axis[n++] = k;
    find_first(op, b);
    for (int i = 0; i < n; i++)
        if (!add_dim(c, op, b, b->axis[i], b->first[i], w))
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
    b->align = b->map.swizzle ? BOX_ALIGN << b->map.swizzle : BOX_ALIGN;
    b->name = host_map(c->host, &b->map, format_text(c, "%s_map", v->tensor->name));
    c->copies = true;
    directive_honour(c->low, c->plan, w);
    return true;
}

/* Shared memory for `n` of them. */
static void new_buffer(Cuda *c, Box *b, int n)
{
    const char *type = c_type(b->turn.type.dtype);
    b->each = (b->bytes + b->align - 1) / b->align * b->align;
    b->turn.buffer = statement_buffer(&c->out, new_temp(c, "box"), type,
                                      (size_t)(b->each * (n - 1) + b->bytes));
    b->turn.buffer->align = (size_t)b->align;
}

static char *coordinates_text(Cuda *c, const Box *b)
{
    char *text = coordinate_text(c, b->first[0]);
    for (int i = 1; i < b->map.rank; i++)
        text = format_text(c, "%s, %s", text, coordinate_text(c, b->first[i]));
    return text;
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

/* ---- boxes that one thread asks for ---- */

/* `n` mbarriers, and a bit for the parity of each one's next phase. */
static Buffer *new_mbarriers(Cuda *c, int n, const char **phases)
{
    *phases = new_temp(c, n > 1 ? "phases" : "phase");
    Buffer *full = statement_buffer_behind(&c->out, c->prologue, new_temp(c, "full"), "uint64_t",
                                           sizeof(uint64_t) * (size_t)n);
    const char *init = "if (TILE_ALIGNED && %s) { TILE_EACH(i, %d) tile_mbarrier_init(%s + i, 1); "
                       "tile_fence_mbarrier_init(); }";
    char *text = format_text(c, init, first_thread(c), n, full->name);
    c->prologue = statement_add_behind(&c->out, full->declared, text);
    c->prologue = statement_add_behind(&c->out, c->prologue,
                                       format_text(c, "uint32_t %s = 0;", *phases));
    return full;
}

/* One thread asks for the box, behind a barrier: all threads have read what was there and waited
 * for it, and see the mbarrier. The copy's own writes are ordered by the mbarrier alone. */
static void ask(Cuda *c, const Op *op, const Box *b, Buffer *full, const char *barrier,
                const char *at)
{
    char *coordinates = coordinates_text(c, b);
    tell(c, op, b, false);
    buffer_read(c, full);
    open_block(c, STATEMENT_BLOCK, "if (%s)", first_thread(c));
    line(c, "tile_mbarrier_arrive_expect_tx(%s, %lld);", barrier, (long long)b->bytes);
    line(c, "tile_tensor_load_%dd(%s, &%s, %s, %s);", b->map.rank, at, b->name, barrier,
         coordinates);
    close_block(c);
}

/* ---- rings: loads of a pipeline's later rounds ---- */

struct BoxRing {
    const BoxLoop *loop;
    Box box;
    Buffer *full;
    const char *phases;
};

static const BoxLoop *loop_of(const Cuda *c, const Value *local, int *number)
{
    for (int i = 0; i < c->low->boxes.count; i++)
        for (*number = 0; *number < c->low->boxes.items[i].count; ++*number)
            if (c->low->boxes.items[i].rings[*number] == local)
                return &c->low->boxes.items[i];
    return NULL;
}

bool is_box_ring(const Cuda *c, const Value *local)
{
    int number;
    return loop_of(c, local, &number) != NULL;
}

bool is_boxed(const Cuda *c, const Op *load)
{
    const Op *store = c->user[load->results[0]->id];
    return store && store->code == OP_STORE && is_box_ring(c, store->args[0]);
}

/* The ring in which a load of the loop finds its tile; NULL: it does not run ahead. */
static BoxRing *ring_of(const Cuda *c, const Op *load)
{
    for (int i = 0; i < c->low->boxes.count; i++)
        for (int k = 0; k < c->low->boxes.items[i].count; k++)
            if (c->low->boxes.items[i].loads[k] == load)
                return c->boxes[c->low->boxes.items[i].rings[k]->id];
    return NULL;
}

bool box_ring_declare(Cuda *c, const Value *local)
{
    int number;
    const BoxLoop *loop = loop_of(c, local, &number);
    const Op *load = loop->loads[number];
    BoxRing *r = c->boxes[local->id] = NEW(c->arena, BoxRing);
    r->loop = loop;
    if (!find_box(c, load, load->results[0], layout_of(c, load->results[0]),
                  path_of(c->low, c->plan, load).tma, &r->box))
        return false;
    new_buffer(c, &r->box, loop->stages);
    r->box.turn.buffer->fixed = true;
    r->full = new_mbarriers(c, loop->stages, &r->phases);
    return true;
}

static char *slot_text(Cuda *c, const BoxRing *r, const char *slot)
{
    long long each = r->box.each / r->box.map.bytes;
    return format_text(c, "%s + %s * %lld", r->box.turn.buffer->name, slot, each);
}

/* Nothing that touches memory stands between that statement and the next. */
static bool follows(const Cuda *c, const Statement *before)
{
    const Statement *s = c->out.block->last;
    while (s && s != before && s->kind == STATEMENT_TEXT && !s->effects.count)
        s = s->prev;
    return s && s == before;
}

/* The store of a later round's tile in its slot: the load that gives it says where the box begins.
 */
bool box_issue(Cuda *c, const Op *store)
{
    const Op *load = store->args[2]->op;
    BoxRing *r = c->boxes[store->args[0]->id];
    const char *slot = c_name(c, store->args[1]);
    Box b = r->box;
    find_first(load, &b);
    bool behind = follows(c, c->asked);
    c->asked = open_block(c, STATEMENT_THEN, "if (TILE_ALIGNED)");
    if (!behind)
        statement_add(&c->out, STATEMENT_SYNC, NULL);
    ask(c, load, &b, r->full, format_text(c, "%s + %s", r->full->name, slot),
        slot_text(c, r, slot));
    close_block(c);
    return true;
}

static void wait_slot(Cuda *c, const BoxRing *r, const char *slot)
{
    buffer_read(c, r->full);
    line(c, "tile_mbarrier_wait(%s + %s, %s >> %s & 1);", r->full->name, slot, r->phases, slot);
    line(c, "%s ^= 1u << %s;", r->phases, slot);
}

/* Behind the loop for what was asked for beyond its last round. */
bool emit_box_waits(Cuda *c, const Op *op)
{
    const BoxLoop *loop = NULL;
    for (int i = 0; i < c->low->boxes.count && !loop; i++) {
        loop = &c->low->boxes.items[i];
        if (loop->wait != op && loop->finish != op)
            loop = NULL;
    }
    if (!loop)
        return false;
    const char *slot = c_name(c, op == loop->wait ? loop->slot : loop->end);
    open_block(c, STATEMENT_THEN, "if (TILE_ALIGNED)");
    if (op == loop->finish) {
        open_block(c, STATEMENT_BLOCK, "TILE_EACH(i, %d)", loop->stages - 1);
        line(c, "const int left = (int)((%s + i) %% %d);", slot, loop->stages);
        slot = "left";
    }
    for (int i = 0; i < loop->count; i++)
        wait_slot(c, c->boxes[loop->rings[i]->id], slot);
    if (op == loop->finish)
        close_block(c);
    close_block(c);
    return true;
}

static bool take_from_ring(Cuda *c, const Op *op, const BoxRing *r)
{
    const Layout *l = layout_of(c, op->results[0]);
    const char *name = c_name(c, op->results[0]);
    declare(c, op->results[0]);
    open_block(c, STATEMENT_THEN, "if (TILE_ALIGNED)");
    move_turn(c, &r->box.turn, slot_text(c, r, c_name(c, r->loop->slot)), l, name, false);
    close_block(c);
    return by_threads(c, op, &r->box, l, name);
}

/* ---- loads of this round ---- */

bool tensor_load(Cuda *c, const Op *op, const Word *w)
{
    const Value *r = op->results[0];
    const Layout *l = layout_of(c, r);
    const char *phase;
    Box b;
    if (ring_of(c, op))
        return take_from_ring(c, op, ring_of(c, op));
    if (!find_box(c, op, r, l, w, &b))
        return false;
    new_buffer(c, &b, 1);
    Buffer *full = new_mbarriers(c, 1, &phase);
    const char *at = b.turn.buffer->name;
    b.turn.buffer->fixed = true;
    declare(c, r);
    open_block(c, STATEMENT_THEN, "if (TILE_ALIGNED)");
    statement_add(&c->out, STATEMENT_SYNC, NULL);
    ask(c, op, &b, full, full->name, at);
    line(c, "tile_mbarrier_wait(%s, %s);", full->name, phase);
    line(c, "%s ^= 1;", phase);
    move_turn(c, &b.turn, at, l, c_name(c, r), false);
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

/* " && .." for each index that may be negative: a tensor copy must not begin before the tensor. */
static char *begins_inside(Cuda *c, const Box *b)
{
    char *text = format_text(c, "%s", "");
    for (int i = 0; i < b->map.rank; i++)
        if (b->first[i] && c->ranges.of[b->first[i]->id].lo < 0)
            text = format_text(c, "%s && %s >= 0", text, c_name(c, b->first[i]));
    return text;
}

/* The thread that asks waits until the tile is written: what comes behind a barrier may read it. */
bool tensor_store(Cuda *c, const Op *op, const Layout *l, const char *name, const Word *w)
{
    Box b;
    if (!find_box(c, op, op->args[op->nargs - 1], l, w, &b))
        return false;
    const char *elements = memory_elements(c, &b, l, name);
    new_buffer(c, &b, 1);
    open_block(c, STATEMENT_THEN, "if (TILE_ALIGNED%s)", begins_inside(c, &b));
    move_turn(c, &b.turn, b.turn.buffer->name, l, elements, true);
    line(c, "tile_fence_proxy_async();");
    char *coordinates = coordinates_text(c, &b);
    tell(c, op, &b, true);
    open_block(c, STATEMENT_BLOCK, "if (%s)", first_thread(c));
    line(c, "tile_tensor_store_%dd(&%s, %s, %s);", b.map.rank, b.name, b.turn.buffer->name,
         coordinates);
    line(c, "tile_bulk_commit();");
    line(c, "tile_bulk_wait(0);");
    close_block(c);
    close_block(c);
    return by_threads(c, op, &b, l, elements);
}
