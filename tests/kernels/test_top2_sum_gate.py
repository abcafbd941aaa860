"""gating/top2_sum_gate.tile, bit for bit."""
import numpy as np
import pytest

from harness import TilecError, run, same_bits
from ref_math import F32
from ref_top2_sum_gate import top2_sum_gate

SCORES = ["sigmoid", "sqrtsoftplus", "softmax"]
# E, G, KG, K
SHAPES = [(72, 1, 1, 6), (72, 8, 4, 8), (128, 8, 1, 6), (256, 8, 4, 8), (256, 8, 8, 6)]
ONE_RANK = {"factor": 1.0, "extra": 0, "ep_rank": 0, "n_ep": 1, "tp_rank": 0, "n_tp": 1}
OPTIONS = ["plain", "mask", "mask+raw", "fixed", "phys", "all"]


def logits_of(N, E, seed):
    """Half of the tokens have few distinct values, so that groups and experts tie."""
    r = np.random.default_rng(seed)
    z = (r.standard_normal((N, E)) * 3).astype(F32)
    z[::2] = r.integers(-2, 3, (len(z[::2]), E)) * F32(0.5)
    bias = (r.integers(-2, 3, E) * 0.25).astype(F32)
    if N:
        z[0] = r.choice(np.array([0.0, -0.0], F32), E)
    return z, bias


def optional_inputs(option, N, E, K, NS, seed):
    r = np.random.default_rng(seed + 1000)
    mask = r.random(N) < 0.7
    fixed = r.random(N) < 0.5
    raw = np.array([r.permutation(E)[:K] for _ in range(N)], np.int64).reshape(N, K)
    if option == "fixed" and N > 2:
        raw[1, 2], fixed[1] = -1, True            # a slot without an expert: weight 0
    nphys = r.integers(1, 4, E + NS).astype(np.int32)
    phys = r.integers(0, E + NS, (E + NS, 3)).astype(np.int32)
    phys[r.random(phys.shape) < 0.05] = -1
    sets = {"plain": {}, "mask": {"mask": mask}, "mask+raw": {"mask": mask, "raw": raw},
            "fixed": {"fixed": fixed, "raw": raw}, "phys": {"phys": phys, "nphys": nphys},
            "all": {"mask": mask, "fixed": fixed, "raw": raw, "phys": phys, "nphys": nphys}}
    return sets[option]


def launch(S, shape, NS, inputs, scalars):
    E, G, KG, K = shape
    statics = {"E": E, "G": G, "KG": KG, "K": K, "NS": NS, "S": S, **scalars}
    outputs = {"idx": "i64", "w": "f32"}
    if "raw" in inputs:
        outputs["raw"] = "i64"
    return run("gating/top2_sum_gate.tile", "top2_sum_gate", statics, inputs, outputs)


def check(S, shape, N, seed, option="plain", NS=0, **scalars):
    E, G, KG, K = shape
    z, bias = logits_of(N, E, seed)
    options = optional_inputs(option, N, E, K, NS, seed)
    scalars = {**ONE_RANK, **scalars}
    got = launch(S, shape, NS, {"logits": z, "bias": bias, **options}, scalars)
    idx, w, raw = top2_sum_gate(z, bias, G, KG, K, S, NS=NS, **scalars, **options)
    same_bits(got["idx"], idx, "idx")
    same_bits(got["w"], w, "w")
    if "raw" in options:
        same_bits(got["raw"], raw, "raw")


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "E{}-G{}-KG{}-K{}".format(*s))
@pytest.mark.parametrize("S", SCORES)
@pytest.mark.parametrize("option", OPTIONS)
def test_variants(S, shape, option):
    seed = SHAPES.index(shape) * 7 + OPTIONS.index(option)
    NS = seed % 3
    factor = [1.0, 2.5, 0.3][seed % 3]
    check(S, shape, 12, seed, option, NS=NS, factor=factor, extra=NS, ep_rank=seed % 5)


@pytest.mark.parametrize("n_ep,tp_rank,n_tp",
                         [(4, 0, 1), (8, 0, 2), (8, 1, 2), (6, 2, 3), (7, 1, 2)])
@pytest.mark.parametrize("option", ["plain", "phys"])
def test_ranks(n_ep, tp_rank, n_tp, option):
    check("sigmoid", (128, 8, 4, 8), 10, n_ep, option, NS=2, extra=16, ep_rank=3, n_ep=n_ep,
          tp_rank=tp_rank, n_tp=n_tp)


@pytest.mark.parametrize("N", [0, 1, 3, 4, 5, 64])
def test_tokens(N):
    check("sqrtsoftplus", (72, 8, 4, 8), N, N, "mask+raw", NS=1, extra=1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("S", SCORES)
def test_seeds(S, seed):
    check(S, (256, 8, 4, 8), 40, 100 + seed, NS=1, factor=2.5)


def test_all_equal_picks_the_lowest():
    for option in ("plain", "mask"):
        z, bias = np.zeros((3, 72), F32), np.zeros(72, F32)
        inputs = {"logits": z, "bias": bias}
        if option == "mask":
            inputs["mask"] = np.array([True, False, True])
        got = launch("softmax", (72, 8, 4, 8), 0, inputs, ONE_RANK)
        lowest = list(range(8))
        middle = lowest if option == "plain" else [-1] * 8
        assert got["idx"].tolist() == [lowest, middle, lowest]


def test_replica_of_a_late_token_needs_64_bits():
    """Token 92100 times 23333 is above 2^31; every other token is masked out."""
    N, E, K = 92_101, 8, 2
    z, bias = np.zeros((N, E), F32), np.zeros(E, F32)
    mask = np.zeros(N, bool)
    mask[-1] = True
    nphys = np.full(E, 7, np.int32)
    phys = np.arange(E * 7, dtype=np.int32).reshape(E, 7)
    scalars = {**ONE_RANK, "extra": 48, "ep_rank": 2}
    inputs = {"logits": z, "bias": bias, "mask": mask, "phys": phys, "nphys": nphys}
    got = launch("sigmoid", (E, 1, 1, K), 0, inputs, scalars)
    replica = (2 + (N - 1) * 23333) % 7
    assert got["idx"][-1].tolist() == [replica, 7 + replica]
    assert (got["idx"][:-1] == -1).all() and not got["w"][:-1].any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_must_be_finite(value):
    z, bias = logits_of(3, 72, 1)
    z[2, 5] = value
    with pytest.raises(TilecError) as failure:
        launch("sigmoid", (72, 8, 4, 8), 0, {"logits": z, "bias": bias}, ONE_RANK)
    assert failure.value.code == 1
    assert "logits contain NaN or Inf" in failure.value.stderr


def test_fixed_experts_need_raw():
    z, bias = logits_of(2, 72, 1)
    with pytest.raises(TilecError) as failure:
        inputs = {"logits": z, "bias": bias, "fixed": np.array([True, False])}
        launch("sigmoid", (72, 8, 4, 8), 0, inputs, ONE_RANK)
    assert failure.value.code == 1
