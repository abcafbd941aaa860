"""`load x via tma`, `store y via tma`: tensor copies move the tiles, through tensor maps that the host makes. The
machine model has the rules of the hardware; the interpreter says what comes out."""
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest

import test_directives
from runs import Program, statements

ROOT = pathlib.Path(__file__).resolve().parents[2]
NUMPY = {"u8": np.uint8, "i16": np.int16, "f32": np.float32, "i64": np.int64}

TILES = """
kernel tiles[M: dim, N: dim, BM: int = 16, BN: int = 32, T: type = f32](x: in T[M, N], y: out T[M, N], z: out T[N, M])
{
  par (m in 0..M by BM, n in 0..N by BN) {
    let v = x[m +: BM, n +: BN];
    y[m +: BM, n +: BN] = v + v;
    z[n +: BN, m +: BM] = trans(v);
  }
}
schedule tiles for sm90, sm100 { %s }
"""
MOVES = "load x via tma;  store y via tma;  store z via tma;"


def numbers(shape, type="f32", seed=1):
    return np.random.default_rng(seed).integers(0, 100, shape).astype(NUMPY[type])


def tiles(tilec, tmp_path, schedule=MOVES, shape=(32, 64), type="f32", arch="sm90", **settings):
    x = numbers(shape, type)
    p = Program(tilec, tmp_path, TILES % schedule, {"x": x}, ["y", "z"], settings | {"T": type}, arch)
    return p, {"y": x + x, "z": np.ascontiguousarray(x.T)}


UNITS = ["unit block warps(1);", "unit block warps(4);", "unit warp;", "unit warp pack(4);",
         "unit block warps(2);  grid persistent;", "unit warp pack(2);  grid persistent;"]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("shape", [(32, 64), (44, 100), (16, 8), (4, 132)])
def test_units_and_edges(tilec, tmp_path, unit, shape):
    arch = "sm100" if "warp " in unit else "sm90"
    p, want = tiles(tilec, tmp_path, unit + MOVES, shape, arch=arch)
    p.check_values(want, seeds=6)


@pytest.mark.parametrize("type, sides", [
    ("u8", {"BM": 16, "BN": 32}), ("u8", {"BM": 64, "BN": 128}), ("i16", {"BM": 8, "BN": 64}),
    ("i16", {"BM": 32, "BN": 16}), ("f32", {"BM": 4, "BN": 8}), ("f32", {"BM": 32, "BN": 32}),
    ("f32", {"BM": 8, "BN": 256}), ("i64", {"BM": 2, "BN": 4}), ("i64", {"BM": 16, "BN": 16})])
def test_types_and_boxes(tilec, tmp_path, type, sides):
    """Also boxes whose rows are as long as a swizzle."""
    p, want = tiles(tilec, tmp_path, "unit block warps(2);" + MOVES, (80, 272), type, **sides)
    p.check_values(want, seeds=3)


@pytest.mark.parametrize("type, columns, swizzle", [("f32", 8, 1), ("f32", 16, 2), ("f32", 32, 3), ("i64", 16, 3)])
def test_swizzles(tilec, tmp_path, type, columns, swizzle):
    """Threads that hold columns would meet in the banks of rows one behind the other."""
    x = numbers((40, columns), type)
    p = Program(tilec, tmp_path, f"""
kernel turn[M: dim](x: in {type}[M, {columns}], y: out {type}[{columns}, M])
{{
  par (m in 0..M by 32) {{ y[:, m +: 32] = trans(x[m +: 32, :]); }}
}}
schedule turn for sm90, sm100 {{ unit warp;  load x via tma; }}
""", {"x": x}, ["y"])
    p.emitted()
    assert re.findall(r"\.swizzle = (\d)", (tmp_path / "out" / "t.c").read_text()) == [str(swizzle)]
    p.check_values({"y": np.ascontiguousarray(x.T)}, seeds=6)


@pytest.mark.parametrize("shape", [(33, 100), (32, 63), (5, 1), (1, 66)])
def test_where_rows_are_not_aligned(tilec, tmp_path, shape):
    """There the code without tensor copies runs; z's rows have as many elements as x has rows."""
    p, want = tiles(tilec, tmp_path, "unit block warps(4);" + MOVES, shape)
    p.check_values(want, seeds=2)


def test_a_row_that_ends_within_16_bytes(tilec, tmp_path):
    """A tensor copy would overwrite what lies behind it: threads store it."""
    x = numbers((203,))
    p = Program(tilec, tmp_path, """
kernel row[N: dim](x: in f32[N], y: out f32[N]) { par (n in 0..N by 64) { y[n +: 64] = x[n +: 64]; } }
schedule row for sm90 { unit warp;  store y via tma; }
""", {"x": x}, ["y"])
    p.check_values({"y": x}, seeds=2)


@pytest.mark.parametrize("unit", UNITS)
def test_tiles_that_begin_before_the_tensor(tilec, tmp_path, unit):
    """A tensor copy loads such, but does not store them: threads do."""
    x = numbers((21, 64))
    p = Program(tilec, tmp_path, """
kernel before[N: dim](x: in f32[N, 64], y: out f32[N, 64])
{
  par (n in 0..N + 5 by 8) { y[n - 5 +: 8, :] = x[n - 5 +: 8, :]; }
}
schedule before for sm90 { %s  load x via tma;  store y via tma; }
""" % unit, {"x": x}, ["y"])
    assert "tile_tensor_store_2d" in p.emitted()
    p.check_values({"y": x}, seeds=4)


RANKS = {
    1: ("x: in f32[N]", "y: out f32[N]", "n in 0..N by 64", "[n +: 64]", (200,)),
    2: ("x: in f32[A, N]", "y: out f32[A, N]", "a in 0..A, n in 0..N by 64", "[a, n +: 64]", (3, 200)),
    3: ("x: in f32[A, N, 8]", "y: out f32[A, N, 8]", "a in 0..A, n in 0..N by 4", "[a, n +: 4, :]", (3, 10, 8)),
    4: ("x: in f32[A, 3, N, 8]", "y: out f32[A, 3, N, 8]", "a in 0..A by 2, n in 0..N by 4", "[a +: 2, :, n +: 4, :]",
        (3, 3, 6, 8)),
    5: ("x: in f32[A, 3, 2, N, 8]", "y: out f32[A, 3, 2, N, 8]", "a in 0..A by 2, n in 0..N by 4",
        "[a +: 2, 1, :, n +: 4, :]", (3, 3, 2, 6, 8)),
}


@pytest.mark.parametrize("unit", ["unit block warps(2);", "unit warp;"])
@pytest.mark.parametrize("rank", RANKS)
def test_ranks(tilec, tmp_path, rank, unit):
    x, y, ranges, at, shape = RANKS[rank]
    dims = ", ".join(d + ": dim" for d in ("A", "N") if re.search(rf"\b{d}\b", x))
    text = f"""
kernel ranks[{dims}]({x}, {y}) {{ par ({ranges}) {{ y{at} = x{at} + 1.0; }} }}
schedule ranks for sm90 {{ {unit}  load x via tma;  store y via tma; }}
"""
    p = Program(tilec, tmp_path, text, {"x": numbers(shape)}, ["y"])
    assert f"tile_tensor_load_{rank}d(" in p.emitted() and f"tile_tensor_store_{rank}d(" in p.emitted()
    p.check(6)


LOOP = """
kernel loop[N: dim, R: int = 5](x: in f32[N, R * 64], i: in i64[R], y: inout f32[N, 64], w: in f32[N, 64]) {
  par (n in 0..N by 8) {
    for k in 0..R {
      if k %% 2 == 0 { continue; }
      let old = y[n +: 8, :];
      y[n +: 8, :] = old + x[n +: 8, 64 * k +: 64] * w[i[k] +: 8, :];
    }
  }
}
schedule loop for sm90, sm100 { %s  load x via tma;  load w via tma;  store y via tma; }
"""


def loop(tilec, tmp_path, unit="unit block warps(4);", indices=(3, -4, 7, 17, -9), n=20):
    return Program(tilec, tmp_path, LOOP % unit,
                   {"x": numbers((n, 320)), "i": np.array(indices, np.int64), "y": numbers((n, 64), seed=2),
                    "w": numbers((n, 64), seed=3)}, ["y"])


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("indices", [(0, 0, 0, 0, 0), (3, -4, 7, 17, -9), (0, 2**31, 0, -2**40, 0),
                                     (0, 2**32, 0, 2**62, 0)])
def test_rounds(tilec, tmp_path, unit, indices):
    """Buffers, parities and stores of one place, over and over; indices from memory, far outside."""
    loop(tilec, tmp_path, unit, indices).check(6)


FAULTS = {
    "no wait": ((r"tile_mbarrier_wait\([^;]*;", ""), "in flight|uninitialised|wrong phase"),
    "wrong parity": ((r"phase(_\d)? \^= 1;", ""), "in flight|wrong phase|race|reused too early"),
    "fewer bytes": ((r"arrive_expect_tx\((\w+), 2048\)", r"arrive_expect_tx(\1, 1024)"), "wrong byte count"),
    "no fence": ((r"\n\s+tile_fence_proxy_async\(\);\n(?=\s+tile_sync)", "\n"), "missing proxy fence"),
    "no barrier of the store": ((r"(tile_fence_proxy_async\(\);)\n\s+tile_sync\(\);", r"\1"),
                                "race|missing proxy fence|uninitialised"),
    "no wait of the store": ((r"tile_bulk_wait\(0\);", ""), "in flight|exit with work in flight"),
    "half a row": ((r"(tile_tensor_load_2d\(.*), (.*), (.*)\);", r"\1, \2 + 2, \3);"), "misaligned"),
    "no init": ((r"TILE_EACH\(i, 1\) tile_mbarrier_init\([^;]*;", ""), "mbarrier misused"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_planted(tilec, tmp_path, name):
    change, fault = FAULTS[name]
    said = loop(tilec, tmp_path).fault(change, seeds=12)
    assert re.search(rf"t\.tile:\d+: ({fault}):", said), said


@pytest.mark.parametrize("grid", ["", "grid persistent;"])
def test_planted_barrier(tilec, tmp_path, grid):
    """Threads see the mbarrier, and have read the tile of the program before."""
    p, _ = tiles(tilec, tmp_path, f"unit block warps(4); {grid} load x via tma;", (64, 128))
    said = p.fault((r"tile_sync\(\);\n(\s+if \(lane == 0 && warp == 0\) \{\n\s+tile_mbarrier)", r"\1"), seeds=12)
    assert re.search(r"t\.tile:\d+: (mbarrier misused|reused too early|wrong phase|in flight):", said), said


AHEAD = """
kernel ahead[N: dim, K: dim, R: int = 2](x: in f32[N, K], w: in f32[K], i: in i64[R],
                                         y: out f32[N, K], s: out f32[N, R])
{
  par (n in 0..N by 8) {
    for r in 0..R {
      var a = fill(0.0, 8);
      for k in i[r]..K by 16 {
        if k == 48 { continue; }
        let v = x[n +: 8, k +: 16] * reshape(w[k +: 16], 1, 16);
        y[n +: 8, k +: 16] = v + f32(r);
        a = a + squeeze(sum(v, 1));
      }
      s[n +: 8, r] = a;
    }
  }
}
schedule ahead for sm90, sm100 { %s  load x via tma;  load w via tma;  pipeline k stages(%d); }
"""


def ahead(tilec, tmp_path, unit="unit block warps(2);", stages=3, shape=(20, 100), begins=(0, 16)):
    text = AHEAD.replace("in i[r]..K by 16", "in 16 * i[r]..K by 16") % (unit, stages)
    return Program(tilec, tmp_path, text, {"x": numbers(shape), "w": numbers(shape[1:]),
                                           "i": np.array(begins, np.int64) // 16}, ["y", "s"], {"R": len(begins)})


@pytest.mark.parametrize("stages", [2, 3, 5, 32])
@pytest.mark.parametrize("unit", UNITS)
def test_pipelines(tilec, tmp_path, unit, stages):
    """A ring of boxes: rounds that end early, no rounds at all, fewer than stages, one loop several times."""
    for begins in (0, 0), (0, 160, 64, 16, 0):
        ahead(tilec, tmp_path, unit, stages, begins=begins).check(6)


def test_a_pipeline_where_rows_are_not_aligned(tilec, tmp_path):
    ahead(tilec, tmp_path, shape=(20, 99)).check(3)


def test_a_pipeline_of_programs(tilec, tmp_path):
    text = (TILES % "unit block warps(2);  grid persistent;  load x via tma;  store y via tma;  "
            "pipeline programs stages(3);")
    x = numbers((60, 100))
    p = Program(tilec, tmp_path, text, {"x": x}, ["y", "z"])
    assert "phases >>" in p.emitted()
    p.check_values({"y": x + x, "z": np.ascontiguousarray(x.T)}, seeds=6)


def test_a_pipeline_beside_others(tilec, tmp_path):
    """One tensor by tensor copies, one by cp.async, one to registers."""
    p = Program(tilec, tmp_path, """
kernel three[N: dim](x: in f32[N, 64], u: in f32[N, 64], v: in f32[N, 64], y: out f32[64]) {
  par (p in 0..1) {
    var a = fill(0.0, 64);
    for n in 0..N by 4 { a = a + squeeze(sum(x[n +: 4, :] + u[n +: 4, :] * v[n +: 4, :], 0)); }
    y[:] = a;
  }
}
schedule three for sm90 { unit block warps(2);  load x via tma;  load u via smem;  pipeline n stages(3); }
""", {"x": numbers((37, 64)), "u": numbers((37, 64), seed=2), "v": numbers((37, 64), seed=3)}, ["y"])
    text = p.emitted()
    assert "tile_tensor_load_2d(" in text and "tile_vector_copy(" in text
    p.check(6)


AHEAD_FAULTS = {
    "no wait": ((r"tile_mbarrier_wait\(full \+ (?!left)[^;]*;", ""), "in flight|uninitialised|wrong phase"),
    "no wait behind": ((r"tile_mbarrier_wait\(full \+ left[^;]*;", ""),
                       "exit with work in flight|wrong phase|too many arrivals"),
    "no barrier": ((r"(float \*const box.*\n(?:.*\n)*?\s+for \(int64_t k(?:.*\n)*?.*)tile_sync\(\);", r"\1"),
                   "reused too early|wrong phase|race|deadlock"),
    "another slot": ((r"(tile_tensor_load_2d\(box \+ )\w+ \*", r"\1 0 *"), "in flight|reused too early|uninitialised"),
}


@pytest.mark.parametrize("name", AHEAD_FAULTS)
def test_planted_ahead(tilec, tmp_path, name):
    change, fault = AHEAD_FAULTS[name]
    said = ahead(tilec, tmp_path).fault(change, seeds=12)
    assert re.search(rf"t\.tile:\d+: ({fault}):", said), said


def test_nothing_else_moves(tilec, tmp_path):
    text = tiles(tilec, tmp_path, "unit block warps(4);" + MOVES)[0].emitted()
    text = re.sub(r"\n    else {.*?\n    }", "", text, flags=re.S)      # what is done for tensors that are not aligned
    assert not statements(text, r"tile_(load|store)_\w+\(")
    assert len(statements(text, r"tile_tensor_load_2d\(")) == 1
    assert len(statements(text, r"tile_tensor_store_2d\(")) == 2


def test_one_map_for_equal_boxes(tilec, tmp_path):
    text = """
kernel twice[N: dim](x: in f32[N, 64], y: out f32[N, 64]) {
  par (n in 0..N by 8) { y[n +: 8, :] = x[n +: 8, :] + x[n + 8 +: 8, :] + x[n +: 8, 0 +: 64]; }
}
schedule twice for sm90 { load x via tma; }
"""
    p = Program(tilec, tmp_path, text, {"x": numbers((30, 64))}, ["y"])
    assert p.emitted().count("TileTensorMap") == 1
    p.check(3)


VIEWS = """
kernel views[N: dim](x: in f32[N, 64], y: out f32[N, 64], z: out f32[N, 64]) {
  view t = trans(x);
  view r = reshape(x, N, 8, 8);
  par (n in 0..N by 8) {
    y[n +: 8, :] = trans(t[:, n +: 8]);
    z[n +: 8, :] = reshape(r[n +: 8, :, :], 8, 64) + 1.0;
  }
}
schedule views for sm90 { load x via tma;  store z via tma; }
"""


def test_views(tilec, tmp_path):
    x = numbers((20, 64))
    p = Program(tilec, tmp_path, VIEWS, {"x": x}, ["y", "z"])
    assert "tile_tensor_load_3d(" in p.emitted()
    p.check_values({"y": x, "z": x + 1}, seeds=3)


@pytest.mark.parametrize("first", ["load x via tma;  store y via tma;", ""])
def test_launches_behind_each_other(tilec, tmp_path, first):
    """The second starts early (pdl) and copies what the first has written, by copies or threads."""
    p = Program(tilec, tmp_path, """
kernel two[N: dim](x: in f32[N, 64], y: out f32[N, 64], z: out f32[N, 64]) {
  @a par (n in 0..N by 8) { y[n +: 8, :] = x[n +: 8, :] + 1.0; }
  @b par (n in 0..N by 4) { z[n +: 4, :] = y[n - 2 +: 4, :] * 2.0; }
}
schedule two for sm90 { phase a { %s }  phase b { load y via tma;  store z via tma; } }
""" % first, {"x": numbers((30, 64))}, ["y", "z"])
    assert "tile_pdl_wait();" in p.emitted()
    p.check(12)


def test_empty(tilec, tmp_path):
    """A tensor without elements has no map."""
    text = """
kernel empty[N: dim, K: dim](x: in f32[K, 64], y: out f32[N, 64]) {
  par (n in 0..N by 8) { y[n +: 8, :] = x[n +: 8, :]; }
}
schedule empty for sm90 { load x via tma;  store y via tma; }
"""
    p = Program(tilec, tmp_path, text, {"x": numbers((0, 64))}, ["y"], {"N": 8})
    p.check_values({"y": np.zeros((8, 64), np.float32)}, seeds=2)


WRONG_KERNEL = """
kernel wrong[N: dim, K: dim, C: int = 512]
  (x: in f32[N, 64], u: in f32[N, K], o: in f32[N, 6], y: out f32[N, 64], h: in e2m1[N, 64],
                             i: in i64[1], io: inout f32[N, 64], sf: in f32[N, 4], big: in f32[N, 512], t: out f32[N],
                             r: out f32[6])
                scratch (s: inout f32[N, 64])
{
  view up = upsample(sf, 1, 16);
  view rest = slice(x, N // 2, N, axis = 0);
  par (n in 0..N by 8) {
    %s
  }
}
schedule wrong for sm90, sm100 {
%s  #! %s
}
"""
WRONG = {
    "pad": ("y[n +: 8, :] = x[n +: 8, :, pad = 1.0];", "load x via |>tma;",
            "load x: via tma: what is outside reads as 0"),
    "gather": ("y[n +: 8, :] = x[iota(8) + i[0], :];", "load x via |>tma;",
               "load x: via tma: an index that is a tile is not one box"),
    "rows": ("y[n +: 8, 0 +: 6] = o[n +: 8, :];", "load o via |>tma;",
             "load o: via tma: rows of its tiles have 24 bytes, no multiple of 16"),
    "apart": ("y[n +: 8, 0 +: 4] = o[n +: 8, 0 +: 4];", "load o via |>tma;",
              "load o: via tma: neighbours along an axis are 24 bytes apart, no multiple of 16"),
    "ends": ("if n == 0 { r[0 +: 8] = x[n, 0 +: 8]; }", "store r via |>tma;",
             "store r: via tma: rows of 24 bytes are no multiple of 16, and a tensor copy would overwrite"),
    "begins": ("y[n +: 8, 0 +: 8] = x[n +: 8, i[0] +: 8];", "load x via |>tma;",
               "load x: via tma: its tiles need not begin at a multiple of 16 bytes of a row"),
    "wide": ("t[n +: 8] = squeeze(sum(big[n +: 8, :], 1));", "load big via |>tma;",
             "load big: via tma: its tiles have 512 elements along an axis, a tensor copy takes at most 256"),
    "upsampled": ("y[n +: 8, :] = up[n +: 8, :];", "load sf via |>tma;",
                  "load sf: via tma: a tensor copy takes elements as they lie"),
    "slice": ("y[n +: 8, :] = rest[n +: 8, :];", "load x via |>tma;",
              "load x: via tma: the host does not know where this view begins"),
    "scratch": ("s[n +: 8, :] = x[n +: 8, :];", "store s via |>tma;",
                "store s: via tma: the host makes maps of arguments, not of scratch"),
    "e2m1": ("y[n +: 8, :] = f32(h[n +: 8, :]);", "load h via |>tma;", "load h: via tma: not of e2m1"),
    "column": ("y[n +: 8, 0 +: 1] = x[n +: 8, 3 +: 1];", "store y via |>tma;",
               "store y: via tma: rows of its tiles have 4 bytes, no multiple of 16"),
    "written": ("io[n +: 8, :] = io[n +: 8, :] + 1.0;", "load io via |>tma;",
                "load io via tma: the phase writes it"),
    "vector": ("y[n +: 8, :] = x[n +: 8, :];", "load x via tma |>vector(16);",
               "load x via tma: vector is for what threads move"),
    "stream": ("y[n +: 8, :] = x[n +: 8, :];", "store y via tma |>cache(stream);",
               "store y via tma: cache is for what threads move"),
    "lanes": ("y[n +: 8, :] = x[n +: 8, :];", "unit lanes(8);  load x via |>tma;",
              "load x via tma: it needs unit block or warp"),
    "stages": ("for k in 0..8 { y[n +: 8, 8 * k +: 8] = x[n +: 8, 8 * k +: 8]; }",
               "pipeline k stages(33);  load x via |>tma;",
               "load x via tma: it cannot run ahead in pipeline k: more than 32 stages"),
    "chunk": ("for k in 0..2 { y[n +: 8, 32 * k +: 32] = x[n +: 8, 32 * k +: 32]; }"
              "  t[n +: 8] = squeeze(sum(big[n +: 8, :], 1));",
              "chunk C sizes(64);  pipeline k stages(2);  load x via |>tma;",
              "load x via tma: it cannot run ahead in pipeline k: not beside `chunk`"),
    "single": ("y[n, 0] = x[n, 1];", "load x via |>tma;", "load x: no tile of it is moved here"),
    "add": ("y[n +: 8, :] = x[n +: 8, :];", "store y via tma |>add;", "store y: add is not lowered"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(tilec, tmp_path, name):
    statement, schedule, error = WRONG[name]
    test_directives.check_wrong(tilec, tmp_path, WRONG_KERNEL % (statement, schedule, error))


@pytest.mark.parametrize("target", ["sm_90a", "sm_100a"])
@pytest.mark.parametrize("aligned", [0, 1])
def test_nvcc_takes_it(tilec, tmp_path, target, aligned):
    nvcc = shutil.which("nvcc")
    if not nvcc:
        pytest.skip("nvcc is not installed")
    text = loop(tilec, tmp_path, "unit warp pack(4);  grid persistent;").emitted()
    (tmp_path / "x.cu").write_text(text)
    options = ["-std=c++17", f"-arch={target}", f"-DTILE_ALIGNED={aligned}", f"-I{ROOT}", "-cubin", "-Xptxas", "-v"]
    done = subprocess.run([nvcc, *options, "-o", tmp_path / "x.cubin", tmp_path / "x.cu"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill", done.stderr)) == {("0", "0")}, done.stderr


def test_phases_of_one_launch(tilec, tmp_path):
    test_directives.check_wrong(tilec, tmp_path, """
kernel two[N: dim](x: in f32[N, 64], y: inout f32[N, 64]) {
  @a par (n in 0..N by 8) { y[n +: 8, :] = x[n +: 8, :]; }
  @b par (n in 0..N by 8) { y[n +: 8, :] = y[n +: 8, :] + 1.0; }
}
schedule two for sm90 { grid fuse;
  phase a { load x via |>tma; }  #! load x via tma: not where several phases are one launch yet
}
""")
