/* The primitives of runtime/device/gpu.h again, for the machine model: calls into the machine that
 * runs the kernel. tile.h includes this instead of the GPU's when TILE_MACHINE is defined. */
#ifndef TILE_MACHINE_DEVICE_H
#define TILE_MACHINE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/machine/ops.h"
#include "runtime/numerics/convert.h"

/* bool is a word here, as in CUDA, and no macro: names of functions are made of it. */
#ifdef bool
#undef bool
typedef _Bool bool;
#endif

/* Set by the loader. */
TileMachineLink *tile__machine;

/* ---- kernels ---- */

/* A kernel's own name stays free for the function that has its body. */
#define TILE_KERNEL(entry, args_type, threads_, blocks_) \
    TILE_MACHINE_KERNEL(entry, args_type, threads_, blocks_)
#define TILE_MACHINE_KERNEL(entry, args_type, threads_, blocks_)                               \
    static void entry(const args_type a);                                                      \
    static void entry##__start(const void *args)                                               \
    {                                                                                          \
        entry(*(const args_type *)args);                                                       \
    }                                                                                          \
    const TileMachineKernel tile__kernel_##entry = {#entry, entry##__start, sizeof(args_type), \
                                                    threads_, blocks_};                        \
    static void entry(const args_type a)

/* The thread is at this line of the .tile file from here on. */
#define TILE_LINE(n) (void)(tile__machine->view->line = (n));

/* ---- threads ---- */

TILE_FN int64_t tile_block(void)
{
    return tile__machine->view->block;
}
TILE_FN int64_t tile_blocks(void)
{
    return tile__machine->view->blocks;
}
TILE_FN int tile_thread(void)
{
    return tile__machine->view->thread;
}
TILE_FN int tile_lane(void)
{
    return tile__machine->view->thread & 31;
}
TILE_FN int tile_warp(void)
{
    return tile__machine->view->thread >> 5;
}
TILE_FN char *tile_shared(void)
{
    return tile__machine->view->shared;
}
TILE_FN void tile_sync(void)
{
    tile__machine->sync(0, 0, 1);
}
TILE_FN void tile_sync_warp(void)
{
    tile__machine->sync_warp();
}
TILE_FN void tile_sync_named(int barrier, int threads)
{
    tile__machine->sync(barrier, threads, 1);
}
TILE_FN void tile_arrive_named(int barrier, int threads)
{
    tile__machine->sync(barrier, threads, 0);
}

/* ---- a value that leaves the registers: the machine looks whether it may ---- */

/* Accumulators that wgmma owns hold NaNs of this payload. */
#define TILE_MACHINE_POISON 0x7FE5A55Au
#define TILE_MACHINE_POISON_MASK 0x7FBFFFFFu

TILE_FN uint32_t tile__use(uint32_t bits)
{
    if ((bits & TILE_MACHINE_POISON_MASK) == (TILE_MACHINE_POISON & TILE_MACHINE_POISON_MASK))
        tile__machine->poisoned();
    return bits;
}
TILE_FN float tile__use_f32(float x)
{
    return tile_float(tile__use(tile_bits(x)));
}
TILE_FN void tile__use_words(const uint32_t *w, int bytes)
{
    for (int i = 0; i < bytes / 4; i++)
        tile__use(w[i]);
}

/* ---- the warp ---- */

TILE_FN uint32_t tile_shuffle_u32(uint32_t x, int lane)
{
    return tile__machine->shuffle(tile__use(x), lane);
}
TILE_FN uint32_t tile_shuffle_xor_u32(uint32_t x, int mask)
{
    return tile__machine->shuffle_xor(tile__use(x), mask);
}
TILE_FN int32_t tile_apart_i32(int32_t x)
{
    return x;
}
TILE_FN const uint64_t *tile_apart_words(const uint64_t *p)
{
    return p;
}
TILE_FN uint32_t tile_ballot(bool x)
{
    return tile__machine->ballot(x);
}
TILE_FN uint32_t tile_ballot_u32(uint32_t x)
{
    return tile__machine->ballot(x != 0);
}
TILE_FN uint32_t tile_match_u32(uint32_t x)
{
    return tile__machine->match(x);
}
TILE_FN uint32_t tile_reduce_max_u32(uint32_t x)
{
    return tile__machine->reduce(TILE_REDUCE_MAX, x);
}
TILE_FN uint32_t tile_reduce_min_u32(uint32_t x)
{
    return tile__machine->reduce(TILE_REDUCE_MIN, x);
}
TILE_FN uint32_t tile_reduce_add_u32(uint32_t x)
{
    return tile__machine->reduce(TILE_REDUCE_ADD, x);
}
TILE_FN uint32_t tile_reduce_or_u32(uint32_t x)
{
    return tile__machine->reduce(TILE_REDUCE_OR, x);
}
TILE_FN uint32_t tile_reduce_and_u32(uint32_t x)
{
    return tile__machine->reduce(TILE_REDUCE_AND, x);
}

/* ---- memory ---- */

enum { TILE_PLAIN, TILE_STREAM, TILE_CONSTANT, TILE_ONCE };

TILE_FN void tile_global_read(uint32_t *w, const void *p, int bytes, int hint)
{
    tile__machine->global_read(w, p, bytes, hint == TILE_CONSTANT || hint == TILE_ONCE);
}
TILE_FN void tile_global_write(void *p, const uint32_t *w, int bytes, int hint)
{
    (void)hint;
    tile__use_words(w, bytes);
    tile__machine->global_write(p, w, bytes);
}
TILE_FN void tile_shared_read(uint32_t *w, const void *s, int bytes)
{
    tile__machine->shared_read(w, s, bytes);
}
TILE_FN void tile_shared_write(void *s, const uint32_t *w, int bytes)
{
    tile__use_words(w, bytes);
    tile__machine->shared_write(s, w, bytes);
}

/* red and atom, relaxed */
#define TILE_MACHINE_ADD(T, name, type, bits_of, of_bits)                                        \
    TILE_FN void tile_atomic_add_##name(T *p, T x)                                               \
    {                                                                                            \
        tile__machine->atomic(TILE_ATOMIC_ADD, TILE_NUMBER_##type, p, bits_of(x), 0, TILE_RED);  \
    }                                                                                            \
    TILE_FN T tile_atomic_fetch_add_##name(T *p, T x)                                            \
    {                                                                                            \
        return of_bits(tile__machine->atomic(TILE_ATOMIC_ADD, TILE_NUMBER_##type, p, bits_of(x), \
                                             0, TILE_RELAXED));                                  \
    }                                                                                            \
    TILE_FN void tile_shared_atomic_add_##name(T *p, T x)                                        \
    {                                                                                            \
        tile__machine->atomic(TILE_ATOMIC_ADD, TILE_NUMBER_##type, p, bits_of(x), 0, TILE_RED);  \
    }                                                                                            \
    TILE_FN T tile_shared_fetch_add_##name(T *p, T x)                                            \
    {                                                                                            \
        return of_bits(tile__machine->atomic(TILE_ATOMIC_ADD, TILE_NUMBER_##type, p, bits_of(x), \
                                             0, TILE_RELAXED));                                  \
    }
#define TILE_MACHINE_FLOAT_BITS(x) tile__use(tile_bits(x))
#define TILE_MACHINE_BITS_FLOAT(u) tile_float((uint32_t)(u))
TILE_MACHINE_ADD(int32_t, i32, I32, (uint32_t), (int32_t))
TILE_MACHINE_ADD(uint32_t, u32, U32, (uint32_t), (uint32_t))
TILE_MACHINE_ADD(int64_t, i64, I64, (uint64_t), (int64_t))
TILE_MACHINE_ADD(uint64_t, u64, U64, (uint64_t), (uint64_t))
TILE_MACHINE_ADD(float, f32, F32, TILE_MACHINE_FLOAT_BITS, TILE_MACHINE_BITS_FLOAT)
#undef TILE_MACHINE_ADD

TILE_FN uint32_t tile_global_read_acquire_u32(const uint32_t *p)
{
    return (uint32_t)tile__machine->strong_read(p, 4, TILE_ACQUIRE);
}
TILE_FN uint64_t tile_global_read_acquire_u64(const uint64_t *p)
{
    return tile__machine->strong_read(p, 8, TILE_ACQUIRE);
}
TILE_FN void tile_global_write_release_u32(uint32_t *p, uint32_t x)
{
    tile__machine->strong_write(p, x, 4, TILE_RELEASE);
}
TILE_FN void tile_global_write_release_u64(uint64_t *p, uint64_t x)
{
    tile__machine->strong_write(p, x, 8, TILE_RELEASE);
}
TILE_FN uint64_t tile_global_read_relaxed_u64(const uint64_t *p)
{
    return tile__machine->strong_read(p, 8, TILE_RELAXED);
}
TILE_FN void tile_global_write_relaxed_u64(uint64_t *p, uint64_t x)
{
    tile__machine->strong_write(p, x, 8, TILE_RELAXED);
}
TILE_FN uint32_t tile_atomic_add_release_u32(uint32_t *p, uint32_t x)
{
    return (uint32_t)tile__machine->atomic(TILE_ATOMIC_ADD, TILE_NUMBER_U32, p, x, 0,
                                           TILE_ACQUIRE | TILE_RELEASE);
}
TILE_FN void tile_fence_gpu(void)
{
    tile__machine->fence();
}
TILE_FN void tile_pause(int nanoseconds)
{
    (void)nanoseconds;
    tile__machine->pause();
}
TILE_FN void tile_pdl_wait(void)
{
    tile__machine->pdl_wait();
}
TILE_FN void tile_pdl_launch(void)
{
    tile__machine->pdl_launch();
}

/* ---- arithmetic ---- */

TILE_FN float tile_max_f32(float a, float b)
{
    const float y = a > b ? a : b;
    const float equal = tile_float(tile_bits(a) & tile_bits(b)); /* +0 of two zeros that differ */
    return a != a || b != b ? tile_float(TILE_NAN_BITS) : a == b ? equal : y;
}
TILE_FN float tile_max_abs_f32(float a, float b)
{
    return tile_max_f32(a, tile_abs(b));
}
TILE_FN float tile_min_abs_f32(float a, float b)
{
    return tile_abs(a) < b ? tile_abs(a) : b;
}
TILE_FN float tile_min_f32(float a, float b)
{
    const float y = a < b ? a : b;
    const float equal = tile_float(tile_bits(a) | tile_bits(b));
    return a != a || b != b ? tile_float(TILE_NAN_BITS) : a == b ? equal : y;
}
TILE_FN float tile_floor(float x)
{
    return floorf(x);
}
TILE_FN uint32_t tile_byte_perm(uint32_t a, uint32_t b, uint32_t selector)
{
    const uint64_t all = (uint64_t)b << 32 | a;
    uint32_t y = 0;
    for (int i = 0; i < 4; i++)
        y |= (uint32_t)(all >> (selector >> 4 * i & 7u) * 8 & 0xFFu) << 8 * i;
    return y;
}
TILE_FN int tile_clz_u32(uint32_t x)
{
    return x ? __builtin_clz(x) : 32;
}
TILE_FN int tile_clz_u64(uint64_t x)
{
    return x ? __builtin_clzll(x) : 64;
}
TILE_FN int tile_popc_u32(uint32_t x)
{
    return __builtin_popcount(x);
}
TILE_FN int tile_popc_u64(uint64_t x)
{
    return __builtin_popcountll(x);
}
TILE_FN uint32_t tile_mul_high_u32(uint32_t a, uint32_t b)
{
    return (uint32_t)((uint64_t)a * b >> 32);
}
TILE_FN uint64_t tile_mul_high_u64(uint64_t a, uint64_t b)
{
    return (uint64_t)((unsigned __int128)a * b >> 64);
}
#define TILE_MACHINE_PAIR(name, U, bits)                     \
    TILE_FN U tile_f32_to_##name##_pair(float a, float b)    \
    {                                                        \
        const U low = tile_f32_to_##name(tile__use_f32(a)),  \
                high = tile_f32_to_##name(tile__use_f32(b)); \
        return (U)(low | high << bits);                      \
    }
TILE_MACHINE_PAIR(e4m3, uint16_t, 8)
TILE_MACHINE_PAIR(e5m2, uint16_t, 8)
TILE_MACHINE_PAIR(bf16, uint32_t, 16)
TILE_MACHINE_PAIR(f16, uint32_t, 16)
TILE_MACHINE_PAIR(bf16_zero, uint32_t, 16)
TILE_MACHINE_PAIR(f16_zero, uint32_t, 16)
#undef TILE_MACHINE_PAIR

TILE_FN uint32_t tile_mul_bf16x2(uint32_t a, uint32_t b)
{
    uint32_t y = 0;
    for (int i = 0; i < 32; i += 16) {
        const float x = tile_bf16_to_f32((uint16_t)(a >> i)) * tile_bf16_to_f32((uint16_t)(b >> i));
        y |= (uint32_t)tile_f32_to_bf16(tile_result(x)) << i;
    }
    return y;
}
TILE_FN uint32_t tile_bf16x2_to_e2m1(uint32_t x)
{
    uint32_t y = 0;
    for (int i = 0; i < 32; i += 16)
        y |= (uint32_t)tile_f32_to_e2m1(tile_bf16_to_f32((uint16_t)(x >> i))) << i;
    return y;
}
/* Caches are no part of the model. */
TILE_FN void tile_prefetch(const void *p, bool inside)
{
    (void)p, (void)inside;
}
TILE_FN float tile_rcp_approx(float x)
{
    const float y = 1.0f / (tile_abs(x) < 0x1p-126f ? tile_copysign(0.0f, x) : x);
    return tile_abs(y) < 0x1p-126f ? tile_copysign(0.0f, y) : tile_canonical(y);
}
/* The sum is rounded twice, to f64 and to f32; what the first has lost decides about the second. */
TILE_FN float tile_fma_up(float a, float b, float c)
{
    const double product = (double)a * b, sum = product + c;
    const double lost = (product - (sum - (sum - product))) + (c - (sum - product));
    const float y = (float)sum;
    return y < sum || (y == sum && lost > 0.0) ? nextafterf(y, INFINITY) : y;
}

#endif
