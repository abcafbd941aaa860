/* What machine code says of itself: a cubin is an ELF file, and its section .nv.info lists, for
 * each entry, the registers and the bytes of stack of a thread. Records of it are a byte of
 * format, one of kind, two of size and as many bytes as that. Whatever looks otherwise is skipped:
 * then nothing is known. */
#include <string.h>

#include "compiler/asserts.h"

enum { REGISTERS = 0x2F, FRAME = 0x11, WITH_SIZE = 4 }; /* EIATTR_REGCOUNT, EIATTR_FRAME_SIZE */
enum { HEADER = 64, SECTION = 64, SYMBOL = 24, RECORD = 4 };

typedef struct File {
    const unsigned char *bytes;
    size_t size;
} File;
typedef struct Part {
    const unsigned char *bytes;
    size_t size;
} Part;

static uint64_t number(const unsigned char *p, int bytes)
{
    uint64_t n = 0;
    for (int i = bytes; i-- > 0;)
        n = n << 8 | p[i];
    return n;
}

static bool cut(const File *f, uint64_t at, uint64_t size, Part *out)
{
    bool inside = at <= f->size && size <= f->size - at;
    *out = inside ? (Part){f->bytes + at, (size_t)size} : (Part){0};
    return inside;
}

/* A string of a table that ends inside of it; "" else. */
static const char *string_at(const Part *table, uint64_t at)
{
    if (at >= table->size || !memchr(table->bytes + at, 0, table->size - (size_t)at))
        return "";
    return (const char *)table->bytes + at;
}

static bool section(const File *f, uint64_t number_of, Part *header, Part *body)
{
    uint64_t headers = number(f->bytes + 40, 8), count = number(f->bytes + 60, 2);
    return number_of < count && cut(f, headers + number_of * SECTION, SECTION, header) &&
           cut(f, number(header->bytes + 24, 8), number(header->bytes + 32, 8), body);
}

static bool find_section(const File *f, const char *name, Part *header, Part *body)
{
    uint64_t count = number(f->bytes + 60, 2), names = number(f->bytes + 62, 2);
    Part h, table;
    if (!section(f, names, &h, &table))
        return false;
    for (uint64_t i = 0; i < count; i++)
        if (section(f, i, header, body) &&
            strcmp(string_at(&table, number(header->bytes, 4)), name) == 0)
            return true;
    return false;
}

/* The number of the symbol; -1: there is none. */
static int64_t find_symbol(const File *f, const char *name)
{
    Part header, symbols, h, strings;
    if (!find_section(f, ".symtab", &header, &symbols) ||
        !section(f, number(header.bytes + 40, 4), &h, &strings))
        return -1;
    for (size_t i = 0; (i + 1) * SYMBOL <= symbols.size; i++)
        if (strcmp(string_at(&strings, number(symbols.bytes + i * SYMBOL, 4)), name) == 0)
            return (int64_t)i;
    return -1;
}

static bool find_record(const Part *info, int kind, int64_t symbol, int *out)
{
    for (size_t at = 0; at + RECORD <= info->size;) {
        const unsigned char *p = info->bytes + at;
        size_t size = p[0] == WITH_SIZE ? (size_t)number(p + 2, 2) : 0;
        at += RECORD + size;
        if (p[0] != WITH_SIZE || p[1] != kind || size != 8 || at > info->size ||
            (int64_t)number(p + 4, 4) != symbol)
            continue;
        *out = (int)number(p + 8, 4);
        return true;
    }
    return false;
}

bool cubin_usage(const void *cubin, size_t size, const char *entry, int *registers, int *stack)
{
    File f = {cubin, size};
    Part header, info;
    if (size < HEADER || memcmp(cubin, "\177ELF\2\1", 6) != 0)
        return false;
    int64_t symbol = find_symbol(&f, entry);
    return symbol >= 0 && find_section(&f, ".nv.info", &header, &info) &&
           find_record(&info, REGISTERS, symbol, registers) &&
           find_record(&info, FRAME, symbol, stack);
}
