"""Layouts as CuTe writes them: a second source for where wgmma and tcgen05 have what.

The canonical layouts of operands in shared memory are those of PTX ISA 9.7.15.5.1.2.1.3 and 9.7.16.3.3,
which are the same; those of tensor memory and of its loads, stores and copies are CUTLASS's traits.
"""
import numpy as np


def along(x, modes):
    """An index goes through (extent, stride) of its modes, the first is fastest."""
    at = 0
    for extent, stride in modes[:-1]:
        at += x % extent * stride
        x = x // extent
    return at + x * modes[-1][1]


def place(mn, k, major, swizzle, size, stride, lead):
    """The byte of element (mn, k). stride and lead are the descriptor's, in bytes."""
    T, s, l = 16 // size, stride // size, lead // size
    w = {0: 1, 32: 2, 64: 4, 128: 8}[swizzle]
    if major == "k":        # ((8, m), (T, 2k)) : ((wT, SBO), (1, LBO or T))
        at = along(mn, [(8, w * T), (0, s)]) + along(k, [(T, 1), (0, T if swizzle else l)])
    elif swizzle:           # ((T, w, m), (8, k)) : ((1, T, LBO), (wT, SBO))
        at = along(mn, [(T, 1), (w, T), (0, l)]) + along(k, [(8, w * T), (0, s)])
    else:                   # ((T, 1, m), (8, k)) : ((1, T, SBO), (1T, LBO))
        at = along(mn, [(T, 1), (1, T), (0, s)]) + along(k, [(8, T), (0, l)])
    at *= size
    return at ^ (at >> 7 & (w - 1)) << 4       # Swizzle<log2 w, 4, 3> of bytes


def strides(rows, major, swizzle, size, depth):
    """Descriptor offsets of a dense matrix: (stride, lead), and how many bytes it takes."""
    span, steps = swizzle or 16, depth * size // 16
    if major == "k":
        if swizzle:
            return span * 8, 0, rows * span * -(-depth * size // span)
        return 128 * steps, 128, rows * 16 * steps
    if swizzle:
        pieces = -(-rows * size // span)
        return span * 8, span * depth, span * depth * pieces
    return 128, rows * size // 16 * 128, rows * size * depth


def image(x, major, swizzle, size, stride, lead, bytes):
    """The bytes of shared memory that hold the matrix x of elements of `size` bytes."""
    out = np.zeros(bytes, np.uint8)
    raw = np.ascontiguousarray(x).view(np.uint8).reshape(*x.shape, size)
    mn, k = np.meshgrid(*map(np.arange, x.shape), indexing="ij")
    at = place(mn, k, major, swizzle, size, stride, lead)
    assert len(np.unique(at)) == x.size
    for i in range(size):
        out[at + i] = raw[..., i]
    return out


# ---- tensor memory; mma_traits_sm100_frag.hpp has virtual addresses of 128 lanes a column ----

def accumulator(m, n, M, N, pair):
    """(block, lane, column) of D's element (m, n), both of the pair; arrays."""
    rows = M // 2 if pair else M
    block, m = m // rows, m % rows
    if not pair and M == 64:        # ((16, 4), N) : ((1, 32), 128)
        at = along(m, [(16, 1), (0, 32)]) + 128 * n
    elif rows == 64:                # (64, (N / 2, 2)) : (1, (128, 64))
        at = m + along(n, [(N // 2, 128), (0, 64)])
    else:                           # (128, N) : (1, 128)
        at = m + 128 * n
    return block, at % 128, at // 128


def scale(row, k, repeat, rows, halves):
    """(lane, byte) of the scale of a row: tmem_sf_frg. halves: those of B for M = 128 of a pair."""
    if halves:      # ((32, rows / 64), 2, 2) : ((1, 512), 64, 32)
        at = along(row, [(32, 1), (rows // 64, 512), (0, 64)]) + 32 * repeat + 128 * k
    else:           # ((32, rows / 32), 4) : ((1, 512), 32)
        at = along(row, [(32, 1), (0, 512)]) + 32 * repeat + 128 * k
    return at % 128, at // 128


# copy_traits_sm100.hpp: (thread, register, bit) to a bit of the lanes one after another, by shape:
# modes of the thread, modes of the register's words; each lane has `bits` * n bits.
LOADS = {
    "32x32b": (32, 32, lambda n: [(32, 32 * n)], lambda n: [(n, 32)]),
    "16x64b": (16, 64, lambda n: [(2, 512 * n), (2, 32), (8, 64 * n)], lambda n: [(n, 64)]),
    "16x128b": (16, 128, lambda n: [(4, 32), (8, 128 * n)], lambda n: [(2, 1024 * n), (n, 128)]),
    "16x256b": (16, 256, lambda n: [(4, 64), (8, 256 * n)],
                lambda n: [(2, 32), (2, 2048 * n), (n, 256)]),
}


def registers(shape, n):
    """(lane, column) of each register of each thread: arrays [32, words]."""
    lanes, bits, thread_modes, word_modes = LOADS[shape]
    words = lanes * bits * n // 1024
    t, r = np.meshgrid(np.arange(32), np.arange(words), indexing="ij")
    bit = along(t, thread_modes(n)) + along(r, word_modes(n))
    return bit // (bits * n), bit % (bits * n) // 32


# The modes of a copy's lanes: (source rows, (rows, repeat, broadcast) with the lanes they step by).
COPIES = {
    "128x256b": (128, 32, lambda row, again: row),
    "128x128b": (128, 16, lambda row, again: row),
    "64x128b_02_13": (64, 16, lambda row, again: row + 64 * again),
    "64x128b_01_23": (64, 16, lambda row, again: row % 32 + 64 * (row // 32) + 32 * again),
    "32x128b": (32, 16, lambda row, again: row + 32 * again),
}
