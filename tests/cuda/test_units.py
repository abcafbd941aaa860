"""Operations along an axis, elements of tiles and fused phases, in units of all sizes: a part of a warp
has the lanes that it has, and threads share no tile."""
import numpy as np
import pytest

from runs import Program

KERNEL = """
kernel k[N: dim](x: in f32[N, 96], y: out f32[N, 96])
{
  par (n in 0..N) {
    let v = x[n, :];
    %s
  }
}
schedule k for sm90, sm100 { unit %s; }
"""
UNITS = ["lanes(2)", "lanes(4)", "lanes(8)", "lanes(16)", "thread", "thread pack(32)", "warp", "block warps(3)"]
BODIES = {
    "topk": "let (a, b) = topk(v, 7, 0);  y[n, :] = concat(a, f32(b), v[14 +: 82]);",
    "argmax": "y[n, :] = v + f32(argmax(v, 0));",
    "softmax": "y[n, :] = softmax(v, 0);",
    "tree": "y[n, :] = v + sum(v, 0, order = tree);",
    "cumsum": "y[n, :] = f32(cumsum(i32(v), 0)) + f32(cumsum(i32(v), 0, exclusive = true));",
    "cummax": "y[n, :] = cummax(v, 0);",
    "gather": "y[n, :] = v[iota(96) * 5 % 97];",
    "slice": "y[n, :] = v[i64(i32(v[3])) +: 96];",
    "element": "y[n, :] = v * v[i64(i32(v[3])) & 63];",
    "sizes": "let b = i8(i32(v));  let i = i32(v) & 63;  y[n, :] = v[i] + f32(i32(b[i]));",
}


@pytest.mark.parametrize("body", BODIES)
def test_units_of_all_sizes(tilec, tmp_path, body):
    x = (np.random.default_rng(2).normal(size=(70, 96)) * 9).astype(np.float32)
    for unit in UNITS:
        Program(tilec, tmp_path, KERNEL % (BODIES[body], unit), {"x": x}, ["y"]).check(3)


PHASES = """
kernel k[N: dim](x: in f32[N, 64], y: out f32[N, 64]) scratch (z: inout f32[N, 64])
{
  @a par (n in 0..N by 2) { z[n +: 2, :] = x[n +: 2, :] * 2.0; }
  @b par (n in 0..N) { y[n, :] = z[N - 1 - n, :] + sum(z[n, :], 0, order = tree); }
}
schedule k for sm90, sm100 { grid fuse;  %s }
"""


FUSED = ["unit warp pack(4);", "unit thread;", "unit thread pack(32);  phase a { unit warp; }",
         "phase b { unit thread pack(128); }", "phase a { unit warp pack(4); }"]


@pytest.mark.parametrize("units", FUSED)
def test_fused_phases(tilec, tmp_path, units):
    x = (np.random.default_rng(2).normal(size=(300, 64)) * 9).astype(np.float32)
    Program(tilec, tmp_path, PHASES % units, {"x": x}, ["y"]).check(4)


@pytest.mark.parametrize("unit", ["warp pack(2)", "lanes(4)", "thread"])
def test_grid_sync_has_one_program_a_block(tilec, tmp_path, unit):
    (tmp_path / "t.tile").write_text("""
kernel k(y: inout f32[3])
{
  par (p in 0..3) { y[p] = 1.0;  grid_sync();  y[p] = y[2 - p]; }
}
schedule k { unit %s; }
""" % unit)
    done = tilec("emit", tmp_path / "t.tile", "--arch", "sm90", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "t.tile:4:3: error: a phase with grid_sync or exchange has one program a block\n" in done.stderr


@pytest.mark.parametrize("text", [
    "if v[0] > 0.0 { continue; }\n      y[n, k +: 32] = v - amax(v, 0);",
    "if v[0] > 0.0 { y[n, k +: 32] = v - amax(v, 0); }"])
def test_programs_of_a_warp_come_apart(tilec, tmp_path, text):
    """A shuffle that some of them skip and that others wait at, while those are elsewhere."""
    kernel = """
kernel k[N: dim](x: in f32[N, 96], y: inout f32[N, 96])
{
  par (n in 0..N) {
    for k in 0..96 by 32 {
      let v = x[n, k +: 32];
      %s
    }
  }
}
schedule k { unit %s; }
"""
    x = np.random.default_rng(2).normal(size=(40, 96)).astype(np.float32)
    Program(tilec, tmp_path, kernel % (text, "warp"), {"x": x, "y": x}, ["y"]).check(2)
    (tmp_path / "t.tile").write_text(kernel % (text, "lanes(8)"))
    done = tilec("emit", tmp_path / "t.tile", "--arch", "sm90", "-o", tmp_path / "out")
    assert done.returncode == 1 and "t.tile:7:7: error: unit lanes(8): programs of one warp may differ" in done.stderr


@pytest.mark.parametrize("behind, wrong", [("a + squeeze(amax(x[n, :], 0))", True), ("a", False)])
def test_programs_of_a_warp_differ_in_rounds(tilec, tmp_path, behind, wrong):
    """Those that are through wait at another shuffle; where there is none, they have ended."""
    kernel = """
kernel k[N: dim](x: in f32[N, 96], c: in i32[N], y: out f32[N])
{
  par (n in 0..N) {
    var a = 0.0;
    for k in 0..c[n] { a = a + squeeze(sum(x[n, 32 * k +: 32], 0)); }
    y[n] = %s;
  }
}
schedule k { unit %s; }
""" % (behind, "%s")
    x = np.random.default_rng(2).normal(size=(40, 96)).astype(np.float32)
    rounds = (np.arange(40) % 4).astype(np.int32)
    Program(tilec, tmp_path, kernel % "warp", {"x": x, "c": rounds}, ["y"]).check(2)
    (tmp_path / "t.tile").write_text(kernel % "lanes(8)")
    done = tilec("emit", tmp_path / "t.tile", "--arch", "sm90", "-o", tmp_path / "out")
    assert (done.returncode == 1) == wrong
    assert ("t.tile:6:5: error: unit lanes(8): programs of one warp may differ" in done.stderr) == wrong
