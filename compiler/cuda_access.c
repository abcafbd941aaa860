/* Loads, stores and atomics (R3): where a thread's elements lie, which of them are inside, and how
 * many move at once.
 *
 * An index along an axis has a part that is the same for the whole program, one of the thread, and
 * one of the register. The first two make a pointer, the last an offset that is a constant once the
 * registers are unrolled.
 */
#include <string.h>

#include "compiler/counts.h"
#include "compiler/cuda.h"
#include "compiler/directives.h"

typedef struct Place {
    const CudaView *view;
    const Layout *layout; /* NULL: one element, by all threads */
    Vectors vectors;
    bool several;        /* vectors of more than one element */
    const char *pointer; /* of register 0's element */
    char *offset;        /* of register r */
    char *inside;        /* condition on all axes but the vector's; "" is true */
    char *first;         /* along the vector's axis, or NULL: known to be inside */
    char *index;         /* the same, always */
    int axis;            /* the vector's axis; -1: none */
    const char *extent;
} Place;

/* The tensor or local that memory belongs to; aliases are one. NULL: nobody writes it. */
const Op *memory_of(const Cuda *c, const Value *tensor)
{
    const Op *t = tensor_root(tensor)->op, *first = t;
    if (!t->tensor)
        return t;
    bool written = t->tensor->dir != PARAM_IN;
    for (const Op *op = c->low->kernel->body->first; op && t->tensor->alias; op = op->next)
        if (op->code == OP_TENSOR && strcmp(op->name, t->tensor->alias) == 0) {
            written |= op->tensor->dir != PARAM_IN;
            first = op->results[0]->id < t->results[0]->id ? op : t;
        }
    return written ? first : NULL;
}

static bool is_local(const CudaView *v)
{
    return v->local != NULL;
}

/* Tells what the next statement does. */
static void tell(Cuda *c, const Op *op, const CudaView *v, const Layout *l, bool write)
{
    const Op *memory = memory_of(c, op->args[0]);
    Effect e = {.buffer = v->local,
                .memory = v->local ? NULL : memory,
                .tensor = v->local ? NULL : v->tensor,
                .write = write,
                .op = op};
    /* One thread stores an element, whoever holds it; all that hold it load it. */
    e.own = op->code == OP_STORE || (op->code == OP_LOAD && l && !*one_holder(c, l));
    if (l)
        e.layout = *l;
    statement_effect(&c->out, e);
}

/* ---- vectors ---- */

int contiguous_slice(const Op *op, const CudaView *v, int *dim)
{
    const Access *a = op->access;
    int at = 0, found = -1;
    bool joint = false;
    for (int k = 0; k < a->count; k++) {
        AxisKind kind = a->axis[k].kind;
        bool slice = kind == AX_SLICE || kind == AX_FULL;
        bool unit = v->quad == k ||
                    (v->stride[k].known && v->stride[k].value == 1 && !v->divide[k]);
        if (slice && unit && (v->quad < 0 || v->quad == k)) {
            found = k;
            *dim = at;
        }
        at += slice || (kind == AX_TILE && !joint);
        joint |= kind == AX_TILE;
    }
    return found;
}

static bool divides(const Number *n, int64_t by)
{
    return n->known ? n->value % by == 0 : n->node >= 0;
}

/* May n neighbours along the axis move at once? What only the host can see is a fact that it tests.
 */
static bool vector_possible(const Op *op, const CudaView *v, int axis, int64_t n)
{
    const Value *start = index_value(op, axis);
    if ((start && !is_multiple(start, n)) || v->odd_offset[axis] || !divides(&v->extent[axis], n))
        return false;
    if (v->quad == axis)
        return n <= 4 && !v->shift[axis];
    for (int k = 0; k < op->access->count; k++)
        if (k != axis && !divides(&v->stride[k], n))
            return false;
    return true;
}

/* The facts under which these vectors are aligned and wholly inside or outside. */
static void need_facts(Cuda *c, const Op *op, const CudaView *v, int axis, int64_t n)
{
    Host *h = c->host;
    DType t = v->tensor->results[0]->type.dtype;
    if (is_local(v))
        return;
    int tensor = host_tensor_number(c->low->kernel, v->tensor);
    int address = host_node(h, TILE_NODE_ADDRESS, TILE_I64, tensor, 0, 0);
    int64_t bytes = n * dtype_info[t].bits / 8;
    if (bytes > 1)
        host_need_aligned(h, host_is_multiple(h, address, bytes));
    if (!v->extent[axis].known)
        host_need_aligned(h, host_is_multiple(h, v->extent[axis].node, n));
    for (int k = 0; k < op->access->count; k++)
        if (k != axis && v->quad != axis && !v->stride[k].known)
            host_need_aligned(h, host_is_multiple(h, v->stride[k].node, n));
}

/* What keeps n neighbours from moving at once. */
static const char *why_no_vectors(Cuda *c, const Op *op, const CudaView *v, int axis, int64_t n)
{
    if (axis < 0)
        return "no axis of its tiles lies contiguously in memory";
    const Value *start = index_value(op, axis);
    if (start && c->ranges.of[start->id].lo < 0)
        return "an index may be negative";
    if ((start && !is_multiple(start, n)) || v->odd_offset[axis])
        return "its tiles need not begin where a vector does";
    if (!divides(&v->extent[axis], n))
        return "its extent is no multiple of a vector";
    return vector_possible(op, v, axis, n) ? "threads hold fewer neighbours of a tile"
                                           : "its rows or pieces are no multiple of a vector apart";
}

/* As the schedule asks, or the longest that are possible. */
static Vectors choose_vectors(Cuda *c, const Op *op, const CudaView *v, const Layout *l, int *axis)
{
    Vectors one = {1, layout_span(l, OWN_REG), -1, true};
    int dim = 0, along = contiguous_slice(op, v, &dim);
    DType t = v->tensor->results[0]->type.dtype;
    Path path = path_of(c->low, c->plan, op);
    const Value *start = along < 0 ? NULL : index_value(op, along);
    bool possible = along >= 0 && !(start && c->ranges.of[start->id].lo < 0);
    int64_t most = path.elements ? path.elements : 128 / dtype_info[t].bits;
    *axis = -1;
    for (; possible && most > 1; most /= 2) {
        Vectors vectors = vectors_along(l, dim, most);
        if (vectors.n == 1)
            break;
        if (!vector_possible(op, v, along, vectors.n))
            continue;
        need_facts(c, op, v, along, vectors.n);
        *axis = along;
        one = vectors;
        break;
    }
    if (path.elements && one.n != path.elements)
        path_fail(c, op, path.vector, why_no_vectors(c, op, v, along, path.elements));
    directive_honour(c->low, c->plan, path.vector);
    return one;
}

/* ---- addresses ---- */

typedef struct Index {
    const char *uniform;
    char *thread, *reg;
    const Value *value; /* of `uniform`; NULL: 0 */
} Index;

/* `natural`: x is a tile_index or less, and not negative. */
static char *times(Cuda *c, const char *x, bool natural, const Number *stride)
{
    if (strcmp(x, "0") == 0 || (stride->known && stride->value == 1))
        return format_text(c, "%s", x);
    if (stride->known && stride->value == 0)
        return format_text(c, "0");
    return format_text(c, natural ? "tile_wide(%s) * %s" : "(int64_t)(%s) * %s", x, stride->text);
}

static bool is_natural(Cuda *c, const Index *i)
{
    return !i->value || (c->ranges.of[i->value->id].lo >= 0 && i->value->type.dtype != DT_U64 &&
                         held(c, i->value) != DT_I64 && i->value->type.dtype != DT_U32);
}

static char *whole_index(Cuda *c, const Index *i)
{
    return sum_of(c, i->uniform, sum_of(c, i->thread, i->reg));
}

/* The index's part of the element number: `base` for what all registers share, and `offset`. */
static void add_part(Cuda *c, const CudaView *v, int k, const Index *i, char **base, char **offset)
{
    char *small = sum_of(c, i->thread, i->reg);
    if (v->quad == k) {
        char *x = whole_index(c, i);
        if (v->shift[k])
            x = sum_of(c, x, v->shift[k]);
        *offset = sum_of(c, *offset,
                         format_text(c, "(%s) / 4 * %s + (%s) %% 4", x, v->stride[k].text, x));
    } else if (v->divide[k] && v->divisor[k] && !v->shift[k] &&
               (!i->value || is_multiple(i->value, v->divisor[k]))) {
        if (i->value)
            *base = sum_of(c, *base,
                           times(c, format_text(c, "%s / %s", i->uniform, v->divide[k]), false,
                                 &v->stride[k]));
        if (strcmp(small, "0"))
            *offset = sum_of(c, *offset,
                             times(c, format_text(c, "(unsigned)(%s) / %s", small, v->divide[k]),
                                   false, &v->stride[k]));
    } else if (v->divide[k]) {
        char *x = whole_index(c, i);
        if (v->shift[k])
            x = sum_of(c, x, v->shift[k]);
        *offset = sum_of(
            c, *offset,
            times(c, format_text(c, "(%s) / %s", x, v->divide[k]), false, &v->stride[k]));
    } else {
        *base = sum_of(c, *base,
                       times(c, sum_of(c, i->uniform, i->thread), is_natural(c, i), &v->stride[k]));
        *offset = sum_of(c, *offset, times(c, i->reg, false, &v->stride[k]));
    }
}

/* Condition that the index is inside of axis k; "": it always is. */
static char *inside_text(Cuda *c, const Op *op, const CudaView *v, int k, const Index *i)
{
    const Access *a = op->access;
    AxisKind kind = a->axis[k].kind;
    int64_t n = kind == AX_SCALAR ? 1 : a->axis[k].extent;
    if (kind == AX_FULL)
        return format_text(c, "%s", "");
    if (kind != AX_TILE && v->extent_value[k] &&
        range_is_inside(&c->ranges, i->value, n, v->extent_value[k]))
        return format_text(c, "%s", "");
    if (kind != AX_TILE && v->extent[k].known && c->ranges.of[i->value->id].lo >= 0) {
        int64_t size = v->extent[k].value, hi = c->ranges.of[i->value->id].hi;
        if (hi <= size - n || (n && size % n == 0 && hi < size && is_multiple(i->value, n)))
            return format_text(c, "%s", "");
    }
    if (i->value && c->ranges.of[i->value->id].lo >= 0)
        return format_text(c, "%s < %s", whole_index(c, i), v->extent[k].text);
    return format_text(c, "tile_inside(%s, %s)", whole_index(c, i), v->extent[k].text);
}

static void place(Cuda *c, const Op *op, const CudaView *v, const Layout *l, bool vectors,
                  Place *out)
{
    const Access *a = op->access;
    int arg = 1, dim = 0, joint = -1, vector_axis = -1;
    *out = (Place){.view = v, .layout = l, .inside = format_text(c, "%s", c->guard)};
    out->vectors = l && vectors ? choose_vectors(c, op, v, l, &vector_axis)
                                : (Vectors){1, l ? layout_span(l, OWN_REG) : 1, -1, true};
    out->several = out->vectors.n > 1;
    out->axis = vector_axis;
    out->offset = format_text(c, "0");
    char *base = format_text(c, "%s", v->offset ? v->offset : "0");
    for (int k = 0; k < a->count; k++) {
        Index i = {"0", format_text(c, "0"), format_text(c, "0"), NULL};
        bool slice = a->axis[k].kind == AX_FULL || a->axis[k].kind == AX_SLICE;
        if (a->axis[k].kind == AX_SCALAR || a->axis[k].kind == AX_SLICE) {
            i.value = op->args[arg++];
            i.uniform = c_name(c, i.value);
        }
        if (slice && l) {
            i.thread = thread_coordinate(c, l, dim);
            i.reg = register_coordinate(c, l, dim, "r");
        }
        if (a->axis[k].kind == AX_TILE) {
            i.value = op->args[arg++];
            if (joint < 0)
                joint = dim++;
            const char *name = l ? axis_fitted(c, i.value, l, joint) : c_name(c, i.value);
            i.reg = l ? axis_element(c, i.value, name, l, joint, "r") : format_text(c, "%s", name);
        }
        dim += slice;
        add_part(c, v, k, &i, &base, &out->offset);
        char *inside = inside_text(c, op, v, k, &i);
        if (k == vector_axis) {
            out->index = whole_index(c, &i);
            out->extent = v->extent[k].text;
        }
        if (k == vector_axis && *inside) {
            out->first = out->index;
        } else {
            out->inside = both(c, out->inside, inside);
        }
    }
    if (v->tensor->results[0]->type.dtype == DT_E2M1) {
        /* Two codes a byte: an even base; offsets of vectors are even. */
        base = strcmp(base, "0") ? format_text(c, "(%s) / 2", base) : base;
        out->offset = format_text(c, "(%s) / 2", out->offset);
    }
    out->pointer = v->data;
    if (strcmp(base, "0")) {
        const char *name = new_temp(c, format_text(c, "%s_at", v->tensor->name));
        bool constant = v->tensor->tensor && v->tensor->tensor->dir == PARAM_IN;
        DType t = v->tensor->results[0]->type.dtype;
        line(c, "%s%s *const %s = %s + (%s);", constant ? "const " : "",
             t == DT_E2M1 ? "uint8_t" : c_type(t), name, v->data, base);
        out->pointer = name;
    }
}

char *scalar_inside(Cuda *c, const Op *op, const CudaView *v, int axis)
{
    const Value *x = index_value(op, axis);
    Index i = {x ? c_name(c, x) : "0", format_text(c, "0"), format_text(c, "0"), x};
    return inside_text(c, op, v, axis, &i);
}

char *scalar_offset(Cuda *c, const Op *op, const CudaView *v, int axis)
{
    const Value *x = index_value(op, axis);
    Index i = {x ? c_name(c, x) : "0", format_text(c, "0"), format_text(c, "0"), x};
    return times(c, i.uniform, is_natural(c, &i), &v->stride[axis]);
}

/* ---- hints ---- */

static bool streams(const Cuda *c, const char *verb, const Op *tensor)
{
    return directive_says(c->low, c->plan, verb, tensor->name, "stream");
}

const char *load_hint(Cuda *c, const Op *op, const CudaView *v)
{
    if (streams(c, "load", v->tensor))
        return "TILE_STREAM";
    bool changes = memory_of(c, op->args[0]) || pdl_waits(c->plan, v->tensor);
    return changes ? "TILE_PLAIN" : "TILE_CONSTANT";
}

const char *store_hint(Cuda *c, const CudaView *v)
{
    return streams(c, "store", v->tensor) ? "TILE_STREAM" : "TILE_PLAIN";
}

/* ---- loads ---- */

static const char *memory_type(DType t)
{
    return t == DT_E2M1 ? "e2m1" : carrier(t);
}

static char *pointer_text(Cuda *c, const Place *p)
{
    return sum_of(c, p->pointer, p->offset);
}

/* One element of register r. */
static char *load_text(Cuda *c, const Place *p, DType t, const char *inside, const char *pad,
                       const char *hint)
{
    const char *suffix = carrier(t);
    if (!is_local(p->view))
        return format_text(c, "tile_load_%s(%s, %s, %s, %s)", suffix, pointer_text(c, p),
                           *inside ? inside : "true", pad, hint);
    char *load = format_text(c, "tile_shared_load_%s(%s)", suffix, pointer_text(c, p));
    return *inside ? format_text(c, "%s ? %s : %s", inside, load, pad) : load;
}

static bool load_scalar(Cuda *c, const Op *op, const CudaView *v)
{
    const Value *r = op->results[0];
    DType t = r->type.dtype;
    Place p;
    place(c, op, v, NULL, false, &p);
    if (t == DT_E2M1)
        return cuda_fail(c, op, "a load of one e2m1 element");
    char *text = load_text(c, &p, t, p.inside, c_literal(c, t, op->bits), load_hint(c, op, v));
    tell(c, op, v, NULL, false);
    line(c, "const %s %s = %s;", c_type(t), c_name(c, r), text);
    return true;
}

/* ", inside" and, where the vector may end outside, ", room"; *at: "_at" then. */
static char *limits_text(Cuda *c, const Place *p, const char **at)
{
    char *inside = both(c, p->inside, holds_text(c, p->layout, "r"));
    *at = p->first ? "_at" : "";
    if (!*inside)
        inside = format_text(c, "true");
    return p->first ? format_text(c, ", %s, %s - (%s)", inside, p->extent, p->first)
                    : format_text(c, ", %s", inside);
}

/* Does the tile go to memory as it is, or turned? */
static bool is_only_moved(const Cuda *c, const Op *load)
{
    const Value *x = load->results[0];
    while (c->uses[x->id] == 1 && c->user[x->id]->code == OP_TRANS)
        x = c->user[x->id]->results[0];
    return c->uses[x->id] == 1 && c->user[x->id]->code == OP_STORE;
}

/* Are its vectors asked for? Pieces take registers, which threads have that do nothing else. */
static bool is_asked(const Cuda *c, const Op *op, const Place *p)
{
    int bits = dtype_info[op->results[0]->type.dtype].bits;
    for (int k = 0; k < op->access->count; k++)
        if (op->access->axis[k].kind == AX_TILE || op->access->axis[k].kind == AX_FULL)
            return false;
    return !is_local(p->view) && !memory_of(c, op->args[0]) && !layout_is_masked(p->layout) &&
           p->vectors.leading && (bits == 8 || bits == 16) && !op->bits &&
           p->vectors.n * bits == 128 && is_only_moved(c, op);
}

/* A condition under which the tile is inside, and its rows go on for a vector on both sides. */
static char *amid_text(Cuda *c, const Op *op, const Place *p)
{
    const CudaView *v = p->view;
    long long n = p->vectors.n;
    char *amid = format_text(c, "%s", c->guard);
    for (int k = 0; k < op->access->count; k++) {
        const Value *x = index_value(op, k);
        const char *index = c_name(c, x);
        long long size = op->access->axis[k].extent;
        bool natural = c->ranges.of[x->id].lo >= 0, along = k == p->axis;
        if (op->access->axis[k].kind == AX_SCALAR) {
            amid = both(c, amid, scalar_inside(c, op, v, k));
            continue;
        }
        if (along || !natural)
            amid = both(c, amid, format_text(c, "%s >= %lld", index, along ? n : 0));
        amid = both(
            c, amid,
            format_text(c, "%s + %lld <= %s", index, along ? size + n : size, v->extent[k].text));
    }
    return amid;
}

enum { ASKED_AT_ONCE = 4 };

/* Where rows begin anywhere: what some vectors lie in is read before the first of them is taken. */
static void ask_vectors(Cuda *c, const Op *op, const Place *p, const char *words)
{
    const char *asked = new_temp(c, "asked");
    const Vectors *v = &p->vectors;
    char *vector = vector_register(c, p->layout, v, "(o + k)");
    long long most = v->count < ASKED_AT_ONCE ? v->count : ASKED_AT_ONCE;
    while (v->count % most)
        most--;
    open_block(c, STATEMENT_BLOCK, "TILE_STEP(o, %lld, %lld)", (long long)v->count, most);
    line(c, "TileAsked %s[%lld];", asked, most);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(k, %lld)", most);
    line(c, "const int r = %s;", vector);
    line(c, "%s[k] = tile_ask(%s, %s);", asked, pointer_text(c, p), load_hint(c, op, p->view));
    close_block(c);
    line(c, "TILE_EACH(k, %lld) tile_take(%s[o + k], &%s[k]);", most, words, asked);
    close_block(c);
}

/* Vectors that are asked for amid the tensor, of which elsewhere 0 stands for what is outside. */
static void load_asked(Cuda *c, const Op *op, const Place *p, const char *name)
{
    DType t = op->results[0]->type.dtype;
    int size = dtype_info[t].size;
    const Vectors *v = &p->vectors;
    const char *words = new_temp(c, "words");
    char *r = vector_register(c, p->layout, v, "o");
    line(c, "uint32_t %s[%lld][4];", words, (long long)v->count);
    tell(c, op, p->view, p->layout, false);
    open_block(c, STATEMENT_THEN, "if (TILE_ALIGNED || !(%s))", amid_text(c, op, p));
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(o, %lld)", (long long)v->count);
    line(c, "const int r = %s;", r);
    line(c, "tile_vector_read(%s[o], %s, 16, %d, %s, (%s - (%s)) * %d, %s);", words,
         pointer_text(c, p), size, *p->inside ? p->inside : "true", p->extent, p->index, size,
         load_hint(c, op, p->view));
    close_block(c);
    close_block(c);
    open_block(c, STATEMENT_ELSE, "else");
    ask_vectors(c, op, p, words);
    close_block(c);
    line(c, "TILE_EACH(o, %lld) tile_unpack_%lld_%s(&%s[%s], %s[o]);", (long long)v->count,
         (long long)v->n, memory_type(t), name, r, words);
}

/* Vectors: whole ones in shared memory, since locals have known extents. */
static void load_vectors(Cuda *c, const Op *op, const Place *p, const char *name, const char *pad)
{
    DType t = op->results[0]->type.dtype;
    const Vectors *v = &p->vectors;
    const char *hint = load_hint(c, op, p->view), *type = memory_type(t), *at;
    char *limits = limits_text(c, p, &at);
    const char *to = v->leading ? format_text(c, "&%s[r]", name) : "piece";
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(o, %lld)", (long long)v->count);
    line(c, "const int r = %s;", vector_register(c, p->layout, v, "o"));
    if (!v->leading)
        line(c, "%s piece[%lld];", c_type(t), (long long)v->n);
    if (is_local(p->view))
        line(c, "tile_shared_load_%lld_%s(%s, %s);", (long long)v->n, type, to, pointer_text(c, p));
    else
        line(c, "tile_load_%lld_%s%s(%s, %s%s, %s, %s);", (long long)v->n, type, at, to,
             pointer_text(c, p), limits, pad, hint);
    if (!v->leading)
        line(c, "TILE_EACH(i, %lld) %s[r + i * %lld] = piece[i];", (long long)v->n, name,
             (long long)vector_step(p->layout, v));
    close_block(c);
}

bool load_tile(Cuda *c, const Op *op, const CudaView *v, const Layout *l, const char *name)
{
    const Value *r = op->results[0];
    DType t = r->type.dtype;
    Place p;
    place(c, op, v, l, true, &p);
    if (t == DT_E2M1 && !p.several)
        return cuda_fail(c, op, "a load of single e2m1 elements");
    char *pad = c_literal(c, t, op->bits);
    if (!name)
        declare(c, r);
    name = name ? name : c_name(c, r);
    bool checked = *p.inside || p.first || layout_is_masked(l);
    bool several = p.several && !(is_local(v) && checked);
    note_access(c, op, l, several ? &p.vectors : NULL);
    if (several && is_asked(c, op, &p)) {
        load_asked(c, op, &p, name);
        return true;
    }
    if (several) {
        tell(c, op, v, l, false);
        load_vectors(c, op, &p, name, pad);
        return true;
    }
    char *inside = both(c, p.inside, holds_text(c, l, "r"));
    if (p.first)
        inside = both(c, inside, format_text(c, "tile_inside(%s, %s)", p.first, p.extent));
    tell(c, op, v, l, false);
    int64_t run = group_run(op, v, l);
    char *load = load_text(c, &p, t, inside, pad, load_hint(c, op, v));
    if (run > 1)
        line(c, "TILE_EACH(r, %lld) %s[r] = r %% %lld ? %s[r - 1] : %s;",
             (long long)layout_span(l, OWN_REG), name, (long long)run, name, load);
    else
        line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)layout_span(l, OWN_REG), name, load);
    return true;
}

bool copy_vectors(Cuda *c, const Op *op, const Layout *l, int64_t each, const char *to)
{
    const CudaView *v = c->view[op->args[0]->id];
    Place p;
    int size = dtype_info[op->results[0]->type.dtype].size;
    place(c, op, v, l, true, &p);
    if (p.vectors.n != each || !p.vectors.leading || is_local(v) || streams(c, "load", v->tensor))
        return false;
    char *inside = both(c, p.inside, holds_text(c, l, "r"));
    char *room = p.first ? format_text(c, "(%s - (%s)) * %d", p.extent, p.first, size)
                         : format_text(c, "%lld", (long long)each * size);
    note_access(c, op, l, &p.vectors);
    tell(c, op, v, l, false);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(o, %lld)", (long long)p.vectors.count);
    line(c, "const int r = %s;", vector_register(c, l, &p.vectors, "o"));
    line(c, "tile_vector_copy(%s, %s, %lld, %d, %s, %s, %s);", to, pointer_text(c, &p),
         (long long)each * size, size, *inside ? inside : "true", room, load_hint(c, op, v));
    close_block(c);
    return true;
}

/* The layout in which threads move the tile along memory. */
static Layout memory_layout(Cuda *c, const Op *op, const CudaView *v, const Type *t)
{
    int dim = t->rank - 1;
    Path path = path_of(c->low, c->plan, op);
    contiguous_slice(op, v, &dim);
    int64_t vector = path.elements ? path.elements : 128 / dtype_info[t->dtype].bits;
    SpreadRequest q = {.fast = dim, .vector = vector, .block_axis = -1};
    return layout_spread(t, q, c->plan->unit);
}

static bool load_through_shared(Cuda *c, const Op *op, const CudaView *v, const Word *word)
{
    const Value *r = op->results[0];
    DType t = r->type.dtype;
    Layout to = *layout_of(c, r), from = memory_layout(c, op, v, &r->type);
    int dim;
    if (contiguous_slice(op, v, &dim) < 0)
        return path_fail(c, op, word, "no axis of its tiles lies contiguously in memory");
    const char *name = new_temp(c, "tile");
    line(c, "%s %s[%lld];", c_type(t), name, (long long)layout_span(&from, OWN_REG));
    if (!load_tile(c, op, v, &from, name))
        return false;
    Turn turn = put_in_shared(c, r, name, &from, &to);
    note_conversion(c, r, &from, &to, MOVE_SHARED);
    give_result(c, r, take_from_shared(c, &turn, &to), &to);
    directive_honour(c->low, c->plan, word);
    return true;
}

/* Vectors of a thread that lie in one sector of 32 bytes. */
static int64_t vectors_of_sector(const Layout *l, const Vectors *v, int bits)
{
    return v->leading ? vectors_along(l, l->mode[v->mode].dim, 256 / bits).n / v->n : 1;
}

/* Each thread asks for the sectors of what it will load. */
static bool prefetch_tile(Cuda *c, const Op *op, const CudaView *v)
{
    const Value *r = op->results[0];
    const Layout *l = layout_of(c, r);
    Place p;
    place(c, op, v, l, true, &p);
    char *inside = both(c, p.inside, holds_text(c, l, "r"));
    if (p.several && p.first)
        inside = both(c, inside, format_text(c, "tile_inside(%s, %s)", p.first, p.extent));
    long long n = p.several ? p.vectors.count : layout_span(l, OWN_REG), step = 1;
    if (p.several)
        step = vectors_of_sector(l, &p.vectors, dtype_info[r->type.dtype].bits);
    open_block(c, STATEMENT_BLOCK, "TILE_STEP(o, %lld, %lld)", n, step);
    line(c, "const int r = %s;", p.several ? vector_register(c, l, &p.vectors, "o") : "o");
    line(c, "tile_prefetch(%s, %s);", pointer_text(c, &p), *inside ? inside : "true");
    close_block(c);
    return true;
}

bool emit_load(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    const CudaView *v = c->view[op->args[0]->id];
    if (op->prefetch)
        return prefetch_tile(c, op, v);
    Path path = path_of(c->low, c->plan, op);
    if (is_copied(c, op) || is_boxed(c, op))
        return true; /* by the store */
    if (is_in_cells(c, op->args[0]))
        return cells_load(c, op);
    if (is_uniform(r))
        return load_scalar(c, op, v);
    if (moves_by_warp(c, op))
        return warp_load(c, op);
    if (path.smem)
        return load_through_shared(c, op, v, path.smem);
    if (path.tma)
        return tensor_load(c, op, path.tma);
    return load_tile(c, op, v, layout_of(c, r), NULL);
}

/* ---- stores ---- */

char *first_thread(Cuda *c)
{
    ThreadUnit u = c->plan->unit;
    return format_text(c, "%s",
                       u.lanes == 1   ? ""
                       : u.warps == 1 ? "lane == 0"
                                      : "lane == 0 && warp == 0");
}

static bool store_scalar(Cuda *c, const Op *op, const CudaView *v)
{
    const Value *x = op->args[op->nargs - 1];
    DType t = x->type.dtype;
    Place p;
    place(c, op, v, NULL, false, &p);
    if (t == DT_E2M1)
        return cuda_fail(c, op, "a store of one e2m1 element");
    char *when = both(c, first_thread(c), p.inside);
    const char *value = c_name(c, x);
    tell(c, op, v, NULL, true);
    if (is_local(v))
        line(c, "%s%s%stile_shared_store_%s(%s, %s);", *when ? "if (" : "", when, *when ? ") " : "",
             carrier(t), pointer_text(c, &p), value);
    else
        line(c, "tile_store_%s(%s, %s, %s, %s);", carrier(t), pointer_text(c, &p), value,
             *when ? when : "true", store_hint(c, v));
    return true;
}

/* Bytes that the lanes of a warp touch side by side in one access along the dim. */
static int64_t run_bytes(const Layout *l, int dim, int64_t vector, int bits)
{
    int64_t n = vector;
    for (int i = 0; i < l->count; i++) {
        const Mode *m = &l->mode[i];
        if (m->owner != OWN_LANE || m->dim < 0)
            continue;
        if (m->dim != dim || m->stride != n)
            break;
        n *= m->extent;
    }
    return n * bits / 8;
}

/* Two sectors of memory: what is shorter costs more than it moves. A small tile is not worth the
 * barriers. */
enum { GOOD_RUN = 64, SMALL_TILE = 1024 };

/* A tile that lies across the store's direction is turned first, if that makes longer runs: the
 * layout in which it is stored. `vector(n)` takes the threads' own vectors of n bytes as they are.
 */
static bool turned_layout(Cuda *c, const Op *op, const CudaView *v, const Layout *have, Layout *out)
{
    const Value *x = op->args[op->nargs - 1];
    int bits = dtype_info[x->type.dtype].bits, dim = 0, axis = contiguous_slice(op, v, &dim);
    if (axis < 0 || is_local(v))
        return false;
    Path path = path_of(c->low, c->plan, op);
    int64_t most = path.elements ? path.elements : 128 / bits;
    int64_t n = vectors_along(have, dim, most).n, run = run_bytes(have, dim, n, bits);
    if (path.smem || (path.elements && n != most) || (bits < 8 && n == 1)) {
        *out = memory_layout(c, op, v, &x->type);
        return true;
    }
    directive_honour(c->low, c->plan, path.regs);
    if (path.regs || c->plan->unit.lanes < 32 || run >= GOOD_RUN ||
        type_elements(&x->type) * bits / 8 < SMALL_TILE)
        return false;
    SpreadRequest wide = {.fast = dim, .vector = most, .block_axis = -1};
    *out = layout_spread(&x->type, wide, c->plan->unit);
    return run_bytes(out, dim, vectors_along(out, dim, most).n, bits) > run;
}

/* ---- stores that convert ---- */

const Op *narrow_store(Cuda *c, const Op *op)
{
    if (op->code != OP_STORE)
        return NULL;
    const Value *x = op->args[op->nargs - 1];
    const Op *cast = x->op;
    DType t = x->type.dtype;
    bool narrow = t == DT_E4M3 || t == DT_E5M2 || t == DT_BF16 || t == DT_F16 || t == DT_E2M1;
    if (!cast || cast->code != OP_CAST || !narrow || cast->round != ROUND_NEAREST ||
        cast->args[0]->type.dtype != DT_F32 || is_uniform(x) || c->uses[x->id] != 1 ||
        cast->parent != op->parent || moves_by_warp(c, op) || path_of(c->low, c->plan, op).tma)
        return NULL;
    const CudaView *v = c->view[op->args[0]->id];
    int dim = 0, axis = v ? contiguous_slice(op, v, &dim) : -1;
    const Layout *l = layout_of(c, x);
    if (axis < 0 || is_local(v) || vectors_along(l, dim, 128 / dtype_info[t].bits).n < 4)
        return NULL;
    Layout turned;
    return turned_layout(c, op, v, l, &turned) ? NULL : cast;
}

/* A NaN that arithmetic makes is positive; others are made so, as the packing of e2m1 wants it. */
static bool is_arithmetic(const Op *op)
{
    return op && (op->code == OP_ADD || op->code == OP_SUB || op->code == OP_MUL ||
                  op->code == OP_DIV || op->code == OP_FMA || op->code == OP_SQRT);
}

/* The f32 elements of a store that converts on its way. */
static const char *wide_elements(Cuda *c, const Op *cast, const Layout *l)
{
    if (is_packed(c, cast->args[0]))
        return c_name(c, cast->args[0]);
    const char *name = new_temp(c, "wide");
    char *x = operand_text(c, cast->args[0], l, "r");
    const Op *op = c->deferred[cast->args[0]->id];
    const Value *v = cast->args[0];
    while (v->op && (v->op->code == OP_RESHAPE || v->op->code == OP_TRANS))
        v = v->op->args[0];
    bool canonical = cast->results[0]->type.dtype != DT_E2M1 || is_arithmetic(v->op);
    if (canonical && !op && !is_uniform(cast->args[0]) &&
        layout_equal(l, layout_of(c, cast->args[0])))
        return c_name(c, cast->args[0]);
    line(c, "float %s[%lld];", name, (long long)layout_span(l, OWN_REG));
    line(c,
         canonical ? "TILE_EACH(r, %lld) %s[r] = %s;"
                   : "TILE_EACH(r, %lld) %s[r] = tile_canonical(%s);",
         (long long)layout_span(l, OWN_REG), name, x);
    return name;
}

static void store_vectors(Cuda *c, const Op *op, const Place *p, const char *name, bool narrows)
{
    const Value *x = op->args[op->nargs - 1];
    DType t = x->type.dtype;
    bool packed = narrows && is_packed(c, x->op->args[0]);
    const char *held_as = packed ? "uint16_t" : narrows ? "float" : c_type(t), *at;
    const char *from_type = packed ? "_bf16" : narrows ? "_f32" : "";
    const Vectors *v = &p->vectors;
    char *limits = limits_text(c, p, &at), *holder = one_holder(c, p->layout);
    /* Small i64 are held as i32. */
    bool as_it_is = v->leading && (narrows || held(c, x) == t);
    const char *from = as_it_is ? format_text(c, "&%s[r]", name) : "piece";
    open_block(c, STATEMENT_BLOCK, "%s%s%sTILE_EACH(o, %lld)", *holder ? "if (" : "", holder,
               *holder ? ") " : "", (long long)v->count);
    line(c, "const int r = %s;", vector_register(c, p->layout, v, "o"));
    if (!as_it_is) {
        line(c, "%s piece[%lld];", held_as, (long long)v->n);
        line(c, "TILE_EACH(i, %lld) piece[i] = %s[r + i * %lld];", (long long)v->n, name,
             (long long)vector_step(p->layout, v));
    }
    if (is_local(p->view))
        line(c, "tile_shared_store_%lld_%s(%s, %s);", (long long)v->n, memory_type(t),
             pointer_text(c, p), from);
    else
        line(c, "tile_store_%lld_%s%s%s(%s, %s%s, %s);", (long long)v->n,
             narrows ? dtype_info[t].name : memory_type(t), from_type, at, pointer_text(c, p), from,
             limits, store_hint(c, p->view));
    close_block(c);
}

bool store_tile(Cuda *c, const Op *op, const CudaView *v, const Layout *l, const char *name,
                bool narrows)
{
    DType t = op->args[op->nargs - 1]->type.dtype;
    Place p;
    place(c, op, v, l, true, &p);
    if (t == DT_E2M1 && !p.several)
        return cuda_fail(c, op, "a store of single e2m1 elements");
    bool checked = *p.inside || p.first || layout_is_masked(l);
    bool several = p.several && !(is_local(v) && checked);
    note_access(c, op, l, several ? &p.vectors : NULL);
    if (several) {
        tell(c, op, v, l, true);
        store_vectors(c, op, &p, name, narrows);
        return true;
    }
    if (narrows)
        return cuda_fail(c, op, "a store of single narrow floats");
    char *inside = both(c, one_holder(c, l), both(c, p.inside, holds_text(c, l, "r")));
    if (p.first)
        inside = both(c, inside, format_text(c, "tile_inside(%s, %s)", p.first, p.extent));
    tell(c, op, v, l, true);
    if (is_local(v))
        line(c, "TILE_EACH(r, %lld) %s%s%stile_shared_store_%s(%s, %s[r]);",
             (long long)layout_span(l, OWN_REG), *inside ? "if (" : "", inside, *inside ? ") " : "",
             carrier(t), pointer_text(c, &p), name);
    else
        line(c, "TILE_EACH(r, %lld) tile_store_%s(%s, %s[r], %s, %s);",
             (long long)layout_span(l, OWN_REG), carrier(t), pointer_text(c, &p), name,
             *inside ? inside : "true", store_hint(c, v));
    return true;
}

/* Through shared memory. Rows that are not aligned are stored from there. */
static bool store_turned(Cuda *c, const Op *op, const CudaView *v, const Layout *to)
{
    const Value *x = op->args[op->nargs - 1];
    Turn turn = put_in_shared(c, x, c_name(c, x), layout_of(c, x), to);
    bool both = is_shiftable(op, v, &turn.place);
    note_conversion(c, x, layout_of(c, x), to, MOVE_SHARED);
    if (both)
        open_block(c, STATEMENT_THEN, "if (TILE_ALIGNED)");
    bool good = store_tile(c, op, v, to, take_from_shared(c, &turn, to), false);
    if (both) {
        close_block(c);
        open_block(c, STATEMENT_ELSE, "else");
        store_shifted(c, op, v, &turn);
        close_block(c);
    }
    return good;
}

/* x[e] = constant: as the indices lie. */
static const Layout *index_layout(Cuda *c, const Op *op)
{
    bool gather = op->access->count == 1 && op->access->axis[0].kind == AX_TILE;
    return gather && !is_uniform(op->args[1]) ? layout_of(c, op->args[1]) : NULL;
}

bool emit_store(Cuda *c, const Op *op)
{
    const Value *x = op->args[op->nargs - 1];
    const CudaView *v = c->view[op->args[0]->id];
    DType t = x->type.dtype;
    if (is_box_ring(c, op->args[0]))
        return box_issue(c, op);
    if (is_in_cells(c, op->args[0]))
        return cells_store(c, op);
    if (type_elements(&x->type) == 1)
        return store_scalar(c, op, v);
    if (moves_by_warp(c, op))
        return warp_store(c, op);
    Path path = path_of(c->low, c->plan, op);
    Layout own, turned;
    int dim;
    if (path.smem && contiguous_slice(op, v, &dim) < 0)
        return path_fail(c, op, path.smem, "no axis of its tiles lies contiguously in memory");
    bool constant = is_uniform(x), narrows = c->deferred[x->id] != NULL;
    const char *name = narrows ? NULL : c_name(c, x);
    if (narrows) {
        own = *layout_of(c, x);
        name = wide_elements(c, c->deferred[x->id], &own);
    } else if (constant) {
        own = index_layout(c, op) ? *index_layout(c, op) : memory_layout(c, op, v, &x->type);
        const char *all = new_temp(c, "filled");
        line(c, "%s %s[%lld];", c_type(t), all, (long long)layout_span(&own, OWN_REG));
        line(c, "TILE_EACH(r, %lld) %s[r] = %s;", (long long)layout_span(&own, OWN_REG), all, name);
        name = all;
    } else {
        own = *layout_of(c, x);
        if (!path.tma && turned_layout(c, op, v, &own, &turned)) {
            directive_honour(c->low, c->plan, path.smem);
            if (path.smem || goes_through_shared(c, &own, &turned))
                return store_turned(c, op, v, &turned);
            name = converted(c, x, &turned);
            own = turned;
        }
    }
    if (path.tma)
        return tensor_store(c, op, &own, name, path.tma);
    return store_tile(c, op, v, &own, name, narrows);
}

/* One thread has asked for it by `add`, if `when` holds; all of the unit get it. */
static void give_old_value(Cuda *c, const Value *r, const char *when, const char *add)
{
    ThreadUnit u = c->plan->unit;
    const char *type = c_type(r->type.dtype), *suffix = carrier(r->type.dtype);
    const char *old = u.lanes == 1 ? c_name(c, r) : new_temp(c, "old");
    line(c, "%s %s = 0;", type, old);
    line(c, "%s%s%s%s = %s;", *when ? "if (" : "", when, *when ? ") " : "", old, add);
    if (u.lanes == 1)
        return;
    if (u.warps == 1) {
        line(c, "const %s %s = tile_shuffle_%s(%s, %s);", type, c_name(c, r), suffix, old,
             absolute_lane(c, "0"));
        return;
    }
    Buffer *b = statement_buffer(&c->out, new_temp(c, "old"), type,
                                 (size_t)dtype_info[r->type.dtype].size);
    buffer_write(c, b);
    line(c, "if (%s) tile_shared_store_%s(%s, %s);", first_thread(c), suffix, b->name, old);
    buffer_read(c, b);
    line(c, "const %s %s = tile_shared_load_%s(%s);", type, c_name(c, r), suffix, b->name);
}

/* Integers and f32; the old value is of one element (R19). */
bool emit_atomic(Cuda *c, const Op *op)
{
    const Value *x = op->args[op->nargs - 1];
    const CudaView *v = c->view[op->args[0]->id];
    DType t = x->type.dtype;
    const char *type = dtype_info[t].name, *space = is_local(v) ? "shared_" : "";
    if (dtype_info[t].bits < 32 || (is_local(v) && t != DT_I32 && t != DT_U32))
        return cuda_fail(c, op, "atomic_add of %s", type);
    SpreadRequest q = {.fast = x->type.rank ? x->type.rank - 1 : 0, .vector = 1, .block_axis = -1};
    Layout spread = layout_spread(&x->type, q, c->plan->unit);
    const Layout *l = is_uniform(x) ? &spread : layout_of(c, x);
    bool one = type_elements(&x->type) == 1;
    const char *name = c_name(c, x);
    Place p;
    place(c, op, v, one ? NULL : l, false, &p);
    char *when = both(c, one ? first_thread(c) : one_holder(c, l),
                      both(c, p.inside, one ? "" : holds_text(c, l, "r")));
    if (p.first)
        when = both(c, when, format_text(c, "tile_inside(%s, %s)", p.first, p.extent));
    if (op->nresults) {
        char *add = format_text(c, "tile_atomic_fetch_add_%s(%s, %s)", type, pointer_text(c, &p),
                                name);
        tell(c, op, v, NULL, true);
        give_old_value(c, op->results[0], when, add);
        return true;
    }
    if (!one)
        note_access(c, op, l, NULL);
    tell(c, op, v, l, true);
    line(c, "TILE_EACH(r, %lld) %s%s%stile_%satomic_add_%s(%s, %s%s);",
         (long long)(one ? 1 : layout_span(l, OWN_REG)), *when ? "if (" : "", when,
         *when ? ") " : "", space, type, pointer_text(c, &p), name, is_uniform(x) ? "" : "[r]");
    return true;
}
