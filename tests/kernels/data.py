"""Inputs for the kernel tests: values that hit the rounding and the special cases."""
import numpy as np

from ref_math import F32, convert


def normal(shape, seed, scale=1.0, T="f32"):
    x = np.random.default_rng(seed).standard_normal(shape) * scale
    return convert(x.astype(F32), T)


def small_integers(shape, seed, T="bf16", top=3):
    """Sums of products of these are exact in f32, whatever their order."""
    return convert(np.random.default_rng(seed).integers(-top, top + 1, shape).astype(F32), T)


def for_casts(M, K, G, seed, T="f32", top=448.0):
    """[M, K], each block of G of one kind: plain, wide range, ties, zeros, tiny, with specials."""
    r = np.random.default_rng(seed)
    x = np.zeros((M, K), F32)
    for m in range(M):
        for start in range(0, K, G):
            x[m, start:start + G] = block(r, min(G, K - start), (m + start // G + seed) % 9, top)
    return convert(x, T)


def block(r, n, kind, top):
    x = r.standard_normal(n).astype(F32)
    if kind == 1:                                   # any exponent
        return np.ldexp(x, r.integers(-90, 90, n)).astype(F32)
    if kind == 2:                                   # amax is top times a power of two: exact ties
        x = (r.integers(0, 257, n) * (top / 256) * r.choice([-1, 1], n)).astype(F32)
        x[0] = top
        return x * F32(2.0 ** float(r.integers(-10, 11)))
    if kind == 3:
        return np.zeros(n, F32) * F32(-1)
    if kind == 4:                                   # below the least amax, down to subnormals
        return np.ldexp(x, r.integers(-140, -120, n)).astype(F32)
    if kind == 5:
        x[int(r.integers(n))] = np.nan
    if kind == 6:
        x[int(r.integers(n))] = r.choice([np.inf, -np.inf])
    if kind == 7:
        x[int(r.integers(n))] = F32(3.3e38)
    return x
