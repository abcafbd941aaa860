/* Inside the runtime; prototypes by the file that defines them. What the linker sees of it begins
 * with tile__, because generated libraries carry it into other people's programs. */
#ifndef TILE_RUNTIME_H
#define TILE_RUNTIME_H

#include <pthread.h>
#include <stdatomic.h>

#include "runtime/driver.h"
#include "runtime/tensor_map.h"
#include "runtime/tile.h"

/* ---- error.c ---- */

/* Keeps the message, if it is the thread's first with that context; returns the status. */
tile_status tile__fail(const tile_context *, tile_status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a code of the driver: a known code decides the status, else it is `otherwise`. The
 * message ends with the driver's own name and text for the code. */
tile_status tile__driver_failed(const tile_context *, tile_status otherwise, int result,
                                const char *format, ...) __attribute__((format(printf, 4, 5)));
void tile__warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool tile__verbose(void);

/* ---- driver.c: both are looked for once a process; later calls give the first one's answer ----
 */

tile_status tile__driver(const Driver **);
tile_status tile__nvrtc(const tile_context *, const Nvrtc **);

/* ---- sha256.c ---- */

typedef struct Sha256 {
    uint32_t state[8];
    uint64_t length;
    unsigned char block[64];
} Sha256;

enum { SHA256_SIZE = 32 };

void tile__sha256_start(Sha256 *);
void tile__sha256_add(Sha256 *, const void *bytes, size_t size);
void tile__sha256_end(Sha256 *, unsigned char digest[SHA256_SIZE]);

/* ---- cache.c: what was compiled before ---- */

/* Names an entry: everything that the machine code depends on. */
typedef struct CacheKey {
    unsigned char bytes[SHA256_SIZE];
} CacheKey;

/* *bytes is allocated. False: not there, or damaged. `kind` ends the file's name: "cubin". */
bool tile__cache_read(const CacheKey *, const char *kind, void **bytes, size_t *size);
/* A cache that cannot be written is warned of once; nothing fails for it. */
void tile__cache_write(const CacheKey *, const char *kind, const void *bytes, size_t size);
/* Those of a path that a / ends, from that character on; what cannot be made is told by whoever
 * opens. */
void tile__make_folders(char *path, size_t from, unsigned mode);

/* ---- nvrtc.c ---- */

enum { NVRTC_VERSION_SIZE = 64 };

/* `load`: NVRTC's own word, not what the cache remembers of it. */
tile_status tile__nvrtc_version(const tile_context *, bool load, char text[NVRTC_VERSION_SIZE]);

/* ---- jit.c ---- */

/* What an entry of the cache is keyed by. NVRTC's version is part of it; `load` as above. */
tile_status tile__source_key(const tile_context *, const tile_source *, tile_arch, bool load,
                             CacheKey *);
/* tile_compile under a key that is known; it changes if NVRTC turns out to be another. */
tile_status tile__compile(const tile_context *, const tile_source *, tile_arch, CacheKey *,
                          tile_cubin *);

/* Headers that emitted code includes; build/gen/device_text.c, made by runtime/embed.sh. */
typedef struct TextFile {
    const char *name, *text;
} TextFile;
extern const TextFile tile__device_headers[];
extern const int tile__device_header_count;

/* ---- trim.c ---- */

/* What the source needs of headers that it includes: texts[i], allocated; NULL: all of it. */
void tile__trim(const char *source, const TextFile *headers, int count, char **texts);

/* ---- context.c ---- */

typedef struct LoadedTable LoadedTable;
typedef struct KeptMaps KeptMaps;

/* Threads that need one code wait for the first of them; others seldom do. */
enum { LOADING_LOCKS = 16 };

struct tile_context {
    const Driver *driver; /* NULL: of the CPU */
    CuDevice device;
    CuContext *primary;
    tile_device_info info;
    bool takes_text;      /* the driver compiles it itself: its modules are tile_source */
    pthread_mutex_t lock; /* of adding to what is below, and of the functions of modules */
    tile_module *modules;
    _Atomic(LoadedTable *) loaded; /* loaded.c */
    _Atomic(KeptMaps *) maps;      /* maps.c; NULL: none yet */
    pthread_mutex_t loading[LOADING_LOCKS];
};

static inline bool is_cpu(const tile_context *c)
{
    return c && !c->driver;
}

/* A context on that driver's GPU. */
tile_status tile__context_create(const Driver *, int device, tile_context **);
/* Makes the GPU's context the thread's current one; fails on the CPU. `pushed`: it was not, leave
 * undoes it. */
tile_status tile__enter(const tile_context *, bool *pushed);
void tile__leave(const tile_context *, bool pushed);

/* ---- launch.c ---- */

/* The map for copies by kernels of this context. */
tile_status tile__tensor_map(tile_context *, const tile_tensor_map_spec *, tile_tensor_map *map);

/* ---- maps.c: tensor maps that were made before, found without a lock ---- */

/* tile__tensor_map, once for equal specs. */
tile_status tile__take_map(tile_context *, const tile_tensor_map_spec *, tile_tensor_map *map);
void tile__maps_free(tile_context *);

/* ---- module.c ---- */

struct tile_function {
    tile_context *context;
    CuFunction *handle;
    const char *name; /* behind the struct */
    uint32_t shared_bytes;
    tile_function_info info;
    tile_function *next;
};

struct tile_module {
    tile_context *context;
    CacheKey key;
    CuModule *handle;
    tile_function *functions;
    tile_module *next;
};

/* The context must be current. */
void tile__modules_free(tile_context *);
/* How many clusters of so many blocks the GPU holds at a time. */
tile_status tile__clusters(const tile_function *, uint32_t threads, uint32_t shared_bytes,
                           uint32_t cluster, int *clusters);

/* ---- loaded.c ---- */

void tile__loaded_free(tile_context *);

#endif
