"""`place NAME smem|regs`, and where local tensors lie: a thread's own elements in registers or in
shared memory without barriers, else a tile in shared memory. Inputs are small integers, so that sums
are exact and numpy gives the bits."""
import re

import numpy as np
import pytest

import test_directives
from runs import Program, statements

VALUES = """
kernel values[N: dim](x: in f32[N, 64], y: out f32[N, 64], z: out f32[N])
{
  par (n in 0..N by 4) {
    let v = x[n +: 4, :];
    let w = v + 1.0;
    var a = fill(1.0, 4, 64);
    for k in 0..3 {
      if k == 2 && n > 8 { continue; }
      a = a * v + w;
    }
    y[n +: 4, :] = a + w;
    z[n +: 4] = squeeze(sum(a * v, 1));
  }
}
schedule values for sm90, sm100 { %s }
"""
UNITS = ["unit block warps(4);", "unit warp pack(2);", "unit lanes(8) pack(4);", "unit thread pack(32);"]
PLACES = ["place v smem;", "place w smem;", "place a smem;", "place a smem;  place w smem;  place v smem;",
          "place x smem;", "place a regs;"]


def integers(*shape, seed=1):
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def values(tilec, tmp_path, schedule, arch="sm90"):
    return Program(tilec, tmp_path, VALUES % schedule, {"x": integers(19, 64)}, ["y", "z"], arch=arch)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("place", PLACES)
def test_values(tilec, tmp_path, unit, place):
    x = integers(19, 64)
    a = np.ones_like(x)
    for k in range(3):
        a = np.where((k == 2) & (np.arange(19) // 4 * 4 > 8)[:, None], a, a * x + (x + 1))
    program = values(tilec, tmp_path, unit + place, "sm90" if "block" in unit else "sm100")
    program.check_values({"y": a + (x + 1), "z": (a * x).sum(1)}, seeds=3)


@pytest.mark.parametrize("place, stores, loads", [("", 0, 0), ("place a regs;", 0, 0), ("place v smem;", 1, 3),
                                                  ("place a smem;", 2, 3), ("place x smem;", 1, 3)])
def test_values_are_in_shared_memory(tilec, tmp_path, place, stores, loads):
    """Every thread keeps its own there: no barrier."""
    text = values(tilec, tmp_path, place).emitted()
    assert len(statements(text, "tile_shared_store")) == stores
    assert len(statements(text, "tile_shared_load")) == loads
    assert not statements(text, "tile_sync")


LOCALS = """
kernel locals[N: dim, M: int = 6](x: in f32[N, 32], r: in i32[N], y: out f32[N, 32], z: out f32[N, 32])
{
  par (n in 0..N by 2) {
    local t: f32[M, 2, 32];
    for i in 0..M { t[i, :, :] = x[n +: 2, :] * f32(i + 1); }
    let k = max(min(i64(r[n]), M - 1), 0);
    %s
    y[n +: 2, :] = t[%s, :, :];
    z[n +: 2, :] = t[3, :, :] - t[M - 1, :, :];
  }
}
schedule locals for sm90, sm100 { %s }
"""


def locals_(tilec, tmp_path, index, schedule, more=""):
    return Program(tilec, tmp_path, LOCALS % (more, index, schedule),
                   {"x": integers(9, 32), "r": np.array([3, 0, 9, 1, -4, 2, 5, 4, 2], np.int32)}, ["y", "z"])


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("index, place", [("4", ""), ("4", "place t regs;"), ("4", "place t smem;"),
                                          ("k", ""), ("k", "place t smem;")])
def test_locals(tilec, tmp_path, unit, index, place):
    if "thread" in unit and "regs" in place:
        pytest.skip("more registers than a thread has")
    x, r = integers(9, 32), np.array([3, 0, 5, 1, 0, 2, 5, 4, 2])
    k = np.full(9, 4) if index == "4" else r[np.arange(9) // 2 * 2]
    program = locals_(tilec, tmp_path, index, unit + place)
    program.check_values({"y": x * (k + 1).astype(np.float32)[:, None], "z": x * np.float32(4 - 6)}, seeds=3)


@pytest.mark.parametrize("index, place, where", [
    ("4", "", "registers"), ("4", "place t regs;", "registers"), ("4", "place t smem;", "cells"),
    ("k", "", "cells"), ("k", "place t smem;", "cells")])
def test_where_locals_lie(tilec, tmp_path, index, place, where):
    text = locals_(tilec, tmp_path, index, place).emitted()
    assert bool(statements(text, "tile_shared")) == (where == "cells")
    assert bool(statements(text, r"\bfloat t\[")) == (where == "registers")
    assert not statements(text, "tile_sync")


def test_a_part_that_lies_across(tilec, tmp_path):
    """Then it is a tile in shared memory, and threads wait for each other."""
    program = locals_(tilec, tmp_path, "4", "", more="let across = t[0, :, 5 +: 8];  z[n +: 2, 0 +: 8] = across;")
    text = program.emitted()
    assert statements(text, "tile_sync") and statements(text, "tile_shared_load")
    program.outputs = ["y"]                 # z is written twice
    program.check(6)
    said = program.fault((r"tile_sync\(\);", "(void)0;"))
    assert "race: " in said or "uninitialised: " in said, said


LOCAL_WRONG = {
    "index": ("k", "", "place t |>regs;", "place t regs: which registers an access takes must be known",
              "an index is not known here"),
    "across": ("4", "let across = t[0, :, 5 +: 8];  z[n +: 2, 0 +: 8] = across;", "place t |>regs;",
               "place t regs: which registers", "another part of it is taken here than elsewhere"),
    "too_large": ("4", "", "unit thread pack(32);  place t |>regs;",
                  "place t regs: it takes 1536 bytes of a thread's registers, which have 896", "place it in smem"),
    "buffers": ("4", "", "place t smem |>buffers(2);", "place t: buffers(2) are for accumulators in tmem",
                "leave it out"),
    "scalar": ("k", "", "place k |>smem;", "place k smem: it is one element, or a constant", "leave it out"),
}


@pytest.mark.parametrize("name", LOCAL_WRONG)
def test_wrong(tilec, tmp_path, name):
    index, more, schedule, error, hint = LOCAL_WRONG[name]
    text = LOCALS % (more, index, f"\n{schedule}  #! {error} #? {hint}\n")
    test_directives.check_wrong(tilec, tmp_path, text)


def test_tmem(tilec, tmp_path):
    text = LOCALS.replace("sm90, sm100", "sm100") % ("", "4",
            "\nplace t |>tmem;  #! place t tmem: not lowered to CUDA yet\n")
    plain, line, column = test_directives.place_of(text)
    (tmp_path / "t.tile").write_text(plain)
    done = tilec("emit", tmp_path / "t.tile", "--arch", "sm100", "-o", tmp_path / "out")
    assert re.search(rf"t.tile:{line}:{column}: error: place t tmem: not lowered to CUDA yet", done.stderr)
