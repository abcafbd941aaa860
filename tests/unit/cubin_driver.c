/* cubin_driver FILE ENTRY..: what machine code says that each entry uses: "ENTRY registers stack",
 * or "ENTRY unknown". */
#include <stdio.h>
#include <stdlib.h>

#include "compiler/asserts.h"

int main(int argc, char **argv)
{
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!f || fseek(f, 0, SEEK_END) != 0)
        return 2;
    /* Exactly as many bytes as there are: a sanitizer sees who reads further. */
    size_t size = (size_t)ftell(f);
    unsigned char *bytes = malloc(size ? size : 1);
    rewind(f);
    if (!bytes || fread(bytes, 1, size, f) != size)
        return 2;
    for (int i = 2; i < argc; i++) {
        int registers, stack;
        if (cubin_usage(bytes, size, argv[i], &registers, &stack))
            printf("%s %d %d\n", argv[i], registers, stack);
        else
            printf("%s unknown\n", argv[i]);
    }
    free(bytes);
    fclose(f);
    return 0;
}
