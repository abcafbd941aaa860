"""The same calls on the machine model, which runs the emitted code, and in the interpreter: same bytes.

Here it shows that what the engine puts into the args struct, and the grids, are what the kernel means.
"""
import numpy as np
import pytest

from built import CASES, ROOT

RNG = np.random.default_rng(11)
QUANT = ROOT / "kernels.tile" / "quant" / "per_token_cast.tile"


@pytest.fixture
def both(driver, tmp_path):
    """both("cast", arguments.., saves=[1]): the bytes of tensors after the call, on either."""
    def run(kernel, *arguments, saves, file=CASES, scratch=None):
        results = []
        for context in ("cpu", "machine"):
            words = ["program", file, "context", context]
            words += ["scratch", scratch] if scratch else []
            words += ["call", kernel, *arguments, "end", "wait"]
            for i in saves:
                words += ["save", i, tmp_path / f"out{i}"]
            done = driver(*words, "free")
            assert done.one("call") == "TILE_OK", done.text
            results.append([(tmp_path / f"out{i}").read_bytes() for i in saves])
        return results
    return run


@pytest.fixture
def fill(tmp_path):
    def write(name, array):
        path = tmp_path / f"{name}.bytes"
        path.write_bytes(np.ascontiguousarray(array).tobytes())
        return f":fill={path}"
    return write


def f32(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def bf16(*shape):
    return (f32(*shape).view(np.uint32) >> 16).astype(np.uint16)


@pytest.mark.parametrize("m, k, pitch, plus", [(5, 256, 256, 0), (3, 400, 403, 0), (4, 128, 128, 2)])
@pytest.mark.parametrize("y", ["float8_e4m3fn:{}x{}", "float4_e2m1fn:{}x{}"])
def test_cast(both, fill, m, k, pitch, plus, y):
    g = -(-k // 128)
    x = f"bfloat16:{m}x{k}:s={pitch},1" + fill("x", bf16(m, pitch)) + (f":plus={plus}" if plus else "")
    pad = -(-m // 4) * 4
    cpu, machine = both("cast", x, y.format(m, k), f"float32:{m}x{g}:s=1,{pad}", "i=128", "i=1",
                        "f=1e-4", saves=[1, 2])
    assert cpu == machine


@pytest.mark.parametrize("sf", ["float32:6x8", "float8_e8m0fnu:6x8", "uint8:6x8:s=1,16",
                                "int32:6x2:s=1,8"])
def test_the_per_token_cast(both, fill, sf):
    pow2 = not sf.startswith("float32")
    cpu, machine = both("per_token_cast", "float32:6x1000" + fill("x", f32(6, 1000)),
                        "float8_e4m3fn:6x1000", sf, "i=128", f"i={int(pow2)}", saves=[1, 2], file=QUANT)
    assert cpu == machine


def test_alias(both, fill):
    cpu, machine = both("scale", "float32:300" + fill("x", f32(300)), "float32:300:at=0+0", "f=3",
                        saves=[0])
    assert cpu == machine


@pytest.mark.parametrize("w", [False, True])
@pytest.mark.parametrize("r", [0, 1, 2])
def test_optional_tensors_and_scalars(both, fill, w, r):
    ids, flags = np.array([0, 5, 2, 3, 4, 1], np.int32), np.array([1, 0, 1, 1, 0, 1], np.uint8)
    cpu, machine = both("pick", "float32:6x5" + fill("x", f32(6, 5)),
                        "float32:4" + fill("w", f32(4)) if w else "null", "int32:6" + fill("i", ids),
                        "uint8:6" + fill("f", flags), "float32:6x6" + fill("y", f32(6, 6)), f"i={r}",
                        "i=2", "i=250", saves=[4 if w else 3])
    assert cpu == machine


def test_table(both, fill):
    entries = [f"float32:70x4" + fill(f"e{i}", f32(70, 4)) for i in range(5)]
    cpu, machine = both("add_all", "[", *entries, "]", "float32:70x4", saves=[5])
    assert cpu == machine


def test_strides(both, fill):
    x = np.arange(24, dtype=np.int32)
    cpu, machine = both("cube", "int32:2x3x4:s=4,8,1" + fill("x", x), "int32:4x2x3", saves=[1])
    assert cpu == machine


def test_listed_dims(both, fill):
    cpu, machine = both("fixed", "float32:3x8" + fill("x", f32(3, 8)), "float32:3x12", "i=4", saves=[1])
    assert cpu == machine


def test_scratch_and_grid_sync(both, fill, tmp_path):
    """With few programs: the model holds each thread of a grid that meets."""
    few = tmp_path / "few.tile"
    few.write_text(CASES.read_text().replace("let P = grid.resident;", "let P = min(grid.resident, 3);"))
    x = f32(40, 32)
    cpu, machine = both("sums", "float32:40x32" + fill("x", x), "float32:32", "float32:32",
                        saves=[1, 2], file=few, scratch=4096)
    assert cpu == machine
