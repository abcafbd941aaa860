/* Tiles whose rows begin anywhere in global memory, not at multiples of 16 bytes.
 *
 * In shared memory such a tile lies in pieces of 16 bytes, piece p of row i at p ^ (i >> shift &
 * mask). Pieces in global memory begin where memory's do: a thread shifts one out of two of shared
 * memory. They are stored where their sector of the L2 is wholly in the row; what a row has in
 * front of its whole sectors and behind them is stored by neighbouring lanes, an element each. So a
 * tile touches a sector once, and each of them is one request: parts of a sector cost more than a
 * whole.
 *
 * A tile may have a halo: up to a sector's bytes behind its end in each row, which are the next
 * program's. With it a tile is stored from the first whole sector on and up to the end of the last,
 * and what is in front of the first one only where the row begins.
 */
#ifndef TILE_ROWS_H
#define TILE_ROWS_H

/* Constants, powers of two but the first two; `size`: bytes of an element; `threads` store. */
typedef struct TileRows {
    int rows, pieces, shift, mask, size, threads;
} TileRows;

/* The tile in global memory: rows [from, end) of it are inside, `room` bytes of each (with a halo:
 * of tile and halo). `pitch`: bytes from row to row. */
typedef struct TileRowsAt {
    char *row;
    int64_t pitch;
    int from, end, room;
} TileRowsAt;

/* Bytes that are stored whole: 16, or the L2's sector. */
enum { TILE_ROWS_WHOLE = 32 };
/* Bytes from row to row of a halo, so many that few lanes meet in a bank, and its words. */
enum { TILE_HALO_PITCH = 48, TILE_HALO_WORDS = TILE_ROWS_WHOLE / 4 };

/* Who stores what: a row has `each` items, the teams' threads take turns.
 *
 * Rows as many apart as `whole` bytes have elements are short of a multiple of `whole` bytes by the
 * same, whatever the pitch. A team takes them one behind the other: its threads shift alike, and
 * each for `run` turns in the same way, from rows that are `step` apart. */
typedef struct TileRowsWay {
    int each, team, turns, alike, run, step;
} TileRowsWay;
TILE_FN TileRowsWay tile_rows_way(TileRows t, int each, int whole)
{
    TileRowsWay w = {each, t.threads < 32 ? t.threads : 32, 0, 1, 1, 0};
    const int elements = whole / t.size;
    w.turns = (t.rows * each + t.threads - 1) / t.threads;
    if (t.rows % elements == 0)
        w.alike = t.rows / elements;
    if (w.team % each == 0 && w.alike * each % w.team == 0) {
        const int same = w.alike * each / w.team;
        w.run = same % w.turns == 0 ? w.turns : w.turns % same == 0 ? same : 1;
        w.step = elements * (w.team / each);
    }
    return w;
}

/* The thread's item of a turn: number `at` in its row; `none`: all are stored, and it is in row 0.
 */
typedef struct TileRowsItem {
    int row, at;
    bool none;
} TileRowsItem;
TILE_FN TileRowsItem tile_rows_item(TileRows t, TileRowsWay w, int thread, int turn)
{
    const unsigned team = (unsigned)w.team, each = (unsigned)w.each, alike = (unsigned)w.alike;
    const unsigned x = (unsigned)thread % (unsigned)t.threads;
    const unsigned n = (x / team * (unsigned)w.turns + (unsigned)turn) * team + x % team;
    const unsigned row = n / each % alike * ((unsigned)t.rows / alike) + n / each / alike;
    const bool none = n >= (unsigned)(t.rows * w.each);
    const TileRowsItem i = {none ? 0 : (int)row, (int)(n % each), none};
    return i;
}
/* How many bytes the item's row is short of a multiple of `whole` bytes. */
TILE_FN int tile_rows_short(TileRowsAt a, TileRowsItem i, int whole)
{
    const uint32_t row = (uint32_t)(uint64_t)a.row + (uint32_t)i.row * (uint32_t)a.pitch;
    return (int)(0u - row & (uint32_t)(whole - 1));
}
/* Where piece p of the row lies that is k steps below row i. The bits in which k counts are 0 in
 * the first row of a run. */
TILE_FN int tile_rows_place(TileRows t, TileRowsWay w, int i, int k, int p)
{
    const int below = k * w.step, first = i * t.pieces + (p ^ (i >> t.shift & t.mask));
    if ((t.pieces & (t.pieces - 1)) == 0 && below % (1 << t.shift) == 0)
        return ((first ^ (below >> t.shift & t.mask)) + below * t.pieces) * 16;
    return ((i + below) * t.pieces + (p ^ (i + below >> t.shift & t.mask))) * 16;
}

/* Piece p of that row: of the tile, or of its halo (NULL: none, and the last piece then). */
TILE_FN const char *tile_rows_piece(const char *stage, const char *halo, TileRows t, TileRowsWay w,
                                    int i, int k, int p)
{
    if (halo && p >= t.pieces)
        return halo + (i + k * w.step) * TILE_HALO_PITCH + (p - t.pieces) * 16;
    return stage + tile_rows_place(t, w, i, k, p < t.pieces ? p : t.pieces - 1);
}

/* Pieces of whole sectors, a run from item `i` on, with a halo all pieces behind the first `skip`
 * bytes. `words` is skip % 16 / 4, a constant. */
TILE_FN void tile_rows_run(const char *stage, const char *halo, TileRowsAt a, TileRows t,
                           TileRowsWay w, TileRowsItem i, int skip, int words, int hint)
{
    const uint32_t selector = 0x3210u + 0x1111u * (uint32_t)(skip & 3);
    const int first = i.at * 16 + skip, left = i.none ? 0 : a.room - first;
    /* Of a piece in the last 16 bytes of a whole, and of others. */
    const int upper = left >= 16 && (halo || first >= TILE_ROWS_WHOLE - 16) ? a.end : 0,
              lower = left >= (halo ? 16 : TILE_ROWS_WHOLE) ? a.end : 0;
    const int p = first / 16, next = skip % 16 ? p + 1 : p;
    const int64_t pitch = w.step * a.pitch;
    char *to = a.row + i.row * a.pitch + first;
    TILE_EACH(k, w.run)
    {
        const int row = i.row + k * w.step,
                  end = (uint64_t)to & (TILE_ROWS_WHOLE - 16) ? upper : lower;
        uint32_t x[8], y[4];
        tile_shared_read(x, tile_rows_piece(stage, halo, t, w, i.row, k, p), 16);
        if (words || t.size < 4)
            tile_shared_read(x + 4, tile_rows_piece(stage, halo, t, w, i.row, k, next), 16);
        TILE_EACH(j, 4)
        y[j] = t.size < 4 ? tile_byte_perm(x[j + words], x[j + words + 1], selector) : x[j + words];
        if (row < end && row >= a.from)
            tile_global_write(to, y, 16, hint);
        to += pitch;
    }
}
TILE_FN void tile_rows_pieces(const char *stage, const char *halo, TileRowsAt a, TileRows t,
                              int thread, int hint)
{
    const int whole = halo ? TILE_ROWS_WHOLE : 16;
    const TileRowsWay w = tile_rows_way(t, t.pieces, whole);
    TILE_STEP(turn, w.turns, w.run)
    {
        const TileRowsItem i = tile_rows_item(t, w, thread, turn);
        const int skip = tile_rows_short(a, i, whole), words = skip % 16 / 4;
        if (words == 0)
            tile_rows_run(stage, halo, a, t, w, i, skip, 0, hint);
        else if (words == 1)
            tile_rows_run(stage, halo, a, t, w, i, skip, 1, hint);
        else if (words == 2)
            tile_rows_run(stage, halo, a, t, w, i, skip, 2, hint);
        else
            tile_rows_run(stage, halo, a, t, w, i, skip, 3, hint);
    }
}

/* What rows have in front of their whole sectors and behind: less than two of them. */
TILE_FN void tile_rows_ends(const char *stage, TileRowsAt a, TileRows t, int thread, int hint)
{
    const TileRowsWay w = tile_rows_way(t, TILE_ROWS_WHOLE / t.size, TILE_ROWS_WHOLE);
    const int64_t pitch = w.step * a.pitch;
    TILE_STEP(turn, w.turns, w.run)
    {
        const TileRowsItem i = tile_rows_item(t, w, thread, turn);
        const int skip = tile_rows_short(a, i, TILE_ROWS_WHOLE),
                  head = skip < a.room ? skip : a.room,
                  tail = (a.room - head) & (TILE_ROWS_WHOLE - 1);
        TILE_STEP(more, 2 * TILE_ROWS_WHOLE, TILE_ROWS_WHOLE)
        {
            const int at = i.at * t.size + more, byte = at < head ? at : a.room - tail + at - head,
                      end = !i.none && at < head + tail ? a.end : 0;
            char *to = a.row + i.row * a.pitch + byte;
            if (more < head + tail) {
                TILE_EACH(k, w.run)
                {
                    const int row = i.row + k * w.step;
                    if (row < end && row >= a.from) {
                        uint32_t x;
                        tile_shared_read(
                            &x,
                            stage + tile_rows_place(t, w, i.row, k, (int)((unsigned)byte / 16)) +
                                (int)((unsigned)byte % 16),
                            t.size);
                        tile_global_write(to, &x, t.size, hint);
                    }
                    to += pitch;
                }
            }
        }
    }
}

TILE_FN void tile_rows_store(const char *stage, TileRowsAt a, TileRows t, int thread, int hint)
{
    tile_rows_pieces(stage, NULL, a, t, thread, hint);
    tile_rows_ends(stage, a, t, thread, hint);
}

/* Loads the halo: its first element is at `from`, `along` bytes to the next in the row, `across` to
 * the row below. A thread makes words of it. Rows that all begin with a sector need none. */
TILE_FN void tile_rows_halo(char *halo, const char *from, int64_t along, int64_t across,
                            TileRowsAt a, TileRows t, int thread)
{
    const int many = 4 / t.size, inside = a.room / t.size - t.pieces * (16 / t.size);
    const int turns = (t.rows * TILE_HALO_WORDS + t.threads - 1) / t.threads;
    if ((((uint64_t)a.row | (uint64_t)a.pitch) & (TILE_ROWS_WHOLE - 1)) == 0)
        return;
    TILE_STEP(turn, turns, 1)
    {
        const int n = turn * t.threads + thread, row = n % t.rows, word = n / t.rows;
        const char *x = from + row * across + word * many * along;
        uint32_t y = 0;
        TILE_EACH(k, many)
        {
            uint32_t w = 0;
            if (row < a.end && row >= a.from && word * many + k < inside)
                tile_global_read(&w, x, t.size, TILE_CONSTANT);
            y |= w << k * 8 * t.size;
            x += along;
        }
        if (word < TILE_HALO_WORDS)
            tile_shared_write(halo + row * TILE_HALO_PITCH + word * 4, &y, 4);
    }
}

/* What of a tile with a halo is no whole piece: where a row begins, and where it ends. */
TILE_FN void tile_rows_rest(const char *stage, const char *halo, TileRowsAt a, TileRows t,
                            bool begins, int thread, int hint)
{
    const int width = t.pieces * 16, each = 2 * TILE_ROWS_WHOLE / t.size;
    const TileRowsWay w = {0, 0, 0, 0, 0, 0};
    if (!begins && a.room >= width + TILE_ROWS_WHOLE)
        return;
    for (int n = thread; n < t.rows * each; n += t.threads) {
        const TileRowsItem i = {n / each, n % each, false};
        const int skip = tile_rows_short(a, i, TILE_ROWS_WHOLE),
                  head = !begins         ? 0
                         : skip < a.room ? skip
                                         : a.room,
                  left = a.room > skip ? a.room - skip : 0,
                  behind = skip + (left < width ? left / 16 * 16 : width),
                  tail = left < width ? left % 16 : 0;
        const int at = i.at * t.size, byte = at < head ? at : behind + at - head;
        if (at < head + tail && i.row < a.end && i.row >= a.from) {
            uint32_t x;
            tile_shared_read(
                &x, tile_rows_piece(stage, halo, t, w, i.row, 0, byte / 16) + byte % 16, t.size);
            tile_global_write(a.row + i.row * a.pitch + byte, &x, t.size, hint);
        }
    }
}

/* The tile and its halo; `begins`: the rows do, with the tile. */
TILE_FN void tile_rows_store_whole(const char *stage, const char *halo, TileRowsAt a, TileRows t,
                                   bool begins, int thread, int hint)
{
    tile_rows_pieces(stage, halo, a, t, thread, hint);
    tile_rows_rest(stage, halo, a, t, begins, thread, hint);
}

#endif
