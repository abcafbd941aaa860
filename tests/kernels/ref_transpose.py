"""Batched transpose: y[b, n, m] = x[b, m, n]."""
import numpy as np


def transpose(x):
    return np.ascontiguousarray(x.transpose(0, 2, 1))
