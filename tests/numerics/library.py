"""runtime/numerics as a shared library for the tests, and the calls on numpy arrays.

Element types are named as in dsl/dtype.h; an array holds one element an item, e2m1 one code a byte.
"""
import ctypes
import os
import pathlib
import subprocess
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("TILE_BUILD", "build")
SOURCES = ["runtime/numerics/convert.c", "runtime/numerics/vector.c", "dsl/dtype.c"]
HEADERS = ["runtime/numerics/bits.h", "runtime/numerics/math.h", "runtime/numerics/convert.h",
           "runtime/numerics/vector.h", "dsl/dtype.h"]
CC = os.environ.get("TILE_CC", "gcc").split()
FLAGS = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-I.", "-ffp-contract=off",
         "-O3", "-fno-math-errno", "-fno-trapping-math"]
LEVEL = int(os.environ.get("TILE_TEST_LEVEL", "1"))

DTYPES = {"bool": "u1", "u8": "u1", "i8": "i1", "u16": "u2", "i16": "i2", "i32": "i4", "u32": "u4",
          "i64": "i8", "u64": "u8", "f16": "u2", "bf16": "u2", "f32": "f4", "tf32": "f4",
          "e4m3": "u1", "e5m2": "u1", "e2m1": "u1", "ue8m0": "u1", "f64": "f8"}
CODE = {name: k for k, name in enumerate(DTYPES)}
NEAREST, ZERO = 0, 1


def build():
    """The library's path; rebuilt if a source is newer. Two test processes may do so at once."""
    path = BUILD / "tests" / "libnumerics.so"
    newest = max((ROOT / f).stat().st_mtime for f in SOURCES + HEADERS)
    if path.exists() and path.stat().st_mtime >= newest:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".so")
    os.close(handle)
    subprocess.run(CC + FLAGS + ["-shared", "-fPIC"] + SOURCES + ["-lm", "-o", name],
                   cwd=ROOT, check=True)
    os.replace(name, path)
    return path


def run_c(name, folder, *words):
    """Compiles tests/numerics/<name>.c into `folder` and runs it: it prints what is wrong and fails."""
    program = folder / name
    subprocess.run([*CC, "-std=gnu11", "-w", "-O2", "-ffp-contract=off", "-I.", f"tests/numerics/{name}.c",
                    "runtime/numerics/convert.c", "dsl/dtype.c", "-lm", "-o", program], cwd=ROOT, check=True)
    done = subprocess.run([program, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


lib = ctypes.CDLL(str(build()))
lib.tile_find_ue8m0_refused.restype = ctypes.c_size_t


def pointer(a):
    assert a.flags.c_contiguous
    return ctypes.c_void_p(a.ctypes.data)


def convert(to, source, x, rounding=NEAREST):
    x = np.ascontiguousarray(x, DTYPES[source])
    y = np.empty(x.shape, DTYPES[to])
    lib.tile_convert(CODE[to], pointer(y), CODE[source], pointer(x), ctypes.c_size_t(x.size),
                     rounding)
    return y


def apply(name, *operands):
    """tile_v<name>, or one of its copies: exp, exp_base, exp_avx2."""
    operands = [np.ascontiguousarray(x, "f4") for x in operands]
    y = np.empty_like(operands[0])
    getattr(lib, "tile_v" + name)(pointer(y), *map(pointer, operands), ctypes.c_size_t(y.size))
    return y


def bits(x):
    return x.view({1: "u1", 2: "u2", 4: "u4", 8: "u8"}[x.dtype.itemsize])


def floats(u):
    return np.asarray(u, "u4").view("f4")


def spread(count, seed):
    """`count` f32 over all bit patterns: one a stride, at a random place in it."""
    stride = 2**32 // count
    start = np.arange(count, dtype="u8") * stride
    return floats((start + np.random.default_rng(seed).integers(0, stride, count, "u8")).astype("u4"))


def assert_bits(got, expected, x, what):
    got, expected = bits(got), bits(np.ascontiguousarray(expected))
    wrong = np.flatnonzero(got != expected)
    if wrong.size:
        i = wrong[0]
        raise AssertionError(f"{what}: {wrong.size} of {got.size} wrong; x = {x[i]!r}: "
                             f"got {got[i]:#x}, expected {expected[i]:#x}")
