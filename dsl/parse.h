/* What the lexer, the grammar and the parser's driver share. */
#ifndef TILE_PARSE_H
#define TILE_PARSE_H

#include "dsl/ast.h"

enum {
    NESTING_LIMIT = 200,    /* open brackets; also arms of one if - else if chain */
    HEIGHT_LIMIT = 1000,    /* height of an expression tree: a + a + a + ... */
    SIZE_LIMIT = 512 << 20, /* bytes of one file */
    STACK_LIMIT = 8000,     /* entries of the parser's stack */
    TOKEN_LIMIT = 4000000   /* tokens and comments of one file */
};

/* A terminal of the grammar, with the place it has in the text; the name of an ID. */
typedef struct Token {
    Pos pos;
    Name name;
} Token;

/* intern.c: like intern(), and says which keyword it is: its token, 0 for a plain name. */
Name intern_word(struct Interner *, const char *text, size_t length, int *keyword);

/* lex.re */
typedef struct Lexer {
    Arena *arena;
    Diag *diag;
    struct Interner *names;
    const Source *source;
    const unsigned char *at;   /* the next byte to read */
    CommentList *comments;     /* where comments go, or NULL */
    const unsigned char *told; /* the last character that was reported as no token */
} Lexer;

Lexer lexer_new(Arena *, Diag *, struct Interner *, const Source *, CommentList *);
/* The next token's code; 0 at the end; TK_BAD for what is no token, after a message about it. */
int lex(Lexer *, Token *);

typedef struct Parser {
    Arena *arena;
    Diag *diag;
    Unit *unit;
    Lexer lexer;
    void *grammar;             /* Lemon's state */
    Token open[NESTING_LIMIT]; /* brackets open at this point */
    int depth;
    Token previous; /* the last token that was fed */
    int previous_code;
    Token first;   /* of the statement, directive or item */
    Token suspect; /* a `{` whose `}` stands at another indentation */
    bool held;     /* a token was put back: the next to be read */
    int held_code;
    Token held_token;
    int tokens;          /* read so far */
    bool one_expression; /* parse_expr */
    bool fresh;          /* no token was taken since the last recovery */
    bool stop;           /* no more is read: a limit was reached */
    Expr *result;        /* parse_expr's */
} Parser;

/* grammar.y, the driver's half */
bool grammar_accepts(void *grammar, int token);
int grammar_stack(void *grammar);    /* entries on the stack */
int grammar_braces(void *grammar);   /* `{` on the stack */
void grammar_settle(void *grammar);  /* a statement or item that has ended ends */
void grammar_restart(void *grammar); /* forgets the unfinished item */

/* grammar.y, as Lemon names them */
void *GrammarAlloc(void *(*allocate)(size_t), Parser *);
void GrammarFree(void *, void (*release)(void *));
void Grammar(void *, int code, Token);

/* syntax.c: messages about a token that the grammar does not accept here. */
void syntax_error(Parser *, int code, Token found);
/* The acceptable keyword that a name is a misspelling of, or 0. */
int nearest_keyword(Parser *, Token name);
/* Text of a token for a message: "`;`", "a name", "the end of the file". */
const char *token_text(int code);
bool token_is_keyword(int code);
bool token_starts_item(int code); /* and nothing else */
bool starts_line(Pos);            /* only blanks before it on its line */
bool same_line(const Token *before, const Token *after);

/* build.c: what the grammar's rules make. */
typedef struct Block {
    StmtList list;
    Pos begin, end;
} Block;

Pos join(Pos first, Pos last);
Ident ident(Token);
Expr *build_name(Parser *, Token);
Expr *build_int(Parser *, Token);
Expr *build_float(Parser *, Token);
Expr *build_string(Parser *, Token);
Expr *build_bool(Parser *, Token, bool);
Expr *build_parens(Expr *, Token open, Token close);
Expr *build_tuple(Parser *, Token open, ExprList, Token close);
Expr *build_unary(Parser *, ExprKind, Token op, Expr *);
Expr *build_binary(Parser *, ExprKind, Expr *, Token op, Expr *); /* E_SLICE too */
Expr *build_cond(Parser *, Expr *, Token op, Expr *, Expr *);
Expr *build_apply(Parser *, ExprKind, Expr *, ExprList, Token close); /* E_INDEX, E_CALL */
Expr *build_member(Parser *, Expr *, Token name);
Expr *build_tupget(Parser *, Expr *, Token number);
Expr *build_full(Parser *, Token);
Expr *build_named(Parser *, Token name, Expr *);
Stmt *build_stmt(Parser *, StmtKind, Token first);
Stmt *build_simple(Parser *, StmtKind, Token first, Token name, Expr *value);
Stmt *build_loop(Parser *, StmtKind, WordList attrs, Token first, RangeList, Block);
Stmt *build_if(Parser *, Token first, Expr *condition, Block then);
Stmt *build_else(Stmt *, Block);
Stmt *build_else_if(Parser *, Stmt *, Stmt *chained);
Item *build_item(Parser *, ItemKind, Token first, Token name);
Directive build_directive(DirectiveKind, Token first, Token name);
Word build_word(Token, bool has_args, ExprList);
Word build_literal(Expr *);
Param *build_param(Parser *, Token name, Direction, Expr *type, bool optional, WordList storage);

#endif
