"""The gate and the routing maps, emitted and run on the CPU, equal the interpreter bit for bit."""
import os
import pathlib
import subprocess

import numpy as np
import pytest
from emitted import ROOT, TILEC, Emitted

VARIANTS = [(E, G, KG, K, NS, S, mask) for E, G, KG, K, NS, S, mask in (
    (72, 1, 1, 6, 1, "sigmoid", False), (72, 8, 4, 8, 2, "softmax", True),
    (128, 8, 4, 6, 0, "sqrtsoftplus", False), (128, 1, 1, 6, 2, "softmax", False),
    (256, 8, 4, 8, 1, "sigmoid", True), (256, 1, 1, 8, 0, "softmax", False))]


def instances():
    """The kernel's file, with only these variants."""
    text = (ROOT / "kernels.tile/gating/top2_sum_gate.tile").read_text().split("instances ")[0]
    names = ("E", "G", "KG", "K", "NS", "S")
    values = [v[:5] + (f"scoring.{v[5]}",) for v in VARIANTS]
    sets = "  ".join(f"{name}: {{ {', '.join(sorted({str(v[i]) for v in values}))} }};"
                     for i, name in enumerate(names))
    only = " || ".join(
        "(" + " && ".join(f"{name} == {value}" for name, value in zip(names, v)) +
        f" && {'' if variant[6] else '!'}has(mask))" for v, variant in zip(values, VARIANTS))
    text += (f"instances top2_sum_gate {{ {sets}  mask: {{ none, row }};  fixed: {{ none }};  "
             f"raw: {{ none }};  phys: {{ none }};  nphys: {{ none }};  where {only}; }}\n")
    return text


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("gate") / "gate.tile"
    path.write_text(instances())
    return path


@pytest.fixture(scope="module")
def emitted(source):
    with Emitted(source.read_text()) as e:
        yield e


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_gate(variant, source, emitted, tmp_path):
    E, G, KG, K, NS, S, mask = variant
    N = 11
    random = np.random.default_rng(E + G + K)
    logits = (random.standard_normal((N, E)) * 3).astype(np.float32)
    logits[1] = np.round(logits[1])
    logits[2] = 0.25
    values = {"logits": logits, "bias": (random.random(E) * 0.2 - 0.1).astype(np.float32)}
    values["bias"][E // 2:] = 0
    if mask:
        values["mask"] = np.arange(N) % 3 != 0
    scalars = {"factor": 2.5, "extra": 8, "ep_rank": 0, "n_ep": 4, "tp_rank": 1, "n_tp": 2}
    statics = {"E": E, "G": G, "KG": KG, "K": K, "NS": NS, "S": f"scoring.{S}"}
    command = [TILEC, "run", source, "top2_sum_gate"]
    for name, value in (statics | scalars).items():
        command += ["-s", f"{name}={value}"]
    for name, value in values.items():
        np.save(tmp_path / f"{name}.npy", value)
        command += ["-i", f"{name}={tmp_path / name}.npy"]
    command += ["-o", f"idx={tmp_path}/idx.npy", "-o", f"w={tmp_path}/w.npy"]
    subprocess.run(command, check=True)
    idx, w = np.full((N, K + NS), 77, np.int64), np.full((N, K + NS), 77, np.float32)
    form = "" if mask else "_mask-none"
    kernel = (f"top2_sum_gate.{E}_{G}_{KG}_{K}_{NS}_{S}{form}"
              "_fixed-none_raw-none_phys-none_nphys-none")
    emitted.run(kernel, values | scalars | {"idx": idx, "w": w, "N": N, "ND": 0}, N)
    assert np.array_equal(idx, np.load(tmp_path / "idx.npy"))
    assert np.array_equal(w.view(np.uint32), np.load(tmp_path / "w.npy").view(np.uint32))


MAPS = ((9, 2, 16), (256, 6, 128))


@pytest.fixture(scope="module")
def maps():
    text = (ROOT / "kernels.tile/routing/fused_mapping.tile").read_text().split("instances ")[0]
    only = " || ".join(f"(E == {E} && K == {K} && A == {A})" for E, K, A in MAPS)
    with Emitted(text + "instances fused_mapping { E: { 9, 256 };  K: { 2, 6 };  A: { 16, 128 };  "
                 f"where {only}; }}\n") as e:
        yield e


@pytest.mark.parametrize("E,K,A", MAPS)
@pytest.mark.parametrize("N,blocks", [(70, 1), (150, 3), (1, 2)])
def test_mapping(E, K, A, N, blocks, maps, tmp_path):
    random = np.random.default_rng(E + N)
    topk = random.integers(-1, E, (N, K)).astype(np.int64)
    X = E * A + N * K + 5
    np.save(tmp_path / "topk.npy", topk)
    shapes = {"pos_expert": (X,), "pos_token": (X,), "pos_slot": (X,), "slot_pos": (N, K),
              "first": (E,), "last": (E,), "count": (E,)}
    command = [TILEC, "run", ROOT / "kernels.tile/routing/fused_mapping.tile", "fused_mapping"]
    for name, value in {"X": X, "E": E, "K": K, "A": A, "P": blocks, "C": 256}.items():
        command += ["-s", f"{name}={value}"]
    command += ["-i", f"topk={tmp_path}/topk.npy"]
    for name in shapes:
        command += ["-o", f"{name}={tmp_path}/{name}.npy"]
    subprocess.run(command, check=True)
    got = {name: np.full(shape, 77, np.int32) for name, shape in shapes.items()}
    renamed = {"part": np.zeros((blocks, E), np.int32),
               "grid_barrier": np.zeros(32, np.uint32), "topk": topk, "N": N, "X": X, "P": blocks}
    for backwards in (False, True):
        maps.run(f"fused_mapping.{E}_{K}_{A}", got | renamed, blocks, backwards)
        for name in shapes:
            assert np.array_equal(got[name], np.load(tmp_path / f"{name}.npy")), name
