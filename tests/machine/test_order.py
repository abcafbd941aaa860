"""topk, rank, argmax, scans, softmax, histogram, occurrence: emitted CUDA on the machine model, against
numpy (softmax and tree sums, whose bits exp and the order fix: against the interpreter)."""
import os
import subprocess

import ml_dtypes
import numpy as np
import pytest
from machine import ROOT

TILEC = os.environ.get("TILEC", str(ROOT / "build" / "tilec"))
LEVEL = int(os.environ.get("TILE_TEST_LEVEL", "1"))
P = 3                                  # programs of a run
WARP, BLOCK, THREAD = "unit warp pack(2)", "unit block warps(4)", "unit thread pack(32)"
ODD = "unit block warps(3)"

DTYPES = {"f32": np.float32, "i64": np.int64, "i32": np.int32, "u32": np.uint32, "i16": np.int16,
          "u16": np.uint16, "i8": np.int8, "u8": np.uint8, "u64": np.uint64, "f16": np.float16,
          "bf16": ml_dtypes.bfloat16, "e4m3": ml_dtypes.float8_e4m3fn,
          "e5m2": ml_dtypes.float8_e5m2, "ue8m0": ml_dtypes.float8_e8m0fnu}
DTYPES = {name: np.dtype(t) for name, t in DTYPES.items()}


class Case:
    def __init__(self, call, dtype, shape, unit, *results):
        """`call` is an expression of x; results: (element type, shape) of what it gives."""
        self.call, self.dtype, self.shape, self.unit = call, dtype, shape, unit
        self.results = results

    def __str__(self):
        return f"{self.call}-{self.dtype}{list(self.shape)}-{self.unit.split()[1]}"


def topk(dtype, shape, k, axis, unit):
    out = tuple(k if i == axis else n for i, n in enumerate(shape))
    return Case(f"topk(x, {k}, {axis})", dtype, shape, unit, (dtype, out), ("i32", out))


def indices(dtype, shape, k, axis, unit):
    out = tuple(k if i == axis else n for i, n in enumerate(shape))
    return Case(f"topk(x, {k}, {axis}).1", dtype, shape, unit, ("i32", out))


def along(call, dtype, shape, unit, to=None, axis=None, out=None):
    if axis is not None:
        out = tuple(1 if i == axis else n for i, n in enumerate(shape))
    return Case(call, dtype, shape, unit, (to or dtype, out or shape))


def cases():
    yield topk("f32", (72,), 6, 0, WARP)
    yield topk("f32", (256,), 8, 0, WARP)
    yield topk("f32", (8, 32), 2, 1, WARP)
    yield topk("f32", (8, 9), 2, 1, WARP)
    yield topk("f32", (9, 8), 4, 0, WARP)
    yield topk("f32", (512,), 3, 0, BLOCK)
    yield topk("f32", (257,), 5, 0, WARP)
    yield topk("f32", (5, 70, 2), 3, 1, BLOCK)
    yield topk("f32", (40,), 40, 0, WARP)
    yield topk("f32", (1500,), 4, 0, ODD)
    yield topk("f32", (2, 96), 96, 1, BLOCK)
    yield topk("f32", (12,), 5, 0, THREAD)
    yield topk("f32", (4, 3), 2, 0, THREAD)
    yield topk("f32", (1,), 1, 0, WARP)
    yield topk("f32", (33,), 0, 0, WARP)
    for n, dtype in enumerate(("i64", "u64", "bf16", "f16", "e4m3", "e5m2", "ue8m0", "i32", "u32",
                               "i8", "u8", "i16", "u16")):
        unit = (WARP, BLOCK, WARP, ODD)[n % 4]
        yield topk(dtype, (96,), 5, 0, unit)
        yield topk(dtype, (3, 2000), 2, 1, BLOCK)
        yield along("rank(x, 0)", dtype, (48,), unit, "i32")
        yield along("argmax(x, 0)", dtype, (200,), unit, "i32", 0)
        yield along("cummax(x, 0)", dtype, (64,), WARP)
        yield along("cummax(x, 0)", dtype, (75,), BLOCK)
        if np.issubdtype(DTYPES[dtype], np.integer):
            yield along("cumsum(x, 0)", dtype, (96,), unit)
            yield along("cumsum(x, 1, exclusive = true)", dtype, (5, 131), BLOCK)
            yield along("histogram(x, 37)", dtype, (100,), unit, "i32", out=(37,))
            yield along("occurrence(x)", dtype, (130,), unit, "i32")
    for dtype, n, k in (("f32", 128, 6), ("f32", 72, 6), ("f32", 256, 8), ("f32", 32, 31), ("f32", 9, 9),
                        ("f32", 257, 5), ("bf16", 96, 12), ("e4m3", 40, 8), ("i32", 72, 6)):
        yield indices(dtype, (n,), k, 0, WARP)
    yield along("topk(x, 2, 1).0", "f32", (8, 16), WARP, out=(8, 2))
    both = "topk(fill(1.5, 9), 2, 0).1 + i32(topk(x, 2, 0).0)"
    yield along(both, "f32", (9,), WARP, "i32", out=(2,))
    yield along("topk(x - x, 12, 0).1", "u8", (320,), WARP, "i32", out=(12,))
    for unit in (WARP, BLOCK, ODD, THREAD):
        yield along("rank(x, 0)", "f32", (8,), unit, "i32")
        yield along("argmax(x, 1)", "f32", (4, 10), unit, "i32", 1)
        yield along("cumsum(x, 0)", "f32", (20,), unit)
        yield along("cumsum(x, 0, exclusive = true)", "f32", (3, 16), unit)
        yield along("cumsum(x, 1, exclusive = true)", "f32", (3, 16), unit)
        yield along("cumsum(x, 1)", "i32", (3, 8), unit)
        yield along("cummax(x, 1)", "f32", (4, 24), unit)
        yield along("softmax(x, 0)", "f32", (24,), unit)
        yield along("softmax(x, 0)", "f32", (7, 4), unit)
        yield along("histogram(i32(x), 16)", "f32", (20,), unit, "i32", out=(16,))
        yield along("occurrence(i32(x))", "f32", (20,), unit, "i32")
    for unit in (WARP, BLOCK, ODD):
        yield along("rank(x, 1)", "f32", (2, 300), unit, "i32")
        yield along("rank(x, 0)", "f32", (9, 6), unit, "i32")
        yield along("argmax(x, 1)", "f32", (2, 3001), unit, "i32", 1)
        yield along("cumsum(x, 1)", "f32", (3, 200), unit)
        yield along("cumsum(x, 0, exclusive = true)", "f32", (600,), unit)
        yield along("cumsum(x, 0, exclusive = true)", "i32", (256,), unit)
        yield along("cummax(x, 0)", "f32", (96, 2), unit)
        for shape, axis in (((72,), 0), ((256,), 0), ((3, 96), 1), ((100, 3), 0), ((1000,), 0),
                            ((4, 512), 1), ((105,), 0), ((6, 1), 1), ((36, 16), 1)):
            yield along(f"softmax(x, {axis})", "f32", shape, unit)
        yield along("sum(x, 1, order = tree)", "f32", (5, 77), unit, axis=1)
        yield along("sum(x, 0, order = tree)", "f32", (384,), unit, axis=0)


HARD = [along(f"cumsum(x, {axis})", "f32", shape, unit)
        for unit in (WARP, BLOCK) for shape, axis in (((4096,), 0), ((33, 64), 0), ((64, 33), 1))]
HARD += [topk("f32", (4096,), 100, 0, BLOCK), topk("i64", (1000, 3), 7, 0, WARP)]
CASES = list(cases()) + (HARD if LEVEL > 1 else [])


def kernel(n, case):
    def dims(shape):
        return "".join(f", {d}" for d in shape)
    at = ", :" * len(case.shape)
    outs = ", ".join(f"y{k}: out {t}[P{dims(s)}]" for k, (t, s) in enumerate(case.results))
    names = [f"v{k}" for k in range(len(case.results))]
    bind = f"({', '.join(names)})" if len(names) > 1 else names[0]
    stores = " ".join(f"y{k}[p{', :' * len(s)}] = v{k};" for k, (_, s) in enumerate(case.results))
    return (f"kernel k{n}[P: dim](a: in {case.dtype}[P{dims(case.shape)}], {outs}) {{\n"
            f"  par (p in 0..P) {{ let x = a[p{at}]; let {bind} = {case.call}; {stores} }}\n}}\n"
            f"schedule k{n} for sm90 {{ {case.unit}; }}\n")


def data(case, seed):
    """Ties, both zeros, infinities; NaN in the last program; small and extreme integers."""
    random = np.random.default_rng(seed)
    dtype, shape = DTYPES[case.dtype], (P, *case.shape)
    if np.issubdtype(dtype, np.integer):
        x = random.integers(-3 if dtype.kind == "i" else 0, 40, shape)
        extreme = random.random(shape) < 0.05
        limits = np.where(random.random(shape) < 0.5, np.iinfo(dtype).min, np.iinfo(dtype).max)
        return np.where(extreme, limits.astype(dtype), x.astype(dtype))
    x = random.standard_normal(shape) * 4
    x[1] = np.round(x[1])
    x = x.astype(np.float32)
    pick = random.random(shape)
    if not case.call.startswith(("softmax", "sum", "cumsum")):
        x[pick < 0.1] = 0
        x[pick < 0.05] = -0.0
        if dtype != DTYPES["ue8m0"]:
            x[(pick > 0.9) & (pick < 0.93)] = np.inf
            x[(pick > 0.93) & (pick < 0.96)] = -np.inf
        x[2][pick[2] > 0.97] = np.nan
    if dtype == DTYPES["ue8m0"]:
        x = np.exp2(np.round(np.where(x == 0, 1, x)))
    with np.errstate(all="ignore"):
        return x.astype(dtype)


def run(n, case, x, folder, *options):
    """What the kernel gives, in the interpreter unless the options say otherwise."""
    (folder / "t.tile").write_text(kernel(n, case))
    np.save(folder / "a.npy", x if x.dtype.kind in "iuf" else x.view(f"u{x.dtype.itemsize}"))
    command = [TILEC, "run", folder / "t.tile", *options, "-i", f"a={folder / 'a.npy'}"]
    for k in range(len(case.results)):
        command += ["-o", f"y{k}={folder / f'y{k}.npy'}"]
    subprocess.run(command, check=True)
    return [np.load(folder / f"y{k}.npy").view(DTYPES[t])
            for k, (t, _) in enumerate(case.results)]


def order(x, axis):
    """Indices along the axis by R10."""
    if np.issubdtype(x.dtype, np.integer):
        rank = np.unique(x, return_inverse=True)[1].reshape(x.shape)
    else:
        x = x.astype(np.float64)
        rank = np.unique(np.where(np.isnan(x), np.inf, x) + 0.0, return_inverse=True)[1]
        rank = 2 * rank.reshape(x.shape) + np.isnan(x)
    return np.argsort(-rank, axis=axis, kind="stable")


def in_order(x, axis, exclusive):
    x = np.moveaxis(x, axis, 0)
    y = np.zeros_like(x)
    for k in range(len(x)):
        with np.errstate(all="ignore"):
            y[k] = x[k] if k == 0 else y[k - 1] + x[k]
    if exclusive:
        y = np.concatenate([np.zeros_like(y[:1]), y[:-1]])
    return np.moveaxis(y, 0, axis)


def largest_so_far(x, axis):
    wide = x if np.issubdtype(x.dtype, np.integer) else x.astype(np.float64)
    y = np.moveaxis(wide.copy(), axis, 0)
    for k in range(1, len(y)):
        a, b = y[k - 1], y[k]
        equal = (a == b) & ~np.signbit(a) if y.dtype.kind == "f" else np.zeros(a.shape, bool)
        y[k] = np.where(equal, a, np.maximum(a, b))
    return np.moveaxis(y, 0, axis).astype(x.dtype)


def expected(n, case, x, folder):
    name = case.call.split("(")[0]
    plain = case.call.startswith(f"{name}(x,") or case.call == f"{name}(x)"
    numbers = [int(s) for s in case.call.replace(")", ",").replace("(", ",").split(",")
               if s.strip().isdigit()]
    if name in ("softmax", "sum") or not plain:
        return run(n, case, x, folder)
    if name == "topk":
        k, axis = numbers[0], numbers[1] + 1
        at = np.take(order(x, axis), range(k), axis)
        return ([np.take_along_axis(x, at, axis)] if not case.call.endswith(".1") else []) + [at]
    if name in ("histogram", "occurrence"):
        rows = [[np.count_nonzero(r == b) for b in range(numbers[0])] if name == "histogram" else
                [np.count_nonzero(r[:i] == r[i]) for i in range(len(r))] for r in x]
        return [np.array(rows)]
    axis = numbers[0] + 1
    if name == "rank":
        return [np.argsort(order(x, axis), axis=axis)]
    if name == "argmax":
        return [np.take(order(x, axis), [0], axis)]
    return [in_order(x, axis, "true" in case.call) if name == "cumsum" else largest_so_far(x, axis)]


def bits(x):
    return np.ascontiguousarray(x).view(f"u{x.dtype.itemsize}")


@pytest.mark.parametrize("n, k", [(72, 6), (108, 6), (256, 8), (8, 8)])
def test_close_keys(n, k, tmp_path):
    """Neighbours in order are 0, 1, 2, 4, ... units of the last place apart, of either sign."""
    case = indices("f32", (n,), k, 0, WARP)
    random = np.random.default_rng(n)
    bits_of = (np.float32(1.5).view(np.uint32) + np.arange(n)[None, :] * 2 ** np.arange(8)[:, None])
    x = np.concatenate([bits_of, np.full((1, n), bits_of[0, 0])]).astype(np.uint32).view(np.float32)
    x = np.concatenate([x, -x])
    x = random.permuted(x, axis=1)
    got, = run(0, case, x, tmp_path, "--machine", "sm90")
    assert np.array_equal(got, np.take(order(x, 1), range(k), 1))


@pytest.mark.parametrize("n", range(len(CASES)), ids=lambda n: f"{n}-{CASES[n]}")
def test_order(n, tmp_path):
    case = CASES[n]
    x = data(case, n)
    want = expected(n, case, x, tmp_path)
    for seed in range(3 if LEVEL == 1 else 30):
        got = run(n, case, x, tmp_path, "--machine", "sm90", "--seed", str(seed))
        for g, w in zip(got, want):
            w = np.asarray(w).reshape(g.shape).astype(g.dtype) if w.dtype != g.dtype else w
            same = bits(g) == bits(w.reshape(g.shape))
            if g.dtype.kind not in "iu":
                nan = np.isnan(w.astype(np.float32)).reshape(g.shape)
                same |= np.isnan(g.astype(np.float32)) & nan
            assert same.all(), (np.argwhere(~same)[:4], g[~same][:4], w.reshape(g.shape)[~same][:4])
