/* Fibers: x86-64 and AArch64 switch in a few instructions, other machines through ucontext.
 *
 * What a function call may change need not be saved: a switch is one. Stacks come from mmap without
 * guard pages (thousands of them would be thousands of mappings); a word at the far end tells of
 * an overflow.
 */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/machine/internal.h"

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif

#ifdef FIBER_ASAN
void __sanitizer_start_switch_fiber(void **fake_stack, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack, const void **bottom, size_t *size);
#endif

#define CANARY 0x7EA5E57AC4C0FFEEull

/* Saves the callee-saved registers on the stack, *save = sp; sp = load, and back from there. */
void tile__fiber_jump(void **save, void *load);
/* The first thing a fiber does: calls tile__fiber_begin on what lies on its stack. */
void tile__fiber_entry(void);
_Noreturn void tile__fiber_begin(void (*start)(void *), void *argument);

#if defined(__x86_64__)
/* System V ABI: rbx, rbp, r12 to r15 and rsp belong to the caller. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl tile__fiber_jump\n"
        ".type tile__fiber_jump, @function\n"
        "tile__fiber_jump:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size tile__fiber_jump, . - tile__fiber_jump\n"
        ".globl tile__fiber_entry\n"
        ".type tile__fiber_entry, @function\n"
        "tile__fiber_entry:\n"
        "    movq %r12, %rdi\n"
        "    movq %r13, %rsi\n"
        "    call tile__fiber_begin\n"
        ".size tile__fiber_entry, . - tile__fiber_entry\n");

enum { SAVED = 6, AT_START = 3, AT_ARGUMENT = 2 };

static void *first_frame(char *top, void (*start)(void *), void *argument)
{
    void **sp = (void **)top - 3 - SAVED; /* the entry begins with sp a multiple of 16 */
    memset(sp, 0, (SAVED + 3) * sizeof *sp);
    memcpy(&sp[AT_START], &start, sizeof start);
    sp[AT_ARGUMENT] = argument;
    void (*entry)(void) = tile__fiber_entry;
    memcpy(&sp[SAVED], &entry, sizeof entry);
    return sp;
}
#elif defined(__aarch64__)
/* AAPCS64: x19 to x30, d8 to d15 and sp belong to the caller. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl tile__fiber_jump\n"
        ".type tile__fiber_jump, %function\n"
        "tile__fiber_jump:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size tile__fiber_jump, . - tile__fiber_jump\n"
        ".globl tile__fiber_entry\n"
        ".type tile__fiber_entry, %function\n"
        "tile__fiber_entry:\n"
        "    mov x0, x19\n"
        "    mov x1, x20\n"
        "    bl tile__fiber_begin\n"
        ".size tile__fiber_entry, . - tile__fiber_entry\n");

enum { SAVED = 20, AT_START = 0, AT_ARGUMENT = 1, AT_LINK = 11 };

static void *first_frame(char *top, void (*start)(void *), void *argument)
{
    void **sp = (void **)top - SAVED;
    memset(sp, 0, SAVED * sizeof *sp);
    memcpy(&sp[AT_START], &start, sizeof start);
    sp[AT_ARGUMENT] = argument;
    void (*entry)(void) = tile__fiber_entry;
    memcpy(&sp[AT_LINK], &entry, sizeof entry);
    return sp;
}
#else
#include <ucontext.h>

static void from_halves(unsigned start_low, unsigned start_high, unsigned low, unsigned high)
{
    uintptr_t start = start_low | (uintptr_t)start_high << 16 << 16;
    uintptr_t argument = low | (uintptr_t)high << 16 << 16;
    tile__fiber_begin((void (*)(void *))start, (void *)argument);
}

void tile__fiber_jump(void **save, void *load)
{
    swapcontext(*save, load);
}

static void *first_frame(char *top, void (*start)(void *), void *argument)
{
    /* The context lies at the top of the stack that it describes. */
    ucontext_t *u = (ucontext_t *)(void *)(top - sizeof *u - (uintptr_t)(top - sizeof *u) % 64);
    uintptr_t s = (uintptr_t)start, a = (uintptr_t)argument;
    getcontext(u);
    u->uc_stack.ss_sp = top - (1 << 15);
    u->uc_stack.ss_size = (size_t)((char *)u - (top - (1 << 15)));
    makecontext(u, (void (*)(void))from_halves, 4, (unsigned)s, (unsigned)(s >> 16 >> 16),
                (unsigned)a, (unsigned)(a >> 16 >> 16));
    return u;
}
#endif

static void put_canary(char *stack)
{
    uint64_t canary = CANARY;
    memcpy(stack, &canary, sizeof canary);
}

bool fiber_overflowed(const Fiber *f)
{
    uint64_t canary;
    memcpy(&canary, f->stack, sizeof canary);
    return canary != CANARY;
}

void fiber_restart(Fiber *f, void (*start)(void *), void *argument)
{
    put_canary(f->stack);
    f->context = first_frame(f->stack + f->stack_bytes, start, argument);
    f->fake_stack = NULL;
}

bool fiber_create(Fiber *f, size_t stack_bytes, void (*start)(void *), void *argument)
{
    void *stack = mmap(NULL, stack_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        return false;
    *f = (Fiber){.stack = stack, .stack_bytes = stack_bytes};
    fiber_restart(f, start, argument);
    return true;
}

void fiber_free(Fiber *f)
{
    if (f->stack)
        munmap(f->stack, f->stack_bytes);
    f->stack = NULL;
}

void fiber_host(Fiber *f)
{
    *f = (Fiber){0};
#if !defined(__x86_64__) && !defined(__aarch64__)
    static _Thread_local ucontext_t host;
    f->context = &host;
#endif
}

#ifdef FIBER_ASAN
static _Thread_local Fiber *arriving, *left;
/* The host's stack, which the sanitizer tells when it is left. */
static _Thread_local const void *host_bottom;
static _Thread_local size_t host_bytes;

static void before(Fiber *from, Fiber *to, bool leaving)
{
    arriving = to;
    left = from;
    __sanitizer_start_switch_fiber(leaving ? NULL : &from->fake_stack,
                                   to->stack ? to->stack : host_bottom,
                                   to->stack ? to->stack_bytes : host_bytes);
}

static void after(void)
{
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(arriving->fake_stack, &bottom, &bytes);
    if (!left->stack) {
        host_bottom = bottom;
        host_bytes = bytes;
    }
}
#else
static void before(Fiber *from, Fiber *to, bool leaving)
{
    (void)from, (void)to, (void)leaving;
}
static void after(void)
{
}
#endif

void fiber_switch(Fiber *from, Fiber *to, bool leaving)
{
    before(from, to, leaving);
    tile__fiber_jump(&from->context, to->context);
    after();
}

_Noreturn void tile__fiber_begin(void (*start)(void *), void *argument)
{
    after();
    start(argument);
    abort();
}
