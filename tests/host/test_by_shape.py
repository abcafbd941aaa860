"""Schedules that the call chooses: the same choice by the engine, for scratch, on the CPU, on demand."""
import re
import subprocess

import numpy as np
import pytest

from built import ROOT, TILEC, build_library, clean_environment, sanitized
from test_launches import decode

SHAPES = ROOT / "tests" / "host" / "by_shape.tile"
X = [f"float32:{n}x64" for n in (5, 6000, 20, 5)]
ENTRY = "launch tk_rows on 0 grid="

# N, k: the mark that the schedule leaves, programs, threads of a block, of sm90.
CASES = [(5, 1, 1, 2), (8, 1, 1, 2), (8, 3, 3, 16), (9, 1, 3, 16), (6000, 2, 2, 1500), (6000, 60, 3, 16),
         (101, 1, 2, 26), (100, 1, 3, 16), (40000, 1, 2, 132 * 64)]


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    build_library(folder, "shapes", SHAPES)
    return folder / "libshapes.so"


@pytest.fixture(scope="session")
def emitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emitted")
    subprocess.run([TILEC, "emit", SHAPES, "--arch", "sm90", "-o", folder], check=True,
                   env=clean_environment(ASAN_OPTIONS="detect_leaks=0"))
    return folder


@pytest.fixture(params=["library", "program"])
def call(driver, library, request):
    """A kernel of the library, and the same on demand."""
    file = library if request.param == "library" else SHAPES

    def run(kernel, *arguments, context=0, first=(), then=("free",), **variables):
        return driver(request.param, file, "context", context, *first, "call", kernel, *arguments, "end",
                      *then, **variables)
    return run


def scratch_of(p):
    return p * 64 * 4


@pytest.mark.parametrize("n, k, mark, p", CASES)
def test_the_first_that_holds_is_taken(call, emitted, n, k, mark, p):
    done = call("rows", f"float32:{n}x64", f"float32:{n}", f"i={k}", first=("scratch", scratch_of(p)),
                FAKE_ARGS=200)
    assert done.one("call") == "TILE_OK"
    name = {1: "when-N-le-8-and-k-ne-3", 2: "when-N-by-k-gt-100", 3: "else"}[mark]
    args = decode(emitted, f"rows.64.{name}", done)
    assert args["N"] == n
    grid, block = re.search(r"grid=(\d+),1,1 block=(\d+),", done.calls("launch")[0]).groups()
    assert (int(grid), int(block)) == {1: (1, 128), 2: (p, 32), 3: (16, 64)}[mark]
    assert mark != 2 or args["P"] == p


@pytest.mark.parametrize("n, k, mark, p", CASES)
def test_the_size_of_the_scratch_is_that_of_the_choice(call, n, k, mark, p):
    arguments = ["rows", f"float32:{n}x64", f"float32:{n}", f"i={k}"]
    done = call(*arguments, first=("scratch", scratch_of(p) - 256))
    assert done.one("call") == (f"TILE_ERR_SCRATCH rows: the scratch has {scratch_of(p) - 256} bytes, it "
                                f"needs {scratch_of(p)}")
    done = call(*arguments, then=("need", *arguments, "end", "free"), first=("scratch", scratch_of(p)))
    assert done.one("call") == "TILE_OK" and done.one("need") == f"TILE_OK {scratch_of(p)}"


def test_the_other_target(call):
    done = call("rows", "float32:20x64", "float32:20", "i=1", first=("scratch", scratch_of(16)),
                FAKE_CAPABILITY=100)
    assert " grid=16,1,1 block=128," in done.calls("launch")[0]


def test_what_statics_decide_is_decided_while_compiling(call, library):
    small, large = ["still", "float32:5x64", "float32:5"], ["still", "float32:5x128", "float32:5"]
    assert " block=32," in call(*small).calls("launch")[0]
    assert " block=128," in call(*large).calls("launch")[0]
    assert " block=32," in call("still", "float32:101x128", "float32:101").calls("launch")[0]
    text = (library.parent / "shapes.h").read_text()
    assert "tk_still(" in text


def test_only_one_schedule_has_scratch(call):
    done = call("some", "float32:4", "float32:4", first=("scratch", 256))
    assert " cooperative=1" in done.calls("launch")[0] and done.one("call") == "TILE_OK"
    done = call("some", "float32:4", "float32:4")
    assert done.one("call") == "TILE_ERR_NULL some: the scratch is null; it needs 256 bytes"
    done = call("some", "float32:5", "float32:5")
    assert done.one("call") == "TILE_OK" and " cooperative=1" not in done.calls("launch")[0]


def test_a_condition_that_cannot_be_computed(call):
    done = call("rows", "float32:20x64", "float32:20", "i=0", first=("scratch", 1 << 20))
    assert done.one("call") == "TILE_ERR_VALUE rows: `when` of its schedule: division by zero"
    assert done.calls("launch") == []
    # It is not asked where an earlier one holds.
    done = call("rows", "float32:8x64", "float32:8", "i=0", first=("scratch", 1 << 20))
    assert done.one("call") == "TILE_OK"


def test_shapes_are_checked_whatever_is_taken(call):
    done = call("rows", "float32:20x64", "float32:5", "i=1", first=("scratch", 1 << 20))
    assert done.one("call") == "TILE_ERR_SHAPE rows: y: axis 0 is 5, N is 20 (from x)"


@pytest.mark.parametrize("n, k, mark", [(5, 1, 1), (9, 1, 3), (210, 2, 2)])
def test_on_the_cpu_as_tilec_run(call, tmp_path, n, k, mark):
    x = np.arange(n * 64, dtype=np.float32).reshape(n, 64) % 13
    (tmp_path / "x").write_bytes(x.tobytes())
    done = call("rows", f"float32:{n}x64:fill={tmp_path / 'x'}", f"float32:{n}", f"i={k}", context="cpu",
                first=("scratch", 1 << 16), then=("save", 1, tmp_path / "y", "free"))
    assert done.one("call") == "TILE_OK"
    y = np.frombuffer((tmp_path / "y").read_bytes(), np.float32)[:n]
    assert (y == x.sum(1) + mark).all()
    np.save(tmp_path / "x.npy", x)
    for more in ([], ["--plan", "sm90"], ["--machine", "sm90"]):
        subprocess.run([TILEC, "run", SHAPES, "rows", "-i", f"x={tmp_path / 'x.npy'}", "-s", f"k={k}",
                        "-o", f"y={tmp_path / 'y.npy'}", *more], check=True,
                       env=clean_environment(ASAN_OPTIONS="detect_leaks=0"))
        assert (np.load(tmp_path / "y.npy") == y).all()


def test_the_warm_path_asks_the_system_nothing(driver, library):
    done = driver("library", library, "context", 0, "scratch", 1 << 16, "sealed", 1000, "rows",
                  "float32:20x64", "float32:20", "i=1", "end", "free", FAKE_LOG=None)
    if done.one("sealed") == "exit 77":
        pytest.skip("no seccomp here")
    assert done.one("sealed") == "exit 0"


@pytest.mark.skipif(sanitized(), reason="times")
def test_a_choice_costs_next_to_nothing(driver, library):
    done = driver("library", library, "context", 0, "scratch", 1 << 16, "bench", 2000, "rows",
                  "float32:20x64", "float32:20", "i=1", "end", "free", FAKE_LOG=None)
    ns = re.fullmatch(r"(\d+) bare (\d+)", done.one("ns"))
    print(done.one("ns"))
    assert int(ns[1]) - int(ns[2]) < 3000
