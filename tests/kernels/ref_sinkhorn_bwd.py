"""Sinkhorn normalisation of one H x H matrix, backward.

Forward: softmax of the rows, + eps, then columns, and R - 1 times rows and columns, each step being
c / (sum(c) + eps) along its axis.
"""
import numpy as np

from ref_math import F32, amax, exp, f32, quietly, tree_sum

ROWS, COLUMNS = -1, -2  # the axis that is summed


def steps(rounds):
    return [COLUMNS] + [ROWS, COLUMNS] * (rounds - 1)


def forward(x, rounds, eps):
    """In f64."""
    e = np.exp(x - x.max(-1, keepdims=True))
    c = e / e.sum(-1, keepdims=True) + eps
    for axis in steps(rounds):
        c = c / (c.sum(axis, keepdims=True) + eps)
    return c


def backward(gy, x, rounds, eps):
    """In f64, every step by its Jacobian, dy_i / dc_j = [i = j] / s - c_i / s^2."""
    e = np.exp(x - x.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    kept = [p + eps]
    for axis in steps(rounds):
        c = kept[-1]
        kept.append(c / (c.sum(axis, keepdims=True) + eps))
    g = gy
    for axis, c in zip(reversed(steps(rounds)), reversed(kept[:-1])):
        s = c.sum(axis, keepdims=True) + eps
        g = g / s - (g * c).sum(axis, keepdims=True) / (s * s)
    return p * (g - (g * p).sum(-1, keepdims=True))


@quietly
def rounded(gy, x, rounds, eps):
    """f32, every rounding in the kernel's order: all sums are trees, so all bits are fixed.
    A step back is (g - sum(g c) / s) / s."""
    eps = F32(eps)
    x = f32(x)
    e = exp(x - amax(x, -1))
    p = e / tree_sum(e, -1)
    kept = [p + eps]
    for axis in steps(rounds):
        c = kept[-1]
        kept.append(c / (tree_sum(c, axis) + eps))
    g = f32(gy)
    for axis, c in zip(reversed(steps(rounds)), reversed(kept[:-1])):
        s = tree_sum(c, axis) + eps
        g = (g - tree_sum(g * c, axis) / s) / s
    return (g - tree_sum(g * p, -1)) * p
