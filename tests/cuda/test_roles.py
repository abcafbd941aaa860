"""Roles on ranges of warps, pipes as rings with mbarriers: the machine model against the interpreter,
and what it says where a wait or an arrival is wrong. Inputs are small integers: numpy gives the bits."""
import re

import numpy as np
import pytest

import test_directives
from runs import Program, statements

HEAD = """
kernel parts[N: dim, D: int = 64](x: in f32[N, D], w: in f32[D], y: out f32[N, D], s: out f32[D])
{
  par (d in 0..D by 64) {
    %s
  }
}
schedule parts for sm90, sm100 { %s }
"""

STREAM = """
    let scale = w[d +: 64] + 1.0;
    pipe rows[%d] { v: f32[16, 64], first: i64, twice: f32 };
    roles {
      role load %s {
        for k in 0..N by 16 { put rows { v = x[k +: 16, d +: 64], first = k, twice = w[d] * 2.0 }; }
      }
      role add %s {
        var all = fill(0.0, 64);
        for n in 0..N by 16 { get rows as r { all = all + reshape(sum(r.v, 0), 64); } }
        s[d +: 64] = all * scale;
      }
      role save %s {
        for n in 0..N by 16 { get rows as r { y[r.first +: 16, d +: 64] = r.v * reshape(scale, 1, 64) + r.twice; } }
      }
    }"""


def integers(shape, seed=1):
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def program(tilec, tmp_path, body, n=50, d=128, schedule="", arch="sm90"):
    x, w = integers((n, d)), integers(d, 2)
    return Program(tilec, tmp_path, HEAD % (body, schedule), {"x": x, "w": w}, ["y", "s"], {"D": d}, arch), x, w


def streamed(x, w):
    return {"y": x * (w + 1) + 2 * np.repeat(w[::64], 64), "s": x.sum(0, dtype=np.float32) * (w + 1)}


WARPS = [("warps(1)", "warps(4)", "warps(2)"), ("warps(3)", "warps(1)", "warpgroups(1)"), ("", "", "warps(5)")]


@pytest.mark.parametrize("schedule", ["", "grid persistent;", "pipeline k stages(2) load(x);"])
@pytest.mark.parametrize("stages", [1, 2, 3])
@pytest.mark.parametrize("warps", WARPS, ids=" ".join)
def test_pipe(tilec, tmp_path, warps, stages, schedule):
    for n in 0, 16, 90:
        arch = "sm100" if stages == 1 else "sm90"
        p, x, w = program(tilec, tmp_path, STREAM % (stages, *warps), n, 384, schedule, arch)
        p.check_values(streamed(x, w), seeds=6)


def test_words_of_the_schedule(tilec, tmp_path):
    """What the schedule says of a role goes before its own words."""
    schedule = "role add warps(2) { }  role save warpgroups(1) { }"
    p, x, w = program(tilec, tmp_path, STREAM % (2, *WARPS[0]), schedule=schedule)
    text = p.emitted()
    assert re.search(r"TILE_KERNEL\(tk_parts, tk_parts_args, 224, 0\)", text)
    assert [f"({n}, {t})" in text for n, t in ((1, 64), (2, 128))] == [True, True]
    p.check_values(streamed(x, w))


TWO_PIPES = """
    pipe raw[2] { v: f32[64] };
    pipe done[3] { v: f32[64], odd: bool };
    roles {
      role load warps(1) { for n in 0..N { if n % 3 != 2 { put raw { v = x[n, d +: 64] }; } } }
      role work warps(2) {
        for n in 0..N { if n % 3 != 2 { get raw as r { put done { v = r.v * r.v, odd = n % 2 == 1 }; } } }
      }
      role save warps(1) {
        var all = fill(0.0, 64);
        for n in 0..N {
          if n % 3 == 2 { y[n, d +: 64] = 0.0; continue; }
          get done as r { y[n, d +: 64] = r.odd ? -r.v : r.v;  all = all + r.v; }
        }
        s[d +: 64] = all;
      }
    }"""


@pytest.mark.parametrize("schedule", ["", "grid persistent;"])
def test_two_pipes(tilec, tmp_path, schedule):
    """A role between two pipes; items under a condition."""
    p, x, w = program(tilec, tmp_path, TWO_PIPES, 14, 192, schedule)
    square = x * x
    square[2::3] = 0
    sign = np.where(np.arange(14) % 2 == 1, -1, 1).astype(np.float32)[:, None]
    p.check_values({"y": square * sign, "s": square.sum(0, dtype=np.float32)}, seeds=8)


OUTSIDE = """
    let v = x[0 +: 16, d +: 64];
    let top = reshape(amax(v, 0), 64);
    let most = amax(top, 0)[0];
    local t: f32[64];
    t[:] = top + w[d +: 64];
    var all = fill(0.0, 64);
    for n in 0..N by 16 {
      let u = x[n +: 16, d +: 64];
      let part = reshape(sum(u, 0), 64);
      roles {
        role one warps(1) { y[n +: 8, d +: 64] = u[0 +: 8, :] + reshape(top, 1, 64); }
        role two warps(3) { y[n + 8 +: 8, d +: 64] = u[8 +: 8, :] * most + reshape(t[:], 1, 64); }
      }
      all = all + part;
    }
    s[d +: 64] = all;"""


@pytest.mark.parametrize("schedule", ["", "grid persistent;", "unit block warps(4);"])
def test_what_stands_outside(tilec, tmp_path, schedule):
    """Roles in a loop see tiles, a scalar and a local tensor of the whole program, which goes on behind them."""
    p, x, w = program(tilec, tmp_path, OUTSIDE, 32, 128, schedule)
    top = x[:16].max(0)
    most = np.repeat([top[:64].max(), top[64:].max()], 64).astype(np.float32)
    first = np.arange(32)[:, None] % 16 < 8
    p.check_values({"y": np.where(first, x + top, x * most + top + w), "s": x.sum(0, dtype=np.float32)}, seeds=8)
    assert len(statements(p.emitted(), r"^ *tile_sync\(\)")) > 0


def test_sums_are_those_of_the_plan(tilec, tmp_path):
    """Each role adds up as its own warps do, the program around it as all of them."""
    body = STREAM.replace("let scale = w[d +: 64]", "let scale = w[d +: 64] * sum(x[0 +: 32, d +: 64] / 3.0, 0)[0, :]")
    p, x, w = program(tilec, tmp_path, body % (2, *WARPS[1]), 90, 128)
    rng = np.random.default_rng(5)
    np.save(tmp_path / "x.in.npy", rng.standard_normal(x.shape, np.float32))
    np.save(tmp_path / "w.in.npy", rng.standard_normal(w.shape, np.float32))
    p.check(4)


RAGGED = """
kernel ragged[E: dim, N: dim](ends: in i32[E], x: in f32[N, 32], y: out f32[N, 32], z: out i64[N])
{
  par (e in 0..E, m in (e == 0 ? 0 : ends[max(e - 1, 0)])..ends[e] by 4) {
    pipe p[2] { zero: f32[32], row: f32[32], even: bool[32], i: i64 };
    let big = x[m, :] > 1.0;
    let numbers = iota(32) * i64(m);
    roles {
      role load warps(1) {
        for n in m..min(m + 4, ends[e]) {
          put p { zero = fill(0.0, 32), row = x[n, :], even = iota(32) %% 2 == 0, i = sum(numbers, 0)[0] };
        }
      }
      role keep warps(2) {
        local kept: f32[2, 32];
        for n in m..min(m + 4, ends[e]) {
          get p as q {
            let v = select(big & q.even, q.row, q.zero);
            kept[n %% 2, :] = v;
            y[n, :] = kept[n %% 2, :] + f32(numbers);
            z[n] = q.i;
          }
        }
      }
    }
  }
}
schedule ragged for sm90 { %s }
"""


@pytest.mark.parametrize("schedule", ["", "place v smem;  place kept smem;"])
def test_ragged(tilec, tmp_path, schedule):
    """Constants, masks, indices and local tensors; programs that go on in one block."""
    ends, x = np.array([3, 3, 13, 20], np.int32), integers((20, 32))
    p = Program(tilec, tmp_path, RAGGED % schedule, {"ends": ends, "x": x}, ["y", "z"])
    p.check(8)


TYPES = """
kernel types[N: dim, T: type](x: in T[N, 48], y: out T[N, 48])
{
  par (p in 0..2) {
    pipe items[2] { v: T[3, 48], one: T[1, 48] };
    roles {
      role load warps(2) { for n in p * 6..N by 12 { put items { v = x[n +: 3, :], one = x[n + 3 +: 1, :] }; } }
      role save warps(1) {
        for n in p * 6..N by 12 { get items as r { y[n +: 3, :] = r.v;  y[n + 3 +: 1, :] = r.one; } }
      }
    }
    for n in p * 6 + 4..N by 12 { y[n +: 2, :] = x[n +: 2, :]; }
  }
}
schedule types for sm90 { }
"""


@pytest.mark.parametrize("type", ["u8", "i16", "bf16", "f32", "i64"])
def test_types(tilec, tmp_path, type):
    size = {"u8": np.uint8, "i16": np.int16, "bf16": np.uint16, "f32": np.float32, "i64": np.int64}[type]
    x = np.random.default_rng(3).integers(0, 100, (30, 48)).astype(size)
    p = Program(tilec, tmp_path, TYPES, {"x": x}, ["y"], {"T": type})
    p.check(6)
    assert np.load(tmp_path / "y.machine.npy").tobytes() == x.tobytes()


FAULTS = {
    "no arrival of the producer": ("deadlock", r"if \(lane == 0\) tile_mbarrier_arrive\(rows_full.*", ""),
    "no arrival of a consumer": ("deadlock", r"if \(lane == 0\) tile_mbarrier_arrive\(rows_empty.*", ""),
    "too few arrivals": ("deadlock", r"(tile_mbarrier_init\(rows_full \+ i), 1", r"\1, 2"),
    "wrong parity of the producer": ("deadlock", r"rows_item.parity \^ 1", "rows_item.parity"),
    "wrong parity of the consumers": ("uninitialised", r"(rows_full.*rows_item.parity)\)", r"\1 ^ 1)"),
    "no wait for an empty place": ("race", r"tile_mbarrier_wait\(rows_empty.*", ""),
    "no wait for a full place": ("uninitialised", r"tile_mbarrier_wait\(rows_full.*", ""),
    "lanes that are not done": ("race", r"tile_sync_warp\(\);(\s*if .* tile_mbarrier_arrive\(rows_full)", r"\1"),
    "lanes that still read": ("race", r"tile_sync_warp\(\);(\s*if .* tile_mbarrier_arrive\(rows_empty)", r"\1"),
    "a barrier of too few threads": ("uninitialised", r"tile_sync_named\(1, 128\)", "tile_sync_named(1, 96)"),
    "another role's barrier": ("deadlock", r"tile_sync_named\(1, 128\)", "tile_sync()"),
    "one place for two items": ("race", r"rows_item.slot \* 1024", "0"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(tilec, tmp_path, name):
    p, _, _ = program(tilec, tmp_path, STREAM % (2, *WARPS[0]), 90, 128)
    p.check(2)
    word, *change = FAULTS[name]
    said = p.fault(tuple(change), seeds=6)
    assert word in said, said


def test_barriers_are_seen_before_roles_begin(tilec, tmp_path):
    p, _, _ = program(tilec, tmp_path, TWO_PIPES, 14)
    said = p.fault((r"(TileItem done_item = .*\n.*)tile_sync\(\);", r"\1"))
    assert "waits on shared" in said and "no mbarrier has been initialised" in said, said


WRONG = {
    "regs": ("    |>roles { role a warps(1) regs(40) { s[d +: 64] = fill(0.0, 64); } }  "
             "#! regs of role a: not lowered to CUDA yet", ""),
    "regs_of_schedule": ("    roles { role a warps(4) { s[d +: 64] = fill(0.0, 64); } }",
                         "role a |>regs(40) { }  #! role a: regs is not lowered to CUDA yet"),
    "unit": ("    roles { role a warps(1) { s[d +: 64] = fill(0.0, 64); } role b warps(2) { y[0, d] = 1.0; } }",
             "unit block |>warps(4);  #! unit block warps(4): the roles of the program take 3 warps"),
    "chunk": ("    roles { role a { for n in 0..N { y[n, :] = x[n, :]; } } }",
              "chunk D |>sizes(32);  #! chunk D: in a program with roles it is not lowered to CUDA yet"),
    "programs": ("    roles { role a { s[d +: 64] = w[d +: 64]; } }",
                 "grid persistent;  pipeline programs |>stages(2);  #! the programs have roles"),
    "tma": ("    roles { role a { s[d +: 64] = w[d +: 64]; } }",
            "load w via |>tma;  #! load w via tma: not in a program with roles yet"),
    "many": ("    |>roles { role a warps(32) { s[d +: 64] = fill(0.0, 64); } role b { y[0, d] = 1.0; } }  "
             "#! the roles take more than 32 warps", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(tilec, tmp_path, name):
    body, schedule = WRONG[name]
    test_directives.check_wrong(tilec, tmp_path, HEAD.replace("{ %s }\n", "{\n%s\n}\n") % (body, schedule))
