"""`load x ..` and `store y ..`: via shared memory, in vectors of so many bytes. The movement is made to
be that, or an error says why it cannot."""
import re

import numpy as np
import pytest

import test_directives
from runs import Program, statements

THREADS = """
kernel threads[N: dim, H: int = 4, W: int = 4, T: type = f32](x: in T[N, H, W], y: out T[N, W, H], z: out f32[N])
{
  par (t in 0..N) {
    let v = x[t, :, :];
    y[t, :, :] = trans(v);
    z[t] = squeeze(sum(reshape(f32(v), H * W), 0, order = seq));
  }
}
schedule threads for sm90, sm100 { unit thread pack(%d);  load x via smem;  store y via smem; }
"""
NUMPY = {"f32": np.float32, "i64": np.int64, "u8": np.uint8}


def numbers(shape, type="f32", seed=1):
    return np.random.default_rng(seed).integers(0, 100, shape).astype(NUMPY[type])


@pytest.mark.parametrize("arch", ["sm90", "sm100"])
@pytest.mark.parametrize("type, h, w, pack", [
    ("f32", 4, 4, 64), ("f32", 4, 4, 32), ("f32", 2, 2, 96), ("f32", 3, 4, 32), ("f32", 4, 8, 32), ("f32", 6, 4, 64),
    ("f32", 8, 8, 32), ("i64", 2, 2, 64), ("i64", 3, 4, 32), ("u8", 4, 4, 128), ("u8", 8, 6, 32), ("u8", 16, 4, 32)])
def test_threads_move_their_tiles_together(tilec, tmp_path, arch, type, h, w, pack):
    n = 2 * pack + 5
    x = numbers((n, h, w), type)
    p = Program(tilec, tmp_path, THREADS % pack, {"x": x}, ["y", "z"], {"H": h, "W": w, "T": type}, arch)
    p.check_values({"y": x.transpose(0, 2, 1), "z": x.reshape(n, -1).sum(1).astype(np.float32)}, seeds=3)


def test_each_access_of_the_warp_is_one_piece(tilec, tmp_path):
    text = Program(tilec, tmp_path, THREADS % 64, {}, []).emitted()
    assert len(statements(text, "tile_warp_load")) == len(statements(text, "tile_warp_store")) == 1
    assert "const bool live" in text                # threads without a program come, too


def test_threads_without_a_program_move_nothing(tilec, tmp_path):
    p = Program(tilec, tmp_path, THREADS % 64, {"x": numbers((70, 4, 4))}, ["y", "z"])
    p.check(3)
    said = p.fault((r"live, 4, 4, TILE_CONSTANT", "true, 4, 4, TILE_CONSTANT"))
    assert "out of bounds" in said, said


TILES = """
kernel tiles[M: dim, N: int = 64, T: type = f32](x: in T[M, N], y: out T[N, M], z: out T[M, N], w: in f32[M])
{
  par (m in 0..M by 32) {
    let v = x[m +: 32, :];
    y[:, m +: 32] = trans(v);
    z[m +: 32, :] = v;
  }
}
schedule tiles for sm90, sm100 { %s }
"""


def tiles(tilec, tmp_path, schedule, m=96, type="f32", arch="sm90"):
    return Program(tilec, tmp_path, TILES % schedule, {"x": numbers((m, 64), type), "w": np.zeros(m, np.float32)},
                   ["y", "z"], {"T": type}, arch)


@pytest.mark.parametrize("unit", ["unit block warps(4);", "unit warp;", "unit lanes(16) pack(4);"])
@pytest.mark.parametrize("asked", ["load x via smem;", "store y via smem;", "store z via smem;", "load x vector(8);",
                                   "load x via smem vector(16);  store y via smem vector(8);", "store y vector(16);",
                                   "load x vector(4);  store z vector(4);", "load x vector(auto);"])
@pytest.mark.parametrize("type", ["f32", "u8"])
def test_tiles(tilec, tmp_path, unit, asked, type):
    for m in (96, 50):
        p = tiles(tilec, tmp_path, unit + asked, m, type, "sm100" if "warp;" in unit else "sm90")
        x = numbers((m, 64), type)
        p.check_values({"y": x.T, "z": x}, seeds=2)


@pytest.mark.parametrize("asked, loads, stores", [
    ("load x vector(4);", {"x": 1}, {}), ("load x vector(8);", {"x": 2}, {}), ("load x vector(16);", {"x": 4}, {}),
    ("store y vector(16);", {}, {"y": 4}), ("store y vector(8);", {}, {"y": 2}), ("store y vector(4);", {}, {"y": 1}),
    ("load x vector(16);  store z vector(4);", {"x": 4}, {"z": 1})])
def test_vectors(tilec, tmp_path, asked, loads, stores):
    text = tiles(tilec, tmp_path, "unit block warps(4);" + asked).emitted()
    text = re.sub(r"\n    else {.*?\n    }", "", text, flags=re.S)       # what is done for tensors that are not aligned
    for verb, want in ("load", loads), ("store", stores):
        for name, n in want.items():
            moves = statements(text, rf"tile_{verb}_\w+\(.*\b(a\.)?{name}(_at\w*)?\b")
            assert moves and all((f"_{n}_" in move) == (n > 1) for move in moves), moves


@pytest.mark.parametrize("asked, turns", [("", 2), ("load x via smem;", 2), ("store z via smem;", 4),
                                          ("load x via smem;  store z via smem;  store y via smem;", 6)])
def test_ways_through_shared_memory(tilec, tmp_path, asked, turns):
    """Each is a store and a load of registers."""
    text = tiles(tilec, tmp_path, "unit block warps(4);" + asked).emitted()
    moves = [m for m in statements(text, "tile_shared_(store|load)") if "shifted" not in m]
    assert len(moves) >= turns, text


@pytest.mark.parametrize("arch", ["sm90", "sm100"])
@pytest.mark.parametrize("width", [64, 256, 512])
def test_vectors_of_bool(tilec, tmp_path, width, arch):
    x = np.random.default_rng(1).integers(0, 2, (5, width)).astype(bool)
    p = Program(tilec, tmp_path, """
kernel flip[N: dim, D: int](x: in bool[N, D], y: out bool[N, D]) { par (n in 0..N) { y[n, :] = !x[n, :]; } }
schedule flip for sm90, sm100 { unit warp; }
""", {"x": x}, ["y"], {"D": width}, arch)
    p.check_values({"y": ~x}, seeds=2)


WRONG = {
    "vector_32": ("store y |>vector(32);", "store y: an access moves at most 16 bytes", "write vector(16)"),
    "vector_1": ("load x |>vector(2);", "load x: an element of f32 has 4 bytes", ""),
    "single": ("load w |>vector(8);", "load w: no tile of it is moved here, only single elements", "this is one"),
    "persistent": ("unit thread pack(32);  grid persistent;  load x via |>smem;",
                   "load x via smem: the threads of a warp",
                   "leave it out"),
    "tile": ("unit thread pack(32);  store y via |>smem;", "store y: a tile of it is not one piece of memory",
             "it is moved here"),
}


def wrong_text(schedule, error, hint):
    text = TILES % f"\n{schedule}  #! {error} {f'#? {hint}' if hint else ''}\n"
    return text.replace("z[m +: 32, :] = v;", "z[m +: 32, :] = w[m] > 0.0 ? v : v + 1.0;")


@pytest.mark.parametrize("name", WRONG)
def test_wrong(tilec, tmp_path, name):
    test_directives.check_wrong(tilec, tmp_path, wrong_text(*WRONG[name]))


VECTORS_WRONG = {
    "begins": ("y[n, :] = x[n, k +: 32];", "load x |>vector(16);",
               "load x: its tiles need not begin where a vector does"),
    "negative": ("y[n, :] = x[n, 4 * k - 4 +: 32];", "load x |>vector(16);", "load x: an index may be negative"),
    "extent": ("y[n, :] = u[n, 4 * k +: 32];", "load u |>vector(16);", "load u: its extent is no multiple of a vector"),
    "gather": ("y[n, :] = x[n, iota(32) + k];", "load x |>vector(16);",
               "load x: no axis of its tiles lies contiguously"),
    "scatter": ("y[n, iota(32) + 0 * k] = x[n, 0 +: 32];", "store y via |>smem;",
                "store y: no axis of its tiles lies contiguously in memory"),
    "row": ("y[n, :] = u[n, 0 +: 32];", "load u via |>smem;  unit thread pack(32);",
            "load u: its tiles need not begin at a multiple of 16 bytes"),
    "branch": ("if k > 1 { y[n, :] = x[n, 0 +: 32]; }", "load x via |>smem;  unit thread pack(32);",
               "load x: the threads of a warp move their tiles together, and some programs may not come here"),
    "continue": ("if k > 1 { continue; }  y[n, :] = x[n, 0 +: 32];", "load x via |>smem;  unit thread pack(32);",
                 "load x: the threads of a warp move their tiles together, and some programs may not come here"),
}


@pytest.mark.parametrize("name", VECTORS_WRONG)
def test_vectors_wrong(tilec, tmp_path, name):
    body, schedule, error = VECTORS_WRONG[name]
    test_directives.check_wrong(tilec, tmp_path, f"""
kernel f[N: dim](x: in f32[N, 64], u: in f32[N, 63], ids: in i32[N], y: out f32[N, 32])
{{
  par (n in 0..N) {{ let k = max(i64(ids[n]), 0);  {body} }}
}}
schedule f for sm90 {{
 {schedule}  #! {error}
}}
""")


ADDS = """
kernel adds[N: dim, D: int = 64](x: in i32[N, D], y: inout i32[N, D], z: out f32[N, D])
{
  par (n in 0..N by 4) {
    atomic_add(y[n +: 4, :], x[n +: 4, :]);
    z[n +: 4, :] = fill(1.0, 4, D);
  }
}
schedule adds for sm90, sm100 { %s }
"""


@pytest.mark.parametrize("asked, error", [
    ("load y vector(16);", "kernel adds does not load y"),
    ("store y cache(stream);", "store y: cache is about tiles; here are only single elements, tiles of one value, "
     "and additions"),
    ("store z via smem;", "store z: smem is about tiles; here are only single elements, tiles of one value, "
     "and additions")])
def test_additions_and_single_values(tilec, tmp_path, asked, error):
    (tmp_path / "t.tile").write_text(ADDS % asked)
    done = tilec("emit", tmp_path / "t.tile", "--arch", "sm90", "-o", tmp_path / "out")
    assert done.returncode == 1 and f"error: {error}\n" in done.stderr, done.stderr
