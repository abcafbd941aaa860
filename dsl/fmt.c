/* Canonical form of a file.
 *
 * The tokens stay, in their order; only the blanks between them change, so the tree cannot.  Kept
 * from the source are: comments and whether they stand on their own line, single blank lines, the
 * order of statements on one line, blocks on one line where they fit, line ends between a kernel's
 * parameters.  Everything else follows from the tokens: two blanks of indentation, wrapping at 100.
 */
#include <string.h>

#include "dsl/fmt.h"
#include "grammar.h"

enum { HANGING = 4, ALIGN_LIMIT = 60 };

typedef struct Fmt {
    Arena *arena;
    PieceList pieces;
    char *out;
    size_t length, capacity; /* of out */
    int column;
    bool broken;   /* a comment ends the line: nothing may follow on it */
    bool schedule; /* inside a schedule */
    struct {
        int align[NESTING_LIMIT];
        int count;
    } frames;
} Fmt;

static void put(Fmt *f, const char *text, size_t length)
{
    if (f->capacity - f->length < length + 1) {
        f->capacity = 2 * f->capacity + length + 4096;
        f->out = arena_grow(f->arena, f->out, f->length, f->capacity);
    }
    memcpy(f->out + f->length, text, length);
    f->length += length;
}

static void blanks(Fmt *f, int n)
{
    for (; n > 0; n--) {
        put(f, " ", 1);
        f->column++;
    }
}

static void newline(Fmt *f, int indent)
{
    if (f->column > 0)
        put(f, "\n", 1);
    f->column = 0;
    f->broken = false;
    blanks(f, indent);
}

static void empty_line(Fmt *f)
{
    newline(f, 0);
    if (f->length > 0)
        put(f, "\n", 1);
}

static void put_piece(Fmt *f, const Piece *p)
{
    put(f, p->pos.source->text + p->pos.at, p->pos.length);
    f->column += p->width;
}

/* Column of a piece in the source, from 0. */
static int source_column(const Piece *p)
{
    const char *text = p->pos.source->text;
    uint32_t line = p->pos.at;
    while (line > 0 && text[line - 1] != '\n' && p->pos.at - line < 4 * WIDTH)
        line--;
    return text_width((Pos){p->pos.source, line, p->pos.at - line});
}

/* A comment that stands apart from the code before it keeps its column where it can. */
static void put_trailing(Fmt *f, const Piece *p)
{
    const char *text = p->pos.source->text + p->pos.at;
    bool apart = p->pos.at > 1 && text[-1] == ' ' && text[-2] == ' ';
    int column = apart ? source_column(p) : 0;
    if (column < f->column + 2 || column > WIDTH)
        column = f->column + 2;
    blanks(f, column - f->column);
    put_piece(f, p);
    f->broken = true;
}

/* ---- lines */

/* The column where a line goes on inside the open brackets. */
static int continuation(const Fmt *f, int indent)
{
    int n = f->frames.count;
    return n > 0 && f->frames.align[n - 1] <= ALIGN_LIMIT ? f->frames.align[n - 1]
                                                          : indent + HANGING;
}

static void put_token(Fmt *f, int i, bool first)
{
    const Piece *p = &f->pieces.items[i];
    if (!first)
        blanks(f, p->space);
    put_piece(f, p);
    if (opens(p->code) && f->frames.count < NESTING_LIMIT)
        f->frames.align[f->frames.count++] = f->column + (p->code == TK_LBRACE);
    else if (closes(p->code) && f->frames.count > 0)
        f->frames.count--;
}

/* The last of the pieces from `from` to `to` that goes on the line which is at `column`. */
static int line_end(const Fmt *f, int from, int to, int column)
{
    int best = -1, rank = 0;
    for (int i = from; i <= to; i++) {
        const Piece *p = &f->pieces.items[i];
        if (p->code == COMMENT || (i > from && p->kept))
            return i - 1;
        if (i > from && p->rank > 0 && (best < 0 || p->rank <= rank)) {
            if (best >= 0 && column > WIDTH)
                return best;
            best = i - 1;
            rank = p->rank;
        }
        column += p->width + (i > from ? p->space : 0);
        if (column > WIDTH && best >= 0)
            return best;
    }
    return to;
}

/* Pieces of one statement, or of its head, wrapped.  The line is at its first column. */
static void put_run(Fmt *f, int from, int to, int indent)
{
    bool first = true;
    f->frames.count = 0;
    for (int i = from; i <= to;) {
        const Piece *p = &f->pieces.items[i];
        if (p->code == COMMENT && !p->own_line) {
            put_trailing(f, p);
            i++;
            continue;
        }
        if (!first || f->broken) {
            if (p->newlines > 1 && (f->broken || p->code == COMMENT))
                empty_line(f);
            newline(f, p->code == TK_LBRACE ? indent : continuation(f, indent));
        }
        first = false;
        if (p->code == COMMENT) {
            put_piece(f, p);
            f->broken = true;
            i++;
            continue;
        }
        int last = line_end(f, i, to, f->column);
        for (bool start = true; i <= last; i++, start = false)
            put_token(f, i, start);
    }
}

/* ---- statements */

static int code_at(const Fmt *f, int i)
{
    return i < f->pieces.count ? f->pieces.items[i].code : 0;
}

/* The token that says what a statement is: after its attributes. */
static int kind_of(const Fmt *f, int i)
{
    while (code_at(f, i) == TK_AT) {
        i++;
        while (code_at(f, i) == COMMENT || code_at(f, i) == TK_ID)
            i++;
        if (code_at(f, i) == TK_LPAREN)
            i = f->pieces.items[i].partner + 1;
        while (code_at(f, i) == COMMENT)
            i++;
    }
    return code_at(f, i);
}

static bool has_block(const Fmt *f, int kind)
{
    switch (kind) {
    case TK_KERNEL:
    case TK_FN:
    case TK_SCHEDULE:
    case TK_INSTANCES:
    case TK_PAR:
    case TK_FOR:
    case TK_IF:
    case TK_GET:
    case TK_ROLES:
    case TK_PHASE:
        return true;
    case TK_ROLE:
        return !f->schedule;
    default:
        return false;
    }
}

static int skip_comments(const Fmt *f, int i)
{
    while (code_at(f, i) == COMMENT)
        i++;
    return i;
}

/* The first `{` or `;` at the level of `i`. */
static int head_end(const Fmt *f, int i)
{
    for (; i < f->pieces.count; i++) {
        int code = f->pieces.items[i].code;
        if (code == TK_SEMI || code == TK_LBRACE)
            return i;
        if (opens(code) && f->pieces.items[i].partner > i)
            i = f->pieces.items[i].partner;
    }
    return f->pieces.count - 1;
}

static int statement_end(const Fmt *f, int i)
{
    int kind = kind_of(f, i);
    for (;;) {
        int end = head_end(f, i);
        if (code_at(f, end) != TK_LBRACE)
            return end;
        end = f->pieces.items[end].partner;
        int next = skip_comments(f, end + 1);
        if (kind == TK_IF && code_at(f, next) == TK_ELSE)
            i = next;
        else if (has_block(f, kind) || kind == TK_ROLE || kind == TK_ENUM)
            return end;
        else
            i = end + 1;
    }
}

/* The width of pieces on one line, more than WIDTH if they cannot be: comments, or a block that
 * the source has on several lines. */
static int flat_width(const Fmt *f, int from, int to, bool blocks)
{
    int width = 0;
    for (int i = from; i <= to && width <= WIDTH; i++) {
        const Piece *p = &f->pieces.items[i];
        if (p->code == COMMENT)
            return WIDTH + 1;
        if (p->code == TK_LBRACE && blocks && p->partner > i)
            for (int j = i + 1; j <= p->partner && j - i < 2 * WIDTH; j++)
                if (f->pieces.items[j].newlines > 0)
                    return WIDTH + 1;
        width += p->width + (i > from ? p->space : 0);
    }
    return width;
}

static void put_flat(Fmt *f, int from, int to)
{
    for (int i = from; i <= to; i++)
        put_token(f, i, i == from);
}

static void put_statements(Fmt *f, int from, int to, int indent, bool may_join);

/* From `{` to `}`, several lines; the `{` is printed. */
static void put_block(Fmt *f, int open, int indent)
{
    int close = f->pieces.items[open].partner, line = 0;
    for (int i = open + 1; i <= close && line == 0; i++)
        line += f->pieces.items[i].newlines;
    put_statements(f, open + 1, close - 1, indent + INDENT, line > 0);
    newline(f, indent);
    put_piece(f, &f->pieces.items[close]);
}

/* The parts of a kernel's header stand on lines of their own: name and statics, parameters,
 * scratch, where, `{`. */
static void put_kernel_head(Fmt *f, int from, int open, int indent)
{
    int start = from, previous = TK_KERNEL;
    for (int i = from + 1; i < open && previous != TK_WHERE; i++) {
        int code = code_at(f, i);
        if (code == COMMENT)
            continue;
        if ((code == TK_LPAREN && previous != TK_SCRATCH) || code == TK_SCRATCH ||
            code == TK_WHERE) {
            put_run(f, start, i - 1, start == from ? indent : indent + INDENT);
            newline(f, indent + INDENT);
            start = i;
        }
        previous = code;
        if (opens(code))
            i = f->pieces.items[i].partner;
    }
    put_run(f, start, open - 1, start == from ? indent : indent + INDENT);
    newline(f, indent);
    put_piece(f, &f->pieces.items[open]);
}

static bool on_one_line(const Fmt *f, int from, int to)
{
    for (int i = from + 1; i <= to; i++)
        if (f->pieces.items[i].newlines > 0 || f->pieces.items[i].code == COMMENT)
            return false;
    return true;
}

/* if - else chains whose blocks the source has on one line each: an arm a line, where they fit. */
static bool put_arms(Fmt *f, int from, int end, int indent)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int i = from; i <= end;) {
            int close = f->pieces.items[head_end(f, i)].partner;
            if (pass == 0 && indent + flat_width(f, i, close, true) > WIDTH)
                return false;
            if (pass == 1 && i > from)
                newline(f, indent);
            if (pass == 1)
                put_flat(f, i, close);
            i = close + 1;
        }
    }
    return true;
}

/* Head and block, then what follows `else`. */
static void put_compound(Fmt *f, int from, int end, int indent)
{
    int kind = kind_of(f, from);
    for (int i = from; i <= end;) {
        int open = head_end(f, i);
        if (kind == TK_KERNEL &&
            !(on_one_line(f, i, open) && indent + flat_width(f, i, open, false) <= WIDTH))
            put_kernel_head(f, i, open, indent);
        else
            put_run(f, i, open, indent);
        put_block(f, open, indent);
        for (i = f->pieces.items[open].partner + 1; i <= end && code_at(f, i) == COMMENT; i++) {
            if (!f->pieces.items[i].own_line) {
                put_trailing(f, &f->pieces.items[i]);
                continue;
            }
            newline(f, indent);
            put_piece(f, &f->pieces.items[i]);
            f->broken = true;
        }
        if (i > end)
            return;
        if (f->broken)
            newline(f, indent);
        else
            blanks(f, 1);
    }
}

/* One statement, the line being at its first column.  True if it took one line. */
static bool put_statement(Fmt *f, int from, int end, int indent)
{
    int kind = kind_of(f, from);
    size_t start = f->length;
    bool compound = has_block(f, kind) && code_at(f, head_end(f, from)) == TK_LBRACE;
    bool flat = indent + flat_width(f, from, end, compound) <= WIDTH;
    f->frames.count = 0;
    if (kind == TK_SCHEDULE)
        f->schedule = true;
    if (compound && flat)
        put_flat(f, from, end);
    else if (!compound)
        put_run(f, from, end, indent);
    else if (kind != TK_IF || !put_arms(f, from, end, indent))
        put_compound(f, from, end, indent);
    if (kind == TK_SCHEDULE)
        f->schedule = false;
    return !memchr(f->out + start, '\n', f->length - start);
}

/* May the statement follow another on its line? */
static bool joins(const Fmt *f, int from, int end)
{
    const Piece *p = &f->pieces.items[from];
    return p->newlines == 0 && !f->broken &&
           f->column + p->space + flat_width(f, from, end, has_block(f, kind_of(f, from))) <= WIDTH;
}

static void put_statements(Fmt *f, int from, int to, int indent, bool may_join)
{
    bool single = false; /* the statement before took one line */
    for (int i = from; i <= to; i++) {
        const Piece *p = &f->pieces.items[i];
        if (p->code == COMMENT && !p->own_line) {
            put_trailing(f, p);
            continue;
        }
        if (i > from && p->newlines > 1)
            empty_line(f);
        if (p->code == COMMENT) {
            newline(f, indent);
            put_piece(f, p);
            f->broken = true;
            single = false;
            continue;
        }
        int end = statement_end(f, i);
        if (single && may_join && joins(f, i, end)) {
            blanks(f, p->space);
            put_flat(f, i, end);
        } else {
            newline(f, indent);
            single = put_statement(f, i, end, indent);
        }
        i = end;
    }
}

char *format_unit(Arena *arena, const Unit *unit)
{
    Fmt *f = NEW(arena, Fmt);
    f->arena = arena;
    f->pieces = fmt_pieces(arena, unit);
    put_statements(f, 0, f->pieces.count - 1, 0, true);
    newline(f, 0);
    put(f, "", 1);
    return f->out;
}
