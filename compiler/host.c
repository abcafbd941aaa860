#include "compiler/host.h"

#include <string.h>

int host_tensor_number(const Kernel *k, const Op *tensor)
{
    int n = 0;
    for (const Op *op = k->body->first; op != tensor; op = op->next)
        n += op->code == OP_TENSOR;
    return n;
}

static int scalar_number(const Kernel *k, const Op *scalar)
{
    int n = 0;
    for (const Op *op = k->body->first; op != scalar; op = op->next)
        n += op->code == OP_SCALAR;
    return n;
}

tile_scalar_type host_type(DType t)
{
    switch (t) {
    case DT_BOOL:
        return TILE_BOOL;
    case DT_I8:
        return TILE_I8;
    case DT_I16:
        return TILE_I16;
    case DT_I32:
        return TILE_I32;
    case DT_U8:
        return TILE_U8;
    case DT_U16:
        return TILE_U16;
    case DT_U32:
        return TILE_U32;
    case DT_U64:
        return TILE_U64;
    case DT_F32:
        return TILE_F32;
    default:
        return TILE_I64;
    }
}

static bool is_host_type(DType t)
{
    return dtype_is_int(t) || t == DT_BOOL || t == DT_F32;
}

/* ---- nodes ---- */

static int add_node(Host *h, tile_node n)
{
    for (int i = 0; i < h->nodes.count; i++) {
        const tile_node *o = &h->nodes.items[i];
        if (o->op == n.op && o->type == n.type && o->from == n.from && o->a == n.a && o->b == n.b &&
            o->c == n.c && o->value == n.value)
            return i;
    }
    PUSH(h->arena, &h->nodes, n);
    return h->nodes.count - 1;
}

static bool is_constant(const tile_node *n, int64_t value)
{
    return n->op == TILE_NODE_CONST && n->type == TILE_I64 && n->value == value;
}

/* The node that an arithmetic one is equal to: one of its args, or a constant. -1: none. */
static int simpler(Host *h, tile_node_op op, int a, int b)
{
    if (op != TILE_NODE_ADD && op != TILE_NODE_SUB && op != TILE_NODE_MUL && op != TILE_NODE_FDIV)
        return -1;
    const tile_node *x = &h->nodes.items[a], *y = &h->nodes.items[b];
    bool both = x->op == TILE_NODE_CONST && y->op == TILE_NODE_CONST;
    int64_t value;
    switch (op) {
    case TILE_NODE_ADD:
        if (both && !__builtin_add_overflow(x->value, y->value, &value))
            return host_constant(h, value);
        return is_constant(y, 0) ? a : is_constant(x, 0) ? b : -1;
    case TILE_NODE_SUB:
        if (both && !__builtin_sub_overflow(x->value, y->value, &value))
            return host_constant(h, value);
        return is_constant(y, 0) ? a : -1;
    case TILE_NODE_MUL:
        if (both && !__builtin_mul_overflow(x->value, y->value, &value))
            return host_constant(h, value);
        return is_constant(y, 1) ? a : is_constant(x, 1) ? b : -1;
    default: /* FDIV */
        if (both && x->value >= 0 && y->value > 0)
            return host_constant(h, x->value / y->value);
        return is_constant(y, 1) ? a : -1;
    }
}

int host_node(Host *h, tile_node_op op, tile_scalar_type type, int a, int b, int c)
{
    int same = type == TILE_I64 ? simpler(h, op, a, b) : -1;
    if (same >= 0)
        return same;
    return add_node(h, (tile_node){(uint8_t)op, (uint8_t)type, 0, a, b, c, 0});
}

static int typed_constant(Host *h, tile_scalar_type type, int64_t value)
{
    return add_node(h, (tile_node){TILE_NODE_CONST, (uint8_t)type, 0, 0, 0, 0, value});
}

int host_constant(Host *h, int64_t value)
{
    return typed_constant(h, TILE_I64, value);
}

static const struct {
    OpCode code;
    tile_node_op op;
    bool of_args; /* the node's type is that of the arguments */
} translations[] = {
    {OP_ADD, TILE_NODE_ADD, false},     {OP_SUB, TILE_NODE_SUB, false},
    {OP_MUL, TILE_NODE_MUL, false},     {OP_FDIV, TILE_NODE_FDIV, false},
    {OP_MOD, TILE_NODE_MOD, false},     {OP_DIV, TILE_NODE_DIV, false},
    {OP_MIN, TILE_NODE_MIN, false},     {OP_MAX, TILE_NODE_MAX, false},
    {OP_AND, TILE_NODE_AND, false},     {OP_OR, TILE_NODE_OR, false},
    {OP_XOR, TILE_NODE_XOR, false},     {OP_SHL, TILE_NODE_SHL, false},
    {OP_SHR, TILE_NODE_SHR, false},     {OP_EQ, TILE_NODE_EQ, true},
    {OP_NE, TILE_NODE_NE, true},        {OP_LT, TILE_NODE_LT, true},
    {OP_LE, TILE_NODE_LE, true},        {OP_GT, TILE_NODE_GT, true},
    {OP_GE, TILE_NODE_GE, true},        {OP_NEG, TILE_NODE_NEG, false},
    {OP_LNOT, TILE_NODE_NOT, false},    {OP_SELECT, TILE_NODE_SELECT, false},
    {OP_BNOT, TILE_NODE_BNOT, false},   {OP_ABS, TILE_NODE_ABS, false},
    {OP_FLOOR, TILE_NODE_FLOOR, false}, {OP_SQRT, TILE_NODE_SQRT, false},
    {OP_ISNAN, TILE_NODE_ISNAN, true},  {OP_ISFINITE, TILE_NODE_ISFINITE, true},
};

/* A bool of `&&` and `||`, or a choice: both sides are evaluated, one is taken. */
static int chosen(Host *h, const Op *op, int result)
{
    int node[3] = {host_value(h, op->args[0]), -1, -1};
    for (int i = 0; i < 2; i++) {
        const Op *last = op->regions[i]->last;
        if (last->code != OP_YIELD)
            return -1;
        node[i + 1] = host_value(h, last->args[result]);
    }
    if (node[0] < 0 || node[1] < 0 || node[2] < 0)
        return -1;
    return host_node(h, TILE_NODE_SELECT, host_type(op->results[result]->type.dtype), node[0],
                     node[1], node[2]);
}

/* The extent of a tensor or view: what its args say. */
static int view_extent(Host *h, const Value *tensor, int axis)
{
    const Op *op = tensor->op;
    int rank = tensor->type.rank, a, b;
    switch (op ? op->code : OP_COUNT) {
    case OP_TENSOR:
        return host_value(h, op->args[axis]);
    case OP_TABLE:
        return view_extent(h, op->args[0], axis);
    case OP_VIEW_RESHAPE:
        return host_value(h, op->args[axis + 1]);
    case OP_VIEW_TRANS:
        return view_extent(h, op->args[0], axis < rank - 2 ? axis : 2 * rank - 3 - axis);
    case OP_VIEW_UPSAMPLE:
        a = view_extent(h, op->args[0], axis);
        b = host_value(h, op->args[axis + 1]);
        return a < 0 || b < 0 ? -1 : host_node(h, TILE_NODE_MUL, TILE_I64, a, b, 0);
    case OP_VIEW_SLICE: {
        int whole = view_extent(h, op->args[0], axis);
        if (axis != op->axis || whole < 0)
            return whole;
        a = host_value(h, op->args[1]);
        b = host_value(h, op->args[2]);
        if (a < 0 || b < 0)
            return -1;
        int lo = host_node(h, TILE_NODE_MAX, TILE_I64, a, host_constant(h, 0), 0);
        lo = host_node(h, TILE_NODE_MIN, TILE_I64, lo, whole, 0);
        int hi = host_node(h, TILE_NODE_MIN, TILE_I64, b, whole, 0);
        hi = host_node(h, TILE_NODE_MAX, TILE_I64, hi, lo, 0);
        return host_node(h, TILE_NODE_SUB, TILE_I64, hi, lo, 0);
    }
    default:
        return -1;
    }
}

/* Is the optional tensor there? In a kernel's header or, for a variant that has it not, nowhere. */
static int present(Host *h, const char *name)
{
    for (const Op *op = h->kernel->body->first; op; op = op->next)
        if (op->code == OP_TENSOR && strcmp(op->name, name) == 0)
            return host_node(h, TILE_NODE_PRESENT, TILE_BOOL, host_tensor_number(h->kernel, op), 0,
                             0);
    return typed_constant(h, TILE_BOOL, 0);
}

static int computed(Host *h, const Op *op)
{
    int args[3] = {0, 0, 0};
    if (op->nargs < 1 || op->nargs > 3)
        return -1;
    for (int i = 0; i < op->nargs; i++) {
        if (op->args[i]->type.kind != TY_TILE)
            return -1;
        args[i] = host_value(h, op->args[i]);
        if (args[i] < 0)
            return -1;
    }
    tile_scalar_type type = host_type(op->results[0]->type.dtype);
    tile_scalar_type from = host_type(op->args[0]->type.dtype);
    if (op->code == OP_CAST)
        return add_node(
            h, (tile_node){TILE_NODE_CAST, (uint8_t)type, (uint8_t)from, args[0], 0, 0, 0});
    if (op->code == OP_RESHAPE || op->code == OP_BROADCAST)
        return args[0];
    for (size_t i = 0; i < sizeof translations / sizeof *translations; i++)
        if (translations[i].code == op->code)
            return host_node(h, translations[i].op, translations[i].of_args ? from : type, args[0],
                             args[1], args[2]);
    return -1;
}

int host_is_multiple(Host *h, int node, int64_t n)
{
    int rest = host_node(h, TILE_NODE_MOD, TILE_I64, node, host_constant(h, n), 0);
    return host_node(h, TILE_NODE_EQ, TILE_I64, rest, host_constant(h, 0), 0);
}

int host_value(Host *h, const Value *v)
{
    if (v->id < h->ids && h->node_of[v->id])
        return h->node_of[v->id] - (h->node_of[v->id] > 0);
    const Op *op = v->op;
    int node = -1;
    if (!op || v->type.kind != TY_TILE || v->type.rank != 0 || !is_host_type(v->type.dtype))
        node = -1;
    else if (op->code == OP_CONST)
        node = typed_constant(h, host_type(v->type.dtype),
                              v->type.dtype == DT_F32 ? (int64_t)op->bits
                                                      : bits_to_int(v->type.dtype, op->bits));
    else if (op->code == OP_SCALAR)
        node = host_node(h, TILE_NODE_SCALAR, host_type(v->type.dtype),
                         scalar_number(h->kernel, op), 0, 0);
    else if (op->code == OP_PRESENT)
        node = present(h, op->name);
    else if (op->code == OP_RESIDENT)
        node = host_programs(h, op);
    else if (op->code == OP_IF)
        node = chosen(h, op, v->index);
    else if (op->code == OP_EXTENT)
        node = view_extent(h, op->args[0], op->axis);
    else if (op->code != OP_DIM)
        node = computed(h, op);
    if (v->id < h->ids)
        h->node_of[v->id] = node < 0 ? -1 : node + 1;
    return node;
}

/* Which calls the schedule is for: asked before anything else, so its nodes come early. */
static void start_when(Host *h)
{
    for (const Op *op = h->kernel->body->first; op; op = op->next) {
        if (op->code != OP_WHEN)
            continue;
        h->when = host_value(h, op->args[0]);
        if (h->when < 0)
            host_wrong(h, op->pos, "the condition is nothing the host computes");
    }
}

void host_start(Host *h, Arena *arena, const Kernel *k)
{
    *h = (Host){.arena = arena, .kernel = k, .scratch = -1, .when = -1};
    h->ids = k->next_id;
    h->node_of = NEW_ARRAY(arena, int, k->next_id);
    host_dims(h);
    /* Values that were refused while dims were unknown may be possible now. */
    for (int i = 0; i < h->ids; i++)
        if (h->node_of[i] < 0)
            h->node_of[i] = 0;
    start_when(h);
    host_checks(h);
}

/* ---- fields ---- */

static bool name_taken(const Host *h, const char *name)
{
    for (int i = 0; i < h->fields.count; i++)
        if (strcmp(h->fields.items[i].name, name) == 0)
            return true;
    return false;
}

static const char *add_field(Host *h, tile_field f, const char *type, const char *name, int count)
{
    for (int i = 0; i < h->fields.count; i++) {
        const HostField *o = &h->fields.items[i];
        if (o->field.kind == f.kind && o->field.index == f.index && o->field.node == f.node &&
            strcmp(o->type, type) == 0)
            return arena_format(h->arena, "a.%s", o->name);
    }
    const char *unique = name;
    for (int n = 1; name_taken(h, unique); n++)
        unique = arena_format(h->arena, "%s_%d", name, n);
    HostField field = {f, type, unique, count};
    PUSH(h->arena, &h->fields, field);
    return arena_format(h->arena, "a.%s", unique);
}

const char *host_pointer(Host *h, const Op *tensor, const char *type, const char *name)
{
    if (tensor->tensor->dir == PARAM_SCRATCH)
        return host_scratch(h, host_scratch_offset(h, tensor), type, name);
    tile_field f = {.kind = TILE_FIELD_POINTER,
                    .size = 8,
                    .index = host_tensor_number(h->kernel, tensor),
                    .node = -1};
    return add_field(h, f, type, name, 0);
}

const char *host_number(Host *h, int node, const char *type, const char *name)
{
    uint32_t size = strstr(type, "64")                                 ? 8
                    : strstr(type, "32") || strcmp(type, "float") == 0 ? 4
                    : strstr(type, "16")                               ? 2
                                                                       : 1;
    tile_field f = {.kind = TILE_FIELD_VALUE, .size = size, .index = -1, .node = node};
    return add_field(h, f, type, name, 0);
}

const char *host_divisor(Host *h, int node, const char *name)
{
    tile_field f = {.kind = TILE_FIELD_DIVISOR, .size = 24, .index = -1, .node = node};
    return add_field(h, f, "TileDivisor ", name, 0);
}

const char *host_scratch(Host *h, int offset, const char *type, const char *name)
{
    tile_field f = {.kind = TILE_FIELD_SCRATCH, .size = 8, .index = -1, .node = offset};
    return add_field(h, f, type, name, 0);
}

const char *host_table(Host *h, const Op *tensor, const char *name)
{
    tile_field f = {.kind = TILE_FIELD_TABLE,
                    .size = 4,
                    .index = host_tensor_number(h->kernel, tensor),
                    .node = -1};
    h->tables = true;
    const char *first = add_field(h, f, "uint32_t", arena_format(h->arena, "%s_first", name), 0);
    return arena_format(h->arena, "(a.tables + %s)", first);
}

static bool same_map(const tile_plan_map *a, const tile_plan_map *b)
{
    bool same = a->tensor == b->tensor && a->rank == b->rank && a->swizzle == b->swizzle;
    for (int i = 0; i < a->rank && same; i++)
        same = a->box[i] == b->box[i] && a->extent[i] == b->extent[i] &&
               a->stride[i] == b->stride[i];
    return same;
}

const char *host_map(Host *h, const tile_plan_map *map, const char *name)
{
    int at = 0;
    while (at < h->maps.count && !same_map(&h->maps.items[at], map))
        at++;
    if (at == h->maps.count)
        PUSH(h->arena, &h->maps, *map);
    tile_field f = {.kind = TILE_FIELD_MAP, .size = 128, .index = at, .node = -1};
    return add_field(h, f, "TileTensorMap", name, 0);
}

void host_contiguous(Host *h, const Op *tensor, int axis)
{
    int t = host_tensor_number(h->kernel, tensor);
    int outer = host_node(h, TILE_NODE_STRIDE, TILE_I64, t, axis, 0);
    int inner = host_node(h, TILE_NODE_STRIDE, TILE_I64, t, axis + 1, 0);
    int extent = host_node(h, TILE_NODE_EXTENT, TILE_I64, t, axis + 1, 0);
    int want = host_node(h, TILE_NODE_MUL, TILE_I64, inner, extent, 0);
    tile_require r = {host_node(h, TILE_NODE_EQ, TILE_I64, outer, want, 0),
                      arena_format(h->arena, "%s: axes %d and %d follow each other in memory",
                                   tensor->name, axis, axis + 1),
                      0, false};
    for (int i = 0; i < h->requires.count; i++)
        if (h->requires.items[i].node == r.node)
            return;
    PUSH(h->arena, &h->requires, r);
}

void host_need_aligned(Host *h, int node)
{
    for (int i = 0; i < h->facts.count; i++)
        if (h->facts.items[i] == node)
            return;
    PUSH(h->arena, &h->facts, node);
}

/* Is it "x % m == 0" with m a power of two? Gives m, 0 if not, and x. */
static int64_t modulus(const Host *h, int fact, int *x)
{
    const tile_node *equal = &h->nodes.items[fact], *rest = &h->nodes.items[equal->a];
    if (equal->op != TILE_NODE_EQ || rest->op != TILE_NODE_MOD || rest->type != TILE_I64 ||
        !is_constant(&h->nodes.items[equal->b], 0))
        return 0;
    const tile_node *m = &h->nodes.items[rest->b];
    *x = rest->a;
    return m->op == TILE_NODE_CONST && m->value > 0 && !(m->value & (m->value - 1)) ? m->value : 0;
}

static int both_facts(Host *h, int a, int b)
{
    return a < 0 ? b : host_node(h, TILE_NODE_AND, TILE_BOOL, a, b, 0);
}

/* All facts at once; those of one modulus by the low bits of all that it divides. -1: no facts. */
static int all_facts(Host *h)
{
    int all = -1, x;
    for (int64_t m = 1; m < (int64_t)1 << 32; m *= 2) {
        int bits = -1;
        for (int i = 0; i < h->facts.count; i++)
            if (modulus(h, h->facts.items[i], &x) == m)
                bits = bits < 0 ? x : host_node(h, TILE_NODE_OR, TILE_I64, bits, x, 0);
        if (bits < 0)
            continue;
        int rest = host_node(h, TILE_NODE_MOD, TILE_I64, bits, host_constant(h, m), 0);
        all = both_facts(h, all,
                         host_node(h, TILE_NODE_EQ, TILE_I64, rest, host_constant(h, 0), 0));
    }
    for (int i = 0; i < h->facts.count; i++) {
        int64_t m = modulus(h, h->facts.items[i], &x);
        if (m == 0 || m >= (int64_t)1 << 32)
            all = both_facts(h, all, h->facts.items[i]);
    }
    return all;
}

static uint32_t alignment(const HostField *f)
{
    if (f->field.kind == TILE_FIELD_MAP)
        return 64;
    return f->field.kind == TILE_FIELD_DIVISOR || f->count ? 8 : f->field.size;
}

char *host_struct(Host *h, const char *name)
{
    char *text = arena_format(h->arena, "typedef struct %s {\n", name);
    uint32_t at = 0;
    for (int i = 0; i < h->fields.count; i++) {
        HostField *f = &h->fields.items[i];
        uint32_t a = alignment(f);
        at = (at + a - 1) / a * a;
        f->field.offset = at;
        at += f->field.size;
        bool space = f->type[strlen(f->type) - 1] != '*' && f->type[strlen(f->type) - 1] != ' ';
        text = arena_format(h->arena, f->count ? "%s    %s%s%s[%d];\n" : "%s    %s%s%s;\n", text,
                            f->type, space ? " " : "", f->name, f->count);
    }
    if (h->tables)
        text = arena_format(h->arena, "%s    void *tables[TILE_TABLE_ENTRIES];\n", text);
    return arena_format(h->arena, "%s} %s;\n", text, name);
}

/* The phases that bound a PROGRAMS node are known as launches only now. */
static void name_phases(Host *h)
{
    int pars = 0, all = (1 << h->phases.count) - 1;
    for (const Op *op = h->kernel->body->first; op; op = op->next)
        pars += op->code == OP_PAR;
    for (int i = 0; i < h->nodes.count; i++) {
        tile_node *n = &h->nodes.items[i];
        if (n->op == TILE_NODE_PROGRAMS && (pars != h->phases.count || !(n->a & all)))
            n->a = all;
    }
}

static const tile_plan_tensor *plan_tensors(Host *h, int *count)
{
    uint8_t *strided = host_strided(h);
    *count = 0;
    for (const Op *op = h->kernel->body->first; op; op = op->next)
        *count += op->code == OP_TENSOR;
    tile_plan_tensor *list = NEW_ARRAY(h->arena, tile_plan_tensor, *count), *t = list;
    for (const Op *op = h->kernel->body->first; op; op = op->next) {
        if (op->code != OP_TENSOR)
            continue;
        *t = (tile_plan_tensor){.param = -1,
                                .alias = -1,
                                .type = (uint8_t)op->results[0]->type.dtype,
                                .format = (uint8_t)op->tensor->format,
                                .strided = strided[t - list]};
        for (const Op *o = h->kernel->body->first; o && op->tensor->alias; o = o->next)
            if (o->code == OP_TENSOR && strcmp(o->name, op->tensor->alias) == 0)
                t->alias = host_tensor_number(h->kernel, o);
        t++;
    }
    return list;
}

static const tile_dim *plan_dims(Host *h)
{
    tile_dim *dims = NEW_ARRAY(h->arena, tile_dim, h->dims.count);
    for (int i = 0; i < h->dims.count; i++) {
        const HostDim *d = &h->dims.items[i];
        dims[i] = (tile_dim){d->dim->name, d->node, d->tensor};
    }
    return dims;
}

tile_plan host_plan(Host *h)
{
    tile_field *fields = NEW_ARRAY(h->arena, tile_field, h->fields.count);
    uint32_t size = 0;
    for (int i = 0; i < h->fields.count; i++) {
        fields[i] = h->fields.items[i].field;
        uint32_t end = fields[i].offset + fields[i].size;
        size = end > size ? end : size;
    }
    int tensors;
    if (h->scratch < 0)
        host_scratch_layout(h);
    name_phases(h);
    const tile_plan_tensor *list = plan_tensors(h, &tensors);
    int aligned = all_facts(h);
    tile_plan plan = {
        .nodes = h->nodes.items,
        .tensors = list,
        .tensor_count = tensors,
        .dims = plan_dims(h),
        .dim_count = h->dims.count,
        .extents = h->extents.items,
        .extent_count = h->extents.count,
        .fields = fields,
        .phases = h->phases.items,
        .node_count = h->nodes.count,
        .field_count = h->fields.count,
        .phase_count = h->phases.count,
        .requires = h->requires.items,
        .require_count = h->requires.count,
        .maps = h->maps.items,
        .map_count = h->maps.count,
        .args_size = (size + 7) / 8 * 8,
        .tables = h->tables,
        .aligned = aligned,
        .scratch_bytes = h->scratch,
        .when = h->when,
    };
    host_prune(h->arena, &plan);
    return plan;
}
