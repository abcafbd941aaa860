"""Groups of quotients: emitted without a branch each, divided again where operands are odd. The interpreter
divides; numbers that no quotient fits (0, -0, tiny, huge, inf, NaN, negative divisors) come in every warp."""
import numpy as np
import pytest

from runs import Program

TEXT = """
kernel twice[N: dim](x: in f32[N, 16], d: in f32[N, 4], y: out f32[N, 16])
{
  const eps = 1e-6;
  par (n in 0..N) {
    let v = reshape(x[n, :], 4, 4);
    let s = reshape(d[n, :], 1, 4);
    var c = v / s;
    for i in 0..3 {
      c = c / (sum(abs(c), 1, order = tree) + eps);
      c = c / (sum(abs(c), 0, order = tree) + eps);
    }
    y[n, :] = reshape(c / s, 16);
  }
}
schedule twice for sm90, sm100 { %s }
"""
ODD = [0.0, -0.0, 1e-45, -1e-39, 1e-20, 2.0**-61, 2.0**-40, 1 - 2.0**-24, 2.0**41, 1e20, -3e38, np.inf, -np.inf, np.nan]
UNITS = ["unit thread pack(32);", "unit lanes(4);", "unit lanes(4) pack(16);", "unit lanes(16);", "unit warp;"]


def numbers(n, odd, seed=1):
    rng = np.random.default_rng(seed)
    x, d = rng.normal(size=(n, 16)), np.exp(rng.normal(size=(n, 4)))
    for a in (x, d):
        places = rng.random(a.shape) < odd
        a[places] = rng.choice(ODD, places.sum())
    return {"x": x.astype(np.float32), "d": d.astype(np.float32)}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("odd", [0, 0.01, 0.5])
def test_every_operand(tilec, tmp_path, unit, odd):
    p = Program(tilec, tmp_path, TEXT % unit, numbers(77, odd), ["y"])
    p.check(2)


@pytest.mark.parametrize("unit", UNITS[:3])
def test_programs_begin_again(tilec, tmp_path, unit):
    """Nothing that is seldom needed stands between what always is."""
    text = Program(tilec, tmp_path, TEXT % unit, numbers(5, 0), ["y"]).emitted()
    assert text.count("exact < 2") == 1 and "if (!fit" not in text


def test_no_program_with_a_store_before_begins_again(tilec, tmp_path):
    text = (TEXT % UNITS[0]).replace("    for i in", "    y[n, :] = reshape(c, 16);\n    for i in")
    p = Program(tilec, tmp_path, text, numbers(40, 0.1), ["y"])
    assert "exact < 2" not in p.emitted() and "if (!fit" in p.emitted()
    p.check(2)
