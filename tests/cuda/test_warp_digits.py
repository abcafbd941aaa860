"""Tiles whose axis lies along two digits of the warp, with registers in between: joined axes of a tile
that is spread over the warps along both."""
import numpy as np
import pytest

from runs import Program, statements

TEXT = """
kernel joined[N: dim](x: in f32[N, 2, 6, 2, 64], y: out f32[N], z: out f32[N], a: out i32[N], c: out f32[N, 1536],
  s: out f32[4], t: out f32[N, 6, 128], r: out i32[N, 1536])
{
  par (n in 0..N) {
    let v = x[n, :, :, :, :];
    let u = reshape(v, 1536);
    %s
  }
}
schedule joined for sm90, sm100 { unit block warps(4); }
"""
X = np.random.default_rng(1).integers(-9, 10, (5, 2, 6, 2, 64)).astype(np.float32)
FLAT = X.reshape(5, 1536)
BODIES = {
    "sum": ("y[n] = squeeze(sum(u, 0));", {"y": FLAT.sum(1)}),
    "amax": ("z[n] = squeeze(amax(u * f32(iota(1536)), 0));", {"z": (FLAT * np.arange(1536, dtype=np.float32)).max(1)}),
    "any": ("y[n] = all(u > -9.0) || any(u > 8.0) ? 1.0 : 0.0;",
            {"y": ((FLAT > -9).all(1) | (FLAT > 8).any(1)).astype(np.float32)}),
    "cumsum": ("c[n, :] = cumsum(u, 0);", {"c": FLAT.cumsum(1)}),
    "argmax": ("a[n] = squeeze(argmax(u, 0));", {"a": FLAT.argmax(1).astype(np.int32)}),
    "joined_middle": ("t[n, :, :] = sum(reshape(v, 2, 6, 128), 0, order = seq)[0, :, :] * sum(u, 0)[0];",
                      {"t": X.reshape(5, 2, 6, 128).sum(1) * FLAT.sum(1)[:, None, None]}),
    "tree": ("y[n] = squeeze(sum(u, 0, order = tree));", {"y": FLAT.sum(1)}),
    "rank": ("r[n, :] = rank(u, 0);", {"r": np.argsort(np.argsort(-FLAT, 1, kind="stable"), 1).astype(np.int32)}),
}


@pytest.mark.parametrize("arch", ["sm90", "sm100"])
@pytest.mark.parametrize("name", BODIES)
def test_along_both_digits(tilec, tmp_path, name, arch):
    body, want = BODIES[name]
    p = Program(tilec, tmp_path, TEXT % body, {"x": X}, list(want), arch=arch)
    p.check_values(want, seeds=3)


def test_the_layout_has_two_digits(tilec, tmp_path):
    """Else this file tests nothing."""
    p = Program(tilec, tmp_path, TEXT % BODIES["sum"][0], {"x": X}, ["y"])
    assert "warp 2@1.1 | warp 2@1.0 | reg 3@2.1" in tilec("layout", p.path, "joined", "v").stdout
    assert len(statements(p.emitted(), r"for \(int w1? = 1; w1? < 2; w1?\+\+\)")) == 3


def test_planned_sums(tilec, tmp_path):
    """In the plan's order: bits are equal for any numbers, also of a sum that a loop carries."""
    p = Program(tilec, tmp_path, """
kernel carried[N: dim](x: in f32[N, 2, 6, 2, 64], y: out f32[N], z: out f32[1])
{
  par (p in 0..1) {
    var s = fill(0.0, 1);
    for n in 0..N {
      let u = reshape(x[n, :, :, :, :], 1536);
      s = s + sum(u * u, 0);
      y[n] = squeeze(sum(u, 0));
    }
    z[:] = s;
  }
}
schedule carried for sm90, sm100 { unit block warps(4); }
""", {"x": np.random.default_rng(2).standard_normal(X.shape, np.float32)}, ["y", "z"])
    p.check(4)
