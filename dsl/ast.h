/* The tree of a .tile file, as written: nothing is resolved, every node keeps its place. */
#ifndef TILE_AST_H
#define TILE_AST_H

#include "dsl/arena.h"
#include "dsl/diag.h"
#include "dsl/dtype.h"

/* Names are interned: equal text, equal pointer (within one Unit). */
typedef const char *Name;

typedef struct Expr Expr;
typedef struct Stmt Stmt;
typedef struct ExprList {
    Expr **items;
    int count, capacity;
} ExprList;
typedef struct StmtList {
    Stmt **items;
    int count, capacity;
} StmtList;

/* clang-format off */
/* E(enumerator, text form for messages and -d ast); binary ones a precedence a row */
#define TILE_UNARY(E) E(E_NEG, "-") E(E_LNOT, "!") E(E_BNOT, "~")
#define TILE_BINARY(E) \
    E(E_LOR, "||") E(E_LAND, "&&") E(E_BOR, "|") E(E_BXOR, "^") E(E_BAND, "&") \
    E(E_EQ, "==") E(E_NE, "!=") \
    E(E_LT, "<") E(E_LE, "<=") E(E_GT, ">") E(E_GE, ">=") \
    E(E_SHL, "<<") E(E_SHR, ">>") \
    E(E_ADD, "+") E(E_SUB, "-") \
    E(E_MUL, "*") E(E_DIV, "/") E(E_FDIV, "//") E(E_MOD, "%")

typedef enum ExprKind {
    E_NAME,      /* name */
    E_INT,       /* integer: 12, 0x1FFFF */
    E_FLOAT,     /* number: 1e-4, 0x1.8p-124 */
    E_STRING,    /* string */
    E_BOOL,      /* integer 0 or 1 */
    E_TUPLE,     /* args, two or more */
    E_COND,      /* a ? b : c */
    E_INDEX,     /* a [ args ] */
    E_CALL,      /* a ( args ) */
    E_MEMBER,    /* a . name */
    E_TUPGET,    /* a . integer */
    E_SLICE,     /* a +: b; only among args */
    E_FULL,      /* : ; only among args */
    E_NAMED,     /* name = a; only among args */
#define E(e, text) e,
    TILE_UNARY(E) TILE_BINARY(E)
#undef E
    E_KIND_COUNT
} ExprKind;

struct Expr {
    ExprKind kind;
    Pos pos;                         /* of the operator, name or literal: where the caret stands */
    Pos span;                        /* of the whole expression */
    Expr *a, *b, *c;
    ExprList args;
    Name name;
    uint64_t integer;                /* E_INT; 2^64 and more is a syntax error */
    double number;                   /* E_FLOAT */
    const char *string;              /* E_STRING, without quotes */
    uint32_t string_length;
    bool parens;                     /* written in parentheses */
    bool hex;                        /* E_INT written in hex */
    uint16_t height;                 /* of the tree: 1 for a leaf; limited, so recursion is safe */
};

typedef struct Ident { Name name; Pos pos; } Ident;
typedef struct IdentList { Ident *items; int count, capacity; } IdentList;

/* ID [( args )] or a number or a string: words of roles, storages and directives. */
typedef struct Word {
    Pos pos;
    Name name;                       /* NULL: a literal */
    bool has_args;
    ExprList args;
    Expr *literal;                   /* E_INT, E_FLOAT or E_STRING */
} Word;
typedef struct WordList { Word *items; int count, capacity; } WordList;

/* i in lo .. hi [by step] */
typedef struct Range { Ident index; Expr *lo, *hi, *step; } Range;
typedef struct RangeList { Range *items; int count, capacity; } RangeList;

typedef struct Field { Ident name; Expr *type; } Field;          /* type: E_INDEX, bf16[M, K] */
typedef struct FieldList { Field *items; int count, capacity; } FieldList;
typedef struct FieldInit { Ident name; Expr *value; } FieldInit;
typedef struct FieldInitList { FieldInit *items; int count, capacity; } FieldInitList;
typedef struct Role { Ident name; WordList words; StmtList body; Pos pos; } Role;
typedef struct RoleList { Role *items; int count, capacity; } RoleList;

typedef enum StmtKind {
    S_LET,       /* let names = value;   one name, or a tuple pattern */
    S_VAR,       /* var name = value; */
    S_CONST,     /* const name = value; */
    S_VIEW,      /* view name = value; */
    S_LOCAL,     /* local name : type;   type in value */
    S_ASSIGN,    /* target = value; */
    S_EXPR,      /* value; */
    S_PAR,       /* [attrs] par (ranges) body */
    S_FOR,       /* [attrs] for range body */
    S_SHARE,     /* [attrs] for (ranges) of (part, parts) body */
    S_IF,        /* if value body else orelse;  `else if` is an orelse of one S_IF (else_if set) */
    S_RETURN,    /* return value; */
    S_CONTINUE,
    S_PIPE,      /* pipe name [ value ] { fields }; */
    S_ROLES,     /* roles { roles } */
    S_PUT,       /* put name { inits }; */
    S_GET        /* get name as item body */
} StmtKind;

struct Stmt {
    StmtKind kind;
    Pos pos;                         /* of the first token (attributes included) */
    IdentList names;                 /* LET patterns; one for VAR CONST VIEW LOCAL PIPE PUT GET */
    Ident item;                      /* GET: the name after `as` */
    Expr *target, *value;
    Expr *part, *parts;              /* SHARE */
    RangeList ranges;
    WordList attrs;                  /* @unordered, @name */
    StmtList body, orelse;
    bool has_else, else_if;
    FieldList fields;
    FieldInitList inits;
    RoleList roles;
    Pos end;                         /* of the closing brace, where there is a block */
};

typedef struct Static {
    Ident name;
    Ident kind;                      /* dim, int, bool, type, tune or an enum's name */
    Expr *multiple;                  /* % unary, or NULL */
    Expr *init;                      /* = ternary, or NULL */
} Static;
typedef struct StaticList { Static *items; int count, capacity; } StaticList;

typedef enum Direction { DIR_SCALAR, DIR_IN, DIR_OUT, DIR_INOUT } Direction;
typedef struct Param {
    Ident name;
    Direction dir;                   /* DIR_SCALAR: none was written */
    Expr *type;                      /* E_NAME (scalar), E_INDEX (tensor), or E_CALL of `table` */
    bool optional;
    WordList storage;                /* @ words */
    const char *doc;                 /* ## comment lines above, joined by \n, or NULL */
} Param;
typedef struct ParamList { Param *items; int count, capacity; } ParamList;

typedef enum DirectiveKind {
    D_LET,       /* let name = value; */
    D_TUNE,      /* let name = tune { choices }; */
    D_REQUIRE,   /* require value; */
    D_WORDS,     /* words; the first is the directive's name */
    D_ROLE,      /* role name words { phrases } */
    D_PHASE      /* phase name { body } */
} DirectiveKind;

typedef struct Tune { Expr *lo, *hi, *step; } Tune;              /* hi, step may be NULL */
typedef struct TuneList { Tune *items; int count, capacity; } TuneList;
typedef struct Phrase { WordList words; } Phrase;                /* load a, store c tma overlap */
typedef struct PhraseList { Phrase *items; int count, capacity; } PhraseList;
typedef struct Directive Directive;
typedef struct DirectiveList { Directive *items; int count, capacity; } DirectiveList;
struct Directive {
    DirectiveKind kind;
    Pos pos;
    Ident name;
    Expr *value;
    TuneList tunes;
    WordList words;
    PhraseList phrases;
    DirectiveList body;
};

/* key : { set };   or   where value; */
typedef struct Inst { Ident key; ExprList set; Expr *where; Pos pos; } Inst;
typedef struct InstList { Inst *items; int count, capacity; } InstList;

typedef enum ItemKind {
    I_IMPORT,    /* import "file"; */
    I_EXTERN,    /* extern fn name(params) cuda("text") = value; */
    I_CONST,     /* const name = value; */
    I_ENUM,      /* enum name { members } */
    I_FN,        /* fn name(params) { body }  or  = value; */
    I_KERNEL,
    I_SCHEDULE,  /* schedule name for targets { directives } */
    I_INSTANCES  /* instances name { insts } */
} ItemKind;

typedef struct Item Item;
typedef struct ItemList { Item **items; int count, capacity; } ItemList;
struct Item {
    ItemKind kind;
    Pos pos;                         /* of the first token */
    Ident name;                      /* of what is declared; SCHEDULE, INSTANCES: of the kernel */
    Expr *value;                     /* IMPORT: the string; CONST; FN with `=`; EXTERN */
    IdentList members;               /* ENUM members; FN and EXTERN parameters; SCHEDULE targets */
    Ident extern_kind;               /* EXTERN: cuda */
    Expr *extern_text;
    StmtList body;                   /* FN, KERNEL */
    bool has_block;                  /* FN written with a block */
    StaticList statics;
    bool has_statics;                /* KERNEL with [ ] */
    ParamList params, scratch;
    Expr *where;
    Expr *when;                      /* SCHEDULE: which calls it is for, or NULL */
    DirectiveList directives;
    InstList insts;
    const char *doc;                 /* ## comment above, or NULL */
    Pos end;                         /* of the closing brace, where there is a block */
};

/* A comment, for fmt: comments are not in the tree but beside it, in source order. */
typedef struct Comment { Pos pos; bool own_line; } Comment;      /* own_line: nothing before it */
typedef struct CommentList { Comment *items; int count, capacity; } CommentList;

/* clang-format on */

/* One parsed file. */
typedef struct Unit Unit;
struct Unit {
    Source *source;
    ItemList items;
    CommentList comments;
    struct Interner *names;
};

/* parse.c: tokens through the grammar. */

/* Names of all units of one compilation. */
struct Interner *interner_new(Arena *);
Name intern(struct Interner *, const char *text, size_t length);

/* Parses a whole file. Reports to `diag` and returns the tree of what could be read, never NULL. */
Unit *parse_unit(Arena *, Diag *, struct Interner *, Source *);
/* Parses one expression (the debugger's `print`). NULL after an error. */
Expr *parse_expr(Arena *, Diag *, struct Interner *, Source *);

/* ast.c */
const char *expr_kind_text(ExprKind); /* "+", "name", ... */
/* Canonical text of an expression (one line), for messages, fmt and comments in emitted code. */
char *expr_text(Arena *, const Expr *);
/* The whole tree, one node a line where it helps: for tests and -d ast. */
void ast_dump(FILE *, const Unit *);

/* fmt.c: the whole unit in canonical form, comments kept; formatting its output changes nothing. */
char *format_unit(Arena *, const Unit *);

#endif
