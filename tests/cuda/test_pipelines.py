"""`pipeline k stages(n)`: loads of later rounds are in flight, to registers, or to shared memory by
copies beside the threads. Inputs are small integers: numpy gives the bits."""
import re

import numpy as np
import pytest

import test_directives
from runs import Program, statements

LOOP = """
kernel loop[N: dim, D: int = 64, T: type = f32](x: in T[N, D] @ stride(any, 1), w: in T[N, D], y: out f32[N, D],
  s: out f32[3, D])
{
  par (p in 0..3) {
    var all = fill(0.0, D);
    for t in p..N by 3 {
      let v = f32(x[t, :]);
      %s
      let u = v * f32(w[t, :]);
      y[t, :] = u + sum(v, 0);
      all = all + u;
    }
    s[p, :] = all;
  }
}
schedule loop for sm90, sm100 { %s }
"""
NUMPY = {"f32": np.float32, "u8": np.uint8, "i64": np.int64}


def integers(shape, seed=1, type="f32"):
    low = 0 if type == "u8" else -3
    return np.random.default_rng(seed).integers(low, 4, shape).astype(NUMPY[type])


def loop(tilec, tmp_path, n, schedule, type="f32", skip=False, arch="sm90", d=64):
    more = "if t % 2 == 1 { continue; }" if skip else ""
    x, w = integers((n, d), 1, type), integers((n, d), 2, type)
    p = Program(tilec, tmp_path, LOOP % (more, schedule), {"x": x, "w": w}, ["s"] if skip else ["y", "s"],
                {"D": d, "T": type}, arch)
    f, g = x.astype(np.float32), w.astype(np.float32)
    s = np.stack([sum(((f * g)[t] for t in range(q, n, 3) if not (skip and t % 2)), np.zeros(d, np.float32))
                  for q in range(3)])
    want = {"s": s} if skip else {"y": f * g + f.sum(1, keepdims=True), "s": s}
    return p, want


SCHEDULES = {
    "registers": "unit warp;  pipeline t stages(%d);",
    "one": "unit warp;  pipeline t stages(%d) load(x);",
    "smem": "unit warp;  pipeline t stages(%d);  load x via smem;  load w via smem;",
    "both": "unit block warps(2);  pipeline t stages(%d);  load x via smem;",
    "chunked": "unit warp;  pipeline t stages(%d);  chunk D sizes(32);",
    "lanes": "unit lanes(8) pack(4);  pipeline t stages(%d);  load w via smem;",
    "placed": "unit warp;  pipeline t stages(%d) load(x);  chunk D sizes(32);  place x smem;  place u smem;",
}


@pytest.mark.parametrize("skip", [False, True], ids=["all", "some"])
@pytest.mark.parametrize("stages", [1, 2, 4])
@pytest.mark.parametrize("name", SCHEDULES)
def test_rounds(tilec, tmp_path, name, stages, skip):
    for n in 0, 2, 23:
        p, want = loop(tilec, tmp_path, n, SCHEDULES[name] % stages, skip=skip, arch="sm100" if skip else "sm90")
        p.check_values(want, seeds=3)


@pytest.mark.parametrize("unit", ["unit warp;", "unit block warps(2);", "unit lanes(8) pack(4);",
                                  "unit thread pack(32);"])
@pytest.mark.parametrize("stages, rounds", [(2, 1), (3, 4)])
def test_prefetch(tilec, tmp_path, unit, stages, rounds):
    """Rounds beyond those in registers: `rounds` further on, inside of the tensor, a sector a time."""
    for n in 0, 2, 23:
        p, want = loop(tilec, tmp_path, n, f"{unit}  pipeline t stages({stages}) prefetch({rounds});")
        p.check_values(want, seeds=2)
    asked = statements(p.emitted(), "tile_prefetch")
    assert len(asked) == 2 and all("< N" in text for text in asked)
    steps = {"unit warp;": "", "unit thread pack(32);": "TILE_STEP(o, 16, 2)"}.get(unit)
    assert steps is None or steps in p.emitted()


NAMED = """
kernel named[N: dim, D: int = 64](x: in f32[N, D], f: in f32[N], y: out f32[N, D])
{
  view seen = reshape(x, N, D);
  par (p in 0..3) { for t in p..N by 3 { y[t, :] = x[t, :] * f[t] + seen[t, :]; } }
}
schedule named for sm90 { unit warp;  pipeline t stages(2)%s; }
"""


@pytest.mark.parametrize("load, tiles, single", [("", 2, False), (" load(x)", 1, False), (" load(x, f)", 1, True)])
def test_what_runs_ahead(tilec, tmp_path, load, tiles, single):
    """A single element where load(..) names it; what is loaded by a view's name only without load(..)."""
    x, f = integers((11, 64)), integers(11, 2)
    p = Program(tilec, tmp_path, NAMED % load, {"x": x, "f": f}, ["y"])
    assert len(re.findall(r"float now\w*\[2\];", p.emitted())) == tiles
    assert ("f_at_1" in p.emitted()) == single
    p.check_values({"y": x * f[:, None] + x}, seeds=3)


@pytest.mark.parametrize("type, d", [("u8", 256), ("u8", 512), ("i64", 64), ("f32", 192), ("f32", 32)])
@pytest.mark.parametrize("name", ["smem", "both", "chunked"])
def test_types(tilec, tmp_path, name, type, d):
    schedule = (SCHEDULES[name] % 2).replace("sizes(32)", "sizes(D // 2)" if type == "u8" else "sizes(32)")
    p, want = loop(tilec, tmp_path, 8, schedule, type, d=d)
    p.check_values(want, seeds=3)


@pytest.mark.parametrize("name, copies", [("registers", 0), ("one", 0), ("smem", 6), ("both", 3), ("chunked", 6),
                                          ("placed", 3)])
def test_what_is_copied(tilec, tmp_path, name, copies):
    """Two stages before the loop, one in each round; a tensor that is in shared memory is not placed
    there once more, and no barrier is needed."""
    text = loop(tilec, tmp_path, 0, SCHEDULES[name] % 3)[0].emitted()
    assert len(statements(text, "tile_vector_copy")) == copies
    assert len(statements(text, r"tile_copy_async_wait\(2\)")) == (copies > 0)
    assert ('#include "runtime/device/copies.h"' in text) == (copies > 0)
    if name != "both":
        assert not statements(text, "tile_sync")
    assert len(statements(text, r"\(shared \+")) == {"registers": 0, "one": 0, "placed": 2, "both": 2}.get(name, 2)


@pytest.mark.parametrize("change", [(r"tile_copy_async_wait\(1\)", "tile_copy_async_wait(2)"),
                                    (r"tile_copy_async_commit\(\);", "(void)0;")])
def test_without_its_wait_a_copy_is_seen(tilec, tmp_path, change):
    p, _ = loop(tilec, tmp_path, 23, SCHEDULES["smem"] % 2)
    p.check(6)
    said = p.fault(change)
    assert "in flight: " in said and "nobody here has waited for its completion" in said, said


def test_tables(tilec, tmp_path):
    """An entry beyond the last is not asked for, and none at all if there is no round."""
    text = """
kernel add[L: dim, N: dim](xs: in table(L, f32[N]), y: out f32[N])
{
  par (n in 0..N by 64) {
    var s = fill(0.0, 64);
    for l in 0..L { s = s + xs[l][n +: 64]; }
    y[n +: 64] = s;
  }
}
schedule add for sm90, sm100 { unit warp;  pipeline l stages(3);  load xs via smem; }
"""
    for entries in 1, 2, 7:
        x = integers((entries, 100), entries)
        p = Program(tilec, tmp_path, text, {}, ["y"])
        for i, row in enumerate(x):
            np.save(tmp_path / f"x{i}.npy", row)
            p.words += ["-i", f"xs[{i}]={tmp_path}/x{i}.npy"]
        p.check_values({"y": x.sum(0)}, seeds=3)


def test_strided_rows(tilec, tmp_path):
    p, want = loop(tilec, tmp_path, 8, SCHEDULES["smem"] % 2)
    wide = np.full((8, 80), 9, np.float32)
    wide[:, :64] = integers((8, 64))
    np.save(tmp_path / "x.in.npy", wide[:, :64])
    p.check_values(want, seeds=2)


def test_loops_in_loops(tilec, tmp_path):
    text = """
kernel nest[N: dim, D: int = 64](x: in f32[N, D], w: in f32[4, D], y: out f32[N, D])
{
  par (p in 0..2) {
    for t in p..N by 2 {
      var v = x[t, :];
      for k in 0..4 { v = v * w[k, :] + 1.0; }
      y[t, :] = v;
    }
  }
}
schedule nest for sm90, sm100 {
  unit warp;  pipeline t stages(3);  pipeline k stages(2);  load x via smem;  load w via smem;
}
"""
    x, w = integers((9, 64)), integers((4, 64), 2)
    want = x
    for k in range(4):
        want = want * w[k] + 1
    Program(tilec, tmp_path, text, {"x": x, "w": w}, ["y"]).check_values({"y": want}, seeds=4)


# ---- programs ----

PROGRAMS = """
kernel scale[M: dim, N: dim](x: in f32[M, N], w: in f32[N], y: out f32[M, N], z: out f32[M])
{
  @tiles par (m in %s..M by 2, n in 0..N by 64) {
    let v = x[m +: 2, n +: 64];
    %s
    y[m +: 2, n +: 64] = v * reshape(w[n +: 64], 1, 64) + sum(v, 1);
  }
  @rows par (r in 0..M) { z[r] = squeeze(sum(x[r, 0 +: 64], 0)); }
}
schedule scale for sm90, sm100 { phase tiles { grid persistent;  pipeline programs %s } }
"""
PROGRAM_SCHEDULES = {
    "registers": "stages(2);  unit warp;", "some": "stages(3) load(x);  unit block warps(2);",
    "smem": "stages(3);  unit warp;  load x via smem;", "packed": "stages(2);  unit warp pack(2);",
    "threads": "stages(2);  unit thread pack(32);", "one": "stages(1);  unit warp;",
    "pdl": "stages(2);  unit warp;  pdl wait(load) trigger(last_load);",
}


def programs(tilec, tmp_path, name, m, n, first="0", more="", arch="sm90"):
    x, w = integers((m, n), 1), integers((n,), 2)
    p = Program(tilec, tmp_path, PROGRAMS % (first, more, PROGRAM_SCHEDULES[name]), {"x": x, "w": w}, ["y", "z"],
                arch=arch)
    wide = np.zeros((m, -(-n // 64) * 64), np.float32)
    wide[:, :n] = x
    sums = np.repeat(wide.reshape(m, wide.shape[1] // 64, 64).sum(2), 64, 1)[:, :n]
    return p, {"y": x * w + sums, "z": wide[:, :64].sum(1)}


@pytest.mark.parametrize("name", PROGRAM_SCHEDULES)
def test_programs(tilec, tmp_path, name):
    for m, n in (50, 130), (1, 64), (7, 1000):
        p, want = programs(tilec, tmp_path, name, m, n, arch="sm100" if n == 64 else "sm90")
        p.check_values(want, seeds=3)


def test_no_programs(tilec, tmp_path):
    """Nothing is loaded through ranges without points, whatever they begin with."""
    for m, n, first in (0, 64, "0"), (3, 1, "M + 4"):
        p, want = programs(tilec, tmp_path, "registers", m, n, first)
        p.outputs = ["z"]
        p.check_values({"z": want["z"]}, seeds=2)


def test_programs_that_end_early(tilec, tmp_path):
    p, want = programs(tilec, tmp_path, "registers", 90, 130, more="if m % 4 == 0 { continue; }")
    bits = p.interpret()
    for seed in range(4):
        done, got = p.machine(seed)
        assert done.returncode == 0 and got == bits, done.stderr
    y = np.load(tmp_path / "y.machine.npy")
    assert np.array_equal(y[2::4], want["y"][2::4]) and np.array_equal(y[3::4], want["y"][3::4])


def test_loads_stand_in_front_of_the_program(tilec, tmp_path):
    """In a round, what the next round needs is loaded before this one computes."""
    text = programs(tilec, tmp_path, "some", 50, 130)[0].emitted().split("for (int64_t programs")[1]
    load, compute = text.index("tile_load_"), text.index("tile_add_f32")
    assert load < compute and "a.x" in text[:load]


PROGRAMS_WRONG = {
    "not_persistent": ("", "pipeline programs |>stages(2);",
                       "pipeline programs: a block takes one program #? write grid persistent"),
    "ragged": ("k in 0..ids[0]", "grid persistent;  pipeline programs |>stages(2);",
               "pipeline programs: the ranges of this phase are not counted before it starts"),
    "nothing": ("", "grid persistent;  pipeline programs stages(2) load(|>x);",
                "pipeline programs: no load of x can run ahead #? this one stands in an `if`"),
}


@pytest.mark.parametrize("name", PROGRAMS_WRONG)
def test_programs_wrong(tilec, tmp_path, name):
    range, schedule, error = PROGRAMS_WRONG[name]
    test_directives.check_wrong(tilec, tmp_path, f"""
kernel f[N: dim](x: in f32[N, 64], ids: in i32[N], y: inout f32[N, 64]) {{
  par (n in 0..N{', ' + range if range else ''}) {{ if ids[n] > 0 {{ y[n, :] = x[n, :]; }} }}
}}
schedule f for sm90 {{
 {schedule}  #! {error}
}}
""")


WRONG = {
    "narrow": ("load x via smem;", "tiles of x cannot be copied to shared memory in vectors #? it is loaded here",
               "u8"),
    "stream": ("load x via smem cache(stream);", "tiles of x cannot be copied", "f32"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(tilec, tmp_path, name):
    load, error, type = WRONG[name]
    text = LOOP % ("", f"\nunit warp;  pipeline t |>stages(2);  {load}  #! {error}\n")
    text = text.replace("T: type = f32", f"T: type = {type}")
    test_directives.check_wrong(tilec, tmp_path, text)
