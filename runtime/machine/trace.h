/* Inside trace.c and timeline.c. */
#ifndef TILE_MACHINE_TRACE_H
#define TILE_MACHINE_TRACE_H

#include "runtime/machine/internal.h"

/* Rows of a picture: engines, then warps; tensor cores are one. */
enum { ROW_ENGINES = 0, ROW_TENSOR = ENGINE_TENSOR, ROW_WARPS };

enum { NO_STAGE = 0, STAGE_BYTES = 128 };

typedef struct TraceEvent {
    int row;
    bool waits;
    uint64_t start, end;
    Place place;
    const char *what;
    int stage; /* 1 + the offset of its mbarrier */
    uint32_t bytes;
} TraceEvent;

struct Trace {
    int64_t block;
    TraceEvent *event;
    int count, capacity;
    bool full;
    uint64_t begin, end;                    /* of the launch */
    int stage[SHARED_WINDOW / STAGE_BYTES]; /* of the load that was last there */
};

#endif
