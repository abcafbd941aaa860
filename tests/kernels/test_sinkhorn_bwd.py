"""Sinkhorn, backward: all sums are trees, so every bit is fixed by the language."""
import numpy as np
import pytest

import ref_sinkhorn_bwd as ref
from harness import LEVEL, run, same_bits
from ref_checks import close, gradient, plain_zeros
from ref_math import F32

FILE, KERNEL = "mhc/sinkhorn_bwd.tile", "sinkhorn_bwd"


def case(seed, n, h, spread=1.0):
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((n, h, h)) * spread).astype(F32)
    return rng.standard_normal((n, h, h)).astype(F32), x


def check(gy, x, rounds, eps, seed=0):
    statics = {"H": x.shape[1], "R": rounds, "eps": F32(eps)}
    got = run(FILE, KERNEL, statics, {"gy": gy, "x": x}, {"gx": "f32"}, seed)["gx"]
    want = ref.rounded(gy, x, rounds, eps)
    same_bits(plain_zeros(got), plain_zeros(want), "gx")
    return got


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 100] + ([8001] if LEVEL > 1 else []))
def test_bits(n):
    check(*case(n, n, 4), 10, 1e-6, seed=n)


@pytest.mark.parametrize("h, rounds", [(1, 3), (2, 2), (3, 2), (4, 1), (4, 2), (4, 20), (5, 4)])
@pytest.mark.parametrize("seed", [0, 1])
def test_shapes(h, rounds, seed):
    check(*case(seed, 9, h), rounds, 1e-5, seed)


@pytest.mark.parametrize("spread", [0.0, 20.0, 100.0])
@pytest.mark.parametrize("eps", [1e-6, 1e-2])
def test_ranges(spread, eps):
    """Equal entries; entries that underflow in the softmax."""
    check(*case(5, 12, 4, spread), 6, eps)


def test_nan_stays_in_its_matrix():
    gy, x = case(6, 5, 4)
    x[2, 1, 3] = np.nan
    got = check(gy, x, 4, 1e-6)
    assert np.isnan(got[2]).all() and not np.isnan(np.delete(got, 2, axis=0)).any()


@pytest.mark.parametrize("rounds", [1, 3, 10])
def test_numeric_gradient(rounds):
    gy, x = case(7, 3, 4)
    got = check(gy, x, rounds, 1e-4)
    close(got, gradient(lambda z: (gy * ref.forward(z, rounds, 1e-4)).sum(), x), 1e-5)
