"""Matrix products in f64, with the error bounds the language gives (R9) and the output rounding.

Each function returns (value, bound): a result is right if |result - value| <= bound.
"""
import numpy as np

from ref_math import BF16_UNIT, E4M3_UNIT, align, ceil_div, mma_bound

ROUNDING = {"bf16": 2.0 ** -8, "f32": 2.0 ** -24}
TINY = 2.0 ** -126          # below it the output's rounding is absolute


def rounded(value, bound, C):
    unit = ROUNDING[C]
    return value, bound + (np.abs(value) + bound) * unit + TINY * unit


def gemm_nt(a, b, C="bf16"):
    """a[M, K] * b[N, K]^T."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return rounded(a @ b.T, mma_bound(a, b, BF16_UNIT), C)


def gemm_fp8_nt(a, sa, b, sb, block=128):
    """Sum over blocks of 128 of K of (a * b^T) * sa[m, j] * sb[n // 128, j], to bf16."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    sa, sb = sa.astype(np.float64), sb.astype(np.float64)
    M, N, blocks = len(a), len(b), ceil_div(a.shape[1], block)
    value, bound, size = (np.zeros((M, N)) for _ in range(3))
    for j in range(blocks):
        k = slice(j * block, (j + 1) * block)
        scale = sa[:, j, None] * sb[np.arange(N) // block, j][None, :]
        value += a[:, k] @ b[:, k].T * scale
        bound += mma_bound(a[:, k], b[:, k], E4M3_UNIT) * np.abs(scale)
        size += np.abs(a[:, k]) @ np.abs(b[:, k]).T * np.abs(scale)
    # Per block one rounding each of the partial sum, of the scale and of the fma.
    return rounded(value, bound + size * (blocks + 2) * 2.0 ** -24, "bf16")


def grouped_gemm_nt(a, b, psum, A):
    """Rows of expert e, from align(psum[e - 1], A) to psum[e], times b[e]^T; and which rows."""
    value = np.zeros((len(a), b.shape[1]))
    bound = np.zeros_like(value)
    written = np.zeros(len(a), bool)
    start = 0
    for e, end in enumerate(psum.tolist()):
        value[start:end], bound[start:end] = gemm_nt(a[start:end], b[e])
        written[start:end] = True
        start = align(end, A)
    return value, bound, written
