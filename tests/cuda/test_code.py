"""What is emitted has no more in it than it needs."""
import re

import numpy as np
import pytest

from runs import Program

SIGMOID = """
kernel k[N: dim](x: in f32[N], y: out f32[N], z: out f32[N])
{
  par (n in 0..N by 64) {
    let v = x[n +: 64];
    let s = sigmoid(v);
    %s
  }
}
"""
VALUES = np.array([0.0, -0.0, 1.5, -3.25, 120.0, -120.0, np.inf, -np.inf, np.nan, 1e-30], np.float32)


@pytest.mark.parametrize("body, number", [
    ("y[n +: 64] = v * s;", True),
    ("y[n +: 64] = v * (1.0 - s) + 2.0;", True),
    ("let t = fma(v, 1.0 - s, 1.0);  y[n +: 64] = s * 3.0 * t;", True),
    ("y[n +: 64] = s;", False),
    ("y[n +: 64] = v * s;  z[n +: 64] = s + 1.0;", False),
    ("y[n +: 64] = select(v > 0.0, s, v);", False),
    ("y[n +: 64] = max(s, 0.5) * v;", False),
    ("if n > 100 { z[n +: 64] = s; }  y[n +: 64] = v * s;", False)])
def test_sigmoid_of_a_number(tilec, tmp_path, body, number):
    """Where a NaN of x gets into what is computed from the sigmoid in another way, nobody asks the sigmoid."""
    p = Program(tilec, tmp_path, SIGMOID % body, {"x": np.resize(VALUES, 130)}, ["y"])
    assert ("tile_sigmoid_number(" in p.emitted()) == number
    p.check(3)


UPSAMPLED = """
kernel k[N: dim, G: int = %d](x: in f32[N], s: in f32[N // G], y: out f32[N])
{
  view all = upsample(s, G);%s
  par (n in 0..N by 512) { y[n +: 512] = x[n +: 512] * all[n%s +: 512]; }
}
schedule k for sm90, sm100 { unit block warps(2);  store y vector(16); }
"""


@pytest.mark.parametrize("group, more, offset, shared", [
    (128, "", "", True), (32, "", "", True), (8, "", "", True), (6, "", "", False), (32, "", " + 3", False),
    (32, "  view all = slice(all, 0, N - 5);", "", False)])
def test_neighbours_share_an_element_of_an_upsampled_view(tilec, tmp_path, group, more, offset, shared):
    text = UPSAMPLED % (group, more.replace("view all =", "view some ="), offset)
    if more:
        text = text.replace("* all[", "* some[")
    n = 5 * 96 * group // 32 if group >= 32 else 96 * group
    rng = np.random.default_rng(1)
    x, s = (rng.integers(1, 9, k).astype(np.float32) for k in (n, n // group))
    p = Program(tilec, tmp_path, text, {"x": x, "s": s}, ["y"])
    assert bool(re.search(r"r % \d+ \? \w+\[r - 1\] :", p.emitted())) == shared
    scale = np.append(np.repeat(s, group), np.zeros(8, np.float32))
    at = np.arange(n) + (3 if offset else 0)
    want = x * np.where(at < n - (5 if more else 0), scale[np.minimum(at, n)], np.float32(0))
    p.check_values({"y": want}, seeds=2)


def test_casts_stand_where_they_are_used(tilec, tmp_path):
    p = Program(tilec, tmp_path, """
kernel k[N: dim](x: in bf16[N, 256], w: in bf16[N, 256], y: out f32[N, 256])
{
  par (n in 0..N) {
    let v = f32(x[n, :]);
    let b = f32(w[n, :]);
    let s = squeeze(sum(b * b, 0));
    y[n, :] = v * s + v * b;
  }
}
schedule k for sm90 { unit block warps(4); }
""", {name: np.full((3, 256), 0x3FC0, np.uint16) for name in "xw"}, ["y"])
    text = p.emitted()
    assert text.index("tile_sync()") < text.index("v[r] = tile_bf16_to_f32")
    assert text.index("b[r] = tile_bf16_to_f32") < text.index("tile_sync()")
    p.check_values({"y": np.full((3, 256), 1.5 * 2.25 * 256 + 2.25, np.float32)}, seeds=2)


ODD = {
    "constants under another shape": (
        "y[n +: 4, :] = trans(fill(2.0, 3, 4)) + trans(trans(fill(1.0, 4, 3))) + reshape(fill(0.5, 12), 4, 3);",
        np.full((9, 3), 3.5, np.float32)),
    "a constant of 64 bits": ("z[n +: 4, :] = i64(~fill(u64(1), 4, 6) >> 8);", np.full((9, 6), 2**56 - 1, np.int64)),
    "small numbers as i64": ("z[n +: 4, :] = take(fill(i64(3), 4, 4, 6), popc(x[0]));", np.full((9, 6), 3, np.int64)),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_values(tilec, tmp_path, name):
    body, want = ODD[name]
    out = "z" if want.dtype == np.int64 else "y"
    p = Program(tilec, tmp_path, f"""
kernel k[N: dim](x: in i32[N], y: out f32[N, 3], z: out i64[N, 6])
{{
  par (n in 0..N by 4) {{ {body} }}
}}
""", {"x": np.full(9, 5, np.int32)}, [out])
    p.check_values({out: want}, seeds=2)


def test_a_local_of_nothing(tilec, tmp_path):
    p = Program(tilec, tmp_path, """
kernel k[N: dim](x: in i32[N], y: out i32[N])
{
  par (n in 0..N by 2) {
    local none: i32[1, 0];
    none[:, :] = fill(i32(1), 1, 0);
    y[n +: 2] = i32(x[n +: 2] + none[0, x[n], pad = 7]);
  }
}
""", {"x": np.arange(5, dtype=np.int32)}, ["y"])
    p.check_values({"y": np.arange(5, dtype=np.int32) + 7}, seeds=2)


@pytest.mark.parametrize("classes, programs, warps", [
    (2, 3, 4), (3, 16, 2), (4, 32, 4), (4, 6, 1), (9, 8, 4), (9, 5, 3), (16, 4, 1), (17, 8, 8), (32, 12, 4),
    (40, 4, 2), (64, 8, 4), (256, 4, 16), (300, 3, 4), (300, 4, 2)])
def test_counts_are_exchanged(tilec, tmp_path, classes, programs, warps):
    """Lanes and warps share classes and programs, some of them out of range, in every way."""
    random = np.random.default_rng(classes)
    x = random.integers(-1, classes + 1, programs * 100).astype(np.int32)
    rows = x.reshape(programs, 100)
    counts = np.array([[np.count_nonzero(r == k) for k in range(classes)] for r in rows], np.int32)
    before = np.cumsum(counts, 0) - counts
    rank = np.array([[(before[p, e] + np.count_nonzero(r[:i] == e)) if 0 <= e < classes else -1
                      for i, e in enumerate(r)] for p, r in enumerate(rows)], np.int32)
    p = Program(tilec, tmp_path, """
kernel k[N: dim, P: dim](x: in i32[N], all: out i32[%d, %d], first: out i32[%d, %d],
   y: out i32[N])
{
  par (p in 0..P) {
    let e = x[p * 100 +: 100];
    let rank = occurrence(e, %d);
    let counts = exchange(histogram(e, %d));
    let total = squeeze(sum(counts, 0));
    let before = squeeze(sum(select(reshape(iota(P), P, 1) < p, counts, 0), 0));
    all[p, :] = total;
    first[p, :] = cumsum(total, 0, exclusive = true);
    y[p * 100 +: 100] = select((e >= 0) & (e < %d), take(before, e) + rank, -1);
  }
}
schedule k for sm90 { let P = %d;  unit block warps(%d); }
""" % (*[programs, classes] * 2, *[classes] * 3, programs, warps), {"x": x}, ["all", "first", "y"])
    total = counts.sum(0, dtype=np.int32)
    p.check_values({"all": np.tile(total, (programs, 1)),
                    "first": np.tile(np.cumsum(total) - total, (programs, 1)).astype(np.int32),
                    "y": rank.reshape(-1)}, seeds=2)


def test_exchange_of_nothing(tilec, tmp_path):
    p = Program(tilec, tmp_path, """
kernel k[N: dim, P: dim](x: in i32[N], y: out i32[N])
{
  par (p in 0..P) {
    y[p +: 1] = x[p +: 1];
    let none = exchange(fill(i8(1), 0));
    grid_sync();
    y[p +: 1] = y[p +: 1] + i32(size(none, 0));
  }
}
schedule k for sm90 { let P = 5; }
""", {"x": np.arange(5, dtype=np.int32)}, ["y"])
    assert "generation" not in p.emitted()
    p.check_values({"y": np.arange(5, dtype=np.int32) + 5}, seeds=3)


def test_names_of_the_program_stay_apart(tilec, tmp_path):
    """What emitted statements call their own is no name of the program: rows that begin anywhere, scans."""
    x = np.random.default_rng(3).integers(0, 99, (70, 150)).astype(np.uint16)
    p = Program(tilec, tmp_path, """
kernel k[N: dim, M: dim](x: in u16[M, N], y: out u16[N, M], z: out i32[N])
{
  par (row in 0..M by 64, q in 0..N by 64) {
    let room = row + 0;  let skip = q;  let at = x[room +: 64, skip +: 64];
    y[skip +: 64, room +: 64] = trans(at);
  }
  @scan par (head in 0..N by 8) {
    let sum = i32(iota(8));
    let part = cumsum(sum, 0);
    z[head +: 8] = part + sum;
  }
}
schedule k for sm90 { unit block warps(4);  store y vector(16); }
""", {"x": x}, ["y", "z"])
    one = np.arange(8)
    p.check_values({"y": x.T.copy(), "z": np.resize(np.cumsum(one) + one, 150).astype(np.int32)}, seeds=2)


def test_names_in_exchanges(tilec, tmp_path):
    x = np.random.default_rng(5).integers(0, 40, 24).astype(np.int32)
    p = Program(tilec, tmp_path, """
kernel k[N: dim, P: dim](x: in i32[N], y: out i32[N], z: out i32[3, 4])
{
  par (p in 0..P) {
    let place = histogram(x[p * 8 +: 8] % 4, 4);
    let word = exchange(place);
    let ready = squeeze(sum(word, 0));
    z[p, :] = ready;
    let mine = x[p * 8 +: 8];
    let own = occurrence(mine % 4, 4);
    let peers = i32(own + mine);
    y[p * 8 +: 8] = peers;
  }
}
schedule k for sm90, sm100 { let P = 3;  unit block warps(2); }
""", {"x": x}, ["y", "z"])
    counts = np.bincount(x % 4, minlength=4).astype(np.int32)
    rank = [np.count_nonzero(x[i // 8 * 8:i] % 4 == x[i] % 4) for i in range(24)]
    p.check_values({"y": x + np.array(rank, np.int32), "z": np.tile(counts, (3, 1))}, seeds=3)
