"""`for (i in .., j in ..) of (p, P)`: programs share the points of ragged ranges (R14)."""
import numpy as np
import pytest

from runs import Program

KERNEL = """
kernel shares[E: dim, N: dim, P: dim](ends: in i32[E], x: in f32[N, 64], y: out f32[N, 64], s: out f32[3, 4])
{
  par (p in 0..P) {
    %s
  }
}
schedule shares for sm90, sm100 { let P = 3;  %s }
"""
RANGES = "e in 0..E, m in (e == 0 ? 0 : ends[e - 1])..ends[e] by 4"
ROWS = "view t = slice(y, 0, ends[e]);  t[m +: 4, :] = x[m +: 4, :] * f32(e + 1);"
ZERO = "  for i in p..N by P { y[i, :] = 0.0; }"
SUM = "var a = fill(0.0, 4);  var n = i64(0);  for (%s) of (%s, P) { %s }  s[p, :] = a + f32(n);"
BODIES = {
    "rows": f"for ({RANGES}) of (p, P) {{ {ROWS} }}  s[p, :] = 0.0;",
    "sums": SUM % (RANGES, "p", ROWS + "  a = a + squeeze(sum(x[m +: 4, :], 1, order = seq));  n = n + e * m;"),
    "late": SUM % (RANGES, "p + 4", "a = a + x[m, 0 +: 4];  n = n * 2 + m;") + ZERO,
    "one": SUM % ("m in 3..N by 2", "p", "a = a + x[m, 0 +: 4];  n = n + 1;") + ZERO,
    "three": SUM % ("i in 0..2, e in i..E, m in e..ends[e] by i + 1", "p",
                    "a = a + x[m, 0 +: 4];  n = n * 3 + m;") + ZERO,
    "continue": SUM % (RANGES, "p", "n = n + 1;  if m % 8 == 0 { continue; }  a = a * 0.5 + x[m, 0 +: 4];") + ZERO,
    "swap": "var a = fill(0.0, 4);  var b = fill(1.0, 4);"
            "  for (%s) of (p, P) { let c = a;  a = b + x[m, 0 +: 4];  b = c; }  s[p, :] = a - b;" % RANGES + ZERO,
}
UNITS = ["unit block;", "unit warp pack(2);", "unit lanes(8);", "unit thread;", "unit block;  pipeline m stages(2);"]


@pytest.mark.parametrize("arch", ["sm90", "sm100"])
@pytest.mark.parametrize("body", BODIES)
def test_shares(tilec, tmp_path, body, arch):
    x = np.random.default_rng(3).integers(-9, 9, (37, 64)).astype(np.float32)
    ends = np.array([0, 5, 5, 6, 30, 37], np.int32)
    for unit in UNITS:
        if "pipeline" in unit and body in ("rows", "late", "three", "one"):
            continue
        Program(tilec, tmp_path, KERNEL % (BODIES[body], unit), {"ends": ends, "x": x}, ["y", "s"], arch=arch).check(2)


def test_roles_share(tilec, tmp_path):
    ends = np.array([3, 3, 20, 37], np.int32)
    Program(tilec, tmp_path, """
kernel shares[E: dim, N: dim, P: dim](ends: in i32[E], x: in f32[N, 64], y: out f32[2, 64])
{
  par (p in 0..P) {
    pipe rows[2] { v: f32[4, 64] };
    roles {
      role load warps(1) { for (e in 0..E, m in e..ends[e] by 4) of (p, P) { put rows { v = x[m +: 4, :] }; } }
      role add warps(2) {
        var s = fill(0.0, 1, 64);
        for (e in 0..E, m in e..ends[e] by 4) of (p, P) { get rows as r { s = s + sum(r.v, 0, order = seq); } }
        y[p, :] = reshape(s, 64);
      }
    }
  }
}
schedule shares for sm90, sm100 { let P = 2; }
""", {"ends": ends, "x": np.random.default_rng(4).normal(size=(37, 64)).astype(np.float32)}, ["y"]).check(4)
