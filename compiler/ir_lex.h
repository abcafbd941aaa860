/* Words of the IR's text form. */
#ifndef TILE_IR_LEX_H
#define TILE_IR_LEX_H

#include "compiler/ir.h"

typedef enum IrTokenKind {
    IR_END,
    IR_WORD,
    IR_VALUE,
    IR_NUMBER,
    IR_STRING,
    IR_PUNCT, /* one character; '+' stands for "+:" */
    IR_BAD    /* reported */
} IrTokenKind;

typedef struct IrToken {
    IrTokenKind kind;
    Pos pos;
    const char *text; /* in the source: WORD, NUMBER; arena: STRING, VALUE's name */
    size_t length;
    int id; /* VALUE */
    char punct;
} IrToken;

/* The token at *at, which moves behind it. Reports what is no token. */
IrToken ir_lex(Arena *, Diag *, const Source *, size_t *at);
bool ir_token_is(const IrToken *, const char *word);
/* A decimal integer between min and max. */
bool ir_token_int(const IrToken *, int64_t min, int64_t max, int64_t *out);
/* The element code that a NUMBER or true or false means in type `t`: an integer, a decimal
 * fraction for f32 and f64, a code in hexadecimal for all. */
bool ir_token_code(const IrToken *, DType t, uint64_t *bits);

#endif
