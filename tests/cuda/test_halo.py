"""Tiles stored to rows that begin anywhere: a program takes what the next one has of a sector (compiler/cuda_shift.c)
where it knows that one, and stores parts of sectors otherwise. The interpreter has each program store its own."""
import re

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


# What a neighbour does otherwise, or elsewhere: a kernel's parameters, ranges and body.
M, N = 150, 133
X, Y, BOTH = "x: in u8[M, N] @ stride(any, 1)", "y: out u8[N, M]", "m in 0..M by 64, n in 0..N by 64"
ELSEWHERE = {
    "goes on": (f"{X}, {Y}", BOTH, "if m == 64 { continue; } " + BODY, {"x": (M, N)}),
    "twice in a load": ("x: in u8[M, M], y: out u8[M, M]", "m in 0..M by 64, n in 0..M by 64",
                        "y[n +: 64, m +: 64] = trans(x[m +: 64, m +: 64]);", {"x": (M, M)}),
    "twice in a store": ("x: in u8[M, M], y: out u8[M, M]", "m in 0..M by 64",
                         "y[m +: 64, m +: 64] = trans(x[m +: 64, m +: 64]);", {"x": (M, M)}),
    "in another place": ("x: in u8[M, M, N], y: out u8[M, N, M]", BOTH,
                         "y[m, n +: 64, m +: 64] = trans(x[m, m +: 64, n +: 64]);", {"x": (M, M, N)}),
    "a view of y": (f"{X}, y: out u8[3, N, M]", BOTH, "view yv = slice(y, m // 64, m // 64 + 1);  "
                    "yv[0, n +: 64, m +: 64] = trans(x[m +: 64, n +: 64]);", {"x": (M, N)}),
    "a view of x": ("x: in u8[L], y: out u8[N, M]", BOTH, "view xv = reshape(slice(x, m, m + M * N), M, N);  "
                    "y[n +: 64, m +: 64] = trans(xv[m +: 64, n +: 64]);", {"x": (M * N + 200,)}),
    "rows that end before": ("x: in u8[M, N] @ stride(any, 1), y: out u8[N, K, M]", BOTH,
                             "y[n, n +: 64, m +: 64] = trans(x[m +: 64, n +: 64]);", {"x": (M, N), "K": 190}),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_neighbours_that_do_otherwise(tilec, tmp_path, what):
    params, ranges, body, shapes = ELSEWHERE[what]
    words = re.findall(r"\w+", params)
    dims = ", ".join(f"{d}: dim" for d in "MNKL" if d in words)
    text = f"kernel other[{dims}]({params})\n{{\n  par ({ranges}) {{ {body} }}\n}}\n" \
        "schedule other for sm90 { unit block warps(4); }\n"
    shape = shapes["x"]
    x = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    settings = {"M": M, "N": N} if "L" in words else {"K": shapes["K"]} if "K" in words else {}
    p = Program(tilec, tmp_path, text, {"x": x}, ["y"], settings)
    assert "tile_rows_halo(" not in p.emitted()
    p.check(2)


@pytest.mark.parametrize("table", ["x", "y"])
def test_entries_of_a_table(tilec, tmp_path, table):
    params = {"x": "xs: in table(L, u8[M, N]), y: out u8[N, M]",
              "y": "x: in u8[M, N], ys: out table(L, u8[N, M])"}[table]
    x, y = ("xs[m // 64]", "y") if table == "x" else ("x", "ys[m // 64]")
    text = f"""
kernel other[M: dim, N: dim, L: int = 3]({params})
{{
  par (m in 0..M by 64, n in 0..N by 64) {{ {y}[n +: 64, m +: 64] = trans({x}[m +: 64, n +: 64]); }}
}}
schedule other for sm90 {{ unit block warps(4); }}
"""
    value = np.arange(M * N, dtype=np.uint8).reshape(M, N)
    inputs = {f"xs[{i}]": value + np.uint8(i) for i in range(3)} if table == "x" else {"x": value}
    p = Program(tilec, tmp_path, text, inputs, ["y"] if table == "x" else [f"ys[{i}]" for i in range(3)])
    assert "tile_rows_halo(" not in p.emitted()
    p.check(2)


@pytest.mark.parametrize("t, width, unit", [("u8", 16, "warp"), ("u8", 48, "block warps(2)"), ("i16", 24, "warp"),
                                            ("u8", 80, "block warps(4)")])
def test_tiles_that_are_no_whole_sectors(tilec, tmp_path, t, width, unit):
    text = SAME.replace("m in 0..M by 64", f"m in 0..M by {width}").replace("m +: 64", f"m +: {width}")
    text = text.replace("block warps(4)", unit)
    if unit == "warp":
        text = text.replace("load x vector(16);  store y vector(16);", "")
    text += f"instances turn {{ T: {{ {t} }}; }}\n"
    x = np.arange(M * N).reshape(M, N).astype({"u8": "u1", "i16": "i2"}[t])
    p = Program(tilec, tmp_path, text, {"x": x}, ["y"], {"T": t})
    assert "tile_rows_halo(" not in p.emitted()
    p.check(2)


def test_fewer_pieces_than_threads(tilec, tmp_path):
    text = SAME.replace("by 64", "by 16").replace("+: 64", "+: 16") + "instances turn { T: { u8 }; }\n"
    p = Program(tilec, tmp_path, text, {"x": np.arange(M * N, dtype=np.uint8).reshape(M, N)}, ["y"], {"T": "u8"})
    assert "tile_rows_store(" in p.emitted()
    p.check(2)


def test_the_next_launch_starts_behind_the_last_load(tilec, tmp_path):
    text = SAME.replace("store y vector(16);", "store y vector(16);  pdl wait(load) trigger(last_load);")
    text = program(tilec, tmp_path, text, "bf16", 100, 131).emitted()
    assert 0 < text.index("tile_pdl_wait") < text.index("tile_rows_halo(") < text.index("tile_pdl_launch")
