#include "compiler/ir_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Printer {
    FILE *out;
    Arena arena;        /* texts of types */
    const char *source; /* the kernel's; NULL: none */
} Printer;

static void print_region(Printer *, const Region *, int indent);

static void print_string(FILE *out, const char *s)
{
    fputc('"', out);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", out);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\x%02x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

/* Bare where it reads back as one word, else quoted. */
static void print_word(FILE *out, const char *s)
{
    if (ir_is_word(s, strlen(s)))
        fputs(s, out);
    else
        print_string(out, s);
}

static void print_type(Printer *p, const Type *t)
{
    fputs(type_text(&p->arena, t), p->out);
}

static void print_value(Printer *p, const Value *v)
{
    if (!v) {
        fputs("%?", p->out);
        return;
    }
    fputc('%', p->out);
    if (v->name) {
        print_word(p->out, v->name);
        fputc('.', p->out);
    }
    fprintf(p->out, "%d", v->id);
}

static void print_values(Printer *p, int count, Value *const *values)
{
    for (int i = 0; i < count; i++) {
        fputs(i ? ", " : "", p->out);
        print_value(p, values[i]);
    }
}

/* The shortest decimal text that gives the same bits; false if there is none (inf, NaN). */
static bool float_text(DType t, uint64_t bits, char *text, size_t size)
{
    uint32_t low = (uint32_t)bits;
    float f;
    double d;
    memcpy(&f, &low, sizeof f);
    memcpy(&d, &bits, sizeof d);
    double value = t == DT_F32 ? (double)f : d;
    if (!isfinite(value) || (t == DT_F32 && bits >> 32))
        return false;
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, value);
        if (t == DT_F32 ? strtof(text, NULL) == f : strtod(text, NULL) == d)
            return true;
    }
    return false;
}

/* An element code as its value where that is exact and short, else in hexadecimal. */
static void print_code(FILE *out, DType t, uint64_t bits)
{
    unsigned width = dtype_info[t].bits;
    char text[40];
    bool code = width == 64 || bits >> width == 0;
    if (t == DT_BOOL && bits < 2)
        fputs(bits ? "true" : "false", out);
    else if (dtype_is_signed(t) && code)
        fprintf(out, "%" PRId64, bits_to_int(t, bits));
    else if (dtype_is_int(t) && code)
        fprintf(out, "%" PRIu64, bits);
    else if ((t == DT_F32 || t == DT_F64) && float_text(t, bits, text, sizeof text))
        fputs(text, out);
    else
        fprintf(out, "0x%" PRIx64, bits);
}

static void print_pos(Printer *p, Pos pos)
{
    if (!pos.source)
        return;
    int line, column;
    pos_line(pos, &line, &column);
    ir_clamp_place(&line, &column);
    fputs(" @", p->out);
    if (!p->source || strcmp(pos.source->name, p->source) != 0) {
        print_string(p->out, pos.source->name);
        fputc(':', p->out);
    }
    fprintf(p->out, "%d:%d", line, column);
}

/* The indices of arg 0; returns how many args it has shown. */
static int print_access(Printer *p, const Op *op)
{
    int arg = 1;
    fputc('[', p->out);
    for (int i = 0; i < op->access->count; i++) {
        AxisKind kind = op->access->axis[i].kind;
        int64_t extent = op->access->axis[i].extent;
        fputs(i ? ", " : "", p->out);
        if (kind == AX_FULL) {
            fprintf(p->out, ":%" PRId64, extent);
            continue;
        }
        fputs(kind == AX_TILE ? "tile " : "", p->out);
        print_value(p, arg < op->nargs ? op->args[arg] : NULL);
        arg++;
        if (kind == AX_SLICE)
            fprintf(p->out, " +: %" PRId64, extent);
    }
    fputc(']', p->out);
    return arg < op->nargs ? arg : op->nargs;
}

static void print_args(Printer *p, const Op *op)
{
    int shown = 0;
    if (op->nargs == 0 || op->code == OP_TENSOR)
        return;
    fputc(' ', p->out);
    if (op->access) {
        print_value(p, op->args[0]);
        shown = print_access(p, op);
        fputs(shown < op->nargs ? ", " : "", p->out);
    }
    print_values(p, op->nargs - shown, op->args + shown);
}

static void print_tensor_info(Printer *p, const Op *op)
{
    const TensorInfo *t = op->tensor;
    fputc('[', p->out);
    print_values(p, op->nargs, op->args);
    fputc(']', p->out);
    if (!t)
        return;
    fprintf(p->out, " %s", dir_name[t->dir]);
    if (t->format != FORMAT_ROW)
        fprintf(p->out, " format %s", format_name[t->format]);
    fprintf(p->out, "%s%s%s", t->optional ? " optional" : "", t->nondet ? " nondet" : "",
            t->symm ? " symm" : "");
    for (int i = 0; i < MAX_RANK; i++)
        if (t->any_stride[i])
            fprintf(p->out, " any_stride %d", i);
    if (t->alias) {
        fputs(" alias ", p->out);
        print_string(p->out, t->alias);
    }
}

static void print_pipe_info(Printer *p, const PipeInfo *pipe)
{
    fprintf(p->out, " stages %" PRId64 " {", pipe->stages);
    for (int i = 0; i < pipe->fields; i++) {
        fputs(i ? ", " : " ", p->out);
        print_word(p->out, pipe->names[i]);
        fputs(" : ", p->out);
        print_type(p, &pipe->types[i]);
    }
    fputs(" }", p->out);
}

static void print_bits(Printer *p, const Op *op)
{
    DType t = op->nresults ? op->results[0]->type.dtype : DT_NONE;
    if (op->code != OP_CONST && !op->bits)
        return;
    fputs(op->code == OP_CONST ? " " : " pad ", p->out);
    print_code(p->out, t, op->bits);
}

static bool has_axis(OpCode code)
{
    switch (code) {
    case OP_CONCAT:
    case OP_SUM:
    case OP_SUM_PART:
    case OP_AMAX:
    case OP_AMIN:
    case OP_ANY:
    case OP_ALL:
    case OP_CUMSUM:
    case OP_CUMMAX:
    case OP_SOFTMAX:
    case OP_TOPK:
    case OP_RANK:
    case OP_ARGMAX:
    case OP_VIEW_SLICE:
    case OP_EXTENT:
        return true;
    default:
        return false;
    }
}

/* plan (reg 8@1, lane 32@8, warp 4@256) fused */
static void print_plan(Printer *p, const SumPlan *plan)
{
    fputs(" plan (", p->out);
    for (int i = 0; i < plan->count; i++) {
        const SumDigit *d = &plan->digits[i];
        fprintf(p->out, "%s%s %" PRId64 "@%" PRId64, i ? ", " : "", owner_name[d->owner], d->extent,
                d->stride);
    }
    fprintf(p->out, ")%s", plan->fused ? " fused" : "");
}

/* Every attribute that is not its default, so that nothing an op holds is lost. */
static void print_attributes(Printer *p, const Op *op)
{
    if (op->name) {
        fputc(' ', p->out);
        print_string(p->out, op->name);
    }
    if (op->code == OP_TENSOR)
        print_tensor_info(p, op);
    if (op->pipe)
        print_pipe_info(p, op->pipe);
    if (op->code == OP_OCCURRENCE && op->bits)
        fprintf(p->out, " classes %" PRIu64, op->bits);
    else
        print_bits(p, op);
    if (has_axis(op->code) || op->axis)
        fprintf(p->out, " axis %d", op->axis);
    if (op->order)
        fprintf(p->out, " order %s", order_name[op->order]);
    if (op->plan)
        print_plan(p, op->plan);
    if (op->round)
        fprintf(p->out, " round %s", round_name[op->round]);
    fprintf(p->out, "%s%s", op->exclusive ? " exclusive" : "", op->unordered ? " unordered" : "");
}

static void print_op_line(Printer *p, const Op *op)
{
    print_values(p, op->nresults, op->results);
    fprintf(p->out, "%s%s", op->nresults ? " = " : "", op_info[op->code].name);
    print_args(p, op);
    print_attributes(p, op);
    for (int i = 0; i < op->nresults; i++) {
        fputs(i ? ", " : " : ", p->out);
        print_type(p, &op->results[i]->type);
    }
    print_pos(p, op->pos);
}

static void print_region_head(Printer *p, const Region *r, const char *label)
{
    fprintf(p->out, "%s ", label);
    if (r->name) {
        print_string(p->out, r->name);
        fputc(' ', p->out);
    }
    if (r->words) {
        fputs("words ", p->out);
        print_string(p->out, r->words);
        fputc(' ', p->out);
    }
    for (int i = 0; i < r->nargs; i++) {
        fputs(i ? ", " : "(", p->out);
        print_value(p, r->args[i]);
        fputs(" : ", p->out);
        print_type(p, &r->args[i]->type);
    }
    fputs(r->nargs ? ") {" : "{", p->out);
}

static void print_region_body(Printer *p, const Region *r, int indent)
{
    const Op *op = r->first;
    if (op && op == r->last && op->nregions == 0) {
        fputc(' ', p->out);
        print_op_line(p, op);
        fputs(" }", p->out);
        return;
    }
    fputc('\n', p->out);
    print_region(p, r, indent + 1);
    fprintf(p->out, "%*s}", 2 * indent, "");
}

/* One region, or then and else, go on in the op's line; others have lines of their own. */
static void print_op(Printer *p, const Op *op, int indent)
{
    bool lines = op->code == OP_PAR || op->code == OP_SHARE || op->code == OP_ROLES;
    fprintf(p->out, "%*s", 2 * indent, "");
    print_op_line(p, op);
    for (int i = 0; i < op->nregions; i++) {
        if (lines)
            fprintf(p->out, "\n%*s", 2 * indent + 2, "");
        else
            fputc(' ', p->out);
        print_region_head(p, op->regions[i], ir_region_label(op->code, i, op->nregions));
        print_region_body(p, op->regions[i], indent + lines);
    }
    fputc('\n', p->out);
}

static void print_region(Printer *p, const Region *r, int indent)
{
    for (const Op *op = r->first; op; op = op->next)
        print_op(p, op, indent);
}

void kernel_print(FILE *out, const Kernel *k)
{
    Printer p = {.out = out};
    fputs("kernel ", out);
    print_word(out, k->name);
    if (k->variant && *k->variant) {
        fputc(' ', out);
        print_string(out, k->variant);
    }
    if (k->pos.source) {
        int line, column;
        p.source = k->pos.source->name;
        pos_line(k->pos, &line, &column);
        ir_clamp_place(&line, &column);
        fputs(" at ", out);
        print_string(out, p.source);
        fprintf(out, ":%d:%d", line, column);
    }
    fputs(" {\n", out);
    print_region(&p, k->body, 1);
    fputs("}\n", out);
    arena_free(&p.arena);
}
