"""mHC pre, fused: every order is fixed, so every bit is; bounds against f64 as well."""
import numpy as np
import pytest

import ref_pre_big_fuse as ref
from harness import LEVEL, run, same_bits, within
from ref_math import F32, to_bf16

FILE, KERNEL = "mhc/pre_big_fuse.tile", "pre_big_fuse"
OUTPUTS = {"post": "f32", "comb": "f32", "y": "bf16"}
SCALARS = {"rms_eps": F32(1e-6), "pre_eps": F32(1e-2), "sink_eps": F32(1e-6), "post_mult": F32(2)}
EPS, BF16 = 2.0 ** -24, 2.0 ** -8


def case(seed, n, splits, size, m=4):
    rng = np.random.default_rng(seed)
    mixes = m * (m + 2)
    return {"mul": rng.standard_normal((splits, n, mixes)).astype(F32),
            "sqr": (rng.random((splits, n)) * m * size).astype(F32),
            "scale": rng.standard_normal(3).astype(F32),
            "base": rng.standard_normal(mixes).astype(F32),
            "res": to_bf16(rng.standard_normal((n, m, size)))}


def execute(values, rounds, seed=0, scalars=SCALARS, **more):
    _, m, size = values["res"].shape
    statics = {"M": m, "D": size, "R": rounds, **scalars, **more}
    return run(FILE, KERNEL, statics, values, OUTPUTS, seed)


def check(values, rounds, seed=0, scalars=SCALARS, **more):
    got = execute(values, rounds, seed, scalars, **more)
    want = ref.rounded(*values.values(), rounds, *scalars.values())
    for name in OUTPUTS:
        same_bits(got[name], want[name], name)
    return got


@pytest.mark.parametrize("n, splits, size, tile", [
    (0, 2, 16, 16), (1, 1, 16, 16), (3, 2, 15, 16), (3, 16, 16, 16), (3, 3, 17, 16), (5, 0, 8, 16),
    (2, 4, 512, 512), (2, 1, 513, 512), (40, 2, 40, 16),
])
@pytest.mark.parametrize("rounds", [1, 10, 20])
def test_bits(n, splits, size, tile, rounds):
    check(case(n + size, n, splits, size), rounds, seed=n, BD=tile)


@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_branches(m):
    check(case(m, 4, 2, 24, m), 3)


@pytest.mark.parametrize("seed", range(4))
def test_scalars(seed):
    rng = np.random.default_rng(seed)
    scalars = {name: F32(rng.random()) for name in SCALARS}
    check(case(seed, 6, 2, 20), 2, seed, scalars)


def bounds(values, want, rounds):
    """z = v scale + base: a sum over the splits, then six roundings and 2 ulp of rsqrt. A sigmoid
    has slope 1/4 and 2 ulp. Sinkhorn in logarithms is a sum of row and column potentials, and each
    step moves them by no more than the entries and the other potentials move: an error with k steps
    to come grows to at most 1 + 2 k of itself. A softmax doubles its input's, a step rounds M + 2
    times."""
    mul, base, res = (values[name].astype(np.float64) for name in ("mul", "base", "res"))
    splits, n, _ = mul.shape
    m = res.shape[1]
    rms = 1 / np.sqrt(values["sqr"].astype(np.float64).sum(0) / res[0].size + SCALARS["rms_eps"])
    v = np.abs(mul).sum(0) * rms[:, None]
    v_error = (splits + splits / 2 + 8) * EPS * v
    spread = np.repeat(np.abs(values["scale"].astype(np.float64)), [m, m, m * m])
    z_error = spread * v_error + 2 * EPS * (spread * v + np.abs(base))
    gate = z_error / 4 + 4 * EPS
    pre = gate[:, :m] + EPS * want["pre"]
    post = gate[:, m:2 * m] * float(SCALARS["post_mult"]) + EPS * want["post"]
    z = want["z"][2]
    depth = np.ptp(z, axis=1) if n else np.zeros(0)
    start = 2 * (2 * z_error[:, 2 * m:].max(1, initial=0) + EPS * depth + 4 * EPS) + (m + 2) * EPS
    steps = 2 * rounds - 1
    relative = (1 + 2 * steps) * start + steps ** 2 * (m + 2) * EPS
    sizes = np.abs(res)
    mixed = ((pre + (m + 1) * EPS * want["pre"])[:, :, None] * sizes).sum(1)
    return {"post": post, "comb": relative[:, None, None] * want["comb"],
            "y": mixed * (1 + BF16) + BF16 * np.abs(want["y"])}


@pytest.mark.parametrize("n, splits, size, rounds", [(7, 2, 128, 10), (3, 16, 300, 20)] +
                         ([(512, 4, 7168, 20)] if LEVEL > 1 else []))
def test_bounds(n, splits, size, rounds):
    values = case(n, n, splits, size)
    want = ref.formula(*values.values(), rounds, *(float(v) for v in SCALARS.values()))
    limit = bounds(values, want, rounds)
    got = execute(values, rounds)
    for name in OUTPUTS:
        within(got[name], want[name], limit[name], name)


def test_nan_stays_in_its_token():
    values = case(9, 4, 2, 16)
    values["mul"][1, 2, 20] = np.nan
    got = check(values, 3)
    assert np.isnan(got["comb"][2]).all() and np.isfinite(got["comb"][[0, 1, 3]]).all()
    assert np.isfinite(got["post"]).all()
