"""Tiles stored to rows that begin anywhere: a program takes what the next one has of a sector (compiler/cuda_shift.c)
where it knows that one, and stores parts of sectors otherwise. The interpreter has each program store its own."""
import ml_dtypes
import numpy as np
import pytest

from runs import Program

TEXT = """
kernel turn[M: dim, N: dim, K: dim, T: type](x: in T[M, N] @ stride(any, 1), y: out T[N, K])
{
  par (m in 0..K by 64, n in 0..N by 64) { y[n +: 64, m +: 64] = trans(x[m +: 64, n +: 64]); }
}
schedule turn for sm90, sm100 { unit block warps(4);  load x vector(16);  store y vector(16); }
"""
SAME = TEXT.replace("K: dim, ", "").replace("T[N, K]", "T[N, M]").replace("0..K", "0..M")
TYPES = {"e4m3": ml_dtypes.float8_e4m3fn, "bf16": ml_dtypes.bfloat16, "f32": np.float32}
BODY = "y[n +: 64, m +: 64] = trans(x[m +: 64, n +: 64]);"
OTHERS = {
    "ends before": SAME.replace("m in 0..M", "m in 0..min(M, 100)"),
    "begins behind": SAME.replace("m in 0..M", "m in 64..M"),
    "smaller steps": SAME.replace("0..M by 64", "0..M by 32"),
    "a condition": SAME.replace(BODY, "if n != 64 { %s }" % BODY),
    "computed": SAME.replace(BODY, "y[n +: 64, m +: 64] = trans(select(x[m +: 64, n +: 64] > 0, T(1), T(0)));"),
    "another place": SAME.replace("x[m +: 64", "x[m + 1 +: 64"),
    "other rows": SAME.replace(BODY, "y[n + m // 64 +: 64, m +: 64] = trans(x[m +: 64, n + m // 64 +: 64]);")
    .replace("vector(16)", "vector(1)"),
    "ends elsewhere": TEXT,
    "twice": SAME.replace(BODY, BODY + " if m == 0 { y[n, 0] = T(1); }"),
}


def program(tilec, folder, text, t, m, n, k=None):
    x = np.random.default_rng(m * n).normal(size=(m, n)).astype(TYPES[t])
    x = x.view({1: "u1", 2: "u2", 4: "f4"}[x.itemsize])
    settings = {"T": t} | ({"K": k} if "K: dim" in text else {})
    text += f"instances turn {{ T: {{ {t} }}; }}\n"
    return Program(tilec, folder, text, {"x": x}, ["y"], settings)


@pytest.mark.parametrize("t", TYPES)
@pytest.mark.parametrize("m", [1, 31, 64, 65, 66, 79, 95, 96, 97, 127, 129, 200])
def test_rows_meet_in_whole_sectors(tilec, tmp_path, t, m):
    p = program(tilec, tmp_path, SAME, t, m, 131)
    assert "tile_rows_halo(" in p.emitted()
    p.check(2)


@pytest.mark.parametrize("other", OTHERS)
def test_parts_of_sectors(tilec, tmp_path, other):
    p = program(tilec, tmp_path, OTHERS[other], "e4m3", 150, 133, k=141)
    text = p.emitted()
    assert "tile_rows_halo(" not in text and ("tile_rows_store(" in text or other == "other rows")
    # Others leave places that nobody stores, or that two do.
    if other in ("computed", "another place", "ends elsewhere", "twice"):
        p.check(2)


def test_the_next_launch_starts_behind_the_last_load(tilec, tmp_path):
    text = SAME.replace("store y vector(16);", "store y vector(16);  pdl wait(load) trigger(last_load);")
    text = program(tilec, tmp_path, text, "bf16", 100, 131).emitted()
    assert 0 < text.index("tile_pdl_wait") < text.index("tile_rows_halo(") < text.index("tile_pdl_launch")
