"""Per-token cast: each 1 x G block of a row gets scale = amax / top and codes = block / scale."""
import numpy as np

from ref_math import F32, ceil_div, convert, quietly

# Least amax, so that 1 / scale is finite.
LOWEST = {"e4m3": F32(1e-4), "e2m1": F32(6 * 2.0 ** -126)}
TOP = {"e4m3": F32(448), "e2m1": F32(6)}


def power_of_two_above(s):
    fraction, exponent = np.frexp(s)
    exponent = exponent - (fraction == 0.5)
    return np.where(np.isfinite(s), np.ldexp(F32(1), exponent), s).astype(F32)


@quietly
def per_token_cast(x, O="e4m3", S="f32", G=128, pow2=False):
    """(codes O[M, K], scales S[M, ceil(K / G)]); the last block of a row may be short."""
    M, K = x.shape
    blocks = ceil_div(K, G)
    v = np.zeros((M, blocks * G), F32)
    v[:, :K] = x.astype(F32)
    v = v.reshape(M, blocks, G)
    amax = np.maximum(np.max(np.abs(v), axis=2, initial=0), LOWEST[O])     # maximum keeps NaN
    if pow2:
        scale = power_of_two_above(amax / TOP[O])
        inverse = F32(1) / scale
    else:
        scale = amax / TOP[O]
        inverse = TOP[O] / amax
    codes = convert((v * inverse[:, :, None]).reshape(M, blocks * G)[:, :K], O)
    return codes, convert(scale, S)
