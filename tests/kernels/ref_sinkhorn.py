"""Sinkhorn: softmax over columns, then R rounds that divide by column and row sums (eps added)."""
import numpy as np

import ref_math
from ref_math import F32, amax, quietly, tree_sum


@quietly
def sinkhorn(x, eps, R=10):
    """f32, the operations of the definition in order: x[N, H, H]."""
    eps = F32(eps)
    e = ref_math.exp(x - amax(x, 2)) if x.size else x
    c = e / tree_sum(e, 2) + eps
    c = c / (tree_sum(c, 1) + eps)
    for _ in range(R - 1):
        c = c / (tree_sum(c, 2) + eps)
        c = c / (tree_sum(c, 1) + eps)
    return c


def sinkhorn_f64(x, eps, R=10):
    x = x.astype(np.float64)
    c = np.exp(x - x.max(axis=2, keepdims=True))
    c = c / c.sum(axis=2, keepdims=True) + eps
    c = c / (c.sum(axis=1, keepdims=True) + eps)
    for _ in range(R - 1):
        c = c / (c.sum(axis=2, keepdims=True) + eps)
        c = c / (c.sum(axis=1, keepdims=True) + eps)
    return c


def error_bound(H, R):
    """Every value is below 1 + eps; a step adds H + 2 roundings, and no step magnifies an error."""
    return (2 * R * (H + 2) + 8) * 2.0 ** -24
