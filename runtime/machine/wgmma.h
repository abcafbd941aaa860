/* Inside wgmma.c, wgmma_registers.c, wgmma_product.c. */
#ifndef TILE_MACHINE_WGMMA_H
#define TILE_MACHINE_WGMMA_H

#include "runtime/machine/internal.h"

enum { ROWS = 16, MOST_N = 256, MOST_ARRAYS = 16, A_WORDS = 4 };

/* An array of each lane that an operation has used as registers. */
typedef struct Registers {
    uint32_t *at[WARP_SIZE];
    int words;
    bool accumulators, in_flight;
    uint32_t last;  /* the operation that used it last */
    uint32_t *kept; /* a lane's words after another: what the operations have made of them; else
                       what they were at the last fence or wait */
} Registers;

typedef struct WgmmaState {
    uint32_t issued, waited;
    uint32_t *group; /* the last operation of each group */
    uint32_t groups, capacity;
    uint32_t fences;
    uint32_t agent;
    Registers *registers[MOST_ARRAYS];
    int arrays;
    Ends ends;
    Clock *order[ORDERS]; /* what all lanes know, at an issue */
} WgmmaState;

typedef struct WgmmaOp {
    int n, type;
    bool accumulate, from_registers;
    Operand a, b;
    Registers *d, *a_registers;
} WgmmaOp;

/* ---- wgmma_registers.c: the lanes' arrays are those at t->pointer ---- */

/* The registers become an operation's, with all that is wrong about them reported. */
Registers *wgmma_take_accumulators(Warp *, int words, bool accumulate);
Registers *wgmma_take_fragment(Warp *, int element_bytes);
/* What the lanes have there is what the next operation may find. */
void wgmma_keep(Warp *, Registers *);
/* The wait has come: results appear, registers may be touched again. */
void wgmma_give_back(Warp *, Registers *);
void wgmma_forget(WgmmaState *, int i);

/* ---- wgmma_product.c ---- */

int wgmma_element_bytes(int type);
/* Records the reads of an operand of rows x k elements by operation `number`. */
void wgmma_read_operand(Warp *, const Operand *, int rows, int k, uint32_t number, const char *name,
                        const char *what);
/* D = A B or D + A B, with what is in shared memory now. */
bool wgmma_advance(Machine *, AsyncOp *);

#endif
