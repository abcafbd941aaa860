/* The pieces of a file for the formatter: blanks between them, and where a line may end. */
#include "dsl/fmt.h"
#include "dsl/utf8.h"
#include "grammar.h"

int text_width(Pos p)
{
    const unsigned char *s = (const unsigned char *)p.source->text + p.at, *end = s + p.length;
    int n = 0;
    for (uint32_t c; s < end; n++) {
        int bytes = utf8_decode(s, end, &c);
        s += bytes > 0 ? bytes : 1;
    }
    return n;
}

static int newlines_between(const char *text, uint32_t from, uint32_t to)
{
    int n = 0;
    for (; from < to; from++)
        n += text[from] == '\n';
    return n;
}

static void add_piece(Arena *arena, PieceList *all, Piece p)
{
    const Piece *last = all->count > 0 ? &all->items[all->count - 1] : NULL;
    p.partner = -1;
    p.width = text_width(p.pos);
    p.newlines = newlines_between(p.pos.source->text, last ? last->pos.at + last->pos.length : 0,
                                  p.pos.at);
    PUSH(arena, all, p);
}

static void read_pieces(Arena *arena, PieceList *all, const Unit *unit)
{
    Diag quiet = {.arena = arena};
    Lexer l = lexer_new(arena, &quiet, unit->names, unit->source, NULL);
    const CommentList *comments = &unit->comments;
    int c = 0, code;
    do {
        Token t;
        code = lex(&l, &t);
        for (; c < comments->count && comments->items[c].pos.at < t.pos.at; c++)
            add_piece(arena, all,
                      (Piece){.code = COMMENT,
                              .pos = comments->items[c].pos,
                              .own_line = comments->items[c].own_line});
        if (code != 0)
            add_piece(arena, all, (Piece){.code = code, .pos = t.pos});
    } while (code != 0);
}

static bool is_operand(int code)
{
    return code == TK_ID || code == TK_INT || code == TK_NUM || code == TK_STRING ||
           code == TK_TRUE || code == TK_FALSE || code == TK_RPAREN || code == TK_RBRACKET;
}

/* How tightly a binary operator binds; 0 for other tokens. */
static int precedence(int code)
{
    switch (code) {
    case TK_LOR:
        return 1;
    case TK_LAND:
        return 2;
    case TK_BOR:
        return 3;
    case TK_BXOR:
        return 4;
    case TK_BAND:
        return 5;
    case TK_EQ:
    case TK_NE:
        return 6;
    case TK_LT:
    case TK_LE:
    case TK_GT:
    case TK_GE:
        return 7;
    case TK_SHL:
    case TK_SHR:
        return 8;
    case TK_PLUS:
    case TK_MINUS:
        return 9;
    case TK_STAR:
    case TK_SLASH:
    case TK_FLOOR:
    case TK_PERCENT:
        return 10;
    case TK_SLICE:
        return 12;
    default:
        return 0;
    }
}

/* What the meaning of a `?`, `:` or `-` depends on, found from left to right. */
typedef struct Scan {
    int previous, before; /* the last token and what it was */
    struct {
        int index, choices, level;
    } open[NESTING_LIMIT + 1];
    int depth;
    bool header; /* in a kernel's header */
} Scan;
enum { PLAIN, PREFIX, BINARY, CHOICE, OPTIONAL, WHOLE, TYPED };

static int role_of(const PieceList *all, Scan *s, int i)
{
    int code = all->items[i].code;
    int next = i + 1;
    while (next < all->count && all->items[next].code == COMMENT)
        next++;
    int follows = next < all->count ? all->items[next].code : 0;
    switch (code) {
    case TK_MINUS:
        return is_operand(s->previous) ? BINARY : PREFIX;
    case TK_AT: /* of a parameter, or of a loop */
        return s->header && s->depth == 1 ? PLAIN : PREFIX;
    case TK_NOT:
    case TK_TILDE:
        return PREFIX;
    case TK_QUESTION:
        if (follows == TK_COMMA || follows == TK_RPAREN || follows == TK_AT)
            return OPTIONAL;
        s->open[s->depth].choices++;
        return CHOICE;
    case TK_COLON:
        if (s->open[s->depth].choices > 0) {
            s->open[s->depth].choices--;
            return CHOICE;
        }
        return s->previous == TK_LBRACKET || s->previous == TK_LPAREN || s->previous == TK_COMMA
                   ? WHOLE
                   : TYPED;
    default:
        return precedence(code) > 0 ? BINARY : PLAIN;
    }
}

/* Blanks between two tokens of one line. */
static int space_between(int previous, int was, int code, int is)
{
    switch (code) {
    case TK_COMMA:
    case TK_SEMI:
    case TK_RPAREN:
    case TK_RBRACKET:
    case TK_DOTDOT:
        return 0;
    case TK_DOT:
        return previous == TK_INT; /* t.0 .1 is not t.0.1 */
    case TK_LBRACKET:
    case TK_LPAREN:
        if (is_operand(previous))
            return 0;
        break;
    case TK_COLON:
        if (is == TYPED)
            return 0;
        break;
    case TK_QUESTION:
        if (is == OPTIONAL)
            return 0;
        break;
    case TK_RBRACE:
        return 1;
    default:
        break;
    }
    if (was == PREFIX || previous == TK_LPAREN || previous == TK_LBRACKET || previous == TK_DOT ||
        previous == TK_DOTDOT)
        return 0;
    if (previous == TK_SEMI || (previous == TK_RBRACE && code != TK_ELSE))
        return 2;
    return 1;
}

/* How well a line may end between two tokens: less deep is better, then after a comma, then at the
 * operator that binds least. */
static int rank_between(int previous, int was, int code, int is, int level)
{
    enum { LEVEL = 32 };
    int base = level * LEVEL;
    if (previous == TK_COMMA)
        return base + 1;
    if (is == CHOICE)
        return base + 2;
    if (was == BINARY)
        return base + 3 + precedence(previous);
    if (previous == TK_ASSIGN)
        return base + LEVEL + 30;
    if ((previous == TK_LPAREN || previous == TK_LBRACKET || previous == TK_LBRACE) &&
        code != TK_RPAREN && code != TK_RBRACKET && code != TK_RBRACE)
        return base + 31;
    if (code == TK_BY || code == TK_OF || code == TK_AT ||
        (is_operand(previous) && is_operand(code) && code != TK_RPAREN && code != TK_RBRACKET))
        return base + 20;
    return 0;
}

bool opens(int code)
{
    return code == TK_LPAREN || code == TK_LBRACKET || code == TK_LBRACE;
}

bool closes(int code)
{
    return code == TK_RPAREN || code == TK_RBRACKET || code == TK_RBRACE;
}

/* The column where the items of a list in a kernel's header stand. */
static int list_column(const PieceList *all, int open)
{
    const Piece *p = &all->items[open];
    if (p->code == TK_LBRACKET) /* kernel name[ */
        return open > 1 ? p[-2].width + p[-1].width + 2 : 0;
    return open > 0 && p[-1].code == TK_SCRATCH ? INDENT + p[-1].width + 2 : INDENT + 1;
}

/* In these lists line ends after `,` are kept if the lines they make fit. */
static void keep_line_ends(PieceList *all, int open)
{
    int close = all->items[open].partner, left = list_column(all, open);
    for (int pass = 0; pass < 2; pass++) {
        int column = left;
        for (int i = open + 1, level = 0; i <= close; i++) {
            Piece *p = &all->items[i];
            if (p->newlines > 0 && p[-1].code == COMMENT)
                column = left - p->space;
            if (level == 0 && p->newlines > 0 && p[-1].code == TK_COMMA) {
                column = left - p->space;
                p->kept = pass == 1;
            }
            level += opens(p->code) - closes(p->code);
            column += p->code == COMMENT ? 0 : p->width + p->space;
            if (column > WIDTH)
                return;
        }
    }
}

static void scan_piece(PieceList *all, Scan *s, int i)
{
    Piece *p = &all->items[i];
    if (p->code == COMMENT)
        return;
    int is = role_of(all, s, i);
    if (p->code == TK_KERNEL)
        s->header = true;
    else if (p->code == TK_WHERE || p->code == TK_LBRACE)
        s->header = false;
    p->space = space_between(s->previous, s->before, p->code, is);
    p->rank = rank_between(s->previous, s->before, p->code, is, s->open[s->depth].level);
    if (opens(p->code) && s->depth < NESTING_LIMIT) {
        s->depth++;
        s->open[s->depth].index = i;
        s->open[s->depth].choices = 0;
        s->open[s->depth].level = s->open[s->depth - 1].level + (p->code == TK_LBRACKET ? 2 : 1);
    } else if (closes(p->code) && s->depth > 0) {
        p->partner = s->open[s->depth--].index;
        all->items[p->partner].partner = i;
        if (s->header && s->depth == 0)
            keep_line_ends(all, p->partner);
    } else if (p->code == TK_SEMI) {
        s->open[s->depth].choices = 0;
    }
    s->previous = p->code;
    s->before = is;
}

PieceList fmt_pieces(Arena *arena, const Unit *unit)
{
    PieceList all = {0};
    Scan *s = NEW(arena, Scan);
    read_pieces(arena, &all, unit);
    for (int i = 0; i < all.count; i++)
        scan_piece(&all, s, i);
    return all;
}
