/* exchange (R13b): each value travels in a word with the launch's generation, and readers poll the
 * words: one trip through L2, no atomic, no fence.
 *
 * The word at byte 128 of the scratch has the generation of the last exchange; words that are read
 * have a newer one, so nothing has to be cleared. Two regions take turns: who publishes to one
 * again has seen every program publish to the other since, hence be done with reading. */
#include <string.h>

#include "compiler/cuda_order.h"

/* Barriers stand between reading the generation or words and the next publication, and before the
 * generation is written: all threads are done with reading then. Between a publication and the
 * wait for the others there is none, unless a loop brings it back. */
static void tell(Cuda *c, bool write, const Op *op)
{
    bool once = op && op->parent->parent->code == OP_PAR;
    statement_effect(&c->out,
                     (Effect){.memory = c->exchanging, .write = write, .own = once, .op = op});
}

void begin_exchanges(Cuda *c, const Op *par)
{
    c->exchanging = region_has(par->regions[par->nregions - 1], OP_EXCHANGE) ? par : NULL;
    if (!c->exchanging)
        return;
    const char *words = host_scratch(c->host, host_constant(c->host, EXCHANGE_AT), "uint64_t *",
                                     "exchange");
    tell(c, false, NULL);
    line(c, "uint32_t generation = (uint32_t)tile_global_read_relaxed_u64(%s);", words);
}

void end_exchanges(Cuda *c)
{
    if (!c->exchanging)
        return;
    const char *words = host_scratch(c->host, host_constant(c->host, EXCHANGE_AT), "uint64_t *",
                                     "exchange");
    tell(c, true, NULL);
    line(c,
         "if (program == 0 && tile_thread() == 0) tile_global_write_relaxed_u64(%s, generation);",
         words);
}

/* What is in the words: an integer by its own type, however few bits a thread holds it in. */
static DType carried(Cuda *c, const Value *v)
{
    return dtype_is_int(v->type.dtype) ? v->type.dtype : held(c, v);
}

/* Words an element. */
static int words_of(DType t)
{
    return dtype_info[t].bits > 32 ? 2 : 1;
}

static char *word_text(Cuda *c, DType t, const char *x, int k)
{
    if (dtype_info[t].bits > 32)
        return format_text(c, "(uint32_t)((uint64_t)%s >> %d)", x, 32 * k);
    return t == DT_F32 || t == DT_TF32 ? format_text(c, "tile_bits(%s)", x)
                                       : format_text(c, "(uint32_t)%s", x);
}

static void publish(Cuda *c, const Op *op, const char *region)
{
    const Value *v = op->args[0];
    DType t = carried(c, v);
    long long words = words_of(t), n = type_elements(&v->type);
    Layout one = {0};
    const Layout *l = is_uniform(v) ? &one : layout_of(c, v);
    char *when = is_uniform(v) ? format_text(c, "lane == 0 && warp == 0")
                               : both(c, one_holder(c, l), holds_text(c, l, "r"));
    tell(c, true, op);
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(r, %lld)",
               is_uniform(v) ? n : (long long)layout_span(l, OWN_REG));
    if (*when)
        open_block(c, STATEMENT_BLOCK, "if (%s)", when);
    char *at = is_uniform(v) ? format_text(c, "r") : place_text(c, &v->type, l);
    char *x = is_uniform(v) ? format_text(c, "%s", c_name(c, v))
                            : format_text(c, "%s[r]", c_name(c, v));
    line(c, "uint64_t *const place = %s + (program * %lld + %s)%s;", region, n, at,
         words > 1 ? " * 2" : "");
    for (int k = 0; k < words; k++)
        line(c, "tile_global_write_relaxed_u64(place + %d, (uint64_t)generation << 32 | %s);", k,
             word_text(c, t, x, k));
    if (*when)
        close_block(c);
    close_block(c);
}

static char *element_text(Cuda *c, DType t, const char *low, const char *high)
{
    if (dtype_info[t].bits > 32)
        return format_text(c, "(%s)(%s << 32 | (uint32_t)%s)", c_type(t), high, low);
    return format_text(c, t == DT_F32 || t == DT_TF32 ? "tile_float((uint32_t)%s)" : "(%s)%s",
                       t == DT_F32 || t == DT_TF32 ? low : c_type(t), low);
}

/* How many words a thread waits for at a time. */
enum { MOST_AWAITED = 32 };

/* The modes of registers, or all others. */
static Layout part_of(const Layout *l, bool registers)
{
    Layout out = {.masks = l->masks};
    memcpy(out.limit, l->limit, sizeof out.limit);
    for (int i = 0; i < l->count; i++)
        if ((l->mode[i].owner == OWN_REG) == registers)
            out.mode[out.count++] = l->mode[i];
    return out;
}

static bool masks_registers(const Layout *l)
{
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].owner == OWN_REG && l->mode[i].mask >= 0)
            return true;
    return false;
}

/* Asks for the words that a thread waits for, or again for those that have not come. A second
 * request under way while the first is (after 0 to 400 cycles) made the maps of 9 experts slower by
 * a sixth: whoever polls holds up whom it waits for. */
static void ask(Cuda *c, long long count, const char *register_text, const char *load)
{
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(i, %lld)", count);
    line(c, "%s", register_text);
    line(c, "%s", load);
    close_block(c);
    line(c, "ready = true;");
    line(c, "TILE_EACH(i, %lld) ready = ready && (uint32_t)(word[i] >> 32) == generation;", count);
}

static void await(Cuda *c, const Op *op, const char *region)
{
    const Value *r = op->results[0];
    DType t = carried(c, r);
    const Layout *l = layout_of(c, r);
    long long regs = registers(c, r), words = words_of(t), step = MOST_AWAITED / words;
    while (regs % step)
        step--;
    Layout inner = part_of(l, true), outer = part_of(l, false);
    char *when = holds_text(c, l, "r"), *at = place_text(c, &r->type, &inner);
    const char *from = new_temp(c, "from");
    char *start = place_text(c, &r->type, &outer);
    /* Who holds nothing reads what another does: loads without conditions are under way together.
     */
    if (*when && !masks_registers(l)) {
        start = format_text(c, "%s ? %s : 0", when, start);
        when = format_text(c, "%s", "");
    }
    const char *name = is_uniform(r) ? new_name(c, r, "t") : c_name(c, r);
    if (is_uniform(r))
        line(c, "%s %s[1];", c_type(t), name);
    else
        declare(c, r);
    tell(c, false, op);
    line(c, "const uint64_t *const %s = tile_apart_words(%s + (%s)%s);", from, region, start,
         words > 1 ? " * 2" : "");
    open_block(c, STATEMENT_BLOCK, "TILE_EACH(o, %lld)", regs / step);
    line(c, "uint64_t word[%lld];", step * words);
    char *r_is = format_text(c, "const int r = o * %lld + i%s;", step, words > 1 ? " / 2" : "");
    char *load = format_text(c, "tile_global_read_relaxed_u64(%s + (%s)%s)", from, at,
                             words > 1 ? " * 2 + i % 2" : "");
    char *first = *when ? format_text(c, "%s ? %s : (uint64_t)generation << 32", when, load) : load;
    line(c, "bool ready;");
    ask(c, step * words, r_is, format_text(c, "word[i] = %s;", first));
    open_block(c, STATEMENT_BLOCK, "while (!ready)");
    ask(c, step * words, r_is,
        format_text(c, "if ((uint32_t)(word[i] >> 32) != generation) word[i] = %s;", load));
    close_block(c);
    line(c, "TILE_EACH(i, %lld) %s[o * %lld + i] = %s;", step, name, step,
         words > 1 ? element_text(c, t, "word[2 * i]", "word[2 * i + 1]")
                   : element_text(c, t, "word[i]", ""));
    close_block(c);
    if (is_uniform(r))
        give_result(c, r, name, l);
}

bool cuda_exchange(Cuda *c, const Op *op)
{
    if (c->rounds)
        return cuda_fail(c, op, "exchange in a persistent grid");
    if (op->args[0]->type.dtype == DT_F64 || op->args[0]->type.dtype == DT_E2M1)
        return cuda_fail(c, op, "exchange of %s", dtype_info[op->args[0]->type.dtype].name);
    const char *words = host_scratch(c->host, host_constant(c->host, EXCHANGE_AT), "uint64_t *",
                                     "exchange");
    const char *region = new_temp(c, "words");
    line(c, "generation++;");
    line(c, "uint64_t *const %s = %s + %d + generation %% 2 * %lld;", region, words,
         (EXCHANGE_WORDS_AT - EXCHANGE_AT) / 8, (long long)exchange_words(c->low->kernel->body));
    publish(c, op, region);
    await(c, op, region);
    return true;
}
