/* Roles in CUDA: ranges of the block's warps. A pipe is a ring of items in shared memory, with two
 * mbarriers for each: `full`, at which the producer's warps arrive when they have written it, and
 * `empty`, at which those of all consumers arrive when they have read it. Both go on from program
 * to program: as many items are taken as are put (R16). A consumer takes an item to registers and
 * gives its place back at once. */
#include "compiler/cuda.h"
#include "compiler/locals.h"
#include "compiler/roles.h"

struct CudaPipe {
    const Op *op;
    const char *full, *empty, *item; /* arrays of mbarriers; where this thread is */
    Buffer *barriers[2];
    Buffer **ring;      /* of each field */
    SharedPlace *place; /* of an item's field */
    int64_t *step;      /* elements from one item's to the next */
};

/* ---- who puts and takes ---- */

typedef struct PipeEnds {
    const PhasePlan *plan;
    const Op *pipe, *put, *get; /* the first ones */
    const RolePlan *producer, *consumer[32];
    int consumers;
} PipeEnds;

static void find_ends(void *context, Op *op)
{
    PipeEnds *e = context;
    if ((op->code != OP_PUT && op->code != OP_GET) || op->args[0] != e->pipe->results[0])
        return;
    const RolePlan *role = role_at(e->plan, op);
    if (op->code == OP_PUT) {
        e->put = e->put ? e->put : op;
        e->producer = role;
        return;
    }
    e->get = e->get ? e->get : op;
    for (int i = 0; i < e->consumers; i++)
        if (e->consumer[i] == role)
            return;
    e->consumer[e->consumers++] = role;
}

/* ---- rings ---- */

/* One element, or a constant: in every thread. */
static Layout spread_plainly(Cuda *c, const Type *t)
{
    SpreadRequest plain = {.fast = t->rank ? t->rank - 1 : 0, .vector = 1, .block_axis = -1};
    return layout_spread(t, plain, c->plan->unit);
}

static Layout layout_in(Cuda *c, const Value *v)
{
    return is_uniform(v) ? spread_plainly(c, &v->type) : *layout_of(c, v);
}

/* A scalar lies as a tile of one element. */
static Type field_type(const Type *t)
{
    Type field = *t;
    if (!field.rank)
        field.dims[field.rank++] = 1;
    return field;
}

static void place_field(Cuda *c, CudaPipe *p, const PipeEnds *e, int i)
{
    const PipeInfo *info = p->op->pipe;
    Type t = field_type(&info->types[i]);
    Layout from = layout_in(c, e->put->args[1 + i]);
    Layout to = layout_in(c, e->get->regions[0]->args[i]);
    Vectors put, get;
    int64_t size = dtype_info[t.dtype].size, bytes = type_elements(&t) * size;
    p->place[i] = find_shared_place(&t, &from, &to, &put, &get);
    p->step[i] = (bytes + 15) / 16 * 16 / size;
    p->ring[i] = statement_buffer(&c->out,
                                  new_temp(c, format_text(c, "%s_%s", p->op->name, info->names[i])),
                                  c_type(t.dtype), (size_t)(p->step[i] * size * info->stages));
    p->ring[i]->fixed = true;
}

static const char *barriers(Cuda *c, CudaPipe *p, int which, const char *name, int warps)
{
    int64_t n = p->op->pipe->stages;
    name = new_temp(c, format_text(c, "%s_%s", p->op->name, name));
    p->barriers[which] = statement_buffer(&c->out, name, "uint64_t", (size_t)n * 8);
    p->barriers[which]->fixed = true;
    buffer_read(c, p->barriers[which]);
    line(c, "if (tile_thread() == 0) TILE_EACH(i, %lld) tile_mbarrier_init(%s + i, %d);",
         (long long)n, name, warps);
    return name;
}

static void begin_pipe(Cuda *c, const Op *op, const PipeEnds *e)
{
    const PipeInfo *info = op->pipe;
    CudaPipe p = {.op = op,
                  .ring = NEW_ARRAY(c->arena, Buffer *, info->fields),
                  .place = NEW_ARRAY(c->arena, SharedPlace, info->fields),
                  .step = NEW_ARRAY(c->arena, int64_t, info->fields)};
    int warps = 0;
    for (int i = 0; i < e->consumers; i++)
        warps += e->consumer[i]->warps;
    for (int i = 0; i < info->fields; i++)
        if (type_elements(&info->types[i]))
            place_field(c, &p, e, i);
    p.full = barriers(c, &p, 0, "full", e->producer->warps);
    p.empty = barriers(c, &p, 1, "empty", warps);
    p.item = new_temp(c, format_text(c, "%s_item", op->name));
    line(c, "TileItem %s = {0, 0};", p.item);
    PUSH(c->arena, &c->pipes, p);
}

typedef struct Pipes {
    Arena *arena;
    Op **items;
    int count, capacity;
} Pipes;

static void find_pipes(void *context, Op *op)
{
    Pipes *p = context;
    if (op->code == OP_PIPE)
        PUSH(p->arena, p, op);
}

bool begin_pipes(Cuda *c, const Op *par)
{
    const Region *body = par->regions[par->nregions - 1];
    const PhasePlan *end = c->low->phases + c->low->nphases;
    Pipes found = {.arena = c->arena};
    each_op(body, find_pipes, &found);
    for (int i = 0; i < found.count; i++) {
        PipeEnds e = {.plan = c->plan, .pipe = found.items[i]};
        each_op(body, find_ends, &e);
        if (!e.put)
            continue;
        if (c->plan->joins || (c->plan + 1 < end && c->plan[1].joins))
            return cuda_fail(c, found.items[i], "a pipe in one launch with another phase");
        begin_pipe(c, found.items[i], &e);
    }
    if (c->pipes.count)
        line(c, "tile_sync();");
    c->async |= c->pipes.count > 0;
    return true;
}

/* ---- items ---- */

static const CudaPipe *pipe_of(const Cuda *c, const Op *op)
{
    for (int i = 0; i < c->pipes.count; i++)
        if (c->pipes.items[i].op == op->args[0]->op)
            return &c->pipes.items[i];
    return NULL;
}

/* When all lanes are done, the warp arrives. */
static void arrive(Cuda *c, const CudaPipe *p, int which, const char *name)
{
    line(c, "tile_sync_warp();");
    buffer_read(c, p->barriers[which]);
    line(c, "if (lane == 0) tile_mbarrier_arrive(%s + %s.slot);", name, p->item);
}

static const char *field_pointer(Cuda *c, const CudaPipe *p, int i)
{
    buffer_read(c, p->ring[i]);
    const char *name = new_temp(c, format_text(c, "%s_at", p->ring[i]->name));
    line(c, "%s *const %s = %s + %s.slot * %lld;", p->ring[i]->type, name, p->ring[i]->name,
         p->item, (long long)p->step[i]);
    return name;
}

/* The registers of a field's value in its own type. */
static const char *field_registers(Cuda *c, const Value *v, const Type *t, const Layout *l)
{
    const char *name = c_name(c, v);
    if (!is_uniform(v) && held(c, v) == t->dtype)
        return name;
    const char *all = new_temp(c, "all");
    long long n = layout_span(l, OWN_REG);
    line(c, "%s %s[%lld];", c_type(t->dtype), all, n);
    line(c, "TILE_EACH(r, %lld) %s[r] = %s%s;", n, all, name, is_uniform(v) ? "" : "[r]");
    return all;
}

bool cuda_put(Cuda *c, const Op *op)
{
    const CudaPipe *p = pipe_of(c, op);
    open_block(c, STATEMENT_BLOCK, "%s", "");
    buffer_read(c, p->barriers[1]);
    line(c, "tile_mbarrier_wait(%s + %s.slot, %s.parity ^ 1);", p->empty, p->item, p->item);
    for (int i = 0; i < p->op->pipe->fields; i++) {
        const Value *v = op->args[1 + i];
        if (!p->ring[i])
            continue;
        Type t = field_type(&v->type);
        Layout l = layout_in(c, v);
        const char *name = field_registers(c, v, &t, &l), *at = field_pointer(c, p, i);
        Vectors n = vectors_along(&l, p->place[i].fast, p->place[i].chunk);
        move_vectors(c, &p->place[i], &l, &n, at, t.dtype, name, true);
    }
    arrive(c, p, 0, p->full);
    close_block(c);
    line(c, "%s = tile_next_item(%s, %lld);", p->item, p->item, (long long)p->op->pipe->stages);
    return !c->failed;
}

static void take_field(Cuda *c, const CudaPipe *p, int i, const Value *v)
{
    Type t = field_type(&v->type);
    Layout l = layout_in(c, v);
    const char *name = new_name(c, v, p->op->pipe->names[i]), *at = field_pointer(c, p, i);
    Vectors n = vectors_along(&l, p->place[i].fast, p->place[i].chunk);
    line(c, "%s %s[%lld];", c_type(t.dtype), name, (long long)layout_span(&l, OWN_REG));
    move_vectors(c, &p->place[i], &l, &n, at, t.dtype, name, false);
    c->name[v->id] = is_uniform(v) ? format_text(c, "%s[0]", name) : name;
}

bool cuda_get(Cuda *c, const Op *op)
{
    const CudaPipe *p = pipe_of(c, op);
    const Region *body = op->regions[0];
    int fields = p->op->pipe->fields;
    begin_carried(c, op, 1, fields);
    open_block(c, STATEMENT_BLOCK, "%s", "");
    buffer_read(c, p->barriers[0]);
    line(c, "tile_mbarrier_wait(%s + %s.slot, %s.parity);", p->full, p->item, p->item);
    for (int i = 0; i < fields; i++)
        if (p->ring[i] && c->live[body->args[i]->id])
            take_field(c, p, i, body->args[i]);
    arrive(c, p, 1, p->empty);
    line(c, "%s = tile_next_item(%s, %lld);", p->item, p->item, (long long)p->op->pipe->stages);
    emit_region_ops(c, body);
    give_yield(c, body, op);
    close_block(c);
    return !c->failed;
}

/* ---- roles ---- */

enum { LAST_BARRIER = 15 };

static void open_role(Cuda *c, const RolePlan *r, bool first, bool last)
{
    int end = r->first + r->warps;
    bool all = last && end == c->plan->unit.warps;
    char *which = all ? "" : format_text(c, "if (tile_warp() < %d)", end);
    open_block(c, STATEMENT_BLOCK, "%s%s%s", first ? "" : "else", first || all ? "" : " ", which);
    line(c, "// role %s", r->region->name);
    const char *minus = r->first ? format_text(c, " - %d", r->first) : "";
    line(c, "const int warp = %s%s;", r->warps == 1 ? "0" : "tile_warp()",
         r->warps == 1 ? "" : minus);
    line(c, "(void)warp;");
}

bool cuda_roles(Cuda *c, const Op *op)
{
    const PhasePlan *whole = c->plan;
    int named = 0;
    open_block(c, STATEMENT_ROLES, "%s", "");
    for (int i = 0; i < op->nregions && !c->failed; i++) {
        const RolePlan *r = whole->roles;
        while (r->region != op->regions[i])
            r++;
        open_role(c, r, i == 0, i + 1 == op->nregions);
        PhasePlan *own = NEW(c->arena, PhasePlan);
        *own = *whole;
        own->unit = (ThreadUnit){32, r->warps};
        named += r->warps > 1;
        if (named > LAST_BARRIER)
            return cuda_fail(c, op, "more than %d roles of several warps", LAST_BARRIER);
        c->out.block->sync = r->warps == 1
                                 ? "tile_sync_warp();"
                                 : format_text(c, "tile_sync_named(%d, %d);", named, 32 * r->warps);
        c->plan = own;
        emit_region_ops(c, op->regions[i]);
        c->plan = whole;
        close_block(c);
    }
    close_block(c);
    return !c->failed;
}
