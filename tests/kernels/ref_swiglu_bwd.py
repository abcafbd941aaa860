"""SwiGLU, backward, over expanded rows.

Row r belongs to slot i = pos_slot[r] of the flat routing weights (negative: a padding row, weight
0). Forward: a, b = the halves of x[r] times their block scales; with a limit a is cut from above
and b on both sides; y = w silu(a) b. Given gy = d loss / d y: the gradients of both halves (as bf16
and as e4m3 with one scale per G channels), and gw[i] = sum gy silu(a) b; slots without a row get 0.
"""
import numpy as np

from ref_math import F32, ceil_pow2, f32, fma, quietly, sigmoid, to_bf16, to_e4m3

F64 = np.float64


def forward(a0, b0, weight, limit=None):
    """In f64 from the dequantised halves [X, D]; weight [X]. Gives y."""
    a = a0 if limit is None else np.minimum(a0, limit)
    b = b0 if limit is None else np.clip(b0, -limit, limit)
    return weight[:, None] * a / (1 + np.exp(-a)) * b


def backward(a0, b0, gy, weight, limit=None):
    """In f64: (ga, gb, gw), gw per row."""
    a = a0 if limit is None else np.minimum(a0, limit)
    b = b0 if limit is None else np.clip(b0, -limit, limit)
    s = 1 / (1 + np.exp(-a))
    silu = a * s
    ga = weight[:, None] * gy * b * (s + silu * (1 - s))
    gb = weight[:, None] * gy * silu
    if limit is not None:
        ga = np.where(a0 > limit, 0, ga)
        gb = np.where(np.abs(b0) > limit, 0, gb)
    return ga, gb, (gy * silu * b).sum(1)


def halves(x, xsf):
    """The two dequantised halves in f32, code times scale rounded once."""
    rows, width = x.shape
    group = width // xsf.shape[1]
    v = f32(x) * np.repeat(f32(xsf), group, axis=1)
    return v[:, :width // 2], v[:, width // 2:]


def row_weights(w, pos_slot):
    flat = np.concatenate([f32(w).ravel(), np.zeros(1, F32)])
    return flat[np.where(pos_slot < 0, w.size, pos_slot)]


@quietly
def quantise(v, group, pow2):
    """e4m3 codes and one f32 scale per `group` channels of every row."""
    rows, width = v.shape
    blocks = v.reshape(rows, width // group, group)
    top = np.maximum(np.abs(blocks).max(2, keepdims=True), F32(1e-4))
    scale = top / F32(448)
    if pow2:
        scale = ceil_pow2(scale)
    inverse = F32(1) / scale if pow2 else F32(448) / top
    return to_e4m3((blocks * inverse).reshape(rows, width)), scale[:, :, 0]


@quietly
def rounded(x, xsf, gy, w, pos_slot, group, pow2, limit=None):
    """f32 with every rounding of everything but gw. A dictionary of y, gx, gq, gs, and of `terms`,
    the rounded silu(a) b whose inner product with gy is gw."""
    a0, b0 = halves(x, xsf)
    a, b = a0, b0
    if limit is not None:
        limit = F32(limit)
        a, b = np.minimum(a0, limit), np.maximum(np.minimum(b0, limit), -limit)
    weight = row_weights(w, pos_slot)[:, None]
    g = f32(gy)
    s = sigmoid(a)
    act = a * s * b
    weighted = g * weight * s
    ga = weighted * b * fma(a, F32(1) - s, F32(1))
    gb = weighted * a
    if limit is not None:
        ga = np.where(a0 > limit, F32(0), ga)
        gb = np.where((b0 > limit) | (b0 < -limit), F32(0), gb)
    both = np.concatenate([ga, gb], axis=1)
    gq, gs = quantise(both, group, pow2)
    return {"y": to_bf16(act * weight), "gx": to_bf16(both), "gq": gq, "gs": gs, "terms": act}
