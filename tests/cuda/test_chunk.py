"""`chunk D sizes(..)`: rows in pieces, by loops that carry reductions. Inputs are small integers, so
that sums are exact and numpy gives the bits, whatever the order."""
import pathlib
import re
import sys

import numpy as np
import pytest

import test_directives
from runs import Program, statements

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "kernels"))
import test_engram_gate_bwd as bwd  # noqa: E402
from data import normal  # noqa: E402
from harness import bits, from_bits, same_bits, within  # noqa: E402
from ref_checks import plain_zeros  # noqa: E402
from ref_engram_gate import engram_gate  # noqa: E402

N, D = 9, 96
HEAD = """
kernel k[N: dim, D: int = 96](x: in f32[N, D], w: in f32[D], ids: in i32[D], y: out f32[N, D], z: out f32[N],
  u: inout f32[N, D], q: out i32[N, D], c: inout i32[D] @ nondet)
{
  par (n in 0..N by 2) {
%s
  }
}
schedule k for sm90, sm100 { %s }
"""


def integers(*shape, seed=1, low=-3, high=4, dtype=np.float32):
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


X, W, U = integers(N, D), integers(D, seed=2), integers(N, D, seed=3)
IDS = integers(D, seed=4, low=-2, high=D + 2, dtype=np.int32)
ALL = {"x": X, "w": W, "ids": IDS, "u": U, "c": np.zeros(D, np.int32)}
PAIRS = [slice(n, min(n + 2, N)) for n in range(0, N, 2)]          # the rows of a program
COL = np.arange(D, dtype=np.float32)


def padded(rows):
    return rows if len(rows) == 2 else np.vstack([rows, 0 * rows])


def normed(v):
    return v * (v * v).sum(1, keepdims=True)


def carried():
    """The rows of a program are added up t times, into what the next round starts from."""
    a, out = np.ones_like(X), np.zeros((N, D), np.float32)
    for t in range(3):
        s = (X * W).sum(1, keepdims=True) + t
        a = a * s + X if t != 1 else a
        out = out + a
    return out


def gathered():
    inside = (IDS >= 0) & (IDS < D)
    return np.where(inside, X[:, np.clip(IDS, 0, D - 1)], 0)


def groups():
    v = X.reshape(N, D // 8, 8)
    m = np.abs(v).max(2, keepdims=True)
    return (v * m + m.sum(1, keepdims=True)).reshape(N, D)


def counted():
    c = np.zeros(D, np.int32)
    for pair in PAIRS:
        for row in range(2):
            np.add.at(c, IDS[(IDS >= 0) & (IDS < D)], row + 1)
    return c


def swapped():
    a, b = X, 2 * X
    for _ in range(3):
        a, b = b, a + a.sum(1, keepdims=True)
    return {"y": a, "u": b}


# body, the loops over pieces that it takes with pieces of 32, outputs
BODIES = {
    "elementwise": ("y[n +: 2, :] = x[n +: 2, :] * reshape(w[:], 1, D) + 1.0;", 1, {"y": X * W + 1}),
    "two_loops": ("let v = x[n +: 2, :];  y[n +: 2, :] = v * sum(v * v, 1);", 2, {"y": normed(X)}),
    "three_loops": ("""let v = x[n +: 2, :];
      let s = sum(v * v, 1);
      let m = amax(v + s * reshape(f32(iota(D)), 1, D), 1);
      y[n +: 2, :] = v - m;
      z[n +: 2] = squeeze(m);""", 3,
                    {"y": X - (X + (X * X).sum(1, keepdims=True) * COL).max(1, keepdims=True)}),
    "integers": ("""let v = i32(x[n +: 2, :]);
      let s = sum(v, 1) + amin(v, 1) * i32(10) + amax(v, 1);
      q[n +: 2, :] = v + s;""", 2, {"q": (X + X.sum(1, keepdims=True) + 10 * X.min(1, keepdims=True)
                                         + X.max(1, keepdims=True)).astype(np.int32)}),
    "any_all": ("""let v = x[n +: 2, :];
      let a = any(v > 2.0, 1);
      let b = all(v < 3.0, 1);
      let e = any(v == 3.0);
      z[n +: 2] = squeeze(select(a, 1.0, 0.0) + select(b, 2.0, 0.0) + (e ? 4.0 : 0.0));""", 1,
                {"z": np.concatenate([(X[p] > 2).any(1) + 2.0 * (X[p] < 3).all(1) + 4 * (X[p] == 3).any()
                                      for p in PAIRS]).astype(np.float32)}),
    "other_axis": ("""let v = x[n +: 2, :];
      let s = sum(v, 0, order = seq);
      y[n +: 2, :] = v - s + amax(v, 0);""", 1,
                   {"y": np.concatenate([X[p] - X[p].sum(0) + padded(X[p]).max(0) for p in PAIRS])}),
    "carried": ("""var a = fill(1.0, 2, D);
      var o = fill(0.0, 2, D);
      for t in 0..3 {
        let v = x[n +: 2, :];
        if t == 1 { o = o + a;  continue; }
        a = a * (sum(v * reshape(w[:], 1, D), 1) + f32(t)) + v;
        o = o + a;
      }
      y[n +: 2, :] = o;""", None, {"y": carried()}),
    "swapped": ("""var a = x[n +: 2, :];
      var b = a * 2.0;
      for t in 0..3 {
        let s = sum(a, 1);
        let e = a;
        a = b;
        b = e + s;
      }
      y[n +: 2, :] = a;
      u[n +: 2, :] = b;""", None, swapped()),
    "branches": ("""let v = x[n +: 2, :];
      let s = sum(v, 1);
      var o = v;
      if s[0, 0] > 0.0 { o = v * sum(v * reshape(w[:], 1, D), 1); } else { o = reshape(w[:], 1, D) + 0.0 * v; }
      y[n +: 2, :] = o + s;""", None,
                 {"y": np.concatenate([(X[p] * (X[p] * W).sum(1, keepdims=True) if X[p][0].sum() > 0 else W + 0 * X[p])
                                       + X[p].sum(1, keepdims=True) for p in PAIRS])}),
    # What is loaded is written before the second loop.
    "written": ("""let v = u[n +: 2, :];
      u[n +: 2, :] = v + 1.0;
      y[n +: 2, :] = v * sum(v, 1);""", 2, {"y": U * U.sum(1, keepdims=True), "u": U + 1}),
    "written_in_between": ("""let v = u[n +: 2, :];
      let s = sum(v, 1);
      u[n +: 2, :] = v + s;
      let r = u[n +: 2, :];
      y[n +: 2, :] = v * r + r;""", 2, {"y": (U + 1) * (U + U.sum(1, keepdims=True)),
              "u": U + U.sum(1, keepdims=True)}),
    "groups": ("""let v = reshape(x[n +: 2, :], 2, D // 8, 8);
      let m = amax(abs(v), 2);
      y[n +: 2, :] = reshape(v * m + sum(m, 1), 2, D);""", 2, {"y": groups()}),
    "inner_loop": ("""var v = x[n +: 2, :];
      for t in 0..3 { v = v * reshape(w[:], 1, D) + f32(t); }
      y[n +: 2, :] = v - sum(v, 1);""", 2,
                   {"y": (v := ((X * W) * W + 1) * W + 2) - v.sum(1, keepdims=True)}),
    "gather": ("""let i = ids[:];
      y[n +: 2, :] = x[n +: 2, i] + sum(x[n +: 2, i], 1);""", 2, {"y": gathered() + gathered().sum(1, keepdims=True)}),
    "transposed": ("""let v = trans(x[n +: 2, :]);
      let t = v - sum(v, 0);
      y[n +: 2, :] = trans(t) + reshape(f32(iota(D)), 1, D);""", 2, {"y": X - X.sum(1, keepdims=True) + COL}),
    "local": ("""local t: f32[2, D];
      let v = x[n +: 2, :];
      t[:, :] = v * reshape(w[:], 1, D);
      let s = sum(t[:, :], 1);
      t[:, :] = t[:, :] + s;
      y[n +: 2, :] = t[:, :] - v;""", 2, {"y": X * W + (X * W).sum(1, keepdims=True) - X}),
    "scattered": ("""for r in 0..2 { atomic_add(c[ids[:]], i32(r + 1) + i32(0 * iota(D))); }
      y[n +: 2, :] = fill(2.0, 2, D);""", 1, {"c": counted(), "y": np.full((N, D), 2, np.float32)}),
    "constant": ("y[n +: 2, :] = fill(3.0, 2, D);  z[n +: 2] = squeeze(sum(x[n +: 2, :], 1));", 1,
                 {"y": np.full((N, D), 3, np.float32), "z": X.sum(1)}),
}
UNITS = ["unit block warps(2);", "unit warp;", "unit lanes(8) pack(4);"]


def program(tilec, tmp_path, name, schedule, arch="sm90"):
    body, _, want = BODIES[name]
    return Program(tilec, tmp_path, HEAD % (body, schedule), ALL, list(want), arch=arch)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", BODIES)
def test_bodies(tilec, tmp_path, name, unit):
    p = program(tilec, tmp_path, name, unit + "chunk D sizes(32);")
    p.check_values(BODIES[name][2], seeds=3)


@pytest.mark.parametrize("name", [name for name in BODIES if BODIES[name][1]])
def test_loops(tilec, tmp_path, name):
    text = program(tilec, tmp_path, name, "unit warp;  chunk D sizes(64, 32);").emitted()
    assert len(statements(text, r"for \(int D\w* = 0; D\w* < 96; D\w* \+= 32\)")) == BODIES[name][1], text


@pytest.mark.parametrize("place, stores, loads", [("", 0, 0), ("place v smem;", 1, 3), ("place x smem;", 1, 3)])
def test_what_is_placed_is_loaded_once(tilec, tmp_path, place, stores, loads):
    p = program(tilec, tmp_path, "three_loops", f"unit warp;  chunk D sizes(32);  {place}")
    text = p.emitted()
    assert len(statements(text, r"a\.x \+")) == (1 if place else 3)
    assert [len(statements(text, word)) for word in ("tile_shared_store", "tile_shared_load")] == [stores, loads]
    p.check_values(BODIES["three_loops"][2], seeds=3)


@pytest.mark.parametrize("place, shared", [("", 0), ("place a regs;  place o regs;", 0),
                                           ("place a smem;", 1), ("place a smem;  place o smem;", 5)])
def test_what_is_carried_is_kept(tilec, tmp_path, place, shared):
    """A thread's own pieces: in registers they are found once the loops are unrolled."""
    p = program(tilec, tmp_path, "carried", f"unit warp;  chunk D sizes(32);  {place}")
    text = p.emitted()
    assert len(statements(text, r"float \*const (a|o)\w* = \(float \*\)\(shared")) == shared
    assert not statements(text, "tile_sync")
    p.check_values(BODIES["carried"][2], seeds=3)


def test_one_piece(tilec, tmp_path):
    """A size as large as the axis leaves it whole."""
    text = program(tilec, tmp_path, "two_loops", "unit warp;  chunk D sizes(96, 32);").emitted()
    assert not statements(text, r"for \(int D")


def test_planned_sums_differ(tilec, tmp_path):
    """A sum over pieces adds a thread's elements of all pieces before threads are joined; the
    interpreter replays that, so that bits are equal for any numbers."""
    p = program(tilec, tmp_path, "three_loops", "unit warp;  chunk D sizes(32);")
    np.save(tmp_path / "x.in.npy", np.random.default_rng(5).standard_normal((N, D), np.float32))
    p.check(4)


# ---- kernels of the library ----

def with_schedule(file, schedule):
    text = (ROOT / "kernels.tile" / file).read_text()
    text = re.sub(r"^schedule \w+ for sm90, sm100 when .*?^\}\n", "", text, flags=re.S | re.M)
    block = re.compile(r"^(schedule \w+ for sm90, sm100 )\{.*?^\}", re.S | re.M)
    new = block.sub(lambda m: f"{m[1]}{{ {schedule} }}", text)
    assert new != text
    return new


@pytest.mark.parametrize("arch, schedule", [
    ("sm90", "unit warp;  chunk D sizes(256, 512, 1024);  place x smem;"),
    ("sm90", "unit warp;  chunk D sizes(256, 512);  place x smem;  pipeline t stages(2) load(x, k, v);"),
    ("sm100", "unit block warps(2);  chunk D sizes(512);  load k cache(stream);")])
def test_engram_gate(tilec, tmp_path, arch, schedule):
    n, h, d = 5, 2, 1024
    scalars = {"eps": 1e-6, "scale": d ** -0.5, "clamp_lo": 1e-6}
    x, k, v, w = (normal((n, h, d), 1, T="bf16"), normal((n, h, d), 2, T="bf16"), normal((n, d), 3, 2.0, "bf16"),
                  normal((h, d), 4))
    p = Program(tilec, tmp_path, with_schedule("engram/engram_gate.tile", f"let P = 3;  {schedule}"),
                {"x": bits(x), "k": bits(k), "v": bits(v), "wf": w}, ["y", "gate"],
                {"H": h, "D": d, **scalars}, arch)
    p.check(4)
    want = engram_gate(x, k, v, w, **scalars)
    within(np.load(tmp_path / "gate.machine.npy"), *want["gate"], "gate")
    within(from_bits("bf16", np.load(tmp_path / "y.machine.npy")), *want["y"], "y")


@pytest.mark.parametrize("more", ["", "pipeline i stages(2) load(gy, v, dot);"])
def test_engram_gate_bwd(tilec, tmp_path, more):
    """What is carried over tokens stays on chip, in pieces."""
    values, scalars = bwd.case(3, 5, 512, h=2, whole=True)
    schedule = """let P = 3;  let BD = 128;
      phase tokens { unit block warps(2);  chunk D sizes(128, 256);  place sum_h regs;  place g smem;  %s }""" % more
    inputs = {name: bits(value) if value.dtype.itemsize == 2 else value for name, value in values.items()}
    p = Program(tilec, tmp_path, with_schedule("engram/engram_gate_bwd.tile", schedule), inputs, list(bwd.OUTPUTS),
                {"H": 2, "D": 512, **scalars})
    p.check(3)
    want = bwd.expected(values, scalars, 3)
    for name, type in bwd.OUTPUTS.items():
        got = np.load(tmp_path / f"{name}.machine.npy")
        same_bits(plain_zeros(from_bits("bf16", got) if type == "bf16" else got), plain_zeros(want[name]), name)


WRONG = {
    "cumsum": ("y[n +: 2, :] = |>cumsum(x[n +: 2, :], 1);", "chunk D: cumsum takes the axis whole",
               "the schedule asks for it here"),
    "topk": ("let (v, i) = |>topk(x[n +: 2, :], 2, 1);  z[n +: 2] = v[:, 0];",
             "chunk D: topk takes the axis whole", ""),
    "seq": ("z[n +: 2] = squeeze(|>sum(x[n +: 2, :], 1, order = seq));",
            "chunk D: a sum in a given order takes the axis whole", "a sum in the default order"),
    "bf16": ("z[n +: 2] = squeeze(f32(|>amax(bf16(x[n +: 2, :]), 1)));", "chunk D: amax of bf16",
             "convert with f32(..) first"),
    "print": ('|>print("x", x[n +: 2, :]);', "chunk D: the tile is never there as a whole to be printed", ""),
    "reshape": ("y[n +: 2, :] = reshape(|>reshape(x[n +: 2, :], D, 2), 2, D);",
                "chunk D: this reshape does not keep the pieces apart", ""),
    "concat": ("let v = |>concat(x[n +: 2, 0 +: 48], x[n +: 2, 8 +: 48], axis = 1);  y[n +: 2, :] = v;",
               "chunk D: concat takes the axis whole", ""),
    "element": ("let v = x[n +: 2, :];  z[n +: 2] = |>v[:, 5];  y[n +: 2, :] = v;",
                "chunk D: single elements of the axis are taken here", ""),
    "two_axes": ("let v = reshape(x[n, :], D, 1) |>* reshape(w[:], 1, D);  z[n] = amax(v, 1)[3, 0];",
                 "chunk D: two axes of a tile", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(tilec, tmp_path, name):
    body, error, hint = WRONG[name]
    text = HEAD % (f"{body}  #! {error} {f'#? {hint}' if hint else ''}\n", "unit warp;  chunk D sizes(32);")
    test_directives.check_wrong(tilec, tmp_path, text)


@pytest.mark.parametrize("body, schedule", [
    ("y[n +: 2, :] = x[n +: 2, :];",
            "chunk D |>sizes(64, 36);  #! chunk D: none of these sizes divides D = 96 #? add a size that does"),
    ("z[n +: 2] = x[n +: 2, 5];", "chunk D |>sizes(32);  #! chunk D: no tile has an axis of D = 96 #? leave it out"),
])
def test_wrong_sizes(tilec, tmp_path, body, schedule):
    test_directives.check_wrong(tilec, tmp_path, HEAD % (body, f"\n{schedule}\n"))
