"""engram/engram_gate.tile, within the bounds of ref_engram_gate.py (sums in any order)."""
import numpy as np
import pytest

from data import normal
from harness import LEVEL, run, within
from ref_engram_gate import engram_gate


def check(N, H, D, seed, P=8, gate=True, scale=1.0, clamp_lo=1e-6):
    x, k = normal((N, H, D), seed, scale, "bf16"), normal((N, H, D), seed + 1, scale, "bf16")
    v, w = normal((N, D), seed + 2, 2.0, "bf16"), normal((H, D), seed + 3)
    scalars = {"eps": 1e-6, "scale": D ** -0.5, "clamp_lo": clamp_lo}
    outputs = {"y": "bf16", "gate": "f32"} if gate else {"y": "bf16"}
    got = run("engram/engram_gate.tile", "engram_gate", {"H": H, "D": D, "P": P, **scalars},
              {"x": x, "k": k, "v": v, "wf": w}, outputs)
    want = engram_gate(x, k, v, w, **scalars)
    for name in outputs:
        value, bound = want[name]
        certain = np.isfinite(bound)
        assert certain.sum() >= 0.9 * certain.size
        within(got[name][certain], value[certain], bound[certain], name)


@pytest.mark.parametrize("gate", [True, False], ids=["gate", "no-gate"])
@pytest.mark.parametrize("N", [0, 1, 7, 8, 9, 40])
def test_tokens(N, gate):
    check(N, 4, 128, N, gate=gate)


@pytest.mark.parametrize("H,D", [(1, 1), (2, 33), (4, 255), (4, 256), (4, 257), (3, 1024)])
def test_rows(H, D):
    check(5, H, D, D)


@pytest.mark.parametrize("P", [8, 24, 64])
def test_programs(P):
    check(30, 2, 96, 1, P=P)


@pytest.mark.parametrize("scale,clamp_lo", [(1e-3, 1e-6), (100.0, 1e-6), (1.0, 0.5)])
def test_ranges(scale, clamp_lo):
    check(6, 4, 192, 9, scale=scale, clamp_lo=clamp_lo)


@pytest.mark.parametrize("D", [4096, 7168])
def test_model_rows(D):
    check(16 if LEVEL < 2 else 256, 4, D, 11)
