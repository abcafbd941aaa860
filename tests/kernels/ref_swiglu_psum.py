"""SwiGLU, routing weight and per-token cast of rows grouped by expert.

    v = silu(min(gate, limit)) * clamp(up, -limit, limit) * w,  then e4m3 blocks of 1 x G

Rows from psum[e] to the next multiple of A are padding and keep what they held.
"""
import numpy as np

import ref_math
from ref_math import F32, align, quietly
from ref_per_token_cast import per_token_cast


@quietly
def activation(x, limit, w=None):
    """f32[T, H] of bf16[T, 2, H]."""
    limit = F32(limit)
    gate = np.minimum(x[:, 0].astype(F32), limit)
    up = np.minimum(np.maximum(x[:, 1].astype(F32), -limit), limit)
    v = gate * ref_math.sigmoid(gate) * up
    return v if w is None else v * w[:, None]


def swiglu_cast(x, psum, y, sf, limit, w=None, A=128, G=128):
    """(codes, scales): copies of y and sf with every row of an expert written."""
    codes, scales = per_token_cast(activation(x, limit, w), G=G)
    y, sf = y.copy(), sf.copy()
    start = 0
    for end in psum.tolist():
        y[start:end], sf[start:end] = codes[start:end], scales[start:end]
        start = align(end, A)
    return y, sf
