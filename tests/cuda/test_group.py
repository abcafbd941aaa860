"""`grid group(n)`: which program a block takes when. Every program is taken once, whatever the ranges."""
import numpy as np
import pytest

import test_directives
from runs import Program, changing_compiler

PLAIN = """
kernel raster[M: dim, N: dim%s](y: out f32[%sM, N], s: inout i32[%sM, N])
{
  par (%sm in 0..M by %s, n in 0..N by %s) {
    y[%sm, n] = 12345.0;
    atomic_add(s[%sm, n], 1);
  }
}
schedule raster for sm90, sm100 { %s }
"""


def program(tilec, tmp_path, shape, schedule, by=(1, 1), known=False, arch="sm90"):
    """`known`: the ranges are constants."""
    dims, extent, range_, index = (", B: dim", "B, ", "b in 0..B, ", "b, ") if len(shape) == 3 else ("",) * 4
    text = PLAIN % (dims, extent, extent, range_, *by, index, index, schedule)
    if known:
        for name, points in zip("BMN"[-len(shape):], shape):
            text = text.replace(f"0..{name}", f"0..{points}")
    s = np.zeros(shape, np.int32)
    return Program(tilec, tmp_path, text, {"s": s}, ["y", "s"], arch=arch)


def order(shape, group, by=(1, 1)):
    """The number of the program at each of its points, -1 at others, by the words of language.md."""
    want = np.full(shape, -1.0, np.float32)
    number = 0
    rows, columns = range(0, shape[-2], by[0]), range(0, shape[-1], by[1])
    for outer in np.ndindex(*shape[:-2]):
        for first in range(0, len(rows), group):
            for n in columns:
                for m in rows[first:first + group]:
                    want[(*outer, m, n)] = number
                    number += 1
    return want


def check(tilec, tmp_path, shape, group, schedule, by=(1, 1), known=False, arch="sm90"):
    p = program(tilec, tmp_path, shape, schedule % group, by, known, arch)
    p.check(2)
    taken = np.load(tmp_path / "s.machine.npy")
    want = order(shape, group, by)
    assert np.array_equal(taken, want >= 0)
    env = {"TILE_CC": str(changing_compiler(tmp_path, (("12345.0f", "(float)program"),)))}
    done, _ = p.machine(0, env)
    assert done.returncode == 0, done.stderr
    seen = np.load(tmp_path / "y.machine.npy")
    assert np.array_equal(seen[want >= 0], want[want >= 0]), f"{seen} for {want}"


SCHEDULES = {
    "block": "unit block warps(2);  grid group(%d);",
    "packed": "unit warp pack(3);  grid group(%d);",
    "threads": "unit thread;  grid group(%d);",
    "persistent": "unit warp;  grid persistent group(%d);",
    "persistent_packed": "unit warp pack(2);  grid persistent group(%d);",
}
SHAPES = [((7, 5), 3), ((6, 4), 3), ((2, 5), 8), ((5, 1), 2), ((1, 4), 1), ((3, 7, 3), 4), ((2, 4, 2), 2)]


@pytest.mark.parametrize("known", [False, True], ids=["dims", "constants"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_shapes(tilec, tmp_path, name, known):
    for shape, group in SHAPES:
        check(tilec, tmp_path, shape, group, SCHEDULES[name], known=known)


@pytest.mark.parametrize("arch", ["sm90", "sm100"])
def test_steps(tilec, tmp_path, arch):
    check(tilec, tmp_path, (33, 70), 2, SCHEDULES["block"], (8, 32), arch=arch)
    check(tilec, tmp_path, (2, 33, 70), 65536, SCHEDULES["persistent"], (4, 16), arch=arch)


RAGGED = """
kernel ragged[E: dim, M: dim, N: dim](ends: in i32[E], s: inout i32[M, N])
{
  par (e in 0..E, m in (e == 0 ? 0 : ends[max(e - 1, 0)])..ends[e] by 2, n in 0..%s by 4) {
    atomic_add(s[m, n], 1);
  }
}
schedule ragged for sm90 { unit warp;  grid group(3); }
"""


@pytest.mark.parametrize("columns", ["N", "10", "min(i64(ends[e]), N)"])
def test_ragged(tilec, tmp_path, columns):
    """Groups begin anew with each range that is counted in the kernel."""
    ends = np.array([0, 5, 6, 6, 20], np.int32)
    s = np.zeros((20, 10), np.int32)
    p = Program(tilec, tmp_path, RAGGED % columns, {"ends": ends, "s": s}, ["s"])
    want = np.zeros_like(s)
    for e, (lo, hi) in enumerate(zip([0, *ends], ends)):
        want[lo:hi:2, 0:min(hi, 10) if "min" in columns else 10:4] = 1
    p.check_values({"s": want}, seeds=4)


def test_a_range_that_needs_the_last(tilec, tmp_path):
    test_directives.check_wrong(tilec, tmp_path, """
kernel ragged[N: dim](ends: in i32[N], y: inout i32[N]) {
  par (e in 0..N, m in 0..ends[e]) { atomic_add(y[e], i32(m)); }
}
schedule ragged for sm90 { grid |>group(2); }      #! here no two can be counted together
""")


def test_text(tilec, tmp_path):
    """Nothing is divided in 64 bits where the host knows by what; no remainder where there is none."""
    text = program(tilec, tmp_path, (5, 5), SCHEDULES["block"] % 4).emitted()
    assert " / " not in text.split("TILE_KERNEL")[1].replace("in_group / 4", "") and "_i64" not in text
    known = program(tilec, tmp_path, (8, 6), SCHEDULES["block"] % 4, known=True).emitted()
    assert "m_group = program / 24" in known and "whole" not in known
