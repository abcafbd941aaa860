/* Kernels on demand: what `tilec build` does ahead of time, in the process that calls them.
 *
 * Programs that use this link libtilec.a. A variant is made at the first call that needs it:
 * elaborated, lowered, compiled by NVRTC through the disk cache, loaded. `instances` need not list
 * it. Calls of one program may come from several threads; those that make a variant wait for each
 * other.
 */
#ifndef TILE_JIT_H
#define TILE_JIT_H

#include "runtime/tile.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A .tile file with all that it imports. */
typedef struct tile_program tile_program;

/* Errors of the program are in tile_error(NULL), as `tilec check` prints them. On failure *program
 * is NULL. */
tile_status tile_program_load(const char *path, tile_program **program);
/* The same from memory; `name` is for messages, imports are relative to it. */
tile_status tile_program_parse(const char *name, const char *text, tile_program **program);
/* No call of its kernels may be under way, or come later. NULL is allowed. */
void tile_program_free(tile_program *program);

/* A kernel of the program, for tile_call; it lives as long as the program. */
tile_status tile_program_kernel(tile_program *program, const char *name,
                                const tile_kernel **kernel);

#ifdef __cplusplus
}
#endif

#endif
