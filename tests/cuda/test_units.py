"""Operations along an axis and elements of tiles, in units of all sizes: a part of a warp has the
lanes that it has, and threads share no tile."""
import numpy as np
import pytest

from runs import Program

KERNEL = """
kernel k[N: dim](x: in f32[N, 96], y: out f32[N, 96])
{
  par (n in 0..N) {
    let v = x[n, :];
    %s
  }
}
schedule k for sm90, sm100 { unit %s; }
"""
UNITS = ["lanes(2)", "lanes(4)", "lanes(8)", "lanes(16)", "thread", "thread pack(32)", "warp", "block warps(3)"]
BODIES = {
    "topk": "let (a, b) = topk(v, 7, 0);  y[n, :] = concat(a, f32(b), v[14 +: 82]);",
    "argmax": "y[n, :] = v + f32(argmax(v, 0));",
    "softmax": "y[n, :] = softmax(v, 0);",
    "tree": "y[n, :] = v + sum(v, 0, order = tree);",
    "cumsum": "y[n, :] = f32(cumsum(i32(v), 0)) + f32(cumsum(i32(v), 0, exclusive = true));",
    "cummax": "y[n, :] = cummax(v, 0);",
    "gather": "y[n, :] = v[iota(96) * 5 % 97];",
    "slice": "y[n, :] = v[i64(i32(v[3])) +: 96];",
    "element": "y[n, :] = v * v[i64(i32(v[3])) & 63];",
    "sizes": "let b = i8(i32(v));  let i = i32(v) & 63;  y[n, :] = v[i] + f32(i32(b[i]));",
}


@pytest.mark.parametrize("body", BODIES)
def test_units_of_all_sizes(tilec, tmp_path, body):
    x = (np.random.default_rng(2).normal(size=(70, 96)) * 9).astype(np.float32)
    for unit in UNITS:
        Program(tilec, tmp_path, KERNEL % (BODIES[body], unit), {"x": x}, ["y"]).check(3)
