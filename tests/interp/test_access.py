"""Loads, stores, atomics, tile indexing, views and storage formats against numpy."""
import numpy as np
import pytest

from ir import (NUMPY, Builder, Fault, Out, Packed, compute, pack_e2m1, run, some, tile,
                unpack_e2m1)

ONE = ("%0", "%1", "%1")


def start():
    b = Builder()
    b.int(0), b.int(1)
    return b


def padded(x, index, pad):
    """numpy's x[index] with `pad` outside; index: (start, n) slices, scalars or index arrays."""
    grids, shape, tiles = [], [], None
    for i in index:
        if isinstance(i, tuple):
            shape.append(np.arange(i[0], i[0] + i[1]))
        elif isinstance(i, np.ndarray):
            if tiles is None:
                tiles = len(shape)
                shape.append(i)
    sizes = [len(s) for s in shape]
    out = np.full(sizes, pad, x.dtype)
    for at in np.ndindex(*sizes):
        where, k, seen = [], 0, False
        for i in index:
            if isinstance(i, tuple):
                if k == tiles and tiles is not None:
                    k += 1
                where.append(i[0] + at[k])
                k += 1
            elif isinstance(i, np.ndarray):
                where.append(int(i[at[tiles]]))
                if not seen and k == tiles:
                    k += 1
                seen = True
            else:
                where.append(i)
        if all(0 <= w < n for w, n in zip(where, x.shape)):
            out[at] = x[tuple(where)]
    return out


def index_words(b, index):
    words, tiles = [], []
    for i in index:
        if isinstance(i, tuple):
            words.append(f"{b.int(i[0])} +: {i[1]}")
        elif isinstance(i, np.ndarray):
            words.append(None)
            tiles.append(i)
        else:
            words.append(str(b.int(i)))
    return words, tiles


T = np.array
CASES = [
    ((9,), [(2, 4)]), ((9,), [(-3, 5)]), ((9,), [(7, 6)]), ((9,), [(20, 3)]), ((9,), [(-9, 4)]),
    ((9,), [4]), ((9,), [-1]), ((5, 7), [(1, 3), (2, 5)]), ((5, 7), [(-1, 8), (-2, 11)]),
    ((5, 7), [2, (3, 6)]), ((5, 7), [(0, 5), 3]), ((5, 7), [(3, 4), 6]), ((5, 7), [9, (0, 7)]),
    ((4, 3, 6), [(1, 2), 1, (0, 6)]), ((4, 3, 6), [(0, 4), (0, 3), (0, 6)]),
    ((4, 3, 6), [(1, 2), (0, 3), (0, 6)]), ((4, 3, 6), [(3, 2), (0, 3), (0, 6)]),
    ((9,), [T([0, 3, -1, 8, 9, 3])]), ((5, 7), [T([4, 0, 5, 1]), (2, 4)]),
    ((5, 7), [(1, 3), T([6, 0, 7, 2])]), ((5, 7), [T([4, 0, -5, 1]), T([0, 6, 2, 9])]),
    ((5, 7, 4), [T([4, 0, 9]), (3, 5), T([1, 2, 3])]), ((5, 7), [T([4, 0, 9]), 3]),
    ((5, 0), [(0, 5), (0, 3)]), ((1, 1), [(-1, 3), (0, 1)]),
]


@pytest.mark.parametrize("dtype", ["u8", "bf16", "f32", "i64"])
@pytest.mark.parametrize("kind", ["load", "extract", "store"])
def test_access(kind, dtype):
    """All cases in one kernel, one output each."""
    b, tensors, want = start(), {}, {}
    sources = {}
    for n, (shape, index) in enumerate(CASES):
        x = some(dtype, shape, n).view(f"u{np.dtype(NUMPY[dtype]).itemsize}").view(NUMPY[dtype])
        sources[n] = b.tensor(f"x{n}", dtype, shape)
        tensors[f"x{n}"] = x
        for k, i in enumerate(index):
            if isinstance(i, np.ndarray):
                sources[n, k] = b.tensor(f"i{n}_{k}", "i32", i.shape)
                tensors[f"i{n}_{k}"] = i.astype(np.int32)
        raw = x.view(f"u{x.dtype.itemsize}")
        got = padded(raw, index, 0)
        if kind == "store":
            if any(isinstance(i, np.ndarray) and len(set(i)) < len(i) for i in index):
                continue
            y = np.zeros_like(raw)
            v = some(dtype, got.shape, n + 100).view(raw.dtype)
            ids = np.arange(raw.size, dtype=np.int64).reshape(raw.shape)
            at = padded(ids, index, -1)
            y.flat[at[at >= 0]] = v[at >= 0]
            tensors[f"v{n}"] = v.view(x.dtype)
            sources[n, "v"] = b.tensor(f"v{n}", dtype, got.shape)
            got = y
        want[f"y{n}"] = got
        sources[n, "y"] = b.tensor(f"y{n}", dtype, got.shape, "inout")
        tensors[f"y{n}"] = (np.zeros_like(got), Out(dtype, *got.shape))
    with b.par(ONE):
        for n, (shape, index) in enumerate(CASES):
            if (n, "y") not in sources:
                continue
            words, tiles = index_words(b, index)
            for k, i in enumerate(index):
                if isinstance(i, np.ndarray):
                    t = b.load(sources[n, k], [f":{len(i)}"], f"i32[{len(i)}]")
                    words[k] = f"tile {t}"
            out = want[f"y{n}"].shape
            whole = [f":{e}" for e in out]
            if kind == "store":
                vshape = tensors[f"v{n}"].shape
                v = b.load(sources[n, "v"], [f":{e}" for e in vshape], tile(dtype, vshape))
                b.store(sources[n, "y"], words, v)
                continue
            source = sources[n]
            if kind == "extract":
                source = b.load(source, [f":{e}" for e in shape], tile(dtype, shape))
            v = b.load(source, words, tile(dtype, out), name=kind)
            b.store(sources[n, "y"], whole, v)
    got = run(b, tensors)
    for name, expected in want.items():
        assert np.array_equal(got[name].view(expected.dtype), expected), name


def test_pad_value():
    b = start()
    x, y = b.tensor("x", "i64", (5,)), b.tensor("y", "i64", (9,), "out")
    with b.par(ONE):
        b.store(y, [":9"], b.load(x, [f"{b.int(-2)} +: 9"], "i64[9]", pad=-1))
    got = run(b, {"x": np.arange(5), "y": Out("i64", 9)})["y"]
    assert list(got) == [-1, -1, 0, 1, 2, 3, 4, -1, -1]


@pytest.mark.parametrize("first", [0, 2, 4, -2, 14, 5])
def test_e2m1(first):
    """Two codes to a byte; a slice starts with an even one."""
    codes = some("e2m1", (3, 16), 1)
    b = start()
    x, y = b.tensor("x", "e2m1", (3, 16)), b.tensor("y", "e2m1", (3, 16), "inout")
    with b.par(ONE):
        v = b.load(x, [":3", f"{b.int(first)} +: 6"], "e2m1[3, 6]")
        b.store(y, [":3", f"{b.int(first)} +: 6"], v)
    base = some("e2m1", (3, 16), 2)
    tensors = {"x": pack_e2m1(codes).view(Packed), "y": (pack_e2m1(base), Out("e2m1", 3, 16))}
    if first % 2:
        with pytest.raises(Fault, match="its start is even"):
            run(b, tensors)
        return
    got = run(b, tensors)["y"]
    want = base.copy()
    columns = [c for c in range(first, first + 6) if 0 <= c < 16]
    want[:, columns] = codes[:, columns]
    assert np.array_equal(unpack_e2m1(got), want)


def test_e2m1_elements():
    """Scalars and gathers may name odd elements; rows of a transposed view are strided."""
    codes, base = some("e2m1", (3, 16), 4), some("e2m1", (3, 16), 5)
    b = start()
    x, y = b.tensor("x", "e2m1", (3, 16)), b.tensor("y", "e2m1", (3, 16), "inout")
    i = b.tensor("i", "i32", (5,))
    columns = np.array([7, 0, 3, 99, 4], np.int32)
    with b.par(ONE):
        b.store(y, ["%1", str(b.int(5))], b.load(x, ["%0", str(b.int(9))], "e2m1"))
        t = b.load(i, [":5"], "i32[5]")
        b.store(y, [str(b.int(2)), f"tile {t}"], b.load(x, ["%1", f"tile {t}"], "e2m1[5]"))
    got = run(b, {"x": pack_e2m1(codes).view(Packed), "y": (pack_e2m1(base), Out("e2m1", 3, 16)),
                  "i": columns})["y"]
    want = base.copy()
    want[1, 5] = codes[0, 9]
    want[2, [7, 0, 3, 4]] = codes[1, [7, 0, 3, 4]]
    assert np.array_equal(unpack_e2m1(got), want)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (16, 8), (33, 7), (2, 5, 6)])
@pytest.mark.parametrize("format,dtype", [("col_pad16", "f32"), ("col_pad16", "ue8m0"),
                                          ("ue8m0x4", "ue8m0")])
def test_formats(format, dtype, shape):
    """Through the format and back, whole and element by element."""
    x = some(dtype, shape, 3)
    b = start()
    s = b.tensor("x", dtype, shape, "in", f"format {format}")
    y = b.tensor("y", dtype, shape, "out", f"format {format}")
    z = b.tensor("z", dtype, shape, "out")
    whole = [f":{n}" for n in shape]
    with b.par(ONE):
        v = b.load(s, whole, tile(dtype, shape))
        b.store(y, whole, v)
        for at in np.ndindex(*shape):
            where = [str(b.int(i)) for i in at]
            b.store(z, where, b.load(s, where, dtype))
    got = run(b, {"x": x, "y": Out(dtype, *shape), "z": Out(dtype, *shape)})
    assert np.array_equal(got["y"].view(np.uint8), x.view(np.uint8))
    assert np.array_equal(got["z"].view(np.uint8), x.view(np.uint8))


def view_run(shape, build, want, dtype="i32", inputs=None, store=False):
    b = start()
    x = b.tensor("x", dtype, shape, "inout" if store else "in")
    data = np.arange(int(np.prod(shape))).reshape(shape).astype(NUMPY[dtype])
    expected = want(data)
    y = b.tensor("y", dtype, expected.shape, "out")
    with b.par(ONE):
        v = build(b, x)
        index = [f"{b.int(0)} +: {n}" for n in expected.shape]
        t = b.load(v, index, tile(dtype, expected.shape))
        b.store(y, index, t)
    assert np.array_equal(run(b, {"x": data, "y": Out(dtype, *expected.shape)})["y"], expected)


def test_views():
    def reshape(*extents):
        return lambda b, x: b.op("view.reshape", f"tensor i32[{', '.join('?' * len(extents))}]", x,
                                 *[b.int(e) for e in extents])

    def pieces(b, x):
        s = b.op("view.slice", "tensor i32[?, ?]", x, b.int(1), b.int(4), attributes="axis 0")
        f = b.op("view.reshape", "tensor i32[?]", s, b.int(18))
        return b.op("view.reshape", "tensor i32[?, ?]", f, b.int(9), b.int(2))

    def clamped(b, x):
        return b.op("view.slice", "tensor i32[?, ?]", x, b.int(-5), b.int(99), attributes="axis 1")

    def up(b, x):
        u = b.op("view.upsample", "tensor i32[?, ?]", x, b.int(3), b.int(2))
        return b.op("view.slice", "tensor i32[?, ?]", u, b.int(2), b.int(9), attributes="axis 0")

    def up_twice(b, x):
        s = b.op("view.slice", "tensor i32[?, ?]", x, b.int(1), b.int(4), attributes="axis 0")
        u = b.op("view.upsample", "tensor i32[?, ?]", s, b.int(2), b.int(1))
        w = b.op("view.slice", "tensor i32[?, ?]", u, b.int(1), b.int(6), attributes="axis 0")
        return b.op("view.upsample", "tensor i32[?, ?]", w, b.int(2), b.int(3))

    def turned(b, x):
        return b.op("view.trans", "tensor i32[?, ?]", x)

    view_run((5, 6), reshape(30), lambda x: x.reshape(30))
    view_run((5, 6), reshape(5, 2, 3), lambda x: x.reshape(5, 2, 3))
    view_run((2, 5, 6), reshape(10, 3, 2), lambda x: x.reshape(10, 3, 2))
    view_run((5, 6), reshape(1, 5, 1, 6, 1), lambda x: x.reshape(1, 5, 1, 6, 1))
    view_run((5, 6), pieces, lambda x: x[1:4].reshape(9, 2))
    view_run((5, 6), clamped, lambda x: x)
    view_run((5, 6), up, lambda x: x.repeat(3, 0).repeat(2, 1)[2:9])
    view_run((5, 6), up_twice, lambda x: x[1:4].repeat(2, 0)[1:6].repeat(2, 0).repeat(3, 1))
    view_run((5, 6), turned, lambda x: x.T)
    view_run((1, 6), reshape(3, 1, 2), lambda x: x.reshape(3, 1, 2))


def test_view_bounds_and_stores():
    """Outside of a slice is outside, although the parent has data there."""
    b = start()
    x = b.tensor("x", "i32", (8,), "inout")
    y = b.tensor("y", "i32", (6,), "out")
    with b.par(ONE):
        s = b.op("view.slice", "tensor i32[?]", x, b.int(2), b.int(5), attributes="axis 0")
        b.store(y, [":6"], b.load(s, [f"{b.int(-1)} +: 6"], "i32[6]", pad=-7))
        b.store(s, [f"{b.int(-1)} +: 6"], b.const(9, "i32[6]"))
    got = run(b, {"x": (np.arange(8, dtype=np.int32), Out("i32", 8)), "y": Out("i32", 6)})
    assert list(got["y"]) == [-7, 2, 3, 4, -7, -7]
    assert list(got["x"]) == [0, 1, 9, 9, 9, 5, 6, 7]


def test_view_errors():
    for text, build in {
        "not contiguous": lambda b, x: b.op("view.reshape", "tensor i32[?]", b.op(
            "view.slice", "tensor i32[?, ?]", x, b.int(0), b.int(3), attributes="axis 1"),
            b.int(15)),
        "30 elements to 31": lambda b, x: b.op("view.reshape", "tensor i32[?]", x, b.int(31)),
        "factor 0": lambda b, x: b.op("view.upsample", "tensor i32[?, ?]", x, "%2", b.int(1)),
    }.items():
        b = start()
        b.dim("F")
        x = b.tensor("x", "i32", (b.int(5), b.int(6)))
        with b.par(ONE):
            build(b, x)
        with pytest.raises(Fault, match=text):
            run(b, {"x": np.zeros((5, 6), np.int32)}, {"F": 0})


def test_tables():
    b = start()
    n = b.dim("L")
    xs = b.tensor("xs", "i32", (4,), table=n)
    ys = b.tensor("ys", "i32", (4,), "out", table=n)
    with b.par(("%0", n, "%1")) as (p,):
        v = b.load(b.op("table", "tensor i32[4]", xs, p), [":4"], "i32[4]")
        b.store(b.op("table", "tensor i32[4]", ys, p), [":4"], b.op("neg", "i32[4]", v))
    data = [np.arange(4, dtype=np.int32) + 10 * k for k in range(3)]
    got = run(b, {"xs": data, "ys": [Out("i32", 4)] * 3}, {"L": 3})["ys"]
    assert all(np.array_equal(g, -d) for g, d in zip(got, data))
    with pytest.raises(Fault, match=r"entry 3 of table 'xs' is outside \[0, 3\)"):
        run(b, {"xs": data, "ys": [Out("i32", 4)] * 3}, {"L": 4})


def test_extent_and_present():
    b = start()
    n = b.dim("N")
    b.tensor("x", "i32", (n,))
    b.tensor("o", "i32", (n,), "in", "optional")
    has = [b.op(f'present "{name}"', "bool") for name in ("x", "o")]
    y, h = b.tensor("y", "i64", (1,), "out"), b.tensor("h", "bool", (2,), "out")
    with b.par(ONE):
        b.store(y, ["%0"], b.op("extent", "i64", "%3", attributes="axis 0"))
        b.store(h, ["%0"], has[0])
        b.store(h, ["%1"], has[1])
    got = run(b, {"x": np.zeros(5, np.int32), "y": Out("i64", 1), "h": Out("bool", 2)}, {"N": 5})
    assert got["y"][0] == 5 and list(got["h"]) == [True, False]


def test_locals():
    b = start()
    y = b.tensor("y", "f32", (4, 3), "out")
    with b.par(ONE):
        t = b.op('local "t"', "tensor f32[4, 3]")
        with b.loop("%0", str(b.int(4)), "%1") as (i,):
            row = b.op("add", "i64[3]", b.op("iota", "i64[3]"), i)
            b.store(t, [i, ":3"], b.op("cast", "f32[3]", row))
            b.emit("yield")
        b.store(y, [":4", ":3"], b.load(t, [":4", ":3"], "f32[4, 3]"))
    got = run(b, {"y": Out("f32", 4, 3)})["y"]
    assert np.array_equal(got, np.add.outer(np.arange(4), np.arange(3)))


def test_atomics():
    """Duplicates add up; the result is the old value; outside is dropped."""
    for dtype in ("i32", "u8", "i64", "f32", "u16"):
        b = start()
        n = b.tensor("n", dtype, (5,), "inout", "nondet")
        old = b.tensor("old", dtype, (4,), "out", "nondet")
        i = b.tensor("i", "i32", (4,))
        with b.par(ONE):
            at = b.load(i, [":4"], "i32[4]")
            v = b.op("cast", tile(dtype, (4,)), b.op("add", "i64[4]", b.op("iota", "i64[4]"), "%1"))
            b.add(n, [f"tile {at}"], v)
            first = b.add(n, ["%1"], b.const(100, dtype), dtype)
            b.store(old, ["%0"], first)
        got = run(b, {"n": (np.full(5, 7, NUMPY[dtype]), Out(dtype, 5)),
                      "old": (np.zeros(4, NUMPY[dtype]), Out(dtype, 4)),
                      "i": np.array([1, 3, 1, 9], np.int32)})
        assert list(got["n"]) == [7, 7 + 1 + 3 + 100, 7, 9, 7]
        assert got["old"][0] == 11
