/* Order, scans and counts (R8, R10): keys, what the lanes of a warp find together, rows in shared
 * memory. Part of tile.h.
 *
 * A key is an unsigned number in the order of R10: NaN is greatest, -0 equals +0. Elements are
 * ordered by descending key, then by ascending index. Functions on arrays are for registers: their
 * loops are unrolled where `n` is a constant.
 */
#ifndef TILE_ORDER_H
#define TILE_ORDER_H

/* ---- keys ---- */

TILE_FN uint32_t tile_key_f32(float x)
{
    /* -0 becomes 0, and a NaN the one whose key is ~0. */
    const uint32_t u = tile_bits(tile_result(x + 0.0f));
    return u ^ ((uint32_t)((int32_t)u >> 31) | TILE_SIGN);
}
TILE_FN uint32_t tile_key_tf32(float x)
{
    return tile_key_f32(x);
}
TILE_FN uint32_t tile_key_f16(uint16_t x)
{
    return tile_key_f32(tile_f16_to_f32(x));
}
TILE_FN uint32_t tile_key_bf16(uint16_t x)
{
    return tile_key_f32(tile_bf16_to_f32(x));
}
TILE_FN uint32_t tile_key_e4m3(uint8_t x)
{
    return tile_key_f32(tile_e4m3_to_f32(x));
}
TILE_FN uint32_t tile_key_e5m2(uint8_t x)
{
    return tile_key_f32(tile_e5m2_to_f32(x));
}
TILE_FN uint32_t tile_key_e2m1(uint8_t x)
{
    return tile_key_f32(tile_e2m1_to_f32(x));
}
TILE_FN uint32_t tile_key_ue8m0(uint8_t x)
{
    return x;
}
TILE_FN uint32_t tile_key_bool(bool x)
{
    return x;
}
TILE_FN uint32_t tile_key_u8(uint8_t x)
{
    return x;
}
TILE_FN uint32_t tile_key_u16(uint16_t x)
{
    return x;
}
TILE_FN uint32_t tile_key_u32(uint32_t x)
{
    return x;
}
TILE_FN uint32_t tile_key_i32(int32_t x)
{
    return (uint32_t)x ^ TILE_SIGN;
}
TILE_FN uint32_t tile_key_i16(int16_t x)
{
    return tile_key_i32(x);
}
TILE_FN uint32_t tile_key_i8(int8_t x)
{
    return tile_key_i32(x);
}
TILE_FN uint64_t tile_key_u64(uint64_t x)
{
    return x;
}
TILE_FN uint64_t tile_key_i64(int64_t x)
{
    return (uint64_t)x ^ (uint64_t)1 << 63;
}

/* ---- the first in order ---- */

/* Arrays are read into locals before a choice: a choice between places puts them into memory. */
enum { TILE_NO_INDEX = 0x7FFFFFFF };

#define ORDER(U, u)                                                                      \
    TILE_FN bool tile_before_##u(U a, int i, U b, int k)                                 \
    {                                                                                    \
        return a > b || (a == b && i < k);                                               \
    }                                                                                    \
                                                                                         \
    /* Into order; the indices ascend before. */                                         \
    TILE_FN void tile_sort_##u(U *key, int *index, int n)                                \
    {                                                                                    \
        TILE_EACH(i, n)                                                                  \
        {                                                                                \
            _Pragma("unroll") for (int k = i; k > 0; k--)                                \
            {                                                                            \
                const U a = key[k], b = key[k - 1];                                      \
                const int x = index[k], y = index[k - 1];                                \
                const bool swap = a > b;                                                 \
                key[k - 1] = swap ? a : b, key[k] = swap ? b : a;                        \
                index[k - 1] = swap ? x : y, index[k] = swap ? y : x;                    \
            }                                                                            \
        }                                                                                \
    }                                                                                    \
    /* Takes element `at` off the front of a sorted list, if it is there. */             \
    TILE_FN void tile_pop_##u(U *key, int *index, int n, int at)                         \
    {                                                                                    \
        const bool mine = index[0] == at;                                                \
        TILE_EACH(i, n)                                                                  \
        {                                                                                \
            const U a = key[i], b = i + 1 < n ? key[i + 1 < n ? i + 1 : i] : (U)0;       \
            const int x = index[i];                                                      \
            const int y = i + 1 < n ? index[i + 1 < n ? i + 1 : i] : (int)TILE_NO_INDEX; \
            key[i] = mine ? b : a, index[i] = mine ? y : x;                              \
        }                                                                                \
    }                                                                                    \
    /* The first of a list in any order; its indices ascend. */                          \
    TILE_FN void tile_first_##u(const U *key, const int *index, int n, U *best, int *at) \
    {                                                                                    \
        U a = key[0];                                                                    \
        int x = index[0];                                                                \
        _Pragma("unroll") for (int i = 1; i < n; i++)                                    \
        {                                                                                \
            const U b = key[i];                                                          \
            const int y = index[i];                                                      \
            const bool better = b > a || x == TILE_NO_INDEX;                             \
            a = better ? b : a, x = better ? y : x;                                      \
        }                                                                                \
        *best = a, *at = x;                                                              \
    }                                                                                    \
    TILE_FN void tile_drop_##u(U *key, int *index, int n, int at)                        \
    {                                                                                    \
        TILE_EACH(i, n)                                                                  \
        {                                                                                \
            const U a = key[i];                                                          \
            const int x = index[i];                                                      \
            key[i] = x == at ? (U)0 : a, index[i] = x == at ? (int)TILE_NO_INDEX : x;    \
        }                                                                                \
    }                                                                                    \
    /* The first of what the lanes have that differ in the bits of `mask`. */            \
    TILE_FN void tile_first_lanes_##u(U *best, int *at, int mask)                        \
    {                                                                                    \
        TILE_EACH(i, 5)                                                                  \
        {                                                                                \
            if (mask >> i & 1) {                                                         \
                const U k = tile_shuffle_xor_##u(*best, 1 << i);                         \
                const int x = tile_shuffle_xor_i32(*at, 1 << i);                         \
                const bool better = tile_before_##u(k, x, *best, *at);                   \
                *best = better ? k : *best, *at = better ? x : *at;                      \
            }                                                                            \
        }                                                                                \
    }
ORDER(uint32_t, u32)
ORDER(uint64_t, u64)
#undef ORDER

/* The first of what all lanes have. */
TILE_FN void tile_first_warp_u32(uint32_t *best, int *at)
{
    const uint32_t most = tile_reduce_max_u32(*best);
    const uint32_t mine = *best == most ? (uint32_t)*at : (uint32_t)TILE_NO_INDEX;
    *best = most, *at = (int)tile_reduce_min_u32(mine);
}
TILE_FN void tile_first_warp_u64(uint64_t *best, int *at)
{
    tile_first_lanes_u64(best, at, 31);
}

/* Marks: the upper part of a key that is not 0, then `bits` bits that tell the index. Those of a
 * line differ; 0 is none. They are in order if the keys differ in the upper part. */
TILE_FN uint32_t tile_mark_u32(uint32_t key, int index, int bits)
{
    const uint32_t low = (1u << bits) - 1u;
    return (key & ~low) | (~(uint32_t)index & low);
}
TILE_FN int tile_marked_u32(uint32_t mark, int bits)
{
    return (int)(~mark & ((1u << bits) - 1u));
}
TILE_FN bool tile_same_mark_u32(uint32_t a, uint32_t b, int bits)
{
    return (a ^ b) < 1u << bits;
}
/* Batcher's odd-even merges (1968): runs of `sorted` become runs of twice as many. An exchange is a
 * maximum and a minimum. */
TILE_FN void tile_sort_marks_u32(uint32_t *mark, int n)
{
    _Pragma("unroll") for (int sorted = 1; sorted < n; sorted *= 2)
    {
        _Pragma("unroll") for (int apart = sorted; apart > 0; apart /= 2)
        {
            TILE_EACH(i, n)
            {
                const int k = i + apart, first = i - apart % sorted;
                const bool meet = first >= 0 && first / apart % 2 == 0 && k < n &&
                                  i / (2 * sorted) == k / (2 * sorted);
                const uint32_t a = mark[i], b = mark[meet ? k : i];
                if (meet)
                    mark[i] = a > b ? a : b, mark[k] = a > b ? b : a;
            }
        }
    }
}
TILE_FN void tile_pop_mark_u32(uint32_t *mark, int n, uint32_t at)
{
    const bool mine = mark[0] == at;
    TILE_EACH(i, n)
    {
        const uint32_t a = mark[i], b = i + 1 < n ? mark[i + 1 < n ? i + 1 : i] : 0u;
        mark[i] = mine ? b : a;
    }
}

/* ---- rows in shared memory: n elements, `stride` apart ---- */

/* tile_next_row: the whole warp finds what comes next after (key, at); at first (~0, -1).
 * tile_rank_row: how many elements come before element `at`. */
#define ORDER_ROWS(T, c, name, U, u)                                                            \
    TILE_FN void tile_next_row_##name(const T *s, int n, int stride, int lane, U *key, int *at) \
    {                                                                                           \
        U best = 0;                                                                             \
        int first = TILE_NO_INDEX;                                                              \
        for (int i = lane; i < n; i += 32) {                                                    \
            const U k = tile_key_##name(tile_shared_load_##c(s + i * stride));                  \
            const bool better = tile_before_##u(*key, *at, k, i) &&                             \
                                tile_before_##u(k, i, best, first);                             \
            best = better ? k : best, first = better ? i : first;                               \
        }                                                                                       \
        *key = best, *at = first;                                                               \
        tile_first_warp_##u(key, at);                                                           \
    }                                                                                           \
    TILE_FN int tile_rank_row_##name(const T *s, int n, int stride, int at)                     \
    {                                                                                           \
        const U key = tile_key_##name(tile_shared_load_##c(s + at * stride));                   \
        int count = 0;                                                                          \
        for (int i = 0; i < n; i++)                                                             \
            count += tile_before_##u(tile_key_##name(tile_shared_load_##c(s + i * stride)), i,  \
                                     key, at);                                                  \
        return count;                                                                           \
    }
ORDER_ROWS(float, f32, f32, uint32_t, u32)
ORDER_ROWS(float, f32, tf32, uint32_t, u32)
ORDER_ROWS(uint16_t, u16, f16, uint32_t, u32)
ORDER_ROWS(uint16_t, u16, bf16, uint32_t, u32)
ORDER_ROWS(uint8_t, u8, e4m3, uint32_t, u32)
ORDER_ROWS(uint8_t, u8, e5m2, uint32_t, u32)
ORDER_ROWS(uint8_t, u8, e2m1, uint32_t, u32)
ORDER_ROWS(uint8_t, u8, ue8m0, uint32_t, u32)
ORDER_ROWS(bool, bool, bool, uint32_t, u32)
ORDER_ROWS(uint8_t, u8, u8, uint32_t, u32)
ORDER_ROWS(int8_t, i8, i8, uint32_t, u32)
ORDER_ROWS(uint16_t, u16, u16, uint32_t, u32)
ORDER_ROWS(int16_t, i16, i16, uint32_t, u32)
ORDER_ROWS(uint32_t, u32, u32, uint32_t, u32)
ORDER_ROWS(int32_t, i32, i32, uint32_t, u32)
ORDER_ROWS(uint64_t, u64, u64, uint64_t, u64)
ORDER_ROWS(int64_t, i64, i64, uint64_t, u64)
#undef ORDER_ROWS

/* One thread, from left to right (R8); exclusive: the sum of what comes before, 0 for nothing. */
TILE_FN void tile_scan_row_in_order_f32(float *s, int n, int stride, bool exclusive)
{
    float run = 0.0f;
    for (int i = 0; i < n; i++) {
        const float x = tile_shared_load_f32(s + i * stride), sum = i ? run + x : x;
        tile_shared_store_f32(s + i * stride, exclusive ? run : sum);
        run = sum;
    }
}

/* All lanes of the unit: neighbours first, as if padded with zeros to a power of two; s[0] is the
 * sum. */
TILE_FN void tile_tree_row_f32(float *s, int n, int stride, int lane, int lanes)
{
    for (int half = 1; half < n; half *= 2) {
        for (int i = lane * 2 * half; i < n; i += 2 * lanes * half)
            tile_shared_store_f32(
                s + i * stride,
                tile_shared_load_f32(s + i * stride) +
                    (i + half < n ? tile_shared_load_f32(s + (i + half) * stride) : 0.0f));
        tile_sync_warp();
    }
}

/* tile_scan_lanes: inclusive, over n lanes that are `step` apart; `digit` counts them.
 * tile_scan_row: all lanes of the unit. For what may be joined in any order. */
#define SCAN(T, name, join)                                                                  \
    TILE_FN T tile_scan_lanes_##join##_##name(T x, int digit, int step, int n)               \
    {                                                                                        \
        TILE_EACH(i, 5)                                                                      \
        {                                                                                    \
            if (1 << i < n) {                                                                \
                const T before = tile_shuffle_##name(x, tile_lane() - (step << i) & 31);     \
                x = digit >= 1 << i ? tile_##join##_##name(before, x) : x;                   \
            }                                                                                \
        }                                                                                    \
        return x;                                                                            \
    }                                                                                        \
    TILE_FN void tile_scan_row_##join##_##name(T *s, int n, int stride, int lane, int lanes) \
    {                                                                                        \
        T carry = 0;                                                                         \
        for (int first = 0; first < n; first += lanes) {                                     \
            const int i = first + lane;                                                      \
            T x = i < n ? tile_shared_load_##name(s + i * stride) : (T)0;                    \
            x = tile_scan_lanes_##join##_##name(x, lane, 1, lanes);                          \
            x = first ? tile_##join##_##name(carry, x) : x;                                  \
            if (i < n)                                                                       \
                tile_shared_store_##name(s + i * stride, x);                                 \
            carry = tile_shuffle_##name(x, tile_lane() | (lanes - 1));                       \
        }                                                                                    \
    }
#define SCANS(T, name) SCAN(T, name, add) SCAN(T, name, max)
SCANS(uint8_t, u8)
SCANS(int8_t, i8)
SCANS(uint16_t, u16)
SCANS(int16_t, i16)
SCANS(uint32_t, u32)
SCANS(int32_t, i32)
SCANS(uint64_t, u64)
SCANS(int64_t, i64)
SCAN(float, f32, max)
#undef SCANS
#undef SCAN

/* ---- storage floats, exactly ---- */

TILE_FN uint16_t tile_exact_f16(float x)
{
    return tile_f32_to_f16(x);
}
TILE_FN uint16_t tile_exact_bf16(float x)
{
    return tile_f32_to_bf16(x);
}
TILE_FN uint8_t tile_exact_e4m3(float x)
{
    return tile_f32_to_e4m3(x);
}
/* A conversion saturates; a value that was inf in this type stays it. */
TILE_FN uint8_t tile_exact_e5m2(float x)
{
    const uint8_t inf = x < 0.0f ? 0xFC : 0x7C;
    return tile_abs(x) == tile_float(TILE_INF_BITS) ? inf : tile_f32_to_e5m2(x);
}
TILE_FN uint8_t tile_exact_e2m1(float x)
{
    return tile_f32_to_e2m1(x);
}
TILE_FN uint8_t tile_exact_ue8m0(float x)
{
    return tile_f32_to_ue8m0(x);
}
TILE_FN float tile_exact_tf32(float x)
{
    return tile_f32_to_tf32(x);
}

/* ---- classes ---- */

TILE_FN uint32_t tile_lanes_below(void)
{
    return (1u << tile_lane()) - 1u;
}
/* The lanes whose element is what the lower `bits` bits, at most 5, of this lane's number are, and
 * counts; elements that count have no more bits. */
TILE_FN uint32_t tile_members(int x, bool counts, int bits)
{
    uint32_t all = tile_ballot(counts);
    TILE_EACH(b, bits)
    {
        const uint32_t set = tile_ballot_u32((uint32_t)x & 1u << b);
        all &= (tile_lane() & 1 << b) != 0 ? set : ~set;
    }
    return all;
}

#endif
