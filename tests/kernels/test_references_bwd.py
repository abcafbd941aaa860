"""The references of eight kernels against numeric gradients, loops, and exact rationals.

Nothing here runs a kernel. The library's functions are replaced by numpy's, rounded to f32."""
import math
from fractions import Fraction

import numpy as np
import pytest

import ref_engram_gate_bwd as engram
import ref_gemm_fp8_fp4 as scaled_gemm
import ref_gemm_k_grouped as grouped_gemm
import ref_multilayer as multilayer
import ref_norm_fn as norm
import ref_pre_big_fuse as fuse
import ref_sinkhorn_bwd as sinkhorn
import ref_swiglu_bwd as swiglu
from harness import DTYPES, E2M1, bits, from_bits
from ref_checks import close, gradient
from ref_math import F32, fma, to_bf16, to_e4m3

F64 = np.float64


def rounded_to_f32(function):
    return lambda x: function(np.asarray(x, F64)).astype(F32)


@pytest.fixture
def plain_functions(monkeypatch):
    functions = {"exp": np.exp, "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
                 "rsqrt": lambda x: 1 / np.sqrt(x)}
    for module in (sinkhorn, fuse, swiglu):
        for name, function in functions.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, rounded_to_f32(function))


# Exact multiply-add, which several references lean on.

def nearest_f32(value):
    """The f32 nearest to a rational, ties to even, by integer arithmetic."""
    if value == 0:
        return 0.0
    magnitude = abs(value)
    power = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    power -= magnitude < Fraction(2) ** power
    unit = Fraction(2) ** max(power - 23, -149)
    result = float(round(magnitude / unit) * unit)
    return math.copysign(math.inf if result >= 2.0 ** 128 else result, value)


def test_fma_rounds_once():
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal(3000).astype(F32) for _ in range(3))
    c[:800] = (-a * b)[:800]                 # leaves the product's own rounding error
    c[800:1600] *= F32(2.0) ** rng.integers(-60, 60, 800).astype(F32)
    a[1600:2400] *= F32(2.0 ** -70)                       # results among the subnormals
    b[1600:2400] *= F32(2.0 ** -70)
    c[1600:2400] *= F32(2.0 ** -140)
    a[2400:2600] = F32(1 + 2.0 ** -12)                    # halfway between two f32, decided by c
    b[2400:2600] = F32(1 + 2.0 ** -12)
    c[2400:2600] = np.ldexp(F32(1), rng.integers(-100, -30, 200)) * np.sign(c[2400:2600])
    got = fma(a, b, c)
    for x, y, z, result in zip(a, b, c, got):
        assert result == nearest_f32(Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z)))


# Engram gate.

ENGRAM = ("x", "k", "v", "wx", "wk")


def engram_case(seed, n=3, h=2, size=5):
    rng = np.random.default_rng(seed)
    row, weight = (n, h, size), (h, size)
    shapes = {"x": row, "k": row, "v": (n, size), "wx": weight, "wk": weight}
    return {name: rng.standard_normal(shapes[name]) for name in ENGRAM}, rng.standard_normal(row)


@pytest.mark.parametrize("lo", [1e-6, 0.15])
def test_engram_gradients(lo):
    values, gy = engram_case(1)
    eps, scale = 1e-3, 0.4
    _, saved = engram.forward(**values, eps=eps, scale=scale, lo=lo)
    u = np.abs(scale * saved[0] * saved[2] * saved[3])
    assert np.abs(u - lo).min() > 1e-4 and (u < lo).any() == (lo > 0.1) and (u > lo).any()
    got = engram.backward(gy, *(values[name] for name in ENGRAM), *saved, scale, lo)
    for name, key in zip(ENGRAM, ("gx", "gk", "gv", "gwx", "gwk")):
        def loss(changed, name=name):
            y, _ = engram.forward(**{**values, name: changed}, eps=eps, scale=scale, lo=lo)
            return (gy * y).sum()
        close(got[key], gradient(loss, values[name]))


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_engram_roundings_follow_the_gradients(parts):
    values, gy = engram_case(2, n=6, h=4, size=16)
    values = {name: to_bf16(v) for name, v in values.items()}
    gy = to_bf16(gy)
    wide = [values[name].astype(F64) for name in ENGRAM]
    _, saved = engram.forward(*wide, 1e-3, 0.25, 1e-4)
    saved = [s.astype(F32) for s in saved]
    wf = values["wx"].astype(F32) * values["wk"].astype(F32)
    want = engram.backward(gy.astype(F64), *wide, *(s.astype(F64) for s in saved), 0.25, 1e-4)
    zero = np.zeros((4, 16), F32)
    weights = (wf, values["wx"].astype(F32), values["wk"].astype(F32))
    got = engram.rounded(gy, values["x"], values["k"], values["v"], *weights, *saved, zero, zero,
                         0.25, 1e-4, parts)
    for name in ("gx", "gk", "gv"):
        bound = 2.0 ** -8 * np.abs(want[name]) + 1e-5
        assert (np.abs(got[name].astype(F64) - want[name]) <= bound).all()
    for name in ("gwx", "gwk"):
        close(got[name], want[name], 1e-5)


# Sinkhorn.

@pytest.mark.parametrize("h, rounds", [(1, 3), (2, 1), (3, 2), (4, 1), (4, 10)])
def test_sinkhorn_gradients(h, rounds):
    rng = np.random.default_rng(h * 100 + rounds)
    x, gy = rng.standard_normal((2, 2, h, h))
    got = sinkhorn.backward(gy, x, rounds, 1e-3)
    close(got, gradient(lambda z: (gy * sinkhorn.forward(z, rounds, 1e-3)).sum(), x))


@pytest.mark.parametrize("rounds", [1, 4, 10])
def test_sinkhorn_roundings_follow_the_gradients(plain_functions, rounds):
    rng = np.random.default_rng(rounds)
    x, gy = rng.standard_normal((2, 50, 4, 4)).astype(F32)
    want = sinkhorn.backward(gy.astype(F64), x.astype(F64), rounds, float(F32(1e-6)))
    close(sinkhorn.rounded(gy, x, rounds, 1e-6), want, 1e-5)


def test_sinkhorn_forward_is_doubly_stochastic():
    c = sinkhorn.forward(np.random.default_rng(5).standard_normal((8, 4, 4)), 40, 0.0)
    close(c.sum(1), np.ones((8, 4)), 1e-9)
    close(c.sum(2), np.ones((8, 4)), 1e-9)


# SwiGLU.

@pytest.mark.parametrize("limit", [None, 0.8])
def test_swiglu_gradients(limit):
    rng = np.random.default_rng(7)
    a0, b0, gy = rng.standard_normal((3, 4, 6))
    w = rng.random(4)
    if limit:
        assert min(np.abs(a0 - limit).min(), np.abs(np.abs(b0) - limit).min()) > 1e-4
    ga, gb, gw = swiglu.backward(a0, b0, gy, w, limit)
    close(ga, gradient(lambda z: (gy * swiglu.forward(z, b0, w, limit)).sum(), a0))
    close(gb, gradient(lambda z: (gy * swiglu.forward(a0, z, w, limit)).sum(), b0))
    close(gw, gradient(lambda z: (gy * swiglu.forward(a0, b0, z, limit)).sum(), w))


@pytest.mark.parametrize("group, pow2, limit", [
    (32, False, None), (128, True, 2.0), (32, True, 2.0),
])
def test_swiglu_roundings_follow_the_gradients(plain_functions, group, pow2, limit):
    rng = np.random.default_rng(8)
    x = to_e4m3(rng.standard_normal((5, 256)) * 100)
    xsf = (rng.random((5, 256 // group)) * 0.05).astype(F32)
    gy, w = to_bf16(rng.standard_normal((5, 128))), rng.random((2, 3)).astype(F32)
    slots = np.array([4, -1, 0, 5, 2], np.int32)
    got = swiglu.rounded(x, xsf, gy, w, slots, group, pow2, limit)
    a0, b0 = (half.astype(F64) for half in swiglu.halves(x, xsf))
    weight = np.where(slots < 0, 0, w.ravel()[slots]).astype(F64)
    ga, gb, _ = swiglu.backward(a0, b0, gy.astype(F64), weight, limit)
    want = np.concatenate([ga, gb], axis=1)
    error = np.abs(got["gx"].astype(F64) - want)
    assert (error <= 2.0 ** -8 * np.abs(want) + 1e-6).all()
    y = swiglu.forward(a0, b0, weight, limit)
    assert (np.abs(got["y"].astype(F64) - y) <= 2.0 ** -8 * np.abs(y) + 1e-6).all()
    scale = np.repeat(got["gs"], group, axis=1).astype(F64)
    error = np.abs(got["gq"].astype(F64) * scale - want)
    assert (error <= 2.0 ** -4 * np.abs(want) + scale * 2.0 ** -10 + 1e-6).all()
    top = np.abs(got["gq"].astype(F64)).reshape(5, -1, group).max(2)
    used = np.abs(want).reshape(5, -1, group).max(2) > 1e-4
    assert (top[used] > (223 if pow2 else 447)).all() and (top <= 448).all()
    if pow2:
        assert (np.frexp(got["gs"])[0] == 0.5).all()


# mHC kernels and matrix products, by loops.

def test_norm_fn_by_loops():
    rng = np.random.default_rng(9)
    x, f = to_bf16(rng.standard_normal((3, 8))), rng.standard_normal((2, 8)).astype(F32)
    mul, sqr, y = norm.norm_fn(x, f, 0.25)
    cut = (f.view(np.uint32) >> 13 << 13).view(F32)
    assert not np.array_equal(cut, f)
    for t in range(3):
        square = math.fsum(float(v) ** 2 for v in x[t])
        assert math.isclose(sqr[t], square)
        for c in range(2):
            product = math.fsum(float(v) * float(w) for v, w in zip(x[t], cut[c]))
            assert math.isclose(mul[t, c], product)
            assert math.isclose(y[t, c], product / math.sqrt(square / 8 + 0.25))


def test_pre_big_fuse_by_loops(plain_functions):
    rng = np.random.default_rng(10)
    n, m, size, splits = 3, 2, 6, 3
    mul = rng.standard_normal((splits, n, m * (m + 2))).astype(F32)
    sqr = rng.random((splits, n)).astype(F32) * 9
    base = rng.standard_normal(m * (m + 2)).astype(F32)
    scale, res = rng.standard_normal(3).astype(F32), to_bf16(rng.standard_normal((n, m, size)))
    options = (2, 1e-3, 1e-2, 1e-4, 2.0)
    want = fuse.formula(mul, sqr, scale, base, res, *options)
    for t in range(n):
        mean = sum(float(sqr[s, t]) for s in range(splits)) / (m * size) + 1e-3
        v = [sum(float(mul[s, t, j]) for s in range(splits)) / math.sqrt(mean) for j in range(8)]
        z = [v[j] * float(scale[0 if j < m else 1 if j < 2 * m else 2]) + float(base[j])
             for j in range(8)]
        gate = [1 / (1 + math.exp(-value)) for value in z]
        for i in range(m):
            assert math.isclose(want["post"][t, i], 2 * gate[m + i])
        for d in range(size):
            mixed = sum((gate[i] + 1e-2) * float(res[t, i, d]) for i in range(m))
            assert math.isclose(want["y"][t, d], mixed, abs_tol=1e-12)
        c = [[math.exp(z[2 * m + m * i + j]) for j in range(m)] for i in range(m)]
        c = [[value / sum(row) + 1e-4 for value in row] for row in c]
        for step in range(3):                             # columns, rows, columns
            rows = [sum(row) + 1e-4 for row in c]
            cols = [sum(c[i][j] for i in range(m)) + 1e-4 for j in range(m)]
            c = [[c[i][j] / (rows[i] if step == 1 else cols[j]) for j in range(m)]
                 for i in range(m)]
        np.testing.assert_allclose(want["comb"][t], c)
    got = fuse.rounded(mul, sqr, scale, base, res, *options)
    close(got["post"], want["post"], 1e-6)
    close(got["comb"], want["comb"], 1e-6)
    assert (np.abs(got["y"].astype(F64) - want["y"]) <= 2.0 ** -8 * np.abs(want["y"]) + 1e-6).all()


@pytest.mark.parametrize("layers, mixed", [(1, 0), (1, 1), (3, 2), (3, 3)])
def test_multilayer_by_loops(layers, mixed):
    rng = np.random.default_rng(layers * 10 + mixed)
    n, m, size = 2, 4, 3
    res0 = to_bf16(rng.standard_normal((n, m, size)))
    pre = [rng.random((n, m)).astype(F32) for _ in range(layers)]
    out = [to_bf16(rng.standard_normal((n, size))) for _ in range(mixed)]
    post = [rng.random((n, m)).astype(F32) for _ in range(mixed)]
    comb = [rng.random((n, m, m)).astype(F32) for _ in range(mixed)]
    inp, res = multilayer.rounded(res0, pre, out, post, comb)
    wide_inp, wide_res = multilayer.formula(res0, pre, out, post, comb)
    assert len(inp) == layers and len(res) == mixed

    def exactly(chain, start=0.0):
        """A chain of fma in rationals, each rounded to f32."""
        total = start
        for a, b in chain:
            total = nearest_f32(Fraction(float(a)) * Fraction(float(b)) + Fraction(total))
        return F32(total)

    for t, d in np.ndindex(n, size):
        r = [res0[t, i, d] for i in range(m)]
        for layer in range(layers):
            u = exactly(zip(pre[layer][t], r))
            assert inp[layer][t, d] == to_bf16(u)
            assert abs(float(u) - wide_inp[layer][t, d]) < 1e-2
            if layer < mixed:
                new = [exactly(((comb[layer][t, j, i], r[j]) for j in range(m)),
                               float(post[layer][t, i] * out[layer][t, d].astype(F32)))
                       for i in range(m)]
                assert [res[layer][t, i, d] for i in range(m)] == [to_bf16(v) for v in new]
                assert np.abs(np.array(new) - wide_res[layer][t, :, d]).max() < 5e-2
                r = [res[layer][t, i, d] for i in range(m)]


def test_gemm_k_grouped_by_loops():
    rng = np.random.default_rng(11)
    ends, m, n = [128, 128, 384], 2, 3
    a, b = to_e4m3(rng.integers(-3, 4, 384 * m)), to_e4m3(rng.integers(-3, 4, 384 * n))
    sa, sb = rng.random((3, m)).astype(F32), rng.random((3, n)).astype(F32)
    d = rng.standard_normal((3, m, n)).astype(F32)
    got, _ = grouped_gemm.grouped(a, sa, b, sb, ends, d)
    exact = grouped_gemm.rounded(a, sa, b, sb, np.array(ends), d)
    for g, i, j in np.ndindex(3, m, n):
        begin, end = [0, *ends][g], ends[g]
        total = float(d[g, i, j])
        for k in range(end - begin):
            block = (begin + k) // 128
            left = float(a[m * begin + i * (end - begin) + k]) * float(sa[block, i])
            total += left * float(b[n * begin + j * (end - begin) + k]) * float(sb[block, j])
        assert math.isclose(got[g, i, j], total, abs_tol=1e-12)
    close(exact, got, 1e-5)
    assert np.array_equal(exact[1], d[1])


@pytest.mark.parametrize("ga, gb", [(32, 32), (128, 32), (32, 128)])
def test_gemm_fp8_fp4_by_loops(ga, gb):
    rng = np.random.default_rng(ga + gb)
    m, n, k = 2, 3, 256
    a = to_e4m3(rng.standard_normal((m, k)) * 4)
    codes = rng.integers(0, 16, (n, k)).astype(np.uint8)
    b = from_bits(E2M1, codes)
    table = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    sa = from_bits("ue8m0", rng.integers(120, 134, (m, k // ga)))
    sb = from_bits("ue8m0", rng.integers(120, 134, (n, k // gb)))
    c = rng.standard_normal((m, n)).astype(F32)
    for add in (0, 1):
        got, bound = scaled_gemm.gemm(a, sa, b, sb, ga, gb, c, add)
        for i, j in np.ndindex(m, n):
            total = float(c[i, j]) * add
            for e in range(k):
                right = table[codes[j, e] & 7] * (-1 if codes[j, e] & 8 else 1)
                power = int(bits(sa)[i, e // ga]) + int(bits(sb)[j, e // gb]) - 254
                total += float(a[i, e]) * right * 2.0 ** power
            assert math.isclose(got[i, j], total, rel_tol=1e-12, abs_tol=1e-12)
            assert bound[i, j] > 0
    sa[1, 0] = from_bits("ue8m0", [255])[0]
    got, _ = scaled_gemm.gemm(a, sa, b, sb, ga, gb, c, 0)
    assert np.isnan(got[1]).all() and not np.isnan(got[0]).any()
    assert scaled_gemm.rounded(a, sa, b, sb, ga, gb, c, 1, "bf16").dtype == DTYPES["bf16"]
