/* The terminals of the grammar: X(token without TK_, text).  Keywords are reserved words. */
#ifndef TILE_TOKENS_H
#define TILE_TOKENS_H

/* clang-format off */
#define TILE_KEYWORDS(X)                                                                        \
    X(IMPORT, "import") X(EXTERN, "extern") X(FN, "fn") X(CONST, "const") X(ENUM, "enum")       \
    X(KERNEL, "kernel") X(SCHEDULE, "schedule") X(INSTANCES, "instances") X(TUNE, "tune")       \
    X(IN, "in") X(OUT, "out") X(INOUT, "inout") X(SCRATCH, "scratch") X(WHERE, "where")         \
    X(LET, "let") X(VAR, "var") X(VIEW, "view") X(LOCAL, "local") X(PAR, "par") X(FOR, "for")   \
    X(OF, "of") X(BY, "by") X(IF, "if") X(ELSE, "else") X(RETURN, "return")                     \
    X(CONTINUE, "continue") X(PIPE, "pipe") X(ROLES, "roles") X(ROLE, "role") X(PUT, "put")     \
    X(GET, "get") X(AS, "as") X(REQUIRE, "require") X(WHEN, "when") X(PHASE, "phase")           \
    X(TRUE, "true") X(FALSE, "false")

#define TILE_PUNCTUATION(X)                                                                     \
    X(SEMI, ";") X(COMMA, ",") X(RPAREN, ")") X(RBRACKET, "]") X(RBRACE, "}") X(ASSIGN, "=")    \
    X(COLON, ":") X(SLICE, "+:") X(DOTDOT, "..") X(LPAREN, "(") X(LBRACKET, "[")                \
    X(LBRACE, "{") X(AT, "@") X(DOT, ".") X(QUESTION, "?") X(LOR, "||") X(LAND, "&&")           \
    X(BOR, "|") X(BXOR, "^") X(BAND, "&") X(EQ, "==") X(NE, "!=") X(LT, "<") X(LE, "<=")        \
    X(GT, ">") X(GE, ">=") X(SHL, "<<") X(SHR, ">>") X(PLUS, "+") X(MINUS, "-") X(STAR, "*")    \
    X(SLASH, "/") X(FLOOR, "//") X(PERCENT, "%") X(NOT, "!") X(TILDE, "~")
/* clang-format on */

#endif
