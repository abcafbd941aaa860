/* Runs a libFuzzer harness of tests/fuzz without libFuzzer, with any compiler:
 *
 *   build/tests/fuzz_NAME [-n COUNT] [-s SEED] FILE...
 *
 * calls LLVMFuzzerTestOneInput on each file, then on COUNT damaged copies of them. On a crash, the
 * input is in the file that TILE_FUZZ_LAST names, if it is set.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Input {
    uint8_t *data;
    size_t size;
} Input;

static uint64_t state = 1;

/* Xorshift: a number below `limit`, 0 for none. */
static size_t dice(size_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return limit ? (size_t)(state % limit) : 0;
}

static Input read_file(const char *path)
{
    Input in = {NULL, 0};
    FILE *f = fopen(path, "rb");
    long size = -1;
    if (f && fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0) {
        in.data = malloc((size_t)size + 1);
        rewind(f);
        in.size = in.data ? fread(in.data, 1, (size_t)size, f) : 0;
    }
    if (!in.data || in.size != (size_t)size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    fclose(f);
    return in;
}

static void test(const uint8_t *data, size_t size)
{
    const char *last = getenv("TILE_FUZZ_LAST");
    FILE *f = last ? fopen(last, "wb") : NULL;
    if (f) {
        fwrite(data, 1, size, f);
        fclose(f);
    }
    /* Of exactly this size, so that a sanitizer sees one byte too many. */
    uint8_t *exact = malloc(size ? size : 1);
    if (exact) {
        memcpy(exact, data, size);
        LLVMFuzzerTestOneInput(exact, size);
    }
    free(exact);
}

/* Puts `n` bytes of `from` in the place of `cut` bytes at `at`. */
static Input splice(Input in, size_t at, size_t cut, const uint8_t *from, size_t n)
{
    Input out = {malloc(in.size - cut + n + 1), in.size - cut + n};
    if (!out.data) {
        exit(1);
    }
    memcpy(out.data, in.data, at);
    memcpy(out.data + at, from, n);
    memcpy(out.data + at + n, in.data + at + cut, in.size - at - cut);
    free(in.data);
    return out;
}

/* One to four places changed: a byte, a piece gone, or a piece of some other input. */
static Input damage(Input in, const Input *all, size_t count)
{
    static const uint8_t bytes[] = "(){}[];:,.=+-*/%<>?|&\"#\n\0 09azAZ_\x80\xff";
    for (size_t times = 1 + dice(4); times > 0; times--) {
        size_t at = dice(in.size + 1), rest = in.size - at;
        const Input *other = &all[dice(count)];
        size_t from = dice(other->size + 1), most = other->size - from;
        switch (dice(4)) {
        case 0:
            in = splice(in, at, rest > 0, &bytes[dice(sizeof bytes - 1)], 1);
            break;
        case 1:
            in = splice(in, at, 0, &bytes[dice(sizeof bytes - 1)], 1);
            break;
        case 2:
            in = splice(in, at, dice(rest < 64 ? rest + 1 : 64), bytes, 0);
            break;
        default:
            in = splice(in, at, 0, other->data + from, dice(most < 200 ? most + 1 : 200));
        }
    }
    return in;
}

int main(int argc, char **argv)
{
    long times = 0;
    int first = 1;
    for (; first + 1 < argc && argv[first][0] == '-'; first += 2) {
        if (argv[first][1] == 'n') {
            times = strtol(argv[first + 1], NULL, 10);
        } else {
            state = strtoull(argv[first + 1], NULL, 10) * 2 + 1;
        }
    }
    size_t count = (size_t)(argc - first);
    Input *all = calloc(count + 1, sizeof *all);
    for (size_t i = 0; all && i < count; i++) {
        all[i] = read_file(argv[(size_t)first + i]);
        test(all[i].data, all[i].size);
    }
    for (long n = 0; all && count > 0 && n < times; n++) {
        const Input *base = &all[dice(count)];
        Input copy = {malloc(base->size + 1), base->size};
        if (!copy.data) {
            return 1;
        }
        memcpy(copy.data, base->data, base->size);
        copy = damage(copy, all, count);
        test(copy.data, copy.size);
        free(copy.data);
    }
    for (size_t i = 0; all && i < count; i++) {
        free(all[i].data);
    }
    free(all);
    printf("%zu files, %ld damaged copies\n", count, times);
    return 0;
}
