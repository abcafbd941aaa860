"""Conversions (R6) against numpy and ml_dtypes.

Where those differ from R6, the expected value is built from them by the rule, in the function of
that type below: ml_dtypes gives NaN for an e4m3 overflow and inf for an e5m2 one (R6 saturates),
keeps the sign and payload of NaN (R6 has one NaN), has no NaN rule for e2m1 and rounds e8m0 to
nearest.
"""
import ctypes
import os
import pathlib
import shutil
import subprocess

import ml_dtypes
import mpmath as mp
import numpy as np
import pytest

from library import (CODE, DTYPES, LEVEL, NEAREST, ROOT, ZERO, assert_bits, bits, convert, floats,
                     lib, pointer, spread)

np.seterr(all="ignore")   # signalling NaNs, overflows: what is tested here

NARROW = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "e4m3": ml_dtypes.float8_e4m3fn,
          "e5m2": ml_dtypes.float8_e5m2, "e2m1": ml_dtypes.float4_e2m1fn,
          "ue8m0": ml_dtypes.float8_e8m0fnu}
COUNTS = {"f16": 65536, "bf16": 65536, "e4m3": 256, "e5m2": 256, "e2m1": 16, "ue8m0": 256}
INTS = ["u8", "i8", "u16", "i16", "i32", "u32", "i64", "u64"]
GREATEST = {"e4m3": 448, "e5m2": 57344, "e2m1": 6}
NAN_CODE = {"f16": 0x7FFF, "bf16": 0x7FFF, "e4m3": 0x7F, "e5m2": 0x7F, "e2m1": 0x7}


def values_of(t):
    """Every code of t, and its value by ml_dtypes as f32, with the one NaN."""
    codes = np.arange(COUNTS[t]).astype(DTYPES[t])
    y = codes.view(NARROW[t]).astype(np.float32)
    y[np.isnan(y)] = floats([0x7FFFFFFF])[0]
    return codes, y


def cast(t, x):
    return bits(x.astype(NARROW[t]))


def nearest(t, x):
    """f32 to a narrow float by R6."""
    nan = np.isnan(x)
    if t == "ue8m0":
        m, e = np.frexp(x.astype(np.float64))
        y = np.clip(np.where(m == 0.5, e - 1, e) + 127, 0, 254)
        y = np.where(np.isinf(x), 254, y)
        return np.where(nan, 255, np.where(x > 0, y, 0)).astype("u1")
    safe = np.where(nan, np.float32(0), x)
    if t in GREATEST:
        safe = np.clip(safe, -GREATEST[t], GREATEST[t])
    return np.where(nan, NAN_CODE[t], cast(t, safe)).astype(DTYPES[t])


def to_zero(t, x):
    """f32 to f16 or bf16 towards zero: nearest, and one code back where that is greater."""
    y = cast(t, x)
    above = np.abs(y.view(NARROW[t]).astype(np.float64)) > np.abs(x.astype(np.float64))
    return np.where(np.isnan(x), 0x7FFF, y - above).astype("u2")


def tf32(x):
    """Half away from zero at 11 significant bits, in f64; NaNs cut."""
    a = np.abs(x.astype(np.float64))
    finite = np.where(np.isfinite(a), a, 1)
    unit = np.exp2(np.maximum(np.frexp(finite)[1] - 1, -126) - 10.0)
    y = np.floor(finite / unit + 0.5) * unit
    y = np.where(np.isinf(a), np.inf, y)
    y = np.copysign(y, x).astype(np.float32)
    return floats(np.where(np.isnan(x), bits(x) & np.uint32(0xFFFFE000), bits(y)))


def to_int(t, x):
    """Truncate, saturate, NaN to 0; x f32 or f64."""
    info = np.iinfo(DTYPES[t])
    x = x.astype(np.float64)
    low, high = float(info.min), float(info.max) + (0 if info.bits == 64 else 1)
    inside = (x > low - (0 if info.bits == 64 else 1)) & (x < high)
    y = np.where(inside, np.trunc(x), 0).astype(DTYPES[t])
    y[x >= high] = info.max
    y[~inside & (x < 0)] = info.min
    return y


def edges():
    """Every value of every narrow type, the middles between neighbours, and one ulp around both;
    the same about integer limits; powers of two; specials."""
    found = [np.array([np.inf, np.nan, 0.0], "f4")]
    for t in NARROW:
        v = values_of(t)[1].astype(np.float64)
        v = np.unique(np.abs(v[np.isfinite(v)]))
        beyond = 2 * v[-1] - v[-2]
        middles = (np.append(v, beyond)[1:] + v) / 2
        found += [v.astype("f4"), middles.astype("f4"), np.array([beyond], "f4")]
    powers = np.ldexp(1.0, np.arange(-149, 128))
    found += [(powers * k).astype("f4") for k in (1, 1.5, 1 + 2.0**-10, 1 + 2.0**-11)]
    found += [np.arange(-70000, 70000, 0.5).astype("f4"), floats(np.arange(70000))]
    found += [floats(0x7F800001 + np.arange(8192, dtype="u4") * 1023),
              floats(np.arange(0x7F7F0000, 0x7F800000, dtype="u4"))]
    u = bits(np.concatenate(found))
    u = np.concatenate([u, u + np.uint32(1), u - np.uint32(1)])
    return floats(np.unique(np.concatenate([u, u ^ np.uint32(0x80000000)])))


EDGES = edges()


def inputs():
    """At least 2^24 f32 in pieces; at level 2 all 2^32."""
    yield EDGES
    if LEVEL >= 2:
        for first in range(0, 2**32, 2**24):
            yield floats(np.arange(first, first + 2**24, dtype="u8").astype("u4"))
    else:
        for k in range(4):
            yield spread(2**22, k)


@pytest.mark.parametrize("t", NARROW)
def test_every_code_to_f32(t):
    codes, expected = values_of(t)
    if t == "bf16":     # a shift: NaNs keep sign and payload
        expected = floats(codes.astype("u4") << 16)
        assert np.array_equal(expected, codes.view(NARROW[t]).astype("f4"), equal_nan=True)
    assert_bits(convert("f32", t, codes), expected, codes, t)


@pytest.mark.parametrize("t", NARROW)
def test_every_code_returns(t):
    codes, expected = values_of(t)
    back = convert(t, "f32", expected)
    keep = np.isfinite(expected) | (np.isinf(expected) & (t != "e5m2"))
    assert_bits(back[keep], codes[keep], codes[keep], t)
    assert np.all(back[np.isnan(expected)] == NAN_CODE.get(t, 0xFF))


@pytest.mark.parametrize("t", NARROW)
def test_nearest(t):
    for x in inputs():
        assert_bits(convert(t, "f32", x), nearest(t, x), x, t)


@pytest.mark.parametrize("t", ["f16", "bf16"])
def test_to_zero(t):
    for x in inputs():
        expected = to_zero(t, x)
        assert_bits(convert(t, "f32", x, ZERO), expected, x, t)


def test_tf32():
    for x in inputs():
        assert_bits(convert("tf32", "f32", x), tf32(x), x, "tf32")
        cut = floats(bits(x) & np.uint32(0xFFFFE000))
        assert_bits(convert("tf32", "f32", x, ZERO), cut, x, "tf32 to zero")
        assert_bits(convert("f32", "tf32", cut), cut, x, "tf32 to f32")


@pytest.mark.parametrize("t", INTS)
def test_float_to_int(t):
    for x in inputs():
        assert_bits(convert(t, "f32", x), to_int(t, x), x, t)


@pytest.mark.parametrize("t", INTS)
def test_f64_to_int(t):
    info = np.iinfo(DTYPES[t])
    near = np.array([0, 1, info.min, info.max, 2.0**31, 2.0**32, 2.0**63, 2.0**64])
    x = np.concatenate([near + d for d in (-1, -0.5, 0, 0.5, 1)] + [EDGES.astype("f8")])
    x = np.concatenate([x, np.nextafter(x, np.inf), np.nextafter(x, -np.inf)])
    assert_bits(convert(t, "f64", x), to_int(t, x), x, t)


@pytest.mark.parametrize("t", ["f32", "tf32", "f64", "f16", "bf16", "e4m3", "e5m2", "e2m1", "ue8m0"])
def test_to_bool(t):
    if t in NARROW:
        x, value = values_of(t)
    else:
        x = value = EDGES.astype(DTYPES[t]) if t != "tf32" else floats(bits(EDGES) >> 13 << 13)
    expected = (np.isnan(value) | (value != 0)).astype("u1")
    assert_bits(convert("bool", t, x), expected, x, t)


def integers(t, count=1 << 16):
    info = np.iinfo(DTYPES[t])
    if info.bits <= 16:
        return np.arange(info.min, info.max + 1).astype(DTYPES[t])
    r = np.random.default_rng(1)
    wide = r.integers(info.min, info.max, count, DTYPES[t], endpoint=True)
    # Of every size, and at the middles between f32.
    sizes = wide >> r.integers(0, info.bits, count).astype(DTYPES[t])
    middles = [int(m) << s for s in range(info.bits - 25) for m in r.integers(2**24, 2**25, 200)]
    middles = [m + d for m in middles for d in (-1, 0, 1)]
    limits = [info.min, info.min + 1, 0, 1, info.max - 1, info.max]
    signed = [-m for m in middles] if info.min else []
    return np.concatenate([wide, sizes, np.array(middles + signed + limits, DTYPES[t])])


@pytest.mark.parametrize("t", INTS)
def test_int_to_f32(t):
    x = integers(t)
    # The result of the exact rounding of mpmath, for a part; numpy's for all.
    part = x[::max(1, x.size // 20000)]
    with mp.workprec(24):
        expected = np.array([float(mp.mpf(int(v))) for v in part], "f4")
    assert_bits(convert("f32", t, part), expected, part, t)
    assert_bits(convert("f32", t, x), x.astype("f4"), x, t)
    assert_bits(convert("f64", t, x), x.astype("f8"), x, t)
    assert_bits(convert("bool", t, x), (x != 0).astype("u1"), x, t)


@pytest.mark.parametrize("source", INTS)
@pytest.mark.parametrize("to", INTS)
def test_int_to_int_wraps(to, source):
    x = integers(source, 1 << 12)
    assert_bits(convert(to, source, x), x.astype(DTYPES[to]), x, f"{source} to {to}")


def test_from_bool():
    x = np.array([0, 1], "u1")
    for t in INTS + ["f32", "f64", "tf32"]:
        assert_bits(convert(t, "bool", x), x.astype(DTYPES[t]), x, t)


def test_f64():
    x = EDGES.astype("f8")
    assert_bits(convert("f64", "f32", EDGES), x, EDGES, "f32 to f64")
    x = np.concatenate([x, x * 1.00000003, x * (1 + 2.0**-24), x * (1 + 2.0**-24 + 2.0**-50)])
    y = x.astype("f4")
    y[np.isnan(y)] = floats([0x7FFFFFFF])[0]
    assert_bits(convert("f32", "f64", x), y, x, "f64 to f32")


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("to", DTYPES)
def test_every_pair(to, source):
    """Equal types copy; two whole types are tested above; the rest goes through f32 but for
    f64 from and to integers. Lengths around the internal piece, and none."""
    if source in NARROW:
        x = values_of(source)[0]
    elif source in INTS:
        x = integers(source, 1000)
    elif source == "bool":
        x = np.arange(5000).astype("u1") % 2
    else:
        x = convert(source, "f32", EDGES)
    whole = INTS + ["bool"]
    if to == source:
        expected = x
    elif to in whole and source in whole:
        expected = (x != 0).astype("u1") if to == "bool" else x.astype(DTYPES[to])
    elif "f64" in (to, source) and (to in whole or source in whole):
        expected = convert(to, source, x)
    else:
        expected = convert(to, "f32", convert("f32", source, x))
    for n in (0, 1, 1023, 1024, 1025, x.size):
        assert_bits(convert(to, source, x[:n]), expected[:n], x[:n], f"{source} to {to}")


def test_rounding_to_zero_only_where_it_exists():
    for t in DTYPES:
        if t not in ("f16", "bf16", "tf32"):
            assert_bits(convert(t, "f32", EDGES, ZERO), convert(t, "f32", EDGES, NEAREST), EDGES, t)
    x = np.arange(100000).astype("i4") * 20011
    for t in ("f16", "bf16", "tf32"):
        expected = convert(t, "f32", x.astype("f4"), ZERO)
        assert_bits(convert(t, "i32", x, ZERO), expected, x, t)


def test_ue8m0_refuses_negatives():
    refused = EDGES < 0
    for ok in (EDGES[~refused], np.array([-0.0, np.nan], "f4"), np.array([], "f4")):
        assert lib.tile_find_ue8m0_refused(pointer(ok), ctypes.c_size_t(ok.size)) == ok.size
    for bad in EDGES[refused][::1000]:
        x = np.array([0, 1, -0.0, bad, 1], "f4")
        assert lib.tile_find_ue8m0_refused(pointer(x), ctypes.c_size_t(x.size)) == 3
    assert not convert("ue8m0", "f32", EDGES[refused]).any()


def test_pack_e2m1():
    codes = np.array([[lo, hi] for hi in range(16) for lo in range(16)], "u1").ravel()
    packed = np.empty(256, "u1")
    n = ctypes.c_size_t(codes.size)
    lib.tile_pack_e2m1(pointer(packed), pointer(codes), n)
    assert np.array_equal(packed, np.arange(256))
    back = np.empty_like(codes)
    lib.tile_unpack_e2m1(pointer(back), pointer(packed), n)
    assert np.array_equal(back, codes)


def test_cuda_headers(tmp_path):
    """The host functions of CUDA's fp16, bf16, fp8 and fp4 headers give the same bits."""
    nvcc = shutil.which("nvcc")
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda",
             nvcc and pathlib.Path(nvcc).resolve().parents[1]]
    include = [pathlib.Path(h) / "include" for h in homes if h]
    include = [i for i in include if (i / "cuda_fp4.h").exists()]
    compiler = shutil.which("g++") or shutil.which("clang++")
    if not include or not compiler:
        pytest.skip("needs a C++ compiler and the headers of CUDA 12.8 or later (CUDA_HOME)")
    program = tmp_path / "cuda_headers"
    subprocess.run([compiler, "-x", "c++", "-std=c++17", "-O2", "-ffp-contract=off", "-I.",
                    f"-isystem{include[0]}", "tests/numerics/cuda_headers.cu", "-o", program],
                   cwd=ROOT, check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_dtype_numbers():
    """The names and their order here are those of dsl/dtype.h."""
    class Info(ctypes.Structure):
        _fields_ = [("name", ctypes.c_char_p), ("npy", ctypes.c_char_p), ("bits", ctypes.c_ubyte),
                    ("kind", ctypes.c_ubyte), ("size", ctypes.c_ubyte)]
    rows = (Info * len(DTYPES)).in_dll(lib, "dtype_info")
    for name, k in CODE.items():
        assert rows[k].name.decode() == name
        assert rows[k].size == np.dtype(DTYPES[name]).itemsize
