"""Numeric gradients and comparisons, for the references and the tests of backward kernels."""
import numpy as np


def gradient(loss, x, step=1e-5):
    """Central differences in f64 of the scalar function `loss` at x."""
    x = np.array(x, np.float64)
    out = np.zeros(x.shape)
    for at in np.ndindex(*x.shape):
        keep = x[at]
        x[at] = keep + step
        above = loss(x)
        x[at] = keep - step
        out[at] = (above - loss(x)) / (2 * step)
        x[at] = keep
    return out


def close(got, want, tolerance=1e-6):
    """Relative to the largest element: differences of a loss carry its absolute error."""
    np.testing.assert_allclose(np.asarray(got, np.float64), want, rtol=0,
                               atol=tolerance * max(1.0, np.abs(want).max(initial=0.0)))


def plain_zeros(x):
    """x with +0 for -0: the language leaves open the sign of a sum's zero."""
    return np.where(x == 0, np.zeros_like(x), x)
