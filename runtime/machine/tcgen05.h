/* Inside tcgen05*.c: the tensor cores of SM100 and their memory (PTX ISA 9.7.16). */
#ifndef TILE_MACHINE_TCGEN05_H
#define TILE_MACHINE_TCGEN05_H

#include "runtime/machine/internal.h"

/* ---- tcgen05_memory.c: tensor memory, its allocation (9.7.16.1, 9.7.16.7) ---- */

enum {
    LANES = 128,
    COLUMNS = 512,
    SLICE = 32, /* columns, the unit of allocation */
    SLICES = COLUMNS / SLICE,
    GRANULE = 16, /* lanes: all operations touch so many together; a cell of the shadow is theirs */
    QUARTER = 32  /* lanes that a warp reaches */
};

/* What the collector may have of A (9.7.16.10). */
typedef struct Collector {
    bool valid, from_tmem;
    uint64_t a;
    uint32_t rows;
} Collector;

typedef struct TensorMemory {
    uint32_t *word; /* lane * COLUMNS + column */
    Region shadow;
    uint8_t owner[SLICES]; /* 1 + the first slice of its allocation; 0: free */
    Place allocated[SLICES], freed[SLICES];
    const Warp *warp;  /* that allocates; NULL: none yet */
    Place first_place; /* where it has done so first */
    uint32_t last_columns;
    bool relinquished;
    Place relinquished_place;
    Collector collector;
} TensorMemory;

/* An sm100 and, for 2, a pair; the same group as before in this launch. */
void tensor_check_group(Thread *, int group);
/* The other block of the pair, which has not exited. */
Block *tensor_peer(Thread *);
/* The block's memory with all of these columns allocated; `what`: "tcgen05.mma: D". Gives the
 * address's lane and column. */
TensorMemory *tensor_at(Thread *, Block *, uint32_t address, int columns, const char *what,
                        int *lane, int *column);
/* Where a lane's cell of a column is in the shadow. */
size_t tensor_offset(int lane, int column);
/* The accesses to `lanes` lanes, a multiple of GRANULE. */
void tensor_touch(const Access *, int lane, int lanes, int column, int columns);
void tensor_need_defined(const Access *, int lane, int lanes, int column, int columns);
void tensor_define(TensorMemory *, int lane, int lanes, int column, int columns);
Access tensor_access(Thread *, TensorMemory *, Touch, const char *what);

/* ---- tcgen05_decode.c: instruction descriptors (9.7.16.4.2) and what they allow ---- */

typedef struct Element {
    const char *name;
    int chunk;   /* elements in 16 bytes of shared memory */
    int bits;    /* of one; those of a chunk are contiguous from its beginning */
    int in_word; /* in a word of tensor memory; 0: not modelled there */
    double (*convert)(uint32_t);
} Element;

typedef struct Instruction {
    int m, n, k; /* of the pair */
    const Element *a, *b;
    bool a_mn, b_mn, a_negative, b_negative, saturate, integer;
    int scales; /* of a row of A; 0: none */
    int a_id, b_id;
    double (*scale)(uint32_t);
} Instruction;

/* NULL, or what is wrong with the descriptor's bits for the kind and group. */
const char *instruction_decode(int kind, uint32_t idesc, int group, Instruction *);

/* ---- tcgen05.c: mma and cp from issue to commit, and their order ---- */

typedef enum TensorKind { TENSOR_MMA, TENSOR_CP, TENSOR_COMMIT } TensorKind;

/* What of an operation decides which later ones stay behind it by themselves (9.7.16.6.2). */
typedef struct Pipelined {
    TensorKind kind;
    uint32_t d;     /* of mma: the accumulator */
    uint32_t shape; /* m, n and kind */
    Place place;
} Pipelined;

typedef struct TensorOp {
    Pipelined pipe;
    uint64_t issued; /* of the launch's operations */
    int blocks;      /* 1, or 2 of a pair: the even one first */
    Block *block[2];
    Instruction in;
    Operand a, b; /* in shared memory; of cp: a */
    bool from_tmem, accumulate;
    int d_lane, d_column, a_lane, a_column; /* in each block's tensor memory */
    int scale_a, scale_b;                   /* columns */
    int shape;                              /* of cp */
    Sync known;                             /* of commit: what is known with its arrival */
} TensorOp;

/* A thread's operations. */
typedef struct TensorThread {
    Pipelined *op; /* by number - 1 */
    uint32_t issued, capacity;
    Clock *known[ORDERS]; /* at the last one's issue */
    Ends ends;
} TensorThread;

/* What the warp's ld and st are ordered behind. */
void tensor_warp_past(Warp *, Clock **);
bool tensor_pipelined(const Access *, const Record *);
/* The block's mma and cp are waited for when it exits. */
void tensor_check_waited(Block *);

/* ---- tcgen05_product.c ---- */

/* What operand matrices and accumulators have where: rows of a block, parts of N (9.7.16.10.5). */
int tensor_rows(const TensorOp *);
int tensor_parts(const TensorOp *);
int tensor_lanes(const TensorOp *);
int tensor_a_columns(const TensorOp *);
int tensor_scale_columns(int rows);
int tensor_copy_rows(int shape);
int tensor_copy_chunks(int shape);
bool tensor_mma_advance(Machine *, AsyncOp *);
bool tensor_cp_advance(Machine *, AsyncOp *);

#endif
