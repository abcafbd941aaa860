/* Inside the reader of IR text: ir_reader.c takes its words, ir_read.c has the grammar of ops. */
#ifndef TILE_IR_READER_H
#define TILE_IR_READER_H

#include "compiler/ir_lex.h"

typedef struct ValueList {
    Value **items;
    int count, capacity;
} ValueList;
typedef struct TypeList {
    Type *items;
    int count, capacity;
} TypeList;
/* A value to be: %name.id where it is defined, and its type where that stands beside it. */
typedef struct Definition {
    const char *name;
    int id;
    Type type;
    Pos pos;
} Definition;
typedef struct DefinitionList {
    Definition *items;
    int count, capacity;
} DefinitionList;

typedef struct Reader {
    Arena *arena;
    Diag *diag;
    const Source *text;
    size_t at;
    IrToken token; /* the next one */
    Kernel *kernel;
    Source *sources; /* stand-ins for the sources that positions name */
    Value **slots;   /* by id, open addressing */
    size_t slot_count, slots_used;
    int max_id, depth;
} Reader;

/* All of these return false after a message, or where what they ask for is not there. */
bool ir_error_at(Reader *, Pos, const char *message);
bool ir_next(Reader *);
/* "expected WHAT" at the next token, unless that is reported already. */
bool ir_expected(Reader *, const char *what);
bool ir_is_punct(const Reader *, char);
/* Takes a character, or a word, if it is next. */
bool ir_accept(Reader *, char);
bool ir_accept_word(Reader *, const char *word);
bool ir_expect(Reader *, char, const char *what);
bool ir_read_int(Reader *, int64_t min, int64_t max, const char *what, int64_t *out);
bool ir_read_string(Reader *, const char *what, const char **out);
/* A word, bare or quoted. */
bool ir_read_name(Reader *, const char *what, const char **out);
/* The index of the next word among `count` names, -1 if it is none. */
int ir_find_word(const Reader *, const char *const *names, int count);
/* Gives a value its number and name. */
bool ir_define(Reader *, Value *, const Definition *);
bool ir_read_definition(Reader *, DefinitionList *);
bool ir_read_use(Reader *, ValueList *);
bool ir_read_extent(Reader *, int64_t *out);
bool ir_read_type(Reader *, Type *);
bool ir_read_line_column(Reader *, const char *source, Pos *);
/* Behind @: line:column in the kernel's source, or "file":line:column. */
bool ir_read_place(Reader *, Pos *);

#endif
