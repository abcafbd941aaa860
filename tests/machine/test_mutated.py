"""Planted faults in emitted code: a C compiler that changes the text first. Each is found, named, and
has its line of the .tile file."""
import os
import re
import sys

import ml_dtypes
import numpy as np
import pytest
from machine import ROOT

TRANSPOSE, NORM = "kernels.tile/transpose/transpose.tile", "examples/rms_norm.tile"
COUNT = "count.tile"
COUNT_TEXT = """kernel count[N: dim, P: dim](x: in i32[N], total: out i32[32])
  scratch (part: inout i32[P, 32])
{
  par (p in 0..P) {
    var mine = fill(i32(0), 32);
    for i in p * 64..N by P * 64 { mine = mine + histogram(x[i +: 64, pad = -1], 32); }
    part[p, :] = mine;
    grid_sync();
    if p == 0 {
      var all = fill(i32(0), 32);
      for q in 0..P { all = all + part[q, :]; }
      total[:] = all;
    }
  }
}
schedule count for sm90 { let P = grid.resident;  unit block warps(2); }
"""

# A row: what is wrong, the file, a regular expression and what replaces its first match, the fault's
# name, and the lines it may be reported at.
ROWS = [
    ("no barrier before the sums of all warps are read", NORM, r"tile_sync\(\);", "",
     ("race", "uninitialised"), {6}),
    ("every lane writes its warp's sum", NORM, r"if \(lane / 1 % 32 == 0\)", "", ("race",), {6}),
    ("the sum of one warp too many", NORM, r"w < 4;", "w < 5;", ("out of bounds",), {6}),
    ("half of a warp in a shuffle", NORM, r"tile_add_f32\((.*?), tile_shuffle_xor_f32\((.*?), 4\)\)",
     r"lane < 16 ? tile_shuffle_xor_f32(\2, 4) : 0", ("divergence",), {6}),
    ("a row below the last one", NORM, r"a\.x \+ \(tile_wide\(m\)", "a.x + (tile_wide(m + 1)",
     ("out of bounds",), {5}),
    ("an input is written", NORM, r"= a\.y \+", "= (uint16_t *)a.x +", ("input written",), {7}),
    ("an output is not written before it is read", NORM, r"a\.w \+", "a.y +", ("uninitialised",), {7}),
    ("no barrier between turning and reading", TRANSPOSE, r"tile_sync\(\);", "",
     ("race", "uninitialised"), {6}),
    ("a barrier for some warps only", TRANSPOSE, r"tile_sync\(\);", "if (warp < 7) tile_sync();",
     ("deadlock", "race", "uninitialised", "barrier misused"), {6}),
    ("rows outside are loaded", TRANSPOSE, r"m \+ warp[^,]* < M", "true", ("out of bounds",), {6}),
    ("rows outside are stored", TRANSPOSE, r"n \+ warp[^,]* < N", "true", ("out of bounds",), {6}),
    ("a vector at an odd element", TRANSPOSE, r"(tile_shared_store_4_f32\(turn \+ )", r"\1 1 + ",
     ("misaligned",), {6}),
    ("the tile is half in shared memory", TRANSPOSE, r"\(shared \+ 0\)", "(shared + 8192)",
     ("out of bounds",), {6}),
    ("no barrier of the grid", COUNT, r"tile_grid_sync\(a\.grid_barrier\);", "",
     ("race", "uninitialised"), {7, 11}),
    ("votes are counted before both warps have voted", COUNT, r"(= \{0\};\n\s*)tile_sync\(\);", r"\1",
     ("race", "uninitialised"), {6}),
    ("what the kernel writes is read as constant", COUNT, r"(tile_load_i32\(part_at.*?)TILE_PLAIN",
     r"\1TILE_CONSTANT", ("constant written",), {7, 11}),
    ("a block that does not come to the grid's barrier", COUNT, r"tile_grid_sync\(a\.grid_barrier\);",
     "if (tile_block() == 2) return; tile_grid_sync(a.grid_barrier);", ("deadlock",), {8}),
]

random = np.random.default_rng(5)
INPUTS = {
    NORM: ({"D": 4096, "eps": 1e-6}, {"x": random.normal(size=(3, 4096)).astype(ml_dtypes.bfloat16),
                                      "w": np.ones(4096, ml_dtypes.bfloat16)}, ["y"]),
    TRANSPOSE: ({"T": "f32"}, {"x": np.zeros((1, 100, 36), np.float32)}, ["y"]),
    COUNT: ({"P": 4}, {"x": random.integers(0, 32, 1000, dtype=np.int32)}, ["total"]),
}


@pytest.fixture
def run(tilec, tmp_path, monkeypatch):
    """Runs a file's kernel on the machine by a compiler that replaces `old` in its text by `new`."""
    def run_(file, old, new, seed):
        cc = tmp_path / "cc"
        cc.write_text(f"#!{sys.executable}\nimport os, re, sys\ntext = open(sys.argv[-1]).read()\n"
                      f"text, found = re.subn({old!r}, {new!r}, text, count=1)\nassert found\n"
                      "open(sys.argv[-1], 'w').write(text)\nos.execvp('cc', ['cc', *sys.argv[1:]])\n")
        cc.chmod(0o700)
        monkeypatch.setenv("TILE_CC", str(cc))
        monkeypatch.setenv("TILE_CACHE_DIR", str(tmp_path / "cache"))
        settings, inputs, outputs = INPUTS[file]
        arguments = [f"-s{name}={value}" for name, value in settings.items()]
        for name, array in inputs.items():
            np.save(tmp_path / f"{name}.npy", array)
            arguments.append(f"-i{name}={tmp_path}/{name}.npy")
        arguments += [f"-o{name}={tmp_path}/{name}.npy" for name in outputs]
        (tmp_path / COUNT).write_text(COUNT_TEXT)
        path = tmp_path / file if file == COUNT else ROOT / file
        return tilec("run", path, "--machine", "sm90", "--seed", seed, *arguments)
    return run_


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_fault(row, run):
    _, file, old, new, names, lines = row
    for seed in range(12):
        done = run(file, old, new, seed)
        if done.returncode:
            break
    found = re.match(r"tilec: (\S*?): ([^:]*): ", done.stderr)
    assert found and found[2] in names, done.stderr
    lines = [f"{os.path.basename(file)}:{line}" for line in lines]
    assert found[1] in lines or found[2] == "deadlock" and f"at {lines[0]}" in done.stderr, done.stderr
    assert f"seed {seed} (" in done.stderr


@pytest.mark.parametrize("file", INPUTS)
def test_nothing_is_found_in_right_code(file, run):
    for seed in range(6):
        done = run(file, "tile_block", "tile_block", seed)
        assert (done.returncode, done.stderr) == (0, "")
