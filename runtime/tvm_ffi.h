/* The part of tvm-ffi's C ABI that emitted functions speak. Its library is never linked against:
 * what is called of it is looked up in the process. A test compares this with tvm-ffi's header. */
#ifndef TILE_TVM_FFI_H
#define TILE_TVM_FFI_H

#include "tile.h"

/* What a value holds; objects from TILE_FFI_OBJECTS on begin with a TVMFFIObject. */
enum {
    TILE_FFI_NONE = 0,
    TILE_FFI_INT = 1,
    TILE_FFI_BOOL = 2,
    TILE_FFI_FLOAT = 3,
    TILE_FFI_DTYPE = 5,
    TILE_FFI_DLTENSOR = 7, /* pointer to a DLTensor */
    TILE_FFI_RAW_STRING = 8,
    TILE_FFI_SMALL_STRING = 11,
    TILE_FFI_OBJECTS = 64,
    TILE_FFI_STRING = 65, /* the object, then a TVMFFIByteArray */
    TILE_FFI_TENSOR = 70, /* the object, then a DLTensor */
    TILE_FFI_ARRAY = 71,  /* the object, then a TVMFFISeqCell; so is a list */
    TILE_FFI_LIST = 75
};

#ifndef TVM_FFI_C_API_H_

typedef struct {
    uint64_t combined_ref_count;
    int32_t type_index;
    uint32_t padding;
    void (*deleter)(void *self, int flags);
} TVMFFIObject;

typedef struct {
    int32_t type_index;
    uint32_t small_str_len;
    union {
        int64_t v_int64;
        double v_float64;
        void *v_ptr;
        const char *v_c_str;
        TVMFFIObject *v_obj;
        DLDataType v_dtype;
        char v_bytes[8];
    };
} TVMFFIAny;

typedef struct {
    const char *data;
    size_t size;
} TVMFFIByteArray;

typedef struct {
    void *data; /* TVMFFIAny, one an element */
    int64_t size, capacity;
    void (*data_deleter)(void *);
} TVMFFISeqCell;

#endif

#endif
