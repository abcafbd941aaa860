"""The f32 functions (R7) against numpy's doubles, and mpmath where those could be doubted.

A double is 2^29 times finer than an f32, so its own error of an ulp or two does not show.
One ulp is the spacing of f32 in the binade of the true value, at least 2^-149.
"""
import ctypes
import re
import shutil
import subprocess

import mpmath as mp
import numpy as np
import pytest

import polynomials
from library import CC, FLAGS, LEVEL, ROOT, apply, assert_bits, bits, floats, lib, pointer, spread

np.seterr(all="ignore")

INF, NAN = np.inf, np.nan
# name: (reference in f64, greatest error: that over all f32, docs/numerics.md, rounded up)
FUNCTIONS = {
    "exp": (np.exp, 1.0),
    "log": (np.log, 1.0),
    "sigmoid": (lambda x: np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x))), 1.73),
    "softplus": (lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), 1.7),
    "tanh": (np.tanh, 1.5),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0.51),
    "sin": (np.sin, 1.07),
    "cos": (np.cos, 1.07),
    "sqrt": (np.sqrt, 0.5),
}
SPECIALS = {    # (argument, result); every function gives NaN for NaN
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (88.8, INF), (1e30, INF),
            (-104.0, 0.0), (-1e30, 0.0)],
    "log": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (-INF, NAN), (-1.0, NAN),
            (-1e-45, NAN)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0), (1e30, 1.0), (-1e30, 0.0),
                (-104.0, 0.0)],
    "softplus": [(INF, INF), (-INF, 0.0), (-1e30, 0.0), (1e30, 1e30), (20.5, 20.5), (3e38, 3e38)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (1e-45, 1e-45), (-1e-45, -1e-45),
             (1e30, 1.0)],
    "rsqrt": [(0.0, INF), (-0.0, -INF), (INF, 0.0), (-INF, NAN), (-1.0, NAN), (-1e-45, NAN),
              (4.0, 0.5)],
    "sqrt": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, NAN), (-1.0, NAN), (-1e-45, NAN),
             (4.0, 2.0)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (1e-45, 1e-45), (-1e-45, -1e-45)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN)],
    "ceil_pow2": [(0.0, 0.0), (-0.0, 0.0), (INF, INF), (-INF, NAN), (-1.0, NAN), (-1e-45, NAN),
                  (1e-45, 1e-45), (1.0, 1.0), (1.0000001, 2.0), (3e38, INF), (2.0**127, 2.0**127)],
}
NAN_BITS = 0x7FFFFFFF


def spacing(r):
    """f32's at |r|, f64."""
    exponent = (r.view("u8") >> 52 & 0x7FF).astype("i8") - 1023
    return np.ldexp(1.0, np.clip(exponent, -126, 127).astype("i4") - 23)


def ulps(y, r):
    """Distance of f32 y from f64 r; a wrong sign of 0 or a wrong NaN is infinitely far."""
    r = np.asarray(r, "f8")
    a, b = np.abs(y.astype("f8")), np.minimum(np.abs(r), 2.0**128)
    error = np.abs(np.where(np.isinf(a), 2.0**128, a) - b) / spacing(b)
    error[np.signbit(y) != np.signbit(r)] = INF
    nan = np.isnan(r)
    error[nan] = np.where(bits(y)[nan] == NAN_BITS, 0, INF)
    return error


def inputs():
    """2^24 f32 over all bit patterns (2^32 at level 2) and dense ones where functions turn."""
    if LEVEL >= 2:
        for first in range(0, 2**32, 2**22):
            yield floats(np.arange(first, first + 2**22, dtype="u8").astype("u4"))
    else:
        for k in range(8):
            yield spread(2**21, k)
    r = np.random.default_rng(7)
    for low, high in ((-104.5, -86), (86, 89.5), (-21, 21), (-1, 1), (0.7, 1.5), (-200, 200)):
        yield r.uniform(low, high, 2**18).astype("f4")
    turns = np.arange(1, 2**18) * (np.pi / 2)
    u = bits(turns.astype("f4"))
    yield floats(np.concatenate([u - np.uint32(1), u, u + np.uint32(1)]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error(name):
    reference, limit = FUNCTIONS[name]
    worst, at = -1.0, None
    for x in inputs():
        error = ulps(apply(name, x), reference(x.astype("f8")))
        i = np.argmax(error)
        if error[i] > worst:
            worst, at = error[i], x[i]
    print(f"{name}: {worst:.4f} ulp at {float(at).hex()}")
    assert worst <= limit <= 2


@pytest.mark.parametrize("name", SPECIALS)
def test_specials(name):
    x, expected = np.array(SPECIALS[name], "f4").T.copy()
    expected = bits(expected)
    expected[np.isnan(expected.view("f4"))] = NAN_BITS
    assert_bits(apply(name, x), expected, x, name)
    x = floats([0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0xFF800001, 0x7FC00000, 0xFFC12345])
    assert np.all(bits(apply(name, x)) == NAN_BITS)


def test_ceil_pow2():
    for x in list(inputs())[-9:]:
        m, e = np.frexp(x.astype("f8"))
        expected = np.ldexp(1.0, np.where(m == 0.5, e - 1, e))
        expected = np.where(x == 0, 0, np.where(np.isinf(x), INF, expected))
        expected = np.where(x >= 0, expected, NAN).astype("f4")
        expected = bits(expected)
        expected[np.isnan(expected.view("f4"))] = NAN_BITS
        assert_bits(apply("ceil_pow2", x), expected, x, "ceil_pow2")


def test_fma():
    """Against integer arithmetic: the exact sum of products of small integers, scaled; and the
    correctly rounded sum of mpmath."""
    r = np.random.default_rng(3)
    a, b, c = (floats(r.integers(0, 2**32, 20000, "u4")) for _ in range(3))
    c[::2] = (a * b)[::2] * r.choice(np.array([-1, 1, -1e-8, 1e8], "f4"), 10000)
    y = apply("fma", a, b, c)
    special = ~(np.isfinite(a) & np.isfinite(b) & np.isfinite(c))
    plain = (a.astype("f8") * b + c).astype("f4")[special]
    assert np.array_equal(y[special], plain, equal_nan=True)
    assert np.all(bits(y)[np.isnan(y)] == NAN_BITS)
    with mp.workprec(2000):
        for i in np.flatnonzero(~special)[:8000]:
            exact = mp.mpf(float(a[i])) * float(b[i]) + mp.mpf(float(c[i]))
            assert y[i] == nearest(exact), (a[i], b[i], c[i])


def nearest(v):
    """The f32 next to an mpf, ties to even."""
    if v == 0:
        return np.float32(0)
    unit = mp.mpf(2) ** max(mp.frexp(v)[1] - 24, -149)
    k = mp.nint(v / unit)   # half to even
    y = k * unit
    return np.float32(np.copysign(INF, float(mp.sign(v)))) if abs(y) >= 2**128 else np.float32(float(y))


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_large_angles(name):
    """mpmath's reduction at 300 bits: random large arguments, and those next to multiples of
    pi/2, where the rest is smallest."""
    r = np.random.default_rng(11)
    x = floats(r.integers(bits(np.array([2**16], "f4"))[0], 0x7F800000, 1500, "u4"))
    with mp.workprec(300):
        turns = []
        for e in range(17, 128):
            # Of the f32 in this binade, those with the smallest rests, by continued fractions of
            # unit / (pi/2): denominators are multiples m with m unit next to whole quarter turns.
            ratio, p0, p1, q0, q1 = mp.mpf(2) ** (e - 23) / (mp.pi / 2), 1, 0, 0, 1
            while q0 < 2**24:
                whole = int(mp.floor(ratio))
                p0, p1, q0, q1 = whole * p0 + p1, p0, whole * q0 + q1, q0
                if 0 < q0 < 2**24:
                    turns.append(float(q0 * mp.mpf(2) ** (e - 23)))
                ratio = 1 / (ratio - whole)
        x = np.concatenate([x, -x[:100], np.array(turns, "f4")])
        y = apply(name, x)
        exact = np.array([float(getattr(mp, name)(mp.mpf(float(v)))) for v in x])
    error = ulps(y, exact)
    assert error.max() <= FUNCTIONS[name][1], float(x[np.argmax(error)]).hex()


@pytest.mark.parametrize("name", list(SPECIALS))
def test_copies_agree(name):
    """The loop for any CPU, the AVX2 one, short arrays and results in place: equal bits."""
    x = spread(2**17, 5)
    y = apply(name, x)
    assert_bits(apply(name + "_base", x), y, x, "base")
    if hasattr(lib, f"tile_v{name}_avx2"):
        assert_bits(apply(name, x), y, x, "chosen")
    for n in (0, 1, 7, 255, 257):
        assert_bits(apply(name, x[:n]), y[:n], x, f"{n} elements")
    z = x.copy()
    getattr(lib, "tile_v" + name)(pointer(z), pointer(z), ctypes.c_size_t(z.size))
    assert_bits(z, y, x, "in place")


def test_sweep(tmp_path):
    """The program that goes over all f32 by hand, here over 2^22 of them: libm's doubles."""
    program = tmp_path / "sweep"
    subprocess.run(CC + FLAGS + ["tests/numerics/sweep.c", "runtime/numerics/vector.c", "-lm",
                                 "-o", program], cwd=ROOT, check=True)
    done = subprocess.run([program, "1" if LEVEL >= 2 else "1021"], capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 10


@pytest.mark.skipif(LEVEL < 2 or not (shutil.which("nvcc") and shutil.which("nvidia-smi")),
                    reason="needs nvcc, a GPU and TILE_TEST_LEVEL=2")
def test_device(tmp_path):
    """Equal bits on the GPU for every f32, and the hardware's own conversions."""
    vector, program = tmp_path / "vector.o", tmp_path / "device"
    subprocess.run(CC + FLAGS + ["-c", "runtime/numerics/vector.c", "-o", vector], cwd=ROOT,
                   check=True)
    subprocess.run(["nvcc", "-arch=native", "-std=c++17", "-O2", "-fmad=false", "-I.",
                    "tests/numerics/device.cu", vector, "-o", program], cwd=ROOT, check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_coefficients():
    """The polynomials as math.h has them keep the errors that the bounds of docs/numerics.md use."""
    text = (ROOT / "runtime/numerics/math.h").read_text()
    number = r"(-?0x1\.[0-9a-f]+p[+-]\d+)f"

    def constants(function):
        body = re.search(rf"TILE_FN \w+ {function}\(.*?\n}}", text, re.S).group()
        return [float.fromhex(v) for v in re.findall(number, body)][::-1]

    quarter = constants("tile_sin_quarter")     # reversed: cosine's, then sine's
    found = {"EXP": constants("tile_exp_tail"), "EXPM1": constants("tile_exp_tail"),
             "LOG": constants("tile_log_tail"),
             "RECIPROCAL": constants("tile_divide_by_sum"), "COS": quarter[:3], "SIN": quarter[3:]}
    greatest = {"EXP": 2**-27.4, "EXPM1": 2**-26.1, "LOG": 2**-27.5, "RECIPROCAL": 2**-6.4, "SIN": 2**-27.9,
                "COS": 2**-32.8}
    for name, c in found.items():
        x, f, weight = polynomials.samples(name)
        assert np.abs(polynomials.error(c, x, f, weight)).max() <= greatest[name], name


def test_sin_constants():
    text = (ROOT / "runtime/numerics/math.h").read_text()
    words = re.search(r"two_over_pi\[8\] = \{([^}]*)\}", text).group(1)
    assert [int(w.strip(" u"), 16) for w in words.split(",")] == [0] + polynomials.two_over_pi(7)
    parts = [float.fromhex(v) for v in re.findall(r"TILE_HALF_PI_\d (-?0x\S+)f", text)]
    assert parts == polynomials.split(mp.pi / 2, 3)
    assert [float.fromhex(v) for v in re.findall(r"TILE_LN2_\w+ (-?0x\S+)f", text)] \
        == polynomials.split(mp.log(2), 2)
