/* The text of a CUDA kernel: parameters, the program's indices, then one statement an operation. */
#include "compiler/cuda.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void begin_line(Cuda *c)
{
    fprintf(c->out, "%*s", 4 * c->indent, "");
}

void line(Cuda *c, const char *format, ...)
{
    va_list args;
    begin_line(c);
    va_start(args, format);
    vfprintf(c->out, format, args);
    va_end(args);
    fputc('\n', c->out);
}

void open_block(Cuda *c, const char *format, ...)
{
    va_list args;
    begin_line(c);
    va_start(args, format);
    int n = vfprintf(c->out, format, args);
    va_end(args);
    fputs(n > 0 ? " {\n" : "{\n", c->out);
    c->indent++;
}

void close_block(Cuda *c)
{
    c->indent--;
    line(c, "}");
}

/* The source line as a comment, where it changes. */
void mark_line(Cuda *c, Pos p)
{
    int at, column;
    pos_line(p, &at, &column);
    if (at == c->line || !p.source || !p.source->text)
        return;
    c->line = at;
    const char *text = p.source->text + p.at;
    while (text > p.source->text && text[-1] != '\n')
        text--;
    text += strspn(text, " \t");
    int n = (int)strcspn(text, "\r\n");
    line(c, "// %d: %.*s", at, n, text);
}

bool cuda_fail(Cuda *c, const Op *op, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vformat(c->arena, format, args);
    va_end(args);
    c->failed = true;
    return diag_error(c->low->diag, op->pos, "the interpreter runs it; its lowering comes later",
                      "%s: not lowered to CUDA yet", text);
}

void need_shared(Cuda *c, size_t bytes)
{
    if (bytes > c->shared_bytes)
        c->shared_bytes = bytes;
}

bool emit_region_ops(Cuda *c, const Region *r)
{
    for (const Op *op = r->first; op && !c->failed; op = op->next) {
        if (!is_live(c, op))
            continue;
        if (op->code != OP_YIELD && op->code != OP_BIND && op->code != OP_CONST)
            mark_line(c, op->pos);
        emit_operation(c, op);
    }
    return !c->failed;
}

/* ---- parameters ---- */

static bool is_parameter(const Op *op)
{
    return op->code == OP_TENSOR || op->code == OP_DIM || op->code == OP_SCALAR;
}

static const char *pointer_type(DType t)
{
    return t == DT_E2M1 ? "uint8_t" : c_type(t);
}

static void print_parameters(Cuda *c)
{
    bool first = true;
    for (const Op *op = c->low->kernel->body->first; op; op = op->next) {
        if (!is_parameter(op))
            continue;
        const Value *v = op->results[0];
        fprintf(c->out, "%s", first ? "" : ", ");
        first = false;
        if (v->type.kind == TY_TABLE)
            fprintf(c->out, "const TileTable %s", c_name(c, v));
        else if (op->code == OP_TENSOR)
            fprintf(c->out, "%s%s *%s", op->tensor->dir == PARAM_IN ? "const " : "",
                    pointer_type(v->type.dtype), c_name(c, v));
        else
            fprintf(c->out, "const %s %s", c_type(v->type.dtype), c_name(c, v));
    }
}

/* Consts, extents and views that stand before the phases. */
static bool emit_header(Cuda *c)
{
    for (const Op *op = c->low->kernel->body->first; op && !c->failed; op = op->next) {
        if (op->code == OP_TENSOR) {
            tensor_view(c, op);
        } else if (op->code != OP_PAR && op->code != OP_REQUIRE && !is_parameter(op)) {
            emit_operation(c, op);
        }
    }
    return !c->failed;
}

/* ---- programs ---- */

/* The indices of a box of ranges [from, n) out of a number in it, last range fastest. */
static void split_number(Cuda *c, const char *number, int from)
{
    const Op *par = c->plan->par;
    const Region *body = par->regions[par->nregions - 1];
    const char *rest = number;
    for (int i = par->nregions - 2; i >= from; i--) {
        Value *const *y = par->regions[i]->last->args;
        const char *index = c_name(c, body->args[i]), *lo = c_name(c, y[0]);
        const char *step = c_name(c, y[2]);
        if (i == from) {
            line(c, "const int64_t %s = %s + %s * %s;", index, lo, rest, step);
            break;
        }
        const char *next = new_temp(c, "rest");
        line(c, "const int64_t %s = %s + %s %% %s_count * %s;", index, lo, rest, index, step);
        line(c, "const int64_t %s = %s / %s_count;", next, rest, index);
        rest = next;
    }
}

/* Bounds of ranges [from, n): how many points each has; gives their product as C text. */
static char *count_ranges(Cuda *c, int from)
{
    const Op *par = c->plan->par;
    const Region *body = par->regions[par->nregions - 1];
    char *all = format_text(c, "%s", "");
    for (int i = from; i + 1 < par->nregions; i++) {
        for (int k = 0; k < i; k++)
            c->name[par->regions[i]->args[k]->id] = c_name(c, body->args[k]);
        emit_region_ops(c, par->regions[i]);
        Value *const *y = par->regions[i]->last->args;
        const char *index = c_name(c, body->args[i]);
        PUSH(c->arena, &c->used, format_text(c, "%s_count", index));
        line(c, "const int64_t %s_count = tile_count(%s, %s, %s);", index, c_name(c, y[0]),
             c_name(c, y[1]), c_name(c, y[2]));
        all = format_text(c, "%s%s%s_count", all, *all ? " * " : "", index);
    }
    return all;
}

/* One program a block (or warp, or thread). */
static bool emit_programs(Cuda *c)
{
    count_ranges(c, 0);
    split_number(c, "program", 0);
    return emit_region_ops(c, c->plan->par->regions[c->plan->par->nregions - 1]);
}

/* R14: this unit takes points `program`, program + programs, .. of the ragged range. Ranges before
 * the last that others need are loops; what they leave is a box whose points are numbered. */
static bool emit_ragged(Cuda *c)
{
    const Op *par = c->plan->par;
    const Region *body = par->regions[par->nregions - 1];
    int n = par->nregions - 1, loops = 0;
    for (int i = 1; i < n; i++)
        for (const Op *op = par->regions[i]->first; op; op = op->next)
            for (int k = 0; k < op->nargs; k++)
                if (!op->args[k]->op && op->args[k]->region == par->regions[i] &&
                    op->args[k]->index >= loops)
                    loops = op->args[k]->index + 1;
    line(c, "int64_t next = program, passed = 0;");
    for (int i = 0; i < loops; i++) {
        for (int k = 0; k < i; k++)
            c->name[par->regions[i]->args[k]->id] = c_name(c, body->args[k]);
        emit_region_ops(c, par->regions[i]);
        Value *const *y = par->regions[i]->last->args;
        const char *index = c_name(c, body->args[i]);
        open_block(c, "for (int64_t %s = %s; %s < %s; %s += %s)", index, c_name(c, y[0]), index,
                   c_name(c, y[1]), index, c_name(c, y[2]));
    }
    char *points = count_ranges(c, loops);
    line(c, "const int64_t points = %s, begin = passed;", *points ? points : "1");
    line(c, "passed += points;");
    open_block(c, "for (; next < passed; next += programs)");
    line(c, "const int64_t number = next - begin;");
    split_number(c, "number", loops);
    touch_programs(c, body);
    emit_region_ops(c, body);
    close_block(c);
    for (int i = 0; i < loops; i++)
        close_block(c);
    return !c->failed;
}

static void print_unit(Cuda *c)
{
    const PhasePlan *p = c->plan;
    int threads = p->unit.lanes * p->unit.warps * p->pack;
    if (p->unit.lanes == 1) {
        line(c, "const int64_t program = tile_block() * %d + tile_thread();", threads);
        line(c, "const int lane = 0, warp = 0;");
    } else if (p->pack > 1 || p->unit.warps == 1) {
        line(c, "const int lane = tile_lane(), warp = 0;");
        line(c, "const int64_t program = tile_block() * %d + tile_warp();", p->pack);
    } else {
        line(c, "const int lane = tile_lane(), warp = tile_warp();");
        line(c, "const int64_t program = tile_block();");
    }
    line(c, "(void)lane, (void)warp;");
    if (p->pack > 1 && !p->ragged)
        line(c, "if (program >= programs) return;");
}

static bool emit_phase(Cuda *c)
{
    const PhasePlan *p = c->plan;
    int threads = p->unit.lanes * p->unit.warps * p->pack;
    const char *phase = p->par->name;
    int at, column;
    FILE *final = c->out;
    char *text = NULL;
    size_t length = 0;
    pos_line(p->par->pos, &at, &column);
    fprintf(c->out, "\n// %s%s%s, %s:%d; %s\n", c->low->kernel->name, phase ? " @" : "",
            phase ? phase : "", p->par->pos.source->name, at, c->low->kernel->variant);
    fprintf(c->out, "extern \"C\" __global__ void __launch_bounds__(%d)\ntk_%s%s%s(", threads,
            c->low->kernel->name, phase ? "_" : "", phase ? phase : "");
    print_parameters(c);
    fprintf(c->out, ", const int64_t programs%s)\n{\n", p->syncs ? ", uint32_t *grid_barrier" : "");
    c->out = open_memstream(&text, &length);
    c->indent = 1;
    c->line = 0;
    forget_touched(c);
    c->ragged = p->ragged;
    find_live(c, p->par);
    bool good = assign_layouts(c->low, p);
    if (good)
        record_plans(c->low, p);
    good = good && emit_header(c);
    print_unit(c);
    good = good && (p->ragged ? emit_ragged(c) : emit_programs(c));
    fclose(c->out);
    c->out = final;
    if (c->shared_bytes) {
        int copies = p->unit.warps == 1 ? p->pack : 1;
        size_t each = (c->shared_bytes + 15) / 16 * 16;
        fprintf(c->out, "    __shared__ __align__(16) char shared_memory[%zu];\n",
                each * (size_t)copies);
        fprintf(c->out,
                copies > 1 ? "    char *const shared = shared_memory + tile_warp() * %zu;\n"
                           : "    char *const shared = shared_memory;\n",
                each);
    }
    if (c->local_bytes)
        fprintf(c->out, "    __shared__ __align__(16) char locals%s[%zu];\n",
                p->unit.lanes == 32 && p->unit.warps == 1 && p->pack > 1 ? "_of_all" : "",
                c->local_bytes * (size_t)(p->unit.lanes == 32 && p->unit.warps == 1 ? p->pack : 1));
    if (c->local_bytes && p->unit.lanes == 32 && p->unit.warps == 1 && p->pack > 1)
        fprintf(c->out, "    char *const locals = locals_of_all + tile_warp() * %zu;\n",
                c->local_bytes);
    fputs(text, c->out);
    fprintf(c->out, "}\n");
    free(text);
    return good;
}

char *emit_cuda(Lowered *low, const char *target)
{
    Cuda c = {.low = low, .arena = low->arena};
    char *text = NULL, *kept = NULL;
    size_t length = 0;
    c.out = open_memstream(&text, &length);
    c.name = NEW_ARRAY(low->arena, const char *, low->kernel->next_id);
    c.view = NEW_ARRAY(low->arena, CudaView *, low->kernel->next_id);
    c.live = NEW_ARRAY(low->arena, bool, low->kernel->next_id);
    fprintf(c.out, "// %s\n#include \"runtime/device/tile.h\"\n", target);
    for (int i = 0; i < low->nphases && !c.failed; i++) {
        c.plan = &low->phases[i];
        c.used.count = 0;
        c.shared_bytes = c.local_bytes = 0;
        memset(c.name, 0, sizeof *c.name * (size_t)low->kernel->next_id);
        emit_phase(&c);
    }
    fclose(c.out);
    if (!c.failed)
        kept = arena_text(low->arena, text, length);
    free(text);
    return kept;
}
