/* Preloaded into a program: counts what a library asks for, and refuses it memory once.
 *
 *   COUNT_IN=libcases.so    whose calls count: a part of its file's name
 *   FAIL_AT=N               its N-th allocation fails
 *
 * At the end a line for standard error: "counted: allocations 5, locks 2". */
#define _GNU_SOURCE /* dladdr, RTLD_NEXT */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);

static atomic_long allocations, locks;

static bool is_counted(const void *caller)
{
    const char *name = getenv("COUNT_IN");
    Dl_info info;
    return name && dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, name);
}

/* Counts, and says whether this is the one that fails. */
static bool fails(const void *caller)
{
    const char *at = getenv("FAIL_AT");
    if (!is_counted(caller))
        return false;
    long n = atomic_fetch_add(&allocations, 1) + 1;
    if (!at || n != atol(at))
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

int posix_memalign(void **p, size_t alignment, size_t n)
{
    void *q = fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, n);
    *p = q ? q : *p;
    return q ? 0 : ENOMEM;
}

int pthread_mutex_lock(pthread_mutex_t *m)
{
    static int (*real)(pthread_mutex_t *);
    if (!real) {
        void *next = dlsym(RTLD_NEXT, "pthread_mutex_lock");
        memcpy(&real, &next, sizeof real);
    }
    if (is_counted(__builtin_return_address(0)))
        atomic_fetch_add(&locks, 1);
    return real(m);
}

__attribute__((destructor)) static void tell(void)
{
    fprintf(stderr, "counted: allocations %ld, locks %ld\n", atomic_load(&allocations),
            atomic_load(&locks));
}
