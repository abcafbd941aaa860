"""quant/swiglu_psum.tile, bit for bit for every tile size; rows of padding keep their bytes."""
import numpy as np
import pytest

from data import normal
from harness import bits, from_bits, run, same_bits
from ref_math import align, ceil_div
from ref_swiglu_psum import swiglu_cast

TILES = [(BM, BK) for BM in (1, 2, 4, 8) for BK in (512, 1024, 2048)]


def psum_of(counts, A):
    ends, start = [], 0
    for count in counts:
        ends.append(start + count)
        start = align(ends[-1], A)
    return np.array(ends, np.int32), start


def check(counts, H, A=128, G=128, limit=7.0, weights=True, store="row", seed=0, spoil=False,
          BM=4, BK=512):
    psum, rows = psum_of(counts, A)
    T = rows + 3                                  # rows after the last expert
    x = normal((T, 2, H), seed, 4.0, "bf16")
    if spoil:
        r = np.random.default_rng(seed + 1)
        for value in (np.nan, np.inf, -np.inf):
            x.reshape(-1)[r.integers(0, x.size, 4)] = value
    inputs = {"x": x, "psum": psum}
    if weights:
        inputs["w"] = normal(T, seed + 2)
    r = np.random.default_rng(seed + 3)
    inputs["y"] = from_bits("e4m3", r.integers(0, 256, (T, H)))
    inputs["sf"] = normal((T, ceil_div(H, G)), seed + 4)
    statics = {"A": A, "G": G, "limit": limit, "sf": store, "BM": BM, "BK": BK}
    got = run("quant/swiglu_psum.tile", "swiglu_cast", statics, inputs, {"y": "e4m3", "sf": "f32"})
    y, sf = swiglu_cast(x, psum, inputs["y"], inputs["sf"], limit, inputs.get("w"), A, G)
    same_bits(bits(got["y"]), bits(y), "y")
    same_bits(got["sf"], sf, "sf")


@pytest.mark.parametrize("BM,BK", TILES)
def test_tiles(BM, BK):
    check([9, 0, 21], 1100, A=16, seed=BM, BM=BM, BK=BK)


@pytest.mark.parametrize("counts", [[], [0], [1], [3], [4], [5], [0, 0, 17, 0, 16, 1]], ids=str)
def test_counts(counts):
    check(counts, 200, A=16, seed=len(counts))


@pytest.mark.parametrize("H", [0, 1, 127, 128, 129, 511, 512, 513])
def test_rows(H):
    check([6, 5], H, A=8, seed=H)


@pytest.mark.parametrize("weights", [True, False], ids=["weights", "no-weights"])
@pytest.mark.parametrize("store", ["row", "col_pad16"])
@pytest.mark.parametrize("G", [32, 64, 128])
def test_options(G, store, weights):
    check([7, 12], 330, A=32, G=G, store=store, weights=weights, seed=G)


@pytest.mark.parametrize("limit", [0.5, 10.0, np.inf])
def test_limits(limit):
    check([10, 6], 256, A=16, limit=limit, seed=5)


@pytest.mark.parametrize("seed", range(3))
def test_nan_and_inf(seed):
    check([10, 6], 1000, A=16, seed=seed, spoil=True)


def test_model_row():
    check([100, 0, 37], 7168, seed=8, BM=8, BK=1024)
