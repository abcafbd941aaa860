"""Tile IR texts from Python, and runs of them by build/tests/interp_driver.

    b = Builder()
    x = b.tensor("x", "f32", [4], "in")
    with b.par((b.int(0), b.int(1), b.int(1))) as (p,):
        b.store(b.tensor_named["y"], [":4"], b.op("neg", "f32[4]", v))
"""
import contextlib
import os
import pathlib
import subprocess
import tempfile

import ml_dtypes
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRIVER = ROOT / os.environ.get("TILE_BUILD", "build") / "tests" / "interp_driver"
DRIVER = pathlib.Path(os.environ.get("INTERP_DRIVER", DRIVER))

NUMPY = {"bool": np.bool_, "u8": np.uint8, "i8": np.int8, "u16": np.uint16, "i16": np.int16,
         "i32": np.int32, "u32": np.uint32, "i64": np.int64, "u64": np.uint64, "f16": np.float16,
         "bf16": ml_dtypes.bfloat16, "f32": np.float32, "tf32": np.float32,
         "e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2,
         "e2m1": np.uint8, "ue8m0": np.uint8, "f64": np.float64}
INTEGERS = ["u8", "i8", "u16", "i16", "i32", "u32", "i64", "u64"]
E2M1 = np.array([0, .5, 1, 1.5, 2, 3, 4, 6, -0., -.5, -1, -1.5, -2, -3, -4, -6], np.float32)


class Fault(Exception):
    """What the driver said on stderr."""


class Value(str):
    """%12, with its type beside it."""
    type = ""


class Builder:
    def __init__(self):
        self.lines, self.next, self.indent, self.line = [], 0, 1, 0

    def new(self, type):
        v = Value(f"%{self.next}")
        v.type = type
        self.next += 1
        return v

    def emit(self, text):
        self.line += 1
        self.lines.append("  " * self.indent + text)

    def op(self, name, types="", *args, attributes="", at=None):
        """The result, a tuple of several, or None. `at`: its line in k.tile."""
        types = [types] if isinstance(types, str) and types else list(types)
        results = [self.new(t) for t in types]
        left = ", ".join(results) + " = " if results else ""
        right = " : " + ", ".join(types) if types else ""
        place = f" @{at}:1" if at else ""
        words = " ".join(filter(None, [name, ", ".join(map(str, args)), attributes]))
        self.emit(left + words + right + place)
        return results[0] if len(results) == 1 else tuple(results) or None

    def const(self, value, type="i64"):
        return self.op(f"const {value}", type)

    int = const

    def dim(self, name):
        return self.op(f'dim "{name}"', "i64")

    def tensor(self, name, dtype, extents, direction="in", attributes="", table=None):
        known = ["?" if isinstance(e, Value) else str(e) for e in extents]
        inside = [e if isinstance(e, Value) else self.const(e) for e in extents]
        inside += [table] if table else []
        shape = f"[{', '.join(known)}]" if extents else ""
        kind = "table" if table else "tensor"
        return self.op(f'tensor "{name}"[{", ".join(inside)}] {direction} {attributes}'.rstrip(),
                       f"{kind} {dtype}{shape}")

    def access(self, tensor, index):
        return f"{tensor}[{', '.join(map(str, index))}]"

    def load(self, tensor, index, type, pad=None, at=None, name="load"):
        text = f"{name} {self.access(tensor, index)}" + (f" pad {pad}" if pad is not None else "")
        return self.op(text, type, at=at)

    def store(self, tensor, index, value, at=None):
        self.op(f"store {self.access(tensor, index)}, {value}", at=at)

    def add(self, tensor, index, value, type="", at=None):
        return self.op(f"atomic_add {self.access(tensor, index)}, {value}", type, at=at)

    @contextlib.contextmanager
    def block(self, text, end="}"):
        self.emit(text + " {")
        self.indent += 1
        yield
        self.indent -= 1
        self.emit(end)

    @contextlib.contextmanager
    def par(self, *ranges, name="", unordered=False, at=None, names=()):
        """Ranges: (lo, hi, step), or a function of the builder and the indices before."""
        place = f" @{at}:1" if at else ""
        self.emit(f'par{f" {chr(34)}{name}{chr(34)}" if name else ""}'
                  f'{" unordered" if unordered else ""}{place}')
        self.indent += 1
        self.ranges(ranges)
        indices = [self.named(n) for n in (names or "pqrs"[:len(ranges)])]
        head = "body (" + ", ".join(f"{v} : i64" for v in indices) + ")"
        with self.block(head):
            yield indices
            self.emit("yield")
        self.indent -= 1

    def named(self, name):
        v = Value(f"%{name}.{self.next}")
        v.type = "i64"
        self.next += 1
        return v

    def ranges(self, ranges):
        for k, r in enumerate(ranges):
            before = [self.new("i64") for _ in range(k)]
            head = "range (" + ", ".join(f"{v} : i64" for v in before) + ")" if k else "range"
            with self.block(head):
                lo, hi, step = r(self, *before) if callable(r) else r
                self.emit(f"yield {lo}, {hi}, {step}")

    @contextlib.contextmanager
    def loop(self, lo, hi, step, *carried, op="for"):
        """Yields (index, carried.., results); set .result by b.emit("yield ..") as last line."""
        results = [self.new(c.type) for c in carried]
        index, inner = self.new("i64"), [self.new(c.type) for c in carried]
        left = ", ".join(results) + " = " if results else ""
        types = " : " + ", ".join(c.type for c in carried) if carried else ""
        args = ", ".join(f"{v} : {v.type}" for v in [index, *inner])
        with self.block(f"{left}{op} {', '.join([lo, hi, step, *carried])}{types} body ({args})"):
            yield (index, *inner, *results)

    def text(self):
        return 'kernel k "" at "k.tile":1:1 {\n' + "\n".join(self.lines) + "\n}\n"


def pack_e2m1(codes):
    codes = np.asarray(codes, np.uint8)
    return (codes[..., 0::2] | codes[..., 1::2] << 4).astype(np.uint8)


def unpack_e2m1(data):
    return np.stack([data & 15, data >> 4], -1).reshape(*data.shape[:-1], -1)


class Out:
    """An output of that type and shape."""
    def __init__(self, dtype, *shape, start=None):
        self.dtype, self.shape, self.start = dtype, shape, start


def run(builder, tensors, dims=None, seed=0, threads=1, alias=(), check=True):
    """Runs IR on {name: array, Out, (array, Out) for inout, or a list of these for a table}.

    Arrays are raw row-major elements (e2m1: packed bytes). Returns {name: array} of the outputs.
    """
    text = builder if isinstance(builder, str) else builder.text()
    with tempfile.TemporaryDirectory(prefix="interp-") as folder:
        path = pathlib.Path(folder)
        (path / "k.ir").write_text(text)
        command = [str(DRIVER), str(path / "k.ir"), "--seed", str(seed), "--threads", str(threads)]
        for name, value in (dims or {}).items():
            command += ["-d", f"{name}={value}"]
        for pair in alias:
            command += ["-a", pair]
        outputs, n = [], 0
        for name, entries in tensors.items():
            for given in entries if isinstance(entries, list) else [entries]:
                n += 1
                array, out = given if isinstance(given, tuple) else (
                    (None, given) if isinstance(given, Out) else (given, None))
                shape = list(out.shape if out else array.shape)
                source = sink = ""
                if array is not None:
                    source = str(path / f"in{n}")
                    array.tofile(source)
                    packed = out.dtype == "e2m1" if out else getattr(array, "packed", False)
                    if packed and not out:
                        shape[-1] *= 2
                if out:
                    sink = str(path / f"out{n}")
                    outputs.append((name, sink, out))
                command += ["-t", f"{name}={','.join(map(str, shape))}:{source}:{sink}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode in (0, 1), f"{done.returncode}\n{done.stderr}\n{text}"
        if done.returncode:
            raise Fault(done.stderr)
        result = {}
        for name, sink, out in outputs:
            data = np.fromfile(sink, NUMPY[out.dtype])
            shape = list(out.shape)
            if out.dtype == "e2m1":
                shape[-1] //= 2
            data = data.reshape(shape)
            result.setdefault(name, []).append(data)
        result = {k: v if isinstance(tensors[k], list) else v[0] for k, v in result.items()}
        result["stdout"] = done.stdout
        return result


class Packed(np.ndarray):
    """e2m1 codes, two to a byte; the tensor's last extent is twice the array's."""
    packed = True


def compute(op, inputs, out, attributes="", dims=None, types=None, seed=0):
    """One operation on whole arrays in one program: {dtype: array} pairs in, one array out.

    inputs: list of (dtype, array); out: (dtype, shape) or a list of them.
    """
    outs = out if isinstance(out, list) else [out]
    b = Builder()
    tensors, names = {}, []
    for k, (dtype, array) in enumerate(inputs):
        array = np.asarray(array)
        shape = array.shape
        names.append(b.tensor(f"x{k}", dtype, shape))
        tensors[f"x{k}"] = array
        if dtype == "e2m1":
            tensors[f"x{k}"] = pack_e2m1(array).view(Packed)
    sinks = []
    for k, (dtype, shape) in enumerate(outs):
        sinks.append(b.tensor(f"y{k}", dtype, shape, "out"))
        tensors[f"y{k}"] = Out(dtype, *shape)
    zero, one = b.int(0), b.int(1)
    with b.par((zero, one, one)):
        args = [b.load(t, [f":{n}" for n in np.shape(a)], tile(d, np.shape(a)))
                for t, (d, a) in zip(names, inputs)]
        results = b.op(op, [tile(d, s) for d, s in outs], *args, attributes=attributes)
        for t, r, (d, s) in zip(sinks, [results] if len(outs) == 1 else results, outs):
            b.store(t, [f":{n}" for n in s], r)
    y = run(b, tensors, seed=seed)
    values = [unpack_e2m1(y[f"y{k}"]) if d == "e2m1" else y[f"y{k}"]
              for k, (d, s) in enumerate(outs)]
    return values[0] if len(outs) == 1 else values


def tile(dtype, shape):
    shape = list(shape)
    return dtype + (f"[{', '.join(map(str, shape))}]" if shape else "")


def wide(dtype, array):
    """The values of a storage type in f32."""
    if dtype == "e2m1":
        return E2M1[array]
    if dtype == "ue8m0":
        return np.where(array == 255, np.nan, np.exp2(array.astype(np.float64) - 127)).astype(
            np.float32)
    return array.astype(np.float32)


def some(dtype, shape, seed=0, finite=False):
    """Random codes, so that every special value turns up."""
    rng = np.random.default_rng(seed)
    t = np.dtype(NUMPY[dtype])
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype == "e2m1":
        return rng.integers(0, 16, shape).astype(np.uint8)
    raw = rng.integers(0, 256, (*shape, t.itemsize), np.uint8).view(t).reshape(shape)
    if dtype == "tf32":
        raw = (raw.view(np.uint32) & 0xFFFFE000).view(np.float32)
    if finite and not np.issubdtype(t, np.integer):
        raw = rng.standard_normal(shape).astype(t)
    return raw
