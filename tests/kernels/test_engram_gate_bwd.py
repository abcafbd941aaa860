"""Engram gate, backward: every bit where the sum over D is exact, and a bound where it is not."""
import numpy as np
import pytest

import ref_engram_gate_bwd as ref
from harness import LEVEL, run, same_bits, within
from ref_checks import close, gradient, plain_zeros
from ref_math import F32, to_bf16

FILE, KERNEL = "engram/engram_gate_bwd.tile", "engram_gate_bwd"
OUTPUTS = {"gx": "bf16", "gk": "bf16", "gv": "bf16", "gwx": "f32", "gwk": "f32"}
EPS, BF16 = 2.0 ** -24, 2.0 ** -8
F64 = np.float64


def case(seed, n, size, h=4, lo=1e-6, whole=False):
    """Inputs of the kernel. `whole`: gy and v are small multiples of 1/2, so that inner products
    over D are exact in f32 in whatever order they are summed."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.standard_normal(shape)

    def factor(*shape):
        return rng.integers(-6, 7, shape) / 2 if whole else normal(*shape)

    values = {"gy": factor(n, h, size), "x": normal(n, h, size), "k": normal(n, h, size),
              "v": factor(n, size), "wx": 1 + normal(h, size) / 4, "wk": 1 + normal(h, size) / 4}
    values = {name: to_bf16(value) for name, value in values.items()}
    scale = F32(size ** -0.5)
    _, saved = ref.forward(*(values[name].astype(F64) for name in ("x", "k", "v", "wx", "wk")),
                           1e-5, float(scale), lo)
    for name, value in zip(("dot", "gate", "rx", "rk"), saved):
        values[name] = value.astype(F32)
    values["wf"] = values["wx"].astype(F32) * values["wk"].astype(F32)
    values["gwx"], values["gwk"] = normal(h, size).astype(F32), normal(h, size).astype(F32)
    return values, {"scale": scale, "clamp_lo": F32(lo)}


def execute(values, scalars, parts, seed=0, **more):
    _, h, size = values["x"].shape
    statics = {"H": h, "D": size, "P": parts, **scalars, **more}
    return run(FILE, KERNEL, statics, values, OUTPUTS, seed)


def expected(values, scalars, parts):
    names = ("gy", "x", "k", "v", "wf", "wx", "wk", "dot", "gate", "rx", "rk", "gwx", "gwk")
    return ref.rounded(*(values[name] for name in names), *scalars.values(), parts)


def check_bits(got, want):
    for name in OUTPUTS:
        same_bits(plain_zeros(got[name]), plain_zeros(want[name]), name)


@pytest.mark.parametrize("n, size, parts, tile", [
    (0, 8, 2, 8), (1, 8, 1, 8), (1, 16, 3, 8), (5, 15, 2, 16), (5, 16, 2, 16), (7, 17, 3, 16),
    (9, 33, 16, 512), (8, 64, 4, 32), (13, 40, 5, 16),
])
@pytest.mark.parametrize("seed", [0, 1])
def test_bits(n, size, parts, tile, seed):
    values, scalars = case(seed, n, size, whole=True)
    check_bits(execute(values, scalars, parts, seed, BD=tile), expected(values, scalars, parts))


@pytest.mark.parametrize("h", [1, 2, 5])
def test_branches(h):
    values, scalars = case(h, 4, 24, h=h, whole=True)
    check_bits(execute(values, scalars, 2), expected(values, scalars, 2))


def test_clamped_gate_is_constant():
    """Below the clamp, and where dot is 0, only the residual and v have gradients."""
    values, scalars = case(3, 6, 32, lo=100.0, whole=True)
    values["dot"][2] = 0
    got = execute(values, scalars, 2)
    check_bits(got, expected(values, scalars, 2))
    same_bits(plain_zeros(got["gx"]), plain_zeros(values["gy"]), "gx")
    assert not got["gk"].any()
    same_bits(got["gwx"], values["gwx"], "gwx")


def test_order_of_programs_is_free():
    values, scalars = case(4, 11, 48)
    first = execute(values, scalars, 4, seed=1)
    for seed in (2, 3):
        again = execute(values, scalars, 4, seed=seed)
        for name in OUTPUTS:
            same_bits(again[name], first[name], name)


def bounds(values, want, scale, parts):
    """A sum of D products in any order errs by at most D roundings of sum |g v|; the factors after
    it, gate (1 - gate) sqrt(c / |dot|) / 2, by 8; the directions and the final sum by 8 and 4; then
    one rounding to bf16. Weights: every term errs by its s and 3 roundings, and is followed by at
    most ceil(N / P) + P additions."""
    x, k, v, gy = (values[name].astype(F64) for name in ("x", "k", "v", "gy"))
    wf, wx, wk, dot, gate, rx, rk = (values[name].astype(F64) for name in
                                     ("wf", "wx", "wk", "dot", "gate", "rx", "rk"))
    n, h, size = x.shape
    s = want["s"]
    inner = (size + 2) * EPS * np.abs(gy * v[:, None, :]).sum(-1)
    to_s = gate * (1 - gate) / 2 * np.sqrt(float(scale) * rx * rk / np.abs(dot))
    ds = 8 * EPS * np.abs(s) + (inner * to_s)[..., None]

    def direction(other, own, r):
        along, norm = np.abs(other * wf), np.abs(own) * np.abs(dot * r * r)[..., None] / size
        return ds * (along + norm) + np.abs(s) * 8 * EPS * (along + norm)

    terms = np.abs(s * x * k)
    gw = (ds * np.abs(x * k)).sum(0) + (3 + n // parts + 1 + parts) * EPS * terms.sum(0)
    rounding = {name: BF16 * np.abs(want[name]) for name in ("gx", "gk", "gv")}
    result = {"gx": direction(k, x, rx) + 4 * EPS * np.abs(gy), "gk": direction(x, k, rk),
              "gv": (h + 1) * EPS * np.abs(gy * gate[..., None]).sum(1)}
    result = {name: value * (1 + BF16) + rounding[name] for name, value in result.items()}
    for name, factor in (("gwx", wk), ("gwk", wx)):
        total = np.abs(want["gw"] * factor)
        result[name] = gw * np.abs(factor) + 2 * EPS * (total + np.abs(values[name]))
    return result


@pytest.mark.parametrize("n, size, parts", [(1, 127, 1), (12, 300, 5), (33, 256, 8)] +
                         ([(64, 7168, 16)] if LEVEL > 1 else []))
def test_bounds(n, size, parts):
    values, scalars = case(n, n, size)
    names = ("gy", "x", "k", "v", "wx", "wk", "dot", "gate", "rx", "rk")
    wide = {name: values[name].astype(F64) for name in names}
    want = ref.backward(**wide, scale=float(scalars["scale"]), lo=float(scalars["clamp_lo"]))
    # The kernel is given wf rounded to f32: a further relative error of one rounding.
    limit = bounds(values, want, scalars["scale"], parts)
    got = execute(values, scalars, parts)
    for name in ("gwx", "gwk"):
        want[name] = want[name] + values[name]
    for name in OUTPUTS:
        within(got[name], want[name], limit[name], name)


def test_numeric_gradient():
    values, scalars = case(9, 3, 8)
    scale, lo, eps = float(scalars["scale"]), 1e-6, 1e-5
    for name in ("gwx", "gwk"):
        values[name][:] = 0
    got = execute(values, scalars, 2)
    names = ("x", "k", "v", "wx", "wk")
    wide = {name: values[name].astype(F64) for name in names}
    for name in names:
        def loss(changed, name=name):
            y, _ = ref.forward(**{**wide, name: changed}, eps=eps, scale=scale, lo=lo)
            return (values["gy"].astype(F64) * y).sum()
        # bf16 results: 2^-8 of the largest; weights are f32.
        close(got["g" + name], gradient(loss, wide[name]), 1e-4 if name[0] == "w" else BF16)
