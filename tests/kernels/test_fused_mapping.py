"""routing/fused_mapping.tile: equal bits for every number of programs and every chunk."""
import numpy as np
import pytest

from harness import run, same_bits
from ref_fused_mapping import fused_mapping
from ref_math import align

OUTPUTS = ["pos_expert", "pos_token", "pos_slot", "slot_pos", "first", "last", "count"]


def topk_of(N, K, E, seed, holes=0.1):
    r = np.random.default_rng(seed)
    topk = r.integers(0, max(E, 1), (N, K))
    topk[r.random((N, K)) < holes] = -1
    return topk.astype(np.int64)


def check(topk, E, A, P, C, X=None, seed=0):
    N, K = topk.shape
    if X is None:
        X = sum(align(int(np.sum(topk == e)), A) for e in range(E)) + 37
    statics = {"X": X, "E": E, "K": K, "A": A, "P": P, "C": C}
    got = run("routing/fused_mapping.tile", "fused_mapping", statics, {"topk": topk},
              {name: "i32" for name in OUTPUTS}, seed=seed)
    want = fused_mapping(topk, X, E, A)
    for name in OUTPUTS:
        same_bits(got[name], want[name], name)


@pytest.mark.parametrize("P", [1, 2, 5, 16])
@pytest.mark.parametrize("C", [256, 512, 1024])
def test_programs_and_chunks(P, C):
    check(topk_of(300, 6, 32, P + C), 32, 16, P, C, seed=P)


@pytest.mark.parametrize("E,K,A", [(4, 2, 16), (9, 6, 128), (32, 8, 16), (256, 8, 128)])
@pytest.mark.parametrize("seed", range(2))
def test_shapes(E, K, A, seed):
    check(topk_of(200, K, E, seed), E, A, 3, 256)


@pytest.mark.parametrize("N", [0, 1, 31, 32, 33, 64, 65])
def test_tokens(N):
    """A chunk of 256 is 32 tokens of 8 slots."""
    check(topk_of(N, 8, 9, N), 9, 16, 2, 256)


@pytest.mark.parametrize("P,C", [(1, 1), (3, 7), (4, 64), (50, 16)])
def test_odd_bindings(P, C):
    check(topk_of(37, 2, 4, P), 4, 16, P, C)


def test_one_expert_takes_all():
    check(np.full((100, 6), 3, np.int64), 9, 128, 4, 256)


def test_no_expert_at_all():
    check(np.full((50, 2), -1, np.int64), 4, 16, 4, 256)


def test_positions_beyond_the_buffer_are_dropped():
    check(topk_of(100, 6, 9, 5), 9, 16, 3, 256, X=200)


def test_empty_buffer():
    check(topk_of(10, 2, 4, 6), 4, 16, 2, 256, X=0)
