/* What the printer and the reader of IR text share. */
#ifndef TILE_IR_TEXT_H
#define TILE_IR_TEXT_H

#include "compiler/ir.h"

/* Places further down or right are printed as these. */
enum { MAX_COLUMN = (1 << PLACE_COLUMN_BITS) - 1, MAX_LINE = (1 << 20) - 1 };

static inline void ir_clamp_place(int *line, int *column)
{
    *line = *line > MAX_LINE ? MAX_LINE : *line;
    *column = *column > MAX_COLUMN ? MAX_COLUMN : *column;
}

static inline bool ir_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

/* One word of the text form: a letter or _, then letters, digits, _ and dots. */
static inline bool ir_is_word(const char *s, size_t length)
{
    if (length == 0 || (s[0] >= '0' && s[0] <= '9') || s[0] == '.')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!ir_word_char(s[i]))
            return false;
    return true;
}

static inline const char *ir_region_label(OpCode code, int index, int count)
{
    switch (code) {
    case OP_PAR:
    case OP_SHARE:
        return index < count - 1 ? "range" : "body";
    case OP_IF:
        return index == 0 ? "then" : "else";
    case OP_ROLES:
        return "role";
    default:
        return "body";
    }
}

#endif
