"""mhc/sinkhorn.tile: bit for bit (every sum has its order), and near an f64 run."""
import numpy as np
import pytest

from data import normal
from harness import run, same_bits, within
from ref_math import F32
from ref_sinkhorn import error_bound, sinkhorn, sinkhorn_f64


def check(x, eps, R):
    N, H, _ = x.shape
    statics = {"H": H, "R": R, "eps": eps}
    got = run("mhc/sinkhorn.tile", "sinkhorn", statics, {"x": x}, {"y": "f32"})["y"]
    same_bits(got, sinkhorn(x, eps, R), "y")
    if N:
        within(got, sinkhorn_f64(x, float(F32(eps)), R), error_bound(H, R), "y against f64")


@pytest.mark.parametrize("N", [0, 1, 127, 128, 129, 1000])
def test_sizes(N):
    check(normal((N, 4, 4), N, 2.0), 1e-6, 10)


@pytest.mark.parametrize("H", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("R", [1, 2, 20])
def test_shapes(H, R):
    check(normal((20, H, H), H + R), 1e-6, R)


@pytest.mark.parametrize("eps", [0.0, 1e-6, 1e-2])
@pytest.mark.parametrize("scale", [0.01, 10.0])
def test_ranges(scale, eps):
    check(normal((64, 4, 4), 5, scale), eps, 10)


def test_a_nan_stays_in_its_matrix():
    x = normal((3, 4, 4), 1)
    x[1, 2, 3] = np.nan
    got = run("mhc/sinkhorn.tile", "sinkhorn", {"eps": 1e-6}, {"x": x}, {"y": "f32"})["y"]
    assert np.isnan(got[1]).all() and np.isfinite(got[[0, 2]]).all()
