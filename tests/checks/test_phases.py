"""Right programs around barriers, phases, ranges and views of absent tensors: checked, and run."""
import numpy as np
import pytest

from wrong import check_right

RIGHT = {
    "barriers under uniform conditions": """
kernel k[M: dim, P: dim, R: int = 3](y: out f32[M], rounds: i32) scratch (t: inout f32[P]) where M % 2 == 0 {
  par (p in 0..P) {
    t[p] = 0.0;
    if M > 100 { grid_sync(); }
    for r in 0..rounds by 2 { if r < R { grid_sync(); } }
    var odd = 0;
    for r in 0..M { odd = 1 - odd;  if odd == 1 { grid_sync(); } }
    for n in p..M by P { if n > 3 { continue; } y[n] = 1.0; }
    grid_sync();
  }
}
schedule k for sm90 { let P = grid.resident; }
""",
    "what an exchange gives is uniform": """
kernel k[M: dim](x: in f32[M], y: out f32[M]) {
  par (p in 0..4) {
    let all = exchange(x[p]);
    if sum(all, 0)[0] > 3.0 { grid_sync(); }
    y[p] = all[0];
  }
}
""",
    "a range bounded by the schedule": """
kernel k[M: dim, P: dim](y: out f32[M]) {
  par (p in 0..min(cdiv(M, 8), P), q in 0..2) { grid_sync();  y[2 * p + q] = 1.0; }
}
schedule k for sm90 { let P = grid.resident; }
""",
    "phases without barriers have any range": """
kernel k[M: dim, P: dim](y: out f32[M]) {
  par (i in 0..M) { y[i] = 1.0; }
  par (p in 0..P) { grid_sync(); }
}
schedule k for sm90 { let P = grid.resident; }
""",
    "loops range over what the program may load": """
kernel k[M: dim](n: inout i32[M], y: out f32[M]) {
  par (i in 0..M) {
    local few: i32[1];
    few[0] = 2;
    for j in 0..n[i] by few[0] { y[i] = f32(j); }
    for (j in 0..n[i], m in 0..few[0]) of (1, 2) { y[i] = f32(m); }
  }
}
""",
    "ranges of a later phase": """
kernel k[M: dim](n: out i32[M], m: out i32[M], y: out f32[M]) {
  @first par (i in 0..M) { n[i] = 1; }
  @count par (i in 0..M) { m[i] = 1; }
  @unordered @fill par (i in 0..M, j in 0..n[i]) { y[i] = 1.0; }
  @last par (i in 0..M, j in 0..m[i]) { y[i] = 2.0; }
}
""",
    "the formats of store(x)": """
kernel k[M: dim](x: in f32[M, 4] @ store(row, col_pad16), y: out f32[M]) where store(x) == col_pad16 {
  par (i in 0..M) { y[i] = x[i, 0]; }
}
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right(name, tilec, tmp_path):
    check_right(tilec, tmp_path, RIGHT[name])


def test_formats_are_checked_where_the_program_asks(tilec, tmp_path):
    for asks, variants in (("", 1), ("where store(x) == row || store(x) == col_pad16", 2)):
        (tmp_path / "k.tile").write_text(
            f"kernel k[M: dim](x: in f32[M, 4] @ store(row, col_pad16), y: out f32[M]) {asks}\n"
            "{ par (i in 0..M) { y[i] = x[i, 0]; } }\n")
        done = tilec("check", "-v", tmp_path / "k.tile")
        assert f"{variants} variant" in done.stdout, done.stdout + done.stderr


VIEW = """
kernel k[M: dim](x: in f32[M, 2]?, y: out f32[M]) {
  view columns = trans(reshape(flat(x), M, 2));
  par (i in 0..M) { y[i] = has(columns) ? columns[1, i] : 7.0; }
}
"""


def run(tilec, folder, program, *arguments, **inputs):
    (folder / "k.tile").write_text(program)
    for name, value in inputs.items():
        np.save(folder / f"{name}.npy", value)
        arguments += ("-i", f"{name}={folder / name}.npy")
    done = tilec("run", folder / "k.tile", "k", *arguments, "-o", f"y={folder / 'y.npy'}")
    assert done.returncode == 0, done.stderr
    return np.load(folder / "y.npy")


def test_view_of_an_optional_tensor(tilec, tmp_path):
    assert list(run(tilec, tmp_path, VIEW, "-s", "M=3")) == [7, 7, 7]
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert list(run(tilec, tmp_path, VIEW, x=x)) == [1, 3, 5]


def test_an_integer_taken_out_of_a_tile_is_an_i64(tilec, tmp_path):
    program = """
kernel k[M: dim](x: in i32[M], y: out i64[M]) {
  par (i in 0..1) { let v = x[0 +: 4];  y[0] = take(v, 1) * v[2];  y[1] = take(v, 9, pad = -3); }
}
"""
    x = np.array([1, 2**31 - 1, 2**31 - 1, 5], np.int32)
    assert list(run(tilec, tmp_path, program, x=x)[:2]) == [(2**31 - 1) ** 2, -3]


def test_absolute_value_of_unsigned_integers(tilec, tmp_path):
    program = """
kernel k[M: dim](x: in u32[M], y: out u32[M]) { par (i in 0..M by 4) { y[i +: 4] = abs(x[i +: 4]); } }
"""
    x = np.array([0xFFFFFFF1, 0, 1, 0x80000001], np.uint32)
    assert np.array_equal(run(tilec, tmp_path, program, x=x), x)


def test_shared_loop_over_what_the_program_has_stored(tilec, tmp_path):
    program = """
kernel k[M: dim](n: inout i32[M], y: inout i64[M]) {
  par (i in 0..M) {
    n[i] = i32(i);
    for (a in 0..n[i], b in 0..a) of (0, 1) { y[i] = y[i] + 1; }
  }
}
"""
    y = run(tilec, tmp_path, program, n=np.zeros(5, np.int32), y=np.zeros(5, np.int64))
    assert list(y) == [0, 0, 1, 3, 6]
