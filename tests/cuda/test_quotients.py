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


# What is known of numerators from what was gathered before is not gathered again: differences of
# quotients, what a local tensor holds, and parts of the sums that divide.
KNOWN = """
fn back(g, q, s, A) = (g - sum(g * q, A, order = tree) / s) / s;
kernel known[N: dim](x: in f32[N, 16], d: in f32[N, 4], y: out f32[N, 16], eps: f32, go: i32)
{
  par (n in 0..N) {
    let v = reshape(x[n, :], 4, 4);
    let s = reshape(d[n, :], 1, 4);
    local kept: f32[3, 4, 4];
    var c = abs(v) + 1e-3;
    for i in 0..3 {
      c = c / (sum(c, 0, order = tree) + eps);
      kept[i, :, :] = c;
    }
    var g = v;
    if go > 0 { g = back(back(v, c, s, 0), c, s, 0); }    # v and s are asked about here only
    let w = (v - g) / s;
    for i in 0..3 {
      let q = kept[2 - i, :, :];
      g = back(back(w, q, sum(q, 0, order = tree) + eps, 0), q, s, 0);
    }
    y[n, :] = reshape(g, 16);
  }
}
schedule known for sm90, sm100 { %s  place kept smem; }
"""


# Quotients of quotients and of their differences grow smaller and smaller.
CHAINS = """
kernel chains[N: dim](x: in f32[N, 16], d: in f32[N, 4], y: out f32[2, N, 16])
{
  par (n in 0..N) {
    let v = reshape(x[n, :], 4, 4);
    let s = reshape(d[n, :], 1, 4);
    let u = v / s;
    y[0, n, :] = reshape(%s, 16);
    y[1, n, :] = 0.0;
  }
}
schedule chains for sm90, sm100 { unit thread pack(32); }
"""


@pytest.mark.parametrize("chain", ["u / s / (s * 0x1p-19) / (s * 0x1p-27)",
                                   "(u - v * 0x1.000002p0 / s) / s / (s * 0x1p-27)"])
def test_chains_of_quotients(tilec, tmp_path, chain):
    rng = np.random.default_rng(3)
    x, d = rng.uniform(1, 2, (640, 16)) * 2.0**-48, rng.uniform(0.5, 1, (640, 4)) * 2.0**27
    p = Program(tilec, tmp_path, CHAINS % chain, {"x": x.astype("f4"), "d": d.astype("f4")}, ["y"])
    assert "exact < 2" in p.emitted()
    p.check(2)


@pytest.mark.parametrize("unit", UNITS[:3])
@pytest.mark.parametrize("eps", [1e-6, 0.0, -2.0])
@pytest.mark.parametrize("go", [0, 1])
def test_what_is_known_of_numerators(tilec, tmp_path, unit, eps, go):
    inputs = numbers(640, 0.002)
    with np.errstate(over="ignore"):
        inputs["x"] *= np.float32(2) ** np.arange(-128, 32, dtype=np.float32).repeat(4)[:, None]
    inputs["d"][::2] *= np.float32(2**20)
    p = Program(tilec, tmp_path, KNOWN % unit, inputs, ["y"], {"eps": eps, "go": go})
    p.check(2)


def test_sums_that_divide_are_asked_once(tilec, tmp_path):
    text = Program(tilec, tmp_path, KNOWN % UNITS[0], numbers(5, 0), ["y"], {"eps": 0, "go": 0}).emitted()
    assert "a.eps >= 0.0f" in text and "tile_gather_summand" in text


def test_a_divisor_that_nobody_asked_about(tilec, tmp_path):
    """Two quotients are few: they are divided, by 0 perhaps, and what they give is not known."""
    text = """
kernel few[N: dim](x: in f32[N, 16], d: in f32[N, 4], y: out f32[N, 16])
{
  par (n in 0..N) {
    let p = reshape(x[n, 0 +: 2], 2, 1);
    let q = reshape(d[n, 0 +: 2], 2, 1);
    let b = reshape(x[n, :], 2, 8);
    let e = abs(b) + 1.0;
    let a = b / q;
    let u = p / e;
    let z = q / p;
    let w = z / e;
    y[n, :] = reshape(w + (a + u) * 0x1p-20, 16);
  }
}
schedule few for sm90, sm100 { unit thread pack(32); }
"""
    inputs = numbers(64, 0)
    inputs["x"][1, 0] = 0.0
    p = Program(tilec, tmp_path, text, inputs, ["y"])
    assert "exact < 2" in p.emitted()
    p.check(2)
