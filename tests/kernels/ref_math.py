"""Numeric rules of the language in numpy: what the references of the kernels are written with."""
import ctypes
import importlib
import os
import sys

import numpy as np

from harness import DTYPES, ROOT, bits, dtype, from_bits

F32 = np.float32


def f32(x):
    return np.asarray(x, F32)


def quietly(f):
    """Overflow, NaN and division by zero are results here, not warnings."""
    def wrapped(*a, **k):
        with np.errstate(all="ignore"):
            return f(*a, **k)
    wrapped.__name__, wrapped.__doc__ = f.__name__, f.__doc__
    return wrapped


# Conversions from f32 (R6).

@quietly
def to_bf16(x):
    x = f32(x)
    return np.where(np.isnan(x), from_bits("bf16", [0x7FFF]), x.astype(DTYPES["bf16"]))


@quietly
def to_f16(x):
    x = f32(x)
    return np.where(np.isnan(x), from_bits("f16", [0x7FFF]), x.astype(np.float16))


@quietly
def to_f16_rz(x):
    """Towards zero; a finite value stays finite."""
    x = f32(x)
    h = np.atleast_1d(x.astype(np.float16))
    a = np.atleast_1d(x)
    up = np.abs(h.astype(F32)) > np.abs(a)
    h = from_bits("f16", bits(h) - up.astype(np.uint16)).reshape(x.shape)
    return np.where(np.isnan(x), from_bits("f16", [0x7FFF]), h)


def saturating(name, top, nan):
    code = from_bits(name, [nan])

    @quietly
    def convert(x):
        x = f32(x)
        return np.where(np.isnan(x), code, np.clip(x, F32(-top), F32(top)).astype(dtype(name)))
    return convert


to_e4m3 = saturating("e4m3", 448, 0x7F)
to_e5m2 = saturating("e5m2", 57344, 0x7F)
to_e2m1 = saturating("e2m1", 6, 0x07)


def to_ue8m0(x):
    """The exponent byte of the next power of two; negative input is outside the contract."""
    u = bits(np.atleast_1d(f32(x))).astype(np.int64)
    byte = (u >> 23) + ((u & 0x7FFFFF) != 0)
    byte = np.where(u <= 0x400000, 0, byte)                  # 0x400000 is 2^-127, a subnormal
    byte = np.where(u == 0x80000000, 0, np.minimum(byte, 0xFE))
    byte = np.where(np.atleast_1d(np.isnan(x)), 0xFF, byte)
    return from_bits("ue8m0", byte.astype(np.uint8)).reshape(np.shape(x))


def to_tf32(x, zero=False):
    u = bits(np.atleast_1d(f32(x)))
    u = (u if zero else u + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    return from_bits("f32", u).reshape(np.shape(x))


CONVERT = {"bf16": to_bf16, "f16": to_f16, "e4m3": to_e4m3, "e5m2": to_e5m2, "e2m1": to_e2m1,
           "ue8m0": to_ue8m0, "f32": f32}


def convert(x, name):
    """f32 values to the element type `name`."""
    return CONVERT[name](x)


def ceil_pow2(x):
    """Least power of two >= x for positive normal x; inf and NaN stay."""
    x = f32(x)
    u = bits(np.atleast_1d(x)).astype(np.uint64)
    up = ((u + 0x7FFFFF) & 0xFF800000).astype(np.uint32)
    return np.where(np.isnan(x), F32(np.nan), from_bits("f32", up).reshape(x.shape))


# Arithmetic (R5) and reductions (R8).

@quietly
def fma(a, b, c):
    """One rounding.  The f64 sum is rounded to odd, so that rounding it to f32 is exact."""
    p = np.asarray(a, np.float64) * np.asarray(b, np.float64)
    c = np.asarray(c, np.float64)
    p, c = np.broadcast_arrays(p, c)
    s = np.atleast_1d(p + c)
    t = s - p
    rest = (p - (s - t)) + (c - t)
    even = (s.view(np.int64) & 1) == 0
    inexact = np.isfinite(s) & (rest != 0) & even
    away = (rest > 0) == (s > 0)
    odd = (s.view(np.int64) + np.where(away, 1, -1)).view(np.float64)
    return np.where(inexact, odd, s).astype(F32).reshape(p.shape)


@quietly
def seq_sum(x, axis, init=0.0):
    """Left to right in f32, the axis kept with extent 1."""
    x = np.moveaxis(f32(x), axis, 0)
    s = np.full(x.shape[1:], F32(init), F32)
    for row in x:
        s = s + row
    return np.expand_dims(s, axis)


@quietly
def tree_sum(x, axis):
    """Zero-padded to a power of two, neighbours added first, the axis kept with extent 1."""
    x = np.moveaxis(f32(x), axis, 0)
    n = 1
    while n < x.shape[0]:
        n *= 2
    x = np.concatenate([x, np.zeros((n - x.shape[0],) + x.shape[1:], F32)])
    while len(x) > 1:
        x = x[0::2] + x[1::2]
    return np.expand_dims(x[0], axis)


def amax(x, axis):
    return np.max(x, axis=axis, keepdims=True)      # numpy's max propagates NaN


# The library's functions: their accuracy is proven elsewhere, here only their bits count.

@quietly
def call(name, x):
    x = np.ascontiguousarray(x, F32)
    y = np.empty_like(x)
    pointer = ctypes.POINTER(ctypes.c_float)
    function = getattr(library(), "tile_v" + name)
    function(y.ctypes.data_as(pointer), x.ctypes.data_as(pointer), ctypes.c_size_t(x.size))
    return y


def library():
    """runtime/numerics; tests/numerics builds it where TILE_NUMERICS does not name it."""
    if library.loaded is None:
        path = os.environ.get("TILE_NUMERICS")
        if not path:
            sys.path.insert(0, str(ROOT / "tests" / "numerics"))
            path = importlib.import_module("library").build()
        library.loaded = ctypes.CDLL(str(path))
    return library.loaded


library.loaded = None


def exp(x):
    return call("exp", x)


def log(x):
    return call("log", x)


def sigmoid(x):
    return call("sigmoid", x)


def softplus(x):
    return call("softplus", x)


def rsqrt(x):
    return call("rsqrt", x)


@quietly
def softmax(z, axis):
    e = exp(f32(z) - amax(f32(z), axis))
    return e / tree_sum(e, axis)


# Bounds (R9).

def mma_bound(a, b, unit):
    """k * unit * sum |a||b| for a[m, k], b[n, k]; `unit` is BF16_UNIT or E4M3_UNIT."""
    a, b = np.abs(np.asarray(a, np.float64)), np.abs(np.asarray(b, np.float64))
    return a.shape[1] * unit * (a @ b.T)


BF16_UNIT = 2.0 ** -22
E4M3_UNIT = 2.0 ** -12


def ceil_div(a, b):
    return -(-a // b)


def align(a, b):
    return ceil_div(a, b) * b
