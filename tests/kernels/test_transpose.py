"""transpose/transpose.tile: an exact copy for every tile size."""
import numpy as np
import pytest

from harness import bits, from_bits, run, same_bits
from ref_transpose import transpose

TILES = [(64, 64), (64, 128), (128, 64), (128, 128)]


def any_bits(shape, T, seed):
    width = {"e4m3": 8, "bf16": 16, "f32": 32}[T]
    return from_bits(T, np.random.default_rng(seed).integers(0, 1 << width, shape, np.uint64))


def check(x, T, BM, BN):
    statics = {"T": T, "BM": BM, "BN": BN}
    got = run("transpose/transpose.tile", "transpose", statics, {"x": x}, {"y": T})
    same_bits(bits(got["y"]), bits(transpose(x)), "y")         # NaN payloads too


@pytest.mark.parametrize("T", ["e4m3", "bf16", "f32"])
@pytest.mark.parametrize("BM,BN", TILES)
def test_tiles(BM, BN, T):
    check(any_bits((3, 130, 190), T, BM + BN), T, BM, BN)


@pytest.mark.parametrize("M", [0, 1, 63, 64, 65])
@pytest.mark.parametrize("N", [0, 1, 127, 128, 129])
def test_sizes(M, N):
    check(any_bits((2, M, N), "bf16", M + N), "bf16", 64, 128)


@pytest.mark.parametrize("B", [0, 1, 5])
def test_batches(B):
    check(any_bits((B, 40, 70), "e4m3", B), "e4m3", 64, 64)


def test_real_size():
    check(any_bits((1, 4096, 7168), "bf16", 7), "bf16", 128, 128)
