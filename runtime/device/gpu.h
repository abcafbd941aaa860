/* The primitives of the device header on the GPU: plain CUDA and inline PTX, a few lines each, the
 * PTX ISA section beside it. runtime/machine/device.h has the same functions for the machine model.
 */
#ifndef TILE_GPU_H
#define TILE_GPU_H

/* ---- kernels ---- */

/* A kernel that is started with `threads` a block; at least `blocks` of them are to fit an SM
 * (0: unsaid). Its only parameter is the args struct, by the name of `a`. */
#define TILE_KERNEL(entry, args, threads, blocks)                                  \
    extern "C" __global__ void __launch_bounds__(threads, (blocks) ? (blocks) : 1) \
        entry(const __grid_constant__ args a)

/* From here on the thread is at line `n` of the .tile file; for the machine model. */
#define TILE_LINE(n)

TILE_FN int64_t tile_block(void)
{
    return blockIdx.x;
}
TILE_FN int64_t tile_blocks(void)
{
    return gridDim.x;
}
TILE_FN int tile_thread(void)
{
    return (int)threadIdx.x;
}
TILE_FN int tile_lane(void)
{
    return (int)(threadIdx.x & 31);
}
TILE_FN int tile_warp(void)
{
    return (int)(threadIdx.x >> 5);
}

/* The block's dynamic shared memory, whose places the compiler has planned. */
TILE_FN char *tile_shared(void)
{
    extern __shared__ __align__(1024) char tile_shared_memory[];
    return tile_shared_memory;
}

/* ---- meeting ---- */

TILE_FN void tile_sync(void)
{
    __syncthreads();
}
TILE_FN void tile_sync_warp(void)
{
    __syncwarp();
}
/* bar.sync, bar.arrive, PTX ISA 9.7.13.1: barrier 1 .. 15, `threads` a multiple of 32. */
TILE_FN void tile_sync_named(int barrier, int threads)
{
    asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}
TILE_FN void tile_arrive_named(int barrier, int threads)
{
    asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}
TILE_FN void tile_pause(int nanoseconds)
{
    __nanosleep((unsigned)nanoseconds);
}

/* ---- between the lanes of a warp: all 32 take part ---- */

/* shfl.sync, PTX ISA 9.7.9.6. `lane` counts modulo 32. */
TILE_FN uint32_t tile_shuffle_u32(uint32_t x, int lane)
{
    return __shfl_sync(~0u, x, lane);
}
TILE_FN uint32_t tile_shuffle_xor_u32(uint32_t x, int mask)
{
    return __shfl_xor_sync(~0u, x, mask);
}
/* The same, of which a compiler does not know it: what is computed from the number is not kept for
 * elsewhere, and the address is not computed anew for every load behind a condition. */
TILE_FN int32_t tile_apart_i32(int32_t x)
{
    asm volatile("" : "+r"(x));
    return x;
}
TILE_FN const uint64_t *tile_apart_words(const uint64_t *p)
{
    asm volatile("" : "+l"(p));
    return p;
}
/* prefetch.global.L2, PTX ISA 9.7.9.15: what lies at p is on its way from memory. */
TILE_FN void tile_prefetch(const void *p, bool inside)
{
    if (inside)
        asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
}
/* vote.sync, match.sync, PTX ISA 9.7.13.9 and 9.7.13.10. */
TILE_FN uint32_t tile_ballot(bool x)
{
    return __ballot_sync(~0u, x);
}
/* The lanes where any bit is set; as an instruction, because a compiler that sees a test of one bit
 * shifts it first. */
TILE_FN uint32_t tile_ballot_u32(uint32_t x)
{
    uint32_t lanes;
    asm volatile("{\n\t"
                 ".reg .pred p;\n\t"
                 "setp.ne.u32 p, %1, 0;\n\t"
                 "vote.sync.ballot.b32 %0, p, 0xFFFFFFFF;\n\t"
                 "}"
                 : "=r"(lanes)
                 : "r"(x));
    return lanes;
}
TILE_FN uint32_t tile_match_u32(uint32_t x)
{
    return __match_any_sync(~0u, x);
}
/* redux.sync, PTX ISA 9.7.13.12. */
TILE_FN uint32_t tile_reduce_max_u32(uint32_t x)
{
    return __reduce_max_sync(~0u, x);
}
TILE_FN uint32_t tile_reduce_min_u32(uint32_t x)
{
    return __reduce_min_sync(~0u, x);
}
TILE_FN uint32_t tile_reduce_add_u32(uint32_t x)
{
    return __reduce_add_sync(~0u, x);
}
TILE_FN uint32_t tile_reduce_or_u32(uint32_t x)
{
    return __reduce_or_sync(~0u, x);
}
TILE_FN uint32_t tile_reduce_and_u32(uint32_t x)
{
    return __reduce_and_sync(~0u, x);
}

/* ---- memory: one access of 1, 2, 4, 8 or 16 bytes (a constant), naturally aligned ---- */

/* How global memory is read or written. */
enum {
    TILE_PLAIN,    /* coherent */
    TILE_STREAM,   /* .cs: touched once, first out of the caches */
    TILE_CONSTANT, /* .nc: nobody writes it while the kernel runs */
    TILE_ONCE      /* .nc, not kept in L1 */
};

/* ld.global, ld.global.cs, ld.global.nc, PTX ISA 9.7.9.8 and 9.7.9.9. */
TILE_FN void tile_global_read(uint32_t *w, const void *p, int bytes, int hint)
{
    if (bytes == 16) {
        uint4 v;
        if (hint == TILE_STREAM)
            v = __ldcs((const uint4 *)p);
        else if (hint == TILE_CONSTANT)
            v = __ldg((const uint4 *)p);
        else if (hint == TILE_ONCE)
            asm volatile("ld.global.nc.L1::no_allocate.L2::256B.v4.u32 {%0, %1, %2, %3}, [%4];"
                         : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                         : "l"(p));
        else
            v = *(const uint4 *)p;
        w[0] = v.x, w[1] = v.y, w[2] = v.z, w[3] = v.w;
    } else if (bytes == 8) {
        uint2 v;
        if (hint == TILE_STREAM)
            v = __ldcs((const uint2 *)p);
        else if (hint == TILE_CONSTANT)
            v = __ldg((const uint2 *)p);
        else if (hint == TILE_ONCE)
            asm volatile("ld.global.nc.L1::no_allocate.L2::256B.v2.u32 {%0, %1}, [%2];"
                         : "=r"(v.x), "=r"(v.y)
                         : "l"(p));
        else
            v = *(const uint2 *)p;
        w[0] = v.x, w[1] = v.y;
    } else if (bytes == 4) {
        const unsigned *q = (const unsigned *)p;
        w[0] = hint == TILE_STREAM ? __ldcs(q) : hint >= TILE_CONSTANT ? __ldg(q) : *q;
    } else if (bytes == 2) {
        const unsigned short *q = (const unsigned short *)p;
        w[0] = hint == TILE_STREAM ? __ldcs(q) : hint >= TILE_CONSTANT ? __ldg(q) : *q;
    } else {
        const unsigned char *q = (const unsigned char *)p;
        w[0] = hint == TILE_STREAM ? __ldcs(q) : hint >= TILE_CONSTANT ? __ldg(q) : *q;
    }
}

/* st.global, st.global.cs, PTX ISA 9.7.9.11. */
TILE_FN void tile_global_write(void *p, const uint32_t *w, int bytes, int hint)
{
    if (bytes == 16) {
        const uint4 v = make_uint4(w[0], w[1], w[2], w[3]);
        if (hint == TILE_STREAM)
            __stcs((uint4 *)p, v);
        else
            *(uint4 *)p = v;
    } else if (bytes == 8) {
        const uint2 v = make_uint2(w[0], w[1]);
        if (hint == TILE_STREAM)
            __stcs((uint2 *)p, v);
        else
            *(uint2 *)p = v;
    } else if (bytes == 4) {
        if (hint == TILE_STREAM)
            __stcs((unsigned *)p, w[0]);
        else
            *(unsigned *)p = w[0];
    } else if (bytes == 2) {
        if (hint == TILE_STREAM)
            __stcs((unsigned short *)p, (unsigned short)w[0]);
        else
            *(unsigned short *)p = (unsigned short)w[0];
    } else {
        if (hint == TILE_STREAM)
            __stcs((unsigned char *)p, (unsigned char)w[0]);
        else
            *(unsigned char *)p = (unsigned char)w[0];
    }
}

TILE_FN void tile_shared_read(uint32_t *w, const void *s, int bytes)
{
    if (bytes == 16) {
        const uint4 v = *(const uint4 *)s;
        w[0] = v.x, w[1] = v.y, w[2] = v.z, w[3] = v.w;
    } else if (bytes == 8) {
        const uint2 v = *(const uint2 *)s;
        w[0] = v.x, w[1] = v.y;
    } else if (bytes == 4) {
        w[0] = *(const unsigned *)s;
    } else if (bytes == 2) {
        w[0] = *(const unsigned short *)s;
    } else {
        w[0] = *(const unsigned char *)s;
    }
}

TILE_FN void tile_shared_write(void *s, const uint32_t *w, int bytes)
{
    if (bytes == 16)
        *(uint4 *)s = make_uint4(w[0], w[1], w[2], w[3]);
    else if (bytes == 8)
        *(uint2 *)s = make_uint2(w[0], w[1]);
    else if (bytes == 4)
        *(unsigned *)s = w[0];
    else if (bytes == 2)
        *(unsigned short *)s = (unsigned short)w[0];
    else
        *(unsigned char *)s = (unsigned char)w[0];
}

/* atom.add and red.add, PTX ISA 9.7.13.5 and 9.7.13.6: relaxed, at GPU scope. */
#define ATOMIC(T, U, name)                            \
    TILE_FN void tile_atomic_add_##name(T *p, T x)    \
    {                                                 \
        atomicAdd((U *)p, (U)x);                      \
    }                                                 \
    TILE_FN T tile_atomic_fetch_add_##name(T *p, T x) \
    {                                                 \
        return (T)atomicAdd((U *)p, (U)x);            \
    }
ATOMIC(int32_t, int, i32)
ATOMIC(uint32_t, unsigned, u32)
ATOMIC(int64_t, unsigned long long, i64)
ATOMIC(uint64_t, unsigned long long, u64)
ATOMIC(float, float, f32)
#undef ATOMIC

/* The same in shared memory. */
#define SHARED_ATOMIC(T, U, name)                         \
    TILE_FN void tile_shared_atomic_add_##name(T *s, T x) \
    {                                                     \
        atomicAdd((U *)s, (U)x);                          \
    }                                                     \
    TILE_FN T tile_shared_fetch_add_##name(T *s, T x)     \
    {                                                     \
        return (T)atomicAdd((U *)s, (U)x);                \
    }
SHARED_ATOMIC(int32_t, int, i32)
SHARED_ATOMIC(uint32_t, unsigned, u32)
#undef SHARED_ATOMIC

/* ld.acquire.gpu, st.release.gpu, PTX ISA 8.8, 9.7.9.8 and 9.7.9.11. */
TILE_FN uint32_t tile_global_read_acquire_u32(const uint32_t *p)
{
    uint32_t x;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(x) : "l"(p) : "memory");
    return x;
}
TILE_FN uint64_t tile_global_read_acquire_u64(const uint64_t *p)
{
    uint64_t x;
    asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(x) : "l"(p) : "memory");
    return x;
}
TILE_FN void tile_global_write_release_u32(uint32_t *p, uint32_t x)
{
    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(p), "r"(x) : "memory");
}
TILE_FN void tile_global_write_release_u64(uint64_t *p, uint64_t x)
{
    asm volatile("st.release.gpu.global.u64 [%0], %1;" ::"l"(p), "l"(x) : "memory");
}
/* ld.relaxed, st.relaxed at GPU scope: single words that others poll. */
TILE_FN uint64_t tile_global_read_relaxed_u64(const uint64_t *p)
{
    uint64_t x;
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(x) : "l"(p) : "memory");
    return x;
}
TILE_FN void tile_global_write_relaxed_u64(uint64_t *p, uint64_t x)
{
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(p), "l"(x) : "memory");
}
TILE_FN uint32_t tile_atomic_add_release_u32(uint32_t *p, uint32_t x)
{
    uint32_t old;
    asm volatile("atom.add.acq_rel.gpu.global.u32 %0, [%1], %2;"
                 : "=r"(old)
                 : "l"(p), "r"(x)
                 : "memory");
    return old;
}
/* fence.acq_rel.gpu, PTX ISA 9.7.13.4. */
TILE_FN void tile_fence_gpu(void)
{
    __threadfence();
}

/* griddepcontrol, PTX ISA 9.7.13.13: what the launch before this one wrote is visible; the launch
 * behind it may start. */
TILE_FN void tile_pdl_wait(void)
{
    asm volatile("griddepcontrol.wait;" ::: "memory");
}
TILE_FN void tile_pdl_launch(void)
{
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}

/* ---- arithmetic that the machine has ---- */

/* max.NaN.f32, min.NaN.f32, PTX ISA 9.7.3.12 and 9.7.3.11: NaN wins, +0 > -0. */
TILE_FN float tile_max_f32(float a, float b)
{
    float y;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
    return y;
}
TILE_FN float tile_min_f32(float a, float b)
{
    float y;
    asm("min.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
    return y;
}
TILE_FN float tile_max_abs_f32(float a, float b)
{
    float y;
    asm("{ .reg .f32 t; abs.f32 t, %2; max.NaN.f32 %0, %1, t; }" : "=f"(y) : "f"(a), "f"(b));
    return y;
}
/* min(|a|, b), of NaN b. */
TILE_FN float tile_min_abs_f32(float a, float b)
{
    return fminf(fabsf(a), b);
}
TILE_FN float tile_floor(float x)
{
    return floorf(x);
}
/* prmt, PTX ISA 9.7.9.7: byte i of the result is byte `selector >> 4 i & 7` of b's and a's eight.
 */
TILE_FN uint32_t tile_byte_perm(uint32_t a, uint32_t b, uint32_t selector)
{
    return __byte_perm(a, b, selector);
}
TILE_FN int tile_clz_u32(uint32_t x)
{
    return __clz((int)x);
}
TILE_FN int tile_clz_u64(uint64_t x)
{
    return __clzll((long long)x);
}
TILE_FN int tile_popc_u32(uint32_t x)
{
    return __popc(x);
}
TILE_FN int tile_popc_u64(uint64_t x)
{
    return __popcll(x);
}
TILE_FN uint32_t tile_mul_high_u32(uint32_t a, uint32_t b)
{
    return __umulhi(a, b);
}
TILE_FN uint64_t tile_mul_high_u64(uint64_t a, uint64_t b)
{
    return __umul64hi(a, b);
}

/* Conversions two at a time: cvt, PTX ISA 9.7.9.21. The low half is of a, the high one of b; the
 * bits are those of runtime/numerics/convert.h, which tests compare for every f32 (R6). */
#define PAIR(name, U, constraint, instruction)                            \
    TILE_FN U tile_f32_to_##name##_pair(float a, float b)                 \
    {                                                                     \
        U u;                                                              \
        asm(instruction " %0, %1, %2;" : constraint(u) : "f"(b), "f"(a)); \
        return u;                                                         \
    }
PAIR(e4m3, uint16_t, "=h", "cvt.rn.satfinite.e4m3x2.f32")
PAIR(e5m2, uint16_t, "=h", "cvt.rn.satfinite.e5m2x2.f32")
PAIR(bf16, uint32_t, "=r", "cvt.rn.bf16x2.f32")
PAIR(f16, uint32_t, "=r", "cvt.rn.f16x2.f32")
PAIR(bf16_zero, uint32_t, "=r", "cvt.rz.bf16x2.f32")
PAIR(f16_zero, uint32_t, "=r", "cvt.rz.f16x2.f32")
#undef PAIR

/* Two bf16 in a word: mul, PTX ISA 9.7.4.3; the NaN is 0x7FFF. */
TILE_FN uint32_t tile_mul_bf16x2(uint32_t a, uint32_t b)
{
    uint32_t y;
    asm("mul.rn.bf16x2 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
    return y;
}
/* Codes of e2m1 of two bf16 (R6), in bits 0 .. 3 and 16 .. 19. A NaN among them is positive.
 *
 * Near 64 E bf16 are E / 2 apart, which for E = max(1, 2^floor(log2 |x|)) is e2m1's spacing at x:
 * adding rounds, and leaves the number of spacings in the low bits of the sum, log2 E in bits 7 and
 * 8, one too many. The code is that number plus 2 log2 E. */
TILE_FN uint32_t tile_bf16x2_to_e2m1(uint32_t x)
{
    uint32_t a, e, s;
    asm("{.reg .b32 m; abs.bf16x2 m, %1; min.bf16x2 %0, m, %2;}"
        : "=r"(a)
        : "r"(x), "r"(0x40C040C0u));
    asm("max.bf16x2 %0, %1, %2;" : "=r"(e) : "r"(a), "r"(0x3F803F80u));
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(s) : "r"(e & 0x7F807F80u), "r"(0x42804280u), "r"(a));
    const uint32_t v = s & 0x01870187u;
    return ((v + (v >> 6) - 0x00020002u) & 0x00070007u) | (x >> 12 & 0x00080008u);
}

/* rcp.approx.ftz.f32, PTX ISA 9.7.3.13: within one ulp. */
TILE_FN float tile_rcp_approx(float x)
{
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* a b + c rounded up: fma.rp.f32, PTX ISA 9.7.3.6. */
TILE_FN float tile_fma_up(float a, float b, float c)
{
    return __fmaf_ru(a, b, c);
}

#endif
