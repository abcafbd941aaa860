"""The kernels of tests/machine/kernels on the machine, by numpy, with many seeds and all policies."""
import os

import ml_dtypes
import numpy as np
import pytest
from machine import EARLY, LATE, RANDOM, READ_ONLY, UNDEFINED, Fault, Kernel, Launch, Map, Pointer

LEVEL = int(os.environ.get("TILE_TEST_LEVEL", "1"))
SEEDS = (0, 6) if LEVEL == 1 else (0, 59)
IN_OUT = {"x": READ_ONLY, "y": UNDEFINED}


def words(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 1 << 32, shape, np.uint32)


def three_policies(run):
    return [run(seeds=SEEDS, policy=policy) for policy in (LATE, EARLY, RANDOM)]


def gemm_args(m, n, k):
    return [Map("a", "bf16", [k, m], [2 * k], [64, 128], 128),
            Map("b", "bf16", [k, n], [2 * k], [64, 128], 128),
            Map("c", "bf16", [n, m], [2 * n], [64, 64], 128), -(-m // 128), -(-n // 128),
            -(-k // 64)]


GEMM_SHARED = 4 * 32768 + 4 * 8192 + 64


@pytest.mark.parametrize("m, n, k, grid", [(128, 128, 512, 1), (256, 128, 64, 2), (200, 136, 328, 2),
                                           (256, 256, 128, 3)])
def test_gemm(m, n, k, grid):
    random = np.random.default_rng(m)
    a, b = (random.integers(-4, 5, (rows, k)).astype(ml_dtypes.bfloat16) for rows in (m, n))
    c = np.zeros((m, n), ml_dtypes.bfloat16)
    launch = Launch("gemm", grid, 384, shared=GEMM_SHARED)
    three_policies(lambda **how: Kernel("gemm").run(
        launch, {"a": a, "b": b, "c": c}, gemm_args(m, n, k),
        flags={"a": READ_ONLY, "b": READ_ONLY, "c": UNDEFINED}, **how))
    want = (a.astype(np.float32) @ b.astype(np.float32).T).astype(ml_dtypes.bfloat16)
    assert np.array_equal(c, want)


def test_multicast():
    tiles, blocks = 5, 4
    x = np.arange(tiles * 128 * 64, dtype=np.uint16).reshape(tiles * 128, 64)
    y = np.zeros((tiles, blocks, 128, 64), np.uint16)
    args = [Map("x", "u16", [64, tiles * 128], [128], [64, 64]), Pointer("y"), tiles]
    three_policies(lambda **how: Kernel("multicast").run(
        Launch("multicast", blocks, 128, 2, 2 * 8192 + 16), {"x": x, "y": y}, args, flags=IN_OUT,
        **how))
    assert np.array_equal(y, np.broadcast_to(x.reshape(tiles, 1, 128, 64), y.shape))


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_cluster(size):
    blocks = 8
    x = words(blocks, 128)
    y = np.zeros((blocks, 128, 3), np.uint32)
    args = [Pointer("x"), Pointer("y")]
    if size == 1:
        with pytest.raises(Fault, match="goes to another block"):
            Kernel("cluster").run(Launch("cluster", blocks, 128, size, 1552), {"x": x, "y": y}, args)
        return
    three_policies(lambda **how: Kernel("cluster").run(
        Launch("cluster", blocks, 128, size, 1552), {"x": x, "y": y}, args, flags=IN_OUT, **how))
    groups = x.reshape(-1, size, 128)
    want = np.stack([np.roll(groups, 1, 1), np.roll(groups, 1, 1), np.roll(groups, -1, 1)[..., ::-1]],
                    -1)
    assert np.array_equal(y.reshape(want.shape), want)


@pytest.mark.parametrize("cut", [0, 8, 1000, 2047])
def test_copy(cut):
    rows = 5
    x = np.random.default_rng(1).integers(0, 256, rows * 2048 - cut, np.uint8)
    y, z = np.zeros(rows * 2048, np.uint8), np.zeros(4096, np.uint8)
    args = [Pointer("x"), Pointer("y"), Pointer("z"), rows, x.size]
    three_policies(lambda **how: Kernel("copy").run(
        Launch("copy", 1, 128, shared=4096 + 8), {"x": x, "y": y, "z": z}, args,
        flags=IN_OUT | {"z": UNDEFINED}, **how))
    assert np.array_equal(y, np.pad(x, (0, cut)))
    # Words 4 bytes each from the first half, then 8 bytes each from half a row on.
    assert np.array_equal(z[:2048], x[:2048]) and np.array_equal(z[2048:], x[1024:3072])


def test_matrix():
    x = np.arange(256, dtype=np.uint16).reshape(16, 16)
    fragments, y = np.zeros((32, 11), np.uint32), np.zeros((3, 16, 16), np.uint16)
    three_policies(lambda **how: Kernel("matrix").run(
        Launch("matrix", 1, 32, shared=2048), {"x": x, "fragments": fragments, "y": y},
        [Pointer("x"), Pointer("fragments"), Pointer("y")],
        flags=IN_OUT | {"fragments": UNDEFINED}, **how))
    quarters = [x[:8, :8], x[8:, :8], x[:8, 8:], x[8:, 8:]]
    lanes = [np.ascontiguousarray(q).view(np.uint32).reshape(32) for q in quarters]
    turned = [np.ascontiguousarray(q.T).view(np.uint32).reshape(32) for q in quarters]
    assert np.array_equal(fragments, np.stack([*lanes, *turned, *lanes[:2], lanes[0]], 1))
    q = quarters
    assert np.array_equal(y[0], np.block([[q[0].T, q[2].T], [q[1].T, q[3].T]]))
    assert np.array_equal(y[1], np.block([[q[0], q[2].T], [q[1], q[3].T]]))
    assert np.array_equal(y[2], np.block([[q[0], q[0].T], [q[0], q[1]]]))


@pytest.mark.parametrize("rounds", [1, 2, 7])
def test_named(rounds):
    x = words(3, rounds, 64)
    y = np.zeros_like(x)
    three_policies(lambda **how: Kernel("named").run(
        Launch("named", 3, 128, shared=512), {"x": x, "y": y},
        [Pointer("x"), Pointer("y"), rounds], flags=IN_OUT, **how))
    assert np.array_equal(y, x[..., ::-1][..., ::-1].reshape(x.shape)[..., ::-1] + 1)


@pytest.mark.parametrize("rows", [1, 3, 11])
def test_ring(rows):
    blocks = 3
    x = np.random.default_rng(2).integers(-9, 9, (blocks, rows, 128)).astype(np.float32)
    sums, total = np.zeros((blocks, 128), np.float32), np.ones(128, np.float32)
    args = [Pointer("x"), Pointer("sums"), Pointer("total"), rows]
    for policy in (LATE, EARLY, RANDOM):
        total[:] = 1
        Kernel("ring").run(Launch("ring", blocks, 160, shared=4 * 512 + 48),
                           {"x": x, "sums": sums, "total": total}, args, SEEDS, policy,
                           {"x": READ_ONLY, "sums": UNDEFINED})
        assert np.array_equal(sums, x.sum(1)) and np.array_equal(total, 1 + x.sum((0, 1)))


@pytest.mark.parametrize("blocks", [1, 2, 7])
def test_grid(blocks):
    buffers = {"barrier": np.zeros(2, np.uint32), "parts": np.zeros(blocks, np.uint32),
               "chain": np.zeros(blocks, np.uint64), "total": np.zeros(1, np.uint32),
               "y": np.zeros((blocks, 2), np.uint32)}
    fresh = {name: array.copy() for name, array in buffers.items()}
    parts = 2016 * np.arange(1, blocks + 1)
    for policy in (LATE, RANDOM):
        for name in buffers:
            buffers[name][...] = fresh[name]
        Kernel("grid").run(Launch("grid", blocks, 64, shared=16, cooperative=True), buffers,
                           [Pointer(name) for name in buffers], SEEDS, policy)
        assert buffers["total"][0] == parts.sum()
        assert np.array_equal(buffers["y"], np.stack([np.full(blocks, parts.sum()),
                                                      np.cumsum(parts)], 1))


def test_pdl():
    x, middle, y = words(256), np.zeros(256, np.uint32), np.zeros(256, np.uint32)
    three_policies(lambda **how: Kernel("pdl").run(
        [Launch("pdl_first", 4, 64), Launch("pdl_second", 4, 64, pdl=True)],
        {"x": x, "middle": middle, "y": y}, [Pointer("x"), Pointer("middle"), Pointer("y")],
        flags=IN_OUT, **how))
    assert np.array_equal(y, x[np.arange(256) ^ 64] * np.uint32(3) + np.uint32(1))


def test_warp():
    x = words(64) >> np.uint32(np.random.default_rng(3).integers(0, 30))
    y = np.zeros((64, 10), np.uint32)
    three_policies(lambda **how: Kernel("warp").run(
        Launch("warp", 1, 64), {"x": x, "y": y}, [Pointer("x"), Pointer("y")], flags=IN_OUT, **how))
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    lane = np.arange(32)
    for w in range(2):
        v, got = x[32 * w:32 * w + 32], y[32 * w:32 * w + 32].T
        assert np.array_equal(got[0], v[(lane + 5) % 32])
        assert np.array_equal(got[1], v[lane ^ 9])
        assert (got[2] == bits[v % 3 == 0].sum(dtype=np.uint32)).all()
        assert np.array_equal(got[3], [bits[v % 4 == u % 4].sum(dtype=np.uint32) for u in v])
        for k, value in enumerate((v.max(), v.min(), v.sum(dtype=np.uint32),
                                   np.bitwise_or.reduce(v), np.bitwise_and.reduce(v))):
            assert (got[4 + k] == value).all()
        assert got[9].sum() == 1


@pytest.mark.parametrize("stride, width, conflicts", [
    (1, 4, 0), (2, 4, 1), (8, 4, 7), (32, 4, 31), (33, 4, 0), (4, 16, 0), (8, 16, 4), (2, 8, 0),
    (64, 8, 30), (0, 4, 0)])
def test_bank_conflicts(stride, width, conflicts):
    """Passes beyond the least, of a read; a write takes as many. Words of one address: one pass."""
    y = np.zeros(128, np.uint32)
    if stride == 0:
        with pytest.raises(Fault, match="writes shared"):
            Kernel("bank", options=["-DSTRIDE=0", "-DWIDTH=4"]).run(
                Launch("bank", 1, 32, shared=16), {"y": y}, [Pointer("y")])
        return
    kernel = Kernel("bank", options=[f"-DSTRIDE={stride}", f"-DWIDTH={width}"])
    launch = Launch("bank", 1, 32, shared=4 * stride * 31 + 16)
    _, counted = kernel.run(launch, {"y": y}, [Pointer("y")])
    assert counted == 2 * conflicts
