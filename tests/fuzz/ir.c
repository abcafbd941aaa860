/* IR text: whatever is read prints to a text that reads back and prints the same, verified or not,
 * and the verifier says the same of both. */
#include <stdlib.h>
#include <string.h>

#include "compiler/ir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *printed(Arena *a, const Kernel *k)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        abort();
    kernel_print(f, k);
    fclose(f);
    char *copy = arena_text(a, text, size);
    free(text);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena a = {0};
    Diag d = {.arena = &a};
    Source s = {.name = "input", .length = size};
    s.text = arena_text(&a, (const char *)data, size);
    Kernel *k = kernel_read(&a, &d, &s);
    if (!k != (d.errors > 0))
        abort();
    if (k) {
        const char *wrong = kernel_verify(&a, k);
        Source p = {.name = "printed"};
        p.text = printed(&a, k);
        p.length = strlen(p.text);
        Kernel *again = kernel_read(&a, &d, &p);
        if (!again || strcmp(p.text, printed(&a, again)) != 0)
            abort();
        const char *same = kernel_verify(&a, again);
        if (!wrong != !same || (wrong && strcmp(wrong, same) != 0))
            abort();
    }
    arena_free(&a);
    return 0;
}
