// runtime/driver.h against NVIDIA's cuda.h and nvrtc.h: compiles if they agree.
//
// Names of types differ, so what is compared is what a call depends on: the number of parameters
// and the size and kind of each, of structs the offsets, of constants the values.
#define __CUDA_API_VERSION_INTERNAL // declares functions that have a newer version too
#include <cuda.h>
#include <nvrtc.h>
#include <cstddef>
#include <tuple>
#include <type_traits>

#include "runtime/driver.h"
#include "runtime/tensor_map.h"

template <class A, class B> constexpr bool same_value()
{
    return sizeof(A) == sizeof(B) && std::is_pointer_v<A> == std::is_pointer_v<B>;
}

template <class A, class B> constexpr bool same_type()
{
    if constexpr (std::is_pointer_v<A> && std::is_pointer_v<B>) {
        using To = std::remove_pointer_t<B>;
        return std::is_const_v<std::remove_pointer_t<A>> == std::is_const_v<To>;
    }
    return same_value<A, B>();
}

template <class> struct Function;
template <class R, class... P> struct Function<R (*)(P...)> {
    using Result = R;
    using Parameters = std::tuple<P...>;
};

template <class A, class B, std::size_t... I> constexpr bool same_each(std::index_sequence<I...>)
{
    return (same_type<std::tuple_element_t<I, A>, std::tuple_element_t<I, B>>() && ...);
}

template <class A, class B> constexpr bool same_call()
{
    using P = typename Function<A>::Parameters;
    using Q = typename Function<B>::Parameters;
    if constexpr (std::tuple_size_v<P> != std::tuple_size_v<Q>) {
        return false;
    } else {
        return same_value<typename Function<A>::Result, typename Function<B>::Result>() &&
               same_each<P, Q>(std::make_index_sequence<std::tuple_size_v<P>>());
    }
}

#define CALL(name, suffix, parameters)                                                             \
    static_assert(same_call<decltype(&name##suffix), int(*) parameters>(), #name);
DRIVER_TABLE(CALL)
#define NVRTC_CALL(name, result, parameters)                                                       \
    static_assert(same_call<decltype(&name), result(*) parameters>(), #name);
NVRTC_TABLE(NVRTC_CALL)

#define SAME(ours, theirs) static_assert(int(ours) == int(theirs), #theirs)
SAME(CU_SUCCESS, CUDA_SUCCESS);
SAME(CU_INVALID_VALUE, CUDA_ERROR_INVALID_VALUE);
SAME(CU_OUT_OF_MEMORY, CUDA_ERROR_OUT_OF_MEMORY);
SAME(CU_NO_DEVICE, CUDA_ERROR_NO_DEVICE);
SAME(CU_INVALID_DEVICE, CUDA_ERROR_INVALID_DEVICE);
SAME(CU_INVALID_IMAGE, CUDA_ERROR_INVALID_IMAGE);
SAME(CU_NO_BINARY_FOR_GPU, CUDA_ERROR_NO_BINARY_FOR_GPU);
SAME(CU_NOT_FOUND, CUDA_ERROR_NOT_FOUND);
SAME(CU_LAUNCH_OUT_OF_RESOURCES, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
SAME(CU_COOPERATIVE_LAUNCH_TOO_LARGE, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
SAME(CU_DEVICE_MULTIPROCESSORS, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
SAME(CU_DEVICE_L2_BYTES, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
SAME(CU_DEVICE_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
SAME(CU_DEVICE_MINOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
SAME(CU_DEVICE_SHARED_BYTES, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
SAME(CU_FUNCTION_MAX_THREADS, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
SAME(CU_FUNCTION_SHARED_BYTES, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
SAME(CU_FUNCTION_LOCAL_BYTES, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
SAME(CU_FUNCTION_REGISTERS, CU_FUNC_ATTRIBUTE_NUM_REGS);
SAME(CU_FUNCTION_MAX_DYNAMIC_SHARED_BYTES, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
SAME(CU_FUNCTION_ANY_CLUSTER_SIZE, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED);
SAME(CU_LAUNCH_COOPERATIVE, CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
SAME(CU_LAUNCH_CLUSTER, CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
SAME(CU_LAUNCH_PDL, CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
SAME(sizeof(tile_tensor_map), sizeof(CUtensorMap));
SAME(TILE_TENSOR_U8, CU_TENSOR_MAP_DATA_TYPE_UINT8);
SAME(TILE_TENSOR_U64, CU_TENSOR_MAP_DATA_TYPE_UINT64);
SAME(TILE_TENSOR_F16, CU_TENSOR_MAP_DATA_TYPE_FLOAT16);
SAME(TILE_TENSOR_F64, CU_TENSOR_MAP_DATA_TYPE_FLOAT64);
SAME(TILE_TENSOR_BF16, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16);
SAME(TILE_TENSOR_TF32_FTZ, CU_TENSOR_MAP_DATA_TYPE_TFLOAT32_FTZ);
SAME(TILE_SWIZZLE_128B, CU_TENSOR_MAP_SWIZZLE_128B);
SAME(NVRTC_OK, NVRTC_SUCCESS);
SAME(NVRTC_NO_MEMORY, NVRTC_ERROR_OUT_OF_MEMORY);
SAME(NVRTC_REFUSED_OPTION, NVRTC_ERROR_INVALID_OPTION);
SAME(NVRTC_REFUSED_SOURCE, NVRTC_ERROR_COMPILATION);

#define SAME_PLACE(ours, field, theirs, their_field)                                               \
    SAME(offsetof(ours, field), offsetof(theirs, their_field))
SAME(sizeof(CuLaunchConfig), sizeof(CUlaunchConfig));
SAME_PLACE(CuLaunchConfig, grid, CUlaunchConfig, gridDimX);
SAME_PLACE(CuLaunchConfig, grid[2], CUlaunchConfig, gridDimZ);
SAME_PLACE(CuLaunchConfig, block, CUlaunchConfig, blockDimX);
SAME_PLACE(CuLaunchConfig, shared_bytes, CUlaunchConfig, sharedMemBytes);
SAME_PLACE(CuLaunchConfig, stream, CUlaunchConfig, hStream);
SAME_PLACE(CuLaunchConfig, attributes, CUlaunchConfig, attrs);
SAME_PLACE(CuLaunchConfig, attribute_count, CUlaunchConfig, numAttrs);
SAME(sizeof(CuLaunchAttribute), sizeof(CUlaunchAttribute));
SAME_PLACE(CuLaunchAttribute, id, CUlaunchAttribute, id);
SAME_PLACE(CuLaunchAttribute, value, CUlaunchAttribute, value);
SAME_PLACE(CuLaunchAttribute, value.flag, CUlaunchAttribute, value.cooperative);
SAME_PLACE(CuLaunchAttribute, value.flag, CUlaunchAttribute,
           value.programmaticStreamSerializationAllowed);
SAME_PLACE(CuLaunchAttribute, value.cluster, CUlaunchAttribute, value.clusterDim.x);
SAME_PLACE(CuLaunchAttribute, value.cluster[2], CUlaunchAttribute, value.clusterDim.z);
