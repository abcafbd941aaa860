#include "compiler/ir_reader.h"
#include "compiler/verify.h"

/* An op while its parts are read. */
typedef struct Draft {
    Op attributes; /* code, pos and attributes of the op to be */
    DefinitionList results;
    ValueList args;
    TypeList types;
    IrToken code; /* the text of `bits`; kind IR_END: none */
} Draft;

static bool read_region_ops(Reader *, Region *);

static bool read_values(Reader *r, ValueList *list)
{
    do {
        if (!ir_read_use(r, list))
            return false;
    } while (ir_accept(r, ','));
    return true;
}

static bool read_access_axis(Reader *r, Draft *d)
{
    Access *a = d->attributes.access;
    if (a->count == MAX_RANK)
        return ir_error_at(r, r->token.pos, "more axes than 8");
    AxisKind kind = AX_SCALAR;
    int64_t extent = 0;
    if (ir_accept(r, ':')) {
        kind = AX_FULL;
        if (!ir_read_extent(r, &extent))
            return false;
    } else {
        if (ir_accept_word(r, "tile"))
            kind = AX_TILE;
        if (!ir_read_use(r, &d->args))
            return false;
        if (kind == AX_SCALAR && ir_accept(r, '+')) {
            kind = AX_SLICE;
            if (!ir_read_extent(r, &extent))
                return false;
        }
    }
    a->axis[a->count].kind = kind;
    a->axis[a->count++].extent = extent;
    return true;
}

static bool read_access(Reader *r, Draft *d)
{
    d->attributes.access = NEW(r->arena, Access);
    if (ir_accept(r, ']'))
        return true;
    do {
        if (!read_access_axis(r, d))
            return false;
    } while (ir_accept(r, ','));
    return ir_expect(r, ']', "] or a comma");
}

static bool read_args(Reader *r, Draft *d)
{
    if (r->token.kind != IR_VALUE)
        return true;
    if (!ir_read_use(r, &d->args))
        return false;
    if (ir_accept(r, '[') && !read_access(r, d))
        return false;
    return !ir_accept(r, ',') || read_values(r, &d->args);
}

static bool read_fields(Reader *r, Draft *d)
{
    PipeInfo *p = NEW(r->arena, PipeInfo);
    struct {
        const char **items;
        int count, capacity;
    } names = {0};
    TypeList types = {0};
    d->attributes.pipe = p;
    if (!ir_read_int(r, 0, MAX_EXTENT, "a number of stages", &p->stages) || !ir_expect(r, '{', "{"))
        return false;
    while (!ir_accept(r, '}')) {
        const char *name = NULL;
        Type t;
        if ((names.count && !ir_expect(r, ',', "a comma")) || !ir_read_name(r, "a field", &name) ||
            !ir_expect(r, ':', "a colon") || !ir_read_type(r, &t))
            return false;
        PUSH(r->arena, &names, name);
        PUSH(r->arena, &types, t);
    }
    p->fields = names.count;
    p->names = names.items;
    p->types = types.items;
    return true;
}

static TensorInfo *tensor_info(Reader *r, Draft *d)
{
    if (!d->attributes.tensor)
        d->attributes.tensor = NEW(r->arena, TensorInfo);
    return d->attributes.tensor;
}

static bool read_format(Reader *r, Draft *d)
{
    int format = ir_find_word(r, format_name, 3);
    if (format < 0)
        return ir_expected(r, "a format");
    tensor_info(r, d)->format = (Format)format;
    return ir_next(r);
}

static bool read_any_stride(Reader *r, Draft *d)
{
    int64_t axis;
    if (!ir_read_int(r, 0, MAX_RANK - 1, "an axis", &axis))
        return false;
    tensor_info(r, d)->any_stride[axis] = true;
    return true;
}

static bool read_axis(Reader *r, Op *a)
{
    int64_t axis;
    if (!ir_read_int(r, -1, MAX_RANK - 1, "an axis", &axis))
        return false;
    a->axis = (int)axis;
    return true;
}

static bool read_classes(Reader *r, Op *a)
{
    int64_t n;
    if (!ir_read_int(r, 1, (int64_t)1 << 31, "a number of classes", &n))
        return false;
    a->bits = (uint64_t)n;
    return true;
}

static bool read_order(Reader *r, Op *a)
{
    int order = ir_find_word(r, order_name, 3);
    if (order < 0)
        return ir_expected(r, "seq or tree");
    a->order = (SumOrder)order;
    return ir_next(r);
}

static bool read_round(Reader *r, Op *a)
{
    int round = ir_find_word(r, round_name, 2);
    if (round < 0)
        return ir_expected(r, "nearest or zero");
    a->round = (RoundMode)round;
    return ir_next(r);
}

static bool read_digit(Reader *r, SumDigit *d)
{
    int owner = ir_find_word(r, owner_name, OWNERS);
    if (owner < 0)
        return ir_expected(r, "reg, lane or warp");
    d->owner = (Owner)owner;
    return ir_next(r) && ir_read_int(r, 0, MAX_EXTENT, "an extent", &d->extent) &&
           ir_expect(r, '@', "@ and a stride") &&
           ir_read_int(r, 0, MAX_EXTENT, "a stride", &d->stride);
}

static bool read_plan(Reader *r, Op *a)
{
    SumPlan *plan = NEW(r->arena, SumPlan);
    struct {
        SumDigit *items;
        int count, capacity;
    } digits = {0};
    a->plan = plan;
    if (!ir_expect(r, '(', "("))
        return false;
    while (!ir_accept(r, ')')) {
        SumDigit d;
        if ((digits.count && !ir_expect(r, ',', ") or a comma")) || !read_digit(r, &d))
            return false;
        PUSH(r->arena, &digits, d);
    }
    plan->digits = digits.items;
    plan->count = digits.count;
    plan->fused = ir_accept_word(r, "fused");
    return r->token.kind != IR_BAD;
}

static bool is_code(const Reader *r)
{
    return r->token.kind == IR_NUMBER || ir_token_is(&r->token, "true") ||
           ir_token_is(&r->token, "false");
}

static bool read_code(Reader *r, Draft *d)
{
    if (!is_code(r))
        return ir_expected(r, "a number, true or false");
    d->code = r->token;
    return ir_next(r);
}

static bool read_tensor_args(Reader *r, Draft *d)
{
    if (ir_accept(r, ']'))
        return true;
    return read_values(r, &d->args) && ir_expect(r, ']', "] or a comma");
}

/* One attribute, if one is next: *found. */
static bool read_attribute(Reader *r, Draft *d, bool *found)
{
    Op *a = &d->attributes;
    int dir = ir_find_word(r, dir_name, 4);
    *found = true;
    if (r->token.kind == IR_STRING)
        return ir_read_string(r, "a name", &a->name);
    if (is_code(r) || ir_accept_word(r, "pad"))
        return read_code(r, d);
    if (ir_accept_word(r, "axis"))
        return read_axis(r, a);
    if (ir_accept_word(r, "classes"))
        return read_classes(r, a);
    if (ir_accept_word(r, "order"))
        return read_order(r, a);
    if (ir_accept_word(r, "plan"))
        return read_plan(r, a);
    if (ir_accept_word(r, "round"))
        return read_round(r, a);
    if (ir_accept_word(r, "exclusive"))
        return a->exclusive = true;
    if (ir_accept_word(r, "unordered"))
        return a->unordered = true;
    if (ir_accept_word(r, "stages"))
        return read_fields(r, d);
    if (ir_accept_word(r, "format"))
        return read_format(r, d);
    if (ir_accept_word(r, "optional"))
        return tensor_info(r, d)->optional = true;
    if (ir_accept_word(r, "nondet"))
        return tensor_info(r, d)->nondet = true;
    if (ir_accept_word(r, "symm"))
        return tensor_info(r, d)->symm = true;
    if (ir_accept_word(r, "any_stride"))
        return read_any_stride(r, d);
    if (ir_accept_word(r, "alias"))
        return ir_read_string(r, "a tensor's name", &tensor_info(r, d)->alias);
    if (a->code == OP_TENSOR && ir_accept(r, '['))
        return read_tensor_args(r, d);
    *found = dir >= 0;
    if (!*found)
        return true;
    tensor_info(r, d)->dir = (ParamDir)dir;
    return ir_next(r);
}

static bool read_types(Reader *r, Draft *d)
{
    if (!ir_accept(r, ':'))
        return true;
    do {
        Type t;
        if (!ir_read_type(r, &t))
            return false;
        PUSH(r->arena, &d->types, t);
    } while (ir_accept(r, ','));
    return true;
}

static bool read_region_args(Reader *r, DefinitionList *list)
{
    if (!ir_accept(r, '('))
        return true;
    do {
        Definition *d;
        if (!ir_read_definition(r, list) || !ir_expect(r, ':', "a colon"))
            return false;
        d = &list->items[list->count - 1];
        if (!ir_read_type(r, &d->type))
            return false;
    } while (ir_accept(r, ','));
    return ir_expect(r, ')', ") or a comma");
}

static Region *new_region(Reader *r, Op *op, const DefinitionList *args)
{
    Type *types = NEW_ARRAY(r->arena, Type, args->count);
    for (int i = 0; i < args->count; i++)
        types[i] = args->items[i].type;
    Region *region = region_new(r->kernel, op, args->count, types);
    op_add_region(r->kernel, op, region);
    return region;
}

static bool read_region(Reader *r, Op *op)
{
    const char *name = NULL, *words = NULL;
    DefinitionList args = {0};
    if (r->depth == MAX_NESTING)
        return ir_error_at(r, r->token.pos, "regions are nested deeper than 200");
    if (r->token.kind == IR_STRING && !ir_read_string(r, "a name", &name))
        return false;
    if (ir_accept_word(r, "words") && !ir_read_string(r, "a role's words", &words))
        return false;
    if (!read_region_args(r, &args) || !ir_expect(r, '{', "{"))
        return false;
    Region *region = new_region(r, op, &args);
    region->name = name;
    region->words = words;
    for (int i = 0; i < args.count; i++)
        if (!ir_define(r, region->args[i], &args.items[i]))
            return false;
    r->depth++;
    if (!read_region_ops(r, region))
        return false;
    r->depth--;
    return ir_expect(r, '}', "}");
}

static bool read_regions(Reader *r, Op *op)
{
    static const char *const labels[] = {"range", "body", "then", "else", "role"};
    while (ir_find_word(r, labels, 5) >= 0)
        if (!ir_next(r) || !read_region(r, op))
            return false;
    return true;
}

static bool read_code_name(Reader *r, Draft *d)
{
    if (r->token.kind == IR_WORD)
        for (int i = 0; i < OP_COUNT; i++)
            if (ir_token_is(&r->token, op_info[i].name)) {
                d->attributes.code = (OpCode)i;
                return ir_next(r);
            }
    return ir_expected(r, "an operation");
}

static bool read_results(Reader *r, Draft *d)
{
    if (r->token.kind != IR_VALUE)
        return true;
    do {
        if (!ir_read_definition(r, &d->results))
            return false;
    } while (ir_accept(r, ','));
    return ir_expect(r, '=', "= or a comma");
}

static bool set_bits(Reader *r, Draft *d)
{
    DType t = d->types.count ? d->types.items[0].dtype : DT_NONE;
    if (d->code.kind == IR_END || ir_token_code(&d->code, t, &d->attributes.bits))
        return true;
    return diag_error(r->diag, d->code.pos, NULL, "no number of type %s", dtype_info[t].name);
}

/* The op that a draft describes: op_new's links with the draft's attributes. */
static Op *finish(Reader *r, const Draft *d)
{
    Op *op = op_new(r->kernel, d->attributes.code, d->attributes.pos, d->args.count, d->args.items,
                    d->results.count, d->types.items);
    Op made = *op;
    *op = d->attributes;
    op->nargs = made.nargs;
    op->args = made.args;
    op->nresults = made.nresults;
    op->results = made.results;
    return op;
}

static bool read_op(Reader *r, Region *region)
{
    Draft d = {.code = {.kind = IR_END}};
    Pos start = r->token.pos;
    bool more = true;
    if (!read_results(r, &d) || !read_code_name(r, &d) || !read_args(r, &d))
        return false;
    while (more)
        if (!read_attribute(r, &d, &more))
            return false;
    if (!read_types(r, &d) || (ir_accept(r, '@') && !ir_read_place(r, &d.attributes.pos)))
        return false;
    if (d.types.count != d.results.count)
        return diag_error(r->diag, start, NULL, "%d results and %d types", d.results.count,
                          d.types.count);
    if (!set_bits(r, &d))
        return false;
    Op *op = finish(r, &d);
    region_append(region, op);
    for (int i = 0; i < op->nresults; i++)
        if (!ir_define(r, op->results[i], &d.results.items[i]))
            return false;
    return read_regions(r, op);
}

static bool read_region_ops(Reader *r, Region *region)
{
    while (!ir_is_punct(r, '}')) {
        if (r->token.kind != IR_WORD && r->token.kind != IR_VALUE)
            return ir_expected(r, "an operation or }");
        if (!read_op(r, region))
            return false;
    }
    return true;
}

static bool read_head(Reader *r)
{
    const char *name = NULL, *variant = "", *source = NULL;
    if (!ir_next(r) || !(ir_accept_word(r, "kernel") || ir_expected(r, "kernel")) ||
        !ir_read_name(r, "the kernel's name", &name))
        return false;
    if (r->token.kind == IR_STRING && !ir_read_string(r, "the variant", &variant))
        return false;
    r->kernel = kernel_new(r->arena, name, (Pos){0});
    r->kernel->variant = variant;
    if (!ir_accept_word(r, "at"))
        return true;
    return ir_read_string(r, "a file", &source) && ir_expect(r, ':', "a colon") &&
           ir_read_line_column(r, source, &r->kernel->pos);
}

Kernel *kernel_read(Arena *arena, Diag *diag, const Source *source)
{
    Reader r = {.arena = arena, .diag = diag, .text = source, .max_id = -1};
    if (source->length > UINT32_MAX / 2) {
        diag_error(diag, (Pos){source, 0, 0}, NULL, "the text is longer than 2 GiB");
        return NULL;
    }
    if (!read_head(&r) || !ir_expect(&r, '{', "{") || !read_region_ops(&r, r.kernel->body) ||
        !ir_expect(&r, '}', "}"))
        return NULL;
    if (r.token.kind != IR_END) {
        ir_expected(&r, "the end of the text");
        return NULL;
    }
    r.kernel->next_id = r.max_id + 1;
    return r.kernel;
}
