"""SwiGLU, backward: rows, gradients, codes and scales bit for bit; the weights' gradient is a sum
over D in the variant's own order and has a bound."""
import numpy as np
import pytest

import ref_swiglu_bwd as ref
from harness import LEVEL, from_bits, run, same_bits, within
from ref_checks import close, gradient
from ref_math import F32, to_bf16, to_e4m3

FILE, KERNEL = "quant/swiglu_bwd.tile", "swiglu_bwd"
OUTPUTS = {"y": "bf16", "gq": "e4m3", "gs": "f32", "gx": "bf16", "gw": "f32"}
EPS = 2.0 ** -24
F64 = np.float64


def case(seed, rows, size, group, tokens=3, slots=4, spread=2.0):
    """`rows` expanded rows: some belong to a slot of the routing, the others are padding."""
    rng = np.random.default_rng(seed)
    x = to_e4m3(rng.standard_normal((rows, 2 * size)) * 100)
    used = min(tokens * slots, rows - rows // 4)
    pos_slot, slot_pos = np.full(rows, -1, np.int32), np.full(tokens * slots, -1, np.int32)
    at, slot = rng.permutation(rows)[:used], rng.permutation(tokens * slots)[:used]
    pos_slot[at], slot_pos[slot] = slot, at
    return {"x": x, "xsf": (rng.random((rows, 2 * size // group)) * spread / 100).astype(F32),
            "gy": to_bf16(rng.standard_normal((rows, size))),
            "w": rng.random((tokens, slots)).astype(F32), "pos_slot": pos_slot,
            "slot_pos": slot_pos.reshape(tokens, slots)}


def check(values, group, pow2=False, limit=None, seed=0, **more):
    statics = {"G": group, "pow2": pow2, "clamp": limit is not None,
               "limit": F32(0 if limit is None else limit), **more}
    got = run(FILE, KERNEL, statics, values, OUTPUTS, seed)
    want = ref.rounded(*(values[name] for name in ("x", "xsf", "gy", "w", "pos_slot")),
                       group, pow2, limit)
    for name in ("y", "gx", "gq", "gs"):
        same_bits(got[name], want[name], name)
    check_weights(got["gw"].ravel(), values, want["terms"])
    return got


def check_weights(got, values, terms):
    """gw[i] sums D products of exactly known factors: at most D + 2 roundings of sum |gy act|."""
    products = values["gy"].astype(F64) * terms.astype(F64)
    want, bound = np.zeros(got.size), np.zeros(got.size)
    owned = values["pos_slot"] >= 0
    slot = values["pos_slot"][owned]
    want[slot] = products.sum(1)[owned]
    bound[slot] = (terms.shape[1] + 2) * EPS * np.abs(products).sum(1)[owned]
    finite = np.isfinite(want)
    within(got[finite], want[finite], bound[finite], "gw")
    assert np.isnan(got[~finite]).all()


@pytest.mark.parametrize("rows", [0, 1, 2, 9, 16])
@pytest.mark.parametrize("group, pow2, limit", [
    (32, False, None), (32, True, 1.5), (128, True, None), (128, False, 1.5),
])
def test_bits(rows, group, pow2, limit):
    check(case(rows + group, rows, 256, group), group, pow2, limit, seed=rows)


@pytest.mark.parametrize("size, tile", [(128, 128), (128, 512), (384, 128), (384, 256), (512, 512),
                                        (640, 512)])
def test_tiles(size, tile):
    for group in (32, 128):
        check(case(size + tile, 6, size, group), group, True, 2.0, BD=tile)


@pytest.mark.parametrize("seed", range(4))
def test_variants(seed):
    for pow2 in (False, True):
        for limit in (None, 0.5):
            check(case(seed, 7, 128, 32, tokens=2, slots=3), 32, pow2, limit, seed)


@pytest.mark.parametrize("tokens, slots", [(0, 2), (4, 0), (1, 1), (50, 2)])
def test_routing(tokens, slots):
    """No slot at all, all rows padding, more slots than rows."""
    check(case(11, 5, 128, 128, tokens, slots), 128)


def test_wide_values():
    """Large gates overflow exp; tiny gradients meet the smallest scale; codes saturate nowhere."""
    values = case(12, 8, 256, 32, spread=300.0)
    values["gy"][1] = 0
    values["gy"][2] = to_bf16(values["gy"][2].astype(F32) * F32(1e-6))
    for pow2 in (False, True):
        check(values, 32, pow2)
        check(values, 32, pow2, 10.0)


def test_nan_poisons_its_block_only():
    values = case(13, 4, 256, 128)
    values["x"][2, 7] = from_bits("e4m3", [0x7F])[0]
    for limit in (None, 1000.0):
        got = check(values, 128, limit=limit)
        assert np.argwhere(np.isnan(got["gs"])).tolist() == [[2, 0], [2, 2]]


def test_numeric_gradient():
    values = case(14, 3, 128, 32)
    got = check(values, 32)
    a0, b0 = (half.astype(F64) for half in ref.halves(values["x"], values["xsf"]))
    weight = ref.row_weights(values["w"], values["pos_slot"]).astype(F64)
    gy = values["gy"].astype(F64)
    wide = np.concatenate([gradient(lambda z: (gy * ref.forward(z, b0, weight)).sum(), a0),
                           gradient(lambda z: (gy * ref.forward(a0, z, weight)).sum(), b0)], axis=1)
    close(got["gx"], wide, 2.0 ** -8)
    owned = values["pos_slot"] >= 0
    rate = gradient(lambda z: (gy * ref.forward(a0, b0, z)).sum(), weight)
    close(got["gw"].ravel()[values["pos_slot"][owned]], rate[owned], 1e-5)


@pytest.mark.skipif(LEVEL < 2, reason="large")
def test_real_size():
    check(case(15, 4096, 3584, 128, tokens=512, slots=8), 128, True, 7.0)
