"""Every kernel that is emitted, on the machine and in the interpreter: equal bits, no fault. The cases
are those of tests/gpu/compare.py."""
import importlib.util
import itertools
import os

import numpy as np
import pytest
from machine import ROOT

LEVEL = int(os.environ.get("TILE_TEST_LEVEL", "1"))


def cases():
    spec = importlib.util.spec_from_file_location("compare", ROOT / "tests" / "gpu" / "compare.py")
    compare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(compare)
    compare.TILEC = os.environ.get("TILEC", str(ROOT / "build" / "tilec"))
    compare.PLAN = ["--plan", "sm90"]
    found = list(itertools.chain(compare.casts(), compare.transposes(), compare.mhc(), compare.e5m6(),
                                 compare.swiglu(), compare.norms(), compare.routing()))
    for case in found:
        case.file = str(ROOT / case.file)
    return found


CASES = cases()
FIRST = {}
for i, case in enumerate(CASES):
    if 0 not in next(iter(case.inputs.values())).shape:
        FIRST.setdefault((case.file, case.kernel), i)


def seeds(i):
    """The first case of a kernel takes many orders, the others one of each policy."""
    return range(21) if LEVEL > 1 or i in FIRST.values() else range(3)


@pytest.mark.parametrize("i", range(len(CASES)), ids=lambda i: CASES[i].name.replace(" ", "-"))
def test_emitted(i, tmp_path):
    case = CASES[i]
    assert case.run(tmp_path, "cpu", ["--plan", "sm90"]) is None
    for seed in seeds(i):
        wrong = case.run(tmp_path, "machine", ["--machine", "sm90", "--seed", str(seed)])
        assert wrong is None, wrong
        for name in case.outputs:
            a, b = (np.load(tmp_path / f"{where}.{name}.npy") for where in ("cpu", "machine"))
            assert np.array_equal(a.view(np.uint8), b.view(np.uint8)), (seed, name)


@pytest.fixture
def run(tilec, tmp_path):
    """Runs a kernel of a text on an f32 vector x of 256, on the machine."""
    def run_(text, *options):
        (tmp_path / "t.tile").write_text(text)
        np.save(tmp_path / "x.npy", np.arange(256, dtype=np.float32))
        return tilec("run", tmp_path / "t.tile", "-i", f"x={tmp_path / 'x.npy'}", "-o",
                     f"y={tmp_path / 'y.npy'}", *options)
    return run_


KERNEL = """kernel k[N: dim](x: in f32[N], y: out f32[N])
{
  par (n in 0..N by 64) { y[n +: 64] = x[n +: 64] * 2.0; }
}
schedule k for sm90, sm100 { unit warp; }
"""


@pytest.mark.parametrize("arch", ["sm90", "sm100"])
def test_run(run, tmp_path, arch):
    done = run(KERNEL, "--machine", arch)
    assert (done.returncode, done.stderr) == (0, "")
    assert np.array_equal(np.load(tmp_path / "y.npy"), 2 * np.arange(256, dtype=np.float32))


def test_wrong_options(run):
    done = run(KERNEL, "--machine", "sm80")
    assert done.returncode == 2 and "write --machine sm90|sm100" in done.stderr


def test_a_race_of_programs_is_named(run):
    """The report has the line of the .tile file and the seed that brings it back."""
    text = KERNEL.replace("y[n +: 64] = x[n +: 64] * 2.0;", "y[0 +: 64] = x[n +: 64];")
    done = run(text, "--machine", "sm90", "--seed", "4")
    assert done.returncode == 1
    assert "t.tile:3: race: block " in done.stderr and "writes y+0x" in done.stderr
    assert "of block" in done.stderr and "at t.tile:3, and nothing orders the two" in done.stderr
    assert "seed 4 (early completion) replays" in done.stderr


def test_without_a_compiler(run, monkeypatch):
    monkeypatch.setenv("TILE_CC", "no-such-compiler")
    done = run(KERNEL.replace("2.0", "3.0"), "--machine", "sm90")
    assert done.returncode == 1 and "no-such-compiler: cannot be run" in done.stderr
