"""Programmatic dependent launch: where kernels wait and let others start, on the machine model, which
takes every launch with the attribute to run beside those ahead of it until it waits."""
import re

import numpy as np
import pytest

from runs import Program, statements

TWO = """
kernel two[N: dim, D: int = 32](x: in f32[N, D], w: in f32[D], y: out f32[N, D], z: out f32[N])
{
  @rows par (n in 0..N by 4) {
    let v = x[n +: 4, :];
    y[n +: 4, :] = v * 2.0;
  }
  @sums par (n in 0..N%(range)s) {
    %(ahead)s
    let c = w[:];
    let v = y[n, :];
    z[n] = squeeze(sum(v * c, 0));
  }
}
schedule two for sm90, sm100 { %(schedule)s }
"""
STATEMENTS = r"tile_pdl|tile_load|tile_store|return;|continue;"


def two(tilec, tmp_path, schedule="", ahead="", range=""):
    r = np.random.default_rng(1)
    return Program(tilec, tmp_path, TWO % {"schedule": schedule, "ahead": ahead, "range": range},
                   {"x": r.standard_normal((37, 32), np.float32), "w": r.standard_normal(32, np.float32)}, ["y", "z"])


def phases(text):
    return re.split(r"^TILE_KERNEL", text, flags=re.M)[1:]


def shape(text):
    """Waits, loads, stores and launches of each phase in order: "w x:load y:store"."""
    words = []
    for line in statements(re.sub("//.*", "", text), STATEMENTS):
        name = re.search(r"\b(\w+?)_at(?:_\d)?\b|a\.(\w+)", line)
        words.append("wait" if "pdl_wait" in line else "launch" if "pdl_launch" in line
                     else "return" if "return;" in line else "continue" if "continue;" in line
                     else f"{name[1] or name[2]}:{'load' if 'load' in line else 'store'}")
    return " ".join(words)


# ---- where ----

def test_phases_are_chained(tilec, tmp_path):
    """The first is launched plainly, lets the next start behind its last load; that one loads what no
    phase writes ahead of its wait."""
    rows, sums = phases(two(tilec, tmp_path).emitted())
    assert shape(rows) == "x:load launch y:store"
    assert shape(sums) == "w:load wait y:load z:store"
    assert "TILE_CONSTANT" in sums.split("tile_pdl_wait")[0] and "TILE_CONSTANT" not in sums.split("tile_pdl_wait")[1]
    table = (tmp_path / "out" / "t.c").read_text()
    assert re.findall(r'\.entry = "(\w+)".*?(\.pdl = true)?\}', table) == [
        ("tk_two_rows", ""), ("tk_two_sums", ".pdl = true")]


def test_what_loads_nothing_lets_the_next_start_at_once(tilec, tmp_path):
    p = Program(tilec, tmp_path, """
kernel fills[N: dim](x: in f32[N], y: out f32[N], z: out f32[N])
{
  par (n in 0..N by 128) { y[n +: 128] = f32(n + iota(128)); }
  par (n in 0..N by 128) { z[n +: 128] = x[n +: 128] + y[n +: 128]; }
}
""", {"x": np.arange(300, dtype=np.float32)}, ["y", "z"])
    assert [shape(text) for text in phases(p.emitted())] == ["launch y:store", "x:load wait y:load z:store"]
    p.check(6)


@pytest.mark.parametrize("schedule, want", [
    ("pdl wait(load) trigger(last_load);", ["wait x:load launch y:store", "wait w:load y:load launch z:store"]),
    ("phase rows { pdl wait(x); }", ["wait x:load launch y:store", "w:load wait y:load z:store"]),
    ("phase sums { pdl wait(w); }", ["x:load launch y:store", "wait w:load y:load z:store"]),
    ("phase sums { pdl trigger(last_load); }", ["x:load launch y:store", "w:load wait y:load launch z:store"]),
])
def test_what_waits(tilec, tmp_path, schedule, want):
    program = two(tilec, tmp_path, schedule)
    assert [shape(phase) for phase in phases(program.emitted())] == want


def test_what_waits_is_not_read_as_constant(tilec, tmp_path):
    text = two(tilec, tmp_path, "pdl wait(load);").emitted()
    assert "TILE_CONSTANT" not in text
    assert "TILE_CONSTANT" in two(tilec, tmp_path, "pdl wait(w);").emitted()


def test_persistent(tilec, tmp_path):
    """Loads go ahead in the first round; the last round lets the next kernel start."""
    text = two(tilec, tmp_path, "pdl wait(y) trigger(last_load);  grid persistent;").emitted()
    sums = phases(text)[1]
    assert shape(sums) == "w:load wait y:load launch z:store wait"
    assert "if (program + tile_blocks() * 1 >= a.programs_1) tile_pdl_launch();" in sums
    all_wait = phases(two(tilec, tmp_path, "pdl wait(load) trigger(last_load);  grid persistent;").emitted())[1]
    assert shape(all_wait) == "wait w:load y:load launch z:store"


def test_early_return(tilec, tmp_path):
    """Also a program that ends early has waited."""
    sums = phases(two(tilec, tmp_path, ahead="if w[0] > 100.0 { continue; }  let e = w[1];  if e > 100.0 { continue; }")
                  .emitted())[1]
    assert shape(sums) == "w:load wait return w:load return w:load y:load z:store"


def test_programs_side_by_side(tilec, tmp_path):
    sums = phases(two(tilec, tmp_path, "phase sums { unit warp pack(4); }").emitted())[1]
    assert shape(sums) == "w:load wait y:load z:store wait"


def test_a_branch_is_not_cut(tilec, tmp_path):
    """The first that waits stands in an else."""
    program = Program(tilec, tmp_path, """
kernel branches[N: dim](x: in i32[N], w: in i32[N], y: out i32[N], z: out i32[N])
{
  @first par (n in 0..N) { y[n] = i32(x[n] * 2); }
  @second par (n in 0..N) {
    var e = 1;
    if w[0] > 5 { e = 2; } else { e = y[n] + 1; }
    z[n] = i32(e);
  }
}
""", {"x": np.arange(70, dtype=np.int32), "w": np.zeros(70, np.int32)}, ["z"])
    assert shape(phases(program.emitted())[1]) == "w:load wait y:load z:store"
    program.check(4)


def test_ragged_ranges_wait(tilec, tmp_path):
    """A range that loads what the phase before wrote."""
    program = Program(tilec, tmp_path, """
kernel ragged[N: dim](x: in i32[N], ends: out i32[N], y: out i32[N])
{
  @first par (n in 0..N) { ends[n] = i32(x[n] * 2); }
  @second par (n in 0..N, m in 0..ends[n] by 2) { if m == 0 { y[n] = i32(ends[n] + 1); } }
}
""", {"x": np.array([0, 3, 1, 0, 7], np.int32)}, ["ends"])
    second = phases(program.emitted())[1]
    assert shape(second).startswith("wait ends:load")
    program.check(4)


def test_unordered_phases_do_not_wait_for_each_other(tilec, tmp_path):
    text = """
kernel apart[N: dim](x: in f32[N], y: out f32[N], z: out f32[N], u: out f32[N])
{
  @a par (n in 0..N by 64) { y[n +: 64] = x[n +: 64]; }
  @b @unordered par (n in 0..N by 32) { z[n +: 32] = x[n +: 32]; }
  @c par (n in 0..N) { u[n] = y[n] + z[n]; }
}
schedule apart for sm90 { phase a { unit block warps(2); }  phase b { unit block warps(1); }  %s }
"""
    x = {"x": np.arange(100, dtype=np.float32)}
    program = Program(tilec, tmp_path, text % "", x, ["u"])
    a, b, c = phases(program.emitted())
    assert shape(a) == "x:load launch y:store"
    assert shape(b) == "x:load z:store wait launch"          # c may not overtake a
    assert shape(c) == "wait y:load z:load u:store"
    program.check(6)


def test_unordered_phases_of_a_kernel_that_starts_early(tilec, tmp_path):
    """b may not touch what the kernel ahead of a may touch, though it need not wait for a."""
    text = """
kernel apart[N: dim](x: in f32[N], y: out f32[N], z: out f32[N])
{
  @a par (n in 0..N by 64) { y[n +: 64] = x[n +: 64]; }
  @b @unordered par (n in 0..N by 32) { z[n +: 32] = x[n +: 32]; }
}
schedule apart for sm90 { phase a { unit block warps(2);  pdl wait(x); }  phase b { unit block warps(1); } }
"""
    program = Program(tilec, tmp_path, text, {"x": np.arange(100, dtype=np.float32)}, ["y", "z"])
    assert [shape(phase) for phase in phases(program.emitted())] == [
        "wait x:load launch y:store", "x:load wait z:store"]
    program.check(4)


# ---- on the machine ----

SCHEDULES = ["", "pdl wait(load) trigger(last_load);", "pdl wait(y) trigger(last_load);  grid persistent;",
             "unit warp pack(4);", "phase sums { unit thread pack(32);  pdl wait(y); }", "grid persistent;",
             "phase sums { unit lanes(8); }", "grid fuse;"]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("ahead", ["", "if w[0] > 0.0 && n > 3 { continue; }"])
def test_machine(tilec, tmp_path, schedule, ahead):
    program = two(tilec, tmp_path, schedule, ahead)
    if ahead:
        program.outputs = ["y"]                              # z is not written everywhere
    program.check()


WAIT = r"tile_pdl_wait\(\);"


@pytest.mark.parametrize("schedule", SCHEDULES[:6])
def test_without_the_wait_the_machine_finds_a_race(tilec, tmp_path, schedule):
    said = two(tilec, tmp_path, schedule).fault((WAIT, "(void)0;"))
    assert "race: " in said and "an earlier kernel writes it" in said or "waits for the grids ahead" in said, said


def test_with_constant_loads_the_machine_finds_them(tilec, tmp_path):
    said = two(tilec, tmp_path).fault(("TILE_PLAIN", "TILE_CONSTANT"))
    assert "constant written: " in said and "reads y+" in said, said


def test_a_phase_that_only_ends_must_wait(tilec, tmp_path):
    """Every program returns before it touches anything: without the wait before it nobody waits."""
    program = two(tilec, tmp_path, ahead="if w[0] < 1e30 { continue; }")
    program.outputs = ["y"]
    program.check(4)
    said = program.fault((WAIT, "(void)0;"))
    assert "wrong launch: no thread of tk_two_sums waits for the grids ahead" in said, said


# ---- what cannot be ----

def test_cooperative(tilec, tmp_path):
    program = two(tilec, tmp_path, "\npdl wait(load);  grid fuse;")
    done = tilec("emit", program.path, "--arch", "sm90", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "t.tile:16:5: error: pdl wait: a kernel with grid fuse is launched cooperatively" in done.stderr
