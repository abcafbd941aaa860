/* Inside `tilec build`. */
#ifndef TILE_BUILD_H
#define TILE_BUILD_H

#include "compiler/command.h"
#include "compiler/stub.h"
#include "runtime/runtime.h"

/* What turns CUDA into machine code here. */
typedef enum CudaTool { TOOL_NONE, TOOL_NVRTC, TOOL_NVCC } CudaTool;

typedef struct Build {
    Command *command;
    Arena *arena;
    Stub stub;
    const char *folder;    /* where the library goes */
    const char *libraries; /* where libtile_runtime.a and libtilec.a are */
    const char *temporary; /* a folder of our own, removed at the end */
    CudaTool tool;
    const char *nvcc, *nvcc_version;
} Build;

/* ---- build_code.c ---- */

/* Finds the tool; none is no error. */
void build_find_tool(Build *);
/* Compiles every code, over all cores, through the disk cache; says how far it is. False after
 * messages. Without a tool the codes keep their text. */
bool build_compile(Build *);

/* ---- build_limits.c ---- */

/* What schedules assert of registers and spills, against the machine code that was made. False
 * after messages. */
bool build_check(const Build *);
/* How many asserts of that kind there are that nothing was compiled for. */
int unchecked_limits(const Stub *);

/* ---- build_link.c ---- */

/* A folder for files that do not stay. False after a message. */
bool build_open(Build *);
void build_close(Build *);
/* Runs a program and waits; false after a message. `arguments` ends with NULL. */
bool build_run(const char *const *arguments);
bool build_write(const char *folder, const char *name, const char *text);
/* The C of the stub to libNAME.a and libNAME.so. */
bool build_link(Build *);

/* Headers of the runtime, from build/gen/host_text.c. */
extern const TextFile tile__host_headers[];
extern const int tile__host_header_count;
/* The text of "tile.h". */
const char *build_header(const char *name);
/* All of them, into a folder. */
bool build_write_headers(const char *folder);

#endif
