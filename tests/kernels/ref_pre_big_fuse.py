"""mHC pre, fused. From the K splits of the mixing GEMM: v = sum mul / sqrt(sum sqr / (M D) + eps),
M (M + 2) values a token:
  pre  = sigmoid(v[:M] scale0 + base) + pre_eps            (applied here, not stored)
  post = sigmoid(v[M:2M] scale1 + base) * post_mult
  comb = sinkhorn(v[2M:] scale2 + base) as an M x M matrix
  y    = sum over i of pre[i] res[i, :].
"""
import numpy as np

from ref_math import F32, amax, exp, f32, fma, quietly, rsqrt, seq_sum, sigmoid, to_bf16
from ref_sinkhorn_bwd import forward as sinkhorn, steps

F64 = np.float64


def formula(mul, sqr, scale, base, res, rounds, rms_eps, pre_eps, sink_eps, post_mult):
    """In f64: a dictionary of post, comb, y, and of v and pre on the way."""
    mul, sqr, scale, base = (np.asarray(t, F64) for t in (mul, sqr, scale, base))
    res = np.asarray(res).astype(F64)
    n, m, size = res.shape
    v = mul.sum(0) / np.sqrt(sqr.sum(0) / (m * size) + rms_eps)[:, None]
    cut = [slice(0, m), slice(m, 2 * m), slice(2 * m, None)]
    z = [v[:, c] * scale[i] + base[c] for i, c in enumerate(cut)]
    pre = 1 / (1 + np.exp(-z[0])) + pre_eps
    post = 1 / (1 + np.exp(-z[1])) * post_mult
    comb = sinkhorn(z[2].reshape(n, m, m), rounds, sink_eps)
    return {"post": post, "comb": comb, "y": np.einsum("ni,nid->nd", pre, res), "pre": pre, "z": z}


@quietly
def rounded(mul, sqr, scale, base, res, rounds, rms_eps, pre_eps, sink_eps, post_mult):
    """f32 with every rounding: splits in ascending order, Sinkhorn's sums left to right, the mix
    as a chain of fma from 0."""
    res = f32(res)
    n, m, size = res.shape
    scale = f32(scale)
    a, q = np.zeros((n, m * (m + 2)), F32), np.zeros(n, F32)
    for part, square in zip(mul, sqr):
        a, q = a + part, q + square
    v = a * rsqrt(q / F32(m * size) + F32(rms_eps))[:, None]
    cut = [slice(0, m), slice(m, 2 * m), slice(2 * m, None)]
    z = [v[:, c] * scale[i] + base[c] for i, c in enumerate(cut)]
    pre = sigmoid(z[0]) + F32(pre_eps)
    post = sigmoid(z[1]) * F32(post_mult)
    comb = rounded_sinkhorn(z[2].reshape(n, m, m), rounds, F32(sink_eps))
    y = np.zeros((n, size), F32)
    for i in range(m):
        y = fma(pre[:, i, None], res[:, i, :], y)
    return {"post": post, "comb": comb, "y": to_bf16(y)}


def rounded_sinkhorn(x, rounds, eps):
    e = exp(x - amax(x, -1))
    c = e / seq_sum(e, -1) + eps
    for axis in steps(rounds):
        c = c / (seq_sum(c, axis) + eps)
    return c
