/* From the header of a kernel's IR to what the host does before a launch (runtime/plan.h): the dims
 * are solved, scalars computed, and the args struct of the emitted kernel is laid out. */
#ifndef TILE_HOST_H
#define TILE_HOST_H

#include "compiler/asserts.h"
#include "compiler/program.h"
#include "runtime/plan.h"

/* A field of the args struct as the emitter sees it. */
typedef struct HostField {
    tile_field field;
    const char *type, *name; /* C: "const uint16_t *", "x" */
    int count;               /* of an array, 0: none */
} HostField;

typedef struct Host Host;

/* A dim, the node that is its value, and the tensor that shows it. */
typedef struct HostDim {
    const Op *dim;
    int node, tensor; /* tensor -1: a schedule binds it, or nothing shows it */
} HostDim;

struct Host {
    Arena *arena;
    const Kernel *kernel;
    struct {
        tile_node *items;
        int count, capacity;
    } nodes;
    struct {
        HostField *items;
        int count, capacity;
    } fields;
    struct {
        tile_phase *items;
        int count, capacity;
    } phases;
    struct {
        HostDim *items;
        int count, capacity;
    } dims;
    struct {
        tile_extent *items;
        int count, capacity;
    } extents;
    struct {
        tile_require *items;
        int count, capacity;
    } requires;
    struct {
        tile_plan_map *items;
        int count, capacity;
    } maps;
    struct {
        int *items;
        int count, capacity;
    } facts;           /* nodes of host_need_aligned */
    CodeLimits limits; /* that the schedule asserts */
    bool tables;       /* pointers of tables come at the end of the args */
    int *node_of;      /* by Value.id, 1 + node; 0: not computed, -1: the host cannot */
    int ids;
    bool fused;        /* the schedule puts barriers between phases (R14b) */
    int scratch, when; /* nodes; -1: none */
    const char *wrong; /* what the host cannot do, for a message; NULL: nothing */
    Pos wrong_pos;
};

/* Solves the dims: their nodes exist from then on, and so do the checks of extents and
 * requirements. Tensors and scalars are numbered in the order of their OP_TENSOR and OP_SCALAR. */
void host_start(Host *, Arena *, const Kernel *);
int host_tensor_number(const Kernel *, const Op *tensor);

/* The node that computes the scalar, made with all it needs; -1: the host cannot know it. */
int host_value(Host *, const Value *);
/* A node with these contents: an equal one, or a new one. */
int host_node(Host *, tile_node_op, tile_scalar_type, int a, int b, int c);
int host_constant(Host *, int64_t);
/* node % n == 0 */
int host_is_multiple(Host *, int node, int64_t n);
tile_scalar_type host_type(DType);

/* Fields: the C expression that reads one in the kernel ("a.x"); an equal one is used again. */
const char *host_pointer(Host *, const Op *tensor, const char *type, const char *name);
const char *host_number(Host *, int node, const char *type, const char *name);
/* A number by which the kernel divides; the field is a TileDivisor. */
const char *host_divisor(Host *, int node, const char *name);
/* Where the entries of a table begin: entry l is at "[l]" behind it. */
const char *host_table(Host *, const Op *tensor, const char *name);
/* A tensor map; the field is a TileTensorMap. */
const char *host_map(Host *, const tile_plan_map *, const char *name);
/* The tensor's axes `axis` and the next must follow each other in memory. */
void host_contiguous(Host *, const Op *tensor, int axis);
/* Every access that moves several elements at once needs this condition (a node). */
void host_need_aligned(Host *, int node);
/* Pointer into the kernel's scratch, `offset` a node. */
const char *host_scratch(Host *, int offset, const char *type, const char *name);

/* "typedef struct tk_cast_args { .. } tk_cast_args;\n"; fields get their offsets. */
char *host_struct(Host *, const char *name);
/* The finished plan; fields have offsets. */
tile_plan host_plan(Host *);

/* host_dims.c: a node for every dim of the header. */
void host_dims(Host *);
/* The programs of what an OP_RESIDENT bounds that a GPU holds at a time. */
int host_programs(Host *, const Op *resident);

/* host_checks.c: lists the extents and requirements of the header. */
void host_checks(Host *);
/* The axes of each tensor whose strides reach the kernel, a bit an axis. */
uint8_t *host_strided(const Host *);
/* Keeps the first thing that the host cannot do. */
void host_wrong(Host *, Pos, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* host_scratch.c: where the scratch's parts are: 128 bytes for grid barriers (R13) and 128 for the
 * generation of exchanges (R13b), the words of exchanges, then each scratch tensor, at multiples of
 * 256. Sets h->scratch; a kernel without any has -1. host_plan does it if nobody has. */
enum { EXCHANGE_AT = 128, EXCHANGE_WORDS_AT = 256 };
/* Words of 8 bytes in one of the two regions: as the largest exchange has. */
int64_t exchange_words(const Region *);
void host_scratch_layout(Host *);
/* The node of a scratch tensor's offset. */
int host_scratch_offset(Host *, const Op *tensor);

/* host_prune.c: drops nodes that nothing needs, and finds the first that depends on the GPU. */
void host_prune(Arena *, tile_plan *);

#endif
