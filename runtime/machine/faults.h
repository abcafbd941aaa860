/* What the machine model reports. The code names a rule's family; the message says the rest. */
#ifndef TILE_MACHINE_FAULTS_H
#define TILE_MACHINE_FAULTS_H

/* X(code, name) */
#define TILE_FAULT_TABLE(X)                                                                \
    X(NONE, "no fault")                                                                    \
    X(RACE, "race") /* unordered accesses of threads */                                    \
    X(PROXY, "missing proxy fence")                                                        \
    X(IN_FLIGHT, "in flight")       /* memory of an unfinished async operation touched */  \
    X(REUSE, "reused too early")    /* an async operation overwrites what is still read */ \
    X(CONSTANT, "constant written") /* read as constant, written in the same kernel */     \
    X(UNINITIALISED, "uninitialised")                                                      \
    X(BOUNDS, "out of bounds")                                                             \
    X(ALIGNMENT, "misaligned")                                                             \
    X(READ_ONLY, "input written")                                                          \
    X(DEADLOCK, "deadlock")                                                                \
    X(DIVERGENCE, "divergence")                                                            \
    X(BARRIER, "barrier misused") /* bar and barrier.cluster */                            \
    X(MBARRIER, "mbarrier misused")                                                        \
    X(OVER_ARRIVAL, "too many arrivals")                                                   \
    X(TRANSACTION, "wrong byte count")                                                     \
    X(PHASE, "wrong phase")                                                                \
    X(EXIT, "exit with work in flight")                                                    \
    X(CLUSTER, "exited block addressed")                                                   \
    X(COPY, "wrong copy") /* bulk and cp.async operands */                                 \
    X(TENSOR_MAP, "wrong tensor map")                                                      \
    X(DESCRIPTOR, "wrong descriptor") /* of a matrix in shared memory */                   \
    X(FENCE, "missing wgmma.fence")                                                        \
    X(ACCUMULATOR, "registers in flight") /* of wgmma, touched before the wait */          \
    X(REGISTERS, "setmaxnreg misused")                                                     \
    X(TMEM, "tensor memory misused") /* its allocation */                                  \
    X(LEAK, "tensor memory leaked")                                                        \
    X(UNALLOCATED, "unallocated tensor memory")                                            \
    X(LANES, "another warp's lanes")                                                       \
    X(TENSOR_FENCE, "missing tcgen05.fence")                                               \
    X(INSTRUCTION, "wrong instruction descriptor")                                         \
    X(CTA_GROUP, "wrong cta_group")                                                        \
    X(SCALES, "wrong scales")                                                              \
    X(COLLECTOR, "wrong collector use")                                                    \
    X(LAUNCH, "wrong launch")                                                              \
    X(TRAP, "trap")

typedef enum tile_fault {
#define TILE_FAULT(code, name) TILE_FAULT_##code,
    TILE_FAULT_TABLE(TILE_FAULT)
#undef TILE_FAULT
} tile_fault;

#endif
