"""E5M6: 12-bit floats (1 sign, 5 exponent, 6 mantissa bits, bias 15), eight in three u32 words."""
import numpy as np

from harness import bits
from ref_math import F32, convert, quietly
from ref_per_token_cast import power_of_two_above

TOP = F32(65024)            # largest finite value: (2 - 2^-6) * 2^15
SMALLEST_NORMAL = 2.0 ** -14


def encode(x):
    """f32[M, K] within +-TOP to codes (u32).  Normal values: nearest, ties to even.  Below the
    smallest normal the value is cut to a multiple of 2^-20, and the low 17 bits of the f32
    significand decide about one step up, whatever they weigh there."""
    size = np.abs(x.astype(np.float64))
    _, exponent = np.frexp(size)
    step = np.ldexp(1.0, exponent - 7)
    value = np.rint(size / step) * step                              # rint: ties to even
    _, exponent = np.frexp(value)
    normal = (exponent + 14) * 64 + (np.ldexp(value, 7 - exponent) - 64)
    whole = np.floor(np.ldexp(size, 20))
    small = whole + ((bits(x) & 0x1FFFF) + whole % 2 > 0x10000)
    code = np.where(size < SMALLEST_NORMAL, small, normal).astype(np.uint32)
    return code | np.signbit(x).astype(np.uint32) << 11


def decode(code):
    """Codes to f32; exponent 31 is inf or NaN."""
    code = code.astype(np.int64)
    exponent, mantissa = code >> 6 & 31, code & 63
    value = np.where(exponent == 0, np.ldexp(mantissa / 64.0, -14),
                     np.ldexp(1 + mantissa / 64.0, exponent - 15))
    value = np.where(exponent == 31, np.where(mantissa == 0, np.inf, np.nan), value)
    return np.where(code >> 11 & 1, -value, value).astype(F32)


def pack(codes):
    """u32[M, K] codes to words [M, K // 8 * 3]: 96 bits, the first code highest."""
    M, K = codes.shape
    stream = (codes[:, :, None] >> np.arange(11, -1, -1, dtype=np.uint32)) & 1
    words = stream.reshape(M, K // 8 * 3, 32).astype(np.uint64)
    return np.sum(words << np.arange(31, -1, -1, dtype=np.uint64), axis=2).astype(np.uint32)


def unpack(words):
    M, W = words.shape
    stream = (words[:, :, None] >> np.arange(31, -1, -1, dtype=np.uint32)) & 1
    codes = stream.reshape(M, W // 3 * 8, 12)
    return np.sum(codes << np.arange(11, -1, -1, dtype=np.uint32), axis=2, dtype=np.uint32)


@quietly
def cast_e5m6(x, S="f32", pow2=False):
    """(words u32[M, K // 8 * 3], scale S[M, 1])."""
    v = x.astype(F32)
    a = np.maximum(np.max(np.abs(v), axis=1, keepdims=True, initial=0), F32(1e-4))
    scale = power_of_two_above(a / TOP) if pow2 else a / TOP
    inverse = F32(1) / scale if pow2 else TOP / a
    q = v * inverse
    q = np.where(np.isfinite(q), q, F32(0))                          # NaN has no defined code
    return pack(encode(q)), convert(scale, S)


@quietly
def cast_back_e5m6(words, sf, K, G, BG=1, O="bf16"):
    value = decode(unpack(words))
    rows, columns = np.arange(len(words)) // BG, np.arange(K) // G
    return convert(value * sf[rows][:, columns], O)
