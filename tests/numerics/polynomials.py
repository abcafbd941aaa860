"""Derives the polynomials of runtime/numerics/math.h, and the constants of its sine and cosine.

Run by hand:  python tests/numerics/polynomials.py
Each row of POLYNOMIALS is fitted to least greatest error by Lawson's method (least squares, each
point's weight multiplied by its error, repeated). Coefficients are rounded to f32 one at a time,
lowest order first, and the rest is fitted again after each, so that later ones absorb the rounding
of earlier ones. The printed error is that of the rounded polynomial, evaluated without rounding,
relative to the function itself, not to the fitted quotient.
"""
import mpmath as mp
import numpy as np

mp.mp.dps = 120
POINTS = 1001


def exp_tail(x):    # (e^x - 1 - x) / x^2
    return mp.fsum(x**k / mp.factorial(k + 2) for k in range(40))


def log_tail(x):    # (log(1 + x) - x) / x^2
    return (mp.log1p(x) - x) / x**2 if x else mp.mpf(-0.5)


def sin_tail(s):    # (sin x - x) / x^3 in s = x^2
    return mp.fsum((-1) ** (k + 1) * s**k / mp.factorial(2 * k + 3) for k in range(30))


def cos_tail(s):    # (cos x - 1 + x^2 / 2) / x^4 in s = x^2
    return mp.fsum((-1) ** k * s**k / mp.factorial(2 * k + 4) for k in range(30))


def reciprocal(x):
    return 1 / (1 + x)


HALF_LN2 = mp.log(2) / 2 * mp.mpf("1.0001")
QUARTER_PI = mp.pi / 4 + mp.mpf(2) ** -8
# name: (quotient, low, high, number of coefficients,
#        weight = change of the function's relative error per change of the quotient)
POLYNOMIALS = {
    "EXP": (exp_tail, -HALF_LN2, HALF_LN2, 5, lambda x: x**2 / mp.exp(x)),
    # Relative to e^x - 1, for tanh.
    "EXPM1": (exp_tail, -HALF_LN2, HALF_LN2, 5, lambda x: x**2 / mp.expm1(x) if x else x),
    "LOG": (log_tail, mp.mpf("-0.25"), mp.mpf("0.5"), 9,
            lambda x: x**2 / mp.log1p(x) if x else x),
    # Ends where the fit gives 1 / 2 for 1: tile_divide's rest is exact then.
    "RECIPROCAL": (reciprocal, mp.mpf(0), mp.mpf('1.0715'), 3, lambda x: 1 + x),
    "SIN": (sin_tail, mp.mpf(0), QUARTER_PI**2, 3, lambda s: s),
    "COS": (cos_tail, mp.mpf(0), QUARTER_PI**2, 3, lambda s: s**2 / mp.cos(mp.sqrt(s))),
}


def samples(name):
    """Points x, quotient f(x) and weight there, as doubles: far finer than the errors wanted."""
    f, low, high, _, weight = POLYNOMIALS[name]
    grid = [low + (high - low) * (1 - mp.cos(mp.pi * i / (POINTS - 1))) / 2 for i in range(POINTS)]
    rows = [(x, f(x), abs(weight(x))) for x in grid]
    return tuple(np.array([float(v) for v in column]) for column in zip(*rows))


def error(c, x, f, weight):
    return weight * (f - np.polynomial.polynomial.polyval(x, c))


def lawson(fixed, free, x, f, weight):
    """Coefficients len(fixed).. (free of them) of least greatest |error|, the first ones given."""
    k = len(fixed)
    basis = weight[:, None] * x[:, None] ** np.arange(k, k + free)
    goal = error(fixed, x, f, weight) if k else weight * f
    mass = np.full(len(x), 1 / len(x))
    best, least = None, np.inf
    for _ in range(400):
        root = np.sqrt(mass)[:, None]
        c = np.linalg.lstsq(basis * root, goal * root[:, 0], rcond=None)[0]
        e = np.abs(goal - basis @ c)
        if e.max() < least:
            best, least = c, e.max()
        mass = mass * (e + 1e-3 * e.max())
        mass /= mass.sum()
    return best


def fit(name):
    """The f32 coefficients, lowest order first, and their greatest relative error."""
    x, f, weight = samples(name)
    count = POLYNOMIALS[name][3]
    fixed = []
    for k in range(count):
        fixed.append(float(np.float32(lawson(fixed, count - k, x, f, weight)[0])))
    return fixed, np.abs(error(fixed, x, f, weight)).max()


def split(x, parts):
    """x as a sum of f32 parts, greatest first."""
    out = []
    for _ in range(parts):
        out.append(float(np.float32(float(x))))
        x -= mp.mpf(out[-1])
    return out


def two_over_pi(words):
    """The first bits of 2/pi after the point, in 32-bit words."""
    bits = int(mp.floor(2 / mp.pi * mp.mpf(2) ** (32 * words)))
    return [bits >> (32 * (words - 1 - i)) & 0xFFFFFFFF for i in range(words)]


def main():
    for name in POLYNOMIALS:
        c, worst = fit(name)
        print(f"{name}: error 2^{np.log2(worst):.2f}:", ", ".join(f"{v.hex()}" for v in c))
    print("ln 2:", [v.hex() for v in split(mp.log(2), 2)])
    print("pi/2:", [v.hex() for v in split(mp.pi / 2, 3)])
    print("2/pi:", [hex(w) for w in two_over_pi(7)])


if __name__ == "__main__":
    main()
