/* CUDA's built-ins on the CPU, for tests of emitted kernels. A thread is a fiber that runs until a
 * barrier or a warp-wide operation; those check that all threads come, to the same one. Blocks run
 * one after the other, those of a cooperative launch together.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define __global__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__

struct Index {
    unsigned x;
};
struct uint2 {
    unsigned x, y;
};
struct uint4 {
    unsigned x, y, z, w;
};
static Index blockIdx, threadIdx, gridDim;

enum { MOST_THREADS = 4096, MOST_BLOCKS = 64, STACK = 1 << 18 };
enum State { READY, WARP, BLOCK, DONE };

static struct Fiber {
    ucontext_t context;
    State state;
    Index block, thread;
    const char *at;    /* the operation it waits in */
    unsigned count;    /* of warp-wide operations */
    uint64_t given[2]; /* by parity of the count: one that goes on may give anew */
} fiber[MOST_THREADS];
static ucontext_t scheduler;
static Fiber *running;
static char *stacks;
static void (*kernel_of_block)(void **);
static void **arguments_of_block;

static void wait_in(State s, const char *at)
{
    Fiber *f = running;
    f->state = s;
    f->at = at;
    swapcontext(&f->context, &scheduler);
}

static void fiber_main()
{
    kernel_of_block(arguments_of_block);
    wait_in(DONE, "the end");
}

/* Threads first .. first + n - 1 go on if all that are not done wait in the same operation. */
static bool release(int first, int n, State s)
{
    const char *at = NULL;
    for (int i = first; i < first + n; i++) {
        if (fiber[i].state == DONE)
            continue;
        if (fiber[i].state != s)
            return false;
        if (at && strcmp(at, fiber[i].at)) {
            fprintf(stderr, "thread %d is in %s, another in %s\n", i, fiber[i].at, at);
            abort();
        }
        at = fiber[i].at;
    }
    for (int i = first; i < first + n; i++)
        if (fiber[i].state == s)
            fiber[i].state = READY;
    return at != NULL;
}

static void resume(Fiber *f)
{
    running = f;
    blockIdx = f->block;
    threadIdx = f->thread;
    swapcontext(&scheduler, &f->context);
}

static void start(int i, unsigned block, unsigned thread)
{
    Fiber *f = &fiber[i];
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = stacks + (size_t)i * STACK;
    f->context.uc_stack.ss_size = STACK;
    f->state = READY;
    f->count = 0;
    f->block.x = block;
    f->thread.x = thread;
    makecontext(&f->context, fiber_main, 0);
}

/* All barriers at which everybody has come. */
static bool release_all(int blocks, int threads)
{
    bool any = false;
    for (int b = 0; b < blocks; b++) {
        for (int i = 0; i < threads; i += 32)
            any |= release(b * threads + i, threads - i < 32 ? threads - i : 32, WARP);
        any |= release(b * threads, threads, BLOCK);
    }
    return any;
}

static void run_blocks(unsigned first, int blocks, int threads, bool backwards)
{
    int all = blocks * threads;
    for (int i = 0; i < all; i++)
        start(i, first + (unsigned)(i / threads), (unsigned)(i % threads));
    for (;;) {
        bool moved = false, more = false;
        for (int k = 0; k < all; k++) {
            Fiber *f = &fiber[backwards ? all - 1 - k : k];
            moved |= f->state == READY;
            if (f->state == READY)
                resume(f);
        }
        moved |= release_all(blocks, threads);
        for (int i = 0; i < all; i++)
            more |= fiber[i].state != DONE;
        if (!more)
            return;
        for (int i = 0; !moved && i < all; i++)
            if (fiber[i].state != DONE)
                fprintf(stderr, "thread %d waits in %s\n", i, fiber[i].at);
        if (!moved)
            abort();
    }
}

static void launch(void (*kernel)(void **), void **arguments, unsigned blocks, int threads,
                   bool cooperative, bool backwards)
{
    if (!stacks)
        stacks = (char *)malloc((size_t)MOST_THREADS * STACK);
    if (blocks > MOST_BLOCKS || (cooperative ? (int)blocks : 1) * threads > MOST_THREADS)
        abort();
    kernel_of_block = kernel;
    arguments_of_block = arguments;
    gridDim.x = blocks;
    for (unsigned b = 0; b < blocks; b += cooperative ? blocks : 1)
        run_blocks(b, cooperative ? (int)blocks : 1, threads, backwards);
}

/* ---- barriers and warps ---- */

static void __syncthreads()
{
    wait_in(BLOCK, "__syncthreads");
}
static void __syncwarp()
{
    wait_in(WARP, "__syncwarp");
}

/* Shows `x` to the warp; returns which of the two places of a lane has it. */
template <class T> static unsigned give(T x, const char *at)
{
    Fiber *f = running;
    unsigned parity = f->count++ & 1;
    f->given[parity] = 0;
    memcpy(&f->given[parity], &x, sizeof x);
    wait_in(WARP, at);
    return parity;
}

template <class T> static T taken(unsigned lane, unsigned parity)
{
    const Fiber *f = running - (threadIdx.x & 31) + (lane & 31);
    T x;
    if (f->count < running->count) {
        fprintf(stderr, "a lane that does not take part is asked\n");
        abort();
    }
    memcpy(&x, &f->given[parity], sizeof x);
    return x;
}

template <class T> static T __shfl_sync(unsigned, T x, int lane)
{
    unsigned parity = give(x, "shfl.idx");
    return taken<T>((unsigned)lane, parity);
}

template <class T> static T __shfl_xor_sync(unsigned, T x, int mask)
{
    unsigned parity = give(x, "shfl.bfly");
    return taken<T>((threadIdx.x & 31) ^ (unsigned)mask, parity);
}

static unsigned __reduce_max_sync(unsigned, unsigned x)
{
    unsigned parity = give(x, "redux.max"), y = 0;
    for (unsigned i = 0; i < 32; i++)
        y = taken<unsigned>(i, parity) > y ? taken<unsigned>(i, parity) : y;
    return y;
}

static unsigned __reduce_min_sync(unsigned, unsigned x)
{
    unsigned parity = give(x, "redux.min"), y = ~0u;
    for (unsigned i = 0; i < 32; i++)
        y = taken<unsigned>(i, parity) < y ? taken<unsigned>(i, parity) : y;
    return y;
}

static unsigned __match_any_sync(unsigned, unsigned x)
{
    unsigned parity = give(x, "match.any"), y = 0;
    for (unsigned i = 0; i < 32; i++)
        y |= (unsigned)(taken<unsigned>(i, parity) == x) << i;
    return y;
}

static unsigned __ballot_sync(unsigned, int x)
{
    unsigned parity = give(x, "vote.ballot"), y = 0;
    for (unsigned i = 0; i < 32; i++)
        y |= (unsigned)(taken<int>(i, parity) != 0) << i;
    return y;
}

static int __popc(unsigned x)
{
    return __builtin_popcount(x);
}
static int __clz(unsigned x)
{
    return x ? __builtin_clz(x) : 32;
}

/* ---- memory ---- */

template <class T> static T atomicAdd(T *p, T x)
{
    T old = *p;
    *p = old + x;
    return old;
}

template <class T> static T __ldcs(const T *p)
{
    return *p;
}
template <class T> static void __stcs(T *p, T x)
{
    *p = x;
}
static uint2 make_uint2(unsigned x, unsigned y)
{
    return {x, y};
}
static uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w)
{
    return {x, y, z, w};
}

static void __threadfence()
{
}

/* In a wait for other blocks. */
static void __nanosleep(unsigned)
{
    wait_in(READY, "__nanosleep");
}

/* What the PTX of runtime/device gives; test support puts these in its place. */
static float ptx_max_nan(float a, float b)
{
    uint32_t u, v;
    memcpy(&u, &a, 4), memcpy(&v, &b, 4);
    uint32_t both = u & v, nan = 0x7FFFFFFF;
    float y = a > b ? a : b;
    if (a == b)
        memcpy(&y, &both, 4);
    if (a != a || b != b)
        memcpy(&y, &nan, 4);
    return y;
}

static float ptx_min_nan(float a, float b)
{
    return -ptx_max_nan(-a, -b);
}

static void ptx_unknown(const char *text)
{
    fprintf(stderr, "no stand-in for asm(%s)\n", text);
    abort();
}
