"""tilec run --plan: default sums have the order of a target's threads (R8)."""
import pathlib
import sys

import numpy as np
import pytest

from data import normal
from harness import TilecError, run, same_bits, within
from ref_math import F32, convert

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interp"))
from plan_order import planned_sum  # noqa: E402

ROWS = """\
kernel rows[M: dim, D: int](x: in f32[M, D], y: out f32[M, 1])
{
  par (m in 0..M) { y[m +: 1, :] = sum(x[m +: 1, :], 1); }
}
"""
COLUMNS = """\
kernel columns[M: int, D: int](x: in f32[M, D], y: out f32[1, D])
{
  par (d in 0..D by 32) { y[:, d +: 32] = sum(x[:, d +: 32], 0); }
}
"""


# Layouts of tiles that fill the unit: 16 bytes a lane, then lanes and warps along the rows as far as
# they divide what is left, then along the other axis; the rest lies in registers. Where little
# divides, holders beyond the row stay empty.
@pytest.mark.parametrize("unit,D,plan", [
    ("", 4096, [("reg", 4, 1), ("lane", 32, 4), ("warp", 4, 128), ("reg", 8, 512)]),
    ("unit block warps(3);", 384, [("reg", 4, 1), ("lane", 32, 4), ("warp", 3, 128)]),
    ("unit block warps(16);", 2048, [("reg", 4, 1), ("lane", 32, 4), ("warp", 16, 128)]),
    ("unit warp pack(4);", 1024, [("reg", 4, 1), ("lane", 32, 4), ("reg", 8, 128)]),
    ("unit thread pack(32);", 64, [("reg", 64, 1)]),
    ("unit block warps(4);", 33, [("lane", 32, 1), ("warp", 4, 32)]),
    ("unit block warps(4);", 1, []),
])
def test_rows(tmp_path, unit, D, plan):
    file = tmp_path / "rows.tile"
    file.write_text(ROWS + (f"schedule rows for sm90, sm100 {{ {unit} }}\n" if unit else ""))
    x = normal((7, D), D)
    x[3] = -0.0
    got = run(file, "rows", {"D": D}, {"x": x}, {"y": "f32"}, arguments=["--plan", "sm90"])["y"]
    if D > 1:
        same_bits(got, planned_sum(plan, x, 1), "y")
    else:
        same_bits(got, x, "y")


def test_columns(tmp_path):
    file = tmp_path / "columns.tile"
    file.write_text(COLUMNS + "schedule columns for sm90 { unit block warps(4); }\n")
    x = normal((64, 96), 1)
    got = run(file, "columns", {"M": 64, "D": 96}, {"x": x}, {"y": "f32"},
              arguments=["--plan", "sm90"])["y"]
    same_bits(got, planned_sum([("lane", 4, 1), ("warp", 4, 4), ("reg", 4, 16)], x, 0), "y")


def test_a_target_takes_its_own_schedule(tmp_path):
    file = tmp_path / "rows.tile"
    file.write_text(ROWS + "schedule rows for sm90 { unit thread; }\n"
                    "schedule rows for sm100 { unit warp; }\n")
    x = normal((50, 512), 2)
    plans = {"sm90": [("reg", 512, 1)], "sm100": [("reg", 4, 1), ("lane", 32, 4), ("reg", 4, 128)]}
    for target, plan in plans.items():
        got = run(file, "rows", {"D": 512}, {"x": x}, {"y": "f32"}, arguments=["--plan", target])
        same_bits(got["y"], planned_sum(plan, x, 1), target)
    file.write_text(ROWS + "schedule rows for sm90 { unit thread; }\n")
    with pytest.raises(TilecError, match=r"rows.tile:5:\d+: error: rows has no schedule for sm100"):
        run(file, "rows", {"D": 512}, {"x": x}, {"y": "f32"}, arguments=["--plan", "sm100"])


def test_rms_norm():
    M, D, eps = 37, 4096, 1e-6
    x, w = normal((M, D), 3, T="bf16"), normal((D,), 4, T="bf16")
    values = {(target, BM): [
        run("examples/rms_norm.tile", "rms_norm", {"D": D, "BM": BM, "eps": eps}, {"x": x, "w": w},
            {"y": "bf16"}, seed=seed, arguments=["--plan", target, "--threads", str(1 + seed)])["y"]
        for seed in (0, 1)] for target in ("sm90", "sm100") for BM in (1, 4)}
    for first, again in values.values():
        same_bits(again, first, "y")
    for BM in (1, 4):
        same_bits(values["sm100", BM][0], values["sm90", BM][0], "y")
    v = x.astype(np.float64)
    want = v / np.sqrt((v * v).mean(1, keepdims=True) + float(F32(eps))) * w.astype(np.float64)
    # Rounding to bf16, and f32's: those of the sum are below 2^-24 * (32 + 5 + 3), halved by rsqrt.
    bound = np.abs(want) * (2.0 ** -8 + 2.0 ** -17) + 2.0 ** -130
    for runs in values.values():
        within(runs[0], want, bound, "y")
    tree = run("examples/rms_norm.tile", "rms_norm", {"D": D, "BM": 1, "eps": eps},
               {"x": x, "w": w}, {"y": "bf16"})["y"]
    within(tree, want, bound, "y")


def test_wide_sums_stay_within_their_bound(tmp_path):
    """|error| <= 2^-24 * (additions on the longest way) * sum of |x|, to first order."""
    file = tmp_path / "rows.tile"
    file.write_text(ROWS)
    x = (normal((40, 7168), 5) * 10.0 ** np.random.default_rng(6).integers(-3, 4, (40, 7168)))
    x = convert(x.astype(F32), "f32")
    got = run(file, "rows", {"D": 7168}, {"x": x}, {"y": "f32"}, arguments=["--plan", "sm90"])["y"]
    want = x.astype(np.float64).sum(1, keepdims=True)
    additions = 7168 // 128 + 5 + 3
    within(got, want, np.abs(x).astype(np.float64).sum(1, keepdims=True) * additions * 2.0 ** -24,
           "y")
