"""gemm/grouped_gemm.tile: rows of padding are not written, empty groups, ragged last tiles."""
import numpy as np
import pytest

from data import normal, small_integers
from harness import LEVEL, bits, from_bits, run, same_bits, within
from ref_gemm import grouped_gemm_nt
from ref_math import F32, align, convert


def psum_of(counts, A):
    ends, start = [], 0
    for count in counts:
        ends.append(start + count)
        start = align(ends[-1], A)
    return np.array(ends, np.int32), start


def grouped(a, b, psum, A, **statics):
    before = np.random.default_rng(1).integers(0, 1 << 16, (len(a), b.shape[1]))
    before = from_bits("bf16", before)
    got = run("gemm/grouped_gemm.tile", "grouped_gemm_nt", {"A": A, **statics},
              {"a": a, "b": b, "psum": psum, "c": before}, {"c": "bf16"})["c"]
    return got, before


def check(counts, N, K, A=128, seed=0, spare=0, **statics):
    psum, rows = psum_of(counts, A)
    a = normal((rows + spare, K), seed, T="bf16")
    b = normal((len(counts), N, K), seed + 1, T="bf16")
    got, before = grouped(a, b, psum, A, **statics)
    value, bound, written = grouped_gemm_nt(a, b, psum, A)
    within(got[written], value[written], bound[written], "c")
    same_bits(bits(got[~written]), bits(before[~written]), "padding")


@pytest.mark.parametrize("counts", [[], [0], [1], [127], [128], [129], [0, 5, 0, 200, 128, 0]],
                         ids=str)
def test_counts(counts):
    check(counts, 72, 136)


@pytest.mark.parametrize("N,K", [(8, 8), (64, 64), (88, 0), (264, 72)])
def test_sizes(N, K):
    check([3, 130, 0], N, K, seed=N, spare=40)


@pytest.mark.parametrize("BN", [64, 112, 256])
def test_tiles(BN):
    check([50, 140], 136, 104, seed=BN, BN=BN)


@pytest.mark.parametrize("A", [128, 256, 384])
def test_alignments(A):
    check([10, 0, A, A + 1], 40, 64, A=A)


def test_exact():
    psum, rows = psum_of([100, 0, 131], 128)
    a, b = small_integers((rows, 200), 1), small_integers((3, 80, 200), 2)
    got, _ = grouped(a, b, psum, 128)
    for e, start in ((0, 0), (2, 128)):
        rows = slice(start, psum[e])
        exact = a[rows].astype(F32) @ b[e].astype(F32).T
        same_bits(got[rows], convert(exact, "bf16"), f"expert {e}")


@pytest.mark.skipif(LEVEL < 2, reason="TILE_TEST_LEVEL=2")
def test_large():
    check([300, 0, 512, 77], 768, 1024)
