"""The references themselves, against brute force, exact rationals and f64 formulas."""
from fractions import Fraction

import numpy as np
import pytest

import ref_math as m
from harness import bits, dtype, from_bits, pack_e2m1, same_bits, unpack_e2m1
from ref_cast_e5m6 import cast_back_e5m6, cast_e5m6, decode, encode, pack, unpack
from ref_engram_gate import engram_gate
from ref_fused_mapping import fused_mapping
from ref_gemm import gemm_fp8_nt, gemm_nt
from ref_per_token_cast import per_token_cast, power_of_two_above
from ref_sinkhorn import error_bound, sinkhorn, sinkhorn_f64
from ref_swiglu_psum import activation
from ref_top2_sum_gate import choose, local_index, top2_sum_gate

F32 = np.float32


def random_f32(n, seed, low=-126, high=127):
    r = np.random.default_rng(seed)
    sign = r.integers(0, 2, n) << 31
    word = sign | r.integers(low + 127, high + 127, n) << 23 | r.integers(0, 1 << 23, n)
    return from_bits("f32", word.astype(np.uint32))


def nearest_code(value, table):
    """Code of the table's value nearest to `value`, ties to the even code; the table is finite."""
    return min(range(len(table)), key=lambda c: (abs(Fraction(table[c]) - value), c & 1))


@pytest.mark.parametrize("name,top", [("e4m3", 0x7E), ("e5m2", 0x7B), ("e2m1", 7)])
def test_narrow_conversions_pick_the_nearest_code(name, top):
    table = [float(v) for v in from_bits(name, np.arange(top + 1)).astype(np.float64)]
    middles = [(a + b) / 2 for a, b in zip(table, table[1:])]
    x = np.array(table + middles + [1.01 * v for v in middles] + [0.99 * v for v in middles]
                 + [2 * table[-1], 3e38, np.inf], F32)
    got = bits(m.convert(x, name))
    for value, code in zip(x, got):
        want = top if np.isinf(value) else nearest_code(Fraction(float(value)), table)
        assert code == want, (value, code, want)
    sign = 8 if name == "e2m1" else 128
    assert (bits(m.convert(-x, name)) == got + sign).all()
    assert bits(m.convert(F32([np.nan]), name)) == (7 if name == "e2m1" else 0x7F)


def test_ue8m0_rounds_up():
    x = np.abs(random_f32(2000, 1))
    scale = m.to_ue8m0(x).astype(np.float64)
    assert (scale >= x).all() and (scale < 2 * x.astype(np.float64)).all()
    special = {0.0: 0, -0.0: 0, 2.0 ** -127: 0, 1.01 * 2.0 ** -127: 1, 2.0 ** 127: 254,
               3e38: 254, np.inf: 254, np.nan: 255}
    assert bits(m.to_ue8m0(F32(list(special)))).tolist() == list(special.values())


def test_f16_towards_zero():
    x = np.concatenate([random_f32(4000, 2, -26, 17), F32([65519, 65504, 65536, 1e9, -1e9, 0.0])])
    h = m.to_f16_rz(x)
    assert np.isfinite(h).all() and (np.abs(h.astype(F32)) <= np.abs(x)).all()
    above = from_bits("f16", np.minimum(bits(np.abs(h)) + 1, 0x7BFF).astype(np.uint16)).astype(F32)
    assert ((above > np.abs(x)) | (np.abs(h) == 65504)).all()


def test_power_of_two_above():
    x = np.abs(np.concatenate([random_f32(3000, 3, -120, 120), F32([1, 2, 4, 1.0000001])]))
    p = power_of_two_above(x).astype(np.float64)
    assert (p >= x).all() and (p < 2 * x.astype(np.float64)).all() and (np.frexp(p)[0] == 0.5).all()
    same_bits(m.ceil_pow2(x), power_of_two_above(x))


def test_fma_rounds_once():
    a, b = random_f32(3000, 4, -30, 30), random_f32(3000, 5, -30, 30)
    c = -(a.astype(np.float64) * b).astype(F32) * F32(1 + 2.0 ** -23)       # heavy cancellation
    c[::3] = random_f32(1000, 6, -60, 60)
    c[1::9] = (a.astype(np.float64) * b)[1::9] * 2.0 ** 24                  # near ties of the sum
    for x, y, z, got in zip(a, b, c, m.fma(a, b, c)):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        near = [got, np.nextafter(got, F32(np.inf)), np.nextafter(got, F32(-np.inf))]
        errors = [abs(Fraction(float(v)) - exact) for v in near]
        assert errors[0] <= min(errors[1:]), (x, y, z, got)
        if errors[0] in errors[1:]:
            assert bits(got) & 1 == 0, "a tie goes to the even significand"
    half = F32(2.0 ** -24)
    assert m.fma(F32(1), F32(1), half) == 1                                 # exact tie
    assert m.fma(half, F32(1 + 2.0 ** -23), F32(1)) == F32(1 + 2.0 ** -23)  # just above the tie


def test_sums_have_their_order():
    x = F32([[1, 2.0 ** 24, -2.0 ** 24, 1, 1]])
    assert m.seq_sum(x, 1) == 2 and m.tree_sum(x, 1) == 2.0 ** 24 + (-2.0 ** 24 + 1) + 1
    assert m.seq_sum(x[:, :0], 1).tolist() == [[0]]
    y = random_f32(37, 7, -10, 10)

    def tree(v):
        return v[0] if len(v) == 1 else tree(v[:len(v) // 2]) + tree(v[len(v) // 2:])

    assert m.tree_sum(y, 0)[0] == tree(list(y) + [F32(0)] * 27)


def test_packed_e2m1():
    codes = np.arange(16, dtype=np.uint8).reshape(2, 8)
    assert pack_e2m1(from_bits("e2m1", codes))[0].tolist() == [0x10, 0x32, 0x54, 0x76]
    same_bits(unpack_e2m1(pack_e2m1(from_bits("e2m1", codes))), from_bits("e2m1", codes))


@pytest.mark.parametrize("O", ["e4m3", "e2m1"])
@pytest.mark.parametrize("pow2", [False, True])
def test_cast_keeps_values_within_half_a_step(O, pow2):
    x = random_f32(6 * 100, 8, -8, 8).reshape(6, 100)
    y, sf = per_token_cast(x, O, "f32", 32, pow2)
    top, step = (448, 2.0 ** -4) if O == "e4m3" else (6, 2.0 ** -2)
    smallest = 2.0 ** -10 if O == "e4m3" else 2.0 ** -2
    for row in range(6):
        for k in range(100):
            s, v = float(sf[row, k // 32]), float(x[row, k])
            amax = float(np.abs(x[row, k // 32 * 32:k // 32 * 32 + 32]).max())
            assert amax / top / (1 + 1e-6) <= s <= (2 if pow2 else 1) * amax / top * (1 + 1e-6)
            error = abs(float(y[row, k]) * s - v)
            assert error <= (max(abs(v) * step, smallest * s)) * (1 + 1e-5), (row, k)


def test_cast_poisons_only_the_block_with_a_nan():
    x = np.ones((2, 96), F32)
    x[0, 40] = np.nan
    y, sf = per_token_cast(x, "e4m3", "ue8m0", 32, True)
    assert bits(sf).tolist() == [[119, 255, 119], [119, 119, 119]]
    assert (bits(y)[0, 32:64] == 0x7F).all() and (y.astype(F32)[0, :32] == 256).all()


def test_gate_picks_by_definition():
    r = np.random.default_rng(9)
    for _ in range(50):
        keys = (r.integers(-3, 4, 24) / 2).astype(F32)
        got = choose(keys, 4, 2, 5)
        groups = keys.reshape(4, 6)
        pair = [float(sum(sorted(g.tolist())[-2:])) for g in groups]
        def before(values, of):
            return [sum(values[j] > values[i] or values[j] == values[i] and j < i for j in of)
                    for i in of]

        allowed = [i for i in range(24) if before(pair, range(4))[i // 6] < 2]
        order = before(keys, allowed)
        assert got == [allowed[order.index(i)] for i in range(5)]


def test_gate_maps_each_expert_to_one_rank_group():
    per, n_ep, n_tp = 3, 8, 2
    seen = [[local_index(e, per, tp, n_tp) for e in range(per * n_ep)] for tp in range(n_tp)]
    for tp in range(n_tp):
        kept = [i for i in seen[tp] if i >= 0]
        assert kept == list(range(per * n_ep // n_tp))
        for e in range(per * n_ep):                   # the same index by the other usual formula
            shifted = e - tp * per
            other = shifted - shifted // (per * n_tp) * (per * n_tp - per)
            assert seen[tp][e] == (other if e // per % n_tp == tp else -1)


@pytest.mark.parametrize("S", ["sigmoid", "sqrtsoftplus", "softmax"])
def test_gate_weights_sum_to_the_factor(S):
    r = np.random.default_rng(10)
    z = r.standard_normal((20, 64)).astype(F32)
    e = np.exp(z.astype(np.float64))
    score = {"sigmoid": e / (1 + e), "sqrtsoftplus": np.sqrt(np.log1p(e)),
             "softmax": e / e.sum(axis=1, keepdims=True)}[S]
    idx, w, raw = top2_sum_gate(z, np.zeros(64, F32), 1, 1, 6, S, 2.5, NS=1)
    p = np.take_along_axis(score, raw, axis=1)
    assert np.allclose(w[:, :6], 2.5 * p / p.sum(axis=1, keepdims=True), rtol=1e-6)
    assert (idx[:, 6] == -1).all() or (w[:, 6] == 1).all()
    assert (np.diff(p, axis=1) <= 1e-7).all()


def test_mapping_is_a_stable_sort():
    r = np.random.default_rng(11)
    topk = r.integers(-1, 5, (40, 3))
    out = fused_mapping(topk, 256, 5, 16)
    flat, pos = topk.reshape(-1), out["slot_pos"].reshape(-1)
    assert (out["count"] % 16 == 0).all() and (out["last"] - out["first"] == out["count"]).all()
    order = [s for s in np.argsort(flat, kind="stable") if flat[s] >= 0]
    taken = [s for s in out["pos_slot"].tolist() if s >= 0]
    assert taken == order
    for s, p in enumerate(pos):
        assert (p < 0) == (flat[s] < 0)
        if p >= 0:
            assert out["pos_expert"][p] == flat[s] and out["pos_token"][p] == s // 3
            assert out["first"][flat[s]] <= p < out["last"][flat[s]]


def test_sinkhorn_is_doubly_stochastic_and_near_f64():
    x = (np.random.default_rng(12).standard_normal((50, 4, 4)) * 3).astype(F32)
    y = sinkhorn(x, 1e-6, 10)
    assert np.abs(y - sinkhorn_f64(x, 1e-6, 10)).max() <= error_bound(4, 10)
    assert np.abs(sinkhorn_f64(x, 0, 200).sum(axis=2) - 1).max() < 1e-3
    assert np.abs(y.sum(axis=1) - 1).max() < 1e-5


def test_gemm_bounds_hold_for_numpy_f32():
    r = np.random.default_rng(13)
    a, b = (m.to_bf16(r.standard_normal(s).astype(F32)) for s in ((30, 200), (24, 200)))
    value, bound = gemm_nt(a, b, "f32")
    assert (np.abs(a.astype(F32) @ b.astype(F32).T - value) <= bound).all()
    a, b = (m.to_e4m3(r.standard_normal(s).astype(F32)) for s in ((30, 256), (140, 256)))
    sa, sb = r.random((30, 2)).astype(F32), r.random((2, 2)).astype(F32)
    value, bound = gemm_fp8_nt(a, sa, b, sb)
    a = a.astype(F32) * np.repeat(sa, 128, 1)
    b = b.astype(F32) * np.repeat(np.repeat(sb, 128, 1), 128, 0)[:140]
    assert (np.abs(a @ b.T - value) <= bound).all()
    assert (bound < 0.05 * (np.abs(a) @ np.abs(b).T)).all()


def test_engram_bound_holds_for_numpy_f32():
    r = np.random.default_rng(14)
    x, k, v = (m.to_bf16(r.standard_normal(s).astype(F32))
               for s in ((9, 4, 320), (9, 4, 320), (9, 320)))
    w = r.standard_normal((4, 320)).astype(F32)
    out = engram_gate(x, k, v, w, 1e-6, 320 ** -0.5, 1e-6)
    xf, kf = x.astype(F32), k.astype(F32)
    rx = 1 / np.sqrt((xf * xf).mean(2) + F32(1e-6))
    rk = 1 / np.sqrt((kf * kf).mean(2) + F32(1e-6))
    d = (xf * w * kf).sum(2) * rx * rk * F32(320 ** -0.5)
    g = 1 / (1 + np.exp(-np.copysign(np.sqrt(np.maximum(np.abs(d), F32(1e-6))), d)))
    gate, bound = out["gate"]
    assert g.dtype == F32 and (np.abs(g - gate) <= bound).all() and np.median(bound) < 1e-4
    y, bound = out["y"]
    got = m.to_bf16(xf + g[:, :, None] * v.astype(F32)[:, None]).astype(np.float64)
    assert (np.abs(got - y) <= bound).all()


def test_swiglu_is_silu_times_up():
    r = np.random.default_rng(15)
    x = m.to_bf16((r.standard_normal((20, 2, 64)) * 4).astype(F32))
    w = r.random(20).astype(F32)
    g, u = (x[:, i].astype(np.float64) for i in (0, 1))
    g, u = np.minimum(g, 3), np.clip(u, -3, 3)
    want = g / (1 + np.exp(-g)) * u * w[:, None]
    assert np.allclose(activation(x, 3.0, w), want, rtol=2e-6, atol=1e-12)


def test_e5m6_codes():
    codes = np.arange(4096, dtype=np.uint32).reshape(2, -1)
    value = decode(codes)
    finite = np.isfinite(value)
    assert finite.sum() == 4096 - 128 and np.abs(value[finite]).max() == 65024
    assert (encode(np.where(finite, value, 0)) == np.where(finite, codes, 0)).all()
    half = value.astype(np.float16)                              # E5M6 is the top of an f16
    same_bits(half[finite], from_bits("f16", (codes << 4).astype(np.uint16))[finite])
    assert (unpack(pack(codes)) == codes).all()
    first = pack(np.array([[0xABC, 0x123, 0x456, 0x789, 0xDEF, 0x135, 0x246, 0x8AC]], np.uint32))
    assert [hex(w) for w in first[0]] == ["0xabc12345", "0x6789def1", "0x352468ac"]


def test_e5m6_rounds_to_nearest_even():
    table = decode(np.arange(64, 1984, dtype=np.uint32)).astype(np.float64)
    middles = ((table[:-1] + table[1:]) / 2).astype(F32)
    codes = np.arange(64, 1983)
    assert (encode(middles[None])[0] == codes + (codes & 1)).all()
    assert (encode(np.nextafter(middles, F32(0))[None])[0] == codes).all()
    assert (encode(-np.nextafter(middles, F32(1e9))[None])[0] == codes + 1 + 2048).all()


def test_e5m6_there_and_back():
    x = np.random.default_rng(16).standard_normal((5, 256)).astype(F32)
    for pow2 in (False, True):
        words, sf = cast_e5m6(x, "f32", pow2)
        back = cast_back_e5m6(words, sf, 256, 256, O="f32")
        assert np.abs(back - x).max() <= 2.0 ** -7 * np.abs(x).max()
        assert (np.abs(back - x) <= 2.0 ** -7 * np.abs(x) * (1 + 1e-6) + 2.0 ** -19 * sf).all()


def test_bf16_nan_is_one_pattern():
    assert dtype("bf16").itemsize == 2
    assert bits(m.to_bf16(F32([np.nan, -np.nan]))).tolist() == [0x7FFF, 0x7FFF]
