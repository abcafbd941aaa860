/* Asserts of registers and spills, once the machine code is there. */
#include <stdlib.h>
#include <string.h>

#include "compiler/build.h"

static void *read_code(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    long n = f && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    void *bytes = n > 0 && fseek(f, 0, SEEK_SET) == 0 ? malloc((size_t)n) : NULL;
    *size = bytes ? fread(bytes, 1, (size_t)n, f) : 0;
    if (f)
        fclose(f);
    return bytes;
}

/* Is an entry's limit one that was looked at before? Entries have several. */
static bool is_repeated(const CodeLimits *limits, int i)
{
    for (int k = 0; k < i; k++)
        if (strcmp(limits->items[k].entry, limits->items[i].entry) == 0)
            return true;
    return false;
}

static bool check_code(const Build *b, const StubCode *c)
{
    const CodeLimits *limits = &c->build->limits;
    const char *which = c->unaligned ? ", in the code for tensors that are not aligned" : "";
    size_t size;
    void *bytes = read_code(c->cubin, &size);
    bool good = true;
    for (int i = 0; i < limits->count; i++) {
        int registers, stack;
        const CodeLimit *l = &limits->items[i];
        if (is_repeated(limits, i))
            continue;
        if (bytes && cubin_usage(bytes, size, l->entry, &registers, &stack))
            good = limits_check(b->command->diag, limits, l->entry, which, registers, stack) &&
                   good;
        else if (b->command->verbose)
            printf("%s: the machine code does not say what %s takes: its asserts are not "
                   "checked\n",
                   c->name, l->entry);
    }
    free(bytes);
    return good;
}

bool build_check(const Build *b)
{
    bool good = true;
    for (int i = 0; i < b->stub.codes.count; i++)
        if (b->stub.codes.items[i].cubin && b->stub.codes.items[i].build->limits.count)
            good = check_code(b, &b->stub.codes.items[i]) && good;
    return good;
}

int unchecked_limits(const Stub *s)
{
    int n = 0;
    for (int i = 0; i < s->codes.count; i++)
        n += s->codes.items[i].cubin || s->codes.items[i].unaligned
                 ? 0
                 : s->codes.items[i].build->limits.count;
    return n;
}
