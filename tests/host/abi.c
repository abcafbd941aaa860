/* Prints sizes, offsets and codes of DLPack and tvm-ffi: compiled once with our headers and once
 * with theirs (THEIRS). */
#ifdef THEIRS
#include <tvm/ffi/c_api.h>
#include <tvm/ffi/extra/c_env_api.h>
#define CODE(ours, theirs) printf("%s %d\n", #theirs, (int)theirs)
#else
#include "runtime/tvm_ffi.h"
#define CODE(ours, theirs) printf("%s %d\n", #theirs, (int)ours)
#endif
#include <stddef.h>
#include <stdio.h>

#define SIZE(T) printf("%s %zu %zu\n", #T, sizeof(T), _Alignof(T))
#define PLACE(T, field) \
    printf("%s.%s %zu %zu\n", #T, #field, offsetof(T, field), sizeof(((T *)0)->field))

static void dlpack(void)
{
    SIZE(DLDevice);
    PLACE(DLDevice, device_type);
    PLACE(DLDevice, device_id);
    SIZE(DLDataType);
    PLACE(DLDataType, code);
    PLACE(DLDataType, bits);
    PLACE(DLDataType, lanes);
    SIZE(DLTensor);
    PLACE(DLTensor, data);
    PLACE(DLTensor, device);
    PLACE(DLTensor, ndim);
    PLACE(DLTensor, dtype);
    PLACE(DLTensor, shape);
    PLACE(DLTensor, strides);
    PLACE(DLTensor, byte_offset);
    CODE(kDLCPU, kDLCPU);
    CODE(kDLCUDA, kDLCUDA);
    CODE(kDLCUDAHost, kDLCUDAHost);
    CODE(kDLCUDAManaged, kDLCUDAManaged);
    CODE(kDLInt, kDLInt);
    CODE(kDLUInt, kDLUInt);
    CODE(kDLFloat, kDLFloat);
    CODE(kDLBfloat, kDLBfloat);
    CODE(kDLBool, kDLBool);
    CODE(kDLFloat8_e4m3fn, kDLFloat8_e4m3fn);
    CODE(kDLFloat8_e5m2, kDLFloat8_e5m2);
    CODE(kDLFloat8_e8m0fnu, kDLFloat8_e8m0fnu);
    CODE(kDLFloat4_e2m1fn, kDLFloat4_e2m1fn);
}

static void ffi(void)
{
    SIZE(TVMFFIObject);
    PLACE(TVMFFIObject, combined_ref_count);
    PLACE(TVMFFIObject, type_index);
    PLACE(TVMFFIObject, deleter);
    SIZE(TVMFFIAny);
    PLACE(TVMFFIAny, type_index);
    PLACE(TVMFFIAny, small_str_len);
    PLACE(TVMFFIAny, v_int64);
    PLACE(TVMFFIAny, v_float64);
    PLACE(TVMFFIAny, v_ptr);
    PLACE(TVMFFIAny, v_c_str);
    PLACE(TVMFFIAny, v_obj);
    PLACE(TVMFFIAny, v_dtype);
    PLACE(TVMFFIAny, v_bytes);
    SIZE(TVMFFIByteArray);
    PLACE(TVMFFIByteArray, data);
    PLACE(TVMFFIByteArray, size);
    PLACE(TVMFFISeqCell, data);
    PLACE(TVMFFISeqCell, size);
    PLACE(TVMFFISeqCell, capacity);
    PLACE(TVMFFISeqCell, data_deleter);
    CODE(TILE_FFI_NONE, kTVMFFINone);
    CODE(TILE_FFI_INT, kTVMFFIInt);
    CODE(TILE_FFI_BOOL, kTVMFFIBool);
    CODE(TILE_FFI_FLOAT, kTVMFFIFloat);
    CODE(TILE_FFI_DTYPE, kTVMFFIDataType);
    CODE(TILE_FFI_DLTENSOR, kTVMFFIDLTensorPtr);
    CODE(TILE_FFI_RAW_STRING, kTVMFFIRawStr);
    CODE(TILE_FFI_SMALL_STRING, kTVMFFISmallStr);
    CODE(TILE_FFI_OBJECTS, kTVMFFIStaticObjectBegin);
    CODE(TILE_FFI_STRING, kTVMFFIStr);
    CODE(TILE_FFI_TENSOR, kTVMFFITensor);
    CODE(TILE_FFI_ARRAY, kTVMFFIArray);
    CODE(TILE_FFI_LIST, kTVMFFIList);
}

int main(void)
{
    dlpack();
    ffi();
    return 0;
}
