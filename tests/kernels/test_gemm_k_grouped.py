"""K-grouped FP8 GEMM: every bit where products of blocks are exact, R9's bound elsewhere."""
import numpy as np
import pytest

import ref_gemm_k_grouped as ref
from harness import LEVEL, run, same_bits, within
from ref_math import F32, to_e4m3

FILE, KERNEL = "gemm/gemm_k_grouped.tile", "gemm_k_grouped"
EPS = 2.0 ** -24


def case(seed, m, n, sizes, spare=0, whole=False):
    """Groups of sizes[g] blocks of 128, and `spare` blocks after the last group. `whole`: codes are
    small integers, so that the product of two blocks is exact; the scales are arbitrary."""
    rng = np.random.default_rng(seed)
    total = (sum(sizes) + spare) * 128

    def codes(count):
        return to_e4m3(rng.integers(-2, 3, count) if whole else rng.standard_normal(count) * 40)

    def scales(rows):
        return (rng.random((total // 128, rows)) + 0.1).astype(F32)

    return {"a": codes(m * total), "sa": scales(m), "b": codes(n * total), "sb": scales(n),
            "ends": (np.cumsum(sizes, dtype=np.int64) * 128).astype(np.int32),
            "d": rng.standard_normal((len(sizes), m, n)).astype(F32)}


def execute(values, seed=0, **statics):
    return run(FILE, KERNEL, statics, values, {"d": "f32"}, seed)["d"]


def check_bits(values, seed=0, **statics):
    got = execute(values, seed, **statics)
    same_bits(got, ref.rounded(*values.values()), "d")


@pytest.mark.parametrize("m, n", [(8, 8), (16, 24), (24, 32), (40, 72)])
@pytest.mark.parametrize("sizes", [[1], [0, 2, 0, 1, 0], [3, 1], [0, 0], [2, 0]])
def test_groups(m, n, sizes):
    check_bits(case(m + n, m, n, sizes, whole=True), seed=len(sizes), BM=16, BN=24)


@pytest.mark.parametrize("m, n", [(120, 56), (128, 64), (136, 72)])
def test_scheduled_tiles(m, n):
    check_bits(case(m, m, n, [2, 0, 1], whole=True))


@pytest.mark.parametrize("seed", range(3))
def test_spare_blocks_are_ignored(seed):
    check_bits(case(seed, 24, 16, [1, 2], spare=2, whole=True), seed, BM=16, BN=16)


def test_no_group_and_no_channel():
    got = execute(case(1, 16, 8, [], spare=1), BM=16, BN=16)
    assert got.shape == (0, 16, 8)
    check_bits(case(2, 16, 8, [0, 0, 0]), BM=16, BN=16)


def test_group_without_channels_keeps_any_bits():
    values = case(3, 16, 8, [1, 0], whole=True)
    values["d"][1] = -0.0
    values["d"][1, 3, 4] = np.nan
    got = execute(values, BM=16, BN=16)
    same_bits(got[1], values["d"][1], "d[1]")


@pytest.mark.parametrize("m, n, sizes", [(24, 40, [1, 0, 3]), (136, 72, [2, 1])] +
                         ([(4096, 512, [4, 0, 7, 9])] if LEVEL > 1 else []))
def test_bounds(m, n, sizes):
    """R9 for each product of two blocks, and a few roundings of each term and of d."""
    values = case(m, m, n, sizes)
    want, limit = ref.grouped(*values.values())
    magnitude = limit / (ref.BLOCK * ref.E4M3_UNIT) + np.abs(values["d"])
    within(execute(values), want, limit + (max(sizes) + 3) * EPS * magnitude, "d")
