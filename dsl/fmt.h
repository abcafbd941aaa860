/* What the two halves of the formatter share: the pieces of a file, and how they may be set. */
#ifndef TILE_FMT_H
#define TILE_FMT_H

#include "dsl/parse.h"

enum { WIDTH = 100, INDENT = 2, COMMENT = -1 };

typedef struct Piece {
    int code; /* a token's, or COMMENT */
    Pos pos;
    int width;
    int space;     /* blanks before it on a line */
    int rank;      /* of a line end before it: 0 none, small is better */
    int partner;   /* of a bracket: index of the other one */
    int newlines;  /* line ends before it in the source */
    bool own_line; /* COMMENT */
    bool kept;     /* the line end before it is kept */
} Piece;

typedef struct PieceList {
    Piece *items;
    int count, capacity;
} PieceList;

/* fmt_pieces.c: the tokens and comments of a unit without errors, in order. */
PieceList fmt_pieces(Arena *, const Unit *);
int text_width(Pos);  /* in characters */
bool opens(int code); /* a bracket */
bool closes(int code);

#endif
