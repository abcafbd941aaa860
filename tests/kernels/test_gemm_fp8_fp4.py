"""Block-scaled FP8 x FP8 or FP4 GEMM: every bit where the sums are exact, R9's bound elsewhere."""
import numpy as np
import pytest

import ref_gemm_fp8_fp4 as ref
from harness import LEVEL, bits, from_bits, run, same_bits, within
from ref_checks import plain_zeros
from ref_math import F32, convert

FILE, KERNEL = "gemm/gemm_fp8_fp4.tile", "gemm_fp8_fp4_nt"
ROUNDING = {"bf16": 2.0 ** -8, "f32": 2.0 ** -24}


def case(seed, m, n, k, ga, gb, b="e2m1", c="bf16", whole=False):
    """`whole`: small integers, halves, and scales near 1, so that every sum is exact in f32."""
    rng = np.random.default_rng(seed)

    def elements(kind, *shape):
        spread = rng.integers(-2, 3, shape) if whole else rng.standard_normal(shape) * 2
        return convert(spread, kind)

    def scales(rows, group):
        low, high = (126, 129) if whole else (118, 137)
        return from_bits("ue8m0", rng.integers(low, high, (rows, -(-k // group))))

    return {"a": elements("e4m3", m, k), "sa": scales(m, ga), "b": elements(b, n, k),
            "sb": scales(n, gb), "c": convert(np.round(rng.standard_normal((m, n)) * 8), c)}


def execute(values, ga, gb, b="e2m1", c="bf16", add=0, seed=0, **more):
    statics = {"A": "e4m3", "B": b, "GA": ga, "GB": gb, "C": c, "add": add, **more}
    return run(FILE, KERNEL, statics, values, {"c": c}, seed)["c"]


def check_bits(seed, m, n, k, ga=128, gb=32, b="e2m1", c="bf16", add=0, **more):
    values = case(seed, m, n, k, ga, gb, b, c, whole=True)
    want = ref.rounded(values["a"], values["sa"], values["b"], values["sb"], ga, gb, values["c"],
                       add, c)
    got = execute(values, ga, gb, b, c, add, seed, **more)
    same_bits(plain_zeros(got), plain_zeros(want), "c")


@pytest.mark.parametrize("ga", [32, 128])
@pytest.mark.parametrize("gb", [32, 128])
@pytest.mark.parametrize("b", ["e2m1", "e4m3"])
@pytest.mark.parametrize("c, add", [("bf16", 0), ("bf16", 1), ("f32", 1)])
def test_variants(ga, gb, b, c, add):
    check_bits(ga + gb, 24, 40, 256, ga, gb, b, c, add, BM=16, BN=16)


@pytest.mark.parametrize("m, n, k", [
    (0, 8, 128), (1, 8, 128), (15, 16, 128), (16, 8, 384), (17, 24, 256), (5, 8, 0),
])
@pytest.mark.parametrize("bk", [64, 128, 256])
def test_sizes(m, n, k, bk):
    """The last tile of K may reach past it."""
    check_bits(m + n, m, n, k, c="f32", BM=16, BN=16, BK=bk)
    check_bits(m + n, m, n, k, add=1, BM=16, BN=16, BK=bk)


@pytest.mark.parametrize("m, n", [(127, 56), (128, 64), (129, 72)])
def test_scheduled_tiles(m, n):
    check_bits(m, m, n, 128)


def test_c_is_not_read_without_add():
    values = case(1, 8, 8, 128, 128, 32, whole=True)
    values["c"] = from_bits("bf16", np.full((8, 8), 0x7FFF))
    assert np.isfinite(execute(values, 128, 32).astype(F32)).all()
    assert np.isnan(execute(values, 128, 32, add=1).astype(F32)).all()


def test_nan_scale_poisons_its_row():
    values = case(2, 9, 16, 256, 128, 32, c="f32", whole=True)
    codes = bits(values["sa"]).copy()
    codes[4, 1] = 255
    values["sa"] = from_bits("ue8m0", codes)
    got = execute(values, 128, 32, c="f32", BM=16, BN=16)
    assert np.isnan(got[4]).all() and np.isfinite(np.delete(got, 4, axis=0)).all()


@pytest.mark.parametrize("m, n, k, ga, gb, b, c, add", [
    (33, 24, 384, 128, 32, "e2m1", "f32", 0), (33, 24, 384, 32, 128, "e4m3", "bf16", 1),
    (130, 72, 256, 32, 32, "e2m1", "bf16", 1),
] + ([(4096, 576, 7168, 128, 32, "e2m1", "bf16", 0)] if LEVEL > 1 else []))
@pytest.mark.parametrize("seed", [0, 1])
def test_bounds(m, n, k, ga, gb, b, c, add, seed):
    """R9 over all of K, one rounding of the sum with c, one to the element type of c."""
    values = case(seed, m, n, k, ga, gb, b, c)
    want, limit = ref.gemm(values["a"], values["sa"], values["b"], values["sb"], ga, gb,
                           values["c"], add)
    got = execute(values, ga, gb, b, c, add, seed)
    limit = limit * (1 + ROUNDING[c]) + (ROUNDING[c] + 2.0 ** -23) * np.abs(want)
    within(got, want, limit, "c")
