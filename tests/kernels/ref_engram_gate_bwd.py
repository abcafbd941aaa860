"""Engram gate, backward.

Forward, per token and branch h:  u = scale * dot * rx * rk with dot = sum x wf k,
rx = 1 / sqrt(mean(x^2) + eps), rk alike;  g = sigmoid(sign(u) sqrt(max(|u|, lo)));
y = x + g v.  wf = wx * wk is the product of two weights; both get a gradient. Where |u| < lo the
gate is constant.
"""
import numpy as np

from ref_math import F32, f32, fma, quietly, seq_sum, to_bf16

F64 = np.float64


@quietly
def forward(x, k, v, wx, wk, eps, scale, lo):
    """In f64: y and what the forward pass saves, (dot, gate, rx, rk)."""
    wf = wx * wk
    rx = 1 / np.sqrt((x * x).mean(-1) + eps)
    rk = 1 / np.sqrt((k * k).mean(-1) + eps)
    dot = (x * wf * k).sum(-1)
    u = scale * dot * rx * rk
    gate = 1 / (1 + np.exp(-np.copysign(np.sqrt(np.maximum(np.abs(u), lo)), u)))
    return x + gate[..., None] * v[:, None, :], (dot, gate, rx, rk)


@quietly
def backward(gy, x, k, v, wx, wk, dot, gate, rx, rk, scale, lo):
    """In f64, by the chain rule: gradients by name, `gw` that of wf, `s` that of dot."""
    wf = wx * wk
    gv = (gy * gate[..., None]).sum(1)
    d_root = (gy * v[:, None, :]).sum(-1) * gate * (1 - gate)
    u = scale * dot * rx * rk
    du = np.where(np.abs(u) < lo, 0.0, d_root / (2 * np.sqrt(np.abs(u))))
    s = (du * scale * rx * rk)[..., None]
    size = x.shape[-1]
    # d rx / d x = -rx^3 x / D, so the norm adds dot * rx^2 * x / D to the direction of dot.
    gx = gy + s * (k * wf - x * (dot * rx ** 2)[..., None] / size)
    gk = s * (x * wf - k * (dot * rk ** 2)[..., None] / size)
    gw = (s * x * k).sum(0)
    return {"gx": gx, "gk": gk, "gv": gv, "gwx": gw * wk, "gwk": gw * wx, "gw": gw, "s": s}


@quietly
def rounded(gy, x, k, v, wf, wx, wk, dot, gate, rx, rk, gwx, gwk, scale, lo, parts):
    """The kernel's roundings in f32. The inner product over D, whose order is the variant's own, is
    rounded once here: exact where it is exact in f32. Of `parts` programs p takes the tokens p,
    p + parts, ..."""
    n, h, size = x.shape
    g, x, k, v, wx, wk = (f32(t) for t in (gy, x, k, v, wx, wk))
    scale, lo = F32(scale), F32(lo)
    ga, d, ix, ik = (f32(t)[..., None] for t in (gate, dot, rx, rk))
    inner = (g.astype(F64) * v.astype(F64)[:, None, :]).sum(-1, keepdims=True)
    dg = f32(inner) * ga * (F32(1) - ga)
    c = scale * ix * ik
    s = np.where(np.abs(d) * c < lo, F32(0), dg * F32(0.5) * np.sqrt(c / np.abs(d)))
    gv = seq_sum(g * ga, 1)[:, 0, :]
    gx = g + s * (k * wf - x * (d * ix * ix / F32(size)))
    gk = s * (x * wf - k * (d * ik * ik / F32(size)))
    total = np.zeros((h, size), F32)
    for p in range(parts):
        part = np.zeros((h, size), F32)
        for t in range(p, n, parts):
            part = fma(s[t] * x[t], k[t], part)
        total = total + part
    return {"gx": to_bf16(gx), "gk": to_bf16(gk), "gv": to_bf16(gv),
            "gwx": gwx + total * wk, "gwk": gwk + total * wx}
