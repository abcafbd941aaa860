"""mHC norm_fn: exact where products and sums are, R9's bound elsewhere, any number of splits."""
import numpy as np
import pytest

import ref_norm_fn as ref
from harness import LEVEL, run, same_bits, within
from ref_math import BF16_UNIT, F32, quietly, rsqrt, to_bf16, to_tf32

FILE, KERNEL = "mhc/norm_fn.tile", "norm_fn"
OUTPUTS = {"mul": "f32", "sqr": "f32", "y": "f32"}
EPS = 2.0 ** -24


def execute(x, f, splits, eps=1e-6, seed=0, **more):
    statics = {"C": f.shape[0], "S": splits, "eps": F32(eps), **more}
    return run(FILE, KERNEL, statics, {"x": x, "f": f}, OUTPUTS, seed)


@quietly
def check_norm(got, size, eps=1e-6):
    """y from the kernel's own mul and sqr, bit for bit."""
    rms = rsqrt(got["sqr"] / F32(size) + F32(eps))
    same_bits(got["y"], got["mul"] * rms[:, None], "y")


def whole(seed, t, c, k):
    """Integers whose products and sums stay far below 2^24."""
    rng = np.random.default_rng(seed)
    return to_bf16(rng.integers(-8, 9, (t, k))), rng.integers(-8, 9, (c, k)).astype(F32)


@pytest.mark.parametrize("t, k, splits", [
    (0, 64, 2), (1, 64, 1), (1, 128, 2), (3, 192, 16), (4, 320, 2), (5, 320, 3), (63, 128, 4),
    (64, 128, 1), (65, 192, 2), (130, 64, 8), (7, 1024, 5),
])
def test_bits(t, k, splits):
    x, f = whole(t + k, t, 24, k)
    got = execute(x, f, splits, seed=t)
    mul, sqr, _ = ref.norm_fn(x, f, 1e-6)
    same_bits(got["mul"], mul.astype(F32), "mul")
    same_bits(got["sqr"], sqr.astype(F32), "sqr")
    check_norm(got, k)


@pytest.mark.parametrize("tiles", [{"BM": 16, "BK": 32, "BT": 1}, {"BM": 48, "BK": 128, "BT": 7}])
@pytest.mark.parametrize("splits", [1, 3])
def test_tiles(tiles, splits):
    x, f = whole(1, 50, 24, 320)
    got = execute(x, f, splits, **tiles)
    mul, sqr, _ = ref.norm_fn(x, f, 1e-6)
    same_bits(got["mul"], mul.astype(F32), "mul")
    same_bits(got["sqr"], sqr.astype(F32), "sqr")
    check_norm(got, 320)


@pytest.mark.parametrize("c", [1, 5, 32])
def test_columns(c):
    x, f = whole(c, 9, c, 128)
    got = execute(x, f, 2)
    same_bits(got["mul"], ref.norm_fn(x, f, 1e-6)[0].astype(F32), "mul")
    check_norm(got, 128)


def test_no_channels():
    """K = 0: the mean is 0 / 0."""
    got = execute(np.zeros((3, 0), to_bf16(0).dtype), np.zeros((24, 0), F32), 2)
    assert not got["mul"].any() and not got["sqr"].any() and np.isnan(got["y"]).all()


@pytest.mark.parametrize("t, k, splits, seed", [
    (5, 64, 1, 0), (66, 320, 2, 1), (66, 1280, 4, 2), (10, 2560, 16, 3),
] + ([(4096, 7168, 8, 4)] if LEVEL > 1 else []))
def test_bounds(t, k, splits, seed):
    """mul: k 2^-22 sum |x||f| for the products (R9) and a rounding a split; sqr: k + splits
    roundings of a sum of squares, in any order. y follows from them bit for bit."""
    rng = np.random.default_rng(seed)
    x, f = to_bf16(rng.standard_normal((t, k))), rng.standard_normal((24, k)).astype(F32)
    got = execute(x, f, splits, seed=seed)
    mul, sqr, _ = ref.norm_fn(x, f, 1e-6)
    size = np.abs(x.astype(np.float64)) @ np.abs(to_tf32(f, zero=True).astype(np.float64)).T
    within(got["mul"], mul, (k * BF16_UNIT + (splits + 1) * EPS) * size, "mul")
    within(got["sqr"], sqr, (k + splits + 1) * EPS * sqr, "sqr")
    check_norm(got, k)


def test_weights_are_truncated():
    """Positive weights: rounding to nearest instead of truncating would add 2^-12 of the sum."""
    rng = np.random.default_rng(8)
    x, f = to_bf16(1 + rng.random((4, 64))), (1 + rng.random((24, 64))).astype(F32)
    got = execute(x, f, 1)
    mul, _, _ = ref.norm_fn(x, f, 1e-6)
    within(got["mul"], mul, 64 * BF16_UNIT * mul, "mul")
    nearest = x.astype(np.float64) @ to_tf32(f).astype(np.float64).T
    assert (nearest - mul > 2 * 64 * BF16_UNIT * mul).all()


def test_zero_rows_are_finite():
    x, f = whole(9, 6, 24, 64)
    x[2] = 0
    got = execute(x, f, 2)
    assert not got["y"][2].any() and np.isfinite(got["y"]).all()
