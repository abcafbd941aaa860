"""Tensor maps in the args struct: what the driver is asked to make of a call's tensors, how often, and which calls
go without."""
import re

import pytest

from built import build_library
from test_memory import counting  # noqa: F401

TEXT = """
kernel move[M: dim, N: dim](x: in bf16[M, N] @ stride(any, 1), y: out bf16[M, N])
{
  par (m in 0..M by 8, n in 0..N by 64) {
    y[m +: 8, n +: 64] = bf16(2.0 * f32(x[m +: 8, n +: 64]));
  }
}
schedule move for sm90 { load x via tma;  store y via tma; }
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    (folder / "move.tile").write_text(TEXT)
    build_library(folder, "move", folder / "move.tile", arch="sm90")
    return folder / "libmove.so"


def calls_of(*tensors, number=1):
    return ["call", "move", *tensors, "end"] * number


@pytest.fixture
def move(driver, library):
    def run(*words, **variables):
        return driver("library", library, "context", 0, *words, "free", **variables)
    return run


def test_what_a_map_says(move):
    done = move(*calls_of("bfloat16:20x200:s=256,1", "bfloat16:20x200"), FAKE_ARGS=512)
    assert done.one("call") == "TILE_OK"
    at = done.addresses()
    i = [i for i, line in enumerate(done.log) if line.startswith("cuTensorMapEncodeTiled")]
    assert len(i) == 2 and done.calls("cuModuleLoadData") == ["cuModuleLoadData"]
    for k, pitch in enumerate((512, 400)):
        assert done.log[i[k]] == (f"cuTensorMapEncodeTiled type=1 rank=2 at={at[k]:#x} swizzle={swizzle(done, i[k])} "
                                  "promotion=2 fill=0 interleave=0")
        assert done.log[i[k] + 1] == "dim 0: extent=200 stride=0 box=64 step=1"
        assert done.log[i[k] + 2] == f"dim 1: extent=20 stride={pitch} box=8 step=1"


def swizzle(done, i):
    return re.search(r"swizzle=(\d)", done.log[i])[1]


def test_equal_calls_make_maps_once(move):
    done = move("bench", 20, "move", "bfloat16:24x200", "bfloat16:24x200", "end")
    assert done.of("bench") == ["TILE_OK"] and len(done.calls("cuTensorMapEncodeTiled")) == 2


def test_other_shapes_make_others(move):
    """More than there are places for: some are made again."""
    shapes = [f"bfloat16:{m}x200" for m in range(1, 301)]
    done = move(*(word for s in shapes for word in calls_of(s, s)), *calls_of(shapes[-1], shapes[-1]))
    assert done.of("call") == ["TILE_OK"] * 301 and len(done.calls("launch")) == 301
    assert len(done.calls("cuTensorMapEncodeTiled")) >= 600


@pytest.mark.parametrize("x, y", [
    ("bfloat16:20x200:s=204,1", "bfloat16:20x200"), ("bfloat16:20x201:s=208,1", "bfloat16:20x201"),
    ("bfloat16:20x200:plus=8", "bfloat16:20x200"), ("bfloat16:20x200", "bfloat16:20x200:plus=2")])
def test_calls_without_maps(move, x, y):
    """Strides and addresses that no tensor copy takes: the code in which threads move the tiles."""
    done = move(*calls_of(x, y))
    assert done.one("call") == "TILE_OK" and not done.calls("cuTensorMapEncodeTiled")
    assert done.calls("cuModuleLoadData") == ["cuModuleLoadData unaligned"]


def test_empty(move):
    done = move(*calls_of("bfloat16:0x200", "bfloat16:0x200"))
    assert done.one("call") == "TILE_OK" and not done.calls("cuTensorMapEncodeTiled")


def test_a_map_may_fail(move):
    done = move(*calls_of("bfloat16:20x200", "bfloat16:20x200"), FAKE_FAIL="cuTensorMapEncodeTiled=1")
    assert done.one("call").startswith("TILE_ERR_VALUE making a tensor map of rank 2 for 0x")
    assert not done.calls("launch")


def test_the_warm_path(driver, library, counting):  # noqa: F811
    words = ["move", "bfloat16:20x200", "bfloat16:20x200", "end"]
    done = driver("library", library, "context", 0, "sealed", 1000, *words, "free", FAKE_LOG=None)
    assert done.one("sealed") in ("exit 0", "exit 77")
    counts = []
    for n in (2, 50):
        done = driver("library", library, "context", 0, "bench", n, *words, "free", FAKE_LOG=None,
                      COUNT_IN=library.name, LD_PRELOAD=counting)
        counts.append(re.search(r"counted: allocations (\d+), locks (\d+)", done.errors).groups())
    assert counts[0] == counts[1]


def test_without_memory_nothing_is_kept(driver, library, counting):  # noqa: F811
    """Each allocation fails in turn: the call says so, or makes its maps again the next time."""
    words = calls_of("bfloat16:20x200", "bfloat16:20x200", number=2)
    for n in range(1, 15):
        done = driver("library", library, "context", 0, *words, "free", FAIL_AT=n, COUNT_IN=library.name,
                      LD_PRELOAD=counting)
        if done.one("context") == "TILE_OK":
            first, second = done.of("call")
            assert second == "TILE_OK" and (first == "TILE_OK" or first.startswith("TILE_ERR_MEMORY ")), n
        assert "0 contexts, 0 modules, 0 allocations" in done.log[-1] or done.one("context") != "TILE_OK"


def test_many_threads(driver, library):
    done = driver("library", library, "context", 0, "threads", 16, "move", "bfloat16:20x200", "bfloat16:20x200", "end",
                  "free")
    assert done.one("threads") == "0 failed" and len(done.calls("launch")) == 16
