/* UTF-8, as much as messages and columns need. */
#ifndef TILE_UTF8_H
#define TILE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of the character at `s` (before `end`) and its code point; 0 where the bytes are no
 * shortest-form UTF-8 of a code point. */
static inline int utf8_decode(const unsigned char *s, const unsigned char *end, uint32_t *c)
{
    *c = s[0];
    if (s[0] < 0x80)
        return 1;
    int n = s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
    if (n == 0 || end - s < n)
        return 0;
    uint32_t v = s[0] & (0x7Fu >> n);
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        v = v << 6 | (s[i] & 0x3Fu);
    }
    if ((n == 3 && v < 0x800) || (n == 4 && v < 0x10000) || v > 0x10FFFF ||
        (v >= 0xD800 && v < 0xE000))
        return 0;
    *c = v;
    return n;
}

/* False for controls and for characters that change the order or the width of others: they are not
 * shown to a terminal. */
static inline bool utf8_visible(uint32_t c)
{
    return !(c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x61C || c == 0x180E ||
             (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
             (c >= 0x2060 && c <= 0x206F) || (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF ||
             (c >= 0xFFF0 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE0FFF));
}

/* Columns of a terminal that a visible character takes. */
static inline int utf8_width(uint32_t c)
{
    if (c >= 0x300 && c <= 0x36F)
        return 0;
    return (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) ||
                   (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xF900 && c <= 0xFAFF) ||
                   (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
                   (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x1F300 && c <= 0x1FAFF) ||
                   (c >= 0x20000 && c <= 0x3FFFD)
               ? 2
               : 1;
}

#endif
