"""FP8 x FP8 or FP4 GEMM, NT, with power-of-two scales: C = A B^T (+ C).

sa[m, k // GA] and sb[n, k // GB] are ue8m0: powers of two, 0xFF is NaN.
"""
import numpy as np

from harness import bits
from ref_math import E4M3_UNIT, F32, convert

F64 = np.float64


def scale_values(scale):
    codes = bits(scale).reshape(scale.shape).astype(F64)
    return np.where(codes == 255, np.nan, np.exp2(codes - 127))


def scaled(x, scale, group):
    """Elements times their scales, exact in f64."""
    spread = np.repeat(scale_values(scale), group, axis=1)[:, :x.shape[1]]
    return np.asarray(x).astype(F64) * spread


def gemm(a, sa, b, sb, ga, gb, c, add):
    """In f64: the result, and the bound of R9 (the accumulation of `mma` over all of K)."""
    left, right = scaled(a, sa, ga), scaled(b, sb, gb)
    out = left @ right.T + (np.asarray(c).astype(F64) if add else 0)
    return out, left.shape[1] * E4M3_UNIT * (np.abs(left) @ np.abs(right).T)


def rounded(a, sa, b, sb, ga, gb, c, add, element):
    """For sums that are exact in f32: one addition of c and one conversion to `element`."""
    acc = (scaled(a, sa, ga) @ scaled(b, sb, gb).T).astype(F32)
    if add:
        acc = acc + np.asarray(c).astype(F32)
    return convert(acc, element)
