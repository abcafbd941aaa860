"""wgmma: operands laid out by the canonical layouts of PTX ISA 9.7.15.5.1.2.1.3 (layouts.py), fragments by
its figures 148 to 153; the products by numpy."""
import os

import ml_dtypes
import numpy as np
import pytest
from layouts import image, strides
from machine import EARLY, LATE, RANDOM, READ_ONLY, UNDEFINED, Fault, Kernel, Launch, Pointer

LEVEL = int(os.environ.get("TILE_TEST_LEVEL", "1"))
# type: element bytes, A's and B's dtype
TYPES = {"bf16": (2, ml_dtypes.bfloat16, ml_dtypes.bfloat16), "f16": (2, np.float16, np.float16),
         "tf32": (4, np.float32, np.float32),
         "e4m3": (1, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fn),
         "e5m2": (1, ml_dtypes.float8_e5m2, ml_dtypes.float8_e5m2),
         "e4m3_e5m2": (1, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2),
         "e5m2_e4m3": (1, ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn)}
M, B_AT = 64, 32768


def matrix_of(d, n):
    """D from its registers: figures 149, 151, 153."""
    t, i = np.meshgrid(np.arange(128), np.arange(n // 2), indexing="ij")
    row = t // 32 * 16 + t % 32 // 4 + 8 * (i // 2 % 2)
    column = i // 4 * 8 + t % 4 * 2 + i % 2
    out = np.empty((M, n), np.float32)
    out[row, column] = d
    return out


def fragments(a, size):
    """A's registers of each thread: figures 148, 150, 152."""
    per = 4 // size
    t, r, e = np.meshgrid(np.arange(128), np.arange(4), np.arange(per), indexing="ij")
    row = t // 32 * 16 + t % 32 // 4 + 8 * (r % 2)
    k = per * (t % 4) + 4 * per * (r // 2) + e
    return np.ascontiguousarray(a[row, k]).view(np.uint32).reshape(128, 4)


def run(type, n, form, a_layout, b_layout, steps=2, seed=0, policy=LATE, change=None):
    """a_layout, b_layout: (major, swizzle); A and B of steps * depth along k."""
    size, a_type, b_type = TYPES[type]
    depth = 32 // size
    random = np.random.default_rng(seed)
    a = random.integers(-4, 5, (M, steps * depth)).astype(a_type)
    b = random.integers(-4, 5, (n, steps * depth)).astype(b_type)
    if change:
        a, b = change(a, b)
    images, numbers = [], []
    for x, (major, swizzle) in ((a, a_layout), (b, b_layout)):
        stride, lead, bytes = strides(x.shape[0], major, swizzle, size, depth)
        bytes = -(-bytes // 1024) * 1024
        parts = [image(x[:, depth * k:depth * (k + 1)], major, swizzle, size, stride, lead, bytes)
                 for k in range(steps)]
        images.append(np.concatenate(parts))
        numbers += [images[-1].size, bytes, lead, stride, swizzle]
    registers = np.stack([fragments(a[:, depth * k:depth * (k + 1)], size) for k in range(steps)])
    d = np.zeros((128, n // 2), np.float32)
    rs = form.startswith("rs")
    kernel = Kernel("wgmma", options=[
        f"-DTYPE={type}", f"-DN={n}", f"-DDEPTH={depth}", f"-DFORM={form}", f"-DRS={int(rs)}",
        f"-DMAJORS={int('_' in form)}"])
    buffers = {"a": images[0], "b": images[1], "registers": registers, "d": d}
    kernel.run(Launch("wgmma", 1, 128, shared=B_AT + images[1].size), buffers,
               [Pointer("a"), Pointer("b"), Pointer("registers"), Pointer("d"), steps, *numbers],
               (seed, seed + 1), policy, {name: READ_ONLY for name in ("a", "b", "registers")} |
               {"d": UNDEFINED})
    return a, b, matrix_of(d, n)


def check(*arguments, **keys):
    a, b, d = run(*arguments, **keys)
    assert np.array_equal(d, a.astype(np.float32) @ b.astype(np.float32).T)


SIZES = range(8, 257, 8) if LEVEL > 1 else (8, 24, 64, 128, 200, 256)


@pytest.mark.parametrize("n", SIZES)
def test_sizes(n):
    check("bf16", n, "ss", ("k", 128), ("k", 128), steps=1)


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("n", [16, 96])
@pytest.mark.parametrize("form", ["ss", "rs"])
def test_types(type, n, form):
    check(type, n, form, ("k", 32), ("k", 64), policy=RANDOM)


@pytest.mark.parametrize("swizzle", [0, 32, 64, 128])
@pytest.mark.parametrize("type", ["bf16", "tf32", "e4m3"])
def test_along_k(type, swizzle):
    check(type, 64, "ss", ("k", swizzle), ("k", swizzle), policy=EARLY)


@pytest.mark.parametrize("swizzle", [0, 32, 64, 128])
@pytest.mark.parametrize("type, form", [("bf16", "ss_mk"), ("bf16", "ss_kn"), ("f16", "ss_mn"),
                                        ("bf16", "rs_kn")])
def test_along_mn(type, form, swizzle):
    letters = form[-2:]
    check(type, 64, form, ("mn" if letters[0] == "m" else "k", swizzle),
          ("mn" if letters[1] == "n" else "k", swizzle))


@pytest.mark.parametrize("type", ["bf16", "e4m3"])
def test_steps_within_the_pattern(type):
    """The start address moves by 32 bytes inside of rows of 128 (as every k-major GEMM does)."""
    size, a_type, _ = TYPES[type]
    k = 128 // size
    random = np.random.default_rng(4)
    a, b = (random.integers(-4, 5, (rows, k)).astype(a_type) for rows in (M, 32))
    images = [image(x, "k", 128, size, 1024, 0, x.shape[0] * 128) for x in (a, b)]
    d, none = np.zeros((128, 16), np.float32), np.zeros(4, np.uint32)
    kernel = Kernel("wgmma", options=[f"-DTYPE={type}", "-DN=32", f"-DDEPTH={32 // size}",
                                      "-DFORM=ss", "-DRS=0", "-DMAJORS=0"])
    numbers = [n for x in images for n in (x.size, 32, 0, 1024, 128)]
    kernel.run(Launch("wgmma", 1, 128, shared=B_AT + 4096),
               {"a": images[0], "b": images[1], "none": none, "d": d},
               [Pointer("a"), Pointer("b"), Pointer("none"), Pointer("d"), 4, *numbers])
    assert np.array_equal(matrix_of(d, 32), a.astype(np.float32) @ b.astype(np.float32).T)


def test_tf32_is_cut():
    def change(a, b):
        return (a.view(np.uint32) | 0x1FFF).view(np.float32), b
    a, b, d = run("tf32", 16, "ss", ("k", 128), ("k", 128), change=change)
    cut = (a.view(np.uint32) & 0xFFFFE000).view(np.float32)
    assert np.array_equal(d, cut @ b.T) and not np.array_equal(d, a @ b.T)


def test_sums_are_near():
    def change(a, b):
        random = np.random.default_rng(5)
        return (random.normal(size=a.shape).astype(a.dtype),
                random.normal(size=b.shape).astype(b.dtype))
    a, b, d = run("bf16", 64, "ss", ("k", 64), ("k", 64), steps=4, change=change)
    want = a.astype(np.float64) @ b.astype(np.float64).T
    bound = np.abs(a.astype(np.float64)) @ np.abs(b.astype(np.float64)).T * 2.0 ** -23 * 4
    assert (np.abs(d - want) <= bound).all()


def test_not_a_number():
    def change(a, b):
        a[3, 5] = np.inf
        b[:, 5] = 0
        return a, b
    _, _, d = run("bf16", 16, "ss", ("k", 128), ("k", 128), change=change)
    assert (d[3].view(np.uint32) == 0x7FFFFFFF).all() and np.isfinite(np.delete(d, 3, 0)).all()


def test_descriptor_out_of_shared_memory():
    with pytest.raises(Fault, match="the descriptor of B leads to shared address") as fault:
        run("bf16", 64, "ss", ("k", 0), ("k", 128), steps=1,
            change=lambda a, b: (a, b[:32]))
    assert fault.value.name == "wrong descriptor"
