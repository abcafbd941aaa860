"""tcgen05.mma against products.py: every kind and type, layouts, shapes, wrong instruction descriptors."""
import os

import numpy as np
import pytest
from machine import EARLY, LATE, RANDOM, Fault
from products import KINDS, Case, descriptor

LEVEL = int(os.environ.get("TILE_TEST_LEVEL", "1"))


def check(*args, policy=LATE, **keys):
    case = Case(*args, **keys)
    assert np.array_equal(case.run(policy=policy), case.want())


@pytest.mark.parametrize("kind, a, b", [(kind, a, b) for kind in KINDS for a in KINDS[kind][3]
                                        for b in KINDS[kind][3] if LEVEL > 1 or a == b or a == "e4m3"])
def test_types(kind, a, b):
    check(kind, a, b, 128, 64, policy=RANDOM)


@pytest.mark.parametrize("m, pair, lane", [(64, 0, 0), (64, 0, 16), (128, 0, 0), (128, 1, 0), (256, 1, 0)])
@pytest.mark.parametrize("form", ["ss", "ts"])
@pytest.mark.parametrize("kind, type", [("f16", "bf16"), ("tf32", "tf32"), ("f8f6f4", "e4m3"), ("i8", "s8")])
def test_forms(kind, type, form, m, pair, lane):
    check(kind, type, type, m, 96, form=form, pair=pair, lane=lane, begin=True)


@pytest.mark.parametrize("m, pair", [(128, 0), (128, 1), (256, 1)])
@pytest.mark.parametrize("kind, a, b, bits", [("mxf8f6f4", "e4m3", "e2m1", {}), ("mxf4", "e2m1", "e2m1", {}),
                                              ("mxf4nvf4_2x", "e2m1", "e2m1", {}),
                                              ("mxf4nvf4_4x", "e2m1", "e2m1", {}),
                                              ("mxf4nvf4_4x", "e2m1", "e2m1", {"ue8m0": 0})])
def test_scales(kind, a, b, bits, m, pair):
    steps = 4 // KINDS[kind][2]
    for n in (64, 256):
        check(kind, a, b, m, n, pair=pair, steps=steps, layout_a=("k", 32), layout_b=("k", 32), **bits)


def test_a_of_mxf4_in_tensor_memory():
    check("mxf4", "e2m1", "e2m1", 128, 64, form="ts")


@pytest.mark.parametrize("n", range(8, 257, 8) if LEVEL > 1 else (8, 24, 200, 256))
def test_sizes(n):
    check("f16", "bf16", "bf16", 128, n, steps=1)
    check("f16", "f16", "f16", 64, n, steps=1)
    if n % 16 == 0:
        check("f16", "bf16", "bf16", 256, n, steps=1, pair=1)


@pytest.mark.parametrize("swizzle", [0, 32, 64, 128])
@pytest.mark.parametrize("kind, type", [("f16", "bf16"), ("tf32", "tf32"), ("f8f6f4", "e5m2"),
                                        ("f8f6f4", "e3m2")])
def test_along_k(kind, type, swizzle):
    check(kind, type, type, 128, 64, layout_a=("k", swizzle), layout_b=("k", swizzle), policy=EARLY)


@pytest.mark.parametrize("swizzle", [0, 32, 64, 128])
@pytest.mark.parametrize("majors", [("mn", "k"), ("k", "mn"), ("mn", "mn")])
@pytest.mark.parametrize("kind, type", [("f16", "bf16"), ("f8f6f4", "e4m3"), ("i8", "u8")])
def test_along_mn(kind, type, majors, swizzle):
    check(kind, type, type, 128, 128, layout_a=(majors[0], swizzle), layout_b=(majors[1], swizzle))


@pytest.mark.parametrize("negative", [(1, 0), (0, 1), (1, 1)])
def test_negative(negative):
    check("f16", "bf16", "f16", 128, 32, negative=negative, begin=True)
    check("mxf8f6f4", "e4m3", "e4m3", 128, 32, negative=negative)


@pytest.mark.parametrize("saturate", [0, 1])
def test_integers(saturate):
    def change(case):
        case.begin[...] = 2 ** 31 - 1000
    case = Case("i8", "u8", "s8", 128, 32, steps=1, begin=True, saturate=saturate, change=change)
    want = case.want()
    want = np.clip(want, -2 ** 31, 2 ** 31 - 1) if saturate else (want + 2 ** 31) % 2 ** 32 - 2 ** 31
    assert np.array_equal(case.run(), want.astype(np.int32)) and (case.want() > 2 ** 31).any()


def test_sums_are_near():
    def change(case):
        random = np.random.default_rng(5)
        case.a = random.normal(size=case.a.shape).astype(case.a.dtype)
        case.b = random.normal(size=case.b.shape).astype(case.b.dtype)
    case = Case("f16", "bf16", "bf16", 128, 64, steps=4, change=change)
    bound = np.abs(case.a.astype(np.float64)) @ np.abs(case.b.astype(np.float64)).T * 2.0 ** -23 * 4
    exact = case.a.astype(np.float64) @ case.b.astype(np.float64).T
    assert (np.abs(case.run() - exact) <= bound).all()


def test_not_a_number():
    def change(case):
        case.scale_a.view(np.uint8)[7] = 255
    d = Case("mxf8f6f4", "e4m3", "e4m3", 128, 32, change=change).run()
    assert (d[7].view(np.uint32) == 0x7FFFFFFF).all() and np.isfinite(np.delete(d, 7, 0)).all()


# ---- instruction descriptors ----

def good_shape(kind, pair, m, n):
    """Table 39; of M = 128 of a pair with scales the multiples of 64 that the machine has."""
    if kind == "i8":
        return (m in (128, 256) and n % 32 == 0 if pair else
                m in (64, 128) and (n in (8, 16, 24, 32) or n > 32 and n % 16 == 0)) and 8 <= n <= 256
    scaled = KINDS[kind][2]
    if pair:
        return m in (128, 256) and n % (64 if scaled and m == 128 else 16) == 0 and 16 <= n <= 256
    return m in ((128,) if scaled else (64, 128)) and n % 8 == 0 and 8 <= n <= 256


@pytest.mark.parametrize("pair", [0, 1])
@pytest.mark.parametrize("kind", ["f16", "i8", "mxf8f6f4"])
def test_shapes(kind, pair):
    type = next(iter(KINDS[kind][3]))
    shapes = [(m, n) for m in (64, 128, 192, 256) for n in (8, 24, 40, 48, 64)]
    if KINDS[kind][2]:
        shapes = [(m, n) for m, n in shapes if m % 128 == 0]
    for m, n in shapes:
        case = Case(kind, type, type, 256 if pair else 128, 64, pair=pair, steps=1,
                    idesc=descriptor(kind, type, type, m, n))
        try:
            case.run(seeds=(0, 0))
            found = None
        except Fault as fault:
            found = fault.name
        assert (found != "wrong instruction descriptor") == good_shape(kind, pair, m, n), (m, n, found)


BAD_BITS = [("f16", 1 << 0, "not modelled"), ("f16", 1 << 2, "not modelled"), ("f16", 1 << 3, "does not have"),
            ("f16", 1 << 6, "does not have"), ("f16", 1 << 23, "does not have"),
            ("f16", 1 << 29, "does not have"), ("f16", 2 << 30, "not modelled"),
            ("f16", 2 << 7, "element type"), ("f16", 1 << 4, "sums in f16"), ("tf32", 2 << 7, "element type"),
            ("tf32", 1 << 15, "tf32 along M or N"), ("f8f6f4", 2 << 7, "element type"),
            ("f8f6f4", 3 << 4, "type of D"), ("i8", 1 << 13, "does not have"), ("i8", 2 << 7, "element type"),
            ("mxf8f6f4", 1 << 3, "does not have"), ("mxf8f6f4", 1 << 23, "scales are ue8m0"),
            ("mxf8f6f4", 1 << 31, "does not have"), ("mxf4", 1 << 12, "does not have"),
            ("mxf4", 1 << 15, "does not have"), ("mxf4", 1 << 29, "0 and 2"), ("mxf4nvf4_2x", 3 << 4, "0 and 2"),
            ("mxf4nvf4_4x", 2 << 29, "scale_vec::4X is 0"), ("mxf4nvf4_2x", 1 << 23, "scales are ue8m0")]


@pytest.mark.parametrize("kind, flip, text", BAD_BITS)
def test_wrong_bits(kind, flip, text):
    type = next(iter(KINDS[kind][3]))
    case = Case(kind, type, type, 128, 64, steps=1,
                change=lambda case: case.descriptors.__setitem__(0, case.descriptors[0] ^ flip))
    with pytest.raises(Fault, match=text) as fault:
        case.run(seeds=(0, 0))
    assert fault.value.name == "wrong instruction descriptor"


def test_a_of_4_bits_in_tensor_memory_is_refused():
    with pytest.raises(Fault, match="A of 4 or 6 bits in tensor memory"):
        Case("f8f6f4", "e2m1", "e2m1", 128, 64, form="ts", steps=1).run()


def test_8_bits_along_n():
    """Table 52."""
    for n, pair, good in ((24, 0, False), (48, 0, True), (48, 1, False), (64, 1, True)):
        m, columns = 256 if pair else 128, n if good else 96
        case = Case("f8f6f4", "e4m3", "e4m3", m, columns, pair=pair, steps=1, layout_b=("mn", 0),
                    idesc=descriptor("f8f6f4", "e4m3", "e4m3", m, n, b_mn=1))
        if good:
            assert np.array_equal(case.run(), case.want())
        else:
            with pytest.raises(Fault, match="lie along N"):
                case.run()
