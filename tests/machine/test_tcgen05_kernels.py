"""The tcgen05 kernels of tests/machine/kernels on the machine, by numpy, with many seeds and all policies."""
import os

import ml_dtypes
import numpy as np
import pytest
from machine import EARLY, LATE, RANDOM, READ_ONLY, UNDEFINED, Kernel, Launch, Map, Pointer

LEVEL = int(os.environ.get("TILE_TEST_LEVEL", "1"))
SEEDS = (0, 6) if LEVEL == 1 else (0, 59)
FLAGS = {"a": READ_ONLY, "b": READ_ONLY, "c": UNDEFINED}


def three_policies(kernel, *args, flags):
    for policy in (LATE, EARLY, RANDOM):
        Kernel(kernel).run(*args, seeds=SEEDS, policy=policy, flags=flags)


def matrices(m, n, k):
    random = np.random.default_rng(m)
    a, b = (random.integers(-4, 5, (rows, k)).astype(ml_dtypes.bfloat16) for rows in (m, n))
    c = np.zeros((m, n), ml_dtypes.bfloat16)
    return a, b, c, (a.astype(np.float32) @ b.astype(np.float32).T).astype(ml_dtypes.bfloat16)


@pytest.mark.parametrize("m, n, k, grid", [(128, 128, 512, 1), (256, 256, 64, 1), (200, 136, 328, 2),
                                           (384, 128, 128, 1)])
def test_gemm(m, n, k, grid):
    a, b, c, want = matrices(m, n, k)
    maps = [Map("a", "bf16", [k, m], [2 * k], [64, 128], 128),
            Map("b", "bf16", [k, n], [2 * k], [64, 128], 128),
            Map("c", "bf16", [n, m], [2 * n], [64, 128], 128)]
    three_policies("tcgen05_gemm", Launch("gemm", grid, 192, shared=163944), {"a": a, "b": b, "c": c},
                   [*maps, -(-m // 128), -(-n // 128), -(-k // 64)], flags=FLAGS)
    assert np.array_equal(c, want)


@pytest.mark.parametrize("m, n, k, pairs", [(256, 128, 256, 1), (512, 256, 64, 1), (300, 140, 200, 2)])
def test_pair(m, n, k, pairs):
    a, b, _, _ = matrices(m, n, k)
    c = np.zeros((m, n), np.float32)
    maps = [Map("a", "bf16", [k, m], [2 * k], [64, 128], 128),
            Map("b", "bf16", [k, n], [2 * k], [64, 64], 128)]
    three_policies("tcgen05_pair", Launch("gemm", 2 * pairs, 192, 2, 73800), {"a": a, "b": b, "c": c},
                   [*maps, Pointer("c"), m, n, -(-m // 256), -(-n // 128), -(-k // 64)], flags=FLAGS)
    assert np.array_equal(c, a.astype(np.float32) @ b.astype(np.float32).T)


def padded(x):
    """e2m1 as kind mxf8f6f4 wants it: 16 elements in 8 bytes, and 8 bytes of nothing."""
    codes = x.view(np.uint8).reshape(x.shape[0], -1, 8, 2)
    out = np.zeros((*codes.shape[:2], 16), np.uint8)
    out[..., :8] = codes[..., 0] | codes[..., 1] << 4
    return out.reshape(x.shape)


def scale_tiles(s):
    """512 bytes for 128 rows and 4 blocks along k: row r's at 16 (r % 32) + 4 (r / 32)."""
    rows, blocks = -(-s.shape[0] // 128), -(-s.shape[1] // 4)
    out = np.zeros((128 * rows, 4 * blocks), np.uint8)
    out[:s.shape[0], :s.shape[1]] = s.view(np.uint8)
    return np.ascontiguousarray(out.reshape(rows, 4, 32, blocks, 4).transpose(0, 3, 2, 1, 4))


@pytest.mark.parametrize("m, n, k", [(128, 128, 128), (128, 128, 1024), (136, 200, 416)])
def test_scaled(m, n, k):
    random = np.random.default_rng(k)
    a = random.integers(-4, 5, (m, k)).astype(ml_dtypes.float8_e4m3fn)
    b = random.integers(0, 16, (n, k), np.uint8).view(ml_dtypes.float4_e2m1fn)
    sa, sb = (random.integers(125, 130, (rows, k // 32), np.uint8).view(ml_dtypes.float8_e8m0fnu)
              for rows in (m, n))
    c = np.zeros((m, n), np.float32)
    maps = [Map("a", "u8", [k, m], [k], [128, 128], 128), Map("b", "u8", [k, n], [k], [128, 128], 128)]
    buffers = {"a": a, "b": padded(b), "sa": scale_tiles(sa), "sb": scale_tiles(sb), "c": c}
    three_policies("tcgen05_scaled", Launch("gemm", -(-m // 128) * -(-n // 128), 192, shared=101440), buffers,
                   [*maps, Pointer("sa"), Pointer("sb"), Pointer("c"), m, n, -(-n // 128), -(-k // 128)],
                   flags=FLAGS | {"sa": READ_ONLY, "sb": READ_ONLY})
    full = [x.astype(np.float64) * np.repeat(s.astype(np.float64), 32, 1) for x, s in ((a, sa), (b, sb))]
    assert np.array_equal(c, (full[0] @ full[1].T).astype(np.float32))


def test_chain():
    random = np.random.default_rng(3)
    x, w, v = (random.integers(-2, 3, (rows, 64)).astype(ml_dtypes.bfloat16) for rows in (128, 64, 64))
    y = np.zeros((128, 64), np.float32)
    maps = [Map(name, "bf16", [64, rows], [128], [64, rows], 128)
            for name, rows in (("x", 128), ("w", 64), ("v", 64))]
    three_policies("tcgen05_chain", Launch("chain", 1, 128, shared=32792), {"x": x, "w": w, "v": v, "y": y},
                   [*maps, Pointer("y")], flags={"x": READ_ONLY, "w": READ_ONLY, "v": READ_ONLY, "y": UNDEFINED})
    x, w, v = (z.astype(np.float32) for z in (x, w, v))
    squares = ((x @ w.T) ** 2).astype(ml_dtypes.bfloat16).astype(np.float32)
    assert np.array_equal(y, squares @ v.T)
