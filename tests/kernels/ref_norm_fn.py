"""mHC norm_fn: mul = x f^T, sqr = sum x^2, y = mul / sqrt(sqr / K + eps).

The tensor core sees f truncated to tf32, so the product is that of the truncated weights; bf16 is a
tf32 value already.
"""
import numpy as np

from ref_math import quietly, to_tf32

F64 = np.float64


@quietly
def norm_fn(x, f, eps):
    """In f64 from bf16 x and f32 f: (mul, sqr, y)."""
    x = np.asarray(x).astype(F64)
    mul = x @ to_tf32(f, zero=True).astype(F64).T
    sqr = (x * x).sum(1)
    return mul, sqr, normalise(mul, sqr, x.shape[1], eps)


@quietly
def normalise(mul, sqr, size, eps):
    mean = np.divide(np.asarray(sqr, F64), F64(size))
    return np.asarray(mul, F64) / np.sqrt(mean + eps)[:, None]
