"""quant/per_token_cast.tile, bit for bit."""
import numpy as np
import pytest

from data import for_casts, normal
from harness import run, same_bits
from ref_per_token_cast import per_token_cast

FORMATS = [("f32", False, "row"), ("f32", False, "col_pad16"), ("f32", True, "row"),
           ("f32", True, "col_pad16"), ("ue8m0", True, "row"), ("ue8m0", True, "col_pad16"),
           ("ue8m0", True, "ue8m0x4")]
SHAPES = [(5, 300), (3, 130), (9, 258), (1, 512), (4, 62)]


def cast(x, T, O, S, G, pow2, store="row", BM=4, BK=256):
    statics = {"T": T, "O": O, "S": S, "G": G, "pow2": pow2, "sf": store, "BM": BM, "BK": BK}
    return run("quant/per_token_cast.tile", "per_token_cast", statics, {"x": x}, {"y": O, "sf": S})


def check(x, T, O, S, G, pow2, **how):
    got = cast(x, T, O, S, G, pow2, **how)
    codes, scales = per_token_cast(x, O, S, G, pow2)
    same_bits(got["y"], codes, "y")
    same_bits(got["sf"], scales, "sf")


@pytest.mark.parametrize("S,pow2,store", FORMATS)
@pytest.mark.parametrize("G", [16, 32, 64, 128])
@pytest.mark.parametrize("O", ["e4m3", "e2m1"])
@pytest.mark.parametrize("T", ["bf16", "f32"])
def test_formats(T, O, G, S, pow2, store):
    number = FORMATS.index((S, pow2, store)) + [16, 32, 64, 128].index(G)
    M, K = SHAPES[number % len(SHAPES)]
    x = for_casts(M, K, G, number, T, 448.0 if O == "e4m3" else 6.0)
    check(x, T, O, S, G, pow2, store=store, BM=[1, 2, 4, 8][number % 4])


@pytest.mark.parametrize("BM,BK", [(1, 128), (2, 384), (8, 256), (1, 2048)])
def test_tiles(BM, BK):
    x = for_casts(11, 1060, 128, BK, "bf16")
    check(x, "bf16", "e4m3", "f32", 128, False, BM=BM, BK=BK)


@pytest.mark.parametrize("M", [0, 1, 3, 4, 5])
@pytest.mark.parametrize("K", [0, 2, 126, 128, 130, 254, 256, 258])
def test_sizes(M, K):
    x = for_casts(M, K, 128, M + K, "bf16")
    check(x, "bf16", "e4m3", "f32", 128, False, store="col_pad16")


@pytest.mark.parametrize("K", [1, 3, 127, 129])
def test_odd_rows(K):
    check(for_casts(5, K, 32, K), "f32", "e4m3", "ue8m0", 32, True, store="ue8m0x4")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("O,S,pow2", [("e4m3", "f32", False), ("e2m1", "ue8m0", True)])
def test_seeds(O, S, pow2, seed):
    x = for_casts(32, 600, 32, seed, "f32", 448.0 if O == "e4m3" else 6.0)
    check(x, "f32", O, S, 32, pow2)


def test_one_nan_spoils_its_block_only():
    x = normal((2, 384), 1, T="bf16")
    x[1, 130] = np.nan
    got = cast(x, "bf16", "e4m3", "f32", 128, False)
    assert np.isnan(got["sf"]).tolist() == [[False, False, False], [False, True, False]]
    assert np.isnan(got["y"].astype(np.float32)).sum() == 128


@pytest.mark.parametrize("O,S,pow2", [("e4m3", "f32", False), ("e2m1", "ue8m0", True)])
def test_real_size(O, S, pow2):
    x = normal((4096, 7168), 2, T="bf16")
    got = cast(x, "bf16", O, S, 128, pow2, BM=1, BK=1024)
    for rows in (slice(i, i + 512) for i in range(0, 4096, 512)):
        codes, scales = per_token_cast(x[rows], O, S, 128, pow2)
        same_bits(got["y"][rows], codes, "y")
        same_bits(got["sf"][rows], scales, "sf")
