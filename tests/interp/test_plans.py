"""Sums in the order of a plan, against an emulation of it over single elements."""
import itertools

import numpy as np
import pytest

from ir import Builder, Out, compute, run, some, tile
from plan_order import extent, in_order, planned_sum, text
from test_elementwise import bits

PLANS = [  # of an axis: digits (owner, extent, stride)
    [],
    [("reg", 7, 1)],
    [("lane", 32, 1)],
    [("warp", 3, 1)],
    [("reg", 8, 1), ("lane", 32, 8), ("warp", 4, 256)],
    [("reg", 8, 1), ("lane", 4, 8), ("warp", 3, 32), ("reg", 5, 96)],
    [("lane", 8, 4), ("reg", 4, 1), ("lane", 2, 32)],
    [("lane", 2, 32), ("lane", 8, 1), ("reg", 4, 8)],
    [("reg", 5, 6), ("reg", 3, 2), ("reg", 2, 1)],
    [("warp", 2, 6), ("warp", 3, 2), ("reg", 2, 1)],
    [("warp", 3, 16), ("reg", 2, 8), ("warp", 4, 2), ("lane", 2, 1), ("reg", 3, 48)],
]


def shapes(n):
    return [((n,), 0), ((5, n), 1), ((n, 3), 0), ((2, n, 33), 1), ((2, 3, n), 2)]


@pytest.mark.parametrize("plan", PLANS, ids=text)
def test_order(plan):
    n = extent(plan)
    for shape, axis in shapes(n):
        rng = np.random.default_rng(n + axis)
        x = (rng.standard_normal(shape) * 10.0 ** rng.integers(-4, 5, shape)).astype(np.float32)
        kept = tuple(1 if i == axis else e for i, e in enumerate(shape))
        got = compute("sum", [("f32", x)], ("f32", kept), f"axis {axis} {text(plan)}")
        assert np.array_equal(bits(got), bits(planned_sum(plan, x, axis))), (shape, axis)


def test_the_order_matters():
    """The plans of one axis differ in their bits: the test above can tell them apart."""
    x = np.random.default_rng(3).standard_normal((4000, 64)).astype(np.float32)
    plans = [[("reg", 64, 1)], [("lane", 32, 1), ("reg", 2, 32)], [("lane", 32, 2), ("reg", 2, 1)],
             [("reg", 16, 1), ("warp", 4, 16)], [("reg", 16, 4), ("warp", 4, 1)]]
    sums = [compute("sum", [("f32", x)], ("f32", (4000, 1)), f"axis 1 {text(p)}") for p in plans]
    for a, b in itertools.combinations(sums, 2):
        assert not np.array_equal(a, b)


def test_special_values():
    plan = [("reg", 2, 1), ("lane", 4, 2)]
    zero, inf, nan = -0.0, np.inf, np.nan
    x = np.zeros((6, 8), np.float32)
    x[0] = zero
    x[1, 5], x[2, 5] = inf, -inf
    x[3, 1], x[3, 6] = inf, -inf
    x[4, 2] = nan
    x[5] = np.float32(3e38)
    x = x.view(np.uint32)
    x[4, 2] = 0xFFC12345
    x = x.view(np.float32)
    got = bits(compute("sum", [("f32", x)], ("f32", (6, 1)), f"axis 1 {text(plan)}")).ravel()
    want = [0, 0x7F800000, 0xFF800000, 0x7FFFFFFF, 0x7FFFFFFF, 0x7F800000]
    assert [int(v) for v in got] == want
    one = np.array([[-0.0]], np.float32)
    assert bits(compute("sum", [("f32", one)], ("f32", (1, 1)), "axis 1 plan ()")) == 0


@pytest.mark.parametrize("dtype", ["i32", "u8", "i64"])
def test_integers_ignore_it(dtype):
    x = some(dtype, (6, 96), 4)
    got = compute("sum", [(dtype, x)], (dtype, (6, 1)), "axis 1 plan (reg 3@32, lane 32@1)")
    assert np.array_equal(got, x.sum(1, dtype=x.dtype, keepdims=True))


def fma(a, b, c):
    """One rounding of a * b + c in f32, for values whose exact sum an f64 holds."""
    return (a.astype(np.float64) * b.astype(np.float64) + c.astype(np.float64)).astype(np.float32)


def few_bits(shape, seed):
    """f32 whose products need more than 24 bits, but whose sums of products fit 53."""
    rng = np.random.default_rng(seed)
    return (rng.integers(-2**15, 2**15, shape) / 2.0**8).astype(np.float32)


def fused_and_plain(a, b, shape, axis, plan):
    """Both sums of a * b. Between product and sum other tiles want the factors' places."""
    kept = tuple(1 if i == axis else e for i, e in enumerate(shape))
    builder = Builder()
    tensors = [builder.tensor(name, "f32", v.shape) for name, v in (("a", a), ("b", b))]
    sums = [builder.tensor(name, "f32", kept, "out") for name in ("y", "q")]
    with builder.par((builder.int(0), builder.int(1), builder.int(1))):
        for out, word in zip(sums, (" fused", "")):
            factors = [builder.load(t, [f":{e}" for e in v.shape], tile("f32", v.shape))
                       for t, v in zip(tensors, (a, b))]
            product = builder.op("mul", tile("f32", shape), *factors)
            for v in (a, b):
                other = builder.op("iota", "i64[1]")
                other = builder.op("cast", "f32[1]", other)
                other = builder.op("reshape", tile("f32", (1,) * len(v.shape)), other)
                other = builder.op("broadcast", tile("f32", v.shape), other)
                builder.op("print", "", other, attributes='"other"')
            total = builder.op("sum", tile("f32", kept), product,
                               attributes=f"axis {axis} {text(plan)}{word}")
            builder.store(out, [f":{e}" for e in kept], total)
    got = run(builder, {"a": a, "b": b, "y": Out("f32", *kept), "q": Out("f32", *kept)})
    return got["y"], got["q"]


@pytest.mark.parametrize("plan", PLANS[1:], ids=text)
@pytest.mark.parametrize("left,right", [("full", "full"), ("row", "full"), ("full", "column"),
                                        ("scalar", "full"), ("row", "column")])
def test_fused(plan, left, right):
    for axis, shape in ((1, (4, extent(plan))), (0, (extent(plan), 5))):
        forms = {"full": shape, "row": (1, shape[1]), "column": (shape[0], 1), "scalar": ()}
        a, b = few_bits(forms[left], 5), few_bits(forms[right], 6)
        y, q = fused_and_plain(a, b, shape, axis, plan)
        if left == right and extent(plan) > 100:
            assert not np.array_equal(y, q)
        a, b = (np.moveaxis(np.broadcast_to(v, shape), axis, 0) for v in (a, b))
        start = np.zeros(a.shape[1:], np.float32)
        want = in_order(plan, lambda t, i: fma(a[i], b[i], t), start)
        assert np.array_equal(bits(y), bits(np.expand_dims(want, axis)))
        want = in_order(plan, lambda t, i: t + a[i] * b[i], start)
        assert np.array_equal(bits(q), bits(np.expand_dims(want, axis)))
