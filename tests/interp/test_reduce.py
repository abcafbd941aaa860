"""Reductions, scans, order and mma against numpy."""
import numpy as np
import pytest

from ir import INTEGERS, NUMPY, Builder, Fault, Out, compute, run, some, tile, wide
from test_elementwise import NAN, bits, zero_aware

STORAGE = ["f16", "bf16", "e4m3", "e5m2", "ue8m0", "e2m1"]
SHAPES = [((7,), 0), ((4, 9), 1), ((4, 9), 0), ((3, 5, 4), 1), ((2, 128), 1), ((1, 1, 6), 2)]


def kept(shape, axis):
    return tuple(1 if i == axis else n for i, n in enumerate(shape))


def tree(x, axis):
    """Zero-padded to a power of two, neighbours first."""
    x = np.moveaxis(x, axis, -1)
    n = x.shape[-1]
    size = 1
    while size < n:
        size *= 2
    x = np.concatenate([x, np.zeros((*x.shape[:-1], size - n), x.dtype)], -1)
    while x.shape[-1] > 1:
        x = x[..., 0::2] + x[..., 1::2]
    return np.moveaxis(x, -1, axis)


def sequence(x, axis, init=None):
    x = np.moveaxis(x, axis, 0)
    total = x[0] if init is None else np.broadcast_to(x.dtype.type(init), x.shape[1:])
    for row in x[1 if init is None else 0:]:
        total = total + row
    return np.expand_dims(total, axis)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("shape,axis", SHAPES)
def test_sum_orders(dtype, shape, axis):
    x = some(dtype, shape, 1, finite=True)
    x.flat[0] = -0.0
    out = (dtype, kept(shape, axis))
    for words, want in {"order tree": tree(x, axis), "": tree(x, axis),
                        "order seq": sequence(x, axis)}.items():
        got = compute("sum", [(dtype, x)], out, f"axis {axis} {words}")
        assert np.array_equal(bits(got), bits(want)), words


def test_sum_with_init():
    x = some("f32", (5, 6), 2, finite=True)
    b = Builder()
    t, y = b.tensor("x", "f32", x.shape), b.tensor("y", "f32", (5, 1), "out")
    with b.par((b.int(0), b.int(1), b.int(1))):
        init = b.const(1e-20, "f32")
        v = b.load(t, [":5", ":6"], "f32[5, 6]")
        b.store(y, [":5", ":1"], b.op("sum", "f32[5, 1]", v, init, attributes="axis 1 order seq"))
    got = run(b, {"x": x, "y": Out("f32", 5, 1)})["y"]
    assert np.array_equal(got, sequence(x, 1, np.float32(1e-20)))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_sum(dtype):
    x = some(dtype, (6, 50), 3)
    got = compute("sum", [(dtype, x)], (dtype, (6, 1)), "axis 1")
    assert np.array_equal(got, x.sum(1, dtype=x.dtype, keepdims=True))
    got = compute("sum", [(dtype, x)], (dtype, (1, 50)), "axis 0 order seq")
    assert np.array_equal(got, x.sum(0, dtype=x.dtype, keepdims=True))


def test_empty():
    x = np.zeros((3, 0), np.float32)
    assert np.array_equal(compute("sum", [("f32", x)], ("f32", (3, 1)), "axis 1"), np.zeros((3, 1)))
    assert np.all(compute("amax", [("f32", x)], ("f32", (3, 1)), "axis 1") == -np.inf)
    assert np.all(compute("amin", [("f64", x.astype(float))], ("f64", (3, 1)), "axis 1") == np.inf)
    i = np.zeros((3, 0), np.int16)
    assert np.all(compute("amax", [("i16", i)], ("i16", (3, 1)), "axis 1") == -32768)
    assert np.all(compute("amin", [("i16", i)], ("i16", (3, 1)), "axis 1") == 32767)
    assert not compute("any", [("bool", x.astype(bool))], ("bool", (3, 1)), "axis 1").any()
    assert compute("all", [("bool", x.astype(bool))], ("bool", (3, 1)), "axis 1").all()


@pytest.mark.parametrize("op", ["amax", "amin"])
@pytest.mark.parametrize("dtype", ["f32", "f64", *STORAGE[:-1]])
@pytest.mark.parametrize("shape,axis", SHAPES)
def test_float_extremes(op, dtype, shape, axis):
    for seed in (4, 5):
        x = some(dtype, shape, seed)
        if seed == 4 and dtype in ("f32", "f64"):
            x = np.sign(np.nan_to_num(x)).astype(x.dtype) * 0
        v = x if dtype in ("f32", "f64") else wide(dtype, x)
        rows = np.moveaxis(v, axis, 0)
        want = rows[0]
        for row in rows[1:]:
            want = zero_aware(op[1:], want, row)
        want = np.expand_dims(want, axis)
        got = compute(op, [(dtype, x)], (dtype, kept(shape, axis)), f"axis {axis}")
        nan = np.isnan(want)
        assert np.all(bits(got)[nan] == NAN[dtype])
        values = got if dtype in ("f32", "f64") else wide(dtype, got)
        assert np.array_equal(values[~nan], want[~nan])
        assert np.array_equal(np.signbit(values[~nan]), np.signbit(want[~nan]))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_extremes(dtype):
    x = some(dtype, (5, 33), 6)
    assert np.array_equal(compute("amax", [(dtype, x)], (dtype, (5, 1)), "axis 1"),
                          x.max(1, keepdims=True))
    assert np.array_equal(compute("amin", [(dtype, x)], (dtype, (1, 33)), "axis 0"),
                          x.min(0, keepdims=True))


def test_any_all():
    x = some("bool", (4, 3), 7)
    x[1], x[2] = False, True
    for op, f in {"any": np.any, "all": np.all}.items():
        for axis in (0, 1):
            got = compute(op, [("bool", x)], ("bool", kept(x.shape, axis)), f"axis {axis}")
            assert np.array_equal(got, f(x, axis, keepdims=True))
        assert compute(op, [("bool", x)], ("bool", ()), "axis -1") == f(x)


@pytest.mark.parametrize("dtype", ["f32", "f64", "i32", "u8"])
@pytest.mark.parametrize("shape,axis", SHAPES)
def test_cumsum(dtype, shape, axis):
    x = some(dtype, shape, 8, finite=True)
    total = np.cumsum(x, axis, dtype=x.dtype)
    assert np.array_equal(compute("cumsum", [(dtype, x)], (dtype, shape), f"axis {axis}"), total)
    got = compute("cumsum", [(dtype, x)], (dtype, shape), f"axis {axis} exclusive")
    rows = np.moveaxis(total, axis, 0)
    want = np.moveaxis(np.concatenate([np.zeros_like(rows[:1]), rows[:-1]]), 0, axis)
    assert np.array_equal(got, want)


@pytest.mark.parametrize("dtype", ["f32", "i16", "bf16", "e5m2"])
def test_cummax(dtype):
    x = some(dtype, (4, 30), 9)
    got = compute("cummax", [(dtype, x)], (dtype, x.shape), "axis 1")
    v = x if dtype in ("f32", "i16") else wide(dtype, x)
    want = np.maximum.accumulate(v, 1)
    got = got if dtype in ("f32", "i16") else wide(dtype, got)
    assert np.array_equal(got, want, equal_nan=dtype != "i16")


@pytest.mark.parametrize("shape,axis", SHAPES)
def test_softmax(shape, axis):
    x = some("f32", shape, 10, finite=True) * 5
    e = np.exp(x - x.max(axis, keepdims=True), dtype=np.float64)
    got = compute("softmax", [("f32", x)], ("f32", shape), f"axis {axis}")
    assert np.allclose(got, e / e.sum(axis, keepdims=True), rtol=2e-6)


def order(x):
    """Indices in the order of R10: NaN first, then falling, ties by index."""
    if np.issubdtype(x.dtype, np.floating):
        key = [(0 if np.isnan(v) else 1, 0 if np.isnan(v) else -v, i) for i, v in enumerate(x)]
    else:
        key = [(0, -int(v), i) for i, v in enumerate(x)]
    return sorted(range(len(x)), key=key.__getitem__)


@pytest.mark.parametrize("dtype", ["f32", "f64", "i8", "u64", "i64", *STORAGE[:-1]])
@pytest.mark.parametrize("shape,axis", [((40,), 0), ((3, 40), 1), ((40, 3), 0)])
def test_topk_rank_argmax(dtype, shape, axis):
    x = some(dtype, shape, 11)
    if dtype in ("f32", "f64"):
        x = np.random.default_rng(12).choice([0.0, -0.0, 1, 2, -3, np.nan, np.inf], shape).astype(
            x.dtype)
    v = x if dtype in ("f32", "f64", "i8", "u64", "i64") else wide(dtype, x)
    lines = np.moveaxis(v, axis, -1).reshape(-1, 40)
    orders = np.array([order(line) for line in lines])
    for k in (1, 5, 30):
        sized = tuple(k if i == axis else n for i, n in enumerate(shape))
        best, at = compute("topk", [(dtype, x)], [(dtype, sized), ("i32", sized)], f"axis {axis}")
        at = np.moveaxis(at, axis, -1).reshape(-1, k)
        assert np.array_equal(at, orders[:, :k])
        raw = np.moveaxis(x, axis, -1).reshape(-1, 40)
        assert np.array_equal(bits(np.moveaxis(best, axis, -1).reshape(-1, k)),
                              bits(np.take_along_axis(raw, orders[:, :k], 1)))
    got = compute("rank", [(dtype, x)], ("i32", shape), f"axis {axis}")
    assert np.array_equal(np.moveaxis(got, axis, -1).reshape(-1, 40), np.argsort(orders, 1))
    got = compute("argmax", [(dtype, x)], ("i32", kept(shape, axis)), f"axis {axis}")
    assert np.array_equal(got.ravel(), orders[:, 0])


@pytest.mark.parametrize("dtype", ["i32", "u8", "i64", "i8"])
def test_histogram_occurrence(dtype):
    x = some(dtype, (300,), 13) % NUMPY[dtype](20)
    x[::7] = NUMPY[dtype](-1 if np.dtype(NUMPY[dtype]).kind == "i" else 200)
    inside = x[(x >= 0) & (x < 16)]
    assert np.array_equal(compute("histogram", [(dtype, x)], ("i32", (16,))),
                          np.bincount(inside.astype(int), minlength=16))
    want = [int((x[:i] == v).sum()) for i, v in enumerate(x)]
    assert list(compute("occurrence", [(dtype, x)], ("i32", x.shape))) == want
    want = [n if 0 <= v < 16 else 0 for n, v in zip(want, x)]
    assert list(compute("occurrence", [(dtype, x)], ("i32", x.shape), "classes 16")) == want


@pytest.mark.parametrize("dtype", ["bf16", "f16", "tf32", "e4m3", "e5m2"])
@pytest.mark.parametrize("m,n,k", [(1, 1, 1), (5, 9, 33), (16, 24, 64), (4, 8, 0)])
def test_mma(dtype, m, n, k):
    a, b = some(dtype, (m, k), 14, finite=True), some(dtype, (k, n), 15, finite=True)
    if dtype == "tf32":
        a, b = [(v.view(np.uint32) & 0xFFFFE000).view(np.float32) for v in (a, b)]
    c = some("f32", (m, n), 16, finite=True)
    got = compute("mma", [(dtype, a), (dtype, b), ("f32", c)], ("f32", (m, n)))
    want = a.astype(np.float64) @ b.astype(np.float64) + c
    assert np.allclose(got, want, rtol=1e-6, atol=1e-6)
    if k < 10:
        assert np.array_equal(got, want.astype(np.float32))


def test_mma_specials_and_integers():
    a = np.array([[np.inf, 1], [0, 1]], NUMPY["bf16"])
    b = np.array([[0, 1], [1, 1]], NUMPY["bf16"])
    got = compute("mma", [("bf16", a), ("bf16", b), ("f32", np.zeros((2, 2), np.float32))],
                  ("f32", (2, 2)))
    assert bits(got)[0, 0] == 0x7FFFFFFF and got[0, 1] == np.inf and list(got[1]) == [1, 1]
    a, b = some("i8", (5, 40), 17), some("i8", (40, 7), 18)
    c = some("i32", (5, 7), 19)
    with np.errstate(all="ignore"):
        want = (a.astype(np.int64) @ b.astype(np.int64) + c).astype(np.int32)
    got = compute("mma", [("i8", a), ("i8", b), ("i32", c)], ("i32", (5, 7)))
    assert np.array_equal(got, want)


@pytest.mark.parametrize("left", ["e4m3", "e2m1"])
def test_mma_scaled(left):
    m, n, k = 6, 10, 64
    a, b = some(left, (m, k), 20), some("e2m1", (k, n), 21)
    if left == "e4m3":
        a = some(left, (m, k), 20, finite=True)
    sa = np.random.default_rng(22).integers(120, 135, (m, k // 32)).astype(np.uint8)
    sb = np.random.default_rng(23).integers(120, 135, (k // 32, n)).astype(np.uint8)
    sb[1, 3] = 255
    c = some("f32", (m, n), 24, finite=True)
    got = compute("mma_scaled", [(left, a), ("ue8m0", sa), ("e2m1", b), ("ue8m0", sb), ("f32", c)],
                  ("f32", (m, n)))
    x = wide(left, a).astype(np.float64) * np.repeat(wide("ue8m0", sa), 32, 1)
    y = wide("e2m1", b).astype(np.float64) * np.repeat(wide("ue8m0", sb), 32, 0)
    want = x @ y + c
    assert np.isnan(got[:, 3]).all()
    assert np.allclose(got, want, rtol=1e-6, equal_nan=True)


def test_shapes():
    x = some("f32", (3, 4), 25)
    assert np.array_equal(bits(compute("trans", [("f32", x)], ("f32", (4, 3)))), bits(x.T))
    y = some("u8", (2, 33, 50), 26)
    assert np.array_equal(compute("trans", [("u8", y)], ("u8", (2, 50, 33))), y.transpose(0, 2, 1))
    assert np.array_equal(compute("reshape", [("u8", y)], ("u8", (66, 50))), y.reshape(66, 50))
    for axis in range(3):
        z = some("u8", tuple(7 if i == axis else n for i, n in enumerate(y.shape)), 27)
        want = np.concatenate([y, z, y], axis)
        got = compute("concat", [("u8", y), ("u8", z), ("u8", y)], ("u8", want.shape),
                      f"axis {axis}")
        assert np.array_equal(got, want)
    r = some("i16", (1, 5, 1), 28)
    got = compute("broadcast", [("i16", r)], ("i16", (3, 5, 4)))
    assert np.array_equal(got, np.broadcast_to(r, (3, 5, 4)))
