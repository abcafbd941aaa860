/* What emitted libraries are made of: tables that describe their kernels, and the functions that
 * their stubs call. Emitted code alone includes this; callers include tile.h.
 */
#ifndef TILE_STUB_H
#define TILE_STUB_H

#include <stdatomic.h>

#include "plan.h"
#include "tile.h"
#include "tvm_ffi.h"

/* Storage formats of tensors (R18). FORM_NONE, in keys: the tensor is left out. */
enum { TILE_FORM_NONE = -1, TILE_FORM_ROW, TILE_FORM_COL_PAD16, TILE_FORM_UE8M0X4, TILE_FORMS };

/* Strides that a parameter may have on an axis, beside a number of elements. */
enum {
    TILE_STRIDE_DENSE = -1, /* rows follow each other without a gap */
    TILE_STRIDE_PITCH = -2, /* rows may have a gap between them */
    TILE_STRIDE_ANY = -3
};

enum {
    TILE_MOST_AXES = 8,
    TILE_MOST_PARAMS = 64,  /* of a kernel; tensors and scalars */
    TILE_MOST_KEY = 96,     /* numbers of a variant's key */
    TILE_MOST_NODES = 1024, /* of a plan */
    TILE_MOST_PHASES = 16,
    TILE_MOST_ARGS = 8192 /* bytes of the args struct, tables included */
};

typedef enum tile_param_kind {
    TILE_PARAM_IN,
    TILE_PARAM_OUT,
    TILE_PARAM_INOUT,
    TILE_PARAM_SCALAR
} tile_param_kind;

typedef struct tile_param {
    const char *name, *type; /* "x", "T[M, K]" as declared */
    uint8_t kind;            /* tile_param_kind */
    uint8_t dtype;           /* tile_dtype; of a tensor: if no static decides it */
    int8_t of_static;        /* the static that is its element type; -1: none */
    uint8_t rank;
    bool optional, table;
    uint8_t form_count;
    int8_t forms[TILE_FORMS]; /* that it may have, in the order of @ store */
    int32_t stride[TILE_MOST_AXES];
} tile_param;

typedef enum tile_static_kind {
    TILE_STATIC_INT,
    TILE_STATIC_BOOL,
    TILE_STATIC_TYPE,
    TILE_STATIC_ENUM
} tile_static_kind;

/* A constant of a variant. `shown_by` is the parameter that shows it, by the extent of `axis` or
 * by its element type (axis -1); -1: it is an argument. */
typedef struct tile_static {
    const char *name;
    uint8_t kind; /* tile_static_kind */
    int8_t shown_by, axis;
    int8_t type_count, member_count;
    const uint8_t *types;       /* TYPE: tile_dtype that it has in a variant, in written order */
    const char *const *members; /* ENUM */
} tile_static;

/* The machine code of a plan, or CUDA text that is compiled at the first call. `serial` tells codes
 * apart that are at one address one after the other; 0: it stays for good. */
typedef struct tile_code {
    const char *name;        /* of the source, for messages */
    const char *cubin, *end; /* NULL: none */
    const char *text;
    const char *const *options; /* for NVRTC */
    uint64_t serial;
} tile_code;

/* A variant on one target; without a plan it is not there. Several schedules are a list, asked in
 * order (tile_plan.when). */
typedef struct tile_build tile_build;
struct tile_build {
    const tile_plan *plan;
    const tile_code *code[2]; /* for vectors that are not aligned, and for those that are; NULL:
                                 none. CPU: none */
    const tile_build *next;
};

enum { TILE_TARGETS = TILE_ARCH_COUNT + 1 }; /* the CPU is the last */

typedef struct tile_variant {
    const int64_t *key;
    tile_build builds[TILE_TARGETS]; /* by tile_arch */
} tile_variant;

/* Variants, sorted by key. */
typedef struct tile_variant_list {
    const tile_variant *items;
    int32_t count;
} tile_variant_list;

/* A .tile file or one that it imports. */
typedef struct tile_file {
    const char *name, *text;
} tile_file;

struct tile_provider;

/* What changes of a kernel while the process runs. */
typedef struct tile_kernel_state {
    _Atomic(const tile_variant_list *) more; /* variants beside those of the kernel's own list */
    _Atomic(void *) program;                 /* the provider's */
} tile_kernel_state;

/* Of these tables; engines of several libraries may meet in one process. */
enum { TILE_STUB_VERSION = 2 };

struct tile_kernel {
    int32_t version; /* TILE_STUB_VERSION */
    const char *name;
    const tile_param *params;
    const tile_static *statics;
    int32_t param_count, static_count;
    int32_t key_count; /* statics, then a form a parameter that is a tensor */
    bool has_scratch;
    tile_variant_list variants;
    tile_kernel_state *state;
    const struct tile_provider
        *provider;          /* NULL: the library has neither interpreter nor compiler */
    const tile_file *files; /* the program, for the provider; the first is the main one */
    int32_t file_count;
};

/* ---- what the interpreter and the compiler do for a library (compiler/provider.c) ---- */

/* A tensor of a call as the kernel sees it. */
typedef struct tile_view {
    const DLTensor *tensor; /* NULL: left out */
    const DLTensor *const *entries;
    int64_t count; /* entries; 1: no table */
    char *address;
    uint8_t dtype; /* tile_dtype */
    int8_t form;
    uint8_t per; /* elements of the kernel's type in one of the tensor's, along the last axis */
    uint8_t rank;
    int64_t extent[TILE_MOST_AXES], stride[TILE_MOST_AXES]; /* of the kernel's elements */
} tile_view;

/* A call that has passed its checks. */
typedef struct tile_checked {
    const tile_kernel *kernel;
    tile_context *context;
    const tile_variant *variant;
    const tile_plan *plan;
    int schedule;            /* the number of its build in the variant's list */
    const tile_view *views;  /* by parameter */
    const uint64_t *scalars; /* bits, in the order of the scalars */
    const uint64_t *values;  /* of the plan's nodes */
} tile_checked;

typedef struct tile_provider {
    /* Builds the variant for the target; NULL: nothing is built on demand. `quiet`: no message if
     * that fails. */
    tile_status (*build)(const tile_kernel *, tile_context *, tile_arch, const int64_t *key,
                         bool quiet);
    /* Runs the kernel on the CPU. */
    tile_status (*run)(const tile_checked *);
} tile_provider;

/* Of libraries that were built for the CPU: the interpreter. */
extern const tile_provider tile__interpreter;

/* ---- tvm-ffi ---- */

/* The body of a function with tvm-ffi's calling convention. */
TILE_API int tile_ffi_call(const tile_kernel *, const TVMFFIAny *arguments, int32_t count,
                           TVMFFIAny *result);
/* That of one which gives the bytes of scratch. */
TILE_API int tile_ffi_scratch(const tile_kernel *, const TVMFFIAny *arguments, int32_t count,
                              TVMFFIAny *result);

#endif
