/* The command line: what tilec.c reads from it, and one function a verb. */
#ifndef TILE_COMMAND_H
#define TILE_COMMAND_H

#include <inttypes.h>

#include "compiler/interp/interp.h"
#include "compiler/npy.h"
#include "compiler/program.h"

enum { EXIT_USER = 1, EXIT_USAGE = 2, EXIT_BUG = 3 };

/* NAME=VALUE of -s, -i and -o. */
typedef struct Pair {
    const char *name, *value;
} Pair;
typedef struct PairList {
    Pair *items;
    int count, capacity;
} PairList;

typedef struct Command Command;
struct Command {
    Arena *arena; /* lives as long as the process */
    Diag *diag;
    const char *verb;
    TextList operands;
    PairList settings, inputs, outputs;
    uint64_t seed;
    int seeds; /* --seeds: of check --machine; 0: not said */
    int threads;
    bool verbose, check_only;
    const char *output;        /* emit -o: a folder; layout -o: a file */
    const char *arch, *kernel; /* --arch, --kernel */
    bool lines;                /* --lines */
    int times;                 /* --time */
    const char *device;        /* --device: "cpu" or "cuda" */
    const char *machine;       /* --machine: the model's target; NULL: not asked for */
    const char *timeline;      /* --timeline: a file for the machine's picture */
    uint64_t block;            /* --block: whose picture */
    const char *plan;          /* --plan: whose sums the interpreter replays; NULL: trees */
    const char *dump;          /* -d: "ast", "ir" or NULL */
    PairList pitches, offsets; /* --pitch, --offset: of tensors on the GPU, in elements */
    int fill;                  /* --fill: a byte that outputs hold at first */
    const char *batch;         /* --batch: a file of runs */
    int (*run_verb)(Command *, int argc, char **argv); /* tilec.c: a whole command line */
};

/* Each returns the process's exit code. */
int command_check(Command *);
int command_run(Command *);
int command_debug(Command *);
int command_fmt(Command *);
int command_emit(Command *);
int command_build(Command *);
int command_layout(Command *);

/* ---- command.c ---- */

/* "tilec: text" on stderr; returns false. */
bool user_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The folder is there, made with those above it if need be. False after a message. */
bool make_folder(const char *path);
/* The same with what to do next; returns EXIT_USAGE. */
int usage_error(const Command *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A whole file with a NUL behind it, "-": standard input. NULL after a message. */
Source *read_file(Command *, const char *path);
/* Parses and checks the names of one file and its imports. */
bool load_program(Command *, Program *, const char *path);
/* The kernel of that name; NULL: the only one. NULL after a message. */
const Item *pick_kernel(Command *, Program *, const char *name);
/* "a, b, c" */
const char *join_texts(Arena *, const TextList *);
double seconds_now(void);
/* elab.c; elab.h cannot stand beside interp.h, each has a Binding of its own. */
Kernel *elaborate(Arena *, Diag *, const Program *, const Item *kernel, const Variant *);

/* ---- settings.c: -s ---- */

/* Reports settings of names that nothing has: `item` is NULL for a kernel that was read as IR. */
bool settings_known(Command *, const Program *, const Item *, const Kernel *);
/* All settings for variant_choose. */
Given *settings_given(Command *);
/* The values of the kernel's dims and scalars among the settings, and 0 for dims that only absent
 * tensors show. `used` says what the variant has taken. Item, variant and `used` are NULL for IR.
 */
bool settings_arguments(Command *, const Item *, const Kernel *, const Variant *, const Given *used,
                        Argument **arguments, int *count);
/* The code of a number in a scalar's type; NULL, or what is wrong with the text. */
const char *scalar_parse(DType, const char *text, uint64_t *bits);

/* ---- command_run.c: a run in three steps; the debugger takes the same ---- */

/* A file of -i or -o. */
typedef struct RunFile {
    const char *name; /* the tensor's */
    int entry;        /* of a table: xs[entry]; else -1 */
    const char *path;
    int fd; /* of an input, at its data; else -1 */
    NpyInfo info;
    int tensor; /* which of the plan's bindings */
} RunFile;
typedef struct RunFileList {
    RunFile *items;
    int count, capacity;
} RunFileList;

typedef struct RunPlan {
    Command *command;
    Arena *arena;
    Diag *diag;
    Program program;      /* empty for a kernel that was read as IR */
    const Item *item;     /* NULL likewise */
    VariantList variants; /* with each schedule that the run may take */
    Variant variant;      /* of them the one that it takes */
    Given *given;         /* what -s says, for the choice */
    Kernel *kernel;
    RunFileList inputs, outputs;
    Binding *bindings; /* one an OP_TENSOR of the body, in order */
    int nbindings;
    Solution solution;
    Argument *arguments; /* every dim and scalar */
    int narguments;
    double seconds;           /* of the interpreter */
    struct tile_context *gpu; /* --device cuda; NULL: not open */
} RunPlan;

/* From the command line to buffers that hold the inputs. Returns 0 or an exit code. */
int run_prepare(RunPlan *, Command *);
bool run_execute(RunPlan *, const RunOptions *);
/* The kernel's IR with one of the variants. */
bool run_take_schedule(RunPlan *, int number);
/* --plan: default sums in the order of the target's threads. */
bool run_record_target(RunPlan *);
/* Writes the outputs. */
bool run_finish(RunPlan *);
void run_free(RunPlan *);
RunOptions run_options(const Command *);

/* ---- run_files.c: which file belongs to which tensor ---- */

/* Splits the names of -i and -o and opens the inputs. Returns 0 or an exit code. */
int run_open_files(RunPlan *);
/* variant_choose's questions about files. */
bool run_is_named(void *plan, Name tensor);
bool run_knows_dim(void *plan, Name dim, int64_t *value);
/* Binds the tensors of the kernel, in order. */
void run_list_tensors(RunPlan *);
/* Finds the tensor of each file and checks element type, rank and completeness of tables. */
bool run_match_files(RunPlan *);
/* The shapes that the inputs show, for bind_solve. */
Shape *run_shapes(RunPlan *, int *count);
/* Solves dims and extents; every input must be there. */
bool run_solve(RunPlan *);
/* "bf16[M, K]" as declared. */
const char *run_declared(RunPlan *, const Op *tensor);
/* "(3, 4)" */
const char *shape_text(Arena *, int rank, const int64_t *extent);
RunFile *run_file_of(RunFileList *, int tensor, int entry);

/* ---- run_io.c: between .npy files and buffers ---- */

/* The buffers of every tensor, zeroed, with their inputs read. */
bool run_allocate(RunPlan *);
bool run_read(RunPlan *, const RunFile *, Buffer *);
bool run_write(RunPlan *, const RunFile *, const Buffer *);
/* Can the outputs be written? Asked before a long run. */
bool run_check_targets(RunPlan *);

/* ---- run_alias.c ---- */

/* `where alias(x, y)`: runs again with x and y in the same memory; results must not differ. */
bool run_aliases(RunPlan *, const RunOptions *);

/* ---- command_emit.c ---- */

struct Host;
/* The CUDA text of one variant, and what the host does for it; NULL after a message. The kernel's
 * IR is lowered. */
char *emit_variant(Arena *, Diag *, const Program *, const Variant *, Kernel *, const char *target,
                   bool lines, struct Host **);

/* ---- command_batch.c ---- */

int command_batch(Command *);

/* ---- run_cuda.c ---- */

/* The first GPU, whose schedules the run follows. False after a message. */
bool run_open_gpu(RunPlan *);
const char *run_gpu_target(const RunPlan *);
void run_close_gpu(RunPlan *);
/* The run on it; plan->seconds is the time of the kernels there. */
bool run_cuda(RunPlan *);

/* ---- run_machine.c ---- */

/* The same on the machine model. */
bool run_machine(RunPlan *);

/* ---- check_machine.c ---- */

/* Every variant that a call on the machine's target may take, or those that `request` asks for,
 * on made-up tensors against the interpreter. False after a message. */
bool check_machine(Command *, Program *, const Item *kernel, const VariantRequest *request);

/* ---- debug.c ---- */

int debugger_main(RunPlan *);

#endif
