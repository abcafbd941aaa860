"""Engram gate, forward, in f64 with error bounds for an f32 evaluation in any order of summation.

    d = <x * rms(x), w * k * rms(k)> * scale;  gate = sigmoid(sign(d) sqrt(max(|d|, lo)))
    y = x + gate * v
"""
import numpy as np

UNIT = 2.0 ** -24


def engram_gate(x, k, v, w, eps, scale, clamp_lo):
    """{name: (value, bound)} for gate and y; the bound is inf where the sign of d is uncertain."""
    x, k, v, w = (t.astype(np.float64) for t in (x, k, v, w))
    eps, scale, clamp_lo = (float(np.float32(s)) for s in (eps, scale, clamp_lo))
    D = x.shape[2]
    rx = 1 / np.sqrt(np.mean(x * x, axis=2) + eps)
    rk = 1 / np.sqrt(np.mean(k * k, axis=2) + eps)
    d = np.sum(x * w * k, axis=2) * rx * rk * scale
    size = np.sum(np.abs(x * w * k), axis=2) * rx * rk * abs(scale)
    # D additions and the products of a term in each of three sums; few more for rsqrt and scale.
    d_error = size * (2 * D + 32) * UNIT
    root = np.sqrt(np.maximum(np.abs(d), clamp_lo))
    root_error = d_error / (2 * np.sqrt(np.maximum(np.abs(d) - d_error, clamp_lo))) + root * UNIT
    gate = 1 / (1 + np.exp(-np.copysign(root, d)))
    gate_error = root_error / 4 + 4 * UNIT                   # |sigmoid'| <= 1/4, 2 ulp of it
    gate_error = np.where(np.abs(d) <= d_error, np.inf, gate_error)
    y = x + gate[:, :, None] * v[:, None, :]
    y_error = gate_error[:, :, None] * np.abs(v[:, None, :]) + np.abs(y) * 2 * UNIT
    y_error = y_error + (np.abs(y) + y_error) * 2.0 ** -8    # to bf16
    return {"gate": (gate, gate_error), "y": (y, y_error)}
