// The language of docs/language.md, rule by rule as in the design's grammar sketch.  Conflict-free.
//
// Actions only call build.c.  Rules with `error` are the places where reading goes on after a
// syntax
// error; the driver in parse.c skips the text between and feeds the token that follows `error`.
// IN_FILE, IN_EXPR: the first token, chosen by the driver.  BAD: what no rule accepts.

%name Grammar
%token_prefix TK_
%token_type {Token}
%default_type {Token}
%extra_context {Parser *p}
%stack_size 0
%token BAD.

%include {
#include <stdlib.h>

#include "dsl/parse.h"
#include "grammar.h"

#ifndef NDEBUG
#define NDEBUG 1                     // before Lemon's <assert.h>: its trace code is not wanted
#endif
#define LIST(L, x) PUSH(p->arena, &(L), (x))
}

%syntax_error { }
%parse_failure { }
%stack_overflow {
    diag_error(p->diag, p->previous.pos, NULL, "out of memory for the parser's stack");
    p->stop = true;
}

%right QUESTION.
%left LOR.
%left LAND.
%left BOR.
%left BXOR.
%left BAND.
%left EQ NE.
%left LT LE GT GE.
%left SHL SHR.
%left PLUS MINUS.
%left STAR SLASH FLOOR PERCENT.

%type item {Item *}
%type names {IdentList}
%type names_opt {IdentList}
%type statics {StaticList}
%type static_list {StaticList}
%type static {Static}
%type multiple {Expr *}
%type init {Expr *}
%type params {ParamList}
%type param {Param *}
%type direction {Direction}
%type optional {bool}
%type scratch {ParamList}
%type where {Expr *}
%type when {Expr *}
%type block {Block}
%type stmts {StmtList}
%type stmt {Stmt *}
%type if {Stmt *}
%type attrs {WordList}
%type attr {Word}
%type ranges {RangeList}
%type range {Range}
%type pattern {IdentList}
%type role_list {RoleList}
%type role {Role}
%type fields {FieldList}
%type inits {FieldInitList}
%type targets {IdentList}
%type directives {DirectiveList}
%type directive {Directive}
%type tunes {TuneList}
%type tune {Tune}
%type words {WordList}
%type word {Word}
%type phrases_opt {PhraseList}
%type phrases {PhraseList}
%type phrase {Phrase}
%type insts {InstList}
%type inst {Inst}
%type exprs {ExprList}
%type exprs_opt {ExprList}
%type expr {Expr *}
%type unary {Expr *}
%type postfix {Expr *}
%type atom {Expr *}
%type args {ExprList}
%type args_opt {ExprList}
%type arg {Expr *}
%type literal {Expr *}

start ::= IN_FILE items.
start ::= IN_EXPR expr(E). { p->result = E; }

// ---- items

items ::= .
items ::= items item(I). { LIST(p->unit->items, I); }
items ::= items broken_item.
items ::= error SEMI.
items ::= items error SEMI.

broken_item ::= KERNEL broken.
broken_item ::= FN broken.
broken_item ::= SCHEDULE broken_directives.
broken_item ::= INSTANCES error LBRACE insts RBRACE.
broken_item ::= INSTANCES error SEMI.

item(A) ::= IMPORT(K) STRING(S) SEMI. {
    A = build_item(p, I_IMPORT, K, (Token){0});
    A->value = build_string(p, S);
}
item(A) ::= EXTERN(K) FN ID(N) LPAREN names(P) RPAREN ID(C) LPAREN STRING(S) RPAREN
            ASSIGN expr(E) SEMI. {
    A = build_item(p, I_EXTERN, K, N);
    A->members = P;
    A->extern_kind = ident(C);
    A->extern_text = build_string(p, S);
    A->value = E;
}
item(A) ::= CONST(K) ID(N) ASSIGN expr(E) SEMI. {
    A = build_item(p, I_CONST, K, N);
    A->value = E;
}
item(A) ::= ENUM(K) ID(N) LBRACE names(M) RBRACE(R). {
    A = build_item(p, I_ENUM, K, N);
    A->members = M;
    A->end = R.pos;
}
item(A) ::= FN(K) ID(N) LPAREN names_opt(P) RPAREN block(B). {
    A = build_item(p, I_FN, K, N);
    A->members = P;
    A->has_block = true;
    A->body = B.list;
    A->end = B.end;
}
item(A) ::= FN(K) ID(N) LPAREN names_opt(P) RPAREN ASSIGN expr(E) SEMI. {
    A = build_item(p, I_FN, K, N);
    A->members = P;
    A->value = E;
}
item(A) ::= KERNEL(K) ID(N) statics(S) LPAREN params(P) RPAREN scratch(C) where(W) block(B). {
    A = build_item(p, I_KERNEL, K, N);
    A->statics = S;
    A->has_statics = S.count > 0;
    A->params = P;
    A->scratch = C;
    A->where = W;
    A->body = B.list;
    A->end = B.end;
}
item(A) ::= SCHEDULE(K) ID(N) targets(T) when(W) LBRACE directives(D) RBRACE(R). {
    A = build_item(p, I_SCHEDULE, K, N);
    A->members = T;
    A->when = W;
    A->directives = D;
    A->end = R.pos;
}
item(A) ::= INSTANCES(K) ID(N) LBRACE insts(L) RBRACE(R). {
    A = build_item(p, I_INSTANCES, K, N);
    A->insts = L;
    A->end = R.pos;
}

names_opt(A) ::= . { A = (IdentList){0}; }
names_opt(A) ::= names(L). { A = L; }
names(A) ::= ID(N). { A = (IdentList){0}; LIST(A, ident(N)); }
names(A) ::= names(L) COMMA ID(N). { A = L; LIST(A, ident(N)); }

targets(A) ::= . { A = (IdentList){0}; }
targets(A) ::= FOR names(L). { A = L; }
when(A) ::= . { A = NULL; }
when(A) ::= WHEN expr(E). { A = E; }

// ---- kernel headers

statics(A) ::= . { A = (StaticList){0}; }
statics(A) ::= LBRACKET static_list(L) RBRACKET. { A = L; }
static_list(A) ::= static(S). { A = (StaticList){0}; LIST(A, S); }
static_list(A) ::= static_list(L) COMMA static(S). { A = L; LIST(A, S); }
static(A) ::= ID(N) COLON kind(K) multiple(M) init(I). {
    A = (Static){.name = ident(N), .kind = ident(K), .multiple = M, .init = I};
}
kind(A) ::= ID(N). { A = N; }
kind(A) ::= TUNE(N). { A = N; }
multiple(A) ::= . { A = NULL; }
multiple(A) ::= PERCENT unary(E). { A = E; }
init(A) ::= . { A = NULL; }
init(A) ::= ASSIGN expr(E). { A = E; }

params(A) ::= param(P). { A = (ParamList){0}; LIST(A, *P); }
params(A) ::= params(L) COMMA param(P). { A = L; LIST(A, *P); }
param(A) ::= ID(N) COLON direction(D) postfix(T) optional(O) attrs(S). {
    A = build_param(p, N, D, T, O, S);
}
direction(A) ::= . { A = DIR_SCALAR; }
direction(A) ::= IN. { A = DIR_IN; }
direction(A) ::= OUT. { A = DIR_OUT; }
direction(A) ::= INOUT. { A = DIR_INOUT; }
optional(A) ::= . { A = false; }
optional(A) ::= QUESTION. { A = true; }

scratch(A) ::= . { A = (ParamList){0}; }
scratch(A) ::= SCRATCH LPAREN params(L) RPAREN. { A = L; }
where(A) ::= . { A = NULL; }
where(A) ::= WHERE expr(E). { A = E; }

// ---- statements

block(A) ::= LBRACE(L) stmts(S) RBRACE(R). { A = (Block){S, L.pos, R.pos}; }

broken ::= error block.
broken ::= error SEMI.

stmts(A) ::= . { A = (StmtList){0}; }
stmts(A) ::= stmts(L) stmt(S). { A = L; LIST(A, S); }
stmts(A) ::= stmts(L) broken_stmt. { A = L; }
stmts(A) ::= error SEMI. { A = (StmtList){0}; }
stmts(A) ::= stmts(L) error SEMI. { A = L; }

broken_stmt ::= attrs PAR broken.
broken_stmt ::= attrs FOR broken.
broken_stmt ::= IF broken.
broken_stmt ::= IF error block ELSE block.
broken_stmt ::= IF error block ELSE if.
broken_stmt ::= GET broken.

stmt(A) ::= LET(K) pattern(P) ASSIGN expr(E) SEMI. {
    A = build_stmt(p, S_LET, K);
    A->names = P;
    A->value = E;
}
stmt(A) ::= VAR(K) ID(N) ASSIGN expr(E) SEMI. { A = build_simple(p, S_VAR, K, N, E); }
stmt(A) ::= CONST(K) ID(N) ASSIGN expr(E) SEMI. { A = build_simple(p, S_CONST, K, N, E); }
stmt(A) ::= VIEW(K) ID(N) ASSIGN expr(E) SEMI. { A = build_simple(p, S_VIEW, K, N, E); }
stmt(A) ::= LOCAL(K) ID(N) COLON postfix(T) SEMI. { A = build_simple(p, S_LOCAL, K, N, T); }
stmt(A) ::= postfix(T) ASSIGN expr(E) SEMI. {
    A = build_stmt(p, S_ASSIGN, (Token){.pos = T->span});
    A->target = T;
    A->value = E;
}
stmt(A) ::= postfix(E) SEMI. {
    A = build_stmt(p, S_EXPR, (Token){.pos = E->span});
    A->value = E;
}
stmt(A) ::= attrs(W) PAR(K) LPAREN ranges(R) RPAREN block(B). {
    A = build_loop(p, S_PAR, W, K, R, B);
}
stmt(A) ::= attrs(W) FOR(K) range(R) block(B). {
    RangeList one = {0};
    LIST(one, R);
    A = build_loop(p, S_FOR, W, K, one, B);
}
stmt(A) ::= attrs(W) FOR(K) LPAREN ranges(R) RPAREN OF LPAREN expr(I) COMMA expr(N) RPAREN
            block(B). {
    A = build_loop(p, S_SHARE, W, K, R, B);
    A->part = I;
    A->parts = N;
}
stmt(A) ::= if(S). { A = S; }
stmt(A) ::= RETURN(K) expr(E) SEMI. {
    A = build_stmt(p, S_RETURN, K);
    A->value = E;
}
stmt(A) ::= CONTINUE(K) SEMI. { A = build_stmt(p, S_CONTINUE, K); }
stmt(A) ::= PIPE(K) ID(N) LBRACKET expr(E) RBRACKET LBRACE fields(F) RBRACE(R) SEMI. {
    A = build_simple(p, S_PIPE, K, N, E);
    A->fields = F;
    A->end = R.pos;
}
stmt(A) ::= ROLES(K) LBRACE role_list(L) RBRACE(R). {
    A = build_stmt(p, S_ROLES, K);
    A->roles = L;
    A->end = R.pos;
}
stmt(A) ::= PUT(K) ID(N) LBRACE inits(F) RBRACE(R) SEMI. {
    A = build_simple(p, S_PUT, K, N, NULL);
    A->inits = F;
    A->end = R.pos;
}
stmt(A) ::= GET(K) ID(N) AS ID(I) block(B). {
    A = build_simple(p, S_GET, K, N, NULL);
    A->item = ident(I);
    A->body = B.list;
    A->end = B.end;
}

if(A) ::= IF(K) expr(E) block(B). { A = build_if(p, K, E, B); }
if(A) ::= IF(K) expr(E) block(B) ELSE block(C). { A = build_else(build_if(p, K, E, B), C); }
if(A) ::= IF(K) expr(E) block(B) ELSE if(S). {
    A = build_else_if(p, build_if(p, K, E, B), S);
}

pattern(A) ::= ID(N). { A = (IdentList){0}; LIST(A, ident(N)); }
pattern(A) ::= LPAREN names(L) COMMA ID(N) RPAREN. { A = L; LIST(A, ident(N)); }

attrs(A) ::= . { A = (WordList){0}; }
attrs(A) ::= attrs(L) attr(W). { A = L; LIST(A, W); }
attr(A) ::= AT ID(N). { A = build_word(N, false, (ExprList){0}); }
attr(A) ::= AT ID(N) LPAREN args_opt(L) RPAREN. { A = build_word(N, true, L); }

ranges(A) ::= range(R). { A = (RangeList){0}; LIST(A, R); }
ranges(A) ::= ranges(L) COMMA range(R). { A = L; LIST(A, R); }
range(A) ::= ID(N) IN expr(L) DOTDOT expr(H). {
    A = (Range){.index = ident(N), .lo = L, .hi = H};
}
range(A) ::= ID(N) IN expr(L) DOTDOT expr(H) BY expr(S). {
    A = (Range){.index = ident(N), .lo = L, .hi = H, .step = S};
}

role_list(A) ::= role(R). { A = (RoleList){0}; LIST(A, R); }
role_list(A) ::= role_list(L) role(R). { A = L; LIST(A, R); }
role_list(A) ::= ROLE broken. { A = (RoleList){0}; }
role_list(A) ::= role_list(L) ROLE broken. { A = L; }
role_list(A) ::= error SEMI. { A = (RoleList){0}; }
role_list(A) ::= role_list(L) error SEMI. { A = L; }
role(A) ::= ROLE(K) ID(N) words(W) block(B). {
    A = (Role){.name = ident(N), .words = W, .body = B.list, .pos = K.pos};
}

fields(A) ::= ID(N) COLON postfix(T). { A = (FieldList){0}; LIST(A, ((Field){ident(N), T})); }
fields(A) ::= fields(L) COMMA ID(N) COLON postfix(T). { A = L; LIST(A, ((Field){ident(N), T})); }
inits(A) ::= ID(N) ASSIGN expr(E). { A = (FieldInitList){0}; LIST(A, ((FieldInit){ident(N), E})); }
inits(A) ::= inits(L) COMMA ID(N) ASSIGN expr(E). { A = L; LIST(A, ((FieldInit){ident(N), E})); }

// ---- schedules and instances

broken_directives ::= error LBRACE directives RBRACE.
broken_directives ::= error SEMI.

directives(A) ::= . { A = (DirectiveList){0}; }
directives(A) ::= directives(L) directive(D). { A = L; LIST(A, D); }
directives(A) ::= directives(L) PHASE broken_directives. { A = L; }
directives(A) ::= error SEMI. { A = (DirectiveList){0}; }
directives(A) ::= directives(L) error SEMI. { A = L; }

directive(A) ::= LET(K) ID(N) ASSIGN expr(E) SEMI. {
    A = build_directive(D_LET, K, N);
    A.value = E;
}
directive(A) ::= LET(K) ID(N) ASSIGN TUNE LBRACE tunes(L) RBRACE SEMI. {
    A = build_directive(D_TUNE, K, N);
    A.tunes = L;
}
directive(A) ::= REQUIRE(K) expr(E) SEMI. {
    A = build_directive(D_REQUIRE, K, (Token){0});
    A.value = E;
}
directive(A) ::= ID(N) words(W) SEMI. {
    WordList all = {0};
    A = build_directive(D_WORDS, N, N);
    LIST(all, build_word(N, false, (ExprList){0}));
    for (int i = 0; i < W.count; i++)
        LIST(all, W.items[i]);
    A.words = all;
}
directive(A) ::= ROLE(K) ID(N) words(W) LBRACE phrases_opt(L) RBRACE. {
    A = build_directive(D_ROLE, K, N);
    A.words = W;
    A.phrases = L;
}
directive(A) ::= PHASE(K) ID(N) LBRACE directives(D) RBRACE. {
    A = build_directive(D_PHASE, K, N);
    A.body = D;
}

tunes(A) ::= tune(T). { A = (TuneList){0}; LIST(A, T); }
tunes(A) ::= tunes(L) COMMA tune(T). { A = L; LIST(A, T); }
tune(A) ::= expr(L). { A = (Tune){.lo = L}; }
tune(A) ::= expr(L) DOTDOT expr(H). { A = (Tune){.lo = L, .hi = H}; }
tune(A) ::= expr(L) DOTDOT expr(H) BY expr(S). { A = (Tune){L, H, S}; }

words(A) ::= . { A = (WordList){0}; }
words(A) ::= words(L) word(W). { A = L; LIST(A, W); }
word(A) ::= ID(N). { A = build_word(N, false, (ExprList){0}); }
word(A) ::= ID(N) LPAREN args(L) RPAREN. { A = build_word(N, true, L); }
word(A) ::= literal(E). { A = build_literal(E); }

phrases_opt(A) ::= . { A = (PhraseList){0}; }
phrases_opt(A) ::= phrases(L). { A = L; }
phrases(A) ::= phrase(P). { A = (PhraseList){0}; LIST(A, P); }
phrases(A) ::= phrases(L) COMMA phrase(P). { A = L; LIST(A, P); }
phrase(A) ::= ID(N) words(W). {
    A = (Phrase){0};
    LIST(A.words, build_word(N, false, (ExprList){0}));
    for (int i = 0; i < W.count; i++)
        LIST(A.words, W.items[i]);
}

insts(A) ::= . { A = (InstList){0}; }
insts(A) ::= insts(L) inst(I). { A = L; LIST(A, I); }
insts(A) ::= error SEMI. { A = (InstList){0}; }
insts(A) ::= insts(L) error SEMI. { A = L; }
inst(A) ::= ID(N) COLON LBRACE exprs_opt(L) RBRACE SEMI. {
    A = (Inst){.key = ident(N), .set = L, .pos = N.pos};
}
inst(A) ::= WHERE(K) expr(E) SEMI. { A = (Inst){.where = E, .pos = K.pos}; }

// ---- expressions

exprs_opt(A) ::= . { A = (ExprList){0}; }
exprs_opt(A) ::= exprs(L). { A = L; }
exprs(A) ::= expr(E). { A = (ExprList){0}; LIST(A, E); }
exprs(A) ::= exprs(L) COMMA expr(E). { A = L; LIST(A, E); }

expr(A) ::= unary(E). { A = E; }
expr(A) ::= expr(C) QUESTION(T) expr(X) COLON expr(Y). [QUESTION] { A = build_cond(p, C, T, X, Y); }
expr(A) ::= expr(X) LOR(T) expr(Y). { A = build_binary(p, E_LOR, X, T, Y); }
expr(A) ::= expr(X) LAND(T) expr(Y). { A = build_binary(p, E_LAND, X, T, Y); }
expr(A) ::= expr(X) BOR(T) expr(Y). { A = build_binary(p, E_BOR, X, T, Y); }
expr(A) ::= expr(X) BXOR(T) expr(Y). { A = build_binary(p, E_BXOR, X, T, Y); }
expr(A) ::= expr(X) BAND(T) expr(Y). { A = build_binary(p, E_BAND, X, T, Y); }
expr(A) ::= expr(X) EQ(T) expr(Y). { A = build_binary(p, E_EQ, X, T, Y); }
expr(A) ::= expr(X) NE(T) expr(Y). { A = build_binary(p, E_NE, X, T, Y); }
expr(A) ::= expr(X) LT(T) expr(Y). { A = build_binary(p, E_LT, X, T, Y); }
expr(A) ::= expr(X) LE(T) expr(Y). { A = build_binary(p, E_LE, X, T, Y); }
expr(A) ::= expr(X) GT(T) expr(Y). { A = build_binary(p, E_GT, X, T, Y); }
expr(A) ::= expr(X) GE(T) expr(Y). { A = build_binary(p, E_GE, X, T, Y); }
expr(A) ::= expr(X) SHL(T) expr(Y). { A = build_binary(p, E_SHL, X, T, Y); }
expr(A) ::= expr(X) SHR(T) expr(Y). { A = build_binary(p, E_SHR, X, T, Y); }
expr(A) ::= expr(X) PLUS(T) expr(Y). { A = build_binary(p, E_ADD, X, T, Y); }
expr(A) ::= expr(X) MINUS(T) expr(Y). { A = build_binary(p, E_SUB, X, T, Y); }
expr(A) ::= expr(X) STAR(T) expr(Y). { A = build_binary(p, E_MUL, X, T, Y); }
expr(A) ::= expr(X) SLASH(T) expr(Y). { A = build_binary(p, E_DIV, X, T, Y); }
expr(A) ::= expr(X) FLOOR(T) expr(Y). { A = build_binary(p, E_FDIV, X, T, Y); }
expr(A) ::= expr(X) PERCENT(T) expr(Y). { A = build_binary(p, E_MOD, X, T, Y); }

unary(A) ::= postfix(E). { A = E; }
unary(A) ::= MINUS(T) unary(E). { A = build_unary(p, E_NEG, T, E); }
unary(A) ::= NOT(T) unary(E). { A = build_unary(p, E_LNOT, T, E); }
unary(A) ::= TILDE(T) unary(E). { A = build_unary(p, E_BNOT, T, E); }

postfix(A) ::= atom(E). { A = E; }
postfix(A) ::= postfix(E) LBRACKET args(L) RBRACKET(R). { A = build_apply(p, E_INDEX, E, L, R); }
postfix(A) ::= postfix(E) LPAREN args_opt(L) RPAREN(R). { A = build_apply(p, E_CALL, E, L, R); }
postfix(A) ::= postfix(E) DOT ID(N). { A = build_member(p, E, N); }
postfix(A) ::= postfix(E) DOT INT(N). { A = build_tupget(p, E, N); }

atom(A) ::= ID(N). { A = build_name(p, N); }
atom(A) ::= literal(E). { A = E; }
atom(A) ::= TRUE(T). { A = build_bool(p, T, true); }
atom(A) ::= FALSE(T). { A = build_bool(p, T, false); }
atom(A) ::= LPAREN(L) expr(E) RPAREN(R). { A = build_parens(E, L, R); }
atom(A) ::= LPAREN(L) exprs(X) COMMA expr(E) RPAREN(R). {
    LIST(X, E);
    A = build_tuple(p, L, X, R);
}

literal(A) ::= INT(T). { A = build_int(p, T); }
literal(A) ::= NUM(T). { A = build_float(p, T); }
literal(A) ::= STRING(T). { A = build_string(p, T); }

args_opt(A) ::= . { A = (ExprList){0}; }
args_opt(A) ::= args(L). { A = L; }
args(A) ::= arg(E). { A = (ExprList){0}; LIST(A, E); }
args(A) ::= args(L) COMMA arg(E). { A = L; LIST(A, E); }
arg(A) ::= expr(E). { A = E; }
arg(A) ::= expr(X) SLICE(T) expr(Y). { A = build_binary(p, E_SLICE, X, T, Y); }
arg(A) ::= COLON(T). { A = build_full(p, T); }
arg(A) ::= ID(N) ASSIGN expr(E). { A = build_named(p, N, E); }

%code {
// Would `token` be shifted after the reductions it allows?  The stack stays as it is: `pushed`
// holds
// the states above the first `kept` entries.
bool grammar_accepts(void *grammar, int token)
{
    enum { DEEPEST = 64 };
    const yyParser *g = grammar;
    YYACTIONTYPE pushed[DEEPEST];
    int count = 0;
    long kept = g->yytos - g->yystack;
    for (;;) {
        YYACTIONTYPE state = count > 0 ? pushed[count - 1] : g->yystack[kept].stateno;
        YYACTIONTYPE act = yy_find_shift_action((YYCODETYPE)token, state);
        if (act < YY_MIN_REDUCE)
            return act <= YY_MAX_SHIFTREDUCE || act == YY_ACCEPT_ACTION;
        int rule = act - YY_MIN_REDUCE;
        for (int n = -yyRuleInfoNRhs[rule]; n > 0; n--) {
            if (count > 0)
                count--;
            else
                kept--;
        }
        state = count > 0 ? pushed[count - 1] : g->yystack[kept].stateno;
        if (count == DEEPEST)
            return true;             // cannot happen: no rule nests that many empty ones
        pushed[count++] = yy_find_reduce_action(state, yyRuleInfoLhs[rule]);
    }
}

int grammar_stack(void *grammar)
{
    const yyParser *g = grammar;
    return (int)(g->yytos - g->yystack);
}

int grammar_braces(void *grammar)
{
    const yyParser *g = grammar;
    int n = 0;
    for (const yyStackEntry *e = g->yystack; e <= g->yytos; e++)
        n += e->major == TK_LBRACE;
    return n;
}

// After a `;` or a `}` what they end is reduced only when the next token is known.  If that token
// is
// wrong, this reduces it all the same, so that the error does not take it back.
void grammar_settle(void *grammar)
{
    yyParser *g = grammar;
    if (g->yytos->major != TK_SEMI && g->yytos->major != TK_RBRACE)
        return;
    for (int token = 0; token < YYNTOKEN;) {
        YYACTIONTYPE state = g->yytos->stateno;
        if (yy_find_reduce_action(state, YYERRORSYMBOL) <= YY_MAX_SHIFTREDUCE)
            return;
        YYACTIONTYPE act = yy_find_shift_action((YYCODETYPE)token, state);
        token++;
        if (act >= YY_MIN_REDUCE) {
            yy_reduce(g, act - YY_MIN_REDUCE, YYNOCODE, (Token){0}, g->p);
            token = 0;
        }
    }
}

void grammar_restart(void *grammar)
{
    yyParser *g = grammar;
    while (g->yytos > g->yystack)
        yy_pop_parser_stack(g);
    g->yyerrcnt = -1;
}
}
