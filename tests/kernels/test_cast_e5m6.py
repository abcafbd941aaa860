"""quant/cast_e5m6.tile, both directions, bit for bit."""
import numpy as np
import pytest

from data import for_casts, normal
from harness import run, same_bits
from ref_cast_e5m6 import cast_back_e5m6, cast_e5m6, decode, unpack
from ref_math import F32, ceil_div

FORMATS = [("f32", False, "row"), ("f32", False, "col_pad16"), ("f32", True, "row"),
           ("ue8m0", True, "row"), ("ue8m0", True, "ue8m0x4")]


def cast(x, T, S="f32", pow2=False, store="row", BM=2):
    statics = {"K": x.shape[1], "T": T, "S": S, "pow2": pow2, "sf": store, "BM": BM}
    return run("quant/cast_e5m6.tile", "cast_e5m6", statics, {"x": x}, {"y": "u32", "sf": S})


def check(x, T, **how):
    got = cast(x, T, **how)
    words, sf = cast_e5m6(x, how.get("S", "f32"), how.get("pow2", False))
    same_bits(got["sf"], sf, "sf")
    rows = np.isfinite(x.astype(F32)).all(axis=1)       # codes of NaN follow its payload bits
    same_bits(got["y"][rows], words[rows], "y")


def check_back(words, sf, O, BG, G, BM=4, BK=1024):
    K = words.shape[1] // 3 * 8
    statics = {"K": K, "O": O, "BG": BG, "G": G, "BM": BM, "BK": BK}
    inputs = {"y": words, "sf": sf}
    got = run("quant/cast_e5m6.tile", "cast_back_e5m6", statics, inputs, {"x": O})
    same_bits(got["x"], cast_back_e5m6(words, sf, K, G, BG, O), "x")


@pytest.mark.parametrize("S,pow2,store", FORMATS)
@pytest.mark.parametrize("T", ["bf16", "f32"])
@pytest.mark.parametrize("BM", [1, 2, 4])
def test_formats(T, S, pow2, store, BM):
    x = for_casts(19, 200, 200, BM, T, 65024.0)
    check(x, T, S=S, pow2=pow2, store=store, BM=BM)


@pytest.mark.parametrize("M", [0, 1, 2, 3])
@pytest.mark.parametrize("K", [8, 16, 1000])
def test_sizes(M, K):
    check(for_casts(M, K, K, M, "f32", 65024.0), "f32")


@pytest.mark.parametrize("seed", range(3))
def test_ties_and_small_values(seed):
    """amax 65024 makes the scale 1; the values are every code's middle and codes below 2^-14."""
    r = np.random.default_rng(seed)
    code = r.integers(0, 1984, (4, 256))
    x = np.ldexp(64.0 + code % 64 + 0.5, code // 64 - 21) * r.choice([-1, 1], code.shape)
    small = x[:, ::3].shape
    x[:, ::3] = np.ldexp(r.random(small), r.integers(-30, -12, small))
    x[:, 0] = 65024
    check(x.astype(F32), "f32")


def test_all_codes_from_their_values():
    every = np.arange(4096, dtype=np.int64).reshape(4, 1024)
    every = np.where(every & 0x7C0 == 0x7C0, 0x7BF, every)          # no inf, no NaN
    x = decode(every)
    x[:, 0] = 65024
    got = unpack(cast(x, "f32")["y"])
    assert (got[:, 1:] == every[:, 1:]).all()


@pytest.mark.parametrize("K", [4096, 7168])
def test_model_rows(K):
    x = normal((16, K), K, T="bf16")
    check(x, "bf16", BM=4)
    words, sf = cast_e5m6(x)
    check_back(words, sf, "bf16", 1, K)


@pytest.mark.parametrize("O", ["bf16", "f32"])
@pytest.mark.parametrize("BG,G", [(1, 64), (1, 400), (4, 100), (32, 128)])
@pytest.mark.parametrize("M,K", [(0, 8), (1, 8), (5, 200), (9, 1032)])
def test_back(O, BG, G, M, K):
    r = np.random.default_rng(M + K + G)
    words = r.integers(0, 1 << 32, (M, K // 8 * 3), np.uint64).astype(np.uint32)
    sf = np.ldexp(r.random((ceil_div(M, BG), ceil_div(K, G))) + 0.5, 3).astype(F32)
    check_back(words, sf, O, BG, G)


@pytest.mark.parametrize("BM,BK", [(1, 8), (4, 64), (8, 2048)])
def test_back_tiles(BM, BK):
    x = normal((11, 264), BK)
    words, sf = cast_e5m6(x)
    check_back(words, sf, "f32", 1, 264, BM, BK)
