/* The text of a CUDA kernel: its args, the program's indices, then one statement an operation. */
#include "compiler/cuda.h"
#include "compiler/directives.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

char *format_text(Cuda *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vformat(c->arena, format, args);
    va_end(args);
    return text;
}

Statement *line(Cuda *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vformat(c->arena, format, args);
    va_end(args);
    return statement_add(&c->out, STATEMENT_TEXT, text);
}

Statement *open_block(Cuda *c, StatementKind kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vformat(c->arena, format, args);
    va_end(args);
    return statement_open(&c->out, kind, text);
}

void close_block(Cuda *c)
{
    statement_close(&c->out);
}

/* Where the source line changes: its number and its text. */
static const char *line_directive(Cuda *c, int at, const char *file)
{
    char *quoted = NEW_ARRAY(c->arena, char, 2 * strlen(file) + 1), *to = quoted;
    for (const char *from = file; *from; from++) {
        if (*from == '"' || *from == '\\')
            *to++ = '\\';
        *to++ = *from;
    }
    return format_text(c, "#line %d \"%s\"", at, quoted);
}

static void mark_line(Cuda *c, Pos p)
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
    int n = (int)strcspn(text, "\r\n#");
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\\'))
        n--;
    if (c->low->lines)
        c->out.place = line_directive(c, at, p.source->name);
    line(c, "TILE_LINE(%d) // %.*s", at, n, text);
}

bool cuda_fail(Cuda *c, const Op *op, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vformat(c->arena, format, args);
    va_end(args);
    if (c->failed)
        return false;
    c->failed = true;
    bool ranks = op->code == OP_SIGNAL || op->code == OP_WAIT; /* R26: nothing runs them yet */
    return diag_error(c->low->diag, op->pos,
                      ranks ? NULL : "the interpreter runs it; its lowering comes later",
                      "%s: not lowered to CUDA yet", text);
}

bool says_nothing(OpCode code)
{
    return code == OP_YIELD || code == OP_BIND || code == OP_CONST || code == OP_ASSERT ||
           code == OP_ASSUME || code == OP_PRINT;
}

bool emit_region_ops(Cuda *c, const Region *r)
{
    for (const Op *op = r->first; op && !c->failed; op = op->next) {
        if (!is_live(c, op))
            continue;
        /* What the host computes, and what is computed where it is used, is no statement here. */
        if (op->nresults == 1 && op->code != OP_CONST && host_value(c->host, op->results[0]) >= 0)
            continue;
        Statement *last = c->out.block->last;
        int before = c->line;
        const char *place = c->out.place;
        c->at = op->pos;
        if (op == c->again.until)
            quotients_settle(c);
        if (!says_nothing(op->code))
            mark_line(c, op->pos);
        Statement *mark = c->out.block->last;
        emit_operation(c, op);
        if (mark != last && mark == c->out.block->last && c->line != before) {
            /* Nothing came of it: take the mark back. */
            *(last ? &last->next : &c->out.block->first) = NULL;
            c->out.block->last = last;
            c->line = before;
            c->out.place = place;
        }
    }
    return !c->failed;
}

/* Consts, extents and views that stand before the phases. */
static bool emit_header(Cuda *c)
{
    for (const Op *op = c->low->kernel->body->first; op && !c->failed; op = op->next) {
        if (op->code == OP_TENSOR)
            tensor_view(c, op);
        else if (op->nresults == 1 && op->results[0]->type.kind == TY_TILE &&
                 host_value(c->host, op->results[0]) >= 0)
            continue;
        else if (op->code == OP_SCALAR && c->live[op->results[0]->id])
            cuda_fail(c, op, "a scalar of %s", dtype_info[op->results[0]->type.dtype].name);
        else if (op->code != OP_PAR && op->code != OP_REQUIRE && op->code != OP_WHEN &&
                 op->code != OP_DIM && op->code != OP_SCALAR && is_live(c, op))
            emit_operation(c, op);
    }
    return !c->failed;
}

/* ---- programs ---- */

/* How many points the range has: known to the host, or a variable. */
static Number range_count(Cuda *c, const Region *range, const char *index)
{
    Value *const *y = range->last->args;
    Host *h = c->host;
    int lo = host_value(h, y[0]), hi = host_value(h, y[1]), step = host_value(h, y[2]);
    if (lo >= 0 && hi >= 0 && step >= 0) {
        int64_t a, b, s;
        if (value_int(y[0], &a) && value_int(y[1], &b) && value_int(y[2], &s)) {
            int64_t n = a < b ? (b - a + s - 1) / s : 0;
            return (Number){format_text(c, "%lld", (long long)n), true, n, host_constant(h, n)};
        }
        int one = host_constant(h, 1);
        int span = host_node(h, TILE_NODE_SUB, TILE_I64, hi, lo, 0);
        int up = host_node(h, TILE_NODE_ADD, TILE_I64, span,
                           host_node(h, TILE_NODE_SUB, TILE_I64, step, one, 0), 0);
        int n = host_node(h, TILE_NODE_FDIV, TILE_I64, up, step, 0);
        n = host_node(h, TILE_NODE_MAX, TILE_I64, n, host_constant(h, 0), 0);
        return (Number){NULL, false, 0, n};
    }
    const char *name = new_temp(c, format_text(c, "%s_count", index));
    line(c, "const int64_t %s = tile_count(%s, %s, %s);", name, c_name(c, y[0]), c_name(c, y[1]),
         c_name(c, y[2]));
    return (Number){name, false, 0, -1};
}

/* Bounds of ranges [from, n): how many points each has. */
static void count_ranges(Cuda *c, int from, Number *count)
{
    const Op *par = c->plan->par;
    const Region *body = par->regions[par->nregions - 1];
    for (int i = from; i + 1 < par->nregions; i++) {
        for (int k = 0; k < i; k++)
            if (k < from)
                c->name[par->regions[i]->args[k]->id] = c_name(c, body->args[k]);
        emit_region_ops(c, par->regions[i]);
        count[i] = range_count(c, par->regions[i], body->args[i]->name ? body->args[i]->name : "i");
    }
}

/* The number of points of the ranges as a node; -1: only the kernel knows. */
static int all_points(Cuda *c, const Number *count, int n)
{
    int all = host_constant(c->host, 1);
    for (int i = 0; i < n; i++) {
        if (count[i].node < 0)
            return -1;
        all = host_node(c->host, TILE_NODE_MUL, TILE_I64, all, count[i].node, 0);
    }
    return all;
}

/* Programs of the phase over `pack` in a block, rounded up. */
static int blocks_node(Cuda *c, int programs)
{
    Host *h = c->host;
    int64_t pack = c->plan->pack;
    int up = host_node(h, TILE_NODE_ADD, TILE_I64, programs, host_constant(h, pack - 1), 0);
    return pack == 1 ? programs
                     : host_node(h, TILE_NODE_FDIV, TILE_I64, up, host_constant(h, pack), 0);
}

/* One program a block (or warp, or thread), or one after the other. */
static bool emit_programs(Cuda *c)
{
    const PhasePlan *p = c->plan;
    Number count[MAX_RANK];
    count_ranges(c, 0, count);
    int programs = all_points(c, count, p->par->nregions - 1);
    bool whole = (p->unit.lanes == 1 && !phase_moves_by_warp(c, p->par)) || p->unit.lanes == 32;
    c->blocks = blocks_node(c, programs);
    c->rounds = p->looped;
    if (p->looped) {
        if (!whole)
            return cuda_fail(c, p->par, "unit lanes in a persistent grid");
        const char *n = host_number(c->host, programs, "int64_t", "programs");
        Statement *loop = open_block(c, STATEMENT_LOOP,
                                     "for (int64_t program = first; program < %s; program += "
                                     "tile_blocks() * %d)",
                                     n, p->pack);
        loop->programs = true;
        loop->last_round = format_text(c, "program + tile_blocks() * %d >= %s", p->pack, n);
    } else if (p->pack > 1) {
        const char *n = host_number(c->host, programs, "int64_t", "programs");
        if (whole) {
            open_block(c, STATEMENT_THEN, "if (program < %s)", n)->programs = true;
        } else {
            line(c, "const bool live = program < %s;", n);
            c->guard = "live";
        }
    }
    if (!cuda_split_number(c, "program", 0, count, true))
        return false;
    begin_exchanges(c, p->par);
    quotients_begin(c, p->par);
    bool good = emit_region_ops(c, p->par->regions[p->par->nregions - 1]);
    quotients_end(c);
    end_exchanges(c);
    if (p->looped || (p->pack > 1 && whole))
        close_block(c);
    return good;
}

/* R14: this unit takes points `program`, program + programs, .. of the ragged range. Ranges before
 * the last that others need are loops; what they leave is a box whose points are numbered. */
static bool emit_ragged(Cuda *c)
{
    const Op *par = c->plan->par;
    const Region *body = par->regions[par->nregions - 1];
    int n = par->nregions - 1, loops = 0;
    c->blocks = -1;
    c->rounds = true;
    for (int i = 1; i < n; i++)
        for (const Op *op = par->regions[i]->first; op; op = op->next)
            for (int k = 0; k < op->nargs; k++)
                if (!op->args[k]->op && op->args[k]->region == par->regions[i] &&
                    op->args[k]->index >= loops)
                    loops = op->args[k]->index + 1;
    Number count[MAX_RANK];
    line(c, "const int64_t programs = tile_blocks() * %d;", c->plan->pack);
    line(c, "int64_t next = program, passed = 0;");
    for (int i = 0; i < loops; i++) {
        for (int k = 0; k < i; k++)
            c->name[par->regions[i]->args[k]->id] = c_name(c, body->args[k]);
        emit_region_ops(c, par->regions[i]);
        Value *const *y = par->regions[i]->last->args;
        const char *index = c_name(c, body->args[i]);
        open_block(c, STATEMENT_LOOP, "for (int64_t %s = %s; %s < %s; %s += %s)", index,
                   c_name(c, y[0]), index, c_name(c, y[1]), index, c_name(c, y[2]))
            ->programs = true;
    }
    count_ranges(c, loops, count);
    char *points = format_text(c, "1");
    for (int i = loops; i < n; i++) {
        const char *text = count[i].text;
        if (!text)
            text = host_number(c->host, count[i].node, "int64_t",
                               format_text(c, "%s_points", c_name(c, body->args[i])));
        count[i].text = text;
        points = strcmp(points, "1") ? format_text(c, "%s * %s", points, text)
                                     : format_text(c, "%s", text);
    }
    line(c, "const int64_t points = %s, begin = passed;", points);
    line(c, "passed += points;");
    open_block(c, STATEMENT_LOOP, "for (; next < passed; next += programs)")->programs = true;
    line(c, "const int64_t number = next - begin;");
    if (!cuda_split_number(c, "number", loops, count, false))
        return false;
    emit_region_ops(c, body);
    close_block(c);
    for (int i = 0; i < loops; i++)
        close_block(c);
    return !c->failed;
}

/* Which program this unit runs, `block` being its block's number in the phase. */
static void print_unit(Cuda *c, const char *block)
{
    const PhasePlan *p = c->plan;
    const char *name = p->looped ? "first" : "program";
    if (p->unit.lanes == 1) {
        line(c, "const int64_t %s = %s * %d + tile_thread();", name, block, p->pack);
        line(c, "const int lane = 0, warp = 0;");
    } else if (p->unit.lanes < 32) {
        line(c, "const int lane = tile_thread() %% %d, warp = 0;", p->unit.lanes);
        line(c, "const int64_t %s = %s * %d + tile_thread() / %d;", name, block, p->pack,
             p->unit.lanes);
    } else if (p->pack > 1) {
        line(c, "const int lane = tile_lane(), warp = 0;");
        line(c, "const int64_t %s = %s * %d + tile_warp();", name, block, p->pack);
    } else {
        line(c, "const int lane = tile_lane(), warp = %s;",
             p->unit.warps == 1 ? "0" : "tile_warp()");
        line(c, "const %s %s = %s;", cuda_number_type(c), name, block);
    }
    c->prologue = line(c, "(void)lane, (void)warp;");
}

/* ---- phases ---- */

/* Below that, buffers need not share places: fewer barriers. */
enum { ROOMY = 24 * 1024 };

static bool has_entry(const Cuda *c, const char *name)
{
    for (int i = 0; i < c->host->phases.count; i++)
        if (strcmp(c->host->phases.items[i].entry, name) == 0)
            return true;
    return false;
}

/* Phases without a name are told apart by a number. */
static const char *entry_name(Cuda *c, const PhasePlan *p)
{
    const char *phase = p->par->name, *kernel = c->low->kernel->name;
    const char *name = format_text(c, "tk_%s%s%s", kernel, phase ? "_" : "", phase ? phase : "");
    for (int i = 2; has_entry(c, name); i++)
        name = format_text(c, "tk_%s_%d", kernel, i);
    return name;
}

static bool is_single(const PhasePlan *p)
{
    return p->unit.warps == 1;
}

static int threads_of(const PhasePlan *p)
{
    return p->unit.lanes * p->unit.warps * p->pack;
}

static void print_statements(Cuda *c, FILE *out, int indent)
{
    const PhasePlan *p = c->plan;
    int units = is_single(p) && p->unit.lanes > 1 ? p->pack : 1;
    place_pdl(c);
    /* Blocks that wait for each other have a multiprocessor each: a place saves less than the
     * barriers cost that stand between its users. */
    statements_finish(&c->out, ROOMY, c->exchanging ? ROOMY / 2 : 0, p->unit.lanes > 1);
    size_t each = c->out.shared_bytes;
    tile_phase *phase = &c->host->phases.items[c->host->phases.count - 1];
    if (each * (size_t)units > phase->shared_bytes)
        phase->shared_bytes = (uint32_t)(each * (size_t)units);
    if (each && units > 1)
        fprintf(out, "%*schar *const shared = tile_shared() + tile_thread() / %d * %zu;\n",
                4 * indent, "", p->unit.lanes, each);
    else if (each)
        fprintf(out, "%*schar *const shared = tile_shared();\n", 4 * indent, "");
    statements_print(&c->out, out, indent, is_single(p) ? "tile_sync_warp();" : "tile_sync();");
}

static int by_size(const void *a, const void *b)
{
    const SharedPart *x = a, *y = b;
    return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : strcmp(x->name, y->name);
}

/* What `assert` asks of the phase. */
static bool check_asserts(Cuda *c)
{
    const PhasePlan *p = c->plan;
    const tile_phase *phase = &c->host->phases.items[c->host->phases.count - 1];
    int n = c->out.buffers.count;
    SharedPart *parts = NEW_ARRAY(c->arena, SharedPart, n);
    for (int i = 0; i < n; i++)
        parts[i] = (SharedPart){c->out.buffers.items[i]->name, c->out.buffers.items[i]->bytes};
    qsort(parts, (size_t)n, sizeof *parts, by_size);
    size_t units = is_single(p) && p->unit.lanes > 1 ? (size_t)p->pack : 1;
    SharedSize size = {c->out.shared_bytes * units, c->out.shared_bytes, parts, n};
    bool good = asserts_check(c->low, p, &c->shared, &size);
    return asserts_limits(c->low, p, phase->entry, &c->host->limits) && good;
}

static bool emit_phase(Cuda *c, FILE *out, int indent, const char *block)
{
    size_t ids = (size_t)c->low->kernel->next_id;
    statements_start(&c->out, c->arena);
    memset(c->name, 0, sizeof *c->name * ids);
    memset(c->deferred, 0, sizeof *c->deferred * ids);
    memset(c->fit, 0, sizeof *c->fit * ids);
    memset(c->gathered, 0, sizeof *c->gathered * ids);
    memset(c->declared, 0, sizeof *c->declared * ids);
    memset(c->packed, 0, sizeof *c->packed * ids);
    memset(c->partial, 0, sizeof *c->partial * ids);
    names_start(c);
    c->pipes.count = c->conversions.count = c->censuses.count = c->shared.count = 0;
    c->stages.count = 0;
    c->counting = asserts_word(c->low, c->plan, "bank_conflicts");
    c->line = 0;
    c->guard = "";
    c->again.until = NULL;
    find_live(c, c->plan->par);
    find_seen_nans(c, c->plan->par);
    print_unit(c, block);
    if (!emit_header(c) || !begin_pipes(c, c->plan->par) ||
        !(c->plan->ragged ? emit_ragged(c) : emit_programs(c)))
        return false;
    print_statements(c, out, indent);
    return check_lanes(c) && check_asserts(c) &&
           directives_done(&(Presence){c->low, c->plan, c->live});
}

/* What happens between the phases of one launch. */
static void print_between(Cuda *c, FILE *out, const PhasePlan *p)
{
    if (!p->fused)
        return;
    int at, column;
    pos_line(p->par->pos, &at, &column);
    /* Also for threads that had no program. */
    fprintf(out, "    TILE_LINE(%d)\n", at);
    fprintf(out, "    tile_grid_sync(%s);\n",
            host_scratch(c->host, host_constant(c->host, 0), "uint32_t *", "grid_barrier"));
}

/* The phases of one launch: `first` and those that join it. */
static bool emit_launch(Cuda *c, int first, int n, FILE *out)
{
    const PhasePlan *all = &c->low->phases[first];
    const char *kernel = c->low->kernel->name;
    int at, column, number = c->host->phases.count, blocks = -1;
    tile_phase phase = {.entry = entry_name(c, all),
                        .threads = (uint32_t)threads_of(all),
                        .cooperative = all->syncs,
                        .pdl = all->early,
                        .persistent = all->ragged || all->looped};
    PUSH(c->arena, &c->host->phases, phase);
    for (int i = 0; i < n; i++) {
        pos_line(all[i].par->pos, &at, &column);
        fprintf(out, "%s// %s%s%s, %s:%d\n", i ? "" : "\n", kernel, all[i].par->name ? " @" : "",
                all[i].par->name ? all[i].par->name : "", all[i].par->pos.source->name, at);
    }
    int fit = 0;
    for (int i = 0; i < n; i++)
        fit = all[i].resident > fit ? all[i].resident : fit;
    fprintf(out, "TILE_KERNEL(%s, tk_%s_args, %d, %d)\n{\n", phase.entry, kernel, threads_of(all),
            fit);
    for (int i = 0; i < n; i++) {
        const char *block = "tile_block()", *text = "";
        c->plan = &all[i];
        if (threads_of(&all[i]) != threads_of(all))
            return cuda_fail(c, all[i].par, "phases of one launch with %d and %d threads a block",
                             threads_of(all), threads_of(&all[i]));
        if (n > 1 && !all[i].looped && i)
            block = format_text(c, "(tile_block() - %s)",
                                host_number(c->host, blocks, "int64_t", "blocks_before"));
        if (i)
            print_between(c, out, &all[i]);
        char *body = NULL;
        size_t length = 0;
        FILE *inner = open_memstream(&body, &length);
        bool good = emit_phase(c, inner, n > 1 ? 2 : 1, block);
        fclose(inner);
        if (good && n > 1) {
            int end = blocks < 0 || all[i].looped
                          ? c->blocks
                          : host_node(c->host, TILE_NODE_ADD, TILE_I64, blocks, c->blocks, 0);
            if (all[i].looped)
                blocks = blocks < 0 ? end
                                    : host_node(c->host, TILE_NODE_MAX, TILE_I64, blocks, end, 0);
            else
                blocks = end;
            if (!all[i].looped && i + 1 < n)
                text = format_text(c, "%sif (tile_block() < %s) ", i ? "else " : "",
                                   host_number(c->host, blocks, "int64_t", "blocks_before"));
            else if (!all[i].looped)
                text = "else ";
            fprintf(out, "    %s{\n%s    }\n", text, body);
        } else if (good) {
            blocks = c->blocks;
            fputs(body, out);
        }
        free(body);
        if (!good)
            return false;
    }
    fprintf(out, "}\n");
    tile_phase *done = &c->host->phases.items[number];
    int resident = host_node(c->host, TILE_NODE_RESIDENT, TILE_I64, number, 0, 0);
    done->blocks = !done->persistent ? blocks
                   : blocks < 0      ? resident
                                : host_node(c->host, TILE_NODE_MIN, TILE_I64, resident, blocks, 0);
    return true;
}

/* What is held as tile_index is small where the dims are. */
static void need_small_dims(Cuda *c)
{
    for (const Op *op = c->low->kernel->body->first; op; op = op->next) {
        int node = op->code == OP_DIM ? host_value(c->host, op->results[0]) : -1;
        if (node >= 0)
            host_need_aligned(c->host, host_node(c->host, TILE_NODE_LE, TILE_I64, node,
                                                 host_constant(c->host, MOST_NARROW), 0));
    }
}

char *emit_cuda(Lowered *low, const char *target, Host **host)
{
    Cuda c = {.low = low, .arena = low->arena};
    char *body = NULL, *text = NULL;
    size_t length = 0, ids = (size_t)low->kernel->next_id;
    FILE *out = open_memstream(&body, &length);
    c.host = *host = NEW(low->arena, Host);
    host_start(c.host, low->arena, low->kernel);
    for (int i = 0; i < low->nphases; i++)
        c.host->fused |= low->phases[i].fused;
    c.ranges = ranges_find(low->arena, low->kernel);
    c.name = NEW_ARRAY(low->arena, const char *, ids);
    c.view = NEW_ARRAY(low->arena, CudaView *, ids);
    c.live = NEW_ARRAY(low->arena, bool, ids);
    c.nan = NEW_ARRAY(low->arena, bool, ids);
    c.packed = NEW_ARRAY(low->arena, bool, ids);
    c.uses = NEW_ARRAY(low->arena, int, ids);
    c.user = NEW_ARRAY(low->arena, const Op *, ids);
    c.deferred = NEW_ARRAY(low->arena, const Op *, ids);
    c.fit = NEW_ARRAY(low->arena, const char *, ids);
    c.gathered = NEW_ARRAY(low->arena, Gathered, ids);
    c.declared = NEW_ARRAY(low->arena, bool, ids);
    c.boxes = NEW_ARRAY(low->arena, BoxRing *, ids);
    c.partial = NEW_ARRAY(low->arena, Partial *, ids);
    for (int i = 0, n; i < low->nphases && !c.failed; i += n) {
        for (n = 1; i + n < low->nphases && low->phases[i + n].joins;)
            n++;
        if (!emit_launch(&c, i, n, out))
            c.failed = true;
    }
    fclose(out);
    if (c.indexed)
        need_small_dims(&c);
    if (!c.failed) {
        char *args = host_struct(c.host, arena_format(low->arena, "tk_%s_args", low->kernel->name));
        text = arena_format(low->arena, "// %s, %s\n#include \"runtime/device/%s.h\"\n\n%s%s",
                            target, low->kernel->variant,
                            c.copies  ? "copies"
                            : c.async ? "async"
                                      : "tile",
                            args, body);
    }
    free(body);
    return text;
}
