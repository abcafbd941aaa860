/* The machine from outside: its life, its launches. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/machine/internal.h"

static _Thread_local Machine *now;

Machine *machine_now(void)
{
    return now;
}

/* An operation begins: its place is the line that the kernel has named, else its code. */
Thread *enter(void *return_address, const char *doing)
{
    Machine *m = now;
    Thread *t = m->running;
    uint32_t code = (uint32_t)((char *)return_address - m->code->base);
    t->place = t->view.line > 0 ? (Place)t->view.line & (PLACE_CODE - 1)
                                : PLACE_CODE | (code & (PLACE_CODE - 1));
    t->doing = doing;
    if (m->trace)
        trace_step(t);
    return t;
}

void machine_trap(const char *text)
{
    Thread *t = ENTER("a trap");
    breach(t->machine, TILE_FAULT_TRAP, t, t->place, "%s", text);
}

/* ---- shared::cluster addresses: mapa, PTX ISA 9.7.9.23 ---- */

uint32_t machine_shared_address(const void *s)
{
    Thread *t = ENTER("a shared address");
    return SHARED_BASE + (uint32_t)region_offset(&t->block->shared, s);
}

uint32_t machine_cluster_address(const void *s, int rank)
{
    Thread *t = ENTER("mapa");
    if (rank < 0 || rank >= t->block->cluster->blocks)
        breach(t->machine, TILE_FAULT_CLUSTER, t, t->place, "mapa to block %d of a cluster of %d",
               rank, t->block->cluster->blocks);
    return (uint32_t)rank << RANK_SHIFT | machine_shared_address(s);
}

void *machine_cluster_pointer(uint32_t address)
{
    Thread *t = ENTER("a shared::cluster address");
    const Cluster *c = t->block->cluster;
    uint32_t rank = address >> RANK_SHIFT;
    if (rank >= (uint32_t)c->blocks)
        breach(t->machine, TILE_FAULT_CLUSTER, t, t->place,
               "0x%x is no shared::cluster address here", address);
    return c->block[rank]->shared.base + (address & (SHARED_WINDOW - 1)) - SHARED_BASE;
}

/* ---- life ---- */

tile_machine *tile_machine_create(const tile_machine_options *options)
{
    tile_machine *machine = calloc(1, sizeof *machine);
    if (!machine)
        return NULL;
    Machine *m = &machine->machine;
    m->options = *options;
    m->random = options->seed * 0xD1342543DE82EF95ull + 1;
    m->policy = options->policy;
    if (m->policy == TILE_POLICY_BY_SEED)
        m->policy = TILE_POLICY_LATE + (tile_policy)(options->seed % 3);
    if (options->source && (m->source = malloc(strlen(options->source) + 1)))
        strcpy(m->source, options->source);
    m->next_block = m->first_block = 1;
    m->link = (TileMachineLink){.view = &m->outside,
#define LINK_OP(result, name, parameters) .name = machine_##name,
                                TILE_MACHINE_OPS(LINK_OP)
#undef LINK_OP
    };
    text_add(&m->report, "%s", "");
    return machine;
}

void tile_machine_free(tile_machine *machine)
{
    if (!machine)
        return;
    Machine *m = &machine->machine;
    codes_free(m);
    memory_free(m);
    for (int i = 0; i < m->spares; i++)
        fiber_free(&m->spare[i]);
    free(m->spare);
    free(m->op);
    free(m->ready);
    free(m->polling);
    free(m->cluster);
    free(m->block_index);
    free(m->scratch);
    free(m->tensor_scratch);
    free(m->report.bytes);
    free(m->source);
    trace_free(m);
    free(machine);
}

tile_fault tile_machine_fault(const tile_machine *machine)
{
    return machine->machine.fault;
}

const char *tile_machine_report(const tile_machine *machine)
{
    return machine->machine.report.bytes ? machine->machine.report.bytes : "";
}

tile_machine_counts tile_machine_count(const tile_machine *machine)
{
    return machine->machine.counts;
}

/* ---- launches ---- */

static const char *check_launch(const Machine *m, size_t args_bytes)
{
    const tile_launch_config *c = &m->config;
    uint32_t cluster = c->cluster[0] ? c->cluster[0] : 1;
    if (c->grid[1] > 1 || c->grid[2] > 1 || c->block[1] > 1 || c->block[2] > 1 ||
        c->cluster[1] > 1 || c->cluster[2] > 1)
        return "grids, blocks and clusters have one dimension here";
    if (c->block[0] < 1 || c->block[0] > MOST_THREADS)
        return "a block has 1 to 1024 threads";
    if (m->kernel->threads && c->block[0] > (uint32_t)m->kernel->threads)
        return "the block has more threads than the kernel was compiled for";
    if (c->shared_bytes > SHARED_MOST)
        return "a block has at most 227 KB of shared memory";
    if (cluster > MOST_BLOCKS || c->grid[0] % cluster)
        return "a cluster has 1 to 16 blocks and divides the grid";
    if (args_bytes != m->kernel->args_bytes)
        return "the arguments have another size than the kernel's";
    return NULL;
}

static bool launch(Machine *m)
{
    fiber_host(&m->host);
    if (setjmp(m->failed) == 0) {
        run_launch(m);
        if (m->pdl && !m->waited)
            breach(m, TILE_FAULT_LAUNCH, NULL, 0,
                   "no thread of %s waits for the grids ahead (griddepcontrol.wait): it may end "
                   "before them, and a grid behind it would not wait for them either",
                   m->kernel->name);
    }
    launch_cleanup(m);
    return m->fault == TILE_FAULT_NONE;
}

bool tile_machine_launch(tile_machine *machine, tile_machine_code *code, const char *entry,
                         const tile_launch_config *config, const void *args, size_t args_bytes)
{
    Machine *m = &machine->machine;
    if (m->fault)
        return false;
    m->code = code;
    m->config = *config;
    m->args = args;
    m->kernel = code_entry(code, entry);
    const char *wrong = m->kernel ? check_launch(m, args_bytes) : "the code has no such kernel";
    if (wrong) {
        m->fault = TILE_FAULT_LAUNCH;
        text_add(&m->report, "%s: %s", entry, wrong);
        return false;
    }
    m->pdl = config->pdl;
    m->waited = false;
    if (!m->pdl) {
        memory_forget(m);
        m->next_block = 1;
    }
    m->first_block = m->next_block;
    *code->link = &m->link;
    Machine *before = now;
    now = m;
    bool good = config->grid[0] == 0 || launch(m);
    now = before;
    return good;
}
