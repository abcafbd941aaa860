/* Instruction descriptors of tcgen05.mma (PTX ISA 9.7.16.4.2) and the shapes and types that each
 * kind has (tables 39, 42 to 44, 52 and 57). */
#include <math.h>

#include "runtime/machine/tcgen05.h"
#include "runtime/numerics/convert.h"

/* ---- elements ---- */

/* Table 52's packing: 4 and 6 bits of f8f6f4 lie in pieces of 16 elements, padded to 16 bytes
 * (9.7.16.10.4.4); how they lie in tensor memory only figures say. */
static const Element f16 = {"f16", 8, 16, 2, element_from_f16},
                     bf16 = {"bf16", 8, 16, 2, element_from_bf16},
                     tf32 = {"tf32", 4, 32, 1, element_from_tf32},
                     u8 = {"u8", 16, 8, 4, element_from_u8}, s8 = {"s8", 16, 8, 4, element_from_s8},
                     e4m3 = {"e4m3", 16, 8, 4, element_from_e4m3},
                     e5m2 = {"e5m2", 16, 8, 4, element_from_e5m2},
                     e2m3 = {"e2m3", 16, 6, 0, element_from_e2m3},
                     e3m2 = {"e3m2", 16, 6, 0, element_from_e3m2},
                     e2m1 = {"e2m1", 16, 4, 0, element_from_e2m1},
                     e2m1_dense = {"e2m1", 32, 4, 8, element_from_e2m1};

/* ---- scales: ue8m0, ue4m3 ---- */

static double from_ue8m0(uint32_t u)
{
    return u == 0xFF ? NAN : ldexp(1, (int)u - 127);
}
static double from_ue4m3(uint32_t u)
{
    return tile_e4m3_to_f32((uint8_t)(u & 0x7F));
}

/* ---- kinds ---- */

typedef struct Kind {
    int k, scales;
    const Element *element[6]; /* by code */
} Kind;

#define F8F6F4                               \
    {                                        \
        &e4m3, &e5m2, 0, &e2m3, &e3m2, &e2m1 \
    }
static const Kind kinds[] = {
    [TILE_TCGEN05_KIND_f16] = {16, 0, {&f16, &bf16}},
    [TILE_TCGEN05_KIND_tf32] = {8, 0, {0, 0, &tf32}},
    [TILE_TCGEN05_KIND_f8f6f4] = {32, 0, F8F6F4},
    [TILE_TCGEN05_KIND_i8] = {32, 0, {&u8, &s8}},
    [TILE_TCGEN05_KIND_mxf8f6f4] = {32, 1, F8F6F4},
    [TILE_TCGEN05_KIND_mxf4] = {64, 2, {0, &e2m1_dense}},
    [TILE_TCGEN05_KIND_mxf4nvf4_2x] = {64, 2, {0, &e2m1_dense}},
    [TILE_TCGEN05_KIND_mxf4nvf4_4x] = {64, 4, {0, &e2m1_dense}},
};

static uint32_t field(uint32_t idesc, int bit, int bits)
{
    return idesc >> bit & ((1u << bits) - 1);
}

/* Bits that must be 0 here: reserved ones, and those of sparse, .ws and K = 96 instructions. */
static uint32_t unused_bits(int kind)
{
    if (kind < TILE_TCGEN05_KIND_mxf8f6f4)
        return 3u << 0 | 1u << 2 | (kind == TILE_TCGEN05_KIND_i8 ? 3u << 13 : 1u << 3) | 1u << 6 |
               1u << 23 | 7u << 29;
    uint32_t unused = 3u << 0 | 1u << 2 | 1u << 3 | 1u << 6 | 7u << 24 | 1u << 31;
    return kind == TILE_TCGEN05_KIND_mxf8f6f4 ? unused : unused | 1u << 12 | 3u << 15;
}

/* ---- shapes: table 39 ---- */

static const char *check_shape(int kind, int group, const Instruction *in)
{
    bool scaled = in->scales > 0, integer = kind == TILE_TCGEN05_KIND_i8;
    bool m_good = group == 2 ? in->m == 128 || in->m == 256
                             : in->m == 128 || (in->m == 64 && !scaled);
    int step = group == 2 ? (integer ? 32 : 16) : integer && in->n > 32 ? 16 : 8;
    if (!m_good)
        return group == 2 ? "M of a pair is 128 or 256"
               : scaled   ? "M of one block with scales is 128"
                          : "M of one block is 64 or 128";
    if (in->n < step || in->n > 256 || in->n % step)
        return group == 2 ? "N of a pair is a multiple of 16 (i8: 32) up to 256"
                          : "N of one block is a multiple of 8 (i8: 16, or 8 and 24) up to 256";
    if (in->b_mn && in->b->bits == 8 && in->n % (16 * group))
        return "N of 8-bit elements that lie along N is a multiple of 16, of a pair 32";
    return NULL;
}

/* A half of N has columns of scales of its own: CUTLASS has them for whole columns only. */
static const char *check_halves(int group, const Instruction *in)
{
    return in->scales && group == 2 && in->m == 128 && in->n % 64
               ? "scales with M = 128 of a pair are modelled for multiples of 64 as N"
               : NULL;
}

static const char *check_majors(const Instruction *in)
{
    if ((in->a_mn && in->a->bits < 8) || (in->b_mn && in->b->bits < 8))
        return "elements of 4 and 6 bits lie along K";
    if (in->k == 8 && (in->a_mn || in->b_mn))
        return "tf32 along M or N needs the swizzle of 128 bytes in pieces of 32, which is not "
               "modelled";
    return NULL;
}

static const char *check_types(int kind, uint32_t idesc, Instruction *in)
{
    uint32_t d = field(idesc, 4, 2);
    if (!in->a || !in->b)
        return "the kind has no such element type";
    if (kind < TILE_TCGEN05_KIND_mxf8f6f4) {
        if (d == 0 && (kind == TILE_TCGEN05_KIND_f16 || kind == TILE_TCGEN05_KIND_f8f6f4))
            return "sums in f16 are not modelled";
        return d != (in->integer ? 2 : 1) ? "the kind has no such type of D" : NULL;
    }
    bool ue8m0 = field(idesc, 23, 1);
    bool both = kind == TILE_TCGEN05_KIND_mxf4nvf4_4x;
    in->scale = ue8m0 ? from_ue8m0 : from_ue4m3;
    return !ue8m0 && !both ? "the kind's scales are ue8m0 (bit 23)" : NULL;
}

/* 9.7.16.10.7.2, .3: the first byte of the scales in a word; they are aligned to their number. */
static const char *check_ids(const Instruction *in)
{
    if (in->scales == 2 && (in->a_id % 2 || in->b_id % 2))
        return "scale ids for scale_vec::2X are 0 and 2";
    if (in->scales == 4 && (in->a_id || in->b_id))
        return "the scale id for scale_vec::4X is 0";
    return NULL;
}

const char *instruction_decode(int kind, uint32_t idesc, int group, Instruction *in)
{
    const Kind *k = &kinds[kind];
    bool scaled = k->scales > 0;
    uint32_t a = field(idesc, 7, 3), b = field(idesc, 10, 3);
    *in = (Instruction){.m = scaled ? (int)field(idesc, 27, 2) << 7 : (int)field(idesc, 24, 5) << 4,
                        .n = (int)field(idesc, 17, 6) << 3,
                        .k = k->k,
                        .a = a < 6 ? k->element[a] : NULL,
                        .b = b < 6 ? k->element[b] : NULL,
                        .a_negative = field(idesc, 13, 1),
                        .b_negative = field(idesc, 14, 1),
                        .a_mn = field(idesc, 15, 1),
                        .b_mn = field(idesc, 16, 1),
                        .saturate = field(idesc, 3, 1),
                        .integer = kind == TILE_TCGEN05_KIND_i8,
                        .scales = k->scales};
    if (scaled) {
        in->b_id = (int)field(idesc, 4, 2);
        in->a_id = (int)field(idesc, 29, 2);
    }
    if (idesc & unused_bits(kind))
        return "bits are set that the kind does not have, or that are not modelled (sparse, .ws)";
    const char *wrong = check_types(kind, idesc, in);
    wrong = wrong ? wrong : check_majors(in);
    wrong = wrong ? wrong : check_shape(kind, group, in);
    wrong = wrong ? wrong : check_halves(group, in);
    return wrong ? wrong : check_ids(in);
}
