"""tilec run --machine. That every emitted kernel gives the interpreter's bits there, without a fault,
tests/gpu/test_compare.py sees."""
import ml_dtypes
import numpy as np
import pytest


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


@pytest.mark.parametrize("dtype", ["u8", "i8", "e4m3", "bool"])
def test_bytes_are_of_the_type_that_is_run(tilec, tmp_path, dtype):
    """Not of the one of `instances` that could be passed as bytes."""
    value = "f32(x[n +: 64])" if dtype == "e4m3" else "f32(i32(x[n +: 64]))"
    (tmp_path / "t.tile").write_text(
        "kernel k[N: dim, T: type](x: in T[N], y: out f32[N])\n"
        f"{{ par (n in 0..N by 64) {{ y[n +: 64] = {value}; }} }}\n"
        "instances k { T: { e4m3, f32 }; }\n")
    x = np.arange(120, dtype=np.uint8) % (2 if dtype == "bool" else 120)
    np.save(tmp_path / "x.npy", x.view(np.int8) if dtype == "i8" else x)
    done = tilec("run", tmp_path / "t.tile", "-s", f"T={dtype}", "-i", f"x={tmp_path / 'x.npy'}", "-o",
                 f"y={tmp_path / 'y.npy'}", "--machine", "sm90")
    assert (done.returncode, done.stderr) == (0, "")
    expected = x.view(ml_dtypes.float8_e4m3fn) if dtype == "e4m3" else x
    assert np.array_equal(np.load(tmp_path / "y.npy"), expected.astype(np.float32))


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
    assert (done.returncode, done.stderr) == (1, "tilec: k.sm90.cu: no-such-compiler: cannot be run\n")
