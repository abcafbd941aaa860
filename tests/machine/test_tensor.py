"""Tensor copies against plain loops, and the bits of tensor maps."""
import ctypes
import itertools
import math
import os
import subprocess

import numpy as np
import pytest
from machine import (EARLY, LATE, RANDOM, READ_ONLY, ROOT, TYPES, UNDEFINED, Fault, Kernel, Launch, Map,
                     Pointer)

LEVEL = int(os.environ.get("TILE_TEST_LEVEL", "1"))
SIZES = {"u8": 1, "u16": 2, "u32": 4, "i32": 4, "u64": 8, "i64": 8, "f16": 2, "f32": 4, "f64": 8,
         "bf16": 2}
# PTX ISA 5.5.7, as printed: which piece of 16 bytes of a row of 128 lies at a place, row by row.
SWIZZLE = {0: ["01234567"], 32: ["01234567", "10325476"],
           64: ["01234567", "10325476", "23016745", "32107654"],
           128: ["01234567", "10325476", "23016745", "32107654", "45670123", "54761032", "67452301",
                 "76543210"]}


def swizzled(linear, swizzle):
    """Bytes of a box in order, as they lie at a place where the pattern begins."""
    rows = linear.reshape(-1, 8, 16)
    tables = SWIZZLE[swizzle]
    out = np.empty_like(rows)
    for r, row in enumerate(rows):
        for place, piece in enumerate(tables[r % len(tables)]):
            out[r, place] = row[int(piece)]
    return out.reshape(-1)


def box_indices(box, steps):
    counts = [-(-b // s) for b, s in zip(box, steps)]
    return itertools.product(*(range(n) for n in reversed(counts)))


def load_box(x, at, box, steps):
    """Elements of the box, dim 0 fastest; x has dim 0 last. What is outside is 0."""
    out = []
    for index in box_indices(box, steps):
        place = [a + i * s for a, i, s in zip(reversed(at), index, reversed(steps))]
        inside = all(0 <= p < n for p, n in zip(place, x.shape))
        out.append(x[tuple(place)] if inside else x.dtype.type(0))
    return np.array(out, x.dtype)


def store_box(y, values, at, box, steps, add):
    for value, index in zip(values, box_indices(box, steps)):
        place = tuple(a + i * s for a, i, s in zip(reversed(at), index, reversed(steps)))
        if all(0 <= p < n for p, n in zip(place, y.shape)):
            y[place] = y[place] + value if add else value


DTYPES = {"u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "i32": np.int32, "u64": np.uint64,
          "i64": np.int64, "f16": np.float16, "f32": np.float32, "f64": np.float64}


class Case:
    def __init__(self, type, extents, box, start, to, swizzle=0, steps=None, pad=0, add=False):
        self.type, self.extents, self.box, self.start, self.to = type, extents, box, start, to
        self.swizzle, self.steps, self.pad = swizzle, steps or [1] * len(box), pad
        self.add = add

    def __str__(self):
        return (f"{self.type}-{'x'.join(map(str, self.box))}-of-{'x'.join(map(str, self.extents))}"
                f"-s{self.swizzle}-{self.steps}-{'add' if self.add else 'copy'}")

    def strides(self):
        """Bytes; rows are padded to a multiple of 16."""
        size = SIZES[self.type]
        strides, at = [], -(-self.extents[0] * size // 16) * 16 + self.pad
        for n in self.extents[1:]:
            strides.append(at)
            at *= n
        return strides, at

    def bytes(self):
        counts = [-(-b // s) for b, s in zip(self.box, self.steps)]
        return int(np.prod(counts)) * SIZES[self.type]


def cases():
    inner = {32: 32, 64: 64, 128: 128}
    for type in ("u8", "u16", "u32", "u64", "f32"):
        size = SIZES[type]
        for swizzle, span in inner.items():
            n = span // size
            yield Case(type, [2 * n, 40], [n, 4096 // span], [0, 0], [n, 0], swizzle)
            yield Case(type, [2 * n - 3, 37], [n, 4096 // span], [n - 16 // size, 30], [0, 20], swizzle)
        yield Case(type, [512 // size + 3], [2048 // size // 8], [32 // size], [48 // size])
        yield Case(type, [512 // size], [256 // size], [-32 // size], [320 // size])
        yield Case(type, [64 // size + 2, 9, 5], [64 // size, 8, 4], [16 // size, 1, 2], [0, 2, 3], pad=16)
        yield Case(type, [64 // size + 16 // size, 9, 5], [64 // size, 8, 4], [-16 // size, -1, -2], [32 // size, 2, 3])
    yield Case("u16", [32, 7, 5, 3], [16, 4, 4, 4], [8, 4, 2, -1], [24, 0, 1, 0])
    yield Case("u32", [12, 5, 4, 3, 3], [8, 4, 4, 2, 2], [4, 2, -1, 2, 1], [0, 0, 2, 0, 1], 32)
    yield Case("u8", [128, 20, 9], [128, 4, 4], [0, 18, 7], [0, 0, 0], 128)
    yield Case("u16", [64, 40, 6], [64, 16, 4], [0, 3, 1], [0, 0, 0], 128, [1, 2, 2])
    yield Case("u32", [16, 50], [16, 256], [0, -20], [0, 1], 64, [1, 8])
    for type in ("u32", "i32", "u64", "f32", "f16"):
        piece = 16 // SIZES[type]
        yield Case(type, [9 * piece, 20], [8 * piece, 16], [0, 0], [3 * piece, 7], 128, add=True)


def any_case(size, swizzle, number):
    """Any box of 2 to 5 dims, from any multiple of 16 bytes to another, of any type of that size."""
    random = np.random.default_rng(100 * size + 10 * swizzle + number)
    type = random.choice([type for type in DTYPES if SIZES[type] == size])
    dims = int(random.integers(2, 6))
    inner = swizzle or 16 * int(random.integers(1, min(16 * size, 24) + 1))
    box, bytes = [inner // size], inner
    while len(box) < dims:
        box.append(int(random.integers(1, 1 + max(1, min(9, 4096 // 8 // bytes)))))
        bytes *= box[-1]
    box[-1] *= 128 // math.gcd(bytes, 128)      # whole rows of the pattern
    steps = [1] * dims
    if number % 2:
        steps[1:-1] = [int(n) for n in random.integers(1, 9, dims - 2)]
        for i in range(1, dims - 1):            # with all that is left out a box fits in shared memory, too
            steps[i] = steps[i] if size * steps[i] * math.prod(box) <= 227 * 1024 else 1
            box[i] *= steps[i]
    extents = [int(n) for n in random.integers(8, 20, dims)]
    extents[0] = int(random.integers(1, 3 * inner // size))
    starts = [[int(random.integers(low, n + 1)) for low, n in zip(lows, extents)]
              for lows in ([-b for b in box], [0] * dims)]      # a store does not begin before the tensor
    for at in starts:
        at[0] -= at[0] % (16 // size)
    if starts[1][0] + box[0] > extents[0]:      # nor end within 16 bytes
        extents[0] += -extents[0] % (16 // size)
    return Case(str(type), extents, box, *starts, swizzle, steps, pad=16 * int(random.integers(0, 3)))


ANY = [any_case(size, swizzle, number) for size in (1, 2, 4, 8) for swizzle in (0, 32, 64, 128)
       for number in range(2 if LEVEL == 1 else 20)]


@pytest.mark.parametrize("case", [*cases(), *ANY], ids=str)
def test_tensor_copy(case):
    dtype, size, dims = DTYPES[case.type], SIZES[case.type], len(case.box)
    strides, total = case.strides()
    random = np.random.default_rng(dims)
    if dims == 1:
        total = -(-total // 16) * 16

    def tensor():
        memory = random.integers(0, 100, total // size).astype(dtype)
        steps = [*reversed(strides), size]
        return memory, np.lib.stride_tricks.as_strided(memory, case.extents[::-1], steps)
    memory_x, x = tensor()
    memory_y, y = tensor()
    want_y = memory_y.copy()
    view = np.lib.stride_tricks.as_strided(want_y, case.extents[::-1], y.strides)
    values = load_box(x, case.start, case.box, case.steps)
    store_box(view, values, case.to, case.box, case.steps, case.add)
    raw = np.zeros(case.bytes(), np.uint8)
    maps = [Map(name, case.type, case.extents, strides, case.box, case.swizzle, case.steps)
            for name in ("x", "y")]
    numbers = [np.int32(n) for at in (case.start, case.to) for n in [*at, *[0] * (5 - dims)]]
    kernel = Kernel("tensor", options=[f"-DDIMS={dims}", f"-DBYTES={case.bytes()}",
                                       f"-DREDUCE={int(case.add)}"])
    launch = Launch("tensor", 1, 128, shared=case.bytes() + 8)
    first = memory_y.copy()
    for policy in (LATE, EARLY, RANDOM):
        memory_y[:] = first
        kernel.run(launch, {"x": memory_x, "y": memory_y, "raw": raw}, [*maps, Pointer("raw"), *numbers],
                   (0, 1), policy, {"x": READ_ONLY, "raw": UNDEFINED})
        assert np.array_equal(raw, swizzled(values.view(np.uint8), case.swizzle))
        assert np.array_equal(memory_y, want_y)


# ---- the 128 bytes ----

@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """tile_tensor_map_encode and _decode as a library."""
    path = tmp_path_factory.mktemp("maps") / "maps.so"
    subprocess.run(["cc", "-std=c11", "-shared", "-fPIC", f"-I{ROOT}", "-o", path,
                    ROOT / "runtime/tensor_map.c"], check=True)
    library = ctypes.CDLL(str(path))
    library.tile_tensor_map_encode.restype = ctypes.c_char_p
    return library


class Spec(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("rank", ctypes.c_int), ("address", ctypes.c_void_p),
                ("extent", ctypes.c_uint64 * 5), ("stride", ctypes.c_uint64 * 5),
                ("box", ctypes.c_uint32 * 5), ("step", ctypes.c_uint32 * 5),
                ("swizzle", ctypes.c_int), ("l2", ctypes.c_int), ("nan", ctypes.c_bool)]


def encode(maps, spec):
    room = (ctypes.c_uint32 * 64)()
    at = ctypes.addressof(room)
    at += -at % 64
    wrong = maps.tile_tensor_map_encode(ctypes.byref(spec), ctypes.c_void_p(at))
    return wrong, np.ctypeslib.as_array((ctypes.c_uint32 * 32).from_address(at)).copy()


def sample():
    return Spec(TYPES.index("bf16"), 5, 0x123456789ABCD0, (ctypes.c_uint64 * 5)(1, 2, 3, 8, 1 << 32),
                (ctypes.c_uint64 * 5)(0, 16, 0xFEDCBA9870, 32, 48), (ctypes.c_uint32 * 5)(64, 2, 100, 3, 2),
                (ctypes.c_uint32 * 5)(1, 2, 3, 8, 5), 3, 0, True)


def test_bits_of_a_map(maps):
    """Each field where tensormap.replace puts it (the table in runtime/tensor_map.h)."""
    wrong, w = encode(maps, sample())
    assert wrong is None
    assert w[0] == 0x789ABCD0 and w[1] == 0x123456
    assert w[2] == 4 << 4 | 10 << 7 | 3 << 13 | 1 << 15
    assert [*w[3:7]] == [1, 0xFEDCBA987, 2, 3][:1] + [0xFEDCBA987 & 0xFFFFFFFF, 2, 3]
    assert w[7] == 0xF << 4
    assert [*w[8:13]] == [0, 1, 2, 7, 0xFFFFFFFF]
    assert w[13] == 0 | 1 << 3 | 2 << 6 | 7 << 9 | 4 << 12 | 63 << 24
    assert w[14] == 1 | 99 << 8 | 2 << 16 | 1 << 24
    assert not w[15:].any()


def test_map_there_and_back(maps):
    spec, back = sample(), Spec()
    room = (ctypes.c_uint32 * 64)()
    at = ctypes.addressof(room)
    at += -at % 64
    assert maps.tile_tensor_map_encode(ctypes.byref(spec), ctypes.c_void_p(at)) is None
    assert maps.tile_tensor_map_decode(ctypes.c_void_p(at), ctypes.byref(back))
    for name, _ in Spec._fields_:
        a, b = getattr(spec, name), getattr(back, name)
        assert (list(a) == list(b)) if hasattr(a, "__len__") else a == b, name


@pytest.mark.parametrize("change, text", [
    (dict(address=8), b"multiple of 16"), (dict(rank=6), b"rank"), (dict(rank=0), b"rank"),
    (dict(box=(8, 257, 1, 1, 1)), b"side of the box"), (dict(box=(7, 2, 1, 1, 1)), b"inner dim"),
    (dict(stride=(0, 24, 16, 16, 16)), b"stride"), (dict(stride=(0, 1 << 40, 16, 16, 16)), b"stride"),
    (dict(box=(72, 2, 1, 1, 1)), b"longer than the swizzle"), (dict(step=(2, 1, 1, 1, 1)), b"dim 0"),
    (dict(step=(1, 9, 1, 1, 1)), b"greater than 8"), (dict(extent=(0, 1, 1, 1, 1)), b"extent"),
    (dict(extent=(1, 2, 3, 8, (1 << 32) + 1)), b"extent"), (dict(address=0), b"multiple of 16"),
    (dict(step=(1, 3, 1, 1, 1)), b"greater than the extent"), (dict(box=(64, 0, 1, 1, 1)), b"side of the box"),
    (dict(box=(64, 228, 8, 1, 1)), b"fit in 232448 bytes"), (dict(swizzle=4), b"swizzle"),
    (dict(type=13, nan=False), b"element type"), (dict(swizzle=1), b"longer than the swizzle"),
    (dict(type=2, box=(32, 2, 1, 1, 1)), b"NaN fills no integers")])
def test_wrong_maps(maps, change, text):
    spec = sample()
    for name, value in change.items():
        field = getattr(spec, name)
        setattr(spec, name, type(field)(*value) if isinstance(value, tuple) else value)
    assert text in encode(maps, spec)[0]


@pytest.mark.parametrize("change", [
    dict(box=(64, 227, 8, 1, 1)), dict(box=(8, 256, 1, 1, 1)), dict(stride=(0, (1 << 40) - 16, 16, 16, 16)),
    dict(step=(1, 2, 3, 8, 8)), dict(type=9, box=(16, 2, 1, 1, 1), swizzle=1)], ids=str)
def test_right_maps_at_their_limits(maps, change):
    spec = sample()
    for name, value in change.items():
        field = getattr(spec, name)
        setattr(spec, name, type(field)(*value) if isinstance(value, tuple) else value)
    assert encode(maps, spec)[0] is None


def test_a_map_must_fit_its_buffer():
    x, y, raw = (np.zeros(n, np.uint32) for n in (31 * 32, 32 * 32, 2048))
    args = [Map("x", "u32", [32, 32], [128], [32, 32]), Map("y", "u32", [32, 32], [128], [32, 32]),
            Pointer("raw"), *[np.int32(0)] * 10]
    with pytest.raises(Fault, match="the tensor copy reads .*outside of its 3968 bytes"):
        Kernel("tensor", options=["-DDIMS=2", "-DBYTES=4096"]).run(
            Launch("tensor", 1, 128, shared=4104), {"x": x, "y": y, "raw": raw}, args)


@pytest.mark.parametrize("extent, to, text", [
    (32, (0, -1), "begins at coordinate -1 of dim 1, before the tensor"),
    (32, (-4, 0), "begins at coordinate -4 of dim 0, before the tensor"),
    (30, (4, 0), "overwrites 8 bytes behind dim 0, whose 120 bytes are no multiple of 16")])
def test_where_stores_must_not_go(extent, to, text):
    """What an H100 does there: gpu_main.cu."""
    x, y, raw = (np.zeros(n, np.uint32) for n in (40 * 32, 40 * 32, 2048))
    args = [Map(name, "u32", [extent, 40], [128], [32, 32]) for name in "xy"]
    numbers = [np.int32(n) for n in (0, 0, 0, 0, 0, *to, 0, 0, 0)]
    with pytest.raises(Fault, match=text):
        Kernel("tensor", options=["-DDIMS=2", "-DBYTES=4096"]).run(
            Launch("tensor", 1, 128, shared=4104), {"x": x, "y": y, "raw": raw}, [*args, Pointer("raw"), *numbers])
