"""`grid resident(n)`: so few registers a thread that n blocks are on an SM at once."""
import re

import numpy as np
import pytest

import test_directives
from runs import Program

TEXT = """
kernel scale[N: dim](x: in f32[N], y: out f32[N], z: out f32[N])
{
  @a par (n in 0..N by 64) { y[n +: 64] = x[n +: 64] * 2.0; }
  @b @unordered par (n in 0..N by 64) { z[n +: 64] = x[n +: 64] + 1.0; }
}
schedule scale for sm90, sm100 { %s }
"""


@pytest.mark.parametrize("schedule, blocks", [
    ("", "0"), ("grid resident(5);", "5"), ("phase b { grid resident(3); }", "3"), ("grid fuse resident(4);", "4")])
def test_least_blocks_of_an_sm(tilec, tmp_path, schedule, blocks):
    x = np.arange(200, dtype=np.float32)
    p = Program(tilec, tmp_path, TEXT % f"unit block warps(2);  {schedule}", {"x": x}, ["y", "z"])
    assert re.findall(r"TILE_KERNEL\(\w+, \w+, 64, (\d+)\)", p.emitted()) == [blocks]
    p.check_values({"y": x * 2, "z": x + 1}, seeds=2)


@pytest.mark.parametrize("wrong", [
    "unit block warps(32);  grid |>resident(3);  "
    "#! 3 blocks of 1024 threads are never on one SM #? an SM holds 2048 threads",
    "grid resident(|>33);  #! resident(33): from 1 to 32 is possible"])
def test_wrong(tilec, tmp_path, wrong):
    test_directives.check_wrong(tilec, tmp_path, TEXT % f"\n {wrong}\n")


def test_programs_that_fill_the_machine(tilec, tmp_path):
    p = Program(tilec, tmp_path, """
kernel counts[N: dim, P: dim](x: in i32[N], y: out i32[N]) scratch (part: inout i32[P])
{
  par (p in 0..P) {
    part[p] = i32(1);
    grid_sync();
    var all = i64(0);
    for q in 0..P { all = all + part[q]; }
    for n in p..N by P { y[n] = i32(x[n] + all - P); }
  }
}
schedule counts { let P = grid.resident; }
""", {"x": np.arange(500, dtype=np.int32)}, ["y"])
    p.check_values({"y": np.arange(500, dtype=np.int32)}, seeds=1)
