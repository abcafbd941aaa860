/* Inside the interpreter.
 *
 * prepare.c flattens a region into instructions with jumps, so that a program's whole state is
 * {pc, frame}: it can be left and resumed anywhere, which is what grid_sync, exchange, roles,
 * pipes and the debugger need. Every value has a fixed place, its Slot: in the program's frame,
 * in the machine's globals (constants and what is computed outside phases), or in the memory of an
 * expression evaluated by the debugger.
 *
 * A tile lies in its slot dense and row-major, dtype_info[].size bytes an element (bool: 0 or 1;
 * e2m1: a code a byte; tf32: as f32). A tensor is a View.
 */
#ifndef TILE_INTERP_INTERNAL_H
#define TILE_INTERP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "compiler/interp/interp.h"

typedef struct Machine Machine;
typedef struct Worker Worker;
typedef struct Task Task;
typedef struct Insn Insn;
typedef struct Memory Memory;
typedef struct Shadow Shadow;

/* ---- places of values ---- */

/* Byte offset / 64, shifted left by 2, plus the base. */
typedef uint32_t Slot;
enum { BASE_FRAME, BASE_GLOBAL, BASE_EVAL, BASES = 4, SLOT_ALIGN = 64 };
#define NO_SLOT UINT32_MAX

/* ---- tensors ---- */

typedef struct ViewAxis {
    int64_t extent, stride;
    int64_t offset, divide; /* index i stands for q = (i + offset) / divide */
    int64_t split;          /* 0, or: q is (q / split) * stride + q % split */
} ViewAxis;

/* Element (i0, i1, ..) is element base + sum of the axes' parts of memory->data. */
typedef struct View {
    Memory *memory;
    int64_t base;
    int rank;
    ViewAxis axis[MAX_RANK];
} View;

/* The elements behind views: one buffer (aliases share it), or a local tensor in a frame. */
struct Memory {
    char *data;
    DType dtype;
    int64_t elements;     /* of the storage, padding included */
    const Buffer *buffer; /* NULL: a local */
    const Op *tensor;     /* the parameter or the OP_LOCAL */
    int entry;            /* of a table, else -1 */
    bool written;         /* some parameter bound to it may be stored to */
    bool defined;         /* readable at entry */
    bool any_role;        /* touched by two roles, one writing: log every access */
    uint64_t *known;      /* a local's defined bits */
    Shadow *shadow;       /* NULL: nothing to find (only read) */
};

/* ---- code ---- */

typedef void Handler(Task *, const Insn *);

struct Insn {
    Handler *run;
    const Op *op;
    Slot dst;
    Slot arg[3];
    int32_t jump; /* relative to this instruction */
    int32_t aux;  /* the handler's: a size, an axis, a number */
    int64_t n;
    union {
        void (*unary)(void *, const void *, int64_t);
        void (*binary)(void *, const void *, const void *, int64_t);
        void (*ternary)(void *, const void *, const void *, const void *, int64_t);
    } fn;
    const void *plan;
};

/* ---- phases and programs ---- */

typedef struct PhaseRange {
    int32_t code; /* its range region: gives lo, hi, step in the slots */
    Slot lo, hi, step, index;
    bool fixed; /* depends on no index: evaluated once a phase */
} PhaseRange;

typedef struct Phase {
    const Op *op;
    int32_t body; /* first instruction */
    int nranges;
    PhaseRange ranges[MAX_RANK];
    size_t frame_bytes;
    bool syncs;      /* has grid_sync or exchange: all programs live together */
    bool one_thread; /* its results depend on the order of atomics */
    bool unordered;  /* one set with the phase before */
    int number;
    /* While it runs; see programs.c. */
    int64_t count; /* programs */
    int64_t first; /* number of its first program in the set */
    int64_t lo[MAX_RANK], step[MAX_RANK], extent[MAX_RANK];
    int ragged; /* ranges before this one are enumerated in `prefix` */
    struct {
        int64_t *items;
        int64_t count, capacity;
    } prefix;
} Phase;

/* A program: a point of a phase's range. */
typedef struct Point {
    const Phase *phase;
    int64_t number; /* in lexicographic order; unordered phases count on */
    int64_t index[MAX_RANK];
} Point;

/* ---- running ---- */

typedef enum TaskState {
    TASK_READY,
    TASK_DONE,
    TASK_SYNC, /* at a grid_sync */
    TASK_EXCHANGE,
    TASK_PUT,   /* a role: waits for a free slot of a pipe */
    TASK_GET,   /* a role: waits for an item */
    TASK_PAUSE, /* a role: lets another one run */
    TASK_FAULT
} TaskState;

/* What runs: a program, or one role of it. */
struct Task {
    char *base[BASES];
    const Insn *pc; /* the next instruction */
    char *scratch;  /* for the time of one instruction */
    Machine *machine;
    Worker *worker;
    Point *point; /* NULL outside phases */
    TaskState state;
    int role;            /* -1: none */
    struct Roles *roles; /* of the ROLES it is in, or NULL */
};

/* A thread's own memory. */
struct Worker {
    Machine *machine;
    Task task;
    Point point;
    char *frame, *scratch;
    struct Set *set; /* what it takes programs from */
    bool first;      /* it shows the progress */
    void *memory;    /* what to free */
};

typedef struct Code {
    Insn *items;
    int count, capacity;
} Code;

struct Machine {
    const Kernel *kernel;
    Diag *diag;
    Arena arena; /* everything made before programs run */
    RunOptions options;
    const Binding *bindings;
    int nbindings;
    const Argument *arguments;
    int narguments;

    Slot *slots;  /* by value id */
    Slot *states; /* by value id: hidden state of a loop or pipe */
    int nslots;
    Code code;
    char *globals;
    size_t global_bytes, scratch_bytes;
    struct {
        Memory **items;
        int count, capacity;
    } memories;
    Memory ***bound; /* of every binding, its entries' memories */
    struct {
        Phase **items;
        int count, capacity;
    } phases;
    struct {
        const Op **items;
        int count, capacity;
    } constants, launches;
    bool pooling; /* constants go to the globals */
    struct {
        const Op **items;
        int count, capacity;
    } sites; /* memory operations, by number */

    int epoch;     /* grows at every grid_sync and phase */
    bool peeking;  /* an expression of the debugger runs: leave no trace */
    bool threaded; /* several threads run programs now */
    bool was_threaded;
    struct Set *set; /* that runs now */
    double next_progress;
    bool progress_shown;
    atomic_bool stop;     /* a fault was found: end */
    pthread_mutex_t lock; /* of the fault */
    bool faulted;
    Pos fault_pos;
    char fault_text[2048];
};

static inline void *slot_pointer(const Task *t, Slot s)
{
    return t->base[s & 3] + (size_t)(s >> 2) * SLOT_ALIGN;
}

/* ---- prepare.c: IR to code ---- */

/* Builds all code, globals and phases. False: reported. */
bool prepare_kernel(Machine *);
/* Code for a region of pure and load operations that ends in a yield; the debugger's. Its new
 * values lie at BASE_EVAL; *bytes: how much memory they need. */
bool prepare_expression(Machine *, Region *, Code *, size_t *bytes);
/* The value whose place `v` shares: reshape, bits and results of loops make no copy. */
const Value *slot_root(const Value *v);

/* ---- loops (control.c) ---- */

typedef struct LoopState {
    int64_t hi, step;
} LoopState;

typedef struct ShareState {
    int64_t skip, every; /* points to pass before the next one of this program */
    LoopState range[MAX_RANK];
} ShareState;

/* ---- machine.c ---- */

/* Runs a task until it ends, waits, pauses or faults. */
void task_run(Task *);
/* An integer scalar of any width. */
int64_t read_int(const void *, DType);
/* Runs from `at` until the code ends; false: faulted. */
bool task_run_at(Task *, const Insn *at);
bool worker_init(Machine *, Worker *, size_t frame_bytes);
void worker_free(Worker *);

/* ---- programs.c, schedule.c ---- */

/* Evaluates ranges and counts the programs of a phase; false: reported. */
bool phase_enumerate(Machine *, Worker *, Phase *, int64_t first);
/* The indices of program `number` (within the phase). */
void phase_point(const Phase *, int64_t number, int64_t *index);
void phase_free(Phase *);
/* A bijection on [0, count) chosen by the seed. */
typedef struct Permutation {
    uint64_t count, key[4];
    int half_bits;
} Permutation;
void permutation_init(Permutation *, uint64_t count, uint64_t seed);
uint64_t permutation_at(const Permutation *, uint64_t position);
uint64_t random_next(uint64_t *state);
/* Runs phases [from, to): one set of programs. */
bool run_phases(Machine *, int from, int to);
/* Program `number` of the set that runs now. */
bool machine_point(const Machine *, int64_t number, Point *);

/* ---- fault.c ---- */

/* Ends the run with an error at `pos`; the text gets the program and the seed appended. */
void fault(Task *, Pos, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for a text that names the program itself. */
void fault_unnamed(Task *, Pos, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "(m = 0, k = 2)" into text. */
void point_text(char *text, size_t size, const Point *);
/* "pos_expert[17]" into text: the element of the storage as the user writes it. */
void element_text(char *text, size_t size, const Memory *, int64_t element);

/* ---- shadow.c ---- */

typedef enum AccessKind { ACCESS_READ, ACCESS_WRITE, ACCESS_ATOMIC } AccessKind;

/* What programs did before the call is ordered before what they do after it. */
void machine_next_epoch(Machine *);
bool shadow_new(Memory *);
void shadow_free(Memory *);
/* `count` elements from `element` on, `stride` apart. False: faulted. */
bool shadow_access(Task *, const Insn *, Memory *, AccessKind, int64_t element, int64_t count,
                   int64_t stride);

/* ---- format.c ---- */

/* The view of a whole buffer. */
void format_view(const Buffer *, View *);
/* Between a dense row-major array (e2m1 packed as in memory) and the storage format. */
void format_from_rows(const Buffer *, const void *rows);
void format_to_rows(const Buffer *, void *rows);
/* Elements of the storage, padding included; -1: overflow. */
int64_t format_elements(DType, Format, int rank, const int64_t *extent);

/* ---- view.c ---- */

void view_of_memory(View *, Memory *);
int64_t view_axis_element(const ViewAxis *, int64_t index);

/* ---- show.c ---- */

/* A tile as an aligned table, with a header of dtype and shape; large ones as a summary. */
void show_tile(FILE *, const char *name, DType, int rank, const int64_t *dims, const void *data);
void show_element(char *text, size_t size, DType, const void *element);

/* ---- the debugger (compiler/debug.c) ----
 *
 * It is called before every operation of a program, also before those that need no instruction,
 * and when a program faults. There is one thread then, and every value keeps its place to the end
 * of the program. The value v of the stopped task t is at
 *     slot_pointer(t, t->machine->slots[slot_root(v)->id])
 * as a dense tile, or as a View; undefined before its operation has run. t->point says which
 * program it is, t->role which role. An expression is a fresh region, see prepare_expression; it
 * runs on a copy of the task with memory at BASE_EVAL and machine->peeking set. To end the run,
 * set t->state to TASK_DONE and machine->stop. */
void debugger_step(Debugger *, Task *, const Op *next);
void debugger_fault(Debugger *, Task *, const Op *, const char *text);

#endif
