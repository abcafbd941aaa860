/* Inside the machine model. Prototypes are grouped under the file that defines them. */
#ifndef TILE_MACHINE_INTERNAL_H
#define TILE_MACHINE_INTERNAL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/machine/machine.h"
#include "runtime/machine/ops.h"

enum { WARP_SIZE = 32, GROUP_WARPS = 4, MOST_THREADS = 1024, MOST_BARRIERS = 16 };

/* Where dynamic shared memory begins in a block's window of addresses, and the window's size: a
 * matrix descriptor has 18 bits for it. A shared::cluster address has the rank above them. */
enum { SHARED_BASE = 1024, SHARED_WINDOW = 1 << 18, SHARED_MOST = 227 * 1024, RANK_SHIFT = 24 };

/* A line of the .tile file, or, with the top bit, an offset into the kernel's code. 24 bits. */
typedef uint32_t Place;
enum { PLACE_CODE = 1 << 23 };

typedef struct Machine Machine;
typedef struct Block Block;
typedef struct Thread Thread;
typedef struct Warp Warp;
typedef struct AsyncOp AsyncOp;
typedef struct Mbarrier Mbarrier;

/* ---- fiber.c: stacks that code runs on, switched without a system call ---- */

typedef struct Fiber {
    void *context; /* the saved stack pointer, or a ucontext_t */
    char *stack;
    size_t stack_bytes;
    void *fake_stack; /* of the address sanitizer */
} Fiber;

/* False: no memory. `start` never returns. */
bool fiber_create(Fiber *, size_t stack_bytes, void (*start)(void *), void *argument);
/* A fiber whose code has ended or is given up; its stack is used again. */
void fiber_restart(Fiber *, void (*start)(void *), void *argument);
void fiber_free(Fiber *);
/* The host's own stack as a fiber. */
void fiber_host(Fiber *);
/* `leaving`: the code of `from` will not go on. */
void fiber_switch(Fiber *from, Fiber *to, bool leaving);
bool fiber_overflowed(const Fiber *);

/* ---- clock.c: what a thread knows to have happened ----
 *
 * Agents are numbered within a block: its threads first, then virtual ones (an mbarrier, a thread's
 * bulk copies..). An event is a pair of agent and epoch; a clock holds, for each agent, the last
 * epoch that is known. Clocks are shared and counted; who alone holds one may change it. */

typedef struct Piece {
    int refs, count;
    uint32_t block;
    uint32_t at[];
} Piece;

typedef struct Clock {
    int refs, count;
    Piece *piece[]; /* by ascending block */
} Clock;

Clock *clock_share(Clock *);
void clock_drop(Clock **);
/* *into = the join of both. */
void clock_join(Clock **into, const Clock *);
/* *into = for each agent the lesser; of a group of clocks, what all of them know. */
void clock_meet(Clock **into, const Clock *);
void clock_set(Clock **into, uint32_t block, uint32_t agent, uint32_t epoch);
bool clock_has(const Clock *, uint32_t block, uint32_t agent, uint32_t epoch);
const Piece *clock_piece(const Clock *, uint32_t block);

/* Four orders: base causality (PTX ISA 8.9.5); what of it has passed a proxy fence for the async
 * proxy, in shared and in global memory (8.6, 9.7.13.4); what causality would have of tcgen05
 * operations if all their fences were there, to tell which one is missing (9.7.16.6.3). */
enum { CAUSAL, PROXY_SHARED, PROXY_GLOBAL, UNFENCED, ORDERS };

/* What a barrier or a location hands on. */
typedef struct Sync {
    Clock *clock[ORDERS];
    Clock *last;   /* of the thread that came last: equal ones are joined once */
    uint64_t time; /* of the model: trace.c */
} Sync;

void sync_drop(Sync *);
void sync_join(Sync *, const Sync *);
/* It is not known before that time. */
void sync_time(Sync *, uint64_t time);
/* The thread's past goes into *s; what it does from now on is not part of it. */
void sync_release(Sync *, Thread *);
void sync_acquire(const Sync *, Thread *);
/* The same for a thread whose past is in it. */
void sync_adopt(const Sync *, Thread *);

/* ---- shadow.c: who touched what ---- */

typedef enum Touch {
    TOUCH_NONE,
    TOUCH_READ,
    TOUCH_WRITE,
    TOUCH_STRONG_READ,
    TOUCH_STRONG_WRITE,
    TOUCH_CONSTANT_READ,
    TOUCH_ASYNC_READ,
    TOUCH_ASYNC_WRITE,
    TOUCH_ASYNC_REDUCE
} Touch;

/* Up to 32 agents with neighbouring numbers that touched bytes of one word. */
typedef struct Record {
    uint32_t epoch, lanes;
    uint32_t block : 20, group : 12;
    uint32_t place : 24, touch : 4, bytes : 4;
} Record;

enum { CELL_RECORDS = 2, CELL_BYTES = 4 };

typedef struct Cell {
    Record record[CELL_RECORDS];
    uint32_t more;  /* a node of the machine's, 0: none */
    uint32_t reads; /* the same of what only writes can conflict with, latest first */
} Cell;

typedef struct RecordNode {
    Record record;
    uint32_t next;
} RecordNode;

/* What a strong operation on an address hands on (PTX ISA 8.8). */
typedef struct Location {
    size_t offset;
    bool used;
    const Thread *writer; /* of the last store */
    Sync sync;
} Location;

/* Memory with its shadow. */
typedef struct Region {
    char *base;
    size_t bytes;
    Cell *cell;       /* NULL: nobody may write it */
    uint8_t *defined; /* a bit a byte of a cell; NULL: all of it is. Above them, of shared memory,
                         1 + the swizzle of the tensor copy that brought it, or 0 */
    const char *name;
    unsigned flags;
    Block *block;     /* of shared and of tensor memory; NULL: global */
    bool is_tensor;   /* offsets are those of tensor_offset */
    RecordNode *node; /* of cells with many records; node 0 is nobody's */
    uint32_t nodes, node_capacity, free_node;
    Location *location; /* a hash table by offset */
    uint32_t locations, location_capacity;
} Region;

/* One access: who, what it leaves behind, and the orders that it is judged by. */
typedef struct Access Access;
struct Access {
    Machine *machine;
    Region *region;
    Thread *thread; /* who is to be named */
    Touch touch;
    Place place;
    uint32_t block, agent, epoch;    /* the stamp that it leaves */
    uint32_t lanes;                  /* 0, or which agents from `agent` on leave it */
    uint32_t self_block, self_agent; /* whose earlier accesses are ordered: program order */
    const Clock *order[ORDERS];
    const char *what; /* "reads", "the bulk copy writes" */
    /* NULL, or whether the earlier access is ordered before this one in another way. */
    bool (*pipelined)(const Access *, const Record *);
    const struct TensorOp *tensor;
};

bool region_create(Region *, char *base, size_t bytes, unsigned flags, bool undefined);
void region_free(Region *);
/* Forgets every access. */
void region_forget(Region *);
/* Forgets the accesses to these whole cells, and that they are defined. */
void shadow_forget(Region *, size_t offset, size_t bytes);
/* Is the record's operation, of these agents, in the clock? */
bool record_known(const Clock *, const Record *, uint32_t group);
/* By the running thread, of `bytes` bytes at `offset` (inside); faults do not return. */
void shadow_touch(const Access *, size_t offset, size_t bytes);
void shadow_need_defined(const Access *, size_t offset, size_t bytes);
void shadow_define(Region *, size_t offset, size_t bytes);
/* Notes which tensor copy's swizzle orders these bytes; shadow_define forgets it. */
void shadow_swizzle(Region *, size_t offset, size_t bytes, tile_swizzle);
/* A thread's access; virtual agents change the stamp. */
Access access_of(Thread *, Region *, Touch, const char *what);
#define NO_AGENT 0xFFFFFFFFu

/* ---- memory.c ---- */

/* The region with all of [p, p + bytes); a fault if there is none, or if p is not aligned. */
Region *global_find(Thread *, const void *p, size_t bytes, size_t alignment, const char *what);
/* Of the thread's block or, with `cluster`, of any block of its cluster. */
Region *shared_find(Thread *, const void *s, size_t bytes, size_t alignment, bool cluster,
                    const char *what);
size_t region_offset(const Region *, const void *p);
/* A generic access of a thread, checked; then the bytes move. */
void memory_read(Thread *, void *to, const void *from, Region *, size_t bytes, Touch);
void memory_write(Thread *, void *to, Region *, const void *from, size_t bytes, Touch);
bool memory_create(Machine *);
void memory_free(Machine *);
void memory_forget(Machine *);
/* The address of another block's shared memory was used: it may not exit before that is known. */
void remote_note(Thread *, Block *);
void remote_check_exit(Block *);

/* ---- strong.c: strong operations and fences ---- */

void locations_free(Region *);
void thread_forget_fences(Thread *);
/* x + y of a TILE_NUMBER_ type, as atomics and reducing copies add. */
uint64_t number_add(int type, uint64_t x, uint64_t y, bool flush);
int number_bytes(int type);

/* ---- bank.c ---- */

typedef struct BankGroup {
    Place place;
    int bytes;
    uint32_t lanes, order;
    uint32_t address[WARP_SIZE];
} BankGroup;

enum { BANK_GROUPS = 64 };

/* Counts the passes of a warp's accesses; lanes meet by their places. */
void bank_count(Thread *, const Region *, const void *s, int bytes);
void bank_flush(Warp *);

/* Ordinary accesses and copies must not touch an mbarrier. */
void check_no_mbarrier(Thread *, const Region *, size_t offset, size_t bytes, const char *what);

/* ---- mbarrier.c ---- */

struct Mbarrier {
    Block *block;
    uint32_t offset;
    uint32_t expected, phase;
    int32_t pending, tx;
    uint32_t agent; /* epoch p + 1: phase p is complete */
    Place initialised;
    uint32_t init_block, init_agent, init_epoch, init_count;
    bool live;
    bool observed;                   /* somebody has seen the phase before this one complete */
    bool last_had_copies;            /* that phase had */
    uint32_t copied, pending_copies; /* bytes bound to this phase; copies of it under way */
    uint32_t expected_bytes;         /* of this phase */
    Place last_arrival, last_expect, last_copy;
    Sync pending_cta, pending_cluster, done_cta, done_cluster;
    Mbarrier *next;
};

Mbarrier *mbarrier_at(Thread *, const void *b, bool cluster, const char *what);
/* A copy begins that will bring `bytes` to its present phase. */
void mbarrier_bind(Mbarrier *, uint32_t bytes, Place);
/* complete_tx of a copy that was bound to `phase`. */
void mbarrier_complete(Machine *, Mbarrier *, uint32_t phase, uint32_t bytes, AsyncOp *);
/* The arrive that the system does for tcgen05.commit, with what the operations knew. */
void mbarrier_arrive_commit(Machine *, Mbarrier *, const AsyncOp *, const Sync *);
/* The arrive that the system does for cp.async.mbarrier.arrive. */
void mbarrier_arrive_copies(Machine *, Mbarrier *, Thread *, uint32_t epoch, Place);
void mbarrier_check_exit(Block *);
const char *mbarrier_describe(Machine *, const Mbarrier *);
/* Is there an mbarrier in these bytes of shared memory? */
const Mbarrier *mbarrier_overlap(const Block *, size_t offset, size_t bytes);
void mbarriers_free(Block *);

/* ---- bulk.c ---- */

void stamp_by_mbarrier(Access *, const Mbarrier *);
void stamp_by_lane(Access *, Thread *, int kind, uint32_t epoch);
void *peer_place(Thread *, const void *s, int rank);
void add_numbers(char *to, const char *from, size_t bytes, int type);
/* A store that the thread's bulk group will have, with a buffer of that size. */
AsyncOp *issue_store(Thread *, const char *name, bool (*advance)(Machine *, AsyncOp *),
                     size_t bytes);
void need_writable(Thread *, const Region *, size_t offset);

/* ---- barrier.c ---- */

typedef struct Barrier {
    int expected, arrived; /* threads; expected 0: nobody has come, -1: all threads */
    uint32_t warps;        /* that have come in this round */
    uint32_t waiting;
    Place place;
    Sync sync;
} Barrier;

enum { MOST_BLOCKS = 16 };

typedef struct Cluster {
    Block **block;
    int blocks, live_threads;
    int arrived;
    uint32_t round;
    Sync pending, done;
    Warp *waits[MOST_BLOCKS / 2]; /* of each pair, the warp that has come first: tcgen05_memory.c */
} Cluster;

void barrier_exit(Thread *);

/* ---- warp.c: what the lanes of a warp do together ---- */

typedef enum Together {
    NOT_TOGETHER,
    DO_SYNC_WARP,
    DO_SHUFFLE,
    DO_SHUFFLE_XOR,
    DO_BALLOT,
    DO_MATCH,
    DO_REDUCE,
    DO_ELECT,
    DO_BARRIER,
    DO_LOAD_MATRIX,
    DO_STORE_MATRIX,
    DO_CLUSTER_ARRIVE,
    DO_CLUSTER_WAIT,
    DO_REGISTERS,
    DO_WGMMA,
    DO_WGMMA_FENCE,
    DO_WGMMA_COMMIT,
    DO_WGMMA_WAIT,
    DO_TCGEN05_ALLOC,
    DO_TCGEN05_DEALLOC,
    DO_TCGEN05_RELINQUISH,
    DO_TCGEN05_WAIT,
    DO_TCGEN05_LD,
    DO_TCGEN05_ST
} Together;

/* What the lanes' asynchronous operations are counted by: agents of their own. */
enum {
    LANES_BULK,
    LANES_BULK_READ,
    LANES_COPY,
    LANES_INIT,
    LANES_TENSOR,        /* tcgen05.mma and cp: complete */
    LANES_TENSOR_ISSUED, /* in the pipeline */
    LANES_TENSOR_LOAD,   /* tcgen05.ld, st: complete */
    LANES_TENSOR_STORE,
    LANE_KINDS
};

struct Warp {
    Block *block;
    int index, first, lanes; /* threads first .. first + lanes - 1 of the block */
    uint32_t live, here;     /* lanes that have not exited; that have come to the operation */
    Together what;
    uint64_t detail;
    Place place;
    bool (*finish)(Warp *);
    uint32_t lane_base[LANE_KINDS]; /* agents of the lanes by kind; 0: none yet */
    BankGroup bank[BANK_GROUPS];
    uint32_t bank_order;
    struct WgmmaState *wgmma;
    uint32_t loads, stores, loads_waited, stores_waited; /* tcgen05.ld and st, from 1 */
    uint32_t group_steps;                                /* of its warpgroup's log */
    int last_event;                                      /* in the trace */
    int registers; /* a thread; 0: the kernel says no number */
};

/* `.aligned`: one place for all lanes; for some operations none may have exited either. */
typedef enum Aligned { ANY_PLACE, ONE_PLACE, ONE_PLACE_ALL_LANES } Aligned;

/* Waits until all live lanes are in the same operation; the last one calls `finish`. False from
 * finish: it has put the lanes into another state of waiting. */
void together(Thread *, Together, uint64_t detail, Aligned, bool (*finish)(Warp *));
Thread *warp_lane(const Warp *, int lane);
#define EACH_LANE(t, w)                                                      \
    for (Thread *t = warp_lane(w, 0); t < warp_lane(w, 0) + (w)->lanes; t++) \
        if ((w)->live >> t->lane & 1)
void warp_exit(Thread *);
/* What all lanes of the warp know; the old clocks are dropped. */
void warp_meet(Warp *, Clock *order[ORDERS]);

/* ---- group.c: what the warps of a warpgroup do alike (PTX ISA 9.7.15.1) ---- */

/* The operations of a warpgroup in order, as its fastest warp has done them. */
typedef struct GroupLog {
    uint64_t *operation;
    Place *place;
    uint32_t count, capacity;
} GroupLog;

/* The warp does its next operation for the warpgroup; it must be the one that the others do. */
void group_step(Warp *, Together, uint64_t detail);
void group_check_exit(Block *);
void groups_log_free(Block *);
/* Registers that setmaxnreg has given back may be enough for those who wait. */
void registers_init(Block *);

/* ---- trace.c: the model's time, where it is recorded ---- */

enum { ENGINE_LOADS, ENGINE_STORES, ENGINE_COPIES, ENGINE_TENSOR, ENGINES = ENGINE_TENSOR + 4 };

typedef struct Trace Trace;

/* When operations 1 .. i + 1 of a series are all over. */
typedef struct Ends {
    uint64_t *at;
    uint32_t count, capacity;
} Ends;

/* When an engine is at work: intervals in order, apart from each other. */
typedef struct Busy {
    struct Interval {
        uint64_t start, end;
    } * at;
    int count, capacity;
} Busy;

void ends_add(Ends *, uint64_t end);
/* 0: of nothing. */
uint64_t ends_at(const Ends *, uint32_t number);
void ends_free(Ends *);
void trace_launch(Machine *);
void trace_thread(Thread *, bool ends);
void trace_step(Thread *);
/* The thread goes on at that time, if it is not later already. */
void trace_wait(Thread *, uint64_t until);
void trace_meet(Warp *);
void trace_issue(AsyncOp *);
void trace_block_free(Block *);
void trace_free(Machine *);

/* ---- wgmma.c ---- */

/* NaN bits that stand in registers while wgmma owns them: TILE_MACHINE_POISON of device.h. */
enum { POISON = 0x7FE5A55A };

void wgmma_check_exit(Warp *);
Ends *wgmma_ends(Warp *);
void wgmma_free(Warp *);

/* ---- layout.c: matrices in shared memory as descriptors say (9.7.15.5.1.2, 9.7.16.3, .4) ---- */

typedef struct Operand {
    bool mn_major;
    int swizzle;                  /* bytes of the pattern's rows; 16: none */
    uint32_t start, lead, stride; /* bytes; a shared address */
    int chunk;                    /* elements in 16 bytes */
} Operand;

/* NULL, or what is wrong with the descriptor's bits. */
const char *operand_decode_wgmma(uint64_t descriptor, bool mn_major, int chunk, Operand *);
const char *operand_decode_tcgen05(uint64_t descriptor, bool mn_major, int chunk, Operand *);
/* The shared address of the 16 bytes with element (mn, k): K-major T elements along k, MN-major
 * along mn, T = chunk. mn or k is a multiple of T. */
uint32_t operand_chunk(const Operand *, int mn, int k);

/* ---- operand.c: reading them ---- */

/* Calls `visit` for each 16 bytes of an operand of rows x k elements. */
void operand_each(const Operand *, int rows, int k,
                  void (*visit)(void *, uint32_t address, int mn, int k), void *context);
/* Checks and records an instruction's reads of it in the access's region, a block's shared memory.
 */
void operand_read(Access *, const Operand *, int rows, int k, const char *instruction,
                  const char *name);

/* ---- tcgen05*.c ---- */

/* A piece of a message: "lanes 0 to 15 of column 3 of tensor memory". */
void tensor_place(char *text, size_t size, size_t offset);
/* A conflict in tensor memory: which order is missing? */
_Noreturn void tensor_conflict(const Access *, const Record *, size_t offset);
/* May the engine do it now? Some pairs stay in the order of their issue. */
bool tensor_is_next(const Machine *, const AsyncOp *);
Ends *tensor_ends(Thread *);
/* What the operation is called; NULL: no record of tcgen05. */
const char *tensor_text(const Machine *, const Block *, const Record *);
void tensor_check_exit(Block *);
void tensor_thread_free(Thread *);
void tensor_block_free(Block *);

/* ---- engine.c: asynchronous operations ---- */

/* The groups of one kind that a thread has committed: group i ended with operation last[i]. */
typedef struct Groups {
    uint32_t issued, committed; /* operations, counted from 1 */
    uint32_t count, capacity;   /* groups */
    uint32_t *last;
    uint32_t waited, waited_read; /* operations known to be complete; to have been read */
    Ends read, done;
} Groups;

struct AsyncOp {
    Thread *thread;
    Block *block;
    Place place;
    const char *name; /* "the bulk copy" */
    uint32_t number;  /* of its group kind */
    int groups;       /* LANES_BULK, LANES_COPY or -1 */
    Warp *warp;       /* of wgmma */
    bool started;
    bool was_read; /* its source is */
    /* Does the next part; true: the operation is complete and is freed. */
    bool (*advance)(Machine *, AsyncOp *);
    void (*free)(AsyncOp *);
    /* Copies. */
    Block *target;
    Mbarrier *mbarrier;
    uint32_t phase, bytes, count; /* of wgmma: columns of D, and where B is */
    int add;                      /* reduction: 1 + the number type; 0: none */
    char *to;
    const char *from;
    tile_tensor_map_spec map;
    int32_t at[5];
    char *buffer;
    uint64_t end; /* in the model's time */
    struct WgmmaOp *wgmma;
    struct TensorOp *tensor; /* of tcgen05; its number counts the thread's */
};

AsyncOp *async_issue(Thread *, const char *name, bool (*advance)(Machine *, AsyncOp *));
/* After the operation has been filled in and its accesses are recorded. */
void async_start(AsyncOp *);
/* Completes one operation or part of one; false: there is none. */
bool engine_step(Machine *);
void engine_free(Machine *);
/* Ends all that a block has issued or is the target of. */
void engine_finish(Machine *, const Block *);
/* The agent of this lane among those of a kind. */
uint32_t lane_agent(Thread *, int kind);

void groups_free(Groups *);
void async_check_exit(Thread *);

/* ---- schedule.c ---- */

typedef enum State {
    STATE_NEW,
    STATE_READY,
    STATE_TOGETHER,
    STATE_BARRIER,
    STATE_CLUSTER,
    STATE_MBARRIER,
    STATE_BULK,
    STATE_COPY,
    STATE_WGMMA,
    STATE_REGISTERS,
    STATE_TENSOR,
    STATE_POLL,
    STATE_DONE
} State;

struct Thread {
    TileView view;
    Machine *machine;
    Block *block;
    Warp *warp;
    int index, lane;
    State state;
    Fiber fiber;
    Place place;
    const char *doing;
    Clock *clock[ORDERS];
    Sync fenced;       /* at the last fence: what relaxed writes release */
    Sync read_relaxed; /* what a fence acquires */
    bool has_fenced, has_read_relaxed;
    uint32_t epoch;
    uint64_t time;
    uint64_t in, out; /* of an operation of the warp */
    void *pointer, *d_registers, *a_registers;
    const void *operands;
    uint32_t words[4];
    Mbarrier *waits_for;
    uint32_t waits_parity;
    uint32_t wait_target; /* of groups: operations up to this one */
    bool wait_reads, woken;
    int refusals;  /* of try_wait, in a row */
    uint64_t seen; /* the machine's progress at the last poll */
    const void *polled;
    int polls; /* since then */
    uint32_t cluster_round;
    bool cluster_arrived;
    uint32_t inits, inits_fenced;
    Groups groups[2];            /* LANES_BULK, LANES_COPY */
    uint32_t copies_arrived;     /* cp.async operations that an mbarrier has taken over */
    Clock *tensor_past;          /* what the tcgen05 operations to come are ordered behind */
    struct TensorThread *tensor; /* NULL: it has issued none */
};

struct Block {
    Machine *machine;
    Cluster *cluster;
    int64_t index;
    int rank;
    uint32_t number; /* in clocks and records */
    int threads, warps, live;
    Thread *thread;
    Warp *warp;
    Region shared;
    char *memory; /* what the region is part of */
    uint32_t agents;
    Busy busy[ENGINES];
    Barrier barrier[MOST_BARRIERS];
    Mbarrier *mbarriers;
    Mbarrier **mbarrier_of; /* by 8 bytes of shared memory; NULL: none yet */
    int register_pool;
    GroupLog group[MOST_THREADS / WARP_SIZE / GROUP_WARPS];
    Clock *remote_last; /* by threads of other blocks: their last use of this one's memory */
    Place remote_place;
    bool exited;
    struct TensorMemory *tensor; /* NULL: none has been allocated */
};

void thread_wait(Thread *, State);
void thread_ready(Thread *);
/* A chance for others to run. */
void thread_yield(Thread *);
/* Called after a look at memory that may be one of many; waits for somebody's progress if nothing
 * has happened since the last look. */
void thread_poll(Thread *, const void *what);
/* Something has changed that another thread may wait for. */
void progress(Machine *);
void run_launch(Machine *);
void launch_cleanup(Machine *);

/* ---- report.c ---- */

typedef struct Text {
    char *bytes;
    size_t length, capacity;
} Text;

void text_add(Text *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ends the run; `thread` is who did it, NULL: an engine, or nobody. */
_Noreturn void breach(Machine *, tile_fault, const Thread *, Place, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* These print into a ring of buffers. */
const char *where_text(Machine *, Place);
const char *thread_text(const Thread *);
/* Who left a record. */
const char *record_text(Machine *, const Record *);
bool same_place(Machine *, Place, Place);
_Noreturn void report_deadlock(Machine *);

/* ---- random.c ---- */

uint64_t random_bits(Machine *);
uint32_t random_below(Machine *, uint32_t n);

/* ---- machine.c ---- */

struct tile_machine_code {
    Machine *machine;
    void *handle;
    char *base; /* where it is mapped */
    char *path; /* of the file, for addr2line; removed with the code */
    char *name;
    TileMachineLink **link;
    tile_machine_code *next;
};

struct Machine {
    tile_machine_options options;
    tile_policy policy;
    uint64_t random;
    TileMachineLink link;
    TileView outside; /* while no thread runs */
    Fiber host;
    Thread *running;
    jmp_buf failed;
    tile_fault fault;
    Text report;
    tile_machine_code *codes;
    tile_machine_counts counts;
    char *source;

    /* Global memory, by ascending address. */
    Region *buffer;
    int buffers, buffer_capacity;
    Region *found; /* the last one that was looked up */

    /* The launch. */
    tile_machine_code *code;
    const TileMachineKernel *kernel;
    tile_launch_config config;
    const void *args;
    Cluster **cluster;
    int clusters, cluster_capacity, running_clusters;
    int64_t *order; /* of clusters to come */
    int64_t next_cluster, all_clusters;
    uint32_t next_block, first_block; /* numbers; 0 stands for grids that were waited for */
    int64_t *block_index;             /* of number first_block + i */
    uint32_t block_index_capacity;
    bool pdl;
    bool waited; /* a thread of the grid has waited for those ahead */
    Thread **ready;
    int ready_count, ready_capacity;
    Thread **polling;
    int polling_count, polling_capacity;
    uint64_t progress;
    AsyncOp **op;
    int ops, op_capacity;
    Fiber *spare;
    int spares, spare_capacity;
    float *scratch;
    double *tensor_scratch;
    int cta_group; /* of the launch's tcgen05 instructions; 0: none yet */
    Place cta_group_place;
    uint64_t tensor_issued;
    Trace *trace; /* NULL: nobody has asked for one */
};

struct tile_machine {
    Machine machine;
};

/* The operations, as ops.h lists them. */
#define TILE_MACHINE_OP(result, name, parameters) result machine_##name parameters;
TILE_MACHINE_OPS(TILE_MACHINE_OP)
#undef TILE_MACHINE_OP
Machine *machine_now(void);
/* load.c */
const TileMachineKernel *code_entry(tile_machine_code *, const char *name);
void codes_free(Machine *);
bool load_failed(Machine *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The running thread at the place where its code called. */
Thread *enter(void *return_address, const char *doing);
#define ENTER(doing) enter(__builtin_return_address(0), doing)

/* ---- elements.c ---- */
/* The values of elements of these types; tf32: the low 13 bits are cut. */
double element_from_f16(uint32_t bits);
double element_from_bf16(uint32_t bits);
double element_from_tf32(uint32_t bits);
double element_from_e4m3(uint32_t bits);
double element_from_e5m2(uint32_t bits);
double element_from_e2m3(uint32_t bits);
double element_from_e3m2(uint32_t bits);
double element_from_e2m1(uint32_t bits);
double element_from_u8(uint32_t bits);
double element_from_s8(uint32_t bits);

#endif
