"""Tensor memory: which word a load, a store or a copy moves where, by CUTLASS's traits (layouts.py)."""
import numpy as np
import pytest
from layouts import COPIES, image, registers, strides
from machine import RANDOM, READ_ONLY, UNDEFINED, Kernel, Launch, Pointer

SHAPES = [("32x32b", n) for n in (1, 2, 4, 8, 16, 32, 64, 128)]
SHAPES += [("16x64b", n) for n in (1, 2, 4, 8, 16, 32, 64, 128)]
SHAPES += [("16x128b", n) for n in (1, 2, 4, 8, 16, 32, 64)] + [("16x256b", n) for n in (1, 2, 4, 8, 16, 32)]


def columns_of(shape, count, pack):
    return max(2, (int(registers(shape, count)[1].max()) + 1) * (2 if pack else 1))


def options(shape, count, pack, copy):
    words = registers(shape, count)[0].shape[1]
    made = ["-DLANES_ARE_MADE"] if (shape, count) == ("32x32b", 2) else []
    return [f"-DSHAPE={shape}", f"-DCOUNT={count}", f"-DWORDS={words}",
            f"-DCOLUMNS={columns_of(shape, count, pack)}", f"-DPACKED={pack}", f"-DCOPY={copy}", *made]


def run(shape="16x256b", count=1, pack=0, copy="32x128b", source=None, descriptor=(0, 128, 0)):
    lane, columns = registers(shape, count)[0], columns_of(shape, count, pack)
    halves = 1 if shape == "32x32b" else 2
    random = np.random.default_rng(count)
    rows, bytes, _ = COPIES[copy]
    if source is None:
        source = np.zeros(4096, np.uint8)
    buffers = {"x": random.integers(0, 1 << 32, (128, columns), np.uint32),
               "registers": random.integers(0, 1 << 32, (halves, 4, *lane.shape), np.uint32),
               "source": source, "loaded": np.zeros((halves, 4, *lane.shape), np.uint32),
               "stored": np.zeros((128, columns), np.uint32),
               "copied": np.zeros((128, bytes // 4), np.uint32)}
    Kernel("tmem", options=options(shape, count, pack, copy)).run(
        Launch("tmem", 1, 128, shared=4112), buffers,
        [*map(Pointer, buffers), int(halves == 2), bytes // 4, *descriptor], (0, 2), RANDOM,
        {name: READ_ONLY for name in ("x", "registers", "source")} |
        {name: UNDEFINED for name in ("loaded", "stored", "copied")})
    return buffers


@pytest.mark.parametrize("pack", [0, 1])
@pytest.mark.parametrize("shape, count", SHAPES)
def test_loads_and_stores(shape, count, pack):
    b = run(shape, count, pack)
    lane, column = registers(shape, count)
    stored = b["x"].copy()
    for half, quarter in np.ndindex(b["loaded"].shape[:2]):
        at = 32 * quarter + 16 * half + lane
        new = b["registers"][half, quarter]
        if pack:        # 16 bits of two columns
            low, high = b["x"][at, 2 * column] & 0xFFFF, b["x"][at, 2 * column + 1] & 0xFFFF
            assert np.array_equal(b["loaded"][half, quarter], low | high << 16)
            stored[at, 2 * column], stored[at, 2 * column + 1] = new & 0xFFFF, new >> 16
        else:
            assert np.array_equal(b["loaded"][half, quarter], b["x"][at, column])
            stored[at, column] = new
    assert np.array_equal(b["stored"], stored)


@pytest.mark.parametrize("swizzle", [0, 32, 64, 128])
@pytest.mark.parametrize("shape", COPIES)
def test_copies(shape, swizzle):
    rows, bytes, lane_of = COPIES[shape]
    if rows * max(swizzle, bytes) > 4096:
        pytest.skip("the source would not fit the kernel's shared memory")
    words = np.random.default_rng(1).integers(0, 1 << 32, (rows, bytes // 4), np.uint32)
    stride, lead, _ = strides(rows, "k", swizzle, 4, bytes // 4)
    source = image(words, "k", swizzle, 4, stride, lead, 4096)
    copied = run(copy=shape, source=source, descriptor=(lead, stride, swizzle))["copied"]
    want = np.zeros((128, bytes // 4), np.uint32)
    for again in range(128 // rows):
        for row in range(rows):
            want[lane_of(row, again)] = words[row]
    assert np.array_equal(copied, want)
