/* Inside a call of a kernel; prototypes by the file that defines them.
 *
 * tensors to views (view.c), the variant that fits (variant.c), its plan's numbers (evaluate.c),
 * what they must be (checks.c, overlap.c), code on the GPU (loaded.c), the launches (start.c).
 */
#ifndef TILE_CALL_H
#define TILE_CALL_H

#include "runtime/runtime.h"
#include "runtime/stub.h"

/* What can go wrong with a node. */
typedef enum Fault { FAULT_NONE, FAULT_DIVISION, FAULT_OVERFLOW, FAULT_SOLVE } Fault;

typedef struct Loaded Loaded;

/* Large, and never cleared as a whole: it is on the stack of every call. */
typedef struct Call {
    const tile_kernel *kernel;
    tile_context *context;
    const tile_argument *arguments;
    bool quiet; /* failing is no error yet, another variant may fit: no messages */
    tile_arch arch;
    const tile_variant *variant;
    const tile_plan *plan;
    const tile_build *build;
    int schedule;         /* the build's number in the list */
    const Loaded *loaded; /* NULL: not yet */
    Fault fault;          /* the first of the values, which need not matter */
    tile_view views[TILE_MOST_PARAMS];
    uint64_t scalars[TILE_MOST_PARAMS];
    int64_t key[TILE_MOST_KEY];
    uint64_t values[TILE_MOST_NODES];
} Call;

/* ---- call.c ---- */

/* "kernel: text" as the context's message, unless the call is quiet; returns the status. */
tile_status tile__call_failed(const Call *, tile_status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline const char *param_name(const Call *c, int param)
{
    return c->kernel->params[param].name;
}

/* Of the first element; of a tensor without elements it may be anything. */
static inline char *data_of(const DLTensor *t)
{
    return t->data ? (char *)((uintptr_t)t->data + t->byte_offset) : NULL;
}

/* ---- names.c: how messages call things ---- */

enum { NAME_SIZE = 64 };

/* "bf16" */
const char *tile__dtype_name(int dtype);
int tile__dtype_bits(int dtype);
const char *tile__form_name(int form);
/* "float8_e4m3fn" */
void tile__dlpack_name(DLDataType, char text[NAME_SIZE]);
/* "GPU 0", "the CPU" */
void tile__device_name(DLDevice, char text[NAME_SIZE]);
/* A key's number as its static or tensor means it: "128", "true", "bf16", "softmax", "row". */
void tile__key_text(const tile_kernel *, int slot, int64_t value, char text[NAME_SIZE]);
const char *tile__key_name(const tile_kernel *, int slot);

/* ---- view.c: tensors of the call, as the kernel sees them (R18, R25) ---- */

/* How many of the kernel's elements are in one of the tensor's; 0: it is none of their forms. */
int tile__elements_per(int dtype, DLDataType);
/* Is it the type's own name in DLPack, and no form of bytes? */
bool tile__is_own_type(int dtype, DLDataType);
/* What needs no variant: is it there, on this device, with memory and a shape? */
tile_status tile__take_tensor(Call *, int param, const tile_argument *);
/* Element type, rank and extents. */
tile_status tile__view_as(Call *, int param, int dtype);
/* Could it be stored in that form? No message. */
bool tile__has_form(const Call *, int param, int form);
/* Strides in that form; says what is wrong with them. `strided`: tile_plan_tensor's. */
tile_status tile__view_form(Call *, int param, int form, uint8_t strided);

/* ---- variant.c ---- */

/* Finds the variant for the call and its checked plan. */
tile_status tile__choose_variant(Call *);

/* ---- evaluate.c ---- */

/* The values of nodes from `first` up to before `end`; keeps their first fault. */
void tile__evaluate(Call *, int first, int end);
/* Does the node's value depend on a fault that is taken? *at: which. Slow. */
Fault tile__fault_of(const Call *, int node, int *at);

/* ---- checks.c ---- */

/* Dims, extents and requirements, by the values. */
tile_status tile__check_values(Call *);
/* Can the plan's `when` be computed? */
tile_status tile__check_when(Call *);

/* ---- overlap.c ---- */

/* Memory of outputs is no other's (R12). */
tile_status tile__check_overlap(Call *);

/* ---- loaded.c ---- */

typedef struct LoadedPhase {
    tile_function *function;
    uint32_t resident; /* blocks that the GPU holds at a time; 0: nobody asks */
} LoadedPhase;

struct Loaded {
    const tile_code *code;
    uint64_t serial;
    LoadedPhase phases[TILE_MOST_PHASES];
};

/* The code of the call's plan on its GPU, loaded or compiled at the first time. */
tile_status tile__load(Call *, const tile_code *);

/* ---- start.c ---- */

/* Loads what fits the alignment of the call and evaluates what depends on the GPU. */
tile_status tile__prepare(Call *);
tile_status tile__start(Call *, void *scratch, tile_stream stream);

#endif
