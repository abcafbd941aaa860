/* The operations of the tile IR: the one table.
 *
 *   OP(enumerator, name, args, results, flags)
 *   args, results: how many; -1: any number (the verifier knows the rule by op)
 *   flags: P pure: no effect, same args give the same result; may be removed and merged
 *          E elementwise over broadcast: args have rank 0 or the result's rank, extents equal or 1
 *          C the two args commute
 *          B result is bool
 *          F also computes on floats with arithmetic (f32, f64); else: see the verifier
 *          I computes on integers   A on every element type (exact)
 *          R has regions   T ends a region
 *          L reads tensor memory   S writes tensor memory   X other effect (order matters)
 * Semantics: docs/language.md, the section named behind the row.
 *
 * Regions. PAR with n ranges has n + 1 regions: region i < n has the indices before it as args and
 * yields lo, hi, step (i64; step > 0) of range i; the last is the body, its args the n indices.
 * SHARE has the same regions, its body's args followed by the carried values. FOR has one region:
 * args index, carried... IF has then and else. ROLES has one a role. GET has one region: args the
 * item's fields, carried... Every region ends in YIELD, or in CONTINUE (next iteration of the
 * innermost enclosing FOR, SHARE or PAR, with its carried values as args). An IF, one branch of
 * which ends in CONTINUE, takes its results from the other; if both do, nothing follows it.
 * PAR's body and ROLES' regions yield nothing.
 */
#ifndef TILE_OPS_H
#define TILE_OPS_H

/* clang-format off */
#define TILE_OPS(OP) \
    /* kernel header */ \
    OP(OP_DIM,        "dim",       -1, 1, "") /* name; i64 scalar; R2. arg: what a schedule binds it \
                                                 to, unless the run gives it */ \
    OP(OP_RESIDENT,   "resident",   0, 1, "P") /* i64: programs that a device holds at once; R15 */ \
    OP(OP_SCALAR,     "scalar",     0, 1, "") /* name; host scalar of the result's type; R2 */ \
    OP(OP_TENSOR,     "tensor",    -1, 1, "") /* name, Param; args: extents [, table length] */ \
    OP(OP_PRESENT,    "present",    0, 1, "P") /* name of an optional tensor; bool; R17 */ \
    OP(OP_REQUIRE,    "require",    1, 0, "X") /* text; the host checks a bool scalar; R2 */ \
    OP(OP_WHEN,       "when",       1, 0, "X") /* the calls a schedule is for: a bool scalar */ \
    OP(OP_BIND,       "bind",       1, 0, "X") /* name: a source name for a value, for people */ \
    /* constants and shape */ \
    OP(OP_CONST,      "const",      0, 1, "P") /* bits: the element's code; any shape (fill) */ \
    OP(OP_BROADCAST,  "broadcast",  1, 1, "P") /* rank 0 or equal rank, extents equal or 1 */ \
    OP(OP_IOTA,       "iota",       0, 1, "P") /* i64[n]: 0, 1, .. */ \
    OP(OP_RESHAPE,    "reshape",    1, 1, "P") /* same elements in row-major order */ \
    OP(OP_TRANS,      "trans",      1, 1, "P") /* swaps the last two axes */ \
    OP(OP_CONCAT,     "concat",    -1, 1, "P") /* axis */ \
    OP(OP_EXTRACT,    "extract",   -1, 1, "P") /* access, pad bits; arg 0 a tile; R24 */ \
    OP(OP_CAST,       "cast",       1, 1, "PE") /* round; between element types; R6 */ \
    OP(OP_BITS,       "bits",       1, 1, "PE") /* same width: bits, from_bits; R6 */ \
    /* elementwise, one argument */ \
    OP(OP_NEG,        "neg",        1, 1, "PEA") \
    OP(OP_ABS,        "abs",        1, 1, "PEA") \
    OP(OP_LNOT,       "lnot",       1, 1, "PEB") /* bool */ \
    OP(OP_BNOT,       "bnot",       1, 1, "PEI") \
    OP(OP_SQRT,       "sqrt",       1, 1, "PEF") /* IEEE, R5 */ \
    OP(OP_RSQRT,      "rsqrt",      1, 1, "PEF") /* R7, as the following */ \
    OP(OP_EXP,        "exp",        1, 1, "PEF") \
    OP(OP_LOG,        "log",        1, 1, "PEF") \
    OP(OP_SIGMOID,    "sigmoid",    1, 1, "PEF") \
    OP(OP_SOFTPLUS,   "softplus",   1, 1, "PEF") \
    OP(OP_TANH,       "tanh",       1, 1, "PEF") \
    OP(OP_SIN,        "sin",        1, 1, "PEF") \
    OP(OP_COS,        "cos",        1, 1, "PEF") \
    OP(OP_FLOOR,      "floor",      1, 1, "PEF") \
    OP(OP_CEIL_POW2,  "ceil_pow2",  1, 1, "PEF") \
    OP(OP_ISFINITE,   "isfinite",   1, 1, "PEBA") \
    OP(OP_ISNAN,      "isnan",      1, 1, "PEBA") \
    OP(OP_CLZ,        "clz",        1, 1, "PEI") /* leading zeros of the element's width */ \
    OP(OP_POPC,       "popc",       1, 1, "PEI") \
    /* elementwise, two arguments of one element type */ \
    OP(OP_ADD,        "add",        2, 1, "PECFI") /* integers wrap */ \
    OP(OP_SUB,        "sub",        2, 1, "PEFI") \
    OP(OP_MUL,        "mul",        2, 1, "PECFI") \
    OP(OP_DIV,        "div",        2, 1, "PEF") \
    OP(OP_FDIV,       "fdiv",       2, 1, "PEI") /* floors; by zero: error, R11 */ \
    OP(OP_MOD,        "mod",        2, 1, "PEI") \
    OP(OP_MIN,        "min",        2, 1, "PECA") /* propagates NaN, -0 < +0; R8 */ \
    OP(OP_MAX,        "max",        2, 1, "PECA") \
    OP(OP_COPYSIGN,   "copysign",   2, 1, "PEF") \
    OP(OP_AND,        "and",        2, 1, "PECI") /* also bool */ \
    OP(OP_OR,         "or",         2, 1, "PECI") /* also bool */ \
    OP(OP_XOR,        "xor",        2, 1, "PECI") /* also bool */ \
    OP(OP_SHL,        "shl",        2, 1, "PEI") /* by >= width: 0; arg 1 has arg 0's type; R11 */ \
    OP(OP_SHR,        "shr",        2, 1, "PEI") /* by >= width: 0 or the sign */ \
    OP(OP_EQ,         "eq",         2, 1, "PECBA") \
    OP(OP_NE,         "ne",         2, 1, "PECBA") \
    OP(OP_LT,         "lt",         2, 1, "PEBA") \
    OP(OP_LE,         "le",         2, 1, "PEBA") \
    OP(OP_GT,         "gt",         2, 1, "PEBA") \
    OP(OP_GE,         "ge",         2, 1, "PEBA") \
    OP(OP_FMA,        "fma",        3, 1, "PEF") \
    OP(OP_SELECT,     "select",     3, 1, "PEA") /* arg 0 bool */ \
    /* reductions and scans keep their axis with extent 1 / whole; R8 */ \
    OP(OP_SUM,        "sum",       -1, 1, "PFI") /* axis, order, plan; optional arg 1: init */ \
    OP(OP_SUM_PART,   "sum_part",   2, 1, "P") /* axis, plan; arg 1: the threads' sums so far, +0 at \
                                                first: each adds its elements; R8 */ \
    OP(OP_AMAX,       "amax",       1, 1, "PA") /* axis */ \
    OP(OP_AMIN,       "amin",       1, 1, "PA") \
    OP(OP_ANY,        "any",        1, 1, "PB") /* axis; -1: all axes, rank 0 */ \
    OP(OP_ALL,        "all",        1, 1, "PB") \
    OP(OP_CUMSUM,     "cumsum",     1, 1, "PFI") /* axis, exclusive */ \
    OP(OP_CUMMAX,     "cummax",     1, 1, "PA") \
    OP(OP_SOFTMAX,    "softmax",    1, 1, "PF") /* axis; its sum has order tree */ \
    OP(OP_TOPK,       "topk",       1, 2, "PA") /* axis; values, i32 indices; R10 */ \
    OP(OP_RANK,       "rank",       1, 1, "PA") /* axis; i32 */ \
    OP(OP_ARGMAX,     "argmax",     1, 1, "PA") /* axis, kept with extent 1; i32 */ \
    OP(OP_HISTOGRAM,  "histogram",  1, 1, "PI") /* i32[n] of a rank-1 integer tile */ \
    OP(OP_OCCURRENCE, "occurrence", 1, 1, "PI") /* i32[n]: earlier equal elements; classes: those \
                                                 outside of 0 .. classes - 1 give 0 */ \
    OP(OP_MMA,        "mma",        3, 1, "P") /* a[m,k] b[k,n] c[m,n]; R9 */ \
    OP(OP_MMA_SCALED, "mma_scaled", 5, 1, "P") /* a sa b sb c; R9 */ \
    /* tensors; views are tensors over the same elements */ \
    OP(OP_VIEW_RESHAPE,"view.reshape",-1,1, "P") /* tensor, new extents (i64 scalars) */ \
    OP(OP_VIEW_SLICE, "view.slice", 3, 1, "P") /* tensor, lo, hi; axis; clamped to the extent */ \
    OP(OP_VIEW_TRANS, "view.trans", 1, 1, "P") \
    OP(OP_VIEW_UPSAMPLE,"view.upsample",-1,1,"P") /* tensor, a factor an axis (i64 scalars) */ \
    OP(OP_TABLE,      "table",      2, 1, "PX") /* entry arg 1 of a table; outside: error */ \
    OP(OP_EXTENT,     "extent",     1, 1, "P") /* axis; i64 extent of a tensor */ \
    OP(OP_LOCAL,      "local",      0, 1, "X") /* name; a program's own tensor, undefined; R23 */ \
    OP(OP_LOAD,       "load",      -1, 1, "L") /* access, pad bits; arg 0 a tensor; R3 */ \
    OP(OP_STORE,      "store",     -1, 0, "S") /* access; arg 0 a tensor, last arg the tile */ \
    OP(OP_ATOMIC_ADD, "atomic_add",-1,-1, "LS") /* access; as store; 1 result: old value; R19 */ \
    OP(OP_COPIES,     "copies",     1, 0, "X") /* the copies from tensors to locals so far are a \
                                                 group; all but the last n are there. n: a \
                                                 constant; says nothing of values */ \
    /* effects */ \
    OP(OP_ASSERT,     "assert",     1, 0, "X") /* text; bool scalar; R20 */ \
    OP(OP_ASSUME,     "assume",     1, 0, "X") \
    OP(OP_PRINT,      "print",     -1, 0, "X") /* text; any values; R20 */ \
    OP(OP_GRID_SYNC,  "grid_sync",  0, 0, "X") /* R13 */ \
    OP(OP_EXCHANGE,   "exchange",   1, 1, "X") /* [P, ...] of every program's tile; R13b */ \
    OP(OP_SIGNAL,     "signal",    -1, 0, "X") /* R26: access; text: set or add; parsed only */ \
    OP(OP_WAIT,       "wait",       1, 0, "X") /* R26: parsed only */ \
    /* control; carried values: args after the fixed ones, region args after the indices */ \
    OP(OP_PAR,        "par",        0, 0, "RX") /* a phase; R14 */ \
    OP(OP_FOR,        "for",       -1,-1, "RX") /* lo, hi, step, carried..; R14 */ \
    OP(OP_SHARE,      "share",     -1,-1, "RX") /* p, P, carried..; ranges, then body; R14 */ \
    OP(OP_IF,         "if",         1,-1, "RX") /* two regions */ \
    OP(OP_ROLES,      "roles",      0, 0, "RX") /* a region a role; R16 */ \
    OP(OP_PIPE,       "pipe",       0, 1, "X") /* name, Pipe; R16 */ \
    OP(OP_PUT,        "put",       -1, 0, "X") /* pipe, fields.. */ \
    OP(OP_GET,        "get",       -1,-1, "RX") /* pipe, carried..; args: fields, carried */ \
    OP(OP_YIELD,      "yield",     -1, 0, "T") /* what the region's op gives or carries on */ \
    OP(OP_CONTINUE,   "continue",  -1, 0, "T") /* next iteration; carried values of the loop */
/* clang-format on */

typedef enum OpCode {
#define OP(e, name, args, results, flags) e,
    TILE_OPS(OP)
#undef OP
        OP_COUNT
} OpCode;

typedef struct OpInfo {
    const char *name;
    int args, results;
    const char *flags;
} OpInfo;

extern const OpInfo op_info[OP_COUNT];

#endif
